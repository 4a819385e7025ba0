"""Stage 05: wake-sleep. A layer is a pair (weight, bias), a net a tuple of layers, and uniforms come in as arguments.

units = (x, z_1, ..., z_T). generative[t] makes units[t] from units[t + 1], recognition[t] units[t + 1] from units[t].
"""

from __future__ import annotations

import itertools
import math

import torch
from torch.distributions import Bernoulli
from torch.nn import functional as F

from lvmteach.classroom.checks.engine import Choice, Exercise, drawing
from lvmteach.helmholtz_exact import states


def _layer(draw, n_in, n_out):
    return draw(n_in, n_out), draw(n_out) + 0.4


def _generative(draw, sizes):
    return tuple(_layer(draw, above, below) for below, above in itertools.pairwise(sizes))


def _recognition(draw, sizes):
    return tuple(_layer(draw, below, above) for below, above in itertools.pairwise(sizes))


def _coins(draw, B, *sizes):
    return tuple((draw(B, size) > 0).double() for size in sizes)


def _uniforms(draw, B, *sizes):
    return tuple(torch.special.ndtr(draw(B, size)) for size in sizes)


# The two nets in their smallest pieces, for wrong and right answers alike.


def _logits(given, layer):
    weight, bias = layer
    return given @ weight + bias


def _heads(u, p):
    return (u < p).double()


def _rule(given, target, layer, predict=torch.sigmoid):
    """The delta rule of one layer, mean over the batch."""
    error = target - predict(_logits(given, layer))
    return given.T @ error / len(given), error.mean(0)


def _scaled(value, factor):
    """Every tensor of a nested tuple times a factor."""
    return value * factor if torch.is_tensor(value) else tuple(_scaled(part, factor) for part in value)


# Read an image -------------------------------------------------------------------------------------------------------


def _recognise(x, recognition, u):
    units = [x]
    for (weight, bias), uniform in zip(recognition, u, strict=True):
        p = torch.sigmoid(units[-1] @ weight + bias)
        units.append((uniform < p).to(x.dtype))
    return tuple(units)


@drawing
def _images_and_readers(draw):
    shapes = [(6, (3, 2)), (7, (4, 3, 2)), (9, (3, 3, 3)), (200, (2, 3, 5, 4))]
    return [(_coins(draw, B, s[0])[0], _recognition(draw, s), _uniforms(draw, B, *s[1:])) for B, s in shapes]


def _reading(toss=_heads, squash=torch.sigmoid, logits=_logits):
    """A misconception: every layer reads the one below, with one part changed."""

    def wrong(x, recognition, u):
        units = [x]
        for layer, uniform in zip(recognition, u, strict=True):
            units.append(toss(uniform, squash(logits(units[-1], layer))))
        return tuple(units)

    return wrong


def _probabilities_go_up(x, recognition, u):
    units, p = [x], x
    for layer, uniform in zip(recognition, u, strict=True):
        p = torch.sigmoid(_logits(p, layer))
        units.append(_heads(uniform, p))
    return tuple(units)


def _all_read_the_image(x, recognition, u):
    rows = zip(recognition, u, strict=True)
    return (x, *(_heads(uniform, torch.sigmoid(_logits(x, layer))) for layer, uniform in rows))


def _recognise_by_loop(x, recognition, u):
    units = [x]
    for (weight, bias), uniform in zip(recognition, u, strict=True):
        above = torch.zeros_like(uniform)
        for b in range(len(above)):
            for j in range(len(bias)):
                a = sum(float(s) * float(w) for s, w in zip(units[-1][b], weight[:, j], strict=True)) + float(bias[j])
                above[b, j] = 1.0 if float(uniform[b, j]) < 1 / (1 + math.exp(-a)) else 0.0
        units.append(above)
    return units


