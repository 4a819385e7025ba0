"""What desk and judge say to each other: frames of bytes over a socket.

Down, from the judge: pickles, functions by value, so that the desk needs no module of a stage. Up, from the desk:
numbers, strings and containers in JSON, tensors as bytes behind it. Nothing that comes up is ever unpickled or run.
"""

from __future__ import annotations

import functools
import json
import math
import socket
import struct
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lvmteach.classroom.exercises.compare import gradients

LARGEST = 64 << 20  # bytes of a frame that comes up
LONGEST = 4000  # characters of a text that comes up
_DTYPES = {str(d): d for d in (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
)}  # fmt: skip


class Broken(Exception):
    """The other side has gone, is late, or says what cannot be read. The message says which."""


def send(channel: socket.socket, frame: bytes) -> None:
    try:
        channel.sendall(struct.pack("<Q", len(frame)) + frame)
    except OSError as problem:
        raise Broken("its process has ended") from problem


def receive(channel: socket.socket, until: float = math.inf) -> bytes:
    """The next frame; until: when to give up, in the seconds of `time.monotonic`.

    Raises:
        Broken: with `late` in its arguments if the time is over.
    """
    (length,) = struct.unpack("<Q", _exactly(channel, 8, until))
    if length > LARGEST:
        raise Broken(f"a result of more than {LARGEST >> 20} MB")
    return _exactly(channel, length, until)


def _exactly(channel: socket.socket, count: int, until: float) -> bytes:
    got = bytearray()
    while len(got) < count:
        left = until - time.monotonic()
        try:
            channel.settimeout(None if left == math.inf else max(left, 0.001))
            part = channel.recv(min(count - len(got), 1 << 20))
        except TimeoutError as problem:
            raise Broken("late") from problem
        except OSError as problem:
            raise Broken("its process has ended") from problem
        if not part:
            raise Broken("its process has ended")
        got += part
    return bytes(got)


def pack(value: Any) -> bytes:
    """A value as plain data: numbers, strings, containers, tensors with the gradients that their graph gives."""
    blob = bytearray()
    head = json.dumps(_tree(value, blob, depth=0)).encode()
    return struct.pack("<I", len(head)) + head + bytes(blob)


def _tree(value: Any, blob: bytearray, depth: int) -> Any:
    if depth > 20:
        raise ValueError("a result of more than 20 levels")
    if value is None or type(value) in (bool, int, float):
        return value
    if isinstance(value, str):
        return {"str": str(value)[:LONGEST]}
    if isinstance(value, Tensor):
        leaves = [
            [_bytes(torch.tensor(leaf, dtype=torch.float64), blob), _bytes(gradient, blob)]
            for leaf, gradient in gradients(value).items()
        ]
        return {"tensor": [_bytes(value, blob), leaves]}
    if isinstance(value, (np.ndarray, np.number, np.bool_)):
        array = np.asarray(value)
        if array.dtype.kind not in "biufc":
            return {"other": "ndarray"}
        name = "array" if isinstance(value, np.ndarray) else "scalar"
        return {name: _bytes(torch.from_numpy(np.array(array)), blob)}
    if isinstance(value, (tuple, list)):
        name = "tuple" if isinstance(value, tuple) else "list"
        return {name: [_tree(part, blob, depth + 1) for part in value]}
    if isinstance(value, dict):
        return {"dict": [[str(key), _tree(part, blob, depth + 1)] for key, part in value.items()]}
    return {"other": type(value).__name__}


def _bytes(value: Tensor, blob: bytearray) -> list:
    flat = value.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    blob += data
    return [str(value.dtype), list(value.shape), len(blob) - len(data), len(data)]


def unpack(frame: bytes) -> Any:
    """The value of a packed frame.

    Raises:
        Broken: the frame is not one that `pack` makes.
    """
    try:
        (length,) = struct.unpack_from("<I", frame)
        return _value(json.loads(frame[4 : 4 + length]), memoryview(frame)[4 + length :])
    except (ValueError, TypeError, KeyError, RuntimeError, RecursionError, struct.error, AttributeError) as problem:
        raise Broken("a result that cannot be read") from problem


def _value(tree: Any, blob: memoryview) -> Any:
    if tree is None or isinstance(tree, (bool, int, float)):
        return tree
    ((kind, content),) = tree.items()
    if kind == "str":
        return str(content)[:LONGEST]
    if kind in ("tuple", "list"):
        return (tuple if kind == "tuple" else list)(_value(part, blob) for part in content)
    if kind == "dict":
        return {str(key): _value(part, blob) for key, part in content}
    if kind == "other":
        return _unknown(str(content)[:100])()
    if kind in ("array", "scalar"):
        array = _tensor(content, blob).numpy()
        return array if kind == "array" else array[()]
    if kind == "tensor":
        place, leaves = content
        value = _tensor(place, blob)
        value.its_gradients = {tuple(_tensor(leaf, blob).tolist()): _tensor(grad, blob) for leaf, grad in leaves}
        return value
    raise ValueError(f"kind {kind!r}")


def _tensor(place: list, blob: memoryview) -> Tensor:
    dtype, shape, start, length = place
    if not length:
        return torch.zeros(0, dtype=_DTYPES[dtype]).reshape(shape)  # a shape that holds something is refused
    return torch.frombuffer(bytearray(blob[start : start + length]), dtype=_DTYPES[dtype]).reshape(shape)


@functools.cache
def _unknown(name: str) -> type:
    """What is neither number nor container, as an empty object of a class of that name: enough to say what it was."""
    return type(name, (), {})
