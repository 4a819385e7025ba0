"""What the engine finds out by itself about a wrong answer: each kind of reason on an exercise as small as can be."""

import math
from dataclasses import replace

import pytest
import torch

from lvmteach.classroom.exercises import mutation
from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.probing import Probe
from lvmteach.classroom.exercises.stages import exercises


@drawing
def rows(draw):
    return [(draw(4, 3),), (draw(6, 2),), (draw(5, 4),)]


@drawing
def columns(draw):
    return [(draw(4),), (draw(6),), (draw(5),)]


@drawing
def two(draw):
    return [(draw(4, 3), draw(4, 3).exp()), (draw(6, 2), draw(6, 2).exp()), (draw(5, 4), draw(5, 4).exp())]


@drawing
def with_truth(draw):
    return [(draw(n, 3), draw(n, 3) > 0) for n in (4, 6, 5)]


def normalised(x):
    return torch.log_softmax(x, 1)


def softmax(x):
    return torch.softmax(x, 0)


def itself(x):
    return x * 1.0


def spread(x, s):
    return (x * s**2).sum(0)


def shares(x):
    return torch.ones_like(x) / len(x) + 0 * x + x.softmax(0)


def kept(x, allowed):
    return torch.where(allowed, x, -x.exp())


def positive(x):
    return x > 0


def cube(x):
    return x[:, :, None] * torch.arange(1.0, 6.0, dtype=x.dtype)


def averaged(x):
    return x.mean(0)


def pulled(x):
    return 0.5 * x + 0.5 * x.mean(0)


def weighted(x):
    out = x.clone()
    for j in range(x.shape[1]):
        out[:, j] = x[:, j] * (2.0 + j)
    return out


def counted(x, s):
    return (x * s).sum(1) + len(x)


def rooted(x):
    return x.clamp_min(0).sqrt()


def summed(x, s):
    scaled = x / s
    return (scaled**2).sum(0) + s.log().sum(0)


def log_mean(x):
    return x.exp().mean(0).log()


@drawing
def with_a_single_row(draw):
    return [(draw(4, 3),), (draw(1, 2),), (draw(5, 4),)]


def total(x):
    return x.sum(1)


@drawing
def few_columns(draw):
    return [(draw(4, 2),), (draw(5, 2),), (draw(3, 2),), (draw(6, 3),)]


@drawing
def positive_or_not(draw):
    return [(draw(4, 2),), (-900 + draw(5, 3),), (draw(3, 2),), (draw(6, 3),), (900 + draw(5, 4),)]


def mapped(x, W):
    return x @ W.T


@drawing
def two_matrices(draw):
    return [(draw(4, 3), draw(2, 3)), (draw(5, 2), draw(4, 2)), (draw(3, 2), draw(5, 2)), (draw(6, 3), draw(3, 3))]


@drawing
def far_from_zero(draw):
    return [(draw(4, 3),), (1e5 + draw(6, 2),), (draw(5, 4),)]


def variance(x):
    return (x - x.mean(0)).square().mean(0)


def named(x, word):
    return {"sum": x.sum(0), "mean": x.mean(0), "top": x.amax(0)}[word]


@drawing
def words(draw):
    return [(draw(n, 3), word) for n, word in ((4, "sum"), (5, "mean"), (6, "top"), (4, "sum"), (5, "sum"))]


def by_label(x, labels):
    return x[labels == labels.min()].sum()


@drawing
def labelled(draw):
    return [(draw(len(labels)), torch.tensor(labels)) for labels in ([0, 0, 1], [0, 1, 1, 2], [1, 0, 1], [2, 2])]


def outer(x):
    return x.T @ x


