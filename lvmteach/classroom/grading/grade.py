"""`lvmteach grade SUBMITTED --out GRADED`: points.csv, a page a student, a page for the lecturer.

SUBMITTED holds STUDENT/.../01_monte_carlo.ipynb as nbgrader collects them, or STUDENT_01_monte_carlo.ipynb in one
folder. Every sheet of the course that is found there is graded.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import multiprocessing
import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lvmteach.classroom.grading import pages, walls
from lvmteach.classroom.grading.judge import Judge, Marked, Rules, Server, unjudged
from lvmteach.classroom.grading.sheet import Sheet, Submission, notebooks, printable, submissions
from lvmteach.classroom.publish import copies
from lvmteach.classroom.publish.output import fresh

NBGRADER = "grade with nbgrader there (DEPLOY.md)"


class Graded(NamedTuple):
    """A sheet and what came of its submissions, in the order of the students' names."""

    sheet: Sheet
    marked: list[Marked]

    def points(self, one: Marked) -> float:
        return sum(task.points for task in self.sheet.tasks if one.verdicts[task.exercise].status == "passed")

    @property
    def of(self) -> float:
        return sum(task.points for task in self.sheet.tasks)


Work = tuple[Sheet, Submission]


def grade(work: Sequence[Work], rules: Rules, workers: int) -> Iterator[tuple[str, Marked]]:
    """Judge submissions, some at a time; yields the sheet's name and what came of it, each as it is done."""
    torch.set_num_threads(1)
    importlib.import_module("torch._dynamo")  # once, for all workers
    # Forked: torch is imported already. The references stay on this side; the desks are processes of another program.
    context = multiprocessing.get_context("fork")
    with context.Pool(min(workers, len(work)), _begin, (rules,)) as pool:
        yield from pool.imap_unordered(_mark, work)


_HERE: dict[str, Any] = {}  # this worker's server, and its judge of the sheet it is at


def _begin(rules: Rules) -> None:
    _HERE.update(server=Server(rules), judge=None)


def _mark(one: Work) -> tuple[str, Marked]:
    """One submission; where the judge itself fails, once more from a new start, and then said."""
    sheet, submission = one
    for _ in range(2):
        try:
            if _HERE["judge"] is None or _HERE["judge"].sheet.name != sheet.name:
                _HERE["judge"] = Judge(sheet, _HERE["server"])
            return sheet.name, _HERE["judge"].mark(*submission)
        except Exception as problem:  # of ours, or of this machine: it must not lose the points of the others
            why = f"this was not judged ({type(problem).__name__}: {problem}): grade it again, or by hand"
            _HERE["server"].close()
            _begin(_HERE["server"].rules)
    return sheet.name, unjudged(sheet, submission.student, why)


def write(graded: list[Graded], out: Path, rules: Rules, lacking: list[str], left: Sequence[str] = ()) -> None:
    """points.csv, a row a student and sheet; verdicts.csv, a row an exercise of it; and the pages."""
    with (
        open(out / "points.csv", "w", newline="", encoding="utf-8") as points,
        open(out / "verdicts.csv", "w", newline="", encoding="utf-8") as verdicts,
    ):
        totals, details = csv.writer(points), csv.writer(verdicts)
        totals.writerow(["student", "sheet", "points", "of", "to mark by hand", "note"])
        details.writerow(["student", "sheet", "exercise", "points", "of", "verdict", "diagnosis"])
        for one in graded:
            for marked in one.marked:
                by_hand = len(one.sheet.by_hand)
                totals.writerow(
                    [marked.student, one.sheet.name, f"{one.points(marked):g}", f"{one.of:g}", by_hand, marked.ended]
                )
                for task in one.sheet.tasks:
                    v = marked.verdicts[task.exercise]
                    got = task.points if v.status == "passed" else 0
                    details.writerow(
                        [marked.student, one.sheet.name, task.exercise, got, task.points, v.status, v.diagnosis]
                    )
    pages.write(graded, out, rules, lacking, left)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="lvmteach grade", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("submitted", type=Path, help="the folder of what students handed in")
    parser.add_argument("--out", type=Path, default=Path("graded"), help="where the results go (default: graded)")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1)
    parser.add_argument("--seed", type=int, help="of the cases that students have not seen; default: a new one")
    parser.add_argument("--without-walls", action="store_true", help="grade even where submissions cannot be shut in")
    args = parser.parse_args(arguments)
    lacking = walls.missing()
    if lacking and (sys.platform != "linux" or not args.without_walls):
        raise OSError(
            f"{'; '.join(lacking)}; {NBGRADER}"
            + ("" if sys.platform != "linux" else ", or trust your students: --without-walls")
        )
    if not args.submitted.is_dir():
        raise NotADirectoryError(f"expected the folder of submissions, got {args.submitted}")
    root = copies.source()
    found = {path: submissions(args.submitted, path.stem) for path in sorted((root / "exercises").glob("*.ipynb"))}
    sheets = [path for path in found if found[path]]
    if not sheets:
        raise FileNotFoundError(
            f"no submissions below {args.submitted}: expected files such as STUDENT/01_monte_carlo.ipynb"
        )
    out = fresh(args.out, root)
    hidden = [*walls.hidden(), *(p.resolve() for p in (root / "solutions", args.submitted, out))]
    seed = secrets.randbelow(2**31 - 1) + 1 if args.seed is None else args.seed
    rules = Rules(walls.Limits(), tuple(walls.readable()), tuple(hidden), (0, seed), not args.without_walls)
    begun = time.monotonic()
    graded = {path.stem: Graded(Sheet(path), []) for path in sheets}
    work = [(graded[path.stem].sheet, one) for path in sheets for one in found[path]]
    left = [printable(str(p)) for p in sorted(set(notebooks(args.submitted)) - {one.path for _, one in work})]
    for name, marked in grade(work, rules, args.workers):
        one = graded[name]
        one.marked.append(marked)
        odd = f"  ({marked.ended})" if marked.ended else ""
        print(f"{name}  {marked.student}: {one.points(marked):g} of {one.of:g}{odd}", flush=True)
    for one in graded.values():
        one.marked.sort(key=lambda marked: marked.student)
    write(list(graded.values()), out, rules, lacking, left)
    for path in left:
        print(f"not graded: {path} (its name does not end in a sheet's, such as 01_monte_carlo.ipynb)")
    print(f"{len(work)} submissions in {time.monotonic() - begun:.0f} s; {out / 'points.csv'}, {out / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
