"""One training loop for every model and every loss, which can be watched, interrupted, and taken up again.

The loop knows nothing of latent variables: it minimises `loss(model, batch)`. Data stay on the device, minibatches
are taken by index, and no step waits for a value to come back from a GPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import contextmanager
from numbers import Real
from os import PathLike
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least, warn
from lvmteach.checkpoints import data_hash, destination, load, load_run, save, save_run

__all__ = ["History", "adam", "cosine", "load", "save", "train"]

Loss = Callable[[nn.Module, Tensor], Tensor]
LOOKS_A_SECOND = 4  # how often the progress bar is redrawn
EAGER = ("cpu",)  # devices where reading a loss back costs nothing


class History(NamedTuple):
    """What happened, in the units of the loss.

    loss: of each step, (T,). valid: mean loss over the validation set, (V,), after `valid_steps` steps, (V,).
    interrupted: the run was stopped by hand before its end. seconds: duration, without what was resumed.
    """

    loss: Tensor
    valid: Tensor
    valid_steps: Tensor
    interrupted: bool
    seconds: float


def adam(parameters) -> Optimizer:
    """Adam with torch's defaults, in its fused form: a quarter faster a step on a CPU."""
    return torch.optim.Adam(parameters, fused=True)


def cosine(high: float, low: float, steps: int) -> Callable[[int], float]:
    """A learning rate that falls from `high` to `low` along half a cosine, and stays there after `steps`."""

    def rate(step: int) -> float:
        return low + (high - low) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))

    return rate


@as_annotated
def train(
    model: nn.Module,
    loss: Loss,
    x: Tensor,
    *,
    steps: int,
    batch_size: int = 100,
    lr: float | Callable[[int], float] = 1e-3,
    optimiser: Callable[..., Optimizer] = adam,
    prepare: Callable[[Tensor], Tensor] | None = None,
    valid: Tensor | None = None,
    valid_every: int = 1000,
    watch: Callable[[History], None] | None = None,
    checkpoint: str | PathLike | None = None,
    checkpoint_every: int = 1000,
    resume: bool = False,
    progress: bool = True,
    compile: bool = False,
) -> History:
    """Minimise `loss(model, batch)` over the model's parameters, in place.

    A batch is a uniformly random subset of the rows of x, without repeats until the rows are used up.
    Interrupt it (Ctrl-C, Jupyter's stop button) and you keep the model and the history so far.

    Args:
        loss: returns the scalar to minimise, e.g. `lambda model, x: -elbo(model.log_weights(x, K=1)).mean()`.
        x: data, (N, ...), moved once to the model's device.
        steps: number of updates, those of a resumed checkpoint included.
        lr: a number, or a function of the step (`cosine`).
        optimiser: takes the parameters; for other settings, `lambda p: torch.optim.Adam(p, eps=1e-4)`.
        prepare: applied to each batch, e.g. `torch.bernoulli` to binarise anew at each visit.
        valid: data for a mean loss without gradient, every `valid_every` steps and at the end. It leaves the random
            stream, and so the run, as they were.
        watch: called with the history after each validation, for a live curve. If it fails, one line says so, and
            the run goes on unwatched.
        checkpoint: a file to write every `checkpoint_every` steps and at the end; replaced whole or not at all. That
            it can be written is tried before the first step.
        resume: go on from `checkpoint` if that file exists, exactly as if the run had never stopped (bitwise on a CPU,
            given the same arguments).
        compile: translate the loss to machine code by `torch.compile` at the first step. That takes a C++ compiler and
            a minute or so; it is for long runs at large K (benchmarks/README.md). Draws and roundings differ from those
            of a plain run. A loss that cannot be translated as a whole (`dreg`, a KL in closed form) is refused.

    Raises:
        TypeError: a number of steps is no whole number, or `loss` or `optimiser` returns something else.
        ValueError: x is empty, not finite or not what the model takes; batch_size is not in 1..N; the loss carries no
            gradient; `checkpoint` is damaged or not ours, or of other data, another model or optimiser.
        OSError: `checkpoint` cannot be written.
        FloatingPointError: the loss became NaN or infinite, on x or on `valid`; names the step, the rows and what to
            try.
    """
    at_least(0, steps=steps)
    at_least(1, batch_size=batch_size, valid_every=valid_every, checkpoint_every=checkpoint_every)
    if checkpoint is not None:
        checkpoint = destination(checkpoint)
    elif resume:
        raise ValueError("resume needs a checkpoint to go on from, got None; say checkpoint=path, as in the first run")
    run = _Run(model, loss, x, steps, batch_size, lr, optimiser, prepare, valid, compile)
    data = data_hash(run.x) if checkpoint is not None else ""
    if resume and checkpoint is not None:
        run.restore(checkpoint, data)
    started, interrupted = time.perf_counter(), False

    def history() -> History:
        return run.history(interrupted, time.perf_counter() - started)

    with _mode(model, training=True), _bar(run, progress) as show:
        try:
            while run.step < steps:
                run.advance()
                show()
                last = run.step == steps
                if valid is not None and (last or run.step % valid_every == 0):
                    run.validate()
                    if watch is not None:
                        watch = _watched(watch, history())
                if checkpoint is not None and (last or run.step % checkpoint_every == 0):
                    run.save(checkpoint, data)
            run.look()
        except KeyboardInterrupt:
            interrupted = True
    return history()


