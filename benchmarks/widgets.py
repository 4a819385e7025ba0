"""How soon the demos follow the hand: from the mouse's move to new pixels, in JupyterLab in headless Chromium.

    python -m benchmarks.widgets              every widget, at rest and while a cell trains
    python -m benchmarks.widgets 01 08        those of the stages named

The first and last moment are the page's own: the pointer event, and the end of the frame in which the new picture was
painted. In between lie JupyterLab, its server, the kernel's redraw, and the decoding of the picture. Exits with 1 if
a target is missed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.widget_cells import IMPORTS, MODELS, TRAIN, WIDGETS, Widget

import lab  # of tests/, which widget_cells has put on the path  # isort: skip

WARM_UP, MOVES, DRAG = 3, 20, 40
FRAME = 16  # milliseconds between the moves of a real mouse
FRAMES, WORST = 20, 120.0  # pictures wanted in a drag; milliseconds no single move should take
WHILE_TRAINING = 2.0  # times the median at rest


class Measured(NamedTuple):
    """Milliseconds from single moves to their pictures, and how many pictures a quick drag gave."""

    latencies: list[float]
    frames: int

    @property
    def median(self) -> float:
        return statistics.median(self.latencies)

    def __str__(self) -> str:
        slow = statistics.quantiles(self.latencies, n=10)[-1]
        return f"{self.median:6.0f} {slow:6.0f} {max(self.latencies):6.0f} {self.frames:7d}"


def main(stages: list[str]) -> int:
    """Print the table; the exit status says whether a target was missed."""
    if unknown := set(stages) - {widget.stage for widget in WIDGETS}:
        raise SystemExit(f"no widget of stage {', '.join(sorted(unknown))}; there are 01 to 09")
    chosen = [widget for widget in WIDGETS if not stages or widget.stage in stages]
    print(f"milliseconds to new pixels over {MOVES} moves, and pictures in a drag of {DRAG} moves")
    print("                                            at rest                     while a cell trains")
    print("stage widget            panels  gesture     median    90%  worst pictures  median    90%  worst pictures")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary, jupyterlab(Path(temporary)) as opened:
        at_rest = measure(opened(chosen, train=False), chosen)
        training = measure(opened(chosen, train=True), chosen)
        missed = 0
        for widget, rest, busy in zip(chosen, at_rest, training, strict=True):
            failed = misses(widget, rest, busy)
            missed += bool(failed)
            print(
                f"{widget.stage}    {widget.name:17}{widget.panels:4d}    {widget.what:16}{rest}  {busy}  "
                f"{'MISSED: ' + '; '.join(failed) if failed else 'met'}",
                flush=True,
            )
    return min(missed, 1)


def misses(widget: Widget, rest: Measured, busy: Measured) -> list[str]:
    """The targets that were missed, in words."""
    goals = (
        (rest.median <= widget.target, f"median at most {widget.target:.0f}"),
        (max(rest.latencies) <= WORST, f"none above {WORST:.0f}"),
        (rest.frames >= min(FRAMES, widget.values - 1), f"at least {FRAMES} pictures"),
        (busy.median <= WHILE_TRAINING * rest.median, f"at most {WHILE_TRAINING:g} times while training"),
    )
    return [words for met, words in goals if not met]


@contextmanager
def jupyterlab(temporary: Path) -> Iterator[Callable[..., lab.Lab]]:
    """Opens the widgets of a list, run, on a page of JupyterLab; with `train`, a cell trains below them for ever."""
    folder, home = temporary / "notebooks", temporary / "jupyter"
    folder.mkdir(), home.mkdir()
    with lab.server(folder, home) as url, lab.browser() as chrome:

        def opened(widgets: list[Widget], train: bool) -> lab.Lab:
            cells = [IMPORTS, MODELS, *(widget.cell for widget in widgets), *([TRAIN] if train else [])]
            name = f"{'training' if train else 'rest'}.ipynb"
            lab.write_notebook(folder / name, *cells)
            page = lab.Lab(chrome, url)
            page.open(name)
            if train:
                page.start_all()
                page.wait_for_cell(len(cells))
            else:
                page.run_all()
            return page

        yield opened


def measure(page: lab.Lab, widgets: list[Widget]) -> list[Measured]:
    """Drag each widget of the page, and close it."""
    found = []
    for demo, widget in zip(page.explorations(), widgets, strict=True):
        page.show(demo)
        found.append(Measured(single_moves(page, demo, widget), quick_drag(page, demo, widget)))
        print(f"{widget.stage} {widget.name}: {found[-1]}", file=sys.stderr, flush=True)
    assert page.errors() == []
    page.close()
    return found


def single_moves(page: lab.Lab, demo, widget: Widget) -> list[float]:
    """Milliseconds from each of 20 moves to the picture that it led to, the page at rest before every move."""
    latencies: list[float] = []

    def wait() -> None:
        page.wait_for_frame(frames[-1])
        latencies.append(page.latency())
        page.settle()
        frames.append(page.frames())

    frames = [page.frames()]
    # Far jumps, so that each lands on another value: 7, 14, 4, 11, ... of 17 steps.
    move(page, demo, widget, [(7 * i % 17) / 16 for i in range(1, WARM_UP + MOVES + 1)], wait)
    return latencies[-MOVES:]


def quick_drag(page: lab.Lab, demo, widget: Widget) -> int:
    """How many pictures come while the hand moves on without waiting."""
    page.settle()
    before = page.frames()
    move(page, demo, widget, [i / DRAG for i in range(1, DRAG + 1)], lambda: page.page.wait_for_timeout(FRAME))
    page.settle()
    return page.frames() - before


def move(page: lab.Lab, demo, widget: Widget, shares: list[float], each: Callable[[], None]) -> None:
    """The widget's gesture, at `shares` of its way in turn."""
    if widget.stroke is None:
        slider = demo.locator(".widget-hslider").first
        slider.scroll_into_view_if_needed()  # of a demo taller than the page, the middle is shown
        page.drag_slider(slider, shares, each)
        return
    if widget.first:
        demo.get_by_role("button", name=widget.first).click()
        page.settle()
    (x0, y0), (x1, y1) = widget.stroke
    down = [number / len(shares) for number in range(len(shares))]  # slowly, so that a pen finds white paper
    places = [(x0 + right * (x1 - x0), y0 + low * (y1 - y0)) for right, low in zip(shares, down, strict=True)]
    page.drag_picture(demo, places, each)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
