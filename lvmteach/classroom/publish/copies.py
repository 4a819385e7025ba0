"""The course, copied out of the installed package into a folder where a student works: `lvmteach lab FOLDER`.

What is missing is copied. What the student has not touched is brought up to date. What they have touched stays as it
is, and a line says so. A note of what was copied lies in the folder, so that the next time tells the three apart.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from lvmteach.classroom.publish.output import fingerprint

FOLDERS = ("notebooks", "exercises")
NOTE = ".lvmteach.json"  # path below the folder -> what was copied there last


class Copied(NamedTuple):
    """What `copy` did, each as paths below the folder."""

    new: list[str]
    updated: list[str]
    kept: list[str]  # touched by the student, and different from what comes with the package now


def source() -> Path:
    """Where the course lies: beside the package in a clone, or where the wheel has put it.

    Raises:
        FileNotFoundError: neither; the installation is not complete.
    """
    clone = Path(__file__).resolve().parents[3]
    if (clone / "notebooks" / "00_start_here.ipynb").is_file():
        return clone
    try:
        files = distribution("lvmteach").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "00_start_here.ipynb":
            return Path(file.locate()).resolve().parents[1]
    raise FileNotFoundError("the notebooks are not part of this installation; install the wheel, or clone the course")


def course(root: Path) -> list[Path]:
    """The files that a student gets: notebooks, exercises and the pictures they show."""
    return [p for name in FOLDERS for kind in ("*.ipynb", "*.png") for p in sorted((root / name).glob(kind))]


def copy(root: Path, folder: Path, prepare: Callable[[NotebookNode], None] = lambda notebook: None) -> Copied:
    """Bring the course in `folder` up to date, never over a file that its owner has touched.

    Args:
        prepare: changes each notebook before it is written.

    Raises:
        NotADirectoryError: `folder` is a file.
        OSError: it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"expected a folder for the course, got the file {folder}")
    note = _noted(folder)
    done = Copied([], [], [])
    for path in course(root):
        name = path.relative_to(root).as_posix()
        target = folder / name
        content = for_this_python(path, prepare)
        new, old = _mark(content, path), _mark(target.read_bytes(), target) if target.is_file() else None
        if old == new:
            continue
        if old is not None and old != note.get(name):
            done.kept.append(name)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        partial.write_bytes(content)
        os.replace(partial, target)
        note[name] = new
        (done.new if old is None else done.updated).append(name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOTE).write_text(json.dumps(note, indent=1), encoding="utf-8")
    return done


def _noted(folder: Path) -> dict[str, str]:
    """What was copied last; nothing where there is no note, or where it cannot be read: then all counts as touched."""
    try:
        found = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _mark(content: bytes, path: Path) -> str:
    """What a person can edit, as a hash: a notebook that was merely run counts as untouched."""
    if path.suffix == ".ipynb":
        try:
            return fingerprint(nbformat.reads(content.decode("utf-8"), as_version=4))
        except Exception:  # not a notebook any more: whatever it is, it is the student's
            pass
    return hashlib.sha256(content).hexdigest()[:16]


def for_this_python(path: Path, prepare: Callable[[NotebookNode], None]) -> bytes:
    """A notebook that names this Python, so that JupyterLab does not mark it changed when it is opened."""
    if path.suffix != ".ipynb":
        return path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["language_info"]["version"] = platform.python_version()
    prepare(notebook)
    return (nbformat.writes(notebook) + "\n").encode("utf-8")
