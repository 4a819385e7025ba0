"""A diagnosis that no exercise has to declare: what a wrong answer has in common with the right one.

The student's results are compared with changes of the reference, the simplest first: draws of its own, a size or a
constant too much, an argument transformed or swapped, one place of the formula changed, a small error everywhere, right
but on special inputs. A reason is given only if it explains every result, two wrong ones of different sizes at least.
"""

from __future__ import annotations

import inspect
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lvmteach.classroom.exercises.compare import numbers, structural_difference
from lvmteach.classroom.exercises.mutation import mutants
from lvmteach.classroom.exercises.running import Outcome, attempt

SECONDS = 1.5  # for all of it: a verdict that comes late is not read
CONSTANTS = {"2": 2.0, "a half": 0.5, "2 pi": 2 * math.pi, "the root of 2 pi": math.sqrt(2 * math.pi), "pi": math.pi,
             "log 2": math.log(2), "4": 4.0, "a quarter": 0.25}  # fmt: skip
OFFSETS = {"1": 1.0, "a half": 0.5, "log 2": math.log(2), "log 2 pi": math.log(2 * math.pi),
           "half of log 2 pi": 0.5 * math.log(2 * math.pi)}  # fmt: skip
TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "squared": torch.square, "its root": torch.sqrt, "its logarithm": torch.log, "its exponential": torch.exp,
    "with the other sign": torch.neg, "one over it": torch.reciprocal,
    "transposed": lambda x: x.mT if x.ndim > 1 else x, "in reversed order": lambda x: x.flip(0) if x.ndim else x,
}  # fmt: skip


class Diagnosis(NamedTuple):
    """Why, in a sentence; and where to look, for those who ask a second time ('' if there is no more to say)."""

    why: str
    place: str = ""


class Evidence(NamedTuple):
    """What a check has seen: cases, and what reference and answer made of them."""

    reference: Callable
    answer: Callable
    cases: Sequence[tuple]
    expected: Sequence[Outcome]
    received: Sequence[Outcome]
    alike: Callable[[Outcome, Outcome], bool]
    seconds: float

    @property
    def wrong(self) -> list[int]:
        """The cases whose results differ."""
        pairs = zip(self.expected, self.received, strict=False)
        return [i for i, (ours, theirs) in enumerate(pairs) if not self.alike(ours, theirs)]


def diagnose(seen: Evidence, simple: str = "") -> Diagnosis | None:
    """The simplest reason that explains all results, or None.

    Args:
        simple: what is said if neither draws nor a named constant explain them, and something plain does.
    """
    if any(theirs.timed_out for theirs in seen.received):
        return None
    until = time.process_time() + SECONDS
    for look in (own_draws, constant):
        if (found := look(seen, until)) is not None:
            return found
    if simple:
        return Diagnosis(simple)
    for look in (transformed, changed_in_one_place, small_error, special_inputs):
        if (found := look(seen, until)) is not None:
            return found
    return None


def own_draws(seen: Evidence, until: float) -> Diagnosis | None:
    """Another result on another random stream, where the reference has none."""
    for i in seen.wrong[:2]:
        again = attempt(seen.answer, seen.cases[i], seen.seconds, seed=1)
        if again.error is None and again.value is not None and not seen.alike(seen.received[i], again):
            same = attempt(seen.reference, seen.cases[i], seen.seconds, seed=1)
            if seen.alike(seen.expected[i], same):
                return Diagnosis("Two calls with the same input differ: your function draws numbers of its own.")
    return None


def constant(seen: Evidence, until: float) -> Diagnosis | None:
    """One factor or one summand too much, the same in all entries of a case: a named constant or a size."""
    ratios, gaps, sizes = [], [], []
    for case, ours, theirs in zip(seen.cases, seen.expected, seen.received, strict=False):
        if ours.value is None or theirs.value is None or structural_difference(ours.value, theirs.value):
            return None
        a, b = numbers(ours.value), numbers(theirs.value)
        usable = a.isfinite() & b.isfinite()
        if not usable.any():
            continue
        a, b = a[usable], b[usable]
        ratios.append(_one(b[a != 0] / a[a != 0]) if (a != 0).any() and not (b[a == 0] != 0).any() else math.nan)
        gaps.append(_one(b - a))
        sizes.append(_sizes(seen.reference, case))
    if len(ratios) < 2 or len({tuple(one.values()) for one in sizes}) < 2:
        return None
    for values, named, words in ((ratios, CONSTANTS, "{} times the right one"), (gaps, OFFSETS, "the right one {}")):
        name = _name(values, named, sizes, of_gaps=values is gaps)
        if name:
            return Diagnosis(f"In every case your result is {words.format(name)}.")
    return None


