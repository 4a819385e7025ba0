"""Counts are whole numbers and not too small; the rooms that take counts ask for it before they work."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from lvmteach.arguments import at_least
from lvmteach.evaluation import log_marginal
from lvmteach.gradients import reparameterised
from lvmteach.integrals import monte_carlo
from lvmteach.linear_gaussian import fit_ppca
from lvmteach.mixtures import fit_mixture
from lvmteach.training import train
from lvmteach.vae import pretrained

X = torch.arange(60.0).reshape(20, 3).sin()
UNIT = Normal(0.0, 1.0)


def test_whole_numbers_pass():
    at_least(1, K=1, chunk=np.int64(3))
    at_least(0, steps=0)


@pytest.mark.parametrize(
    ("count", "error", "words"),
    [
        (0, ValueError, "K must be at least 1, got 0"),
        (-5, ValueError, "K must be at least 1, got -5"),
        (1e3, TypeError, r"K must be a whole number, got 1000\.0; write 10_000, not 1e4"),
        ("3", TypeError, "K must be a whole number, got '3'"),
        (None, TypeError, "K must be a whole number, got None"),
    ],
)
def test_others_are_refused_by_name(count, error, words):
    with pytest.raises(error, match=words):
        at_least(1, K=count)


ASK = {
    "K": lambda K: pretrained("plane").model.log_weights(torch.zeros(2, 784), K),
    "K, of log_marginal": lambda K: log_marginal(pretrained("plane").model, torch.zeros(2, 784), K),
    "K, of draws": lambda K: monte_carlo(torch.sin, UNIT, K),
    "K, of gradients": lambda K: reparameterised(torch.sin, Normal(torch.ones((), requires_grad=True), 1.0), K),
    "L": lambda L: fit_ppca(X, L),
    "C": lambda C: fit_mixture(X, C),
    "steps": lambda steps: train(torch.nn.Linear(3, 1), lambda m, x: m(x).mean(), X, steps=steps),
    "valid_every": lambda every: train(
        torch.nn.Linear(3, 1), lambda m, x: m(x).mean(), X, steps=1, valid=X, valid_every=every
    ),
}


@pytest.mark.parametrize("name", ASK)
@pytest.mark.parametrize(("count", "error"), [(2.0, TypeError), (-1, ValueError)])
@pytest.mark.usefixtures("as_users_run_it")
def test_each_room_says_which_count_it_was(name, count, error):
    with pytest.raises(error, match=f"{name.partition(',')[0]} must be"):
        ASK[name](count)
