"""Boltzmann machines against sums over every state, written out in numpy."""

import itertools

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp

from lvmteach.boltzmann import (
    DBN,
    RBM,
    contrastive_divergence,
    dbn_bound,
    dbn_log_likelihood,
    dbn_sample,
    fit_rbm,
    gibbs,
    gradient,
    log_likelihood,
    log_partition,
    stack,
)
from lvmteach.runtime import seeded

RNG = np.random.default_rng(0)
D, H = 6, 4
W, B, C = RNG.normal(size=(D, H)), RNG.normal(size=D) * 0.5, RNG.normal(size=H) * 0.5
MACHINE = RBM(*map(torch.tensor, (W, B, C)))
V = np.array(list(itertools.product([0.0, 1.0], repeat=D)))
STATES = np.array(list(itertools.product([0.0, 1.0], repeat=H)))
JOINT = np.array([[v @ W @ h + B @ v + C @ h for h in STATES] for v in V])
LOG_P = logsumexp(JOINT, 1) - logsumexp(JOINT)
DATA = V[[5, 17, 40, 40]]
ROUNDING = 1e-12


def check_partition(log_z):
    assert abs(log_z - logsumexp(JOINT)) < ROUNDING


def test_log_z_either_side_summed_out():
    check_partition(float(log_partition(MACHINE)))
    check_partition(float(log_partition(MACHINE.flipped())))


def log_z_with(W=W, B=B, C=C):
    return logsumexp(V @ B + np.logaddexp(0, V @ W + C).sum(1))


WRONG = {
    "hidden biases outside the softplus": lambda: logsumexp(V @ B + np.logaddexp(0, V @ W).sum(1)) + C.sum(),
    "units of plus and minus one": lambda: logsumexp(V @ B + np.logaddexp(C + V @ W, -C - V @ W).sum(1)),
    "visible biases forgotten": lambda: log_z_with(B=0 * B),
    "the energy's sign": lambda: log_z_with(-W, -B, -C),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_the_check_sees_planted_bugs(wrong):
    with pytest.raises(AssertionError):
        check_partition(wrong())


def test_likelihood_is_the_sum_over_hidden_states():
    np.testing.assert_allclose(log_likelihood(torch.tensor(V), MACHINE), LOG_P, atol=ROUNDING)


def test_gradient_is_autograds():
    free = RBM(*(p.clone().requires_grad_() for p in MACHINE))
    v = torch.tensor(DATA)
    joint = torch.einsum("vd,dh,sh->vs", torch.tensor(V), free.W, torch.tensor(STATES))
    joint = joint + (torch.tensor(V) @ free.b)[:, None] + torch.tensor(STATES) @ free.c
    rows = [int((d == V).all(1).argmax()) for d in DATA]
    (joint.logsumexp(1)[rows].mean() - joint.flatten().logsumexp(0)).backward()
    for ours, theirs in zip(gradient(v, MACHINE), free, strict=True):
        torch.testing.assert_close(ours, theirs.grad, atol=ROUNDING, rtol=0)


def kernel():
    """One turn of Gibbs sampling as a matrix over all images."""
    up = expit(V @ W + C)
    p_h = np.prod(np.where(STATES[None] == 1, up[:, None], 1 - up[:, None]), 2)
    down = expit(STATES @ W.T + B)
    p_v = np.prod(np.where(V[None] == 1, down[:, None], 1 - down[:, None]), 2)
    return p_h @ p_v


def test_gibbs_sampling_keeps_the_model_and_is_its_kernel():
    np.testing.assert_allclose(np.exp(LOG_P) @ kernel(), np.exp(LOG_P), atol=ROUNDING)
    N = 100_000
    with seeded(1):
        v = gibbs(torch.tensor(DATA[:1]).expand(N, D), MACHINE, 2).numpy()
    counts = np.bincount((v @ 2 ** np.arange(D - 1, -1, -1)).astype(int), minlength=64)
    start = int((DATA[0] == V).all(1).argmax())
    p = np.linalg.matrix_power(kernel(), 2)[start]
    assert (np.abs(counts / N - p) < 5.5 * np.sqrt(p / N) + 1e-4).all()


def test_contrastive_divergence_tends_to_the_gradient():
    """Its expectation, exactly: images after k turns have probabilities start @ kernel^k."""
    start = np.mean([(d == V).all(1) for d in DATA], 0)
    exact = np.concatenate([g.numpy().ravel() for g in gradient(torch.tensor(DATA), MACHINE)])

    def expected(k):
        after = start @ np.linalg.matrix_power(kernel(), k)
        up = lambda weights: [  # noqa: E731
            (V * weights[:, None]).T @ expit(V @ W + C),
            weights @ V,
            weights @ expit(V @ W + C),
        ]
        return np.concatenate([(a - b).ravel() for a, b in zip(up(start), up(after), strict=True)])

    errors = [np.linalg.norm(expected(k) - exact) for k in (1, 5, 20)]
    assert np.all(np.diff(errors) < 0)
    assert errors[0] > 0.2
    assert errors[-1] < 1e-6
    with seeded(2):
        draws = contrastive_divergence(torch.tensor(DATA).repeat(5000, 1), MACHINE, 1)
    np.testing.assert_allclose(np.concatenate([g.numpy().ravel() for g in draws]), expected(1), atol=0.02)


@pytest.mark.slow
def test_training_approaches_the_entropy():
    """Two images, each half the time: no model's mean log p(v) is above -log 2."""
    v = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]).repeat(100, 1)
    with seeded(3):
        fit = fit_rbm(v, 4, epochs=200, batch_size=50, rate=0.2, k=5, persistent=False)
    assert -0.85 < fit.log_lik[-1] <= -np.log(2)


