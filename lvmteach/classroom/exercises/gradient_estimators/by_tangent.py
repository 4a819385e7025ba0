"""A control variate."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _by_tangent(f, slope, mean, scale, eps):
    z = mean + scale * eps
    tangent = f(mean) + (z - mean) @ slope(mean)
    rest = (f(z) - tangent)[:, None] * eps / scale
    return rest.mean(0) + slope(mean)


def _bent(a, b):
    return lambda z: torch.sin(z @ a) + (z * b).square().sum(-1)


def _slope_of(a, b):
    return lambda z: torch.cos(z @ a)[..., None] * a + 2 * b.square() * z


@drawing
def _problems(draw):
    shapes = [(1, 1), (4, 1), (6, 3), (50, 2), (200, 5)]
    cases = []
    for K, D in shapes:
        a, b = draw(D) * (30 if K == 6 else 1), draw(D)  # a wave too short for a difference quotient
        cases.append((_bent(a, b), _slope_of(a, b), draw(D), draw(D).abs() + 0.3, draw(K, D)))
    f, slope, mean, _, eps = cases[2]
    return [*cases, (f, slope, mean, torch.tensor([1e-5, 0.3, 9.0]).to(mean), eps)]  # scales far apart


def _by_autograd(f, slope, mean, scale, eps):
    leaf, m0 = mean.clone().requires_grad_(), mean.detach()
    z = m0 + scale * eps
    log_q = torch.distributions.Normal(leaf, scale).log_prob(z).sum(-1)
    left = f(z) - f(m0) - (z - m0) @ slope(m0)
    return torch.autograd.grad((left * log_q).mean() + leaf @ slope(m0), leaf)[0]


def _by_loop(f, slope, mean, scale, eps):
    total = torch.zeros_like(mean)
    for one in eps:
        step = scale * one
        left = f(mean + step) - f(mean) - step @ slope(mean)
        total = total + left * step / scale**2
    return total / len(eps) + slope(mean)


by_tangent = Exercise(
    ask="Return the score-function estimate of the gradient for the mean, with f's tangent at the mean as control "
    "variate.",
    reference=_by_tangent,
    cases=_problems,
    misconceptions={
        "The tangent's own gradient is missing: what you took off has to come back in closed form, "
        "and the gradient of E[tangent] for the mean is f's slope there.": (
            lambda f, slope, mean, scale, eps: _by_tangent(f, slope, mean, scale, eps) - slope(mean)
        ),
        "You took off the constant f(mean) alone, which is a baseline. The control variate is the whole tangent.": (
            lambda f, slope, mean, scale, eps: (
                (f(mean + scale * eps) - f(mean))[:, None] * eps / scale
            ).mean(0)
        ),
        "This is the plain score function: nothing was taken off.": lambda f, slope, mean, scale, eps: (
            f(mean + scale * eps)[:, None] * eps / scale
        ).mean(0),
        "The slope came back twice: once is the gradient of E[tangent].": (
            lambda f, slope, mean, scale, eps: _by_tangent(f, slope, mean, scale, eps) + slope(mean)
        ),
        "You divided by the variance where the noise is eps. The score for the mean is (z - mean) / scale², which is "
        "eps / scale.": lambda f, slope, mean, scale, eps: (
            (_by_tangent(f, slope, mean, scale, eps) - slope(mean)) / scale + slope(mean)
        ),
        "Your tangent touches f at each draw, not at the mean: then its expectation has no closed form.": (
            lambda f, slope, mean, scale, eps: (
                ((f(mean + scale * eps) - f(mean) - (scale * eps * slope(mean + scale * eps)).sum(-1))[:, None]
                 * eps / scale).mean(0) + slope(mean)
            )
        ),
        "This is the reparameterised estimate. It is right, and another one: use the slope at the mean alone.": (
            lambda f, slope, mean, scale, eps: slope(mean + scale * eps).mean(0)
        ),
        "The sampled part has the wrong sign: it is f minus tangent, times the score (z - mean) / scale².": (
            lambda f, slope, mean, scale, eps: 2 * slope(mean) - _by_tangent(f, slope, mean, scale, eps)
        ),
    },
    also_right=[_by_autograd, _by_loop],
)  # fmt: skip
