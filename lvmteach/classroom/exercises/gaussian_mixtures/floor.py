"""Covariances that may not be narrower than a floor."""

from __future__ import annotations

import numpy as np
import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.gaussian_mixtures.shared import _eye, _scatter


def _floor(x, r, least):
    n = r.sum(0)
    gap = x[:, None] - r.T @ x / n[:, None]
    covariances = torch.einsum("nc,ncd,nce->cde", r, gap, gap) / n[:, None, None]
    values, axes = torch.linalg.eigh(covariances)
    return (axes * values.clamp(min=least)[:, None]) @ axes.mT


@drawing
def _floor_cases(draw):
    cases = []
    for N, C, D, least, unit in ((6, 3, 2, 0.5, 1), (12, 2, 3, 1.4, 1), (9, 2, 4, 0.3, 1e-3), (3, 2, 4, 0.3, 1)):
        r = torch.softmax(2 * draw(N, C), 1)
        if N == 6:
            r[2], r[:, 1] = 0, 0
            r = r / r.sum(1, keepdim=True)
            r[2] = torch.tensor([0, 1, 0])  # component 1 owns datum 2 and nothing else: collapsed
        cases.append((unit * (2 + draw(N, D) @ (_eye(D) + 0.6 * draw(D, D))), r, unit**2 * least))
    hardly = draw(7, 2).softmax(1) * torch.tensor([1, 1e-6])  # a component that answers for next to nothing
    x, r, least = cases[1]
    cases[1] = 1e5 + x, r, least  # far from zero
    return [*cases, (draw(7, 2), hardly / hardly.sum(1, keepdim=True), 0.05)]


def _with(change):
    """A misconception: change(covariances, eigenvalues, eigenvectors in columns, least, N_c as (C, 1, 1), identity)."""

    def wrong(x, r, least):
        n = r.sum(0)
        S = _scatter(x, r, r.T @ x / n[:, None]) / n[:, None, None]
        values, axes = torch.linalg.eigh(S)
        return change(S, values, axes, least, n[:, None, None], _eye(x.shape[1]))

    return wrong


def _back(axes, values):
    return axes @ torch.diag_embed(values) @ axes.mT


def _by_loop(x, r, least):
    made = []
    for w in r.T.numpy():
        away = x.numpy() - w @ x.numpy() / w.sum()
        values, axes = np.linalg.eigh((away.T * w) @ away / w.sum())
        made.append(sum(max(v, least) * np.outer(u, u) for v, u in zip(values, axes.T, strict=True)))
    return torch.tensor(np.stack(made))


floor = Exercise(
    ask="Return the covariances of highest likelihood whose variance is at least `least` in every direction.",
    reference=_floor,
    cases=_floor_cases,
    misconceptions={
        "There is no floor: a component with one point still collapses.": _with(lambda S, e, U, v, n, I: S),
        "You added the floor to every direction, as scikit-learn's reg_covar does. Directions that are wide enough "
        "need nothing: there the unconstrained maximum is allowed.": _with(lambda S, e, U, v, n, I: S + v * I),
        "You lifted the diagonal. A long thin component that lies aslant has large diagonal entries and no width "
        "across: the floor is for its own axes, the eigenvectors.": (
            _with(lambda S, e, U, v, n, I: torch.where(I > 0, S.clamp(min=v), S))
        ),
        "You lifted every entry. Only widths have a floor; what is off the diagonal is no width.": (
            _with(lambda S, e, U, v, n, I: S.clamp(min=v))
        ),
        "`least` is a variance, as eigenvalues of a covariance are: do not square it.": (
            _with(lambda S, e, U, v, n, I: _back(U, e.clamp(min=v**2)))
        ),
        "`least` is a variance, as eigenvalues of a covariance are: do not take its root.": (
            _with(lambda S, e, U, v, n, I: _back(U, e.clamp(min=v**0.5)))
        ),
        "You made the whole component round as soon as one direction was too narrow. Mend that direction alone.": (
            _with(lambda S, e, U, v, n, I: torch.where((e.amin(1) < v)[:, None, None], v * I, S))
        ),
        "You put the eigenvalues on the diagonal and did not turn back: the component has lost its direction.": (
            _with(lambda S, e, U, v, n, I: torch.diag_embed(e.clamp(min=v)))
        ),
        "You turned back the wrong way: eigenvectors are columns, so it is U diag U', not U' diag U.": (
            _with(lambda S, e, U, v, n, I: U.mT @ torch.diag_embed(e.clamp(min=v)) @ U)
        ),
        "You cut large widths down to the floor. Small ones have to be lifted.": (
            _with(lambda S, e, U, v, n, I: _back(U, e.clamp(max=v)))
        ),
        "You put the floor under the scatter, a sum. It belongs under the covariance: divide by N_c first.": (
            _with(lambda S, e, U, v, n, I: _back(U, (n[:, 0] * e).clamp(min=v) / n[:, 0]))
        ),
        "You added the missing variance in every direction. Only the narrow directions need it.": (
            _with(lambda S, e, U, v, n, I: S + (v - e.amin(1)).clamp(min=0)[:, None, None] * I)
        ),
    },
    also_right=[
        _by_loop,
        _with(lambda S, e, U, v, n, I: S + _back(U, (v - e).clamp(min=0))),
    ],
)
