"""What is handed in to cheat or to do harm earns nothing by it, loses no other point, and touches nothing outside."""

import dataclasses
import math
import pickle
import socket
import threading
import time
from pathlib import Path

import nbformat
import pytest
import torch
from hostile import ATTEMPTS, CHEATS, CRASHES

from lvmteach.classroom.exercises import stages
from lvmteach.classroom.exercises.release import BEGIN, END
from lvmteach.classroom.grading import grade, stand_in, walls, wire
from lvmteach.classroom.grading.judge import Judge, Rules, Server
from lvmteach.classroom.grading.sheet import Sheet, Submission
from lvmteach.classroom.publish.notebooks import from_text

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(walls.missing()), reason="; ".join(walls.missing()))]
ROOT = Path(__file__).parent.parent
SHEET = "01_monte_carlo"


def solved() -> nbformat.NotebookNode:
    """The sheet with its solutions written in, as a student hands it in."""
    notebook = nbformat.read(ROOT / "exercises" / f"{SHEET}.ipynb", as_version=4)
    worked = [
        c
        for c in from_text(ROOT / "solutions" / "text" / f"{SHEET}.py").cells
        if "rubric" not in c.metadata.get("tags", ())
    ]
    for cell, theirs in zip(notebook.cells, worked, strict=True):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = theirs.source.replace(BEGIN, "").replace(END, "")
    return notebook


def put(notebook, start: str, text: str):
    (cell,) = [c for c in notebook.cells if c.source.startswith(start)]
    cell.source = text
    return notebook


def a_judge(walled: bool) -> tuple[Judge, Server]:
    hidden = (*walls.hidden(), (ROOT / "solutions").resolve())
    server = Server(Rules(walls.Limits(cell=2), tuple(walls.readable()), hidden, (0, 4711), walled))
    return Judge(Sheet(ROOT / "exercises" / f"{SHEET}.ipynb"), server), server


@pytest.fixture(scope="module")
def judge():
    judge, server = a_judge(walled=True)
    judge.exercises["ess"] = dataclasses.replace(judge.exercises["ess"], seconds=1.0)
    yield judge
    server.close()


def passed(judge, notebook, tmp_path):
    path = tmp_path / f"{SHEET}.ipynb"
    nbformat.write(notebook, path)
    marked = judge.mark("anybody", path)
    return {name for name, verdict in marked.verdicts.items() if verdict.status == "passed"}, marked


@pytest.fixture(scope="module")
def everything(judge, tmp_path_factory):
    got, marked = passed(judge, solved(), tmp_path_factory.mktemp("solved"))
    assert len(got) == 10
    assert marked.ended == ""
    return got


def written_out(code: str, tmp_path: Path, port: int = 0) -> str:
    neighbour = tmp_path / "neighbour.txt"
    neighbour.write_text("their work")
    neighbour.chmod(0o600)
    for name, value in {"NEIGHBOUR": neighbour, "WRITTEN": tmp_path / "written", "PORT": port}.items():
        code = code.replace(name, str(value))
    return code


@pytest.mark.parametrize("how", {**CHEATS, **CRASHES})
def test_a_cheat_or_a_crash_costs_its_own_point_and_no_more(judge, everything, how, tmp_path):
    code = {**CHEATS, **CRASHES}[how]
    got, marked = passed(judge, put(solved(), "def ess", code), tmp_path)
    assert got == everything - {"ess"}, marked


@pytest.mark.parametrize("how", ATTEMPTS)
def test_nothing_outside_is_read_or_written_or_reached(judge, everything, how, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = written_out(ATTEMPTS[how], tmp_path, server.getsockname()[1])
        got, marked = passed(judge, put(solved(), "def ess", code), tmp_path)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert got == everything - {"ess"}, marked
    neighbour = tmp_path / "neighbour.txt"
    assert (neighbour.read_text(), neighbour.stat().st_mode & 0o777) == ("their work", 0o600)
    assert not (tmp_path / "written").exists()


def test_without_walls_every_attempt_works(everything, tmp_path):
    """So what is refused above is refused by the walls, and not for a slip in the attempt."""
    unconfined, server = a_judge(walled=False)
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for how, attempt in ATTEMPTS.items():
                code = written_out(attempt, tmp_path, listener.getsockname()[1])
                assert passed(unconfined, put(solved(), "def ess", code), tmp_path)[0] == everything, how
    finally:
        server.close()


def test_answers_to_the_cases_that_a_student_has_seen_are_not_enough(judge, everything, tmp_path):
    """The right answers of seed 0 in a table; the cases of another seed are not in it."""
    exercise = judge.exercises["ess"]
    table = [(x.tolist(), exercise.reference(x).tolist()) for (x,) in exercise.all_cases(0)]
    code = f"""
inf, nan = math.inf, math.nan
table = {table}
def ess(log_w):
    told = [result for given, result in table if given == log_w.tolist()]
    return torch.tensor(told[0]) if told else torch.zeros(log_w.shape[1:])
"""
    got, marked = passed(judge, put(solved(), "def ess", code), tmp_path)
    assert got == everything - {"ess"}
    assert marked.verdicts["ess"].status == "not yet"


@pytest.mark.parametrize(
    "read",
    [
        "answer = check.what_ess_knows.right",
        "import lvmteach.classroom.exercises.monte_carlo.what_ess_knows as m; answer = m.what_ess_knows.right",
    ],
)
def test_the_answer_of_a_choice_cannot_be_read(judge, everything, read, tmp_path):
    assert passed(judge, put(solved(), "answer = ", read), tmp_path)[0] == everything - {"what_ess_knows"}


def test_a_notebook_without_its_imports_and_marks_is_judged_all_the_same(judge, everything, tmp_path):
    notebook = solved()
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("import math")]
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
    assert passed(judge, notebook, tmp_path)[0] == everything


