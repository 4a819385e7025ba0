"""Notebooks and their text sources: bring the pair together, execute it, print the course as HTML.

    python -m lvmteach.classroom.publish.notebooks sync    notebooks/text/08_vae.py ...  text -> notebook, outputs kept
    python -m lvmteach.classroom.publish.notebooks execute notebooks/text/08_vae.py ...  the same, run, outputs stored
    python -m lvmteach.classroom.publish.notebooks run     [--out build/html]             run everything, write HTML

The text file FOLDER/text/NAME.py (jupytext, py:percent) is the source and the only place to edit; FOLDER/NAME.ipynb is
what a student opens. `run` reads the notebooks and leaves them as they are.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from lvmteach.classroom.publish.output import fresh, keep_aside, sign

FOLDERS = ("notebooks", "solutions")  # every folder with a text/ beside its notebooks
CELL_SECONDS = 300
# What JupyterLab writes into a notebook that it opens: with it there, opening one changes nothing (on this Python).
KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": "3.11.7",
    },
}
# Ends the first cell, for a reader who has got this one file.
HINT = (
    "*This notebook needs the package `lvmteach`. Where it is missing, install it: `pip install .` in a clone of the "
    "course, or `pip install lvmteach-*.whl` with the wheel from your lecturer.*"
)


def sources(root: Path) -> list[Path]:
    """All text sources below the project's root, in the order of the course."""
    return [path for folder in FOLDERS for path in sorted((root / folder / "text").glob("*.py"))]


def pair(text: Path) -> Path:
    """The notebook that belongs to a text source: FOLDER/text/NAME.py -> FOLDER/NAME.ipynb."""
    return text.parent.parent / f"{text.stem}.ipynb"


def from_text(text: Path) -> NotebookNode:
    """The notebook a text source describes, without outputs, the same bytes each time it is made.

    Cell ids come from the file's name and the cell's position, so that they never differ without reason. The first
    cell, if it is prose, also says how to get the package.
    """
    notebook = jupytext.read(text, fmt="py:percent")
    first = notebook.cells[0]
    if first.cell_type == "markdown" and HINT not in first.source:
        first.source += f"\n\n{HINT}"
    stamp(notebook, f"{text.parent.parent.name}/{text.stem}")
    notebook.metadata.pop("jupytext", None)
    notebook.metadata.update(KERNEL)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    sign(notebook)
    return notebook


def stamp(notebook: NotebookNode, name: str) -> None:
    """Give every cell an id made from the notebook's name and the cell's position."""
    for position, cell in enumerate(notebook.cells):
        cell.id = hashlib.sha256(f"{name}:{position}".encode()).hexdigest()[:12]


def with_outputs_of(notebook: NotebookNode, stored: NotebookNode) -> NotebookNode:
    """Take over the stored outputs as far as the code above them is unchanged."""
    old = (cell for cell in stored.cells if cell.cell_type == "code")
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        before = next(old, None)
        if before is None or before.source != cell.source:
            break  # from here on the state of the kernel differs
        cell.outputs, cell.execution_count = before.outputs, before.execution_count
    return notebook


