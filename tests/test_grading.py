"""The grader's parts: a sheet put together, values sent, pages written. What is hostile is in test_grading_hostile."""

import csv
import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from unittest import mock

import nbformat
import numpy as np
import pytest
import torch

from lvmteach.__main__ import main
from lvmteach.classroom.exercises import stages
from lvmteach.classroom.exercises.compare import CloseWithGradients
from lvmteach.classroom.exercises.verdict import Verdict
from lvmteach.classroom.grading import calls, grade, pages, walls, wire
from lvmteach.classroom.grading.judge import Marked, Rules, unjudged
from lvmteach.classroom.grading.sheet import Sheet, Submission, Unread, definitions, read, submissions

ROOT = Path(__file__).parent.parent
SHEETS = sorted((ROOT / "exercises").glob("*.ipynb"))
LOG_LINEAR = Sheet(ROOT / "exercises" / "04_log_linear_models.ipynb")


def sheet(name: str) -> Sheet:
    return Sheet(ROOT / "exercises" / f"{name}.ipynb")


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_every_sheet_has_its_stages_exercises_as_tasks_with_points(path):
    one = Sheet(path)
    assert {task.exercise for task in one.tasks} == set(stages.exercises(one.stage))
    assert all(task.points > 0 and task.title and task.cell is not None for task in one.tasks)


def test_the_students_cells_stand_in_their_places():
    one = sheet("01_monte_carlo")
    notebook = nbformat.read(ROOT / "exercises" / "01_monte_carlo.ipynb", as_version=4)
    at = next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith("def ess"))
    notebook.cells[at].source = "def ess(log_w): return helper(log_w)"
    notebook.cells.insert(at, nbformat.v4.new_code_cell("def helper(log_w): return 1"))
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("ess = check")]  # a check is lost
    steps = list(one.steps(notebook))
    said = [step.source or step.task.exercise for step in steps if step.source or step.task]
    assert said[0] == one.imports
    where = said.index("def helper(log_w): return 1")
    assert said[where + 1 : where + 3] == ["def ess(log_w): return helper(log_w)", "ess"]
    assert [step.task.exercise for step in steps if step.task] == [task.exercise for task in one.tasks]


def test_of_a_cell_between_only_what_it_defines_is_run():
    source = "import math\nx = slow()\n\n@cached\ndef f():\n    return 1\n\nclass A:\n    pass\nf()"
    assert definitions(source) == "import math\n\n\n@cached\ndef f():\n    return 1\n\nclass A:\n    pass"
    assert definitions("%%bash\nls") == ""


