"""The same variational autoencoder in Pyro, a peer: its networks, trained by stochastic variational inference.

Needs the extra `bench`: pip install -e '.[bench]'
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
from pyro.infer import SVI, TraceMeanField_ELBO
from torch import Tensor

from lvmteach.vae import VAE


class PyroVAE:
    """SVI with Pyro's Adam, KL in closed form, and without Pyro's checks of every argument, which would slow it."""

    def __init__(self, model: VAE, lr: float):
        self.encoder, self.decoder = model.encoder.net, model.decoder.net
        self.L = len(model.prior.zero)
        pyro.clear_param_store()
        self.objective = TraceMeanField_ELBO()
        self.svi = SVI(self.model, self.guide, pyro.optim.Adam({"lr": lr}), loss=self.objective)

    def model(self, x: Tensor) -> None:
        decoder = pyro.module("decoder", self.decoder)
        with pyro.plate("images", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), self.L), 1.0).to_event(1))
            pyro.sample("x", dist.Bernoulli(logits=decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        encoder = pyro.module("encoder", self.encoder)
        with pyro.plate("images", len(x)):
            mu, s = encoder(x).chunk(2, -1)
            pyro.sample("z", dist.Normal(mu, s.exp()).to_event(1))

    def elbo(self, x: Tensor) -> Tensor:
        with pyro.validation_enabled(False):
            return -self.objective.differentiable_loss(self.model, self.guide, x) / len(x)

    def step(self, x: Tensor) -> None:
        with pyro.validation_enabled(False):
            self.svi.step(x)
