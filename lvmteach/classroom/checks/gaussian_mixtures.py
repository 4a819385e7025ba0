"""Stage 03: Gaussian mixtures. Parameters come in as tensors: weights (C,), means (C, D), covariances (C, D, D)."""

from __future__ import annotations

import functools
import math

import torch
from torch.distributions import MultivariateNormal

from lvmteach.classroom.checks.engine import Choice, Exercise, drawing

INF = math.inf


def _eye(D):
    return torch.eye(D, dtype=torch.float64)


# The joint -----------------------------------------------------------------------------------------------------------


def _log_joint(x, weights, means, covariances):
    gap = x[:, None] - means
    scaled = torch.linalg.solve(covariances, gap[..., None])[..., 0]
    squared = (gap * scaled).sum(-1)
    constant = x.shape[1] * math.log(2 * math.pi)
    return weights.log() - (constant + torch.logdet(covariances) + squared) / 2


@drawing
def _mixtures(draw):
    cases = []
    for N, C, D, scale in ((4, 3, 2, 1), (5, 1, 3, 2), (2, 4, 1, 1), (7, 2, 4, 90)):
        root = draw(C, D, D)
        covariances = root @ root.mT + 0.3 * _eye(D)
        cases.append((scale * draw(N, D) + 0.5, torch.softmax(draw(C), 0), 2 * draw(C, D), covariances))
    return cases


def _log_joint_with(weight=torch.log, half_det=0.5, half_squared=0.5, constant=None, matrix=torch.linalg.inv):
    """A misconception: the right formula with one part changed."""

    def wrong(x, weights, means, covariances):
        gap, D = x[:, None] - means, x.shape[1]
        squared = torch.einsum("ncd,cde,nce->nc", gap, matrix(covariances), gap)
        log_2_pi = (D if constant is None else constant) * math.log(2 * math.pi) / 2
        return weight(weights) - log_2_pi - half_det * torch.logdet(covariances) - half_squared * squared

    return wrong


def _log_joint_by_loop(x, weights, means, covariances):
    columns = [
        math.log(w) + MultivariateNormal(m, S).log_prob(x) for w, m, S in zip(weights, means, covariances, strict=True)
    ]
    return torch.stack(columns, 1)


def _log_joint_by_cholesky(x, weights, means, covariances):
    root = torch.linalg.cholesky(covariances)
    white = torch.linalg.solve_triangular(root, (x - means[:, None]).mT, upper=False)  # (C, D, N)
    log_det = root.diagonal(dim1=1, dim2=2).log().sum(1)
    log_p = -white.square().sum(1) / 2 - log_det[:, None] - x.shape[1] / 2 * math.log(2 * math.pi)
    return (log_p + weights.log()[:, None]).T


def _log_joint_with_diagonals(x, weights, means, covariances):
    return _log_joint(x, weights, means, torch.diag_embed(covariances.diagonal(dim1=1, dim2=2)))


log_joint = Exercise(
    ask="Return log p(x_n, z_n = c) of a Gaussian mixture, for each datum and each component.",
    reference=_log_joint,
    cases=_mixtures,
    misconceptions={
        "The weight enters as it is. A product becomes a sum only when both factors are logged.": (
            _log_joint_with(weight=lambda weights: weights)
        ),
        "This is log p(x | z = c). The joint has the weight of the component as well.": (
            _log_joint_with(weight=lambda weights: 0 * weights)
        ),
        "The squared distance stands in the exponent with a half.": _log_joint_with(half_squared=1.0),
        "The determinant stands under a root, so its logarithm is halved.": _log_joint_with(half_det=1.0),
        "The log determinant is missing: without it a wide component costs nothing.": _log_joint_with(half_det=0.0),
        "The determinant divides. Its logarithm is subtracted.": _log_joint_with(half_det=-0.5),
        "The constant has one log 2 pi for each dimension.": _log_joint_with(constant=1),
        "The constant with 2 pi is missing: this is no normalised density.": _log_joint_with(constant=0),
        "The distance is measured with the inverse of the covariance, not with the covariance.": (
            _log_joint_with(matrix=lambda covariances: covariances)
        ),
        "You used the diagonal of the covariance alone. These coordinates go together: use the whole matrix.": (
            _log_joint_with_diagonals
        ),
        "You computed the density first and its logarithm afterwards. Far from a mean the density is zero in floating "
        "point: stay with logarithms throughout.": lambda *given: _log_joint(*given).exp().log(),
        "This is the joint itself; return its logarithm.": lambda *given: _log_joint(*given).exp(),
        "Rows are data and columns components: yours are the other way round.": lambda *given: _log_joint(*given).T,
        "You summed over components already. Here each has its own column.": lambda *given: _log_joint(*given).sum(1),
    },
    also_right=[_log_joint_by_loop, _log_joint_by_cholesky, _log_joint_with()],
)


