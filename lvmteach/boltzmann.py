"""Boltzmann machines: restricted ones, exactly and by contrastive divergence, and the deep belief net of two layers.

    p(v, h) = exp(v'W h + b'v + c'h) / Z,    v in {0, 1}^D, h in {0, 1}^H

There is no arrow from h to v: given one side the other's units are independent, but p(h) has no simple form, and Z is
a sum over all states. With one side of at most 20 units the sum is done, so that log p(v) is a number.

Source: Smolensky 1986; Hinton 2002; Hinton, Osindero and Teh 2006.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least

MOST_BITS = 20
AT_ONCE = 2**22


class RBM(NamedTuple):
    """Weights and biases of a restricted Boltzmann machine."""

    W: Float[Tensor, "D H"]
    b: Float[Tensor, " D"]  # of the visible units
    c: Float[Tensor, " H"]  # of the hidden units

    def flipped(self) -> RBM:
        """The same distribution with its sides exchanged: hidden units called visible."""
        return RBM(self.W.T, self.c, self.b)


class DBN(NamedTuple):
    """A deep belief net: the top two layers are an RBM over (h1, h2), and v is drawn from h1 by arrows.

    p(v, h1, h2) = p_top(h1, h2) prod_d Bernoulli(v_d; sigmoid(W h1 + b)_d).
    """

    top: RBM  # over (h1, h2)
    W: Float[Tensor, "D H"]
    b: Float[Tensor, " D"]


class Fit(NamedTuple):
    """A trained machine, and exact mean log p(v) of the data on the way where Z can be summed; else empty."""

    rbm: RBM
    log_lik: Float[Tensor, " T"]


def random_rbm(D: int, H: int, scale: float = 0.01) -> RBM:
    """An untaught machine, float32: weights from N(0, scale^2), biases zero."""
    at_least(1, D=D, H=H)
    return RBM(scale * torch.randn(D, H), torch.zeros(D), torch.zeros(H))


@as_annotated
def log_weight(v: Float[Tensor, "*B D"], rbm: RBM) -> Float[Tensor, "*B"]:
    """log sum_h exp(v'W h + b'v + c'h), which is log p(v) + log Z; minus it is called the free energy."""
    return v @ rbm.b + F.softplus(v @ rbm.W + rbm.c).sum(-1)


@as_annotated
def log_partition(rbm: RBM) -> Tensor:
    """log Z: the smaller side is enumerated, the other summed in closed form for each of its states.

    Raises:
        ValueError: both sides have more than 20 units.
    """
    small = rbm.flipped() if len(rbm.c) < len(rbm.b) else rbm
    bits = len(small.b)
    if bits > MOST_BITS:
        raise ValueError(f"Z is a sum over 2^{bits} states, too many; one side must have at most {MOST_BITS} units")
    rows = max(1, AT_ONCE // len(small.c))
    return torch.stack([log_weight(part, small).logsumexp(0) for part in _states(bits, small.W).split(rows)]).logsumexp(
        0
    )


@as_annotated
def log_likelihood(v: Float[Tensor, "N D"], rbm: RBM) -> Float[Tensor, " N"]:
    """log p(v), exactly, in nats.

    Raises:
        ValueError: v is not binary, or Z is out of reach.
    """
    return log_weight(_binary(v, rbm), rbm) - log_partition(rbm)


@as_annotated
def gibbs(v: Float[Tensor, "N D"], rbm: RBM, k: int) -> Float[Tensor, "N D"]:
    """k turns of h ~ p(h|v), v ~ p(v|h): every side in one stroke, its units independent given the other."""
    for _ in range(k):
        h = (v @ rbm.W + rbm.c).sigmoid().bernoulli()
        v = (h @ rbm.W.T + rbm.b).sigmoid().bernoulli()
    return v


@as_annotated
def statistics(v: Float[Tensor, "N D"], rbm: RBM, weights: Float[Tensor, " N"] | None = None) -> RBM:
    """The mean over v of E[v h'], v and E[h], h summed out given v. Weighted if v are states with probabilities."""
    h = (v @ rbm.W + rbm.c).sigmoid()
    weighted = v / len(v) if weights is None else v * weights[:, None]
    share = torch.full((len(v),), 1 / len(v)).to(v) if weights is None else weights
    return RBM(weighted.T @ h, weighted.sum(0), share @ h)


@as_annotated
def gradient(v: Float[Tensor, "N D"], rbm: RBM) -> RBM:
    """The gradient of mean log p(v): statistics of the data less those of the model, by enumeration of v.

    Raises:
        ValueError: more than 20 visible units.
    """
    if len(rbm.b) > MOST_BITS:
        raise ValueError(f"the model's side is a sum over 2^{len(rbm.b)} images; draw it instead (`fit_rbm`)")
    states = _states(len(rbm.b), rbm.W)
    return _less(statistics(v, rbm), statistics(states, rbm, log_weight(states, rbm).softmax(0)))


@as_annotated
def contrastive_divergence(v: Float[Tensor, "N D"], rbm: RBM, k: int = 1) -> RBM:
    """Statistics of the data less those after k turns of Gibbs sampling that began at the data.

    Not the gradient of log p(v), nor of any function; it tends to that gradient as k grows.

    Source: Hinton 2002.
    """
    return _less(statistics(v, rbm), statistics(gibbs(v, rbm, k), rbm))


@as_annotated
def fit_rbm(
    v: Float[Tensor, "N D"],
    H: int,
    *,
    epochs: int = 50,
    batch_size: int = 100,
    rate: float = 0.05,
    k: int = 1,
    persistent: bool = True,
) -> Fit:
    """Stochastic ascent, the rate falling to zero along a straight line.

    Args:
        v: binary images.
        k: turns of Gibbs sampling a step.
        persistent: the chains go on from step to step instead of beginning at the data each time (Tieleman 2008); their
            draws are then near the model's own.
    """
    at_least(1, epochs=epochs, batch_size=batch_size, k=k)
    rbm = RBM(*(part.to(v.device) for part in random_rbm(v.shape[1], H)))
    v = _binary(v, rbm)
    rbm = rbm._replace(b=v.mean(0).logit(0.01))  # the best machine without weights
    chains = gibbs(v[torch.randint(len(v), (batch_size,), device=v.device)], rbm, 1)
    exact = min(H, v.shape[1]) <= 12  # cheap enough to look at after each epoch
    trace, steps = [], epochs * -(-len(v) // batch_size)
    step = 0
    for _ in range(epochs):
        for rows in torch.randperm(len(v), device=v.device).split(batch_size):
            data = v[rows]
            chains = gibbs(chains if persistent else data, rbm, k)
            up = _less(statistics(data, rbm), statistics(chains, rbm))
            rbm = RBM(*(p + rate * (1 - step / steps) * g for p, g in zip(rbm, up, strict=True)))
            step += 1
        if exact:
            trace.append(log_likelihood(v, rbm).mean())
    return Fit(rbm, torch.stack(trace) if trace else v.new_empty(0))


# ---- The deep belief net


@as_annotated
def stack(rbm: RBM, top: RBM | None = None) -> DBN:
    """A deep belief net on an RBM's weights.

    Args:
        top: over (h1, h2). If None, the RBM upside down: then p(v) is the RBM's own, where greedy learning begins.
    """
    return DBN(rbm.flipped() if top is None else top, rbm.W, rbm.b)


@as_annotated
def dbn_log_likelihood(v: Float[Tensor, "N D"], dbn: DBN) -> Float[Tensor, " N"]:
    """log p(v) = log sum_h1 p_top(h1) p(v|h1), exactly, by a sum over h1; in nats.

    Raises:
        ValueError: h1 has more than 20 units.
    """
    v = _binary(v, RBM(dbn.W, dbn.b, dbn.top.b))
    log_h, logits = _first_layer(dbn)
    rows = max(1, AT_ONCE // len(log_h))
    parts = [(log_h + _log_given(part, logits)).logsumexp(1) for part in v.split(rows)]
    return torch.cat(parts)


@as_annotated
def dbn_bound(v: Float[Tensor, "N D"], dbn: DBN, rbm: RBM) -> Float[Tensor, " N"]:
    """What greedy learning climbs: E_q[log p_top(h1) + log p(v|h1)] + H(q), q = p_rbm(h1|v), exactly; in nats.

    At most log p(v), and equal to it at the start (`stack(rbm)`). Learning the top layer on draws of h1 ~ q raises the
    first term and leaves the others; log p(v) itself may then fall short of the gain, never of the bound.

    Source: Hinton, Osindero and Teh 2006, section 6.
    """
    v = _binary(v, rbm)
    log_h, logits = _first_layer(dbn)
    h = _states(len(rbm.c), rbm.W)
    on = v @ rbm.W + rbm.c  # logits of q
    log_q = on @ h.T - F.softplus(on).sum(1, keepdim=True)
    return (log_q.exp() * (log_h + _log_given(v, logits) - log_q)).sum(1)


@as_annotated
def dbn_sample(dbn: DBN, N: int, k: int = 200) -> Float[Tensor, "N D"]:
    """N draws of v: k turns of Gibbs sampling in the top RBM, then one step down."""
    h = gibbs(torch.rand(N, len(dbn.top.b), device=dbn.W.device).round().to(dbn.W.dtype), dbn.top, k)
    return (h @ dbn.W.T + dbn.b).sigmoid().bernoulli()


def _first_layer(dbn: DBN) -> tuple[Tensor, Tensor]:
    """log p_top(h1) for all states of h1, (S,), and the logits of v given each, (S, D)."""
    bits = len(dbn.top.b)
    if bits > MOST_BITS:
        raise ValueError(f"log p(v) is a sum over 2^{bits} states of h1; it is in reach for at most {MOST_BITS} units")
    h = _states(bits, dbn.W)
    return log_weight(h, dbn.top) - log_partition(dbn.top), h @ dbn.W.T + dbn.b


def _log_given(v: Tensor, logits: Tensor) -> Tensor:
    return v @ logits.T - F.softplus(logits).sum(1)


def _less(data: RBM, model: RBM) -> RBM:
    return RBM(*(a - b for a, b in zip(data, model, strict=True)))


def _states(bits: int, like: Tensor) -> Float[Tensor, "S bits"]:
    """All 2^bits states of so many units."""
    number = torch.arange(2**bits, device=like.device)
    return ((number[:, None] >> torch.arange(bits - 1, -1, -1, device=like.device)) & 1).to(like)


def _binary(v: Tensor, rbm: RBM) -> Tensor:
    if v.ndim != 2 or v.shape[1] != len(rbm.b):
        raise ValueError(f"v must be (N, {len(rbm.b)}) for this machine, got {tuple(v.shape)}; one image needs v[None]")
    if not ((v == 0) | (v == 1)).all():
        raise ValueError(
            f"v must hold 0 and 1 only, got {float(v.min()):.4g} to {float(v.max()):.4g}; (v > 0.5).float()"
        )
    return v.to(rbm.W.dtype)
