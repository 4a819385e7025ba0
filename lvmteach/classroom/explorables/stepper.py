"""EM for a mixture of Gaussians: press E, M, E, M; move a mean with the hand; see where it ends."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.mixtures import (
    Mixture,
    Prior,
    covariance_matrices,
    log_joint,
    log_prior,
    m_step,
    responsibilities,
    sample,
)
from lvmteach.runtime import seeded

TITLE = "EM, half step by half step"


class Values(NamedTuple):
    C: int = 3
    covariance: str = "full"
    prior: bool = False
    seed: int = 3  # of the k-means++ start
    first: tuple[float, ...] = ()  # the means to start from, one after the other, once a hand has moved one
    steps: str = "EMEM"


class Result(NamedTuple):
    weights: Tensor  # (C,)
    means: Tensor  # (C, 2)
    covs: Tensor  # (C, 3): variance, covariance, variance
    q: Tensor  # (N, C), empty before the first E step
    bound: Tensor  # after each half step, nats per datum: the ELBO for the q of the last E step, plus the prior's term
    objective: Tensor  # and what it bounds
    letters: str  # the half steps that were taken
    collapsed: str  # what stopped EM


def payload(x: Tensor | None = None) -> dict[str, Any]:
    """Points (N, 2); by default those of notebook 03, three clouds and one point far from all.

    Raises:
        ValueError: x is not (N, 2).
    """
    if x is None:
        clouds = Mixture(
            weights=torch.tensor([0.4, 0.35, 0.25]),
            means=torch.tensor([[-2.0, -0.5], [1.0, 1.8], [2.5, -1.5]]),
            covariances=torch.tensor(
                [[[1.2, 0.9], [0.9, 1.0]], [[0.8, -0.5], [-0.5, 0.6]], [[0.25, 0.0], [0.0, 0.25]]]
            ),
        )
        with seeded(1):
            x = torch.cat([sample(clouds, 300).x, torch.tensor([[-5.0, 4.0]])])
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"x must be (N, 2) to be drawn, got {tuple(x.shape)}; choose two columns")
    return {"x": x.cpu().numpy()}


def compute(values: Values, data: dict[str, Any]) -> Result:
    x = numbers(data["x"])
    C, spread = values.C, x.var(0).mean().item()
    prior = Prior(points=5.0, variance=spread / 25) if values.prior else None
    variance = x.new_full((C, 2), spread / C)
    shapes = {"full": torch.diag_embed(variance), "diagonal": variance, "spherical": variance[:, 0]}
    params, q, trace, collapsed = (
        Mixture(x.new_full((C,), 1 / C), first_of(values, x), shapes[values.covariance]),
        None,
        [],
        "",
    )
    for letter in values.steps:
        if collapsed or (letter == "M" and q is None):
            continue
        if letter == "E":
            q = responsibilities(x, params)
        else:
            try:
                params = m_step(x, q, covariance=values.covariance, prior=prior)
            except FloatingPointError as problem:
                collapsed = str(problem).partition(":")[0]
                continue
        joint = log_joint(x, params)
        extra = 0.0 if prior is None else float(log_prior(params, prior)) / len(x)
        # ELBO: sum_c q_c log p(x, c), plus the entropy of q.
        bound = (q * joint + torch.special.entr(q)).sum(1).mean().item()
        trace.append((letter, bound + extra, joint.logsumexp(1).mean().item() + extra))
    covs = covariance_matrices(params)
    covs = torch.stack([covs[:, 0, 0], covs[:, 0, 1], covs[:, 1, 1]], 1)
    bounds, objectives = (x.new_tensor([half[i] for half in trace]) for i in (1, 2))
    letters = "".join(half[0] for half in trace)
    return Result(
        params.weights, params.means, covs, x.new_zeros(0) if q is None else q, bounds, objectives, letters, collapsed
    )


def first_of(values: Values, x: Tensor) -> Tensor:
    """The means (C, 2) that EM starts from."""
    if len(values.first) == 2 * values.C:
        return numbers(values.first).reshape(values.C, 2)
    return x[seeds(x, values.C, values.seed)]


def seeds(x: Tensor, C: int, seed: int) -> list[int]:
    """k-means++ as `mixtures.seeds` has it, from a stream that JavaScript has too; the rows' numbers."""
    stream = np.random.RandomState(seed)
    chosen = [min(int(stream.random_sample() * len(x)), len(x) - 1)]
    squared = (x - x[chosen[0]]).square().sum(1)
    while len(chosen) < C:
        draws = np.array([stream.random_sample() for _ in range(2 + int(math.log(C)))])
        rows = np.searchsorted(squared.cumsum(0).numpy(), draws * squared.sum().item(), side="right").clip(
            max=len(x) - 1
        )
        left = torch.stack([torch.minimum(squared, (x - x[row]).square().sum(1)) for row in rows])
        best = int(left.sum(1).argmin())
        chosen.append(int(rows[best]))
        squared = left[best]
    return chosen


def words(result: Result, values: Values) -> str:
    head = f"C = {values.C}, {values.covariance}, {'with' if values.prior else 'no'} prior: "
    if result.collapsed:
        return f"{head}{result.collapsed}. Choose the prior, or move a mean"
    if not result.letters:
        return f"{head}press E"
    bound, gap = result.bound[-1], max(result.objective[-1] - result.bound[-1], 0.0)
    half = f"half step {len(result.letters)} ({result.letters[-1]})"
    return f"{head}{half}, bound {bound:.4f}, gap {gap:.4f} nats per datum"


def move_mean(values: Values, data: dict[str, Any], c: int, place: list[float]) -> dict[str, Any]:
    first = first_of(values, numbers(data["x"])).tolist()
    first[c] = place
    return {"first": [v for mean in first for v in mean], "steps": ""}


ACTIONS = {
    "E step": lambda values, data: {"steps": values.steps + "E"},
    "M step": lambda values, data: {"steps": values.steps + "M"},
    "10 times E, M": lambda values, data: {"steps": values.steps + 10 * "EM"},
    "Same start": lambda values, data: {"steps": ""},
    "New start": lambda values, data: {"seed": values.seed + 1, "first": [], "steps": ""},
    "mean": move_mean,
}
