"""Decode a grid."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.vae.shared import _decoder


def _decode_grid(decode, n):
    quantiles = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    side = torch.special.ndtri(quantiles)
    z = torch.cartesian_prod(side.flip(0), side).flip(1)
    return torch.sigmoid(decode(z))


@drawing
def _decoders(draw):
    cases = [(_decoder(draw, 2, D), n) for n, D in ((2, 3), (3, 5), (4, 2), (1, 4), (7, 3), (30, 1))]
    decode = _decoder(draw, 2, 4)
    # Pixels that are all but sure, and logits whose exp is out of range.
    return [*cases, (lambda z: 20 * decode(z), 5), (lambda z: 3000 * decode(z), 4)]


def _grid_with(side=None, points=None, link=torch.sigmoid):
    """A misconception: other coordinates along a side, another order of the points, or no probabilities."""

    def wrong(decode, n):
        at = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n) if side is None else side(n)
        z = torch.cartesian_prod(at.flip(0), at).flip(1) if points is None else points(at)
        return link(decode(z))

    return wrong


def _grid_by_loop(decode, n):
    side = [Normal(0.0, 1.0).icdf(torch.tensor((i + 0.5) / n, dtype=torch.float64)) for i in range(n)]
    return torch.stack([torch.sigmoid(decode(torch.stack([z_1, z_2])[None])[0]) for z_2 in side[::-1] for z_1 in side])


def _grid_by_meshgrid(decode, n):
    side = math.sqrt(2) * torch.erfinv(2 * torch.linspace(0.5 / n, 1 - 0.5 / n, n, dtype=torch.float64) - 1)
    z_1, z_2 = torch.meshgrid(side, -side, indexing="xy")
    return 1 / (1 + (-decode(torch.stack([z_1.flatten(), z_2.flatten()], 1))).exp())


decode_grid = Exercise(
    ask="Return the decoder's images on a grid of n x n equally probable cells of the plane, from the top left.",
    reference=_decode_grid,
    cases=_decoders,
    misconceptions={
        "These are logits. An image needs the probability of each pixel.": _grid_with(link=lambda logits: logits),
        "These are black and white draws. The mean of p(x|z) is what to show: the probabilities themselves.": (
            _grid_with(link=lambda logits: torch.bernoulli(torch.sigmoid(logits)))
        ),
        "These are rounded to black and white. Keep the probabilities.": (
            _grid_with(link=lambda logits: torch.sigmoid(logits).round())
        ),
        "The sigmoid is applied twice.": _grid_with(link=lambda logits: torch.sigmoid(torch.sigmoid(logits))),
        "A softmax makes the pixels of an image compete. Each is a Bernoulli of its own: sigmoid.": (
            _grid_with(link=lambda logits: torch.softmax(logits, -1))
        ),
        "The two coordinates are exchanged: along a row z_1 changes, from row to row z_2.": (
            _grid_with(points=lambda at: torch.cartesian_prod(at.flip(0), at))
        ),
        "The picture is upside down: images run from the top, so z_2 begins at its largest.": (
            _grid_with(points=lambda at: torch.cartesian_prod(at, at).flip(1))
        ),
        "Coordinates exchanged, and rows from the bottom: what cartesian_prod or meshgrid gives by itself.": (
            _grid_with(points=lambda at: torch.cartesian_prod(at, at))
        ),
        "Left and right are exchanged: in a row z_1 grows.": (
            _grid_with(points=lambda at: torch.cartesian_prod(at.flip(0), at.flip(0)).flip(1))
        ),
        "You took the quantiles for coordinates. The normal's inverse distribution function turns them into z.": (
            _grid_with(side=lambda n: (torch.arange(n, dtype=torch.float64) + 0.5) / n)
        ),
        "Those are quantiles of the logistic distribution. The prior is normal: its inverse is another one.": (
            _grid_with(side=lambda n: torch.logit((torch.arange(n, dtype=torch.float64) + 0.5) / n))
        ),
        "That is the distribution function. You need its inverse: from probabilities to z.": (
            _grid_with(side=lambda n: torch.special.ndtr((torch.arange(n, dtype=torch.float64) + 0.5) / n))
        ),
        "Your quantiles include 0 and 1, which lie at infinity. Take the middle of each of n cells.": (
            _grid_with(side=lambda n: torch.special.ndtri(torch.linspace(0, 1, n, dtype=torch.float64)))
        ),
        "Your first quantile is 0, at minus infinity: these are left ends of cells. Take their middles.": (
            _grid_with(side=lambda n: torch.special.ndtri(torch.arange(n, dtype=torch.float64) / n))
        ),
        "These points divide the line into n + 1 equal parts. Take the middles of n parts.": (
            _grid_with(side=lambda n: torch.special.ndtri(torch.arange(1, n + 1, dtype=torch.float64) / (n + 1)))
        ),
        "Equal steps in z: most cells lie where the prior hardly goes. Equal steps in probability are asked for.": (
            _grid_with(side=lambda n: torch.linspace(-3, 3, n, dtype=torch.float64))
        ),
        "Equal steps in z, from -2 to 2. Equal steps in probability are asked for.": (
            _grid_with(side=lambda n: torch.linspace(-2, 2, n, dtype=torch.float64))
        ),
        "These are n points on a diagonal. A grid combines each z_1 with each z_2.": (
            _grid_with(points=lambda at: torch.stack([at, at], 1))
        ),
    },
    also_right=[_grid_by_loop, _grid_by_meshgrid],
)
