"""The engine's own diagnosis: mistakes that no exercise has declared, each named by what it is."""

import math

import pytest
import torch

from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.mutation import mutants


def log_density(x, mean, var):
    """Of independent normals, summed over the last axis."""
    return -0.5 * (((x - mean) ** 2 / var) + torch.log(2 * math.pi * var)).sum(-1)


def cases(seed):
    draw = torch.Generator().manual_seed(seed)

    def normal(*size):
        return torch.randn(size, generator=draw, dtype=torch.float64)

    sizes = [(4, 2), (5, 3), (7, 4), (1, 6), (3, 1)]
    return [(normal(*size), normal(*size[1:]), 0.5 + normal(*size[1:]).abs()) for size in sizes]


exercise = Exercise("Return log densities.", log_density, cases, {})


def distance(x, mean, var):
    return ((x - mean) ** 2 / var).sum(-1)


def swapped_in_part(x, mean, var):
    return log_density(mean, x, var) if len(x) == 1 else log_density(x, mean, var) * 2


def draws(x, mean, var):
    return log_density(x, mean, var) + 0.01 * torch.randn(())


WRONG = {
    "the length of axis 1 of x": lambda x, mean, var: log_density(x, mean, var) / x.shape[1],
    "plus half of log 2 pi": lambda x, mean, var: log_density(x, mean, var) + 0.5 * math.log(2 * math.pi),
    "a half times the right one": lambda x, mean, var: 0.5 * log_density(x, mean, var),
    "less the logarithm of": lambda x, mean, var: log_density(x, mean, var) - math.log(x.shape[0]),
    "another input: var squared": lambda x, mean, var: log_density(x, mean, var**2),
    "another input: var its root": lambda x, mean, var: log_density(x, mean, var.sqrt()),
    "x and mean in each other": swapped_in_part,
    "draws numbers of its own": draws,
    "a logarithm is missing": lambda x, mean, var: -0.5 * ((x - mean) ** 2 / var + 2 * math.pi * var).sum(-1),
    "multiplied where it should divide": lambda x, mean, var: (
        log_density(x, mean, var) + 0.5 * (distance(x, mean, var) - distance(x, mean, 1 / var))
    ),
    "a mean stands where a sum": lambda x, mean, var: log_density(x, mean, var) / x.shape[-1],
    "a small number added": lambda x, mean, var: log_density(x, mean, var + 1e-5),
    "single precision": lambda x, mean, var: log_density(x, mean, var) * (1 + 1e-6 * x.sum(-1).sin()),
    "an axis of x has length one": lambda x, mean, var: log_density(x, mean, var) + float(1 in x.shape) * x.sum(-1),
}
# Two of them are no mistake of one kind; and a mean over an axis is a size too much.
DIFFERENT = {"x and mean in each other": "", "a mean stands where a sum": "the length of axis 1 of x"}


@pytest.mark.parametrize("words", WRONG)
def test_a_mistake_that_nobody_declared_is_named(words):
    verdict = exercise.judge(WRONG[words])
    assert verdict.status == "not yet"
    assert DIFFERENT.get(words, words) in verdict.diagnosis


def test_swapped_arguments_are_named():
    def scaled(a, b):
        return a / b**2

    def pairs(seed):
        draw = torch.Generator().manual_seed(seed)
        return [tuple(1 + torch.rand(n, generator=draw, dtype=torch.float64) for _ in "ab") for n in (3, 5, 8)]

    assert (
        "a and b in each other's place" in Exercise("Divide.", scaled, pairs, {}).judge(lambda a, b: b / a**2).diagnosis
    )


def test_what_fits_on_inputs_of_one_size_alone_is_not_said():
    def same_size(seed):
        draw = torch.Generator().manual_seed(seed)
        return [(torch.rand(5, generator=draw, dtype=torch.float64),) for _ in range(4)]

    def total(x):
        return x.sum()

    assert "length" not in Exercise("Sum.", total, same_size, {}).judge(lambda x: 5 * x.sum()).diagnosis


def test_a_wrong_answer_of_no_kind_gets_no_reason():
    assert exercise.judge(lambda x, mean, var: torch.sin(log_density(x, mean, var)) * (x**3).sum(-1)).diagnosis == ""


