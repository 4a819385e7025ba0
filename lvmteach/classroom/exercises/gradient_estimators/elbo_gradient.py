"""The ELBO's gradient by draws."""

from __future__ import annotations

import torch
from torch.distributions import Bernoulli

from lvmteach.classroom.exercises.cases import ODDS, beside_the_odds, drawing
from lvmteach.classroom.exercises.engine import Exercise


def _elbo_gradient(log_joint, logits, u):
    z = (u < torch.sigmoid(logits)).to(logits)
    log_w = log_joint(z) - Bernoulli(logits=logits).log_prob(z).sum(-1)
    baseline = (log_w.sum() - log_w) / (len(log_w) - 1)
    return ((log_w - baseline)[:, None] * (z - torch.sigmoid(logits))).mean(0)


def _joint_of(a, B):
    """log p(x, z) of a pairwise model, up to a constant: z a + z B z."""
    return lambda z: z @ a + torch.einsum("...i,ij,...j->...", z, B, z)


@drawing
def _posteriors(draw):
    shapes = [(2, 1), (3, 2), (5, 4), (40, 3), (200, 6)]
    cases = [(_joint_of(draw(L), draw(L, L)), draw(L), torch.special.ndtr(draw(K, L))) for K, L in shapes]
    log_joint, logits, _ = cases[2]
    another, _, numbers = cases[3]
    sure, numbers = torch.tensor([45.0, -25.0, 0.3], dtype=logits.dtype), numbers.clone()
    numbers[0, 1] = 1e-12  # and falls against its odds
    many = (lambda z: 200 * z.mean(-1) - 1000, 0.1 * draw(1200), torch.special.ndtr(draw(3, 1200)))  # p and q underflow
    return [*cases, (log_joint, ODDS[:4], beside_the_odds(draw, 5, ODDS[:4])), (another, sure, numbers), many]


def _parts(log_joint, logits, u):
    z = (u < torch.sigmoid(logits)).to(logits)
    return z, log_joint(z), Bernoulli(logits=logits).log_prob(z).sum(-1), z - torch.sigmoid(logits)


def _left_out(f):
    return (f.sum() - f) / (len(f) - 1)


def _wrong(change):
    """A misconception: `change` makes the gradient from z, log p(x, z), log q and the scores."""
    return lambda log_joint, logits, u: change(*_parts(log_joint, logits, u))


def _by_covariance(log_joint, logits, u):
    _, log_p, log_q, scores = _parts(log_joint, logits, u)
    f = log_p - log_q
    return ((f - f.mean())[:, None] * scores).sum(0) / (len(f) - 1)


def _by_surrogate(log_joint, logits, u):
    leaf = logits.clone().requires_grad_()
    z, log_p, log_q, _ = _parts(log_joint, logits, u)
    f = (log_p - log_q).detach()
    surrogate = ((f - _left_out(f)) * Bernoulli(logits=leaf).log_prob(z).sum(-1)).mean()
    return torch.autograd.grad(surrogate, leaf)[0]


elbo_gradient = Exercise(
    ask="Return the score-function estimate of the ELBO's gradient for the logits of q, leave-one-out as baseline.",
    reference=_elbo_gradient,
    cases=_posteriors,
    misconceptions={
        "What is averaged is log w = log p(x, z) - log q(z). Without log q of each draw (one number for all drops out "
        "with the baseline) nothing keeps q from collapsing on one z.": (
            _wrong(lambda z, log_p, log_q, s: ((log_p - _left_out(log_p))[:, None] * s).mean(0))
        ),
        "There is no baseline: right on average, and far noisier. Take the mean of the others off each log w.": (
            _wrong(lambda z, log_p, log_q, s: ((log_p - log_q)[:, None] * s).mean(0))
        ),
        "Your baseline is the mean over all draws, the draw itself included: the estimate shrinks by 1 - 1/K.": (
            _wrong(
                lambda z, log_p, log_q, s: ((log_p - log_q - (log_p - log_q).mean())[:, None] * s).mean(0)
            )
        ),
        "log q is added. log w = log p(x, z) - log q(z).": _wrong(
            lambda z, log_p, log_q, s: ((log_p + log_q - _left_out(log_p + log_q))[:, None] * s).mean(0)
        ),
        "You added the gradient of log q in the brackets, draw by draw. Here what stands in them is held fixed.": (
            _wrong(
                lambda z, log_p, log_q, s: ((log_p - log_q - _left_out(log_p - log_q) - 1)[:, None] * s).mean(0)
            )
        ),
        "Your baseline is the mean of log p alone. Take it from all of what it is taken off: log p - log q.": (
            _wrong(lambda z, log_p, log_q, s: ((log_p - log_q - _left_out(log_p))[:, None] * s).mean(0))
        ),
        "This is a sum over the draws. An expectation is estimated by a mean.": (
            lambda log_joint, logits, u: len(u) * _elbo_gradient(log_joint, logits, u)
        ),
        "You differentiated for the probability. For a logit the score is z - sigmoid(logit).": (
            lambda log_joint, logits, u: (
                _elbo_gradient(log_joint, logits, u) / (torch.sigmoid(logits) * (1 - torch.sigmoid(logits)))
            )
        ),
        "The coins fall the wrong way: u < p happens with probability p.": (
            lambda log_joint, logits, u: _elbo_gradient(log_joint, logits, 1 - u)
        ),
    },
    also_right=[
        _by_covariance,
        _by_surrogate,
        # The signals f - baseline add up to zero, so that a constant in the score changes nothing.
        _wrong(lambda z, log_p, log_q, s: ((log_p - log_q - _left_out(log_p - log_q))[:, None] * z).mean(0)),
    ],
)  # fmt: skip
