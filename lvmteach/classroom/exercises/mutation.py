"""One-place changes of a right answer: the mistakes that a program can think of by itself.

The diagnosis asks whether a student's numbers are those of such a change; `make mutants` asks whether a check would let
one through.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import pickle
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import NamedTuple

SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Lt: ast.Gt, ast.Gt: ast.Lt,
           ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.MatMult: ast.Mult}  # fmt: skip
WITH_EQUALITY = {ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.LtE: ast.Lt, ast.GtE: ast.Gt}
SIGN = "a term is added where it should be subtracted, or the reverse"
FACTOR = "something is multiplied where it should divide, or the reverse"
# A function that may be forgotten, and what is then said.
DROPPED = {
    "log": "a logarithm is missing", "log1p": "a logarithm is missing", "exp": "an exponential is missing",
    "sqrt": "a square root is missing", "square": "a square is missing", "sum": "a sum is missing",
    "mean": "a mean is missing", "abs": "an absolute value is missing", "sigmoid": "a sigmoid is missing",
    "tanh": "a tanh is missing", "softplus": "a softplus is missing", "detach": "a gradient flows where none should",
    "clamp": "a limit is missing", "clamp_min": "a limit is missing", "flip": "an order is reversed",
    "diagonal": "a whole matrix stands where its diagonal should",
}  # fmt: skip
# What may stand in the place of another function of the same arguments.
EXCHANGED = {
    "sum": ("mean", "prod"), "mean": ("sum",), "logsumexp": ("amax", "mean", "sum"), "var": ("std",), "std": ("var",),
    "softmax": ("log_softmax",), "argmax": ("argmin",), "amax": ("amin",), "amin": ("amax",),
}  # fmt: skip
WORDS = {
    "sum": "a sum", "mean": "a mean", "prod": "a product", "amax": "a maximum", "amin": "a minimum",
    "logsumexp": "a logsumexp", "var": "a variance", "std": "a standard deviation", "softmax": "a softmax",
    "log_softmax": "its logarithm", "argmax": "the place of the largest", "argmin": "the place of the smallest",
}  # fmt: skip
SHARES = {"softmax", "sigmoid"}
OVER_ALL = {"sigmoid": "softmax", "logsigmoid": "log_softmax"}  # each number by itself -> all of a row together
AXES = {"sum", "mean", "logsumexp", "softmax", "log_softmax", "cumsum", "var", "std", "argmax", "cat", "stack",
        "any", "all", "max", "min", "amax", "amin", "prod", "diff", "flip", "roll"}  # fmt: skip

FEW = (1, 2, 3, 5, 10, 20)  # rounds of a loop

Change = Callable[[ast.AST], ast.AST | None]  # edits a node in place, or returns what replaces it


class Mutant(NamedTuple):
    """A changed function. kind: what is wrong with it. inputs: the parameters that stand at the changed place.

    where: the place itself, for those who know the solution.
    """

    kind: str
    inputs: tuple[str, ...]
    where: str
    function: Callable


def mutants(function: Callable, possible: Callable | None = None) -> Iterator[Mutant]:
    """Each one-place change of a function written as a `def`. possible: as for `places`."""
    function = inspect.unwrap(function)
    tree = parsed(function)
    for place in places(function, tree, possible):
        changed = compiled(function, tree, place)
        if changed is not None:
            yield Mutant(place.kind, place.inputs, place.where, changed)


class Place(NamedTuple):
    """A change and where it is made: the number of the node in `ast.walk`."""

    index: int
    kind: str
    inputs: tuple[str, ...]
    where: str
    change: Change


def parsed(function: Callable) -> ast.Module:
    """The source of a `def`."""
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def places(function: Callable, tree: ast.Module, possible: Callable | None = None) -> Iterator[Place]:
    """Every change that can be made in one place. possible: node -> (kind, change), by default `changes`."""
    parameters = inspect.signature(function).parameters
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    axes = {id(part) for call in calls for axis in _axes(call) for part in ast.walk(axis)}
    for index, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.Name) and names_a_tool(function, node.id):
            continue
        if id(node) in axes:  # has changes of its own
            continue
        names = dict.fromkeys(name for name in values_in(node) if name in parameters)
        for kind, change in (possible or changes)(node):
            where = f"line {getattr(node, 'lineno', 0)}, {ast.unparse(node).splitlines()[0]}"
            yield Place(index, kind, tuple(names), where, change)


# What takes the size of an argument, or its kind, and no number of it.
SIZES = {"shape", "ndim", "dtype"}
OF_SIZE = {"len", "numel", "size", "dim", "zeros_like", "ones_like", "empty_like", "eye", "_eye"}


def values_in(node: ast.AST) -> Iterator[str]:
    """The names whose values an expression uses: in `x.shape[1] * s.log()` s alone."""
    if isinstance(node, ast.Attribute) and node.attr in SIZES:
        return
    if isinstance(node, ast.Call) and _called(node) in OF_SIZE:
        return
    if isinstance(node, ast.Name):
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from values_in(child)


def compiled(function: Callable, tree: ast.Module, *changed: Place) -> Callable | None:
    """The function with these places changed; None if that is no program."""
    mutant = pickle.loads(pickle.dumps(tree))  # five times as fast as a deep copy
    nodes = list(ast.walk(mutant))
    for place in changed:
        replacement = place.change(nodes[place.index])
        if replacement is not None:
            mutant = _Replace(nodes[place.index], replacement).visit(mutant)
    mutant.body[0].decorator_list = []
    ast.fix_missing_locations(mutant)
    space = dict(function.__globals__)
    try:
        exec(compile(mutant, "<mutant>", "exec"), space)
    except SyntaxError:
        return None
    return space.get(function.__name__)  # None for a lambda, whose source is part of something else


def names_a_tool(function: Callable, name: str) -> bool:
    """Whether a name stands for a module or a function: `torch` squared is no mistake anybody makes."""
    if name in function.__code__.co_varnames:
        return False
    value = function.__globals__.get(name, getattr(builtins, name, None))
    return callable(value) or isinstance(value, types.ModuleType)


def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """The changes that make sense at a node: what is then wrong, and how to make it so."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in SWAPPED:
        kind = SIGN if isinstance(node.op, ast.Add | ast.Sub) else FACTOR
        yield kind, lambda n: setattr(n, "op", SWAPPED[type(n.op)]())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield "a term is missing", lambda n: n.left
        yield "a term is missing", lambda n: n.right
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        yield "a factor is missing", lambda n: n.left
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        yield "a comparison is the other way round", lambda n: n.ops.__setitem__(0, SWAPPED[type(n.ops[0])]())
        yield (
            "equal numbers fall on the wrong side of a comparison",
            lambda n: n.ops.__setitem__(0, WITH_EQUALITY[type(n.ops[0])]()),
        )
        for at in ("left", "right"):
            yield (
                "what should be compared stands there itself: a comparison, a draw, is missing",
                lambda n, at=at: n.left if at == "left" else n.comparators[0],
            )
            yield "something is compared with one half, not with the other number", functools.partial(_half, at)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "a minus is missing", lambda n: n.operand
    if isinstance(node, ast.Call):
        yield from _calls(node)
    if isinstance(node, ast.Return) and node.value is not None:
        yield from _results(node.value)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "a constant is one too large", lambda n: setattr(n, "value", n.value + 1)
        yield "a constant is one too small", lambda n: setattr(n, "value", n.value - 1)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for power, kind in ((2, "a quantity enters squared"), (0.5, "the root of a quantity enters, not itself")):
            yield kind, lambda n, p=power: ast.BinOp(ast.Name(n.id, ast.Load()), ast.Pow(), ast.Constant(p))