def sync(text: Path) -> Path:
    """Write the notebook of a text source, keeping outputs that still belong to their code."""
    target = pair(text)
    notebook = from_text(text)
    if target.exists():
        stored = nbformat.read(target, as_version=4)
        keep_aside(target, stored, notebook)
        notebook = with_outputs_of(notebook, stored)
    _write(notebook, target)
    return target


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run all cells in a fresh kernel whose working directory is `folder`, and tidy the outputs.

    Raises:
        CellExecutionError, CellTimeoutError, DeadKernelError: a cell failed; `notebook` holds what had run until then.
    """
    started = []
    client = NotebookClient(
        notebook,
        on_cell_start=lambda cell, cell_index: started.append(cell),
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,  # megabytes of picture; the key frame beside each widget stays
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        client.execute()
    except DeadKernelError:
        started[-1].execution_count = None  # its count may come before its kernel dies; it is not through
        raise
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = list(_tidy(cell.outputs))
    notebook.metadata.update(KERNEL)
    return notebook


def _tidy(outputs: Iterable[NotebookNode]) -> Iterable[NotebookNode]:
    """Join what one stream wrote, and let a carriage return do what it does on a terminal: progress bars vanish."""
    joined: list[NotebookNode] = []
    for output in outputs:
        same = joined and output.output_type == "stream" and joined[-1].get("name") == output.name
        if same:
            joined[-1].text += output.text
        else:
            joined.append(output)
    for output in joined:
        # A stored view of a widget that no kernel holds is an error message; without it, its words are shown.
        output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        if output.output_type == "stream":
            lines = (line.rstrip("\r").rpartition("\r")[2] for line in output.text.split("\n"))
            output.text = "\n".join(line.rstrip() for line in lines)
            if not output.text.strip():
                continue
        yield output


def failing_cell(notebook: NotebookNode) -> str:
    """Words for the cell that stopped the run: its number and its first line of code."""
    code = [(n, cell) for n, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code" and cell.source]
    raised = [(n, cell) for n, cell in code if any(output.output_type == "error" for output in cell.outputs)]
    # A cell that ran out of time has neither an error nor a count.
    unfinished = [(n, cell) for n, cell in code if not cell.execution_count]
    if not raised + unfinished:
        return "no cell"
    number, cell = (raised + unfinished)[0]
    return f"cell {number}: {cell.source.splitlines()[0]}"


def what_failed(notebook: NotebookNode, problem: Exception) -> str:
    """How a run ended, in words: a cell that raised, ran out of time or killed its kernel; or no kernel at all."""
    if isinstance(problem, CellExecutionError | CellTimeoutError):
        return f"FAILED in {failing_cell(notebook)}\n{str(problem).strip().splitlines()[-1]}"
    if isinstance(problem, DeadKernelError):
        return f"FAILED in {failing_cell(notebook)}\nthe kernel died there (out of memory, or ended by the cell itself)"
    words = str(problem).strip().splitlines() or ["no words"]
    return f"FAILED before its first cell was through: {type(problem).__name__}: {words[-1]}"


def run(root: Path, out: Path, names: list[str]) -> int:
    """Execute every notebook (or those whose name starts with one of `names`), write each as HTML, report a line each.

    Returns:
        The number of notebooks that failed. Each failure's line names its notebook and cell.
    """
    from lvmteach.classroom.publish.html import to_html

    chosen = [path for path in sources(root) if not names or any(path.stem.startswith(name) for name in names)]
    if not chosen:
        raise SystemExit(f"no notebook of {', '.join(names) or 'the course'} below {root}: run from the project's root")
    out = fresh(out, root)
    failed = 0
    for number, text in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {text.parent.parent.name}/{text.stem} ... ", end="", flush=True)
        notebook, start = nbformat.read(pair(text), as_version=4), time.perf_counter()
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        page = out / text.parent.parent.name / f"{text.stem}.html"
        try:
            execute(notebook, pair(text).parent)
            verdict = "ok"
        except Exception as problem:  # whichever way it ended, the notebooks after it are run
            failed += 1
            verdict = f"{what_failed(notebook, problem)}\n  "
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(to_html(notebook, title=text.stem), encoding="utf-8")
        print(f"{verdict} {time.perf_counter() - start:.0f} s -> {page}", flush=True)
    return failed


def _write(notebook: NotebookNode, target: Path) -> None:
    nbformat.validate(notebook)
    partial = target.with_suffix(".partial")
    partial.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    os.replace(partial, target)


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["run"]:
        return _run(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m lvmteach.classroom.publish.notebooks", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("verb", choices=("sync", "execute", "run"), help="`run --help` tells the options of `run`")
    parser.add_argument("names", nargs="*", help="text sources; default: all")
    args = parser.parse_args(arguments)
    root = Path.cwd()
    for text in map(Path, args.names or sources(root)):
        if text.suffix != ".py" or text.parent.name != "text" or not text.exists():
            parser.error(f"expected an existing FOLDER/text/NAME.py, got {text}")
        target, start = sync(text), time.perf_counter()
        if args.verb == "execute":
            notebook = nbformat.read(target, as_version=4)
            try:
                execute(notebook, target.parent)
            except Exception as problem:
                print(f"{text.stem} {what_failed(notebook, problem)}\n{problem}", file=sys.stderr)
                return 1
            _write(notebook, target)
        size = target.stat().st_size / 1024
        print(f"{target}: {size:.0f} kB, {time.perf_counter() - start:.1f} s", flush=True)
    return 0


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="lvmteach run", description="Execute notebooks from their first cell: a line and an HTML page each."
    )
    parser.add_argument("names", nargs="*", help="the start of notebooks' names (08); default: all")
    parser.add_argument("--out", type=Path, default=Path("build/html"), help="where the pages are written")
    args = parser.parse_args(arguments)
    return min(run(Path.cwd(), args.out, args.names), 1)


if __name__ == "__main__":
    sys.exit(main())