def test_what_is_no_notebook_earns_nothing(judge, tmp_path):
    path = tmp_path / f"{SHEET}.ipynb"
    path.write_text("{ half a file")
    marked = judge.mark("anybody", path)
    assert {v.status for v in marked.verdicts.values()} == {"not attempted"}
    assert "cannot be read" in marked.ended
    assert "hand it in again" in marked.ended


SLEEPY = """
def estimate(f_z):
    import time
    time.sleep(0.9)
    return f_z.mean(0), f_z.std(0) / len(f_z) ** 0.5
"""


@pytest.mark.parametrize("where", ["cells", "calls"])
def test_many_short_sleeps_take_no_longer_than_one_notebook_may(judge, where, tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "rules", judge.rules._replace(limits=walls.Limits(cell=2, all=5)))
    notebook = solved()
    if where == "cells":
        notebook.cells[1:1] = [nbformat.v4.new_code_cell(f"import time\ntime.sleep(0.9)  # {i}") for i in range(60)]
    else:
        put(notebook, "def estimate", SLEEPY)
    begun = time.monotonic()
    _, marked = passed(judge, notebook, tmp_path)
    assert time.monotonic() - begun < 15
    assert "5 s" in marked.ended


def test_where_a_judges_server_is_gone_it_begins_anew(tmp_path):
    """Else whatever ends one process of ours would lose the points of all."""
    path = tmp_path / f"{SHEET}.ipynb"
    nbformat.write(solved(), path)
    grade._begin(Rules(walls.Limits(), tuple(walls.readable()), tuple(walls.hidden()), (0, 4711)))
    grade._HERE["server"].process.kill()
    _, marked = grade._mark((Sheet(ROOT / "exercises" / path.name), Submission("anybody", path)))
    grade._HERE["server"].close()
    assert {v.status for v in marked.verdicts.values()} == {"passed"}


def test_the_reference_stands_in_after_a_failure(judge, everything, tmp_path):
    """A later answer that uses an earlier function is not lost with it."""
    notebook = put(solved(), "def estimate", "def estimate(f_z): return f_z.sum(0), f_z.sum(0)")
    code = """
def self_normalised(f_z, log_w):
    w = torch.softmax(log_w, 0) * len(log_w)
    return estimate(w.reshape(-1, *[1] * (f_z.ndim - 1)) * f_z)[0]
"""
    put(notebook, "def self_normalised", code)
    assert passed(judge, notebook, tmp_path)[0] == everything - {"estimate"}


def test_gradients_go_through_the_reference_that_stands_in():
    ours, theirs = socket.socketpair()
    exercise = stages.exercises("monte_carlo")["log_mean_exp"]

    def answer() -> None:
        for _ in range(2):
            kind, name, args, cotangents = wire.unpack(wire.receive(theirs))
            assert (kind, name) == ("ask", "log_mean_exp")
            wire.send(theirs, pickle.dumps(stand_in.answer(exercise.reference, args, cotangents)))

    thread = threading.Thread(target=answer)
    thread.start()
    log_w = torch.tensor([[0.3, -1.0], [2.0, 0.5], [0.0, 4.0]], requires_grad=True)
    stand_in.function(ours, "log_mean_exp")(log_w).square().sum().backward()
    thread.join()
    expected = torch.autograd.functional.jacobian(lambda w: (torch.logsumexp(w, 0) - math.log(3)).square().sum(), log_w)
    torch.testing.assert_close(log_w.grad, expected.detach())
