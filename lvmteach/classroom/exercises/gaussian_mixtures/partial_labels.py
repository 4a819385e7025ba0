"""A posterior when some labels are ruled out."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _partial_labels(log_p_xz, allowed):
    joint = torch.where(allowed, log_p_xz, -math.inf)
    return torch.softmax(joint, 1)


@drawing
def _half_known(draw):
    cases = []
    for N, C in ((4, 3), (6, 2), (5, 4)):
        allowed = draw(N, C) > 0
        allowed[0] = True  # nothing is known of this datum
        allowed[1:, 0] |= ~allowed[1:].any(1)
        cases.append((2 * draw(N, C) - 3, allowed))
    never = torch.tensor([[True, False, True], [True, False, False], [False, False, True], [True, False, True]])
    cases.append((draw(4, 3), never))  # a label that is ruled out for all data
    far = draw(6, 3) + torch.linspace(-2000, 900, 6, dtype=torch.float64)[:, None]
    far[2, 1] += 1500  # the likeliest label is ruled out, and the others are out of exp's reach of it
    far[0, 1] += 2500  # one label is far above the mean of its row
    far[1] -= 570  # and a row with labels ruled out is far down
    cases.append((far, torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 1]]).bool()))
    return cases


def _one_by_one(log_p_xz, allowed):
    result = torch.zeros_like(log_p_xz)
    for n in range(len(log_p_xz)):
        mine = log_p_xz[n][allowed[n]]
        p = (mine - mine.max()).exp()
        result[n, allowed[n]] = p / p.sum()
    return result


def _by_hand(log_p_xz, allowed):
    joint = log_p_xz.masked_fill(~allowed, -math.inf)
    p = (joint - joint.amax(1, keepdim=True)).exp()
    return p / p.sum(1, keepdim=True)


def _with(change):
    """A misconception: change(log joint, its softmax over all labels, allowed as zeros and ones)."""
    return lambda log_p_xz, allowed: change(log_p_xz, torch.softmax(log_p_xz, 1), allowed.to(log_p_xz.dtype))


partial_labels = Exercise(
    ask="Return the posterior of each label given the datum and the set of labels that it may have.",
    reference=_partial_labels,
    cases=_half_known,
    misconceptions={
        "You did not use `allowed`: labels that are ruled out still have probability.": _with(lambda s, r, a: r),
        "Rows no longer sum to one: what the forbidden labels had must go to the allowed ones.": (
            _with(lambda s, r, a: r * a)
        ),
        "That is right until a forbidden label is far likelier than the allowed ones: then these have underflowed, and "
        "you divide zero by zero. Rule labels out before the softmax.": (
            _with(lambda s, r, a: r * a / (r * a).sum(1, keepdim=True))
        ),
        "exp leaves the range of floating point. Take each row's largest *allowed* log out first.": (
            _with(lambda s, r, a: s.exp() * a / (s.exp() * a).sum(1, keepdim=True))
        ),
        "You multiplied the logarithm by zero. A label that is ruled out has the logarithm minus infinity.": (
            _with(lambda s, r, a: torch.softmax(s * a, 1))
        ),
        "The allowed labels are not equally likely: the datum says which of them fits.": (
            _with(lambda s, r, a: a / a.sum(1, keepdim=True))
        ),
        "You ruled out the labels that are allowed.": (
            _with(lambda s, r, a: torch.softmax(s.masked_fill((a > 0) & ~(a > 0).all(1, keepdim=True), -math.inf), 1))
        ),
        "Your columns sum to one. The posterior is over labels: each row sums to one.": (
            _with(lambda s, r, a: torch.softmax(s.masked_fill(a == 0, -math.inf), 0))
        ),
        "You chose the best of the allowed labels for certain. Keep the doubt.": (
            _with(lambda s, r, a: torch.nn.functional.one_hot(
                s.masked_fill(a == 0, -math.inf).argmax(1), s.shape[1]).to(s))
        ),
        "You gave what the forbidden labels had to the allowed ones in equal parts. The ratios between allowed labels "
        "must stay as the joint has them.": (
            _with(lambda s, r, a: a * (r + (r * (1 - a)).sum(1, keepdim=True) / a.sum(1, keepdim=True)))
        ),
    },
    also_right=[_one_by_one, _by_hand, lambda s, a: (s + a.double().log()).softmax(1)],
)  # fmt: skip
