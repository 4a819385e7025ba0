"""Binary factors against sums over states written out with scipy, autograd, and their own promises."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from lvmteach.binary_factors import (
    BinaryFactors,
    e_step,
    elbo,
    factorised_moments,
    fit_exact,
    fit_variational,
    log_joint,
    log_likelihood,
    m_step,
    mean_field,
    random_start,
    sample,
)
from lvmteach.runtime import seeded

D, L, N = 5, 3, 200
STATES = np.array(list(itertools.product([0.0, 1.0], repeat=L)))


@pytest.fixture
def problem():
    with seeded(4):
        W = 1.5 * torch.randn(D, L, dtype=torch.float64)
        truth = BinaryFactors(torch.tensor([-1.0, 0.2, 0.8]).double(), W, W[:, 0] / 3, torch.tensor(0.4).double())
        x, _ = sample(truth, N)
    return x, truth


def joint_by_hand(x, params):
    """log p(x, z), (N, 2^L), a state at a time."""
    p = 1 / (1 + np.exp(-params.log_odds.numpy()))
    columns = []
    for z in STATES:
        mean = params.W.numpy() @ z + params.b.numpy()
        density = stats.multivariate_normal(mean, float(params.variance) * np.eye(D)).logpdf(x)
        columns.append(density + np.log(np.where(z == 1, p, 1 - p)).sum())
    return np.stack(columns, 1)


def test_joint_and_marginal_by_enumeration(problem):
    x, truth = problem
    oracle = joint_by_hand(x, truth)
    assert np.allclose(log_joint(x, truth), oracle, atol=1e-10)
    assert np.allclose(log_likelihood(x, truth), np.logaddexp.reduce(oracle, axis=1), atol=1e-10)


def test_moments_are_the_posteriors(problem):
    x, truth = problem
    oracle = joint_by_hand(x, truth)
    p = np.exp(oracle - np.logaddexp.reduce(oracle, axis=1, keepdims=True))
    moments, log_lik = e_step(x, truth)
    assert np.allclose(moments.z, p @ STATES, atol=1e-10)
    assert np.allclose(moments.zz, np.einsum("nz,zi,zj->ij", p, STATES, STATES) / N, atol=1e-10)
    assert abs(log_lik - np.logaddexp.reduce(oracle, axis=1).mean()) < 1e-10


def elbo_by_hand(x, params, m):
    m = np.asarray(m)[:, None]
    q = np.where(STATES == 1, m, 1 - m).prod(-1)  # (N, 2^L)
    return (q * (joint_by_hand(x, params) - np.log(q))).sum(1).mean()


def test_the_elbo_is_the_sum_over_states(problem):
    x, truth = problem
    with seeded(1):
        m = torch.rand(N, L, dtype=torch.float64)
    assert abs(elbo(x, truth, m) - elbo_by_hand(x, truth, m)) < 1e-10
    q = torch.tensor(np.where(STATES == 1, m[:, None], 1 - m[:, None]).prod(-1))
    by_states = torch.tensor(np.einsum("nz,zi,zj->ij", q, STATES, STATES) / N)
    assert torch.allclose(factorised_moments(m).zz, by_states)


def test_mean_field_climbs_to_where_the_slope_is_flat(problem):
    x, truth = problem
    field = mean_field(x, truth, sweeps=300)
    assert (field.elbo.diff() >= -1e-12).all()
    assert field.elbo[-1] < log_likelihood(x, truth).mean()
    u = field.m.clamp(1e-12, 1 - 1e-12).logit().requires_grad_()
    (slope,) = torch.autograd.grad(elbo(x, truth, u.sigmoid()) * N, u)
    assert slope.abs().max() < 1e-7
    first = mean_field(x, truth, sweeps=0)
    assert torch.allclose(first.m[0], truth.log_odds.sigmoid())


def test_one_switch_alone_is_exact():
    with seeded(2):
        params = BinaryFactors(
            torch.tensor([0.4]).double(),
            torch.randn(D, 1).double(),
            torch.zeros(D).double(),
            torch.tensor(0.7).double(),
        )
        x, _ = sample(params, 50)
    assert abs(mean_field(x, params, sweeps=1).elbo[-1] - log_likelihood(x, params).mean()) < 1e-12


def test_the_m_step_is_a_maximum_of_the_expected_log_joint(problem):
    x, truth = problem
    moments, _ = e_step(x, truth)
    posterior = log_joint(x, truth).softmax(1)
    parts = [part.clone().requires_grad_() for part in m_step(x, moments)]
    z = torch.tensor(STATES)
    log_odds, W, b, variance = parts
    prior = torch.distributions.Bernoulli(logits=log_odds).log_prob(z).sum(1)
    density = torch.distributions.Normal(z @ W.T + b, variance.sqrt()).log_prob(x[:, None]).sum(-1)
    slopes = torch.autograd.grad((posterior * (prior + density)).sum(), parts)
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-8


def test_exact_em_climbs_log_p_and_variational_em_its_bound(problem):
    x, _ = problem
    with seeded(3):
        start = random_start(x, L)
    exact = fit_exact(x, start, max_steps=3000, tol=1e-10)
    bounded = fit_variational(x, start, max_steps=3000, tol=1e-10)
    for fit in (exact, bounded):
        assert (fit.log_lik.diff() >= -1e-9 * fit.log_lik[1:].abs()).all()
    assert bounded.log_lik[-1] < log_likelihood(x, bounded.params).mean()
    polished = fit_exact(x, bounded.params, max_steps=3000, tol=1e-10)
    assert polished.log_lik[-1] > log_likelihood(x, bounded.params).mean() + 1e-4  # where the bound ends is no maximum


def test_bad_input_is_refused(as_users_run_it, problem):
    x, truth = problem
    with pytest.raises(ValueError, match=r"W must be .* with D = 4 as in x"):
        mean_field(x[:, :4], truth)
    with pytest.raises(
        ValueError, match=r"start must be \(N, L\) with L = 3 as in params.log_odds, got shape \(200, 2\)"
    ):
        mean_field(x, truth, torch.full((N, 2), 0.5).double())
    wide = BinaryFactors(torch.zeros(40).double(), torch.zeros(D, 40).double(), truth.b, truth.variance)
    with pytest.raises(ValueError, match="16 bits"):
        log_likelihood(x, wide)
    assert mean_field(x, wide, sweeps=1).m.shape == (N, 40)  # what enumeration cannot do
