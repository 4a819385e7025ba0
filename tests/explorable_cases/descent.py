"""Every image, from the encoder's guess and from places all over its square and beyond, few steps and many."""

import itertools

import numpy as np


def settings():
    rng = np.random.default_rng(3)
    led = [{"image": i, "steps": n} for i, n in itertools.product(range(8), (0, 1, 2, 5, 11, 60))]
    put = [
        {"image": int(i), "steps": int(n), "begin": "where I put it", "start": place}
        for i, n, place in zip(
            rng.integers(0, 8, 160),
            rng.integers(0, 16, 160),
            rng.uniform(-3, 3, (160, 2)).round(3).tolist(),
            strict=True,
        )
    ]
    return led + put


def action_lists():
    return [[["start of q", 0, [0.5, -0.25]], ["start of q", 0, [-1.0, 2.0]]]]


BUGS = [
    ("-0.5 * v * v)", "-0.5 * v)"),
    ("squares.map((v) => v - total)", "squares"),
    ("b.q[j] * log_p[at]", "b.q[i] * log_p[at]"),
    ("slope(a, 2), slope(b, 2)", "slope(a, 1), slope(b, 1)"),
    (" - mean(one, (i) => one.t[i] ** power) * mean(one, (i) => one.log_q[i] - one.cross[i])", ""),
    ("+ mean(b, (j) => b.log_q[j])", ""),
    ("RATE = 0.3", "RATE = 0.4"),
    ("LONGEST = 0.25", "LONGEST = 0.3"),
    ("v - s[d] * step(slope[d])", "v - step(slope[d])"),
    ("-step(slope[2 + d] / 2)", "-step(slope[2 + d])"),
    ("clip(v, one.axes[d][0], one.axes[d].at(-1))", "v"),
    ("table.map((v) => v - total)", "table"),
    ("approximation: ofFour(one.best)", "approximation: ofFour(one.encoder)"),
    ("gap(at_encoder - approximation)", "gap(at_encoder)"),
    ('n === 1 ? "" : "s"', '"s"'),
    ("place) => ({ begin: BY_HAND,", "place) => ({ begin: ENCODER,"),
]
