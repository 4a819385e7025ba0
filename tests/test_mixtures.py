"""Mixtures of Gaussians against scipy's densities, scikit-learn's EM, autograd and enumeration."""

import itertools
import math
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from chance import assert_mean, assert_share
from scipy import stats
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning as SklearnDidNotConverge
from sklearn.mixture import GaussianMixture
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from lvmteach import covariance as structures
from lvmteach import mixtures
from lvmteach.em import ConvergenceWarning, em_steps
from lvmteach.mixtures import (
    Mixture,
    Prior,
    bic,
    covariance_matrices,
    e_step,
    fit_from,
    fit_labelled,
    fit_mixture,
    log_joint,
    log_likelihood,
    log_prior,
    m_step,
    random_start,
    responsibilities,
    sample,
    seeds,
)  # fmt: skip
from lvmteach.runtime import seeded

STRUCTURES = ("full", "diagonal", "spherical")
PRIOR = Prior(points=9.0, variance=0.3)  # proper: more than 2 D points at D = 3
IRIS = torch.tensor(load_iris().data)

# Two routes to the same log density in float64 differ by rounding: eps times a condition number of at most 1e3 here,
# and log densities of at most 1e3 nats.
ROUNDING = 1e-10


def made(covariance="full", N=60, C=4, D=3, seed=0):
    """Data, and a mixture that is not their fit but covers them."""
    with seeded(seed):
        x = torch.randn(N, D, dtype=torch.float64) * 2
        means = torch.randn(C, D, dtype=torch.float64)
        a = torch.randn(C, D, D, dtype=torch.float64)
        full = a @ a.mT + torch.eye(D, dtype=torch.float64) / 2
        weights = torch.rand(C, dtype=torch.float64) + 0.1
    variances = full.diagonal(dim1=1, dim2=2)
    cov = {"full": full, "diagonal": variances.clone(), "spherical": variances.mean(1)}[covariance]
    return x, Mixture(weights / weights.sum(), means, cov)


def scipy_joint(x, params, covariance):
    """log p(x, z = c) by scipy, with the covariances written out here."""
    D = x.shape[1]
    square = {"full": lambda s: s, "diagonal": np.diag, "spherical": lambda s: s * np.eye(D)}[covariance]
    parts = zip(*(part.numpy() for part in params), strict=True)
    joint = [np.log(w) + stats.multivariate_normal(m, square(s)).logpdf(x.numpy()) for w, m, s in parts]
    return np.stack([np.atleast_1d(log_p) for log_p in joint], 1)


# --- densities and the posterior


def assert_density_is_scipys(covariance, **sizes):
    x, params = made(covariance, **sizes)
    truth = scipy_joint(x, params, covariance)
    posterior = np.exp(truth - np.logaddexp.reduce(truth, 1)[:, None])
    np.testing.assert_allclose(log_joint(x, params), truth, atol=ROUNDING)
    np.testing.assert_allclose(log_likelihood(x, params), np.logaddexp.reduce(truth, 1), atol=ROUNDING)
    np.testing.assert_allclose(responsibilities(x, params), posterior, atol=ROUNDING)


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("sizes", [{}, {"C": 1}, {"D": 1}, {"N": 1, "C": 2, "D": 5}])
def test_density_and_posterior_are_scipys(covariance, sizes):
    assert_density_is_scipys(covariance, **sizes)


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("entries", [1, 50, 180])
def test_working_in_blocks_changes_nothing(monkeypatch, entries, covariance):
    monkeypatch.setitem(structures.BLOCK, "cpu", entries)
    assert_density_is_scipys(covariance, N=7)
    assert_trace_is_sklearns(covariance, steps=3)


def test_points_far_from_every_component_have_a_posterior_too():
    """Densities underflow at exp(-745): only log space gives the answer, here in closed form."""
    params = Mixture(torch.tensor([0.5, 0.5]).double(), torch.tensor([[0.0], [1.0]]).double(), torch.ones(2).double())
    x = torch.tensor([[100.0], [-100.0]]).double()
    # log odds of component 1 at x: x - 1/2.
    odds = responsibilities(x, params)[:, 1].logit()
    assert odds[1].item() == pytest.approx(-100.5, rel=1e-12)
    assert responsibilities(x, params)[0].tolist() == [pytest.approx(np.exp(-99.5), rel=1e-9), 1.0]
    assert log_likelihood(x, params).isfinite().all()


