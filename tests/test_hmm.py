"""Hidden Markov models against enumeration of all paths, autograd, and hmmlearn."""

import itertools
import math

import numpy as np
import pytest
import torch
from chance import assert_mean, assert_share
from hmmlearn import hmm as peer
from scipy import stats

from lvmteach import hmm
from lvmteach.em import em_steps
from lvmteach.hmm import (
    HMM,
    Categorical,
    Gaussian,
    e_step,
    fit_from,
    fit_hmm,
    log_joint,
    log_likelihood,
    m_step,
    posterior,
    random_start,
    recursions,
    sample,
    sequences,
    viterbi,
)
from lvmteach.mixtures import Mixture, Prior
from lvmteach.mixtures import responsibilities as mixture_responsibilities
from lvmteach.runtime import seeded

C, V, T = 3, 4, 6
# Two routes in float64 to sums of a thousand products differ by a few hundred roundings of numbers near ten.
ROUNDING = 1e-11


def made(seed=0, C=C, V=V):
    rng = np.random.default_rng(seed)
    start, transition, probs = rng.dirichlet(np.ones(C)), rng.dirichlet(np.ones(C), C), rng.dirichlet(np.ones(V), C)
    return HMM(torch.tensor(start), torch.tensor(transition), Categorical(torch.tensor(probs)))


def made_gaussian(covariance, D=2, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(C, D, D))
    full = a @ a.transpose(0, 2, 1) + 0.5 * np.eye(D)
    variances = np.diagonal(full, axis1=1, axis2=2)
    cov = {"full": full, "diagonal": variances.copy(), "spherical": variances.mean(1)}[covariance]
    return made(seed)._replace(emission=Gaussian(torch.tensor(rng.normal(size=(C, D))), torch.tensor(cov)))


def symbols(*lengths, seed=1):
    rng = np.random.default_rng(seed)
    return [torch.tensor(rng.integers(V, size=n)) for n in lengths]


def density(x, params):
    """p(x_t | z_t = c), (T, C), by indexing or by scipy."""
    emission = params.emission
    if isinstance(emission, Categorical):
        return emission.probs.numpy()[:, x.numpy()].T
    D = emission.means.shape[1]
    square = {3: lambda s: s, 2: np.diag, 1: lambda s: s * np.eye(D)}[emission.covariances.ndim]
    parts = zip(emission.means.numpy(), emission.covariances.numpy(), strict=True)
    return np.stack([np.atleast_1d(stats.multivariate_normal(m, square(s)).pdf(x.numpy())) for m, s in parts], 1)


class Enumerated:
    """Everything about one sequence by visiting its C^T paths, in plain products."""

    def __init__(self, x, params):
        start, A, b = params.start.numpy(), params.transition.numpy(), density(x, params)
        n, T = len(start), len(x)
        self.state, self.transitions, self.best = np.zeros((T, n)), np.zeros((n, n)), (0.0, None)
        total = 0.0
        for z in itertools.product(range(n), repeat=T):
            p = start[z[0]] * b[0, z[0]]
            for t in range(1, T):
                p *= A[z[t - 1], z[t]] * b[t, z[t]]
            total += p
            for t in range(T):
                self.state[t, z[t]] += p
            for t in range(1, T):
                self.transitions[z[t - 1], z[t]] += p
            self.best = max(self.best, (p, z))
        self.state, self.transitions, self.log_p = self.state / total, self.transitions / total, math.log(total)


def assert_is_enumeration(x, params):
    expected, objective = e_step(sequences(x), params)
    truth = [Enumerated(part, params) for part in x]
    log_p = [one.log_p for one in truth]
    np.testing.assert_allclose(log_likelihood(x, params), log_p, atol=ROUNDING)
    np.testing.assert_allclose(objective, np.mean(log_p), atol=ROUNDING)
    np.testing.assert_allclose(expected.transitions, sum(one.transitions for one in truth), atol=ROUNDING)
    np.testing.assert_allclose(expected.start, sum(one.state[0] for one in truth), atol=ROUNDING)
    found, path = posterior(x, params), viterbi(x, params)
    np.testing.assert_allclose(found.log_lik, log_p, atol=ROUNDING)
    for n, one in enumerate(truth):
        T = len(x[n])
        np.testing.assert_allclose(found.state[n, :T], one.state, atol=ROUNDING)
        np.testing.assert_allclose(expected.state[n, :T], one.state, atol=ROUNDING)
        assert not found.state[n, T:].any()
        assert tuple(path.z[n, :T].tolist()) == one.best[1]
        assert (path.z[n, T:] == -1).all()
        assert path.log_prob[n].item() == pytest.approx(math.log(one.best[0]), abs=ROUNDING)
    np.testing.assert_allclose(log_joint(x, path.z, params), path.log_prob, atol=ROUNDING)


