"""Variational autoencoders: an encoder, a decoder and a prior, each a module that returns a distribution.

Whatever takes the place of one of the three need only do the same: `forward` returns a `torch.distributions`
object whose last dimension is the event (`Independent(..., 1)`). Objectives see the log weights alone, in nats.

| on paper | in code | shape |
|---|---|---|
| q(z given x) | encoder(x) | batch B, event L |
| p(x given z) | decoder(z) | batch K x B, event D |
| p(z) | prior() | batch (), event L |
| log w | model.log_weights(x, K) | K x B |

Two stochastic layers are made of the same three parts: `lvmteach.vae.layers`. Encoder and decoder of sentences, whose
events are words: `lvmteach.vae.sentences`.

Source: Kingma and Welling 2014.
"""

from lvmteach.vae.layers import Chain, TwoLayerDecoder, TwoLayerEncoder, TwoLayerPrior
from lvmteach.vae.model import VAE, Draw, Terms
from lvmteach.vae.parts import (
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    StudentTDecoder,
    gaussian,
    mlp,
)
from lvmteach.vae.pretrained import Pretrained, pretrained
from lvmteach.vae.priors import MixturePrior, StandardNormal, VampPrior

__all__ = [
    "VAE",
    "BernoulliDecoder",
    "Chain",
    "Draw",
    "GaussianDecoder",
    "GaussianEncoder",
    "MixturePrior",
    "Pretrained",
    "StandardNormal",
    "StudentTDecoder",
    "Terms",
    "TwoLayerDecoder",
    "TwoLayerEncoder",
    "TwoLayerPrior",
    "VampPrior",
    "gaussian",
    "mlp",
    "pretrained",
]
