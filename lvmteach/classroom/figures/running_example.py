"""The running example, 4 x 4 bars: one table and one figure that grow from stage to stage.

The numbers are kept in running_example.npz, made by `python -m benchmarks.bars`, which says how they were compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from lvmteach.classroom.figures import plots

KEPT = Path(__file__).with_suffix(".npz")


class Row(NamedTuple):
    """One method's ten starts, each judged by exact log p(x)."""

    name: str
    stage: int  # the notebook that brings it
    draws: int  # an image and a step; 0 for an exact gradient
    rate: float  # the best of those tried, on ten other starts
    nll: np.ndarray  # -log p(x) at the end, nats an image, (10,)
    gap: np.ndarray  # KL(q || p) at the end, nats an image, (10,)
    curve: np.ndarray  # -log p(x) at equal parts of the way, (21, 10)
    seconds: float  # of one core, for the ten side by side
    slope: np.ndarray  # length of the exact ELBO's gradient, over all images, at the end, (10,)


def rows(stage: int) -> list[Row]:
    """What stands in the table at a stage, in the order in which the course meets it.

    Raises:
        ValueError: no method had come up by then.
    """
    found = [row for row in _kept() if 0 < row.stage <= stage]
    if not found:
        raise ValueError(f"the running example has its first rows at stage 6, got stage {stage}")
    return found


def controls() -> list[Row]:
    """The runs of 06 that ask why the exact ELBO loses: 4000 steps, or as their names say, at each row's rate."""
    return [row for row in _kept() if row.stage == 0]


def _kept() -> list[Row]:
    with np.load(KEPT) as kept:
        columns = [kept[name] for name in ("name", "stage", "draws", "rate", "gap", "curve", "seconds", "slope")]
    return [
        Row(str(name), int(stage), int(draws), float(rate), curve[-1], gap, curve, float(seconds), slope)
        for name, stage, draws, rate, gap, curve, seconds, slope in zip(*columns, strict=True)
    ]


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean, and half the width of its 95 % t interval."""
    n = len(values)
    return float(values.mean()), float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5)


def table(stage: int) -> str:
    """The table up to a stage, in words: nats an image, 95 % t intervals over ten starts."""
    lines = [f"{'':38s} draws  rate  -log p(x)      gap KL(q || p)"]
    for row in rows(stage):
        (mean, half), (gap, wide) = interval(row.nll), interval(row.gap)
        judged = "q is not taught" if row.name == "exact maximum likelihood" else f"{gap:.2f} ± {wide:.2f}"
        lines.append(f"{row.name:38s} {row.draws or '-':>5}  {row.rate:>4g}  {mean:.2f} ± {half:.2f}    {judged}")
    return "\n".join(lines)


def figure(stage: int, entropy: float) -> Figure:
    """Every start as a dot, a row a method; rows that came at this stage in vermilion, earlier ones in blue."""
    found = rows(stage)
    fig, ax = plots.figure(size=(10, 1.4 + 0.5 * len(found)))
    for y, row in enumerate(found):
        new = row.stage == stage
        spread = y + 0.22 * np.linspace(-1, 1, len(row.nll))  # dots of one height would hide one another
        ax.plot(row.nll, spread, "o", color=plots.RED if new else plots.BLUE, ms=6, alpha=0.6, mew=0)
        ax.plot(row.nll.mean(), y, "|", color=plots.BLACK, ms=22, mew=2.5)
    ax.axvline(entropy, color=plots.BLACK, ls=":")
    ax.text(entropy + 0.02, -0.62, "entropy", fontsize=12)
    ax.set(yticks=range(len(found)), xlabel="-log p(x), nats per image (exact); bar: mean of ten starts")
    ax.set_yticklabels([row.name for row in found])
    ax.set_ylim(len(found) - 0.5, -0.8)
    return fig
