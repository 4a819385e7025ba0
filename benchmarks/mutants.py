"""Blind mutants: change each exercise's reference as a student might; how many changes does its check reject?

    python -m benchmarks.mutants [STAGE ...]

In one place, in two at once, and by a slip of the numbers: an epsilon, a cut-off, single precision somewhere or
throughout, an axis of length one taken away. A mutant counts if it differs from the reference by more than rounding, on
the check's cases or on others, which the check does not use: other seeds, and axes cut to one. One that differs and
passes is a survivor: a mistake the check would let through. A change that raises on every case is not counted: any
check rejects it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.slips import all_of
from lvmteach.classroom.exercises.compare import structural_difference
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.running import attempt
from lvmteach.classroom.exercises.stages import exercises

SECONDS = 2.0
PAIRS = 40  # of two changes at once, drawn for each exercise


class Result(NamedTuple):
    """One exercise: how many mutants differ from the reference, how many of those are rejected, who survives."""

    name: str
    different: int
    rejected: int
    survivors: list[str]


def differs(exercise: Exercise, mutant: Callable) -> bool:
    """Whether the mutant gives another result than the reference on any case of five seeds, or on one cut short."""
    cases = (case for seed in range(5) for case in exercise.all_cases(seed))
    return any(_differs_on(exercise, mutant, case) for case in cases)


def _differs_on(exercise: Exercise, mutant: Callable, case: tuple) -> bool:
    right, wrong = attempt(exercise.reference, case, exercise.seconds), attempt(mutant, case, exercise.seconds)
    if wrong.timed_out or type(wrong.error) is not type(right.error):
        return True
    if wrong.error is not None:
        return False  # both refuse
    if structural_difference(right.value, wrong.value):
        return True
    return bool(exercise.compare.difference(right.value, wrong.value))


def raises_everywhere(exercise: Exercise, mutant: Callable) -> bool:
    """Whether the mutant cannot be run at all, on any case that the reference answers."""
    return all(
        attempt(mutant, case, SECONDS).error is not None and attempt(exercise.reference, case, SECONDS).error is None
        for case in exercise.cases(0)
    )


def judge(name: str, exercise: Exercise, pairs: int = PAIRS) -> Result:
    """Try the mutants of one exercise's reference, some pairs of changes among them."""
    different, survivors = 0, []
    for kind, _, where, mutant in all_of(exercise.reference, pairs):
        words = f"{where}: {kind}"
        if exercise.judge(mutant, why=False).status != "passed":
            different += not raises_everywhere(exercise, mutant)
        elif differs(exercise, mutant):
            different += 1
            survivors.append(words)
    return Result(name, different, different - len(survivors), survivors)


def main(chosen: list[str]) -> int:
    """Print the table; the exit status is the number of survivors, at most 1."""
    survived = 0
    for stage in chosen or stages():
        different = rejected = 0
        for name, exercise in exercises(stage).items():
            if isinstance(exercise, Exercise):
                result = judge(f"{stage}.{name}", exercise)
                different, rejected = different + result.different, rejected + result.rejected
                print(f"{result.name:<48} {result.rejected:>4} of {result.different:>4} rejected", flush=True)
                for words in result.survivors:
                    print(f"    survives: {words}")
        survived += different - rejected
        print(f"{stage + ', all of it':<48} {rejected:>4} of {different:>4} rejected", flush=True)
    return min(survived, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
