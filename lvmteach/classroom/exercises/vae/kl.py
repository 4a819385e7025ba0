"""The KL."""

from __future__ import annotations

import torch
from torch.distributions import Normal, kl_divergence

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.vae.shared import _kl, _kl_from, _kl_reversed


@drawing
def _codes(draw):
    shapes = [(2, 3), (4, 2), (3, 2, 4), (5,), (3, 1)]
    cases = [(0.4 + draw(*shape), 0.7 * draw(*shape) - 0.3) for shape in shapes]
    prior = torch.zeros(2, 3, dtype=torch.float64)
    return [
        *cases,
        (prior, prior.clone()),
        (40 + draw(2, 30), draw(2, 30) + torch.tensor([[-30.0], [20.0]]).double()),
        (0.003 * draw(3, 4), 0.003 * draw(3, 4)),
    ]


kl = Exercise(
    ask="Return KL(q(z|x) || p(z)) for a diagonal Gaussian q with log scale s and a standard normal prior.",
    reference=_kl,
    cases=_codes,
    misconceptions={
        "You read s as a log variance. Here it is a log scale, s = log sigma: the variance is exp(2 s), its log 2 s.": (
            _kl_from(lambda mu, s: mu**2 + s.exp() - 1 - s)
        ),
        "s has two readings here: a log scale in the variance, a log variance in the logarithm. There it has to be "
        "2 s.": _kl_from(lambda mu, s: mu**2 + (2 * s).exp() - 1 - s),
        "s has two readings here: a log variance in the variance, a log scale in the logarithm. The variance is "
        "exp(2 s).": _kl_from(lambda mu, s: mu**2 + s.exp() - 1 - 2 * s),
        "That is the slide's formula, slips and all. A KL is never negative; what is yours at a large sigma?": (
            _kl_from(lambda mu, s: 1 + 2 * s - mu - (2 * s).exp())
        ),
        "This is minus the KL, as it enters the ELBO. The KL itself is never negative.": lambda mu, s: -_kl(mu, s),
        "mu has to be squared: a mean of -1 is as far from the prior as a mean of 1.": (
            _kl_from(lambda mu, s: mu + (2 * s).exp() - 1 - 2 * s)
        ),
        "Twice too large: the half of the Gaussian's exponent is missing.": lambda mu, s: 2 * _kl(mu, s),
        "The -1 is missing. Where q is the prior (mu = 0, s = 0) the KL must be 0.": (
            _kl_from(lambda mu, s: mu**2 + (2 * s).exp() - 2 * s)
        ),
        "The 1 is taken off once, in all. It belongs to each latent unit.": (
            lambda mu, s: ((mu**2 + (2 * s).exp() - 2 * s).sum(-1) - 1) / 2
        ),
        "The log term is missing. Without it q could shrink to a point at no cost.": (
            _kl_from(lambda mu, s: mu**2 + (2 * s).exp() - 1)
        ),
        "The log term has the wrong sign: a narrow q costs more, not less.": (
            _kl_from(lambda mu, s: mu**2 + (2 * s).exp() - 1 + 2 * s)
        ),
        "You averaged over the units. They are independent: their KLs add.": lambda mu, s: _kl(mu, s) / mu.shape[-1],
        "You averaged over the images as well. Here each keeps its own KL; the loss averages later.": (
            lambda mu, s: _kl(mu, s).mean()
        ),
        "Two things: s is a log scale, and you read it as a log variance; and you averaged over the images, where each "
        "keeps its own KL.": lambda mu, s: _kl(mu, s / 2).mean(),
        "You summed over the images as well. Each keeps its own KL; only the last axis holds latent units.": (
            lambda mu, s: _kl(mu, s).sum()
        ),
        "You summed over the first axis. Latent units are the last one.": (
            lambda mu, s: (mu**2 + (2 * s).exp() - 1 - 2 * s).sum(0) / 2
        ),
        "One number for each unit: sum over them, the last axis.": (
            lambda mu, s: (mu**2 + (2 * s).exp() - 1 - 2 * s) / 2
        ),
        "The arguments are exchanged: this is KL(p || q). The expectation is over q, the distribution named first.": (
            _kl_reversed
        ),
        "You took s for sigma itself. It is the logarithm, and may be negative.": (
            _kl_from(lambda mu, s: mu**2 + s**2 - 1 - 2 * s.log())
        ),
    },
    also_right=[
        lambda mu, s: kl_divergence(Normal(mu, s.exp()), Normal(torch.zeros_like(mu), torch.ones_like(s))).sum(-1),
        lambda mu, s: -0.5 * torch.einsum("...l->...", 1 + 2 * s - mu.square() - torch.exp(s) ** 2),
        lambda mu, s: sum((mu[..., j] ** 2 + s[..., j].exp() ** 2 - 1) / 2 - s[..., j] for j in range(mu.shape[-1])),
    ],
)
