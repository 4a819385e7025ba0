"""Priors against scipy, quadrature and Monte Carlo; mistakes seen in public code are planted."""

import itertools
import math

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import stats
from scipy.special import logsumexp

from lvmteach.mixtures import Mixture
from lvmteach.runtime import seeded
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, MixturePrior, StandardNormal, VampPrior

RNG = np.random.default_rng(4)
C, L = 3, 2
WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[-1.5, 0.0], [1.2, 0.8], [0.3, -1.4]])
FULL = np.array([[[0.5, 0.2], [0.2, 0.4]], [[0.3, -0.1], [-0.1, 0.9]], [[0.6, 0.0], [0.0, 0.2]]])
DIAGONAL = np.stack([np.diag(cov) for cov in FULL])
SIDE = np.linspace(-7, 7, 281)
LATTICE = np.array(list(itertools.product(SIDE, SIDE)))
CELL = (SIDE[1] - SIDE[0]) ** 2


def by_scipy(z, covariances):
    return np.stack(
        [
            np.log(w) + stats.multivariate_normal(m, cov if cov.ndim == 2 else np.diag(cov)).logpdf(z)
            for w, m, cov in zip(WEIGHTS, MEANS, covariances, strict=True)
        ],
        -1,
    )


def prior_of(covariances, **kwargs):
    mixture = Mixture(*map(torch.tensor, (WEIGHTS, MEANS, covariances)))
    return MixturePrior.from_mixture(*mixture, **kwargs).double()


BOTH = pytest.mark.parametrize("covariances", [FULL, DIAGONAL], ids=["full", "diagonal"])
FLOAT32 = 1e-5  # the parameters are float32, so that the density is that of nearby ones


@BOTH
def test_density_of_a_fitted_mixture(covariances):
    z = RNG.normal(size=(7, L))
    prior = prior_of(covariances)
    joint = by_scipy(z, covariances)
    np.testing.assert_allclose(prior.log_joint(torch.tensor(z)).detach(), joint, atol=FLOAT32)
    np.testing.assert_allclose(prior().log_prob(torch.tensor(z)).detach(), logsumexp(joint, -1), atol=FLOAT32)


@BOTH
def test_draws_have_the_mixtures_moments(covariances):
    with seeded(1), torch.no_grad():
        z = prior_of(covariances)().sample((200_000,)).numpy()
    mean = WEIGHTS @ MEANS
    matrices = covariances if covariances.ndim == 3 else np.stack([np.diag(c) for c in covariances])
    second = sum(w * (cov + np.outer(m, m)) for w, m, cov in zip(WEIGHTS, MEANS, matrices, strict=True))
    assert_mean(z, mean, resolution=0.03)
    assert_mean(z[:, :, None] * z[:, None, :], second, resolution=0.08)


@BOTH
def test_expected_log_joint_is_the_integral(covariances):
    mu, sigma = np.array([0.4, -0.3]), np.array([0.5, 0.8])
    q = stats.norm(mu, sigma).pdf(LATTICE).prod(1)
    integral = (q[:, None] * by_scipy(LATTICE, covariances)).sum(0) * CELL
    found = prior_of(covariances).expected_log_joint(torch.tensor(mu), torch.tensor(sigma))
    np.testing.assert_allclose(found.detach(), integral, atol=FLOAT32)
    at_the_mean = prior_of(covariances).log_joint(torch.tensor(mu)).detach()
    assert np.abs(at_the_mean.numpy() - integral).max() > 0.2  # the mean alone will not do


def test_dimensions_not_in_use_are_standard_normal():
    z = RNG.normal(size=(5, 4))
    active = torch.tensor([False, True, False, True])
    found = prior_of(FULL, active=active)().log_prob(torch.tensor(z)).detach()
    expected = logsumexp(by_scipy(z[:, [1, 3]], FULL), -1) + stats.norm.logpdf(z[:, [0, 2]]).sum(1)
    np.testing.assert_allclose(found, expected, atol=FLOAT32)


# ---- Two components at plus and minus (2, 2): what each mistake does to the mass

TWO = MixturePrior.from_mixture(
    torch.tensor([0.5, 0.5]), torch.tensor([[2.0, 2.0], [-2.0, -2.0]]), torch.ones(2, 2) / 4
)


def mass(log_p):
    p = np.exp(log_p) * CELL
    corner = (LATTICE[:, 0] > 0) & (LATTICE[:, 1] < 0)
    return p.sum(), p[corner].sum()


def components_by_dimension():
    return stats.norm.logpdf(LATTICE[:, None], [[2.0, 2.0], [-2.0, -2.0]], 0.5)


def check_mass(log_p):
    total, corner = mass(log_p)
    assert abs(total - 1) < 1e-6
    assert corner < 1e-4


def test_no_mass_in_the_empty_corners():
    check_mass(TWO().log_prob(torch.tensor(LATTICE).float()).detach().double().numpy())


