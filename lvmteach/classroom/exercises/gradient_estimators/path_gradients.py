"""Reparameterise."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _path_gradients(slope, mean, scale, eps):
    z = mean + scale * eps
    return slope(z).mean(0), (slope(z) * eps).mean(0)


def _sine_slope(z):
    return torch.cos(z) + 0.3 * z


def _cubic_slope(z):
    return z**2 + torch.einsum("kd->k", z)[:, None]  # of points (K, D) alone, as is said


def _paths(draw):
    shapes = [(4, 1), (5, 3), (7, 2), (3, 4)]
    slopes = [_sine_slope, _cubic_slope, _sine_slope, _cubic_slope]
    cases = [
        (slope, 0.4 + draw(D), draw(D).exp() / 2, draw(K, D)) for slope, (K, D) in zip(slopes, shapes, strict=True)
    ]
    slope, mean, scale, eps = cases[1]
    return [*cases, (slope, mean, torch.tensor([1e-9, 1.0, 30.0]).to(scale), eps)]  # scales far apart


def _path_gradients_by_autograd(slope, mean, scale, eps):
    m, s = mean.clone().requires_grad_(), scale.clone().requires_grad_()
    z = m + s * eps
    pulled = torch.autograd.grad(z, (m, s), slope(z.detach()) / len(eps))
    return tuple(pulled)


def _path_gradients_by_loop(slope, mean, scale, eps):
    to_mean, to_scale = 0 * mean, 0 * scale
    for one in eps:
        here = slope((mean + scale * one)[None])[0]
        to_mean, to_scale = to_mean + here / len(eps), to_scale + here * one / len(eps)
    return to_mean, to_scale


path_gradients = Exercise(
    ask="Return the reparameterised gradients for the mean and for the scale of a Gaussian.",
    reference=_path_gradients,
    cases=drawing(_paths),
    misconceptions={
        "The path through the scale lacks its factor: dz/dscale is not 1.": lambda slope, mean, scale, eps: (
            (slope(mean + scale * eps).mean(0),) * 2
        ),
        "You took z for the noise: dz/dscale is what multiplies the scale in z.": lambda slope, mean, scale, eps: (
            slope(mean + scale * eps).mean(0),
            (slope(mean + scale * eps) * (mean + scale * eps)).mean(0),
        ),
        "This is the gradient for the logarithm of the scale. For the scale itself the factor is the noise alone.": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(0),
                (slope(mean + scale * eps) * scale * eps).mean(0),
            )
        ),
        "You treated the scale as a variance: z is the mean plus scale times noise.": (
            lambda slope, mean, scale, eps: _path_gradients(slope, mean, scale.sqrt(), eps)
        ),
        "You squared the scale: z is the mean plus scale times noise.": (
            lambda slope, mean, scale, eps: _path_gradients(slope, mean, scale**2, eps)
        ),
        "The slope is needed at z, where the draw fell, not at the noise.": lambda slope, mean, scale, eps: (
            slope(eps).mean(0),
            (slope(eps) * eps).mean(0),
        ),
        "The slope is needed at every draw, not at the mean only.": lambda slope, mean, scale, eps: (
            slope(mean[None])[0],
            slope(mean[None])[0] * eps.mean(0),
        ),
        "These are sums over the draws. The gradient of a mean is a mean.": lambda slope, mean, scale, eps: (
            slope(mean + scale * eps).sum(0),
            (slope(mean + scale * eps) * eps).sum(0),
        ),
        "You multiplied two means. Each draw's slope belongs to its own noise: multiply first, then average.": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(0),
                slope(mean + scale * eps).mean(0) * eps.mean(0),
            )
        ),
        "The two results are exchanged: first the gradient for the mean, then for the scale.": (
            lambda slope, mean, scale, eps: _path_gradients(slope, mean, scale, eps)[::-1]
        ),
        "You averaged over everything. Draws are the first axis alone; each coordinate keeps its own gradient.": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(),
                (slope(mean + scale * eps) * eps).mean(),
            )
        ),
        "You multiplied by the scale. How far does z move when the scale grows by a little?": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(0),
                (slope(mean + scale * eps) * scale).mean(0),
            )
        ),
        "You drew noise of your own. Use the noise that is given, for both results.": (
            lambda slope, mean, scale, eps: _path_gradients(slope, mean, scale, torch.randn_like(eps))
        ),
        "You averaged over the dimensions. Draws are the first axis; each coordinate has a mean and a scale.": (
            lambda slope, mean, scale, eps: (
                slope(mean + scale * eps).mean(-1),
                (slope(mean + scale * eps) * eps).mean(-1),
            )
        ),
        "You mixed the two ways: the slope is multiplied by the score. Here dz/dmean and dz/dscale multiply it.": (
            lambda slope, mean, scale, eps: (
                (slope(mean + scale * eps) * eps / scale).mean(0),
                (slope(mean + scale * eps) * (eps**2 - 1) / scale).mean(0),
            )
        ),
    },
    also_right=[_path_gradients_by_autograd, _path_gradients_by_loop],
)
