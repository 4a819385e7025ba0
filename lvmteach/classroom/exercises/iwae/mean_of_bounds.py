"""A mean outside, a mean inside."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.iwae.shared import _log_mean


def _mean_of_bounds(log_w):
    bounds = torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])
    return bounds.mean(0)


def _mean_of_bounds_by_loop(log_w):
    total = 0
    for one in log_w:
        top = one.max(0).values
        total = total + ((one - top).exp().sum(0) / len(one)).log() + top
    return total / len(log_w)


mean_of_bounds = Exercise(
    ask="Return the mean of M draws of the bound, each with K weights of its own.",
    reference=_mean_of_bounds,
    cases=drawing(lambda draw: [(draw(3, 4, 2),), (2 * draw(5, 1, 3) - 1,), (draw(1, 6, 2) + 0.5,),
                                 (9 * draw(2, 7, 3) - 800,), (700 + 5 * draw(6, 2, 4),),
                                 (draw(2, 4, 2) + torch.tensor([[[0.0, -900.0]], [[-900.0, 0.0]]]),)]),
    misconceptions={
        "You averaged all M K weights inside one logarithm: that is L with M K samples. Each set has a logarithm of "
        "its own.": lambda log_w: _log_mean(log_w.flatten(0, 1)),
        "Both means stand outside the logarithm: that is the ELBO, whatever K is.": lambda log_w: log_w.mean((0, 1)),
        "The axes are exchanged: your logarithm averages over the M sets. The K weights of a set are the second "
        "axis.": lambda log_w: _log_mean(log_w).mean(0),
        "log K is missing: inside the logarithm stands a mean.": lambda log_w: torch.logsumexp(log_w, 1).mean(0),
        "You divided the logarithm by K. The weights are divided, which takes log K off their logarithm.": (
            lambda log_w: (torch.logsumexp(log_w, 1) / log_w.shape[1]).mean(0)
        ),
        "You took off log M. Inside the logarithm are the K weights of one set.": (
            lambda log_w: torch.logsumexp(log_w, 1).mean(0) - math.log(len(log_w))
        ),
        "This is the sum over the sets. More sets should steady the result, not enlarge it: take the mean.": (
            lambda log_w: _log_mean(log_w.transpose(0, 1)).sum(0)
        ),
        "One value for each set: average over the sets, the first axis.": lambda log_w: _log_mean(
            log_w.transpose(0, 1)
        ),
        "You averaged over the batch as well: each datum has its own bound.": (
            lambda log_w: _log_mean(log_w.transpose(0, 1)).mean()
        ),
        "exp left the range of floating point. Stay in log space.": lambda log_w: log_w.exp().mean(1).log().mean(0),
    },
    also_right=[
        _mean_of_bounds_by_loop,
        lambda log_w: torch.stack([_log_mean(one) for one in log_w]).mean(0),
        lambda log_w: torch.einsum("mb->b", torch.logsumexp(log_w - math.log(log_w.size(1)), 1)) / log_w.size(0),
    ],
)  # fmt: skip
