"""Folders and files that the commands write: theirs to replace only where they have made them.

A folder that a command fills is marked. It is emptied and filled anew only if it carries the mark, or is empty; never
if it is one of the project's own folders or holds one. A generated file that somebody has changed since is kept aside.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from nbformat import NotebookNode

MARK = ".made-by-lvmteach"
OWN = (".git", ".ci", "benchmarks", "exercises", "lvmteach", "notebooks", "solutions", "tests")  # the project's folders
WORDS = "This folder is made anew by a command of the course. Keep nothing of your own here.\n"


class Refused(SystemExit):
    """A folder that is not ours to write; says which, why, and what to do."""


def fresh(out: Path, root: Path, keep: bool = False) -> Path:
    """An empty, marked folder at `out`, whatever an earlier run has left there removed.

    Args:
        root: the project's root, whose folders are never touched.
        keep: leave what an earlier run of the same command has made.

    Raises:
        Refused: `out` holds what no command has made, holds the project or is part of it, is a file, or cannot be made.
    """
    folder = out.expanduser()
    place = folder.resolve()
    _refuse_sources(place, root.resolve(), out)
    try:
        if folder.is_dir():
            if any(folder.iterdir()) and not (folder / MARK).is_file():
                raise Refused(
                    f"{out} holds files that this command has not made; name another folder with --out, or empty it"
                )
            for path in () if keep else folder.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        elif folder.exists():
            raise Refused(f"--out must be a folder, got the file {out}; name a folder")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).write_text(WORDS, encoding="utf-8")
    except OSError as problem:
        raise Refused(f"cannot write {out} ({problem.strerror}); name a folder of your own with --out") from problem
    return folder


def _refuse_sources(place: Path, root: Path, out: Path) -> None:
    if root == place or place in root.parents:
        raise Refused(f"{out} holds the course itself; name a folder inside build/ or elsewhere with --out")
    for name in OWN:
        own = root / name
        if own.exists() and (place == own or own in place.parents):
            raise Refused(f"{out} belongs to the course's own {name}/; name a folder inside build/ with --out")


def fingerprint(notebook: NotebookNode) -> str:
    """What a person can edit in a notebook, as a hash: kinds and sources of its cells, no outputs."""
    parts = [part for cell in notebook.cells for part in (cell.cell_type, cell.source)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def keep_aside(target: Path, stored: NotebookNode, made: NotebookNode) -> Path | None:
    """Before `target` is written anew: keep it as `.orig` if somebody has edited it since it was generated.

    Args:
        stored: what stands in `target`; `sign` has noted in it what was generated last.
        made: what is about to be written.

    Returns:
        Where the edited file is kept, or None if nobody has edited it.
    """
    found = fingerprint(stored)
    if found in (stored.metadata.get("lvmteach", {}).get("generated"), fingerprint(made)):
        return None
    number, aside = 0, target.with_name(target.name + ".orig")
    while aside.exists():  # an earlier edit that was kept aside is somebody's, too
        number += 1
        aside = target.with_name(f"{target.name}.orig{number}")
    shutil.copy2(target, aside)
    print(
        f"{target} was edited since it was made: the edited file is kept as {aside.name}; edit the text source instead"
    )
    return aside


def sign(notebook: NotebookNode) -> None:
    """Note in the notebook what was generated, so that an edit can be told later."""
    notebook.metadata["lvmteach"] = {"generated": fingerprint(notebook)}
