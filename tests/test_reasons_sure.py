"""Reasons that are sure: what would fit by chance, or in two ways, is not told; what was tried on other inputs is."""

import math
from dataclasses import replace

import pytest
import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.stages import exercises


@drawing
def draws(draw):
    return [(draw(3), torch.special.ndtr(draw(K, 3))) for K in (5, 8, 6)]


@drawing
def two(draw):
    return [(draw(n, 3), draw(n, 3).exp()) for n in (4, 6, 5, 1)]


def coins(logits, u):
    p = torch.sigmoid(logits)
    return ((u < p).to(u.dtype) - p).mean(0) * torch.arange(1.0, 4.0, dtype=u.dtype)


def normalised(x, s):
    return torch.log_softmax(x, 0) + s


def summed(x, s):
    return (x / s).square().sum(0) + s.log().sum(0)


def spread(x, s):
    return (x - x.mean(0)).square().mean(0) + s.sum(0)


def pairs(x, s):
    return (x.sum(0), s.sum(1)), (x.prod(0), s.prod(1))


def test_what_is_right_by_chance_where_an_argument_is_one_is_not_told():
    kl = exercises("vae")["kl_by_draws"]

    def each_without_its_sign(mu, s, eps):
        one = torch.stack([kl.reference(mu, s, e[None]) for e in eps])
        return one.abs().mean(0)

    verdict = kl.judge(each_without_its_sign)
    assert verdict.status == "not yet"
    assert "right where" not in verdict.diagnosis


@pytest.mark.parametrize("base", [2, 10])
def test_classes_that_are_right_where_an_argument_is_zero_tell_nothing(base):
    def in_base(logits, u):
        return (logits - (-u.log() / math.log(base)).log() / math.log(base)).argmax(-1)

    verdict = exercises("gradient_estimators")["gumbel_max"].judge(in_base)
    assert verdict.status == "not yet"
    assert "right where" not in verdict.diagnosis


def test_a_factor_without_a_name_is_no_reason():
    verdict = Exercise("Do.", summed, two, {}).judge(
        lambda x, s: summed(x, s) + (math.sin(len(x)) - 1) * s.log().sum(0)
    )
    assert "factor" not in verdict.diagnosis


def test_what_is_compared_is_not_told_as_another_input():
    verdict = Exercise("Do.", coins, draws, {}).judge(
        lambda logits, u: (
            ((u < logits).to(u.dtype) - torch.sigmoid(logits)).mean(0) * torch.arange(1.0, 4.0, dtype=u.dtype)
        )
    )
    assert verdict.status == "not yet"
    assert "u its sigmoid" not in verdict.diagnosis


def test_one_maximum_for_all_and_a_limit_are_told_apart():
    def some(seed):
        usual = two(seed)
        return [*usual, (usual[0][0] + torch.tensor([0.0, -900.0, 0.0]), usual[0][1])]

    shares = Exercise("Do.", normalised, some, {}, size_one=False)

    def one_maximum(x, s):
        low = x - x.max()
        return low - low.exp().sum(0).log() + s

    assert "rows or columns of x lie far apart" in shares.judge(one_maximum).diagnosis
    assert "far apart" not in shares.judge(lambda x, s: normalised(x, s) + 0.1 * (x.abs() > 700)).diagnosis


def test_a_model_is_no_term_of_the_formula():
    steps = exercises("vae")["train_steps"]

    def record_first(model, make_optimiser, batches):
        kept = list(batches)
        with torch.no_grad():
            record = torch.stack([model.elbo(x).mean() for x in kept])
        steps.reference(model, make_optimiser, kept)
        return record

    assert "term of the formula" not in steps.judge(record_first).diagnosis


def test_pairs_turned_round_are_told_as_such():
    verdict = Exercise("Do.", pairs, two, {}).judge(lambda x, s: tuple(pair[::-1] for pair in pairs(x, s)))
    assert "within each result the parts stand in another order" in verdict.diagnosis


