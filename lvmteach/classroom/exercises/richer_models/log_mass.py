"""A mass for a count."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import logsigmoid

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _log_mass(x, m, s, n):
    upper = torch.where(x >= n, 1.0, torch.sigmoid((x + 0.5 - m) / s))
    lower = torch.where(x <= 0, 0.0, torch.sigmoid((x - 0.5 - m) / s))
    return torch.log(upper - lower)


@drawing
def _counts(draw):
    cases = []
    for shape, n in (((4,), 3), ((2, 5), 16), ((3, 3), 7), ((6,), 255)):
        x = (torch.special.ndtr(draw(*shape)) * (n + 1)).floor().clamp(max=n)
        x.flatten()[0], x.flatten()[1], x.flatten()[-1] = 0.0, n - 1.0, float(n)  # both edges, and one beside
        cases.append((x, n * torch.special.ndtr(draw(*shape)), n / 5 * (0.3 * draw(*shape)).exp(), n))
    low = torch.tensor([2.0, 5.0, 4.0, 7.0, 3.0], dtype=torch.float64)
    below = torch.tensor([20.5, 30.0, 80.0, 300.0, 502.0], dtype=torch.float64)  # a floor or an epsilon shows
    scale = torch.tensor([1.1, 0.9, 1.2, 0.8, 0.001], dtype=torch.float64)
    return [*cases, (low, low + below * scale, scale, 16)]


def _in_logs(x, m, s, n):
    above, below = (x + 0.5 - m) / s, (x - 0.5 - m) / s
    inner = logsigmoid(above) + logsigmoid(-below) + torch.log(-torch.expm1(-1 / s))
    return torch.where(x == 0, logsigmoid(above), torch.where(x == n, logsigmoid(-below), inner))


def _by_edges(x, m, s, n):
    inf = torch.tensor(torch.inf, dtype=x.dtype)
    high, low = torch.where(x < n, x + 0.5, inf), torch.where(x > 0, x - 0.5, -inf)
    above, below = (1 / (1 + ((m - v) / s).exp()) for v in (high, low))
    return (above - below).log()


def _inner(x, m, s, n):
    return torch.sigmoid((x + 0.5 - m) / s) - torch.sigmoid((x - 0.5 - m) / s)


log_mass = Exercise(
    ask="Return the log of the discretised logistic's mass at counts x in 0..n, location m and scale s.",
    reference=_log_mass,
    cases=_counts,
    misconceptions={
        "The edges are missing: bin 0 reaches down to minus infinity, bin n up to infinity, or the masses sum to less "
        "than one.": lambda x, m, s, n: _inner(x, m, s, n).log(),
        "This is the density at x. A mass is the density's integral over the bin, from x - 1/2 to x + 1/2.": (
            lambda x, m, s, n: -(x - m) / s - s.log() - 2 * torch.nn.functional.softplus(-(x - m) / s)
        ),
        "The lower edge is missing: bin 0 reaches down to minus infinity.": (
            lambda x, m, s, n: torch.log(torch.where(x >= n, 1 - torch.sigmoid((x - 0.5 - m) / s), _inner(x, m, s, n)))
        ),
        "The upper edge is missing: bin n reaches up to infinity.": (
            lambda x, m, s, n: torch.log(torch.where(x <= 0, torch.sigmoid((x + 0.5 - m) / s), _inner(x, m, s, n)))
        ),
        "The bin of x is from x - 1/2 to x + 1/2. Yours begins at x.": lambda x, m, s, n: torch.log(
            torch.where(x >= n, 1.0, torch.sigmoid((x + 1 - m) / s))
            - torch.where(x <= 0, 0.0, torch.sigmoid((x - m) / s))
        ),
        "The bin is two wide: half a step to either side is enough.": lambda x, m, s, n: torch.log(
            torch.where(x >= n, 1.0, torch.sigmoid((x + 1 - m) / s))
            - torch.where(x <= 0, 0.0, torch.sigmoid((x - 1 - m) / s))
        ),
        "You multiplied by s. A wide scale flattens: divide.": lambda x, m, s, n: torch.log(
            torch.where(x >= n, 1.0, torch.sigmoid((x + 0.5 - m) * s))
            - torch.where(x <= 0, 0.0, torch.sigmoid((x - 0.5 - m) * s))
        ),
        "s is the scale itself here, not its logarithm.": lambda x, m, s, n: _log_mass(x, m, s.exp(), n),
        "That is the normal's distribution function. The logistic's is the sigmoid.": lambda x, m, s, n: torch.log(
            torch.where(x >= n, 1.0, torch.special.ndtr((x + 0.5 - m) / s))
            - torch.where(x <= 0, 0.0, torch.special.ndtr((x - 0.5 - m) / s))
        ),
        "You cut the distribution off at its ends and renormalised. What lies beyond belongs to the first bin and "
        "to the last.": lambda x, m, s, n: torch.log(
            _inner(x, m, s, n) / (torch.sigmoid((n + 0.5 - m) / s) - torch.sigmoid((-0.5 - m) / s))
        ),
        "A floor under the mass makes all small masses alike. Far below the location they are tiny, and right: take "
        "the logarithm of the difference.": lambda x, m, s, n: _log_mass(x, m, s, n).clamp(min=math.log(1e-12)),
        "One number for each pixel: do not sum here.": lambda x, m, s, n: _log_mass(x, m, s, n).sum(-1),
    },
    also_right=[_in_logs, _by_edges],
)
