"""Wake-sleep and reweighted wake-sleep on binary MNIST: equal draws, tuned rates, five starts, with the clock.

    python -m benchmarks.digits    about 3 minutes of one core; writes lvmteach/classroom/figures/on_digits.json

784-200-200, batches of 100, a rate that falls linearly to 0. Both draw 150 000 times: a wake-sleep step takes 2 draws
an image (a reading, a dream), a reweighted step K = 5. log p(x) of 100 test images by K = 500 draws. Rates are compared
on one start, and the best is run on five others.
"""

from __future__ import annotations

import json
import time

import numpy as np
import torch

from benchmarks.bars import wake_sleep
from lvmteach.classroom.figures import running_example
from lvmteach.data import dynamic, load_images
from lvmteach.evaluation import log_marginal
from lvmteach.helmholtz import machine, reweighted_step
from lvmteach.runtime import seeded

DRAWS, B, K = 150_000, 100, 500
RATES = (0.1, 0.15, 0.2, 0.3, 0.5, 0.8)
STARTS = (2, 3, 4, 5, 6)
STEP = {"wake-sleep": (2, wake_sleep), "reweighted, K = 5": (5, lambda m, x, rate: reweighted_step(m, x, 5, rate))}


def taught(images, name: str, rate: float, seed: int) -> tuple[float, float]:
    """Mean log p(x) of the test images, and the seconds of CPU that teaching took."""
    draws, step = STEP[name]
    steps, spent = DRAWS // (B * draws), time.process_time()
    with seeded(seed):
        m = machine((images.train.shape[1], 200, 200))
        m.generative[0].bias.copy_(images.train.mean(0).clamp(0.001, 0.999).logit())  # the average image
        for i in range(steps):
            step(m, dynamic(images.train[torch.randint(len(images.train), (B,))]), rate * (1 - i / steps))
    spent = time.process_time() - spent
    with seeded(12):
        log_p = log_marginal(m, dynamic(images.test[:: len(images.test) // 100]), K).mean()
    return round(float(log_p), 3), round(spent, 1)


def main() -> None:
    images, kept = load_images("mnist"), []
    for name in STEP:
        tried = [taught(images, name, rate, seed=1)[0] for rate in RATES]
        best = RATES[int(np.nanargmax(tried))]
        log_p, seconds = zip(*(taught(images, name, best, seed) for seed in STARTS), strict=True)
        kept.append({"name": name, "rates": RATES, "tried": tried, "rate": best, "log_p": log_p, "seconds": seconds})
        print(kept[-1], flush=True)
    running_example.DIGITS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
