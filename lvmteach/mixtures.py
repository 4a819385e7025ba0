"""Mixtures of Gaussians: a component z is drawn from the weights, then x from that component.

    p(x) = sum_c weights_c N(x | means_c, covariances_c)

The posterior of z is exact, so EM climbs log p(x) itself. Log densities are in nats, summed over the D columns.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Integer, Real
from torch import Tensor

from lvmteach import covariance as structures
from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least, few, warn
from lvmteach.covariance import Prior
from lvmteach.em import GRAINS, EMFit, columns_in, data_matrix, em, grain


class Mixture(NamedTuple):
    """Parameters of C components. The covariances' shape says their structure."""

    weights: Float[Tensor, " C"]  # p(z = c), summing to one
    means: Float[Tensor, "C D"]
    covariances: Tensor  # (C, D, D) full; (C, D), variances, diagonal; (C,), one variance, spherical


class Sample(NamedTuple):
    """Draws, and the component that each came from."""

    x: Float[Tensor, "N D"]
    z: Int[Tensor, " N"]


@as_annotated
def log_joint(x: Float[Tensor, "N D"], params: Mixture) -> Float[Tensor, "N C"]:
    """log p(x, z = c) = log weights_c + log N(x | means_c, covariances_c), in nats."""
    squared, log_det = structures.of(params.covariances).distances(params.means, params.covariances)
    constant = params.means.shape[1] * math.log(2 * math.pi)
    return params.weights.log() - (constant + log_det + squared(x)) / 2


@as_annotated
def responsibilities(x: Real[Tensor, "N D"], params: Mixture) -> Float[Tensor, "N C"]:
    """The posterior p(z = c | x), each row summing to one; in log space, so far points have one too.

    Raises:
        ValueError: x and the means differ in columns, or x holds NaN or infinity.
    """
    return torch.softmax(log_joint(*_fitting(x, params)), -1)


@as_annotated
def log_likelihood(x: Real[Tensor, "N D"], params: Mixture) -> Float[Tensor, " N"]:
    """log p(x), a datum, in nats.

    Raises:
        ValueError: x and the means differ in columns, or x holds NaN or infinity.
    """
    return torch.logsumexp(log_joint(*_fitting(x, params)), -1)


@as_annotated
def log_prior(params: Mixture, prior: Prior) -> Float[Tensor, ""]:
    """log p(covariances), in nats, summed over components, without its constant. The equation is in `Prior`."""
    return structures.log_prior(params.covariances, prior, params.means.shape[1])


@as_annotated
def sample(params: Mixture, N: int) -> Sample:
    """N independent draws of x with their components z.

    Raises:
        ValueError: N is below 1, or params are none of a mixture.
    """
    at_least(1, N=N)
    _mixture(params)
    z = torch.multinomial(params.weights, N, replacement=True)
    noise = torch.randn(N, params.means.shape[1], dtype=params.means.dtype, device=params.means.device)
    return Sample(params.means[z] + structures.of(params.covariances).coloured(noise, z, params.covariances), z)


@as_annotated
def bic(x: Real[Tensor, "N D"], params: Mixture) -> Float[Tensor, ""]:
    """Bayesian information criterion, -2 log p(all x) + (free parameters) log N, in nats: lower is better.

    Source: Schwarz 1978; for mixtures, Fraley and Raftery 2002.
    """
    return -2 * log_likelihood(x, params).sum() + free_parameters(params) * math.log(len(x))


@as_annotated
def free_parameters(params: Mixture) -> int:
    """How many numbers the mixture has to choose: C - 1 weights, C D means, and the covariances'."""
    C, D = params.means.shape
    return C - 1 + C * D + structures.of(params.covariances).size(C, D)


@as_annotated
def covariance_matrices(params: Mixture) -> Float[Tensor, "C D D"]:
    """The covariances as matrices, whatever their structure."""
    return structures.of(params.covariances).matrices(params.covariances, params.means.shape[1])


@as_annotated
def e_step(x: Float[Tensor, "N D"], params: Mixture, prior: Prior | None = None) -> tuple[Tensor, Tensor]:
    """Responsibilities (N, C), and what EM climbs: log p(x), plus log p(covariances) if there is a prior.

    The second is in nats per datum, the mean over N (the prior's term is divided by N too).
    """
    joint = log_joint(x, params)
    log_p = torch.logsumexp(joint, -1, keepdim=True)
    objective = log_p.mean() if prior is None else log_p.mean() + log_prior(params, prior) / len(x)
    return (joint - log_p).exp(), objective


