"""What a decoder reads while it is trained."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.sequences.shared import END, START, UNKNOWN, _sentences


def _decoder_input(x, hide, training):
    read = torch.cat([torch.full_like(x[:, :1], START), x[:, :-1]], 1)
    if not training:
        return read
    return torch.where(hide & (read != START), UNKNOWN, read)


@drawing
def _cases(draw):
    """`hide` is True at every first place, where START stands, and at no END or PAD: whether they go is not asked."""
    cases = []
    for number, (B, T) in enumerate(((2, 4), (3, 6), (4, 5), (3, 7))):
        hide, x = draw(B, T) > 0, _sentences(draw, B, T)
        hide[:, 0] = True
        hide[:, 1:] &= x[:, :-1] > UNKNOWN
        cases.append((x, hide, number % 2 == 0))
    return cases


def _shift(x):
    return torch.nn.functional.pad(x[:, :-1], (1, 0), value=START)


def _by_loop(x, hide, training):
    read = []
    for row, hidden in zip(x.tolist(), hide.tolist(), strict=True):
        before = [START, *row[:-1]]
        if training:
            before[1:] = [UNKNOWN if gone else word for word, gone in zip(before[1:], hidden[1:], strict=True)]
        read.append(before)
    return torch.tensor(read)


def _in_place_order(x, hide, training):
    read = _shift(x)
    if training:
        read[:, 1:] = read[:, 1:].masked_fill(hide[:, 1:], UNKNOWN)
    return read


decoder_input = Exercise(
    ask="Return what the decoder reads when it has to tell each event of x, with words hidden in training.",
    reference=_decoder_input,
    cases=_cases,
    misconceptions={
        "Not shifted: at place t the decoder reads the very word it has to tell. It may read x_1..x_t-1 only.": (
            lambda x, hide, training: torch.where(hide, UNKNOWN, x) if training else x
        ),
        "START is hidden as well: without it the decoder does not know that a sentence begins.": (
            lambda x, hide, training: torch.where(hide, UNKNOWN, _shift(x)) if training else _shift(x)
        ),
        "Words are hidden at test time too: a model is judged on whole sentences.": (
            lambda x, hide, training: torch.where(hide & (_shift(x) != START), UNKNOWN, _shift(x))
        ),
        "Nothing is hidden in training.": lambda x, hide, training: _shift(x),
        "`hide` marks the words that stay here; it should mark those that go.": (
            lambda x, hide, training: (
                torch.where(~hide & (_shift(x) != START), UNKNOWN, _shift(x)) if training else _shift(x)
            )
        ),
        "The mark before the first word is START, not END.": (
            lambda x, hide, training: _shift_from(x, END, hide, training)
        ),
        "You hid words before shifting, so the mask is one place off: it belongs to what is read.": (
            lambda x, hide, training: _shift(torch.where(hide, UNKNOWN, x)) if training else _shift(x)
        ),
        "The row has become one longer: the last event is never read, as nothing comes after it.": (
            lambda x, hide, training: torch.cat([torch.full_like(x[:, :1], START), x], 1)
        ),
    },
    also_right=[_by_loop, _in_place_order],
)


def _shift_from(x, mark, hide, training):
    read = _decoder_input(x, hide, training)
    return torch.where(read == START, mark, read)
