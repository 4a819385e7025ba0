"""The models that come with the package: train them, measure them, write them with their cards.

    python -m benchmarks.long [NAME ...]          train what is not trained yet, then measure and write it
    python -m benchmarks.long --check [NAME ...]  measure the models as they are in the package; does the card hold?

Stop it when you like, by Ctrl-C or by pulling the plug: the next call goes on from the last checkpoint in build/long/,
at most ten epochs back. On a GPU (LVMTEACH_DEVICE) `--paper` takes the schedule of Burda et al. 2016 instead: 3280
epochs of batches of 20, every model from scratch.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import os
import platform
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from lvmteach.bounds import dreg, iwae
from lvmteach.checkpoints import data_hash, save
from lvmteach.data import dynamic, load_images
from lvmteach.evaluation import active_units, log_marginal
from lvmteach.runtime import device, seeded
from lvmteach.training import adam, cosine, train
from lvmteach.vae import VAE
from lvmteach.vae.pretrained import FOLDER, NAMES, mnist_two_layers, mnist_vae, pretrained
from lvmteach.warm_up import Annealed

WORK = Path("build/long")
TEST_SEED = 0  # of the one binarisation of the test images that every number is about
EVAL_K, BLOCK = 5000, 500  # samples an image; images between two writes to disk


class Recipe(NamedTuple):
    """How a model is trained: the bound's K, the latent dimension, epochs, learning rate, seed, and what from."""

    K: int
    L: int
    epochs: int
    high: float
    seed: int
    start: str | None = None
    low: float = 1e-5
    batch: int = 100
    doubly: bool = True  # doubly reparameterised gradients; at K = 1 the score of q(z|x) is left out

    @property
    def schedule(self) -> str:
        return f"Adam, batches of {self.batch}, learning rate {self.high:g} to {self.low:g} along half a cosine"

    def build(self) -> VAE:
        """A model of the kind that is trained, at random parameters."""
        return mnist_vae(self.L)

    def begin(self, model: VAE, before: VAE) -> None:
        """Give the model the parameters to start from, those of another."""
        model.load_state_dict(before.state_dict())

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        """What is trained for so many steps, with the model inside: its mean over a batch is maximised."""
        return Bound(model, self.K, self.doubly)


class WarmUp(Recipe):
    """The ELBO with a KL term that comes in slowly, so that no unit is switched off before it has learnt anything."""

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        return Annealed(model, steps)


class TwoLayers(Recipe):
    """A model with two stochastic layers; L is the dimension of both together."""

    def build(self) -> VAE:
        return mnist_two_layers()


