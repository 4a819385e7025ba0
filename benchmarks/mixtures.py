"""A step of EM for Gaussian mixtures beside scikit-learn's GaussianMixture: same data, same start, same log-likelihood.

python -m benchmarks mixtures
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from benchmarks.timing import Row, one_thread, paired
from lvmteach.mixtures import Mixture, fit_from, random_start
from lvmteach.runtime import seeded

STEPS = 10
PEER_NAME = {"full": "full", "diagonal": "diag", "spherical": "spherical"}


def rows() -> Iterator[Row]:
    """C = 10 components on 20000 x 50, on one thread."""
    with one_thread():
        yield per_step("full", target=1.5)
        yield per_step("diagonal")
        yield per_step("spherical")


def per_step(covariance: str, target: float = 0.0, repeats: int = 7) -> Row:
    """Seconds of one E and M step; both first climb `STEPS` steps from one start, to the same log-likelihood."""
    x, start = problem(covariance)
    fit = fit_from(x, start, max_steps=STEPS, tol=0.0)
    theirs = peer(start, covariance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # asked for STEPS steps, not for convergence
        data = x.numpy()
        difference = abs(theirs.fit(data).score(data) - float(fit.log_lik[-1]))
        assert difference < 1e-9, f"{covariance}: log-likelihoods differ by {difference} nats per datum"
        row = paired(
            f"mixture EM step, C = 10, {covariance}, 20000 x 50",
            lambda: fit_from(x, start, max_steps=STEPS, tol=0.0),
            "GaussianMixture",
            lambda: theirs.fit(data),  # warm: no start of its own is timed
            repeats=repeats,
            target=target,
            note=f"same log-likelihood to {difference:.0e} nats per datum",
        )
    return row._replace(ours=row.ours / STEPS, theirs=row.theirs / STEPS)


def problem(covariance: str, N: int = 20_000, D: int = 50, C: int = 10) -> tuple[Tensor, Mixture]:
    """Ten overlapping clusters, and where to start."""
    with seeded(0):
        centres = torch.randn(C, D, dtype=torch.float64)
        x = centres[torch.randint(C, (N,))] + torch.randn(N, D, dtype=torch.float64)
        return x, random_start(x, C, covariance=covariance)


def peer(start: Mixture, covariance: str) -> GaussianMixture:
    """scikit-learn's model at that start, without its regulariser; fitted again, it goes on from where it is."""
    cov = start.covariances
    precisions = torch.linalg.inv(cov) if cov.ndim == 3 else 1 / cov
    weights, means, precisions = (part.numpy() for part in (start.weights, start.means, precisions))
    return GaussianMixture(
        len(weights), covariance_type=PEER_NAME[covariance], tol=0, reg_covar=0, max_iter=STEPS, warm_start=True,
        weights_init=weights, means_init=means, precisions_init=precisions, init_params="random", random_state=0,
    )  # fmt: skip
