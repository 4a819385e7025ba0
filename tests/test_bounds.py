"""Bounds as functions of log weights: properties of every draw, and their gradients against quadrature."""

import itertools
import math

import linear
import numpy as np
import pytest
import torch
from chance import assert_mean
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lvmteach.bounds import dreg, elbo, elbo_analytic, iwae
from lvmteach.integrals import ess, log_mean_exp, normalise
from lvmteach.runtime import seeded

# Finite log weights, (K, B), of sizes met in practice and far beyond; float64.
log_weights = arrays.arrays(
    np.float64,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
    elements=st.floats(-1e5, 1e5),
).map(torch.from_numpy)
# Rounding: sums of six numbers of size 1e5 in float64 err by at most about 6 * 1e5 * 1.1e-16 = 7e-11.
ROUNDING = 1e-9


# ---- every draw


@settings(deadline=None)
@given(log_weights)
def test_elbo_is_at_most_iwae_for_every_draw(log_w):
    assert (elbo(log_w) <= iwae(log_w) + ROUNDING).all()


@settings(deadline=None)
@given(log_weights)
def test_iwae_lies_between_the_largest_weight_and_its_share(log_w):
    top = log_w.amax(0)
    assert (iwae(log_w) <= top + ROUNDING).all()
    assert (iwae(log_w) >= top - math.log(len(log_w)) - ROUNDING).all()


@settings(deadline=None)
@given(log_weights, st.floats(-1e5, 1e5))
def test_a_shift_of_log_weights_shifts_the_bound(log_w, c):
    for bound in (elbo, iwae, log_mean_exp):
        torch.testing.assert_close(bound(log_w + c), bound(log_w) + c, rtol=0, atol=ROUNDING)
    # Adding c rounds the log weights by 1e-11; the effective sample size is K times as sensitive.
    torch.testing.assert_close(ess(log_w + c), ess(log_w), rtol=1e-8, atol=0)


@settings(deadline=None)
@given(log_weights, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(log_w, random):
    order = random.sample(range(len(log_w)), len(log_w))
    for f in (elbo, iwae, ess):
        torch.testing.assert_close(f(log_w[order]), f(log_w), rtol=1e-12, atol=ROUNDING)


@settings(deadline=None)
@given(log_weights)
def test_ess_lies_between_one_and_K(log_w):
    assert ((ess(log_w) >= 1) & (ess(log_w) <= len(log_w))).all()


@settings(deadline=None)
@given(log_weights)
def test_with_one_sample_iwae_is_the_elbo(log_w):
    torch.testing.assert_close(iwae(log_w[:1]), elbo(log_w[:1]), rtol=0, atol=0)


@settings(deadline=None)
@given(st.integers(1, 8), st.floats(-1e5, 1e5))
def test_equal_weights_give_their_value(K, c):
    log_w = torch.full((K, 2), c, dtype=torch.float64)
    for bound in (elbo, iwae):
        torch.testing.assert_close(bound(log_w), log_w[0], rtol=0, atol=ROUNDING)


def test_zero_weights():
    log_w = torch.tensor([[-math.inf, -math.inf], [0.0, -math.inf]])
    torch.testing.assert_close(iwae(log_w), torch.tensor([-math.log(2), -math.inf]))
    assert elbo(log_w).tolist() == [-math.inf, -math.inf]


def test_huge_weights_in_float32():
    log_w = torch.tensor([[1e4, -1e4], [1e4 - 1, -1e4 - 1]])
    expected = np.logaddexp(0, -1) - math.log(2)
    # One unit in the last place of 1e4 in float32 is 1e-3.
    torch.testing.assert_close(iwae(log_w), torch.tensor([1e4, -1e4]) + expected, rtol=0, atol=2e-3)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("bound", [elbo, iwae])
@pytest.mark.parametrize("shape", [(0, 3), ()])
def test_no_samples_are_refused(bound, shape):
    with pytest.raises(ValueError, match=r"log_w must (hold K >= 1 samples|be \(K, \*B\), got \(\))"):
        bound(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 2)])
def test_batch_shapes(shape):
    log_w = torch.randn(shape)
    assert elbo(log_w).shape == iwae(log_w).shape == shape[1:]
    assert elbo_analytic(log_w, torch.zeros(shape[1:])).shape == shape[1:]


def test_elbo_analytic_by_hand():
    """Two samples of two points: means -3 and -6 of log p(x|z), less a KL of 0.5 and 2."""
    log_lik = torch.tensor([[-2.0, -5.0], [-4.0, -7.0]])
    assert elbo_analytic(log_lik, torch.tensor([0.5, 2.0])).tolist() == [-3.5, -8.0]


