"""Slips of the numbers: changes that a student makes for safety or for speed, right on most inputs."""

from __future__ import annotations

import ast
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import torch

from lvmteach.classroom.exercises.mutation import Change, Mutant, compiled, mutants, parsed, places

EPSILON = "1e-6"  # smaller ones are within what a check allows
FAR = "30.0"  # where a careful student cuts off an exponent
ROUNDED = {"exp", "log", "sqrt", "square", "sum", "mean", "logsumexp", "softmax", "log_softmax", "sigmoid",
           "logsigmoid", "softplus", "einsum", "log_prob", "inv", "solve", "logdet", "cumsum", "log_ndtr",
           "logaddexp"}  # fmt: skip


def numerical(function: Callable) -> Iterator[Mutant]:
    """Epsilons, cut-offs, one maximum for all, single precision here or throughout, axes of one taken away."""
    tree = parsed(function)
    for place in places(function, tree, _slips):
        changed = compiled(function, tree, place)
        if changed is not None:
            yield Mutant(place.kind, place.inputs, place.where, changed)
    yield Mutant("everything in single precision", (), "all", _through(function, _single))
    yield Mutant("axes of length one are taken away", (), "all", _through(function, squeezed=True))


def pairs(function: Callable, number: int, seed: int = 0) -> Iterator[Mutant]:
    """Some of the changes in two places at once, drawn by a seed."""
    tree = parsed(function)
    two = list(itertools.combinations(places(function, tree), 2))
    for one, other in random.Random(seed).sample(two, min(number, len(two))):
        changed = None if one.index == other.index else compiled(function, tree, one, other)
        if changed is not None:
            yield Mutant(f"{one.kind}; {other.kind}", (), f"{one.where}; {other.where}", changed)


def all_of(function: Callable, number_of_pairs: int) -> Iterator[Mutant]:
    """One place, two places, and the slips."""
    yield from mutants(function)
    yield from pairs(function, number_of_pairs)
    yield from numerical(function)


def _slips(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield "an epsilon in a denominator", lambda n: setattr(n, "right", _put(f"({{}}) + {EPSILON}", n.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name, method = node.func.attr, not node.args
        if name in ROUNDED:
            yield "single precision in one place", lambda n: _put("(lambda value: value.float().to(value))({})", n)
        if name in ("log", "sqrt") and (method or len(node.args) == 1):
            yield f"an epsilon in a {name}", lambda n, m=method: _inside(n, m, f"({{}}) + {EPSILON}")
        if name == "exp" and (method or len(node.args) == 1):
            yield "an exponent cut off", lambda n, m=method: _inside(n, m, f"({{}}).clamp(-{FAR}, {FAR})")
        if name in ("log", "log_softmax", "logsumexp", "logsigmoid", "logaddexp"):
            yield "a logarithm cut off", lambda n: _put(f"({{}}).clamp_min(-{FAR})", n)
        if name in ("amax", "max") and node.args and method is False:
            yield (
                "one maximum for all",
                lambda n: _put("torch.zeros_like({}) + " + ast.unparse(n.func.value) + ".max()", n),
            )


def _put(form: str, inner: ast.expr) -> ast.expr:
    return ast.parse(form.format(ast.unparse(inner)), mode="eval").body


def _inside(call: ast.Call, method: bool, form: str) -> None:
    if method:
        call.func.value = _put(form, call.func.value)
    else:
        call.args[0] = _put(form, call.args[0])


def _single(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.detach().float().to(value.dtype)
    return tuple(map(_single, value)) if type(value) is tuple else value


def _through(
    function: Callable, change: Callable[[Any], Any] = lambda value: value, squeezed: bool = False
) -> Callable:
    def slipped(*case):
        result = function(*map(change, case))
        parts = result if isinstance(result, tuple) else (result,)
        short = tuple(one.squeeze() if squeezed and isinstance(one, torch.Tensor) else one for one in parts)
        return short if isinstance(result, tuple) else short[0]

    return slipped
