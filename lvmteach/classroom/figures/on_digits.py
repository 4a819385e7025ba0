"""Wake-sleep against reweighted wake-sleep on MNIST, ten starts each: what notebook 06 says of real images.

The numbers are kept in on_digits.npz, made by `python -m benchmarks.digits`, which says how they were compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

KEPT = Path(__file__).with_suffix(".npz")
COLUMNS = ("name", "draws", "steps", "rate", "tried", "few", "many", "seconds")


class Run(NamedTuple):
    """One learner with one budget of draws; log p(x) in nats an image, of the same 200 test images for all."""

    name: str
    draws: int
    steps: int
    rate: float  # the best of those tried, on validation images and other starts
    tried: np.ndarray  # log p(x) of the validation images at each of `benchmarks.digits.RATES`, NaN where not tried
    few: np.ndarray  # mean log p(x) by 50 draws an image, (10 starts,)
    many: np.ndarray  # log p(x) by 500 draws, the 50 among them, (10 starts, 200 images)
    seconds: np.ndarray  # of one core, for the teaching, (10 starts,)


def runs() -> list[Run]:
    """Both learners at 150 000 draws, wake-sleep for as long as reweighting took, then both at 375 000 draws."""
    with np.load(KEPT) as kept:
        columns = [kept[name] for name in COLUMNS]
    return [
        Run(str(name), int(draws), int(steps), float(rate), *rest)
        for name, draws, steps, rate, *rest in zip(*columns, strict=True)
    ]
