"""The EM loop on a problem with a known answer, and the border for data."""

import itertools
import math
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy import stats

from lvmteach.em import ConvergenceWarning, EMFit, data_matrix, em, em_steps, fishers_identity
from lvmteach.runtime import seeded

# Rao's linkage counts, in four cells with probabilities 1/2 + t/4, (1-t)/4, (1-t)/4, t/4 (Dempster, Laird and Rubin
# 1977, section 1): the latent count splits the first cell. The maximum solves 197 t^2 - 15 t - 68 = 0.
COUNTS = torch.tensor([125.0, 18.0, 20.0, 34.0], dtype=torch.float64)
MAXIMUM = (15 + math.sqrt(15**2 + 4 * 197 * 68)) / (2 * 197)
EPS = np.finfo(float).eps


class Linkage(NamedTuple):
    t: torch.Tensor


def log_lik(t):
    t = float(t)
    return 125 * math.log(2 + t) + 38 * math.log(1 - t) + 34 * math.log(t)


def e_step(x, params):
    expected = x[0] * params.t / (2 + params.t)
    return expected, torch.tensor(log_lik(params.t), dtype=torch.float64)


def m_step(x, expected):
    return Linkage((expected + x[3]) / (expected + x[1:].sum()))


START = Linkage(torch.tensor(0.5, dtype=torch.float64))


def fit(**options):
    return em(COUNTS, START, e_step, m_step, **options)


def assert_arrives(result):
    # EM's error shrinks by 0.13 a step here (same paper): a last gain of 1e-12 nats puts t within 1e-6, and then
    # well below that; 1e-6 is what the tolerance promises.
    assert result.converged
    assert abs(float(result.params.t) - MAXIMUM) < 1e-6


def assert_trace_is_of_the_params(result):
    assert float(result.log_lik[-1]) == log_lik(result.params.t)
    assert float(result.log_lik[0]) == log_lik(START.t)


def test_em_finds_the_maximum():
    result = fit(tol=1e-12)
    assert_arrives(result)
    assert (result.log_lik.diff() > -1e-9 * result.log_lik[:-1].abs()).all()


@pytest.mark.parametrize("max_steps", [0, 1, 2, 5])
def test_last_trace_entry_is_the_log_likelihood_of_the_params_returned(max_steps):
    result = fit(max_steps=max_steps, tol=0.0)
    assert len(result.log_lik) == max_steps + 1
    assert_trace_is_of_the_params(result)


def a_step_ahead(**options):
    """A loop that returns the parameters after the M step that followed its last log-likelihood."""
    result = fit(**options)
    return result._replace(params=m_step(COUNTS, e_step(COUNTS, result.params)[0]))


def without_the_start(**options):
    """A loop that records nothing before its first step."""
    result = fit(**options)
    return result._replace(log_lik=result.log_lik[1:])


@pytest.mark.parametrize("broken", [a_step_ahead, without_the_start])
def test_the_trace_test_sees_a_loop_that_is_out_of_step(broken):
    with pytest.raises(AssertionError):
        assert_trace_is_of_the_params(broken(max_steps=3, tol=0.0))


def test_the_maximum_test_sees_a_wrong_m_step():
    def forgets_a_cell(x, expected):
        return Linkage((expected + x[3]) / (expected + x[2:].sum()))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = em(COUNTS, START, e_step, forgets_a_cell, tol=1e-12)
    with pytest.raises(AssertionError):
        assert_arrives(result)


def test_steps_are_the_loop_taken_apart():
    result = fit(max_steps=4, tol=0.0)
    states = [state for state, _ in zip(em_steps(COUNTS, START, e_step, m_step), range(5), strict=False)]
    assert [state.step for state in states] == [0, 1, 2, 3, 4]
    assert [float(state.log_lik) for state in states] == result.log_lik.tolist()
    assert states[-1].params == result.params
    for before, after in itertools.pairwise(states):
        assert m_step(COUNTS, before.expected) == after.params


