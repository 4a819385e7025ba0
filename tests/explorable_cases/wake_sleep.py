"""Every moment of every training, and ones past the end."""

import itertools


def settings():
    return [{"moment": t, "sleeps": s} for t, s in itertools.product([*range(41)] * 2, ("1/16", "1/4", "1", "4"))][:250]


BUGS = [
    ("7 - (n & 7)", "n & 7"),
    ("n >> 3", "n >> 2"),
    ("t * SHOWN * D + i", "t * D + i"),
    ("t * SHOWN + i", "t + i"),
    ("p / 255", "p / 256"),
    ("xs[t * size + i]", "xs[t + i]"),
    ("m[name][t]", "m[name][0]"),
    ("m.steps.length - 1", "m.steps.length - 2"),
    ("fixed(bound, 2)", "fixed(nll, 2)"),
    ("step: m.steps[t]", "step: t"),
    ("legal.filter(Boolean).length", "legal.length"),
]
