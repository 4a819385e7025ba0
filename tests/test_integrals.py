"""Monte Carlo and importance sampling against closed forms, quadrature and SciPy.

Estimates are checked over many repeats at once: a proposal of batch shape (R,) gives R independent estimates.
"""

import math

import numpy as np
import pytest
import torch
from chance import assert_mean, assert_share, assert_variance
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import integrate, special, stats
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, Uniform

from lvmteach.integrals import Estimate, ess, importance, log_mean_exp, monte_carlo, normalise
from lvmteach.runtime import seeded

EPS = np.finfo(float).eps


def normal(mean=0.0, scale=1.0, repeats=()):
    """A normal in float64, with `repeats` as its batch shape."""
    return Normal(torch.full(repeats, mean, dtype=torch.float64), torch.full(repeats, scale, dtype=torch.float64))


P = normal()


def one(z):
    return torch.ones_like(z)


# ---------------------------------------------------------------------------------------------- broken estimators


def broken_monte_carlo(bug):
    def estimator(f, p, K):
        f_z = f(p.sample((K,)))
        std_err = {
            "variance divided by K": f_z.std(0, correction=0) / math.sqrt(K),
            "standard deviation, not error": f_z.std(0),
            "variance as standard error": f_z.var(0) / K,
        }
        return Estimate(f_z.mean(0), std_err[bug])

    return estimator


def broken_importance(bug):
    def estimator(f, log_p, q, K, self_normalised=False):
        z = q.sample((K,))
        f_z, w = f(z), (log_p(z) - q.log_prob(z)).exp()
        w = {"weights upside down": 1 / w, "weights forgotten": torch.ones_like(w)}.get(bug, w)
        w = w / w.mean(0) if self_normalised and bug != "never normalised" else w
        value = (w * f_z).mean(0)
        centred = w * (f_z - value) if self_normalised and bug != "not centred" else w * f_z - value
        std_err = f_z.std(0) if bug == "error of f alone" else centred.std(0)
        return Estimate(value, std_err / math.sqrt(K))

    return estimator


def sees(check, broken):
    """The same assertion, on a broken estimator, fails."""
    with pytest.raises(AssertionError):
        check(broken)


# ---------------------------------------------------------------------------------------------- plain Monte Carlo

COS_MEAN = math.exp(-1 / 2)  # E[cos z], z ~ N(0, 1): the characteristic function at 1
COS_VAR = (1 + math.exp(-2)) / 2 - math.exp(-1)


def check_monte_carlo(estimator):
    with seeded(1):
        mean, std_err = estimator(torch.cos, normal(repeats=(200_000,)), K=5)
    assert_mean(mean, COS_MEAN, resolution=0.005)
    assert_variance(mean, COS_VAR / 5, resolution=0.05)
    # Five draws: a variance divided by K is 20 % too small.
    assert_mean(std_err**2, COS_VAR / 5, resolution=0.1 * COS_VAR / 5)


def test_monte_carlo_is_unbiased_and_so_is_its_squared_error():
    check_monte_carlo(monte_carlo)


@pytest.mark.parametrize(
    "bug", ["variance divided by K", "standard deviation, not error", "variance as standard error"]
)
def test_a_wrong_error_bar_is_seen(bug):
    sees(check_monte_carlo, broken_monte_carlo(bug))


# ---------------------------------------------------------------------------------------------- importance weights


def second_moment(s, delta=0.0):
    """E_q[(p/q)^2] for p = N(0, 1), q = N(delta, s^2), in closed form."""
    if s**2 <= 1 / 2:
        return math.inf
    return s**2 / math.sqrt(2 * s**2 - 1) * math.exp(delta**2 / (2 * s**2 - 1))


def second_moment_up_to(cut, s, delta=0.0):
    """The part of the same integral with |z| < cut, by quadrature."""
    log_integrand = lambda z: 2 * stats.norm.logpdf(z) - stats.norm.logpdf(z, delta, s)  # noqa: E731
    return integrate.quad(lambda z: math.exp(log_integrand(z)), -cut, cut, epsrel=1e-11, limit=500, points=[0])[0]


