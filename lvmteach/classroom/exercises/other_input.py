"""The right answer for another input: an argument transformed, two exchanged, a part left out, a second round."""

from __future__ import annotations

import functools
import itertools
import types
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence
from lvmteach.classroom.exercises.fitting import MANY, fits, late, reals, telling
from lvmteach.classroom.exercises.running import copied, many_calls

TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "squared": torch.square, "its root": torch.sqrt, "its logarithm": torch.log, "its exponential": torch.exp,
    "with the other sign": torch.neg, "one over it": torch.reciprocal, "one less it": lambda x: 1 - x,
    "without its sign": torch.abs, "times two": lambda x: 2 * x, "halved": lambda x: x / 2,
    "transposed": lambda x: x.mT if x.ndim > 1 else x, "in reversed order": lambda x: x.flip(0) if x.ndim else x,
    "in reversed order along its last axis": lambda x: x.flip(-1) if x.ndim > 1 else x,
    "less its mean over the first axis": lambda x: x - x.mean(0) if x.ndim else x,
    "its mean over the first axis, for all": lambda x: x.mean(0, keepdim=True).expand_as(x) if x.ndim else x,
    "its first row for all": lambda x: x[:1].expand_as(x) if x.ndim else x,
    "its last row for all": lambda x: x[-1:].expand_as(x) if x.ndim else x,
    "its softmax": lambda x: x.softmax(-1) if x.ndim else x, "its sigmoid": torch.sigmoid,
    "set to zero": torch.zeros_like, "set to one": torch.ones_like, "rounded": torch.round,
    "inverted, as a matrix": lambda x: torch.linalg.inv(x) if x.ndim > 1 and x.shape[-1] == x.shape[-2] else x,
    "normalised along its last axis": lambda x: x / x.sum(-1, keepdim=True) if x.ndim else x,
}  # fmt: skip


INCREASING = {"squared", "its root", "its logarithm", "its exponential", "times two", "halved", "its sigmoid"}
NUDGE = 1e-5  # relative

# Of an argument that is a tuple of tensors, a net's layers or the draws of several layers: what all of them undergo.
OF_ALL: dict[str, Callable[[Tensor], Tensor]] = {
    "with its matrices transposed": lambda x: x.mT if x.ndim > 1 else x,
    "with zeros for its vectors": lambda x: 0 * x if x.ndim == 1 else x,
    "with the other sign": torch.neg, "one less it": lambda x: 1 - x, "rounded": torch.round,
    "with its first row for all rows": lambda x: x[:1].expand_as(x) if x.ndim > 1 else x,
    "its rows in reversed order": lambda x: x.flip(0) if x.ndim > 1 else x,
    "set to zero": torch.zeros_like,
}  # fmt: skip

OF_VALUES: dict[str, Callable[[Tensor], Tensor]] = {
    "their squares": torch.square, "their logarithms": torch.log, "their exponentials": torch.exp,
    "minus them": torch.neg, "their sigmoids": torch.sigmoid, "twice them": lambda x: 2 * x,
    "half of them": lambda x: x / 2, "zeros": torch.zeros_like,
}  # fmt: skip

Input = Callable[[tuple], tuple]  # another input in place of a case


def transformed(seen: Evidence, until: float) -> Diagnosis | None:
    """The reference, given something else: an argument transformed, two swapped."""
    if not telling(seen) or not reals(seen):
        return None
    first, candidates = seen.numbers[0], []
    with many_calls(until) as call:
        for n, (words, other_input) in enumerate(_other_inputs(seen)):
            other = _with(seen.reference, other_input)
            if seen.alike(call(other, seen.cases[first]), seen.received[first]):
                candidates.append((words, other))
            if late(until, n):
                break
    return next((Diagnosis(words) for words, other in candidates[:MANY] if fits(seen, other, until)), None)


def _other_inputs(seen: Evidence) -> Iterator[tuple[str, Input]]:
    """One argument transformed, two exchanged, or two transformed alike; in words, and made."""
    names, places = seen.names, range(len(seen.cases[0]))
    real = [at for at in places if all(_is_real(case[at]) for case in seen.cases)]
    for at in real:
        compared = _is_only_compared(seen, at)
        for words, change in TRANSFORMS.items():
            if compared and words in INCREASING:
                continue  # what it is compared with may be changed as well
            yield f"Your result is the right one for another input: {names[at]} {words}.", _at({at}, change)
    for at in places:
        if all(_holds_tensors(case[at]) for case in seen.cases):
            for words, change in OF_ALL.items():
                told = f"Your result is the right one for another input: {{}} {words}."
                yield told.format(names[at]), _at({at}, functools.partial(_each, change))
                for k in (0, -1):
                    yield told.format(f"{names[at]}[{k}]"), _at({at}, functools.partial(_in_part, k, change))
            told = f"Your result is the right one for another input: {names[at]} in reversed order."
            yield told, _at({at}, lambda value: value[::-1])
    for at in places:
        if all(isinstance(case[at], types.FunctionType) for case in seen.cases):
            for words, change in OF_VALUES.items():
                told = f"Your result is the right one if {words} stood in the place of the values of {names[at]}."
                yield told, _at({at}, functools.partial(_composed, change))
    yield from _less(seen)
    yield from _twice(seen)
    for i, j in itertools.combinations(places, 2):
        if all(type(case[i]) is type(case[j]) for case in seen.cases):
            yield f"Your result is the right one with {names[i]} and {names[j]} in each other's place.", _swapped(i, j)
    for i, j in itertools.combinations(real, 2):
        for words in ("squared", "its root"):  # variances for scales
            told = f"Your result is the right one for another input: {names[i]} and {names[j]}, each {words}."
            yield told, _at({i, j}, TRANSFORMS[words])


