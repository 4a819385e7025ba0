"""The importance weighted bound: slide K, and see it climb to log p(x).

Left, how far L_K (two standard errors shaded) lies below log p(x), found by quadrature. Middle, one set of K samples:
their normalised weights, largest first. Right, the posterior on the plane (contours), one sample of q from each of 200
sets (small, grey), and one of the set's first K drawn by weight (red): with K the cloud moves from q to the posterior.

That takes 51 200 decodes an image, so the page gets records. Of the samples of a set only those that are drawn at some
K are kept: with Gumbel noise added to its log weight a draw by weight is the largest of the first K, and the largest
changes seldom.

Source: Burda, Grosse and Salakhutdinov 2016, section 3; the implied posterior, Cremer, Morris and Duvenaud 2017.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.classroom.explorables.nets import latent_size, like
from lvmteach.classroom.explorables.records import record
from lvmteach.integrals import ess, normalise
from lvmteach.runtime import seeded
from lvmteach.vae import pretrained

TITLE = "The bound climbs"
SETS = 200  # independent sets of samples: for the bound's mean, and for the cloud of resampled points
MOST = 256  # samples in a set
GRID = 121  # points along each latent axis, for the quadrature
REACH = 5.0  # of its first grid, in prior standard deviations


class Sets(NamedTuple):
    """What the picture needs of one image, computed once."""

    log_w: Tensor  # (MOST, SETS)
    z: Tensor  # (MOST, SETS, 2)
    score: Tensor  # (MOST, SETS), log_w plus Gumbel noise: its largest among the first K is a draw by weight
    bound: np.ndarray  # (MOST,), the mean over sets of log 1/K sum_k w_k
    error: np.ndarray  # (MOST,), its standard error
    exact: Exact


class Exact(NamedTuple):
    """log p(x) in nats, and the posterior on a grid that holds all of it."""

    log_p: float
    axes: np.ndarray  # (2, GRID)
    posterior: np.ndarray  # (GRID, GRID), p(z|x) relative to its largest value


def draw_sets(model: nn.Module, x: Tensor) -> Sets:
    """Sample q(z|x), weigh, and find log p(x) and the posterior by quadrature, for one image x (D,)."""
    with torch.no_grad():
        draws = [model.draw(x[None].expand(SETS, -1), MOST // 8) for _ in range(8)]  # an eighth at a time: memory
        log_w = torch.cat([draw.log_w for draw in draws])
        gumbel = -torch.empty_like(log_w).exponential_().log()
        L_k = log_w.logcumsumexp(0) - torch.arange(1, MOST + 1, device=x.device, dtype=x.dtype).log()[:, None]
        exact = quadrature(model, x)
    z = torch.cat([draw.z for draw in draws])
    mean, error = L_k.mean(1), L_k.std(1) / math.sqrt(SETS)
    return Sets(log_w, z, log_w + gumbel, mean.cpu().numpy(), error.cpu().numpy(), exact)


def quadrature(model: nn.Module, x: Tensor) -> Exact:
    """log p(x) and p(z|x) for one image x (D,), by a sum over a grid of z where the posterior lies.

    A sum with equal steps is exact to rounding once the density is resolved and has died out at the edges. A first
    grid over the prior finds the box outside which p(x, z) is below e^-25 of its largest value.
    """
    axes = np.stack([np.linspace(-REACH, REACH, GRID)] * 2)
    log_joint = _on_grid(model, x, axes)
    step = 2 * REACH / (GRID - 1)
    inside = axes[:, 0] + step * np.argwhere(log_joint > log_joint.max() - 25)
    axes = np.linspace(inside.min(0) - step, inside.max(0) + step, GRID, axis=1)
    log_joint = _on_grid(model, x, axes)
    top, cell = log_joint.max(), np.prod(axes[:, 1] - axes[:, 0])
    relative = np.exp(log_joint - top)
    return Exact(float(top + np.log(cell * relative.sum())), axes, relative)


def _on_grid(model: nn.Module, x: Tensor, axes: np.ndarray) -> np.ndarray:
    z = torch.cartesian_prod(*torch.as_tensor(axes, **like(model)))
    parts = [model.log_joint(x.expand(len(part), -1), part) for part in z.chunk(8)]  # an eighth at a time: memory
    return torch.cat(parts).reshape(GRID, GRID).double().cpu().numpy()


class Values(NamedTuple):
    K: int = 16
    image: int = 0
    seed: int = 0  # of the sets that are kept


class Result(NamedTuple):
    weights: Tensor  # (K,), of one set, normalised, largest first
    bound: float  # L_K: mean over sets, in nats
    error: float  # its standard error
    log_p: float
    ess: Tensor  # of that set
    cloud: np.ndarray  # (SETS, 2), one sample of each set drawn by weight


SEEDS = 3  # sets of draws kept for each image


def payload(model: nn.Module | None = None, x: Tensor | None = None) -> dict[str, Any]:
    """Records of what the picture needs of each image.

    Args:
        model: a VAE with L = 2, where log p(x) can be had by quadrature; the course's `plane` by default.
        x: images (N, D).

    Raises:
        ValueError: L is not 2.
    """
    kept = record("climb") if model is None else recorded(model, x)
    images = []
    for i in range(1 + max(int(name.split()[0]) for name in kept)):
        mine = {name.partition(" ")[2]: column for name, column in kept.items() if name.startswith(f"{i} ")}
        seeds = {name.split()[0] for name in mine if " " in name}
        sets = [{key: mine[f"{s} {key}"] for key in KEPT} for s in range(len(seeds))]
        posterior, box = mine["posterior"], mine["box"].tolist()
        images.append({"log_p": float(mine["log_p"]), "box": box, "posterior": posterior, "sets": sets})
    return {"images": images}


KEPT = ("log_w", "bound", "error", "counts", "k", "z")


def recorded(model: nn.Module, x: Tensor, seeds: int = SEEDS) -> dict[str, np.ndarray]:
    """The records of images x (N, D), by "image seed name"."""
    if (L := latent_size(model)) != 2:
        raise ValueError(f"quadrature needs a model with L = 2, got L = {L}; train one with L=2")
    found = {}
    for i, one in enumerate(x.to(**like(model))):
        for s in range(seeds):
            with seeded(1 + s):
                sets = draw_sets(model, one)
            found |= {f"{i} {s} {key}": column for key, column in winners(sets).items()}
        exact = sets.exact
        found[f"{i} log_p"] = np.float64(exact.log_p)
        found[f"{i} box"] = exact.axes[:, [0, -1]].ravel()
        found[f"{i} posterior"] = np.rint(255 * exact.posterior[::2, ::2]).astype(np.uint8)  # every other point will do
    return found


def winners(sets: Sets) -> dict[str, np.ndarray]:
    """What of the sets is ever shown: the samples that are the best so far, set by set, and the numbers by K."""
    best = sets.score.cummax(0).indices  # (MOST, SETS): which of the first K
    new = torch.cat([torch.ones_like(best[:1], dtype=torch.bool), best[1:] != best[:-1]]).T  # (SETS, MOST)
    which, k = new.nonzero(as_tuple=True)
    return {
        "log_w": sets.log_w[:, 0].cpu().numpy().astype(np.float32),
        "bound": sets.bound.astype(np.float32),
        "error": sets.error.astype(np.float32),
        "counts": new.sum(1).cpu().numpy().astype(np.uint8),
        "k": k.cpu().numpy().astype(np.uint8),
        "z": sets.z[k, which].cpu().numpy().astype(np.float16),
    }


def records() -> dict[str, np.ndarray]:
    """Eight test images, of which q fits the first fairly and the last badly."""
    from lvmteach.data import load_images
    from lvmteach.integrals import ess as size_of

    model = pretrained("plane").model
    with seeded(18), torch.no_grad():
        some = torch.bernoulli(load_images("mnist").test[:100])
        size = size_of(model.log_weights(some, K=200).reshape(50, 4, -1)).mean(0)  # of four sets of 50
    return recorded(model, some[size.argsort()[[50, 40, 30, 20, 12, 6, 3, 1]]])


def compute(values: Values, data: dict[str, Any]) -> Result:
    image = data["images"][min(values.image, len(data["images"]) - 1)]
    kept, K = image["sets"][values.seed % len(image["sets"])], values.K
    log_w = numbers(kept["log_w"])[:K]
    ends = np.cumsum(kept["counts"].astype(int))
    cloud = [
        kept["z"].reshape(-1, 2)[begin:end][kept["k"][begin:end] < K][-1]
        for begin, end in zip(ends - kept["counts"], ends, strict=True)
    ]
    bound, error = (float(kept[name][K - 1]) for name in ("bound", "error"))
    weights = normalise(log_w).sort(descending=True).values
    return Result(weights, bound, error, image["log_p"], ess(log_w), np.array(cloud, float))


def words(result: Result, values: Values) -> str:
    return (
        f"K = {values.K}: bound {result.bound:.2f} ± {result.error:.2f}, log p(x) = {result.log_p:.2f} nats; "
        f"effective sample size {result.ess:.1f} of {values.K}"
    )


def new_samples(values: Values, data: dict[str, Any]) -> dict[str, Any]:
    return {"seed": (values.seed + 1) % len(data["images"][0]["sets"])}


ACTIONS = {"New samples": new_samples}
