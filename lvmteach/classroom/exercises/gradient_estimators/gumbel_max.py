"""A categorical draw as a maximum."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _gumbel_max(logits, u):
    gumbel = -(-u.log()).log()
    return (logits + gumbel).argmax(-1)


@drawing
def _logits_and_uniforms(draw):
    first, *cases = [(draw(C), torch.special.ndtr(draw(K, C))) for K, C in ((6, 3), (40, 4), (60, 60), (300, 5))]
    steep = torch.tensor([0.0, 12.0, 18.0], dtype=torch.float64)  # only noise near its ends turns the order
    ends = [[1 - 1e-9, 1e-7, 1e-12], [1 - 1e-5, 1e-3, 1e-300], [0.5, 1 - 1e-8, 0.5], [0.5, 1 - 1e-8, 1 - 3e-8]]
    steeper = torch.tensor([0.0, 29.5, 33.55], dtype=torch.float64)  # a small number in either logarithm turns it
    far_ends = [[1 - 1e-13, 0.5, 1e-300], [0.5, 0.5, 1e-18]]
    nearly_tied = torch.tensor([[0.2 + 1e-7, 0.4], [0.2 - 1e-7, 0.4]], dtype=torch.float64)  # noise
    return [
        first,
        (-900 + 0.05 * draw(4), torch.special.ndtr(draw(30, 4))),  # any noise turns their order
        *cases,
        (900 + 2 * draw(3), torch.special.ndtr(draw(50, 3))),
        (
            torch.tensor([-800.0, -1600.0], dtype=torch.float64),
            torch.special.ndtr(draw(8, 2)),
        ),  # never the second class
        (steep, torch.tensor(ends, dtype=torch.float64)),
        (steeper, torch.tensor(far_ends, dtype=torch.float64)),
        (torch.tensor([900.3, 900.1], dtype=torch.float64), torch.exp(-torch.exp(-nearly_tied))),
    ]


def _by_exponential_race(logits, u):
    arrival = -u.log() / (logits - logits.max()).exp()  # the class with the highest rate arrives first
    return arrival.argmin(-1)


def _by_gumbel_loop(logits, u):
    noisy = [[a - math.log(-math.log(b)) for a, b in zip(logits.tolist(), row, strict=True)] for row in u.tolist()]
    return torch.tensor([row.index(max(row)) for row in noisy])


gumbel_max = Exercise(
    ask="Return K categorical draws, made from logits and uniform numbers by the Gumbel-max trick.",
    reference=_gumbel_max,
    cases=_logits_and_uniforms,
    misconceptions={
        "Every draw is the most probable class: there is no noise, or the same for all classes.": lambda logits, u: (
            logits.argmax().expand(len(u)).clone()
        ),
        "You added the uniform numbers themselves. Turn them into Gumbel noise first, by two logarithms.": (
            lambda logits, u: (logits + u).argmax(-1)
        ),
        "You added exponential noise, one logarithm short of Gumbel noise.": (
            lambda logits, u: (logits - u.log()).argmax(-1)
        ),
        "The outer minus is missing: your noise is a Gumbel upside down, with its long tail to the left.": (
            lambda logits, u: (logits + (-u.log()).log()).argmax(-1)
        ),
        "You added the noise to the probabilities. It belongs to the log probabilities, up to a constant.": (
            lambda logits, u: (torch.softmax(logits, 0) - (-u.log()).log()).argmax(-1)
        ),
        "You took the smallest: the class with the largest noisy logit wins.": (
            lambda logits, u: (logits - (-u.log()).log()).argmin(-1)
        ),
        "The arg max runs over the draws. Let it run over the classes, the last axis.": (
            lambda logits, u: (logits - (-u.log()).log()).argmax(0)
        ),
        "The logits do not enter: this draws every class equally often.": (
            lambda logits, u: (-(-u.log()).log()).argmax(-1)
        ),
        "You added normal noise. With that the shares are not the softmax: the noise has to be Gumbel.": (
            lambda logits, u: (logits + torch.special.ndtri(u)).argmax(-1)
        ),
        "You added logistic noise. With that the shares are not the softmax: the noise has to be Gumbel.": (
            lambda logits, u: (logits + torch.logit(u)).argmax(-1)
        ),
        "log u is negative, and its logarithm NaN. The inner logarithm needs a minus of its own.": (
            lambda logits, u: (logits - u.log().log()).argmax(-1)
        ),
        "1 - u is as uniform as u, so your shares are right. The check compares draw by draw: solve for a with u "
        "itself.": lambda logits, u: (logits - (-(1 - u).log()).log()).argmax(-1),
        "Somewhere you use single precision: it rounds u near one, and loses the noise beside large logits. Keep "
        "float64.": lambda logits, u: (logits.float() - (-u.float().log()).log()).argmax(-1),
        "You drew random numbers of your own. Use the uniform numbers that are given.": (
            lambda logits, u: torch.multinomial(torch.softmax(logits, 0), len(u), replacement=True)
        ),
        "That compares one uniform number with cumulated probabilities: right shares, another trick. Here each class "
        "has noise of its own.": lambda logits, u: (u[:, :1] > torch.softmax(logits, 0).cumsum(0)).sum(-1),
        "This is the height of the maximum. Return where it is.": (
            lambda logits, u: (logits - (-u.log()).log()).max(-1).values
        ),
        "That is the relaxed draw, a point inside the simplex. Return the class: an index.": (
            lambda logits, u: torch.softmax(logits - (-u.log()).log(), -1)
        ),
        "Return the index of each class, not a one-hot row.": lambda logits, u: torch.nn.functional.one_hot(
            (logits - (-u.log()).log()).argmax(-1), len(logits)
        ),
    },
    also_right=[
        _by_exponential_race,
        _by_gumbel_loop,
        lambda logits, u: torch.max(torch.log_softmax(logits, 0) - torch.log(-torch.log(u)), dim=1).indices,
    ],
)