def _is_only_compared(seen: Evidence, at: int) -> bool:
    """Whether a small change of an argument changes no right result: uniform numbers that are held against chances."""

    def nudged(case: tuple) -> tuple:
        return tuple(_of(_nudged, value) if k == at else value for k, value in enumerate(case))

    return all(
        seen.alike(seen.try_again(seen.reference, nudged(seen.cases[i])), seen.expected[i]) for i in seen.numbers
    )


def _nudged(x: Tensor) -> Tensor:
    """Each number changed a little, by another factor than its neighbours."""
    return x * (1 + NUDGE * torch.linspace(1, 2, x.numel(), dtype=x.dtype).reshape(x.shape))


def _less(seen: Evidence) -> Iterator[tuple[str, Input]]:
    """Truth values exchanged; the first or last entry left out of all arguments that share a length."""
    for at, name in enumerate(seen.names[: len(seen.cases[0])]):
        if all(isinstance(case[at], Tensor) and case[at].dtype == torch.bool for case in seen.cases):
            yield f"Your result is the right one with True and False exchanged in {name}.", _at({at}, torch.logical_not)
    lengths = [tuple(len(v) if isinstance(v, Tensor) and v.ndim else 0 for v in case) for case in seen.cases]
    for first in range(len(lengths[0])):
        places = {at for at in range(len(lengths[0])) if all(one[at] == one[first] > 0 for one in lengths)}
        if places and min(places) == first:
            names = " and ".join(seen.names[at] for at in sorted(places))
            yield (
                f"Your result is the right one without the first of {names} along axis 0.",
                _at(places, lambda x: x[1:]),
            )
            yield (
                f"Your result is the right one without the last of {names} along axis 0.",
                _at(places, lambda x: x[:-1]),
            )


def _twice(seen: Evidence) -> Iterator[tuple[str, Input]]:
    """The right results given back as arguments: a second round."""
    values = [one.value for one in seen.expected]
    results = [value if isinstance(value, tuple | list) else (value,) for value in values]
    for many in sorted({1, min(map(len, results))}, reverse=True):
        for first in range(len(seen.cases[0]) - many + 1):
            pairs = [
                (case[first + k], result[k])
                for case, result in zip(seen.cases, results, strict=False)
                for k in range(many)
            ]
            if all(isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape for a, b in pairs):
                names = " and ".join(seen.names[first : first + many])

                def again(case: tuple, first: int = first, many: int = many) -> tuple:
                    value = seen.reference(*map(copied, case))
                    made = value[:many] if isinstance(value, tuple | list) else (value,)
                    return (*case[:first], *made, *case[first + many :])

                yield f"Your result is that of a second round: the right one, given its own results as {names}.", again


def _at(places: set[int], change: Callable[[Tensor], Tensor]) -> Input:
    return lambda case: tuple(_of(change, value) if at in places else value for at, value in enumerate(case))


def _swapped(i: int, j: int) -> Input:
    return lambda case: tuple(case[{i: j, j: i}.get(at, at)] for at in range(len(case)))


def _with(reference: Callable, other_input: Input) -> Callable:
    return lambda *case: reference(*other_input(case))


def _is_real(value: object) -> bool:
    return (isinstance(value, Tensor) and value.is_floating_point()) or type(value) is float


def _composed(change: Callable[[Tensor], Tensor], function: Callable) -> Callable:
    def other(*args):
        value = function(*args)
        return change(value) if isinstance(value, Tensor) else _each(change, value)

    return other


def _holds_tensors(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(one, Tensor) or _holds_tensors(one) for one in value)


def _each(change: Callable[[Tensor], Tensor], value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_each(change, one) for one in value)
    return change(value.detach()) if isinstance(value, Tensor) else value


def _in_part(k: int, change: Callable[[Tensor], Tensor], value: tuple) -> tuple:
    return tuple(_each(change, one) if at == k % len(value) else one for at, one in enumerate(value))


def _of(change: Callable, value: object) -> object:
    if isinstance(value, tuple | types.FunctionType):
        return change(value)
    if isinstance(value, Tensor):
        return change(value.detach())
    return change(torch.tensor(value, dtype=torch.float64)).item()
