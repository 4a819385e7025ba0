"""Correlations of either sign, starts over the whole plane, from no update to the last."""

import itertools

import numpy as np


def settings():
    rng = np.random.default_rng(5)
    rhos, updates = (-0.9, -0.5, 0.1, 0.3, 0.62, 0.9, 0.98), (0, 1, 2, 3, 6, 11)
    each = list(itertools.product(rhos, updates)) * 5
    return [{"start": rng.uniform((-4, -3.5), (5, 3.5)).round(3).tolist(), "rho": rho, "updates": n} for rho, n in each]


def action_lists():
    return [[["One more"]] * 3, [["One more"]] * 36]


BUGS = [
    ("MU[d] + rho", "MU[d] - rho"),
    ("(last[e] - MU[e])", "(path[0][e] - MU[e])"),
    ("k % 2", "(k + 1) % 2"),
    ("k < updates", "k <= updates"),
    ("- 2 * rho * u * v", "- rho * u * v"),
    ("/ (1 - rho * rho) / 2", "/ (1 - rho * rho)"),
    ("variance: 1 - rho * rho", "variance: 1 - rho"),
    ("family: -0.5 *", "family: -1 *"),
    ("Math.min(updates + 1, MOST)", "updates + 1"),
    ("general(means.at(-1), 3)", "general(means[0], 3)"),
    ('n === 1 ? "" : "s"', '"s"'),
    ("MU = [1, -0.5]", "MU = [1, 0.5]"),
]
