"""The judge: holds the references, asks the desk for results, and says the verdicts, one after the other."""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import os
import pickle
import pkgutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle

from lvmteach.classroom.exercises import stages
from lvmteach.classroom.exercises.choice import Choice
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.running import PATIENCE, Elsewhere, Outcome
from lvmteach.classroom.exercises.verdict import Verdict
from lvmteach.classroom.grading import desk, stand_in, wire
from lvmteach.classroom.grading.sheet import Sheet, Step, Task, Unread, read
from lvmteach.classroom.grading.walls import Limits

OVERTIME = "the process did not stop when its time was over, and was ended"
MEND = "open it in JupyterLab, save it, and hand it in again"
START = 300.0  # seconds for a server to import what it needs
LATE = 3.0  # seconds after which a desk that should have stopped by itself is ended


class Marked(NamedTuple):
    """What came of one submission. ended: what was odd about it, or ''. seconds: of a processor, at the desk."""

    student: str
    verdicts: dict[str, Verdict]
    written: dict[str, str]
    ended: str
    seconds: float


class Rules(NamedTuple):
    """What holds for every submission of a run. seeds: of the cases; the student has seen those of 0."""

    limits: Limits
    readable: tuple[Path, ...]
    hidden: tuple[Path, ...]
    seeds: tuple[int, ...]
    walls: bool = True


class Server:
    """The process that desks are forked from. It serves one sheet after another; `close` ends it."""

    def __init__(self, rules: Rules):
        self.rules = rules
        self.control, theirs = socket.socketpair()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lvmteach.classroom.grading.desk", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        wire.send(self.control, pickle.dumps(rules._asdict()))
        wire.receive(self.control, time.monotonic() + START)

    def prepare(self, imports: str) -> None:
        self.control.sendall(desk.IMPORT)
        wire.send(self.control, imports.encode())
        wire.receive(self.control, time.monotonic() + START)

    def close(self) -> None:
        self.control.close()
        self.process.wait()


