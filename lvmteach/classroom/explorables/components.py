"""Components over the aggregate posterior: a mixture as prior, and what it gains on codes seen in fitting and not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.classroom.explorables.records import record
from lvmteach.mixtures import Mixture, log_likelihood

TITLE = "A prior fitted to the codes"
SIZES = (1, 2, 3, 5, 10, 20, 30, 60)
STILLS = ({"C": 1}, {"C": 60})


class Values(NamedTuple):
    C: int = 10
    z: tuple[float, float] = (0.0, -3.0)


class Result(NamedTuple):
    log_p: Tensor  # at z, nats
    log_normal: Tensor
    seen: Tensor  # mean of log p_C(z) - log N(z; 0, I), nats a code: what the ELBO gains
    fresh: Tensor
    on_seen: Tensor  # for every size
    on_fresh: Tensor


def payload() -> dict[str, Any]:
    return {"sizes": list(SIZES), **record("components")}


def compute(values: Values, data: dict[str, Any]) -> Result:
    fits, at, z = mixtures(data), data["sizes"].index(values.C), numbers(values.z)
    each = gains(numbers(data["seen"]).reshape(-1, 2), numbers(data["fresh"]).reshape(-1, 2), fits)
    return Result(log_likelihood(z[None], fits[at])[0], log_normal(z), *each[:, at], *each)


def mixtures(data: dict[str, Any]) -> list[Mixture]:
    """The fitted mixtures, one a size."""
    parts = (numbers(data["weights"]), numbers(data["means"]).reshape(-1, 2), numbers(data["covs"]).reshape(-1, 3))
    split = [part.split(data["sizes"]) for part in parts]
    return [Mixture(w, m, cov[:, [0, 1, 1, 2]].reshape(-1, 2, 2)) for w, m, cov in zip(*split, strict=True)]


def gains(seen: Tensor, fresh: Tensor, fits: list[Mixture]) -> Tensor:
    """What a code's log prior gains over N(0, I) on average, in nats: on both lists of codes (n, 2), under each fit."""
    z = torch.cat([seen, fresh])
    each = torch.stack([log_likelihood(z, fit) for fit in fits]) - log_normal(z)  # (fits, codes)
    return torch.stack([part.mean(1) for part in each.split([len(seen), len(fresh)], 1)])


def log_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I), in nats."""
    return Normal(z.new_zeros(()), z.new_ones(())).log_prob(z).sum(-1)


def words(result: Result, values: Values) -> str:
    many = "" if values.C == 1 else "s"
    return (
        f"{values.C} component{many}: {result.fresh:.3f} nats better than N(0, I) on fresh codes, "
        f"{result.seen:.3f} on codes it was fitted to; at the ring log p(z) = {result.log_p:.2f}, under N(0, I) "
        f"{result.log_normal:.2f}"
    )


def records() -> Iterable[tuple[str, np.ndarray]]:
    """Draws of q(z) of the course's `plane`, for training and for test images, and mixtures fitted to the former."""
    from lvmteach.covariance import Prior
    from lvmteach.data import dynamic, load_images
    from lvmteach.mixtures import fit_mixture
    from lvmteach.runtime import seeded
    from lvmteach.vade import draws_of_q
    from lvmteach.vae import pretrained

    images, model = load_images("mnist"), pretrained("plane").model
    with seeded(29), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = draws_of_q(model, dynamic(images.train[:3000]))
        fresh = draws_of_q(model, dynamic(images.test[::10]))
        fits = [fit_mixture(seen, C, prior=Prior(3.0, 0.02), restarts=3, max_steps=200, tol=1e-5).params for C in SIZES]
    yield "seen", seen[:1000].half().numpy()  # a third of them, which is plenty to draw
    yield "fresh", fresh.half().numpy()
    yield "weights", torch.cat([fit.weights for fit in fits]).float().numpy()
    yield "means", torch.cat([fit.means for fit in fits]).float().numpy()
    yield "covs", torch.cat([fit.covariances.flatten(1)[:, [0, 1, 3]] for fit in fits]).float().numpy()
