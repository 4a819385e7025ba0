"""An explorable in JupyterLab."""

from __future__ import annotations

import base64
from typing import Any

import anywidget
import ipywidgets
import torch
import traitlets
from IPython import get_ipython
from IPython.display import HTML, display

from lvmteach.classroom.explorables import kit
from lvmteach.classroom.explorables.packing import packed
from lvmteach.classroom.explorables.pages import page

VIEW = "application/vnd.jupyter.widget-view+json"
# Wherever the notebook is open, a link in it reaches no file of ours; but it can bring the page along.
LINK = (
    "<p>To move this picture, save its page and open that in your browser: "
    '<a download="{name}.html" href="data:text/html;base64,{page}">{name}.html</a></p>'
)


class Explorable(anywidget.AnyWidget):
    """A demo under a cell. Its values live in the browser, and come back when a hand lets go.

    Attributes:
        values: what the controls say, by name.
        result: what `compute` of the demo's Python half makes of them, in float64.
    """

    _esm = traitlets.Unicode().tag(sync=True)  # the kit and this demo
    demo = traitlets.Unicode().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)  # bytes in it travel as binary
    values = traitlets.Dict().tag(sync=True, echo_update=False)

    def __init__(self, name: str, data: dict[str, Any] | None = None, **values: Any):
        self._shown_in: int | None = None
        self._own, self._given = data is not None, kit.course_data(name) if data is None else data
        given, module = kit.values_of(name, **values), f"{kit.code(name)}export default {{ render: lvm.render }};"
        super().__init__(_esm=module, demo=name, data=packed(self._given), values=given)

    @property
    def result(self) -> tuple:
        with torch.no_grad():
            return kit.demo(self.demo).compute(kit.given_values(self.demo, self.values), self._given)

    def move(self, **values: Any) -> None:
        """Set some values from Python; the picture follows."""
        self.values = kit.values_of(self.demo, **{**self.values, **values})

    def _ipython_display_(self) -> None:
        """As the last line of a cell; but where `explore` has shown it in the same cell, once is enough."""
        if self._shown_in is None or self._shown_in != _cell():
            bundle, metadata = self._repr_mimebundle_()
            display(bundle, raw=True, metadata=metadata)
            if VIEW not in bundle:
                display(HTML(self._as_link()))

    def _as_link(self) -> str:
        made = page(self.demo, data=self._given if self._own else None, **self.values)
        return LINK.format(name=self.demo, page=base64.b64encode(made.encode()).decode())

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        made = super()._repr_mimebundle_(**options)
        bundle, metadata = made if isinstance(made, tuple) else (made, {})
        if int(ipywidgets.__version__.split(".")[0]) < 8:  # its front ends may not know how to show this one
            bundle = {kind: content for kind, content in bundle.items() if kind != VIEW}
        frame = None if self._own else kit.still(self.demo, dict(self.values))
        alt = f"{kit.demo(self.demo).TITLE}. {frame[1] if frame else kit.words(self.demo, self.values, self._given)}"
        bundle = {**bundle, "text/plain": alt}
        if frame:
            bundle |= {"image/png": frame[0], kit.MARK: {"demo": self.demo, "values": self.values}}
            metadata = {**metadata, "image/png": {"alt": alt}}
        return bundle, metadata


def _cell() -> int | None:
    """The number of the cell that runs now."""
    shell = get_ipython()
    return shell.execution_count if shell else None


def explore(name: str, data: dict[str, Any] | None = None, **values: Any) -> Explorable:
    """Show a demo live under the cell, and return it.

    Args:
        name: of a module of this room.
        data: what the demo's `payload` made of your own model or points; the course's own by default.
        values: where it starts.
    """
    shown = Explorable(name, data, **values)
    shown._ipython_display_()
    shown._shown_in = _cell()
    return shown