@pytest.mark.parametrize(("s", "delta"), [(0.75, 0.0), (1.0, 0.0), (1.0, 1.0), (1.5, -1.0), (3.0, 0.5)])
def test_the_second_moment_of_gaussian_weights_has_a_closed_form(s, delta):
    assert second_moment_up_to(40, s, delta) == pytest.approx(second_moment(s, delta), rel=1e-9)


def test_the_second_moment_blows_up_at_half_the_variance():
    assert second_moment(math.sqrt(0.5 + 1e-9)) > 1e4
    # At s^2 = 1/2 the integrand is flat: the integral grows with its range. Below, it grows ever faster.
    assert second_moment_up_to(20, math.sqrt(0.5)) == pytest.approx(2 * second_moment_up_to(10, math.sqrt(0.5)))
    assert second_moment_up_to(20, 0.6) > 1e20 * second_moment_up_to(10, 0.6)


# The fourth moment of the weights must exist for chance.py: s^2 > 3/4.
WIDE = [(1.0, 0.5), (1.5, 0.0), (1.5, 1.0), (2.0, -1.0)]


def check_importance(estimator, s=1.5, delta=1.0):
    q, K = normal(delta, s, repeats=(100_000,)), 20
    with seeded(2):
        total, std_err = estimator(one, P.log_prob, q, K)
        squared, _ = estimator(torch.square, P.log_prob, q, K)
    variance = (second_moment(s, delta) - 1) / K
    assert_mean(total, 1, resolution=0.02)
    assert_mean(squared, 1, resolution=0.02)
    assert_variance(total, variance, resolution=0.2)
    assert_mean(std_err**2, variance, resolution=0.1 * variance)


@pytest.mark.parametrize(("s", "delta"), WIDE)
def test_importance_is_unbiased_with_the_variance_of_its_weights(s, delta):
    check_importance(importance, s, delta)


@pytest.mark.parametrize("bug", ["weights upside down", "weights forgotten", "error of f alone"])
def test_wrong_weights_are_seen(bug):
    sees(check_importance, broken_importance(bug))


@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_second_moment_is_raised_to_the_power_d(d):
    s, repeats, K = 1.25, 20_000, 20
    q = Independent(normal(0, s, (repeats, d)), 1)
    p = Independent(normal(0, 1, (repeats, d)), 1)
    with seeded(3):
        total, std_err = importance(lambda z: torch.ones_like(z[..., 0]), p.log_prob, q, K)
    variance = (second_moment(s) ** d - 1) / K
    assert_mean(total, 1, resolution=0.02)
    assert_mean(std_err**2, variance, resolution=0.1 * variance)


def test_ess_tells_the_second_moment():
    q = normal(0.5, 1.5)
    with seeded(4):
        z = q.sample((50_000, 20))
        share = ess(P.log_prob(z) - q.log_prob(z)) / len(z)
    # ESS/K is 1/E[w^2] but for a bias of order 1/K, far below the resolution.
    assert_mean(share, 1 / second_moment(1.5, 0.5), resolution=0.005)


def test_ess_is_the_error_bar_of_the_mean_weight():
    q, K = normal(0.5, 1.5), 30
    with seeded(5):
        z = q.sample((K,))
        log_w = P.log_prob(z) - q.log_prob(z)
    with seeded(5):
        total, std_err = importance(one, P.log_prob, q, K)
    torch.testing.assert_close(std_err / total, ((K / ess(log_w) - 1) / (K - 1)).sqrt())


# ---------------------------------------------------------------------------------------------- a rare event


def beyond(a):
    return lambda z: z > a


def test_a_rare_event_against_the_normal_tail():
    q, truth = normal(4, 1, (2000,)), stats.norm.sf(4)
    with seeded(6):
        value, std_err = importance(beyond(4), P.log_prob, q, K=2000)
    variance = math.exp(16) * stats.norm.sf(8) - truth**2  # of one draw
    assert_mean(value, truth, resolution=0.01 * truth)
    assert_mean(2000 * std_err**2, variance, resolution=0.05 * variance)
    assert round(truth * (1 - truth) / variance) == 6999