def test_tol_is_compared_with_the_last_change():
    result = fit(tol=1e-3)
    change = result.log_lik.diff().abs()
    assert change[-1] < 1e-3 <= change[-2]


def interrupt_on_call(function, call):
    calls = iter(range(1, 1000))

    def interrupted(*args):
        if next(calls) == call:
            raise KeyboardInterrupt
        return function(*args)

    return interrupted


@pytest.mark.parametrize("where", ["e_step", "m_step"])
def test_an_interrupt_returns_the_fit_so_far(where):
    e, m = e_step, m_step
    if where == "e_step":
        e = interrupt_on_call(e, 4)
    else:
        m = interrupt_on_call(m, 3)
    with pytest.warns(ConvergenceWarning, match="interrupted after 2 steps"):
        result = em(COUNTS, START, e, m)
    assert not result.converged
    assert len(result.log_lik) == 3
    assert_trace_is_of_the_params(result)


def test_an_interrupt_before_there_is_a_fit_is_passed_on():
    with pytest.raises(KeyboardInterrupt):
        em(COUNTS, START, interrupt_on_call(e_step, 1), m_step)


def test_not_converged_says_so_and_what_to_do():
    with pytest.warns(ConvergenceWarning, match="not converged in 2 steps.*raise max_steps"):
        assert not fit(max_steps=2, tol=1e-9).converged


def test_a_fit_that_arrives_or_was_told_its_steps_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(tol=1e-9)
        fit(max_steps=2, tol=0.0)


def test_a_fall_of_the_log_likelihood_is_reported():
    def backwards(x, expected):
        return Linkage(torch.tensor(0.1, dtype=torch.float64))

    with pytest.warns(ConvergenceWarning, match="fell by .* at step 1"):
        em(COUNTS, START, e_step, backwards, max_steps=2)


def test_a_log_likelihood_that_is_no_number_stops_the_loop():
    with pytest.raises(FloatingPointError, match="nan after 0 EM steps"):
        em(COUNTS, START, lambda x, params: (None, torch.tensor(math.nan)), m_step)


@pytest.mark.parametrize("options", [{"max_steps": -1}, {"tol": -1e-9}, {"tol": math.nan}])
def test_limits_must_make_sense(options):
    with pytest.raises(ValueError, match="must not be negative"):
        fit(**options)


def test_the_fit_is_a_value_with_its_trace():
    assert EMFit._fields == ("params", "log_lik", "converged")


# The border for data.

NAN, INF = math.nan, math.inf
GOOD = torch.tensor([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]])


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (GOOD.numpy(), {}, TypeError, r"torch tensor, got ndarray; use torch.as_tensor"),
        (GOOD.to(torch.complex64), {}, TypeError, "real numbers, got torch.complex64"),
        (GOOD[0], {}, ValueError, r"must be \(N, D\), got \(2,\); a single point needs x\[None\]"),
        (GOOD[:, :0], {}, ValueError, r"D >= 1, got \(3, 0\)"),
        (GOOD[:0], {}, ValueError, "at least 2 rows, got 0"),
        (GOOD, {"rows": 4}, ValueError, "at least 4 rows, got 3; add data or fit a smaller model"),
        (torch.tensor([[1.0, NAN], [2.0, 3.0]]), {}, ValueError, "got 1 NaN and 0 infinite of 4 .*missing=True"),
        (torch.tensor([[1.0, INF], [2.0, -INF]]), {}, ValueError, "got 0 NaN and 2 infinite of 4 entries$"),
        (torch.tensor([[1.0, INF], [NAN, 2.0]]), {"missing": True}, ValueError, "got 1 NaN and 1 infinite"),
        (torch.full((3, 2), 1.5e308, dtype=torch.float64), {}, ValueError, "reaches 1.5e.308; rescale"),
        (
            torch.tensor([[1.0, 1e200], [2.0, 1e190]], dtype=torch.float64),
            {},
            ValueError,
            "finite squares, but reaches 1e.200",
        ),
        (torch.tensor([[1.0, 7.0], [2.0, 7.0]]), {}, ValueError, r"columns 1 hold one value .* drop them, x\[:"),
        (torch.ones(3, 12), {}, ValueError, "columns 0, 1, 2, 3, 4, 5, 6, 7 and 4 more hold one value"),
        (torch.tensor([[1.0, 7.0], [2.0, NAN]]), {"missing": True}, ValueError, "columns 1 hold one value"),
    ],
)
def test_bad_data_are_refused_with_a_remedy(x, options, error, message):
    with pytest.raises(error, match=message):
        data_matrix(x, **options)


