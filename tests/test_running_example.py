"""The table and figure that grow from stage to stage: what is kept is whole, and cannot be better than the best."""

import numpy as np
import pytest

from lvmteach.classroom.figures import running_example
from lvmteach.helmholtz import bars


@pytest.mark.parametrize("stage", [6, 7, 9])
def test_every_start_is_judged_and_none_beats_the_entropy(stage):
    rows = running_example.rows(stage)
    assert all(row.nll.shape == row.gap.shape == row.slope.shape == (10,) for row in rows)
    assert all(row.nll.min() > bars().entropy and row.gap.min() >= 0 for row in rows + running_example.controls())
    assert all(row.stage <= stage for row in rows)


def test_the_table_grows():
    lines = [running_example.table(stage).splitlines() for stage in (6, 7, 9)]
    assert lines[1][: len(lines[0])] == lines[0]
    assert lines[2][: len(lines[1])] == lines[1]
    assert len(lines[0]) < len(lines[1]) <= len(lines[2])


def test_intervals_are_students():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    mean, half = running_example.interval(values)
    assert mean == 2.5
    assert abs(half - 3.182446305284263 * np.sqrt(5 / 3) / 2) < 1e-12  # t quantile of a printed table


def test_before_stage_six_there_is_nothing():
    with pytest.raises(ValueError, match="first rows at stage 6"):
        running_example.rows(5)


def test_the_figure_has_a_dot_a_start():
    ax = running_example.figure(7, bars().entropy).axes[0]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert len(dots) == len(running_example.rows(7))
    assert all(len(line.get_xdata()) == 10 for line in dots)
