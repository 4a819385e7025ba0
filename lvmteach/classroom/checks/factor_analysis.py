"""Stage 02: factor analysis and probabilistic PCA. psi holds the noise variances; sizes N, D, L always differ."""

from __future__ import annotations

import math

import torch
from scipy import linalg
from torch import Tensor
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal

from lvmteach.classroom.checks.compare import Close
from lvmteach.classroom.checks.engine import Choice, Exercise, drawing


def _model(draw, N, D, L):
    """x, mu, W, psi: x not from the model, mu far from the mean of x, noise unequal."""
    return 2 + 1.5 * draw(N, D), 1 + draw(D), draw(D, L), 0.4 * draw(D).exp()


@drawing
def _models(draw):
    return [_model(draw, 3, 2, 1), _model(draw, 4, 5, 2), _model(draw, 7, 6, 3), _model(draw, 1, 4, 2)]


def _eye(W):
    return torch.eye(W.shape[1], dtype=W.dtype)


# The posterior -------------------------------------------------------------------------------------------------------


def _posterior(x, mu, W, psi):
    scaled = W / psi[:, None]
    cov = torch.linalg.inv(_eye(W) + W.T @ scaled)
    return (x - mu) @ scaled @ cov, cov


def _posterior_by_conditioning(x, mu, W, psi):
    gain = W.T @ torch.linalg.inv(W @ W.T + torch.diag(psi))  # (z, x) is jointly Gaussian
    return (gain @ (x - mu).T).T, _eye(W) - gain @ W


def _posterior_by_loop(x, mu, W, psi):
    M = _eye(W) + sum(torch.outer(w, w) / p for w, p in zip(W, psi, strict=True))
    means = [torch.linalg.solve(M, sum(w * d / p for w, d, p in zip(W, one - mu, psi, strict=True))) for one in x]
    return torch.stack(means), torch.linalg.solve(M, _eye(W))


def _mean_right_cov(change):
    """A misconception of the covariance alone."""

    def wrong(x, mu, W, psi):
        return _posterior(x, mu, W, psi)[0], change(W, psi)

    return wrong


posterior = Exercise(
    ask="Return the posterior means of z, and their common covariance.",
    reference=_posterior,
    cases=_models,
    misconceptions={
        "Your second result is the precision M. The covariance is its inverse.": _mean_right_cov(
            lambda W, psi: _eye(W) + W.T @ (W / psi[:, None])
        ),
        "psi holds variances already: divide by it as it is, without squaring.": (
            lambda x, mu, W, psi: _posterior(x, mu, W, psi**2)
        ),
        "You multiplied by psi. Divide by it: a noisy column should count less, not more.": (
            lambda x, mu, W, psi: _posterior(x, mu, W, 1 / psi)
        ),
        "You took the root of psi. The exponent of a Gaussian divides by the variance.": (
            lambda x, mu, W, psi: _posterior(x, mu, W, psi.sqrt())
        ),
        "The prior is missing: log p(z) is quadratic in z too, and adds to the precision.": (
            lambda x, mu, W, psi: _without_prior(x, mu, W, psi)
        ),
        "You forgot mu: what speaks about z is x - mu.": lambda x, mu, W, psi: _posterior(x, 0 * mu, W, psi),
        "The noise does not enter. A noisy column should count less: look for Psi in the exponent.": (
            lambda x, mu, W, psi: _posterior(x, mu, W, torch.ones_like(psi))
        ),
        "Your mean is the linear term of the exponent. For the mean, multiply it by the covariance.": (
            lambda x, mu, W, psi: ((x - mu) @ (W / psi[:, None]), _posterior(x, mu, W, psi)[1])
        ),
        "Your mean is PCA's projection, and ignores both the noise and the prior.": (
            lambda x, mu, W, psi: ((x - mu) @ torch.linalg.pinv(W).T, _posterior(x, mu, W, psi)[1])
        ),
        "Your mean has the shape (L, N). Data are rows: transpose it.": (
            lambda x, mu, W, psi: (_posterior(x, mu, W, psi)[0].T, _posterior(x, mu, W, psi)[1])
        ),
        "To condition by the covariance of x you need all of it, W W' + Psi. You used Psi alone.": _mean_right_cov(
            lambda W, psi: _eye(W) - W.T @ (W / psi[:, None])
        ),
        "You inverted the entries one by one. The inverse of a matrix is torch.linalg.inv, or solve.": (
            lambda x, mu, W, psi: _entrywise_inverse(x, mu, W, psi)
        ),
    },
    also_right=[_posterior_by_conditioning, _posterior_by_loop],
)


