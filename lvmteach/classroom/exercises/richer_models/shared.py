"""What several exercises of this stage share: cases and wrong answers that more than one of them needs."""

from __future__ import annotations

import math

import torch


def _log_normal(z, mu, s):
    """log N(z; mu, exp(s)^2), coordinate by coordinate."""
    return -((z - mu) ** 2) * (-2 * s).exp() / 2 - s - math.log(2 * math.pi) / 2


def _log_joint(z, log_pi, mu, s):
    """log pi_c + log N(z; mu_c, diag exp(s_c)^2), (B, C)."""
    return log_pi + _log_normal(z[:, None], mu, s).sum(-1)


def _mixture(draw, C, L):
    """log weights (C,), means and log scales (C, L)."""
    return torch.log_softmax(draw(C), 0), 2 * draw(C, L), 0.5 * draw(C, L) - 0.3


def _rare_one(draw):
    """A mixture on a line, in small units: the component near zero is rare, and there as likely as the others."""
    log_pi = torch.log_softmax(torch.tensor([-50.0, 0.0, 0.0], dtype=torch.float64), 0)
    return log_pi, SMALL * torch.tensor([[0.3], [10.3], [-9.7]], dtype=torch.float64), math.log(SMALL) + draw(3, 1) / 50


SMALL = 1e-9  # where a number added for safety shows
