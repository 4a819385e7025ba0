"""Stage 04: variational inference. Every expectation is a finite sum or a closed form; nothing is left to chance."""

from __future__ import annotations

import math

import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence
from torch.nn.functional import one_hot

from lvmteach.classroom.checks.engine import Choice, Exercise, drawing

INF = math.inf


# KL of two Gaussians -------------------------------------------------------------------------------------------------


def _gaussian_kl(m_q, s_q, m_p, s_p):
    spread = (s_q / s_p) ** 2
    shift = ((m_q - m_p) / s_p) ** 2
    return ((spread + shift - 1) / 2 - (s_q / s_p).log()).sum(-1)


@drawing
def _two_gaussians(draw):
    cases = []
    for B, D in ((3, 2), (4, 1), (2, 5), (3, 3)):
        cases.append((1 + draw(B, D), (draw(B, D) / 2).exp(), 2 * draw(D), (0.4 + draw(D) / 2).exp()))
    m, s = 3 * draw(4), (0.5 + draw(4)).exp()
    equal_in_one_row = torch.stack([m, m + draw(4)]), torch.stack([s, 0.01 * s]), m, s
    return [*cases, equal_in_one_row]


def _kl_with(log_ratio=1.0, half=0.5, one=1.0, power=2, of=lambda s: s, by_q=False):
    """A misconception: the right formula with one part changed."""

    def wrong(m_q, s_q, m_p, s_p):
        s_q, s_p = of(s_q), of(s_p)
        shift = (m_q - m_p) ** power / (s_q if by_q else s_p) ** 2
        return (half * ((s_q / s_p) ** 2 + shift) - one / 2 - log_ratio * (s_q / s_p).log()).sum(-1)

    return wrong


def _kl_each(m_q, s_q, m_p, s_p):
    """One number a coordinate, (B, D)."""
    return s_p.log() - s_q.log() + (s_q**2 + (m_q - m_p) ** 2) / (2 * s_p**2) - 0.5


def _kl_by_loop(m_q, s_q, m_p, s_p):
    rows = []
    for m, s in zip(m_q.tolist(), s_q.tolist(), strict=True):
        terms = [
            math.log(d / b) + (b**2 + (a - c) ** 2) / (2 * d**2) - 0.5
            for a, b, c, d in zip(m, s, m_p.tolist(), s_p.tolist(), strict=True)
        ]
        rows.append(sum(terms))
    return torch.tensor(rows, dtype=m_q.dtype)


def _kl_by_matrices(m_q, s_q, m_p, s_p):
    q = MultivariateNormal(m_q, torch.diag_embed(s_q**2))
    return kl_divergence(q, MultivariateNormal(m_p, torch.diag(s_p**2)).expand(m_q.shape[:1]))


gaussian_kl = Exercise(
    ask="Return KL(q || p) of two Gaussians with independent coordinates, for each row of a batch.",
    reference=_gaussian_kl,
    cases=_two_gaussians,
    misconceptions={
        "This is KL(p || q). The average is taken under the first of the two, here q.": (
            lambda m_q, s_q, m_p, s_p: _gaussian_kl(m_p, s_p, m_q, s_q)
        ),
        "The logarithm is that of s_p / s_q: a narrow q has the higher density, so it raises log q - log p.": (
            _kl_with(log_ratio=-1.0)
        ),
        "You treated the scales as variances. They are standard deviations: square them where a variance belongs.": (
            _kl_with(of=torch.sqrt)
        ),
        "The ratio of the scales counts twice: the half of the log determinant turns log variances into log scales.": (
            _kl_with(log_ratio=2.0)
        ),
        "The logarithms are right. In the quadratic part the scales have to be squared: variances stand there.": (
            lambda m_q, s_q, m_p, s_p: ((s_q + (m_q - m_p) ** 2) / (2 * s_p) - 0.5 - (s_q / s_p).log()).sum(-1)
        ),
        "Your half is in front of everything. It turns log variances into log scales; yours are log scales already.": (
            _kl_with(log_ratio=0.5)
        ),
        "You multiplied by p's variance: a / 2 * b is a b / 2. Put brackets around what divides.": (
            lambda m_q, s_q, m_p, s_p: ((s_q**2 + (m_q - m_p) ** 2) / 2 * s_p**2 - 0.5 - (s_q / s_p).log()).sum(-1)
        ),
        "The quadratic part has lost its half: a Gaussian has -1/2 in its exponent.": _kl_with(half=1.0),
        "You added the distance of the means without squaring it: KL must not care on which side q lies.": (
            _kl_with(power=1)
        ),
        "Half a nat a coordinate too much: -E_q[log q] has a half as well, from q's own squared distance.": (
            _kl_with(one=0.0)
        ),
        "Take off the half for every coordinate: inside the sum, not once behind it.": lambda m_q, s_q, m_p, s_p: (
            (_kl_each(m_q, s_q, m_p, s_p) + 0.5).sum(-1) - 0.5
        ),
        "The logarithms are missing: without them q could shrink for nothing.": _kl_with(log_ratio=0.0),
        "The distance of the means is measured in p's scale: it is p's log density that sees it.": _kl_with(by_q=True),
        "That is the KL to a standard normal. Here p has a mean and a scale of its own.": (
            lambda m_q, s_q, m_p, s_p: ((s_q**2 + m_q**2 - 1) / 2 - s_q.log()).sum(-1)
        ),
        "You averaged over the coordinates. Independent coordinates add their KLs.": (
            lambda *given: _kl_each(*given).mean(-1)
        ),
        "You summed over the batch. Coordinates are the last axis.": lambda *given: _kl_each(*given).sum(0),
        "You summed over everything. Each row of the batch has a KL of its own.": lambda *given: _kl_each(*given).sum(),
        "That is one number a coordinate. For independent coordinates the KLs add: sum over the last axis.": _kl_each,
        "The answer is in bits. Natural logarithms give nats.": lambda *given: _gaussian_kl(*given) / math.log(2),
        "Only the logarithm is in bits: log2 does not go with the quadratic part. Use the natural one.": (
            _kl_with(log_ratio=1 / math.log(2))
        ),
    },
    also_right=[
        lambda m_q, s_q, m_p, s_p: kl_divergence(Normal(m_q, s_q), Normal(m_p, s_p)).sum(1),
        _kl_by_loop,
        _kl_by_matrices,
    ],
)

