"""Wrong in some entries, or some rows, and right in all others: what those have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.exercises.compare import ATOL, RTOL
from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence


def entries(seen: Evidence) -> Diagnosis | None:
    """Wrong in some entries only, and in all such ones: where the right number is infinite, on the diagonal, ..."""
    parts = seen.wrong_parts
    if len(parts) != 1:
        return None
    ((name, pairs),) = parts.items()
    if all(seen.received[i].value is not None and _is_truth(seen.received[i].value) for i in pairs):
        return None  # words about sizes say nothing of them
    off = {i: ~torch.isclose(b, a, rtol=RTOL, atol=ATOL, equal_nan=True) for i, (a, b) in pairs.items()}
    total, wrong = sum(m.numel() for m in off.values()), sum(int(m.sum()) for m in off.values())
    if wrong < 2 or total - wrong < 2:
        return None
    for words, where in _PLACES.items():
        marked = {i: where(a) for i, (a, _) in pairs.items()}
        inside = sum(int(m.sum()) for m in marked.values())
        exactly = all(torch.equal(off[i], marked[i]) for i in off)
        among = words in _SOME and 2 * inside <= total and wrong >= inside / 2
        if exactly or (among and all((marked[i] | ~off[i]).all() for i in off)):
            whose = "numbers" if name == "result" else f"numbers of {seen.whose(name)}"
            return Diagnosis(f"Right in {total - wrong} of {total} {whose}; the others are {words}.")
    return None


def truth(seen: Evidence) -> Diagnosis | None:
    """Truth values that are wrong on one side only."""
    both = [(seen.expected[i].value, seen.received[i].value) for i in seen.numbers]
    if not both or not all(_is_truth(a) and _is_truth(b) and a.shape == b.shape for a, b in both):
        return None
    too_often, too_seldom = (sum(int((x & ~y).sum()) for x, y in pairs) for pairs in ([(b, a) for a, b in both], both))
    if min(too_often, too_seldom) == 0 and max(too_often, too_seldom) >= 2:
        said, is_ = ("True", "False") if too_often else ("False", "True")
        return Diagnosis(
            f"You say {said} too often: all {max(too_often, too_seldom)} wrong values are {is_} in the right answer. "
            f"Which of those that you call {said} are {is_}, and what sets them apart?"
        )
    return None


def _is_truth(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bool


def rows(seen: Evidence) -> Diagnosis | None:
    """Wrong in some rows only, and in all rows of which an input tells something special."""
    for name, pairs in seen.wrong_parts.items():
        off = {i: _wrong_rows(a, b) for i, (a, b) in pairs.items()}
        total, wrong = sum(len(rows) for rows in off.values()), sum(int(rows.sum()) for rows in off.values())
        if wrong < 2 or total - wrong < 2:
            continue
        for at, argument in enumerate(seen.names):
            for words, test in _ROWS.items():
                marked = {i: _marked(seen.argument(i, at), test, len(rows)) for i, rows in off.items()}
                if all(marked[i] is not None and torch.equal(marked[i], off[i]) for i in off):
                    whose = "" if name == "result" else f" of {seen.whose(name)}"
                    return Diagnosis(
                        f"Right in {total - wrong} of {total} rows{whose}; the others are those where "
                        f"{argument} {words}."
                    )
    return None


def _wrong_rows(a: Tensor, b: Tensor) -> Tensor:
    """Along the first axis, whether a row is wrong anywhere."""
    return ~torch.isclose(b, a, rtol=RTOL, atol=ATOL, equal_nan=True).reshape(len(a) if a.ndim else 1, -1).all(1)


def _marked(value: Any, test: Callable[[Tensor], Tensor], length: int) -> Tensor | None:
    if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != length:
        return None
    return test(value.detach().double().reshape(length, -1))


_ROWS: dict[str, Callable[[Tensor], Tensor]] = {
    "is NaN throughout": lambda x: x.isnan().all(1),
    "is nowhere NaN": lambda x: ~x.isnan().any(1),
    "holds an infinity": lambda x: x.isinf().any(1),
    "holds a zero": lambda x: (x == 0).any(1),
    "is zero throughout": lambda x: (x == 0).all(1),
    "is nowhere zero": lambda x: (x != 0).all(1),
    "is one throughout": lambda x: (x == 1).all(1),
    "has both zeros and others": lambda x: (x == 0).any(1) & (x != 0).any(1) & ((x != 0).sum(1) > 1),
    "is negative": lambda x: (x < 0).all(1) if x.shape[1] == 1 else torch.zeros(len(x), dtype=torch.bool),
}


def _first(a: Tensor, axis: int, at: int) -> Tensor:
    marked = torch.zeros_like(a, dtype=torch.bool)
    if 0 <= axis < a.ndim:
        marked.select(axis, at).fill_(True)
    return marked


def _diagonal(a: Tensor) -> Tensor:
    square = a.ndim >= 2 and a.shape[-1] == a.shape[-2]
    return torch.eye(a.shape[-1], dtype=torch.bool).expand_as(a) if square else torch.zeros_like(a, dtype=torch.bool)


_PLACES: dict[str, Callable[[Tensor], Tensor]] = {
    "those where the right one is infinite": lambda a: a.isinf(),
    "those where the right one is zero": lambda a: a == 0,
    "those on the diagonal": _diagonal,
    "those off the diagonal": lambda a: ~_diagonal(a),
    "the first ones along the first axis": lambda a: _first(a, 0, 0),
    "the last ones along the first axis": lambda a: _first(a, 0, -1),
    "all but the first ones along the first axis": lambda a: ~_first(a, 0, 0),
    "the first ones along the last axis": lambda a: _first(a, a.ndim - 1, 0),
    "the last ones along the last axis": lambda a: _first(a, a.ndim - 1, -1),
    "among those where the right one is negative": lambda a: a < 0,
    "among those where the right one is tiny (below 1e-3)": lambda a: a.abs() < 1e-3,
    "among those where the right one is large (beyond 100)": lambda a: a.abs() > 100,
}
_SOME = {words for words in _PLACES if words.startswith("among")}
