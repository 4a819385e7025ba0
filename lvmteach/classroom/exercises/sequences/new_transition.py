"""Expected counts of transitions, and what the M step makes of them."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _new_transition(pairs, lengths):
    T = pairs.shape[1] + 1
    inside = torch.arange(1, T) < lengths[:, None]
    counts = (pairs * inside[:, :, None, None]).sum((0, 1))
    return counts / counts.sum(1, keepdim=True)


@drawing
def _cases(draw):
    """Posteriors of pairs; behind a sequence's end stands what a batched recursion leaves there, not zero."""
    cases = []
    for N, T, C in ((2, 3, 2), (3, 5, 3), (4, 4, 2), (6, 8, 4)):
        pairs = torch.softmax(2 * draw(N, T - 1, C * C), -1).view(N, T - 1, C, C)
        lengths = 1 + (1000 * draw(N).abs()).long() % T
        lengths[0], lengths[-1] = T, 2
        cases.append((pairs, lengths))
    logits = 2 * draw(3, 5, 3, 3)
    logits[:, :, 1] -= 26  # a state where the chain hardly ever is
    pairs = torch.softmax(logits.flatten(2), -1).view(3, 5, 3, 3)
    return [*cases, (pairs, torch.tensor([4, 1, 5]))]  # and no sequence as long as the table


def _by_loop(pairs, lengths):
    C = pairs.shape[-1]
    counts = torch.zeros(C, C, dtype=pairs.dtype)
    for one, n in zip(pairs, lengths.tolist(), strict=True):
        for t in range(n - 1):
            counts += one[t]
    return torch.stack([row / row.sum() for row in counts])


def _with(pairs, lengths, more=0, inside=True, axis=1, first=False, pseudo=0.0):
    T = pairs.shape[1] + 1
    keep = torch.arange(1, T) < lengths[:, None] + more
    if first:
        keep = torch.arange(1, T) == 1
        keep = keep.expand(len(pairs), -1)
    counts = (pairs * keep[:, :, None, None] if inside else pairs).sum((0, 1)) + pseudo
    return counts / counts.sum(axis, keepdim=True)


def _mean_of_shares(pairs, lengths):
    inside = torch.arange(1, pairs.shape[1] + 1) < lengths[:, None]
    shares = pairs / pairs.sum(-1, keepdim=True)
    return (shares * inside[:, :, None, None]).sum((0, 1)) / inside.sum()


def _counts(pairs, lengths):
    counts = _by_loop(pairs, lengths)
    inside = torch.arange(1, pairs.shape[1] + 1) < lengths[:, None]
    return counts * (pairs * inside[:, :, None, None]).sum((0, 1)).sum(1, keepdim=True)


new_transition = Exercise(
    ask="Turn posteriors of pairs of states into the transition matrix that the M step chooses.",
    reference=_new_transition,
    cases=_cases,
    misconceptions={
        "You count behind the ends: a sequence of n steps has n - 1 transitions, and none leads into the next row.": (
            lambda pairs, lengths: _with(pairs, lengths, inside=False)
        ),
        "One transition too many: the step out of the last observation is no step.": (
            lambda pairs, lengths: _with(pairs, lengths, more=1)
        ),
        "You added one to every count. Nothing asks for it here: divide the expected counts as they are.": (
            lambda pairs, lengths: _with(pairs, lengths, pseudo=1.0)
        ),
        "You normalised the columns. Row c is a distribution over where one goes from c: rows sum to one.": (
            lambda pairs, lengths: _with(pairs, lengths, axis=0)
        ),
        "You normalised the whole matrix: that is p(z_t, z_t+1). Divide each row by its own sum.": (
            lambda pairs, lengths: _with(pairs, lengths, axis=(0, 1))
        ),
        "An average of shares gives a step that is hardly in c the same say about c as any other. Add counts first, "
        "divide once.": _mean_of_shares,
        "These are expected counts. The M step divides each row by its sum.": _counts,
        "Only the first transition of each sequence is counted; all of them inform the same matrix.": (
            lambda pairs, lengths: _with(pairs, lengths, first=True)
        ),
    },
    also_right=[
        _by_loop,
        lambda pairs, lengths: torch.nn.functional.normalize(
            sum(one[: n - 1].sum(0) for one, n in zip(pairs, lengths.tolist(), strict=True)), p=1, dim=1
        ),
    ],
)
