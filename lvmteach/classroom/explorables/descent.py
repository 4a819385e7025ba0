"""A Gaussian q starts at the encoder's guess and descends on KL(q || p(z|x)): the gap split, one image at a time.

The exact posterior of the course's two-dimensional VAE is kept on a fine square mesh of each image's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lvmteach.classroom.explorables.kit import numbers
from lvmteach.classroom.explorables.records import record
from lvmteach.vae import pretrained

TITLE = "q descends on the exact posterior"
ENCODER, BY_HAND = "at the encoder's guess", "where I put it"
MOST, RATE, LONGEST = 60, 0.3, 0.25  # steps; share of a natural gradient step; longest, in deviations of q
MESH, COUNT = 80, 8  # points along a side; images
STILLS = ({"image": 6, "steps": 60}, {"image": 7, "steps": 60})


class Values(NamedTuple):
    image: int = 2
    steps: int = 0
    begin: str = ENCODER
    start: tuple[float, float] = (0.0, 0.0)  # q's mean, where it was put


class Result(NamedTuple):
    path: Tensor  # q's mean before each step and at the end, (steps + 1, 2)
    sd: Tensor  # q's at the end, (2,)
    gaps: Tensor  # KL(q || p(z|x)) before each step and at the end, nats, (steps + 1,)
    at_encoder: Tensor  # the gap of the encoder's q
    approximation: Tensor  # the gap of the best axis-parallel Gaussian
    log_p_x: float  # nats


def payload() -> dict[str, Any]:
    return dict(record("descent"))


def compute(values: Values, data: dict[str, Any]) -> Result:
    log_p, z = mesh_of(data, values.image)
    encoder, best = numbers(data["encoder"])[values.image], numbers(data["best"])[values.image]
    m, log_s = encoder[:2], encoder[2:].log()
    if values.begin == BY_HAND:
        m = torch.minimum(torch.maximum(numbers(values.start), z[0]), z[-1])
    path, log_s, gaps = descend(log_p, z, m, log_s, values.steps)
    splits = [kl(log_p, z, q[:2], q[2:].log()) for q in (encoder, best)]
    return Result(path, log_s.exp(), gaps, *splits, float(numbers(data["log_p_x"])[values.image]))


def descend(log_p: Tensor, z: Tensor, m: Tensor, log_s: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """q's mean before each step and at the end, its log scale at the end, and the gaps."""
    path, gaps = [m], [kl(log_p, z, m, log_s)]
    for _ in range(steps):
        with torch.enable_grad():
            move, widen = torch.zeros(2, 2, dtype=m.dtype, requires_grad=True)
            gap = kl(log_p, z, m + log_s.exp() * move, log_s + widen)
            # In deviations of q the natural gradient of a mean is the gradient, that of a log scale one half of it.
            along, wide = torch.autograd.grad(gap, (move, widen))
        m = m - log_s.exp() * (RATE * along).clamp(-LONGEST, LONGEST)
        log_s = log_s - (RATE * wide / 2).clamp(-LONGEST, LONGEST)
        path.append(m)
        gaps.append(kl(log_p, z, m, log_s))
    return torch.stack(path), log_s, torch.stack(gaps)


def mesh_of(data: dict[str, Any], image: int) -> tuple[Tensor, Tensor]:
    """log p of each cell of an image's mesh, (MESH, MESH), adding up to one; and its axes, (MESH, 2)."""
    log_p = numbers(data["log_posterior"]).reshape(-1, MESH, MESH)[image]
    low, side = numbers(data["low"]).reshape(-1, 2)[image], numbers(data["side"])[image]
    return log_p - log_p.flatten().logsumexp(0), low + side * torch.arange(MESH, dtype=low.dtype)[:, None] / (MESH - 1)


def kl(log_p: Tensor, z: Tensor, m: Tensor, log_s: Tensor) -> Tensor:
    """KL(q || p) on the mesh, nats; q is N(m, exp(log_s)^2) along each axis, cut off at the borders."""
    across, down = torch.log_softmax(-0.5 * ((z - m) / log_s.exp()) ** 2, 0).unbind(1)
    log_q = across[:, None] + down
    return (log_q.exp() * (log_q - log_p)).sum()


def words(result: Result, values: Values) -> str:
    n = len(result.gaps) - 1
    now, family = result.gaps[-1], result.approximation
    elbo, encoder = result.log_p_x - now, result.at_encoder - family
    return (
        f"after {n} step{'' if n == 1 else 's'}: log p(x) {result.log_p_x:.2f} - ELBO {elbo:.2f} = gap {now:.2f} nats; "
        f"the best q leaves {family:.2f} (approximation), the encoder's q another {encoder:.2f} (amortisation)"
    )


def put(values: Values, data: dict[str, Any], k: int, place: list[float]) -> dict[str, Any]:
    return {"begin": BY_HAND, "start": list(place)}


ACTIONS = {"start of q": put}


