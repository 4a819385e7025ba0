"""Diagrams: what is drawn is what was said, and a slip is named."""

from itertools import pairwise

import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from lvmteach.classroom.figures import course
from lvmteach.classroom.figures.diagram import SHADE, block, given, graph, latent, net, observed

NODES = {"z": latent(0, 1.2), "x": observed(0, 0), "W": given(1.2, 0)}
ARROWS = ["z -> x", "W -> x", "x ~> z"]


def patches(fig, kind):
    (ax,) = fig.axes
    return [patch for patch in ax.patches if isinstance(patch, kind)]


def inside(inner, outer):
    a, b = inner.get_path().get_extents(inner.get_patch_transform()), outer.get_path().get_extents()
    return b.x0 < a.x0 and b.y0 < a.y0 and a.x1 < b.x1 and a.y1 < b.y1


def test_observed_is_shaded_and_latent_is_white():
    z, x, _ = patches(graph(NODES, ARROWS), Circle)
    assert z.get_facecolor() == to_rgba("white")
    assert x.get_facecolor() == to_rgba(SHADE)


def test_arrows_end_at_the_outlines():
    fig = graph(NODES, ["z -> x"])
    fig.draw_without_rendering()
    (arrow,) = patches(fig, FancyArrowPatch)
    path = arrow.get_path()  # in data coordinates
    assert path.vertices[0] == pytest.approx((0, 0.9), abs=0.06)  # z lies at 1.2, circles have the radius 0.3
    drawn = path.vertices[path.codes != path.CLOSEPOLY]
    assert drawn[:, 1].min() == pytest.approx(0.3, abs=0.06)  # a gap as wide as the line


def test_inference_is_dashed_and_an_edge_has_no_head():
    solid, dashed, plain = patches(graph(NODES, ["z -> x", "x ~> z", "z -- W"]), FancyArrowPatch)
    assert solid.get_linestyle() == "solid"
    assert dashed.get_linestyle() != "solid"
    assert plain.get_arrowstyle().__class__.__name__ == "Curve"


def test_plates_hold_their_nodes_and_one_another():
    nodes = {**NODES, "θ": latent(0, 2.4)}
    fig = graph(nodes, ARROWS, {"D": ["x"], "N": ["z", "x"]})
    z, x, _, theta = patches(fig, Circle)
    pixels, images = patches(fig, FancyBboxPatch)
    assert inside(x, pixels)
    assert inside(x, images)
    assert inside(z, images)
    assert not inside(z, pixels)
    assert not inside(theta, images)
    assert inside(pixels, images)


def test_a_net_goes_from_left_to_right_and_height_is_size():
    fig = net([("x", 784), ("tanh", 200), ("z", 2)])
    boxes = [box.get_path().get_extents() for box in patches(fig, FancyBboxPatch)]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
    assert boxes[0].height > boxes[1].height > boxes[2].height
    assert len(patches(fig, FancyArrowPatch)) == 2
    assert [text.get_text() for text in fig.axes[0].texts] == ["x\n784", "tanh\n200", "z\n2"]


@pytest.mark.parametrize(
    ("arrows", "plates", "said"),
    [
        (["z => x"], {}, "got 'z => x'"),
        (["z -> y"], {}, "no node y; there are z, x, W"),
        (["z -> x"], {"N": ["z", "u"]}, "no node u"),
    ],
)
def test_a_slip_is_named(arrows, plates, said):
    with pytest.raises(ValueError, match=said):
        graph(NODES, arrows, plates)


def test_what_is_drawn_fits_into_the_figure():
    fig = graph({**NODES, "net": block(-2, 0, width=1.6)}, ARROWS, {"N": ["net", "z", "x"]})
    (ax,) = fig.axes
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    for patch in [*patches(fig, FancyBboxPatch), *patches(fig, Circle)]:
        box = patch.get_path().get_extents(None if isinstance(patch, FancyBboxPatch) else patch.get_patch_transform())
        assert x0 < box.x0 < box.x1 < x1
        assert y0 < box.y0 < box.y1 < y1


def test_the_families_are_drawn():
    assert [ax.get_title() for ax in course.families().axes] == [name for name, *_ in course.FAMILIES]
