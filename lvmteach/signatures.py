"""Annotations as rules: what a value must be to fit `Float[Tensor, "N D"]`, a named tuple of such, a function.

A rule takes a value, and the sizes by name of the arguments before it: size and whose.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

import torch
from jaxtyping import AbstractArray
from torch import Tensor, nn
from torch.distributions import Distribution

Sizes = dict[str, tuple[int, str]]
Rule = Callable[[Any, Sizes], None]


def rules_of(function: Callable) -> dict[str, Rule]:
    """The rules of a function's arguments, by name; of an annotation that refuses nothing there is none."""
    rules, seen = {}, []
    for name, hint in typing.get_type_hints(function).items():
        rule = None if name == "return" else _rule(name, hint)
        if rule:
            # The second of a kind, as in `stack(rbm: RBM, top: RBM)`, has letters of its own: theirs need not agree.
            members = [member for member in (hint, *typing.get_args(hint)) if _is_named_tuple(member)]
            rules[name] = _alone(rule) if any(member in seen for member in members) else rule
            seen += members
    return rules


def _alone(rule: Rule) -> Rule:
    return lambda value, sizes: rule(value, {})


def _rule(name: str, hint: Any) -> Rule | None:
    members = typing.get_args(hint)
    if NoneType in members:
        rest = [member for member in members if member is not NoneType]
        rule = _rule(name, rest[0]) if len(rest) == 1 else None
        return rule and (lambda value, sizes: None if value is None else rule(value, sizes))
    if typing.get_origin(hint) in (tuple, Sequence):
        return _several(name, members)
    if members and all(_is_named_tuple(member) for member in members):
        return _one_of(name, members)
    if _is_array(hint):
        return _array(name, hint)
    if hint is Tensor:
        return lambda value, sizes: _refuse_no_tensor(name, value)
    if typing.get_origin(hint) is typing.get_origin(Callable[[int], int]):
        return _kind(name, callable, "a function", "pass one uncalled, or a lambda")
    if isinstance(hint, type) and issubclass(hint, Distribution):
        return _kind(name, lambda value: isinstance(value, Distribution), "a torch.distributions object")
    if isinstance(hint, type) and issubclass(hint, nn.Module):
        return _kind(name, lambda value: isinstance(value, nn.Module), "a torch.nn.Module")
    return _named_tuple(name, hint) if _is_named_tuple(hint) else None


def _is_named_tuple(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def _is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def _array(name: str, hint: Any) -> Rule:
    kinds = frozenset(getattr(torch, kind) for kind in _dtypes(hint) if hasattr(torch, kind))
    dims = hint.dim_str.split()
    many = [i for i, dim in enumerate(dims) if dim.startswith("*") or dim == "..."]
    before, after = (many[0], len(dims) - many[0] - 1) if many else (len(dims), 0)
    # Where a size is known by its name, and where along the shape it stands, counted from the nearer end.
    places = [(dim, i if i < before else i - len(dims)) for i, dim in enumerate(dims) if dim.isidentifier()]

    def rule(value: Any, sizes: Sizes) -> None:
        _refuse_no_tensor(name, value)
        if kinds and value.dtype not in kinds:
            raise TypeError(f"{name} must hold {_words(hint)}, got {value.dtype}; {_cast(name, hint, value)}")
        if not (value.ndim >= before + after if many else value.ndim == before):
            raise ValueError(f"{name} must be {_shape(dims)}, got {tuple(value.shape)}; {_reshape(name, dims, value)}")
        for dim, i in places:
            size, where = sizes.setdefault(dim, (value.shape[i], name))
            if value.shape[i] != size:
                raise ValueError(
                    f"{name} must be {_shape(dims)} with {dim} = {size} as in {where}, got shape "
                    f"{tuple(value.shape)}; the two must belong together"
                )

    return rule


def _named_tuple(name: str, hint: Any) -> Rule:
    hints = typing.get_type_hints(hint)
    rules = [(i, rule) for i, f in enumerate(hint._fields) if (rule := _rule(f"{name}.{f}", hints[f]))]

    def rule(value: Any, sizes: Sizes) -> None:
        if not isinstance(value, hint):
            fit = f"; a fit has them as fit.{name}" if hasattr(value, name) else "; make one from its parts"
            raise TypeError(f"{name} must be a {hint.__name__}({', '.join(hint._fields)}), got {_short(value)}{fit}")
        for i, part in rules:
            # What is a tuple in a tuple has letters of its own.
            part(value[i], {} if _is_named_tuple(type(value[i])) else sizes)

    return rule


def _one_of(name: str, members: Sequence[Any]) -> Rule:
    rules = {member: _named_tuple(name, member) for member in members}

    def rule(value: Any, sizes: Sizes) -> None:
        if type(value) not in rules:
            known = " or ".join(f"{member.__name__}({', '.join(member._fields)})" for member in members)
            raise TypeError(f"{name} must be a {known}, got {_short(value)}; make one from its parts")
        rules[type(value)](value, sizes)

    return rule


def _several(name: str, members: Sequence[Any]) -> Rule | None:
    """Of as many as there are, `tuple[Layer, ...]`, or of so many, `tuple[Tensor, Tensor]`."""
    any_number = len(members) == 1 or members[-1] is Ellipsis
    checks = [_rule(f"{name}[{'...' if any_number else i}]", member) for i, member in enumerate(members)]
    checks = checks[:1] if any_number else checks
    if not any(checks):
        return None

    def rule(value: Any, sizes: Sizes) -> None:
        if not isinstance(value, (tuple, list)) or not (any_number or len(value) == len(checks)):
            many = "" if any_number else f" of {len(checks)}"
            raise TypeError(f"{name} must be a tuple{many}, got {_short(value)}; write ({name},) for a single one")
        for part, check in zip(value, checks * len(value) if any_number else checks, strict=True):
            if check:
                check(part, {} if any_number else sizes)

    return rule


def _kind(name: str, fits: Callable[[Any], bool], words: str, remedy: str = "look at the order of arguments") -> Rule:
    def rule(value: Any, sizes: Sizes) -> None:
        if not fits(value):
            raise TypeError(f"{name} must be {words}, got {_short(value)}; {remedy}")

    return rule


def _refuse_no_tensor(name: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {_short(value)}; use torch.as_tensor({name})")


def _dtypes(hint: Any) -> tuple[str, ...]:
    return tuple(hint.dtypes) if isinstance(hint.dtypes, (tuple, list)) else ()  # Shaped takes any


def _words(hint: Any) -> str:
    floats, whole = "float64" in _dtypes(hint), "int64" in _dtypes(hint)
    if floats or whole:
        return "real numbers" if floats and whole else "floating point" if floats else "whole numbers"
    return "truth values"


def _cast(name: str, hint: Any, value: Tensor) -> str:
    if _words(hint) == "real numbers":
        return f"use {name}.double()"
    if _words(hint) == "floating point":
        return (
            f"for pixels use {name} / 255" if value.dtype == torch.uint8 else f"use {name}.double() or {name}.float()"
        )
    return f"use {name}.bool()" if _words(hint) == "truth values" else f"use {name}.long()"


def _shape(dims: list[str]) -> str:
    return f"({', '.join(dims)}{',' * (len(dims) == 1)})"


def _reshape(name: str, dims: list[str], value: Tensor) -> str:
    if value.ndim == len(dims) - 1 or not value.ndim:
        return f"a single {'sequence' if 'T' in dims else 'point'} needs {name}[None]"
    return f"images need {name}.flatten(1)" if dims[-1:] == ["D"] else "look at what each axis stands for"


def _short(value: Any) -> str:
    return type(value).__name__
