"""An objective that keeps z in use: a KL weight and free bits."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _training_loss(log_lik, kl, beta, free):
    return beta * kl.mean().clamp(min=free) - log_lik.mean()


@drawing
def _cases(draw):
    """Batches whose KLs lie on both sides of the floor, with their mean above it, or below."""
    cases = []
    for B, beta, free in ((2, 0.5, 0.0), (3, 0.25, 2.0), (5, 0.75, 1.0), (4, 1.0, 3.0), (6, 0.4, 1.5)):
        kl = draw(B).abs() * 2
        kl[0], kl[1] = 0.1, 4.5
        cases.append((-20 + 3 * draw(B), kl, beta, free))
    log_lik, kl = -draw(4).abs(), draw(4).abs()  # a loss near zero: single precision shows
    kl[1] = 0
    return [*cases, (log_lik, kl, 2.3, 3.3), (log_lik, kl, 2.3, 0.01), (log_lik, kl, 0.0, 0.1)]


training_loss = Exercise(
    ask="Return the loss of a batch: minus log p(x|z), plus beta times a mean KL of which `free` nats cost nothing.",
    reference=_training_loss,
    cases=_cases,
    misconceptions={
        "The floor is held for every sentence on its own: then an easy one cannot give back what a hard one needs. "
        "Take the batch's mean first.": (
            lambda log_lik, kl, beta, free: beta * kl.clamp(min=free).mean() - log_lik.mean()
        ),
        "Free bits are taken off: (KL - free), at least 0. That lowers the loss by a constant; hold the mean at the "
        "floor instead.": (lambda log_lik, kl, beta, free: beta * (kl.mean() - free).clamp(min=0) - log_lik.mean()),
        "beta has no effect here.": lambda log_lik, kl, beta, free: kl.mean().clamp(min=free) - log_lik.mean(),
        "beta weighs the reconstruction. It belongs to the KL.": (
            lambda log_lik, kl, beta, free: kl.mean().clamp(min=free) - beta * log_lik.mean()
        ),
        "The floor has become a ceiling: clamp from below, not above.": (
            lambda log_lik, kl, beta, free: beta * kl.mean().clamp(max=free) - log_lik.mean()
        ),
        "The KL is summed over the batch, the likelihood averaged: the balance then depends on the batch's size.": (
            lambda log_lik, kl, beta, free: beta * kl.sum().clamp(min=free) - log_lik.mean()
        ),
        "This is the objective to maximise. A loss has the other sign.": (
            lambda log_lik, kl, beta, free: log_lik.mean() - beta * kl.mean().clamp(min=free)
        ),
        "There is no floor: `free` is not used.": lambda log_lik, kl, beta, free: beta * kl.mean() - log_lik.mean(),
        "The floor is applied after the weight: free nats are nats of KL, so hold it first, then weigh.": (
            lambda log_lik, kl, beta, free: (beta * kl.mean()).clamp(min=free) - log_lik.mean()
        ),
    },
    also_right=[
        lambda log_lik, kl, beta, free: -log_lik.mean() + beta * torch.maximum(kl.mean(), kl.new_tensor(free)),
        lambda log_lik, kl, beta, free: (
            sum(-one for one in log_lik) / len(log_lik) + beta * max(float(sum(kl)) / len(kl), free)
        ),
    ],
)
