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

from lvmteach.annotated import as_annotated

KEY = "lvmteach"  # the single metadata key
FORMAT = 2  # of a run's facts; 1 did not name the optimiser
MEMORY_ONLY = {"params", "lr", "fused", "foreach", "capturable", "differentiable"}  # do not say where a run leads


@as_annotated
def save(model: nn.Module, path: str | PathLike) -> None:
    """Write the model's parameters and buffers to `path`, replacing it whole or not at all.

    Raises:
        OSError: nothing can be written there, or a file is there that `save` and `train` did not write.
    """
    _write(destination(path), _under("model", model.state_dict()), {"format": FORMAT, "versions": _versions()})


@as_annotated
def load(model: nn.Module, path: str | PathLike) -> None:
    """Put the parameters saved in `path`, a model's file or a run's checkpoint, into a model built alike.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, of another program, of a later version, or holds another model.
    """
    tensors, _ = _read(path)
    _into(model, tensors, path)


def destination(path: str | PathLike) -> Path:
    """The absolute path of a file that can be written: asked before the work, not after an hour of it.

    Raises:
        OSError: it is a folder, its folder does not exist or takes no files, or it holds what we did not write.
    """
    place = Path(path).expanduser().absolute()  # absolute, so that changing the folder on the way changes nothing
    if place.is_dir():
        raise IsADirectoryError(f"a checkpoint must be a file, got the folder {path}; name a file in it, {path}/a.st")
    if not place.parent.is_dir():
        raise FileNotFoundError(
            f"a checkpoint must lie in a folder that exists, got {place}; make its folder, {place.parent}, first"
        )
    if place.exists() and place.stat().st_size and not _looks_ours(place):
        raise FileExistsError(
            f"a checkpoint replaces none but a checkpoint of this course, got {path}, which is something else; "
            "name another file"
        )
    try:
        tempfile.TemporaryFile(dir=place.parent).close()
    except OSError as problem:
        raise OSError(
            problem.errno, f"a checkpoint must lie in a folder that takes files, got {place.parent}; name another"
        ) from problem
    return place


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
    facts = {"seed": seed, "data": data, "step": step, "optimiser": _optimiser_words(optimiser)}
    _write(Path(path), tensors, {"format": FORMAT, **facts, "versions": _versions()})


def load_run(
    path: str | PathLike, model: nn.Module, optimiser: Optimizer, *, data: str, device: torch.device
) -> tuple[dict[str, Tensor], int, int] | None:
    """Undo `save_run`; return `at` (on `device`), the seed and the step, or None where there is no file.

    Raises:
        ValueError: the file is damaged, not ours, holds no run, or a run of other data, another model or optimiser.
    """
    if not Path(path).expanduser().exists():
        return None
    tensors, facts = _read(path)
    if "step" not in facts:
        raise ValueError(f"{path} holds a model but no run to resume; read it with load(model, path)")
    if facts["data"] != data:
        raise ValueError(
            f"{path} belongs to a run on other data (SHA-256 {facts['data'][:12]}..., yours {data[:12]}...); "
            "give the same x, or another checkpoint file"
        )
    _same_optimiser(facts.get("optimiser", {}), _optimiser_words(optimiser), path)
    _into(model, tensors, path)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _from("optimiser", tensors).items():
        i, field = name.split(".", 1)
        state.setdefault(int(i), {})[field] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    _set_random_streams(_from("random", tensors))
    at = {name: value.to(device) for name, value in _from("run", tensors).items()}
    return at, facts["seed"], facts["step"]


def _write(place: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    payload = safetensors.torch.save(tensors, {KEY: json.dumps(facts)})
    handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=place.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(payload)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, place)
    except BaseException:
        os.unlink(temporary)
        raise


def _read(path: str | PathLike) -> tuple[dict[str, Tensor], dict]:
    place = Path(path).expanduser()
    if not place.is_file():
        what = "a folder" if place.is_dir() else "nothing"
        raise FileNotFoundError(f"there is no checkpoint {path}, but {what}; name a file that save or train wrote")
    try:
        with safetensors.safe_open(place, "pt") as file:
            facts = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, ValueError) as problem:
        raise ValueError(f"{path} {_whose(place, problem)}") from problem
    if not facts.get("format", 1) <= FORMAT:
        raise ValueError(
            f"{path} must be of format {FORMAT} or earlier, got {facts['format']}: a later version of this course "
            "wrote it; update lvmteach to read it"
        )
    return tensors, facts


def _whose(place: Path, problem: Exception) -> str:
    """What a file is that cannot be read as ours. Only of ours may one say: delete it."""
    ours, start = "must be a checkpoint of this course, as save and train write them, got", place.read_bytes()[:4]
    if _looks_ours(place):
        return f"is a checkpoint of this course, but damaged ({problem}); delete it and start anew"
    if start[:2] in (b"PK", b"\x80\x02"):
        return f"{ours} a file of torch.save; read it with torch.load(path, weights_only=True)"
    if isinstance(problem, KeyError):
        return f"{ours} another program's safetensors; read it with safetensors.torch.load_file(path)"
    return f"{ours} {place.stat().st_size} bytes that are none; name another file"


def _looks_ours(place: Path) -> bool:
    """Whether the file starts as ours do, whole or cut off: eight bytes of length, then the metadata."""
    with open(place, "rb") as file:
        return file.read(64)[8:].replace(b" ", b"").startswith(b'{"__metadata__":{"%b":' % KEY.encode())


def _optimiser_words(optimiser: Optimizer) -> dict[str, str]:
    """What a run's course depends on: the rule, its settings, and how many parameters it moves."""
    settings = {k: repr(v) for k, v in optimiser.param_groups[0].items() if k not in MEMORY_ONLY}
    moved = sum(len(group["params"]) for group in optimiser.param_groups)
    return {"rule": type(optimiser).__name__, "parameters that learn": str(moved), **settings}


def _same_optimiser(theirs: Mapping[str, str], ours: Mapping[str, str], path: str | PathLike) -> None:
    # Another torch may know more settings: those in both are compared.
    differ = [f"{k} {theirs[k]} there, {ours[k]} here" for k in ours if theirs.get(k, ours[k]) != ours[k]]
    if differ:
        raise ValueError(
            f"{path} must be of a run with this optimiser, got another ({'; '.join(differ[:3])}); give the same one, "
            "or start a new run from its model: load(model, path)"
        )


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
