"""Helmholtz machines: binary belief nets taught by wake-sleep, each unit by its own delta rule, without autograd.

Two nets share their units. The generative net dreams downwards, z_T -> ... -> z_1 -> x; the recognition net
reads upwards, x -> z_1 -> ... -> z_T. Every unit is a coin whose logit is linear in the layer before it:

    p(x, z) = p(z_T) p(z_{T-1}|z_T) ... p(x|z_1)      q(z|x) = q(z_1|x) q(z_2|z_1) ... q(z_T|z_{T-1})

`units` is always the tuple (x, z_1, ..., z_T). Parameters may carry leading dimensions *S: as many machines, trained
side by side on their own draws. `lvmteach.helmholtz.enumeration` sums over all z where there are few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import linear, logsigmoid

from lvmteach.annotated import as_annotated

Units = tuple[Tensor, ...]


class Layer(NamedTuple):
    """Coins s_j ~ Bernoulli(sigmoid(given W + b)_j): one layer of units given another."""

    weight: Float[Tensor, "*S I O"]
    bias: Float[Tensor, "*S O"]

    def logits(self, given: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        """given W + b."""
        if self.weight.ndim == 2:  # one call adds the bias inside the product: a tenth of a step's time
            return linear(given, self.weight.mT, self.bias)
        return torch.matmul(given, self.weight).add_(self.bias.unsqueeze(-2))

    def probability(self, given: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        """P(s = 1 | given), unit by unit."""
        return self.logits(given).sigmoid_()


class Machine(NamedTuple):
    """A Helmholtz machine: D observed units, T layers of latent units, and the nets that lead down and up."""

    prior: Float[Tensor, "*S L"]  # logits of the top layer
    generative: tuple[Layer, ...]  # [t] draws units[t] given units[t + 1]
    recognition: tuple[Layer, ...]  # [t] draws units[t + 1] given units[t]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units a layer, from x up: (D, L_1, ..., L_T)."""
        return (*(layer.weight.shape[-2] for layer in self.recognition), self.prior.shape[-1])

    @property
    def copies(self) -> tuple[int, ...]:
        """The leading dimensions *S; () for a single machine."""
        return tuple(self.prior.shape[:-1])

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Every parameter: the prior, then each layer's weight and bias, generative first."""
        return (self.prior, *chain(*self.generative), *chain(*self.recognition))

    @as_annotated
    def map(self, f: Callable[[Tensor], Tensor]) -> Machine:
        """A machine of f(parameter): `.map(torch.clone)` is a snapshot, `.map(lambda p: p[3])` the fourth copy."""
        generative, recognition = (tuple(Layer(*map(f, layer)) for layer in net) for net in self[1:])
        return Machine(f(self.prior), generative, recognition)

    def dream(self, N: int) -> Units:
        """N draws of (x, z_1, ..., z_T) from the generative net, each (*S, N, units)."""
        if N < 1:
            raise ValueError(f"N must be at least 1 dream, got {N}")
        units = [_toss(torch.sigmoid(self.prior).unsqueeze(-2).expand(*self.copies, N, -1))]
        for layer in reversed(self.generative):
            units.append(_toss(layer.probability(units[-1])))
        return tuple(reversed(units))

    @as_annotated
    def recognise(self, x: Shaped[Tensor, "*B D"]) -> Units:
        """(x, z_1, ..., z_T), one draw of z from q(z|x) for each image of x, (B, D) or (*S, B, D)."""
        units = [binary(x, self)]
        for layer in self.recognition:
            units.append(_toss(layer.probability(units[-1])))
        return tuple(units)

    @as_annotated
    def reconstruct(self, x: Shaped[Tensor, "*B D"]) -> Float[Tensor, "... D"]:
        """P(x = 1 | z_1), pixel by pixel, for one draw z_1 ~ q(z_1|x)."""
        return self.generative[0].probability(self.recognise(x)[1])

    @as_annotated
    def log_joint(self, units: Units) -> Float[Tensor, "*B"]:
        """log p(x, z_1, ..., z_T), in nats, summed over units, for each row of units."""
        top = log_bernoulli(units[-1], self.prior.unsqueeze(-2))
        return top + sum(
            log_bernoulli(s, layer.logits(above))
            for layer, s, above in zip(self.generative, units[:-1], units[1:], strict=True)
        )

    @as_annotated
    def log_q(self, units: Units) -> Float[Tensor, "*B"]:
        """log q(z_1, ..., z_T | x), in nats, summed over units, for each row of units."""
        return sum(
            log_bernoulli(s, layer.logits(below))
            for layer, s, below in zip(self.recognition, units[1:], units[:-1], strict=True)
        )

    @as_annotated
    def log_weights(self, x: Shaped[Tensor, "*B D"], K: int) -> Float[Tensor, "K *SB"]:
        """log p(x, z_k) - log q(z_k|x) at K draws z_k ~ q(z|x), in nats, samples first, (K, *S, B).

        `lvmteach.bounds.iwae` of it estimates log p(x), from below on average.

        Raises:
            ValueError: K < 1; x is not binary or not D wide.
        """
        _, log_w, _, _ = _weigh(self, binary(x, self), K)
        return log_w.movedim(-2, 0)


