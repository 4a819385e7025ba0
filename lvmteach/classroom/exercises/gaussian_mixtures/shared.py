"""What several exercises of this stage share: cases and wrong answers that more than one of them needs."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing


def _eye(D):
    return torch.eye(D, dtype=torch.float64)


@drawing
def _log_joints(draw):
    far = draw(6, 3) + torch.linspace(-2000, 900, 6, dtype=torch.float64)[:, None]
    far[0, 1] += 2500  # the largest alone can be taken out, not the mean, nor the last
    impossible = draw(5, 4) - 3
    impossible[1, 2] = impossible[3, 0] = -math.inf  # a component of weight zero
    cases = [(draw(4, 3) - 2,), (2 * draw(7, 2) - 5,), (draw(5, 1) - 1,), (impossible,), (far,)]
    cases += [(impossible - 2000,), (8 * draw(6, 3),)]  # small beside impossible; small shares of a datum
    cases.append((0.1 * draw(1000, 3) - 1,))  # many data: a product over them overflows
    return [*cases, (0.01 + draw(3, 3).log_softmax(1),)]  # p(x) is nearly 1: single precision shows


def _scatter(x, r, centre):
    gap = x[:, None] - centre
    return torch.einsum("nc,ncd,nce->cde", r, gap, gap)