widest_loses = Choice(
    ask="p = N(0, 1). Which q has the largest KL(q || p)?",
    options={
        "a": "N(0, 0.1²), ten times too narrow",
        "b": "N(0, 10²), ten times too wide",
        "c": "N(3, 1), three scales beside it",
        "d": "a and b alike: both scales are wrong by the factor ten",
    },
    feedback={
        "a": "Its draws fall where p is high. All it pays is the logarithm of ten, less a half: 1.81 nats.",
        "b": "Most of its draws fall where p is nearly zero, and there each costs z²/2: about fifty nats in all.",
        "c": "A shift by d scales costs d²/2, here 4.5 nats. There is a dearer one.",
        "d": "The logarithms are alike but for the sign, the quadratic parts are not: one is 0.005, the other 50.",
    },
    right="b",
)


# The bound -----------------------------------------------------------------------------------------------------------


def _elbo(log_p_xz, q):
    log_q = torch.where(q > 0, q, 1.0).log()
    return torch.where(q > 0, q * (log_p_xz - log_q), 0.0).sum(-1)


@drawing
def _joints_and_q(draw):
    some_zero = torch.softmax(2 * draw(5, 4), 1) * (draw(5, 4) > -0.3)
    some_zero[0], some_zero[1] = torch.eye(4)[2], torch.tensor([0.25, 0, 0.75, 0])
    some_zero[2:] += 1e-3 * torch.eye(4)[1:]  # no row is empty
    some_zero /= some_zero.sum(1, keepdim=True)
    impossible, excluded = draw(3, 5) - 1, torch.softmax(draw(3, 5), 1)
    impossible[1, 2], excluded[1, 2] = -INF, 0  # a state of no probability, which q excludes as well
    excluded /= excluded.sum(1, keepdim=True)
    far = draw(6, 3) + torch.linspace(-2000, 900, 6, dtype=torch.float64)[:, None]
    not_excluded = torch.tensor([[-1.2, -INF, 0.3]], dtype=torch.float64), torch.softmax(draw(1, 3), 1)
    return [
        (draw(4, 3) - 2, torch.softmax(draw(4, 3), 1)),
        (2 * draw(3, 3) - 5, torch.softmax(draw(3, 3), 1)),
        (draw(7, 2) + 1.5, torch.softmax(3 * draw(7, 2), 1)),
        (draw(5, 4) - 1, some_zero),
        (impossible, excluded),
        (far, torch.softmax(draw(6, 3), 1)),
        not_excluded,
    ]


def _elbo_by_loop(log_p_xz, q):
    rows = [
        sum(b * (a - math.log(b)) for a, b in zip(joint, share, strict=True) if b > 0)
        for joint, share in zip(log_p_xz.tolist(), q.tolist(), strict=True)
    ]
    return torch.tensor(rows, dtype=q.dtype)


def _expected_log_joint(log_p_xz, q):
    return torch.where(q > 0, q * log_p_xz, 0.0).sum(1)


elbo = Exercise(
    ask="Return the ELBO, E_q[log p(x, z) - log q(z)], for each datum, where z has finitely many states.",
    reference=_elbo,
    cases=_joints_and_q,
    misconceptions={
        "Right, but for states that q excludes: 0 log 0 is NaN in floating point, and zero here. torch.where helps.": (
            lambda log_p_xz, q: (q * (log_p_xz - q.log())).sum(1)
        ),
        "Your entropy knows that 0 log 0 is zero. Zero times a log joint of minus infinity needs the same care.": (
            lambda log_p_xz, q: (q * log_p_xz + torch.special.entr(q)).sum(1)
        ),
        "Right, but nan_to_num makes infinities large numbers as well. Where q believes in an impossible state the "
        "bound is minus infinity.": lambda log_p_xz, q: (q * (log_p_xz - q.log())).nan_to_num().sum(1),
        "The entropy of q is missing: E_q[log p(x, z)] alone wants q to be a spike.": _expected_log_joint,
        "log q has the wrong sign: the ELBO is the expected log joint plus the entropy, and that is -E_q[log q].": (
            lambda log_p_xz, q: _expected_log_joint(log_p_xz, q) + torch.special.xlogy(q, q).sum(1)
        ),
        "That is log p(x) itself, and q does not enter. The ELBO averages the logarithms under q.": (
            lambda log_p_xz, q: torch.logsumexp(log_p_xz, 1)
        ),
        "You took the logarithm of the average, so the importance weights add up to p(x). The ELBO is the average of "
        "the logarithms.": lambda log_p_xz, q: torch.where(q > 0, log_p_xz, -INF).logsumexp(1),
        "That is the logarithm of the joint's average under q. The ELBO averages logarithms, of the joint over q.": (
            lambda log_p_xz, q: (log_p_xz + q.log()).logsumexp(1)
        ),
        "You weighted by the joint. The expectation is under q.": lambda log_p_xz, q: (
            log_p_xz.exp() * (log_p_xz - q.log())
        ).sum(1),
        "You summed log p - log q without weights. In an expectation each state counts by its probability under q.": (
            lambda log_p_xz, q: torch.where(q > 0, log_p_xz - q.log(), 0.0).sum(1)
        ),
        "You divided by the number of states. The weights q sum to one already.": (
            lambda log_p_xz, q: _elbo(log_p_xz, q) / q.shape[1]
        ),
        "You summed over the data. Data are rows; z runs along the last axis.": (
            lambda log_p_xz, q: _elbo(log_p_xz.T, q.T)
        ),
        "One number a datum, please: you added up the data too.": lambda log_p_xz, q: _elbo(log_p_xz, q).sum(),
        "That is the loss that one minimises, minus the ELBO.": lambda log_p_xz, q: -_elbo(log_p_xz, q),
        "You normalised the joint first. That gives minus KL(q || posterior): the gap, not the bound.": (
            lambda log_p_xz, q: _elbo(torch.log_softmax(log_p_xz, 1), q)
        ),
        "You evaluated the log weight at q's most probable state. All states count, each by its probability.": (
            lambda log_p_xz, q: (log_p_xz - q.log()).gather(1, q.argmax(1, keepdim=True))[:, 0]
        ),
        "That holds a term for each state; sum them.": lambda log_p_xz, q: torch.where(
            q > 0, q * (log_p_xz - q.log()), 0.0
        ),
    },
    also_right=[
        _elbo_by_loop,
        lambda log_p_xz, q: _expected_log_joint(log_p_xz, q) + torch.special.entr(q).sum(1),
        lambda log_p_xz, q: torch.logsumexp(log_p_xz, 1) - _gap(log_p_xz, q),
        lambda log_p_xz, q: (q * (log_p_xz - q.log())).nansum(1),
    ],
)