def mutant_distances(change):
    """Full covariances whose squared distances and log determinants went through `change`."""
    right = structures.Full.distances

    def wrong(self, means, cov):
        squared, log_det = right(self, means, cov)
        return change(squared, log_det)

    return wrong


DENSITY_MUTANTS = {
    "no log determinant": mutant_distances(lambda squared, log_det: (squared, 0 * log_det)),
    "half the log determinant": mutant_distances(lambda squared, log_det: (squared, log_det / 2)),
    "distance, not its square": mutant_distances(lambda squared, log_det: (lambda x: squared(x).sqrt(), log_det)),
    "precision taken for covariance": lambda self, means, cov: _FULL.distances(means, torch.linalg.inv(cov)),
}


class _Unchanged(structures.Full):
    distances = structures.Full.distances


_FULL = _Unchanged()


@pytest.mark.parametrize("bug", DENSITY_MUTANTS)
def test_a_wrong_density_is_seen(monkeypatch, bug):
    monkeypatch.setattr(structures.Full, "distances", DENSITY_MUTANTS[bug])
    with pytest.raises(AssertionError):
        assert_density_is_scipys("full")


def test_leaving_the_weights_out_is_seen():
    x, params = made()
    even = params._replace(weights=torch.full_like(params.weights, 1 / 4))
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(log_joint(x, even), scipy_joint(x, params, "full"), atol=ROUNDING)


# --- EM


def sklearn_trace(x, start, covariance, steps):
    """Mean log p(x) of scikit-learn's EM, without its regulariser, at the start and after each step."""
    precisions = {
        "full": lambda s: torch.linalg.inv(s), "diagonal": lambda s: 1 / s, "spherical": lambda s: 1 / s
    }[covariance](start.covariances)  # fmt: skip
    peer = GaussianMixture(
        len(start.weights), covariance_type={"diagonal": "diag"}.get(covariance, covariance), reg_covar=0, tol=0.0,
        max_iter=1, warm_start=True, weights_init=start.weights.numpy(), means_init=start.means.numpy(),
        precisions_init=precisions.numpy(), init_params="random", random_state=0,
    )  # fmt: skip
    trace = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SklearnDidNotConverge)  # one step at a time does not converge
        for _ in range(steps):
            peer.fit(x.numpy())
            trace.append(peer.lower_bound_)  # of the parameters before this step
    return [*trace, peer.score(x.numpy())]


def assert_trace_is_sklearns(covariance, steps=20):
    with seeded(5):
        start = random_start(IRIS, 4, covariance=covariance)
    fit = fit_from(IRIS, start, max_steps=steps, tol=0.0)
    # scikit-learn adds 10 eps to each N_c, and both round: 1e-11 is a few hundred times that, and far below any bug.
    np.testing.assert_allclose(fit.log_lik, sklearn_trace(IRIS, start, covariance, steps), rtol=1e-11)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_em_is_scikit_learns_step_by_step(covariance):
    assert_trace_is_sklearns(covariance)


M_STEP_MUTANTS = {
    "divides by N_c - 1": lambda right: lambda scatter, n, prior, D: right(scatter, n - 1, prior, D),
    "pools the components": lambda right: (
        lambda scatter, n, prior, D: right(scatter.sum(0, True).expand_as(scatter), n.sum(0, True), prior, D)
    ),
    "hides a regulariser": lambda right: (
        lambda scatter, n, prior, D: right(scatter, n, prior, D) + 1e-6 * torch.eye(D, dtype=scatter.dtype)
    ),
}


@pytest.mark.parametrize("bug", M_STEP_MUTANTS)
def test_a_wrong_m_step_is_seen(monkeypatch, bug):
    monkeypatch.setattr(structures, "best", M_STEP_MUTANTS[bug](structures.best))
    with pytest.raises(AssertionError):
        assert_trace_is_sklearns("full")


