"""Reweighted wake-sleep."""

from __future__ import annotations

import torch
from torch.distributions import Bernoulli
from torch.nn import functional as F

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.wake_sleep.shared import _coins, _delta_rule, _layer, _rule, _scaled


def _reweighted_update(log_w, given, target, weight, bias):
    B = log_w.shape[1]
    share = torch.softmax(log_w, 0)[:, :, None]
    error = share * (target - torch.sigmoid(given @ weight + bias))
    return torch.einsum("kbi,kbo->io", given, error) / B, error.sum(0).sum(0) / B


@drawing
def _weighted_lessons(draw):
    shapes = [(3, 4, 2, 5, 1), (5, 2, 4, 3, 2), (1, 6, 3, 2, 1), (4, 4, 4, 4, 1), (6, 1, 2, 3, 12), (7, 3, 5, 2, 600)]
    cases = []
    for K, B, I, O, scale in shapes:
        given, target = (part.reshape(K, B, -1) for part in _coins(draw, K * B, I, O))
        cases.append((scale * draw(K, B) - 2 * scale, given, target, *_layer(draw, I, O)))
    log_w, given, target, *layer = cases[1]
    apart = 900 * torch.tensor([0.0, -1.0], dtype=log_w.dtype)  # one maximum for both data would leave one 0/0
    return [*cases, (log_w + apart, given, target, *_scaled(tuple(layer), 60))]


def _weighing(share):
    """A misconception: other shares; `share` takes log weights (K, B) and gives what multiplies each draw's error."""

    def wrong(log_w, given, target, weight, bias):
        error = share(log_w)[:, :, None] * (target - torch.sigmoid(given @ weight + bias))
        return torch.einsum("kbi,kbo->io", given, error) / log_w.shape[1], error.sum((0, 1)) / log_w.shape[1]

    return wrong


def _mean_units_first(log_w, given, target, weight, bias):
    share = torch.softmax(log_w, 0)[:, :, None]
    return _delta_rule((share * given).sum(0), (share * target).sum(0), weight, bias)


def _target_weighted(log_w, given, target, weight, bias):
    share = torch.softmax(log_w, 0)[:, :, None]
    error = share * target - torch.sigmoid(given @ weight + bias)
    return torch.einsum("kbi,kbo->io", given, error) / log_w.shape[1], error.sum((0, 1)) / log_w.shape[1]


def _bias_not_weighted(log_w, given, target, weight, bias):
    error = target - torch.sigmoid(given @ weight + bias)
    return _reweighted_update(log_w, given, target, weight, bias)[0], error.mean((0, 1))


def _best_draw(log_w):
    return F.one_hot(log_w.argmax(0), len(log_w)).T.to(log_w.dtype)


def _reweighted_by_loop(log_w, given, target, weight, bias):
    K, B = log_w.shape
    for_weight, for_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    for b in range(B):
        w = (log_w[:, b] - log_w[:, b].max()).exp()
        for k in range(K):
            part = _rule(given[k, b][None], target[k, b][None], (weight, bias))
            for_weight = for_weight + w[k] / w.sum() * part[0] / B
            for_bias = for_bias + w[k] / w.sum() * part[1] / B
    return for_weight, for_bias


def _reweighted_in_rows(log_w, given, target, weight, bias):
    share = (log_w - torch.logsumexp(log_w, 0)).exp().reshape(-1, 1) / log_w.shape[1]
    g = given.reshape(-1, len(weight))
    error = (target.reshape(-1, len(bias)) - torch.sigmoid(g @ weight + bias)) * share
    return g.T @ error, error.sum(0)


def _reweighted_by_autograd(log_w, given, target, weight, bias):
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    log_p = Bernoulli(logits=given @ weight + bias).log_prob(target).sum(-1)
    return torch.autograd.grad((torch.softmax(log_w, 0) * log_p).sum(0).mean(), (weight, bias))


def _scaled_error(log_w, given, target, weight, bias):
    p = torch.sigmoid(given @ weight + bias)
    error = torch.softmax(log_w, 0)[:, :, None] * (target - p) * p * (1 - p)
    return torch.einsum("kbi,kbo->io", given, error) / log_w.shape[1], error.sum((0, 1)) / log_w.shape[1]


def _weighted_twice(log_w, given, target, weight, bias):
    share = torch.softmax(log_w, 0)[:, :, None]
    right = _reweighted_update(log_w, given, target, weight, bias)
    return _reweighted_update(log_w, share * given, target, weight, bias)[0], right[1]


