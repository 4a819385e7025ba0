"""What both nets climb together: gradients against enumeration by other code, and against quadrature for soft coins."""

import itertools
import math

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import stats
from test_helmholtz import RATE, deltas, enumerated, gradient, images, made

from lvmteach.helmholtz import (
    Layer,
    Machine,
    bars,
    climb,
    exact,
    gumbel_elbo,
    machine,
    reweighted_step,
    score_bound,
    score_elbo,
)
from lvmteach.helmholtz import objectives as room
from lvmteach.runtime import seeded

SIZES = (3, 2, 2)
EXACTLY = 1e-10  # float64, sums of a few hundred terms of size one


def elbo(m, x):
    log_p, log_q = enumerated(m, x)
    return (log_q.exp() * (log_p - log_q)).sum(-1).mean()


def bound_of_two(m, x):
    """L_2 by the sum over all pairs of states."""
    log_p, log_q = enumerated(m, x)
    log_w = log_p - log_q
    pairs = torch.logaddexp(log_w[:, :, None], log_w[:, None, :]) - math.log(2)
    return ((log_q[:, :, None] + log_q[:, None, :]).exp() * pairs).sum((-2, -1)).mean()


def climbed(objective, copies=1):
    return deltas(lambda m: climb(m, objective, RATE), SIZES, copies) / RATE


# Without sampling


def test_climbing_the_exact_values_follows_their_gradients():
    x = images(3)
    by_elbo, by_log_p = climbed(lambda m: exact(m, x).elbo)[0], climbed(lambda m: exact(m, x).log_p)[0]
    assert np.abs(by_elbo - gradient(lambda m: elbo(m, x), SIZES)).max() < EXACTLY
    log_p = gradient(lambda m: torch.logsumexp(enumerated(m, x)[0], -1).mean(), SIZES)
    assert np.abs(by_log_p - log_p).max() < EXACTLY


def test_a_net_that_the_objective_does_not_know_stays():
    m, x = made(SIZES), images(3)
    before = m.map(torch.clone)
    climb(m, lambda m: exact(m, x).log_p, RATE)
    assert all(torch.equal(a, b) for a, b in zip(m.parameters[5:], before.parameters[5:], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(m.parameters[:5], before.parameters[:5], strict=True))


def test_copies_climb_by_themselves_and_leave_no_gradients_behind():
    """The same as each machine alone, each on its own batch: a mean over copies would make the steps smaller."""
    m, x = made(SIZES, copies=3), torch.stack([images(3, seed=s) for s in range(3)])
    alone = [m.map(lambda parameter, i=i: parameter[i].clone()) for i in range(3)]
    values = climb(m, lambda m: exact(m, x).elbo, RATE)
    assert values.shape == (3, 5)
    assert not values.requires_grad
    assert not any(p.requires_grad for p in m.parameters)
    for i, one in enumerate(alone):
        assert (climb(one, lambda m, i=i: exact(m, x[i]).elbo, RATE) - values[i]).abs().max() < EXACTLY
        for ours, theirs in zip(m.parameters, one.parameters, strict=True):
            assert (ours[i] - theirs).abs().max() < EXACTLY


# By the score function


@pytest.mark.parametrize(("K", "baseline"), [(1, None), (2, "leave_one_out"), (3, "leave_one_out")])
def test_score_elbo_estimates_the_elbos_gradient(K, baseline):
    x, b = images(3), baseline and getattr(room, baseline)
    samples = climbed(lambda m: score_elbo(m, x, K, b), 40_000)
    assert_mean(samples, gradient(lambda m: elbo(m, x), SIZES), resolution=0.06)


def test_score_bound_estimates_the_gradient_of_the_bound():
    x = images(3)
    samples = climbed(lambda m: score_bound(m, x, 2), 40_000)
    assert_mean(samples, gradient(lambda m: bound_of_two(m, x), SIZES), resolution=0.04)
    with pytest.raises(AssertionError, match="mean is off"):
        assert_mean(samples, gradient(lambda m: elbo(m, x), SIZES), resolution=0.04)


def test_values_are_the_bounds():
    x = images(3)
    m = made(SIZES).map(lambda parameter: parameter.expand(40_000, *parameter.shape))
    with seeded(1):
        values = [score_elbo(m, x, 2).mean(-1), score_bound(m, x, 2).mean(-1)]
        values.append(gumbel_elbo(m, x, 1, 0.7, straight_through=True).mean(-1))
    for found, truth in zip(values, (elbo, bound_of_two, elbo), strict=True):
        assert_mean(found.numpy(), float(truth(made(SIZES), x)), resolution=0.04)


def test_for_theta_the_bound_is_reweighting():
    x, a = images(3), made(SIZES)
    b = a.map(torch.clone)
    with seeded(3):
        reweighted_step(a, x, 4, RATE)
    with seeded(3):
        climb(b, lambda m: score_bound(m, x, 4), RATE)
    ours, theirs = ([m.prior, *itertools.chain(*m.generative)] for m in (a, b))
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other).abs().max() < 1e-6  # the two draw their coins in one order, in one precision


def test_leave_one_out_lowers_the_variance():
    x = images(3)
    none, left_out = (climbed(lambda m, b=b: score_elbo(m, x, 4, b), 4000) for b in (None, room.leave_one_out))
    assert left_out.var(0).sum() < none.var(0).sum() / 2


def signal_with_its_own_draw(m, x):
    return score_elbo(m, x, 2, lambda log_w: log_w.mean(0))


def no_score(m, x):
    log_w, _ = room._weigh(m, x, 2)
    return log_w.mean(0)


def score_of_the_other_sign(m, x):
    log_w, log_q = room._weigh(m, x, 2)
    return (log_w - (log_w.detach() - room.leave_one_out(log_w.detach())) * (log_q - log_q.detach())).mean(0)


