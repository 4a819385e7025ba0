"""Models of binary MNIST that were trained for longer than a lecture lasts, and come with the package.

| name | objective | z | what it is for |
|---|---|---|---|
| plane | ELBO | 2 | the latent plane, drawn |
| vae | ELBO | 50 | what a VAE learns in an hour on two cores: clusters, rates, missing pixels |
| iwae_1 | ELBO, which is the bound at K = 1 | 50 | the paper's VAE |
| iwae_5 | importance weighted bound, K = 5 | 50 | the paper's IWAE |
| iwae_50 | K = 50 | 50 | the paper's best of one layer |
| two_1, two_5, two_50 | K = 1, 5 and 50 | 100 and 50 | the paper's with two stochastic layers |

All but `plane` begin with 60 epochs in which the ELBO's KL term comes in slowly.
Each has a card, a JSON file beside it, with the schedule, the data's hash and the test log-likelihood in nats.
`python -m benchmarks.long` makes them, and measures them again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import safetensors
import torch

from lvmteach.checkpoints import load
from lvmteach.vae.layers import TwoLayerDecoder, TwoLayerEncoder, TwoLayerPrior
from lvmteach.vae.model import VAE
from lvmteach.vae.parts import BernoulliDecoder, GaussianEncoder
from lvmteach.vae.priors import StandardNormal
from lvmteach.vae.sentences import sentence_vae

FOLDER = Path(__file__).parent / "trained"
SENTENCES = "sentences"  # the model of the generated language
UNITS = "units_runs.json"  # active units by the way of training
RICHER = "richer_runs.json"  # the numbers of stage 10 over three seeds
NAMES = ("plane", "vae", "iwae_1", "iwae_5", "iwae_50", "two_1", "two_5", "two_50")
PIXELS = 784


class Pretrained(NamedTuple):
    """A trained model at rest (`eval`, float32), and what its card says of it."""

    model: VAE
    card: dict


def pretrained(name: str, device: torch.device | str = "cpu") -> Pretrained:
    """A model that comes with the package, for black and white MNIST images (B, 784).

    Weights are kept in half precision and returned in float32; the card's numbers hold for them as they are here.

    Raises:
        ValueError: there is no model of that name.
    """
    if name not in NAMES:
        raise ValueError(f"no model {name!r} comes with the package; there are {', '.join(NAMES)}")
    card = json.loads((FOLDER / f"{name}.json").read_text())
    model = (
        mnist_two_layers(*card["layers"]) if "layers" in card else mnist_vae(card["L"])
    ).half()  # as in the file: `load` takes no other type
    load(model, FOLDER / f"{name}.safetensors")
    return Pretrained(model.float().to(device).eval(), card)


def pretrained_sentences(device: torch.device | str = "cpu") -> Pretrained:
    """The sentence VAE that comes with the package, for sentences of `lvmteach.data.language` (B, T), and its card."""
    card = json.loads((FOLDER / f"{SENTENCES}.json").read_text())
    weights = FOLDER / f"{SENTENCES}.safetensors"
    with safetensors.safe_open(weights, "pt") as file:
        V = file.get_slice("model.decoder.out.bias").get_shape()[0]
    model = sentence_vae(V, card["L"]).half()
    load(model, weights)
    return Pretrained(model.float().to(device).eval(), card)


def sentence_runs() -> list[dict]:
    """How KL and NLL went in training, by setting and seed: the record `python -m benchmarks.sentences` made.

    Each run has `step`, `kl` and `nll` (nats a sentence, on 300 test sentences), and their ends on all 2000.
    """
    return json.loads((FOLDER / f"{SENTENCES}_runs.json").read_text())


def unit_runs() -> list[dict]:
    """Active units, log p(x) and KL (nats an image) of a VAE on MNIST, three ways to train it, three seeds each.

    The record that `python -m benchmarks.units` made: `way` is "sampled", "closed form" or "warm-up".
    """
    return json.loads((FOLDER / UNITS).read_text())


def richer_runs(part: str) -> dict[str, dict[str, list[float]]]:
    """What was measured of each method, a number a seed: one part of the record `python -m benchmarks.richer` made.

    Raises:
        ValueError: there is no part of that name.
    """
    parts = json.loads((FOLDER / RICHER).read_text())
    if part not in parts:
        raise ValueError(f"part must be one of {', '.join(parts)}, got {part!r}")
    return parts[part]


def mnist_vae(L: int) -> VAE:
    """The architecture of Burda et al. 2016 with one stochastic layer: 784-200-200-L and back, tanh units."""
    return VAE(GaussianEncoder(PIXELS, L), BernoulliDecoder(L, PIXELS), StandardNormal(L))


def mnist_two_layers(L1: int = 100, L2: int = 50, hidden: int = 100) -> VAE:
    """That of the same paper with two: 784-200-200-L1 and L1-100-100-L2, and back; z = (h1, h2)."""
    return VAE(
        TwoLayerEncoder(GaussianEncoder(PIXELS, L1), GaussianEncoder(L1, L2, (hidden, hidden))),
        TwoLayerDecoder(BernoulliDecoder(L1, PIXELS), L1),
        TwoLayerPrior(StandardNormal(L2), GaussianEncoder(L2, L1, (hidden, hidden))),
    )
