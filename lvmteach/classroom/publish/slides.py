"""Notebooks as slides that need no network: `make slides`.

    python -m lvmteach.classroom.publish.slides             every notebook, as build/slides/NAME.html, and an index
    python -m lvmteach.classroom.publish.slides 03 08       those whose names begin so
    python -m lvmteach.classroom.publish.slides --core      the cores of 45 minutes alone

reveal.js comes from the package `pyreveal` (the extra `slides`) and is copied beside the slides; maths is MathML, which
browsers lay out themselves. Cells that only compare, for the tests, are left out. A section goes to the right, its
cells downwards; S opens the speaker's window with notes.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbconvert import SlidesExporter
from nbformat import NotebookNode

from lvmteach.classroom.explorables import kit, place, script
from lvmteach.classroom.publish import lecture
from lvmteach.classroom.publish.core import core, is_check
from lvmteach.classroom.publish.html import maths_to_mathml
from lvmteach.classroom.publish.notebooks import HINT
from lvmteach.classroom.publish.output import fresh

LINES, WIDTH = 18, 95  # what a slide holds, about; more goes to the next one
NOTE = -1  # the height of what is for the speaker
REVEAL = (
    "dist/reveal.js",
    "dist/reveal.css",
    "dist/reset.css",
    "dist/theme/white.css",
    "dist/plugin/notes.js",
    "LICENSE",
)

TEMPLATE = """\
{%- extends 'reveal/index.html.j2' -%}
{%- block html_head_js -%}
<link rel="icon" href="data:,">
{%- endblock html_head_js -%}
{%- block html_head_js_mathjax -%}{%- endblock html_head_js_mathjax -%}
{%- block jupyter_widgets -%}{%- endblock jupyter_widgets -%}
{%- block html_head_css -%}
<style>
  .reveal { font-size: 26px; }
  .reveal .slides section { text-align: left; }
  .reveal h1 { font-size: 2em; } .reveal h2 { font-size: 1.5em; } .reveal h3 { font-size: 1.2em; }
  .reveal h1, .reveal h2, .reveal h3 { text-transform: none !important; letter-spacing: normal; }
  :root { --jp-content-font-size1: 24px; --jp-code-font-size: 20px; --jp-cell-prompt-width: 0px; }
  .jp-InputPrompt, .jp-OutputPrompt, .jp-InputCollapser, .jp-OutputCollapser { display: none; }
  .reveal .jp-OutputArea-output img { display: block; margin: 0 auto; max-width: 100%; max-height: 620px;
    width: auto; height: 620px; object-fit: contain; }
  .reveal .lvm-place { height: 650px; --lvm-tall: 490px; }
  .reveal .lvm-place .lvm-explorable { font-size: 20px; }
  .reveal pre { width: 100%; margin: 0; box-shadow: none; font-size: var(--jp-code-font-size); }
  .reveal pre, .reveal .highlight pre { white-space: pre-wrap; overflow-wrap: anywhere; box-sizing: border-box; }
  .reveal table { font-size: 0.85em; margin: 0; }
  .reveal .slide-number { background-color: #333; }
</style>
{%- endblock html_head_css -%}
{%- block footer_js -%}
<script src="reveal/dist/reveal.js"></script>
<script src="reveal/dist/plugin/notes.js"></script>
<script>
  // What is too tall for its slide is made smaller, once it is there to be measured.
  const fit = () => {
    for (const slide of document.querySelectorAll(".slides section:not(.stack)")) {
      slide.style.zoom = 1;
      // reveal.js hides what is far from the slide shown, a whole column at once: hidden, it measures zero.
      const hidden = [slide, slide.closest(".stack")].filter(Boolean), shown = hidden.map((one) => one.style.display);
      hidden.forEach((one) => { one.style.display = "block"; });
      slide.style.zoom = Math.min(1, HEIGHT / slide.scrollHeight, WIDTH / slide.scrollWidth);
      hidden.forEach((one, i) => { one.style.display = shown[i]; });
    }
  };
  const WIDTH = 1280, HEIGHT = 700;
  Reveal.initialize({
    controls: true, progress: true, hash: true, slideNumber: "h.v", transition: "none", center: false,
    width: WIDTH, height: 720, margin: 0.02, plugins: [RevealNotes],
  }).then(() => document.fonts.ready).then(() => { fit(); Reveal.layout(); window.slidesReady = true; });
</script>
{%- endblock footer_js -%}
"""

INDEX = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><link rel="icon" href="data:,"><title>lvmteach: slides</title>
<style>body {{ font: 1.4rem/1.8 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; }}</style></head>
<body><h1>Slides</h1>
<p>Arrows: on and back; S: speaker's window; Esc: all slides; F: the whole screen.</p>
<ul>
{}
</ul></body></html>
"""


def build(root: Path, out: Path, names: list[str], *, core_only: bool = False) -> list[Path]:
    """Write the notebooks that begin with one of `names` (or all) as slides, reveal.js beside them; return the pages.

    Args:
        core_only: leave the further sections out.

    Raises:
        SystemExit: no such notebook, or reveal.js is not installed.
    """
    chosen = [p for p in lecture.stages(root) if not names or any(p.stem.startswith(name) for name in names)]
    if not chosen:
        raise SystemExit(f"no notebook of {', '.join(names) or 'the course'} below {root}: run from the project's root")
    out = fresh(out, root, keep=True)
    copy_reveal(out / "reveal")
    for picture in (root / "notebooks").glob("*.png"):
        shutil.copy(picture, out)
    pages = []
    for path in chosen:
        pages.append(out / f"{path.stem}.html")
        notebook = nbformat.read(path, as_version=4)
        pages[-1].write_text(to_slides(core(notebook) if core_only else notebook), encoding="utf-8")
    links = [
        f'<li><a href="{p.name}">{html.escape(p.stem.replace("_", " "))}</a></li>'
        for p in sorted(out.glob("??_*.html"))
    ]
    (out / "index.html").write_text(INDEX.format("\n".join(links)), encoding="utf-8")
    return pages


def copy_reveal(target: Path) -> None:
    """Put the parts of reveal.js that the slides use into `target`."""
    package = find_spec("pyreveal")
    if package is None:
        raise SystemExit("reveal.js comes with pyreveal; pip install -e '.[slides]', or say make slides")
    source = Path(package.origin).parent / "revealjs"
    for name in REVEAL:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, target / name)


