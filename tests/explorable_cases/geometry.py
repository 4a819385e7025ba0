"""Starts all round, with PPCA and without; a few steps or many."""

import itertools

import numpy as np


def settings():
    starts = itertools.product((-87.0, -40.0, 5.0, 20.0, 45.0), (0.1, 1.0, 1.5), (0.05, 0.5), (0.25, 1.0, 2.0, 4.0))
    steps = ("", "E", "M", "ME", "MM", 10 * "M" + "E", "MEMEM")
    found = [
        {"angle": a, "loading": w, "noise": n, "ratio": r, "steps": steps[i % len(steps)]}
        for i, (a, w, n, r) in enumerate(starts)
    ]
    rng = np.random.default_rng(0)
    angles = rng.uniform(-90, 90, 40).round(1).tolist()
    more = [{"angle": a, "ratio": 4.0, "steps": (8 if i % 4 else 40) * "M" + "E"} for i, a in enumerate(angles)]
    return [*found, *more, *({**one, "ratio": 1.0} for one in more)]


def action_lists():
    rng = np.random.default_rng(1)
    labels = ["E step", "M step", "10 EM steps", "Back to the sliders"]
    return [[[labels[i]] for i in rng.integers(0, len(labels), 8)] for _ in range(8)]


BUGS = [
    ("[noise * ratio, noise / ratio]", "[noise * ratio, noise]"),
    ("const precision = 1 + ", "const precision = "),
    ("v / psi[d] / precision", "v / precision"),
    ("zz = 1 / precision + ", "zz = "),
    ("S[d][d] - w[d] * xz[d]", "S[d][d] - w[d] ** 2"),
    ("all = (left[0] + left[1]) / 2", "all = left[0]"),
    ("c * S[0][0] - 2 * b", "c * S[0][0] - b"),
    ("ratio === 1)", "ratio === 2)"),
    ("w[0] < 0 ? -1 : 1", "1"),
    ("psi, fresh: false", "psi, fresh: true"),
    ("Math.hypot(...w), 2", "Math.hypot(...w), 1"),
    ('"M".repeat(10) + "E"', '"M".repeat(10)'),
    ("- S[0][1] ** 2) + 2)", "- S[0][1] ** 2) + 1)"),
]
