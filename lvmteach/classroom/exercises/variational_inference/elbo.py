"""The bound."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.variational_inference.shared import _elbo, _expected_log_joint, _gap, _joints_and_q


def _elbo_by_loop(log_p_xz, q):
    rows = [
        sum(b * (a - math.log(b)) for a, b in zip(joint, share, strict=True) if b > 0)
        for joint, share in zip(log_p_xz.tolist(), q.tolist(), strict=True)
    ]
    return torch.tensor(rows, dtype=q.dtype)


elbo = Exercise(
    ask="Return the ELBO, E_q[log p(x, z) - log q(z)], for each datum, where z has finitely many states.",
    reference=_elbo,
    cases=_joints_and_q,
    misconceptions={
        "Right, but for states that q excludes: 0 log 0 is NaN in floating point, and zero here. torch.where helps.": (
            lambda log_p_xz, q: (q * (log_p_xz - q.log())).sum(1)
        ),
        "Your entropy knows that 0 log 0 is zero. Zero times a log joint of minus infinity needs the same care.": (
            lambda log_p_xz, q: (q * log_p_xz + torch.special.entr(q)).sum(1)
        ),
        "Right, but nan_to_num makes infinities large numbers as well. Where q believes in an impossible state the "
        "bound is minus infinity.": lambda log_p_xz, q: (q * (log_p_xz - q.log())).nan_to_num().sum(1),
        "The entropy of q is missing: E_q[log p(x, z)] alone wants q to be a spike.": _expected_log_joint,
        "log q has the wrong sign: the ELBO is the expected log joint plus the entropy, and that is -E_q[log q].": (
            lambda log_p_xz, q: _expected_log_joint(log_p_xz, q) + torch.special.xlogy(q, q).sum(1)
        ),
        "That is log p(x) itself, and q does not enter. The ELBO averages the logarithms under q.": (
            lambda log_p_xz, q: torch.logsumexp(log_p_xz, 1)
        ),
        "You took the logarithm of the average, so the importance weights add up to p(x). The ELBO is the average of "
        "the logarithms.": lambda log_p_xz, q: torch.where(q > 0, log_p_xz, -math.inf).logsumexp(1),
        "That is the logarithm of the joint's average under q. The ELBO averages logarithms, of the joint over q.": (
            lambda log_p_xz, q: (log_p_xz + q.log()).logsumexp(1)
        ),
        "You weighted by the joint. The expectation is under q.": lambda log_p_xz, q: (
            log_p_xz.exp() * (log_p_xz - q.log())
        ).sum(1),
        "You summed log p - log q without weights. In an expectation each state counts by its probability under q.": (
            lambda log_p_xz, q: torch.where(q > 0, log_p_xz - q.log(), 0.0).sum(1)
        ),
        "You divided by the number of states. The weights q sum to one already.": (
            lambda log_p_xz, q: _elbo(log_p_xz, q) / q.shape[1]
        ),
        "You summed over the data. Data are rows; z runs along the last axis.": (
            lambda log_p_xz, q: _elbo(log_p_xz.T, q.T)
        ),
        "One number a datum, please: you added up the data too.": lambda log_p_xz, q: _elbo(log_p_xz, q).sum(),
        "You normalised the joint first. That gives minus KL(q || posterior): the gap, not the bound.": (
            lambda log_p_xz, q: _elbo(torch.log_softmax(log_p_xz, 1), q)
        ),
        "You evaluated the log weight at q's most probable state. All states count, each by its probability.": (
            lambda log_p_xz, q: (log_p_xz - q.log()).gather(1, q.argmax(1, keepdim=True))[:, 0]
        ),
        "That holds a term for each state; sum them.": lambda log_p_xz, q: torch.where(
            q > 0, q * (log_p_xz - q.log()), 0.0
        ),
    },
    also_right=[
        _elbo_by_loop,
        lambda log_p_xz, q: _expected_log_joint(log_p_xz, q) + torch.special.entr(q).sum(1),
        lambda log_p_xz, q: torch.logsumexp(log_p_xz, 1) - _gap(log_p_xz, q),
        lambda log_p_xz, q: (q * (log_p_xz - q.log())).nansum(1),
    ],
)
