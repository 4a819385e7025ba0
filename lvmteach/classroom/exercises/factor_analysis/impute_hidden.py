"""Entries that hide because they are large."""

from __future__ import annotations

import math

import torch
from scipy import stats

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _eye, _model


def _predicted(x, mu, W, psi):
    """Mean and scale of the last column given the others, for each row."""
    scaled = W[:-1] / psi[:-1, None]
    cov = torch.linalg.inv(_eye(W) + W[:-1].T @ scaled)
    mean = mu[-1] + (x[:, :-1] - mu[:-1]) @ scaled @ cov @ W[-1]
    return mean, (W[-1] @ cov @ W[-1] + psi[-1]).sqrt()


def _above(mean, scale, limit):
    """E[y | y > limit] of a normal."""
    alpha = (limit - mean) / scale
    log_phi = -0.5 * alpha**2 - 0.5 * math.log(2 * math.pi)
    return mean + scale * (log_phi - torch.special.log_ndtr(-alpha)).exp()


def _impute_hidden(x, mu, W, psi, limit):
    mean, scale = _predicted(x, mu, W, psi)
    filled = x.clone()
    filled[:, -1] = torch.where(x[:, -1].isnan(), _above(mean, scale, limit), x[:, -1])
    return filled


@drawing
def _hidden(draw):
    cases = []
    sizes = (4, 2, 1), (6, 4, 2), (9, 6, 3), (5, 3, 1), (7, 1, 2)  # in the last one nothing else was seen
    for (N, D, L), limit in zip(sizes, (1.5, 2.5, -0.5, 80.0, 0.5), strict=True):
        x, mu, W, psi = _model(draw, N, D, L)
        x[:, -1] = x[:, -1].clamp(max=limit)
        x[::2, -1] = math.nan
        cases.append((x, mu, W, psi, limit))
    x, mu, W, psi, limit = cases[1]
    return [*cases, (1e-3 * x, 1e-3 * mu, 1e-3 * W, 1e-6 * psi, 1e-3 * limit)]  # in other units: small variances


def _by_scipy(x, mu, W, psi, limit):
    cov, filled = W @ W.T + torch.diag(psi), x.clone()
    gain = torch.linalg.solve(cov[:-1, :-1], cov[:-1, -1])
    scale = (cov[-1, -1] - gain @ cov[:-1, -1]).sqrt()
    for n in x[:, -1].isnan().nonzero().flatten():
        mean = mu[-1] + gain @ (x[n, :-1] - mu[:-1])
        alpha = float((limit - mean) / scale)
        hazard = math.exp(stats.norm.logpdf(alpha) - stats.norm.logsf(alpha))
        filled[n, -1] = mean + scale * hazard
    return filled


def _by_rows(x, mu, W, psi, limit):
    rows = []
    for row in x:
        if not row[-1].isnan():
            rows.append(row)
            continue
        mean, scale = _predicted(row[None], mu, W, psi)
        rows.append(torch.cat([row[:-1], _above(mean, scale, limit)]))
    return torch.stack(rows)


def _filled_with(change):
    """A misconception: change(mean, scale, limit, mu, W, psi) stands in the holes."""

    def wrong(x, mu, W, psi, limit):
        value = change(*_predicted(x, mu, W, psi), limit, mu, W, psi)
        last = torch.where(x[:, -1].isnan(), value, x[:, -1])
        return torch.cat([x[:, :-1], last[:, None]], 1)

    return wrong


impute_hidden = Exercise(
    ask="Fill in entries of the last column that are missing because they exceed a limit.",
    reference=_impute_hidden,
    cases=_hidden,
    misconceptions={
        "This is right if the holes are missing at random. Here a hole says that the entry is above the limit.": (
            _filled_with(lambda m, s, limit, mu, W, psi: m)
        ),
        "You filled in the limit. The entry is above it: average over all values above.": (
            _filled_with(lambda m, s, limit, mu, W, psi: limit + 0 * m)
        ),
        "You took the larger of prediction and limit. Average over all values above the limit.": (
            _filled_with(lambda m, s, limit, mu, W, psi: m.clamp(min=limit))
        ),
        "What was seen of the row counts too: condition on it before you cut at the limit.": (
            _filled_with(
                lambda m, s, limit, mu, W, psi: _above(mu[-1] + 0 * m, (W[-1] @ W[-1] + psi[-1]).sqrt(), limit)
            )
        ),
        "The spread of the prediction has two parts: what is not known of z, and the noise. You left the noise out.": (
            _filled_with(lambda m, s, limit, mu, W, psi: _above(m, (s**2 - psi[-1]).sqrt(), limit))
        ),
        "The spread of the prediction has two parts: the noise, and what is not known of z. You left z out.": (
            _filled_with(lambda m, s, limit, mu, W, psi: _above(m, psi[-1].sqrt() + 0 * s, limit))
        ),
        "You conditioned on being below the limit. Hidden entries are above it.": (
            _filled_with(lambda m, s, limit, mu, W, psi: 2 * m - _above(m, s, 2 * m - limit))
        ),
        "phi / (1 - Phi) is 0 / 0 far out. Take the difference of logarithms: torch.special.log_ndtr.": (
            _filled_with(
                lambda m, s, limit, mu, W, psi: (
                    m
                    + s
                    * torch.exp(-0.5 * ((limit - m) / s) ** 2)
                    / math.sqrt(2 * math.pi)
                    / (1 - torch.special.ndtr((limit - m) / s))
                )
            )
        ),
        "The hazard must be multiplied by the scale, not by the variance.": (
            _filled_with(lambda m, s, limit, mu, W, psi: m + (_above(m, s, limit) - m) * s)
        ),
    },
    also_right=[_by_scipy, _by_rows],
)
