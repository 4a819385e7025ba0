"""The ELBO."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import CloseWithGradients
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.vae.shared import (
    _binary,
    _decoder,
    _elbo,
    _kl,
    _kl_from,
    _kl_reversed,
    _log_bernoulli,
    _log_bernoulli_by_loop,
    _log_ratio,
    _sample,
)


@drawing
def _images_and_codes(draw):
    cases = []
    for K, B, L, D in ((3, 2, 1, 4), (4, 5, 2, 3), (2, 3, 4, 6), (1, 4, 2, 5)):
        mu, s = 0.4 + draw(B, L), 0.6 * draw(B, L) - 0.3
        cases.append(
            (_binary(draw(B, D)), mu.requires_grad_(), s.requires_grad_(), draw(K, B, L), _decoder(draw, L, D))
        )
    decode = _decoder(draw, 2, 6)
    mu, s = draw(4, 2), draw(4, 2) - torch.tensor([[-3.0], [1], [1], [14]]).double()  # wide to narrow
    surely = (_binary(draw(4, 6)), mu.requires_grad_(), s.requires_grad_(), draw(3, 4, 2), lambda z: 300 * decode(z))
    return [*cases, surely]


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
        "This is the importance weighted bound, the log of a mean of p(x, z) / q(z). The ELBO is a mean of logs.": (
            lambda x, mu, s, eps, decode: (
                torch.logsumexp(
                    _log_bernoulli(x, decode(_sample(mu, s, eps))) - _log_ratio(mu, s, _sample(mu, s, eps)), 0
                )
                - math.log(len(eps))
            )
        ),
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