# Its gap -------------------------------------------------------------------------------------------------------------


def _gap(log_p_xz, q):
    log_posterior = log_p_xz - torch.logsumexp(log_p_xz, -1, keepdim=True)
    against = torch.where(q > 0, q * log_posterior, 0.0)
    return (torch.special.xlogy(q, q) - against).sum(-1)


def _gap_by_loop(log_p_xz, q):
    rows = []
    for joint, share in zip(log_p_xz.tolist(), q.tolist(), strict=True):
        top = max(joint)
        log_p_x = top + math.log(sum(math.exp(a - top) for a in joint))
        rows.append(sum(b * (math.log(b) - a + log_p_x) for a, b in zip(joint, share, strict=True) if b > 0))
    return torch.tensor(rows, dtype=q.dtype)


def _gap_by_weights(log_p_xz, q):
    log_w = log_p_xz - torch.where(q > 0, q, 1.0).log()  # how far the average of the logs is below log p(x)
    return torch.where(q > 0, q * (torch.logsumexp(log_p_xz, 1, keepdim=True) - log_w), 0.0).sum(1)


gap = Exercise(
    ask="Return KL(q || p(z|x)), in nats, for each datum.",
    reference=_gap,
    cases=_joints_and_q,
    misconceptions={
        "This is KL(p(z|x) || q). In the gap of the ELBO the average is under q.": lambda log_p_xz, q: torch.where(
            log_p_xz > -INF, torch.softmax(log_p_xz, 1) * (torch.log_softmax(log_p_xz, 1) - q.log()), 0.0
        ).sum(1),
        "The joint is no distribution over z: divide by p(x) first. What you have is minus the ELBO.": (
            lambda log_p_xz, q: -_elbo(log_p_xz, q)
        ),
        "Right but for the sign. A KL is never negative: E_q[log q - log p].": lambda log_p_xz, q: -_gap(log_p_xz, q),
        "That is the cross-entropy, -E_q[log p(z|x)]. The KL has E_q[log q] as well.": lambda log_p_xz, q: (
            -_expected_log_joint(torch.log_softmax(log_p_xz, 1), q)
        ),
        "exp leaves the range of floating point: right for moderate logs only. Normalise in log space.": (
            lambda log_p_xz, q: torch.where(
                q > 0, q * (q.log() - (log_p_xz.exp() / log_p_xz.exp().sum(1, True)).log()), 0.0
            ).sum(1)
        ),
        "log p(x) minus the bound is right. But exp leaves the range of floating point: torch.logsumexp takes the "
        "largest log out first.": lambda log_p_xz, q: log_p_xz.exp().sum(1).log() - _elbo(log_p_xz, q),
        "Right, but for states that q excludes: 0 log 0 is NaN in floating point, and zero here. torch.where helps.": (
            lambda log_p_xz, q: (q * (q.log() - torch.log_softmax(log_p_xz, 1))).sum(1)
        ),
        "q log q is safe at zero, zero times minus infinity is not: a state that q excludes counts nothing, even if it "
        "is impossible.": lambda log_p_xz, q: (torch.special.xlogy(q, q) - q * torch.log_softmax(log_p_xz, 1)).sum(1),
        "Right, but nan_to_num makes infinities large numbers as well. Where q believes in an impossible state the "
        "gap is infinite.": lambda log_p_xz, q: (q * (q.log() - torch.log_softmax(log_p_xz, 1))).nan_to_num().sum(1),
        "Your posterior sums to one over the data. Each row is a distribution over the states of z.": (
            lambda log_p_xz, q: torch.where(q > 0, q * (q.log() - torch.log_softmax(log_p_xz, 0)), 0.0).sum(1)
        ),
        "You summed over the data. Data are rows; z runs along the last axis.": (
            lambda log_p_xz, q: torch.where(q > 0, q * (q.log() - torch.log_softmax(log_p_xz, 1)), 0.0).sum(0)
        ),
        "One number a datum, please: you added up the data too.": lambda log_p_xz, q: _gap(log_p_xz, q).sum(),
        "You averaged over the states. The weights q sum to one already.": (
            lambda log_p_xz, q: _gap(log_p_xz, q) / q.shape[1]
        ),
        "That is log p(x): the gap's upper end, not the gap.": lambda log_p_xz, q: torch.logsumexp(log_p_xz, 1),
        "You summed log q - log p without weights. Each state counts by its probability under q.": (
            lambda log_p_xz, q: torch.where(q > 0, q.log() - torch.log_softmax(log_p_xz, 1), 0.0).sum(1)
        ),
        "That is the distance of two lists of numbers, half the sum of |q - p|. The KL compares logarithms.": (
            lambda log_p_xz, q: (q - torch.softmax(log_p_xz, 1)).abs().sum(1) / 2
        ),
    },
    also_right=[
        _gap_by_loop,
        _gap_by_weights,
        lambda log_p_xz, q: torch.logsumexp(log_p_xz, 1) - _elbo(log_p_xz, q),
        lambda log_p_xz, q: (
            torch.nn.functional.kl_div(torch.log_softmax(log_p_xz, 1), q, reduction="none")
            .nan_to_num(nan=0.0, posinf=INF)
            .sum(1)
        ),
    ],
)

when_tight = Choice(
    ask="For which q is the ELBO equal to log p(x)?",
    options={
        "a": "q(z) = p(z), the prior",
        "b": "q(z) = p(z|x), the posterior, and no other",
        "c": "all of q's mass on the most probable z",
        "d": "for none: Jensen's inequality is strict",
    },
    feedback={
        "a": "Then the weight p(x, z) / q(z) is p(x|z), which varies with z unless x says nothing about z.",
        "b": "Jensen gives equality exactly if the weight p(x, z) / q(z) is constant on q's support; the constant can "
        "only be p(x) where q covers the posterior. Equivalently: a KL is zero for equal distributions alone.",
        "c": "That q maximises the expected log joint, and its entropy is zero. What is missing is -log p(z*|x), "
        "which is zero only if no other z is possible.",
        "d": "It is strict for a strictly concave function and a random variable that varies. When does the weight "
        "p(x, z) / q(z) not vary?",
    },
    right="b",
)


# The bound of a linear decoder ---------------------------------------------------------------------------------------


