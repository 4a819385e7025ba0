"""Score function and reparameterisation against closed forms, for continuous z; discrete z has its own file."""

from itertools import product

import numpy as np
import pytest
import torch
from chance import assert_mean, assert_variance
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.distributions import (
    Beta,
    Categorical,
    Dirichlet,
    Exponential,
    Gamma,
    Independent,
    Laplace,
    LogNormal,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    Pareto,
    Poisson,
    Uniform,
)

from lvmteach.gradients import (
    PerParameter,
    RunningMean,
    gradient_samples,
    leave_one_out,
    optimal_baseline,
    reparameterised,
    score_function,
)
from lvmteach.runtime import seeded

T, M, S = 0.7, 1.5, 1.3  # f = sum_i (z_i - T)^2 under q = N(M, S^2) in every dimension
KINDS = ("reparameterised", "none", "mean", "optimal", "leave-one-out")


def double(*values):
    return tuple(torch.tensor(v, dtype=torch.float64) for v in values)


def squares(z):
    return (z - T).square().sum(-1)


def gaussian(m, s):
    return Independent(Normal(m, s), 1)


def closed_form(kind, D, K, d=M - T, s=S):
    """Variance of the estimates of d/dmu_i and d/ds_i of E sum_i (z_i - t)^2 from K draws; d = mu - t."""
    mu = {
        "reparameterised": 4 * s**2,
        "none": D**2 * (d**2 + s**2) ** 2 / s**2 + D * (8 * d**2 + 6 * s**2) + 4 * d**2 + 8 * s**2,
        "mean": D * (4 * d**2 + 2 * s**2) + 4 * d**2 + 8 * s**2,
        "optimal": D * (4 * d**2 + 2 * s**2) + 4 * d**2 + 4 * s**2,
    }
    sigma = {
        "reparameterised": 4 * d**2 + 8 * s**2,
        "none": 2 * D**2 * (d**2 + s**2) ** 2 / s**2 + D * (24 * d**2 + 20 * s**2) + 32 * d**2 + 52 * s**2,
        "mean": D * (8 * d**2 + 4 * s**2) + 32 * d**2 + 52 * s**2,
        "optimal": D * (8 * d**2 + 4 * s**2) + 32 * d**2 + 20 * s**2,
    }
    if kind != "leave-one-out":
        return mu[kind] / K, sigma[kind] / K
    pairs = K * (K - 1)
    return (
        mu["mean"] / K + (D * (4 * d**2 + 2 * s**2) + 4 * d**2) / pairs,
        sigma["mean"] / K + (D * (8 * d**2 + 4 * s**2) + 4 * s**2) / pairs,
    )


def optimum(D, d=M - T, s=S):
    return D * (d**2 + s**2) + 2 * s**2, D * (d**2 + s**2) + 4 * s**2


def estimator(kind, D, K):
    baselines = {
        "none": lambda m, s: None,
        "mean": lambda m, s: D * ((M - T) ** 2 + S**2),
        "optimal": lambda m, s: PerParameter((m, s), optimum(D)),
        "leave-one-out": lambda m, s: leave_one_out,
    }
    if kind == "reparameterised":
        return lambda m, s: reparameterised(squares, gaussian(m, s), K)
    return lambda m, s: score_function(squares, gaussian(m, s), K, baselines[kind](m, s))


def at(D):
    return double([M] * D, [S] * D)


