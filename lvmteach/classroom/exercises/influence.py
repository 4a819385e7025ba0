"""Inputs that count too much, or not at all: data that influence each other, arguments that are ignored."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, near

FEW = 3  # right cases that are tried besides
MANY_CASES = 8  # wrong ones, in none of which an argument that is ignored may matter


def depends_on_others(seen: Evidence) -> Diagnosis | None:
    """Make all data like the first one, or the last: where each stands alone, the result of that one stays as it is.

    In two cases of different sizes at least, if as many are wrong, and nowhere else than in the student's.
    """
    if not seen.informative:
        return None
    enough = min(2, len({seen.size(i) for i in seen.wrong}))
    told: dict[tuple, set] = {}
    for i in (*seen.wrong, *seen.right[:FEW]):  # what is right may cease to be when other data come
        for axis, words in _mixed(seen, i):
            told.setdefault((axis, words), set()).add(seen.size(i))
            if len(told[axis, words]) >= enough and _stands_alone(seen, axis):
                return Diagnosis(
                    f"Along axis {axis} of your result the numbers influence each other: when the other data change, "
                    f"so does the {words} number. In the right answer each stands alone. "
                    "Look for a mean, a sum or a maximum over too much."
                )
    return None


def _mixed(seen: Evidence, i: int) -> Iterator[tuple[int, str]]:
    """The axes of a result along which the student's numbers influence each other, and the right ones do not.

    And which number shows it.
    """
    ours, theirs = seen.expected[i], seen.received[i]
    if not isinstance(ours.value, Tensor) or not isinstance(theirs.value, Tensor):
        return
    if ours.value.shape != theirs.value.shape:
        return
    for axis, words, at, case in _all_alike(seen, i):
        right, yours = seen.try_again(seen.reference, case), seen.try_again(seen.answer, case)
        if not isinstance(right.value, Tensor) or not isinstance(yours.value, Tensor):
            continue
        if right.value.shape != ours.value.shape or yours.value.shape != ours.value.shape:
            continue
        here = [o.value.detach().double().select(axis, at) for o in (ours, right, theirs, yours)]
        if here[0].any() and near(here[0], here[1]) and not near(here[2], here[3]):
            yield axis, words


def _stands_alone(seen: Evidence, along: int) -> bool:
    """Whether no right number depends on the other data along an axis, in any case: in one it may be chance."""
    for i in range(seen.declared):
        ours = seen.expected[i].value
        for axis, _, at, case in _all_alike(seen, i) if isinstance(ours, Tensor) else ():
            right = seen.try_again(seen.reference, case).value if axis == along else None
            if not isinstance(right, Tensor) or right.shape != ours.shape:
                continue
            if not near(*(one.detach().double().select(axis, at) for one in (ours, right))):
                return False
    return True


def _all_alike(seen: Evidence, i: int) -> Iterator[tuple[int, str, int, tuple]]:
    """A case with all data made like the first, or the last, for each axis of the right result that holds data."""
    shape = seen.expected[i].value.shape
    if len(set(shape)) < len(shape):
        return  # in a square matrix nothing stands alone
    for axis, length in enumerate(shape):
        if any(type(value) is int and value == length for value in seen.cases[i]):
            continue  # it comes from a number, not from data
        if any(list(value.shape).count(length) > 1 for value in seen.cases[i] if isinstance(value, Tensor)):
            continue  # two axes of this length: which one holds the data?
        for words, at in (("first", 0), ("last", length - 1)) if length > 1 else ():
            yield axis, words, at, tuple(_all_like(value, length, at) for value in seen.cases[i])


def _all_like(value: Any, length: int, at: int) -> Any:
    if not isinstance(value, Tensor) or length not in value.shape:
        return value
    changed = value.detach()
    for axis, n in enumerate(value.shape):
        if n == length:
            changed = changed.narrow(axis, at, 1).expand_as(changed)
    return changed.clone().requires_grad_(value.requires_grad)


def ignored(seen: Evidence) -> Diagnosis | None:
    """Arguments that change the right result, and the student's in no case, right ones among them; or parts of them."""
    if not seen.informative:
        return None
    names = []
    if len(seen.names) == 1 and not _is_flat(seen):
        return None  # rounded, say: another input may give the same
    for at, name in enumerate(seen.names):
        if _is_ignored(seen, at, _others):
            names.append(name)
        elif isinstance(seen.cases[0][at] if at < len(seen.cases[0]) else None, tuple):
            parts = min(len(case[at]) for case in seen.cases)
            names += [f"{name}[{k}]" for k in range(parts) if _is_ignored(seen, at, functools.partial(_other_parts, k))]
    if not names:
        return None
    one = "the right one does" if len(names) == 1 else "the right one depends on each"
    return Diagnosis(f"Your result does not depend on {' and '.join(names)}; {one}.")


def _is_flat(seen: Evidence) -> bool:
    """Whether the student's numbers are all alike in each wrong case."""
    all_of_them = [b.flatten() for pairs in seen.wrong_parts.values() for _, b in pairs.values() if b.numel() > 1]
    return len(all_of_them) >= 2 and all(near(b, b[:1].expand_as(b)) for b in all_of_them)


def _is_ignored(seen: Evidence, at: int, others: Callable[[Any], Iterator[Any]]) -> bool:
    told, asked = 0, set()
    for i in (*seen.wrong[:MANY_CASES], *seen.right):  # in a wrong case alone it may have underflowed
        case = seen.cases[i]
        if not seen.is_finite(i):
            continue
        if len(asked) == FEW:
            break
        for other in others(case[at]) if at < len(case) else ():
            given = (*case[:at], other, *case[at + 1 :])
            right, yours = seen.try_again(seen.reference, given), seen.try_again(seen.answer, given)
            if right.error is not None or yours.error is not None or seen.alike(right, seen.expected[i]):
                continue
            if not seen.alike(yours, seen.received[i]):
                return False
            told += 1
            if i in seen.right:
                asked.add(i)
    return told >= 2


def _others(value: Any) -> Iterator[Any]:
    """Values of the same kind that are likely to be allowed too."""
    if isinstance(value, tuple):
        yield from zip(*(list(_others(one)) or [one] for one in value), strict=False)
    if type(value) is float:
        yield 0.8 * value
        yield 0.5 * value
    if isinstance(value, Tensor) and value.is_floating_point() and value.numel():
        by = torch.linspace(0.7, 0.9, value.numel(), dtype=value.dtype).reshape(value.shape)
        yield (by * value.detach()).requires_grad_(value.requires_grad)
    if isinstance(value, Tensor) and value.numel() > 1:
        turned = value.detach().flatten().flip(0).reshape(value.shape)
        if not torch.equal(turned, value):
            yield turned.requires_grad_(value.requires_grad)
    if isinstance(value, Tensor) and value.dtype == torch.bool and value.ndim:
        yield value.roll(1, -1)
    if isinstance(value, Tensor) and value.dtype == torch.long and value.ndim and (value != value[:1]).any():
        yield torch.where(value == value.max(), value.min(), value)  # as often as before tells of counts, not of places
        yield torch.cat([value[:1], value[:-1]])


def _other_parts(k: int, value: tuple) -> Iterator[tuple]:
    """The same tuple with another part in one place."""
    for other in _others(value[k]):
        yield (*value[:k], other, *value[k + 1 :])
