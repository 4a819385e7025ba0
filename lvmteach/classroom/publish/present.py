"""JupyterLab for a projector: `make present`.

    python -m lvmteach.classroom.publish.present            make the copies below build/present, open JupyterLab on them
    python -m lvmteach.classroom.publish.present --core     the same, each notebook cut to its core of 45 minutes

It opens a list of the stages; each leads to the whole notebook and to its lecture demo alone. Letters are large, one
document fills the window, the code of the demos and of checks is folded (a click on the bar at its left unfolds it),
speaker notes are closed. Settings and layout are those below build/present, made anew each time: your own are neither
used nor touched, and what is changed in a lecture stays in the copies. On loopback only, behind JupyterLab's token.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from lvmteach.classroom.publish import lecture
from lvmteach.classroom.publish.core import core, is_check
from lvmteach.classroom.publish.output import fresh

# By plugin, as JupyterLab's settings editor shows them. As a user's settings: sizes of letters are read from no others.
SETTINGS = {
    "@jupyterlab/application-extension/shell": {"startMode": "single"},
    "@jupyterlab/apputils-extension/themes": {
        "theme": "JupyterLab Light",
        "overrides": {"code-font-size": "20px", "content-font-size1": "22px", "ui-font-size1": "16px"},
    },
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension/plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "@jupyterlab/statusbar-extension/plugin": {"visible": False},
}
QUIET = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
HEAD = """\
# Latent variable models

Run a lecture demo by *Run*, *Run All Cells*: it is ready within seconds, whatever has been run before.

"""


def build(root: Path, out: Path, *, core_only: bool = False) -> Path:
    """Make copies, list and settings below `out`; return the folder that JupyterLab opens.

    Args:
        core_only: leave the further sections out.
    """
    out = fresh(out, root)
    course = out / "course"
    (course / "demos").mkdir(parents=True)
    for plugin, values in SETTINGS.items():
        file = out / "user" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values, indent=2), encoding="utf-8")
    for path in (root / "notebooks").glob("*.png"):
        shutil.copy(path, course)
    rows = []
    for path in lecture.stages(root):
        notebook = nbformat.read(path, as_version=4)
        row = f"- [{lecture.title(notebook)}]({path.name})"
        if lecture.section(notebook):
            nbformat.write(folded(lecture.demo(notebook)), course / "demos" / path.name)
            row += f" — [lecture demo](demos/{path.name})"
        rows.append(row)
        shown = with_demo_and_checks_folded(notebook)
        nbformat.write(core(shown) if core_only else shown, course / path.name)
    (course / "course.md").write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    return course


def folded(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with all code folded."""
    for cell in notebook.cells:
        _fold(cell)
    return notebook


def with_demo_and_checks_folded(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with the code of its lecture demo, and of what only compares, folded."""
    for cell in (*lecture.section(notebook), *filter(is_check, notebook.cells)):
        _fold(cell)  # the cells themselves, not copies of them
    return notebook


def _fold(cell: nbformat.NotebookNode) -> None:
    if cell.cell_type == "code":
        cell.metadata["jupyter"] = {"source_hidden": True}


def command(course: Path) -> list[str]:
    """What starts JupyterLab on what `build` has made."""
    home = course.parent.resolve()
    return [
        sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--ServerApp.root_dir={course.resolve()}",
        "--LabApp.default_url=/doc/tree/course.md",
        f"--LabApp.user_settings_dir={home / 'user'}", f"--LabApp.workspaces_dir={home / 'workspaces'}", *QUIET,
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lvmteach present", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/present"), help="where the copies are made")
    parser.add_argument("--core", action="store_true", help="the cores alone, without what is marked Further")
    args, jupyter = parser.parse_known_args(arguments)
    if not lecture.stages(Path.cwd()):
        raise SystemExit(f"no notebooks in notebooks/ below {Path.cwd()}: run from the project's root")
    # What is left of the command line is JupyterLab's: --no-browser, --port=8888.
    return run_instead([*command(build(Path.cwd(), args.out, core_only=args.core)), *jupyter])


def run_instead(command: list[str]) -> int:
    """Run a program in this one's place, so that Ctrl-C and a kill are the program's: JupyterLab ends its kernels."""
    if os.name == "posix":
        sys.stdout.flush()  # what was said so far would be lost
        os.execv(command[0], command)
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main())
