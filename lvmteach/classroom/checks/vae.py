"""Stage 07: the variational autoencoder. s is log sigma everywhere; noise and uniforms come in as numbers.

The mistakes are those that most often pass for a VAE: the mean over pixels, grey pixels, a log variance read as a log
scale, a bound minimised, a constant before the KL.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from lvmteach.classroom.checks.compare import CloseWithGradients
from lvmteach.classroom.checks.engine import Choice, Exercise, drawing


def _binary(noise):
    return (noise > 0).to(noise)


def _decoder(draw, L, D):
    W, b = 1.5 * draw(L, D), draw(D)

    def decode(z):
        return torch.tanh(z @ W) * 2 + b

    return decode


def _encoder(draw, D, L):
    W, b = draw(D, 2 * L) / math.sqrt(D), draw(2 * L) / 2

    def encode(x):
        return tuple((x @ W + b).chunk(2, -1))

    return encode


# Bernoulli pixels ----------------------------------------------------------------------------------------------------


def _log_bernoulli(x, logits):
    if not ((x == 0) | (x == 1)).all():
        raise ValueError("x must be 0 or 1; grey pixels have no Bernoulli likelihood")
    return (x * logits - F.softplus(logits)).sum(-1)


@drawing
def _pixels_and_logits(draw):
    cases = [(_binary(draw(*x)), 2 * draw(*logits)) for x, logits in (((2, 3), (2, 3)), ((4, 5), (4, 5)))]
    cases.append((_binary(draw(3, 4)), 3 * draw(2, 3, 4)))
    sure = 800 * torch.tensor([[1, -1, 1, -1, 1, -1], [1, 1, -1, -1, -1, 1]], dtype=torch.float64)
    right_but_for_two = _binary(sure)
    right_but_for_two[0, 1] = 1 - right_but_for_two[0, 1]
    right_but_for_two[1, 0] = 1 - right_but_for_two[1, 0]
    return [*cases, (right_but_for_two, sure + draw(2, 6)), (torch.special.ndtr(draw(2, 5)), draw(2, 5))]


def _refusing(f):
    """A misconception that does refuse grey pixels."""

    def wrong(x, logits):
        _log_bernoulli(x, logits)  # raises where it should
        return f(x, logits)

    return wrong


def _log_p_by_probabilities(x, logits):
    p = torch.sigmoid(logits)
    return (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)


def _log_p_by_torch_loss(x, logits, **how):
    return -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), **how)


def _log_bernoulli_by_loop(x, logits):
    total = torch.zeros_like(logits[..., 0])
    for d in range(x.shape[-1]):
        if not set(x[..., d].flatten().tolist()) <= {0.0, 1.0}:
            raise ValueError("not binary")
        total = total + torch.where(x[..., d] > 0, F.logsigmoid(logits[..., d]), F.logsigmoid(-logits[..., d]))
    return total


def _log_bernoulli_by_sign(x, logits):
    if (x * (1 - x)).abs().max() > 0:
        raise ValueError("not binary")
    return -torch.logaddexp(torch.zeros_like(logits), (1 - 2 * x) * logits).sum(-1)


log_bernoulli = Exercise(
    ask="Return log p(x | z) of binary images from the decoder's logits, one number an image.",
    reference=_log_bernoulli,
    cases=_pixels_and_logits,
    misconceptions={
        "You averaged over the pixels. They are independent given z: their logs add. The mean is D times too small, "
        "and in the ELBO that is a KL weighted by D.": _refusing(
            lambda x, logits: _log_bernoulli(x, logits) / x.shape[-1]
        ),
        "This is the loss, the cross-entropy. A log-likelihood has the opposite sign: for binary pixels it is never "
        "above 0.": _refusing(lambda x, logits: -_log_bernoulli(x, logits)),
        "Right for binary pixels, but you let grey ones pass. For those it is a cross-entropy and no log-likelihood: "
        "its exponential does not integrate to 1. Look at the values of x first, and raise a ValueError.": (
            lambda x, logits: (x * logits - F.softplus(logits)).sum(-1)
        ),
        "The sigmoid of a large logit rounds to 0 or 1; its log is then minus infinity, and 0 times that NaN. Never "
        "leave the logits: log sigmoid can be computed from them directly.": _refusing(_log_p_by_probabilities),
        "exp overflows for large logits. log(1 + exp(l)) has a safe form: softplus, or logaddexp with 0.": (
            _refusing(lambda x, logits: (x * logits - (1 + logits.exp()).log()).sum(-1))
        ),
        "torch's binary_cross_entropy cuts the logarithm off at -100, because it gets probabilities. A pixel that the "
        "model is sure about and gets wrong costs more: stay with logits.": _refusing(
            lambda x, logits: (
                -F.binary_cross_entropy(torch.sigmoid(logits), x.expand_as(logits), reduction="none").sum(-1)
            )
        ),
        "You cut the probabilities off before their logarithm. That hides how wrong a sure model can be: stay with "
        "logits, which need no cutting.": _refusing(
            lambda x, logits: Bernoulli(torch.sigmoid(logits).clamp(1e-6, 1 - 1e-6)).log_prob(x).sum(-1)
        ),
        "You gave Bernoulli probabilities, and near 0 and 1 it cuts them off. It takes logits as well, by name.": (
            _refusing(lambda x, logits: Bernoulli(torch.sigmoid(logits)).log_prob(x).sum(-1))
        ),
        "You added a small number before each logarithm. That shifts every pixel a little, and the sure ones a lot: "
        "stay with logits, which need no such help.": _refusing(
            lambda x, logits: (
                x * (torch.sigmoid(logits) + 1e-8).log() + (1 - x) * (1 - torch.sigmoid(logits) + 1e-8).log()
            ).sum(-1)
        ),
        "You took the logits for probabilities. A logit may be any number; its sigmoid is the probability of a 1.": (
            _refusing(lambda x, logits: (x * logits.log() + (1 - x) * (1 - logits).log()).sum(-1))
        ),
        "The sigmoid is applied twice: the function you call takes logits, and does that itself.": (
            _refusing(lambda x, logits: _log_bernoulli(x, torch.sigmoid(logits)))
        ),
        "Only the pixels that are 1 count. Those that are 0 have a probability as well, 1 minus the sigmoid.": (
            _refusing(lambda x, logits: (x * F.logsigmoid(logits)).sum(-1))
        ),
        "The normaliser is missing: both outcomes share log(1 + exp(l)).": _refusing(
            lambda x, logits: (x * logits).sum(-1)
        ),
        "0 and 1 are exchanged: the sigmoid of the logit is the probability of a 1.": (
            _refusing(lambda x, logits: _log_bernoulli(1 - x, logits))
        ),
        "The normaliser is added. It divides the probability, so its log is taken off.": (
            _refusing(lambda x, logits: (x * logits + F.softplus(logits)).sum(-1))
        ),
        "One number for each pixel: sum over them, the last axis.": (
            _refusing(lambda x, logits: x * logits - F.softplus(logits))
        ),
        "You summed over the images too. Each keeps its own number; only the last axis holds pixels.": (
            _refusing(lambda x, logits: (x * logits - F.softplus(logits)).sum())
        ),
        "You summed over the first axis. Pixels are the last one.": (
            _refusing(lambda x, logits: (x * logits - F.softplus(logits)).sum(0))
        ),
        "torch's loss averages over everything unless told otherwise, and has the sign of a loss.": (
            _refusing(lambda x, logits: -_log_p_by_torch_loss(x, logits))
        ),
        "Turned round, this is torch's mean over everything. Keep each term (reduction='none'), and sum over pixels.": (
            _refusing(lambda x, logits: _log_p_by_torch_loss(x, logits))
        ),
        "This is the probability itself, which underflows for real images. Return its logarithm.": (
            _refusing(lambda x, logits: _log_bernoulli(x, logits).exp())
        ),
        "These are bits: you took logarithms to base 2. Nats need the natural one.": (
            _refusing(lambda x, logits: _log_bernoulli(x, logits) / math.log(2))
        ),
    },
    also_right=[
        _log_bernoulli_by_loop,
        _log_bernoulli_by_sign,
        lambda x, logits: Independent(Bernoulli(logits=logits, validate_args=True), 1).log_prob(x.expand_as(logits)),
        _refusing(lambda x, logits: _log_p_by_torch_loss(x, logits, reduction="none").sum(-1)),
    ],
)


# The KL --------------------------------------------------------------------------------------------------------------


def _kl(mu, s):
    return (mu**2 + (2 * s).exp() - 1 - 2 * s).sum(-1) / 2


@drawing
def _codes(draw):
    shapes = [(2, 3), (4, 2), (3, 2, 4), (5,), (3, 1)]
    cases = [(0.4 + draw(*shape), 0.7 * draw(*shape) - 0.3) for shape in shapes]
    prior = torch.zeros(2, 3, dtype=torch.float64)
    return [*cases, (prior, prior.clone()), (40 + draw(2, 5), draw(2, 5) - 30)]


def _kl_from(terms):
    """A misconception: half a sum over units of other terms."""
    return lambda mu, s: terms(mu, s).sum(-1) / 2


def _kl_reversed(mu, s):
    return (s + (1 + mu**2) / (2 * (2 * s).exp()) - 0.5).sum(-1)


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


# The slide -----------------------------------------------------------------------------------------------------------


def _kl_by_draws(mu, s, eps):
    z = mu + s.exp() * eps
    log_q_over_p = (z**2 - eps**2) / 2 - s
    return log_q_over_p.sum(-1).mean(0)


@drawing
def _codes_and_noise(draw):
    shapes = [(4, 2, 3), (3, 5, 2), (6, 1, 4), (1, 3, 2), (2, 4, 1)]
    return [(0.4 + draw(*shape[1:]), 0.6 * draw(*shape[1:]) - 0.3, draw(*shape)) for shape in shapes]


def _log_ratio(mu, s, z):
    """log q(z) - log p(z), summed over units, by torch's densities."""
    return (Normal(mu, s.exp()).log_prob(z) - Normal(torch.zeros_like(mu), 1.0).log_prob(z)).sum(-1)


