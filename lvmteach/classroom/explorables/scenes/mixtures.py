"""Live demo of EM for a mixture of Gaussians: press E, M, E, M; move a mean with the mouse; see where it ends.

In a notebook, two cells:

    stepper = mixtures.Stepper(x)
    widgets.key_frame(stepper, alt="Points coloured by responsibility, and the bound after each half step")

    stepper.live()
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from torch import Tensor

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.figures import plots
from lvmteach.mixtures import (
    Mixture,
    Prior,
    covariance_matrices,
    log_joint,
    log_prior,
    m_step,
    responsibilities,
    seeds,
)
from lvmteach.runtime import seeded

COLOURS = np.array([to_rgb(name) for name in (plots.BLUE, plots.ORANGE, plots.GREEN, plots.RED, plots.PURPLE)])
UNKNOWN = to_rgb("#BBBBBB")  # a point before the first E step
MOST = len(COLOURS)
WINDOW = 24  # half steps that the trace shows at first


class Half(NamedTuple):
    """After one half step: the bound for the q of the last E step, and what it bounds; nats per datum."""

    name: str  # E or M
    bound: float
    objective: float


def blend(r: Tensor | None, N: int) -> np.ndarray:
    """Colours (N, 3) of points: those of the components, mixed by responsibility; grey before there are any."""
    if r is None:
        return np.tile(UNKNOWN, (N, 1))
    return (r.cpu().numpy() @ COLOURS[: r.shape[1]]).clip(0, 1)


def draw(ax: Axes, x: Tensor, params: Mixture | None = None, r: Tensor | None = None, title: str = "") -> None:
    """Points (N, 2) coloured by responsibility, means as crosses, ellipses of two standard deviations."""
    ax.scatter(*x.T, 16, blend(r, len(x)), linewidths=0)
    if params is not None:
        for c, (mean, cov) in enumerate(zip(params.means, covariance_matrices(params), strict=True)):
            ax.scatter(*mean, 150, COLOURS[c % MOST : c % MOST + 1], marker="X", edgecolors="black", zorder=4)
            plots.ellipse(ax, mean, cov, color=COLOURS[c % MOST], zorder=3)
    ax.set(xlabel="x₁", ylabel="x₂", title=title)


class Stepper:
    """Data coloured by responsibility, components as ellipses; and the bound that each half step lifts.

    stepper = mixtures.Stepper(x)
    stepper.live()

    Left, the points in the mixed colours of the components that answer for them, means (crosses) and ellipses of two
    standard deviations. Right, after each half step, the ELBO (marked) and log p(x), to which an E step lifts it; a
    prior's log p(covariances) is added to both. A click moves the nearest mean there, and EM starts again.

    Args:
        x: data (N, 2).
        seed: of the k-means++ start.
    """

    def __init__(self, x: Tensor, seed: int = 0):
        if x.ndim != 2 or x.shape[1] != 2:
            raise ValueError(f"x must be (N, 2) to be drawn, got {tuple(x.shape)}; choose two columns")
        self.x, self.seed = x.double(), seed
        self.spread = self.x.var(0).mean().item()
        self.fig, (self.plane, self.right) = plots.figure(1, 2, size=(13, 5), width_ratios=[1.15, 1])
        self._make_plane(self.plane)
        self._make_trace(self.right)
        self.moving = [self.points, self.means, *self.ellipses, self.bound, self.objective, *self.marks.values()]
        self.settings = (3, "full", False)
        self.start_again()

    def update(self, C: int = 3, covariance: str = "full", prior: bool = False) -> str:
        if self.settings != (C, covariance, prior):
            keep = self.settings[0] == C  # means that were moved stay where they are
            self.settings = (C, covariance, prior)
            self.rewind() if keep else self.start_again()
        self._draw_plane()
        self._draw_trace()
        return f"C = {C}, {covariance}, {'with' if prior else 'no'} prior: {self._words()}"

    def live(self, C: int = 3) -> widgets.Exploration:
        """Buttons for the half steps; a click or drag moves the nearest mean; sliders for the model."""
        return widgets.explore(
            self,
            widgets.button("E step", self.e_step),
            widgets.button("M step", self.m_step),
            widgets.button("10 times E, M", self.run),
            widgets.button("Same start", self.rewind),
            widgets.button("New start", self.new_start),
            widgets.Drag(self.plane, self.move_mean),
            C=widgets.slider(2, MOST, C, label="components C"),
            covariance=widgets.choice(("full", "diagonal", "spherical"), label="covariance"),
            prior=widgets.choice((("no prior", False), ("prior on the covariances", True))),
        )

    def e_step(self) -> None:
        """Set q to the posterior: the bound touches."""
        self.q = responsibilities(self.x, self.params)
        self._note("E")

    def m_step(self) -> None:
        """Move the parameters to where the bound is highest for this q."""
        if self.q is None or self.problem:
            return
        try:
            self.params = m_step(self.x, self.q, covariance=self.settings[1], prior=self._prior)
        except FloatingPointError as problem:
            self.problem = str(problem).partition(".")[0].partition(":")[0]
        else:
            self._note("M")

    def run(self, steps: int = 10) -> None:
        """Ten E and ten M steps."""
        for _ in range(steps):
            if self.problem:
                break
            self.e_step()
            self.m_step()

    def start_again(self) -> None:
        """The k-means++ seeds of this stepper's seed as means, equal weights, round components."""
        with seeded(self.seed):
            self.first = seeds(self.x, self.settings[0])
        self.rewind()

    def new_start(self) -> None:
        """Other seeds."""
        self.seed += 1
        self.start_again()

    def rewind(self) -> None:
        """Back to where this run began."""
        C, covariance, _ = self.settings
        variance = self.x.new_full((C, 2), self.spread / C)
        shapes = {"full": torch.diag_embed(variance), "diagonal": variance, "spherical": variance[:, 0]}
        self.params = Mixture(self.x.new_full((C,), 1 / C), self.first, shapes[covariance])
        self.q, self.trace, self.problem = None, [], ""

    def move_mean(self, path: np.ndarray, new: bool) -> None:
        """The mean nearest to where the mouse went down follows it; EM starts again from there."""
        if new:
            self.rewind()
            self.held = int(torch.cdist(self.x.new_tensor(path[:1]), self.first).argmin())
        self.first = self.first.index_copy(0, torch.tensor([self.held]), self.x.new_tensor(path[-1:]))
        self.rewind()

    @property
    def _prior(self) -> Prior | None:
        return Prior(points=5.0, variance=self.spread / 25) if self.settings[2] else None

    def _note(self, name: str) -> None:
        joint = log_joint(self.x, self.params)
        extra = 0.0 if self._prior is None else float(log_prior(self.params, self._prior)) / len(self.x)
        # ELBO: sum_c q_c log p(x, c), plus the entropy of q.
        bound = ((self.q * joint) + torch.special.entr(self.q)).sum(1).mean().item()
        self.trace.append(Half(name, bound + extra, joint.logsumexp(1).mean().item() + extra))

    def _words(self) -> str:
        if self.problem:
            return f"{self.problem}. Choose the prior, or move a mean"
        if not self.trace:
            return "press E"
        half = self.trace[-1]
        gap = max(half.objective - half.bound, 0.0)
        return f"half step {len(self.trace)} ({half.name}), bound {half.bound:.4f}, gap {gap:.4f} nats per datum"

    def _make_plane(self, ax: Axes) -> None:
        low, high = self.x.amin(0), self.x.amax(0)
        margin = 0.08 * (high - low)
        limits = torch.stack([low - margin, high + margin], 1).tolist()
        self.points = ax.scatter(*self.x.T, 24, linewidths=0)
        self.means = ax.scatter(*self.x[:1].T, 170, marker="X", linewidths=1.5, edgecolors="black", zorder=4)
        self.ellipses = [plots.ellipse(ax, [0, 0], np.eye(2), color=colour, zorder=3) for colour in COLOURS]
        ax.set(xlim=limits[0], ylim=limits[1], xlabel="x₁", ylabel="x₂", title="responsibilities as colour")

    def _make_trace(self, ax: Axes) -> None:
        (self.objective,) = ax.plot([], [], "--", color=plots.BLACK, lw=1.5, label="log p(x) (+ prior)")
        (self.bound,) = ax.plot([], [], "-", color=plots.GREY, lw=1.5)
        self.marks = {
            name: ax.plot([], [], marker, color=colour, ms=8, label=f"ELBO after {name}")[0]
            for name, marker, colour in (("E", "o", plots.BLUE), ("M", "s", plots.ORANGE))
        }
        ax.set(xlabel="half step", ylabel="nats per datum", title="each half step lifts the bound")
        ax.set(xlim=(0, WINDOW), ylim=(-6, 0))
        ax.yaxis.set_major_formatter("{x:.2f}")  # one width, so that the settled layout fits every trace
        ax.legend(loc="lower right")

    def _draw_plane(self) -> None:
        means, covariances = self.params.means.cpu().numpy(), covariance_matrices(self.params).cpu().numpy()
        self.points.set_facecolors(blend(self.q, len(self.x)))
        self.means.set_offsets(means)
        self.means.set_facecolors(COLOURS[: len(means)])
        for c, patch in enumerate(self.ellipses):
            patch.set_visible(c < len(means))
            if c < len(means):
                plots.move_ellipse(patch, means[c], covariances[c])

    def _draw_trace(self) -> None:
        bound = np.array([half.bound for half in self.trace])
        at = np.arange(1, len(bound) + 1)
        self.bound.set_data(at, bound)
        self.objective.set_data(at, [half.objective for half in self.trace])
        for name, line in self.marks.items():
            mine = np.array([half.name == name for half in self.trace], bool)
            line.set_data(at[mine], bound[mine])
        if len(bound):
            self._make_room(len(bound), bound.min(), max(half.objective for half in self.trace))

    def _make_room(self, halves: int, low: float, high: float) -> None:
        """Wider limits where the trace has left them; otherwise none, as new limits cost a full drawing."""
        right, (bottom, top) = self.right.get_xlim()[1], self.right.get_ylim()
        fits = bottom < low and high < top and high - low > (top - bottom) / 4
        if halves >= right or (halves < right / 4 and right > WINDOW):
            self.right.set_xlim(0, max(WINDOW, 2.2 * halves))
        if not fits:
            margin = 0.15 * (high - low) + 0.02
            self.right.set_ylim(low - margin, high + 2 * margin)
