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


def test_a_stored_figure_is_sharp_and_no_wider_on_the_page(scattered, monkeypatch):
    shown = {}
    monkeypatch.setattr(plots, "display", lambda data, raw, metadata: shown.update(data=data, metadata=metadata))
    plots.show(scattered, alt="A cloud of dots.")
    picture, about = Image.open(io.BytesIO(shown["data"]["image/png"])), shown["metadata"]["image/png"]
    assert picture.size == (7 * 160, round(4.2 * 160))
    assert about == {"alt": "A cloud of dots.", "width": 7 * 96}
    assert shown["data"]["text/plain"] == "A cloud of dots."


def test_few_colours_are_seen_by_nobody(scattered):
    few = np.asarray(Image.open(io.BytesIO(plots.stored_png(scattered))).convert("RGB"), float)
    all_of_them = plots.png(scattered, dpi=160)
    exact = np.asarray(Image.open(io.BytesIO(all_of_them)).convert("RGB"), float)
    assert abs(few - exact).mean() < 1  # of 255: a step that no projector shows
    assert len(plots.stored_png(scattered)) < len(all_of_them) / 2
