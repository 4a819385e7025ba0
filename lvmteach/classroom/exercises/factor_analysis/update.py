"""A second measurement of the same latent."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _posterior


def _update(mean, cov, x, mu, W, psi):
    scaled = W / psi[:, None]
    before = torch.linalg.inv(cov)
    after = torch.linalg.inv(before + W.T @ scaled)
    return after @ (before @ mean + scaled.T @ (x - mu)), after


@drawing
def _beliefs(draw):
    cases = []
    for D, L, unsure in ((2, 1, 1), (3, 2, 1), (5, 3, 1), (1, 2, 1e6)):  # the last knows next to nothing
        root = draw(L, L)
        root[-1] *= -(root[0] @ root[-1]).sign()  # covariances of either sign
        cov = root @ root.T + 0.3 * torch.eye(L, dtype=torch.float64)
        cases.append((1 + draw(L), unsure * cov, draw(D), 2 + draw(D), draw(D, L), unsure / 2 * draw(D).exp()))
    mean, cov, x, mu, W, psi = cases[2]
    axes = torch.linalg.qr(draw(3, 3)).Q
    nearly_known = axes @ torch.diag(torch.tensor([1, 0.5, 3e-7]).to(axes)) @ axes.T  # in one direction
    sure = (mean, 1e-4 * cov, x, mu, W, 1e-4 * psi)  # of itself, and hardly any noise
    return [*cases, sure, (mean, nearly_known, x, mu, W, psi)]


def _by_gain(mean, cov, x, mu, W, psi):
    gain = cov @ W.T @ torch.linalg.inv(W @ cov @ W.T + torch.diag(psi))
    return mean + gain @ (x - mu - W @ mean), cov - gain @ W @ cov


def _column_by_column(mean, cov, x, mu, W, psi):
    for one, m, w, noise in zip(x, mu, W, psi, strict=True):
        gain = cov @ w / (w @ cov @ w + noise)
        mean, cov = mean + gain * (one - m - w @ mean), cov - torch.outer(gain, w @ cov)
    return mean, cov


update = Exercise(
    ask="Return mean and covariance of z after one more measurement, from those before it.",
    reference=_update,
    cases=_beliefs,
    misconceptions={
        "You began at N(0, I) again. What was known of z before is the new prior: N(mean, cov).": (
            lambda mean, cov, x, mu, W, psi: (_posterior(x[None], mu, W, psi)[0][0], _posterior(x[None], mu, W, psi)[1])
        ),
        "Your covariance is right. The mean lacks what was known before: the old precision times the old mean.": (
            lambda mean, cov, x, mu, W, psi: (
                _update(0 * mean, cov, x, mu, W, psi)[0],
                _update(mean, cov, x, mu, W, psi)[1],
            )
        ),
        "Precisions add, covariances do not: invert cov before you add.": (
            lambda mean, cov, x, mu, W, psi: _update(mean, torch.linalg.inv(cov), x, mu, W, psi)
        ),
        "Your second result is the precision. The covariance is its inverse.": (
            lambda mean, cov, x, mu, W, psi: (
                _update(mean, cov, x, mu, W, psi)[0],
                torch.linalg.inv(_update(mean, cov, x, mu, W, psi)[1]),
            )
        ),
        "The surprise is x - mu - W mean: what was expected of x depends on what is known of z.": (
            lambda mean, cov, x, mu, W, psi: (
                mean + _update(mean, cov, x, mu, W, psi)[1] @ (W / psi[:, None]).T @ (x - mu),
                _update(mean, cov, x, mu, W, psi)[1],
            )
        ),
        "You forgot mu: what speaks about z is x - mu.": (
            lambda mean, cov, x, mu, W, psi: _update(mean, cov, x, 0 * mu, W, psi)
        ),
        "psi holds variances already: divide by it as it is, without squaring.": (
            lambda mean, cov, x, mu, W, psi: _update(mean, cov, x, mu, W, psi**2)
        ),
        "The old precision belongs before the old mean: each source counts by its precision.": (
            lambda mean, cov, x, mu, W, psi: (
                _update(mean, cov, x, mu, W, psi)[1] @ (mean + (W / psi[:, None]).T @ (x - mu)),
                _update(mean, cov, x, mu, W, psi)[1],
            )
        ),
    },
    also_right=[_by_gain, _column_by_column],
)
