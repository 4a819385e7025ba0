"""How the models that come with the package are trained: the recipes, and the parts they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lvmteach.bounds import dreg, iwae
from lvmteach.training import cosine
from lvmteach.vae import VAE
from lvmteach.vae.model import as_constant
from lvmteach.vae.pretrained import mnist_two_layers, mnist_vae
from lvmteach.warm_up import Annealed

LONGEST = 10.0  # gradients of two layers


class Recipe(NamedTuple):
    """How a model is trained: the bound's K, the latent dimension, epochs, learning rate, seed, and what from."""

    K: int
    L: int
    epochs: int
    high: float
    seed: int
    start: str | None = None
    low: float = 1e-5
    batch: int = 100
    doubly: bool = True  # doubly reparameterised gradients; at K = 1 the score of q(z|x) is left out

    @property
    def schedule(self) -> str:
        return f"Adam, batches of {self.batch}, learning rate {self.high:g} to {self.low:g} along half a cosine"

    def build(self) -> VAE:
        """A model of the kind that is trained, at random parameters."""
        return mnist_vae(self.L)

    def optimiser(self, parameters: Iterable[Tensor], **settings) -> torch.optim.Optimizer:
        """What makes the steps."""
        return torch.optim.Adam(parameters, fused=True, **settings)

    def rate(self, each: int) -> Callable[[int], float]:
        """The learning rate at a step, where an epoch has `each` of them."""
        return cosine(self.high, self.low, each * self.epochs)

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        """What is trained for so many steps, with the model inside: its mean over a batch is maximised."""
        return Bound(model, self.K, self.doubly)


class WarmUp(Recipe):
    """The ELBO with a KL term that comes in slowly, so that no unit is switched off before it has learnt anything."""

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        return Annealed(model, steps)


class TwoLayers(Recipe):
    """A model with two stochastic layers; L is the dimension of both together.

    Its gradient is limited: without, at this rate, the loss stayed at that of a model without z (benchmarks/README.md).
    """

    @property
    def schedule(self) -> str:
        return f"{super().schedule}, the gradient no longer than {LONGEST:g}"

    def build(self) -> VAE:
        return mnist_two_layers()

    def optimiser(self, parameters: Iterable[Tensor], **settings) -> torch.optim.Optimizer:
        return Clipped(parameters, fused=True, **settings)


class TwoLayersWarmUp(TwoLayers):
    """Two layers, and a KL term that comes in slowly for both at once."""

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        return RisingLayers(model, steps)


class TopLater(TwoLayers):
    """Two layers, and the upper one's KL behind the lower's: what it tells of the lower costs less than it saves."""

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        return RisingLayers(model, steps, power=2)


class RisingLayers(Annealed):
    """log p(x|h1) - beta (log q(h1|x) - log p(h1|h2)) - beta^power (log q(h2|h1) - log p(h2)) at one draw, (B,) nats.

    With power 1 all of log q(z|x) - log p(z) has one weight, beta, which rises from 0 to 1; it stands for the KL, which
    has no closed form at two layers.
    """

    def __init__(self, model: VAE, steps: int, power: int = 1):
        super().__init__(model, steps)
        self.power = power

    def forward(self, x: Tensor) -> Tensor:
        drawn, z = self.model._sample(x, 1)
        q, p = as_constant(drawn), self.model.prior()  # the score of q is left out
        h1, h2 = z.split([q.first.event_shape[0], p.first.event_shape[0]], -1)
        lower = q.first.log_prob(h1) - p.then(h2).log_prob(h1)
        upper = q.then(h1).log_prob(h2) - p.first.log_prob(h2)
        beta = self._weight()
        return (self.model.decoder(z).log_prob(x) - beta * lower - beta**self.power * upper).mean(0)


class Clipped(torch.optim.Adam):
    """Adam on a gradient that is no longer than LONGEST, all parameters taken together."""

    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            nn.utils.clip_grad_norm_(group["params"], LONGEST)
        super().step(closure)


class Bound(nn.Module):
    """The importance weighted bound of a model, (B,) in nats."""

    def __init__(self, model: nn.Module, K: int, doubly: bool):
        super().__init__()
        self.model, self.K, self.doubly = model, K, doubly

    def forward(self, x: Tensor) -> Tensor:
        if self.doubly:
            return dreg(*self.model.draw(x, self.K, detach_q=True))
        return iwae(self.model.log_weights(x, self.K))


RECIPES = {
    "plane": Recipe(K=1, L=2, epochs=120, high=2e-3, seed=2, doubly=False),
    "warm_up": WarmUp(K=1, L=50, epochs=60, high=2e-3, low=2e-3, seed=1),
    "vae": Recipe(K=1, L=50, epochs=800, high=2e-3, seed=1, start="warm_up"),
    "iwae_1": Recipe(K=1, L=50, epochs=1000, high=2e-3, seed=1, start="warm_up"),
    "iwae_5": Recipe(K=5, L=50, epochs=930, high=2e-3, seed=5, start="warm_up"),
    "iwae_50": Recipe(K=50, L=50, epochs=670, high=1e-3, seed=50, start="warm_up"),
    "warm_two": TwoLayersWarmUp(K=1, L=150, epochs=60, high=2e-3, low=2e-3, seed=201),
    "two_1": TwoLayers(K=1, L=150, epochs=600, high=2e-3, seed=202, start="warm_two"),
    "two_5": TwoLayers(K=5, L=150, epochs=500, high=2e-3, seed=205, start="warm_two"),
    "two_50": TwoLayers(K=50, L=150, epochs=350, high=1e-3, seed=250, start="warm_two"),
    # Instead of warm_two: it keeps units of the upper layer.
    "warm_top": TopLater(K=1, L=150, epochs=60, high=2e-3, low=2e-3, seed=201),
    # Equal passes with one layer and with two, for comparison.
    "warm_one_40": WarmUp(K=1, L=50, epochs=40, high=2e-3, low=2e-3, seed=1),
    "half_one": Recipe(K=1, L=50, epochs=150, high=2e-3, seed=1, start="warm_one_40"),
    "warm_two_40": TwoLayersWarmUp(K=1, L=150, epochs=40, high=2e-3, low=2e-3, seed=201),
    "half_two": TwoLayers(K=1, L=150, epochs=150, high=2e-3, seed=201, start="warm_two_40"),
}


class Paper(Recipe):
    """Appendix D of Burda et al. 2016: for i = 0..7, 3^i epochs at 0.001 * 10^(-i/7); Adam with epsilon 1e-4."""

    @property
    def schedule(self) -> str:
        return "Adam (epsilon 1e-4), batches of 20, 3^i epochs at 0.001 * 10^(-i/7) for i = 0..7"

    def optimiser(self, parameters: Iterable[Tensor], **settings) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, eps=1e-4, fused=True, **settings)

    def rate(self, each: int) -> Callable[[int], float]:
        ends = [each * sum(3**j for j in range(i + 1)) for i in range(8)]
        return lambda step: 0.001 * 10 ** (-next(i for i, end in enumerate(ends) if step < end) / 7)


class PaperTwoLayers(Paper):
    """The same for two layers."""

    def build(self) -> VAE:
        return mnist_two_layers()
