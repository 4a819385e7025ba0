"""From solutions to exercises: strict about markers, and nothing of a solution gets through."""

import nbformat
import pytest

from lvmteach.classroom.exercises import nbgrader, students
from lvmteach.classroom.exercises.release import BEGIN, END, PROOF, ReleaseError, main, release, without_solution
from lvmteach.classroom.publish.notebooks import HINT

GOOD = f"""\
# %% [markdown]
# # 99 Exercises

# %%
import math


# %%
def area(radius):
    {BEGIN}
    squared = radius * radius
    return math.pi * squared
    {END}


# %%
area = check.area(area)

# %%
answer = ...
{BEGIN}
answer = "b"
{END}
"""


@pytest.fixture
def folders(tmp_path):
    solutions, exercises = tmp_path / "solutions", tmp_path / "exercises"
    (solutions / "text").mkdir(parents=True)
    (solutions / "text" / "99_try.py").write_text(GOOD)
    return solutions, exercises


def test_solutions_become_stubs(folders):
    (target,) = release(*folders)
    sources = [cell.source for cell in nbformat.read(target, as_version=4).cells]
    assert sources[2] == "def area(radius):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    assert sources[4] == "answer = ...\n# YOUR CODE HERE"  # a bare cell does not stop Run All


def test_the_same_bytes_each_time(folders):
    (target,) = release(*folders)
    first = target.read_bytes()
    release(*folders)
    assert target.read_bytes() == first


def test_cells_are_marked_for_nbgrader(folders):
    (target,) = release(*folders)
    marks = [cell.metadata.get("nbgrader") for cell in nbformat.read(target, as_version=4).cells]
    assert [bool(mark) and (mark["solution"], mark["grade"]) for mark in marks] == [
        False, (False, False), (True, False), (False, True), (True, False),
    ]  # fmt: skip
    ids = [mark["grade_id"] for mark in marks if mark]
    assert len(set(ids)) == len(ids)


BROKEN = {
    "never ended": GOOD.replace(f"    {END}\n", "", 1),
    "without": GOOD.replace(f"    {BEGIN}\n", "", 1),
    "inside the solution": GOOD.replace("    squared", f"    {BEGIN}\n    squared", 1),
    "looks like a marker": GOOD.replace(BEGIN, "### BEGIN SOLUTIONS", 1),
    "'## BEGIN SOLUTION' looks": GOOD.replace(BEGIN, "## BEGIN SOLUTION", 1),
    "'### begin solution' looks": GOOD.replace(BEGIN, "### begin solution", 1),
    "'### SOLUTION BEGIN' looks": GOOD.replace(BEGIN, "### SOLUTION BEGIN", 1),
    "'### END SOLUTION # of area' looks": GOOD.replace(END, f"{END} # of area", 1),
    "markdown cell": GOOD.replace("# # 99 Exercises", f"# # 99\n# {BEGIN}"),
    "does not parse": GOOD.replace("    return math.pi * squared\n", "", 1).replace(
        f"    {BEGIN}\n    squared", f"    if radius:\n        {BEGIN}\n    squared"
    )
    .replace("    squared = radius * radius\n", "        squared = (\n")
    .replace(f"    {END}", f"        {END}\n    )", 1),
    "also outside": GOOD.replace("import math", "import math\n\nanswer = \"b\"", 1),
}  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN)
def test_anything_odd_is_refused_with_its_place_and_nothing_is_written(folders, rule, capsys):
    solutions, exercises = folders
    (solutions / "text" / "98_fine.py").write_text(GOOD)
    (solutions / "text" / "99_try.py").write_text(BROKEN[rule])
    assert main([str(solutions), str(exercises)]) == 1
    said = capsys.readouterr().err
    assert rule.split("' looks")[0].strip("'") in said
    assert "99_try.py, cell" in said
    assert not exercises.exists()


def test_the_line_is_the_files_own(folders):
    solutions, _ = folders
    (solutions / "text" / "99_try.py").write_text(BROKEN["never ended"])
    line = BROKEN["never ended"].splitlines().index(f"    {BEGIN}") + 1
    with pytest.raises(ReleaseError, match=f"line {line}:"):
        release(*folders)


def test_no_solutions_is_an_error(tmp_path):
    with pytest.raises(ReleaseError, match="no solutions"):
        release(tmp_path, tmp_path / "exercises")


def test_a_notebook_without_text_will_do(tmp_path):
    lecturer = tmp_path / "lecturer"
    lecturer.mkdir()
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"def f():\n    {BEGIN}\n    return 41\n    {END}")]
    )
    nbformat.write(notebook, lecturer / "own.ipynb")
    (target,) = release(lecturer, tmp_path / "out")
    assert "return 41" not in target.read_text()


def test_two_solutions_in_one_cell():
    text, gone = without_solution(
        f"def f():\n    {BEGIN}\n    return 1\n    {END}\n\ndef g():\n    {BEGIN}\n    return 2\n    {END}", "here"
    )
    assert text.count("raise NotImplementedError()") == 2
    assert gone == {"return 1", "return 2"}


MAGIC = [
    "%matplotlib inline",
    "!pip list",
    "%%bash\nls",
    "x = !ls",
    "np.sqrt?",
    "# in the end, solve for W",
    "%time f()",
]


