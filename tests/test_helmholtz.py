"""Helmholtz machines against brute force over itertools.product, and their delta rules against autograd."""

import itertools
import math

import numpy as np
import pytest
import torch
from chance import assert_mean, assert_share
from torch.nn.functional import binary_cross_entropy_with_logits

from lvmteach.bounds import iwae
from lvmteach.evaluation import log_marginal
from lvmteach.helmholtz import (
    Layer,
    Machine,
    bars,
    exact,
    machine,
    posterior,
    recognition,
    reweighted_step,
    sleep_step,
    states,
    wake_step,
)
from lvmteach.helmholtz import model as helmholtz
from lvmteach.runtime import seeded

SIZES = [(4, 3), (4, 3, 2), (3, 2, 2, 1)]
ROUNDING = 1e-12  # float64, sums of a few hundred terms of size one
RATE = 0.7


def made(sizes, copies=None, seed=1, scale=1.0):
    """A machine none of whose parameters is zero, or shared."""
    with seeded(seed):
        m = machine(sizes, copies=copies, dtype=torch.float64)
        return m.map(lambda parameter: scale * torch.randn_like(parameter))


def images(D, B=5, seed=2):
    with seeded(seed):
        return (torch.rand(B, D, dtype=torch.float64) < 0.4).double()


def parameters(m):
    return [m.prior, *itertools.chain(*m.generative), *itertools.chain(*m.recognition)]


# The oracle: numpy, one unit, one state and one image at a time.


def coin(s, logit):
    return math.log(1 / (1 + math.exp(-logit if s else logit)))


def brute_log_net(layers, given, drawn):
    """log of prod_t Bernoulli(drawn[t]; layers[t], given[t])."""
    total = 0.0
    for (weight, bias), g, s in zip(layers, given, drawn, strict=True):
        for j in range(len(s)):
            total += coin(s[j], bias[j] + sum(g[i] * weight[i, j] for i in range(len(g))))
    return total


def brute(m, x):
    """log p(x, z) and log q(z|x) for every z, by the definition, in the order of itertools.product."""
    m = m.map(lambda parameter: parameter.numpy())
    x = tuple(int(v) for v in x)
    log_p, log_q = [], []
    for z in itertools.product((0, 1), repeat=sum(m.sizes[1:])):
        ends = list(itertools.accumulate(m.sizes[1:], initial=0))
        units = [x] + [z[a:b] for a, b in itertools.pairwise(ends)]
        prior = sum(coin(s, b) for s, b in zip(units[-1], m.prior, strict=True))
        log_p.append(prior + brute_log_net(m.generative, units[1:], units[:-1]))
        log_q.append(brute_log_net(m.recognition, units[:-1], units[1:]))
    return np.array(log_p), np.array(log_q)


def brute_exact(m, x):
    """log p(x), ELBO, KL(q || p), KL(p || q), from probabilities rather than logarithms where that is possible."""
    log_p, log_q = brute(m, x)
    p, q = np.exp(log_p), np.exp(log_q)
    post = p / p.sum()
    return (
        math.log(p.sum()),
        np.sum(q * (log_p - log_q)),
        np.sum(q * np.log(q / post)),
        np.sum(post * np.log(post / q)),
    )


# Enumeration


@pytest.mark.parametrize("sizes", SIZES)
def test_exact_is_brute_force(sizes):
    m, x = made(sizes), images(sizes[0])
    found = torch.stack(tuple(exact(m, x)), -1).numpy()
    assert np.abs(found - [brute_exact(m, row) for row in x]).max() < ROUNDING


@pytest.mark.parametrize("sizes", SIZES)
def test_posterior_and_recognition_are_brute_force(sizes):
    m, x = made(sizes), images(sizes[0])
    for row, post, q in zip(x, posterior(m, x), recognition(m, x), strict=True):
        log_p, log_q = brute(m, row)
        assert np.abs(post.numpy() - np.exp(log_p) / np.exp(log_p).sum()).max() < ROUNDING
        assert np.abs(q.numpy() - np.exp(log_q)).max() < ROUNDING
        assert abs(float(q.sum()) - 1) < ROUNDING


