"""The joint."""

from __future__ import annotations

import math

import torch
from torch.distributions import MultivariateNormal

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.gaussian_mixtures.shared import _eye


def _log_joint(x, weights, means, covariances):
    gap = x[:, None] - means
    scaled = torch.linalg.solve(covariances, gap[..., None])[..., 0]
    squared = (gap * scaled).sum(-1)
    constant = x.shape[1] * math.log(2 * math.pi)
    return weights.log() - (constant + torch.logdet(covariances) + squared) / 2


@drawing
def _mixtures(draw):
    cases = []
    for N, C, D, scale, far in ((4, 3, 2, 1, 0), (5, 1, 3, 2, 0), (2, 4, 1, 1, 1e5), (7, 2, 4, 90, 0)):
        root = draw(C, D, D)
        covariances = root @ root.mT + 0.3 * _eye(D)
        x, means = far + scale * draw(N, D) + 0.5, far + 2 * draw(C, D)
        cases.append((x, torch.softmax(draw(C), 0), means, covariances))
    small = 1e-4 * cases[0][-1].repeat(1, 1, 1)
    wide = 1e-6 * torch.diag_embed(1 + draw(2, 150).abs())  # a determinant below the smallest float, and so is its root
    x = 1e-3 * draw(3, 150)
    rare = (draw(3) - torch.tensor([0, 14, 30])).softmax(0)  # weights of a millionth and less
    return [
        *cases,
        (0.01 * cases[0][0], rare, 0.01 * cases[0][2], small),
        (x, draw(2).softmax(0), x[:2], wide),
    ]


def _log_joint_with(weight=torch.log, half_det=0.5, half_squared=0.5, constant=None, matrix=torch.linalg.inv):
    """A misconception: the right formula with one part changed."""

    def wrong(x, weights, means, covariances):
        gap, D = x[:, None] - means, x.shape[1]
        squared = torch.einsum("ncd,cde,nce->nc", gap, matrix(covariances), gap)
        log_2_pi = (D if constant is None else constant) * math.log(2 * math.pi) / 2
        return weight(weights) - log_2_pi - half_det * torch.logdet(covariances) - half_squared * squared

    return wrong


def _log_joint_by_loop(x, weights, means, covariances):
    columns = [
        math.log(w) + MultivariateNormal(m, S).log_prob(x) for w, m, S in zip(weights, means, covariances, strict=True)
    ]
    return torch.stack(columns, 1)


def _log_joint_by_cholesky(x, weights, means, covariances):
    root = torch.linalg.cholesky(covariances)
    white = torch.linalg.solve_triangular(root, (x - means[:, None]).mT, upper=False)  # (C, D, N)
    log_det = root.diagonal(dim1=1, dim2=2).log().sum(1)
    log_p = -white.square().sum(1) / 2 - log_det[:, None] - x.shape[1] / 2 * math.log(2 * math.pi)
    return (log_p + weights.log()[:, None]).T


def _log_joint_with_diagonals(x, weights, means, covariances):
    return _log_joint(x, weights, means, torch.diag_embed(covariances.diagonal(dim1=1, dim2=2)))


log_joint = Exercise(
    ask="Return log p(x_n, z_n = c) of a Gaussian mixture, for each datum and each component.",
    reference=_log_joint,
    cases=_mixtures,
    misconceptions={
        "The weight enters as it is. A product becomes a sum only when both factors are logged.": (
            _log_joint_with(weight=lambda weights: weights)
        ),
        "This is log p(x | z = c). The joint has the weight of the component as well.": (
            _log_joint_with(weight=lambda weights: 0 * weights)
        ),
        "The squared distance stands in the exponent with a half.": _log_joint_with(half_squared=1.0),
        "The determinant stands under a root, so its logarithm is halved.": _log_joint_with(half_det=1.0),
        "The log determinant is missing: without it a wide component costs nothing.": _log_joint_with(half_det=0.0),
        "The determinant divides. Its logarithm is subtracted.": _log_joint_with(half_det=-0.5),
        "The constant has one log 2 pi for each dimension.": _log_joint_with(constant=1),
        "The constant with 2 pi is missing: this is no normalised density.": _log_joint_with(constant=0),
        "The distance is measured with the inverse of the covariance, not with the covariance.": (
            _log_joint_with(matrix=lambda covariances: covariances)
        ),
        "You used the diagonal of the covariance alone. These coordinates go together: use the whole matrix.": (
            _log_joint_with_diagonals
        ),
        "You computed the density first and its logarithm afterwards. Far from a mean the density is zero in floating "
        "point: stay with logarithms throughout.": lambda *given: _log_joint(*given).exp().log(),
        "Rows are data and columns components: yours are the other way round.": lambda *given: _log_joint(*given).T,
        "You summed over components already. Here each has its own column.": lambda *given: _log_joint(*given).sum(1),
    },
    also_right=[_log_joint_by_loop, _log_joint_by_cholesky, _log_joint_with()],
)
