"""How many latents, by BIC, from the eigenvalues alone."""

from __future__ import annotations

import math

import numpy as np
import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _log_lik(values, L):
    """The maximal log-likelihood of PPCA, per datum, from the eigenvalues, the largest first."""
    D, noise = len(values), values[L:].mean()
    return -0.5 * (D * math.log(2 * math.pi) + values[:L].log().sum() + (D - L) * noise.log() + D)


def _free(D, L):
    """Free parameters: mean, loadings up to a rotation, noise."""
    return D + D * L - L * (L - 1) // 2 + 1


def _ppca_bic(S, N):
    values, D = torch.linalg.eigvalsh(S).flip(0), len(S)
    return torch.stack([N * _log_lik(values, L) - 0.5 * _free(D, L) * math.log(N) for L in range(1, D)])


@drawing
def _data(draw):
    cases = []
    # Variances of small units, and once so many that their product underflows.
    for N, D, unit in ((20, 3, 1), (50, 5, 1), (400, 7, 1), (30, 2, 1), (90, 40, 1e-6)):
        x = unit * draw(max(N, 60), D) @ draw(D, D)
        cases.append(((x - x.mean(0)).T @ (x - x.mean(0)) / len(x), N))
    return cases


def _by_density(S, N):
    """The density at the fitted covariance, written with its determinant and trace."""
    values, vectors = np.linalg.eigh(S.numpy())
    D, found = len(S), []
    for L in range(1, D):
        noise = values[: D - L].mean()
        fitted = np.where(np.arange(D) < D - L, noise, values)
        cov = vectors @ np.diag(fitted) @ vectors.T
        log_lik = -0.5 * N * (np.linalg.slogdet(2 * np.pi * cov)[1] + np.trace(np.linalg.solve(cov, S.numpy())))
        found.append(log_lik - 0.5 * (D * (L + 1) + 1 - L * (L - 1) / 2) * np.log(N))
    return torch.tensor(found)


def _by_cumulation(S, N):
    values = torch.linalg.eigvalsh(S).flip(0)
    D, L = len(S), torch.arange(1, len(S))
    noise = (S.trace() - values.cumsum(0)[:-1]) / (D - L)
    log_lik = -0.5 * (D * math.log(2 * math.pi) + values.log().cumsum(0)[:-1] + (D - L) * noise.log() + D)
    return N * log_lik - 0.5 * math.log(N) * (D + D * L + 1 - L * (L - 1) / 2)


def _worth(worth):
    """A misconception: worth(log-likelihood of a datum, number of free parameters, N)."""

    def wrong(S, N):
        values, D = torch.linalg.eigvalsh(S).flip(0), len(S)
        return torch.stack([worth(_log_lik(values, L), _free(D, L), N) for L in range(1, D)])

    return wrong


def _counted(count):
    """A misconception of the number of parameters."""

    def wrong(S, N):
        values, D = torch.linalg.eigvalsh(S).flip(0), len(S)
        return torch.stack([N * _log_lik(values, L) - 0.5 * count(D, L) * math.log(N) for L in range(1, D)])

    return wrong


def _lost_by_the_product(S):
    """Sums of logarithms less the logarithm of the product: zero, or infinity where that underflows."""
    values = torch.linalg.eigvalsh(S).flip(0)[:-1]
    return values.log().cumsum(0) - values.cumprod(0).log()


ppca_bic = Exercise(
    ask="Return BIC in nats, the larger the better, of PPCA with 1 to D - 1 latents.",
    reference=_ppca_bic,
    cases=_data,
    misconceptions={
        "A rotation of the latents changes no density: L (L - 1) / 2 of the loadings are not free.": _counted(
            lambda D, L: D + D * L + 1
        ),
        "You forgot the mean: D free parameters, whatever L.": _counted(lambda D, L: _free(D, L) - D),
        "The noise is a parameter too.": _counted(lambda D, L: _free(D, L) - 1),
        "Noise and mean are missing.": _counted(lambda D, L: D * L - L * (L - 1) // 2),
        "A rotation has L (L - 1) / 2 angles, not L (L + 1) / 2.": _counted(lambda D, L: _free(D, L) - L),
        "This counts factor analysis: D noises. PPCA has one.": _counted(lambda D, L: _free(D, L) + D - 1),
        "The log-likelihood is of one datum. BIC takes that of all N.": (
            _worth(lambda log_lik, k, N: log_lik - 0.5 * k * math.log(N))
        ),
        "Half of the logarithm: each parameter costs log(N) / 2 nats.": (
            _worth(lambda log_lik, k, N: N * log_lik - k * math.log(N))
        ),
        "This is AIC: a parameter costs one nat. In BIC it costs log(N) / 2.": (
            _worth(lambda log_lik, k, N: N * log_lik - k)
        ),
        "The product of many eigenvalues leaves the range of floating point. Sum their logarithms.": (
            lambda S, N: _ppca_bic(S, N) + 0.5 * N * _lost_by_the_product(S)
        ),
        "This is -2 times BIC in nats, as some books write it. Here larger is better, in nats.": (
            lambda S, N: -2 * _ppca_bic(S, N)
        ),
        "This is the log-likelihood without its price.": _counted(lambda D, L: 0),
    },
    also_right=[_by_density, _by_cumulation],
)
