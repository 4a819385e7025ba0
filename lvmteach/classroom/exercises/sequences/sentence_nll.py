"""The negative log-likelihood of sentences of unequal length."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.sequences.shared import END, PAD, UNKNOWN, WORDS, _sentences


def _sentence_nll(logits, x):
    log_p = logits.log_softmax(-1).gather(-1, x[..., None])[..., 0]
    return -(log_p * (x != PAD)).sum(1)


@drawing
def _cases(draw):
    cases = [(2 * draw(B, T, WORDS), _sentences(draw, B, T)) for B, T in ((2, 4), (3, 6), (4, 5), (5, 9))]
    cases[2][1][1, 0] = UNKNOWN
    sure = 1000 * draw(3, 5, WORDS) + 2000 * draw(3, 5, 1)  # and wrong; no common maximum serves all places
    return [*cases, (sure, _sentences(draw, 3, 5))]


def _told(logits, x):
    return logits.log_softmax(-1).gather(-1, x[..., None])[..., 0]


def _by_loop(logits, x):
    log_p = logits.log_softmax(-1)
    return torch.stack(
        [-sum(log_p[b, t, word] for t, word in enumerate(row) if word != PAD) for b, row in enumerate(x.tolist())]
    )


def _to_its_end(logits, x):
    so_far = _told(logits, x).cumsum(1)
    return torch.stack([-log_p[row.index(END)] for log_p, row in zip(so_far, x.tolist(), strict=True)])


sentence_nll = Exercise(
    ask="Return -log p of each sentence, in nats, from the logits of every next event.",
    reference=_sentence_nll,
    cases=_cases,
    misconceptions={
        "Padding is counted: it is no event, and a longer table must change nothing.": (
            lambda logits, x: -_told(logits, x).sum(1)
        ),
        "END is left out. It is an event: without it the probabilities of all sentences do not sum to one.": (
            lambda logits, x: -(_told(logits, x) * ((x != PAD) & (x != END))).sum(1)
        ),
        "The target is shifted: logits at place t already tell x_t, because the decoder read x_1..x_t-1.": (
            lambda logits, x: -(_told(logits[:, :-1], x[:, 1:]) * (x[:, 1:] != PAD)).sum(1)
        ),
        "This is a mean per event. A sentence's log probability is the sum over its events.": (
            lambda logits, x: -(_told(logits, x) * (x != PAD)).sum(1) / (x != PAD).sum(1)
        ),
        "One number for the batch: return one a sentence, (B,).": (
            lambda logits, x: -(_told(logits, x) * (x != PAD)).sum()
        ),
        "Logits are no log probabilities: subtract the logsumexp over the vocabulary.": (
            lambda logits, x: -(logits.gather(-1, x[..., None])[..., 0] * (x != PAD)).sum(1)
        ),
        "You normalised over places. The vocabulary is the last axis.": (
            lambda logits, x: -(logits.log_softmax(1).gather(-1, x[..., None])[..., 0] * (x != PAD)).sum(1)
        ),
    },
    also_right=[
        _by_loop,
        _to_its_end,
        lambda logits, x: F.cross_entropy(logits.transpose(1, 2), x, ignore_index=PAD, reduction="none").sum(1),
    ],
)
