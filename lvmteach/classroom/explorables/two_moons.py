"""A star beside two moons of points: what a model of y given x says about it, and what a model of x does."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.distributions import MultivariateNormal

from lvmteach.classroom.explorables.kit import numbers

TITLE = "Taking sides, and being surprised"
STILLS = ({"star": (-1.0, 1.0)},)
ACROSS, UP, COLS, ROWS = (-3.0, 4.5), (-3.0, 3.0), 50, 40  # the pictures' edges and pixels


class Values(NamedTuple):
    star: tuple[float, float] = (3.0, -1.8)


class Result(NamedTuple):
    p: Tensor  # p(y = 1 | x)
    log_p: Tensor  # nats
    certainty: Tensor
    odder: int  # points seen that are less probable than the star
    most: Tensor  # nats of surprise of the oddest point seen
    sides: Tensor  # (ROWS COLS,), p(y = 1 | x) from the top left
    heights: Tensor  # log p(x)


def payload() -> dict[str, Any]:
    """Points, a logistic regression of the side, and the mean and covariance [a, b, c] of each moon."""
    points, labels = make_moons(400, noise=0.2, random_state=0)
    points = points.astype(np.float32).astype(float)
    line = LogisticRegression().fit(points, labels)
    covs = [np.cov(points[labels == z].T)[[0, 0, 1], [0, 1, 1]] for z in (0, 1)]
    return {
        "points": points.astype(np.float32),
        "labels": labels.astype(np.uint8),
        "weights": [*line.coef_[0].tolist(), float(line.intercept_[0])],
        "means": np.stack([points[labels == z].mean(0) for z in (0, 1)]),
        "covs": np.stack(covs),
    }


def compute(values: Values, data: dict[str, Any]) -> Result:
    *w, b = data["weights"]
    a = numbers(data["covs"])
    covs = torch.stack([a[:, 0], a[:, 1], a[:, 1], a[:, 2]], 1).view(2, 2, 2)
    moons = MultivariateNormal(numbers(data["means"]), covs)

    def side(x: Tensor) -> Tensor:
        return torch.sigmoid(x @ numbers(w) + b)

    def log_p(x: Tensor) -> Tensor:
        return moons.log_prob(x[..., None, :]).logsumexp(-1) - math.log(2)

    star, known = numbers(values.star), log_p(numbers(data["points"]))
    p, here = side(star), log_p(star)
    y, x = torch.meshgrid(_centres(UP, ROWS).flip(0), _centres(ACROSS, COLS), indexing="ij")
    places = torch.stack([x, y], -1).flatten(0, 1)
    odder = int((known < here).sum())
    return Result(p, here, torch.maximum(p, 1 - p), odder, -known.min(), side(places), log_p(places))


def words(result: Result, values: Values) -> str:
    x, y = values.star
    return (
        f"star at ({x:.2f}, {y:.2f}): certain to {result.certainty:.4f} which moon; {-result.log_p:.1f} nats of "
        f"surprise, at most {result.most:.1f} among the points"
    )


def _centres(ends: tuple[float, float], n: int) -> Tensor:
    half = (ends[1] - ends[0]) / n / 2
    return torch.linspace(ends[0] + half, ends[1] - half, n, dtype=torch.float64)
