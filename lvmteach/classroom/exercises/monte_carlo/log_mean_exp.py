"""Weights as logarithms."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.monte_carlo.shared import _log_weights


def _log_mean_exp(log_w):
    m = log_w.max(0).values
    return m + (log_w - m).exp().mean(0).log()


def _log_mean_exp_by_loop(log_w):
    total = log_w[0]
    for one in log_w[1:]:
        total = torch.logaddexp(total, one)
    return total - math.log(len(log_w))


log_mean_exp = Exercise(
    ask="Average K weights that are given as logarithms, without overflow.",
    reference=_log_mean_exp,
    cases=_log_weights,
    misconceptions={
        "You return log K too much: this is the logarithm of the sum. Divide by K inside the logarithm.": (
            lambda log_w: torch.logsumexp(log_w, 0)
        ),
        "This is the mean of the logarithms. By Jensen it is never larger than the logarithm of the mean.": (
            lambda log_w: log_w.mean(0)
        ),
        "exp leaves the range of floating point: right for small weights only. Take the largest log weight out first, "
        "and add it back at the end.": lambda log_w: log_w.exp().mean(0).log(),
        "You averaged over the last axis. Samples are the first one.": (
            lambda log_w: torch.logsumexp(log_w, -1) - math.log(log_w.shape[-1])
        ),
        "You took the largest log weight out and forgot to add it back.": (
            lambda log_w: (log_w - log_w.max(0).values).exp().mean(0).log()
        ),
        "You took out one maximum for all columns, and some columns underflow. Each has a maximum of its own.": (
            lambda log_w: (log_w - log_w.max()).exp().mean(0).log() + log_w.max()
        ),
        "You divided the logarithm by K. The mean is taken of the weights, before the logarithm.": (
            lambda log_w: torch.logsumexp(log_w, 0) / len(log_w)
        ),
        "You added log K. Dividing by K inside the logarithm takes log K off.": (
            lambda log_w: torch.logsumexp(log_w, 0) + math.log(len(log_w))
        ),
        "This is the largest log weight alone. It dominates the mean, but it is not the mean.": (
            lambda log_w: log_w.max(0).values
        ),
    },
    also_right=[
        lambda log_w: torch.logsumexp(log_w, dim=0) - math.log(log_w.shape[0]),
        lambda log_w: torch.logsumexp(log_w - math.log(len(log_w)), 0),
        _log_mean_exp_by_loop,
    ],
)
