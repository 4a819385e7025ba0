"""A linear-Gaussian VAE and, in numpy and scipy alone, everything about it in closed form.

z ~ N(0, I), x | z ~ N(W z + b, s^2 I). The columns of W are orthogonal, so that the posterior is diagonal and an
encoder can be exact.
"""

import numpy as np
import torch
from scipy import stats

from lvmteach.vae import VAE, GaussianDecoder, GaussianEncoder, StandardNormal

W = np.array([[1.2, 0.0], [0.0, 0.7], [-0.5, 0.7], [0.5, 0.7]]) @ np.diag([1.0, 0.8])
W[:, 1] -= W[:, 0] * (W[:, 0] @ W[:, 1]) / (W[:, 0] @ W[:, 0])
B = np.array([0.3, -0.2, 0.1, 0.5])
S = 0.6
D, L = W.shape
POSTERIOR_VAR = 1 / (1 + (W**2).sum(0) / S**2)
POSTERIOR_MAP = POSTERIOR_VAR[:, None] * W.T / S**2
MARGINAL = stats.multivariate_normal(B, W @ W.T + S**2 * np.eye(D))


def posterior_mean(x):
    return (x - B) @ POSTERIOR_MAP.T


def data(n, seed=0):
    return MARGINAL.rvs(n, random_state=seed).reshape(n, D)


def vae(shift=0.0, widen=1.0):
    """The model in float64, its encoder exact but for the mean moved by `shift` and the scale times `widen`."""
    model = VAE(GaussianEncoder(D, L, hidden=()), GaussianDecoder(L, D, hidden=()), StandardNormal(L)).double()
    with torch.no_grad():
        affine = model.decoder.net[0]
        affine.weight[:], affine.bias[:] = torch.tensor(W), torch.tensor(B)
        model.decoder.log_scale[:] = np.log(S)
        affine = model.encoder.net[0]
        affine.weight[:] = torch.tensor(np.vstack([POSTERIOR_MAP, np.zeros((L, D))]))
        bias = np.concatenate([shift - POSTERIOR_MAP @ B, 0.5 * np.log(POSTERIOR_VAR) + np.log(widen)])
        affine.bias[:] = torch.tensor(bias)
    return model


def gap(shift, widen):
    """KL(q(z|x) || p(z|x)), the same for every x: a Gaussian of equal mean and scale but for shift and widen."""
    return (0.5 * (widen**2 + shift**2 / POSTERIOR_VAR - 1) - np.log(widen)).sum()


def kl_to_prior(x, shift, widen):
    mean, var = posterior_mean(x) + shift, POSTERIOR_VAR * widen**2
    return 0.5 * (mean**2 + var - 1 - np.log(var)).sum(1)
