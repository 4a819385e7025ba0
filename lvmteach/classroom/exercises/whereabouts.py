"""Right on ordinary inputs: what the wrong cases have in common; and inputs that count too much, or not at all."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, near
from lvmteach.classroom.exercises.running import Outcome, leaves

MUCH = 4  # times as much as in any right case is no chance
FEW = 3  # right cases, if what the wrong ones have is a matter of their structure
MANY_CASES = 8  # wrong ones, in none of which an argument that is ignored may matter
MANY = 5  # right cases, if a case holds too little to tell much


def special_inputs(seen: Evidence, of_lengths: bool = True) -> Diagnosis | None:
    """What all wrong cases have and no right one has. of_lengths: whether that may be an axis longer than two."""
    wrong, right = seen.wrong, seen.right
    if len(right) < (2 if seen.informative else MANY):
        return None
    total = len(seen.received)
    for words, holds in _lengths_of_one(seen):
        if all(holds(i) and _tells(seen, i) for i in right) and not any(holds(i) for i in wrong):
            return Diagnosis(f"Right on those {len(right)} of {total} inputs alone where {words}.")
    found: dict[str, str] = {}  # one of a family
    tried = set()
    for words, holds in _features(seen):
        if not of_lengths and words.endswith("longer than two"):
            continue
        structural = words.startswith("an axis of") or (words.endswith("parts") and len(right) >= FEW)
        if len(right) < len(wrong) and not structural:  # then a likeness is chance
            continue
        family = next((family for part, family in FAMILIES.items() if part in words), words)
        if family in found or not all(holds(i) for i in wrong) or any(holds(i) for i in right):
            continue
        explains = _explains(seen, words)
        if explains is not False:
            found[family] = words
        if explains or words.startswith("the right result"):
            tried.add(family)
    likely = [found[family] for family in found if family in tried][:1] or list(found.values())
    if len(wrong) > 1:
        likely = likely[:1]
    if not 1 <= len(likely) <= 2:  # one case has many a likeness
        return None
    words = ", and ".join(likely)
    return Diagnosis(f"Right on {len(right)} of {total} inputs. The others are those where {words}.")


# Which of the features say nearly the same of an input.
FAMILIES = {
    "length one": "length one", "is tiny": "tiny result", "tiny numbers": "small", "small numbers": "small",
    "infinit": "infinite", "far apart": "large", "further apart": "large", "large positive": "large positive",
    "large": "large", "is long": "long",
}  # fmt: skip


def _tells(seen: Evidence, i: int) -> bool:
    """Whether a right result is more than a zero or an infinity, which many a wrong formula would give as well."""
    parts = _right(seen, i)
    return bool(parts) and all(((a != 0) & a.isfinite()).any() if a.is_floating_point() else True for a in parts)


def _has_reals(seen: Evidence, i: int) -> bool:
    """Whether a right result is of real numbers, and tells."""
    return _tells(seen, i) and any(part.is_floating_point() for part in _right(seen, i))


def _explains(seen: Evidence, words: str) -> bool | None:
    """Whether the answer is right when what is special is taken away: a likeness of the wrong cases may be chance.

    None where that cannot be tried.
    """
    for special, measure in EXTREMES.items():
        if words == _extreme(seen, special, measure)[0]:
            return any(_right_when_shrunk(seen, measure, i) for i in seen.wrong)
    for at, name in enumerate(seen.names):
        for axis in (0, 1):
            if words == LONGER.format(axis, name):
                return any(_right_when_short(seen, i, _length(seen.argument(i, at), axis)) for i in seen.wrong)
        if words == LONG.format(name):
            longest = {i: max(one.shape) for i in seen.wrong for one in _tensors(seen.argument(i, at))}
            return any(_right_when_short(seen, i, length) for i, length in longest.items())
    for special, change in ORDINARY.items():
        for at, name in enumerate(seen.names):
            if words != special.format(name):
                continue
            if not all(_is_real(seen.argument(i, at)) for i in seen.wrong):
                return None  # a tuple of tensors, say
            if "far apart" in words and not all(_is_right_with(seen, i, at, to) for i in seen.wrong for to in ENDS):
                return False  # wrong as well where all numbers are large alike
            return any(_is_right_with(seen, i, at, change) for i in seen.wrong)
    return None


def _is_right_with(seen: Evidence, i: int, at: int, change: Callable[[Tensor], Tensor]) -> bool:
    """Whether the answer is right on a case in which one argument is changed."""
    value = seen.argument(i, at)
    new = change(value.detach()).clone().requires_grad_(value.requires_grad)
    case = (*seen.cases[i][:at], new, *seen.cases[i][at + 1 :])
    right, yours = seen.try_again(seen.reference, case), seen.try_again(seen.answer, case)
    return _is_told(seen, i, right) and seen.alike(right, yours)


LONGER, LONG = "axis {} of {} is longer than two", "an axis of {} is long (beyond 50)"


def _right_when_short(seen: Evidence, i: int, length: int) -> bool:
    """Whether the answer is right on a wrong case, when all axes of one length are cut to two entries."""
    case = tuple(_short(value, length) for value in seen.cases[i])
    right, yours = seen.try_again(seen.reference, case), seen.try_again(seen.answer, case)
    return _is_told(seen, i, right) and seen.alike(right, yours)


def _short(value: Any, length: int) -> Any:
    if isinstance(value, tuple):
        return tuple(_short(part, length) for part in value)
    if not isinstance(value, Tensor):
        return value
    short = value.detach()
    for axis, n in enumerate(value.shape):
        if n == length:
            short = short.narrow(axis, 0, 2)
    return short.clone().requires_grad_(value.requires_grad)


def _is_told(seen: Evidence, i: int, right: Outcome) -> bool:
    """Whether a right result holds numbers, none of them NaN or infinite, which come out of many a wrong formula."""
    if right.error is not None or right.value is None:
        return False
    parts = seen.compare.parts(right.value, seen.inputs(i)).values()
    return bool(parts) and all(part.isfinite().all() for part in parts)


ENDS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda x: x[x.isfinite()].max().expand_as(x), lambda x: x[x.isfinite()].min().expand_as(x),
)  # fmt: skip
FAR = "rows or columns of {} lie far apart (by more than 100)"
ORDINARY: dict[str, Callable[[Tensor], Tensor]] = {
    "{} holds an infinity, and the right result none": lambda x: x.clamp(-3, 3),
    "the first of {} along axis 0 holds an infinity": lambda x: x.clamp(-3, 3),
    "{} holds an infinity": lambda x: x.clamp(-3, 3),
    "{} holds negative numbers": torch.abs,
    "{} is zero somewhere": lambda x: torch.where((x == 0) | (x == 1), 0.3, x),
    FAR: lambda x: x.clamp(-15, 15),
    "{} holds large numbers (beyond 1000)": lambda x: x.clamp(-15, 15),
    "{} holds large numbers (beyond 100)": lambda x: x.clamp(-15, 15),
    "{} holds large numbers (beyond 20)": lambda x: x.clamp(-15, 15),
    "{} holds large positive numbers (beyond 100)": lambda x: x.clamp(max=15),
    "{} comes very near to one": lambda x: torch.where((1 - x).abs() < 1e-6, 0.9, x),
    "{} holds small numbers (below 0.01)": lambda x: torch.where(x.abs() < 0.01, 0.3, x),
    "{} holds small numbers (below 0.1)": lambda x: torch.where(x.abs() < 0.1, 0.3, x),
    "{} holds tiny numbers (below 1e-3)": lambda x: torch.where(x.abs() < 1e-3, 0.1, x),
    "{} holds tiny numbers (below 1e-6)": lambda x: torch.where(x.abs() < 1e-6, 0.1, x),
}


def mostly_right(seen: Evidence) -> Diagnosis | None:
    """The same, where it is likelier than any other reason: not of a length, which many a formula has a part in."""
    return special_inputs(seen, of_lengths=False) if len(seen.right) >= 2 * len(seen.wrong) else None


# Of an argument's finite numbers: what may be larger in some cases than in all others.
EXTREMES: dict[str, Callable[[Tensor], float]] = {
    "the numbers of {} lie much further apart than elsewhere": lambda x: (x.max() - x.min()).item(),
    "the numbers of {} are much larger than elsewhere": lambda x: x.abs().max().item(),
}


def _extreme(seen: Evidence, words: str, measure: Callable[[Tensor], float]) -> tuple[str, list[int]]:
    """The arguments that are larger in every wrong case than in any right one, in words and by their places."""
    all_at = [at for at in range(len(seen.names)) if all(_is_extreme(seen, at, measure, i) for i in seen.wrong)]
    alone = [at for at in all_at if all(_is_right_with(seen, i, at, lambda x: 0.1 * x) for i in seen.wrong)]
    all_at = alone or all_at
    return words.format(" and ".join(seen.names[at] for at in all_at)) if all_at else "", all_at


def _is_extreme(seen: Evidence, at: int, measure: Callable[[Tensor], float], i: int) -> bool:
    """Whether a wrong case has much more of something than any right one."""
    right = _ordinary(seen, at, measure)
    value = seen.argument(i, at)
    if math.isnan(right) or not _is_real(value) or not value.isfinite().all():
        return False
    return i not in seen.right and measure(value.detach().double()) > MUCH * right


def _ordinary(seen: Evidence, at: int, measure: Callable[[Tensor], float]) -> float:
    """The most that a right case has of something; NaN if there are few of them."""
    values = [seen.argument(k, at) for k in seen.right]
    if len(values) < FEW or not all(_is_real(value) and value.isfinite().all() for value in values):
        return math.nan
    return max(measure(value.detach().double()) for value in values)


def _right_when_shrunk(seen: Evidence, measure: Callable[[Tensor], float], i: int) -> bool:
    """Whether the answer is right on a wrong case whose large arguments are made as small as those of right ones."""
    case = list(seen.cases[i])
    for at, value in enumerate(case):
        if _is_extreme(seen, at, measure, i):
            value = value.detach()
            case[at] = value * (_ordinary(seen, at, measure) / measure(value.double()))
    right, yours = seen.try_again(seen.reference, tuple(case)), seen.try_again(seen.answer, tuple(case))
    return _is_told(seen, i, right) and seen.alike(right, yours)


def _lengths_of_one(seen: Evidence) -> Iterator[tuple[str, Callable[[int], bool]]]:
    for at, name in enumerate(seen.names):
        shapes = [case[at].shape for case in seen.cases if at < len(case) and isinstance(case[at], Tensor)]
        for axis in range(max(map(len, shapes), default=0)):

            def holds(i: int, at: int = at, axis: int = axis) -> bool:
                shape = seen.cases[i][at].shape
                return len(shape) <= axis or shape[axis] == 1

            yield f"axis {axis} of {name} has length one", holds


def _features(seen: Evidence) -> Iterator[tuple[str, Callable[[int], bool]]]:
    """The plainest last: an axis of length one is often there by chance."""
    yield "the right result is infinite", lambda i: _is_infinite(seen, i)
    for least in (1e-6, 1e-3):
        yield f"the right result is tiny (below {least:.0e})", lambda i, least=least: _is_tiny(seen, i, least)
    for at, name in enumerate(seen.names):
        yield (
            f"{name} holds an infinity, and the right result none",
            lambda i, at=at: _has_inf(seen.argument(i, at)) and not any(a.isinf().any() for a in _right(seen, i)),
        )
        yield (
            f"the first of {name} along axis 0 holds an infinity",
            lambda i, at=at: _length(seen.argument(i, at), 0) > 0 and _has_inf(seen.argument(i, at)[0]),
        )
        yield (
            f"gradients of an earlier backward lie in {name}",
            lambda i, at=at: any(leaf.grad is not None for leaf in leaves(seen.argument(i, at))),
        )
    tests: dict[str, Callable[[Tensor], bool]] = {
        LONG: lambda x: max(x.shape, default=0) > 50,
        "{} holds an infinity": lambda x: x.isinf().any(),
        FAR: lambda x: _far_apart(x) > 100,
        "{} holds large numbers (beyond 1000)": lambda x: (x[x.isfinite()].abs() > 1000).any(),
        "{} holds large numbers (beyond 100)": lambda x: (x[x.isfinite()].abs() > 100).any(),
        "{} holds large numbers (beyond 20)": lambda x: (x[x.isfinite()].abs() > 20).any(),
        "{} holds large positive numbers (beyond 100)": lambda x: (x[x.isfinite()] > 100).any(),
        "{} comes very near to one": lambda x: ((1 - x).abs() < 1e-6).any() and (x != 1).any(),
        "{} holds tiny numbers (below 1e-6)": lambda x: ((x.abs() < 1e-6) & (x != 0)).any(),
        "{} holds tiny numbers (below 1e-3)": lambda x: ((x.abs() < 1e-3) & (x != 0)).any(),
        "{} holds small numbers (below 0.01)": lambda x: ((x.abs() < 0.01) & (x != 0)).any(),
        "{} holds small numbers (below 0.1)": lambda x: ((x.abs() < 0.1) & (x != 0)).any(),
        "{} is zero somewhere": lambda x: (x == 0).any(),
        "{} holds negative numbers": lambda x: (x < 0).any(),
        "{} has more than two axes": lambda x: x.ndim > 2,
        "{} has more than one axis": lambda x: x.ndim > 1,
        "{} is square": lambda x: x.ndim == 2 and x.shape[0] == x.shape[1] > 1,
        "an axis of {} has length one": lambda x: 1 in x.shape,
    }
    for words, test in tests.items():
        for at, name in enumerate(seen.names):

            def holds(i: int, at: int = at, test: Callable[[Tensor], bool] = test) -> bool:
                value = seen.argument(i, at)
                if type(value) is float:
                    value = torch.tensor(value)
                if test is tests[FAR] and not isinstance(value, Tensor):
                    return False  # the weights of a net, say
                return any(bool(test(one.detach())) for one in _tensors(value) if _is_real(one))

            yield words.format(name), holds
    for at, name in enumerate(seen.names):
        for least, words in ((2, "several"), (3, "more than two")):
            yield (
                f"{name} has {words} parts",
                lambda i, at=at, least=least: _parts(seen.argument(i, at)) >= least,
            )
        for axis in (0, 1):
            yield (
                f"axis {axis} of {name} has length one",
                lambda i, at=at, axis=axis: _length(seen.argument(i, at), axis) == 1,
            )
            if all(_has_reals(seen, i) for i in seen.right):  # truth values may agree by chance
                yield (
                    LONGER.format(axis, name),
                    lambda i, at=at, axis=axis: _length(seen.argument(i, at), axis) > 2,
                )
    for at, other in itertools.combinations(range(len(seen.names)), 2):
        yield (
            f"{seen.names[at]} and {seen.names[other]} lie far apart (by more than 100)",
            lambda i, at=at, other=other: _apart(seen.argument(i, at), seen.argument(i, other)) > 100,
        )
    for at, name in enumerate(seen.names):
        for axis in (0, 1):
            yield (
                f"two entries of {name} along axis {axis} are alike",
                lambda i, at=at, axis=axis: i >= seen.declared and _has_equals(seen.argument(i, at), axis),
            )
        yield (
            f"{name} is not in order",
            lambda i, at=at: _is_out_of_order(seen.argument(i, at)),
        )
        yield f"{name} is 0", lambda i, at=at: _plain(seen, i, at) == 0
        yield f"{name} is 1", lambda i, at=at: _plain(seen, i, at) == 1
        words = {case[at] for case in seen.cases if at < len(case) and isinstance(case[at], str | bool)}
        for word in sorted(words, key=str):
            yield f"{name} is {word!r}", lambda i, at=at, word=word: seen.argument(i, at) == word
        for word in sorted(words, key=str) if len(words) > 2 else ():
            yield f"{name} is not {word!r}", lambda i, at=at, word=word: seen.argument(i, at) != word
    for words, measure in EXTREMES.items():
        if told := _extreme(seen, words, measure)[0]:
            yield told, lambda i: i not in seen.right


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, tuple):
        return [one for part in value for one in _tensors(part)]
    return [value] if isinstance(value, Tensor) else []


def _parts(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else 0


def _is_infinite(seen: Evidence, i: int) -> bool:
    """Whether right numbers are infinite; and where a case is wrong, whether it is wrong in those alone."""
    if not any(a.isinf().any() for a in _right(seen, i)):
        return False
    pairs = [parts[i] for parts in seen.wrong_parts.values() if i in parts]
    return all(near(a[~a.isinf()], b[~a.isinf()]) for a, b in pairs)


def _is_tiny(seen: Evidence, i: int, least: float) -> bool:
    """Whether right numbers are smaller than that; and where a case is wrong, whether it is wrong in those alone."""
    if not any(((a.abs() < least) & (a != 0)).any() for a in _right(seen, i) if a.is_floating_point()):
        return False
    pairs = [parts[i] for parts in seen.wrong_parts.values() if i in parts]
    return all(near(a[a.abs() >= least], b[a.abs() >= least]) for a, b in pairs)


def _has_inf(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and bool(value.isinf().any())


def _length(value: Any, axis: int) -> int:
    return value.shape[axis] if isinstance(value, Tensor) and value.ndim > axis else 0


def _apart(x: Any, y: Any) -> float:
    """How far two arguments of one shape lie apart, where that is furthest."""
    if not (_is_real(x) and _is_real(y)) or x.shape != y.shape:
        return 0.0
    gap = (x.detach() - y.detach()).abs()
    return gap[gap.isfinite()].max().item() if gap.isfinite().any() else 0.0


def _has_equals(value: Any, axis: int) -> bool:
    """Whether two entries along an axis are the same, and not all are."""
    if not isinstance(value, Tensor) or value.ndim <= axis or value.shape[axis] < 3:
        return False
    return 1 < value.detach().unique(dim=axis).shape[axis] < value.shape[axis]


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 0


def _is_out_of_order(value: Any) -> bool:
    """Whether labels do not come in rising order."""
    labels = isinstance(value, Tensor) and value.dtype == torch.long and value.ndim == 1
    return labels and bool((value.diff() < 0).any())


def _plain(seen: Evidence, i: int, at: int) -> Any:
    value = seen.argument(i, at)
    return value if type(value) is int else None


def _far_apart(x: Tensor) -> float:
    """How far the largest finite numbers of two rows, or two columns, lie apart."""
    if x.ndim < 2 or not x.isfinite().any():
        return 0.0
    finite = x.masked_fill(~x.isfinite(), -math.inf)
    tops = [finite.amax(axis) for axis in range(x.ndim)]
    return max((top[top.isfinite()].max() - top[top.isfinite()].min()).item() for top in tops)


def _right(seen: Evidence, i: int) -> list[Tensor]:
    value = seen.expected[i].value
    return list(seen.compare.parts(value, seen.inputs(i)).values()) if value is not None else []


def depends_on_others(seen: Evidence) -> Diagnosis | None:
    """Make all data like the first one, or the last: where each stands alone, the result of that one stays as it is.

    In two cases of different sizes at least, if as many are wrong, and nowhere else than in the student's.
    """
    if not seen.informative:
        return None
    enough = min(2, len({seen.size(i) for i in seen.wrong}))
    told: dict[tuple, set] = {}
    for i in (*seen.wrong, *seen.right[:FEW]):  # what is right may cease to be when other data come
        for axis, words in _mixed(seen, i):
            told.setdefault((axis, words), set()).add(seen.size(i))
            if len(told[axis, words]) >= enough:
                return Diagnosis(
                    f"Along axis {axis} of your result the numbers influence each other: when the other data change, "
                    f"so does the {words} number. In the right answer each stands alone. "
                    "Look for a mean, a sum or a maximum over too much."
                )
    return None


def _mixed(seen: Evidence, i: int) -> Iterator[tuple[int, str]]:
    """The axes of a result along which the student's numbers influence each other, and the right ones do not.

    And which number shows it.
    """
    ours, theirs = seen.expected[i], seen.received[i]
    if not isinstance(ours.value, Tensor) or not isinstance(theirs.value, Tensor) or ours.value.ndim == 0:
        return
    if ours.value.shape != theirs.value.shape or len(set(ours.value.shape)) < ours.value.ndim:
        return  # in a square matrix nothing stands alone
    for axis, length in enumerate(ours.value.shape):
        if any(type(value) is int and value == length for value in seen.cases[i]):
            continue  # it comes from a number, not from data
        if any(list(value.shape).count(length) > 1 for value in seen.cases[i] if isinstance(value, Tensor)):
            continue  # two axes of this length: which one holds the data?
        for words, at in (("first", 0), ("last", length - 1)) if length > 1 else ():
            case = tuple(_all_like(value, length, at) for value in seen.cases[i])
            right, yours = seen.try_again(seen.reference, case), seen.try_again(seen.answer, case)
            if not isinstance(right.value, Tensor) or not isinstance(yours.value, Tensor):
                continue
            if right.value.shape != ours.value.shape or yours.value.shape != ours.value.shape:
                continue
            here = [o.value.detach().double().select(axis, at) for o in (ours, right, theirs, yours)]
            if here[0].any() and near(here[0], here[1]) and not near(here[2], here[3]):
                yield axis, words


def _all_like(value: Any, length: int, at: int) -> Any:
    if not isinstance(value, Tensor) or length not in value.shape:
        return value
    changed = value.detach()
    for axis, n in enumerate(value.shape):
        if n == length:
            changed = changed.narrow(axis, at, 1).expand_as(changed)
    return changed.clone().requires_grad_(value.requires_grad)


def ignored(seen: Evidence) -> Diagnosis | None:
    """Arguments that change the right result, and the student's in no case, right ones among them; or parts of them."""
    if not seen.informative:
        return None
    names = []
    if len(seen.names) == 1 and not _is_flat(seen):
        return None  # rounded, say: another input may give the same
    for at, name in enumerate(seen.names):
        if _is_ignored(seen, at, _others):
            names.append(name)
        elif isinstance(seen.cases[0][at] if at < len(seen.cases[0]) else None, tuple):
            parts = min(len(case[at]) for case in seen.cases)
            names += [f"{name}[{k}]" for k in range(parts) if _is_ignored(seen, at, functools.partial(_other_parts, k))]
    if not names:
        return None
    one = "the right one does" if len(names) == 1 else "the right one depends on each"
    return Diagnosis(f"Your result does not depend on {' and '.join(names)}; {one}.")


