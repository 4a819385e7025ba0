"""Topics: every document mixes C topics, every topic is a distribution over V words.

    theta ~ Dirichlet(alpha)        per word:  z ~ theta,  w ~ topics[z]

Latent Dirichlet allocation integrates theta out, and its posterior is approximated by a product (mean field).
Probabilistic latent semantic analysis is the same without the prior: a theta for each document, by maximum likelihood.
Documents are counts (N, V), the order of words forgotten; a likelihood is that of the words in their order, which
leaves the multinomial coefficient out.

Source: Blei, Ng and Jordan 2003; Hofmann 1999.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.em import EMFit, data_matrix, em

MOST_PATHS = 2**20
TINY = 1e-300  # a word that no topic has keeps a finite logarithm; its count of 0 then removes it


class LDA(NamedTuple):
    """alpha, the Dirichlet's numbers, and topics, each row summing to one."""

    alpha: Float[Tensor, " C"]
    topics: Float[Tensor, "C V"]


class PLSA(NamedTuple):
    """The share of each topic in each document, and the topics; rows sum to one."""

    theta: Float[Tensor, "N C"]
    topics: Float[Tensor, "C V"]


class Documents(NamedTuple):
    """Mean field: q(theta_n) = Dirichlet(gamma_n), what it expects of topics and words, and the bound."""

    gamma: Float[Tensor, "N C"]
    words: Float[Tensor, "C V"]  # expected number of words v drawn from topic c
    bound: Float[Tensor, " N"]  # on log p(words), in nats a document


@as_annotated
def mean_field(counts: Float[Tensor, "N V"], params: LDA, *, max_steps: int = 500, tol: float = 1e-10) -> Documents:
    """Coordinate ascent for q(theta) prod_i q(z_i), each document by itself.

    q(z = c | word v) is proportional to exp(E log theta_c) topics_cv, and gamma_c = alpha_c + sum_v n_v q(z = c | v).
    Words that are alike share their q, so it is worked out once a word of the vocabulary.
    """
    alpha, topics = params
    C = len(alpha)
    gamma = (alpha + counts.sum(1, keepdim=True) / C).expand(len(counts), C)
    for _ in range(max_steps):
        weight = _expected_log(gamma).exp()  # (N, C)
        ratio = counts / (weight @ topics).clamp(min=TINY)
        new = alpha + weight * (ratio @ topics.T)
        done = bool((new - gamma).abs().max() < tol)
        gamma = new
        if done:
            break
    log_theta = _expected_log(gamma)
    weight = log_theta.exp()
    norm = (weight @ topics).clamp(min=TINY)
    # sum over words of E log p(z, w | theta) - log q(z), at the best q(z): the log of its normaliser.
    words = (counts * norm.log()).sum(1)
    kl = _log_normaliser(gamma) - _log_normaliser(alpha) + ((gamma - alpha) * log_theta).sum(1)
    return Documents(gamma, topics * (weight.T @ (counts / norm)), words - kl)


@as_annotated
def fit_lda(
    counts: Float[Tensor, "N V"],
    C: int,
    *,
    alpha: float = 0.5,
    eta: float = 0.01,
    max_steps: int = 100,
    tol: float = 1e-4,
) -> EMFit:
    """Variational EM: mean field for every document, then the topics from the expected counts.

    Args:
        counts: words a document.
        alpha: the same for every topic; below one, documents keep to few topics. Held fixed.
        eta: so many more words of each kind for every topic, or a word unseen in training would be impossible.
        tol: in nats a document.

    Returns:
        EMFit of `LDA`; log_lik is the mean bound a document (and, with eta, a part that belongs to the topics).
    """
    counts = _documents(counts, C)

    def e_step(counts: Tensor, params: LDA) -> tuple[Tensor, Tensor]:
        found = mean_field(counts, params, max_steps=200, tol=1e-6)
        return found.words, (found.bound.sum() + eta * params.topics.clamp(min=TINY).log().sum()) / len(counts)

    def m_step(counts: Tensor, words: Tensor) -> LDA:
        return LDA(start.alpha, _rows(words + eta))

    start = LDA(counts.new_full((C,), alpha), _start(counts, C))
    return em(counts, start, e_step, m_step, max_steps=max_steps, tol=tol)


