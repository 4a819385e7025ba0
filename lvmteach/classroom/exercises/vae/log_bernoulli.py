"""Bernoulli pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Independent

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.vae.shared import _binary, _log_bernoulli, _log_bernoulli_by_loop


@drawing
def _pixels_and_logits(draw):
    cases = [(_binary(draw(*x)), 2 * draw(*logits)) for x, logits in (((2, 3), (2, 3)), ((4, 5), (4, 5)))]
    cases.append((_binary(draw(3, 4)), 9 * draw(2, 3, 4)))
    cases += [(torch.full((2, 4), pixel).double(), draw(2, 4)) for pixel in (0.0, 1.0)]
    sure = 800 * torch.tensor([[1, -1, 1, -1, 1, -1], [1, 1, -1, -1, -1, 1]], dtype=torch.float64)
    right_but_for_two = _binary(sure)
    right_but_for_two[0, 1] = 1 - right_but_for_two[0, 1]
    right_but_for_two[1, 0] = 1 - right_but_for_two[1, 0]
    refused = [(torch.special.ndtr(draw(2, 5)), draw(2, 5)), (2 * _binary(draw(2, 5)) - 1, draw(2, 5))]
    for at, value in (((1, 2), 0.5), ((2, 0), 255), ((0, 1), 1 / 255), ((2, 3), 1 - 1e-9)):
        x = _binary(draw(3, 4))
        x[at] = value  # one pixel of one image
        refused.append((x, draw(3, 4)))
    return [*cases, (right_but_for_two, sure + draw(2, 6)), *refused]


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


def _log_bernoulli_by_sign(x, logits):
    if (x * (1 - x)).abs().max() > 0:
        raise ValueError("not binary")
    return -torch.logaddexp(torch.zeros_like(logits), (1 - 2 * x) * logits).sum(-1)


def _unless(refused, x, logits):
    if refused:
        raise ValueError("grey pixels")
    return (x * logits - F.softplus(logits)).sum(-1)


log_bernoulli = Exercise(
    ask="Return log p(x | z) of binary images from the decoder's logits, one number an image.",
    reference=_log_bernoulli,
    cases=_pixels_and_logits,
    misconceptions={
        "You refuse an x all of whose pixels are grey. A single grey pixel is enough.": (
            lambda x, logits: _unless(((x != 0) & (x != 1)).all(), x, logits)
        ),
        "You look at the first image alone before you refuse. Any image may hold grey pixels.": (
            lambda x, logits: _unless(((x[0] != 0) & (x[0] != 1)).any(), x, logits)
        ),
        "You refuse images that are all black or all white. Those are binary too: ask whether each pixel is 0 or 1.": (
            lambda x, logits: _unless(x.min() != 0 or x.max() != 1 or (x * (1 - x)).any(), x, logits)
        ),
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
    },
    also_right=[
        _log_bernoulli_by_loop,
        _log_bernoulli_by_sign,
        lambda x, logits: Independent(Bernoulli(logits=logits, validate_args=True), 1).log_prob(x.expand_as(logits)),
        _refusing(lambda x, logits: _log_p_by_torch_loss(x, logits, reduction="none").sum(-1)),
    ],
)
