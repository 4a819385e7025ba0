"""What DEPLOY.md says of git, nbgitpuller and Binder, by their own commands: `make test-class`.

Not collected by a plain run of the tests, since they are no part of the development tools.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lvmteach.classroom.exercises import students
from lvmteach.classroom.exercises.release import BEGIN

ROOT = Path(__file__).parent.parent
SHEET, OTHER, READ = "exercises/01_monte_carlo.ipynb", "exercises/02_factor_analysis.ipynb", "notebooks/08_vae.ipynb"


def git(folder: Path, *command: str) -> None:
    who = ["-c", "user.name=A lecturer", "-c", "user.email=lecturer@example.org"]
    subprocess.run(["git", *who, *command], cwd=folder, check=True, capture_output=True)


def pull(repository: Path, into: Path) -> None:
    """What a click on the link does: nbgitpuller's own command, with the address of a repository on this disk."""
    command = [sys.executable, "-c", "from nbgitpuller.pull import main; main()"]
    environment = {**os.environ, "HOME": str(into.parent)}  # a student's, whose git knows no name yet
    done = subprocess.run(
        [*command, repository.as_uri(), "main", str(into)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def edit(path: Path, words: str, number: int = -1, output: str = "") -> None:
    """Add words to one code cell of a notebook, and an output as if it had been run."""
    notebook = nbformat.read(path, as_version=4)
    cell = [cell for cell in notebook.cells if cell.cell_type == "code"][number]
    cell.source += f"\n{words}"
    if output:
        cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text=output)], 7
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A department's repository for its students, made by `lvmteach release --students`, on a branch `main`."""
    folder = tmp_path_factory.mktemp("hosted") / "students"
    students.write(folder, "git+https://example.org/lvmteach")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=the course")
    return folder


def test_what_a_student_wrote_stays_when_the_course_is_brought_up_to_date(repository, tmp_path):
    mine = tmp_path / "home" / "students"
    mine.parent.mkdir()
    pull(repository, mine)
    assert BEGIN not in "".join(path.read_text(encoding="utf-8") for path in mine.rglob("*.ipynb"))
    edit(mine / SHEET, "my_answer = 41", output="as I ran it\n")
    edit(mine / READ, "# tried here", number=3, output="mine\n")
    (mine / "exercises" / "notes.txt").write_text("mine")

    edit(repository / OTHER, "# a new hint")  # a sheet that the student has not touched
    edit(repository / SHEET, "# a new hint", number=0)  # one that they have, elsewhere
    edit(repository / READ, "# mended", number=3)  # the very cell that they have edited and run
    (repository / "exercises" / "notes.txt").write_text("the department's")
    (repository / "dates.txt").write_text("Fridays")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=up to date")
    pull(repository, mine)

    for name in (SHEET, OTHER, READ):
        nbformat.validate(nbformat.read(mine / name, as_version=4))
    text = {name: (mine / name).read_text(encoding="utf-8") for name in (SHEET, OTHER, READ)}
    assert "my_answer = 41" in text[SHEET]
    assert "as I ran it" in text[SHEET]
    assert "# a new hint" in text[OTHER]
    assert "# a new hint" in text[SHEET]
    assert "# tried here" in text[READ]
    assert (mine / "dates.txt").read_text() == "Fridays"
    kept = [path.read_text() for path in (mine / "exercises").glob("notes*")]
    assert sorted(kept) == ["mine", "the department's"]  # theirs is moved aside


def test_binders_builder_finds_the_python_the_packages_and_the_course():
    """As far as it goes without Docker: what it would build."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-2000:]
    assert "Building conda environment for python=3.12" in said
    assert ".binder/environment.yml" in said
    assert "RUN ./.binder/postBuild" in said


def said(heading: str, **capitals: str) -> str:
    """The first commands below a heading of DEPLOY.md, what stands there in capitals replaced."""
    section = (ROOT / "DEPLOY.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    commands = re.search(r"(?:^    .+\n)+", section, re.MULTILINE)[0]
    for name, value in capitals.items():
        assert name in commands
        commands = commands.replace(name, value)
    return commands


def afternoon(folder: Path, commands: str) -> None:
    """Commands as a lecturer types them, in this folder; the first that fails is an error."""
    roles = [f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")]
    person = dict.fromkeys(roles, "lecturer@example.org")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **person, "PATH": path, "HOME": str(folder)}  # no settings of git's but its own
    done = subprocess.run(["bash", "-ec", commands], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def hosted(folder: Path) -> Path:
    """An empty repository, as a host makes it."""
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "hosted.git")
    return folder / "hosted.git"


def test_the_commands_that_hand_out_fill_an_empty_repository_and_bring_it_up_to_date(tmp_path):
    host = hosted(tmp_path)
    commands = said("Hand out", **{"https://HOST/DEPARTMENT/STUDENTS.git": host.as_uri() + " STUDENTS"})
    afternoon(tmp_path, commands)
    note = tmp_path / "STUDENTS" / "notebooks" / "00_start_here.ipynb"
    as_released = note.read_bytes()
    note.unlink()
    git(tmp_path / "STUDENTS", "commit", "--quiet", "--all", "--message=an older state")
    afternoon(tmp_path, commands.partition("\n")[2])
    git(tmp_path, "clone", "--quiet", host.as_uri(), "a student's")
    assert (tmp_path / "a student's" / "notebooks" / "00_start_here.ipynb").read_bytes() == as_released


def test_the_commands_for_pages_put_the_site_on_its_branch_and_a_later_state_too(tmp_path):
    host = hosted(tmp_path)
    commands = said("Pages", **{"https://github.com/DEPARTMENT/lvmteach.git": host.as_uri()})
    for _ in range(2):
        afternoon(tmp_path, commands)
    git(tmp_path, "clone", "--quiet", "--branch=gh-pages", host.as_uri(), "served")
    served = {path.name for path in (tmp_path / "served").iterdir()}
    assert {"index.html", "08_vae.html", "exercises_08_vae.html", "search.js", "pictures"} <= served
    assert not [name for name in served if name.startswith("_")]  # which GitHub Pages would leave out
