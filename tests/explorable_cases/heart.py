"""Latents along the curve, at zero and near the turns, with observed places on the curve and far from it."""

import itertools

import numpy as np


def settings():
    places = [(3.7, 4.6), (0.0, 2.0), (0.0, -19.0), (-9.5, 3.0), (12.0, -18.0), (0.3, -0.2)]
    latents = [*np.linspace(-4, 4, 33).round(2).tolist(), 3.14, -3.14, 0.01]
    return [{"z": z, "x": place} for place, z in itertools.product(places, latents)]


def action_lists():
    return [[["A"], ["C"], ["B"], ["A"]]]


BUGS = [
    ("z === 0 ? 1", "z === 0 ? 0.5"),
    ("10 * Math.sin(z) ** 3", "10 * Math.sin(z) ** 2"),
    ("- 10 * Math.cos(z) ** 4", "- 10 * Math.cos(z) ** 3"),
    ("normalLogPdf(a, m, s / 3)", "normalLogPdf(a, m, s)"),
    ("+ normalLogPdf(z, 0, 1);", ";"),
    ("+ Math.log(STEP)", ""),
    ("evidence(...x)", "evidence(x[0], 0)"),
    ("STEP = 0.004", "STEP = 0.04"),
    ("TURNS = 4 * Math.PI", "TURNS = 0.5 * Math.PI"),
    ("scale(z) / 3, scale(z)", "scale(z), scale(z) / 3"),
    ("C: [0, -19]", "C: [0, -18]"),
    ("fixed(log_joint, 2)", "fixed(log_joint, 1)"),
]
