"""What a linear-Gaussian model says about data: posterior, log-likelihood, draws, missing entries.

Everything rests on one L x L matrix, M = I + W' Psi^-1 W, the posterior precision (Woodbury):
(W W' + Psi)^-1 = Psi^-1 - Psi^-1 W M^-1 W' Psi^-1 and |W W' + Psi| = |M| |Psi|. Bishop 2006, section 12.2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Real
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import cholesky
from lvmteach.em import data_matrix

PRECISION = "the posterior precision I + W' Psi^-1 W"


class LinearGaussian(NamedTuple):
    """Parameters of z ~ N(0, I), x | z ~ N(mu + W z, Psi); hence x ~ N(mu, W W' + Psi)."""

    mu: Float[Tensor, " D"]
    W: Float[Tensor, "D L"]
    noise: Tensor  # variances: psi (D,) in factor analysis, sigma^2 () in PPCA

    @property
    def psi(self) -> Float[Tensor, " D"]:
        """The noise variance of each column, whichever the model."""
        return self.noise.expand(len(self.mu))


class Posterior(NamedTuple):
    """p(z|x), Gaussian for every row of x."""

    mean: Float[Tensor, "N L"]
    cov: Tensor  # (L, L), the same for all rows; (N, L, L) where entries are missing


class Draws(NamedTuple):
    """Draws from the model, latent and observed."""

    z: Float[Tensor, "N L"]
    x: Float[Tensor, "N D"]


@as_annotated
def covariance(params: LinearGaussian) -> Float[Tensor, "D D"]:
    """W W' + Psi, the covariance of x. To look at; nothing in this room computes with it."""
    return params.W @ params.W.T + torch.diag(params.psi)


@as_annotated
def sample(params: LinearGaussian, N: int) -> Draws:
    """N draws by the generative process: z from the prior, then x given z. From the ambient random stream."""
    mu, W, _ = params
    z = torch.randn(N, W.shape[1], dtype=W.dtype, device=W.device)
    eps = torch.randn(N, W.shape[0], dtype=W.dtype, device=W.device)
    return Draws(z, mu + z @ W.T + eps * params.psi.sqrt())


@as_annotated
def posterior(x: Real[Tensor, "N D"], params: LinearGaussian, *, missing: bool = False) -> Posterior:
    """p(z|x) = N(M^-1 W' Psi^-1 (x - mu), M^-1) for every row; given its observed entries, if `missing`.

    Raises:
        ValueError: x does not fit the parameters, or holds NaN and `missing` is not said.

    Source: Bishop 2006, equations 12.66 to 12.68.
    """
    return posterior_of(project(x, params, missing))


@as_annotated
def log_likelihood(x: Real[Tensor, "N D"], params: LinearGaussian, *, missing: bool = False) -> Float[Tensor, " N"]:
    """log p(x) in nats, summed over columns, per row (N,); of its observed entries alone, if `missing`.

    Differentiable in the parameters.

    Raises:
        ValueError: x does not fit the parameters, or holds NaN and `missing` is not said.
    """
    return log_likelihood_of(project(x, params, missing))


@as_annotated
def impute(x: Real[Tensor, "N D"], params: LinearGaussian) -> Float[Tensor, "N D"]:
    """x with each missing entry (NaN) at its expectation given the observed ones, mu + W E[z|x_observed]."""
    expected = params.mu + posterior(x, params, missing=True).mean @ params.W.T
    return torch.where(x.isnan(), expected, x.double())


@as_annotated
def posterior_precision(params: LinearGaussian, seen: Tensor | None = None) -> Tensor:
    """M = I + W' Psi^-1 W, (L, L); over the entries seen (N, D) in each row, (N, L, L)."""
    W, scaled = params.W, params.W / params.psi[:, None]
    eye = torch.eye(W.shape[1], dtype=W.dtype, device=W.device)
    if seen is None:
        return eye + W.T @ scaled
    outer = (W[:, :, None] * scaled[:, None, :]).flatten(1)
    return eye + (seen @ outer).unflatten(1, eye.shape)


class Projection(NamedTuple):
    """What posterior and likelihood share."""

    root: Tensor  # lower Cholesky root of M, (L, L) or (N, L, L)
    projected: Float[Tensor, "N L"]  # W' Psi^-1 (x - mu)
    centred: Float[Tensor, "N D"]  # x - mu, 0 where missing
    seen: Tensor  # 1 for an entry that counts, (D,) or (N, D)
    psi: Float[Tensor, " D"]


@as_annotated
def project(x: Real[Tensor, "N D"], params: LinearGaussian, missing: bool) -> Projection:
    """Check x and the parameters, and compute what every answer about them needs."""
    x = data_matrix(x, rows=1, missing=missing, constant=True)
    params = checked(params, x.shape[1])
    centred = x - params.mu
    scaled = params.W / params.psi[:, None]
    if missing and (gone := x.isnan()).any():
        centred = centred.masked_fill(gone, 0)
        seen = (~gone).to(x.dtype)
        precision = posterior_precision(params, seen)
    else:
        seen = torch.ones_like(params.psi)
        precision = posterior_precision(params)
    return Projection(cholesky(PRECISION, precision), centred @ scaled, centred, seen, params.psi)


@as_annotated
def posterior_of(at: Projection) -> Posterior:
    """The posterior, from what `project` found."""
    mean = torch.cholesky_solve(at.projected[..., None], at.root)[..., 0]
    return Posterior(mean, torch.cholesky_inverse(at.root))


@as_annotated
def log_likelihood_of(at: Projection) -> Float[Tensor, " N"]:
    """The log-likelihood, from what `project` found."""
    explained = torch.linalg.solve_triangular(at.root, at.projected[..., None], upper=False)[..., 0]
    # x' (W W' + Psi)^-1 x by Woodbury: the scaled squares, less what the latent explains.
    quadratic = (at.centred.square() / at.psi).sum(1) - explained.square().sum(1)
    log_det = 2 * at.root.diagonal(dim1=-2, dim2=-1).log().sum(-1) + at.seen @ at.psi.log()
    return -0.5 * (at.seen.sum(-1) * math.log(2 * math.pi) + log_det + quadratic)


@as_annotated
def checked(params: LinearGaussian, D: int, L: int | None = None) -> LinearGaussian:
    """The parameters in float64; refused if of the wrong shape for D columns (and L latents), or without noise."""
    mu, W, noise = params
    if W.ndim != 2 or mu.shape != W.shape[:1] or noise.shape not in ((), mu.shape):
        raise ValueError(
            "params must be mu (D,), W (D, L), noise (D,) or (), got "
            f"{tuple(mu.shape)}, {tuple(W.shape)}, {tuple(noise.shape)}"
        )
    if len(W) != D or (L is not None and W.shape[1] != L):
        raise ValueError(f"W must be ({D}, {'L' if L is None else L}) for these data, got {tuple(W.shape)}")
    for name, part in zip(params._fields, params, strict=True):
        if not part.isfinite().all():
            raise ValueError(f"{name} must be finite, got NaN or infinity; look where the fit went wrong")
    if not (noise > 0).all():
        raise ValueError(f"noise must be positive variances, got {float(noise.min()):g}; did you pass a logarithm?")
    return LinearGaussian(mu.double(), W.double(), noise.double())
