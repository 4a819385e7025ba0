"""The M step with one covariance for all components."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import Close
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.gaussian_mixtures.shared import _scatter


def _tied_step(x, r):
    n = r.sum(0)
    means = r.T @ x / n[:, None]
    gap = x[:, None] - means
    return n / len(x), means, torch.einsum("nc,ncd,nce->de", r, gap, gap) / len(x)


@drawing
def _soft_labels(draw):
    cases = []
    for N, C, D in ((6, 3, 2), (9, 1, 4), (11, 4, 3), (8, 2, 1)):
        x, score = 3 + 2 * draw(N, D), 2 * draw(N, C)
        score[:, 0] -= 14 * (C == 4)  # a component that answers for next to nothing
        cases.append((x, score.softmax(1)))
    (near, r), (x, whose) = cases[0], cases[3]
    return [*cases[:3], (1e-3 * x, whose), (1e5 + near, r)]  # in other units, and far from zero


def _by_loop(x, r):
    weights = r.mean(0)
    means = torch.stack([sum(r[i, c] * x[i] for i in range(len(x))) / r[:, c].sum() for c in range(r.shape[1])])
    total = torch.zeros(x.shape[1], x.shape[1], dtype=x.dtype)
    for i in range(len(x)):
        for c in range(r.shape[1]):
            total += r[i, c] * torch.outer(x[i] - means[c], x[i] - means[c])
    return weights, means, total / len(x)


def _by_cov(x, r):
    weights, means = r.mean(0), (r.T @ x) / r.sum(0)[:, None]
    D = x.shape[1]
    own = [torch.cov(x.T, aweights=mine, correction=0).reshape(D, D) for mine in r.T]
    return weights, means, sum(w * S for w, S in zip(weights, own, strict=True))


def _total_less_between(x, r):
    centre = x.mean(0)
    weights, means = r.mean(0), (r / r.sum(0)).T @ (x - centre)
    return weights, centre + means, (x - centre).T @ (x - centre) / len(x) - (means.T * weights) @ means


def _with(weights=None, means=None, covariance=None):
    """A misconception: one of the three results changed; each change takes x, r and the right three."""

    def wrong(x, r):
        right = _tied_step(x, r)
        changed = zip((weights, means, covariance), right, strict=True)
        return tuple(value if change is None else change(x, r, *right) for change, value in changed)

    return wrong


def _own(x, r, means):
    """Each component's own covariance, (C, D, D)."""
    return _scatter(x, r, means) / r.sum(0)[:, None, None]


tied_step = Exercise(
    ask="Return weights, means and the one covariance that maximise the expected log joint for given responsibilities.",
    reference=_tied_step,
    cases=_soft_labels,
    misconceptions={
        "You averaged the components' covariances with equal weights. A component that answers for more points says "
        "more about the common shape.": _with(covariance=lambda x, r, w, m, S: _own(x, r, m).mean(0)),
        "That is the covariance of all data about their common mean: it also holds how far the components lie apart. "
        "Take each point's deviation from its own component's mean.": (
            _with(covariance=lambda x, r, w, m, S: torch.cov(x.T, correction=0).reshape(S.shape))
        ),
        "That is the sum of the components' covariances. Each point counts once: divide the whole scatter by N.": (
            _with(covariance=lambda x, r, w, m, S: _own(x, r, m).sum(0))
        ),
        "This is the scatter, a sum over points. The maximum is at its N-th part.": (
            _with(covariance=lambda x, r, w, m, S: len(x) * S)
        ),
        "You divided by N - C. That removes a bias; the maximum of the likelihood is at N.": (
            _with(covariance=lambda x, r, w, m, S: len(x) * S / (len(x) - len(w)))
        ),
        "The responsibilities do not weight your outer products: a point counts as much as the component owns it.": (
            _with(covariance=lambda x, r, w, m, S: _scatter(x, torch.ones_like(r), m).sum(0) / r.numel())
        ),
        "The responsibilities enter the covariance squared: they weight the outer product once.": (
            _with(covariance=lambda x, r, w, m, S: _scatter(x, r**2, m).sum(0) / len(x))
        ),
        "You did not subtract the means: these are second moments.": (
            _with(covariance=lambda x, r, w, m, S: x.T @ x / len(x))
        ),
        "You subtracted each point's expected mean, sum of r_nc mu_c, and then multiplied. The expectation of a square "
        "is not the square of an expectation: add up the components' outer products.": (
            _with(covariance=lambda x, r, w, m, S: (x - r @ m).T @ (x - r @ m) / len(x))
        ),
        "Only the diagonal is left. Coordinates may go together: sum outer products, not squares.": (
            _with(covariance=lambda x, r, w, m, S: S.diagonal().diag())
        ),
        "Your means are divided by N. Divide by the points that the component answers for.": (
            _with(means=lambda x, r, w, m, S: r.T @ x / len(x))
        ),
        "Your weights are counts. A probability is a share of all N points.": (
            _with(weights=lambda x, r, w, m, S: r.sum(0))
        ),
        "Your weights are all equal. Tying the covariance leaves the weights free.": (
            _with(weights=lambda x, r, w, m, S: torch.ones_like(w) / len(w))
        ),
        "You rounded the responsibilities to zero and one, as K-means does. Use them as they are.": (
            lambda x, r: _tied_step(x, torch.nn.functional.one_hot(r.argmax(1), r.shape[1]).to(r.dtype))
        ),
    },
    also_right=[_by_loop, _by_cov, _total_less_between],
    compare=Close(atol=1e-16),  # small variances count as well
)
