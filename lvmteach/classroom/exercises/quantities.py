"""Wrong numbers that differ from the right ones by a quantity of the formula or the inputs: a sum, a step on the way.

What constants and sizes explain is found in `relations`; here the difference, or the ratio, varies with the numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, near
from lvmteach.classroom.exercises.probing import Twist, taken_apart
from lvmteach.classroom.exercises.relations import Pairs, enough, named_factor
from lvmteach.classroom.exercises.running import Outcome, copied, many_calls

# How a wrong result may come of the right one, a, and a quantity, t.
WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "{}": lambda a, t: t, "minus {}": lambda a, t: -t,
    "the right one times {}": lambda a, t: a * t, "the right one divided by {}": lambda a, t: a / t,
    "half of the right one divided by {}": lambda a, t: a / (2 * t),
    "the right one plus {}": lambda a, t: a + t, "the right one less {}": lambda a, t: a - t,
    "the right one plus twice {}": lambda a, t: a + 2 * t, "the right one less twice {}": lambda a, t: a - 2 * t,
    "the right one plus half of {}": lambda a, t: a + t / 2, "the right one less half of {}": lambda a, t: a - t / 2,
}  # fmt: skip
OF_INPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "{}": lambda x: x,
    "the sum of {}": lambda x: x.sum(),
    "the sum of {} over axis 0": lambda x: x.sum(0) if x.ndim > 1 else x,
    "the sum of {} over axis 1": lambda x: x.sum(1) if x.ndim > 1 else x,
    "the sum of {} over its last axis": lambda x: x.sum(-1) if x.ndim > 1 else x,
    "the sum of squares of {} over its last axis": lambda x: (x**2).sum(-1) if x.ndim else x,
    "the sum of logarithms of {}": lambda x: x.log().sum(),
    "the sum of logarithms of {} over its last axis": lambda x: x.log().sum(-1) if x.ndim > 1 else x,
    "the mean of {} over axis 0": lambda x: x.mean(0) if x.ndim else x,
    "the largest of {} over axis 0": lambda x: x.amax(0) if x.ndim else x,
    "the largest of {} over its last axis": lambda x: x.amax(-1) if x.ndim else x,
    "the softmax of {} over axis 0": lambda x: x.softmax(0) if x.ndim else x,
    "the softmax of {} over its last axis": lambda x: x.softmax(-1) if x.ndim > 1 else x,
    "the log of the sum of exponentials of {} over axis 0": lambda x: x.logsumexp(0) if x.ndim else x,
    "the log of the sum of exponentials of {} over its last axis": lambda x: x.logsumexp(-1) if x.ndim > 1 else x,
    "the exponential of {}": torch.exp,
    "the exponential of the largest of {} over axis 0": lambda x: x.amax(0).exp() if x.ndim else x,
    "the square of {}": torch.square,
    "the trace of {}": lambda x: x.diagonal(dim1=-2, dim2=-1).sum(-1) if _is_square(x) else x,
    "the log determinant of {}": lambda x: torch.linalg.slogdet(x)[1] if _is_square(x) else x,
}


def of_an_input(seen: Evidence) -> Diagnosis | None:
    """Each wrong result is the right one and something of an input."""
    words = []
    for name, pairs in seen.wrong_parts.items():
        for argument, form, given in _of_inputs(seen, list(pairs)):
            if way := _way(seen, pairs, given):
                words.append(f"{seen.whose(name)} is {way.format(form.format(argument))}")
                break
        else:
            return None
    return Diagnosis(f"In every case {', and '.join(words)}.") if words else None


def _of_inputs(seen: Evidence, cases: list[int]) -> Iterator[tuple[str, str, dict[int, Tensor]]]:
    for form, change in OF_INPUTS.items():
        for name in seen.names:
            values = {i: seen.inputs(i).get(name) for i in cases}
            if all(isinstance(x, Tensor) and x.is_floating_point() for x in values.values()):
                try:
                    yield name, form, {i: change(x.detach().double()) for i, x in values.items()}
                except (RuntimeError, IndexError):  # no such axis
                    continue


def counted_wrongly(seen: Evidence, until: float) -> Diagnosis | None:
    """A term of the formula that enters with another factor: found by leaving it out, whatever the factor is."""
    if not seen.wrong_parts or not any(_is_given_as_numbers(seen, name) for name in seen.names):
        return None
    if all(near(a, a.round()) for pairs in seen.wrong_parts.values() for a, _ in pairs.values()):
        return None  # classes: nothing counts in part
    cases = [i for i in (*seen.numbers, *seen.right) if seen.received[i].value is not None][:MOST]
    rows = {i: (_all(seen, seen.expected[i], i), _all(seen, seen.received[i], i)) for i in cases}
    rows = {i: (a, b) for i, (a, b) in rows.items() if a is not None and b is not None and a.shape == b.shape}
    if len({seen.size(i) for i in rows if i in seen.wrong}) < 2:
        return None
    found: list[tuple[str, tuple[str, ...]]] = []
    for function in (seen.reference, *seen.models):
        probe = taken_apart(function)
        if probe is None or time.process_time() > until:
            continue
        with many_calls(until) as call:
            values = probe.quantities(*map(copied, seen.cases[seen.wrong[0]]))
            for at, spot in enumerate(probe.spots):
                if not _is_a_term(values.get(at)):
                    continue
                if spot.inputs and not any(_is_given_as_numbers(seen, name) for name in spot.inputs):
                    continue  # a model, say: many a mistake looks like a term of it that is missing
                without = probe.changed({at: NOTHING})
                if factor := _factor(seen, rows, lambda i, other=without: _all(seen, call(other, seen.cases[i]), i)):
                    found.append((factor, spot.inputs))
                if time.process_time() > until:
                    break
        if found:
            factor, inputs = min(found, key=lambda one: len(one[1]) or 9)
            place = f"Look at what is done with {' and '.join(inputs)}." if 1 <= len(inputs) <= 2 else ""
            return Diagnosis(COUNTED.get(factor, f"A term of the formula counts {factor} times."), place)
    return None


def _is_given_as_numbers(seen: Evidence, name: str) -> bool:
    value = seen.inputs(0).get(name)
    return isinstance(value, Tensor | float | int | tuple)


def _is_a_term(value: object) -> bool:
    """Whether a quantity can count in part: not an index, a length, a truth value."""
    return type(value) is float or (isinstance(value, Tensor) and value.is_floating_point())


COUNTED = {
    "-1": "A term of the formula has the wrong sign.",
    "0": "A term of the formula is missing.",
}
NOTHING = Twist("a term is missing", lambda t, _: 0 * t)
MOST = 9  # cases


def _factor(seen: Evidence, rows: dict[int, tuple[Tensor, Tensor]], without: Callable[[int], Tensor | None]) -> str:
    """How often a term counts, in words; '' if that does not explain all cases."""
    factors, sizes, terms = {}, set(), []
    for i, (a, b) in rows.items():
        z = without(i)
        if z is None or z.shape != a.shape:
            return ""
        term = a - z
        there = term.abs() > 1e-6 * (a.abs() + z.abs() + 1e-3)
        if not near(a[~there], b[~there]):
            return ""
        if there.any():
            factor = 1 + (b - a)[there] / term[there]
            if not torch.allclose(factor, factor[:1], rtol=1e-6, atol=1e-7):
                return ""
            factors[i] = factor[0].item()
            terms.append(term[there])
            varies = not near(term[there], term[there][:1].expand(int(there.sum())))  # else any constant would fit
            if there.sum() >= 3 and varies and i in seen.wrong:
                sizes.add(seen.size(i))
    if len({seen.size(i) for i in factors if i in seen.wrong}) < 2 or len(torch.cat(terms).unique()) < 3:
        return ""
    some = [factors[i] for i in factors if i in seen.wrong]
    if any(abs(one - 1) < 1e-4 for one in some):
        return ""  # a small error, which has another reason
    if all(abs(one - some[0]) < 1e-6 * abs(some[0]) + 1e-9 for one in some) and len(some) == len(factors):
        if abs(some[0]) < 1e-9:
            return "0"
        return f"{some[0]:.4g}" if len(some) > 2 or sizes else ""
    return named_factor(seen, factors)


def _all(seen: Evidence, outcome: Outcome, i: int) -> Tensor | None:
    """All numbers of an outcome in one row; None if any is not finite."""
    if outcome.error is not None or outcome.value is None:
        return None
    parts = [p.double().flatten() for p in seen.compare.parts(outcome.value, seen.inputs(i)).values()]
    row = torch.cat(parts) if parts else torch.zeros(0)
    return row if row.numel() and row.isfinite().all() else None


def of_a_step(seen: Evidence, until: float) -> Diagnosis | None:
    """A wrong result is a step on the way to the right one, or the right one and a step of its formula."""
    cases = sorted({i for pairs in seen.wrong_parts.values() for i in pairs})
    for function in (seen.reference, *seen.models):
        probe = taken_apart(function)
        if probe is None or not cases or time.process_time() > until:
            continue
        steps: dict[int, dict[int, Tensor]] = {}
        with many_calls(until):
            for i in cases:
                for at, value in probe.quantities(*map(copied, seen.cases[i])).items():
                    if isinstance(value, Tensor) and value.is_floating_point():
                        steps.setdefault(at, {})[i] = value.detach().double()
        for pairs in seen.wrong_parts.values():
            for at, given in steps.items():
                if (way := _way(seen, pairs, given)) and len(seen.wrong_parts) == 1:
                    return _step(way, probe.spots[at].inputs)
    return None


def _step(way: str, inputs: tuple[str, ...]) -> Diagnosis:
    place = f"Look at what is done with {' and '.join(inputs)}." if 1 <= len(inputs) <= 2 else ""
    if "the right one" not in way:
        return Diagnosis("Your result is a step on the way to the right one: something after it is missing.", place)
    if "times" in way or "divided" in way:
        return Diagnosis("Your result has a factor of the formula too many, or one too few.", place)
    return Diagnosis("Your result has a term of the formula too many, or one too few.", place)


def _way(seen: Evidence, pairs: Pairs, given: dict[int, Tensor]) -> str:
    """How the received numbers come of the right ones and the given; '' if they do not, or too few tell."""
    if set(pairs) - set(given) or len({seen.size(i) for i in pairs}) < 2 or not enough(_finite(pairs)):
        return ""
    for words, way in WAYS.items():
        if all(_made(way, a, given[i], b) for i, (a, b) in pairs.items()):
            return words
    return ""


def _finite(pairs: Pairs) -> Pairs:
    return {i: (b[b.isfinite()], b) for i, (_, b) in pairs.items()}


def _made(way: Callable[[Tensor, Tensor], Tensor], a: Tensor, t: Tensor, b: Tensor) -> bool:
    for given in (t, t[..., None]) if t.ndim else (t,):
        try:
            made = way(a, given)
        except RuntimeError:  # of other shapes
            continue
        if made.shape == b.shape and near(made, b):
            return True
    return False


def _is_square(x: Tensor) -> bool:
    return x.ndim >= 2 and x.shape[-1] == x.shape[-2]
