"""Wrong answers that a check once let through, each with the input that shows it among the cases now."""

import math

import pytest
import torch
from once_missed import assert_refused
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.nn.functional import logsigmoid


def ranked_groups(x, mu, x_z, z_z, groups):
    """Means of the groups that occur, looked up by their numbers: wrong behind a number that does not occur."""
    W = x_z @ torch.linalg.inv(z_z)
    left = ((x - mu) ** 2).mean(0) - (x_z * W).sum(1) / len(x)
    means = torch.stack([left[groups == group].mean() for group in groups.unique()])
    return W, means[groups.clamp(max=len(means) - 1)]


def nearly_broken(var_p, var_q):
    return (2 * var_q <= 1.001 * var_p).any(-1)


def normalised_before(w, features, outcomes, x):
    """Probabilities of all outcomes, then of those that agree: none is left where the model all but excludes them."""
    fits = ((x[:, None] == outcomes) | x.isnan()[:, None]).all(-1)
    p = torch.softmax(features @ w, 0) * fits
    return (p / p.sum(1, keepdim=True)).mean(0) @ features


def log_of_a_softmax(logits):
    return torch.func.jacrev(lambda a: torch.softmax(a, 0).log())(logits)


def in_single_precision(logits, u):
    return (logits.float() - (-u.float().log()).log()).argmax(-1)


def what_is_nearly_known_dropped(mean, cov, x, mu, W, psi):
    before, scaled = torch.linalg.pinv(cov, rtol=1e-6, hermitian=True), W / psi[:, None]
    after = torch.linalg.inv(before + W.T @ scaled)
    return after @ (before @ mean + scaled.T @ (x - mu)), after


def slope_by_differences(f, slope, mean, scale, eps):
    nudges = 1e-4 * torch.eye(len(mean), dtype=mean.dtype)
    tangent = (f(mean + nudges) - f(mean - nudges)) / 2e-4
    rest = f(mean + scale * eps) - f(mean) - scale * eps @ tangent
    return (rest[:, None] * eps / scale).mean(0) + tangent


def by_direction_and_distance(mu, first, last, n):
    gap = mu[last] - mu[first]
    return mu[first] + torch.linspace(0, 1, n, dtype=mu.dtype)[:, None] * gap.norm() * (gap / gap.norm())


def evidence_by_determinants(x, W, noise, m, s):
    A, cov = torch.eye(W.shape[1]).to(W) + W.T @ W / noise**2, W @ W.T + noise**2 * torch.eye(len(W)).to(W)
    squared = (x * torch.linalg.solve(cov, x.T).T).sum(1)
    log_p = -0.5 * (len(W) * math.log(2 * math.pi) + torch.det(cov).log() + squared)
    off = m - torch.linalg.solve(A, W.T @ x.T / noise**2).T
    squared = (s**2 * A.diagonal()).sum(1) + torch.einsum("bl,lk,bk->b", off, A, off)
    return log_p - 0.5 * (squared - len(A) - torch.det(A).log() - (s**2).log().sum(1))


def weights_as_probabilities(z, log_pi, mu, s):
    parts = Independent(Normal(mu, s.exp()), 1)
    return MixtureSameFamily(Categorical(probs=log_pi.exp()), parts).log_prob(z)  # it keeps them above 1e-16


def last_bin_is_n_less_one(x, m, s, n):
    upper, lower = (x + 0.5 - m) / s, (x - 0.5 - m) / s
    inside = logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(-1 / s))
    return torch.where(x == 0, logsigmoid(upper), torch.where(x >= n - 1, logsigmoid(-lower), inside))


MISSED = {
    "factor_analysis.update": what_is_nearly_known_dropped,
    "factor_analysis.grouped_noise": ranked_groups,
    "monte_carlo.breaks": nearly_broken,
    "loglinear.clamped": normalised_before,
    "gradient_estimators.by_tangent": slope_by_differences,
    "gradient_estimators.score": log_of_a_softmax,
    "gradient_estimators.gumbel_max": in_single_precision,
    "variational_inference.gaussian_elbo": evidence_by_determinants,
    "richer_models.log_prior": weights_as_probabilities,
    "richer_models.log_mass": last_bin_is_n_less_one,
    "sequences.along_the_line": by_direction_and_distance,
}


@pytest.mark.parametrize("name", MISSED)
def test_it_is_not_let_through_again(name):
    assert_refused(name, MISSED[name])
