"""The rate in its two parts, against numpy's quadrature, closed forms and what the theory says of the ends."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp
from torch.distributions import Independent, Normal

from lvmteach.runtime import seeded
from lvmteach.surgery import lattice, surgery, surgery_by_sampling
from lvmteach.vae import MixturePrior, StandardNormal, pretrained

RNG = np.random.default_rng(0)
N = 8
M, S = RNG.normal(size=N) * 1.5, RNG.uniform(0.2, 0.6, N)
WIDE = lattice(-12, 12, 20_001, 1)
PRIOR = StandardNormal(1).double()()


def q_of(m=M, s=S):
    return Independent(Normal(torch.tensor(m)[:, None], torch.tensor(s)[:, None]), 1)


def by_numpy():
    g = np.linspace(-12, 12, 100_001)
    h = g[1] - g[0]
    log_cond = stats.norm.logpdf(g, M[:, None], S[:, None])
    log_q = logsumexp(log_cond, 0) - math.log(N)
    rate = 0.5 * (M**2 + S**2 - 1 - 2 * np.log(S)).mean()
    information = (np.exp(log_cond) * (log_cond - log_q)).sum(1).mean() * h
    return rate, information, (np.exp(log_q) * (log_q - stats.norm.logpdf(g))).sum() * h


def test_the_exact_small_set():
    np.testing.assert_allclose(surgery(q_of(), PRIOR, WIDE), by_numpy(), atol=1e-9)
    np.testing.assert_allclose(by_numpy(), (1.06112, 0.88950, 0.17162), atol=1e-5)


def test_in_the_plane():
    m, s = RNG.normal(size=(5, 2)), RNG.uniform(0.3, 0.9, (5, 2))
    q = Independent(Normal(torch.tensor(m), torch.tensor(s)), 1)
    found = surgery(q, StandardNormal(2).double()(), lattice(-8, 8, 401, 2))
    assert abs(float(found.rate) - 0.5 * (m**2 + s**2 - 1 - 2 * np.log(s)).sum(1).mean()) < 1e-9


def test_the_packaged_plane_on_images_of_its_own():
    """Notebook 10's case: a trained encoder, two dimensions, its q's as narrow as training made them."""
    model = pretrained("plane").model
    with seeded(6), torch.no_grad():
        q = model.encoder(model.decoder(model.prior().sample((60,))).sample())
    m, s = (part.double().numpy() for part in (q.mean, q.stddev))
    found = surgery(q, model.prior(), lattice(-5, 5, 401, 2))
    side = np.linspace(-5, 5, 401)
    x, y = (stats.norm.logpdf(side, m[:, [j]], s[:, [j]]) for j in (0, 1))
    log_q = logsumexp(x[:, :, None] + y[:, None, :], 0) - math.log(60)
    density = np.exp(log_q) * (side[1] - side[0]) ** 2
    prior = stats.norm.logpdf(side)
    waste = (density * (log_q - prior[:, None] - prior)).sum()
    rate = 0.5 * (m**2 + s**2 - 1 - 2 * np.log(s)).sum(1).mean()
    np.testing.assert_allclose(found, (rate, rate - waste, waste), atol=1e-3)  # float32, and the narrowest q's width
    assert found.information < math.log(60)


def test_information_is_at_most_log_n_and_reaches_it():
    information = [
        float(surgery(q_of(s=S * shrink), PRIOR, lattice(-12, 12, 200_001, 1)).information)
        for shrink in (3, 1, 0.1, 0.01)
    ]
    assert np.all(np.diff(information) > 0)
    assert abs(information[-1] - math.log(8)) < 1e-5
    assert abs(math.log(8) - 2.07944) < 1e-5


def test_the_aggregate_as_prior_wastes_nothing_and_leaves_the_information():
    aggregate = MixturePrior.from_mixture(
        torch.full((N,), 1 / N).double(), torch.tensor(M)[:, None], torch.tensor(S**2)[:, None]
    )
    found = surgery(q_of(), aggregate.double()(), WIDE)
    assert abs(float(found.marginal.detach())) < 1e-6  # the prior's parameters are float32
    assert abs(float(found.information.detach()) - by_numpy()[1]) < 1e-9


def check_by_sampling(estimate):
    for part, truth in zip(estimate, by_numpy(), strict=True):
        assert part.std_err < 0.01
        assert abs(float(part.value) - truth) < 5 * part.std_err


def test_by_sampling():
    with seeded(1):
        check_by_sampling(surgery_by_sampling(q_of(), PRIOR, 4000))


def test_log_n_forgotten_would_be_seen():
    with seeded(1):
        right = surgery_by_sampling(q_of(), PRIOR, 4000)
    shifted = right.information._replace(value=right.information.value - math.log(N))
    with pytest.raises(AssertionError):
        check_by_sampling(right._replace(information=shifted))


def test_standard_errors_are_those_of_repeats():
    with seeded(2):
        runs = [surgery_by_sampling(q_of(), PRIOR, 20).rate for _ in range(400)]
    spread = torch.stack([run.value for run in runs]).std()
    assert abs(spread / torch.stack([run.std_err for run in runs]).mean() - 1) < 0.2  # five standard errors of a spread


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals():
    with pytest.raises(ValueError, match=r"must hold q\(z\), got a mass of 0\.\d+; make it wider"):
        surgery(q_of(), PRIOR, lattice(-1, 1, 1001, 1))
    with pytest.raises(ValueError, match="K must be at least 2"):
        surgery_by_sampling(q_of(), PRIOR, 1)
