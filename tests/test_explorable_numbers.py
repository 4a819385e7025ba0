"""What the explorables' Python halves say is true, by quadrature and closed forms that share no code with them."""

import math
import re

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import integrate, special, stats
from test_gradients import closed_form

from lvmteach.classroom.explorables import (
    climb,
    gradient_explorer,
    kl_explorer,
    proposal_explorer,
    thermometer,
    wake_sleep,
)
from lvmteach.classroom.explorables.proposal_explorer import HUMPS, PROBLEMS
from lvmteach.gradients import gradient_samples
from lvmteach.helmholtz import bars
from lvmteach.runtime import seeded
from lvmteach.vae import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal
from lvmteach.variational import reverse_fit

D = 6


# The proposal explorer


def density(problem, z):
    return np.mean([stats.norm.pdf(z, mean, problem.scale) for mean in problem.means], 0)


def quad(function, low):
    pieces = [(max(low, a), a + 2) for a in np.arange(-30, 30, 2) if a + 2 > low]
    return sum(integrate.quad(function, a, b, epsabs=0, epsrel=1e-10)[0] for a, b in pieces)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_the_truth_is_the_integral(problem):
    assert problem.truth() == pytest.approx(quad(lambda z: density(problem, z), problem.above), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (4.0, 1.0), (-1.0, 1.5), (2.0, 0.9), (1.0, 3.0)])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_the_variance_is_the_integral(problem, mean, scale):
    def second_moment(z):
        log_p = special.logsumexp(stats.norm.logpdf(z, problem.means, problem.scale)) - math.log(len(problem.means))
        return math.exp(2 * log_p - stats.norm.logpdf(z, mean, scale))

    truth = quad(second_moment, problem.above) / problem.truth() ** 2 - 1
    # Where q is p the variance is one minus one, which leaves rounding.
    assert problem.relative_variance(mean, scale) == pytest.approx(truth, rel=1e-8, abs=1e-12)


def test_the_variance_is_infinite_exactly_when_the_proposal_is_too_narrow():
    for problem in PROBLEMS:
        edge = problem.scale / math.sqrt(2)
        assert problem.relative_variance(0.3, 0.999 * edge) == math.inf
        assert math.isfinite(problem.relative_variance(0.3, 1.1 * edge))


def test_the_line_is_the_running_mean_with_its_error():
    found = proposal_explorer.compute(proposal_explorer.Values(1.0, 3.0, PROBLEMS.index(HUMPS)), {})
    terms = density(HUMPS, found.z.numpy()) / stats.norm.pdf(found.z.numpy(), 1.0, 3.0)
    drawn = proposal_explorer.DRAWN
    assert drawn[-1] == len(terms) == proposal_explorer.K
    np.testing.assert_allclose(found.value, [terms[:k].mean() for k in drawn], rtol=1e-10)
    np.testing.assert_allclose(found.error, [stats.sem(terms[:k]) for k in drawn], rtol=1e-8)


def test_what_the_speaker_note_says():
    def said(mean, scale, problem):
        values = proposal_explorer.Values(mean, scale, problem)
        return proposal_explorer.words(proposal_explorer.compute(values, {}), values)

    assert "1.000 ± 0;" in said(0.0, 1.0, 0)
    assert "infinite" in said(0.0, 0.7, 0)
    assert "0.000 ± 0; effective draws 0 of" in said(0.0, 1.0, 1)
    assert re.search("estimate / truth = 0.500 ± .*e-", said(-2.0, 0.7, 2))


# The gradient explorer

NAMES = dict(zip(gradient_explorer.KINDS, ("reparameterised", "none", "mean", "leave-one-out"), strict=True))
AWAY = gradient_explorer.M - gradient_explorer.T


@pytest.mark.parametrize("K", [2, 64])
@pytest.mark.parametrize("kind", gradient_explorer.KINDS)
def test_the_lines_are_the_closed_forms(kind, K):
    for dimension in (1, 5, 64):
        exact, _ = closed_form(NAMES[kind], dimension, K, d=AWAY, s=gradient_explorer.S)
        assert gradient_explorer.variance(kind, dimension, K) == pytest.approx(exact, rel=1e-14)  # rounding


