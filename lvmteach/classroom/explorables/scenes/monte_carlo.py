"""Explore importance sampling: move the proposal, see the weights, their effective number, and the estimate settle.

In a notebook, two cells:

    explorer = monte_carlo.ProposalExplorer()
    widgets.key_frame(explorer, alt="Target, proposal, weights and running estimate", mean=4.0, scale=1.0, problem=TAIL)

    explorer.live()
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import Normal

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.figures import plots
from lvmteach.integrals import ess

K = 1000
BAND = 1.96  # standard errors to either side: 95 % of a normal
VIEW = (-6.0, 9.0)
FLAT = 4  # decades of weight shown to either side of the best


class Problem(NamedTuple):
    """I = P(z > above) under p(z), an equal mixture of normals of one scale."""

    name: str
    means: tuple[float, ...]
    scale: float
    above: float

    def log_p(self, z: Tensor) -> Tensor:
        parts = Normal(torch.tensor(self.means, dtype=z.dtype), self.scale).log_prob(z[..., None])
        return parts.logsumexp(-1) - math.log(len(self.means))

    def truth(self) -> float:
        return float(np.mean(stats.norm.sf(self.above, self.means, self.scale)))

    def log_terms(self, z: Tensor, q: Normal) -> Tensor:
        """log of w f / I: zero everywhere for the best proposal, -inf where f is zero."""
        terms = self.log_p(z) - q.log_prob(z) - math.log(self.truth())
        return terms.masked_fill(z <= self.above, -math.inf)

    def relative_variance(self, mean: float, scale: float) -> float:
        """V_q[w f] / I^2 in closed form for q = N(mean, scale^2); infinite if q is too narrow.

        p^2 / q is a sum of Gaussian bells, one for each pair of p's parts; each is integrated beyond `above`.
        """
        a, b = (np.array(part).ravel() for part in np.meshgrid(self.means, self.means))
        precision = 2 / self.scale**2 - 1 / scale**2
        if precision <= 0:
            return math.inf
        centre = ((a + b) / self.scale**2 - mean / scale**2) / precision
        height = (a**2 + b**2) / self.scale**2 - mean**2 / scale**2 - precision * centre**2
        log_bell = math.log(scale / self.scale**2 / math.sqrt(precision)) - height / 2
        with np.errstate(over="ignore"):
            moment = np.exp(log_bell + stats.norm.logsf(self.above, centre, precision**-0.5)).mean()
        # Where q is best, rounding may fall below zero.
        return max(0.0, float(moment / self.truth() ** 2 - 1))


MASS = Problem("total mass of N(0, 1)", (0.0,), 1.0, -math.inf)
TAIL = Problem("P(z > 4)", (0.0,), 1.0, 4.0)
HUMPS = Problem("total mass of two humps", (-2.0, 4.0), 0.7, -math.inf)
PROBLEMS = (MASS, TAIL, HUMPS)


class ProposalExplorer:
    """Left, target, proposal and best proposal above the terms that are averaged; right, the running estimate.

    A thousand draws z = mean + scale * eps, with the same eps while the proposal moves, so that a change of
    the picture is the proposal's doing. Terms are shown relative to the true integral: all at 1 is zero variance.
    """

    def __init__(self):
        self.fig, axes = plots.figure(2, 2, size=(12.0, 6.4), width_ratios=(1.15, 1), sharex="col")
        axes[0, 1].remove(), axes[1, 1].remove()
        self.z = np.linspace(*VIEW, 401)
        self.k = np.unique(np.geomspace(2, K, 150).astype(int))
        self._make_densities(axes[0, 0])
        self._make_terms(axes[1, 0])
        self.fig.get_layout_engine().set(wspace=0.06)
        self._make_running(self.fig.add_subplot(axes[0, 1].get_gridspec()[:, 1]))
        self.moving = [self.best, self.target, self.proposal, self.curve, self.dots, self.band, self.line]
        self.seed = 1
        self.draw_anew()

    def live(self, mean: float = 0.0, scale: float = 1.0, problem: Problem = MASS) -> widgets.Exploration:
        """Choose the integral, slide the proposal's mean and scale, draw new samples."""
        return widgets.explore(
            self,
            widgets.button("New samples", self.draw_anew),
            problem=widgets.choice([(one.name, one) for one in PROBLEMS], problem, label="integral"),
            mean=widgets.slider(-4.0, 7.0, mean, step=0.1, label="proposal's mean"),
            scale=widgets.slider(0.3, 4.0, scale, step=0.05, label="proposal's scale"),
        )

    def draw_anew(self) -> None:
        """Another thousand standard normals."""
        # A stream of its own: the cell that trains meanwhile must not notice.
        self.seed += 1
        self.eps = torch.randn(K, dtype=torch.float64, generator=torch.Generator().manual_seed(self.seed))

    def update(self, mean: float, scale: float, problem: Problem = MASS) -> str:
        q = Normal(torch.tensor(mean, dtype=torch.float64), scale)
        z = q.loc + q.scale * self.eps
        log_terms = problem.log_terms(z, q)
        self._move_densities(problem, q)
        self._move_terms(problem, q, z, log_terms)
        value, std_err = self._move_running(log_terms.exp().numpy())
        exact = math.sqrt(problem.relative_variance(mean, scale) / K)
        count = ess(log_terms).nan_to_num(0.0).item()
        return (
            f"estimate / truth = {value:.3f} ± {std_err:.2g}; effective draws {count:.0f} of {K}; "
            f"the true standard error is {_words(exact)}"
        )

    def _make_densities(self, ax) -> None:
        self.best = ax.fill_between(
            self.z, 0 * self.z, color=plots.GREEN, alpha=0.3, lw=0, label="best proposal, f p / I"
        )
        (self.target,) = ax.plot(self.z, 0 * self.z, color=plots.BLUE, label="target p")
        (self.proposal,) = ax.plot(self.z, 0 * self.z, "--", color=plots.ORANGE, label="proposal q")
        ax.set(ylabel="density", ylim=(0, 1.15), xlim=VIEW)
        ax.legend(loc="upper left", fontsize=11)

    def _make_terms(self, ax) -> None:
        ax.axhline(0, color=plots.BLACK, lw=1, ls=":")
        (self.curve,) = ax.plot(self.z, 0 * self.z, color=plots.GREY, lw=1.5)
        (self.dots,) = ax.plot([], [], "o", ms=4, color=plots.ORANGE, alpha=0.5, mew=0)
        ax.set(xlabel="z", ylabel="term w f / I", ylim=(-FLAT, FLAT))
        ax.set_yticks([-4, -2, 0, 2, 4], ["0", "$10^{-2}$", "1", "$10^2$", "$10^4$"])

    def _make_running(self, ax) -> None:
        self.band = ax.fill_between(
            self.k, 0 * self.k, color=plots.SKY, alpha=0.4, lw=0, label="± 1.96 standard errors"
        )
        (self.line,) = ax.plot(self.k, 0 * self.k, color=plots.BLUE, label="estimate")
        ax.axhline(1, color=plots.BLACK, ls="--", lw=1.5, label="truth")
        ax.set(xscale="log", xlabel="draws", ylabel="estimate / truth", xlim=(2, K), ylim=(0, 2.2))
        ax.legend(loc="upper right", fontsize=11)

    def _move_densities(self, problem: Problem, q: Normal) -> None:
        z = torch.from_numpy(self.z)
        p = problem.log_p(z).exp().numpy()
        self.target.set_ydata(p)
        self.proposal.set_ydata(q.log_prob(z).exp().numpy())
        best = np.where(self.z > problem.above, p, 0) / problem.truth()
        # A bell beyond the top of the picture is scaled down: its place is what matters.
        _move_band(self.best, self.z, 0 * self.z, best / max(1, best.max() / 1.1))

    def _move_terms(self, problem: Problem, q: Normal, z: Tensor, log_terms: Tensor) -> None:
        curve = problem.log_terms(torch.from_numpy(self.z), q).numpy() / math.log(10)
        self.curve.set_ydata(np.where(np.isfinite(curve), curve, np.nan))
        heights = (log_terms / math.log(10)).clamp(-FLAT, FLAT - 0.1)  # beyond the edge, on the edge
        self.dots.set_data(z.numpy(), heights.numpy())

    def _move_running(self, terms: np.ndarray) -> tuple[float, float]:
        k = self.k
        mean = terms.cumsum()[k - 1] / k
        squares = (terms**2).cumsum()[k - 1] - k * mean**2
        std_err = np.sqrt(np.maximum(squares, 0) / (k - 1) / k)
        self.line.set_ydata(mean)
        _move_band(self.band, k, mean - BAND * std_err, mean + BAND * std_err)
        return mean[-1], std_err[-1]


def _move_band(band, x, low, high) -> None:
    band.set_verts([np.column_stack([np.append(x, x[::-1]), np.append(low, high[::-1])])])


def _words(std_err: float) -> str:
    return "infinite" if std_err == math.inf else f"{std_err:.2g}"