# Responsibilities ----------------------------------------------------------------------------------------------------


def _responsibilities(log_p_xz):
    largest = log_p_xz.max(1, keepdim=True).values
    p = (log_p_xz - largest).exp()
    return p / p.sum(1, keepdim=True)


@drawing
def _log_joints(draw):
    far = draw(6, 3) + torch.linspace(-2000, 900, 6, dtype=torch.float64)[:, None]
    impossible = draw(5, 4) - 3
    impossible[1, 2] = impossible[3, 0] = -INF  # a component of weight zero
    return [(draw(4, 3) - 2,), (2 * draw(7, 2) - 5,), (draw(5, 1) - 1,), (impossible,), (far,)]


responsibilities = Exercise(
    ask="Return the posterior p(z_n = c | x_n) from the log joint.",
    reference=_responsibilities,
    cases=_log_joints,
    misconceptions={
        "Your columns sum to one. The posterior is over components: each row sums to one.": (
            lambda log_p_xz: torch.softmax(log_p_xz, 0)
        ),
        "You divided logarithms by their sum. Take exp before you normalise.": (
            lambda log_p_xz: log_p_xz / log_p_xz.sum(1, keepdim=True)
        ),
        "exp leaves the range of floating point. A common factor in a row cancels: take the largest log out first.": (
            lambda log_p_xz: log_p_xz.exp() / log_p_xz.exp().sum(1, keepdim=True)
        ),
        "The sum over components lost its axis, so the division does not line up with rows: keepdim=True keeps it.": (
            lambda log_p_xz: log_p_xz.exp() / log_p_xz.exp().sum(1)
        ),
        "You took one maximum for the whole table. Rows far below it still vanish: each row needs its own.": (
            lambda log_p_xz: (log_p_xz - log_p_xz.max()).exp() / (log_p_xz - log_p_xz.max()).exp().sum(1, keepdim=True)
        ),
        "A small number in the denominator hides the zero over zero and makes far rows sum to less than one. Take the "
        "row's largest log out instead.": (
            lambda log_p_xz: log_p_xz.exp() / (log_p_xz.exp().sum(1, keepdim=True) + 1e-10)
        ),
        "This is the logarithm of the posterior; return the posterior.": lambda log_p_xz: torch.log_softmax(
            log_p_xz, 1
        ),
        "You give each point to one component for certain, as K-means does. Keep the doubt.": (
            lambda log_p_xz: torch.nn.functional.one_hot(log_p_xz.argmax(1), log_p_xz.shape[1]).to(log_p_xz.dtype)
        ),
        "The largest is one in each row: you did not divide by the row's sum.": (
            lambda log_p_xz: (log_p_xz - log_p_xz.max(1, keepdim=True).values).exp()
        ),
        "The whole table sums to one. Each datum has a posterior of its own.": (
            lambda log_p_xz: torch.softmax(log_p_xz.flatten(), 0).reshape(log_p_xz.shape)
        ),
        "This is the joint. Divide by p(x_n), the row's sum.": lambda log_p_xz: log_p_xz.exp(),
    },
    also_right=[
        lambda log_p_xz: torch.softmax(log_p_xz, 1),
        lambda log_p_xz: (log_p_xz - torch.logsumexp(log_p_xz, 1, keepdim=True)).exp(),
        lambda log_p_xz: torch.stack([(row - row.max()).exp() / (row - row.max()).exp().sum() for row in log_p_xz]),
    ],
)


