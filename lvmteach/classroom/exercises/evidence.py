"""What a check has seen of a wrong answer: cases, and what reference and answer made of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lvmteach.classroom.exercises.compare import ATOL, RTOL, Comparison, structural_difference
from lvmteach.classroom.exercises.running import Outcome, attempt


class Diagnosis(NamedTuple):
    """Why, in a sentence; and where to look, for those who ask a second time ('' if there is no more to say)."""

    why: str
    place: str = ""


@dataclass(eq=False)
class Evidence:
    """Cases, and the outcomes of reference and answer on each. alike: whether two outcomes tell of one function.

    models: other right answers. declared: the number of cases that the exercise declares; the rest follow from them.
    more: the declared cases on another seed.
    """

    reference: Callable
    models: Sequence[Callable]
    answer: Callable
    cases: Sequence[tuple]
    declared: int
    expected: Sequence[Outcome]
    received: Sequence[Outcome]
    alike: Callable[[Outcome, Outcome], bool]
    compare: Comparison
    seconds: float
    began: float  # processor time, when the answer came in
    more: Callable[[int], Sequence[tuple]] = lambda seed: ()
    tried: dict = field(default_factory=dict)  # what changed formulas gave, kept for a second look

    @cached_property
    def names(self) -> list[str]:
        """The names of the arguments."""
        return list(inspect.signature(self.reference).parameters)

    @cached_property
    def wrong(self) -> list[int]:
        """The cases whose results differ."""
        pairs = zip(self.expected, self.received, strict=False)
        return [i for i, (ours, theirs) in enumerate(pairs) if not self.alike(ours, theirs)]

    @cached_property
    def numbers(self) -> list[int]:
        """The wrong cases in which something came back."""
        return [i for i in self.wrong if self.received[i].value is not None]

    @cached_property
    def right(self) -> list[int]:
        """The cases whose results are right."""
        wrong = set(self.wrong)
        return [i for i in range(len(self.received)) if i not in wrong]

    @cached_property
    def sizes(self) -> list[tuple]:
        """What tells the sizes of the cases apart; where all declared ones have one size, each counts as another."""
        sizes = [size_of(case) for case in self.cases]
        same = len(set(sizes[: self.declared])) == 1 < self.declared
        return [(*size, i) for i, size in enumerate(sizes)] if same else sizes

    @cached_property
    def fresh(self) -> list[Sequence[tuple]]:
        """The declared cases with other numbers, to try on them what may have been chance."""
        return [self.more(seed) for seed in (1, 2)]

    def like(self, i: int) -> list[tuple]:
        """A declared case, and the same one with other numbers."""
        return [self.cases[i], *(cases[i] for cases in self.fresh if i < min(self.declared, len(cases)))]

    def size(self, i: int) -> tuple:
        """The size of a case."""
        return self.sizes[i]

    def is_finite(self, i: int) -> bool:
        """Whether a case gave numbers all of which are finite: NaN stays NaN whatever comes in."""
        value = self.received[i].value
        if value is None or structural_difference(self.expected[i].value, value, True):
            return False
        return all(part.isfinite().all() for part in self.compare.parts(value, self.inputs(i)).values())

    def inputs(self, i: int) -> dict[str, Any]:
        """The arguments of a case by their names."""
        return dict(zip(self.names, self.cases[i], strict=False))

    def argument(self, i: int, at: int) -> Any:
        """One argument of a case; None if it has fewer."""
        return self.cases[i][at] if at < len(self.cases[i]) else None

    def try_again(self, function: Callable, case: tuple, seed: int = 0) -> Outcome:
        """One more call."""
        return attempt(function, case, self.seconds, seed)

    @cached_property
    def parts(self) -> dict[str, dict[int, tuple[Tensor, Tensor]]]:
        """Name of a result -> case -> what is right and what was received, in double precision.

        Empty if a result has not the structure it should have, in any case.
        """
        found: dict[str, dict[int, tuple[Tensor, Tensor]]] = {}
        for i, (ours, theirs) in enumerate(zip(self.expected, self.received, strict=False)):
            if theirs.error is not None:
                continue  # both refuse, or there are no numbers to speak of
            if ours.value is None or theirs.value is None or structural_difference(ours.value, theirs.value, True):
                return {}
            a, b = (self.compare.parts(value, self.inputs(i)) for value in (ours.value, theirs.value))
            for name in a:
                if name in b:
                    found.setdefault(name, {})[i] = a[name].double(), b[name].double()
        return found

    @cached_property
    def wrong_parts(self) -> dict[str, dict[int, tuple[Tensor, Tensor]]]:
        """Those of the parts that differ, on the declared cases if on any of those."""
        found = {}
        for name, pairs in self.parts.items():
            declared = {i: pair for i, pair in pairs.items() if i < self.declared}
            for some in (declared, pairs):
                if not all(near(a, b) for a, b in some.values()):
                    found[name] = some
                    break
        return found

    @cached_property
    def overflow_alone(self) -> bool:
        """Whether every number that differs is infinite or NaN: many a formula does that at the ends of the range."""
        off = [b[~torch.isclose(b, a, rtol=RTOL, atol=ATOL, equal_nan=True)]
               for pairs in self.wrong_parts.values() for a, b in pairs.values() if a.shape == b.shape]  # fmt: skip
        return bool(off) and not torch.cat(off).isfinite().any()

    @cached_property
    def right_but_altered(self) -> bool:
        """Whether all that is wrong is that inputs were altered: the symptom says it."""
        return all(self.received[i].changed for i in self.wrong) and bool(self.parts) and not self.wrong_parts

    @cached_property
    def one_number_a_case(self) -> bool:
        """Whether the student's numbers are all alike in each case, and the right ones are not."""
        pairs = [(a, b) for part in self.wrong_parts.values() for a, b in part.values() if b.numel() > 1]
        alike = [near(b.flatten(), b.flatten()[:1].expand(b.numel())) for _, b in pairs]
        return (
            len(pairs) >= 2
            and all(alike)
            and not any(near(a.flatten(), a.flatten()[:1].expand(a.numel())) for a, _ in pairs)
        )

    def whose(self, name: str) -> str:
        """A part in words."""
        return "your result" if name == "result" else f"your {name}"

    @cached_property
    def informative(self) -> bool:
        """Whether the results hold enough to tell functions apart: a few truth values or classes are not."""
        return any(map(self.is_real, self.wrong)) or self.wrong_classes >= ENOUGH

    @cached_property
    def wrong_classes(self) -> int:
        """How many truth values, or classes, are wrong in all cases."""
        pairs = (pair for i in self.wrong for pair in self._differing(i))
        return sum(int((a != b).sum()) for a, b in pairs if a.shape == b.shape)

    def is_real(self, i: int) -> bool:
        """Whether a real number is wrong in a case, or what is no number; not truth values or classes alone."""
        pairs = self._differing(i)
        return not pairs or any(b.is_floating_point() for _, b in pairs)

    def _differing(self, i: int) -> list[tuple[Tensor, Tensor]]:
        """The right and the received parts of a case that differ, as they are; none if there are none to compare."""
        ours, theirs = (one[i].value for one in (self.expected, self.received))
        if ours is None or theirs is None:
            return []
        if structural_difference(ours, theirs, True) and isinstance(ours, tuple | list):
            return []
        a, b = (self.compare.parts(value, self.inputs(i)) for value in (ours, theirs))
        return [(a[name], b[name]) for name in a if name in b and not near(a[name].double(), b[name].double())]


ENOUGH = 8  # wrong truth values, or classes


def near(a: Tensor, b: Tensor) -> bool:
    """Equal but for rounding, entry by entry."""
    return a.shape == b.shape and torch.allclose(b, a, rtol=RTOL, atol=ATOL, equal_nan=True)


def size_of(case: tuple) -> tuple:
    """What tells cases of different sizes apart."""
    return tuple(tuple(v.shape) if isinstance(v, Tensor) else v if isinstance(v, int | float) else None for v in case)
