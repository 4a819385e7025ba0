"""The letters of a text that every Python has: the help pages of the language itself. No network is needed."""

from __future__ import annotations

import re

import torch
from jaxtyping import Int
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least

ALPHABET = "abcdefghijklmnopqrstuvwxyz "


def prose(N: int = 400, T: int = 100) -> Int[Tensor, "N T"]:
    """N lines of T letters of English: 0 to 25 for a to z, 26 for a space; `spelt` writes them out.

    Capitals become small, whatever is no letter becomes a space, runs of one letter (rows of x, rules of dashes) are
    cut. The text differs a little from one version of Python to the next.

    Raises:
        ValueError: the text is shorter than N T letters (some 400 000).
    """
    at_least(1, N=N, T=T)
    from pydoc_data import topics  # imported here: it is half a megabyte

    text = " ".join(page for _, page in sorted(topics.topics.items()))
    text = re.sub(r"(.)\1{3,}", r"\1", re.sub(r"[^a-z]+", " ", text.lower()))
    if len(text) < N * T:
        raise ValueError(f"the text has {len(text)} letters, got N T = {N * T}; take fewer or shorter lines")
    # The bytes of a to z lie in a row.
    x = torch.frombuffer(bytearray(text[: N * T], "ascii"), dtype=torch.uint8).long() - ord("a")
    return x.where(x >= 0, ALPHABET.index(" ")).view(N, T)


@as_annotated
def spelt(x: Int[Tensor, " T"]) -> str:
    """A row of letters as text."""
    return "".join(ALPHABET[i] for i in x.tolist())
