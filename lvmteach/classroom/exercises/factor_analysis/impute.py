"""Missing entries."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _eye, _model, _posterior


def _impute(x, mu, W, psi):
    seen = ~x.isnan()
    d = torch.where(seen, x - mu, 0.0)
    weight = seen / psi
    M = _eye(W) + torch.einsum("nd,dk,dl->nkl", weight, W, W)
    z = torch.linalg.solve(M, (d * weight) @ W)
    return torch.where(seen, x, mu + z @ W.T)


@drawing
def _with_holes(draw):
    cases = []
    for N, D, L in ((4, 3, 1), (6, 5, 2), (9, 7, 3)):
        x, mu, W, psi = _model(draw, N, D, L)
        holes = draw(N, D) > 0.2
        holes[0], holes[1], holes[-1] = False, True, True  # one row without holes, one with nothing left
        holes[-1, 0] = False  # one with fewer entries than latents
        holes[2, 1] = False
        if D == 5:
            holes[:, 3] = False  # a column that every row has
        x[0, 0], x[2, 1] = 0, mu[1]  # seen, though zero, or equal to mu
        cases.append((x.masked_fill(holes, math.nan), mu, W, psi))
    x, mu, W, psi = cases[1]
    return [*cases, (x / 1e3, mu / 1e3, W / 1e3, psi / 1e6)]  # in other units: small variances


def _impute_by_conditioning(x, mu, W, psi):
    cov, filled = W @ W.T + torch.diag(psi), x.clone()
    for row, one in zip(filled, x, strict=True):
        gone = one.isnan()
        gain = cov[gone][:, ~gone] @ torch.linalg.inv(cov[~gone][:, ~gone])
        row[gone] = mu[gone] + gain @ (one - mu)[~gone]
    return filled


def _impute_by_rows(x, mu, W, psi):
    rows = []
    for one in x:
        seen = ~one.isnan()
        mean, _ = _posterior(one[None, seen], mu[seen], W[seen], psi[seen])
        rows.append(torch.where(seen, one, mu + (mean @ W.T)[0]))
    return torch.stack(rows)


def _in_place(x, mu, W, psi):
    x[:] = _impute(x, mu, W, psi)
    return x


impute = Exercise(
    ask="Return the data with each missing entry at its conditional expectation.",
    reference=_impute,
    cases=_with_holes,
    misconceptions={
        "You filled in mu. What was seen of the same row says more: use its posterior mean of z.": (
            lambda x, mu, W, psi: torch.where(x.isnan(), mu, x)
        ),
        "You filled in zeros. Zero is a value as any other, and far from the rest.": (
            lambda x, mu, W, psi: x.nan_to_num(0.0)
        ),
        "You filled in the mean of the column's seen entries. What was seen of the same row says more.": (
            lambda x, mu, W, psi: torch.where(x.isnan(), x.nanmean(0), x)
        ),
        "You counted missing entries as if they had been seen at mu. They must not enter M either: each row has an "
        "M of its own.": lambda x, mu, W, psi: _fill(
            x, mu, W, _posterior(torch.where(x.isnan(), mu, x), mu, W, psi)[0]
        ),
        "You counted missing entries as zeros that had been seen. Leave them out, of M too.": (
            lambda x, mu, W, psi: _fill(x, mu, W, _posterior(x.nan_to_num(0.0), mu, W, psi)[0])
        ),
        "An entry may be zero and yet seen. Only NaN says that it is missing.": (
            lambda x, mu, W, psi: _impute(x.masked_fill(x == 0, math.nan), mu, W, psi)
        ),
        "You use only columns that every row has. Each row has columns of its own that were seen: use all of them.": (
            lambda x, mu, W, psi: _by_whole_columns(x, mu, W, psi, ~x.isnan().any(0))
        ),
        "You replaced what was seen by its reconstruction. Keep it.": (
            lambda x, mu, W, psi: _fill(x * math.nan, mu, W, _latents(x, mu, W, psi))
        ),
        "mu is missing where you fill in: W z is the distance from mu.": (
            lambda x, mu, W, psi: _fill(x, 0 * mu, W, _latents(x, mu, W, psi))
        ),
        "You forgot to take mu off before the posterior.": (
            lambda x, mu, W, psi: _fill(x, mu, W, _latents(x, 0 * mu, W, psi))
        ),
        "The noise does not enter: a noisy entry should count less.": (
            lambda x, mu, W, psi: _impute(x, mu, W, torch.ones_like(psi))
        ),
        "psi holds variances already: divide by it as it is, without squaring.": (
            lambda x, mu, W, psi: _impute(x, mu, W, psi**2)
        ),
        "A sum with NaN is NaN. Leave the missing entries out before you multiply.": (
            lambda x, mu, W, psi: _fill(x, mu, W, _posterior(x, mu, W, psi)[0])
        ),
        "You wrote into x. Work on a copy: x.clone(), or torch.where.": _in_place,
    },
    also_right=[_impute_by_conditioning, _impute_by_rows],
)


def _by_whole_columns(x, mu, W, psi, whole):
    return _fill(x, mu, W, _posterior(x[:, whole], mu[whole], W[whole], psi[whole])[0])


def _latents(x, mu, W, psi):
    """The posterior mean of z from what was seen."""
    weight = (~x.isnan()) / psi
    M = _eye(W) + torch.einsum("nd,dk,dl->nkl", weight, W, W)
    return torch.linalg.solve(M, ((x - mu).nan_to_num(0.0) * weight) @ W)


def _fill(x, mu, W, z):
    return torch.where(x.isnan(), mu + z @ W.T, x)
