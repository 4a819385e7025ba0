"""Run a student's function once, safely: on copies of its input, within a time limit, with everything caught."""

from __future__ import annotations

import _thread
import contextlib
import copy
import io
import linecache
import signal
import sys
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lvmteach.runtime import seeded

SHORTEST = 0.3  # seconds that many calls may always take
LATE = 0.1  # seconds that a call may last beyond the limit of many
AGAIN = 0.5  # seconds after which a block that has not ended is interrupted once more
PATIENCE = 3  # times a limit that the clock may show while a call waits for a processor


class Outcome(NamedTuple):
    """What one call did. where: the student's own line that raised. changed: the input it altered, and how.

    models: the parameters of every model among the inputs, as the call left them.
    """

    value: Any = None
    error: BaseException | None = None
    where: str = ""
    printed: str = ""
    changed: str = ""
    timed_out: bool = False
    models: tuple[Tensor, ...] = ()

    @property
    def not_attempted(self) -> bool:
        return isinstance(self.error, NotImplementedError)


class Elsewhere:
    """A function that lives in another process: it is attempted there."""

    def __call__(self, *args: Any) -> Any:
        raise NotImplementedError("it can only be attempted")

    def attempt(self, args: tuple, seconds: float, seed: int) -> Outcome:
        raise NotImplementedError


def attempt(function: Callable, args: tuple, seconds: float, seed: int = 0) -> Outcome:
    """Call `function` on copies of `args`, on the random stream of `seed`."""
    if isinstance(function, Elsewhere):
        return function.attempt(args, seconds, seed)
    given = tuple(copied(value) for value in args)
    printed = io.StringIO()
    try:
        with seeded(seed), quiet(printed), warnings.catch_warnings(), time_limit(seconds):
            warnings.simplefilter("ignore")  # the words are the verdict's; a misconception tried warns too
            value = function(*given)
    except TimeLimit:
        return Outcome(timed_out=True)
    except (Exception, SystemExit) as error:  # whatever the student's code raises is a finding, not our failure
        return Outcome(error=error, where=_own_line(function, error), printed=printed.getvalue())
    changed = _changed(function, args, given)
    _tell_copies(value, leaves(given))
    return Outcome(value, printed=printed.getvalue(), changed=changed, models=_parameters(given))


