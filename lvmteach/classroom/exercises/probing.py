"""A right answer taken apart: every quantity in its formula, and what comes out when some of them enter changed.

The source is compiled once with each expression wrapped. So a thousand changed formulas cost a thousand calls and no
compiling, and two changes can be made at once.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import math
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lvmteach.classroom.exercises.mutation import AXES, names_a_tool, parsed, values_in

ROOM = __name__.rpartition(".")[0]  # helpers that live here are taken apart as well
DEEP = 2  # helpers of helpers

Change = Callable[[Any], Any]


class Twist(NamedTuple):
    """A change of a quantity, and what is then wrong. change: from its value and the call's arguments.

    whole: whether the quantity is a whole number; so many things are, that two changes at once would fit by chance.
    """

    words: str
    change: Callable[[Any, tuple], Any]
    whole: bool = False


# What may become of a quantity, and what is then said. Several that do the same are told as the first of them.
TWISTS: dict[str, tuple[str, Change]] = {
    "zero": ("a term is missing", lambda t: 0 * t),
    "sign": ("a term has the wrong sign", lambda t: -t),
    "one": ("a factor is missing", lambda t: t * 0 + 1),
    "double": ("something counts twice", lambda t: 2 * t),
    "half": ("something counts by half", lambda t: t / 2),
    "inverse": ("something is multiplied where it should divide, or the reverse", lambda t: 1 / t),
    "square": ("a quantity enters squared", lambda t: t * t),
    "root": ("the root of a quantity enters, not itself", lambda t: t**0.5),
    "log": ("the logarithm of a quantity enters, not itself", lambda t: _real(t).log()),
    "exp": ("a logarithm is missing, or an exponential too many", lambda t: _real(t).exp()),
    "bits": ("a logarithm is to the base 2", lambda t: t / math.log(2)),
    "tens": ("a logarithm is to the base 10", lambda t: t / math.log(10)),
    "matrix": ("a matrix enters where its inverse should, or the reverse", lambda t: torch.linalg.inv(_square(t))),
    "unit": ("the identity stands where another matrix should", lambda t: _eye(_square(t))),
    "plus": ("the identity is added where nothing should be", lambda t: t + _eye(_square(t))),
    "turned": ("a matrix stands transposed", lambda t: _matrix(t).mT),
    "diagonal": ("the diagonal alone of a matrix enters", lambda t: t * _eye(_square(t))),
    "flipped": ("an order is reversed", lambda t: _row(t).flip(0)),
    "less": ("a number is one too small", lambda t: t - 1),
    "more": ("a number is one too large", lambda t: t + 1),
    "cut": ("a gradient stops where it should pass", lambda t: _carrying(t).detach()),
}  # fmt: skip


class Spot(NamedTuple):
    """A quantity in the formula: its expression, and the arguments of the exercise that stand in it."""

    text: str
    inputs: tuple[str, ...]


class NotHere(Exception):
    """This change makes no sense of this quantity."""


class Probe:
    """A function taken apart. `changed({3: "sign"})` is the function with the fourth quantity negated."""

    def __init__(self, function: Callable):
        self.spots: list[Spot] = []
        self._now: dict[int, Callable] = {}
        self._seen: dict[int, Any] | None = None
        self._function = self._compiled(function, tuple(inspect.signature(function).parameters), DEEP)

    def changed(self, twists: dict[int, Twist]) -> Callable:
        """The function with some quantities changed."""

        def other(*args):
            self._now = {at: functools.partial(_apply, twist.change, args) for at, twist in twists.items()}
            try:
                return self._function(*args)
            finally:
                self._now = {}

        return other

    def quantities(self, *args: Any) -> dict[int, Any]:
        """What stands at each spot in one call: the last value there."""
        self._seen = {}
        with contextlib.suppress(Exception):
            self._function(*args)
        seen, self._seen = self._seen, None
        return seen

    def _at(self, spot: int, value: Any) -> Any:
        if self._seen is not None:
            self._seen[spot] = value
        return self._now[spot](value) if spot in self._now else value

    def _compiled(self, function: Callable, parameters: tuple[str, ...], deep: int) -> Callable:
        function = inspect.unwrap(function)
        tree = parsed(function)
        definition = tree.body[0]
        if not isinstance(definition, ast.FunctionDef) or function.__closure__:
            raise TypeError("only a plain def can be taken apart")
        definition.decorator_list = []
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        space = dict(function.__globals__) | {"_at": self._at}
        for name in sorted(names):
            helper = function.__globals__.get(name)
            if deep and isinstance(helper, types.FunctionType) and (helper.__module__ or "").startswith(f"{ROOM}."):
                with contextlib.suppress(OSError, TypeError, SyntaxError):
                    space[name] = self._compiled(helper, parameters, deep - 1)
        wrap = _Wrap(self, function, parameters)
        definition.body = [wrap.visit(line) for line in definition.body]
        exec(compile(ast.fix_missing_locations(tree), "<taken apart>", "exec"), space)
        return space[definition.name]


@functools.lru_cache(maxsize=256)
def taken_apart(function: Callable) -> Probe | None:
    """The function's probe, made once; None for what has no source of its own."""
    try:
        return Probe(function)
    except (OSError, TypeError, SyntaxError, AttributeError, IndexError):
        return None