recognise = Exercise(
    ask="Draw all latent layers from the recognition net, each from the layer below, with given uniform numbers.",
    reference=_recognise,
    cases=_images_and_readers,
    misconceptions={
        "You return probabilities. Every unit is a coin: toss it before the next layer reads it.": (
            _reading(toss=lambda u, p: p)
        ),
        "The next layer reads your probabilities. It has to read the coins that fell, zeros and ones.": (
            _probabilities_go_up
        ),
        "Your coins fall the wrong way: u < p happens with probability p, u > p with 1 - p.": (
            _reading(toss=lambda u, p: (u > p).double())
        ),
        "You round the probability, so the same image always gives the same units. Compare it with u instead.": (
            _reading(toss=lambda u, p: (p > 0.5).double())
        ),
        "You compare u with the logit. It takes a sigmoid to become a probability.": _reading(squash=lambda a: a),
        "The bias is missing.": _reading(logits=lambda given, layer: given @ layer[0]),
        "softmax makes the units of a layer share one probability. They are separate coins: sigmoid for each.": (
            _reading(squash=lambda a: torch.softmax(a, -1))
        ),
        "The weight is transposed: its rows belong to the layer that is read, its columns to the one that is drawn.": (
            _reading(logits=lambda given, layer: given @ layer[0].T + layer[1])
        ),
        "All your layers read the image. Only z_1 does; each layer above reads the one just drawn.": (
            _all_read_the_image
        ),
        "x itself is missing: return all units, the image first.": lambda *given: _recognise(*given)[1:],
        "Return all layers, not only the top one.": lambda *given: _recognise(*given)[-1],
        "The order is turned round: the image comes first, the top layer last.": lambda *given: _recognise(*given)[
            ::-1
        ],
        "Your units are truth values. Make them zeros and ones like x, by .to(x.dtype), before the next layer reads "
        "them.": _reading(toss=lambda u, p: u < p),
        ".float() makes float32, which the float64 weights refuse: .to(x.dtype).": (
            _reading(toss=lambda u, p: (u < p).float())
        ),
        "You drew numbers of your own, or torch.bernoulli did. Compare the probability with the u that is given.": (
            _reading(toss=lambda u, p: torch.bernoulli(p))
        ),
    },
    also_right=[
        _recognise_by_loop,
        _reading(toss=lambda u, a: (torch.logit(u) < a).double(), squash=lambda a: a),
        _reading(toss=lambda u, p: torch.where(p > u, 1.0, 0.0).to(p), squash=lambda a: (1 + torch.tanh(a / 2)) / 2),
        _reading(logits=lambda given, layer: torch.einsum("bi,io->bo", given, layer[0]) + layer[1]),
    ],
)


# The delta rule ------------------------------------------------------------------------------------------------------


def _delta_rule(given, target, weight, bias):
    error = target - torch.sigmoid(given @ weight + bias)
    return given.T @ error / len(given), error.mean(0)


@drawing
def _lessons(draw):
    shapes = [(4, 3, 2), (7, 2, 5), (1, 4, 3), (6, 3, 3), (9, 5, 1)]
    return [(*_coins(draw, B, I, O), *_layer(draw, I, O)) for B, I, O in shapes]


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
            _teaching(lambda s, p: s - torch.logit(p))
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


# Wake ----------------------------------------------------------------------------------------------------------------


def _wake_update(units, prior, generative):
    layers = []
    for (weight, bias), target, given in zip(generative, units[:-1], units[1:], strict=True):
        error = target - torch.sigmoid(given @ weight + bias)
        layers.append((given.T @ error / len(given), error.mean(0)))
    return units[-1].mean(0) - torch.sigmoid(prior), tuple(layers)


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


# Sleep ---------------------------------------------------------------------------------------------------------------


def _sleep_update(prior, generative, recognition, u):
    units = [(u[-1] < torch.sigmoid(prior)).to(prior.dtype)]
    for (weight, bias), uniform in zip(generative[::-1], u[-2::-1], strict=True):
        units.insert(0, (uniform < torch.sigmoid(units[0] @ weight + bias)).to(prior.dtype))
    updates = []
    for (weight, bias), given, target in zip(recognition, units[:-1], units[1:], strict=True):
        error = target - torch.sigmoid(given @ weight + bias)
        updates.append((given.T @ error / len(given), error.mean(0)))
    return tuple(updates)


