"""Key frames of the demos, drawn by the demos themselves in Chromium: what a notebook shows where nothing is live."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import sync_playwright

from lvmteach.classroom.explorables import kit
from lvmteach.classroom.explorables.pages import page

SIZE = {"width": 1100, "height": 900}
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", "--font-render-hinting=none")
# The line of words is part of the picture; the controls are not, as they would promise to move.
BARE = ".lvm-controls { display: none !important; } .lvm-words { min-height: 0 !important; }"


def draw(names: Iterable[str]) -> Iterator[Path]:
    """Write the stills of some demos; yield each file."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        window = browser.new_page(viewport=SIZE, color_scheme="light")
        for name in names:
            for number, values in enumerate(kit.shown(name)):
                path = kit.still_path(name, number)
                path.unlink(missing_ok=True)
                yield _photographed(window, name, values, path)
        browser.close()


def _photographed(window, name: str, values: dict, path: Path) -> Path:
    # Without its own still, which is being made.
    window.set_content(page(name, data=kit.course_data(name), **values))
    window.wait_for_selector(".lvm-words:not(:empty)")
    window.add_style_tag(content=BARE)
    window.wait_for_timeout(200)
    if problem := window.locator(".lvm-error").text_content():
        raise RuntimeError(f"{name}: {problem}")
    image = Image.open(io.BytesIO(window.locator(".lvm-explorable").screenshot()))
    said = PngInfo()
    said.add_itxt("words", window.locator(".lvm-words").text_content())
    path.parent.mkdir(exist_ok=True)
    image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True, pnginfo=said)
    return path
