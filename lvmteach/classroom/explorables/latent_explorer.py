"""A plane of latent codes, and the image that the decoder expects at one of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.classroom.explorables.nets import decoded, latent_size, layers_of, like
from lvmteach.classroom.explorables.records import record
from lvmteach.vae import pretrained

TITLE = "A walk through latent space"


class Values(NamedTuple):
    z: tuple[float, float] = (1.0, -0.5)


class Result(NamedTuple):
    mean: Tensor  # (D,), of p(x|z)
    log_p_z: Tensor  # nats


def payload(
    model: nn.Module | None = None,
    shape: tuple[int, int] = (28, 28),
    x: Tensor | None = None,
    labels: Tensor | None = None,
) -> dict[str, Any]:
    """A decoder, and codes of images as points beside it.

    Args:
        model: a VAE with L = 2 latent dimensions; the course's `plane` by default, with codes of test images.
        shape: height and width of an image.
        x: images (N, D) whose posterior means are shown; a thousand is plenty.
        labels: their classes (N,), shown as digits in colour.
    """
    if model is None:
        model, kept = pretrained("plane").model, record("latent_explorer")
        return {"shape": list(shape), **layers_of(model.decoder.net), "codes": kept["codes"], "labels": kept["labels"]}
    if (L := latent_size(model)) != 2:
        raise ValueError(f"the plane needs a model with L = 2, got L = {L}; train one with L=2, or use morph")
    return {"shape": list(shape), **layers_of(model.decoder.net), **codes_of(model, x, labels)}


def codes_of(model: nn.Module, x: Tensor | None, labels: Tensor | None) -> dict[str, np.ndarray]:
    """Posterior means (N, 2) and classes (N,) of images, as the page wants them."""
    if x is None:
        return {"codes": np.zeros(0, np.float32), "labels": np.zeros(0, np.uint8)}
    with torch.no_grad():
        codes = model.encoder(x.to(**like(model))).mean.cpu().half().numpy()
    none = np.zeros(0, np.uint8)
    return {"codes": codes, "labels": none if labels is None else labels.cpu().numpy().astype(np.uint8)}


def compute(values: Values, data: dict[str, Any]) -> Result:
    z = numbers(values.z)
    return Result(torch.sigmoid(decoded(data, z)), -0.5 * z.square().sum() - math.log(2 * math.pi))


def words(result: Result, values: Values) -> str:
    return f"z = ({values.z[0]:.2f}, {values.z[1]:.2f}), log p(z) = {result.log_p_z:.2f} nats"


def records() -> Iterable[tuple[str, np.ndarray]]:
    """Codes of a thousand test images, kept in the package so that the demo needs no images."""
    from lvmteach.data import load_images
    from lvmteach.runtime import seeded

    images = load_images("mnist")
    with seeded(23):
        x = torch.bernoulli(images.test[:1000])
    return codes_of(pretrained("plane").model, x, images.test_labels[:1000]).items()
