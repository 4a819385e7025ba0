"""Every demo of every notebook is moved to its ends wherever the notebooks are tested: in a kernel, with no browser.

`explore` does it when LVMTEACH_STRICT is 1, right in the notebook's cell, on the model that the cells above have
trained: a second run of the notebooks is not needed. Here it is shown that the runs are strict, and that this helps.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lab import write_notebook
from lab_cells import BREAKS

from lvmteach.classroom.publish.notebooks import from_text

ROOT = Path(__file__).parent.parent
IMPORTS = "from lvmteach.classroom.explorables import widgets\nfrom lvmteach.classroom.figures import plots"


def nbval(notebook, **environment):
    """The verdict of the tests of a notebook, as the Makefile runs them."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env"]
    return subprocess.run(
        [*command, notebook.name],
        cwd=notebook.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_the_tests_of_notebooks_are_strict():
    recipe = (ROOT / "Makefile").read_text()
    (nbval_command,) = re.findall(r"^NBVAL = (.*)$", recipe, re.M)
    assert nbval_command.startswith("LVMTEACH_STRICT=1 ")
    assert len(re.findall(r"--nbval", recipe)) == len(re.findall(r"--nbval", nbval_command)), "a run without NBVAL"


@pytest.mark.slow
def test_a_demo_that_would_break_under_the_hand_breaks_its_notebook(tmp_path):
    # At the values shown at first it does not break: without strictness nobody would know.
    fine = BREAKS.replace("height > 1", "height > 9")
    for name, cell in (("breaks", BREAKS), ("fine", fine)):
        write_notebook(tmp_path / f"{name}.ipynb", IMPORTS, cell)
    verdict = nbval(tmp_path / "breaks.ipynb", LVMTEACH_STRICT="1")
    assert verdict.returncode == 1, verdict.stdout
    assert "2.0 is too high" in verdict.stdout
    verdict = nbval(tmp_path / "fine.ipynb", LVMTEACH_STRICT="1")
    assert verdict.returncode == 0, verdict.stdout


SHOWING = re.compile(r"widgets\.explore\(|\.live\(")


@pytest.mark.parametrize("text", sorted((ROOT / "notebooks" / "text").glob("*.py")), ids=lambda path: path.stem)
def test_live_demos_have_a_key_frame_beside_them(text):
    cells = from_text(text).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    live = [i for i, source in enumerate(code) if SHOWING.search(source)]
    frames = [i for i, source in enumerate(code) if "key_frame(" in source]
    for i in live:
        assert any(abs(i - j) <= 2 for j in frames), f"no key frame beside: {code[i][:80]}"