def test_the_place_is_said_at_the_second_call(capsys):
    wrong = WRONG["a logarithm is missing"]
    exercise(wrong)
    first = capsys.readouterr().out
    exercise(wrong)
    second = capsys.readouterr().out
    assert "Look at what is done with" not in first
    assert "Look at what is done with var" in second


def test_every_mutant_of_a_formula_differs_from_it_in_one_place_and_none_shows_the_solution():
    kinds = {mutant.kind for mutant in mutants(log_density)}
    assert {"a logarithm is missing", "a quantity enters squared", "a constant is one too large"} <= kinds
    assert not [kind for kind in kinds if "torch" in kind or "math." in kind]


def two(x):
    return x.mean(0), x.std(0)


PAIR = Exercise("Mean and spread.", two, lambda seed: [(case[0],) for case in cases(seed) if len(case[0]) > 2], {})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: two(x)[::-1], "result 1 and result 2 are in each other's place"),
        (lambda x: (x.mean(0), x.var(0)), "your result 2 is the square of the right one"),
        (lambda x: (x.mean(0), 1.96 * x.std(0)), "your result 2 is 1.96 times the right one"),
        (lambda x: (x.mean(0), x.std(0, correction=0)), "the root of (n - 1) / n, n the length of axis 0 of x"),
        (lambda x: (x.mean(0), x.std().expand(x.shape[1])), "alone where axis 1 of x has length one"),
    ],
)
def test_each_result_of_several_has_its_own_relation(answer, words):
    assert words in PAIR.judge(answer).diagnosis


SHAPES = {
    "averaged over everything": lambda x: two(x)[0].mean(),
    "with its first two axes exchanged": lambda x: (x - x.mean(0)).T,
    "at the first place of axis 0 alone": lambda x: (x - x.mean(0))[0],
    "squeeze it": lambda x: (x - x.mean(0))[..., None],
    "repeated along a further axis": lambda x: (x - x.mean(0)).expand(4, *x.shape),
}


def centred(x):
    return x - x.mean(0)


@pytest.mark.parametrize("words", SHAPES)
def test_what_became_of_the_shape_is_told(words):
    reference = (lambda x: x.mean(0)) if "everything" in words else centred
    several = Exercise("Centre.", reference, PAIR.cases, {})
    assert words in several.judge(SHAPES[words]).diagnosis


def test_results_of_other_shapes_in_another_order_are_told():
    def spread(x):
        return x.mean(0), x.T @ x

    other = Exercise("Mean and scatter.", spread, PAIR.cases, {}).judge(lambda x: spread(x)[::-1])
    assert "the results stand in another order" in other.diagnosis


def test_an_argument_that_comes_back_as_it_was_is_told():
    assert "your result is x as it came in" in Exercise("Centre.", centred, PAIR.cases, {}).judge(torch.clone).diagnosis


def test_rows_with_something_special_are_told():
    def filled(x):
        return torch.where(x.isnan(), x.nanmean(1, keepdim=True).nan_to_num(7.0), x)

    def with_holes(seed):
        made = [case[0].clone() for case in cases(seed) if len(case[0]) > 3]
        for x in made:
            x[1, 0] = x[2] = torch.nan
            x[3] = torch.nan
        return [(x,) for x in made]

    def another(x):
        return torch.where(x.isnan().all(1, keepdim=True), x.nan_to_num(-3.5), filled(x))

    verdict = Exercise("Fill.", filled, with_holes, {}, size_one=False).judge(another)
    assert "those where x is NaN throughout" in verdict.diagnosis


def test_a_word_among_the_arguments_is_told():
    def scaled(x, kind):
        return x * {"one": 1.0, "two": 2.0, "three": 3.0}[kind]

    def kinds(seed):
        return [(case[0], kind) for case in cases(seed)[:2] for kind in ("one", "two", "three")]

    verdict = Exercise("Scale.", scaled, kinds, {}).judge(lambda x, kind: scaled(x, kind) + (kind == "two") * x.sin())
    assert "kind is 'two'" in verdict.diagnosis


def test_an_answer_rounded_to_single_precision_is_seen_and_is_not_one_times_the_right_one():
    verdict = exercise.judge(lambda x, mean, var: log_density(x, mean, var).float().double())
    assert verdict.status == "not yet"
    assert "single precision" in verdict.diagnosis
    drifted = exercise.judge(lambda x, mean, var: log_density(x, mean, var) * (1 + 3e-8))
    assert "times the right one" not in drifted.diagnosis


