"""What a shape costs: BIC, with a count of free parameters."""

from __future__ import annotations

import math

from lvmteach.classroom.exercises.engine import Exercise


def _bic(log_lik, N, C, D, covariance):
    symmetric = D * (D + 1) // 2
    shapes = {"tied": symmetric, "scaled": symmetric + C - 1, "turned": D + C * (symmetric - D)}
    k = C - 1 + C * D + shapes[covariance]
    return -2 * log_lik + k * math.log(N)


def _bic_cases(seed):
    cases = []
    for number, (C, D) in enumerate([(3, 2), (1, 4), (5, 7)]):
        N = 40 + 31 * number + seed
        for at, covariance in enumerate(("tied", "scaled", "turned")):
            cases.append((-123.4 * (number + 1) - 7.7 * at - seed, N, C, D, covariance))
    return [*cases, (61.3 + seed, 90, 2, 3, "turned")]  # a density may exceed one


def _counting(count):
    """A misconception: `count` says how many numbers are free, from C, D and the kind."""
    return lambda log_lik, N, C, D, covariance: -2 * log_lik + count(C, D, covariance) * math.log(N)


def _k(C, D, covariance, matrix=None, turn=None, sizes=None, shapes=1):
    """The count, with another one for a symmetric matrix, for a rotation, for the sizes, or so many shared shapes."""
    matrix = D * (D + 1) // 2 if matrix is None else matrix
    turn = D * (D - 1) // 2 if turn is None else turn
    sizes = C - 1 if sizes is None else sizes
    kinds = {"tied": shapes * matrix, "scaled": shapes * matrix + sizes, "turned": shapes * D + C * turn}
    return C - 1 + C * D + kinds[covariance]


def _weighing(weigh):
    """A misconception: `weigh` puts the log-likelihood, N and the right count together in another way."""
    return lambda log_lik, N, C, D, covariance: weigh(log_lik, N, _k(C, D, covariance))


def _by_what_is_shared(log_lik, N, C, D, covariance):
    """From full covariances, less what the other components share with the first."""
    shared = {"tied": D * (D + 1) // 2, "scaled": D * (D + 1) // 2 - 1, "turned": D}[covariance]
    k = C * (1 + D + D * (D + 1) // 2) - 1 - (C - 1) * shared
    return k * math.log(N) - 2 * log_lik


bic = Exercise(
    ask="Return the Bayesian information criterion of a mixture whose components share a part of their covariances.",
    reference=_bic,
    cases=_bic_cases,
    misconceptions={
        "You counted C weights. They sum to one, so the last one is not free.": (
            _counting(lambda C, D, kind: _k(C, D, kind) + 1)
        ),
        "You forgot the weights: all but one of them are free.": _counting(lambda C, D, kind: _k(C, D, kind) - (C - 1)),
        "You forgot the means.": _counting(lambda C, D, kind: _k(C, D, kind) - C * D),
        "You forgot the covariances.": _counting(lambda C, D, kind: C - 1 + C * D),
        "You counted what all components share once for each of them.": (
            _counting(lambda C, D, kind: _k(C, D, kind, shapes=C))
        ),
        "You counted full covariances, whatever `covariance` says. What is shared counts once.": (
            _counting(lambda C, D, kind: C - 1 + C * D + C * D * (D + 1) // 2)
        ),
        "You counted all D squared entries of a symmetric matrix: those below the diagonal are not free.": (
            _counting(lambda C, D, kind: _k(C, D, kind, matrix=D * D))
        ),
        "You counted only the pairs of a symmetric matrix. The diagonal is free too.": (
            _counting(lambda C, D, kind: _k(C, D, kind, matrix=D * (D - 1) // 2))
        ),
        "One of the sizes is not free: the shared matrix twice as large and every size half as large is the same "
        "mixture.": _counting(lambda C, D, kind: _k(C, D, kind, sizes=C)),
        "You counted all D squared entries of an orthogonal matrix. It has one angle for each pair of axes.": (
            _counting(lambda C, D, kind: _k(C, D, kind, turn=D * D))
        ),
        "A rotation in D dimensions has one angle for each pair of axes, not for each axis.": (
            _counting(lambda C, D, kind: _k(C, D, kind, turn=D))
        ),
        "Each component is turned its own way: its angles are its own.": (
            _counting(lambda C, D, kind: C - 1 + C * D + D * (D + 1) // 2 + (C - 1) * (kind == "scaled"))
        ),
        "This is the Akaike criterion. BIC charges log N for a parameter, not 2.": (
            _weighing(lambda log_lik, N, k: -2 * log_lik + 2 * k)
        ),
        "The sign of the charge is wrong: more parameters must make it worse.": (
            _weighing(lambda log_lik, N, k: -2 * log_lik - k * math.log(N))
        ),
        "The two parts do not match: with twice the log-likelihood goes a whole log N for each parameter.": (
            _weighing(lambda log_lik, N, k: -2 * log_lik + k * math.log(N) / 2)
        ),
        "`log_lik` is the sum over the data already: do not multiply by N again.": (
            _weighing(lambda log_lik, N, k: -2 * N * log_lik + k * math.log(N))
        ),
        "You took a logarithm to base 2. Everything here is in nats.": (
            _weighing(lambda log_lik, N, k: -2 * log_lik + k * math.log2(N))
        ),
    },
    also_right=[_by_what_is_shared, _counting(_k)],
)
