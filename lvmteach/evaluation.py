"""How good a trained model is: log p(x) by importance sampling, units in use, reconstructions.

Nothing here takes a gradient or changes the model. Log-likelihoods are in nats, summed over pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.integrals import Estimate


@as_annotated
def log_marginal(model, x: Num[Tensor, "N D"], K: int = 1000, chunk: int = 5000) -> Float[Tensor, "N"]:
    """log p(x) of each image by importance sampling with q(z|x) as proposal: log 1/K sum_k w_k, in nats.

    The average of w is unbiased for p(x), so its logarithm is too small on average: by about Var[w] / (2 K p(x)^2)
    once K is large. State K with the number. It is one draw of the importance weighted bound.

    Args:
        model: a VAE, or anything with `log_weights(x, K)`, (K, B).
        x: the images, on the model's device.
        K: samples an image.
        chunk: how many of the N x K weights are worked out at a time; memory grows with it, and not with K.

    Raises:
        ValueError: K or chunk is below 1, or the model refuses x.

    Source: Burda, Grosse and Salakhutdinov 2016, section 5.
    """
    at_least(1, K=K, chunk=chunk)
    samples = [min(chunk, K - done) for done in range(0, K, chunk)]
    with at_rest(model):
        _check(model, x)
        parts = [_log_sum(model, images, samples) for images in x.split(max(1, chunk // K))]
    return torch.cat(parts) - math.log(K)


@as_annotated
def log_likelihood(model, x: Num[Tensor, "N D"], K: int = 1000, chunk: int = 5000) -> Estimate:
    """The mean of log p(x) over images, in nats, by `log_marginal`, and its standard error.

    The standard error is the spread over images, std / sqrt(N): how far another test set of N would be. It does not
    hold the downward bias that falls with K.

    Raises:
        ValueError: fewer than 2 images.
    """
    if len(x) < 2:
        raise ValueError(f"a standard error needs at least 2 images, got {len(x)}; for one use log_marginal")
    log_p = log_marginal(model, x, K, chunk)
    return Estimate(log_p.mean(), log_p.std() / math.sqrt(len(log_p)))


@as_annotated
def active_units(model, x: Num[Tensor, "N D"], threshold: float = 0.01) -> Bool[Tensor, "L"]:
    """Which latent dimensions tell one x from another: the variance over x of E_q[z] is above the threshold.

    A unit whose q(z|x) is the prior for every x has variance 0: it has collapsed.

    Source: Burda, Grosse and Salakhutdinov 2016, section 5.2.
    """
    if len(x) < 2:
        raise ValueError(f"a variance over x needs at least 2 images, got {len(x)}")
    with at_rest(model):
        _check(model, x)
        means = torch.cat([model.encoder(images).mean for images in x.split(5000)])
    return means.var(0) > threshold


@as_annotated
def reconstruct(model, x: Num[Tensor, "N D"]) -> Float[Tensor, "N D"]:
    """The mean of p(x|z) at the mean of q(z|x): what is left of x after the latent space."""
    with at_rest(model):
        _check(model, x)
        return model.decoder(model.encoder(x).mean).mean


def _log_sum(model, x: Tensor, samples: list[int]) -> Tensor:
    parts = [torch.logsumexp(model.log_weights(x, k), 0) for k in samples]
    return torch.stack(parts).logsumexp(0)


def _check(model, x: Tensor) -> None:
    if hasattr(model, "check"):
        model.check(x)


@contextmanager
def at_rest(model) -> Iterator[None]:
    """No gradients, and the model in evaluation mode (dropout off), as long as the block lasts."""
    training = getattr(model, "training", False)  # a model that is no nn.Module is always at rest
    if training:
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if training:
            model.train()