def test_a_count_less_one_is_named_whatever_stands_where_it_is_zero():
    mean = Exercise("Do.", lambda x, s: (x * s).mean(0), two, {}, size_one=False)
    verdict = mean.judge(lambda x, s: (x * s).sum(0) / (max(len(x) - 1, 1) if len(x) > 1 else 0.3))
    assert "n / (n - 1), n the length of axis 0 of x" in verdict.diagnosis


def test_a_right_answer_by_autograd_names_no_step():
    bound = exercises("iwae")["bound_gradient"]

    def mean_weights(log_w, slope, score):
        share = len(log_w) * log_w.softmax(0)[..., None]
        whole = (log_w.logsumexp(0) - math.log(len(log_w)))[..., None]
        return (share * slope).sum(0), ((whole - share) * score).sum(0)

    assert "a sum is missing" not in replace(bound, misconceptions={}).judge(mean_weights).diagnosis


def test_logarithms_that_ran_out_of_range_are_seen():
    def cleaned(logits, u):
        log_p = logits.softmax(0).log().nan_to_num(neginf=0.0)
        return (log_p - (-u.log()).log()).argmax(-1)

    def by_the_largest(log_w):
        top, K = log_w.amax(0), len(log_w)
        w = (log_w - top).exp()
        others = torch.stack([torch.cat([w[:k], w[k + 1 :]]).mean(0) for k in range(K)])
        return w.mean(0).log() - others.clamp_min(5e-324).log()

    assert exercises("gradient_estimators")["gumbel_max"].judge(cleaned, why=False).status == "not yet"
    assert exercises("iwae")["learning_signal"].judge(by_the_largest, why=False).status == "not yet"


def test_an_estimate_of_information_may_be_negative():
    information = exercises("richer_models")["information"]
    assert information.judge(lambda log_q: information.reference(log_q).clamp_min(0), why=False).status == "not yet"


def test_a_uniform_number_at_the_end_of_a_share_belongs_to_it():
    def below(u, eps, log_pi, mu, s):
        c = (u[:, None] >= log_pi.exp().cumsum(0)[:-1]).sum(1)
        return mu[c] + s[c].exp() * eps

    assert exercises("richer_models")["draw_codes"].judge(below, why=False).status == "not yet"


def test_the_states_most_probable_one_by_one_are_known_whatever_the_range():
    def one_by_one(x, start, transition, emission):
        forward, backward = [start.log() + emission[:, x[0]].log()], [torch.zeros_like(start)]
        for x_t in x[1:]:
            forward.append(torch.logsumexp(forward[-1][:, None] + transition.log(), 0) + emission[:, x_t].log())
        for x_t in x.flip(0)[:-1]:
            backward.insert(0, torch.logsumexp(transition.log() + emission[:, x_t].log() + backward[0], 1))
        return (torch.stack(forward) + torch.stack(backward)).argmax(1)

    assert "need not be a path" in exercises("sequences")["best_path"].judge(one_by_one).diagnosis


def started(x, s):
    total = torch.zeros_like(x[0])
    for one, scale in zip(x, s, strict=True):
        total = total + one * scale
    return total / s.sum(0)


def test_the_zeros_that_a_sum_begins_with_are_no_factor():
    said = Exercise("Do.", started, two, {}).judge(lambda x, s: started(x, s) + 1 / s.sum(0)).diagnosis
    assert "missing" not in said


def test_a_few_truth_values_beside_right_numbers_name_no_formula_and_no_misconception():
    unit_use = exercises("vae")["unit_use"]

    def with_active(rule):
        return lambda mu, s: (rule(mu, s), unit_use.reference(mu, s)[1])

    at_a_tenth = unit_use.judge(with_active(lambda mu, s: mu.var(0) > 0.1))
    of_all = unit_use.judge(with_active(lambda mu, s: (mu.var() > 0.01).expand(mu.shape[1]).clone()))
    assert at_a_tenth.status == of_all.status == "not yet"
    assert "standard deviation" not in at_a_tenth.diagnosis
    assert "sigma included" not in of_all.diagnosis


def test_a_prior_asks_for_no_code_of_another_length_than_its_encoder_gives():
    vamp = exercises("richer_models")["vamp_log_prob"]
    assert all(z.shape[1] == encode(u)[0].shape[1] for z, u, encode in vamp.all_cases())
