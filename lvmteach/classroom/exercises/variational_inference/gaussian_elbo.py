"""The bound of a linear decoder."""

from __future__ import annotations

import math

import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.variational_inference.shared import (
    _decoded_variance,
    _gaussian_elbo,
    _gaussian_kl,
    _linear_elbo_with,
)


@drawing
def _decoders(draw):
    cases = []
    for (B, D, L), noise in zip(
        ((2, 3, 1), (4, 5, 2), (3, 2, 4), (5, 3, 3), (2, 4, 2), (2, 300, 2)),
        (0.7, 1.6, 0.9, 0.4, 0.01, 0.05),
        strict=True,
    ):  # the last: the determinant of 300 small variances is zero to a computer
        cases.append((2 * draw(B, D), draw(D, L), noise, 1.5 * draw(B, L), (draw(B, L) / 2 - 0.3).exp()))
    x, W, noise, *code = cases[1]
    small_units = 1e-7 * x, 1e-7 * W, 1e-7 * noise, *code
    narrower = torch.linspace(-5, 25, 30, dtype=torch.float64)[:, None]  # single precision shows at one of these scales
    scales = (1.5 * draw(30, 2) - narrower).exp()
    return [*cases, (0.1 * draw(30, 1), draw(1, 2), 0.6, 0.1 * draw(30, 2), scales), small_units]


def _linear_elbo_from_one_draw(x, W, noise, m, s):
    z = m + s * torch.randn_like(m)
    return Normal(z @ W.T, noise).log_prob(x).sum(1) - _gaussian_kl(m, s, torch.zeros_like(m), torch.ones_like(m))


def _evidence(x, W, noise):
    return MultivariateNormal(torch.zeros_like(x[0]), W @ W.T + noise**2 * torch.eye(len(W)).to(W))


def _linear_elbo_from_the_evidence(x, W, noise, m, s):
    L, p_x = W.shape[1], _evidence(x, W, noise)
    precision = torch.eye(L, dtype=W.dtype) + W.T @ W / noise**2
    mean = x @ W @ torch.linalg.inv(precision) / noise**2
    posterior = MultivariateNormal(mean, precision_matrix=precision.expand(len(x), L, L))
    return p_x.log_prob(x) - kl_divergence(MultivariateNormal(m, torch.diag_embed(s**2)), posterior)


def _linear_elbo_at_sigma_points(x, W, noise, m, s):
    """The average of a quadratic under a Gaussian is its mean over the 2 L points m ± sqrt(L) s_l e_l."""
    L = W.shape[1]
    steps = math.sqrt(L) * torch.diag_embed(s).transpose(0, 1)  # (L, B, L)
    z = torch.cat([m + steps, m - steps])
    joint = Independent(Normal(z @ W.T, noise), 1).log_prob(x) + Independent(
        Normal(torch.zeros_like(z), 1.0), 1
    ).log_prob(z)
    return joint.mean(0) + Independent(Normal(m, s), 1).entropy()


gaussian_elbo = Exercise(
    ask="Return the ELBO of a Gaussian q for a linear decoder with Gaussian noise, for each datum.",
    reference=_gaussian_elbo,
    cases=_decoders,
    misconceptions={
        "You decoded q's mean only. E_q[|x - W z|²] also has the variance of W z.": (
            _linear_elbo_with(wobble=lambda s, W: 0.0)
        ),
        "The variance of W z has lost its half: it stands in the same bracket as the squared distance.": (
            _linear_elbo_with(wobble=lambda s, W: 2 * _decoded_variance(s, W))
        ),
        "A spread in z must lower the expected log-likelihood: the variance of W z has the sign of the distance.": (
            _linear_elbo_with(wobble=lambda s, W: -_decoded_variance(s, W))
        ),
        "You averaged the density, so that the noise has grown by the variance of W z. Average its logarithm.": (
            lambda x, W, noise, m, s: (
                Normal(m @ W.T, (noise**2 + _decoded_variance(s, W)).sqrt()).log_prob(x).sum(1)
                + _linear_elbo_with(constant=0, half=0.0)(x, W, noise, m, s)
            )
        ),
        "This is log p(x) itself, whatever m and s are. The ELBO depends on q, and lies below by a KL.": (
            lambda x, W, noise, m, s: _evidence(x, W, noise).log_prob(x)
        ),
        "You drew one z. The expectation has a closed form here, and no chance in it.": _linear_elbo_from_one_draw,
        "The noise is missing. Squared distances are divided by its variance, and the constant has its logarithm.": (
            _linear_elbo_with(variance=lambda noise: 1.0)
        ),
        "In the constant the noise is not squared: half the logarithm of 2 pi noise².": lambda *given: (
            _gaussian_elbo(*given) + given[0].shape[1] * math.log(given[2]) / 2
        ),
        "q's scale enters the variance of W z squared.": _linear_elbo_with(wobble=lambda s, W: s @ (W**2).T),
        "The variance of W z has W squared, entry by entry.": _linear_elbo_with(wobble=lambda s, W: s**2 @ W.T),
        "Independent z add their variances: square each W s first, then sum.": (
            _linear_elbo_with(wobble=lambda s, W: (s @ W.T) ** 2)
        ),
        "You added the variance s² without decoding it: z reaches x through W.": (
            lambda x, W, noise, m, s: (
                _linear_elbo_with(wobble=lambda s, W: 0.0)(x, W, noise, m, s) - (s**2).sum(1) / (2 * noise**2)
            )
        ),
        "You treated the noise as a variance. It is a standard deviation.": (
            _linear_elbo_with(variance=lambda noise: noise)
        ),
        "The constant is there once for each of the D coordinates.": _linear_elbo_with(constant=1),
        "The constant is missing. It moves no maximum, but without it this is no bound on log p(x).": (
            _linear_elbo_with(constant=0)
        ),
        "The logarithm of 2 pi noise² has lost its half: it stands under a root.": _linear_elbo_with(scale=1.0),
        "The squared distance stands in the exponent with a half.": _linear_elbo_with(half=1.0),
        "You added the KL. q pays for leaving the prior: subtract it.": _linear_elbo_with(kl=-1.0),
        "The KL to the prior is missing: this is the expected log-likelihood alone.": _linear_elbo_with(kl=0.0),
        "Half a nat too little for each latent: the KL to the prior is zero at m = 0, s = 1, and yours is not.": (
            lambda x, W, noise, m, s: _gaussian_elbo(x, W, noise, m, s) - W.shape[1] / 2
        ),
        "You took the mean over the coordinates of x in the data term, so the KL counts D times too much. Given z they "
        "are independent: the logs add.": lambda *given: (
            _linear_elbo_with(kl=0.0)(*given) / given[0].shape[1] + _linear_elbo_with(constant=0, half=0.0)(*given)
        ),
        "One number a datum, please: you added up the data too.": lambda *given: _gaussian_elbo(*given).sum(),
        "You averaged over the data. Each datum has its bound.": lambda *given: _gaussian_elbo(*given).mean(),
        "W is (D, L): decode by z @ W.T.": lambda x, W, noise, m, s: _gaussian_elbo(x, W.T, noise, m, s),
    },
    also_right=[_linear_elbo_from_the_evidence, _linear_elbo_at_sigma_points, _linear_elbo_with()],
)
