"""Weights under a defensive mixture."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _defensive(log_p, log_q, log_wide, share):
    parts = torch.stack([math.log(1 - share) + log_q, math.log(share) + log_wide])
    return log_p - torch.logsumexp(parts, 0)


@drawing
def _densities(draw):
    far = draw(4), -2000 + 10 * draw(4), -1990 + draw(4)  # densities of many dimensions
    needle = draw(5), -1500 - 100 * draw(5).abs(), draw(5) - 3  # where the narrow one has no mass
    core = draw(5), draw(5), -900 - 100 * draw(5).abs()  # where the wide one has next to none
    # No common maximum serves the columns, nor the rows.
    apart = torch.tensor([0.0, -900.0]) + torch.tensor([0.0, -1000.0, 0.0, 900.0])[:, None]
    return [
        (draw(3), draw(3), draw(3), 0.1),
        (draw(4, 2), 3 * draw(4, 2), draw(4, 2) + 10, 1e-6),  # a small share that counts
        (*far, 0.1),
        (*needle, 0.05),
        (*core, 0.05),
        (900 + draw(2, 3, 2), 890 + draw(2, 3, 2), 880 + draw(2, 3, 2), 0.2),  # of small units
        (draw(4, 2), draw(4, 2) + apart, draw(4, 2) + apart, 0.2),
    ]


def _by_logaddexp(log_p, log_q, log_wide, share):
    return log_p - torch.logaddexp(log_q + math.log1p(-share), log_wide + math.log(share))


def _by_ratio(log_p, log_q, log_wide, share):
    top = torch.maximum(log_q, log_wide)
    return log_p - top - ((1 - share) * (log_q - top).exp() + share * (log_wide - top).exp()).log()


defensive = Exercise(
    ask="Return the log weights of draws from a mixture of a fitted and a wide proposal.",
    reference=_defensive,
    cases=_densities,
    misconceptions={
        "You averaged logarithms of densities. A mixture averages the densities: exp, add, log, without overflow.": (
            lambda log_p, log_q, log_wide, share: log_p - (1 - share) * log_q - share * log_wide
        ),
        "The shares are exchanged: the wide one has the share, the fitted one the rest.": (
            lambda log_p, log_q, log_wide, share: _defensive(log_p, log_q, log_wide, 1 - share)
        ),
        "The shares are missing: a mixture's density is their weighted sum.": (
            lambda log_p, log_q, log_wide, share: log_p - torch.logaddexp(log_q, log_wide)
        ),
        "You left the wide part out of the weights. Every draw is weighted by the whole mixture's density.": (
            lambda log_p, log_q, log_wide, share: log_p - log_q
        ),
        "exp leaves the range of floating point: use logsumexp over the two parts.": (
            lambda log_p, log_q, log_wide, share: log_p - ((1 - share) * log_q.exp() + share * log_wide.exp()).log()
        ),
        "You took q out of the sum. Where the wide part is far larger, the rest overflows: take the larger one out.": (
            lambda log_p, log_q, log_wide, share: log_p - log_q - (1 - share + share * (log_wide - log_q).exp()).log()
        ),
        "You took the wide part out of the sum. Where q is far larger, the rest overflows: take the larger one out.": (
            lambda log_p, log_q, log_wide, share: (
                log_p - log_wide - (share + (1 - share) * (log_q - log_wide).exp()).log()
            )
        ),
        "This is the mixture's density, not the weight: p stands above it.": (
            lambda log_p, log_q, log_wide, share: (
                log_p + torch.logsumexp(torch.stack([math.log(1 - share) + log_q, math.log(share) + log_wide]), 0)
            )
        ),
        "These are weights. Return their logarithms: they may be far out of the range of floating point.": (
            lambda log_p, log_q, log_wide, share: _defensive(log_p, log_q, log_wide, share).exp()
        ),
        "You used the larger of the two parts. They are added.": (
            lambda log_p, log_q, log_wide, share: (
                log_p - torch.maximum(math.log(1 - share) + log_q, math.log(share) + log_wide)
            )
        ),
    },
    also_right=[_by_logaddexp, _by_ratio],
)
