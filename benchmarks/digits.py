"""Wake-sleep and reweighted wake-sleep on binary MNIST: equal draws, tuned rates, ten starts, and the clock.

    python -m benchmarks.digits    about 14 minutes of one core; writes lvmteach/classroom/figures/on_digits.npz

784-200-200, batches of 100, a rate that falls linearly to 0. A wake-sleep step takes 2 draws an image (a reading, a
dream), a reweighted step K = 5. Both have 150 000 draws, and both 375 000: the larger budget gives reweighting the
*steps* that wake-sleep makes with the smaller. A reweighted draw takes somewhat longer, so wake-sleep has a quarter
more draws as well: equal time. The rate is chosen on validation images by two starts; what is kept comes from ten other
starts and from test images. All starts are judged on the same 200 of them, by MANY draws an image, FEW of which are
kept apart, to show how far the judge still rises.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.bars import wake_sleep
from lvmteach.bounds import iwae
from lvmteach.classroom.figures import on_digits
from lvmteach.data import dynamic, load_images
from lvmteach.helmholtz import Machine, machine, reweighted_step
from lvmteach.runtime import seeded

B, RATES = 100, (0.1, 0.14, 0.2, 0.28, 0.4, 0.56, 0.8, 1.1, 1.6)
TUNED_ON, STARTS = (1, 2), tuple(range(11, 21))
FEW, MANY = 50, 500
METHODS: dict[str, tuple[int, Callable[[Machine, Tensor, float], object], tuple[float, ...]]] = {
    "wake-sleep": (2, wake_sleep, RATES[:4]),  # (draws an image, a step, rates to choose from)
    "reweighted, K = 5": (5, lambda m, x, rate: reweighted_step(m, x, 5, rate), RATES[4:]),
}
RUNS = (
    ("wake-sleep", 150_000), ("reweighted, K = 5", 150_000), ("wake-sleep", 187_500),
    ("wake-sleep", 375_000), ("reweighted, K = 5", 375_000),
)  # fmt: skip


def taught(train: Tensor, name: str, draws: int, rate: float, seed: int) -> tuple[Machine, float]:
    """A machine that has drawn `draws` times, and the seconds of CPU that this took."""
    each, step, _ = METHODS[name]
    steps, began = draws // (B * each), time.process_time()
    with seeded(seed):
        m = machine((train.shape[1], 200, 200))
        m.generative[0].bias.copy_(train.mean(0).clamp(0.001, 0.999).logit())  # the average image
        for i in range(steps):
            step(m, dynamic(train[torch.randint(len(train), (B,))]), rate * (1 - i / steps))
    return m, time.process_time() - began


@torch.no_grad()
def judged(m: Machine, x: Tensor, K: int) -> tuple[Tensor, Tensor]:
    """log p(x) of each image by the first FEW draws, and by K, (N,) nats each."""
    with seeded(12):
        log_w = torch.cat([m.log_weights(x, FEW) for _ in range(K // FEW)])
    return iwae(log_w[:FEW]), iwae(log_w)


def main() -> None:
    images, rows = load_images("mnist"), []
    with seeded(10):
        valid = dynamic(images.valid[:: len(images.valid) // 100][:100])
        test = dynamic(images.test[:: len(images.test) // 200][:200])
    for name, draws in RUNS:
        each, _, rates = METHODS[name]
        tried = np.full(len(RATES), np.nan)
        for rate in rates:
            ends = [judged(taught(images.train, name, draws, rate, seed)[0], valid, FEW)[0].mean() for seed in TUNED_ON]
            tried[RATES.index(rate)] = torch.stack(ends).mean().nan_to_num(-torch.inf)
        rate = RATES[int(np.nanargmax(tried))]
        found = []
        for seed in STARTS:
            m, seconds = taught(images.train, name, draws, rate, seed)
            found.append((*judged(m, test, MANY), seconds))
        few, many, seconds = zip(*found, strict=True)
        few, many = torch.stack(few).numpy(), torch.stack(many).numpy()
        rows.append((name, draws, draws // (B * each), rate, tried, few.mean(1), many, seconds))
        print(f"{name:18} {draws} draws, tried {tried.round(2)}: at {rate:g} anew {many.mean():.2f},", end=" ")
        print(f"{np.mean(seconds):.1f} s; start by start {many.mean(1).round(2)}", flush=True)
    columns = dict(zip(on_digits.COLUMNS, zip(*rows, strict=True), strict=True))
    np.savez_compressed(on_digits.KEPT, rates=RATES, **columns)


if __name__ == "__main__":
    main()
