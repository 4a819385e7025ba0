"""Missing data in deep models: a bound on the observed part alone, and three ways to fill in the rest.

With x = (x_o, x_m), observed and missing, and p(x|z) a product over pixels, integrating x_m out costs nothing:
p(x_o|z) is the product over the observed ones. No pixel is filled in to be scored. All of it takes the data to be
missing at random: whether a pixel is missing may depend on x_o, and not on its own value.

Throughout, `missing` is True where a pixel is missing, and what stands there in x (NaN too) is never read.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Distribution, Independent

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.bounds import iwae
from lvmteach.evaluation import at_rest
from lvmteach.vae import VAE

AT_ONCE = 2**24  # entries of one table of (K, rows, pixels)


class Weighted(NamedTuple):
    """What K weighted draws say of the missing part, and of their own worth."""

    mean: Float[Tensor, "N D"]  # x where observed, E[x_m|x_o] elsewhere
    ess: Float[Tensor, " N"]  # effective sample size, of K: near 1, a single draw spoke
    log_p: Float[Tensor, " N"]  # the K-sample bound on log p(x_o), in nats


class Imputation(NamedTuple):
    """Where the (first) chain ended, and the average of p(x|z)'s mean after the warm-up; both (N, D)."""

    x: Tensor
    mean: Tensor
    accepted: float  # share of Metropolis proposals taken; 1 where every one is, because none is tested


@as_annotated
def log_weights(
    model: VAE, x: Float[Tensor, "B D"], missing: Bool[Tensor, "*B D"], K: int = 1, fill: Tensor | float = 0.0
) -> Float[Tensor, "K B"]:
    """log w = log p(x_o|z) + log p(z) - log q(z|x_o) at K samples z ~ q, in nats.

    Args:
        fill: what the encoder sees in missing places, a number or one a pixel (D,). It is seen, and never scored.
    """
    return _draw(model, _see(model, x, missing, fill), missing, K)[0]


@as_annotated
def miwae(
    model: VAE, x: Float[Tensor, "B D"], missing: Bool[Tensor, "*B D"], K: int, fill: Tensor | float = 0.0
) -> Float[Tensor, "B"]:
    """One draw of the importance weighted bound on log p(x_o), in nats, by `log_weights`; never above it on average.

    Source: Mattei and Frellsen 2019.
    """
    return iwae(log_weights(model, x, missing, K, fill))


