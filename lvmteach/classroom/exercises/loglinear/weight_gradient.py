"""A log-linear model with latent classes."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _weight_gradient(classes, totals, w, features):
    score = features @ w.T
    given_class = torch.exp(score - torch.logsumexp(score, 0))
    return totals - classes[:, None] * (given_class.T @ features)


@drawing
def _counted_features(draw):
    cases = []
    for (M, F, C), size in zip(((4, 3, 2), (8, 5, 3), (6, 2, 1), (3, 3, 3), (7, 4, 2)), (1, 1, 1, 1, 400), strict=True):
        q, shares, features = torch.softmax(draw(M, C), 1), torch.softmax(draw(M), 0), draw(M, F) + 0.5
        mass = q * shares[:, None]
        cases.append((mass.sum(0), mass.T @ features, size * draw(C, F), features))
    return cases


def _outcomes_given_class(w, features):
    return torch.softmax(features @ w.T, 0)


def _gradient_with(given_class=_outcomes_given_class, data=1.0, weighted=True, sign=1.0):
    """A misconception: another expectation under the model, or other factors."""

    def wrong(classes, totals, w, features):
        expected = given_class(w, features).T @ features
        return data * totals - sign * (classes[:, None] if weighted else 1.0) * expected

    return wrong


def _gradient_by_autograd(classes, totals, w, features):
    def expected_log_joint(w):
        return (totals * w).sum() - classes @ torch.logsumexp(features @ w.T, 0)

    return torch.func.grad(expected_log_joint)(w)


def _gradient_by_loop(classes, totals, w, features):
    rows = []
    for share, seen, weights in zip(classes, totals, w, strict=True):
        score = torch.stack([weights @ one for one in features])
        p = (score - score.max()).exp()
        rows.append(seen - share * sum(a * one for a, one in zip(p / p.sum(), features, strict=True)))
    return torch.stack(rows)


weight_gradient = Exercise(
    ask="Return the gradient, for the weights, of the expected log joint per datum.",
    reference=_weight_gradient,
    cases=_counted_features,
    misconceptions={
        "The model's expectation counts as often as the class occurs: multiply it by the class's share.": (
            _gradient_with(weighted=False)
        ),
        "The sign is turned round: seen minus expected. A feature seen too often needs more weight.": (
            lambda *given: -_weight_gradient(*given)
        ),
        "You added the model's features. The log normaliser is subtracted, and so is its gradient.": (
            _gradient_with(sign=-1.0)
        ),
        "That is the first half. The log normaliser depends on w as well: its gradient is the features that the model "
        "expects.": _gradient_with(sign=0.0),
        "That is the second half, with its sign. The features counted in the data are missing.": (
            _gradient_with(data=0.0)
        ),
        "p(x | c) sums to one over the outcomes already. Do not divide by their number as well.": (
            _gradient_with(lambda w, features: _outcomes_given_class(w, features) / len(features))
        ),
        "You averaged the features over all outcomes alike. Weight each outcome by p(x | c, w).": (
            _gradient_with(lambda w, features: torch.full_like(features @ w.T, 1 / len(features)))
        ),
        "Your p(x | c) sums to one over classes. It is a distribution over outcomes: normalise along that axis.": (
            _gradient_with(lambda w, features: torch.softmax(features @ w.T, 1))
        ),
        "p(x | c) is not normalised: divide by the sum over all outcomes.": (
            _gradient_with(lambda w, features: (features @ w.T).exp())
        ),
        "exp leaves the range of floating point: right for small weights only. Take the largest score out first, or "
        "let softmax do it.": (
            _gradient_with(lambda w, features: (features @ w.T).exp() / (features @ w.T).exp().sum(0))
        ),
        "You used one expectation for all classes, that of the mixture. Each class has its own p(x | c).": (
            lambda classes, totals, w, features: (
                totals - classes[:, None] * (classes @ torch.softmax(features @ w.T, 0).T @ features)
            )
        ),
        "The features seen contain the class's share already: multiply only the model's by it.": (
            lambda classes, totals, w, features: (
                classes[:, None] * (totals - torch.softmax(features @ w.T, 0).T @ features)
            )
        ),
        "You divided by the class's share. That is another step length, not the gradient.": (
            lambda classes, totals, w, features: _weight_gradient(classes, totals, w, features) / classes[:, None]
        ),
        "You used log p(x | c) as weights. An expectation weights by the probability itself.": (
            _gradient_with(lambda w, features: torch.log_softmax(features @ w.T, 0))
        ),
        "A row for each class, a column for each feature: yours are transposed.": (
            lambda *given: _weight_gradient(*given).T
        ),
        "You summed over classes. Each has weights of its own.": lambda *given: _weight_gradient(*given).sum(0),
    },
    also_right=[_gradient_by_autograd, _gradient_by_loop, _gradient_with()],
)