def machine(
    sizes: Sequence[int],
    *,
    copies: int | None = None,
    scale: float = 0.1,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Machine:
    """An untaught machine: weights from N(0, scale^2), biases zero.

    Args:
        sizes: units a layer, from the observed ones up: (784, 200, 200) has two latent layers.
        copies: so many machines side by side, from different draws; None for one, without a leading dimension.
        scale: standard deviation of the weights. Zero would leave all units of a layer alike for ever.

    Raises:
        ValueError: fewer than two sizes, or one that is no positive whole number.
    """
    if len(sizes) < 2 or any(int(n) != n or n < 1 for n in sizes):
        raise ValueError(
            "sizes must be (D, L_1, ..., L_T): observed units, then one or more latent layers, each a whole number of "
            f"at least 1, got {tuple(sizes)}"
        )
    S = () if copies is None else (copies,)
    made = {"dtype": dtype, "device": device}

    def layer(n_in: int, n_out: int) -> Layer:
        return Layer(scale * torch.randn(*S, n_in, n_out, **made), torch.zeros(*S, n_out, **made))

    below_above = list(pairwise(sizes))
    return Machine(
        torch.zeros(*S, sizes[-1], **made),
        tuple(layer(above, below) for below, above in below_above),
        tuple(layer(below, above) for below, above in below_above),
    )


# Learning. A unit's delta rule: for log Bernoulli(s; sigmoid(given w + b)), the derivative is (s - probability) by b,
# and given times that by w. So a layer needs its input, its target and its own prediction, and nothing from elsewhere.


@torch.no_grad()
@as_annotated
def wake_step(machine: Machine, x: Shaped[Tensor, "*B D"], rate: float) -> None:
    """Wake: the recognition net reads x, the generative net learns, in place, to produce what was read.

    One step of size `rate` up the gradient for theta of E_q(z|x)[log p(x, z)], the mean over the batch, by one draw
    of z for each image. That is the ELBO's own gradient for theta, without bias.

    Args:
        x: binary images, (B, D), the same for every copy, or (*S, B, D).
        rate: step size, for a gradient that is a mean over the batch.

    Raises:
        ValueError: x is not binary, or not as wide as the machine.

    Source: Hinton, Dayan, Frey and Neal 1995.
    """
    units = machine.recognise(x)
    for layer, target, given in zip(machine.generative, units[:-1], units[1:], strict=True):
        _learn(layer, given, target - layer.probability(given), rate / x.shape[-2])
    _learn_prior(machine, units[-1], rate / x.shape[-2])


@torch.no_grad()
@as_annotated
def sleep_step(machine: Machine, N: int, rate: float) -> None:
    """Sleep: the generative net dreams, the recognition net learns, in place, what each dream was made from.

    One step of size `rate` down the gradient for gamma of E_p(x)[KL(p(z|x) || q(z|x))] by N dreams, without bias. The
    ELBO asks for the other divergence, KL(q(z|x) || p(z|x)), on data instead of dreams.

    Source: Hinton, Dayan, Frey and Neal 1995.
    """
    units = machine.dream(N)
    for layer, given, target in zip(machine.recognition, units[:-1], units[1:], strict=True):
        _learn(layer, given, target - layer.probability(given), rate / N)


@torch.no_grad()
@as_annotated
def reweighted_step(
    machine: Machine, x: Shaped[Tensor, "*B D"], K: int, rate: float, *, recognition: str = "wake"
) -> Float[Tensor, "K *SB"]:
    """Reweighted wake-sleep: K draws from q(z|x) a datum, each counted by its normalised importance weight.

    The weighted draws stand in for the true posterior. With them the generative net follows an estimate of the gradient
    of log p(x) itself, whose bias vanishes as K grows (for the generative net K = 1 is
    `wake_step`; for the recognition net it is noise of mean zero).

    Args:
        x: binary images, (B, D) or (*S, B, D).
        K: draws a datum.
        rate: step size, for gradients that are means over the batch.
        recognition: what the recognition net learns from. "wake": the same weighted draws, which lowers
            KL(p(z|x) || q(z|x)) on data; "sleep": B dreams of the net just taught, as in `sleep_step`; "both": one
            after the other, each at half the rate.

    Returns:
        The log weights before the step, (K, *S, B): `lvmteach.bounds.iwae` of them is the bound on the way.

    Raises:
        ValueError: K < 1, an unknown `recognition`, x not binary or not as wide as the machine.

    Source: Bornschein and Bengio 2015, section 2.
    """
    if recognition not in ("wake", "sleep", "both"):
        raise ValueError(f"recognition must be 'wake', 'sleep' or 'both', got {recognition!r}")
    x = binary(x, machine)
    units, log_w, p_logits, q_logits = _weigh(machine, x, K)
    share = torch.softmax(log_w, -2).flatten(-2).unsqueeze(-1) / x.shape[-2]  # (*S, K B, 1), sums to one over rows
    for layer, target, given, logits in zip(machine.generative, units[:-1], units[1:], p_logits, strict=True):
        _learn(layer, given, (target - logits.sigmoid_()).mul_(share), rate)
    _learn_prior(machine, units[-1], rate, share)
    half = rate / 2 if recognition == "both" else rate
    if recognition != "sleep":
        for layer, given, target, logits in zip(machine.recognition, units[:-1], units[1:], q_logits, strict=True):
            _learn(layer, given, (target - logits.sigmoid_()).mul_(share), half)
    if recognition != "wake":
        sleep_step(machine, x.shape[-2], half)
    return log_w.movedim(-2, 0)


@as_annotated
def binary(x: Shaped[Tensor, "*B D"], machine: Machine) -> Float[Tensor, "*B D"]:
    """x in the machine's dtype, if it is binary and fits the machine; an error that helps if not.

    Raises:
        ValueError: x is not (B, D) or (*S, B, D), or holds anything but 0 and 1.
    """
    D = machine.sizes[0]
    if x.ndim < 2 or x.shape[-1] != D or x.shape[-2] < 1 or x.shape[:-2] not in ((), machine.copies):
        raise ValueError(
            f"x must be (B, {D}) for a machine of sizes {machine.sizes} and copies {machine.copies}, got "
            f"{tuple(x.shape)}; a single image needs x[None], one in rows and columns x.flatten(-2)"
        )
    as_float = x.to(machine.prior.dtype)
    if not (as_float - as_float.square()).abs().max() == 0:  # 0 and 1 alone are their own squares; NaN fails too
        raise ValueError(
            f"x must hold 0 and 1 only, got values from {float(x.min()):.4g} to {float(x.max()):.4g}; binarise grey "
            "images first: (x > 0.5).float(), or torch.bernoulli(x)"
        )
    return as_float


@as_annotated
def log_bernoulli(s: Float[Tensor, "*#B O"], logits: Float[Tensor, "*#B O"]) -> Float[Tensor, "..."]:
    """log prod_j Bernoulli(s_j; sigmoid(logits_j)) for s in {0, 1}, summed over the last axis, in nats."""
    return logsigmoid((2 * s - 1) * logits).sum(-1)  # 1 - sigmoid(a) = sigmoid(-a)


def _toss(probability: Tensor) -> Tensor:
    """Coins as 0.0 and 1.0. Four times faster than torch.bernoulli, which draws its numbers in float64."""
    return torch.rand_like(probability).lt_(probability)


def _learn(layer: Layer, given: Tensor, error: Tensor, rate: float) -> None:
    if layer.weight.ndim == 2:
        layer.weight.addmm_(given.mT, error, alpha=rate)  # the product lands in the weights, with no copy between
    else:
        layer.weight.add_(given.mT @ error, alpha=rate)
    layer.bias.add_(error.sum(-2), alpha=rate)


def _learn_prior(machine: Machine, z: Tensor, rate: float, share: Tensor | float = 1.0) -> None:
    error = (z - torch.sigmoid(machine.prior).unsqueeze(-2)) * share
    machine.prior.add_(error.sum(-2), alpha=rate)


def _weigh(machine: Machine, x: Tensor, K: int) -> tuple[Units, Tensor, list[Tensor], list[Tensor]]:
    """K draws of z a datum as K B rows, their log weights (*S, K, B), and every layer's logits, down and up."""
    if K < 1:
        raise ValueError(f"K must be at least 1 draw a datum, got {K}")
    B = x.shape[-2]
    q_logits = [torch.cat([machine.recognition[0].logits(x)] * K, -2)]  # the first layer reads each x once, not K times
    units = [torch.cat([x] * K, -2), _toss(q_logits[0].sigmoid())]
    for layer in machine.recognition[1:]:
        q_logits.append(layer.logits(units[-1]))
        units.append(_toss(q_logits[-1].sigmoid()))
    p_logits = [layer.logits(above) for layer, above in zip(machine.generative, units[1:], strict=True)]
    log_w = log_bernoulli(units[-1], machine.prior.unsqueeze(-2))
    log_w = log_w + sum(map(log_bernoulli, units[:-1], p_logits)) - sum(map(log_bernoulli, units[1:], q_logits))
    return tuple(units), log_w.unflatten(-1, (K, B)), p_logits, q_logits
