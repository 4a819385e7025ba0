"""From data to parameters by EM: PPCA and factor analysis.

EM sees the data through their mean and covariance alone. These cost one pass; each step after it costs D^2 L
(or N D L, when there are fewer rows than columns), however many rows there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Real
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import cholesky, warn
from lvmteach.em import ConvergenceWarning, EMFit, columns_in, em
from lvmteach.linear_gaussian import missing as holes
from lvmteach.linear_gaussian.model import PRECISION, LinearGaussian, checked, posterior_precision
from lvmteach.linear_gaussian.sufficient import Moments, closed_form_of, fittable, moments

# The least noise, as a share of a column's variance: below it float64 has too few digits left for the likelihood.
FLOOR = 1e-6


class Expected(NamedTuple):
    """What the M step needs: averages over the data, with z under its posterior."""

    xz: Float[Tensor, "D L"]  # of (x - mean) E[z]'
    zz: Float[Tensor, "L L"]  # of E[z z']


@as_annotated
def e_step(data: Moments, params: LinearGaussian) -> tuple[Expected, Tensor]:
    """E[z] and E[z z'] under p(z|x), averaged against the data, and the log-likelihood, nats per datum.

    Every E[z] is B (x - mean), with B = M^-1 W' Psi^-1: the sums over data are S B' and M^-1 + B S B'. `params.mu`
    is taken to be the mean, its maximum whatever W and Psi.
    """
    psi, scaled = params.psi, params.W / params.psi[:, None]
    root = cholesky(PRECISION, posterior_precision(params))
    B = torch.cholesky_solve(scaled.T, root)
    xz = data.times(B.T)
    trace = (data.var / psi).sum() - (scaled * xz).sum()  # of S (W W' + Psi)^-1
    log_det = 2 * root.diagonal().log().sum() + psi.log().sum()
    log_lik = -0.5 * (len(psi) * math.log(2 * math.pi) + log_det + trace)
    return Expected(xz, torch.cholesky_inverse(root) + B @ xz), log_lik


@as_annotated
def m_step_fa(data: Moments, expected: Expected) -> LinearGaussian:
    """Regress x on z: W = E[x z'] E[z z']^-1; psi is the variance that remains in each column."""
    W = torch.linalg.solve(expected.zz, expected.xz.T).T
    psi = data.var - (W * expected.xz).sum(1)
    return LinearGaussian(data.mean, W, torch.maximum(psi, _floor(data.var, False)))


@as_annotated
def m_step_ppca(data: Moments, expected: Expected) -> LinearGaussian:
    """As in factor analysis, with the remaining variance averaged over the columns."""
    W = torch.linalg.solve(expected.zz, expected.xz.T).T
    sigma2 = (data.var - (W * expected.xz).sum(1)).mean()
    return LinearGaussian(data.mean, W, torch.maximum(sigma2, _floor(data.var, True)))


@as_annotated
def fit_ppca(
    x: Real[Tensor, "N D"],
    L: int,
    *,
    start: LinearGaussian | None = None,
    missing: bool = False,
    max_steps: int = 1000,
    tol: float = 1e-8,
) -> EMFit:
    """Probabilistic PCA by EM; the long way to `ppca_closed_form`, and the only one when entries are missing.

    Args:
        x: one datum a row, cast to float64.
        L: latent dimension, 1 <= L < D.
        start: where EM starts; by default W is random, from the ambient random stream.
        missing: NaN marks entries missing at random; the likelihood is that of the others.
        max_steps, tol: as in `em.em`; tol in nats per datum.

    Returns:
        An EMFit whose params.noise is sigma^2, a scalar, and whose log_lik is in nats per datum.

    Raises:
        ValueError: bad data, not 1 <= L < D, N < L + 2, or a start of the wrong shape.

    Warns:
        ConvergenceWarning: EM has not converged, or the noise has fallen to its floor; the message has the remedy.

    Source: Tipping and Bishop 1999, appendix B.
    """
    x = fittable(x, L, missing, constant=True)
    return _fit(x, L, start, missing, m_step_ppca, max_steps, tol)


@as_annotated
def fit_fa(
    x: Real[Tensor, "N D"],
    L: int,
    *,
    start: LinearGaussian | None = None,
    missing: bool = False,
    max_steps: int = 1000,
    tol: float = 1e-8,
) -> EMFit:
    """Factor analysis by EM.

    Args:
        x: one datum a row, cast to float64.
        L: number of factors, 1 <= L < D.
        start: where EM starts; by default PPCA's closed form on the standardised columns (missing entries at
            their column's mean), so that no random number is drawn and rescaled columns give the rescaled fit.
        missing: NaN marks entries missing at random; the likelihood is that of the others.
        max_steps, tol: as in `em.em`; tol in nats per datum.

    Returns:
        An EMFit whose params.noise is psi, (D,), and whose log_lik is in nats per datum.

    Raises:
        ValueError: bad data, a constant column, not 1 <= L < D, N < L + 2, or a start of the wrong shape.

    Warns:
        ConvergenceWarning: EM has not converged, or a column's noise has fallen to its floor (a Heywood case); the
            message has the remedy.

    Source: Rubin and Thayer 1982; Bishop 2006, section 12.2.4.
    """
    x = fittable(x, L, missing, constant=False)
    return _fit(x, L, start, missing, m_step_fa, max_steps, tol)


def _fit(
    x: Tensor,
    L: int,
    start: LinearGaussian | None,
    missing: bool,
    m_step: Callable[[Moments, Expected], LinearGaussian],
    max_steps: int,
    tol: float,
) -> EMFit:
    isotropic = m_step is m_step_ppca
    missing = missing and bool(x.isnan().any())
    if missing:  # about their means, so that no sum of squares loses digits to where the data lie
        centre = holes.centre(x)
        x = x - centre
        var = x.square().nanmean(0)
    data = moments(x.nan_to_num(0.0) if missing else x)
    given = start is not None
    if not given:
        start = _random_start(data, L) if isotropic else _standardised_start(data, L)
    start = checked(start, x.shape[1], L)
    if isotropic:
        start = start._replace(noise=start.psi.mean())
    floor = _floor(var if missing else data.var, isotropic)
    if missing:
        start = start._replace(mu=start.mu - centre) if given else start
        e, m = holes.e_step, lambda _, expected: holes.m_step(expected, floor)
        fit = em(x, start, e, m, max_steps=max_steps, tol=tol)
        fit = fit._replace(params=fit.params._replace(mu=fit.params.mu + centre))
    else:
        fit = em(data, start._replace(mu=data.mean), e_step, m_step, max_steps=max_steps, tol=tol)
    _warn_of_floor(fit.params.noise, floor)
    return fit


def _floor(var: Tensor, isotropic: bool) -> Tensor:
    return FLOOR * (var.mean() if isotropic else var)


def _random_start(data: Moments, L: int) -> LinearGaussian:
    """Random loadings that share the mean variance with the noise."""
    var = data.var.mean()
    W = torch.randn(len(data.var), L, dtype=var.dtype).to(var.device)
    return LinearGaussian(data.mean, W * (var / 2 / L).sqrt(), var / 2)


def _standardised_start(data: Moments, L: int) -> LinearGaussian:
    """PPCA of the standardised columns, put back on their scales."""
    scale = data.var.sqrt()
    if data.root is None:
        alike = data._replace(var=torch.ones_like(scale), cov=data.cov / scale[:, None] / scale)
    else:
        alike = data._replace(var=torch.ones_like(scale), root=data.root / scale)
    ppca = closed_form_of(alike, L)
    return LinearGaussian(data.mean, ppca.W * scale[:, None], ppca.noise * data.var)


def _warn_of_floor(noise: Tensor, floor: Tensor) -> None:
    low = noise <= floor
    if low.any():
        where = columns_in(low) if noise.ndim else "all columns"
        warn(
            f"the noise of {where} has fallen to {FLOOR:g} of the variance, the least allowed (a Heywood case): the "
            "factors explain them entirely; take fewer factors, more data, or drop columns that repeat others",
            ConvergenceWarning,
        )
