"""The log-likelihood."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _eye, _model, _posterior

MANY = 11  # columns of the case that stands for a wide data set


def _refuse_large(shape):
    if tuple(shape).count(MANY) > 1:
        raise MemoryError("a matrix D x D, for which wide data leave no room")


class _Wide(Tensor):
    """Stands for data with very many columns: refuses to become a matrix D x D, for which there would be no room."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs or {})
        if isinstance(result, Tensor):
            _refuse_large(result.shape)
        return result.view(_WideArray) if isinstance(result, np.ndarray) else result


class _WideArray(np.ndarray):
    """The same in numpy."""

    def __array_finalize__(self, source):
        _refuse_large(self.shape)

    def __array_function__(self, func, types, args, kwargs):
        result = super().__array_function__(func, types, args, kwargs)
        if isinstance(result, np.ndarray):
            _refuse_large(result.shape)
        return result


def _log_lik(x, mu, W, psi):
    d, scaled = x - mu, W / psi[:, None]
    M = _eye(W) + W.T @ scaled
    linear = d @ scaled
    quadratic = (d.square() / psi).sum(1) - (linear * torch.linalg.solve(M, linear.T).T).sum(1)
    log_det = torch.logdet(M) + psi.log().sum()
    return -0.5 * (x.shape[1] * math.log(2 * math.pi) + log_det + quadratic)


@drawing
def _models_and_wide_ones(draw):
    cases = [_model(draw, 3, 2, 1), _model(draw, 4, 5, 2), _model(draw, 7, 6, 3)]
    x, mu, W, psi = _model(draw, 3, 400, 120)  # |Psi| is far below the smallest float, |M| above the largest
    wide = tuple(one.as_subclass(_Wide) for one in _model(draw, 4, MANY, 3))
    return [*cases, (x / 100, mu / 100, W / 100, psi / 1e4), wide]


def _log_lik_by_residuals(x, mu, W, psi):
    """log p(x) = log p(x, m) - log p(m | x), at the posterior mean m."""
    mean, cov = _posterior(x, mu, W, psi)
    left = ((x - mu - mean @ W.T) ** 2 / psi).sum(-1) + (mean**2).sum(-1)
    return -(left + torch.log(2 * math.pi * psi).sum() - torch.linalg.slogdet(cov).logabsdet) / 2


def _log_lik_by_loop(x, mu, W, psi):
    M = _eye(W) + torch.einsum("dk,d,dl->kl", W, 1 / psi, W)
    root = torch.linalg.cholesky(M)
    values = []
    for one in x - mu:
        half = torch.linalg.solve_triangular(root, (W.T @ (one / psi))[:, None], upper=False)
        values.append(-0.5 * (one @ (one / psi) - (half**2).sum()) - root.diagonal().log().sum())
    return torch.stack(values) - 0.5 * torch.log(2 * math.pi * psi).sum()


def _log_lik_with(change):
    """A misconception: change(constant, log|M|, log|Psi|, d' Psi^-1 d, the term of Woodbury, x)."""

    def wrong(x, mu, W, psi):
        d, scaled = x - mu, W / psi[:, None]
        M, linear = _eye(W) + W.T @ scaled, d @ scaled
        inner = (linear * torch.linalg.solve(M, linear.T).T).sum(1)
        constant = x.shape[1] * math.log(2 * math.pi)
        return change(constant, torch.logdet(M), psi.log().sum(), (d.square() / psi).sum(1), inner, (mu, psi))

    return wrong


def _conditional(x, mu, W, psi):
    left = x - mu - _posterior(x, mu, W, psi)[0] @ W.T
    return -0.5 * (left.square() / psi + torch.log(2 * math.pi * psi)).sum(1)


log_lik = Exercise(
    ask="Return log p(x) of each datum, without a matrix D x D.",
    reference=_log_lik,
    cases=_models_and_wide_ones,
    misconceptions={
        "Right, but by a matrix D x D. Woodbury's identity needs nothing larger than M, and Psi^-1 is a division by "
        "psi: no torch.diag.": lambda x, mu, W, psi: MultivariateNormal(mu, W @ W.T + torch.diag(psi)).log_prob(x),
        "The constant is missing: D log 2 pi, of which one half.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (m + p + q - i)
        ),
        "log 2 pi comes once for each column: D times.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (math.log(2 * math.pi) + m + p + q - i)
        ),
        "The determinant has lost its half: it stands under a root in the density.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + q - i) - m - p
        ),
        "The half in the exponent is missing.": _log_lik_with(lambda c, m, p, q, i, _: -0.5 * (c + m + p) - (q - i)),
        "|M| is missing: the determinant of W W' + Psi is the product of two.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + p + q - i)
        ),
        "|Psi| is missing: the determinant of W W' + Psi is the product of two.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + m + q - i)
        ),
        "The product of many small variances underflows. Sum their logarithms.": _log_lik_with(
            lambda c, m, p, q, i, given: -0.5 * (c + m + given[1].prod().log() + q - i)
        ),
        "|M| leaves the range of floating point where there are many latents. Take its logarithm by torch.logdet.": (
            _log_lik_with(lambda c, m, p, q, i, _: -0.5 * (c + m.exp().log() + p + q - i))
        ),
        "Both determinants leave the range of floating point. Sum logarithms of psi, and take torch.logdet of M.": (
            _log_lik_with(lambda c, m, p, q, i, given: -0.5 * (c + m.exp().log() + given[1].prod().log() + q - i))
        ),
        "You counted the determinant of Psi twice, or squared psi: it holds variances already.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + m + 2 * p + q - i)
        ),
        "Woodbury's second term is subtracted: the factors explain part of the distance.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + m + p + q + i)
        ),
        "Woodbury's second term is missing: your inverse is that of Psi alone.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + m + p + q)
        ),
        "One value for each datum, shape (N,). You summed over the data.": _log_lik_with(
            lambda c, m, p, q, i, _: (-0.5 * (c + m + p + q - i)).sum()
        ),
        "One value for each datum, shape (N,). You averaged over the data.": _log_lik_with(
            lambda c, m, p, q, i, _: (-0.5 * (c + m + p + q - i)).mean()
        ),
        "This is log p(x | z) at the posterior mean of z. The marginal integrates over z.": _conditional,
        "This is the density. Return its logarithm, which does not overflow.": _log_lik_with(
            lambda c, m, p, q, i, _: (-0.5 * (c + m + p + q - i)).exp()
        ),
    },
    also_right=[
        _log_lik_by_residuals,
        _log_lik_by_loop,
        lambda x, mu, W, psi: LowRankMultivariateNormal(mu, W, psi).log_prob(x),
    ],
)
