"""The forward recursion."""

from __future__ import annotations

import itertools
import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.sequences.shared import _chain, _symbols


def _forward(x, start, transition, emission):
    alpha = start.log() + emission[:, x[0]].log()
    for x_t in x[1:]:
        alpha = torch.logsumexp(alpha[:, None] + transition.log(), 0) + emission[:, x_t].log()
    return torch.logsumexp(alpha, 0)


@drawing
def _cases(draw):
    sizes = ((2, 2, 3), (1, 3, 2), (5, 3, 4), (9, 2, 6), (3000, 2, 3))
    cases = [(_symbols(draw, T, V), *_chain(draw, C, V)) for T, C, V in sizes]
    start, transition, emission = _chain(draw, 3, 2)
    sure = 0.001 * emission + torch.tensor([0.999, 0.0], dtype=torch.float64)
    cases.append((torch.zeros(4).long(), start, transition, sure))  # p(x) is nearly 1: single precision shows
    off = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    start, transition, emission = _chain(draw, 2, 2)
    stays, tells = (torch.eye(2) + p * off for p in (1e-150, 1e-250))  # to move is rare, and to be wrong is rarer
    at_first = torch.tensor([1e-40, 1.0], dtype=torch.float64)
    cases.append((torch.tensor([0, 0, 1, 1, 1, 0, 0, 0]), at_first, stays, tells))
    rare = 1e-200 * emission[:, :1]  # sixty times
    return [*cases, (torch.zeros(60).long(), start, transition, torch.cat([rare, 1 - rare], 1))]


def _in_plain_numbers(x, start, transition, emission, before=lambda A: A, first=True):
    alpha = start * emission[:, x[0]] if first else start
    for x_t in x[1:]:
        alpha = (alpha @ before(transition)) * emission[:, x_t]
    return alpha.sum().log()


def _scaled(x, start, transition, emission):
    total, alpha = 0.0, None
    for x_t in x:
        alpha = (start if alpha is None else alpha @ transition) * emission[:, x_t]
        total = total + alpha.sum().log()
        alpha = alpha / alpha.sum()
    return total


def _by_enumeration(x, start, transition, emission):
    if len(x) > 10:
        return _scaled(x, start, transition, emission)
    terms = []
    for z in itertools.product(range(len(start)), repeat=len(x)):
        steps = sum((math.log(transition[a, b]) for a, b in itertools.pairwise(z)), math.log(start[z[0]]))
        terms.append(steps + sum(math.log(emission[c, i]) for c, i in zip(z, x.tolist(), strict=True)))
    return torch.logsumexp(torch.tensor(terms, dtype=torch.float64), 0)


def _by_steps(x, start, transition, emission, first=True, combine=torch.logsumexp, A=lambda A: A, emit_late=True):
    alpha = start.log() + (emission[:, x[0]].log() if first else 0)
    for x_t in x[1:]:
        alpha = combine(alpha[:, None] + A(transition).log(), 0)
        alpha = alpha + (emission[:, x_t].log() if emit_late else 0)
    return alpha, combine


def _end(alpha_and_combine):
    return torch.logsumexp(alpha_and_combine[0], 0)


forward = Exercise(
    ask="Return log p(x) of a hidden Markov model, in nats, summed over all paths of states.",
    reference=_forward,
    cases=_cases,
    misconceptions={
        "You step backwards: row c of the transition says where one goes from c. Sum over rows, the first axis.": (
            lambda x, start, transition, emission: _end(_by_steps(x, start, transition, emission, A=lambda A: A.T))
        ),
        "One step too many: the first state has the start's probabilities, no transition leads to it.": (
            lambda x, start, transition, emission: _forward(x, start @ transition, transition, emission)
        ),
        "The first observation is missing: alpha_1(c) = p(z_1 = c) p(x_1 | c).": (
            lambda x, start, transition, emission: _end(_by_steps(x, start, transition, emission, first=False))
        ),
        "Right for short sequences only: products of probabilities underflow to 0. Keep logarithms.": (
            _in_plain_numbers
        ),
        "This is the best path's log probability: you took a maximum where all paths must be added.": (
            lambda x, start, transition, emission: _by_steps(x, start, transition, emission, combine=torch.amax)[
                0
            ].amax()
        ),
        "Sums of logarithms are not logarithms of sums: add probabilities over c, by logsumexp.": (
            lambda x, start, transition, emission: _by_steps(x, start, transition, emission, combine=torch.sum)[0].sum()
        ),
        "You return alpha_T, one number a state. Their sum is p(x): one more logsumexp.": (
            lambda x, start, transition, emission: _by_steps(x, start, transition, emission)[0]
        ),
        "Only the first observation is seen: every step multiplies by p(x_t | d).": (
            lambda x, start, transition, emission: _end(_by_steps(x, start, transition, emission, emit_late=False))
        ),
    },
    also_right=[_scaled, _by_enumeration],
)
