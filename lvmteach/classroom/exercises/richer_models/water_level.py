"""The water level."""

from __future__ import annotations

import numpy as np
import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _water_level(eigenvalues, beta, noise):
    level = beta * noise
    scale = torch.sqrt(torch.clamp(eigenvalues - level, min=0))
    rate = 0.5 * torch.log(torch.clamp(eigenvalues / level, min=1)).sum()
    return scale, rate


@drawing
def _spectra(draw):
    cases = [(torch.tensor([4.0, 1 + 1e-8, 1.0, 0.25], dtype=torch.float64), 2.0, 0.5)]  # two of them at the level
    for D, beta, noise in ((3, 1.0, 0.3), (5, 3.0, 0.2), (4, 0.5, 0.8), (6, 8.0, 1.0)):
        cases.append((draw(D).exp().sort(descending=True).values, beta, noise))
    return [*cases, (1e-6 * draw(5).exp().sort(descending=True).values, 0.7, 1e-6)]  # in small units


def _by_where(eigenvalues, beta, noise):
    above = eigenvalues > beta * noise
    scale = torch.where(above, (eigenvalues - beta * noise).abs(), 0.0) ** 0.5
    return scale, (eigenvalues[above].log() - np.log(beta * noise)).sum() / 2


def _by_loop(eigenvalues, beta, noise):
    scales, rate = [], torch.zeros((), dtype=eigenvalues.dtype)
    for lam in eigenvalues:
        scales.append(torch.sqrt(lam - beta * noise) if lam > beta * noise else torch.zeros_like(lam))
        rate = rate + max(0.5 * torch.log(lam / beta / noise), torch.zeros_like(lam))
    return torch.stack(scales), rate


water_level = Exercise(
    ask="Return the column lengths of the best W, (Lambda - beta sigma^2)_+^(1/2), and the rate at that beta, in nats.",
    reference=_water_level,
    cases=_spectra,
    misconceptions={
        "No clipping at zero: a direction below the water has no real square root, and no negative rate. It is shut.": (
            lambda lam, beta, noise: (torch.sqrt(lam - beta * noise), 0.5 * torch.log(lam / (beta * noise)).sum())
        ),
        "The lengths are right. The rate of a direction below the water is 0, not negative.": (
            lambda lam, beta, noise: (_water_level(lam, beta, noise)[0], 0.5 * torch.log(lam / (beta * noise)).sum())
        ),
        "The level is sigma^2: beta is left out.": lambda lam, beta, noise: _water_level(lam, 1.0, noise),
        "beta is on the wrong side: a dear nat raises the water, and does not lower it.": (
            lambda lam, beta, noise: _water_level(lam, 1 / beta, noise)
        ),
        "The square root is missing: eigenvalues are variances, the columns of W are lengths.": (
            lambda lam, beta, noise: (_water_level(lam, beta, noise)[0] ** 2, _water_level(lam, beta, noise)[1])
        ),
        "noise is sigma^2 already: do not square it.": lambda lam, beta, noise: _water_level(lam, beta, noise**2),
        "The half of the rate is missing: log of a ratio of variances, not of scales.": (
            lambda lam, beta, noise: (_water_level(lam, beta, noise)[0], 2 * _water_level(lam, beta, noise)[1])
        ),
        "One rate for each direction: add them up.": (
            lambda lam, beta, noise: (
                _water_level(lam, beta, noise)[0],
                0.5 * torch.log(torch.clamp(lam / (beta * noise), min=1)),
            )
        ),
    },
    also_right=[_by_where, _by_loop],
)
