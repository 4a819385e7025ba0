"""The border of every public function: its arguments are refused, by name, unless they are as its signature says.

Whoever is refused reads the rule, the value received and the remedy.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import wraps
from itertools import chain
from types import NoneType
from typing import Any, TypeVar

import torch
from jaxtyping import AbstractArray
from torch import Tensor, nn
from torch.distributions import Distribution

F = TypeVar("F", bound=Callable)


def as_annotated(function: F) -> F:
    """Refuse arguments that are not what the signature says, each by its name.

    `x: Float[Tensor, "N D"]` must be a tensor of floating point with two dimensions, N and D as long as in the other
    arguments; a named tuple such as `params: Mixture` is looked at field by field. Tensors must be on one device, that
    of the model if there is one, and those of `Float` of one type; `Real` says that the function casts, and then they
    need not. Values are not looked at. It costs a few microseconds a call.

    Raises:
        TypeError: no tensor, or one of another type of numbers; no distribution; no function.
        ValueError: another number of dimensions, sizes that do not agree, another device.
    """
    names = list(inspect.signature(function).parameters)
    rules: dict[str, Rule] = {}

    @wraps(function)
    def at_the_border(*args, **kwargs):
        if not rules:  # at the first call: then every name in the annotations is known
            rules.update(_rules(function))
        seen: dict[str, Any] = {"strict": not rules[CASTS]}
        if args and isinstance(args[0], nn.Module):
            _see_model(args[0], seen)
        for name, value in chain(zip(names, args, strict=False), kwargs.items()):
            if name in rules:
                rules[name](value, seen)
        return function(*args, **kwargs)

    return at_the_border


# How annotations become rules. A rule takes the value, and what was seen in the arguments before it.

Rule = Callable[[Any, dict[str, Any]], None]
CASTS = "casts"


def _rules(function: Callable) -> dict[str, Any]:
    hints = {name: hint for name, hint in typing.get_type_hints(function).items() if name != "return"}
    casts = any(_is_array(hint) and _words(hint) == "real numbers" for hint in hints.values())
    return {CASTS: casts} | {name: rule for name, hint in hints.items() if (rule := _rule(name, hint))}


def _rule(name: str, hint: Any) -> Rule | None:
    members = typing.get_args(hint)
    if NoneType in members:
        rest = [member for member in members if member is not NoneType]
        rule = _rule(name, rest[0]) if len(rest) == 1 else None
        return rule and (lambda value, seen: None if value is None else rule(value, seen))
    if _is_array(hint):
        return _array(name, hint)
    if hint is Tensor:
        return lambda value, seen: _see_tensor(name, value, seen)
    if typing.get_origin(hint) is typing.get_origin(Callable[[int], int]):
        return _kind(name, lambda value: callable(value), "a function")
    if isinstance(hint, type) and issubclass(hint, Distribution):
        return _kind(name, lambda value: isinstance(value, Distribution), "a torch.distributions object")
    if isinstance(hint, type) and issubclass(hint, nn.Module):
        return _kind(name, lambda value: isinstance(value, nn.Module), "a torch.nn.Module")
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return _named_tuple(name, hint)
    return None


def _is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def _array(name: str, hint: Any) -> Rule:
    kinds = frozenset(getattr(torch, kind) for kind in _dtypes(hint) if hasattr(torch, kind))
    dims = hint.dim_str.split()
    many = [i for i, dim in enumerate(dims) if dim.startswith("*") or dim == "..."]
    before, after = (many[0], len(dims) - many[0] - 1) if many else (len(dims), 0)
    # Where a size is known by its name, and where along the shape it stands, counted from the nearer end.
    places = [(dim, i if i < before else i - len(dims)) for i, dim in enumerate(dims) if dim.isidentifier()]
    floats = _words(hint) == "floating point"

    def rule(value: Any, seen: dict[str, Any]) -> None:
        _see_tensor(name, value, seen)
        if kinds and value.dtype not in kinds:
            raise TypeError(f"{name} must hold {_words(hint)}, got {value.dtype}; {_cast(name, hint, value)}")
        if not (value.ndim >= before + after if many else value.ndim == before):
            raise ValueError(
                f"{name} must be ({', '.join(dims)}), got shape {tuple(value.shape)}; {_reshape(name, dims, value)}"
            )
        for dim, i in places:
            size, where = seen.setdefault(dim, (value.shape[i], name))
            if value.shape[i] != size:
                raise ValueError(
                    f"{name} must be ({', '.join(dims)}) with {dim} = {size} as in {where}, got shape "
                    f"{tuple(value.shape)}; the two must belong together"
                )
        if floats and seen["strict"] and value.ndim:
            kind, where = seen.setdefault("dtype", (value.dtype, name))
            if value.dtype != kind:
                raise TypeError(f"{name} must be {kind} as {where} is, got {value.dtype}; use {name}.to({kind})")

    return rule


def _named_tuple(name: str, hint: Any) -> Rule:
    hints = typing.get_type_hints(hint)
    rules = [(i, rule) for i, f in enumerate(hint._fields) if (rule := _rule(f"{name}.{f}", hints[f]))]

    def rule(value: Any, seen: dict[str, Any]) -> None:
        if not isinstance(value, hint):
            fit = f"; a fit has them as fit.{name}" if hasattr(value, name) else "; make one from its parts"
            raise TypeError(f"{name} must be a {hint.__name__}({', '.join(hint._fields)}), got {_short(value)}{fit}")
        for i, part in rules:
            part(value[i], seen)

    return rule


def _kind(name: str, fits: Callable[[Any], bool], words: str) -> Rule:
    def rule(value: Any, seen: dict[str, Any]) -> None:
        if not fits(value):
            raise TypeError(f"{name} must be {words}, got {_short(value)}; look at the order of the arguments")

    return rule


def _see_model(model: nn.Module, seen: dict[str, Any]) -> None:
    first = next(chain(model.parameters(), model.buffers()), None)
    if first is not None:
        seen["device"] = (first.device, "the model")
        seen["dtype"] = (first.dtype, "the model")


def _see_tensor(name: str, value: Any, seen: dict[str, Any]) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {_short(value)}; use torch.as_tensor({name})")
    device, where = seen.setdefault("device", (value.device, name))
    if value.device != device:
        raise ValueError(
            f"{name} must be on {device} as {where} is, got one on {value.device}; use {name}.to('{device}')"
        )
    if value.is_meta:
        raise ValueError(
            f"{name} must hold values, got a tensor on the meta device, which has none; make it on the CPU"
        )


def _dtypes(hint: Any) -> tuple[str, ...]:
    return tuple(hint.dtypes) if isinstance(hint.dtypes, (tuple, list)) else ()  # Shaped takes any


def _words(hint: Any) -> str:
    floats, whole = "float64" in _dtypes(hint), "int64" in _dtypes(hint)
    if floats or whole:
        return "real numbers" if floats and whole else "floating point" if floats else "whole numbers"
    return "truth values"


def _cast(name: str, hint: Any, value: Tensor) -> str:
    if _words(hint) == "floating point":
        return (
            f"for pixels use {name} / 255" if value.dtype == torch.uint8 else f"use {name}.double() or {name}.float()"
        )
    return f"use {name}.bool()" if _words(hint) == "truth values" else f"use {name}.long()"


def _reshape(name: str, dims: list[str], value: Tensor) -> str:
    if value.ndim == len(dims) - 1:
        return f"a single one needs {name}[None]"
    return f"images need {name}.flatten(1)" if dims[-1] == "D" else "look at what each axis stands for"


def _short(value: Any) -> str:
    return f"a {type(value).__name__}"