def _weighted_twice_inside(log_w, given, target, weight, bias):
    share = torch.softmax(log_w, 0)[:, :, None]
    error = share * (target - torch.sigmoid(given @ weight + bias))
    return torch.einsum("kbi,kbo->io", share * given, error) / log_w.shape[1], error.sum((0, 1)) / log_w.shape[1]


def _without_new_axis(log_w, given, target, weight, bias):
    error = torch.softmax(log_w, 0) * (target - torch.sigmoid(given @ weight + bias))
    return torch.einsum("kbi,kbo->io", given, error) / log_w.shape[1], error.sum((0, 1)) / log_w.shape[1]


reweighted_update = Exercise(
    ask="Return one layer's delta rule from K draws a datum, each counted by its normalised importance weight.",
    reference=_reweighted_update,
    cases=_weighted_lessons,
    misconceptions={
        "All draws count alike: this is a wake step with more draws. Each draw has its importance weight.": (
            _weighing(lambda log_w: torch.ones_like(log_w) / len(log_w))
        ),
        "You normalised over the data. The K draws of one datum share its weight: their shares sum to one.": (
            _weighing(lambda log_w: torch.softmax(log_w, 1))
        ),
        "You normalised over the whole table. Then a probable image counts for more than another: each datum has one "
        "vote.": _weighing(lambda log_w: torch.softmax(log_w.flatten(), 0).reshape(log_w.shape) * log_w.shape[1]),
        "Your weights are not normalised. p(x) is unknown: divide by their sum over the draws.": (
            _weighing(lambda log_w: log_w.exp())
        ),
        "Your weights are divided by K, not by their sum: the size of p(x) is still in them.": (
            _weighing(lambda log_w: log_w.exp() / len(log_w))
        ),
        "exp leaves the range of floating point before you normalise. softmax takes the largest out first.": (
            _weighing(lambda log_w: log_w.exp() / log_w.exp().sum(0))
        ),
        "You multiplied by log weights. Take exp before you normalise.": _weighing(lambda log_w: log_w),
        "You normalised logarithms. Take exp first.": _weighing(lambda log_w: log_w / log_w.sum(0)),
        "You kept only the best draw of each datum. All of them count, by their weight.": _weighing(_best_draw),
        "The shares sum to one already: do not divide by K as well.": (
            _weighing(lambda log_w: torch.softmax(log_w, 0) / len(log_w))
        ),
        "The weights are turned over: w = p / q is large for a draw that explains the datum well.": (
            _weighing(lambda log_w: torch.softmax(-log_w, 0))
        ),
        "This is a sum over the data. Weighted sum over the draws, mean over the data.": (
            lambda log_w, *given: _scaled(_reweighted_update(log_w, *given), log_w.shape[1])
        ),
        "Everything has the wrong sign: target minus prediction goes up the log-probability.": (
            lambda *given: _scaled(_reweighted_update(*given), -1)
        ),
        "You averaged the units first, and used the rule on the averages. The rule is not linear: weigh each draw's "
        "own update.": _mean_units_first,
        "The weight multiplies the target alone. It multiplies the whole error: target minus prediction.": (
            _target_weighted
        ),
        "The weight's part is reweighted, the bias's is not. Both are.": _bias_not_weighted,
        "The results are exchanged: first the weight, then the bias.": lambda *given: _reweighted_update(*given)[::-1],
        "The weight's part is transposed: a row for each unit that is given, a column for each target.": (
            lambda *given: (_reweighted_update(*given)[0].T, _reweighted_update(*given)[1])
        ),
        "Your prediction has no bias in it.": (
            lambda log_w, given, target, weight, bias: _reweighted_update(log_w, given, target, weight, 0 * bias)
        ),
        "There is a factor p (1 - p) too many: in the gradient of the log-probability it cancels.": (
            lambda log_w, given, target, weight, bias: _scaled_error(log_w, given, target, weight, bias)
        ),
        "The share enters the weight's part twice, with what came in and with the error. Once is enough.": (
            _weighted_twice_inside
        ),
        "You weighed what came in before the prediction was made. Units are what they are: weigh the error.": (
            _weighted_twice
        ),
        "The shares (K, B) meet the last two axes of the errors (K, B, O). Give them a new last axis: [..., None].": (
            _without_new_axis
        ),
    },
    also_right=[_reweighted_by_loop, _reweighted_in_rows, _reweighted_by_autograd],
)
