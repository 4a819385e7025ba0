"""What a Gaussian model sees of data: their mean and covariance. And the one maximum that needs nothing more."""

from __future__ import annotations

import math
from typing import NamedTuple

import scipy.linalg
import torch
from jaxtyping import Float, Real
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.em import columns_in, data_matrix
from lvmteach.linear_gaussian.model import LinearGaussian


class Moments(NamedTuple):
    """Mean and covariance S of the data (divided by N): all that a Gaussian model can see of them."""

    mean: Float[Tensor, " D"]
    var: Float[Tensor, " D"]  # the diagonal of S
    cov: Tensor | None  # S, (D, D), when N >= D
    root: Tensor | None  # (N, D) with root' root = S, when N < D: smaller than S

    @as_annotated
    def times(self, A: Float[Tensor, "D L"]) -> Float[Tensor, "D L"]:
        """S A."""
        return self.cov @ A if self.root is None else self.root.T @ (self.root @ A)


@as_annotated
def moments(x: Float[Tensor, "N D"]) -> Moments:
    """The one pass over the data, (N, D) float64."""
    N, D = x.shape
    mean = x.mean(0)
    if N < D:
        root = (x - mean) / math.sqrt(N)
        return Moments(mean, root.square().sum(0), None, root)
    cov = _gram(x) / N - mean[:, None] * mean
    # A mean much larger than the deviations leaves few digits of them; then centre first, at a copy's cost.
    if (mean.square() > 1e4 * cov.diagonal()).any():
        x = x - mean
        rest = x.mean(0)  # what rounding left in the mean
        mean, cov = mean + rest, _gram(x) / N - rest[:, None] * rest
    return Moments(mean, cov.diagonal().clone(), cov, None)


@as_annotated
def ppca_closed_form(x: Real[Tensor, "N D"], L: int) -> LinearGaussian:
    """The maximum-likelihood PPCA: W = U (Lambda - sigma^2 I)^1/2, sigma^2 the mean discarded eigenvalue of S.

    Any W R with R orthogonal is as good; here R = I, columns by descending eigenvalue.

    Raises:
        ValueError: bad data, not 1 <= L < D, N < L + 2, or data that lie in L dimensions, where sigma^2 = 0.

    Source: Tipping and Bishop 1999, equations 7 and 8 (section 3.2).
    """
    return closed_form_of(moments(fittable(x, L, missing=False, constant=True)), L)


@as_annotated
def closed_form_of(data: Moments, L: int) -> LinearGaussian:
    """PPCA of the data with these moments."""
    if data.root is None:
        values, U = _leading(data.cov, L)
    else:  # the same eigenvalues, and U by way of the N x N matrix
        values, V = _leading(data.root @ data.root.T, L)
        U = data.root.T @ V / values.sqrt()
    total, D = data.var.sum(), len(data.var)
    sigma2 = (total - values.sum()) / (D - L)
    if sigma2 <= 1e-12 * total:  # a discarded eigenvalue is known to about 1e-16 of the total, D times over
        raise ValueError(
            f"x must vary in more than L = {L} dimensions: sigma^2 would be 0 and the likelihood unbounded; "
            "take a smaller L, or look for columns that are sums of others"
        )
    return LinearGaussian(data.mean, U * (values - sigma2).clamp(min=0).sqrt(), sigma2)


def _gram(x: Tensor) -> Tensor:
    """x' x. On the CPU through NumPy, which computes each pair of columns once (syrk) where torch does it twice."""
    if x.device.type != "cpu":
        return x.T @ x
    a = x.detach().numpy()
    return torch.from_numpy(a.T @ a)


def _leading(S: Tensor, L: int) -> tuple[Tensor, Tensor]:
    """The L largest eigenvalues of S, descending, and their vectors. SciPy's LAPACK need not find the others."""
    n = len(S)
    if S.device.type == "cpu":
        found = scipy.linalg.eigh(S.detach().numpy(), subset_by_index=(n - L, n - 1), check_finite=False)
        values, U = map(torch.from_numpy, found)
    else:
        values, U = torch.linalg.eigh(S)
    return values[-L:].flip(0), U[:, -L:].flip(1)


@as_annotated
def fittable(x: Tensor, L: int, missing: bool, constant: bool) -> Tensor:
    """The data as float64, if L latents can be fitted to them; else the error that says why not."""
    at_least(1, L=L)
    # With N = L + 1 rows, L dimensions and the mean explain the data and leave no noise.
    x = data_matrix(x, rows=L + 2, missing=missing, constant=constant)
    if x.shape[1] <= L:
        raise ValueError(f"L must be less than D = {x.shape[1]} columns, got {L}")
    if missing and (unseen := x.isnan().all(0)).any():
        raise ValueError(f"x must be observed at least once in every column, but {columns_in(unseen)} are all NaN")
    return x
