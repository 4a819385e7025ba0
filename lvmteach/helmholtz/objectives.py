"""One objective for both nets: a value for each image whose autograd gradient goes to theta and gamma alike.

`climb` steps up any of them. What enumeration gives needs no estimate: `lambda m: exact(m, x).elbo` is the ELBO with
its exact gradient, `lambda m: exact(m, x).log_p` maximum likelihood. The other three draw z from q(z|x), and so must
say how a gradient passes a coin: by its probability (`score_elbo`, `score_bound`), or by softening it (`gumbel_elbo`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import softplus

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.gradients import leave_one_out
from lvmteach.helmholtz.model import Machine, Units, binary
from lvmteach.integrals import log_mean_exp


@as_annotated
def climb(machine: Machine, objective: Callable[[Machine], Tensor], rate: float) -> Float[Tensor, "*SB"]:
    """One step of size `rate` up the gradient of the objective's mean over the batch, for both nets, in place.

    Args:
        objective: takes the machine, whose parameters then ask for gradients, and returns a value an image, (*S, B).

    Returns:
        The objective before the step, (*S, B). A net that it does not depend on stays as it is.
    """
    with torch.enable_grad():
        leaves = machine.map(lambda parameter: parameter.detach().requires_grad_())
        value = objective(leaves)
        # Copies share no parameter: in the sum over copies each keeps the gradient of its own mean.
        gradient = torch.autograd.grad(value.mean(-1).sum(), leaves.parameters, materialize_grads=True)
    for parameter, slope in zip(machine.parameters, gradient, strict=True):
        parameter.detach().add_(slope, alpha=rate)
    return value.detach()


@as_annotated
def score_elbo(
    machine: Machine,
    x: Shaped[Tensor, "*B D"],
    K: int,
    baseline: Callable[[Tensor], Tensor] | None = leave_one_out,
) -> Float[Tensor, "*SB"]:
    """The ELBO from K draws z_k ~ q(z|x), with the score function's gradient: no bias, for theta and gamma.

    grad ELBO = E_q[(log w - b) grad log q + grad log w], with log w = log p(x, z) - log q(z|x).

    Args:
        x: binary images, (B, D) or (*S, B, D).
        K: draws an image; at least 2 with `leave_one_out`.
        baseline: b from the K values of log w, (K, *S, B); it must not depend on its own draw. None: b = 0.

    Returns:
        The mean of log w over the draws, (*S, B), in nats.

    Source: Williams 1992; Mnih and Gregor 2014; Mnih and Rezende 2016 for the baseline.
    """
    log_w, log_q = _weigh(machine, x, K)
    signal = log_w.detach() - (0.0 if baseline is None else baseline(log_w.detach()))
    return (log_w + signal * (log_q - log_q.detach())).mean(0)


@as_annotated
def score_bound(machine: Machine, x: Shaped[Tensor, "*B D"], K: int) -> Float[Tensor, "*SB"]:
    """The K-sample bound, log 1/K sum_k w_k, with the score function's gradient, a baseline a draw, and no bias.

    Draw k is paid for what it adds: the bound minus the bound in which w_k is replaced by the geometric mean of the
    other weights. That replacement does not know z_k, so the mean is exact. The gradient for theta is that of
    `reweighted_step`.

    Returns:
        The bound, (*S, B), in nats: at most log p(x) on average.

    Raises:
        ValueError: K < 2 leaves no other draw.

    Source: Mnih and Rezende 2016, section 2.5 (VIMCO).
    """
    log_w, log_q = _weigh(machine, x, K)
    bound = log_mean_exp(log_w)
    held = log_w.detach()
    others = torch.diag_embed((leave_one_out(held) - held).movedim(0, -1))  # (*S, B, K, K): one draw replaced a row
    without = log_mean_exp((held.movedim(0, -1).unsqueeze(-2) + others).movedim(-1, 0)).movedim(-1, 0)
    return bound + ((bound.detach() - without) * (log_q - log_q.detach())).sum(0)


@as_annotated
def gumbel_elbo(
    machine: Machine, x: Shaped[Tensor, "*B D"], K: int, temperature: float, *, straight_through: bool = False
) -> Float[Tensor, "*SB"]:
    """The ELBO with coins softened, so that a gradient passes through them: low variance, and a bias that tau dials.

    A coin of logit a becomes s = sigmoid((a + logistic noise) / tau), above 1/2 exactly when the hard coin shows 1.
    Each log Bernoulli is s a - log(1 + e^a), linear in s, and is read between 0 and 1 as it stands.

    Args:
        temperature: tau, above 0.
        straight_through: compute with the hard coins, and use the soft ones' gradient.

    Returns:
        The mean over K draws, (*S, B), in nats. With hard coins its mean is the ELBO; with soft ones it is not.

    Raises:
        ValueError: K < 1, temperature <= 0, or x does not fit.

    Source: Jang, Gu and Poole 2017; Maddison, Mnih and Teh 2017, for binary units.
    """
    at_least(1, K=K)
    if not temperature > 0:
        raise ValueError(
            f"temperature must be above 0, got {temperature}; for hard coins say straight_through=True, for a gradient "
            "without bias take score_elbo"
        )
    units = [_repeat(binary(x, machine), K)]
    for layer in machine.recognition:
        logits = layer.logits(units[-1])
        logistic = torch.logit(torch.rand_like(logits), eps=1e-7)
        s = torch.sigmoid((logits + logistic) / temperature)
        units.append((s > 0.5).to(s) + (s - s.detach()) if straight_through else s)
    down = zip(machine.generative, units[:-1], units[1:], strict=True)
    up = zip(machine.recognition, units[1:], units[:-1], strict=True)
    log_p = _linear(units[-1], machine.prior.unsqueeze(-2)) + sum(_linear(s, net.logits(g)) for net, s, g in down)
    log_q = sum(_linear(s, net.logits(g)) for net, s, g in up)
    return (log_p - log_q).unflatten(-1, (K, -1)).mean(-2)


def _linear(s: Tensor, logits: Tensor) -> Tensor:
    """log Bernoulli(s; sigmoid(logits)), summed over units, continued linearly between s = 0 and s = 1."""
    return (s * logits - softplus(logits)).sum(-1)


def _repeat(x: Tensor, K: int) -> Tensor:
    return torch.cat([x] * K, -2)


def _weigh(machine: Machine, x: Tensor, K: int) -> tuple[Tensor, Tensor]:
    """log p(x, z) - log q(z|x) and log q(z|x) at K draws of z an image, both (K, *S, B), with gradients, z held."""
    at_least(1, K=K)
    with torch.no_grad():
        units: Units = machine.recognise(_repeat(binary(x, machine), K))
    log_q = machine.log_q(units)
    log_w = machine.log_joint(units) - log_q
    log_w, log_q = (row.unflatten(-1, (K, -1)).movedim(-2, 0) for row in (log_w, log_q))
    return log_w, log_q
