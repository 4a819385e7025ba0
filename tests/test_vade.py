"""q(c|x) and both bounds against quadrature in two dimensions; clusters against scikit-learn's digits."""

import itertools

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal

from lvmteach.bounds import elbo_analytic
from lvmteach.mixtures import Mixture
from lvmteach.runtime import seeded
from lvmteach.vade import clusters, draws_of_q, fit_clusters, log_q_c, matched_accuracy, merge, terms
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, MixturePrior, StandardNormal

RNG = np.random.default_rng(3)
C, L, D = 3, 2, 6
PI = np.array([0.5, 0.3, 0.2])
MU = np.array([[-1.5, 0], [1.2, 0.8], [0.3, -1.4]])
SIGMA = np.array([[0.6, 0.9], [0.8, 0.5], [0.7, 0.7]])
V, BIAS = RNG.normal(size=(D, L)) * 1.5, RNG.normal(size=D) * 0.3
X = RNG.integers(0, 2, size=(4, D))
SIDE = np.linspace(-7, 7, 141)  # the trapezoidal rule is exact to rounding here: the narrowest width is 0.5
Z = np.array(list(itertools.product(SIDE, SIDE)))
LOG_CELL = 2 * np.log(SIDE[1] - SIDE[0])
Q_MEAN, Q_SCALE = np.array([0.2, -0.1]), np.array([0.7, 0.6])


def log_normal(z, m, s):
    return (-0.5 * ((z - m) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)).sum(-1)


LOG_CZ = np.log(PI) + np.stack([log_normal(Z, MU[c], SIGMA[c]) for c in range(C)], -1)
LOG_Z = logsumexp(LOG_CZ, 1)
LOG_Q = log_normal(Z, Q_MEAN, Q_SCALE)
Q = np.exp(LOG_Q + LOG_CELL)
ENTROPY = np.log(Q_SCALE).sum() + L * 0.5 * np.log(2 * np.pi * np.e)


def log_lik(x):
    logits = np.tanh(Z) @ V.T + BIAS
    return (x * logits - np.logaddexp(0, logits)).sum(-1)


def bound_with(x, q_c):
    """E_q(z)q(c)[log p(x, z, c) - log q(z) - log q(c)] by quadrature over z and a sum over c."""
    expected = (Q[:, None] * LOG_CZ).sum(0)
    return (Q * log_lik(x)).sum() + ENTROPY + (q_c * (expected - np.log(q_c))).sum()


class Decoder(nn.Module):
    def forward(self, z):
        return Independent(Bernoulli(logits=z.tanh() @ torch.tensor(V).T + torch.tensor(BIAS)), 1)


class SameForAll(nn.Module):
    """q(z|x) = N(Q_MEAN, Q_SCALE^2) whatever x."""

    def forward(self, x):
        one = torch.ones(len(x), 1).double()
        return Independent(Normal(one * torch.tensor(Q_MEAN), one * torch.tensor(Q_SCALE)), 1)


@pytest.fixture
def model():
    prior = MixturePrior.from_mixture(*map(torch.tensor, (PI, MU, SIGMA**2))).double()
    with torch.no_grad():  # from_mixture keeps float32
        prior.logits.copy_(torch.tensor(np.log(PI)))
        prior.mean.copy_(torch.tensor(MU))
        prior.log_scale.copy_(torch.tensor(np.log(SIGMA)))
    return VAE(SameForAll(), Decoder(), prior)


def best_q_c():
    expected = (Q[:, None] * LOG_CZ).sum(0)
    return np.exp(expected - logsumexp(expected))


def mean_of_p_c():
    return (Q[:, None] * np.exp(LOG_CZ - LOG_Z[:, None])).sum(0)


def at_the_mean():
    joint = np.log(PI) + np.array([log_normal(Q_MEAN, MU[c], SIGMA[c]) for c in range(C)])
    return np.exp(joint - logsumexp(joint))


def check_q_c(q_c):
    np.testing.assert_allclose(q_c, best_q_c(), atol=1e-9)


