"""Whether a function, a changed formula or another input, does what the student's does."""

from __future__ import annotations

import time
from collections.abc import Callable

from lvmteach.classroom.exercises.evidence import Evidence

MANY = 20  # changes that are tried on all cases, when they do the right thing on one
CLASSES = 24  # wrong truth values, or classes, that tell one formula from others


def fits(seen: Evidence, other: Callable, until: float) -> bool:
    """Whether another function does what the answer does, on every case, and on two wrong ones of different sizes."""
    if not telling(seen):
        return False
    for i in (*seen.numbers, *seen.right, *seen.wrong):  # the wrong ones first: most changes fail there
        if time.process_time() > until:
            return False
        made = seen.try_again(other, seen.cases[i])
        if made.error is not None and i >= seen.declared:
            continue  # an axis of length one, which the changed formula may not take
        if not seen.alike(made, seen.received[i]):
            return False
    return True


def reals(seen: Evidence) -> bool:
    """Whether wrong results are real numbers: truth values stay the same under many a change of what is compared."""
    parts = [seen.compare.parts(seen.received[i].value, seen.inputs(i)) for i in seen.numbers]
    wrong = [part for one in parts for name, part in one.items() if name in (seen.wrong_parts or one)]
    return not wrong or any(part.is_floating_point() for part in wrong)


def telling(seen: Evidence) -> bool:
    """Whether there are wrong results of two sizes at least: an error says too little, or an overflow alone."""
    known = any(map(seen.is_real, seen.numbers)) or seen.wrong_classes >= CLASSES
    return known and len({seen.size(i) for i in seen.numbers}) >= 2 and not seen.overflow_alone


def late(until: float, n: int) -> bool:
    """Whether the time is over; asked at some of the calls, since asking takes as long as a call."""
    return n % 16 == 15 and time.process_time() > until