def _one(values: Tensor) -> float:
    """The value that all have, or NaN."""
    return values[0].item() if len(values) and torch.allclose(values, values[:1], rtol=1e-6, atol=1e-9) else math.nan


def _sizes(reference: Callable, case: tuple) -> dict[str, float]:
    """Every length that a case has, in words."""
    found = {}
    for name, value in zip(inspect.signature(reference).parameters, case, strict=False):
        if isinstance(value, Tensor):
            for axis, length in enumerate(value.shape):
                place = f"the length of {name}" if value.ndim == 1 else f"the length of axis {axis} of {name}"
                found[place] = float(length)
        elif isinstance(value, int) and not isinstance(value, bool):
            found[name] = float(value)
    return found


def _name(values: list[float], named: dict, sizes: list[dict[str, float]], of_gaps: bool) -> str:
    """What the values are in every case: a constant, a size, or something of a size; '' if nothing is."""
    if any(math.isnan(v) for v in values):
        return ""

    def fits(want: Sequence[float]) -> bool:
        return all(math.isclose(v, w, rel_tol=1e-6, abs_tol=1e-9) for v, w in zip(values, want, strict=True))

    signs = (("plus {}", 1), ("less {}", -1)) if of_gaps else (("{}", 1),)
    for form, sign in signs:
        for word, value in named.items():
            if fits([sign * value] * len(values)):
                return form.format(word)
        for size in sizes[0]:
            lengths = [one.get(size, math.nan) for one in sizes]
            if len(set(lengths)) < 2 or any(math.isnan(n) or n < 1 for n in lengths):
                continue
            for word, make in _OF_A_SIZE.items():
                if fits([sign * make(n) for n in lengths]):
                    return form.format(word.format(size))
    return ""


_OF_A_SIZE: dict[str, Callable[[float], float]] = {
    "{}": lambda n: n, "1 over {}": lambda n: 1 / n,
    "the root of {}": math.sqrt, "1 over the root of {}": lambda n: n**-0.5,
    "the logarithm of {}": math.log, "{} less one": lambda n: n - 1,
    "n / (n - 1), n {}": lambda n: n / (n - 1) if n > 1 else math.inf, "(n - 1) / n, n {}": lambda n: (n - 1) / n,
    "half of {}": lambda n: n / 2,
}  # fmt: skip


def transformed(seen: Evidence, until: float) -> Diagnosis | None:
    """The reference, given something else: an argument transformed, two swapped."""
    names = list(inspect.signature(seen.reference).parameters)
    for at, name in enumerate(names[: len(seen.cases[0])]):
        if all(isinstance(case[at], Tensor) and case[at].is_floating_point() for case in seen.cases):
            for words, change in TRANSFORMS.items():
                if _explains(
                    seen, lambda case, at=at, f=change: (*case[:at], f(case[at].detach()), *case[at + 1 :]), until
                ):
                    return Diagnosis(f"Your result is the right one for another input: {name} {words}.")
    for i, j in itertools.combinations(range(len(seen.cases[0])), 2):
        if all(type(case[i]) is type(case[j]) for case in seen.cases):

            def swapped(case: tuple, i: int = i, j: int = j) -> tuple:
                given = list(case)
                given[i], given[j] = given[j], given[i]
                return tuple(given)

            if _explains(seen, swapped, until):
                return Diagnosis(f"Your result is the right one with {names[i]} and {names[j]} in each other's place.")
    return None


def _explains(seen: Evidence, other_input: Callable[[tuple], tuple], until: float) -> bool:
    def instead(*case):
        return seen.reference(*other_input(case))

    return _fits(seen, instead, until)