def _kl_by_loop_over_draws(mu, s, eps):
    total = torch.zeros_like(mu[..., 0])
    for one in eps:
        total = total + _log_ratio(mu, s, mu + s.exp() * one)
    return total / len(eps)


kl_by_draws = Exercise(
    ask="Return a Monte Carlo estimate of KL(q(z|x) || p(z)) from the given noise, by the definition.",
    reference=_kl_by_draws,
    cases=_codes_and_noise,
    misconceptions={
        "The sign is turned round: it is log q minus log p that is averaged.": lambda *given: -_kl_by_draws(*given),
        "You drew from the prior and averaged log q - log p. Average over q: turn the noise into z first.": (
            lambda mu, s, eps: _log_ratio(mu, s, eps).mean(0)
        ),
        "This is KL(p || q): draws of p, and log p - log q. The slide's name, but not the ELBO's KL.": (
            lambda mu, s, eps: -_log_ratio(mu, s, eps).mean(0)
        ),
        "The density of z has a factor 1/sigma: its log, -s, is missing in log q.": (
            lambda mu, s, eps: (((mu + s.exp() * eps) ** 2 - eps**2) / 2).sum(-1).mean(0)
        ),
        "In log q the factor 1/sigma is on the wrong side: its log is -s.": (
            lambda mu, s, eps: (((mu + s.exp() * eps) ** 2 - eps**2) / 2 + s).sum(-1).mean(0)
        ),
        "The halves in the exponents are missing.": (
            lambda mu, s, eps: ((mu + s.exp() * eps) ** 2 - eps**2 - s).sum(-1).mean(0)
        ),
        "s is a log scale: you read it as a log variance when you drew z, and as a log scale in log q.": (
            lambda mu, s, eps: _log_ratio(mu, s, mu + (s / 2).exp() * eps).mean(0)
        ),
        "You read s as a log variance throughout. It is a log scale: sigma is exp(s).": (
            lambda mu, s, eps: _kl_by_draws(mu, s / 2, eps)
        ),
        "You evaluated the densities at the noise for p and at z for q. Both need the same point, z.": (
            lambda mu, s, eps: (-s + 0 * eps).sum(-1).mean(0)
        ),
        "This is the log of the mean ratio. The KL is the mean of the log: average last.": (
            lambda mu, s, eps: torch.logsumexp(_log_ratio(mu, s, mu + s.exp() * eps), 0) - math.log(len(eps))
        ),
        "This is the mean of log q alone, minus the entropy. The KL needs log p at the same draws, too.": (
            lambda mu, s, eps: Normal(mu, s.exp()).log_prob(mu + s.exp() * eps).sum(-1).mean(0)
        ),
        "One number for each draw: average over the draws, the first axis.": (
            lambda mu, s, eps: _log_ratio(mu, s, mu + s.exp() * eps)
        ),
        "This is the sum over the draws. An expectation is estimated by a mean.": (
            lambda mu, s, eps: _log_ratio(mu, s, mu + s.exp() * eps).sum(0)
        ),
        "You averaged over the units. They are independent: their logs add.": (
            lambda mu, s, eps: _kl_by_draws(mu, s, eps) / mu.shape[-1]
        ),
        "You averaged over everything. Only the first axis holds draws; each image keeps its own KL.": (
            lambda mu, s, eps: _kl_by_draws(mu, s, eps).mean()
        ),
        "That is the closed form. It is what you want to test: let the draws speak, by the definition.": (
            lambda mu, s, eps: _kl(mu, s)
        ),
        "You drew noise of your own. Use the noise that is given.": (
            lambda mu, s, eps: _kl_by_draws(mu, s, torch.randn_like(eps))
        ),
    },
    also_right=[
        _kl_by_loop_over_draws,
        lambda mu, s, eps: _log_ratio(mu, s, mu + s.exp() * eps).mean(0),
        lambda mu, s, eps: ((mu + s.exp() * eps).square() / 2 - eps.square() / 2 - s).mean(0).sum(-1),
    ],
)

