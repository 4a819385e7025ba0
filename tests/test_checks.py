"""Every declared exercise keeps the engine's promises. A new one is tested by being declared."""

import inspect

import pytest

from lvmteach.classroom.exercises.choice import Choice
from lvmteach.classroom.exercises.compare import SameDistribution
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.stages import exercises, stages

pytestmark = pytest.mark.exercises

DECLARED = {f"{stage}.{name}": exercise for stage in stages() for name, exercise in exercises(stage).items()}
FUNCTIONS = {name: e for name, e in DECLARED.items() if isinstance(e, Exercise)}
CHOICES = {name: e for name, e in DECLARED.items() if isinstance(e, Choice)}
every_exercise = pytest.mark.parametrize("exercise", FUNCTIONS.values(), ids=FUNCTIONS)


def number_of_results(exercise):
    value = exercise.reference(*exercise.cases(0)[0])
    return value.numel() if hasattr(value, "numel") else len(value) if isinstance(value, (tuple, list)) else 1


@every_exercise
def test_the_reference_passes(exercise):
    for seed in range(3):
        assert exercise.judge(exercise.reference, seed).status == "passed"


@every_exercise
def test_the_stub_is_not_attempted(exercise):
    def stub(*args):
        raise NotImplementedError()

    assert exercise.judge(stub).status == "not attempted"


@every_exercise
def test_there_are_enough_misconceptions_and_other_right_answers(exercise):
    assert len(exercise.misconceptions) >= (3 if number_of_results(exercise) == 1 else 4)
    assert len(exercise.also_right) >= 2
    assert exercise.ask.endswith(".")


@every_exercise
def test_every_misconception_is_caught_by_its_own_sentence(exercise):
    for sentence, wrong in exercise.misconceptions.items():
        verdict = exercise.judge(wrong)
        assert (verdict.status, verdict.diagnosis) == ("not yet", sentence)


@every_exercise
def test_other_right_answers_pass(exercise):
    for right in exercise.also_right:
        verdict = exercise.judge(right)
        assert verdict.status == "passed", str(verdict)


@every_exercise
def test_cases_are_many_and_small_first(exercise):
    cases = exercise.cases(0)
    assert len(cases) >= 3
    assert len(inspect.signature(exercise.reference).parameters) >= len(cases[0])


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_every_option_has_feedback(choice):
    assert set(choice.feedback) == set(choice.options)
    assert choice.right in choice.options
    assert len(choice.options) >= 3
    assert len(set(choice.feedback.values())) == len(choice.feedback)
    for letter in choice.options:
        assert choice.judge(letter).status == ("passed" if letter == choice.right else "not yet")


def test_statistical_checks_are_few_and_rarely_wrong():
    for exercise in FUNCTIONS.values():
        if isinstance(exercise.compare, SameDistribution):
            assert exercise.compare.false_alarm < 1e-6
