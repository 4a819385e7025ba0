"""Every notebook is its text source, executed; and has what a reader counts on."""

import re
from pathlib import Path

import nbformat
import pytest

from lvmteach.classroom.publish.notebooks import HINT, from_text, pair, sources

ROOT = Path(__file__).parent.parent
TEXTS = sources(ROOT)
every_notebook = pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
LONGEST_CELL = 25  # lines; about twelve is the aim


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def stored(text: Path):
    return nbformat.read(pair(text), as_version=4)


def test_no_notebook_is_without_its_source():
    notebooks = {path for folder in ("notebooks", "solutions") for path in (ROOT / folder).glob("*.ipynb")}
    assert notebooks == {pair(text) for text in TEXTS}
    assert TEXTS


@every_notebook
def test_the_pair_is_equal(text):
    ours, theirs = from_text(text).cells, stored(text).cells
    for one, other in zip(ours, theirs, strict=True):
        assert (one.id, one.cell_type, one.source) == (other.id, other.cell_type, other.source)
        assert one.metadata.get("tags", []) == other.metadata.get("tags", []), one.source[:80]


@every_notebook
def test_the_first_cell_says_how_to_get_the_package(text):
    assert stored(text).cells[0].source.endswith(HINT)
    exercise = ROOT / "exercises" / f"{text.stem}.ipynb"
    if text.parent.parent.name == "solutions":
        assert nbformat.read(exercise, as_version=4).cells[0].source.endswith(HINT)


def test_the_way_to_the_package_is_said_once(tmp_path):
    (tmp_path / "text").mkdir()
    path = tmp_path / "text" / "99_try.py"
    path.write_text(f"# %% [markdown]\n# # 99\n#\n# {HINT}\n")  # as an editor that pairs the two would write it back
    assert from_text(path).cells[0].source.count(HINT) == 1


@every_notebook
def test_outputs_are_stored_from_one_clean_run(text):
    # nbval compares nothing in a cell without an execution count.
    cells = code_cells(stored(text))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [o for cell in cells for o in cell.outputs if o.output_type == "error"] == []
    assert [o.text for cell in cells for o in cell.outputs if o.get("name") == "stderr"] == []


@every_notebook
def test_it_is_small(text):
    assert pair(text).stat().st_size < 1_500_000


@every_notebook
def test_every_picture_is_told_in_words(text):
    for cell in code_cells(stored(text)):
        pictures = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        assert len(pictures) <= 1, f"more than one figure: {cell.source[:80]}"
        for picture in pictures:
            assert len(picture.metadata.get("image/png", {}).get("alt", "")) > 20, cell.source[:80]


@every_notebook
def test_imports_stand_once_at_the_top(text):
    importing = [
        i for i, cell in enumerate(code_cells(stored(text))) if re.search(r"^(import|from) ", cell.source, re.M)
    ]
    assert importing == [0]


@every_notebook
def test_head_and_foot(text):
    prose = [cell.source for cell in stored(text).cells if cell.cell_type == "markdown"]
    head, foot = prose[0] + prose[1], "\n".join(prose[-4:])
    assert re.match(rf"# {text.stem[:2]} \S", prose[0])
    for promise in ("able to", "laptop", "Prerequisites", "| maths |"):
        assert promise.lower() in head.lower(), promise
    for promise in ("## Summary", "read", "next"):
        assert promise.lower() in foot.lower(), promise


@every_notebook
def test_cells_are_short(text):
    for cell in code_cells(stored(text))[1:]:  # the first one is the imports
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.source[:80]


@every_notebook
def test_results_are_compared(text):
    assert sum("assert" in cell.source for cell in code_cells(stored(text))) >= 3
