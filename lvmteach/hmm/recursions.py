"""Sums and maxima over all C^T paths of a chain, in T steps of C^2 each, in log space.

The recursions see three things: log p(x_t | z_t = c), as a table log_b (N, T, C); log p(z_1); log p(z_t+1 | z_t). What
x is, they do not know. Behind a sequence's end the table is not read. Log space: the probability of a long sequence
underflows, its logarithm does not.

Source: Rabiner 1989, section III.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 2**20  # entries of (N, t, C, C) worked out at a time, when transitions are counted


class Path(NamedTuple):
    """The most probable path of each sequence, and log p(x, z) of it in nats."""

    z: Int[Tensor, "N T"]  # -1 behind the end
    log_prob: Float[Tensor, " N"]


def log_evidence(
    log_b: Float[Tensor, "N T C"],
    log_start: Float[Tensor, " C"],
    log_transition: Float[Tensor, "C C"],
    lengths: Int[Tensor, " N"],
) -> Float[Tensor, " N"]:
    """log p(x) of each sequence, in nats. Keeps one column of the forward recursion, however long T."""
    alpha = log_start + log_b[:, 0]
    for t in range(1, log_b.shape[1]):
        alpha = torch.where((t < lengths)[:, None], _onward(alpha, log_transition) + log_b[:, t], alpha)
    return alpha.logsumexp(-1)


def forward(
    log_b: Float[Tensor, "N T C"],
    log_start: Float[Tensor, " C"],
    log_transition: Float[Tensor, "C C"],
) -> Float[Tensor, "N T C"]:
    """log alpha_t(c) = log p(x_1..x_t, z_t = c):

        alpha_1(c) = p(z_1 = c) p(x_1 | c),   alpha_t(d) = sum_c alpha_t-1(c) p(d | c) p(x_t | d)

    A sequence's own columns do not depend on what stands behind its end.
    """
    columns = [log_start + log_b[:, 0]]
    for t in range(1, log_b.shape[1]):
        columns.append(_onward(columns[-1], log_transition) + log_b[:, t])
    return torch.stack(columns, 1)


def backward(
    log_b: Float[Tensor, "N T C"],
    log_transition: Float[Tensor, "C C"],
    lengths: Int[Tensor, " N"],
) -> Float[Tensor, "N T C"]:
    """log beta_t(c) = log p(x_t+1..x_T | z_t = c), zero at a sequence's last step and behind it:

    beta_T(c) = 1,   beta_t(c) = sum_d p(d | c) p(x_t+1 | d) beta_t+1(d)
    """
    column = torch.zeros_like(log_b[:, 0])
    columns = [column]
    all_full = bool((lengths == log_b.shape[1]).all())
    for t in range(log_b.shape[1] - 2, -1, -1):
        column = (log_transition + (log_b[:, t + 1] + column)[:, None, :]).logsumexp(-1)
        if not all_full:
            column = torch.where((t + 1 < lengths)[:, None], column, 0.0)
        columns.append(column)
    return torch.stack(columns[::-1], 1)


def expected_transitions(
    alpha: Float[Tensor, "N T C"],
    beta: Float[Tensor, "N T C"],
    log_b: Float[Tensor, "N T C"],
    log_transition: Float[Tensor, "C C"],
    log_p: Float[Tensor, " N"],
    lengths: Int[Tensor, " N"],
) -> Float[Tensor, "C C"]:
    """How often c is followed by d, E[sum_t 1[z_t = c, z_t+1 = d] | x], summed over sequences; none across ends.

    Worked out in blocks of steps, so that (N, T, C, C) never stands in memory.
    """
    N, T, C = alpha.shape
    total = alpha.new_zeros(C, C)
    here, there = alpha[:, :-1] - log_p[:, None, None], log_b[:, 1:] + beta[:, 1:]
    inside = torch.arange(1, T, device=alpha.device) < lengths[:, None]
    there = there.masked_fill(~inside[..., None], -torch.inf)
    size = max(1, BLOCK // (N * C * C))
    for t in range(0, T - 1, size):
        joint = here[:, t : t + size, :, None] + there[:, t : t + size, None, :] + log_transition
        total += joint.exp_().sum((0, 1))
    return total


def viterbi(
    log_b: Float[Tensor, "N T C"],
    log_start: Float[Tensor, " C"],
    log_transition: Float[Tensor, "C C"],
    lengths: Int[Tensor, " N"],
) -> Path:
    """argmax_z p(z, x): the forward recursion with max for sum, remembering where each maximum came from."""
    _, T, C = log_b.shape
    kind = torch.uint8 if C <= 256 else torch.int32
    stay = torch.arange(C, device=log_b.device).to(kind)
    best, came = log_start + log_b[:, 0], []
    for t in range(1, T):
        reached, source = (best[:, :, None] + log_transition).max(1)
        on = (t < lengths)[:, None]
        best = torch.where(on, reached + log_b[:, t], best)
        came.append(torch.where(on, source.to(kind), stay))
    log_prob, z = best.max(-1)
    path = [z]
    for source in reversed(came):
        z = source.gather(1, z[:, None])[:, 0].long()
        path.append(z)
    path = torch.stack(path[::-1], 1)
    behind = torch.arange(T, device=log_b.device) >= lengths[:, None]
    return Path(path.masked_fill(behind, -1), log_prob)


def _onward(alpha: Tensor, log_transition: Tensor) -> Tensor:
    """log sum_c alpha(c) p(d | c), for each d."""
    return (alpha[:, :, None] + log_transition).logsumexp(1)
