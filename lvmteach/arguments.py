"""What every room asks of its arguments: counts that count, matrices with a root; and messages of bounded length."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

OURS = ("lvmteach", "jaxtyping", "torch")  # whose frames stand between a warning and the line that it is about


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


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as from the line that called us: the first one that is not ours."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def few(values: Iterable[Any], most: int = 8) -> str:
    """The first of the values, and how many more there are: no message is longer than a paragraph."""
    values = list(values)
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in values[:most]) + more


def cholesky(name: str, matrix: Tensor) -> Tensor:
    """The lower Cholesky root of a matrix, or of many (*B, D, D); refused by its name where there is none.

    Raises:
        ValueError: the matrix is not finite, or not positive definite.
    """
    root, failed = torch.linalg.cholesky_ex(matrix)
    if failed.any():
        raise ValueError(f"{name} must be symmetric and positive definite, got {_why_not(matrix, failed)}")
    return root


def _why_not(matrix: Tensor, failed: Tensor) -> str:
    which = f" (number {few(failed.flatten().nonzero().flatten().tolist())})" if failed.ndim else ""
    if not matrix.isfinite().all():
        return f"NaN or infinite entries{which}; look where they come from"
    least = torch.linalg.eigvalsh(matrix.detach()).min()
    return f"one with an eigenvalue of {float(least):.3g}{which}; a covariance is made as A @ A.T + 1e-6 * torch.eye(D)"
