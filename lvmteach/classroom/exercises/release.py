"""Solutions to exercises: take the worked solutions out, and prove that none of their lines is left.

    lvmteach release SOLUTIONS EXERCISES

reads every SOLUTIONS/text/NAME.py (or SOLUTIONS/NAME.ipynb where there is no text) and writes EXERCISES/NAME.ipynb.
Between

    ### BEGIN SOLUTION
    ### END SOLUTION

stands what a student is to write; in its place they find a stub. The markers and the cell metadata are nbgrader's.
Anything odd about a marker is an error that names file and line, and then nothing at all is written.
A markdown cell tagged `proof` holds a worked proof: students find a place to write theirs, marked by hand. One tagged
`rubric` says how it is marked, and stays with the lecturers.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lvmteach.classroom.publish import cells
from lvmteach.classroom.publish.notebooks import from_text, stamp
from lvmteach.classroom.publish.output import keep_aside, sign

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
# `# end solution`, `### BEGIN SOL`, `# solution`; a sentence with such words ("in the end, solve for W") is prose.
_LOOKS_LIKE_A_MARKER = re.compile(
    r"#\W*(?:begin|end)\W+solution\b"
    r"|#\W*(?:begin|end|start|stop)\W+(?:(?:of|the)\W+)*sol\w*\W*$"
    r"|#\W*sol\w*(?:\W+(?:begin|end|start|stop)s?)?\W*$",
    re.IGNORECASE,
)
PROOF = "*Write your proof here: double-click this cell.*"
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
_MARKED_BY_HAND = {"grade": True, "locked": False, "points": 5, "schema_version": 3, "solution": True, "task": False}
_CHECK = re.compile(r"\bcheck\.\w+\(")


class ReleaseError(ValueError):
    """A solution that cannot be turned into an exercise; says file, line and remedy."""


def release(solutions: Path, exercises: Path) -> list[Path]:
    """Write the exercise of every solution; all of them or, on any error, none.

    Raises:
        ReleaseError: markers unbalanced, nested, misspelt or in a markdown cell; an exercise that does not parse; a
            solution line that survives; no solutions at all.
    """
    sources = sorted((solutions / "text").glob("*.py")) or sorted(solutions.glob("*.ipynb"))
    if not sources:
        raise ReleaseError(f"no solutions: {solutions} holds neither text/*.py nor *.ipynb")
    made = {exercises / f"{source.stem}.ipynb": stripped(source) for source in sources}
    exercises.mkdir(parents=True, exist_ok=True)
    for target, notebook in made.items():
        if target.exists():
            keep_aside(target, nbformat.read(target, as_version=4), notebook)
        text = nbformat.writes(notebook) + "\n"
        partial = target.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, target)
    return list(made)


def stripped(source: Path) -> NotebookNode:
    """The exercise notebook of one solution, without outputs."""
    notebook = from_text(source) if source.suffix == ".py" else nbformat.read(source, as_version=4)
    removed: set[str] = set()
    notebook.cells = [cell for cell in notebook.cells if "rubric" not in cell.metadata.get("tags", [])]
    imports = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    for number, cell in enumerate(notebook.cells, 1):
        place = f"{source}, cell {number}"
        if "proof" in cell.metadata.get("tags", []):
            removed |= {line.strip() for line in cell.source.splitlines()} - {""}
            cell.source = PROOF
            cell.metadata["nbgrader"] = {**_MARKED_BY_HAND, "grade_id": f"{source.stem}-{number}"}
        elif cell.cell_type != "code":
            _refuse_markers(cell.source, place, "markers belong into code cells")
        else:
            cell.outputs, cell.execution_count = [], None
            cell.source, gone = without_solution(cell.source, place, _first_line(source, cell.source))
            removed |= gone
            _mark_for_nbgrader(cell, bool(gone), f"{source.stem}-{number}", locked=cell is imports)
    _prove_nothing_is_left(notebook, removed, source)
    stamp(notebook, f"exercises/{source.stem}")
    sign(notebook)
    return notebook


def without_solution(code: str, place: str, first_line: int = 1) -> tuple[str, set[str]]:
    """A code cell with its solutions replaced by stubs, and the lines that were taken out.

    Args:
        place: the cell in words, for errors.
        first_line: number of the cell's first line in its file.
    """
    kept: list[str] = []
    gone: set[str] = set()
    opened = 0  # the line of the open BEGIN
    for number, line in enumerate(code.splitlines(), first_line):
        where, bare = f"{place}, line {number}", line.strip()
        if bare == BEGIN:
            if opened:
                raise ReleaseError(f"{where}: {BEGIN} inside the solution begun in line {opened}; end that one first")
            opened, indent = number, line[: len(line) - len(line.lstrip())]
            # Inside a function the stub raises, and the check says "not attempted"; a bare cell must not stop Run All.
            kept += [indent + stub for stub in (STUB if indent else STUB[:1])]
        elif bare == END:
            if not opened:
                raise ReleaseError(f"{where}: {END} without {BEGIN} before it")
            opened = 0
        elif _LOOKS_LIKE_A_MARKER.search(line):
            raise ReleaseError(f"{where}: {bare!r} looks like a marker; write {BEGIN} or {END}, alone on its line")
        elif opened:
            gone.add(bare)
        else:
            kept.append(line)
    if opened:
        raise ReleaseError(f"{place}, line {opened}: {BEGIN} is never ended; add {END}")
    text = "\n".join(kept)
    try:
        cells.tree(text)
    except SyntaxError as problem:
        raise ReleaseError(f"{place}: without its solution the cell does not parse ({problem.msg})") from problem
    return text, gone - {""}


def _refuse_markers(text: str, place: str, rule: str) -> None:
    for line in text.splitlines():
        if line.strip() in (BEGIN, END):
            raise ReleaseError(f"{place}: {line.strip()!r} in a markdown cell; {rule}")


def _prove_nothing_is_left(notebook: NotebookNode, removed: set[str], source: Path) -> None:
    """No line of a solution stands anywhere in the exercise, in code or in prose."""
    trivial = re.compile(r"[\W\d]*|#.*|(return|else:|try:|pass|break|continue)")
    for number, cell in enumerate(notebook.cells, 1):
        for line in cell.source.splitlines():
            if line.strip() in removed and not trivial.fullmatch(line.strip()):
                raise ReleaseError(
                    f"{source}, cell {number}: the solution's line {line.strip()!r} is also outside the markers; "
                    "put it between them, or word it differently"
                )


def _mark_for_nbgrader(cell: NotebookNode, solution: bool, name: str, locked: bool) -> None:
    """A cell to fill in is a manual-free solution cell; a cell that calls a check is a test worth one point.

    A locked cell is put back as it was before anything is graded: the imports, and the tests.
    """
    test = not solution and bool(_CHECK.search(cell.source))
    if solution or test or locked:
        cell.metadata["nbgrader"] = {
            "grade": test,
            "grade_id": name,
            "locked": test or locked,
            "schema_version": 3,
            "solution": solution,
            "task": False,
            **({"points": 1} if test else {}),
        }


def _first_line(source: Path, code: str) -> int:
    """The line of the file in which a cell's code begins; 1 within a notebook."""
    if source.suffix != ".py" or not code:
        return 1
    at = source.read_text(encoding="utf-8").find(code)
    return source.read_text(encoding="utf-8")[:at].count("\n") + 1 if at >= 0 else 1


