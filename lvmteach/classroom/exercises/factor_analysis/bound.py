"""The bound at any Gaussian q, not only at the posterior."""

from __future__ import annotations

import math

import torch
from torch.distributions import MultivariateNormal, kl_divergence

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _eye, _model, _posterior


def _expected_log_lik(x, mu, W, psi, mean, cov):
    """E_q[log p(x|z)] of each datum."""
    squares = (x - mu - mean @ W.T) ** 2 + torch.einsum("dk,kl,dl->d", W, cov, W)
    return -0.5 * (torch.log(2 * math.pi * psi) + squares / psi).sum(1)


def _minus_kl(mean, cov):
    return 0.5 * (torch.logdet(cov) + cov.shape[0] - cov.trace() - (mean**2).sum(1))


def _bound(x, mu, W, psi, mean, cov):
    return _expected_log_lik(x, mu, W, psi, mean, cov) + _minus_kl(mean, cov)


@drawing
def _guesses(draw):
    cases = []
    for N, D, L in ((3, 2, 1), (4, 5, 2), (6, 4, 3)):
        x, mu, W, psi = _model(draw, N, D, L)
        root = draw(L, L)
        cases.append((x, mu, W, psi, draw(N, L), root @ root.T + 0.2 * _eye(W)))
    x, mu, W, psi = _model(draw, 5, 3, 2)
    at_posterior = x, mu, W, psi, *_posterior(x, mu, W, psi)  # there it is log p(x)
    x, mu, W, psi = (part / unit for part, unit in zip(_model(draw, 3, 400, 120), (100, 100, 100, 1e4), strict=True))
    mean, cov = _posterior(x, mu, W, psi)
    small = x, mu, W, psi, mean, cov / 2  # small noise, and |cov| is far below the smallest float
    return [*cases, at_posterior, small]


def _by_torch(x, mu, W, psi, mean, cov):
    q = MultivariateNormal(mean, cov)
    prior = MultivariateNormal(torch.zeros_like(mean[0]), _eye(W))
    fit = torch.distributions.Normal(mu + mean @ W.T, psi.sqrt()).log_prob(x).sum(1)
    return fit - 0.5 * torch.trace((W / psi[:, None]) @ cov @ W.T) - kl_divergence(q, prior)


def _by_gap(x, mu, W, psi, mean, cov):
    """log p(x) less the divergence from the posterior."""
    p_x = MultivariateNormal(mu, W @ W.T + torch.diag(psi))
    best, exact = _posterior(x, mu, W, psi)
    return p_x.log_prob(x) - kl_divergence(MultivariateNormal(mean, cov), MultivariateNormal(best, exact))


bound = Exercise(
    ask="Return the evidence lower bound of each datum at a Gaussian q that need not be the posterior.",
    reference=_bound,
    cases=_guesses,
    misconceptions={
        "This is log p(x). It is the bound at the posterior only: q must enter.": (
            lambda x, mu, W, psi, mean, cov: MultivariateNormal(mu, W @ W.T + torch.diag(psi)).log_prob(x)
        ),
        "You put the mean of z into log p(x|z). Its expectation holds the spread of z too, w' cov w.": (
            lambda x, mu, W, psi, mean, cov: _expected_log_lik(x, mu, W, psi, mean, 0 * cov) + _minus_kl(mean, cov)
        ),
        "The divergence from the prior is missing: this is E[log p(x|z)] alone.": _expected_log_lik,
        "KL is subtracted. You added it.": (
            lambda x, mu, W, psi, mean, cov: _expected_log_lik(x, mu, W, psi, mean, cov) - _minus_kl(mean, cov)
        ),
        "The entropy of q is missing: this is E[log p(x, z)], the Q of EM.": (
            lambda x, mu, W, psi, mean, cov: _bound(x, mu, W, psi, mean, cov) - MultivariateNormal(mean, cov).entropy()
        ),
        "The entropy of q has its sign wrong: less certain is better here.": (
            lambda x, mu, W, psi, mean, cov: (
                _bound(x, mu, W, psi, mean, cov) - 2 * MultivariateNormal(mean, cov).entropy()
            )
        ),
        "You added up over the data. Return one bound for each datum.": (
            lambda x, mu, W, psi, mean, cov: _bound(x, mu, W, psi, mean, cov).sum()
        ),
        "The constant of the noise is missing: -1/2 log 2 pi for each column.": (
            lambda x, mu, W, psi, mean, cov: _bound(x, mu, W, psi, mean, cov) + 0.5 * len(mu) * math.log(2 * math.pi)
        ),
        "psi holds variances already: divide by it as it is, without squaring.": (
            lambda x, mu, W, psi, mean, cov: _bound(x, mu, W, psi**2, mean, cov)
        ),
    },
    also_right=[_by_torch, _by_gap],
)
