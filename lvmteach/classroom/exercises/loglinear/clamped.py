"""Expected features when part of the outcome was not seen."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _clamped(w, features, outcomes, x):
    unlike = ((x[:, None] - outcomes).nan_to_num(0.0) != 0).any(-1)
    score = (features @ w).expand(len(x), -1).masked_fill(unlike, -torch.inf)
    return torch.softmax(score, 1).mean(0) @ features


@drawing
def _half_seen(draw):
    cases = []
    for D, F, N, size in ((2, 3, 4, 1), (3, 4, 6, 1), (4, 5, 9, 1), (3, 2, 5, -600)):
        outcomes = (torch.arange(2**D)[:, None] >> torch.arange(D - 1, -1, -1) & 1).double()
        outcomes = outcomes.flip(0) if N == 6 else outcomes  # their order is not promised
        x = (draw(N, D) > 0).double().masked_fill(draw(N, D) > 0.3, torch.nan)
        x[0], x[1] = torch.nan, outcomes[1]  # a datum of which nothing was seen, and a whole one
        w, values = size * draw(F), draw(len(outcomes), F) + 0.5
        if N == 9:  # a far column shows who computes in single precision, and lifts all scores out of the range of exp
            w[-1], values[:, -1] = 0.8, values[:, -1] + 1000
        if size < 0:  # a whole datum that the model all but excludes
            x[1] = outcomes[(values @ w).argmin()]
        cases.append((w, values, outcomes, x))
    return cases


def _fits(outcomes, x):
    """Which outcomes agree with what was seen of each datum, (N, M)."""
    return ((x[:, None] == outcomes) | x.isnan()[:, None]).all(-1)


def _posterior(w, features, outcomes, x):
    return torch.softmax((features @ w).expand(len(x), -1).masked_fill(~_fits(outcomes, x), -torch.inf), 1)


def _with(p=_posterior, end=lambda p, features: p.mean(0) @ features):
    """A misconception: another distribution over outcomes for each datum, or another way to its features."""
    return lambda w, features, outcomes, x: end(p(w, features, outcomes, x), features)


def _masked(change):
    """Another distribution, from scores and the agreement of each outcome with each datum."""
    return _with(p=lambda w, features, outcomes, x: change(features @ w, _fits(outcomes, x).to(w)))


def _filled(rule):
    """Holes filled with one number each, and then a whole datum."""

    def p(w, features, outcomes, x):
        model = torch.softmax(features @ w, 0) @ outcomes
        whole = torch.where(x.isnan(), rule(model, x), x)
        return (whole[:, None] == outcomes).all(-1).to(w)

    return _with(p=p)


def _by_loop(w, features, outcomes, x):
    total = torch.zeros_like(features[0])
    for one in x:
        seen = ~one.isnan()
        like = (outcomes[:, seen] == one[seen]).all(1)
        score = features[like] @ w
        p = (score - torch.logsumexp(score, 0)).exp()
        total += p @ features[like]
    return total / len(x)


def _dropping(w, features, outcomes, x):
    whole = x[~x.isnan().any(1)]
    return (whole[:, None] == outcomes).all(-1).to(w).mean(0) @ features


clamped = Exercise(
    ask="Return the mean over the data of the features expected given what was seen of each datum.",
    reference=_clamped,
    cases=_half_seen,
    misconceptions={
        "That is what the model expects before anything is seen. Keep, for each datum, only the outcomes that agree "
        "with what was seen of it.": _with(
            p=lambda w, features, outcomes, x: torch.softmax(features @ w, 0).expand(len(x), -1)
        ),
        "You took all outcomes that agree with a datum to be equally likely. The model says which are likelier.": (
            _masked(lambda score, fits: fits / fits.sum(1, keepdim=True))
        ),
        "Your rows do not sum to one. Given what was seen the remaining outcomes share all of the probability.": (
            _masked(lambda score, fits: torch.softmax(score, 0) * fits)
        ),
        "You chose the likeliest completion for certain. The expectation is over all completions.": (
            _masked(
                lambda score, fits: torch.nn.functional.one_hot(
                    score.masked_fill(fits == 0, -torch.inf).argmax(1), len(score)
                ).to(score)
            )
        ),
        "exp leaves the range of floating point: right for small weights only. Rule out what does not agree, then let "
        "softmax normalise.": _masked(
            lambda score, fits: score.exp() * fits / (score.exp() * fits).sum(1, keepdim=True)
        ),
        "That is right until the model all but excludes what was seen: then the outcomes that agree have underflowed, "
        "and you divide zero by zero. Rule outcomes out before the softmax.": _masked(
            lambda score, fits: torch.softmax(score, 0) * fits / (torch.softmax(score, 0) * fits).sum(1, keepdim=True)
        ),
        "You left out the data of which nothing was seen. They count as well: what is expected of them is what the "
        "model expects.": lambda w, features, outcomes, x: _clamped(w, features, outcomes, x[~x.isnan().all(1)]),
        "You normalised over the data. Each datum has a distribution over outcomes.": (
            _masked(lambda score, fits: torch.softmax(torch.where(fits > 0, score, -1e9), 0))
        ),
        "That is a sum over the data. Per datum: divide by their number.": (
            _with(end=lambda p, features: p.sum(0) @ features)
        ),
        "You left out every datum that is not whole. What was seen of the others counts as well.": _dropping,
        "You counted an unseen bit as a zero. It was not seen: both values are possible.": (
            _filled(lambda model, x: torch.zeros_like(x))
        ),
        "You filled each hole with the model's likelier value of that bit, whatever else was seen. Bits go together: "
        "condition on what was seen.": _filled(lambda model, x: (model > 0.5).to(x).expand_as(x)),
        "You kept the outcomes that agree with *some* bit of what was seen. They must agree with all of it.": (
            _with(
                p=lambda w, features, outcomes, x: torch.softmax(
                    (features @ w)
                    .expand(len(x), -1)
                    .masked_fill(~((x[:, None] == outcomes).any(-1) | x.isnan().all(-1, keepdim=True)), -torch.inf),
                    1,
                )
            )
        ),
    },
    also_right=[_by_loop, _with()],
)
