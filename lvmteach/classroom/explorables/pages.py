"""Explorables outside Jupyter: a place for one on any page, and a page of its own that needs nothing beside it.

python -m lvmteach.classroom.explorables.pages NAME ...       each as build/explorables/NAME.html
"""

from __future__ import annotations

import base64
import html
import re
import sys
from pathlib import Path
from typing import Any

from lvmteach.classroom.explorables import kit
from lvmteach.classroom.explorables.packing import as_json

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ margin: 0; padding: .6rem 1rem; color: CanvasText; background: Canvas; font: 1rem/1.4 system-ui; }}
  main {{ max-width: 78rem; margin: auto; }}
  h1 {{ font-size: 1.3rem; margin: 0 0 .3rem; }}
  img {{ max-width: 100%; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
{below}
</main>
{script}
</body>
</html>
"""
PLACE = re.compile(r'<div class="lvm-place" data-demo="(\w+)"')
# Nothing may be asked of a network, not even by mistake.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def place(name: str, *, data: dict[str, Any] | None = None, in_address: bool = False, **values: Any) -> str:
    """Where a demo becomes live once the page also has `script`; until then, and without scripts, its still.

    Args:
        name: of a module of this room.
        data: what its `payload` made; the course's own by default.
        in_address: keep the values in the page's address. For one demo a page.
        values: where it starts.
    """
    given = kit.values_of(name, **values)
    blob = as_json({"data": kit.course_data(name) if data is None else data, "values": given})
    frame = kit.still(name, given) if data is None else None
    said = html.escape(frame[1] if frame else kit.words(name, given, data))
    shown = f"<p>{said}</p>"
    if frame:
        shown = f'<img alt="{said}" src="data:image/png;base64,{base64.b64encode(frame[0]).decode()}">'
    mark = " data-address" if in_address else ""
    return (
        f'<div class="lvm-place" data-demo="{name}"{mark}><script type="application/json">{blob}</script>{shown}</div>'
    )


def script(page: str) -> str:
    """What makes the places on a page live, for its end; nothing where it has none.

    Inline, since from file:// browsers load no module.
    """
    shown = sorted(set(PLACE.findall(page)))
    code = f"{kit.code(*shown)}lvm.showAll();".replace("</script", "<\\/script")
    return f'<script type="module">{code}</script>' if shown else ""


def page(name: str, *, data: dict[str, Any] | None = None, below: str = "", **values: Any) -> str:
    """A demo as one HTML file: on a phone, from the disk, without kernel or network; its values in the address."""
    title = html.escape(kit.demo(name).TITLE)
    body = place(name, data=data, in_address=True, **values)
    return PAGE.format(policy=POLICY, title=title, body=body, below=below, script=script(body))


def main(names: list[str]) -> None:
    folder = Path("build/explorables")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / f"{name}.html"
        path.write_text(page(name), encoding="utf-8")
        print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
