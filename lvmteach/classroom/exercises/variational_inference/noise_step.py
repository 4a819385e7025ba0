"""Variational EM's M step for a variance."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import Close
from lvmteach.classroom.exercises.engine import Exercise


def _noise_step(x, W, b, m):
    left = (x - b - m @ W.T).square().sum()
    doubt = ((m * (1 - m)) @ W.square().sum(0)).sum()
    return (left + doubt) / x.numel()


@drawing
def _switches(draw):
    cases = []
    for N, D, L in ((2, 3, 1), (5, 2, 3), (7, 4, 2), (4, 3, 3), (3, 1, 4)):
        cases.append((2 * draw(N, D), draw(D, L), draw(D), torch.sigmoid(2 * draw(N, L))))
    cases[-1][3][0] = torch.tensor([0.0, 1, 1, 0])  # sure of every switch
    x, W, b, m = cases[1]
    far, small_units = (x + 1e6, W, b + 1e6, m), (1e-6 * x, 1e-6 * W, 1e-6 * b, m)
    return [*cases, far, small_units]


def _with(doubt=lambda m, W: (m * (1 - m)) @ W.square().sum(0), shift=1.0, divide=lambda x: x.numel(), root=False):
    """A misconception: another share of the doubt, without the shift, or another denominator."""

    def wrong(x, W, b, m):
        total = (x - shift * b - m @ W.T).square().sum() + doubt(m, W).sum()
        return (total / divide(x)).sqrt() if root else total / divide(x)

    return wrong


def _by_states(x, W, b, m):
    L = W.shape[1]
    z = (torch.arange(2**L)[:, None] >> torch.arange(L) & 1).to(x)
    q = torch.where(z == 1, m[:, None], 1 - m[:, None]).prod(-1)
    squared = (x[:, None] - z @ W.T - b).square().sum(-1)
    return (q * squared).sum() / x.numel()


def _by_moments(x, W, b, m):
    zz = m[:, :, None] * m[:, None] + torch.diag_embed(m * (1 - m))
    r = x - b
    return (r.square().sum() - 2 * (r * (m @ W.T)).sum() + torch.einsum("nij,di,dj->", zz, W, W)) / x.numel()


noise_step = Exercise(
    ask="Return the noise variance that maximises the ELBO for given switches' probabilities m.",
    reference=_noise_step,
    cases=_switches,
    misconceptions={
        "The doubt is missing. E_q of a square is the square of the mean plus a variance.": (
            _with(doubt=lambda m, W: torch.zeros(1, dtype=m.dtype))
        ),
        "A switch on with probability m has the variance m (1 - m), not m.": (
            _with(doubt=lambda m, W: m @ W.square().sum(0))
        ),
        "A switch on with probability m has the variance m (1 - m), not its square.": (
            _with(doubt=lambda m, W: (m * (1 - m)).square() @ W.square().sum(0))
        ),
        "The doubt enters through W: a switch in doubt moves x by its column.": (_with(doubt=lambda m, W: m * (1 - m))),
        "Square W before you sum: variances of independent terms add with squared factors.": (
            _with(doubt=lambda m, W: (m * (1 - m)) @ W.sum(0).square())
        ),
        "You subtracted the doubt. It adds to what is left unexplained.": (
            _with(doubt=lambda m, W: -(m * (1 - m)) @ W.square().sum(0))
        ),
        "b is missing: x is W z + b and noise.": _with(shift=0.0),
        "You divided by N. There are N D residuals.": _with(divide=len),
        "You divided by D. There are N D residuals.": _with(divide=lambda x: x.shape[1]),
        "That is the sum of squares. The variance is their mean over N D residuals.": _with(divide=lambda x: 1),
        "That is the standard deviation. Return the variance.": _with(root=True),
        "You rounded the switches to zero and one. Keep their doubt.": (
            lambda x, W, b, m: (x - b - m.round() @ W.T).square().mean()
        ),
    },
    also_right=[_by_states, _by_moments, _with()],
    compare=Close(atol=1e-20),  # a small variance counts as well
)
