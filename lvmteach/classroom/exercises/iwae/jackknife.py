"""The bias taken off, to first order."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.iwae.shared import _log_mean, _others


def _jackknife(log_w):
    K = len(log_w)
    rows = torch.arange(K)
    others = torch.stack([log_w[rows != k] for k in range(K)])  # (K, K - 1, B)
    without = torch.logsumexp(others, 1) - math.log(K - 1)
    return K * (torch.logsumexp(log_w, 0) - math.log(K)) - (K - 1) * without.mean(0)


@drawing
def _weights(draw):
    one_rules = draw(4, 3)
    one_rules[2] += torch.tensor([0.0, 55.0, 3000.0])
    return [
        (draw(2, 3) - 1,),
        (1.5 * draw(3, 4) + 2,),
        (2 * draw(6, 2) - 3,),
        (one_rules,),
        (2 * draw(7, 5) - 900,),
        (draw(4, 2) + torch.tensor([0.0, -900.0]),),  # no common maximum serves both data
        (draw(3, 1),),
        (draw(3, 2) - 300_000,),  # -10 000 is no stand-in for minus infinity
    ]


def _without(log_w):
    return _others(log_w) - math.log(len(log_w) - 1)


def _by_correction(log_w):  # the bound plus an estimate of its bias
    bound = _log_mean(log_w)
    return bound + (len(log_w) - 1) * (bound - _without(log_w).mean(0))


def _by_pseudo_values(log_w):
    K = len(log_w)
    return (K * _log_mean(log_w) - (K - 1) * _without(log_w)).sum(0) / K


def _halves(log_w):
    half = len(log_w) // 2
    return 2 * _log_mean(log_w) - (_log_mean(log_w[:half]) + _log_mean(log_w[half:])) / 2


def _by_delta_method(log_w):
    """The bound plus half the variance of the mean weight, relative to its square."""
    w = (log_w - _log_mean(log_w)).exp()  # their mean is one
    return _log_mean(log_w) + w.var(0) / (2 * len(w))


jackknife = Exercise(
    ask="Return K times the bound minus K - 1 times the mean of the K bounds that leave one weight out.",
    reference=_jackknife,
    cases=_weights,
    misconceptions={
        "That is the delta method: the bias from the variance of the weights. The jackknife takes it from bounds that "
        "leave one weight out.": _by_delta_method,
        "This is the bound: nothing has been corrected. It also comes out if the mean over the K values stands "
        "inside a logarithm: take K logarithms, and average those.": _log_mean,
        "This is the mean of the bounds with one weight left out: the other half of the answer.": (
            lambda log_w: _without(log_w).mean(0)
        ),
        "You have the two factors exchanged: K belongs to the bound of all K.": lambda log_w: (
            (len(log_w) - 1) * _log_mean(log_w) - len(log_w) * _without(log_w).mean(0)
        ),
        "Both factors are K: then a constant added to all log weights would fall out. K and K - 1 differ by one, as "
        "they must.": lambda log_w: len(log_w) * (_log_mean(log_w) - _without(log_w).mean(0)),
        "The correction has the wrong sign: the bound is too low, so it is raised.": lambda log_w: (
            _log_mean(log_w) - (len(log_w) - 1) * (_log_mean(log_w) - _without(log_w).mean(0))
        ),
        "The correction is K - 1 times the difference of the two bounds. You added it once.": lambda log_w: (
            2 * _log_mean(log_w) - _without(log_w).mean(0)
        ),
        "The mean of the others has K - 1 terms: you divided by K.": lambda log_w: (
            len(log_w) * _log_mean(log_w) - (len(log_w) - 1) * (_others(log_w) - math.log(len(log_w))).mean(0)
        ),
        "log(K - 1) is missing in the bounds of the others.": lambda log_w: (
            len(log_w) * _log_mean(log_w) - (len(log_w) - 1) * _others(log_w).mean(0)
        ),
        "You summed the K bounds of the others. Their mean is meant.": lambda log_w: (
            len(log_w) * _log_mean(log_w) - (len(log_w) - 1) * _without(log_w).sum(0)
        ),
        "You used one set of others, the one without the last weight. The mean over all K has less noise.": (
            lambda log_w: len(log_w) * _log_mean(log_w) - (len(log_w) - 1) * _log_mean(log_w[:-1])
        ),
        "This takes the bias off by the weights' variance, which is right to first order as well. Asked for is the "
        "jackknife, which leaves one weight out at a time.": lambda log_w: (
            _log_mean(log_w) + (torch.softmax(log_w, 0).square().sum(0) - 1 / len(log_w)) / 2
        ),
        "You compared with two halves. Leave out one weight at a time.": _halves,
        "You took the weight off the sum, in floating point. Where one weight rules, nothing is left of the others: "
        "leave it out of the sum instead.": lambda log_w: (
            len(log_w) * _log_mean(log_w)
            - (len(log_w) - 1)
            * (
                (top := log_w.max(0).values)
                + ((w := (log_w - top).exp()).sum(0) - w).log()
                - math.log(len(log_w) - 1)
            ).mean(0)
        ),
        "You averaged over the batch. Return one value for each datum.": lambda log_w: _jackknife(log_w).mean(),
        "Samples are the first axis. You left out data.": lambda log_w: _jackknife(log_w.T),
    },
    also_right=[_by_correction, _by_pseudo_values],
)  # fmt: skip
