"""Places all over the plane and out to its corners."""

import numpy as np


def settings():
    rng = np.random.default_rng(0)
    places = np.concatenate([1.3 * rng.normal(size=(180, 2)).clip(-2.2, 2.2), np.linspace([-3, 3], [3, -3], 31)])
    return [{"place": tuple(place)} for place in places.tolist()]


BUGS = [
    ("u * axes[l] + v * axes[L + l]", "u * axes[l] + v * axes[l]"),
    ("reset * own[2 * H + i]", "own[2 * H + i]"),
    ("(1 - update) * Math.tanh", "update * Math.tanh"),
    ("+ update * before", "+ (1 - update) * before"),
    (".map(Math.tanh), read = START", ", read = START"),
    ("read = START;", "read = END - 2;"),
    ("logits[PAD] = logits[START] = -Infinity;", "logits[START] = -Infinity; logits[PAD] = 100;"),
    ("Float64Array.of(...z, 1)", "Float64Array.of(...z, 0)"),
    ("written[t] = read = best", "written[t] = best"),
    ("s + Math.exp(l - logits[best])", "s + Math.exp(l)"),
    ("fixed(total, 2)", "fixed(total, 1)"),
]
