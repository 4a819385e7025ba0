"""The joint."""

from __future__ import annotations

import math

import torch
from torch.distributions import Bernoulli
from torch.nn import functional as F

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.wake_sleep.shared import _coins, _generative, _log_joint, _logits, _scaled


@drawing
def _all_units(draw):
    shapes = [(4, (3, 2), 1), (7, (5, 3, 2), 1), (6, (3, 3, 3), 6), (1, (2, 4, 3, 5), 1), (8, (4, 2), 900)]
    cases = [(_coins(draw, B, *s), draw(s[-1]) - 0.3, _scaled(_generative(draw, s), scale)) for B, s, scale in shapes]
    sure = torch.tensor([800.0, -900.0], dtype=torch.float64)  # a prior whose sigmoid rounds to 1 and to 0
    return [*cases[:-1], (cases[-1][0], sure, cases[-1][2])]


def _joint(log_bernoulli=None, keep_prior=1.0, keep_upper=1.0, units_of=None):
    """A misconception: other coins, or a term that is missing; `log_bernoulli` takes values and logits."""
    log_bernoulli = log_bernoulli or (lambda s, a: Bernoulli(logits=a).log_prob(s))

    def wrong(units, prior, generative):
        total = keep_prior * log_bernoulli(units[-1], prior.expand_as(units[-1])).sum(-1)
        for t, (layer, target, given) in enumerate(zip(generative, units[:-1], units[1:], strict=True)):
            total = total + (1.0 if t == 0 else keep_upper) * log_bernoulli(target, _logits(given, layer)).sum(-1)
        return total

    return wrong


def _naive(s, a):
    p = torch.sigmoid(a)
    return s * p.log() + (1 - s) * (1 - p).log()


def _log_joint_by_loop(units, prior, generative):
    rows = []
    for row in zip(*units, strict=True):
        total = 0.0
        for t, s in enumerate(row):
            a = prior if t == len(generative) else row[t + 1] @ generative[t][0] + generative[t][1]
            for s_j, a_j in zip(s.tolist(), a.tolist(), strict=True):
                wrong_way = -a_j if s_j else a_j  # log p = -log(1 + exp of this), kept in range
                total -= max(wrong_way, 0) + math.log1p(math.exp(-abs(wrong_way)))
        rows.append(total)
    return torch.tensor(rows, dtype=prior.dtype)


log_joint = Exercise(
    ask="Return log p(x, z_1, ..., z_T) for each row of units, in nats.",
    reference=_log_joint,
    cases=_all_units,
    misconceptions={
        "Something on the way is infinite (an exponential that overflows, the log of a sigmoid that rounds to 0 or 1), "
        "and 0 times that is NaN. Work with logits: log p = logsigmoid(a), log(1 - p) = logsigmoid(-a).": (
            _joint(_naive)
        ),
        "A small number inside the logarithm hides log 0 and is wrong for sure coins. Work with logits: "
        "log p = logsigmoid(a), log(1 - p) = logsigmoid(-a).": _joint(
            lambda s, a: s * (torch.sigmoid(a) + 1e-8).log() + (1 - s) * (1 - torch.sigmoid(a) + 1e-8).log()
        ),
        "binary_cross_entropy cuts its logarithms off at -100. Use binary_cross_entropy_with_logits.": _joint(
            lambda s, a: -F.binary_cross_entropy(torch.sigmoid(a), s, reduction="none")
        ),
        "The prior's term is missing: the top layer has a probability too.": _joint(keep_prior=0.0),
        "This is log p(x | z_1), plus at most the prior. Every layer adds its own term.": _joint(keep_upper=0.0),
        "This is log p(x | z_1) alone. Every layer adds its own term, and the top layer its prior.": (
            _joint(keep_prior=0.0, keep_upper=0.0)
        ),
        "The coins that show 0 are missing: they have log(1 - p).": _joint(lambda s, a: s * F.logsigmoid(a)),
        "You averaged over the units of a layer. They are independent given the layer above: their logs add.": (
            _joint(lambda s, a: Bernoulli(logits=a).log_prob(s) / s.shape[-1])
        ),
        "You summed over the batch. Each row of units has a probability of its own.": (
            lambda *given: _log_joint(*given).sum()
        ),
        "You averaged over the batch. Each row of units has a probability of its own.": (
            lambda *given: _log_joint(*given).mean()
        ),
        "You took the prior for a probability. It holds logits.": lambda units, prior, generative: (
            _joint(keep_prior=0.0)(units, prior, generative)
            + torch.nan_to_num(units[-1] * prior.log() + (1 - units[-1]) * (1 - prior).log()).sum(-1)
        ),
        "You added up the probabilities of what fell, and took the log last. They multiply: add their logs.": (
            lambda units, prior, generative: torch.log(
                _joint(lambda s, a: Bernoulli(logits=a).log_prob(s).exp())(units, prior, generative)
            )
        ),
        "binary_cross_entropy averages over everything unless you ask for reduction='none'. And it is minus the log.": (
            lambda units, prior, generative: (
                -F.binary_cross_entropy_with_logits(prior.expand_as(units[-1]), units[-1])
                - sum(
                    F.binary_cross_entropy_with_logits(_logits(given, layer), target)
                    for layer, target, given in zip(generative, units[:-1], units[1:], strict=True)
                )
            )
        ),
        "The layers work with logits, the prior does not: a sigmoid that rounds to 0 or 1 makes log 0 there.": (
            lambda units, prior, generative: (
                _joint(keep_prior=0.0)(units, prior, generative) + _naive(units[-1], prior).sum(-1)
            )
        ),
        "log(1 - p) is not 1 - log p. With the logit a it is logsigmoid(-a).": _joint(
            lambda s, a: torch.where(s == 1, F.logsigmoid(a), 1 - F.logsigmoid(a))
        ),
    },
    also_right=[
        _joint(),
        _joint(lambda s, a: -F.binary_cross_entropy_with_logits(a, s, reduction="none")),
        _joint(lambda s, a: s * a - F.softplus(a)),
        _log_joint_by_loop,
    ],
)