def _without_prior(x, mu, W, psi):
    scaled = W / psi[:, None]
    cov = torch.linalg.inv(W.T @ scaled)
    return (x - mu) @ scaled @ cov, cov


def _entrywise_inverse(x, mu, W, psi):
    scaled = W / psi[:, None]
    cov = 1 / (_eye(W) + W.T @ scaled)
    return (x - mu) @ scaled @ cov, cov


far_away = Choice(
    ask="x moves away from mu, to ten times its distance. What becomes of the posterior covariance of its z?",
    options={
        "a": "It grows: the model is less sure about strange data.",
        "b": "It shrinks: a large x says more about z.",
        "c": "It stays the same.",
        "d": "That depends on the direction in which x moves.",
    },
    feedback={
        "a": "A sensible wish, but not this model's. Look for x in the formula of M.",
        "b": "The signal is larger, but so is the mean, and the noise has not changed. Look for x in the formula of M.",
        "c": "Only the mean moves. The exponent's quadratic term holds W and Psi, and no x.",
        "d": "The direction decides where the mean goes. Look for x in the formula of M.",
    },
    right="c",
)


# The E step ----------------------------------------------------------------------------------------------------------


def _e_step(x, mu, W, psi):
    mean, cov = _posterior(x, mu, W, psi)
    return (x - mu).T @ mean, mean.T @ mean + len(x) * cov


def _e_step_by_loop(x, mu, W, psi):
    mean, cov = _posterior_by_conditioning(x, mu, W, psi)
    x_z = sum(torch.outer(one - mu, m) for one, m in zip(x, mean, strict=True))
    return x_z, sum(torch.outer(m, m) + cov for m in mean)


def _e_step_by_einsum(x, mu, W, psi):
    mean, cov = _posterior(x, mu, W, psi)
    each = cov + torch.einsum("nk,nl->nkl", mean, mean)
    return torch.einsum("nd,nl->dl", x - mu, mean), each.sum(0)


def _e_step_with(change):
    """A misconception of the sum of E[z z'], from the posterior that is right."""

    def wrong(x, mu, W, psi):
        mean, cov = _posterior(x, mu, W, psi)
        return (x - mu).T @ mean, change(mean, cov)

    return wrong


e_step = Exercise(
    ask="Return the two sums over the data that the M step needs.",
    reference=_e_step,
    cases=lambda seed: _models(seed)[:3],  # with one datum N and 1 cannot be told apart
    misconceptions={
        "You added the posterior covariance once. Each of the N data has its own share.": _e_step_with(
            lambda mean, cov: mean.T @ mean + cov
        ),
        "You put the posterior mean in the place of z. A square has an expectation of its own: the variance is "
        "missing.": _e_step_with(lambda mean, cov: mean.T @ mean),
        "These are means over the data. Return the sums: the M step divides where it has to.": (
            lambda x, mu, W, psi: tuple(one / len(x) for one in _e_step(x, mu, W, psi))
        ),
        "The first sum needs x - mu: the regression goes through the centre.": (
            lambda x, mu, W, psi: (x.T @ _posterior(x, mu, W, psi)[0], _e_step(x, mu, W, psi)[1])
        ),
        "The first sum should be (D, L), columns of x by latents. Yours is its transpose.": (
            lambda x, mu, W, psi: (_e_step(x, mu, W, psi)[0].T, _e_step(x, mu, W, psi)[1])
        ),
        "You multiplied sums. Multiply for each datum, then sum.": _e_step_with(
            lambda mean, cov: torch.outer(mean.sum(0), mean.sum(0)) + len(mean) * cov
        ),
        "You took the covariance off. V = E[zz'] - E[z]E[z]': solve for the other one.": _e_step_with(
            lambda mean, cov: mean.T @ mean - len(mean) * cov
        ),
        "You added the precision M in the place of its inverse.": _e_step_with(
            lambda mean, cov: mean.T @ mean + len(mean) * torch.linalg.inv(cov)
        ),
        "This is one matrix for each datum, (N, L, L). Sum over the data.": _e_step_with(
            lambda mean, cov: mean[:, :, None] * mean[:, None] + cov
        ),
    },
    also_right=[_e_step_by_loop, _e_step_by_einsum],
)