def _gaussian_elbo(x, W, noise, m, s):
    missed = (x - m @ W.T).square().sum(-1)
    wobble = (s.square() @ W.square().T).sum(-1)
    constant = x.shape[-1] * math.log(2 * math.pi * noise**2)
    data_term = -(constant + (missed + wobble) / noise**2) / 2
    kl = ((s.square() + m.square() - 1) / 2 - s.log()).sum(-1)
    return data_term - kl


@drawing
def _decoders(draw):
    cases = []
    for (B, D, L), noise in zip(((2, 3, 1), (4, 5, 2), (3, 2, 4), (5, 3, 3)), (0.7, 1.6, 0.9, 0.4), strict=True):
        cases.append((2 * draw(B, D), draw(D, L), noise, 1.5 * draw(B, L), (draw(B, L) / 2 - 0.3).exp()))
    return cases


def _decoded_variance(s, W):
    return s**2 @ (W**2).T


def _square(noise):
    return noise**2


def _linear_elbo_with(wobble=_decoded_variance, variance=_square, constant=None, kl=1.0, half=0.5, scale=0.5):
    """A misconception: the right formula with one part changed."""

    def wrong(x, W, noise, m, s):
        log_det = (x.shape[1] if constant is None else constant) * math.log(2 * math.pi * variance(noise))
        squares = ((x - m @ W.T) ** 2 + wobble(s, W)).sum(1)
        pull = ((s**2 + m**2 - 1) / 2 - s.log()).sum(1)
        return -scale * log_det - half * squares / variance(noise) - kl * pull

    return wrong


def _linear_elbo_from_one_draw(x, W, noise, m, s):
    z = m + s * torch.randn_like(m)
    return Normal(z @ W.T, noise).log_prob(x).sum(1) - _gaussian_kl(m, s, torch.zeros_like(m), torch.ones_like(m))


def _linear_elbo_from_the_evidence(x, W, noise, m, s):
    D, L = W.shape
    eye = torch.eye(D, dtype=W.dtype)
    p_x = MultivariateNormal(torch.zeros(D, dtype=W.dtype), W @ W.T + noise**2 * eye)
    precision = torch.eye(L, dtype=W.dtype) + W.T @ W / noise**2
    mean = x @ W @ torch.linalg.inv(precision) / noise**2
    posterior = MultivariateNormal(mean, precision_matrix=precision.expand(len(x), L, L))
    return p_x.log_prob(x) - kl_divergence(MultivariateNormal(m, torch.diag_embed(s**2)), posterior)


def _linear_elbo_at_sigma_points(x, W, noise, m, s):
    """The average of a quadratic under a Gaussian is its mean over the 2 L points m ± sqrt(L) s_l e_l."""
    L = W.shape[1]
    steps = math.sqrt(L) * torch.diag_embed(s).transpose(0, 1)  # (L, B, L)
    z = torch.cat([m + steps, m - steps])
    joint = Independent(Normal(z @ W.T, noise), 1).log_prob(x) + Independent(
        Normal(torch.zeros_like(z), 1.0), 1
    ).log_prob(z)
    return joint.mean(0) + Independent(Normal(m, s), 1).entropy()


gaussian_elbo = Exercise(
    ask="Return the ELBO of a Gaussian q for a linear decoder with Gaussian noise, for each datum.",
    reference=_gaussian_elbo,
    cases=_decoders,
    misconceptions={
        "You decoded q's mean only. E_q[|x - W z|²] also has the variance of W z.": (
            _linear_elbo_with(wobble=lambda s, W: 0.0)
        ),
        "The variance of W z has lost its half: it stands in the same bracket as the squared distance.": (
            _linear_elbo_with(wobble=lambda s, W: 2 * _decoded_variance(s, W))
        ),
        "A spread in z must lower the expected log-likelihood: the variance of W z has the sign of the distance.": (
            _linear_elbo_with(wobble=lambda s, W: -_decoded_variance(s, W))
        ),
        "You averaged the density, so that the noise has grown by the variance of W z. Average its logarithm.": (
            lambda x, W, noise, m, s: (
                Normal(m @ W.T, (noise**2 + _decoded_variance(s, W)).sqrt()).log_prob(x).sum(1)
                + _linear_elbo_with(constant=0, half=0.0)(x, W, noise, m, s)
            )
        ),
        "You drew one z. The expectation has a closed form here, and no chance in it.": _linear_elbo_from_one_draw,
        "The noise is missing. Squared distances are divided by its variance, and the constant has its logarithm.": (
            _linear_elbo_with(variance=lambda noise: 1.0)
        ),
        "In the constant the noise is not squared: half the logarithm of 2 pi noise².": lambda *given: (
            _gaussian_elbo(*given) + given[0].shape[1] * math.log(given[2]) / 2
        ),
        "q's scale enters the variance of W z squared.": _linear_elbo_with(wobble=lambda s, W: s @ (W**2).T),
        "The variance of W z has W squared, entry by entry.": _linear_elbo_with(wobble=lambda s, W: s**2 @ W.T),
        "Independent z add their variances: square each W s first, then sum.": (
            _linear_elbo_with(wobble=lambda s, W: (s @ W.T) ** 2)
        ),
        "You added the variance s² without decoding it: z reaches x through W.": (
            lambda x, W, noise, m, s: (
                _linear_elbo_with(wobble=lambda s, W: 0.0)(x, W, noise, m, s) - (s**2).sum(1) / (2 * noise**2)
            )
        ),
        "You treated the noise as a variance. It is a standard deviation.": (
            _linear_elbo_with(variance=lambda noise: noise)
        ),
        "The constant is there once for each of the D coordinates.": _linear_elbo_with(constant=1),
        "The constant is missing. It moves no maximum, but without it this is no bound on log p(x).": (
            _linear_elbo_with(constant=0)
        ),
        "The logarithm of 2 pi noise² has lost its half: it stands under a root.": _linear_elbo_with(scale=1.0),
        "The squared distance stands in the exponent with a half.": _linear_elbo_with(half=1.0),
        "You added the KL. q pays for leaving the prior: subtract it.": _linear_elbo_with(kl=-1.0),
        "The KL to the prior is missing: this is the expected log-likelihood alone.": _linear_elbo_with(kl=0.0),
        "Half a nat too little for each latent: the KL to the prior is zero at m = 0, s = 1, and yours is not.": (
            lambda x, W, noise, m, s: _gaussian_elbo(x, W, noise, m, s) - W.shape[1] / 2
        ),
        "You took the mean over the coordinates of x in the data term, so the KL counts D times too much. Given z they "
        "are independent: the logs add.": lambda *given: (
            _linear_elbo_with(kl=0.0)(*given) / given[0].shape[1] + _linear_elbo_with(constant=0, half=0.0)(*given)
        ),
        "That is minus the ELBO, a loss.": lambda *given: -_gaussian_elbo(*given),
        "One number a datum, please: you added up the data too.": lambda *given: _gaussian_elbo(*given).sum(),
        "You averaged over the data. Each datum has its bound.": lambda *given: _gaussian_elbo(*given).mean(),
        "W is (D, L): decode by z @ W.T.": lambda x, W, noise, m, s: _gaussian_elbo(x, W.T, noise, m, s),
    },
    also_right=[_linear_elbo_from_the_evidence, _linear_elbo_at_sigma_points, _linear_elbo_with()],
)


