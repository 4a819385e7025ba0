"""Cases of an exercise: drawn ones, the same for the same seed; and those that follow from them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from lvmteach.classroom.exercises.running import copied, leaves


def drawing(cases: Callable) -> Callable[[int], Sequence[tuple]]:
    """Cases from a generator of their own: `cases(draw)` with draw(*shape) standard normal in float64."""

    @functools.wraps(cases)
    def seeded_cases(seed: int) -> Sequence[tuple]:
        generator = torch.Generator().manual_seed(seed)
        return cases(lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64))

    return seeded_cases


def with_an_axis_of_one(cases: Sequence[tuple]) -> Iterator[tuple]:
    """Each case with all axes of one length cut to their first entry, once for each set of axes that go together.

    What sums to one along such an axis still does: probabilities become 1, their logarithms 0.
    """
    met = set()
    for case in cases:
        for length in sorted({n for value in case for n in _lengths(value)} - {0, 1}):
            axes = tuple(_axes(value, length) for value in case)
            if axes not in met:
                met.add(axes)
                yield tuple(_cut(value, length) for value in case)


def with_equal_entries(cases: Sequence[tuple]) -> Iterator[tuple]:
    """Each case with the second entry made like the first along the axes of one length: two data, or samples, alike.

    Not along both axes of a matrix, which would have no inverse. What sums to one along such an axis still does.
    """
    met = set()
    for case in cases:
        for length in sorted({n for value in case for n in _lengths(value)} - {0, 1, 2}):
            axes = tuple(_axes(value, length) for value in case)
            if axes not in met and not any(_twice(value, length) for value in case):
                met.add(axes)
                yield tuple(_alike(value, length) for value in case)


def with_old_gradients(cases: Sequence[tuple]) -> Iterator[tuple]:
    """Each case whose inputs can hold gradients, with some of an earlier `backward` in them."""
    for case in cases:
        if any(leaves(value) for value in case):
            given = tuple(copied(value) for value in case)
            for leaf in (leaf for value in given for leaf in leaves(value)):
                leaf.grad = torch.ones_like(leaf)
            yield given


# Logits of coins: a fair one, some all but sure, and none but the fair one that float32 can hold.
ODDS = torch.tensor([0.0, 16.3, -16.3, 5.7, -1.3], dtype=torch.float64)


def beside_the_odds(draw: Callable[..., Tensor], rows: int, logits: Tensor) -> Tensor:
    """Uniform numbers (rows, coins), hardly above or below each coin's probability; those of a fair one at times on it.

    They tell u < p from u <= p, from single precision, and from a probability that was kept away from 0 and 1.
    """
    side = draw(rows, len(logits))
    return torch.sigmoid(logits + 1e-7 * torch.where(logits == 0, side.round(), side.sign()))


class Stream:
    """What can be gone through once, as a generator can; each copy begins at the start.

    twice: notes of all copies, one for each attempt to go through it again.
    """

    def __init__(self, *items: Any, twice: list | None = None):
        self.items, self.twice = items, [] if twice is None else twice
        self._left = iter(items)
        self._ended = False

    def __deepcopy__(self, memo: dict) -> Stream:
        return Stream(*copy.deepcopy(self.items, memo), twice=self.twice)

    def __iter__(self) -> Stream:
        if self._ended:
            self.twice.append(True)
        return self

    def __next__(self) -> Any:
        try:
            return next(self._left)
        except StopIteration:
            self._ended = True
            raise


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """An argument with each of its tensors changed, whatever tuples they stand in."""
    if isinstance(value, tuple):
        parts = [_each(part, change) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return change(value) if isinstance(value, Tensor) else value


def _alike(value: Any, length: int) -> Any:
    def alike(tensor: Tensor) -> Tensor:
        same = tensor.detach().clone()
        for axis in _axes(tensor, length):
            whole, same = same, same.index_select(axis, torch.tensor([0, 0, *range(2, length)]))
            if _are_shares(whole, axis):
                same = same / same.sum(axis, keepdim=True)
            elif _are_log_shares(whole, axis):
                same = same.log_softmax(axis)
        return same.requires_grad_(tensor.requires_grad)

    return _each(value, alike)


def _twice(value: Any, length: int) -> bool:
    if isinstance(value, Tensor):
        return list(value.shape).count(length) > 1
    return any(_twice(part, length) for part in value) if isinstance(value, tuple) else False


def _lengths(value: Any) -> set[int]:
    if isinstance(value, Tensor):
        return set(value.shape)
    return {n for part in value for n in _lengths(part)} if isinstance(value, tuple) else set()


def _axes(value: Any, length: int) -> tuple:
    if isinstance(value, Tensor):
        return tuple(axis for axis, n in enumerate(value.shape) if n == length)
    return tuple(_axes(part, length) for part in value) if isinstance(value, tuple) else ()


def _cut(value: Any, length: int) -> Any:
    def cut(tensor: Tensor) -> Tensor:
        short = tensor.detach()
        for axis in _axes(tensor, length):
            whole, short = short, short.narrow(axis, 0, 1)
            if _are_shares(whole, axis):
                short = torch.ones_like(short)
            elif _are_log_shares(whole, axis):
                short = torch.zeros_like(short)
        return short.clone().requires_grad_(tensor.requires_grad)

    return _each(value, cut)


def _are_shares(whole: Tensor, axis: int) -> bool:
    return whole.is_floating_point() and bool((whole >= 0).all()) and _is_one(whole.sum(axis))


def _are_log_shares(whole: Tensor, axis: int) -> bool:
    return whole.is_floating_point() and _is_one(whole.logsumexp(axis).exp())


def _is_one(sums: Tensor) -> bool:
    return torch.allclose(sums, torch.ones_like(sums), atol=1e-6)
