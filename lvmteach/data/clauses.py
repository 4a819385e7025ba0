"""Lines of Shakespeare, for a sentence model that is to meet real text. An option: the course does without them.

The text is in the public domain. This selection, 40000 lines of it, is the one that A. Karpathy's char-rnn came with.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from jaxtyping import Int
from torch import Tensor

from lvmteach.arguments import at_least
from lvmteach.data.files import Published, obtain
from lvmteach.vocabulary import Vocabulary, vocabulary

MIRRORS = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/",
)
FILE = Published("input.txt", 1115394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed")
WORDS = range(4, 12)  # how many a line may have


class Clauses(NamedTuple):
    """Lines as numbers (words, END, PAD), no line twice, and the words the numbers stand for."""

    train: Int[Tensor, "N T"]
    test: Int[Tensor, "M T"]  # every tenth line
    vocabulary: Vocabulary


def clauses(common: int = 1000, patience: float = 15.0) -> Clauses:
    """Lines of 4 to 11 words, all of them among the `common` commonest, in small letters.

    From the folder LVMTEACH_DATA if it is set, else from the cache or the web (1.1 MB), its SHA-256 checked.

    Raises:
        ValueError: fewer than two lines are left.
        FileNotFoundError, ValueError, ConnectionError, OSError: see `files.obtain`.
    """
    at_least(1, common=common)
    return made(obtain([FILE], MIRRORS, patience)[FILE.name].decode("ascii"), common)


def made(text: str, common: int) -> Clauses:
    """The clauses of a play: its lines, without those that name a speaker."""
    spoken = [line for line in text.lower().splitlines() if not line.endswith(":")]
    lines = [re.findall(r"[a-z]+(?:'[a-z]+)*", line) for line in spoken]
    known = {word for word, _ in Counter(word for line in lines for word in line).most_common(common)}
    kept = sorted({tuple(line) for line in lines if len(line) in WORDS and known.issuperset(line)})
    if len(kept) < 2:
        raise ValueError(f"common = {common} words leave {len(kept)} lines, and a test line needs one more; take more")
    words = vocabulary(known)
    return Clauses(words.encode([c for i, c in enumerate(kept) if i % 10]), words.encode(kept[::10]), words)
