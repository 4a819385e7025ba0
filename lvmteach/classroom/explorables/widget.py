"""An explorable in JupyterLab."""

from __future__ import annotations

from typing import Any

import anywidget
import torch
import traitlets
from IPython.display import display

from lvmteach.classroom.explorables import kit
from lvmteach.classroom.explorables.packing import packed


class Explorable(anywidget.AnyWidget):
    """A demo under a cell. Its values live in the browser, and come back when a hand lets go.

    Attributes:
        values: what the controls say, by name.
        result: what `compute` of the demo's Python half makes of them, in float64.
    """

    _esm = kit.BUNDLE
    demo = traitlets.Unicode().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)  # bytes in it travel as binary
    values = traitlets.Dict().tag(sync=True, echo_update=False)

    def __init__(self, name: str, data: dict[str, Any] | None = None, **values: Any):
        self._own, self._given = data is not None, kit.course_data(name) if data is None else data
        super().__init__(demo=name, data=packed(self._given), values=kit.values_of(name, **values))

    @property
    def result(self) -> tuple:
        with torch.no_grad():
            return kit.demo(self.demo).compute(kit.given_values(self.demo, self.values), self._given)

    def move(self, **values: Any) -> None:
        """Set some values from Python; the picture follows."""
        self.values = kit.values_of(self.demo, **{**self.values, **values})

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        made = super()._repr_mimebundle_(**options)
        bundle, metadata = made if isinstance(made, tuple) else (made, {})
        frame = None if self._own else kit.still(self.demo, dict(self.values))
        alt = f"{kit.demo(self.demo).TITLE}. {frame[1] if frame else kit.words(self.demo, self.values, self._given)}"
        bundle = {**bundle, "text/plain": alt}
        if frame:
            bundle |= {"image/png": frame[0], kit.MARK: {"demo": self.demo, "values": self.values}}
            metadata = {**metadata, "image/png": {"alt": alt}}
        return bundle, metadata


def explore(name: str, data: dict[str, Any] | None = None, **values: Any) -> Explorable:
    """Show a demo live under the cell, and return it.

    Args:
        name: of a module of this room.
        data: what the demo's `payload` made of your own model or points; the course's own by default.
        values: where it starts.
    """
    shown_now = Explorable(name, data, **values)
    bundle, metadata = shown_now._repr_mimebundle_()
    display(bundle, raw=True, metadata=metadata)
    return shown_now
