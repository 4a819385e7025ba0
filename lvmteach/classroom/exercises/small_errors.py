"""Nearly right: numbers of single precision, a small number added or cut off, too few steps."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.evidence import Diagnosis, Evidence, near

ORDINARY = 100.0  # right results up to here tell how large an error is
FAR = 1e3  # times its spread, from zero: then its square holds it no more


def single_precision(seen: Evidence) -> Diagnosis | None:
    """Numbers that float32 can hold, where the right ones are none such, and near to them."""
    pairs = [pair for parts in seen.wrong_parts.values() for pair in parts.values()]
    pairs = [(a, b) for a, b in pairs if (a.isfinite() == b.isfinite()).all()]  # the others left its range
    if not pairs:
        return None
    a, b = (torch.cat([pair[side][pair[0].isfinite()] for pair in pairs]) for side in (0, 1))
    wrong = ~torch.isclose(b, a, rtol=1e-9, atol=0)
    if wrong.sum() < 3 or not _uses_all_digits(b[wrong]):
        return None  # zeros, whole numbers, what a difference of large ones has left: they fit into any precision
    if not (b == b.float().double())[wrong].all() or (a == a.float().double())[wrong].any():
        return None
    largest = a.abs().max()
    return (
        Diagnosis(
            "Your numbers are those of single precision, to seven digits: somewhere float32 is used. Keep float64."
        )
        if ((b - a).abs() < 1e-4 * largest).all()
        else None
    )


def _uses_all_digits(b: torch.Tensor) -> bool:
    """Whether any of the numbers needs the last three of the 24 binary digits that float32 has."""
    digits = torch.frexp(b).mantissa * 2**21
    return bool((digits != digits.round()).any())


def digits_cancel(seen: Evidence) -> Diagnosis | None:
    """Small errors where an input lies far from zero, and there alone: its square was taken before the difference."""
    if not seen.right or not seen.wrong_parts:
        return None
    far = {i: [name for name, value in seen.inputs(i).items() if _lies_far(value)] for i in seen.wrong}
    pairs = [pairs[i] for pairs in seen.wrong_parts.values() for i in seen.wrong if i in pairs]
    small = all(((b - a).abs() <= 1e-3 * a.abs() + 1e-9).all() and (a.abs() < FAR).all() for a, b in pairs)
    if not pairs or not small or not all(far.values()):
        return None
    return Diagnosis(
        f"Right, but the last digits are lost where {far[seen.wrong[0]][0]} lies far from zero beside its spread: "
        "large numbers are subtracted from one another there. Take differences first, then square or multiply them."
    )


def _lies_far(value: object) -> bool:
    """Whether a column lies far from zero beside its spread."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or not value.ndim:
        return False
    nearest = value.detach().abs().amin(0)
    return bool((nearest > FAR * (value.detach().amax(0) - value.detach().amin(0)).clamp(min=1)).any())


def small_error(seen: Evidence) -> Diagnosis | None:
    """Nearly right on most inputs: something was added for safety, cut short, or kept in single precision."""
    errors = []
    for pairs in seen.wrong_parts.values():
        for a, b in pairs.values():
            if (a.isfinite() != b.isfinite()).any():
                errors.append((math.inf, True))
                continue
            a, b = a[a.isfinite()], b[a.isfinite()]
            if a.numel() and not near(a, b):
                largest = a.abs().max()
                error = (b - a).abs()
                relative = torch.where(error < 1e-4 * largest, error / largest, error / a.abs().clamp_min(1e-300))
                errors.append((relative.max().item(), largest.item() <= ORDINARY))
    where = "everywhere"
    if {ordinary for _, ordinary in errors} == {True, False}:  # beside large numbers many an error is small
        errors = [(error, ordinary) for error, ordinary in errors if ordinary]
        where = f"where right results are no larger than {ORDINARY:g}"
    errors = [error for error, _ in errors]
    small = [error for error in errors if 1e-9 < error < 3e-4]
    if len(errors) > 2 and all(1e-9 < error < 2e-3 for error in errors):
        small = errors
    if not small or len(small) < 0.6 * len(errors):
        return None
    single = "numbers in single precision, or " if max(small) < 3e-6 else ""
    if len(small) < len(errors):
        return Diagnosis(
            f"Nearly right on most wrong inputs, to about {max(small):.0e} of the value: "
            f"{single}a small number added or cut off for safety, too few steps, or a term that is next to nothing on "
            "most inputs?"
        )
    return Diagnosis(
        f"Nearly right {where}, to about {max(small):.0e} of the value: {single}a small number added or cut off for "
        "safety, rounding on the way, or too few steps?"
    )
