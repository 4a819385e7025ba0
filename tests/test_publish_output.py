"""Nothing that a command writes destroys what it has not made."""

from pathlib import Path

import nbformat
import pytest

from lvmteach.classroom.exercises.release import release
from lvmteach.classroom.publish import notebooks, present, slides
from lvmteach.classroom.publish.output import MARK, Refused, fresh

SOURCE = "# %% [markdown]\n# # 98 Try\n\n# %%\n1 + 1\n"
SOLUTION = "# %%\ndef f():\n    ### BEGIN SOLUTION\n    return 42\n    ### END SOLUTION\n"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A small course in a folder of its own, the working directory."""
    root = tmp_path / "course of the Ümläute"
    (root / "notebooks" / "text").mkdir(parents=True)
    (root / "notebooks" / "text" / "98_try.py").write_text(SOURCE)
    monkeypatch.chdir(root)
    notebooks.sync(root / "notebooks" / "text" / "98_try.py")
    return root


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


VERBS = {
    "present": lambda root, out: present.build(root, out),
    "slides": lambda root, out: slides.build(root, out, []),
    "run": lambda root, out: notebooks.run(root, out, []),
}
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@every_verb
@pytest.mark.parametrize("out", [".", "..", "notebooks", "notebooks/new", "lectures", "lectures/notes.txt", "own"])
def test_a_folder_that_is_not_ours_stays_as_it_is(course, verb, out):
    (course / "lectures").mkdir()
    (course / "lectures" / "notes.txt").write_text("mine")
    (course / "own").symlink_to(course / "notebooks")
    before = everything(course)
    with pytest.raises(Refused, match="--out"):
        verb(course, Path(out))
    assert everything(course) == before


@pytest.mark.parametrize("made", [False, True], ids=["new", "empty"])
def test_a_new_or_empty_folder_is_taken_and_marked(course, made):
    if made:
        (course / "out").mkdir()
    assert (fresh(Path("out"), course) / MARK).is_file()


def test_what_an_earlier_run_left_is_removed_and_a_link_is_not_followed(course):
    (course / "mine").mkdir()
    (course / "mine" / "notes.txt").write_text("mine")
    out = fresh(Path("build/x"), course)
    (out / "old").mkdir()
    (out / "old" / "page.html").write_text("old")
    (out / "link").symlink_to(course / "mine")
    fresh(Path("build/x"), course)
    assert sorted(path.name for path in out.iterdir()) == [MARK]
    assert (course / "mine" / "notes.txt").read_text() == "mine"


def test_home_is_meant_by_a_tilde(course, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert fresh(Path("~/out"), course) == tmp_path / "me" / "out"


def test_a_place_that_cannot_be_written_is_said_in_one_line(course):
    with pytest.raises(Refused, match="cannot write") as refused:
        fresh(Path("/proc/nothing/here"), course)
    assert "\n" not in str(refused.value)


def edited(path: Path) -> str:
    """Change a notebook as a person would in JupyterLab; return the words that must not be lost."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source += "\n# an hour of work"
    nbformat.write(notebook, path)
    return "an hour of work"


def test_an_edited_notebook_is_kept_aside_when_its_text_is_synced(course, capsys):
    target = course / "notebooks" / "98_try.ipynb"
    for n in range(2):
        words = edited(target)
        notebooks.sync(course / "notebooks" / "text" / "98_try.py")
        assert "edited" in capsys.readouterr().out
        assert words not in target.read_text()
        assert words in (course / "notebooks" / f"98_try.ipynb.orig{n or ''}").read_text()


def test_a_notebook_nobody_edited_is_written_anew_in_silence(course, capsys):
    text = course / "notebooks" / "text" / "98_try.py"
    notebooks.sync(text)
    text.write_text(SOURCE + "\n# %%\n2 + 2\n")
    notebooks.sync(text)
    assert capsys.readouterr().out == ""
    assert not list(course.rglob("*.orig*"))


def test_a_students_work_in_a_generated_exercise_is_kept_aside(tmp_path):
    (tmp_path / "solutions" / "text").mkdir(parents=True)
    (tmp_path / "solutions" / "text" / "98_try.py").write_text(SOLUTION)
    (target,) = release(tmp_path / "solutions", tmp_path / "exercises")
    words = edited(target)
    release(tmp_path / "solutions", tmp_path / "exercises")
    assert words in (tmp_path / "exercises" / "98_try.ipynb.orig").read_text()
