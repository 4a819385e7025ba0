"""What students pull: notebooks and exercises without solutions, each able to say how to get the package.

    lvmteach release --students DIR --package git+https://HOST/DEPARTMENT/lvmteach

DIR may be a clone of the students' repository: files of the course are brought up to date there, all others stay.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lvmteach.classroom.publish import copies
from lvmteach.classroom.publish.notebooks import HINT

GET = """\
# Only where the course's package is not installed yet: on Colab and Binder this cell gets it.
import importlib.util, os, sys

PACKAGE = {package!r}
if importlib.util.find_spec("lvmteach") is None:
    if PACKAGE and ("google.colab" in sys.modules or "BINDER_SERVICE_HOST" in os.environ):
        %pip install --quiet "$PACKAGE"
    else:
        raise ModuleNotFoundError(
            "this notebook needs the package lvmteach: "
            + (f'run  %pip install "{{PACKAGE}}"  in a cell, then restart the kernel' if PACKAGE else
               "ask your lecturer for the wheel, then  pip install lvmteach-*.whl")
        )"""
README = """\
# The course

Open `notebooks/00_start_here.ipynb`. Work in `exercises/`; what you write there stays yours when the course is updated.
"""


def write(folder: Path, package: str) -> str:
    """Bring the students' folder up to date; what was done, in a line.

    Args:
        package: what pip is to install where lvmteach is missing: an address or a wheel's; '' to name a lecturer.
    """

    def prepare(notebook: NotebookNode) -> None:
        first = nbformat.v4.new_code_cell(GET.format(package=package), id="get-lvmteach")
        first.metadata["tags"] = ["check"]
        notebook.cells[0].source = notebook.cells[0].source.replace(HINT, "").rstrip()  # this says it better
        notebook.cells.insert(0, first)

    done = copies.copy(copies.source(), folder, prepare)
    if not (folder / "README.md").exists():
        (folder / "README.md").write_text(README, encoding="utf-8")
    kept = f", {len(done.kept)} kept because they were edited there" if done.kept else ""
    return f"{folder}: {len(done.new)} files new, {len(done.updated)} brought up to date{kept}"