def main(arguments: list[str]) -> int:
    from lvmteach.classroom.exercises import nbgrader, students

    parser = argparse.ArgumentParser(prog="lvmteach release", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("solutions", type=Path, nargs="?", help="the folder of worked solutions, with its text/")
    parser.add_argument("exercises", type=Path, nargs="?", help="where the students' notebooks are written")
    parser.add_argument(
        "--nbgrader", type=Path, metavar="DIR", help="write nbgrader's source/ and its settings into DIR"
    )
    parser.add_argument(
        "--students", type=Path, metavar="DIR", help="write what students pull, without solutions, into DIR"
    )
    parser.add_argument("--package", default="", help="with --students: what pip installs where lvmteach is missing")
    args = parser.parse_args(arguments)
    if args.students is None and (args.solutions is None or (args.exercises is None) == (args.nbgrader is None)):
        parser.error("say SOLUTIONS EXERCISES, or SOLUTIONS --nbgrader DIR, or --students DIR")
    try:
        if args.students is not None:
            print(students.write(args.students, args.package))
        if args.nbgrader is not None:
            made = nbgrader.sources(args.solutions, args.nbgrader)
            print(f"{len(made)} assignments in {args.nbgrader / 'source'}: {', '.join(path.stem for path in made)}")
        if args.exercises is not None:
            made = release(args.solutions, args.exercises)
            print(f"{len(made)} exercises in {args.exercises}: {', '.join(path.stem for path in made)}")
    except ReleaseError as problem:
        print(f"nothing written: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
