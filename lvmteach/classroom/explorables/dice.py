"""Two dice under a table: what the rolls say about the one in use, and how the belief in sticky states changes it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lvmteach import hmm
from lvmteach.hmm import HMM, Categorical
from lvmteach.runtime import seeded

TITLE = "Sticky states"
STILLS = ({"stay": 0.5}, {"seen": 40})
ROLLS = 120


class Values(NamedTuple):
    stay: float = 0.93
    six: float = 0.5
    seen: int = 120


class Result(NamedTuple):
    state: Tensor  # (T,), p(loaded | all rolls seen), NaN behind them
    filter: Tensor  # (T,), p(loaded | rolls up to then)
    log_p: Tensor  # of the rolls seen, nats
    wrong: int  # rolls at which the more probable die is not the one that was used


def payload() -> dict[str, Any]:
    """The rolls of notebook 11, 0 to 5, and the die behind each, 1 for the loaded one."""
    truth = dice(torch.tensor([[0.95, 0.05], [0.10, 0.90]]), 0.5)
    with seeded(4):
        x, z = hmm.sample(truth, 1, ROLLS)
    return {"x": x[0].numpy().astype(np.uint8), "z": z[0].numpy().astype(np.uint8)}


def dice(transition: Tensor, six: float) -> HMM:
    """A fair die and a loaded one."""
    emission = torch.full((2, 6), 1 / 6, dtype=transition.dtype)
    emission[1] = (1 - six) / 5
    emission[1, 5] = six
    return HMM(torch.full((2,), 0.5), transition, Categorical(emission))


def compute(values: Values, data: dict[str, Any]) -> Result:
    stay = values.stay
    model = dice(torch.tensor([[stay, 1 - stay], [1 - stay, stay]], dtype=torch.float64), values.six)
    x = torch.tensor(np.asarray(data["x"])[None, : values.seen].astype(int))
    found = hmm.posterior(x, model)
    state, filtered = torch.full((2, ROLLS), torch.nan, dtype=torch.float64)
    state[: values.seen] = found.state[0, :, 1]
    # All prefixes as one batch: the smoother's last step is the filter.
    prefixes = hmm.Sequences(x.expand(values.seen, -1), torch.arange(1, values.seen + 1))
    filtered[: values.seen] = hmm.posterior(prefixes, model).state.diagonal(dim1=0, dim2=1)[1]
    wrong = ((state > 0.5).numpy() != (np.asarray(data["z"]) == 1))[: values.seen]
    return Result(state, filtered, found.log_lik[0], int(wrong.sum()))


def words(result: Result, values: Values) -> str:
    return (
        f"p(stay) = {values.stay:.2f}: log p(x) = {result.log_p:.2f} nats, {result.log_p / values.seen:.3f} a roll; "
        f"wrong about the die at {result.wrong / values.seen:.0%} of the rolls"
    )