@as_annotated
def fit_plsa(
    counts: Float[Tensor, "N V"], C: int, *, start: PLSA | None = None, max_steps: int = 500, tol: float = 1e-6
) -> EMFit:
    """EM by maximum likelihood; one step is one multiplicative step of non-negative matrix factorisation under KL.

    Returns:
        EMFit of `PLSA`; log_lik in nats a document.
    """
    counts = _documents(counts, C)
    if start is None:
        start = PLSA(counts.new_full((len(counts), C), 1 / C), _start(counts, C))
    return em(counts, start, plsa_e_step, plsa_m_step, max_steps=max_steps, tol=tol)


@as_annotated
def plsa_e_step(counts: Float[Tensor, "N V"], params: PLSA) -> tuple[PLSA, Tensor]:
    """Expected words of each document in each topic (N, C), of each topic in the vocabulary (C, V); log-likelihood."""
    p = (params.theta @ params.topics).clamp(min=TINY)
    ratio = counts / p
    expected = PLSA(params.theta * (ratio @ params.topics.T), params.topics * (params.theta.T @ ratio))
    return expected, (counts * p.log()).sum() / len(counts)


@as_annotated
def plsa_m_step(counts: Float[Tensor, "N V"], expected: PLSA) -> PLSA:
    """Shares from expected counts."""
    return PLSA(_rows(expected.theta), _rows(expected.topics))


@as_annotated
def exact_log_likelihood(words: list[int], params: LDA) -> Tensor:
    """log p(words in their order), theta integrated out, by a sum over all C^n assignments of topics to words.

    Given the assignments, of which m_c are to topic c, theta's integral is a ratio of gamma functions. It couples the
    words: that is why the sum does not factorise, and why mean field is asked for.

    Raises:
        ValueError: C^n is above a million.
    """
    alpha, topics = params
    C, n = len(alpha), len(words)
    if C**n > MOST_PATHS:
        raise ValueError(f"a sum over {C}^{n} assignments is too long; bound it by `mean_field`")
    z = torch.tensor(list(itertools.product(range(C), repeat=n)))  # (C^n, n)
    log_words = topics.log()[z, torch.tensor(words)].sum(1)
    m = torch.nn.functional.one_hot(z, C).sum(1).to(alpha)
    log_theta = _log_normaliser(alpha) - _log_normaliser(alpha + m)
    return (log_words + log_theta).logsumexp(0)


def _expected_log(gamma: Float[Tensor, "*N C"]) -> Float[Tensor, "*N C"]:
    """E[log theta] under Dirichlet(gamma)."""
    return torch.digamma(gamma) - torch.digamma(gamma.sum(-1, keepdim=True))


def _log_normaliser(alpha: Float[Tensor, "*N C"]) -> Float[Tensor, "*N"]:
    """log of what multiplies prod theta_c^(alpha_c - 1) in a Dirichlet density."""
    return torch.lgamma(alpha.sum(-1)) - torch.lgamma(alpha).sum(-1)


def _start(counts: Tensor, C: int) -> Tensor:
    """Topics near the corpus's own distribution of words, each disturbed in its own way."""
    disturbed = torch.rand(C, counts.shape[1], dtype=counts.dtype, device=counts.device) + 0.5
    return _rows(counts.mean(0) * disturbed + 1e-6)


def _rows(x: Tensor) -> Tensor:
    return x / x.sum(1, keepdim=True).clamp(min=TINY)


def _documents(counts: Tensor, C: int) -> Tensor:
    at_least(1, C=C)
    counts = data_matrix(counts, rows=1, constant=True)
    if (counts < 0).any() or not (counts.sum(1) > 0).all():
        raise ValueError("counts must not be negative, and each document needs at least one word; leave the others out")
    return counts
