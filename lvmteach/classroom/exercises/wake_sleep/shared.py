"""What several exercises of this stage share: cases and wrong answers that more than one of them needs."""

from __future__ import annotations

import itertools

import torch
from torch.nn import functional as F

from lvmteach.classroom.exercises.cases import ODDS, beside_the_odds


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


def _hardly_decided(draw, B, net):
    """A net whose coins have odds of their own, whatever it reads, and uniform numbers hardly beside them."""
    odds = [ODDS[: len(bias)] for _, bias in net]
    u = tuple(beside_the_odds(draw, B, own) for own in odds)
    return tuple((0 * weight, own) for (weight, _), own in zip(net, odds, strict=True)), u


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


def _recognise(x, recognition, u):
    units = [x]
    for (weight, bias), uniform in zip(recognition, u, strict=True):
        p = torch.sigmoid(units[-1] @ weight + bias)
        units.append((uniform < p).to(x.dtype))
    return tuple(units)


def _delta_rule(given, target, weight, bias):
    error = target - torch.sigmoid(given @ weight + bias)
    return given.T @ error / len(given), error.mean(0)


def _wake_update(units, prior, generative):
    layers = []
    for (weight, bias), target, given in zip(generative, units[:-1], units[1:], strict=True):
        error = target - torch.sigmoid(given @ weight + bias)
        layers.append((given.T @ error / len(given), error.mean(0)))
    return units[-1].mean(0) - torch.sigmoid(prior), tuple(layers)


def _log_joint(units, prior, generative):
    total = F.logsigmoid((2 * units[-1] - 1) * prior).sum(-1)
    for (weight, bias), target, given in zip(generative, units[:-1], units[1:], strict=True):
        total = total + F.logsigmoid((2 * target - 1) * (given @ weight + bias)).sum(-1)
    return total