@pytest.mark.parametrize("kind", gradient_explorer.KINDS)
def test_the_estimates_have_the_mean_and_variance_drawn(kind):
    exact, m = gradient_explorer.variance(kind, 5, 3), torch.full((5,), gradient_explorer.M, dtype=torch.float64)
    with seeded(1):
        (found,) = gradient_samples(gradient_explorer.estimator(kind, 3), (m,), 100_000)
    assert_mean(found[:, 0], 2 * AWAY, resolution=0.1 * exact**0.5)
    assert_mean((found - 2 * AWAY).square().mean(1) / exact, 1.0, resolution=0.05)


# The KL explorer


def posterior(z, apart):
    return 0.4 * stats.norm.pdf(z, -apart / 2, 0.6) + 0.6 * stats.norm.pdf(z, apart / 2, 0.9)


@pytest.mark.parametrize(("m", "height", "apart"), [(0.0, 0.25, 4.0), (2.0, 0.4, 4.0), (1.0, 0.15, 2.0)])
def test_the_parts_of_log_p_are_the_integrals(m, height, apart):
    found = kl_explorer.compute(kl_explorer.Values((m, height), apart=apart), {})
    s = 1 / (height * math.sqrt(2 * math.pi))
    assert float(found.s) == pytest.approx(s, rel=1e-12)

    def integrand(z):
        return stats.norm.pdf(z, m, s) * (stats.norm.logpdf(z, m, s) - math.log(posterior(z, apart)))

    # The explorer's grid ends at 16, for the widest q here 5.6 deviations away.
    oracle = integrate.quad(integrand, m - 9 * s, m + 9 * s, limit=200)[0]
    assert float(found.kl) == pytest.approx(oracle, abs=1e-5)
    assert float(found.elbo) == pytest.approx(kl_explorer.LOG_P_X - oracle, abs=1e-5)
    oracle = integrate.quad(lambda z: posterior(z, apart) * -integrand(z) / stats.norm.pdf(z, m, s), -9, 9)[0]
    assert float(found.forward) == pytest.approx(oracle, abs=1e-5)


@pytest.mark.slow
def test_each_fit_is_best_by_its_own_measure():
    kinds = (kl_explorer.BY_HAND, kl_explorer.REVERSE, kl_explorer.FORWARD)
    hand, reverse, forward = (kl_explorer.compute(kl_explorer.Values((1.5, 0.35), fit, 5.0), {}) for fit in kinds)
    assert reverse.kl < min(hand.kl, forward.kl)
    assert forward.forward < min(hand.forward, reverse.forward)


@pytest.mark.parametrize(("peak", "apart"), [((1.5, 0.35), 5.0), ((-2.0, 0.5), 4.0), ((0.3, 0.2), 1.0)])
def test_newtons_steps_end_where_the_librarys_fit_ends(peak, apart):
    log_joint, start = kl_explorer.two_humps(kl_explorer.ON.z, apart), kl_explorer.with_peak_at(*peak)
    ours, peer = (fit(log_joint, kl_explorer.ON, start) for fit in (kl_explorer.reverse_fit, reverse_fit))
    for one, other in zip(ours, peer, strict=True):
        assert float(one) == pytest.approx(float(other), abs=1e-4)  # where the library's climb stops


# The thermometer


@pytest.mark.parametrize("seed", range(5))
def test_elbo_and_gap_are_log_p_and_the_steps_end_at_maxima(seed):
    w, m, s, r = np.random.default_rng(seed).uniform([0.3, 0.2, 0.3, -0.8], [1.2, 0.9, 0.9, 0.3])
    here = thermometer.Values(w, m, s, r)
    found = thermometer.compute(here, {})
    density = stats.norm(0, math.sqrt(2 * w**2 + thermometer.NOISE))
    assert float(found.log_p) == pytest.approx(density.logpdf(math.sqrt(thermometer.SQUARE)), abs=1e-12)
    assert float(found.elbo + found.gap) == pytest.approx(float(found.log_p), abs=1e-12)

    def elbo(**moved):
        return float(thermometer.compute(here._replace(**moved), {}).elbo)

    for label, step in thermometer.ACTIONS.items():
        best = step(here, {})
        free = [name for name in best if not (label.endswith("factors") and name == "r")]
        for name in free:  # a step to either side is lower
            assert elbo(**best) > max(elbo(**{**best, name: best[name] + d}) for d in (-0.02, 0.02)), (label, name)


