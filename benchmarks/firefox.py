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

from benchmarks.browsers import WORDS, compare

PORT, SCREEN = 9333, {"width": 1280, "height": 720}


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


if __name__ == "__main__":
    sys.exit(asyncio.run(compare(firefox, sys.argv[1:])))
