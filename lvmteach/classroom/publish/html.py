"""A notebook as one HTML page that needs no network: pictures inside, maths as MathML."""

from __future__ import annotations

import re

import latex2mathml.converter
from nbconvert import HTMLExporter
from nbformat import NotebookNode

# Code spans and fences first, so that a dollar inside them stays a dollar. Inline maths may go on in the next line of
# its paragraph, as in JupyterLab.
_CODE_OR_MATHS = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<display>.+?)\$\$"
    r"|(?<![\\$\w])\$(?P<inline>(?:[^$\n]|\n(?!\s*\n))+?)\$(?![\w$])",
    re.DOTALL,
)
# nbconvert's own prompts, numbers, comments and operators are too pale to be read by all: below 4.5 to 1.
CONTRAST = """
body { --jp-cell-prompt-not-active-opacity: 1; --jp-cell-prompt-not-active-font-color: #595959;
  --jp-mirror-editor-number-color: #006b00; --jp-mirror-editor-comment-color: #33696b;
  --jp-mirror-editor-operator-color: #8a1fd1; }
.jp-InputPrompt, .jp-OutputPrompt { color: #595959; opacity: 1; }
.highlight .mf, .highlight .mi, .highlight .mh, .highlight .mo, .highlight .mb { color: #006b00; }
.highlight .c, .highlight .c1, .highlight .cm { color: #33696b; }
.highlight .o, .highlight .ow { color: #8a1fd1; }
"""
# What the converter reads only in its long form: \mathbb E as \mathbb{E}, aligned as align*.
_BARE_LETTER = re.compile(r"(\\(?:mathcal|mathbb|mathbf|boldsymbol))\s*([A-Za-z0-9]|\\[A-Za-z]+)")


def to_html(notebook: NotebookNode, title: str) -> str:
    """The page as text. Nothing in it is fetched when it is opened."""
    page = notebook.copy()
    page.cells = [cell.copy() for cell in notebook.cells]
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = maths_to_mathml(cell.source)
    exporter = HTMLExporter(mathjax_url="", require_js_url="", jquery_url="", widget_renderer_url="", mermaid_js_url="")
    body, _ = exporter.from_notebook_node(page, resources={"metadata": {"name": title}})
    return body.replace("</head>", f"<style>{CONTRAST}</style>\n</head>", 1)


def maths_to_mathml(markdown: str) -> str:
    """Replace $...$ and $$...$$ by MathML, which browsers lay out themselves."""

    def convert(match: re.Match) -> str:
        if match["code"]:
            return match["code"]
        display = match["display"] is not None
        latex = (match["display"] if display else match["inline"]).strip()
        latex = _BARE_LETTER.sub(r"\1{\2}", latex).replace("{aligned}", "{align*}").replace(r"\mathbb{1}", r"\text{𝟙}")
        return latex2mathml.converter.convert(latex, display="block" if display else "inline").replace("\n", "")

    return _CODE_OR_MATHS.sub(convert, markdown)
