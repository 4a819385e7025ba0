"""Leave one out."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _leave_one_out(f_z):
    others = len(f_z) - 1
    return (f_z.sum(0) - f_z) / others


def _leave_one_out_by_loop(f_z):
    return torch.stack([torch.cat([f_z[:k], f_z[k + 1 :]]).mean(0) for k in range(len(f_z))])


def _leave_one_out_by_matrix(f_z):
    K = len(f_z)
    everybody_else = (torch.ones(K, K) - torch.eye(K)).to(f_z) / (K - 1)
    return torch.einsum("kj,j...->k...", everybody_else, f_z)


leave_one_out = Exercise(
    ask="Return for each draw the mean of f over all the other draws.",
    reference=_leave_one_out,
    cases=drawing(lambda draw: [(3 + draw(3),), (2 * draw(2, 3) - 1,), (5 + draw(5, 2, 4),), (40 * draw(30, 2),)]),
    misconceptions={
        "The draw's own f is in its baseline: that biases the gradient. Take it out.": (
            lambda f_z: f_z.mean(0).expand_as(f_z)
        ),
        "The draw's own f is in the sum, which is divided by K - 1. Take it out of the sum as well.": (
            lambda f_z: (f_z.sum(0) / (len(f_z) - 1)).expand_as(f_z)
        ),
        "K - 1 others are in the sum: divide by K - 1, not by K.": lambda f_z: (f_z.sum(0) - f_z) / len(f_z),
        "This is the sum over the others. A baseline has the size of one f: take the mean.": (
            lambda f_z: f_z.sum(0) - f_z
        ),
        "You took the draw off the mean. Take it off the sum, and divide afterwards.": lambda f_z: f_z.mean(0) - f_z,
        "This is f minus its baseline. Return the baseline itself.": (
            lambda f_z: f_z - (f_z.sum(0) - f_z) / (len(f_z) - 1)
        ),
        "You left one out along the last axis. Draws are the first one.": (
            lambda f_z: (f_z.sum(-1, keepdim=True) - f_z) / (f_z.shape[-1] - 1)
        ),
        "You summed over all axes. Only the first one holds draws; the others are separate problems.": (
            lambda f_z: (f_z.sum() - f_z) / (f_z.numel() - 1)
        ),
        "You summed over all axes, and divided by the draws alone. Only the first axis holds draws.": (
            lambda f_z: (f_z.sum() - f_z) / (len(f_z) - 1)
        ),
        "One baseline for all draws, and the draw's own f is in it. Each draw has a baseline of its own.": (
            lambda f_z: f_z.mean(0)
        ),
        "This is the mean of the earlier draws only. Draws have no order: the later ones may enter too.": (
            lambda f_z: (
                (f_z.cumsum(0) - f_z) / torch.arange(len(f_z)).clamp(min=1).to(f_z).reshape(-1, *[1] * (f_z.ndim - 1))
            )
        ),
    },
    also_right=[
        _leave_one_out_by_loop,
        _leave_one_out_by_matrix,
        lambda f_z: f_z - (f_z - f_z.mean(0)) * len(f_z) / (len(f_z) - 1),
    ],
)
