"""Which change of a right answer gives the student's numbers: another input, or one place of the formula changed."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import time
import types
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lvmteach.classroom.exercises.compare import ATOL, RTOL, Close
from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence
from lvmteach.classroom.exercises.mutation import Mutant, mutants, other_than_of_values
from lvmteach.classroom.exercises.probing import Probe, Twist, taken_apart, twists_of
from lvmteach.classroom.exercises.running import Outcome, copied, many_calls

MANY = 20  # changes that are tried on all cases, when they do the right thing on one
ANY = 2  # other numbers at one place that give the same: then it is not the number that matters
CLASSES = 24  # wrong truth values, or classes, that tell one formula from others
NUMBERS = 12  # of a result that are compared when two changes are sought


class Found(NamedTuple):
    """A change that gives the student's numbers: its kind, and the arguments that stand at its place."""

    kind: str
    inputs: tuple[str, ...]


TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "squared": torch.square, "its root": torch.sqrt, "its logarithm": torch.log, "its exponential": torch.exp,
    "with the other sign": torch.neg, "one over it": torch.reciprocal, "one less it": lambda x: 1 - x,
    "without its sign": torch.abs, "times two": lambda x: 2 * x, "halved": lambda x: x / 2,
    "transposed": lambda x: x.mT if x.ndim > 1 else x, "in reversed order": lambda x: x.flip(0) if x.ndim else x,
    "in reversed order along its last axis": lambda x: x.flip(-1) if x.ndim > 1 else x,
    "less its mean over the first axis": lambda x: x - x.mean(0) if x.ndim else x,
    "its mean over the first axis, for all": lambda x: x.mean(0, keepdim=True).expand_as(x) if x.ndim else x,
    "its first row for all": lambda x: x[:1].expand_as(x) if x.ndim else x,
    "its last row for all": lambda x: x[-1:].expand_as(x) if x.ndim else x,
    "its softmax": lambda x: x.softmax(-1) if x.ndim else x, "its sigmoid": torch.sigmoid,
    "set to zero": torch.zeros_like, "set to one": torch.ones_like, "rounded": torch.round,
    "inverted, as a matrix": lambda x: torch.linalg.inv(x) if x.ndim > 1 and x.shape[-1] == x.shape[-2] else x,
    "normalised along its last axis": lambda x: x / x.sum(-1, keepdim=True) if x.ndim else x,
}  # fmt: skip


INCREASING = {"squared", "its root", "its logarithm", "its exponential", "times two", "halved", "its sigmoid"}
NUDGE = 1e-5  # relative

# Of an argument that is a tuple of tensors, a net's layers or the draws of several layers: what all of them undergo.
OF_ALL: dict[str, Callable[[Tensor], Tensor]] = {
    "with its matrices transposed": lambda x: x.mT if x.ndim > 1 else x,
    "with zeros for its vectors": lambda x: 0 * x if x.ndim == 1 else x,
    "with the other sign": torch.neg, "one less it": lambda x: 1 - x, "rounded": torch.round,
    "with its first row for all rows": lambda x: x[:1].expand_as(x) if x.ndim > 1 else x,
    "its rows in reversed order": lambda x: x.flip(0) if x.ndim > 1 else x,
    "set to zero": torch.zeros_like,
}  # fmt: skip

OF_VALUES: dict[str, Callable[[Tensor], Tensor]] = {
    "their squares": torch.square, "their logarithms": torch.log, "their exponentials": torch.exp,
    "minus them": torch.neg, "their sigmoids": torch.sigmoid, "twice them": lambda x: 2 * x,
    "half of them": lambda x: x / 2, "zeros": torch.zeros_like,
}  # fmt: skip

Input = Callable[[tuple], tuple]  # another input in place of a case


def transformed(seen: Evidence, until: float) -> Diagnosis | None:
    """The reference, given something else: an argument transformed, two swapped."""
    if not telling(seen) or not _reals(seen):
        return None
    first, candidates = seen.numbers[0], []
    with many_calls(until) as call:
        for n, (words, other_input) in enumerate(_other_inputs(seen)):
            other = _with(seen.reference, other_input)
            if seen.alike(call(other, seen.cases[first]), seen.received[first]):
                candidates.append((words, other))
            if _late(until, n):
                break
    return next((Diagnosis(words) for words, other in candidates[:MANY] if _fits(seen, other, until)), None)


