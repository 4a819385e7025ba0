"""What a check says, and the error it raises where only a pass will do."""

from __future__ import annotations

import os
import textwrap
from typing import NamedTuple

WIDTH = 60  # columns that a phone shows


class CheckFailed(AssertionError):
    """An exercise was not passed where only a pass will do: `strict`."""


def strict() -> bool:
    """Whether only a pass will do: asked for by LVMTEACH_STRICT=1, and whenever nbgrader validates or grades."""
    return os.environ.get("LVMTEACH_STRICT") == "1" or bool(os.environ.get("NBGRADER_EXECUTION"))


class Verdict(NamedTuple):
    """What a check says. status: passed, not yet, or not attempted. diagnosis: the sentence that helps, or ''.

    place: where to look, said at a second call.
    """

    status: str
    message: str
    diagnosis: str = ""
    place: str = ""

    def __str__(self) -> str:
        message = wrapped(self.message)
        return f"{message}\n{wrapped(self.diagnosis, '  -> ')}" if self.diagnosis else message


def wrapped(text: str, before: str = "") -> str:
    """A text in lines that a phone shows; what comes in lines of its own (the student's code, a tensor) stays so."""
    first, *rest = text.split("\n")
    indent = " " * len(before) or "  "
    lines = textwrap.fill(
        first, WIDTH, initial_indent=before, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join([lines, *rest])
