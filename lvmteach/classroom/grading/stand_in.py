"""After a failure the reference stands in, though the desk has it not: a call goes up, its result comes down.

So a mistake in one exercise costs no point in the next one that uses its function. Gradients go the same way.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.grading import wire


def function(channel: socket.socket, name: str) -> Callable:
    """At the desk: what stands under the name of an exercise that was not passed."""

    def ask(args: tuple, cotangents: Any = None) -> Any:
        wire.send(channel, wire.pack(("ask", name, args, cotangents)))
        kind, value = pickle.loads(wire.receive(channel))
        if kind == "error":
            raise RuntimeError(f"the reference of {name}, which stands in for yours: {value}")
        return value

    class There(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, *args: Any) -> Any:
            context.args = args
            return ask(args)

        @staticmethod
        def backward(context: Any, *cotangents: Tensor | None) -> Any:
            return tuple(ask(context.args, cotangents))

    def used_instead(*args: Any) -> Any:
        return There.apply(*args)

    used_instead.is_stand_in = True
    return used_instead


def answer(reference: Callable, args: tuple, cotangents: tuple | None) -> tuple[str, Any]:
    """At the judge: the reference's result, or the gradients for its arguments; ("error", words) if it refuses."""
    try:
        if cotangents is None:
            with torch.no_grad():
                return "value", reference(*args)
        inputs = [a.requires_grad_() if isinstance(a, Tensor) and a.is_floating_point() else a for a in args]
        leaves = [a for a in inputs if isinstance(a, Tensor) and a.requires_grad]
        with torch.enable_grad():
            made = reference(*inputs)
        made = made if isinstance(made, tuple) else (made,)
        pairs = [(o, c) for o, c in zip(made, cotangents, strict=True) if c is not None and o.requires_grad]
        grads = torch.autograd.grad([o for o, _ in pairs], leaves, [c for _, c in pairs], allow_unused=True)
        found = iter(grads)
        return "value", [next(found) if isinstance(a, Tensor) and a.requires_grad else None for a in inputs]
    except Exception as problem:
        return "error", f"{type(problem).__name__}: {problem}"
