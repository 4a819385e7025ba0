"""A diagnosis that no exercise has to declare: what a wrong answer has in common with the right one.

The simplest reason first: draws of its own, a relation of the numbers, an argument transformed, one place of the
formula changed, a declared misconception and a factor beside it, right but on special inputs. A reason is given only if
it explains every result, two wrong ones of different sizes at least. Where none does, a law is told that the answer
breaks.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from lvmteach.classroom.exercises import (
    combined,
    imitation,
    influence,
    laws,
    other_input,
    places,
    quantities,
    relations,
    shapes,
    simpler,
    small_errors,
    whereabouts,
)
from lvmteach.classroom.exercises.cases import Stream
from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence

SECONDS = 1.2  # after the answer came in: a verdict that comes late is not read
LAST = 1.6  # for what needs no search
LONGER = 0.2  # for two changes at once, which need what was found of one


def diagnose(seen: Evidence, misconceptions: Mapping[str, Callable] = MappingProxyType({})) -> Diagnosis | None:
    """The simplest reason that explains all results, or None. misconceptions: those that the exercise declares."""
    if any(theirs.timed_out for theirs in seen.received) or seen.right_but_altered:
        return None
    until = max(seen.began + SECONDS, time.process_time() + LONGER)
    for look in (
        own_draws, relations.an_argument, relations.always_the_same, relations.a_size, relations.exchanged,
        relations.one_ahead,
        shapes.of_another, relations.of_the_right_one, small_errors.digits_cancel, small_errors.single_precision,
        small_errors.small_error, whereabouts.mostly_right,
    ):  # fmt: skip
        if (found := look(seen)) is not None:
            return found
    if seen.one_number_a_case and (found := influence.ignored(seen)) is not None:
        return found
    if (found := quantities.of_an_input(seen)) is not None:
        return found
    for search in (other_input.transformed, imitation.changed_in_one_place):
        if (found := search(seen, until)) is not None:
            return found
    if (found := quantities.counted_wrongly(seen, until + LONGER)) is not None:
        return found
    if (found := combined.with_a_misconception(seen, misconceptions, until + LONGER)) is not None:
        return found
    if (found := relations.along_an_axis(seen)) is not None:
        return found
    for search in (quantities.of_a_step, imitation.changed_in_two_places):
        if (found := search(seen, until + LONGER)) is not None:
            return found
    last = max(seen.began + LAST, time.process_time() + LONGER)
    for look in (
        whereabouts.special_inputs, places.entries, places.truth, influence.ignored, places.rows,
        functools.partial(simpler.right_when_simpler, until=last), influence.depends_on_others, relations.one_factor,
    ):  # fmt: skip
        if time.process_time() < last and (found := look(seen)) is not None:
            return found
    return None


def what_is_lost(seen: Evidence) -> Diagnosis | None:
    """What holds for every right result and not for the student's: told where no reason has been found."""
    if any(theirs.timed_out for theirs in seen.received) or seen.right_but_altered:
        return None
    until = seen.began + SECONDS + 2 * LONGER
    return laws.property_lost(seen) or (laws.broken(seen) if time.process_time() < until else None)


def gone_through_twice(seen: Evidence) -> Diagnosis | None:
    """A second `for` over what is like a generator."""
    for name, value in seen.inputs(seen.wrong[0]).items() if seen.wrong else ():
        if isinstance(value, Stream):
            value.twice.clear()
            seen.try_again(seen.answer, seen.cases[seen.wrong[0]])
            if value.twice:
                return Diagnosis(
                    f"{name} can be gone through once, as a generator can: at a second time nothing is left. "
                    "Do all in one loop, or keep a list of it."
                )
    return None


def own_draws(seen: Evidence) -> Diagnosis | None:
    """Another result on another random stream, where the reference has none."""
    for i in seen.numbers[:2]:
        if not seen.compare.parts(seen.received[i].value, seen.inputs(i)):
            continue  # no numbers, an error that was returned, say
        again = seen.try_again(seen.answer, seen.cases[i], seed=1)
        if again.error is None and again.value is not None and not seen.alike(seen.received[i], again):
            same = seen.try_again(seen.reference, seen.cases[i], seed=1)
            if seen.alike(seen.expected[i], same):
                return Diagnosis("Two calls with the same input differ: your function draws numbers of its own.")
    return None
