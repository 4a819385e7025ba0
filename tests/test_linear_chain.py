"""The linear-Gaussian chain against one joint Gaussian that is conditioned, autograd, and factor analysis."""

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy.stats import multivariate_normal

from lvmteach import linear_gaussian as fa
from lvmteach.linear_gaussian import chain
from lvmteach.linear_gaussian.chain import (
    LinearChain,
    e_step,
    fit_chain,
    kalman_filter,
    log_likelihood,
    m_step,
    sample,
    smoother,
)
from lvmteach.runtime import seeded

L, D, T = 2, 3, 6
# Inverses of an 18 x 18 covariance of condition number below 1e3, entries of order one.
ROUNDING = 1e-11


def made(seed=1):
    rng = np.random.default_rng(seed)
    parts = (
        [1.0, -1.0], [[1.0, 0.3], [0.3, 0.7]], 0.95 * np.array([[0.9, -0.3], [0.3, 0.9]]), [[0.1, 0.02], [0.02, 0.2]],
        rng.normal(size=D), rng.normal(size=(D, L)), [0.3, 0.2, 0.5],
    )  # fmt: skip
    return LinearChain(*(torch.tensor(np.asarray(part)) for part in parts))


def joint(params, T=T):
    """Mean and covariance of (z_1..z_T), and of (x_1..x_T), by powers of A."""
    m, P, A, Q, mu, W, psi = (part.numpy() for part in params)
    means, marginal = [m], [P]
    for _ in range(T - 1):
        means.append(A @ means[-1])
        marginal.append(A @ marginal[-1] @ A.T + Q)
    S = np.block(
        [
            [
                np.linalg.matrix_power(A, t - s) @ marginal[s]
                if t >= s
                else marginal[t] @ np.linalg.matrix_power(A, s - t).T
                for s in range(T)
            ]
            for t in range(T)
        ]
    )
    H = np.kron(np.eye(T), W)
    mean_z = np.concatenate(means)
    return mean_z, S, H, H @ mean_z + np.tile(mu, T), H @ S @ H.T + np.kron(np.eye(T), np.diag(psi))


def conditioned(params, x, upto):
    """Mean and covariance of all z given x_1..x_upto."""
    mean_z, S, H, mean_x, S_x = joint(params, len(x))
    seen = slice(0, upto * x.shape[1])
    gain = S @ H.T[:, seen] @ np.linalg.inv(S_x[seen, seen])
    return mean_z + gain @ (x.ravel() - mean_x)[seen], S - gain @ H[seen] @ S


def data(N=4, T=T, seed=0):
    with seeded(seed):
        return sample(made(), N, T).x


def assert_is_conditioning():
    x, params = data(), made()
    filtered, smoothed = kalman_filter(x, params), smoother(x, params)
    *_, mean_x, S_x = joint(params)
    truth = multivariate_normal(mean_x, S_x).logpdf(x.flatten(1).numpy())
    np.testing.assert_allclose(log_likelihood(x, params), truth, atol=ROUNDING)
    np.testing.assert_allclose(smoothed.log_lik, truth, atol=ROUNDING)
    for n, one in enumerate(x.numpy()):
        mean, cov = conditioned(params, one, T)
        blocks = cov.reshape(T, L, T, L)
        np.testing.assert_allclose(smoothed.mean[n], mean.reshape(T, L), atol=ROUNDING)
        for t in range(T):
            np.testing.assert_allclose(smoothed.cov[t], blocks[t, :, t], atol=ROUNDING)
            if t < T - 1:
                np.testing.assert_allclose(smoothed.lag[t], blocks[t, :, t + 1], atol=ROUNDING)
            mean_t, cov_t = conditioned(params, one, t + 1)
            np.testing.assert_allclose(filtered.mean[n, t], mean_t.reshape(T, L)[t], atol=ROUNDING)
            np.testing.assert_allclose(filtered.cov[t], cov_t.reshape(T, L, T, L)[t, :, t], atol=ROUNDING)


def test_filter_and_smoother_are_conditioning_one_gaussian():
    assert_is_conditioning()


def with_noise_after_the_update(forward):
    def wrong(x, params):
        found = forward(x, params)
        return found._replace(cov=found.cov + params.Q)

    return wrong