def test_one_odd_value_late_in_a_long_column_is_enough_to_vary():
    x = torch.zeros(1000, 2)
    x[777] = torch.tensor([1.0, 0.0])
    with pytest.raises(ValueError, match="columns 1 hold"):
        data_matrix(x)
    assert len(data_matrix(x[:, :1])) == 1000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_good_data_pass_as_float64_and_unchanged(dtype):
    x = GOOD.to(dtype)
    out = data_matrix(x)
    assert out.dtype == torch.float64
    assert torch.equal(out, x.double())


def test_what_is_asked_for_passes():
    data_matrix(torch.ones(3, 2), constant=True)
    data_matrix(GOOD[:1], rows=1)
    holes = torch.tensor([[1.0, NAN], [2.0, 3.0], [NAN, 4.0]])
    assert data_matrix(holes, missing=True).isnan().sum() == 2


@pytest.mark.usefixtures("as_users_run_it")
def test_counts_are_data_too():
    assert data_matrix(torch.tensor([[1, 2], [3, 5]])).dtype == torch.float64


def test_a_log_likelihood_for_each_row_is_no_trace():
    with pytest.raises(ValueError, match=r"one log-likelihood, got shape \(4,\); take its mean"):
        next(em_steps(COUNTS, START, lambda x, params: (x[0], x.log()), m_step))


def test_fishers_identity_by_small_steps_in_scipys_densities():
    with seeded(11):
        x, means = torch.randn(40, 2, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    weights, widths = np.array([0.5, 0.3, 0.2]), torch.tensor([0.7, 1.0, 1.6], dtype=torch.float64)

    def log_p(means, widths):
        parts = [w * stats.multivariate_normal(m, s**2).pdf(x) for w, m, s in zip(weights, means, widths, strict=True)]
        return np.log(np.sum(parts, 0)).sum()

    m, s = means.clone().requires_grad_(), widths.clone().requires_grad_()
    density = torch.distributions.Normal(m, s[:, None]).log_prob(x[:, None]).sum(-1)
    for_means, for_widths = fishers_identity(torch.tensor(weights).log() + density, (m, s))
    h = 1e-5
    for c in range(3):
        step = h * np.eye(3)[c]
        assert abs((log_p(means, widths + step) - log_p(means, widths - step)) / (2 * h) - for_widths[c]) < 1e-6
        for d in range(2):
            step = np.zeros((3, 2))
            step[c, d] = h
            assert abs((log_p(means + step, widths) - log_p(means - step, widths)) / (2 * h) - for_means[c, d]) < 1e-6


def test_fishers_identity_leaves_out_what_is_impossible_and_needs_a_graph():
    w = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    log_joint = torch.stack([w.log(), torch.tensor([-torch.inf, 0.0], dtype=torch.float64) * 1.0 + 0 * w])
    (slope,) = fishers_identity(log_joint, (w,))
    assert torch.allclose(slope, torch.tensor([1.0, 1.0], dtype=torch.float64))  # log(w_1 + w_2), and a constant
    with pytest.raises(ValueError, match="requires_grad"):
        fishers_identity(log_joint.detach(), (w,))