def to_slides(notebook: NotebookNode) -> str:
    """The notebook as one page of slides, pictures inside. Nothing is fetched but the files of `reveal/` beside it."""
    deck = nbformat.v4.new_notebook(metadata={**notebook.metadata, "title": lecture.title(notebook)})
    deck.cells = list(slides(notebook))
    exporter = SlidesExporter(
        extra_loaders=[DictLoader({"slides.html.j2": TEMPLATE})],
        template_file="slides.html.j2",
        reveal_url_prefix="reveal",
        reveal_theme="white",
    )
    body, _ = exporter.from_notebook_node(deck)
    return body.replace("</body>", f"{script(body)}\n</body>")


def slides(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Cells that say where they stand: a section begins a slide to the right, its cells fill that and others below it.

    A picture has a slide to itself, after the code that makes it, so that one can ask first.
    """
    room = 0
    for cell, height in _pieces(notebook):
        begins = re.match(r"#{1,2} ", cell.source) and cell.cell_type == "markdown"
        if height == NOTE:
            where = "notes"
        elif begins:
            where, room = "slide", LINES - height
        elif height > room:
            where, room = "subslide", LINES - height
        else:
            where, room = "-", room - height
        cell.metadata["slideshow"] = {"slide_type": where}
        yield cell


def _pieces(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, int]]:
    """Parts of cells, and how many lines each takes."""
    for cell in lecture.at_headings(notebook.cells):
        if cell.cell_type == "markdown":
            shown, notes = lecture.split_notes(cell.source.replace(HINT, ""))
            for part in in_parts(shown):
                yield nbformat.v4.new_markdown_cell(maths_to_mathml(part)), _height(part)
            for note in notes:
                yield nbformat.v4.new_markdown_cell(maths_to_mathml(note)), NOTE
        elif not is_check(cell) and not (lecture.LIVE.search(cell.source) and not _picture(cell)):
            yield from _code(cell)


def _code(cell: NotebookNode) -> Iterator[tuple[NotebookNode, int]]:
    code = 1 + cell.source.count("\n")
    if _picture(cell):
        yield nbformat.v4.new_code_cell(cell.source), code
        below = nbformat.v4.new_code_cell("", outputs=[_live(output) for output in cell.outputs])
        below.metadata["transient"] = {"remove_source": True}
        yield below, LINES
    else:
        printed = sum(str(output.get("text", " ")).count("\n") + 1 for output in cell.outputs)
        yield nbformat.v4.new_code_cell(cell.source, outputs=cell.outputs), code + printed


def _live(output: NotebookNode) -> NotebookNode:
    """An explorable's key frame becomes the explorable; anything else stays as it is."""
    shown = output.get("data", {}).get(kit.MARK)
    if shown is None:
        return output
    return nbformat.v4.new_output("display_data", {"text/html": place(shown["demo"], **shown["values"])})


def _picture(cell: NotebookNode) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def in_parts(markdown: str) -> list[str]:
    """Prose in parts that fit a slide, cut between paragraphs, never inside code or before what a heading announces."""
    parts, room = [], 0
    for block in _blocks(markdown):
        lines = _lines(block)
        if parts and (lines <= room or _is_heading(parts[-1][-1])):
            parts[-1].append(block)
        else:
            parts.append([block])
            room = LINES
        room -= lines
    return ["\n\n".join(part) for part in parts]


def _blocks(markdown: str) -> list[str]:
    return re.findall(r"```.*?```|[^\n]+(?:\n(?!\s*\n)[^\n]*)*", markdown.strip(), re.S)


def _is_heading(block: str) -> bool:
    return block.startswith("#") and "\n" not in block


def _height(markdown: str) -> int:
    return sum(_lines(block) for block in _blocks(markdown))


def _lines(block: str) -> int:
    """Lines on the slide, about, with the space below."""
    if block.startswith("$$"):
        return 3
    if block.startswith(("|", "```", "-", "1.")):
        return 1 + sum(1 + len(line) // WIDTH for line in block.split("\n"))
    return 2 + len(block) // WIDTH


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="lvmteach slides", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="the start of notebooks' names (08); default: all")
    parser.add_argument("--out", type=Path, default=Path("build/slides"), help="where the slides are written")
    parser.add_argument("--core", action="store_true", help="the cores alone, without what is marked Further")
    args = parser.parse_args(arguments)
    for page in build(Path.cwd(), args.out, args.names, core_only=args.core):
        print(page)
    print(f"open {args.out / 'index.html'} in a browser")


if __name__ == "__main__":
    main()
