"""One datum walks away: the axis of a Gaussian follows it, Student's t lets it go."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal, StudentT

from lvmteach.classroom.explorables.kit import numbers

TITLE = "An outlier, and two opinions of it"
NOISE = 0.4
ANGLES = (torch.arange(1801, dtype=torch.float64) - 900) * math.pi / 1800  # a tenth of a degree apart
STILLS = ({"outlier": (1.0, 4.0)}, {"outlier": (1.0, 7.0), "df": 30})


class Values(NamedTuple):
    outlier: tuple[float, float] = (1.0, 7.0)
    df: int = 2


class Result(NamedTuple):
    gaussian: Tensor  # angle of the axis, radians
    student: Tensor
    pull: Tensor  # d log p / d mu of the outlier, under Student's t
    most: float  # the greatest pull that any datum can have


def payload() -> dict[str, Any]:
    stream = np.random.RandomState(4)
    along, across = 1.8 * stream.standard_normal(14), NOISE * stream.standard_normal(14)
    return {"cloud": np.stack([along, across], 1).round(3)}


def compute(values: Values, data: dict[str, Any]) -> Result:
    points = torch.cat([numbers(data["cloud"]).reshape(-1, 2), numbers(values.outlier)[None]])
    df = torch.tensor(float(values.df), dtype=torch.float64)
    scale = torch.tensor(NOISE, dtype=torch.float64)
    gaussian = best(points, Normal(torch.zeros_like(scale), scale).log_prob)
    student = best(points, StudentT(df, torch.zeros_like(scale), scale).log_prob)
    with torch.enable_grad():
        mu = torch.zeros((), dtype=torch.float64, requires_grad=True)
        residual = across(points[-1:], student[None])[0, 0]
        (pull,) = torch.autograd.grad(StudentT(df, mu, scale).log_prob(residual), mu)
    return Result(gaussian, student, pull, (values.df + 1) / (2 * math.sqrt(values.df) * NOISE))


def best(points: Tensor, log_prob: Callable[[Tensor], Tensor]) -> Tensor:
    """The angle of the likeliest line through the origin."""
    return ANGLES[log_prob(across(points, ANGLES)).sum(0).argmax()]


def across(points: Tensor, angles: Tensor) -> Tensor:
    """Signed distance of each point from the line at each angle, (N, A)."""
    return points @ torch.stack([-angles.sin(), angles.cos()])


def words(result: Result, values: Values) -> str:
    at, other = (math.degrees(angle) for angle in (result.gaussian, result.student))
    return (
        f"the Gaussian's axis lies at {at:.1f} degrees, Student's (ν = {values.df}) at {other:.1f}; "
        f"the outlier pulls with {result.pull.abs():.2f} of at most {result.most:.2f}"
    )
