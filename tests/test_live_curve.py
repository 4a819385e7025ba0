"""The curve that grows while a cell trains: one place, every value on it, the axis around them."""

import numpy as np
import torch

from lvmteach.classroom.figures import plots
from lvmteach.training import History


class Place:
    def __init__(self, shown):
        self.shown = shown

    def update(self, picture, **kwargs):
        self.shown.append((picture, kwargs))


def history(steps):
    loss = torch.linspace(200, 100, 1000)[:steps]
    at = torch.arange(100, steps + 1, 100)
    return History(loss, loss[at - 1], at, False, 1.0)


def test_it_is_drawn_in_one_place_with_every_value_in_sight(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda picture, **kwargs: shown.append((picture, kwargs)) or Place(shown))
    curve = plots.LiveCurve("a curve that climbs")
    for steps in (100, 500, 1000):
        curve(history(steps))
        np.testing.assert_allclose(curve.valid.get_ydata(), -history(steps).valid)
        low, high = curve.ax.get_ylim()
        assert low < curve.valid.get_ydata().min() <= curve.valid.get_ydata().max() < high
        assert curve.ax.get_xlim() == (0, steps)
    # Blocks of 50 steps: the first is the mean of losses 200 ... 195.1.
    np.testing.assert_allclose(curve.train.get_ydata()[0], -history(1000).loss[:50].double().mean(), rtol=1e-6)
    assert len(curve.train.get_ydata()) == 20
    assert [kwargs.get("display_id") for _, kwargs in shown] == [True, None, None, None]
    for picture, kwargs in shown:
        assert picture["text/plain"] == kwargs["metadata"]["image/png"]["alt"] == "a curve that climbs"
    assert len({picture["image/png"] for picture, _ in shown}) == 4
