"""Codes in and beyond the prior, and to the corners of the plane."""

import numpy as np


def settings():
    rng = np.random.default_rng(0)
    places = np.concatenate([1.5 * rng.normal(size=(200, 2)).clip(-2, 2), np.linspace([-3.5, -3.5], [3.5, 3.5], 41)])
    return [{"z": tuple(z)} for z in places.tolist()]


BUGS = [
    ("- LOG_2PI", "- LOG_2PI / 2"),
    ("z[0] ** 2 + z[1] ** 2", "z[0] ** 2 + z[0] ** 2"),
    ("decode(z), sigmoid", "decode([z[1], z[0]]), sigmoid"),
    ("fixed(log_p_z, 2)", "fixed(log_p_z, 1)"),
    ("(${fixed(z[0], 2)}", "(${fixed(z[0], 1)}"),
    (
        "maths.js",
        "x = affine(layer, x, room[l]);\n      if (l < layers.length - 1)",
        "x = affine(layer, x, room[l]);\n      if (l < layers.length)",
    ),
    ("maths.js", "let s0 = b[i], s1 = 0", "let s0 = 0, s1 = 0"),
    ("maths.js", "1 / (1 + Math.exp(-l))", "1 / (1 + Math.exp(-1.000001 * l))"),
    ("packing.js", "e === 0 ? f * 2 ** -24", "e === 0 ? 0"),
    ("packing.js", "1 + f / 1024", "f / 1024"),
    ("maths.js", "s2 += W[k + 2] * x[j + 2]", "s2 += W[k + 2] * x[j + 1]"),
]
