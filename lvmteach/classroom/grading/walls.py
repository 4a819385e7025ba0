"""The walls around what a student wrote: files by Landlock, calls by seccomp, time, memory and size by resource limits.

All of it works on plain Linux (5.13 or later) without root and inside containers: no namespaces, no image. A process
puts the walls around itself and can never take them down. It reads Python and the libraries, writes nothing, and has
no network. The stages' references are not among what it reads. It can still see whether a file exists.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import lvmteach
from lvmteach.classroom import exercises
from lvmteach.classroom.grading import calls

SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/fonts", "/usr/share/zoneinfo", "/etc/ld.so.cache",
          "/etc/localtime", "/etc/fonts", "/dev/null", "/dev/zero", "/dev/urandom")  # fmt: skip
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_CREATE_RULES, _ADD_RULE, _OBEY = 444, 445, 446
_NO_NEW_PRIVILEGES, _DROP, _CAPSET = 38, 24, {"x86_64": 126, "aarch64": 91}


class Limits(NamedTuple):
    """What one submission may use: seconds on the clock and of a processor, bytes beyond what the libraries take."""

    cell: float = 20.0
    all: float = 240.0
    processor: int = 200
    memory: int = 2 << 30
    files: int = 64


def missing() -> list[str]:
    """What this machine lacks for the walls, each with what then falls away; empty if nothing."""
    if sys.platform != "linux":
        return [f"grading needs Linux, this is {sys.platform}"]
    found = []
    if _landlock() < 1:
        found.append("no Landlock (Linux 5.13, and not switched off): a submission could read the references and files")
    if not calls.known_machine() or not Path("/proc/self/status").read_text().count("Seccomp:"):
        found.append("no seccomp filter for this machine: a submission could use the network and start processes")
    return found


def _landlock() -> int:
    """The version of Landlock that this kernel knows, 0 or less without."""
    return ctypes.CDLL(None).syscall(_CREATE_RULES, None, ctypes.c_size_t(0), ctypes.c_uint32(1))


def shut_in(limits: Limits, readable: Iterable[Path], hidden: Iterable[Path]) -> None:
    """Put up all walls around this process, which must have no other thread yet.

    Raises:
        OSError: one of them cannot be put up.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _limit(limits)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    _drop_capabilities(libc)
    _only_read(libc, rules(readable, hidden))
    calls.deny()


def _limit(limits: Limits) -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for what, value in (
        (resource.RLIMIT_AS, taken + limits.memory), (resource.RLIMIT_CPU, limits.processor), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, limits.files),
    ):  # fmt: skip
        resource.setrlimit(what, (value, value))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Root without its powers is an owner of files like any other, and Landlock sees to the files."""
    for capability in range(64):
        libc.prctl(_DROP, capability, 0, 0, 0)  # fails where we never had it
    header, none = struct.pack("<Ii", 0x20080522, 0), bytes(24)
    if libc.syscall(_CAPSET[os.uname().machine], header, none):
        raise OSError(ctypes.get_errno(), "capset")


def readable() -> list[Path]:
    """What a submission may read: Python, its packages, this package, the system's libraries."""
    packages = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    roots = [sys.prefix, sys.exec_prefix, sys.base_prefix, *packages, *lvmteach.__path__, *SYSTEM]
    return sorted({Path(root).resolve() for root in roots if Path(root).exists()})


def hidden() -> list[Path]:
    """The folders of the stages, with the references and the answers of the choices."""
    (room,) = exercises.__path__
    return [path.resolve() for path in Path(room).iterdir() if path.is_dir() and path.name != "__pycache__"]


def rules(readable: Iterable[Path], hidden: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    """Each path with the rights below it. A folder that holds something hidden is opened child by child."""
    hidden = list(hidden)
    for path in readable:
        if any(path == one or one in path.parents for one in hidden):
            continue
        if not any(path in one.parents for one in hidden):
            yield path, _READ_FILE | (_READ_DIR if path.is_dir() else 0)
            continue
        yield path, _READ_DIR  # names only: Python lists a package's folder to import from it
        yield from rules((child for child in path.iterdir() if not child.is_symlink()), hidden)


def _only_read(libc: ctypes.CDLL, allowed: Iterable[tuple[Path, int]]) -> None:
    version = _landlock()
    files = (1 << (13 + (version >= 2) + (version >= 3))) - 1 | (1 << 15 if version >= 5 else 0)
    network, signals = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    handled = struct.pack("<QQQ", files, network, signals)[:size]
    ruleset = libc.syscall(_CREATE_RULES, handled, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    for path, rights in allowed:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # gone, or not for us either
        rule = struct.pack("<Qi", rights, place)
        if libc.syscall(_ADD_RULE, ruleset, ctypes.c_int(1), rule, ctypes.c_uint32(0)):
            raise OSError(ctypes.get_errno(), f"landlock: {path}")
        os.close(place)
    if libc.syscall(_OBEY, ruleset, ctypes.c_uint32(0)):
        raise OSError(ctypes.get_errno(), "landlock")
    os.close(ruleset)