def test_best_q_c(model):
    check_q_c(log_q_c(model, torch.tensor(X).double())[0].exp().detach())
    assert torch.equal(clusters(model, torch.tensor(X).double()), torch.full((4,), int(best_q_c().argmax())))


@pytest.mark.parametrize("wrong", [mean_of_p_c, at_the_mean, lambda: PI], ids=["E p(c|z)", "the mean alone", "weights"])
def test_other_choices_would_be_seen_and_are_worse_in_the_bound(wrong):
    with pytest.raises(AssertionError):
        check_q_c(wrong())
    assert all(bound_with(x, wrong()) < bound_with(x, best_q_c()) - 1e-3 for x in X)


def test_no_q_c_is_better():
    for q_c in RNG.dirichlet(np.ones(C), 50):
        assert bound_with(X[0], q_c) <= bound_with(X[0], best_q_c())


def test_both_bounds_and_what_marginalising_gains(model):
    x = torch.tensor(X).double()
    kl = terms(model, x).kl.detach().numpy()
    for i in range(len(X)):
        reconstruction = (Q * log_lik(X[i])).sum()
        assert abs(reconstruction - kl[i] - bound_with(X[i], best_q_c())) < 1e-9
        marginalised = reconstruction - (Q * (LOG_Q - LOG_Z)).sum()
        q_c = best_q_c()
        gain = (Q[:, None] * q_c * (np.log(q_c) - (LOG_CZ - LOG_Z[:, None]))).sum()
        assert abs(marginalised - (reconstruction - kl[i]) - gain) < 1e-9
        assert reconstruction - kl[i] < marginalised < logsumexp(log_lik(X[i]) + LOG_Z + LOG_CELL)


def test_the_likelihood_term_is_a_draw(model):
    with seeded(1):
        log_lik_draws, _ = terms(model, torch.tensor(X).double(), K=10_000)
    exact = [(Q * log_lik(x)).sum() for x in X]
    assert np.abs(log_lik_draws.mean(0).numpy() - exact).max() < 5 * float(log_lik_draws.std(0).max()) / 100


def test_four_numbers_of_an_independent_script(model):
    """log p(x), c summed out, the best q(c|x) and E p(c|z), at the q(z) that an optimiser found for one x."""
    m, s = np.array([1.47005752, 0.71124886]), np.array([0.64404409, 0.40477084])
    w = np.exp(log_normal(Z, m, s) + LOG_CELL)
    reconstruction = (w * log_lik(X[0])).sum()
    with torch.no_grad():
        joint = model.prior.log_joint(torch.tensor(Z)).numpy()
        expected = model.prior.expected_log_joint(torch.tensor(m), torch.tensor(s)).numpy()
        log_z = model.prior().log_prob(torch.tensor(Z)).numpy()
    entropy = np.log(s).sum() + L * 0.5 * np.log(2 * np.pi * np.e)
    mean = (w[:, None] * np.exp(joint - log_z[:, None])).sum(0)
    found = (
        logsumexp(log_lik(X[0]) + log_z + LOG_CELL),
        reconstruction + (w * log_z).sum() + entropy,
        reconstruction + entropy + logsumexp(expected),
        reconstruction + entropy + (mean * (expected - np.log(mean))).sum(),
    )
    np.testing.assert_allclose(found, (-5.0672217, -5.1709180, -5.1992759, -5.2598777), atol=1e-7)


def test_all_images_have_probability_one():
    total = sum(np.exp(logsumexp(log_lik(np.array(x)) + LOG_Z + LOG_CELL)) for x in itertools.product([0, 1], repeat=D))
    assert abs(total - 1) < 1e-9


# ---- fitting


@pytest.fixture
def three_heaps():
    """A model whose encoder reads z off the first two columns, and data in three heaps."""
    with seeded(2):
        labels = torch.randint(0, 3, (900,))
        x = torch.tensor(MU)[labels].float() * 3 + 0.5 * torch.randn(900, 2)
        x = torch.cat([x, torch.zeros(900, 1)], 1)
        model = VAE(GaussianEncoder(3, 3, ()), BernoulliDecoder(3, 3, ()), StandardNormal(3))
    with torch.no_grad():
        model.encoder.net[0].weight.zero_()[:3, :3] = torch.eye(3)
        model.encoder.net[0].bias[3:] = -3.0
    model.decoder.check = lambda x: None
    return model, x, labels


