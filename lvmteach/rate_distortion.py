"""Rate and distortion: what beta does, exactly in the linear model.

The rate R = E KL(q(z|x) || p(z)) is what z says of x in nats, the distortion is -E log p(x|z). The ELBO is
-(distortion + R). Maximising E log p(x|z) - beta R instead solves a constrained problem, the least distortion at a
rate of at most R*, with beta the price of a nat.

For beta >= 1 this is still a lower bound on log p(x), a looser one (R is never negative). For beta < 1 it is none.

Source: Higgins et al. 2017; Alemi et al. 2018; for water-filling, Cover and Thomas 2006, section 10.3.3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.integrals import log_mean_exp
from lvmteach.variational import Grid, log_integral


class Point(NamedTuple):
    """A point of the curve, a datum: nats, and squared error summed over columns."""

    rate: Tensor
    distortion: Tensor


class BetaPCA(NamedTuple):
    """The best linear model for beta: W = U diag(scale) by the covariance's eigenvectors U, and its point."""

    scale: Float[Tensor, " L"]
    noise: Tensor  # sigma^2
    point: Point


@as_annotated
def beta_elbo(log_lik: Float[Tensor, "K *B"], kl: Float[Tensor, "*B"], beta: float) -> Float[Tensor, "*B"]:
    """E[log p(x|z)] - beta KL(q(z|x) || p(z)), in nats a datum; `beta_elbo(*model.terms(x), beta)`.

    Args:
        log_lik: log p(x|z) at K samples z ~ q(z|x), summed over pixels.
        kl: summed over latent dimensions, one number a datum.
        beta: the price of a nat of rate, positive.
    """
    if not beta > 0:
        raise ValueError(f"beta must be positive, got {beta}; at 0 the rate is free and q may become a point")
    return log_lik.mean(0) - beta * kl


@as_annotated
def best_beta_elbo(log_lik: Float[Tensor, "*B G"], log_prior: Float[Tensor, "G"], beta: float, on: Grid) -> Tensor:
    """The greatest beta-ELBO over all q, beta log E_p(z)[p(x|z)^(1/beta)], by quadrature; in nats, (*B).

    The best q is proportional to p(z) p(x|z)^(1/beta). At beta = 1 both are what they always were. The value falls as
    beta grows: from max_z log p(x|z) through log p(x) at beta = 1 to E_p(z) log p(x|z).
    """
    return beta * log_integral(log_lik / beta + log_prior, on)


@as_annotated
def best_beta_elbo_by_sampling(log_lik: Float[Tensor, "K *B"], beta: float) -> Float[Tensor, "*B"]:
    """The same from K draws z ~ p(z): beta log-mean-exp(log p(x|z) / beta)."""
    return beta * log_mean_exp(log_lik / beta)


@as_annotated
def water_filling(eigenvalues: Float[Tensor, " D"], level: float, L: int | None = None) -> Point:
    """Least rate for Gaussian data at a squared error: every direction is left with at most `level` of variance.

    Directions above the water pay log(eigenvalue / level) / 2 nats; those below are given up whole.

    Args:
        eigenvalues: of the data's covariance, in falling order.
        L: only so many may be described; None for all.
    """
    _falling(eigenvalues)
    if not level > 0:
        raise ValueError(f"level must be positive, got {level}; an error of zero costs an infinite rate")
    described, rest = eigenvalues[:L], eigenvalues[len(eigenvalues[:L]) :]
    rate = (described / level).clamp(min=1).log().sum() / 2
    return Point(rate, described.clamp(max=level).sum() + rest.sum())


@as_annotated
def beta_pca(eigenvalues: Float[Tensor, " D"], L: int, beta: float, noise: float | None = None) -> BetaPCA:
    """The maximum of the beta-ELBO for x|z ~ N(W z, sigma^2 I): W = U (Lambda - beta sigma^2)_+^(1/2).

    beta sigma^2 is the water level: a direction with less variance than that is shut.

    Args:
        eigenvalues: of the data's covariance, in falling order.
        noise: sigma^2 if it is given; learnt if None, and then it is the sum of the eigenvalues that are not used,
            divided by D - beta times the number that are.

    Raises:
        ValueError: sigma^2 has no optimum above zero: the L directions hold all of the variance.
    """
    at_least(1, L=L)
    _falling(eigenvalues)
    if not beta > 0 or not (noise is None or noise > 0):
        raise ValueError(f"beta and noise must be positive, got {beta} and {noise}")
    sigma2 = _best_noise(eigenvalues, L, beta) if noise is None else eigenvalues.new_tensor(noise)
    scale = (eigenvalues[:L] - beta * sigma2).clamp(min=0).sqrt()
    return BetaPCA(scale, sigma2, water_filling(eigenvalues, float(beta * sigma2), L))


@as_annotated
def linear_beta_elbo(eigenvalues: Float[Tensor, " D"], fit: BetaPCA, beta: float) -> Tensor:
    """The beta-ELBO of that model, mean over data, in nats."""
    D = len(eigenvalues)
    log_lik = -(D * (2 * torch.pi * fit.noise).log() + fit.point.distortion / fit.noise) / 2
    return log_lik - beta * fit.point.rate


def _best_noise(eigenvalues: Tensor, L: int, beta: float) -> Tensor:
    """The sigma^2 under which as many directions lie above the water as it was computed for; the best, of several."""
    D = len(eigenvalues)
    fits = []
    for used in range(min(L, D) + 1):
        if D - beta * used <= 0:
            break
        sigma2 = eigenvalues[used:].sum() / (D - beta * used)
        if sigma2 > 0 and int((eigenvalues[:L] > beta * sigma2).sum()) == used:
            scale = (eigenvalues[:L] - beta * sigma2).clamp(min=0).sqrt()
            fits.append(BetaPCA(scale, sigma2, water_filling(eigenvalues, float(beta * sigma2), L)))
    if not fits or (eigenvalues[L:].sum() == 0 and beta * L < D):
        raise ValueError(
            f"beta = {beta} and L = {L} of D = {D} directions leave sigma^2 no optimum above zero: with nothing "
            "left over, the likelihood is unbounded; take a smaller L, or say noise="
        )
    return max(fits, key=lambda fit: float(linear_beta_elbo(eigenvalues, fit, beta))).noise


def _falling(eigenvalues: Tensor) -> None:
    if eigenvalues.ndim != 1 or (eigenvalues < 0).any() or (eigenvalues.diff() > 0).any():
        raise ValueError(f"eigenvalues must be (D,), not negative, in falling order, got {eigenvalues}")
