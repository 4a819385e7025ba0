"""The one-factor demo: what it draws is the model's, and its lecture moves do what the speaker note says."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_wine

from lvmteach.classroom.explorables.scenes.linear_gaussian import BELOW, Geometry
from lvmteach.classroom.figures import plots
from lvmteach.linear_gaussian import fit_fa, fit_ppca

STARTS = [
    {"angle": 20.0, "loading": 1.0, "noise": 0.5, "ratio": 1.0},
    {"angle": -70.0, "loading": 0.3, "noise": 0.1, "ratio": 4.0},
]


@pytest.fixture
def pair():
    wine = load_wine()
    columns = [wine.feature_names.index(name) for name in ("alcohol", "proline")]
    return torch.as_tensor(stats.zscore(wine.data)[:, columns])


def drawn_covariance(patch):
    """Of an ellipse two standard deviations out."""
    turn = np.radians(patch.angle)
    R = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return R @ np.diag([(patch.width / 4) ** 2, (patch.height / 4) ** 2]) @ R.T


@pytest.mark.parametrize("start", STARTS)
def test_the_picture_is_the_model(pair, start):
    scene = Geometry(pair)
    scene.update(**start)
    turn = np.radians(start["angle"])
    w = start["loading"] * np.array([np.cos(turn), np.sin(turn)])
    psi = start["noise"] * np.array([start["ratio"], 1 / start["ratio"]])
    cov = np.outer(w, w) + np.diag(psi)
    np.testing.assert_allclose(drawn_covariance(scene.marginal), cov, atol=1e-12)  # rounding
    np.testing.assert_allclose(drawn_covariance(scene.noise), np.diag(psi), atol=1e-12)
    # The feet, by conditioning the joint Gaussian of z and x.
    x = pair.numpy()
    z = x @ np.linalg.solve(cov, w)
    np.testing.assert_allclose(np.column_stack(scene.feet.get_data()), z[:, None] * w, atol=1e-12)
    density = stats.multivariate_normal([0, 0], cov).logpdf(x).mean()
    assert scene.log_lik[0] == pytest.approx(density, rel=1e-12)


def test_the_dashed_line_is_the_best_gaussian(pair):
    S = np.cov(pair.T.numpy(), bias=True)
    best = stats.multivariate_normal([0, 0], S).logpdf(pair.numpy()).mean()
    assert Geometry(pair).best == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("start", STARTS)
def test_the_buttons_take_the_steps_of_the_library(pair, start):
    scene = Geometry(pair)
    scene.update(**start)
    fit = (fit_ppca if start["ratio"] == 1 else fit_fa)(pair, 1, start=scene.params, max_steps=11, tol=0.0)
    scene.m_step()
    assert "feet of the last E step" in scene.update(**start)
    scene.e_step()
    assert "feet" not in scene.update(**start)
    scene.run()
    np.testing.assert_allclose(scene.log_lik, fit.log_lik, rtol=1e-12)
    scene.start_again()
    assert len(scene.log_lik) == 1


def test_a_slider_starts_again_and_nothing_else_does(pair):
    scene = Geometry(pair)
    scene.run()
    scene.update()
    assert len(scene.log_lik) == 11
    scene.update(angle=25.0)
    assert len(scene.log_lik) == 1


def test_the_lecture_moves(pair):
    scene = Geometry(pair)
    scene.update(angle=-45.0, ratio=1.0)
    scene.run()
    assert scene.best - scene.log_lik[-1] > 0.2  # the saddle
    scene.update(angle=-40.0, ratio=1.0)
    scene.run(30)
    assert scene.best - scene.log_lik[-1] < 1e-6
    angles = []
    for ratio in (4.0, 0.25):
        scene.update(angle=45.0, ratio=ratio)
        scene.run(50)
        assert scene.best - scene.log_lik[-1] < 1e-6
        W = scene.params.W[:, 0]
        angles.append(float(torch.atan2(W[1], W[0]).rad2deg()))
    assert angles[0] - angles[1] > 10


def test_every_control_moves_the_picture(pair):
    scene = Geometry(pair)
    exploration = scene.live()
    assert len(exploration.exercise()) == 2 * 4 + 4
    exploration.close()


def test_a_hopeless_start_stays_in_the_picture(pair):
    scene = Geometry(pair)
    scene.update(angle=-45.0, loading=0.1, noise=0.05)
    _, shown = scene.trace.get_data()
    assert scene.best - BELOW < min(shown)
    assert plots.live_png(scene.fig, scene.moving)[:4] == b"\x89PNG"


@pytest.mark.usefixtures("as_users_run_it")
def test_only_planes_can_be_drawn():
    with pytest.raises(ValueError, match=r"x must be \(N, 2\)"):
        Geometry(torch.randn(5, 3))
