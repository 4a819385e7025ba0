"""Proposals that break."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _log_second_moment(delta, s_p, s_q):
    room = 2 * s_q**2 - s_p**2
    safe = torch.where(room > 0, room, 1.0)
    log_moment = 2 * s_q.log() - s_p.log() - safe.log() / 2 + delta**2 / safe
    return torch.where(room > 0, log_moment, math.inf).sum(-1)


@drawing
def _gaussians(draw):
    cases = []
    for C, D in ((3, 1), (5, 2), (7, 4)):
        s_p = (draw(C, D) / 2).exp()
        s_q = s_p * (0.8 + draw(C, D).abs())  # 0.8 > sqrt(1/2): finite
        if D > 1:
            s_q[-1, 0] = s_p[-1, 0] / 2  # this one breaks
        unit = 1e-6 if D == 2 else 1
        cases.append((unit * draw(C, D) * s_p, unit * s_p, unit * s_q))
    delta, s_p, s_q = cases[-1]
    twice = tuple(part[:, :2].clone() for part in cases[-1])
    twice[2][1] = twice[1][1] / 2  # two coordinates break
    twice[0][1, 0] = 0  # one of them though its means agree
    delta[0, 0] = 60 * s_q[0, 0]  # a factor leaves the range of floating point
    wide = draw(2, 400).exp()  # and here their product does
    return [*cases, twice, (0.1 * wide, wide, 10 * wide)]


def _by_completing_the_square(delta, s_p, s_q):
    """log of the integral of exp(-A z^2 + B z - C), coordinate by coordinate."""
    total = []
    for row in zip(delta.tolist(), s_p.tolist(), s_q.tolist(), strict=True):
        total.append(0.0)
        for d, p, q in zip(*row, strict=True):
            A, B, C = 1 / p**2 - 1 / (2 * q**2), -d / q**2, -(d**2) / (2 * q**2)
            constant = q / (p**2 * math.sqrt(2 * math.pi))
            total[-1] += math.log(constant * math.sqrt(math.pi / A)) + B**2 / (4 * A) - C if A > 0 else math.inf
    return torch.tensor(total, dtype=torch.float64)


def _factor_by_factor(delta, s_p, s_q):
    room = torch.clamp(2 * s_q.square() - s_p.square(), min=0.0)
    factors = s_q.square() / (s_p * room.sqrt())
    return (factors.log() + torch.where(room > 0, delta.square() / room, 0.0)).sum(-1)


def _second_moment_with(change):
    """A misconception: the right formula for each coordinate, changed."""

    def wrong(delta, s_p, s_q):
        room = 2 * s_q**2 - s_p**2
        safe = torch.where(room > 0, room, 1.0)
        return torch.where(room > 0, change(delta, s_p, s_q, safe), math.inf).sum(-1)

    return wrong


log_second_moment = Exercise(
    ask="Return the logarithm of the weights' second moment, for a Gaussian target and a Gaussian proposal.",
    reference=_log_second_moment,
    cases=_gaussians,
    misconceptions={
        "Your formula takes the root of a negative number. There the integral diverges: return math.inf, by "
        "torch.where.": lambda delta, s_p, s_q: (
            2 * s_q.log() - s_p.log() - (2 * s_q**2 - s_p**2).log() / 2 + delta**2 / (2 * s_q**2 - s_p**2)
        ).sum(-1),
        "The distance between the means does not enter. It does so through the exponent.": _second_moment_with(
            lambda delta, s_p, s_q, room: 2 * s_q.log() - s_p.log() - room.log() / 2
        ),
        "Half the distance term is missing. Completing the square gives a second part, besides the one from 1/q at "
        "z = 0.": _second_moment_with(
            lambda delta, s_p, s_q, room: 2 * s_q.log() - s_p.log() - room.log() / 2 + delta**2 / (2 * room)
        ),
        "Right for s_p = 1. The target has a scale of its own, in the constant too.": _second_moment_with(
            lambda delta, s_p, s_q, room: 2 * s_q.log() - room.log() / 2 + delta**2 / room
        ),
        "The root is missing: a Gaussian integral in one dimension is a root.": _second_moment_with(
            lambda delta, s_p, s_q, room: 2 * s_q.log() - s_p.log() - room.log() + delta**2 / room
        ),
        "This is the second moment itself; it overflows in many dimensions. Return its logarithm.": (
            lambda delta, s_p, s_q: _log_second_moment(delta, s_p, s_q).exp()
        ),
        "You averaged over the coordinates. Moments of independent coordinates multiply, so their logarithms add.": (
            lambda delta, s_p, s_q: _log_second_moment(delta, s_p, s_q) / delta.shape[-1]
        ),
        "One value for each proposal: sum over the coordinates, the last axis.": (
            lambda delta, s_p, s_q: _second_moment_with(lambda *given: _log_moment(*given))(
                delta[..., None], s_p[..., None], s_q[..., None]
            )
        ),
        "You have p and q the other way round: this is the moment of q/p under p.": (
            lambda delta, s_p, s_q: _log_second_moment(delta, s_q, s_p)
        ),
        "You multiplied the factors of all coordinates: of hundreds the product leaves the range of floating point. "
        "Add their logarithms.": lambda delta, s_p, s_q: (
            _second_moment_with(lambda *given: _log_moment(*given).exp())(
                delta[..., None], s_p[..., None], s_q[..., None]
            )
            .prod(-1)
            .log()
        ),
        "This is the variance. The second moment is larger by the square of the mean weight, which is one.": (
            lambda delta, s_p, s_q: _log_second_moment(delta, s_p, s_q).expm1().log()
        ),
    },
    also_right=[_by_completing_the_square, _factor_by_factor],
)


def _log_moment(delta, s_p, s_q, room):
    return 2 * s_q.log() - s_p.log() - room.log() / 2 + delta**2 / room
