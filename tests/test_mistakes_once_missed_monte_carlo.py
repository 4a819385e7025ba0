"""Wrong answers of stages 01 and 02 that a check once let through: each is right but on inputs that few think of."""

import math

import numpy as np
import pytest
import torch
from once_missed import assert_refused, keeper
from scipy import stats

from lvmteach.classroom.exercises.stages import exercises

MISSED, missed = keeper()


@missed("monte_carlo.estimate")
def mean_square_less_squared_mean(f_z):
    variance = (f_z.square().mean(0) - f_z.mean(0) ** 2).clamp(min=0)
    return f_z.mean(0), (variance / (len(f_z) - 1)).sqrt()


@missed("monte_carlo.estimate")
def never_quite_zero(f_z):
    return f_z.mean(0), (f_z.var(0) / len(f_z) + 1e-12).sqrt()


@missed("monte_carlo.log_mean_exp")
def less_the_mean(log_w):
    """Takes the mean of the finite ones out instead of the largest."""
    finite = log_w.isfinite()
    middle = torch.where(finite, log_w, 0.0).sum(0) / finite.sum(0)
    return middle + (log_w - middle).exp().mean(0).log()


@missed("monte_carlo.log_mean_exp")
def zero_is_exp_of_minus_10000(log_w):
    return torch.logsumexp(log_w.clamp(min=-1e4), 0) - math.log(len(log_w))


@missed("monte_carlo.log_mean_exp")
def none_above_1000(log_w):
    return torch.logsumexp(log_w.clamp(max=1000), 0) - math.log(len(log_w))


@missed("monte_carlo.ess")
def safe_denominator(log_w):
    return 1 / (torch.softmax(log_w, 0).square().sum(0) + 1e-10)


@missed("monte_carlo.self_normalised")
def less_the_first(f_z, log_w):
    w = (log_w - log_w[0]).exp()
    return torch.tensordot(w / w.sum(), f_z, 1)


@missed("monte_carlo.best_proposal")
def never_divided_by_zero(x, a, b, s):
    return a * (x - b) / (a**2 + s**2 + 1e-8), s / math.sqrt(a**2 + s**2)


@missed("monte_carlo.breaks")
def close_is_equal(var_p, var_q):
    return ((2 * var_q < var_p) | torch.isclose(2 * var_q, var_p.expand_as(var_q), rtol=1e-5, atol=0)).any(-1)


@missed("monte_carlo.breaks")
def by_the_moment(var_p, var_q):
    return ~(var_q / (var_p * (2 * var_q - var_p)).sqrt()).prod(-1).isfinite()


@missed("monte_carlo.log_second_moment")
def infinite_by_a_division_by_zero(delta, s_p, s_q):
    room = (2 * s_q**2 - s_p**2).clamp(min=0)
    return (2 * s_q.log() - s_p.log() - room.log() / 2 + delta**2 / room).sum(-1)


@missed("monte_carlo.log_second_moment")
def logarithm_of_each_moment(delta, s_p, s_q):
    room = (2 * s_q**2 - s_p**2).clamp(min=0)
    return (s_q**2 / (s_p * room.sqrt()) * torch.where(room > 0, (delta**2 / room).exp(), 1.0)).log().sum(-1)


@missed("monte_carlo.defensive")
def largest_of_each_column(log_p, log_q, log_wide, share):
    top = torch.maximum(log_q.amax(0), log_wide.amax(0))
    return log_p - top - ((1 - share) * (log_q - top).exp() + share * (log_wide - top).exp()).log()


@missed("monte_carlo.defensive")
def share_never_zero(log_p, log_q, log_wide, share):
    return log_p - torch.logaddexp(log_q + math.log(1 - share), log_wide + math.log(share + 1e-12))


