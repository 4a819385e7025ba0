"""Helmholtz machines: binary belief nets taught by wake-sleep, each unit by its own delta rule.

`model` holds the two nets and the steps that teach them, `objectives` what both nets can climb together, `enumeration`
what is known exactly: sums over all latent states where there are few, and the bars, whose entropy is known.
"""

from lvmteach.helmholtz.enumeration import Bars, Exact, bars, exact, posterior, recognition, states
from lvmteach.helmholtz.model import (
    Layer,
    Machine,
    binary,
    log_bernoulli,
    machine,
    reweighted_step,
    sleep_step,
    wake_step,
)
from lvmteach.helmholtz.objectives import climb, gumbel_elbo, score_bound, score_elbo

__all__ = [
    "Bars",
    "Exact",
    "Layer",
    "Machine",
    "bars",
    "binary",
    "climb",
    "exact",
    "gumbel_elbo",
    "log_bernoulli",
    "machine",
    "posterior",
    "recognition",
    "reweighted_step",
    "score_bound",
    "score_elbo",
    "sleep_step",
    "states",
    "wake_step",
]
