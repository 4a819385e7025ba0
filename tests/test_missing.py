"""Missing pixels in a linear-Gaussian VAE, where everything is known: numpy's conditional Gaussians are the oracle."""

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import stats
from torch import nn
from torch.distributions import MultivariateNormal

from lvmteach.bounds import elbo, iwae
from lvmteach.missing import impute, impute_weighted, log_weights, miwae
from lvmteach.runtime import seeded
from lvmteach.vae import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal

RNG = np.random.default_rng(0)
D, L = 5, 2
W, MU, NOISE = RNG.normal(size=(D, L)), RNG.normal(size=D), 0.35
X = MU + W @ RNG.normal(size=L) + np.sqrt(NOISE) * RNG.normal(size=D)
HOLES = np.array([False, True, False, True, False])
SEEN = ~HOLES
COV = W @ W.T + NOISE * np.eye(D)
LOG_P = stats.multivariate_normal(MU[SEEN], COV[np.ix_(SEEN, SEEN)]).logpdf(X[SEEN])
GAIN = COV[np.ix_(HOLES, SEEN)] @ np.linalg.inv(COV[np.ix_(SEEN, SEEN)])
MEAN = MU[HOLES] + GAIN @ (X[SEEN] - MU[SEEN])
VAR = COV[np.ix_(HOLES, HOLES)] - GAIN @ COV[np.ix_(SEEN, HOLES)]
# p(z|x_o) and p(z|x)
PRECISION = np.eye(L) + W[SEEN].T @ W[SEEN] / NOISE
POST_COV = np.linalg.inv(PRECISION)
POST_MEAN = POST_COV @ W[SEEN].T @ (X[SEEN] - MU[SEEN]) / NOISE
WHOLE = np.linalg.inv(np.eye(L) + W.T @ W / NOISE)
MASK = torch.tensor(HOLES)


class Says(nn.Module):
    """q(z|x) = N(gain (x - MU) + offset, cov)."""

    def __init__(self, gain, offset, cov):
        super().__init__()
        self.gain, self.offset, self.cov = map(torch.tensor, (gain, offset, cov))

    def forward(self, x):
        return MultivariateNormal((x - torch.tensor(MU)) @ self.gain.T + self.offset, self.cov)


def model_with(encoder):
    model = VAE(encoder, GaussianDecoder(L, D, ()), StandardNormal(L)).double()
    with torch.no_grad():
        model.decoder.net[0].weight[:], model.decoder.net[0].bias[:] = torch.tensor(W), torch.tensor(MU)
        model.decoder.log_scale[:] = np.log(NOISE) / 2
    return model


def given_observed(shift=0.0, cov=POST_COV):
    return model_with(Says(np.zeros((L, D)), POST_MEAN + shift, cov))


def rows(n, x=X):
    x = torch.tensor(x).expand(n, D).clone()
    x[:, MASK] = torch.nan  # never read
    return x


def test_at_the_posterior_given_what_was_seen_every_weight_is_p_of_x_o():
    with seeded(1):
        log_w = log_weights(given_observed(), rows(3), MASK, K=4)
    np.testing.assert_allclose(log_w.detach(), LOG_P, atol=1e-10)


def check_bound(bound):
    """E[L_1] = log p(x_o) - KL(q || p(z|x_o)), which has a closed form."""
    cov = np.diag(1 / np.diag(PRECISION))
    model = given_observed(0.3, cov)
    gap = 0.5 * (np.trace(PRECISION @ cov) + 0.09 * PRECISION.sum() - L - np.linalg.slogdet(PRECISION @ cov)[1])
    with seeded(2), torch.no_grad():
        draws = bound(model, rows(50_000), MASK)
    assert_mean(draws, LOG_P - gap, resolution=0.2)


def test_the_bound_is_log_p_of_x_o_minus_the_gap():
    check_bound(lambda model, x, missing: miwae(model, x, missing, K=1))


