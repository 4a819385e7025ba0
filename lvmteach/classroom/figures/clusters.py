"""Points in the plane coloured by responsibility, and the Gaussians that answer for them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from torch import Tensor

from lvmteach.classroom.figures import plots
from lvmteach.mixtures import Mixture, covariance_matrices

COLOURS = np.array([to_rgb(name) for name in (plots.BLUE, plots.ORANGE, plots.GREEN, plots.RED, plots.PURPLE)])
UNKNOWN = to_rgb("#BBBBBB")  # a point that no component answers for yet


def blend(r: Float[Tensor, "N C"] | None, N: int) -> np.ndarray:
    """Colours (N, 3) of points: those of the components, mixed by responsibility; grey before there are any."""
    if r is None:
        return np.tile(UNKNOWN, (N, 1))
    return (plots.array(r) @ COLOURS[: r.shape[1]]).clip(0, 1)


def draw(
    ax: Axes,
    x: Float[Tensor, "N 2"],
    params: Mixture | None = None,
    r: Float[Tensor, "N C"] | None = None,
    title: str = "",
) -> None:
    """Points coloured by responsibility, means as crosses, ellipses of two standard deviations."""
    ax.scatter(*plots.array(x).T, 16, blend(r, len(x)), linewidths=0)
    if params is not None:
        for c, (mean, cov) in enumerate(zip(params.means, covariance_matrices(params), strict=True)):
            colour = COLOURS[c % len(COLOURS)]
            ax.scatter(*plots.array(mean), 150, colour[None], marker="X", edgecolors="black", zorder=4)
            plots.ellipse(ax, mean, cov, color=colour, zorder=3)
    ax.set(xlabel="x₁", ylabel="x₂", title=title)
