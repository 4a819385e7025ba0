"""The running example: every method meets 4 x 4 bars once, at equal draws, each at its best rate, over ten starts.

    python -m benchmarks.bars      about 10 minutes of one core; writes lvmteach/classroom/figures/running_example.npz

A 16-8-1 machine, batches of 20 images, a rate that falls linearly to 0. A draw is one image's units drawn once: a wake
step of 20 images takes 20 draws and the dreams of its sleep step 20 more, a reweighted step with K = 5 takes 100. All
get 160 000 draws, so that K = 5 makes 1600 steps; the exact methods draw nothing and make 4000. The rate is chosen on
ten starts, and what is kept comes from ten others: chosen numbers flatter. Below them stand the controls of notebook
06, which ask why the exact ELBO loses: all at rate 4, on ten starts of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lvmteach.classroom.figures import running_example
from lvmteach.helmholtz import (
    Machine,
    bars,
    climb,
    exact,
    gumbel_elbo,
    machine,
    reweighted_step,
    score_bound,
    score_elbo,
    sleep_step,
    wake_step,
)
from lvmteach.runtime import seeded

DRAWS, STEPS, B, STARTS = 160_000, 4000, 20, 10
RATES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
CONTROL_RATE = 4.0
KEPT = 20  # points of a curve
WORLD = bars(dtype=torch.float32)
Step = Callable[[Machine, Tensor, float], object]


class Method(NamedTuple):
    """One way to teach."""

    stage: int  # the notebook that brings it; 0 for a control
    name: str
    draws: int  # an image and a step; 0 for exact
    phases: tuple[tuple[float, Step], ...]  # (share of the steps, what a step does); the rate falls in each anew


def alone(stage: int, name: str, draws: int, step: Step) -> Method:
    return Method(stage, name, draws, ((1.0, step),))


def wake_sleep(m: Machine, x: Tensor, rate: float) -> None:
    wake_step(m, x, rate)
    sleep_step(m, x.shape[-2], rate)


def climbing(objective: Callable[[Machine, Tensor], Tensor]) -> Step:
    return lambda m, x, rate: climb(m, lambda leaf: objective(leaf, x), rate)


def elbo(m: Machine, x: Tensor) -> Tensor:
    return exact(m, x).elbo


def theta_and_q(for_theta: Callable[[Machine, Tensor], Tensor], for_q: Callable[[Machine, Tensor], Tensor]) -> Step:
    """Each net climbs its own objective; to the other's it is a constant."""

    def both(m: Machine, x: Tensor) -> Tensor:
        held = m.map(Tensor.detach)
        return for_theta(m._replace(recognition=held.recognition), x) + for_q(held._replace(recognition=m[2]), x)

    return climbing(both)


def nothing(m: Machine, x: Tensor) -> Tensor:
    """An objective that teaches nobody."""
    return m.prior.sum(-1, keepdim=True) * 0.0


def exact_wake_then_sleep(m: Machine, x: Tensor, rate: float) -> None:
    theta_and_q(elbo, nothing)(m, x, rate)
    sleep_step(m, x.shape[-2], rate)


def wake_then_exact_q(m: Machine, x: Tensor, rate: float) -> None:
    wake_step(m, x, rate)
    theta_and_q(nothing, elbo)(m, x, rate)


def elbo_on_all_images(m: Machine, x: Tensor, rate: float) -> None:
    """No draws, no batches: nothing is left to chance."""
    share = WORLD.log_prob.exp() * len(WORLD.images)
    climb(m, lambda m: exact(m, WORLD.images).elbo * share, rate)


METHODS = (
    alone(6, "exact maximum likelihood", 0, climbing(lambda m, x: exact(m, x).log_p)),
    alone(6, "exact ELBO", 0, climbing(elbo)),
    alone(6, "wake-sleep", 2, wake_sleep),
    alone(6, "reweighted wake-sleep, K = 5", 5, lambda m, x, rate: reweighted_step(m, x, 5, rate)),
    alone(7, "score function, K = 5", 5, climbing(lambda m, x: score_elbo(m, x, 5, None))),
    alone(7, "score function, leave-one-out, K = 5", 5, climbing(lambda m, x: score_elbo(m, x, 5))),
    alone(7, "Gumbel-softmax, τ = 1, K = 5", 5, climbing(lambda m, x: gumbel_elbo(m, x, 5, 1.0))),
    alone(7, "Gumbel-softmax, τ = 0.5, K = 5", 5, climbing(lambda m, x: gumbel_elbo(m, x, 5, 0.5))),
    alone(9, "K-sample bound, leave-one-out, K = 5", 5, climbing(lambda m, x: score_bound(m, x, 5))),
)  # fmt: skip