class Top(TwoLayers):
    """The upper part of it alone, q(h2|h1) and p(h1|h2), as a VAE whose data are draws of h1 by a one-layer model."""

    def begin(self, model: VAE, before: VAE) -> None:
        grow(model, before)

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        return Upper(model, steps // 4)


class Bound(nn.Module):
    """The importance weighted bound of a model, (B,) in nats."""

    def __init__(self, model: nn.Module, K: int, doubly: bool):
        super().__init__()
        self.model, self.K, self.doubly = model, K, doubly

    def forward(self, x: Tensor) -> Tensor:
        if self.doubly:
            return dreg(*self.model.draw(x, self.K, detach_q=True))
        return iwae(self.model.log_weights(x, self.K))


class Upper(nn.Module):
    """The annealed ELBO of the upper layers at h1 ~ q(h1|x), (B,) in nats; the lower layers stay as they are."""

    def __init__(self, model: VAE, steps: int):
        super().__init__()
        self.model = model.requires_grad_(False)  # all of it, so that a checkpoint holds what is not trained too
        upper = VAE(model.encoder.second, model.prior.below, model.prior.top)
        self.bound = Annealed(upper.requires_grad_(True), steps)

    def forward(self, x: Tensor) -> Tensor:
        return self.bound(self.model.encoder.first(x).sample())


@torch.no_grad()
def grow(two: VAE, one: VAE) -> None:
    """Let two layers begin where one ended: h1 is its z and as many dimensions more, which say little.

    What is copied is the way from x to h1 and back; what is new in it starts at a tenth of Glorot's weights.
    """
    L1, L = two.decoder.L1, len(one.prior().mean)
    up, down, q, p = one.encoder.net, one.decoder.net, two.encoder.first.net, two.decoder.decoder.net
    for mine, theirs in ((q[0], up[0]), (q[2], up[2]), (p[2], down[2]), (p[4], down[4])):
        mine.load_state_dict(theirs.state_dict())
    q[4].weight *= 0.1
    q[4].weight[L1:] = 0  # log sigma of the dimensions that are new
    for mine, theirs in ((slice(L), slice(L)), (slice(L1, L1 + L), slice(L, 2 * L))):  # means; log sigmas
        q[4].weight[mine], q[4].bias[mine] = up[4].weight[theirs], up[4].bias[theirs]
    p[0].weight *= 0.1
    p[0].weight[:, :L], p[0].bias[:] = down[0].weight, down[0].bias


RECIPES = {
    "plane": Recipe(K=1, L=2, epochs=120, high=2e-3, seed=2, doubly=False),
    "warm_up": WarmUp(K=1, L=50, epochs=60, high=2e-3, low=2e-3, seed=1),
    "iwae_1": Recipe(K=1, L=50, epochs=800, high=2e-3, seed=1, start="warm_up"),
    "iwae_5": Recipe(K=5, L=50, epochs=400, high=2e-3, seed=5, start="warm_up"),
    "iwae_50": Recipe(K=50, L=50, epochs=50, high=1e-3, seed=50, start="iwae_1"),
    "top_1": Top(K=1, L=150, epochs=40, high=2e-3, low=1e-4, seed=201, start="iwae_1", batch=200),
    "free_1": TwoLayers(K=1, L=150, epochs=24, high=1e-3, low=1e-3, seed=201, start="top_1"),
    "two_1": TwoLayers(K=1, L=150, epochs=6, high=1e-3, seed=201, start="free_1"),
    "top_5": Top(K=1, L=150, epochs=15, high=2e-3, low=1e-4, seed=205, start="iwae_5", batch=200),
    "two_5": TwoLayers(K=5, L=150, epochs=4, high=5e-4, seed=205, start="top_5"),
    "top_50": Top(K=1, L=150, epochs=15, high=2e-3, low=1e-4, seed=250, start="iwae_50", batch=200),
    "two_50": TwoLayers(K=50, L=150, epochs=1, high=3e-4, seed=250, start="top_50"),
}


class Paper(Recipe):
    """Appendix D of Burda et al. 2016: for i = 0..7, 3^i epochs at 0.001 * 10^(-i/7); Adam with epsilon 1e-4."""

    @property
    def schedule(self) -> str:
        return "Adam (epsilon 1e-4), batches of 20, 3^i epochs at 0.001 * 10^(-i/7) for i = 0..7"


def trained(name: str, recipe: Recipe, x: Tensor) -> tuple[torch.nn.Module, float]:
    """The model after its last step, and the mean bound over its last ten epochs; goes on from what is on disk."""
    run = kept_file(name, recipe, "run")
    with seeded(recipe.seed):
        model = recipe.build().to(device())
        if recipe.start and not run.exists():
            before, _ = trained(recipe.start, RECIPES[recipe.start], x)
            recipe.begin(model, before)
        each = len(x) // recipe.batch
        steps = each * recipe.epochs
        paper = isinstance(recipe, Paper)
        history = train(
            recipe.objective(model, steps).to(device()),
            lambda bound, x: -bound(x).mean(),
            x,
            steps=steps,
            batch_size=recipe.batch,
            lr=_staircase(each) if paper else cosine(recipe.high, recipe.low, steps),
            optimiser=(lambda p: torch.optim.Adam(p, eps=1e-4, fused=True)) if paper else adam,
            prepare=dynamic,
            checkpoint=run,
            checkpoint_every=10 * each,
            resume=True,
        )
    if history.interrupted:
        kept = len(history.loss) // (10 * each) * 10 * each
        raise SystemExit(f"stopped at step {len(history.loss)} of {steps}; the same command goes on from step {kept}")
    return model, -float(history.loss[-10 * each :].mean())


def kept_file(name: str, recipe: Recipe, what: str) -> Path:
    """Where a run, or log p of the test images, is kept between two calls: another recipe's files are others."""
    WORK.mkdir(parents=True, exist_ok=True)
    made_by = hashlib.sha256(repr(lineage(recipe)).encode()).hexdigest()[:8]
    return WORK / f"{name}.{made_by}.{what}.safetensors"


def lineage(recipe: Recipe) -> list[Recipe]:
    """A recipe, that of the model it starts from, and so on back to random parameters."""
    return [recipe, *(lineage(RECIPES[recipe.start]) if recipe.start else [])]


def held_out(count: int = 10_000) -> Tensor:
    """The test images, or so many of them evenly spread, black and white by one seeded draw."""
    with seeded(TEST_SEED):
        x = dynamic(load_images("mnist").test)
    return x[:: len(x) // count][:count]


def log_p_of_test(model, x: Tensor, K: int, file: Path | None = None, seed: int = 0) -> Tensor:
    """log p(x) of each test image, in nats; with a file, goes on from the images done there."""
    done = load_file(file)["log_p"] if file and file.exists() else x.new_empty(0)
    for at in tqdm(range(len(done), len(x), BLOCK), desc=f"log p(x) by {K} samples", disable=None):
        with seeded(10**6 * (seed + 1) + at):  # each block has its own stream: a resumed measurement is the same
            block = log_marginal(model, x[at : at + BLOCK].to(device()), K)
        done = torch.cat([done, block.cpu()])
        if file:
            part = file.with_suffix(".part")
            save_file({"log_p": done}, part)
            os.replace(part, file)
    return done


def make(name: str, recipe: Recipe, count: int) -> None:
    """Train, round to half precision, measure what is left, and put model and card into the package."""
    images = load_images("mnist")
    x = torch.cat([images.train, images.valid])  # all 60000, as in the paper
    model, bound = trained(name, recipe, x)
    shipped = copy.deepcopy(model).cpu().half()
    model = shipped.float().to(device())
    test = held_out(count)
    log_p = log_p_of_test(model, test, EVAL_K, kept_file(name, recipe, f"test{count}"))
    tenth = log_p[:: max(1, count // 1000)]
    active = active_units(model, test.to(device()))
    card = {
        "name": name,
        "K": recipe.K,
        "L": recipe.L,
        "epochs": recipe.epochs,
        "steps": recipe.epochs * (len(x) // recipe.batch),
        "start": recipe.start,
        "epochs_before": sum(earlier.epochs for earlier in lineage(recipe)[1:]),
        "schedule": recipe.schedule,
        "gradient": "doubly reparameterised" if recipe.doubly else "reparameterised",
        "seed": recipe.seed,
        "binarisation": "dynamic: a pixel is 1 with the probability of its grey value, drawn anew at each visit",
        "data_sha256": data_hash(x),
        "train_bound": round(bound, 3),
        "test_log_likelihood": round(float(log_p.mean()), 3),
        "test_se": round(float(log_p.std() / math.sqrt(len(log_p))), 3),
        "every_10th": round(float(tenth.mean()), 3),  # so that a few images suffice to check the card
        "eval_K": EVAL_K,
        "eval_images": len(test),
        "test_seed": TEST_SEED,
        "active_units": int(active.sum()),
        "hardware": f"{_processor()}, torch {torch.__version__}, {torch.get_num_threads()} thread(s)",
        "date": date.today().isoformat(),
        "command": f"python -m benchmarks.long {'--paper ' * isinstance(recipe, Paper)}{name}",
    }
    if isinstance(recipe, TwoLayers):
        L1 = model.decoder.L1
        card["layers"] = [L1, recipe.L - L1]
        card["active_by_layer"] = [int(active[:L1].sum()), int(active[L1:].sum())]
    FOLDER.mkdir(exist_ok=True)
    save(copy.deepcopy(model).cpu().half(), FOLDER / f"{name}.safetensors")
    part = FOLDER / f"{name}.json.part"
    part.write_text(json.dumps(card, indent=2) + "\n")
    os.replace(part, FOLDER / f"{name}.json")
    print(
        f"{name}: log p(x) {card['test_log_likelihood']} +- {card['test_se']} nats, {card['active_units']} active units"
    )


def check(name: str, images: int, K: int) -> bool:
    """Measure the model in the package with fresh samples; True where its card holds within two standard errors.

    They shrink as the images come to be all of the card's. What is then left is the draws: 0.05 nats.
    """
    model, card = pretrained(name, device())
    images = min(images, card["eval_images"])
    x = held_out(images)
    log_p = log_p_of_test(model, x, K, seed=1)
    mean, se = float(log_p.mean()), float(log_p.std() / math.sqrt(len(log_p)))
    margin = 2 * se * math.sqrt(1 - len(x) / card["eval_images"]) + 0.05
    holds = abs(mean - card["test_log_likelihood"]) <= margin
    print(f"{name}: log p(x) {mean:.2f} +- {se:.2f} nats, K = {K}, {len(x)} test images")
    verdict = "holds" if holds else "DOES NOT HOLD"
    print(f"  its card: {card['test_log_likelihood']:.2f}, K = {card['eval_K']}: {verdict} within {margin:.2f}")
    return holds


def _staircase(each: int) -> Callable[[int], float]:
    """The paper's learning rate, from the number of steps in an epoch."""
    ends = [each * sum(3**j for j in range(i + 1)) for i in range(8)]
    return lambda step: 0.001 * 10 ** (-next(i for i, end in enumerate(ends) if step < end) / 7)


def _processor() -> str:
    if device().type == "cuda":
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    words = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    return f"{words[0] if words else platform.machine()}, {os.cpu_count()} cores"


def main(arguments: list[str]) -> bool:
    """Make the models named, or all; or check them."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    asked.add_argument("--check", action="store_true", help="measure the models in the package, train nothing")
    asked.add_argument("--images", type=int, default=10000, help="test images to measure on, evenly spread")
    asked.add_argument("--samples", type=int, default=EVAL_K, help="K to check with")
    asked.add_argument("--paper", action="store_true", help="the paper's schedule, from scratch: for a GPU")
    asked = asked.parse_args(arguments)
    if not 2 <= asked.images <= 10_000:
        raise SystemExit(f"--images must be 2 to 10000, got {asked.images}")
    unknown = set(asked.names) - set(NAMES)
    if unknown:
        raise SystemExit(f"no model {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    names = asked.names or list(NAMES)
    if asked.check:
        return all([check(name, asked.images, asked.samples) for name in names])
    for name in names:
        recipe = RECIPES[name]
        if asked.paper:
            recipe = Paper(recipe.K, recipe.L, 3280, 1e-3, recipe.seed, batch=20, doubly=False)
        make(name, recipe, asked.images)
    return True


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
