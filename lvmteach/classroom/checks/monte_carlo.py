"""Stage 01: Monte Carlo and importance sampling. Draws come in as numbers, so nothing here is left to chance."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.checks.engine import Choice, Exercise, drawing

INF = math.inf


# An estimate and its standard error ----------------------------------------------------------------------------------


def _estimate(f_z):
    K = len(f_z)
    value = f_z.mean(0)
    variance = (f_z - value).square().sum(0) / (K - 1)
    return value, (variance / K).sqrt()


@drawing
def _values(draw):
    return [(3 + 2 * draw(4),), (5 - draw(7, 3),), (0.7 + 0.1 * draw(30, 2, 5),)]


def _estimate_by_loop(f_z):
    K, value = len(f_z), sum(f_z) / len(f_z)
    return value, torch.sqrt(sum((one - value) ** 2 for one in f_z)) / math.sqrt(K * (K - 1))


def _estimate_by_moments(f_z):
    K, value = len(f_z), torch.einsum("k...->...", f_z) / len(f_z)
    return value, (((f_z**2).mean(0) - value**2) / (K - 1)) ** 0.5


estimate = Exercise(
    ask="Return the Monte Carlo estimate and its standard error.",
    reference=_estimate,
    cases=_values,
    misconceptions={
        "This is the spread of a single draw. The mean of K draws varies less: its variance is the K-th part.": (
            lambda f_z: (f_z.mean(0), f_z.std(0))
        ),
        "Your error bar is a little too short. The mean was fitted to the same draws, so the sum of squared "
        "deviations is divided by K - 1.": lambda f_z: (f_z.mean(0), f_z.std(0, correction=0) / math.sqrt(len(f_z))),
        "This is the variance of the estimate, in squared units. An error bar has the units of the value.": (
            lambda f_z: (f_z.mean(0), f_z.var(0) / len(f_z))
        ),
        "You divided the spread by K. It is the variance that falls as 1/K; the spread falls as its root.": (
            lambda f_z: (f_z.mean(0), f_z.std(0) / len(f_z))
        ),
        "You averaged over the last axis. Draws are the first one.": (
            lambda f_z: (f_z.mean(-1), f_z.std(-1) / math.sqrt(f_z.shape[-1]))
        ),
        "You averaged over everything. Only the first axis holds draws; the others are separate estimates.": (
            lambda f_z: (f_z.mean(), f_z.std() / math.sqrt(f_z.numel()))
        ),
        "Your error bar is one number for all the estimates. Give std the axis of the draws, as you gave it to mean.": (
            lambda f_z: (f_z.mean(0), f_z.std() / math.sqrt(len(f_z)))
        ),
        "You counted all elements as draws. K is the length of the first axis alone.": (
            lambda f_z: (f_z.mean(0), f_z.std(0) / math.sqrt(f_z.numel()))
        ),
        "Your value is a sum. An expectation is estimated by a mean.": (
            lambda f_z: (f_z.sum(0), f_z.std(0) / math.sqrt(len(f_z)))
        ),
        "Your error bar uses the mean of f squared. Take the mean off first: only the scatter around it counts.": (
            lambda f_z: (f_z.mean(0), f_z.square().mean(0).sqrt() / math.sqrt(len(f_z)))
        ),
    },
    also_right=[
        _estimate_by_loop,
        _estimate_by_moments,
        lambda f_z: (torch.mean(f_z, dim=0), torch.std(f_z, dim=0) / len(f_z) ** 0.5),
    ],
)

one_more_digit = Choice(
    ask="1000 draws gave you a standard error of 0.01. How many draws make it 0.001?",
    options={"a": "about 3 200", "b": "2 000", "c": "10 000", "d": "100 000"},
    feedback={
        "a": "That is root ten times more. The root is on the other side: the error falls as the root of the draws.",
        "b": "Twice the draws divide the error by 1.41. A digit needs a factor of ten in the error.",
        "c": "Ten times the draws make the error 0.0032. The variance is the tenth part, the error its root.",
        "d": "The error falls as the root of K: ten times better costs a hundred times the draws. In any dimension.",
    },
    right="d",
)


# Weights as logarithms -----------------------------------------------------------------------------------------------


def _log_mean_exp(log_w):
    m = log_w.max(0).values
    return m + (log_w - m).exp().mean(0).log()


@drawing
def _log_weights(draw):
    zero = draw(3, 4)
    zero[1] = -INF  # draws outside the support of p
    one_rules = draw(6, 2)
    one_rules[2] += 40
    cases = [draw(3), draw(5, 2), draw(4, 2, 3), draw(1, 3), zero, one_rules]
    apart = draw(4, 2) + torch.tensor([0.0, -900.0])  # no common maximum serves both columns
    return [(log_w,) for log_w in [*cases, 800 + 20 * draw(50, 2), -2000 + 20 * draw(7, 3), apart]]


def _log_mean_exp_by_loop(log_w):
    total = log_w[0]
    for one in log_w[1:]:
        total = torch.logaddexp(total, one)
    return total - math.log(len(log_w))


log_mean_exp = Exercise(
    ask="Average K weights that are given as logarithms, without overflow.",
    reference=_log_mean_exp,
    cases=_log_weights,
    misconceptions={
        "You return log K too much: this is the logarithm of the sum. Divide by K inside the logarithm.": (
            lambda log_w: torch.logsumexp(log_w, 0)
        ),
        "This is the mean of the logarithms. By Jensen it is never larger than the logarithm of the mean.": (
            lambda log_w: log_w.mean(0)
        ),
        "exp leaves the range of floating point: right for small weights only. Take the largest log weight out first, "
        "and add it back at the end.": lambda log_w: log_w.exp().mean(0).log(),
        "You averaged over the last axis. Samples are the first one.": (
            lambda log_w: torch.logsumexp(log_w, -1) - math.log(log_w.shape[-1])
        ),
        "You took the largest log weight out and forgot to add it back.": (
            lambda log_w: (log_w - log_w.max(0).values).exp().mean(0).log()
        ),
        "You took out one maximum for all columns, and some columns underflow. Each has a maximum of its own.": (
            lambda log_w: (log_w - log_w.max()).exp().mean(0).log() + log_w.max()
        ),
        "You divided the logarithm by K. The mean is taken of the weights, before the logarithm.": (
            lambda log_w: torch.logsumexp(log_w, 0) / len(log_w)
        ),
        "You added log K. Dividing by K inside the logarithm takes log K off.": (
            lambda log_w: torch.logsumexp(log_w, 0) + math.log(len(log_w))
        ),
        "This is the mean weight itself. Return its logarithm.": (
            lambda log_w: (torch.logsumexp(log_w, 0) - math.log(len(log_w))).exp()
        ),
        "This is the largest log weight alone. It dominates the mean, but it is not the mean.": (
            lambda log_w: log_w.max(0).values
        ),
    },
    also_right=[
        lambda log_w: torch.logsumexp(log_w, dim=0) - math.log(log_w.shape[0]),
        lambda log_w: torch.logsumexp(log_w - math.log(len(log_w)), 0),
        _log_mean_exp_by_loop,
    ],
)


def _ess(log_w):
    w = (log_w - log_w.max(0).values).exp()
    return w.sum(0).square() / w.square().sum(0)


ess = Exercise(
    ask="Return the effective sample size of weights that are given as logarithms.",
    reference=_ess,
    cases=lambda seed: [(torch.full((5,), 1.3, dtype=torch.float64),), *_log_weights(seed)],
    misconceptions={
        "exp leaves the range of floating point. The effective size does not change when all weights are divided by "
        "the same number: divide by the largest, in logarithms.": (
            lambda log_w: log_w.exp().sum(0) ** 2 / (log_w.exp() ** 2).sum(0)
        ),
        "Upside down: the square of the sum stands above, the sum of the squares below.": (
            lambda log_w: torch.softmax(log_w, 0).square().sum(0)
        ),
        "This is the logarithm of the effective size.": (
            lambda log_w: 2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0)
        ),
        "This is the effective share, between 0 and 1. Return the number of draws: do not divide by K.": (
            lambda log_w: 1 / torch.softmax(log_w, 0).square().sum(0) / len(log_w)
        ),
        "You summed over the last axis. Samples are the first one.": (
            lambda log_w: 1 / torch.softmax(log_w, -1).square().sum(-1)
        ),
        "You normalised over all columns together. Each column is a set of weights of its own.": (
            lambda log_w: 1 / torch.softmax(log_w.flatten(), 0).reshape(log_w.shape).square().sum(0)
        ),
        "You took out one maximum for all columns, and some columns underflow. Each has a maximum of its own.": (
            lambda log_w: (log_w - log_w.max()).exp().sum(0) ** 2 / (log_w - log_w.max()).exp().square().sum(0)
        ),
        "The numerator is not squared: multiply all weights by two, and your result changes.": (
            lambda log_w: (torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0)).exp()
        ),
        "You used the log weights as if they were weights. They are logarithms.": (
            lambda log_w: log_w.sum(0) ** 2 / (log_w**2).sum(0)
        ),
        "This is the exponential of the entropy of the weights: also an effective number, but another one.": (
            lambda log_w: torch.special.entr(torch.softmax(log_w, 0)).sum(0).exp()
        ),
        "This is one over the largest normalised weight: also an effective number, but another one. Here all weights "
        "count, by their squares.": lambda log_w: 1 / torch.softmax(log_w, 0).max(0).values,
    },
    also_right=[
        lambda log_w: 1 / torch.softmax(log_w, 0).square().sum(0),
        lambda log_w: torch.exp(2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0)),
        lambda log_w: 1 / sum(one * one for one in (log_w - torch.logsumexp(log_w, 0)).exp()),
    ],
)


# Self-normalised -----------------------------------------------------------------------------------------------------


def _self_normalised(f_z, log_w):
    w = (log_w - log_w.max()).exp()
    w = w / w.sum()
    return torch.tensordot(w, f_z, 1)


@drawing
def _weighted_values(draw):
    shapes = [((4,), 1), ((6, 3), 1), ((5, 2, 3), 2), ((40, 2), 30)]
    cases = [(2 + draw(*shape), 0.5 + scale * draw(shape[0])) for shape, scale in shapes]
    return [*cases, (1 - draw(7, 2), 900 + draw(7)), (draw(8, 3), -1500 + draw(8))]


def _by_einsum(f_z, log_w):
    return torch.einsum("k...,k->...", f_z, torch.softmax(log_w, 0))


def _by_ratio_of_loops(f_z, log_w):
    w = [math.exp(one - max(log_w)) for one in log_w]
    return sum(a * b for a, b in zip(w, f_z, strict=True)) / sum(w)


self_normalised = Exercise(
    ask="Return the self-normalised importance sampling estimate of E_p[f(z)].",
    reference=_self_normalised,
    cases=_weighted_values,
    misconceptions={
        "You divided by K: that is the plain estimate, which needs p with its constant. Divide by the sum of the "
        "weights.": lambda f_z, log_w: torch.tensordot(log_w.exp(), f_z, 1) / len(log_w),
        "The weights do not enter: this is the mean under the proposal.": lambda f_z, log_w: f_z.mean(0),
        "The weights come as logarithms. Take exp before you divide by their sum.": (
            lambda f_z, log_w: torch.tensordot(log_w, f_z, 1) / log_w.sum()
        ),
        "The weights already sum to one, and you divided by K once more.": (
            lambda f_z, log_w: torch.tensordot(torch.softmax(log_w, 0), f_z, 1) / len(log_w)
        ),
        "exp leaves the range of floating point. Only ratios of weights matter here: take the largest log weight out "
        "first.": lambda f_z, log_w: torch.tensordot(log_w.exp(), f_z, 1) / log_w.exp().sum(),
        "w has shape (K,), f has (K, ...): multiplied as they are, the weights meet the last axis of f. Line them up "
        "with the first.": lambda f_z, log_w: (torch.softmax(log_w, 0) * f_z).sum(0),
        "w[:, None] has two axes even where f has one, and the product becomes a table (K, K). Give w as many axes "
        "as f has.": lambda f_z, log_w: (torch.softmax(log_w, 0)[:, None] * f_z).sum(0),
        "You summed over all axes. Only the first one holds draws.": (
            lambda f_z, log_w: torch.tensordot(torch.softmax(log_w, 0), f_z, 1).sum()
        ),
        "The sum stands for w alone, without f: that is one whatever the draws say.": (
            lambda f_z, log_w: torch.softmax(log_w, 0).sum() + 0 * f_z.sum(0)
        ),
        "Your weights are p/q upside down. A draw that q makes too often counts less.": (
            lambda f_z, log_w: torch.tensordot(torch.softmax(-log_w, 0), f_z, 1)
        ),
    },
    also_right=[_by_einsum, _by_ratio_of_loops, lambda f_z, log_w: (f_z.mT @ torch.softmax(log_w, 0)) if f_z.ndim == 2
                else torch.tensordot(torch.softmax(log_w, 0), f_z, ([0], [0]))],
)  # fmt: skip


# The best proposal ---------------------------------------------------------------------------------------------------


def _best_proposal(x, a, b, s):
    precision = 1 + a**2 / s**2
    return a * (x - b) / s**2 / precision, math.sqrt(1 / precision)


@drawing
def _observations(draw):
    return [(draw(3), 2.0, 0.7, 0.6), (4 + draw(5), -1.5, 2.5, 0.4), (draw(2), 0.3, -1.2, 3.0)]


def _as_regression(x, a, b, s):
    gain = a / (a * a + s * s)  # Cov(z, x) / V(x)
    return gain * (x - b), math.sqrt(1 - gain * a)


def _by_autograd(x, a, b, s):
    z = torch.zeros_like(x, requires_grad=True)
    log_joint = torch.distributions.Normal(a * z + b, s).log_prob(x) + torch.distributions.Normal(0.0, 1.0).log_prob(z)
    (slope,) = torch.autograd.grad(log_joint.sum(), z, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), z)
    return (slope / -curvature).detach(), (-1 / curvature[0]).sqrt()


best_proposal = Exercise(
    ask="Return mean and scale of the zero-variance proposal for p(x), for each x.",
    reference=_best_proposal,
    cases=_observations,
    misconceptions={
        "You return the variance. A scale is its root.": (
            lambda x, a, b, s: (a * (x - b) / (s**2 + a**2), s**2 / (s**2 + a**2))
        ),
        "This is p(x|z) alone, read as a density of z. The prior stands in the integral too: add the two exponents.": (
            lambda x, a, b, s: ((x - b) / a, s / abs(a))
        ),
        "This is the prior. It covers everything and fits nothing: x must enter.": (lambda x, a, b, s: (0 * x, 1.0)),
        "You forgot b: what speaks about z is x - b.": (
            lambda x, a, b, s: (a * x / (s**2 + a**2), s / math.sqrt(s**2 + a**2))
        ),
        "The coefficient of z squared has a squared in it: the mean of x is a z + b.": (
            lambda x, a, b, s: (a * (x - b) / (s**2 + abs(a)), s / math.sqrt(s**2 + abs(a)))
        ),
        "You used s as a variance. It is a scale: divide by its square.": (
            lambda x, a, b, s: (a * (x - b) / (s + a**2), math.sqrt(s / (s + a**2)))
        ),
        "Your scale is the root of the precision. The variance is one over the precision.": (
            lambda x, a, b, s: (a * (x - b) / (s**2 + a**2), math.sqrt(1 + a**2 / s**2))
        ),
        "The mean lacks its factor a: match the terms that are linear in z.": (
            lambda x, a, b, s: ((x - b) / (s**2 + a**2), s / math.sqrt(s**2 + a**2))
        ),
        "This is a distribution of x, its marginal. The proposal is a distribution of z.": (
            lambda x, a, b, s: (b + 0 * x, math.sqrt(a**2 + s**2))
        ),
    },
    also_right=[_as_regression, _by_autograd],
)


# Proposals that break ------------------------------------------------------------------------------------------------


def _breaks(var_p, var_q):
    return (2 * var_q <= var_p).any(-1)


@drawing
def _variances(draw):
    """Ratios var_q / var_p: hopeless, between 1/4 and 1/2, exactly 1/2, between 1/2 and 1, and wide."""
    ratios, cases = torch.tensor([0.1, 0.35, 0.5, 0.7, 1.6, 2.5], dtype=torch.float64), []
    for C, D in ((3, 2), (9, 4), (24, 3)):
        var_p = draw(D).exp()
        which = 3 + (draw(C, D) > 0.2).long() + (draw(C, D) > 0.8).long()  # mostly sound
        one = (draw(C) > 0).nonzero().flatten()
        which[one, one % D] = one % 3  # every second row has one bad coordinate
        which[0], which[1] = 3, 4  # sound throughout, though narrower than p
        which[1, 0] = 2  # only just
        which[-1] = 0
        cases.append((var_p, ratios[which] * var_p))
    return cases


def _breaks_by_loop(var_p, var_q):
    rows = [[2 / p - 1 / q <= 1e-12 for p, q in zip(var_p, row, strict=True)] for row in var_q]
    return torch.tensor([any(row) for row in rows])


breaks = Exercise(
    ask="Say of each proposal whether its weights have infinite variance.",
    reference=_breaks,
    cases=_variances,
    misconceptions={
        "At 2 var_q = var_p exactly the exponent vanishes. Look at what is left: does its integral exist?": (
            lambda var_p, var_q: (2 * var_q < var_p).any(-1)
        ),
        "You ask for tails at least as heavy as the target's. That is safe, but stricter than needed: write down the "
        "exponent of p squared over q.": lambda var_p, var_q: (var_q < var_p).any(-1),
        "One bad coordinate is enough: second moments of independent coordinates multiply.": (
            lambda var_p, var_q: (2 * var_q <= var_p).all(-1)
        ),
        "One verdict for each proposal, not for each coordinate: are all bad ones needed, or is any enough?": (
            lambda var_p, var_q: 2 * var_q <= var_p
        ),
        "You have p and q the other way round: a proposal breaks by being too narrow.": (
            lambda var_p, var_q: (var_q >= 2 * var_p).any(-1)
        ),
        "You compare scales, or squared twice: the arguments are variances already.": (
            lambda var_p, var_q: (2 * var_q**0.5 <= var_p**0.5).any(-1)
        ),
        "Wide coordinates do not make up for a narrow one: compare coordinate by coordinate, not their product.": (
            lambda var_p, var_q: (2 * var_q / var_p).prod(-1) <= 1
        ),
        "That is the mean of the weights, which exists for every proposal here. Square them: p squared over q.": (
            lambda var_p, var_q: torch.zeros(len(var_q), dtype=torch.bool)
        ),
        "True means that it breaks; you say which ones are sound.": (lambda var_p, var_q: (2 * var_q > var_p).all(-1)),
        "You took var_p = 1. Compare with the target's own variance.": (lambda var_p, var_q: (2 * var_q <= 1).any(-1)),
    },
    also_right=[
        _breaks_by_loop,
        lambda var_p, var_q: (var_q / var_p).amin(-1) <= 0.5,
        lambda var_p, var_q: ~torch.stack([2 * q > var_p for q in var_q]).all(1),
    ],
)


def _log_second_moment(delta, s_p, s_q):
    room = 2 * s_q**2 - s_p**2
    safe = torch.where(room > 0, room, 1.0)
    log_moment = 2 * s_q.log() - s_p.log() - safe.log() / 2 + delta**2 / safe
    return torch.where(room > 0, log_moment, INF).sum(-1)


@drawing
def _gaussians(draw):
    cases = []
    for C, D in ((3, 1), (5, 2), (7, 4)):
        s_p = (draw(C, D) / 2).exp()
        s_q = s_p * (0.8 + draw(C, D).abs())  # 0.8 > sqrt(1/2): finite
        if D > 1:
            s_q[-1, 0] = s_p[-1, 0] / 2  # this one breaks
        cases.append((draw(C, D) * s_p, s_p, s_q))
    return cases


def _by_completing_the_square(delta, s_p, s_q):
    """log of the integral of exp(-A z^2 + B z - C), coordinate by coordinate."""
    total = []
    for row in zip(delta.tolist(), s_p.tolist(), s_q.tolist(), strict=True):
        total.append(0.0)
        for d, p, q in zip(*row, strict=True):
            A, B, C = 1 / p**2 - 1 / (2 * q**2), -d / q**2, -(d**2) / (2 * q**2)
            constant = q / (p**2 * math.sqrt(2 * math.pi))
            total[-1] += math.log(constant * math.sqrt(math.pi / A)) + B**2 / (4 * A) - C if A > 0 else INF
    return torch.tensor(total, dtype=torch.float64)


def _as_product(delta, s_p, s_q):
    room = torch.clamp(2 * s_q.square() - s_p.square(), min=0.0)
    factors = s_q.square() / (s_p * room.sqrt()) * (delta.square() / room).exp()
    return factors.prod(-1).log()


def _second_moment_with(change):
    """A misconception: the right formula for each coordinate, changed."""

    def wrong(delta, s_p, s_q):
        room = 2 * s_q**2 - s_p**2
        safe = torch.where(room > 0, room, 1.0)
        return torch.where(room > 0, change(delta, s_p, s_q, safe), INF).sum(-1)

    return wrong


log_second_moment = Exercise(
    ask="Return the logarithm of the weights' second moment, for a Gaussian target and a Gaussian proposal.",
    reference=_log_second_moment,
    cases=_gaussians,
    misconceptions={
        "Your formula takes the root of a negative number. There the integral diverges: return math.inf, by "
        "torch.where.": lambda delta, s_p, s_q: (
            2 * s_q.log() - s_p.log() - (2 * s_q**2 - s_p**2).log() / 2 + delta**2 / (2 * s_q**2 - s_p**2)
        ).sum(-1),
        "The distance between the means does not enter. It does so through the exponent.": _second_moment_with(
            lambda delta, s_p, s_q, room: 2 * s_q.log() - s_p.log() - room.log() / 2
        ),
        "Half the distance term is missing. Completing the square gives a second part, besides the one from 1/q at "
        "z = 0.": _second_moment_with(
            lambda delta, s_p, s_q, room: 2 * s_q.log() - s_p.log() - room.log() / 2 + delta**2 / (2 * room)
        ),
        "Right for s_p = 1. The target has a scale of its own, in the constant too.": _second_moment_with(
            lambda delta, s_p, s_q, room: 2 * s_q.log() - room.log() / 2 + delta**2 / room
        ),
        "The root is missing: a Gaussian integral in one dimension is a root.": _second_moment_with(
            lambda delta, s_p, s_q, room: 2 * s_q.log() - s_p.log() - room.log() + delta**2 / room
        ),
        "This is the second moment itself; it overflows in many dimensions. Return its logarithm.": (
            lambda delta, s_p, s_q: _log_second_moment(delta, s_p, s_q).exp()
        ),
        "You averaged over the coordinates. Moments of independent coordinates multiply, so their logarithms add.": (
            lambda delta, s_p, s_q: _log_second_moment(delta, s_p, s_q) / delta.shape[-1]
        ),
        "One value for each proposal: sum over the coordinates, the last axis.": (
            lambda delta, s_p, s_q: _second_moment_with(lambda *given: _log_moment(*given))(
                delta[..., None], s_p[..., None], s_q[..., None]
            )
        ),
        "You have p and q the other way round: this is the moment of q/p under p.": (
            lambda delta, s_p, s_q: _log_second_moment(delta, s_q, s_p)
        ),
        "This is the variance. The second moment is larger by the square of the mean weight, which is one.": (
            lambda delta, s_p, s_q: _log_second_moment(delta, s_p, s_q).expm1().log()
        ),
    },
    also_right=[_by_completing_the_square, _as_product],
)


def _log_moment(delta, s_p, s_q, room):
    return 2 * s_q.log() - s_p.log() - room.log() / 2 + delta**2 / room


what_ess_knows = Choice(
    ask="1000 draws from q, effective sample size 990. What do you know?",
    options={
        "a": "The estimate is within a few percent of the truth.",
        "b": "q covers p.",
        "c": "The weights of these 1000 draws are nearly equal.",
        "d": "The variance of the weights is finite.",
    },
    feedback={
        "a": "Not if q has missed a part of p: the notebook had an effective size of nearly all draws, and half the "
        "truth.",
        "b": "The effective size is computed from the draws you have. Where q does not go, there are none.",
        "c": "And nothing more. Equal weights are necessary for a good proposal, and no proof of one: look for what q "
        "may miss, and widen it.",
        "d": "Infinite variance comes from weights so rare that a thousand draws need not hold one.",
    },
    right="c",
)