PLANTED = {
    "Q is added after the update": with_noise_after_the_update,
    "Q is forgotten": lambda f: lambda x, p: f(x, p._replace(Q=1e-9 * p.Q)),
    "A transposed": lambda f: lambda x, p: f(x, p._replace(A=p.A.T)),
    "the mean of x is taken for zero": lambda f: lambda x, p: f(x, p._replace(mu=0 * p.mu)),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_seen(monkeypatch, bug):
    monkeypatch.setattr(chain, "_forward", PLANTED[bug](chain._forward))
    with pytest.raises(AssertionError):
        assert_is_conditioning()


def test_without_memory_it_is_factor_analysis():
    params, eye = made(), torch.eye(L, dtype=torch.float64)
    params = params._replace(A=0 * eye, Q=eye, m=0 * params.m, P=eye)
    x = data()
    alone = fa.LinearGaussian(params.mu, params.W, params.psi)
    flat = x.flatten(0, 1)
    expected = fa.log_likelihood(flat, alone).view(x.shape[:2]).sum(1)
    torch.testing.assert_close(log_likelihood(x, params), expected, atol=ROUNDING, rtol=0)
    torch.testing.assert_close(smoother(x, params).mean.flatten(0, 1), fa.posterior(flat, alone).mean)


def test_the_e_steps_sums_are_the_gradient_of_log_p():
    """Fisher's identity for W: d log p / dW = psi^-1 (sum (x - mu) E[z]' - W sum E[z z'])."""
    x, params = data(), made()
    W = params.W.clone().requires_grad_()
    log_likelihood(x, params._replace(W=W)).sum().backward()
    expected, _ = e_step(x, params)
    zz, xz = expected.zz, expected.xz
    inner = xz[:, :-1] - params.mu[:, None] * zz[-1, :-1] - params.W @ zz[:-1, :-1]
    np.testing.assert_allclose(W.grad, inner / params.psi[:, None], atol=1e-10)
    A = params.A.clone().requires_grad_()
    log_likelihood(x, params._replace(A=A)).sum().backward()
    np.testing.assert_allclose(
        A.grad, torch.linalg.solve(params.Q, expected.lag - params.A @ expected.before), atol=1e-10
    )


@pytest.mark.slow
def test_an_m_step_is_a_maximum_of_what_it_climbs():
    """After many steps the gradient of log p is zero in every parameter that is free."""
    x = data(N=20, T=12)
    params = fit_chain(x, L, max_steps=3000, tol=1e-11).params
    free = [part.clone().requires_grad_() for part in (params.A, params.mu, params.W, params.psi)]
    A, mu, W, psi = free
    log_likelihood(x, params._replace(A=A, mu=mu, W=W, psi=psi)).mean().backward()
    assert max(float(part.grad.abs().max()) for part in free) < 1e-2


@pytest.mark.slow
def test_em_never_descends_and_finds_the_dynamics():
    with seeded(3):
        x = sample(made(), 40, 40).x
    fit = fit_chain(x, L, max_steps=150, tol=0)
    assert (fit.log_lik.diff() > -1e-9).all()
    assert fit.log_lik[-1] > log_likelihood(x, made()).mean()
    turn = torch.linalg.eigvals(fit.params.A)
    assert (turn.abs() - torch.linalg.eigvals(made().A).abs()).abs().max() < 0.03
    assert (turn.angle().abs() - torch.linalg.eigvals(made().A).angle().abs()).abs().max() < 0.03


def test_a_shift_of_the_data_is_a_shift_of_mu():
    x = data(N=10)
    here, there = (fit_chain(x + shift, L, max_steps=20, tol=0) for shift in (0.0, 1e4))
    np.testing.assert_allclose(here.log_lik, there.log_lik, atol=1e-6)
    np.testing.assert_allclose(here.params.mu + 1e4, there.params.mu, atol=1e-6)


def test_draws_have_the_joints_moments():
    with seeded(0):
        x = sample(made(), 40_000, 3).x.flatten(1)
    *_, mean, S = joint(made(), 3)
    assert_mean(x, mean, resolution=0.1)
    centred = x.numpy() - mean
    assert_mean((centred[:, :, None] * centred[:, None]).reshape(len(x), -1), S.ravel(), resolution=0.35)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": torch.zeros(3, 2)}, r"a single sequence needs x\[None\]"),
        ({"x": torch.full((1, 2, D), torch.nan)}, "x must be finite real numbers"),
        ({"x": torch.zeros(1, 2, D + 1)}, r"mu must be \(D,\) with D = 4 as in x"),
        ({"psi": torch.tensor([0.1, -2.0, 0.3])}, "did you pass a logarithm"),
        ({"Q": -torch.eye(L)}, "P and Q must be positive definite"),
        ({"A": torch.eye(3)}, r"A must be \(L, L\) with L = 2"),
    ],
)
def test_what_does_not_fit_is_refused(as_users_run_it, change, words):
    x = change.pop("x", data())
    with pytest.raises(ValueError, match=words):
        kalman_filter(x, made()._replace(**change))


def test_a_single_sequence_cannot_be_fitted():
    with pytest.raises(ValueError, match="at least 2 sequences of at least 2 steps"):
        fit_chain(data(N=1), L)


def test_one_step_is_the_fits():
    x = data(N=10)
    start = made()
    fit = fit_chain(x, L, start=start, max_steps=1, tol=0)
    torch.testing.assert_close(m_step(x, e_step(x, start)[0]).W, fit.params.W)
