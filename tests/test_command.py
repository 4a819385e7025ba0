"""The one command, and the copy of the course that a student works in."""

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from lvmteach.__main__ import VERBS, main
from lvmteach.classroom.publish import copies

ROOT = Path(__file__).parent.parent


@pytest.fixture
def package(tmp_path):
    """A small course as it comes: two notebooks, an exercise, a picture."""
    root = tmp_path / "installed"
    for name in ("notebooks/00_start_here", "notebooks/01_more", "exercises/01_more"):
        path = root / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1", id="a")])
        notebook.metadata["language_info"] = {"name": "python", "version": "3"}
        nbformat.write(notebook, path)
    (root / "notebooks" / "map.png").write_bytes(b"picture")
    return root


def rewrite(path: Path, source: str, outputs: bool = False) -> None:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = source
    if outputs:
        notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(notebook, path)


def source(path: Path) -> str:
    return nbformat.read(path, as_version=4).cells[0].source


def test_the_course_is_copied_into_any_path(package, tmp_path):
    folder = tmp_path / "mein Kurs, Übung"
    done = copies.copy(package, folder)
    assert len(done.new) == 4
    assert sorted(p.name for p in folder.rglob("*.ipynb")) == ["00_start_here.ipynb", "01_more.ipynb", "01_more.ipynb"]
    assert copies.copy(package, folder) == copies.Copied([], [], [])


def test_what_is_untouched_is_updated_and_what_is_touched_is_kept(package, tmp_path):
    folder = tmp_path / "mine"
    copies.copy(package, folder)
    rewrite(folder / "exercises/01_more.ipynb", "x = 'my answer'")
    rewrite(folder / "notebooks/01_more.ipynb", "x = 1", outputs=True)  # run, not edited
    for path in package.rglob("*.ipynb"):
        rewrite(path, "x = 2")
    (package / "notebooks" / "map.png").write_bytes(b"new picture")
    done = copies.copy(package, folder)
    assert done.kept == ["exercises/01_more.ipynb"]
    assert done.updated == ["notebooks/00_start_here.ipynb", "notebooks/01_more.ipynb", "notebooks/map.png"]
    assert source(folder / "exercises/01_more.ipynb") == "x = 'my answer'"
    assert source(folder / "notebooks/01_more.ipynb") == "x = 2"


def test_without_its_note_every_file_that_differs_counts_as_the_students(package, tmp_path):
    folder = tmp_path / "mine"
    copies.copy(package, folder)
    (folder / copies.NOTE).write_text("{ not json")
    rewrite(package / "notebooks/01_more.ipynb", "x = 2")
    assert copies.copy(package, folder).kept == ["notebooks/01_more.ipynb"]


def test_a_file_that_is_no_notebook_any_more_is_kept(package, tmp_path):
    folder = tmp_path / "mine"
    copies.copy(package, folder)
    (folder / "notebooks/01_more.ipynb").write_text("half a file")
    assert copies.copy(package, folder).kept == ["notebooks/01_more.ipynb"]


def test_a_read_only_installation_gives_files_that_can_be_written(package, tmp_path):
    for path in package.rglob("*"):
        path.chmod(stat.S_IREAD | (stat.S_IEXEC if path.is_dir() else 0))
    copies.copy(package, tmp_path / "mine")
    for path in package.rglob("*"):
        path.chmod(stat.S_IRWXU)
    assert all(os.stat(path).st_mode & stat.S_IWRITE for path in (tmp_path / "mine").rglob("*.ipynb"))


def test_a_file_in_the_place_of_the_folder_is_said_in_one_line(tmp_path, capsys):
    (tmp_path / "taken").write_text("mine")
    assert main(["lab", str(tmp_path / "taken"), "--copy-only"]) == 1
    said = capsys.readouterr().err
    assert "expected a folder" in said
    assert said.count("\n") == 1
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_by_its_own_name_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as done:
        main([verb, "--help"])
    assert not done.value.code
    said = capsys.readouterr().out
    assert f"usage: lvmteach {verb} " in said
    assert VERBS[verb].example.startswith(f"lvmteach {verb}")
    assert VERBS[verb].example in said


def test_help_lists_the_verbs_and_an_unknown_one_is_a_line(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(verb.example in said for verb in VERBS.values())
    assert main(["frobnicate"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["lab", "--help"], ["lab", "README.md", "--copy-only"]])
def test_it_ends_quietly_where_nobody_reads_on(arguments):
    """As with `| head -1`. What goes to the other stream is still said."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed:
        command = [sys.executable, "-m", "lvmteach", *arguments]
        done = subprocess.run(command, cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == (0 if "--help" in arguments else 1), done.stderr


@pytest.mark.notebooks
def test_the_wheel_has_the_course_without_its_solutions(tmp_path):
    tree = tmp_path / "tree"  # what git has, so that nothing left from before gets in
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(tree)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    notebooks = {Path(n).name for n in names if "/share/lvmteach/notebooks/" in n}
    assert (
        {path.name for path in copies.course(ROOT)}
        >= notebooks
        >= {p.name for p in (ROOT / "notebooks").glob("*.ipynb")}
    )
    assert sum("/share/lvmteach/exercises/" in n for n in names) == len(list((ROOT / "exercises").glob("*.ipynb")))
    assert not [n for n in names if n.endswith(".ipynb") and "/share/lvmteach/" not in n]
