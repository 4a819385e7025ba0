"""A sleep step without draws: the mean over all dreams that a machine of two latent layers can have.

A control of notebook 06 asks whether the noise of drawn dreams matters, and this is its gradient. An image of 16 pixels
falls into two halves, so that all 65 536 probabilities p(x) = sum_z1 p(z1) p(left|z1) p(right|z1) are one matrix
product.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lvmteach.helmholtz import Layer, Machine, states
from lvmteach.helmholtz.model import log_bernoulli


@torch.no_grad()
def enumerated_sleep_step(m: Machine, rate: float) -> None:
    """One step of size `rate` up the exact gradient of E_p(x, z)[log q(z|x)] for gamma, in place: no noise at all."""
    (D, L1, L2), dtype = m.sizes, m.prior.dtype
    z1, z2 = states(L1, dtype=dtype), states(L2, dtype=dtype)
    below, above = m.recognition
    p_z2 = log_bernoulli(z2, m.prior.unsqueeze(-2)).exp()
    p_z1_z2 = p_z2.unsqueeze(-2) * _each_given_each(z1, m.generative[1], z2)  # (*S, Z1, Z2)
    p_z1 = p_z1_z2.sum(-1)

    error = p_z1_z2 @ z2 - p_z1.unsqueeze(-1) * above.probability(z1)  # each state of z1 with its share, (*S, Z1, L2)
    _learn(above, z1, error, rate)

    left, right = states(D // 2, dtype=dtype), states(D - D // 2, dtype=dtype)
    pixels = (slice(0, D // 2), slice(D // 2, D))
    p_halves = [
        _each_given_each(half, Layer(m.generative[0].weight[..., at], m.generative[0].bias[..., at]), z1)
        for half, at in zip((left, right), pixels, strict=True)
    ]  # (*S, half images, Z1) each
    p_x = (p_halves[0] * p_z1.unsqueeze(-2)) @ p_halves[1].mT  # (*S, left, right)
    up, down = (half @ below.weight[..., at, :] for half, at in zip((left, right), pixels, strict=True))
    up, down = up.mT.contiguous(), (down + below.bias.unsqueeze(-2)).mT.contiguous()  # logits of z1, (*S, L1, halves)
    predicted = torch.sigmoid(up.unsqueeze(-1) + down.unsqueeze(-2)).mul_(p_x.unsqueeze(-3))  # (*S, L1, left, right)
    for half, at, p_half, other in zip((left, right), pixels, p_halves, (-1, -2), strict=True):
        seen = (p_half * p_z1.unsqueeze(-2)) @ z1  # the z1 that was dreamt; predicted is what q says of it
        error = seen - predicted.sum(other).mT  # (*S, half images, L1)
        below.weight[..., at, :] += rate * (half.mT @ error)
    below.bias.add_(error.sum(-2), alpha=rate)  # summed over either half it is the same


def _each_given_each(s: Tensor, layer: Layer, given: Tensor) -> Tensor:
    """p(s | given) for every s beside every given, (*S, len(s), len(given))."""
    logits = layer.logits(given)
    return (s @ logits.mT + logsigmoid(-logits).sum(-1).unsqueeze(-2)).exp()


def _learn(layer: Layer, given: Tensor, error: Tensor, rate: float) -> None:
    layer.weight.add_(given.mT @ error, alpha=rate)
    layer.bias.add_(error.sum(-2), alpha=rate)