# The log-likelihood --------------------------------------------------------------------------------------------------


def _log_likelihood(log_p_xz):
    largest = log_p_xz.max(1).values
    p = (log_p_xz - largest[:, None]).exp().sum(1)
    return (largest + p.log()).sum()


log_likelihood = Exercise(
    ask="Return log p(x_1, ..., x_N) in nats from the log joint.",
    reference=_log_likelihood,
    cases=_log_joints,
    misconceptions={
        "This is the mean over the data. Independent data multiply, so their logarithms add.": (
            lambda log_p_xz: torch.logsumexp(log_p_xz, 1).mean()
        ),
        "You have one value for each datum. Independent data multiply: add their logarithms.": (
            lambda log_p_xz: torch.logsumexp(log_p_xz, 1)
        ),
        "You summed the logs over components. Components are alternatives: add probabilities, then take the log.": (
            lambda log_p_xz: log_p_xz.sum()
        ),
        "exp leaves the range of floating point. Take the largest log of each row out first.": (
            lambda log_p_xz: log_p_xz.exp().sum(1).log().sum()
        ),
        "You summed over the data inside the logarithm. Components go inside it, data outside.": (
            lambda log_p_xz: torch.logsumexp(log_p_xz, 0).sum()
        ),
        "You counted only the best component of each datum. All of them could have made it.": (
            lambda log_p_xz: log_p_xz.max(1).values.sum()
        ),
        "You took the logarithm of one sum over everything. Data multiply; only components add.": (
            lambda log_p_xz: torch.logsumexp(log_p_xz.flatten(), 0)
        ),
        "You averaged over components. The weights are in the joint already: sum.": (
            lambda log_p_xz: (torch.logsumexp(log_p_xz, 1) - math.log(log_p_xz.shape[1])).sum()
        ),
        "This is the expected log joint under the posterior. It lacks the entropy of the label.": (
            lambda log_p_xz: (torch.softmax(log_p_xz, 1) * log_p_xz.clamp(min=-1e9)).sum()
        ),
        "You took the largest log out and did not put it back.": (
            lambda log_p_xz: (log_p_xz - log_p_xz.max(1, keepdim=True).values).exp().sum(1).log().sum()
        ),
        "These are bits. Use the natural logarithm.": (
            lambda log_p_xz: torch.logsumexp(log_p_xz, 1).sum() / math.log(2)
        ),
    },
    also_right=[
        lambda log_p_xz: torch.logsumexp(log_p_xz, 1).sum(),
        lambda log_p_xz: sum(torch.logsumexp(row, 0) for row in log_p_xz),
        lambda log_p_xz: functools.reduce(torch.logaddexp, log_p_xz.unbind(1)).sum(),
    ],
)


# The M step ----------------------------------------------------------------------------------------------------------


def _m_step(x, r):
    n = r.sum(0)
    means = r.T @ x / n[:, None]
    gap = x[:, None] - means
    covariances = torch.einsum("nc,ncd,nce->cde", r, gap, gap) / n[:, None, None]
    return n / len(x), means, covariances


@drawing
def _soft_labels(draw):
    shapes = ((6, 3, 2), (9, 1, 4), (11, 4, 3), (8, 2, 1))
    return [(3 + 2 * draw(N, D), torch.softmax(2 * draw(N, C), 1)) for N, C, D in shapes]


def _m_step_by_loop(x, r):
    parts = []
    for c in range(r.shape[1]):
        n = sum(r[:, c])
        mean = sum(r[i, c] * x[i] for i in range(len(x))) / n
        parts.append(
            (n / len(x), mean, sum(r[i, c] * torch.outer(x[i] - mean, x[i] - mean) for i in range(len(x))) / n)
        )
    return tuple(torch.stack(part) for part in zip(*parts, strict=True))


def _m_step_by_moments(x, r):
    share = r / r.sum(0)
    means = share.T @ x
    second = (share.T[:, None] * x.T) @ x
    return r.mean(0), means, second - means[:, :, None] * means[:, None]


def _scatter(x, r, centre):
    gap = x[:, None] - centre
    return torch.einsum("nc,ncd,nce->cde", r, gap, gap)


