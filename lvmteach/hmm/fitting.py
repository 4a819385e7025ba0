"""EM for hidden Markov models (Baum-Welch): expected counts, and the parameters that make them most probable."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lvmteach import covariance as structures
from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.covariance import Prior
from lvmteach.em import EMFit, em
from lvmteach.hmm import recursions
from lvmteach.hmm.model import HMM, Categorical, Gaussian, checked, combined, emission_table
from lvmteach.hmm.sequences import Sequences, sequences


class Expected(NamedTuple):
    """Expected counts under the posterior, summed over sequences."""

    start: Float[Tensor, " C"]  # of z_1 = c
    transitions: Float[Tensor, "C C"]  # of c followed by d
    state: Float[Tensor, "N T C"]  # p(z_t = c | x), 0 behind a sequence's end


@as_annotated
def e_step(x: Sequences, params: HMM, pseudo: float = 0.0, prior: Prior | None = None) -> tuple[Expected, Tensor]:
    """Expected counts, and what EM climbs: log p(x) in nats per sequence, the mean over N.

    Given pseudo-counts or a prior, their log density divided by N is part of it.
    """
    log_b, x, params = emission_table(x, params)
    log_transition = params.transition.log()
    sides = recursions.both_sides(log_b, params.start.log(), log_transition, x.lengths)
    state, log_p = combined(sides, log_b, x)
    transitions = recursions.expected_transitions(sides, log_b, log_transition, log_p, x.lengths)
    objective = log_p.mean() + log_prior(params, pseudo, prior) / len(log_p)
    return Expected(state[:, 0].sum(0), transitions, state), objective


@as_annotated
def m_step(
    x: Sequences, expected: Expected, *, V: int = 0, covariance: str = "full", pseudo: float = 0.0,
    prior: Prior | None = None,
) -> HMM:  # fmt: skip
    """The best parameters for these counts: shares, and weighted means and covariances.

        start_c = n_1(c) / N,   transition_cd = n(c, d) / sum_d n(c, d),   probs_cv = n(c, v) / sum_v n(c, v)

    A state that is never left keeps no say in where it would go: its row becomes uniform.

    Args:
        V: symbols, for categorical states.
        covariance: full, diagonal or spherical, for Gaussian ones.
        pseudo: a count added to every transition, start and symbol.
        prior: of the Gaussians' covariances.

    Raises:
        FloatingPointError: a state has lost every step, or a Gaussian has collapsed.

    Source: Rabiner 1989, section III.C.
    """
    start, transitions, state = expected
    n = state.sum((0, 1))
    if (gone := n < torch.finfo(n.dtype).eps).any():
        raise FloatingPointError(
            f"states {gone.nonzero().flatten().tolist()} explain no step any more; start elsewhere, or take fewer"
        )
    if x.x.ndim == 2:
        # What stands behind an end counts as symbol 0, with no state to its name.
        counts = n.new_zeros(V, len(n)).index_add_(0, x.blank.flatten(), state.flatten(0, 1))
        emission = Categorical(_shares(counts.T + pseudo))
    else:
        emission = _gaussian(x.x[x.real], state[x.real], n, covariance, prior)
    return HMM(_shares(start + pseudo), _shares(transitions + pseudo), emission)


@as_annotated
def log_prior(params: HMM, pseudo: float, prior: Prior | None) -> Float[Tensor, ""]:
    """Log density of the parameters without its constant, in nats: Dirichlet(1 + pseudo), and the covariances'."""
    total = params.start.new_zeros(())
    if pseudo:
        rows = [params.start, params.transition]
        rows += [params.emission.probs] if isinstance(params.emission, Categorical) else []
        total = total + pseudo * sum(p.log().sum() for p in rows)
    if prior is not None and isinstance(params.emission, Gaussian):
        means, covariances = params.emission
        total = total + structures.log_prior(covariances, prior, means.shape[1])
    return total


