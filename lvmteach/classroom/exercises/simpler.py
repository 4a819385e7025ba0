"""Simpler inputs on which a wrong answer is right: what it does with them cannot be the mistake.

Nothing is guessed here: what is told was tried, on inputs of two sizes at least, and on others drawn anew. It says that
what is wrong has no effect there, and not which place that is.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, near

Change = Callable[[Tensor], Tensor]

TRIED = 4  # cases at most
TINY = 1e-12  # what rounding leaves of a zero
SIMPLER: dict[str, Change] = {
    "{} is zero": torch.zeros_like,
    "{} is one throughout": torch.ones_like,
    "{} is a diagonal matrix": lambda x: x * torch.eye(x.shape[-1], dtype=x.dtype) if _is_square(x) else x,
    "{} is the identity": lambda x: torch.eye(x.shape[-1], dtype=x.dtype).expand_as(x) if _is_square(x) else x,
    "all rows of {} are alike": lambda x: x[:1].expand_as(x) if x.ndim > 1 and not _is_square(x) else x,
    "all columns of {} are alike": lambda x: x[..., :1].expand_as(x) if x.ndim > 1 and not _is_square(x) else x,
    "all numbers of {} are alike": lambda x: x.flatten()[0].expand_as(x) if x.ndim and not _is_square(x) else x,
}

OF_SQUARES = [words for words in SIMPLER if "diagonal" in words or "identity" in words]
OF_STRUCTURE = [words for words in SIMPLER if "diagonal" in words]


def right_when_simpler(seen: Evidence, until: float) -> Diagnosis | None:
    """An argument made simpler, after which the answer is right: the mistake is in what is done with it."""
    if not seen.wrong_parts:
        return None  # the shape is the first thing to mend
    if any(all(near(a, a.round()) for a, _ in pairs.values()) for pairs in seen.wrong_parts.values()):
        return None  # classes, coins: many a formula gives the right ones where an argument is zero
    found: dict[str, str] = {}
    alone = sum(_is_real(value) for value in seen.cases[0]) == 1  # then its name says nothing
    square = [at for at in range(len(seen.names)) if all(_is_square(case[at]) for case in seen.cases if at < len(case))]
    for words, change in SIMPLER.items():
        if alone and words not in OF_STRUCTURE:
            continue
        for at, name in enumerate(seen.names):
            if words in OF_SQUARES and at not in square:
                continue
            if time.process_time() < until and name not in found and _is_right_with(seen, {at}, change):
                found[name] = words.format(name)
    if not found:
        return None
    words = ", and where ".join(list(found.values())[:2])
    return Diagnosis(f"Yours is right where {words}: what is wrong has no effect there.")


def _is_right_with(seen: Evidence, places: set[int], change: Change) -> bool:
    sizes, numbers = set(), []
    drawn = [(i, given) for i in _wrong_cases(seen) for given in seen.like(i)]
    for i, given in drawn:
        case = _made(given, places, change)
        if case is None:
            continue
        right, yours = seen.try_again(seen.reference, case), seen.try_again(seen.answer, case)
        if right.error is not None or right.value is None:
            continue
        named = seen.compare.parts(right.value, seen.inputs(i)).items()
        parts = [part.double().flatten() for name, part in named if name in seen.wrong_parts]
        if not parts or torch.cat(parts).isnan().any():
            continue
        if yours.error is not None or yours.value is None or not seen.alike(right, yours):
            return False
        if torch.cat(parts).isinf().any():
            continue  # it may be wrong there, but that it is right tells little
        sizes.add(seen.size(i))
        numbers.append(torch.cat(parts))
    return len(sizes) >= 2 and _differ(numbers)


def _differ(numbers: list[Tensor]) -> bool:
    """Whether right results tell something: zeros, or one number a case, come out of many a mistake."""
    every = torch.cat(numbers)
    several = [one for one in numbers if len(one) > 1]
    if several and all((one - one[0]).abs().max() < TINY for one in several):
        return False
    return len(every[every.abs() > TINY].unique()) > 2


def _wrong_cases(seen: Evidence) -> list[int]:
    """Declared cases in which something came back, one of each size first."""
    of_a_size: dict[tuple, list[int]] = {}
    for i in seen.numbers:
        of_a_size.setdefault(seen.size(i), []).append(i)
    return [i for same in itertools.zip_longest(*of_a_size.values()) for i in same if i is not None][:TRIED]


def _made(case: tuple, places: set[int], change: Change) -> tuple | None:
    """The case with some arguments changed; None if one of them cannot be, or is so already."""
    made = list(case)
    for at in places:
        if at >= len(case) or not _is_real(case[at]):
            return None
        old = case[at] if isinstance(case[at], Tensor) else torch.tensor(case[at], dtype=torch.float64)
        new = change(old.detach()).clone()
        if torch.equal(new, old.detach()) or not torch.equal(new.isnan(), old.isnan()):
            return None  # what is missing stays missing
        made[at] = new.requires_grad_(old.requires_grad) if isinstance(case[at], Tensor) else new.item()
    return tuple(made)


def _is_real(value: Any) -> bool:
    return type(value) is float or (isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 0)


def _is_square(x: Any) -> bool:
    return isinstance(x, Tensor) and x.ndim >= 2 and x.shape[-1] == x.shape[-2]
