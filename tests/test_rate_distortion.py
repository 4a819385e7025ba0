"""beta against numerical optimisation, quadrature and water-filling; the slide's "no bound any more"."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from lvmteach.rate_distortion import (
    best_beta_elbo,
    best_beta_elbo_by_sampling,
    beta_elbo,
    beta_pca,
    linear_beta_elbo,
    water_filling,
)
from lvmteach.runtime import seeded
from lvmteach.variational import grid

EIGENVALUES = np.array([5.0, 2.5, 1.2, 0.6, 0.3, 0.1])
D, L, NOISE = 6, 4, 0.5
U = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]
COV = U @ np.diag(EIGENVALUES) @ U.T
LAMBDA = torch.tensor(EIGENVALUES)


def point(W, A, V):
    """Rate and squared error of x|z ~ N(W z, noise I), q = N(A x, diag V), for x ~ N(0, COV): numpy alone."""
    left = np.eye(D) - W @ A
    error = np.trace(left @ COV @ left.T) + np.trace(W * V @ W.T)
    return 0.5 * (V.sum() + np.trace(A @ COV @ A.T) - L - np.log(V).sum()), error


def objective(W, A, V, beta, noise):
    """The expected beta-ELBO of that model."""
    rate, error = point(W, A, V)
    return -0.5 * error / noise - 0.5 * D * np.log(2 * np.pi * noise) - beta * rate


def by_optimiser(beta, noise=None):
    def unpack(p):
        return p[: D * L].reshape(D, L), p[D * L : 2 * D * L].reshape(L, D), np.exp(p[2 * D * L : 2 * D * L + L]), p[-1]

    def loss(p):
        W, A, V, log_noise = unpack(p)
        return -objective(W, A, V, beta, noise or np.exp(log_noise))

    rng = np.random.default_rng(1)
    start = np.concatenate([0.3 * rng.normal(size=2 * D * L), np.zeros(L), [-1.0]])
    options = {"maxiter": 4000, "maxfun": 10**6, "ftol": 1e-14, "gtol": 1e-9}
    found = optimize.minimize(loss, start, method="L-BFGS-B", options=options)
    W, A, V, log_noise = unpack(found.x)
    return -found.fun, np.linalg.svd(W)[1], np.exp(log_noise), point(W, A, V)


@pytest.mark.parametrize("beta", [0.5, 1, 2, 4, 12])
def test_best_linear_model_is_what_an_optimiser_finds(beta):
    fit = beta_pca(LAMBDA, L, beta, NOISE)
    value, singular, _, its_point = by_optimiser(beta, NOISE)
    assert abs(float(linear_beta_elbo(LAMBDA, fit, beta)) - value) < 1e-6
    np.testing.assert_allclose(fit.scale, singular, atol=2e-2)  # near the threshold the objective is flat in W
    np.testing.assert_allclose(fit.point, its_point, atol=5e-3)  # so reverse water-filling is what training does


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.4])
def test_learnt_noise_is_what_an_optimiser_finds(beta):
    fit = beta_pca(LAMBDA, L, beta)
    value, _, noise, _ = by_optimiser(beta)
    assert abs(float(linear_beta_elbo(LAMBDA, fit, beta)) - value) < 1e-6
    assert abs(float(fit.noise) - noise) < 1e-3


def test_beta_of_1_4_shuts_a_dimension():
    assert (beta_pca(LAMBDA, L, 1.0).scale > 0).sum() == 4
    fit = beta_pca(LAMBDA, L, 1.4)
    assert (fit.scale > 0).sum() == 3
    assert round(float(fit.noise), 4) == 0.5556  # (0.6 + 0.3 + 0.1) / (6 - 3 x 1.4)


def test_at_beta_one_it_is_probabilistic_pca():
    fit = beta_pca(LAMBDA, 2, 1.0)
    assert abs(float(fit.noise) - EIGENVALUES[2:].mean()) < 1e-12
    exact = -0.5 * (D * math.log(2 * math.pi) + np.log(EIGENVALUES[:2]).sum() + 4 * math.log(fit.noise) + D)
    assert abs(float(linear_beta_elbo(LAMBDA, fit, 1.0)) - exact) < 1e-12


def test_water_filling_is_the_convex_hull_of_what_can_be_done():
    """No allocation of errors to directions needs less rate at that distortion: a constrained optimiser agrees."""
    point = water_filling(LAMBDA, 0.8)
    rate = lambda d: 0.5 * np.log(np.maximum(EIGENVALUES / d, 1)).sum()  # noqa: E731
    smooth = optimize.minimize(
        lambda d: 0.5 * np.log(EIGENVALUES / d).sum(),
        EIGENVALUES * float(point.distortion) / EIGENVALUES.sum(),
        bounds=[(1e-6, lam) for lam in EIGENVALUES],
        constraints={"type": "eq", "fun": lambda d: d.sum() - float(point.distortion)},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert abs(rate(smooth.x) - float(point.rate)) < 1e-5


WRONG = {
    "no clipping at zero": lambda level: 0.5 * np.log(EIGENVALUES / level).sum(),
    "beta on the other term": lambda level: 0.5 * np.log(np.maximum(EIGENVALUES * level, 1)).sum(),
    "twice": lambda level: np.log(np.maximum(EIGENVALUES / level, 1)).sum(),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_rate_would_be_seen(wrong):
    assert abs(wrong(0.8) - float(water_filling(LAMBDA, 0.8).rate)) > 0.1


# ---- Any decoder: one latent dimension, x|z ~ N(sin 2z + z, 0.4)

X = 1.3


def log_lik(z):
    return stats.norm.logpdf(X, np.sin(2 * z) + z, 0.4)


def by_quad(f):
    return integrate.quad(lambda z: f(z) * stats.norm.pdf(z), -9, 9, limit=400, epsabs=1e-13)[0]


ON = grid(-9, 9, 20_001)
PRIOR = torch.tensor(stats.norm.logpdf(ON.z.numpy()))
LIK = torch.tensor(log_lik(ON.z.numpy()))


@pytest.mark.parametrize("beta", [0.25, 0.5, 1, 2, 4])
def test_supremum_over_q_and_the_q_that_reaches_it(beta):
    best = float(best_beta_elbo(LIK, PRIOR, beta, ON))
    assert abs(best - beta * math.log(by_quad(lambda z: np.exp(log_lik(z) / beta)))) < 1e-8
    log_q = log_lik(ON.z.numpy()) / beta + PRIOR.numpy()
    q = np.exp(log_q - log_q.max())
    q /= q.sum() * ON.dz
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = np.nansum(np.where(q > 0, q * (np.log(q) - PRIOR.numpy()), 0)) * ON.dz
    assert abs((q * log_lik(ON.z.numpy())).sum() * ON.dz - beta * kl - best) < 1e-8


def test_no_bound_any_more_is_half_the_truth():
    log_p = math.log(by_quad(lambda z: np.exp(log_lik(z))))
    best = [float(best_beta_elbo(LIK, PRIOR, beta, ON)) for beta in (0.25, 0.5, 1, 2, 4, 100)]
    assert np.all(np.diff(best) < 0)
    assert abs(best[2] - log_p) < 1e-9
    assert best[1] > log_p > best[3]  # below one it passes log p(x), above one every q stays under it
    assert max(log_lik(np.linspace(-9, 9, 10_001))) > best[0]
    assert best[-1] > by_quad(log_lik)


def test_supremum_by_sampling():
    with seeded(3):
        z = torch.randn(400_000, dtype=torch.float64)
    found = best_beta_elbo_by_sampling(torch.tensor(log_lik(z.numpy())), 2.0)
    assert abs(float(found - best_beta_elbo(LIK, PRIOR, 2.0, ON))) < 0.02


def check_beta_elbo(bound):
    log_lik, kl = torch.tensor([[-3.0, -1.0], [-5.0, -2.0]]), torch.tensor([0.5, 2.0])
    np.testing.assert_allclose(bound(log_lik, kl, 3.0), [-4 - 1.5, -1.5 - 6])


def test_beta_elbo_is_written_as_on_paper():
    check_beta_elbo(beta_elbo)


WRONG_ELBO = {
    "beta on the likelihood": lambda log_lik, kl, beta: beta * log_lik.mean(0) - kl,
    "KL summed over the batch": lambda log_lik, kl, beta: log_lik.mean(0) - beta * kl.sum(),
    "samples summed": lambda log_lik, kl, beta: log_lik.sum(0) - beta * kl,
}


@pytest.mark.parametrize("wrong", WRONG_ELBO.values(), ids=WRONG_ELBO.keys())
def test_a_wrong_objective_would_be_seen(wrong):
    with pytest.raises(AssertionError):
        check_beta_elbo(wrong)


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals():
    with pytest.raises(ValueError, match="falling order"):
        water_filling(LAMBDA.flip(0), 1.0)
    with pytest.raises(ValueError, match="level must be positive"):
        water_filling(LAMBDA, 0.0)
    with pytest.raises(ValueError, match="beta must be positive"):
        beta_elbo(torch.zeros(1, 1), torch.zeros(1), 0.0)
    with pytest.raises(ValueError, match="take a smaller L"):
        beta_pca(torch.tensor([2.0, 1.0]).double(), 2, 0.5)
