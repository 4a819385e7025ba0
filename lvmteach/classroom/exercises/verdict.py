"""What a check says, and the error it raises where only a pass will do."""

from __future__ import annotations

from typing import NamedTuple


class CheckFailed(AssertionError):
    """An exercise was not passed, and LVMTEACH_STRICT=1 asked for an error."""


class Verdict(NamedTuple):
    """What a check says. status: passed, not yet, or not attempted. diagnosis: the misconception's sentence, or ''."""

    status: str
    message: str
    diagnosis: str = ""

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.diagnosis}" if self.diagnosis else self.message
