"""A latent z slides along a heart; how much each z has to do with an observed x, and p(x), the sum over all of them.

z ~ N(0, 1); given z, x is normal around (10 sin^3 z, 10 cos z - 10 cos^4 z) with scales |sin z / 3z| and |sin z / z|.
p(x) is the midpoint rule over |z| < 4 pi: the integrand is smooth and vanishes at both ends. At x = (0, -20) p(x) is
infinite, and near it the rule says only how fine its steps are.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Normal

TITLE = "A latent variable along a heart"
POINTS = {"A": (3.7, 4.6), "B": (0.0, 2.0), "C": (0.0, -19.0)}
DRAWN = torch.linspace(-4, 4, 801, dtype=torch.float64)
STEP, TURNS = 0.004, 4 * math.pi
SUMMED = -TURNS + (torch.arange(int(2 * TURNS / STEP), dtype=torch.float64) + 0.5) * STEP


class Values(NamedTuple):
    z: float = 0.6
    x: tuple[float, float] = POINTS["A"]


class Result(NamedTuple):
    place: Tensor  # (2,), the mean of x given z
    spread: Tensor  # (2,), its scales
    log_joint: Tensor  # log p(x|z) + log p(z) at z
    curve: Tensor  # the same at DRAWN
    log_p_x: Tensor  # nats


def payload() -> dict[str, Any]:
    return {}


def decoder(z: Tensor) -> Normal:
    """x given z, two independent coordinates on the last axis."""
    sin, cos = z.sin(), z.cos()
    scale = torch.where(z == 0, 1.0, sin / z).abs()
    return Normal(torch.stack([10 * sin**3, 10 * cos - 10 * cos**4], -1), torch.stack([scale / 3, scale], -1))


def log_joint(x: Tensor, z: Tensor) -> Tensor:
    return decoder(z).log_prob(x).sum(-1) + Normal(0.0, 1.0).log_prob(z)


def compute(values: Values, data: dict[str, Any]) -> Result:
    z, x = (torch.tensor(one, dtype=torch.float64) for one in values)
    given_z = decoder(z)
    log_p_x = log_joint(x, SUMMED).logsumexp(0) + math.log(STEP)
    return Result(given_z.loc, given_z.scale, log_joint(x, z), log_joint(x, DRAWN), log_p_x)


def words(result: Result, values: Values) -> str:
    return (
        f"z = {values.z:.2f}: log p(x|z) p(z) = {result.log_joint:.2f}; "
        f"the integral over all z: log p(x) = {result.log_p_x:.2f} nats"
    )


def _to(name: str):
    return lambda values, data: {"x": list(POINTS[name])}


ACTIONS = {name: _to(name) for name in POINTS}
