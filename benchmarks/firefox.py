"""The explorables in Firefox: does each say there what its Python half says?

    python -m benchmarks.firefox              every one, 40 settings each; screenshots in build/firefox/
    python -m benchmarks.firefox climb        those named

Chromium is driven by the tests. Firefox as distributions ship it speaks WebDriver BiDi, for which a socket is enough.
Exits with 1 if a number or a word differs.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

from lvmteach.classroom.explorables import kit, pages

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from test_explorables import differences, expected
from test_explorables_browser import ANSWER

PORT, SETTINGS, SCREEN = 9333, 40, {"width": 1280, "height": 720}
WORDS = "document.querySelector('.lvm-words')?.textContent ?? ''"


class Firefox:
    """One window of Firefox, told what to do over a socket."""

    def __init__(self, socket: WebSocketClientConnection):
        self.socket, self.count, self.window = socket, 0, ""

    async def begin(self) -> None:
        await self.say("session.new", capabilities={})
        self.window = (await self.say("browsingContext.getTree"))["contexts"][0]["context"]
        await self.say("browsingContext.setViewport", context=self.window, viewport=SCREEN)

    async def say(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command; its result.

        Raises:
            RuntimeError: Firefox refused it.
        """
        self.count += 1
        await self.socket.write_message(json.dumps({"id": self.count, "method": method, "params": params}))
        while (reply := json.loads(await self.socket.read_message())).get("id") != self.count:
            pass  # an event
        if reply["type"] == "error":
            raise RuntimeError(f"{method}: {reply['message']}")
        return reply["result"]

    async def evaluate(self, expression: str) -> str:
        where = {"context": self.window}
        found = await self.say("script.evaluate", expression=expression, target=where, awaitPromise=True)
        if found["type"] != "success":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return found["result"]["value"]

    async def open(self, path: Path) -> None:
        """Go to a demo's page, and wait until it has said something."""
        await self.say("browsingContext.navigate", context=self.window, url=path.as_uri(), wait="complete")
        while not await self.evaluate(WORDS):
            await asyncio.sleep(0.1)

    async def photograph(self) -> bytes:
        shot = await self.say("browsingContext.captureScreenshot", context=self.window)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def firefox() -> AsyncIterator[Firefox]:
    """Firefox with a profile of its own."""
    if not (program := shutil.which("firefox-esr") or shutil.which("firefox")):
        raise SystemExit("there is no firefox; install it (apt-get install firefox-esr)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, "--headless", "--no-remote", "--profile", profile, f"--remote-debugging-port={PORT}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            one = Firefox(await _connected())
            await one.begin()
            yield one
        finally:
            process.terminate()
            process.wait(20)


async def _connected() -> WebSocketClientConnection:
    for _ in range(120):
        try:
            return await websocket_connect(f"ws://127.0.0.1:{PORT}/session", max_message_size=2**27)
        except OSError:
            await asyncio.sleep(0.5)
    raise SystemExit("firefox did not open its port within a minute")


async def differing(window: Firefox, name: str) -> list[str]:
    """Where a demo, open in the window, and its Python half differ."""
    some = expected(name)[:SETTINGS]
    found = json.loads(await window.evaluate(f"({ANSWER})({json.dumps([values for values, *_ in some])})"))
    wrong = [one for known, (fields, said) in zip(some, found, strict=True) for one in differences(known, fields, said)]
    if (said := await window.evaluate(WORDS)) != kit.words(name, kit.values_of(name)):
        wrong.append(f"the page says {said!r}")
    if problem := await window.evaluate("document.querySelector('.lvm-error').textContent"):
        wrong.append(problem)
    return wrong


async def main(names: list[str]) -> int:
    out, missed = Path("build/firefox"), 0
    out.mkdir(parents=True, exist_ok=True)
    async with firefox() as window:
        for name in names or kit.names():
            path = out / f"{name}.html"
            path.write_text(pages.page(name), encoding="utf-8")
            await window.open(path.resolve())
            wrong = await differing(window, name)
            (out / f"{name}.png").write_bytes(await window.photograph())
            missed += bool(wrong)
            print(f"{name}: {wrong[0] if wrong else f'{SETTINGS} settings and the words agree'}", flush=True)
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
