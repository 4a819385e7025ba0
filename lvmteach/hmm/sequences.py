"""Sequences of unequal length as one table, and what a hidden Markov model refuses of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lvmteach.annotated import as_annotated


class Sequences(NamedTuple):
    """N sequences, each in a row from t = 0 on; what stands behind its end is not read."""

    x: Tensor  # symbols (N, T) int64, or points (N, T, D) float64
    lengths: Int[Tensor, " N"]

    @property
    def real(self) -> Bool[Tensor, "N T"]:
        """True where an observation stands, False behind a sequence's end."""
        return torch.arange(self.x.shape[1], device=self.x.device) < self.lengths[:, None]

    @property
    def blank(self) -> Tensor:
        """The table with zeros behind each sequence's end."""
        real = self.real if self.x.ndim == 2 else self.real[..., None]
        return self.x.masked_fill(~real, 0)


@as_annotated
def sequences(x: Sequences | Tensor | Sequence[Tensor]) -> Sequences:
    """Data of any of the three forms as `Sequences`; symbols as int64, points as float64.

    Args:
        x: symbols (N, T) or points (N, T, D), all of one length; or a list of sequences, (T_n,) or (T_n, D) each.

    Raises:
        TypeError: no tensor, or of truth values or complex numbers.
        ValueError: a wrong shape, no sequence, an empty one, points with NaN or infinity.
    """
    if isinstance(x, Sequences):
        table, lengths = x
    elif isinstance(x, Tensor):
        table, lengths = x, torch.full((len(x),) if x.ndim else (0,), x.shape[1] if x.ndim > 1 else 0, device=x.device)
    else:
        table, lengths = _padded(list(x))
    return _checked(Sequences(table, lengths))


def _padded(parts: list[Tensor]) -> tuple[Tensor, Tensor]:
    if not parts or not all(isinstance(part, Tensor) for part in parts):
        raise TypeError("x must be a tensor (N, T) or (N, T, D), or a list of tensors, one a sequence")
    if len({part.shape[1:] for part in parts}) > 1 or parts[0].ndim not in (1, 2):
        raise ValueError(f"sequences must be (T,) or (T, D) with one D, got {sorted({tuple(p.shape) for p in parts})}")
    lengths = torch.tensor([len(part) for part in parts], device=parts[0].device)
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True), lengths


def _checked(data: Sequences) -> Sequences:
    x, lengths = data
    if x.dtype == torch.bool or x.is_complex():
        raise TypeError(f"x must hold symbols (int64) or real numbers, got {x.dtype}")
    symbols = not x.is_floating_point()
    if x.ndim != (2 if symbols else 3) or 0 in x.shape:
        raise ValueError(
            f"x must be symbols (N, T), whole numbers, or points (N, T, D), reals, got {x.dtype} {tuple(x.shape)}; "
            "a single sequence needs x[None], points in one dimension x[..., None]"
        )
    if lengths.shape != x.shape[:1] or lengths.min() < 1 or lengths.max() > x.shape[1]:
        raise ValueError(f"lengths must be one a sequence, from 1 to {x.shape[1]}, got {lengths.tolist()[:10]}")
    x = x.long() if symbols else x.double()
    data = Sequences(x, lengths)
    if not symbols and not x[data.real].isfinite().all():
        raise ValueError("x must be finite, got NaN or infinity; cut the sequence there, or fill the gap")
    return data
