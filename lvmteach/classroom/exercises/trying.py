"""An answer tried on an input that is made of a case: whether it is right there."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lvmteach.classroom.exercises.evidence import Evidence


def is_right_on(seen: Evidence, i: int, case: tuple) -> bool:
    """Whether the answer is right on an input that is made of case i.

    Only where the right result holds numbers, none of them NaN or infinite, which come out of many a wrong formula.
    """
    right = seen.try_again(seen.reference, case)
    if right.error is not None or right.value is None:
        return False
    parts = seen.compare.parts(right.value, seen.inputs(i)).values()
    told = bool(parts) and all(part.isfinite().all() for part in parts)
    return told and seen.alike(right, seen.try_again(seen.answer, case))


def is_right_with(seen: Evidence, i: int, at: int, change: Callable[[Tensor], Tensor]) -> bool:
    """Whether the answer is right on case i with one argument changed."""
    value = seen.argument(i, at)
    new = change(value.detach()).clone().requires_grad_(value.requires_grad)
    return is_right_on(seen, i, (*seen.cases[i][:at], new, *seen.cases[i][at + 1 :]))