# Climb


def linear_model(shift=0.0):
    """A linear-Gaussian VAE, p(x) = N(b, W W' + s^2 I), and its posterior `shift` deviations beside q."""
    with seeded(7):
        model = VAE(GaussianEncoder(D, 2, hidden=()), GaussianDecoder(2, D, hidden=()), StandardNormal(2)).double()
        W = torch.randn(D, 2, dtype=torch.double)
    W = torch.linalg.qr(W).Q * torch.tensor([2.0, 0.7], dtype=torch.double)  # W'W diagonal: q can be the posterior
    s2, b = 0.5, torch.linspace(-1, 1, D, dtype=torch.double)
    precision = 1 + (W**2).sum(0) / s2
    affine, head = model.decoder.net[0], model.encoder.net[0]
    affine.weight.data, affine.bias.data = W, b
    model.decoder.log_scale.data.fill_(0.5 * math.log(s2))
    A = W.T / s2 / precision[:, None]
    head.weight.data = torch.cat([A, torch.zeros_like(A)])
    head.bias.data = torch.cat([-A @ b + shift / precision.sqrt(), -0.5 * precision.log()])
    x = torch.tensor([[0.3, -1.0, 0.5, 2.0, 0.1, 1.4]], dtype=torch.double)
    log_p = stats.multivariate_normal(b.numpy(), (W @ W.T + s2 * torch.eye(D)).numpy()).logpdf(x[0].numpy())
    return model.requires_grad_(False), x, log_p, ((x - b) @ A.T)[0], precision


def curved_model():
    with seeded(3):
        model = VAE(GaussianEncoder(D, 2, hidden=(8,)), BernoulliDecoder(2, D, hidden=(8,)), StandardNormal(2))
        for one in model.parameters():
            one.data += 0.8 * torch.randn_like(one)
        x = torch.bernoulli(torch.full((3, D), 0.5))
    return model.requires_grad_(False), x


def test_quadrature_finds_a_gaussian_exactly():
    model, x, log_p, mean, precision = linear_model()
    exact = climb.quadrature(model, x[0])
    # The first grid ends at z = 5, here six posterior deviations from the mean: beyond lie 1e-9 of the posterior.
    assert exact.log_p == pytest.approx(log_p, abs=2e-9)
    weight = exact.posterior / exact.posterior.sum()
    for axis, expected, its_precision in zip((0, 1), mean, precision, strict=True):
        found = (weight.sum(1 - axis) * exact.axes[axis]).sum()
        spread = (weight.sum(1 - axis) * (exact.axes[axis] - found) ** 2).sum()
        assert found == pytest.approx(expected.item(), abs=1e-8)
        assert spread == pytest.approx(1 / its_precision.item(), rel=1e-7)


def test_quadrature_of_a_curved_posterior_agrees_with_a_plain_fine_grid():
    model, x = curved_model()
    axis = torch.linspace(-7, 7, 701)
    z = torch.cartesian_prod(axis, axis)
    log_lik = torch.distributions.Bernoulli(logits=model.decoder.net(z)).log_prob(x[0]).sum(-1).double()
    log_joint = log_lik - z.double().square().sum(-1) / 2 - math.log(2 * math.pi)
    plain = (log_joint.logsumexp(0) + 2 * math.log(14 / 700)).item()
    # Beyond five deviations, where the first grid ends, lie 6e-7 of the prior on each axis.
    assert climb.quadrature(model, x[0]).log_p == pytest.approx(plain, abs=1e-4)


def test_with_the_posterior_as_q_every_bound_is_log_p():
    model, x, log_p, *_ = linear_model()
    with seeded(1):
        sets = climb.draw_sets(model, x[0])
    assert sets.bound == pytest.approx(log_p, abs=1e-9)  # rounding: no weight differs from another


