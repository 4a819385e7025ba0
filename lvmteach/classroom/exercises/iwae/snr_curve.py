"""Signal and noise."""

from __future__ import annotations

import itertools
import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _snr_curve(K, gradients):
    ratio = gradients.mean(1).abs() / gradients.std(1)
    log_K = K.log() - K.log().mean()
    slope = (log_K[:, None] * ratio.log()).sum(0) / log_K.square().sum()
    return ratio, slope


@drawing
def _gradients(draw):
    sizes = [(3, 5, 2), (4, 7, 3), (5, 30, 1), (6, 4, 5)]
    ladders = [(1.0, 2.0, 8.0), (1.0, 3.0, 4.0, 30.0), (2.0, 4.0, 5.0, 16.0, 50.0), (1.0, 2.0, 4.0, 8.0, 16.0, 64.0)]
    signs = [1.0, -1.0, 1.0, -1.0]
    cases = [
        (torch.tensor(K).double(), sign * (1.4 + draw(T, 1, P).abs()) + (0.3 + draw(P) ** 2) * draw(T, R, P))
        for K, sign, (T, R, P) in zip(ladders, signs, sizes, strict=True)
    ]  # fmt: skip
    noise = draw(3, 6, 2)
    noise -= noise.mean(1, keepdim=True)
    signal = torch.tensor([[1e-5, 900.0], [3e-5, 400.0], [2e-5, 100.0]]).double()  # next to none, and next to no noise
    extreme = torch.tensor([3.0, 5000.0, 70.0]).double(), signal[:, None] + torch.tensor([1.0, 0.01]) * noise
    return [*cases, (cases[0][0], 1e-7 * cases[0][1]), extreme]  # a trained model: small gradients, the same ratio


def _slope(x, y):
    away = (x - x.mean())[:, None]
    return (away * y).sum(0) / away.square().sum()


def _with_slope(K, ratio):
    return ratio, _slope(K.log(), ratio.log())


def _ratio(gradients):
    return gradients.mean(1).abs() / gradients.std(1)


def _snr_by_loop(K, gradients):
    T, R, P = gradients.shape
    ratio = torch.zeros(T, P, dtype=gradients.dtype)
    for t, j in itertools.product(range(T), range(P)):
        runs = gradients[t, :, j].tolist()
        mean = math.fsum(runs) / R
        ratio[t, j] = abs(mean) / math.sqrt(math.fsum((one - mean) ** 2 for one in runs) / (R - 1))
    x = [math.log(one) for one in K.tolist()]
    middle = sum(x) / T
    square = sum((one - middle) ** 2 for one in x)
    return ratio, sum((one - middle) / square * row.log() for one, row in zip(x, ratio, strict=True))


snr_curve = Exercise(
    ask="Return the signal-to-noise ratio of each parameter's gradient for each K, and its slope on log-log axes.",
    reference=_snr_curve,
    cases=_gradients,
    misconceptions={
        "The ratios are right. The second is a correlation: the slope divides by the variance of log K alone.": (
            lambda K, gradients: (
                (ratio := _snr_curve(K, gradients)[0]),
                _slope(K.log(), ratio.log()) * K.log().std() / ratio.log().std(0),
            )
        ),
        "You divided by the variance. A ratio without units has the standard deviation below.": (
            lambda K, gradients: _with_slope(K, gradients.mean(1).abs() / gradients.var(1))
        ),
        "You divided by the standard error of the mean of R runs. The question is how noisy a single gradient is, "
        "whatever R is.": lambda K, gradients: _with_slope(K, _ratio(gradients) * math.sqrt(gradients.shape[1])),
        "This is the mean of the absolute gradients: with noise alone it would still be large. Average first, then "
        "take the absolute value.": lambda K, gradients: _with_slope(K, gradients.abs().mean(1) / gradients.std(1)),
        "The absolute value is missing: a gradient's sign is no part of its strength, and its logarithm would fail.": (
            lambda K, gradients: (gradients.mean(1) / gradients.std(1), _slope(K.log(), _ratio(gradients).log()))
        ),
        "The absolute value is missing: where the mean is negative, your logarithm is NaN.": (
            lambda K, gradients: _with_slope(K, gradients.mean(1) / gradients.std(1))
        ),
        "Upside down: the signal stands above, the noise below.": (
            lambda K, gradients: _with_slope(K, 1 / _ratio(gradients))
        ),
        "You divided by R inside the variance. The mean comes from the same runs: divide by R - 1, as `std` does.": (
            lambda K, gradients: _with_slope(K, gradients.mean(1).abs() / gradients.std(1, correction=0))
        ),
        "Below stands the root of the mean square, with the signal still in it. Noise is the spread around the mean.": (
            lambda K, gradients: _with_slope(K, gradients.mean(1).abs() / gradients.square().mean(1).sqrt())
        ),
        "This is the squared ratio. Its slope is twice as steep.": (
            lambda K, gradients: _with_slope(K, _ratio(gradients).square())
        ),
        "You averaged over the parameters as well. Each has a ratio and a slope of its own.": (
            lambda K, gradients: _with_slope(K, _ratio(gradients).mean(-1, keepdim=True))
        ),
        "The runs are the second axis. You averaged over the values of K.": lambda K, gradients: (
            gradients.mean(0).abs() / gradients.std(0),
            _slope(K.log(), _ratio(gradients).log()),
        ),
        "The ratios are right. The slope is against K itself: both axes are logarithmic.": (
            lambda K, gradients: (_ratio(gradients), _slope(K, _ratio(gradients).log()))
        ),
        "The ratios are right. For the slope take their logarithm too: both axes are logarithmic.": (
            lambda K, gradients: (_ratio(gradients), _slope(K.log(), _ratio(gradients)))
        ),
        "The ratios are right. The slope is that of a plain plot: take the logarithm on both axes.": (
            lambda K, gradients: (_ratio(gradients), _slope(K, _ratio(gradients)))
        ),
        "The ratios are right. The slope uses the two ends alone: fit a line to all points.": (
            lambda K, gradients: (
                _ratio(gradients),
                (_ratio(gradients)[-1] / _ratio(gradients)[0]).log() / (K[-1] / K[0]).log(),
            )
        ),
        "The ratios are right. Your line is forced through the origin: take the means of both logarithms off first.": (
            lambda K, gradients: (
                _ratio(gradients),
                (K.log()[:, None] * _ratio(gradients).log()).sum(0) / K.log().square().sum(),
            )
        ),
        "The ratios are right. The slope is log K by log ratio: exchange the axes.": lambda K, gradients: (
            _ratio(gradients),
            torch.stack([_slope(one, K.log()[:, None])[0] for one in _ratio(gradients).log().T]),
        ),
        "The ratios are right. You return the line's height at K = 1. Its slope is asked for.": lambda K, gradients: (
            _ratio(gradients),
            _ratio(gradients).log().mean(0) - _slope(K.log(), _ratio(gradients).log()) * K.log().mean(),
        ),
    },
    also_right=[
        _snr_by_loop,
        lambda K, gradients: _with_slope(K, _ratio(gradients)),
        lambda K, gradients: (
            (gradients.mean(1).square() / gradients.var(1)).sqrt(),
            torch.linalg.pinv(torch.stack([torch.ones_like(K), K.log2()], 1))[1] @ _ratio(gradients).log2(),
        ),
    ],
)