@pytest.mark.parametrize("code", MAGIC)
def test_a_notebooks_own_language_is_no_error(code):
    assert without_solution(code, "cell 1")[0] == code


@pytest.mark.parametrize(
    "comment", ["# end solution", "### BEGIN SOL", "#begin of the solution", "## solution", "# solution ends"]
)
def test_a_comment_that_looks_like_a_marker_is_refused(comment):
    with pytest.raises(ReleaseError, match="looks like a marker"):
        without_solution(comment, "cell 1")


def test_the_imports_are_locked_and_an_answer_is_not(tmp_path):
    (tmp_path / "text").mkdir()
    cells = ["import torch", "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION", "f = check.f(f)"]
    (tmp_path / "text" / "98_try.py").write_text("\n\n".join(f"# %%\n{cell}" for cell in cells))
    (path,) = release(tmp_path, tmp_path / "out")
    marks = [cell.metadata["nbgrader"] for cell in nbformat.read(path, as_version=4).cells]
    assert [(m["locked"], m["solution"], m["grade"]) for m in marks] == [
        (True, False, False), (False, True, False), (True, False, True),
    ]  # fmt: skip


def test_a_proof_becomes_a_place_to_write_and_the_rubric_stays(folders):
    solutions, exercises = folders
    text = GOOD + (
        '\n# %% [markdown] tags=["proof"]\n# A variance is never negative, so zero is least.\n'
        '\n# %% [markdown] tags=["rubric"]\n# One point for the reason.\n'
    )
    (solutions / "text" / "99_try.py").write_text(text)
    (path,) = release(solutions, exercises)
    made = nbformat.read(path, as_version=4)
    assert "never negative" not in path.read_text()
    assert "One point" not in path.read_text()
    place = made.cells[-1]
    assert place.cell_type == "markdown"
    assert place.source == PROOF
    assert (place.metadata.nbgrader.grade, place.metadata.nbgrader.solution, place.metadata.nbgrader.points) == (
        True,
        True,
        5,
    )
    nbformat.validate(made)


def test_a_line_of_a_proof_elsewhere_is_refused(folders):
    solutions, exercises = folders
    line = "A variance is never negative, so zero is least."
    (solutions / "text" / "99_try.py").write_text(
        GOOD + f'\n# %% [markdown] tags=["proof"]\n# {line}\n\n# %% [markdown]\n# {line}\n'
    )
    with pytest.raises(ReleaseError, match="also outside"):
        release(solutions, exercises)


def test_nbgraders_source_holds_solutions_between_markers_and_hidden_tests(folders, tmp_path):
    solutions, _ = folders
    (target,) = nbgrader.sources(solutions, tmp_path / "course", seed=4711)
    area, check, choice = nbformat.read(target, as_version=4).cells[2:5]
    assert area.source.splitlines()[1:] == [
        f"    {BEGIN}", "    squared = radius * radius", "    return math.pi * squared", f"    {END}",
    ]  # fmt: skip
    assert area.metadata.nbgrader.solution
    assert check.source.startswith("area = check.area(area)\n\n### BEGIN HIDDEN TESTS\n")
    assert "check.area.judge(area, seed=4711)" in check.source
    assert choice.source == "answer = ...\n# YOUR CODE HERE"
    assert "nbgrader" not in choice.metadata
    assert (tmp_path / "course" / "nbgrader_config.py").is_file()


def test_an_edited_source_is_not_written_over(folders, tmp_path):
    solutions, _ = folders
    (target,) = nbgrader.sources(solutions, tmp_path / "course")
    notebook = nbformat.read(target, as_version=4)
    notebook.cells[0].source += "\nHand in by Friday."
    nbformat.write(notebook, target)
    with pytest.raises(ReleaseError, match="was edited"):
        nbgrader.sources(solutions, tmp_path / "course")
    assert "Friday" in target.read_text()


@pytest.mark.slow
def test_students_get_the_course_without_solutions_and_the_way_to_the_package(tmp_path):
    assert main(["--students", str(tmp_path / "pull"), "--package", "git+https://example.org/lvmteach"]) == 0
    files = sorted(path.relative_to(tmp_path / "pull").as_posix() for path in (tmp_path / "pull").rglob("*.ipynb"))
    assert {path.split("/")[0] for path in files} == {"notebooks", "exercises"}
    for path in (tmp_path / "pull").rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert "lvmteach" in notebook.cells[0].source
        assert HINT not in notebook.cells[1].source  # which the cell above has said better
        assert notebook.cells[1].source.startswith("# ")
        assert BEGIN not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("package", ["", "git+https://example.org/it"])
def test_the_first_cell_says_how_to_get_the_package_only_where_it_is_missing(package, monkeypatch):
    cell = students.GET.format(package=package).replace("%pip", "pass  # %pip")
    exec(compile(cell, "first cell", "exec"), {})  # it is here
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delenv("BINDER_SERVICE_HOST", raising=False)
    with pytest.raises(ModuleNotFoundError, match=package.replace("+", ".") or "ask your lecturer"):
        exec(compile(cell, "first cell", "exec"), {})
    monkeypatch.setenv("BINDER_SERVICE_HOST", "here")
    if package:
        exec(compile(cell, "first cell", "exec"), {})  # where it may, it would install it