def _m_step_with(weights=None, means=None, covariances=None):
    """A misconception: one of the three results changed; each change takes x, r and the right three."""

    def wrong(x, r):
        right = _m_step(x, r)
        changed = zip((weights, means, covariances), right, strict=True)
        return tuple(value if change is None else change(x, r, *right) for change, value in changed)

    return wrong


m_step = Exercise(
    ask="Return weights, means and covariances that maximise the expected log joint for given responsibilities.",
    reference=_m_step,
    cases=_soft_labels,
    misconceptions={
        "Your weights are counts. A probability is a share of all N points.": (
            _m_step_with(weights=lambda x, r, w, m, S: r.sum(0))
        ),
        "Your weights are all equal. A component that answers for more points gets more weight.": (
            _m_step_with(weights=lambda x, r, w, m, S: torch.ones_like(w) / len(w))
        ),
        "Your means are divided by N. Divide by the points that the component answers for.": (
            _m_step_with(means=lambda x, r, w, m, S: r.T @ x / len(x))
        ),
        "Your covariances are divided by N. Divide by the points that the component answers for.": (
            _m_step_with(covariances=lambda x, r, w, m, S: S * w[:, None, None])
        ),
        "You divided by N_c - 1. That removes a bias, but the maximum is at N_c.": (
            _m_step_with(
                covariances=lambda x, r, w, m, S: S * (r.sum(0) / (r.sum(0) - 1))[:, None, None],
            )
        ),
        "Your deviations are from the mean of all data. Each component has its own, the one just computed.": (
            _m_step_with(covariances=lambda x, r, w, m, S: _scatter(x, r, x.mean(0)) / r.sum(0)[:, None, None])
        ),
        "Every component has the covariance of all data. The responsibilities must weight it.": (
            _m_step_with(covariances=lambda x, r, w, m, S: torch.cov(x.T, correction=0).expand_as(S).clone())
        ),
        "torch.cov with aweights removes a bias by default. The maximum has no such correction: correction=0.": (
            _m_step_with(
                covariances=lambda x, r, w, m, S: torch.stack(
                    [torch.cov(x.T, aweights=one).reshape(x.shape[1], -1) for one in r.T]
                )
            )
        ),
        "You did not subtract the mean: these are second moments.": (
            _m_step_with(covariances=lambda x, r, w, m, S: _scatter(x, r, 0 * m) / r.sum(0)[:, None, None])
        ),
        "Only the diagonal is left. Coordinates may go together: sum outer products, not squares.": (
            _m_step_with(covariances=lambda x, r, w, m, S: torch.diag_embed(S.diagonal(dim1=1, dim2=2)))
        ),
        "All your components have the same covariance. Each has its own here.": (
            _m_step_with(covariances=lambda x, r, w, m, S: (w[:, None, None] * S).sum(0).expand_as(S).clone())
        ),
        "The responsibilities do not weight your outer products: a point counts as much as the component owns it.": (
            _m_step_with(covariances=lambda x, r, w, m, S: _scatter(x, torch.ones_like(r), m) / len(x))
        ),
        "The responsibilities enter the covariance squared: they weight the outer product once.": (
            _m_step_with(covariances=lambda x, r, w, m, S: _scatter(x, r**2, m) / r.sum(0)[:, None, None])
        ),
        "You rounded the responsibilities to zero and one, as K-means does. Use them as they are.": (
            lambda x, r: _m_step(x, torch.nn.functional.one_hot(r.argmax(1), r.shape[1]).to(r.dtype))
        ),
    },
    also_right=[_m_step_by_loop, _m_step_by_moments],
)


# Collapse ------------------------------------------------------------------------------------------------------------


def _collapse(x, n, s):
    D = x.shape[1]
    mean = x.mean(0)
    wide = (x - mean).T @ (x - mean) / len(x)
    narrow = s**2 * torch.eye(D, dtype=x.dtype)
    return torch.full((2,), 1 / 2, dtype=x.dtype), torch.stack([mean, x[n]]), torch.stack([wide, narrow])


@drawing
def _lonely(draw):
    return [(3 + 2 * draw(5, 2), 3, 0.4), (1 - draw(8, 3), 2, 0.07), (draw(7, 4) - 2, 6, 1e-3)]


