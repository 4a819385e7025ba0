"""What is special about an input taken away: whether the answer is right then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Evidence
from lvmteach.classroom.exercises.features import (
    EXTREMES,
    FAR,
    LONG,
    LONGER,
    extreme,
    is_extreme,
    is_real,
    length_of,
    most_of_right,
    tensors_in,
)
from lvmteach.classroom.exercises.trying import is_right_on, is_right_with


def explains(seen: Evidence, words: str) -> bool | None:
    """Whether the answer is right when what is special is taken away: a likeness of the wrong cases may be chance.

    None where that cannot be tried.
    """
    for special, measure in EXTREMES.items():
        if words == extreme(seen, special, measure):
            return any(_right_when_shrunk(seen, measure, i) for i in seen.wrong)
    for at, name in enumerate(seen.names):
        for axis in (0, 1):
            if words == LONGER.format(axis, name):
                return any(_right_when_short(seen, i, length_of(seen.argument(i, at), axis)) for i in seen.wrong)
        if words == LONG.format(name):
            longest = {i: max(one.shape) for i in seen.wrong for one in tensors_in(seen.argument(i, at))}
            return any(_right_when_short(seen, i, length) for i, length in longest.items())
    for special, change in ORDINARY.items():
        for at, name in enumerate(seen.names):
            if words != special.format(name):
                continue
            if not all(is_real(seen.argument(i, at)) for i in seen.wrong):
                return None  # a tuple of tensors, say
            if "far apart" in words and not all(is_right_with(seen, i, at, to) for i in seen.wrong for to in ENDS):
                return False  # wrong as well where all numbers are large alike
            return any(is_right_with(seen, i, at, change) for i in seen.wrong)
    return None


def _right_when_short(seen: Evidence, i: int, length: int) -> bool:
    """Whether the answer is right on a wrong case, when all axes of one length are cut to two entries."""
    return is_right_on(seen, i, tuple(_short(value, length) for value in seen.cases[i]))


def _short(value: Any, length: int) -> Any:
    if isinstance(value, tuple):
        return tuple(_short(part, length) for part in value)
    if not isinstance(value, Tensor):
        return value
    short = value.detach()
    for axis, n in enumerate(value.shape):
        if n == length:
            short = short.narrow(axis, 0, 2)
    return short.clone().requires_grad_(value.requires_grad)


ENDS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda x: x[x.isfinite()].max().expand_as(x), lambda x: x[x.isfinite()].min().expand_as(x),
)  # fmt: skip

ORDINARY: dict[str, Callable[[Tensor], Tensor]] = {
    "{} holds an infinity, and the right result none": lambda x: x.clamp(-3, 3),
    "the first of {} along axis 0 holds an infinity": lambda x: x.clamp(-3, 3),
    "{} holds an infinity": lambda x: x.clamp(-3, 3),
    "{} holds negative numbers": torch.abs,
    "{} is zero somewhere": lambda x: torch.where((x == 0) | (x == 1), 0.3, x),
    FAR: lambda x: x.clamp(-15, 15),
    "{} holds large numbers (beyond 1000)": lambda x: x.clamp(-15, 15),
    "{} holds large numbers (beyond 100)": lambda x: x.clamp(-15, 15),
    "{} holds large numbers (beyond 20)": lambda x: x.clamp(-15, 15),
    "{} holds large positive numbers (beyond 100)": lambda x: x.clamp(max=15),
    "{} comes very near to one": lambda x: torch.where((1 - x).abs() < 1e-6, 0.9, x),
    "{} holds small numbers (below 0.01)": lambda x: torch.where(x.abs() < 0.01, 0.3, x),
    "{} holds small numbers (below 0.1)": lambda x: torch.where(x.abs() < 0.1, 0.3, x),
    "{} holds tiny numbers (below 1e-3)": lambda x: torch.where(x.abs() < 1e-3, 0.1, x),
    "{} holds tiny numbers (below 1e-6)": lambda x: torch.where(x.abs() < 1e-6, 0.1, x),
}


def _right_when_shrunk(seen: Evidence, measure: Callable[[Tensor], float], i: int) -> bool:
    """Whether the answer is right on a wrong case whose large arguments are made as small as those of right ones."""
    case = list(seen.cases[i])
    for at, value in enumerate(case):
        if is_extreme(seen, at, measure, i):
            smaller = most_of_right(seen, at, measure) / measure(value.detach().double())
            case[at] = (value.detach() * smaller).requires_grad_(value.requires_grad)
    return is_right_on(seen, i, tuple(case))
