"""A demo's data on its way to the browser: plain values, and arrays as {"$f2": bytes} (see js/packing.js)."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import torch

KINDS = {"float64": "$f8", "float32": "$f4", "float16": "$f2", "uint8": "$u1", "uint16": "$u2", "int32": "$i4"}


def packed(value: Any) -> Any:
    """Arrays and tensors, row by row, as {"$f2": bytes}; float32 goes as halves where halves hold it exactly.

    Raises:
        TypeError: an array of another type.
    """
    if isinstance(value, dict):
        return {name: packed(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [packed(part) for part in value]
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if not isinstance(value, np.ndarray):
        return value.item() if isinstance(value, np.generic) else value
    if value.dtype == np.float32:
        with np.errstate(over="ignore"):
            half = value.astype(np.float16)
        value = half if np.array_equal(half.astype(np.float32), value) else value
    if value.dtype.name not in KINDS:
        raise TypeError(f"an array for the browser must be one of {', '.join(KINDS)}, got {value.dtype}")
    return {KINDS[value.dtype.name]: value.astype(value.dtype.newbyteorder("<")).tobytes()}


def as_json(value: Any) -> str:
    """The same as JSON, bytes in base64, safe inside a script element."""
    text = json.dumps(packed(value), default=lambda data: base64.b64encode(data).decode(), ensure_ascii=False)
    return text.replace("</", "<\\/")
