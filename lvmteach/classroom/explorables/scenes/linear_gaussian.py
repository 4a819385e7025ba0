"""Live demo of one factor in the plane: turn its axis by hand, or let EM turn it, and watch the log-likelihood.

In a notebook, two cells:

    geometry = linear_gaussian.Geometry(x)
    widgets.key_frame(geometry, alt="Points, latent axis, noise and marginal ellipses", angle=20.0, loading=1.0)

    geometry.live()
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from torch import Tensor

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.figures import plots
from lvmteach.linear_gaussian import (
    LinearGaussian,
    covariance,
    e_step,
    log_likelihood,
    m_step_fa,
    m_step_ppca,
    moments,
    posterior,
)

TICKS = np.arange(-2, 3)  # values of z marked on the latent axis
WINDOW = 20  # EM steps that the trace shows at first
BELOW = 1.5  # nats per datum shown below the maximum


class Settings(NamedTuple):
    """Parameters as the sliders give them: w = loading (cos angle, sin angle), psi = noise (ratio, 1 / ratio)."""

    angle: float  # degrees
    loading: float
    noise: float
    ratio: float  # of the noise variances, x1 over their geometric mean; 1 is PPCA

    def params(self, mean: Tensor) -> LinearGaussian:
        turn = math.radians(self.angle)
        W = self.loading * mean.new_tensor([[math.cos(turn)], [math.sin(turn)]])
        if self.ratio == 1:
            return LinearGaussian(mean, W, mean.new_tensor(self.noise))
        return LinearGaussian(mean, W, self.noise * mean.new_tensor([self.ratio, 1 / self.ratio]))


class Geometry:
    """A latent axis through a cloud of points, the ellipses of noise and marginal; and the log-likelihood of each step.

    geometry = linear_gaussian.Geometry(x)
    geometry.live()

    Left, the line mu + w z with z = -2 .. 2 marked; every point is tied to where its posterior mean lies on the line.
    Ellipses are two standard deviations out: of the noise around mu (dashed), and of x (full). Right, the
    log-likelihood after each EM step, and the best that any Gaussian can do. The sliders choose where EM starts.

    Args:
        x: data (N, 2).
        names: of the two columns.
    """

    def __init__(self, x: Tensor, names: tuple[str, str] = ("x₁", "x₂")):
        if x.ndim != 2 or x.shape[1] != 2:
            raise ValueError(f"x must be (N, 2) to be drawn, got {tuple(x.shape)}; choose two columns")
        self.x = x.double()
        self.moments = moments(self.x)
        # With two columns and one factor, W W' + Psi can be any covariance with a noise floor; S itself is the best.
        _, log_det = np.linalg.slogdet(self.moments.cov.numpy())
        self.best = -0.5 * (2 * math.log(2 * math.pi) + log_det + 2)
        self.fig, (self.plane, self.right) = plots.figure(1, 2, size=(13, 5.4), width_ratios=[1.15, 1])
        self._make_plane(self.plane, names)
        self._make_trace(self.right)
        self.moving = [self.ties, self.feet, self.axis, self.marks, self.noise, self.marginal, self.trace]
        self.settings = Settings(20.0, 1.0, 0.5, 1.0)
        self.start_again()

    def update(self, angle: float = 20.0, loading: float = 1.0, noise: float = 0.5, ratio: float = 1.0) -> str:
        settings = Settings(angle, loading, noise, ratio)
        if settings != self.settings:
            self.settings = settings
            self.start_again()
        self._draw_plane()
        self._draw_trace()
        return self._words()

    def live(self, angle: float = 20.0) -> widgets.Exploration:
        """Sliders for the start, buttons for EM."""
        return widgets.explore(
            self,
            widgets.button("E step", self.e_step),
            widgets.button("M step", self.m_step),
            widgets.button("10 EM steps", self.run),
            widgets.button("Back to the sliders", self.start_again),
            angle=widgets.slider(-90.0, 90.0, angle, step=5.0, label="axis, degrees"),
            loading=widgets.slider(0.1, 1.5, 1.0, step=0.05, label="loading |w|"),
            noise=widgets.slider(0.05, 1.0, 0.5, step=0.05, label="noise variance"),
            ratio=widgets.ladder((0.25, 0.5, 1.0, 2.0, 4.0), 1.0, label="noise ratio (1: PPCA)"),
        )

    def start_again(self) -> None:
        """The parameters of the sliders, before any step."""
        self.params = self.settings.params(self.moments.mean)
        self.log_lik = [self._log_lik()]
        self.e_step()

    def e_step(self) -> None:
        """Put every point's foot at its posterior mean."""
        self.z = posterior(self.x, self.params).mean[:, 0]
        self.fresh = True

    def m_step(self) -> None:
        """Regress the points on their feet, posterior variance included."""
        expected, _ = e_step(self.moments, self.params)
        m_step = m_step_fa if self.params.noise.ndim else m_step_ppca
        self.params = m_step(self.moments, expected)
        self.log_lik.append(self._log_lik())
        self.fresh = False  # z belongs to the parameters before

    def run(self, steps: int = 10) -> None:
        """Ten times E and M, and an E step to end."""
        for _ in range(steps):
            self.m_step()
        self.e_step()

    def _log_lik(self) -> float:
        return log_likelihood(self.x, self.params).mean().item()

    def _words(self) -> str:
        W = self.params.W[:, 0]
        if W[0] < 0:
            W = -W  # the axis has no direction
        angle, psi = math.degrees(math.atan2(W[1], W[0])), self.params.psi
        feet = "" if self.fresh else "; feet of the last E step"
        return (
            f"step {len(self.log_lik) - 1}: log-likelihood {self.log_lik[-1]:.4f} of at most {self.best:.4f} nats per "
            f"datum; axis {angle:.0f} degrees, loading {W.norm():.2f}, noise {psi[0]:.3f} and {psi[1]:.3f}{feet}"
        )

    def _make_plane(self, ax: Axes, names: tuple[str, str]) -> None:
        reach = (self.x - self.moments.mean).abs().max().item() * 1.08
        centre = self.moments.mean.tolist()
        ax.scatter(*self.x.T, 26, plots.BLUE, linewidths=0, alpha=0.75, label="x")
        self.ties = ax.add_collection(LineCollection([], colors=plots.GREY, linewidths=0.9, alpha=0.7))
        (self.axis,) = ax.plot([], [], "-", color=plots.ORANGE, lw=2, label="mu + w z")
        (self.marks,) = ax.plot([], [], "|", color=plots.BLACK, ms=13, mew=2, label="z = -2, -1, 0, 1, 2")
        (self.feet,) = ax.plot([], [], "D", color=plots.RED, ms=3.5, mew=0, label="at E[z | x]")
        self.noise = plots.ellipse(ax, [0, 0], np.eye(2), color=plots.GREY, linestyle="--", label="noise")
        self.marginal = plots.ellipse(ax, [0, 0], np.eye(2), color=plots.GREEN, label="marginal of x")
        ax.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] - reach, centre[1] + reach))
        ax.set(xlabel=names[0], ylabel=names[1], title="one factor", aspect="equal")
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=11)

    def _make_trace(self, ax: Axes) -> None:
        ax.axhline(self.best, color=plots.BLACK, ls="--", lw=1.5, label="best Gaussian")
        (self.trace,) = ax.plot([], [], "o-", color=plots.BLUE, ms=5, label="log-likelihood")
        ax.set(xlim=(-0.5, WINDOW + 0.5), ylim=(self.best - BELOW, self.best + 0.1))
        ax.set(xlabel="EM step", ylabel="nats per datum", title="EM never descends")
        ax.legend(loc="lower right")

    def _draw_plane(self) -> None:
        mu, w, _ = (part.numpy() for part in self.params)
        w = w[:, 0]
        feet = mu + self.z.numpy()[:, None] * w
        self.feet.set_data(*feet.T)
        self.ties.set_segments(np.stack([self.x.numpy(), feet], 1))
        self.axis.set_data(*(mu + np.array([[-2.6], [2.6]]) * w).T)
        self.marks.set_data(*(mu + TICKS[:, None] * w).T)
        # The marks cross the axis at a right angle.
        across = math.degrees(math.atan2(w[1], w[0]))
        self.marks.set_marker((2, 0, across))
        plots.move_ellipse(self.noise, mu, np.diag(self.params.psi.numpy()))
        plots.move_ellipse(self.marginal, mu, covariance(self.params).numpy())

    def _draw_trace(self) -> None:
        # Beyond the lower edge, on it.
        shown = np.maximum(self.log_lik, self.best - BELOW + 0.05)
        self.trace.set_data(range(len(shown)), shown)
        last = max(WINDOW, len(shown) - 1)
        if self.right.get_xlim()[1] != last + 0.5:
            self.right.set_xlim(-0.5, last + 0.5)
