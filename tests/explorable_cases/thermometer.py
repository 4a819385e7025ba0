"""Weights and q's in their whole range; E and M steps of both kinds, in turn and mixed."""

import numpy as np


def settings():
    rng = np.random.default_rng(0)
    low, high = np.array([0, 0, 0.1, -0.95]), np.array([1.6, 1.5, 1.2, 0.5])
    places = np.concatenate([rng.uniform(low, high, (190, 4)), [low, high], np.linspace(low, high, 10)])
    return [dict(zip("wmsr", place.round(2).tolist(), strict=True)) for place in places]


def action_lists():
    factors, exact, best = ["E: best q of two factors"], ["E: best q of all"], ["M: best w for this q"]
    return [20 * [factors, best], 20 * [exact, best], [exact, factors, best, best, exact, best, factors], [best]]


BUGS = [
    ("2 * w * w + NOISE) + SQUARE", "w * w + NOISE) + SQUARE"),
    ("c: w / (2 * w * w + NOISE)", "c: w / (w * w + NOISE)"),
    ("(1 - 2 * w * m) ** 2", "(1 - w * m) ** 2"),
    ("2 * w * w * s * s * (1 + r)", "2 * w * w * s * s"),
    ("+ m * m * SQUARE - 1", "- 1"),
    ("- 0.5 * Math.log(1 - r * r);", ";"),
    ("(1 + a + a * r)", "(1 + a)"),
    ("4 * Math.log(s)", "2 * Math.log(s)"),
    ("Math.log(1 + 2 * a)", "Math.log(1 + a)"),
    ("s: 1 / Math.sqrt(1 + a)", "s: 1 / (1 + a)"),
    ("r: -a / (1 + a)", "r: a / (1 + a)"),
    ("s * s * (1 + r)), 0, 1.6)", "s * s), 0, 1.6)"),
    ("elboOf(w, factors({ w }))", "elboOf(w, exact({ w }))"),
    ("fixed(Math.max(gap, 0), 3)", "fixed(gap, 3)"),
]
