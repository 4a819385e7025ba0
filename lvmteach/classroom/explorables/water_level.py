"""beta as a water level: what is below it is given up, what is above it is described; the point on the curve."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.rate_distortion import beta_pca, water_filling

TITLE = "The price of a nat"
EIGENVALUES = np.array([5.0, 2.5, 1.2, 0.6, 0.3, 0.1])  # of the data's covariance
LEVELS = torch.linspace(-4, 2, 121, dtype=torch.float64).exp()  # of the curve
STILLS = ({"beta": 0.5}, {"beta": 6.0})


class Values(NamedTuple):
    beta: float = 2.0
    noise: float = 0.5  # sigma^2


class Result(NamedTuple):
    level: float  # beta sigma^2
    scale: Tensor  # (D,), lengths of W's columns
    used: int
    rate: Tensor  # nats
    distortion: Tensor  # squared error
    rates: Tensor  # of the curve
    errors: Tensor


def payload() -> dict[str, Any]:
    return {"eigenvalues": EIGENVALUES}


def compute(values: Values, data: dict[str, Any]) -> Result:
    eigenvalues = numbers(data["eigenvalues"])
    fit = beta_pca(eigenvalues, len(eigenvalues), values.beta, values.noise)
    curve = [water_filling(eigenvalues, float(level)) for level in LEVELS]
    rates, errors = (torch.stack(part) for part in zip(*curve, strict=True))
    return Result(values.beta * values.noise, fit.scale, int((fit.scale > 0).sum()), *fit.point, rates, errors)


def words(result: Result, values: Values) -> str:
    return (
        f"β = {values.beta:.1f}: water at {result.level:.3f}, {result.used} of {len(result.scale)} directions "
        f"described, rate {result.rate:.2f} nats, squared error {result.distortion:.3f}"
    )