@missed("factor_analysis.update")
def precision_never_zero(mean, cov, x, mu, W, psi):
    scaled, before, small = W / psi[:, None], torch.linalg.inv(cov), 1e-8 * torch.eye(len(mean), dtype=cov.dtype)
    after = torch.linalg.inv(before + W.T @ scaled + small)
    return after @ (before @ mean + scaled.T @ (x - mu)), after


def log_lik(x, mu, W, psi, log_det):
    d, scaled = x - mu, W / psi[:, None]
    M, linear = torch.eye(W.shape[1], dtype=W.dtype) + W.T @ scaled, d @ scaled
    distance = (d**2 / psi).sum(1) - (linear * torch.linalg.solve(M, linear.T).T).sum(1)
    return -0.5 * (torch.log(2 * math.pi * psi).sum() + log_det(M) + distance)


@missed("factor_analysis.log_lik")
def logarithm_of_a_determinant(x, mu, W, psi):
    return log_lik(x, mu, W, psi, lambda M: torch.linalg.det(M).log())


@missed("factor_analysis.log_lik")
def large_matrix_of_numpy(x, mu, W, psi):
    cov = W.numpy() @ W.numpy().T + np.diag(psi.numpy())
    found = stats.multivariate_normal(np.asarray(mu), cov).logpdf(np.asarray(x))
    return torch.as_tensor(found).reshape(len(x))


@missed("factor_analysis.bound")
def determinant_of_cov(x, mu, W, psi, mean, cov):
    squares = (x - mu - mean @ W.T) ** 2 + (W @ cov * W).sum(1)
    fit = -0.5 * (torch.log(2 * math.pi * psi) + squares / psi).sum(1)
    return fit + 0.5 * (torch.linalg.det(cov).log() + len(cov) - cov.trace() - (mean**2).sum(1))


@missed("factor_analysis.grouped_noise")
def squares_multiplied_out(x, mu, x_z, z_z, groups):
    W = torch.linalg.solve(z_z, x_z.T).T
    left = (x**2).mean(0) - 2 * mu * x.mean(0) + mu**2 - (x_z * W).sum(1) / len(x)
    return W, torch.stack([left[groups == group].mean() for group in groups])


@missed("factor_analysis.ppca_bic")
def product_of_eigenvalues(S, N):
    values, D, found = torch.linalg.eigvalsh(S).flip(0), len(S), []
    for L in range(1, D):
        log_det = values[:L].prod().log() + (D - L) * values[L:].mean().log()
        free = D + D * L - L * (L - 1) / 2 + 1
        found.append(-0.5 * (N * (D * math.log(2 * math.pi) + log_det + D) + free * math.log(N)))
    return torch.stack(found)


@missed("factor_analysis.align")
def root_never_zero(W, V):
    C = W.T @ V
    values, vectors = torch.linalg.eigh(C.T @ C)
    return C @ vectors @ torch.diag((values + 1e-12) ** -0.5) @ vectors.T


@missed("factor_analysis.impute")
def zero_is_a_hole(x, mu, W, psi):
    seen = x.nan_to_num(0.0) != 0
    weight, d = seen / psi, torch.where(seen, x - mu, 0.0)
    M = torch.eye(W.shape[1], dtype=W.dtype) + torch.einsum("nd,dk,dl->nkl", weight, W, W)
    return torch.where(seen, x, mu + torch.linalg.solve(M, (d * weight) @ W) @ W.T)


@missed("factor_analysis.impute_hidden")
def noise_alone_in_one_column(x, mu, W, psi, limit):
    if x.shape[1] > 1:
        return exercises("factor_analysis")["impute_hidden"].reference(x, mu, W, psi, limit)
    alpha = (limit - mu) / psi.sqrt()
    log_phi = -(alpha**2) / 2 - math.log(2 * math.pi) / 2
    return torch.where(x.isnan(), mu + psi.sqrt() * (log_phi - torch.special.log_ndtr(-alpha)).exp(), x)


@pytest.mark.parametrize("name", MISSED)
def test_it_is_not_let_through_again(name):
    assert_refused(*MISSED[name])
