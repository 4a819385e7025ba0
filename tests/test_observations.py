"""Observation models: every mass sums to one and equals scipy's; what is unbounded, and what is not."""

import math

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import integrate, stats

from lvmteach.bounds import elbo
from lvmteach.runtime import seeded
from lvmteach.vae import VAE, GaussianDecoder, GaussianEncoder, StandardNormal, StudentTDecoder
from lvmteach.vae.counts import BetaBinomial, CategoricalCounts, DiscretisedLogistic
from lvmteach.vae.observations import FAMILIES, CountDecoder, HeteroscedasticDecoder, Standardised

N = 16
K = torch.arange(N + 1.0, dtype=torch.float64)
ROUNDING = 1e-12


def logistic(m, s):
    return DiscretisedLogistic(N, torch.tensor(m, dtype=torch.float64), torch.tensor(s, dtype=torch.float64))


def logistic_by_scipy(m, s):
    edges = np.concatenate([[-np.inf], np.arange(N) + 0.5, [np.inf]])
    return np.diff(stats.logistic(m, s).cdf(edges))


PLACES = [(8.3, 1.7), (-3.0, 2.0), (15.9, 0.4), (8.0, 0.02)]


def check_logistic(log_prob, m, s):
    p = np.exp(log_prob(np.arange(N + 1.0)))
    np.testing.assert_allclose(p, logistic_by_scipy(m, s), atol=ROUNDING)
    assert abs(p.sum() - 1) < ROUNDING


@pytest.mark.parametrize(("m", "s"), PLACES)
def test_discretised_logistic(m, s):
    check_logistic(lambda k: logistic(m, s).log_prob(torch.tensor(k)).numpy(), m, s)
    assert abs(float(logistic(m, s).mean) - np.arange(N + 1) @ logistic_by_scipy(m, s)) < 1e-10


