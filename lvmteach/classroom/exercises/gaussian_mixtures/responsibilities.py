"""Responsibilities."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.gaussian_mixtures.shared import _log_joints


def _responsibilities(log_p_xz):
    largest = log_p_xz.max(1, keepdim=True).values
    p = (log_p_xz - largest).exp()
    return p / p.sum(1, keepdim=True)


responsibilities = Exercise(
    ask="Return the posterior p(z_n = c | x_n) from the log joint.",
    reference=_responsibilities,
    cases=_log_joints,
    misconceptions={
        "Your columns sum to one. The posterior is over components: each row sums to one.": (
            lambda log_p_xz: torch.softmax(log_p_xz, 0)
        ),
        "You divided logarithms by their sum. Take exp before you normalise.": (
            lambda log_p_xz: log_p_xz / log_p_xz.sum(1, keepdim=True)
        ),
        "exp leaves the range of floating point. A common factor in a row cancels: take the largest log out first.": (
            lambda log_p_xz: log_p_xz.exp() / log_p_xz.exp().sum(1, keepdim=True)
        ),
        "The sum over components lost its axis, so the division does not line up with rows: keepdim=True keeps it.": (
            lambda log_p_xz: log_p_xz.exp() / log_p_xz.exp().sum(1)
        ),
        "You took one maximum for the whole table. Rows far below it still vanish: each row needs its own.": (
            lambda log_p_xz: (log_p_xz - log_p_xz.max()).exp() / (log_p_xz - log_p_xz.max()).exp().sum(1, keepdim=True)
        ),
        "A small number in the denominator hides the zero over zero and makes far rows sum to less than one. Take the "
        "row's largest log out instead.": (
            lambda log_p_xz: log_p_xz.exp() / (log_p_xz.exp().sum(1, keepdim=True) + 1e-10)
        ),
        "This is the logarithm of the posterior; return the posterior.": lambda log_p_xz: torch.log_softmax(
            log_p_xz, 1
        ),
        "You give each point to one component for certain, as K-means does. Keep the doubt.": (
            lambda log_p_xz: torch.nn.functional.one_hot(log_p_xz.argmax(1), log_p_xz.shape[1]).to(log_p_xz.dtype)
        ),
        "The largest is one in each row: you did not divide by the row's sum.": (
            lambda log_p_xz: (log_p_xz - log_p_xz.max(1, keepdim=True).values).exp()
        ),
        "The whole table sums to one. Each datum has a posterior of its own.": (
            lambda log_p_xz: torch.softmax(log_p_xz.flatten(), 0).reshape(log_p_xz.shape)
        ),
        "This is the joint. Divide by p(x_n), the row's sum.": lambda log_p_xz: log_p_xz.exp(),
    },
    also_right=[
        lambda log_p_xz: torch.softmax(log_p_xz, 1),
        lambda log_p_xz: (log_p_xz - torch.logsumexp(log_p_xz, 1, keepdim=True)).exp(),
        lambda log_p_xz: torch.stack([(row - row.max()).exp() / (row - row.max()).exp().sum() for row in log_p_xz]),
    ],
)
