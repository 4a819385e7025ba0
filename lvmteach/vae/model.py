"""The model p(z) p(x|z) with its inference network q(z|x): log weights, the terms of the ELBO, and what it refuses."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, TransformedDistribution, kl_divergence

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least


class Draw(NamedTuple):
    """K samples z ~ q(z|x) and their log weights, log p(x|z) + log p(z) - log q(z|x) in nats."""

    log_w: Tensor  # (K, B)
    z: Tensor  # (K, B, L)


class Terms(NamedTuple):
    """The two terms of the ELBO: log p(x|z) at K samples z ~ q(z|x), and KL(q(z|x) || p(z)); both in nats."""

    log_lik: Tensor  # (K, B)
    kl: Tensor  # (B,)


class VAE(nn.Module):
    """A latent variable model p(z) p(x|z) with its inference network q(z|x).

    Args:
        encoder: takes x (B, D) and returns q(z|x).
        decoder: takes z (..., L) and returns p(x|z). A `check(x)` of its own, if it has one, refuses data that
            it gives no density.
        prior: takes nothing and returns p(z).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: nn.Module):
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior

    @as_annotated
    def log_weights(self, x: Num[Tensor, "B D"], K: int = 1) -> Float[Tensor, "K B"]:
        """log w = log p(x|z) + log p(z) - log q(z|x) at K reparameterised samples z ~ q(z|x), in nats.

        The logs are summed over pixels and over latent dimensions. The encoder runs once, however large K.

        Raises:
            ValueError: x is not (B, D), has NaN or values that the decoder gives no density, or K < 1.
        """
        return self.draw(x, K).log_w

    @as_annotated
    def draw(self, x: Num[Tensor, "B D"], K: int = 1, detach_q: bool = False) -> Draw:
        """The log weights together with the samples they were computed from.

        Args:
            detach_q: take log q(z|x) with q's parameters as constants, so that the encoder is reached through z
                alone. The values stay the same; the gradient is the one that `bounds.dreg` needs.
        """
        q, z = self._sample(x, K)
        log_q = (as_constant(q) if detach_q else q).log_prob(z)
        return Draw(self.log_joint(x, z) - log_q, z)

    @as_annotated
    def terms(self, x: Num[Tensor, "B D"], K: int = 1) -> Terms:
        """What `bounds.elbo_analytic` takes: `elbo_analytic(*model.terms(x, K))`.

        Raises:
            NotImplementedError: KL(q || p) has no closed form (a mixture prior).
        """
        q, z = self._sample(x, K)
        return Terms(self.decoder(z).log_prob(x), _kl(q, self.prior()))

    @as_annotated
    def kl(self, x: Num[Tensor, "B D"]) -> Float[Tensor, "B"]:
        """KL(q(z|x) || p(z)) in closed form, in nats; never negative.

        Raises:
            NotImplementedError: there is no closed form (a mixture prior).
        """
        self.check(x)
        return _kl(self.encoder(x), self.prior())

    @as_annotated
    def log_joint(self, x: Num[Tensor, "B D"], z: Float[Tensor, "*K L"]) -> Float[Tensor, "*KB"]:
        """log p(x, z) = log p(x|z) + log p(z), in nats. A grid of points z (G, 1, L) serves every x: (G, B)."""
        return self.decoder(z).log_prob(x) + self.prior().log_prob(z)

    @as_annotated
    def check(self, x: Tensor) -> None:
        """Refuse data that this model gives no density: wrong shape, wrong type, NaN, values out of range.

        Raises:
            ValueError: with the rule, the value received and the remedy.
        """
        self._check_shape(x)
        if len(x) == 0:
            raise ValueError(f"x must hold at least one point, got {tuple(x.shape)}")
        if not all(math.isfinite(end) for end in x.aminmax()):  # NaN anywhere makes both ends NaN
            rows = (~x.isfinite()).any(1).nonzero().flatten().tolist()
            raise ValueError(
                f"x must be finite, got NaN or infinity in rows {rows[:5]} ({len(rows)} in all); leave them out"
            )
        getattr(self.decoder, "check", _nothing_to_check)(x)

    def _sample(self, x: Tensor, K: int) -> tuple[Distribution, Tensor]:
        at_least(1, K=K)
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            self.check(x)
        else:  # reading values would make a GPU wait and break a compiled step; `train` has checked them once
            self._check_shape(x)
        q = self.encoder(x)
        return q, q.rsample((K,))

    def _check_shape(self, x: Tensor) -> None:
        if x.ndim != 2:
            raise ValueError(f"x must be (B, D), got {tuple(x.shape)}; one point needs x[None], images x.flatten(1)")
        if getattr(self.decoder, "tokens", False):
            if x.dtype != torch.int64:
                raise ValueError(f"x must be word numbers, int64, got {x.dtype}; Vocabulary.encode makes them")
        elif not x.is_floating_point():
            raise ValueError(f"x must be floating point, got {x.dtype}; use x.float(), and for pixels / 255")
        D = getattr(self.decoder, "D", x.shape[1])
        if x.shape[1] != D:
            raise ValueError(
                f"x must be (B, {D}) for this model, got {tuple(x.shape)}; build the model with D = x.shape[1]"
            )


@as_annotated
def as_constant(q: Distribution) -> Distribution:
    """The same distribution, its parameters detached: a gradient reaches its log_prob through z alone."""
    if isinstance(q, TransformedDistribution):
        raise NotImplementedError("detach_q needs parameters held as tensors; a TransformedDistribution hides them")
    if hasattr(q, "as_constant"):  # it knows better: its parameters are not all tensors of its own
        return q.as_constant()
    q = copy.copy(q)
    for name, value in vars(q).items():
        if isinstance(value, Tensor):
            vars(q)[name] = value.detach()
        elif isinstance(value, Distribution):
            vars(q)[name] = as_constant(value)
    return q


def _kl(q: Distribution, p: Distribution) -> Tensor:
    try:
        return kl_divergence(q, p)
    except NotImplementedError as problem:
        raise NotImplementedError(
            f"KL({_name(q)} || {_name(p)}) has no closed form here; use elbo(model.log_weights(x, K)), which needs none"
        ) from problem


def _name(p: Distribution) -> str:
    return _name(p.base_dist) if isinstance(p, Independent) else type(p).__name__


def _nothing_to_check(x: Tensor) -> None:
    """A decoder without `check` takes every finite x."""
