"""Two stochastic layers, p(h2) p(h1|h2) p(x|h1), as parts that an ordinary VAE is built from.

The latent variable is both layers side by side, z = (h1, h2). So the bounds, the gradients and the evaluation that
serve one layer serve two:

    VAE(
        TwoLayerEncoder(GaussianEncoder(784, 100), GaussianEncoder(100, 50, (100, 100))),
        TwoLayerDecoder(BernoulliDecoder(100, 784), 100),
        TwoLayerPrior(StandardNormal(50), GaussianEncoder(50, 100, (100, 100))),
    )

A `GaussianEncoder` is any Gaussian whose mean and scale come out of a network: q(h1|x), q(h2|h1) and p(h1|h2) alike.

Source: Burda, Grosse and Salakhutdinov 2016, section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.func import functional_call

from lvmteach.annotated import as_annotated
from lvmteach.vae.model import as_constant

MEAN_DRAWS = 100  # of the first layer, where the second's mean is an average over it


class TwoLayerEncoder(nn.Module):
    """q(h1, h2 | x) = q(h1|x) q(h2|h1): the second layer sees x through the first alone.

    Args:
        first: takes x and returns q(h1|x).
        second: takes h1 and returns q(h2|h1).
    """

    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first, self.second = first, second

    @as_annotated
    def forward(self, x: Float[Tensor, "*B D"]) -> Chain:
        return Chain(self.first(x), self.second)


class TwoLayerPrior(nn.Module):
    """p(h1, h2) = p(h2) p(h1|h2).

    Args:
        top: takes nothing and returns p(h2).
        below: takes h2 and returns p(h1|h2).
    """

    def __init__(self, top: nn.Module, below: nn.Module):
        super().__init__()
        self.top, self.below = top, below

    def forward(self) -> Chain:
        return Chain(self.top(), self.below, downwards=True)


class TwoLayerDecoder(nn.Module):
    """p(x|h1, h2) = p(x|h1), by a decoder that knows of h1 only.

    Args:
        decoder: takes h1 and returns p(x|h1).
        L1: dimension of h1, the first L1 entries of z.
    """

    def __init__(self, decoder: nn.Module, L1: int):
        super().__init__()
        self.decoder, self.L1 = decoder, L1

    @property
    def D(self) -> int:
        """Dimension of x."""
        return self.decoder.D

    @as_annotated
    def forward(self, z: Float[Tensor, "*B L"]) -> Distribution:
        return self.decoder(z[..., : self.L1])

    @as_annotated
    def check(self, x: Tensor) -> None:
        if hasattr(self.decoder, "check"):
            self.decoder.check(x)


class Chain(Distribution):
    """p(a) p(b|a) as one distribution of both side by side, (..., a's dimension + b's).

    Args:
        first: p(a).
        then: takes a and returns p(b|a).
        downwards: a is the upper layer: it stands behind b in z = (h1, h2), although it is drawn first.
    """

    arg_constraints = {}  # noqa: RUF012
    has_rsample = True

    def __init__(self, first: Distribution, then: Callable[[Tensor], Distribution], downwards: bool = False):
        self.first, self.then, self.downwards = first, then, downwards
        super().__init__(first.batch_shape, validate_args=False)

    @property
    def event_shape(self) -> torch.Size:
        """One dimension, of both layers together."""
        return torch.Size([self.first.event_shape[0] + self.then(self.first.mean).event_shape[0]])

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        a = self.first.rsample(torch.Size(sample_shape))
        return self._side_by_side(a, self.then(a).rsample())

    @as_annotated
    def log_prob(self, z: Tensor) -> Tensor:
        size = self.first.event_shape[0]
        a, b = (z[..., -size:], z[..., :-size]) if self.downwards else (z[..., :size], z[..., size:])
        return self.first.log_prob(a) + self.then(a).log_prob(b)

    @property
    def mean(self) -> Tensor:
        """E[a] exactly; E[b] as the mean of E[b|a] over 100 draws of a."""
        a = self.first.sample((MEAN_DRAWS,))
        return self._side_by_side(self.first.mean, self.then(a).mean.mean(0))

    def as_constant(self) -> Chain:
        """The same distribution with all parameters detached; log_prob still knows that p(b|a) depends on a."""
        fixed = {name: value.detach() for name, value in self.then.named_parameters()}
        then = self.then
        return Chain(as_constant(self.first), lambda a: functional_call(then, fixed, (a,)), self.downwards)

    def _side_by_side(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([b, a] if self.downwards else [a, b], -1)