# The M step ----------------------------------------------------------------------------------------------------------


def _m_step(x, mu, x_z, z_z):
    W = x_z @ torch.linalg.inv(z_z)
    return W, ((x - mu).square().sum(0) - (x_z * W).sum(1)) / len(x)


@drawing
def _statistics(draw):
    cases = []
    for sizes in ((5, 3, 2), (9, 4, 3), (8, 7, 1)):
        x, mu, W, psi = _model(draw, *sizes)
        cases.append((x, mu, *_e_step(x, mu, W, psi)))
    return cases


def _m_step_by_residuals(x, mu, x_z, z_z):
    """The expected square of what is left, written out: S - 2 W E[z x'] + W E[zz'] W', its diagonal."""
    W = torch.linalg.solve(z_z, x_z.T).T
    left = (x - mu).T @ (x - mu) - 2 * W @ x_z.T + W @ z_z @ W.T
    return W, left.diagonal() / len(x)


def _m_step_by_column(x, mu, x_z, z_z):
    rows = [torch.linalg.lstsq(z_z, one[:, None]).solution[:, 0] for one in x_z]
    psi = [((x[:, d] - mu[d]) ** 2).mean() - rows[d] @ x_z[d] / len(x) for d in range(len(mu))]
    return torch.stack(rows), torch.stack(psi)


def _noise_with(change):
    """A misconception of psi alone."""

    def wrong(x, mu, x_z, z_z):
        W = _m_step(x, mu, x_z, z_z)[0]
        return W, change(x, mu, x_z, W, z_z)

    return wrong


m_step = Exercise(
    ask="Return the loadings and the noise variances that maximise the expected log joint density.",
    reference=_m_step,
    cases=_statistics,
    misconceptions={
        "This psi is the whole variance of each column. Take off what W and z explain.": _noise_with(
            lambda x, mu, x_z, W, z_z: (x - mu).square().mean(0)
        ),
        "You took off what W explains twice. The square has a third term, and it gives one of the two back.": (
            _noise_with(lambda x, mu, x_z, W, z_z: (x - mu).square().mean(0) - 2 * (x_z * W).sum(1) / len(x))
        ),
        "x_z is a sum over the data. It has to be divided by N, as the squares are.": _noise_with(
            lambda x, mu, x_z, W, z_z: (x - mu).square().mean(0) - (x_z * W).sum(1)
        ),
        "You divided by N - 1. The maximum of the likelihood has N.": _noise_with(
            lambda x, mu, x_z, W, z_z: ((x - mu).square().sum(0) - (x_z * W).sum(1)) / (len(x) - 1)
        ),
        "var divides by N - 1 and takes off the mean of x. The maximum has N, and the mu that you are given.": (
            _noise_with(lambda x, mu, x_z, W, z_z: x.var(0) - (x_z * W).sum(1) / len(x))
        ),
        "This var takes off the mean of x. Take off the mu you are given: the sums were made with it.": _noise_with(
            lambda x, mu, x_z, W, z_z: x.var(0, correction=0) - (x_z * W).sum(1) / len(x)
        ),
        "psi is the sum. A variance is the mean over the data.": _noise_with(
            lambda x, mu, x_z, W, z_z: (x - mu).square().sum(0) - (x_z * W).sum(1)
        ),
        "This is a full matrix. Given z the columns are independent: keep its diagonal.": _noise_with(
            lambda x, mu, x_z, W, z_z: ((x - mu).T @ (x - mu) - W @ x_z.T) / len(x)
        ),
        "One noise for all columns: that is PPCA. In factor analysis each column has its own.": _noise_with(
            lambda x, mu, x_z, W, z_z: ((x - mu).square().mean(0) - (x_z * W).sum(1) / len(x)).mean().expand(len(W))
        ),
        "You return scales. psi holds variances.": _noise_with(
            lambda x, mu, x_z, W, z_z: ((x - mu).square().mean(0) - (x_z * W).sum(1) / len(x)).sqrt()
        ),
        "You forgot to take mu off x in psi.": _noise_with(
            lambda x, mu, x_z, W, z_z: (x.square().sum(0) - (x_z * W).sum(1)) / len(x)
        ),
        "You multiplied by the sum of E[zz']. Least squares divides by it: use the inverse, or solve.": (
            lambda x, mu, x_z, z_z: (x_z @ z_z, ((x - mu).square().sum(0) - (x_z * (x_z @ z_z)).sum(1)) / len(x))
        ),
        "W should be (D, L). You have solved for its transpose.": (
            lambda x, mu, x_z, z_z: (_m_step(x, mu, x_z, z_z)[0].T, _m_step(x, mu, x_z, z_z)[1])
        ),
    },
    also_right=[_m_step_by_residuals, _m_step_by_column],
)


