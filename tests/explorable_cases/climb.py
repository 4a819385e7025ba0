"""Every image at many K, with each of the kept sets."""

import itertools


def settings():
    ladder = (1, 2, 3, 6, 16, 64, 181, 255, 256)
    return [{"K": K, "image": i, "seed": s} for K, i, s in itertools.product(ladder, range(8), range(3))]


def action_lists():
    return [[["New samples"]] * 4]


BUGS = [
    ("k[last + 1] < K", "k[last + 1] <= K"),
    ("at += n", "at += n + 1"),
    ("one.log_w.slice(0, values.K)", "one.log_w.slice(0, values.K + 1)"),
    (".sort().reverse()", ".sort()"),
    ("one.bound[values.K - 1]", "one.bound[values.K]"),
    ("one.error[values.K - 1]", "one.error[0]"),
    ("one.sets[seed % one.sets.length]", "one.sets[0]"),
    ("(seed + 1) % images[0].sets.length", "seed + 1"),
    ("fixed(size, 1)", "fixed(size, 0)"),
    ("z[2 * last], z[2 * last + 1]", "z[2 * last + 1], z[2 * last]"),
    ("maths.js", "2 * (l - total)", "l - total"),
]