@pytest.mark.slow
def test_persistent_chains_teach_as_well():
    with seeded(4):
        W = MACHINE.W.float() * 3
        strong = RBM(W, -W.sum(1) / 2, -W.sum(0) / 2)
        v = gibbs(torch.tensor(V).float().repeat(50, 1), strong, 50)
        fit = fit_rbm(v, 4, epochs=60, rate=0.4)
    p = v.mean(0).double()
    independent = float((p * p.log() + (1 - p) * (1 - p).log()).sum())
    truth = float(log_likelihood(v, strong).mean())
    assert fit.log_lik[-1] > independent + 0.8 * (truth - independent)
    assert truth - independent > 0.5


# ---- Deep belief net


def dbn_by_numpy(top, W, b):
    """p(v) by a sum over every (h1, h2), h1 of H units."""
    tw, tb, tc = (p.numpy() for p in top)
    second = np.array(list(itertools.product([0.0, 1.0], repeat=len(tc))))
    joint = np.array([[h1 @ tw @ h2 + tb @ h1 + tc @ h2 for h2 in second] for h1 in STATES])
    log_h1 = logsumexp(joint, 1) - logsumexp(joint)
    logits = STATES @ W.T + b
    log_v = (V[None] * logits[:, None] - np.logaddexp(0, logits)[:, None]).sum(2)
    return log_h1, log_v


TOP = RBM(*(torch.tensor(RNG.normal(size=s)) for s in ((H, 3), (H,), (3,))))


def test_deep_likelihood():
    log_h1, log_v = dbn_by_numpy(TOP, W, B)
    ours = dbn_log_likelihood(torch.tensor(V), DBN(TOP, *map(torch.tensor, (W, B))))
    np.testing.assert_allclose(ours, logsumexp(log_h1[:, None] + log_v, 0), atol=ROUNDING)
    assert abs(float(ours.exp().sum()) - 1) < ROUNDING


def test_tied_weights_are_the_rbm_and_the_greedy_bound_is_tight():
    deep = stack(MACHINE)
    np.testing.assert_allclose(dbn_log_likelihood(torch.tensor(V), deep), LOG_P, atol=ROUNDING)
    np.testing.assert_allclose(dbn_bound(torch.tensor(V), deep, MACHINE), LOG_P, atol=1e-10)


def test_the_greedy_bound_under_another_top():
    deep = DBN(TOP, *map(torch.tensor, (W, B)))
    log_h1, log_v = dbn_by_numpy(TOP, W, B)
    q = expit(V @ W + C)
    q = np.prod(np.where(STATES[None] == 1, q[:, None], 1 - q[:, None]), 2)
    by_hand = (q * (log_h1 + log_v.T - np.log(q))).sum(1)
    ours = dbn_bound(torch.tensor(V), deep, MACHINE)
    np.testing.assert_allclose(ours, by_hand, atol=1e-10)
    assert (ours < dbn_log_likelihood(torch.tensor(V), deep)).all()


def test_draws_of_the_deep_net():
    deep = DBN(TOP, *map(torch.tensor, (W, B)))
    N = 50_000
    with seeded(4):
        v = dbn_sample(deep, N, k=60).numpy()
    counts = np.bincount((v @ 2 ** np.arange(D - 1, -1, -1)).astype(int), minlength=64)
    p = dbn_log_likelihood(torch.tensor(V), deep).exp().numpy()
    assert (np.abs(counts / N - p) < 5.5 * np.sqrt(p / N) + 1e-4).all()


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals():
    with pytest.raises(ValueError, match=r"2\^30 states"):
        log_partition(RBM(torch.zeros(40, 30), torch.zeros(40), torch.zeros(30)))
    with pytest.raises(ValueError, match="0 and 1 only"):
        log_likelihood(torch.full((2, D), 0.5), MACHINE)
    with pytest.raises(ValueError, match="with D = 5 as in v, got shape"):
        log_likelihood(torch.zeros(2, 5), MACHINE)
    with pytest.raises(ValueError, match=r"2\^40 images"):
        gradient(torch.zeros(2, 40), RBM(torch.zeros(40, 30), torch.zeros(40), torch.zeros(30)))