# The log-likelihood --------------------------------------------------------------------------------------------------

MANY = 11  # columns of the case that stands for a wide data set


class _Wide(Tensor):
    """Stands for data with very many columns: refuses to become a matrix D x D, for which there would be no room."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs or {})
        if isinstance(result, Tensor) and tuple(result.shape[-2:]) == (MANY, MANY):
            raise MemoryError("a matrix D x D, for which wide data leave no room")
        return result


def _log_lik(x, mu, W, psi):
    d, scaled = x - mu, W / psi[:, None]
    M = _eye(W) + W.T @ scaled
    linear = d @ scaled
    quadratic = (d.square() / psi).sum(1) - (linear * torch.linalg.solve(M, linear.T).T).sum(1)
    log_det = torch.logdet(M) + psi.log().sum()
    return -0.5 * (x.shape[1] * math.log(2 * math.pi) + log_det + quadratic)


@drawing
def _models_and_wide_ones(draw):
    cases = [_model(draw, 3, 2, 1), _model(draw, 4, 5, 2), _model(draw, 7, 6, 3)]
    x, mu, W, psi = _model(draw, 3, 400, 2)  # |Psi| is far below the smallest float
    wide = tuple(one.as_subclass(_Wide) for one in _model(draw, 4, MANY, 3))
    return [*cases, (x / 100, mu / 100, W / 100, psi / 1e4), wide]


def _log_lik_by_residuals(x, mu, W, psi):
    """log p(x) = log p(x, m) - log p(m | x), at the posterior mean m."""
    mean, cov = _posterior(x, mu, W, psi)
    left = ((x - mu - mean @ W.T) ** 2 / psi).sum(-1) + (mean**2).sum(-1)
    return -(left + torch.log(2 * math.pi * psi).sum() - torch.linalg.slogdet(cov).logabsdet) / 2


def _log_lik_by_loop(x, mu, W, psi):
    M = _eye(W) + torch.einsum("dk,d,dl->kl", W, 1 / psi, W)
    root = torch.linalg.cholesky(M)
    values = []
    for one in x - mu:
        half = torch.linalg.solve_triangular(root, (W.T @ (one / psi))[:, None], upper=False)
        values.append(-0.5 * (one @ (one / psi) - (half**2).sum()) - root.diagonal().log().sum())
    return torch.stack(values) - 0.5 * torch.log(2 * math.pi * psi).sum()


def _log_lik_with(change):
    """A misconception: change(constant, log|M|, log|Psi|, d' Psi^-1 d, the term of Woodbury, x)."""

    def wrong(x, mu, W, psi):
        d, scaled = x - mu, W / psi[:, None]
        M, linear = _eye(W) + W.T @ scaled, d @ scaled
        inner = (linear * torch.linalg.solve(M, linear.T).T).sum(1)
        constant = x.shape[1] * math.log(2 * math.pi)
        return change(constant, torch.logdet(M), psi.log().sum(), (d.square() / psi).sum(1), inner, (mu, psi))

    return wrong


def _conditional(x, mu, W, psi):
    left = x - mu - _posterior(x, mu, W, psi)[0] @ W.T
    return -0.5 * (left.square() / psi + torch.log(2 * math.pi * psi)).sum(1)


log_lik = Exercise(
    ask="Return log p(x) of each datum, without a matrix D x D.",
    reference=_log_lik,
    cases=_models_and_wide_ones,
    misconceptions={
        "Right, but by a matrix D x D. Woodbury's identity needs nothing larger than M, and Psi^-1 is a division by "
        "psi: no torch.diag.": lambda x, mu, W, psi: MultivariateNormal(mu, W @ W.T + torch.diag(psi)).log_prob(x),
        "The constant is missing: D log 2 pi, of which one half.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (m + p + q - i)
        ),
        "log 2 pi comes once for each column: D times.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (math.log(2 * math.pi) + m + p + q - i)
        ),
        "The determinant has lost its half: it stands under a root in the density.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + q - i) - m - p
        ),
        "The half in the exponent is missing.": _log_lik_with(lambda c, m, p, q, i, _: -0.5 * (c + m + p) - (q - i)),
        "|M| is missing: the determinant of W W' + Psi is the product of two.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + p + q - i)
        ),
        "|Psi| is missing: the determinant of W W' + Psi is the product of two.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + m + q - i)
        ),
        "The product of many small variances underflows. Sum their logarithms.": _log_lik_with(
            lambda c, m, p, q, i, given: -0.5 * (c + m + given[1].prod().log() + q - i)
        ),
        "You counted the determinant of Psi twice, or squared psi: it holds variances already.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + m + 2 * p + q - i)
        ),
        "Woodbury's second term is subtracted: the factors explain part of the distance.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + m + p + q + i)
        ),
        "Woodbury's second term is missing: your inverse is that of Psi alone.": _log_lik_with(
            lambda c, m, p, q, i, _: -0.5 * (c + m + p + q)
        ),
        "One value for each datum, shape (N,). You summed over the data.": _log_lik_with(
            lambda c, m, p, q, i, _: (-0.5 * (c + m + p + q - i)).sum()
        ),
        "One value for each datum, shape (N,). You averaged over the data.": _log_lik_with(
            lambda c, m, p, q, i, _: (-0.5 * (c + m + p + q - i)).mean()
        ),
        "This is log p(x | z) at the posterior mean of z. The marginal integrates over z.": _conditional,
        "This is the density. Return its logarithm, which does not overflow.": _log_lik_with(
            lambda c, m, p, q, i, _: (-0.5 * (c + m + p + q - i)).exp()
        ),
        "The sign is wrong: this is the negative log-likelihood.": _log_lik_with(
            lambda c, m, p, q, i, _: 0.5 * (c + m + p + q - i)
        ),
    },
    also_right=[
        _log_lik_by_residuals,
        _log_lik_by_loop,
        lambda x, mu, W, psi: LowRankMultivariateNormal(mu, W, psi).log_prob(x),
    ],
)