slide_repairs = Choice(
    ask="Which repairs, all of them and no more, turn the slide's formula into your kl?",
    options={
        "a": "the sign",
        "b": "the square of mu",
        "c": "the sign, and the square of mu",
        "d": "the sign, the square of mu, and sigma instead of its square",
    },
    feedback={
        "a": "Look at the line with the sign alone: it still misses the draws. Try a mean of -1 and a mean of 1.",
        "b": "Squared, and still below 0, which no KL can be.",
        "c": "Both, and it meets the draws. What is left to repair stands before the formula: its name.",
        "d": "The variance is sigma squared, and so it stands on the slide. Repair only what the draws call wrong.",
    },
    right="c",
)

slide_name = Choice(
    ask="The repaired formula is the KL of which pair, and what does the slide call it?",
    options={
        "a": "KL(q || p), and the slide calls it KL(p || q)",
        "b": "KL(p || q), as the slide says",
        "c": "both: the KL is symmetric for Gaussians",
        "d": "neither: it is the KL only when mu = 0",
    },
    feedback={
        "a": "The draws were from q, and the log ratio had q above. The slide names the arguments the other way round.",
        "b": "Look at the last line: draws from p give another number. Which draws did your kl_by_draws use?",
        "c": "The two lines of draws differ. For Gaussians the KL is symmetric only if their covariances are equal.",
        "d": "It meets the draws from q at the means in the table, and none of them is 0.",
    },
    right="a",
)


def _kl_gradients(mu, s):
    return mu, (2 * s).exp() - 1


def _kl_gradients_by_autograd(mu, s):
    m, t = mu.clone().requires_grad_(), s.clone().requires_grad_()
    return torch.autograd.grad(_kl(m, t).sum(), (m, t))


@drawing
def _some_codes(draw):
    return [(0.4 + draw(*shape), 0.7 * draw(*shape) - 0.3) for shape in ((2, 3), (4, 2), (3, 2, 4), (5,))]


kl_gradients = Exercise(
    ask="Return the gradients of the KL for mu and for s = log sigma.",
    reference=_kl_gradients,
    cases=_some_codes,
    misconceptions={
        "The second is the derivative for sigma. For s = log sigma the chain rule adds a factor sigma.": (
            lambda mu, s: (mu, s.exp() - (-s).exp())
        ),
        "The second is the derivative for the variance. For s the chain rule adds d(sigma squared)/ds.": (
            lambda mu, s: (mu, (1 - (-2 * s).exp()) / 2)
        ),
        "The second is the derivative for log sigma squared, half of what it is for s = log sigma.": (
            lambda mu, s: (mu, ((2 * s).exp() - 1) / 2)
        ),
        "You read s as a log variance. The variance is exp(2 s).": lambda mu, s: (mu, (s.exp() - 1) / 2),
        "In the second, the variance is exp(2 s): exp(s) is the scale.": lambda mu, s: (mu, s.exp() - 1),
        "Both signs are turned round: this is the gradient of -KL, as it enters the ELBO.": (
            lambda mu, s: (-mu, 1 - (2 * s).exp())
        ),
        "The second has the wrong sign: a sigma above 1 is too wide, so there the KL grows with s.": (
            lambda mu, s: (mu, 1 - (2 * s).exp())
        ),
        "The first is twice too large: the half of the formula cancels the 2 of the square.": (
            lambda mu, s: (2 * mu, (2 * s).exp() - 1)
        ),
        "Both are twice too large: the formula has a half in front.": lambda mu, s: (2 * mu, 2 * (2 * s).exp() - 2),
        "The second is twice too large: the half in front belongs to it as well.": (
            lambda mu, s: (mu, 2 * (2 * s).exp() - 2)
        ),
        "The second lacks the -1, which comes from the log term. At sigma = 1 it must be 0.": (
            lambda mu, s: (mu, (2 * s).exp())
        ),
        "In the second the 2 of 2 s is missing: half of exp(2 s) has the derivative exp(2 s).": (
            lambda mu, s: (mu, (2 * s).exp() / 2 - 1)
        ),
        "You differentiated the slide, where mu stands unsquared: its slope is a constant.": (
            lambda mu, s: (0.5 + 0 * mu, (2 * s).exp() - 1)
        ),
        "You differentiated the slide as it is, sign and all.": lambda mu, s: (-0.5 + 0 * mu, 1 - (2 * s).exp()),
        "Both are for mu, as both labels on the slide are. The second is for s.": lambda mu, s: (mu, mu),
        "The two results are exchanged: first the gradient for mu, then for s.": lambda mu, s: _kl_gradients(mu, s)[
            ::-1
        ],
        "You differentiated KL(p || q). The arguments are exchanged.": (
            lambda mu, s: (mu / (2 * s).exp(), 1 - (1 + mu**2) / (2 * s).exp())
        ),
        "You summed over the units. A gradient has the shape of what it is for.": (
            lambda mu, s: tuple(one.sum(-1) for one in _kl_gradients(mu, s))
        ),
        "You averaged the KL over the images first. Return the gradient of each image's own KL.": (
            lambda mu, s: tuple(one / math.prod(mu.shape[:-1]) for one in _kl_gradients(mu, s))
        ),
    },
    also_right=[
        _kl_gradients_by_autograd,
        lambda mu, s: (mu.clone(), torch.expm1(2 * s)),
        lambda mu, s: (mu * 1.0, (s.exp() - 1) * (s.exp() + 1)),
    ],
)


