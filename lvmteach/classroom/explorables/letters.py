"""Two states for the letters of a text: EM step by step, letters in the colours of their states."""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.classroom.explorables.records import record
from lvmteach.data.prose import ALPHABET, prose
from lvmteach.em import EMState, em_steps
from lvmteach.hmm import HMM, Categorical, e_step, m_step, random_start, sequences
from lvmteach.runtime import seeded

TITLE = "Letters find their vowels"
STILLS = ({"steps": 40},)
STATES, LETTERS, SHOWN, MOST, STARTS = 2, 27, 8, 40, 6


class Values(NamedTuple):
    seed: int = 2
    steps: int = 0


class Result(NamedTuple):
    share: Tensor  # (V,), of each letter in the first state
    stay: Tensor  # (C,), p(same state again)
    log_p: Tensor  # nats a letter
    shown: Tensor  # (SHOWN * T,), p(first state) of the letters on view


def payload() -> dict[str, Any]:
    """The letters (N T,) and six starts, each start, transition and emission in a row."""
    return record("letters")


def compute(values: Values, data: dict[str, Any]) -> Result:
    x = sequences(torch.tensor(np.asarray(data["x"]).astype(int)).view(-1, 100))
    at = climb(x.x.numpy().tobytes(), numbers(data["starts"]).numpy().tobytes(), values.seed)[values.steps]
    state = at.expected.state[..., 0]
    share, count = state.new_zeros(2, LETTERS)
    share.index_add_(0, x.x.flatten(), state.flatten())
    count.index_add_(0, x.x.flatten(), torch.ones_like(state.flatten()))
    share = torch.where(count > 0, share / count, 0.0)
    return Result(share, at.params.transition.diagonal(), at.log_lik / 100, state[:SHOWN].flatten())


@cache
def climb(x: bytes, starts: bytes, seed: int) -> list[EMState]:
    """EM from one of the starts, every step of it: computed once, for all places of the slider."""
    data = sequences(torch.frombuffer(bytearray(x), dtype=torch.int64).view(-1, 100))
    given = torch.frombuffer(bytearray(starts), dtype=torch.float64).view(STARTS, -1)[seed]
    start, transition, emission = given.split((STATES, STATES * STATES, STATES * LETTERS))
    model = HMM(start, transition.view(STATES, STATES), Categorical(emission.view(STATES, LETTERS)))
    climbing = em_steps(data, model, e_step, lambda x, expected: m_step(x, expected, V=LETTERS))
    return list(islice(climbing, MOST + 1))


def words(result: Result, values: Values) -> str:
    first = "".join(letter for letter, p in zip(ALPHABET, result.share, strict=True) if p > 0.5).replace(" ", "_")
    return (
        f"after {values.steps} steps {result.log_p:.4f} nats a letter; first state: {first or 'none'}, "
        f"it stays with probability {result.stay[0]:.2f}"
    )


def one_step(values: Values, data: dict[str, Any]) -> dict[str, Any]:
    return {"steps": min(values.steps + 1, MOST)}


def other_start(values: Values, data: dict[str, Any]) -> dict[str, Any]:
    return {"seed": (values.seed + 1) % STARTS, "steps": 0}


ACTIONS = {"One step": one_step, "Other start": other_start}


def records() -> list[tuple[str, np.ndarray]]:
    """Forty lines of a text that differs from one version of Python to the next, so that the demo does not."""
    x = prose(40, 100)
    starts = []
    for seed in range(STARTS):
        with seeded(seed):
            start = random_start(x, STATES, V=LETTERS)
        starts.append(torch.cat([start.start, start.transition.flatten(), start.emission.probs.flatten()]))
    return [("x", x.flatten().numpy().astype(np.uint8)), ("starts", torch.stack(starts).flatten().numpy())]
