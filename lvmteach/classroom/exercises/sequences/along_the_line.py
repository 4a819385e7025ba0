"""Codes from one sentence to another."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _along_the_line(mu, first, last, n):
    share = torch.linspace(0, 1, n, dtype=mu.dtype)[:, None]
    return (1 - share) * mu[first] + share * mu[last]


@drawing
def _cases(draw):
    cases = [(draw(3, 2), 0, 2, 3), (draw(5, 4), 1, 3, 6), (draw(4, 3), 3, 0, 5), (draw(6, 2), 2, 5, 4)]
    again = draw(3, 2)[[0, 1, 0]]  # two sentences with one code
    return [*cases, (again, 0, 2, 4), (draw(3, 2), 1, 0, 2), (draw(2, 3), 0, 1, 50)]  # the ends alone, and many steps


def _by_loop(mu, first, last, n):
    step = (mu[last] - mu[first]) / (n - 1)
    return torch.stack([mu[first] + i * step for i in range(n)])


def _shares(mu, first, last, share):
    return (1 - share[:, None]) * mu[first] + share[:, None] * mu[last]


along_the_line = Exercise(
    ask="Return n codes at equal steps from the code of one sentence to the code of another, both ends included.",
    reference=_along_the_line,
    cases=_cases,
    misconceptions={
        "Steps added up in floating point may be one too many: for some n yours are. Let torch.linspace count them.": (
            lambda mu, first, last, n: _shares(
                mu, first, last, torch.arange(0, 1 + 1 / (n - 1), 1 / (n - 1), dtype=mu.dtype)
            )
        ),
        "One code for all n: then one sentence for every z. Each step has its own share of both ends.": (
            lambda mu, first, last, n: ((mu[first] + mu[last]) / 2).expand(n, -1)
        ),
        "The walk stops short of its end: n codes have n - 1 steps between them.": (
            lambda mu, first, last, n: _shares(mu, first, last, torch.arange(n, dtype=mu.dtype) / n)
        ),
        "The ends are left out: share 0 and share 1 belong to the walk.": (
            lambda mu, first, last, n: _shares(mu, first, last, torch.linspace(0, 1, n + 2, dtype=mu.dtype)[1:-1])
        ),
        "You walk the other way: the first code belongs to the first sentence.": (
            lambda mu, first, last, n: _along_the_line(mu, last, first, n)
        ),
        "These are the codes of the sentences in between in the table, not points between two codes.": (
            lambda mu, first, last, n: mu[torch.linspace(first, last, n).round().long()]
        ),
        "The shares do not sum to one: you add the whole first code to a share of the last.": (
            lambda mu, first, last, n: mu[first] + torch.linspace(0, 1, n, dtype=mu.dtype)[:, None] * mu[last]
        ),
    },
    also_right=[
        _by_loop,
        lambda mu, first, last, n: torch.lerp(
            mu[first].expand(n, -1), mu[last].expand(n, -1), torch.linspace(0, 1, n, dtype=mu.dtype)[:, None]
        ),
    ],
)