# The closed form of PPCA ---------------------------------------------------------------------------------------------


class UpToRotation(Close):
    """Compares (W, noise) where W is known up to a rotation of the latents: by W W'."""

    def difference(self, expected, received):
        return super().difference(_without_axes(expected), _without_axes(received))

    def alike(self, one, other):
        return super().alike(_without_axes(one), _without_axes(other))

    def relation(self, expected, received):
        return ""  # W and noise do not share a factor


def _without_axes(result):
    return {"W W'": result[0] @ result[0].mT, "noise": result[1]}


def _closed_form(S, L):
    values, vectors = torch.linalg.eigh(S)  # ascending
    noise = values[:-L].mean()
    return vectors[:, -L:] * (values[-L:] - noise).sqrt(), noise


@drawing
def _covariances(draw):
    cases = []
    for N, D, L in ((7, 3, 1), (12, 5, 2), (20, 7, 3)):
        x = draw(N, D) @ draw(D, D)
        cases.append(((x - x.mean(0)).T @ (x - x.mean(0)) / N, L))
    return cases


def _closed_form_by_svd(S, L):
    U, values, _ = torch.linalg.svd(S)  # of a covariance, the singular values are the eigenvalues
    noise = (S.trace() - values[:L].sum()) / (len(S) - L)
    return -U[:, :L] @ torch.diag(values[:L] - noise) ** 0.5, noise


