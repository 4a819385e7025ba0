"""Erase pixels and restore them by turns: z from q(z|x), then the missing pixels from p(x|z). Pseudo-Gibbs sampling."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lvmteach.classroom.explorables import drawing
from lvmteach.classroom.explorables.kit import numbers
from lvmteach.classroom.explorables.nets import decoded

TITLE = "Erase, and restore by turns"
HALF, LOWER, SQUARE = "half of the pixels", "the lower half", "a square in the middle"
STILLS = ({"turns": 10}, {"turns": 10, "erased": LOWER})


class Values(NamedTuple):
    example: int = 0
    erased: str = HALF
    turns: int = 0
    seed: int = 1  # of the draws


class Result(NamedTuple):
    x: Tensor  # (D,), the whole image
    missing: Tensor  # (D,), 1 where a pixel is erased
    filled: Tensor  # (D,), zeros and ones, as the last turn drew it
    p: Tensor  # (D,), p(x = 1 | z) of the last turn where a pixel is erased
    wrong: Tensor  # share of the erased pixels whose likelier value is not the true one


def payload() -> dict[str, Any]:
    everything = drawing.payload()
    return {name: part for name, part in everything.items() if name != "order"}


def holes(shape: list[int], erased: str) -> Tensor:
    """Which pixels are missing, (D,)."""
    row, col = np.indices(shape)
    if erased == HALF:
        gone = np.random.RandomState(7).random_sample(shape) < 0.5
    elif erased == LOWER:
        gone = row >= shape[0] / 2
    else:
        gone = (np.abs(row + 0.25 - shape[0] / 2) <= shape[0] / 4) & (np.abs(col + 0.25 - shape[1] / 2) <= shape[1] / 4)
    return torch.from_numpy(gone.ravel())


def compute(values: Values, data: dict[str, Any]) -> Result:
    x = numbers(data["images"]).reshape(-1, data["sizes"][-1])[values.example]
    missing, stream = holes(data["shape"], values.erased), np.random.RandomState(values.seed)
    filled = p = x.masked_fill(missing, 0.0)
    for _ in range(values.turns):
        mu, log_scale = decoded(data, filled, "encoder_").chunk(2)
        z = mu + log_scale.exp() * torch.from_numpy(stream.standard_normal(len(mu)))
        mean = decoded(data, z).sigmoid()
        filled = torch.where(missing, (torch.from_numpy(stream.random_sample(len(x))) < mean).double(), x)
        p = torch.where(missing, mean, x)
    wrong = ((p > 0.5) != (x > 0.5))[missing].double().mean()
    return Result(x, missing.double(), filled, p, wrong)


def words(result: Result, values: Values) -> str:
    many = "" if values.turns == 1 else "s"
    return (
        f"{result.missing.sum():.0f} pixels erased; after {values.turns} turn{many} the likelier value is wrong in "
        f"{result.wrong:.1%} of them"
    )


ACTIONS = {"Other draws": lambda values, data: {"seed": values.seed % 1000 + 1}}