class _Wrap(ast.NodeTransformer):
    """Puts `_at(spot, ...)` around every quantity that is computed or used."""

    def __init__(self, probe: Probe, function: Callable, parameters: tuple[str, ...]):
        self.probe, self.function, self.parameters = probe, function, parameters
        self.made_of: dict[str, set[str]] = {}  # a local name -> the parameters that it was made of

    def wrapped(self, node: ast.expr, text: str, names: set[str]) -> ast.expr:
        inputs = tuple(name for name in self.parameters if name in self.origins(names))
        self.probe.spots.append(Spot(text, inputs))
        at = ast.Constant(len(self.probe.spots) - 1)
        return ast.Call(ast.Name("_at", ast.Load()), [at, node], [])

    def origins(self, names: set[str]) -> set[str]:
        return {origin for name in names for origin in self.made_of.get(name, {name})}

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        names = set(values_in(node.value))
        made = super().generic_visit(node)
        for target in node.targets:
            for name in _names(target) - set(self.parameters):
                self.made_of[name] = self.origins(names) & set(self.parameters)
        return made

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Assign):
            return self.visit_Assign(node)
        if not isinstance(
            node, ast.BinOp | ast.UnaryOp | ast.Call | ast.Name | ast.Subscript | ast.Attribute | ast.Constant
        ):
            return super().generic_visit(node)
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return super().generic_visit(node) if not isinstance(node, ast.Name) else node
        if isinstance(node, ast.Constant) and type(node.value) is not float:
            return node
        if isinstance(node, ast.Name) and names_a_tool(self.function, node.id):
            return node
        if isinstance(node, ast.Attribute) and node.attr not in {"T", "mT", "pi"}:
            return node if isinstance(node.value, ast.Name) else super().generic_visit(node)
        text, names = ast.unparse(node), set(values_in(node))
        node = self.call(node) if isinstance(node, ast.Call) else super().generic_visit(node)
        return self.wrapped(node, text, names)

    def call(self, node: ast.Call) -> ast.Call:
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called not in AXES:  # an axis has changes of its own
            node.args = [self.visit(one) for one in node.args]
        elif node.args and not isinstance(node.args[0], ast.Constant | ast.UnaryOp):
            node.args = [self.visit(node.args[0]), *node.args[1:]]
        for word in node.keywords:
            if word.arg not in {"dim", "axis", "dtype", "keepdim"}:
                word.value = self.visit(word.value)
        return node


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _apply(change: Callable[[Any, tuple], Any], args: tuple, value: Any) -> Any:
    return change(value, args)


