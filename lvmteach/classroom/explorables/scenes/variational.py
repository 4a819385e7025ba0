"""Explore variational inference: take q by its peak, watch ELBO + KL = log p(x), and let either KL choose q.

In a notebook, two cells:

    explorer = variational.KLExplorer()
    widgets.key_frame(explorer, alt="Two humps, q, and the parts of log p(x)", peak=(0.0, 0.25), fit=BY_HAND, apart=4.0)

    explorer.live()
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.figures import plots
from lvmteach.variational import Gaussian, forward_fit, grid, kl, log_density, log_integral, reverse_fit, split

BY_HAND, REVERSE, FORWARD = "by hand", "least KL(q || p)", "least KL(p || q)"
LOG_P_X = -2.0  # nats; the joint integrates to this
VIEW = (-6.0, 6.0)
TOP = 0.8
FLOOR = -7.0  # of the bars, nats
NARROWEST = 0.25


def two_humps(z: Tensor, apart: float) -> Tensor:
    """log p(x, z): two Gaussian humps of unequal weight and width whose centres are `apart`."""
    # Numbers alone would make a distribution in float32, and 0.6 is then wrong in the eighth digit.
    centres = torch.tensor([-apart / 2, apart / 2], dtype=z.dtype)
    widths, weights = centres.new_tensor([0.6, 0.9]), centres.new_tensor([0.4, 0.6])
    return (Normal(centres, widths).log_prob(z[..., None]) + weights.log()).logsumexp(-1) + LOG_P_X


def with_peak_at(m: float, height: float) -> Gaussian:
    """The Gaussian whose density peaks at (m, height): height = 1 / (s sqrt(2 pi))."""
    s = 1 / (max(height, 0.04) * math.sqrt(2 * math.pi))
    return Gaussian(*torch.tensor([m, max(s, NARROWEST)], dtype=torch.float64))


class KLExplorer:
    """Left, the posterior of two humps and one Gaussian q; right, log p(x) in its two parts, ELBO and KL."""

    def __init__(self):
        self.on = grid(-16.0, 16.0, 1601)
        self.seen = (self.on.z >= VIEW[0]) & (self.on.z <= VIEW[1])
        self.fig, (self.ax, bars) = plots.figure(1, 2, size=(12.0, 5.0), width_ratios=(2.2, 1))
        z = self.on.z[self.seen]
        (self.target,) = self.ax.plot(z, 0 * z, color=plots.BLUE, lw=3, label="posterior p(z | x)")
        (self.q,) = self.ax.plot(z, 0 * z, color=plots.ORANGE, lw=3, ls="--", label="q(z)")
        (self.peak,) = self.ax.plot([0], [0], "o", ms=13, color=plots.ORANGE, mec="black")
        self.ax.set(xlim=VIEW, ylim=(0, TOP), xlabel="z", ylabel="density", title="drag the peak of q")
        self.ax.legend(loc="upper left")
        (self.elbo,) = bars.bar([0], [1], 0.6, bottom=FLOOR, color=plots.GREEN, label="ELBO")
        (self.kl,) = bars.bar([0], [1], 0.6, color=plots.RED, hatch="//", edgecolor="white", label="KL(q || p(z | x))")
        bars.axhline(LOG_P_X, color=plots.BLACK, ls=":", label="log p(x)")
        bars.set(xlim=(-0.6, 0.6), ylim=(FLOOR, 1.0), xticks=[], ylabel="nats", title="log p(x) = ELBO + KL")
        bars.legend(loc="upper right", fontsize=11)
        self.moving = [self.target, self.q, self.peak, self.elbo, self.kl]

    def live(self, peak: tuple[float, float] = (0.0, 0.25), apart: float = 4.0) -> widgets.Exploration:
        """Drag q by its peak, pull the humps apart, let one of the KLs choose q."""
        return widgets.explore(
            self,
            peak=widgets.Point(self.ax, peak),
            fit=widgets.choice([BY_HAND, REVERSE, FORWARD], label="q is"),
            apart=widgets.slider(0.0, 8.0, apart, label="distance of the humps"),
        )

    def update(self, peak: tuple[float, float], fit: str, apart: float) -> str:
        log_joint = two_humps(self.on.z, apart)
        q = self._choose(with_peak_at(*peak), fit, log_joint)
        log_q = log_density(q, self.on)
        parts = split(log_joint, log_q, self.on)
        forward = kl(log_joint - log_integral(log_joint, self.on), log_q, self.on)
        self._move(q, log_joint, log_q, parts.elbo.item())
        return (
            f"q = N({q.m:.2f}, {q.s:.2f}²): ELBO {parts.elbo:.3f} + KL(q || p) {parts.kl:.3f} = log p(x) "
            f"{parts.log_p_x:.3f} nats; KL(p || q) {forward:.3f}"
        )

    def _choose(self, q: Gaussian, fit: str, log_joint: Tensor) -> Gaussian:
        if fit == FORWARD:
            return forward_fit(log_joint, self.on)
        return reverse_fit(log_joint, self.on, q) if fit == REVERSE else q

    def _move(self, q: Gaussian, log_joint: Tensor, log_q: Tensor, elbo: float) -> None:
        self.target.set_ydata((log_joint - log_integral(log_joint, self.on))[self.seen].exp())
        self.q.set_ydata(log_q[self.seen].exp())
        self.peak.set_data([q.m.item()], [min(1 / (q.s.item() * math.sqrt(2 * math.pi)), TOP)])
        shown = np.clip(elbo, FLOOR, LOG_P_X)  # a hopeless q has no bar, and the line below still its number
        self.elbo.set_height(shown - FLOOR)
        self.kl.set_y(shown)
        self.kl.set_height(LOG_P_X - shown)
