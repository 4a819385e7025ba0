"""Two users on a real JupyterHub on this machine run notebooks: does it work, and what memory does a student take?

    python -m benchmarks.hub                     stages 02 and 08, two users at once
    python -m benchmarks.hub --users 1 00 01 02  one user, these stages

Asks for an environment that every account may read, with the course's wheel and `jupyterhub` in it, and
`configurable-http-proxy` from npm on the PATH. Started by root, each user has a number and a home of their own, and
the installation is root's: they read it, and a cell proves that they cannot write it. Everything is on loopback, and
ends with the command. A line a user and notebook; DEPLOY.md quotes them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import websocket

PORT, TOKEN = 18765, uuid.uuid4().hex
USERS = {"ann": 61001, "bo": 61002}  # numbers that no account of this machine has
CONFIG = """
import os
from jupyterhub.spawner import SimpleLocalProcessSpawner

NUMBERS = {numbers}


class Own(SimpleLocalProcessSpawner):
    "A server under the user's own number, in their own home; the accounts need not exist."

    def make_preexec_fn(self, name):
        home = self.home_dir

        def become():
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NUMBERS[name])
                os.setuid(NUMBERS[name])
            os.chdir(home)

        return become


c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {port} + 1
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:" + str({port} + 2)
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.allow_all = True
c.JupyterHub.spawner_class = Own
c.SimpleLocalProcessSpawner.home_dir_template = "{home}/{{username}}"
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.Spawner.environment = {environment}
c.JupyterHub.services = [{{"name": "bench", "api_token": "{token}"}}]
may = ["admin:users", "admin:servers", "access:servers"]
c.JupyterHub.load_roles = [{{"name": "bench", "services": ["bench"], "scopes": may}}]
"""
COPY = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'lvmteach', 'lab', 'course', '--copy-only'])"
# Run in each kernel first: whose it is, and that the installation and the other's home are closed to it.
CLOSED = """
import os, lvmteach
package = os.path.dirname(lvmteach.__file__)
try:
    open(os.path.join(package, "mine.py"), "w").close()
    raise SystemExit("the installation can be written")
except PermissionError:
    pass
for other in {others}:
    assert not os.access(os.path.join({home!r}, other), os.R_OK | os.X_OK), other
"""
PEAK = """
import os
for process in ("self", os.getppid()):
    with open(f"/proc/{process}/status") as file:
        print(next(line.split()[1] for line in file if line.startswith("VmHWM")))
"""


def ask(method: str, path: str, body: dict | None = None) -> Any:
    """One call of the hub's or of a server's REST interface."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}{path}",
        None if method == "GET" else json.dumps(body or {}).encode(),
        {"Authorization": f"token {TOKEN}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        said = answer.read()
    return json.loads(said) if said else None


def wait_until(ready: Callable[[], Any], what: str, seconds: float = 300) -> None:
    until, last = time.monotonic() + seconds, None
    while time.monotonic() < until:
        try:
            if ready():
                return
        except OSError as problem:  # not there yet, or the proxy does not know the way yet
            last = problem
        time.sleep(1)
    raise TimeoutError(f"{what} after {seconds:g} s ({last})")


class Kernel:
    """A kernel in a user's server, over the hub, as JupyterLab in a browser would drive it."""

    def __init__(self, user: str, folder: str = ""):
        self.user = user
        self.id = ask("POST", f"/user/{user}/api/kernels", {"name": "python3", "path": folder})["id"]
        address = f"ws://127.0.0.1:{PORT}/user/{user}/api/kernels/{self.id}/channels"
        self.channel = websocket.create_connection(address, header=[f"Authorization: token {TOKEN}"], timeout=600)

    def run(self, code: str) -> str:
        """What a cell prints.

        Raises:
            RuntimeError: it raised.
        """
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": "execute_request", "username": "", "session": number, "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.channel.send(json.dumps(message))
        printed = ""
        while True:
            frame = self.channel.recv()
            if isinstance(frame, bytes):  # a widget's numbers
                continue
            got = json.loads(frame)
            if got["parent_header"].get("msg_id") != number:
                continue
            if got["msg_type"] == "stream" and got["content"]["name"] == "stdout":
                printed += got["content"]["text"]
            elif got["msg_type"] == "error":
                raise RuntimeError(f"{got['content']['ename']}: {got['content']['evalue']}")
            elif got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                return printed

    def end(self) -> None:
        self.channel.close()
        ask("DELETE", f"/user/{self.user}/api/kernels/{self.id}")


def course(user: str, homes: Path, users: list[str], stages: list[str]) -> None:
    """Start a user's server, copy the course there, run notebooks of the copy, a fresh kernel each; print a line each.

    Raises:
        RuntimeError: a cell raised.
    """
    ask("POST", f"/hub/api/users/{user}")
    ask("POST", f"/hub/api/users/{user}/server")
    wait_until(lambda: ask("GET", f"/hub/api/users/{user}")["servers"].get("", {}).get("ready"), f"{user}: no server")
    first = Kernel(user)
    first.run(COPY)
    first.end()
    here = f"/user/{user}/api/contents/course/notebooks"
    names = [file["name"] for file in ask("GET", here)["content"] if file["type"] == "notebook"]
    for name in sorted(name for name in names if name.startswith(tuple(stages))):
        begun, kernel = time.monotonic(), Kernel(user, "course/notebooks")
        if os.getuid() == 0:
            kernel.run(CLOSED.format(others=[one for one in users if one != user], home=str(homes)))
        for cell in ask("GET", f"{here}/{name}")["content"]["cells"]:
            if cell["cell_type"] == "code":
                kernel.run(cell["source"])
        peak, server = (int(kilobytes) / 1024 for kilobytes in kernel.run(PEAK).split())
        seconds = time.monotonic() - begun
        print(f"{user}  {name}  kernel {peak:.0f} MiB  server {server:.0f} MiB  {seconds:.0f} s", flush=True)
        kernel.end()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("stages", nargs="*", default=["02", "08"], help="the start of notebooks' names")
    parser.add_argument("--users", type=int, choices=(1, 2), default=2, help="how many work at once (default: 2)")
    args = parser.parse_args(arguments)
    if shutil.which("configurable-http-proxy") is None:
        print("configurable-http-proxy is not on the PATH; npm install -g configurable-http-proxy", file=sys.stderr)
        return 2
    users = list(USERS)[: args.users]
    passed_on = {name: os.environ[name] for name in ("LVMTEACH_DATA", "LVMTEACH_IMAGES", "PATH") if name in os.environ}
    with tempfile.TemporaryDirectory() as folder:
        homes = Path(folder)
        homes.chmod(0o755)
        for user in users:
            (homes / user).mkdir(mode=0o700)
            if os.getuid() == 0:
                os.chown(homes / user, USERS[user], USERS[user])
        hub = homes / "hub"  # the hub's own files, closed to users
        hub.mkdir(mode=0o700)
        values = {"port": PORT, "home": folder, "token": TOKEN, "numbers": USERS}
        text = CONFIG.format(environment={"OMP_NUM_THREADS": "1", **passed_on}, **values)
        (hub / "jupyterhub_config.py").write_text(text, encoding="utf-8")
        with open(hub / "log", "w") as log:
            process = subprocess.Popen([sys.executable, "-m", "jupyterhub"], cwd=hub, stdout=log, stderr=log)
        try:
            wait_until(lambda: ask("GET", "/hub/api/"), "the hub does not answer")
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda user: course(user, homes, users, args.stages), users))
        except BaseException:
            print((hub / "log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            process.terminate()  # it ends its servers and the proxy
            process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
