"""Reasons where probabilities leave the range of single precision, and where a whole path decides."""

import torch

from lvmteach.classroom.exercises.sequences.best_path import _best_path
from lvmteach.classroom.exercises.sequences.forward import _forward
from lvmteach.classroom.exercises.stages import exercises


def singly(function):
    return lambda x, *chain: function(x, *(part.float() for part in chain))


def test_single_precision_is_named_where_it_also_underflows():
    said = exercises("sequences")["forward"].judge(lambda *case: singly(_forward)(*case).double())
    assert said.diagnosis.startswith("Your numbers are those of single precision")


def test_what_underflows_does_not_show_that_arguments_are_ignored():
    verdict = exercises("sequences")["best_path"].judge(singly(_best_path))
    assert verdict.status == "not yet"
    assert "does not depend" not in verdict.diagnosis


def test_what_stands_alone_by_chance_in_one_case_is_not_said_to_stand_alone():
    def without_the_last(x, start, transition, emission):
        last = torch.full_like(x[:1], emission.shape[1])  # a symbol that tells nothing
        told = torch.cat([emission, torch.ones_like(emission[:, :1])], 1)
        return _best_path(torch.cat([x[:-1], last]), start, transition, told)

    verdict = exercises("sequences")["best_path"].judge(without_the_last)
    assert verdict.status == "not yet"
    assert "stands alone" not in verdict.diagnosis