class Judge:
    """Judges submissions of one sheet, one at a time, at desks of a server."""

    def __init__(self, sheet: Sheet, server: Server):
        self.sheet, self.rules, self.control = sheet, server.rules, server.control
        server.prepare(sheet.imports)
        desk.run_imports(sheet.imports)  # its default dtype is the references' too
        self.exercises = stages.exercises(sheet.stage)
        package = importlib.import_module(f"lvmteach.classroom.exercises.{sheet.stage}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            cloudpickle.register_pickle_by_value(importlib.import_module(module.name))

    def mark(self, student: str, path: Path) -> Marked:
        """Judge one file. Whatever is in it, there is a verdict for every task."""
        try:
            notebook = read(path)
            steps = list(self.sheet.steps(notebook))
            written = self.sheet.written(notebook)
        except Unread as problem:
            return unjudged(self.sheet, student, str(problem))
        except Exception as problem:
            kind = type(problem).__name__
            return unjudged(self.sheet, student, f"this cannot be read as a notebook ({kind}): {MEND}")
        sitting = Sitting(self, steps)
        try:
            verdicts = dict(sitting.verdicts())
        finally:
            sitting.end()
        code = {t.exercise: written.get(t.cell, "") for t in self.sheet.tasks}
        return Marked(student, verdicts, code, "; ".join(dict.fromkeys(sitting.odd)), sitting.seconds)


def unjudged(sheet: Sheet, student: str, why: str) -> Marked:
    """What came of a submission that was not judged; the reason stands with the student and with each task."""
    return Marked(student, {task.exercise: Verdict("not attempted", why) for task in sheet.tasks}, {}, why, 0.0)


class Sitting:
    """One submission at a desk; when the desk ends too early, at the next one, without the cell that ended it."""

    def __init__(self, judge: Judge, steps: list[Step]):
        self.judge, self.steps = judge, steps
        self.limits = judge.rules.limits
        self.until = time.monotonic() + self.limits.all
        self.channel: socket.socket | None = None
        self.at, self.stopped = 0, {}  # the next step; title -> what stopped the cell
        self.failed: list[Task] = []  # their references stand in
        self.odd: list[str] = []
        self.seconds, self.asked = 0.0, 0

    @property
    def left(self) -> float:
        """Seconds that the notebook may still take."""
        return self.until - time.monotonic()

    def patience(self, seconds: float) -> float:
        """How long to wait for a call that may work for some seconds: no longer than for the notebook, if it can be."""
        return min(PATIENCE * seconds, max(seconds, self.left)) + LATE

    @property
    def over(self) -> str:
        return f"the notebook took more than {self.limits.all:g} s"

    def verdicts(self) -> Iterator[tuple[str, Verdict]]:
        for number, step in enumerate(self.steps):
            if step.task is None:
                continue
            if self.left < 0:
                self.odd.append(f"stopped after {self.limits.all:g} s")
                verdict = Verdict("not yet", f"not judged: {self.over} before this")
            else:
                verdict = self._verdict(step.task, number)
            if verdict.status != "passed" and isinstance(self.judge.exercises[step.task.exercise], Exercise):
                self.failed.append(step.task)
                if self.channel:
                    self.ask("use_reference", step.task.name, within=5)
            yield step.task.exercise, verdict

    def _verdict(self, task: Task, number: int) -> Verdict:
        exercise = self.judge.exercises[task.exercise]
        self._go_to(number)
        found = self.ask("find", task.name, within=5) or ("missing",)
        if isinstance(exercise, Choice):
            self.ask("forget", task.name, within=5)
            return exercise.judge(found[1] if found[0] == "value" else None)
        if found[0] == "missing":
            why = self.stopped.get(f"cell {task.cell + 1}" if task.cell is not None else "", "")
            if not why:
                return Verdict("not attempted", f"not attempted: no cell defines {task.name}")
            return Verdict("not yet", f"not yet: your cell stopped before it defined {task.name}; {why}")
        if found[0] != "function":
            return exercise.judge(found[1])
        for seed in self.judge.rules.seeds:
            answer = Answer(self, task.name, found[1])
            verdict = exercise.judge(answer, seed)
            if answer.ended and answer.ended != OVERTIME:
                return Verdict("not yet", f"not yet: {answer.ended}")
            if verdict.status != "passed":
                return (
                    verdict if not seed else verdict._replace(message=f"{verdict.message} (on input made for grading)")
                )
        return verdict

    def _go_to(self, number: int) -> None:
        """Have every cell run that stands before this step."""
        if self.channel is None:
            self.at = 0
            self._sit_down()
            for task in self.failed:
                self.ask("use_reference", task.name, within=5)
        while self.at < number:
            step, self.at = self.steps[self.at], self.at + 1
            if step.task is not None:
                if isinstance(self.judge.exercises[step.task.exercise], Choice):
                    self.ask("forget", step.task.name, within=5)
                elif step.task in self.failed:
                    self.ask("use_reference", step.task.name, within=5)
            elif step.source and step.title not in self.stopped:
                if self.left < 0:
                    self.stopped[step.title] = f"{self.over} before it"
                    continue
                seconds = max(1.0, min(self.limits.cell, self.left))
                why = self.ask("run", step.source, step.title, seconds, within=self.patience(seconds))
                if why is None:
                    self.stopped[step.title] = self.odd[-1]
                    return self._go_to(number)
                if why:
                    self.stopped[step.title] = str(why)
        return None

    def _sit_down(self) -> None:
        self.channel, theirs = socket.socketpair()
        socket.send_fds(self.judge.control, [desk.OPEN], [theirs.fileno()])
        theirs.close()
        wire.receive(self.channel, time.monotonic() + 60)

    def end(self) -> None:
        """Take the desk away."""
        if self.channel is None:
            return
        self.channel.close()
        self.channel = None
        self.judge.control.sendall(desk.CLOSE)
        self.judge.control.settimeout(60)
        seconds, _, status = desk.ENDED.unpack(self.judge.control.recv(desk.ENDED.size, socket.MSG_WAITALL))
        self.judge.control.settimeout(None)
        self.seconds += seconds
        self.how = status

    def ask(self, order: str, *content: Any, within: float) -> Any:
        """What the desk answers; None if it has ended, which is then noted, with how, in `odd`."""
        self.asked += 1
        until, frame = time.monotonic() + within, cloudpickle.dumps((self.asked, order, *content))
        try:
            wire.send(self.channel, frame)
            while True:
                kind, *said = wire.unpack(wire.receive(self.channel, until))
                if kind == "done":
                    number, result = said
                    if number != self.asked:
                        raise wire.Broken("an answer to no question")
                    return result
                name, args, cotangents = said
                reply = self._stand_in(name, args, cotangents)
                wire.send(self.channel, cloudpickle.dumps(reply))
        except (wire.Broken, ValueError, TypeError, OSError) as problem:
            self.end()
            self.odd.append(self._how_it_ended(str(problem)))
            return None

    def _stand_in(self, name: str, args: tuple, cotangents: tuple | None) -> tuple[str, Any]:
        """Only the reference of a task whose verdict has been said."""
        for task in self.failed:
            if task.name == name:
                return stand_in.answer(self.judge.exercises[task.exercise].reference, args, cotangents)
        return "error", "not one that stands in here"

    def _how_it_ended(self, problem: str) -> str:
        if problem == "late":
            return OVERTIME
        if os.WIFSIGNALED(self.how) and "ended" in problem:
            name = signal.Signals(os.WTERMSIG(self.how)).name
            return f"the process was ended by {name}" + (
                " (its time or memory is limited)" if name != "SIGSEGV" else ""
            )
        if "ended" in problem:
            return f"the process ended itself (status {os.WEXITSTATUS(self.how)})"
        return f"the process sent {problem}"


class Answer(Elsewhere):
    """A student's function, to the engine: every call goes to the desk. ended: how the desk ended in one, or ''."""

    def __init__(self, sitting: Sitting, name: str, parameters: list | None):
        self.sitting, self.name, self.ended = sitting, name, ""
        self.last: Outcome | None = None  # once it has ended the desk, it is not called again
        if parameters is not None:
            kinds = list(inspect._ParameterKind)
            self.__signature__ = inspect.Signature(
                [
                    inspect.Parameter(n, kinds[kind], default=None if has_default else inspect.Parameter.empty)
                    for n, kind, has_default in parameters
                ]
            )

    def attempt(self, args: tuple, seconds: float, seed: int) -> Outcome:
        if self.last is None and self.sitting.left < 0:  # many short calls take long, too
            self.ended = self.sitting.over
            self.last = Outcome(error=RuntimeError(self.ended))
        if self.last is not None:
            return self.last
        said = self.sitting.ask("attempt", self.name, args, seconds, seed, within=self.sitting.patience(seconds))
        if said is None:
            self.ended = self.sitting.odd[-1]
            self.last = Outcome(timed_out=True) if self.ended == OVERTIME else Outcome(error=RuntimeError(self.ended))
            return self.last
        try:
            value, error, *words, timed_out, models = said
            where, printed, changed = map(str, words)
        except (TypeError, ValueError):
            return Outcome(error=RuntimeError("its result cannot be sent"))
        if timed_out:
            self.sitting.end()  # whatever it has left half done goes with the desk
            self.last = Outcome(timed_out=True)
            return self.last
        models = tuple(models) if isinstance(models, tuple | list) else ()
        return Outcome(value, error and _error(*map(str, error)), where, printed, changed, models=models)


def _error(name: str, words: str) -> Exception:
    return _kind_of_error(name)(words)


@functools.cache
def _kind_of_error(name: str) -> type[Exception]:
    """Python's own exception of that name, where words alone make one; else a class that is called so."""
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception) and not issubclass(known, UnicodeError):
        return known
    return type(name, (Exception,), {})