def test_one_number_for_every_input_is_told():
    assert "your result is 0, whatever comes in" in exercise.judge(lambda x, mean, var: 0 * x.sum(-1)).diagnosis


def test_data_that_influence_each_other_are_told():
    def shares(x):
        return x.softmax(-1)

    def rows(seed):
        draw = torch.Generator().manual_seed(seed)
        return [(torch.randn(n, c, generator=draw, dtype=torch.float64),) for n, c in ((4, 3), (5, 2), (6, 4))]

    pooled = Exercise("Shares.", shares, rows, {}).judge(
        lambda x: x.exp() / (x.exp().sum(-1, keepdim=True) + x.sum() * x**2)
    )
    assert "the numbers influence each other" in pooled.diagnosis


def test_an_argument_that_is_not_used_is_told():
    verdict = exercise.judge(lambda x, mean, var: -((x - mean) ** 2).sum(-1).cos())
    assert verdict.diagnosis == "Your result does not depend on var; the right one does."


def test_places_of_a_matrix_are_told():
    def product(a):
        return a @ a.T

    def matrices(seed):
        draw = torch.Generator().manual_seed(seed)
        return [(torch.randn(n, n, generator=draw, dtype=torch.float64),) for n in (2, 3, 5)]

    squares = Exercise("Products.", product, matrices, {}, size_one=False)
    jitter = squares.judge(lambda a: a @ a.T + a.shape[0] * a.diagonal().exp().diag())
    assert jitter.diagnosis == "Right in 28 of 38 numbers; the others are those on the diagonal."


def layered(x, net):
    for weight, bias in net:
        x = torch.tanh(x @ weight + bias)
    return x


def nets(seed):
    draw = torch.Generator().manual_seed(seed)

    def normal(*size):
        return torch.randn(size, generator=draw, dtype=torch.float64)

    sizes = [(4, 2), (5, 3), (6, 3)]
    return [(normal(B, D), ((normal(D, D), normal(D)), (normal(D, D), normal(D)))) for B, D in sizes]


NETS = Exercise("Apply the layers.", layered, nets, {}, size_one=False)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, net: layered(x, tuple((w.T, b) for w, b in net)), "net with its matrices transposed"),
        (lambda x, net: layered(x, tuple((w, 0 * b) for w, b in net)), "net with zeros for its vectors"),
        (lambda x, net: layered(x, net[::-1]), "net in reversed order"),
        (lambda x, net: layered(x[:1].expand_as(x), net), "x its first row for all"),
        (lambda x, net: layered(x, net[1:]).sin(), "Your result does not depend on net[0]"),
    ],
)
def test_what_is_done_with_a_tuple_of_tensors_is_told(answer, words):
    assert words in NETS.judge(answer).diagnosis


def test_a_misconception_and_a_factor_beside_it_are_told():
    sentence = "The logarithm is missing."

    def without_log(x, mean, var):
        return -0.5 * ((x - mean) ** 2 / var + 2 * math.pi * var**3).sum(-1)

    known = Exercise("Return log densities.", log_density, cases, {sentence: without_log})
    verdict = known.judge(lambda x, mean, var: -without_log(x, mean, var) / x.shape[1])
    assert verdict.diagnosis.startswith(f"Two things at once. {sentence} And beside that: your result is ")
    assert "the right one" not in verdict.diagnosis
    summed = known.judge(lambda x, mean, var: without_log(x, mean, var).sum())
    assert (
        summed.diagnosis
        == f"Two things at once. {sentence} And beside that: your result is that summed over everything."
    )


LAWS = {
    "sums to one along its last axis in every case; yours does not": lambda x: (x.exp() + 0.01 * x**2).cos(),
    "lies between 0 and 1 in every case; yours does not": lambda x: (
        x.softmax(-1) + 2 * (x.sin() - x.sin().mean(-1, keepdim=True))
    ),
    "When one is added to x, the right result stays as it is; yours does not": lambda x: (x + x.sin()).softmax(-1),
    "When what lies along axis 0 of x comes in reversed order, the right result comes out in reversed": lambda x: (
        x * (2 + torch.arange(len(x)).sin())[:, None]
    ).softmax(-1),
}


