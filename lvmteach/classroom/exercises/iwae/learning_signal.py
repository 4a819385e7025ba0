"""A control variate that knows nothing of its own draw."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.iwae.shared import _log_mean, _others


def _learning_signal(log_w):
    K = len(log_w)
    itself = torch.eye(K, dtype=torch.bool)[:, :, None]
    others = log_w.expand(K, *log_w.shape).masked_fill(itself, -math.inf)  # a row for each draw that is left out
    without = torch.logsumexp(others, 1) - math.log(K - 1)
    return torch.logsumexp(log_w, 0) - math.log(K) - without


@drawing
def _weights(draw):
    one_rules = 1.2 * draw(4, 3)
    one_rules[1] += torch.tensor([60.0, 0.0, 3000.0])  # all the others together are below rounding
    out_of_range = torch.tensor([[0.0], [-760.0], [-761.0]], dtype=torch.float64)  # and those beside a weight of 1
    return [
        (1.3 * draw(2, 3) - 1,),
        (draw(3, 2) + 2,),
        (2 * draw(5, 4) - 3,),
        (one_rules,),
        (out_of_range,),
        (3 * draw(6, 2) - 900,),
        (draw(4, 2) + torch.tensor([0.0, -900.0]),),  # no common maximum serves both data
        (draw(3, 1),),
        (draw(3, 2) - 300_000,),  # -10 000 is no stand-in for minus infinity
    ]


def _without(log_w):
    return _others(log_w) - math.log(len(log_w) - 1)


def _by_running_sums(log_w):  # from both ends
    K, nothing = len(log_w), torch.full_like(log_w[:1], -math.inf)
    before = torch.cat([nothing, log_w.logcumsumexp(0)[:-1]])
    after = torch.cat([log_w.flip(0).logcumsumexp(0).flip(0)[1:], nothing])
    return _log_mean(log_w) - torch.logaddexp(before, after) + math.log(K - 1)


def _by_loop(log_w):
    signal = torch.zeros_like(log_w)
    for b, column in enumerate(log_w.T.tolist()):
        whole = _log(column)
        for k in range(len(column)):
            signal[k, b] = whole - _log(column[:k] + column[k + 1 :])
    return signal


def _log(values):
    top = max(values)
    return top + math.log(math.fsum(math.exp(one - top) for one in values) / len(values))


def _geometric(log_w):
    K = len(log_w)
    held = (log_w.sum(0) - log_w) / (K - 1)
    replaced = [torch.cat([log_w[:k], held[k : k + 1], log_w[k + 1 :]]) for k in range(K)]
    return _log_mean(log_w) - torch.stack([_log_mean(one) for one in replaced])


learning_signal = Exercise(
    ask="Return, for each draw, the bound minus the bound of the other K - 1 draws.",
    reference=_learning_signal,
    cases=_weights,
    misconceptions={
        "The two counts have dropped out: you divided the others by K, or neither sum by anything. All K weights are "
        "divided by K, the others by K - 1.": lambda log_w: torch.logsumexp(log_w, 0) - _others(log_w),
        "log(K - 1) is missing: the bound of the others averages their weights.": (
            lambda log_w: _log_mean(log_w) - _others(log_w)
        ),
        "log K is missing from the bound of all K: it averages the weights.": (
            lambda log_w: torch.logsumexp(log_w, 0) - _without(log_w)
        ),
        "Your baseline is the mean of the other log weights. That serves the ELBO; here it is the log of a mean.": (
            lambda log_w: _log_mean(log_w) - (log_w.sum(0) - log_w) / (len(log_w) - 1)
        ),
        "This is VIMCO's signal: the weight is replaced by the geometric mean of the others. It has the right mean "
        "too, but here the draw is left out.": _geometric,
        "The draw's own log weight is paid here. Pay what all K have in common: the bound.": (
            lambda log_w: log_w - _without(log_w)
        ),
        "Your baseline is the bound of all K, so it knows its own draw: that would bias the gradient.": (
            lambda log_w: log_w - _log_mean(log_w)
        ),
        "The sign is turned round: a draw that adds something gets a positive signal.": (
            lambda log_w: -_learning_signal(log_w)
        ),
        "This is the baseline. Take it off the bound.": _without,
        "This is the bound itself, for every draw: nothing has been taken off.": (
            lambda log_w: _log_mean(log_w).expand_as(log_w)
        ),
        "You took the weight off the sum, in floating point. Where one weight rules, nothing is left of the others: "
        "leave it out of the sum instead.": lambda log_w: (
            _log_mean(log_w)
            - ((top := log_w.max(0).values) + ((w := (log_w - top).exp()).sum(0) - w).log())
            + math.log(len(log_w) - 1)
        ),
        "You left data out, not draws. Samples are the first axis.": lambda log_w: _learning_signal(log_w.T).T,
        "exp left the range of floating point. Stay in log space.": lambda log_w: (
            (w := log_w.exp()).mean(0).log() - ((w.sum(0) - w) / (len(w) - 1)).log()
        ),
        "You averaged over the draws: each has a signal of its own.": lambda log_w: _learning_signal(log_w).mean(0),
    },
    also_right=[_by_running_sums, _by_loop],
)
