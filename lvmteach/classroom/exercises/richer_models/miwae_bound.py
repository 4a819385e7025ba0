"""The bound on what was observed."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _miwae_bound(log_x, missing, log_z, log_q):
    observed = torch.where(missing, 0.0, log_x).sum(-1)
    log_w = observed + log_z - log_q
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


@drawing
def _holes(draw):
    cases = []
    for K, B, D in ((2, 2, 3), (1, 3, 5), (5, 2, 4), (4, 4, 6)):
        log_x = -(draw(K, B, D).abs()) - 0.2 - (200 if D == 6 else 0)
        cases.append((log_x, draw(B, D) > 0, draw(K, B) - 3, draw(K, B) - 1))
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    log_x, missing, *rest = cases[2]
    apart = log_x + torch.tensor([[0.0], [-900.0]])  # no common maximum serves both data
    apart[:2] -= 800  # nor all draws
    near_zero = -draw(7, 2, 3).abs(), draw(2, 3) > 0, draw(7, 2) + 1, draw(7, 2)  # single precision shows
    return [*cases, (cases[0][0], nothing, *cases[0][2:]), (apart, torch.zeros_like(missing), *rest), near_zero]


def _by_product(log_x, missing, log_z, log_q):
    log_w = torch.einsum("kbd,bd->kb", log_x, (~missing).to(log_x)) + (log_z - log_q)
    top = log_w.max(0).values
    return top + (log_w - top).exp().mean(0).log()


def _by_image(log_x, missing, log_z, log_q):
    bounds = []
    for b in range(log_x.shape[1]):
        log_w = log_x[:, b][:, ~missing[b]].sum(1) + log_z[:, b] - log_q[:, b]
        bounds.append(log_w.logsumexp(0) - math.log(len(log_w)))
    return torch.stack(bounds)


miwae_bound = Exercise(
    ask="Return one draw of the K-sample bound on log p(x_o); log_x holds all pixels, missing marks those not seen.",
    reference=_miwae_bound,
    cases=_holes,
    misconceptions={
        "The missing pixels are scored: what stands there is a filling, no datum.": (
            lambda log_x, missing, log_z, log_q: _miwae_bound(log_x, torch.zeros_like(missing), log_z, log_q)
        ),
        "The mask is turned round: True marks what is missing.": (
            lambda log_x, missing, log_z, log_q: _miwae_bound(log_x, ~missing, log_z, log_q)
        ),
        "You averaged over the observed pixels. Independent pixels: their logs add.": (
            lambda log_x, missing, log_z, log_q: _miwae_bound(
                log_x / (~missing).sum(-1).clamp(min=1)[:, None], missing, log_z, log_q
            )
        ),
        "You scaled the observed part up to all D pixels. The bound is on log p(x_o) alone.": (
            lambda log_x, missing, log_z, log_q: _miwae_bound(
                log_x * missing.shape[1] / (~missing).sum(-1).clamp(min=1)[:, None], missing, log_z, log_q
            )
        ),
        "The mean stands outside the logarithm: that is the ELBO, not the bound of K samples.": (
            lambda log_x, missing, log_z, log_q: (torch.where(missing, 0.0, log_x).sum(-1) + log_z - log_q).mean(0)
        ),
        "log K is missing: a mean of weights, not their sum.": (
            lambda log_x, missing, log_z, log_q: _miwae_bound(log_x, missing, log_z, log_q) + math.log(len(log_x))
        ),
        "log q enters with a minus: q is the denominator of the weight.": (
            lambda log_x, missing, log_z, log_q: _miwae_bound(log_x, missing, log_z, -log_q)
        ),
        "The prior is missing from the weight.": (
            lambda log_x, missing, log_z, log_q: _miwae_bound(log_x, missing, 0 * log_z, log_q)
        ),
        "q is missing from the weight: draws from q must be divided by it.": (
            lambda log_x, missing, log_z, log_q: _miwae_bound(log_x, missing, log_z, 0 * log_q)
        ),
        "exp underflowed. Add the logs first, and use logsumexp.": (
            lambda log_x, missing, log_z, log_q: (
                (torch.where(missing, 0.0, log_x).sum(-1) + log_z - log_q).exp().mean(0).log()
            )
        ),
        "You averaged over the images too. Each keeps its bound.": (
            lambda log_x, missing, log_z, log_q: _miwae_bound(log_x, missing, log_z, log_q).mean()
        ),
    },
    also_right=[_by_product, _by_image],
)
