"""The lecture demo of a notebook, cut out so that it runs alone: the imports and one section, nothing trained before.

A notebook's section `## Lecture demo` needs only the first code cell (the imports) and its own cells. Its speaker
notes stand in `<details>`, closed. What a lecturer is shown is made from it, and never written twice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lvmteach.classroom.publish.cells import tree

HEADING = "Lecture demo"
_SECTION = re.compile(r"^(?=## )", re.M)
_NOTE = re.compile(r"<details>\s*<summary>Speaker notes?</summary>\s*(.*?)\s*</details>", re.S)
LIVE = re.compile(r"\bexplore\(|\.live\(")


def stages(root: Path) -> list[Path]:
    """The notebooks of the course's stages, in order."""
    return sorted((root / "notebooks").glob("*.ipynb"))


def title(notebook: NotebookNode) -> str:
    """The notebook's own first line, without the mark of a heading."""
    return notebook.cells[0].source.splitlines()[0].lstrip("# ").strip()


def at_headings(cells: Iterable[NotebookNode]) -> Iterator[NotebookNode]:
    """The cells, with prose cut so that each `## ` heading begins a cell of its own."""
    for cell in cells:
        if cell.cell_type != "markdown":
            yield cell
            continue
        for part in _SECTION.split(cell.source):
            if part.strip():
                yield nbformat.v4.new_markdown_cell(part.strip())


def section(notebook: NotebookNode, heading: str = HEADING) -> list[NotebookNode]:
    """The cells from `## heading` to the next heading of that rank; empty if there is none."""
    inside, found = False, []
    for cell in at_headings(notebook.cells):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            inside = cell.source.splitlines()[0] == f"## {heading}"
        if inside:
            found.append(cell)
    return found


def imports(notebook: NotebookNode) -> NotebookNode:
    """The first code cell."""
    return next(cell for cell in notebook.cells if cell.cell_type == "code")


def alone(notebook: NotebookNode) -> list[str]:
    """The code of the lecture demo with all that it may use: the imports, then the section's cells."""
    return [cell.source for cell in (imports(notebook), *section(notebook)) if cell.cell_type == "code"]


def demo(notebook: NotebookNode) -> NotebookNode:
    """A notebook of the lecture demo alone: title, imports, and the section to its last live picture.

    Key frames are left out, since the live picture begins as they are; without a live picture all is kept. Speaker
    notes are kept, closed.
    """
    cells = section(notebook)
    live = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and LIVE.search(cell.source)]
    kept = cells[: live[-1] + 1] if live else cells
    page = nbformat.v4.new_notebook(metadata=notebook.metadata)
    for cell in kept:
        if cell.cell_type == "code":
            source = without_key_frames(cell.source) if live else cell.source
            page.cells.append(nbformat.v4.new_code_cell(source))
        else:
            words = cell.source.replace(f"## {HEADING}", f"# {title(notebook)}", 1)
            page.cells.append(nbformat.v4.new_markdown_cell(words))
    page.cells.insert(1, nbformat.v4.new_code_cell(imports(notebook).source))  # below the title
    return page


def without_key_frames(source: str) -> str:
    """Code without its statements that only display a key frame."""
    parsed = tree(source)
    if parsed is None:
        return source
    lines, statements = source.splitlines(), parsed.body
    for statement in reversed(statements):
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("key_frame"):
            # At the end of a cell None stands in for it, else the value of the line before would be shown.
            lines[statement.lineno - 1 : statement.end_lineno] = ["None"] if statement is statements[-1] else []
    return "\n".join(lines)


def has_live(notebook: NotebookNode) -> bool:
    """Whether something in the lecture demo follows the hand."""
    return any(LIVE.search(source) for source in alone(notebook)[1:])


def picture(notebook: NotebookNode) -> tuple[str, str] | None:
    """The first stored picture of the lecture demo, its key frame, as PNG in base64, and its words; or None."""
    for cell in section(notebook):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return output.data["image/png"].replace("\n", ""), output.data.get("text/plain", "")
    return None


def split_notes(markdown: str) -> tuple[str, list[str]]:
    """Prose without its speaker notes, and the notes."""
    return _NOTE.sub("", markdown).strip(), _NOTE.findall(markdown)
