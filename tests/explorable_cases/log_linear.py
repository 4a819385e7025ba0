"""Weights in their whole range, one alone and all at once; and climbs by the gradient from several places."""

import numpy as np

NAMES = ("first", "second", "third", "fourth", "pair")


def settings():
    rng = np.random.default_rng(0)
    alone = [{name: float(w)} for name in NAMES for w in np.linspace(-4, 4, 9)]
    return alone + [dict(zip(NAMES, w.tolist(), strict=True)) for w in rng.uniform(-4, 4, (170, 5)).round(1)]


def action_lists():
    step, zero = ["Gradient step"], ["All zero"]
    return [[step], 40 * [step], [zero, *4 * [step]], [*3 * [step], zero, step], [zero]]


BUGS = [
    ("Math.exp(s - logZ)", "Math.exp(s)"),
    ("x[0] * x[1]]", "x[0] * x[2]]"),
    ("[8, 4, 2, 1]", "[1, 2, 4, 8]"),
    ("f - expected[i]", "expected[i] - f"),
    ("dot(w, seen) - logZ", "dot(w, seen)"),
    ("const RATE = 2;", "const RATE = 1;"),
    ("values[NAMES[i]] + RATE * g", "RATE * g"),
    ("1 - a - b + both", "1 - a - b"),
    ("minusEntropy([d, 1 - d])", "minusEntropy([c, 1 - c])"),
    ("best - found.log_lik", "found.log_lik - best"),
    ("[name, 0]", "[name, 1]"),
    ("fixed(below, 3)", "fixed(below, 2)"),
]