def _collapse_with(change):
    def wrong(x, n, s):
        return change(x, n, s, *_collapse(x, n, s))

    return wrong


def _collapse_by_moments(x, n, s):
    wide = torch.cov(x.T, correction=0)
    narrow = torch.diag(torch.full((x.shape[1],), float(s) * s, dtype=x.dtype))
    half = torch.tensor([0.5, 0.5], dtype=x.dtype)
    return half, torch.cat([x.mean(0, keepdim=True), x[n : n + 1]]), torch.stack((wide, narrow))


def _collapse_by_loop(x, n, s):
    mean = sum(x) / len(x)
    wide = sum(torch.outer(one, one) for one in x) / len(x) - torch.outer(mean, mean)
    return x.new_ones(2) / 2, torch.stack([mean, x[n]]), torch.stack([wide, _eye(x.shape[1]) * s**2])


collapse = Exercise(
    ask="Return a mixture of a fitted Gaussian and a round component of scale s that sits on datum n.",
    reference=_collapse,
    cases=_lonely,
    misconceptions={
        "You put s on the diagonal. It is a scale; covariances hold variances.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m, torch.stack([S[0], s * _eye(len(S[0]))])))
        ),
        "The wide component is divided by N - 1. The best Gaussian, by likelihood, divides by N.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m, torch.stack([torch.cov(x.T), S[1]])))
        ),
        "The wide component comes first, the narrow one second.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m.flip(0), S.flip(0)))
        ),
        "Your narrow component sits in the middle of the data. It collapses only on a datum.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, torch.stack([m[0], m[0]]), S))
        ),
        "Your narrow covariance has s squared in every entry: it has no width in most directions, and no inverse. A "
        "round one has it on the diagonal alone.": _collapse_with(
            lambda x, n, s, w, m, S: (w, m, torch.stack([S[0], torch.full_like(S[1], s**2)]))
        ),
        "Both components are narrow. Then all other data become impossible; one has to stay wide to explain them.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m, torch.stack([S[1], S[1]])))
        ),
        "You left datum n out of the wide component's fit. Fit it to all data.": (
            _collapse_with(lambda x, n, s, w, m, S: (
                w, torch.stack([torch.cat([x[:n], x[n + 1 :]]).mean(0), x[n]]),
                torch.stack([torch.cov(torch.cat([x[:n], x[n + 1 :]]).T, correction=0), S[1]])))
        ),
        "Your weights sum to two. They are the probabilities of a label.": (
            _collapse_with(lambda x, n, s, w, m, S: (2 * w, m, S))
        ),
        "The weights should be a half each. A share of 1 / N would do as well, and the check compares numbers.": (
            _collapse_with(lambda x, n, s, w, m, S: (torch.tensor([len(x) - 1, 1]).to(w) / len(x), m, S))
        ),
        "The wide component's covariance lacks the division by N: this is the scatter, a sum.": (
            _collapse_with(lambda x, n, s, w, m, S: (w, m, torch.stack([S[0] * len(x), S[1]])))
        ),
    },
    also_right=[_collapse_by_moments, _collapse_by_loop],
)  # fmt: skip


# Repair --------------------------------------------------------------------------------------------------------------


def _repair(x, r, points, variance):
    n = r.sum(0)
    gap = x[:, None] - (r.T @ x / n[:, None])
    scatter = torch.einsum("nc,ncd,nce->cde", r, gap, gap)
    believed = points * variance * torch.eye(x.shape[1], dtype=x.dtype)
    return (scatter + believed) / (n + points)[:, None, None]


@drawing
def _prior_cases(draw):
    cases = []
    for N, C, D, points, variance in ((6, 3, 2, 2.5, 0.4), (9, 2, 4, 5.0, 1.7), (7, 4, 3, 0.6, 0.05)):
        r = torch.softmax(2 * draw(N, C), 1)
        if N == 7:
            r[2], r[:, 1] = 0, 0
            r = r / r.sum(1, keepdim=True)
            r[2] = torch.tensor([0, 1, 0, 0])  # component 1 owns datum 2 and nothing else: collapsed
        cases.append((2 + draw(N, D), r, points, variance))
    return cases


