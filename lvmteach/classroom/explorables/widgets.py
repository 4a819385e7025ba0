"""Live demos: a scene, controls, and a picture that follows them without delay.

A *scene* is a class that makes an explicit figure and its artists once, in `__init__`, and moves them in `update`:

    class Waves:
        "A sine wave over two periods."                     # the first line is the picture's alt text
        def __init__(self):
            self.fig, ax = plots.figure()
            self.x = np.linspace(0, 4 * np.pi, 200)
            (self.line,) = ax.plot(self.x, 0 * self.x)
            ax.set(xlabel="time, s", ylabel="height, m", ylim=(-2, 2))
            self.moving = [self.line]                       # optional: only these are drawn anew, 3 to 10 times faster
        def update(self, height):
            self.line.set_ydata(height * np.sin(self.x))
            return f"height {height:.2f} m"                 # one line, shown under the picture

    widgets.key_frame(Waves(), alt="A sine wave of height 1", height=1.0)    # static, for readers without a kernel
    widgets.explore(Waves(), height=widgets.slider(0, 2, 1.0, label="height"))

Controls by keyword are handed to `update` by that name: `slider`, `ladder` (unequal steps), `choice`, `player` (a
slider that plays), any ipywidget with a `value`, or `Point(scene.ax)`, a place on the picture that the mouse drags,
handed over as (x, y) in data coordinates. Positional arguments act on the scene, and the picture follows:
`button("E step", scene.e_step)`, and `Drag(scene.ax, scene.pull)` for clicks and strokes.

`moving` lists every artist that `update` moves. Whatever else it touches (a title, the axes' limits) is noticed, and
costs one full drawing. The layout is settled by the first drawing; keep limits and labels of stable width.

Redraws happen on JupyterLab's second thread, also while a cell trains: under one lock (`plots.LOCK`), without
gradients. While one is being drawn, newer values wait, and only the newest are drawn next. What goes wrong is shown
in red under the picture; the first drawing and `exercise_all` raise it instead.

With LVMTEACH_STRICT=1, as the tests run the notebooks, every failure is raised, and `explore` moves each control to
both ends before it shows them: a demo that would break under a lecturer's hand breaks its cell.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import ipywidgets
import torch
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from lvmteach.classroom.explorables.controls import Drag, Point, Pointer, button, choice, ends, ladder, player, slider
from lvmteach.classroom.explorables.picture import Picture
from lvmteach.classroom.figures import plots

__all__ = [
    "Drag", "Exploration", "Moved", "Point", "Scene", "button", "choice", "exercise_all", "explore", "key_frame",
    "ladder", "live", "player", "slider",
]  # fmt: skip

_LIVE: list[Exploration] = []


@runtime_checkable
class Scene(Protocol):
    """A figure whose artists follow some values. Its docstring's first line says what the picture shows."""

    fig: Figure

    def update(self, **values: Any) -> str:
        """Move the artists; return one line that says what is seen now. No pyplot, no display."""
        ...


class Moved(NamedTuple):
    """One control moved by `exercise_all`, and the summary of the picture that followed."""

    scene: str
    control: str
    to: Any
    summary: str


def explore(scene: Scene, *actions: Any, **controls: Any) -> Exploration:
    """Show the controls and the scene's picture, which follows them.

    Args:
        scene: see the module's docstring.
        actions: `button(label, action)` and `Drag(ax, action)`.
        controls: ipywidgets or `Point`s by the name that `scene.update` gives their values.

    Raises:
        whatever the first drawing raises, and with LVMTEACH_STRICT=1 any other: a broken demo fails its cell.
    """
    exploration = Exploration(scene, actions, controls)
    if _strict():
        exploration.exercise()
    words = f"Live demo {type(scene).__name__}. {exploration.about} Run this cell to move it."
    if hasattr(exploration.box, "_repr_mimebundle_"):
        display({**exploration.box._repr_mimebundle_(), "text/plain": words}, raw=True)
    else:  # ipywidgets 7
        key_frame(scene, alt=exploration.about, **exploration.values)
    return exploration


def key_frame(scene: Scene, alt: str, **values: Any) -> None:
    """Display the scene at `values` as a static picture, with its summary below: the notebook without a kernel."""
    summary, image = _draw(scene, values, plots.live_png)
    display({"image/png": image, "text/plain": alt}, raw=True, metadata={"image/png": {"alt": alt}})
    display(Markdown(f"*{summary}*"))


def live() -> tuple[Exploration, ...]:
    """The explorations that this kernel holds, oldest first."""
    return tuple(_LIVE)


def exercise_all() -> list[Moved]:
    """Move every control of every exploration to both ends, press every button; return what was moved.

    Sliders and points end where they began; what buttons and drags did to their scene stays done.

    Raises:
        whatever a redraw raises, at the first failure.
        RuntimeError: a control changes neither picture nor summary between its ends.
    """
    return [moved for exploration in live() for moved in exploration.exercise()]