@drawing
def _sleepers(draw):
    shapes = [(5, (3, 2)), (8, (5, 3, 2)), (6, (3, 3, 3)), (60, (2, 4, 3, 5))]
    return [(draw(s[-1]) - 0.3, _generative(draw, s), _recognition(draw, s), _uniforms(draw, N, *s)) for N, s in shapes]


def _dream(prior, generative, u, toss=_heads, top=torch.sigmoid):
    units = [toss(u[-1], top(prior).expand_as(u[-1]))]
    for layer, uniform in zip(generative[::-1], u[-2::-1], strict=True):
        units.append(toss(uniform, torch.sigmoid(_logits(units[-1], layer))))
    return units[::-1]


def _sleeping(toss=_heads, top=torch.sigmoid, learn=None):
    """A misconception: other dreams, or another lesson; `learn` takes dreamt units and the recognition net."""

    def wrong(prior, generative, recognition, u):
        units = _dream(prior, generative, u, toss, top)
        if learn:
            return learn(units, recognition, u)
        return tuple(_rule(g, s, layer) for layer, g, s in zip(recognition, units[:-1], units[1:], strict=True))

    return wrong


def _soft_targets(prior, generative, recognition, u):
    units = _dream(prior, generative, u)
    chances = [torch.sigmoid(_logits(above, layer)) for layer, above in zip(generative, units[1:], strict=True)]
    chances.append(torch.sigmoid(prior).expand_as(u[-1]))
    return tuple(_rule(g, s, layer) for layer, g, s in zip(recognition, units[:-1], chances[1:], strict=True))


def _targets_read(units, recognition, u):
    read = _recognise(units[0], recognition, u[1:])
    return tuple(_rule(g, s, layer) for layer, g, s in zip(recognition, read[:-1], read[1:], strict=True))


def _given_read(units, recognition, u):
    """The targets are dreamt, but each layer reads what the recognition net predicted below."""
    given, updates = units[0], []
    for layer, target in zip(recognition, units[1:], strict=True):
        updates.append(_rule(given, target, layer))
        given = torch.sigmoid(_logits(given, layer))
    return tuple(updates)


def _generative_learns(prior, generative, recognition, u):
    return _wake_update(tuple(_dream(prior, generative, u)), prior, generative)[1]


def _sleep_update_by_autograd(prior, generative, recognition, u):
    units = _dream(prior, generative, u)
    leaves = [p.clone().requires_grad_() for layer in recognition for p in layer]
    layers = zip(leaves[::2], leaves[1::2], strict=True)
    log_q = sum(
        Bernoulli(logits=_logits(g, layer)).log_prob(s).sum(-1)
        for layer, g, s in zip(layers, units[:-1], units[1:], strict=True)
    )
    found = torch.autograd.grad(log_q.mean(), leaves)
    return list(zip(found[::2], found[1::2], strict=True))


def _sleep_update_by_loop(prior, generative, recognition, u):
    N, parts = len(u[0]), []
    for n in range(N):
        one = _dream(prior, generative, [uniform[n : n + 1] for uniform in u])
        parts.append([_rule(one[t], one[t + 1], layer) for t, layer in enumerate(recognition)])
    return [tuple(sum(part[t][i] for part in parts) / N for i in range(2)) for t in range(len(recognition))]


def _dreaming_in_order(nets, uniforms, back):
    """A misconception: layers, uniform numbers or finished units in the wrong order; each takes a tuple."""

    def wrong(prior, generative, recognition, u):
        u = uniforms(u)
        units = [_heads(u[0], torch.sigmoid(prior).expand_as(u[0]))]
        for layer, uniform in zip(nets(generative), u[1:], strict=True):
            units.append(_heads(uniform, torch.sigmoid(_logits(units[-1], layer))))
        units = back(units)
        return tuple(_rule(g, s, layer) for layer, g, s in zip(recognition, units[:-1], units[1:], strict=True))

    return wrong


