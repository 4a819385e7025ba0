"""Integrals by sampling: Monte Carlo, importance sampling, and the algebra of log weights.

Throughout, the K samples are the first axis, and a weight is carried as its logarithm (nats).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least


class Estimate(NamedTuple):
    """An estimate and its standard error, both of the same shape and in the same units."""

    value: Tensor
    std_err: Tensor

    def __str__(self) -> str:
        if self.value.ndim:
            return f"{self.value} ± {self.std_err}"
        return f"{self.value:.6g} ± {self.std_err:.2g}"


@as_annotated
def monte_carlo(f: Callable[[Tensor], Tensor], p: Distribution, K: int) -> Estimate:
    """E_p[f(z)] by the mean of f over K independent draws from p.

    Unbiased, with variance V_p[f] / K; the standard error puts the sample variance (divided by K - 1) for V_p[f].

    Args:
        f: takes z with its samples first, (K, ...), and returns (K, *out); True and False count as 1 and 0.
        p: the distribution to draw from.
        K: number of draws, at least 2 (one draw says nothing about its own error).

    Returns:
        value and std_err of shape (*out).

    Raises:
        TypeError: K is no whole number, or f returns no tensor.
        ValueError: K < 2; f averages over its samples; f(z) is NaN somewhere.
    """
    at_least(2, K=K)  # one draw has no standard error
    z = p.sample((K,))
    return _mean(_refuse_nan(_one_value_a_sample(f, z), z, "f(z)"))


@as_annotated
def importance(
    f: Callable[[Tensor], Tensor],
    log_p: Callable[[Tensor], Tensor],
    q: Distribution,
    K: int,
    self_normalised: bool = False,
) -> Estimate:
    """E_p[f(z)] from K draws of another distribution q, each weighted by w = p(z) / q(z).

    The plain estimate, mean of w f, is unbiased wherever q covers the support of f p; its variance is V_q[w f] / K
    and may be infinite, and then the standard error means nothing. With `self_normalised`, the weights are divided
    by their sum: p may lack its normalising constant, at the price of a bias of order 1/K. Its standard error
    is the delta method's, near zero when one draw has all the weight: look at `ess` too.

    Args:
        f: takes z, (K, *batch, *event), and returns (K, *batch, *out). It may be anything where p is zero.
        log_p: the target's log density, taking z to (K, *batch) as q.log_prob does; -inf where p is zero; without
            its constant only if self_normalised.
        q: the proposal.
        K: number of draws, at least 2.

    Returns:
        value and std_err of shape (*batch, *out). Self-normalised, NaN where every weight is zero.

    Raises:
        TypeError: K is no whole number, or f or log_p returns no tensor.
        ValueError: K < 2; f or log_p returns another shape; log p(z) is NaN, or f(z) where p is positive.

    Source: Owen, Monte Carlo theory, methods and examples, chapter 9 (2013).
    """
    at_least(2, K=K)
    z = q.sample((K,))
    log_w = _log_weights(log_p, q, z)
    f_z = _one_value_a_sample(f, z)
    if f_z.shape[: log_w.ndim] != log_w.shape:
        raise ValueError(
            f"f must return a value for each of the {_words(log_w)} weights, with its samples first, got {_words(f_z)}"
        )
    log_w = log_w.reshape(log_w.shape + (1,) * (f_z.ndim - log_w.ndim))
    f_z = _refuse_nan(torch.where(log_w > -math.inf, f_z, 0), z, "f(z)")
    if not self_normalised:
        return _mean(log_w.exp() * f_z)
    w = normalise(log_w)
    value = (w * f_z).sum(0)
    return Estimate(value, (w * (f_z - value)).square().sum(0).sqrt())


@as_annotated
def log_mean_exp(log_w: Float[Tensor, "K *B"]) -> Float[Tensor, "*B"]:
    """log (1/K sum_k w_k) over the first axis, without overflow: the largest log weight is taken out first.

    Its gradient is the normalised weights. All weights zero (-inf) give -inf, where there is no gradient (NaN).

    Raises:
        ValueError: there are no samples (K = 0).
    """
    return torch.logsumexp(_some(log_w), 0) - math.log(len(log_w))


@as_annotated
def normalise(log_w: Float[Tensor, "K *B"]) -> Float[Tensor, "K *B"]:
    """Weights that sum to one over the first axis, w_k / sum_j w_j. NaN where every weight is zero or
    one is infinite.

    Raises:
        ValueError: there are no samples (K = 0).
    """
    return torch.softmax(_some(log_w), 0)


@as_annotated
def ess(log_w: Float[Tensor, "K *B"]) -> Float[Tensor, "*B"]:
    """Effective sample size, (sum_k w_k)^2 / sum_k w_k^2: between 1 (one weight has it all) and K (all equal).

    It also gives the relative standard error of the mean weight, sqrt((K / ess - 1) / (K - 1)). It knows only the draws
    it has: a region that q misses does not lower it. NaN where every weight is zero or one is infinite.

    Raises:
        ValueError: there are no samples (K = 0).

    Source: Kong 1992; Owen 2013, section 9.3.
    """
    # The clamp only takes off rounding: (sum w)^2 <= K sum w^2 by Cauchy and Schwarz.
    return (1 / normalise(log_w).square().sum(0)).clamp(1, len(log_w))


def _mean(values: Tensor) -> Estimate:
    return Estimate(values.mean(0), values.std(0) / math.sqrt(len(values)))


def _log_weights(log_p: Callable[[Tensor], Tensor], q: Distribution, z: Tensor) -> Tensor:
    log_p_z, log_q_z = _tensor(log_p(z), "log_p"), q.log_prob(z)
    if log_p_z.shape != log_q_z.shape:
        raise ValueError(
            f"log_p must return one log density a draw, {_words(log_q_z)} as q.log_prob does, got {_words(log_p_z)}; "
            "sum over the coordinates of an event, never over draws"
        )
    return _refuse_nan(log_p_z - log_q_z, z, "log p(z) - log q(z)")


def _one_value_a_sample(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    f_z = _tensor(f(z), "f")
    if f_z.ndim == 0 or len(f_z) != len(z):
        raise ValueError(
            f"f must return one value a sample, (K = {len(z)}, ...), got shape {_words(f_z)}; do not average inside f"
        )
    if f_z.is_floating_point() or f_z.is_complex():
        return f_z
    return f_z.to(z.dtype if z.is_floating_point() else torch.get_default_dtype())


def _some(log_w: Tensor) -> Tensor:
    if log_w.ndim == 0 or len(log_w) == 0:
        raise ValueError(
            f"log_w must hold K >= 1 samples on its first axis, got shape {_words(log_w)}; "
            "a single weight needs log_w[None]"
        )
    return log_w


def _tensor(values: Tensor, name: str) -> Tensor:
    if not isinstance(values, Tensor):
        raise TypeError(
            f"{name} must return a tensor, one value a draw, got {type(values).__name__}; use torch's functions"
        )
    return values


def _refuse_nan(values: Tensor, z: Tensor, name: str) -> Tensor:
    bad = values.isnan().reshape(len(z), -1).any(1)
    if bad.any():
        raise ValueError(
            f"{name} is NaN at {int(bad.sum())} of {len(z)} draws, the first z = {z[bad][0].tolist()}; "
            "f must be defined wherever p is positive, and log_p a number or -inf wherever q draws"
        )
    return values


def _words(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
