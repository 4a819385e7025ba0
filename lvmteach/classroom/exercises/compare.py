"""How a received result is compared with the expected one, and what is said of the difference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from scipy import stats
from torch import Tensor


@runtime_checkable
class Comparison(Protocol):
    """A way of comparing results of equal structure."""

    def difference(self, expected: Any, received: Any) -> str | None:
        """What differs, in words; None if nothing does."""

    def alike(self, one: Any, other: Any) -> bool:
        """Whether two results come from the same (wrong) implementation."""

    def relation(self, expected: Sequence[Any], received: Sequence[Any]) -> str:
        """A simple relation that holds between them in every case (opposite sign, factor two, ...), or ''."""


class Close:
    """Equal up to rounding.

    Args:
        rtol, atol: |received - expected| <= atol + rtol |expected|. The defaults suit float64.
    """

    def __init__(self, rtol: float = 1e-7, atol: float = 1e-9):
        self.rtol, self.atol = rtol, atol

    def difference(self, expected: Any, received: Any) -> str | None:
        for name, ours, theirs in _paired_leaves(expected, received):
            if not self._close(ours, theirs):
                return f"{name}{_largest_difference(ours, theirs)}"
        return None

    def alike(self, one: Any, other: Any) -> bool:
        return all(self._close(a, b) for _, a, b in _paired_leaves(one, other))

    def relation(self, expected: Sequence[Any], received: Sequence[Any]) -> str:
        pairs = []
        for ours, theirs in zip(expected, received, strict=False):
            if theirs is None or structural_difference(ours, theirs):
                return ""
            pairs += [(a, b) for _, a, b in _paired_leaves(ours, theirs)]
        if not all(_is_number(a) for a, _ in pairs):
            return ""
        a = torch.cat([_tensor(ours).flatten().double() for ours, _ in pairs])
        b = torch.cat([_tensor(theirs).flatten().double() for _, theirs in pairs])
        return self._relation(a, b)

    def _relation(self, a: Tensor, b: Tensor) -> str:
        if len(a) < 3 or self._close(a, b):
            return ""
        if self._close(-a, b):
            return "Right but for the sign, in every case."
        factor, offset = (b @ a / (a @ a)).item(), (b - a).mean().item()
        if self._close(factor * a, b) and factor:
            return f"In every case your result is {factor:.4g} times the right one."
        if self._close(a + offset, b):
            return f"In every case your result is the right one plus {offset:.4g}."
        return ""

    def _close(self, a: Any, b: Any) -> bool:
        if not _is_number(a):
            return a == b
        return torch.allclose(_tensor(b).double(), _tensor(a).double(), rtol=self.rtol, atol=self.atol, equal_nan=True)


class CloseWithGradients(Close):
    """Equal value, and equal gradient for every input that carries one. An input is recognised by its values."""

    def difference(self, expected: Any, received: Any) -> str | None:
        if problem := super().difference(expected, received):
            return f"its value: {problem}"
        for ours, theirs in self._paired_gradients(expected, received):
            if problem := super().difference(ours, theirs):
                return f"the value is right, its gradient is not: {problem}"
        return None

    def alike(self, one: Any, other: Any) -> bool:
        return super().alike(one, other) and all(self._close(a, b) for a, b in self._paired_gradients(one, other))

    @staticmethod
    def _paired_gradients(one: Any, other: Any) -> Iterator[tuple[Tensor, Tensor]]:
        ours, theirs = gradients(one), gradients(other)
        for key in sorted({*ours, *theirs}):
            known = ours.get(key, theirs.get(key))
            yield ours.get(key, torch.zeros_like(known)), theirs.get(key, torch.zeros_like(known))


class SameDistribution:
    """Results are samples, the first axis the draws: same mean and same mean square in every coordinate.

    Two-sample z tests, with the stated chance that two right samplers are told apart.
    """

    def __init__(self, false_alarm: float = 1e-8):
        self.false_alarm = false_alarm

    def difference(self, expected: Any, received: Any) -> str | None:
        for name, ours, theirs in _paired_leaves(expected, received):
            for word, power in (("mean", 1), ("mean square", 2)):
                a, b = _tensor(ours).double() ** power, _tensor(theirs).double() ** power
                z = self._z(a, b)
                if z.max() > stats.norm.isf(self.false_alarm / 2 / (2 * z.numel())):
                    at = int(z.flatten().argmax())
                    values = f"{a.mean(0).flatten()[at]:.4g}, of yours {b.mean(0).flatten()[at]:.4g}"
                    return f"{name}your samples have another distribution: the {word} should be about {values}"
        return None

    def alike(self, one: Any, other: Any) -> bool:
        """At one in a thousand: two samples of the same wrong sampler pass."""
        return SameDistribution(1e-3).difference(one, other) is None

    def relation(self, expected: Sequence[Any], received: Sequence[Any]) -> str:
        return ""

    @staticmethod
    def _z(a: Tensor, b: Tensor) -> Tensor:
        spread = (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()
        gap = (a.mean(0) - b.mean(0)).abs()
        return torch.where(gap == 0, 0.0, gap / spread)


def gradients(value: Any) -> dict[tuple, Tensor]:
    """Gradient of a weighted sum of the results for every leaf of their graph; {} if there is none (any more).

    A tensor that comes from another process has left its graph there, and brings them as `its_gradients`.
    """
    if (brought := getattr(value, "its_gradients", None)) is not None:
        return brought
    leaves, seen, todo = [], set(), [getattr(value, "grad_fn", None)]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        todo += [parent for parent, _ in node.next_functions]
    if not leaves:
        return {}
    weights = 1 + torch.arange(value.numel()).reshape(value.shape).to(value)  # tells the results apart
    try:
        found = torch.autograd.grad((weights * value).sum(), leaves, retain_graph=True, materialize_grads=True)
    except RuntimeError:  # the graph was used up inside the student's function
        return {}
    return {tuple(leaf.detach().flatten().tolist()): grad for leaf, grad in zip(leaves, found, strict=True)}


def structural_difference(expected: Any, received: Any, nan_is_fine: bool = False) -> str | None:
    """What is wrong before values are compared: kind, shape, dtype, NaN. None if nothing is."""
    if isinstance(expected, (tuple, list, Mapping)):
        if not isinstance(received, (tuple, list, Mapping)) or len(received) != len(expected):
            got = (
                f"{len(received)} of them" if isinstance(received, (tuple, list, Mapping)) else f"one {_kind(received)}"
            )
            return f"return {len(expected)} results{_field_names(expected)}, got {got}"
        if isinstance(expected, Mapping) and set(expected) != set(received):
            return f"return a dict with the keys {sorted(expected)}, got {sorted(received)}"
        for name, a, b in _one_level(expected, received):
            if problem := structural_difference(a, b, nan_is_fine):
                return f"{name}: {problem}"
        return None
    return _leaf_problem(expected, received, nan_is_fine)


def _leaf_problem(expected: Any, received: Any, nan_is_fine: bool) -> str | None:
    if not _is_number(expected):
        return None if type(expected) is type(received) else f"return a {_kind(expected)}, got a {_kind(received)}"
    if (
        isinstance(expected, Tensor)
        and not isinstance(received, Tensor)
        and not (expected.ndim == 0 and isinstance(received, (int, float)))
    ):
        return f"return a torch tensor, got a {_kind(received)}; torch.as_tensor makes one"
    if not _is_number(received):
        return f"return a number, got a {_kind(received)}"
    ours, theirs = _tensor(expected), _tensor(received)
    if ours.shape != theirs.shape:
        return f"the result should have shape {tuple(ours.shape)}, got {tuple(theirs.shape)}"
    if isinstance(expected, Tensor) and isinstance(received, Tensor) and ours.dtype != theirs.dtype:
        return f"the result should have dtype {ours.dtype}, got {theirs.dtype}; make new tensors like the input's"
    if not nan_is_fine and theirs.is_floating_point() and (theirs.isnan() & ~ours.isnan()).any():
        return f"the result holds NaN ({int(theirs.isnan().sum())} of {theirs.numel()} values)"
    return None


def numbers(value: Any) -> Tensor:
    """All numbers of a result in one row, in double precision; what is no number is left out."""
    leaves = [_tensor(leaf).flatten().double() for _, leaf, _ in _paired_leaves(value, value) if _is_number(leaf)]
    return torch.cat(leaves) if leaves else torch.zeros(0, dtype=torch.float64)


def _paired_leaves(expected: Any, received: Any, name: str = ""):
    """Name, expected and received of every number in a structure."""
    if isinstance(expected, (tuple, list, Mapping)):
        for key, a, b in _one_level(expected, received):
            yield from _paired_leaves(a, b, f"{key}: ")
    else:
        yield name, expected, received


def _one_level(expected: Any, received: Any):
    if isinstance(expected, Mapping):
        return [(key, expected[key], received[key]) for key in expected]
    keys = getattr(expected, "_fields", None) or [f"result {i + 1}" for i in range(len(expected))]
    return list(zip(keys, expected, received, strict=True))


def _field_names(expected: Any) -> str:
    names = getattr(expected, "_fields", ())
    return f" ({', '.join(names)})" if names else ""


def _largest_difference(expected: Any, received: Any) -> str:
    if not _is_number(expected):
        return f"expected {expected!r}, received {received!r}"
    ours, theirs = _tensor(expected), _tensor(received)
    if ours.dtype == torch.bool:
        wrong = int((ours != theirs).sum())
        return f"{wrong} of {ours.numel()} truth values are wrong"
    gap = (theirs.double() - ours.double()).nan_to_num(nan=math.inf)
    at = int(gap.abs().flatten().argmax())
    index = np.unravel_index(at, ours.shape) if ours.ndim else ()
    place = f"at [{', '.join(str(int(i)) for i in index)}] " if ours.ndim else ""
    amount, word = gap.flatten()[at].item(), "much" if gap.flatten()[at] > 0 else "little"
    return (
        f"{place}expected {ours.flatten()[at].item():.6g}, received {theirs.flatten()[at].item():.6g}, "
        f"{abs(amount):.4g} too {word}"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray, bool, int, float, np.number, np.bool_))


def _tensor(value: Any) -> Tensor:
    return value.detach() if isinstance(value, Tensor) else torch.as_tensor(value)


def _kind(value: Any) -> str:
    return {"ndarray": "numpy array", "function": "function"}.get(type(value).__name__, type(value).__name__)
