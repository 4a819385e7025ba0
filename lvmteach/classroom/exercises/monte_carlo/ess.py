"""Weights as logarithms."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.compare import Close
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.monte_carlo.shared import _log_weights


def _ess(log_w):
    w = (log_w - log_w.max(0).values).exp()
    return w.sum(0).square() / w.square().sum(0)


ess = Exercise(
    ask="Return the effective sample size of weights that are given as logarithms.",
    reference=_ess,
    cases=lambda seed: [(torch.full((5,), 1.3, dtype=torch.float64),), *_log_weights(seed)],
    misconceptions={
        "exp leaves the range of floating point. The effective size does not change when all weights are divided by "
        "the same number: divide by the largest, in logarithms.": (
            lambda log_w: log_w.exp().sum(0) ** 2 / (log_w.exp() ** 2).sum(0)
        ),
        "K over one plus the squared coefficient of variation is right for the variance over K, not over K - 1.": (
            lambda log_w: len(log_w) / (1 + log_w.softmax(0).var(0) * len(log_w) ** 2)
        ),
        "Upside down: the square of the sum stands above, the sum of the squares below.": (
            lambda log_w: torch.softmax(log_w, 0).square().sum(0)
        ),
        "This is the effective share, between 0 and 1. Return the number of draws: do not divide by K.": (
            lambda log_w: 1 / torch.softmax(log_w, 0).square().sum(0) / len(log_w)
        ),
        "You summed over the last axis. Samples are the first one.": (
            lambda log_w: 1 / torch.softmax(log_w, -1).square().sum(-1)
        ),
        "You normalised over all columns together. Each column is a set of weights of its own.": (
            lambda log_w: 1 / torch.softmax(log_w.flatten(), 0).reshape(log_w.shape).square().sum(0)
        ),
        "You took out one maximum for all columns, and some columns underflow. Each has a maximum of its own.": (
            lambda log_w: (log_w - log_w.max()).exp().sum(0) ** 2 / (log_w - log_w.max()).exp().square().sum(0)
        ),
        "The numerator is not squared: multiply all weights by two, and your result changes.": (
            lambda log_w: (torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0)).exp()
        ),
        "You used the log weights as if they were weights. They are logarithms.": (
            lambda log_w: log_w.sum(0) ** 2 / (log_w**2).sum(0)
        ),
        "This is the exponential of the entropy of the weights: also an effective number, but another one.": (
            lambda log_w: torch.special.entr(torch.softmax(log_w, 0)).sum(0).exp()
        ),
        "This is one over the largest normalised weight: also an effective number, but another one. Here all weights "
        "count, by their squares.": lambda log_w: 1 / torch.softmax(log_w, 0).max(0).values,
    },
    also_right=[
        lambda log_w: 1 / torch.softmax(log_w, 0).square().sum(0),
        lambda log_w: torch.exp(2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0)),
        lambda log_w: 1 / sum(one * one for one in (log_w - torch.logsumexp(log_w, 0)).exp()),
    ],
    compare=Close(rtol=1e-9),  # what single precision does to single weights nearly cancels
)
