"""A reason that fits by chance is withheld: mistakes that share a number, a size or a likeness with another one."""

import math

import torch

from lvmteach.classroom.exercises import diagnosis
from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.gaussian_mixtures.scale_gradient import _log_joint
from lvmteach.classroom.exercises.imitation import Found, told
from lvmteach.classroom.exercises.probing import Probe
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

    said = said_of(as_if_sorted, by_group, labelled).diagnosis
    assert "depend" not in said
    assert "longer than two" not in said
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


def test_a_plainer_kind_of_change_is_told_first_and_alone():
    found = [Found("a constant is one too small", ()), Found("a term has the wrong sign", ())]
    assert told(found).why == "These are the numbers that come out when a term has the wrong sign."


def test_two_places_that_would_do_name_what_they_share():
    places = [("x", "s"), ("s",)]
    assert "with s." in told([Found("a term is missing", place) for place in places]).place
    assert told([Found("a term is missing", place) for place in (("x",), ("s",))]).place == ""


def compared(x, s):
    fits = torch.tensor(x.shape[1] == len(s))
    return torch.where(fits, (x * s).sin().sum(1), (x * s).cos().sum(1))


def test_a_number_that_may_be_any_other_is_not_the_mistake():
    assert "index is zero" not in said_of(lambda x, s: (x * s).cos().sum(1), compared).diagnosis


def test_two_changes_that_change_each_other_are_not_told():
    def over_s(x, weights, means, scales):
        r = torch.softmax(_log_joint(x, weights, means, scales), 1)
        squared = ((x[:, None] - means) / scales[:, None]).square().sum(-1)
        return (r * (squared - x.shape[1] / scales)).sum(0)

    assert "Two things" not in exercises("gaussian_mixtures")["scale_gradient"].judge(over_s).diagnosis


def test_a_mistake_that_another_one_would_undo_is_not_told():
    moment = exercises("monte_carlo")["log_second_moment"]

    def minus_infinity(delta, s_p, s_q):
        right = moment.reference(delta, s_p, s_q)
        return torch.where(right.isinf(), -right, right)

    verdict = moment.judge(minus_infinity)
    assert verdict.diagnosis.endswith("where the right result is infinite.")


def test_numbers_far_apart_are_the_reason_only_if_nearer_ones_are_right():
    def total(x):
        return x.sum(0)

    cases = [(torch.linspace(-1, 1, n),) for n in range(4, 9)] + [(torch.linspace(-8, 8, 12),)]
    long = Exercise("Do.", total, lambda seed: cases, {}, size_one=False)
    assert "further apart" in long.judge(lambda x: x.clamp(-6, 7).sum(0)).diagnosis
    assert "further apart" not in long.judge(lambda x: x[:9].sum(0)).diagnosis


def test_a_size_names_no_argument():
    spots = {spot.text: spot.inputs for spot in Probe(pulled).spots}
    assert spots["x.shape[1] * s.sin().cos().mean()"] == ("s",)


def test_a_long_axis_is_the_reason_only_if_a_short_one_is_right():
    @drawing
    def few_columns(draw):
        return [(draw(4, 2),), (draw(5, 2),), (draw(3, 2),), (draw(6, 3),)]

    def total(x):
        return x.sum(1)

    assert "is longer than two" in said_of(lambda x: x[:, :2].sum(1), total, few_columns).diagnosis
    assert "longer" not in said_of(lambda x: x.sum(1) * (1 + (len(x) > 5) * x[:, 0]), total, few_columns).diagnosis


def test_rows_that_are_alike_show_a_weighting_and_no_place():
    def averaged(x, w):
        return w.softmax(0) @ x

    @drawing
    def weighted(draw):
        return [(draw(n, d), draw(n)) for n, d in ((4, 3), (6, 2), (5, 4))]

    said = said_of(lambda x, w: x[(3 * w).argmax()], averaged, weighted).diagnosis
    assert said == "Yours is right where all rows of x are alike: what is wrong has no effect there."


def test_an_infinity_is_the_reason_only_if_a_finite_number_is_right():
    def total(x):
        return x.logsumexp(0)

    hidden = torch.linspace(-1, 1, 12).index_fill(0, torch.tensor(2), -math.inf)
    cases = [(torch.linspace(-1, 1, n),) for n in range(4, 9)] + [(hidden,)]
    some = Exercise("Do.", total, lambda seed: cases, {}, size_one=False)
    assert "infinity" in some.judge(lambda x: x.clamp_min(-50).logsumexp(0) + x.isinf().sum()).diagnosis
    assert "infinity" not in some.judge(lambda x: x[:9].logsumexp(0)).diagnosis


def test_an_infinity_is_not_skipped_where_an_argument_is_made_simpler(monkeypatch):
    """The clamp is wrong where the moment is infinite, whether or not all scales of q are alike."""

    def clamped(delta, s_p, s_q):
        room = (2 * s_q**2 - s_p**2).clamp(min=1e-12)
        return (2 * s_q.log() - s_p.log() - room.log() / 2 + delta**2 / room).sum(1)

    monkeypatch.setattr(diagnosis, "LAST", 30.0)  # on a busy machine the search ends before
    verdict = exercises("monte_carlo")["log_second_moment"].judge(clamped)
    assert verdict.status == "not yet"
    assert "no effect there" not in verdict.diagnosis
