"""Importance sampling: move the proposal; see the weights, their effective number, and the estimate settle.

A thousand draws z = mean + scale * eps, with the same eps while the proposal moves, so that a change of the picture is
the proposal's doing. Terms are relative to the true integral: all at 1 is zero variance.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import Normal

from lvmteach.integrals import ess

TITLE = "Importance sampling"
K = 1000
STILLS = ({"problem": 2, "mean": -2.0, "scale": 0.7},)


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
DRAWN = np.unique(np.geomspace(2, K, 150).astype(int))


class Values(NamedTuple):
    mean: float = 4.0
    scale: float = 1.0
    problem: int = 1  # of PROBLEMS
    seed: int = 0


class Result(NamedTuple):
    z: Tensor  # (K,)
    log_terms: Tensor  # (K,), log of w f / I
    value: Tensor  # running mean of w f / I at the draws DRAWN
    error: Tensor  # its standard error
    ess: Tensor
    exact: float  # the true standard error at K draws


def payload() -> dict[str, Any]:
    return {}


def compute(values: Values, data: dict[str, Any]) -> Result:
    problem, q = PROBLEMS[values.problem], Normal(torch.tensor(values.mean, dtype=torch.float64), values.scale)
    z = q.loc + q.scale * torch.from_numpy(np.random.RandomState(values.seed).standard_normal(K))
    log_terms, k = problem.log_terms(z, q), torch.from_numpy(DRAWN)
    terms = log_terms.exp()
    value = terms.cumsum(0)[k - 1] / k
    squares = terms.square().cumsum(0)[k - 1] - k * value**2
    error = (squares.clamp(min=0) / (k - 1) / k).sqrt()
    exact = math.sqrt(problem.relative_variance(values.mean, values.scale) / K)
    return Result(z, log_terms, value, error, ess(log_terms).nan_to_num(0.0), exact)


def words(result: Result, values: Values) -> str:
    exact = "infinite" if result.exact == math.inf else f"{result.exact:.2g}"
    return (
        f"estimate / truth = {result.value[-1]:.3f} ± {result.error[-1]:.2g}; effective draws {result.ess:.0f} of {K}; "
        f"the true standard error is {exact}"
    )


def new_samples(values: Values, data: dict[str, Any]) -> dict[str, Any]:
    return {"seed": values.seed + 1}


ACTIONS = {"New samples": new_samples}
