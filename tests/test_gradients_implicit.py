"""Implicit reparameterisation. The oracle is quadrature over a grid, which knows neither draws nor paths."""

import pytest
import torch
from chance import assert_mean
from torch.distributions import Bernoulli, Categorical, Independent, MixtureSameFamily, Normal, StudentT

from lvmteach.gradients import gradient_samples, implicit
from lvmteach.runtime import seeded


def mixture(w, m, log_s):
    return MixtureSameFamily(Categorical(logits=torch.stack([w, -w], -1)), Normal(m, log_s.exp()))


def test_implicit_paths_of_a_mixture_meet_quadrature():
    params = tuple(torch.tensor(v, dtype=torch.float64) for v in (0.3, [-1.0, 1.5], [-0.2, 0.1]))
    grid = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    leaves = tuple(p.clone().requires_grad_() for p in params)
    truth = torch.autograd.grad(torch.trapezoid(mixture(*leaves).log_prob(grid).exp() * torch.sin(grid), grid), leaves)
    with seeded(4):
        found = gradient_samples(lambda *p: torch.sin(implicit(mixture(*p), 1)).mean(0), params, 40_000)
    for samples, exactly in zip(found, truth, strict=True):
        assert_mean(samples.numpy(), exactly.numpy(), resolution=0.05)
    with pytest.raises(AssertionError, match="mean is off"):  # the other sign
        assert_mean(-found[0].numpy(), truth[0].numpy(), resolution=0.05)


def test_implicit_paths_of_a_gaussian_are_the_explicit_ones():
    m, s = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.7, 1.3))
    q = Normal(m, s)
    with seeded(3):
        z = implicit(q, 50)
    for_m, for_s = (torch.autograd.grad(z.sum(), p, retain_graph=True)[0] for p in (m, s))
    assert abs(for_m - 50) < 1e-9  # dz/dm = 1
    assert abs(for_s - ((z - m) / s).sum()) < 1e-9  # dz/ds = eps


@pytest.mark.parametrize(
    ("q", "words"),
    [
        (Independent(Normal(torch.zeros(2), 1.0), 1), "continuous scalar"),
        (Bernoulli(0.3), "continuous scalar"),
        (StudentT(3.0), "needs q.cdf"),
    ],
)
def test_implicit_refuses_what_has_no_path(as_users_run_it, q, words):
    with pytest.raises(ValueError, match=words):
        implicit(q, 3)
