"""Doubly reparameterised."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import CloseWithGradients
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.iwae.shared import _log_mean


def _dreg_loss(log_joint, mean, scale, eps):
    z = mean + scale * eps
    log_q = Normal(mean.detach(), scale.detach()).log_prob(z).sum(-1)
    log_w = log_joint(z) - log_q
    weight = torch.softmax(log_w.detach(), 0)
    moving = (weight.square() * log_w).sum(0)
    bound = torch.logsumexp(log_w.detach(), 0) - math.log(len(log_w))
    return -(bound + moving - moving.detach())


def _valley(z):
    return -0.4 * (z.sum(-1) - 1.3).square() - 0.5 * z.square().sum(-1)


def _ripples(z):
    return torch.cos(1.7 * z).sum(-1) - 0.3 * (z - 0.6).square().sum(-1)


def _stairs(z):
    """Nearly flat, in steps of 3000 nats, each 20 wide along the sum of z."""
    return torch.cos(1.7 * z).sum(-1) - 3000 * torch.floor(z.sum(-1) / 20 + 0.5)


@drawing
def _joints_and_noise(draw):
    sizes = [(_valley, 3, 2, 4), (_ripples, 4, 3, 2), (_valley, 1, 4, 3), (_stairs, 7, 5, 2)]
    cases = [(joint, 0.5 * draw(B, L), (0.3 * draw(B, L)).exp(), draw(K, B, L)) for joint, K, B, L in sizes]
    _, mean, scale, _ = cases[-1]
    mean += torch.tensor([0.0, 10.0, 20.0, -10.0, 5.0])[:, None]  # data on steps of their own, and one on an edge
    scale[1] *= 1e-4
    return [(joint, mean.requires_grad_(), scale.requires_grad_(), eps) for joint, mean, scale, eps in cases]


def _weights_at(log_joint, mean, scale, eps, stopped=True):
    """log weights at the reparameterised z; with q's parameters held fixed inside log q or not."""
    z = mean + scale * eps
    q = Normal(mean.detach(), scale.detach()) if stopped else Normal(mean, scale)
    return log_joint(z) - q.log_prob(z).sum(-1)


def _with_value(log_w, moving):
    """Minus the bound, with minus the gradient of `moving`."""
    return -(_log_mean(log_w.detach()) + moving - moving.detach())


def _weight(log_w):
    return torch.softmax(log_w.detach(), 0)


def _dreg_sampled(log_joint, mean, scale, eps):
    q = Normal(mean, scale)
    z = q.sample((len(eps),))
    log_w = log_joint(z) - q.log_prob(z).sum(-1)
    return _with_value(log_w, (_weight(log_w).square() * log_w).sum(0))


def _dreg_by_hook(log_joint, mean, scale, eps):
    z = mean + scale * eps
    log_q = -0.5 * ((z - mean.detach()) / scale.detach()) ** 2 - scale.detach().log() - 0.5 * math.log(2 * math.pi)
    log_w = log_joint(z) - log_q.sum(-1)
    weight = _weight(log_w)
    z.register_hook(lambda slope: weight[..., None] * slope)
    return -_log_mean(log_w)  # the bound's own gradient has one weight, the hook puts the other


def _dreg_by_hand(log_joint, mean, scale, eps):
    with torch.enable_grad():
        z = (mean + scale * eps).detach().requires_grad_()
        log_w = log_joint(z) - Normal(mean.detach(), scale.detach()).log_prob(z).sum(-1)
        (slope,) = torch.autograd.grad(log_w.sum(), z)
    pulled = (_weight(log_w)[..., None] ** 2 * slope * (mean + scale * eps)).sum((0, -1))
    return _with_value(log_w, pulled)


def _dreg_by_loop(log_joint, mean, scale, eps):
    log_w = _weights_at(log_joint, mean, scale, eps)
    losses = []
    for one in log_w.unbind(1):
        share = (one - one.logsumexp(0)).detach().exp()
        moving = sum(part * part * value for part, value in zip(share, one, strict=True))
        losses.append(moving.detach() - moving - one.detach().logsumexp(0) + math.log(len(one)))
    return torch.stack(losses)


