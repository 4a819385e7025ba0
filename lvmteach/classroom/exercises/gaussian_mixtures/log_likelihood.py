"""The log-likelihood."""

from __future__ import annotations

import functools
import math

import torch

from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.gaussian_mixtures.shared import _log_joints


def _log_likelihood(log_p_xz):
    largest = log_p_xz.max(1).values
    p = (log_p_xz - largest[:, None]).exp().sum(1)
    return (largest + p.log()).sum()


log_likelihood = Exercise(
    ask="Return log p(x_1, ..., x_N) in nats from the log joint.",
    reference=_log_likelihood,
    cases=_log_joints,
    misconceptions={
        "This is the mean over the data. Independent data multiply, so their logarithms add.": (
            lambda log_p_xz: torch.logsumexp(log_p_xz, 1).mean()
        ),
        "You have one value for each datum. Independent data multiply: add their logarithms.": (
            lambda log_p_xz: torch.logsumexp(log_p_xz, 1)
        ),
        "You summed the logs over components. Components are alternatives: add probabilities, then take the log.": (
            lambda log_p_xz: log_p_xz.sum()
        ),
        "exp leaves the range of floating point. Take the largest log of each row out first.": (
            lambda log_p_xz: log_p_xz.exp().sum(1).log().sum()
        ),
        "You summed over the data inside the logarithm. Components go inside it, data outside.": (
            lambda log_p_xz: torch.logsumexp(log_p_xz, 0).sum()
        ),
        "You counted only the best component of each datum. All of them could have made it.": (
            lambda log_p_xz: log_p_xz.max(1).values.sum()
        ),
        "You took the logarithm of one sum over everything. Data multiply; only components add.": (
            lambda log_p_xz: torch.logsumexp(log_p_xz.flatten(), 0)
        ),
        "You averaged over components. The weights are in the joint already: sum.": (
            lambda log_p_xz: (torch.logsumexp(log_p_xz, 1) - math.log(log_p_xz.shape[1])).sum()
        ),
        "This is the expected log joint under the posterior. It lacks the entropy of the label.": (
            lambda log_p_xz: (torch.softmax(log_p_xz, 1) * log_p_xz.clamp(min=-1e9)).sum()
        ),
        "You took the largest log out and did not put it back.": (
            lambda log_p_xz: (log_p_xz - log_p_xz.max(1, keepdim=True).values).exp().sum(1).log().sum()
        ),
    },
    also_right=[
        lambda log_p_xz: torch.logsumexp(log_p_xz, 1).sum(),
        lambda log_p_xz: sum(torch.logsumexp(row, 0) for row in log_p_xz),
        lambda log_p_xz: functools.reduce(torch.logaddexp, log_p_xz.unbind(1)).sum(),
    ],
)
