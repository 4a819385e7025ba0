"""What a figure becomes in a notebook: sharp, small, as wide as it says, told in words."""

import io

import numpy as np
import pytest
from PIL import Image

from lvmteach.classroom.figures import plots


@pytest.fixture
def scattered():
    rng = np.random.default_rng(0)
    fig, ax = plots.figure(size=(7, 4.2))
    fig.colorbar(ax.scatter(*rng.standard_normal((2, 3000)), c=rng.standard_normal(3000), s=5))
    return fig


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float)


def test_a_stored_figure_is_sharp_and_no_wider_on_the_page(scattered, monkeypatch):
    shown = {}
    monkeypatch.setattr(plots, "display", lambda data, raw, metadata: shown.update(data=data, metadata=metadata))
    plots.show(scattered, alt="A cloud of dots.")
    width, about = opened(shown["data"]["image/png"]).shape[1], shown["metadata"]["image/png"]
    assert width == pytest.approx(7 * 160, rel=0.05)  # seven inches; what is empty at the edge is cut
    assert about == {"alt": "A cloud of dots.", "width": round(width * 96 / 160)}
    assert shown["data"]["text/plain"] == "A cloud of dots."


def test_few_colours_are_seen_by_nobody(scattered):
    out = io.BytesIO()
    scattered.savefig(out, format="png", dpi=160, bbox_inches="tight", pad_inches=0.06)
    few = plots.stored_png(scattered)
    assert abs(opened(few) - opened(out.getvalue())).mean() < 1  # of 255: a step that no projector shows
    assert len(few) < len(out.getvalue()) / 2


def test_no_label_is_cut():
    # The layout takes these tick labels for narrower than they become, and pushes the label out of the figure.
    fig, ax = plots.figure()
    ax.plot([0, 3.36], [1.3, 15.6], "o")
    ax.set(xlabel="|centre|", ylabel="gain in variance per draw", ylim=(0, 18))
    edge = opened(plots.stored_png(fig))[:, :4]
    assert edge.min() == 255
