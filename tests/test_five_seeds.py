"""What notebook 09 says of luck: the runs that are kept are whole, and their estimates lie in the order they must."""

import numpy as np

from benchmarks import seeds
from lvmteach.classroom.figures import five_seeds

RUNS = five_seeds.runs()


def test_every_run_is_kept_for_every_seed():
    assert list(RUNS) == list(seeds.RUNS)
    assert all(column.shape == (len(seeds.SEEDS),) for run in RUNS.values() for column in run)
    assert all(np.isfinite(column).all() for run in RUNS.values() for column in run)


def test_more_samples_read_higher_and_effective_samples_are_among_the_drawn():
    for run in RUNS.values():
        assert (run.elbo < run.few).all()
        assert (run.few < run.many).all()
        assert ((run.ess > 1) & (run.ess < 50)).all()
        assert (run.seconds > 0).all()


def test_what_goes_on_from_a_run_is_kept_after_it():
    names = ["fresh", *seeds.RUNS]
    assert all(names.index(start) < names.index(name) for name, (start, *_) in seeds.RUNS.items())