WRONG = {
    "zeros scored as data": lambda m, x, gone: elbo(m.log_weights(torch.where(gone, 0.0, x), 1)),
    "means scored as data": lambda m, x, gone: elbo(m.log_weights(torch.where(gone, torch.tensor(MU), x), 1)),
    "the mask the wrong way": lambda m, x, gone: miwae(m, torch.where(gone, 0.0, x), ~gone, 1),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_the_check_sees_planted_bugs(wrong):
    with pytest.raises(AssertionError, match="mean is off"):
        check_bound(wrong)


def test_more_samples_lift_it_to_log_p():
    model = given_observed(0.3, np.diag(1 / np.diag(PRECISION)))
    with seeded(3), torch.no_grad():
        bounds = [float(miwae(model, rows(4000), MASK, K).mean()) for K in (1, 5, 50)]
    assert np.all(np.diff(bounds) > 0)
    assert LOG_P - 0.02 < bounds[-1] < LOG_P + 0.01


def check_imputation(mean):
    assert np.abs(mean - MEAN).max() < 0.02


def test_self_normalised_imputation_is_the_conditional_mean():
    model = given_observed(0.3, 1.5 * POST_COV)
    with seeded(4):
        filled = impute_weighted(model, rows(1), MASK, K=200_000)
    check_imputation(filled.mean[0, MASK].numpy())
    np.testing.assert_allclose(filled.mean[0, ~MASK], X[SEEN])
    assert abs(float(filled.log_p) - LOG_P) < 0.01
    assert 0 < float(filled.ess) < 200_000


@pytest.mark.parametrize("K", [200_000, 1], ids=["many draws", "one draw"])
def test_draws_without_weights_would_be_seen(K):
    model = given_observed(0.3, 1.5 * POST_COV)
    with seeded(4), torch.no_grad():
        z = model.encoder(torch.tensor(X)[None]).sample((K,))[:, 0]
    with pytest.raises(AssertionError):
        check_imputation((MU + z.numpy() @ W.T).mean(0)[HOLES])


def test_all_seen_is_the_ordinary_bound():
    with seeded(5):
        model = VAE(GaussianEncoder(6, 2, (4,)), BernoulliDecoder(2, 6, (4,)), StandardNormal(2))
        x, none = torch.rand(3, 6).bernoulli(), torch.zeros(6, dtype=torch.bool)
    with seeded(6):
        ours = miwae(model, x, none, K=3)
    with seeded(6):
        theirs = iwae(model.log_weights(x, K=3))
    torch.testing.assert_close(ours, theirs)
    ours.mean().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_a_mask_for_each_image_and_what_is_left_as_it_was():
    with seeded(8):
        model = VAE(GaussianEncoder(6, 2, (4,)), BernoulliDecoder(2, 6, (4,)), StandardNormal(2))
        x = torch.rand(9, 6).bernoulli()
        missing = torch.rand(x.shape) < 0.5
        holed = torch.where(missing, torch.nan, x)
        for training in (True, False):
            model.train(training)
            for metropolis in (False, True):
                filled = impute(model, holed, missing, steps=4, metropolis=metropolis, chains=3)
                assert torch.equal(filled.x[~missing], x[~missing])
                assert torch.equal(filled.mean[~missing], x[~missing])
                assert ((filled.x == 0) | (filled.x == 1)).all()
                assert ((filled.mean[missing] > 0) & (filled.mean[missing] < 1)).all()
            weighted = impute_weighted(model, holed, missing, K=3)
            assert torch.equal(weighted.mean[~missing], x[~missing])
            assert model.training == training
    assert all(p.grad is None for p in model.parameters())


# ---- By turns. The chain is linear: its stationary covariance solves C = B C B' + noise.

FEEDBACK = W[HOLES] @ WHOLE @ W[HOLES].T / NOISE


def stationary(cov):
    noise = W[HOLES] @ cov @ W[HOLES].T + NOISE * np.eye(2)
    return np.linalg.solve(np.eye(4) - np.kron(FEEDBACK, FEEDBACK), noise.ravel()).reshape(2, 2)


MEAN_FIELD = np.diag(1 / np.diag(np.linalg.inv(WHOLE)))
CHAINS = 20_000


def run_chains(cov, **kwargs):
    gain = WHOLE @ W.T / NOISE
    with seeded(7):
        return impute(model_with(Says(gain, np.zeros(L), cov)), rows(CHAINS), MASK, **kwargs)


def check_chain(x, cov):
    x = x[:, MASK].numpy()
    assert_mean(x, MEAN, resolution=0.1)
    centred = x - MEAN
    assert_mean(centred[:, :, None] * centred[:, None, :], cov, resolution=0.1)


def test_the_oracle_agrees_with_itself():
    np.testing.assert_allclose(stationary(WHOLE), VAR, atol=1e-12)
    assert (np.diag(stationary(MEAN_FIELD)) - np.diag(VAR)).max() > 0.05
    assert (np.diag(stationary(WHOLE / 4)) - np.diag(VAR)).min() < -0.1


@pytest.mark.parametrize("cov", [WHOLE, MEAN_FIELD, WHOLE / 4], ids=["exact", "mean field", "too narrow"])
def test_pseudo_gibbs_settles_where_the_equation_says(cov):
    filled = run_chains(cov, steps=80)
    check_chain(filled.x, stationary(cov))
    assert filled.accepted == 1


@pytest.mark.slow
@pytest.mark.parametrize("cov", [MEAN_FIELD, 2 * WHOLE], ids=["mean field", "too wide"])
def test_metropolis_repairs_it(cov):
    filled = run_chains(cov, steps=120, warm_up=40, metropolis=True)
    check_chain(filled.x, VAR)
    assert 0.2 < filled.accepted < 0.99


def test_without_the_test_of_proposals_it_would_be_seen():
    with pytest.raises(AssertionError, match="mean is off"):
        check_chain(run_chains(MEAN_FIELD, steps=80).x, VAR)


def test_the_mean_is_of_the_turns_after_the_warm_up():
    filled = run_chains(WHOLE, steps=60, warm_up=20)
    assert_mean(filled.mean[:, MASK].numpy(), MEAN, resolution=0.05)


def test_chains_are_independent_and_the_mean_is_over_all_of_them():
    model, N = model_with(Says(WHOLE @ W.T / NOISE, np.zeros(L), WHOLE)), 2000
    with seeded(9):
        one, four = (impute(model, rows(N), MASK, 20, chains=chains) for chains in (1, 4))
    assert four.x.shape == four.mean.shape == (N, D)
    assert_mean(four.mean[:, MASK].numpy(), MEAN, resolution=0.1)
    ratio = one.mean[:, MASK].var(0) / four.mean[:, MASK].var(0)
    assert (ratio / 4 - 1).abs().max() < 6 * 2 / np.sqrt(N)  # six standard errors of a ratio of variances


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals():
    model = given_observed()
    x = torch.tensor(X)[None]
    with pytest.raises(ValueError, match="steps must be at least 2, got 1"):
        impute(model, x, MASK, steps=1)
    with pytest.raises(ValueError, match=r"a single point needs x\[None\]"):
        impute(model, x[0], MASK)
    with pytest.raises(ValueError, match=r"missing must be \(\*N, D\) with D = 5 as in x"):
        impute(model, x, MASK[1:])
    with pytest.raises(ValueError, match=r"NaN or infinity in rows \[0\]"):
        impute(model, rows(1), ~MASK)
    with pytest.raises(ValueError, match="warm_up must lie in 0 to 9"):
        impute(model, x, MASK, steps=10, warm_up=10)
    with pytest.raises(TypeError, match=r"missing must hold truth values, got torch.float64; use missing.bool\(\)"):
        miwae(model, x, MASK.double(), 1)
    with pytest.raises(ValueError, match=r"x must be \(N, D\)"):
        impute_weighted(model, x[0], MASK)
    with pytest.raises(ValueError, match="K must be at least 1"):
        miwae(model, x, MASK, 0)
    with pytest.raises(ValueError, match="finite"):
        miwae(model, rows(2), torch.zeros(D, dtype=torch.bool), 1)
    model.decoder = nn.Identity()
    with pytest.raises(TypeError, match="Independent over pixels"):
        miwae(model, x, MASK, 1)
