"""Diagrams: models as graphs (observed shaded, plates, arrows from cause to effect), nets as blocks with their sizes.

    graph({"z": latent(0, 1), "x": observed(0, 0), "W": given(1, 0)}, ["z -> x", "W -> x"], {"N": ["z", "x"]})
    net([("x", 784), ("tanh", 200), ("tanh", 200), ("μ, log σ", 100)])

A node's name is what is written on it, unless it has a label of its own. Places are in units of a circle's distance,
x to the right, y upwards. Both return a Figure for `plots.show`, or draw into an `ax` that is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Patch

from lvmteach.classroom.figures import plots

RADIUS = 0.3
DOT = 0.06
SHADE = "#D0D0D0"
INCHES = 1.05  # for one unit of the places
LETTERS = 16
_ARROW = re.compile(r"^(?P<start>.+?) (?P<kind>->|~>|--) (?P<end>.+)$")


class Node(NamedTuple):
    """Something in a diagram, at a place."""

    kind: str  # latent, observed, given, block
    x: float
    y: float
    label: str | None = None
    size: tuple[float, float] = (2 * RADIUS, 2 * RADIUS)


def latent(x: float, y: float, label: str | None = None) -> Node:
    """A variable nobody has seen: a white circle."""
    return Node("latent", x, y, label)


def observed(x: float, y: float, label: str | None = None) -> Node:
    """A variable in the data: a shaded circle."""
    return Node("observed", x, y, label)


def given(x: float, y: float, label: str | None = None) -> Node:
    """A parameter, no random variable: a dot, with its name above."""
    return Node("given", x, y, label)


def block(x: float, y: float, label: str | None = None, *, width: float = 1.0, height: float = 0.6) -> Node:
    """A computation: a rectangle."""
    return Node("block", x, y, label, (width, height))


def graph(
    nodes: Mapping[str, Node],
    arrows: Sequence[str],
    plates: Mapping[str, Sequence[str]] | None = None,
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Draw a graph.

    Args:
        nodes: by name.
        arrows: "z -> x" from cause to effect; "x ~> z" dashed and bent, for inference; "a -- b" without a direction.
        plates: what is repeated: the words in the corner, and the names of the nodes inside.
        title: above the graph.
        ax: where to draw; a figure of the right size is made otherwise.

    Raises:
        ValueError: an arrow that is none of the three, or the name of a node that is not there.
    """
    plates = plates or {}
    links = [_link(arrow) for arrow in arrows]
    named = {name for link in links for name in (link["start"], link["end"])}.union(*plates.values())
    if strange := sorted(named - set(nodes)):
        raise ValueError(f"no node {', '.join(strange)}; there are {', '.join(nodes)}")
    boxes = [_around([nodes[name] for name in inside], depth) for inside, depth in _nested(plates)]
    left, low, right, high = _hull([_extent(node) for node in nodes.values()] + boxes)
    if ax is None:
        height = high - low + (0.35 if title else 0) + 0.1
        _, ax = plots.figure(size=(INCHES * (right - left + 0.1), INCHES * height))
    shapes = {name: ax.add_patch(_shape(node)) for name, node in nodes.items()}
    for name, node in nodes.items():
        above = node.kind == "given"
        ax.text(
            node.x, node.y + (2.2 * DOT if above else 0), node.label or name, fontsize=LETTERS, zorder=4,
            ha="center", va="bottom" if above else "center",
        )  # fmt: skip
    for link in links:
        _arrow(ax, nodes, shapes, **link)
    for words, (x0, y0, x1, y1) in zip(plates, boxes, strict=True):
        ax.add_patch(_box(x0, y0, x1, y1, facecolor="none", linewidth=1.4, zorder=1))
        ax.text(x1 - 0.08, y0 + 0.07, words, ha="right", va="bottom", fontsize=LETTERS - 3)
    ax.set(xlim=(left - 0.05, right + 0.05), ylim=(low - 0.05, high + 0.05), aspect="equal")
    ax.set_axis_off()
    if title:
        ax.set_title(title, weight="bold")
    return ax.figure


def net(steps: Sequence[tuple[str, int | str]], *, title: str = "", ax: Axes | None = None) -> Figure:
    """Draw a net's way from left to right: (what a layer does, its size), each a block as tall as log(size)."""
    nodes, arrows, before = {}, [], None
    for i, (words, size) in enumerate(steps):
        width = max(0.75, 0.17 * max(map(len, words.split("\n"))))
        height = 0.6 + 0.17 * math.log2(size) if isinstance(size, int) else 0.9
        x = 0.0 if before is None else before.x + before.size[0] / 2 + 0.45 + width / 2
        before = block(x, 0, f"{words}\n{size}", width=width, height=height)
        nodes[str(i)] = before
        arrows += [f"{i - 1} -> {i}"] if i else []
    return graph(nodes, arrows, title=title, ax=ax)


def _link(arrow: str) -> dict[str, str]:
    found = _ARROW.match(arrow)
    if not found:
        raise ValueError(f"an arrow is 'a -> b', 'a ~> b' or 'a -- b', got {arrow!r}")
    return found.groupdict()


def _shape(node: Node) -> Patch:
    style = {"edgecolor": plots.BLACK, "linewidth": 1.8, "zorder": 3}
    if node.kind == "block":
        return _box(*_extent(node), facecolor="#E6F0F8", **style)
    if node.kind == "given":
        return Circle((node.x, node.y), DOT, facecolor=plots.BLACK, **style)
    return Circle((node.x, node.y), RADIUS, facecolor=SHADE if node.kind == "observed" else "white", **style)


def _box(x0: float, y0: float, x1: float, y1: float, **style) -> FancyBboxPatch:
    round_off = 0.08
    inner = (x0 + round_off, y0 + round_off), x1 - x0 - 2 * round_off, y1 - y0 - 2 * round_off
    return FancyBboxPatch(*inner, boxstyle=f"round,pad={round_off}", **style)


def _arrow(ax: Axes, nodes: Mapping[str, Node], shapes: Mapping[str, Patch], start: str, kind: str, end: str) -> None:
    ax.add_patch(
        FancyArrowPatch(
            nodes[start][1:3], nodes[end][1:3], patchA=shapes[start], patchB=shapes[end], shrinkA=1, shrinkB=1,
            arrowstyle="-" if kind == "--" else "-|>", mutation_scale=18, linewidth=1.8, color=plots.BLACK, zorder=2,
            **({"linestyle": (0, (4, 2)), "connectionstyle": "arc3,rad=-0.45"} if kind == "~>" else {}),
        )
    )  # fmt: skip


def _extent(node: Node) -> tuple[float, float, float, float]:
    width, height = node.size
    above = 0.2 if node.kind == "given" else 0  # its name
    return node.x - width / 2, node.y - height / 2, node.x + width / 2, node.y + height / 2 + above


def _hull(boxes: Sequence[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _nested(plates: Mapping[str, Sequence[str]]) -> list[tuple[Sequence[str], int]]:
    """Each plate's nodes, and how many other plates it holds: it must be drawn outside of them."""
    return [(inside, sum(set(other) < set(inside) for other in plates.values())) for inside in plates.values()]


def _around(nodes: Sequence[Node], depth: int) -> tuple[float, float, float, float]:
    left, low, right, high = _hull([_extent(node) for node in nodes])
    room = 0.18 * (1 + depth)
    return left - room, low - room - 0.24 * (1 + depth), right + room, high + room
