"""The desk: the process in which a student's cells run. It holds no reference, and the walls are around it.

    python -m lvmteach.classroom.grading.desk FD

One server a judge imports what a sheet needs, once for all. For each submission it forks a desk, which shuts itself in
before it reads the first cell. Then the desk does what it is told: run a cell, find a name, call a function on given
input. Whatever a student's code does here, to this module too, it can only change the results that are sent up.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import inspect
import io
import linecache
import os
import pickle
import signal
import socket
import struct
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from typing import Any

import torch

from lvmteach.classroom.exercises import stages
from lvmteach.classroom.exercises.running import TimeLimit, attempt, quiet, time_limit
from lvmteach.classroom.grading import stand_in, walls, wire
from lvmteach.classroom.publish import cells

ROOM = "lvmteach.classroom.exercises"
IMPORT, OPEN, CLOSE = b"i", b"o", b"c"
ENDED = struct.Struct("<dqi")  # processor seconds, largest memory in KiB, wait status


def serve(control: socket.socket) -> None:
    """Prepare a sheet at IMPORT, fork a desk for every OPEN, end it at CLOSE, until the judge goes away."""
    setup = pickle.loads(wire.receive(control))
    sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd())]
    torch.set_num_threads(1)
    _without_checks()
    wire.send(control, b"ready")
    desk = 0
    while True:
        order, fds, _, _ = socket.recv_fds(control, 1, 1)
        if order == IMPORT:
            run_imports(wire.receive(control).decode())
            gc.collect()
            gc.freeze()
            wire.send(control, b"ready")
        elif order == OPEN:
            desk = os.fork()
            if not desk:
                try:
                    _sit_down(socket.socket(fileno=fds[0]), setup)
                finally:
                    os._exit(1)
            os.close(fds[0])
        else:
            if desk:
                _kill(desk)
                _, status, used = os.wait4(desk, 0)
                control.sendall(ENDED.pack(used.ru_utime + used.ru_stime, used.ru_maxrss, status))
                desk = 0
            if not order:
                return


def run_imports(source: str) -> None:
    """A sheet's own imports, from the dtype that Python starts with, and without a word."""
    importlib.import_module("torch._dynamo")  # what the first optimiser would import, in somebody's time
    torch.set_default_dtype(torch.float32)
    with quiet(io.StringIO()):
        exec(compile(source, "<imports>", "exec"), {"__name__": "__main__"})


def _kill(desk: int) -> None:
    """End it; its group too, though it can start no other process."""
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError):
            kill(desk, signal.SIGKILL)


def _without_checks() -> None:
    """Let `from lvmteach.classroom.exercises import STAGE as check` give something whose checks do nothing."""

    class Checks(types.ModuleType):
        def __getattr__(self, name: str) -> Callable:
            if name.startswith("__"):
                raise AttributeError(name)
            return lambda answer=None: answer

    package = importlib.import_module(ROOM)
    for stage in stages.stages():
        module = Checks(f"{ROOM}.{stage}")
        sys.modules[module.__name__] = module
        setattr(package, stage, module)


def _sit_down(channel: socket.socket, setup: dict) -> None:
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    seat = max(10, channel.fileno() + 1)
    os.dup2(channel.fileno(), seat)
    channel.detach()
    os.closerange(3, seat)
    os.closerange(seat + 1, 4096)
    channel = socket.socket(fileno=seat)
    os.environ.clear()
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="agg", HOME="/nonexistent", PATH="/usr/bin:/bin")
    if setup["walls"]:
        walls.shut_in(setup["limits"], setup["readable"], setup["hidden"])
    wire.send(channel, wire.pack("ready"))
    work(channel)


def work(channel: socket.socket) -> None:
    """Do what the judge says, until it goes away."""
    shell = _Anything()
    space: dict[str, Any] = {"__name__": "__main__", "display": lambda *_, **__: None, "get_ipython": lambda: shell}
    builtins.display = space["display"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.modules["__main__"].__dict__.update(space)
    space = sys.modules["__main__"].__dict__

    def use_reference(name: str) -> str:
        space[name] = stand_in.function(channel, name)
        return ""

    orders: dict[str, Callable] = {
        "run": lambda source, title, seconds: run(source, title, seconds, space),
        "find": lambda name: find(space, name),
        "forget": lambda name: bool(space.pop(name, None)),
        "attempt": lambda name, args, seconds, seed: tuple(_told(attempt(space[name], args, seconds, seed))),
        "use_reference": use_reference,
    }
    while True:
        number, order, *content = pickle.loads(wire.receive(channel))
        result = orders[order](*content)
        try:
            frame = wire.pack(("done", number, result))
        except Exception as problem:
            frame = wire.pack(("done", number, ("cannot be sent", str(problem))))
        wire.send(channel, frame)


def run(source: str, title: str, seconds: float, space: dict) -> str:
    """Run a cell; what stopped it, in words, or ''."""
    try:
        if (tree := cells.tree(source)) is None:
            return ""
        lines = [line + "\n" for line in source.splitlines()]
        linecache.cache[title] = (len(source), None, lines, title)
        with quiet(io.StringIO()), warnings.catch_warnings(), time_limit(seconds):
            warnings.simplefilter("ignore")
            exec(compile(tree, title, "exec"), space)
    except TimeLimit:
        return f"it was still running after {seconds:g} s"
    except BaseException as problem:
        own = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == title]
        line = own[-1].lineno if own else getattr(problem, "lineno", None)
        return f"{type(problem).__name__}: {problem}" + (f" (line {line} of the cell)" if line else "")
    return ""


def find(space: dict, name: str) -> tuple:
    """What stands under a name: ("missing",), ("value", it), or ("function", its parameters or None)."""
    if name not in space:
        return ("missing",)
    value = space[name]
    if not callable(value):
        return ("value", value if value is not ... else None)
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return ("function", None)
    return ("function", [(p.name, int(p.kind), p.default is not p.empty) for p in found])


def _told(outcome: Any) -> Any:
    """An outcome as it is sent: the error as its name and its words."""
    error = outcome.error and (type(outcome.error).__name__, str(outcome.error))
    return outcome._replace(error=error)


class _Anything:
    """IPython's shell, to a cell that asks for magics: any call does nothing."""

    def __getattr__(self, name: str) -> Callable:
        return lambda *_, **__: None


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as from_judge:
        serve(from_judge)