@as_annotated
def fit_from(
    x, start: HMM, *, pseudo: float = 0.0, prior: Prior | None = None, max_steps: int = 1000, tol: float = 1e-6
) -> EMFit:
    """EM from these parameters.

    Args:
        x: symbols (N, T) or points (N, T, D); a list of sequences of unequal length.
        pseudo: a count added to everything counted; the prior it stands for is part of what EM climbs.
        prior: of the Gaussians' covariances; without one a state may collapse on a few points.
        max_steps, tol: as in `em`; tol in nats per sequence.

    Returns:
        EMFit whose log_lik is the mean log p(x) in nats per sequence, plus the log prior / N.

    Raises:
        ValueError: x does not pass the border, or does not fit the start.
        FloatingPointError: a state has lost every step, or a Gaussian has collapsed.

    Warns:
        ConvergenceWarning: as in `em`.

    Source: Baum, Petrie, Soules and Weiss 1970.
    """
    if not pseudo >= 0:
        raise ValueError(f"pseudo must not be negative, got {pseudo}; it is a count")
    x, start = sequences(x), checked(start)
    emission_table(x, start)
    how = {"pseudo": pseudo, "prior": prior}
    if isinstance(start.emission, Categorical):
        how_m = how | {"V": start.emission.probs.shape[1]}
    else:
        how_m = how | {"covariance": structures.of(start.emission.covariances).name}
    return em(x, start, partial(e_step, **how), partial(m_step, **how_m), max_steps=max_steps, tol=tol)


@as_annotated
def fit_hmm(
    x, C: int, *, V: int | None = None, covariance: str = "full", pseudo: float = 0.0, prior: Prior | None = None,
    restarts: int = 5, max_steps: int = 1000, tol: float = 1e-6,
) -> EMFit:  # fmt: skip
    """The best of several runs of EM, each from its own `random_start`. Arguments as there and in `fit_from`."""
    at_least(1, C=C, restarts=restarts)
    x = sequences(x)
    best = None
    for _ in range(restarts):
        start = random_start(x, C, V=V, covariance=covariance)
        fit = fit_from(x, start, pseudo=pseudo, prior=prior, max_steps=max_steps, tol=tol)
        best = fit if best is None else max(best, fit, key=lambda run: float(run.log_lik[-1]))
        if not fit.converged and len(fit.log_lik) <= max_steps:  # interrupted: do not go on to the next
            break
    return best


def random_start(x, C: int, *, V: int | None = None, covariance: str = "full") -> HMM:
    """Where EM may start: near-uniform random probabilities; for points, C of them as means, and all their spread.

    Equal states would stay equal for ever.

    Args:
        V: symbols; one more than the largest in x if not given.
    """
    at_least(1, C=C)
    data = sequences(x)
    seen = data.x[data.real]
    where = {"dtype": torch.float64, "device": seen.device}

    def random(*shape):
        return _shares(torch.rand(*shape, **where) + 0.5)

    if seen.ndim == 1:
        emission = Categorical(random(C, V or int(seen.max()) + 1))
    else:
        if len(seen) < C:
            raise ValueError(f"x must hold at least C = {C} points, got {len(seen)}")
        means = seen[torch.randperm(len(seen), device=seen.device)[:C]]
        one = seen.new_ones(len(seen), 1)
        spread = structures.named(covariance).scatter(seen, one, seen.mean(0, keepdim=True)) / len(seen)
        emission = Gaussian(means, spread.expand(C, *spread.shape[1:]).clone())
    return HMM(random(C), random(C, C), emission)


def _gaussian(x: Tensor, r: Tensor, n: Tensor, covariance: str, prior: Prior | None) -> Gaussian:
    structure = structures.named(covariance)
    means = r.T @ x / n[:, None]
    covariances = structures.best(structure.scatter(x, r, means), n, prior, x.shape[1])
    spread = structures.named("diagonal").scatter(x, r.sum(1, keepdim=True), x.mean(0, keepdim=True))[0] / len(x)
    floor = 10 * x.shape[1] * torch.finfo(x.dtype).eps * spread
    if not (flat := structure.variances(covariances, x.shape[1]) > floor).all():
        which = (~flat).any(1).nonzero().flatten().tolist()
        raise FloatingPointError(
            f"states {which} collapsed: no width is left in some direction; use a prior (prior=Prior(points=..., "
            "variance=...)), fewer states, or covariance='diagonal'"
        )
    return Gaussian(means, covariances)


def _shares(counts: Tensor) -> Tensor:
    total = counts.sum(-1, keepdim=True)
    return torch.where(total > 0, counts / total, 1 / counts.shape[-1])