# The bound tightens --------------------------------------------------------------------------------------------------


def _climb(x, W, noise, m, log_s, rate, steps):
    gain = W.square().sum(0) / noise**2
    trace = [_gaussian_elbo(x, W, noise, m, log_s.exp())]
    for _ in range(steps):
        m = m + rate * ((x - m @ W.T) @ W / noise**2 - m)
        log_s = log_s + rate * (1 - (1 + gain) * log_s.exp() ** 2)
        trace.append(_gaussian_elbo(x, W, noise, m, log_s.exp()))
    return torch.stack(trace)


@drawing
def _climbs(draw):
    cases = []
    for (B, D, L), noise, rate, steps in (
        ((2, 3, 1), 0.8, 0.05, 1),
        ((3, 4, 2), 1.1, 0.03, 5),
        ((4, 2, 3), 0.9, 0.02, 12),
        ((1, 3, 2), 1.3, 0.1, 0),
    ):
        cases.append((2 * draw(B, D), draw(D, L), noise, draw(B, L), draw(B, L) / 2 - 0.4, rate, steps))
    return cases


def _climb_with(share=lambda x: 1.0, m_rate=1.0, s_rate=1.0, objective=None, in_s=False, zero=True):
    """A misconception: gradient ascent by autograd with one part changed."""

    def wrong(x, W, noise, m, log_s, rate, steps):
        trace, kept = [_gaussian_elbo(x, W, noise, m, log_s.exp())], None
        for _ in range(steps):
            m, log_s = m.detach().requires_grad_(), log_s.detach().requires_grad_()
            bound = (objective or _gaussian_elbo)(x, W, noise, m, log_s.exp())
            slopes = list(torch.autograd.grad(bound.sum() * share(x), (m, log_s)))
            if in_s:
                slopes[1] = slopes[1] / log_s.exp()
            kept = slopes if zero or kept is None else [a + b for a, b in zip(kept, slopes, strict=True)]
            m, log_s = m + m_rate * rate * kept[0], log_s + s_rate * rate * kept[1]
            trace.append(_gaussian_elbo(x, W, noise, m, log_s.exp()))
        return torch.stack(trace).detach()

    return wrong


def _climb_by_optimiser(x, W, noise, m, log_s, rate, steps, optimiser=torch.optim.SGD):
    gamma = [m.clone().requires_grad_(), log_s.clone().requires_grad_()]
    ascent, trace = optimiser(gamma, lr=rate), []
    for step in range(steps + 1):
        bound = _gaussian_elbo(x, W, noise, gamma[0], gamma[1].exp())
        trace.append(bound.detach())
        if step < steps:
            ascent.zero_grad()
            (-bound.sum()).backward()
            ascent.step()
    return torch.stack(trace)


def _climb_in_s(x, W, noise, m, log_s, rate, steps):
    s, gain = log_s.exp(), W.square().sum(0) / noise**2
    trace = [_gaussian_elbo(x, W, noise, m, s)]
    for _ in range(steps):
        m, s = m + rate * ((x - m @ W.T) @ W / noise**2 - m), s + rate * (1 / s - (1 + gain) * s)
        trace.append(_gaussian_elbo(x, W, noise, m, s))
    return torch.stack(trace)


def _climb_by_loop(x, W, noise, m, log_s, rate, steps):
    columns = []
    for one, centre, width in zip(x, m, log_s, strict=True):
        columns.append(_climb_with()(one[None], W, noise, centre[None], width[None], rate, steps)[:, 0])
    return torch.stack(columns, 1)


climb = Exercise(
    ask="Return the ELBO of each datum before and after each step of gradient ascent on q's parameters.",
    reference=_climb,
    cases=_climbs,
    misconceptions={
        "Your bound goes down: you stepped against the gradient. Ascent adds it; an optimiser that minimises needs "
        "minus the ELBO.": _climb_with(m_rate=-1.0, s_rate=-1.0),
        "Your steps are B times too short: you differentiated the mean over the batch. Each datum climbs its own "
        "bound, so differentiate the sum.": _climb_with(share=lambda x: 1 / len(x)),
        "You added the slope for s to log s. By the chain rule the slope for log s is s times that for s.": (
            _climb_with(in_s=True)
        ),
        "You climbed in s. The steps are taken in log s, where a scale can never become negative.": _climb_in_s,
        "Gradients add up from step to step: forget the old one before each backward.": _climb_with(zero=False),
        "That is Adam, which divides each gradient by its size. Here take plain steps: rate times gradient.": (
            lambda *given: _climb_by_optimiser(*given, optimiser=torch.optim.Adam)
        ),
        "Only the mean climbs. The scale has a gradient, too.": _climb_with(s_rate=0.0),
        "Only the scale climbs. The mean has a gradient, too.": _climb_with(m_rate=0.0),
        "You climbed the expected log-likelihood. The KL to the prior has a gradient, too.": (
            _climb_with(objective=_linear_elbo_with(kl=0.0))
        ),
        "Your gradient lacks the entropy, and nothing keeps the scale from shrinking.": (
            _climb_with(objective=lambda x, W, noise, m, s: _gaussian_elbo(x, W, noise, m, s) - s.log().sum(-1))
        ),
        "The start is missing: the first row is the bound before any step.": lambda *given: _climb(*given)[1:],
        "The end is missing: the last row is the bound after the last step.": lambda *given: _climb(*given)[:-1],
        "That is the last bound alone. Return all of them, a row for each, the start included.": (
            lambda *given: _climb(*given)[-1]
        ),
        "You added up the data in the trace. Keep a column for each.": lambda *given: _climb(*given).sum(1),
        "You averaged the data in the trace. Keep a column for each.": lambda *given: _climb(*given).mean(1),
        "Steps are rows and data columns: yours are the other way round.": lambda *given: _climb(*given).T,
        "That is a trace of the loss, minus the ELBO, so it goes down.": lambda *given: -_climb(*given),
    },
    also_right=[_climb_by_optimiser, _climb_by_loop, _climb_with()],
)


