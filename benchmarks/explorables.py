"""How soon the explorables follow the hand: from the mouse's move to new pixels, in JupyterLab in headless Chromium.

    python -m benchmarks.explorables              every one, at rest and while a cell trains a VAE
    python -m benchmarks.explorables climb        those named

The first and last moment are the page's own: the pointer event, and the end of the frame in which the new picture was
painted. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from lvmteach.classroom.explorables import kit

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import lab
from lab_cells import IMPORTS, TRAIN

WARM_UP, MOVES, DRAG = 3, 20, 40
FRAME = 16  # milliseconds between the moves of a real mouse
TOGETHER = 4  # demos in a notebook, as many as any of the course has
HANDLE = 8  # pixels, half of the width of a slider's handle
MEDIAN, WORST, PICTURES = 16.0, 50.0, 39  # milliseconds, milliseconds, of the 40 moves of a drag
BY_HAND = (
    "latent_explorer",
    "kl_explorer",
    "stepper",
    "drawing",
)  # on the picture, as those without a slider; the others by their first slider


class Measured(NamedTuple):
    """Milliseconds from single moves to their pictures, how many pictures a quick drag gave and could give at most."""

    latencies: list[float]
    frames: int
    most: int

    @property
    def median(self) -> float:
        return statistics.median(self.latencies)

    def __str__(self) -> str:
        slow = statistics.quantiles(self.latencies, n=10)[-1]
        return f"{self.median:6.0f} {slow:6.0f} {max(self.latencies):6.0f} {self.frames:5d}/{self.most:2d}"

    @property
    def fast(self) -> bool:
        """Whether the targets are met."""
        return self.median <= MEDIAN and max(self.latencies) <= WORST and self.frames >= self.most - DRAG + PICTURES


def main(names: list[str]) -> int:
    """Print the table; the exit status says whether a target was missed."""
    chosen = [name for name in kit.names() if not names or name in names]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder, home = Path(temporary) / "notebooks", Path(temporary) / "jupyter"
        folder.mkdir(), home.mkdir()
        rest, busy = [], []
        with lab.server(folder, home) as url, lab.browser() as chrome:
            for at in range(0, len(chosen), TOGETHER):
                some = chosen[at : at + TOGETHER]
                cells = [IMPORTS, *(f"explore({name!r})" for name in some)]
                lab.write_notebook(folder / "rest.ipynb", *cells)
                lab.write_notebook(folder / "training.ipynb", *cells, TRAIN)
                rest += measure(lab.Lab(chrome, url), "rest.ipynb", some, None)
                busy += measure(lab.Lab(chrome, url), "training.ipynb", some, len(cells) + 1)
    print(f"milliseconds to new pixels over {MOVES} moves, and pictures in a drag of {DRAG} moves")
    print("                       at rest                         while a cell trains")
    print("explorable          median    90%  worst pictures   median    90%  worst pictures")
    missed = 0
    for name, one, other in zip(chosen, rest, busy, strict=True):
        met = one.fast and other.fast
        missed += not met
        print(f"{name:19} {one}  {other}  {'met' if met else 'MISSED'}")
    return min(missed, 1)


def measure(page: lab.Lab, notebook: str, names: list[str], training: int | None) -> list[Measured]:
    """Drag each demo of the notebook, all run, or its cell number `training` running; and close the page."""
    page.open(notebook)
    if training is None:
        page.run_all()
    else:
        page.start_all()
        page.wait_for_cell(training)
    found = []
    for number, name in enumerate(names, 1):  # below the imports
        # Cells far from view are not on the page.
        page.page.evaluate(
            "(number) => window.jupyterapp.shell.currentWidget.content.scrollToItem(number, 'start')", number
        )
        demo = page.page.locator(f'[data-windowed-list-index="{number}"] .lvm-explorable')
        demo.locator(".lvm-words:not(:empty)").wait_for()
        sliders = demo.locator(".lvm-controls input[type=range]")
        drawn = name in BY_HAND or not sliders.count()
        hand = (demo.locator(".lvm-takes-hand") if drawn else sliders).first
        hand.evaluate("(node) => node.scrollIntoView({ block: 'center' })")
        page.page.wait_for_timeout(1000)
        values = DRAG + 1 if drawn else 1 + int(hand.evaluate("(it) => (it.max - it.min) / it.step"))
        found.append(
            Measured(single_moves(page, hand, drawn, values), quick_drag(page, hand, drawn), min(DRAG, values - 1))
        )
        print(f"{name}: {found[-1]}", file=sys.stderr, flush=True)
    assert page.errors() == []
    page.close()
    return found


def single_moves(page: lab.Lab, hand, drawn: bool, values: int) -> list[float]:
    """Milliseconds from each of 20 moves to the picture that it led to, the page at rest before every move."""
    latencies: list[float] = []

    def wait(seen: int) -> None:
        page.wait_for_frame(seen)
        latencies.append(page.latency())
        page.page.wait_for_timeout(50)

    # Far jumps, each to another value: 7, 14, 4, 11, ... of 17 steps; to and fro, where a slider has fewer.
    far = [(7 * i % 17) / 16 if values >= 17 else float(i % 2) for i in range(1, WARM_UP + MOVES + 1)]
    move(page, hand, drawn, far, wait)
    return latencies[-MOVES:]


def quick_drag(page: lab.Lab, hand, drawn: bool) -> int:
    """How many pictures come while the hand moves on without waiting."""
    before = page.frames()
    move(page, hand, drawn, [i / DRAG for i in range(1, DRAG + 1)], lambda _: page.page.wait_for_timeout(FRAME))
    page.page.wait_for_timeout(300)
    return page.frames() - before


def move(page: lab.Lab, hand, drawn: bool, shares: list[float], each) -> None:
    """Press at the near end of a slider, or near a corner of a picture, and move to `shares` of the way in turn."""
    box, mouse = hand.bounding_box(), page.page.mouse
    for number, share in enumerate([0.5, *shares]):
        low = number / len(shares) if drawn else 0.5  # slowly down, so that a pen finds white paper
        seen = page.frames()
        margin = 0.1 if drawn else HANDLE / box["width"]  # a slider's handle does not reach its ends
        across = margin + (1 - 2 * margin) * share
        mouse.move(box["x"] + across * box["width"], box["y"] + (0.15 + 0.7 * low) * box["height"])
        if number == 0:
            mouse.down()
            page.page.wait_for_timeout(100)
        else:
            each(seen)
    mouse.up()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
