"""A log-linear model of four blocks: sixteen probabilities that five weights move, and the gradient seen - expected."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.loglinear import LogLinear, binary_outcomes, log_marginal, pair_features

TITLE = "Turn a weight"
SEEN = [0.6, 0.5, 0.3, 0.4, 0.45]  # means of x1, x2, x3, x4 and x1 x2 in some data
SIGNS = ("x₁", "x₂", "x₃", "x₄", "x₁x₂")
RATE = 2.0  # of a gradient step
STILLS = ({"first": 0.5, "pair": 0.5},)


class Values(NamedTuple):
    """The weights."""

    first: float = 0.0
    second: float = 0.0
    third: float = 0.0
    fourth: float = 0.0
    pair: float = 0.0


class Result(NamedTuple):
    p: Tensor  # (16,)
    expected: Tensor  # (5,), means of the features under p
    slope: Tensor  # (5,), seen - expected: the gradient
    log_lik: Tensor  # nats a datum
    best: Tensor  # the greatest log_lik
    below: Tensor


def payload() -> dict[str, Any]:
    return {"seen": SEEN}


def features() -> Tensor:
    """Of all outcomes, (16, 5)."""
    return pair_features(binary_outcomes(4))[:, :5]


def shares(seen: Tensor) -> Tensor:
    """Data with these means, as a distribution over the outcomes (16,): the pair of blocks, and two coins."""
    a, b, c, d, both = seen
    pair = torch.stack([1 - a - b + both, b - both, a - both, both])
    coins = (torch.stack([1 - one, one]) for one in (c, d))
    return torch.einsum("i,j,k->ijk", pair, *coins).flatten()


def compute(values: Values, data: dict[str, Any]) -> Result:
    seen, params = numbers(data["seen"]), LogLinear(torch.zeros(1).double(), numbers(values)[None])
    log_p, of_data = log_marginal(params, features()), shares(seen)
    expected = log_p.exp() @ features()
    best = -torch.special.entr(of_data).sum()
    log_lik = of_data @ log_p
    return Result(log_p.exp(), expected, seen - expected, log_lik, best, best - log_lik)


def words(result: Result, values: Values) -> str:
    shown = (0 if abs(slope) < 0.005 else slope for slope in result.slope.tolist())
    slopes = ", ".join(f"{sign} {slope:.2f}" for sign, slope in zip(SIGNS, shown, strict=True))
    return (
        f"log-likelihood {result.log_lik:.3f} nats a datum, {result.below:.3f} below the best; "
        f"seen minus expected: {slopes}"
    )


def _step(values: Values, data: dict[str, Any]) -> dict[str, float]:
    w = numbers(values) + RATE * compute(values, data).slope
    return dict(zip(Values._fields, w.tolist(), strict=True))


def _zero(values: Values, data: dict[str, Any]) -> dict[str, float]:
    return dict.fromkeys(Values._fields, 0.0)


ACTIONS = {"Gradient step": _step, "All zero": _zero}
