"""Every number of components, and codes near and far."""

import numpy as np


def settings():
    rng = np.random.default_rng(0)
    return [
        {"C": C, "z": (float(x), float(y))}
        for C in (1, 2, 3, 5, 10, 20, 30, 60)
        for x, y in rng.uniform(-4, 4, (26, 2))
    ]


BUGS = [
    ("logWeight - LOG_2PI", "-LOG_2PI"),
    ("logWeight - LOG_2PI - 0.5", "logWeight - LOG_2PI - 1"),
    ("a * c - b * b;", "a * c + b * b;"),
    ("c * u * u - 2 * b * u * v", "a * u * u - 2 * b * u * v"),
    ("Math.log(det) +", ""),
    ("covs[3 * k + 1], covs[3 * k + 2]", "covs[3 * k + 2], covs[3 * k + 1]"),
    ("at += C;", "at += 1;"),
    ("mean(codes.map", "2 * mean(codes.map"),
    ("- logNormal(z))", "+ logNormal(z))"),
    ("pairs(fresh)", "pairs(seen)"),
    ("fixed(log_normal, 2)", "fixed(log_normal, 1)"),
]
