"""A log-linear model with latent classes."""

from __future__ import annotations

import torch
from torch.nn.functional import one_hot

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _expected_counts(log_pi, w, features, counts):
    score = features @ w.T
    log_joint = score - torch.logsumexp(score, 0) + log_pi
    q = torch.exp(log_joint - torch.logsumexp(log_joint, 1, keepdim=True))
    mass = q * (counts / counts.sum())[:, None]
    return mass.sum(0), mass.T @ features


@drawing
def _counted_outcomes(draw):
    cases = []
    for (M, F, C), size in zip(((4, 3, 2), (8, 5, 3), (6, 2, 1), (3, 4, 3), (7, 4, 2)), (1, 1, 1, 1, 400), strict=True):
        counts = (3 * draw(M) + 4).round().clamp(min=0)
        counts[0], counts[1] = 0, 5  # an outcome that was never seen, and one that was
        cases.append((torch.log_softmax(draw(C), 0), size * draw(C, F), draw(M, F) + 0.5, counts))
    return cases


def _posterior(log_pi, w, features):
    return torch.softmax(torch.log_softmax(features @ w.T, 0) + log_pi, 1)


def _as_shares(counts):
    return counts / counts.sum()


def _counts_with(q=_posterior, shares=_as_shares):
    """A misconception: another posterior, or another weight of each outcome."""

    def wrong(log_pi, w, features, counts):
        mass = q(log_pi, w, features) * shares(counts)[:, None]
        return mass.sum(0), mass.T @ features

    return wrong


def _overflowing_posterior(log_pi, w, features):
    given_class = (features @ w.T).exp() / (features @ w.T).exp().sum(0)
    joint = given_class * log_pi.exp()
    return joint / joint.sum(1, keepdim=True)


def _counts_one_datum_at_a_time(log_pi, w, features, counts):
    classes, totals = torch.zeros_like(log_pi), torch.zeros_like(w)
    data = torch.repeat_interleave(torch.arange(len(counts)), counts.long())
    for n in data.tolist():
        log_joint = torch.stack(
            [log_pi[c] + features[n] @ w[c] - torch.logsumexp(features @ w[c], 0) for c in range(len(w))]
        )
        q = torch.softmax(log_joint, 0)
        classes, totals = classes + q / len(data), totals + torch.outer(q, features[n]) / len(data)
    return classes, totals


def _counts_by_einsum(log_pi, w, features, counts):
    score = torch.einsum("mf,cf->mc", features, w)
    log_joint = torch.log_softmax(score, 0) + log_pi[None]
    q = (log_joint - log_joint.amax(1, keepdim=True)).exp()
    q, N = q / q.sum(1, keepdim=True), counts.sum()
    return torch.einsum("mc,m->c", q, counts) / N, torch.einsum("mc,m,mf->cf", q, counts, features) / N


def _results(of_classes=lambda classes, *_: classes, of_totals=lambda classes, totals, *_: totals):
    def wrong(log_pi, w, features, counts):
        given = (*_expected_counts(log_pi, w, features, counts), log_pi)
        return of_classes(*given), of_totals(*given)

    return wrong


expected_counts = Exercise(
    ask="Return the expected share of each class, and the expected features within each class, per datum.",
    reference=_expected_counts,
    cases=_counted_outcomes,
    misconceptions={
        "Each class has a normaliser of its own, the sum over all outcomes. It does not cancel in the posterior.": (
            _counts_with(q=lambda log_pi, w, features: torch.softmax(features @ w.T + log_pi, 1))
        ),
        "The class probabilities are missing from the posterior: the joint is pi_c p(x | c).": (
            _counts_with(q=lambda log_pi, w, features: _posterior(0 * log_pi, w, features))
        ),
        "You added pi_c where its logarithm belongs.": (
            _counts_with(q=lambda log_pi, w, features: _posterior(log_pi.exp(), w, features))
        ),
        "log_pi is a logarithm already: you took it twice.": (
            _counts_with(q=lambda log_pi, w, features: _posterior(log_pi.log(), w, features))
        ),
        "Those weights are p(x | c), not the posterior: apply Bayes' rule.": (
            _counts_with(q=lambda log_pi, w, features: torch.softmax(features @ w.T, 0))
        ),
        "That is the joint, not the posterior: divide each outcome's row by p(x).": (
            _counts_with(q=lambda log_pi, w, features: (torch.log_softmax(features @ w.T, 0) + log_pi).exp())
        ),
        "exp leaves the range of floating point: right for small weights only. Stay with logarithms until the end.": (
            _counts_with(q=_overflowing_posterior)
        ),
        "You gave each outcome to its most probable class, which is hard EM. Expected counts share it out.": (
            _counts_with(q=lambda *given: one_hot(_posterior(*given).argmax(1), len(given[0])).to(given[0]))
        ),
        "These are sums over all data. Per datum: divide by the number of data.": (
            _counts_with(shares=lambda counts: counts)
        ),
        "You divided by the number of outcomes. The number of data is the sum of the counts.": (
            _counts_with(shares=lambda counts: counts / len(counts))
        ),
        "Every outcome counted once. What was seen more often counts more: use the counts.": (
            _counts_with(shares=lambda counts: torch.ones_like(counts) / len(counts))
        ),
        "Every outcome counted once, and nothing was divided. Use the counts, and divide by their sum.": (
            _counts_with(shares=torch.ones_like)
        ),
        "The features are a sum over all data, the shares are not. Divide both by the number of data.": (
            lambda log_pi, w, features, counts: (
                _expected_counts(log_pi, w, features, counts)[0],
                _expected_counts(log_pi, w, features, counts)[1] * counts.sum(),
            )
        ),
        "The two axes are exchanged: p(x | c) sums to one over outcomes, the posterior over classes.": (
            _counts_with(q=lambda log_pi, w, features: torch.softmax(torch.log_softmax(features @ w.T, 1) + log_pi, 0))
        ),
        "You divided the features by the class's share: that is a mean within the class. Leave the sum.": (
            _results(of_totals=lambda classes, totals, log_pi: totals / classes[:, None])
        ),
        "The shares are the ones that you began with. Expected under the posterior they are new.": (
            _results(of_classes=lambda classes, totals, log_pi: log_pi.exp())
        ),
        "Return the shares themselves; you returned their logarithms.": (
            _results(of_classes=lambda classes, totals, log_pi: classes.log())
        ),
        "The features need a row for each class and a column for each feature: yours are transposed.": (
            _results(of_totals=lambda classes, totals, log_pi: totals.T)
        ),
        "The two results are exchanged: first the shares, then the features.": (
            lambda *given: _expected_counts(*given)[::-1]
        ),
    },
    also_right=[_counts_one_datum_at_a_time, _counts_by_einsum, _counts_with()],
)
