"""Reasons where probabilities leave the range of single precision, and where one number depends on those before."""

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.sequences.forward import _forward
from lvmteach.classroom.exercises.stages import exercises


def test_single_precision_is_named_where_it_also_underflows():
    def singly(x, *chain):
        return _forward(x, *(part.float() for part in chain)).double()

    said = exercises("sequences")["forward"].judge(singly)
    assert said.diagnosis.startswith("Your numbers are those of single precision")


@drawing
def columns(draw):
    return [(draw(n, d),) for n, d in ((4, 3), (6, 2), (5, 4))]


def up_to_here(x):
    return x.logcumsumexp(0)


def from_here_on(x):
    return x.flip(0).logcumsumexp(0).flip(0)


def test_the_first_of_running_sums_does_not_show_that_each_stands_alone():
    verdict = Exercise("Do.", up_to_here, columns, {}).judge(from_here_on)
    assert verdict.status == "not yet"
    assert "stands alone" not in verdict.diagnosis
