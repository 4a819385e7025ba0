"""Binary factors: L switches z_l, each of which adds its column of W when it is on, and Gaussian noise.

    p(z_l = 1) = sigmoid(log_odds_l),    x | z = N(W z + b, variance I),    z in {0, 1}^L

| on paper | in code | shape |
|---|---|---|
| theta | params.log_odds, .W, .b, .variance | L, D x L, D, one number |
| q(z_n) = prod_l Bernoulli(m_nl) | m | N x L |
| E_q[z], E_q[z z'] | Moments | see there |

The posterior is a table of 2^L numbers a datum: exact for a few switches, out of reach for forty. Given x the switches
depend on each other (one that explains x makes the others needless), so a factorised q is never the posterior, and EM
with it, *variational EM*, climbs the ELBO and ends beside the maximum of log p(x).

Source: Hinton and Zemel 1994; Ghahramani 1995; Turner and Sahani 2011 for the bias.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.em import EMFit, data_matrix, em
from lvmteach.helmholtz import states


class BinaryFactors(NamedTuple):
    """Parameters of L switches over D columns."""

    log_odds: Float[Tensor, " L"]
    W: Float[Tensor, "D L"]
    b: Float[Tensor, " D"]
    variance: Float[Tensor, ""]


class Moments(NamedTuple):
    """What the M step needs of q(z_n): E[z_n], and E[z_n z_n'] averaged over the data."""

    z: Float[Tensor, "N L"]
    zz: Float[Tensor, "L L"]


class MeanField(NamedTuple):
    """A factorised q a datum, and its ELBO in nats per datum (mean over N), before and after each sweep."""

    m: Float[Tensor, "N L"]
    elbo: Float[Tensor, " T"]


@as_annotated
def sample(params: BinaryFactors, N: int) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N L"]]:
    """N independent draws of x, and the switches they came from."""
    z = torch.bernoulli(params.log_odds.sigmoid().expand(N, -1))
    noise = params.variance.sqrt() * torch.randn(N, len(params.b), dtype=params.b.dtype, device=params.b.device)
    return z @ params.W.T + params.b + noise, z


@as_annotated
def log_joint(x: Float[Tensor, "N D"], params: BinaryFactors) -> Float[Tensor, "N Z"]:
    """log p(x, z) in nats for all Z = 2^L states, in the order of `helmholtz.states`.

    Raises:
        ValueError: more than 16 switches; x and W differ in columns.
    """
    z = _switches(params)
    x = _fitting(x, params)
    squared = torch.cdist(x, z @ params.W.T + params.b, compute_mode="donot_use_mm_for_euclid_dist").square()
    log_prior = -torch.nn.functional.softplus(-(2 * z - 1) * params.log_odds).sum(1)
    return log_prior - squared / (2 * params.variance) - _log_norm(params)


@as_annotated
def log_likelihood(x: Float[Tensor, "N D"], params: BinaryFactors) -> Float[Tensor, " N"]:
    """log p(x), a datum, in nats, by summing over all states. Raises as `log_joint` does."""
    return log_joint(x, params).logsumexp(1)


@as_annotated
def e_step(x: Float[Tensor, "N D"], params: BinaryFactors) -> tuple[Moments, Tensor]:
    """Moments under the exact posterior, and the mean log p(x) in nats per datum."""
    joint, z = log_joint(x, params), _switches(params)
    posterior = joint.softmax(1)
    return Moments(posterior @ z, z.T @ (posterior.mean(0)[:, None] * z)), joint.logsumexp(1).mean()


@as_annotated
def mean_field(
    x: Float[Tensor, "N D"], params: BinaryFactors, start: Float[Tensor, "N L"] | None = None, sweeps: int = 30
) -> MeanField:
    """Coordinate ascent on the ELBO of q(z_n) = prod_l Bernoulli(m_nl), one switch after the other.

        logit m_l = log_odds_l + w_l' (x - b - sum_{k != l} w_k m_k) / variance - |w_l|^2 / (2 variance)

    Args:
        start: m to begin with, in (0, 1); the prior if not given.
        sweeps: times that each switch is updated.

    Raises:
        ValueError: start is not (N, L).

    Source: Ghahramani 1995.
    """
    at_least(0, sweeps=sweeps)
    x = _fitting(x, params)
    L = params.W.shape[1]
    m = params.log_odds.sigmoid().expand(len(x), L).clone() if start is None else start.clone()
    if m.shape != (len(x), L):
        raise ValueError(f"start must be (N, L) = ({len(x)}, {L}), got {tuple(m.shape)}")
    gram = params.W.T @ params.W / params.variance
    pull = (x - params.b) @ params.W / params.variance + params.log_odds - gram.diagonal() / 2
    bounds = [elbo(x, params, m)]
    for _ in range(sweeps):
        for j in range(L):  # one after the other: each update uses the ones before it
            m[:, j] = (pull[:, j] - m @ gram[j] + m[:, j] * gram[j, j]).sigmoid()
        bounds.append(elbo(x, params, m))
    return MeanField(m, torch.stack(bounds))


@as_annotated
def elbo(x: Float[Tensor, "N D"], params: BinaryFactors, m: Float[Tensor, "N L"]) -> Float[Tensor, ""]:
    """E_q[log p(x, z) - log q(z)] of the factorised q, in nats per datum (mean over N)."""
    spread = (m * (1 - m)) @ params.W.square().sum(0)  # the variance that the switches' doubt adds to W z
    squared = (x - params.b - m @ params.W.T).square().sum(1) + spread
    prior = (m * params.log_odds - torch.nn.functional.softplus(params.log_odds)).sum(1)
    entropy = (torch.special.entr(m) + torch.special.entr(1 - m)).sum(1)
    return (prior + entropy - squared / (2 * params.variance)).mean() - _log_norm(params)


@as_annotated
def factorised_moments(m: Float[Tensor, "N L"]) -> Moments:
    """E[z] and E[z z'] of q(z_n) = prod_l Bernoulli(m_nl): off the diagonal the means multiply."""
    return Moments(m, m.T @ m / len(m) + (m * (1 - m)).mean(0).diag())


@as_annotated
def m_step(x: Float[Tensor, "N D"], expected: Moments) -> BinaryFactors:
    """The best parameters for given moments: shares, and a regression of x on the switches and a constant."""
    N = len(x)
    mean = expected.z.mean(0)
    one = x.new_ones(1)
    gram = torch.cat([torch.cat([expected.zz, mean[:, None]], 1), torch.cat([mean, one])[None]])
    cross = torch.cat([x.T @ expected.z / N, x.mean(0)[:, None]], 1)  # (D, L + 1)
    weights = cross @ torch.linalg.pinv(gram, hermitian=True)
    variance = (x.square().sum() / N - (weights * cross).sum()) / x.shape[1]
    return BinaryFactors(mean.clamp(1e-12, 1 - 1e-12).logit(), weights[:, :-1], weights[:, -1], variance)


@as_annotated
def random_start(x: Float[Tensor, "N D"], L: int) -> BinaryFactors:
    """Rare switches with small random columns about the data's mean, and the noise of all the data."""
    at_least(1, L=L)
    x = data_matrix(x, constant=True)
    W = x.std(0).mean() * torch.randn(x.shape[1], L, dtype=x.dtype, device=x.device) / 2
    log_odds = x.new_full((L,), -1.0)
    return BinaryFactors(log_odds, W, x.mean(0) - W @ log_odds.sigmoid(), x.var(0).mean())


@as_annotated
def fit_exact(x: Float[Tensor, "N D"], start: BinaryFactors, *, max_steps: int = 1000, tol: float = 1e-8) -> EMFit:
    """EM with the exact posterior; log_lik is the mean log p(x), in nats per datum. Errors and warnings as `em` has."""
    return em(data_matrix(x, constant=True), start, e_step, m_step, max_steps=max_steps, tol=tol)


@as_annotated
def fit_variational(
    x: Float[Tensor, "N D"], start: BinaryFactors, *, sweeps: int = 5, max_steps: int = 1000, tol: float = 1e-8
) -> EMFit:
    """Variational EM: `sweeps` of mean field from the last q for E, then M.

    Here log_lik is the ELBO, in nats per datum, and never falls. Errors and warnings as `em` has.

    Source: Neal and Hinton 1998.
    """
    at_least(1, sweeps=sweeps)
    x = data_matrix(x, constant=True)
    first = _Inferred(start, start.log_odds.sigmoid().expand(len(x), -1))
    fit = em(x, first, partial(_infer, sweeps=sweeps), _improve, max_steps=max_steps, tol=tol)
    return fit._replace(params=fit.params.params)


class _Inferred(NamedTuple):
    """Parameters, and the q that the next E step begins with."""

    params: BinaryFactors
    m: Tensor


def _infer(x: Tensor, state: _Inferred, sweeps: int) -> tuple[Tensor, Tensor]:
    field = mean_field(x, state.params, state.m, sweeps)
    return field.m, field.elbo[-1]


def _improve(x: Tensor, m: Tensor) -> _Inferred:
    return _Inferred(m_step(x, factorised_moments(m)), m)


def _log_norm(params: BinaryFactors) -> Tensor:
    return len(params.b) / 2 * (math.log(2 * math.pi) + params.variance.log())


def _switches(params: BinaryFactors) -> Tensor:
    return states(params.W.shape[1], device=params.W.device)


def _fitting(x: Tensor, params: BinaryFactors) -> Tensor:
    x = data_matrix(x, rows=1, constant=True)
    if x.shape[1] != params.W.shape[0]:
        raise ValueError(f"x has {x.shape[1]} columns, W has {params.W.shape[0]} rows; they must agree")
    return x
