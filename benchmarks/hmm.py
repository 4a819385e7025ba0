"""EM for hidden Markov models beside hmmlearn: same data, same start, same log-likelihood after every step.

python -m benchmarks hmm
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from hmmlearn.hmm import CategoricalHMM
from torch import Tensor

from benchmarks.timing import Row, one_thread, paired
from lvmteach.hmm import HMM, Categorical, fit_from, random_start, sample
from lvmteach.runtime import seeded

STEPS = 50


def rows() -> Iterator[Row]:
    """100 sequences of 50 steps, 3 states, 6 symbols; against hmmlearn in log space, its default, and with scaling."""
    with one_thread():
        yield fifty_steps("log", target=1.0)
        yield fifty_steps("scaling")


def fifty_steps(implementation: str, target: float = 0.0, N: int = 100, T: int = 50, C: int = 3, V: int = 6) -> Row:
    """Seconds of 50 EM steps; ours in log space."""
    x, start = problem(N, T, C, V)
    fit = fit_from(x, start, max_steps=STEPS, tol=0.0)
    history = peer(start, implementation).fit(x.reshape(-1, 1).numpy(), [T] * N).monitor_.history
    difference = float(np.abs(fit.log_lik.numpy() * N - history).max())
    assert difference < 1e-7, f"log-likelihoods differ by up to {difference} nats"
    return paired(
        f"HMM, {STEPS} EM steps, C = {C}, {N} x {T}",
        lambda: fit_from(x, start, max_steps=STEPS, tol=0.0),
        f"CategoricalHMM ({implementation})",
        lambda: peer(start, implementation).fit(x.reshape(-1, 1).numpy(), [T] * N),
        target=target,
        note=f"same trace to {difference:.0e} nats",
    )


def problem(N: int, T: int, C: int, V: int) -> tuple[Tensor, HMM]:
    """Sequences of sticky states with symbols of their own, and a random start."""
    rng = np.random.default_rng(0)
    transition = 0.7 * np.eye(C) + 0.3 * rng.dirichlet(np.ones(C), C)
    truth = (rng.dirichlet(np.ones(C)), transition, rng.dirichlet(0.3 * np.ones(V), C))
    start, transition, probs = map(torch.tensor, truth)
    with seeded(0):
        x = sample(HMM(start, transition, Categorical(probs)), N, T).x
        return x, random_start(x, C, V=V)


def peer(start: HMM, implementation: str) -> CategoricalHMM:
    """hmmlearn's model at that start, for one E step more than M steps, as its trace ends before the last M step."""
    model = CategoricalHMM(
        len(start.start), n_iter=STEPS + 1, tol=-np.inf, init_params="", implementation=implementation
    )
    model.n_features = start.emission.probs.shape[1]
    model.startprob_, model.transmat_, model.emissionprob_ = (
        p.numpy().copy() for p in (start.start, start.transition, start.emission.probs)
    )
    return model
