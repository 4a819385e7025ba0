"""Two weighted draws."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _weighted_twice(log_p_xz, log_q):
    log_w = log_p_xz - log_q
    wins = torch.sigmoid(log_w[:, :, None] - log_w[:, None, :])  # w_z / (w_z + w_j), for every pair of states
    return 2 * log_q.exp() * (wins * log_q.exp()[:, None, :]).sum(-1)


@drawing
def _tables(draw):
    shapes = [(1, 2, 1), (3, 4, 1), (5, 8, 2), (1, 16, 3), (6, 4, 500)]
    cases = [(scale * draw(B, Z) - 4, torch.log_softmax(draw(B, Z), 1)) for B, Z, scale in shapes]
    return [*cases, (300 * draw(5, 4), torch.log_softmax(300 * draw(5, 4), 1))]  # a q that is all but sure


def _by_loop(log_p_xz, log_q):
    log_w, q = log_p_xz - log_q, log_q.exp()
    mean = torch.zeros_like(q)
    for i in range(q.shape[1]):
        for j in range(q.shape[1]):
            share = torch.softmax(torch.stack([log_w[:, i], log_w[:, j]]), 0) * q[:, i] * q[:, j]
            mean[:, i] += share[0]
            mean[:, j] += share[1]
    return mean


def _by_logaddexp(log_p_xz, log_q):
    log_w = log_p_xz - log_q
    pairs = torch.logaddexp(log_w[:, :, None], log_w[:, None, :])
    return 2 * torch.exp(log_p_xz + torch.logsumexp(log_q[:, None, :] - pairs, -1))


def _in_plain_numbers(log_p_xz, log_q):
    q, w = log_q.exp(), (log_p_xz - log_q).exp()
    return 2 * q * (q[:, None, :] * w[:, :, None] / (w[:, :, None] + w[:, None, :])).sum(-1)


def _different_draws_only(log_p_xz, log_q):
    q = log_q.exp()
    return _weighted_twice(log_p_xz, log_q) - q**2


def _without_replacement(log_p_xz, log_q):
    """The second draw from what q leaves to the other states."""
    log_w, q = log_p_xz - log_q, log_q.exp()
    pairs = q[:, :, None] * q[:, None] / (1 - q)[:, :, None] * (1 - torch.eye(q.shape[1]).to(q))
    wins = torch.sigmoid(log_w[:, :, None] - log_w[:, None, :])
    return (pairs * wins).sum(2) + (pairs * (1 - wins)).sum(1)


weighted_twice = Exercise(
    ask="Return the exact mean of the weighted picture of the posterior that K = 2 draws from q give, by enumeration.",
    reference=_weighted_twice,
    cases=_tables,
    misconceptions={
        "This is the posterior itself: what infinitely many draws give. With two, the mean of a ratio is not the ratio "
        "of the means.": lambda log_p_xz, log_q: torch.softmax(log_p_xz, 1),
        "This is q: what one draw gives, whose weight is always one. With two draws the better one counts more.": (
            lambda log_p_xz, log_q: log_q.exp()
        ),
        "You left out the pairs in which both draws are the same state. They happen: the state then has weight one.": (
            _different_draws_only
        ),
        "Your second draw never is the state of the first. Both are drawn from q, independently.": _without_replacement,
        "Either of the two draws can be z: your sum counts the first alone, so its total is one half.": (
            lambda log_p_xz, log_q: _weighted_twice(log_p_xz, log_q) / 2
        ),
        "You averaged over the pairs with equal weights. A pair of states falls with probability q(z) q(z').": (
            lambda log_p_xz, log_q: (
                2 * torch.sigmoid((log_p_xz - log_q)[:, :, None] - (log_p_xz - log_q)[:, None, :]).mean(-1)
                / log_q.shape[1]
            )
        ),
        "Your weights are the joint p(x, z). A draw from q is weighted by p(x, z) / q(z|x).": (
            lambda log_p_xz, log_q: (
                2 * log_q.exp()
                * (torch.sigmoid(log_p_xz[:, :, None] - log_p_xz[:, None, :]) * log_q.exp()[:, None, :]).sum(-1)
            )
        ),
        "The roles are exchanged: this gives the worse draw the larger share.": (
            lambda log_p_xz, log_q: _weighted_twice(2 * log_q - log_p_xz, log_q)
        ),
        "exp overflowed or rounded to zero. w / (w + w') is the sigmoid of the difference of the log weights.": (
            _in_plain_numbers
        ),
    },
    also_right=[_by_loop, _by_logaddexp],
)  # fmt: skip
