"""What several exercises of this stage share: cases and wrong answers that more than one of them needs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.distributions import Normal


def _binary(noise):
    return (noise > 0).to(noise)


def _decoder(draw, L, D):
    W, b = 1.5 * draw(L, D), draw(D)

    def decode(z):
        return torch.tanh(z @ W) * 2 + b

    return decode


def _log_bernoulli(x, logits):
    if not ((x == 0) | (x == 1)).all():
        raise ValueError("x must be 0 or 1; grey pixels have no Bernoulli likelihood")
    return (x * logits - F.softplus(logits)).sum(-1)


def _log_bernoulli_by_loop(x, logits):
    total = torch.zeros_like(logits[..., 0])
    for d in range(x.shape[-1]):
        if not set(x[..., d].flatten().tolist()) <= {0.0, 1.0}:
            raise ValueError("not binary")
        total = total + torch.where(x[..., d] > 0, F.logsigmoid(logits[..., d]), F.logsigmoid(-logits[..., d]))
    return total


def _kl(mu, s):
    return (mu**2 + (2 * s).exp() - 1 - 2 * s).sum(-1) / 2


def _kl_from(terms):
    """A misconception: half a sum over units of other terms."""
    return lambda mu, s: terms(mu, s).sum(-1) / 2


def _kl_reversed(mu, s):
    return (s + (1 + mu**2) / (2 * (2 * s).exp()) - 0.5).sum(-1)


def _log_ratio(mu, s, z):
    """log q(z) - log p(z), summed over units, by torch's densities."""
    return (Normal(mu, s.exp()).log_prob(z) - Normal(torch.zeros_like(mu), 1.0).log_prob(z)).sum(-1)


def _sample(mu, s, eps):
    return mu + s.exp() * eps


def _elbo(x, mu, s, eps, decode):
    z = mu + s.exp() * eps
    logits = decode(z)
    log_lik = (x * logits - F.softplus(logits)).sum(-1)
    cost = (mu**2 + (2 * s).exp() - 1 - 2 * s).sum(-1) / 2
    return log_lik.mean(0) - cost
