"""What is known exactly: a small Helmholtz machine, by summing over its latent states, and bars, by their generator.

With at most 16 latent bits there are at most 65536 states z: log p(x), the posterior and both divergences are
sums. The bars come from a generator with known probabilities, whose entropy no model's mean -log p(x) can beat.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import logsigmoid

from lvmteach.annotated import as_annotated
from lvmteach.helmholtz.model import Machine, binary, log_bernoulli

MOST_BITS = 16
AT_ONCE = 2**22  # entries of one table of (copies, images, states): 32 MB in float64


class Exact(NamedTuple):
    """Sums over all latent states, in nats, one for each image: (*S, B)."""

    log_p: Tensor  # log p(x)
    elbo: Tensor  # E_q[log p(x, z) - log q(z|x)] = log_p - kl_q_p
    kl_q_p: Tensor  # KL(q(z|x) || p(z|x)): the ELBO's gap
    kl_p_q: Tensor  # KL(p(z|x) || q(z|x)): what sleep lowers, where x is a dream


@as_annotated
def exact(machine: Machine, x: Shaped[Tensor, "*B D"]) -> Exact:
    """log p(x), the ELBO, and both divergences between q(z|x) and the true posterior p(z|x), by enumeration.

    Computed in the machine's dtype; `machine.map(Tensor.double)` for more digits.

    Args:
        x: binary images, (B, D), the same for every copy, or (*S, B, D).

    Raises:
        ValueError: more than 16 latent bits; x not binary or not as wide as the machine.
    """
    x, z = binary(x, machine), _latent_states(machine)
    at_once = max(AT_ONCE // (len(z) * max(machine.prior[..., 0].numel(), 1)), 1)
    parts = [_exact(_tables(machine, part, z)) for part in x.split(at_once, -2)]
    return Exact(*(torch.cat(column, -1) for column in zip(*parts, strict=True)))


@as_annotated
def posterior(machine: Machine, x: Shaped[Tensor, "*B D"]) -> Float[Tensor, "*SB Z"]:
    """The true posterior p(z|x) over all Z = 2^L latent states, which `states(L)` lists in the same order.

    A state is (z_1, ..., z_T) in one row. Raises as `exact` does.
    """
    return torch.softmax(_tables(machine, binary(x, machine), _latent_states(machine)).joint(), -1)


@as_annotated
def recognition(machine: Machine, x: Shaped[Tensor, "*B D"]) -> Float[Tensor, "*SB Z"]:
    """q(z|x) over all Z latent states, laid out as `posterior` is. Raises as `exact` does."""
    return _tables(machine, binary(x, machine), _latent_states(machine)).recognition().exp()


def states(
    bits: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
) -> Float[Tensor, "Z bits"]:
    """All 2^bits rows of 0 and 1, counted in binary, the last column fastest.

    Raises:
        ValueError: more than 16 bits.
    """
    if not 0 < bits <= MOST_BITS:
        raise ValueError(
            f"enumeration takes 1 to {MOST_BITS} bits ({2**MOST_BITS} states), got {bits}; for a larger machine "
            "estimate log p(x) from machine.log_weights(x, K) with lvmteach.bounds.iwae"
        )
    numbers, place = torch.arange(2**bits, device=device), torch.arange(bits - 1, -1, -1, device=device)
    return ((numbers[:, None] >> place) & 1).to(dtype)


class Bars(NamedTuple):
    """Every image that the generator of bars can make, (M, side^2), and its log-probability, (M,)."""

    images: Float[Tensor, "M D"]
    log_prob: Float[Tensor, " M"]

    @property
    def entropy(self) -> float:
        """-E[log p(x)] in nats: the best mean negative log-likelihood any model can have."""
        return -float(self.expect(self.log_prob))

    @as_annotated
    def expect(self, f: Float[Tensor, "*S M"]) -> Float[Tensor, "*S"]:
        """The exact mean over the generator of a value for each image."""
        return f @ self.log_prob.exp().to(f)

    def sample(self, N: int) -> Float[Tensor, "N D"]:
        """N independent images."""
        return self.images[torch.multinomial(self.log_prob.exp(), N, replacement=True)]


def bars(side: int = 4, p: float = 0.2, *, dtype: torch.dtype = torch.float64) -> Bars:
    """Bars on a side x side grid: toss for an orientation, then give each bar in it a place with probability p.

    Blank and full images arise in both orientations, so there are 2^(side + 1) - 2 different ones.

    Raises:
        ValueError: p outside (0, 1), or a side below 2.

    Source: after Hinton, Dayan, Frey and Neal 1995, who make one orientation likelier than the other.
    """
    if side < 2 or not 0 < p < 1:
        raise ValueError(f"bars need side >= 2 and 0 < p < 1, got side = {side} and p = {p}")
    on = states(side)
    lying, standing = on.repeat_interleave(side, -1), on.repeat(1, side)
    probability = (p**on * (1 - p) ** (1 - on)).prod(-1) / 2
    images, which = torch.unique(torch.cat([lying, standing]), dim=0, return_inverse=True)
    both = torch.zeros(len(images), dtype=on.dtype).index_add_(0, which, probability.repeat(2))
    return Bars(images.to(dtype), both.log().to(dtype))


def _latent_states(machine: Machine) -> Tensor:
    return states(sum(machine.sizes[1:]), dtype=machine.prior.dtype, device=machine.prior.device)


class _Tables(NamedTuple):
    """A net's log-probabilities: of z_1 with the image, (*S, B, Z1), and of the layers above given z_1, (*S, Z1, R).

    What stands above z_1 does not know the image, so that no table of all states for all images is needed.
    """

    p_x_z1: Tensor  # log p(x|z_1)
    p_rest: Tensor  # log p(z_1, ..., z_T)
    q_z1: Tensor  # log q(z_1|x)
    q_rest: Tensor  # log q(z_2, ..., z_T | z_1)

    def joint(self) -> Tensor:
        """log p(x, z) over all states, (*S, B, Z); z_1 is the slowest part of z."""
        return (self.p_x_z1.unsqueeze(-1) + self.p_rest.unsqueeze(-3)).flatten(-2)

    def recognition(self) -> Tensor:
        """log q(z|x) over all states, (*S, B, Z)."""
        return (self.q_z1.unsqueeze(-1) + self.q_rest.unsqueeze(-3)).flatten(-2)


def _tables(machine: Machine, x: Tensor, z: Tensor) -> _Tables:
    """log Bernoulli(s; sigmoid(a)) = s a + log sigmoid(-a), summed over units: one matrix product a layer."""
    layers = z.split(machine.sizes[1:], -1)
    log_p = log_bernoulli(layers[-1], machine.prior.unsqueeze(-2))
    log_q = torch.zeros_like(log_p)
    for t, (below, above) in enumerate(pairwise(layers), start=1):
        log_p = log_p + log_bernoulli(below, machine.generative[t].logits(above))
        log_q = log_q + log_bernoulli(above, machine.recognition[t].logits(below))
    rest = 2 ** sum(machine.sizes[2:])
    z_1 = layers[0][::rest]
    down, up = machine.generative[0].logits(z_1), machine.recognition[0].logits(x)
    log_px = x @ down.mT + logsigmoid(-down).sum(-1).unsqueeze(-2)
    log_qz = up @ z_1.mT + logsigmoid(-up).sum(-1).unsqueeze(-1)
    return _Tables(log_px, log_p.unflatten(-1, (-1, rest)), log_qz, log_q.unflatten(-1, (-1, rest)))


def _exact(t: _Tables) -> Exact:
    """Both divergences by the chain rule: of z_1 given x, plus the mean over z_1 of that of the rest."""
    p_z1 = torch.logsumexp(t.p_rest, -1, keepdim=True)
    joint = t.p_x_z1 + p_z1.mT  # log p(x, z_1)
    log_p = torch.logsumexp(joint, -1)
    post = joint - log_p.unsqueeze(-1)
    gap, gap_rest = t.q_z1 - post, t.q_rest - (t.p_rest - p_z1)  # log q - log p(z|x), of z_1 and of the rest
    q, q_rest, p_rest = t.q_z1.exp(), t.q_rest.exp(), (t.p_rest - p_z1).exp()
    above = (q_rest * gap_rest).sum(-1).unsqueeze(-2), -(p_rest * gap_rest).sum(-1).unsqueeze(-2)
    inside = (q_rest * (t.p_rest - t.q_rest)).sum(-1).unsqueeze(-2)
    return Exact(
        log_p,
        elbo=(q * (t.p_x_z1 - t.q_z1 + inside)).sum(-1),
        kl_q_p=(q * (gap + above[0])).sum(-1),
        kl_p_q=(post.exp() * (above[1] - gap)).sum(-1),
    )
