"""Ways between all pairs of images, the ends included."""

import itertools

WAYS = (0.0, 0.07, 0.25, 0.5, 0.61, 0.93, 1.0)


def settings():
    pairs = itertools.product(range(10), repeat=2)
    return [
        {"start": a, "end": b, "way": WAYS[(i + j) % len(WAYS)]} for i, (a, b) in enumerate(pairs) for j in range(3)
    ]


BUGS = [
    ("v + way * (b[i] - v)", "v + way * (b[i] + v)"),
    ("lerp(code(start), code(end), way)", "lerp(code(end), code(start), way)"),
    ("lerp(image(start), image(end), way)", "lerp(image(start), image(start), way)"),
    ("decode(z), sigmoid", "decode(z), Math.tanh"),
    ("Math.hypot(...z)", "z[0]"),
    ("(Math.min(i, count - 1) + 1) * n", "(Math.min(i, count - 1) + 1) * n - 1"),
    ("L = sizes[0]", "L = sizes[1]"),
    ("percent(way)", "percent(way, 1)"),
    ("maths.js", "Math.tanh(xs[i])", "sigmoid(xs[i])"),
    ("packing.js", "h & 0x8000 ? -size : size", "size"),
]