def records() -> Iterable[tuple[str, np.ndarray]]:
    """Eight test images of MNIST with the exact posterior of `plane`, on meshes that show it and the encoder's q."""
    from lvmteach.data import dynamic, load_images
    from lvmteach.runtime import seeded

    model = pretrained("plane").model
    with seeded(30), torch.no_grad():
        x = dynamic(load_images("mnist").test[::50])
        q = model.encoder(x)
        low, side, best = windows(model, x, q.mean, q.stddev)
        fine = (side / (MESH - 1) < torch.minimum(q.stddev, best[:, 2:]).amin(1)).nonzero().flatten()
        axis = torch.linspace(0, 1, MESH)
        z = [low[i] + side[i] * torch.cartesian_prod(axis, axis) for i in fine]
        log_joint = torch.stack(
            [model.log_joint(x[i, None], mesh[:, None])[:, 0] for i, mesh in zip(fine, z, strict=True)]
        )
    log_joint = log_joint.double()
    log_p_x = log_joint.logsumexp(1) + 2 * (side[fine].double() / (MESH - 1)).log()
    kept = {
        "log_posterior": log_joint - log_p_x[:, None], "log_p_x": log_p_x, "low": low[fine], "side": side[fine],
        "encoder": torch.cat([q.mean, q.stddev], 1)[fine], "best": best[fine], "x": x[fine].to(torch.uint8),
    }  # fmt: skip
    ways = [_way(kept, i) for i in range(len(fine))]
    settled = [i for i, (first, last, moved, least) in enumerate(ways) if moved < 1e-3]
    settled.sort(key=lambda i: ways[i][0])
    stuck = max(settled, key=lambda i: ways[i][1] - ways[i][3])  # ends on a wrong hump
    shown = [settled[round(share * (len(settled) - 1))] for share in np.linspace(0.1, 1, COUNT - 1)] + [stuck]
    yield from (
        (name, value[shown].float().numpy() if value.is_floating_point() else value[shown].numpy())
        for name, value in kept.items()
    )


def _way(kept: dict[str, Tensor], i: int) -> tuple[float, float, float, float]:
    """The encoder's gap, what is left of it after the descent, what the last step moved it by, and the best q's gap."""
    log_p, z = mesh_of(kept, i)
    q, best = numbers(kept["encoder"])[i], numbers(kept["best"])[i]
    gaps = descend(log_p, z, q[:2], q[2:].log(), MOST)[2]
    return (
        float(gaps[0]),
        float(gaps[-1]),
        float((gaps[-1] - gaps[-2]).abs()),
        float(kl(log_p, z, best[:2], best[2:].log())),
    )


def windows(model: nn.Module, x: Tensor, m: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each image a square of the plane, its lowest corner (N, 2) and side (N,), that holds the posterior and the
    given q; and the best Gaussian (N, 4), mean and scale, of two starts."""
    axis = torch.linspace(-5, 5, 201)
    mesh = torch.cartesian_prod(axis, axis)
    log_joint = torch.cat([model.log_joint(x, part[:, None]) for part in mesh.split(1000)])
    peak = mesh[log_joint.argmax(0)]
    fits = [climb(model, x, *start) for start in ((m, s), (peak, torch.full_like(s, 0.03)))]
    elbo = torch.stack([fit[1] for fit in fits])
    best = torch.where((elbo[0] > elbo[1])[:, None], fits[0][0], fits[1][0])
    ends = []
    for i in range(len(x)):
        held = mesh[log_joint[:, i] > log_joint[:, i].max() - 9]
        reach = [(mean - 6 * scale, mean + 6 * scale) for mean, scale in ((m[i], s[i]), best[i].split(2))]
        held = torch.cat([held, *(torch.stack(pair) for pair in reach)])
        ends.append(torch.stack([held.amin(0), held.amax(0)]))
    low, high = torch.stack(ends).unbind(1)
    side = (high - low).amax(1)
    return (low + high - side[:, None]) / 2, side, best


def climb(model: nn.Module, x: Tensor, m: Tensor, s: Tensor, steps: int = 60) -> tuple[Tensor, Tensor]:
    """The Gaussians (N, 4) where natural gradient steps on the ELBO end, and their ELBO (N,); by quadrature under q."""
    nodes, weights = (torch.from_numpy(one).float() for one in np.polynomial.hermite_e.hermegauss(8))
    nodes, weights = torch.cartesian_prod(nodes, nodes), torch.outer(weights, weights).flatten() / (2 * math.pi)

    def elbo(m: Tensor, log_s: Tensor) -> Tensor:
        return weights @ model.log_joint(x, m + log_s.exp() * nodes[:, None]) + log_s.sum(1) + 1 + math.log(2 * math.pi)

    log_s = s.log()
    for _ in range(steps):
        with torch.enable_grad():
            move, widen = torch.zeros(2, *m.shape, requires_grad=True)
            along, wide = torch.autograd.grad(elbo(m + log_s.exp() * move, log_s + widen).sum(), (move, widen))
        m = m + log_s.exp() * (RATE * along).clamp(-LONGEST, LONGEST)
        log_s = log_s + (RATE * wide / 2).clamp(-LONGEST, LONGEST)
    return torch.cat([m, log_s.exp()], 1), elbo(m, log_s)
