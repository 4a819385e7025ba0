"""What several exercises of this stage share: small chains, and rows of words with their marks."""

from __future__ import annotations

import torch

from lvmteach.vocabulary import END, PAD, START, UNKNOWN

WORDS = 8  # in the vocabulary, the four marks among them


def _chain(draw, C, V):
    """start (C,), transition (C, C), emission (C, V), none of them symmetric."""
    return tuple(torch.softmax(1.5 * draw(*shape), -1) for shape in ((C,), (C, C), (C, V)))


def _symbols(draw, T, V):
    return (draw(T).abs() * 1000).long() % V


def _sentences(draw, B, T):
    """Rows of words, END, PAD; the first as long as the table allows, the last of one word."""
    x = 4 + (draw(B, T).abs() * 1000).long() % (WORDS - 4)
    n = 1 + (draw(B).abs() * 1000).long() % (T - 1)
    n[0], n[-1] = T - 1, 1
    at = torch.arange(T)
    x = torch.where(at < n[:, None], x, PAD)
    return torch.where(at == n[:, None], END, x)


__all__ = ["END", "PAD", "START", "UNKNOWN", "WORDS", "_chain", "_sentences", "_symbols"]
