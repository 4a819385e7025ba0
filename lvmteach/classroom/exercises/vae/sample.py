"""The sampler."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import CloseWithGradients
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.vae.shared import _sample


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
