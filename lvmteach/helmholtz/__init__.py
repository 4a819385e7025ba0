"""Helmholtz machines: binary belief nets taught by wake-sleep, each unit by its own delta rule.

`model` holds the two nets and the steps that teach them, `enumeration` what is known exactly: sums over all latent
states where there are few, and the bars, whose entropy is known.
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

__all__ = [
    "Bars",
    "Exact",
    "Layer",
    "Machine",
    "bars",
    "binary",
    "exact",
    "log_bernoulli",
    "machine",
    "posterior",
    "recognition",
    "reweighted_step",
    "sleep_step",
    "states",
    "wake_step",
]
