"""The paper's table on a GPU: its six models at once, trained and measured.

    python -m benchmarks.gpu --seconds 400 [NAME ...]   as many epochs as fit into these seconds; into the package
    python -m benchmarks.gpu --speed                    steps a second: one by one, and recorded as a graph

Models go into the package with their cards; log p of every test image is kept in build/long/table.safetensors. With
`--twice` each is trained from a second seed beside, which is measured and not kept.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Iterator

from safetensors.torch import save_file
from torch import Tensor

from benchmarks import long
from benchmarks.graphs import Trained, recorded, side_by_side, speeds, tensor_float
from benchmarks.judge import words
from benchmarks.recipes import RECIPES, Paper, Recipe
from lvmteach.data import dynamic
from lvmteach.runtime import device, seeded
from lvmteach.training import train

TABLE = ("iwae_1", "iwae_5", "iwae_50", "two_1", "two_5", "two_50")
AGAIN, OTHER_SEED = " again", 1000  # the second run of a recipe


def chosen(names: list[str], both: bool) -> dict[str, Recipe]:
    """These recipes, and, if asked for, each once more from another seed."""
    recipes = {name: RECIPES[name] for name in names}
    return recipes | ({name + AGAIN: again(recipe) for name, recipe in recipes.items()} if both else {})


def again(recipe: Recipe) -> Recipe:
    """The same recipe from another seed."""
    return recipe._replace(seed=recipe.seed + OTHER_SEED)


def trained(recipes: dict[str, Recipe], x: Tensor, seconds: float) -> dict[str, Trained]:
    """All of them side by side, each seed from a warm-up of its own."""
    first = {(recipe.start, name.endswith(AGAIN)) for name, recipe in recipes.items()}
    warm = {key: again(RECIPES[key[0]]) if key[1] else RECIPES[key[0]] for key in sorted(first)}
    ready = side_by_side({f"{start}{AGAIN * late}": recipe for (start, late), recipe in warm.items()}, x)
    starts = {name: ready[recipe.start + AGAIN * name.endswith(AGAIN)].model for name, recipe in recipes.items()}
    return side_by_side(recipes, x, starts, seconds)


def make(names: list[str], seconds: float, both: bool) -> None:
    """Train, put the first seed's models into the package, and compare."""
    x = long.training_images()
    began = time.perf_counter()
    found = trained(chosen(names, both), x.to(device()), seconds)
    print(f"trained in {time.perf_counter() - began:.0f} s, warm-ups and recording included", flush=True)
    test, log_p = long.held_out(), {}
    for name, (model, bound, recipe) in found.items():
        model = long.rounded(model)
        log_p[name] = long.log_p_of_test(model, test, long.EVAL_K)
        print(f"{name}: {words(log_p[name])}, bound in training {bound:.2f}, {recipe.epochs} epochs", flush=True)
        if not name.endswith(AGAIN):
            long.ship(name, recipe, model, bound, log_p[name], x)
    long.WORK.mkdir(parents=True, exist_ok=True)
    save_file({name.replace(" ", "_"): value for name, value in log_p.items()}, long.WORK / "table.safetensors")
    print("\n".join(comparisons(log_p)))


def comparisons(log_p: dict[str, Tensor]) -> Iterator[str]:
    """Every two models, image by image, seed by seed."""
    names = [name for name in log_p if not name.endswith(AGAIN)]
    for a, b in itertools.combinations(names, 2):
        each = [words(log_p[b + seed] - log_p[a + seed]) for seed in ("", AGAIN) if b + seed in log_p]
        yield f"{b} above {a}: {', and from the other seed '.join(each)}"


def speed(seconds: float = 2.0) -> Iterator[str]:
    """Steps a second of one model alone, as Markdown."""
    x = long.training_images().to(device())
    yield "| model | batch | `train`, steps a second | recorded | ratio |\n|---|---|---|---|---|"
    paper = Paper(K=1, L=50, epochs=3280, high=1e-3, seed=1, batch=20, doubly=False)
    for name, recipe in {**{name: RECIPES[name] for name in TABLE}, "iwae_1, the paper's": paper}.items():
        with seeded(recipe.seed):
            model = recipe.build().to(device())
            bound = recipe.objective(model, 1).to(device())
            plain = one_by_one(bound, recipe, x, seconds)
            with tensor_float(x):
                run = recorded(model, recipe, x)
            [played] = speeds([run], seconds)
        yield f"| {name} | {recipe.batch} | {plain:.0f} | {played:.0f} | {played / plain:.1f} |"


def one_by_one(bound, recipe: Recipe, x: Tensor, seconds: float) -> float:
    """Steps a second of `train`, after 20 that warm up."""
    settings = {"batch_size": recipe.batch, "optimiser": recipe.optimiser, "prepare": dynamic, "progress": False}
    steps = 20
    while True:
        began = time.perf_counter()
        train(bound, lambda bound, x: -bound(x).mean(), x, steps=steps, lr=1e-5, **settings)
        took = time.perf_counter() - began
        if steps > 20:
            return steps / took
        steps = 20 + math.ceil(20 * seconds / took)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TABLE))
    asked.add_argument("--seconds", type=float, default=0.0, help="of training; 0 for the recipes' epochs")
    asked.add_argument("--twice", action="store_true", help="from two seeds")
    asked.add_argument("--speed", action="store_true", help="steps a second, and train nothing")
    asked = asked.parse_args()
    if unknown := set(asked.names) - set(TABLE):
        raise SystemExit(f"no model {', '.join(sorted(unknown))} in the table; there are {', '.join(TABLE)}")
    if asked.speed:
        for line in speed():
            print(line, flush=True)
    else:
        make(asked.names or list(TABLE), asked.seconds, asked.twice)


if __name__ == "__main__":
    main()