@pytest.mark.parametrize("D", [1, 2, 3])  # the variances are quadratics in D, which three values determine
def test_the_closed_forms_are_what_quadrature_gives(D):
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)  # exact to degree 15; the integrands have degree 8
    eps = np.array(list(product(nodes, repeat=D)))
    w = np.prod(list(product(weights / weights.sum(), repeat=D)), 1)
    d, s = M - T, S
    f = ((d + s * eps) ** 2).sum(1)
    slope, e = 2 * (d + s * eps[:, 0]), eps[:, 0]
    for i, (pathwise, score) in enumerate([(slope, e / s), (slope * e, (e**2 - 1) / s)]):
        mean = w @ (f * score)
        assert w @ pathwise == pytest.approx(mean, rel=1e-12)  # rounding of a sum of 512 terms
        best = w @ (f * score**2) / (w @ score**2)
        assert optimum(D)[i] == pytest.approx(best, rel=1e-12)
        exact = {
            "reparameterised": w @ pathwise**2 - mean**2,
            "none": w @ (f * score) ** 2 - mean**2,
            "mean": w @ ((f - w @ f) * score) ** 2 - mean**2,
            "optimal": w @ ((f - best) * score) ** 2 - mean**2,
        }
        for kind, variance in exact.items():
            assert closed_form(kind, D, K=1)[i] == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize(("D", "repeats"), [(1, 1_000_000), (4, 200_000), (16, 50_000), (64, 12_000)])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_and_variance_follow_the_closed_forms(kind, D, repeats):
    variances = closed_form(kind, D, K=2)
    with seeded(D):
        gradients = gradient_samples(estimator(kind, D, K=2), at(D), repeats)
    for gradient, truth, variance in zip(gradients, (2 * (M - T), 2 * S), variances, strict=True):
        assert_mean(gradient, np.full(D, truth), resolution=0.1 * variance**0.5)
        # Leaving out the term in 1/(K(K - 1)), or taking 1/K^2 for it, moves the variance by 14 % and more.
        # A draw's coordinates are correlated, so they count as one number: their mean square.
        assert_mean((gradient - truth).square().mean(1) / variance, 1.0, resolution=0.12)


@pytest.mark.parametrize("D", [1, 3])
def test_the_optimal_baseline_meets_its_closed_form(D):
    with seeded(1):
        groups = [optimal_baseline(lambda m, s: (squares, gaussian(m, s)), at(D), draws=10_000) for _ in range(200)]
    for found, truth in zip(zip(*groups, strict=True), optimum(D), strict=True):
        # A ratio of means of 10000 draws: its own bias, of order 1e-4, is far below what 200 of them resolve.
        assert_mean(torch.stack(found), np.full(D, truth), resolution=0.02 * truth)


# Every f and every q. The oracle is torch's closed form for the moments of q, differentiated by autograd.

FAMILIES = {
    "normal": (Normal, (0.3, 1.2)),
    "laplace": (Laplace, (0.3, 0.8)),
    "exponential": (Exponential, (1.5,)),
    "gamma": (Gamma, (2.0, 1.5)),
    "beta": (Beta, (2.0, 3.0)),
    "poisson": (Poisson, (2.5,)),
    "log-normal": (LogNormal, (0.1, 0.3)),
    "dirichlet": (Dirichlet, ([1.0, 2.0, 3.0],)),
    "full normal": (lambda m, s: MultivariateNormal(m, scale_tril=torch.diag_embed(s)), ([0.3, -0.2], [1.0, 0.5])),
    "mixture": (
        lambda a, m, s: MixtureSameFamily(Categorical(logits=a), Normal(m, s)),
        ([0.2, -0.3], [-1.0, 1.5], [0.5, 0.7]),
    ),
}


def moments(z, q):
    per_coordinate = z + z**2
    return per_coordinate.sum(-1) if q.event_shape else per_coordinate


def assert_gradient_of_moments(make, params, verb, repeats=100_000):
    params = double(*params)
    leaves = [p.clone().requires_grad_() for p in params]
    q = make(*leaves)
    truth = torch.autograd.grad((q.mean + q.variance + q.mean**2).sum(), leaves)

    def one(*copies):
        q = make(*copies)
        return verb(lambda z: moments(z, q), q)

    with seeded(2):
        found = gradient_samples(one, params, repeats)
    for gradient, exact in zip(found, truth, strict=True):
        assert_mean(gradient, exact, resolution=0.1 * max(1, float(exact.abs().max())))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_score_function_takes_any_q(family):
    assert_gradient_of_moments(*FAMILIES[family], lambda f, q: score_function(f, q, 4, leave_one_out))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in ("poisson", "mixture")])
