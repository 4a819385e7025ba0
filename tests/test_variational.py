"""Grids against scipy's adaptive quadrature, coordinate ascent against its closed form."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from lvmteach.runtime import seeded
from lvmteach.variational import (
    Gaussian,
    forward_fit,
    gaussian_kl,
    grid,
    kl,
    log_density,
    log_integral,
    mean_field_gaussian,
    reverse_fit,
    split,
)

ON = grid(-20, 20, 4001)


def normal(z, m, s):
    """The density of N(m, s^2), in numpy: quadrature asks for it a number at a time, which takes scipy.stats long."""
    return np.exp(-(((z - m) / s) ** 2) / 2) / (s * math.sqrt(2 * math.pi))


def humps(z):
    """An unnormalised density of two humps, in numpy."""
    return 0.2 * normal(z, -2, 0.7) + 0.5 * normal(z, 2.5, 1.1)


LOG_HUMPS = torch.tensor(np.log(humps(ON.z.numpy()) + 1e-300))


def test_log_integral_by_adaptive_quadrature():
    assert abs(log_integral(LOG_HUMPS, ON) - math.log(integrate.quad(humps, -20, 20, points=[-2, 2.5])[0])) < 1e-10


def test_kl_on_the_grid_is_the_closed_form():
    q, p = (
        Gaussian(torch.tensor(0.3).double(), torch.tensor(0.8).double()),
        Gaussian(*torch.tensor([-1.0, 1.7]).double()),
    )
    oracle = kl_divergence(Normal(*q), Normal(*p))
    assert abs(kl(log_density(q, ON), log_density(p, ON), ON) - oracle) < 1e-10


def test_elbo_plus_kl_is_log_p_x():
    q = Gaussian(torch.tensor([0.3, -2.0]).double(), torch.tensor([0.8, 2.5]).double())
    parts = split(LOG_HUMPS, log_density(q, ON), ON)
    assert torch.allclose(parts.elbo + parts.kl, parts.log_p_x, atol=1e-10)

    def elbo_integrand(z, m, s):
        density = stats.norm.pdf(z, m, s)
        return density * (np.log(humps(z)) - stats.norm.logpdf(z, m, s)) if density > 0 else 0.0

    for m, s, ours in zip(*q, parts.elbo, strict=True):
        oracle = integrate.quad(elbo_integrand, -20, 20, args=(float(m), float(s)), limit=400, points=[-2, 0, 2.5])[0]
        assert abs(ours - oracle) < 1e-8  # quad's own tolerance
    assert (parts.elbo < parts.log_p_x).all()


def test_a_density_may_vanish():
    log_q = torch.where(ON.z.abs() < 1, math.log(0.5), -math.inf)
    assert kl(log_q, log_density(Gaussian(*torch.tensor([0.0, 1.0]).double()), ON), ON).isfinite()


def test_forward_covers_and_reverse_seeks():
    total = integrate.quad(humps, -20, 20, points=[-2, 2.5])[0]
    mean = integrate.quad(lambda z: z * humps(z), -20, 20, points=[-2, 2.5])[0] / total
    var = integrate.quad(lambda z: (z - mean) ** 2 * humps(z), -20, 20, points=[-2, 2.5])[0] / total
    covering = forward_fit(LOG_HUMPS, ON)
    assert abs(covering.m - mean) < 1e-8
    assert abs(covering.s - math.sqrt(var)) < 1e-8
    start = Gaussian(torch.tensor([-2.0, 2.0]).double(), torch.ones(2).double())
    seeking = reverse_fit(LOG_HUMPS.expand(2, -1), ON, start)
    assert torch.allclose(seeking.m, torch.tensor([-2.0, 2.5]).double(), atol=0.2)  # within 0.3 of a hump's width
    assert (seeking.s < covering.s / 1.5).all()


def test_reverse_fit_is_a_maximum_of_the_elbo():
    best = reverse_fit(LOG_HUMPS[None], ON, Gaussian(torch.tensor([2.0]).double(), torch.ones(1).double()))
    peak = split(LOG_HUMPS, log_density(best, ON)[0], ON).elbo
    for dm, ds in [(0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)]:
        assert split(LOG_HUMPS, log_density(Gaussian(best.m + dm, best.s + ds), ON)[0], ON).elbo < peak


@pytest.mark.parametrize("s", [0.3, 1.0, 9.9, 60.0])
@pytest.mark.parametrize("m", [-8.0, -2.0, 0.7, 5.0])
def test_from_any_start_the_bound_stays_below_log_p_x_and_the_fit_is_a_peak(m, s):
    # The plain sum rewards a q that leaves the grid: its ELBO tends to zero, above a negative log p(x).
    on = grid(-16, 16, 1601)
    log_joint = torch.tensor(np.log(humps(on.z.numpy()) + 1e-300))
    best = reverse_fit(log_joint[None], on, Gaussian(torch.tensor([m]).double(), torch.tensor([s]).double()))

    def elbo(m, s):
        def integrand(z):
            density = normal(z, m, s)
            return density * (np.log(humps(z)) - np.log(density))

        return integrate.quad(integrand, m - 12 * s, m + 12 * s, limit=400, epsabs=1e-12)[0]

    m, s = float(best.m), float(best.s)
    peak = elbo(m, s)
    assert peak < math.log(0.7)
    assert all(elbo(m + dm, s + ds) < peak for dm, ds in [(0.02, 0), (-0.02, 0), (0, 0.02), (0, -0.02)])


@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5])  # of the mean from a grid point, in spacings
def test_a_q_the_grid_can_tell_is_right_and_a_narrower_one_is_refused(offset):
    on = grid(-5, 5, 101)
    log_p = Normal(0.0, 1.0).log_prob(on.z)
    for spacings in (1.4, 1.0, 0.5, 0.1, 1e-3):
        m, s = 0.3 + offset * on.dz, spacings * on.dz
        q = Gaussian(torch.tensor(m).double(), torch.tensor(s).double())
        oracle = kl_divergence(Normal(*q), Normal(*torch.tensor([0.0, 1.0]).double()))
        if spacings == 1.4:
            assert abs(kl(log_density(q, on), log_p, on) - oracle) < 1e-10
        else:
            with pytest.raises(ValueError, match="finer grid"):
                kl(log_density(q, on), log_p, on)
            with pytest.raises(ValueError, match="finer grid"):
                split(log_p, log_density(q, on), on)


def test_a_q_beyond_the_ends_and_one_without_norm_are_refused():
    on = grid(-5, 5, 101)
    log_p = Normal(0.0, 1.0).log_prob(on.z)
    with pytest.raises(ValueError, match="longer grid"):
        kl(Normal(0.0, 5.0).log_prob(on.z), log_p, on)
    with pytest.raises(ValueError, match="normalised, got a mass of 3"):
        split(log_p, Normal(0.0, 0.5).log_prob(on.z) + math.log(3), on)
    with pytest.raises(ValueError, match="finer grid"):
        kl(torch.full_like(on.z, torch.nan), log_p, on)


def covariance(D):
    with seeded(D):
        root = torch.randn(D, D, dtype=torch.float64)
        return torch.randn(D, dtype=torch.float64), root @ root.T + 0.3 * torch.eye(D).double()


@pytest.mark.parametrize("D", [1, 2, 6])
def test_gaussian_kl_is_torchs(D):
    (m_q, cov_q), (m_p, cov_p) = covariance(D), covariance(D + 10)[0:2]
    m_p, cov_p = m_p[:D], cov_p[:D, :D]
    oracle = kl_divergence(MultivariateNormal(m_q, cov_q), MultivariateNormal(m_p, cov_p))
    assert abs(gaussian_kl(m_q, cov_q, m_p, cov_p) - oracle) < 1e-10 * (1 + oracle)


@pytest.mark.slow
@pytest.mark.parametrize("D", [2, 5])
def test_coordinate_ascent_meets_the_closed_form(D):
    mu, cov = covariance(D)
    fit = mean_field_gaussian(mu, cov, torch.zeros(D).double(), sweeps=5000)
    assert torch.allclose(fit.mean, mu, atol=1e-8)
    precision = np.linalg.inv(cov.numpy())
    assert np.allclose(fit.var, 1 / np.diag(precision), rtol=1e-9)
    assert (fit.var <= cov.diagonal() + 1e-12).all()  # too small, or equal if uncorrelated
    assert (fit.kl.diff() <= 1e-10).all()  # never rises, but for rounding
    # At the optimum KL = 1/2 [sum log A_dd - log det A].
    assert abs(fit.kl[-1] - (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]) / 2) < 1e-8


@pytest.mark.parametrize("bug", ["marginal variances", "simultaneous means"])
def test_a_wrong_coordinate_ascent_would_be_seen(bug):
    rho = 0.9 * torch.ones(3, 3).double() + 0.1 * torch.eye(3).double()
    mu, A = torch.zeros(3).double(), torch.linalg.inv(rho)
    if bug == "marginal variances":
        assert not np.allclose(rho.diagonal(), 1 / np.diag(A), rtol=1e-3)
    else:
        # Off the closed form's path: with all means moved at once the iteration need not settle.
        mean = torch.ones(3).double()
        for _ in range(200):
            mean = mean - (A @ (mean - mu)) / A.diagonal()
        assert not torch.allclose(mean, mu, atol=1e-8)


def test_a_start_in_whole_numbers_is_no_grid_to_stay_on(as_users_run_it):
    mu, cov = torch.tensor([1.0, -0.5]).double(), torch.tensor([[1.0, 0.9], [0.9, 1.0]]).double()
    assert torch.allclose(mean_field_gaussian(mu, cov, torch.tensor([-2, 2]), sweeps=200).mean, mu)


def test_bad_input_is_refused(as_users_run_it):
    with pytest.raises(ValueError, match="low < high"):
        grid(1, 1)
    with pytest.raises(ValueError, match=r"cov must be \(D, D\) with D = 3 as in mu"):
        mean_field_gaussian(torch.zeros(3), torch.eye(2), torch.zeros(3))
