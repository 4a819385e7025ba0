"""The gradient of an expectation, d/dgamma E_q[f(z)], when gamma sits inside q: score function or reparameterisation.

`reparameterised` and `score_function` return a *surrogate*: a Monte Carlo value of E_q[f(z)] whose autograd gradient
is an unbiased estimate of the gradient. Minimise it as any loss. The K samples are the first axis; f takes z,
(K, *batch, *event), and returns one value a draw, (K, *batch). It may depend on q's parameters itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least

Function = Callable[[Tensor], Tensor]


class PerParameter(NamedTuple):
    """A baseline that differs from parameter to parameter, such as `optimal_baseline` gives.

    params: the tensors that q was built from; their leading axes are q's batch axes.
    values: for each of them a number, or a tensor that broadcasts to it: the units of f.
    """

    params: tuple[Tensor, ...]
    values: tuple[Tensor | float, ...]


class RunningMean:
    """A baseline that remembers: the mean of f over all earlier calls, fading by `decay` a call, 0 before the first.

    It is read before this call's draws enter, so that no draw meets a baseline that knows it.

    Raises:
        ValueError: decay is outside [0, 1).
    """

    def __init__(self, decay: float = 0.9):
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}; 0.9 remembers about ten calls")
        self.decay, self.total, self.weight = decay, 0.0, 0.0

    def __call__(self, f_z: Float[Tensor, "K *B"]) -> Float[Tensor, ""]:
        before = torch.as_tensor(self.total / self.weight if self.weight else 0.0).to(f_z)
        self.total = self.decay * self.total + (1 - self.decay) * f_z.detach().mean()
        self.weight = self.decay * self.weight + (1 - self.decay)
        return before


@as_annotated
def leave_one_out(f_z: Float[Tensor, "K *B"]) -> Float[Tensor, "K *B"]:
    """A baseline for each draw: the mean of f over the other K - 1. It needs no tuning and keeps the mean exact.

    With it the score-function estimate is the sample covariance of f and the score (divided by K - 1).

    Raises:
        ValueError: K = 1 leaves nobody.

    Source: Mnih and Rezende 2016; Kool, van Hoof and Welling 2019.
    """
    if len(f_z) < 2:
        raise ValueError(f"leave_one_out needs K >= 2 draws, got {len(f_z)}; with one draw use RunningMean()")
    return (f_z.sum(0) - f_z) / (len(f_z) - 1)


Baseline = float | Tensor | Callable[[Tensor], Tensor] | PerParameter


@as_annotated
def reparameterised(f: Function, q: Distribution, K: int) -> Tensor:
    """Mean of f(z_k), z_k = h(eps_k; gamma): the gradient passes through the draws and through f's own parameters.

    d/dgamma E_q[f] = E_eps[ grad_z f . dh/dgamma + df/dgamma ]. Wrong, and silently so, where f jumps: there its slope
    does not tell its change. Only an f that is flat between its jumps is noticed, since its value carries no gradient.

    Args:
        f: differentiable; takes z, (K, *batch, *event), and returns (K, *batch).
        q: any distribution with `rsample`.
        K: number of draws, at least 1.

    Returns:
        The surrogate, (*batch).

    Raises:
        ValueError: K < 1, q has no rsample, f does not return one value a draw, or f's value carries no gradient.

    Source: Kingma and Welling 2014, section 2.4; Rezende, Mohamed and Wierstra 2014.
    """
    if not q.has_rsample:
        raise ValueError(
            f"reparameterised needs a q with rsample, got {_name(q)}; use score_function, "
            "or relax a discrete z with gumbel_softmax"
        )
    at_least(1, K=K)
    z = q.rsample((K,))
    f_z = _one_value_a_draw(f(z), (K, *q.batch_shape), q)
    if z.requires_grad and not f_z.requires_grad:
        raise ValueError("f's value carries no gradient: f counts, compares or detaches z; use score_function")
    return f_z.mean(0)


@as_annotated
def implicit(q: Distribution, K: int) -> Float[Tensor, "K *B"]:
    """K draws of a scalar q whose distribution function F is known, with the path that keeps F(z; gamma) in place.

    F(z; gamma) = u with u held gives dz/dgamma = -(dF/dgamma) / q(z), without F's inverse: so a mixture can be
    reparameterised, and a Gamma (torch's own `rsample` does it). f of these draws has the gradient of
    `reparameterised`, and its conditions: a continuous q, and an f without jumps.

    Raises:
        ValueError: K < 1, q is discrete or of vectors, or has no `cdf`.

    Source: Figurnov, Mohamed and Mnih 2018, section 3.
    """
    at_least(1, K=K)
    if q.event_shape or q.support.is_discrete:
        raise ValueError(
            f"implicit needs a continuous scalar q, got {_name(q)} with event shape {tuple(q.event_shape)}; use "
            "score_function, or draw one coordinate given the others"
        )
    z = q.sample((K,)).detach()
    try:
        F = q.cdf(z)
    except NotImplementedError:
        raise ValueError(f"implicit needs q.cdf, which {_name(q)} does not have; use score_function") from None
    return z - (F - F.detach()) / q.log_prob(z).detach().exp()


@as_annotated
def score_function(f: Function, q: Distribution, K: int, baseline: Baseline | None = None) -> Tensor:
    """Mean of f(z_k), with gradient mean of (f(z_k) - b) grad log q(z_k) + grad f(z_k), z held where it fell.

    The log-derivative identity, grad q = q grad log q, so f need not be differentiable in z, nor z continuous. The
    last term is f's own dependence on gamma. The support must not move with gamma, as that of Uniform(0, gamma) does.

    Args:
        f: takes z, (K, *batch, *event), and returns (K, *batch).
        q: any distribution with `log_prob`.
        K: number of draws, at least 1.
        baseline: b, which must not depend on z_k; the mean is the same for any. A number or a tensor that broadcasts
            to (K, *batch); a function of f's values, such as `leave_one_out` or a `RunningMean()`; a `PerParameter`.

    Returns:
        The surrogate, (*batch).

    Raises:
        ValueError: K < 1, q's support moves with its parameters, f does not return one value a draw, or the baseline
            does not fit its shape.

    Source: Williams 1992; for the last term Schulman, Heess, Weber and Abbeel 2015.
    """
    _refuse_moving_support(q)
    at_least(1, K=K)
    z = q.sample((K,)).detach()
    f_z = _one_value_a_draw(f(z), (K, *q.batch_shape), q)
    log_q = q.log_prob(z)
    if isinstance(baseline, PerParameter):
        weight, correction = f_z.detach(), _per_parameter(baseline, log_q)
    else:
        weight, correction = f_z.detach() - _for_each_draw(baseline, f_z.detach()), 0.0
    # log q - log q.detach() is zero, and its gradient the score: the value stays the mean of f.
    return (f_z + weight * (log_q - log_q.detach())).mean(0) - correction


@as_annotated
def optimal_baseline(
    problem: Callable[..., tuple[Function, Distribution]], params: Sequence[Tensor], draws: int
) -> tuple[Tensor, ...]:
    """The baseline of least variance for each parameter, estimated from draws of their own.

    b*_j = E[g_j s_j] / E[s_j^2], with s = grad log q and g = f s + grad f, the estimate without a baseline from one
    draw; 0 where s_j is always 0.

    Args:
        problem: takes the parameters, here (draws, *shape) each, and returns f and q with batch shape (draws,).
        params: where to compute it.
        draws: how many draws the estimate takes. Never use the draws of the gradient itself: that biases it.

    Returns:
        For each parameter a tensor of its shape, in the units of f; wrap it in `PerParameter`.

    Source: Weaver and Tao 2001; Greensmith, Bartlett and Baxter 2004.
    """
    with torch.enable_grad():
        copies = _copies(params, draws)
        f, q = problem(*copies)
        z = q.sample((1,)).detach()
        f_z = _one_value_a_draw(f(z), (1, draws), q)
        log_q = q.log_prob(z)
        score = torch.autograd.grad(log_q.sum(), copies, retain_graph=True, materialize_grads=True)
        plain = torch.autograd.grad((f_z + f_z.detach() * log_q).sum(), copies, materialize_grads=True)
    return tuple(_slope(g, s) for g, s in zip(plain, score, strict=True))


@as_annotated
def gumbel_softmax(
    logits: Float[Tensor, "*B C"], K: int, temperature: float, straight_through: bool = False
) -> Float[Tensor, "K *B C"]:
    """K relaxed one-hot draws from a categorical: softmax((logits + Gumbel noise) / temperature), differentiable.

    As the temperature falls to 0 the draws become one-hot and exactly categorical (the Gumbel-max trick), and the
    gradient's variance grows without bound. Above 0, the gradient of the mean of f is biased for that of E_q[f].

    Args:
        logits: log probabilities, up to a constant.
        K: number of draws, at least 1.
        temperature: above 0.
        straight_through: return the exact one-hot argmax, with the relaxed draw's gradient.

    Raises:
        ValueError: K < 1, or temperature <= 0.

    Source: Jang, Gu and Poole 2017; Maddison, Mnih and Teh 2017.
    """
    if not temperature > 0:
        raise ValueError(
            f"temperature must be above 0, got {temperature}; for exact one-hot draws say straight_through=True, "
            "for an unbiased gradient use score_function"
        )
    at_least(1, K=K)
    gumbel = -logits.new_empty((K, *logits.shape)).exponential_().log()
    relaxed = torch.softmax((logits + gumbel) / temperature, -1)
    if not straight_through:
        return relaxed
    one_hot = torch.zeros_like(relaxed).scatter(-1, relaxed.argmax(-1, keepdim=True), 1.0)
    return one_hot + (relaxed - relaxed.detach())


@as_annotated
def straight_through(q: Distribution, K: int) -> Tensor:
    """K draws of a discrete q, (K, *batch, *event), with the gradient of q's mean in place of their own.

    The value is exact, the gradient of the mean of f biased unless f is linear. For Bernoulli and OneHotCategorical.

    Raises:
        ValueError: K < 1, or q is not discrete or has no mean (Categorical).

    Source: Bengio, Leonard and Courville 2013.
    """
    at_least(1, K=K)
    if not q.support.is_discrete or q.mean.isnan().any():
        raise ValueError(
            f"straight_through needs a discrete q that has a mean, got {_name(q)}; take Bernoulli or OneHotCategorical"
        )
    return q.sample((K,)).detach() + (q.mean - q.mean.detach())


@as_annotated
def gradient_samples(
    estimator: Callable[..., Tensor], params: Sequence[Tensor], repeats: int
) -> tuple[Float[Tensor, "repeats ..."], ...]:
    """Independent draws of an estimator's gradient, to see its mean and its variance.

    Each parameter is copied `repeats` times along a new first axis, and one backward pass through all copies gives as
    many gradients: no loop. Memory grows with repeats * K * dimension.

    Args:
        estimator: takes the parameters, (repeats, *shape) each, and returns a surrogate a repeat, (repeats,), such as
            `lambda m: score_function(f, Independent(Normal(m, 1.0), 1), K)` for m of shape (L,).
        params: where the gradient is taken.
        repeats: how many gradients, at least 1.

    Returns:
        For each parameter its gradients, (repeats, *shape).

    Raises:
        ValueError: repeats < 1, the estimator does not return (repeats,), or what it returns carries no gradient.
    """
    with torch.enable_grad():
        copies = _copies(params, repeats)
        surrogate = estimator(*copies)
        if surrogate.shape != (repeats,):
            raise ValueError(
                f"the estimator must return one surrogate a repeat, ({repeats},), got {tuple(surrogate.shape)}; "
                "its parameters come with `repeats` as first axis: make the rest an event, q = Independent(q, 1)"
            )
        if not surrogate.requires_grad:
            raise ValueError(
                "the estimator's value carries no gradient; a draw by q.sample is cut off from q's parameters: "
                "use score_function, or reparameterised"
            )
        return torch.autograd.grad(surrogate.sum(), copies, materialize_grads=True)


def _copies(params: Sequence[Tensor], repeats: int) -> tuple[Tensor, ...]:
    if isinstance(params, Tensor):
        raise ValueError("params must be a tuple of tensors, got one tensor; write (params,)")
    if repeats < 1:
        raise ValueError(f"at least one repeat (or draw) is needed, got {repeats}")
    return tuple(p.detach().expand(repeats, *p.shape).clone().requires_grad_() for p in params)


def _for_each_draw(baseline: float | Tensor | Callable | None, f_z: Tensor) -> Tensor | float:
    if baseline is None:
        return 0.0
    b = torch.as_tensor(baseline(f_z) if callable(baseline) else baseline).to(f_z).detach()
    try:
        return b.expand_as(f_z)
    except RuntimeError:
        raise ValueError(
            f"the baseline must be a number or broadcast to f's values, {tuple(f_z.shape)}, got {tuple(b.shape)}; "
            "a baseline for each parameter is PerParameter(params, values)"
        ) from None


def _per_parameter(baseline: PerParameter, log_q: Tensor) -> Tensor:
    """Zero, with gradient b_j times the mean score of parameter j."""
    batch = log_q.shape[1:]
    if any(p.shape[: len(batch)] != batch for p in baseline.params):
        raise ValueError(
            f"PerParameter needs params that start with q's batch axes, {tuple(batch)}, got shapes "
            f"{[tuple(p.shape) for p in baseline.params]}; where a batch shares parameters make q = Independent(q, 1)"
        )
    mean_score = torch.autograd.grad(log_q.mean(0).sum(), baseline.params, retain_graph=True)
    terms = zip(baseline.params, baseline.values, mean_score, strict=True)
    return sum((b * s * (p - p.detach())).reshape(*batch, -1).sum(-1) for p, b, s in terms)


def _slope(gradient: Tensor, score: Tensor) -> Tensor:
    """Least-squares slope of the gradients on the scores, through the origin, over the first axis."""
    power = score.square().sum(0)
    return torch.where(power > 0, (gradient * score).sum(0) / power, 0.0)


def _one_value_a_draw(f_z: Tensor, shape: tuple[int, ...], q: Distribution) -> Tensor:
    if f_z.shape != shape:
        raise ValueError(
            f"f must return one value a draw, (K, *q.batch_shape) = {shape}, got {tuple(f_z.shape)}, q a {_name(q)}; "
            "do not average inside f, and if f scores z as a whole vector make q = Independent(q, 1)"
        )
    return f_z if f_z.is_floating_point() else f_z.to(torch.get_default_dtype())


def _refuse_moving_support(q: Distribution) -> None:
    try:
        support = q.support
    except NotImplementedError:  # a distribution of the user's own, which need not say
        return
    bounds = vars(getattr(support, "base_constraint", support)).values()
    if any(isinstance(bound, Tensor) and bound.requires_grad for bound in bounds):
        raise ValueError(
            f"score_function needs a support that stays where it is, got {_name(q)}, whose bounds move with its "
            "parameters; use reparameterised"
        )


def _name(q: Distribution) -> str:
    base = getattr(q, "base_dist", None)
    return type(q).__name__ if base is None else f"{type(q).__name__}({_name(base)})"
