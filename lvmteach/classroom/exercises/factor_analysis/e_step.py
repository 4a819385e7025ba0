"""The E step."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _e_step, _models, _posterior, _posterior_by_conditioning


def _e_step_by_loop(x, mu, W, psi):
    mean, cov = _posterior_by_conditioning(x, mu, W, psi)
    x_z = sum(torch.outer(one - mu, m) for one, m in zip(x, mean, strict=True))
    return x_z, sum(torch.outer(m, m) + cov for m in mean)


def _e_step_by_einsum(x, mu, W, psi):
    mean, cov = _posterior(x, mu, W, psi)
    each = cov + torch.einsum("nk,nl->nkl", mean, mean)
    return torch.einsum("nd,nl->dl", x - mu, mean), each.sum(0)


def _e_step_with(change):
    """A misconception of the sum of E[z z'], from the posterior that is right."""

    def wrong(x, mu, W, psi):
        mean, cov = _posterior(x, mu, W, psi)
        return (x - mu).T @ mean, change(mean, cov)

    return wrong


e_step = Exercise(
    ask="Return the two sums over the data that the M step needs.",
    reference=_e_step,
    cases=lambda seed: _models(seed)[:3],  # with one datum N and 1 cannot be told apart
    misconceptions={
        "You added the posterior covariance once. Each of the N data has its own share.": _e_step_with(
            lambda mean, cov: mean.T @ mean + cov
        ),
        "You put the posterior mean in the place of z. A square has an expectation of its own: the variance is "
        "missing.": _e_step_with(lambda mean, cov: mean.T @ mean),
        "These are means over the data. Return the sums: the M step divides where it has to.": (
            lambda x, mu, W, psi: tuple(one / len(x) for one in _e_step(x, mu, W, psi))
        ),
        "The first sum needs x - mu: the regression goes through the centre.": (
            lambda x, mu, W, psi: (x.T @ _posterior(x, mu, W, psi)[0], _e_step(x, mu, W, psi)[1])
        ),
        "The first sum should be (D, L), columns of x by latents. Yours is its transpose.": (
            lambda x, mu, W, psi: (_e_step(x, mu, W, psi)[0].T, _e_step(x, mu, W, psi)[1])
        ),
        "You multiplied sums. Multiply for each datum, then sum.": _e_step_with(
            lambda mean, cov: torch.outer(mean.sum(0), mean.sum(0)) + len(mean) * cov
        ),
        "You took the covariance off. V = E[zz'] - E[z]E[z]': solve for the other one.": _e_step_with(
            lambda mean, cov: mean.T @ mean - len(mean) * cov
        ),
        "You added the precision M in the place of its inverse.": _e_step_with(
            lambda mean, cov: mean.T @ mean + len(mean) * torch.linalg.inv(cov)
        ),
        "This is one matrix for each datum, (N, L, L). Sum over the data.": _e_step_with(
            lambda mean, cov: mean[:, :, None] * mean[:, None] + cov
        ),
    },
    also_right=[_e_step_by_loop, _e_step_by_einsum],
)
