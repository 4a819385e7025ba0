"""How a received result is compared with the expected one, and what is said of the difference."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from lvmteach.classroom.exercises.difference import as_tensor, dtype_problem, largest_difference
from lvmteach.classroom.exercises.running import graph_leaves

UNNAMED: Mapping[str, Any] = MappingProxyType({})  # inputs, where their names do not matter
FEW = 3  # results that are named as right beside a wrong one
RTOL, ATOL = 1e-8, 1e-9  # of rounding in float64; that of float32 is up to 6e-8 of a number


@runtime_checkable
class Comparison(Protocol):
    """A way of comparing results of equal structure. `inputs`: the arguments of the call, by name."""

    def difference(self, expected: Any, received: Any, inputs: Mapping[str, Any] = UNNAMED) -> str | None:
        """What differs, in words; None if nothing does."""

    def alike(self, one: Any, other: Any) -> bool:
        """Whether two results come from the same (wrong) implementation."""

    def parts(self, value: Any, inputs: Mapping[str, Any] = UNNAMED) -> dict[str, Tensor]:
        """Everything that is compared, by name: the results, and what else counts."""


class Close:
    """Equal up to rounding.

    Args:
        rtol, atol: |received - expected| <= atol + rtol |expected|. The defaults tell float64 from float32.
    """

    def __init__(self, rtol: float = RTOL, atol: float = ATOL):
        self.rtol, self.atol = rtol, atol

    def difference(self, expected: Any, received: Any, inputs: Mapping[str, Any] = UNNAMED) -> str | None:
        leaves = list(paired_leaves(expected, received))
        wrong = [(name, ours, theirs) for name, ours, theirs in leaves if not self._close(ours, theirs)]
        if not wrong:
            return None
        (name, ours, theirs), *_ = wrong
        right = [one.removesuffix(": ") for one, *_ in leaves if one not in {one for one, *_ in wrong}]
        beside = f"; {' and '.join(right)} {'is' if len(right) == 1 else 'are'} right" if 1 <= len(right) <= FEW else ""
        return f"{name}{self._words(ours, theirs)}{beside}"

    def alike(self, one: Any, other: Any) -> bool:
        return all(self._close(a, b) for _, a, b in paired_leaves(one, other))

    def parts(self, value: Any, inputs: Mapping[str, Any] = UNNAMED) -> dict[str, Tensor]:
        leaves = paired_leaves(value, value)
        return {name.removesuffix(": ") or "result": as_tensor(leaf) for name, leaf, _ in leaves if is_number(leaf)}

    def _words(self, ours: Any, theirs: Any) -> str:
        if not is_number(ours):
            return f"expected {ours!r}, received {theirs!r}"
        return largest_difference(ours, theirs, self._each_close(ours, theirs))

    def _close(self, a: Any, b: Any) -> bool:
        return bool(self._each_close(a, b).all()) if is_number(a) else a == b

    def _each_close(self, a: Any, b: Any) -> Tensor:
        ours, theirs = as_tensor(a).double(), as_tensor(b).double()
        return torch.isclose(theirs, ours, rtol=self.rtol, atol=self.atol, equal_nan=True)


class CloseWithGradients(Close):
    """Equal value, and equal gradient for every input that carries one. An input is recognised by its values."""

    def difference(self, expected: Any, received: Any, inputs: Mapping[str, Any] = UNNAMED) -> str | None:
        if problem := super().difference(expected, received, inputs):
            return f"its value: {problem}"
        ours, theirs = self._by_input(expected, received, inputs)
        wrong = [name for name in ours if not self._close(ours[name], theirs[name])]
        if not wrong:
            return None
        right = [name for name in ours if name not in wrong]
        beside = f" (that for {' and '.join(right)} is right)" if right else ""
        first = wrong[0]
        whose = f" for {first}" if first in inputs else ""
        return f"the value is right, its gradient{whose} is not{beside}: {self._words(ours[first], theirs[first])}"

    def alike(self, one: Any, other: Any) -> bool:
        if not super().alike(one, other):
            return False
        ours, theirs = self._by_input(one, other, {})
        return all(self._close(ours[name], theirs[name]) for name in ours)

    def parts(self, value: Any, inputs: Mapping[str, Any] = UNNAMED) -> dict[str, Tensor]:
        grads, _ = self._by_input(value, value, inputs)
        return super().parts(value, inputs) | {f"gradient for {name}": grad for name, grad in grads.items()}

    @staticmethod
    def _by_input(one: Any, other: Any, inputs: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """By the name of the input, for all that one of the two has; zero where it has none."""
        ours, theirs = gradients(one), gradients(other)
        known = {**theirs, **ours}
        for value in inputs.values():  # all inputs that may carry one
            if isinstance(value, Tensor) and value.requires_grad:
                known.setdefault(_key(value), torch.zeros_like(value))
        names = {_key(value): name for name, value in inputs.items() if isinstance(value, Tensor)}
        found: tuple[dict, dict] = {}, {}
        for key in sorted(known):
            for side, grads in zip(found, (ours, theirs), strict=True):
                side[names.get(key, str(key[:3]))] = grads.get(key, torch.zeros_like(known[key]))
        return found


def _key(leaf: Tensor) -> tuple:
    return tuple(leaf.detach().flatten().tolist())


class SameDistribution:
    """Results are samples, the first axis the draws: same mean and same mean square in every coordinate.

    Two-sample z tests, with the stated chance that two right samplers are told apart.
    """

    def __init__(self, false_alarm: float = 1e-8):
        self.false_alarm = false_alarm

    def difference(self, expected: Any, received: Any, inputs: Mapping[str, Any] = UNNAMED) -> str | None:
        for name, ours, theirs in paired_leaves(expected, received):
            for word, power in (("mean", 1), ("mean square", 2)):
                a, b = as_tensor(ours).double() ** power, as_tensor(theirs).double() ** power
                z = self._z(a, b)
                if z.max() > stats.norm.isf(self.false_alarm / 2 / (2 * z.numel())):
                    at = int(z.flatten().argmax())
                    values = f"{a.mean(0).flatten()[at]:.4g}, of yours {b.mean(0).flatten()[at]:.4g}"
                    return f"{name}your samples have another distribution: the {word} should be about {values}"
        return None

    def alike(self, one: Any, other: Any) -> bool:
        """At one in a thousand: two samples of the same wrong sampler pass."""
        return SameDistribution(1e-3).difference(one, other) is None

    def parts(self, value: Any, inputs: Mapping[str, Any] = UNNAMED) -> dict[str, Tensor]:
        return {}  # draws are never equal: nothing can be read off them one by one

    @staticmethod
    def _z(a: Tensor, b: Tensor) -> Tensor:
        spread = (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()
        gap = (a.mean(0) - b.mean(0)).abs()
        return torch.where(gap == 0, 0.0, gap / spread)


def gradients(value: Any) -> dict[tuple, Tensor]:
    """Gradient of a weighted sum of the results for every leaf of their graph; {} if there is none (any more).

    A tensor that comes from another process has left its graph there, and brings them as `its_gradients`; one of this
    process keeps them under that name for the next time.
    """
    if (brought := getattr(value, "its_gradients", None)) is not None:
        return brought
    leaves = [leaf for leaf in graph_leaves(value) if not getattr(leaf, "is_a_copy", False)]
    if not leaves:
        return {}
    weights = 1 + torch.arange(value.numel()).reshape(value.shape).to(value)  # tells the results apart
    try:
        found = torch.autograd.grad((weights * value).sum(), leaves, retain_graph=True, materialize_grads=True)
    except RuntimeError:  # the graph was used up inside the student's function
        return {}
    value.its_gradients = {_key(leaf): grad for leaf, grad in zip(leaves, found, strict=True)}
    return value.its_gradients


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
    if not is_number(expected):
        return None if type(expected) is type(received) else f"return a {_kind(expected)}, got a {_kind(received)}"
    if (
        isinstance(expected, Tensor)
        and not isinstance(received, Tensor)
        and not (expected.ndim == 0 and isinstance(received, (int, float)))
    ):
        return f"return a torch tensor, got a {_kind(received)}; torch.as_tensor makes one"
    if not is_number(received):
        return f"return a number, got a {_kind(received)}"
    ours, theirs = as_tensor(expected), as_tensor(received)
    if ours.shape != theirs.shape:
        return f"the result should have shape {tuple(ours.shape)}, got {tuple(theirs.shape)}"
    if isinstance(expected, Tensor) and isinstance(received, Tensor) and ours.dtype != theirs.dtype:
        return dtype_problem(ours.dtype, theirs.dtype)
    if not nan_is_fine and theirs.is_floating_point() and (theirs.isnan() & ~ours.isnan()).any():
        return f"the result holds NaN ({int(theirs.isnan().sum())} of {theirs.numel()} values)"
    return None


def paired_leaves(expected: Any, received: Any, name: str = ""):
    """Name, expected and received of every number in a structure."""
    if isinstance(expected, (tuple, list, Mapping)):
        for key, a, b in _one_level(expected, received):
            yield from paired_leaves(a, b, f"{name}{key}: ")
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


def is_number(value: Any) -> bool:
    """Whether it is a number, or an array of them."""
    return isinstance(value, (Tensor, np.ndarray, bool, int, float, np.number, np.bool_))


def _kind(value: Any) -> str:
    return {"ndarray": "numpy array", "function": "function"}.get(type(value).__name__, type(value).__name__)
