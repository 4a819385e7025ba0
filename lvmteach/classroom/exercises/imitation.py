"""Which change of a right answer gives the student's numbers: one place of its formula changed, or two."""

from __future__ import annotations

import functools
import inspect
import math
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lvmteach.classroom.exercises.compare import ATOL, RTOL, Close
from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence
from lvmteach.classroom.exercises.fitting import MANY, fits, late, reals, telling
from lvmteach.classroom.exercises.mutation import Mutant, mutants, other_than_of_values
from lvmteach.classroom.exercises.probing import Probe, Twist, taken_apart, twists_of
from lvmteach.classroom.exercises.running import Outcome, copied, many_calls

ANY = 2  # other numbers at one place that give the same: then it is not the number that matters
NUMBERS = 12  # of a result that are compared when two changes are sought


class Found(NamedTuple):
    """A change that gives the student's numbers: its kind, and the arguments that stand at its place."""

    kind: str
    inputs: tuple[str, ...]


def changed_in_one_place(seen: Evidence, until: float) -> Diagnosis | None:
    """A right answer with one place of its formula changed; of several that do the same, two kinds are told."""
    if not telling(seen):
        return None
    for function in (seen.reference, *seen.models):
        found = _changed(seen, function, until)
        if _differentiates(function):  # the sum there makes one number to differentiate, and is no part of the formula
            found = [one for one in found if one.kind != "a sum is missing"]
        if found:
            return told(found)
        if time.process_time() > until:
            return None
    return None


def _differentiates(function: Callable) -> bool:
    """Whether a right answer leaves the formula to autograd."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return False
    return "autograd.grad" in source or ".backward(" in source


def _changed(seen: Evidence, function: Callable, until: float) -> list[Found]:
    """Every change of one quantity, and of one place in the source, that gives the student's numbers."""
    first, probe = seen.numbers[0], taken_apart(function)
    candidates: list[tuple[Found, Callable, int | None]] = []  # the last: a whole number's spot
    tried = seen.tried.setdefault(function, [])
    differ = _at_a_glance(seen, first)
    with many_calls(until) as call:
        for n, mutant in enumerate(_mutants(function)):
            outcome = call(mutant.function, seen.cases[first])
            if not differ(outcome) and seen.alike(outcome, seen.received[first]):
                candidates.append((Found(mutant.kind, mutant.inputs), mutant.function, None))
            if late(until, n):
                break
        for n, (at, twist) in enumerate(_twists(seen, probe, first)):
            other = probe.changed({at: twist})
            outcome = call(other, seen.cases[first])
            tried.append((at, twist, outcome))
            if not differ(outcome) and seen.alike(outcome, seen.received[first]):
                candidates.append((Found(twist.words, probe.spots[at].inputs), other, at if twist.whole else None))
            if late(until, n):
                break
    fitting = [(found, at) for found, other, at in candidates[:MANY] if fits(seen, other, until)]
    spots = [at for _, at in fitting]
    return [found for found, at in fitting if at is None or spots.count(at) < ANY]


def _at_a_glance(seen: Evidence, i: int) -> Callable[[Outcome], bool]:
    """Whether an outcome is another than the one received, told from one number, which is quick."""
    theirs, compare = seen.received[i].value, seen.compare
    if not isinstance(theirs, Tensor) or not theirs.numel() or not isinstance(compare, Close):
        return lambda outcome: False
    number = theirs.flatten()[0].item()
    room = 2 * (compare.atol + compare.rtol * abs(number))

    def differ(outcome: Outcome) -> bool:
        value = outcome.value
        if not isinstance(value, Tensor) or value.shape != theirs.shape:
            return True
        return math.isfinite(number) and not abs(value.flatten()[0].item() - number) <= room

    return differ


def _twists(seen: Evidence, probe: Probe | None, i: int) -> Iterator[tuple[int, Twist]]:
    if probe is None or not reals(seen):
        return
    for at, value in probe.quantities(*map(copied, seen.cases[i])).items():
        if isinstance(value, Tensor) and not value.any():
            continue  # zeros to begin a sum with: no term or factor of the formula
        for twist in twists_of(value, seen.names, seen.cases[i]):
            yield at, twist


@functools.lru_cache(maxsize=256)
def _mutants(function: Callable) -> tuple[Mutant, ...]:
    try:
        return tuple(mutants(function, other_than_of_values))
    except (OSError, TypeError, SyntaxError, AttributeError):  # no source to change: a lambda, a partial
        return ()


