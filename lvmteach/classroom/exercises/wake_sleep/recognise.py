"""Read an image."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.wake_sleep.shared import (
    _coins,
    _hardly_decided,
    _heads,
    _logits,
    _recognise,
    _recognition,
    _uniforms,
)


@drawing
def _images_and_readers(draw):
    shapes = [(6, (3, 2)), (7, (4, 3, 2)), (9, (3, 3, 3)), (200, (2, 3, 5, 4))]
    cases = [(_coins(draw, B, s[0])[0], _recognition(draw, s), _uniforms(draw, B, *s[1:])) for B, s in shapes]
    x, recognition, _ = cases[1]
    return [*cases, (x, *_hardly_decided(draw, 7, recognition))]


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
