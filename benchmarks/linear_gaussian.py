"""Factor analysis and PPCA beside scikit-learn: same data, one thread, log-likelihood no worse.

python -m benchmarks linear_gaussian
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from sklearn.decomposition import PCA, FactorAnalysis
from torch import Tensor

from benchmarks.timing import Row, one_thread, paired, seconds
from lvmteach.em import em
from lvmteach.linear_gaussian import (
    e_step,
    fit_fa,
    log_likelihood,
    m_step_fa,
    moments,
    ppca_closed_form,
)

N, D, L = 10_000, 784, 10
TOL = 1e-2  # scikit-learn's default, in nats summed over the data
# Ours stops at a tenth of it: EM's steps are smaller than theirs, and the end must be no worse.
OUR_TOL = TOL / 10 / N


def rows() -> Iterator[Row]:
    """All comparisons, one after the other."""
    with one_thread():
        x = factors(fading=1.0)
        yield factor_analysis("fading factors", x, "randomized", target=1.0)
        x = factors(fading=0.0)
        yield factor_analysis("strong factors", x, "randomized", target=1.0)
        yield factor_analysis("strong factors", x, "lapack", target=5.0)
        yield closed_form(x)
        yield from growth()


def factors(fading: float) -> Tensor:
    """Draws of a factor model; with `fading`, weak and unequal factors under noise of unequal size."""
    rng = np.random.default_rng(0)
    W = rng.normal(size=(D, L)) * (0.15 * np.linspace(1, 0.3, L)) ** fading
    noise = np.exp(0.5 * fading * rng.normal(size=D))
    return torch.from_numpy(rng.normal(size=(N, L)) @ W.T + noise * rng.normal(size=(N, D)))


def factor_analysis(name: str, x: Tensor, method: str, target: float) -> Row:
    """fit_fa beside FactorAnalysis, each from its own start to its own end."""
    a = x.numpy()
    peer = FactorAnalysis(L, svd_method=method, tol=TOL)
    ours, theirs = float(fit_fa(x, L, tol=OUR_TOL).log_lik[-1]), peer.fit(a).score(a)
    return paired(
        f"factor analysis, {name}, {N} x {D}, L = {L}",
        lambda: fit_fa(x, L, tol=OUR_TOL),
        f"FactorAnalysis {method}",
        lambda: peer.fit(a),
        target=target,
        note=no_worse(ours, theirs),
        warm=True,
    )


def closed_form(x: Tensor) -> Row:
    """ppca_closed_form beside PCA by the covariance's eigenvectors."""
    a = x.numpy()
    peer = PCA(L, svd_solver="covariance_eigh")
    ours, theirs = float(log_likelihood(x, ppca_closed_form(x, L)).mean()), peer.fit(a).score(a)
    return paired(
        f"PPCA closed form, {N} x {D}, L = {L}",
        lambda: ppca_closed_form(x, L),
        "PCA covariance_eigh",
        lambda: peer.fit(a),
        repeats=9,
        target=1.0,
        note=no_worse(ours, theirs),
    )


def no_worse(ours: float, theirs: float) -> str:
    """What to say of the log-likelihoods; an error if ours is lower by more than rounding."""
    assert ours >= theirs - 1e-9 * abs(theirs), f"log-likelihood {ours} is below {theirs}"
    return f"log-likelihood {ours:.6f}, theirs {theirs:.6f} nats per datum"


def growth(steps: int = 200, repeats: int = 5) -> Iterator[Row]:
    """Seconds of one EM step after the first pass, beside those at 10 000 rows: the same, whatever the rows."""
    data, first = {}, {}
    for rows in (10_000, 100_000, 1_000_000):
        x = torch.from_numpy(np.random.default_rng(1).normal(size=(rows, 100)))
        first[rows] = seconds(lambda x=x: data.update({rows: moments(x)}))  # noqa: B023
        start = fit_fa(x[:1000], L, max_steps=0, tol=0.0).params
    for rows in (100_000, 1_000_000):
        row = paired(
            f"factor analysis EM step, {rows} x 100",
            lambda rows=rows: em(data[rows], start, e_step, m_step_fa, max_steps=steps, tol=0.0),
            "the same on 10000 x 100",
            lambda: em(data[10_000], start, e_step, m_step_fa, max_steps=steps, tol=0.0),
            repeats=repeats,
            target=0.8,
            note=f"first pass {first[rows]:.2g} s against {first[10_000]:.2g} s",
        )
        yield row._replace(ours=row.ours / steps, theirs=row.theirs / steps)
