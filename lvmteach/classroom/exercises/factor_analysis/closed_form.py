"""The closed form of PPCA."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import Close
from lvmteach.classroom.exercises.engine import Exercise


class UpToRotation(Close):
    """Compares (W, noise) where W is known up to a rotation of the latents: by W W'."""

    def difference(self, expected, received):
        return super().difference(_without_axes(expected), _without_axes(received))

    def alike(self, one, other):
        return super().alike(_without_axes(one), _without_axes(other))

    def relation(self, expected, received):
        return ""  # W and noise do not share a factor


def _without_axes(result):
    return {"W W'": result[0] @ result[0].mT, "noise": result[1]}


def _closed_form(S, L):
    values, vectors = torch.linalg.eigh(S)  # ascending
    noise = values[:-L].mean()
    return vectors[:, -L:] * (values[-L:] - noise).sqrt(), noise


@drawing
def _covariances(draw):
    cases = []
    for N, D, L in ((7, 3, 1), (12, 5, 2), (20, 7, 3)):
        x = draw(N, D) @ draw(D, D)
        cases.append(((x - x.mean(0)).T @ (x - x.mean(0)) / N, L))
    return cases


def _closed_form_by_svd(S, L):
    U, values, _ = torch.linalg.svd(S)  # of a covariance, the singular values are the eigenvalues
    noise = (S.trace() - values[:L].sum()) / (len(S) - L)
    return -U[:, :L] @ torch.diag(values[:L] - noise) ** 0.5, noise


def _closed_form_rotated(S, L):
    W, noise = _closed_form_by_svd(S, L)
    turn = torch.linalg.qr(torch.arange(1.0, L * L + 1, dtype=S.dtype).reshape(L, L).cos()).Q
    return W @ turn, noise


def _principal(change):
    """A misconception: change(values, vectors, L), both descending."""

    def wrong(S, L):
        values, vectors = torch.linalg.eigh(S)
        return change(values.flip(0), vectors.flip(1), L)

    return wrong


closed_form = Exercise(
    ask="Return the loadings and the noise variance of PPCA that maximise the likelihood.",
    reference=_closed_form,
    cases=_covariances,
    compare=UpToRotation(),
    misconceptions={
        "eigh returns eigenvalues in ascending order: you took the smallest ones as factors.": (
            lambda S, L: _of_the_smallest(S, L)
        ),
        "The noise is the mean of the discarded eigenvalues. You return their sum.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L:].mean()).sqrt(), v[L:].sum())
        ),
        "The noise is a mean over the D - L discarded eigenvalues, not over D.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L:].sum() / len(v)).sqrt(), v[L:].sum() / len(v))
        ),
        "You averaged the L smallest eigenvalues. Those discarded are D - L.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[-L:].mean()).sqrt(), v[-L:].mean())
        ),
        "You averaged all eigenvalues. The first L belong to the factors.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v.mean()).clamp(min=0).sqrt(), v.mean())
        ),
        "Your factors carry the noise's variance too. What W W' and the noise give together must be the eigenvalue: "
        "take the noise off under the root.": _principal(lambda v, U, L: (U[:, :L] * v[:L].sqrt(), v[L:].mean())),
        "The root is missing: W enters the covariance as W W'.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L:].mean()), v[L:].mean())
        ),
        "These are PCA's axes, of length one. Each has a length of its own in this model.": _principal(
            lambda v, U, L: (U[:, :L], v[L:].mean())
        ),
        "Eigenvectors are the columns of what eigh returns. You took rows.": _principal(
            lambda v, U, L: (U.mT[:, :L] * (v[:L] - v[L:].mean()).sqrt(), v[L:].mean())
        ),
        "You return the noise's scale. It is the variance that is asked for.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L:].mean()).sqrt(), v[L:].mean().sqrt())
        ),
        "The noise is not the largest eigenvalue left over, but the mean of them.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L]).sqrt(), v[L])
        ),
        "W should be (D, L), one column for each latent. Yours is its transpose.": _principal(
            lambda v, U, L: ((U[:, :L] * (v[:L] - v[L:].mean()).sqrt()).T, v[L:].mean())
        ),
    },
    also_right=[_closed_form_by_svd, _closed_form_rotated],
)


def _of_the_smallest(S, L):
    values, vectors = torch.linalg.eigh(S)
    noise = values[L:].mean()
    return vectors[:, :L] * (values[:L] - noise).clamp(min=0).sqrt(), noise