@as_annotated
def m_step(
    x: Float[Tensor, "N D"],
    r: Float[Tensor, "N C"],
    *,
    covariance: str = "full",
    prior: Prior | None = None,
    grain: Float[Tensor, " D"] | None = None,
) -> Mixture:
    """The best parameters for given responsibilities: shares, weighted means and weighted covariances.

        N_c = sum_n r_nc,   weights_c = N_c / N,   means_c = sum_n r_nc x_n / N_c,
        covariances_c = (sum_n r_nc (x_n - means_c)(x_n - means_c)' + points V) / (N_c + points)

    with the prior's points and V = diag(variance), both zero without one.

    Args:
        grain: the least difference that the data's numbers can tell, a column, (D,): `em.grain(x)` of x as it
            came, before a cast. A width of a few of them is none.

    Raises:
        FloatingPointError: a component has no point left, or has collapsed: it has no width in some direction.

    Source: Bishop 2006, section 9.2.2; the prior's part, Fraley and Raftery 2007.
    """
    n, means, scatter = _moments(x, r, covariance)
    covariances = structures.best(scatter, n, prior, x.shape[1])
    return _refuse_collapsed(Mixture(n / len(x), means, covariances), x, prior, grain)


@as_annotated
def fit_labelled(
    x: Real[Tensor, "N D"], z: Integer[Tensor, " N"], *, covariance: str = "full", prior: Prior | None = None
) -> Mixture:
    """The maximum when the components are known: the M step with responsibilities of zero and one.

    Args:
        z: the label of each row, any whole numbers: component c has the c-th of them in order, `z.unique()[c]`.

    Raises:
        ValueError: z is not (N,) whole numbers, or x does not pass the border.
        FloatingPointError: a component has collapsed.
    """
    y = _data(x, prior)
    labels, number = z.unique(return_inverse=True)
    r = torch.nn.functional.one_hot(number, len(labels)).to(y)
    return m_step(y, r, covariance=covariance, prior=prior, grain=grain(x))


@as_annotated
def fit_from(
    x: Real[Tensor, "N D"],
    start: Mixture,
    *,
    prior: Prior | None = None,
    max_steps: int = 1000,
    tol: float = 1e-8,
) -> EMFit:
    """EM from these parameters, of whose structure the result is.

    Args:
        prior: without one the likelihood is climbed, which is unbounded: a component may collapse.
        max_steps, tol: as in `em`; tol is in nats per datum.

    Returns:
        EMFit whose log_lik is the mean log p(x) in nats per datum, plus log p(covariances) / N given a prior.

    Raises:
        ValueError: x does not pass the border (`data_matrix`), N < C, or start does not fit it.
        FloatingPointError: a component has collapsed or has no point left.

    Warns:
        ConvergenceWarning: as in `em`.
        UserWarning: a component of the result holds less than half a point.
    """
    y, start = _fitting(_data(x, prior, rows=len(start.weights)), start)
    name = structures.of(start.covariances).name
    steps = partial(e_step, prior=prior), partial(m_step, covariance=name, prior=prior, grain=grain(x))
    fit = em(y, start, *steps, max_steps=max_steps, tol=tol)
    _warn_of_empty(fit.params.weights * len(y))
    return fit


@as_annotated
def fit_mixture(
    x: Real[Tensor, "N D"],
    C: int,
    *,
    covariance: str = "full",
    prior: Prior | None = None,
    restarts: int = 5,
    max_steps: int = 1000,
    tol: float = 1e-8,
) -> EMFit:
    """The best of several runs of EM, each from its own k-means++ start (`random_start`).

    Args:
        C: number of components.
        covariance: full, diagonal or spherical.
        restarts: number of runs; the one with the highest last entry of log_lik is returned.
        prior, max_steps, tol: as in `fit_from`, whose result, errors and warnings these are.
    """
    at_least(1, C=C, restarts=restarts)
    best = None
    for _ in range(restarts):
        start = random_start(x, C, covariance=covariance, prior=prior)
        fit = fit_from(x, start, prior=prior, max_steps=max_steps, tol=tol)
        best = fit if best is None else max(best, fit, key=lambda run: float(run.log_lik[-1]))
        if not fit.converged and len(fit.log_lik) <= max_steps:  # interrupted: do not go on to the next
            break
    return best


