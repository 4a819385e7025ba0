"""The border of every public function: its arguments are refused, by name, unless they are as its signature says.

Whoever is refused reads the rule, the value received and the remedy.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lvmteach.signatures import Rule, Sizes, rules_of

F = TypeVar("F", bound=Callable)
RAISE = dis.opmap["RAISE_VARARGS"]  # what an error of our own words comes from


def as_annotated(function: F) -> F:
    """Refuse arguments that are not what the signature says, each by its name.

    `x: Float[Tensor, "N D"]` must be a tensor of floating point with two dimensions, N and D as long as in the other
    arguments; a named tuple such as `params: Mixture` is looked at field by field. Values are not looked at. Types and
    devices may be mixed as far as torch mixes them; where it refuses, the error says who has which. It costs a few
    microseconds a call.

    Raises:
        TypeError: no tensor, or one of other numbers; no distribution; no function; types that torch does not mix.
        ValueError: another number of dimensions, sizes that do not agree, devices that differ or hold no values.
    """
    parameters = inspect.signature(function).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    rules: dict[str, Rule] = {}

    @wraps(function)
    def at_the_border(*args, **kwargs):
        if torch.compiler.is_compiling():  # what is translated has been called with these arguments before
            return function(*args, **kwargs)
        if not rules:  # at the first call: then every name in the annotations is known
            rules.update(rules_of(function))
        sizes: Sizes = {}
        for name, value in chain(zip(names, args, strict=False), kwargs.items()):
            if name in rules:
                rules[name](value, sizes)
        try:
            return function(*args, **kwargs)
        except (RuntimeError, IndexError, ValueError, ZeroDivisionError) as problem:
            if _raised_by_torch(problem, function.__module__.partition(".")[0]):
                given = list(_tensors(chain(zip(names, args, strict=False), kwargs.items())))
                raise _in_words(problem, function, given) from problem
            raise

    return at_the_border


def _raised_by_torch(problem: Exception, home: str) -> bool:
    """Whether torch stumbled in a call of ours: not in a function of the user's, and not an error of our own words."""
    rooms, said, here = [], False, problem.__traceback__
    while here is not None:
        rooms.append(here.tb_frame.f_globals.get("__name__", "").partition(".")[0])
        said = here.tb_frame.f_code.co_code[here.tb_lasti] == RAISE
        here = here.tb_next
    caller = next(room for room in reversed(rooms) if room != "torch")
    translating = type(problem).__module__.startswith("torch._dynamo")  # it says itself which line it could not take
    return caller == home and not translating and not (rooms[-1] == home and said)


def _in_words(problem: Exception, function: Callable, given: list[tuple[str, Tensor]]) -> Exception:
    """What torch stumbled over, as far as the arguments tell: devices, types, no values, NaN, nothing, or shapes."""
    for name, tensor in given:
        first, other = given[0]
        if tensor.device != other.device:
            return ValueError(
                f"all must be on one device, got {first} on {other.device} and {name} on {tensor.device}; move one, "
                f"{name}.to('{other.device}')"
            )
        if tensor.is_meta:
            return ValueError(
                f"{name} must hold values, got one on the meta device, which has none; make it on the CPU"
            )
    floats = [(name, tensor) for name, tensor in given if tensor.is_floating_point()]
    for name, tensor in floats:
        first, other = floats[0]
        if tensor.dtype != other.dtype:
            return TypeError(
                f"all must have one type of numbers, got {first} of {other.dtype} and {name} of {tensor.dtype}; "
                f"convert one, {name}.to({other.dtype})"
            )
    for name, tensor in given:
        if tensor.numel() == 0:
            return ValueError(f"{name} must not be empty, got {tuple(tensor.shape)}; look where its rows are lost")
        if not tensor.isfinite().all():
            return ValueError(f"{name} must be finite, got NaN or infinite entries; look where they come from")
    shapes = ", ".join(f"{name} {tuple(tensor.shape)} {_kind_of(tensor)}" for name, tensor in given[:8])
    why = str(problem).partition("\n")[0][:200]
    return ValueError(
        f"{function.__name__} must have arguments that fit together, got {shapes}; compare them with its signature "
        f"(torch says: {why})"
    )


def _kind_of(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _tensors(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Tensor]]:
    for name, value in named:
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, nn.Module):
            yield from ((f"the model's {part}", tensor) for part, tensor in value.named_parameters())
        elif isinstance(value, tuple):
            fields = getattr(value, "_fields", range(len(value)))
            yield from _tensors((f"{name}.{field}", part) for field, part in zip(fields, value, strict=True))