# Mean field ----------------------------------------------------------------------------------------------------------


def _cavi_sweep(mean, mu, cov):
    A = torch.linalg.inv(cov)
    mean = mean.clone()
    for d in range(len(mu)):
        pull = A[d] @ (mean - mu) - A[d, d] * (mean[d] - mu[d])
        mean[d] = mu[d] - pull / A[d, d]
    return mean, 1 / A.diagonal()


@drawing
def _targets(draw):
    cases = []
    for D in (2, 3, 1, 5):
        root = draw(D, D)
        cases.append((2 * draw(D) - 1, 1 + draw(D), root @ root.T + 0.3 * torch.eye(D, dtype=torch.float64)))
    return cases


def _sweep_with(
    matrix=torch.linalg.inv,
    sign=-1.0,
    order=list,
    fresh=True,
    divided=True,
    own=False,
    centre=1.0,
    later=False,
    from_old=False,
    from_own=False,
):
    """A misconception: the right sweep with one part changed."""

    def wrong(mean, mu, cov):
        A, D = matrix(cov), len(mu)
        new = mean.clone()
        for d in order(range(D)):
            seen = (new if fresh else mean) - centre * mu
            if from_own:
                seen = new - mu[d]
            chosen = [e for e in range(D) if (own or e != d) and not (later and e < d)]
            others = sum(A[d, e] * seen[e] for e in chosen)
            new[d] = (mean if from_old else mu)[d] + sign * others / (A[d, d] if divided else 1.0)
        return new, 1 / torch.linalg.inv(cov).diagonal()

    return wrong


def _another_variance(of):
    return lambda mean, mu, cov: (_cavi_sweep(mean, mu, cov)[0], of(cov))


def _sweep_by_conditioning(mean, mu, cov):
    """Best factor given the others' means = the conditional Gaussian at those means."""
    new, var = mean.clone(), []
    for d in range(len(mu)):
        rest = [e for e in range(len(mu)) if e != d]
        gain = torch.linalg.solve(cov[rest][:, rest], cov[rest, d])
        new[d] = mu[d] + gain @ (new[rest] - mu[rest])
        var.append(cov[d, d] - gain @ cov[rest, d])
    return new, torch.stack(var)


def _sweep_by_triangles(mean, mu, cov):
    """One sweep is a Gauss-Seidel step: (lower triangle) new = -(upper triangle) old, about mu."""
    A = torch.cholesky_inverse(torch.linalg.cholesky(cov))
    right = -(A.triu(1) @ (mean - mu))[:, None]
    return mu + torch.linalg.solve_triangular(A.tril(), right, upper=False)[:, 0], A.diagonal().reciprocal()


cavi_sweep = Exercise(
    ask="Return the means after one sweep of coordinate ascent for a correlated Gaussian, and the variances.",
    reference=_cavi_sweep,
    cases=_targets,
    misconceptions={
        "You updated all means from the old ones. Coordinate ascent goes one after the other: each update sees the "
        "ones before it.": _sweep_with(fresh=False),
        "The variances are those of p. The best factor's is the inverse of a diagonal entry of the precision.": (
            _another_variance(lambda cov: cov.diagonal())
        ),
        "Those are the precisions. The variance is one over each.": (
            _another_variance(lambda cov: torch.linalg.inv(cov).diagonal())
        ),
        "You returned scales. The second result is the variances.": (
            _another_variance(lambda cov: torch.linalg.inv(cov).diagonal().rsqrt())
        ),
        "You used the covariance in the update. log p has the precision in it: invert first.": (
            _sweep_with(matrix=lambda cov: cov)
        ),
        "You used the covariance throughout, and one over its diagonal. log p has the precision in it: invert "
        "first.": lambda mean, mu, cov: (_sweep_with(matrix=lambda cov: cov)(mean, mu, cov)[0], 1 / cov.diagonal()),
        "You inverted the covariance entry by entry. The precision is the inverse matrix.": (
            lambda mean, mu, cov: (_sweep_with(matrix=lambda cov: 1 / cov)(mean, mu, cov)[0], cov.diagonal())
        ),
        "The pull of the others has the wrong sign: complete the square once more.": _sweep_with(sign=1.0),
        "Divide the pull by the diagonal entry: the square in z_d has that coefficient.": _sweep_with(divided=False),
        "The coordinate itself is in the sum. Sum over the others only.": _sweep_with(own=True),
        "Only the later coordinates pull in your sum. All others do, those that you have updated as well.": (
            _sweep_with(later=True)
        ),
        "You corrected the old mean. The update starts from mu, and forgets where this coordinate was.": (
            _sweep_with(from_old=True)
        ),
        "You measured the others from this coordinate's mu. Each has a mu of its own.": _sweep_with(from_own=True),
        "That is the target itself, its mean and its variances. A factorised q has other variances, and one sweep does "
        "not reach the mean.": lambda mean, mu, cov: (mu.clone(), cov.diagonal().clone()),
        "The others pull by their distance from mu, not from zero.": _sweep_with(centre=0.0),
        "That is where the means end. One sweep does not get there: all others pull, the later ones as well.": (
            lambda mean, mu, cov: (mu.clone(), _cavi_sweep(mean, mu, cov)[1])
        ),
        "You went through the coordinates from the last to the first. That works as well; here begin with the first.": (
            _sweep_with(order=lambda ds: list(ds)[::-1])
        ),
        "You updated the first coordinate only. A sweep visits all.": _sweep_with(order=lambda ds: list(ds)[:1]),
        "The two results are exchanged: first the means, then the variances.": (
            lambda *given: _cavi_sweep(*given)[::-1]
        ),
        "The variances stand in a matrix. Return its diagonal, (D,).": (
            _another_variance(lambda cov: (1 / torch.linalg.inv(cov).diagonal()).diag())
        ),
    },
    also_right=[_sweep_by_conditioning, _sweep_by_triangles, _sweep_with()],
)