class _Run:
    """A run's moving parts: everything that a checkpoint must hold, and the step that moves them."""

    def __init__(self, model, loss, x, steps, batch_size, lr, optimiser, prepare, valid, compile):
        self.model, self.loss, self.batch_size = model, loss, batch_size
        self.step_loss = (
            torch.compile(loss, fullgraph=True) if compile else loss
        )  # validation has batches of other shapes
        self.rate = _rate(lr)
        self.prepare = prepare or (lambda batch: batch)
        parameters = [p for p in model.parameters() if p.requires_grad]
        if not parameters:
            raise ValueError("the model has no parameter that requires a gradient; there is nothing to train")
        self.x = _checked(model, x, "x").to(parameters[0].device)
        self.valid = None if valid is None else _checked(model, valid, "valid").to(self.x.device)
        if not 1 <= batch_size <= len(x):
            raise ValueError(f"batch_size must be between 1 and the {len(x)} rows of x, got {batch_size}")
        self.optimiser = _made(optimiser, parameters)
        self.seed, self.step, self.looked = torch.initial_seed(), 0, 0
        self.losses = torch.full((steps,), math.nan, device=self.x.device)
        self.order, self.at = torch.randperm(len(x), device=self.x.device), 0
        self.batches: list[Tensor] = []  # the rows taken since the last look at the losses
        self.validations: list[tuple[int, Tensor]] = []

    def advance(self) -> None:
        """One update."""
        rows = self._next_rows()
        loss = _one_number(self.step_loss(self.model, self.prepare(self.x[rows])))
        if not loss.requires_grad:
            raise ValueError(
                "the loss must carry a gradient to the model's parameters, got a number without; leave out .detach(), "
                ".item() and no_grad, and use the model that is passed in"
            )
        self.losses[self.step] = loss.detach()
        self.batches.append(rows)
        # On a CPU a look is free, and comes before the parameters are spoilt; a GPU would wait for it at every step.
        if loss.device.type in EAGER or len(self.batches) >= 100:
            self.look(self.step + 1)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(self.step)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.step += 1

    def look(self, until: int | None = None) -> None:
        """Read the losses since the last look; stop at the first that is not finite."""
        until = self.step if until is None else until
        bad = (~self.losses[self.looked : until].isfinite()).nonzero()
        if len(bad):
            raise FloatingPointError(self._what_went_wrong(int(bad[0])))
        self.looked, self.batches = until, []

    def validate(self) -> None:
        """Mean loss on `valid`; watched as the losses on x are."""
        self.look()
        where = [self.x.device] if self.x.device.type == "cuda" else []
        with torch.no_grad(), _mode(self.model, training=False), torch.random.fork_rng(where):
            chunks = self.valid.split(max(self.batch_size, 500))
            values = torch.stack([_one_number(self.loss(self.model, self.prepare(chunk))) for chunk in chunks])
        bad = (~values.isfinite()).nonzero()
        if len(bad):
            first = int(bad[0]) * len(chunks[0])
            raise FloatingPointError(
                f"the loss on valid is {float(values[bad[0]])} after step {self.step} (rows {first} to "
                f"{first + len(chunks[bad[0]]) - 1}), on x {float(self.losses[self.step - 1]):.4g}. Look for rows "
                "unlike those of x, and whether a scale goes to 0 or a log overflows on them"
            )
        sizes = values.new_tensor([len(chunk) for chunk in chunks])
        self.validations.append((self.step, (values * sizes).sum() / len(self.valid)))

    def history(self, interrupted: bool, seconds: float) -> History:
        steps = torch.tensor([step for step, _ in self.validations], dtype=torch.long, device="cpu")
        values = torch.tensor([float(value) for _, value in self.validations], device="cpu")
        return History(self.losses[: self.step].cpu(), values, steps, interrupted, seconds)

    def save(self, path, data: str) -> None:
        self.look()  # never a checkpoint of a run gone wrong
        at = {"order": self.order, "at": torch.tensor(self.at), "loss": self.losses[: self.step]}
        past = self.history(False, 0.0)
        at |= {"valid": past.valid, "valid_steps": past.valid_steps}
        save_run(path, self.model, self.optimiser, at, seed=self.seed, data=data, step=self.step)

    def restore(self, path, data: str) -> None:
        found = load_run(path, self.model, self.optimiser, data=data, device=self.x.device)
        if found is None:
            return
        at, self.seed, self.step = found
        if self.step > len(self.losses):
            raise ValueError(
                f"the checkpoint is at step {self.step} of a run of {len(self.losses)}; ask for more steps"
            )
        self.order, self.at, self.looked = at["order"], int(at["at"]), self.step
        self.losses[: self.step] = at["loss"]
        self.validations = list(zip(at["valid_steps"].tolist(), at["valid"], strict=True))

    def _next_rows(self) -> Tensor:
        if self.at + self.batch_size > len(self.order):
            self.order, self.at = torch.randperm(len(self.order), device=self.order.device), 0
        rows = self.order[self.at : self.at + self.batch_size]
        self.at += self.batch_size
        return rows

    def _what_went_wrong(self, offset: int) -> str:
        step, rows = self.looked + offset, self.batches[offset].tolist()
        before = self.losses[max(step - 3, 0) : step].tolist()
        return (
            f"the loss is {float(self.losses[step])} at step {step} (rows {rows[:8]}... of x; the losses before it: "
            f"{', '.join(f'{value:.4g}' for value in before) or 'none'}). Try a smaller lr; "
            "look whether a scale goes to 0 or a log overflows; look at those rows"
        )


