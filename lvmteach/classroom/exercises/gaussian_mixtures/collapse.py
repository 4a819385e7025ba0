"""Collapse."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import Close
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.gaussian_mixtures.shared import _eye


def _collapse(x, n, s):
    D = x.shape[1]
    mean = x.mean(0)
    wide = (x - mean).T @ (x - mean) / len(x)
    narrow = s**2 * torch.eye(D, dtype=x.dtype)
    return torch.full((2,), 1 / 2, dtype=x.dtype), torch.stack([mean, x[n]]), torch.stack([wide, narrow])


@drawing
def _lonely(draw):
    cases = [(3 + 2 * draw(5, 2), 3, 0.4), (1e5 - draw(8, 3), 2, 0.07), (draw(7, 4) - 2, 6, 1e-3)]  # one far from zero
    return [*cases, (1e-3 * draw(6, 2), 0, 1e-6)]  # in other units: small variances


def _collapse_with(change):
    def wrong(x, n, s):
        return change(x, n, s, *_collapse(x, n, s))

    return wrong


def _collapse_by_moments(x, n, s):
    wide = torch.cov(x.T, correction=0).reshape(x.shape[1], x.shape[1])
    narrow = torch.diag(torch.full((x.shape[1],), float(s) * s, dtype=x.dtype))
    half = torch.tensor([0.5, 0.5], dtype=x.dtype)
    return half, torch.cat([x.mean(0, keepdim=True), x[n : n + 1]]), torch.stack((wide, narrow))


def _collapse_by_loop(x, n, s):
    mean = sum(x) / len(x)
    wide = sum(torch.outer(one - mean, one - mean) for one in x) / len(x)
    return x.new_ones(2) / 2, torch.stack([mean, x[n]]), torch.stack([wide, _eye(x.shape[1]) * s**2])


collapse = Exercise(
    ask="Return a mixture of a fitted Gaussian and a round component of scale s that sits on datum n.",
    reference=_collapse,
    cases=_lonely,
    misconceptions={
        "You put s on the diagonal. It is a scale; covariances hold variances.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m, torch.stack([S[0], s * _eye(len(S[0]))])))
        ),
        "The wide component is divided by N - 1. The best Gaussian, by likelihood, divides by N.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m, torch.stack([torch.cov(x.T), S[1]])))
        ),
        "You did not subtract the mean: the wide component holds second moments.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m, torch.stack([x.T @ x / len(x), S[1]])))
        ),
        "The wide component comes first, the narrow one second.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m.flip(0), S.flip(0)))
        ),
        "Your narrow component sits in the middle of the data. It collapses only on a datum.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, torch.stack([m[0], m[0]]), S))
        ),
        "Your narrow covariance has s squared in every entry: it has no width in most directions, and no inverse. A "
        "round one has it on the diagonal alone.": _collapse_with(
            lambda x, n, s, w, m, S: (w, m, torch.stack([S[0], torch.full_like(S[1], s**2)]))
        ),
        "Both components are narrow. Then all other data become impossible; one has to stay wide to explain them.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m, torch.stack([S[1], S[1]])))
        ),
        "You left datum n out of the wide component's fit. Fit it to all data.": (
            _collapse_with(lambda x, n, s, w, m, S: (
                w, torch.stack([torch.cat([x[:n], x[n + 1 :]]).mean(0), x[n]]),
                torch.stack([torch.cov(torch.cat([x[:n], x[n + 1 :]]).T, correction=0), S[1]])))
        ),
        "Your weights sum to two. They are the probabilities of a label.": (
            _collapse_with(lambda x, n, s, w, m, S: (2 * w, m, S))
        ),
        "The weights should be a half each. A share of 1 / N would do as well, and the check compares numbers.": (
            _collapse_with(lambda x, n, s, w, m, S: (torch.tensor([len(x) - 1, 1]).to(w) / len(x), m, S))
        ),
        "The wide component's covariance lacks the division by N: this is the scatter, a sum.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m, torch.stack([S[0] * len(x), S[1]])))
        ),
    },
    compare=Close(atol=1e-15),  # a variance of 1e-12 is told from one of 1e-10
    also_right=[_collapse_by_moments, _collapse_by_loop],
)  # fmt: skip
