"""The lecture demos alone, code hidden, in a browser: `make demos`.

    python -m lvmteach.classroom.publish.demo_pages          make the pages below build/demos, serve and open them

Each page is the lecture demo of one notebook (`lecture.demo`), run by Voila in a kernel of its own; the index shows the
key frame of each. Everything is served on loopback behind a token and comes from this machine.
"""

from __future__ import annotations

import argparse
import html
from pathlib import Path

import nbformat

from lvmteach.classroom.publish import lecture
from lvmteach.classroom.publish.html import maths_to_mathml
from lvmteach.classroom.publish.notebooks import stamp
from lvmteach.classroom.publish.output import fresh

SETTINGS = (
    "--Voila.ip=127.0.0.1", "--Voila.auto_token=True", "--VoilaConfiguration.classic_tree=True",
    "--VoilaConfiguration.extension_denylist=['jupyterlab-jupytext']",
    "--VoilaConfiguration.preheat_kernel=True", "--VoilaConfiguration.default_pool_size=0",
)  # fmt: skip

# Voila's own pages link to a font on the web; these two ask for nothing beyond the server.
PAGE_TEMPLATE = """\
{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}
{{ resources.include_js("static/voila-style.js") }}
{{ spinner.css() }}
<style>
  .jp-mod-noOutputs.jp-mod-noInput { display: none; }
</style>
{{ super.super() }}
<style>
  :root { --jp-content-font-size1: 18px; --jp-ui-font-size1: 16px; }
  :root { --jp-widgets-font-size: 16px; --jp-code-font-size: 17px; }
  body { background: white; }
  #rendered_cells { max-width: 84rem; margin: auto; padding: 0 1.5rem 2rem; }
  .jp-InputPrompt, .jp-OutputPrompt { display: none; }
  .jp-RenderedHTMLCommon h1 { font-size: 1.9rem; margin: 0.6rem 0 0.4rem; }
  .lvm-picture img { max-height: 68vh; }
  .lvm-explore .widget-play button { padding: 2px 6px; text-overflow: clip; }
  .lvm-back { position: fixed; top: 0.6rem; right: 1.2rem; font: 16px sans-serif; z-index: 9; color: #0072B2; }
</style>
{%- endblock notebook_css -%}
{%- block body_header -%}
{{ super() }}
<a class="lvm-back" href="{{ resources.base_url }}">All demos</a>
{%- endblock body_header -%}
"""

INDEX_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<link rel="icon" href="data:,">
<title>lvmteach: lecture demos</title>
<style>
  body { font: 18px/1.4 system-ui, sans-serif; max-width: 84rem; margin: 1.5rem auto; padding: 0 1.5rem; color: #222; }
  main { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 1.2rem; }
  main a { border: 1px solid #bbb; border-radius: 6px; padding: 0.8rem 1rem; color: inherit; text-decoration: none; }
  main a:hover, main a:focus { border-color: #0072B2; outline: 2px solid #0072B2; }
  h2 { font-size: 1.15rem; margin: 0 0 0.6rem; }
  img { width: 100%; height: 11rem; object-fit: contain; object-position: left; }
</style>
</head>
<body>
<h1>Lecture demos</h1>
<main>
@CARDS@
</main>
</body>
</html>
"""


def build(root: Path, out: Path) -> list[str]:
    """Write the demos' notebooks, and the two templates, below `out`; return the names of the pages.

    A notebook without the section has no page.
    """
    out = fresh(out, root)
    pages, templates = out / "pages", out / "templates"
    pages.mkdir(parents=True)
    templates.mkdir()
    cards = []
    for path in lecture.stages(root):
        notebook = nbformat.read(path, as_version=4)
        if not lecture.section(notebook):
            continue
        cards.append(_card(path.name, notebook))
        nbformat.write(_page(path.stem, notebook), pages / path.name)
    (templates / "index.html.j2").write_text(PAGE_TEMPLATE, encoding="utf-8")
    (templates / "tree.html").write_text(INDEX_TEMPLATE.replace("@CARDS@", "\n".join(cards)), encoding="utf-8")
    return sorted(path.name for path in pages.glob("*.ipynb"))


def _page(name: str, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    page = lecture.demo(notebook)
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = maths_to_mathml(cell.source)  # laid out by the browser, without a script from the web
    stamp(page, f"demos/{name}")
    return page


def _card(name: str, notebook: nbformat.NotebookNode) -> str:
    image, words = lecture.picture(notebook) or ("", "")
    shown = f'<img alt="{html.escape(words)}" src="data:image/png;base64,{image}">' if image else ""
    # The template is jinja's: {% raw %} keeps what stands in a title from being read as its code.
    inside = f"{{% raw %}}<h2>{html.escape(lecture.title(notebook))}</h2>{shown}{{% endraw %}}"
    return f'<a href="{{{{ base_url }}}}voila/render/{name}">{inside}</a>'


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m lvmteach.classroom.publish.demo_pages", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--out", type=Path, default=Path("build/demos"), help="where the pages are made")
    args, voila = parser.parse_known_args(arguments)
    if not build(Path.cwd(), args.out):
        raise SystemExit(f"no lecture demo in notebooks/ below {Path.cwd()}: run from the project's root")
    try:
        from lvmteach.classroom.publish.voila_server import Server
    except ImportError as problem:
        raise SystemExit(
            f"the demos are served by Voila ({problem}); pip install -e '.[demos]', or say make demos"
        ) from None
    Server.templates = args.out / "templates"
    # What is left of the command line is Voila's: --no-browser, --port=8866.
    Server.launch_instance([str(args.out / "pages"), *SETTINGS, *voila])


if __name__ == "__main__":
    main()