def test_the_bound_is_a_mean_over_sets_of_log_mean_weights():
    model, x, log_p, *_ = linear_model(shift=1.0)
    with seeded(1):
        sets = climb.draw_sets(model, x[0])
    w = sets.log_w.exp().numpy()
    for K in (1, 7, 256):
        each = np.log(w[:K].mean(0))
        assert sets.bound[K - 1] == pytest.approx(each.mean())
        assert sets.error[K - 1] == pytest.approx(each.std(ddof=1) / math.sqrt(climb.SETS))
    # log w - log p(x) ~ N(-v/2, v) with v = 2 for a q one posterior deviation off on both axes.
    assert_mean(sets.log_w.flatten().numpy(), log_p - 1.0, resolution=0.05)


def clouds(K, seeds=20):
    """The samples that are shown, of many seeds, in posterior deviations from the posterior's mean."""
    model, x, _, mean, precision = linear_model(shift=1.0)
    kept = climb.recorded(model, x, seeds)
    sets = [{key: kept[f"0 {s} {key}"] for key in climb.KEPT} for s in range(seeds)]
    data = {"images": [{"log_p": 0.0, "sets": sets}]}
    found = [climb.compute(climb.Values(K, 0, s), data).cloud for s in range(seeds)]
    return (np.concatenate(found) - mean.numpy()) * precision.sqrt().numpy()


@pytest.mark.slow
def test_the_resampled_cloud_moves_from_q_to_the_posterior():
    # In posterior deviations q's mean is at (1, 1). With K samples what is left of that is about (e^v - 1)/K = 0.03.
    assert_mean(clouds(1), [1.0, 1.0], resolution=0.1)
    assert_mean(clouds(256), [0.0, 0.0], resolution=0.15)


def test_quadrature_needs_a_plane():
    model = VAE(GaussianEncoder(D, 3, hidden=()), BernoulliDecoder(3, D, hidden=()), StandardNormal(3))
    with pytest.raises(ValueError, match="L = 2, got L = 3"):
        climb.recorded(model, torch.zeros(1, D))


# Wake and sleep

DATA, WAKES = bars(), 80


@pytest.fixture(scope="module")
def trained():
    found = {}
    for name in ("1/4", "4"):
        with seeded(3):
            found[name] = wake_sleep.record(DATA, wake_sleep.SLEEPS[name], WAKES)
    return found


@pytest.mark.slow
def test_a_record_holds_its_moments(trained):
    for r in trained.values():
        assert r.steps.tolist() == list(range(0, WAKES + 1, WAKES // wake_sleep.SNAPSHOTS))
        assert r.dreams.shape == (wake_sleep.SNAPSHOTS + 1, wake_sleep.SHOWN, 16)
        assert r.rebuilt.shape == (wake_sleep.SNAPSHOTS + 1, 30, 16)
        assert r.nll.min() > DATA.entropy
        assert r.nll[-1] < r.nll[0]
        assert np.abs(r.nll + r.kl_data - r.bound).max() < 1e-10  # log p(x) = ELBO + KL, rounding
        assert (r.kl_data > 0).all()
        assert (r.kl_dreams > 0).all()


@pytest.mark.slow
def test_legal_dreams_are_those_that_bars_can_make(trained):
    possible = {tuple(image) for image in DATA.images.int().tolist()}
    r = trained["1/4"]
    for dreams, legal in zip(r.dreams, r.legal, strict=True):
        assert legal.tolist() == [tuple(dream) in possible for dream in dreams.astype(int).tolist()]


@pytest.mark.parametrize("name", wake_sleep.SLEEPS)
def test_sleep_is_rationed(name, monkeypatch):
    calls = []
    monkeypatch.setattr(wake_sleep, "sleep_step", lambda *_: calls.append(1))
    with seeded(0):
        for _ in wake_sleep.training(DATA, wake_sleep.SLEEPS[name], 64):
            pass
    assert len(calls) == 64 * wake_sleep.SLEEPS[name]
