"""The EM stepper's scene: what its buttons do, told by its summary and its trace."""

import numpy as np
import pytest
import torch

from lvmteach.classroom.explorables.scenes.mixtures import Stepper
from lvmteach.mixtures import log_likelihood


@pytest.fixture
def stepper():
    rng = np.random.default_rng(0)
    clouds = [rng.normal(centre, 0.5, (40, 2)) for centre in ([0, 0], [4, 0], [2, 4])]
    return Stepper(torch.tensor(np.concatenate([*clouds, [[-6.0, 6.0]]])))


def test_an_e_step_closes_the_gap_and_an_m_step_opens_it(stepper):
    for _ in range(3):
        stepper.e_step()
        stepper.m_step()
    gaps = np.array([half.objective - half.bound for half in stepper.trace])
    assert [half.name for half in stepper.trace] == ["E", "M"] * 3
    assert np.abs(gaps[::2]).max() < 1e-12  # rounding
    assert gaps[1::2].min() > 1e-6
    assert np.diff([half.bound for half in stepper.trace]).min() > 0
    assert stepper.trace[-1].objective == pytest.approx(log_likelihood(stepper.x, stepper.params).mean().item())


def test_a_second_e_step_changes_nothing(stepper):
    stepper.e_step()
    stepper.e_step()
    assert stepper.trace[0] == stepper.trace[1]


def test_an_m_step_before_any_e_step_does_nothing(stepper):
    before = stepper.update()
    stepper.m_step()
    assert stepper.update() == before


def test_a_click_moves_the_nearest_mean_and_starts_again(stepper):
    stepper.run()
    nearest = int((stepper.first - torch.tensor([4.2, 0.3])).square().sum(1).argmin())
    stepper.move_mean(np.array([[4.2, 0.3]]), True)
    stepper.move_mean(np.array([[4.2, 0.3], [5.0, 1.0]]), False)
    assert stepper.params.means[nearest].tolist() == [5.0, 1.0]
    assert stepper.trace == []


def test_a_collapse_is_told_and_the_prior_prevents_it(stepper):
    for prior, words in ((False, "collapsed"), (True, "half step 40")):
        stepper.update(prior=prior)
        stepper.move_mean(np.array([[-6.0, 6.0]]), True)
        stepper.run(20)
        assert words in stepper.update(prior=prior)


def test_another_prior_or_covariance_starts_where_the_hand_put_the_means(stepper):
    stepper.update()
    stepper.move_mean(np.array([[4.2, 0.3]]), True)
    moved = stepper.first.clone()
    stepper.run()
    for settings in ({"prior": True}, {"prior": True, "covariance": "spherical"}):
        assert "press E" in stepper.update(**settings)
        assert torch.equal(stepper.params.means, moved)
    stepper.update(C=4)
    assert len(stepper.params.means) == 4


def test_every_control_moves_and_nothing_fails(stepper):
    exploration = stepper.live()
    moved = exploration.exercise()
    exploration.close()
    assert {"C", "covariance", "prior", "E step", "M step"} <= {move.control for move in moved}


def test_only_two_columns_can_be_drawn():
    with pytest.raises(ValueError, match="choose two columns"):
        Stepper(torch.randn(10, 3))
