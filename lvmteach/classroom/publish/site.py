"""The course as a static site: `make site`, or `lvmteach site`.

    python -m lvmteach.classroom.publish.site [--out build/site]

Every notebook is a page, its pictures beside it, its explorables live, its maths MathML; exercises are pages without
their solutions. Search, dark mode and the core alone work from the disk. No page asks for anything outside its folder.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from jinja2 import DictLoader
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from lvmteach.classroom.explorables import kit, place, script
from lvmteach.classroom.publish import copies, lecture
from lvmteach.classroom.publish.core import FURTHER, has_further, is_check
from lvmteach.classroom.publish.html import maths_to_mathml
from lvmteach.classroom.publish.output import fresh

WEB = Path(__file__).parent / "web"
# What stands around a page's cells. Scripts at the end: the text is there before they run.
SHELL = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title} · lvmteach</title>
<link rel="stylesheet" href="site.css">
<script>try {{ document.documentElement.dataset.theme = localStorage.getItem("theme") ?? ""; }} catch {{}}</script>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header><a href="index.html">lvmteach</a>{core}
<label>Search <input id="q" type="search" autocomplete="off" aria-controls="hits"></label>
<button id="theme" type="button" aria-pressed="false">Dark</button>
<ol id="hits" hidden></ol></header>
<div class="columns">
<nav aria-label="Pages"><details open><summary>Pages</summary>{nav}</details></nav>
<main id="main" tabindex="-1">{body}</main>
<nav aria-label="On this page" class="toc">{toc}</nav>
</div>
<script src="search.js"></script>
<script src="site.js"></script>
{script}
</body>
</html>
"""
CORE = '<button id="core" type="button" aria-pressed="false">Core only</button>'
CELLS = """\
{%- extends 'base/display_priority.j2' -%}
{%- block codecell -%}<div class="cell code">{{ super() }}</div>{%- endblock codecell -%}
{%- block input -%}{{ cell | code }}{%- endblock input -%}
{%- block output -%}<div class="out">{{ output | live or super() }}</div>{%- endblock output -%}
{%- block markdowncell -%}{{ cell.source | markdown2html | strip_files_prefix }}{%- endblock markdowncell -%}
{%- block stream_stdout -%}<pre tabindex="0">{{ output.text | ansi2html }}</pre>{%- endblock -%}
{%- block stream_stderr -%}<pre tabindex="0">{{ output.text | ansi2html }}</pre>{%- endblock -%}
{%- block data_png -%}{{ output | picture }}{%- endblock -%}
{%- block data_markdown -%}{{ output.data['text/markdown'] | maths | markdown2html }}{%- endblock -%}
{%- block data_text -%}<pre tabindex="0">{{ output.data['text/plain'] | ansi2html }}</pre>{%- endblock -%}
{%- block data_html -%}{{ output.data['text/html'] }}{%- endblock -%}
{%- block data_svg -%}{{ output.data['image/svg+xml'] }}{%- endblock -%}
{%- block data_latex -%}{{ output.data['text/latex'] }}{%- endblock -%}
{%- block data_jpg -%}{%- endblock -%}{%- block data_javascript -%}{%- endblock -%}
{%- block data_widget_view -%}{%- endblock -%}{%- block data_widget_state -%}{%- endblock -%}
"""


class Page(NamedTuple):
    """A notebook of the course, where its page lies, and what the page is called."""

    notebook: NotebookNode
    file: str
    title: str
    exercise: bool


def build(root: Path, out: Path) -> list[Path]:
    """Write the site of the course at `root` into `out`; return its pages, the index first."""
    pages = list(_pages(root))
    if not pages:
        raise SystemExit(f"no notebooks in notebooks/ below {root}: run from the project's root")
    out = fresh(out, root)
    for name in ("pictures", "downloads"):
        (out / name).mkdir()
    for path in (WEB / "site.css", WEB / "site.js", root / "notebooks" / "course_map.png"):
        if path.exists():
            shutil.copyfile(path, out / path.name)
    exporter, index, written = _exporter(out), [], []
    for page in pages:
        body = _body(page, exporter)
        index += _searchable(page, body)
        source = root / ("exercises" if page.exercise else "notebooks") / f"{_stem(page)}.ipynb"
        download = f"downloads/{Path(page.file).stem}.ipynb"
        shutil.copyfile(source, out / download)
        body += f'<p><a href="{download}" download>Download this notebook</a></p>'
        written.append(_write(out, page.file, page.title, body, pages, core=has_further(page.notebook)))
    (out / "search.js").write_text(f"window.SEARCH = {json.dumps(index, ensure_ascii=False)};", encoding="utf-8")
    return [_write(out, "index.html", "Latent variable models", _index(pages), pages), *written]


