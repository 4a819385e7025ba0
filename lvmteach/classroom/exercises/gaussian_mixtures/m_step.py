"""The M step."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.gaussian_mixtures.shared import _scatter


def _m_step(x, r):
    n = r.sum(0)
    means = r.T @ x / n[:, None]
    gap = x[:, None] - means
    covariances = torch.einsum("nc,ncd,nce->cde", r, gap, gap) / n[:, None, None]
    return n / len(x), means, covariances


@drawing
def _soft_labels(draw):
    shapes = ((6, 3, 2), (9, 1, 4), (11, 4, 3), (8, 2, 1))
    return [(3 + 2 * draw(N, D), torch.softmax(2 * draw(N, C), 1)) for N, C, D in shapes]


def _m_step_by_loop(x, r):
    parts = []
    for c in range(r.shape[1]):
        n = sum(r[:, c])
        mean = sum(r[i, c] * x[i] for i in range(len(x))) / n
        parts.append(
            (n / len(x), mean, sum(r[i, c] * torch.outer(x[i] - mean, x[i] - mean) for i in range(len(x))) / n)
        )
    return tuple(torch.stack(part) for part in zip(*parts, strict=True))


def _m_step_by_moments(x, r):
    share = r / r.sum(0)
    means = share.T @ x
    second = (share.T[:, None] * x.T) @ x
    return r.mean(0), means, second - means[:, :, None] * means[:, None]


def _m_step_with(weights=None, means=None, covariances=None):
    """A misconception: one of the three results changed; each change takes x, r and the right three."""

    def wrong(x, r):
        right = _m_step(x, r)
        changed = zip((weights, means, covariances), right, strict=True)
        return tuple(value if change is None else change(x, r, *right) for change, value in changed)

    return wrong


m_step = Exercise(
    ask="Return weights, means and covariances that maximise the expected log joint for given responsibilities.",
    reference=_m_step,
    cases=_soft_labels,
    misconceptions={
        "Your weights are counts. A probability is a share of all N points.": (
            _m_step_with(weights=lambda x, r, w, m, S: r.sum(0))
        ),
        "Your weights are all equal. A component that answers for more points gets more weight.": (
            _m_step_with(weights=lambda x, r, w, m, S: torch.ones_like(w) / len(w))
        ),
        "Your means are divided by N. Divide by the points that the component answers for.": (
            _m_step_with(means=lambda x, r, w, m, S: r.T @ x / len(x))
        ),
        "Your covariances are divided by N. Divide by the points that the component answers for.": (
            _m_step_with(covariances=lambda x, r, w, m, S: S * w[:, None, None])
        ),
        "You divided by N_c - 1. That removes a bias, but the maximum is at N_c.": (
            _m_step_with(
                covariances=lambda x, r, w, m, S: S * (r.sum(0) / (r.sum(0) - 1))[:, None, None],
            )
        ),
        "Your deviations are from the mean of all data. Each component has its own, the one just computed.": (
            _m_step_with(covariances=lambda x, r, w, m, S: _scatter(x, r, x.mean(0)) / r.sum(0)[:, None, None])
        ),
        "Every component has the covariance of all data. The responsibilities must weight it.": (
            _m_step_with(covariances=lambda x, r, w, m, S: torch.cov(x.T, correction=0).expand_as(S).clone())
        ),
        "torch.cov with aweights removes a bias by default. The maximum has no such correction: correction=0.": (
            _m_step_with(
                covariances=lambda x, r, w, m, S: torch.stack(
                    [torch.cov(x.T, aweights=one).reshape(x.shape[1], -1) for one in r.T]
                )
            )
        ),
        "You did not subtract the mean: these are second moments.": (
            _m_step_with(covariances=lambda x, r, w, m, S: _scatter(x, r, 0 * m) / r.sum(0)[:, None, None])
        ),
        "Only the diagonal is left. Coordinates may go together: sum outer products, not squares.": (
            _m_step_with(covariances=lambda x, r, w, m, S: torch.diag_embed(S.diagonal(dim1=1, dim2=2)))
        ),
        "All your components have the same covariance. Each has its own here.": (
            _m_step_with(covariances=lambda x, r, w, m, S: (w[:, None, None] * S).sum(0).expand_as(S).clone())
        ),
        "The responsibilities do not weight your outer products: a point counts as much as the component owns it.": (
            _m_step_with(covariances=lambda x, r, w, m, S: _scatter(x, torch.ones_like(r), m) / len(x))
        ),
        "The responsibilities enter the covariance squared: they weight the outer product once.": (
            _m_step_with(covariances=lambda x, r, w, m, S: _scatter(x, r**2, m) / r.sum(0)[:, None, None])
        ),
        "You rounded the responsibilities to zero and one, as K-means does. Use them as they are.": (
            lambda x, r: _m_step(x, torch.nn.functional.one_hot(r.argmax(1), r.shape[1]).to(r.dtype))
        ),
    },
    also_right=[_m_step_by_loop, _m_step_by_moments],
)
