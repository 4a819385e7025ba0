"""ELBO surgery: the rate, mean KL(q(z|x) || p(z)), in its two parts.

With n a datum drawn uniformly from N and q(z) = 1/N sum_n q(z|x_n), the aggregate posterior,

    1/N sum_n KL(q(z|x_n) || p(z)) = I(n; z) + KL(q(z) || p(z)).

I(n; z), at most log N, is what z tells of the datum. The other part is waste: a decoder that is fed z ~ p(z) meets
codes that q never gives. It alone depends on the prior, and it is zero for the prior p(z) = q(z).

Source: Hoffman and Johnson 2016.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.integrals import Estimate

AT_ONCE = 2**22  # entries of one table of (points, data, dimensions)


class Lattice(NamedTuple):
    """Points z on a regular grid in L dimensions, and the volume that each stands for."""

    z: Float[Tensor, "G L"]
    cell: float


class Surgery(NamedTuple):
    """rate = information + marginal, in nats a datum."""

    rate: Tensor  # 1/N sum_n KL(q(z|x_n) || p(z))
    information: Tensor  # I(n; z)
    marginal: Tensor  # KL(q(z) || p(z))


class SurgeryEstimate(NamedTuple):
    """The same parts by sampling, each with its standard error over the draws of z (the data are given)."""

    rate: Estimate
    information: Estimate
    marginal: Estimate


def lattice(low: float, high: float, points: int, L: int) -> Lattice:
    """A regular grid of points^L values of z, float64, from low to high in each dimension."""
    at_least(3, points=points)
    side = torch.linspace(low, high, points, dtype=torch.float64)
    z = torch.stack(torch.meshgrid(*[side] * L, indexing="ij"), -1).reshape(-1, L)
    return Lattice(z, ((high - low) / (points - 1)) ** L)


@as_annotated
def surgery(q: Distribution, prior: Distribution, on: Lattice) -> Surgery:
    """The parts by quadrature: exact to rounding where the lattice is fine and wide enough for every q(z|x_n).

    Args:
        q: q(z|x_n), batch N, event L, with an entropy in closed form.
        prior: p(z), event L.

    Raises:
        ValueError: the lattice misses more than a thousandth of q(z): it is too coarse or too narrow.
    """
    z = on.z.to(q.mean)
    log_q = log_aggregate(q, z)
    share = log_q.exp() * on.cell
    if not abs(float(share.sum()) - 1) < 1e-3:
        raise ValueError(
            f"the lattice must hold q(z), got a mass of {float(share.sum()):.4f}; make it wider than the means of q "
            "or finer than its smallest standard deviation"
        )
    information = -(share * log_q).sum() - q.entropy().mean()
    marginal = (share * (log_q - prior.log_prob(z))).sum()
    return Surgery(information + marginal, information, marginal)


@as_annotated
def surgery_by_sampling(q: Distribution, prior: Distribution, K: int = 10) -> SurgeryEstimate:
    """The parts from K draws z ~ q(z|x_n) a datum, for any L: each an unbiased estimate for these N data.

    q(z) is summed over all N, so the work grows as K N^2 L.

    Raises:
        ValueError: K < 2 (one draw has no standard error).
    """
    at_least(2, K=K)
    z = q.sample((K,))
    log_cond, log_p = q.log_prob(z), prior.log_prob(z)
    log_q = log_aggregate(q, z.flatten(0, 1)).unflatten(0, z.shape[:2])
    parts = (log_cond - log_p, log_cond - log_q, log_q - log_p)
    return SurgeryEstimate(*(_over_draws(part) for part in parts))


@as_annotated
def log_aggregate(q: Distribution, z: Float[Tensor, "M L"]) -> Float[Tensor, " M"]:
    """log q(z) = log 1/N sum_n q(z|x_n), in nats, a block of points at a time."""
    N, L = q.batch_shape[0], z.shape[-1]
    blocks = z.split(max(1, AT_ONCE // (N * L)))
    return torch.cat([q.log_prob(block[:, None]).logsumexp(1) for block in blocks]) - math.log(N)


def _over_draws(part: Float[Tensor, "K N"]) -> Estimate:
    K, N = part.shape
    return Estimate(
        part.mean(), (part.var(0).sum() / K).sqrt() / N
    )  # each datum's draws are spread by its own variance
