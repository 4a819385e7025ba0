"""EM for data with holes. Each row has its own posterior, given what was observed in it; columns have a regression.

No entry is filled in: the missing ones are integrated out, and mu, W and the noise are all re-estimated.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.linear_gaussian.model import LinearGaussian, log_likelihood_of, posterior_of, project


class ExpectedByColumn(NamedTuple):
    """Sums over the rows where column d was observed, with z~ = (z, 1) so that mu is one more loading."""

    xz: Float[Tensor, "D L+1"]  # sum of x_d E[z~]
    zz: Float[Tensor, "D L+1 L+1"]  # sum of E[z~ z~']
    xx: Float[Tensor, " D"]  # sum of x_d^2
    rows: Float[Tensor, " D"]  # how many


@as_annotated
def e_step(x: Float[Tensor, "N D"], params: LinearGaussian) -> tuple[ExpectedByColumn, Tensor]:
    """Expectations given the observed entries, and their log-likelihood, nats per row. Memory N (L + 1)^2."""
    at = project(x, params, missing=True)
    mean, cov = posterior_of(at)
    seen = (~x.isnan()).to(x.dtype)
    filled = x.nan_to_num(0.0)
    z = torch.cat([mean, torch.ones_like(mean[:, :1])], 1)
    second = z[:, :, None] * z[:, None, :]
    second[:, :-1, :-1] += cov
    zz = (seen.T @ second.flatten(1)).unflatten(1, second.shape[1:])
    expected = ExpectedByColumn(filled.T @ z, zz, filled.square().sum(0), seen.sum(0))
    return expected, log_likelihood_of(at).mean()


@as_annotated
def m_step(expected: ExpectedByColumn, floor: Tensor) -> LinearGaussian:
    """Regress each column on its own rows' z~; the noise is what remains, one for all if `floor` is a scalar."""
    xz, zz, xx, rows = expected
    loadings = torch.linalg.solve(zz, xz)
    residual = xx - (loadings * xz).sum(1)
    noise = residual / rows if floor.ndim else residual.sum() / rows.sum()
    return LinearGaussian(loadings[:, -1], loadings[:, :-1], torch.maximum(noise, floor))


@as_annotated
def centre(x: Float[Tensor, "N D"]) -> Float[Tensor, " D"]:
    """The mean of each column's observed entries, to the last digit: of what a first mean leaves, once more."""
    mean = x.nanmean(0)
    return mean + (x - mean).nanmean(0)
