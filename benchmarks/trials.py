"""How should the KL term come in? Short runs over MNIST, K = 1, with one stochastic layer and with two.

    python -m benchmarks.trials [one|two|top ...]   a pass takes 4 s with one layer and 8 with two, on one core

one, two: for how many of twenty passes does its weight rise from 0 to 1? top: of sixty passes, forty-five with a rising
weight, which the upper layer's KL has, too, or else its square. The passes that are left are trained as the packaged
models are. Two seeds; judged by K = 500 on 1000 test images, all runs on the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks import long
from benchmarks.graphs import side_by_side
from benchmarks.recipes import Recipe, TopLater, TwoLayers, TwoLayersWarmUp, WarmUp
from lvmteach.evaluation import active_units, log_marginal
from lvmteach.runtime import device, seeded
from lvmteach.vae import VAE

SEEDS, RATE = (1, 2), 2e-3
# The runs of a table: name, the recipe of the first passes and how many they are, the recipe of the others, all passes.
KINDS = {
    "one": [(f"one layer, {warm} of 20", WarmUp, warm, Recipe, 20) for warm in (0, 5, 15)],
    "two": [(f"two layers, {warm} of 20", TwoLayersWarmUp, warm, TwoLayers, 20) for warm in (0, 5, 15)],
    "top": [
        ("two layers, 45 of 60, one weight", TwoLayersWarmUp, 45, TwoLayers, 60),
        ("two layers, 45 of 60, its square above", TopLater, 45, TwoLayers, 60),
    ],
}


def run(first: type[Recipe], warm: int, then: type[Recipe], passes: int, seed: int, x: Tensor) -> VAE:
    """A model after `warm` passes by the first recipe, and the others along half a cosine."""
    start, L = {}, 150 if then is TwoLayers else 50
    if warm:
        recipe = first(K=1, L=L, epochs=warm, high=RATE, low=RATE, seed=seed)
        start["run"] = side_by_side({"run": recipe}, x)["run"].model
    recipe = then(K=1, L=L, epochs=passes - warm, high=RATE, seed=seed)
    return side_by_side({"run": recipe}, x, start)["run"].model


def rows(kind: str) -> Iterator[str]:
    """The table's lines for one kind, as Markdown."""
    x, test = long.training_images().to(device()), long.held_out(1000).to(device())
    yield "| passes with a rising weight | log p(x), nats | active units |"
    yield "|---|---|---|"
    for name, *recipes in KINDS[kind]:
        log_p, active = [], []
        for seed in SEEDS:
            model = run(*recipes, seed, x)
            with seeded(9):
                log_p.append(float(log_marginal(model, test, 500, long.CHUNK[device().type]).mean()))
                units = active_units(model, test)
            parts = units.split([100, 50]) if len(units) > 50 else [units]
            active.append(" + ".join(str(int(part.sum())) for part in parts))
        yield f"| {name} | {', '.join(f'{value:.2f}' for value in log_p)} | {', '.join(active)} |"


def main() -> None:
    for kind in sys.argv[1:] or KINDS:
        for line in rows(kind):
            print(line, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