@pytest.mark.parametrize("sizes", [*SIZES, (8, 5, 3), (10, 4, 4, 2)])
def test_probabilities_of_all_images_sum_to_one(sizes):
    x = states(sizes[0])
    assert abs(float(exact(made(sizes, scale=2.0), x).log_p.exp().sum()) - 1) < 1e-10


@pytest.mark.parametrize("sizes", [*SIZES, (9, 8, 8)])
def test_bound_and_gap_add_up_to_log_p(sizes):
    e = exact(made(sizes, scale=2.0), images(sizes[0], B=7))
    assert (e.elbo + e.kl_q_p - e.log_p).abs().max() < 1e-10
    assert e.kl_q_p.min() > 0
    assert e.kl_p_q.min() > 0


def test_gap_is_zero_where_recognition_reverses_the_generator():
    """One latent unit: log odds of z given x are linear in x, so a recognition net can be the posterior."""
    m = made((4, 1))
    weight, bias = m.generative[0]
    on, off = bias + weight[0], bias
    m.recognition[0].weight.copy_((on - off)[:, None])
    # log sigmoid(a) at x = 1 and log sigmoid(-a) at x = 0 differ by a; the rest is constant in x.
    softplus = torch.logaddexp(torch.zeros(()).double(), torch.stack([on, off])).sum(-1)
    m.recognition[0].bias.copy_(m.prior - softplus[0] + softplus[1])
    e = exact(m, states(4))
    assert e.kl_q_p.abs().max() < ROUNDING
    assert e.kl_p_q.abs().max() < ROUNDING


def test_log_joint_and_log_q_of_rows():
    m, x = made((4, 3, 2)), images(4)
    with seeded(0):
        units = m.recognise(x)
    z = torch.cat(units[1:], -1).numpy()
    order = [list(map(tuple, itertools.product((0, 1), repeat=5))).index(tuple(row)) for row in z]
    tables = [brute(m, row) for row in x]
    assert np.allclose(m.log_joint(units), [p[i] for (p, _), i in zip(tables, order, strict=True)], atol=ROUNDING)
    assert np.allclose(m.log_q(units), [q[i] for (_, q), i in zip(tables, order, strict=True)], atol=ROUNDING)


def test_large_enumerations_are_cut_into_parts(monkeypatch):
    m, x = made((4, 3, 2), copies=2), images(4, B=7)
    whole = exact(m, x)
    monkeypatch.setattr("lvmteach.helmholtz.enumeration.AT_ONCE", 150)  # 2 copies x 32 states: two images at a time
    for a, b in zip(whole, exact(m, x), strict=True):
        assert torch.equal(a, b)


def test_copies_are_machines_of_their_own():
    m, x = made((4, 3, 2), copies=3), images(4)
    own = torch.stack([x, 1 - x, x.flip(0)])
    for i in range(3):
        one = m.map(lambda parameter, i=i: parameter[i])
        for batch, each in ((x, x), (own, own[i])):
            for a, b in zip(exact(m, batch), exact(one, each), strict=True):
                assert (a[i] - b).abs().max() < ROUNDING


@pytest.mark.parametrize("scale", [40.0, 400.0])
def test_saturated_units_stay_finite(scale):
    m, x = made((4, 3, 2), scale=scale), images(4)
    assert all(part.isfinite().all() for part in exact(m, x))
    with seeded(0):
        assert m.log_weights(x, 3).isfinite().all()


# Sampling


def test_dreams_come_from_the_joint():
    m = made((3, 2, 2))
    with seeded(4):
        units = m.dream(200_000)
    code = (torch.cat(units, -1) @ 2.0 ** torch.arange(6, -1, -1, dtype=torch.float64)).long()
    share = np.concatenate([np.exp(brute(m, x)[0]) for x in itertools.product((0, 1), repeat=3)])
    seen = torch.bincount(code, minlength=128).numpy()
    for hits, p in zip(seen, share, strict=True):
        assert_share(hits, 200_000, p, resolution=0.01)


def test_readings_come_from_q():
    m, x = made((3, 2, 2)), torch.tensor([[1.0, 0.0, 1.0]]).double()
    with seeded(5):
        units = m.recognise(x.expand(200_000, -1))
    code = (torch.cat(units[1:], -1) @ 2.0 ** torch.arange(3, -1, -1, dtype=torch.float64)).long()
    for hits, p in zip(torch.bincount(code, minlength=16).numpy(), np.exp(brute(m, x[0])[1]), strict=True):
        assert_share(hits, 200_000, p, resolution=0.01)