@as_annotated
def impute_weighted(
    model: VAE, x: Float[Tensor, "N D"], missing: Bool[Tensor, "*N D"], K: int = 1000, fill: Tensor | float = 0.0
) -> Weighted:
    """E[x_m|x_o] by self-normalised importance sampling: sum_k w~_k E[x_m|z_k], z_k ~ q(z|x_o).

    Biased by about 1/K where the weights have a variance. An encoder trained on whole images is a poor proposal for
    images with holes: look at `ess`.

    Source: Mattei and Frellsen 2019, section 4.
    """
    at_least(1, K=K)
    with at_rest(model):
        seen = _see(model, x, missing, fill)
        holes = missing.expand_as(x)
        rows = max(1, AT_ONCE // (K * x.shape[1]))
        parts = [_weighted(model, *part, K) for part in zip(seen.split(rows), holes.split(rows), strict=True)]
        mean, ess, log_p = (torch.cat(part) for part in zip(*parts, strict=True))
        return Weighted(torch.where(missing, mean, x), ess, log_p)


@as_annotated
def impute(
    model: VAE,
    x: Float[Tensor, "N D"],
    missing: Bool[Tensor, "*N D"],
    steps: int = 100,
    *,
    warm_up: int | None = None,
    metropolis: bool = False,
    chains: int = 1,
) -> Imputation:
    """Fill in missing pixels by turns: z ~ q(z|x), then x_m ~ p(x_m|z).

    With the true posterior for q this is Gibbs sampling from p(x_m|x_o). With an encoder it is only close to that
    ("pseudo-Gibbs"): early turns show q an x unlike any it was trained on, and where it settles is not p(x_m|x_o).
    `metropolis` repairs it. After the warm-up a z from q(z|x) is a proposal, taken with probability
    min(1, w(z) / w(z_old)), w = p(x, z) / q(z|x), else the old z stays; now p(x_m|x_o) is what the chain keeps. The
    warm-up is by turns without the test, for the chain starts where almost no proposal would be taken.

    Args:
        steps: number of turns, at least 2. The first filling is a draw from the model.
        warm_up: so many first turns are left out of the mean; half of them, if not said.
        metropolis: test the proposals after the warm-up.
        chains: so many are started for each x, and the mean is theirs together. One chain may stay with one reading
            of what is seen, above all where few proposals are taken.

    Raises:
        ValueError: x, missing, steps, warm_up or chains are not as said, or the model refuses the filled x.

    Source: Rezende, Mohamed and Wierstra 2014, appendix F; Mattei and Frellsen 2018 for the repair.
    """
    at_least(2, steps=steps)
    at_least(1, chains=chains)
    warm_up = steps // 2 if warm_up is None else warm_up
    if not 0 <= warm_up < steps:
        raise ValueError(f"warm_up must lie in 0 to {steps - 1}, steps being {steps}, got {warm_up}")
    _same_shape(x, missing)
    x, missing = x.repeat(chains, 1), missing.expand_as(x).repeat(chains, 1)
    with at_rest(model):
        z = model.prior().sample((len(x),))
        total, accepted, tested = torch.zeros_like(x), 0.0, 0
        for step in range(steps):
            p = model.decoder(z)
            x = torch.where(missing, p.sample(), x)
            if step == 0:
                model.check(x)
            total += p.mean if step >= warm_up else 0
            q = model.encoder(x)
            proposal = q.sample()
            if metropolis and step >= warm_up:
                log_ratio = _log_weight(model, q, x, proposal) - _log_weight(model, q, x, z)
                take = torch.rand_like(log_ratio).log() < log_ratio
                z = torch.where(take[:, None], proposal, z)
                accepted, tested = accepted + float(take.float().mean()), tested + 1
            else:
                z = proposal
    mean = (total / (steps - warm_up)).unflatten(0, (chains, -1)).mean(0)
    x = x[: len(mean)]
    return Imputation(x, torch.where(missing[: len(mean)], mean, x), accepted / tested if tested else 1.0)


def _log_weight(model: VAE, q: Distribution, x: Tensor, z: Tensor) -> Tensor:
    return model.log_joint(x, z) - q.log_prob(z)


def _draw(model: VAE, seen: Tensor, missing: Tensor, K: int) -> tuple[Tensor, Independent]:
    """Log weights (K, B), and p(x|z_k) with batch K x B."""
    at_least(1, K=K)
    q = model.encoder(seen)
    z = q.rsample((K,))
    p = model.decoder(z)
    if not isinstance(p, Independent):
        raise TypeError(f"p(x|z) must be Independent over pixels to leave some out, got {type(p).__name__}")
    log_lik = p.base_dist.log_prob(seen).masked_fill(missing, 0.0).sum(-1)
    return log_lik + model.prior().log_prob(z) - q.log_prob(z), p


def _weighted(model: VAE, seen: Tensor, missing: Tensor, K: int) -> tuple[Tensor, Tensor, Tensor]:
    log_w, p = _draw(model, seen, missing, K)
    w = log_w.softmax(0)
    return torch.einsum("kn,knd->nd", w, p.mean), 1 / w.square().sum(0), iwae(log_w)


def _see(model: VAE, x: Tensor, missing: Tensor, fill: Tensor | float) -> Tensor:
    """x with its holes filled for the encoder, if model and mask take it."""
    _same_shape(x, missing)
    seen = torch.where(missing, torch.as_tensor(fill, dtype=x.dtype, device=x.device), x)
    if x.device.type == "cpu":
        model.check(seen)
    return seen


def _same_shape(x: Tensor, missing: Tensor) -> None:
    if x.ndim != 2:
        raise ValueError(f"x must be (N, D), got {tuple(x.shape)}; one image needs x[None]")
    if missing.dtype != torch.bool or missing.shape not in (x.shape, x.shape[1:]):
        raise ValueError(
            f"missing must be truth values, {tuple(x.shape)} or {tuple(x.shape[1:])}, got {missing.dtype} "
            f"{tuple(missing.shape)}; missing.bool() makes them"
        )
