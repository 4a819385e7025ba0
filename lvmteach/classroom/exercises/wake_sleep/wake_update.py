"""Wake."""

from __future__ import annotations

import torch
from torch.distributions import Bernoulli

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.wake_sleep.shared import _coins, _generative, _logits, _rule, _scaled, _wake_update


@drawing
def _read_units(draw):
    shapes = [(4, (3, 2)), (7, (5, 3, 2)), (6, (3, 3, 3)), (9, (2, 4, 3, 5)), (1, (4, 2, 3))]
    return [(_coins(draw, B, *s), draw(s[-1]) - 0.3, _generative(draw, s)) for B, s in shapes]


def _mean_log_joint(units, prior, generative):
    by_layer = [Bernoulli(logits=prior.expand_as(units[-1])).log_prob(units[-1])]
    for layer, target, given in zip(generative, units[:-1], units[1:], strict=True):
        by_layer.append(Bernoulli(logits=_logits(given, layer)).log_prob(target))
    return sum(one.sum(-1) for one in by_layer).mean()


def _wake_update_by_autograd(units, prior, generative):
    leaves = [p.clone().requires_grad_() for p in (prior, *(p for layer in generative for p in layer))]
    layers = list(zip(leaves[1::2], leaves[2::2], strict=True))
    for_prior, *others = torch.autograd.grad(_mean_log_joint(units, leaves[0], layers), leaves)
    return for_prior, list(zip(others[::2], others[1::2], strict=True))


def _wake_update_by_loop(units, prior, generative):
    B = len(units[0])
    for_prior = sum(one - 1 / (1 + torch.exp(-prior)) for one in units[-1]) / B
    layers = []
    for t in range(len(generative)):
        parts = [_rule(units[t + 1][b : b + 1], units[t][b : b + 1], generative[t]) for b in range(B)]
        layers.append(tuple(sum(part) / B for part in zip(*parts, strict=True)))
    return for_prior, layers


def _waking(prior=None, layers=None, predict=torch.sigmoid):
    """A misconception: the right update with one part changed; `prior` and `layers` take the units and the net."""

    def wrong(units, logits, generative):
        for_prior = units[-1].mean(0) - predict(logits)
        rules = zip(generative, units[:-1], units[1:], strict=True)
        for_layers = tuple(_rule(given, target, layer, predict) for layer, target, given in rules)
        return (
            prior(units, logits) if prior else for_prior,
            layers(units, logits, generative) if layers else for_layers,
        )

    return wrong


def _predictions_run_down(units, prior, generative):
    given, updates = units[-1], []
    for layer, target in zip(generative[::-1], units[-2::-1], strict=True):
        updates.append(_rule(given, target, layer))
        given = torch.sigmoid(_logits(given, layer))
    return tuple(updates[::-1])


def _errors_sent_up(units, prior, generative):
    """Backpropagation: each layer's error is that of x, sent through the layers in between."""
    error = units[0] - torch.sigmoid(_logits(units[1], generative[0]))
    updates = [(units[1].T @ error / len(error), error.mean(0))]
    for t in range(1, len(generative)):
        p = torch.sigmoid(_logits(units[t + 1], generative[t]))
        error = error @ generative[t - 1][0].T * p * (1 - p)
        updates.append((units[t + 1].T @ error / len(error), error.mean(0)))
    return tuple(updates)


wake_update = Exercise(
    ask="Return the delta rule's update of the generative net, prior included, from the units that were read.",
    reference=_wake_update,
    cases=_read_units,
    misconceptions={
        "Your prior learns nothing. The top layer reads no other, but its coins have a bias, and that is taught too.": (
            _waking(prior=lambda units, prior: 0 * prior)
        ),
        "You subtracted the prior as it is. It holds logits: the coins' probability is their sigmoid.": (
            _waking(prior=lambda units, prior: units[-1].mean(0) - prior)
        ),
        "The prior's update is a sum over the batch, the others are means.": (
            _waking(prior=lambda units, prior: (units[-1] - torch.sigmoid(prior)).sum(0))
        ),
        "This is the delta rule upwards, for the recognition net. Awake the generative net learns: from the layer "
        "above it makes the layer below.": _waking(
            layers=lambda units, prior, net: tuple(
                _rule(given, target, layer) for layer, given, target in zip(net, units[:-1], units[1:], strict=True)
            )
        ),
        "Each layer should see the coins that were read above it. Yours see what the net above would have predicted.": (
            _waking(layers=_predictions_run_down)
        ),
        "You sent errors through the layers. Each layer has targets of its own, the units below it: no "
        "backpropagation.": _waking(layers=_errors_sent_up),
        "Everything has the wrong sign: target minus prediction goes up the log-probability.": (
            lambda *given: _scaled(_wake_update(*given), -1)
        ),
        "These are sums over the batch. The gradient of a mean is a mean.": (
            lambda units, *given: _scaled(_wake_update(units, *given), len(units[0]))
        ),
        "The layers are in the order in which they dream. generative[0] is the one that makes x: so is the first "
        "update.": _waking(layers=lambda *given: _wake_update(*given)[1][::-1]),
        "The weights' parts are transposed: a row for each unit that is given, a column for each target.": (
            _waking(layers=lambda *given: tuple((w.T, b) for w, b in _wake_update(*given)[1]))
        ),
        "Your predictions are logits. A coin's prediction is its probability, the sigmoid of that.": (
            _waking(predict=lambda a: a)
        ),
        "Your prediction has no bias in it.": _waking(
            layers=lambda units, prior, net: _wake_update(units, prior, tuple((w, 0 * b) for w, b in net))[1]
        ),
        "The order of the results: first the prior's update, then the layers'.": (
            lambda *given: _wake_update(*given)[::-1]
        ),
        "Only the layer that makes x learns. All layers of the generative net do.": _waking(
            layers=lambda *given: tuple(
                (w, b) if t == 0 else (0 * w, 0 * b) for t, (w, b) in enumerate(_wake_update(*given)[1])
            )
        ),
        "The prior's update still has a row for each datum: average over the batch.": _waking(
            prior=lambda units, prior: units[-1] - torch.sigmoid(prior)
        ),
        "The prior's update is missing: return two things, first for the prior, then for the layers.": (
            lambda *given: _wake_update(*given)[1]
        ),
        "Your layers' parts stand in one flat row. Return a pair (weight, bias) for each layer.": _waking(
            layers=lambda *given: tuple(part for layer in _wake_update(*given)[1] for part in layer)
        ),
    },
    also_right=[_wake_update_by_autograd, _wake_update_by_loop],
)
