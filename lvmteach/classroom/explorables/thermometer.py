"""The bound as a thermometer: the glass ends at log p(x), the liquid stands at the ELBO. q raises the liquid, w both.

Two causes add up, x = w (z1 + z2) + noise, z ~ N(0, I). Given x they are correlated, so a q of two factors leaves a
gap, and the w that lifts the ELBO most is not the w of greatest likelihood.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

TITLE = "The bound as a thermometer"
SQUARE, NOISE = 2.0, 0.25  # mean of x^2 in the data; variance of x given z
MOST = 1.6  # of w
W = torch.linspace(0, MOST, 81, dtype=torch.float64)  # of the curves
X = torch.tensor([-math.sqrt(SQUARE), math.sqrt(SQUARE)], dtype=torch.float64)  # data with that mean of x^2
STILLS = ({"w": 0.69, "m": 0.57, "s": 0.59}, {"w": 0.94, "m": 0.47, "s": 0.75, "r": -0.78})


class Values(NamedTuple):
    w: float = 0.4
    m: float = 0.3  # the mean of q, times x, in both places
    s: float = 0.9  # its standard deviation
    r: float = 0.0  # its correlation


class Result(NamedTuple):
    log_p: Tensor  # nats a datum, as are all
    elbo: Tensor
    gap: Tensor  # KL(q || p(z|x))
    bound: Tensor  # over W, of this q
    evidence: Tensor  # log p(x) over W
    reached: Tensor  # the ELBO over W with the best q of two factors


def payload() -> dict[str, Any]:
    return {}


def compute(values: Values, data: dict[str, Any]) -> Result:
    w, *rest = (torch.tensor(value, dtype=torch.float64) for value in values)
    q = _gaussian(*rest)
    gap = kl_divergence(q, _posterior(w)).mean()
    return Result(_evidence(w), _elbo(w, q), gap, _elbo(W, q), _evidence(W), _elbo(W, _gaussian(*_factors(W))))


def words(result: Result, values: Values) -> str:
    gap = max(float(result.gap), 0)
    return f"w = {values.w:.2f}: log p(x) {result.log_p:.3f} = ELBO {result.elbo:.3f} + gap {gap:.3f} nats a datum"


def _evidence(w: Tensor) -> Tensor:
    return Normal(0.0, (2 * w[..., None] ** 2 + NOISE).sqrt()).log_prob(X).mean(-1)


def _posterior(w: Tensor) -> MultivariateNormal:
    """Of each datum of X."""
    loading = w.expand(2)
    precision = torch.eye(2).double() + torch.outer(loading, loading) / NOISE
    return MultivariateNormal(torch.linalg.solve(precision, loading) * X[:, None] / NOISE, precision_matrix=precision)


def _gaussian(m: Tensor, s: Tensor, r: Tensor) -> MultivariateNormal:
    """q for each datum of X, in a batch (..., 2)."""
    one = torch.ones_like(r)
    cov = s[..., None, None] ** 2 * torch.stack([one, r, r, one], -1).unflatten(-1, (2, 2))
    return MultivariateNormal((m[..., None] * X)[..., None].expand(*m.shape, 2, 2), cov[..., None, :, :])


def _elbo(w: Tensor, q: MultivariateNormal) -> Tensor:
    """E_q[log p(x, z)] + H[q], mean over X; by quadrature that is exact for polynomials up to degree five."""
    nodes, mass = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(3))
    mass = torch.cartesian_prod(mass, mass).prod(-1) / (2 * math.pi)
    z = q.mean[..., None, :] + torch.cartesian_prod(nodes, nodes) @ q.scale_tril.mT
    log_lik = Normal(w[..., None, None] * z.sum(-1), math.sqrt(NOISE)).log_prob(X[:, None])
    return ((Normal(0.0, 1.0).log_prob(z).sum(-1) + log_lik) @ mass + q.entropy()).mean(-1)


def _factors(w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best q of two factors: each as wide as the posterior with the other held fixed."""
    return w / (2 * w**2 + NOISE), (1 + w**2 / NOISE) ** -0.5, torch.zeros_like(w)


def _e_step(values: Values, data: dict[str, Any]) -> dict[str, float]:
    return dict(
        zip("msr", (float(part) for part in _factors(torch.tensor(values.w, dtype=torch.float64))), strict=True)
    )


def _exact(values: Values, data: dict[str, Any]) -> dict[str, float]:
    """The posterior."""
    post = _posterior(torch.tensor(values.w, dtype=torch.float64))
    variance, covariance = post.covariance_matrix[-1, 0].tolist()
    return {"m": float(post.mean[1, 0] / X[1]), "s": math.sqrt(variance), "r": covariance / variance}


def _m_step(values: Values, data: dict[str, Any]) -> dict[str, float]:
    """The w of the greatest ELBO: least squares of x on z1 + z2, expected under q."""
    q = _gaussian(*(torch.tensor(value, dtype=torch.float64) for value in values[1:]))
    total = q.mean.sum(-1)
    square = (total**2 + q.covariance_matrix.sum((-2, -1))).mean()
    return {"w": float(((X * total).mean() / square).clamp(0, MOST))}


ACTIONS = {"E: best q of two factors": _e_step, "E: best q of all": _exact, "M: best w for this q": _m_step}
