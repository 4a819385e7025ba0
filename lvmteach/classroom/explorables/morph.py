"""From one image to another: through latent space, and beside it the same way through pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lvmteach.classroom.explorables.digits import some_digits
from lvmteach.classroom.explorables.kit import numbers
from lvmteach.classroom.explorables.nets import decoded, layers_of, like
from lvmteach.vae import pretrained

TITLE = "From one digit to another"


class Values(NamedTuple):
    way: float = 0.5
    start: int = 0  # the number of the image
    end: int = 1


class Result(NamedTuple):
    decoded: Tensor  # (D,)
    faded: Tensor  # (D,)
    norm: Tensor  # |z|


def payload(
    model: nn.Module | None = None, shape: tuple[int, int] = (28, 28), x: Tensor | None = None
) -> dict[str, Any]:
    """A decoder, and images with their codes.

    Args:
        model: a VAE with any L; the course's `vae` by default, with ten test images.
        shape: height and width of an image.
        x: at least two images (N, D); the first is where the way begins.

    Raises:
        ValueError: fewer than two images.
    """
    if model is None:
        model, x = pretrained("vae").model, some_digits()
    if x is None or x.ndim != 2 or len(x) < 2:
        given = None if x is None else tuple(x.shape)
        raise ValueError(f"x must be (N, D) with N >= 2, got {given}; a morph needs two images")
    with torch.no_grad():
        codes = model.encoder(x.to(**like(model))).mean
    images = x.cpu().numpy()
    images = images.astype(np.uint8) if np.isin(images, (0, 1)).all() else images.astype(np.float32)
    return {**layers_of(model.decoder.net), "codes": codes.float(), "images": images, "shape": list(shape)}


def compute(values: Values, data: dict[str, Any]) -> Result:
    x, codes = numbers(data["images"]), numbers(data["codes"])
    start, end = (min(one, len(x) - 1) for one in (values.start, values.end))
    z = torch.lerp(codes[start], codes[end], values.way)
    return Result(torch.sigmoid(decoded(data, z)), torch.lerp(x[start], x[end], values.way), z.norm())


def words(result: Result, values: Values) -> str:
    return f"{values.way:.0%} of the way from image {values.start} to image {values.end}, |z| = {result.norm:.2f}"
