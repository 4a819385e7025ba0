"""Code cells as IPython reads them: `%matplotlib inline`, `!ls`, `%%bash` and `np.sqrt?` are a notebook's language."""

from __future__ import annotations

import ast

from IPython.core.inputtransformer2 import TransformerManager


def tree(code: str) -> ast.Module | None:
    """The syntax tree of a code cell, with the cell's line numbers; None for a cell of another language (`%%bash`).

    Raises:
        SyntaxError: the cell is neither Python nor IPython's Python.
    """
    if code.lstrip().startswith("%%"):
        return None
    return ast.parse(_python(code))


def _python(code: str) -> str:
    python = TransformerManager().transform_cell(code)
    if python.count("\n") == code.rstrip("\n").count("\n") + 1 or python == code:
        return python
    # A command over several lines has become one: put the lines back that it took, so that all numbers stay.
    lines, padded, at = python.splitlines(), [], 0
    given = code.splitlines()
    for line in lines:
        padded.append(line)
        while at < len(given) and given[at].rstrip().endswith("\\") and "get_ipython()" in line:
            padded.append("")
            at += 1
        at += 1
    return "\n".join(padded) + "\n"