def test_importance_weights_average_to_p_and_their_logs_to_the_bound():
    m, x = made((4, 3, 2), scale=0.5), images(4)  # wider weights: a variance that needs far more draws
    log_p, elbo = np.array([brute_exact(m, row)[:2] for row in x]).T
    with seeded(6):
        log_w = m.log_weights(x, 200_000)
    assert_mean(log_w.exp().numpy() / np.exp(log_p), np.ones(5), resolution=0.05)
    assert_mean(log_w.numpy(), elbo, resolution=0.05)
    assert (iwae(log_w) - torch.from_numpy(log_p)).abs().max() < 0.05


def test_copies_weigh_their_own_draws():
    m, x = made((4, 3, 2), copies=2, scale=0.5), images(4)
    truth = np.stack([[brute_exact(m.map(lambda p, i=i: p[i]), row)[0] for row in x] for i in range(2)])
    with seeded(6):
        log_w = m.log_weights(x, 50_000)
    assert log_w.shape == (50_000, 2, 5)
    assert_mean(log_w.exp().numpy() / np.exp(truth), np.ones((2, 5)), resolution=0.1)


def test_evaluation_takes_a_machine():
    m, x = made((4, 3, 2), scale=0.5), images(4)
    with seeded(6):
        found = log_marginal(m, x, K=100_000)
    # With twice the draws, 5 standard errors are below 0.05, as seen above.
    assert (found - exact(m, x).log_p).abs().max() < 0.05 * 2**0.5


# Delta rules against autograd. The oracle tosses its own coins, from the same stream in the same order.


def toss(logits):
    return (torch.rand(logits.shape, dtype=logits.dtype) < torch.sigmoid(logits)).double()


def affine(layer, given):
    return torch.einsum("...bi,...io->...bo", given, layer[0]) + layer[1][..., None, :]


def cross_entropy(target, logits):
    """-log Bernoulli, summed over units: (*S, B)."""
    logits, target = torch.broadcast_tensors(logits, target)
    return binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)


def read(m, x):
    units = [x]
    for layer in m.recognition:
        units.append(toss(affine(layer, units[-1])))
    return units


def cost_down(m, units):
    """-log p(x, z)."""
    total = cross_entropy(units[-1], m.prior[..., None, :])
    for layer, s, above in zip(m.generative, units[:-1], units[1:], strict=True):
        total = total + cross_entropy(s, affine(layer, above))
    return total


def cost_up(m, units):
    """-log q(z|x)."""
    return sum(
        cross_entropy(s, affine(layer, below))
        for layer, s, below in zip(m.recognition, units[1:], units[:-1], strict=True)
    )


def wake_loss(m, x):
    with torch.no_grad():
        units = read(m, x)
    return cost_down(m, units).mean(-1).sum()


def sleep_loss(m, N):
    with torch.no_grad():
        units = [toss(m.prior[..., None, :].expand(*m.prior.shape[:-1], N, -1))]
        for layer in m.generative[::-1]:
            units.append(toss(affine(layer, units[-1])))
    return cost_up(m, units[::-1]).mean(-1).sum()


def reweighted_loss(m, x, K, recognition=1.0):
    """Self-normalised importance sampling, K copies of x one after the other; `recognition` is q's part in it."""
    B, rows = x.shape[-2], x.repeat(*[1] * (x.ndim - 2), K, 1)
    with torch.no_grad():
        units = read(m, rows)
        w = (cost_up(m, units) - cost_down(m, units)).unflatten(-1, (K, B)).exp()
        w = (w / w.sum(-2, keepdim=True)).flatten(-2)
    return sum((w * cost).sum() / B for cost in (cost_down(m, units), recognition * cost_up(m, units)))


def assert_follows(step, sizes, *losses, copies=None):
    """`step(m)` moves m by -RATE times the gradient of each loss in turn, and by nothing else, to 1e-6."""
    m = made(sizes, copies)
    peer = m.map(torch.clone)
    with seeded(7):
        for loss in losses:
            leaf = peer.map(lambda parameter: parameter.clone().requires_grad_())
            gradients = torch.autograd.grad(loss(leaf), parameters(leaf), allow_unused=True)
            for parameter, gradient in zip(parameters(peer), gradients, strict=True):
                parameter.sub_(RATE * (0.0 if gradient is None else gradient))
    with seeded(7):
        step(m)
    for ours, theirs in zip(parameters(m), parameters(peer), strict=True):
        assert (ours - theirs).abs().max() < 1e-6


