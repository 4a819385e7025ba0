"""What several exercises of this stage share: cases and wrong answers that more than one of them needs."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _log_mean(log_w):
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


def _others(log_w: Tensor) -> Tensor:
    """The log of the sum of the other weights, for each draw, (K, B), never by a difference."""
    return torch.stack([torch.cat([log_w[:k], log_w[k + 1 :]]).logsumexp(0) for k in range(len(log_w))])
