"""Every model, from many starts, a few half steps or many; and means moved far away, to where a component collapses."""

import itertools

import numpy as np

LONELY = (-5.0, 4.0)  # the point far from all


def settings():
    rng = np.random.default_rng(0)
    models = list(itertools.product((2, 3, 4, 5), ("full", "diagonal", "spherical"), (False, True)))
    steps = ("", "M", "E", "EM", "EME", "EEMM", 3 * "EM", 6 * "EM", 12 * "EM")
    found = [
        {"C": C, "covariance": covariance, "prior": prior, "seed": i, "steps": steps[i % len(steps)]}
        for i, (C, covariance, prior) in enumerate(models * 6)
    ]
    for i, (C, covariance, prior) in enumerate(models * 3):
        first = rng.uniform(-4, 4, (C, 2))
        if i % 2:
            first[-1] = LONELY
        if i % 5 == 0:
            first[0] = (40.0, -40.0)
        found.append(
            {"C": C, "covariance": covariance, "prior": prior, "first": first.ravel().tolist(), "steps": 8 * "EM"}
        )
    return found


def action_lists():
    rng = np.random.default_rng(1)
    labels = ["E step", "M step", "10 times E, M", "Same start", "New start", "mean"]
    lists = [[labels[i] for i in rng.integers(0, len(labels), 10)] for _ in range(12)]
    return [
        [[one, int(rng.integers(3)), rng.uniform(-3, 3, 2).tolist()] if one == "mean" else [one] for one in some]
        for some in lists
    ]


BUGS = [
    ("rest -= squared[n++]", "rest -= squared[++n]"),
    ("2 + Math.floor(Math.log(C))", "1 + Math.floor(Math.log(C))"),
    ("[spread / C, 0, spread / C]", "[spread, 0, spread]"),
    ("- 2 * b * du * dv", "- b * du * dv"),
    ("(-POINTS / 2)", "-POINTS"),
    ("Math.log(det)", "2 * Math.log(det)"),
    ('(letter === "M" && !state.q)', "false"),
    ("l - Math.log(q)", "l"),
    ("part / (held + points)", "part / held"),
    ("spread / 25", "spread / 5"),
    ("[(a + d) / 2, 0, (a + d) / 2]", "[a, 0, a]"),
    ("a > least(a, 0) &&", "a > 1e-3 + least(a, 0) &&"),
    ("if (next.collapsed) return", "if (next.collapsed && false) return"),
    ("/ (rows.length - 1)", "/ rows.length"),
    ("(c === k ? place : mean)", "(c === 0 ? place : mean)"),
    ("replay.js", "known.states.slice(0, done + 1)", "known.states"),
    ("gap = Math.max", "gap = Math.min"),
]
