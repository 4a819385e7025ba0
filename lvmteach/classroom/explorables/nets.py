"""Nets of the course's models as the browser gets them: sizes and weights, and the same net again in float64."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn

from lvmteach.classroom.explorables.kit import numbers


def layers_of(net: nn.Sequential, prefix: str = "") -> dict[str, Any]:
    """Sizes, and weights and biases layer by layer, of affine layers with tanh between them.

    Raises:
        ValueError: a layer of another kind.
    """
    for number, layer in enumerate(net):
        if not isinstance(layer, nn.Linear if number % 2 == 0 else nn.Tanh):
            raise ValueError(f"the page knows affine layers with tanh between them, got {type(layer).__name__}")
    linear = list(net)[::2]
    weights = torch.cat([part.detach().cpu().flatten() for one in linear for part in (one.weight, one.bias)])
    return {
        prefix + "sizes": [linear[0].in_features, *(one.out_features for one in linear)],
        prefix + "weights": weights,
    }


def decoded(data: dict[str, Any], x: Tensor, prefix: str = "") -> Tensor:
    """What the net of `layers_of` makes of x (..., in), in float64."""
    sizes, w = data[prefix + "sizes"], numbers(data[prefix + "weights"])
    at = 0
    for l, (n, m) in enumerate(itertools.pairwise(sizes)):
        W, b = w[at : at + n * m].reshape(m, n), w[at + n * m : at + n * m + m]
        x, at = nn.functional.linear(x if l == 0 else x.tanh(), W, b), at + n * m + m
    return x


def latent_size(model: nn.Module) -> int:
    """L, the number of latent dimensions."""
    return math.prod(model.prior().event_shape)


def like(model: nn.Module) -> dict[str, Any]:
    """Device and dtype of the model's parameters, for `tensor.to`."""
    one = next(model.parameters())
    return {"device": one.device, "dtype": one.dtype}
