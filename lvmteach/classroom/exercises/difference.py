"""What differs between a right result and a received one, in words that a narrow screen holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

MOST_DIGITS = 17  # tell any two floating point numbers apart


def largest_difference(expected: Any, received: Any, close: Tensor | bool) -> str:
    """The entry that is furthest off, and how many are off at all.

    Args:
        close: truth values, one an entry: whether it is near enough.
    """
    ours, theirs = as_tensor(expected), as_tensor(received)
    wrong = int((~torch.as_tensor(close)).sum())
    if ours.dtype == torch.bool:
        return f"{wrong} of {ours.numel()} truth values are wrong"
    gap = torch.where(torch.as_tensor(close), 0.0, _gap(ours, theirs))
    at = int(gap.abs().flatten().argmax())
    index = np.unravel_index(at, ours.shape) if ours.ndim else ()
    place = f"{wrong} of {ours.numel()} numbers differ, most at [{', '.join(str(int(i)) for i in index)}]: "
    right, yours = ours.flatten()[at].item(), theirs.flatten()[at].item()
    words = "expected {}, received {}".format(*_told_apart(right, yours))
    if math.isfinite(gap.flatten()[at]) and ours.is_floating_point():
        words += f", {abs(yours - right):.4g} too {'much' if yours > right else 'little'}"
    return (place if ours.numel() > 1 else "") + words


def _gap(ours: Tensor, theirs: Tensor) -> Tensor:
    """Received less expected; 0 between equal infinities, infinite where one of the two alone is."""
    gap = theirs.double() - ours.double()
    return torch.where(
        (ours == theirs) | (ours.isnan() & theirs.isnan()),
        0.0,
        gap.nan_to_num(nan=math.inf, posinf=math.inf, neginf=-math.inf),
    )


def _told_apart(a: float, b: float) -> tuple[str, str]:
    """Two numbers, with as many digits as it takes to see that they differ: six at least."""
    for digits in range(6, MOST_DIGITS + 1):
        words = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if words[0] != words[1]:
            break
    return words


def dtype_problem(ours: torch.dtype, theirs: torch.dtype) -> str:
    """What to do about a result of another dtype."""
    if ours == torch.bool:
        return f"the result should hold truth values (torch.bool), got {theirs}; a comparison makes them"
    if not ours.is_floating_point:
        return f"the result should hold whole numbers ({ours}), got {theirs}; .long() makes them"
    if not theirs.is_floating_point:
        return f"the result should have dtype {ours}, got {theirs}; .to(x.dtype) makes it like an input x"
    return f"the result should have dtype {ours}, got {theirs}; make new tensors like the input's: torch.zeros_like(x)"


def as_tensor(value: Any) -> Tensor:
    """A number or an array as a tensor without a graph; a float keeps its digits, whatever the default dtype is."""
    if isinstance(value, Tensor):
        return value.detach()
    return torch.as_tensor(value, dtype=torch.float64 if isinstance(value, float) else None)
