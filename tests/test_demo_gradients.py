"""The gradient explorer: its formulas, its estimates and its picture."""

import numpy as np
import pytest
import torch
from chance import assert_mean
from test_gradients import closed_form

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.explorables.scenes import gradients as demo
from lvmteach.classroom.figures import plots
from lvmteach.gradients import gradient_samples
from lvmteach.runtime import seeded

NAMES = dict(zip(demo.KINDS, ("reparameterised", "none", "mean", "leave-one-out"), strict=True))


@pytest.mark.parametrize("K", [2, 64])
@pytest.mark.parametrize("kind", demo.KINDS)
def test_the_lines_are_the_closed_forms(kind, K):
    for D in (1, 5, 64):
        exact, _ = closed_form(NAMES[kind], D, K, d=demo.M - demo.T, s=demo.S)
        assert demo.variance(kind, D, K) == pytest.approx(exact, rel=1e-14)  # rounding


@pytest.mark.parametrize("kind", demo.KINDS)
def test_the_estimates_have_the_mean_and_variance_drawn(kind):
    exact = demo.variance(kind, 5, 3)
    with seeded(1):
        (found,) = gradient_samples(demo.estimator(kind, 3), (torch.full((5,), demo.M, dtype=torch.float64),), 100_000)
    assert_mean(found[:, 0], 2 * (demo.M - demo.T), resolution=0.1 * exact**0.5)
    assert_mean((found - 2 * (demo.M - demo.T)).square().mean(1) / exact, 1.0, resolution=0.05)


def test_every_end_of_every_control_draws_a_picture_of_its_own():
    scene, seen = demo.GradientExplorer(), set()
    for kind in demo.KINDS:
        for K, D in ((2, 1), (2, 64), (64, 1), (64, 64)):
            summary = scene.update(K=K, D=D, kind=kind)
            assert np.isfinite(float(summary.split("variance ")[1].split()[0]))
            seen.add(plots.live_png(scene.fig, scene.moving))
    assert len(seen) == 16


def test_the_histogram_counts_what_it_cannot_show():
    scene = demo.GradientExplorer()
    scene.update(K=2, D=64, kind="score function")
    assert all("% beyond" in text.get_text() for text in scene.beyond)
    scene.update(K=64, D=1, kind="reparameterised")
    assert not any(text.get_text() for text in scene.beyond)


def test_every_control_moves_the_picture():
    exploration = widgets.explore(
        demo.GradientExplorer(),
        K=widgets.slider(2, 64, 4),
        D=widgets.slider(1, 64, 8),
        kind=widgets.choice(demo.KINDS, "score function"),
    )
    try:
        moved = exploration.exercise()
    finally:
        exploration.close()
    assert {move.control for move in moved} == {"K", "D", "kind"}
