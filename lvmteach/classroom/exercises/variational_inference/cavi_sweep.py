"""Mean field."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import Close
from lvmteach.classroom.exercises.engine import Exercise


def _cavi_sweep(mean, mu, cov):
    A = torch.linalg.inv(cov)
    mean = mean.clone()
    for d in range(len(mu)):
        pull = A[d] @ (mean - mu) - A[d, d] * (mean[d] - mu[d])
        mean[d] = mu[d] - pull / A[d, d]
    return mean, 1 / A.diagonal()


@drawing
def _targets(draw):
    cases = []
    for D, unit in ((2, 1), (3, 1), (1, 1), (5, 1), (4, 1e5), (60, 1e-5)):  # at last a determinant of zero
        root = draw(D, D)
        cov = root @ root.T + 0.3 * torch.eye(D, dtype=torch.float64)
        cases.append((unit * (2 * draw(D) - 1), unit * (1 + draw(D)), unit**2 * cov))
    return cases


def _sweep_with(
    matrix=torch.linalg.inv,
    sign=-1.0,
    order=list,
    fresh=True,
    divided=True,
    own=False,
    centre=1.0,
    later=False,
    from_old=False,
    from_own=False,
):
    """A misconception: the right sweep with one part changed."""

    def wrong(mean, mu, cov):
        A, D = matrix(cov), len(mu)
        new = mean.clone()
        for d in order(range(D)):
            seen = (new if fresh else mean) - centre * mu
            if from_own:
                seen = new - mu[d]
            chosen = [e for e in range(D) if (own or e != d) and not (later and e < d)]
            others = A[d, chosen] @ seen[chosen]
            new[d] = (mean if from_old else mu)[d] + sign * others / (A[d, d] if divided else 1.0)
        return new, 1 / torch.linalg.inv(cov).diagonal()

    return wrong


def _another_variance(of):
    return lambda mean, mu, cov: (_cavi_sweep(mean, mu, cov)[0], of(cov))


def _sweep_by_conditioning(mean, mu, cov):
    """Best factor given the others' means = the conditional Gaussian at those means."""
    new, var = mean.clone(), []
    for d in range(len(mu)):
        rest = [e for e in range(len(mu)) if e != d]
        gain = torch.linalg.solve(cov[rest][:, rest], cov[rest, d])
        new[d] = mu[d] + gain @ (new[rest] - mu[rest])
        var.append(cov[d, d] - gain @ cov[rest, d])
    return new, torch.stack(var)


def _sweep_by_triangles(mean, mu, cov):
    """One sweep is a Gauss-Seidel step: (lower triangle) new = -(upper triangle) old, about mu."""
    A = torch.cholesky_inverse(torch.linalg.cholesky(cov))
    right = -(A.triu(1) @ (mean - mu))[:, None]
    return mu + torch.linalg.solve_triangular(A.tril(), right, upper=False)[:, 0], A.diagonal().reciprocal()


cavi_sweep = Exercise(
    ask="Return the means after one sweep of coordinate ascent for a correlated Gaussian, and the variances.",
    reference=_cavi_sweep,
    cases=_targets,
    misconceptions={
        "You updated all means from the old ones. Coordinate ascent goes one after the other: each update sees the "
        "ones before it.": _sweep_with(fresh=False),
        "The variances are those of p. The best factor's is the inverse of a diagonal entry of the precision.": (
            _another_variance(lambda cov: cov.diagonal())
        ),
        "Those are the precisions. The variance is one over each.": (
            _another_variance(lambda cov: torch.linalg.inv(cov).diagonal())
        ),
        "You returned scales. The second result is the variances.": (
            _another_variance(lambda cov: torch.linalg.inv(cov).diagonal().rsqrt())
        ),
        "You used the covariance in the update. log p has the precision in it: invert first.": (
            _sweep_with(matrix=lambda cov: cov)
        ),
        "You used the covariance throughout, and one over its diagonal. log p has the precision in it: invert "
        "first.": lambda mean, mu, cov: (_sweep_with(matrix=lambda cov: cov)(mean, mu, cov)[0], 1 / cov.diagonal()),
        "You inverted the covariance entry by entry. The precision is the inverse matrix.": (
            lambda mean, mu, cov: (_sweep_with(matrix=lambda cov: 1 / cov)(mean, mu, cov)[0], cov.diagonal())
        ),
        "The pull of the others has the wrong sign: complete the square once more.": _sweep_with(sign=1.0),
        "Divide the pull by the diagonal entry: the square in z_d has that coefficient.": _sweep_with(divided=False),
        "The coordinate itself is in the sum. Sum over the others only.": _sweep_with(own=True),
        "Only the later coordinates pull in your sum. All others do, those that you have updated as well.": (
            _sweep_with(later=True)
        ),
        "You corrected the old mean. The update starts from mu, and forgets where this coordinate was.": (
            _sweep_with(from_old=True)
        ),
        "You measured the others from this coordinate's mu. Each has a mu of its own.": _sweep_with(from_own=True),
        "That is the target itself, its mean and its variances. A factorised q has other variances, and one sweep does "
        "not reach the mean.": lambda mean, mu, cov: (mu.clone(), cov.diagonal().clone()),
        "The others pull by their distance from mu, not from zero.": _sweep_with(centre=0.0),
        "That is where the means end. One sweep does not get there: all others pull, the later ones as well.": (
            lambda mean, mu, cov: (mu.clone(), _cavi_sweep(mean, mu, cov)[1])
        ),
        "You went through the coordinates from the last to the first. That works as well; here begin with the first.": (
            _sweep_with(order=lambda ds: list(ds)[::-1])
        ),
        "You updated the first coordinate only. A sweep visits all.": _sweep_with(order=lambda ds: list(ds)[:1]),
        "The two results are exchanged: first the means, then the variances.": (
            lambda *given: _cavi_sweep(*given)[::-1]
        ),
        "The variances stand in a matrix. Return its diagonal, (D,).": (
            _another_variance(lambda cov: (1 / torch.linalg.inv(cov).diagonal()).diag())
        ),
    },
    also_right=[_sweep_by_conditioning, _sweep_by_triangles, _sweep_with()],
    compare=Close(atol=1e-20),  # small results count as well
)
