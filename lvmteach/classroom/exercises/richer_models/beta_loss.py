"""The beta-VAE's loss."""

from __future__ import annotations

import torch
from torch.distributions import Normal, kl_divergence

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _kl(mu, s):
    return ((mu**2 + torch.exp(2 * s) - 1) / 2 - s).sum(-1)


def _beta_loss(log_lik, mu, s, beta):
    bound = log_lik.mean(0) - beta * _kl(mu, s)
    return -bound.mean()


@drawing
def _batches(draw):
    shapes = [(1, 2, 3, 4.0), (3, 4, 2, 0.25), (2, 5, 3, 1.0), (5, 1, 2, 10.0)]
    cases = [(3 * draw(K, B) - 80, draw(B, L), 0.5 * draw(B, L) - 0.4, beta) for K, B, L, beta in shapes]
    little = 3 * draw(2, 4) - 80, 0.1 * draw(4, 2), 0.1 * draw(4, 2), 2.0  # codes that say little
    nothing = torch.tensor([1.0, 1.0, 0.0])[:, None]  # the last q is the prior
    narrow = draw(2, 3) + 52, nothing * draw(3, 2), nothing * (draw(3, 2) - 12), 3.3  # and a loss near zero
    return [*cases, little, narrow, (draw(3, 2) - 2, 9 * draw(2, 4), draw(2, 4) + 6, 1.0)]  # and wide ones


def _by_torch(log_lik, mu, s, beta):
    q, p = Normal(mu, s.exp()), Normal(torch.zeros_like(mu), torch.ones_like(s))
    return beta * kl_divergence(q, p).sum(-1).mean() - log_lik.mean()


def _by_loop(log_lik, mu, s, beta):
    total = 0.0
    for b in range(log_lik.shape[1]):
        kl = sum((m**2 + (2 * r).exp()) / 2 - 0.5 - r for m, r in zip(mu[b], s[b], strict=True))
        total = total + beta * kl - log_lik[:, b].mean()
    return total / log_lik.shape[1]


beta_loss = Exercise(
    ask="Return the loss of the beta-VAE: minus the mean over the batch of E log p(x|z) - beta KL(q(z|x) || N(0, I)).",
    reference=_beta_loss,
    cases=_batches,
    misconceptions={
        "beta stands at the other term. It is the price of the rate, the KL.": (
            lambda log_lik, mu, s, beta: -(beta * log_lik.mean(0) - _kl(mu, s)).mean()
        ),
        "You summed the KL over the batch, and the likelihood is a mean: beta then grows with the batch size.": (
            lambda log_lik, mu, s, beta: beta * _kl(mu, s).sum() - log_lik.mean()
        ),
        "You averaged the KL over latent units. They are independent: their KLs add.": (
            lambda log_lik, mu, s, beta: beta * (_kl(mu, s) / mu.shape[1]).mean() - log_lik.mean()
        ),
        "That is the bound itself. A loss is minimised: turn its sign.": (
            lambda log_lik, mu, s, beta: -_beta_loss(log_lik, mu, s, beta)
        ),
        "The KL enters the loss with a plus: it is a price.": (
            lambda log_lik, mu, s, beta: -log_lik.mean() - beta * _kl(mu, s).mean()
        ),
        "You read s as a log variance.": lambda log_lik, mu, s, beta: _beta_loss(log_lik, mu, s / 2, beta),
        "beta is left out: this is minus the ELBO.": lambda log_lik, mu, s, beta: _beta_loss(log_lik, mu, s, 1.0),
        "You summed over the samples. E log p(x|z) is their mean: the first axis.": (
            lambda log_lik, mu, s, beta: -(log_lik.sum(0) - beta * _kl(mu, s)).mean()
        ),
        "You divided by beta. It multiplies the KL.": lambda log_lik, mu, s, beta: _beta_loss(log_lik, mu, s, 1 / beta),
        "A log-mean-exp over the samples: that is the bound of K samples, and each sample would need its own weight "
        "there. Here stands a mean.": (
            lambda log_lik, mu, s, beta: (
                -(torch.logsumexp(log_lik, 0) - torch.tensor(float(len(log_lik))).log() - beta * _kl(mu, s)).mean()
            )
        ),
        "The loss is one number: take the mean over the batch.": (
            lambda log_lik, mu, s, beta: -(log_lik.mean(0) - beta * _kl(mu, s))
        ),
    },
    also_right=[_by_torch, _by_loop],
)