def test_reparameterisation_takes_any_q_with_rsample(family):
    assert_gradient_of_moments(*FAMILIES[family], lambda f, q: reparameterised(f, q, 4))


# f may depend on q's parameters: f = m z^2 + s z, so E f = m (m^2 + s^2) + s m.


def own_parameters(verb, repeats=200_000, K=2):
    """Gradients of E f for m and s, with their truth, where f depends on m and s as well."""
    m, s = double(0.8, 1.1)
    with seeded(3):
        found = gradient_samples(lambda m, s: verb(lambda z: m * z**2 + s * z, Normal(m, s), K, m, s), (m, s), repeats)
    return torch.stack(found, -1), np.array([3 * m**2 + s**2 + s, 2 * m * s + m])


def assert_own_parameters(verb):
    found, truth = own_parameters(verb)
    assert_mean(found, truth, resolution=0.05 * truth.max())


def warm_running_mean():
    baseline = RunningMean(decay=0.5)
    baseline(torch.full((1,), 1.7, dtype=torch.float64))
    return baseline


@pytest.mark.parametrize(
    "verb",
    [
        lambda f, q, K, m, s: reparameterised(f, q, K),
        lambda f, q, K, m, s: score_function(f, q, K),
        lambda f, q, K, m, s: score_function(f, q, K, baseline=1.7),
        lambda f, q, K, m, s: score_function(f, q, K, baseline=m),  # a number, not a path for gradients
        lambda f, q, K, m, s: score_function(f, q, K, baseline=leave_one_out),
        lambda f, q, K, m, s: score_function(f, q, K, baseline=warm_running_mean()),
        lambda f, q, K, m, s: score_function(f, q, K, baseline=PerParameter((m, s), (2.0, -1.0))),
    ],
    ids=["reparameterised", "none", "constant", "tensor", "leave-one-out", "running mean", "per parameter"],
)
def test_f_may_depend_on_the_parameters_of_q(verb):
    assert_own_parameters(verb)


def with_gradient(f_z, weight, log_q):
    return (f_z + weight.detach() * (log_q - log_q.detach())).mean(0)


def own_sample(f, q, K, m, s):
    z = q.sample((K,))
    return with_gradient(f(z), f(z) - f(z).mean(0), q.log_prob(z))


def missing_detach(f, q, K, m, s):
    z = q.sample((K,))
    return (f(z) * q.log_prob(z)).mean(0) + f(z).mean(0)


def leaking_draws(f, q, K, m, s):
    z = q.rsample((K,))
    return with_gradient(f(z), f(z), q.log_prob(z))


def through_f_only(f, q, K, m, s):
    return f(q.sample((K,))).mean(0)


def score_only(f, q, K, m, s):
    z = q.sample((K,))
    return (f(z).detach() * q.log_prob(z)).mean(0)


def wrong_sign(f, q, K, m, s):
    z = q.sample((K,))
    return with_gradient(f(z), -f(z), q.log_prob(z))


def sum_for_mean(f, q, K, m, s):
    return K * score_function(f, q, K)


@pytest.mark.parametrize(
    "mutant", [own_sample, missing_detach, leaking_draws, through_f_only, score_only, wrong_sign, sum_for_mean]
)
def test_a_planted_bug_is_seen(mutant):
    with pytest.raises(AssertionError, match="mean is off"):
        assert_own_parameters(mutant)


def test_leave_one_out_divided_by_K_is_seen():
    """Its mean is right, as with any baseline; only the variance gives it away."""
    m, s = at(4)
    with seeded(4):
        found, _ = gradient_samples(
            lambda m, s: score_function(squares, gaussian(m, s), 2, lambda f: (f.sum(0) - f) / len(f)), (m, s), 200_000
        )
    variance, _ = closed_form("leave-one-out", 4, K=2)
    assert_mean(found, np.full(4, 2 * (M - T)), resolution=0.1 * variance**0.5)
    with pytest.raises(AssertionError, match="mean is off"):
        assert_variance(found, np.full(4, variance), resolution=0.12)


