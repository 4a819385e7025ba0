"""JupyterLab in headless Chromium, driven as a lecturer would: open a notebook, run it, drag what moves.

Nothing here knows a demo. JupyterLab runs on loopback with a token and settings of its own; every request that the
page makes is recorded.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Browser, Locator, sync_playwright

CHROMIUM_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
SERVER_SETTINGS = (
    "--ServerApp.ip=127.0.0.1", "--ServerApp.open_browser=False", "--ServerApp.port=0",
    "--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.extension_manager=readonly",
)  # fmt: skip
PROJECTOR = {"width": 1280, "height": 720}
LOOPBACK = ("127.0.0.1", "localhost", "::1")

# Every picture that comes is hashed once it is on screen; the moments of the mouse and of the pictures are kept.
WATCH = """
window.lvm = { moved: 0, frames: [] };
for (const kind of ["pointermove", "pointerdown"])
  document.addEventListener(kind, () => { window.lvm.moved = performance.now(); }, true);
const painted = () => {
  const channel = new MessageChannel();  // its message comes after the frame has been painted
  channel.port1.onmessage = () => window.lvm.frames.push(performance.now());
  channel.port2.postMessage(0);
};
document.addEventListener("load", (event) => {
  const img = event.target;
  if (img.tagName === "IMG" && img.closest(".lvm-picture")) requestAnimationFrame(painted);
}, true);
document.addEventListener("lvm-drawn", painted, true);  // an explorable draws within a frame
"""
# What has been sent to the kernel by a widget and not been dealt with, whichever thread of the kernel does it.
PENDING = """() => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  window.lvm.pending = new Set();
  kernel.anyMessage.connect((_, { msg, direction }) => {
    if (direction === "send" && msg.header.msg_type === "comm_msg") window.lvm.pending.add(msg.header.msg_id);
    if (direction === "recv" && msg.header.msg_type === "status" && msg.content.execution_state === "idle")
      window.lvm.pending.delete(msg.parent_header.msg_id);
  });
}"""
PIXELS = """async (img) => {
  await img.decode();
  const canvas = document.createElement("canvas");
  canvas.width = img.naturalWidth; canvas.height = img.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(img, 0, 0);
  const bytes = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(hash)).join(" ");
}"""
FIRST_FIGURE = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
  for (let i = 0; i < cells.length; i++)
    for (const output of (cells.get(i).toJSON().outputs ?? []))
      if (output.data && "image/png" in output.data) return i;
  return -1;
}"""
KERNEL = """() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel ? [kernel.connectionStatus, kernel.status] : ["none", "none"];
}"""


def chromium() -> str | None:
    """Chromium on this machine: the variable CHROMIUM, or the first of its usual names on the path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def server(folder: Path, home: Path, **environment: str) -> Iterator[str]:
    """JupyterLab on `folder`; its address, token included. Its settings and run-time files stay below `home`."""
    token = secrets.token_hex(16)
    settings = home / "config/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    command = [sys.executable, "-m", "jupyterlab", *SERVER_SETTINGS, f"--IdentityProvider.token={token}", str(folder)]
    with (home / "jupyterlab.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **own, **environment}, start_new_session=True
        )
    try:
        yield f"{_address(process, home)}lab?token={token}"
    finally:
        process.terminate()  # the server shuts its kernels down
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _address(process: subprocess.Popen, home: Path) -> str:
    told = home / "runtime" / f"jpserver-{process.pid}.json"
    for _ in range(600):
        if process.poll() is not None:
            break
        if told.exists() and (text := told.read_text()):
            return json.loads(text)["url"]
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{(home / 'jupyterlab.log').read_text()[-3000:]}")


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium; one at a time."""
    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        try:
            yield chrome
        finally:
            chrome.close()