# The sampler ---------------------------------------------------------------------------------------------------------


def _sample(mu, s, eps):
    return mu + s.exp() * eps


@drawing
def _codes_with_gradients_and_noise(draw):
    shapes = [(4, 2, 3), (3, 5, 2), (1, 3, 4), (6, 1, 2)]
    return [((0.4 + draw(*shape[1:])).requires_grad_(), (0.6 * draw(*shape[1:]) - 0.3).requires_grad_(), draw(*shape))
            for shape in shapes]  # fmt: skip


sample = Exercise(
    ask="Return K reparameterised draws from q(z|x) for each image, made from the given noise.",
    reference=_sample,
    cases=_codes_with_gradients_and_noise,
    compare=CloseWithGradients(),
    misconceptions={
        "You read s as a log variance. Here it is a log scale: sigma is exp(s), without a half.": (
            lambda mu, s, eps: _sample(mu, s / 2, eps)
        ),
        "You multiplied the noise by the variance. A draw scales with sigma.": lambda mu, s, eps: _sample(
            mu, 2 * s, eps
        ),
        "s may be negative: it is log sigma. Turn it into a scale before it multiplies the noise.": (
            lambda mu, s, eps: mu + s * eps
        ),
        "softplus is another way to make a scale positive. Here s is log sigma, and only exp undoes a log.": (
            lambda mu, s, eps: mu + F.softplus(s) * eps
        ),
        "The draws are right, but cut off from mu and s: there is nothing left to learn by. Leave out .detach() and "
        "no_grad.": lambda mu, s, eps: _sample(mu, s, eps).detach(),
        "torch.normal and .sample() draw noise of their own, and no gradient passes through them. Make the draws from "
        "eps.": lambda mu, s, eps: torch.normal(mu.expand_as(eps), s.exp().expand_as(eps)),
        "This is one draw for each image. Return all K of them, along the first axis.": (
            lambda mu, s, eps: _sample(mu, s, eps[0])
        ),
        "The draws are right, but no gradient reaches s: its scale is detached.": (
            lambda mu, s, eps: _sample(mu, s.detach(), eps)
        ),
        "The draws are right, but no gradient reaches mu: it is detached.": lambda mu, s, eps: _sample(
            mu.detach(), s, eps
        ),
        "The noise is missing: this is mu for each draw, and the model an autoencoder.": lambda mu, s, eps: (
            mu + 0 * eps
        ),
        "The noise is not scaled: every image gets sigma = 1.": lambda mu, s, eps: mu + eps,
        "These are draws about 0. mu says where.": lambda mu, s, eps: s.exp() * eps,
        "You scaled mu as well. The scale belongs to the noise alone.": lambda mu, s, eps: (mu + eps) * s.exp(),
        "You divided by sigma: that is the way back, from z to the noise.": lambda mu, s, eps: (eps - mu) / s.exp(),
        "You drew noise of your own. Use the noise that is given.": lambda mu, s, eps: _sample(
            mu, s, torch.randn_like(eps)
        ),
        "All draws of an image are the same one. Each has its own noise.": (
            lambda mu, s, eps: _sample(mu, s, eps[:1].expand_as(eps))
        ),
        "You averaged the draws: that is nearly mu. Return all K of them.": lambda mu, s, eps: _sample(mu, s, eps).mean(
            0
        ),
    },
    also_right=[
        lambda mu, s, eps: torch.stack([torch.addcmul(mu, torch.exp(s), one) for one in eps]),
        lambda mu, s, eps: mu[None] + torch.einsum("bl,kbl->kbl", (2 * s).exp().sqrt(), eps),
        lambda mu, s, eps: torch.distributions.AffineTransform(mu, s.exp())(eps),
    ],
)


# The ELBO ------------------------------------------------------------------------------------------------------------


def _elbo(x, mu, s, eps, decode):
    z = mu + s.exp() * eps
    logits = decode(z)
    log_lik = (x * logits - F.softplus(logits)).sum(-1)
    cost = (mu**2 + (2 * s).exp() - 1 - 2 * s).sum(-1) / 2
    return log_lik.mean(0) - cost


@drawing
def _images_and_codes(draw):
    cases = []
    for K, B, L, D in ((3, 2, 1, 4), (4, 5, 2, 3), (2, 3, 4, 6), (1, 4, 2, 5)):
        mu, s = 0.4 + draw(B, L), 0.6 * draw(B, L) - 0.3
        cases.append(
            (_binary(draw(B, D)), mu.requires_grad_(), s.requires_grad_(), draw(K, B, L), _decoder(draw, L, D))
        )
    return cases


def _elbo_with(draw=_sample, data=_log_bernoulli, cost=_kl, over=lambda log_lik: log_lik.mean(0), weight=None):
    """A misconception: the bound with one part changed. weight: of the KL, as a function of D."""

    def wrong(x, mu, s, eps, decode):
        beta = 1.0 if weight is None else weight(x.shape[-1])
        return over(data(x, decode(draw(mu, s, eps)))) - beta * cost(mu, s)

    return wrong


def _elbo_by_draws(x, mu, s, eps, decode):
    z = _sample(mu, s, eps)
    return (_log_bernoulli(x, decode(z)) - _log_ratio(mu, s, z)).mean(0)


def _elbo_by_loop(x, mu, s, eps, decode):
    total = -kl_divergence(Normal(mu, s.exp()), Normal(torch.zeros_like(mu), 1.0)).sum(1)
    for one in eps:
        total = total + _log_bernoulli_by_loop(x, decode(mu + s.exp() * one)) / len(eps)
    return total


