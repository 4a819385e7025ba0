"""Enumerate."""

from __future__ import annotations

import math

import torch
from torch.distributions import Bernoulli
from torch.nn import functional as F

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.wake_sleep.shared import _coins, _generative, _log_joint, _logits, _scaled
from lvmteach.helmholtz import states


def _log_marginal(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z = states(sum(sizes))
    every_x, every_z = x.repeat_interleave(len(z), 0), z.repeat(len(x), 1)
    units = (every_x, *every_z.split(sizes, 1))
    log_p_xz = F.logsigmoid((2 * units[-1] - 1) * prior).sum(-1)
    for (weight, bias), target, given in zip(generative, units[:-1], units[1:], strict=True):
        log_p_xz = log_p_xz + F.logsigmoid((2 * target - 1) * (given @ weight + bias)).sum(-1)
    return torch.logsumexp(log_p_xz.reshape(len(x), len(z)), 1)


@drawing
def _images_and_nets(draw):
    shapes = [(3, (4, 2), 1), (5, (4, 3, 2), 1), (3, (5, 1), 2), (4, (2, 4, 3, 1), 6), (6, (4, 2), 900)]
    cases = [
        (_coins(draw, B, s[0])[0], scale * draw(s[-1]) - 0.3, _scaled(_generative(draw, s), scale))
        for B, s, scale in shapes
    ]
    pull = 900 * draw(4).abs() + 30
    opposed = torch.stack([pull, draw(4) - pull])  # two large weights that cancel where both units are on
    return [*cases, (_coins(draw, 3, 4)[0], draw(2), ((opposed, draw(4)),))]


def _table(x, prior, generative, z=None):
    """log p(x, z), images by states."""
    sizes = [len(weight) for weight, _ in generative]
    z = states(sum(sizes)) if z is None else z
    rows = [_log_joint((one.expand(len(z), -1), *z.split(sizes, 1)), prior, generative) for one in x]
    return torch.stack(rows)


def _over_states(reduce):
    return lambda x, prior, generative: reduce(_table(x, prior, generative))


def _one_at_a_time(x, prior, generative):
    bits = sum(len(weight) for weight, _ in generative)
    return torch.logsumexp(_table(x, prior, generative, torch.eye(bits, dtype=torch.float64)), 1)


def _mixed_rows(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z = states(sum(sizes))
    units = (x.repeat(len(z), 1), *z.repeat(len(x), 1).split(sizes, 1))
    return torch.logsumexp(_log_joint(units, prior, generative).reshape(len(x), len(z)), 1)


def _reshaped_wrongly(x, prior, generative):
    table = _table(x, prior, generative)
    return torch.logsumexp(table.reshape(table.shape[1], len(x)), 0)


def _top_is_a_probability(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z_1 = states(sizes[0])
    above = torch.sigmoid(prior)[None]
    for layer in generative[:0:-1]:
        above = torch.sigmoid(_logits(above, layer))
    log_p_z = Bernoulli(above.expand_as(z_1)).log_prob(z_1).sum(-1)
    log_p_x = Bernoulli(logits=_logits(z_1, generative[0])).log_prob(x[:, None]).sum(-1)
    return torch.logsumexp(log_p_x + log_p_z, 1)


def _handed_down(x, prior, generative):
    above = torch.sigmoid(prior)
    for layer in generative[:0:-1]:
        above = torch.sigmoid(_logits(above, layer))
    return Bernoulli(logits=_logits(above, generative[0]).expand_as(x)).log_prob(x).sum(-1)


def _without_prior(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    top = states(sum(sizes)).split(sizes, 1)[-1]
    return torch.logsumexp(
        _table(x, prior, generative) - Bernoulli(logits=prior.expand_as(top)).log_prob(top).sum(-1), 1
    )


def _image_given_states(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z_1 = states(sum(sizes))[:, : sizes[0]]
    return Bernoulli(logits=_logits(z_1, generative[0])).log_prob(x[:, None]).sum(-1)


def _log_marginal_by_loop(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    total = torch.full((len(x),), -math.inf, dtype=x.dtype)
    for z in states(sum(sizes)):
        layers = [part.expand(len(x), -1) for part in z.split(sizes)]
        total = torch.logaddexp(total, _log_joint((x, *layers), prior, generative))
    return total


def _log_marginal_states_first(x, prior, generative):
    sizes = [len(weight) for weight, _ in generative]
    z = states(sum(sizes))
    units = (x.repeat(len(z), 1), *z.repeat_interleave(len(x), 0).split(sizes, 1))
    return torch.logsumexp(_log_joint(units, prior, generative).reshape(len(z), len(x)), 0)


def _log_marginal_from_the_top(x, prior, generative):
    """Layer by layer: the distribution over the states of each layer from that of the layer above."""
    z = states(len(prior))
    log_p = Bernoulli(logits=prior.expand_as(z)).log_prob(z).sum(-1)
    for t in range(len(generative) - 1, -1, -1):
        s = x if t == 0 else states(len(generative[t - 1][0]))
        given = Bernoulli(logits=_logits(z, generative[t])[:, None]).log_prob(s).sum(-1)
        log_p, z = torch.logsumexp(log_p[:, None] + given, 0), s
    return log_p


log_marginal = Exercise(
    ask="Return the exact log p(x) of each image, by a sum over all states of the latent units.",
    reference=_log_marginal,
    cases=_images_and_nets,
    misconceptions={
        "This is the mean over the states. Each one's probability is in the joint already: add them up.": (
            _over_states(lambda t: torch.logsumexp(t, 1) - math.log(t.shape[1]))
        ),
        "This is the sum of the logs. States are alternatives: add their probabilities, then take the log.": (
            _over_states(lambda t: t.sum(1))
        ),
        "This is the mean of the logs, a bound and no more. Add the probabilities, then take the log.": (
            _over_states(lambda t: t.mean(1))
        ),
        "exp leaves the range of floating point, and the log of that zero is -inf. torch.logsumexp takes the largest "
        "out first.": _over_states(lambda t: t.exp().sum(1).log()),
        "You took the best state alone. All of them could have made the image.": (
            _over_states(lambda t: t.max(1).values)
        ),
        "You summed over the images. Sum over the states; each image keeps its own value.": (
            _over_states(lambda t: torch.logsumexp(t, 0))
        ),
        "You added the images up. Each one has a value of its own.": (
            _over_states(lambda t: torch.logsumexp(t, 1).sum())
        ),
        "This is the table of log p(x, z). Add up over its states.": _over_states(lambda t: t),
        "Images and states are paired wrongly: repeat runs through the images again and again, and the reshape takes "
        "such rows for one image. Use repeat_interleave for one of the two, repeat for the other.": _mixed_rows,
        "Your units are on one at a time, as in a mixture. Here any of them may be on together: 2^L states.": (
            _one_at_a_time
        ),
        "You gave z_1 the probabilities that the mean of the layers above predicts. Sum over their states too.": (
            _top_is_a_probability
        ),
        "You handed probabilities down, from the prior to the image. A mean over states does not pass through a "
        "sigmoid: sum over all of them.": _handed_down,
        "p of the top layer is missing: without the prior the states are weighted wrongly.": _without_prior,
        "You averaged p(x | z_1) over all states as if they were equally likely. Weigh each with p(z).": (
            lambda *given: (
                torch.logsumexp(_image_given_states(*given), 1) - math.log(_image_given_states(*given).shape[1])
            )
        ),
        "The last state is missing: all units on is one of the 2^L.": (
            _over_states(lambda t: torch.logsumexp(t[:, :-1], 1))
        ),
        "The first state is missing: all units off is one of the 2^L.": (
            _over_states(lambda t: torch.logsumexp(t[:, 1:], 1))
        ),
        "After x.repeat_interleave the states run fastest, so the answers reshape to (images, states), not to (states, "
        "images).": _reshaped_wrongly,
    },
    also_right=[
        _over_states(lambda t: torch.logsumexp(t, 1)),
        _log_marginal_by_loop,
        _log_marginal_from_the_top,
        _log_marginal_states_first,
    ],
)