WRONG = {
    "no edge bins": lambda k: np.log(np.diff(stats.logistic(15, 1.2).cdf(np.array([k - 0.5, k + 0.5])), axis=0)[0]),
    "a density as a mass": lambda k: stats.logistic(15, 1.2).logpdf(k),
    "variance as scale": lambda k: np.log(logistic_by_scipy(15, 1.2**2)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_the_check_sees_planted_bugs(wrong):
    with pytest.raises(AssertionError):
        check_logistic(wrong, 15.0, 1.2)


def test_far_tails_keep_their_digits_and_their_gradient():
    m = torch.tensor(-200.0, requires_grad=True)
    log_p = DiscretisedLogistic(N, m, torch.tensor(1.0)).log_prob(torch.tensor(8.0))
    log_p.backward()
    # The bin's integral of e^-(x - m) where the logistic's tail is an exponential.
    assert abs(float(log_p.detach()) - (-208 + math.log(2 * math.sinh(0.5)))) < 1e-3
    assert abs(float(m.grad) - 1) < 1e-6


def test_beta_binomial_by_scipy():
    a, b = torch.tensor([0.7, 3.0]).double(), torch.tensor([2.0, 0.4]).double()
    ours = BetaBinomial(N, a, b)
    theirs = stats.betabinom(N, a.numpy(), b.numpy())
    np.testing.assert_allclose(ours.log_prob(K[:, None]), theirs.logpmf(K.numpy()[:, None]), atol=1e-10)
    np.testing.assert_allclose(ours.mean, theirs.mean())


def test_beta_binomial_tends_to_the_binomial():
    ours = BetaBinomial(N, torch.tensor(3e6).double(), torch.tensor(7e6).double()).log_prob(K)
    np.testing.assert_allclose(ours, stats.binom(N, 0.3).logpmf(K.numpy()), atol=1e-3)


def test_categorical_is_its_softmax():
    logits = torch.randn(3, N + 1, dtype=torch.float64)
    ours = CategoricalCounts(logits)
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    np.testing.assert_allclose(ours.log_prob(K[:, None]).exp().T, p, atol=ROUNDING)
    np.testing.assert_allclose(ours.mean, p @ K.numpy(), atol=ROUNDING)


@pytest.mark.parametrize("family", FAMILIES)
def test_decoders_sum_to_one_over_every_image(family):
    with seeded(2):
        decoder = CountDecoder(2, 3, 2, family, (4,)).double()
        z = torch.randn(5, 2).double()
    images = torch.cartesian_prod(*[torch.arange(3.0).double()] * 3)
    with torch.no_grad():
        total = decoder(z).log_prob(images[:, None]).exp().sum(0)
    np.testing.assert_allclose(total, 1, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_have_the_mean(family):
    with seeded(3), torch.no_grad():
        p = CountDecoder(2, 3, N, family, (4,))(torch.ones(2))
        draws = p.sample((20_000,))
    assert draws.min() >= 0
    assert draws.max() <= N
    assert (draws == draws.round()).all()
    assert_mean(draws, p.mean, resolution=0.4)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_trains_inside_a_vae(family):
    with seeded(4):
        x = torch.randint(0, N + 1, (20, 5)).float()
        model = VAE(
            Standardised(GaussianEncoder(5, 2, (4,)), 8.0, 4.0), CountDecoder(2, 5, N, family, (4,)), StandardNormal(2)
        )
        loss = -elbo(model.log_weights(x, 3)).mean()
    assert loss > 0  # a mass is at most one
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


# ---- Densities


def test_heteroscedastic_by_scipy():
    with seeded(5):
        decoder = HeteroscedasticDecoder(2, 3, (4,), floor=0.1).double()
        z, x = torch.randn(4, 2).double(), torch.randn(4, 3).double()
    with torch.no_grad():
        p, (mu, s) = decoder(z), decoder.net(z).chunk(2, -1)
    sigma = 0.1 + np.log1p(np.exp(s.numpy()))
    np.testing.assert_allclose(p.log_prob(x), stats.norm(mu.numpy(), sigma).logpdf(x.numpy()).sum(1), atol=1e-10)


@pytest.mark.parametrize("sigma", [1e-1, 1e-3, 1e-6])
def test_a_decoder_that_memorises_has_no_greatest_likelihood(sigma):
    """A step function of z with one step a datum: p(x_i) is at least 1/N N(x_i; x_i, sigma^2)."""
    x = np.array([0.3, -1.1, 2.0])
    exact = np.log(stats.norm.pdf(x[:, None], x, sigma).mean(1)).sum()
    assert exact >= 3 * (-math.log(3) - math.log(sigma) - 0.5 * math.log(2 * math.pi)) - 1e-9


def test_constant_pixels_alone_give_401_nats():
    """The 67 pixels that are 0 in every image of MNIST's training set, met exactly at sigma = 0.001."""
    decoder = GaussianDecoder(1, 67, ()).double()
    with torch.no_grad():
        decoder.net[0].bias.zero_()
        decoder.log_scale.fill_(math.log(0.001))
        found = float(decoder(torch.zeros(1).double()).log_prob(torch.zeros(67).double()))
    assert abs(found + 67 * (math.log(0.001) + 0.5 * math.log(2 * math.pi))) < 1e-9
    assert round(found) == 401


def test_a_unit_shifts_a_density_and_not_a_mass():
    x = np.random.default_rng(0).integers(0, 256, 784)
    shift = stats.norm(0.5, 0.3).logpdf(x / 255) - stats.norm(127.5, 0.3 * 255).logpdf(x)
    assert abs(shift.sum() - 784 * math.log(255)) < 1e-6
    assert int(shift.sum()) == 4344


def test_uniform_dequantisation_is_below_the_log_mass():
    m, s, i = 7.1, 1.3, 10
    density = stats.logistic(m, s)
    dequantised = integrate.quad(lambda u: density.logpdf(i + u), -0.5, 0.5)[0]
    log_mass = float(logistic(m, s).log_prob(torch.tensor(float(i)).double()))
    assert dequantised < log_mass < dequantised + 0.1


@pytest.mark.slow
def test_an_outlier_moves_students_mean_by_no_more_than_a_bound():
    df, s = 4.0, 0.7
    decoder = StudentTDecoder(1, 1, (), df=df).double()
    with torch.no_grad():
        decoder.log_scale.fill_(math.log(s))
    mu = decoder.net[0].bias
    influence = []
    for r in torch.linspace(0, 60, 6001).double():
        (grad,) = torch.autograd.grad(decoder(torch.zeros(1).double()).log_prob(mu.detach() + r), mu)
        influence.append(float(grad))
    assert abs(max(influence) - (df + 1) / (2 * math.sqrt(df) * s)) < 1e-5
    assert abs(np.argmax(influence) * 0.01 - math.sqrt(df) * s) < 0.01
    assert influence[-1] < 0.1  # and far outliers hardly at all; the Gaussian's grows as r / s^2


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals():
    model = VAE(GaussianEncoder(4, 2, ()), CountDecoder(2, 4, N, hidden=()), StandardNormal(2))
    with pytest.raises(ValueError, match=r"whole numbers 0 to 16, got 0\.5 to 0\.5; .*\(x \* 16\)"):
        model.log_weights(torch.full((3, 4), 0.5))
    with pytest.raises(ValueError, match="0 to 17"):
        model.log_weights(torch.tensor([[0.0, 17.0, 1.0, 2.0]]))
    with pytest.raises(ValueError, match="family must be one of binomial"):
        CountDecoder(2, 4, N, "poisson")
    with pytest.raises(ValueError, match="floor must be positive"):
        HeteroscedasticDecoder(2, 3, floor=0.0)
