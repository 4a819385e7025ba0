"""Side-by-side timing: the same work by two hands, in turn, so that a busy minute slows both."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from threadpoolctl import threadpool_limits

from lvmteach import runtime


class Row(NamedTuple):
    """One line of the benchmark report: ours against a peer (or against ourselves, elsewhere)."""

    what: str
    ours: float  # seconds, median
    peer: str
    theirs: float  # seconds, median
    ratio: float  # theirs / ours, the median over the pairs: above 1, ours is faster
    low: float  # smallest and largest ratio over the pairs
    high: float
    target: float  # the ratio that is promised; 0 where none is
    note: str = ""

    @property
    def met(self) -> bool:
        return self.ratio >= self.target

    def __str__(self) -> str:
        promise = f" (target {self.target:g}: {'met' if self.met else 'MISSED'})" if self.target else ""
        return (
            f"{self.what}: {self.ours:.4g} s; {self.peer}: {self.theirs:.4g} s; ratio {self.ratio:.2f} "
            f"[{self.low:.2f}, {self.high:.2f}]{promise}" + (f"; {self.note}" if self.note else "")
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch, NumPy and SciPy on one thread each: two slow some peers down, and would flatter us."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired(
    what: str,
    ours: Callable[[], object],
    peer: str,
    theirs: Callable[[], object],
    *,
    repeats: int = 5,
    target: float = 0.0,
    note: str = "",
    warm: bool = False,
) -> Row:
    """Time both `repeats` times in turn; the ratio is the median of the pairs' ratios.

    A pair's two are neighbours in time, so that a slow minute of the machine is in both. One unmeasured call each
    comes first, unless the caller says that both are `warm`.
    """
    if not warm:
        ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = [their / our for our, their in pairs]
    return Row(what, a, peer, b, statistics.median(ratios), min(ratios), max(ratios), target, note)


def machine() -> None:
    """Say what runs here: the processor's name, and what `lvmteach.runtime.report` prints."""
    cpu, told = platform.processor() or "unknown", Path("/proc/cpuinfo")
    if told.exists():
        names = [line.partition(":")[2].strip() for line in told.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    print(f"{'cpu':<13} {cpu}")
    runtime.report()
    print()


def report(rows: Iterable[Row]) -> list[Row]:
    """Print each row as it comes, and give them back."""
    found = []
    for row in rows:
        print(row, flush=True)
        found.append(row)
    return found


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The rows as the lines of a Markdown table."""
    yield "| work | ours, s | beside | its, s | ratio | wanted | |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        promise = f"{row.target:g}: {'met' if row.met else 'missed'}" if row.target else ""
        ratio = f"**{row.ratio:.2f}** [{row.low:.2f}, {row.high:.2f}]"
        yield f"| {row.what} | {row.ours:.3g} | {row.peer} | {row.theirs:.3g} | {ratio} | {promise} | {row.note} |"
