"""Distributions of a count x in 0, 1, ..., n that torch does not bring: for pixels as the whole numbers they are.

Each is a probability mass: it sums to one over 0..n, so no log-likelihood is above zero, and models of different
families can be compared.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Beta, Binomial, Categorical, Distribution, constraints

from lvmteach.annotated import as_annotated


class Counts(Distribution):
    """What the three families share: n, and the support."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, n: int, batch_shape: torch.Size):
        self.n = n
        super().__init__(batch_shape, validate_args=False)

    @property
    def support(self):
        return constraints.integer_interval(0, self.n)


class DiscretisedLogistic(Counts):
    """The mass that a logistic density, location m and scale s, puts on each whole number's bin, x - 1/2 to x + 1/2.

    The first bin reaches down to minus infinity and the last up to infinity: without that the mass beyond the
    edges is lost, and the sum is below one.

    Source: Salimans, Karpathy, Chen and Kingma 2017, section 2.1 (one component).
    """

    def __init__(self, n: int, loc: Float[Tensor, "*B"], scale: Float[Tensor, "*B"]):
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        super().__init__(n, self.loc.shape)

    @as_annotated
    def log_prob(self, x: Tensor) -> Tensor:
        # F(a) - F(b) = F(a) F(-b) (1 - e^(b - a)) for the logistic function F: no cancellation, however far the tail.
        above, below = (x + 0.5 - self.loc) / self.scale, (x - 0.5 - self.loc) / self.scale
        first, last = x <= 0, x >= self.n
        width = torch.where(first | last, 0.0, torch.log(-torch.expm1(-1 / self.scale)))
        return torch.where(last, 0.0, F.logsigmoid(above)) + torch.where(first, 0.0, F.logsigmoid(-below)) + width

    @property
    def mean(self) -> Tensor:
        """sum_{k = 1}^n P(x >= k)."""
        k = torch.arange(1, self.n + 1).to(self.loc)
        return ((self.loc[..., None] - k + 0.5) / self.scale[..., None]).sigmoid().sum(-1)

    def sample(self, sample_shape=()) -> Tensor:
        u = torch.rand(self._extended_shape(torch.Size(sample_shape)), device=self.loc.device).to(self.loc)
        return (self.loc + self.scale * u.clamp(1e-7, 1 - 1e-7).logit()).round().clamp(0, self.n)


class BetaBinomial(Counts):
    """A binomial of n tosses whose coin was drawn from Beta(a, b): counts more spread out than a binomial's."""

    def __init__(self, n: int, a: Float[Tensor, "*B"], b: Float[Tensor, "*B"]):
        self.a, self.b = torch.broadcast_tensors(a, b)
        super().__init__(n, self.a.shape)

    @as_annotated
    def log_prob(self, x: Tensor) -> Tensor:
        # n choose x = 1 / ((n + 1) B(x + 1, n - x + 1))
        choose = -math.log(self.n + 1) - _log_beta(x + 1, self.n - x + 1)
        return choose + _log_beta(x + self.a, self.n - x + self.b) - _log_beta(self.a, self.b)

    @property
    def mean(self) -> Tensor:
        return self.n * self.a / (self.a + self.b)

    def sample(self, sample_shape=()) -> Tensor:
        coin = Beta(self.a, self.b, validate_args=False).sample(sample_shape)
        return Binomial(self.n, coin, validate_args=False).sample()


class CategoricalCounts(Counts):
    """Each of the n + 1 values has a logit of its own: any shape at all, and no notion that 3 lies next to 4."""

    def __init__(self, logits: Float[Tensor, "*B values"]):
        self.logits = logits
        super().__init__(logits.shape[-1] - 1, logits.shape[:-1])

    @as_annotated
    def log_prob(self, x: Tensor) -> Tensor:
        log_p = self.logits.log_softmax(-1)
        x, log_p = torch.broadcast_tensors(x.long()[..., None], log_p)
        return log_p.gather(-1, x[..., :1])[..., 0]

    @property
    def mean(self) -> Tensor:
        return self.logits.softmax(-1) @ torch.arange(self.n + 1).to(self.logits)

    def sample(self, sample_shape=()) -> Tensor:
        return Categorical(logits=self.logits, validate_args=False).sample(sample_shape).to(self.logits)


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