def assert_ascends(covariance, prior, seed):
    x, start = made(covariance, N=80, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # `em` warns of a fall: that must not happen either
        trace = fit_from(x, start, prior=prior, max_steps=40, tol=0.0).log_lik
    assert (trace.diff() >= -1e-9 * trace[1:].abs()).all(), trace.diff().min()
    assert trace[-1] > trace[0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("prior", [None, PRIOR], ids=["likelihood", "prior"])
@pytest.mark.parametrize("covariance", STRUCTURES)
def test_em_never_falls(covariance, prior, seed):
    assert_ascends(covariance, prior, seed)


def assert_gap_is_zero(covariance, r, params, x):
    """KL(q || p(z|x)) with q from the library and the posterior from scipy; and ELBO + KL = log p(x)."""
    joint = scipy_joint(x, params, covariance)
    log_p = np.logaddexp.reduce(joint, 1)
    q = r.numpy().clip(1e-300)
    gap = (q * (np.log(q) - (joint - log_p[:, None]))).sum(1)
    elbo = (q * (joint - np.log(q))).sum(1)
    np.testing.assert_allclose(gap, 0, atol=ROUNDING)
    np.testing.assert_allclose(elbo, log_p, atol=ROUNDING)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_after_each_e_step_the_bound_touches(covariance):
    x, start = made(covariance)
    steps = em_steps(x, start, e_step, lambda x, r: m_step(x, r, covariance=covariance))
    for state, _ in zip(steps, range(5), strict=False):
        assert_gap_is_zero(covariance, state.expected, state.params, x)


def test_a_posterior_of_the_step_before_leaves_a_gap():
    x, start = made()
    r, _ = e_step(x, start)
    with pytest.raises(AssertionError):
        assert_gap_is_zero("full", r, m_step(x, r), x)


def gradient_per_datum(x, params, prior):
    """Largest gradient of the objective over N, in free coordinates: logits, means, logs of scales, and the
    Cholesky factors' lower triangles. Densities by torch.distributions, the prior by its formula with an inverse."""
    factor = torch.linalg.cholesky(covariance_matrices(params))
    lower = factor.tril(-1)
    free = [params.weights.log(), params.means.clone(), factor.diagonal(dim1=1, dim2=2).log()]
    tied = {3: lambda s: s, 2: lambda s: s, 1: lambda s: s.mean(1, keepdim=True).expand_as(s)}
    free[2] = tied[params.covariances.ndim](free[2])[:, : 1 if params.covariances.ndim == 1 else None]
    free = [part.clone().requires_grad_() for part in free] + [lower.clone().requires_grad_()]
    logits, means, scale, lower = free
    kept = lower.tril(-1) * (params.covariances.ndim == 3)
    L = kept + torch.diag_embed(scale.exp().expand(params.means.shape))
    p = MixtureSameFamily(Categorical(logits=logits), MultivariateNormal(means, scale_tril=L))
    objective = p.log_prob(x).mean()
    if prior is not None:
        cov = L @ L.mT
        V = prior.variance * torch.eye(x.shape[1], dtype=x.dtype)
        trace = (torch.linalg.inv(cov) @ V).diagonal(dim1=1, dim2=2).sum()
        objective = objective - prior.points / 2 * (torch.logdet(cov).sum() + trace) / len(x)
    return max(float(g.abs().max()) for g in torch.autograd.grad(objective, free))


def assert_fixed_point(covariance, prior):
    with seeded(2):
        fit = fit_mixture(IRIS, 3, covariance=covariance, prior=prior, restarts=2, tol=1e-12)
    assert fit.converged
    # tol = 1e-12 nats: EM's last step gains at least about gradient^2 x step / 2, with steps of order 0.01 to 1.
    assert gradient_per_datum(IRIS, fit.params, prior) < 1e-4


@pytest.mark.parametrize("prior", [None, PRIOR], ids=["likelihood", "prior"])
@pytest.mark.parametrize("covariance", STRUCTURES)
def test_the_gradient_is_zero_where_em_stops(covariance, prior):
    assert_fixed_point(covariance, prior)


@pytest.mark.filterwarnings("error")
def test_a_prior_left_out_of_the_m_step_is_seen(monkeypatch):
    right = structures.best
    monkeypatch.setattr(structures, "best", lambda scatter, n, prior, D: right(scatter, n, None, D))
    with pytest.raises((AssertionError, ConvergenceWarning)):  # the loop may see it first, as a fall
        assert_fixed_point("full", PRIOR)


def test_a_gradient_that_is_not_zero_is_seen():
    with seeded(2):
        best = fit_mixture(IRIS, 3, restarts=1).params
    assert gradient_per_datum(IRIS, best, PRIOR) > 1e-4
    assert gradient_per_datum(IRIS, best._replace(means=best.means + 0.01), None) > 1e-4


def test_the_last_entry_of_the_trace_is_the_results_objective():
    with seeded(3):
        plain, held = fit_mixture(IRIS, 3), fit_mixture(IRIS, 3, prior=PRIOR)
    assert plain.log_lik[-1].item() == pytest.approx(log_likelihood(IRIS, plain.params).mean().item(), rel=1e-14)
    objective = log_likelihood(IRIS, held.params).mean() + log_prior(held.params, PRIOR) / len(IRIS)
    assert held.log_lik[-1].item() == pytest.approx(objective.item(), rel=1e-14)


# --- the prior


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_the_prior_is_inverse_wishart(covariance):
    """scipy's density differs from `log_prior` by one constant, whatever the covariance."""
    D, m, v = 3, PRIOR.points, PRIOR.variance
    density = {
        "full": lambda s: stats.invwishart(df=m - D - 1, scale=m * v * np.eye(D)).logpdf(s),
        "diagonal": lambda s: stats.invgamma(m / 2 - 1, scale=m * v / 2).logpdf(s).sum(),
        "spherical": lambda s: stats.invgamma(m * D / 2 - 1, scale=m * v * D / 2).logpdf(s),
    }[covariance]
    constants = []
    for seed in range(4):
        _, params = made(covariance, seed=seed)
        truth = sum(density(s) for s in params.covariances.numpy())
        constants.append(float(log_prior(params, PRIOR)) - truth)
    np.testing.assert_allclose(constants, constants[0], atol=ROUNDING)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_a_prior_in_each_column_counts_as_points_there(covariance):
    """The fit with `points` = D is, about its own mean, the fit to the data and one more point per axis."""
    x, _ = made()
    V = torch.tensor([0.5, 1.0, 4.0]).double()
    got = m_step(x, torch.ones(len(x), 1).double(), covariance=covariance, prior=Prior(3.0, V))
    S = np.cov(x.T, bias=True)
    full = (len(x) * S + 3 * np.diag(V)) / (len(x) + 3)
    want = {"full": full, "diagonal": np.diag(full), "spherical": np.trace(full) / 3}[covariance]
    np.testing.assert_allclose(got.covariances[0], want, rtol=ROUNDING)


# --- known labels, starts, restarts


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_known_labels_give_each_class_its_own_moments(covariance):
    z = torch.tensor(load_iris().target)
    got = fit_labelled(IRIS, z, covariance=covariance)
    classes = [IRIS[z == c].numpy() for c in range(3)]
    covs = np.stack([np.cov(c.T, bias=True) for c in classes])
    want = {"full": covs, "diagonal": np.diagonal(covs, axis1=1, axis2=2), "spherical": np.trace(covs.T) / 4}
    np.testing.assert_allclose(got.weights, [1 / 3] * 3)
    np.testing.assert_allclose(got.means, [c.mean(0) for c in classes])
    np.testing.assert_allclose(got.covariances, want[covariance], rtol=ROUNDING)


@pytest.mark.parametrize("labels", [[2023001, -7, 40], [-1, 0, 2], [2**62, -(2**62), 0]])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.uint8])
def test_labels_are_categories_whatever_their_numbers(labels, dtype):
    if max(map(abs, labels)) > torch.iinfo(dtype).max or min(labels) < torch.iinfo(dtype).min:
        labels = [5, 0, 17]
    z = torch.tensor(load_iris().target)
    named = fit_labelled(IRIS, torch.tensor(sorted(labels), dtype=dtype)[z])
    for ours, plain in zip(named, fit_labelled(IRIS, z), strict=True):
        assert torch.equal(ours, plain)


