"""The KL explorer: the numbers in its words, by scipy; the bars; the ends of its controls."""

import math
import re

import numpy as np
import pytest
from scipy import integrate, stats

from lvmteach.classroom.explorables.scenes.variational import BY_HAND, FLOOR, FORWARD, LOG_P_X, REVERSE, KLExplorer


def numbers(summary):
    return [float(n) for n in re.findall(r"-?\d+\.\d+", summary)]


def posterior(z, apart):
    return 0.4 * stats.norm.pdf(z, -apart / 2, 0.6) + 0.6 * stats.norm.pdf(z, apart / 2, 0.9)


@pytest.mark.parametrize(("m", "height", "apart"), [(0.0, 0.25, 4.0), (2.0, 0.4, 4.0), (1.0, 0.15, 2.0)])
def test_the_summary_is_true(m, height, apart):
    said_m, said_s, elbo, kl, log_p_x, forward = numbers(KLExplorer().update((m, height), BY_HAND, apart))
    s = 1 / (height * math.sqrt(2 * math.pi))
    assert (said_m, log_p_x) == (m, LOG_P_X)
    assert abs(said_s - s) < 0.006  # two decimals are shown

    def integrand(z):
        q = stats.norm.pdf(z, m, s)
        return q * (stats.norm.logpdf(z, m, s) - math.log(posterior(z, apart)))

    oracle = integrate.quad(integrand, m - 9 * s, m + 9 * s, limit=200)[0]
    assert abs(kl - oracle) < 1e-3  # three decimals are shown
    assert abs(elbo + kl - LOG_P_X) < 2e-3
    oracle = integrate.quad(
        lambda z: posterior(z, apart) * np.log(posterior(z, apart) / stats.norm.pdf(z, m, s)), -9, 9
    )[0]
    assert abs(forward - oracle) < 1e-3


def test_each_fit_is_best_by_its_own_measure():
    explorer = KLExplorer()
    kl = {fit: numbers(explorer.update((1.5, 0.35), fit, 5.0)) for fit in (BY_HAND, REVERSE, FORWARD)}
    reverse_of, forward_of = {fit: n[3] for fit, n in kl.items()}, {fit: n[5] for fit, n in kl.items()}
    assert reverse_of[REVERSE] < min(reverse_of[BY_HAND], reverse_of[FORWARD])
    assert forward_of[FORWARD] < min(forward_of[BY_HAND], forward_of[REVERSE])


def test_the_bars_stack_to_log_p_x():
    explorer = KLExplorer()
    elbo = numbers(explorer.update((2.0, 0.4), BY_HAND, 4.0))[2]
    assert abs(explorer.elbo.get_y() + explorer.elbo.get_height() - elbo) < 1e-3
    assert abs(explorer.kl.get_y() + explorer.kl.get_height() - LOG_P_X) < 1e-12
    explorer.update((-6.0, 0.8), BY_HAND, 8.0)  # a hopeless q stays within the picture
    assert explorer.elbo.get_y() == FLOOR


def test_every_control_moves_to_its_ends():
    exploration = KLExplorer().live()
    try:
        assert {moved.control for moved in exploration.exercise()} >= {"peak", "fit", "apart"}
    finally:
        exploration.close()
