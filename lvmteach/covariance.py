"""What shape the components of a mixture may take (full, diagonal, spherical), and what may be known of it beforehand.

Each structure answers the same questions, so that `mixtures` asks without knowing which it has. Covariances are
(C, D, D) for full; (C, D), the variances of the columns, for diagonal; (C,), one variance, for spherical.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import cholesky

# Centred on one place for all components, squares lose about eps times (distance / width)^2 of a component's: past this
# ratio they are worked out anew about each component's own mean.
FAR = 1e4

Distances = Callable[[Float[Tensor, "N D"]], Float[Tensor, "N C"]]

# Data are worked through in blocks of rows of so many entries: 1 MB stays in a core's cache, which halves the time
# of a step; on a GPU 1 GB bounds the memory that (N, C, D) takes.
BLOCK = {"cpu": 2**17, "cuda": 2**27}


class Prior(NamedTuple):
    """What is known of each covariance beforehand: a density told as a number of points.

    The fit is as though each component had `points` more points, scattered about its own mean with `variance`:

        log p(cov) = -points / 2 [log |cov| + tr(cov^-1 diag(variance))] + constant,

    which is largest at cov = diag(variance), for any points > 0. For full covariances it is inverse-Wishart with
    scale points * diag(variance) and points - D - 1 degrees of freedom, a proper density if points > 2 D; for
    diagonal ones a product of inverse gammas, proper if points > 2; for spherical ones an inverse gamma, proper if
    points > 2 / D. A component left with a single point keeps the
    share points / (points + 1) of that, and not zero: the likelihood's infinite maxima are gone.

    Source: Fraley and Raftery 2007, who advise priors of this family for mixtures.
    """

    points: float
    variance: float | Float[Tensor, " D"]  # one for all columns, or one a column, in squared units of x


class Diagonal:
    """Columns independent within a component: a variance for each, (C, D)."""

    name = "diagonal"

    def variances(self, cov: Tensor, D: int) -> Float[Tensor, "C D"]:
        """The variance of each column given those before it: what must stay above zero."""
        return cov

    def size(self, C: int, D: int) -> int:
        """How many free numbers there are."""
        return C * D

    def distances(self, means: Float[Tensor, "C D"], cov: Tensor) -> tuple[Distances, Float[Tensor, " C"]]:
        """The map from x to (x - mean_c)' cov_c^-1 (x - mean_c), (N, D) -> (N, C); and log |cov_c|."""
        variances = self.variances(cov, means.shape[1])
        centre = means.mean(0)
        away = means - centre
        if (away.square() > FAR * variances).any():
            own = list(zip(means, variances, strict=True))
            return lambda x: torch.stack([((x - m).square() / v).sum(1) for m, v in own], 1), variances.log().sum(1)
        offset, precision, pull = (away.square() / variances).sum(1), (1 / variances).T, (-2 * away / variances).T

        def squared(x):
            centred = (x[rows] - centre for rows in _blocks(x))
            return torch.cat([torch.addmm(offset, y.square(), precision) + y @ pull for y in centred])

        return squared, variances.log().sum(1)

    def coloured(self, noise: Float[Tensor, "N D"], z: Tensor, cov: Tensor) -> Float[Tensor, "N D"]:
        """Standard normal noise given the covariance of component z_n, row by row."""
        return noise * self.variances(cov, noise.shape[1])[z].sqrt()

    def scatter(self, x: Float[Tensor, "N D"], r: Float[Tensor, "N C"], means: Float[Tensor, "C D"]) -> Tensor:
        """sum_n r_nc (x_n - mean_c)(x_n - mean_c)', as far as the structure has it.

        The means must be the weighted means of x, or all zero.
        """
        centre = means.mean(0)
        away = means - centre
        total = sum(r[rows].T @ (x[rows] - centre).square() for rows in _blocks(x))
        offset = r.sum(0)[:, None] * away.square()
        if (offset > FAR * (total - offset)).any():
            return torch.stack([r_c @ (x - mean).square() for r_c, mean in zip(r.T, means, strict=True)])
        return total - offset

    def matrices(self, cov: Tensor, D: int) -> Float[Tensor, "C D D"]:
        """The covariances written out."""
        return torch.diag_embed(self.variances(cov, D))


class Spherical(Diagonal):
    """Every direction alike: one variance a component, (C,)."""

    name = "spherical"

    def variances(self, cov, D):
        return cov[:, None].expand(-1, D)

    def size(self, C, D):
        return C

    def scatter(self, x, r, means):
        return super().scatter(x, r, means).mean(1)