def pairs_by_enumeration(points, candidates):
    """Probability of each ordered pair of seeds, over all ways that the draws can fall."""
    shares = Counter()
    for first in points:
        squares = {point: (point - first) ** 2 for point in points}
        for draws in itertools.product(points, repeat=candidates):
            chance = math.prod(squares[draw] / sum(squares.values()) for draw in draws) / len(points)
            left = [sum(min(squares[p], (p - draw) ** 2) for p in points) for draw in draws]
            shares[first, draws[left.index(min(left))]] += chance
    return shares


def assert_seeding_is_by_squared_distance(draw, candidates=1):
    points, repeats = [0.0, 1.0, 3.0, 7.0], 10_000
    x = torch.tensor(points).double()[:, None]
    with seeded(11):
        found = Counter(tuple(draw(x, 2)[:, 0].tolist()) for _ in range(repeats))
    for pair, share in pairs_by_enumeration(points, candidates).items():
        # By plain distance (0, 7) would have 0.159 instead of 0.208; one draw in place of three, 0.208 for 0.249.
        assert_share(found[pair], repeats, share, resolution=0.025)


@pytest.mark.parametrize("candidates", [1, 2, 3])
@pytest.mark.slow
def test_seeds_are_k_means_plus_plus(candidates):
    assert_seeding_is_by_squared_distance(lambda x, C: seeds(x, C, candidates), candidates)


