"""Sources for nbgrader: the solutions, with its marks in their cells and hidden tests behind the checks.

    lvmteach release solutions --nbgrader COURSE

writes COURSE/source/SHEET/SHEET.ipynb and COURSE/nbgrader_config.py. nbgrader's own steps do the rest, with their
defaults: `generate_assignment` takes the solutions out and hides the hidden tests, `autograde` puts those back.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lvmteach.classroom.exercises.release import BEGIN, ReleaseError, stripped
from lvmteach.classroom.publish.notebooks import from_text
from lvmteach.classroom.publish.output import fingerprint

_FUNCTION = re.compile(r"^(?P<name>\w+) = check\.(?P<exercise>\w+)\((?P=name)\)$")
HIDDEN = """

### BEGIN HIDDEN TESTS
again = check.{exercise}.judge({name}, seed={seed})
assert again.status == "passed", again
### END HIDDEN TESTS"""
CONFIG = """\
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "lvm"
c.ExecutePreprocessor.timeout = 300  # seconds a cell; nbgrader's default is 30
"""


def sources(solutions: Path, course: Path, seed: int | None = None) -> list[Path]:
    """Write a source for each text of the solutions, and settings where there are none; nothing on any error.

    Args:
        seed: of the cases in the hidden tests; a new one unless given.

    Raises:
        ReleaseError: as for `release.release`; a source there that this command has not written, or was edited since.
    """
    seed = secrets.randbelow(2**31 - 1) + 1 if seed is None else seed
    texts = sorted((solutions / "text").glob("*.py"))
    if not texts:
        raise ReleaseError(f"no solutions: {solutions} holds no text/*.py")
    made = {course / "source" / text.stem / f"{text.stem}.ipynb": source(text, seed) for text in texts}
    for target in made:
        if target.exists() and not _ours(nbformat.read(target, as_version=4)):
            raise ReleaseError(f"{target} was edited, or is not from here; move it away and say this again")
    for target, notebook in made.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
    if not (course / "nbgrader_config.py").exists():
        (course / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    return list(made)


def source(text: Path, seed: int) -> NotebookNode:
    """The sheet with its solutions between nbgrader's markers, and a hidden test behind each check of a function.

    A choice is in the sheet as students get it, without a solution: its cell must not stop Run All, and nbgrader's stub
    would. It is theirs, so that it comes back as they have left it.
    """
    notebook = stripped(text)
    worked = [cell for cell in from_text(text).cells if "rubric" not in cell.metadata.get("tags", ())]
    for cell, solution in zip(notebook.cells, worked, strict=True):
        mark = cell.metadata.get("nbgrader", {})
        if mark.get("solution") and cell.cell_type == "code":
            if any(line.startswith(BEGIN) for line in solution.source.splitlines()):
                del cell.metadata["nbgrader"]
            else:
                cell.source = solution.source
        elif mark.get("grade") and (check := _FUNCTION.match(cell.source)):
            cell.source += HIDDEN.format(seed=seed, **check.groupdict())
    notebook.metadata["lvmteach"] = {"generated": fingerprint(notebook)}
    return notebook


def _ours(notebook: NotebookNode) -> bool:
    return notebook.metadata.get("lvmteach", {}).get("generated") == fingerprint(notebook)