class Exploration:
    """A scene, its controls and its picture, wired together. Made by `explore`."""

    def __init__(self, scene: Scene, actions: tuple, controls: dict[str, Any]):
        self.scene, self.controls, self.actions = scene, controls, actions
        self.about = (type(scene).__doc__ or "").strip().partition("\n")[0]
        self.picture = Picture()
        self._busy = threading.Lock()
        self._stale = self._raises = False
        self._wire()
        with self._raising():
            self.redraw()
        self.box = self._layout()
        _LIVE.append(self)

    @property
    def values(self) -> dict[str, Any]:
        """What the controls say now."""
        return {name: control.value for name, control in self.controls.items()}

    def redraw(self, _change: Any = None) -> None:
        """Draw the newest values. While another thread draws, only leave word that there are newer ones."""
        self._stale = True
        while self._stale and self._busy.acquire(blocking=False):
            try:
                self._stale = False
                self._attempt(self._show)
            finally:
                self._busy.release()

    def act(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Let `action` change the scene, under the lock and without gradients, then redraw."""

        def locked() -> None:
            with plots.LOCK, torch.no_grad():
                action(*arguments)

        if self._attempt(locked):
            self.redraw()

    def close(self) -> None:
        """Take the exploration off the page and out of `exercise_all`."""
        self.box.close()
        if self in _LIVE:
            _LIVE.remove(self)

    def exercise(self) -> list[Moved]:
        """`exercise_all` for this exploration alone."""
        with self._raising(), torch.random.fork_rng():  # a notebook goes on as if nothing had been moved
            moved = [move for name in self.controls for move in self._to_both_ends(name)]
            for action in self.actions:
                for name, go in action.trials(self):
                    go()
                    moved.append(self._moved(name, "once"))
        return moved

    def _to_both_ends(self, name: str) -> list[Moved]:
        control, moved, seen = self.controls[name], [], set()
        before = control.value
        for end in ends(control):
            control.value = end
            moved.append(self._moved(name, end))
            seen.add((self.picture.image, self.picture.summary))
        control.value = before
        if len(moved) > 1 and len(seen) == 1:
            tried = ", ".join(str(move.to) for move in moved)
            raise RuntimeError(f"{moved[0].scene}: {name} changes neither picture nor summary, tried {tried}")
        return moved

    def _moved(self, control: str, to: Any) -> Moved:
        return Moved(type(self.scene).__name__, control, to, self.picture.summary)

    def _show(self) -> None:
        summary, image = _draw(self.scene, self.values, plots.live_jpeg)
        with self.picture.hold_sync():  # one message to the browser
            self.picture.image, self.picture.summary, self.picture.error = image, summary, ""
            self.picture.alt = f"{self.about} {summary}".strip()

    def _attempt(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as problem:
            if self._raises or _strict():
                raise
            self.picture.error = _in_short(problem)
            return False
        return True

    @contextmanager
    def _raising(self):
        before, self._raises = self._raises, True
        try:
            yield
        finally:
            self._raises = before

    def _wire(self) -> None:
        pointed = [one for one in (*self.controls.values(), *self.actions) if isinstance(one, Point | Drag)]
        for name, control in self.controls.items():
            if getattr(control, "description", None) == "":
                control.description = name
            control.observe(self.redraw, "value")
        for action in self.actions:
            action.connect(self)
        self.pointer = Pointer(self.scene.fig, self.picture, pointed, attempt=self._attempt)

    def _layout(self) -> ipywidgets.Box:
        sliders = [one for one in self.controls.values() if isinstance(one, ipywidgets.Widget)]
        buttons = [one.widget for one in self.actions if hasattr(one, "widget")]
        rows = [*sliders, *([ipywidgets.HBox(buttons)] if buttons else []), self.picture]
        box = ipywidgets.VBox(rows)
        box.add_class("lvm-explore")
        self.pointer.show_regions()
        _answer_while_a_cell_runs(box)
        return box

    def _ipython_display_(self) -> None:
        """Nothing more: `explore` has shown it."""


def _draw(scene: Scene, values: dict[str, Any], encode: Callable[..., bytes]) -> tuple[str, bytes]:
    with plots.LOCK, torch.no_grad():
        summary = scene.update(**values)
        if not isinstance(summary, str):
            given = type(summary).__name__
            raise TypeError(f"update must return a one-line summary, got {given}; end it with return f'...'")
        return summary, encode(scene.fig, getattr(scene, "moving", ()))


def _answer_while_a_cell_runs(widget: ipywidgets.Widget) -> None:
    """Let the kernel hand the browser's messages to the thread that the browser names.

    From version 7.4 on, ipykernel hands them to the thread that last sent something, which for a widget not
    yet touched is the one that runs the cells: it would answer when the cell is done.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda _data, named: named
    for child in getattr(widget, "children", ()):
        _answer_while_a_cell_runs(child)


def _strict() -> bool:
    return os.environ.get("LVMTEACH_STRICT") == "1"


def _in_short(problem: Exception) -> str:
    frame = traceback.extract_tb(problem.__traceback__)[-1]
    return f"{type(problem).__name__}: {str(problem)[:300]} ({Path(frame.filename).name}, line {frame.lineno})"