def _closed_form_rotated(S, L):
    W, noise = _closed_form_by_svd(S, L)
    turn = torch.linalg.qr(torch.arange(1.0, L * L + 1, dtype=S.dtype).reshape(L, L).cos()).Q
    return W @ turn, noise


def _principal(change):
    """A misconception: change(values, vectors, L), both descending."""

    def wrong(S, L):
        values, vectors = torch.linalg.eigh(S)
        return change(values.flip(0), vectors.flip(1), L)

    return wrong


closed_form = Exercise(
    ask="Return the loadings and the noise variance of PPCA that maximise the likelihood.",
    reference=_closed_form,
    cases=_covariances,
    compare=UpToRotation(),
    misconceptions={
        "eigh returns eigenvalues in ascending order: you took the smallest ones as factors.": (
            lambda S, L: _of_the_smallest(S, L)
        ),
        "The noise is the mean of the discarded eigenvalues. You return their sum.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L:].mean()).sqrt(), v[L:].sum())
        ),
        "The noise is a mean over the D - L discarded eigenvalues, not over D.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L:].sum() / len(v)).sqrt(), v[L:].sum() / len(v))
        ),
        "You averaged the L smallest eigenvalues. Those discarded are D - L.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[-L:].mean()).sqrt(), v[-L:].mean())
        ),
        "You averaged all eigenvalues. The first L belong to the factors.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v.mean()).clamp(min=0).sqrt(), v.mean())
        ),
        "Your factors carry the noise's variance too. What W W' and the noise give together must be the eigenvalue: "
        "take the noise off under the root.": _principal(lambda v, U, L: (U[:, :L] * v[:L].sqrt(), v[L:].mean())),
        "The root is missing: W enters the covariance as W W'.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L:].mean()), v[L:].mean())
        ),
        "These are PCA's axes, of length one. Each has a length of its own in this model.": _principal(
            lambda v, U, L: (U[:, :L], v[L:].mean())
        ),
        "Eigenvectors are the columns of what eigh returns. You took rows.": _principal(
            lambda v, U, L: (U.mT[:, :L] * (v[:L] - v[L:].mean()).sqrt(), v[L:].mean())
        ),
        "You return the noise's scale. It is the variance that is asked for.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L:].mean()).sqrt(), v[L:].mean().sqrt())
        ),
        "The noise is not the largest eigenvalue left over, but the mean of them.": _principal(
            lambda v, U, L: (U[:, :L] * (v[:L] - v[L]).sqrt(), v[L])
        ),
        "W should be (D, L), one column for each latent. Yours is its transpose.": _principal(
            lambda v, U, L: ((U[:, :L] * (v[:L] - v[L:].mean()).sqrt()).T, v[L:].mean())
        ),
    },
    also_right=[_closed_form_by_svd, _closed_form_rotated],
)


def _of_the_smallest(S, L):
    values, vectors = torch.linalg.eigh(S)
    noise = values[L:].mean()
    return vectors[:, :L] * (values[:L] - noise).clamp(min=0).sqrt(), noise


# Rotations -----------------------------------------------------------------------------------------------------------

