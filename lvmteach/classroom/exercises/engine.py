"""The engine of the checks: an exercise is data (reference, cases, comparison, misconceptions); this judges an answer.

    log_mean_exp = check.log_mean_exp(log_mean_exp)
    # ok: 12 cases
    # not yet: on log_w (5, 3), expected -0.2918, received 1.318, 1.609 too much
    #   -> You return log K too much: divide by K inside the logarithm.

The call gives back the answer when it passed, and the reference otherwise, so that Run All goes on; the output says so.
With LVMTEACH_STRICT=1, or under nbgrader, anything but a pass raises `CheckFailed`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from IPython import get_ipython

from lvmteach.classroom.exercises.compare import Close, Comparison, SameDistribution, structural_difference
from lvmteach.classroom.exercises.diagnosis import Diagnosis, Evidence, diagnose, size_of
from lvmteach.classroom.exercises.running import Outcome, attempt
from lvmteach.classroom.exercises.verdict import CheckFailed, Verdict, strict

Case = tuple[Any, ...]  # the arguments of one call


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
    """

    ask: str
    reference: Callable
    cases: Callable[[int], Sequence[Case]]
    misconceptions: Mapping[str, Callable]
    also_right: Sequence[Callable] = ()
    compare: Comparison = field(default_factory=Close)
    seconds: float = 10.0

    def __call__(self, answer: Callable) -> Callable:
        """Judge the answer, print the verdict, and return the function that later cells should use."""
        verdict = self.judge(answer)
        print(verdict)
        if verdict.status == "passed":
            return answer
        if verdict.place and verdict.diagnosis in _SAID:
            print(f"  -> {verdict.place}")  # the kind first, the place when it is asked for again
        _SAID.add(verdict.diagnosis)
        used_instead = stand_in(self.reference)
        if strict():
            _put_in_place(answer, used_instead)  # the error ends this cell before it can bind what it was given
            raise CheckFailed(str(verdict))
        print("  (the cells below use the reference solution)")
        return used_instead

    def judge(self, answer: Callable, seed: int = 0) -> Verdict:
        """The verdict on an answer, without printing."""
        if not callable(answer):
            return Verdict("not yet", f"not yet: give the check your function itself, got {type(answer).__name__}")
        if getattr(answer, "is_stand_in", False):
            return Verdict(
                "not attempted", "not attempted: this is the reference; run the cell with your function first"
            )
        if not self._takes_these_arguments(answer):
            return Verdict("not yet", f"not yet: your function should take {inspect.signature(self.reference)}")
        cases, received = self.cases(seed), []
        for case in cases:
            received.append(attempt(answer, case, self.seconds))
            if received[-1].not_attempted:
                return Verdict("not attempted", "not attempted")
            if received[-1].timed_out:
                break  # one endless loop is enough
        expected = [attempt(self.reference, case, self.seconds) for case in cases]
        for case, ours, theirs in zip(cases, expected, received, strict=False):
            symptom = self._symptom(ours, theirs)
            if symptom:
                seen = Evidence(self.reference, answer, cases, expected, received, self._alike, self.seconds)
                return Verdict("not yet", f"not yet: on {self._words(case)}, {symptom}", *self._why(seen))
        return Verdict("passed", f"ok: {len(cases)} cases")

    def _takes_these_arguments(self, answer: Callable) -> bool:
        try:
            inspect.signature(answer).bind(*inspect.signature(self.reference).parameters)
        except TypeError:
            return False
        except ValueError:  # a builtin, which does not tell
            return True
        return True

    def _symptom(self, expected: Outcome, received: Outcome) -> str | None:
        """What is wrong with one call, in words; None if nothing is."""
        if received.timed_out:
            return f"your function was still running after {self.seconds:g} s: look for a loop that does not end"
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
        return structural_difference(expected.value, received.value) or self.compare.difference(
            expected.value, received.value
        )

    def _why(self, seen: Evidence) -> Diagnosis:
        """The declared misconception that does the same, else the engine's own diagnosis, else what fits in part."""
        if declared := self._declared(seen):
            return Diagnosis(declared)
        if isinstance(self.compare, SameDistribution):  # draws are never equal: other changes would seem to fit as well
            return Diagnosis("")
        relation = self.compare.relation([e.value for e in seen.expected], [r.value for r in seen.received])
        return diagnose(seen, simple=relation) or Diagnosis(self._in_part(seen))

    def _declared(self, seen: Evidence) -> str:
        """The sentence of the misconception that does what the student's function does, on every case."""
        for sentence, wrong in self.misconceptions.items():
            pairs = zip(seen.cases, seen.received, strict=False)
            if all(self._alike(attempt(wrong, case, self.seconds), theirs) for case, theirs in pairs):
                return sentence
        return ""

    def _in_part(self, seen: Evidence) -> str:
        """Two mistakes at once match no misconception everywhere; on some cases one of them may.

        It is named if no other one does the same, on two wrong results of different sizes at least. Truth values are
        too few to tell.
        """
        fitting = []
        for sentence, wrong in self.misconceptions.items():
            sizes = set()
            for i in seen.wrong:
                value = seen.received[i].value
                if value is not None and getattr(value, "dtype", None) != torch.bool:
                    outcome = attempt(wrong, seen.cases[i], self.seconds)
                    if self._alike(outcome, seen.received[i]):
                        sizes.add(size_of(seen.cases[i]))
            if len(sizes) >= 2:
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
        return self.compare.alike(wrong.value, theirs.value)

    def _words(self, case: Case) -> str:
        """A case in words: each argument by its name, tensors by their shape."""
        names = list(inspect.signature(self.reference).parameters)
        return ", ".join(f"{name} {_short(value)}" for name, value in zip(names, case, strict=False)) or "no arguments"


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