def test_the_running_mean_reads_before_it_writes():
    baseline = RunningMean(decay=0.5)
    seen = [float(baseline(torch.tensor([f, f + 2.0], dtype=torch.float64))) for f in (1.0, 5.0, 9.0)]
    # Means of the calls: 2, 6, 10. Weights of earlier calls halve with each further call.
    assert seen == pytest.approx([0.0, 2.0, (6.0 + 0.5 * 2.0) / 1.5], rel=1e-15)
    assert baseline(torch.zeros(3, dtype=torch.float32)).dtype == torch.float32


def test_the_running_mean_comes_to_the_variance_of_the_constant_baseline():
    baseline = RunningMean()
    with seeded(4):
        for _ in range(3):  # a call has 400000 draws: its mean is Ef to a hundredth
            (found,) = gradient_samples(
                lambda m: score_function(squares, gaussian(m, torch.full_like(m, S)), 2, baseline), at(1)[:1], 200_000
            )
    assert_variance(found[:, 0], closed_form("mean", 1, K=2)[0], resolution=0.1)


def test_a_running_mean_that_reads_its_own_draws_is_seen():
    def own(f_z):
        return f_z.mean(0)  # what a running mean of decay 0 would be, were it written first

    with pytest.raises(AssertionError, match="mean is off"):
        assert_own_parameters(lambda f, q, K, m, s: score_function(f, q, K, own))


# Leave-one-out against no baseline. Exact variances for m from five moments, by quadrature over N(M, S^2).

SMOOTH = {
    "square": lambda z: (z - T) ** 2,
    "square, far away": lambda z: (z + 4) ** 2,
    "exponential": lambda z: torch.exp(z / 2),
    "logistic": lambda z: torch.sigmoid(3 * z),
}
CENTRED = {"cosine": lambda z: torch.cos(2.3 * z)}