# ---- the bound climbs to log p(x)


def test_iwae_climbs_to_the_exact_log_p():
    """L_K for K = 1, 4, 16, 64 on the linear-Gaussian model: each above the last, none beyond log p(x)."""
    x = linear.data(1)
    with seeded(1), torch.no_grad():
        log_w = linear.vae(shift=0.3, widen=1.3).log_weights(torch.tensor(x).expand(20_000, -1), K=64)
    gaps = [linear.MARGINAL.logpdf(x[0]) - iwae(log_w[:K]).numpy() for K in (1, 4, 16, 64)]
    assert_mean(gaps[0], linear.gap(0.3, 1.3), resolution=0.05)
    for loose, tight in itertools.pairwise(gaps):
        drop = loose - tight
        assert drop.mean() > 5 * drop.std() / math.sqrt(len(drop))


@pytest.mark.slow
def test_the_last_of_the_gap_is_half_the_relative_variance_over_K():
    """E[w^2] / p(x)^2 = int posterior^2 / q, a Gaussian integral: 1.75 here, so the gap is near 0.75 / 2K."""
    shift, widen, K = 0.3, 1.3, 256
    x = linear.data(1)
    with seeded(2), torch.no_grad():
        log_w = linear.vae(shift, widen).log_weights(torch.tensor(x).expand(20_000, -1), K)
    mean_w = np.exp(log_w.numpy() - linear.MARGINAL.logpdf(x[0])).mean(0)
    spread = 2 * widen**2 - 1
    second = np.prod(widen**2 / np.sqrt(spread) * np.exp(shift**2 / linear.POSTERIOR_VAR / spread))
    # The gap, -E[log mean_w], with the control variate mean_w - 1, whose mean is zero; in units of its leading term.
    # What comes after it is smaller by a factor of order 1/K, below the resolution.
    gap = (mean_w - 1 - np.log(mean_w)) * 2 * K / (second - 1)
    assert_mean(gap, 1.0, resolution=0.1)


# ---- gradients of L_K against quadrature
#
# z ~ N(0, 1), x | z ~ N(z + b, 1), q = N(m, s^2) with s = exp(r), at x = 1. Theta is b; gamma is (m, r).

AT = {"b": 0.2, "m": 0.9, "r": -0.1}
X, K = 1.0, 3


def exact_bound(b, m, r, nodes):
    """L_3, by Gauss-Hermite quadrature over the three independent draws of eps, in numpy alone."""
    eps, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    z = m + np.exp(r) * eps
    log_w = -0.5 * (z**2 + (X - z - b) ** 2 - eps**2) - 0.5 * np.log(2 * np.pi) + r
    w = np.exp(log_w)
    mean = (w[:, None, None] + w[:, None] + w) / K
    return np.einsum("i,j,k,ijk->", weight, weight, weight, np.log(mean))


def exact_gradient(nodes=60, h=1e-4):
    """Central differences: their error is h^2 f'''/6, about 1e-9."""
    return [
        (exact_bound(**AT | {name: AT[name] + h}, nodes=nodes) - exact_bound(**AT | {name: AT[name] - h}, nodes=nodes))
        / (2 * h)
        for name in AT
    ]


def test_the_quadrature_has_converged():
    np.testing.assert_allclose(exact_gradient(60), exact_gradient(90), atol=1e-6)


def one_draw(N, detach_q=False):
    """N independent draws of log weights, each with parameters of its own, so that autograd gives N gradients."""
    b, m, r = (torch.full((N, 1), AT[name], dtype=torch.float64, requires_grad=True) for name in AT)
    z = m + r.exp() * torch.randn(K, N, 1, dtype=torch.float64)
    log_p = -0.5 * (z**2 + (X - z - b) ** 2) - math.log(2 * math.pi)
    mean, scale = (m.detach(), r.detach()) if detach_q else (m, r)
    log_q = -0.5 * ((z - mean) / scale.exp()) ** 2 - scale - 0.5 * math.log(2 * math.pi)
    return (b, m, r), (log_p - log_q).squeeze(-1), z


def gradients(loss, N=400_000, detach_q=False, seed=5):
    with seeded(seed):
        parameters, log_w, z = one_draw(N, detach_q)
    return torch.cat(torch.autograd.grad(loss(log_w, z).sum(), parameters), -1)


def by_iwae(log_w, z):
    return iwae(log_w)


