"""The number to report."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _honest_nll(log_w):
    return -(torch.logsumexp(log_w, 0) - math.log(len(log_w))).mean()


@drawing
def _cases(draw):
    sizes = ((2, 2, 1, -20), (5, 3, 2, -20), (8, 4, 3, -40), (3, 6, 40, -1200))
    cases = [(level + scale * draw(K, B) + 2 * draw(B),) for K, B, scale, level in sizes]
    apart = draw(6, 3) + torch.tensor([0.0, -900.0, -1200.0])  # no common maximum serves all data
    apart[:-1, 0] -= 1200  # nor all samples
    return [*cases, (apart,), (draw(7, 3) + 0.5,)]  # near zero: single precision shows


def _by_loop(log_w):
    total = 0.0
    for column in log_w.T:
        m = column.max()
        total = total + m + (column - m).exp().mean().log()
    return -total / log_w.shape[1]


honest_nll = Exercise(
    ask="Estimate the mean negative log-likelihood of B sentences, in nats, from K log weights each.",
    reference=_honest_nll,
    cases=_cases,
    misconceptions={
        "This is minus the ELBO. It is an upper bound on the NLL, and loosest where z is in use: average the weights "
        "before the logarithm.": lambda log_w: -log_w.mean(),
        "log K is missing: average the K weights, do not add them.": lambda log_w: -torch.logsumexp(log_w, 0).mean(),
        "The sentences are mixed up: average weights over the K samples of each sentence, logarithms over sentences.": (
            lambda log_w: -(torch.logsumexp(log_w, (0, 1)) - math.log(log_w.numel()))
        ),
        "You averaged over sentences inside the logarithm. Samples are the first axis.": (
            lambda log_w: -(torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])).mean()
        ),
        "The sign: likelihoods below one have negative logarithms, so the NLL is positive here.": (
            lambda log_w: (torch.logsumexp(log_w, 0) - math.log(len(log_w))).mean()
        ),
        "This is the sum over sentences. Report the mean a sentence.": (
            lambda log_w: -(torch.logsumexp(log_w, 0) - math.log(len(log_w))).sum()
        ),
        "You took the largest weight of each sentence for the mean of its K. It is the mean that estimates p(x).": (
            lambda log_w: -log_w.amax(0).mean()
        ),
        "exp underflows for some of these weights. Stay in log space.": lambda log_w: -log_w.exp().mean(0).log().mean(),
    },
    also_right=[_by_loop, lambda log_w: (math.log(len(log_w)) - log_w.logsumexp(0)).sum() / log_w.shape[1]],
)