class Lab:
    """A notebook in JupyterLab on a page of its own, and all that the page asked of a network."""

    def __init__(self, chrome: Browser, url: str, size: dict[str, int] = PROJECTOR):
        self.page, self.url = (page := chrome.new_page(viewport=size)), url
        self.requests: list[str] = []
        self.console_errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.add_init_script(WATCH)

    def beyond_loopback(self) -> list[str]:
        """The requests that left the machine, or would have."""
        inside = ("data", "blob", "about", "chrome")
        parts = [(url, urlsplit(url)) for url in self.requests]
        return [url for url, part in parts if part.scheme not in inside and part.hostname not in LOOPBACK]

    def open(self, notebook: str) -> None:
        """Show a notebook alone (no side bars), and wait until its kernel is connected: what is sent before is lost."""
        root, _, query = self.url.partition("?")
        self.page.goto(f"{root.removesuffix('lab')}doc/tree/{notebook}?{query}&reset")
        self.page.wait_for_function(f'() => JSON.stringify(({KERNEL})()) === \'["connected","idle"]\'', timeout=60_000)
        self.page.evaluate(PENDING)

    def run_all(self, timeout: float = 120) -> None:
        """Run every cell and wait until the last is done.

        Raises:
            AssertionError: a cell ended with an error.
        """
        self.start_all()
        self.finish(timeout)

    def start_all(self) -> None:
        """Run every cell; do not wait."""
        self.page.evaluate("() => { window.lvmDone = window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def finish(self, timeout: float = 120) -> None:
        """Wait until the run that `start_all` began is over."""
        self.page.set_default_timeout(1000 * timeout)
        self.page.evaluate("async () => { await window.lvmDone; }")
        self.page.set_default_timeout(30_000)
        assert not (errors := self.errors()), errors

    def wait_for_cell(self, number: int, timeout: float = 60) -> None:
        """Wait until the code cell that is the notebook's `number`-th, counted from 1, has begun to run.

        JupyterLab marks a cell with * when it is sent, so what is waited for is the end of the one before it.
        """
        before = """(number) => window.jupyterapp.shell.currentWidget.content.model.cells.get(number - 2)
                     .executionCount !== null"""
        self.page.wait_for_function(before, arg=number, timeout=1000 * timeout)

    def wait_for_figure(self, timeout: float = 120) -> None:
        """Wait until some cell has put out a picture, go there, and wait until it is on screen."""
        self.page.wait_for_function(f"() => ({FIRST_FIGURE})() >= 0", timeout=1000 * timeout)
        self.page.evaluate(f"() => window.jupyterapp.shell.currentWidget.content.scrollToItem(({FIRST_FIGURE})())")
        picture = self.page.locator(".jp-OutputArea-output img").first
        picture.wait_for(state="visible", timeout=30_000)
        picture.evaluate("(img) => img.decode()")

    def errors(self) -> list[str]:
        """Error outputs of cells, and what widgets show in red."""
        outputs = """() => {
          const cells = window.jupyterapp.shell.currentWidget.content.model.cells, found = [];
          for (let i = 0; i < cells.length; i++)
            for (const output of (cells.get(i).toJSON().outputs ?? []))
              if (output.output_type === "error") found.push(output.ename + ": " + output.evalue);
          return found;
        }"""
        shown = [one for one in self.page.locator(".lvm-error").all_text_contents() if one]
        return self.page.evaluate(outputs) + shown + self.console_errors

    def busy(self, number: int) -> bool:
        """Whether the notebook's `number`-th cell, counted from 1, is running: begun and not ended."""
        cell = """(number) => {
          const cell = window.jupyterapp.shell.currentWidget.content.model.cells.get(number - 1);
          return [cell.executionState, cell.executionCount];
        }"""
        return self.page.evaluate(cell, number) == ["running", None]

    def explorations(self) -> list[Locator]:
        """The live demos on the page, in order."""
        return self.page.locator(".lvm-explore").all()

    def explorables(self) -> list[Locator]:
        """The demos on the page that compute in it, in order."""
        return self.page.locator(".lvm-explorable").all()

    def ask(self, expression: str) -> str:
        """The representation of a Python expression in the notebook's kernel, once it is idle."""
        told = """async (it) => {
          const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
          const reply = await kernel.requestExecute({ code: "", user_expressions: { it } }).done;
          return reply.content.user_expressions.it;
        }"""
        found = self.page.evaluate(told, expression)
        assert found["status"] == "ok", found
        return found["data"]["text/plain"]

    def pixels(self, exploration: Locator) -> str:
        """What the exploration's picture shows, as a hash of its pixels."""
        return exploration.locator(".lvm-picture img").evaluate(PIXELS)

    def frames(self) -> int:
        """How many pictures have been painted since the page was opened."""
        return self.page.evaluate("() => window.lvm.frames.length")

    def wait_for_frame(self, seen: int, timeout: float = 5) -> None:
        """Wait for a picture after the first `seen` ones."""
        self.page.wait_for_function("(seen) => window.lvm.frames.length > seen", arg=seen, timeout=1000 * timeout)

    def latency(self) -> float:
        """Milliseconds from the latest movement of the mouse to the latest picture on screen."""
        return self.page.evaluate("() => window.lvm.frames.at(-1) - window.lvm.moved")

    def show(self, exploration: Locator) -> None:
        """Bring an exploration into view, its picture included, and let the page come to rest."""
        exploration.locator(".lvm-picture").scroll_into_view_if_needed()
        exploration.evaluate("(box) => box.scrollIntoView({ block: 'center' })")
        self.settle()

    def drag_slider(self, slider: Locator, shares: list[float], each: Callable[[], None] = lambda: None) -> None:
        """Take a slider's handle and move it to `shares` of the way in turn; call `each` after every move."""
        track, handle = (slider.locator(part).bounding_box() for part in (".noUi-base", ".noUi-handle"))
        y = handle["y"] + handle["height"] / 2
        self.page.mouse.move(handle["x"] + handle["width"] / 2, y)
        self.page.mouse.down()
        for share in shares:
            self.page.mouse.move(track["x"] + share * track["width"], y)
            each()
        self.page.mouse.up()

    def drag_picture(
        self, exploration: Locator, places: list[tuple[float, float]], each: Callable[[], None] = lambda: None
    ) -> None:
        """Press on the picture at the first place and drag through the others, in fractions from its top left."""
        box = exploration.locator(".lvm-picture img").bounding_box()
        for number, (across, down) in enumerate(places):
            self.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
            if number == 0:
                self.page.mouse.down()
            each()
        self.page.mouse.up()

    def drag_place(self, explorable: Locator, places: list[tuple[float, float]]) -> None:
        """The same on the first panel of an explorable that takes the hand."""
        box = explorable.locator(".lvm-takes-hand").first.bounding_box()
        for number, (across, down) in enumerate(places):
            self.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
            if number == 0:
                self.page.mouse.down()
            self.page.wait_for_timeout(50)
        self.page.mouse.up()
        self.page.wait_for_timeout(100)

    def settle(self, quiet: float = 0.1) -> None:
        """Wait until the kernel has dealt with all that the widgets sent, and no picture comes for `quiet` seconds."""
        seen = -1
        while seen != (seen := self.frames()):
            self.page.wait_for_function("() => window.lvm.pending.size === 0", timeout=30_000)
            self.page.wait_for_timeout(1000 * quiet)

    def close(self) -> None:
        """End the notebook's kernel, whatever it is doing, and leave the page."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook of code cells without outputs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path
