"""A reason that fits by chance is withheld: mistakes that share a number, a size or a likeness with another one."""

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.stages import exercises


@drawing
def two(draw):
    """x (N, D) and a scale for each column."""
    return [(draw(n, d), draw(d).exp()) for n, d in ((4, 3), (6, 2), (5, 4))]


def of_scales(x, s):
    return (x / s).square().sum(1) + s.log().sum()


def said_of(answer, reference=of_scales, cases=two, misconceptions=None):
    return Exercise("Do.", reference, cases, misconceptions or {}).judge(answer)


def test_what_is_nowhere_finite_does_not_show_what_is_special():
    def density(x, weights, means, covariances):
        gap = x[:, None] - means
        squared = (gap * torch.linalg.solve(covariances, gap[..., None])[..., 0]).sum(-1)
        return weights.log() - (torch.linalg.det(2 * math.pi * covariances).log() + squared) / 2

    verdict = exercises("gaussian_mixtures")["log_joint"].judge(density)
    assert verdict.status == "not yet"
    assert "zero somewhere" not in verdict.diagnosis


def test_labels_in_another_order_do_not_show_that_labels_are_ignored():
    def by_group(x, groups):
        return torch.stack([x[groups == one].mean() for one in groups])

    def as_if_sorted(x, groups):
        parts = x.split(groups.unique(return_counts=True)[1].tolist())
        return torch.cat([part.mean().expand(len(part)) for part in parts])

    @drawing
    def labelled(draw):
        return [(draw(len(g)), torch.tensor(g)) for g in ([2, 0, 2, 1, 1], [1, 0, 1, 1, 0, 2], [1, 0, 1])]

    assert "depend" not in said_of(as_if_sorted, by_group, labelled).diagnosis
    assert "depend on groups" in said_of(lambda x, groups: x.cos(), by_group, labelled).diagnosis


def test_a_constant_of_each_case_names_no_term():
    verdict = said_of(lambda x, s: of_scales(x, s) + s.sin().sum())
    assert (
        verdict.diagnosis
        == "In every case your result is the right one plus one number, which differs from case to case."
    )


def test_a_diagonal_is_not_called_a_sum_over_rows():
    def covariance(x, s):
        return (x * s).T @ x

    def widths(x, s):
        return torch.linalg.eigvals(covariance(x, s)).real

    known = {"Not turned back.": lambda x, s: torch.diag_embed(widths(x, s))}
    assert "summed" not in said_of(widths, covariance, two, known).diagnosis
    both = said_of(lambda x, s: widths(x, s).sum(), covariance, two, known).diagnosis
    assert both.endswith("And beside that: your result is that summed over everything.")


def test_an_axis_of_one_is_a_likeness_and_no_place():
    coins = exercises("gaussian_mixtures")["bernoulli_step"]

    def by_squares(x, weights, p):
        r = (weights.log() - (x[:, None] - p).square().sum(-1) / 2).softmax(1)
        return r.mean(0), r.T @ x / r.sum(0)[:, None]

    said = coins.judge(by_squares).diagnosis
    assert "axis 0 of weights has length one" in said
    assert "look at" not in said


def pulled(x, s):
    return (x / s).square().sum(1) + x.shape[1] * s.sin().cos().mean()


def test_a_length_names_no_argument():
    verdict = said_of(lambda x, s: (x / s).square().sum(1) + 2 * x.shape[1] * s.sin().cos().mean(), pulled)
    assert "something counts twice" in verdict.diagnosis
    assert "with x" not in verdict.place


def test_data_that_influence_each_other_in_a_single_case_are_told():
    def any_row(log_p_xz, allowed):
        common = allowed & allowed.all(0)
        return log_p_xz.masked_fill(~torch.where(common.any(1, keepdim=True), common, allowed), -math.inf).softmax(1)

    verdict = exercises("gaussian_mixtures")["partial_labels"].judge(any_row)
    assert verdict.message.startswith("not yet: right on 7 of 8 inputs")
    assert "Along axis 0 of your result the numbers influence each other" in verdict.diagnosis