def exact_variances(f, K):
    """Variance for d/dm of the score function with no baseline and with leave-one-out, K draws."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    w, score = weights / weights.sum(), nodes / S
    f_z = f(torch.as_tensor(M + S * nodes)).numpy()
    covariance, mean = w @ (f_z * score), w @ f_z
    none = w @ (f_z * score) ** 2 - covariance**2
    centred = w @ ((f_z - mean) * score) ** 2 - covariance**2
    pair = (w @ (f_z - mean) ** 2) * (w @ score**2) + covariance**2
    return none / K, centred / K + pair / (K * (K - 1))


@pytest.mark.parametrize("K", [2, 10])
@pytest.mark.parametrize("name", SMOOTH | CENTRED)
def test_the_variance_of_leave_one_out_is_known_for_any_f(name, K):
    f = (SMOOTH | CENTRED)[name]
    with seeded(5):
        for baseline, variance in zip((None, leave_one_out), exact_variances(f, K), strict=True):
            (found,) = gradient_samples(
                lambda m, b=baseline: score_function(f, Normal(m, S), K, b), double(M), 1_000_000 // K
            )
            assert_variance(found, variance, resolution=0.15)


@pytest.mark.parametrize("K", [2, 3, 10, 100])
@pytest.mark.parametrize("name", SMOOTH)
def test_leave_one_out_is_never_worse_where_the_mean_of_f_is_not_small(name, K):
    none, left_out = exact_variances(SMOOTH[name], K)
    assert left_out < none


def test_leave_one_out_costs_a_little_where_the_mean_of_f_is_zero():
    """E cos(2.3 z) is 0.0: there is nothing to take off, and the estimate of that nothing is noise."""
    for K in (2, 10, 100):
        none, left_out = exact_variances(CENTRED["cosine"], K)
        # Not quite: the squares of mean and gradient are at most (2.3 e^{-(2.3 S)^2 / 2})^2 = 0.0007, against 0.3.
        assert left_out / none == pytest.approx(K / (K - 1), rel=0.01)


def test_the_score_function_wins_on_a_fast_wave():
    k, wave = 2.3, CENTRED["cosine"]
    # E cos^2(k z) eps^2 and E sin^2(k z), by E cos(2 k z) = e^{-2 k^2 s^2} cos(2 k m), which is 1e-8 here.
    truth = -k * np.exp(-((k * S) ** 2) / 2) * np.sin(k * M)
    with seeded(6):
        (score,) = gradient_samples(lambda m: score_function(wave, Normal(m, S), 1), double(M), 1_000_000)
        (path,) = gradient_samples(lambda m: reparameterised(wave, Normal(m, S), 1), double(M), 1_000_000)
    for found, variance, printed in ((score, 0.5 / S**2, 0.296), (path, 0.5 * k**2, 2.645)):
        assert variance == pytest.approx(printed, abs=5e-4)
        assert_variance(found, variance - truth**2, resolution=0.02)
        assert_mean(found, truth, resolution=0.02)


def test_a_jump_is_invisible_to_reparameterisation(as_users_run_it):
    """A steep sigmoid has slope nearly nowhere; of a true step autograd has nothing to say, and the library says so."""
    with pytest.raises(ValueError, match="use score_function"):
        reparameterised(lambda z: (z > 0).double(), Normal(torch.zeros(3, requires_grad=True), 1.0), 5)
    with seeded(7):
        (found,) = gradient_samples(lambda m: score_function(lambda z: z > 1, Normal(m, 1.0), 1), double(0.0), 400_000)
    assert_mean(found, stats.norm.pdf(1), resolution=0.01)


# What holds for every draw.


@pytest.mark.parametrize("baseline", [None, 3.0, leave_one_out, PerParameter])
def test_the_value_is_the_mean_of_f_whatever_the_baseline(baseline):
    m = double(0.4)[0].requires_grad_()
    b = PerParameter((m,), (2.0,)) if baseline is PerParameter else baseline
    with seeded(8):
        value = score_function(torch.exp, Normal(m, S), 5, b)
    with seeded(8):
        z = Normal(m, S).sample((5,))
    assert value.shape == ()
    assert value.item() == pytest.approx(z.exp().mean().item(), rel=1e-14)  # rounding


@settings(deadline=None, max_examples=50)
@given(shift=st.floats(-100, 100), K=st.integers(2, 6), seed=st.integers(0, 1000))
def test_leave_one_out_does_not_see_a_constant(shift, K, seed):
    def gradient(f):
        with seeded(seed):
            return gradient_samples(lambda m: score_function(f, Normal(m, S), K, leave_one_out), double(M), 5)[0]

    # Rounding: a baseline of 100 takes off 100, each good to 1e-14; the largest score of so few draws is below 5.
    torch.testing.assert_close(gradient(torch.sin), gradient(lambda z: torch.sin(z) + shift), rtol=0, atol=1e-11)


def test_at_the_exact_posterior_the_optimal_baseline_leaves_no_variance():
    """f = log p(x, z) - log q(z) is constant there, c; its gradient is (c - 1 - b) score, so b* = c - 1."""
    x = double(0.8)[0]

    def problem(m, s):
        q = Normal(m, s)
        return lambda z: Normal(0.0, 1.0).log_prob(z) + Normal(z, 1.0).log_prob(x) - q.log_prob(z), q

    posterior = double(0.4, 0.5**0.5)  # z ~ N(0, 1), x|z ~ N(z, 1): z|x ~ N(x/2, 1/2)
    evidence = Normal(*double(0.0, 2**0.5)).log_prob(x).item()
    with seeded(9):
        best = optimal_baseline(problem, posterior, 50)
        found = gradient_samples(
            lambda m, s: score_function(*problem(m, s), 1, PerParameter((m, s), best)), posterior, 50
        )
    for b, gradient in zip(best, found, strict=True):
        assert b.item() == pytest.approx(evidence - 1, rel=1e-12)
        assert gradient.abs().max() < 1e-12  # rounding


def test_optimal_baseline_is_zero_for_a_parameter_that_q_does_not_have():
    with seeded(10):
        b_m, b_c = optimal_baseline(lambda m, c: (lambda z: c * z, Normal(m, S)), double(M, 2.0), 100)
    assert b_c == 0
    assert b_m != 0


def test_gradients_are_drawn_one_a_repeat_for_params_of_any_shape():
    table, bias = double([[1.0, 2.0], [3.0, 4.0]], 5.0)
    found = gradient_samples(lambda a, c: (a**2).sum((-1, -2)) + c**3, (table, bias), 7)
    torch.testing.assert_close(found[0], (2 * table).expand(7, 2, 2), rtol=0, atol=0)
    torch.testing.assert_close(found[1], torch.full((7,), 75.0, dtype=torch.float64), rtol=0, atol=0)


def test_gradient_samples_work_under_no_grad_and_leave_the_params_alone():
    m = double(M)[0].requires_grad_()
    with torch.no_grad():
        (found,) = gradient_samples(lambda m: reparameterised(torch.sin, Normal(m, S), 2), (m,), 3)
        score_function(torch.sin, Normal(m, S), 2, leave_one_out)  # a value, without a gradient
    assert found.shape == (3,)
    assert m.grad is None


@pytest.mark.parametrize("baseline", [None, 0.5, leave_one_out, RunningMean()])
def test_single_precision_stays_single(baseline):
    m = torch.tensor(0.5, requires_grad=True)
    assert score_function(torch.sin, Normal(m, 1.0), 3, baseline).dtype == torch.float32


# Bad input: the rule, the value received, the remedy.

UNIT = Normal(torch.zeros(3), 1.0)
MOVING = torch.ones(3, requires_grad=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: reparameterised(torch.sin, UNIT, 0), "K must be at least 1, got 0"),
        (lambda: score_function(torch.sin, UNIT, 0), "K must be at least 1, got 0"),
        (lambda: reparameterised(torch.sin, Poisson(torch.ones(3)), 2), r"got Poisson; use score_function"),
        (
            lambda: reparameterised(torch.sin, Independent(Poisson(torch.ones(3)), 1), 2),
            r"got Independent\(Poisson\); use score_function",
        ),
        (lambda: score_function(lambda z: z.mean(), UNIT, 4), r"\(4, 3\), got \(\).*do not average inside f"),
        (lambda: score_function(lambda z: z.sum(-1), UNIT, 4), r"\(4, 3\), got \(4,\).*q = Independent\(q, 1\)"),
        (lambda: reparameterised(lambda z: z.mean(), UNIT, 4), r"\(4, 3\), got \(\).*do not average inside f"),
        (
            lambda: score_function(torch.sin, Uniform(0.0, MOVING), 2),
            "support that stays where it is, got Uniform.*; use reparameterised",
        ),
        (
            lambda: score_function(lambda z: z[..., 0], Independent(Pareto(MOVING, 1.0), 1), 2),
            r"got Independent\(Pareto.*; use reparameterised",
        ),
        (lambda: score_function(torch.sin, UNIT, 1, leave_one_out), "K >= 2 draws, got 1; .*RunningMean"),
        (lambda: score_function(torch.sin, UNIT, 2, torch.ones(5)), r"broadcast to f's values, \(2, 3\), got \(5,\)"),
        (
            lambda: score_function(torch.sin, UNIT, 2, PerParameter((torch.ones(4),), (1.0,))),
            r"start with q's batch axes, \(3,\), got shapes \[\(4,\)\]",
        ),
        (lambda: RunningMean(decay=1.0), r"decay must be in \[0, 1\), got 1.0"),
        (lambda: gradient_samples(torch.sin, (torch.ones(2),), 0), r"at least one repeat \(or draw\) is needed, got 0"),
        (lambda: gradient_samples(torch.sin, (torch.ones(2),), 5), r"\(5,\), got \(5, 2\).*Independent"),
        (
            lambda: gradient_samples(lambda m: Normal(m, 1.0).sample((3,)).mean(0), (torch.ones(()),), 5),
            "carries no gradient; a draw by q.sample",
        ),
    ],
)
def test_bad_input_is_told_its_remedy(as_users_run_it, call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_single_parameter_needs_its_tuple(as_users_run_it):
    with pytest.raises(TypeError, match=r"params must be a tuple, got Tensor; write \(params,\)"):
        gradient_samples(torch.sin, torch.ones(2), 5)
