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
from collections.abc import Callable, Iterable
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
from lvmteach.vae import VAE, Terms
from lvmteach.vae.model import as_constant
from lvmteach.vae.pretrained import FOLDER, NAMES, mnist_two_layers, mnist_vae, pretrained
from lvmteach.warm_up import Annealed

WORK = Path("build/long")
TEST_SEED = 0  # of the one binarisation of the test images that every number is about
MADE = (*NAMES, "two_5", "two_50")  # what can be made here; not all of it comes with the package
LONGEST = 10.0  # gradients of two layers
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

    def optimiser(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """What makes the steps."""
        return adam(parameters)

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        """What is trained for so many steps, with the model inside: its mean over a batch is maximised."""
        return Bound(model, self.K, self.doubly)


class WarmUp(Recipe):
    """The ELBO with a KL term that comes in slowly, so that no unit is switched off before it has learnt anything."""

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        return Annealed(model, steps)


class TwoLayers(Recipe):
    """A model with two stochastic layers; L is the dimension of both together.

    Its gradient is limited: without, at this rate, the loss stayed at that of a model without z (benchmarks/README.md).
    """

    @property
    def schedule(self) -> str:
        return f"{super().schedule}, the gradient no longer than {LONGEST:g}"

    def build(self) -> VAE:
        return mnist_two_layers()

    def optimiser(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        return Clipped(parameters, fused=True)


class TwoLayersWarmUp(TwoLayers):
    """Two layers, and a KL term that comes in slowly for both."""

    def objective(self, model: nn.Module, steps: int) -> nn.Module:
        return Annealed(SampledKL(model.encoder, model.decoder, model.prior), steps)


class SampledKL(VAE):
    """A VAE whose `terms` hold log q(z|x) - log p(z) at one draw for the KL, which has no closed form at two layers."""

    def terms(self, x: Tensor, K: int = 1) -> Terms:
        q, z = self._sample(x, K)
        log_ratio = as_constant(q).log_prob(z) - self.prior().log_prob(z)  # the score of q is left out
        return Terms(self.decoder(z).log_prob(x), log_ratio.mean(0))


class Clipped(torch.optim.Adam):
    """Adam on a gradient that is no longer than LONGEST, all parameters taken together."""

    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            nn.utils.clip_grad_norm_(group["params"], LONGEST)
        super().step(closure)


class Bound(nn.Module):
    """The importance weighted bound of a model, (B,) in nats."""

    def __init__(self, model: nn.Module, K: int, doubly: bool):
        super().__init__()
        self.model, self.K, self.doubly = model, K, doubly

    def forward(self, x: Tensor) -> Tensor:
        if self.doubly:
            return dreg(*self.model.draw(x, self.K, detach_q=True))
        return iwae(self.model.log_weights(x, self.K))


RECIPES = {
    "plane": Recipe(K=1, L=2, epochs=120, high=2e-3, seed=2, doubly=False),
    "warm_up": WarmUp(K=1, L=50, epochs=60, high=2e-3, low=2e-3, seed=1),
    "iwae_1": Recipe(K=1, L=50, epochs=800, high=2e-3, seed=1, start="warm_up"),
    "iwae_5": Recipe(K=5, L=50, epochs=400, high=2e-3, seed=5, start="warm_up"),
    "iwae_50": Recipe(K=50, L=50, epochs=50, high=1e-3, seed=50, start="iwae_1"),
    "warm_two": TwoLayersWarmUp(K=1, L=150, epochs=40, high=2e-3, low=2e-3, seed=201),
    "half_two": TwoLayers(K=1, L=150, epochs=150, high=2e-3, seed=201, start="warm_two"),
    "warm_one": WarmUp(K=1, L=50, epochs=40, high=2e-3, low=2e-3, seed=1),
    "half_one": Recipe(K=1, L=50, epochs=150, high=2e-3, seed=1, start="warm_one"),  # as many passes with one layer
    "two_1": TwoLayers(K=1, L=150, epochs=240, high=1.5e-3, seed=202, start="half_two"),
    "two_5": TwoLayers(K=5, L=150, epochs=100, high=1e-3, seed=205, start="two_1"),
    "two_50": TwoLayers(K=50, L=150, epochs=30, high=1e-3, seed=250, start="two_5"),
}


class Paper(Recipe):
    """Appendix D of Burda et al. 2016: for i = 0..7, 3^i epochs at 0.001 * 10^(-i/7); Adam with epsilon 1e-4."""

    @property
    def schedule(self) -> str:
        return "Adam (epsilon 1e-4), batches of 20, 3^i epochs at 0.001 * 10^(-i/7) for i = 0..7"

    def optimiser(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, eps=1e-4, fused=True)


class PaperTwoLayers(Paper):
    """The same for two layers."""

    def build(self) -> VAE:
        return mnist_two_layers()


def trained(name: str, recipe: Recipe, x: Tensor) -> tuple[torch.nn.Module, float]:
    """The model after its last step, and the mean bound over its last ten epochs; goes on from what is on disk."""
    run = kept_file(name, recipe, "run")
    with seeded(recipe.seed):
        model = recipe.build().to(device())
        if recipe.start and not run.exists():
            before, _ = trained(recipe.start, RECIPES[recipe.start], x)
            model.load_state_dict(before.state_dict())
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
            optimiser=recipe.optimiser,
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
    asked.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MADE))
    asked.add_argument("--check", action="store_true", help="measure the models in the package, train nothing")
    asked.add_argument("--images", type=int, default=10000, help="test images to measure on, evenly spread")
    asked.add_argument("--samples", type=int, default=EVAL_K, help="K to check with")
    asked.add_argument("--paper", action="store_true", help="the paper's schedule, from scratch: for a GPU")
    asked = asked.parse_args(arguments)
    if not 2 <= asked.images <= 10_000:
        raise SystemExit(f"--images must be 2 to 10000, got {asked.images}")
    there = NAMES if asked.check else MADE
    unknown = set(asked.names) - set(there)
    if unknown:
        raise SystemExit(f"no model {', '.join(sorted(unknown))}; there are {', '.join(there)}")
    names = asked.names or list(NAMES)
    if asked.check:
        return all([check(name, asked.images, asked.samples) for name in names])
    for name in names:
        recipe = RECIPES[name]
        if asked.paper:
            kind = PaperTwoLayers if isinstance(recipe, TwoLayers) else Paper
            recipe = kind(recipe.K, recipe.L, 3280, 1e-3, recipe.seed, batch=20, doubly=False)
        make(name, recipe, asked.images)
    return True


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