def _turned(row):
    return row[::-1]


sleep_update = Exercise(
    ask="Dream with given uniform numbers, and return the delta rule's update of the recognition net.",
    reference=_sleep_update,
    cases=_sleepers,
    misconceptions={
        "You dreamt probabilities. A dream is made of coins: toss each layer before it makes the next.": (
            _sleeping(toss=lambda u, p: p)
        ),
        "Your coins fall the wrong way: u < p happens with probability p, u > p with 1 - p.": (
            _sleeping(toss=lambda u, p: (u > p).double())
        ),
        "You round the probabilities, so that all dreams are one dream. Compare them with u.": (
            _sleeping(toss=lambda u, p: (p > 0.5).double())
        ),
        "The prior does not enter your top layer: its coins have a bias too.": (
            _sleeping(top=lambda prior: torch.full_like(prior, 0.5))
        ),
        "The prior holds logits. Their sigmoid is the probability of the top layer's coins.": (
            _sleeping(top=lambda prior: prior)
        ),
        "Your targets are probabilities. The causes of a dream are known: take the coins that fell.": _soft_targets,
        "Your recognition net learns from its own reading of the dream. The dream's own latent units are the targets, "
        "and what each layer reads.": _sleeping(learn=_targets_read),
        "The targets are right, but each layer should read the dreamt layer below. Yours read what the recognition net "
        "predicted there.": _sleeping(learn=_given_read),
        "This is the update of the generative net, from its own dreams: zero on average. Asleep the recognition net "
        "learns.": _generative_learns,
        "Everything has the wrong sign: target minus prediction goes up the log-probability.": (
            lambda *given: _scaled(_sleep_update(*given), -1)
        ),
        "These are sums over the dreams. The gradient of a mean is a mean.": (
            lambda *given: _scaled(_sleep_update(*given), len(given[3][0]))
        ),
        "The layers are in the wrong order: recognition[0] is the one that reads x, and so is the first update.": (
            lambda *given: _sleep_update(*given)[::-1]
        ),
        "The weights' parts are transposed: a row for each unit that is read, a column for each target.": (
            lambda *given: tuple((w.T, b) for w, b in _sleep_update(*given))
        ),
        "You drew numbers of your own. Use the u that is given: u[t] for units[t].": (
            _sleeping(toss=lambda u, p: torch.bernoulli(p))
        ),
        "Your prediction has no bias in it.": lambda prior, generative, recognition, u: _sleep_update(
            prior, generative, tuple((w, 0 * b) for w, b in recognition), u
        ),
        "A dream starts at the top: generative[-1] reads z_T, and generative[0] makes x. Yours goes the other way.": (
            _dreaming_in_order(tuple, _turned, _turned)
        ),
        "The dream starts at the top: with the last layer of generative, the last of u. You took the first.": (
            _dreaming_in_order(tuple, lambda u: (u[-1], *u[:-1]), _turned)
        ),
        "u[0] is for x. The dream starts at the top, so its first numbers are u[-1].": (
            _dreaming_in_order(_turned, tuple, _turned)
        ),
        "Your dream runs from the top to x, and the recognition net reads from x up: turn the units round first.": (
            _dreaming_in_order(_turned, _turned, tuple)
        ),
    },
    also_right=[_sleep_update_by_autograd, _sleep_update_by_loop],
)


# The joint -----------------------------------------------------------------------------------------------------------


def _log_joint(units, prior, generative):
    total = F.logsigmoid((2 * units[-1] - 1) * prior).sum(-1)
    for (weight, bias), target, given in zip(generative, units[:-1], units[1:], strict=True):
        total = total + F.logsigmoid((2 * target - 1) * (given @ weight + bias)).sum(-1)
    return total


@drawing
def _all_units(draw):
    shapes = [(4, (3, 2), 1), (7, (5, 3, 2), 1), (6, (3, 3, 3), 2), (1, (2, 4, 3, 5), 1), (8, (4, 2), 900)]
    cases = [(_coins(draw, B, *s), draw(s[-1]) - 0.3, _scaled(_generative(draw, s), scale)) for B, s, scale in shapes]
    sure = torch.tensor([800.0, -900.0], dtype=torch.float64)  # a prior whose sigmoid rounds to 1 and to 0
    return [*cases[:-1], (cases[-1][0], sure, cases[-1][2])]


