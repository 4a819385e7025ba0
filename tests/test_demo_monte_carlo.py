"""The importance-sampling explorer: its closed forms, its estimates and its picture."""

import math
import re

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import integrate, special, stats

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.explorables.scenes import monte_carlo as demo
from lvmteach.classroom.explorables.scenes.monte_carlo import HUMPS, MASS, PROBLEMS, TAIL
from lvmteach.classroom.figures import plots
from lvmteach.integrals import importance
from lvmteach.runtime import seeded


def density(problem, z):
    return np.mean([stats.norm.pdf(z, mean, problem.scale) for mean in problem.means], 0)


def quad(function, low):
    pieces = [(max(low, a), a + 2) for a in np.arange(-30, 30, 2) if a + 2 > low]
    return sum(integrate.quad(function, a, b, epsabs=0, epsrel=1e-10)[0] for a, b in pieces)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_the_truth_is_the_integral(problem):
    assert problem.truth() == pytest.approx(quad(lambda z: density(problem, z), problem.above), rel=1e-9)


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (4.0, 1.0), (-1.0, 1.5), (2.0, 0.9), (1.0, 3.0)])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_the_variance_is_the_integral(problem, mean, scale):
    def second_moment(z):
        log_p = special.logsumexp(stats.norm.logpdf(z, problem.means, problem.scale)) - math.log(len(problem.means))
        return math.exp(2 * log_p - stats.norm.logpdf(z, mean, scale))

    truth = quad(second_moment, problem.above) / problem.truth() ** 2 - 1
    # Where q is p the variance is one minus one, which leaves rounding.
    assert problem.relative_variance(mean, scale) == pytest.approx(truth, rel=1e-8, abs=1e-12)


def test_the_variance_is_infinite_exactly_when_the_proposal_is_too_narrow():
    for problem in PROBLEMS:
        edge = problem.scale / math.sqrt(2)
        assert problem.relative_variance(0.3, 0.999 * edge) == math.inf
        assert math.isfinite(problem.relative_variance(0.3, 1.1 * edge))


@pytest.mark.parametrize(("problem", "mean", "scale"), [(MASS, 1.0, 1.5), (TAIL, 4.0, 1.0), (HUMPS, 1.0, 3.0)])
def test_the_terms_are_the_librarys(problem, mean, scale):
    """Their mean is one, and importance() on the same problem has the truth and the variance drawn."""
    R = 2000
    q = torch.distributions.Normal(torch.full((R,), mean, dtype=torch.float64), scale)
    with seeded(1):
        terms = problem.log_terms(q.sample((1000,)), q).exp()
    with seeded(1):
        value, std_err = importance(lambda z: z > problem.above, problem.log_p, q, 1000)
    torch.testing.assert_close(terms.mean(0) * problem.truth(), value)
    variance = problem.relative_variance(mean, scale)
    assert_mean(value / problem.truth(), 1, resolution=0.02)
    assert_mean((std_err / problem.truth()) ** 2 * 1000, variance, resolution=0.05 * variance)


def test_the_line_is_the_running_mean_with_its_error():
    scene = demo.ProposalExplorer()
    scene.update(mean=1.0, scale=3.0, problem=HUMPS)
    z = 1.0 + 3.0 * scene.eps.numpy()
    terms = density(HUMPS, z) / stats.norm.pdf(z, 1.0, 3.0)
    last = scene.k[-1]
    assert last == demo.K
    mean = [terms[:k].mean() for k in scene.k]
    half = [1.96 * stats.sem(terms[:k]) for k in scene.k]
    np.testing.assert_allclose(scene.line.get_ydata(), mean, rtol=1e-10)
    band = scene.band.get_paths()[0].vertices[: len(scene.k), 1]
    np.testing.assert_allclose(band, np.subtract(mean, half), rtol=1e-8)


def test_what_the_speaker_note_says():
    scene = demo.ProposalExplorer()
    assert "1.000 ± 0;" in scene.update(0.0, 1.0, MASS)
    assert "infinite" in scene.update(0.0, 0.7, MASS)
    assert "0.000 ± 0; effective draws 0 of" in scene.update(0.0, 1.0, TAIL)
    assert re.search("estimate / truth = 0.500 ± .*e-", scene.update(-2.0, 0.7, HUMPS))


def test_new_samples_leave_the_streams_alone():
    torch.manual_seed(5)
    scene = demo.ProposalExplorer()
    before, eps = torch.get_rng_state(), scene.eps
    scene.draw_anew()
    assert not torch.equal(scene.eps, eps)
    assert torch.equal(torch.get_rng_state(), before)


def test_only_what_is_listed_moves():
    """A full drawing and the quick one of the moving artists give the same picture."""
    scene = demo.ProposalExplorer()
    for values in ((0.0, 1.0, MASS), (4.0, 0.3, TAIL), (-4.0, 4.0, HUMPS)):
        scene.update(*values)
        quick = plots.live_png(scene.fig, scene.moving)
    scene.fig.stale = True
    assert plots.live_png(scene.fig, scene.moving) == quick


def test_every_control_moves_to_its_ends():
    exploration = demo.ProposalExplorer().live()
    try:
        moved = exploration.exercise()
    finally:
        exploration.close()
    assert {move.control for move in moved} >= {"mean", "scale", "problem"}
    assert not any("nan" in move.summary for move in moved)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_no_corner_of_the_controls_is_nan(problem):
    scene = demo.ProposalExplorer()
    for mean in (-4.0, 7.0):
        for scale in (0.3, 0.71, 4.0):
            assert "nan" not in scene.update(mean, scale, problem)


def test_the_key_frame_shows(capsys):
    widgets.key_frame(demo.ProposalExplorer(), alt="explorer", mean=4.0, scale=1.0, problem=TAIL)
