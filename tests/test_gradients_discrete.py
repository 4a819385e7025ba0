"""Gradients through discrete z: exact by summing over classes, estimated without bias, relaxed with a known bias."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from chance import assert_mean, assert_share, assert_variance
from scipy import special, stats
from torch.distributions import Bernoulli, Categorical, Normal, OneHotCategorical

from lvmteach.gradients import (
    PerParameter,
    gradient_samples,
    gumbel_softmax,
    leave_one_out,
    optimal_baseline,
    score_function,
    straight_through,
)
from lvmteach.runtime import seeded

T = 0.9
PHI = 0.6  # Bernoulli: theta = sigmoid(PHI)
LOGITS = np.array([0.5, -0.4, 0.1, 1.0])  # categorical, f of its classes:
VALUES = np.array([2.0, -1.0, 0.5, 3.0])


def double(*values):
    return tuple(torch.tensor(v, dtype=torch.float64) for v in values)


def exact_categorical():
    """Gradient of sum_c pi_c f_c for the logits, by the derivative of softmax: pi_c (f_c - E f)."""
    pi = special.softmax(LOGITS)
    return pi * (VALUES - pi @ VALUES)


def of_class(z):
    return torch.tensor(VALUES)[z]


def categorical(K, baseline):
    return lambda logits: score_function(of_class, Categorical(logits=logits), K, baseline)


@pytest.mark.parametrize("baseline", [None, 1.0, leave_one_out])
def test_the_score_function_meets_the_sum_over_classes(baseline):
    with seeded(1):
        (found,) = gradient_samples(categorical(2, baseline), double(LOGITS), 200_000)
    assert_mean(found, exact_categorical(), resolution=0.03)


def tuples(K):
    """Every outcome of K draws: its probability and the gradient that a surrogate gives on it."""
    pi = special.softmax(LOGITS)
    classes = np.array(list(product(range(len(pi)), repeat=K)))
    return pi[classes].prod(1), classes, VALUES[classes], np.eye(len(pi))[classes] - pi


@pytest.mark.parametrize("K", [2, 3])
def test_exact_variances_by_enumerating_all_tuples_of_draws(K):
    probability, _, f, score = tuples(K)
    others = (f.sum(1, keepdims=True) - f) / (K - 1)
    for baseline, b in ((None, 0.0), (leave_one_out, others)):
        gradients = ((f - b)[..., None] * score).mean(1)
        mean = probability @ gradients
        np.testing.assert_allclose(mean, exact_categorical(), atol=1e-14)  # rounding
        variance = probability @ (gradients - mean) ** 2
        with seeded(K):
            (found,) = gradient_samples(categorical(K, baseline), double(LOGITS), 200_000)
        assert_variance(found, variance, resolution=0.06)


def break_even():
    """The K from which leave-one-out has less total variance than no baseline, from moments of a single draw."""
    probability, _, f, score = (part.squeeze(1) if part.ndim > 1 else part for part in tuples(1))
    mean, covariance = probability @ f, exact_categorical()
    power = (score**2).sum(1)
    gain = probability @ ((f**2 - (f - mean) ** 2) * power)
    price = (probability @ (f - mean) ** 2) * (probability @ power) + (covariance**2).sum()
    return 1 + price / gain


@pytest.mark.parametrize("K", [2, 3, 5])
def test_leave_one_out_pays_from_its_break_even_on(K):
    probability, _, f, score = tuples(K)
    others = (f.sum(1, keepdims=True) - f) / (K - 1)

    def spread(b):
        return (probability @ (((f - b)[..., None] * score).mean(1) - exact_categorical()) ** 2).sum()

    assert break_even() == pytest.approx(2.43, abs=0.01)  # so two draws are too few here, three are enough
    assert (spread(others) < spread(0.0)) == (break_even() < K)


def true_gradient(t=T):
    theta = special.expit(PHI)
    return (1 - 2 * t) * theta * (1 - theta)


def off_one(z):
    return (z - T) ** 2


def bernoulli(K, baseline=None):
    return lambda phi: score_function(off_one, Bernoulli(logits=phi), K, baseline)


def test_the_optimal_baseline_of_a_bernoulli_leaves_no_variance():
    theta = special.expit(PHI)
    best = (1 - theta) * (1 - T) ** 2 + theta * T**2
    truth = true_gradient()
    with seeded(3):
        (found,) = gradient_samples(bernoulli(1, best), double(PHI), 1000)
        (estimate,) = optimal_baseline(lambda phi: (off_one, Bernoulli(logits=phi)), double(PHI), 400_000)
    assert found.numpy() == pytest.approx(truth, abs=1e-14)  # every draw, up to rounding
    # The estimate is a weighted share of ones, so its error is below that of a share of 400000 draws: 0.001.
    assert estimate.item() == pytest.approx(best, abs=0.005)
    with seeded(3):
        (found,) = gradient_samples(lambda p: bernoulli(1, PerParameter((p,), (best,)))(p), double(PHI), 1000)
    assert found.numpy() == pytest.approx(truth, abs=1e-14)


def test_straight_through_is_biased_as_its_closed_form_says():
    theta = special.expit(PHI)
    with seeded(4):
        (found,) = gradient_samples(
            lambda phi: off_one(straight_through(Bernoulli(logits=phi), 2)).mean(0), double(PHI), 200_000
        )
    biased, truth = 2 * (theta - T) * theta * (1 - theta), true_gradient()
    assert_mean(found, biased, resolution=0.01)
    assert abs(biased - truth) > 0.05  # so the test above tells them apart


def test_straight_through_is_exact_where_f_is_linear_and_its_draws_are_the_distribution():
    with seeded(5):
        (found,) = gradient_samples(
            lambda logits: (straight_through(OneHotCategorical(logits=logits), 3) @ torch.tensor(VALUES)).mean(0),
            double(LOGITS),
            10,
        )
        z = straight_through(OneHotCategorical(logits=double(LOGITS)[0]), 200_000)
    np.testing.assert_allclose(found, np.tile(exact_categorical(), (10, 1)), atol=1e-14)  # no z in it: no variance
    for share, pi in zip(z.mean(0), special.softmax(LOGITS), strict=True):
        assert_share(round(share.item() * 200_000), 200_000, pi, resolution=0.01)


# Gumbel-softmax. With two classes the first coordinate is sigmoid((phi + logistic noise) / temperature): one integral.
# The midpoint rule, with the jump of the arg max, at noise = -PHI, between two midpoints.

STEP = 0.002
NOISE = -PHI + STEP * (np.arange(-20_000, 20_000) + 0.5)


def over_the_noise(function):
    """E function(noise) under the standard logistic."""
    return STEP * stats.logistic.pdf(NOISE) @ function(NOISE)


def relaxed_gradient(temperature, straight_through=False, t=T):
    """d/dphi of E (y - T)^2 for the relaxed y, or what straight-through makes of it."""

    def slope(noise):
        y = special.expit((PHI + noise) / temperature)
        at = (PHI + noise > 0).astype(float) if straight_through else y
        return 2 * (at - t) * y * (1 - y) / temperature

    return over_the_noise(slope)


def bernoulli_by_gumbel(K, temperature, straight_through=False):
    def estimator(phi):
        logits = torch.stack([phi, torch.zeros_like(phi)], -1)
        return off_one(gumbel_softmax(logits, K, temperature, straight_through)[..., 0]).mean(0)

    return estimator


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("temperature", [0.25, 0.5, 1.0, 2.0])
def test_relaxed_gradients_meet_quadrature(temperature, hard):
    with seeded(6):
        (found,) = gradient_samples(bernoulli_by_gumbel(2, temperature, hard), double(PHI), 200_000)
    assert_mean(found, relaxed_gradient(temperature, hard), resolution=0.01)


@pytest.mark.parametrize("hard", [False, True])
def test_the_bias_falls_with_the_temperature_and_the_variance_grows(hard):
    temperatures = (2.0, 1.0, 0.5, 0.25, 0.1)
    with seeded(7):
        found = [gradient_samples(bernoulli_by_gumbel(1, t, hard), double(PHI), 400_000)[0] for t in temperatures]
    bias = [abs(one.mean() - true_gradient()) for one in found]
    # Neighbours differ by 0.01 and more, their standard errors at 400000 draws are below 0.001.
    assert all(colder < warmer - 0.005 for warmer, colder in pairwise(bias))
    assert all(colder.var() > 1.2 * warmer.var() for warmer, colder in pairwise(found))


def test_falling_bias_is_no_law():
    """Another f, (b - 0.45)^2: the bias crosses zero near temperature 2 and grows on the way down, before it falls."""
    bias = [relaxed_gradient(temperature, t=0.45) - true_gradient(t=0.45) for temperature in (4.0, 2.0, 0.5, 0.1, 0.01)]
    assert bias[0] < 0 < bias[2]
    assert abs(bias[1]) < abs(bias[2]) / 5
    assert bias[2] > bias[3] > bias[4] > 0


def test_one_hot_draws_are_categorical_and_relaxed_draws_lie_on_the_simplex():
    with seeded(8):
        hard = gumbel_softmax(double(LOGITS)[0], 200_000, 0.7, straight_through=True)
        soft = gumbel_softmax(double(LOGITS)[0], 1000, 0.7)
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    for share, pi in zip(hard.mean(0), special.softmax(LOGITS), strict=True):
        assert_share(round(share.item() * 200_000), 200_000, pi, resolution=0.01)
    assert (soft > 0).all()
    np.testing.assert_allclose(soft.sum(-1), 1, rtol=1e-14)


def test_relaxed_draws_have_the_law_of_the_binary_concrete():
    with seeded(9):
        y = gumbel_softmax(double([PHI, 0.0])[0], 100_000, 0.5)[:, 0]
    p_value = stats.kstest(special.logit(y.numpy()) * 0.5 - PHI, stats.logistic.cdf).pvalue
    assert p_value > 1e-6  # the stated false alarm


@pytest.mark.parametrize(
    "shift", [lambda noise: -noise, lambda noise: noise / 2, lambda noise: noise + 0.05], ids=["sign", "scale", "place"]
)
def test_a_wrong_noise_would_be_seen(shift):
    """The same Kolmogorov-Smirnov test on logistic noise made of wrong Gumbels."""
    rng = np.random.default_rng(0)
    first, second = shift(rng.gumbel(size=100_000)), rng.gumbel(size=100_000)
    assert stats.kstest(first - second, stats.logistic.cdf).pvalue < 1e-6


def test_shapes_and_precision_follow_the_logits():
    logits = torch.zeros(5, 3, dtype=torch.float32)
    for hard in (False, True):
        y = gumbel_softmax(logits, 2, 1.0, hard)
        assert y.shape == (2, 5, 3)
        assert y.dtype == torch.float32
    assert straight_through(OneHotCategorical(logits=logits), 2).shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: gumbel_softmax(torch.zeros(3), 2, 0.0),
            "must be above 0, got 0.0; .*straight_through=True",
        ),
        (lambda: gumbel_softmax(torch.zeros(3), 2, -1.0), "temperature must be above 0, got -1.0"),
        (lambda: gumbel_softmax(torch.zeros(3), 2, float("nan")), "temperature must be above 0, got nan"),
        (lambda: gumbel_softmax(torch.zeros(3), 0, 1.0), "K must be at least 1, got 0"),
        (lambda: straight_through(Bernoulli(0.5), 0), "K must be at least 1, got 0"),
        (lambda: straight_through(Categorical(torch.ones(3)), 2), r"discrete q that has a mean, got Categorical"),
        (lambda: straight_through(Normal(0.0, 1.0), 2), r"discrete q that has a mean, got Normal"),
    ],
)
def test_bad_input_is_told_its_remedy(as_users_run_it, call, words):
    with pytest.raises(ValueError, match=words):
        call()
