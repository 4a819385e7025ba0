"""Examples, an empty board, noise, and blobs."""

import numpy as np


def hexadecimal(bits):
    return "".join(f"{8 * a + 4 * b + 2 * c + d:x}" for a, b, c, d in bits.reshape(-1, 4).astype(int).tolist())


def settings():
    rng = np.random.default_rng(0)
    rows, cols = np.indices((28, 28))
    found = [{"example": i} for i in range(12)] + [{"ink": "0"}, {"ink": "f" * 196}]
    for ink in rng.uniform(0, 0.6, 60):
        found.append({"ink": hexadecimal(rng.uniform(size=784) < ink)})
    for x, y, r in zip(rng.uniform(0, 28, 130), rng.uniform(0, 28, 130), rng.uniform(1, 12, 130), strict=True):
        blob = np.abs((cols - x) ** 2 + (rows - y) ** 2 - r**2) < 3 * r
        found.append({"ink": hexadecimal(blob)})
    return found


def action_lists():
    rng = np.random.default_rng(1)
    lists = []
    for _ in range(6):
        strokes = [["pen", rng.uniform(-0.5, 27.5, (n, 2)).tolist()] for n in (1, 2, 7)]
        lists.append(
            [strokes[0], ["Next example"], strokes[1], ["Wipe"], strokes[2], ["pen", [[3.0, 3.0], [3.0, 3.0]]]]
        )
    return lists


BUGS = [
    ("8 * ink[4 * i] + ", "ink[4 * i] + "),
    ("3 - (i & 3)", "i & 3"),
    ("0.042 * Math.min", "0.06 * Math.min"),
    ("/ long, 0, 1)", "/ long, 0, 9)"),
    ("path[Math.max(n - 1, 0)]", "path[n]"),
    ("slice(L).map(Math.exp)", "slice(L).map((l) => Math.exp(l / 2))"),
    ("sd[l] * eps[(first + k) * L + l]", "sd[l] * eps[k * L + l]"),
    ("- z[8 * l + k] ** 2) / 2", ") / 2"),
    ("+ Math.log(sd[l])", ""),
    ("(x[i] ? l : 0)", "l"),
    ("- Math.log(K)", ""),
    ("Math.exp(-Math.abs(l))", "Math.exp(l)"),
    ("maths.js", "s5 += w * x[j + 5]", "s5 += w * x[j + 4]"),
    ("new RandomState(1)", "new RandomState(2)"),
    ("percent(mean(x))", "percent(1 - mean(x))"),
]