@pytest.mark.parametrize("copies", [None, 3])
@pytest.mark.parametrize("sizes", SIZES)
def test_deltas_are_autograds(sizes, copies):
    x = images(sizes[0])
    assert_follows(lambda m: wake_step(m, x, RATE), sizes, lambda m: wake_loss(m, x), copies=copies)
    assert_follows(lambda m: sleep_step(m, 6, RATE), sizes, lambda m: sleep_loss(m, 6), copies=copies)


@pytest.mark.parametrize("copies", [None, 3])
@pytest.mark.parametrize("sizes", SIZES)
def test_reweighted_deltas_are_autograds(sizes, copies):
    x = images(sizes[0])
    for phases, *losses in (
        ("wake", lambda m: reweighted_loss(m, x, 4)),
        ("sleep", lambda m: reweighted_loss(m, x, 4, recognition=0.0), lambda m: sleep_loss(m, 5)),
        ("both", lambda m: reweighted_loss(m, x, 4, recognition=0.5), lambda m: sleep_loss(m, 5) / 2),
    ):

        def step(m, phases=phases):
            reweighted_step(m, x, 4, RATE, recognition=phases)

        assert_follows(step, sizes, *losses, copies=copies)


def test_deltas_take_one_batch_a_copy():
    x = torch.stack([images(4, seed=s) for s in range(3)])
    assert_follows(lambda m: wake_step(m, x, RATE), (4, 3, 2), lambda m: wake_loss(m, x), copies=3)
    assert_follows(lambda m: reweighted_step(m, x, 4, RATE), (4, 3, 2), lambda m: reweighted_loss(m, x, 4), copies=3)


def test_one_sample_makes_reweighting_a_wake_step():
    x, a = images(4), made((4, 3, 2))
    b = a.map(torch.clone)
    with seeded(8):
        wake_step(a, x, RATE)
    with seeded(8):
        reweighted_step(b, x, 1, RATE)
    for one, other in zip(itertools.chain(*a.generative), itertools.chain(*b.generative), strict=True):
        assert (one - other).abs().max() < ROUNDING


# What the deltas estimate: means over many copies, each with its own draws, against gradients through enumeration.


def enumerated(m, x):
    """log p(x, z), log q(z|x), (B, Z), with gradients, from the costs above."""
    z = torch.tensor(list(itertools.product((0.0, 1.0), repeat=sum(m.sizes[1:]))), dtype=x.dtype)
    units = [x[:, None].expand(-1, len(z), -1)]
    units += [part.expand(len(x), -1, -1) for part in z.split(m.sizes[1:], -1)]
    return -cost_down(m, units), -cost_up(m, units)


def deltas(step, sizes, copies):
    """What `step` adds to each parameter, (copies, number of parameters), for equal machines with their own draws."""
    one = made(sizes)
    m = one.map(lambda parameter: parameter.expand(copies, *parameter.shape).clone())
    with seeded(9):
        step(m)
    return torch.cat([(b - a).flatten(1) for a, b in zip(parameters(one), parameters(m), strict=True)], 1).numpy()


def gradient(objective, sizes):
    leaf = made(sizes).map(lambda parameter: parameter.clone().requires_grad_())
    found = torch.autograd.grad(objective(leaf), parameters(leaf), allow_unused=True)
    pairs = zip(parameters(leaf), found, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for p, g in pairs]).numpy()


def elbo_by_theta(m, x):
    log_p, log_q = enumerated(m, x)
    return (log_q.detach().exp() * log_p).sum(-1).mean()


def minus_kl_on_dreams(m):
    """-E_p(x) KL(p(z|x) || q(z|x)), up to what does not depend on q: E_p(x,z) log q(z|x)."""
    log_p, log_q = enumerated(m, states(m.sizes[0]))
    return (log_p.detach().exp() * log_q).sum()


def assert_estimates(step, objective, sizes=(3, 2, 2), copies=40_000, resolution=0.03):
    assert_mean(deltas(step, sizes, copies) / RATE, gradient(objective, sizes), resolution=resolution)


