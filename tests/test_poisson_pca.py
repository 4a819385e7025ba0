"""Counts with a Gaussian latent: scipy's quadrature, the moments of the log-normal, Monte Carlo."""

import math

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import integrate, optimize, stats

from lvmteach.poisson_pca import GaussianQ, PoissonPCA, elbo, fit_poisson_pca, log_likelihood, posterior, sample
from lvmteach.runtime import seeded

ONE = PoissonPCA(torch.tensor([0.5]).double(), torch.tensor([[0.8]], dtype=torch.float64))
B = np.array([1.0, 0.3, 0.8])
W = np.array([[0.7, -0.2], [0.1, 0.9], [-0.5, 0.4]])
THREE = PoissonPCA(torch.tensor(B), torch.tensor(W))
X = np.array([4.0, 1.0, 2.0])
TOL = 1e-9


def by_quad(x):
    f = lambda z: stats.poisson.pmf(x, np.exp(0.5 + 0.8 * z)) * stats.norm.pdf(z)  # noqa: E731
    return math.log(integrate.quad(f, -12, 12, epsabs=1e-14, epsrel=1e-12, limit=200)[0])


def check_likelihood(log_lik):
    for x in (0, 3, 20):
        assert abs(log_lik(x) - by_quad(x)) < 1e-7


def test_likelihood_of_one_count():
    check_likelihood(lambda x: float(log_likelihood(torch.tensor([[float(x)]]), ONE, nodes=180)))
    assert abs(by_quad(0) + 1.4234277) < 1e-7
    assert abs(by_quad(3) + 2.1416981) < 1e-7


WRONG = {
    "log x! forgotten": lambda x: by_quad(x) + math.lgamma(x + 1),
    "the rate at the mean of z": lambda x: stats.poisson.logpmf(x, math.exp(0.5)),
    "exp of the mean log rate, widened": lambda x: stats.poisson.logpmf(x, math.exp(0.5 + 0.32)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_the_check_sees_planted_bugs(wrong):
    with pytest.raises(AssertionError):
        check_likelihood(wrong)


def test_moments():
    x = torch.arange(400.0)[:, None]
    p = log_likelihood(x, ONE, nodes=200).exp().numpy()
    mean = math.exp(0.5 + 0.32)
    assert abs(p.sum() - 1) < 1e-6
    assert abs(p @ x[:, 0].numpy() - mean) < 1e-5
    assert abs(p @ x[:, 0].numpy() ** 2 - mean**2 - (mean + mean**2 * (math.exp(0.64) - 1))) < 1e-3


@pytest.mark.slow
def test_two_latent_dimensions():
    def f(a, c):
        return stats.poisson.pmf(X, np.exp(W @ [a, c] + B)).prod() * stats.norm.pdf([a, c]).prod()

    side = np.linspace(-7, 7, 141)  # smooth and vanishing: the trapezoidal rule is exact
    truth = math.log(sum(f(a, c) for a in side for c in side) * 0.1**2)
    assert abs(float(log_likelihood(torch.tensor(X)[None], THREE)) - truth) < TOL


def elbo_by_numpy(m, root):
    S = root @ root.T
    eta, spread = W @ m + B, np.einsum("dl,lk,dk->d", W, S, W)
    log_lik = (X * eta - np.exp(eta + spread / 2) - [math.lgamma(x + 1) for x in X]).sum()
    return log_lik - 0.5 * (np.trace(S) + m @ m - 2 - np.linalg.slogdet(S)[1])


def test_the_elbo_by_monte_carlo():
    m, root = np.array([0.4, -0.2]), np.array([[0.5, 0.0], [0.2, 0.4]])
    with seeded(1):
        z = torch.tensor(m) + torch.randn(200_000, 2).double() @ torch.tensor(root).T
    z = z.numpy()
    log_w = stats.poisson.logpmf(X, np.exp(z @ W.T + B)).sum(1) + stats.norm.logpdf(z).sum(1)
    log_w -= stats.multivariate_normal(m, root @ root.T).logpdf(z)
    ours = elbo(torch.tensor(X)[None], THREE, GaussianQ(torch.tensor(m)[None], torch.tensor(root)[None]))
    assert_mean(log_w, ours.numpy(), resolution=0.03)


def test_the_best_q_is_what_an_optimiser_finds():
    def loss(p):
        return -elbo_by_numpy(p[:2], np.array([[np.exp(p[2]), 0], [p[4], np.exp(p[3])]]))

    best = optimize.minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
    q = posterior(torch.tensor(X)[None], THREE)
    ours = float(elbo(torch.tensor(X)[None], THREE, q))
    assert abs(ours + best.fun) < 1e-8
    gap = float(log_likelihood(torch.tensor(X)[None], THREE)) - ours
    assert 0 < gap < 0.05


def test_fit_finds_the_loadings_and_beats_none():
    truth = PoissonPCA(
        torch.full((8,), 1.0).double(), torch.tensor([[0.8, 0.8, 0.8, 0.8, -0.6, -0.6, 0.0, 0.0]]).T.double()
    )
    with seeded(2):
        _, x = sample(truth, 1000)
        fit = fit_poisson_pca(x, 1, rounds=4)
    w, v = fit.params.W[:, 0].numpy(), truth.W[:, 0].numpy()
    cosine = abs(w @ v) / np.linalg.norm(w) / np.linalg.norm(v)
    assert cosine > 0.995
    assert (fit.elbo.diff() >= -1e-9).all()
    # Bounds from both sides: no more than log p(x) here, and log p(x) no less than at the truth.
    assert fit.elbo[-1] <= log_likelihood(x, fit.params).mean() + 1e-9
    assert log_likelihood(x, fit.params).mean() > log_likelihood(x, truth).mean() - 0.01
    assert fit.elbo[-1] > stats.poisson.logpmf(x.numpy(), x.mean(0).numpy()).sum(1).mean() + 1


def test_turning_changes_nothing():
    with seeded(3):
        _, x = sample(THREE, 200)
        fit = fit_poisson_pca(x, 2, rounds=2)
    gram = fit.params.W.T @ fit.params.W
    assert abs(float(gram[0, 1])) < 1e-9
    assert gram[0, 0] > gram[1, 1]
    np.testing.assert_allclose(elbo(x, fit.params, fit.q).mean(), fit.elbo[-1], atol=1e-9)


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals():
    with pytest.raises(ValueError, match="whole numbers from 0"):
        fit_poisson_pca(torch.rand(5, 3), 1)
    with pytest.raises(ValueError, match=r"needs 60\^4 points"):
        log_likelihood(torch.ones(2, 3), PoissonPCA(torch.zeros(3).double(), torch.zeros(3, 4).double()))
    with pytest.raises(ValueError, match="L must be at least 1"):
        fit_poisson_pca(torch.ones(5, 3), 0)