@pytest.mark.slow
def test_seeding_at_random_or_by_plain_distance_or_not_greedily_is_seen():
    def at_random(x, C):
        return x[torch.randperm(len(x))[:C]]

    def by_distance(x, C):
        first = x[torch.randint(len(x), ())]
        return torch.stack([first, x[torch.multinomial((x - first).abs()[:, 0], 1)[0]]])

    for draw, candidates in ((at_random, 1), (by_distance, 1), (lambda x, C: seeds(x, C, 1), 3)):
        with pytest.raises(AssertionError):
            assert_seeding_is_by_squared_distance(draw, candidates)


def test_the_best_restart_is_returned():
    with seeded(4):
        alone = [fit_mixture(IRIS, 5, covariance="spherical", restarts=1).log_lik[-1] for _ in range(6)]
    with seeded(4):
        best = fit_mixture(IRIS, 5, covariance="spherical", restarts=6)
    assert max(alone) - min(alone) > 1e-3  # there is something to choose from
    assert best.log_lik[-1] == max(alone)


def test_an_interrupt_ends_the_restarts_and_keeps_the_fit(monkeypatch):
    calls = []

    def step(*args, **kwargs):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return e_step(*args, **kwargs)

    monkeypatch.setattr(mixtures, "e_step", step)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        fit = fit_mixture(IRIS, 3, restarts=50)
    assert len(calls) == 7
    assert len(fit.log_lik) == 6


# --- sampling and choosing


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_samples_have_the_mixtures_moments(covariance):
    _, params = made(covariance)
    with seeded(7):
        x, z = sample(params, 200_000)
    for c, weight in enumerate(params.weights.tolist()):
        assert_share(int((z == c).sum()), len(z), weight, resolution=0.01)
        own = x[z == c].numpy()
        assert_mean(own, params.means[c], resolution=0.1)
        centred = own - params.means[c].numpy()
        products = centred[:, :, None] * centred[:, None, :]
        size = float(covariance_matrices(params)[c].abs().max())
        assert_mean(products / size, covariance_matrices(params)[c] / size, resolution=0.1)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_bic_is_scikit_learns(covariance):
    peer = GaussianMixture(3, covariance_type={"diagonal": "diag"}.get(covariance, covariance), random_state=0)
    peer.fit(IRIS.numpy())
    params = Mixture(*(torch.tensor(part) for part in (peer.weights_, peer.means_, peer.covariances_)))
    assert bic(IRIS, params).item() == pytest.approx(peer.bic(IRIS.numpy()), rel=ROUNDING)


# --- the border


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_everything_stays_on_the_datas_device(covariance):
    """A tensor made without naming the data's device would land on `meta`, and could not be mixed with the data."""
    with torch.device("meta"):
        start = random_start(IRIS, 2, covariance=covariance, prior=PRIOR)
        r, objective = e_step(IRIS, start, PRIOR)
        params = m_step(IRIS, r, covariance=covariance, prior=PRIOR)
        x, z = sample(params, 5)
        found = [r, objective, *params, x, z, bic(x, params), responsibilities(x, params), log_prior(params, PRIOR)]
    assert {part.device.type for part in found} == {"cpu"}


