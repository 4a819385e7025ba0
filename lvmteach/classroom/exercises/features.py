"""What may be special about an input: far apart, large or tiny numbers, infinities, axes of one, a word, a size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Evidence, near
from lvmteach.classroom.exercises.running import leaves
from lvmteach.classroom.exercises.trying import is_right_with

MUCH = 4  # times as much as in any right case is no chance
FEW = 3  # right cases, if what the wrong ones have is a matter of their structure
LONGER, LONG = "axis {} of {} is longer than two", "an axis of {} is long (beyond 50)"
FAR = "rows or columns of {} lie far apart (by more than 100)"

# Of an argument's finite numbers: what may be larger in some cases than in all others.
EXTREMES: dict[str, Callable[[Tensor], float]] = {
    "the numbers of {} lie much further apart than elsewhere": lambda x: (x.max() - x.min()).item(),
    "the numbers of {} are much larger than elsewhere": lambda x: x.abs().max().item(),
}


def extreme(seen: Evidence, words: str, measure: Callable[[Tensor], float]) -> str:
    """The arguments that are larger in every wrong case than in any right one, in words; '' if there are none."""
    all_at = [at for at in range(len(seen.names)) if all(is_extreme(seen, at, measure, i) for i in seen.wrong)]
    alone = [at for at in all_at if all(is_right_with(seen, i, at, lambda x: 0.1 * x) for i in seen.wrong)]
    all_at = alone or all_at
    return words.format(" and ".join(seen.names[at] for at in all_at)) if all_at else ""


def is_extreme(seen: Evidence, at: int, measure: Callable[[Tensor], float], i: int) -> bool:
    """Whether a wrong case has much more of something than any right one."""
    right = most_of_right(seen, at, measure)
    value = seen.argument(i, at)
    if math.isnan(right) or not is_real(value) or not value.isfinite().all():
        return False
    return i not in seen.right and measure(value.detach().double()) > MUCH * right


def most_of_right(seen: Evidence, at: int, measure: Callable[[Tensor], float]) -> float:
    """The most that a right case has of something; NaN if there are few of them."""
    values = [seen.argument(k, at) for k in seen.right]
    if len(values) < FEW or not all(is_real(value) and value.isfinite().all() for value in values):
        return math.nan
    return max(measure(value.detach().double()) for value in values)


def lengths_of_one(seen: Evidence) -> Iterator[tuple[str, Callable[[int], bool]]]:
    for at, name in enumerate(seen.names):
        shapes = [case[at].shape for case in seen.cases if at < len(case) and isinstance(case[at], Tensor)]
        for axis in range(max(map(len, shapes), default=0)):

            def holds(i: int, at: int = at, axis: int = axis) -> bool:
                shape = seen.cases[i][at].shape
                return len(shape) <= axis or shape[axis] == 1

            yield f"axis {axis} of {name} has length one", holds


def features(seen: Evidence) -> Iterator[tuple[str, Callable[[int], bool]]]:
    """The plainest last: an axis of length one is often there by chance."""
    yield "the right result is infinite", lambda i: _is_infinite(seen, i)
    for least in (1e-6, 1e-3):
        yield f"the right result is tiny (below {least:.0e})", lambda i, least=least: _is_tiny(seen, i, least)
    for at, name in enumerate(seen.names):
        yield (
            f"{name} holds an infinity, and the right result none",
            lambda i, at=at: _has_inf(seen.argument(i, at)) and not any(a.isinf().any() for a in _right(seen, i)),
        )
        yield (
            f"the first of {name} along axis 0 holds an infinity",
            lambda i, at=at: length_of(seen.argument(i, at), 0) > 0 and _has_inf(seen.argument(i, at)[0]),
        )
        yield (
            f"gradients of an earlier backward lie in {name}",
            lambda i, at=at: any(leaf.grad is not None for leaf in leaves(seen.argument(i, at))),
        )
    tests: dict[str, Callable[[Tensor], bool]] = {
        LONG: lambda x: max(x.shape, default=0) > 50,
        "{} holds an infinity": lambda x: x.isinf().any(),
        FAR: lambda x: _far_apart(x) > 100,
        "{} holds large numbers (beyond 1000)": lambda x: (x[x.isfinite()].abs() > 1000).any(),
        "{} holds large numbers (beyond 100)": lambda x: (x[x.isfinite()].abs() > 100).any(),
        "{} holds large numbers (beyond 20)": lambda x: (x[x.isfinite()].abs() > 20).any(),
        "{} holds large positive numbers (beyond 100)": lambda x: (x[x.isfinite()] > 100).any(),
        "{} comes very near to one": lambda x: ((1 - x).abs() < 1e-6).any() and (x != 1).any(),
        "{} holds tiny numbers (below 1e-6)": lambda x: ((x.abs() < 1e-6) & (x != 0)).any(),
        "{} holds tiny numbers (below 1e-3)": lambda x: ((x.abs() < 1e-3) & (x != 0)).any(),
        "{} holds small numbers (below 0.01)": lambda x: ((x.abs() < 0.01) & (x != 0)).any(),
        "{} holds small numbers (below 0.1)": lambda x: ((x.abs() < 0.1) & (x != 0)).any(),
        "{} is zero somewhere": lambda x: (x == 0).any(),
        "{} holds negative numbers": lambda x: (x < 0).any(),
        "{} has more than two axes": lambda x: x.ndim > 2,
        "{} has more than one axis": lambda x: x.ndim > 1,
        "{} is square": lambda x: x.ndim == 2 and x.shape[0] == x.shape[1] > 1,
        "an axis of {} has length one": lambda x: 1 in x.shape,
    }
    for words, test in tests.items():
        for at, name in enumerate(seen.names):

            def holds(i: int, at: int = at, test: Callable[[Tensor], bool] = test) -> bool:
                value = seen.argument(i, at)
                if type(value) is float:
                    value = torch.tensor(value)
                if test is tests[FAR] and not isinstance(value, Tensor):
                    return False  # the weights of a net, say
                return any(bool(test(one.detach())) for one in tensors_in(value) if is_real(one))

            yield words.format(name), holds
    for at, name in enumerate(seen.names):
        for least, words in ((2, "several"), (3, "more than two")):
            yield (
                f"{name} has {words} parts",
                lambda i, at=at, least=least: _parts(seen.argument(i, at)) >= least,
            )
        for axis in (0, 1):
            yield (
                f"axis {axis} of {name} has length one",
                lambda i, at=at, axis=axis: length_of(seen.argument(i, at), axis) == 1,
            )
            if all(_has_reals(seen, i) for i in seen.right):  # truth values may agree by chance
                yield (
                    LONGER.format(axis, name),
                    lambda i, at=at, axis=axis: length_of(seen.argument(i, at), axis) > 2,
                )
    for at, other in itertools.combinations(range(len(seen.names)), 2):
        yield (
            f"{seen.names[at]} and {seen.names[other]} lie far apart (by more than 100)",
            lambda i, at=at, other=other: _apart(seen.argument(i, at), seen.argument(i, other)) > 100,
        )
    for at, name in enumerate(seen.names):
        for axis in (0, 1):
            yield (
                f"two entries of {name} along axis {axis} are alike",
                lambda i, at=at, axis=axis: i >= seen.declared and _has_equals(seen.argument(i, at), axis),
            )
        yield (
            f"{name} is not in order",
            lambda i, at=at: _is_out_of_order(seen.argument(i, at)),
        )
        yield f"{name} is 0", lambda i, at=at: _plain(seen, i, at) == 0
        yield f"{name} is 1", lambda i, at=at: _plain(seen, i, at) == 1
        words = {case[at] for case in seen.cases if at < len(case) and isinstance(case[at], str | bool)}
        for word in sorted(words, key=str):
            yield f"{name} is {word!r}", lambda i, at=at, word=word: seen.argument(i, at) == word
        for word in sorted(words, key=str) if len(words) > 2 else ():
            yield f"{name} is not {word!r}", lambda i, at=at, word=word: seen.argument(i, at) != word
    for words, measure in EXTREMES.items():
        if told := extreme(seen, words, measure):
            yield told, lambda i: i not in seen.right


def tells(seen: Evidence, i: int) -> bool:
    """Whether a right result is more than a zero or an infinity, which many a wrong formula would give as well."""
    parts = _right(seen, i)
    return bool(parts) and all(((a != 0) & a.isfinite()).any() if a.is_floating_point() else True for a in parts)


def _has_reals(seen: Evidence, i: int) -> bool:
    """Whether a right result is of real numbers, and tells."""
    return tells(seen, i) and any(part.is_floating_point() for part in _right(seen, i))


def tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, tuple):
        return [one for part in value for one in tensors_in(part)]
    return [value] if isinstance(value, Tensor) else []


def _parts(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else 0


def _is_infinite(seen: Evidence, i: int) -> bool:
    """Whether right numbers are infinite; and where a case is wrong, whether it is wrong in those alone."""
    if not any(a.isinf().any() for a in _right(seen, i)):
        return False
    pairs = [parts[i] for parts in seen.wrong_parts.values() if i in parts]
    return all(near(a[~a.isinf()], b[~a.isinf()]) for a, b in pairs)


def _is_tiny(seen: Evidence, i: int, least: float) -> bool:
    """Whether right numbers are smaller than that; and where a case is wrong, whether it is wrong in those alone."""
    if not any(((a.abs() < least) & (a != 0)).any() for a in _right(seen, i) if a.is_floating_point()):
        return False
    pairs = [parts[i] for parts in seen.wrong_parts.values() if i in parts]
    return all(near(a[a.abs() >= least], b[a.abs() >= least]) for a, b in pairs)


def _has_inf(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and bool(value.isinf().any())


def length_of(value: Any, axis: int) -> int:
    return value.shape[axis] if isinstance(value, Tensor) and value.ndim > axis else 0


def _apart(x: Any, y: Any) -> float:
    """How far two arguments of one shape lie apart, where that is furthest."""
    if not (is_real(x) and is_real(y)) or x.shape != y.shape:
        return 0.0
    gap = (x.detach() - y.detach()).abs()
    return gap[gap.isfinite()].max().item() if gap.isfinite().any() else 0.0


def _has_equals(value: Any, axis: int) -> bool:
    """Whether two entries along an axis are the same, and not all are."""
    if not isinstance(value, Tensor) or value.ndim <= axis or value.shape[axis] < 3:
        return False
    return 1 < value.detach().unique(dim=axis).shape[axis] < value.shape[axis]


def is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 0


def _is_out_of_order(value: Any) -> bool:
    """Whether labels do not come in rising order."""
    labels = isinstance(value, Tensor) and value.dtype == torch.long and value.ndim == 1
    return labels and bool((value.diff() < 0).any())


def _plain(seen: Evidence, i: int, at: int) -> Any:
    value = seen.argument(i, at)
    return value if type(value) is int else None


def _far_apart(x: Tensor) -> float:
    """How far the largest finite numbers of two rows, or two columns, lie apart."""
    if x.ndim < 2 or not x.isfinite().any():
        return 0.0
    finite = x.masked_fill(~x.isfinite(), -math.inf)
    tops = [finite.amax(axis) for axis in range(x.ndim)]
    return max((top[top.isfinite()].max() - top[top.isfinite()].min()).item() for top in tops)


def _right(seen: Evidence, i: int) -> list[Tensor]:
    value = seen.expected[i].value
    return list(seen.compare.parts(value, seen.inputs(i)).values()) if value is not None else []
