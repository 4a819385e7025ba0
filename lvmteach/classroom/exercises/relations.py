"""What wrong numbers have in common with the right ones, whatever function made them.

A relation is told if it holds in every case, for every result that is wrong: a size or a constant too much, a function
of the right number, two results exchanged, one number whatever comes in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, near

Pairs = dict[int, tuple[Tensor, Tensor]]  # case -> right, received

CONSTANTS = {"2": 2.0, "a half": 0.5, "2 pi": 2 * math.pi, "the root of 2 pi": math.sqrt(2 * math.pi), "pi": math.pi,
             "log 2": math.log(2), "1 over log 2 (another base)": 1 / math.log(2), "4": 4.0, "a quarter": 0.25,
             "the root of 2": math.sqrt(2), "1 over the root of 2": math.sqrt(0.5)}  # fmt: skip
OFFSETS = {"1": 1.0, "a half": 0.5, "log 2": math.log(2), "log 2 pi": math.log(2 * math.pi),
           "half of log 2 pi": 0.5 * math.log(2 * math.pi)}  # fmt: skip
OF_A_SIZE: dict[str, Callable[[float], float]] = {
    "{}": lambda n: n, "1 over {}": lambda n: 1 / n,
    "the root of {}": math.sqrt, "1 over the root of {}": lambda n: n**-0.5,
    "the logarithm of {}": math.log, "half of the logarithm of {}": lambda n: math.log(n) / 2,
    "{} less one": lambda n: n - 1, "1 over {} less one": lambda n: 1 / (n - 1) if n > 1 else math.inf,
    "n / (n - 1), n {}": lambda n: n / (n - 1) if n > 1 else math.inf, "(n - 1) / n, n {}": lambda n: (n - 1) / n,
    "the root of n / (n - 1), n {}": lambda n: math.sqrt(n / (n - 1)) if n > 1 else math.inf,
    "the root of (n - 1) / n, n {}": lambda n: math.sqrt((n - 1) / n),
    "the logarithm of n / (n - 1), n {}": lambda n: math.log(n / (n - 1)) if n > 1 else math.inf,
    "half of {}": lambda n: n / 2, "{} squared": lambda n: n * n,
    "half of log 2 pi for each along {}": lambda n: n * math.log(2 * math.pi) / 2,
    "log 2 pi for each along {}": lambda n: n * math.log(2 * math.pi),
    "half of (1 + log 2 pi) for each along {}": lambda n: n * (1 + math.log(2 * math.pi)) / 2,
}  # fmt: skip
OF_TWO_SIZES: dict[str, Callable[[float, float], float]] = {
    "{} over {}": lambda n, m: n / m, "the root of ({} over {})": lambda n, m: math.sqrt(n / m),
    "the logarithm of ({} over {})": lambda n, m: math.log(n / m),
    "half of log 2 pi times ({} less {})": lambda n, m: (n - m) * math.log(2 * math.pi) / 2,
    "1 over ({} times {})": lambda n, m: 1 / (n * m), "({} times {})": lambda n, m: n * m,
    "n / (n - m), n {} and m {}": lambda n, m: n / (n - m) if n > m else math.nan,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "the square of the right one": torch.square, "the root of the right one": torch.sqrt,
    "the logarithm of the right one": torch.log, "the exponential of the right one": torch.exp,
    "one over the right one": torch.reciprocal, "one over the square of the right one": lambda a: a**-2,
    "one less the right one": lambda a: 1 - a, "the right one without its sign": torch.abs,
    "the right one, rounded to whole numbers": torch.round,
    "the right one, rounded down to whole numbers": torch.floor,
    "the right one, cut off below zero": lambda a: a.clamp_min(0),
    "the right one, transposed": lambda a: a.mT if a.ndim > 1 else a,
    "the right one in reversed order": lambda a: a.flip(0) if a.ndim else a,
    "the right one normalised to sum to one": lambda a: a / a.sum(0) if a.ndim else a,
    "the right one normalised along its last axis": lambda a: a / a.sum(-1, keepdim=True) if a.ndim > 1 else a,
    "the inverse of the right one": lambda a: torch.linalg.pinv(a) if _square(a) else a,
    "the sum of the right ones so far": lambda a: a.cumsum(0) if a.ndim else a,
    "the largest of the right ones so far": lambda a: a.cummax(0).values if a.ndim else a,
    "the smallest of the right ones so far": lambda a: a.cummin(0).values if a.ndim else a,
    "the right one, moved on by one": lambda a: a.roll(1, 0) if a.ndim else a,
    "the right one, moved back by one": lambda a: a.roll(-1, 0) if a.ndim else a,
    "the right one with zeros off its diagonal": lambda a: a * torch.eye(*a.shape[-2:]) if _square(a) else a,
    "the right one, sorted": lambda a: a.sort(-1).values if a.ndim else a,
    "the right one, sorted from the largest on": lambda a: a.sort(-1, descending=True).values if a.ndim else a,
    "the right one scaled to ones on its diagonal": lambda a: a / _scales(a) if _square(a) else a,
    "the mean of the right one's diagonal in all of it, and zero beside it": lambda a: (
        a.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None] * torch.eye(a.shape[-1]) if _square(a) else a
    ),
}  # fmt: skip


def _scales(a: Tensor) -> Tensor:
    roots = a.diagonal(dim1=-2, dim2=-1).sqrt()
    return roots[..., :, None] * roots[..., None, :]


def _square(a: Tensor) -> bool:
    return a.ndim > 1 and a.shape[-1] == a.shape[-2]


def always_the_same(seen: Evidence) -> Diagnosis | None:
    """One number, whatever comes in, where the right ones differ."""
    for name, pairs in seen.wrong_parts.items():
        right, received = (torch.cat([pair[side].flatten() for pair in pairs.values()]) for side in (0, 1))
        all_one, none = (near(x, x[:1].expand_as(x)) for x in (received, right))
        if len(pairs) > 1 and len(received) > 2 and all_one and not none:
            value = f"{received[0]:.4g}"
            if all(getattr(seen.received[i].value, "dtype", None) == torch.bool for i in pairs):
                value = str(bool(received[0]))
            return Diagnosis(f"In every case {seen.whose(name)} is {value}, whatever comes in.")
    return None


def one_ahead(seen: Evidence) -> Diagnosis | None:
    """The right numbers, moved by one along the first axis; what comes in at the end is new."""
    for name, pairs in seen.wrong_parts.items():
        long = [(a, b) for a, b in pairs.values() if a.ndim and a.shape == b.shape and len(a) > 2]
        for words, fits in (
            ("one step ahead", lambda a, b: near(a[1:], b[:-1])), ("one step behind", lambda a, b: near(a[:-1], b[1:]))
        ):  # fmt: skip
            if len({a.shape for a, _ in long}) > 1 and all(fits(a, b) and not near(a[1:], a[:-1]) for a, b in long):
                return Diagnosis(f"In every case {seen.whose(name)} is {words} of the right one along its first axis.")
    return None


def a_size(seen: Evidence) -> Diagnosis | None:
    """One number in all places, which is something of a size."""
    for name, pairs in seen.wrong_parts.items():
        if all(b.numel() and near(b, b.flatten()[0].expand_as(b)) for _, b in pairs.values()):
            value = {i: b.flatten()[0].item() for i, (_, b) in pairs.items()}
            if len(set(value.values())) > 1 and (told := named_factor(seen, value)):
                return Diagnosis(f"In every case {seen.whose(name)} is {told}, in all places.")
    return None


def an_argument(seen: Evidence) -> Diagnosis | None:
    """A result that is an argument, as it came."""
    for name, pairs in seen.wrong_parts.items():
        for at, argument in enumerate(seen.names):
            given = {i: seen.cases[i][at] if at < len(seen.cases[i]) else None for i in pairs}
            given = {i: torch.tensor(x, dtype=torch.float64) if type(x) is float else x for i, x in given.items()}
            if len(pairs) > 1 and all(
                isinstance(given[i], Tensor) and near(given[i].detach().double(), b) and b.numel()
                for i, (_, b) in pairs.items()
            ):
                return Diagnosis(f"In every case {seen.whose(name)} is {argument} as it came in.")
    return None


def exchanged(seen: Evidence) -> Diagnosis | None:
    """Two results, the one in the place of the other."""
    parts = seen.parts
    for one, other in itertools.combinations(parts, 2):
        both = [(parts[one][i], parts[other][i]) for i in parts[one] if i in parts[other]]
        wrong = any(not near(a, b) for (a, b), _ in both)
        if wrong and all(near(a, d) and near(c, b) for (a, b), (c, d) in both):
            return Diagnosis(f"Right, but {one} and {other} are in each other's place.")
    return None


def of_the_right_one(seen: Evidence) -> Diagnosis | None:
    """Each wrong result in its relation to the right one, if each has one."""
    wrong = seen.wrong_parts
    words = []
    for name, pairs in wrong.items():
        relation = sign(pairs) or named(seen, pairs) or function(pairs) or plain(pairs)
        if not relation:
            return None
        words.append(f"{seen.whose(name)} is {relation}")
    return Diagnosis(f"In every case {', and '.join(words)}.") if words else None


def named_alone(seen: Evidence) -> Diagnosis | None:
    """The same, by the sign, constants and sizes alone: what is left when one mistake is known already."""
    words = []
    for name, pairs in seen.wrong_parts.items():
        relation = sign(pairs) or named(seen, pairs)
        if not relation:
            return None
        words.append(f"{seen.whose(name)} is {relation}")
    return Diagnosis(f"In every case {', and '.join(words)}.") if words else None


def sign(pairs: Pairs) -> str:
    return "right but for the sign" if enough(pairs) and all(near(-a, b) for a, b in pairs.values()) else ""


def named(seen: Evidence, pairs: Pairs) -> str:
    """One factor or one summand too much, the same in all entries of a case: a named constant or a size.

    An infinite result counts as an infinite factor: what is divided by n - 1, where n is one.
    """
    if len({seen.size(i) for i in pairs}) < 2:
        return ""
    cases, ratios, gaps = [], [], []
    for i, (a, b) in pairs.items():
        if (b.isfinite() & ~a.isfinite()).any():
            return ""
        a, b = a[a.isfinite()], b[a.isfinite()]
        if b.isnan().any():  # divided by nothing: the other cases tell
            continue
        if b.isinf().any():
            cases.append(i)
            ratios.append(math.inf)
            gaps.append(math.nan)
            continue
        if a.numel() and not ((a == 0).all() and (b == 0).all()):
            cases.append(i)
            ratios.append(_one(b[a != 0] / a[a != 0]) if (a != 0).any() and not (b[a == 0] != 0).any() else math.nan)
            gaps.append(_one(b - a))
    if len(cases) < 2:
        return ""
    sizes = [sizes_of(seen, i) for i in cases]
    for values, constants, words in (
        (ratios, CONSTANTS, "{} times the right one"),
        ([-ratio for ratio in ratios], CONSTANTS, "minus {} times the right one"),
        (gaps, OFFSETS, "the right one {}"),
    ):
        name = _name(values, constants, sizes, of_gaps=values is gaps)
        if name:
            return words.format(name)
    return ""


def named_factor(seen: Evidence, factors: dict[int, float]) -> str:
    """What a factor is in every case: a constant, or something of one or two sizes; '' if it is neither."""
    return _name(list(factors.values()), CONSTANTS, [sizes_of(seen, i) for i in factors], of_gaps=False)


def function(pairs: Pairs) -> str:
    """The right one squared, its root, ..."""
    if enough(pairs):
        for words, change in FUNCTIONS.items():
            if all(near(change(a), b) for a, b in pairs.values()):
                return words
    return ""


def plain(pairs: Pairs) -> str:
    """Some number times the right one, or plus it."""
    a, b = (torch.cat([pair[side].flatten() for pair in pairs.values()]) for side in (0, 1))
    if len(a) < 3 or not (a.isfinite().all() and b.isfinite().all()):
        return ""
    factor, offset = (b @ a / (a @ a)).item(), (b - a).mean().item()
    if factor and f"{factor:.4g}" != "1" and near(factor * a, b):
        return f"{factor:.4g} times the right one"
    tiny = abs(offset) < 1e-6 * a.abs().max()
    return f"the right one plus {offset:.4g}" if near(a + offset, b) and not tiny else ""


def along_an_axis(seen: Evidence) -> Diagnosis | None:
    """The right numbers times one factor, or plus one number, that is the same along an axis and varies otherwise."""
    return _along(seen, two_axes=True)


def one_factor(seen: Evidence) -> Diagnosis | None:
    """The same for results with a single axis."""
    return _along(seen, two_axes=False)


def _along(seen: Evidence, two_axes: bool) -> Diagnosis | None:
    if len(seen.wrong_parts) != 1:
        return None
    ((name, pairs),) = seen.wrong_parts.items()
    axes = min(a.ndim for a, _ in pairs.values())
    if two_axes != (axes > 1) or any(a.shape != b.shape for a, b in pairs.values()):
        return None
    rows = {i: (a.flatten(), b.flatten()) for i, (a, b) in pairs.items()}
    if axes and (words := _one_number(rows, 0)):
        return Diagnosis(f"In every case {seen.whose(name)} is the right one {words}, which differs from case to case.")
    for axis in range(axes if two_axes else 0):
        if words := _one_number(pairs, axis):
            return Diagnosis(
                f"Along axis {axis} of {seen.whose(name)} all numbers are the right ones {words}, which is not the "
                "same in every place of the other axes: look at what you take off or divide by along it."
            )
    return None


def _one_number(pairs: Pairs, axis: int) -> str:
    """What becomes of all right numbers along an axis, if it is one factor or one summand for them all; or ''."""
    long = {i: (a, b) for i, (a, b) in pairs.items() if a.shape[axis] > 1}
    if max((a.shape[axis] for a, _ in long.values()), default=0) < 3 or len({a.shape for a, _ in long.values()}) < 2:
        return ""
    for words, between, neutral in (("times one factor", _ratio, 1.0), ("plus one number", torch.sub, 0.0)):
        if all(_same_along(between(b, a), axis, neutral) for a, b in long.values()):
            return words
    return ""


def _ratio(b: Tensor, a: Tensor) -> Tensor:
    return torch.where((a == 0) & (b == 0), math.nan, b / a)


def _same_along(values: Tensor, axis: int, neutral: float) -> bool:
    """Whether all numbers along an axis are one number, and none that changes nothing; NaN stands for any."""
    if values.isinf().any():
        return False
    low, high = values.nan_to_num(math.inf).amin(axis), values.nan_to_num(-math.inf).amax(axis)
    told = low <= high
    changing = ((low[told] - neutral).abs() > 1e-9).all()
    return bool(told.any() and changing) and torch.allclose(low[told], high[told], rtol=1e-7, atol=1e-9)


def enough(pairs: Pairs) -> bool:
    """Whether several numbers agree, not all of them trivial."""
    a = torch.cat([a.flatten() for a, _ in pairs.values()])
    return len(a) >= 3 and len(a.unique()) >= 3


def _one(values: Tensor) -> float:
    """The value that all have, or NaN."""
    return values[0].item() if len(values) and torch.allclose(values, values[:1], rtol=1e-6, atol=1e-9) else math.nan


def sizes_of(seen: Evidence, i: int) -> dict[str, float]:
    """Every length that a case has, in words."""
    found = {}
    for name, value in seen.inputs(i).items():
        if isinstance(value, Tensor):
            for axis, length in enumerate(value.shape):
                found[f"the length of axis {axis} of {name}"] = float(length)
            if value.ndim > 1:
                found[f"the number of entries of {name}"] = float(value.numel())
            if value.ndim:
                found[f"the length of the last axis of {name}"] = float(value.shape[-1])
        elif isinstance(value, int) and not isinstance(value, bool):
            found[name] = float(value)
    return found


def _name(values: list[float], constants: dict, sizes: list[dict[str, float]], of_gaps: bool) -> str:
    """What the values are in every case: a constant, a size, or something of one or two sizes; '' if nothing is.

    Where a case has no such size, the value must be the one of a right result.
    """
    neutral = 0.0 if of_gaps else 1.0
    if any(math.isnan(v) for v in values) or all(math.isclose(v, neutral, abs_tol=1e-6) for v in values):
        return ""

    def fits(want: list[float]) -> bool:
        # Where n - 1 is zero, students put whatever they like.
        pairs = [(v, w) for v, w in zip(values, want, strict=True) if not math.isinf(w)]
        return len(pairs) > 1 and all(math.isclose(v, w, rel_tol=1e-6, abs_tol=1e-9) for v, w in pairs)

    def made(make: Callable, *lengths: list[float]) -> list[float] | None:
        there = [all(n >= 1 for n in case) for case in zip(*lengths, strict=True)]
        if len(lengths) == 2 and all(n == m for n, m in zip(*lengths, strict=True) if not math.isnan(n + m)):
            return None  # one size under two names
        if len({case for case, ok in zip(zip(*lengths, strict=True), there, strict=True) if ok}) < 2:
            return None
        return [make(*case) if ok else math.nan for case, ok in zip(zip(*lengths, strict=True), there, strict=True)]

    every = dict.fromkeys(name for one in sizes for name in one)
    axes = {name: [one.get(name, math.nan) for one in sizes] for name in every}
    simple = [(word, [value] * len(values)) for word, value in constants.items()]
    simple += [(w.format(n), made(f, axes[n])) for n in axes for w, f in OF_A_SIZE.items()]
    of_two = (
        (w.format(n, m), made(f, axes[n], axes[m]))
        for n, m in itertools.permutations(axes, 2) for w, f in OF_TWO_SIZES.items()
    )  # fmt: skip
    forms = (("plus {}", 1), ("less {}", -1)) if of_gaps else (("{}", 1),)
    for candidates in (simple, of_two):
        for word, want in candidates:
            for form, factor in forms:
                if want and set(want) != {neutral} and fits([neutral if math.isnan(w) else factor * w for w in want]):
                    return form.format(word)
    return ""