def _half(at: str, node: ast.Compare) -> None:
    if at == "left":
        node.left = ast.Constant(0.5)
    else:
        node.comparators[0] = ast.Constant(0.5)


def other_than_of_values(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """The changes that cannot be made by changing the value of an expression: of a comparison, a call, a constant."""
    if isinstance(node, ast.Compare | ast.Call | ast.Constant):
        yield from changes(node)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _axes(node: ast.Call) -> list[ast.expr]:
    """The arguments of a call that say along which axis."""
    if _called(node) not in AXES:
        return []
    return [value for value in node.args if ast.unparse(value) in ("0", "1", "-1")]


def _calls(node: ast.Call) -> Iterator[tuple[str, Change]]:
    name = _called(node)
    is_method = isinstance(node.func, ast.Attribute) and not (
        isinstance(node.func.value, ast.Name) and node.func.value.id in {"torch", "math", "F", "np"}
    )
    if name in DROPPED and (is_method or node.args):
        yield DROPPED[name], lambda n: n.func.value if is_method else n.args[0]
    if name == "range" and isinstance(node.args[-1], ast.Constant) and node.args[-1].value > FEW[-1]:
        for rounds in FEW:
            yield "a loop has too few rounds", lambda n, r=rounds: n.args.__setitem__(-1, ast.Constant(r))
    if name in EXCHANGED and isinstance(node.func, ast.Attribute):
        for other in EXCHANGED[name]:
            said = f"{WORDS.get(other, other)} stands where {WORDS.get(name, name)} should"
            yield said, lambda n, other=other: setattr(n.func, "attr", other)
    if name in SHARES and isinstance(node.func, ast.Attribute) and (is_method or node.args):

        def exponentials(n):
            return ast.Call(ast.Attribute(n.func.value if is_method else n.args[0], "exp", ast.Load()), [], [])

        yield "exponentials stand where shares should: they are not normalised", exponentials
    if name in OVER_ALL and (is_method or node.args):
        rows = ast.parse(f"torch.{OVER_ALL[name]}(None, -1)", mode="eval").body

        def over_rows(n):
            return ast.Call(rows.func, [n.func.value if is_method else n.args[0], rows.args[1]], [])

        yield "a softmax stands where a sigmoid should: its numbers share one probability", over_rows
    for value in _axes(node):
        at, axis = node.args.index(value), -1 if ast.unparse(value) == "0" else 0
        yield f"{name} runs over another axis", lambda n, at=at, a=axis: n.args.__setitem__(at, ast.Constant(a))


def _results(value: ast.expr) -> Iterator[tuple[str, Change]]:
    """Each result with the other sign, and twice; `value` is what a function returns."""
    twists = {
        "has the other sign": lambda one: ast.UnaryOp(ast.USub(), one),
        "is twice the right one": lambda one: ast.BinOp(one, ast.Mult(), ast.Constant(2)),
    }
    several = isinstance(value, ast.Tuple | ast.Dict)
    for words, twist in twists.items():
        if not several:
            yield f"the result {words}", lambda n, twist=twist: setattr(n, "value", twist(n.value))
            continue
        field = "elts" if isinstance(value, ast.Tuple) else "values"
        for at in range(len(getattr(value, field))):

            def change(n, at=at, twist=twist, field=field):
                results = getattr(n.value, field)
                results[at] = twist(results[at])

            yield f"result {at + 1} {words}", change


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().generic_visit(node)
