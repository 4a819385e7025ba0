"""The best shift of a proposal."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import Close
from lvmteach.classroom.exercises.engine import Exercise

HALVINGS = 50


def _hazard(x):
    """phi(x) / P(Z > x)."""
    return torch.exp(-0.5 * x**2 - 0.5 * math.log(2 * math.pi) - torch.special.log_ndtr(-x))


def _best_shift(c):
    low, high = torch.zeros_like(c), c.abs() + 2
    for _ in range(HALVINGS):
        a = (low + high) / 2
        rising = 2 * a > _hazard(c + a)  # the slope of a^2 + log P(Z > c + a)
        low, high = torch.where(rising, low, a), torch.where(rising, a, high)
    return (low + high) / 2


@drawing
def _thresholds(draw):
    return [
        (torch.tensor([4.0], dtype=torch.float64),),
        (3 + draw(3),),
        (draw(5),),
        (8 + draw(2, 3),),
        (25 + draw(2),),
        (torch.tensor([-3.0, 30.0], dtype=torch.float64),),  # the ends of the range
    ]


def _by_fixed_point(c):
    a = c.clamp(min=0)
    for _ in range(40):
        a = _hazard(c + a) / 2  # the hazard's slope is below 1, so each round halves the distance
    return a


def _by_newton(c):
    a = c.abs() + 1
    for _ in range(12):
        hazard = _hazard(c + a)
        a = a - (2 * a - hazard) / (2 - hazard * (hazard - c - a))
    return a


def _by_autograd(c):
    a = c.abs().clone().requires_grad_()
    log_moment = torch.optim.LBFGS(
        [a], max_iter=300, tolerance_grad=1e-13, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def loss():
        log_moment.zero_grad()
        value = (a**2 + torch.special.log_ndtr(-c - a)).sum()
        value.backward()
        return value

    log_moment.step(loss)
    return a.detach()


def _bisect(slope, c):
    low, high = -c.abs() - 6, c.abs() + 6
    for _ in range(HALVINGS):
        a = (low + high) / 2
        low, high = torch.where(slope(a) > 0, low, a), torch.where(slope(a) > 0, a, high)
    return a


best_shift = Exercise(
    ask="Return the shift of the proposal that makes the variance of one draw smallest, for each threshold.",
    reference=_best_shift,
    cases=_thresholds,
    misconceptions={
        "You put the proposal on the edge of the event. That is good, and not best: draws just below c are lost.": (
            lambda c: c + 0
        ),
        "This is the mean of the best proposal q*. It makes KL(q* || q) smallest, not the variance.": _hazard,
        "P(Z > c + a) depends on a too: differentiate it.": lambda c: torch.zeros_like(c),
        "The derivative of log P(Z > c + a) is minus phi(c + a) / P(Z > c + a): you have lost the minus.": (
            lambda c: _bisect(lambda a: 2 * a + _hazard(c + a), c)
        ),
        "The tail is P(Z > c + a): the second moment moves the Gaussian by -a. You have P(Z > c - a).": (
            lambda c: _bisect(lambda a: 2 * a - _hazard(c - a), c)
        ),
        "You divided by the probability of what lies below the threshold. The event lies above it.": (
            lambda c: _bisect(lambda a: 2 * a - _hazard(-c - a), c)  # phi is even
        ),
        "The tail is P(Z > c + a). You left a out of it.": lambda c: _hazard(c) / 2,
        "You solved it on a grid of tenths. Solve the equation, to six digits.": lambda c: (
            (10 * _best_shift(c)).round() / 10
        ),
        "You solved it on a grid of hundredths. Solve the equation, to six digits.": lambda c: (
            (100 * _best_shift(c)).round() / 100
        ),
        "c + 1 / (2 c) is what the best shift tends to far out. Solve the equation itself: c may be anywhere.": (
            lambda c: c + 1 / (2 * c)
        ),
        "phi(x) / P(Z > x) is only near x for large x: with that you get a = c. Use the ratio itself.": (
            lambda c: c.clamp(min=0)
        ),
    },
    also_right=[_by_fixed_point, _by_newton, _by_autograd],
    compare=Close(rtol=1e-6),  # six digits, as the sheet says
)
