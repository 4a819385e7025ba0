"""The course in one picture: a panel a stage, each with the question it answers.

python -m lvmteach.classroom.figures.course notebooks/course_map.png     make the picture anew
"""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats
from sklearn.datasets import load_digits

from lvmteach.classroom.figures import plots
from lvmteach.classroom.figures.diagram import block, given, graph, latent, observed

GRID = np.linspace(-4, 4, 200)


def start_here(ax: Axes) -> None:
    nodes = {"$z$": latent(0, 1.1), "$x$": observed(0, 0), "$\\theta$": given(1.1, 0)}
    graph(nodes, ["$z$ -> $x$", "$\\theta$ -> $x$"], ax=ax)
    ax.set(xlim=(-1.6, 2.0), ylim=(-0.45, 1.55))


def monte_carlo(ax: Axes) -> None:
    ax.fill_between(GRID, stats.norm.pdf(GRID, 0.8, 0.7), color=plots.SKY, label="p")
    ax.plot(GRID, stats.norm.pdf(GRID, 0, 1.3), color=plots.ORANGE, label="q")
    draws = stats.norm.ppf(np.linspace(0.02, 0.98, 14), 0, 1.3)
    weights = stats.norm.pdf(draws, 0.8, 0.7) / stats.norm.pdf(draws, 0, 1.3)
    ax.scatter(draws, np.full(14, -0.09), 8 + 70 * weights, plots.RED, alpha=0.8, clip_on=False)


def factor_analysis(ax: Axes) -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal(90)
    x = z[:, None] * [1.6, 0.9] + 0.35 * rng.standard_normal((90, 2))
    ax.scatter(*x.T, 14, plots.GREY)
    ax.plot([-4, 4], [-2.25, 2.25], color=plots.BLUE, lw=3)
    plots.ellipse(ax, [0, 0], [[2.68, 1.44], [1.44, 0.93]], color=plots.RED)
    ax.set(xlim=(-5, 5), ylim=(-3, 3))


def gaussian_mixtures(ax: Axes) -> None:
    rng = np.random.default_rng(1)
    centres, colours = [[-2, -0.8], [0.3, 1.2], [2.3, -0.6]], [plots.BLUE, plots.ORANGE, plots.GREEN]
    for centre, colour in zip(centres, colours, strict=True):
        ax.scatter(*(centre + 0.55 * rng.standard_normal((35, 2))).T, 14, colour)
        plots.ellipse(ax, centre, 0.3 * np.eye(2), color=colour)
    ax.set(xlim=(-4, 4), ylim=(-2.8, 2.8))


def log_linear(ax: Axes) -> None:
    # Two classes of 2 x 2 blocks, p(x|c) proportional to exp(w_c . features): the probability of each of 16 images.
    ink = np.arange(16)[:, None] >> np.arange(4) & 1
    for turn, (weights, colour) in enumerate((((1.4, 1.4, -1, -1), plots.BLUE), ((-1, 1.2, -1, 1.2), plots.ORANGE))):
        p = np.exp(ink @ np.array(weights))
        ax.bar(np.arange(16) + 0.4 * turn, p / p.sum(), 0.4, color=colour)


def variational_inference(ax: Axes) -> None:
    ax.fill_between(GRID, 0.5 * stats.norm.pdf(GRID, -1.7, 0.6) + 0.5 * stats.norm.pdf(GRID, 1.7, 0.6), color=plots.SKY)
    ax.plot(GRID, 0.5 * stats.norm.pdf(GRID, 1.7, 0.6), color=plots.RED)
    ax.plot(GRID, 0.7 * stats.norm.pdf(GRID, 0, 1.8), color=plots.BLUE, ls="--")


def wake_sleep(ax: Axes) -> None:
    rng = np.random.default_rng(5)
    bars = (rng.random((24, 4, 1)) < 0.4) * np.ones(4)
    upright = rng.random(24) < 0.5
    bars[upright] = bars[upright].swapaxes(1, 2)
    plots.image_grid(ax, 0.15 + 0.85 * bars, (4, 4), cols=6, cmap="Blues")


def gradient_estimators(ax: Axes) -> None:
    for width, colour, style in ((2.0, plots.ORANGE, "--"), (0.5, plots.BLUE, "-")):
        ax.plot(GRID, stats.norm.pdf(GRID, 0, width), color=colour, ls=style)
    ax.axvline(0, color=plots.BLACK, lw=1.5, ls=":")


def variational_autoencoder(ax: Axes) -> None:
    plots.image_grid(ax, load_digits().data[:40] / 16, (8, 8), cols=8)


def importance_weighted(ax: Axes) -> None:
    # A Gaussian model whose log weights are N(-v/2, v), v = 2: the gap falls from 1 like (e^v - 1) / 2K.
    K = np.arange(1, 60)
    ax.axhline(0, color=plots.BLACK, lw=1.5, ls=":")
    ax.plot(K, -1 / (1 + 2 * (K - 1) / (np.e**2 - 1)), color=plots.BLUE)
    ax.set_xscale("log")