def test_every_answer_is_enumerations_for_sequences_of_unequal_length():
    assert_is_enumeration(symbols(6, 1, 4, 5, 2), made())


@pytest.mark.parametrize("covariance", ["full", "diagonal", "spherical"])
def test_gaussian_states_too(covariance):
    with seeded(3):
        x = [torch.randn(n, 2, dtype=torch.float64) for n in (5, 1, 3)]
    assert_is_enumeration(x, made_gaussian(covariance))


def turned_round(which):
    """The transition matrix transposed in one direction of the sweep, 0 forward or 1 backward."""

    def plant(m, f):
        def onward(alpha, A):
            A = A.clone()
            A[which] = A[which].transpose(0, 1).clone()
            return f["_onward"](alpha, A)

        m.setattr(recursions, "_onward", lambda a, A: onward(a, A) if A.ndim == 4 else f["_onward"](a, A))

    return plant


PLANTED = {
    "the transition matrix transposed on the way forward": turned_round(0),
    "the transition matrix not transposed on the way back": turned_round(1),
    "the transition matrix transposed in the likelihood": lambda m, f: m.setattr(
        recursions, "_onward", lambda a, A: f["_onward"](a, A.transpose(0, 1) if A.ndim == 3 else A)
    ),
    "no emission at the first step": lambda m, f: m.setattr(
        recursions, "both_sides", lambda b, s, A, n: f["both_sides"](torch.cat([0 * b[:1], b[1:]]), s, A, n)
    ),
    "transitions counted across the ends": lambda m, f: m.setattr(
        recursions,
        "expected_transitions",
        lambda s, b, A, p, n: f["expected_transitions"](s, b, A, p, torch.full_like(n, len(b))),
    ),
    "the future begins behind the end": lambda m, f: m.setattr(
        recursions, "both_sides", lambda b, s, A, n: f["both_sides"](b, s, A, torch.full_like(n, len(b)))
    ),
    "the best path is the best state at each step": lambda m, f: m.setattr(
        recursions,
        "viterbi",
        lambda b, s, A, n: f["viterbi"](b, s, A, n)._replace(z=(f["both_sides"](b, s, A, n).past + b).argmax(1).T),
    ),
}  # fmt: skip


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_seen(monkeypatch, bug):
    names = ("_onward", "both_sides", "expected_transitions", "viterbi")
    PLANTED[bug](monkeypatch, {name: getattr(recursions, name) for name in names})
    with pytest.raises(AssertionError):
        assert_is_enumeration(symbols(6, 1, 4, 5, 2), made())


def test_probabilities_of_all_sequences_sum_to_one():
    every = torch.tensor(list(itertools.product(range(V), repeat=4)))
    assert log_likelihood(every, made()).exp().sum().item() == pytest.approx(1, abs=ROUNDING)


