"""Wake-sleep and reweighted wake-sleep on binary MNIST: equal draws, tuned rates, two starts, with the clock.

    python -m benchmarks.digits    about 4 minutes of one core; prints

784-200-200, batches of 100, a rate that falls linearly to 0. Both draw 150 000 times: a wake-sleep step takes 2 draws
an image (a reading, a dream), a reweighted step K = 5. log p(x) of 100 test images by K = 500 draws. Rates are compared
on one start, and the best is run on two others.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from benchmarks.bars import wake_sleep
from lvmteach.data import dynamic, load_images
from lvmteach.evaluation import log_marginal
from lvmteach.helmholtz import machine, reweighted_step
from lvmteach.runtime import seeded

DRAWS, B, K = 150_000, 100, 500
RATES = {"wake-sleep": (0.1, 0.2, 0.3), "reweighted, K = 5": (0.3, 0.5)}
STEP = {"wake-sleep": (2, wake_sleep), "reweighted, K = 5": (5, lambda m, x, rate: reweighted_step(m, x, 5, rate))}


def taught(images, name: str, rate: float, seed: int):
    """The test images' log p(x), (100,), and the seconds of CPU that teaching took."""
    draws, step = STEP[name]
    steps, spent = DRAWS // (B * draws), time.process_time()
    with seeded(seed):
        m = machine((images.train.shape[1], 200, 200))
        m.generative[0].bias.copy_(images.train.mean(0).clamp(0.001, 0.999).logit())  # the average image
        for i in range(steps):
            step(m, dynamic(images.train[torch.randint(len(images.train), (B,))]), rate * (1 - i / steps))
    spent = time.process_time() - spent
    with seeded(12):
        return log_marginal(m, dynamic(images.test[:: len(images.test) // 100]), K), spent


def main() -> None:
    images = load_images()
    for name, rates in RATES.items():
        tried = [float(taught(images, name, rate, seed=1)[0].mean()) for rate in rates]
        best = rates[int(np.argmax(tried))]
        print(name, "by rate", dict(zip(rates, tried, strict=True)), flush=True)
        runs = [taught(images, name, best, seed) for seed in (2, 3)]
        print(name, best, [f"{float(log_p.mean()):.2f} in {spent:.0f} s" for log_p, spent in runs], flush=True)


if __name__ == "__main__":
    main()
