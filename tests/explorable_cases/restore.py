"""Every image, every way of erasing, few turns and many."""

import itertools

import numpy as np

ERASED = ("half of the pixels", "the lower half", "a square in the middle")


def settings():
    seeds = np.random.default_rng(0).integers(0, 2**32, (10, 3)).tolist()  # one a chain: the page keeps its turns
    return [
        {"example": example, "erased": erased, "turns": turns, "seed": seeds[example][ERASED.index(erased)]}
        for example, erased, turns in itertools.product(range(10), ERASED, (0, 1, 2, 3, 5, 8, 12))
    ]


def action_lists():
    return [[["Other draws"]] * 3]


BUGS = [
    ("v < 0.5 :", "v < 0.6 :"),
    ("2 * row >= rows", "2 * row > rows"),
    ("4 * k < 3 * n", "4 * k <= 3 * n"),
    ("new RandomState(7)", "new RandomState(8)"),
    ("(missing[i] ? 0 : v)", "v"),
    ("Math.exp(head[L + l])", "Math.exp(head[L + l] / 2)"),
    ("Number(u[i] < mean[i])", "Number(u[i] > mean[i])"),
    ("encode(filled)", "encode(x)"),
    ("while (made.length <= turns) made", "while (made.length < turns) made"),
    ("return made[turns]", "return made.at(-1)"),
    ("(missing[i] ? v : x[i])", "v"),
    ("!== (x[i] > 0.5)", "=== (x[i] > 0.5)"),
    ("/ gone };", "/ x.length };"),
    ("percent(wrong, 1)", "percent(wrong, 0)"),
]
