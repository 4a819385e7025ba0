"""The one check of arguments that every room needs: a count is a whole number, and not too small."""

from __future__ import annotations

from numbers import Integral
from typing import Any


def at_least(least: int, **counts: Any) -> None:
    """Refuse a count, given by its name, that is no whole number or less than `least`.

    Raises:
        TypeError: not a whole number (1e3 is none to Python: it is 1000.0).
        ValueError: less than `least`.
    """
    for name, count in counts.items():
        if not isinstance(count, Integral):
            raise TypeError(f"{name} must be a whole number, got {count!r}; write 10_000, not 1e4")
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")