def twists_of(value: Any, names: Sequence[str], args: tuple) -> Iterator[Twist]:
    """The changes that can be made of a value; another argument, or another size, may stand in its place."""
    if type(value) is float and math.isinf(value):
        yield Twist("a finite number stands where an infinity should", lambda t, _: 0.0)
        return
    for name in _twists_of(value):
        words, change = TWISTS[name]
        if name == "zero" and type(value) is int:
            words += ", or an index is zero"
        yield Twist(words, lambda t, _, change=change: change(t), type(value) is int)
    if type(value) is int:
        for words, size in _sizes(names, args).items():
            if size(args) != value:
                yield Twist(
                    f"{words} stands where another number should", lambda t, given, size=size: size(given), True
                )
    if isinstance(value, Tensor) and value.is_floating_point():
        for i, (name, other) in enumerate(zip(names, args, strict=False)):
            if isinstance(other, Tensor) and other.shape == value.shape and other.dtype == value.dtype:
                yield Twist(f"{name} stands in the place of another quantity", lambda t, given, i=i: given[i])
            if isinstance(other, Tensor) and other.is_floating_point() and _fits_into(other, value):
                yield Twist(f"{name} is a factor too many", lambda t, given, i=i: t * given[i])
                yield Twist(f"something is divided by {name} too much", lambda t, given, i=i: t / given[i])


def _fits_into(other: Tensor, value: Tensor) -> bool:
    """Whether a product of the two has the shape of the second."""
    try:
        return torch.broadcast_shapes(other.shape, value.shape) == value.shape
    except RuntimeError:
        return False


def _sizes(names: Sequence[str], args: tuple) -> dict[str, Callable[[tuple], int]]:
    """Every length that a call has, in words, and how to read it off the arguments."""
    found: dict[str, Callable[[tuple], int]] = {}
    for i, (name, value) in enumerate(zip(names, args, strict=False)):
        if type(value) is int:
            found[name] = lambda given, i=i: given[i]
        if isinstance(value, Tensor):
            for axis in range(value.ndim):
                found[f"the length of axis {axis} of {name}"] = lambda given, i=i, axis=axis: given[i].shape[axis]
    return found


def _twists_of(value: Any) -> Iterator[str]:
    if type(value) is int:
        yield from ("less", "more", "zero", "sign", "one", "double", "half", "square")
    if type(value) is float:
        yield from ("zero", "sign", "one", "double", "half", "inverse", "square", "root")
    if isinstance(value, Tensor) and value.is_floating_point():
        yield from ("zero", "sign", "one", "double", "half", "inverse", "square", "root", "log", "exp", "bits", "tens")
        if value.ndim >= 2 and value.shape[-1] == value.shape[-2] > 1:
            yield from ("turned", "diagonal")
        if value.ndim >= 2 and value.shape[-1] == value.shape[-2]:
            yield from ("matrix", "unit", "plus")
        if value.ndim >= 1:
            yield "flipped"
        if value.requires_grad:
            yield "cut"


def _real(t: Any) -> Tensor:
    return t if isinstance(t, Tensor) else torch.tensor(float(t), dtype=torch.float64)


def _matrix(t: Tensor) -> Tensor:
    if not isinstance(t, Tensor) or t.ndim < 2:
        raise NotHere
    return t


def _square(t: Tensor) -> Tensor:
    if _matrix(t).shape[-1] != t.shape[-2]:
        raise NotHere
    return t


def _eye(t: Tensor) -> Tensor:
    return torch.eye(t.shape[-1], dtype=t.dtype)


def _row(t: Tensor) -> Tensor:
    if not isinstance(t, Tensor) or t.ndim == 0:
        raise NotHere
    return t


def _carrying(t: Tensor) -> Tensor:
    if not isinstance(t, Tensor) or not t.requires_grad:
        raise NotHere
    return t
