"""An image drawn by hand, what the encoder makes of it, q(z|x), and what the decoder makes of that.

The image is black and white, as in training: a grey one would have no likelihood.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal

from lvmteach.bounds import elbo, iwae
from lvmteach.classroom.explorables.digits import some_digits
from lvmteach.classroom.explorables.kit import numbers
from lvmteach.classroom.explorables.nets import decoded, latent_size, layers_of, like
from lvmteach.vae import pretrained

TITLE = "Draw, and see q(z|x)"
K = 16  # draws of q(z|x), for the bounds in the words
SHOWN = 30  # latent axes that fit side by side


class Values(NamedTuple):
    ink: str = ""  # the image by rows, four pixels a hexadecimal digit; none for the example
    example: int = 0
    pen: tuple[float, float] = (13.0, 13.0)  # column and row


class Result(NamedTuple):
    x: Tensor  # (D,), zeros and ones
    mean: Tensor  # (L,), of q(z|x)
    sd: Tensor  # (L,)
    decoded: Tensor  # (D,), at the mean
    elbo: Tensor  # nats, from K draws
    bound: Tensor  # nats, with K draws


def payload(
    model: nn.Module | None = None, shape: tuple[int, int] = (28, 28), x: Tensor | None = None
) -> dict[str, Any]:
    """Encoder and decoder, and images to begin from.

    Args:
        model: a VAE with Bernoulli pixels, any L; the course's `vae` by default, with ten test images.
        shape: height and width of an image.
        x: images (N, D) in [0, 1]; pixels above one half are ink.
    """
    if model is None:
        model, x = pretrained("vae").model, some_digits()
    if x is None or x.ndim != 2:
        given = None if x is None else tuple(x.shape)
        raise ValueError(f"x must be (N, D), the images to begin from, got {given}; a single one needs x[None]")
    with torch.no_grad():
        q = model.encoder(x.to(**like(model)))
    # How far the posterior moves and narrows over the images: nothing on an axis that is not in use.
    use = (q.mean.square() - 1 + q.variance - q.variance.log()).mean(0)
    order = use.argsort(descending=True)[:SHOWN].cpu().numpy().astype(np.uint8)
    nets = {**layers_of(model.decoder.net), **layers_of(model.encoder.net, "encoder_")}
    assert latent_size(model) == nets["sizes"][0]
    return {**nets, "images": (x > 0.5).cpu().numpy().astype(np.uint8), "order": order, "shape": list(shape)}


@cache
def noise(L: int) -> Tensor:
    """(K, L): the same at each redraw, so that only the drawing changes the numbers."""
    return torch.from_numpy(np.random.RandomState(1).standard_normal(K * L)).reshape(K, L)


def image_of(values: Values, data: dict[str, Any]) -> Tensor:
    """The board (D,), zeros and ones."""
    images = numbers(data["images"]).reshape(-1, data["sizes"][-1])
    if not values.ink:
        return images[values.example % len(images)]
    D = images.shape[1]
    digits = values.ink.ljust(math.ceil(D / 4), "0")
    return numbers([int(bit) for digit in digits for bit in f"{int(digit, 16):04b}"][:D])


def compute(values: Values, data: dict[str, Any]) -> Result:
    x = image_of(values, data)
    mean, log_scale = decoded(data, x, "encoder_").chunk(2)
    q = Normal(mean, log_scale.exp())
    z = q.mean + q.stddev * noise(len(mean))
    log_prior = Normal(torch.zeros_like(mean), 1.0).log_prob(z).sum(-1)
    log_w = Bernoulli(logits=decoded(data, z)).log_prob(x).sum(-1) + log_prior - q.log_prob(z).sum(-1)
    return Result(x, mean, q.stddev, torch.sigmoid(decoded(data, mean)), elbo(log_w), iwae(log_w))


def words(result: Result, values: Values) -> str:
    bounds = f"ELBO {result.elbo:.1f}, with K = {K} samples {result.bound:.1f} nats"
    return f"{result.x.mean():.0%} ink; bounds on log p(x): {bounds}"


def pen(values: Values, data: dict[str, Any], path: list[list[float]]) -> dict[str, Any]:
    """Ink every pixel within the pen's radius of the path, which is in pixels, (n, 2)."""
    shape, points = data["shape"], np.asarray(path, float)
    ink = image_of(values, data).numpy()
    rows, columns = np.indices(shape)
    pixels = np.stack([columns.ravel(), rows.ravel()], 1)[:, None]  # (D, 1, 2)
    begin, along = (points[:-1], np.diff(points, axis=0)) if len(points) > 1 else (points, np.zeros((1, 2)))
    share = ((pixels - begin) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-300)
    nearest = begin + share.clip(0, 1)[..., None] * along  # (D, segments, 2)
    touched = (((pixels - nearest) ** 2).sum(-1) <= max(0.5, 0.042 * min(shape)) ** 2).any(1)
    bits = np.maximum(ink, touched).astype(int)
    bits = np.append(bits, np.zeros(-len(bits) % 4, int))
    return {"ink": "".join(f"{8 * a + 4 * b + 2 * c + d:x}" for a, b, c, d in bits.reshape(-1, 4).tolist())}


ACTIONS = {
    "Wipe": lambda values, data: {"ink": "0"},
    "Next example": lambda values, data: {
        "ink": "",
        "example": (values.example + 1) % (np.size(data["images"]) // data["sizes"][-1]),
    },
    "pen": pen,
}