def _joint(log_bernoulli=None, keep_prior=1.0, keep_upper=1.0, units_of=None):
    """A misconception: other coins, or a term that is missing; `log_bernoulli` takes values and logits."""
    log_bernoulli = log_bernoulli or (lambda s, a: Bernoulli(logits=a).log_prob(s))

    def wrong(units, prior, generative):
        total = keep_prior * log_bernoulli(units[-1], prior.expand_as(units[-1])).sum(-1)
        for t, (layer, target, given) in enumerate(zip(generative, units[:-1], units[1:], strict=True)):
            total = total + (1.0 if t == 0 else keep_upper) * log_bernoulli(target, _logits(given, layer)).sum(-1)
        return total

    return wrong


def _naive(s, a):
    p = torch.sigmoid(a)
    return s * p.log() + (1 - s) * (1 - p).log()


def _log_joint_by_loop(units, prior, generative):
    rows = []
    for row in zip(*units, strict=True):
        total = 0.0
        for t, s in enumerate(row):
            a = prior if t == len(generative) else row[t + 1] @ generative[t][0] + generative[t][1]
            for s_j, a_j in zip(s.tolist(), a.tolist(), strict=True):
                wrong_way = -a_j if s_j else a_j  # log p = -log(1 + exp of this), kept in range
                total -= max(wrong_way, 0) + math.log1p(math.exp(-abs(wrong_way)))
        rows.append(total)
    return torch.tensor(rows, dtype=prior.dtype)


log_joint = Exercise(
    ask="Return log p(x, z_1, ..., z_T) for each row of units, in nats.",
    reference=_log_joint,
    cases=_all_units,
    misconceptions={
        "A sigmoid that rounds to 0 or 1 makes log 0, and 0 times that is NaN. Work with logits: log p = "
        "logsigmoid(a), log(1 - p) = logsigmoid(-a).": _joint(_naive),
        "A small number inside the logarithm hides log 0 and is wrong for sure coins. Work with logits: "
        "log p = logsigmoid(a), log(1 - p) = logsigmoid(-a).": _joint(
            lambda s, a: s * (torch.sigmoid(a) + 1e-8).log() + (1 - s) * (1 - torch.sigmoid(a) + 1e-8).log()
        ),
        "binary_cross_entropy cuts its logarithms off at -100. Use binary_cross_entropy_with_logits.": _joint(
            lambda s, a: -F.binary_cross_entropy(torch.sigmoid(a), s, reduction="none")
        ),
        "The prior's term is missing: the top layer has a probability too.": _joint(keep_prior=0.0),
        "This is log p(x | z_1), plus at most the prior. Every layer adds its own term.": _joint(keep_upper=0.0),
        "This is log p(x | z_1) alone. Every layer adds its own term, and the top layer its prior.": (
            _joint(keep_prior=0.0, keep_upper=0.0)
        ),
        "The coins that show 0 are missing: they have log(1 - p).": _joint(lambda s, a: s * F.logsigmoid(a)),
        "This is minus the log-probability: a cross-entropy. Turn the sign.": lambda *given: -_log_joint(*given),
        "Return the logarithm, not the probability.": lambda *given: _log_joint(*given).exp(),
        "You averaged over the units of a layer. They are independent given the layer above: their logs add.": (
            _joint(lambda s, a: Bernoulli(logits=a).log_prob(s) / s.shape[-1])
        ),
        "You summed over the batch. Each row of units has a probability of its own.": (
            lambda *given: _log_joint(*given).sum()
        ),
        "You averaged over the batch. Each row of units has a probability of its own.": (
            lambda *given: _log_joint(*given).mean()
        ),
        "These are bits. Use the natural logarithm.": lambda *given: _log_joint(*given) / math.log(2),
        "You took the prior for a probability. It holds logits.": lambda units, prior, generative: (
            _joint(keep_prior=0.0)(units, prior, generative)
            + torch.nan_to_num(units[-1] * prior.log() + (1 - units[-1]) * (1 - prior).log()).sum(-1)
        ),
        "You added up the probabilities of what fell, and took the log last. They multiply: add their logs.": (
            lambda units, prior, generative: torch.log(
                _joint(lambda s, a: Bernoulli(logits=a).log_prob(s).exp())(units, prior, generative)
            )
        ),
        "binary_cross_entropy averages over everything unless you ask for reduction='none'. And it is minus the log.": (
            lambda units, prior, generative: (
                -F.binary_cross_entropy_with_logits(prior.expand_as(units[-1]), units[-1])
                - sum(
                    F.binary_cross_entropy_with_logits(_logits(given, layer), target)
                    for layer, target, given in zip(generative, units[:-1], units[1:], strict=True)
                )
            )
        ),
        "The layers work with logits, the prior does not: a sigmoid that rounds to 0 or 1 makes log 0 there.": (
            lambda units, prior, generative: (
                _joint(keep_prior=0.0)(units, prior, generative) + _naive(units[-1], prior).sum(-1)
            )
        ),
        "log(1 - p) is not 1 - log p. With the logit a it is logsigmoid(-a).": _joint(
            lambda s, a: torch.where(s == 1, F.logsigmoid(a), 1 - F.logsigmoid(a))
        ),
    },
    also_right=[
        _joint(),
        _joint(lambda s, a: -F.binary_cross_entropy_with_logits(a, s, reduction="none")),
        _joint(lambda s, a: s * a - F.softplus(a)),
        _log_joint_by_loop,
    ],
)


