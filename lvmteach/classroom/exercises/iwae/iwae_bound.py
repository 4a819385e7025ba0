"""The bound from its three densities."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.iwae.shared import _log_mean


def _iwae_bound(log_x, log_z, log_q):
    log_w = log_x.sum(-1) + log_z.sum(-1) - log_q.sum(-1)
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


@drawing
def _densities(draw):
    sizes = [(3, 2, 5, 4, -0.7), (5, 3, 7, 2, 0.6), (1, 4, 6, 2, -2.0), (6, 4, 300, 5, -3.1), (4, 3, 9, 2, 190.0)]
    cases = [(at + draw(K, B, D), draw(K, B, L) - 1.2, 0.4 + draw(K, B, L)) for K, B, D, L, at in sizes]
    apart = torch.tensor([[0.0], [-150.0], [-300.0]], dtype=torch.float64)  # no common maximum serves all data
    return [*cases, (draw(4, 3, 6) + apart, draw(4, 3, 2), draw(4, 3, 2))]


def _log_w(log_x, log_z, log_q):
    return log_x.sum(-1) + log_z.sum(-1) - log_q.sum(-1)


def _bound_by_loop(log_x, log_z, log_q):
    total = torch.full_like(log_x[0, :, 0], -math.inf)
    for for_x, for_z, for_q in zip(log_x, log_z, log_q, strict=True):
        total = torch.logaddexp(total, torch.einsum("bd->b", for_x) + (for_z - for_q).sum(1))
    return total - math.log(log_x.shape[0])


def _bound_by_the_largest(log_x, log_z, log_q):
    log_w = torch.cat([log_x, log_z, -log_q], -1).sum(-1)
    largest = log_w.max(0).values
    return largest + (log_w - largest).exp().mean(0).log()


iwae_bound = Exercise(
    ask="Return one draw of the importance weighted bound, from the log densities of K samples.",
    reference=_iwae_bound,
    cases=_densities,
    misconceptions={
        "This is the mean of the logs: the ELBO. Here the mean stands inside the logarithm.": (
            lambda log_x, log_z, log_q: _log_w(log_x, log_z, log_q).mean(0)
        ),
        "You return log K too much: the weights are averaged, so divide by K inside the logarithm.": (
            lambda log_x, log_z, log_q: torch.logsumexp(_log_w(log_x, log_z, log_q), 0)
        ),
        "exp left the range of floating point: log p(x|z) of an image is some hundreds of nats below zero. Stay in "
        "log space.": lambda log_x, log_z, log_q: _log_w(log_x, log_z, log_q).exp().mean(0).log(),
        "The sign of log q is turned round: q stands in the denominator of the weight.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1) + log_z.sum(-1) + log_q.sum(-1))
        ),
        "q is the numerator of your weight. It is the other way round: the joint over q.": (
            lambda log_x, log_z, log_q: _log_mean(-_log_w(log_x, log_z, log_q))
        ),
        "The prior is missing: the numerator of the weight is the joint, p(x|z) p(z).": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1) - log_q.sum(-1))
        ),
        "log q is missing: the samples come from q, so each counts by what it is worth over q.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1) + log_z.sum(-1))
        ),
        "Only p(x|z) is in your weight: that would do for samples from the prior. These come from q.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1))
        ),
        "You took the mean over pixels. Independent pixels multiply, so their logs add up: sum.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.mean(-1) + log_z.sum(-1) - log_q.sum(-1))
        ),
        "You took means over pixels and over latent dimensions. Independent coordinates multiply: sum their logs.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.mean(-1) + log_z.mean(-1) - log_q.mean(-1))
        ),
        "You took the mean over latent dimensions. Independent coordinates multiply, so their logs add up: sum.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1) + (log_z - log_q).mean(-1))
        ),
        "You divided the logarithms by K. The weights are divided, which takes log K off their logarithm.": (
            lambda log_x, log_z, log_q: torch.logsumexp(_log_w(log_x, log_z, log_q) / len(log_x), 0)
        ),
        "You divided the bound by K. The division stands inside the logarithm: there it takes log K off.": (
            lambda log_x, log_z, log_q: torch.logsumexp(_log_w(log_x, log_z, log_q), 0) / len(log_x)
        ),
        "You left an average of log p(z) - log q outside the logarithm, as a KL term. Each sample needs its whole "
        "weight inside.": lambda log_x, log_z, log_q: (
            _log_mean(log_x.sum(-1)) + (log_z.sum(-1) - log_q.sum(-1)).mean(0)
        ),
        "You averaged each pixel over the samples by itself. A sample has one weight, for the whole image: sum over "
        "pixels first.": lambda log_x, log_z, log_q: (
            _log_mean(log_x).sum(-1) + _log_mean(log_z).sum(-1) - _log_mean(log_q).sum(-1)
        ),
        "You averaged over the batch. Samples are the first axis.": (
            lambda log_x, log_z, log_q: _log_mean(_log_w(log_x, log_z, log_q).T)
        ),
        "You averaged over samples and batch at once: each datum has its own bound.": (
            lambda log_x, log_z, log_q: _log_mean(_log_w(log_x, log_z, log_q).flatten())
        ),
        "You took off the log of the batch size. There are K samples, and K is the length of the first axis.": (
            lambda log_x, log_z, log_q: torch.logsumexp(_log_w(log_x, log_z, log_q), 0) - math.log(log_x.shape[1])
        ),
        "This adds the log weights up, and so multiplies the weights. The bound adds the weights.": (
            lambda log_x, log_z, log_q: _log_w(log_x, log_z, log_q).sum(0) - math.log(len(log_x))
        ),
        "This is minus the bound, the loss. Return the bound.": (
            lambda log_x, log_z, log_q: -_log_mean(_log_w(log_x, log_z, log_q))
        ),
        "These are bits. Natural logarithms give nats.": (
            lambda log_x, log_z, log_q: _log_mean(_log_w(log_x, log_z, log_q)) / math.log(2)
        ),
        "This is the log weights' own mean under the normalised weights: it has nearly the bound's gradient, not its "
        "value.": lambda log_x, log_z, log_q: (
            torch.softmax(_log_w(log_x, log_z, log_q), 0) * _log_w(log_x, log_z, log_q)
        ).sum(0),
        "You took the largest weight out and did not put it back: add it after the logarithm.": (
            lambda log_x, log_z, log_q: _log_mean(
                _log_w(log_x, log_z, log_q) - _log_w(log_x, log_z, log_q).max(0).values
            )
        ),
    },
    also_right=[
        _bound_by_loop,
        _bound_by_the_largest,
        lambda log_x, log_z, log_q: torch.logsumexp(
            log_x.sum(2) + (log_z - log_q).sum(2) - torch.tensor(float(len(log_x))).double().log(), dim=0
        ),
    ],
)
