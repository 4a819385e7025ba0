"""Every temperature, probabilities all over the triangle and from beyond its edges, a few seeds."""

import numpy as np

LADDER = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)


def settings():
    rng = np.random.default_rng(0)
    places = rng.uniform([-0.1, -0.17], [1.1, 1.03], (209, 2)).round(3).tolist()
    return [
        {"tau": LADDER[i % len(LADDER)], "place": tuple(place), "seed": i // len(LADDER) % 4}
        for i, place in enumerate(places)
    ]


def action_lists():
    return [[["New draws"]], 4 * [["New draws"]]]


BUGS = [
    ("x - third / 2", "x - third"),
    ("Math.max(p, LEAST)", "Math.max(p, 0.01)"),
    ("raw.map((p) => p / total)", "raw"),
    ("-Math.log(-Math.log(u))", "Math.log(-Math.log(u))"),
    ("(l1 + g[i + 1]) / tau", "l1 + g[i + 1] / tau"),
    ("(1 - y[C * k])) / tau", "(1 - y[C * k]))"),
    ("y[C * k] * (1 - y[C * k])", "y[C * k + 1] * (1 - y[C * k])"),
    ("> y[C * k + best] ? c", "< y[C * k + best] ? c"),
    ("Math.log(5), 31)", "Math.log(5), 30)"),
    ("seed: seed + 1", "seed: seed + 2"),
    ("pi[0] * (1 - pi[0])", "pi[0] * pi[0]"),
    ("Math.sqrt(mean(each.map", "(mean(each.map"),
    ("gradients(soft([p0, p1, p2], gumbels(seed), t), t)", "gradients(soft([p0, p1, p2], gumbels(seed), 1), t)"),
    ("curves(...pi, seed)", "curves(...pi, 2)"),
    ("general(tau, 2)", "general(tau, 1)"),
]
