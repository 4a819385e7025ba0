"""How much is luck: the runs of notebook 09 from five seeds each, judged by few samples and by many.

    python -m benchmarks.seeds      about 7 minutes of one core; writes lvmteach/classroom/figures/five_seeds.npz

A seed sets the first parameters, the batches and the noise, and all runs of a seed start alike: differences are taken
seed by seed. All seeds are judged on the same 300 binary test images. "longer" makes four times the steps, less than
the time that K = 50 takes on a CPU. The last two go on from it, as many steps each at the same rate.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.judge import log_p_by
from lvmteach.bounds import elbo, iwae
from lvmteach.classroom.figures import five_seeds
from lvmteach.data import dynamic, load_images
from lvmteach.integrals import ess
from lvmteach.runtime import seeded
from lvmteach.training import cosine, train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal

SEEDS = (1, 2, 3, 4, 5)
H, LATENT, BATCH, STEPS, MORE, HIGH = 100, 50, 20, 800, 400, 3e-3
FEW, MANY = 300, 3000
RUNS = {  # name: (where it starts, K, steps, highest rate, what is added to the seed)
    "K = 1": ("fresh", 1, STEPS, HIGH, 0),
    "K = 5": ("fresh", 5, STEPS, HIGH, 0),
    "K = 50": ("fresh", 50, STEPS, HIGH, 0),
    "K = 1, longer": ("fresh", 1, 4 * STEPS, HIGH, 0),
    "K = 1, continued": ("K = 1, longer", 1, MORE, HIGH / 3, 1000),
    "K = 50, warm": ("K = 1, longer", 50, MORE, HIGH / 3, 1000),
}


def taught(seed: int, images) -> dict[str, tuple[VAE, float]]:
    """The models of one seed and the CPU seconds that each took."""
    D = images.train.shape[1]
    with seeded(seed):
        decoder = BernoulliDecoder(LATENT, D, (H, H), mean=images.train.mean(0))
        models = {"fresh": (VAE(GaussianEncoder(D, LATENT, (H, H)), decoder, StandardNormal(LATENT)), 0.0)}
    for name, (start, K, steps, high, added) in RUNS.items():
        model, began = copy.deepcopy(models[start][0]), time.process_time()

        def loss(model, x, K=K):
            return -iwae(model.log_weights(x, K)).mean()

        with seeded(seed + added):
            rate = cosine(high, high / 30, steps)
            train(model, loss, images.train, steps=steps, batch_size=BATCH, lr=rate, prepare=dynamic, progress=False)
        models[name] = model, time.process_time() - began
    del models["fresh"]
    return models


def main() -> None:
    images = load_images("mnist")
    with seeded(5):
        x = dynamic(images.test[:: len(images.test) // 300])
    found = {name: [] for name in RUNS}
    for seed in SEEDS:
        for name, (model, seconds) in taught(seed, images).items():
            with seeded(8), torch.no_grad():
                by = log_p_by(model, x, (FEW, MANY))
                log_w = model.log_weights(x, 50)
            measured = by[FEW], by[MANY], elbo(log_w), ess(log_w)
            found[name].append([*(float(v.mean()) for v in measured), seconds])
            print(seed, f"{name:16}", *(f"{v:9.3f}" for v in found[name][-1]), flush=True)
    few, many, bound, size, seconds = np.moveaxis(np.array(list(found.values())), 2, 0)
    np.savez_compressed(
        Path(five_seeds.__file__).with_suffix(".npz"),
        name=list(RUNS), few=few, many=many, elbo=bound, ess=size, seconds=seconds,
    )  # fmt: skip


if __name__ == "__main__":
    main()
