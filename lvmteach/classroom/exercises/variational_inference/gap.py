"""Its gap."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.variational_inference.shared import _elbo, _expected_log_joint, _gap, _joints_and_q


def _gap_by_loop(log_p_xz, q):
    rows = []
    for joint, share in zip(log_p_xz.tolist(), q.tolist(), strict=True):
        top = max(joint)
        log_p_x = top + math.log(sum(math.exp(a - top) for a in joint))
        rows.append(sum(b * (math.log(b) - a + log_p_x) for a, b in zip(joint, share, strict=True) if b > 0))
    return torch.tensor(rows, dtype=q.dtype)


def _gap_by_weights(log_p_xz, q):
    log_w = log_p_xz - torch.where(q > 0, q, 1.0).log()  # how far the average of the logs is below log p(x)
    return torch.where(q > 0, q * (torch.logsumexp(log_p_xz, 1, keepdim=True) - log_w), 0.0).sum(1)


gap = Exercise(
    ask="Return KL(q || p(z|x)), in nats, for each datum.",
    reference=_gap,
    cases=_joints_and_q,
    misconceptions={
        "This is KL(p(z|x) || q). In the gap of the ELBO the average is under q.": lambda log_p_xz, q: torch.where(
            log_p_xz > -math.inf, torch.softmax(log_p_xz, 1) * (torch.log_softmax(log_p_xz, 1) - q.log()), 0.0
        ).sum(1),
        "The joint is no distribution over z: divide by p(x) first. What you have is minus the ELBO.": (
            lambda log_p_xz, q: -_elbo(log_p_xz, q)
        ),
        "Right but for the sign. A KL is never negative: E_q[log q - log p].": lambda log_p_xz, q: -_gap(log_p_xz, q),
        "That is the cross-entropy, -E_q[log p(z|x)]. The KL has E_q[log q] as well.": lambda log_p_xz, q: (
            -_expected_log_joint(torch.log_softmax(log_p_xz, 1), q)
        ),
        "exp leaves the range of floating point: right for moderate logs only. Normalise in log space.": (
            lambda log_p_xz, q: torch.where(
                q > 0, q * (q.log() - (log_p_xz.exp() / log_p_xz.exp().sum(1, True)).log()), 0.0
            ).sum(1)
        ),
        "The softmax of a state that is only very unlikely is zero in floating point, its logarithm minus infinity. "
        "torch.log_softmax stays in log space.": lambda log_p_xz, q: torch.where(
            q > 0, q * (q.log() - torch.softmax(log_p_xz, 1).log()), 0.0
        ).sum(1),
        "log p(x) minus the bound is right. But exp leaves the range of floating point: torch.logsumexp takes the "
        "largest log out first.": lambda log_p_xz, q: log_p_xz.exp().sum(1).log() - _elbo(log_p_xz, q),
        "Right, but for states that q excludes: 0 log 0 is NaN in floating point, and zero here. torch.where helps.": (
            lambda log_p_xz, q: (q * (q.log() - torch.log_softmax(log_p_xz, 1))).sum(1)
        ),
        "q log q is safe at zero, zero times minus infinity is not: a state that q excludes counts nothing, even if it "
        "is impossible.": lambda log_p_xz, q: (torch.special.xlogy(q, q) - q * torch.log_softmax(log_p_xz, 1)).sum(1),
        "Right, but nan_to_num makes infinities large numbers as well. Where q believes in an impossible state the "
        "gap is infinite.": lambda log_p_xz, q: (q * (q.log() - torch.log_softmax(log_p_xz, 1))).nan_to_num().sum(1),
        "Your posterior sums to one over the data. Each row is a distribution over the states of z.": (
            lambda log_p_xz, q: torch.where(q > 0, q * (q.log() - torch.log_softmax(log_p_xz, 0)), 0.0).sum(1)
        ),
        "You summed over the data. Data are rows; z runs along the last axis.": (
            lambda log_p_xz, q: torch.where(q > 0, q * (q.log() - torch.log_softmax(log_p_xz, 1)), 0.0).sum(0)
        ),
        "One number a datum, please: you added up the data too.": lambda log_p_xz, q: _gap(log_p_xz, q).sum(),
        "You averaged over the states. The weights q sum to one already.": (
            lambda log_p_xz, q: _gap(log_p_xz, q) / q.shape[1]
        ),
        "That is log p(x): the gap's upper end, not the gap.": lambda log_p_xz, q: torch.logsumexp(log_p_xz, 1),
        "You summed log q - log p without weights. Each state counts by its probability under q.": (
            lambda log_p_xz, q: torch.where(q > 0, q.log() - torch.log_softmax(log_p_xz, 1), 0.0).sum(1)
        ),
        "That is the distance of two lists of numbers, half the sum of |q - p|. The KL compares logarithms.": (
            lambda log_p_xz, q: (q - torch.softmax(log_p_xz, 1)).abs().sum(1) / 2
        ),
    },
    also_right=[
        _gap_by_loop,
        _gap_by_weights,
        lambda log_p_xz, q: torch.logsumexp(log_p_xz, 1) - _elbo(log_p_xz, q),
        lambda log_p_xz, q: (
            torch.nn.functional.kl_div(torch.log_softmax(log_p_xz, 1), q, reduction="none")
            .nan_to_num(nan=0.0, posinf=math.inf)
            .sum(1)
        ),
    ],
)