def test_wake_estimates_the_elbos_gradient():
    x = images(3)
    assert_estimates(lambda m: wake_step(m, x, RATE), lambda m: elbo_by_theta(m, x))


def test_sleep_estimates_the_gradient_of_the_divergence_on_dreams():
    assert_estimates(lambda m: sleep_step(m, 5, RATE), minus_kl_on_dreams)


def log_p_and_divergence(m, x):
    """log p(x) for theta, and -KL(p(z|x) || q(z|x)) for gamma."""
    log_p, log_q = enumerated(m, x)
    return (torch.logsumexp(log_p, -1) + (torch.softmax(log_p.detach(), -1) * log_q).sum(-1)).mean()


def test_reweighting_tends_to_the_gradient_of_log_p():
    """The bias falls as 1/K: at K = 1000 it is below what 400 copies resolve, at K = 2 plain to see."""
    x, sizes = images(3), (3, 2, 2)
    truth = gradient(lambda m: log_p_and_divergence(m, x), sizes)
    many = deltas(lambda m: reweighted_step(m, x, 1000, RATE), sizes, 400) / RATE
    assert_mean(many, truth, resolution=0.01)
    few = deltas(lambda m: reweighted_step(m, x, 2, RATE), sizes, 20_000) / RATE
    assert np.abs(few.mean(0) - truth).max() > 0.02
    with pytest.raises(AssertionError, match="mean is off"):
        assert_mean(few, truth, resolution=0.03)


# Mutants: each is a mistake somebody makes, and each must fail the assertions above.


def teach_the_wrong_net(m, x):
    units = m.recognise(x)
    for layer, given, target in zip(m.recognition, units[:-1], units[1:], strict=True):
        helmholtz._learn(layer, given, target - layer.probability(given), RATE / len(x))


def learn_from_samples(m, x):
    """The unit's own toss where its probability belongs."""
    units = m.recognise(x)
    for layer, target, given in zip(m.generative, units[:-1], units[1:], strict=True):
        helmholtz._learn(layer, given, target - toss(layer.logits(given)), RATE / len(x))
    helmholtz._learn_prior(m, units[-1], RATE / len(x))


def without(step, which):
    """The step, and then some parameters put back to what they were."""

    def broken(m, x):
        old = [parameter.clone() for parameter in which(m)]
        step(m, x)
        for parameter, value in zip(which(m), old, strict=True):
            parameter.copy_(value)

    return broken


def biases(m):
    return [layer.bias for layer in (*m.generative, *m.recognition)]


def awake(m, x):
    wake_step(m, x, RATE)


def sleep_on_readings(m):
    """Sleep whose targets are drawn from the recognition net itself, which then has nothing to learn."""
    units = m.recognise(m.dream(6)[0])
    for layer, given, target in zip(m.recognition, units[:-1], units[1:], strict=True):
        helmholtz._learn(layer, given, target - layer.probability(given), RATE / 6)


WAKE_MUTANTS = {
    "phases swapped": teach_the_wrong_net,
    "dreams instead of data": lambda m, x: wake_step(m, m.dream(len(x))[0], RATE),
    "sign of the delta": lambda m, x: wake_step(m, x, -RATE),
    "sum instead of mean": lambda m, x: wake_step(m, x, RATE * len(x)),
    "a sample instead of its probability": learn_from_samples,
    "no bias": without(awake, biases),
    "no prior": without(awake, lambda m: [m.prior]),
    "top layer only": without(awake, lambda m: m.generative[0]),
    "both nets taught": lambda m, x: (awake(m, x), sleep_step(m, len(x), RATE)),
}


@pytest.mark.parametrize("mutant", WAKE_MUTANTS.values(), ids=WAKE_MUTANTS)
def test_wake_mutants_are_caught(mutant):
    x = images(4)
    with pytest.raises(AssertionError):
        assert_follows(lambda m: mutant(m, x), (4, 3, 2), lambda m: wake_loss(m, x))


SLEEP_MUTANTS = {
    "sign of the delta": lambda m: sleep_step(m, 6, -RATE),
    "sum instead of mean": lambda m: sleep_step(m, 6, RATE * 6),
    "data instead of dreams": lambda m: teach_the_wrong_net(m, images(4, B=6)),
    "wake instead of sleep": lambda m: wake_step(m, images(4, B=6), RATE),
    "no bias": lambda m: without(lambda m, _: sleep_step(m, 6, RATE), biases)(m, None),
    "the dream's causes read, not remembered": sleep_on_readings,
}