# ---------------------------------------------------------------------------------------------- the best proposal


@pytest.mark.parametrize("a", [0.5, 1.0, 3.0])
def test_the_proposal_proportional_to_f_p_has_no_variance(a):
    """E[e^(a z)] = e^(a^2/2), and e^(a z) p(z) is proportional to N(a, 1)."""
    with seeded(7):
        value, std_err = importance(lambda z: (a * z).exp(), P.log_prob, normal(a), K=1000)
    # Logarithms of size up to 100 carry 100 eps each into the weights.
    assert value.item() == pytest.approx(math.exp(a**2 / 2), rel=300 * EPS)
    assert std_err < 300 * EPS * value


def test_with_the_posterior_as_proposal_every_weight_is_p_of_x():
    x = torch.tensor(1.7, dtype=torch.float64)  # z ~ N(0, 1), x|z ~ N(z, 1): x ~ N(0, 2), z|x ~ N(x/2, 1/2)
    q = normal(x.item() / 2, math.sqrt(1 / 2))
    with seeded(8):
        z = q.sample((100,))
    log_w = P.log_prob(z) + Normal(z, torch.ones_like(z)).log_prob(x) - q.log_prob(z)
    truth = stats.norm.logpdf(x.item(), 0, math.sqrt(2))
    np.testing.assert_allclose(log_w, truth, rtol=100 * EPS)
    assert log_mean_exp(log_w).item() == pytest.approx(truth, rel=100 * EPS)
    assert ess(log_w).item() == pytest.approx(100, rel=100 * EPS)


# ---------------------------------------------------------------------------------------------- self-normalised


def test_a_self_normalised_estimate_needs_no_constant():
    q = normal(0.5, 1.5, (20,))
    with seeded(9):
        whole = importance(torch.square, P.log_prob, q, 50, self_normalised=True)
    with seeded(9):
        shifted = importance(torch.square, lambda z: P.log_prob(z) + 1000, q, 50, self_normalised=True)
    # A constant of 1000 leaves the log weights 1000 eps of rounding.
    torch.testing.assert_close(shifted, whole, rtol=1e4 * EPS, atol=0)


