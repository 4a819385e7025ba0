"""Two mistakes at once, one of them declared: the numbers of a misconception, and a factor, a sum, a sign beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from lvmteach.classroom.exercises import relations, shapes
from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence
from lvmteach.classroom.exercises.running import Outcome

IN_EVERY_CASE = "In every case "
SMALL = 1e-5  # ten times what a relation is told to


def with_a_misconception(seen: Evidence, misconceptions: Mapping[str, Callable], until: float) -> Diagnosis | None:
    """What relates the student's results to those of a declared misconception, on every declared case."""
    finite = {seen.size(i) for i in seen.wrong if i < seen.declared and _holds_numbers(seen, i)}
    if not seen.informative or len(finite) < 2 or _nearly_right(seen):  # else the two would cancel where it is right
        return None
    cases = seen.cases[: seen.declared]
    for sentence, wrong in misconceptions.items():
        if time.process_time() > until:
            return None
        theirs = [seen.try_again(wrong, case) for case in cases]
        if any(one.error is not None or one.value is None for one in theirs):
            continue
        beside = replace(seen, cases=cases, expected=theirs, received=seen.received[: len(cases)], tried={})
        if not set(beside.wrong_parts) <= set(seen.wrong_parts) or _taken_back(seen, theirs):
            continue
        for look in (shapes.of_one, relations.named_alone):
            if beside.wrong and (found := look(beside)) is not None:
                return Diagnosis(f"Two things at once. {sentence} And beside that: {_of_that(found.why)}")
    return None


def _taken_back(seen: Evidence, theirs: list[Outcome]) -> bool:
    """Whether the answer is right in half of the cases where the misconception is wrong: one would undo the other."""
    off = [i for i, one in enumerate(theirs) if not seen.alike(one, seen.expected[i])]
    return 2 * len(set(off) & set(seen.right)) >= len(off)


def _holds_numbers(seen: Evidence, i: int) -> bool:
    """Whether a received result is finite throughout, of whatever shape."""
    value = seen.received[i].value
    parts = seen.compare.parts(value, seen.inputs(i)).values() if value is not None else ()
    return bool(parts) and all(part.isfinite().all() for part in parts)


def _nearly_right(seen: Evidence) -> bool:
    """Whether all errors are small, where nothing is NaN: two mistakes that cancel each other are none."""
    pairs = [(a, b) for parts in seen.wrong_parts.values() for a, b in parts.values() if not b.isnan().any()]
    return bool(pairs) and all(a.shape == b.shape and torch.allclose(b, a, rtol=SMALL, atol=SMALL) for a, b in pairs)


def _of_that(why: str) -> str:
    """What was said of the right result, said of the misconception's."""
    words = why.removeprefix(IN_EVERY_CASE)
    return words.replace("right but for the sign", "that with the other sign").replace("the right one", "that")
