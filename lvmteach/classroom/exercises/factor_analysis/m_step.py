"""The M step."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _e_step, _model


def _m_step(x, mu, x_z, z_z):
    W = x_z @ torch.linalg.inv(z_z)
    return W, ((x - mu).square().sum(0) - (x_z * W).sum(1)) / len(x)


@drawing
def _statistics(draw):
    cases = []
    for sizes in ((5, 3, 2), (9, 4, 3), (8, 7, 1)):
        x, mu, W, psi = _model(draw, *sizes)
        cases.append((x, mu, *_e_step(x, mu, W, psi)))
    return cases


def _m_step_by_residuals(x, mu, x_z, z_z):
    """The expected square of what is left, written out: S - 2 W E[z x'] + W E[zz'] W', its diagonal."""
    W = torch.linalg.solve(z_z, x_z.T).T
    left = (x - mu).T @ (x - mu) - 2 * W @ x_z.T + W @ z_z @ W.T
    return W, left.diagonal() / len(x)


def _m_step_by_column(x, mu, x_z, z_z):
    rows = [torch.linalg.lstsq(z_z, one[:, None]).solution[:, 0] for one in x_z]
    psi = [((x[:, d] - mu[d]) ** 2).mean() - rows[d] @ x_z[d] / len(x) for d in range(len(mu))]
    return torch.stack(rows), torch.stack(psi)


def _noise_with(change):
    """A misconception of psi alone."""

    def wrong(x, mu, x_z, z_z):
        W = _m_step(x, mu, x_z, z_z)[0]
        return W, change(x, mu, x_z, W, z_z)

    return wrong


m_step = Exercise(
    ask="Return the loadings and the noise variances that maximise the expected log joint density.",
    reference=_m_step,
    cases=_statistics,
    misconceptions={
        "This psi is the whole variance of each column. Take off what W and z explain.": _noise_with(
            lambda x, mu, x_z, W, z_z: (x - mu).square().mean(0)
        ),
        "You took off what W explains twice. The square has a third term, and it gives one of the two back.": (
            _noise_with(lambda x, mu, x_z, W, z_z: (x - mu).square().mean(0) - 2 * (x_z * W).sum(1) / len(x))
        ),
        "x_z is a sum over the data. It has to be divided by N, as the squares are.": _noise_with(
            lambda x, mu, x_z, W, z_z: (x - mu).square().mean(0) - (x_z * W).sum(1)
        ),
        "You divided by N - 1. The maximum of the likelihood has N.": _noise_with(
            lambda x, mu, x_z, W, z_z: ((x - mu).square().sum(0) - (x_z * W).sum(1)) / (len(x) - 1)
        ),
        "var divides by N - 1 and takes off the mean of x. The maximum has N, and the mu that you are given.": (
            _noise_with(lambda x, mu, x_z, W, z_z: x.var(0) - (x_z * W).sum(1) / len(x))
        ),
        "This var takes off the mean of x. Take off the mu you are given: the sums were made with it.": _noise_with(
            lambda x, mu, x_z, W, z_z: x.var(0, correction=0) - (x_z * W).sum(1) / len(x)
        ),
        "psi is the sum. A variance is the mean over the data.": _noise_with(
            lambda x, mu, x_z, W, z_z: (x - mu).square().sum(0) - (x_z * W).sum(1)
        ),
        "This is a full matrix. Given z the columns are independent: keep its diagonal.": _noise_with(
            lambda x, mu, x_z, W, z_z: ((x - mu).T @ (x - mu) - W @ x_z.T) / len(x)
        ),
        "One noise for all columns: that is PPCA. In factor analysis each column has its own.": _noise_with(
            lambda x, mu, x_z, W, z_z: ((x - mu).square().mean(0) - (x_z * W).sum(1) / len(x)).mean().expand(len(W))
        ),
        "You return scales. psi holds variances.": _noise_with(
            lambda x, mu, x_z, W, z_z: ((x - mu).square().mean(0) - (x_z * W).sum(1) / len(x)).sqrt()
        ),
        "You forgot to take mu off x in psi.": _noise_with(
            lambda x, mu, x_z, W, z_z: (x.square().sum(0) - (x_z * W).sum(1)) / len(x)
        ),
        "You multiplied by the sum of E[zz']. Least squares divides by it: use the inverse, or solve.": (
            lambda x, mu, x_z, z_z: (x_z @ z_z, ((x - mu).square().sum(0) - (x_z * (x_z @ z_z)).sum(1)) / len(x))
        ),
        "W should be (D, L). You have solved for its transpose.": (
            lambda x, mu, x_z, z_z: (_m_step(x, mu, x_z, z_z)[0].T, _m_step(x, mu, x_z, z_z)[1])
        ),
    },
    also_right=[_m_step_by_residuals, _m_step_by_column],
)