what_turns = Choice(
    ask="You replace W by W R, with R orthogonal. Which of these changes?",
    options={
        "a": "The log-likelihood of each datum.",
        "b": "The posterior mean of each z.",
        "c": "The reconstruction mu + W E[z | x] of each datum.",
        "d": "The noise variances that the next M step returns.",
    },
    feedback={
        "a": "It depends on W through W W' alone. What is (W R)(W R)'?",
        "b": "It turns along, to R' E[z | x]. All else you could observe stays: the axes of the latents are arbitrary.",
        "c": "Two things turn here, and they turn against each other: W R R' E[z | x].",
        "d": "They are what is left when the factors have explained x, and the turned factors explain the same.",
    },
    right="b",
)


def _align(W, V):
    U, _, Vh = torch.linalg.svd(W.T @ V)
    return U @ Vh


@drawing
def _two_fits(draw):
    """Equal up to an orthogonal R, or nearly; some R are rotations, some hold a reflection."""
    cases = []
    for D, L, error, flip in ((4, 2, 0.0, 1), (5, 2, 0.0, -1), (6, 3, 0.3, 1), (7, 3, 0.3, -1), (9, 4, 0.1, 1)):
        W, R = draw(D, L), torch.linalg.qr(draw(L, L)).Q
        R[:, 0] *= flip * torch.linalg.det(R).sign()
        cases.append((W, W @ R + error * draw(D, L)))
    return cases


def _align_by_polar(W, V):
    C = W.T @ V
    values, vectors = torch.linalg.eigh(C.T @ C)
    return C @ vectors @ torch.diag(values**-0.5) @ vectors.T


def _rotation_alone(W, V):
    U, _, Vh = torch.linalg.svd(W.T @ V)
    last = torch.ones(len(U), dtype=W.dtype)
    last[-1] = torch.linalg.det(U @ Vh).sign()
    return U @ torch.diag(last) @ Vh


align = Exercise(
    ask="Return the orthogonal R for which W R comes closest to V.",
    reference=_align,
    cases=_two_fits,
    misconceptions={
        "This is least squares without the condition. R must be orthogonal, or the latents' prior would change.": (
            lambda W, V: torch.linalg.lstsq(W, V).solution
        ),
        "Your R turns V into W. Return its transpose, which turns W into V.": lambda W, V: _align(V, W),
        "You allow rotations alone. A reflection, too, leaves the prior and W W' as they are.": _rotation_alone,
        "svd returns the second matrix transposed already, as Vh.": (
            lambda W, V: torch.linalg.svd(W.T @ V)[0] @ torch.linalg.svd(W.T @ V)[2].T
        ),
        "You kept the singular values, so you have W'V again. What is the orthogonal matrix next to it?": (
            lambda W, V: W.T @ V
        ),
        "You return W R. R itself is asked for, (L, L).": lambda W, V: W @ _align(W, V),
        "Your product sums over the latents and gives a matrix D x D. R acts on the latents: sum over the columns "
        "of the data.": lambda W, V: torch.linalg.svd(W @ V.T)[0] @ torch.linalg.svd(W @ V.T)[2],
        "The identity is orthogonal, but turns nothing.": lambda W, V: _eye(W),
        "The factor Q of W'V is orthogonal, but not the closest one: use the singular vectors.": (
            lambda W, V: torch.linalg.qr(W.T @ V).Q
        ),
    },
    also_right=[_align_by_polar, lambda W, V: torch.as_tensor(linalg.orthogonal_procrustes(W.numpy(), V.numpy())[0])],
)


# Missing entries -----------------------------------------------------------------------------------------------------


def _impute(x, mu, W, psi):
    seen = ~x.isnan()
    d = torch.where(seen, x - mu, 0.0)
    weight = seen / psi
    M = _eye(W) + torch.einsum("nd,dk,dl->nkl", weight, W, W)
    z = torch.linalg.solve(M, (d * weight) @ W)
    return torch.where(seen, x, mu + z @ W.T)


