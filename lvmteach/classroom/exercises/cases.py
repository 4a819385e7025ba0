"""Cases of an exercise that are drawn: the same ones for the same seed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch


def drawing(cases: Callable) -> Callable[[int], Sequence[tuple]]:
    """Cases from a generator of their own: `cases(draw)` with draw(*shape) standard normal in float64."""

    @functools.wraps(cases)
    def seeded_cases(seed: int) -> Sequence[tuple]:
        generator = torch.Generator().manual_seed(seed)
        return cases(lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64))

    return seeded_cases
