"""The log density of a mixture prior."""

from __future__ import annotations

import math

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.richer_models.shared import SMALL, _log_joint, _log_normal, _mixture, _rare_one


def _log_prior(z, log_pi, mu, s):
    log_p = -((z[:, None] - mu) ** 2) / (2 * torch.exp(2 * s)) - s - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(log_pi + log_p.sum(-1), 1)


@drawing
def _codes(draw):
    shapes = [(2, 2, 3), (3, 4, 2), (5, 3, 1), (1, 2, 4), (4, 5, 3)]
    cases = [(draw(B, L), *_mixture(draw, C, L)) for B, C, L in shapes]
    z, log_pi, mu, s = cases[2]
    cases[2] = SMALL * z, log_pi, SMALL * mu, s + math.log(SMALL)
    far = 60 + draw(3, 2)  # where every density is zero to a computer
    apart = draw(3, 2) + torch.tensor([[0.0], [60.0], [-90.0]])  # no common maximum serves all codes
    log_pi, mu, s = _mixture(draw, 3, 6)
    near = mu[:2] + draw(2, 6) / 3, log_pi, mu, s / 5 - 1  # log densities near zero: constants of single precision show
    rare = SMALL * draw(3, 1), *_rare_one(draw)
    return [*cases, (far, *_mixture(draw, 3, 2)), (apart, *_mixture(draw, 4, 2)), near, rare]


def _by_torch(z, log_pi, mu, s):
    parts = Independent(Normal(mu, s.exp()), 1)
    return MixtureSameFamily(Categorical(logits=log_pi), parts, validate_args=False).log_prob(z)


def _by_probabilities(z, log_pi, mu, s):
    parts = Independent(Normal(mu, s.exp()), 1)
    return MixtureSameFamily(Categorical(probs=log_pi.exp()), parts, validate_args=False).log_prob(z)


def _by_loop(z, log_pi, mu, s):
    total = torch.full((len(z),), -math.inf, dtype=z.dtype)
    for c in range(len(mu)):
        total = torch.logaddexp(total, log_pi[c] + Normal(mu[c], s[c].exp()).log_prob(z).sum(1))
    return total


def _by_dimension(z, log_pi, mu, s):
    return torch.logsumexp(log_pi[:, None] + _log_normal(z[:, None], mu, s), 1).sum(-1)


log_prior = Exercise(
    ask="Return log p(z) under a mixture of diagonal Gaussians with log weights log_pi, means mu and log scales s.",
    reference=_log_prior,
    cases=_codes,
    misconceptions={
        "Categorical keeps the probabilities that it is given above 1e-16. Hand it logits=log_pi.": _by_probabilities,
        "The log-sum-exp stands inside the sum over dimensions: a product of mixtures, with mass in corners where no "
        "component is. Sum over dimensions first.": _by_dimension,
        "The weights are left out: add log_pi before the log-sum-exp.": (
            lambda z, log_pi, mu, s: torch.logsumexp(_log_joint(z, 0 * log_pi, mu, s), 1)
        ),
        "Every component got the same weight, 1/C. They have their own: log_pi.": (
            lambda z, log_pi, mu, s: torch.logsumexp(_log_joint(z, 0 * log_pi, mu, s), 1) - math.log(len(log_pi))
        ),
        "You read s as a log variance. It is the log of a scale: the variance is exp(2 s).": (
            lambda z, log_pi, mu, s: _log_prior(z, log_pi, mu, s / 2)
        ),
        "You took the variance for the scale: exp(2 s) is the variance, exp(s) the scale.": (
            lambda z, log_pi, mu, s: _log_prior(z, log_pi, mu, 2 * s)
        ),
        "This is the mean of the components' logs. The mixture is the log of a mean: log-sum-exp.": (
            lambda z, log_pi, mu, s: (log_pi.exp() * _log_joint(z, 0 * log_pi, mu, s)).sum(1)
        ),
        "This is the largest component alone. Near a border two count.": (
            lambda z, log_pi, mu, s: _log_joint(z, log_pi, mu, s).max(1).values
        ),
        "exp underflowed: far out every density is 0, and its log -inf. Stay in logarithms: torch.logsumexp.": (
            lambda z, log_pi, mu, s: _log_joint(z, log_pi, mu, s).exp().sum(1).log()
        ),
        "The normaliser's -s is missing: a narrow component is higher at its centre.": (
            lambda z, log_pi, mu, s: torch.logsumexp(log_pi + (_log_normal(z[:, None], mu, s) + s).sum(-1), 1)
        ),
        "The constant, log 2 pi / 2 a dimension, is missing.": (
            lambda z, log_pi, mu, s: _log_prior(z, log_pi, mu, s) + z.shape[1] * math.log(2 * math.pi) / 2
        ),
        "You averaged over the data. Each z has its own log density.": (
            lambda z, log_pi, mu, s: _log_prior(z, log_pi, mu, s).mean()
        ),
    },
    also_right=[_by_torch, _by_loop],
)
