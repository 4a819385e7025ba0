"""The log-linear model against sums written out by hand in numpy, autograd, and its own promises."""

import itertools

import numpy as np
import pytest
import torch

from lvmteach import loglinear
from lvmteach.loglinear import (
    LogLinear,
    binary_outcomes,
    e_step,
    fit_loglinear,
    hard,
    log_marginal,
    m_step,
    neighbour_features,
    outcome_counts,
    pair_features,
    random_start,
    responsibilities,
    sampled,
    w_gradient,
)
from lvmteach.runtime import seeded

D, C = 4, 3
X = np.array(list(itertools.product([0.0, 1.0], repeat=D)))  # the oracle's own enumeration
F = np.array([[*x, *(x[i] * x[j] for i in range(D) for j in range(i + 1, D))] for x in X])


@pytest.fixture
def problem():
    with seeded(3):
        features = pair_features(binary_outcomes(D))
        truth = LogLinear(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log(), 2 * random_start(features, C).w)
        counts = outcome_counts(torch.multinomial(log_marginal(truth, features).exp(), 4000, replacement=True), 2**D)
        return features, counts, truth


def by_hand(log_pi, w):
    """p(x), and p(z|x), by sums over numpy arrays."""
    joint = np.empty((len(X), len(w)))
    for c in range(len(w)):
        weight = np.array([np.exp(np.dot(w[c], f)) for f in F])
        joint[:, c] = np.exp(log_pi[c]) * weight / weight.sum()
    return joint.sum(1), joint / joint.sum(1, keepdims=True)


def test_outcomes_and_features_are_all_of_them():
    assert np.array_equal(binary_outcomes(D), X)
    assert np.array_equal(pair_features(binary_outcomes(D)), F)


def test_marginal_and_posterior_by_enumeration(problem):
    features, _, truth = problem
    p_x, p_z = by_hand(truth.log_pi.numpy(), truth.w.numpy())
    assert np.allclose(log_marginal(truth, features).exp(), p_x, rtol=1e-12)
    assert np.allclose(responsibilities(truth, features), p_z, rtol=1e-12)
    assert abs(log_marginal(truth, features).exp().sum() - 1) < 1e-12


def gradient_by_autograd(params, counts):
    """Of the log-likelihood, through an enumeration of X and Z written for this test."""
    w, log_pi = params.w.clone().requires_grad_(), params.log_pi
    f = torch.tensor(F)
    log_p = torch.stack(
        [
            torch.logsumexp(torch.stack([log_pi[c] + w[c] @ x - (f @ w[c]).logsumexp(0) for c in range(len(w))]), 0)
            for x in f
        ]
    )
    (counts @ log_p / counts.sum()).backward()
    return w.grad


def test_the_gradient_is_autograds(problem):
    features, counts, _ = problem
    with seeded(1):
        params = random_start(features, C)
    expected, _ = e_step((features, counts / counts.sum()), params)
    assert torch.allclose(w_gradient(params, features, expected), gradient_by_autograd(params, counts), atol=1e-12)


@pytest.mark.parametrize("bug", ["sign", "model counts not weighted", "posterior forgotten"])
def test_a_wrong_gradient_would_be_seen(problem, bug):
    features, counts, _ = problem
    with seeded(1):
        params = random_start(features, C)
    expected, _ = e_step((features, counts / counts.sum()), params)
    right = gradient_by_autograd(params, counts)
    wrong = {
        "sign": lambda: -w_gradient(params, features, expected),
        "model counts not weighted": lambda: (
            expected.features - loglinear.log_given_class(params, features).exp().T @ features
        ),
        "posterior forgotten": lambda: w_gradient(
            params, features, e_step((features, counts / counts.sum()), params, lambda q: q * 0 + 1 / C)[0]
        ),
    }[bug]()
    assert not torch.allclose(wrong, right, atol=1e-3)


