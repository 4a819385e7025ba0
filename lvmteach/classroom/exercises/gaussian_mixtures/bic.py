"""BIC."""

from __future__ import annotations

import math

from lvmteach.classroom.exercises.engine import Exercise


def _bic(log_lik, N, C, D, covariance):
    widths = {"full": C * D * (D + 1) // 2, "diagonal": C * D, "spherical": C}
    k = C - 1 + C * D + widths[covariance]
    return -2 * log_lik + k * math.log(N)


def _bic_cases(seed):
    rows = [(3, 2), (1, 4), (5, 7)]
    cases = []
    for number, (C, D) in enumerate(rows):
        N = 40 + 31 * number + seed
        for at, covariance in enumerate(("full", "diagonal", "spherical")):
            cases.append((-123.4 * (number + 1) - 7.7 * at - seed, N, C, D, covariance))
    return [*cases, (61.3 + seed, 90, 2, 3, "full")]  # a density may exceed one


def _bic_with(count=None, full=None, weigh=None):
    """A misconception: another count of parameters, or another way to put the two parts together."""

    def wrong(log_lik, N, C, D, covariance):
        size = {"full": D * (D + 1) // 2 if full is None else full(D), "diagonal": D, "spherical": 1}[covariance]
        k = C - 1 + C * D + C * size if count is None else count(C, D, size)
        return -2 * log_lik + k * math.log(N) if weigh is None else weigh(log_lik, N, k)

    return wrong


def _bic_by_counting(log_lik, N, C, D, covariance):
    free = [1] * (C - 1)
    for _ in range(C):
        free += [1] * D
        pairs = [(i, j) for i in range(D) for j in range(i + 1)]
        free += [1] * {"full": len(pairs), "diagonal": sum(i == j for i, j in pairs)}.get(covariance, 1)
    return sum(free) * math.log(N) - 2 * log_lik


bic = Exercise(
    ask="Return the Bayesian information criterion of a Gaussian mixture, in nats.",
    reference=_bic,
    cases=_bic_cases,
    misconceptions={
        "You counted C weights. They sum to one, so the last one is not free.": (
            _bic_with(count=lambda C, D, size: C + C * D + C * size)
        ),
        "You forgot the weights: all but one of them are free.": _bic_with(count=lambda C, D, size: C * D + C * size),
        "You forgot the means.": _bic_with(count=lambda C, D, size: C - 1 + C * size),
        "You forgot the covariances.": _bic_with(count=lambda C, D, size: C - 1 + C * D),
        "You counted one covariance for all components. Each has its own.": (
            _bic_with(count=lambda C, D, size: C - 1 + C * D + size)
        ),
        "You counted all D squared entries of a full covariance. It is symmetric: those below the diagonal are not "
        "free.": _bic_with(full=lambda D: D * D),
        "You counted only the pairs of a full covariance. The diagonal is free too.": (
            _bic_with(full=lambda D: D * (D - 1) // 2)
        ),
        "You counted full covariances whatever `covariance` says.": (
            lambda log_lik, N, C, D, covariance: _bic(log_lik, N, C, D, "full")
        ),
        "This is the Akaike criterion. BIC charges log N for a parameter, not 2.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * log_lik + 2 * k)
        ),
        "The sign of the charge is wrong: more parameters must make it worse.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * log_lik - k * math.log(N))
        ),
        "This is half of it. The convention here is minus twice the log-likelihood, plus log N for each parameter.": (
            _bic_with(weigh=lambda log_lik, N, k: -log_lik + k * math.log(N) / 2)
        ),
        "The two parts do not match: with twice the log-likelihood goes a whole log N for each parameter.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * log_lik + k * math.log(N) / 2)
        ),
        "Here lower is better: yours has the other sign.": (
            _bic_with(weigh=lambda log_lik, N, k: 2 * log_lik - k * math.log(N))
        ),
        "`log_lik` is the sum over the data already: do not multiply by N again.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * N * log_lik + k * math.log(N))
        ),
        "You took a logarithm to base 2. Everything here is in nats.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * log_lik + k * math.log2(N))
        ),
    },
    also_right=[_bic_by_counting, _bic_with()],
)
