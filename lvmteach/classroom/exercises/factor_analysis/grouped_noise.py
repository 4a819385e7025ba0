"""One noise variance for each group of columns: between factor analysis and PPCA."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _e_step, _model


def _regressed(x, mu, x_z, z_z):
    """W, and what the regression leaves of each column's variance."""
    W = torch.linalg.solve(z_z, x_z.T).T
    return W, ((x - mu) ** 2).mean(0) - (x_z * W).sum(1) / len(x)


def _grouped_noise(x, mu, x_z, z_z, groups):
    W, left = _regressed(x, mu, x_z, z_z)
    psi = torch.empty_like(left)
    for group in groups.unique():
        psi[groups == group] = left[groups == group].mean()
    return W, psi


@drawing
def _sums(draw):
    cases = []
    for N, D, L, groups in (
        (5, 3, 1, [0, 1, 1]),
        (8, 5, 2, [0, 0, 0, 0, 0]),
        (9, 6, 3, [4, 0, 4, 1, 1, 4]),
        (4, 3, 1, [0, 1, 2]),
        (5, 4, 1, [0, 2, 5, 5]),  # two groups behind a number that does not occur
    ):
        x, mu, W, psi = _model(draw, N, D, L)
        far = 1e5 * (N == 8)  # from zero
        cases.append((x + far, mu + far, *_e_step(x, mu, W, psi), torch.tensor(groups)))
    x, mu, x_z, z_z, groups = cases[2]
    return [*cases, (1e-3 * x, 1e-3 * mu, 1e-3 * x_z, z_z, groups)]  # in other units: small variances


def _by_matrix(x, mu, x_z, z_z, groups):
    W = x_z @ torch.linalg.inv(z_z)
    left = ((x - mu) ** 2).sum(0) - 2 * (W * x_z).sum(1) + torch.einsum("dk,kl,dl->d", W, z_z, W)
    same = (groups[:, None] == groups).double()
    return W, same @ left / same.sum(1) / len(x)


def _by_bincount(x, mu, x_z, z_z, groups):
    W, left = _regressed(x, mu, x_z, z_z)
    return W, (torch.bincount(groups, left) / torch.bincount(groups))[groups]


def _noise(change):
    """A misconception of the noise: change(left, groups)."""

    def wrong(x, mu, x_z, z_z, groups):
        W, left = _regressed(x, mu, x_z, z_z)
        return W, change(left, groups)

    return wrong


def _over_groups(groups, function):
    return torch.stack([function(groups == group) for group in groups])


def _never_negative(x, mu, x_z, z_z, groups):
    """A variance is none below zero: this differs where the sums are not those of the data, which is not asked."""
    W, psi = _grouped_noise(x, mu, x_z, z_z, groups)
    return W, psi.clamp(min=0)


grouped_noise = Exercise(
    ask="Return loadings and noise variances of the next round when columns of a group share their noise.",
    reference=_grouped_noise,
    cases=_sums,
    misconceptions={
        "This is factor analysis: each column has a noise of its own. Columns of a group share theirs.": _noise(
            lambda left, groups: left
        ),
        "This is PPCA: one noise for all columns. Each group has its own.": _noise(
            lambda left, groups: left.mean().expand(len(left))
        ),
        "You added up within a group. In Q a group of n columns has n logarithms of its noise: take the mean.": _noise(
            lambda left, groups: _over_groups(groups, lambda mine: left[mine].sum())
        ),
        "You averaged scales. Set the derivative of Q in the variance to zero: variances are averaged.": _noise(
            lambda left, groups: _over_groups(groups, lambda mine: left[mine].sqrt().mean() ** 2)
        ),
        "You averaged logarithms. The derivative of Q asks for the mean of what is left.": _noise(
            lambda left, groups: _over_groups(groups, lambda mine: left[mine].log().mean().exp())
        ),
        "You averaged precisions. The derivative of Q asks for the mean of what is left.": _noise(
            lambda left, groups: _over_groups(groups, lambda mine: 1 / (1 / left[mine]).mean())
        ),
        "You return one number for each group. Return one for each column.": _noise(
            lambda left, groups: torch.stack([left[groups == group].mean() for group in groups.unique()])
        ),
        "These are the variances of the columns. Take off what W explains.": lambda x, mu, x_z, z_z, groups: (
            _regressed(x, mu, x_z, z_z)[0],
            _over_groups(groups, lambda mine: ((x - mu) ** 2).mean(0)[mine].mean()),
        ),
        "You took off twice what W explains: of three terms two become one.": lambda x, mu, x_z, z_z, groups: (
            _regressed(x, mu, x_z, z_z)[0],
            _over_groups(
                groups,
                lambda mine: (2 * _regressed(x, mu, x_z, z_z)[1] - ((x - mu) ** 2).mean(0))[mine].mean(),
            ),
        ),
    },
    also_right=[_by_matrix, _by_bincount, _never_negative],
)