def two_draw_mean(delta):
    """E of the self-normalised estimate of E_p[z] from two draws of q = N(delta, 1), by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    z1, z2 = nodes[:, None] + delta, nodes[None, :] + delta
    share = special.expit(delta * (z2 - z1))  # log w = -delta z + constant
    return (weights[:, None] * weights * (share * z1 + (1 - share) * z2)).sum() / weights.sum() ** 2


def check_two_draws(estimator):
    with seeded(10):
        value, _ = estimator(lambda z: z, P.log_prob, normal(1, 1, (400_000,)), 2, self_normalised=True)
    assert_mean(value, two_draw_mean(1.0), resolution=0.02)


def test_the_bias_of_self_normalising_two_draws():
    assert two_draw_mean(0.0) == pytest.approx(0, abs=1e-12)
    assert 0 < two_draw_mean(1.0) < 1  # between the target's mean and the proposal's
    check_two_draws(importance)


@pytest.mark.parametrize("bug", ["never normalised", "weights upside down", "weights forgotten"])
def test_a_wrong_self_normalised_estimate_is_seen(bug):
    sees(check_two_draws, broken_importance(bug))


def test_the_bias_falls_as_one_over_K():
    delta, K = 0.5, 50
    with seeded(11):
        value, _ = importance(lambda z: z, P.log_prob, normal(delta, 1, (100_000,)), K, self_normalised=True)
    # To first order -E_q[w^2 (f - I)] / K; w^2 q is e^(delta^2) N(-delta, 1). The next order is 1/K of that.
    first_order = delta * math.exp(delta**2) / K
    assert_mean(value, first_order, resolution=0.25 * first_order)


# ---------------------------------------------------------------------------------------------- coverage


def covered(estimate, truth):
    """How many of the 95 % intervals hold the truth."""
    return int(((estimate.value - truth).abs() <= stats.norm.ppf(0.975) * estimate.std_err).sum())


DRAWS, REPEATS = 300, 10_000  # enough that 93 % and 97 % are far outside chance
HONEST = {
    "monte_carlo": (lambda: monte_carlo(torch.cos, normal(repeats=(REPEATS,)), DRAWS), COS_MEAN),
    "importance": (lambda: importance(torch.cos, P.log_prob, normal(0.3, 1.3, (REPEATS,)), DRAWS), COS_MEAN),
    "self_normalised": (
        lambda: importance(torch.cos, lambda z: -(z**2) / 2, normal(0.3, 1.3, (REPEATS,)), DRAWS, True),
        COS_MEAN,
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_95_percent_intervals_cover_between_93_and_97_percent(name):
    estimate, truth = HONEST[name]
    with seeded(12):
        hits = covered(estimate(), truth)
    assert_share(hits, REPEATS, 0.95, resolution=0.02)


def check_self_normalised_error(estimator):
    """f = z + 3 has a mean far from zero, which a self-normalised estimate must not feel."""
    with seeded(13):
        estimate = estimator(lambda z: z + 3, P.log_prob, normal(0.3, 1.3, (REPEATS,)), DRAWS, self_normalised=True)
    assert_share(covered(estimate, 3), REPEATS, 0.95, resolution=0.02)


def test_a_self_normalised_error_bar_is_centred():
    check_self_normalised_error(importance)


@pytest.mark.parametrize("bug", ["not centred", "error of f alone"])
def test_a_wrong_self_normalised_error_bar_is_seen(bug):
    sees(check_self_normalised_error, broken_importance(bug))


@pytest.mark.parametrize("self_normalised", [False, True])
def test_with_infinite_variance_the_intervals_do_not_cover(self_normalised):
    """s^2 = 0.2: the weights' tail is t^(-1/(1 - s^2)), so the mean exists and the variance does not."""
    q = normal(0, math.sqrt(0.2), (REPEATS,))
    with seeded(14):
        estimate = importance(torch.square, P.log_prob, q, DRAWS, self_normalised)
    hits = covered(estimate, 1)
    assert stats.binom.cdf(hits, REPEATS, 0.93) < 1e-6, f"{hits / REPEATS:.3f} of the intervals cover"


# ---------------------------------------------------------------------------------------------- p(x) of the lecture


def log_likelihood(z, x):
    """log p(x|z) of the lecture's decoder, mu(z) = (10 sin^3 z, 10 cos z - 10 cos^4 z)."""
    mean = torch.stack([10 * z.sin() ** 3, 10 * z.cos() - 10 * z.cos() ** 4], -1)
    scale = torch.sinc(z / math.pi).abs()[..., None] * torch.tensor([1 / 3, 1], dtype=z.dtype)
    return Normal(mean, scale).log_prob(x).sum(-1)


def integrand(z, x):
    """p(x|z) p(z), written with SciPy alone."""
    scale = abs(np.sinc(z / np.pi))
    mean = 10 * np.sin(z) ** 3, 10 * np.cos(z) - 10 * np.cos(z) ** 4
    return stats.norm.pdf(x[0], mean[0], scale / 3) * stats.norm.pdf(x[1], mean[1], scale) * stats.norm.pdf(z)


# The integrand is smooth (its Gaussian beats 1/Sigma where Sigma vanishes, at multiples of pi) and falls to zero at
# the ends, so the trapezoid rule is exact to rounding once its step resolves the narrowest peak.
STEP = 1e-4
GRID = (np.arange(-125_664, 125_664) + 0.5) * STEP
POINTS = [(3.7, 4.6), (0.0, 2.0), (8.0, -2.0)]


