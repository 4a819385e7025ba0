"""The VampPrior's log density."""

from __future__ import annotations

import math

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.richer_models.shared import SMALL, _log_joint, _log_normal


def _vamp_log_prob(z, u, encode):
    mu, s = encode(u)
    log_q = -0.5 * ((z[:, None] - mu) / s.exp()) ** 2 - s - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(log_q.sum(-1), 1) - math.log(len(u))


def _encoder(draw, D, L, unit=1.0):
    W, b = draw(D, 2 * L), draw(2 * L) / 2

    def encode(x):
        mu, s = (x @ W + b).chunk(2, -1)
        return unit * mu, s / 3 - 1 + math.log(unit)

    return encode


@drawing
def _pseudo_inputs(draw):
    shapes = [(2, 3, 4, 2), (3, 5, 6, 1), (1, 2, 3, 3), (4, 8, 5, 2)]
    cases = [(draw(B, L), torch.sigmoid(draw(C, D)), _encoder(draw, D, L)) for B, C, D, L in shapes]
    far = 50 + draw(2, 2), torch.sigmoid(draw(3, 4)), _encoder(draw, 4, 2)
    apart = draw(3, 2) + torch.tensor([[0.0], [60.0], [-90.0]])  # no common maximum serves all codes
    small = SMALL * draw(3, 2), draw(5, 4), _encoder(draw, 4, 2, SMALL)  # pseudo-inputs are any numbers
    W, u = draw(3, 4) / 5, draw(7, 3)  # log densities near zero: constants of single precision show
    near = u[:2] @ W + draw(2, 4) / 5, u, lambda x: (x @ W, x @ W / 9 - 1.1)
    return [*cases, far, (apart, torch.sigmoid(draw(3, 4)), _encoder(draw, 4, 2)), small, near]


def _by_loop(z, u, encode):
    mu, s = encode(u)
    parts = [Normal(mu[c], s[c].exp()).log_prob(z).sum(-1) for c in range(len(u))]
    return torch.stack(parts).logsumexp(0) - math.log(len(parts))


def _one_at_a_time(z, u, encode):
    log_q = torch.stack([Normal(m, s.exp()).log_prob(z).sum(-1) for m, s in (encode(one) for one in u)], 1)
    top = log_q.max(1, keepdim=True).values
    return (log_q - top).exp().mean(1).log() + top[:, 0]


def _by_torch(z, u, encode):
    mu, s = encode(u)
    return MixtureSameFamily(Categorical(torch.ones_like(mu[:, 0])), Independent(Normal(mu, s.exp()), 1)).log_prob(z)


vamp_log_prob = Exercise(
    ask="Return log p(z) under the VampPrior: the mean of the encoder's densities at pseudo-inputs u.",
    reference=_vamp_log_prob,
    cases=_pseudo_inputs,
    misconceptions={
        "log C is missing: the prior is a mean of C densities, and must integrate to one.": (
            lambda z, u, encode: torch.logsumexp(_log_joint(z, torch.zeros(len(u)).to(z), *encode(u)), 1)
        ),
        "This is N(0, I): the pseudo-inputs are never asked.": (
            lambda z, u, encode: _log_normal(z, torch.zeros_like(z), torch.zeros_like(z)).sum(-1)
        ),
        "The log-sum-exp stands inside the sum over latent dimensions. Sum over dimensions first.": (
            lambda z, u, encode: (torch.logsumexp(_log_normal(z[:, None], *encode(u)), 1) - math.log(len(u))).sum(-1)
        ),
        "This is the mean of the logs. The prior is the log of a mean.": (
            lambda z, u, encode: _log_joint(z, torch.zeros(len(u)).to(z), *encode(u)).mean(1)
        ),
        "You encoded the mean of the pseudo-inputs. Each has its own component.": (
            lambda z, u, encode: _vamp_log_prob(z, u.mean(0, keepdim=True), encode)
        ),
        "You read s as a log variance: it is a log scale.": (
            lambda z, u, encode: _vamp_log_prob(z, u, lambda x: (encode(x)[0], encode(x)[1] / 2))
        ),
        "The components' widths are left out: every q(z | u) has its own scale exp(s).": (
            lambda z, u, encode: _vamp_log_prob(z, u, lambda x: (encode(x)[0], 0 * encode(x)[1]))
        ),
        "exp underflowed: stay in logarithms.": (
            lambda z, u, encode: _log_joint(z, torch.zeros(len(u)).to(z), *encode(u)).exp().mean(1).log()
        ),
        "You took the best pseudo-input alone. The prior is the mean over all.": (
            lambda z, u, encode: _log_joint(z, torch.zeros(len(u)).to(z), *encode(u)).max(1).values - math.log(len(u))
        ),
    },
    also_right=[_by_loop, _one_at_a_time, _by_torch],
)
