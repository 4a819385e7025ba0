"""Mean field by coordinate ascent: the mean of q walks to the centre of a correlated Gaussian at right angles."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lvmteach.variational import gaussian_kl

TITLE = "Coordinate ascent is a staircase"
MU = torch.tensor([1.0, -0.5], dtype=torch.float64)
MOST = 40  # updates


class Values(NamedTuple):
    start: tuple[float, float] = (-2.0, 2.0)
    rho: float = 0.9
    updates: int = 6


class Result(NamedTuple):
    path: Tensor  # means of q, (updates + 1, 2)
    variance: float  # of either factor
    means: Tensor  # the part of KL(q || p) that the mean makes, nats, (updates + 1,)
    family: float  # the part that stays


def payload() -> dict[str, Any]:
    return {}


def compute(values: Values, data: dict[str, Any]) -> Result:
    cov = torch.tensor([[1.0, values.rho], [values.rho, 1.0]], dtype=torch.float64)
    precision = torch.linalg.inv(cov)
    m = torch.tensor(values.start, dtype=torch.float64)
    path = [m]
    for k in range(values.updates):
        d = k % 2
        m = m.clone()
        m[d] -= precision[d] @ (m - MU) / precision[d, d]
        path.append(m)
    path, var = torch.stack(path), 1 / precision.diagonal()
    family = gaussian_kl(MU, var.diag(), MU, cov)
    means = torch.einsum("ti,ij,tj->t", path - MU, precision, path - MU) / 2
    return Result(path, float(var[0]), means, float(family))


def words(result: Result, values: Values) -> str:
    n = len(result.path) - 1
    return (
        f"after {n} update{'' if n == 1 else 's'}: variances {result.variance:.3f} in place of 1; "
        f"KL = {result.means[-1]:.3g} for the mean + {result.family:.3f} for the family, nats"
    )


def one_more(values: Values, data: dict[str, Any]) -> dict[str, Any]:
    return {"updates": min(values.updates + 1, MOST)}


ACTIONS = {"One more": one_more}
STILLS = ({"updates": 20},)
