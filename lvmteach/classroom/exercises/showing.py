"""The input that went wrong, in full: every argument, the right result, the student's, and both as a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from lvmteach.classroom.exercises.compare import is_number, paired_leaves, structural_difference
from lvmteach.classroom.exercises.difference import as_tensor
from lvmteach.classroom.exercises.running import Outcome
from lvmteach.classroom.exercises.verdict import WIDTH
from lvmteach.classroom.figures import plots

DRAWN = 4  # numbers at least: fewer are read faster than drawn
LINES = 4  # columns at most that are drawn as lines; more make an image
PRINTED = 400  # numbers of a tensor at most that are printed in full


class Failure(NamedTuple):
    """One call that went wrong."""

    inputs: dict[str, Any]
    expected: Outcome
    received: Outcome


def show(failure: Failure) -> None:
    """Print the call and both results, and draw those results that are many numbers."""
    for name, value in failure.inputs.items():
        print(f"{name} = {in_full(value)}")
    print(f"right: {_told(failure.expected)}")
    print(f"yours: {_told(failure.received)}")
    for name, right, yours in _drawn(failure):
        plots.show(picture(name, right, yours), alt=f"The right {name} beside yours, number by number.")


def in_full(value: Any) -> str:
    """A value with all its numbers, as long as somebody can read them."""
    if isinstance(value, Tensor | np.ndarray):
        numbers = np.array2string(
            as_tensor(value).numpy(), max_line_width=WIDTH, precision=5, threshold=PRINTED, suppress_small=True
        )
        return ("\n" if value.ndim > 1 else "") + numbers
    if isinstance(value, tuple | list):
        return f"({', '.join(map(in_full, value))})"
    if isinstance(value, nn.Module):
        return ", ".join(f"{name} {in_full(parameter)}" for name, parameter in value.named_parameters())
    return getattr(value, "__name__", None) or repr(value)


def _told(outcome: Outcome) -> str:
    if outcome.timed_out:
        return "nothing, the time was over"
    if outcome.error is not None:
        return f"{type(outcome.error).__name__}: {outcome.error}"
    return in_full(outcome.value)


def _drawn(failure: Failure) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    right, yours = failure.expected.value, failure.received.value
    if right is None or yours is None or structural_difference(right, yours, nan_is_fine=True):
        return
    for name, ours, theirs in paired_leaves(right, yours):
        if is_number(ours) and as_tensor(ours).ndim and as_tensor(ours).numel() >= DRAWN:
            flat = (-1, as_tensor(ours).shape[-1]) if as_tensor(ours).ndim > 1 else (-1, 1)
            yield name.removesuffix(": ") or "result", *(as_tensor(one).reshape(flat).numpy() for one in (ours, theirs))


def picture(name: str, right: np.ndarray, yours: np.ndarray) -> Figure:
    """A few columns as lines, such as a path or a density; many as two images in one scale."""
    if right.shape[1] <= LINES:
        fig, ax = plots.figure(size=(7, 3.6))
        for column, colour in zip(range(right.shape[1]), plots.PALETTE, strict=False):
            ax.plot(right[:, column], "o-", color=colour, label="right" if column == 0 else None)
            ax.plot(yours[:, column], "x--", color=colour, label="yours" if column == 0 else None)
        ax.set(xlabel="place along the first axis", title=name)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
        return fig
    fig, axes = plots.figure(cols=2, size=(8, 3.6))
    finite = np.concatenate([right[np.isfinite(right)], yours[np.isfinite(yours)]])
    limits = {"vmin": finite.min(), "vmax": finite.max()} if finite.size else {}
    for ax, values, whose in zip(axes, (right, yours), ("right", "yours"), strict=True):
        image = ax.imshow(values, aspect="equal" if values.shape[0] > 1 else "auto", **limits)
        ax.set(title=f"{name}, {whose}", xticks=[], yticks=[])
    fig.colorbar(image, ax=axes)
    return fig
