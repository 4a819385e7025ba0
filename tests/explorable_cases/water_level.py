"""Prices from a tenth to eight, noises from small to large."""

import itertools

import numpy as np


def settings():
    return [
        {"beta": float(beta), "noise": float(noise)}
        for beta, noise in itertools.product(
            np.linspace(0.1, 8, 25).round(1), (0.05, 0.1, 0.25, 0.35, 0.5, 0.6, 0.8, 0.95, 1.0)
        )
    ]


BUGS = [
    ("Math.max(l / level, 1)) / 2", "Math.max(l / level, 1))"),
    ("Math.max(l / level, 1)", "l / level"),
    ("sum(eigenvalues.map((l) => Math.min(l, level)))", "sum(eigenvalues.map((l) => Math.max(l, level)))"),
    ("beta * noise", "beta + noise"),
    ("Math.sqrt(Math.max(l - level, 0))", "Math.max(l - level, 0)"),
    ("l - level", "l - noise"),
    ("l > level).length", "l > noise).length"),
    ("linspace(-4, 2, 121)", "linspace(-4, 2, 120)"),
    ("fixed(rate, 2)", "fixed(rate, 1)"),
]