def _elbo_from_a_loss(x, mu, s, eps, decode):
    logits = decode(_sample(mu, s, eps))
    lost = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1).mean(0)
    return -(lost - 0.5 * (1 + 2 * s - mu.square() - s.exp().square()).sum(-1))


elbo = Exercise(
    ask="Return the ELBO of each image, with K draws for the data term and the KL in closed form.",
    reference=_elbo,
    cases=_images_and_codes,
    compare=CloseWithGradients(),
    misconceptions={
        "The data term is a mean over pixels: against it the KL weighs D times too much, and the latent space "
        "collapses. Sum over pixels.": _elbo_with(data=lambda x, logits: _log_bernoulli(x, logits) / x.shape[-1]),
        "This is the loss. The bound has the opposite sign: it goes up in training, and stays below 0.": (
            lambda *given: -_elbo(*given)
        ),
        "Two things: this is a loss, the bound has the opposite sign; and its data term is a mean over pixels, against "
        "which the KL weighs D times too much.": lambda *given: (
            -_elbo_with(data=lambda x, logits: _log_bernoulli(x, logits) / x.shape[-1])(*given)
        ),
        "The KL is added. It is what the code costs: take it off.": _elbo_with(weight=lambda D: -1.0),
        "The KL is divided by the number of pixels. With a weight below 1 this is no bound any more: it may lie above "
        "log p(x).": _elbo_with(weight=lambda D: 1 / D),
        "Both terms are divided by the number of pixels: the right objective in other units. A bound on log p(x) sums "
        "over pixels.": lambda x, *given: _elbo(x, *given) / x.shape[-1],
        "The KL is missing: this is the reconstruction alone, an autoencoder's objective.": (
            _elbo_with(weight=lambda D: 0.0)
        ),
        "The KL is twice too large: its half is missing.": _elbo_with(weight=lambda D: 2.0),
        "You decoded mu. The data term is an expectation over q: decode the draws.": (
            _elbo_with(draw=lambda mu, s, eps: mu + 0 * eps)
        ),
        "You averaged the draws before decoding. Decode each one, then average its log-likelihood.": (
            _elbo_with(draw=lambda mu, s, eps: _sample(mu, s, eps).mean(0, keepdim=True))
        ),
        "The mean over draws is inside the logarithm. The ELBO takes the mean of logs.": (
            _elbo_with(over=lambda log_lik: torch.logsumexp(log_lik, 0) - math.log(len(log_lik)))
        ),
        "The data term is summed over the draws: K times too much. Take the mean.": (
            _elbo_with(over=lambda log_lik: log_lik.sum(0))
        ),
        "Only the first draw is used.": _elbo_with(over=lambda log_lik: log_lik[0]),
        "One number for each draw: average over the draws, the first axis.": _elbo_with(over=lambda log_lik: log_lik),
        "You averaged over the images as well. Return one bound for each; the loss averages later.": (
            lambda *given: _elbo(*given).mean()
        ),
        "Each image pays the KL of all of them. The KL has one number for each image, as the data term has.": (
            _elbo_with(cost=lambda mu, s: _kl(mu, s).sum())
        ),
        "Each image pays the mean KL of the batch. It should pay its own.": _elbo_with(
            cost=lambda mu, s: _kl(mu, s).mean()
        ),
        "The KL is averaged over the latent units. They are independent: their KLs add.": (
            _elbo_with(cost=lambda mu, s: _kl(mu, s) / mu.shape[-1])
        ),
        "Your sampler reads s as a log variance, your KL as a log scale. Both need sigma = exp(s).": (
            _elbo_with(draw=lambda mu, s, eps: _sample(mu, s / 2, eps))
        ),
        "Your KL reads s as a log variance, your sampler as a log scale. Both need sigma = exp(s).": (
            _elbo_with(cost=lambda mu, s: _kl(mu, s / 2))
        ),
        "You read s as a log variance throughout. That would be consistent, but here s is log sigma.": (
            lambda x, mu, s, eps, decode: _elbo(x, mu, s / 2, eps, decode)
        ),
        "Here the KL is the slide's formula. Use your own.": (
            _elbo_with(cost=_kl_from(lambda mu, s: 1 + 2 * s - mu - (2 * s).exp()))
        ),
        "This is KL(p || q). The ELBO has KL(q || p).": _elbo_with(cost=_kl_reversed),
        "The value is right, but in the data term the draws are cut off from mu and s: the encoder would learn from "
        "the KL alone.": _elbo_with(draw=lambda mu, s, eps: _sample(mu, s, eps).detach()),
        "The value is right, and no gradient is left to learn from. Leave out .detach(), .item() and no_grad.": (
            lambda *given: _elbo(*given).detach()
        ),
        "decode gives logits, and log_bernoulli takes them: there is a sigmoid too many.": (
            _elbo_with(data=lambda x, logits: _log_bernoulli(x, torch.sigmoid(logits)))
        ),
        "You drew noise of your own. Use the noise that is given.": (
            _elbo_with(draw=lambda mu, s, eps: _sample(mu, s, torch.randn_like(eps)))
        ),
        "That is the ELBO too, with the KL estimated from the draws: the same on average, and mostly noisier. Here use "
        "the closed form.": _elbo_by_draws,
    },
    also_right=[_elbo_by_loop, _elbo_from_a_loss, _elbo_with()],
)


# Training ------------------------------------------------------------------------------------------------------------


class Model(nn.Module):
    """A small VAE with given parameters; `model(x, eps)` is the bound of each image, (B,)."""

    def __init__(self, W, V):
        super().__init__()
        self.W, self.V = nn.Parameter(W), nn.Parameter(V)

    def forward(self, x, eps):
        mu, s = (x @ self.W).chunk(2, -1)
        return _elbo(x, mu, s, eps, lambda z: z @ self.V)


