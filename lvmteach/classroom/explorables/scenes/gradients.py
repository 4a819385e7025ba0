"""Explore gradient estimators: how they spread around the truth, and how that grows with the dimension.

f(z) = sum_i (z_i - t)^2 under q = N(m, s^2) in each of D dimensions, with m - t = 1 and s = 0.8, where every variance
has a closed form.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.distributions import Independent, Normal

from lvmteach.classroom.figures import plots
from lvmteach.gradients import gradient_samples, leave_one_out, reparameterised, score_function
from lvmteach.runtime import seeded

M, S, T = 1.5, 0.8, 0.5
KINDS = ("reparameterised", "score function", "constant baseline", "leave-one-out")
LOOKS = {
    "reparameterised": (plots.BLUE, "-"),
    "score function": (plots.RED, "--"),
    "constant baseline": (plots.ORANGE, "-."),
    "leave-one-out": (plots.GREEN, ":"),
}
DIMENSIONS = 2.0 ** np.arange(7)
NORMALS = 400_000  # drawn for one picture: the wait behind a slider
REACH, BINS = 20, 40  # of the histogram: to either side of the truth


def estimator(kind: str, K: int) -> Callable[[Tensor], Tensor]:
    """The surrogate of E f from K draws, as a function of the mean m, (*batch, D)."""

    def q(m: Tensor) -> Independent:
        return Independent(Normal(m, S), 1)

    def f(z: Tensor) -> Tensor:
        return (z - T).square().sum(-1)

    if kind == "reparameterised":
        return lambda m: reparameterised(f, q(m), K)
    baseline = {"score function": lambda D: None, "leave-one-out": lambda D: leave_one_out}
    constant = baseline.get(kind, lambda D: D * ((M - T) ** 2 + S**2))  # E f
    return lambda m: score_function(f, q(m), K, constant(m.shape[-1]))


def variance(kind: str, D, K: int, *, d: float = M - T, s: float = S):
    """Variance of the estimate of d/dm_i from K draws, in closed form; D may be an array.

    Each is the variance for one draw over K. Leave-one-out pays for estimating its baseline: a term in 1/(K(K - 1)).
    """
    constant = D * (4 * d**2 + 2 * s**2) + 4 * d**2 + 8 * s**2
    single = {
        "reparameterised": 4 * s**2 + 0 * D,
        "score function": D**2 * (d**2 + s**2) ** 2 / s**2 + D * (8 * d**2 + 6 * s**2) + 4 * d**2 + 8 * s**2,
        "constant baseline": constant,
        "leave-one-out": constant + (D * (4 * d**2 + 2 * s**2) + 4 * d**2) / max(K - 1, 1),
    }
    return single[kind] / K


def draws(kind: str, D: int, K: int) -> np.ndarray:
    """Estimates of d/dm_1, as many as NORMALS allows, at most 4000."""
    repeats = min(NORMALS // (K * D), 4000)
    (found,) = gradient_samples(estimator(kind, K), (torch.full((D,), M, dtype=torch.float32),), repeats)
    return found[:, 0].double().numpy()


class GradientExplorer:
    """Left, estimates of one partial derivative around its true value; right, their variance against the dimension."""

    def __init__(self):
        self.fig, (left, right) = plots.figure(1, 2, size=(11.5, 4.6))
        self.truth = 2 * (M - T)
        self.edges = np.linspace(self.truth - REACH, self.truth + REACH, BINS + 1)
        self._histogram(left)
        self._lines(right)
        self.moving = [self.band, self.bars, self.mark, *self.beyond, *self.lines.values(), self.dot]

    def _histogram(self, ax):
        self.band = Rectangle((0, 0), 1, 1, transform=ax.get_xaxis_transform(), color=plots.GREY, alpha=0.25, lw=0)
        ax.add_patch(self.band)
        self.bars = ax.stairs(np.zeros(BINS), self.edges, fill=True)
        self.mark = ax.axvline(self.truth, color=plots.BLACK, lw=2)
        sides = ((0.02, "left"), (0.98, "right"))
        self.beyond = [ax.text(x, 0.92, "", transform=ax.transAxes, ha=side) for x, side in sides]
        ax.set(
            xlabel="estimate of ∂/∂m₁ E f (line: truth; band: ± one sd)",
            ylabel="estimates, tallest bin = 1",
            ylim=(0, 1.2),
            xlim=(self.edges[0], self.edges[-1]),
        )

    def _lines(self, ax):
        self.lines = {}
        for kind in KINDS:
            colour, dash = LOOKS[kind]
            (self.lines[kind],) = ax.loglog(DIMENSIONS, DIMENSIONS, dash, color=colour, label=kind)
        (self.dot,) = ax.loglog([1], [1], "o", ms=12, mec="black", color="white", label="measured")
        ax.set(xlabel="dimension D", ylabel="variance of the estimate", ylim=(0.03, 3e4), xlim=(0.9, 71))
        ax.set_xticks(DIMENSIONS, [f"{D:.0f}" for D in DIMENSIONS])
        ax.minorticks_off()
        ax.legend(loc="upper left", fontsize=11)

    def update(self, K: int, D: int, kind: str) -> str:
        with seeded(6):
            estimates = draws(kind, D, K)
        exact = variance(kind, D, K)
        self._move_histogram(estimates, exact, LOOKS[kind][0])
        for name, line in self.lines.items():
            line.set_ydata(variance(name, DIMENSIONS, K))
        self.dot.set_data([D], [estimates.var(ddof=1)])
        self.dot.set_color(LOOKS[kind][0])
        mean, error = estimates.mean(), estimates.std(ddof=1) / len(estimates) ** 0.5
        return (
            f"{kind}, K = {K}, D = {D}: mean {mean:.2f} ± {error:.2f} (truth {self.truth:.0f}), "
            f"variance {estimates.var(ddof=1):.3g} (closed form {exact:.3g}), {len(estimates)} estimates"
        )

    def _move_histogram(self, estimates, exact, colour):
        counts, _ = np.histogram(estimates, self.edges)
        self.bars.set_data(counts / max(counts.max(), 1))
        self.bars.set_color(colour)
        self.band.set_x(self.truth - exact**0.5)
        self.band.set_width(2 * exact**0.5)
        outside = (estimates < self.edges[0]).mean(), (estimates > self.edges[-1]).mean()
        self.beyond[0].set_text(f"◀ {outside[0]:.0%} beyond" if outside[0] else "")
        self.beyond[1].set_text(f"{outside[1]:.0%} beyond ▶" if outside[1] else "")
