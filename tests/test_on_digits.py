"""What notebook 06 says of real images: the runs are kept whole, at equal draws, and no best rate is an edge."""

import numpy as np
import pytest

from benchmarks import digits
from lvmteach.classroom.figures import on_digits

RUNS = on_digits.runs()


def test_every_run_is_kept_in_the_order_in_which_it_was_made():
    assert [(run.name, run.draws) for run in RUNS] == list(digits.RUNS)
    for run in RUNS:
        assert run.steps == run.draws // (digits.B * digits.METHODS[run.name][0])
        assert run.few.shape == run.seconds.shape == (len(digits.STARTS),)
        assert run.many.shape == (len(digits.STARTS), 200)
        assert np.isfinite(run.many).all()
        assert (run.few < run.many.mean(1)).all()  # more draws read higher


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.name}-{run.draws}")
def test_the_best_rate_stands_between_worse_ones(run):
    rates = digits.METHODS[run.name][2]
    tried = run.tried[~np.isnan(run.tried)]
    assert len(tried) == len(rates)
    assert rates[int(tried.argmax())] == run.rate
    assert rates[0] < run.rate < rates[-1]


def test_the_larger_budget_gives_reweighting_the_steps_of_wake_sleep():
    steps = {(run.name, run.draws): run.steps for run in RUNS}
    assert steps["wake-sleep", 150_000] == steps["reweighted, K = 5", 375_000] == 750
