"""The delta rule."""

from __future__ import annotations

import torch
from torch.distributions import Bernoulli

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.wake_sleep.shared import _coins, _delta_rule, _layer, _rule, _scaled


@drawing
def _lessons(draw):
    shapes = [(4, 3, 2, 1), (7, 2, 5, 1), (1, 4, 3, 1), (6, 3, 3, 1), (9, 5, 1, 1), (8, 3, 2, 60)]  # sure coins at last
    return [(*_coins(draw, B, I, O), *_scaled(_layer(draw, I, O), scale)) for B, I, O, scale in shapes]


def _delta_rule_by_autograd(given, target, weight, bias):
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    log_p = Bernoulli(logits=given @ weight + bias).log_prob(target).sum(-1).mean()
    return torch.autograd.grad(log_p, (weight, bias))


def _delta_rule_by_loop(given, target, weight, bias):
    for_weight, for_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    for g, s in zip(given, target, strict=True):
        error = s - 1 / (1 + torch.exp(-(g @ weight) - bias))
        for_weight, for_bias = for_weight + torch.outer(g, error), for_bias + error
    return for_weight / len(given), for_bias / len(given)


def _delta_rule_with_a_constant_input(given, target, weight, bias):
    with_one = torch.cat(
        [given, given.new_ones(len(given), 1)], 1
    )  # the bias is the weight of a unit that is always on
    error = target - torch.sigmoid(with_one @ torch.cat([weight, bias[None]]))
    both = torch.einsum("bi,bo->io", with_one, error) / len(given)
    return both[:-1], both[-1]


def _teaching(error):
    """A misconception: another error than target minus probability; `error` takes target and probability."""

    def wrong(given, target, weight, bias):
        e = error(target, torch.sigmoid(given @ weight + bias))
        return given.T @ e / len(given), e.mean(0)

    return wrong


delta_rule = Exercise(
    ask="Return the gradient of the mean log-probability of a layer's targets, for its weight and for its bias.",
    reference=_delta_rule,
    cases=_lessons,
    misconceptions={
        "Right but for the sign: this makes the targets less probable. The log-probability is to grow.": (
            _teaching(lambda s, p: p - s)
        ),
        "You have the factor p (1 - p) of the squared error. In the gradient of the log-probability it cancels.": (
            _teaching(lambda s, p: (s - p) * p * (1 - p))
        ),
        "You take the target alone, as Hebb's rule does. The prediction has to be subtracted, or weights grow for "
        "ever.": _teaching(lambda s, p: s),
        "Your prediction is the logit. The coin's prediction is its probability, the sigmoid of that.": (
            lambda given, target, weight, bias: _rule(given, target, (weight, bias), lambda a: a)
        ),
        "You differentiated for the probability. By the chain rule through the sigmoid a factor p (1 - p) joins it.": (
            _teaching(lambda s, p: (s - p) / (p * (1 - p)))
        ),
        "You rounded the prediction. Subtract the probability itself.": _teaching(lambda s, p: s - p.round()),
        "Your result is for a coin that shows 1 alone. The zeros teach as well: 1 - p has a gradient of its own.": (
            _teaching(lambda s, p: s * (1 - p))
        ),
        "Your prediction has no bias in it.": (
            lambda given, target, weight, bias: _delta_rule(given, target, weight, 0 * bias)
        ),
        "These are sums over the batch. The gradient of a mean is a mean.": (
            lambda *given: _scaled(_delta_rule(*given), len(given[0]))
        ),
        "The weight's part is a sum over the batch, the bias's a mean. Both are means.": (
            lambda given, target, *layer: (
                len(given) * _delta_rule(given, target, *layer)[0],
                _delta_rule(given, target, *layer)[1],
            )
        ),
        "You averaged over the units as well, as .mean() and the default of the losses do. Log-probabilities of units "
        "add: sum over units, mean over the batch.": lambda *given: _scaled(_delta_rule(*given), 1 / len(given[3])),
        "The weight's part is transposed: a row for each unit that is read, a column for each that is taught.": (
            lambda *given: (_delta_rule(*given)[0].T, _delta_rule(*given)[1])
        ),
        "You multiplied two means. What came in belongs to its own error: multiply datum by datum, then average.": (
            lambda given, target, *layer: (
                torch.outer(given.mean(0), _delta_rule(given, target, *layer)[1]),
                _delta_rule(given, target, *layer)[1],
            )
        ),
        "The results are exchanged: first the weight, then the bias.": lambda *given: _delta_rule(*given)[::-1],
        "What came in is missing: a weight from a unit that was off learns nothing.": (
            lambda given, target, weight, bias: (
                (target - torch.sigmoid(given @ weight + bias)).mean(0).expand_as(weight),
                (target - torch.sigmoid(given @ weight + bias)).mean(0),
            )
        ),
        "The bias's part still has a row for each datum: average over the batch.": (
            lambda given, target, weight, bias: (
                _delta_rule(given, target, weight, bias)[0],
                target - torch.sigmoid(given @ weight + bias),
            )
        ),
        "softmax makes the units of a layer share one probability. They are separate coins: sigmoid for each.": (
            lambda given, target, weight, bias: _rule(given, target, (weight, bias), lambda a: torch.softmax(a, -1))
        ),
        "Two mistakes of the usual loss: it is minus the log-probability, and it averages over the units too. Turn the "
        "sign, sum over units.": lambda *given: _scaled(_delta_rule(*given), -1 / len(given[3])),
    },
    also_right=[_delta_rule_by_autograd, _delta_rule_by_loop, _delta_rule_with_a_constant_input],
)