def _repair_with(change):
    """A misconception: change(scatter, n, points, variance, identity), with n shaped (C, 1, 1)."""

    def wrong(x, r, points, variance):
        n = r.sum(0)
        scatter = _scatter(x, r, r.T @ x / n[:, None])
        return change(scatter, n[:, None, None], points, variance, _eye(x.shape[1]))

    return wrong


def _repair_by_loop(x, r, points, variance):
    result = []
    for w in r.T:
        n = w.sum()
        mean = (w[:, None] * x).sum(0) / n
        S = sum(one * torch.outer(row - mean, row - mean) for one, row in zip(w, x, strict=True))
        result.append((S + torch.diag(torch.full_like(mean, points * variance))) / (n + points))
    return torch.stack(result)


repair = Exercise(
    ask="Return the covariances of the M step with a prior worth some points of a given variance.",
    reference=_repair,
    cases=_prior_cases,
    misconceptions={
        "The prior is missing: a component with one point still collapses.": _repair_with(lambda S, n, p, v, I: S / n),
        "You added the variance to the finished covariance. That stops the collapse, but it is no average: the prior's "
        "points count in the denominator as well.": _repair_with(lambda S, n, p, v, I: S / n + v * I),
        "The prior's points are missing in the denominator.": _repair_with(lambda S, n, p, v, I: (S + p * v * I) / n),
        "The prior's points enlarge the denominator but bring nothing with them: the widths only shrink.": (
            _repair_with(lambda S, n, p, v, I: S / (n + p))
        ),
        "The prior's variance counts once, as if it were one point. It is worth `points` of them.": (
            _repair_with(lambda S, n, p, v, I: (S + v * I) / (n + p))
        ),
        "`variance` is a variance already: do not square it.": (
            _repair_with(lambda S, n, p, v, I: (S + p * v**2 * I) / (n + p))
        ),
        "You added to every entry. A round prior stands on the diagonal alone.": (
            _repair_with(lambda S, n, p, v, I: (S + p * v) / (n + p))
        ),
        "You averaged a covariance with a sum: the data's part is the scatter, not yet divided by N_c.": (
            _repair_with(lambda S, n, p, v, I: (S / n + p * v * I) / (n + p))
        ),
        "The result lacks its division: it is the numerator alone.": _repair_with(lambda S, n, p, v, I: S + p * v * I),
        "You put a half on both. An average by points weighs them N_c to `points`.": (
            _repair_with(lambda S, n, p, v, I: (S / n + v * I) / 2)
        ),
    },
    also_right=[
        _repair_by_loop,
        _repair_with(lambda S, n, p, v, I: n / (n + p) * (S / n) + p / (n + p) * v * I),
    ],
)


# BIC -----------------------------------------------------------------------------------------------------------------


