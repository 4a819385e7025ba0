"""A sheet of exercises as it was handed out, and what a student made of it: which cells are run, in which order."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from lvmteach.classroom.publish import cells

LARGEST = 10_000_000  # bytes of a file: read, the worst takes two gigabytes; a sheet with its outputs has two million
_CHECK = re.compile(r"(?:\w+ = )?check\.(?P<exercise>\w+)\((?P<name>\w+)\)")
_STAGE = re.compile(r"from lvmteach\.classroom\.exercises import (\w+) as check")
_HEADING = re.compile(r"^## Exercise (\d\d\.\d+: .+)$", re.MULTILINE)


class Task(NamedTuple):
    """One exercise of a sheet. name: what the check is given. cell: the number of the cell to fill in, or None."""

    exercise: str
    title: str
    points: float
    name: str
    cell: int | None


class Step(NamedTuple):
    """One thing to do with a submission: run a cell, or judge a task (then `task` is given)."""

    source: str
    title: str
    task: Task | None = None


class Submission(NamedTuple):
    """A student's file of one sheet."""

    student: str
    path: Path


class Unread(ValueError):
    """A submission that is not read. The message says why, and what its student does next."""


class Sheet:
    """A pristine notebook of exercises.

    Raises:
        ValueError: its first code cell imports no stage's checks.
    """

    def __init__(self, path: Path):
        self.name = path.stem
        self.cells = nbformat.read(path, as_version=4).cells
        self.imports = next(cell.source for cell in self.cells if cell.cell_type == "code" and _is(cell, "locked"))
        stage = _STAGE.search(self.imports)
        if stage is None:
            raise ValueError(
                f"{path} imports no checks; expected `from lvmteach.classroom.exercises import ... as check`"
            )
        self.stage = stage[1]
        self.tasks = list(self._tasks())

    def _tasks(self) -> Iterator[Task]:
        title, filled = "", None
        for number, cell in enumerate(self.cells):
            if cell.cell_type == "markdown" and (heading := _HEADING.search(cell.source)):
                title, filled = heading[1], None
            elif _is(cell, "solution") and cell.cell_type == "code":
                filled = number
            elif _is(cell, "grade") and (check := _CHECK.search(cell.source)):
                yield Task(check["exercise"], title, cell.metadata.nbgrader.points, check["name"], filled)

    @property
    def by_hand(self) -> list[str]:
        """The cells that a person marks, by their grade_id."""
        return [_id(cell) for cell in self.cells if cell.cell_type == "markdown" and _is(cell, "grade")]

    def written(self, submission: NotebookNode) -> dict[int, str]:
        """The student's own text for each cell to fill in, by its number on the sheet; what is missing is left out."""
        found = {_id(cell): cell.source for cell in submission.cells if _is(cell, "solution")}
        places = {_id(cell): number for number, cell in enumerate(self.cells) if _is(cell, "solution")}
        return {places[name]: source for name, source in found.items() if name in places}

    def steps(self, submission: NotebookNode) -> Iterator[Step]:
        """The sheet with the student's cells in their places, and cells of their own where they have put them.

        The imports and the checks are the sheet's. Of its other cells only what they define is run: the pictures
        between the exercises take time and earn nothing.
        """
        own, tasks, written = self._own(submission), iter(self.tasks), self.written(submission)
        for number, cell in enumerate(self.cells):
            if cell.cell_type == "code" and _is(cell, "grade"):
                task = next(tasks)
                yield Step("", task.title, task)
            elif _is(cell, "solution") and cell.cell_type == "code":
                yield Step(written.get(number, ""), f"cell {number + 1}")
            elif cell.cell_type == "code":
                yield Step(
                    cell.source if cell.source == self.imports else definitions(cell.source), f"cell {number + 1}"
                )
            for count, source in enumerate(own.get(number, ()), 1):
                yield Step(source, f"cell {number + 1}, {count} of yours behind it")

    def _own(self, submission: NotebookNode) -> dict[int, list[str]]:
        """The student's own code cells, by the number of the sheet's cell that each stands behind."""
        by_id = {_id(cell): number for number, cell in enumerate(self.cells) if _id(cell)}
        by_text = {cell.source: number for number, cell in enumerate(self.cells)}
        imports = next(number for number, cell in enumerate(self.cells) if cell.source == self.imports)
        behind, found = imports, {}
        for cell in submission.cells:
            place = by_id.get(_id(cell), by_text.get(cell.source))
            if place is not None:
                behind = max(place, imports)
            elif cell.cell_type == "code" and cell.source.strip():
                found.setdefault(behind, []).append(cell.source)
        return found


def definitions(source: str) -> str:
    """What a cell defines or imports, on its lines; nothing of what it computes."""
    tree = cells.tree(source)
    kept = (
        []
        if tree is None
        else [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom)]
    )
    lines, out = source.splitlines(), []
    for node in kept:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        out += [""] * (first - 1 - len(out)) + lines[first - 1 : node.end_lineno]
    return "\n".join(out)


def read(path: Path) -> NotebookNode:
    """A file that was handed in.

    Raises:
        Unread: it is no file, or too large. What nbformat raises about its content is passed on.
    """
    if path.is_symlink() or not path.is_file():
        raise Unread("this is no file but a link or a folder: hand in the notebook itself")
    if (size := path.stat().st_size) > LARGEST:
        raise Unread(
            f"a notebook of {size / 1e6:.0f} MB is not read, {LARGEST / 1e6:.0f} MB are: clear its outputs, save it,"
            " and hand it in again"
        )
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def submissions(folder: Path, sheet: str) -> list[Submission]:
    """Every file of this sheet below a folder, by student.

    A file counts whose name ends in the sheet's: STUDENT/.../01_monte_carlo.ipynb as nbgrader collects them, or
    STUDENT_01_monte_carlo.ipynb in one folder.

    Raises:
        ValueError: two files of one student; names all such students.
    """
    found: dict[str, list[Path]] = {}
    for path in notebooks(folder):
        if path.stem.endswith(sheet):
            inside = path.relative_to(folder).parts
            student = inside[0] if len(inside) > 1 else path.stem[: -len(sheet)].rstrip("_- ") or path.stem
            found.setdefault(printable(student), []).append(path)
    double = [f"{student}: {' and '.join(map(str, paths))}" for student, paths in found.items() if len(paths) > 1]
    if double:
        raise ValueError(f"two files of {'; of '.join(double)}; move away what is not to be graded as {sheet}")
    return [Submission(student, paths[0]) for student, paths in found.items()]


def notebooks(folder: Path) -> Iterator[Path]:
    """What could be a submission: every notebook below a folder, but none in hidden folders.

    A student may hand in the whole course: what lies in their `notebooks/` is no sheet.
    """
    for path in sorted(folder.rglob("*.ipynb")):
        inside = path.relative_to(folder).parts
        if not any(part.startswith(".") for part in inside) and "notebooks" not in inside[1:-1]:
            yield path


def printable(name: str) -> str:
    """A name from a disk; bytes that are no UTF-8, as of an old archive, as `\\xfc`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is(cell: NotebookNode, mark: str) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get(mark))


def _id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