dreg_loss = Exercise(
    ask="Return minus the bound, with the doubly reparameterised gradient for the mean and the scale of q.",
    reference=_dreg_loss,
    cases=_joints_and_noise,
    compare=CloseWithGradients(),
    misconceptions={
        "The value is right, the gradient is the bound's own, with the score's noise in it. Hold q's parameters fixed "
        "inside log q, and square the weights.": lambda log_joint, mean, scale, eps: (
            -_log_mean(_weights_at(log_joint, mean, scale, eps, stopped=False))
        ),
        "This is minus the ELBO, the mean of the log weights. The bound is the log of their mean.": (
            lambda log_joint, mean, scale, eps: -_weights_at(log_joint, mean, scale, eps, stopped=False).mean(0)
        ),
        "You held q's parameters fixed inside log q, and left the weights as they are: that drops the score term, and "
        "the gradient is biased. What the score term turns into makes the weights squares.": (
            lambda log_joint, mean, scale, eps: -_log_mean(_weights_at(log_joint, mean, scale, eps))
        ),
        "Your factor is w (1 - w): that is what the score term turns into. It comes off the weight, and w - w (1 - w) "
        "leaves the square.": lambda log_joint, mean, scale, eps: _with_value(
            (log_w := _weights_at(log_joint, mean, scale, eps)),
            ((w := _weight(log_w)) * (1 - w) * log_w).sum(0),
        ),
        "The weights are squared, but q's parameters still move inside log q: the score is in your gradient. Let them "
        "be reached through z alone.": lambda log_joint, mean, scale, eps: _with_value(
            (log_w := _weights_at(log_joint, mean, scale, eps, stopped=False)),
            (_weight(log_w).square() * log_w).sum(0),
        ),
        "Your squared weights are differentiated too. They multiply the gradient: detach them.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (torch.softmax(log_w, 0).square() * log_w).sum(0),
            )
        ),
        "The gradient is right, the value is not the bound's, and a loss curve would mislead. Give the weighted sum "
        "the value zero and add the bound, detached.": lambda log_joint, mean, scale, eps: (
            -(_weight(log_w := _weights_at(log_joint, mean, scale, eps)).square() * log_w).sum(0)
        ),
        "Two things are missing: the weights are not squared, and the value is not the bound's.": (
            lambda log_joint, mean, scale, eps: (
                -(_weight(log_w := _weights_at(log_joint, mean, scale, eps)) * log_w).sum(0)
            )
        ),
        "Your squared weights are differentiated too, and the value is not the bound's. Detach them, and give the "
        "weighted sum the value zero.": lambda log_joint, mean, scale, eps: (
            -(torch.softmax(log_w := _weights_at(log_joint, mean, scale, eps), 0).square() * log_w).sum(0)
        ),
        "q's parameters move inside log q, and the value is not the bound's. Let them be reached through z alone, and "
        "give the weighted sum the value zero.": lambda log_joint, mean, scale, eps: (
            -(
                _weight(log_w := _weights_at(log_joint, mean, scale, eps, stopped=False)).square() * log_w
            ).sum(0)
        ),
        "The value counts twice: to the weighted sum you added the bound. Take the sum's own value off again, "
        "detached.": lambda log_joint, mean, scale, eps: (
            -_log_mean((log_w := _weights_at(log_joint, mean, scale, eps)).detach())
            - (_weight(log_w).square() * log_w).sum(0)
        ),
        "The bound in your loss brings its own gradient along. Detach it: it is there for its value.": (
            lambda log_joint, mean, scale, eps: (
                -_log_mean(log_w := _weights_at(log_joint, mean, scale, eps))
                - (moving := (_weight(log_w).square() * log_w).sum(0))
                + moving.detach()
            )
        ),
        "This is the bound. An optimiser goes downhill: return minus the bound.": (
            lambda log_joint, mean, scale, eps: -_dreg_loss(log_joint, mean, scale, eps)
        ),
        "The value is minus the bound, the gradient points the other way: the loss would climb as you train.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                -(_weight(log_w).square() * log_w).sum(0),
            )
        ),
        "z inside log q is detached, so the slope of log q along z is lost. Detach the parameters there, not z.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (
                    log_w := log_joint(z := mean + scale * eps)
                    - Normal(mean.detach(), scale.detach()).log_prob(z.detach()).sum(-1)
                ),
                (_weight(log_w).square() * log_w).sum(0),
            )
        ),
        "No gradient is left: everything is detached, or `backward` in your function used it up. z must depend on the "
        "mean and the scale.": (
            lambda log_joint, mean, scale, eps: _dreg_loss(log_joint, mean, scale, eps).detach()
        ),
        "Your gradient is the mean over the samples, K times too small. The weights add up to one already: sum.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (_weight(log_w).square() * log_w).mean(0),
            )
        ),
        "Your weights are normalised over the batch. Samples are the first axis.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (torch.softmax(log_w.detach(), -1).square() * log_w).sum(0),
            )
        ),
        "Your weights are not normalised: divide by their sum before you square, which a softmax does.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (log_w.detach().exp().square() * log_w).sum(0),
            )
        ),
        "You squared first and normalised afterwards. Normalise, then square: the squares do not add up to one.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (torch.softmax(2 * log_w.detach(), 0) * log_w).sum(0),
            )
        ),
        "All samples count alike: that is the ELBO's gradient. Each counts by its squared weight.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                log_w.mean(0),
            )
        ),
        "log K is missing from the value: the bound averages the weights.": (
            lambda log_joint, mean, scale, eps: (
                _dreg_loss(log_joint, mean, scale, eps) - math.log(len(eps))
            )
        ),
        "You treated the scale as a variance: z is the mean plus scale times noise, and Normal takes a scale too.": (
            lambda log_joint, mean, scale, eps: _dreg_loss(log_joint, mean, scale.sqrt(), eps)
        ),
        "log q is a mean over the latent dimensions. Independent coordinates multiply: sum their logs.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (
                    log_w := log_joint(z := mean + scale * eps)
                    - Normal(mean.detach(), scale.detach()).log_prob(z).mean(-1)
                ),
                (_weight(log_w).square() * log_w).sum(0),
            )
        ),
        "log q is missing from the weight.": lambda log_joint, mean, scale, eps: _with_value(
            (log_w := log_joint(mean + scale * eps)), (_weight(log_w).square() * log_w).sum(0)
        ),
        "You averaged over the batch. Return one loss for each datum.": (
            lambda log_joint, mean, scale, eps: _dreg_loss(log_joint, mean, scale, eps).mean()
        ),
        "You drew noise of your own. Use the noise that is given.": (
            lambda log_joint, mean, scale, eps: _dreg_loss(log_joint, mean, scale, torch.randn_like(eps))
        ),
        "You sampled z: that cuts the way to the mean and the scale. Make z from the noise that is given.": (
            _dreg_sampled
        ),
    },
    also_right=[_dreg_by_hook, _dreg_by_hand, _dreg_by_loop],
)  # fmt: skip