CONTROLS = (
    alone(0, "exact ELBO", 0, climbing(elbo)),
    alone(0, "one-draw wake for θ, exact ELBO for q", 0, wake_then_exact_q),
    alone(0, "exact ELBO for θ, sleep for q", 0, exact_wake_then_sleep),
    alone(0, "exact ELBO for θ, KL(p || q) on data for q", 0, theta_and_q(elbo, lambda m, x: -exact(m, x).kl_p_q)),
    alone(0, "wake-sleep", 0, wake_sleep),
    Method(0, "wake-sleep, then wake-sleep again", 0, ((1.0, wake_sleep), (1.0, wake_sleep))),
    Method(0, "wake-sleep, then exact ELBO", 0, ((1.0, wake_sleep), (1.0, climbing(elbo)))),
    Method(0, "500 steps of wake-sleep, then exact ELBO", 0, ((0.125, wake_sleep), (0.875, climbing(elbo)))),
    Method(0, "exact ELBO, then 1500 steps on all images", 0, ((1.0, climbing(elbo)), (0.375, elbo_on_all_images))),
)


class Taught(NamedTuple):
    curve: Tensor  # -log p(x), (points, starts), nats an image
    gap: Tensor  # KL(q || p) at the end, (starts,)
    slope: Tensor  # length of the exact ELBO's gradient over all images at the end, (starts,)
    seconds: float  # of CPU


def teach(method: Method, rate: float, seed: int) -> Taught:
    total = DRAWS // (B * method.draws) if method.draws else STEPS
    curve, spent = [], time.process_time()
    with seeded(seed):
        m = machine((16, 8, 1), copies=STARTS)
        for share, step in method.phases:
            steps = int(share * total)
            for i in range(steps):
                if i % max(steps // KEPT, 1) == 0:
                    curve.append(-WORLD.expect(judge(m).log_p))
                step(m, WORLD.sample(STARTS * B).unflatten(0, (STARTS, B)), rate * (1 - i / steps))
    spent, end = time.process_time() - spent, judge(m)
    return Taught(torch.stack([*curve, -WORLD.expect(end.log_p)]), WORLD.expect(end.kl_q_p), slope(m), spent)


def judge(m: Machine):
    return exact(m.map(Tensor.double), WORLD.images)


def slope(m: Machine) -> Tensor:
    before = m.map(Tensor.double)
    after = before.map(torch.clone)
    climb(after, lambda m: exact(m, WORLD.images).elbo * WORLD.log_prob.double().exp() * len(WORLD.images), 1.0)
    squares = [(b - a).square().flatten(1).sum(-1) for a, b in zip(before.parameters, after.parameters, strict=True)]
    return sum(squares).sqrt()


def main() -> None:
    rows = []
    for method in METHODS + CONTROLS:
        rates = RATES if method.stage else (CONTROL_RATE,)
        tried = torch.zeros(1)
        if method.stage:
            tried = torch.stack([teach(method, rate, seed=1).curve[-1].mean() for rate in rates]).nan_to_num(torch.inf)
        best = rates[int(tried.argmin())]
        taught = teach(method, best, seed=2 if method.stage else 3)
        rows.append((tried.expand(len(RATES)), best, taught))
        by_rate = ", ".join(f"{r:g}: {v:.2f}" for r, v in zip(rates, tried.tolist(), strict=True))
        end = taught.curve[-1]
        judged = f"{end.mean():.3f} ± {end.std() / STARTS**0.5:.3f}, gap {taught.gap.mean():.2f}"
        print(f"{method.name:44s} {by_rate}; anew {judged}, slope {taught.slope.median():.1g}", flush=True)
    every, (tried, best, taught) = METHODS + CONTROLS, zip(*rows, strict=True)
    np.savez_compressed(
        Path(running_example.__file__).with_suffix(".npz"),
        name=[m.name for m in every], stage=[m.stage for m in every], draws=[m.draws for m in every],
        rates=RATES, tried=np.stack(tried), rate=best, curve=np.stack([t.curve[-KEPT - 1 :] for t in taught]),
        gap=np.stack([t.gap for t in taught]), slope=np.stack([t.slope for t in taught]),
        seconds=[t.seconds for t in taught], entropy=WORLD.entropy,
    )  # fmt: skip


if __name__ == "__main__":
    main()