# Enumerate -----------------------------------------------------------------------------------------------------------


def _log_marginal(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z = states(sum(sizes))
    every_x, every_z = x.repeat_interleave(len(z), 0), z.repeat(len(x), 1)
    units = (every_x, *every_z.split(sizes, 1))
    log_p_xz = F.logsigmoid((2 * units[-1] - 1) * prior).sum(-1)
    for (weight, bias), target, given in zip(generative, units[:-1], units[1:], strict=True):
        log_p_xz = log_p_xz + F.logsigmoid((2 * target - 1) * (given @ weight + bias)).sum(-1)
    return torch.logsumexp(log_p_xz.reshape(len(x), len(z)), 1)


@drawing
def _images_and_nets(draw):
    shapes = [(3, (4, 2), 1), (5, (4, 3, 2), 1), (3, (5, 1), 2), (1, (2, 4, 3, 1), 1), (6, (4, 2), 900)]
    return [
        (_coins(draw, B, s[0])[0], scale * draw(s[-1]) - 0.3, _scaled(_generative(draw, s), scale))
        for B, s, scale in shapes
    ]


def _table(x, prior, generative, z=None):
    """log p(x, z), images by states."""
    sizes = [len(weight) for weight, _ in generative]
    z = states(sum(sizes)) if z is None else z
    rows = [_log_joint((one.expand(len(z), -1), *z.split(sizes, 1)), prior, generative) for one in x]
    return torch.stack(rows)


def _over_states(reduce):
    return lambda x, prior, generative: reduce(_table(x, prior, generative))


def _one_at_a_time(x, prior, generative):
    bits = sum(len(weight) for weight, _ in generative)
    return torch.logsumexp(_table(x, prior, generative, torch.eye(bits, dtype=torch.float64)), 1)


def _mixed_rows(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z = states(sum(sizes))
    units = (x.repeat(len(z), 1), *z.repeat(len(x), 1).split(sizes, 1))
    return torch.logsumexp(_log_joint(units, prior, generative).reshape(len(x), len(z)), 1)


def _reshaped_wrongly(x, prior, generative):
    table = _table(x, prior, generative)
    return torch.logsumexp(table.reshape(table.shape[1], len(x)), 0)


def _top_is_a_probability(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z_1 = states(sizes[0])
    above = torch.sigmoid(prior)[None]
    for layer in generative[:0:-1]:
        above = torch.sigmoid(_logits(above, layer))
    log_p_z = Bernoulli(above.expand_as(z_1)).log_prob(z_1).sum(-1)
    log_p_x = Bernoulli(logits=_logits(z_1, generative[0])).log_prob(x[:, None]).sum(-1)
    return torch.logsumexp(log_p_x + log_p_z, 1)


def _without_prior(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    top = states(sum(sizes)).split(sizes, 1)[-1]
    return torch.logsumexp(
        _table(x, prior, generative) - Bernoulli(logits=prior.expand_as(top)).log_prob(top).sum(-1), 1
    )


def _image_given_states(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z_1 = states(sum(sizes))[:, : sizes[0]]
    return Bernoulli(logits=_logits(z_1, generative[0])).log_prob(x[:, None]).sum(-1)


def _log_marginal_by_loop(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    total = torch.full((len(x),), -math.inf, dtype=x.dtype)
    for z in states(sum(sizes)):
        layers = [part.expand(len(x), -1) for part in z.split(sizes)]
        total = torch.logaddexp(total, _log_joint((x, *layers), prior, generative))
    return total


def _log_marginal_states_first(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z = states(sum(sizes))
    units = (x.repeat(len(z), 1), *z.repeat_interleave(len(x), 0).split(sizes, 1))
    return torch.logsumexp(_log_joint(units, prior, generative).reshape(len(z), len(x)), 0)


def _log_marginal_from_the_top(x, prior, generative):
    """Layer by layer: the distribution over the states of each layer from that of the layer above."""
    z = states(len(prior))
    log_p = Bernoulli(logits=prior.expand_as(z)).log_prob(z).sum(-1)
    for t in range(len(generative) - 1, -1, -1):
        s = x if t == 0 else states(len(generative[t - 1][0]))
        given = Bernoulli(logits=_logits(z, generative[t])[:, None]).log_prob(s).sum(-1)
        log_p, z = torch.logsumexp(log_p[:, None] + given, 0), s
    return log_p


log_marginal = Exercise(
    ask="Return the exact log p(x) of each image, by a sum over all states of the latent units.",
    reference=_log_marginal,
    cases=_images_and_nets,
    misconceptions={
        "This is the mean over the states. Each one's probability is in the joint already: add them up.": (
            _over_states(lambda t: torch.logsumexp(t, 1) - math.log(t.shape[1]))
        ),
        "This is the sum of the logs. States are alternatives: add their probabilities, then take the log.": (
            _over_states(lambda t: t.sum(1))
        ),
        "This is the mean of the logs, a bound and no more. Add the probabilities, then take the log.": (
            _over_states(lambda t: t.mean(1))
        ),
        "exp leaves the range of floating point, and the log of that zero is -inf. torch.logsumexp takes the largest "
        "out first.": _over_states(lambda t: t.exp().sum(1).log()),
        "You took the best state alone. All of them could have made the image.": (
            _over_states(lambda t: t.max(1).values)
        ),
        "You summed over the images. Sum over the states; each image keeps its own value.": (
            _over_states(lambda t: torch.logsumexp(t, 0))
        ),
        "You added the images up. Each one has a value of its own.": (
            _over_states(lambda t: torch.logsumexp(t, 1).sum())
        ),
        "This is the probability. Return its logarithm.": _over_states(lambda t: torch.logsumexp(t, 1).exp()),
        "This is minus log p(x). Turn the sign.": _over_states(lambda t: -torch.logsumexp(t, 1)),
        "This is the table of log p(x, z). Add up over its states.": _over_states(lambda t: t),
        "Images and states are paired wrongly: repeat runs through the images again and again, and the reshape takes "
        "such rows for one image. Use repeat_interleave for one of the two, repeat for the other.": _mixed_rows,
        "Your units are on one at a time, as in a mixture. Here any of them may be on together: 2^L states.": (
            _one_at_a_time
        ),
        "You gave z_1 the probabilities that the mean of the layers above predicts. Sum over their states too.": (
            _top_is_a_probability
        ),
        "p of the top layer is missing: without the prior the states are weighted wrongly.": _without_prior,
        "You averaged p(x | z_1) over all states as if they were equally likely. Weigh each with p(z).": (
            lambda *given: (
                torch.logsumexp(_image_given_states(*given), 1) - math.log(_image_given_states(*given).shape[1])
            )
        ),
        "The last state is missing: all units on is one of the 2^L.": (
            _over_states(lambda t: torch.logsumexp(t[:, :-1], 1))
        ),
        "The first state is missing: all units off is one of the 2^L.": (
            _over_states(lambda t: torch.logsumexp(t[:, 1:], 1))
        ),
        "After x.repeat_interleave the states run fastest, so the answers reshape to (images, states), not to (states, "
        "images).": _reshaped_wrongly,
    },
    also_right=[
        _over_states(lambda t: torch.logsumexp(t, 1)),
        _log_marginal_by_loop,
        _log_marginal_from_the_top,
        _log_marginal_states_first,
    ],
)


# Two divergences -----------------------------------------------------------------------------------------------------


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


what_sleep_lowers = Choice(
    ask="Small sleep steps, with very many dreams, of a machine whose dreams are not the data. What is sure to fall?",
    options={
        "a": "KL(q || p), averaged over the data",
        "b": "KL(p || q), averaged over the data",
        "c": "KL(q || p), averaged over the machine's dreams",
        "d": "KL(p || q), averaged over the machine's dreams",
        "e": "minus the ELBO, averaged over the data",
    },
    feedback={
        "a": "Wrong twice: sleep averages under p, and it never saw the data. This one is what the bound asks for.",
        "b": "The right direction, on the wrong images: an image that is never dreamt teaches nothing.",
        "c": "The right images, in the wrong direction: the targets are drawn from p, so the average is under p.",
        "d": "The dreams (x, z) come from p. So sleep climbs E_p[log q(z|x)], and what it climbs is minus this "
        "divergence, plus a constant that does not know the recognition net.",
        "e": "log p(x) does not know the recognition net, so this is KL(q || p) on the data in disguise: not sure to "
        "fall.",
    },
    right="d",
)


# Reweighted wake-sleep -----------------------------------------------------------------------------------------------


def _reweighted_update(log_w, given, target, weight, bias):
    B = log_w.shape[1]
    share = torch.softmax(log_w, 0)[:, :, None]
    error = share * (target - torch.sigmoid(given @ weight + bias))
    return torch.einsum("kbi,kbo->io", given, error) / B, error.sum(0).sum(0) / B


@drawing
def _weighted_lessons(draw):
    shapes = [(3, 4, 2, 5, 1), (5, 2, 4, 3, 2), (1, 6, 3, 2, 1), (4, 4, 4, 4, 1), (6, 1, 2, 3, 1), (7, 3, 5, 2, 600)]
    cases = []
    for K, B, I, O, scale in shapes:
        given, target = (part.reshape(K, B, -1) for part in _coins(draw, K * B, I, O))
        cases.append((scale * draw(K, B) - 2 * scale, given, target, *_layer(draw, I, O)))
    return cases


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


with_one_draw = Choice(
    ask="Reweighted wake-sleep with K = 1: what does the recognition net learn from its weighted draw, on average?",
    options={
        "a": "what sleep teaches it",
        "b": "to lower KL(q || p), as the ELBO wants",
        "c": "to lower KL(p || q) on the data, only more noisily than with large K",
        "d": "nothing",
    },
    feedback={
        "a": "Sleep's targets come from the generative net. Here they come from the recognition net itself.",
        "b": "That needs the score times log p - log q, exercise 06.1. Here the draw's score has a constant weight.",
        "c": "Its weights would have to prefer some draws to others. What is the normalised weight of a single draw?",
        "d": "A single draw has the weight one, whatever it explains. What is left is q's own score, and its mean "
        "under q is zero: the net is told to say what it says.",
    },
    right="d",
)