class Full:
    """Any ellipsoid: a covariance matrix a component, (C, D, D)."""

    name = "full"

    def variances(self, cov, D):
        factor, failed = torch.linalg.cholesky_ex(cov)
        return factor.diagonal(dim1=1, dim2=2).square() * (failed == 0)[:, None]

    def size(self, C, D):
        return C * D * (D + 1) // 2

    def distances(self, means, cov):
        factor = cholesky("covariances", cov)  # cov_c = L_c L_c'
        eye = torch.eye(means.shape[1], dtype=cov.dtype, device=cov.device)
        whiten = torch.linalg.solve_triangular(factor, eye, upper=False)
        # The length of L_c^-1 (x - mean_c), all c in one product. Centred first: far from zero no digits are lost.
        centre = means.mean(0)
        offset = (whiten @ (means - centre)[..., None]).flatten()
        whiten = whiten.flatten(0, 1).T

        def squared(x):
            white = (torch.addmm(-offset, x[rows] - centre, whiten) for rows in _blocks(x, len(means)))
            return torch.cat([y.unflatten(1, means.shape).square().sum(2) for y in white])

        return squared, 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1)

    def coloured(self, noise, z, cov):
        factor = cholesky("covariances", cov).flatten(0, 1).T
        everywhere = ((noise[rows] @ factor).unflatten(1, cov.shape[:2]) for rows in _blocks(noise, len(cov)))
        own = z[:, None, None].expand(-1, 1, noise.shape[1]).split(_rows(noise, len(cov)))
        return torch.cat([y.gather(1, here)[:, 0] for y, here in zip(everywhere, own, strict=True)])

    def scatter(self, x, r, means):
        centre = means.mean(0)
        # Centring one side on mean_c gives one product for all c, and is enough, as sum_n r_nc (x_n - mean_c) = 0, but
        # for the rounding of mean_c: what it leaves of that sum is taken off.
        total, rest = 0, 0
        for rows in _blocks(x, len(means)):
            y = _weighted(x[rows], r[rows], means)
            total, rest = total + (x[rows] - centre).T @ y, rest + y.sum(0)
        total = total.unflatten(1, means.shape).transpose(0, 1)
        total = total - (means - centre)[:, :, None] * rest.unflatten(0, means.shape)[:, None, :]
        return (total + total.mT) / 2

    def matrices(self, cov, D):
        return cov


STRUCTURES = {structure.name: structure for structure in (Full(), Diagonal(), Spherical())}


def named(covariance: str) -> Full | Diagonal:
    """The structure of that name.

    Raises:
        ValueError: there is none.
    """
    if covariance not in STRUCTURES:
        raise ValueError(f"covariance must be one of {', '.join(STRUCTURES)}, got {covariance!r}")
    return STRUCTURES[covariance]


@as_annotated
def of(covariances: Tensor) -> Full | Diagonal:
    """The structure that these covariances have, told from their shape."""
    if covariances.ndim not in (1, 2, 3):
        raise ValueError(
            f"covariances must be (C, D, D), (C, D) or (C,), got {tuple(covariances.shape)}; one needs [None]"
        )
    return STRUCTURES[{3: "full", 2: "diagonal", 1: "spherical"}[covariances.ndim]]


@as_annotated
def best(scatter: Tensor, n: Float[Tensor, " C"], prior: Prior | None, D: int) -> Tensor:
    """The covariances that explain `n` points of this scatter best: (scatter + points V) / (n + points)."""
    n = n.reshape(-1, *[1] * (scatter.ndim - 1))
    if prior is None:
        return scatter / n
    x = _pseudo_points(prior, scatter, D)
    V = of(scatter).scatter(x, x.new_ones(D, 1), x.new_zeros(1, D))
    return (scatter + prior.points * V) / (n + prior.points)


@as_annotated
def log_prior(cov: Tensor, prior: Prior, D: int) -> Float[Tensor, ""]:
    """log p(cov) in nats, summed over components, without its constant."""
    squared, log_det = of(cov).distances(cov.new_zeros(len(cov), D), cov)
    # tr(cov^-1 V) is the sum of the squared lengths, under cov, of points whose scatter is V.
    return -prior.points / 2 * (log_det + squared(_pseudo_points(prior, cov, D)).sum(0)).sum()


def _pseudo_points(prior: Prior, like: Tensor, D: int) -> Float[Tensor, "D D"]:
    """D points whose scatter about zero is V = diag(variance): sqrt(variance_d) along each axis d."""
    variance = torch.as_tensor(prior.variance, dtype=like.dtype, device=like.device)
    return torch.diag(variance.sqrt().expand(D))


def _weighted(x: Tensor, r: Tensor, means: Tensor) -> Tensor:
    return ((x[:, None] - means) * r[..., None]).flatten(1)


def _rows(x: Tensor, C: int) -> int:
    return max(1, BLOCK.get(x.device.type, 2**27) // (C * x.shape[1]))


def _blocks(x: Tensor, C: int = 1) -> Iterator[slice]:
    """Slices of x's rows, such that C values an entry fit into one block."""
    rows = _rows(x, C)
    return (slice(first, first + rows) for first in range(0, len(x), rows))
