"""Principal components of counts: z ~ N(0, I), x_d | z ~ Poisson(exp(b_d + w_d'z)).

A Gaussian model of counts has the wrong noise (a Poisson's variance is its mean), and logs of counts do not exist at
zero. The posterior has no closed form here, but with a Gaussian q(z) = N(m, S) the ELBO has:

    sum_d [x_d (b_d + w_d'm) - exp(b_d + w_d'm + w_d'S w_d / 2) - log x_d!] - KL(q || N(0, I)).

Source: Chiquet, Mariadassou and Robin 2018 (the model is the Poisson log-normal).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.em import data_matrix

MOST_NODES = 10**6
HIGHEST = 50.0  # a line search may try absurd log rates: this one is bad enough, and still a number


class PoissonPCA(NamedTuple):
    """Parameters: log rates at z = 0, and loadings."""

    b: Float[Tensor, " D"]
    W: Float[Tensor, "D L"]


class GaussianQ(NamedTuple):
    """q(z|x_n) = N(mean_n, root_n root_n') for every row; root is lower triangular."""

    mean: Float[Tensor, "N L"]
    root: Float[Tensor, "N L L"]


class Fit(NamedTuple):
    """Parameters, the q of each row, and the ELBO: nats a datum after each round."""

    params: PoissonPCA
    q: GaussianQ
    elbo: Float[Tensor, " T"]


@as_annotated
def elbo(x: Float[Tensor, "N D"], params: PoissonPCA, q: GaussianQ) -> Float[Tensor, " N"]:
    """The bound on log p(x), exactly, in nats a datum."""
    eta = params.b + q.mean @ params.W.T
    spread = (q.root.mT @ params.W.T).square().sum(1)  # w'S w, (N, D)
    log_lik = (x * eta - (eta + spread / 2).clamp(max=HIGHEST).exp() - torch.lgamma(x + 1)).sum(1)
    log_det = 2 * q.root.diagonal(dim1=1, dim2=2).log().sum(1)
    kl = (q.root.square().sum((1, 2)) + q.mean.square().sum(1) - q.mean.shape[1] - log_det) / 2
    return log_lik - kl


@as_annotated
def log_likelihood(x: Float[Tensor, "N D"], params: PoissonPCA, nodes: int = 60) -> Float[Tensor, " N"]:
    """log p(x) in nats a datum, by Gauss-Hermite quadrature under the prior with nodes^L points z.

    Good to many digits for one or two latent dimensions and counts up to some dozens; where counts are large the
    posterior falls between the nodes: take more.

    Raises:
        ValueError: nodes^L is more than a million.
    """
    x = _counts(x)
    L = params.W.shape[1]
    if nodes**L > MOST_NODES:
        raise ValueError(f"quadrature in L = {L} dimensions needs {nodes}^{L} points; bound log p(x) by `elbo` instead")
    side, weights = (torch.tensor(part, device=x.device) for part in np.polynomial.hermite_e.hermegauss(nodes))
    log_side = (weights / math.sqrt(2 * math.pi)).log()
    z = torch.cartesian_prod(*[side] * L).reshape(-1, L)
    log_prior = torch.cartesian_prod(*[log_side] * L).reshape(-1, L).sum(1)
    eta = params.b + z @ params.W.T
    log_joint = x @ eta.T - eta.exp().sum(1) + log_prior
    return log_joint.logsumexp(1) - torch.lgamma(x + 1).sum(1)


@as_annotated
def posterior(x: Float[Tensor, "N D"], params: PoissonPCA, *, max_steps: int = 200) -> GaussianQ:
    """The Gaussian of greatest ELBO for every row, the parameters held; the problem is concave."""
    x = _counts(x)
    free = _start_of_q(x, params.W.shape[1])
    _climb(lambda: elbo(x, params, _as_q(*free)), free, max_steps)
    return _detached(_as_q(*free))


@as_annotated
def fit_poisson_pca(x: Float[Tensor, "N D"], L: int, *, rounds: int = 20, steps: int = 20) -> Fit:
    """Variational EM in one: b, W and every q climb the ELBO together, by quasi-Newton steps.

    W is turned at the end so that its columns are orthogonal, longest first: a rotation of z changes no likelihood.

    Args:
        x: counts.
        rounds: the ELBO is recorded after each; `steps` quasi-Newton steps a round.
    """
    at_least(1, L=L, rounds=rounds, steps=steps)
    x = _counts(x)
    unit = math.sqrt(
        len(x)
    )  # b and W bend the sum over rows N times as sharply as one row's q does: in this unit, alike
    b = unit * (x.mean(0) + 1e-3).log()
    W = 0.1 * unit * torch.randn(x.shape[1], L, dtype=x.dtype, device=x.device)
    free = [b.requires_grad_(), W.requires_grad_(), *_start_of_q(x, L)]

    def bound() -> Tensor:
        return elbo(x, PoissonPCA(free[0] / unit, free[1] / unit), _as_q(*free[2:]))

    trace = [_climb(bound, free, steps) for _ in range(rounds)]
    b, W, q = free[0].detach() / unit, free[1].detach() / unit, _detached(_as_q(*free[2:]))
    _, _, turn = torch.linalg.svd(W, full_matrices=False)
    root = torch.linalg.cholesky(turn @ q.root @ q.root.mT @ turn.T)
    return Fit(PoissonPCA(b, W @ turn.T), GaussianQ(q.mean @ turn.T, root), torch.stack(trace))


@as_annotated
def sample(params: PoissonPCA, N: int) -> tuple[Tensor, Tensor]:
    """N draws of z (N, L) and x (N, D)."""
    z = torch.randn(N, params.W.shape[1], dtype=params.W.dtype, device=params.W.device)
    return z, torch.poisson((params.b + z @ params.W.T).exp())


def _start_of_q(x: Tensor, L: int) -> list[Tensor]:
    """What describes q without bounds: means, log diagonals, and the roots below the diagonal."""
    N = len(x)
    return [x.new_zeros(shape).requires_grad_() for shape in ((N, L), (N, L), (N, L, L))]


def _as_q(mean: Tensor, log_diagonal: Tensor, lower: Tensor) -> GaussianQ:
    return GaussianQ(mean, lower.tril(-1) + torch.diag_embed(log_diagonal.exp()))


def _detached(q: GaussianQ) -> GaussianQ:
    return GaussianQ(*(part.detach() for part in q))


def _climb(bound, free: list[Tensor], steps: int) -> Tensor:
    """Up to `steps` quasi-Newton steps up the sum of the bound; the mean where it arrives."""
    ascent = torch.optim.LBFGS(
        free, max_iter=steps, max_eval=3 * steps, tolerance_grad=1e-8, tolerance_change=1e-13,
        history_size=20, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> Tensor:
        ascent.zero_grad()
        value = -bound().sum()
        value.backward()
        return value

    with torch.enable_grad():
        ascent.step(loss)
    with torch.no_grad():
        return bound().mean()


def _counts(x: Tensor) -> Tensor:
    x = data_matrix(x, rows=1, constant=True)
    if (x < 0).any() or (x != x.round()).any():
        raise ValueError(f"x must hold counts, whole numbers from 0, got {float(x.min()):.4g} to {float(x.max()):.4g}")
    return x