@pytest.mark.parametrize("mutant", SLEEP_MUTANTS.values(), ids=SLEEP_MUTANTS)
def test_sleep_mutants_are_caught(mutant):
    with pytest.raises(AssertionError):
        assert_follows(mutant, (4, 3, 2), lambda m: sleep_loss(m, 6))


def softmax_over(axis):
    return lambda log_w, _axis: torch.exp(log_w - torch.logsumexp(log_w, axis, keepdim=True))


REWEIGHTED_MUTANTS = {
    "weights not normalised": lambda log_w, _axis: log_w.exp(),
    "normalised over the batch": softmax_over(-1),
    "all weights equal": lambda log_w, _axis: torch.full_like(log_w, 1 / log_w.shape[-2]),
    "inverse weights": lambda log_w, axis: torch.exp(-log_w - torch.logsumexp(-log_w, axis, keepdim=True)),
    "best draw only": lambda log_w, axis: (log_w == log_w.amax(axis, keepdim=True)).to(log_w.dtype),
}


@pytest.mark.parametrize("mutant", REWEIGHTED_MUTANTS.values(), ids=REWEIGHTED_MUTANTS)
def test_reweighting_mutants_are_caught(mutant, monkeypatch):
    x = images(4)
    monkeypatch.setattr(helmholtz.torch, "softmax", mutant)
    with pytest.raises(AssertionError):
        assert_follows(lambda m: reweighted_step(m, x, 4, RATE), (4, 3, 2), lambda m: reweighted_loss(m, x, 4))


def forget_the_prior(m, x):
    return exact(m._replace(prior=torch.zeros_like(m.prior)), x)


def swap_divergences(m, x):
    e = exact(m, x)
    return e._replace(kl_q_p=e.kl_p_q, kl_p_q=e.kl_q_p)


def layers_upside_down(m, x):
    """Recognition weights used downwards: right only for a machine whose two nets are each other's transpose."""
    return exact(m._replace(generative=tuple(Layer(r.weight.mT, g.bias) for r, g in zip(*m[:0:-1], strict=True))), x)


@pytest.mark.parametrize("mutant", [forget_the_prior, swap_divergences, layers_upside_down])
def test_enumeration_mutants_are_caught(mutant):
    m, x = made((4, 3, 2)), images(4)
    found = torch.stack(tuple(mutant(m, x)), -1).numpy()
    with pytest.raises(AssertionError):
        assert np.abs(found - [brute_exact(m, row) for row in x]).max() < ROUNDING


# Bars


@pytest.mark.parametrize(("p", "entropy"), [(0.2, 2.40973), (0.25, 2.72046), (0.5, 3.37909)])
def test_entropy_of_bars(p, entropy):
    assert abs(bars(4, p).entropy - entropy) < 5e-6  # the figures have five decimals


@pytest.mark.parametrize(("side", "p"), [(2, 0.3), (3, 0.2), (4, 0.2)])
def test_bars_are_what_the_tosses_make(side, p):
    made_of = {}
    for standing in (False, True):
        for on in itertools.product((0, 1), repeat=side):
            image = tuple(on[j] if standing else on[i] for i in range(side) for j in range(side))
            chance = math.prod(p if bar else 1 - p for bar in on) / 2
            made_of[image] = made_of.get(image, 0.0) + chance
    b = bars(side, p)
    assert len(b.images) == len(made_of) == 2 ** (side + 1) - 2
    for image, log_prob in zip(b.images, b.log_prob, strict=True):
        assert abs(math.exp(log_prob) - made_of[tuple(image.int().tolist())]) < ROUNDING


def test_bars_are_drawn_with_their_probabilities():
    b = bars()
    with seeded(3):
        x = b.sample(200_000)
    seen = (x[:, None] == b.images).all(-1).sum(0)
    for hits, log_prob in zip(seen.tolist(), b.log_prob, strict=True):
        assert_share(hits, 200_000, math.exp(log_prob), resolution=0.01)


def test_no_machine_beats_the_entropy():
    b = bars()
    for seed in range(5):
        assert -b.expect(exact(made((16, 4, 1), seed=seed), b.images).log_p) > b.entropy


