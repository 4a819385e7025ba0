"""What z says of the datum."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _information(log_q):
    N = log_q.shape[1]
    log_aggregate = torch.logsumexp(log_q, 1) - math.log(N)
    return (log_q.diagonal() - log_aggregate).mean()


@drawing
def _tables(draw):
    cases = []
    for N in (2, 3, 6, 12):
        mean, z = 2 * draw(N), None
        z = mean + 0.6 * draw(N)
        cases.append((-((z[:, None] - mean) ** 2) / 0.72 - 0.4,))
    apart = cases[2][0] + torch.linspace(0, -900, 6)[:, None] + torch.linspace(-3000, 0, 6)  # draws, and data
    crossed = cases[1][0].roll(1, 1)  # each z_n near another datum: the estimate is negative
    return [*cases, (cases[1][0] - 800,), (apart,), (crossed,), (torch.full((4, 4), -1.5, dtype=torch.float64),)]


def _by_softmax(log_q):
    return math.log(len(log_q)) + torch.log_softmax(log_q, dim=1).diag().mean()


def _by_loop(log_q):
    total = 0.0
    for n, row in enumerate(log_q):
        top = row.max()
        total = total + row[n] - top - torch.log(torch.mean(torch.exp(row - top)))
    return total / len(log_q)


information = Exercise(
    ask="Estimate I(n; z) from the table log_q[n, m] = log q(z_n | x_m), with one draw z_n from each q(z | x_n).",
    reference=_information,
    cases=_tables,
    misconceptions={
        "log N is missing: q(z) is a mean over the data, not a sum. Yours can never be above zero.": (
            lambda log_q: torch.log_softmax(log_q, 1).diagonal().mean()
        ),
        "log N has the wrong sign.": lambda log_q: torch.log_softmax(log_q, 1).diagonal().mean() - math.log(len(log_q)),
        "You summed over the draws. q(z_n) takes one z_n and all data x_m: sum along a row.": (
            lambda log_q: _information(log_q.T)
        ),
        "This is the mean of the logs. The aggregate is the log of a mean.": (
            lambda log_q: (log_q.diagonal() - log_q.mean(1)).mean()
        ),
        "The sign is turned round: I is how much denser q(z_n | x_n) is than q(z_n), and is not negative on average.": (
            lambda log_q: -_information(log_q)
        ),
        "You left the datum itself out of the aggregate. q(z) holds all N.": (
            lambda log_q: (
                log_q.diagonal()
                - torch.logsumexp(log_q.masked_fill(torch.eye(len(log_q), dtype=torch.bool), -math.inf), 1)
                + math.log(len(log_q) - 1)
            ).mean()
        ),
        "You averaged the whole table. z_n is a draw for x_n: only the diagonal pairs belong to it.": (
            lambda log_q: (log_q - torch.logsumexp(log_q, 1, keepdim=True) + math.log(len(log_q))).mean()
        ),
        "exp underflowed. Take the log-sum-exp.": (lambda log_q: (log_q.diagonal() - log_q.exp().mean(1).log()).mean()),
        "Take the mean over the data, not the sum: nats a datum.": lambda log_q: _information(log_q) * len(log_q),
    },
    also_right=[_by_softmax, _by_loop],
)