def _other_inputs(seen: Evidence) -> Iterator[tuple[str, Input]]:
    """One argument transformed, two exchanged, or two transformed alike; in words, and made."""
    names, places = seen.names, range(len(seen.cases[0]))
    real = [at for at in places if all(_is_real(case[at]) for case in seen.cases)]
    for at in real:
        compared = _is_only_compared(seen, at)
        for words, change in TRANSFORMS.items():
            if compared and words in INCREASING:
                continue  # what it is compared with may be changed as well
            yield f"Your result is the right one for another input: {names[at]} {words}.", _at({at}, change)
    for at in places:
        if all(_holds_tensors(case[at]) for case in seen.cases):
            for words, change in OF_ALL.items():
                told = f"Your result is the right one for another input: {{}} {words}."
                yield told.format(names[at]), _at({at}, functools.partial(_each, change))
                for k in (0, -1):
                    yield told.format(f"{names[at]}[{k}]"), _at({at}, functools.partial(_in_part, k, change))
            told = f"Your result is the right one for another input: {names[at]} in reversed order."
            yield told, _at({at}, lambda value: value[::-1])
    for at in places:
        if all(isinstance(case[at], types.FunctionType) for case in seen.cases):
            for words, change in OF_VALUES.items():
                told = f"Your result is the right one if {words} stood in the place of the values of {names[at]}."
                yield told, _at({at}, functools.partial(_composed, change))
    yield from _less(seen)
    yield from _twice(seen)
    for i, j in itertools.combinations(places, 2):
        if all(type(case[i]) is type(case[j]) for case in seen.cases):
            yield f"Your result is the right one with {names[i]} and {names[j]} in each other's place.", _swapped(i, j)
    for i, j in itertools.combinations(real, 2):
        for words in ("squared", "its root"):  # variances for scales
            told = f"Your result is the right one for another input: {names[i]} and {names[j]}, each {words}."
            yield told, _at({i, j}, TRANSFORMS[words])


def _is_only_compared(seen: Evidence, at: int) -> bool:
    """Whether a small change of an argument changes no right result: uniform numbers that are held against chances."""

    def nudged(case: tuple) -> tuple:
        return tuple(_of(_nudged, value) if k == at else value for k, value in enumerate(case))

    return all(
        seen.alike(seen.try_again(seen.reference, nudged(seen.cases[i])), seen.expected[i]) for i in seen.numbers
    )


def _nudged(x: Tensor) -> Tensor:
    """Each number changed a little, by another factor than its neighbours."""
    return x * (1 + NUDGE * torch.linspace(1, 2, x.numel(), dtype=x.dtype).reshape(x.shape))


def _less(seen: Evidence) -> Iterator[tuple[str, Input]]:
    """Truth values exchanged; the first or last entry left out of all arguments that share a length."""
    for at, name in enumerate(seen.names[: len(seen.cases[0])]):
        if all(isinstance(case[at], Tensor) and case[at].dtype == torch.bool for case in seen.cases):
            yield f"Your result is the right one with True and False exchanged in {name}.", _at({at}, torch.logical_not)
    lengths = [tuple(len(v) if isinstance(v, Tensor) and v.ndim else 0 for v in case) for case in seen.cases]
    for first in range(len(lengths[0])):
        places = {at for at in range(len(lengths[0])) if all(one[at] == one[first] > 0 for one in lengths)}
        if places and min(places) == first:
            names = " and ".join(seen.names[at] for at in sorted(places))
            yield (
                f"Your result is the right one without the first of {names} along axis 0.",
                _at(places, lambda x: x[1:]),
            )
            yield (
                f"Your result is the right one without the last of {names} along axis 0.",
                _at(places, lambda x: x[:-1]),
            )


def _twice(seen: Evidence) -> Iterator[tuple[str, Input]]:
    """The right results given back as arguments: a second round."""
    values = [one.value for one in seen.expected]
    results = [value if isinstance(value, tuple | list) else (value,) for value in values]
    for many in sorted({1, min(map(len, results))}, reverse=True):
        for first in range(len(seen.cases[0]) - many + 1):
            pairs = [
                (case[first + k], result[k])
                for case, result in zip(seen.cases, results, strict=False)
                for k in range(many)
            ]
            if all(isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape for a, b in pairs):
                names = " and ".join(seen.names[first : first + many])

                def again(case: tuple, first: int = first, many: int = many) -> tuple:
                    value = seen.reference(*map(copied, case))
                    made = value[:many] if isinstance(value, tuple | list) else (value,)
                    return (*case[:first], *made, *case[first + many :])

                yield f"Your result is that of a second round: the right one, given its own results as {names}.", again


