"""Blind mutants: change each exercise's reference in one place at a time; how many changes does its check reject?

    python -m benchmarks.mutants [STAGE ...]

A mutant counts if it differs from the reference by more than rounding, on the check's cases or on fresh ones. One that
differs and passes is a survivor: a mistake the check would let through. A change that raises on every case is not
counted: any check rejects it.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lvmteach.classroom.exercises.compare import structural_difference
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.running import attempt
from lvmteach.classroom.exercises.stages import exercises

SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Lt: ast.Gt, ast.Gt: ast.Lt,
           ast.LtE: ast.Lt, ast.GtE: ast.Gt, ast.MatMult: ast.Mult}  # fmt: skip
DROPPED = {
    "log",
    "exp",
    "sqrt",
    "square",
    "sum",
    "mean",
    "abs",
    "sigmoid",
    "tanh",
    "softplus",
    "detach",
    "log1p",
    "diagonal",
}
SECONDS = 2.0


class Result(NamedTuple):
    """One exercise: how many mutants differ from the reference, how many of those are rejected, who survives."""

    name: str
    different: int
    rejected: int
    survivors: list[str]


def mutants(function: Callable) -> Iterator[tuple[str, Callable]]:
    """Each one-place change of a function: what was changed, and the changed function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    nodes = list(ast.walk(tree))
    for index, node in enumerate(nodes):
        if isinstance(node, ast.Name) and _names_a_tool(function, node.id):
            continue
        for words, change in changes(node):
            mutant = copy.deepcopy(tree)
            target = list(ast.walk(mutant))[index]
            replacement = change(target)
            if replacement is not None:
                mutant = _Replace(target, replacement).visit(mutant)
            ast.fix_missing_locations(mutant)
            space = dict(function.__globals__)
            try:
                exec(compile(mutant, "<mutant>", "exec"), space)
            except SyntaxError:
                continue
            yield f"line {getattr(node, 'lineno', 0)}: {words}", space[function.__name__]


def _names_a_tool(function: Callable, name: str) -> bool:
    """Whether a name stands for a module or a function: `torch` squared is no mistake anybody makes."""
    if name in function.__code__.co_varnames:
        return False
    value = function.__globals__.get(name, getattr(builtins, name, None))
    return callable(value) or isinstance(value, types.ModuleType)


def changes(node: ast.AST) -> Iterator[tuple[str, Callable]]:
    """The changes that make sense at a node: a description, and a function that edits it or returns a new node."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in SWAPPED:
        yield f"{ast.unparse(node)}: operator swapped", lambda n: setattr(n, "op", SWAPPED[type(n.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        yield f"{ast.unparse(node)}: comparison", lambda n: n.ops.__setitem__(0, SWAPPED[type(n.ops[0])]())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield f"{ast.unparse(node)}: sign dropped", lambda n: n.operand
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        inner = node.args[0] if node.args else None
        is_method = isinstance(node.func, ast.Attribute) and not (
            isinstance(node.func.value, ast.Name) and node.func.value.id in {"torch", "math", "F", "np"}
        )
        if name in DROPPED and (is_method or inner is not None):
            yield f"{ast.unparse(node)}: {name} dropped", lambda n: n.func.value if is_method else n.args[0]
        for keyword_or_arg in _axes(node, name):
            yield f"{ast.unparse(node)}: other axis", keyword_or_arg
    if isinstance(node, ast.Return) and node.value is not None:
        yield from _results(node.value)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield f"{node.value} one more", lambda n: setattr(n, "value", n.value + 1)
        yield f"{node.value} one less", lambda n: setattr(n, "value", n.value - 1)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id.isidentifier():
        for power, word in ((2, "squared"), (0.5, "root")):
            yield (
                f"{node.id} {word}",
                lambda n, power=power: ast.BinOp(ast.Name(n.id, ast.Load()), ast.Pow(), ast.Constant(power)),
            )


def _results(value: ast.expr) -> Iterator[tuple[str, Callable]]:
    """Each result with the other sign, and twice; `value` is what a function returns."""
    twists = {
        "negated": lambda one: ast.UnaryOp(ast.USub(), one),
        "doubled": lambda one: ast.BinOp(one, ast.Mult(), ast.Constant(2)),
    }
    several = isinstance(value, (ast.Tuple, ast.Dict))
    for word, twist in twists.items():
        if not several:
            yield f"result {word}", lambda n, twist=twist: setattr(n, "value", twist(n.value))
            continue
        field = "elts" if isinstance(value, ast.Tuple) else "values"
        for at in range(len(getattr(value, field))):

            def change(n, at=at, twist=twist, field=field):
                results = getattr(n.value, field)
                results[at] = twist(results[at])

            yield f"result {at + 1} {word}", change


def _axes(node: ast.Call, name: str) -> Iterator[Callable]:
    if name not in {
        "sum",
        "mean",
        "logsumexp",
        "softmax",
        "log_softmax",
        "cumsum",
        "var",
        "std",
        "argmax",
        "cat",
        "stack",
    }:
        return
    for at, value in enumerate(node.args):
        if isinstance(value, ast.Constant) and value.value in (0, -1, 1):
            yield lambda n, at=at: n.args.__setitem__(at, ast.Constant(-1 if n.args[at].value == 0 else 0))
        if isinstance(value, ast.UnaryOp) and ast.unparse(value) == "-1":
            yield lambda n, at=at: n.args.__setitem__(at, ast.Constant(0))


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().generic_visit(node)


def differs(exercise: Exercise, mutant: Callable) -> bool:
    """Whether the mutant gives another result than the reference on any case of five seeds."""
    cases = (case for seed in range(5) for case in exercise.cases(seed))
    return any(_differs_on(exercise, mutant, case) for case in cases)


def _differs_on(exercise: Exercise, mutant: Callable, case: tuple) -> bool:
    right, wrong = attempt(exercise.reference, case, SECONDS), attempt(mutant, case, SECONDS)
    if wrong.timed_out or type(wrong.error) is not type(right.error):
        return True
    if wrong.error is not None:
        return False  # both refuse
    if structural_difference(right.value, wrong.value):
        return True
    return bool(exercise.compare.difference(right.value, wrong.value))


def raises_everywhere(exercise: Exercise, mutant: Callable) -> bool:
    """Whether the mutant cannot be run at all, on any case that the reference answers."""
    return all(
        attempt(mutant, case, SECONDS).error is not None and attempt(exercise.reference, case, SECONDS).error is None
        for case in exercise.cases(0)
    )


def judge(name: str, exercise: Exercise) -> Result:
    """Try all mutants of one exercise's reference."""
    different, survivors = 0, []
    for words, mutant in mutants(exercise.reference):
        if exercise.judge(mutant).status != "passed":
            different += not raises_everywhere(exercise, mutant)
        elif differs(exercise, mutant):
            different += 1
            survivors.append(words)
    return Result(name, different, different - len(survivors), survivors)


def main(chosen: list[str]) -> int:
    """Print the table; the exit status is the number of survivors, at most 1."""
    survived = 0
    for stage in chosen or stages():
        for name, exercise in exercises(stage).items():
            if isinstance(exercise, Exercise):
                result = judge(f"{stage}.{name}", exercise)
                survived += len(result.survivors)
                print(f"{result.name:<48} {result.rejected:>4} of {result.different:>4} rejected", flush=True)
                for words in result.survivors:
                    print(f"    survives: {words}")
    return min(survived, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
