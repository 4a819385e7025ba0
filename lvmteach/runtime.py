"""The machine under the course: which device, which random stream, where the data lies, what to report."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

DEVICES = ("auto", "cpu", "cuda")
REPORTED = ("torch", "numpy", "scipy", "scikit-learn", "matplotlib", "ipywidgets", "jupyterlab")


def device() -> torch.device:
    """The device the course runs on: the environment variable LVMTEACH_DEVICE, or the best there is.

    `auto` (the default) is CUDA where torch finds a GPU, otherwise the CPU.

    Raises:
        ValueError: LVMTEACH_DEVICE is none of auto, cpu, cuda.
        RuntimeError: cuda is asked for and torch finds no GPU.
    """
    name = os.environ.get("LVMTEACH_DEVICE", "auto")
    if name not in DEVICES:
        raise ValueError(f"LVMTEACH_DEVICE must be one of {', '.join(DEVICES)}, got {name!r}; unset it for auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            f"LVMTEACH_DEVICE=cuda, but torch {torch.__version__} finds no GPU; "
            "set LVMTEACH_DEVICE=cpu, or install a torch built for your CUDA driver"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run the block on random streams started from `seed`, then put the old streams back.

    Covers torch on the CPU and on every CUDA device. A cell that draws says `with seeded(3):`, so it gives the
    same numbers however often, and in whichever order, the cells are run.
    """
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices):
        # Not torch.manual_seed: where there is no GPU it keeps the whole call stack as text, for each kind of GPU.
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed_all(seed)
        yield


def data_folder() -> Path:
    """Where the course looks for its data: LVMTEACH_DATA (never written to), or the user's cache folder."""
    if (named := named_folder()) is not None:
        return named
    import pooch  # imported here: it costs a tenth of a second that `import lvmteach.bounds` need not pay

    return Path(pooch.os_cache("lvmteach"))


def named_folder() -> Path | None:
    """The folder that LVMTEACH_DATA names, or None where it is not set: then data may be fetched and kept."""
    named = os.environ.get("LVMTEACH_DATA")
    return Path(named).expanduser() if named else None


def report() -> None:
    """Print versions, device, threads and data, in a form that can be pasted into a question."""
    print("\n".join(f"{name:<13} {value}" for name, value in _facts()))


def _facts() -> Iterator[tuple[str, str]]:
    yield "lvmteach", _version("lvmteach")
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for package in REPORTED:
        yield package, _version(package)
    yield "device", f"{_device_words()} (LVMTEACH_DEVICE={os.environ.get('LVMTEACH_DEVICE', 'auto')})"
    yield "threads", f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    yield "data", _data_words(data_folder())
    named = os.environ.get("LVMTEACH_IMAGES")
    yield "images", f"{named} (LVMTEACH_IMAGES)" if named else "MNIST where it can be had, else digits"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _device_words() -> str:
    try:
        where = device()
    except (ValueError, RuntimeError) as problem:
        return f"unusable: {problem}"
    return "cpu" if where.type == "cpu" else f"cuda, {torch.cuda.get_device_name(where)}"


def _data_words(folder: Path) -> str:
    # The folder's own name only: a report is pasted in public, and a whole path tells who and where.
    folder_name = f"{'LVMTEACH_DATA' if os.environ.get('LVMTEACH_DATA') else 'cache'} .../{folder.name}"
    try:
        files = sorted(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    except OSError as problem:
        return f"nothing yet in {folder_name} ({problem.strerror})"
    return f"{len(files)} file{'s' * (len(files) != 1)} in {folder_name}: {', '.join(files) or 'none'}"
