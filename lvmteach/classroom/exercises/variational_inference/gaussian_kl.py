"""KL of two Gaussians."""

from __future__ import annotations

import math

import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.variational_inference.shared import _gaussian_kl


@drawing
def _two_gaussians(draw):
    cases = []
    for B, D in ((3, 2), (4, 1), (2, 5), (3, 3)):
        cases.append((1 + draw(B, D), (draw(B, D) / 2).exp(), 2 * draw(D), (0.4 + draw(D) / 2).exp()))
    m_q, s_q, m_p, s_p = cases[1]
    cases[1] = tuple(1e8 * part for part in (1e5 + m_q, s_q, 1e5 + m_p, s_p))  # far from zero, in small units
    m, s = 3 * draw(4), (0.5 + draw(4)).exp()
    equal_in_one_row = torch.stack([m, m + draw(4)]), torch.stack([s, 0.01 * s]), m, s
    units = torch.tensor([1e-12, 1.0, 1e8], dtype=torch.float64)  # of each coordinate
    in_units = tuple(units * part for part in cases[-1])
    wide = draw(2, 600), 0.1 * (draw(2, 600) / 9).exp(), draw(600), 0.02 * (draw(600) / 9).exp()  # products underflow
    nearly = m + 2e-4 * draw(3, 4) * s, s * (2e-4 * draw(3, 4)).exp(), m, s  # a KL of less than 1e-6
    return [*cases, equal_in_one_row, in_units, wide, nearly]


def _kl_with(log_ratio=1.0, half=0.5, one=1.0, power=2, of=lambda s: s, by_q=False):
    """A misconception: the right formula with one part changed."""

    def wrong(m_q, s_q, m_p, s_p):
        s_q, s_p = of(s_q), of(s_p)
        shift = (m_q - m_p) ** power / (s_q if by_q else s_p) ** 2
        return (half * ((s_q / s_p) ** 2 + shift) - one / 2 - log_ratio * (s_q / s_p).log()).sum(-1)

    return wrong


def _kl_each(m_q, s_q, m_p, s_p):
    """One number a coordinate, (B, D)."""
    return s_p.log() - s_q.log() + (s_q**2 + (m_q - m_p) ** 2) / (2 * s_p**2) - 0.5


def _kl_by_loop(m_q, s_q, m_p, s_p):
    rows = []
    for m, s in zip(m_q.tolist(), s_q.tolist(), strict=True):
        terms = [
            math.log(d / b) + (b**2 + (a - c) ** 2) / (2 * d**2) - 0.5
            for a, b, c, d in zip(m, s, m_p.tolist(), s_p.tolist(), strict=True)
        ]
        rows.append(sum(terms))
    return torch.tensor(rows, dtype=m_q.dtype)


def _kl_by_matrices(m_q, s_q, m_p, s_p):
    q = MultivariateNormal(m_q, torch.diag_embed(s_q**2))
    return kl_divergence(q, MultivariateNormal(m_p, torch.diag(s_p**2)).expand(m_q.shape[:1]))


gaussian_kl = Exercise(
    ask="Return KL(q || p) of two Gaussians with independent coordinates, for each row of a batch.",
    reference=_gaussian_kl,
    cases=_two_gaussians,
    misconceptions={
        "This is KL(p || q). The average is taken under the first of the two, here q.": (
            lambda m_q, s_q, m_p, s_p: _gaussian_kl(m_p, s_p, m_q, s_q)
        ),
        "The logarithm is that of s_p / s_q: a narrow q has the higher density, so it raises log q - log p.": (
            _kl_with(log_ratio=-1.0)
        ),
        "You treated the scales as variances. They are standard deviations: square them where a variance belongs.": (
            _kl_with(of=torch.sqrt)
        ),
        "The ratio of the scales counts twice: the half of the log determinant turns log variances into log scales.": (
            _kl_with(log_ratio=2.0)
        ),
        "The logarithms are right. In the quadratic part the scales have to be squared: variances stand there.": (
            lambda m_q, s_q, m_p, s_p: ((s_q + (m_q - m_p) ** 2) / (2 * s_p) - 0.5 - (s_q / s_p).log()).sum(-1)
        ),
        "Your half is in front of everything. It turns log variances into log scales; yours are log scales already.": (
            _kl_with(log_ratio=0.5)
        ),
        "You multiplied by p's variance: a / 2 * b is a b / 2. Put brackets around what divides.": (
            lambda m_q, s_q, m_p, s_p: ((s_q**2 + (m_q - m_p) ** 2) / 2 * s_p**2 - 0.5 - (s_q / s_p).log()).sum(-1)
        ),
        "The quadratic part has lost its half: a Gaussian has -1/2 in its exponent.": _kl_with(half=1.0),
        "You added the distance of the means without squaring it: KL must not care on which side q lies.": (
            _kl_with(power=1)
        ),
        "Half a nat a coordinate too much: -E_q[log q] has a half as well, from q's own squared distance.": (
            _kl_with(one=0.0)
        ),
        "Take off the half for every coordinate: inside the sum, not once behind it.": lambda m_q, s_q, m_p, s_p: (
            (_kl_each(m_q, s_q, m_p, s_p) + 0.5).sum(-1) - 0.5
        ),
        "The logarithms are missing: without them q could shrink for nothing.": _kl_with(log_ratio=0.0),
        "The distance of the means is measured in p's scale: it is p's log density that sees it.": _kl_with(by_q=True),
        "That is the KL to a standard normal. Here p has a mean and a scale of its own.": (
            lambda m_q, s_q, m_p, s_p: ((s_q**2 + m_q**2 - 1) / 2 - s_q.log()).sum(-1)
        ),
        "The entropy of q is missing: this is the mean of -log p alone. The KL has the mean of log q as well.": (
            lambda m_q, s_q, m_p, s_p: _kl_each(m_q, s_q, m_p, s_p).sum(-1) + Normal(m_q, s_q).entropy().sum(-1)
        ),
        "You averaged over the coordinates. Independent coordinates add their KLs.": (
            lambda *given: _kl_each(*given).mean(-1)
        ),
        "You summed over the batch. Coordinates are the last axis.": lambda *given: _kl_each(*given).sum(0),
        "You summed over everything. Each row of the batch has a KL of its own.": lambda *given: _kl_each(*given).sum(),
        "That is one number a coordinate. For independent coordinates the KLs add: sum over the last axis.": _kl_each,
        "Only the logarithm is in bits: log2 does not go with the quadratic part. Use the natural one.": (
            _kl_with(log_ratio=1 / math.log(2))
        ),
    },
    also_right=[
        lambda m_q, s_q, m_p, s_p: kl_divergence(Normal(m_q, s_q), Normal(m_p, s_p)).sum(1),
        _kl_by_loop,
        _kl_by_matrices,
    ],
)
