"""Models and training runs on disk, as safetensors: plain tensors and one line of JSON, no pickled code to run.

A file is written beside its place and then moved there, so whoever reads it finds the old one or the new one, whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

KEY = "lvmteach"  # the single metadata key


def save(model: nn.Module, path: str | PathLike) -> None:
    """Write the model's parameters and buffers to `path`, replacing it whole or not at all."""
    _write(path, _under("model", model.state_dict()), {"versions": _versions()})


def load(model: nn.Module, path: str | PathLike) -> None:
    """Put the parameters saved in `path`, a model's file or a run's checkpoint, into a model built alike.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds another model.
    """
    tensors, _ = _read(path)
    _into(model, tensors, path)


def data_hash(x: Tensor) -> str:
    """SHA-256 of a tensor's type, shape and bytes."""
    digest = hashlib.sha256(f"{x.dtype} {tuple(x.shape)} ".encode())
    digest.update(x.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def save_run(
    path: str | PathLike,
    model: nn.Module,
    optimiser: Optimizer,
    at: Mapping[str, Tensor],
    *,
    seed: int,
    data: str,
    step: int,
) -> None:
    """Write all that a run needs to go on: model, optimiser, random streams, and the tensors of `at`."""
    tensors = _under("model", model.state_dict()) | _under("run", at) | _under("random", _random_streams())
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= _under(f"optimiser.{i}", {k: _tensor(v, k) for k, v in state.items() if v is not None})
    _write(path, tensors, {"seed": seed, "data": data, "step": step, "versions": _versions()})


def load_run(
    path: str | PathLike, model: nn.Module, optimiser: Optimizer, *, data: str, device: torch.device
) -> tuple[dict[str, Tensor], int, int] | None:
    """Undo `save_run`; return `at` (on `device`), the seed and the step, or None where there is no file.

    Raises:
        ValueError: the file is damaged, holds no run, or a run of other data or another model.
    """
    if not Path(path).exists():
        return None
    tensors, facts = _read(path)
    if "step" not in facts:
        raise ValueError(f"{path} holds a model but no run to resume; read it with load(model, path)")
    if facts["data"] != data:
        raise ValueError(
            f"{path} belongs to a run on other data (SHA-256 {facts['data'][:12]}..., yours {data[:12]}...); "
            "give the same x, or another checkpoint file"
        )
    _into(model, tensors, path)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _from("optimiser", tensors).items():
        i, field = name.split(".", 1)
        state.setdefault(int(i), {})[field] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    _set_random_streams(_from("random", tensors))
    at = {name: value.to(device) for name, value in _from("run", tensors).items()}
    return at, facts["seed"], facts["step"]


def _write(path: str | PathLike, tensors: dict[str, Tensor], facts: dict) -> None:
    path = Path(path)
    payload = safetensors.torch.save(tensors, {KEY: json.dumps(facts)})
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(payload)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _read(path: str | PathLike) -> tuple[dict[str, Tensor], dict]:
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        with safetensors.safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})[KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, ValueError) as problem:
        raise ValueError(
            f"{path} is damaged or no checkpoint of this course ({problem}); delete it and start anew"
        ) from problem


def _into(model: nn.Module, tensors: dict[str, Tensor], path: str | PathLike) -> None:
    found, mine = _from("model", tensors), model.state_dict()
    differ = [
        f"{name}: {_words(found.get(name))} in the file, {_words(mine.get(name))} here"
        for name in sorted(found.keys() | mine.keys())
        if _words(found.get(name)) != _words(mine.get(name))
    ]
    if differ:
        raise ValueError(f"{path} holds another model ({'; '.join(differ[:3])}); build the model it was saved from")
    model.load_state_dict(found)


def _words(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Cloned, because safetensors refuses tensors that share memory (tied weights, views).
    return {f"{prefix}.{name}": value.detach().cpu().clone().contiguous() for name, value in tensors.items()}


def _from(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(prefix + ".")}


def _tensor(value, name: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"cannot save the optimiser's {name!r}, a {type(value).__name__}; only tensors are saved: use Adam"
        )
    return value


def _random_streams() -> dict[str, Tensor]:
    streams = {"cpu": torch.get_rng_state()}
    return streams | {f"cuda{i}": torch.cuda.get_rng_state(i) for i in range(torch.cuda.device_count())}


def _set_random_streams(streams: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(streams["cpu"])
    for i in range(torch.cuda.device_count()):
        if f"cuda{i}" in streams:
            torch.cuda.set_rng_state(streams[f"cuda{i}"], i)


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "torch": torch.__version__, "safetensors": safetensors.__version__}