def _fits(seen: Evidence, other: Callable, until: float) -> bool:
    """Whether another function does what the answer does, on every case, and on two wrong ones of different sizes."""
    wrong = seen.wrong
    if any(seen.received[i].value is None for i in wrong):  # an error says too little
        return False
    if len({size_of(seen.cases[i]) for i in wrong}) < 2 or time.process_time() > until:
        return False
    rest = [i for i in range(len(seen.received)) if i not in wrong]
    return all(
        seen.alike(attempt(other, seen.cases[i], seen.seconds), seen.received[i]) for i in (*wrong, *rest)
    )  # the wrong ones first: most changes fail there


def size_of(case: tuple) -> tuple:
    """What tells cases of different sizes apart."""
    return tuple(tuple(v.shape) if isinstance(v, Tensor) else v if isinstance(v, int | float) else None for v in case)


def changed_in_one_place(seen: Evidence, until: float) -> Diagnosis | None:
    """The reference with one place of its formula changed; of several that do the same, all kinds are told."""
    found = []
    try:
        for mutant in mutants(seen.reference):
            if time.process_time() > until:
                return None  # another change might explain it as well
            if _fits(seen, mutant.function, until):
                found.append(mutant)
    except (OSError, TypeError, SyntaxError):  # no source to change
        return None
    kinds = list(dict.fromkeys(mutant.kind for mutant in found))
    if not 1 <= len(kinds) <= 2:
        return None
    inputs = list(dict.fromkeys(name for mutant in found for name in mutant.inputs))
    place = f"Look at what is done with {' and '.join(inputs)}." if 1 <= len(inputs) <= 2 else ""
    return Diagnosis(f"These are the numbers that come out when {', or '.join(kinds)}.", place)


def small_error(seen: Evidence, until: float) -> Diagnosis | None:
    """Nearly right everywhere: something was added for safety, or numbers were kept in single precision."""
    worst = 0.0
    for ours, theirs in zip(seen.expected, seen.received, strict=False):
        if ours.value is None or theirs.value is None or structural_difference(ours.value, theirs.value):
            return None
        a, b = numbers(ours.value), numbers(theirs.value)
        same = a == b  # infinities among them
        error = ((b - a).abs() / a.abs().clamp_min(1e-3))[~same]
        worst = max([worst, *error.nan_to_num(nan=math.inf).tolist()])
    if 1e-9 < worst < 3e-4:
        what = (
            "single precision somewhere" if worst < 3e-6 else "a small number added for safety, or rounding on the way"
        )
        return Diagnosis(f"Nearly right everywhere, to about {worst:.0e} of the value: {what}?")
    return None


def special_inputs(seen: Evidence, until: float) -> Diagnosis | None:
    """Right on ordinary inputs: what the wrong ones have that the right ones have not."""
    wrong = set(seen.wrong)
    right = [i for i in range(len(seen.received)) if i not in wrong]
    if len(right) < 2:
        return None
    names = list(inspect.signature(seen.reference).parameters)
    for words, holds in _features(names):
        if all(holds(seen.cases[i]) for i in wrong) and not any(holds(seen.cases[i]) for i in right):
            return Diagnosis(
                f"Right on {len(right)} of {len(seen.received)} inputs. The others are those where {words}."
            )
    return None


def _features(names: list[str]) -> Iterator[tuple[str, Callable[[tuple], bool]]]:
    for at, name in enumerate(names):

        def tensor(case: tuple, at: int = at) -> Any:
            value = case[at] if at < len(case) else None
            return value if isinstance(value, Tensor) and value.is_floating_point() and value.numel() else None

        def on(test: Callable[[Tensor], bool], tensor: Callable = tensor) -> Callable[[tuple], bool]:
            return lambda case: (x := tensor(case)) is not None and bool(test(x.detach()))

        yield f"{name} holds an infinity", on(lambda x: x.isinf().any())
        yield f"{name} holds a zero", on(lambda x: (x == 0).any())
        yield f"an axis of {name} has length one", on(lambda x: 1 in x.shape)
        yield f"{name} has more than two axes", on(lambda x: x.ndim > 2)
        yield f"{name} has more than one axis", on(lambda x: x.ndim > 1)
        yield f"{name} holds large numbers (beyond 100)", on(lambda x: (x[x.isfinite()].abs() > 100).any())
        yield f"{name} holds tiny numbers (below 1e-3)", on(lambda x: ((x.abs() < 1e-3) & (x != 0)).any())
        yield f"{name} holds negative numbers", on(lambda x: (x < 0).any())
