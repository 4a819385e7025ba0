"""How long should the KL term take to come in? Twenty passes over MNIST each, with one stochastic layer and with two.

    python -m benchmarks.trials [one|two ...]      about 80 seconds a run with one layer, 150 with two, on one core

K = 1; a run's first passes have a KL term whose weight rises from 0 to 1, the rest is trained as the packaged models
are. Two seeds; judged by K = 500 on 1000 test images, all runs on the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks import long
from benchmarks.graphs import side_by_side
from benchmarks.recipes import Recipe, TwoLayers, TwoLayersWarmUp, WarmUp
from lvmteach.evaluation import active_units, log_marginal
from lvmteach.runtime import device, seeded
from lvmteach.vae import VAE

PASSES, WARM, SEEDS, RATE = 20, (0, 5, 15), (1, 2), 2e-3
KINDS = {"one": (WarmUp, Recipe, 50), "two": (TwoLayersWarmUp, TwoLayers, 150)}


def run(kind: str, warm: int, seed: int, x: Tensor) -> VAE:
    """A model after `warm` passes in which the KL term comes in, and the others along half a cosine."""
    first, then, L = KINDS[kind]
    start = {}
    if warm:
        recipe = first(K=1, L=L, epochs=warm, high=RATE, low=RATE, seed=seed)
        start["run"] = side_by_side({"run": recipe}, x)["run"].model
    recipe = then(K=1, L=L, epochs=PASSES - warm, high=RATE, seed=seed)
    return side_by_side({"run": recipe}, x, start)["run"].model


def rows(kind: str) -> Iterator[str]:
    """The table's lines for one kind of model, as Markdown."""
    x, test = long.training_images().to(device()), long.held_out(1000).to(device())
    yield f"| passes with a rising weight, of {PASSES}; layers: {kind} | log p(x), nats | active units |"
    yield "|---|---|---|"
    for warm in WARM:
        log_p, active = [], []
        for seed in SEEDS:
            model = run(kind, warm, seed, x)
            with seeded(9):
                log_p.append(float(log_marginal(model, test, 500, long.CHUNK[device().type]).mean()))
                units = active_units(model, test)
            parts = units.split([100, 50]) if kind == "two" else [units]
            active.append(" + ".join(str(int(part.sum())) for part in parts))
        yield f"| {warm} | {', '.join(f'{value:.2f}' for value in log_p)} | {', '.join(active)} |"


def main() -> None:
    for kind in sys.argv[1:] or KINDS:
        for line in rows(kind):
            print(line, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
