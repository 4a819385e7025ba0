"""Topics against enumeration, Beta quadrature, scikit-learn's document bound, and matrix factorisation."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate
from scipy.special import gammaln, psi
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.decomposition._online_lda_fast import _dirichlet_expectation_2d

from lvmteach.runtime import seeded
from lvmteach.topics import LDA, PLSA, exact_log_likelihood, fit_lda, fit_plsa, mean_field, plsa_e_step, plsa_m_step

RNG = np.random.default_rng(2)
C, V = 2, 5
ALPHA = np.array([0.7, 0.7])
TOPICS = RNG.dirichlet(np.ones(V) * 0.6, C)
PARAMS = LDA(torch.tensor(ALPHA), torch.tensor(TOPICS))
WORDS = [0, 0, 1, 3, 3, 4]
COUNTS = np.bincount(WORDS, minlength=V).astype(float)


def by_quadrature(words):
    def f(t):
        return np.prod([t * TOPICS[0, w] + (1 - t) * TOPICS[1, w] for w in words])

    # Beta(a, a) with a < 1 is infinite at both ends: quad takes those factors as a weight.
    value = integrate.quad(f, 0, 1, weight="alg", wvar=(ALPHA[0] - 1, ALPHA[1] - 1), epsabs=1e-16, epsrel=1e-13)[0]
    return math.log(value) + gammaln(ALPHA.sum()) - gammaln(ALPHA).sum()


def check_likelihood(log_lik):
    for words in (WORDS, [2], [0, 4, 4, 4]):
        assert abs(log_lik(words) - by_quadrature(words)) < 1e-10


def test_enumeration_is_quadrature():
    check_likelihood(lambda words: float(exact_log_likelihood(words, PARAMS)))


WRONG = {
    "theta at its mean": lambda words: sum(math.log((ALPHA / ALPHA.sum()) @ TOPICS[:, w]) for w in words),
    "one topic a document": lambda words: math.log(
        sum(a / ALPHA.sum() * np.prod(TOPICS[c, words]) for c, a in enumerate(ALPHA))
    ),
    "order forgotten": lambda words: (
        by_quadrature(words) + gammaln(len(words) + 1) - gammaln(np.bincount(words) + 1).sum()
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_the_check_sees_planted_bugs(wrong):
    with pytest.raises(AssertionError):
        check_likelihood(wrong)


def test_all_documents_of_four_words_have_probability_one():
    total = sum(float(exact_log_likelihood(list(w), PARAMS).exp()) for w in itertools.product(range(V), repeat=4))
    assert abs(total - 1) < 1e-12


def sklearn_bound():
    """scikit-learn's bound on one document: its topics made a point by enormous counts, their own term taken off."""
    theirs = LatentDirichletAllocation(
        C, doc_topic_prior=ALPHA[0], topic_word_prior=1.0, max_doc_update_iter=2000, mean_change_tol=1e-12, max_iter=1
    ).fit(COUNTS[None])
    theirs.components_ = TOPICS * 1e9
    theirs.exp_dirichlet_component_ = np.exp(_dirichlet_expectation_2d(theirs.components_))
    gamma = theirs._unnormalized_transform(COUNTS[None])
    total = theirs._approx_bound(COUNTS[None], gamma, sub_sampling=False)
    lam = theirs.components_
    expected_log = psi(lam) - psi(lam.sum(1, keepdims=True))
    of_topics = ((1 - lam) * expected_log).sum() + (gammaln(lam) - gammaln(1.0)).sum()
    of_topics += (gammaln(V) - gammaln(lam.sum(1))).sum()
    return total - of_topics, gamma[0]


def test_the_mean_field_bound_is_scikit_learns():
    bound, gamma = sklearn_bound()
    ours = mean_field(torch.tensor(COUNTS)[None], PARAMS)
    assert abs(float(ours.bound) - bound) < 1e-6  # of 1e9 taken from 1e9
    np.testing.assert_allclose(ours.gamma[0], gamma, atol=1e-6)


