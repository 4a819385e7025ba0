"""Exercises are their solutions, stripped; and an untouched one runs to its end."""

import re
from pathlib import Path

import nbformat
import pytest

from lvmteach.classroom.exercises.overview import entries, page
from lvmteach.classroom.exercises.release import release
from lvmteach.classroom.exercises.stages import exercises
from lvmteach.classroom.publish.notebooks import execute

ROOT = Path(__file__).parent.parent
SOLUTIONS, EXERCISES = ROOT / "solutions", ROOT / "exercises"
RULES = (SOLUTIONS / "text" / "01_monte_carlo.py").read_text(encoding="utf-8")
NAMES = sorted(path.stem for path in (SOLUTIONS / "text").glob("*.py"))


@pytest.mark.slow
def test_exercises_regenerate_byte_identically(tmp_path):
    made = {path.name: path.read_bytes() for path in release(SOLUTIONS, tmp_path)}
    assert made == {path.name: path.read_bytes() for path in EXERCISES.glob("*.ipynb")}


@pytest.mark.notebooks
@pytest.mark.parametrize("name", NAMES)
def test_an_untouched_exercise_runs_to_its_end(name, tmp_path, monkeypatch):
    monkeypatch.delenv("LVMTEACH_STRICT", raising=False)
    notebook = execute(nbformat.read(EXERCISES / f"{name}.ipynb", as_version=4), tmp_path)
    said = "".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", []))
    assert said.count("not attempted") >= 3
    assert "ok:" not in said  # nothing passes that nobody solved
    assert "(the cells below use the reference solution)" in said


def test_the_lecturers_page_is_made_from_the_sources():
    assert (SOLUTIONS / "README.md").read_text(encoding="utf-8") == page(SOLUTIONS)
    assert len({entry.number for entry in entries(SOLUTIONS)}) == len(entries(SOLUTIONS))


@pytest.mark.parametrize("name", NAMES)
def test_every_declared_check_has_its_exercise(name):
    text = (SOLUTIONS / "text" / f"{name}.py").read_text(encoding="utf-8")
    stage = re.search(r"from lvmteach\.classroom\.exercises import (\w+) as check", text).group(1)
    declared = exercises(stage)
    used = re.findall(r"\bcheck\.(\w+)\(", text)
    assert sorted(used) == sorted(declared)


@pytest.mark.parametrize("name", NAMES)
def test_a_sheet_says_what_is_allowed_and_how_a_letter_is_written(name):
    text = (SOLUTIONS / "text" / f"{name}.py").read_text(encoding="utf-8")
    stage = re.search(r"from lvmteach\.classroom\.exercises import (\w+) as check", text).group(1)
    head = [text.split("# **What is allowed**")[1].split("\n\n")[0] for text in (text, RULES)]
    assert head[0] == head[1]  # the same rules for all sheets
    declared = exercises(stage)
    for part in re.split(r"(?m)^# ## ", text):
        asked = [declared[word] for word in re.findall(r"\bcheck\.(\w+)\(answer\)", part)]
        if asked:
            assert "letter in quotes, in place of the dots; capitals and blanks do no harm." in part
        for choice in asked:
            assert all(f"**{letter}**" in part for letter in choice.options)
