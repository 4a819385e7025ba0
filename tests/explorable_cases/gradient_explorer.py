"""Each estimator over few and many draws and dimensions, the ends of both sliders included."""

import itertools

KINDS = ("reparameterised", "score function", "constant baseline", "leave-one-out")


def settings():
    each = itertools.product(KINDS, (2, 3, 5, 8, 17, 33, 64), (1, 2, 3, 7, 8, 20, 50, 64))
    return [{"kind": kind, "K": K, "D": D} for kind, K, D in each]


BUGS = [
    ("8 * d2 + 6 * s2", "8 * d2 + 4 * s2"),
    ("D ** 2 * (d2 + s2) ** 2", "D * (d2 + s2) ** 2"),
    ("Math.max(K - 1, 1)", "K"),
    ("single[kind] / K", "single[kind]"),
    ("k++, at += repeats * D", "k++, at += D"),
    ("f[k] += (M + S * eps[i] - T) ** 2", "f[k] += (M + eps[i] - T) ** 2"),
    ("eps[at] / S", "eps[at]"),
    ("(total - f[k]) / (K - 1)", "(total - f[k]) / K"),
    ("D * ((M - T) ** 2 + S ** 2)", "D * (M - T) ** 2 + S ** 2"),
    ("/ (found.length - 1)", "/ found.length"),
    ("g < EDGES[0]).length", "g < EDGES[1]).length"),
    ("found / repeats", "found / (repeats - 1)"),
    ("new RandomState(6)", "new RandomState(7)"),
]