def test_the_most_probable_states_can_be_an_impossible_path():
    A = torch.tensor([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    blind = HMM(torch.tensor([0.4, 0.3, 0.3]), A, Categorical(torch.ones(3, 1)))
    x = torch.zeros(1, 2, dtype=torch.long)
    pointwise = posterior(x, blind).state.argmax(-1)
    assert pointwise.tolist() == [[0, 0]]
    assert log_joint(x, pointwise, blind).item() == -math.inf
    best = viterbi(x, blind)
    assert best.log_prob.item() == pytest.approx(math.log(0.3))
    assert log_joint(x, best.z, blind).item() == pytest.approx(math.log(0.3))


def test_expected_counts_are_the_gradient_of_log_p():
    """Fisher's identity: d log p / d log A_cd is the expected number of steps from c to d."""
    x, params = symbols(6, 3), made()
    log_A = params.transition.log().requires_grad_()
    log_likelihood(x, params._replace(transition=log_A.exp())).sum().backward()
    np.testing.assert_allclose(log_A.grad, e_step(sequences(x), params)[0].transitions, atol=ROUNDING)


# --- long sequences


@pytest.mark.slow
def test_a_long_sequence_neither_underflows_nor_asks_for_more_than_its_states():
    long, params = 100_000, made()
    with seeded(0):
        x = sample(params, 1, long).x
    log_p = log_likelihood(x, params).item()
    assert math.isfinite(log_p)
    # Scaled recursion in plain numpy: each step's normaliser is p(x_t | x_<t).
    alpha, total = None, 0.0
    A, b = params.transition.numpy(), params.emission.probs.numpy()
    for symbol in x[0].tolist():
        alpha = (params.start.numpy() if alpha is None else alpha @ A) * b[:, symbol]
        total, alpha = total + math.log(alpha.sum()), alpha / alpha.sum()
    assert log_p == pytest.approx(total, rel=1e-11)
    path = viterbi(x[:, :20_000], params)
    joint = log_joint(x[:, :20_000], path.z, params).item()
    assert joint == pytest.approx(path.log_prob.item(), rel=1e-11)


def test_a_state_that_looks_hopeless_for_a_while_is_not_lost():
    """From state 0 there is no return. The first step speaks for it by 5000 nats, all others against it by as much."""
    means = torch.tensor([[0.0], [100.0]])
    params = HMM(torch.tensor([0.5, 0.5]), torch.tensor([[1.0, 0.0], [0.5, 0.5]]), Gaussian(means, torch.ones(2, 1)))
    x = torch.tensor([[[0.0], [100.0], [100.0]]])
    log_b = stats.norm.logpdf(x[0].numpy(), means[:, 0].numpy())  # (T, C)
    with np.errstate(divide="ignore"):
        log_start, log_A = np.log(params.start.numpy()), np.log(params.transition.numpy())
    paths = itertools.product(range(2), repeat=3)
    each = [log_start[a] + log_A[a, b] + log_A[b, c] + log_b[0, a] + log_b[1, b] + log_b[2, c] for a, b, c in paths]
    truth = np.logaddexp.reduce(each)
    assert truth < -4900
    # Squares of 100 in float64; a state that was lost would cost thousands of nats.
    np.testing.assert_allclose(log_likelihood(x, params), truth, atol=1e-6)
    np.testing.assert_allclose(posterior(x, params).state[0, :, 1], [1, 1, 1], atol=1e-6)


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """The most numbers that any tensor made within the block holds."""

    entries = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for one in out if isinstance(out, tuple | list) else [out]:
            if isinstance(one, torch.Tensor):
                self.entries = max(self.entries, one.numel())
        return out


def test_no_table_is_larger_than_the_states_asked_for(monkeypatch):
    monkeypatch.setattr(recursions, "BLOCK", 100)
    long, states = 300, 8
    params = made(C=states)
    with seeded(0):
        x = sequences(sample(params, 2, long).x)
    with Largest() as largest:
        e_step(x, params)
        viterbi(x, params)
    table = 2 * long * states
    assert largest.entries <= 2 * table  # past and future beside one another
    monkeypatch.setattr(recursions, "BLOCK", 10**9)
    with Largest() as largest:
        e_step(x, params)
    assert largest.entries > table * (states - 1)  # what the test is there to see


def test_blocks_change_nothing(monkeypatch):
    monkeypatch.setattr(recursions, "BLOCK", 1)
    assert_is_enumeration(symbols(6, 1, 4, 5, 2), made())


# --- EM


def hmmlearns(params, steps):
    model = peer.CategoricalHMM(
        len(params.start), init_params="", params="ste", n_iter=steps, tol=-np.inf, implementation="log",
        startprob_prior=1.0, transmat_prior=1.0, emissionprob_prior=1.0,
    )  # fmt: skip
    model.n_features = params.emission.probs.shape[1]
    model.startprob_, model.transmat_, model.emissionprob_ = (
        p.numpy() for p in (params.start, params.transition, params.emission.probs)
    )
    return model


def test_the_trace_is_hmmlearns():
    x = symbols(*[30, 1, 17, 25] * 5)
    ours = fit_from(x, made(), max_steps=50, tol=0)
    theirs = hmmlearns(made(), 51).fit(torch.cat(x).numpy()[:, None], [len(part) for part in x])
    np.testing.assert_allclose(ours.log_lik * len(x), theirs.monitor_.history, rtol=1e-10)


@pytest.mark.parametrize("covariance", ["full", "diagonal", "spherical"])
def test_a_gaussian_step_is_hmmlearns(covariance):
    params = made_gaussian(covariance)
    with seeded(2):
        x = [sample(params, 1, n).x[0] for n in (40, 25, 60)]
    start = made_gaussian(covariance, seed=5)
    theirs = peer.GaussianHMM(
        C, {"diagonal": "diag"}.get(covariance, covariance), min_covar=0, covars_prior=0, covars_weight=0,
        init_params="", n_iter=10, tol=-np.inf, implementation="log",
    )  # fmt: skip
    theirs.startprob_, theirs.transmat_ = start.start.numpy(), start.transition.numpy()
    theirs.means_, theirs.covars_ = start.emission.means.numpy(), start.emission.covariances.numpy()
    theirs.fit(torch.cat(x).numpy(), [len(part) for part in x])
    ours = fit_from(x, start, max_steps=9, tol=0)
    np.testing.assert_allclose(ours.log_lik * len(x), theirs.monitor_.history, rtol=1e-8)


def test_em_never_descends_and_a_prior_is_climbed_with_it():
    x = symbols(20, 9, 14)
    for how in ({}, {"pseudo": 0.5}):
        trace = fit_from(x, made(), max_steps=60, tol=0, **how).log_lik
        assert (trace.diff() > -1e-12).all()
    plain = fit_from(x, made(), max_steps=60, tol=0).params
    smooth = fit_from(x, made(), pseudo=0.5, max_steps=60, tol=0).params
    assert smooth.emission.probs.min() > plain.emission.probs.min()


def test_a_gaussian_prior_is_climbed():
    prior = Prior(points=3.0, variance=0.5)
    with seeded(1):
        x = sample(made_gaussian("full"), 4, 15).x
        start = random_start(x, 3)
    trace = fit_from(x, start, prior=prior, max_steps=40, tol=0).log_lik
    assert (trace.diff() > -1e-12).all()


def test_states_are_found_again():
    A = torch.tensor([[0.95, 0.05], [0.1, 0.9]])
    truth = HMM(torch.tensor([0.5, 0.5]), A, Categorical(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])))
    with seeded(0):
        x, _ = sample(truth, 100, 100)
        fit = fit_hmm(x, 2, restarts=2, tol=1e-4)
    order = fit.params.emission.probs[:, 0].argsort(descending=True)
    # 10000 symbols: three standard errors of a share near a half are 0.015; dependence makes it twice that at most.
    assert (fit.params.emission.probs[order] - truth.emission.probs).abs().max() < 0.05
    assert (fit.params.transition[order][:, order] - A).abs().max() < 0.03
    assert fit.log_lik[-1] > log_likelihood(x, truth).mean()


