"""The live demos alone, as pages that open from the disk: `make demos`.

    python -m lvmteach.classroom.publish.demo_pages             write build/demos/, an index and a page a demo

A page is one file: it needs no kernel, no network and nothing beside it, and its address keeps what the hand has set,
so that a lecturer can link to a move. Below the demo stands the prose of the notebook's section that shows it, speaker
notes closed.
"""

from __future__ import annotations

import argparse
import base64
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbconvert.filters import markdown2html

from lvmteach.classroom.explorables import kit, page
from lvmteach.classroom.publish import lecture
from lvmteach.classroom.publish.html import maths_to_mathml
from lvmteach.classroom.publish.output import fresh

INDEX = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>lvmteach: live demos</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 18px/1.4 system-ui, sans-serif; max-width: 84rem; margin: 1.5rem auto; padding: 0 1.5rem; }}
  ul {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 1.2rem; }}
  ul {{ padding: 0; }}
  li {{ list-style: none; }}
  a {{ display: block; border: 1px solid #888; border-radius: 6px; padding: .8rem 1rem; color: inherit; }}
  a {{ text-decoration: none; }}
  a:hover, a:focus-visible {{ outline: 3px solid #0072B2; }}
  h2 {{ font-size: 1.15rem; margin: 0 0 .6rem; }}
  img {{ width: 100%; height: 11rem; object-fit: contain; background: white; }}
</style>
</head>
<body>
<main>
<h1>Live demos</h1>
<ul>
{cards}
</ul>
</main>
</body>
</html>
"""
SHOWS = re.compile(r"\bexplore\(\s*[\"'](\w+)[\"']")
BACK = '<p><a href="index.html">All demos</a></p>'


class Place(NamedTuple):
    """Where the course shows a demo."""

    stage: str  # the notebook's title
    prose: str  # of the section, markdown


def places(root: Path) -> dict[str, Place]:
    """By demo, the section of the course that shows it first."""
    found: dict[str, Place] = {}
    for path in lecture.stages(root):
        notebook = nbformat.read(path, as_version=4)
        for prose, names in _sections(notebook):
            for name in names:
                found.setdefault(name, Place(lecture.title(notebook), prose))
    return found


def _sections(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, list[str]]]:
    """Each section's prose, and the demos that its cells show."""
    prose: list[str] = []
    names: list[str] = []
    for cell in lecture.at_headings(notebook.cells):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            yield "\n\n".join(prose), names
            prose, names = [], []
        if cell.cell_type == "markdown":
            prose.append(cell.source)
        else:
            names += SHOWS.findall(cell.source)
    yield "\n\n".join(prose), names


def build(root: Path, out: Path) -> list[str]:
    """Write a page for every demo and the index below `out`; return the pages' names, in the order of the course."""
    out = fresh(out, root)
    shown = places(root)
    names = [*(name for name in shown if name in kit.names()), *(name for name in kit.names() if name not in shown)]
    for name in names:
        below = _below(shown[name].prose) if name in shown else ""
        (out / f"{name}.html").write_text(page(name, below=BACK + below), encoding="utf-8")
    cards = "\n".join(_card(name, shown.get(name)) for name in names)
    (out / "index.html").write_text(INDEX.format(cards=cards), encoding="utf-8")
    return [f"{name}.html" for name in names]


def _below(prose: str) -> str:
    made = markdown2html(maths_to_mathml(prose))
    return re.sub(r'<a class="anchor-link".*?</a>', "", made)


def _card(name: str, where: Place | None) -> str:
    image, words = kit.still(name, kit.values_of(name)) or (b"", "")
    picture = f'<img alt="{html.escape(words)}" src="data:image/png;base64,{base64.b64encode(image).decode()}">'
    stage = f"<p>{html.escape(where.stage)}</p>" if where else ""
    return f'<li><a href="{name}.html"><h2>{html.escape(kit.demo(name).TITLE)}</h2>{stage}{picture}</a></li>'


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="lvmteach demos", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/demos"), help="where the pages are made")
    args = parser.parse_args(arguments)
    pages = build(Path.cwd(), args.out)
    print(f"{len(pages)} demos: open {args.out / 'index.html'} in a browser")


if __name__ == "__main__":
    main()