@pytest.mark.parametrize("x", [*POINTS, (0.0, -19.0)])
def test_two_quadratures_agree_on_p_of_x(x):
    pieces = [
        integrate.quad(integrand, n * np.pi, (n + 1) * np.pi, args=(x,), limit=500, epsabs=0, epsrel=1e-10)[0]
        for n in range(-4, 4)
    ]
    assert integrand(GRID, x).sum() * STEP == pytest.approx(sum(pieces), rel=1e-9)


@pytest.mark.parametrize("x", POINTS)
def test_p_of_x_from_the_prior_and_from_a_fitted_proposal(x):
    joint = integrand(GRID, x)
    truth = joint.sum() * STEP
    mean = (GRID * joint).sum() / joint.sum()
    spread = math.sqrt(((GRID - mean) ** 2 * joint).sum() / joint.sum())
    observed, K, repeats = torch.tensor(x, dtype=torch.float64), 500, 2000
    likelihood = lambda z: log_likelihood(z, observed).exp()  # noqa: E731

    with seeded(15):
        plain = monte_carlo(likelihood, normal(repeats=(repeats,)), K)
    assert_mean(plain.value, truth, resolution=0.1 * truth)
    variance = (joint**2 / stats.norm.pdf(GRID)).sum() * STEP - truth**2
    assert_mean(K * plain.std_err**2, variance, resolution=0.2 * variance)

    # A tenth of a wide normal keeps the weights bounded far from the posterior, where mu(z) comes round again.
    density = 0.9 * stats.norm.pdf(GRID, mean, spread) + 0.1 * stats.norm.pdf(GRID, 0, 2)
    kinds = Categorical(torch.tensor([0.9, 0.1], dtype=torch.float64).expand(repeats, 2))
    means, scales = torch.tensor([[mean, 0], [spread, 2]], dtype=torch.float64).expand(repeats, 2, 2).unbind(1)
    with seeded(16):
        fitted = importance(likelihood, P.log_prob, MixtureSameFamily(kinds, Normal(means, scales)), K)
    assert_mean(fitted.value, truth, resolution=0.01 * truth)
    variance = (joint**2 / density).sum() * STEP - truth**2
    assert_mean(K * fitted.std_err**2, variance, resolution=0.05 * variance)
    assert fitted.std_err.mean() < plain.std_err.mean()


# ---------------------------------------------------------------------------------------------- weight algebra

finite = st.floats(-1e3, 1e3)
some_zero = st.one_of(finite, st.just(-math.inf))
huge = st.floats(-1e30, 1e30)


def log_weights(elements=finite):
    shapes = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6)
    return arrays(np.float64, shapes, elements=elements).map(torch.from_numpy)


def rounding(log_w):
    """The rounding of a log weight, for a dozen operations on K of them."""
    finite = log_w[log_w.isfinite()]
    largest = finite.abs().max().item() if finite.numel() else 0.0
    return 16 * EPS * (largest + len(log_w))


@settings(deadline=None)
@given(log_weights(some_zero))
def test_log_mean_exp_is_scipys(log_w):
    with np.errstate(divide="ignore"):
        truth = special.logsumexp(log_w.numpy(), axis=0) - math.log(len(log_w))
    np.testing.assert_allclose(log_mean_exp(log_w), truth, rtol=0, atol=rounding(log_w))


@settings(deadline=None)
@given(log_weights(some_zero), finite)
def test_a_shift_of_the_log_weights_shifts_log_mean_exp(log_w, shift):
    atol = rounding(log_w) + rounding(torch.tensor([shift]))
    moved, value = log_mean_exp(log_w + shift), log_mean_exp(log_w)
    np.testing.assert_allclose(moved, value + shift, rtol=0, atol=atol)
    alive = value > -math.inf
    np.testing.assert_allclose(normalise(log_w + shift)[:, alive], normalise(log_w)[:, alive], rtol=atol, atol=1e-300)
    np.testing.assert_allclose(ess(log_w + shift)[alive], ess(log_w)[alive], rtol=2 * atol)