def test_a_chain_without_memory_is_a_mixture():
    """Rows of the transition all equal to the start: p(z_t | x) is the mixture's responsibility."""
    emission = made_gaussian("full").emission
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    with seeded(0):
        x = torch.randn(3, 4, 2, dtype=torch.float64)
    chain = posterior(x, HMM(weights, weights.expand(3, 3), emission)).state
    mixture = mixture_responsibilities(x.flatten(0, 1), Mixture(weights, *emission)).view(chain.shape)
    np.testing.assert_allclose(chain, mixture, atol=ROUNDING)


def test_a_state_that_is_never_left_gets_a_uniform_row():
    params = HMM(torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0], [0.5, 0.5]]), Categorical(torch.eye(2)))
    x = sequences(torch.tensor([[0, 1]]))
    best = m_step(x, e_step(x, params)[0], V=2)
    assert best.transition.tolist() == [[0.0, 1.0], [0.5, 0.5]]


# --- draws


def test_draws_follow_the_model():
    params = made()
    with seeded(0):
        x, z = sample(params, 20_000, 3)
    assert_share(int((z[:, 0] == 1).sum()), len(z), params.start[1].item(), resolution=0.03)
    joint = (params.start @ params.transition)[0] * params.transition[0, 2]
    assert_share(int(((z[:, 1] == 0) & (z[:, 2] == 2)).sum()), len(z), joint.item(), resolution=0.03)
    seen = params.start @ params.transition @ params.emission.probs[:, 3]
    assert_share(int((x[:, 1] == 3).sum()), len(z), seen.item(), resolution=0.03)