closer_together = Choice(
    ask="The correlation rises from 0.9 to 0.99. What becomes of the mean-field variance and the number of sweeps?",
    options={
        "a": "the variance stays, and so does the number of sweeps",
        "b": "the variance falls to about a tenth, the number of sweeps stays",
        "c": "the variance falls to about a tenth, it takes about ten times as many sweeps",
        "d": "the variance grows: q has to reach the ends of a longer ellipse",
    },
    feedback={
        "a": "The variances of p stay. But 1/A_dd is 1 - rho², what is left of one coordinate when the other is known.",
        "b": "Right about the variance. But the narrow q also holds the means back: each update is a short step.",
        "c": "1 - rho² falls from 0.19 to 0.0199, and a sweep leaves rho² of the error: 0.98 instead of 0.81.",
        "d": "q would have to put mass beside the ellipse, where p is almost zero. Reverse KL forbids that.",
    },
    right="c",
)


# A log-linear model with latent classes ------------------------------------------------------------------------------


def _expected_counts(log_pi, w, features, counts):
    score = features @ w.T
    log_joint = score - torch.logsumexp(score, 0) + log_pi
    q = torch.exp(log_joint - torch.logsumexp(log_joint, 1, keepdim=True))
    mass = q * (counts / counts.sum())[:, None]
    return mass.sum(0), mass.T @ features


@drawing
def _counted_outcomes(draw):
    cases = []
    for (M, F, C), size in zip(((4, 3, 2), (8, 5, 3), (6, 2, 1), (3, 4, 3), (7, 4, 2)), (1, 1, 1, 1, 400), strict=True):
        counts = (3 * draw(M) + 4).round().clamp(min=0)
        counts[0], counts[1] = 0, 5  # an outcome that was never seen, and one that was
        cases.append((torch.log_softmax(draw(C), 0), size * draw(C, F), draw(M, F) + 0.5, counts))
    return cases


def _posterior(log_pi, w, features):
    return torch.softmax(torch.log_softmax(features @ w.T, 0) + log_pi, 1)


def _as_shares(counts):
    return counts / counts.sum()


def _counts_with(q=_posterior, shares=_as_shares):
    """A misconception: another posterior, or another weight of each outcome."""

    def wrong(log_pi, w, features, counts):
        mass = q(log_pi, w, features) * shares(counts)[:, None]
        return mass.sum(0), mass.T @ features

    return wrong


def _overflowing_posterior(log_pi, w, features):
    given_class = (features @ w.T).exp() / (features @ w.T).exp().sum(0)
    joint = given_class * log_pi.exp()
    return joint / joint.sum(1, keepdim=True)


def _counts_one_datum_at_a_time(log_pi, w, features, counts):
    classes, totals = torch.zeros_like(log_pi), torch.zeros_like(w)
    data = torch.repeat_interleave(torch.arange(len(counts)), counts.long())
    for n in data.tolist():
        log_joint = torch.stack(
            [log_pi[c] + features[n] @ w[c] - torch.logsumexp(features @ w[c], 0) for c in range(len(w))]
        )
        q = torch.softmax(log_joint, 0)
        classes, totals = classes + q / len(data), totals + torch.outer(q, features[n]) / len(data)
    return classes, totals


def _counts_by_einsum(log_pi, w, features, counts):
    score = torch.einsum("mf,cf->mc", features, w)
    log_joint = torch.log_softmax(score, 0) + log_pi[None]
    q = (log_joint - log_joint.amax(1, keepdim=True)).exp()
    q, N = q / q.sum(1, keepdim=True), counts.sum()
    return torch.einsum("mc,m->c", q, counts) / N, torch.einsum("mc,m,mf->cf", q, counts, features) / N


def _results(of_classes=lambda classes, *_: classes, of_totals=lambda classes, totals, *_: totals):
    def wrong(log_pi, w, features, counts):
        given = (*_expected_counts(log_pi, w, features, counts), log_pi)
        return of_classes(*given), of_totals(*given)

    return wrong


expected_counts = Exercise(
    ask="Return the expected share of each class, and the expected features within each class, per datum.",
    reference=_expected_counts,
    cases=_counted_outcomes,
    misconceptions={
        "Each class has a normaliser of its own, the sum over all outcomes. It does not cancel in the posterior.": (
            _counts_with(q=lambda log_pi, w, features: torch.softmax(features @ w.T + log_pi, 1))
        ),
        "The class probabilities are missing from the posterior: the joint is pi_c p(x | c).": (
            _counts_with(q=lambda log_pi, w, features: _posterior(0 * log_pi, w, features))
        ),
        "You added pi_c where its logarithm belongs.": (
            _counts_with(q=lambda log_pi, w, features: _posterior(log_pi.exp(), w, features))
        ),
        "log_pi is a logarithm already: you took it twice.": (
            _counts_with(q=lambda log_pi, w, features: _posterior(log_pi.log(), w, features))
        ),
        "Those weights are p(x | c), not the posterior: apply Bayes' rule.": (
            _counts_with(q=lambda log_pi, w, features: torch.softmax(features @ w.T, 0))
        ),
        "That is the joint, not the posterior: divide each outcome's row by p(x).": (
            _counts_with(q=lambda log_pi, w, features: (torch.log_softmax(features @ w.T, 0) + log_pi).exp())
        ),
        "exp leaves the range of floating point: right for small weights only. Stay with logarithms until the end.": (
            _counts_with(q=_overflowing_posterior)
        ),
        "You gave each outcome to its most probable class, which is hard EM. Expected counts share it out.": (
            _counts_with(q=lambda *given: one_hot(_posterior(*given).argmax(1), len(given[0])).to(given[0]))
        ),
        "These are sums over all data. Per datum: divide by the number of data.": (
            _counts_with(shares=lambda counts: counts)
        ),
        "You divided by the number of outcomes. The number of data is the sum of the counts.": (
            _counts_with(shares=lambda counts: counts / len(counts))
        ),
        "Every outcome counted once. What was seen more often counts more: use the counts.": (
            _counts_with(shares=lambda counts: torch.ones_like(counts) / len(counts))
        ),
        "Every outcome counted once, and nothing was divided. Use the counts, and divide by their sum.": (
            _counts_with(shares=torch.ones_like)
        ),
        "The features are a sum over all data, the shares are not. Divide both by the number of data.": (
            lambda log_pi, w, features, counts: (
                _expected_counts(log_pi, w, features, counts)[0],
                _expected_counts(log_pi, w, features, counts)[1] * counts.sum(),
            )
        ),
        "The two axes are exchanged: p(x | c) sums to one over outcomes, the posterior over classes.": (
            _counts_with(q=lambda log_pi, w, features: torch.softmax(torch.log_softmax(features @ w.T, 1) + log_pi, 0))
        ),
        "You divided the features by the class's share: that is a mean within the class. Leave the sum.": (
            _results(of_totals=lambda classes, totals, log_pi: totals / classes[:, None])
        ),
        "The shares are the ones that you began with. Expected under the posterior they are new.": (
            _results(of_classes=lambda classes, totals, log_pi: log_pi.exp())
        ),
        "Return the shares themselves; you returned their logarithms.": (
            _results(of_classes=lambda classes, totals, log_pi: classes.log())
        ),
        "The features need a row for each class and a column for each feature: yours are transposed.": (
            _results(of_totals=lambda classes, totals, log_pi: totals.T)
        ),
        "The two results are exchanged: first the shares, then the features.": (
            lambda *given: _expected_counts(*given)[::-1]
        ),
    },
    also_right=[_counts_one_datum_at_a_time, _counts_by_einsum, _counts_with()],
)


