"""Long runs on a GPU: many steps recorded as one CUDA graph, and several models side by side.

A step of these models is some hundred small products and sums, and Python takes longer to ask for them than a GPU to
do them. Recorded once and played again, they cost one request for `UNROLLED` steps. A model with few samples leaves
most of the GPU idle even then; so each model has a stream of its own, and many samples take what few leave.
Without a GPU the same steps are made one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.recipes import Bound, Recipe
from benchmarks.two_parts import gradient_of
from lvmteach.data import dynamic
from lvmteach.runtime import seeded
from lvmteach.vae import VAE

UNROLLED = 20  # steps in a graph
AHEAD = 2  # graphs asked for and not yet done, a model
SETTLING = 3  # steps before recording, in which libraries get what they need; they are undone


class Recorded:
    """A run of `steps` steps on x, (N, D) on the device, that goes on by `UNROLLED` steps at a time.

    Steps and data are `training.train`'s: minibatches are rows of a random order, drawn anew when it is used up.

    Args:
        model: whatever a step changes, buffers included.
        gradient: takes a batch, adds a loss's gradient to the model's parameters, and returns the loss.
        optimiser: takes parameters, `lr` (a tensor) and `capturable`.
        most: no run is longer; the steps' rates and losses are held for so many.
        urgent: goes before runs that are not, where both could use the GPU.
    """

    def __init__(
        self,
        model: nn.Module,
        gradient: Callable[[Tensor], Tensor],
        optimiser: Callable[..., torch.optim.Optimizer],
        x: Tensor,
        batch: int,
        most: int,
        seed: int,
        urgent: bool = False,
    ):
        self.model, self.gradient, self.x, self.batch, self.on_gpu = model.train(), gradient, x, batch, x.is_cuda
        self.each = len(x) // batch
        if self.each % UNROLLED:
            raise ValueError(f"an epoch must be a multiple of {UNROLLED} steps, got {self.each}; change the batch size")
        self.lr = torch.zeros((), device=x.device)
        self.optimiser = optimiser(model.parameters(), lr=self.lr, capturable=self.on_gpu)
        self.rates, self.losses = x.new_zeros(most), x.new_zeros(most)
        self.cursor = torch.zeros((), dtype=torch.long, device=x.device)
        self.places = torch.arange(batch, device=x.device)
        self.order = torch.arange(len(x), device=x.device)
        self.random = torch.Generator(x.device)
        self.random.manual_seed(seed)
        self.stream = torch.cuda.Stream(priority=-1 if urgent else 0) if self.on_gpu else None
        self.steps = self.asked = 0
        self.pending: list[torch.cuda.Event] = []
        self.play = self._record() if self.on_gpu else self._some_steps

    def begin(self, rates: Sequence[float]) -> None:
        """From step 0 on, one step for each of these rates, with an optimiser that knows nothing."""
        self.steps, self.asked = len(rates), 0
        if self.steps % UNROLLED:
            raise ValueError(f"a run must be a multiple of {UNROLLED} steps, got {self.steps}; take whole epochs")
        self.rates[: self.steps] = torch.tensor(rates, device=self.x.device)
        if self.on_gpu:
            torch.cuda.synchronize()  # the rates are there before the first step of another stream
        self._forget()

    def ask(self) -> bool:
        """Ask for the next steps if few are pending; whether there was anything to ask for."""
        self.pending = [event for event in self.pending if not event.query()]
        if self.asked >= self.steps or len(self.pending) >= AHEAD:
            return False
        with self._mine():
            if self.asked % self.each == 0:
                self.order.copy_(torch.randperm(len(self.order), device=self.x.device))
            self.play()
            if self.on_gpu:
                self.pending.append(self.stream.record_event())
        self.asked += UNROLLED
        return True

    @property
    def done(self) -> bool:
        """Whether every step is done, and not only asked for."""
        return self.asked >= self.steps and all(event.query() for event in self.pending)

    def _some_steps(self) -> None:
        for _ in range(UNROLLED):
            self._step()

    def _step(self) -> None:
        rows = self.order.index_select(0, self.cursor % self.each * self.batch + self.places)
        self.lr.copy_(self.rates.index_select(0, self.cursor[None])[0])
        self.optimiser.zero_grad()
        loss = self.gradient(dynamic(self.x.index_select(0, rows)))
        self.optimiser.step()
        self.losses.index_copy_(0, self.cursor[None], loss[None])
        self.cursor += 1

    def _record(self) -> Callable[[], None]:
        before = {name: value.clone() for name, value in self.model.state_dict().items()}
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with self._mine():
            for _ in range(SETTLING):
                self._step()
            self.stream.synchronize()
            with torch.cuda.graph(graph, stream=self.stream):
                self._some_steps()
            self.model.load_state_dict(before)
        return graph.replay

    def _forget(self) -> None:
        with self._mine():
            self.cursor.zero_()
            for state in self.optimiser.state.values():
                for value in state.values():
                    value.zero_()

    @contextmanager
    def _mine(self):
        """On this run's stream, with this run's random numbers: those of a graph come from where it was recorded."""
        default = torch.cuda.default_generators[self.x.device.index or 0] if self.on_gpu else torch.default_generator
        before = _position(default)
        _move(default, _position(self.random))
        try:
            with torch.cuda.stream(self.stream) if self.on_gpu else nullcontext():
                yield
        finally:
            _move(self.random, _position(default))
            _move(default, before)


def _position(generator: torch.Generator) -> Tensor | torch.Generator:
    return generator.graphsafe_get_state() if generator.device.type == "cuda" else generator.get_state()


def _move(generator: torch.Generator, to: Tensor | torch.Generator) -> None:
    (generator.graphsafe_set_state if generator.device.type == "cuda" else generator.set_state)(to)


class Trained(NamedTuple):
    """A model after its last step, the mean bound of its last ten epochs (nats), and the recipe as it was followed."""

    model: VAE
    bound: float
    recipe: Recipe


def side_by_side(
    recipes: Mapping[str, Recipe], x: Tensor, starts: Mapping[str, VAE] | None = None, seconds: float = 0.0
) -> dict[str, Trained]:
    """Train all of these at the same time; with `seconds`, each for as many epochs as that allows.

    Few samples go before many. The time is measured first, for three seconds while all of them run. An epoch count is a
    multiple of ten, and at most the recipe's.
    """
    models, runs = {}, {}
    with tensor_float(x):
        for name, recipe in recipes.items():
            with seeded(recipe.seed):
                models[name] = recipe.build().to(x.device)
            if starts and starts.get(name) is not None:
                models[name].load_state_dict(starts[name].state_dict())
            runs[name] = recorded(models[name], recipe, x)
    if seconds:
        found = dict(zip(runs, speeds(list(runs.values()), 3.0), strict=True))
        recipes = {name: _shortened(name, recipe, found[name], seconds, runs) for name, recipe in recipes.items()}
    for name, recipe in recipes.items():
        rate = recipe.rate(runs[name].each)
        runs[name].begin([rate(step) for step in range(runs[name].each * recipe.epochs)])
    finish(runs.values())
    bounds = {name: -float(run.losses[: run.steps][-10 * run.each :].mean()) for name, run in runs.items()}
    return {name: Trained(models[name], bounds[name], recipes[name]) for name in runs}


def recorded(model: VAE, recipe: Recipe, x: Tensor) -> Recorded:
    """A run of this recipe, ready to begin."""
    most = len(x) // recipe.batch * recipe.epochs
    objective = recipe.objective(model, most).to(x.device)
    gradient = _one_part(objective)
    if isinstance(objective, Bound) and recipe.doubly:
        gradient = gradient_of(model, recipe.K, compile=x.is_cuda)
    return Recorded(objective, gradient, recipe.optimiser, x, recipe.batch, most, recipe.seed, urgent=recipe.K < 50)


def _one_part(objective: nn.Module) -> Callable[[Tensor], Tensor]:
    def gradient(x: Tensor) -> Tensor:
        loss = -objective(x).mean()
        loss.backward()
        return loss.detach()

    return gradient


@contextmanager
def tensor_float(x: Tensor):
    """Matrix products on a GPU's tensor cores (TF32: ten bits of each factor, sums in single precision)."""
    before = torch.get_float32_matmul_precision()
    try:
        if x.is_cuda:
            torch.set_float32_matmul_precision("high")
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _shortened(name: str, recipe: Recipe, speed: float, seconds: float, runs: Mapping[str, Recorded]) -> Recipe:
    epochs = int(0.92 * speed * seconds / runs[name].each) // 10 * 10
    recipe = recipe._replace(epochs=max(10, min(epochs, recipe.epochs)))
    print(f"{name}: {speed:.0f} steps a second beside the others, {recipe.epochs} epochs", flush=True)
    return recipe


def finish(runs: Iterable[Recorded], progress: bool = True) -> None:
    """Take every run to its end, each as fast as the GPU lets it."""
    runs = list(runs)
    with tqdm(total=sum(run.steps for run in runs), disable=not progress, unit="step", mininterval=2) as bar:
        while not all(run.done for run in runs):
            asked = [run.ask() for run in runs]
            bar.update(UNROLLED * sum(asked))
            if not any(asked):
                time.sleep(1e-4)


def speeds(runs: Sequence[Recorded], seconds: float) -> list[float]:
    """Steps a second of each run while all of them run, at a rate of zero: the parameters stay as they are."""
    for run in runs:
        run.begin([0.0] * (len(run.rates) // UNROLLED * UNROLLED))
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        for run in runs:
            run.ask()
    if runs[0].on_gpu:
        torch.cuda.synchronize()
    took = time.perf_counter() - start
    return [run.asked / took for run in runs]
