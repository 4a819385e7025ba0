"""The doubly reparameterised gradient in two parts, from x to z and from z to the log weights: each can be compiled.

`lvmteach.bounds.dreg` weights the gradient of z in a hook, which `torch.compile` loses. Here z is cut off, the second
part is differentiated, its gradient of z is weighted, and goes on into the first. The numbers are the same; what is
elementwise is fused, so that a GPU starts fewer kernels and reads less.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lvmteach.vae import VAE


class OneLayer:
    """The two parts for a model with one stochastic layer, `mnist_vae`."""

    def __init__(self, model: VAE):
        self.model = model
        self.sizes = [model.encoder.net[-1].out_features // 2]

    def draw(self, x: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """z (K, B, L) from x and standard normal noise; mean and log scale of q(z|x)."""
        mu, s = self.model.encoder.net(x).chunk(2, -1)
        return mu + s.exp() * noise[0], mu, s

    def log_weights(self, z: Tensor, x: Tensor, mu: Tensor, s: Tensor) -> Tensor:
        """log p(x, z) - log q(z|x), (K, B) nats; the parameters of q are constants."""
        return _bernoulli(self.model.decoder.net(z), x) + _normal(z) - _normal(z, mu, s)


class TwoLayers:
    """The same for two, `mnist_two_layers`; z = (h1, h2)."""

    def __init__(self, model: VAE):
        self.model = model
        L1 = model.decoder.L1
        self.sizes = [L1, model.encoder.second.net[-1].out_features // 2]

    def draw(self, x: Tensor, noise: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        mu, s = self.model.encoder.first.net(x).chunk(2, -1)
        h1 = mu + s.exp() * noise[0]
        mu2, s2 = self.model.encoder.second.net(h1).chunk(2, -1)
        return torch.cat([h1, mu2 + s2.exp() * noise[1]], -1), mu, s

    def log_weights(self, z: Tensor, x: Tensor, mu: Tensor, s: Tensor) -> Tensor:
        h1, h2 = z.split(self.sizes, -1)
        log_p = _bernoulli(self.model.decoder.decoder.net(h1), x) + _normal(h2)
        log_p = log_p + _normal(h1, *self.model.prior.below.net(h2).chunk(2, -1))
        return log_p - _normal(h1, mu, s) - _normal(h2, *_constant(self.model.encoder.second.net, h1).chunk(2, -1))


def _bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    return (x * logits - F.softplus(logits)).sum(-1)


def _normal(z: Tensor, mu: Tensor | float = 0.0, s: Tensor | None = None) -> Tensor:
    """log N(z; mu, exp(s)^2), summed over the last axis."""
    terms = -0.5 * (z - mu).square() if s is None else -0.5 * ((z - mu) * (-s).exp()).square() - s
    return terms.sum(-1) - 0.5 * math.log(2 * math.pi) * z.shape[-1]


def _constant(net: nn.Sequential, h: Tensor) -> Tensor:
    """The net at h with its parameters as constants."""
    for layer in net:
        h = F.linear(h, layer.weight.detach(), layer.bias.detach()) if isinstance(layer, nn.Linear) else layer(h)
    return h


def gradient_of(model: VAE, K: int, compile: bool) -> Callable[[Tensor], Tensor]:
    """What takes a batch, leaves the gradient of minus the mean bound in the parameters, and returns that loss."""
    parts = TwoLayers(model) if hasattr(model.decoder, "L1") else OneLayer(model)
    draw, log_weights = parts.draw, parts.log_weights
    if compile:
        torch._dynamo.config.recompile_limit = 64  # one translation for each model and K, all kept
        draw, log_weights = (torch.compile(f, fullgraph=True, dynamic=False) for f in (draw, log_weights))

    def gradient(x: Tensor) -> Tensor:
        z, mu, s = draw(x, [torch.randn(K, len(x), size, device=x.device) for size in parts.sizes])
        cut = z.detach().requires_grad_()
        log_w = log_weights(cut, x, mu.detach(), s.detach())
        w = log_w.detach().softmax(0)
        (-(w * log_w).sum(0).mean()).backward()
        z.backward(w[..., None] * cut.grad)
        return math.log(K) - log_w.detach().logsumexp(0).mean()

    return gradient