@pytest.mark.parametrize("words", LAWS)
def test_where_no_reason_is_found_a_law_is_told_that_the_answer_breaks(words):
    def shares(x):
        return x.softmax(-1)

    def rows(seed):
        draw = torch.Generator().manual_seed(seed)
        return [(torch.randn(n, c, generator=draw, dtype=torch.float64),) for n, c in ((4, 3), (5, 2), (6, 4))]

    assert words in Exercise("Shares.", shares, rows, {}).judge(LAWS[words]).diagnosis


def tossed(p, u):
    return (u < torch.sigmoid(p)).to(p.dtype)


def coins(seed):
    draw = torch.Generator().manual_seed(seed)

    def normal(*size):
        return torch.randn(size, generator=draw, dtype=torch.float64)

    return [(normal(n, d), torch.special.ndtr(normal(n, d))) for n, d in ((4, 3), (5, 2), (6, 4))]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, u: torch.sigmoid(p), "a draw, is missing"),
        (lambda p, u: (torch.sigmoid(p) > 0.5).to(p.dtype), "compared with one half"),
        (lambda p, u: (u < torch.softmax(p, -1)).to(p.dtype), "a softmax stands where a sigmoid should"),
        (lambda p, u: (u < p.exp()).to(p.dtype), "exponentials stand where shares should"),
    ],
)
def test_a_coin_tossed_wrongly_is_told(answer, words):
    assert words in Exercise("Toss.", tossed, coins, {}, size_one=False).judge(answer).diagnosis


def test_a_comparison_that_counts_equal_numbers_is_a_change_in_one_place():
    (strict,) = [m for m in mutants(tossed) if m.kind.startswith("equal numbers fall on the wrong side")]
    p = torch.zeros(3, dtype=torch.float64)
    assert strict.function(p, torch.tensor([0.25, 0.5, 0.75])).tolist() == [1, 1, 0]
    assert tossed(p, torch.tensor([0.25, 0.5, 0.75])).tolist() == [1, 0, 0]


def test_a_factor_too_many_inside_a_mean_is_told():
    def averaged(x, weight):
        return (x.sin() + 1).mean(0)

    def pairs(seed):
        return [(case[0], 1 + case[0].cos()) for case in cases(seed)[:3]]

    verdict = Exercise("Average.", averaged, pairs, {}).judge(lambda x, weight: (x.sin() * weight + 1).mean(0))
    assert "weight is a factor too many" in verdict.diagnosis


def test_large_numbers_inside_a_tuple_are_told():
    def some(seed):
        return [*nets(seed), *((x, tuple((1000 * w, b) for w, b in net)) for x, net in nets(seed + 1)[:1])]

    verdict = Exercise("Apply the layers.", layered, some, {}, size_one=False).judge(
        lambda x, net: layered(x, tuple((w.clamp(-50, 50), b) for w, b in net))
    )
    assert "those where" in verdict.diagnosis
    assert "net" in verdict.diagnosis


def test_what_holds_on_nets_of_several_layers_alone_is_told():
    def some(seed):
        return [*nets(seed), *((x, net[:1]) for x, net in nets(seed + 1))]

    verdict = Exercise("Apply the layers.", layered, some, {}, size_one=False).judge(
        lambda x, net: layered(x, net[:1]) if len(net) == 1 else layered(x, net).sin() + x.cos()
    )
    assert verdict.diagnosis == "Right on 4 of 8 inputs. The others are those where net has several parts."


def test_an_answer_that_is_right_and_alters_its_input_needs_no_other_reason():
    def alters(x, mean, var):
        value = log_density(x, mean, var)
        x += 1
        return value

    verdict = Exercise("Densities.", log_density, cases, {"No.": lambda *case: -log_density(*case)}).judge(alters)
    assert "changed its input x" in verdict.message
    assert verdict.diagnosis == ""


def test_what_is_not_a_number_does_not_ignore_its_arguments():
    def without_number(x, mean, var):
        return log_density(x, mean, var) * (torch.nan if len(x) > 4 else 1.0)

    assert "does not depend" not in exercise.judge(without_number).diagnosis


