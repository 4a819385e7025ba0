"""Scrub through the training of a small Helmholtz machine on bars, and choose how much it sleeps.

`record` trains, and keeps every few steps what the picture needs. `recorded` reads the four trainings of `SLEEPS`, kept
in `records/`; made anew in half a minute by `python -m lvmteach.classroom.explorables.records wake_sleep`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from lvmteach.classroom.explorables.records import record as kept
from lvmteach.helmholtz import Bars, Machine, bars, exact, machine, sleep_step, wake_step
from lvmteach.runtime import seeded

TITLE = "Wake and sleep, step by step"
SIZES = (16, 8, 1)
WAKES, B, RATE = 4000, 20, 4.0  # wake steps, images or dreams a step, first rate (it falls linearly to zero)
SNAPSHOTS = 40
SLEEPS = {"1/16": 1 / 16, "1/4": 1 / 4, "1": 1, "4": 4}  # sleep steps to one wake step
SHOWN, DREAMS = 48, 400  # dreams in the picture, and under the average of their KL
LEVELS = 255  # a probability is kept as a whole number of these


class Record(NamedTuple):
    """What was seen of one machine after `steps` wake steps; one row a snapshot."""

    steps: np.ndarray  # (T,)
    dreams: np.ndarray  # (T, SHOWN, 16), binary
    legal: np.ndarray  # (T, SHOWN): whether the generator of bars can make it
    rebuilt: np.ndarray  # (T, M, 16): P(x = 1 | z) for one z ~ q(z|x), for every image x of bars
    nll: np.ndarray  # (T,) exactly, in nats, as are the next three
    bound: np.ndarray  # -ELBO
    kl_data: np.ndarray  # KL(q || p) on data
    kl_dreams: np.ndarray  # KL(p || q), the mean over DREAMS dreams


def training(data: Bars, sleeps: float, wakes: int = WAKES) -> Iterator[Machine]:
    """Train a machine; yield it before the first step and after each wake step with its share of sleep."""
    m, asleep = machine(SIZES, dtype=torch.float64), 0.0
    yield m
    for step in range(wakes):
        rate = RATE * (1 - step / wakes)
        wake_step(m, data.sample(B), rate)
        asleep += sleeps
        while asleep >= 1:
            sleep_step(m, B, rate)
            asleep -= 1
        yield m


def record(data: Bars, sleeps: float, wakes: int = WAKES) -> Record:
    """Train one machine, `sleeps` sleep steps to a wake step, and note what is seen SNAPSHOTS times."""
    every = max(wakes // SNAPSHOTS, 1)
    seen = [(step, *_look(m, data)) for step, m in enumerate(training(data, sleeps, wakes)) if step % every == 0]
    return Record(*(np.array(column) for column in zip(*seen, strict=True)))


def recorded() -> dict[str, Record]:
    """Kept trainings on `bars()` by the names of `SLEEPS`: dreams exactly, probabilities to 1/255, nats to float32."""
    columns = kept("wake_sleep")
    return {name: _unpacked({key: columns[f"{name} {key}"] for key in Record._fields}) for name in SLEEPS}


def records() -> dict[str, np.ndarray]:
    """Train the machines of `SLEEPS`; what `recorded` reads."""
    columns = {}
    for name, sleeps in SLEEPS.items():
        with seeded(3):
            r = record(bars(), sleeps)
        columns |= {f"{name} {key}": column for key, column in _packed(r).items()}
    return columns


def _packed(r: Record) -> dict[str, np.ndarray]:
    whole = {"dreams": np.packbits(r.dreams.astype(bool), -1), "legal": np.packbits(r.legal, -1)}
    whole |= {"rebuilt": np.rint(LEVELS * r.rebuilt).astype(np.uint8), "steps": r.steps.astype(np.int32)}
    return {key: whole.get(key, column.astype(np.float32)) for key, column in r._asdict().items()}


def _unpacked(columns: dict[str, np.ndarray]) -> Record:
    bits = {key: np.unpackbits(columns[key], -1) for key in ("dreams", "legal")}
    rest = {key: columns[key].astype(float) for key in Record._fields if key not in ("steps", "rebuilt", *bits)}
    return Record(
        steps=columns["steps"].astype(int),
        dreams=bits["dreams"].astype(float),
        legal=bits["legal"].astype(bool),
        rebuilt=columns["rebuilt"] / LEVELS,
        **rest,
    )


def _look(m: Machine, data: Bars) -> tuple:
    dreams = m.dream(DREAMS)[0]
    shown = dreams[:SHOWN]
    legal = (shown[:, None] == data.images).all(-1).any(-1)
    now, asleep = exact(m, data.images), exact(m, dreams)
    on_data = [float(data.expect(value)) for value in (-now.log_p, -now.elbo, now.kl_q_p)]
    pictures = (part.numpy() for part in (shown, legal, m.reconstruct(data.images)))
    return *pictures, *on_data, float(asleep.kl_p_q.mean())


class Values(NamedTuple):
    moment: int = SNAPSHOTS
    sleeps: str = "1"  # of SLEEPS


class Result(NamedTuple):
    step: int
    dreams: np.ndarray  # (SHOWN, 16), binary
    legal: np.ndarray  # (SHOWN,)
    rebuilt: np.ndarray  # (M, 16)
    nll: float  # nats, as are the others
    bound: float
    kl_data: float
    kl_dreams: float
    entropy: float


def payload(trained: dict[str, Record] | None = None) -> dict[str, Any]:
    """What was recorded of machines by the names of SLEEPS, as `record` gives it; by default what the package keeps."""
    machines = {name: _packed(one) for name, one in (trained or recorded()).items()}
    return {"machines": {**machines, "entropy": bars().entropy}, "images": bars().images.numpy().astype(np.uint8)}


def compute(values: Values, data: dict[str, Any]) -> Result:
    r = _unpacked(data["machines"][values.sleeps])
    t = min(values.moment, len(r.steps) - 1)
    numbers = (float(column[t]) for column in (r.nll, r.bound, r.kl_data, r.kl_dreams))
    return Result(int(r.steps[t]), r.dreams[t], r.legal[t], r.rebuilt[t], *numbers, data["machines"]["entropy"])


def words(result: Result, values: Values) -> str:
    return (
        f"{values.sleeps} sleep to a wake step, after {result.step}: -log p(x) {result.nll:.2f} (entropy "
        f"{result.entropy:.2f}), -ELBO {result.bound:.2f}, KL(q‖p) on data {result.kl_data:.2f}, KL(p‖q) on dreams "
        f"{result.kl_dreams:.2f} nats; {result.legal.sum()} of {SHOWN} dreams are bars"
    )
