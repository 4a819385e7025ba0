"""Voila with the pages of `demo_pages`, and kernels made ready ahead. Needs the extra `demos`."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import tornado.ioloop
from voila.app import Voila

REFILL = 20.0  # seconds from the opening of a page until the next kernel for it is started: the first drags are past


class Server(Voila):
    """Voila that looks into `templates` first and runs each page once ahead, one after the other.

    A page that is opened before its turn has a kernel started for it, as without preheating.
    """

    templates: Path

    def setup_template_dirs(self) -> None:
        super().setup_template_dirs()
        self.template_paths.insert(0, str(self.templates))

    def listen(self) -> None:
        tornado.ioloop.IOLoop.current().add_callback(self._prepare)
        super().listen()

    def launch_browser(self) -> None:
        """Voila's own opens an address without the token."""
        webbrowser.open(self.display_url)

    async def _prepare(self) -> None:
        # All at once they would share the cores, and the first would be ready no sooner than the last.
        manager = self.kernel_manager
        manager.fill_delay = REFILL
        for path in sorted(Path(self.root_dir).glob("*.ipynb")):
            manager.kernel_pools_config[path.name] = {"pool_size": 1}
            manager.fill_if_needed(delay=0, notebook_name=path.name)
            try:
                await (await manager._pools[path.name][0])["task"]
            except Exception as problem:
                self.log.warning("%s is not ready ahead: %s", path.name, problem)
