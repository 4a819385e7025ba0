"""The engine of the checks: an exercise is data (reference, cases, comparison, misconceptions); this judges an answer.

    log_mean_exp = check.log_mean_exp(log_mean_exp)
    # ok: 12 cases
    # not yet: on log_w (5, 3), expected -0.2918,
    #   received 1.318, 1.609 too much
    #   -> You return log K too much: divide by K inside the
    #      logarithm.
    check.log_mean_exp.case()  # that input in full, with both results

The call gives back the answer when it passed, and the reference otherwise, so that Run All goes on; the output says so.
With LVMTEACH_STRICT=1, or under nbgrader, anything but a pass raises `CheckFailed`.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from IPython import get_ipython

from lvmteach.classroom.exercises.cases import with_an_axis_of_one, with_equal_entries, with_old_gradients
from lvmteach.classroom.exercises.compare import Close, Comparison, SameDistribution, structural_difference
from lvmteach.classroom.exercises.diagnosis import diagnose, gone_through_twice, what_is_lost
from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, size_of
from lvmteach.classroom.exercises.running import Outcome, attempt
from lvmteach.classroom.exercises.showing import Failure, show
from lvmteach.classroom.exercises.verdict import CheckFailed, Verdict, strict, wrapped

Case = tuple[Any, ...]  # the arguments of one call
# Cases at most that follow from the declared ones: an axis cut to length one, two entries alike, gradients of before.
SEVERAL, ALIKE, OLD = 6, 3, 1


@dataclass(frozen=True)
class Exercise:
    """One exercise, declared.

    Args:
        ask: the task in one sentence.
        reference: a right implementation, written as a `def` (its source is mutated by `make mutants`).
        cases: takes a seed and returns argument tuples, the smallest first. The check uses seed 0.
        misconceptions: the sentence that helps -> the wrong implementation whose author needs it.
        also_right: other right implementations, in another style; the tests run them.
        compare: how results are compared; `Close()` or `SameDistribution()`.
        seconds: longest time for one case.
        size_one: whether each axis may have length one; the engine then tries it, where all right answers agree.
    """

    ask: str
    reference: Callable
    cases: Callable[[int], Sequence[Case]]
    misconceptions: Mapping[str, Callable]
    also_right: Sequence[Callable] = ()
    compare: Comparison = field(default_factory=Close)
    seconds: float = 10.0
    size_one: bool = True
    _kept: dict = field(default_factory=dict, init=False, repr=False, compare=False)  # what judging has found out

    def __call__(self, answer: Callable) -> Callable:
        """Judge the answer, print the verdict, and return the function that later cells should use."""
        verdict = self.judge(answer)
        print(verdict)
        if verdict.status == "passed":
            return answer
        if verdict.place and verdict.diagnosis in _SAID:
            print(wrapped(verdict.place, "  -> "))  # the kind first, the place when it is asked for again
        _SAID.add(verdict.diagnosis)
        if "failure" in self._kept and verdict.status == "not yet":
            print(f"  (to see that input in full: check.{self._name()}.case())")
        used_instead = stand_in(self.reference)
        if strict():
            _put_in_place(answer, used_instead)  # the error ends this cell before it can bind what it was given
            raise CheckFailed(str(verdict))
        print("  (the cells below use the reference solution)")
        return used_instead

    def case(self) -> None:
        """Show the first input that went wrong, in full: the answer's result, the right one, and a picture of both."""
        if "failure" in self._kept:
            show(self._kept["failure"])
        else:
            print("no case has failed: run the check first")

    def judge(self, answer: Callable, seed: int = 0, why: bool = True) -> Verdict:
        """The verdict on an answer, without printing. why: whether to look for the reason of what is wrong."""
        if not callable(answer):
            return Verdict("not yet", f"not yet: give the check your function itself, got {type(answer).__name__}")
        if getattr(answer, "is_stand_in", False):
            return Verdict(
                "not attempted", "not attempted: this is the reference; run the cell with your function first"
            )
        if not self._takes_these_arguments(answer):
            return Verdict("not yet", f"not yet: your function should take {inspect.signature(self.reference)}")
        self._kept.pop("failure", None)
        began = time.process_time()
        cases, received = self.all_cases(seed), []
        for case in cases:
            received.append(attempt(answer, case, self.seconds))
            if received[-1].not_attempted:
                return Verdict("not attempted", "not attempted")
            if received[-1].timed_out:
                break  # one endless loop is enough
        expected = [attempt(self.reference, case, self.seconds) for case in cases]
        symptoms = [self._symptom(*one) for one in zip(cases, expected, received, strict=False)]
        first = next((i for i, symptom in enumerate(symptoms) if symptom), None)
        if first is None:
            return Verdict("passed", f"ok: {len(cases)} cases")
        self._kept["failure"] = Failure(self._inputs(cases[first]), expected[first], received[first])
        right = symptoms.count(None)
        beside = f"right on {right} of {len(symptoms)} inputs; " if right else ""
        seen = Evidence(
            self.reference, self.also_right, answer, cases, len(self.cases(seed)), expected, received, self._alike,
            self.compare, self.seconds, began, self.cases,
        )  # fmt: skip
        return Verdict(
            "not yet",
            f"not yet: {beside}on {self._words(cases[first])}, {symptoms[first]}",
            *(self._why(seen) if why else ()),
        )

    def all_cases(self, seed: int = 0) -> list[Case]:
        """The declared cases, and some that follow from them: where all right answers agree on numbers."""
        declared = list(self.cases(seed))
        if isinstance(self.compare, SameDistribution):
            return declared
        if seed not in self._kept:
            short = with_an_axis_of_one(declared) if self.size_one else ()
            self._kept[seed] = [
                case
                for made, most, test in (
                    (short, SEVERAL, self._agreed),
                    (with_equal_entries(declared), ALIKE, self._agreed_on_numbers),
                    (with_old_gradients(declared), OLD, self._agreed_on_numbers),
                )
                for case in itertools.islice(filter(test, made), most)
            ]
        return declared + self._kept[seed]

    def _agreed_on_numbers(self, case: Case) -> bool:
        """The same where results are no classes: of a choice between equals there may be two right ones."""
        value = attempt(self.reference, case, self.seconds).value
        parts = self.compare.parts(value, self._inputs(case)) if value is not None else {}
        return any(part.is_floating_point() for part in parts.values()) and self._agreed(case)

    def _agreed(self, case: Case) -> bool:
        right = attempt(self.reference, case, self.seconds)
        if right.error is not None or right.value is None:
            return False
        parts = self.compare.parts(right.value, self._inputs(case))
        if not parts or not all(part.numel() and part.isfinite().all() for part in parts.values()):
            return False
        return all(self._symptom(case, right, attempt(other, case, self.seconds)) is None for other in self.also_right)

    def _takes_these_arguments(self, answer: Callable) -> bool:
        try:
            inspect.signature(answer).bind(*inspect.signature(self.reference).parameters)
        except TypeError:
            return False
        except ValueError:  # a builtin, which does not tell
            return True
        return True

    def _symptom(self, case: Case, expected: Outcome, received: Outcome) -> str | None:
        """What is wrong with one call, in words; None if nothing is."""
        if received.timed_out:
            return f"your function was still running after {self.seconds:g} s: look for a loop that does not end"
        if expected.timed_out or not isinstance(
            expected.error, ValueError | type(None)
        ):  # an import that was cut short, say
            why = "took too long" if expected.timed_out else f"raised {type(expected.error).__name__}"
            return f"the check could not be made: its own answer {why}. Restart the kernel, and run this again"
        if expected.error is not None:  # a case that must be refused
            if type(received.error) is type(expected.error):
                return None
            return f"your function should raise {type(expected.error).__name__} ({expected.error})"
        if received.error is not None:
            return f"your function raised {type(received.error).__name__}: {received.error}{received.where}"
        if received.value is None:
            told = ": it printed its result; return it instead" if received.printed else "; end it with `return ...`"
            return f"your function returned nothing{told}"
        if received.changed:
            return f"your function changed its input {received.changed}: work on a copy (x = x + 1, not x += 1)"
        wrong = structural_difference(expected.value, received.value) or self.compare.difference(
            expected.value, received.value, self._inputs(case)
        )
        if wrong is None and not Close(1e-6).alike(expected.models, received.models):
            return "your result is right, but the model that you were given did not learn it: train that one, no copy"
        return wrong

    def _why(self, seen: Evidence) -> Diagnosis:
        """The declared misconception that does the same, else the engine's own diagnosis, else what fits in part."""
        if twice := gone_through_twice(seen):  # what follows from it has other reasons as well
            return twice
        if declared := self._declared(seen):
            return Diagnosis(declared)
        if isinstance(self.compare, SameDistribution):  # draws are never equal: other changes would seem to fit as well
            return Diagnosis("")
        if found := diagnose(seen, self.misconceptions):
            return found
        return Diagnosis(in_part) if (in_part := self._in_part(seen)) else what_is_lost(seen) or Diagnosis("")

    def _declared(self, seen: Evidence) -> str:
        """The sentence of the misconception that does what the student's function does.

        On every declared case: there may be another slip where an axis has length one.
        """
        enough = seen.declared if seen.wrong and seen.wrong[0] < seen.declared else len(seen.cases)
        for sentence, wrong in self.misconceptions.items():
            pairs = zip(seen.cases[:enough], seen.received, strict=False)
            if all(self._alike(attempt(wrong, case, self.seconds), theirs) for case, theirs in pairs):
                return sentence
        return ""

    def _in_part(self, seen: Evidence) -> str:
        """Two mistakes at once match no misconception everywhere; on some cases one of them may.

        It is named if no other one does the same, on two wrong results of different sizes at least, and on half of
        them. Truth values and classes are too few to tell.
        """
        declared = [i for i in seen.wrong if i < seen.declared]
        telling = [i for i in declared if seen.received[i].value is not None and seen.is_real(i)]
        fitting = []
        for sentence, wrong in self.misconceptions.items():
            fits: list[int] = []
            for left, i in zip(range(len(telling), 0, -1), telling, strict=True):
                if 2 * (len(fits) + left) < len(declared):
                    break
                if self._alike(attempt(wrong, seen.cases[i], self.seconds), seen.received[i]):
                    fits.append(i)
            if 2 * len(fits) >= len(declared) and len({size_of(seen.cases[i]) for i in fits}) >= 2:
                fitting.append(sentence)
        return f"One thing that fits here: {fitting[0]}" if len(fitting) == 1 else ""

    def _alike(self, wrong: Outcome, theirs: Outcome) -> bool:
        if wrong.timed_out or theirs.timed_out:
            return wrong.timed_out and theirs.timed_out
        if wrong.error is not None or theirs.error is not None:
            return type(wrong.error) is type(theirs.error)
        if wrong.value is None or theirs.value is None:
            return wrong.value is theirs.value and bool(wrong.printed) == bool(theirs.printed)
        if wrong.changed != theirs.changed or structural_difference(wrong.value, theirs.value, nan_is_fine=True):
            return False
        return self.compare.alike(wrong.value, theirs.value) and Close(1e-6).alike(wrong.models, theirs.models)

    def _words(self, case: Case) -> str:
        """A case in words: each argument by its name, tensors by their shape."""
        return ", ".join(f"{name} {_short(value)}" for name, value in self._inputs(case).items()) or "no arguments"

    def _inputs(self, case: Case) -> dict[str, Any]:
        return dict(zip(inspect.signature(self.reference).parameters, case, strict=False))

    def _name(self) -> str:
        """The name under which the stage offers this exercise."""
        room = sys.modules.get(self.reference.__module__.rpartition(".")[0])
        return next((name for name, value in vars(room or self).items() if value is self), "NAME")


_SAID: set[str] = set()  # what this kernel has said


def _put_in_place(answer: Callable, used_instead: Callable) -> None:
    """Let the notebook's later cells find the reference under the answer's names: an endless loop is met once."""
    shell = get_ipython()
    for name, value in list(shell.user_ns.items()) if shell else ():
        if value is answer:
            shell.user_ns[name] = used_instead


def stand_in(reference: Callable) -> Callable:
    """The reference, marked, so that a check run twice does not praise it."""

    @functools.wraps(reference)
    def used_instead(*args, **kwargs):
        return reference(*args, **kwargs)

    used_instead.is_stand_in = True
    return used_instead


def _short(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"{tuple(value.shape)}" if value.ndim else f"= {float(value):.4g}"
    if isinstance(value, (int, float, str, bool)):
        return f"= {value!r}"
    if type(value) is tuple and 0 < len(value) <= 4 and all(isinstance(part, (tuple, torch.Tensor)) for part in value):
        return f"({', '.join(map(_short, value))})"  # a net's layers, say: their shapes tell which case it is
    if hasattr(value, "__name__") and value.__name__.isidentifier():
        return f"= {value.__name__}"
    return f"({type(value).__name__})"
