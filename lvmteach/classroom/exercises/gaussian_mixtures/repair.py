"""Repair."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.gaussian_mixtures.shared import _eye, _scatter


def _repair(x, r, points, variance):
    n = r.sum(0)
    gap = x[:, None] - (r.T @ x / n[:, None])
    scatter = torch.einsum("nc,ncd,nce->cde", r, gap, gap)
    believed = points * variance * torch.eye(x.shape[1], dtype=x.dtype)
    return (scatter + believed) / (n + points)[:, None, None]


@drawing
def _prior_cases(draw):
    cases = []
    for N, C, D, points, variance in ((6, 3, 2, 2.5, 0.4), (9, 2, 4, 5.0, 1.7), (7, 4, 3, 0.6, 0.05)):
        r = torch.softmax(2 * draw(N, C), 1)
        if N == 7:
            r[2], r[:, 1] = 0, 0
            r = r / r.sum(1, keepdim=True)
            r[2] = torch.tensor([0, 1, 0, 0])  # component 1 owns datum 2 and nothing else: collapsed
        cases.append((2 + draw(N, D), r, points, variance))
    return cases


def _repair_with(change):
    """A misconception: change(scatter, n, points, variance, identity), with n shaped (C, 1, 1)."""

    def wrong(x, r, points, variance):
        n = r.sum(0)
        scatter = _scatter(x, r, r.T @ x / n[:, None])
        return change(scatter, n[:, None, None], points, variance, _eye(x.shape[1]))

    return wrong


def _repair_by_loop(x, r, points, variance):
    result = []
    for w in r.T:
        n = w.sum()
        mean = (w[:, None] * x).sum(0) / n
        S = sum(one * torch.outer(row - mean, row - mean) for one, row in zip(w, x, strict=True))
        result.append((S + torch.diag(torch.full_like(mean, points * variance))) / (n + points))
    return torch.stack(result)


repair = Exercise(
    ask="Return the covariances of the M step with a prior worth some points of a given variance.",
    reference=_repair,
    cases=_prior_cases,
    misconceptions={
        "The prior is missing: a component with one point still collapses.": _repair_with(lambda S, n, p, v, I: S / n),
        "You added the variance to the finished covariance. That stops the collapse, but it is no average: the prior's "
        "points count in the denominator as well.": _repair_with(lambda S, n, p, v, I: S / n + v * I),
        "The prior's points are missing in the denominator.": _repair_with(lambda S, n, p, v, I: (S + p * v * I) / n),
        "The prior's points enlarge the denominator but bring nothing with them: the widths only shrink.": (
            _repair_with(lambda S, n, p, v, I: S / (n + p))
        ),
        "The prior's variance counts once, as if it were one point. It is worth `points` of them.": (
            _repair_with(lambda S, n, p, v, I: (S + v * I) / (n + p))
        ),
        "`variance` is a variance already: do not square it.": (
            _repair_with(lambda S, n, p, v, I: (S + p * v**2 * I) / (n + p))
        ),
        "You added to every entry. A round prior stands on the diagonal alone.": (
            _repair_with(lambda S, n, p, v, I: (S + p * v) / (n + p))
        ),
        "You averaged a covariance with a sum: the data's part is the scatter, not yet divided by N_c.": (
            _repair_with(lambda S, n, p, v, I: (S / n + p * v * I) / (n + p))
        ),
        "The result lacks its division: it is the numerator alone.": _repair_with(lambda S, n, p, v, I: S + p * v * I),
        "You put a half on both. An average by points weighs them N_c to `points`.": (
            _repair_with(lambda S, n, p, v, I: (S / n + v * I) / 2)
        ),
    },
    also_right=[
        _repair_by_loop,
        _repair_with(lambda S, n, p, v, I: n / (n + p) * (S / n) + p / (n + p) * v * I),
    ],
)
