"""The slide."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.vae.shared import _kl


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
