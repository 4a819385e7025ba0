"""Variational inference where the truth is known: on a grid of one latent dimension, and for a Gaussian in many.

On a grid every integral is a sum, so log p(x), the ELBO and both KLs are numbers, not estimates. The trapezoidal rule
on a smooth density that vanishes at both ends is exact to rounding once the spacing is below the density's standard
deviation. A q that is narrower, or that lies beyond the ends, is refused: its numbers would be wrong in silence.

Source: Bishop 2006, chapter 10; Blei, Kucukelbir and McAuliffe 2017.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Real
from torch import Tensor
from torch.distributions import Normal

from lvmteach.annotated import as_annotated

NARROW, HELD = 0.3, 0.8  # most of q at one point of a grid; least of q between its ends


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


@as_annotated
def log_integral(log_f: Float[Tensor, "*B G"], on: Grid) -> Float[Tensor, "*B"]:
    """log of the integral of f over the grid."""
    return log_f.logsumexp(-1) + math.log(on.dz)


@as_annotated
def kl(log_q: Float[Tensor, "*#B G"], log_p: Float[Tensor, "*#B G"], on: Grid) -> Float[Tensor, "..."]:
    """KL(q || p) = integral of q log(q / p), in nats, for log densities on a grid. Zero where q is zero.

    What little of q lies beyond the grid is left out.

    Raises:
        ValueError: the grid cannot tell: q is narrower than its spacing, a fifth of q or more lies beyond its ends, or
            q is not normalised.
    """
    _refuse_unseen(log_q, on)
    return _kl(log_q, log_p, on)


@as_annotated
def split(log_joint: Float[Tensor, "*#B G"], log_q: Float[Tensor, "*#B G"], on: Grid) -> Split:
    """log p(x) in its two parts: the ELBO, E_q[log p(x, z) - log q(z)], and KL(q(z) || p(z|x)).

    Args:
        log_joint: log p(x, z) on the grid.
        log_q: log q(z) on the grid.

    Raises:
        ValueError: as `kl` does.
    """
    log_p_x = log_integral(log_joint, on)
    elbo = -kl(log_q, log_joint, on)
    return Split(log_p_x, elbo, _kl(log_q, log_joint - log_p_x[..., None], on))


@as_annotated
def log_density(q: Gaussian, on: Grid) -> Float[Tensor, "*B G"]:
    """log q(z) on the grid."""
    return Normal(q.m[..., None], q.s[..., None]).log_prob(on.z)


@as_annotated
def forward_fit(log_p: Float[Tensor, "*B G"], on: Grid) -> Gaussian:
    """The Gaussian of least KL(p || q): p's own mean and standard deviation. It covers."""
    p = (log_p - log_integral(log_p, on)[..., None]).exp() * on.dz
    m = (p * on.z).sum(-1)
    return Gaussian(m, (p * (on.z - m[..., None]).square()).sum(-1).sqrt())


@as_annotated
def reverse_fit(log_joint: Float[Tensor, "*B G"], on: Grid, start: Gaussian, max_steps: int = 200) -> Gaussian:
    """The Gaussian of greatest ELBO, so of least KL(q || p), near `start`, by quasi-Newton ascent. It seeks.

    All the problems of a batch are climbed at once; there is a local optimum for each hump. The climb stays where the
    grid can tell: s between the spacing and a quarter of the grid.

    Raises:
        ValueError: the best q is narrower than the grid's spacing: take a finer grid.
    """
    low, high = math.log(on.dz), math.log(float(on.z[-1] - on.z[0]) / 4)
    inside = ((start.s.log() - low) / (high - low)).clamp(0.02, 0.98)
    m, u = start.m.clone().requires_grad_(), inside.logit().requires_grad_()
    ascent = torch.optim.LBFGS(
        [m, u], max_iter=max_steps, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def q() -> Gaussian:
        return Gaussian(m, (low + (high - low) * u.sigmoid()).exp())

    def minus_elbo() -> Tensor:
        ascent.zero_grad()
        log_q = log_density(q(), on)
        log_q = log_q - log_integral(log_q, on)[..., None]  # else a q that leaves the grid would be rewarded
        loss = _kl(log_q, log_joint, on).sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        ascent.step(minus_elbo)
    best = Gaussian(*(part.detach() for part in q()))
    _refuse_unseen(log_density(best, on), on)
    return best


@as_annotated
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


@as_annotated
def mean_field_gaussian(
    mu: Float[Tensor, " D"], cov: Float[Tensor, "D D"], start: Real[Tensor, " D"], sweeps: int = 50
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


def _kl(log_q: Tensor, log_p: Tensor, on: Grid) -> Tensor:
    q = log_q.exp()
    return torch.where(q > 0, q * (log_q - log_p), 0.0).sum(-1) * on.dz


def _refuse_unseen(log_q: Tensor, on: Grid) -> None:
    """Refuse a q that the grid is too coarse or too short for.

    A Gaussian whose standard deviation is the spacing has at least 0.35 of its mass at one point, wherever it lies; one
    of 1.4 spacings has at most 0.29, and the trapezoidal rule is then exact to rounding.
    """
    with torch.no_grad():
        log_mass = log_integral(log_q, on)
        most = (log_q.amax(-1) - log_q.logsumexp(-1)).exp()
        if not most.max() <= NARROW:  # NaN is refused too
            raise ValueError(
                f"q is too narrow for the grid: one point holds {float(most.max()):.2g} of it, and a sum can be "
                f"trusted up to {NARROW}; take a finer grid than dz = {on.dz:.3g}, or a q of at least {1.4 * on.dz:.3g}"
            )
        if log_mass.max() > 0.01:  # a density with jumps is off by a share of the spacing
            raise ValueError(f"q must be normalised, got a mass of {float(log_mass.max().exp()):.6g}; subtract its log")
        if log_mass.min() < math.log(HELD):
            raise ValueError(
                f"the grid from {float(on.z[0]):g} to {float(on.z[-1]):g} holds only {float(log_mass.min().exp()):.2g} "
                f"of q, at least {HELD} is needed; take a longer grid or a narrower q"
            )
