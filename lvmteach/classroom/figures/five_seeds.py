"""The runs of notebook 09 from five seeds each, on MNIST: how much of a difference is luck.

The numbers are kept in five_seeds.npz, made by `python -m benchmarks.seeds`, which says how they were trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np


class Seeds(NamedTuple):
    """One run from five seeds; means over the same 300 test images, nats an image, (5,)."""

    few: np.ndarray  # log p(x) by 300 samples
    many: np.ndarray  # log p(x) by 3000 samples, the 300 among them
    elbo: np.ndarray
    ess: np.ndarray  # of 50 samples
    seconds: np.ndarray  # of one core, for the training


def runs() -> dict[str, Seeds]:
    """Every run by its name, in the order in which the notebook trains them; the i-th of each has the i-th seed."""
    with np.load(Path(__file__).with_suffix(".npz")) as kept:
        columns = [kept[name] for name in ("name", "few", "many", "elbo", "ess", "seconds")]
    return {str(name): Seeds(*rows) for name, *rows in zip(*columns, strict=True)}
