"""Factor analysis and PPCA against dense Gaussians in NumPy, scikit-learn, and general optimisers.

The oracles build the D x D covariance that the library avoids, and condition, invert and factorise it directly.
"""

import warnings

import chance
import numpy as np
import pytest
import torch
from scipy import optimize, stats
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA, FactorAnalysis

from lvmteach import linear_gaussian as lg
from lvmteach.em import ConvergenceWarning, em
from lvmteach.linear_gaussian import missing as holes
from lvmteach.linear_gaussian.fitting import FLOOR
from lvmteach.runtime import device, seeded

# Sums of a few hundred float64 terms agree to a few hundred roundings of 1.1e-16, times the condition of the
# covariances used here (below 1e4): 1e-10 relative leaves room on any machine and would hide no formula.
ROUNDED = 1e-10


def model(D=6, L=2, seed=1, isotropic=False):
    rng = np.random.default_rng(seed)
    noise = rng.uniform(0.3, 1.5, () if isotropic else D)
    return lg.LinearGaussian(*map(torch.as_tensor, (rng.normal(size=D), rng.normal(size=(D, L)), np.asarray(noise))))


def data(N, D=6, L=2, seed=2, **options):
    """Rows of a linear-Gaussian model, drawn by NumPy."""
    mu, W, psi = dense(model(D, L, **options))
    rng = np.random.default_rng(seed)
    return torch.as_tensor(rng.multivariate_normal(mu, W @ W.T + np.diag(psi), size=N))


def with_holes(x, share=0.3, seed=3):
    gone = torch.as_tensor(np.random.default_rng(seed).random(tuple(x.shape)) < share)
    return x.masked_fill(gone, torch.nan)


def wine():
    return torch.as_tensor(stats.zscore(load_wine().data))


def dense(params):
    mu, W = params.mu.numpy(), params.W.numpy()
    return mu, W, np.broadcast_to(params.noise.numpy(), mu.shape)


def close(ours, oracle, rtol=ROUNDED):
    """Equal, relative to the oracle's largest entry."""
    oracle = np.asarray(oracle)
    np.testing.assert_allclose(np.asarray(ours), oracle, rtol=0, atol=rtol * np.abs(oracle).max())