@pytest.mark.parametrize("mutant", [signal_with_its_own_draw, no_score, score_of_the_other_sign])
def test_a_planted_bug_in_the_score_is_seen(mutant):
    x = images(3)
    with pytest.raises(AssertionError, match="mean is off"):
        assert_mean(climbed(lambda m: mutant(m, x), 40_000), gradient(lambda m: elbo(m, x), SIZES), resolution=0.06)


def bound_without_its_baseline_removed(m, x):
    """The baseline knows its own draw: the mean of all weights instead of the others' geometric mean."""
    log_w, log_q = room._weigh(m, x, 2)
    bound = room.log_mean_exp(log_w)
    return bound + ((bound - log_w).detach() * (log_q - log_q.detach())).sum(0)


def test_a_planted_bug_in_the_bound_is_seen():
    x, truth = images(3), gradient(lambda m: bound_of_two(m, images(3)), SIZES)
    with pytest.raises(AssertionError, match="mean is off"):
        assert_mean(climbed(lambda m: bound_without_its_baseline_removed(m, x), 40_000), truth, resolution=0.06)


# Soft coins: one latent unit, so that the mean of the gradient is one integral over logistic noise.

NOISE = np.linspace(-40, 40, 400_001)
DENSITY = stats.logistic.pdf(NOISE) * (NOISE[1] - NOISE[0])


def one_unit(w, c, b):
    """p(z) = Bernoulli(sigmoid(b)), p(x|z) = Bernoulli(sigmoid(w z + c)), q(z|x) = Bernoulli(sigmoid(0.8 x - 0.3))."""
    as_layer = [Layer(torch.tensor([[v]]), torch.tensor([u])) for v, u in ((w, c), (0.8, -0.3))]
    return Machine(torch.tensor([b]), (as_layer[0],), (as_layer[1],)).map(torch.Tensor.double)


def soft_value(w, c, b, a, tau, hard=False, slope=1e-5):
    """The mean of the softened log w at x = 1, and its slope in q's logit a, by quadrature and central differences."""

    def value(held, moved):
        soft, at = (1 / (1 + np.exp(-(v + NOISE) / tau)) for v in (held, moved))
        s = (held + NOISE > 0) + at - soft if hard else at
        log_p = s * b - np.logaddexp(0, b) + w * s + c - np.logaddexp(0, w * s + c)
        return DENSITY @ (log_p - s * moved + np.logaddexp(0, moved))

    return value(a, a), (value(a, a + slope) - value(a, a - slope)) / (2 * slope)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("tau", [0.3, 1.0])
def test_soft_coins_meet_quadrature(tau, hard):
    mean, slope = soft_value(1.7, -0.6, 0.4, 0.5, tau, hard)  # q's logit at x = 1 is 0.8 - 0.3
    m = one_unit(1.7, -0.6, 0.4).map(lambda parameter: parameter.expand(100_000, *parameter.shape).clone())
    before = m.recognition[0].bias.clone()
    with seeded(5):
        values = climb(m, lambda m: gumbel_elbo(m, torch.ones(1, 1), 1, tau, straight_through=hard), RATE)
    assert_mean(values.numpy(), [mean], resolution=0.02)
    assert_mean(((m.recognition[0].bias - before) / RATE).numpy(), [slope], resolution=0.03)


def test_the_bias_of_soft_coins_falls_with_the_temperature():
    """At tau = 1 quadrature says that the gradient is off, at tau = 0.05 hardly."""
    w, c, b, a = 1.7, -0.6, 0.4, 0.5

    def log_w(z):
        return z * b - np.logaddexp(0, b) + w * z + c - np.logaddexp(0, w * z + c) - z * a + np.logaddexp(0, a)

    theta = 1 / (1 + math.exp(-a))
    truth = theta * (1 - theta) * (log_w(1) - log_w(0))  # E_q[d log w / da] = -E_q[score] = 0
    warm, cold = (abs(soft_value(w, c, b, a, tau)[1] - truth) for tau in (1.0, 0.05))
    assert cold < warm / 5


# As a whole, and bad input


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective",
    [
        lambda m, x: exact(m, x).elbo,
        lambda m, x: exact(m, x).log_p,
        lambda m, x: score_elbo(m, x, 5),
        lambda m, x: score_bound(m, x, 5),
        lambda m, x: gumbel_elbo(m, x, 5, 0.5),
    ],
)
def test_every_objective_teaches_bars(objective):
    """Pixels with the right marginals cost about 8.0 nats; bars 2.41."""
    b = bars(dtype=torch.float32)
    with seeded(0):
        m = machine((16, 8, 1), copies=4)
        for _ in range(500):
            x = b.sample(80).unflatten(0, (4, 20))
            climb(m, lambda m, x=x: objective(m, x), 2.0)
    nll = -b.expect(exact(m, b.images).log_p)
    assert nll.max() < 7
    assert nll.min() > b.entropy


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x: score_elbo(m, x, 1), "K >= 2"),
        (lambda m, x: score_elbo(m, x, 0, None), "K must be at least 1"),
        (lambda m, x: score_bound(m, x, 1), "K >= 2"),
        (lambda m, x: score_elbo(m, x / 2, 2), "binarise grey"),
        (lambda m, x: gumbel_elbo(m, x / 2, 2, 1.0), "binarise grey"),
        (lambda m, x: gumbel_elbo(m, x, 0, 1.0), "K must be at least 1"),
        (lambda m, x: gumbel_elbo(m, x, 2, 0.0), "temperature must be above 0"),
        (lambda m, x: gumbel_elbo(m, x, 2, math.nan), "temperature must be above 0"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(call, words):
    with pytest.raises(ValueError, match=words):
        call(made(SIZES), images(3))
