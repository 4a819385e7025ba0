"""The gradient of the bound."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.iwae.shared import _log_mean


def _bound_gradient(log_w, slope, score):
    share = torch.softmax(log_w, 0)[..., None]
    bound = (torch.logsumexp(log_w, 0) - math.log(len(log_w)))[..., None]
    return (share * slope).sum(0), ((bound - share) * score).sum(0)


@drawing
def _draws(draw):
    sizes = [(3, 2, 4, 5), (5, 4, 2, 3), (2, 3, 3, 6), (1, 2, 2, 3), (6, 2, 5, 4)]
    cases = [
        (1.4 * draw(K, B) - (900 if K == 6 else 2), draw(K, B, P) + 0.5, draw(K, B, Q) - 0.3) for K, B, P, Q in sizes
    ]
    apart = draw(6, 2) - 900
    apart[3, 1] += 900  # no common maximum serves both data, nor all draws
    return [*cases, (apart, draw(6, 2, 3), draw(6, 2, 2)), (draw(3, 1), draw(3, 1, 1), draw(3, 1, 2))]


def _share(log_w):
    return torch.softmax(log_w, 0)[..., None]


def _wrong(theta=None, gamma=None):
    """A misconception: other factors before the slope and before the score; each takes log weights (K, B)."""

    def answer(log_w, slope, score):
        before_slope = _share(log_w) if theta is None else theta(log_w)
        before_score = _log_mean(log_w)[None, :, None] - _share(log_w) if gamma is None else gamma(log_w)
        return (before_slope * slope).sum(0), (before_score * score).sum(0)

    return answer


def _by_autograd(log_w, slope, score):
    with torch.enable_grad():
        B, P, Q = slope.shape[1], slope.shape[2], score.shape[2]
        theta = torch.zeros(B, P, dtype=log_w.dtype, requires_grad=True)
        gamma = torch.zeros(B, Q, dtype=log_w.dtype, requires_grad=True)
        log_q = (score * gamma).sum(-1)
        bound = _log_mean(log_w + (slope * theta).sum(-1) - log_q)
        surrogate = bound + bound.detach() * log_q.sum(0)
        return torch.autograd.grad(surrogate.sum(), (theta, gamma))


def _by_loop(log_w, slope, score):
    theta, gamma = torch.zeros_like(slope[0]), torch.zeros_like(score[0])
    for b in range(log_w.shape[1]):
        top = float(log_w[:, b].max())
        w = [math.exp(float(one) - top) for one in log_w[:, b]]
        bound = top + math.log(sum(w) / len(w))
        for k, one in enumerate(w):
            theta[b] += one / sum(w) * slope[k, b]
            gamma[b] += (bound - one / sum(w)) * score[k, b]
    return theta, gamma


bound_gradient = Exercise(
    ask="Return an unbiased draw of the bound's gradient, for the model's parameters and for the proposal's.",
    reference=_bound_gradient,
    cases=_draws,
    misconceptions={
        "For gamma you have the movement of the draws alone. The weights hold log q as well: its gradient comes with a "
        "minus and the normalised weight.": _wrong(gamma=lambda log_w: _log_mean(log_w)[None, :, None]),
        "For gamma you held the draws. Their law moves with gamma: each score is multiplied by the bound, too.": (
            _wrong(gamma=lambda log_w: -_share(log_w))
        ),
        "For gamma you have the reweighted wake update. It follows another divergence; the bound's gradient has the "
        "normalised weight with a minus, and the bound itself.": _wrong(gamma=_share),
        "For gamma, the normalised weight comes in with a minus: log q stands below in the weight.": (
            _wrong(gamma=lambda log_w: _log_mean(log_w)[None, :, None] + _share(log_w))
        ),
        "For gamma, each score is paid with its own log weight: that belongs to the ELBO. Here all draws share one "
        "value, the bound.": _wrong(gamma=lambda log_w: log_w[..., None] - _share(log_w)),
        "For gamma you have the ELBO's gradient: the mean of log w times the score.": (
            _wrong(gamma=lambda log_w: log_w[..., None] / len(log_w))
        ),
        "For gamma you took the mean over the draws. The joint law of K draws is a product, so its score is a sum.": (
            lambda log_w, slope, score: (
                _bound_gradient(log_w, slope, score)[0],
                _bound_gradient(log_w, slope, score)[1] / len(log_w),
            )
        ),
        "log K is missing from the bound: it averages the weights.": (
            _wrong(gamma=lambda log_w: torch.logsumexp(log_w, 0)[None, :, None] - _share(log_w))
        ),
        "For theta all draws count alike: that is the ELBO's gradient. Each counts by its normalised weight.": (
            _wrong(theta=lambda log_w: torch.full_like(log_w, 1 / len(log_w))[..., None])
        ),
        "For theta you squared the weights. Squares belong to the doubly reparameterised gradient of gamma.": (
            _wrong(theta=lambda log_w: _share(log_w).square())
        ),
        "For theta the weights add up to one already: sum, and do not divide by K.": (
            _wrong(theta=lambda log_w: _share(log_w) / len(log_w))
        ),
        "The score does not belong to theta: the law of the draws does not know theta. Its gradient has the "
        "normalised weights alone.": _wrong(theta=lambda log_w: _log_mean(log_w)[None, :, None] + _share(log_w)),
        "Your weights are not normalised: divide by their sum, which a softmax does.": (
            _wrong(
                lambda log_w: log_w.exp()[..., None],
                lambda log_w: _log_mean(log_w)[None, :, None] - log_w.exp()[..., None],
            )
        ),
        "Your weights are normalised over the batch. Samples are the first axis.": (
            _wrong(
                lambda log_w: torch.softmax(log_w, 1)[..., None],
                lambda log_w: _log_mean(log_w)[None, :, None] - torch.softmax(log_w, 1)[..., None],
            )
        ),
        "Both signs are turned round: return the gradient of the bound, which is climbed.": (
            lambda log_w, slope, score: tuple(-part for part in _bound_gradient(log_w, slope, score))
        ),
        "You averaged over the batch. Return a gradient for each datum.": (
            lambda log_w, slope, score: tuple(part.mean(0) for part in _bound_gradient(log_w, slope, score))
        ),
        "The two parts are exchanged: theta first.": (
            lambda log_w, slope, score: _bound_gradient(log_w, slope, score)[::-1]
        ),
        "exp left the range of floating point. Stay in log space.": (
            lambda log_w, slope, score: (
                ((w := log_w.exp()[..., None]) / w.sum(0) * slope).sum(0),
                ((w.mean(0).log() - w / w.sum(0)) * score).sum(0),
            )
        ),
    },
    also_right=[_by_autograd, _by_loop],
)
