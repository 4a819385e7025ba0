"""Fisher's identity, for scales."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _log_joint(x, weights, means, scales):
    squared = ((x[:, None] - means) / scales[:, None]).square().sum(-1)
    D = x.shape[1]
    return weights.log() - D / 2 * math.log(2 * math.pi) - D * scales.log() - squared / 2


def _scale_gradient(x, weights, means, scales):
    r = torch.softmax(_log_joint(x, weights, means, scales), 1)
    squared = ((x[:, None] - means) / scales[:, None]).square().sum(-1)
    return (r * (squared - x.shape[1])).sum(0)


@drawing
def _scenes(draw):
    cases = []
    for N, C, D, far in ((3, 2, 1, 0), (6, 3, 2, 0), (9, 2, 4, 0), (5, 1, 3, 0), (4, 3, 2, 300)):
        unit = 1e-3 if D == 4 else 1
        x, weights = unit * (2 * draw(N, D) + far), torch.softmax(3 * draw(C), 0)
        cases.append((x, weights, unit * (draw(C, D) + far / 2), unit * (draw(C) / 3).exp()))
    _, weights, means, scales = cases[1]
    return [*cases, (1e5 + 2 * draw(40, 2), weights, 1e5 + means, scales)]  # many, and far from zero together


def _with(r=None, slope=None, total=lambda table: table.sum(0)):
    """A misconception: other responsibilities, another slope of log p(x, z), or another sum."""

    def wrong(x, weights, means, scales):
        joint = _log_joint(x, weights, means, scales)
        squared = ((x[:, None] - means) / scales[:, None]).square().sum(-1)
        weight = torch.softmax(joint, 1) if r is None else r(joint)
        return total(weight * (squared - x.shape[1] if slope is None else slope(squared, scales, x.shape[1])))

    return wrong


def _by_autograd(x, weights, means, scales):
    def log_p(log_scales):
        return torch.logsumexp(_log_joint(x, weights, means, log_scales.exp()), 1).sum()

    return torch.func.grad(log_p)(scales.log())


def _by_loop(x, weights, means, scales):
    total = torch.zeros_like(scales)
    for row, joint in zip(x, _log_joint(x, weights, means, scales), strict=True):
        r = (joint - joint.max()).exp()
        r = r / r.sum()
        total = total + r * (((row - means) ** 2).sum(1) / scales**2 - len(row))
    return total


scale_gradient = Exercise(
    ask="Return the gradient of log p of all data for the logarithm of each component's scale, by Fisher's identity.",
    reference=_scale_gradient,
    cases=_scenes,
    misconceptions={
        "That is the gradient for s. For log s multiply it by s: the chain rule.": (
            _with(slope=lambda squared, scales, D: (squared - D) / scales)
        ),
        "The term with D is missing: log N contains -D log s.": _with(slope=lambda squared, scales, D: squared),
        "You subtract 1 where D belongs: there is one factor 1/s for each dimension.": (
            _with(slope=lambda squared, scales, D: squared - 1)
        ),
        "Your squares are not divided by s squared.": (_with(slope=lambda squared, scales, D: squared * scales**2 - D)),
        "A half too many: the derivative of -1/2 d² / s² for log s is d² / s².": (
            _with(slope=lambda squared, scales, D: squared / 2 - D)
        ),
        "The sign is turned round: data further out than s call for a larger s.": (
            _with(slope=lambda squared, scales, D: D - squared)
        ),
        "Every component got every datum in full. Weight each by the posterior.": _with(r=torch.ones_like),
        "Those weights are the joint, not the posterior: divide each row by p(x).": _with(r=torch.exp),
        "Far from all means each density is zero in floating point, and you divide zero by zero. Stay with logarithms, "
        "and let softmax normalise.": _with(r=lambda joint: joint.exp() / joint.exp().sum(1, keepdim=True)),
        "Your weights sum to one over the data. The posterior sums to one over components.": (
            _with(r=lambda joint: torch.softmax(joint, 0))
        ),
        "You gave each datum to its most probable component. Fisher's identity keeps the doubt.": (
            _with(r=lambda joint: torch.nn.functional.one_hot(joint.argmax(1), joint.shape[1]).to(joint))
        ),
        "You averaged over the data. The gradient is of their sum.": _with(total=lambda table: table.mean(0)),
        "You summed over components. Each has a scale of its own: sum over the data.": (
            _with(total=lambda table: table.sum(1))
        ),
    },
    also_right=[_by_autograd, _by_loop, _with()],
)