def quiet(fit, *args, **options):
    """A fit that may stop early, or at the floor, without its warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit(*args, **options)


# What the parameters say about data.


def conditioned(row, params):
    """p(z | observed entries), from the joint Gaussian of (z, x): condition on a block of it."""
    mu, W, psi = dense(params)
    seen = ~np.isnan(row)
    cov = (W @ W.T + np.diag(psi))[np.ix_(seen, seen)]
    gain = np.linalg.solve(cov, W[seen]).T
    return gain @ (row - mu)[seen], np.eye(W.shape[1]) - gain @ W[seen]


def log_density(row, params):
    mu, W, psi = dense(params)
    seen = ~np.isnan(row)
    if not seen.any():
        return 0.0
    return stats.multivariate_normal(mu[seen], (W @ W.T + np.diag(psi))[np.ix_(seen, seen)]).logpdf(row[seen])


def assert_posterior(posterior, x, params, **options):
    mean, cov = posterior(x, params, **options)
    oracle = [conditioned(row, params) for row in x.numpy()]
    close(mean, [m for m, _ in oracle])
    close(cov.expand(len(x), *cov.shape[-2:]), [c for _, c in oracle])


def assert_log_likelihood(log_likelihood, x, params, **options):
    close(log_likelihood(x, params, **options), [log_density(row, params) for row in x.numpy()])


SHAPES = [(6, 2, False), (6, 2, True), (3, 2, False), (40, 3, False), (5, 1, True)]


@pytest.mark.parametrize(("D", "L", "isotropic"), SHAPES)
def test_posterior_and_likelihood_are_those_of_the_joint_gaussian(D, L, isotropic):
    params, x = model(D, L, isotropic=isotropic), data(7, D, L)
    assert_posterior(lg.posterior, x, params)
    assert_log_likelihood(lg.log_likelihood, x, params)
    assert lg.posterior(x, params).cov.shape == (L, L)


@pytest.mark.parametrize(("D", "L", "isotropic"), SHAPES)
def test_missing_entries_are_integrated_out(D, L, isotropic):
    params, x = model(D, L, isotropic=isotropic), with_holes(data(9, D, L))
    x[0] = torch.nan  # a row with nothing observed: posterior = prior, likelihood 1
    x[1] = data(1, D, L)
    assert_posterior(lg.posterior, x, params, missing=True)
    assert_log_likelihood(lg.log_likelihood, x, params, missing=True)


def test_no_holes_is_the_same_with_missing_said():
    params, x = model(), data(5)
    assert torch.equal(lg.log_likelihood(x, params, missing=True), lg.log_likelihood(x, params))


def test_imputation_is_the_conditional_mean():
    params, x = model(), with_holes(data(12))
    filled = lg.impute(x, params)
    mu, W, psi = dense(params)
    cov = W @ W.T + np.diag(psi)
    for row, ours in zip(x.numpy(), filled.numpy(), strict=True):
        gone, seen = np.isnan(row), ~np.isnan(row)
        gain = np.linalg.solve(cov[np.ix_(seen, seen)], cov[np.ix_(seen, gone)]).T
        np.testing.assert_allclose(ours[gone], mu[gone] + gain @ (row - mu)[seen], rtol=ROUNDED, atol=ROUNDED)
        assert np.array_equal(ours[seen], row[seen])


def test_covariance_is_that_of_the_marginal():
    params = model()
    _, W, psi = dense(params)
    close(lg.covariance(params), W @ W.T + np.diag(psi))


@pytest.mark.parametrize("isotropic", [False, True])
def test_draws_have_the_moments_of_the_model(isotropic):
    params = model(D=3, L=2, isotropic=isotropic)
    with seeded(4):
        z, x = lg.sample(params, 200_000)
    _, W, psi = dense(params)
    joint = torch.cat([z, x - params.mu], 1).numpy()
    # Resolution: a tenth of the smallest noise variance, and of a loading; a lost sqrt or transpose is larger.
    chance.assert_mean(joint, np.zeros(5), resolution=0.05)
    expected = np.block([[np.eye(2), W.T], [W, W @ W.T + np.diag(psi)]])
    chance.assert_mean(joint[:, :, None] * joint[:, None, :], expected, resolution=0.1)


def broken_posterior(x, params, missing=False):
    """Takes the noise for a standard deviation."""
    return lg.posterior(x, params._replace(noise=params.noise.square()), missing=missing)


def prior_forgotten(x, params, missing=False):
    """(W' Psi^-1 W)^-1 in place of (I + W' Psi^-1 W)^-1."""
    scaled = params.W / params.psi[:, None]
    cov = torch.linalg.inv(params.W.T @ scaled)
    return lg.Posterior((x - params.mu) @ scaled @ cov, cov)


@pytest.mark.parametrize("broken", [broken_posterior, prior_forgotten])
def test_the_posterior_test_sees(broken):
    with pytest.raises(AssertionError):
        assert_posterior(broken, data(7), model())


def no_determinant_of_M(x, params, missing=False):
    scaled = params.W / params.psi[:, None]
    M = torch.eye(2) + params.W.T @ scaled
    return lg.log_likelihood(x, params) + 0.5 * torch.logdet(M)


def holes_as_zeros(x, params, missing=True):
    return lg.log_likelihood(x.nan_to_num(), params)


def holes_counted(x, params, missing=True):
    """2 pi for every entry, observed or not."""
    return lg.log_likelihood(x, params, missing=True) - 0.5 * np.log(2 * np.pi) * x.isnan().sum(1)


@pytest.mark.parametrize("broken", [no_determinant_of_M, holes_as_zeros, holes_counted])
def test_the_likelihood_test_sees(broken):
    x = data(7) if broken is no_determinant_of_M else with_holes(data(7))
    with pytest.raises(AssertionError):
        assert_log_likelihood(broken, x, model())


# The closed form.


def assert_maximum_ppca(params, x, L):
    """Tipping and Bishop's W W', sigma^2 and log-likelihood, from a singular value decomposition of the data."""
    N, D = x.shape
    centred = x.numpy() - x.numpy().mean(0)
    _, s, Vt = np.linalg.svd(centred, full_matrices=False)
    values = np.zeros(D)
    values[: len(s)] = s**2 / N
    sigma2 = values[L:].mean()
    top = values[:L]
    close(params.W @ params.W.T, (Vt[:L].T * (top - sigma2)) @ Vt[:L])
    close(params.noise, sigma2)
    best = -0.5 * (D * np.log(2 * np.pi) + np.log(top).sum() + (D - L) * np.log(sigma2) + D)
    close(lg.log_likelihood(x, params).mean(), best)
    return best


@pytest.mark.parametrize(("N", "D", "L"), [(50, 6, 2), (50, 6, 5), (20, 40, 3), (6, 40, 4), (30, 30, 1)])
def test_closed_form_is_tipping_and_bishops(N, D, L):
    x = data(N, D)
    params = lg.ppca_closed_form(x, L)
    assert_maximum_ppca(params, x, L)
    assert params.noise.shape == ()
    # Columns by descending eigenvalue, at right angles.
    gram = (params.W.T @ params.W).numpy()
    close(gram, np.diag(np.sort(np.diag(gram))[::-1]))


def test_closed_form_gives_scikit_learns_pca_score():
    # PCA.score puts S n/(n-1) for the covariance; W and sigma^2 scaled alike make the densities the same one.
    x, L = wine(), 3
    N = len(x)
    mu, W, sigma2 = lg.ppca_closed_form(x, L)
    theirs = lg.LinearGaussian(mu, W * (N / (N - 1)) ** 0.5, sigma2 * N / (N - 1))
    close(lg.log_likelihood(x, theirs), PCA(L).fit(x.numpy()).score_samples(x.numpy()))


def test_a_large_mean_costs_no_digits():
    x = data(200)
    far = lg.ppca_closed_form(x + 1e6, 2)
    # The data themselves lose 1e6 * 1e-16 of their deviations, and nothing more may be lost.
    close(lg.covariance(far), lg.covariance(lg.ppca_closed_form(x, 2)), rtol=1e-9)


def test_rotated_data_give_the_rotated_ppca():
    x = data(100)
    Q = torch.as_tensor(stats.ortho_group(6, seed=5).rvs())
    fit, turned = lg.ppca_closed_form(x, 2), lg.ppca_closed_form(x @ Q.T, 2)
    close(lg.covariance(turned), Q @ lg.covariance(fit) @ Q.T)


def sigma2_with_kept_eigenvalues(x, L):
    params = lg.ppca_closed_form(x, L)
    return params._replace(noise=x.var(0, correction=0).mean())


def divides_by_n_minus_1(x, L):
    c = len(x) / (len(x) - 1)
    mu, W, sigma2 = lg.ppca_closed_form(x, L)
    return lg.LinearGaussian(mu, W * c**0.5, sigma2 * c)


def loadings_without_shrinkage(x, L):
    mu, W, sigma2 = lg.ppca_closed_form(x, L)
    U = W / W.norm(dim=0)
    return lg.LinearGaussian(mu, U * (W.square().sum(0) + sigma2).sqrt(), sigma2)


@pytest.mark.parametrize("broken", [sigma2_with_kept_eigenvalues, divides_by_n_minus_1, loadings_without_shrinkage])
def test_the_closed_form_test_sees(broken):
    x = data(50)
    with pytest.raises(AssertionError):
        assert_maximum_ppca(broken(x, 2), x, 2)


# EM.


def assert_monotone(log_lik):
    """No step loses more than rounding, 1e-9 of the log-likelihood."""
    assert (log_lik.diff() >= -1e-9 * log_lik[:-1].abs()).all()


def gradient(x, params, missing=False):
    """Of the log-likelihood per datum, by autograd, to every parameter, flattened."""
    free = lg.LinearGaussian(*(p.clone().requires_grad_() for p in params))
    lg.log_likelihood(x, free, missing=missing).mean().backward()
    return torch.cat([p.grad.flatten() for p in free])


@pytest.mark.parametrize(("N", "D", "L"), [(300, 6, 2), (25, 40, 2)])
def test_ppca_by_em_meets_the_closed_form(N, D, L):
    x = data(N, D, L)
    with seeded(6):
        fit = lg.fit_ppca(x, L, tol=1e-14, max_steps=20_000)
    best = lg.ppca_closed_form(x, L)
    assert fit.converged
    close(fit.params.W @ fit.params.W.T, best.W @ best.W.T, rtol=1e-6)
    close(fit.params.noise, best.noise, rtol=1e-6)
    close(fit.log_lik[-1], lg.log_likelihood(x, best).mean(), rtol=1e-8)
    assert_monotone(fit.log_lik)
    assert gradient(x, fit.params).abs().max() < 1e-4


@pytest.mark.parametrize(("make", "L"), [(wine, 3), (lambda: data(400, 12, 2), 2), (lambda: data(60, 40, 2), 2)])
def test_factor_analysis_meets_scikit_learns_optimum(make, L):
    x = make()
    fit = lg.fit_fa(x, L, tol=1e-13, max_steps=50_000)
    peer = FactorAnalysis(L, svd_method="lapack", tol=1e-10, max_iter=50_000).fit(x.numpy())
    assert fit.converged
    close(fit.log_lik[-1], peer.score(x.numpy()), rtol=1e-6)
    assert_monotone(fit.log_lik)
    assert gradient(x, fit.params).abs().max() < 1e-4


def test_the_trace_is_the_mean_log_likelihood_of_the_data():
    x = data(80)
    for fit in (lg.fit_fa, lg.fit_ppca):
        with seeded(7):
            result = quiet(fit, x, 2, max_steps=3)
        close(result.log_lik[-1], np.mean([log_density(row, result.params) for row in x.numpy()]))


@pytest.mark.parametrize("N", [80, 25])
def test_e_step_averages_the_posteriors_of_the_rows(N):
    x, params = data(N, 40, 2), model(40, 2)
    params = params._replace(mu=x.mean(0))
    expected, log_lik = lg.e_step(lg.moments(x), params)
    each = [conditioned(row, params) for row in x.numpy()]
    means = np.array([m for m, _ in each])
    close(expected.xz, (x.numpy() - dense(params)[0]).T @ means / N)
    close(expected.zz, np.mean([c + np.outer(m, m) for m, c in each], axis=0))
    close(log_lik, np.mean([log_density(row, params) for row in x.numpy()]))


def test_after_the_first_pass_em_holds_nothing_that_grows_with_the_rows():
    few, many = lg.moments(data(100)), lg.moments(data(5000))
    assert [getattr(t, "shape", None) for t in few] == [getattr(t, "shape", None) for t in many]


def test_more_columns_than_rows_never_make_a_square_of_columns():
    thin = lg.moments(data(10, 40))
    assert max(t.numel() for t in thin if t is not None) == 10 * 40


def test_rescaled_columns_give_the_rescaled_factor_analysis():
    x = data(100)
    scale = torch.tensor([1e-3, 0.1, 1.0, 7.0, 100.0, 1e4], dtype=torch.float64)
    fit, rescaled = (quiet(lg.fit_fa, d, 2, max_steps=200, tol=0.0).params for d in (x, x * scale))
    close(lg.covariance(rescaled) / scale / scale[:, None], lg.covariance(fit), rtol=1e-8)


def test_ppca_is_not_scale_equivariant_and_the_factor_test_would_see_it():
    x = data(100)
    scale = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 10.0], dtype=torch.float64)
    fit, rescaled = (lg.ppca_closed_form(d, 2) for d in (x, x * scale))
    with pytest.raises(AssertionError):
        close(lg.covariance(rescaled) / scale / scale[:, None], lg.covariance(fit), rtol=1e-2)


def no_posterior_variance(data, params):
    expected, log_lik = lg.e_step(data, params)
    M = torch.eye(2) + params.W.T @ (params.W / params.psi[:, None])
    return expected._replace(zz=expected.zz - torch.linalg.inv(M)), log_lik


def noise_not_lessened_by_what_z_explains(data, expected):
    return lg.m_step_fa(data, expected)._replace(noise=data.var)


def transposed_m_step(data, expected):
    new = lg.m_step_fa(data, expected)
    return new._replace(W=expected.xz @ expected.zz)


@pytest.mark.parametrize(
    ("e_step", "m_step"),
    [
        (no_posterior_variance, lg.m_step_fa),
        (lg.e_step, noise_not_lessened_by_what_z_explains),
        (lg.e_step, transposed_m_step),
        (lg.e_step, lg.m_step_ppca),
    ],
)
def test_the_gradient_test_sees_a_wrong_step(e_step, m_step):
    x = data(300)
    params = em_from(x, e_step, m_step)
    assert not gradient(x, params._replace(noise=params.psi)).abs().max() < 1e-4


def test_the_gradient_test_passes_the_right_steps():
    x = data(300)
    assert gradient(x, em_from(x, lg.e_step, lg.m_step_fa)).abs().max() < 1e-4


def em_from(x, e_step, m_step):
    start = model()._replace(mu=x.mean(0))
    return quiet(em, lg.moments(x), start, e_step, m_step, max_steps=1000, tol=1e-13).params


# Missing entries.


def small_case():
    """30 % holes; every column well tied to the factor, so that EM arrives soon."""
    rng = np.random.default_rng(10)
    x = rng.normal(size=(80, 1)) * [1.2, -1.0, 0.8, 1.5, -0.9] + 0.6 * rng.normal(size=(80, 5)) + [1, 2, 3, 4, 5]
    return with_holes(torch.as_tensor(x), 0.3)


def unpack(theta, D, isotropic):
    mu, w, log_noise = theta[:D], theta[D : 2 * D], theta[2 * D :]
    return mu, w, np.exp(np.broadcast_to(log_noise, D) if isotropic else log_noise)


def marginal_optimum(x, isotropic):
    """The largest mean log-likelihood of the observed entries over all one-factor models, by BFGS in NumPy."""
    a, D = x.numpy(), x.shape[1]
    patterns = {}
    for row in a:
        patterns.setdefault(tuple(~np.isnan(row)), []).append(row[~np.isnan(row)])

    def negative(theta):
        mu, w, psi = unpack(theta, D, isotropic)
        cov, total = np.outer(w, w) + np.diag(psi), 0.0
        for key, rows in patterns.items():
            seen = np.array(key)
            if seen.any():
                total += stats.multivariate_normal(mu[seen], cov[np.ix_(seen, seen)]).logpdf(np.array(rows)).sum()
        return -total / len(a)

    start = np.concatenate([np.nanmean(a, 0), np.nanstd(a, 0), np.zeros(1 if isotropic else D)])
    found = optimize.minimize(negative, start, method="BFGS", options={"gtol": 1e-6, "maxiter": 2000})
    return -found.fun, unpack(found.x, D, isotropic)


@pytest.mark.parametrize("isotropic", [False, True])
def test_em_with_holes_maximises_the_marginal_likelihood(isotropic):
    x = small_case()
    with seeded(8):
        fit = (lg.fit_ppca if isotropic else lg.fit_fa)(x, 1, missing=True, tol=1e-14, max_steps=20_000)
    best, (mu, w, psi) = marginal_optimum(x, isotropic)
    assert fit.converged
    # BFGS stops at a gradient of 1e-6 (its differences' accuracy is 1e-8): flat to 1e-9 in the objective,
    # to about 1e-5 in the parameters.
    close(fit.log_lik[-1], best, rtol=1e-8)
    close(lg.covariance(fit.params), np.outer(w, w) + np.diag(psi), rtol=1e-4)
    close(fit.params.mu, mu, rtol=1e-4)
    assert_monotone(fit.log_lik)
    assert gradient(x, fit.params, missing=True).abs().max() < 1e-4


def test_steps_for_missing_entries_agree_with_the_others_when_none_is():
    x, params = data(50), model()
    params = params._replace(mu=x.mean(0))
    floor = FLOOR * x.var(0, correction=0)
    expected, log_lik = holes.e_step(x, params)
    thin, same = lg.e_step(lg.moments(x), params)
    close(log_lik, same)
    # From mu = mean the two M steps differ in mu's direction only by E[z], whose mean over the data is then zero.
    ours, theirs = holes.m_step(expected, floor), lg.m_step_fa(lg.moments(x), thin)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b)


def test_a_fit_told_of_holes_that_are_not_there_is_the_plain_fit():
    x = data(100, 8, 1)
    a, b = (lg.fit_fa(x, 1, missing=m) for m in (True, False))
    assert torch.equal(a.log_lik, b.log_lik)


def test_filling_the_mean_in_is_not_the_maximum_and_the_test_sees_it():
    x = small_case()
    filled = torch.where(x.isnan(), x.nanmean(0), x)
    naive = lg.fit_fa(filled, 1, tol=1e-12, max_steps=5000).params
    assert not gradient(x, naive, missing=True).abs().max() < 1e-4


# Borders.


NAN = torch.nan


def edit(x, row, column, value):
    x = x.clone()
    x[row, column] = value
    return x


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("fit", [lg.fit_fa, lg.fit_ppca, lg.ppca_closed_form])
@pytest.mark.parametrize(
    ("x", "L", "message"),
    [
        (edit(data(20), 3, 2, NAN), 2, "got 1 NaN and 0 infinite"),
        (edit(data(20), 3, 2, torch.inf), 2, "got 0 NaN and 1 infinite"),
        (data(20)[0], 2, r"must be \(N, D\)"),
        (data(3), 2, "at least 4 rows, got 3; add data or fit a smaller model"),
        (data(20), 6, "less than D = 6 columns, got 6"),
        (data(20), 7, "less than D = 6 columns, got 7"),
        (data(20), 0, "L must be at least 1, got 0"),
        (data(20), -1, "got -1"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(fit, x, L, message):
    with pytest.raises(ValueError, match=message):
        fit(x, L)


@pytest.mark.usefixtures("as_users_run_it")
def test_a_constant_column_is_refused_by_factor_analysis():
    with pytest.raises(ValueError, match=r"columns 2 hold one value each.*drop them"):
        lg.fit_fa(edit(data(20), slice(None), 2, 5.0), 2)


def test_a_constant_column_is_no_trouble_for_ppca():
    x = edit(data(50), slice(None), 2, 5.0)
    assert_maximum_ppca(lg.ppca_closed_form(x, 2), x, 2)
    with seeded(9):
        close(lg.fit_ppca(x, 2).log_lik[-1], lg.log_likelihood(x, lg.ppca_closed_form(x, 2)).mean(), rtol=1e-5)


@pytest.mark.parametrize("fit", [lg.fit_fa, lg.fit_ppca])
def test_a_column_never_observed_is_refused(fit):
    with pytest.raises(ValueError, match="observed at least once in every column, but columns 4"):
        fit(edit(data(20), slice(None), 4, NAN), 2, missing=True)


def test_data_that_lie_in_L_dimensions_have_no_closed_form():
    z = torch.as_tensor(np.random.default_rng(0).normal(size=(30, 2)))
    x = z @ model().W.T
    with pytest.raises(ValueError, match=r"more than L = 2 dimensions.*smaller L"):
        lg.ppca_closed_form(x, 2)
    with pytest.raises(ValueError, match="more than L = 2 dimensions"):
        lg.fit_fa(x, 2)
    with seeded(1), pytest.warns(ConvergenceWarning, match="noise of all columns has fallen to 1e-06"):
        lg.fit_ppca(x, 2, max_steps=500, tol=0.0)


def test_a_repeated_column_is_a_heywood_case_and_is_said_to_be():
    x = data(100)
    x[:, 5] = 3 * x[:, 0]
    with pytest.warns(ConvergenceWarning, match="columns 0, 5 has fallen.*Heywood.*drop columns that repeat"):
        fit = lg.fit_fa(x, 2, max_steps=500, tol=0.0)
    assert_monotone(fit.log_lik)
    assert all(p.isfinite().all() for p in fit.params)


def test_repeated_rows_change_nothing():
    x = data(100, 8, 1)
    once, twice = (lg.fit_fa(d, 1, tol=1e-12) for d in (x, x.repeat(3, 1)))
    close(lg.covariance(twice.params), lg.covariance(once.params), rtol=1e-6)


def test_not_converged_says_so():
    with pytest.warns(ConvergenceWarning, match="not converged in 2 steps.*raise max_steps"):
        assert not lg.fit_fa(data(50), 2, max_steps=2, tol=1e-12).converged


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("params", "message"),
    [
        (model(D=5), r"mu must be \(D,\) with D = 6 as in x, got shape \(5,\)"),
        (model()._replace(noise=torch.tensor([0.5])), r"params must be mu \(D,\)"),
        (model()._replace(noise=torch.tensor(-0.5)), "noise must be positive variances, got -0.5"),
        (model()._replace(W=model().W.T), r"W must be \(D, L\) with D = 6 as in x, got shape"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(params, message):
    for use in (lg.posterior, lg.log_likelihood):
        with pytest.raises(ValueError, match=message):
            use(data(4), params)
    with pytest.raises(ValueError, match=message):
        lg.fit_fa(data(20), 2, start=params)


def test_nan_needs_to_be_asked_for():
    for use in (lg.posterior, lg.log_likelihood):
        with pytest.raises(ValueError, match="missing=True"):
            use(with_holes(data(4)), model())


def test_float32_data_are_fitted_in_float64():
    x = data(100, 8, 1).float()
    fit = lg.fit_fa(x, 1)
    assert {p.dtype for p in fit.params} == {torch.float64}
    close(lg.covariance(fit.params), lg.covariance(lg.fit_fa(x.double(), 1).params))


def test_a_start_is_used():
    x, start = data(60), model()
    close(
        quiet(lg.fit_fa, x, 2, start=start, max_steps=0).log_lik[0],
        lg.log_likelihood(x, start._replace(mu=x.mean(0))).mean(),
    )


def test_everything_stays_on_the_device_of_the_data():
    """On a machine with a GPU this runs there, and compares with the CPU."""
    here = device()
    x, params = data(100, 8, 1), model(8, 1)
    on = x.to(here)
    there = lg.LinearGaussian(*(p.to(here) for p in params))
    for options in ({}, {"missing": True}):
        a = with_holes(on.cpu()).to(here) if options else on
        with seeded(1):
            fits = [lg.fit_fa(a, 1, **options), lg.fit_ppca(a, 1, **options)]
        assert {p.device.type for fit in fits for p in fit.params} == {here.type}
        close(lg.log_likelihood(a, there, **options).cpu(), lg.log_likelihood(a.cpu(), params, **options))
        close(lg.posterior(a, there, **options).mean.cpu(), lg.posterior(a.cpu(), params, **options).mean)
    close(lg.covariance(lg.ppca_closed_form(on, 1)).cpu(), lg.covariance(lg.ppca_closed_form(x, 1)))


@pytest.mark.usefixtures("as_users_run_it")
def test_parameters_in_single_precision_are_taken_as_the_data_are():
    x = data(20)
    single = lg.LinearGaussian(torch.zeros(6), torch.ones(6, 2).tril(), torch.ones(6))
    double = lg.LinearGaussian(*(part.double() for part in single))
    assert torch.equal(lg.log_likelihood(x, single), lg.log_likelihood(x, double))
    assert torch.equal(lg.posterior(x, single).mean, lg.posterior(x, double).mean)
    assert torch.equal(lg.fit_fa(x, 2, start=single, tol=1e-3).log_lik, lg.fit_fa(x, 2, start=double, tol=1e-3).log_lik)
