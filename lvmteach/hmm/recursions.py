"""Sums and maxima over all C^T paths of a chain, in T steps of C^2 each, in log space.

The recursions see three things: log p(x_t | z_t = c), as a table log_b; log p(z_1); log p(z_t+1 | z_t). What x is, they
do not know. Behind a sequence's end the table is not read. Log space: the probability of a long sequence underflows,
its logarithm does not, and neither does that of a state which looks hopeless for a while.

Tables are (T, C, N): a step reads one column (C, N) as it lies in memory, and sums over states run over whole rows.

Source: Rabiner 1989, section III.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lvmteach.annotated import as_annotated

BLOCK = 2**20  # entries of (t, C, C, N) worked out at a time, when transitions are counted


class Path(NamedTuple):
    """The most probable path of each sequence, and log p(x, z) of it in nats."""

    z: Int[Tensor, "N T"]  # -1 behind the end
    log_prob: Float[Tensor, " N"]


class Sides(NamedTuple):
    """What each step hears from the two sides. Behind a sequence's end neither is of use.

    With the step's own word the posterior: p(z_t = c | x) = past_t(c) p(x_t | c) future_t(c) / p(x)
    """

    past: Float[Tensor, "T C N"]  # log p(x_1..x_t-1, z_t = c)
    future: Float[Tensor, "T C N"]  # log p(x_t+1..x_T | z_t = c)


@as_annotated
def log_evidence(
    log_b: Float[Tensor, "T C N"],
    log_start: Float[Tensor, " C"],
    log_transition: Float[Tensor, "C C"],
    lengths: Int[Tensor, " N"],
) -> Float[Tensor, " N"]:
    """log p(x) of each sequence, in nats. Keeps one column of the forward recursion, however long T."""
    alpha = log_start[:, None] + log_b[0]
    for t, seen in enumerate(log_b[1:], 1):
        alpha = torch.where(t < lengths, _onward(alpha, log_transition[..., None]) + seen, alpha)
    return alpha.logsumexp(0)


@as_annotated
def both_sides(
    log_b: Float[Tensor, "T C N"],
    log_start: Float[Tensor, " C"],
    log_transition: Float[Tensor, "C C"],
    lengths: Int[Tensor, " N"],
) -> Sides:
    """Forward and backward in one sweep, each from its own end:

        past_1(c) = p(z_1 = c),     past_t(d) = sum_c past_t-1(c) p(x_t-1 | c) p(d | c)
        future_T(d) = 1,          future_t(c) = sum_d future_t+1(d) p(x_t+1 | d) p(d | c)

    The second line is the first, read from each sequence's end, with the transition matrix transposed.
    """
    order = _from_the_end(log_b, lengths)
    seen = torch.stack([log_b, log_b.gather(0, order)], 1)  # (T, 2, C, N)
    steps = torch.stack([log_transition, log_transition.T])[..., None]
    start = torch.stack([log_start, torch.zeros_like(log_start)])
    columns = [start[..., None].expand(seen[0].shape)]
    for word in seen[:-1]:
        columns.append(_onward(columns[-1] + word, steps))
    past, future = torch.stack(columns, 1)
    return Sides(past, future.gather(0, order))


@as_annotated
def expected_transitions(
    sides: Sides,
    log_b: Float[Tensor, "T C N"],
    log_transition: Float[Tensor, "C C"],
    log_p: Float[Tensor, " N"],
    lengths: Int[Tensor, " N"],
) -> Float[Tensor, "C C"]:
    """How often c is followed by d, E[sum_t 1[z_t = c, z_t+1 = d] | x], summed over sequences; none across ends.

    Worked out in blocks of steps, so that (T, C, C, N) never stands in memory.
    """
    T, C, N = log_b.shape
    here, there = sides.past[:-1] + log_b[:-1], log_b[1:] + sides.future[1:] - log_p
    inside = torch.arange(1, T, device=log_b.device)[:, None] < lengths
    there = there.where(inside[:, None], -torch.inf)
    total = log_b.new_zeros(C, C)
    size = max(1, BLOCK // (N * C * C))
    for c, d in zip(here.split(size), there.split(size), strict=True):
        total += (c[:, :, None] + d[:, None] + log_transition[..., None]).exp_().sum((0, 3))
    return total


@as_annotated
def viterbi(
    log_b: Float[Tensor, "T C N"],
    log_start: Float[Tensor, " C"],
    log_transition: Float[Tensor, "C C"],
    lengths: Int[Tensor, " N"],
) -> Path:
    """argmax_z p(z, x): the forward recursion with max for sum, remembering where each maximum came from."""
    T, C, _ = log_b.shape
    kind = torch.uint8 if C <= 256 else torch.int32
    stay = torch.arange(C, device=log_b.device).to(kind)[:, None]
    best, came = log_start[:, None] + log_b[0], []
    for t in range(1, T):
        reached, source = (best[:, None] + log_transition[..., None]).max(0)
        on = t < lengths
        best = torch.where(on, reached + log_b[t], best)
        came.append(torch.where(on, source.to(kind), stay))
    log_prob, z = best.max(0)
    path = [z]
    for source in reversed(came):
        z = source.gather(0, z[None])[0].long()
        path.append(z)
    path = torch.stack(path[::-1], 1)
    behind = torch.arange(T, device=log_b.device) >= lengths[:, None]
    return Path(path.masked_fill(behind, -1), log_prob)


def _onward(alpha: Float[Tensor, "*B C N"], log_transition: Float[Tensor, "*B C C 1"]) -> Float[Tensor, "*B C N"]:
    """log sum_c alpha(c) p(d | c), for each d."""
    return (alpha.unsqueeze(-2) + log_transition).logsumexp(-3)


def _from_the_end(log_b: Float[Tensor, "T C N"], lengths: Int[Tensor, " N"]) -> Int[Tensor, "T C N"]:
    """Which step comes t-th if each sequence is read from its end; what stands behind the end keeps its place."""
    t = torch.arange(len(log_b), device=log_b.device)[:, None]
    return torch.where(t < lengths, lengths - 1 - t, t)[:, None].expand(log_b.shape)
