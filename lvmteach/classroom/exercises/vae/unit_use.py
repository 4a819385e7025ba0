"""Which latent units are in use, by the two measures that papers report."""

from __future__ import annotations

import statistics

import torch
from torch.distributions import Normal, kl_divergence

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _unit_use(mu, s):
    nats = ((mu**2 + (2 * s).exp() - 1) / 2 - s).mean(0)
    return mu.var(0) > 0.01, nats


def _by_torch(mu, s):
    spread = (mu - mu.mean(0)).square().sum(0) / (len(mu) - 1)
    return spread > 0.01, kl_divergence(Normal(mu, s.exp()), Normal(torch.zeros_like(mu), 1.0)).mean(0)


def _by_loop(mu, s):
    active, nats = [], []
    for m, t in zip(mu.unbind(1), s.unbind(1), strict=True):
        active.append(statistics.variance(m.tolist()) > 0.01)
        nats.append(torch.mean(m * m + torch.exp(2 * t) - 1 - 2 * t) / 2)
    return torch.tensor(active), torch.stack(nats)


@drawing
def _codes(draw):
    """Units in use, collapsed ones, one with a constant mean that is not 0, a narrow one, five near the border.

    The means of two collapsed ones vary a little: by their standard deviation, or their range, they would be in use.
    """

    def units(B):
        noise = draw(B, 10)
        noise = (noise - noise.mean(0)) / noise.std(0)
        border = [0.14, 0.08, 0.11, 0.1 * (1 + 1e-8), 0.1 * (1 - 1e-8)]
        mean = noise * torch.tensor([0.5, 0.012, 1e-3, 0.008, *border, 0.0], dtype=noise.dtype)
        mean[:, 2] += 0.7
        scale = torch.tensor([0.3, 1.0, 1.0, 1e-6, 0.98, 0.3, 0.98, 30, 1, 1]).to(noise).log()
        scale = scale + 0.02 * draw(B, 10)
        scale[:, -1] = 0  # the prior itself
        return mean, scale

    cases = [units(B) for B in (3, 5, 40, 200)]
    mean, log_scale = units(8)
    none_in_use, far = (0.01 * mean, log_scale), (mean + 3e4 * (mean.std(0) > 0.09), log_scale)
    return [*cases, none_in_use, far]


def _wrong(active=lambda mu, s: mu.var(0) > 0.01, nats=lambda mu, s: _unit_use(mu, s)[1]):
    """A misconception about one of the two."""
    return lambda mu, s: (active(mu, s), nats(mu, s))


unit_use = Exercise(
    ask="Return for each unit whether Var_x(E_q[z]) > 0.01, and its mean KL to the prior.",
    reference=_unit_use,
    cases=_codes,
    misconceptions={
        "Your variance divides by B. Divide by B - 1: three images are few.": _wrong(
            active=lambda mu, s: mu.var(0, correction=0) > 0.01
        ),
        "You compared the standard deviation of the means with 0.01. It is their variance that counts.": _wrong(
            active=lambda mu, s: mu.std(0) > 0.01
        ),
        "You took the mean of mu squared. A mean that is the same for every image tells the decoder nothing.": _wrong(
            active=lambda mu, s: mu.square().mean(0) > 0.01
        ),
        "You took the variance of z, sigma included. Then even the prior is active; only means tell images.": _wrong(
            active=lambda mu, s: mu.var(0) + (2 * s).exp().mean(0) > 0.01
        ),
        "You called a unit active if its KL is large. That is the other measure: a narrow q at one fixed place costs "
        "nats, and says nothing of x.": _wrong(active=lambda mu, s: _unit_use(mu, s)[1] > 0.01),
        "The comparison is turned round: a large variance is active.": _wrong(active=lambda mu, s: mu.var(0) < 0.01),
        "You compared over the units of one image. The variance is over the images, one number a unit.": (
            lambda mu, s: (mu.var(1) > 0.01, _unit_use(mu, s)[1])
        ),
        "You read s as a log variance in the KL. It is a log scale.": _wrong(
            nats=lambda mu, s: ((mu**2 + s.exp() - 1 - s) / 2).mean(0)
        ),
        "The KL is summed over the images. Average: it is nats an image.": _wrong(
            nats=lambda mu, s: _unit_use(mu, s)[1] * len(mu)
        ),
        "The KL is the one of the average code. Average the KLs of the images.": _wrong(
            nats=lambda mu, s: (mu.mean(0) ** 2 + (2 * s.mean(0)).exp() - 1 - 2 * s.mean(0)) / 2
        ),
        "You return the KL of each image. Average over the images: one number a unit.": (
            lambda mu, s: (mu.var(0) > 0.01, (mu**2 + (2 * s).exp() - 1 - 2 * s) / 2)
        ),
    },
    also_right=[_by_torch, _by_loop],
)
