"""The wake-sleep scrubber: what it records, and its picture."""

import numpy as np
import pytest

from lvmteach.classroom.explorables import wake_sleep as demo
from lvmteach.classroom.explorables.scenes.wake_sleep import WakeSleep
from lvmteach.classroom.figures import plots
from lvmteach.helmholtz import bars
from lvmteach.runtime import seeded

DATA = bars()
WAKES = 80


@pytest.fixture(scope="module")
def records():
    found = {}
    for name in ("1/4", "4"):
        with seeded(3):
            found[name] = demo.record(DATA, demo.SLEEPS[name], WAKES)
    return found


def test_a_record_holds_its_moments(records):
    for r in records.values():
        assert r.steps.tolist() == list(range(0, WAKES + 1, WAKES // demo.SNAPSHOTS))
        assert r.dreams.shape == (demo.SNAPSHOTS + 1, demo.SHOWN, 16)
        assert r.rebuilt.shape == (demo.SNAPSHOTS + 1, 30, 16)
        assert r.nll.min() > DATA.entropy
        assert r.nll[-1] < r.nll[0]
        assert np.abs(r.nll + r.kl_data - r.bound).max() < 1e-10  # log p(x) = ELBO + KL, rounding
        assert (r.kl_data > 0).all()
        assert (r.kl_dreams > 0).all()


def test_legal_dreams_are_those_that_bars_can_make(records):
    possible = {tuple(image) for image in DATA.images.int().tolist()}
    r = records["1/4"]
    for dreams, legal in zip(r.dreams, r.legal, strict=True):
        assert legal.tolist() == [tuple(dream) in possible for dream in dreams.astype(int).tolist()]


@pytest.mark.parametrize("name", demo.SLEEPS)
def test_sleep_is_rationed(name, monkeypatch):
    calls = []
    monkeypatch.setattr(demo, "sleep_step", lambda *_: calls.append(1))
    with seeded(0):
        for _ in demo.training(DATA, demo.SLEEPS[name], 64):
            pass
    assert len(calls) == 64 * demo.SLEEPS[name]


def test_every_end_of_every_control_draws_a_picture_of_its_own(records):
    scene, seen = WakeSleep(records, DATA), set()
    for name in records:
        for moment in (0, demo.SNAPSHOTS):
            summary = scene.update(moment=moment, sleeps=name)
            assert f"after {records[name].steps[moment]}:" in summary
            seen.add(plots.live_png(scene.fig, scene.moving))
    assert len(seen) == 4


def test_reconstructions_stand_below_their_images(records):
    scene = WakeSleep(records, DATA)
    scene.update(moment=demo.SNAPSHOTS, sleeps="4")
    sheet = np.asarray(scene.rebuilt.get_array())
    image, below = DATA.images[8].numpy(), records["4"].rebuilt[-1][8]  # second row of images, third in it
    for row, expected in ((2, image), (3, below)):
        tile = sheet[5 * row : 5 * row + 4, 10:14]
        assert np.allclose(tile, 0.1 + 0.9 * expected.reshape(4, 4))
