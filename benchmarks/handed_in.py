"""A class of 200 hands in one sheet: how long does `lvmteach grade` take?

    python -m benchmarks.handed_in                     01_monte_carlo, two workers
    python -m benchmarks.handed_in 08_vae --loops 0    another sheet, nobody with an endless loop

Of the answers 65 % are right, 20 % have a slip in one place, so that the diagnosis is asked, 15 % are not attempted.
Some students have a loop that does not end, which costs its time limit. The aim is three minutes on two cores.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import nbformat

from lvmteach.classroom.exercises.mutation import SWAPPED
from lvmteach.classroom.exercises.release import BEGIN, END
from lvmteach.classroom.grading import grade
from lvmteach.classroom.publish.notebooks import from_text

ROOT = Path(__file__).parent.parent
AIM = 180.0  # seconds


def slipped(source: str, rng: random.Random) -> str:
    """Code with one operator exchanged or one constant larger by one; as it is where there is neither."""
    tree = ast.parse(source)
    places = [
        node
        for node in ast.walk(tree)
        if (isinstance(node, ast.BinOp) and type(node.op) in SWAPPED)
        or (isinstance(node, ast.Constant) and type(node.value) in (int, float))
    ]
    if not places:
        return source
    place = rng.choice(places)
    if isinstance(place, ast.BinOp):
        place.op = SWAPPED[type(place.op)]()
    else:
        place.value += 1
    return ast.unparse(tree)


def looped(source: str) -> str:
    """A function that never returns, by its own first line; other code as it is."""
    head, found, _ = source.partition("):\n")
    return f"{head}):\n    while True:\n        pass" if found and head.lstrip().startswith("def ") else source


def handed_in(sheet: str, rng: random.Random, loop: bool) -> nbformat.NotebookNode:
    """One student's notebook."""
    notebook = nbformat.read(ROOT / "exercises" / f"{sheet}.ipynb", as_version=4)
    worked = from_text(ROOT / "solutions" / "text" / f"{sheet}.py").cells
    worked = [cell for cell in worked if "rubric" not in cell.metadata.get("tags", ())]
    for cell, solution in zip(notebook.cells, worked, strict=True):
        if cell.cell_type != "code" or not cell.metadata.get("nbgrader", {}).get("solution"):
            continue
        right, luck = solution.source.replace(BEGIN, "").replace(END, ""), rng.random()
        if loop and cell.source.startswith("def "):
            cell.source, loop = looped(right), False
        elif luck < 0.65:
            cell.source = right
        elif luck < 0.85:
            cell.source = slipped(right, rng)
    return notebook


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.handed_in", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sheet", nargs="?", default="01_monte_carlo")
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--loops", type=int, default=2, help="students with a loop that does not end")
    args = parser.parse_args(arguments)
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.students):
            home = Path(folder, "submitted", f"student{number:03}")
            home.mkdir(parents=True)
            nbformat.write(handed_in(args.sheet, rng, loop=number < args.loops), home / f"{args.sheet}.ipynb")
        print(f"{args.students} of {args.sheet}, {args.loops} with a loop; load before {os.getloadavg()[0]:.2f}")
        begun = time.monotonic()
        said = [str(Path(folder, "submitted")), "--out", str(Path(folder, "graded")), "--workers", "2", "--seed", "7"]
        with mock.patch.object(grade, "write", wraps=grade.write) as written:
            failed = grade.main(said)
        took, judges = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        (graded, *_), _ = written.call_args
        desks = sum(marked.seconds for one in graded for marked in one.marked)
        print(f"{took:.0f} s on the clock, aim {AIM:g}; load after {os.getloadavg()[0]:.2f}")
        print(f"of processors {judges.ru_utime + judges.ru_stime:.0f} s by the judges, {desks:.0f} s at the desks")
    return failed or int(took > AIM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
