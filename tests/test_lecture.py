"""Every lecture demo runs alone: the imports, its own cells, nothing trained before; and is ready soon."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lvmteach.classroom.explorables.wake_sleep import SLEEPS, record, recorded
from lvmteach.classroom.publish import lecture
from lvmteach.classroom.publish.notebooks import from_text
from lvmteach.helmholtz import bars
from lvmteach.runtime import seeded

ROOT = Path(__file__).parent.parent
TEXTS = sorted((ROOT / "notebooks" / "text").glob("*.py"))
every_stage = pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
# Of the processor, so that a busy machine is not a broken demo: 5 s on a quiet laptop, the imports of torch and its
# company included; what trains takes tens of seconds.
SECONDS = 20

# A name from elsewhere is an error, a picture is drawn as in the notebook; IPython lends what display needs.
RUN = """
import json, sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
start = time.process_time()
for source in json.loads(sys.stdin.read()):
    result = shell.run_cell(source)
    if not result.success:
        sys.exit(f"{type(result.error_in_exec or result.error_before_exec).__name__} in: {source[:200]}")
print(f"ready after {time.process_time() - start:.1f} s")
"""


def run_alone(sources):
    """The sources as cells, one after the other, in a process of their own."""
    return subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        env={**os.environ, "LVMTEACH_STRICT": "0"},
    )


def notebook(*cells):
    """Prose where a cell begins with #, else code."""
    made = nbformat.v4.new_notebook()
    for cell in cells:
        make = nbformat.v4.new_markdown_cell if cell.startswith("#") else nbformat.v4.new_code_cell
        made.cells.append(make(cell))
    return made


TRY = (
    "# 42 Try",
    "import math",
    "trained = math.pi",
    "# some prose\n\n## Lecture demo\n\nA line.",
    "radius = math.sqrt(2)",
    "print(radius)",
    "# more\n\n## Summary",
    "print(trained)",
)


def test_the_section_is_what_stands_between_two_headings():
    assert lecture.alone(notebook(*TRY)) == ["import math", "radius = math.sqrt(2)", "print(radius)"]
    assert lecture.title(notebook(*TRY)) == "42 Try"
    assert lecture.section(notebook(*TRY[:3])) == []


def test_a_section_that_needs_a_name_from_elsewhere_fails():
    fine, broken = notebook(*TRY), notebook(*TRY[:4], "print(trained)", *TRY[5:])
    assert run_alone(lecture.alone(fine)).returncode == 0
    verdict = run_alone(lecture.alone(broken))
    assert verdict.returncode != 0
    assert "NameError in: print(trained)" in verdict.stderr


@pytest.mark.notebooks
@every_stage
def test_the_lecture_demo_runs_alone_and_soon(text):
    sources = lecture.alone(from_text(text))
    assert len(sources) > 1, "no code in a section named Lecture demo"
    verdict = run_alone(sources)
    assert verdict.returncode == 0, verdict.stdout[-2000:] + verdict.stderr[-2000:]
    said = verdict.stdout.splitlines()[-1]
    print(text.stem, said)
    assert float(re.search(r"ready after ([\d.]+) s", said)[1]) < SECONDS


@every_stage
def test_speaker_notes_are_closed(text):
    words = "\n".join(cell.source for cell in lecture.section(from_text(text)) if cell.cell_type == "markdown")
    shown, notes = lecture.split_notes(words)
    assert notes
    assert not re.search("speaker note", shown, re.I)
    assert "<details open" not in words


def test_the_page_of_a_demo_shows_its_live_picture_once():
    made = notebook(
        *TRY[:3],
        "## Lecture demo\n\n<details><summary>Speaker note</summary>\n\nAsk.\n\n</details>",
        "scene = Scene()\nwidgets.key_frame(\n    scene,\n    alt='x',\n)\nscene.prepare()",
        "scene.live()",
        "print('an afterthought')",
    )
    page = lecture.demo(made)
    assert [cell.source for cell in page.cells if cell.cell_type == "code"] == [
        "import math",
        "scene = Scene()\nscene.prepare()",
        "scene.live()",
    ]
    assert page.cells[0].source.startswith("# 42 Try\n")
    assert lecture.has_live(made)


def test_a_cell_that_ends_in_a_key_frame_shows_nothing_without_it():
    source = "stepper.e_step(), stepper.m_step()\nwidgets.key_frame(stepper, alt='x')  # static"
    assert lecture.without_key_frames(source) == "stepper.e_step(), stepper.m_step()\nNone"


def test_a_demo_without_a_live_picture_keeps_its_figures():
    page = lecture.demo(notebook(*TRY))
    assert [cell.source for cell in page.cells if cell.cell_type == "code"] == lecture.alone(notebook(*TRY))
    assert not lecture.has_live(notebook(*TRY))


def test_notes_are_told_from_what_is_shown():
    shown, notes = lecture.split_notes(
        "One.\n\n<details><summary>Speaker note</summary>\n\n1. Ask.\n\n</details>\n\nTwo."
    )
    assert (shown, notes) == ("One.\n\n\n\nTwo.", ["1. Ask."])


@pytest.fixture(scope="module")
def kept():
    return recorded()


def test_kept_trainings_obey_what_fresh_ones_do(kept):
    data = bars()
    possible = {tuple(image) for image in data.images.int().tolist()}
    for r in kept.values():
        # log p(x) = ELBO + KL, each kept to seven digits of at most 12 nats.
        assert abs(r.nll + r.kl_data - r.bound).max() < 1e-5
        assert r.nll.min() > data.entropy
        legal = [[tuple(dream) in possible for dream in dreams.astype(int).tolist()] for dreams in r.dreams]
        assert r.legal.tolist() == legal


def test_a_kept_training_is_what_record_gives(kept):
    # 80 steps instead of 4000: the rate falls faster, so only the untaught machine is the same.
    with seeded(3):
        fresh = record(bars(), SLEEPS["1"], wakes=80)
    r = kept["1"]
    assert (r.dreams[0] == fresh.dreams[0]).all()
    assert abs(r.rebuilt[0] - fresh.rebuilt[0]).max() <= 0.5 / 255 + 1e-9  # kept in whole 255ths
    for name in ("nll", "bound", "kl_data", "kl_dreams"):
        assert abs(getattr(r, name)[0] - getattr(fresh, name)[0]) < 1e-5
