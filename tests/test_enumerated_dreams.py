"""The sleep step without draws: its mean over all dreams is right, and a drawn step scatters about it."""

import pytest
import torch

from benchmarks.dreams import enumerated_sleep_step
from lvmteach.helmholtz import machine, sleep_step, states
from lvmteach.runtime import seeded


def moved(step, m):
    after = m.map(torch.clone)
    step(after)
    return torch.cat(
        [(a - b).flatten(m.prior.ndim - 1) for a, b in zip(after.parameters, m.parameters, strict=True)], -1
    )


@pytest.mark.parametrize(("sizes", "copies"), [((4, 3, 2), None), ((5, 2, 1), None), ((5, 3, 2), 2)])
def test_it_is_the_gradient_of_the_mean_of_log_q_over_every_image_and_state(sizes, copies):
    with seeded(1):
        m = machine(sizes, copies=copies, scale=1.5, dtype=torch.float64)
    every = states(sum(sizes)).expand(*m.copies, -1, -1).split(sizes, -1)
    leaves = m.map(lambda parameter: parameter.clone().requires_grad_())
    mean = (leaves.log_joint(every).exp().detach() * leaves.log_q(every)).sum()
    gradient = torch.autograd.grad(mean, leaves.parameters, materialize_grads=True)
    expected = torch.cat([g.flatten(m.prior.ndim - 1) for g in gradient], -1)
    assert (moved(lambda m: enumerated_sleep_step(m, 1.0), m) - expected).abs().max() < 1e-12  # rounding


def test_drawn_dreams_scatter_about_it():
    with seeded(2):
        m = machine((4, 3, 1), copies=50, scale=1.5, dtype=torch.float64).map(lambda p: p[:1].expand_as(p).clone())
        drawn = moved(lambda m: sleep_step(m, 2000, 0.5), m)
    exact = moved(lambda m: enumerated_sleep_step(m, 0.5), m)
    error = (drawn - exact).mean(0) / (drawn.std(0) / 50**0.5 + 1e-12)
    assert error.abs().max() < 5  # 43 means of fifty: one false alarm in ten thousand runs
    assert drawn.std(0).max() > 1e-4
