"""Pages that open from the disk, as axe reads them: those of `run`, and those of `grade`."""

from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from lvmteach.classroom.exercises.verdict import Verdict
from lvmteach.classroom.grading import grade, walls
from lvmteach.classroom.grading.judge import Marked, Rules
from lvmteach.classroom.grading.sheet import Sheet
from lvmteach.classroom.publish.html import to_html

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parent.parent
CODE = "# a comment\nx = 0.5 if 3 in (1, 2) else 0x1f\nassert x is not None, f'{x} and a string'\nclass A: pass"


def faults(chrome, path: Path, scheme: str = "light") -> list[str]:
    page = chrome.new_page(color_scheme=scheme)
    try:
        page.goto(path.as_uri())
        found = Axe().run(page)
        return [f"{v['id']}: {node['html'][:80]}" for v in found.response["violations"] for node in v["nodes"]]
    finally:
        page.close()


def test_prompts_numbers_and_comments_of_an_executed_notebook_can_be_read(chrome, tmp_path):
    cell = nbformat.v4.new_code_cell(CODE, execution_count=3)
    cell.outputs = [nbformat.v4.new_output("stream", text="1.5\n")]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A page"), cell])
    (tmp_path / "page.html").write_text(to_html(notebook, "A page"), encoding="utf-8")
    assert faults(chrome, tmp_path / "page.html") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_students_page_and_the_lecturers_can_be_read(chrome, tmp_path, scheme):
    sheet = Sheet(ROOT / "exercises" / "04_log_linear_models.ipynb")
    verdicts = {task.exercise: Verdict("not yet", "not yet: on w (2, 3)", "Divide by K.") for task in sheet.tasks}
    verdicts[sheet.tasks[0].exercise] = Verdict("passed", "ok: 3 cases")
    marked = Marked("Ann", verdicts, {sheet.tasks[0].exercise: "def f(x):\n    return x"}, "", 0.1)
    grade.write([grade.Graded(sheet, [marked])], tmp_path, Rules(walls.Limits(), (), (), (0, 5)), [])
    pages = [tmp_path / "index.html", tmp_path / sheet.name / "Ann.html"]
    assert [faults(chrome, path, scheme) for path in pages] == [[], []]
