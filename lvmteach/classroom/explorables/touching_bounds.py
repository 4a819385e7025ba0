"""EM for a single mean: each E step makes a bound that touches log p(x | theta), each M step climbs to its top."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from lvmteach.classroom.explorables.kit import numbers

TITLE = "Bounds that touch"
T = torch.linspace(-1, 4.5, 111, dtype=torch.float64)  # means that are drawn
SHOWN = 3  # bounds
LONGEST = 60  # half steps


class Values(NamedTuple):
    first: float = 0.4
    steps: str = "EM"


class Result(NamedTuple):
    theta: Tensor
    letters: str  # the half steps that were taken
    touched: Tensor  # theta at each E step
    evidence: Tensor  # log p(x | theta) over T, nats per datum
    log_p: Tensor  # at theta
    touch: Tensor  # the curve's height where the last bound touches it
    bounds: Tensor  # the last bounds over T, (SHOWN, 111)
    elbo: Tensor  # of the last q at theta


def payload() -> dict[str, Any]:
    """Sixty points of two unit Gaussians on a line, at 0 and 3."""
    stream = np.random.RandomState(3)
    return {"x": (stream.standard_normal(60) + 3 * (np.arange(60) % 2)).round(3)}


def log_joint(x: Tensor, theta: Tensor) -> Tensor:
    """log p(x_n, z = c), (..., N, 2): a unit Gaussian at 0 and one at theta, of equal weight."""
    means = torch.stack([torch.zeros_like(theta), theta], -1)[..., None, :]
    return Normal(means, torch.ones_like(means)).log_prob(x[:, None]) + math.log(0.5)


def bound(x: Tensor, q: Tensor, theta: Tensor) -> Tensor:
    """E_q[log p(x, z) - log q(z)], the mean over the data, for posteriors q (N, 2)."""
    return (q * log_joint(x, theta) + torch.special.entr(q)).sum(-1).mean(-1)


def compute(values: Values, data: dict[str, Any]) -> Result:
    x, theta = numbers(data["x"]), torch.tensor(values.first, dtype=torch.float64)
    posteriors, touched, letters = [], [], ""
    for letter in values.steps:
        if letter == "E":
            posteriors.append(log_joint(x, theta).softmax(-1))
            touched.append(theta)
        elif posteriors:
            theta = posteriors[-1][:, 1] @ x / posteriors[-1][:, 1].sum()
        else:
            continue
        letters += letter

    def log_p(theta: Tensor) -> Tensor:
        return log_joint(x, theta).logsumexp(-1).mean(-1)

    bounds = [bound(x, q, T) for q in posteriors[-SHOWN:]]
    return Result(
        theta,
        letters,
        torch.stack(touched) if touched else x.new_zeros(0),
        log_p(T),
        log_p(theta),
        log_p(touched[-1]) if touched else log_p(theta),
        torch.stack(bounds) if bounds else x.new_zeros(0),
        bound(x, posteriors[-1], theta) if posteriors else log_p(theta),
    )


def words(result: Result, values: Values) -> str:
    if not result.letters:
        return f"θ = {result.theta:.2f}, log p(x) {result.log_p:.4f} nats per datum: press E"
    half, gap = f"half step {len(result.letters)} ({result.letters[-1]})", max(result.log_p - result.elbo, 0.0)
    return (
        f"θ = {result.theta:.2f} after {half}: bound {result.elbo:.4f} + gap {gap:.4f} = log p(x) {result.log_p:.4f} "
        "nats per datum"
    )


def e_step(values: Values, data: dict[str, Any]) -> dict[str, Any]:
    return {"steps": (values.steps + "E")[:LONGEST]}


def m_step(values: Values, data: dict[str, Any]) -> dict[str, Any]:
    return {"steps": (values.steps + "M")[:LONGEST]}


def start_again(values: Values, data: dict[str, Any]) -> dict[str, Any]:
    return {"steps": ""}


ACTIONS = {"E step": e_step, "M step": m_step, "Start again": start_again}
STILLS = ({"steps": "EMEME"},)
