"""A right answer taken apart: the changes that students make in a formula, alone and two at a time, are found."""

import math

import pytest
import torch

from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.probing import TWISTS, taken_apart, twists_of


def bound(x, mean, cov):
    """A Gaussian's expected log density, by a matrix; (B,)."""
    precision = torch.linalg.inv(cov)
    apart = x - mean
    quadratic = (apart @ precision * apart).sum(-1)
    return -0.5 * (quadratic + torch.logdet(cov) + len(mean) * math.log(2 * math.pi))


def cases(seed):
    draw = torch.Generator().manual_seed(seed)

    def normal(*size):
        return torch.randn(size, generator=draw, dtype=torch.float64)

    def case(B, D):
        root = normal(D, D)
        return normal(B, D), 1 + normal(D), root @ root.T + torch.eye(D, dtype=torch.float64)

    return [case(4, 2), case(5, 3), case(3, 4), case(6, 2)]


exercise = Exercise("Return log densities.", bound, cases, {})


def quadratic(x, mean, cov):
    return ((x - mean) @ torch.linalg.inv(cov) * (x - mean)).sum(-1)


def constant(mean):
    return len(mean) * math.log(2 * math.pi)


ONE = {
    "plus half of the log determinant of cov": lambda x, mean, cov: -0.5 * (quadratic(x, mean, cov) + constant(mean)),
    "plus the log determinant of cov": lambda x, mean, cov: (
        -0.5 * (quadratic(x, mean, cov) - torch.logdet(cov) + constant(mean))
    ),
    "a logarithm is missing": lambda x, mean, cov: -0.5 * (quadratic(x, mean, cov) + torch.det(cov) + constant(mean)),
    "something counts twice": lambda x, mean, cov: (
        -0.5 * (2 * quadratic(x, mean, cov) + torch.logdet(cov)) - (0.5 * constant(mean))
    ),
    "a matrix enters where its inverse should": lambda x, mean, cov: (
        -0.5 * (((x - mean) @ cov * (x - mean)).sum(-1) + torch.logdet(cov) + constant(mean))
    ),
    "the root of a quantity enters": lambda x, mean, cov: (
        -0.5 * (quadratic(x, mean, cov) ** 0.5 + torch.logdet(cov) + constant(mean))
    ),
}


@pytest.mark.parametrize("words", ONE)
def test_a_changed_quantity_is_found(words):
    assert words in exercise.judge(ONE[words]).diagnosis


def test_two_changed_quantities_are_found_together():
    verdict = exercise.judge(
        lambda x, mean, cov: -0.5 * (quadratic(x, mean, cov) ** 0.5 + torch.det(cov) + constant(mean))
    )
    assert verdict.diagnosis.startswith("Two things at once")
    assert "the root of a quantity" in verdict.diagnosis
    assert "a logarithm is missing" in verdict.diagnosis


def test_nothing_is_found_in_numbers_of_no_kind():
    """They keep the sign of the right ones: a law that is broken would be a reason."""

    def numbers(x, mean, cov):
        return -(bound(x, mean, cov).sin() + torch.linalg.norm(cov) * x.sum(-1)).abs()

    assert exercise.judge(numbers).diagnosis == ""


def test_a_helper_of_the_room_is_taken_apart_too():
    from lvmteach.classroom.exercises import factor_analysis as check

    probe = taken_apart(check.ppca_bic.reference)
    assert any("noise.log()" in spot.text for spot in probe.spots)  # stands in a helper


def test_taken_apart_and_unchanged_it_is_the_same_function():
    probe = taken_apart(bound)
    for case in cases(1):
        assert torch.equal(probe.changed({})(*case), bound(*case))


def test_each_change_of_a_quantity_changes_a_number():
    x, mean, cov = cases(0)[0]
    turned = torch.tensor([[2.0, 1.0], [0.5, 3.0]], dtype=torch.float64)
    for value in (x, turned, 0.3, 3):
        for twist in twists_of(value, ("x", "mean", "cov"), (mean, mean, cov[0])):
            other = twist.change(value, (mean, mean, cov[0]))
            assert not torch.equal(torch.as_tensor(other), torch.as_tensor(value)), twist.words
    assert len({words for words, _ in TWISTS.values()}) == len(TWISTS)