@pytest.mark.slow
def test_em_never_falls_and_ends_where_the_gradient_is_flat(problem):
    features, counts, _ = problem
    with seeded(2):
        fit = fit_loglinear(counts, features, C, tol=1e-13, max_steps=20_000)
    assert (fit.log_lik.diff() >= -1e-9 * fit.log_lik[1:].abs()).all()
    assert gradient_by_autograd(fit.params, counts).abs().max() < 1e-4
    assert fit.log_lik[-1] <= (counts / counts.sum() * (counts / counts.sum()).log()).nansum() + 1e-12


def test_an_m_step_of_one_climb_never_overshoots():
    with seeded(4):
        features = 30 * torch.randn(50, 7, dtype=torch.float64)  # far from binary
        counts = torch.rand(50, dtype=torch.float64)
        data = (features, counts / counts.sum())
        params = random_start(features, 2)
        for _ in range(100):
            expected, before = e_step(data, params)
            params = m_step(data, expected, climbs=1)
            assert e_step(data, params)[1] >= before - 1e-12


def test_one_class_matches_the_data_features(problem):
    features, counts, _ = problem
    with seeded(5):
        fit = fit_loglinear(counts, features, 1, climbs=200, tol=1e-14)
    shares = counts / counts.sum()
    # The maximum of a log-linear model: expected features equal observed ones.
    assert torch.allclose(log_marginal(fit.params, features).exp() @ features, shares @ features, atol=1e-6)


def test_hard_assigns_one_class_and_sampled_shares_out_each_outcomes_data():
    with seeded(6):
        q = torch.rand(200, C, dtype=torch.float64).softmax(1)
        counts = torch.randint(0, 4000, (200,)).double()
        counts[3] = 0
        shares = sampled(q, counts)
    assert torch.equal(hard(q).argmax(1), q.argmax(1))
    assert torch.equal(hard(q).sum(1), torch.ones(200).double())
    assert torch.allclose(shares.sum(1), (counts > 0).double())
    assert torch.allclose(shares * counts[:, None], (shares * counts[:, None]).round(), atol=1e-9)  # whole data
    z = ((shares - q) * counts.sqrt()[:, None] / (q * (1 - q)).sqrt())[counts > 100]
    assert z.abs().max() < 5.5  # of 600 standard normals: once in 40 000 runs
    assert 0.85 < z.std() < 1.15  # a draw for each datum; one draw an outcome would have 30


def test_neighbours_are_those_of_a_loop_over_pairs():
    x = binary_outcomes(6)
    touching = [(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)]  # of 2 rows and 3 columns
    oracle = np.array([[*row, *(row[i] * row[j] for i, j in touching)] for row in x.numpy()])
    assert np.array_equal(neighbour_features(x, (2, 3)), oracle)
    with pytest.raises(ValueError, match="2 x 4 have 8 entries, got D = 6"):
        neighbour_features(x, (2, 4))


BAD = [
    (torch.ones(16), torch.ones(15, 3), "with M = 16 as in counts"),
    (torch.full((16,), torch.nan), torch.ones(16, 3), "finite"),
    (-torch.ones(16), torch.ones(16, 3), "not all zero"),
    (torch.zeros(16), torch.ones(16, 3), "not all zero"),
]


@pytest.mark.parametrize(("counts", "features", "words"), BAD)
def test_bad_input_is_refused(as_users_run_it, counts, features, words):
    with pytest.raises(ValueError, match=words):
        fit_loglinear(counts.double(), features.double(), 2)


def test_a_start_of_other_classes_is_refused(as_users_run_it):
    start = random_start(torch.eye(4).double(), 2)
    with pytest.raises(ValueError, match=r"C = 3 classes of F = 4 weights each, got \(2, 4\)"):
        fit_loglinear(torch.ones(4).double(), torch.eye(4).double(), 3, start=start)


@pytest.mark.parametrize("bits", [0, 17])
def test_too_many_outcomes(as_users_run_it, bits):
    with pytest.raises(ValueError, match="between 1 and 16"):
        binary_outcomes(bits)