def test_other_values_of_a_function_are_told():
    def highest(f, x):
        return f(x).amax(-1) - x.sum(-1)

    def functions(seed):
        return [(lambda z, k=k: torch.sin(k * z), x) for k, (x, *_) in enumerate(cases(seed)[:3], 1)]

    verdict = Exercise("Highest.", highest, functions, {}).judge(lambda f, x: f(x).exp().amax(-1) - x.sum(-1))
    assert "if their exponentials stood in the place of the values of f" in verdict.diagnosis


def test_a_size_less_one_is_told_though_one_case_divides_by_nothing():
    some = Exercise("Mean.", lambda x: x.mean(0) + 1, lambda seed: [(c[0],) for c in cases(seed)], {})
    by_one_less = some.judge(lambda x: (x.mean(0) + 1) * len(x) / (len(x) - 1) if len(x) > 1 else x[0] * torch.nan)
    assert "n / (n - 1), n the length of axis 0 of x times the right one" in by_one_less.diagnosis


def test_inputs_of_one_size_alone_tell_a_changed_place_too():
    def slope(phi):
        return torch.sigmoid(phi) * (1 - torch.sigmoid(phi)) * (1 + phi)

    def numbers(seed):
        return [(torch.tensor(value, dtype=torch.float64),) for value in (0.3, -1.2, 2.0, 0.7)]

    verdict = Exercise("Slope.", slope, numbers, {}).judge(lambda phi: torch.sigmoid(phi) * (1 + phi))
    assert "is missing" in verdict.diagnosis


def test_an_input_whose_numbers_lie_far_apart_is_told():
    def some(seed):
        return [(x * (50 if k == 3 else 1),) for k, (x, *_) in enumerate(cases(seed))]

    def shares(x):
        return (x - x.max()).exp()

    apart = Exercise("Shares.", shares, some, {}).judge(lambda x: (x - x.max()).exp() + 1e-2 * x.std() * (x.std() > 5))
    assert "those where" in apart.diagnosis
    far = Exercise("Shares.", shares, lambda seed: [(x / 100,) for (x,) in some(seed)], {})
    verdict = far.judge(lambda x: (x - x.max()).exp() + 0.1 * (x.max() - x.min() > 0.2))
    assert "those where the numbers of x lie much further apart than elsewhere" in verdict.diagnosis


def test_an_error_that_is_returned_is_no_draw():
    def positive(x):
        if (x < 0).any():
            raise ValueError("x must be positive")
        return x.log()

    def some(seed):
        return [(case[0].abs(),) for case in cases(seed)] + [(case[0],) for case in cases(seed)[:2]]

    returned = Exercise("Log.", positive, some, {}, size_one=False).judge(
        lambda x: ValueError("x must be positive") if (x < 0).any() else x.log()
    )
    assert "draws numbers of its own" not in returned.diagnosis


def test_small_errors_beside_large_numbers_are_no_rounding():
    def shifted(x, shift):
        return x + shift

    def far(seed):
        return [
            (case[0], torch.tensor(value)) for case, value in zip(cases(seed), (0.0, 5e3, 6e3, 7e3, 8e3), strict=True)
        ]

    verdict = Exercise("Shift.", shifted, far, {}).judge(lambda x, shift: x + shift + 0.1 * (x + 1).square().cos())
    assert "Nearly right" not in verdict.diagnosis


def test_one_number_for_a_case_depends_on_nothing():
    def weights(x):
        return (x - x.logsumexp(0)).exp()

    some = Exercise("Weights.", weights, lambda seed: [(case[0],) for case in cases(seed)], {})
    alike = some.judge(lambda x: torch.full_like(x, math.sin(len(x))))
    assert alike.diagnosis == "Your result does not depend on x; the right one does."


def test_large_numbers_of_the_wrong_argument_are_not_told():
    def spread(mu, s):
        return mu.square() + s.exp()

    def some(seed):
        usual = [(case[0], case[0].cos()) for case in cases(seed)]
        return [*usual, (usual[0][0] * 40, 9 * usual[0][1]), (usual[1][0] * 40, 9 * usual[1][1])]

    verdict = Exercise("Spread.", spread, some, {}, size_one=False).judge(
        lambda mu, s: mu.square() + s.clamp(-2, 2).exp()
    )
    assert "where mu holds" not in verdict.diagnosis
    assert "where the numbers of s lie much further apart than elsewhere" in verdict.diagnosis
