"""Factor analysis with a memory: the latent of each step follows from that of the step before (Kalman).

    z_1 ~ N(m, P),   z_t+1 | z_t ~ N(A z_t, Q),   x_t | z_t ~ N(mu + W z_t, diag psi)

All of z and x together are one Gaussian, so every answer is a conditioning; the recursions find it in T steps of L^3.
With A = 0 and Q = P = I the steps forget one another: factor analysis.

The covariances do not depend on the data: N sequences of one length share them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.em import EMFit, em
from lvmteach.linear_gaussian.model import LinearGaussian, posterior_precision
from lvmteach.linear_gaussian.sufficient import ppca_closed_form

FLOOR = 1e-6  # the least noise, as a share of a column's variance, as in factor analysis


class LinearChain(NamedTuple):
    """Parameters of a chain of T latents z_t of L dimensions, seen through x_t of D."""

    m: Float[Tensor, " L"]  # of z_1
    P: Float[Tensor, "L L"]  # covariance of z_1
    A: Float[Tensor, "L L"]
    Q: Float[Tensor, "L L"]  # covariance of what a step adds
    mu: Float[Tensor, " D"]
    W: Float[Tensor, "D L"]
    psi: Float[Tensor, " D"]  # noise variances


class Filtered(NamedTuple):
    """p(z_t | x_1..x_t), and log p(x) in nats, summed over t."""

    mean: Float[Tensor, "N T L"]
    cov: Float[Tensor, "T L L"]
    log_lik: Float[Tensor, " N"]


class Smoothed(NamedTuple):
    """p(z_t | x_1..x_T), the covariance of each z_t with the next, and log p(x) in nats."""

    mean: Float[Tensor, "N T L"]
    cov: Float[Tensor, "T L L"]
    lag: Float[Tensor, "T-1 L L"]  # Cov(z_t, z_t+1 | x)
    log_lik: Float[Tensor, " N"]


class Expected(NamedTuple):
    """What the M step needs: sums over sequences, with z~ = (z, 1), so that mu is one more loading."""

    first: Float[Tensor, "L"]  # mean of E[z_1]
    first_cov: Float[Tensor, "L L"]  # Cov of z_1, posterior and spread of its means, averaged
    before: Float[Tensor, "L L"]  # sum of E[z_t z_t'], t < T
    after: Float[Tensor, "L L"]  # sum of E[z_t z_t'], t > 1
    lag: Float[Tensor, "L L"]  # sum of E[z_t+1 z_t']
    zz: Float[Tensor, "L+1 L+1"]  # sum of E[z~ z~'] over all t
    xz: Float[Tensor, "D L+1"]  # sum of x_t E[z~_t]'


@as_annotated
def kalman_filter(x: Float[Tensor, "N T D"], params: LinearChain) -> Filtered:
    """What is known of z_t once x_1..x_t are seen.

    Predict m' = A m, P' = A P A' + Q; then update, with the gain K = P W' (W P' W' + psi)^-1 told through the L x L
    matrix of `posterior_precision`, so that nothing D x D is inverted.

    Raises:
        ValueError: x is not (N, T, D), does not fit the parameters, or is not finite; a covariance has no root.

    Source: Kalman 1960; Bishop 2006, section 13.3.1.
    """
    forward = _forward(*_fitting(x, params))
    return Filtered(forward.mean, forward.cov, forward.log_lik)


@as_annotated
def smoother(x: Float[Tensor, "N T D"], params: LinearChain) -> Smoothed:
    """What is known of z_t once all of x is seen: the filter, then back from the end.

    Raises:
        ValueError: as `kalman_filter`.

    Source: Rauch, Tung and Striebel 1965; Bishop 2006, section 13.3.2.
    """
    x, params = _fitting(x, params)
    return _smooth(_forward(x, params), params)


@as_annotated
def log_likelihood(x: Float[Tensor, "N T D"], params: LinearChain) -> Float[Tensor, " N"]:
    """log p(x) of each sequence, in nats, summed over its steps. Differentiable in the parameters."""
    return kalman_filter(x, params).log_lik


class Draws(NamedTuple):
    """Sequences drawn from the model, latent and observed."""

    z: Float[Tensor, "N T L"]
    x: Float[Tensor, "N T D"]


@as_annotated
def sample(params: LinearChain, N: int, T: int) -> Draws:
    """N sequences of T steps. From the ambient random stream."""
    at_least(1, N=N, T=T)
    m, P, A, Q, mu, W, psi = params
    root, first = torch.linalg.cholesky(Q), torch.linalg.cholesky(P)
    like = {"dtype": W.dtype, "device": W.device}
    z = [m + torch.randn(N, len(m), **like) @ first.T]
    while len(z) < T:
        z.append(z[-1] @ A.T + torch.randn(N, len(m), **like) @ root.T)
    z = torch.stack(z, 1)
    return Draws(z, mu + z @ W.T + torch.randn(N, T, len(mu), **like) * psi.sqrt())


@as_annotated
def e_step(x: Float[Tensor, "N T D"], params: LinearChain) -> tuple[Expected, Tensor]:
    """Expected sums under p(z|x), and the log-likelihood in nats per sequence, the mean over N."""
    x, params = _fitting(x, params)
    mean, cov, lag, log_lik = _smooth(_forward(x, params), params)
    N = len(mean)
    first = mean[:, 0].mean(0)
    centred = mean[:, 0] - first
    second = torch.einsum("ntk,ntl->tkl", mean, mean) + N * cov
    padded = torch.nn.functional.pad(mean, (0, 1), value=1.0)
    zz = torch.einsum("ntk,ntl->kl", padded, padded)
    zz[:-1, :-1] += N * cov.sum(0)
    step = torch.einsum("ntk,ntl->kl", mean[:, 1:], mean[:, :-1]) + N * lag.sum(0).T
    xz = torch.einsum("ntd,ntl->dl", x, padded)
    spread = cov[0] + centred.T @ centred / N
    expected = Expected(first, spread, second[:-1].sum(0), second[1:].sum(0), step, zz, xz)
    return expected, log_lik.mean()


@as_annotated
def m_step(x: Float[Tensor, "N T D"], expected: Expected) -> LinearChain:
    """Regress each latent on the one before, and each column of x on z~; the noises are what remains.

    Source: Shumway and Stoffer 1982; Ghahramani and Hinton 1996.
    """
    N, T, D = x.shape
    first, first_cov, before, after, lag, zz, xz = expected
    A = torch.linalg.solve(before, lag.T).T
    Q = _symmetric(after - A @ lag.T) / (N * (T - 1))
    loadings = torch.linalg.solve(zz, xz.T).T
    flat = x.reshape(-1, D)
    psi = (flat.square().sum(0) - (loadings * xz).sum(1)) / len(flat)
    psi = torch.maximum(psi, FLOOR * flat.var(0, correction=0))
    return LinearChain(first, _symmetric(first_cov), A, Q, loadings[:, -1], loadings[:, :-1], psi)


@as_annotated
def fit_chain(
    x: Float[Tensor, "N T D"], L: int, *, start: LinearChain | None = None, max_steps: int = 1000, tol: float = 1e-6
) -> EMFit:
    """EM for the chain.

    Args:
        x: N sequences of T steps, cast to float64.
        L: latent dimension, 1 <= L < D.
        start: where EM starts; by default PPCA of all steps together, with latents that remember half.
        max_steps, tol: as in `em`; tol in nats per sequence.

    Returns:
        EMFit whose log_lik is the mean log p(x) in nats per sequence. z is known up to an invertible matrix.

    Raises:
        ValueError: bad data, T < 2, fewer than 2 sequences (z_1 would have no spread), a start that does not fit.

    Warns:
        ConvergenceWarning: as in `em`.
    """
    at_least(1, L=L)
    if start is None:
        start = _start(_sequences(x), L)
    x, start = _fitting(x, start)
    if len(x) < 2 or x.shape[1] < 2:
        raise ValueError(f"x must hold at least 2 sequences of at least 2 steps, got {tuple(x.shape)}; cut it up")
    # Far from zero the sums of squares lose digits: the fit sees x around its mean.
    centre = x.mean((0, 1))
    fit = em(x - centre, start._replace(mu=start.mu - centre), e_step, m_step, max_steps=max_steps, tol=tol)
    return fit._replace(params=fit.params._replace(mu=fit.params.mu + centre))


class _Forward(NamedTuple):
    mean: Tensor
    cov: Tensor
    log_lik: Tensor
    predicted_mean: Tensor  # of z_t given x_1..x_t-1
    predicted_cov: Tensor


def _forward(x: Tensor, params: LinearChain) -> _Forward:
    m, P, A, Q, mu, W, psi = params
    scaled = W / psi[:, None]
    centred = x - mu
    constant = x.shape[2] * math.log(2 * math.pi) + psi.log().sum()
    mean, cov = m.expand(len(x), -1), P
    kept, log_lik = [], x.new_zeros(len(x))
    for t in range(x.shape[1]):
        if t:
            mean, cov = kept[-1][2] @ A.T, A @ kept[-1][3] @ A.T + Q
        root = _root(cov)
        # z = mean + root e with e ~ N(0, I): at each step a factor analysis with loadings W root.
        precision = torch.linalg.cholesky(posterior_precision(LinearGaussian(mu, W @ root, psi)))
        error = centred[:, t] - mean @ W.T
        e = torch.linalg.solve_triangular(precision, (error @ scaled @ root).T, upper=False)
        narrow = torch.linalg.solve_triangular(precision, root.T, upper=False)  # narrow' narrow = filtered cov
        log_det = 2 * precision.diagonal().log().sum()
        log_lik = log_lik - (constant + log_det + (error.square() / psi).sum(1) - e.square().sum(0)) / 2
        kept.append((mean, cov, mean + (narrow.T @ e).T, narrow.T @ narrow))
    before_mean, before_cov, means, covs = zip(*kept, strict=True)
    before = torch.stack(before_mean, 1), torch.stack(before_cov)
    return _Forward(torch.stack(means, 1), torch.stack(covs), log_lik, *before)


def _smooth(forward: _Forward, params: LinearChain) -> Smoothed:
    mean, cov, log_lik, before_mean, before_cov = forward
    T = len(cov)
    gains = torch.cholesky_solve(params.A @ cov[:-1], _root(before_cov[1:])).mT  # cov_t A' P'_t+1^-1
    means, covs, lags = [mean[:, -1]], [cov[-1]], []
    for t in range(T - 2, -1, -1):
        J = gains[t]
        lags.append(J @ covs[-1])
        means.append(mean[:, t] + (means[-1] - before_mean[:, t + 1]) @ J.T)
        covs.append(_symmetric(cov[t] + J @ (covs[-1] - before_cov[t + 1]) @ J.T))
    lag = torch.stack(lags[::-1]) if lags else cov.new_zeros(0, *cov.shape[1:])
    return Smoothed(torch.stack(means[::-1], 1), torch.stack(covs[::-1]), lag, log_lik)


def _root(cov: Tensor) -> Tensor:
    root, failed = torch.linalg.cholesky_ex(cov)
    if failed.any():
        raise ValueError(
            "P and Q must be positive definite: some direction of z has no spread, or they are not symmetric; "
            "take a smaller L, or add a little to their diagonals"
        )
    return root


def _start(x: Tensor, L: int) -> LinearChain:
    ppca = ppca_closed_form(x.flatten(0, 1), L)
    eye = torch.eye(L, dtype=x.dtype, device=x.device)
    return LinearChain(eye[0] * 0, eye, eye / 2, 0.75 * eye, ppca.mu, ppca.W, ppca.psi.clone())


def _sequences(x: Tensor) -> Tensor:
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"x must be (N, T, D), got {tuple(x.shape)}; a single sequence needs x[None]")
    if x.is_complex() or not x.isfinite().all():
        raise ValueError("x must be finite real numbers, got NaN, infinity or complex ones; fill the gap or cut there")
    return x.double()


def _fitting(x: Tensor, params: LinearChain) -> tuple[Tensor, LinearChain]:
    """Data and parameters in float64, if they belong together."""
    x = _sequences(x)
    m, P, A, Q, mu, W, psi = params
    L, D = len(m), x.shape[2]
    shapes = {
        "P": (P, (L, L)),
        "A": (A, (L, L)),
        "Q": (Q, (L, L)),
        "mu": (mu, (D,)),
        "W": (W, (D, L)),
        "psi": (psi, (D,)),
    }
    for name, (part, shape) in shapes.items():
        if part.shape != shape:
            raise ValueError(f"{name} must be {shape} for these data and m ({L},), got {tuple(part.shape)}")
    if not (psi > 0).all():
        raise ValueError(f"psi must be positive variances, got {float(psi.min()):g}; did you pass a logarithm?")
    return x, LinearChain(*(part.double() for part in params))


def _symmetric(S: Tensor) -> Tensor:
    return (S + S.mT) / 2