def _at(places: set[int], change: Callable[[Tensor], Tensor]) -> Input:
    return lambda case: tuple(_of(change, value) if at in places else value for at, value in enumerate(case))


def _swapped(i: int, j: int) -> Input:
    return lambda case: tuple(case[{i: j, j: i}.get(at, at)] for at in range(len(case)))


def _with(reference: Callable, other_input: Input) -> Callable:
    return lambda *case: reference(*other_input(case))


def _is_real(value: object) -> bool:
    return (isinstance(value, Tensor) and value.is_floating_point()) or type(value) is float


def _composed(change: Callable[[Tensor], Tensor], function: Callable) -> Callable:
    def other(*args):
        value = function(*args)
        return change(value) if isinstance(value, Tensor) else _each(change, value)

    return other


def _holds_tensors(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(one, Tensor) or _holds_tensors(one) for one in value)


def _each(change: Callable[[Tensor], Tensor], value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_each(change, one) for one in value)
    return change(value.detach()) if isinstance(value, Tensor) else value


def _in_part(k: int, change: Callable[[Tensor], Tensor], value: tuple) -> tuple:
    return tuple(_each(change, one) if at == k % len(value) else one for at, one in enumerate(value))


def _of(change: Callable, value: object) -> object:
    if isinstance(value, tuple | types.FunctionType):
        return change(value)
    if isinstance(value, Tensor):
        return change(value.detach())
    return change(torch.tensor(value, dtype=torch.float64)).item()


def _fits(seen: Evidence, other: Callable, until: float) -> bool:
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


def _reals(seen: Evidence) -> bool:
    """Whether wrong results are real numbers: truth values stay the same under many a change of what is compared."""
    parts = [seen.compare.parts(seen.received[i].value, seen.inputs(i)) for i in seen.numbers]
    wrong = [part for one in parts for name, part in one.items() if name in (seen.wrong_parts or one)]
    return not wrong or any(part.is_floating_point() for part in wrong)


def telling(seen: Evidence) -> bool:
    """Whether there are wrong results of two sizes at least: an error says too little, or an overflow alone."""
    known = any(map(seen.is_real, seen.numbers)) or seen.wrong_classes >= CLASSES
    return known and len({seen.size(i) for i in seen.numbers}) >= 2 and not seen.overflow_alone


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
            if _late(until, n):
                break
        for n, (at, twist) in enumerate(_twists(seen, probe, first)):
            other = probe.changed({at: twist})
            outcome = call(other, seen.cases[first])
            tried.append((at, twist, outcome))
            if not differ(outcome) and seen.alike(outcome, seen.received[first]):
                candidates.append((Found(twist.words, probe.spots[at].inputs), other, at if twist.whole else None))
            if _late(until, n):
                break
    fitting = [(found, at) for found, other, at in candidates[:MANY] if _fits(seen, other, until)]
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
    if probe is None or not _reals(seen):
        return
    for at, value in probe.quantities(*map(copied, seen.cases[i])).items():
        if isinstance(value, Tensor) and not value.any():
            continue  # zeros to begin a sum with: no term or factor of the formula
        for twist in twists_of(value, seen.names, seen.cases[i]):
            yield at, twist


def _late(until: float, n: int) -> bool:
    """Whether the time is over; asked at some of the calls, since asking takes as long as a call."""
    return n % 16 == 15 and time.process_time() > until


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
    rows = [(at, twist, _row(seen, outcome, i, theirs)) for at, twist, outcome in tried]
    rows = [one for one in rows if not one[1].whole and one[2] is not None and not torch.allclose(one[2], right)]
    if len(rows) < 2:
        return None
    made = torch.stack([row for *_, row in rows])
    found: dict[frozenset[str], tuple[Found, Found]] = {}
    for a, b in _sums(made, right, theirs):
        (at, one, _), (other_at, other, _) = rows[a], rows[b]
        if at != other_at and _fits(seen, probe.changed({at: one, other_at: other}), until):
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
