"""Training objectives that keep the KL term from switching z off: a weight that rises, and nats that cost nothing.

They are ways to train, and no bounds: a model trained by them is judged by `evaluation.log_likelihood`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.bounds import elbo_analytic


@as_annotated
def free_bits(kl: Float[Tensor, " B"], nats: float) -> Float[Tensor, " B"]:
    """The batch's mean KL, or `nats` where that is more: below, it is a constant and pulls at nothing. In nats.

    The floor is on the mean: held for every datum on its own, it would stop an easy one from giving back what a hard
    one needs. The mean stands for every datum, (B,).

    Source: Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling 2016, appendix C.8, with one group for all of z.
    """
    return kl.mean().clamp(min=nats).expand_as(kl)


class Annealed(nn.Module):
    """E[log p(x|z)] - beta KL(q(z|x) || p(z)) of a model, (B,) in nats; beta rises from 0 over the first steps.

    Steps are counted in a buffer, in training only, so a run that is taken up again goes on with its beta.

    Args:
        model: a `VAE`, or anything with its `terms`.
        steps: how many steps beta rises for; 0 for none.
        beta: where it ends. 1 is the ELBO.
        free: nats of KL that cost nothing (`free_bits`).

    Source: Bowman et al. 2016, section 3.1; Sønderby, Raiko, Maaløe, Sønderby and Winther 2016, on warm-up.
    """

    def __init__(self, model: nn.Module, steps: int = 0, *, beta: float = 1.0, free: float = 0.0):
        super().__init__()
        at_least(0, steps=steps)
        if not (beta >= 0 and free >= 0):
            raise ValueError(f"beta and free must not be negative, got {beta} and {free}; 1 and 0 are the ELBO")
        self.model, self.steps, self.beta, self.free = model, steps, beta, free
        self.register_buffer("done", torch.zeros(()))

    @as_annotated
    def forward(self, x: Num[Tensor, "B D"]) -> Float[Tensor, " B"]:
        log_lik, kl = self.model.terms(x)
        return elbo_analytic(log_lik, self._weight() * (free_bits(kl, self.free) if self.free else kl))

    @as_annotated
    def check(self, x: Tensor) -> None:
        """What the model refuses."""
        self.model.check(x)

    def _weight(self) -> Tensor:
        weight = self.beta * (self.done / self.steps).clamp(max=1) if self.steps else self.done.new_tensor(self.beta)
        if self.training:
            self.done += 1
        return weight
