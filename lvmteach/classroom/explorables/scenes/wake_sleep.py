"""Scrub through the training of a small Helmholtz machine on bars, and choose how much it sleeps."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap

from lvmteach.classroom.explorables.wake_sleep import SHOWN, SLEEPS, SNAPSHOTS, Record, record, recorded, training
from lvmteach.classroom.figures import plots
from lvmteach.helmholtz import Bars, bars

__all__ = ["SHOWN", "SLEEPS", "SNAPSHOTS", "Record", "WakeSleep", "record", "recorded", "training"]


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
