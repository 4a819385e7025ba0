"""An estimate and its standard error."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _estimate(f_z):
    K = len(f_z)
    value = f_z.mean(0)
    variance = (f_z - value).square().sum(0) / (K - 1)
    return value, (variance / K).sqrt()


@drawing
def _values(draw):
    cases = [3 + 2 * draw(4), 5 - draw(7, 3), 0.7 + 0.1 * draw(30, 2, 5)]
    far = torch.stack([1e6 + draw(6), 0 * draw(6)], 1)  # far from zero, and an event that never came
    return [(f_z,) for f_z in [*cases, far]]


def _estimate_by_loop(f_z):
    K, value = len(f_z), sum(f_z) / len(f_z)
    return value, torch.sqrt(sum((one - value) ** 2 for one in f_z)) / math.sqrt(K * (K - 1))


def _estimate_by_mean_square(f_z):
    K, value = len(f_z), torch.einsum("k...->...", f_z) / len(f_z)
    return value, (((f_z - value) ** 2).mean(0) / (K - 1)) ** 0.5


estimate = Exercise(
    ask="Return the Monte Carlo estimate and its standard error.",
    reference=_estimate,
    cases=_values,
    misconceptions={
        "This is the spread of a single draw. The mean of K draws varies less: its variance is the K-th part.": (
            lambda f_z: (f_z.mean(0), f_z.std(0))
        ),
        "Your error bar is a little too short. The mean was fitted to the same draws, so the sum of squared "
        "deviations is divided by K - 1.": lambda f_z: (f_z.mean(0), f_z.std(0, correction=0) / math.sqrt(len(f_z))),
        "This is the variance of the estimate, in squared units. An error bar has the units of the value.": (
            lambda f_z: (f_z.mean(0), f_z.var(0) / len(f_z))
        ),
        "You divided the spread by K. It is the variance that falls as 1/K; the spread falls as its root.": (
            lambda f_z: (f_z.mean(0), f_z.std(0) / len(f_z))
        ),
        "You averaged over the last axis. Draws are the first one.": (
            lambda f_z: (f_z.mean(-1), f_z.std(-1) / math.sqrt(f_z.shape[-1]))
        ),
        "You averaged over everything. Only the first axis holds draws; the others are separate estimates.": (
            lambda f_z: (f_z.mean(), f_z.std() / math.sqrt(f_z.numel()))
        ),
        "Your error bar is one number for all the estimates. Give std the axis of the draws, as you gave it to mean.": (
            lambda f_z: (f_z.mean(0), f_z.std() / math.sqrt(len(f_z)))
        ),
        "You counted all elements as draws. K is the length of the first axis alone.": (
            lambda f_z: (f_z.mean(0), f_z.std(0) / math.sqrt(f_z.numel()))
        ),
        "Your value is a sum. An expectation is estimated by a mean.": (
            lambda f_z: (f_z.sum(0), f_z.std(0) / math.sqrt(len(f_z)))
        ),
        "Your error bar uses the mean of f squared. Take the mean off first: only the scatter around it counts.": (
            lambda f_z: (f_z.mean(0), f_z.square().mean(0).sqrt() / math.sqrt(len(f_z)))
        ),
    },
    also_right=[
        _estimate_by_loop,
        _estimate_by_mean_square,
        lambda f_z: (torch.mean(f_z, dim=0), torch.std(f_z, dim=0) / len(f_z) ** 0.5),
    ],
)