@as_annotated
def random_start(x: Real[Tensor, "N D"], C: int, *, covariance: str = "full", prior: Prior | None = None) -> Mixture:
    """A place to start EM: k-means++ seeds, and the shares, means and pooled covariance of their cells.

    One covariance for all, because a cell may hold a single point.

    Raises:
        ValueError: x has fewer than C rows, or fewer than C distinct ones.
        FloatingPointError: the pooled covariance is singular.
    """
    at_least(1, C=C)
    fine, x = grain(x), _data(x, prior, rows=C)
    nearest = _distances(x, seeds(x, C)).argmin(0)
    n, means, scatter = _moments(x, torch.nn.functional.one_hot(nearest, C).to(x), covariance)
    pooled = structures.best(scatter.sum(0, keepdim=True), n.sum(0, keepdim=True), prior, x.shape[1])
    start = Mixture(n / len(x), means, pooled.expand_as(scatter).clone())
    return _refuse_collapsed(start, x, prior, fine)


@as_annotated
def seeds(x: Float[Tensor, "N D"], C: int, candidates: int | None = None) -> Float[Tensor, "C D"]:
    """k-means++: C rows of x, each drawn with probability proportional to its squared distance from the nearest before.

    The greedy form: of several such draws, the one that leaves the smallest sum of squared distances. The draws
    depend on those before, so this loop over components cannot be vectorised.

    Args:
        candidates: draws to choose from; 2 + log C if not given. 1 is the plain form.

    Raises:
        ValueError: x has fewer than C distinct rows.

    Source: Arthur and Vassilvitskii 2007, the greedy form in their section 7.
    """
    draws = candidates or 2 + int(math.log(C))
    chosen = [x[torch.randint(len(x), (), device=x.device)]]
    squared = _distances(x, chosen[0][None])[0].square()
    while len(chosen) < C:
        up_to = squared.cumsum(0)
        if not up_to[-1] > 0:
            raise ValueError(
                f"x must have at least C = {C} distinct rows, got {len(chosen)} among {len(x)}: fit C = {len(chosen)} "
                "or fewer, or take the duplicates as what they are: x.unique(dim=0)"
            )
        here = up_to[-1] * torch.rand(draws, dtype=x.dtype, device=x.device)
        rows = x[torch.searchsorted(up_to, here, right=True).clamp(max=len(x) - 1)]
        left = torch.minimum(squared, _distances(x, rows).square())
        best = left.sum(1).argmin()
        chosen.append(rows[best])
        squared = left[best]
    return torch.stack(chosen)


def _distances(x: Tensor, rows: Tensor) -> Tensor:
    """Euclidean distances (rows, N), from differences: a matrix product would not give duplicates zero."""
    return torch.cdist(rows, x, compute_mode="donot_use_mm_for_euclid_dist")


def _moments(x: Tensor, r: Tensor, covariance: str) -> tuple[Tensor, Tensor, Tensor]:
    structure = structures.named(covariance)
    n = r.sum(0)
    gone = n < torch.finfo(n.dtype).eps
    if gone.any():
        raise FloatingPointError(
            f"{_which(gone)} lost every point: each is far better explained by another. The start lies too far from "
            "the data, or C is too large: start nearer (`random_start`), or with fewer components"
        )
    means = r.T @ x / n[:, None]
    return n, means, structure.scatter(x, r, means)


def _refuse_collapsed(params: Mixture, x: Tensor, prior: Prior | None, fine: Tensor | None) -> Mixture:
    structure, D = structures.of(params.covariances), x.shape[1]
    fine = GRAINS * (grain(x) if fine is None else fine)
    own = covariance_matrices(params).diagonal(dim1=-2, dim2=-1)
    # What is left of a variance once the columns before are known carries their rounding, about D eps of its size; and
    # widths of a few grains of the data are none.
    lost, coarse = 10 * D * torch.finfo(own.dtype).eps * own, fine.square() * (prior is None)
    collapsed = ~(structure.variances(params.covariances, D) > lost + coarse).all(-1)
    if collapsed.any():
        held = few(float(points) for points in len(x) * params.weights[collapsed])
        raise FloatingPointError(
            f"{_which(collapsed)} collapsed: no width is left in some direction of the {structure.name} covariance "
            f"(points held: {held} of {len(x)}). {_why_collapsed(x, prior, fine)}"
        )
    return params


