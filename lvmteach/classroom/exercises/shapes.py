"""A result of another shape than it should have: what became of the right one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.exercises.difference import as_tensor
from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, near

FEW = 8  # truth values
OVER = {
    "summed": torch.sum, "averaged": torch.mean, "multiplied": torch.prod,
    "added up as logarithms (logsumexp)": lambda a, *axis: a.logsumexp(*(axis or [tuple(range(a.ndim))])),
}  # fmt: skip


def of_one(seen: Evidence) -> Diagnosis | None:
    """The same, where there is one result, and one way to its shape: a diagonal is also a sum over rows, say."""
    if any(isinstance(one.value, tuple | list) for one in seen.expected):
        return None
    return of_another(seen, alone=True)


def of_another(seen: Evidence, alone: bool = False) -> Diagnosis | None:
    """The right numbers added up, averaged, turned, cut, or put in another order of axes; one reason for all cases.

    alone: of several reasons that fit none is told.
    """
    cases = [i for i in seen.wrong if i < seen.declared] or seen.wrong
    pairs = [(seen.expected[i].value, seen.received[i].value) for i in cases]
    if any(theirs is None or ours is None for ours, theirs in pairs) or len({seen.size(i) for i in cases}) < 2:
        return None
    if all(isinstance(value, tuple | list) for pair in pairs for value in pair):
        return _of_several(pairs)
    return _of_one(pairs, "your result is", alone)


def _of_several(pairs: list[tuple[Any, Any]]) -> Diagnosis | None:
    """Several results: in another order, or one of them in another shape."""
    if all(isinstance(one, tuple | list) for pair in pairs for value in pair for one in value):
        return _of_nested(pairs)
    if len({len(value) for pair in pairs for value in pair}) != 1:
        return None
    size = len(pairs[0][0])
    for order in itertools.permutations(range(size)):
        if order != tuple(range(size)) and all(
            _same(ours[k], theirs[at]) for ours, theirs in pairs for at, k in enumerate(order)
        ):
            return Diagnosis("Right, but the results stand in another order.")
    for at in range(size):
        found = _of_one([(ours[at], theirs[at]) for ours, theirs in pairs], f"your result {at + 1} is")
        if found:
            return found
    return None


def _of_nested(pairs: list[tuple[Any, Any]]) -> Diagnosis | None:
    """A pair for each layer, say: the pairs, or the parts of each, in reversed order."""
    if any(len(ours) != len(theirs) for ours, theirs in pairs):
        return None
    both = [(a, b) for ours, theirs in pairs for a, b in zip(ours, theirs, strict=True)]
    if all(len(a) == len(b) > 1 and all(map(_same, reversed(a), b)) for a, b in both):
        return Diagnosis("Right, but within each result the parts stand in another order.")
    return None


def _of_one(pairs: list[tuple[Any, Any]], whose: str, alone: bool = False) -> Diagnosis | None:
    if not all(isinstance(value, Tensor | float | int) for pair in pairs for value in pair):
        return None
    both = [(as_tensor(ours).double(), as_tensor(theirs).double()) for ours, theirs in pairs]
    if not any(a.shape != b.shape for a, b in both):
        return None
    if all(a.numel() == b.numel() and near(a.flatten(), b.flatten()) and 1 in (*a.shape, *b.shape) for a, b in both):
        if all(b.ndim < a.ndim for a, b in both):
            return Diagnosis(f"In every case {whose} the right one without an axis of length one: keep that axis.")
        if all(b.ndim > a.ndim for a, b in both):
            return Diagnosis(f"In every case {whose} the right one with another axis, of length one: squeeze it.")
    if all(b.ndim == a.ndim + 1 and len(b) and all(near(a, one) for one in b) for a, b in both):
        return Diagnosis(f"In every case {whose} the right one, repeated along a further axis.")
    if (
        all(ours.dtype == torch.bool for ours, _ in pairs if isinstance(ours, Tensor))
        and sum(b.numel() for _, b in both) < FEW
    ):
        return None  # a few truth values agree by chance
    axes = min(a.ndim for a, _ in both)
    fitting = (words for words, change in _changes(axes) if all(_fits(change, a, b) for a, b in both))
    found = next(fitting, None)
    if found is None or (alone and next(fitting, None) is not None):
        return None
    return Diagnosis(f"In every case {whose} the right one {found}.")


def _fits(change: Callable[[Tensor], Tensor], a: Tensor, b: Tensor) -> bool:
    try:
        return near(change(a), b)
    except (RuntimeError, IndexError):  # no such axis
        return False


def _changes(axes: int) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    yield "with its first two axes exchanged", lambda a: a.transpose(0, 1)
    for order in itertools.permutations(range(axes)) if axes > 2 else ():
        yield "with its axes in another order", lambda a, order=order: a.permute(order)
    for words, over in OVER.items():
        yield f"{words} over everything", lambda a, over=over: over(a)
        for axis in range(axes) if axes > 1 else ():
            yield f"{words} over axis {axis}", lambda a, over=over, axis=axis: over(a, axis)
    for words, at in (("the first", 0), ("the last", -1)):
        for axis in range(axes):
            yield f"at {words} place of axis {axis} alone", lambda a, at=at, axis=axis: a.select(axis, at)
    yield "without its first entry", lambda a: a[1:]
    yield "without its last entry", lambda a: a[:-1]
    yield "laid out in one row", lambda a: a.flatten()
    yield "on the diagonal of a matrix", torch.diag_embed
    yield "along its diagonal alone", lambda a: a.diagonal(dim1=-2, dim2=-1)


def _same(ours: Any, theirs: Any) -> bool:
    if not all(isinstance(value, Tensor | float | int) for value in (ours, theirs)):
        return False
    return near(as_tensor(ours).double(), as_tensor(theirs).double())
