"""Cost against the number of data, of samples, of latent dimensions and of images a batch: one picture each.

    python -m benchmarks.scaling          draws benchmarks/scaling.png, and prints what is in it

Each point is the median of REPEATS; the dotted lines grow in proportion, so a curve beside one says "linear".
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.deep import minus_elbo, threads, vae
from benchmarks.timing import one_thread, seconds
from lvmteach.bounds import iwae
from lvmteach.classroom.figures import plots
from lvmteach.em import em
from lvmteach.linear_gaussian import e_step, fit_fa, m_step_fa, moments
from lvmteach.mixtures import fit_from, random_start
from lvmteach.runtime import seeded
from lvmteach.training import adam

PICTURE = Path(__file__).parent / "scaling.png"
REPEATS, BUDGET = 7, 0.03  # of each point; seconds that one repeat lasts at least
PIXELS, HIDDEN = 784, (200, 200)


class Curve(NamedTuple):
    """Seconds (median, least, most) at each size."""

    name: str
    sizes: list[int]
    seconds: list[tuple[float, float, float]]


def main() -> None:
    """Measure all curves, print them, draw them."""
    panels = measure()
    for along, curves in panels.items():
        for one in curves:
            points = ", ".join(f"{size}: {1e3 * s[0]:.3g}" for size, s in zip(one.sizes, one.seconds, strict=True))
            print(f"{along}; {one.name}, ms: {points}", flush=True)
    draw(panels)
    print(f"{PICTURE.name}, {threads()}; by rows, one thread")


def measure() -> dict[str, list[Curve]]:
    """The curves of each panel."""
    with seeded(0), one_thread():
        rows = (1_000, 3_000, 10_000, 30_000, 100_000)
        panels = {"rows N": [curve(name, rows, work) for name, work in ROWS.items()]}
    samples, latent, images = (1, 2, 5, 10, 20, 50, 100), (2, 5, 10, 20, 50, 100, 200), (10, 20, 50, 100, 200, 500)
    with seeded(0):
        panels["samples K"] = [curve(f"batch {B}", samples, lambda K, B=B: step(K, 50, B)) for B in (20, 100)]
        panels["latent dimensions L"] = [curve(f"K = {K}", latent, lambda L, K=K: step(K, L, 100)) for K in (1, 10)]
        panels["images a batch"] = [curve(f"K = {K}", images, lambda B, K=K: step(K, 50, B)) for K in (1, 10)]
    return panels


def curve(name: str, sizes: tuple[int, ...], prepare: Callable[[int], Callable[[], object]]) -> Curve:
    """The seconds of `prepare(size)()` at each size: all in turn, and again, so that a jolt hits each but once."""
    works = [prepare(size) for size in sizes]
    calls = [enough(work) for work in works]
    tasks = [(partial(repeat, work, n), n) for work, n in zip(works, calls, strict=True)]
    found = [[seconds(task) / n for task, n in tasks] for _ in range(REPEATS)]
    points = [(statistics.median(column), min(column), max(column)) for column in zip(*found, strict=True)]
    return Curve(name, list(sizes), points)


def enough(work: Callable[[], object]) -> int:
    """How many calls last about BUDGET seconds."""
    work()
    return max(1, round(BUDGET / max(seconds(work), 1e-6)))


def repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()


# --- What is timed


def step(K: int, L: int, B: int) -> Callable[[], None]:
    """A step of training, 784-200-200-L: of the VAE at K = 1, of the importance weighted autoencoder above."""
    model, x = vae(L, HIDDEN), (torch.rand(B, PIXELS) < 0.13).float()
    optimiser = adam(model.parameters())

    def one() -> None:
        loss = minus_elbo(model, x) if K == 1 else -iwae(model.log_weights(x, K)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return one


def gathering(N: int) -> Callable[[], object]:
    """The pass over the data that factor analysis makes once."""
    x = columns(N)
    return lambda: moments(x)


def factor_step(N: int) -> Callable[[], object]:
    """A step of EM after it."""
    x = columns(N)
    known, start = moments(x), fit_fa(x[:1000], 10, max_steps=0, tol=0.0).params
    return lambda: em(known, start, e_step, m_step_fa, max_steps=1, tol=0.0)


def mixture_step(N: int) -> Callable[[], object]:
    """A step of EM for a mixture of ten Gaussians."""
    x = columns(N)
    start = random_start(x, 10)
    return lambda: fit_from(x, start, max_steps=1, tol=0.0)


def columns(N: int) -> Tensor:
    return torch.randn(N, 50, dtype=torch.float64)


ROWS = {
    "factor analysis, first pass": gathering,
    "factor analysis, EM step": factor_step,
    "mixture, C = 10, EM step": mixture_step,
}


# --- The picture

TITLES = {
    "rows N": "EM, 50 columns, one thread",
    "samples K": "IWAE step, L = 50",
    "latent dimensions L": "VAE and IWAE step, batch 100",
    "images a batch": "VAE and IWAE step, L = 50",
}


def draw(panels: dict[str, list[Curve]]) -> None:
    """One panel a size, both axes logarithmic."""
    fig, axes = plots.figure(2, 2, size=(10.5, 8.0))
    for ax, (along, curves) in zip(axes.flat, panels.items(), strict=True):
        for one, marker in zip(curves, "os^", strict=False):
            middle, low, high = (1e3 * torch.tensor(column) for column in zip(*one.seconds, strict=True))
            (line,) = ax.loglog(one.sizes, middle, f"{marker}-", label=one.name)
            ax.fill_between(one.sizes, low, high, color=line.get_color(), alpha=0.2, lw=0)
        whole_decades(ax, curves)
        slope(ax, curves)
        ax.set(xlabel=along, ylabel="milliseconds", title=TITLES[along])
        ax.legend(fontsize=11, loc="upper left")
    fig.savefig(PICTURE, dpi=72)


def whole_decades(ax, curves: list[Curve]) -> None:
    """Limits at powers of ten, room for the legend above, and numbers that are read at once."""
    low = min(s[0] for one in curves for s in one.seconds)
    high = max(s[0] for one in curves for s in one.seconds)
    ax.set_ylim(10 ** math.floor(math.log10(1e3 * low)), 10 ** math.ceil(math.log10(3e3 * high)))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")


def slope(ax, curves: list[Curve]) -> None:
    """Dotted lines in proportion to the size, through each curve's last point."""
    limits = ax.get_ylim()
    for one in curves:
        ends = [one.sizes[0], one.sizes[-1]]
        ax.plot(ends, [1e3 * one.seconds[-1][0] * end / ends[1] for end in ends], ":", color=plots.GREY, lw=1.2)
    ax.set_ylim(limits)


if __name__ == "__main__":
    main()
