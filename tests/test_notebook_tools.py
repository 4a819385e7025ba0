"""The tools that keep text and notebook together: sync, execute, run, and the page that needs no network."""

import re
from pathlib import Path

import nbformat
import pytest

from lvmteach.classroom.publish import notebooks
from lvmteach.classroom.publish.html import maths_to_mathml

SOURCE = """\
# %% [markdown]
# # 99 Try
# The area is $\\pi r^2$.

# %%
from tqdm import tqdm

# %%
for _ in tqdm(range(3), leave=False):
    pass
1 + 1

# %%
2 + 2
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    text = tmp_path / "notebooks" / "text" / "99_try.py"
    text.parent.mkdir(parents=True)
    text.write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return text


def outputs(path: Path) -> list[str]:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return ["".join(o.get("text", "") or o.data["text/plain"] for o in cell.outputs) for cell in cells]


def test_execute_stores_outputs_and_drops_progress(course):
    assert notebooks.main(["execute", str(course)]) == 0
    assert outputs(notebooks.pair(course)) == ["", "2", "4"]


def test_making_a_notebook_twice_gives_the_same_bytes(course):
    target = notebooks.sync(course)
    first = target.read_bytes()
    notebooks.sync(course)
    assert target.read_bytes() == first


def test_sync_keeps_outputs_down_to_the_first_change(course):
    notebooks.main(["execute", str(course)])
    course.write_text(SOURCE.replace("# The area", "# An area"))
    assert outputs(notebooks.sync(course)) == ["", "2", "4"]
    course.write_text(SOURCE.replace("1 + 1", "1 + 2"))
    assert outputs(notebooks.sync(course)) == ["", "", ""]


@pytest.mark.slow
def test_run_names_the_notebook_and_the_cell_that_failed(course, capsys):
    course.write_text(SOURCE.replace("2 + 2", "broken = 1 / 0"))
    notebooks.sync(course)
    assert notebooks.main(["run"]) == 1
    said = capsys.readouterr().out
    assert "99_try" in said
    assert "cell 4: broken = 1 / 0" in said
    assert "ZeroDivisionError" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dies", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", "cell 4: import os; os.kill"),
        ("import sys; sys.exit()", "cell 4: import sys"),
    ],
)
def test_a_kernel_that_dies_is_a_verdict_and_the_next_notebook_runs(course, capsys, dies, said):
    course.write_text(SOURCE.replace("2 + 2", dies))
    after = course.with_name("99_zzz.py")
    after.write_text("# %%\n1 + 1\n")
    for text in (course, after):
        notebooks.sync(text)
    assert notebooks.main(["run"]) == 1
    out = capsys.readouterr().out
    assert said in out
    assert "99_zzz ... ok" in out
    assert Path("build/html/notebooks/99_try.html").exists()


def test_a_dying_cell_is_named_though_its_count_has_come(course, capsys, monkeypatch):
    class Dies(notebooks.NotebookClient):
        def execute(self):
            for i, cell in enumerate(self.nb.cells):
                if cell.cell_type == "code":
                    self.on_cell_start(cell=cell, cell_index=i)
                    cell.execution_count = 1 + i
                    if "2 + 2" in cell.source:
                        raise notebooks.DeadKernelError("Kernel died")

    monkeypatch.setattr(notebooks, "NotebookClient", Dies)
    notebooks.sync(course)
    assert notebooks.main(["run"]) == 1
    assert "2 + 2" in capsys.readouterr().out.partition("died")[0]


def test_a_kernel_that_cannot_start_is_a_verdict(course, capsys, monkeypatch):
    def no_kernel(*_args, **_kwargs):
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(notebooks.NotebookClient, "execute", no_kernel)
    notebooks.sync(course)
    assert notebooks.main(["run"]) == 1
    said = capsys.readouterr().out
    assert "before its first cell" in said
    assert "Traceback" not in said


def test_run_leaves_the_notebook_alone_and_fetches_nothing(course):
    before = notebooks.sync(course).read_bytes()
    assert notebooks.main(["run"]) == 0
    assert notebooks.pair(course).read_bytes() == before
    page = Path("build/html/notebooks/99_try.html").read_text()
    assert "<math" in page
    fetched = r"""(?:src|href)=["']https?:|@import\s+url\(["']?https?:|import\(["']https?:"""
    assert re.findall(fetched, page) == []


def test_run_of_an_unknown_notebook_says_so(course):
    with pytest.raises(SystemExit, match="no notebook of 42"):
        notebooks.main(["run", "42"])


@pytest.mark.parametrize(
    ("markdown", "holds"),
    [
        ("$\\mathbb E_q$", "&#x1D53C;"),
        ("$$\\begin{aligned} a &= b \\end{aligned}$$", "<mtable"),
        ("`cost = $5` and `$6`", "`cost = $5` and `$6`"),
        ("$\\mathcal L_K$-th", "&#x02112;"),
        ("a line ends in $\\log\np(x)$ and $b$", "and <math"),
        ("5$ here\n\nand 6$ there", "5$ here\n\nand 6$ there"),
    ],
)
def test_maths_becomes_mathml(markdown, holds):
    assert holds in maths_to_mathml(markdown)