def test_the_bound_is_one_and_its_words_add_up():
    counts = torch.tensor(RNG.integers(0, 3, (6, V)) + np.eye(6, V)).double()
    found = mean_field(counts, PARAMS)
    for row, bound in zip(counts, found.bound, strict=True):
        words = [v for v in range(V) for _ in range(int(row[v]))]
        gap = float(exact_log_likelihood(words, PARAMS) - bound)
        assert 0 < gap < 1
    np.testing.assert_allclose(found.words.sum(0), counts.sum(0))
    np.testing.assert_allclose(found.gamma.sum(1), ALPHA.sum() + counts.sum(1))


def test_one_step_of_plsa_is_one_of_matrix_factorisation():
    """theta scaled by the length of its document is W; topics held, as scikit-learn's update of W holds H."""
    M = RNG.poisson(3, (12, 8)).astype(float)
    theta, topics = RNG.dirichlet(np.ones(3), 12), RNG.dirichlet(np.ones(8), 3)
    n = M.sum(1, keepdims=True)
    W = theta * n
    by_nmf = W * ((M / (W @ topics)) @ topics.T) / topics.sum(1)
    start = PLSA(torch.tensor(theta), torch.tensor(topics))
    ours = plsa_m_step(torch.tensor(M), plsa_e_step(torch.tensor(M), start)[0])
    np.testing.assert_allclose(ours.theta.numpy() * n, by_nmf, rtol=1e-12)


def test_plsa_arrives_where_matrix_factorisation_does():
    M = RNG.poisson(3, (12, 8)).astype(float) + RNG.integers(0, 2, (12, 8))
    theta, topics = RNG.dirichlet(np.ones(3), 12), RNG.dirichlet(np.ones(8), 3)
    fit = fit_plsa(torch.tensor(M), 3, start=PLSA(torch.tensor(theta), torch.tensor(topics)), max_steps=4000, tol=1e-12)
    theirs = NMF(3, init="custom", solver="mu", beta_loss="kullback-leibler", max_iter=20_000, tol=1e-10)
    W = theirs.fit_transform(M, W=theta * M.sum(1, keepdims=True), H=topics.copy())
    p = W @ theirs.components_
    log_lik = (M * np.log(p / p.sum(1, keepdims=True))).sum() / len(M)
    assert abs(float(fit.log_lik[-1]) - log_lik) < 1e-4
    assert (fit.log_lik.diff() > -1e-10).all()


def test_lda_finds_topics_that_share_no_word():
    with seeded(5):
        theta = torch.distributions.Dirichlet(torch.full((3,), 0.5)).sample((200,))
        topics = torch.block_diag(*[torch.full((1, 4), 0.25)] * 3)
        counts = torch.distributions.Multinomial(50, theta @ topics).sample()
        fit = fit_lda(counts, 3)
    blocks = fit.params.topics.reshape(3, 3, 4).sum(2)
    assert (blocks.max(1).values > 0.95).all()
    assert len(set(blocks.argmax(1).tolist())) == 3
    assert (fit.log_lik.diff() > -1e-6).all()


def test_held_out_words_have_a_topic():
    """eta leaves no word impossible: a bound on fresh documents is finite."""
    counts = torch.tensor([[3.0, 2.0, 0.0], [1.0, 4.0, 0.0], [2.0, 2.0, 0.0]])
    with seeded(6):
        fit = fit_lda(counts, 2, max_steps=20, tol=0.0)
    assert mean_field(torch.tensor([[0.0, 0.0, 1.0]]).double(), fit.params).bound.isfinite().all()


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals():
    with pytest.raises(ValueError, match="each document needs at least one word"):
        fit_lda(torch.zeros(3, 4), 2)
    with pytest.raises(ValueError, match=r"a sum over 2\^40 assignments"):
        exact_log_likelihood([0] * 40, PARAMS)
    with pytest.raises(ValueError, match="C must be at least 1"):
        fit_plsa(torch.ones(3, 4), 0)
