"""Live demo of the importance weighted bound: slide K, and see the bound climb to log p(x).

In a notebook, two cells:

    climb = iwae.Climb(model, x)
    widgets.key_frame(climb, alt="The bound by K, the weights of K samples, and the resampled posterior", K=10)

    climb.live()
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.explorables.climb import MOST, SETS, Sets, draw_sets, quadrature
from lvmteach.classroom.explorables.scenes.vae import latent_size, like
from lvmteach.classroom.figures import plots
from lvmteach.integrals import ess, normalise
from lvmteach.runtime import seeded

__all__ = ["MOST", "SETS", "Climb", "quadrature", "steps"]

HEIGHTS = [math.exp(-0.5 * r * r) for r in (3, 2, 1)]  # of contours: a Gaussian's, r deviations out


class Climb:
    """The importance weighted bound against K, the weights of K samples, and the posterior that they imply.

    climb = iwae.Climb(model, x)
    climb.live()

    Left, how far L_K (two standard errors shaded) lies below log p(x), which is found by quadrature. Middle, one set
    of K samples: their normalised weights, largest first. Right, the posterior on the plane (contours, by
    quadrature), one sample of q from each of 200 sets (small, grey), and one of the set's first K drawn by weight
    (red): with K the cloud moves from q to the posterior.

    Args:
        model: a VAE with L = 2 latent dimensions, where log p(x) can be had by quadrature.
        x: images (N, D); a slider chooses among them.

    Source: Burda, Grosse and Salakhutdinov 2016, section 3; the implied posterior, Cremer, Morris and Duvenaud 2017.
    """

    def __init__(self, model: nn.Module, x: Tensor):
        if (L := latent_size(model)) != 2:
            raise ValueError(f"quadrature needs a model with L = 2, got L = {L}; train one with L=2")
        self.model, self.x = model, x.to(**like(model))
        self.seed, self._known = 1, {}
        self.fig, (self.left, self.middle, self.right) = plots.figure(1, 3, size=(14, 4.4))
        self._make_bound(), self._make_weights(), self._make_cloud()
        self.moving = [self.marker, self.bars, self.level, self.from_q, self.cloud]
        self.shown: tuple[int, int] | None = None

    def update(self, K: int, image: int = 0) -> str:
        sets = self._sets(image)
        if self.shown != (image, self.seed):
            self._show_image(sets)
            self.shown = (image, self.seed)
        w = normalise(sets.log_w[:K, 0]).sort(descending=True).values.cpu().numpy()
        self.bars.set_data(np.arange(1, K + 1), w)
        self.level.set_ydata([1 / K, 1 / K])
        self.marker.set_data([K], [sets.bound[K - 1] - sets.exact.log_p])
        chosen = sets.score[:K].argmax(0)
        self.cloud.set_data(*sets.z[chosen, torch.arange(SETS)].T.cpu().numpy())
        bound, error = sets.bound[K - 1], sets.error[K - 1]
        size = ess(sets.log_w[:K, 0]).item()
        return (
            f"K = {K}: bound {bound:.2f} ± {error:.2f}, log p(x) = {sets.exact.log_p:.2f} nats; "
            f"effective sample size {size:.1f} of {K}"
        )

    def live(self, K: int = 1) -> widgets.Exploration:
        """Slide K; draw new samples; choose the image if there are several."""
        controls = {"K": widgets.ladder(steps(MOST), K, label="samples K")}
        if len(self.x) > 1:
            controls["image"] = widgets.slider(0, len(self.x) - 1, 0, label="image")
        return widgets.explore(self, widgets.button("New samples", self.draw_anew), **controls)

    def draw_anew(self) -> None:
        """Another 200 sets of samples."""
        self.seed += 1
        self._known.clear()

    def _sets(self, image: int) -> Sets:
        if image not in self._known:
            with seeded(self.seed):
                self._known[image] = draw_sets(self.model, self.x[image])
        return self._known[image]

    def _make_bound(self) -> None:
        ax, k = self.left, np.arange(1, MOST + 1)
        self.band = ax.fill_between(k, 0 * k, 0 * k, color=plots.BLUE, alpha=0.25, lw=0)
        (self.curve,) = ax.plot(k, k * 0.0, color=plots.BLUE, label="$L_K$")
        ax.axhline(0, ls="--", color=plots.BLACK, label="$\\log p(x)$")
        (self.marker,) = ax.plot([], [], "o", ms=12, color=plots.BLUE, mec=plots.BLACK)
        ax.set(xscale="log", xlabel="samples K", ylabel="$L_K - \\log p(x)$, nats", xlim=(0.9, MOST * 1.1))
        ax.set_title("the bound climbs")
        ax.legend(loc="lower right")

    def _make_weights(self) -> None:
        ax = self.middle
        (self.bars,) = ax.plot([], [], "o-", color=plots.ORANGE, ms=5, lw=1)
        (self.level,) = ax.plot([0.9, MOST * 1.1], [1, 1], ":", color=plots.BLACK, label="all equal, 1/K")
        ax.set(xscale="log", yscale="log", xlim=(0.9, MOST * 1.1), ylim=(1e-5, 2))
        ax.set(xlabel="samples of one set, by weight", ylabel="normalised weight", title="weights of K samples")
        ax.legend(loc="lower left")

    def _make_cloud(self) -> None:
        ax = self.right
        (self.from_q,) = ax.plot([], [], ".", color=plots.GREY, ms=5, label="from q")
        (self.cloud,) = ax.plot([], [], ".", color=plots.RED, ms=7, label="resampled")
        ax.plot([], [], color=plots.BLUE, lw=1.5, label="p(z|x)")
        ax.set(xlabel="$z_1$", ylabel="$z_2$")
        # Above the axes: inside them it would hide some of the cloud.
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 0.98), ncols=3, columnspacing=1, handletextpad=0.3)
        self.contours = None

    def _show_image(self, sets: Sets) -> None:
        gap, margin = sets.bound - sets.exact.log_p, 2 * sets.error
        self.curve.set_ydata(gap)
        self.band.remove()
        k = np.arange(1, MOST + 1)
        self.band = self.left.fill_between(k, gap - margin, gap + margin, color=plots.BLUE, alpha=0.25, lw=0)
        low = (gap - margin).min()
        self.left.set_ylim(1.05 * low, max(-0.08 * low, (gap + margin).max()))
        self.from_q.set_data(*sets.z[0].T.cpu().numpy())
        if self.contours is not None:
            self.contours.remove()
        exact = sets.exact
        self.contours = self.right.contour(*exact.axes, exact.posterior.T, HEIGHTS, colors=plots.BLUE, linewidths=1.5)
        (left, bottom), (right, top) = _view(sets)
        self.right.set(xlim=(left, right), ylim=(bottom, top))


def steps(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 11, 16, ...: whole numbers about a factor of sqrt(2) apart, up to `most`."""
    return sorted({round(2 ** (i / 2)) for i in range(2 * int(math.log2(most)) + 1)} | {most})


def _view(sets: Sets) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the part of the plane with the cloud and the contours in it."""
    held = sets.exact.axes[[0, 1], np.argwhere(sets.exact.posterior > HEIGHTS[0])]
    places = np.concatenate([held, sets.z[0].cpu().numpy()])
    margin = 0.05 * np.ptp(places, axis=0)
    return places.min(0) - margin, places.max(0) + margin
