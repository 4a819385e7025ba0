"""One factor in the plane: turn its axis by hand, or let EM turn it, and watch the log-likelihood."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_wine
from torch import Tensor

from lvmteach.classroom.explorables.kit import numbers
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

TITLE = "One factor through a cloud"
STILLS = ({"angle": 20.0, "ratio": 1.0, "steps": ""},)


class Values(NamedTuple):
    """w = loading (cos angle, sin angle), psi = noise (ratio, 1 / ratio), and the E and M steps from there."""

    angle: float = 45.0  # degrees
    loading: float = 1.0
    noise: float = 0.5
    ratio: float = 4.0  # of the noise variances, x1 over their geometric mean; 1 is PPCA
    steps: str = "MMMMMMMMMME"


class Result(NamedTuple):
    w: Tensor  # (2,)
    psi: Tensor  # (2,)
    z: Tensor  # (N,), posterior means of the last E step
    log_lik: Tensor  # before the first M step and after each, nats per datum
    fresh: bool  # z belongs to these parameters
    marginal: Tensor  # (3,): variance, covariance, variance of x
    best: float  # the log-likelihood of the best Gaussian


def payload(x: Tensor | None = None, names: tuple[str, str] = ("x₁", "x₂")) -> dict[str, Any]:
    """Points (N, 2) and the names of their columns; by default alcohol and proline of the wines, standardised.

    Raises:
        ValueError: x is not (N, 2).
    """
    if x is None:
        wine, names = load_wine(), ("alcohol", "proline")
        x = torch.tensor(stats.zscore(wine.data)[:, [wine.feature_names.index(name) for name in names]])
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"x must be (N, 2) to be drawn, got {tuple(x.shape)}; choose two columns")
    return {"x": x.double().cpu().numpy(), "names": list(names)}


def start_of(values: Values, mean: Tensor) -> LinearGaussian:
    """The parameters of the sliders."""
    turn = math.radians(values.angle)
    W = values.loading * mean.new_tensor([[math.cos(turn)], [math.sin(turn)]])
    if values.ratio == 1:
        return LinearGaussian(mean, W, mean.new_tensor(values.noise))
    return LinearGaussian(mean, W, values.noise * mean.new_tensor([values.ratio, 1 / values.ratio]))


def compute(values: Values, data: dict[str, Any]) -> Result:
    x = numbers(data["x"])
    of = moments(x)
    params = start_of(values, of.mean)
    z, fresh, trace = posterior(x, params).mean[:, 0], True, [log_likelihood(x, params).mean()]
    for letter in values.steps:
        if letter == "E":
            z, fresh = posterior(x, params).mean[:, 0], True
        else:
            expected, _ = e_step(of, params)
            params = (m_step_fa if params.noise.ndim else m_step_ppca)(of, expected)
            fresh = False
            trace.append(log_likelihood(x, params).mean())
    # With two columns and one factor, W W' + Psi can be any covariance with a noise floor; S itself is the best.
    best = -0.5 * (2 * math.log(2 * math.pi) + np.linalg.slogdet(of.cov.numpy())[1] + 2)
    marginal = covariance(params)[[0, 0, 1], [0, 1, 1]]
    return Result(params.W[:, 0], params.psi, z, torch.stack(trace), fresh, marginal, best)


def words(result: Result, values: Values) -> str:
    w = -result.w if result.w[0] < 0 else result.w  # the axis has no direction
    angle, psi = math.degrees(math.atan2(w[1], w[0])), result.psi
    feet = "" if result.fresh else "; feet of the last E step"
    return (
        f"step {len(result.log_lik) - 1}: log-likelihood {result.log_lik[-1]:.4f} of at most {result.best:.4f} nats "
        f"per datum; axis {angle:.0f} degrees, loading {w.norm():.2f}, noise {psi[0]:.3f} and {psi[1]:.3f}{feet}"
    )


ACTIONS = {
    "E step": lambda values, data: {"steps": values.steps + "E"},
    "M step": lambda values, data: {"steps": values.steps + "M"},
    "10 EM steps": lambda values, data: {"steps": values.steps + 10 * "M" + "E"},
    "Back to the sliders": lambda values, data: {"steps": ""},
}