@contextlib.contextmanager
def many_calls(until: float) -> Iterator[Callable[[Callable, tuple], Outcome]]:
    """A quicker `attempt` for functions of ours that are called a thousand times: one guard around all of them.

    The block ends in silence when `time.process_time` reaches `until`, one call that does not end in the middle of it,
    and not before SHORTEST seconds; what was found by then counts.
    """

    def call(function: Callable, args: tuple) -> Outcome:
        given = tuple(copied(value) for value in args)
        torch.default_generator.manual_seed(0)  # torch.manual_seed asks for every device first
        try:
            value = function(*given)
        except (Exception, SystemExit) as error:
            return Outcome(error=error)
        return Outcome(value, models=_parameters(given))

    with contextlib.suppress(TimeLimit), seeded(0), quiet(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with time_limit(max(SHORTEST, until - time.process_time()) + LATE):  # the caller looks at the time itself
            yield call


def _parameters(given: tuple) -> tuple[Tensor, ...]:
    return tuple(p.detach() for one in given if isinstance(one, nn.Module) for p in one.parameters())


@contextlib.contextmanager
def quiet(printed: io.StringIO) -> Iterator[None]:
    """Take what the block writes; what goes to stderr (a progress bar) is no fault of its notebook, and no result."""
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        yield


class TimeLimit(Exception):
    """The time for one call is over."""


class TimeIsOver(KeyboardInterrupt):
    """Raised inside a block whose time is over: no `except Exception` of a student's holds it up."""


def time_limit(seconds: float) -> contextlib.AbstractContextManager:
    """Stop the block after some seconds, as the stop button would. Only the main thread can be stopped.

    On a machine that many share, a second on the clock may hold a tenth of a second of work: while the block has not
    worked for its seconds it may go on, for PATIENCE times as long by the clock.
    """
    if threading.current_thread() is not threading.main_thread():
        return contextlib.nullcontext()
    return _Limit(seconds)


class _Limit:
    """A block with its time. An interrupt that comes when the block has just ended is met here, and forgotten."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.lock, self.over = threading.Lock(), threading.Event()
        self.inside = self.fired = self.met = False
        self.modules = set(sys.modules)

    def __enter__(self) -> None:
        self.began, self.worked = time.monotonic(), time.process_time()
        # A process started in the background may have been told to ignore interrupts; here they must get through.
        self.before = signal.signal(signal.SIGINT, self._interrupted)
        threading.Thread(target=self._watch, daemon=True).start()
        self.inside = True
        if self.met:
            self.__exit__(None, None, None)
            raise TimeLimit

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> None:
        self.inside = False
        self.over.set()
        with self.lock:
            pass
        while self.fired and not self.met:
            time.sleep(1e-3)  # it is on its way
        signal.signal(signal.SIGINT, self.before)
        if isinstance(error, TimeIsOver) and error.args[0] is self:
            _forget_what_was_half_imported(self.modules)
            raise TimeLimit from None

    def _watch(self) -> None:
        left = self.seconds
        while not self.over.wait(left):
            work, clock = time.process_time() - self.worked, time.monotonic() - self.began
            left = min(self.seconds - work, PATIENCE * self.seconds - clock)
            if left <= 0:
                with self.lock:
                    if not self.over.is_set():
                        self.fired, self.met = True, False
                        _thread.interrupt_main()
                left = AGAIN  # what is raised in a destructor, or caught, is lost

    def _interrupted(self, number: int, frame: types.FrameType | None) -> None:
        if not self.fired or self.met:  # a limit around this one, or somebody's stop button
            (self.before if callable(self.before) else signal.default_int_handler)(number, frame)
            return
        self.met = True
        ends = frame is not None and frame.f_code in (_Limit.__enter__.__code__, _Limit.__exit__.__code__)
        if self.inside and not (ends and frame.f_locals["self"] is self):
            raise TimeIsOver(self)


def _forget_what_was_half_imported(before: set[str]) -> None:
    """Let a package whose import was cut off be imported anew as a whole.

    Python forgets the package itself and keeps those of its modules that were complete, which the next import then
    does not find in it: "module 'sympy' has no attribute 'core'". torch imports that at the first use of a function.
    """
    for name in set(sys.modules) - before:
        parts = name.split(".")
        if not all(".".join(parts[:i]) in sys.modules for i in range(1, len(parts))):
            sys.modules.pop(name, None)


def leaves(value: Any) -> list[Tensor]:
    """The tensors in an input that `backward` would leave gradients in."""
    if isinstance(value, Tensor):
        return [value] if value.is_leaf and value.requires_grad else []
    if isinstance(value, tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [p for p in value.parameters() if p.requires_grad] if isinstance(value, nn.Module) else []


def graph_leaves(value: Any) -> list[Tensor]:
    """The tensors that a gradient of a result flows to."""
    found, seen, todo = [], set(), [getattr(value, "grad_fn", None)]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        todo += [parent for parent, _ in node.next_functions]
    return found


def _tell_copies(value: Any, given: list[Tensor]) -> None:
    """Mark the leaves that are inputs made anew, by `.detach().requires_grad_()` say: the input itself gets nothing."""
    for leaf in graph_leaves(value):
        alike = [one for one in given if one.shape == leaf.shape and torch.equal(one, leaf)]
        leaf.is_a_copy = bool(alike) and not any(one is leaf for one in alike)


def copied(value: Any) -> Any:
    """A copy that can be altered without harm; a tensor keeps its requires_grad, and its gradient."""
    if isinstance(value, tuple):
        parts = [copied(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, Tensor):
        made = value.detach().clone().requires_grad_(value.requires_grad)
    else:
        try:
            made = copy.deepcopy(value)
        except Exception:  # a closure over a non-leaf tensor, say: then it is shared
            return value
    for old, new in zip(leaves(value), leaves(made), strict=False):
        new.grad = None if old.grad is None else old.grad.clone()
    return made


def _changed(function: Callable, before: tuple, after: tuple) -> str:
    """The name of the first input that was altered, and how where it is no new number; or ''."""
    names = (
        function.__code__.co_varnames if hasattr(function, "__code__") else [f"number {i}" for i in range(len(before))]
    )
    for name, old, new in zip(names, before, after, strict=False):
        how = _alteration(old, new)
        if how is not None:
            return f"{name}{how}"
    return ""


def _alteration(old: Any, new: Any) -> str | None:
    """What became of an input, in words ('' for new values); None if it is as it was."""
    if isinstance(old, Tensor):
        if old.shape != new.shape or not torch.equal(old.nan_to_num(nan=0.123), new.nan_to_num(nan=0.123)):
            return ""
        if old.requires_grad != new.requires_grad:
            return " (it requires a gradient now)" if new.requires_grad else " (it requires no gradient any more)"
        return " (a gradient was left in it)" if new.is_leaf and new.grad is not None and old.grad is None else None
    if isinstance(old, np.ndarray):
        return None if np.array_equal(old, new, equal_nan=old.dtype.kind == "f") else ""
    if isinstance(old, (tuple, list)):
        parts = [_alteration(a, b) for a, b in zip(old, new, strict=False)] + [""] * (len(old) != len(new))
    elif isinstance(old, dict):
        parts = [_alteration(old[key], new[key]) for key in old if key in new] + [""] * (old.keys() != new.keys())
    else:
        return None
    return next((part for part in parts if part is not None), None)


def _own_line(function: Callable, error: BaseException) -> str:
    """Where in the student's own code it happened: the innermost line of the function's file."""
    code = getattr(function, "__code__", None)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if code and f.filename == code.co_filename]
    if not frames:
        return ""
    line = frames[-1].line or linecache.getline(frames[-1].filename, frames[-1].lineno).strip()
    return f"\n  in your line {frames[-1].lineno}: {line}"
