"""A department's afternoon: the wheel in an empty environment, the course copied, exercises done, handed in, graded."""

import csv
import os
import re
import shutil
import site
import socket
import subprocess
import sys
import venv
from pathlib import Path

import nbformat
import pytest

from lvmteach.classroom.exercises.release import BEGIN, END
from lvmteach.classroom.grading import walls
from lvmteach.classroom.publish.notebooks import from_text

pytestmark = pytest.mark.notebooks
ROOT = Path(__file__).parent.parent


def tracked_copy(to: Path) -> Path:
    """What git has, so that nothing left from before gets into the wheel."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    return to


@pytest.fixture(scope="module")
def department(tmp_path_factory):
    """An environment that holds the wheel and nothing of this clone; what it depends on is borrowed, to be quick."""
    folder = tmp_path_factory.mktemp("a department, für alle")
    tree = tracked_copy(folder / "tree")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(tree)]
    subprocess.run(wheel, check=True, capture_output=True)
    shutil.rmtree(tree)
    (made,) = folder.glob("*.whl")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    install = [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(made)]
    subprocess.run(install, check=True, capture_output=True)
    (own,) = (folder / "env" / "lib").glob("python*/site-packages")
    (own / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    return folder


def lvmteach(department: Path, *arguments: str, **options) -> subprocess.Popen:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(department / "env" / "bin" / "python"), "-m", "lvmteach", *arguments]
    return subprocess.Popen(
        command, cwd=department, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )


def worked(sheet: Path) -> nbformat.NotebookNode:
    """A student's copy of a sheet with the lecturers' solutions written in."""
    notebook = nbformat.read(sheet, as_version=4)
    solution = from_text(ROOT / "solutions" / "text" / f"{sheet.stem}.py")
    theirs = [cell for cell in solution.cells if "rubric" not in cell.metadata.get("tags", ())]
    for cell, model in zip(notebook.cells, theirs, strict=True):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = model.source.replace(BEGIN, "").replace(END, "")
    return notebook


@pytest.mark.skipif(bool(walls.missing()), reason="; ".join(walls.missing()))
@pytest.mark.timeout(900)
def test_from_the_wheel_to_the_points(department):
    lab = lvmteach(department, "lab", "my course", "--no-browser", "--port=0", "--allow-root")
    try:
        at = next(line for line in lab.stdout if "/lab?token=" in line or "/lab/tree" in line)  # it is up, says where
    finally:
        lab.terminate()
        lab.wait()
        lab.stdout.close()
    with socket.socket() as other:  # and ended when it was told to, no server left behind
        assert other.connect_ex(("127.0.0.1", int(re.search(r":(\d+)/lab", at)[1]))) != 0
    sheets = sorted((department / "my course" / "exercises").glob("*.ipynb"))
    assert [s.name for s in sheets] == sorted(p.name for p in (ROOT / "exercises").glob("*.ipynb"))
    for sheet in sheets:
        for student, notebook in (("Ann", worked(sheet)), ("Bo", nbformat.read(sheet, as_version=4))):
            (department / "handed in" / student).mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, department / "handed in" / student / sheet.name)
    grading = lvmteach(department, "grade", "handed in", "--out", "graded")
    said = grading.stdout.read()
    assert grading.wait() == 0, said[-2000:]
    rows = list(csv.DictReader((department / "graded" / "points.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 2 * len(sheets)
    wrong = [r for r in rows if float(r["points"]) != (float(r["of"]) if r["student"] == "Ann" else 0) or r["note"]]
    assert wrong == []