class Batches:
    """Pairs (x, eps) that can be gone through, as often as one likes, but not counted or indexed."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def __iter__(self):
        return iter(self.pairs)


def plain(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def with_momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.8)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.1)


@drawing
def _runs(draw):
    cases = []
    for make_optimiser, sizes, L, D in (
        (with_momentum, (3, 5, 2), 2, 4),
        (adam, (2, 4, 3, 6), 1, 5),
        (plain, (4, 2, 5, 3, 1), 3, 6),
    ):
        batches = Batches(*((_binary(draw(B, D)), draw(2, B, L)) for B in sizes))
        cases.append((Model(0.4 * draw(D, 2 * L), 0.7 * draw(L, D)), make_optimiser, batches))
    return cases


def _train_steps(model, make_optimiser, batches):
    optimiser = make_optimiser(model.parameters())
    bounds = []
    for x, eps in batches:
        bound = model(x, eps).mean()
        optimiser.zero_grad()
        (-bound).backward()
        optimiser.step()
        bounds.append(bound.detach())
    return torch.stack(bounds)


def _steps_with(loss=lambda bounds: -bounds.mean(), after="zero backward step", told=lambda bounds: bounds.mean()):
    """A misconception: the loop with another loss, other calls or another order of them, or another report."""

    def wrong(model, make_optimiser, batches):
        optimiser, report = make_optimiser(model.parameters()), []
        for x, eps in batches:
            if "anew" in after:
                optimiser = make_optimiser(model.parameters())
            bounds = model(x, eps)
            calls = {"zero": optimiser.zero_grad, "backward": loss(bounds).backward, "step": optimiser.step}
            for word in after.split():
                calls.get(word, lambda: None)()
            report.append(told(model(x, eps) if "look" in after else bounds).detach())
        return torch.stack(report)

    return wrong


def _steps_by_autograd(model, make_optimiser, batches):
    parameters = list(model.parameters())
    optimiser, report = make_optimiser(parameters), []
    for x, eps in batches:
        bound = model(x, eps).sum() / len(x)
        for parameter, grad in zip(parameters, torch.autograd.grad(bound, parameters), strict=True):
            parameter.grad = -grad
        optimiser.step()
        report.append(bound.item())
    return torch.tensor(report, dtype=torch.float64)


def _steps_by_closure(model, make_optimiser, batches):
    optimiser = make_optimiser(model.parameters())

    def loss_of(x, eps):
        optimiser.zero_grad()
        loss = -torch.mean(model(x, eps))
        loss.backward()
        return loss

    return torch.stack([-optimiser.step(lambda x=x, eps=eps: loss_of(x, eps)).detach() for x, eps in batches])


def _maximising(model, make_optimiser, batches):
    optimiser, report = make_optimiser(model.parameters()), []
    for group in optimiser.param_groups:
        group["maximize"] = True
    for x, eps in batches:
        bounds = model(x, eps)
        bounds.mean().backward()
        optimiser.step()
        model.zero_grad()
        report.append(bounds.mean().detach())
    return torch.stack(report)


train_steps = Exercise(
    ask="Train the model, one update a batch, and return the mean bound of each batch before its update.",
    reference=_train_steps,
    cases=_runs,
    misconceptions={
        "You minimised the bound: it falls. An optimiser minimises what you call backward on: give it the loss, minus "
        "the bound.": _steps_with(loss=lambda bounds: bounds.mean()),
        "The training is right, but these are the losses. Return the bounds: the opposite sign.": (
            _steps_with(told=lambda bounds: -bounds.mean())
        ),
        "Gradients pile up: backward adds to what is there. Clear them before it, in each step.": (
            _steps_with(after="backward step")
        ),
        "Two things: these are losses, the bounds have the opposite sign; and gradients pile up, because backward "
        "adds to what is there.": _steps_with(after="backward step", told=lambda bounds: -bounds.mean()),
        "The parameters never move during the loop: no optimiser.step() after backward, or gradients cleared between "
        "the two.": _steps_with(after="zero backward"),
        "Each step goes along the gradient of the batch before: step comes after backward.": (
            _steps_with(after="step zero backward")
        ),
        "Your loss is a sum over the images: the step grows with the batch. Average.": (
            _steps_with(loss=lambda bounds: -bounds.sum())
        ),
        "The training is right, but the bounds you return are summed over the images. Average them.": (
            _steps_with(told=lambda bounds: bounds.sum())
        ),
        "Loss and report are sums over the images. Average both: batches differ in size.": (
            _steps_with(loss=lambda bounds: -bounds.sum(), told=lambda bounds: bounds.sum())
        ),
        "You make a new optimiser for each batch, so it forgets its momentum. Make one, before the loop.": (
            _steps_with(after="zero backward step anew")
        ),
        "You measured the bound after the update. Return the one that the update was made from.": (
            _steps_with(after="zero backward step look")
        ),
        "You return the last bound only. One for each batch, in order.": lambda *given: _train_steps(*given)[-1],
        "You averaged over the batches. Return one bound for each, in order.": lambda *given: _train_steps(
            *given
        ).mean(),
        "Each batch is used for two updates. One each.": _steps_with(after="zero backward step step"),
        "The training is right, but you return what the loss sums up, image by image, in one long row. One mean for "
        "each batch.": lambda model, make_optimiser, batches: torch.cat(_each_image(model, make_optimiser, batches)),
    },
    also_right=[_steps_by_autograd, _steps_by_closure, _maximising],
)


def _each_image(model, make_optimiser, batches):
    optimiser, report = make_optimiser(model.parameters()), []
    for x, eps in batches:
        bounds = model(x, eps)
        optimiser.zero_grad()
        (-bounds.mean()).backward()
        optimiser.step()
        report.append(bounds.detach())
    return report


pixel_mean = Choice(
    ask="Data term averaged over D = 784 pixels, KL summed over units. What will training give?",
    options={
        "a": "the same model: a constant factor only changes the scale of the loss",
        "b": "sharper images: the KL counts for less",
        "c": "one and the same image for every z: no unit pays for its KL",
        "d": "no training at all: the loss becomes NaN",
    },
    feedback={
        "a": "A factor before the whole loss would. This one stands before one of two terms.",
        "b": "The other way round: the data term has been made 784 times smaller, so the KL counts for more.",
        "c": "The KL weighs 784 times what it should. A nat of KL would have to gain 784 nats of data term.",
        "d": "The loss is small and harmless to look at: a cross-entropy below 1. That is why it goes unnoticed.",
    },
    right="c",
)

two_wrongs = Choice(
    ask="The same colleague puts 1/784 before the KL. What is the objective now?",
    options={
        "a": "the ELBO divided by 784: the right optimum, on another scale",
        "b": "a beta-VAE with beta = 1/784, no bound on anything",
        "c": "the mean over pixels once more: it collapses",
        "d": "the ELBO itself",
    },
    feedback={
        "a": "Two wrongs, one right. Whoever copies only one of the two constants gets a puzzle.",
        "b": "It would be, if the data term were a sum. Divide both terms by the same number and look again.",
        "c": "The KL is as small now as the data term: their ratio is what it should be.",
        "d": "Nearly: it has the ELBO's optimum, but not its value, and cannot be compared with log p(x).",
    },
    right="a",
)


# Decode a grid -------------------------------------------------------------------------------------------------------


def _decode_grid(decode, n):
    quantiles = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    side = torch.special.ndtri(quantiles)
    z = torch.cartesian_prod(side.flip(0), side).flip(1)
    return torch.sigmoid(decode(z))


def _grid_with(side=None, points=None, link=torch.sigmoid):
    """A misconception: other coordinates along a side, another order of the points, or no probabilities."""

    def wrong(decode, n):
        at = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n) if side is None else side(n)
        z = torch.cartesian_prod(at.flip(0), at).flip(1) if points is None else points(at)
        return link(decode(z))

    return wrong


def _grid_by_loop(decode, n):
    side = [Normal(0.0, 1.0).icdf(torch.tensor((i + 0.5) / n, dtype=torch.float64)) for i in range(n)]
    return torch.stack([torch.sigmoid(decode(torch.stack([z_1, z_2])[None])[0]) for z_2 in side[::-1] for z_1 in side])


def _grid_by_meshgrid(decode, n):
    side = math.sqrt(2) * torch.erfinv(2 * torch.linspace(0.5 / n, 1 - 0.5 / n, n, dtype=torch.float64) - 1)
    z_1, z_2 = torch.meshgrid(side, -side, indexing="xy")
    return 1 / (1 + (-decode(torch.stack([z_1.flatten(), z_2.flatten()], 1))).exp())


decode_grid = Exercise(
    ask="Return the decoder's images on a grid of n x n equally probable cells of the plane, from the top left.",
    reference=_decode_grid,
    cases=drawing(lambda draw: [(_decoder(draw, 2, D), n) for n, D in ((2, 3), (3, 5), (4, 2), (1, 4), (7, 3))]),
    misconceptions={
        "These are logits. An image needs the probability of each pixel.": _grid_with(link=lambda logits: logits),
        "These are black and white draws. The mean of p(x|z) is what to show: the probabilities themselves.": (
            _grid_with(link=lambda logits: torch.bernoulli(torch.sigmoid(logits)))
        ),
        "These are rounded to black and white. Keep the probabilities.": (
            _grid_with(link=lambda logits: torch.sigmoid(logits).round())
        ),
        "The sigmoid is applied twice.": _grid_with(link=lambda logits: torch.sigmoid(torch.sigmoid(logits))),
        "A softmax makes the pixels of an image compete. Each is a Bernoulli of its own: sigmoid.": (
            _grid_with(link=lambda logits: torch.softmax(logits, -1))
        ),
        "The two coordinates are exchanged: along a row z_1 changes, from row to row z_2.": (
            _grid_with(points=lambda at: torch.cartesian_prod(at.flip(0), at))
        ),
        "The picture is upside down: images run from the top, so z_2 begins at its largest.": (
            _grid_with(points=lambda at: torch.cartesian_prod(at, at).flip(1))
        ),
        "Coordinates exchanged, and rows from the bottom: what cartesian_prod or meshgrid gives by itself.": (
            _grid_with(points=lambda at: torch.cartesian_prod(at, at))
        ),
        "Left and right are exchanged: in a row z_1 grows.": (
            _grid_with(points=lambda at: torch.cartesian_prod(at.flip(0), at.flip(0)).flip(1))
        ),
        "You took the quantiles for coordinates. The normal's inverse distribution function turns them into z.": (
            _grid_with(side=lambda n: (torch.arange(n, dtype=torch.float64) + 0.5) / n)
        ),
        "That is the distribution function. You need its inverse: from probabilities to z.": (
            _grid_with(side=lambda n: torch.special.ndtr((torch.arange(n, dtype=torch.float64) + 0.5) / n))
        ),
        "Your quantiles include 0 and 1, which lie at infinity. Take the middle of each of n cells.": (
            _grid_with(side=lambda n: torch.special.ndtri(torch.linspace(0, 1, n, dtype=torch.float64)))
        ),
        "Your first quantile is 0, at minus infinity: these are left ends of cells. Take their middles.": (
            _grid_with(side=lambda n: torch.special.ndtri(torch.arange(n, dtype=torch.float64) / n))
        ),
        "These points divide the line into n + 1 equal parts. Take the middles of n parts.": (
            _grid_with(side=lambda n: torch.special.ndtri(torch.arange(1, n + 1, dtype=torch.float64) / (n + 1)))
        ),
        "Equal steps in z: most cells lie where the prior hardly goes. Equal steps in probability are asked for.": (
            _grid_with(side=lambda n: torch.linspace(-3, 3, n, dtype=torch.float64))
        ),
        "Equal steps in z, from -2 to 2. Equal steps in probability are asked for.": (
            _grid_with(side=lambda n: torch.linspace(-2, 2, n, dtype=torch.float64))
        ),
        "These are n points on a diagonal. A grid combines each z_1 with each z_2.": (
            _grid_with(points=lambda at: torch.stack([at, at], 1))
        ),
    },
    also_right=[_grid_by_loop, _grid_by_meshgrid],
)


# Impute --------------------------------------------------------------------------------------------------------------


def _impute(x, missing, encode, decode, eps, u):
    total = torch.zeros_like(x)
    for noise, uniform in zip(eps, u, strict=True):
        mu, s = encode(x)
        p = torch.sigmoid(decode(mu + s.exp() * noise))
        x = torch.where(missing, (uniform < p).to(x), x)
        total = total + p
    return x, torch.where(missing, total / len(u), x)


@drawing
def _holes(draw):
    cases = []
    for T, B, D, L in ((3, 2, 6, 1), (4, 3, 9, 2), (1, 5, 7, 3), (6, 1, 20, 2), (5, 4, 12, 3)):
        x, missing = _binary(draw(B, D)), draw(B, D) > -0.2
        cases.append(
            (x, missing, _encoder(draw, D, L), _decoder(draw, L, D), draw(T, B, L), torch.special.ndtr(draw(T, B, D)))
        )
    return cases


def _impute_with(code=_sample, fill=None, again=True, every=None, average=None, at_last=None):
    """A misconception: the turns with one part changed.

    fill: (missing, p, uniform, x) -> x. again: encode the x of the last turn, not the first. every: the turn whose
    noise is used. average: (p's and x's of all turns) -> mean.
    """

    def wrong(x, missing, encode, decode, eps, u):
        first, p_s, x_s = x, [], []
        for turn in range(len(eps)):
            at = turn if every is None else every
            mu, s = encode(x if again else first)
            p = torch.sigmoid(decode(code(mu, s, eps[at])))
            x = (fill or _fill)(missing, p, u[at], x)
            p_s.append(p)
            x_s.append(x)
        mean = sum(p_s) / len(p_s) if average is None else average(p_s, x_s)
        return x, torch.where(missing, mean, first) if at_last is None else at_last(missing, mean, first)

    return wrong


def _fill(missing, p, uniform, x):
    return torch.where(missing, (uniform < p).to(x), x)


def _impute_by_hand(x, missing, encode, decode, eps, u):
    """Image by image, and pixel by pixel."""
    filled, mean = x.clone(), x.clone()
    for i in range(len(x)):
        total = torch.zeros_like(x[i])
        for noise, uniform in zip(eps[:, i], u[:, i], strict=True):
            mu, s = encode(filled[i : i + 1])
            p = torch.sigmoid(decode(mu + torch.exp(s) * noise))[0]
            for d in missing[i].nonzero().flatten():
                filled[i, d] = 1.0 if uniform[d] < p[d] else 0.0
            total += p
        mean[i, missing[i]] = total[missing[i]] / len(u)
    return filled, mean


def _impute_by_masking(x, missing, encode, decode, eps, u):
    seen, hole = x * ~missing, missing.to(x)
    shown = torch.zeros_like(x)
    for noise, uniform in zip(eps, u, strict=True):
        mu, s = encode(x)
        p = 1 / (1 + (-decode(torch.addcmul(mu, s.exp(), noise))).exp())
        x = seen + hole * (p - uniform > 0)
        shown = shown + p * hole / len(eps)
    return x, seen + shown


impute = Exercise(
    ask="Fill in missing pixels by turns of q and p; return the last filling, and the mean probability of each pixel.",
    reference=_impute,
    cases=_holes,
    misconceptions={
        "You drew the seen pixels anew as well. Keep them: only where missing is True may anything change.": (
            _impute_with(fill=lambda missing, p, uniform, x: (uniform < p).to(x))
        ),
        "The mask is turned round: True marks what is missing.": _impute_with(
            fill=lambda missing, p, uniform, x: _fill(~missing, p, uniform, x),
            at_last=lambda missing, mean, first: torch.where(missing, first, mean),
        ),
        "You filled in the probabilities. The turns are draws: z from q, then pixels from p, 0 or 1.": (
            _impute_with(fill=lambda missing, p, uniform, x: torch.where(missing, p, x))
        ),
        "You rounded the probabilities. A pixel of probability 0.7 is 0 in three turns of ten: compare with u.": (
            _impute_with(fill=lambda missing, p, uniform, x: torch.where(missing, p.round(), x))
        ),
        "0 and 1 are exchanged: u lies below p with probability p, and then the pixel is 1.": (
            _impute_with(fill=lambda missing, p, uniform, x: torch.where(missing, (uniform > p).to(x), x))
        ),
        "Each turn encodes the first x. It has to encode what the turn before has made.": _impute_with(again=False),
        "You decoded mu. Each turn draws z from q, with its own noise.": (
            _impute_with(code=lambda mu, s, eps: mu + 0 * eps)
        ),
        "You decoded the noise itself: z comes from the prior, and the seen pixels are never asked.": (
            _impute_with(code=lambda mu, s, eps: eps)
        ),
        "encode gives a log scale: you read it as a log variance.": (
            _impute_with(code=lambda mu, s, eps: mu + (s / 2).exp() * eps)
        ),
        "s may be negative: it is log sigma. Take exp before it multiplies the noise.": (
            _impute_with(code=lambda mu, s, eps: mu + s * eps)
        ),
        "There is one turn only: does return stand inside the loop?": (
            lambda x, missing, encode, decode, eps, u: _impute(x, missing, encode, decode, eps[:1], u[:1])
        ),
        "The last turn is left out.": (
            lambda x, missing, encode, decode, eps, u: (
                _impute(x, missing, encode, decode, eps[:-1], u[:-1]) if len(u) > 1 else (x, x)
            )
        ),
        "Every turn uses the same noise. eps[t] and u[t] belong to turn t.": _impute_with(every=0),
        "You drew random numbers of your own. Use eps and u.": (
            lambda x, missing, encode, decode, eps, u: _impute(
                x, missing, encode, decode, torch.randn_like(eps), torch.rand_like(u)
            )
        ),
        "The filling is right. For the mean divide the sum over the turns by their number.": (
            _impute_with(average=lambda p_s, x_s: sum(p_s))
        ),
        "The filling is right. The mean is the probability of the last turn only: average over all turns.": (
            _impute_with(average=lambda p_s, x_s: p_s[-1])
        ),
        "The filling is right. You averaged the drawn pixels: the probabilities they were drawn from say the same, "
        "with less noise.": _impute_with(average=lambda p_s, x_s: sum(x_s) / len(x_s)),
        "The filling is right. In the mean, seen pixels are known: they keep their value.": (
            _impute_with(at_last=lambda missing, mean, first: mean)
        ),
        "The filling is right. For the mean, average probabilities, not logits.": _impute_with(
            average=lambda p_s, x_s: torch.sigmoid(sum(p.logit() for p in p_s) / len(p_s))
        ),
        "decode gives logits. You took them for probabilities.": (
            lambda x, missing, encode, decode, eps, u: _impute(x, missing, encode, lambda z: decode(z).logit(), eps, u)
        ),
        "The two results are exchanged: first the filling, then the mean.": lambda *given: _impute(*given)[::-1],
    },
    also_right=[_impute_by_hand, _impute_by_masking, _impute_with()],
)