def _bic(log_lik, N, C, D, covariance):
    widths = {"full": C * D * (D + 1) // 2, "diagonal": C * D, "spherical": C}
    k = C - 1 + C * D + widths[covariance]
    return -2 * log_lik + k * math.log(N)


def _bic_cases(seed):
    rows = [(3, 2), (1, 4), (5, 7)]
    cases = []
    for number, (C, D) in enumerate(rows):
        N = 40 + 31 * number + seed
        for at, covariance in enumerate(("full", "diagonal", "spherical")):
            cases.append((-123.4 * (number + 1) - 7.7 * at - seed, N, C, D, covariance))
    return [*cases, (61.3 + seed, 90, 2, 3, "full")]  # a density may exceed one


def _bic_with(count=None, full=None, weigh=None):
    """A misconception: another count of parameters, or another way to put the two parts together."""

    def wrong(log_lik, N, C, D, covariance):
        size = {"full": D * (D + 1) // 2 if full is None else full(D), "diagonal": D, "spherical": 1}[covariance]
        k = C - 1 + C * D + C * size if count is None else count(C, D, size)
        return -2 * log_lik + k * math.log(N) if weigh is None else weigh(log_lik, N, k)

    return wrong


def _bic_by_counting(log_lik, N, C, D, covariance):
    free = [1] * (C - 1)
    for _ in range(C):
        free += [1] * D
        pairs = [(i, j) for i in range(D) for j in range(i + 1)]
        free += [1] * {"full": len(pairs), "diagonal": sum(i == j for i, j in pairs)}.get(covariance, 1)
    return sum(free) * math.log(N) - 2 * log_lik


bic = Exercise(
    ask="Return the Bayesian information criterion of a Gaussian mixture, in nats.",
    reference=_bic,
    cases=_bic_cases,
    misconceptions={
        "You counted C weights. They sum to one, so the last one is not free.": (
            _bic_with(count=lambda C, D, size: C + C * D + C * size)
        ),
        "You forgot the weights: all but one of them are free.": _bic_with(count=lambda C, D, size: C * D + C * size),
        "You forgot the means.": _bic_with(count=lambda C, D, size: C - 1 + C * size),
        "You forgot the covariances.": _bic_with(count=lambda C, D, size: C - 1 + C * D),
        "You counted one covariance for all components. Each has its own.": (
            _bic_with(count=lambda C, D, size: C - 1 + C * D + size)
        ),
        "You counted all D squared entries of a full covariance. It is symmetric: those below the diagonal are not "
        "free.": _bic_with(full=lambda D: D * D),
        "You counted only the pairs of a full covariance. The diagonal is free too.": (
            _bic_with(full=lambda D: D * (D - 1) // 2)
        ),
        "You counted full covariances whatever `covariance` says.": (
            lambda log_lik, N, C, D, covariance: _bic(log_lik, N, C, D, "full")
        ),
        "This is the Akaike criterion. BIC charges log N for a parameter, not 2.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * log_lik + 2 * k)
        ),
        "The sign of the charge is wrong: more parameters must make it worse.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * log_lik - k * math.log(N))
        ),
        "This is half of it. The convention here is minus twice the log-likelihood, plus log N for each parameter.": (
            _bic_with(weigh=lambda log_lik, N, k: -log_lik + k * math.log(N) / 2)
        ),
        "The two parts do not match: with twice the log-likelihood goes a whole log N for each parameter.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * log_lik + k * math.log(N) / 2)
        ),
        "Here lower is better: yours has the other sign.": (
            _bic_with(weigh=lambda log_lik, N, k: 2 * log_lik - k * math.log(N))
        ),
        "`log_lik` is the sum over the data already: do not multiply by N again.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * N * log_lik + k * math.log(N))
        ),
        "You took a logarithm to base 2. Everything here is in nats.": (
            _bic_with(weigh=lambda log_lik, N, k: -2 * log_lik + k * math.log2(N))
        ),
    },
    also_right=[_bic_by_counting, _bic_with()],
)


# Predict, then run ---------------------------------------------------------------------------------------------------

a_tenth = Choice(
    ask="A round component sits on one datum in D dimensions; its scale s is tiny already. Now s becomes s / 10. By "
    "how many nats does the log-likelihood of all data grow?",
    options={"a": "by nothing: it has converged", "b": "by log 10", "c": "by D log 10", "d": "by N D log 10"},
    feedback={
        "a": "The density at the component's own mean still grows: nothing stops it.",
        "b": "That is one dimension. The density of a round component has one factor 1 / s for each.",
        "c": "One datum, D factors of 1 / s; all other data have left that component already and live by the wide one.",
        "d": "Only the datum under the component gains. The others are many scales away: for them its density is zero.",
    },
    right="c",
)

e_twice = Choice(
    ask="You run the E step, and then the E step once more, with no M step between them. What does the second one do?",
    options={
        "a": "It raises the bound a little more.",
        "b": "It raises log p(x).",
        "c": "It changes nothing.",
        "d": "It makes the responsibilities harder, nearer to zero and one.",
    },
    feedback={
        "a": "The first one closed the gap to log p(x) entirely. A bound cannot rise above what it bounds.",
        "b": "log p(x) depends on the parameters alone, and the E step leaves them as they are.",
        "c": "The responsibilities are a function of the parameters, and those have not changed: the gap is zero "
        "already.",
        "d": "They are Bayes' rule at the present parameters. Ask what has changed between the two.",
    },
    right="c",
)
