"""Results do not depend on where the data's zero lies, nor on their unit, nor on the order of rows and columns.

For x -> scale * x + shift, means move along, covariances by scale^2, log p(x) by -log(scale) a column, and what is said
of the latent stays. A shift of 1e9 widths leaves float64 data with 7 digits; so the oracle is the fit to the data *as
the shift has rounded them*, which are taken back without further loss. Then only the library's own rounding differs.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from lvmteach import linear_gaussian as lg
from lvmteach import mixtures
from lvmteach.mixtures import Mixture, Prior
from lvmteach.runtime import seeded

# Hundreds of fits, step by step: shapes are checked where each fit has its own tests.
pytestmark = pytest.mark.usefixtures("as_users_run_it")

N, D = 60, 4
# The data have width 1. At a shift of 1e9 they have steps of 1e-7, and so has any mean: a log density is then known to
# about 1e-7 times its slope. 1e-5 is above that, and far below what squares that cancel leave: 1e18 eps = 200.
TOLERANCE = 1e-5
SHIFTS = [1.0, 1e3, 1e6, -1e9]
SCALES = [1e-9, 1e-3, 1e3, 1e9]
STRUCTURES = ("full", "diagonal", "spherical")


class Said(NamedTuple):
    """What a fit says, in terms that are free of signs, rotations and the order of components."""

    mean: Tensor
    cov: Tensor
    log_p: Tensor  # of each row
    trace: Tensor | None  # of EM
    latent: Tensor  # posterior means up to sign, or responsibilities
    filled: Tensor | None  # missing entries at their expectation
    seen: Tensor  # entries of each row that count


def data():
    """Two groups along a line, for a factor or a mixture to find; the group of each row; what is missing."""
    rng = np.random.default_rng(4)
    group = np.arange(N) % 3 == 0
    z = rng.normal(size=(N, 1)) + 4.0 * group[:, None]
    x = z @ [[1.0, -0.7, 0.5, 0.9]] + 0.5 * rng.normal(size=(N, D)) + [0.3, -0.2, 0.5, 0.1]
    return torch.as_tensor(x), torch.as_tensor(group).long(), torch.as_tensor(rng.random((N, D)) < 0.2)


def linear(fit, missing=False):
    def run(x, group, gone, steps):
        x = x.masked_fill(gone, torch.nan) if missing else x
        with seeded(3):
            found = fit(x, 1, missing=missing, max_steps=steps, tol=0.0)
        return of_linear(x, found.params, gone, found.log_lik)

    return run


def of_linear(x, p, gone, trace=None):
    latent = lg.posterior(x, p, missing=True).mean.abs()
    log_p, filled = lg.log_likelihood(x, p, missing=True), lg.impute(x.masked_fill(gone, torch.nan), p)
    return Said(p.mu, lg.covariance(p), log_p, trace, latent, filled, (~x.isnan()).sum(1))


def closed_form(x, group, gone, steps):
    return of_linear(x, lg.ppca_closed_form(x, 1), gone)


def of_mixture(x, p, trace=None):
    order = p.means[:, 0].argsort()
    p = Mixture(*(part[order] for part in p))
    cov, log_p = mixtures.covariance_matrices(p), mixtures.log_likelihood(x, p)
    return Said(p.means, cov, log_p, trace, mixtures.responsibilities(x, p), None, torch.full((len(x),), D))


def labelled(covariance):
    return lambda x, group, gone, steps: of_mixture(x, mixtures.fit_labelled(x, group, covariance=covariance))


def mixture(covariance, points=None):
    def run(x, group, gone, steps):
        # A prior is told in the data's units: a tenth of the columns' variances.
        prior = None if points is None else Prior(points, (x - x[0]).var(0) / 10)
        start = mixtures.fit_labelled(x, group, covariance=covariance)
        found = mixtures.fit_from(x, start, prior=prior, max_steps=steps, tol=0.0)
        return of_mixture(x, found.params, None if points else found.log_lik)

    return run


def seeded_mixture(covariance):
    def run(x, group, gone, steps):
        with seeded(3):
            found = mixtures.fit_mixture(x, 2, covariance=covariance, restarts=1, max_steps=steps, tol=0.0)
        return of_mixture(x, found.params, found.log_lik)

    return run


FITS = {
    "factor analysis": linear(lg.fit_fa),
    "factor analysis, missing": linear(lg.fit_fa, missing=True),
    "PPCA by EM": linear(lg.fit_ppca),
    "PPCA by EM, missing": linear(lg.fit_ppca, missing=True),
    "PPCA, closed form": closed_form,
    **{f"labelled, {c}": labelled(c) for c in STRUCTURES},
    **{f"mixture, {c}": mixture(c) for c in STRUCTURES},
    **{f"mixture with a prior, {c}": mixture(c, 6.0) for c in STRUCTURES},
    **{f"mixture from seeds, {c}": seeded_mixture(c) for c in STRUCTURES},
}


def said(name, x, group, gone, steps=20):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a result that moves must not be blamed on the user's own steps
        return FITS[name](x, group, gone, steps)


def assert_same(after, expected, units=None):
    for field, ours, theirs in zip(Said._fields, after, expected, strict=True):
        if theirs is not None:
            error = float(((ours - theirs).abs() / (units or {}).get(field, 1.0)).max())
            assert error < TOLERANCE, f"{field} is off by {error:.3g}"


def assert_moves(name, shift, scale):
    x, *rest = data()
    moved = x * scale + shift
    after, before = said(name, moved, *rest), said(name, (moved - shift) / scale, *rest)
    nats = math.log(scale) * before.seen
    expected = Said(
        before.mean * scale + shift,
        before.cov * scale**2,
        before.log_p - nats,
        None if before.trace is None else before.trace - nats.double().mean(),
        before.latent,
        None if before.filled is None else before.filled * scale + shift,
        before.seen,
    )
    assert_same(after, expected, {"mean": scale, "cov": scale**2, "filled": scale})


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("name", FITS)
def test_a_shift_moves_the_means_and_nothing_else(name, shift):
    assert_moves(name, shift, 1.0)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", FITS)
def test_a_unit_changes_the_units(name, scale):
    assert_moves(name, 0.0, scale)


FROM_SEEDS = [name for name in FITS if "seeds" in name]  # k-means++ draws by the order of rows
LONG = [name for name in FITS if name.startswith("PPCA by EM")]  # many small steps


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in FITS if n not in FROM_SEEDS]
)
def test_the_order_of_rows_and_columns_is_no_matter(name):
    x, group, gone = data()
    rng = np.random.default_rng(6)
    rows, columns = torch.as_tensor(rng.permutation(N)), torch.as_tensor(rng.permutation(D))
    steps = 3000 if "PPCA" in name else 20  # its random start is for columns in their order: so to the maximum
    start = group.roll(1)  # not yet the groups of the fit
    before = said(name, x, start, gone, steps)
    after = said(name, x[rows][:, columns], start[rows], gone[rows][:, columns], steps)
    if before.mean.ndim == 2:  # components are in the order of their first column, which is another now
        order = before.mean[:, columns[0]].argsort()
        before = before._replace(mean=before.mean[order], cov=before.cov[order], latent=before.latent[:, order])
    expected = Said(
        before.mean[..., columns],
        before.cov[..., columns, :][..., columns],
        before.log_p[rows],
        None if "PPCA" in name else before.trace,
        before.latent[rows],
        None if before.filled is None else before.filled[rows][:, columns],
        before.seen[rows],
    )
    assert_same(after, expected)


@pytest.mark.parametrize("name", [name for name in FITS if "prior" not in name and name not in FROM_SEEDS])
def test_every_row_twice_is_the_same_fit(name):
    x, group, gone = data()
    before = said(name, x, group, gone)
    after = said(name, x.repeat(2, 1), group.repeat(2), gone.repeat(2, 1))
    rows = {f: None if (v := getattr(before, f)) is None else torch.cat([v, v]) for f in ("log_p", "latent", "filled")}
    assert_same(after, before._replace(**rows, seen=before.seen.repeat(2)))


@pytest.mark.parametrize("name", ["PPCA, closed form", *(f"labelled, {c}" for c in STRUCTURES)])
def test_one_row_twice_counts_twice(name):
    """Against NumPy's weighted moments; the row is the first, of group 1."""
    x, group, gone = data()
    after = said(name, torch.cat([x, x[:1]]), torch.cat([group, group[:1]]), torch.cat([gone, gone[:1]]))
    twice = 1 + (np.arange(N) == 0)
    if name == "PPCA, closed form":
        values = np.linalg.eigvalsh(np.cov(x.numpy().T, aweights=twice, bias=True))
        np.testing.assert_allclose(after.mean, np.average(x, axis=0, weights=twice), rtol=1e-12)
        np.testing.assert_allclose(np.linalg.eigvalsh(after.cov), [*[values[:3].mean()] * 3, values[3]], rtol=1e-10)
        return
    means = np.array([np.average(x[group == c], axis=0, weights=twice[group == c]) for c in (0, 1)])
    np.testing.assert_allclose(after.mean, means[means[:, 0].argsort()], rtol=1e-12)


