"""The widgets that `benchmarks.widgets` drags, one after the other in the order of the stages, and the cells that make
them: models and data of the course's size, without the notebooks' own training and without MNIST.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from lvmteach.classroom.explorables.scenes.iwae import MOST, steps

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from demo_cells import DEMOS, IMPORTS, MODELS, TRAIN

__all__ = ["IMPORTS", "MODELS", "TRAIN", "WIDGETS", "Stroke", "Widget"]

Stroke = tuple[tuple[float, float], tuple[float, float]]


class Widget(NamedTuple):
    """A demo, the cell that shows it, and what the hand does to it."""

    stage: str
    name: str
    panels: int
    what: str
    cell: str
    stroke: Stroke | None = None  # across the picture, in fractions from its top left; None: on the first slider
    first: str | None = None  # the button to press before a stroke
    values: int = 1000  # that the slider has: a drag cannot give more pictures

    @property
    def target(self) -> float:
        """Milliseconds to new pixels, median: 50 for one panel, 80 for three and more."""
        return {1: 50.0, 2: 65.0}.get(self.panels, 80.0)


MONTE_CARLO = """\
from lvmteach.classroom.explorables.scenes.monte_carlo import ProposalExplorer
ProposalExplorer().live()"""

FACTOR_ANALYSIS = """\
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
from lvmteach.classroom.explorables.scenes.linear_gaussian import Geometry
Geometry(torch.from_numpy(scale(load_wine().data))[:, [0, 12]]).live()"""

MIXTURES = """\
from lvmteach.classroom.explorables.scenes.mixtures import Stepper
with seeded(0):
    centres = torch.tensor([[0.0, 0.0], [4.0, 1.0], [1.0, 4.0]]).repeat_interleave(100, 0)
    Stepper(centres + torch.randn(300, 2)).live()"""

VARIATIONAL = """\
from lvmteach.classroom.explorables.scenes.variational import KLExplorer
KLExplorer().live()"""

WAKE_SLEEP = """\
from lvmteach.classroom.explorables.scenes.wake_sleep import SLEEPS, SNAPSHOTS, WakeSleep, record
from lvmteach.helmholtz import bars
with seeded(3):
    records = {name: record(bars(), sleeps, wakes=SNAPSHOTS) for name, sleeps in SLEEPS.items()}
widgets.explore(
    WakeSleep(records),
    moment=widgets.player(0, SNAPSHOTS, 5, label="moment"),
    sleeps=widgets.ladder(SLEEPS, "1", label="sleeps per wake"),
)"""

GRADIENTS = """\
from lvmteach.classroom.explorables.scenes.gradients import KINDS, GradientExplorer
widgets.explore(
    GradientExplorer(),
    K=widgets.slider(2, 64, 4, label="samples K"),
    D=widgets.slider(1, 64, 8, label="dimension D"),
    kind=widgets.choice(KINDS, "score function", label="estimator"),
)"""

WIDGETS = (
    Widget("01", "ProposalExplorer", 3, "slide the mean", MONTE_CARLO),
    Widget("02", "Geometry", 2, "turn the axis", FACTOR_ANALYSIS),
    Widget("03", "Stepper", 2, "drag a mean", MIXTURES, ((0.12, 0.25), (0.3, 0.7))),
    Widget("05", "KLExplorer", 2, "drag the peak", VARIATIONAL, ((0.2, 0.8), (0.5, 0.3))),
    Widget("06", "WakeSleep", 4, "slide the moment", WAKE_SLEEP),
    Widget("07", "GradientExplorer", 2, "slide K", GRADIENTS),
    Widget("08", "LatentExplorer", 2, "drag the point", DEMOS["LatentExplorer"], ((0.12, 0.2), (0.4, 0.8))),
    Widget("08", "Morph", 4, "slide the way", DEMOS["Morph"]),
    # Ink upon ink is no new picture.
    Widget("08", "Drawing", 3, "draw", DEMOS["Drawing"], ((0.05, 0.2), (0.22, 0.8)), "Wipe"),
    Widget("09", "Climb", 3, "slide K", DEMOS["Climb"], values=len(steps(MOST))),
)
