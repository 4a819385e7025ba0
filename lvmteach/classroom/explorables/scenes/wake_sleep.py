"""Scrub through the training of a small Helmholtz machine on bars, and choose how much it sleeps.

`record` trains, and keeps every few steps what the picture needs. After that nothing is computed: scrubbing is instant.
`recorded` reads the four trainings of `SLEEPS`, kept beside this file; made anew, in half a minute, by

    python -m lvmteach.classroom.explorables.scenes.wake_sleep
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.colors import ListedColormap

from lvmteach.classroom.figures import plots
from lvmteach.helmholtz import Bars, Machine, bars, exact, machine, sleep_step, wake_step
from lvmteach.runtime import seeded

SIZES = (16, 8, 1)
WAKES, B, RATE = 4000, 20, 4.0  # wake steps, images or dreams a step, first rate (it falls linearly to zero)
SNAPSHOTS = 40
SLEEPS = {"1/16": 1 / 16, "1/4": 1 / 4, "1": 1, "4": 4}  # sleep steps to one wake step
SHOWN, DREAMS = 48, 400  # dreams in the picture, and under the average of their KL
KEPT = "wake_sleep.npz"
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
    kept = resources.files("lvmteach.classroom.explorables.scenes").joinpath(KEPT).read_bytes()
    with np.load(io.BytesIO(kept)) as columns:
        return {name: _unpacked({key: columns[f"{name} {key}"] for key in Record._fields}) for name in SLEEPS}


def keep(path: Path) -> None:
    """Train the machines of `SLEEPS` and write what `recorded` reads."""
    columns = {}
    for name, sleeps in SLEEPS.items():
        with seeded(3):
            r = record(bars(), sleeps)
        whole = {"dreams": np.packbits(r.dreams.astype(bool), -1), "legal": np.packbits(r.legal, -1)}
        whole |= {"rebuilt": np.rint(LEVELS * r.rebuilt).astype(np.uint8), "steps": r.steps.astype(np.int32)}
        for key, column in r._asdict().items():
            columns[f"{name} {key}"] = whole.get(key, column.astype(np.float32))
    np.savez_compressed(path, **columns)


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


class WakeSleep:
    """Dreams and reconstructions of a Helmholtz machine at one moment of its training, and its exact divergences."""

    INK = ListedColormap(["white", "#E8E8E8", plots.BLUE, plots.RED])  # between images, paper, ink of bars, of others

    def __init__(self, records: dict[str, Record], data: Bars | None = None):
        self.records, self.data = records, data or bars()
        self.fig, axes = plots.figure(1, 4, size=(13.5, 4.6), width_ratios=[1.25, 1.05, 1.6, 1.6])
        side = round(self.data.images.shape[-1] ** 0.5)
        self.shape = (side, side)
        blank = np.zeros((SHOWN, side**2))
        self.dreams = plots.image_grid(axes[0], blank, self.shape, 6, cmap=self.INK, vmax=3)
        axes[0].set_title("dreams (red: no bars)", fontsize=13)
        self.rebuilt = plots.image_grid(axes[1], blank[: 2 * len(self.data.images)], self.shape, 6)
        axes[1].set_title("images over rebuilt", fontsize=13)
        self.nll, self.bound, self.here = self._curves(axes[2], "nats an image", (2, 11.5), ("-log p(x)", "-ELBO"))
        axes[2].axhline(self.data.entropy, color=plots.BLACK, lw=1.5, ls=":", label="entropy of the bars")
        axes[2].legend(loc="upper right")
        names = ("KL(q‖p) on data", "KL(p‖q) on dreams")
        self.kl_data, self.kl_dreams, self.there = self._curves(axes[3], "nats", (0.01, 4), names)
        axes[3].set_yscale("log")
        axes[3].legend(loc="upper right")
        self.moving = [self.dreams, self.rebuilt, self.nll, self.bound, self.here]
        self.moving += [self.kl_data, self.kl_dreams, self.there]

    def _curves(self, ax, label, limits, names):
        (first,) = ax.plot([], [], "-", color=plots.BLUE, label=names[0])
        (second,) = ax.plot([], [], "--", color=plots.ORANGE, label=names[1])
        now = ax.axvline(0, color=plots.GREY, lw=1.5)
        last = max(record.steps[-1] for record in self.records.values())
        ax.set(xlabel="wake steps", ylabel=label, ylim=limits, xlim=(-0.02 * last, 1.02 * last))
        return first, second, now

    def update(self, moment: int, sleeps: str) -> str:
        """Show snapshot `moment` of the machine that sleeps `sleeps` times a wake step."""
        r = self.records[sleeps]
        t = min(moment, len(r.steps) - 1)
        ink = 1 + r.dreams[t] * np.where(r.legal[t], 1, 2)[:, None]
        both = _rows_in_turn(self.data.images.numpy(), r.rebuilt[t], 6)
        self.dreams.set_data(plots.mosaic(ink, self.shape, 6))
        self.rebuilt.set_data(plots.mosaic(0.1 + 0.9 * both, self.shape, 6))  # paper a shade darker than the gaps
        for line in ("nll", "bound", "kl_data", "kl_dreams"):
            getattr(self, line).set_data(r.steps, getattr(r, line))
        for mark in (self.here, self.there):
            mark.set_xdata([r.steps[t]] * 2)
        return (
            f"{sleeps} sleep to a wake step, after {r.steps[t]}: -log p(x) {r.nll[t]:.2f} (entropy "
            f"{self.data.entropy:.2f}), -ELBO {r.bound[t]:.2f}, KL(q‖p) on data {r.kl_data[t]:.2f}, KL(p‖q) on dreams "
            f"{r.kl_dreams[t]:.2f} nats; {r.legal[t].sum()} of {SHOWN} dreams are bars"
        )


def _rows_in_turn(above: np.ndarray, below: np.ndarray, cols: int) -> np.ndarray:
    """A row of images, the row of their reconstructions under it, and so on."""
    pair = np.stack([rows.reshape(-1, cols, rows.shape[-1]) for rows in (above, below)], 1)
    return pair.reshape(-1, above.shape[-1])


if __name__ == "__main__":
    keep(Path(__file__).with_name(KEPT))