@drawing
def _with_holes(draw):
    cases = []
    for N, D, L in ((4, 3, 1), (6, 5, 2), (9, 7, 3)):
        x, mu, W, psi = _model(draw, N, D, L)
        holes = draw(N, D) > 0.2
        holes[0], holes[1], holes[-1] = False, True, True  # one row without holes, one with nothing left
        holes[-1, 0] = False  # one with fewer entries than latents
        cases.append((x.masked_fill(holes, math.nan), mu, W, psi))
    return cases


def _impute_by_conditioning(x, mu, W, psi):
    cov, filled = W @ W.T + torch.diag(psi), x.clone()
    for row, one in zip(filled, x, strict=True):
        gone = one.isnan()
        gain = cov[gone][:, ~gone] @ torch.linalg.inv(cov[~gone][:, ~gone])
        row[gone] = mu[gone] + gain @ (one - mu)[~gone]
    return filled


def _impute_by_rows(x, mu, W, psi):
    rows = []
    for one in x:
        seen = ~one.isnan()
        mean, _ = _posterior(one[None, seen], mu[seen], W[seen], psi[seen])
        rows.append(torch.where(seen, one, mu + (mean @ W.T)[0]))
    return torch.stack(rows)


def _in_place(x, mu, W, psi):
    x[:] = _impute(x, mu, W, psi)
    return x


impute = Exercise(
    ask="Return the data with each missing entry at its conditional expectation.",
    reference=_impute,
    cases=_with_holes,
    misconceptions={
        "You filled in mu. What was seen of the same row says more: use its posterior mean of z.": (
            lambda x, mu, W, psi: torch.where(x.isnan(), mu, x)
        ),
        "You filled in zeros. Zero is a value as any other, and far from the rest.": (
            lambda x, mu, W, psi: x.nan_to_num(0.0)
        ),
        "You filled in the mean of the column's seen entries. What was seen of the same row says more.": (
            lambda x, mu, W, psi: torch.where(x.isnan(), x.nanmean(0), x)
        ),
        "You counted missing entries as if they had been seen at mu. They must not enter M either: each row has an "
        "M of its own.": lambda x, mu, W, psi: _fill(
            x, mu, W, _posterior(torch.where(x.isnan(), mu, x), mu, W, psi)[0]
        ),
        "You counted missing entries as zeros that had been seen. Leave them out, of M too.": (
            lambda x, mu, W, psi: _fill(x, mu, W, _posterior(x.nan_to_num(0.0), mu, W, psi)[0])
        ),
        "You replaced what was seen by its reconstruction. Keep it.": (
            lambda x, mu, W, psi: _fill(x * math.nan, mu, W, _latents(x, mu, W, psi))
        ),
        "mu is missing where you fill in: W z is the distance from mu.": (
            lambda x, mu, W, psi: _fill(x, 0 * mu, W, _latents(x, mu, W, psi))
        ),
        "You forgot to take mu off before the posterior.": (
            lambda x, mu, W, psi: _fill(x, mu, W, _latents(x, 0 * mu, W, psi))
        ),
        "The noise does not enter: a noisy entry should count less.": (
            lambda x, mu, W, psi: _impute(x, mu, W, torch.ones_like(psi))
        ),
        "psi holds variances already: divide by it as it is, without squaring.": (
            lambda x, mu, W, psi: _impute(x, mu, W, psi**2)
        ),
        "A sum with NaN is NaN. Leave the missing entries out before you multiply.": (
            lambda x, mu, W, psi: _fill(x, mu, W, _posterior(x, mu, W, psi)[0])
        ),
        "You wrote into x. Work on a copy: x.clone(), or torch.where.": _in_place,
    },
    also_right=[_impute_by_conditioning, _impute_by_rows],
)


def _latents(x, mu, W, psi):
    """The posterior mean of z from what was seen."""
    weight = (~x.isnan()) / psi
    M = _eye(W) + torch.einsum("nd,dk,dl->nkl", weight, W, W)
    return torch.linalg.solve(M, ((x - mu).nan_to_num(0.0) * weight) @ W)


def _fill(x, mu, W, z):
    return torch.where(x.isnan(), mu + z @ W.T, x)