@settings(deadline=None)
@given(log_weights(some_zero), st.randoms(use_true_random=False))
def test_the_order_of_the_samples_is_nothing(log_w, random):
    order = random.sample(range(len(log_w)), len(log_w))
    atol = rounding(log_w)
    np.testing.assert_allclose(log_mean_exp(log_w[order]), log_mean_exp(log_w), rtol=0, atol=atol)
    np.testing.assert_allclose(normalise(log_w[order]), normalise(log_w)[order], rtol=atol, atol=1e-300)
    np.testing.assert_allclose(ess(log_w[order]), ess(log_w), rtol=atol)


@settings(deadline=None)
@given(log_weights(st.one_of(some_zero, huge)))
def test_bounds(log_w):
    K, top, value = len(log_w), log_w.amax(0), log_mean_exp(log_w)
    slack = rounding(log_w)
    assert ((value <= top + slack) & (value >= top - math.log(K) - slack)).all()
    assert (value >= log_w.mean(0) - slack).all()  # Jensen
    alive = top > -math.inf
    w, size = normalise(log_w)[:, alive], ess(log_w)[alive]
    assert ((w >= 0) & (w <= 1)).all()
    np.testing.assert_allclose(w.sum(0), 1, rtol=K * EPS)
    assert ((size >= 1) & (size <= K)).all()


@settings(deadline=None)
@given(log_weights())
def test_normalise_and_ess_are_their_definitions(log_w):
    w = special.softmax(log_w.numpy(), axis=0)
    np.testing.assert_allclose(normalise(log_w), w, rtol=rounding(log_w), atol=1e-300)
    np.testing.assert_allclose(ess(log_w), 1 / (w**2).sum(0), rtol=rounding(log_w))


def test_ess_at_its_ends():
    one_has_all = torch.tensor([0.0, -math.inf, -math.inf])
    assert ess(one_has_all) == 1
    assert ess(torch.full((8,), -1e30)) == 8  # an eighth is exact in binary
    assert ess(torch.zeros(4, 2)).tolist() == [4, 4]
    assert ess(torch.zeros(21)) <= 21  # rounding alone gives 21.000002


def test_weights_far_beyond_the_range_of_exp():
    log_w = torch.tensor([-2000.0, -2000.0 + math.log(3)], dtype=torch.float64)
    assert log_mean_exp(log_w).item() == pytest.approx(-2000 + math.log(2), rel=EPS * 4)
    np.testing.assert_allclose(normalise(log_w), [0.25, 0.75], rtol=1e4 * EPS)


def test_no_weight_at_all():
    log_w = torch.full((4,), -math.inf)
    assert log_mean_exp(log_w) == -math.inf
    assert normalise(log_w).isnan().all()
    assert ess(log_w).isnan()


WEIGHT_BUGS = {
    "log K missing": (log_mean_exp, lambda w: torch.logsumexp(w, 0)),
    "overflows": (log_mean_exp, lambda w: w.exp().mean(0).log()),
    "mean of the logs": (log_mean_exp, lambda w: w.mean(0)),
    "averages the batch": (log_mean_exp, lambda w: torch.logsumexp(w, -1) - math.log(w.shape[-1])),
    "normalises the batch": (normalise, lambda w: torch.softmax(w, -1)),
    "sum of squares": (ess, lambda w: 1 / torch.softmax(w, 0).square().sum()),
    "one over the largest": (ess, lambda w: 1 / torch.softmax(w, 0).amax(0)),
}


@pytest.mark.parametrize("bug", WEIGHT_BUGS)
def test_one_batch_of_weights_tells_each_wrong_formula(bug):
    """The cases the properties above draw from do tell the likely mistakes from the truth."""
    right, wrong = WEIGHT_BUGS[bug]
    with seeded(17):
        log_w = 400 * torch.randn(5, 3, dtype=torch.float64) + torch.tensor([0.0, 900, -900], dtype=torch.float64)
        log_w = torch.cat([log_w, torch.randn(5, 3, dtype=torch.float64)], 1)
    truth, value = right(log_w), wrong(log_w)
    assert value.shape != truth.shape or not torch.allclose(value, truth, rtol=1e-6)