def _one_number(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"loss must return a tensor of one number, got {type(loss).__name__}; return what is to be minimised, "
            "alone and without float() or .item()"
        )
    if loss.ndim:
        raise ValueError(f"loss must give one number to minimise, got shape {tuple(loss.shape)}; end it with .mean()")
    return loss


def _rate(lr: float | Callable[[int], float]) -> Callable[[int], float]:
    if callable(lr):
        return lr
    if not isinstance(lr, Real) or not 0 <= lr < math.inf:
        raise ValueError(f"lr must be a number of at least 0 or a function of the step, got {lr!r}; 1e-3 is usual")
    return lambda step: lr


def _made(optimiser: Callable[..., Optimizer], parameters: list[nn.Parameter]) -> Optimizer:
    made = optimiser(parameters)
    if not isinstance(made, Optimizer):
        raise TypeError(
            "optimiser must be a function that takes the parameters and returns an Optimizer, got "
            f"{type(optimiser).__name__}; write optimiser=lambda p: torch.optim.Adam(p, eps=1e-4)"
        )
    return made


def _watched(watch: Callable[[History], None], history: History) -> Callable[[History], None] | None:
    """Call `watch`; what goes wrong in a picture is said once, and must not cost the run."""
    try:
        watch(history)
    except Exception as problem:
        words = f"{type(problem).__name__}: {problem}"[:200]
        warn(f"watch failed at step {len(history.loss)} ({words}); the run goes on without it")
        return None
    return watch


def _checked(model: nn.Module, x: Tensor, name: str) -> Tensor:
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{name} must hold at least one row, got shape {tuple(x.shape)}")
    if hasattr(model, "check"):
        model.check(x)
    elif not x.isfinite().all():
        raise ValueError(f"{name} must be finite, got NaN or infinity; leave those rows out")
    return x


@contextmanager
def _mode(model: nn.Module, training: bool):
    before = model.training
    model.train(training)
    try:
        yield
    finally:
        model.train(before)


@contextmanager
def _bar(run: _Run, progress: bool):
    """A progress bar; yields what to call after each step. Only a redraw reads losses back."""
    with tqdm(total=len(run.losses), initial=run.step, leave=False, disable=not progress, unit="step") as bar:
        drawn = time.perf_counter()

        def show() -> None:
            nonlocal drawn
            if progress and time.perf_counter() - drawn > 1 / LOOKS_A_SECOND:
                recent = run.losses[bar.n : run.step].mean()
                bar.n = run.step
                bar.set_postfix_str(f"loss {float(recent):.2f}")
                drawn = time.perf_counter()

        yield show
