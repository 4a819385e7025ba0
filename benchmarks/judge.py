"""How far the judge is wrong: log p(x) of test images by few samples, by many, and by a better proposal.

    python -m benchmarks.judge [NAME ...]     measure on 1000 test images, and write it on the models' cards

The estimate of log p(x) by K samples is too small on average, by more where q(z|x) fits the posterior badly. So two
models trained with different K may differ in the judge's bias. Here q is first fitted to each image by itself, starting
from the encoder, and then K samples are drawn from it: another lower bound, and the higher of two is nearer the truth.

Source: Cremer, Li and Duvenaud 2018 (the encoder's share of the gap); Wu et al. 2017, by annealing instead.
"""

from __future__ import annotations

import argparse
import json
import math
import os

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Independent
from tqdm import tqdm

from benchmarks.long import EVAL_K, held_out
from lvmteach.bounds import dreg
from lvmteach.runtime import device, seeded
from lvmteach.vae import VAE, gaussian, pretrained
from lvmteach.vae.pretrained import FOLDER

NAMES = ("iwae_1", "iwae_5", "iwae_50")
IMAGES, BLOCK, FEW, DRAWS = 1000, 100, 500, 50
STEPS, FIT_K, RATE = 150, 8, 0.04


class OwnPosterior(nn.Module):
    """q(z) = N(mu, diag sigma^2) with a mean and a scale of its own for each of B images, from an encoder's on."""

    def __init__(self, start: Independent):
        super().__init__()
        normal = start.base_dist
        self.mu = nn.Parameter(normal.loc.detach().clone())
        self.log_sigma = nn.Parameter(normal.scale.detach().log())

    def forward(self, x: Tensor) -> Independent:
        return gaussian(self.mu, self.log_sigma.exp())


def refined(model: VAE, x: Float[Tensor, "B D"], steps: int = STEPS, K: int = FIT_K, rate: float = RATE) -> VAE:
    """The same model with a q of its own for each of these images, fitted by the importance weighted bound.

    The bound, and not the ELBO, because it asks of q to cover the posterior, as a proposal must; doubly
    reparameterised, because that gradient vanishes where q is exact. The draws that fit q are not those that judge it.
    The rate falls to nothing along a line.
    """
    own = OwnPosterior(model.encoder(x))
    fitted = VAE(own, model.decoder, model.prior)
    optimiser = torch.optim.Adam(own.parameters(), fused=True)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        loss = -dreg(*fitted.draw(x, K, detach_q=True)).sum()
        grads = torch.autograd.grad(loss, list(own.parameters()))  # and none for the model's
        for p, grad in zip(own.parameters(), grads, strict=True):
            p.grad = grad
        optimiser.step()
    return fitted


def log_p_by(model: VAE, x: Float[Tensor, "B D"], Ks: tuple[int, ...]) -> dict[int, Tensor]:
    """log p(x) by importance sampling after each of these numbers of samples, (B,) nats; multiples of DRAWS, rising."""
    total, done, found = x.new_full((len(x),), -math.inf), 0, {}
    with torch.no_grad():
        for K in Ks:
            while done < K:
                total = torch.logaddexp(total, torch.logsumexp(model.log_weights(x, DRAWS), 0))
                done += DRAWS
            found[K] = total - math.log(K)
    return found


def judge(name: str, images: int = IMAGES, K: int = EVAL_K) -> dict[str, Tensor]:
    """log p of each image by the encoder and by a q of its own, with FEW and with K samples; (images,) nats."""
    model, _ = pretrained(name, device())
    x = held_out(images)
    parts = []
    for at in tqdm(range(0, len(x), BLOCK), desc=name, disable=None):
        block = x[at : at + BLOCK].to(device())
        with seeded(7 * 10**6 + at):
            by_encoder = log_p_by(model, block, (FEW, K))
            by_own = log_p_by(refined(model, block), block, (FEW, K))
        parts.append({f"encoder_{k}": v.cpu() for k, v in by_encoder.items()})
        parts[-1] |= {f"own_q_{k}": v.cpu() for k, v in by_own.items()}
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def words(values: Tensor) -> str:
    """A mean and its standard error over images."""
    return f"{float(values.mean()):.3f} +- {float(values.std()) / math.sqrt(len(values)):.3f}"


def write(name: str, found: dict[str, Tensor]) -> None:
    """Add to the card what was measured, replacing the file whole or not at all."""
    card = json.loads((FOLDER / f"{name}.json").read_text())
    card["judge"] = {"images": len(next(iter(found.values())))}
    card["judge"] |= {key: round(float(value.mean()), 3) for key, value in found.items()}
    part = FOLDER / f"{name}.json.part"
    part.write_text(json.dumps(card, indent=2) + "\n")
    os.replace(part, FOLDER / f"{name}.json")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    asked.add_argument("--images", type=int, default=IMAGES)
    asked = asked.parse_args()
    all_found = {name: judge(name, asked.images) for name in asked.names}
    for name, found in all_found.items():
        for key, value in found.items():
            print(f"{name:10} {key:14} {words(value)}")
        best = f"own_q_{EVAL_K}"
        for key in found:
            if key != best:
                print(f"{name:10} {best} - {key}: {words(found[best] - found[key])}")
        write(name, found)
    first, *others = asked.names
    for other in others:
        for key in all_found[first]:
            print(f"{other} - {first} by {key}: {words(all_found[other][key] - all_found[first][key])}")


if __name__ == "__main__":
    main()