PLANTED = {
    "log-sum-exp per dimension": lambda d: logsumexp(d - math.log(2), 1).sum(1),
    "weights left out": lambda d: logsumexp(d.sum(2), 1),
    "variance as scale": lambda d: logsumexp(
        stats.norm.logpdf(LATTICE[:, None], [[2.0, 2.0], [-2.0, -2.0]], 0.25).sum(2), 1
    ),
}


@pytest.mark.parametrize("wrong", PLANTED.values(), ids=PLANTED.keys())
def test_the_check_sees_planted_bugs(wrong):
    with pytest.raises(AssertionError):
        check_mass(wrong(components_by_dimension()))


def test_by_dimension_still_integrates_to_one_and_fills_the_corners():
    total, corner = mass(PLANTED["log-sum-exp per dimension"](components_by_dimension()))
    assert abs(total - 1) < 1e-6
    assert abs(corner - 0.25) < 1e-4


# ---- VampPrior


@pytest.fixture
def vamp():
    with seeded(5):
        encoder = GaussianEncoder(6, L, (8,))
        return VAE(encoder, BernoulliDecoder(L, 6, (8,)), VampPrior(encoder, torch.rand(4, 6)))


def answers(vamp):
    """Log weights (C,) set unequal, means and scales (C, L) of q(z|u), in numpy."""
    with torch.no_grad():
        vamp.prior.logits.copy_(torch.tensor([0.0, 1.0, -1.0, 0.5]))
        q = vamp.encoder(vamp.prior.inputs)
    free = vamp.prior.logits.detach().double().numpy()
    return free - logsumexp(free), q.mean.double().numpy(), q.stddev.double().numpy()


def check_vamp(log_prob, vamp):
    log_w, m, s = answers(vamp)
    z = RNG.normal(size=(5, L))
    with torch.no_grad():
        found = log_prob(torch.tensor(z).float())
    by_hand = logsumexp(log_w + stats.norm.logpdf(z[:, None], m, s).sum(2), 1)
    np.testing.assert_allclose(found, by_hand, atol=FLOAT32 * 10)


def test_vamp_is_the_mixture_of_the_encoders_answers(vamp):
    check_vamp(lambda z: vamp.prior().log_prob(z), vamp)


WRONG_VAMP = {
    "log C missing": lambda vamp, z: vamp.encoder(vamp.prior.inputs).log_prob(z[:, None]).logsumexp(1),
    "weights left out": lambda vamp, z: vamp.encoder(vamp.prior.inputs).log_prob(z[:, None]).logsumexp(1) - math.log(4),
    "N(0, I)": lambda vamp, z: StandardNormal(L)().log_prob(z),
}


@pytest.mark.parametrize("wrong", WRONG_VAMP.values(), ids=WRONG_VAMP.keys())
def test_a_wrong_vamp_would_be_seen(wrong, vamp):
    with pytest.raises(AssertionError):
        check_vamp(lambda z: wrong(vamp, z), vamp)


def check_draws(z, vamp):
    log_w, m, s = answers(vamp)
    assert_mean(z, np.exp(log_w) @ m, resolution=0.05)
    assert_mean(z**2, np.exp(log_w) @ (m**2 + s**2), resolution=0.05)


def test_draws_come_from_the_prior_that_the_model_has(vamp):
    answers(vamp)
    with seeded(6), torch.no_grad():
        check_draws(vamp.prior().sample((100_000,)).numpy(), vamp)
    with seeded(6), pytest.raises(AssertionError, match="mean is off"):
        check_draws(StandardNormal(L)().sample((100_000,)).numpy(), vamp)


def test_vamp_moves_with_the_encoder_and_counts_it_once(vamp):
    names = [name for name, _ in vamp.named_parameters()]
    assert sum(name.startswith("encoder") for name in names) == 4
    assert not [name for name in vamp.state_dict() if "prior" in name and "net" in name]
    before = vamp.prior().mean.detach()
    with torch.no_grad():
        vamp.encoder.net[-1].bias += 1
    assert not torch.allclose(vamp.prior().mean, before)
    vamp.log_weights(torch.rand(3, 6).bernoulli()).mean().backward()
    assert vamp.prior.free.grad.abs().sum() > 0


def test_pseudo_inputs_stay_within_range_and_start_where_told():
    inputs = torch.tensor([[0.0, 0.5, 1.0]])
    prior = VampPrior(GaussianEncoder(3, L, ()), inputs)
    np.testing.assert_allclose(prior.inputs.detach(), [[0.02, 0.5, 0.98]], atol=1e-6)
    prior = VampPrior(GaussianEncoder(3, L, ()), 7 * inputs, within=None)
    np.testing.assert_allclose(prior.inputs.detach(), 7 * inputs)


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals():
    with pytest.raises(ValueError, match="covariance must be one of diagonal, full, got 'spherical'"):
        MixturePrior(3, 2, covariance="spherical")
    with pytest.raises(ValueError, match="C must be at least 1"):
        MixturePrior(0, 2)
    with pytest.raises(ValueError, match="as many dimensions as means has columns, 2"):
        prior_of(FULL, active=torch.tensor([True, False, False]))
