"""Sleep."""

from __future__ import annotations

import torch
from torch.distributions import Bernoulli

from lvmteach.classroom.exercises.cases import ODDS, beside_the_odds, drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.wake_sleep.shared import (
    _generative,
    _hardly_decided,
    _heads,
    _logits,
    _recognise,
    _recognition,
    _rule,
    _scaled,
    _uniforms,
    _wake_update,
)


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
    cases = [
        (draw(s[-1]) - 0.3, _generative(draw, s), _recognition(draw, s), _uniforms(draw, N, *s)) for N, s in shapes
    ]
    prior, generative, recognition, _ = cases[1]
    generative, u = _hardly_decided(draw, 8, generative)
    top = ODDS[: len(prior)]
    return [*cases, (top, generative, _scaled(recognition, 60), (*u, beside_the_odds(draw, 8, top)))]


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


def _soft_dream(prior, generative, recognition, u):
    """Each layer is tossed, and handed down as the probabilities that it was tossed from."""
    chances = [torch.sigmoid(prior).expand_as(u[-1])]
    for layer in generative[::-1]:
        chances.append(torch.sigmoid(_logits(chances[-1], layer)))
    units = [_heads(uniform, p) for uniform, p in zip(u, chances[::-1], strict=True)]
    return tuple(_rule(g, s, layer) for layer, g, s in zip(recognition, units[:-1], units[1:], strict=True))


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
        "Your layers are tossed, but handed down as probabilities. The layer below is made from the coins that fell.": (
            _soft_dream
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
