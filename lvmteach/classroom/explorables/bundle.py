"""Make `explorables.js` of `js/`, and the stills: `make explorables`. Needs Node for npx, and Chromium for the stills.

    python -m lvmteach.classroom.explorables.bundle              both, for every demo
    python -m lvmteach.classroom.explorables.bundle NAME ...     the bundle, and the stills of these demos

Neither is ever edited or merged by hand: after a merge, make them anew.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
from pathlib import Path

from lvmteach.classroom.explorables.kit import BUNDLE, HERE, names

ESBUILD = "esbuild@0.28.2"  # pinned: the same sources give the same bytes
OPTIONS = ("--bundle", "--format=esm", "--minify", "--charset=utf8", "--target=es2022", "--log-level=warning")
HEAD = "// Built from js/ by make explorables; never edited, never merged. Sources: "


def entry() -> str:
    """The module that all others hang on: every file of demos/ under its name."""
    imports = [f'import {name} from "./demos/{name}.js";' for name in names()]
    return "\n".join(
        ['import { open } from "./main.js";', *imports, f"export default open({{ {', '.join(names())} }});"]
    )


def head(sources: Path = HERE / "js") -> str:
    """The first line of the bundle: a hash of everything that it is built from."""
    parts = hashlib.sha256(" ".join((ESBUILD, *OPTIONS)).encode())
    for path in sorted(sources.rglob("*.js")):
        parts.update(path.relative_to(sources).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return HEAD + parts.hexdigest()


def build() -> None:
    """Write the bundle."""
    made = subprocess.run(
        ["npx", "--yes", ESBUILD, *OPTIONS], input=entry(), cwd=HERE / "js", capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise SystemExit(f"esbuild failed:\n{made.stderr[-3000:]}")
    BUNDLE.write_text(f"{head()}\n{made.stdout}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="the demos whose stills are drawn; default: all")
    args = parser.parse_args(arguments)
    build()
    print(f"{BUNDLE.name}: {BUNDLE.stat().st_size / 1024:.1f} KiB")
    from lvmteach.classroom.explorables.stills import draw  # playwright is a tool of development

    for path in draw(args.names or names()):
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
