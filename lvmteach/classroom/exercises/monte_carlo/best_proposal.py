"""The best proposal."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _best_proposal(x, a, b, s):
    precision = 1 + a**2 / s**2
    return a * (x - b) / s**2 / precision, math.sqrt(1 / precision)


@drawing
def _observations(draw):
    return [
        (draw(3), 2.0, 0.7, 0.6),
        (4 + draw(5), -1.5, 2.5, 0.4),
        (draw(2), 0.3, -1.2, 3.0),
        (draw(3), 1.2, 0.1, 2e-3),
        (draw(2), -1e-3, 0.4, 2e-3),  # of small units: the mean is far out
    ]


def _as_regression(x, a, b, s):
    gain = a / (a * a + s * s)  # Cov(z, x) / V(x)
    return gain * (x - b), math.sqrt(1 - gain * a)


def _by_autograd(x, a, b, s):
    z = torch.zeros_like(x, requires_grad=True)
    log_joint = -(((x - a * z - b) / s) ** 2) / 2 - z**2 / 2
    (slope,) = torch.autograd.grad(log_joint.sum(), z, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), z)
    return (slope / -curvature).detach(), (-1 / curvature[0]).sqrt()


best_proposal = Exercise(
    ask="Return mean and scale of the zero-variance proposal for p(x), for each x.",
    reference=_best_proposal,
    cases=_observations,
    misconceptions={
        "You return the variance. A scale is its root.": (
            lambda x, a, b, s: (a * (x - b) / (s**2 + a**2), s**2 / (s**2 + a**2))
        ),
        "This is p(x|z) alone, read as a density of z. The prior stands in the integral too: add the two exponents.": (
            lambda x, a, b, s: ((x - b) / a, s / abs(a))
        ),
        "This is the prior. It covers everything and fits nothing: x must enter.": (lambda x, a, b, s: (0 * x, 1.0)),
        "You forgot b: what speaks about z is x - b.": (
            lambda x, a, b, s: (a * x / (s**2 + a**2), s / math.sqrt(s**2 + a**2))
        ),
        "The coefficient of z squared has a squared in it: the mean of x is a z + b.": (
            lambda x, a, b, s: (a * (x - b) / (s**2 + abs(a)), s / math.sqrt(s**2 + abs(a)))
        ),
        "You used s as a variance. It is a scale: divide by its square.": (
            lambda x, a, b, s: (a * (x - b) / (s + a**2), math.sqrt(s / (s + a**2)))
        ),
        "Your scale is the root of the precision. The variance is one over the precision.": (
            lambda x, a, b, s: (a * (x - b) / (s**2 + a**2), math.sqrt(1 + a**2 / s**2))
        ),
        "The mean lacks its factor a: match the terms that are linear in z.": (
            lambda x, a, b, s: ((x - b) / (s**2 + a**2), s / math.sqrt(s**2 + a**2))
        ),
        "This is a distribution of x, its marginal. The proposal is a distribution of z.": (
            lambda x, a, b, s: (b + 0 * x, math.sqrt(a**2 + s**2))
        ),
    },
    also_right=[_as_regression, _by_autograd],
)
