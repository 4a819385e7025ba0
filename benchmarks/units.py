"""Does the count of active units depend on the path? The VAE of notebook 08 trained in three ways, three seeds each.

    python -m benchmarks.units     about 5 minutes of one core; writes lvmteach/vae/trained/units_runs.json

784-200-200-50, 2500 steps of 200 images, binarised afresh, the notebook's rates. The three of a seed begin at the same
parameters, see the same batches and end with the same objective, the ELBO:

| way | gradient |
|---|---|
| sampled | log w at one draw, the KL term included |
| closed form | the KL term in closed form |
| warm-up | the same, its weight rising from 0 to 1 over the first third |

Runs that the file has already are kept.
"""

from __future__ import annotations

import json

from lvmteach.bounds import elbo
from lvmteach.data import dynamic, load_images
from lvmteach.evaluation import active_units, log_marginal
from lvmteach.runtime import seeded
from lvmteach.training import cosine, train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal
from lvmteach.vae.pretrained import FOLDER, UNITS
from lvmteach.warm_up import Annealed

STEPS, SEEDS, K = 2500, range(3), 500
WAYS = {
    "sampled": lambda model: (model, lambda m, x: -elbo(m.log_weights(x)).mean()),
    "closed form": lambda model: (Annealed(model), lambda m, x: -m(x).mean()),
    "warm-up": lambda model: (Annealed(model, STEPS // 3), lambda m, x: -m(x).mean()),
}


def run(images, way: str, seed: int) -> dict:
    with seeded(seed):
        model = VAE(
            GaussianEncoder(784, L=50, hidden=(200, 200)),
            BernoulliDecoder(50, 784, hidden=(200, 200), mean=images.train.mean(0)),
            StandardNormal(50),
        )
        trained, loss = WAYS[way](model)
        train(
            trained, loss, images.train, steps=STEPS, batch_size=200, lr=cosine(5e-3, 1e-5, STEPS), prepare=dynamic,
            progress=False,
        )  # fmt: skip
    with seeded(10):
        x = dynamic(images.test[::20])
        log_p, kl = float(log_marginal(model, x, K).mean()), float(model.kl(x).detach().mean())
        active = int(active_units(model, dynamic(images.test)).sum())
    return {"way": way, "seed": seed, "active": active, "log_p": round(log_p, 3), "kl": round(kl, 3), "K": K}


def main() -> None:
    path, images = FOLDER / UNITS, load_images("mnist")
    runs = json.loads(path.read_text()) if path.exists() else []
    for seed in SEEDS:
        for way in WAYS:
            if not any(one["way"] == way and one["seed"] == seed for one in runs):
                runs.append(run(images, way, seed))
                print(runs[-1], flush=True)
                path.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