# ---- groups far apart, in units of their widths


def far_apart(distance):
    x, group, _ = data()
    return x + distance * group[:, None], group


@pytest.mark.parametrize("prior", [None, Prior(4.0, 0.5)], ids=["likelihood", "prior"])
@pytest.mark.parametrize("distance", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("covariance", STRUCTURES)
def test_groups_far_apart_keep_their_widths(covariance, distance, prior):
    """Each group's moments against NumPy's, about its own rows, and EM stays there."""
    x, group = far_apart(distance)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start = mixtures.fit_labelled(x, group, covariance=covariance, prior=prior)
        fit = mixtures.fit_from(x, start, prior=prior, max_steps=3, tol=0.0)
    points, V = (0.0, 0.0) if prior is None else prior
    for params in (start, fit.params):
        for c in (0, 1):
            own = x[group == c].numpy()
            S = np.cov((own - own[0]).T, bias=True)
            S = (len(own) * S + points * V * np.eye(D)) / (len(own) + points)
            want = {"full": S, "diagonal": np.diag(S), "spherical": np.trace(S) / D}[covariance]
            np.testing.assert_allclose(params.covariances[c], want, atol=TOLERANCE)
    np.testing.assert_allclose(fit.params.weights, [2 / 3, 1 / 3], atol=1e-12)


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_one_row_far_out_does_not_end_the_fit(covariance):
    """It takes a component of its own, which collapses and is named; the others are not blamed, and a prior helps."""
    x, group, _ = data()
    x[0] = 1e8
    own = group.index_fill(0, torch.tensor([0]), 2)
    with pytest.raises(FloatingPointError, match=r"component 2 collapsed.*points held: 1 of 60"):
        mixtures.fit_labelled(x, own, covariance=covariance)
    start = mixtures.fit_labelled(x, own, covariance=covariance, prior=Prior(2.0, 0.5))
    fit = mixtures.fit_from(x, start, prior=Prior(2.0, 0.5), max_steps=20, tol=0.0)
    np.testing.assert_allclose(fit.params.weights[2], 1 / 60, atol=1e-9)


# ---- constant to the precision of its numbers


def column(values, dtype=torch.float64):
    x, _, gone = data()
    x = torch.cat([x, values[:, None]], 1).to(dtype)
    return x, torch.cat([gone, gone[:, :1]], 1)


STEPS = torch.as_tensor(np.random.default_rng(7).integers(-2, 3, N)).double()
CONSTANT = {
    "rounding at one": (1 + STEPS * 2.0**-52, torch.float64),
    "rounding far away": (1e9 + STEPS * 2.0**-23, torch.float64),
    "shares that add up to one": (torch.softmax(data()[0], 1).sum(1), torch.float64),
    "below the least square": (STEPS * 1e-170, torch.float64),
    "rounding in float32": (300 + STEPS * 2.0**-15, torch.float32),
}
FITTERS = {
    "factor analysis": lambda x, _: lg.fit_fa(x, 1),
    "factor analysis, missing": lambda x, gone: lg.fit_fa(x.masked_fill(gone, torch.nan), 1, missing=True),
    "mixture": lambda x, _: mixtures.fit_mixture(x, 2),
    "labelled": lambda x, _: mixtures.fit_labelled(x, data()[1]),
}


@pytest.mark.parametrize("case", CONSTANT)
@pytest.mark.parametrize("fitter", FITTERS)
def test_a_column_that_is_constant_up_to_rounding_is_refused(fitter, case):
    values, dtype = CONSTANT[case]
    with pytest.raises(ValueError, match=f"columns 4 hold one value each, to the precision of {dtype}"):
        FITTERS[fitter](*column(values, dtype))


@pytest.mark.parametrize("values", [1e9 + STEPS, 1e-100 * STEPS, 300 + STEPS * 1e-9])
def test_a_column_that_varies_little_but_beyond_rounding_passes(values):
    lg.fit_fa(column(values)[0], 1, max_steps=5, tol=0.0)
    mixtures.fit_labelled(column(values)[0], data()[1], covariance="diagonal")


def test_the_remedy_that_is_named_works():
    x, _ = column(*CONSTANT["rounding at one"])
    with pytest.raises(ValueError, match=r"x\[:, x.std\(0\) > 4e-15 \* x.abs\(\).amax\(0\)\]"):
        lg.fit_fa(x, 1)
    assert x[:, x.std(0) > 4e-15 * x.abs().amax(0)].shape == (N, D)
    lg.fit_fa(x[:, x.std(0) > 4e-15 * x.abs().amax(0)], 1)
