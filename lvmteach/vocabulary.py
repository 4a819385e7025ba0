"""Words as whole numbers, and the four marks that every model of sentences needs.

A sentence of t words is a row of its numbers, then END, then PAD up to the width of the table:

    the cow leads a hen END PAD PAD        (N, T) int64

END is an event like a word: a model must say when a sentence is over, or its probabilities do not sum to one. PAD is
none, and must count for nothing. START stands before the first word in what a decoder reads, never in the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from lvmteach.annotated import as_annotated

PAD, START, END, UNKNOWN = range(4)
MARKS = ("<pad>", "<start>", "<end>", "<unknown>")


class Vocabulary(NamedTuple):
    """All words that a model knows; the first four are the marks."""

    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, sentences: Sequence[Sequence[str]]) -> Int[Tensor, "N T"]:
        """The sentences, each a sequence of words, as one table, as wide as the longest with its END.

        Words that the vocabulary does not have become UNKNOWN.

        Raises:
            ValueError: there is no sentence, or one is a bare string.
        """
        if not len(sentences):
            raise ValueError("sentences must hold at least one, got none")
        if any(isinstance(sentence, str) for sentence in sentences):
            raise ValueError("a sentence must be a sequence of words, got a string; split it: sentence.split()")
        number = {word: i for i, word in enumerate(self.words)}
        x = torch.full((len(sentences), max(map(len, sentences)) + 1), PAD)
        for row, sentence in zip(x, sentences, strict=True):
            row[: len(sentence) + 1] = torch.tensor([*(number.get(word, UNKNOWN) for word in sentence), END])
        return x

    @as_annotated
    def decode(self, x: Int[Tensor, "N T"]) -> list[str]:
        """Each row as words with single spaces, up to its END."""
        return [" ".join(self.words[i] for i in row[: _length(row)]) for row in x.tolist()]


def vocabulary(words: Iterable[str]) -> Vocabulary:
    """The marks, then every different word in alphabetical order."""
    return Vocabulary((*MARKS, *sorted(set(words))))


@as_annotated
def lengths(x: Int[Tensor, "N T"]) -> Int[Tensor, " N"]:
    """How many events each row holds: its words and its END."""
    return (x != PAD).sum(-1)


def _length(row: list[int]) -> int:
    return next((t for t, i in enumerate(row) if i in (END, PAD)), len(row))
