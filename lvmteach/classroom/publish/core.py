"""The core of a notebook: what is taught in 45 minutes, without what stands under `## Further: ...`.

Every section whose heading begins `## Further: ` is for later; all others are the core, which runs alone. Cells tagged
`check` hold comparisons for the tests only, and are folded wherever the course is shown.
"""

from __future__ import annotations

import nbformat
from nbformat import NotebookNode

from lvmteach.classroom.publish.lecture import at_headings

FURTHER = "## Further: "
CHECK = "check"
MOST_CELLS = 25  # of code in a core that is taught live


def core(notebook: NotebookNode) -> NotebookNode:
    """A notebook without its further sections. The cells kept are those of the notebook, outputs included."""
    further, kept = False, nbformat.v4.new_notebook(metadata=notebook.metadata)
    for cell in at_headings(notebook.cells):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            further = cell.source.startswith(FURTHER)
        if not further:
            kept.cells.append(cell)
    return kept


def has_further(notebook: NotebookNode) -> bool:
    """Whether something is marked as not of the core."""
    return any(cell.cell_type == "markdown" and cell.source.startswith(FURTHER) for cell in at_headings(notebook.cells))


def is_check(cell: NotebookNode) -> bool:
    """Whether the cell only compares, for the tests."""
    return cell.cell_type == "code" and CHECK in cell.metadata.get("tags", [])


def shown_code(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells that a reader is to read: all but the checks."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and not is_check(cell)]
