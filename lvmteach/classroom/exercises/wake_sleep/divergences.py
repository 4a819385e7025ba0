"""Two divergences."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.wake_sleep.shared import _scaled


def _divergences(log_p_xz, log_q):
    log_post = log_p_xz - torch.logsumexp(log_p_xz, 1, keepdim=True)
    gap = log_q - log_post
    return (log_q.exp() * gap).sum(1), (log_post.exp() * -gap).sum(1)


@drawing
def _tables(draw):
    shapes = [(3, 4, 1), (5, 8, 2), (4, 2, 1), (1, 16, 3), (6, 4, 500)]
    return [(scale * draw(B, Z) - 4, torch.log_softmax(scale * draw(B, Z), 1)) for B, Z, scale in shapes]


def _kl(log_a, log_b):
    return (log_a.exp() * (log_a - log_b)).sum(1)


def _diverging(change):
    """A misconception: `change` makes the pair from log posterior and log q."""
    return lambda log_p_xz, log_q: change(torch.log_softmax(log_p_xz, 1), log_q)


def _divergences_by_loop(log_p_xz, log_q):
    pairs = []
    for row, q_row in zip(log_p_xz, log_q, strict=True):
        post = row - torch.logsumexp(row, 0)
        pairs.append(
            [sum(a.exp() * (a - b) for a, b in zip(*both, strict=True)) for both in ((q_row, post), (post, q_row))]
        )
    return torch.tensor(pairs, dtype=log_q.dtype).unbind(1)


def _divergences_by_bound(log_p_xz, log_q):
    log_p, q = torch.logsumexp(log_p_xz, 1), log_q.exp()
    elbo = torch.einsum("bz,bz->b", q, log_p_xz - log_q)
    post = (log_p_xz - log_p[:, None]).exp()
    return log_p - elbo, torch.einsum("bz,bz->b", post, log_p_xz - log_q) - log_p


def _divergences_by_torch(log_p_xz, log_q):
    log_post = torch.log_softmax(log_p_xz, 1)
    forward = F.kl_div(log_post, log_q, reduction="none", log_target=True).sum(1)
    return forward, F.kl_div(log_q, log_post, reduction="none", log_target=True).sum(1)


def _kl_pair(log_p, log_q):
    return _kl(log_q, log_p), _kl(log_p, log_q)


divergences = Exercise(
    ask="Return KL(q || p) and KL(p || q) between q(z|x) and the posterior, from their tables over all states.",
    reference=_divergences,
    cases=_tables,
    misconceptions={
        "You compared q with the joint. The posterior is the joint divided by p(x), its sum over the states.": (
            lambda log_p_xz, log_q: (_kl(log_q, log_p_xz), _kl(log_p_xz, log_q))
        ),
        "The first is right for the joint, not for the posterior: this is minus the ELBO. Divide by p(x) first.": (
            lambda log_p_xz, log_q: (_kl(log_q, log_p_xz), _divergences(log_p_xz, log_q)[1])
        ),
        "The two are exchanged: in KL(q || p) the average is under q.": lambda *given: _divergences(*given)[::-1],
        "Both have the wrong sign: a divergence is never negative.": lambda *given: _scaled(_divergences(*given), -1),
        "You averaged over the states with equal weights. Each state counts with its probability.": (
            _diverging(lambda post, q: ((q - post).mean(1), (post - q).mean(1)))
        ),
        "You divided by the number of states. The probabilities are the weights: take the sum.": (
            lambda log_p_xz, log_q: _scaled(_divergences(log_p_xz, log_q), 1 / log_q.shape[1])
        ),
        "The weights are the wrong ones: in KL(q || p) the log ratio is averaged under q, in KL(p || q) under p.": (
            _diverging(lambda post, q: ((post.exp() * (q - post)).sum(1), (q.exp() * (post - q)).sum(1)))
        ),
        "The second is the first with another sign. Its average is under the posterior, not under q.": (
            _diverging(lambda post, q: (_kl(q, post), -_kl(q, post)))
        ),
        "You return the same divergence twice. It is not symmetric.": _diverging(
            lambda post, q: (_kl(q, post), _kl(q, post))
        ),
        "This is the cross-entropy: log q - log p is averaged, not -log p alone.": _diverging(
            lambda post, q: (-(q.exp() * post).sum(1), -(post.exp() * q).sum(1))
        ),
        "A probability that rounds to zero makes 0 times log 0, which is NaN. Stay with the given logarithms.": (
            _diverging(
                lambda post, q: (
                    (q.exp() * (q.exp() / post.exp()).log()).sum(1),
                    (post.exp() * (post.exp() / q.exp()).log()).sum(1),
                )
            )
        ),
        "You normalised over the images. p(x) is the sum over the states, along the second axis.": (
            lambda log_p_xz, log_q: (
                _kl(log_q, torch.log_softmax(log_p_xz, 0)),
                _kl(torch.log_softmax(log_p_xz, 0), log_q),
            )
        ),
        "You normalised over the whole table. Each image has a posterior of its own.": (
            lambda log_p_xz, log_q: _kl_pair(log_p_xz - torch.logsumexp(log_p_xz.flatten(), 0), log_q)
        ),
        "You summed over the images. Each image has its own two divergences.": (
            _diverging(lambda post, q: ((q.exp() * (q - post)).sum(0), (post.exp() * (post - q)).sum(0)))
        ),
        "You added up over the images too. Each image has its own two divergences.": (
            lambda *given: tuple(kl.sum() for kl in _divergences(*given))
        ),
        "You averaged over the images too. Each image has its own two divergences.": (
            lambda *given: tuple(kl.mean() for kl in _divergences(*given))
        ),
        "These are bits. Use the natural logarithm.": lambda *given: _scaled(_divergences(*given), 1 / math.log(2)),
        "The exp of the joint rounds to zero, so the posterior becomes 0 / 0, NaN. torch.log_softmax makes the "
        "posterior from the logarithms.": lambda log_p_xz, log_q: _kl_pair(
            (log_p_xz.exp() / log_p_xz.exp().sum(1, keepdim=True)).log(), log_q
        ),
        "The sum over the states lost its axis, so p(x) does not line up with the rows: keepdim=True keeps it.": (
            lambda log_p_xz, log_q: _kl_pair(log_p_xz - torch.logsumexp(log_p_xz, 1), log_q)
        ),
        "F.kl_div averages over everything unless you ask for reduction='none'; then sum over the states.": (
            _diverging(
                lambda post, q: (F.kl_div(post, q, log_target=True), F.kl_div(q, post, log_target=True)),
            )
        ),
    },
    also_right=[_divergences_by_loop, _divergences_by_bound, _divergences_by_torch],
)
