"""Straight through, on a cubic."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _cubic_bias(phi, c):
    theta = torch.sigmoid(phi)
    at_0, at_1 = c[1], c[1] + 2 * c[2] + 3 * c[3]
    return theta * (1 - theta) * (theta * at_1 + (1 - theta) * at_0 - (c[1] + c[2] + c[3]))


@drawing
def _coins_and_cubics(draw):
    cases = [(draw(), draw(4)) for _ in range(6)] + [(3 * draw(), 10 * draw(4))]
    phi, c = 1.2 + draw().abs(), 100 * draw(4)
    theta = torch.sigmoid(phi)
    c[2] = -(1 + 1e-4) * c[3] * (3 * theta - 1) / (2 * theta - 1)  # nearly no bias: single precision shows
    sure = [(torch.tensor(far, dtype=torch.float64), draw(4)) for far in (-800.0, 800.0)]  # exp is out of range
    return [*cases, (phi, c), (draw() - 17, 10 * draw(4)), *sure]  # coins that are all but sure


def _wrong(change):
    """A misconception: `change` makes the bias from theta, f'(0), f'(1), f(1) - f(0) and the coefficients."""

    def wrong(phi, c):
        return change(torch.sigmoid(phi), c[1], c[1] + 2 * c[2] + 3 * c[3], c[1] + c[2] + c[3], c)

    return wrong


def _by_autograd(phi, c):
    def f(z):
        return c[0] + c[1] * z + c[2] * z**2 + c[3] * z**3

    leaf = phi.clone().requires_grad_()
    theta = torch.sigmoid(leaf)
    truth = torch.autograd.grad(theta * f(1) + (1 - theta) * f(0), leaf, retain_graph=True)[0]
    through = 0.0
    for value, chance in ((0.0, 1 - theta.detach()), (1.0, theta.detach())):
        z = value + (theta - theta.detach())
        through = through + chance * torch.autograd.grad(f(z), leaf, retain_graph=True)[0]
    return through - truth


def _worked_out(phi, c):
    theta = 1 / (1 + torch.exp(-phi))
    return theta * (1 - theta) * (c[2] * (2 * theta - 1) + c[3] * (3 * theta - 1))


cubic_bias = Exercise(
    ask="Return the bias of the straight-through gradient for phi, on a cubic f and one binary z, in closed form.",
    reference=_cubic_bias,
    cases=_coins_and_cubics,
    misconceptions={
        "The factor theta (1 - theta) is missing: it is the slope of theta in phi, and both gradients have it.": _wrong(
            lambda theta, at_0, at_1, change, c: theta * at_1 + (1 - theta) * at_0 - change
        ),
        "The factor theta (1 - theta) is missing in the true gradient: it is the slope of theta in phi.": _wrong(
            lambda theta, at_0, at_1, change, c: theta * (1 - theta) * (theta * at_1 + (1 - theta) * at_0) - change
        ),
        "The factor theta (1 - theta) is missing in the estimate: straight through, the slope of theta in phi stays.": (
            _wrong(
                lambda theta, at_0, at_1, change, c: theta * at_1 + (1 - theta) * at_0 - theta * (1 - theta) * change
            )
        ),
        "You gave the two corners equal weight. That is the limit of straight-through Gumbel-softmax; here z is 1 "
        "with probability theta.": _wrong(
            lambda theta, at_0, at_1, change, c: theta * (1 - theta) * ((at_0 + at_1) / 2 - change)
        ),
        "You took f'(theta) for the truth. The mean of f is theta f(1) + (1 - theta) f(0), not f(theta).": _wrong(
            lambda theta, at_0, at_1, change, c: (
                theta * (1 - theta)
                * (theta * at_1 + (1 - theta) * at_0 - (c[1] + 2 * c[2] * theta + 3 * c[3] * theta**2))
            )
        ),
        "The slope was taken at z = theta. The draw is hard: f' is read at 0 or at 1.": _wrong(
            lambda theta, at_0, at_1, change, c: (
                theta * (1 - theta) * (c[1] + 2 * c[2] * theta + 3 * c[3] * theta**2 - change)
            )
        ),
        "This is the straight-through gradient. Its bias is what is left when the truth is taken off.": _wrong(
            lambda theta, at_0, at_1, change, c: theta * (1 - theta) * (theta * at_1 + (1 - theta) * at_0)
        ),
        "The truth lacks f(0): with probability 1 - theta the coin shows 0, and f is c[0] there.": _wrong(
            lambda theta, at_0, at_1, change, c: (
                theta * (1 - theta) * (theta * at_1 + (1 - theta) * at_0 - change - c[0])
            )
        ),
        "This is the true gradient, not the bias.": _wrong(
            lambda theta, at_0, at_1, change, c: theta * (1 - theta) * change
        ),
        "The sign: the bias is the estimate's mean minus the truth.": lambda phi, c: -_cubic_bias(phi, c),
        "The corners are exchanged: z falls on 1 with probability theta.": _wrong(
            lambda theta, at_0, at_1, change, c: theta * (1 - theta) * ((1 - theta) * at_1 + theta * at_0 - change)
        ),
        "The cubic term is missing: this is the bias of the square alone.": _wrong(
            lambda theta, at_0, at_1, change, c: theta * (1 - theta) * c[2] * (2 * theta - 1)
        ),
    },
    also_right=[_by_autograd, _worked_out],
)  # fmt: skip