def test_float32_is_fitted_in_float64():
    fit = fit_mixture(IRIS.float(), 2)
    assert {part.dtype for part in fit.params} == {torch.float64}
    assert log_likelihood(IRIS.float(), fit.params).dtype == torch.float64


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_far_from_the_origin_nothing_is_lost(covariance):
    """Shifted by 1e6, data keep 10 digits, so log densities agree to about 1e-8 relative times their size."""
    _, start = made(covariance)
    x, _ = made(N=300)
    here = fit_from(x, start, max_steps=5, tol=0.0).log_lik
    there = fit_from(x + 1e6, start._replace(means=start.means + 1e6), max_steps=5, tol=0.0).log_lik
    np.testing.assert_allclose(there, here, rtol=1e-8)


def three_points():
    return torch.tensor([[0.0, 0.0], [1.0, 0.5], [0.2, 2.0]]).double()


def with_entry(value):
    x = IRIS.clone()
    x[3, 1] = value
    return x


BAD = {
    "N < C": (lambda: fit_mixture(three_points(), 4), ValueError, "at least 4 rows, got 3"),
    "C = 0": (lambda: fit_mixture(IRIS, 0), ValueError, "C must be at least 1"),
    "no restarts": (lambda: fit_mixture(IRIS, 2, restarts=0), ValueError, "restarts must be at least 1"),
    "NaN": (lambda: fit_mixture(with_entry(np.nan), 2), ValueError, "1 NaN"),
    "infinity": (lambda: fit_mixture(with_entry(np.inf), 2), ValueError, "1 infinite"),
    "a vector": (lambda: fit_mixture(IRIS[0], 1), ValueError, r"x\[None\]"),
    "an array": (lambda: fit_mixture(IRIS.numpy(), 1), TypeError, "as_tensor"),
    "constant column": (
        lambda: fit_mixture(torch.cat([IRIS, torch.ones(150, 1)], 1), 2), ValueError, "columns 4 hold one value"
    ),
    "duplicates": (lambda: fit_mixture(three_points().repeat(9, 1), 4), ValueError, "4 distinct rows, got 3 among 27"),
    "as many places as components": (
        lambda: fit_mixture(three_points().repeat(9, 1), 3), FloatingPointError, "Remedies: a prior"
    ),
    "no more points than dimensions": (lambda: fit_mixture(IRIS[50:54], 1), FloatingPointError, "too few points"),
    "columns that depend on each other": (
        lambda: fit_mixture(torch.cat([IRIS, IRIS[:, :1] + IRIS[:, 1:2]], 1), 2), FloatingPointError, "depend"
    ),
    "a start far away": (
        lambda: fit_from(IRIS, far_start()), FloatingPointError, "component 1 lost every point.*start nearer"
    ),
    "other columns": (lambda: log_likelihood(IRIS[:, :2], made()[1]), ValueError, "with D = 2 as in x"),
    "NaN where we predict": (lambda: responsibilities(with_entry(np.nan), far_start()), ValueError, "1 NaN"),
    "weights that do not sum": (
        lambda: fit_from(IRIS, far_start()._replace(weights=torch.ones(2).double())), ValueError, "sum to one"
    ),
    "covariances of another shape": (
        lambda: fit_from(IRIS, far_start()._replace(covariances=torch.ones(3, 4).double())), ValueError, r"\(3, 4\)"
    ),
    "a covariance that is none": (
        lambda: fit_from(IRIS, far_start()._replace(covariances=-torch.ones(2).double())),
        ValueError, "positive variances, got -1 in components 0, 1; did you pass logarithms"
    ),
    "unknown structure": (lambda: fit_mixture(IRIS, 2, covariance="diag"), ValueError, "spherical, got 'diag'"),
    "a prior of no points": (lambda: fit_mixture(IRIS, 2, prior=Prior(0, 1.0)), ValueError, "points > 0"),
    "labels of another length": (lambda: fit_labelled(IRIS, torch.zeros(3).long()), ValueError, "with N = 150 as in x"),
    "labels that are names": (lambda: fit_labelled(IRIS, torch.zeros(150)), TypeError, r"use z.long\(\)"),
    "weights that sum to two, to predict": (
        lambda: responsibilities(IRIS, far_start()._replace(weights=torch.ones(2).double())), ValueError, "sum 2; try"
    ),
    "NaN means": (
        lambda: log_likelihood(IRIS, far_start()._replace(means=torch.full((2, 4), np.nan).double())),
        ValueError, "means must be finite.*got NaN entries in components 0, 1"
    ),
    "means near the largest float": (
        lambda: fit_from(IRIS, far_start()._replace(means=1e300 * far_start().means)),
        ValueError, "means must be finite, and their squares too, got infinite or nearly"
    ),
    "data near the largest float": (lambda: fit_mixture(1e300 * IRIS, 2), ValueError, "finite squares, but reaches 7"),
    "a matrix that is no covariance": (
        lambda: sample(far_start()._replace(covariances=torch.ones(2, 4, 4).double() + torch.eye(4) * -0.5), 3),
        ValueError, r"symmetric and positive definite, got one with an eigenvalue of -0.5 \(number 0, 1\)"
    ),
    "a prior beyond float64": (
        lambda: fit_mixture(torch.cat([IRIS, IRIS[:, :1]], 1), 2, prior=Prior(1.0, 1e-30)),
        FloatingPointError, "prior's variance is too small"
    ),
    "float32 far away": (
        lambda: fit_labelled((1e3 + IRIS * NARROW[:, None]).float(), (NARROW < 1).long()), FloatingPointError,
        "component 1 collapsed.*columns 0, 1, 2, 3 have too few digits: they tell steps of 0.00012.*in float64"
    ),
}  # fmt: skip


