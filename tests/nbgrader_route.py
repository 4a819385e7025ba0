"""nbgrader's own commands on the sources made for it: `make test-class`, in an environment with the extra `class`.

Not collected by a plain run of the tests, since nbgrader is not part of the development tools.
"""

import csv
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lvmteach.classroom.exercises import nbgrader
from lvmteach.classroom.exercises.release import BEGIN, END
from lvmteach.classroom.publish.notebooks import from_text

ROOT = Path(__file__).parent.parent
SHEET = "04_log_linear_models"  # two functions and two choices, and a proof that is marked by hand
LOOP = "def curvature(w, features):\n    while True:\n        pass"
CHATTY = "import sys\nprint('as I was saying', file=sys.stderr)\n"


def run(where: Path, *command: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "LVMTEACH_STRICT"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"  # nbgrader calls alembic
    environment |= {"OMP_NUM_THREADS": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    command = [sys.executable, "-m", "nbgrader", *command]
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def filled(path: Path, change: dict[str, str] | None = None) -> None:
    """Write the solutions into a fetched sheet, with some cells otherwise: the cell's first words -> its text."""
    worked = [
        c
        for c in from_text(ROOT / "solutions" / "text" / f"{SHEET}.py").cells
        if "rubric" not in c.metadata.get("tags", ())
    ]
    notebook = nbformat.read(path, as_version=4)
    for cell, solution in zip(notebook.cells, worked, strict=True):
        if BEGIN in solution.source:
            cell.source = solution.source.replace(BEGIN, "").replace(END, "")
        elif "proof" in solution.metadata.get("tags", ()):
            cell.source = solution.source
        for start, text in (change or {}).items():
            if cell.source.lstrip().startswith(start):
                cell.source = text if text.startswith(start) else text + cell.source
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A course taken through nbgrader, from the source to the feedback: its folder."""
    course = tmp_path_factory.mktemp("course")
    exchange = tmp_path_factory.mktemp("exchange")
    exchange.chmod(0o777)
    nbgrader.sources(ROOT / "solutions", course, seed=4711)
    settings = (course / "nbgrader_config.py").read_text() + f"c.Exchange.root = {str(exchange)!r}\n"
    (course / "nbgrader_config.py").write_text(settings)
    run(course, "generate_assignment", SHEET)
    run(course, "release_assignment", SHEET)
    hand_in = {
        "solved": lambda path: filled(path),
        "untouched": lambda path: None,
        "chatty": lambda path: filled(path, {"def clamped": CHATTY, "def curvature": CHATTY}),
        "looping": lambda path: filled(path, {"def curvature": LOOP}),
    }
    for student, work in hand_in.items():
        home = tmp_path_factory.mktemp(student)
        (home / "nbgrader_config.py").write_text(settings)
        run(home, "fetch_assignment", SHEET, "--course", "lvm")
        work(home / SHEET / f"{SHEET}.ipynb")
        run(home, "submit", SHEET, "--course", "lvm", "--student", student)
    run(course, "collect", SHEET)
    run(course, "autograde", SHEET)
    run(course, "generate_feedback", SHEET)
    run(course, "export", "--to", "grades.csv")
    return course


def test_students_get_neither_solutions_nor_hidden_tests(graded):
    text = (graded / "release" / SHEET / f"{SHEET}.ipynb").read_text(encoding="utf-8")
    assert "HIDDEN" not in text
    assert "4711" not in text
    assert "SOLUTION" not in text
    cells = nbformat.reads(text, as_version=4).cells
    assert all(
        "def " in c.source for c in cells if c.cell_type == "code" and c.metadata.get("nbgrader", {}).get("solution")
    )


def test_points_are_earned_by_answers_alone(graded):
    rows = csv.DictReader((graded / "grades.csv").read_text().splitlines())
    points = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in rows}
    by_hand = 5
    assert points == {
        "solved": (4, 4 + by_hand), "untouched": (0, 4 + by_hand),
        "chatty": (4, 4 + by_hand), "looping": (3, 4 + by_hand),
    }  # fmt: skip


def test_feedback_says_what_was_wrong(graded):
    (page,) = (graded / "feedback" / "looping").rglob("*.html")
    assert "look for a loop that does not end" in page.read_text(encoding="utf-8")


def test_only_solved_work_validates(graded):
    for student, valid in (("solved", True), ("untouched", False)):
        said = run(graded, "validate", f"submitted/{student}/{SHEET}/{SHEET}.ipynb")
        assert ("Success!" in said) == valid, said[-1500:]
