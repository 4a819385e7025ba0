"""Make `built/` of `js/`, and the stills: `make explorables`. Needs Node for npx, and Chromium for the stills.

    python -m lvmteach.classroom.explorables.bundle              both, for every demo
    python -m lvmteach.classroom.explorables.bundle NAME ...     all of built/, and the stills of these demos

`built/kit.js` is what every demo uses, `built/NAME.js` a demo. A page or a widget is given the kit and its own demos
(`kit.code`). Neither is ever edited or merged by hand: after a merge, make them anew.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lvmteach.classroom.explorables.kit import BUILT, HERE, names

ESBUILD = "esbuild@0.28.2"  # pinned: the same sources give the same bytes
OPTIONS = ("--bundle", "--format=iife", "--minify", "--charset=utf8", "--target=es2022", "--log-level=warning")
HEAD = "// Built by make explorables; never edited, never merged. Sources: "
IMPORT = re.compile(r'^import \{([^}]*)\} from "\.\./(\w+)\.js";$', re.M)


def sources(name: str, js: Path = HERE / "js") -> list[Path]:
    """What `built/NAME.js` is made of."""
    return sorted(js.glob("*.js")) if name == "kit" else [js / "demos" / f"{name}.js"]


def head(name: str, js: Path = HERE / "js") -> str:
    """The first line of a built file: a hash of everything that it is made of."""
    parts = hashlib.sha256(" ".join((ESBUILD, *OPTIONS)).encode())
    for path in sources(name, js):
        parts.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return HEAD + parts.hexdigest()


def kit_entry() -> str:
    """The module that the kit hangs on: `lvm` has what main.js exports, and every other module under its name."""
    others = [path.stem for path in sources("kit") if path.stem != "main"]
    imports = [f'import * as {name} from "{HERE / "js" / name}.js";' for name in others]
    main = f'import * as main from "{HERE / "js" / "main.js"}";'
    return "\n".join([main, *imports, f"lvm = {{ ...main, {', '.join(others)} }};"])


def demo_entry(name: str) -> str:
    """A demo as a function that the kit calls when the demo is first shown."""
    (source,) = sources(name)
    text = IMPORT.sub(lambda match: f"const {{{match[1].replace(' as ', ': ')}}} = lvm.{match[2]};", source.read_text())
    return f'lvm.define("{name}", () => {{\n{text.replace("export default ", "return ")}\n}});'


def build() -> Iterator[Path]:
    """Write the kit and every demo; yield each file."""
    entries = {"kit": kit_entry()} | {name: demo_entry(name) for name in names()}
    with tempfile.TemporaryDirectory() as folder:
        given = [Path(folder) / f"{name}.js" for name in entries]
        for path, text in zip(given, entries.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        command = ["npx", "--yes", ESBUILD, *OPTIONS, f"--outdir={folder}/out", *map(str, given)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise SystemExit(f"esbuild failed:\n{made.stderr[-3000:]}")
        BUILT.mkdir(exist_ok=True)
        for path in BUILT.glob("*.js"):
            if path.stem not in entries:
                path.unlink()
        for name in entries:
            code = (Path(folder) / "out" / f"{name}.js").read_text(encoding="utf-8")
            if name == "kit":
                code = f"var lvm;{code}"  # of the module that it stands in
            (BUILT / f"{name}.js").write_text(f"{head(name)}\n{code}", encoding="utf-8")
            yield BUILT / f"{name}.js"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="the demos whose stills are drawn; default: all")
    args = parser.parse_args(arguments)
    sizes = {path.stem: path.stat().st_size / 1e3 for path in build()}
    print(f"kit {sizes.pop('kit'):.1f} kB, demos {min(sizes.values()):.1f} to {max(sizes.values()):.1f} kB")
    from lvmteach.classroom.explorables.stills import draw  # playwright is a tool of development

    for path in draw(args.names or names()):
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