def test_the_gradient_of_log_mean_exp_is_the_normalised_weights():
    with seeded(18):
        log_w = (100 * torch.randn(6, 4, dtype=torch.float64)).requires_grad_()
    log_mean_exp(log_w).sum().backward()
    truth = special.softmax(log_w.detach().numpy(), axis=0)
    np.testing.assert_allclose(log_w.grad, truth, rtol=rounding(log_w.detach()), atol=1e-300)
    with seeded(19):
        small = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(log_mean_exp, small)
    assert torch.autograd.gradcheck(ess, small)


def test_a_weight_of_zero_has_no_gradient():
    log_w = torch.tensor([-math.inf, 0.0, 1.0], requires_grad=True)
    log_mean_exp(log_w).backward()
    torch.testing.assert_close(log_w.grad, torch.tensor([0.0, 1 / (1 + math.e), math.e / (1 + math.e)]))


# ---------------------------------------------------------------------------------------------- shapes, types, streams


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_device_are_the_inputs(dtype):
    p = Normal(torch.zeros(3, dtype=dtype), torch.ones(3, dtype=dtype))
    q = Normal(torch.ones(3, dtype=dtype), 2 * torch.ones(3, dtype=dtype))
    log_w = torch.zeros(4, 3, dtype=dtype)
    # With another default device, a tensor made without its input's device could not be combined with it.
    with torch.device("meta"):
        results = [
            *monte_carlo(torch.cos, p, 5),
            *monte_carlo(beyond(1), p, 5),
            *importance(beyond(1), p.log_prob, q, 5),
            *importance(torch.cos, p.log_prob, q, 5, self_normalised=True),
            log_mean_exp(log_w),
            ess(log_w),
            normalise(log_w)[0],
        ]
    assert {(r.dtype, r.device.type, tuple(r.shape)) for r in results} == {(dtype, "cpu", (3,))}
    abstract = log_w.to("meta")
    assert {f(abstract).device.type for f in (log_mean_exp, ess, normalise)} == {"meta"}


@pytest.mark.parametrize("self_normalised", [False, True])
def test_f_may_return_arrays(self_normalised):
    p, q = Independent(normal(0, 1, (2, 3)), 1), Independent(normal(0.2, 1.3, (2, 3)), 1)
    with seeded(20):
        plain = monte_carlo(lambda z: z[..., :, None] * z[..., None, :], p, 1000)
        value, std_err = importance(
            lambda z: z[..., :, None] * z[..., None, :], p.log_prob, q, 200_000, self_normalised
        )
    assert plain.value.shape == value.shape == std_err.shape == (2, 3, 3)
    assert ((value - torch.eye(3)).abs() < 6 * std_err).all()  # 18 entries, 6 standard errors: 4e-8


def test_true_and_false_count_as_one_and_zero():
    for p, dtype in ((P, torch.float64), (Categorical(torch.tensor([0.25, 0.75])), torch.float32)):
        with seeded(21):
            share = monte_carlo(lambda z: z > 0, p, 100)
        with seeded(21):
            hits = (p.sample((100,)) > 0).sum().item()
        assert share.value.dtype == dtype
        assert share.value.item() == pytest.approx(hits / 100)


def test_f_may_be_anything_where_p_is_zero():
    """E[log z] = -1 for z uniform on (0, 1); log z is NaN on the proposal's other half."""
    p, q = Uniform(0.0, 1.0, validate_args=False), normal(0.5, 0.5, (5,))
    with seeded(22):
        for self_normalised in (False, True):
            value, std_err = importance(torch.log, p.log_prob, q, 20_000, self_normalised)
            assert ((value + 1).abs() < 6 * std_err).all()


