"""The controls of a live demo: sliders, buttons, and the mouse on the picture. `widgets` hands them on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lvmteach.classroom.explorables.picture import Picture

NUDGE = 1 / 40  # of the axes' width or height, for each press of an arrow key


Number = float | int  # beartype holds an int to be no float


def slider(low: Number, high: Number, value: Number, *, step: Number | None = None, label: str = "", **more: Any):
    """A slider over [low, high]: whole numbers if low, high and value are ints, else floats (100 steps)."""
    whole = all(isinstance(number, int) for number in (low, high, value))
    make = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    step = step or (1 if whole else (high - low) / 100)
    return make(value, min=low, max=high, step=step, description=label, **_look(), **more)


def choice(options: Iterable, value: Any = None, *, label: str = ""):
    """One of `options` (values, or (name, value) pairs), the first if `value` is not given."""
    options = list(options)
    first = options[0][1] if isinstance(options[0], tuple) else options[0]
    return ipywidgets.ToggleButtons(
        options=options,
        value=first if value is None else value,
        description=label,
        style={"description_width": "initial", "button_width": "auto"},
    )


def ladder(options: Iterable, value: Any = None, *, label: str = ""):
    """A slider over `options`, numbers in unequal steps such as 1, 2, 4, 8."""
    options = list(options)
    value = options[0] if value is None else value
    return ipywidgets.SelectionSlider(options=options, value=value, description=label, **_look())


class player(ipywidgets.HBox):
    """A slider over the whole numbers low to high that plays by itself, `interval` milliseconds a step."""

    value = traitlets.Int()

    def __init__(self, low: int, high: int, value: int, *, interval: int = 200, label: str = ""):
        self.slider = slider(low, high, value, label=label)
        play = ipywidgets.Play(min=low, max=high, value=value, interval=interval)
        ipywidgets.jslink((play, "value"), (self.slider, "value"))
        super().__init__([play, self.slider])
        traitlets.link((self.slider, "value"), (self, "value"))


class button:
    """A button that calls `action()`, which changes the scene; the picture follows."""

    def __init__(self, label: str, action: Callable[[], Any]):
        self.label, self.action = label, action
        self.widget = ipywidgets.Button(description=label)

    def connect(self, exploration) -> None:
        self.widget.on_click(lambda _: exploration.act(self.action))

    def trials(self, exploration) -> Iterator[tuple[str, Callable[[], None]]]:
        yield self.label, self.widget.click


class Point(traitlets.HasTraits):
    """A place on `ax` that the mouse or the arrow keys move; its value is (x, y) in data coordinates."""

    value = traitlets.Tuple(traitlets.Float(), traitlets.Float())

    def __init__(self, ax: Axes, value: tuple[Number, Number] = (0.0, 0.0)):
        super().__init__(value=tuple(value))
        self.ax = ax

    def follow(self, path: np.ndarray, new: bool) -> None:
        self.value = tuple(path[-1].tolist())

    def nudge(self, right: int, up: int) -> None:
        (x0, x1), (y0, y1) = self.ax.get_xlim(), self.ax.get_ylim()
        x, y = self.value
        place = np.array([[x + NUDGE * right * (x1 - x0), y + NUDGE * up * (y1 - y0)]])
        self.follow(_within(self.ax, place), new=False)


class Drag:
    """Clicks and strokes on `ax`, given to `action(path, new)`; the picture follows.

    `path` is (n, 2), the places in data coordinates since the mouse went down, a click being a path of one;
    `new` is True once for each press. Draw from the whole path: places may come several at a time.
    """

    def __init__(self, ax: Axes, action: Callable[[np.ndarray, bool], Any]):
        self.ax, self.action = ax, action

    def connect(self, exploration) -> None:
        self.follow = lambda path, new: exploration.act(self.action, path, new)

    def nudge(self, right: int, up: int) -> None:
        """A stroke has no place to be nudged from."""

    def trials(self, exploration) -> Iterator[tuple[str, Callable[[], None]]]:
        name = getattr(self.action, "__name__", "drag")
        corners = _corners(self.ax)
        yield f"{name}, click", lambda: self.follow(corners[:1], True)
        yield f"{name}, from corner to corner", lambda: self.follow(np.linspace(*corners, 20), True)


class Pointer:
    """What the mouse does on the picture, told to the `Point`s and `Drag`s whose axes it is in."""

    def __init__(self, fig: Figure, picture: Picture, targets: list, attempt: Callable[[Callable], bool]):
        self.fig, self.picture, self.targets = fig, picture, targets
        self._press, self._nudges, self._held = 0, (0, 0), []
        picture.observe(lambda change: attempt(self._dragged), "drag")
        picture.observe(lambda change: attempt(self._nudged), "nudges")

    def show_regions(self) -> None:
        """Tell the browser which parts of the picture take the mouse; the layout must be settled."""
        self.picture.regions = [_region(ax, self.fig) for ax in {target.ax: None for target in self.targets}]

    def to_data(self, ax: Axes, path: Any) -> np.ndarray:
        """Fractions of the picture, from its top left, as data coordinates of `ax`, kept within its limits."""
        fractions = np.asarray(path, float).reshape(-1, 2)
        pixels = np.stack([fractions[:, 0], 1 - fractions[:, 1]], 1) * (self.fig.bbox.width, self.fig.bbox.height)
        return _within(ax, ax.transData.inverted().transform(pixels))

    def _dragged(self) -> None:
        press, path = self.picture.drag["press"], self.picture.drag["path"]
        new = press != self._press
        if new:
            self._press = press
            self._held = [target for target in self.targets if _inside(path[0], _region(target.ax, self.fig))]
        for target in self._held:
            target.follow(self.to_data(target.ax, path), new)

    def _nudged(self) -> None:
        right, up = (now - then for now, then in zip(self.picture.nudges, self._nudges, strict=True))
        self._nudges = tuple(self.picture.nudges)
        for target in self.targets:
            target.nudge(right, up)


def ends(control: Any) -> list:
    """The extreme values of a control: both ends of a range, every option of a choice."""
    if isinstance(control, Point):
        return [tuple(corner) for corner in _corners(control.ax).tolist()]
    if isinstance(control, player):
        control = control.slider
    if isinstance(control, ipywidgets.SelectionSlider):
        return [control.options[0], control.options[-1]]
    if hasattr(control, "options"):
        return [option[1] if isinstance(option, tuple) else option for option in control.options]
    if hasattr(control, "min"):
        return [control.min, control.max]
    if isinstance(control.value, bool):
        return [False, True]
    raise TypeError(f"{type(control).__name__} has no ends to move to; use slider, choice, player, a checkbox or Point")


def _look() -> dict[str, Any]:
    return {
        "continuous_update": True,
        "style": {"description_width": "initial"},
        "layout": {"width": "95%", "max_width": "44rem"},
    }


def _corners(ax: Axes) -> np.ndarray:
    return np.array([ax.get_xlim(), ax.get_ylim()], float).T


def _within(ax: Axes, places: np.ndarray) -> np.ndarray:
    corners = _corners(ax)
    return places.clip(corners.min(0), corners.max(0))


def _region(ax: Axes, fig: Figure) -> list[float]:
    box = ax.get_window_extent()
    width, height = fig.bbox.width, fig.bbox.height
    return [float(edge) for edge in (box.x0 / width, 1 - box.y1 / height, box.x1 / width, 1 - box.y0 / height)]


def _inside(place: Iterable[float], region: list[float]) -> bool:
    (x, y), (left, top, right, bottom) = place, region
    return bool(left <= x <= right and top <= y <= bottom)
