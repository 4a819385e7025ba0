"""What a check says, and the error it raises where only a pass will do."""

from __future__ import annotations

import os
from typing import NamedTuple


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
        return f"{self.message}\n  -> {self.diagnosis}" if self.diagnosis else self.message