FOUND = {
    "one number added in each row": (normalised, rows, lambda x: x - x[:, :1] ** 2, "Along axis 1 of your result"),
    "one factor in each column": (softmax, rows, lambda x: x.exp() / x[:1].exp().cosh(), "times one factor"),
    "right where it is simpler": (
        spread, two, lambda x, s: (x * s.sinh() / math.sinh(1)).sum(0), "right where s is one throughout",
    ),
    "a term that counts too little": (
        summed, two, lambda x, s: ((x / s) ** 2).sum(0) + s.log().sum(0) / len(s) ** 0.5,
        "counts 1 over the root of the length of axis 0 of x",
    ),
    "an index that does not move": (
        weighted, rows, lambda x: x[:, :1] * torch.arange(2.0, 2.0 + x.shape[1]), "or an index is zero",
    ),
    "a term with the wrong sign": (summed, two, lambda x, s: ((x / s) ** 2).sum(0) - s.log().sum(0), "wrong sign"),
    "a size": (shares, columns, lambda x: torch.ones_like(x) / len(x), "1 over the length of axis 0 of x, in all"),
    "one step ahead": (itself, columns, lambda x: torch.cat([x[1:], x[:1] ** 2]), "one step ahead"),
    "sorted": (itself, columns, lambda x: x.sort().values, "the right one, sorted"),
    "single precision": (softmax, rows, lambda x: x.float().softmax(0).double(), "single precision, to seven digits"),
    "digits that cancel": (
        variance, far_from_zero, lambda x: x.square().mean(0) - x.mean(0) ** 2, "Take differences first",
    ),
    "truth values exchanged": (
        kept, with_truth, lambda x, allowed: torch.where(allowed, -x.exp(), x), "exchanged in allowed",
    ),
    "one left out": (averaged, rows, lambda x: x[:-1].mean(0), "without the last of x along axis 0"),
    "a second round": (pulled, rows, lambda x: pulled(pulled(x)), "a second round"),
    "True too often": (positive, rows, lambda x: x > -0.3, "You say True too often"),
    "always true": (
        positive, rows, lambda x: torch.ones_like(x, dtype=torch.bool), "your result is True, whatever comes in",
    ),
    "too large for it": (
        total, positive_or_not, lambda x: x.clamp(max=50).sum(1), "holds large positive numbers (beyond 100)",
    ),
    "an axis of one lost": (
        lambda x: x.sum(1, keepdim=True), rows, lambda x: x.sum(1), "without an axis of length one: keep that axis",
    ),
    "the largest so far": (itself, columns, lambda x: x.cummax(0).values, "the largest of the right ones so far"),
    "a logsumexp over an axis": (cube, rows, lambda x: cube(x).logsumexp(1), "(logsumexp) over axis 1"),
    "one draw less, where there is more than one": (
        log_mean, with_a_single_row, lambda x: (x.exp().sum(0) / max(len(x) - 1, 1)).log(),
        "the right one plus the logarithm of n / (n - 1), n the length of axis 0 of x",
    ),
    "right on two columns": (
        total, few_columns, lambda x: x[:, :2].sum(1), "The others are those where axis 1 of x is longer than two.",
    ),
    "wrong where a matrix is square": (
        mapped, two_matrices, lambda x, W: x @ W if len(W) == W.shape[1] else x @ W.T, "those where W is square.",
    ),
    "labels taken to be in order": (
        by_label, labelled, lambda x, labels: x.split(labels.unique(return_counts=True)[1].tolist())[0].sum(),
        "those where labels is not in order.",
    ),
    "one factor for a whole case": (
        outer, rows, lambda x: x.T @ x * x.norm(), "the right one times one factor, which differs from case to case",
    ),
    "one word for all": (
        named, words, lambda x, word: x.sum(0), "The others are those where word is not 'sum'.",
    ),
    "axes in another order": (cube, rows, lambda x: cube(x).permute(2, 0, 1), "its axes in another order"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOUND)
def test_a_reason_is_found_that_nobody_declared(kind):
    reference, cases, wrong, words = FOUND[kind]
    assert words in Exercise("Do.", reference, cases, {}).judge(wrong).diagnosis


def test_results_may_be_numbers_in_another_order():
    numbers = Exercise("Do.", lambda x: (x.sum(0), x.max().item()), rows, {})
    assert "another order" in numbers.judge(lambda x: (x.max().item(), x.sum(0))).diagnosis


def test_a_likeness_of_the_wrong_inputs_is_told_only_if_it_is_the_reason():
    def total(x):
        return x.sum(0)

    cases = [(torch.arange(1.0, n),) for n in range(4, 9)] + [(-torch.arange(1.0, 13.0),)]
    by_length = Exercise("Do.", total, lambda seed: cases, {}, size_one=False)
    assert "negative" in by_length.judge(lambda x: torch.where(x < 0, x**3, x).sum(0)).diagnosis
    assert "negative" not in by_length.judge(lambda x: x[:9].sum(0)).diagnosis


def test_a_small_error_is_no_term_that_counts_once():
    verdict = Exercise("Do.", summed, two, {}).judge(lambda x, s: summed(x, s) + 3e-8 * s.log().sum(0))
    assert "counts 1 times" not in verdict.diagnosis


def test_an_error_far_from_zero_is_no_loss_of_digits_if_it_is_no_small_one():
    found = Exercise("Do.", variance, far_from_zero, {}).judge(lambda x: variance(x) * (1 + 0.01 * (x.mean(0) > 1e4)))
    assert "Take differences first" not in found.diagnosis


def test_few_binary_digits_are_none_of_single_precision():
    halves = Exercise("Do.", lambda x: (9 * x).round() / 2 + 1e-5 * x, columns, {}).judge(lambda x: (9 * x).round() / 2)
    assert "Keep float64" not in halves.diagnosis


def test_one_size_under_two_names_names_no_factor():
    left_out = Exercise("Do.", summed, two, {}).judge(lambda x, s: ((x / s) ** 2).sum(0) + 0 * x.sum(0))
    assert "missing" in left_out.diagnosis
    assert "over the length" not in left_out.diagnosis


def test_large_numbers_are_the_reason_only_if_small_ones_are_right():
    def total(x):
        return x.log().sum(0)

    cases = [(torch.arange(1.0, n),) for n in range(4, 9)] + [(200 * torch.arange(1.0, 500.0),)]
    by_length = Exercise("Do.", total, lambda seed: cases, {}, size_one=False)
    said = by_length.judge(lambda x: x.prod(0).log()).diagnosis
    assert "long (beyond 50)" in said


def test_infinite_results_are_the_reason_only_where_those_are_wrong():
    def per_row(x):
        return torch.where(x > 1, math.inf, x).sum(1)

    cases = [(torch.linspace(-1, 0.9, n)[:, None],) for n in (4, 5, 6)] + [
        (torch.linspace(-1, 3, n)[:, None],) for n in (7, 8)
    ]
    infinite = Exercise("Do.", per_row, lambda seed: cases, {}, size_one=False)
    said = "the right result is infinite"
    assert said in infinite.judge(lambda x: x.sum(1)).diagnosis
    assert said not in infinite.judge(lambda x: torch.where(x > 0.95, math.inf, x).sum(1)).diagnosis


def test_a_rounded_result_depends_on_its_argument():
    said = Exercise("Do.", averaged, rows, {}).judge(lambda x: (x.mean(0) / 5).floor()).diagnosis
    assert "does not depend" not in said


def test_an_argument_that_matters_where_the_answer_is_right_is_not_ignored():
    def underflows(f_z, log_w):
        w = log_w.exp().reshape(-1, *[1] * (f_z.ndim - 1))
        return (w * f_z).sum(0) / (w.sum(0) + 1e-8)

    assert "does not depend" not in exercises("monte_carlo")["self_normalised"].judge(underflows).diagnosis


def test_truth_values_that_matter_in_some_places_are_not_ignored():
    def any_row(log_p_xz, allowed):
        return log_p_xz.masked_fill(~allowed.any(0), -math.inf).softmax(1)

    labels = replace(exercises("gaussian_mixtures")["partial_labels"], misconceptions={})
    assert "does not depend" not in labels.judge(any_row).diagnosis


def test_what_is_missing_stays_missing_where_the_input_is_made_simpler():
    def filled(x, s):
        return torch.where(x.isnan(), s.exp(), x)

    def holes(seed):
        return [(x.masked_fill(torch.eye(*x.shape).roll(1, 1).bool(), math.nan), s) for x, s in two(seed)]

    said = Exercise("Do.", filled, holes, {}).judge(lambda x, s: torch.where(x.isnan(), s.cosh() + 3, x)).diagnosis
    assert "of x are alike" not in said


def test_a_tiny_result_is_named_before_a_tiny_input():
    def variance(x, s):
        return (x * s).square().mean(0)

    cases = [*two(0), *two(1), tuple(1e-3 * part for part in two(0)[0])]
    said = (
        Exercise("Do.", variance, lambda seed: cases, {}).judge(lambda x, s: variance(x, s).clamp_min(1e-3)).diagnosis
    )
    assert "the right result is tiny" in said or "small number" in said


def log_mean_exp(x):
    top = x.amax(0)
    return top + (x - top).exp().mean(0).log()


def test_an_overflow_is_no_ground_for_naming_a_changed_formula():
    def large(seed):
        return [(x + (900 if n else 0),) for n, (x,) in enumerate((*rows(seed), *rows(seed + 1)[:1]))]

    said = Exercise("Do.", log_mean_exp, large, {}, size_one=False).judge(lambda x: x.exp().mean(0).log()).diagnosis
    assert "numbers that come out" not in said


def test_nearly_right_on_most_inputs_may_be_a_term_as_well():
    def scaled(x, s):
        return x + s

    cases = [(x, 1e-6 * s if len(x) != 6 else s) for x, s in (*two(0), *two(1))]
    said = Exercise("Do.", scaled, lambda seed: cases, {}).judge(lambda x, s: x + s * s.exp().cos()).diagnosis
    assert "a term that is next to nothing" in said


def test_no_part_of_a_mixture_may_be_taken_out_for_all_draws():
    weights = exercises("monte_carlo")["defensive"]

    def by(part):
        def wrong(log_p, log_q, log_wide, share):
            top = log_wide if part == "wide" else log_q
            both = (1 - share) * (log_q - top).exp() + share * (log_wide - top).exp()
            return log_p - top - both.log()

        return wrong

    assert weights.judge(by("wide"), why=False).status == weights.judge(by("q"), why=False).status == "not yet"


def test_a_few_truth_values_do_not_tell_what_became_of_the_others():
    positive_rows = Exercise("Do.", lambda x: (x > 0).any(1), rows, {})
    assert "alone" not in positive_rows.judge(lambda x: (x > 0).any()).diagnosis


def test_truth_values_are_no_ground_for_naming_a_changed_formula():
    assert "base" not in Exercise("Do.", positive, rows, {}).judge(lambda x: x > 0.3).diagnosis


@drawing
def counts(draw):
    return [((9 * draw(n, 3)).long(),) for n in (4, 6, 5)]


def test_one_thing_that_fits_must_fit_on_half_of_what_is_wrong():
    def total(x):
        return x.double().sum(0)

    def mean(x):
        return x.double().mean(0)

    half = Exercise("Do.", mean, counts, {"A sum.": total})
    assert half.judge(lambda x: total(x) if len(x) < 6 else total(x).cos()).diagnosis.endswith("fits here: A sum.")
    many, few = replace(half, cases=lambda seed: [*counts(0), *counts(1)]), counts(0)[:2]
    assert (
        "A sum" not in many.judge(lambda x: total(x) if any(x.equal(y) for (y,) in few) else total(x).cos()).diagnosis
    )


def test_an_axis_of_one_is_tried_with_truth_values_too():
    any_row = Exercise("Do.", lambda x: (x > 0).any(1), rows, {})
    assert "should have shape (1,), got ()" in any_row.judge(lambda x: (x > 0).any(1).squeeze()).message


def test_an_input_that_was_altered_needs_no_reason_besides():
    def alters(x):
        x -= x.mean(0)
        return x

    verdict = Exercise("Do.", lambda x: x - x.mean(0), rows, {}).judge(alters)
    assert "changed its input x" in verdict.message
    assert verdict.diagnosis == ""


def test_a_name_is_traced_to_the_arguments_it_was_made_of():
    spots = Probe(summed).spots
    assert {spot.inputs for spot in spots if spot.text == "scaled"} == {("x", "s")}


def iterated(x):
    for _ in range(50):
        x = torch.cos(x)
    return x


def test_a_loop_with_too_few_rounds_is_a_mistake_that_is_made():
    made = [one for one in mutation.mutants(iterated) if one.kind == "a loop has too few rounds"]
    x = torch.ones(2, dtype=torch.float64)
    assert torch.equal(made[1].function(x), x.cos().cos())


def test_an_input_with_which_the_right_result_is_one_number_tells_nothing():
    said = Exercise("Do.", counted, two, {}).judge(lambda x, s: (x * s).sin().sum(1) + len(x)).diagnosis
    assert "is zero" not in said


def test_truth_values_beside_numbers_are_no_ground_for_another_input_either():
    def with_a_zero(seed):
        return [(torch.cat([case[0], 0 * case[0][:, :1]], 1),) for case in rows(seed)]

    def active(x):
        return x.mean(0) > 0.05, (x**2).sum(0)

    units = Exercise("Do.", active, with_a_zero, {})
    assert "without its sign" not in units.judge(lambda x: (x.square().sum(0) > 1e-9, (x**2).sum(0))).diagnosis


def test_nan_does_not_tell_which_change_made_it():
    said = Exercise("Do.", rooted, rows, {}).judge(lambda x: torch.where(x > 0, math.nan, 0.0 * x)).diagnosis
    assert "wrong sign" not in said


def test_a_misconception_and_a_factor_that_takes_it_back_are_no_mistake():
    def with_large_ones(seed):
        return [*rows(seed), *((1e3 * case[0],) for case in rows(seed))]

    shares_of = Exercise("Do.", softmax, with_large_ones, {"Half.": lambda x: softmax(x) / 2})
    said = shares_of.judge(lambda x: softmax(x) * (1 + 1e-7) if x.abs().max() < 50 else math.nan * x).diagnosis
    assert "Half" not in said


def test_noise_that_is_weak_is_not_taken_for_none():
    said = exercises("gradient_estimators")["gumbel_max"].judge(
        lambda logits, u: (logits + (-(-u).exp()).exp()).argmax(-1)
    )
    assert said.status == "not yet"
    assert "no noise" not in said.diagnosis
    assert "does not depend" not in said.diagnosis


@pytest.mark.parametrize("measure", ["sum of squares", "signal to noise"])
def test_another_measure_of_spread_is_not_taken_for_the_standard_deviation(measure):
    measures = {
        "sum of squares": lambda mu, s: (mu - mu.mean(0)).square().sum(0),
        "signal to noise": lambda mu, s: mu.var(0) / (2 * s).exp().mean(0),
    }
    unit_use = exercises("vae")["unit_use"]
    said = unit_use.judge(lambda mu, s: (measures[measure](mu, s) > 0.01, unit_use.reference(mu, s)[1]))
    assert said.status == "not yet"
    assert "standard deviation" not in said.diagnosis
