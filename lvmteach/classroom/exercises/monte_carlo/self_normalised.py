"""Self-normalised."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _self_normalised(f_z, log_w):
    w = (log_w - log_w.max()).exp()
    w = w / w.sum()
    return torch.tensordot(w, f_z, 1)


@drawing
def _weighted_values(draw):
    shapes = [((4,), 1), ((6, 3), 1), ((5, 2, 3), 2), ((40, 2), 600)]
    cases = [(2 + draw(*shape), 0.5 + scale * draw(shape[0])) for shape, scale in shapes]
    return [*cases, (1 - draw(7, 2), 900 + draw(7)), (draw(8, 3), -1500 + draw(8))]


def _by_einsum(f_z, log_w):
    return torch.einsum("k...,k->...", f_z, torch.softmax(log_w, 0))


def _by_ratio_of_loops(f_z, log_w):
    w = [math.exp(one - max(log_w)) for one in log_w]
    return sum(a * b for a, b in zip(w, f_z, strict=True)) / sum(w)


self_normalised = Exercise(
    ask="Return the self-normalised importance sampling estimate of E_p[f(z)].",
    reference=_self_normalised,
    cases=_weighted_values,
    misconceptions={
        "You divided by K: that is the plain estimate, which needs p with its constant. Divide by the sum of the "
        "weights.": lambda f_z, log_w: torch.tensordot(log_w.exp(), f_z, 1) / len(log_w),
        "The weights do not enter: this is the mean under the proposal.": lambda f_z, log_w: f_z.mean(0),
        "The weights come as logarithms. Take exp before you divide by their sum.": (
            lambda f_z, log_w: torch.tensordot(log_w, f_z, 1) / log_w.sum()
        ),
        "The weights already sum to one, and you divided by K once more.": (
            lambda f_z, log_w: torch.tensordot(torch.softmax(log_w, 0), f_z, 1) / len(log_w)
        ),
        "exp leaves the range of floating point. Only ratios of weights matter here: take the largest log weight out "
        "first.": lambda f_z, log_w: torch.tensordot(log_w.exp(), f_z, 1) / log_w.exp().sum(),
        "w has shape (K,), f has (K, ...): multiplied as they are, the weights meet the last axis of f. Line them up "
        "with the first.": lambda f_z, log_w: (torch.softmax(log_w, 0) * f_z).sum(0),
        "w[:, None] has two axes even where f has one, and the product becomes a table (K, K). Give w as many axes "
        "as f has.": lambda f_z, log_w: (torch.softmax(log_w, 0)[:, None] * f_z).sum(0),
        "You summed over all axes. Only the first one holds draws.": (
            lambda f_z, log_w: torch.tensordot(torch.softmax(log_w, 0), f_z, 1).sum()
        ),
        "The sum stands for w alone, without f: that is one whatever the draws say.": (
            lambda f_z, log_w: torch.softmax(log_w, 0).sum() + 0 * f_z.sum(0)
        ),
        "Your weights are p/q upside down. A draw that q makes too often counts less.": (
            lambda f_z, log_w: torch.tensordot(torch.softmax(-log_w, 0), f_z, 1)
        ),
    },
    also_right=[_by_einsum, _by_ratio_of_loops, lambda f_z, log_w: (f_z.mT @ torch.softmax(log_w, 0)) if f_z.ndim == 2
                else torch.tensordot(torch.softmax(log_w, 0), f_z, ([0], [0]))],
)  # fmt: skip