# What is seldom meant, where something else gives the same numbers.
SELDOM = (
    "a constant", "a comparison", "equal numbers", "what should be compared", "something is compared", "the identity",
    "the logarithm of a quantity enters", "an index is zero", "a number is one too small",
)  # fmt: skip


def told(found: list[Found]) -> Diagnosis:
    """The kinds of changes that explain the numbers, and where to look."""
    kinds = sorted(dict.fromkeys(one.kind for one in found), key=_is_far_fetched)
    kinds = [kind for kind in kinds if _is_far_fetched(kind) == _is_far_fetched(kinds[0])][:2]
    places = [one.inputs for one in found if one.inputs and one.kind in kinds]
    inputs = [name for name in places[0] if all(name in one for one in places)] if places else []
    place = f"Look at what is done with {' and '.join(inputs)}." if 1 <= len(inputs) <= 2 else ""
    return Diagnosis(f"These are the numbers that come out when {', or '.join(kinds)}.", place)


def _is_far_fetched(kind: str) -> bool:
    """Whether a kind is told only where no plainer one fits: a formula may be changed in ways nobody would choose."""
    return kind.startswith(SELDOM) or "stands where another number" in kind


def changed_in_two_places(seen: Evidence, until: float) -> Diagnosis | None:
    """Two changes at once, found where their effects add up; then tried."""
    if not telling(seen):
        return None
    first = seen.numbers[0]
    parts = [part.flatten() for part in _numbers(seen, seen.received[first], first)]
    if not parts:
        return None
    theirs = torch.cat(parts)[:NUMBERS]
    for function in (seen.reference, *seen.models):
        probe = taken_apart(function)
        if probe is not None and (found := _pair(seen, probe, seen.tried.get(function, []), theirs, until)):
            one, other = found
            kinds = one.kind + (f" and {other.kind}" if other.kind != one.kind else ", in two places")
            return Diagnosis(
                f"Two things at once: these are the numbers that come out when {kinds}.", told([one]).place
            )
        if time.process_time() > until:
            return None
    return None


def _pair(seen: Evidence, probe: Probe, tried: list, theirs: Tensor, until: float) -> tuple[Found, Found] | None:
    i = seen.numbers[0]
    right = _row(seen, seen.expected[i], i, theirs)
    if right is None:
        return None
    rows = []
    for n, (at, twist, outcome) in enumerate(tried):
        if late(until, n):  # gradients take their time
            break
        row = None if twist.whole else _row(seen, outcome, i, theirs)
        if row is not None and not torch.allclose(row, right):
            rows.append((at, twist, row))
    if len(rows) < 2:
        return None
    made = torch.stack([row for *_, row in rows])
    found: dict[frozenset[str], tuple[Found, Found]] = {}
    for a, b in _sums(made, right, theirs):
        (at, one, _), (other_at, other, _) = rows[a], rows[b]
        if at != other_at and fits(seen, probe.changed({at: one, other_at: other}), until):
            both = Found(one.words, probe.spots[at].inputs), Found(other.words, probe.spots[other_at].inputs)
            found.setdefault(frozenset(each.kind for each in both), both)
    return next(iter(found.values())) if len(found) == 1 else None  # of two explanations neither is sure


def _sums(made: Tensor, right: Tensor, theirs: Tensor) -> list[list[int]]:
    """Pairs of changes whose effects add up to the student's numbers: the one furthest off first, then all."""
    k = int((theirs - right).abs().argmax())
    near_there = torch.isclose(made[:, None, k] + made[None, :, k] - right[k], theirs[k], rtol=RTOL, atol=ATOL)
    pairs = near_there.triu(1).nonzero()
    together = made[pairs[:, 0]] + made[pairs[:, 1]] - right
    return pairs[torch.isclose(together, theirs, rtol=RTOL, atol=ATOL).all(-1)][:MANY].tolist()


def _numbers(seen: Evidence, outcome: Outcome, i: int) -> list[Tensor]:
    if outcome.value is None:
        return []
    parts = seen.compare.parts(outcome.value, seen.inputs(i)).values()
    return [part.double() for part in parts if not part.is_complex()]


def _row(seen: Evidence, outcome: Outcome, i: int, like: Tensor) -> Tensor | None:
    """All numbers of an outcome in one row, if they are as many as they should be, and finite."""
    parts = [part.flatten() for part in _numbers(seen, outcome, i)]
    row = torch.cat(parts)[:NUMBERS] if parts else None
    return row if row is not None and row.shape == like.shape and row.isfinite().all() else None
