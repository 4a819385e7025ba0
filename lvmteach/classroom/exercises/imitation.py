"""Which change of a right answer gives the student's numbers: another input, or one place of the formula changed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, size_of
from lvmteach.classroom.exercises.mutation import Mutant, mutants

TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "squared": torch.square, "its root": torch.sqrt, "its logarithm": torch.log, "its exponential": torch.exp,
    "with the other sign": torch.neg, "one over it": torch.reciprocal, "one less it": lambda x: 1 - x,
    "without its sign": torch.abs, "times two": lambda x: 2 * x, "halved": lambda x: x / 2,
    "transposed": lambda x: x.mT if x.ndim > 1 else x, "in reversed order": lambda x: x.flip(0) if x.ndim else x,
    "in reversed order along its last axis": lambda x: x.flip(-1) if x.ndim > 1 else x,
    "less its mean over the first axis": lambda x: x - x.mean(0) if x.ndim else x,
    "its mean over the first axis, for all": lambda x: x.mean(0, keepdim=True).expand_as(x) if x.ndim else x,
    "its softmax": lambda x: x.softmax(-1) if x.ndim else x, "its sigmoid": torch.sigmoid,
    "set to zero": torch.zeros_like, "set to one": torch.ones_like, "rounded": torch.round,
    "normalised along its last axis": lambda x: x / x.sum(-1, keepdim=True) if x.ndim else x,
}  # fmt: skip


def transformed(seen: Evidence, until: float) -> Diagnosis | None:
    """The reference, given something else: an argument transformed, two swapped."""
    if not seen.informative:
        return None
    names = seen.names
    for at, name in enumerate(names[: len(seen.cases[0])]):
        if all(_is_real(case[at]) for case in seen.cases):
            for words, change in TRANSFORMS.items():
                if _explains(
                    seen, lambda case, at=at, f=change: (*case[:at], _of(f, case[at]), *case[at + 1 :]), until
                ):
                    return Diagnosis(f"Your result is the right one for another input: {name} {words}.")
    for i, j in itertools.combinations(range(len(seen.cases[0])), 2):
        if all(type(case[i]) is type(case[j]) for case in seen.cases):

            def swapped(case: tuple, i: int = i, j: int = j) -> tuple:
                given = list(case)
                given[i], given[j] = given[j], given[i]
                return tuple(given)

            if _explains(seen, swapped, until):
                return Diagnosis(f"Your result is the right one with {names[i]} and {names[j]} in each other's place.")
    for i, j in itertools.combinations(range(len(seen.cases[0])), 2):
        if all(_is_real(case[i]) and _is_real(case[j]) for case in seen.cases):
            for words in ("squared", "its root"):  # variances for scales

                def both(case: tuple, at: tuple = (i, j), f: Callable = TRANSFORMS[words]) -> tuple:
                    return tuple(_of(f, value) if k in at else value for k, value in enumerate(case))

                if _explains(seen, both, until):
                    return Diagnosis(
                        f"Your result is the right one for another input: {names[i]} and {names[j]}, each {words}."
                    )
    return None


def _is_real(value: object) -> bool:
    return (isinstance(value, Tensor) and value.is_floating_point()) or type(value) is float


def _of(change: Callable[[Tensor], Tensor], value: Tensor | float) -> Tensor | float:
    if isinstance(value, Tensor):
        return change(value.detach())
    return change(torch.tensor(value, dtype=torch.float64)).item()


def _explains(seen: Evidence, other_input: Callable[[tuple], tuple], until: float) -> bool:
    return _fits(seen, lambda *case: seen.reference(*other_input(case)), until)


def _fits(seen: Evidence, other: Callable, until: float) -> bool:
    """Whether another function does what the answer does, on every case, and on two wrong ones of different sizes."""
    wrong = seen.wrong
    if any(seen.received[i].value is None for i in wrong):  # an error says too little
        return False
    if len({size_of(seen.cases[i]) for i in wrong}) < 2 or time.process_time() > until:
        return False
    return all(
        seen.alike(seen.try_again(other, seen.cases[i]), seen.received[i]) for i in (*wrong, *seen.right)
    )  # the wrong ones first: most changes fail there


def changed_in_one_place(seen: Evidence, until: float) -> Diagnosis | None:
    """A right answer with one place of its formula changed; of several that do the same, all kinds are told."""
    if not seen.informative:
        return None
    for function in (seen.reference, *seen.models):
        found = [mutant for mutant in _changes_of(function) if _fits(seen, mutant.function, until)]
        if found or time.process_time() > until:
            break
    kinds = list(dict.fromkeys(mutant.kind for mutant in found))
    if not 1 <= len(kinds) <= 2:
        return None
    inputs = list(dict.fromkeys(name for mutant in found for name in mutant.inputs))
    place = f"Look at what is done with {' and '.join(inputs)}." if 1 <= len(inputs) <= 2 else ""
    return Diagnosis(f"These are the numbers that come out when {', or '.join(kinds)}.", place)


def _changes_of(function: Callable) -> Iterator[Mutant]:
    try:
        yield from mutants(function)
    except (OSError, TypeError, SyntaxError, AttributeError):  # no source to change: a lambda, a partial
        return
