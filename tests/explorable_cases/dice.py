"""Every stickiness, loads from none to heavy, and prefixes of all lengths."""

import numpy as np


def settings():
    rng = np.random.default_rng(0)
    stays = [round(0.5 + 0.01 * i, 2) for i in range(50)]
    sixes = [round(0.1 + 0.05 * i, 2) for i in range(17)]
    drawn = [
        {"stay": stays[rng.integers(50)], "six": sixes[rng.integers(17)], "seen": int(rng.integers(1, 121))}
        for _ in range(140)
    ]
    return [{"stay": stay} for stay in stays] + [{"six": six} for six in sixes] + drawn


BUGS = [
    ("(c === d ? stay : 1 - stay)", "(c === d ? 1 - stay : stay)"),
    ("v === FACES - 1 ? six", "v === 0 ? six"),
    ("(1 - six) / (FACES - 1)", "(1 - six) / FACES"),
    ("alpha[t - 1][1] * step(1, d) : 0.5", "alpha[t - 1][1] * step(1, d) : 1"),
    ("log_p += Math.log(scale)", "log_p += scale"),
    ("step(c, d) * emit[d](x[t]) * beta[d]", "step(c, d) * beta[d]"),
    ("let t = seen - 1; t >= 0", "let t = seen - 2; t >= 0"),
    ("state[t] = both[1]", "state[t] = both[0]"),
    ("percent(wrong / seen)", "percent(wrong / 120)"),
    ("fixed(log_p / seen, 3)", "fixed(log_p, 3)"),
]
