"""The core of every notebook that marks one runs alone, and is short enough to be taught live."""

from pathlib import Path

import pytest
from test_lecture import notebook, run_alone

from lvmteach.classroom.publish import present
from lvmteach.classroom.publish.core import MOST_CELLS, core, has_further, is_check, shown_code
from lvmteach.classroom.publish.notebooks import from_text

ROOT = Path(__file__).parent.parent
CUT = [text for text in sorted((ROOT / "notebooks" / "text").glob("*.py")) if has_further(from_text(text))]
every_core = pytest.mark.parametrize("text", CUT, ids=lambda path: path.stem)

TRY = (
    "# 42 Try",
    "import math",
    "# prose\n\n## Further: roots\n\nA line.",
    "root = math.sqrt(2)",
    "# more\n\n## Further: again",
    "again = root",
    "# on\n\n## Lecture demo",
    "print(math.pi)",
    "# end\n\n## Summary",
)


def sources(cells):
    return [cell.source for cell in cells if cell.cell_type == "code"]


def test_further_sections_are_cut_to_their_last_line():
    cut = core(notebook(*TRY))
    assert sources(cut.cells) == ["import math", "print(math.pi)"]
    prose = [cell.source for cell in cut.cells if cell.cell_type == "markdown"]
    assert prose == ["# 42 Try", "# prose", "## Lecture demo", "# end", "## Summary"]
    assert has_further(notebook(*TRY))
    assert not has_further(cut)


def test_a_core_that_needs_a_further_cell_fails():
    broken = notebook(*TRY[:-2], "print(root)", TRY[-1])
    verdict = run_alone(sources(core(broken).cells))
    assert verdict.returncode != 0
    assert "NameError in: print(root)" in verdict.stderr


def test_checks_are_not_counted_and_are_folded():
    made = notebook(*TRY)
    made.cells[1].metadata["tags"] = ["check"]
    assert is_check(made.cells[1])
    assert len(shown_code(made)) == len(sources(made.cells)) - 1
    present.with_demo_and_checks_folded(made)
    folded = [cell.source for cell in made.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert folded == ["import math", "print(math.pi)"]


@every_core
def test_a_core_is_short(text):
    assert len(shown_code(core(from_text(text)))) <= MOST_CELLS


@pytest.mark.notebooks
@every_core
def test_a_core_runs_alone(text, monkeypatch):
    monkeypatch.chdir(text.parent.parent)
    verdict = run_alone(sources(core(from_text(text)).cells))
    assert verdict.returncode == 0, verdict.stdout[-2000:] + verdict.stderr[-2000:]