def _why_collapsed(x: Tensor, prior: Prior | None, fine: Tensor) -> str:
    if prior is not None:
        return (
            f"The prior's variance is too small beside the spread for float64 (got {prior.points:g} points): "
            "make it larger, or standardise the columns"
        )
    coarse = fine.square() > 1e-12 * (x - x.mean(0)).square().mean(0)
    if coarse.any():
        return (
            f"The numbers of {columns_in(coarse)} have too few digits: they tell steps of "
            f"{float(fine[coarse].max()) / GRAINS:.2g} and no finer. Remedies: take away what the values share before "
            "they are rounded (in float64, x - x.mean(0)), keep float64, look for one far outlier, or give a prior "
            "(prior=Prior(points=..., variance=...))"
        )
    return (
        "The likelihood has no maximum there, it goes to infinity. Causes: too few points, duplicates, columns that "
        "depend on each other. Remedies: a prior (prior=Prior(points=..., variance=...)), fewer components, "
        "covariance='diagonal' or 'spherical'"
    )


def _warn_of_empty(n: Tensor) -> None:
    empty = n < 0.5  # a component that holds one point, and shares it, has a little less than 1
    if empty.any():
        warn(
            f"{_which(empty)} of {len(n)} ended with less than half a point: the data do not need so many; lower C",
            UserWarning,
        )


def _which(components: Tensor) -> str:
    which = components.nonzero().flatten().tolist()
    return f"component{'s' if len(which) > 1 else ''} {few(which)}"


def _data(x: Tensor, prior: Prior | None, rows: int = 2) -> Tensor:
    """x past the border; a prior lets constant columns through, as it gives them a width."""
    if prior is not None and not (prior.points > 0 and torch.as_tensor(prior.variance, device=x.device).min() > 0):
        raise ValueError(f"a prior needs points > 0 and variance > 0, got {prior}; for none say prior=None")
    return data_matrix(x, rows=rows, constant=prior is not None)


def _fitting(x: Tensor, params: Mixture) -> tuple[Tensor, Mixture]:
    """Data and parameters in float64, if they belong together."""
    params = _mixture(params)
    x = data_matrix(x, rows=1, constant=True)
    return x, Mixture(*(part.double() for part in params))


def _mixture(params: Mixture) -> Mixture:
    """The parameters, if they are those of one mixture."""
    weights, means, covariances = params
    C, D = means.shape
    shapes = {3: (C, D, D), 2: (C, D), 1: (C,)}
    if weights.shape != (C,) or covariances.shape != shapes.get(covariances.ndim):
        raise ValueError(
            f"weights must be (C,) and covariances (C, D, D), (C, D) or (C,) for means (C, D) = ({C}, {D}), got "
            f"{tuple(weights.shape)} and {tuple(covariances.shape)}"
        )
    for name, part in zip(params._fields, params, strict=True):
        if not part.double().square().sum().isfinite():
            raise ValueError(
                f"{name} must be finite, and their squares too, got {_odd(part)}; look where the fit failed"
            )
    if (weights < 0).any() or abs(float(weights.double().sum()) - 1) > 1e-5:
        raise ValueError(
            f"weights must be positive and sum to one, got {few(weights.tolist())}, sum {float(weights.sum()):.6g}; "
            "try weights / weights.sum()"
        )
    variances = covariance_matrices(params).diagonal(dim1=-2, dim2=-1)
    if not (variances > 0).all():
        raise ValueError(
            f"covariances must have positive variances, got {float(variances.min()):.4g} in "
            f"{_which((variances <= 0).any(1))}; did you pass logarithms, or precisions with a sign?"
        )
    return params


def _odd(part: Tensor) -> str:
    rows = ~part.double().square().flatten(1).sum(1).isfinite() if part.ndim > 1 else ~part.double().square().isfinite()
    return f"{'NaN' if part.isnan().any() else 'infinite or nearly infinite'} entries in {_which(rows)}"
