"""Proposals that break."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _breaks(var_p, var_q):
    return (2 * var_q <= var_p).any(-1)


@drawing
def _variances(draw):
    """Ratios var_q / var_p: hopeless, between 1/4 and 1/2, exactly 1/2, just above, between 1/2 and 1, wide, 3/2."""
    ratios, cases = torch.tensor([0.1, 0.35, 0.5, 0.5000001, 0.6, 2.5, 1.5], dtype=torch.float64), []
    for C, D in ((3, 2), (9, 4), (24, 3), (5, 120)):  # of 120 factors just above 1/2 the product is out of range
        var_p = draw(D).exp()
        which = 3 + (draw(C, D) > 0.2).long() + (draw(C, D) > 0.8).long()  # mostly sound
        one = (draw(C) > 0).nonzero().flatten()
        which[one, one % D] = one % 3  # every second row has one bad coordinate
        which[0], which[1] = 3, 4  # sound throughout, though narrower than p
        which[1, 0] = 2  # only just
        which[-1] = 0
        which = torch.cat([which, torch.tensor([[6], [5]]).expand(2, D)])  # and two that are nowhere narrower than p
        cases.append((var_p, ratios[which] * var_p))
    small = tuple(1e-5 * var for var in cases[1])  # in other units
    return [*cases, small]


def _breaks_by_loop(var_p, var_q):
    rows = [[2 / p - 1 / q <= 1e-12 for p, q in zip(var_p, row, strict=True)] for row in var_q]
    return torch.tensor([any(row) for row in rows])


breaks = Exercise(
    ask="Say of each proposal whether its weights have infinite variance.",
    reference=_breaks,
    cases=_variances,
    misconceptions={
        "At 2 var_q = var_p exactly the exponent vanishes. Look at what is left: does its integral exist?": (
            lambda var_p, var_q: (2 * var_q < var_p).any(-1)
        ),
        "You left room for rounding. A variance just above the boundary is sound: compare the numbers as they are.": (
            lambda var_p, var_q: (2 * var_q <= 1.001 * var_p).any(-1)
        ),
        "You ask for tails at least as heavy as the target's. That is safe, but stricter than needed: write down the "
        "exponent of p squared over q.": lambda var_p, var_q: (var_q < var_p).any(-1),
        "One bad coordinate is enough: second moments of independent coordinates multiply.": (
            lambda var_p, var_q: (2 * var_q <= var_p).all(-1)
        ),
        "One verdict for each proposal, not for each coordinate: are all bad ones needed, or is any enough?": (
            lambda var_p, var_q: 2 * var_q <= var_p
        ),
        "You have p and q the other way round: a proposal breaks by being too narrow.": (
            lambda var_p, var_q: (var_q >= 2 * var_p).any(-1)
        ),
        "You compare scales, or squared twice: the arguments are variances already.": (
            lambda var_p, var_q: (2 * var_q**0.5 <= var_p**0.5).any(-1)
        ),
        "Wide coordinates do not make up for a narrow one: compare coordinate by coordinate, not their product.": (
            lambda var_p, var_q: (2 * var_q / var_p).prod(-1) <= 1
        ),
        "You call none of them broken. The mean of the weights exists for every one. Square them: p squared over q.": (
            lambda var_p, var_q: torch.zeros(len(var_q), dtype=torch.bool)
        ),
        "True means that it breaks; you say which ones are sound.": (lambda var_p, var_q: (2 * var_q > var_p).all(-1)),
        "You took var_p = 1. Compare with the target's own variance.": (lambda var_p, var_q: (2 * var_q <= 1).any(-1)),
    },
    also_right=[
        _breaks_by_loop,
        lambda var_p, var_q: (var_q / var_p).amin(-1) <= 0.5,
        lambda var_p, var_q: ~torch.stack([2 * q > var_p for q in var_q]).all(1),
    ],
)
