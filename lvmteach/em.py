"""The one EM loop, and the border that data cross before any model is fitted to them.

A model supplies two functions. The E step turns parameters into expectations under the posterior p(z|x), and
into the log-likelihood of those parameters; the M step turns expectations into better parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Real
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import few, warn

# A column whose values differ by no more than this many of the least differences its numbers can tell is constant.
GRAINS = 16
# Below it a width has a square that vanishes.
VANISHING = 1e-150
# A fall of the log-likelihood below this share of its size is rounding in float64, not a mistake in a step.
ROUNDING = 1e-9

EStep = Callable[[Any, Any], tuple[Any, Tensor]]  # (x, params) -> (expected, log_lik)
MStep = Callable[[Any, Any], Any]  # (x, expected) -> params


class EMFit(NamedTuple):
    """What EM returns: a value with its trace inside."""

    params: Any  # the model's NamedTuple
    log_lik: Float[Tensor, " T"]  # before the first step and after each; the last entry is that of `params`
    converged: bool  # the last step changed log_lik by less than the tolerance


class EMState(NamedTuple):
    """EM after `step` M steps: parameters, and what the E step finds under them."""

    step: int
    params: Any
    expected: Any
    log_lik: Tensor  # scalar, of `params`


class ConvergenceWarning(UserWarning):
    """EM stopped for another reason than having arrived; the message says which, and the remedy."""


@as_annotated
def em(x: Any, params: Any, e_step: EStep, m_step: MStep, *, max_steps: int = 1000, tol: float = 1e-8) -> EMFit:
    """Alternate E and M steps until the log-likelihood changes by less than `tol`.

    Interrupting (the stop button, Ctrl-C) returns the fit so far.

    Args:
        x: the data, or any summary of them that both steps take.
        params: where to start.
        e_step: (x, params) -> (expected, log_lik): what the M step needs, and the log-likelihood of `params`
            as a scalar, by convention in nats per datum (the mean over the N rows).
        m_step: (x, expected) -> params.
        max_steps: at most so many M steps.
        tol: in the units of log_lik. 0 asks for exactly `max_steps` steps, and for no warning.

    Returns:
        The parameters, the log-likelihood of the start and after every M step, (T,) with T <= max_steps + 1,
        and whether the last change was below `tol`.

    Raises:
        FloatingPointError: the log-likelihood is NaN or infinite.

    Warns:
        ConvergenceWarning: not converged, interrupted, or the log-likelihood fell, which no EM step can do.

    Source: Dempster, Laird and Rubin 1977.
    """
    if max_steps < 0 or not tol >= 0:
        raise ValueError(f"max_steps and tol must not be negative, got {max_steps} and {tol}")
    trace: list[Tensor] = []
    converged = interrupted = False
    state = None
    try:
        for state in em_steps(x, params, e_step, m_step):
            trace.append(state.log_lik)
            converged = len(trace) > 1 and abs(float(trace[-1] - trace[-2])) < tol
            if converged or state.step >= max_steps:
                break
    except KeyboardInterrupt:
        if state is None:
            raise
        interrupted = True
    # An interrupt may fall between a state and its entry in the trace: the state decides.
    log_lik = torch.stack([*trace[: state.step], state.log_lik])
    _warn(log_lik, converged or tol == 0, interrupted, tol)
    return EMFit(state.params, log_lik, converged)


@as_annotated
def em_steps(x: Any, params: Any, e_step: EStep, m_step: MStep) -> Iterator[EMState]:
    """EM one step at a time, for ever: the start with its E step, then each M step with the E step after it.

    `state.expected` belongs to `state.params`; the next state's parameters are what the M step makes of it.

    Raises:
        ValueError: the E step's log-likelihood is not one number.
        FloatingPointError: it is NaN or infinite.
    """
    step = 0
    while True:
        expected, log_lik = e_step(x, params)
        log_lik = torch.as_tensor(log_lik).detach()
        if log_lik.ndim:
            raise ValueError(f"e_step must return one log-likelihood, got shape {tuple(log_lik.shape)}; take its mean")
        if not math.isfinite(log_lik):
            raise FloatingPointError(
                f"the log-likelihood is {float(log_lik)} after {step} EM steps; a variance has gone to "
                "zero or the numbers overflow: look for duplicate rows or constant columns, and standardise"
            )
        yield EMState(step, params, expected, log_lik)
        params = m_step(x, expected)
        step += 1


@as_annotated
def fishers_identity(log_joint: Float[Tensor, "N C"], params: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradient of log p(x), summed over the data: the posterior's mean of the gradient of log p(x, z).

        grad log p(x) = sum_c p(z = c | x) grad log p(x, z = c)

    The posterior is a weight here, and not differentiated. So where EM has just done its E step, the M step climbs in
    the direction of log p(x) itself.

    Args:
        log_joint: log p(x_n, z_n = c), nats, computed from `params`.
        params: the tensors to differentiate for, each with requires_grad.

    Raises:
        ValueError: log_joint does not depend on params by a graph.

    Source: Fisher 1925; for latent variables, Louis 1982.
    """
    if not log_joint.requires_grad:
        raise ValueError("log_joint must depend on params; compute it from tensors with requires_grad")
    posterior = log_joint.detach().softmax(1)
    return torch.autograd.grad((posterior * log_joint.masked_fill(posterior == 0, 0.0)).sum(), list(params))