NARROW = torch.ones(150).double().index_fill(0, torch.arange(75, 150), 1e-4)


def far_start():
    means = torch.stack([IRIS.mean(0), IRIS.mean(0) + 1000])
    return Mixture(torch.tensor([0.5, 0.5]).double(), means, torch.ones(2).double())


@pytest.mark.parametrize("case", BAD)
@pytest.mark.usefixtures("as_users_run_it")
def test_bad_input_is_refused_with_the_remedy(case):
    call, error, message = BAD[case]
    with seeded(0), pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_a_component_on_one_point_collapses_and_a_prior_saves_it(covariance):
    """Started narrow on an outlier, a component shrinks onto it; under the prior its width has a closed form."""
    x = torch.cat([IRIS[:100], IRIS.mean(0, keepdim=True) + 30])
    means = torch.stack([x.mean(0), x[-1] + 0.01])
    cov = {"full": torch.eye(4).expand(2, 4, 4), "diagonal": torch.ones(2, 4), "spherical": torch.ones(2)}
    start = Mixture(torch.tensor([0.5, 0.5]).double(), means, cov[covariance].double())
    with pytest.raises(FloatingPointError, match=r"component 1 collapsed.*points held: 1 of 101.*Prior"):
        fit_from(x, start)
    prior = Prior(points=2.0, variance=0.5)
    width = covariance_matrices(fit_from(x, start, prior=prior).params)[1]
    np.testing.assert_allclose(width, 2 * 0.5 / (1 + 2) * np.eye(4), atol=1e-9)


def test_a_component_that_holds_next_to_nothing_is_named():
    x, _ = made(N=50)
    means = torch.stack([x.mean(0), x.mean(0)])
    start = Mixture(torch.tensor([1 - 1e-4, 1e-4]).double(), means, torch.stack([x.T.cov(correction=0)] * 2))
    with pytest.warns(UserWarning, match="component 1 of 2 ended with less than half a point.*lower C"):
        fit_from(x, start, max_steps=1, tol=0.0)


def test_not_converged_is_said():
    with pytest.warns(ConvergenceWarning, match="has not converged in 2 steps.*raise max_steps"):
        fit = fit_mixture(IRIS, 3, restarts=1, max_steps=2)
    assert not fit.converged
    assert len(fit.log_lik) == 3


def test_constant_columns_pass_with_a_prior():
    x = torch.cat([IRIS, torch.ones(150, 1)], 1)
    fit = fit_mixture(x, 2, prior=Prior(points=1.0, variance=1e-4))
    n = fit.params.weights * 150
    np.testing.assert_allclose(fit.params.covariances[:, 4, 4], 1e-4 / (n + 1), rtol=1e-9)


@pytest.mark.usefixtures("as_users_run_it")
def test_parameters_in_single_precision_are_taken_as_the_data_are():
    x, params = made()
    single = Mixture(*(part.float() for part in params))
    for ask in (log_likelihood, responsibilities):
        assert ask(x, single).dtype == torch.float64
        assert torch.equal(ask(x, single), ask(x, Mixture(*(part.double() for part in single))))
