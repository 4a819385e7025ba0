"""Observation models p(x|z) beyond the Bernoulli: counts as counts, and noise that depends on z.

Use a `CountDecoder` where x holds whole numbers 0..n (grey values, votes, items out of n); its log-likelihoods are
those of a probability mass. A density is another thing: it changes with the unit of x (by D log 255 nats if pixels
are divided by 255), and it may grow without bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Binomial, Distribution, Independent

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.vae.counts import BetaBinomial, CategoricalCounts, DiscretisedLogistic
from lvmteach.vae.parts import gaussian, mlp


class Family(NamedTuple):
    """How many numbers a pixel the net must give, and the distribution they make."""

    outputs: Callable[[int], int]  # n -> numbers a pixel
    distribution: Callable[[int, Tensor], Distribution]  # n, (*B, D, outputs) -> batch (*B, D)


def _binomial(n: int, out: Tensor) -> Distribution:
    return Binomial(n, logits=out[..., 0], validate_args=False)


def _beta_binomial(n: int, out: Tensor) -> Distribution:
    a, b = (F.softplus(out) + 1e-3).unbind(-1)
    return BetaBinomial(n, a, b)


def _discretised_logistic(n: int, out: Tensor) -> Distribution:
    m, s = out.unbind(-1)
    return DiscretisedLogistic(n, n * (m + 1) / 2, s.exp())  # m near 0 is the middle of the range


def _categorical(n: int, out: Tensor) -> Distribution:
    return CategoricalCounts(out)


FAMILIES = {
    "binomial": Family(lambda n: 1, _binomial),
    "beta-binomial": Family(lambda n: 2, _beta_binomial),
    "discretised logistic": Family(lambda n: 2, _discretised_logistic),
    "categorical": Family(lambda n: n + 1, _categorical),
}


class CountDecoder(nn.Module):
    """p(x|z) = prod_d p(x_d; what the net says of pixel d), for whole numbers x_d in 0..n.

    Args:
        L, D, hidden: as for `BernoulliDecoder`.
        n: the largest count.
        family: binomial (one number a pixel), beta-binomial (two), discretised logistic (two: location and log
            scale) or categorical (n + 1).
    """

    def __init__(
        self, L: int, D: int, n: int, family: str = "discretised logistic", hidden: Sequence[int] = (200, 200)
    ):
        super().__init__()
        at_least(1, n=n)
        if family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
        self.D, self.n, self.family = D, n, FAMILIES[family]
        self.net = mlp(L, *hidden, D * self.family.outputs(n))

    @as_annotated
    def forward(self, z: Float[Tensor, "*B L"]) -> Independent:
        pixels = self.family.distribution(self.n, self.net(z).unflatten(-1, (self.D, -1)))
        return Independent(pixels, 1, validate_args=False)

    @as_annotated
    def check(self, x: Tensor) -> None:
        low, high = x.aminmax()
        if low < 0 or high > self.n or (x != x.round()).any():
            raise ValueError(
                f"x must hold whole numbers 0 to {self.n}, got {low:.4g} to {high:.4g}; pixels scaled to [0, 1] go "
                f"back by (x * {self.n}).round()"
            )


class HeteroscedasticDecoder(nn.Module):
    """p(x|z) = N(mu(z), diag sigma(z)^2): the noise is the net's second answer.

    Its likelihood has no maximum: wherever mu(z) meets a datum, sigma may go to zero there. So sigma is kept above
    a floor.

    Args:
        L, D, hidden: as for `GaussianDecoder`.
        floor: the least sigma, in units of x; half of the step in which x was measured is a choice with a reason.
    """

    def __init__(self, L: int, D: int, hidden: Sequence[int] = (200, 200), *, floor: float):
        super().__init__()
        if not floor > 0:
            raise ValueError(f"floor must be positive, got {floor}: without one the likelihood has no maximum")
        self.D, self.floor, self.net = D, floor, mlp(L, *hidden, 2 * D)

    @as_annotated
    def forward(self, z: Float[Tensor, "*B L"]) -> Independent:
        mu, s = self.net(z).chunk(2, -1)
        return gaussian(mu, self.floor + F.softplus(s))


class Standardised(nn.Module):
    """An encoder that is shown (x - mean) / std: nets with tanh units want numbers near one, counts are not.

    Args:
        encoder: takes x and returns q(z|x).
        mean, std: numbers, or one a column (D,).
    """

    def __init__(self, encoder: nn.Module, mean: Tensor | float, std: Tensor | float):
        super().__init__()
        self.encoder = encoder
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))

    @as_annotated
    def forward(self, x: Float[Tensor, "*B D"]) -> Distribution:
        return self.encoder((x - self.mean) / self.std)