def test_clusters_are_found_in_the_dimensions_in_use(three_heaps):
    model, x, labels = three_heaps
    with seeded(3):
        choice = fit_clusters(model, x[:600], x[600:], C=3)
    assert choice.active.tolist() == [True, True, False]
    assert (choice.held_out.diff() <= 0).all()
    model.prior = choice.prior()
    assert matched_accuracy(clusters(model, x), labels) > 0.98


def test_the_best_starts_go_on_with_all_rows(three_heaps):
    model, x, _ = three_heaps
    with seeded(5):
        few = fit_clusters(model, x[:200], x[600:], C=3, restarts=3)
    with seeded(5):
        more = fit_clusters(model, x[:600], x[600:], C=3, restarts=3, start_rows=200)
    assert len(more.mixtures) == 3
    assert (more.held_out.diff() <= 0).all()
    assert more.held_out[0] > few.held_out[0]  # two hundred rows know less than six hundred


def test_draws_have_the_width_of_q(three_heaps):
    model, x, _ = three_heaps
    with seeded(4):
        z = draws_of_q(model, x)
    assert abs(float((z - x)[:, 0].std()) / np.exp(-3.0) - 1) < 0.12  # five standard errors


def test_the_vade_loss_trains(three_heaps):
    model, x, _ = three_heaps
    with seeded(3):
        model.prior = fit_clusters(model, x[:600], x[600:], C=3, restarts=2).prior()
        loss = -elbo_analytic(*terms(model, x[:20])).mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def moments(mixture):
    w, m, S = (part.numpy() for part in mixture)
    mean = w @ m
    return mean, sum(a * (cov + np.outer(b - mean, b - mean)) for a, b, cov in zip(w, m, S, strict=True))


def test_merging_keeps_mean_and_covariance_and_joins_what_is_alike():
    roots = RNG.normal(size=(5, 2, 2))
    covs = roots @ roots.swapaxes(1, 2) + 0.2 * np.eye(2)
    means = RNG.normal(size=(5, 2)) * 4
    means[3], covs[3] = means[1], covs[1]  # two halves of one component
    before = Mixture(*map(torch.tensor, (RNG.dirichlet(np.ones(5)), means, covs)))
    for C in (4, 2, 1):
        after = merge(before, C)
        assert len(after.weights) == C
        for ours, theirs in zip(moments(after), moments(before), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)
    merged = merge(before, 4)
    at = int((merged.means - before.means[1]).abs().sum(1).argmin())
    np.testing.assert_allclose(merged.means[at], means[1], atol=1e-12)
    np.testing.assert_allclose(merged.weights[at], before.weights[1] + before.weights[3])


def test_merging_keeps_diagonal_covariances_diagonal():
    mixture = Mixture(torch.tensor([0.5, 0.5]), torch.zeros(2, 3), torch.ones(2, 3))
    assert merge(mixture, 1).covariances.shape == (1, 3)


def test_matching():
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert matched_accuracy(torch.tensor([2, 2, 0, 0, 1, 1]), labels) == 1
    assert matched_accuracy(torch.tensor([0, 0, 0, 0, 0, 0]), labels) == pytest.approx(2 / 6)
    assert matched_accuracy(torch.tensor([5, 5, 4, 0, 1, 1]), labels) == pytest.approx(5 / 6)


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals(three_heaps):
    model, x, _ = three_heaps
    with pytest.raises(TypeError, match="this model's prior is StandardNormal"):
        clusters(model, x)
    with pytest.raises(ValueError, match="with N = 3 as in found"):
        matched_accuracy(torch.zeros(3).long(), torch.zeros(4).long())
    with torch.no_grad():
        model.encoder.net[0].weight.zero_()
    with pytest.raises(ValueError, match="collapsed"):
        fit_clusters(model, x[:600], x[600:], C=3)
