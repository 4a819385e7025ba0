"""A log-linear model with latent classes, over a set of outcomes small enough to write down.

    p(z = c) = pi_c,    p(x | z = c, w) = exp(w_c . f(x)) / sum_x' exp(w_c . f(x')),    p(x) = sum_c pi_c p(x | c)

| on paper | in code | shape |
|---|---|---|
| all outcomes x, their features f(x) | features | M x F |
| how often each outcome was seen | counts | M |
| log pi, w | params.log_pi, params.w | C, C x F |
| p(z = c given x) | responsibilities(params, features) | M x C |

Everything is a sum over the M outcomes, so likelihood, posterior and gradient are exact. The data enter through their
counts alone. The M step has no closed form for w: it climbs, and any rise will do (generalised EM).

Source: Berger, Della Pietra and Della Pietra 1996 (log-linear models); Dempster, Laird and Rubin 1977, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.em import EMFit, em


class LogLinear(NamedTuple):
    """Class log-probabilities, and a weight for every class and feature."""

    log_pi: Float[Tensor, " C"]
    w: Float[Tensor, "C F"]


class Expected(NamedTuple):
    """Expected counts, as shares of the data: of each class, and of each feature within each class."""

    classes: Float[Tensor, " C"]
    features: Float[Tensor, "C F"]
    params: LogLinear  # of which these are the expectations


def binary_outcomes(D: int) -> Float[Tensor, "M D"]:
    """All M = 2^D binary vectors, (M, D) float64, in counting order.

    Raises:
        ValueError: D < 1, or more than 16 bits to write down.
    """
    if not 1 <= D <= 16:
        raise ValueError(f"D must be between 1 and 16 to write down all 2^D outcomes, got {D}")
    bits = torch.arange(D - 1, -1, -1)
    return (torch.arange(2**D)[:, None] >> bits & 1).double()


@as_annotated
def pair_features(x: Float[Tensor, "M D"]) -> Float[Tensor, "M F"]:
    """The entries of x and the products of every two of them, (M, D + D (D - 1) / 2)."""
    i, j = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device)
    return torch.cat([x, x[:, i] * x[:, j]], 1)


@as_annotated
def neighbour_features(x: Float[Tensor, "M D"], shape: tuple[int, int]) -> Float[Tensor, "M F"]:
    """The entries of x, images of `shape`, and the products of every two that touch, across or down.

    Raises:
        ValueError: the images of that shape do not have D entries.
    """
    rows, cols = shape
    if rows * cols != x.shape[1]:
        raise ValueError(f"images of {rows} x {cols} have {rows * cols} entries, got D = {x.shape[1]}")
    grid = x.reshape(-1, rows, cols)
    across, down = grid[:, :, 1:] * grid[:, :, :-1], grid[:, 1:] * grid[:, :-1]
    return torch.cat([x, across.flatten(1), down.flatten(1)], 1)


@as_annotated
def free_parameters(C: int, F: int) -> int:
    """How many numbers the model has to choose: C - 1 class probabilities and a weight for each class and feature."""
    return C - 1 + C * F


@as_annotated
def log_given_class(params: LogLinear, features: Float[Tensor, "M F"]) -> Float[Tensor, "M C"]:
    """log p(x | z = c) of every outcome, in nats."""
    return (features @ params.w.T).log_softmax(0)


@as_annotated
def log_joint(params: LogLinear, features: Float[Tensor, "M F"]) -> Float[Tensor, "M C"]:
    """log p(x, z = c) of every outcome and class, in nats."""
    return log_given_class(params, features) + params.log_pi


@as_annotated
def log_marginal(params: LogLinear, features: Float[Tensor, "M F"]) -> Float[Tensor, " M"]:
    """log p(x) of every outcome, in nats; their exponentials sum to one."""
    return log_joint(params, features).logsumexp(1)


@as_annotated
def responsibilities(params: LogLinear, features: Float[Tensor, "M F"]) -> Float[Tensor, "M C"]:
    """p(z = c | x) of every outcome."""
    return log_joint(params, features).softmax(1)


@as_annotated
def e_step(
    data: tuple[Float[Tensor, "M F"], Float[Tensor, " M"]],
    params: LogLinear,
    assign: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Expected, Tensor]:
    """Expected counts under p(z|x), and the log-likelihood in nats per datum.

    Args:
        data: features (M, F) and the share of the data at each outcome, (M,), which sum to one.
        assign: replaces the responsibilities (M, C) by others: `hard` for one class an outcome, `sampled` for draws.
    """
    features, shares = data
    q = responsibilities(params, features)
    weighted = (assign(q) if assign else q) * shares[:, None]
    expected = Expected(weighted.sum(0), weighted.T @ features, params)
    return expected, shares @ log_marginal(params, features)


@as_annotated
def hard(q: Float[Tensor, "M C"]) -> Float[Tensor, "M C"]:
    """All of an outcome to its most probable class: hard EM, which climbs another function than log p(x)."""
    return torch.nn.functional.one_hot(q.argmax(1), q.shape[1]).to(q)


@as_annotated
def sampled(q: Float[Tensor, "M C"], counts: Float[Tensor, " M"] | None = None) -> Float[Tensor, "M C"]:
    """Each datum to one class drawn from its posterior: stochastic EM. Use as `partial(sampled, counts=counts)`.

    Args:
        counts: data at each outcome; one each if not given, which is coarser where many data share an outcome.

    Returns:
        Of each outcome's data the share that went to each class; zero for outcomes that were never seen.

    Source: Celeux and Diebolt 1985.
    """
    counts = torch.ones_like(q[:, 0]) if counts is None else counts
    outcome = torch.arange(len(q), device=q.device).repeat_interleave(counts.long())
    drawn = torch.multinomial(q[outcome], 1).squeeze(1)
    table = torch.bincount(outcome * q.shape[1] + drawn, minlength=q.numel()).reshape(q.shape)
    return table.to(q) / counts.clamp(min=1)[:, None]


@as_annotated
def w_gradient(params: LogLinear, features: Float[Tensor, "M F"], expected: Expected) -> Float[Tensor, "C F"]:
    """Gradient for w of the expected log p(x, z), per datum: features counted in the data minus those of the model.

    At the parameters the expectations were taken under, this is also the gradient of the log-likelihood (Fisher's
    identity). At the maximum the two counts agree.
    """
    under_model = log_given_class(params, features).exp().T @ features
    return expected.features - expected.classes[:, None] * under_model


@as_annotated
def m_step(data: tuple[Float[Tensor, "M F"], Float[Tensor, " M"]], expected: Expected, climbs: int = 20) -> LogLinear:
    """pi in closed form; w by `climbs` gradient steps, each of which raises the expected log p(x, z).

    A step of 1 / B^2, where no two outcomes' features are further apart than 2 B, cannot overshoot: the Hessian of
    log Z_c is a covariance of features, so at most B^2.
    """
    features, _ = data
    log_pi = expected.classes.clamp(min=torch.finfo(features.dtype).tiny).log()
    centre = (features.amax(0) + features.amin(0)) / 2
    step = 1 / (features - centre).square().sum(1).max()
    params = LogLinear(log_pi, expected.params.w)
    for _ in range(climbs):
        slope = w_gradient(params, features, expected) / expected.classes.clamp(min=1e-300)[:, None]
        params = params._replace(w=params.w + step * slope)
    return params


@as_annotated
def random_start(features: Float[Tensor, "M F"], C: int) -> LogLinear:
    """Equal classes and small random weights: equal weights would keep all classes equal for ever."""
    if C < 1:
        raise ValueError(f"C must be at least 1, got {C}")
    w = 0.5 * torch.randn(C, features.shape[1], dtype=features.dtype, device=features.device)
    return LogLinear(torch.full_like(w[:, 0], -math.log(C)), w)


@as_annotated
def fit_loglinear(
    counts: Real[Tensor, " M"],
    features: Float[Tensor, "M F"],
    C: int,
    *,
    start: LogLinear | None = None,
    climbs: int = 20,
    max_steps: int = 2000,
    tol: float = 1e-9,
) -> EMFit:
    """Fit by generalised EM; the log-likelihood, in nats per datum, never falls.

    Args:
        counts: how often each of the M outcomes was seen.
        features: f(x) of each outcome.
        C: number of classes; 1 is the plain log-linear model, fitted by gradient ascent.
        start: where to start; by default `random_start`.
        climbs: gradient steps in each M step.

    Raises:
        ValueError: counts or features are not finite, counts are negative or all zero, the shapes of counts, features
            and start do not match.
    """
    shares = _shares(counts, features)
    start = random_start(features, C) if start is None else start
    if start.w.shape != (C, features.shape[1]):
        raise ValueError(
            f"start must hold C = {C} classes of F = {features.shape[1]} weights each, got {tuple(start.w.shape)}"
        )
    return em((features, shares), start, e_step, partial(m_step, climbs=climbs), max_steps=max_steps, tol=tol)


@as_annotated
def outcome_counts(x: Int[Tensor, " N"], M: int) -> Float[Tensor, " M"]:
    """How often each of M outcomes occurs among N indices."""
    return torch.bincount(x, minlength=M).double()


def _shares(counts: Tensor, features: Tensor) -> Tensor:
    if counts.ndim != 1 or features.ndim != 2 or len(counts) != len(features):
        raise ValueError(
            f"counts must be (M,) and features (M, F), one row an outcome, got {tuple(counts.shape)} and "
            f"{tuple(features.shape)}; `outcome_counts` turns indices into counts"
        )
    if not (counts.isfinite().all() and features.isfinite().all()):
        raise ValueError("counts and features must be finite, got NaN or infinity; leave those outcomes out")
    if (counts < 0).any() or counts.sum() == 0:
        raise ValueError(f"counts must be >= 0 and not all zero, got {counts.min():g} to {counts.max():g}")
    return counts / counts.sum()
