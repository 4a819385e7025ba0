"""Each integral, under proposals from hopelessly narrow to wide, with other draws now and then."""

import itertools

import numpy as np


def settings():
    means, scales = np.arange(-4, 7.01, 1.1), (0.3, 0.5, 0.7, 0.75, 1.0, 1.5, 2.0, 4.0)
    each = itertools.product(range(3), means.round(1).tolist(), scales)
    return [{"problem": p, "mean": m, "scale": s, "seed": (i % 7 == 0) * i} for i, (p, m, s) in enumerate(each)]


def action_lists():
    return [[["New samples"]] * 3]


BUGS = [
    ("precision <= 0", "precision < -1"),
    ("2 / p.scale ** 2 - 1 / scale ** 2", "2 / p.scale ** 2 - 1 / scale"),
    ("Math.log(bells.length)", "Math.log(p.means.length)"),
    ("- 2 * logTruth(p)", "- logTruth(p)"),
    ("z > p.above ? logP", "z >= p.above - 1e-3 ? logP"),
    ("squares - sum ** 2 / k", "squares - sum ** 2"),
    ("/ (k - 1) / k", "/ k / k"),
    ("general(exact, 2)", "general(exact, 3)"),
    ("seed: seed + 1", "seed: seed + 2"),
    ("maths.js", "if (x < 2.5)", "if (x < 6)"),
    ("maths.js", "if (x === -Infinity) return 0;", "if (x === -Infinity) return 1;"),
    ("random.js", "(y << 15) & 0xefc60000", "(y << 15) & 0xefc40000"),
    ("random.js", "this.spare = f * u", "this.spare = f * v"),
    ("words.js", "padStart(2", "padStart(1"),
]