@as_annotated
def data_matrix(
    x: Real[Tensor, "N D"], *, rows: int = 2, missing: bool = False, constant: bool = False
) -> Float[Tensor, "N D"]:
    """The data as float64, on their own device, if a model can be fitted to them; an error that helps if not.

    Float32 is converted: EM's gains fall below float32's resolution long before it has arrived.

    Args:
        x: one datum a row.
        rows: the fewest rows the model can be fitted to.
        missing: NaN marks a missing entry. Otherwise NaN is refused.
        constant: let columns with a single value pass. Most models have no finite maximum on them: their
            variance goes to zero and the likelihood to infinity. A column counts as constant if its values differ by
            less than its numbers can tell: rounding is no variance.

    Raises:
        TypeError: x is not a tensor of real numbers.
        ValueError: wrong shape, too few rows, NaN, infinity, squares beyond the largest float, a constant column.
    """
    if x.shape[1] == 0:
        raise ValueError(f"x must be (N, D) with D >= 1, got {tuple(x.shape)}; a column is what is modelled")
    if len(x) < max(rows, 1):
        raise ValueError(f"x must have at least {max(rows, 1)} rows, got {len(x)}; add data or fit a smaller model")
    alike = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
    if not constant and len(x) > 1:
        alike = _constant(x, missing)  # before the cast, as it depends on how fine the numbers are
    kind, x = x.dtype, x.double()
    # One pass: the squares add up to a finite number only if all are finite.
    seen = (x.nan_to_num(0.0, math.inf, -math.inf) if missing else x).reshape(-1)
    if not (seen @ seen).isfinite():
        _refuse(x, missing)
    if alike.any():
        raise ValueError(
            f"x must vary in every column, but {columns_in(alike)} hold one value each, to the precision of {kind}: "
            f"the likelihood is unbounded; drop them, x[:, x.std(0) > {GRAINS * _eps(kind):.0e} * x.abs().amax(0)]"
            ", or take away what the values share before they are rounded"
        )
    return x


@as_annotated
def grain(x: Tensor) -> Float[Tensor, " D"]:
    """The least difference that the numbers of a column can tell, (D,): eps of their type, times the largest."""
    return x.detach().double().abs().nan_to_num(0.0).amax(0) * _eps(x.dtype)


def _eps(kind: torch.dtype) -> float:
    return torch.finfo(kind if kind.is_floating_point else torch.float64).eps


def _constant(x: Tensor, missing: bool) -> Tensor:
    """Which columns hold a single value, to the precision of their numbers and missing entries apart, (D,)."""
    if missing:
        return _alike(x)
    # Most columns are cleared by a few rows; only the others are read in full.
    alike = _alike(x[:: max(len(x) // 16, 1)])
    if alike.any():
        alike[alike.clone()] = _alike(x[:, alike])
    return alike


def _alike(x: Tensor) -> Tensor:
    gone, y = x.isnan(), x.double()
    width = y.masked_fill(gone, -math.inf).amax(0) - y.masked_fill(gone, math.inf).amin(0)
    return (width <= (GRAINS * grain(x)).clamp(min=VANISHING)) & ~gone.all(0)


def _refuse(x: Tensor, missing: bool) -> None:
    nan, infinite = int(x.isnan().sum()), int(x.isinf().sum())
    if not infinite and (missing or not nan):
        most = float(x.abs().nan_to_num().max())
        raise ValueError(f"x must have finite squares, but reaches {most:.3g}; rescale it: x / x.abs().max()")
    remedy = "; if NaN marks missing entries, and the model takes them, say missing=True"
    remedy = remedy if nan and not missing else ""
    raise ValueError(f"x must be finite, got {nan} NaN and {infinite} infinite of {x.numel()} entries{remedy}")


@as_annotated
def columns_in(columns: Tensor, most: int = 8) -> str:
    """Names the columns marked in a boolean tensor, for a message."""
    return "columns " + few(columns.nonzero().flatten().tolist(), most)


def _warn(log_lik: Tensor, converged: bool, interrupted: bool, tol: float) -> None:
    steps = len(log_lik) - 1
    change = log_lik.diff()
    fallen = (change < -ROUNDING * log_lik[:-1].abs()).nonzero().flatten().tolist()
    if fallen:
        problem = (
            f"the log-likelihood fell by {-float(change[fallen[0]]):.3g} at step {fallen[0] + 1}, "
            "which no EM step can do; check e_step and m_step (steps that draw samples: drive em_steps yourself)"
        )
    elif interrupted:
        problem = f"EM was interrupted after {steps} steps; to go on, start again from this fit's params"
    elif not converged:
        last = f"{float(change[-1]):.3g}" if steps else "unknown"
        problem = (
            f"EM has not converged in {steps} steps: the last changed the log-likelihood by {last}, "
            f"tol = {tol:g}; raise max_steps, start again from this fit's params, or accept it with a larger tol"
        )
    else:
        return
    warn(problem, ConvergenceWarning)
