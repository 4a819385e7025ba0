"""The slide."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.vae.shared import _kl, _log_ratio


def _kl_by_draws(mu, s, eps):
    z = mu + s.exp() * eps
    log_q_over_p = (z**2 - eps**2) / 2 - s
    return log_q_over_p.sum(-1).mean(0)


@drawing
def _codes_and_noise(draw):
    shapes = [(4, 2, 3), (3, 5, 2), (6, 1, 4), (1, 3, 2), (2, 4, 1)]
    cases = [(0.4 + draw(*shape[1:]), 0.6 * draw(*shape[1:]) - 0.3, draw(*shape)) for shape in shapes]
    mu, s, eps = cases[0]
    far, narrow = torch.tensor([[60.0], [0.0]]).to(mu), torch.tensor([[-3.0], [14.0]]).to(s)
    return [*cases, (mu + far, s - narrow, eps)]  # beyond the range of a density, and next to no width


def _kl_by_loop_over_draws(mu, s, eps):
    total = torch.zeros_like(mu[..., 0])
    for one in eps:
        total = total + _log_ratio(mu, s, mu + s.exp() * one)
    return total / len(eps)


kl_by_draws = Exercise(
    ask="Return a Monte Carlo estimate of KL(q(z|x) || p(z)) from the given noise, by the definition.",
    reference=_kl_by_draws,
    cases=_codes_and_noise,
    misconceptions={
        "The sign is turned round: it is log q minus log p that is averaged.": lambda *given: -_kl_by_draws(*given),
        "You drew from the prior and averaged log q - log p. Average over q: turn the noise into z first.": (
            lambda mu, s, eps: _log_ratio(mu, s, eps).mean(0)
        ),
        "This is KL(p || q): draws of p, and log p - log q. The slide's name, but not the ELBO's KL.": (
            lambda mu, s, eps: -_log_ratio(mu, s, eps).mean(0)
        ),
        "The density of z has a factor 1/sigma: its log, -s, is missing in log q.": (
            lambda mu, s, eps: (((mu + s.exp() * eps) ** 2 - eps**2) / 2).sum(-1).mean(0)
        ),
        "In log q the factor 1/sigma is on the wrong side: its log is -s.": (
            lambda mu, s, eps: (((mu + s.exp() * eps) ** 2 - eps**2) / 2 + s).sum(-1).mean(0)
        ),
        "The halves in the exponents are missing.": (
            lambda mu, s, eps: ((mu + s.exp() * eps) ** 2 - eps**2 - s).sum(-1).mean(0)
        ),
        "s is a log scale: you read it as a log variance when you drew z, and as a log scale in log q.": (
            lambda mu, s, eps: _log_ratio(mu, s, mu + (s / 2).exp() * eps).mean(0)
        ),
        "You read s as a log variance throughout. It is a log scale: sigma is exp(s).": (
            lambda mu, s, eps: _kl_by_draws(mu, s / 2, eps)
        ),
        "You evaluated the densities at the noise for p and at z for q. Both need the same point, z.": (
            lambda mu, s, eps: (-s + 0 * eps).sum(-1).mean(0)
        ),
        "log q is evaluated at the noise, log p at z. Both need the same point, z.": lambda mu, s, eps: (
            (Normal(mu, s.exp()).log_prob(eps) - Normal(0.0, 1.0).log_prob(mu + s.exp() * eps)).sum(-1).mean(0)
        ),
        "This is the log of the mean ratio. The KL is the mean of the log: average last.": (
            lambda mu, s, eps: torch.logsumexp(_log_ratio(mu, s, mu + s.exp() * eps), 0) - math.log(len(eps))
        ),
        "This is the mean of log q alone, minus the entropy. The KL needs log p at the same draws, too.": (
            lambda mu, s, eps: Normal(mu, s.exp()).log_prob(mu + s.exp() * eps).sum(-1).mean(0)
        ),
        "One number for each draw: average over the draws, the first axis.": (
            lambda mu, s, eps: _log_ratio(mu, s, mu + s.exp() * eps)
        ),
        "This is the sum over the draws. An expectation is estimated by a mean.": (
            lambda mu, s, eps: _log_ratio(mu, s, mu + s.exp() * eps).sum(0)
        ),
        "You averaged over the units. They are independent: their logs add.": (
            lambda mu, s, eps: _kl_by_draws(mu, s, eps) / mu.shape[-1]
        ),
        "You averaged over everything. Only the first axis holds draws; each image keeps its own KL.": (
            lambda mu, s, eps: _kl_by_draws(mu, s, eps).mean()
        ),
        "You averaged r - 1 - log r, with r = p / q: the same on average. Here average log q - log p, as it stands.": (
            lambda mu, s, eps: (lambda log_r: (log_r.exp() - 1 - log_r).mean(0))(-_log_ratio(mu, s, mu + s.exp() * eps))
        ),
        "You took the mean of log q in closed form. Evaluate both densities at the draws.": (
            lambda mu, s, eps: (((mu + s.exp() * eps) ** 2 - 1) / 2 - s).sum(-1).mean(0)
        ),
        "That is the closed form. It is what you want to test: let the draws speak, by the definition.": (
            lambda mu, s, eps: _kl(mu, s)
        ),
        "You drew noise of your own. Use the noise that is given.": (
            lambda mu, s, eps: _kl_by_draws(mu, s, torch.randn_like(eps))
        ),
    },
    also_right=[
        _kl_by_loop_over_draws,
        lambda mu, s, eps: _log_ratio(mu, s, mu + s.exp() * eps).mean(0),
        lambda mu, s, eps: ((mu + s.exp() * eps).square() / 2 - eps.square() / 2 - s).mean(0).sum(-1),
    ],
)
