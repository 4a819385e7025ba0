"""All six starts, after every number of steps up to thirty-six."""

import numpy as np


def settings():
    return [{"seed": seed, "steps": steps} for seed in range(6) for steps in range(36)]


def action_lists():
    rng = np.random.default_rng(0)
    return [[[("One step", "Other start")[i]] for i in (rng.random(12) < 0.2).astype(int)] for _ in range(6)]


BUGS = [
    (
        "alpha[t - 1][c] * transition[c * C + d];\n      return",
        "alpha[t - 1][c] * transition[d * C + c];\n      return",
    ),
    ("let reached = t ? 0 : start[d]", "let reached = t ? 0 : 1"),
    ("(emission[d * V + v] * b) / scales[t]", "b / scales[t]"),
    ("const p = alpha[t][c] * beta[c]", "const p = alpha[t][c]"),
    ("if (!t) total.start[c] += p", "total.start[c] += p"),
    ("const first = i - (i % n)", "const first = 0"),
    ("emission: rows(params.total.emission, V)", "emission: rows(params.total.emission, C)"),
    ("log_p: log_p / x.length", "log_p: log_p / N"),
    ("share[v] += state[i * C]", "share[v] += state[i * C + 1]"),
    ("Math.min(steps + 1, MOST)", "Math.min(steps + 2, MOST)"),
    ("(seed + 1) % 6, steps: 0", "(seed + 1) % 6"),
]
