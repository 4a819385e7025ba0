"""The explorables in a browser that the tests do not drive: what `benchmarks.firefox` and `benchmarks.webkit` share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from lvmteach.classroom.explorables import kit, pages

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from test_explorables import differences, expected
from test_explorables_browser import ANSWER

SETTINGS = 40
WORDS = "document.querySelector('.lvm-words')?.textContent ?? ''"


class Window(Protocol):
    """One window of a browser."""

    async def evaluate(self, expression: str) -> str: ...

    async def open(self, path: Path) -> None: ...

    async def photograph(self) -> bytes: ...


async def differing(window: Window, name: str) -> list[str]:
    """Where a demo, open in the window, and its Python half differ."""
    some = expected(name)[:SETTINGS]
    found = json.loads(await window.evaluate(f"({ANSWER})({json.dumps([values for values, *_ in some])})"))
    wrong = [one for known, (fields, said) in zip(some, found, strict=True) for one in differences(known, fields, said)]
    if (said := await window.evaluate(WORDS)) != kit.words(name, kit.values_of(name)):
        wrong.append(f"the page says {said!r}")
    if problem := await window.evaluate("document.querySelector('.lvm-error').textContent"):
        wrong.append(problem)
    return wrong


async def compare(browser: Callable[[], AbstractAsyncContextManager[Window]], names: list[str]) -> int:
    """Hold the demos named, or all, to Python; a screenshot of each below build/; the exit status."""
    out, missed = Path("build") / browser.__name__, 0
    out.mkdir(parents=True, exist_ok=True)
    async with browser() as window:
        for name in names or kit.names():
            path = out / f"{name}.html"
            path.write_text(pages.page(name), encoding="utf-8")
            await window.open(path.resolve())
            wrong = await differing(window, name)
            (out / f"{name}.png").write_bytes(await window.photograph())
            missed += bool(wrong)
            print(f"{name}: {wrong[0] if wrong else f'{SETTINGS} settings and the words agree'}", flush=True)
    return min(missed, 1)