def richer_models(ax: Axes) -> None:
    rng = np.random.default_rng(4)
    for k, colour in enumerate((plots.BLUE, plots.ORANGE, plots.GREEN, plots.RED, plots.PURPLE)):
        angle = 2 * np.pi * k / 5
        along, across = rng.standard_normal((2, 45)) * [[0.55], [0.12]]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        x, y = turn @ np.stack([1.5 + along, across + 0.35 * along**2])
        ax.scatter(x, y, 12, colour)
    ax.set(xlim=(-4.5, 4.5), ylim=(-3, 3))


def sequences(ax: Axes) -> None:
    rng = np.random.default_rng(2)
    label = np.repeat([0, 1, 0, 1, 0], [14, 9, 16, 12, 9])
    ax.step(np.arange(60), label, where="mid", color=plots.BLUE)
    ax.scatter(np.arange(60), label + 0.28 * rng.standard_normal(60), 14, plots.GREY)
    ax.set(ylim=(-1.1, 2.1))


STAGES = (
    ("00 Start here", "What is a latent variable, and what is it for?", start_here),
    ("01 Monte Carlo", "How do samples make an integral?", monte_carlo),
    ("02 Factor analysis", "Which few causes explain many pixels?", factor_analysis),
    ("03 Gaussian mixtures", "Which group does each point belong to?", gaussian_mixtures),
    ("04 Log-linear models", "What if the M step has no formula?", log_linear),
    ("05 Variational inference", "What if the posterior has no formula?", variational_inference),
    ("06 Wake-sleep", "Can a net learn to guess the causes?", wake_sleep),
    ("07 Gradient estimators", "How do you differentiate an expectation?", gradient_estimators),
    ("08 Variational autoencoder", "What if both directions are deep?", variational_autoencoder),
    ("09 Importance weighted", "How close to log p(x) can a bound come?", importance_weighted),
    ("10 Richer models", "What of other data and other priors?", richer_models),
    ("11 Sequences and time", "What if the cause moves in time?", sequences),
)


def course_map() -> Figure:
    """A panel a stage, three rows, read from left to right."""
    fig, axes = plots.figure(3, 4, size=(15, 10.2))
    for ax, (name, question, draw) in zip(axes.flat, STAGES, strict=True):
        draw(ax)
        # One box for all, whatever is in it: titles and questions stand at one height.
        ax.set(xticks=[], yticks=[], xticklabels=[], yticklabels=[], box_aspect=0.56, aspect="auto")
        ax.tick_params(which="both", length=0, labelsize=0)
        ax.spines[:].set_visible(False)
        ax.set_title(name, weight="bold", fontsize=16, y=1.0, pad=10)
        ax.text(0.5, -0.07, fill(question, 25), ha="center", va="top", fontsize=14, transform=ax.transAxes)
    return fig


CHAIN = {
    f"{one}{t}": make(t, y, f"${one}_{t}$")
    for one, make, y in (("z", latent, 1.1), ("x", observed, 0))
    for t in (1, 2, 3)
}
PAIR = {"$z$": latent(0, 1.1), "$x$": observed(0, 0)}
# Name, nodes, arrows, and the family in words.
FAMILIES = (
    ("factor analysis", PAIR, ["$z$ -> $x$"], "z is a vector,\nx an affine map of it, and noise"),
    ("mixture", PAIR, ["$z$ -> $x$"], "z is a label,\na Gaussian for each"),
    (
        "hidden Markov model",
        CHAIN,
        ["z1 -> z2", "z2 -> z3", "z1 -> x1", "z2 -> x2", "z3 -> x3"],
        "a label that moves\nfrom step to step",
    ),
    (
        "deep generative model",
        {"$z$": latent(0, 1.5), "net": block(0, 0.75, width=0.8, height=0.5), "$x$": observed(0, 0)},
        ["$z$ -> net", "net -> $x$"],
        "z is a vector,\nx comes from a neural net of it",
    ),
)


def families() -> Figure:
    """Four latent variable models as graphs: white circles are latent, shaded ones observed."""
    fig, axes = plots.figure(1, 4, size=(14, 3.7))
    for ax, (name, nodes, arrows, words) in zip(axes, FAMILIES, strict=True):
        graph(nodes, arrows, title=name, ax=ax)
        ax.set(xlim=(-1.6, 1.6) if len(nodes) < 6 else (0.4, 3.6), ylim=(-0.4, 1.9))
        ax.text(0.5, -0.02, words, ha="center", va="top", fontsize=13, transform=ax.transAxes)
    return fig


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(plots.png(course_map(), dpi=100))