def test_files_are_found_by_student_however_they_were_collected(tmp_path):
    for name in ("ann/01_monte_carlo/01_monte_carlo.ipynb", "bob_01_monte_carlo.ipynb", "ann/02_factor_analysis.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "ann" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "ann" / ".ipynb_checkpoints" / "01_monte_carlo.ipynb").write_text("{}")
    assert [one.student for one in submissions(tmp_path, "01_monte_carlo")] == ["ann", "bob"]
    (tmp_path / "ann" / "old").mkdir()
    (tmp_path / "ann" / "old" / "01_monte_carlo.ipynb").write_text("{}")
    (tmp_path / "bob-01_monte_carlo.ipynb").write_text("{}")
    with pytest.raises(ValueError, match=r"two files of ann: .+ and .+; of bob: .+ and .+; move away"):
        submissions(tmp_path, "01_monte_carlo")


def test_a_student_may_hand_in_the_whole_course(tmp_path):
    for name in ("ann/notebooks/01_monte_carlo.ipynb", "ann/exercises/01_monte_carlo.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("{}")
    assert submissions(tmp_path, "01_monte_carlo") == [("ann", tmp_path / "ann/exercises/01_monte_carlo.ipynb")]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes no such name")
def test_a_name_in_an_old_archives_encoding_can_be_printed(tmp_path):
    """Else one student's name would stop the grading of all."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller_01_monte_carlo.ipynb")).write_text("{}")
    (one,) = submissions(tmp_path, "01_monte_carlo")
    assert one.student.encode() == rb"M\xfcller"


def test_what_is_no_file_of_a_notebooks_size_is_not_read(tmp_path):
    sheet, link, large = SHEETS[0], tmp_path / "link.ipynb", tmp_path / "large.ipynb"
    assert read(sheet).cells
    link.symlink_to(sheet)  # to a neighbour's answers, or to the solutions
    os.mkfifo(tmp_path / "pipe.ipynb")  # would never end
    with open(large, "wb") as file:
        file.truncate(300_000_000)
    for path, words in ((link, "link"), (tmp_path / "pipe.ipynb", "link"), (large, "300 MB is not read, 10 MB are")):
        with pytest.raises(Unread, match=words):
            read(path)


def test_what_was_not_graded_is_named(tmp_path, capsys, monkeypatch):
    for name in ("ann/01_monte_carlo.ipynb", "bob/monte carlo (1).ipynb"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        (tmp_path / "in" / name).write_text("{}")
    monkeypatch.setattr(grade, "grade", lambda work, *_: [(one.name, marked("ann", sheet=one)) for one, _ in work])
    assert main(["grade", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "01_monte_carlo  ann: 0 of" in said
    lost = str(tmp_path / "in" / "bob" / "monte carlo (1).ipynb")
    assert f"not graded: {lost} (" in said
    assert f"<li>{lost}</li>" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_a_submission_that_the_judge_fails_on_is_said_and_the_next_is_judged(monkeypatch):
    class Fails:
        sheet = LOG_LINEAR

        def __init__(self, *_):
            pass

        def mark(self, student: str, path: Path) -> Marked:
            if student == "bob":
                raise ZeroDivisionError("ours")
            return marked(student, "clamped")

    monkeypatch.setattr(grade, "Judge", Fails)
    monkeypatch.setattr(grade, "Server", lambda rules: mock.Mock(rules=rules))
    grade._begin(Rules(walls.Limits(), (), (), (0, 5)))
    (_, ann), (_, bob), (_, cy) = (grade._mark((LOG_LINEAR, Submission(s, Path()))) for s in ("ann", "bob", "cy"))
    assert ann.verdicts["clamped"].status == cy.verdicts["clamped"].status == "passed"
    assert bob.ended == "this was not judged (ZeroDivisionError: ours): grade it again, or by hand"


def test_the_page_of_a_notebook_that_was_not_judged_says_why_and_once():
    one = unjudged(LOG_LINEAR, "ann", "it has 300 MB")
    page = pages.student(grade.Graded(LOG_LINEAR, [one]), one)
    assert page.count("it has 300 MB") == 1
    assert "Write your answer" not in page


VALUES = [
    None, True, 3, -0.5, "a word", (1, [2.0, "x"]), {"a": torch.arange(3)}, torch.tensor(2.5), torch.zeros(0, 3),
    torch.tensor([True, False]), torch.tensor([[0.1, -1.5e-30]]), torch.tensor([0.3, -7], dtype=torch.bfloat16),
    torch.tensor([1 + 2j]), torch.tensor([math.nan, math.inf]), torch.arange(6).reshape(2, 3).T,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value_comes_up_as_it_was(value):
    back = wire.unpack(wire.pack(value))
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_arrays_come_up_and_what_is_no_number_comes_as_its_name():
    back = wire.unpack(wire.pack((np.arange(3.0), np.float64(2), object(), np.array(["a"]))))
    np.testing.assert_array_equal(back[0], np.arange(3.0))
    assert back[1] == 2
    assert [type(b).__name__ for b in back[2:]] == ["object", "ndarray"]


def test_gradients_come_up_with_their_value():
    x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    there = wire.unpack(wire.pack(torch.exp(x) * 2))
    assert CloseWithGradients().difference(torch.exp(x) * 2, there) is None
    assert "gradient is not" in CloseWithGradients().difference(torch.exp(x) * 2 + x - x.detach(), there)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\0\0\0", struct.pack("<I", 9) + b"[1, 2", struct.pack("<I", 2) + b"[]",
     struct.pack("<I", 12) + b'{"tuple": 1}',
     struct.pack("<I", 52) + b'{"tensor": [["torch.float64",[1073741824],0,0],[]]} ',
     struct.pack("<I", 45)
     + b'{"tensor": [["torch.float64",[9],0,8],[]]}   ' + bytes(8)],
)  # fmt: skip
def test_a_frame_that_nobody_packs_is_refused(frame):
    with pytest.raises(wire.Broken):
        wire.unpack(frame)


# In a process of its own: the tests' checks of shapes wrap every function, and such wrappers cannot be sent.
WHAT_GOES_DOWN = """
import sys, cloudpickle
from pathlib import Path
from lvmteach.classroom.exercises import stages
from lvmteach.classroom.grading.sheet import Sheet

looked = 0
for sheet in map(Sheet, sorted(Path(sys.argv[1]).glob("*.ipynb"))):
    room = {name: one for name, one in stages.exercises(sheet.stage).items() if hasattr(one, "reference")}
    for name in [m for m in sys.modules if m.startswith(f"lvmteach.classroom.exercises.{sheet.stage}.")]:
        cloudpickle.register_pickle_by_value(sys.modules[name])
    order = [task.exercise for task in sheet.tasks if task.exercise in room]
    for at, name in enumerate(order):
        sent = cloudpickle.dumps(room[name].cases(0))
        for later in order[at:]:
            assert room[later].reference.__code__.co_code not in sent, (name, later)
            looked += 1
print(looked)
"""


@pytest.mark.slow
def test_no_reference_goes_down_with_the_input_before_its_verdict():
    """Functions among the input are sent as code: no reference of an exercise that is still to be judged is in it."""
    command = [sys.executable, "-c", WHAT_GOES_DOWN, str(ROOT / "exercises")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 300


def test_what_is_hidden_is_not_among_what_may_be_read(tmp_path):
    for name in ("a/secret/x.py", "a/open/y.py", "a/z.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "secret")
    rules = dict(walls.rules([tmp_path / "a"], [tmp_path / "a" / "secret"]))
    assert set(rules) == {tmp_path / "a", tmp_path / "a" / "open", tmp_path / "a" / "z.py"}
    assert not rules[tmp_path / "a"] & walls._READ_FILE  # else all below it could be read


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_of_calls_is_one_that_ends(machine):
    """Every jump stays inside the program, and its last instruction returns: followed here, step by step."""
    code = [
        struct.unpack_from("<HBBI", calls.program(machine, 77), at)
        for at in range(0, len(calls.program(machine, 77)), 8)
    ]

    def follow(number: int, *arguments: int, arch: int = calls._ARCHITECTURE[machine]) -> int:
        given = {0: number, 4: arch, **{16 + 8 * i: a for i, a in enumerate(arguments)}}
        at, held = 0, 0
        while True:
            operation, yes, no, value = code[at]
            if operation == 0x06:
                return value
            if operation == 0x20:
                held, at = given.get(value, 0), at + 1
                continue
            true = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[operation]
            at += 1 + (yes if true else no)

    allow, refuse, unknown = 0x7FFF0000, 0x50001, 0x50026
    column = ["x86_64", "aarch64"].index(machine)
    read, clone, openat, kill = ((0, 63), (56, 220), (257, 56), (62, 129))
    assert follow(read[column]) == allow
    assert follow(calls.DENIED["socket"][column]) == refuse
    assert follow(435) == unknown
    assert (follow(clone[column], 0x10000), follow(clone[column], 17)) == (allow, refuse)
    assert (follow(openat[column], 0, 0, 0), follow(openat[column], 0, 0, 0x200)) == (allow, refuse)
    assert (follow(kill[column], 77), follow(kill[column], 78)) == (allow, refuse)
    assert follow(read[column], arch=0x40000003) == refuse


def marked(student: str, *passed: str, sheet: Sheet | None = None, **diagnoses: str) -> Marked:
    verdicts = {t.exercise: Verdict("not attempted", "not attempted") for t in (sheet or LOG_LINEAR).tasks}
    verdicts |= {name: Verdict("passed", "ok: 3 cases") for name in passed}
    verdicts |= {name: Verdict("not yet", "not yet: on w (2, 3), 1 too much", d) for name, d in diagnoses.items()}
    return Marked(student, verdicts, {"clamped": "def clamped(): return 1 < 2"}, "", 0.1)


def test_points_and_pages_say_what_came_of_it(tmp_path):
    students = [
        marked("=<Ann>", "clamped", which_climbs="Hard EM climbs another function."),
        marked("Bö b/..", which_climbs="Hard EM climbs another function."),
    ]
    graded = grade.Graded(LOG_LINEAR, students)
    grade.write([graded], tmp_path, Rules(walls.Limits(), (), (), (0, 5)), [])
    rows = list(csv.DictReader((tmp_path / "points.csv").read_text(encoding="utf-8").splitlines()))
    assert [(r["points"], r["of"]) for r in rows] == [("1", "4"), ("0", "4")]
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "&lt;Ann&gt;" in index
    assert "<Ann>" not in index
    assert '<td class="number">2</td>' in index  # two students with the same misconception
    files = list((tmp_path / "04_log_linear_models").iterdir())
    assert len(files) == 2
    assert all(f"04_log_linear_models/{path.name}" in index for path in files)
    page = next(p for p in files if "Ann" in p.name).read_text(encoding="utf-8")
    assert "1 of 4 points" in page
    assert "return 1 &lt; 2" in page
    assert "Hard EM climbs another function." in page


def test_two_students_whose_names_are_alike_have_a_page_each():
    taken = set()
    for student in ("a b", "a/b", "A_b", "..", ""):
        name = pages.file_name(student, taken)
        assert name not in taken
        assert "/" not in name
        taken.add(name)


def test_a_folder_without_submissions_is_said_in_one_line(tmp_path, capsys):
    assert main(["grade", str(tmp_path), "--out", str(tmp_path / "graded")]) == 1
    assert "no submissions" in capsys.readouterr().err
    assert not (tmp_path / "graded").exists()


@pytest.mark.parametrize("lacking", ["no Landlock", "no seccomp"])
def test_where_submissions_cannot_be_shut_in_nothing_is_run(lacking, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(walls, "missing", lambda: [lacking])
    assert main(["grade", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert lacking in said
    assert "nbgrader" in said
