"""Rotations."""

from __future__ import annotations

import torch
from scipy import linalg

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.factor_analysis.shared import _eye


def _align(W, V):
    U, _, Vh = torch.linalg.svd(W.T @ V)
    return U @ Vh


@drawing
def _two_fits(draw):
    """Equal up to an orthogonal R, or nearly; some R are rotations, some hold a reflection."""
    cases = []
    for D, L, error, flip in ((4, 2, 0.0, 1), (5, 2, 0.0, -1), (6, 3, 0.3, 1), (7, 3, 0.3, -1), (9, 4, 0.1, 1)):
        W, R = draw(D, L) * torch.logspace(0, -1, L), torch.linalg.qr(draw(L, L)).Q
        R[:, 0] *= flip * torch.linalg.det(R).sign()
        cases.append((W, W @ R + error * draw(D, L)))
    return [*cases, tuple(1e-3 * loadings for loadings in cases[3])]  # in other units: small loadings


def _align_by_polar(W, V):
    C = W.T @ V
    values, vectors = torch.linalg.eigh(C.T @ C)
    return C @ vectors @ torch.diag(values**-0.5) @ vectors.T


def _rotation_alone(W, V):
    U, _, Vh = torch.linalg.svd(W.T @ V)
    last = torch.ones(len(U), dtype=W.dtype)
    last[-1] = torch.linalg.det(U @ Vh).sign()
    return U @ torch.diag(last) @ Vh


align = Exercise(
    ask="Return the orthogonal R for which W R comes closest to V.",
    reference=_align,
    cases=_two_fits,
    misconceptions={
        "This is least squares without the condition. R must be orthogonal, or the latents' prior would change.": (
            lambda W, V: torch.linalg.lstsq(W, V).solution
        ),
        "Your R turns V into W. Return its transpose, which turns W into V.": lambda W, V: _align(V, W),
        "You allow rotations alone. A reflection, too, leaves the prior and W W' as they are.": _rotation_alone,
        "svd returns the second matrix transposed already, as Vh.": (
            lambda W, V: torch.linalg.svd(W.T @ V)[0] @ torch.linalg.svd(W.T @ V)[2].T
        ),
        "You kept the singular values, so you have W'V again. What is the orthogonal matrix next to it?": (
            lambda W, V: W.T @ V
        ),
        "You return W R. R itself is asked for, (L, L).": lambda W, V: W @ _align(W, V),
        "Your product sums over the latents and gives a matrix D x D. R acts on the latents: sum over the columns "
        "of the data.": lambda W, V: torch.linalg.svd(W @ V.T)[0] @ torch.linalg.svd(W @ V.T)[2],
        "The identity is orthogonal, but turns nothing.": lambda W, V: _eye(W),
        "The factor Q of W'V is orthogonal, but not the closest one: use the singular vectors.": (
            lambda W, V: torch.linalg.qr(W.T @ V).Q
        ),
    },
    also_right=[_align_by_polar, lambda W, V: torch.as_tensor(linalg.orthogonal_procrustes(W.numpy(), V.numpy())[0])],
)
