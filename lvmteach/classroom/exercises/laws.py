"""What holds for every right result and not for the student's: a sum of one, a sign, a law of shift, scale or order.

Such a law is no reason, but it is true, and it says what to look at: told where no reason has been found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, near

CASES = 3  # wrong ones on which a law is tried; it must be broken on two of different sizes at least

# What may hold of a result, in words for the right one and for the other.
PROPERTIES: dict[tuple[str, str], Callable[[Tensor], bool]] = {
    ("is symmetric", "is not"): lambda a: a.ndim > 1 and a.shape[-1] == a.shape[-2] > 1 and near(a, a.mT),
    ("holds nothing but zeros and ones", "holds other numbers"): lambda a: bool(((a == 0) | (a == 1)).all()),
    ("lies between 0 and 1", "does not"): lambda a: bool(((a >= 0) & (a <= 1)).all()),
    ("is never negative", "is"): lambda a: bool((a >= 0).all()),
    ("is never positive", "is"): lambda a: bool((a <= 0).all()),
    ("holds whole numbers", "holds others"): lambda a: near(a, a.round()),
}


def property_lost(seen: Evidence) -> Diagnosis | None:
    """What every right result is, and no wrong one of the student's."""
    for name, pairs in seen.wrong_parts.items():
        every = [a for i, (a, _) in seen.parts[name].items() if i < seen.declared and a.numel()]
        wrong = [b for a, b in pairs.values() if not near(a, b) and b.isfinite().all()]
        if len({seen.size(i) for i in pairs}) < 2 or len(every) < 3 or len(wrong) < 2:
            continue
        for holds, lost, test in _properties():
            if all(test(a) for a in every) and not any(map(test, wrong)):
                whose = seen.whose(name)
                return Diagnosis(f"The right {whose.removeprefix('your ')} {holds} in every case; yours {lost}.")
    return None


def _properties() -> Iterator[tuple[str, str, Callable[[Tensor], bool]]]:
    for axis, words in ((0, "first"), (-1, "last")):
        yield (
            f"sums to one along its {words} axis",
            "does not",
            lambda a, axis=axis: a.ndim > 0 and near(torch.ones_like(a.sum(axis)), a.sum(axis)),
        )
        yield (
            f"sums to zero along its {words} axis",
            "does not",
            lambda a, axis=axis: a.ndim > 0 and bool((a.sum(axis).abs() <= 1e-9 * (1 + a.abs().amax(axis))).all()),
        )
    for (holds, lost), test in PROPERTIES.items():
        yield holds, lost, test


INPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "one is added to {}": lambda x: x + 1,
    "{} is doubled": lambda x: 2 * x,
    "{} changes its sign": torch.neg,
}
EFFECTS: dict[str, Callable[[Tensor], Tensor]] = {
    "stays as it is": lambda a: a,
    "grows by one": lambda a: a + 1,
    "falls by one": lambda a: a - 1,
    "doubles": lambda a: 2 * a,
    "is halved": lambda a: a / 2,
    "grows fourfold": lambda a: 4 * a,
    "changes its sign": torch.neg,
    "comes out in reversed order": lambda a: a.flip(0) if a.ndim else a + torch.nan,
    "comes out in reversed order along its last axis": lambda a: a.flip(-1) if a.ndim else a + torch.nan,
}


def broken(seen: Evidence) -> Diagnosis | None:
    """What a change of the arguments does to every right result, and not to the student's."""
    if not seen.informative or not seen.wrong_parts:
        return None
    name = next(iter(seen.wrong_parts))
    cases = _of_different_sizes(seen, [i for i in seen.wrong_parts[name] if i in seen.wrong and seen.is_finite(i)])
    if len(cases) < 2:
        return None
    for change, made in _changes(seen, cases):
        found = _effect(seen, name, cases, made)
        if found:
            whose = seen.whose(name).removeprefix("your ")
            return Diagnosis(f"When {change}, the right {whose} {found}; yours does not.")
    return None


def _of_different_sizes(seen: Evidence, cases: list[int]) -> list[int]:
    chosen = {seen.size(i): i for i in reversed(cases)}
    return sorted(chosen.values())[:CASES]


def _changes(seen: Evidence, cases: list[int]) -> Iterator[tuple[str, dict[int, tuple]]]:
    """A change in words, and every case with it."""
    for at, name in enumerate(seen.names):
        if all(_is_real(seen.argument(i, at)) for i in cases):
            for words, change in INPUTS.items():
                yield words.format(name), {i: _with(seen.cases[i], at, change) for i in cases}
    for at, name in enumerate(seen.names):
        for axis in (0, 1):
            lengths = {i: _length(seen.argument(i, at), axis) for i in cases}
            if all(lengths.values()):
                turned = {i: tuple(_turned(value, lengths[i]) for value in seen.cases[i]) for i in cases}
                with_it = [other for other in seen.names if other != name and _is_turned(seen, other, cases, turned)]
                words = f"what lies along axis {axis} of {name} comes in reversed order"
                yield words + (f", and in {' and '.join(with_it)} with it" if with_it else ""), turned


def _effect(seen: Evidence, name: str, cases: list[int], made: dict[int, tuple]) -> str:
    """What becomes of the right result in every case and of the student's in none; '' if there is no such thing."""
    rows = []
    for i in cases:
        right, yours = seen.try_again(seen.reference, made[i]), seen.try_again(seen.answer, made[i])
        if right.error is not None or yours.error is not None or right.value is None or yours.value is None:
            return ""
        new = [seen.compare.parts(one.value, seen.inputs(i)).get(name) for one in (right, yours)]
        if any(one is None for one in new):
            return ""
        rows.append((*seen.wrong_parts[name][i], *(one.double() for one in new)))
    for words, effect in EFFECTS.items():
        if all(near(effect(a), c) for a, _, c, _ in rows) and not any(near(effect(b), d) for _, b, _, d in rows):
            return words
    return ""


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 0


def _with(case: tuple, at: int, change: Callable[[Tensor], Tensor]) -> tuple:
    value = case[at]
    return (*case[:at], change(value.detach()).requires_grad_(value.requires_grad), *case[at + 1 :])


def _length(value: Any, axis: int) -> int:
    """How long an axis is, if it is long enough to turn round and no other one has its length; else 0."""
    if not isinstance(value, Tensor) or value.ndim <= axis or list(value.shape).count(value.shape[axis]) > 1:
        return 0
    return value.shape[axis] if value.shape[axis] > 1 else 0


def _is_turned(seen: Evidence, name: str, cases: list[int], turned: dict[int, tuple]) -> bool:
    at = seen.names.index(name)
    pairs = [(seen.cases[i][at], turned[i][at]) for i in cases if at < len(seen.cases[i])]
    return any(isinstance(a, Tensor) and not torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)


def _turned(value: Any, length: int) -> Any:
    if isinstance(value, tuple):
        return tuple(_turned(part, length) for part in value)
    if not isinstance(value, Tensor) or length not in value.shape:
        return value
    axes = [axis for axis, n in enumerate(value.shape) if n == length]
    return value.detach().flip(axes).requires_grad_(value.requires_grad)