def _weight_gradient(classes, totals, w, features):
    score = features @ w.T
    given_class = torch.exp(score - torch.logsumexp(score, 0))
    return totals - classes[:, None] * (given_class.T @ features)


@drawing
def _counted_features(draw):
    cases = []
    for (M, F, C), size in zip(((4, 3, 2), (8, 5, 3), (6, 2, 1), (3, 3, 3), (7, 4, 2)), (1, 1, 1, 1, 400), strict=True):
        q, shares, features = torch.softmax(draw(M, C), 1), torch.softmax(draw(M), 0), draw(M, F) + 0.5
        mass = q * shares[:, None]
        cases.append((mass.sum(0), mass.T @ features, size * draw(C, F), features))
    return cases


def _outcomes_given_class(w, features):
    return torch.softmax(features @ w.T, 0)


def _gradient_with(given_class=_outcomes_given_class, data=1.0, weighted=True, sign=1.0):
    """A misconception: another expectation under the model, or other factors."""

    def wrong(classes, totals, w, features):
        expected = given_class(w, features).T @ features
        return data * totals - sign * (classes[:, None] if weighted else 1.0) * expected

    return wrong


def _gradient_by_autograd(classes, totals, w, features):
    def expected_log_joint(w):
        return (totals * w).sum() - classes @ torch.logsumexp(features @ w.T, 0)

    return torch.func.grad(expected_log_joint)(w)


def _gradient_by_loop(classes, totals, w, features):
    rows = []
    for share, seen, weights in zip(classes, totals, w, strict=True):
        score = torch.stack([weights @ one for one in features])
        p = (score - score.max()).exp()
        rows.append(seen - share * sum(a * one for a, one in zip(p / p.sum(), features, strict=True)))
    return torch.stack(rows)


weight_gradient = Exercise(
    ask="Return the gradient, for the weights, of the expected log joint per datum.",
    reference=_weight_gradient,
    cases=_counted_features,
    misconceptions={
        "The model's expectation counts as often as the class occurs: multiply it by the class's share.": (
            _gradient_with(weighted=False)
        ),
        "The sign is turned round: seen minus expected. A feature seen too often needs more weight.": (
            lambda *given: -_weight_gradient(*given)
        ),
        "You added the model's features. The log normaliser is subtracted, and so is its gradient.": (
            _gradient_with(sign=-1.0)
        ),
        "That is the first half. The log normaliser depends on w as well: its gradient is the features that the model "
        "expects.": _gradient_with(sign=0.0),
        "That is the second half, with its sign. The features counted in the data are missing.": (
            _gradient_with(data=0.0)
        ),
        "p(x | c) sums to one over the outcomes already. Do not divide by their number as well.": (
            _gradient_with(lambda w, features: _outcomes_given_class(w, features) / len(features))
        ),
        "You averaged the features over all outcomes alike. Weight each outcome by p(x | c, w).": (
            _gradient_with(lambda w, features: torch.full_like(features @ w.T, 1 / len(features)))
        ),
        "Your p(x | c) sums to one over classes. It is a distribution over outcomes: normalise along that axis.": (
            _gradient_with(lambda w, features: torch.softmax(features @ w.T, 1))
        ),
        "p(x | c) is not normalised: divide by the sum over all outcomes.": (
            _gradient_with(lambda w, features: (features @ w.T).exp())
        ),
        "exp leaves the range of floating point: right for small weights only. Take the largest score out first, or "
        "let softmax do it.": (
            _gradient_with(lambda w, features: (features @ w.T).exp() / (features @ w.T).exp().sum(0))
        ),
        "You used one expectation for all classes, that of the mixture. Each class has its own p(x | c).": (
            lambda classes, totals, w, features: (
                totals - classes[:, None] * (classes @ torch.softmax(features @ w.T, 0).T @ features)
            )
        ),
        "The features seen contain the class's share already: multiply only the model's by it.": (
            lambda classes, totals, w, features: (
                classes[:, None] * (totals - torch.softmax(features @ w.T, 0).T @ features)
            )
        ),
        "You divided by the class's share. That is another step length, not the gradient.": (
            lambda classes, totals, w, features: _weight_gradient(classes, totals, w, features) / classes[:, None]
        ),
        "You used log p(x | c) as weights. An expectation weights by the probability itself.": (
            _gradient_with(lambda w, features: torch.log_softmax(features @ w.T, 0))
        ),
        "A row for each class, a column for each feature: yours are transposed.": (
            lambda *given: _weight_gradient(*given).T
        ),
        "You summed over classes. Each has weights of its own.": lambda *given: _weight_gradient(*given).sum(0),
    },
    also_right=[_gradient_by_autograd, _gradient_by_loop, _gradient_with()],
)

which_gap = Choice(
    ask="The inference network gets ten times as many units, and is trained until nothing moves. Which gap can shrink?",
    options={
        "a": "the approximation gap alone",
        "b": "the amortisation gap alone",
        "c": "both",
        "d": "neither: log p(x) would have to change",
    },
    feedback={
        "a": "That is what the best Gaussian of each datum leaves. The network still returns a Gaussian.",
        "b": "The network comes closer to the best Gaussian of each datum, and can do no better than that.",
        "c": "However large, the network returns a mean and a scale. What no Gaussian can say, it cannot say either.",
        "d": "log p(x) is the same for every q. The ELBO is not: a better q raises it.",
    },
    right="b",
)