def test_draws_come_from_the_ambient_stream():
    with seeded(23):
        first, second = monte_carlo(torch.cos, P, 10), monte_carlo(torch.cos, P, 10)
    with seeded(23):
        again = monte_carlo(torch.cos, P, 10)
    assert first == again
    assert first != second


def test_an_estimate_prints_itself():
    assert str(Estimate(torch.tensor(0.5), torch.tensor(0.012345))) == "0.5 ± 0.012"
    assert "tensor([1., 2.]) ±" in str(Estimate(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0])))


# ---------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("K", [1, 0, -3])
def test_one_draw_has_no_error_bar(K):
    with pytest.raises(ValueError, match=f"at least 2.*got {K}"):
        monte_carlo(torch.cos, P, K)
    with pytest.raises(ValueError, match=f"at least 2.*got {K}"):
        importance(torch.cos, P.log_prob, P, K)


@pytest.mark.usefixtures("as_users_run_it")
def test_K_is_a_whole_number():
    with pytest.raises(TypeError, match=r"whole number, got 10000\.0; write 10_000"):
        monte_carlo(torch.cos, P, 1e4)


@pytest.mark.parametrize("average", [lambda z: z.mean(), lambda z: z.mean(0)])
def test_f_that_averages_is_refused(average):
    q = normal(0, 1, (3,))
    for estimate in (lambda: monte_carlo(average, q, 10), lambda: importance(average, P.log_prob, q, 10)):
        with pytest.raises(ValueError, match="do not average inside f"):
            estimate()


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(("f", "kind"), [(lambda z: 1.0, "float"), (lambda z: z.numpy(), "ndarray")])
def test_f_that_returns_no_tensor_is_refused(f, kind):
    with pytest.raises(TypeError, match=f"f must return a tensor.*got {kind}"):
        monte_carlo(f, P, 10)
    with pytest.raises(TypeError, match=f"log_p must return a tensor.*got {kind}"):
        importance(torch.cos, f, P, 10)


def test_nan_is_refused_with_the_draw_that_made_it():
    with seeded(24), pytest.raises(ValueError, match=r"f\(z\) is NaN at \d+ of 100 draws, the first z = -"):
        monte_carlo(torch.log, P, 100)
    with seeded(24), pytest.raises(ValueError, match=r"f\(z\) is NaN at \d+ of 100 draws"):
        importance(torch.log, P.log_prob, P, 100)
    with seeded(24), pytest.raises(ValueError, match=r"log p\(z\) - log q\(z\) is NaN at \d+ of 100"):
        importance(torch.cos, torch.log, P, 100)


@pytest.mark.parametrize(
    "log_p",
    [
        lambda z: P.log_prob(z).sum(),
        lambda z: P.log_prob(z).sum(0),
        lambda z: P.log_prob(z),
        lambda z: P.log_prob(z).sum(-1, keepdim=True),
    ],
)
def test_log_p_of_another_shape_is_refused(log_p):
    """z is one event of three coordinates: log_p must sum over them. Broadcasting would have hidden each."""
    q = Independent(normal(0, 1, (3,)), 1)
    with pytest.raises(ValueError, match=r"one log density a draw, \(4,\).*got \(.*\); sum over the coordinates"):
        importance(lambda z: z, log_p, q, 4)


@pytest.mark.parametrize("f", [lambda z: z[:, 0], lambda z: z[:, :1]])
def test_f_of_another_batch_than_the_proposals_is_refused(f):
    """Both would have broadcast: (4,) along the wrong axis of four proposals, (4, 1) over all of them."""
    with pytest.raises(ValueError, match=r"each of the \(4, 4\) weights"):
        importance(f, P.log_prob, normal(0, 1, (4,)), 4)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("function", [log_mean_exp, normalise, ess])
def test_no_samples_are_refused(function):
    for log_w, shape in ((torch.zeros(0, 3), r"\(0, 3\)"), (torch.tensor(0.0), r"\(\)")):
        with pytest.raises(ValueError, match=rf"(K >= 1 samples on its first axis, got shape|\(K, \*B\), got) {shape}"):
            function(log_w)