def _pages(root: Path) -> Iterator[Page]:
    for exercise, folder in ((False, "notebooks"), (True, "exercises")):
        for path in sorted((root / folder).glob("*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            name = f"exercises_{path.stem}.html" if exercise else f"{path.stem}.html"
            yield Page(notebook, name, lecture.title(notebook), exercise)


def _stem(page: Page) -> str:
    return Path(page.file).stem.removeprefix("exercises_")


def _exporter(out: Path) -> HTMLExporter:
    def picture(output: NotebookNode) -> str:
        data = base64.b64decode(output.data["image/png"])
        name = f"pictures/{hashlib.sha256(data).hexdigest()[:12]}.png"
        (out / name).write_bytes(data)
        alt = output.metadata.get("image/png", {}).get("alt") or output.data.get("text/plain", "")
        return f'<img loading="lazy" src="{name}" alt="{html.escape(alt)}">'

    def live(output: NotebookNode) -> str:
        shown = output.get("data", {}).get(kit.MARK)
        return place(shown["demo"], **shown["values"]) if shown else ""

    def code(cell: NotebookNode) -> str:
        if not cell.source.strip():
            return ""
        shown = exporter.filters_highlight(cell.source)
        if is_check(cell):
            return f'<details class="check"><summary>Check</summary>{shown}</details>'
        return f'<div class="in" tabindex="0" role="group" aria-label="Code">{shown}</div>'

    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"cells.html.j2": CELLS})],
        template_file="cells.html.j2",
        filters={"picture": picture, "live": live, "code": code, "maths": maths_to_mathml},
    )
    from nbconvert.filters.highlight import Highlight2HTML

    exporter.filters_highlight = Highlight2HTML(pygments_lexer="ipython3")
    return exporter


def _body(page: Page, exporter: HTMLExporter) -> str:
    """The cells of a notebook as HTML, its further sections inside elements of that class."""
    notebook = nbformat.v4.new_notebook(metadata=page.notebook.metadata)
    notebook.cells = list(lecture.at_headings(page.notebook.cells))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = maths_to_mathml(cell.source)
    body, _ = exporter.from_notebook_node(notebook)
    body = re.sub(r'<a class="anchor-link"[^>]*>.*?</a>', "", body)
    body = body.replace('<math display="block"', '<math tabindex="0" display="block"')  # a wide one is scrolled by keys
    parts = re.split(r'(?=<h2 id=")', body)
    mark = html.escape(FURTHER.removeprefix("## "))
    return "".join(
        f'<section class="further">{part}</section>' if re.match(rf'<h2 id="[^"]*">{mark}', part) else part
        for part in parts
    )


def _searchable(page: Page, body: str) -> Iterator[list[str]]:
    for part in re.split(r'(?=<h2 id=")', body):
        heading = re.match(r'<h2 id="([^"]+)">(.*?)</h2>', part, re.S)
        prose = " ".join(map(_plain, re.findall(r"<(?:p|li|h3)[^>]*>(.*?)</(?:p|li|h3)>", part, re.S)))
        address = page.file + (f"#{heading[1]}" if heading else "")
        yield [address, page.title, _plain(heading[2]) if heading else "", prose[:4000]]


def _plain(markup: str) -> str:
    bare = re.sub(r"<(math|script|style)\b.*?</\1>|<[^>]+>", " ", markup, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(bare)).strip()


def _write(out: Path, file: str, title: str, body: str, pages: list[Page], *, core: bool = False) -> Path:
    heads = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', body, re.S)
    toc = "".join(f'<li><a href="#{anchor}">{_plain(words)}</a></li>' for anchor, words in heads)
    whole = SHELL.format(
        title=html.escape(title),
        body=body,
        nav=_nav(pages, file),
        toc=f"<ol>{toc}</ol>" if toc else "",
        core=CORE if core else "",
        script=script(body),
    )
    (out / file).write_text(whole, encoding="utf-8")
    return out / file


def _nav(pages: list[Page], here: str = "") -> str:
    def links(exercise: bool) -> str:
        return "".join(
            f'<li><a href="{p.file}"{" aria-current=page" if p.file == here else ""}>{html.escape(p.title)}</a></li>'
            for p in pages
            if p.exercise == exercise
        )

    return f"<p>Notebooks</p><ul>{links(False)}</ul><p>Exercises</p><ul>{links(True)}</ul>"


def _index(pages: list[Page]) -> str:
    shown = '<p><img src="course_map.png" alt="The course: a panel a stage, each with the question it answers"></p>'
    return f"<h1>Latent variable models</h1>{shown}{_nav(pages)}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lvmteach site", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/site"), help="where the site is written")
    args = parser.parse_args(arguments)
    pages = build(copies.source(), args.out)
    print(f"{len(pages)} pages; open {pages[0]} in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