# The algorithms as a whole


@pytest.mark.parametrize("how", ["wake-sleep", "reweighted"])
def test_machines_learn_bars(how):
    """Independent fair pixels cost 16 log 2 = 11.1 nats, pixels with the right marginals about 8.0; bars 2.41."""
    b = bars()
    with seeded(0):
        m = machine((16, 8, 1), copies=4, dtype=torch.float64)
        for _ in range(600):
            x = b.sample(20)
            if how == "wake-sleep":
                wake_step(m, x, 2.0)
                sleep_step(m, 20, 2.0)
            else:
                reweighted_step(m, x, 5, 2.0)
    nll = -b.expect(exact(m, b.images).log_p)
    assert nll.max() < 5.5
    assert nll.min() > b.entropy


def test_snapshots_do_not_move():
    m = made((4, 3))
    before = m.map(torch.clone)
    with seeded(0):
        wake_step(m, images(4), RATE)
    assert not torch.equal(before.prior, m.prior)
    assert torch.equal(before.prior, made((4, 3)).prior)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_the_machines(dtype):
    with seeded(0):
        m = machine((4, 3, 2), dtype=dtype)
        x = images(4).bool()
        assert m.recognise(x)[0].dtype == m.reconstruct(x).dtype == m.dream(2)[1].dtype == dtype
        assert reweighted_step(m, x, 2, RATE).dtype == exact(m, x.to(torch.uint8)).log_p.dtype == dtype


def test_sizes_are_read_off_the_parameters():
    m = machine((5, 4, 3, 2), copies=7)
    assert m.sizes == (5, 4, 3, 2)
    assert m.copies == (7,)
    assert [u.shape for u in m.dream(6)] == [(7, 6, n) for n in m.sizes]
    assert m.reconstruct(images(5)).shape == (7, 5, 5)
    assert isinstance(m, Machine)


# Bad input


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x: wake_step(m, x * 0.5, RATE), "binarise grey images first"),
        (lambda m, x: m.recognise(x.where(x > 0, torch.nan)), "0 and 1 only"),
        (lambda m, x: exact(m, x.where(x > 0, torch.inf)), "0 and 1 only"),
        (lambda m, x: exact(m, -x), "from -1 to"),
        (lambda m, x: reweighted_step(m, 2 * x, 3, RATE), "0 and 1 only"),
        (lambda m, x: m.log_weights(x, 0), "K must be at least 1"),
        (lambda m, x: reweighted_step(m, x, 0, RATE), "K must be at least 1"),
        (lambda m, x: reweighted_step(m, x, 2, RATE, recognition="dream"), "'wake', 'sleep' or 'both'"),
        (lambda m, x: sleep_step(m, 0, RATE), "at least 1 dream"),
        (lambda m, x: wake_step(m, x[0], RATE), r"needs x\[None\]"),
        (lambda m, x: wake_step(m, x[:0], RATE), r"must be \(B, 4\)"),
        (lambda m, x: wake_step(m, x[:, :3], RATE), r"must be \(B, 4\).*got \(5, 3\)"),
        (lambda m, x: m.recognise(x.expand(2, 5, 4)), r"copies \(\)"),
        (lambda m, x: exact(machine((4, 9, 8)), x), "1 to 16 bits .* got 17.*log_weights"),
        (lambda m, x: posterior(machine((4, 20)), x), "got 20"),
        (lambda m, x: states(0), "got 0"),
        (lambda m, x: machine((4,)), "sizes must be"),
        (lambda m, x: machine((4, 0)), r"got \(4, 0\)"),
        (lambda m, x: machine((4, 2.5)), r"got \(4, 2.5\)"),
        (lambda m, x: bars(4, 1.0), "0 < p < 1"),
        (lambda m, x: bars(1), "side >= 2"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(call, words):
    m, x = made((4, 3, 2)), images(4)
    with pytest.raises(ValueError, match=words):
        call(m, x)


def test_a_refused_batch_changes_nothing():
    m = made((4, 3))
    with pytest.raises(ValueError, match="0 and 1"):
        wake_step(m, images(4) * 0.5, RATE)
    for a, b in zip(parameters(m), parameters(made((4, 3))), strict=True):
        assert torch.equal(a, b)
