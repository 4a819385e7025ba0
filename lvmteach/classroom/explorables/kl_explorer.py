"""Variational inference: take q by its peak, watch ELBO + KL = log p(x), and let either KL choose q."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Normal

from lvmteach.variational import Gaussian, Grid, forward_fit, grid, kl, log_density, log_integral, split

TITLE = "Two parts of log p(x), and two KLs"
BY_HAND, REVERSE, FORWARD = "by hand", "least KL(q || p)", "least KL(p || q)"
LOG_P_X = -2.0  # nats; the joint integrates to this
VIEW = (-6.0, 6.0)
TOP = 0.8  # of a density
ON = grid(-16.0, 16.0, 1601)


class Values(NamedTuple):
    peak: tuple[float, float] = (0.0, 0.25)  # of q's density, or where its fit begins
    fit: str = BY_HAND
    apart: float = 4.0  # of the humps' centres


class Result(NamedTuple):
    m: Tensor
    s: Tensor
    log_p_x: Tensor  # nats, as are the next three
    elbo: Tensor
    kl: Tensor  # KL(q || p)
    forward: Tensor  # KL(p || q)
    posterior: Tensor  # densities over VIEW
    density: Tensor


def two_humps(z: Tensor, apart: float) -> Tensor:
    """log p(x, z): two Gaussian humps of unequal weight and width whose centres are `apart`."""
    # Numbers alone would make a distribution in float32, and 0.6 is then wrong in the eighth digit.
    centres = torch.tensor([-apart / 2, apart / 2], dtype=z.dtype)
    widths, weights = centres.new_tensor([0.6, 0.9]), centres.new_tensor([0.4, 0.6])
    return (Normal(centres, widths).log_prob(z[..., None]) + weights.log()).logsumexp(-1) + LOG_P_X


def with_peak_at(m: float, height: float) -> Gaussian:
    """The Gaussian whose density peaks at (m, height): height = 1 / (s sqrt(2 pi))."""
    s = 1 / (min(max(height, 0.04), TOP) * math.sqrt(2 * math.pi))
    return Gaussian(*torch.tensor([m, s], dtype=torch.float64))


def reverse_fit(log_joint: Tensor, on: Grid, q: Gaussian) -> Gaussian:
    """The greatest ELBO near q: Newton's steps where the ELBO is a hill, else the natural gradient's. It seeks.

    `variational.reverse_fit` climbs by quasi-Newton steps; where this one stops, so does that (a test). A page wants
    a short path that two languages walk alike.
    """

    def elbo(move: Tensor) -> Tensor:
        return -kl(log_density(Gaussian(q.m + q.s * move[0], q.s * move[1].exp()), on), log_joint, on)

    for _ in range(100):
        here = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(elbo(here), here, create_graph=True)
            hessian = torch.stack([torch.autograd.grad(one, here, retain_graph=True)[0] for one in slope])
        gradient = slope.detach()
        hill = hessian[0, 0] < 0 and torch.linalg.det(hessian) > 0
        step = -torch.linalg.solve(hessian, gradient) if hill else gradient * torch.tensor([1.0, 0.5])
        step = step.clamp(-0.5, 0.5)
        q = Gaussian(q.m + q.s * step[0], q.s * step[1].exp())
        if step.abs().sum() < 1e-12:
            break
    return q


def payload() -> dict[str, Any]:
    return {}


def compute(values: Values, data: dict[str, Any]) -> Result:
    log_joint = two_humps(ON.z, values.apart)
    q = with_peak_at(*values.peak)
    if values.fit == FORWARD:
        q = forward_fit(log_joint, ON)
    elif values.fit == REVERSE:
        q = reverse_fit(log_joint, ON, q)
    log_q, log_post = log_density(q, ON), log_joint - log_integral(log_joint, ON)
    parts, seen = split(log_joint, log_q, ON), (ON.z >= VIEW[0] - 1e-9) & (ON.z <= VIEW[1] + 1e-9)
    return Result(*q, *parts, kl(log_post, log_q, ON), log_post[seen].exp(), log_q[seen].exp())


def words(result: Result, values: Values) -> str:
    m = result.m if result.m.abs() >= 0.005 else 0.0  # no minus before a zero
    return (
        f"q = N({m:.2f}, {result.s:.2f}²): ELBO {result.elbo:.3f} + KL(q || p) {result.kl:.3f} = log p(x) "
        f"{result.log_p_x:.3f} nats; KL(p || q) {result.forward:.3f}"
    )
