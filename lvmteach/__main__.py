"""The one command: `lvmteach VERB`, or `python -m lvmteach VERB`. `lvmteach VERB --help` shows an example."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Verb(NamedTuple):
    """What a verb does, an example, and the function that gets the rest of the command line."""

    does: str
    example: str
    run: Callable[[list[str]], int | None]


def lab(arguments: list[str]) -> int:
    """Copy the course into a folder, or bring the copy up to date, and open JupyterLab there."""
    from lvmteach.classroom.publish import copies
    from lvmteach.classroom.publish.present import run_instead

    parser = argparse.ArgumentParser(prog="lvmteach lab", description=VERBS["lab"].does)
    where = "where you work; default: the clone you are in, or ./lvmteach-course"
    parser.add_argument("folder", nargs="?", type=Path, help=where)
    parser.add_argument("--copy-only", action="store_true", help="copy, and do not open JupyterLab")
    args, jupyter = parser.parse_known_args(arguments)
    root = copies.source()
    in_clone = (Path.cwd() / "notebooks" / "00_start_here.ipynb").is_file()
    folder = (args.folder or (Path.cwd() if in_clone else Path("lvmteach-course"))).expanduser()
    if folder.resolve() != root:
        done = copies.copy(root, folder)
        print(f"{folder}: {len(done.new)} files new, {len(done.updated)} brought up to date")
        for name in done.kept:
            print(f"  kept yours: {name} (you have edited it; move it away and say this again for the new one)")
    if args.copy_only:
        return 0
    # What is left of the command line is JupyterLab's: --no-browser, --port=8888.
    return run_instead(
        [
            sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder.resolve()}",
            "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb", *jupyter,
        ]
    )  # fmt: skip


def run(arguments: list[str]) -> int:
    from lvmteach.classroom.publish import notebooks

    return notebooks.main(["run", *arguments])


def release(arguments: list[str]) -> int:
    from lvmteach.classroom.exercises import release as room

    return room.main(arguments)


def grade(arguments: list[str]) -> int:
    from lvmteach.classroom.grading import grade as room

    return room.main(arguments)


def demos(arguments: list[str]) -> int | None:
    from lvmteach.classroom.publish import demo_pages

    return demo_pages.main(arguments)


def slides(arguments: list[str]) -> int | None:
    from lvmteach.classroom.publish import slides as room

    return room.main(arguments)


def present(arguments: list[str]) -> int | None:
    from lvmteach.classroom.publish import present as room

    return room.main(arguments)


def site(arguments: list[str]) -> int:
    from lvmteach.classroom.publish import site as room

    return room.main(arguments)


def report(arguments: list[str]) -> int:
    argparse.ArgumentParser(prog="lvmteach report", description=VERBS["report"].does).parse_args(arguments)
    from lvmteach import runtime

    runtime.report()
    return 0


VERBS = {
    "lab": Verb("copy the course into a folder (never over your own work) and open it", "lvmteach lab mycourse", lab),
    "run": Verb("execute the notebooks, a line and an HTML page each", "lvmteach run 07 08 --out build/html", run),
    "release": Verb("make the students' exercises from the solutions", "lvmteach release solutions exercises", release),
    "grade": Verb("points, a page a student and one for you", "lvmteach grade submitted --out graded", grade),
    "demos": Verb("the live demos as pages that open from the disk", "lvmteach demos --out build/demos", demos),
    "slides": Verb("the notebooks as slides that open from the disk", "lvmteach slides 03 --out build/slides", slides),
    "site": Verb("the whole course as pages that open from the disk", "lvmteach site --out build/site", site),
    "present": Verb("JupyterLab for a projector", "lvmteach present --no-browser", present),
    "report": Verb("what to paste into a question: versions, device, data", "lvmteach report", report),
}


def usage() -> str:
    rows = [f"  {name:<9}{verb.does}\n           {verb.example}" for name, verb in VERBS.items()]
    return "\n".join(["usage: lvmteach VERB ...", "", *rows, "", "lvmteach VERB --help tells a verb's options."])


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; an error that a user can mend is one line, and the exit status is not zero."""
    try:
        try:
            return verb(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()  # here, since nothing catches what fails when Python flushes at its end
    except BrokenPipeError:  # nobody reads on, as with `lvmteach --help | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def verb(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] not in VERBS:
        print(f"lvmteach: no verb {arguments[0]!r}; there are {', '.join(VERBS)}", file=sys.stderr)
        return 2
    if {"-h", "--help"} & set(arguments[1:]):
        print(f"example: {VERBS[arguments[0]].example}\n")
    try:
        return VERBS[arguments[0]].run(arguments[1:]) or 0
    except (OSError, ImportError, ValueError) as problem:
        sys.stdout.flush()  # a broken pipe that is not this one is an error like any other
        print(f"lvmteach {arguments[0]}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nlvmteach {arguments[0]}: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
