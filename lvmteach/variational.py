"""Variational inference where the truth is known: on a grid of one latent dimension, and for a Gaussian in many.

On a grid every integral is a sum, so log p(x), the ELBO and both KLs are numbers, not estimates. The trapezoidal rule
on a smooth density that vanishes at both ends is exact to rounding long before the grid is fine.

Source: Bishop 2006, chapter 10; Blei, Kucukelbir and McAuliffe 2017.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal


class Grid(NamedTuple):
    """Equally spaced latent values z, (G,), and their spacing."""

    z: Float[Tensor, " G"]
    dz: float


class Split(NamedTuple):
    """log p(x) = elbo + kl, in nats, each (*B)."""

    log_p_x: Tensor
    elbo: Tensor
    kl: Tensor  # KL(q(z) || p(z|x))


class Gaussian(NamedTuple):
    """One-dimensional Gaussians: mean and standard deviation, each (*B)."""

    m: Tensor
    s: Tensor


class MeanField(NamedTuple):
    """A factorised Gaussian, and KL(q || p) in nats at the start and after each sweep, (T,)."""

    mean: Float[Tensor, " D"]
    var: Float[Tensor, " D"]
    kl: Float[Tensor, " T"]


def grid(low: float, high: float, G: int = 2001) -> Grid:
    """G equally spaced points from low to high, float64.

    Raises:
        ValueError: fewer than 3 points, or low is not below high.
    """
    if G < 3 or not low < high:
        raise ValueError(f"a grid needs low < high and at least 3 points, got {low}, {high} and {G}")
    return Grid(torch.linspace(low, high, G, dtype=torch.float64), (high - low) / (G - 1))


def log_integral(log_f: Float[Tensor, "*B G"], on: Grid) -> Float[Tensor, "*B"]:
    """log of the integral of f over the grid."""
    return log_f.logsumexp(-1) + math.log(on.dz)


def kl(log_q: Float[Tensor, "*#B G"], log_p: Float[Tensor, "*#B G"], on: Grid) -> Float[Tensor, "..."]:
    """KL(q || p) = integral of q log(q / p), in nats, for log densities on a grid. Zero where q is zero."""
    q = log_q.exp()
    return torch.where(q > 0, q * (log_q - log_p), 0.0).sum(-1) * on.dz


def split(log_joint: Float[Tensor, "*#B G"], log_q: Float[Tensor, "*#B G"], on: Grid) -> Split:
    """log p(x) in its two parts: the ELBO, E_q[log p(x, z) - log q(z)], and KL(q(z) || p(z|x)).

    Args:
        log_joint: log p(x, z) on the grid.
        log_q: log q(z) on the grid.
    """
    log_p_x = log_integral(log_joint, on)
    elbo = -kl(log_q, log_joint, on)
    return Split(log_p_x, elbo, kl(log_q, log_joint - log_p_x[..., None], on))


def log_density(q: Gaussian, on: Grid) -> Float[Tensor, "*B G"]:
    """log q(z) on the grid."""
    return Normal(q.m[..., None], q.s[..., None]).log_prob(on.z)


def forward_fit(log_p: Float[Tensor, "*B G"], on: Grid) -> Gaussian:
    """The Gaussian of least KL(p || q): p's own mean and standard deviation. It covers."""
    p = (log_p - log_integral(log_p, on)[..., None]).exp() * on.dz
    m = (p * on.z).sum(-1)
    return Gaussian(m, (p * (on.z - m[..., None]).square()).sum(-1).sqrt())


def reverse_fit(log_joint: Float[Tensor, "*B G"], on: Grid, start: Gaussian, max_steps: int = 200) -> Gaussian:
    """The Gaussian of greatest ELBO, so of least KL(q || p), near `start`, by quasi-Newton ascent. It seeks.

    All the problems of a batch are climbed at once; there is a local optimum for each hump.
    """
    m, log_s = start.m.clone().requires_grad_(), start.s.log().requires_grad_()
    ascent = torch.optim.LBFGS(
        [m, log_s], max_iter=max_steps, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def minus_elbo() -> Tensor:
        ascent.zero_grad()
        loss = kl(log_density(Gaussian(m, log_s.exp()), on), log_joint, on).sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        ascent.step(minus_elbo)
    return Gaussian(m.detach(), log_s.detach().exp())


def gaussian_kl(
    m_q: Float[Tensor, " D"], cov_q: Float[Tensor, "D D"], m_p: Float[Tensor, " D"], cov_p: Float[Tensor, "D D"]
) -> Tensor:
    """KL(N(m_q, cov_q) || N(m_p, cov_p)) in nats:
    1/2 [tr(cov_p^-1 cov_q) + (m_p - m_q)' cov_p^-1 (m_p - m_q) - D + log det cov_p - log det cov_q].
    """
    chol_p = torch.linalg.cholesky(cov_p)
    gap = torch.linalg.solve_triangular(chol_p, (m_p - m_q)[:, None], upper=False).square().sum()
    trace = torch.cholesky_solve(cov_q, chol_p).diagonal().sum()
    log_det = 2 * chol_p.diagonal().log().sum() - torch.linalg.slogdet(cov_q).logabsdet
    return (trace + gap - len(m_p) + log_det) / 2


def mean_field_gaussian(
    mu: Float[Tensor, " D"], cov: Float[Tensor, "D D"], start: Float[Tensor, " D"], sweeps: int = 50
) -> MeanField:
    """Coordinate ascent for q(z) = prod_d q_d(z_d) against p = N(mu, cov), from means `start`.

    With A = cov^-1, the best q_d given the others is N(mu_d - sum_{e != d} A_de (m_e - mu_e) / A_dd, 1 / A_dd).
    The means arrive at mu; the variances are 1 / A_dd from the first sweep on, never more than cov_dd.

    Raises:
        ValueError: mu, cov and start do not fit together.

    Source: Bishop 2006, section 10.1.2.
    """
    if mu.ndim != 1 or cov.shape != (len(mu), len(mu)) or start.shape != mu.shape:
        raise ValueError(
            f"mu and start must be (D,) and cov (D, D), got {tuple(mu.shape)}, {tuple(start.shape)}, {tuple(cov.shape)}"
        )
    A = torch.cholesky_inverse(torch.linalg.cholesky(cov))
    mean, var = start.to(mu, copy=True), 1 / A.diagonal()
    trace = [gaussian_kl(mean, var.diag(), mu, cov)]
    for _ in range(sweeps):
        for d in range(len(mu)):  # one after the other: each update uses the ones before it
            mean[d] = mean[d] - A[d] @ (mean - mu) / A[d, d]
        trace.append(gaussian_kl(mean, var.diag(), mu, cov))
    return MeanField(mean, var, torch.stack(trace))
