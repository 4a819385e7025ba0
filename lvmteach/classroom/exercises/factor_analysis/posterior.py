"""The posterior."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _eye, _models, _posterior, _posterior_by_conditioning


def _posterior_by_loop(x, mu, W, psi):
    M = _eye(W) + sum(torch.outer(w, w) / p for w, p in zip(W, psi, strict=True))
    means = [torch.linalg.solve(M, sum(w * d / p for w, d, p in zip(W, one - mu, psi, strict=True))) for one in x]
    return torch.stack(means), torch.linalg.solve(M, _eye(W))


def _mean_right_cov(change):
    """A misconception of the covariance alone."""

    def wrong(x, mu, W, psi):
        return _posterior(x, mu, W, psi)[0], change(W, psi)

    return wrong


posterior = Exercise(
    ask="Return the posterior means of z, and their common covariance.",
    reference=_posterior,
    cases=_models,
    misconceptions={
        "Your second result is the precision M. The covariance is its inverse.": _mean_right_cov(
            lambda W, psi: _eye(W) + W.T @ (W / psi[:, None])
        ),
        "psi holds variances already: divide by it as it is, without squaring.": (
            lambda x, mu, W, psi: _posterior(x, mu, W, psi**2)
        ),
        "You multiplied by psi. Divide by it: a noisy column should count less, not more.": (
            lambda x, mu, W, psi: _posterior(x, mu, W, 1 / psi)
        ),
        "You took the root of psi. The exponent of a Gaussian divides by the variance.": (
            lambda x, mu, W, psi: _posterior(x, mu, W, psi.sqrt())
        ),
        "The prior is missing: log p(z) is quadratic in z too, and adds to the precision.": (
            lambda x, mu, W, psi: _without_prior(x, mu, W, psi)
        ),
        "You forgot mu: what speaks about z is x - mu.": lambda x, mu, W, psi: _posterior(x, 0 * mu, W, psi),
        "The noise does not enter. A noisy column should count less: look for Psi in the exponent.": (
            lambda x, mu, W, psi: _posterior(x, mu, W, torch.ones_like(psi))
        ),
        "Your mean is the linear term of the exponent. For the mean, multiply it by the covariance.": (
            lambda x, mu, W, psi: ((x - mu) @ (W / psi[:, None]), _posterior(x, mu, W, psi)[1])
        ),
        "Your mean is PCA's projection, and ignores both the noise and the prior.": (
            lambda x, mu, W, psi: ((x - mu) @ torch.linalg.pinv(W).T, _posterior(x, mu, W, psi)[1])
        ),
        "Your mean has the shape (L, N). Data are rows: transpose it.": (
            lambda x, mu, W, psi: (_posterior(x, mu, W, psi)[0].T, _posterior(x, mu, W, psi)[1])
        ),
        "To condition by the covariance of x you need all of it, W W' + Psi. You used Psi alone.": _mean_right_cov(
            lambda W, psi: _eye(W) - W.T @ (W / psi[:, None])
        ),
        "You inverted the entries one by one. The inverse of a matrix is torch.linalg.inv, or solve.": (
            lambda x, mu, W, psi: _entrywise_inverse(x, mu, W, psi)
        ),
    },
    also_right=[_posterior_by_conditioning, _posterior_by_loop],
)


def _without_prior(x, mu, W, psi):
    scaled = W / psi[:, None]
    cov = torch.linalg.inv(W.T @ scaled)
    return (x - mu) @ scaled @ cov, cov


def _entrywise_inverse(x, mu, W, psi):
    scaled = W / psi[:, None]
    cov = 1 / (_eye(W) + W.T @ scaled)
    return (x - mu) @ scaled @ cov, cov
