"""Gumbel-softmax draws on the triangle of three classes, and what the temperature does to a gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

TITLE = "Soft draws on a triangle"
DRAWS, C = 400, 3
LEAST = 0.02  # probability of a class
TAUS = torch.linspace(math.log(0.05), math.log(5), 31, dtype=torch.float64).exp()  # of the curves
STILLS = ({"tau": 0.1}, {"tau": 2.0})


class Values(NamedTuple):
    tau: float = 0.5
    place: tuple[float, float] = (0.45, 0.26)  # in the triangle with corners (0, 0), (1, 0), (1/2, sqrt(3)/2)
    seed: int = 2


class Result(NamedTuple):
    pi: Tensor  # (C,)
    y: Tensor  # (DRAWS, C), soft draws
    drawn: Tensor  # (DRAWS,), their largest entries: exact draws from pi
    shares: Tensor  # (C,), of these
    mean: Tensor  # (C,), of the soft draws
    gradient: Tensor  # mean over the draws of d y_1 / d logit_1
    spread: Tensor  # standard deviation of one draw's
    truth: Tensor  # of a hard draw's expectation: pi_1 (1 - pi_1)
    gradients: Tensor  # over TAUS
    spreads: Tensor


def payload() -> dict[str, Any]:
    return {}


def compute(values: Values, data: dict[str, Any]) -> Result:
    pi = _probabilities(values.place)
    u = torch.from_numpy(np.random.RandomState(values.seed).random_sample((DRAWS, C)))
    noise = -(-u.log()).log()
    y, gradient = _soft(pi, noise, torch.tensor([values.tau], dtype=torch.float64))
    _, along = _soft(pi, noise, TAUS)
    drawn = (pi.log() + noise).argmax(1)
    truth = torch.func.grad(lambda logits: logits.softmax(0)[0])(pi.log())
    return Result(
        pi, y[0], drawn, torch.bincount(drawn, minlength=C).double() / DRAWS, y[0].mean(0),
        gradient.mean(), gradient.std(correction=0), truth[0], along.mean(1), along.std(1, correction=0),
    )  # fmt: skip


def words(result: Result, values: Values) -> str:
    def three(ps: Tensor) -> str:
        return "(" + ", ".join(f"{p:.2f}" for p in ps.tolist()) + ")"

    return (
        f"τ = {values.tau:.2g}: π = {three(result.pi)}, shares of the largest entries {three(result.shares)}, mean of "
        f"the soft draws {three(result.mean)}; gradient {result.gradient:.3f} ± {result.spread:.3f} a draw, "
        f"truth {result.truth:.3f}"
    )


def _probabilities(place: Sequence[float]) -> Tensor:
    """pi of a place in the triangle; from outside, of one near it."""
    corners = torch.tensor([[0, 1, 0.5], [0, 0, math.sqrt(3) / 2], [1, 1, 1]], dtype=torch.float64)
    raw = torch.linalg.solve(corners, torch.tensor([*place, 1.0], dtype=torch.float64)).clamp(min=LEAST)
    return raw / raw.sum()


def _soft(pi: Tensor, noise: Tensor, taus: Tensor) -> tuple[Tensor, Tensor]:
    """Soft draws (T, DRAWS, C) at each temperature, and each draw's d y_1 / d logit_1 (T, DRAWS), by autograd."""
    logits = pi.log().expand(len(taus), DRAWS, C).clone().requires_grad_()  # a copy for each draw
    with torch.enable_grad():
        y = ((logits + noise) / taus[:, None, None]).softmax(-1)
        (slope,) = torch.autograd.grad(y[..., 0].sum(), logits)
    return y.detach(), slope[..., 0]


def _new(values: Values, data: dict[str, Any]) -> dict[str, int]:
    return {"seed": values.seed + 1}


ACTIONS = {"New draws": _new}
