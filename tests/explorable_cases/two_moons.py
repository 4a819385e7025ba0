"""Stars all over the picture, among the points and far from them."""

import numpy as np


def settings():
    rng = np.random.default_rng(0)
    places = np.concatenate(
        [
            rng.uniform([-3, -3], [4.5, 3], (150, 2)),
            rng.normal([0.5, 0.2], [0.8, 0.4], (50, 2)),
            np.linspace([-3, 3], [4.5, -3], 21),
        ]
    )
    return [{"star": tuple(place)} for place in places.tolist()]


BUGS = [
    ("w0 * x + w1 * y + b", "w0 * x + w1 * y"),
    ("- Math.log(2)", ""),
    ("-LOG_2PI - 0.5", "-0.5 * LOG_2PI - 0.5"),
    ("- 0.5 * Math.log(det)", "- Math.log(det)"),
    ("- 2 * b * u * v", "- b * u * v"),
    ("c * u * u", "a * u * u"),
    ("a * c - b * b", "a * c"),
    ("Math.max(p, 1 - p)", "p"),
    ("l < log_p).length", "l > log_p).length"),
    ("-Math.min(...known)", "-Math.max(...known)"),
    ("[...centres(Y, ROWS)].reverse()", "[...centres(Y, ROWS)]"),
    ("3 * z, 3 * z + 3", "0, 3"),
    ("fixed(-log_p, 1)", "fixed(-log_p, 2)"),
]