def _is_flat(seen: Evidence) -> bool:
    """Whether the student's numbers are all alike in each wrong case."""
    all_of_them = [b.flatten() for pairs in seen.wrong_parts.values() for _, b in pairs.values() if b.numel() > 1]
    return len(all_of_them) >= 2 and all(near(b, b[:1].expand_as(b)) for b in all_of_them)


def _is_ignored(seen: Evidence, at: int, others: Callable[[Any], Iterator[Any]]) -> bool:
    told = 0
    for i in (*seen.wrong[:MANY_CASES], *seen.right[:3]):  # in a wrong case alone it may have underflowed
        case = seen.cases[i]
        if not seen.is_finite(i):
            continue
        for other in others(case[at]) if at < len(case) else ():
            given = (*case[:at], other, *case[at + 1 :])
            right, yours = seen.try_again(seen.reference, given), seen.try_again(seen.answer, given)
            if right.error is not None or yours.error is not None or seen.alike(right, seen.expected[i]):
                continue
            if not seen.alike(yours, seen.received[i]):
                return False
            told += 1
    return told >= 2


def _others(value: Any) -> Iterator[Any]:
    """Values of the same kind that are likely to be allowed too."""
    if isinstance(value, tuple):
        yield from zip(*(list(_others(one)) or [one] for one in value), strict=False)
    if type(value) is float:
        yield 0.8 * value
        yield 0.5 * value
    if isinstance(value, Tensor) and value.is_floating_point() and value.numel():
        by = torch.linspace(0.7, 0.9, value.numel(), dtype=value.dtype).reshape(value.shape)
        yield (by * value.detach()).requires_grad_(value.requires_grad)
    if isinstance(value, Tensor) and value.numel() > 1:
        turned = value.detach().flatten().flip(0).reshape(value.shape)
        if not torch.equal(turned, value):
            yield turned.requires_grad_(value.requires_grad)
    if isinstance(value, Tensor) and value.dtype == torch.bool and value.ndim:
        yield value.roll(1, -1)
    if isinstance(value, Tensor) and value.dtype == torch.long and value.ndim and (value != value[:1]).any():
        yield torch.where(value == value.max(), value.min(), value)  # as often as before tells of counts, not of places
        yield torch.cat([value[:1], value[:-1]])


def _other_parts(k: int, value: tuple) -> Iterator[tuple]:
    """The same tuple with another part in one place."""
    for other in _others(value[k]):
        yield (*value[:k], other, *value[k + 1 :])