def test_iwae_has_the_exact_gradient_in_mean():
    assert_mean(gradients(by_iwae), exact_gradient(), resolution=0.02)


def test_dreg_has_the_exact_gradient_in_mean():
    assert_mean(gradients(dreg, detach_q=True), exact_gradient(), resolution=0.02)


def without_hook(log_w, z):
    return (normalise(log_w.detach()) * log_w).sum(0)


WRONG = {
    "detach forgotten": (dreg, False),
    "weights not squared": (without_hook, True),
    "the ELBO's gradient": (lambda log_w, z: elbo(log_w), False),
    "weights not detached": (lambda log_w, z: (normalise(log_w) * log_w).sum(0), False),
    "the sign": (lambda log_w, z: -iwae(log_w), False),
}


@pytest.mark.parametrize(("loss", "detach_q"), WRONG.values(), ids=WRONG.keys())
def test_gradient_check_sees_planted_bugs(loss, detach_q):
    with pytest.raises(AssertionError, match="mean is off"):
        assert_mean(gradients(loss, detach_q=detach_q), exact_gradient(), resolution=0.02)


def test_dreg_has_the_value_of_iwae_and_its_gradient_for_theta():
    """Not in mean but draw by draw."""
    with seeded(6):
        _, log_w, z = one_draw(50, detach_q=True)
    torch.testing.assert_close(dreg(log_w, z), iwae(log_w), rtol=0, atol=1e-14)
    same = [gradients(loss, 50, detach_q, seed=6)[:, 0] for loss, detach_q in ((dreg, True), (by_iwae, False))]
    torch.testing.assert_close(*same)


def test_a_missing_log_K_is_seen_by_the_value():
    """It has no gradient, so only the value shows it: at equal weights, and against the quadrature."""
    with seeded(7), torch.no_grad():
        _, log_w, _ = one_draw(200_000)
    exact = exact_bound(**AT, nodes=60)
    assert_mean(iwae(log_w), exact, resolution=0.02)
    with pytest.raises(AssertionError, match="mean is off"):
        assert_mean(torch.logsumexp(log_w, 0), exact, resolution=0.02)


def test_dreg_on_a_vae_agrees_with_iwae_in_mean():
    """The whole path, `dreg(*model.draw(x, K, detach_q=True))`, against `iwae` on every encoder parameter."""
    model, x = linear.vae(shift=0.4, widen=1.2), torch.tensor(linear.data(1)).expand(2000, -1)

    def one(loss):
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss().mean(), list(model.encoder.parameters()))])

    with seeded(8):
        difference = torch.stack(
            [
                one(lambda: dreg(*model.draw(x, K=4, detach_q=True))) - one(lambda: iwae(model.log_weights(x, K=4)))
                for _ in range(100)
            ]
        )
    assert_mean(difference, np.zeros(difference.shape[1]), resolution=0.05)


def test_at_the_exact_posterior_dreg_has_no_gradient_noise():
    """Every weight is p(x) wherever z falls, so the path gradient is zero for each draw; the score's is not."""
    model, x = linear.vae(), torch.tensor(linear.data(20))
    loss = dreg(*model.draw(x, K=3, detach_q=True)).sum()
    quiet = torch.autograd.grad(loss, model.encoder.net[0].weight)[0].abs().max()
    noisy = torch.autograd.grad(iwae(model.log_weights(x, 3)).sum(), model.encoder.net[0].weight)[0].abs().max()
    assert quiet < 1e-10 < 1e-2 < noisy


def test_dreg_needs_reparameterised_samples():
    _, log_w, z = one_draw(3)
    with pytest.raises(ValueError, match=r"q\.rsample, not q\.sample"):
        dreg(log_w, z.detach())


def test_dreg_without_gradients_is_a_plain_value():
    with torch.no_grad():
        log_w, z = linear.vae().draw(torch.tensor(linear.data(3)), 4, detach_q=True)
        torch.testing.assert_close(dreg(log_w, z), iwae(log_w))


def test_dreg_needs_the_very_samples():
    """A copy or a view of z is off log_w's path, and its hook would never be called: a silently wrong gradient."""
    _, log_w, z = one_draw(3, detach_q=True)
    for other in (z.clone(), z[:], z.detach().requires_grad_()):
        with pytest.raises(ValueError, match="computed from this very z"):
            dreg(log_w, other)
    leaf = z.detach().requires_grad_()
    assert dreg(-(leaf**2).squeeze(-1), leaf).shape == (3,)
