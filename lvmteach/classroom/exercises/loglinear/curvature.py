"""The second derivative of a log-linear model's log-likelihood."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _curvature(w, features):
    p = torch.softmax(features @ w, 0)
    expected = p @ features
    return torch.outer(expected, expected) - features.T @ (p[:, None] * features)


@drawing
def _weights_and_features(draw):
    shapes = (((4, 2), 1), ((8, 3), 1), ((6, 5), 2), ((7, 4), -400))
    cases = [(size * draw(F), draw(M, F) + 0.5) for (M, F), size in shapes]
    w, features = cases[1]
    w[2], features[:, 2] = w[2] / 100, 100 * features[:, 2]  # small steps in w are no small ones
    w, features = cases[2]
    w[0], features[:, 0] = 800, 1  # all scores lie out of the range of exp, and not far apart
    return cases


def _with(p=lambda score: torch.softmax(score, 0), change=None):
    """A misconception: another distribution, or another matrix from p, the features and their expectation."""

    def wrong(w, features):
        share = p(features @ w)
        mean = share @ features
        if change is not None:
            return change(share, features, mean)
        return -(features - mean).T @ (share[:, None] * (features - mean))

    return wrong


def _by_autograd(w, features):
    return -torch.func.hessian(lambda v: torch.logsumexp(features @ v, 0))(w)


def _by_loop(w, features):
    score = features @ w
    p = (score - score.max()).exp()
    p = p / p.sum()
    mean = sum(a * f for a, f in zip(p, features, strict=True))
    return -sum(a * torch.outer(f - mean, f - mean) for a, f in zip(p, features, strict=True))


def _by_cov(w, features):
    p = torch.softmax(features @ w, 0)
    return -torch.cov(features.T, aweights=p, correction=0).reshape(len(w), len(w))


curvature = Exercise(
    ask="Return the matrix of second derivatives, for the weights, of the log-likelihood per datum.",
    reference=_curvature,
    cases=_weights_and_features,
    misconceptions={
        "The sign is turned round: log Z is subtracted, so its curvature is as well. A maximum curves downwards.": (
            _with(change=lambda p, f, m: (f - m).T @ (p[:, None] * (f - m)))
        ),
        "The second term is missing: p(x | w) = e^{w f} / Z, and the derivative of Z in the denominator brings the "
        "product of two expectations.": _with(change=lambda p, f, m: -f.T @ (p[:, None] * f)),
        "You have only the product of the two expectations. p(x | w) depends on w: its derivative brings E[f f'].": (
            _with(change=lambda p, f, m: torch.outer(m, m))
        ),
        "You added the product of the expectations. It comes from a quotient, with the other sign.": (
            _with(change=lambda p, f, m: -f.T @ (p[:, None] * f) - torch.outer(m, m))
        ),
        "Only the diagonal is left. Two features that go together curve the log-likelihood together.": (
            _with(change=lambda p, f, m: -((f - m).T @ (p[:, None] * (f - m))).diagonal().diag())
        ),
        "All outcomes count alike in your covariance. It is the covariance under the model: weight by p(x | w).": (
            _with(p=lambda score: torch.full_like(score, 1 / len(score)))
        ),
        "Your deviations are from the plain average of the features. Take them from the model's expectation.": (
            _with(change=lambda p, f, m: -(f - f.mean(0)).T @ (p[:, None] * (f - f.mean(0))))
        ),
        "p(x | w) is not normalised: divide by the sum over all outcomes.": _with(p=torch.exp),
        "exp leaves the range of floating point: right for small weights only. Let softmax normalise.": (
            _with(p=lambda score: score.exp() / score.exp().sum())
        ),
        "You divided by 1 - sum of p², as for a sample. p(x | w) is known: nothing is estimated from it.": (
            _with(change=lambda p, f, m: -(f - m).T @ (p[:, None] * (f - m)) / (1 - (p**2).sum()))
        ),
        "The probabilities enter squared: an expectation weights each outcome once.": (
            _with(change=lambda p, f, m: -(f - m).T @ ((p**2)[:, None] * (f - m)))
        ),
        "You divided by the number of outcomes as well. p(x | w) sums to one already.": (
            _with(change=lambda p, f, m: -(f - m).T @ (p[:, None] * (f - m)) / len(f))
        ),
    },
    also_right=[_by_autograd, _by_loop, _by_cov, _with()],
)
