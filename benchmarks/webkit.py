"""The explorables in WebKit: does each say there what its Python half says?

    python -m benchmarks.webkit              every one, 40 settings each; screenshots in build/webkit/
    python -m benchmarks.webkit climb        those named

Debian's WebKitGTK, told what to do by WebDriver over HTTP (apt-get install webkit2gtk-driver xvfb). It needs a screen;
one in memory will do. Exits with 1 if a number or a word differs.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from benchmarks.browsers import WORDS, compare

PORT, SCREEN = 9334, "1300x900x24"
BROWSERS = "/usr/lib/*/webkit2gtk-4.*/MiniBrowser"


class WebKit:
    """One window of a WebKit browser."""

    def __init__(self, program: str):
        wanted = {"webkitgtk:browserOptions": {"binary": program, "args": ["--automation"]}}
        self.session = ""
        self.session = f"/{self.say('POST', '', capabilities={'alwaysMatch': wanted})['sessionId']}"

    def say(self, method: str, what: str, **params: Any) -> Any:
        """Send a command; its result.

        Raises:
            RuntimeError: WebKit refused it.
        """
        body = json.dumps(params).encode() if method == "POST" else None
        address = f"http://127.0.0.1:{PORT}/session{self.session}{what}"
        request = Request(address, body, {"Content-Type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=120) as reply:
                return json.load(reply)["value"]
        except HTTPError as refused:
            raise RuntimeError(f"{what}: {refused.read().decode()[:500]}") from None

    async def evaluate(self, expression: str) -> str:
        return self.say("POST", "/execute/sync", script=f"return {expression}", args=[])

    async def open(self, path: Path) -> None:
        """Go to a demo's page, and wait until it has said something."""
        self.say("POST", "/url", url=path.as_uri())
        while not await self.evaluate(WORDS):
            await asyncio.sleep(0.1)

    async def photograph(self) -> bytes:
        return base64.b64decode(self.say("GET", "/screenshot"))


@asynccontextmanager
async def webkit() -> AsyncIterator[WebKit]:
    """WebKit on a screen of its own."""
    programs = sorted(map(str, Path("/").glob(BROWSERS.lstrip("/"))))
    if not programs or not all(map(shutil.which, ("WebKitWebDriver", "Xvfb"))):
        raise SystemExit("no WebKit, or no screen for it; install both: apt-get install webkit2gtk-driver xvfb")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(["Xvfb", ":97", "-screen", "0", SCREEN, "-nolisten", "tcp"], **quiet) as screen:
        own = {"DISPLAY": ":97", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1", "PATH": "/usr/bin:/bin"}
        with subprocess.Popen(["WebKitWebDriver", f"--port={PORT}", "--host=127.0.0.1"], env=own, **quiet) as driver:
            try:
                one = _begun(programs[-1])
                yield one
                one.say("DELETE", "")
            finally:
                driver.terminate()
                screen.terminate()


def _begun(program: str) -> WebKit:
    for _ in range(60):
        with suppress(URLError):  # the driver does not listen yet
            return WebKit(program)
        time.sleep(0.5)
    raise SystemExit("WebKitWebDriver did not answer within half a minute")


if __name__ == "__main__":
    sys.exit(asyncio.run(compare(webkit, sys.argv[1:])))
