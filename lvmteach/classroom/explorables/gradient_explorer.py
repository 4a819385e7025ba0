"""Gradient estimators: how they spread around the truth, and how that grows with the dimension.

f(z) = sum_i (z_i - t)^2 under q = N(m, s^2) in each of D dimensions, with m - t = 1 and s = 0.8, where every variance
has a closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lvmteach.gradients import gradient_samples, leave_one_out, reparameterised, score_function

TITLE = "Gradient estimators and the dimension"
M, S, T = 1.5, 0.8, 0.5
KINDS = ("reparameterised", "score function", "constant baseline", "leave-one-out")
DIMENSIONS = 2.0 ** np.arange(7)
NORMALS = 200_000  # drawn for one picture
MOST = 4000  # estimates in it
REACH, BINS = 20, 40  # of the histogram: to either side of the truth


class Values(NamedTuple):
    K: int = 4
    D: int = 8
    kind: str = "score function"


class Result(NamedTuple):
    repeats: int
    mean: float
    counts: np.ndarray  # (BINS,), of the estimates within REACH of the truth
    variance: float
    exact: float
    below: float  # shares of the estimates beyond the histogram
    above: float
    curves: np.ndarray  # (kinds, DIMENSIONS), closed forms


class Given(Normal):
    """A normal whose draws are m + s eps for noise that is given."""

    def __init__(self, loc: Tensor, scale: float, eps: Tensor):
        super().__init__(loc, scale, validate_args=False)
        self.eps = eps

    def expand(self, batch_shape, _instance=None):
        return self

    def rsample(self, sample_shape=torch.Size()):  # noqa: B008
        return self.loc + self.scale * self.eps

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        return self.rsample().detach()


def estimator(kind: str, K: int, eps: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """The surrogate of E f from K draws, as a function of the mean m, (*batch, D); with noise eps, (K, *batch, D)."""

    def q(m: Tensor) -> Independent:
        return Independent(Normal(m, S) if eps is None else Given(m, S, eps), 1)

    def f(z: Tensor) -> Tensor:
        return (z - T).square().sum(-1)

    if kind == "reparameterised":
        return lambda m: reparameterised(f, q(m), K)
    baseline = {"score function": lambda D: None, "leave-one-out": lambda D: leave_one_out}
    constant = baseline.get(kind, lambda D: D * ((M - T) ** 2 + S**2))  # E f
    return lambda m: score_function(f, q(m), K, of_dtype(constant(m.shape[-1]), m))


def of_dtype(baseline: Any, m: Tensor) -> Any:
    """A number as a tensor of m's type: in float32 it would lose digits."""
    return m.new_tensor(baseline) if isinstance(baseline, float) else baseline


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


@cache
def noise() -> Tensor:
    """The stream that JavaScript has too."""
    return torch.from_numpy(np.random.RandomState(6).standard_normal(NORMALS))


def payload() -> dict[str, Any]:
    return {}


def compute(values: Values, data: dict[str, Any]) -> Result:
    K, D, kind = values
    repeats = min(NORMALS // (K * D), MOST)
    eps = noise()[: K * repeats * D].reshape(K, repeats, D)
    with torch.enable_grad():
        means = (torch.full((D,), M, dtype=torch.float64),)
        found = gradient_samples(estimator(kind, K, eps), means, repeats)[0][:, 0].numpy()
    truth = 2 * (M - T)
    counts, edges = np.histogram(found, np.linspace(truth - REACH, truth + REACH, BINS + 1))
    beyond = (found < edges[0]).mean(), (found > edges[-1]).mean()
    curves = np.array([variance(one, DIMENSIONS, K) for one in KINDS])
    return Result(repeats, found.mean(), counts, found.var(ddof=1), variance(kind, D, K), *beyond, curves)


def words(result: Result, values: Values) -> str:
    error = (result.variance / result.repeats) ** 0.5
    return (
        f"{values.kind}, K = {values.K}, D = {values.D}: mean {result.mean:.2f} ± {error:.2f} "
        f"(truth {2 * (M - T):.0f}), variance {result.variance:.3g} (closed form {result.exact:.3g}), "
        f"{result.repeats} estimates"
    )
