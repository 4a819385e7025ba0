"""The outlier all over the plane, and at many degrees of freedom."""

import numpy as np


def settings():
    rng = np.random.default_rng(0)
    return [
        {"outlier": (float(x), float(y)), "df": int(df)}
        for x, y, df in zip(rng.uniform(-9, 9, 210), rng.uniform(-9, 9, 210), rng.integers(1, 31, 210), strict=True)
    ]


BUGS = [
    ("NOISE = 0.4", "NOISE = 0.5"),
    ("Math.PI) / 1800", "Math.PI) / 1790"),
    ("y * COS[k] - x * SIN[k]", "y * COS[k] + x * SIN[k]"),
    ("total += residual(point, k) ** 2", "total += Math.abs(residual(point, k))"),
    ("residual(point, k) ** 2 / df", "residual(point, k) ** 2"),
    ("(df + r * r) / NOISE", "(df + r * r)"),
    ("2 * Math.sqrt(df) * NOISE", "2 * df * NOISE"),
    ("[...cloud, outlier]", "[...cloud]"),
    ("fixed(Math.abs(pull), 2)", "fixed(pull, 2)"),
    ("cloud[2 * i + 1]", "cloud[2 * i]"),
]