def test_gaussian_draws_have_their_states_moments():
    params = made_gaussian("full")
    with seeded(0):
        x, z = sample(params, 20_000, 2)
    own = x[z == 1] - params.emission.means[1]
    assert_mean(own, np.zeros(2), resolution=0.1)
    products = (own[:, :, None] * own[:, None, :]).flatten(1)
    assert_mean(products, params.emission.covariances[1].flatten(), resolution=0.3)


# --- what is refused


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.zeros(3, dtype=torch.long), r"a single sequence needs x\[None\]"),
        (torch.zeros(3, 4), r"points in one dimension x\[..., None\]"),
        (
            [torch.zeros(0, dtype=torch.long), torch.zeros(2, dtype=torch.long)],
            "lengths must be one a sequence, from 1",
        ),
        (torch.full((1, 3, 2), math.nan), "x must be finite"),
        (torch.full((1, 3), V), "symbols must be 0 to 3 for this model, got 4 to 4"),
        (torch.full((1, 3), -1), "got -1 to -1"),
        (torch.zeros(1, 3, 2), "categorical states emit symbols"),
    ],
)
def test_bad_data_are_refused(as_users_run_it, x, words):
    with pytest.raises(ValueError, match=words):
        log_likelihood(x, made())


def test_types_are_refused(as_users_run_it):
    with pytest.raises(TypeError, match=r"got torch\.bool"):
        log_likelihood(torch.zeros(1, 3, dtype=torch.bool), made())
    with pytest.raises(TypeError, match="a list of tensors, one a sequence"):
        log_likelihood([[1, 2]], made())


def test_parameters_that_are_no_distributions_are_refused(as_users_run_it):
    params = made()
    with pytest.raises(ValueError, match="transition must be probabilities that sum to one along the last axis"):
        log_likelihood(symbols(3), params._replace(transition=params.transition.T))
    with pytest.raises(ValueError, match=r"transition must be \(C, C\) with C = 2 as in params.start"):
        log_likelihood(symbols(3), params._replace(start=torch.ones(2) / 2))


def test_what_cannot_be_explained_is_said():
    blind = HMM(torch.ones(1), torch.ones(1, 1), Categorical(torch.tensor([[1.0, 0.0]])))
    x = torch.tensor([[0, 0], [0, 1]])
    assert log_likelihood(x, blind).tolist() == [0.0, -math.inf]
    with pytest.raises(ValueError, match=r"1 have probability 0 under these parameters \(rows \[1\]\)"):
        posterior(x, blind)
    apart = HMM(torch.tensor([1.0, 0.0]), torch.eye(2), Categorical(torch.ones(2, 1)))
    with pytest.raises(FloatingPointError, match=r"states \[1\] explain no step any more"):
        fit_from(torch.zeros(1, 3, dtype=torch.long), apart)


def test_a_collapsing_state_is_named():
    x = torch.zeros(2, 5, 1, dtype=torch.float64)
    x[0, 2] = 7.0
    emission = Gaussian(torch.tensor([[0.0], [7.0]]), torch.ones(2, 1))
    with pytest.raises(FloatingPointError, match=r"states \[.*\] collapsed"):
        fit_from(x, HMM(torch.ones(2) / 2, torch.ones(2, 2) / 2, emission), max_steps=50, tol=0)


def test_one_step_at_a_time_is_the_fit():
    x, start = sequences(symbols(9, 4)), made()
    states = list(itertools.islice(em_steps(x, start, e_step, lambda x, expected: m_step(x, expected, V=V)), 4))
    fit = hmm.fit_from(x, start, max_steps=3, tol=0)
    torch.testing.assert_close(states[-1].params.transition, fit.params.transition)
