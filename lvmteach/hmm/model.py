"""What a hidden Markov model says about sequences: likelihood, posterior of each state, best path, draws."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lvmteach import covariance as structures
from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.hmm import recursions
from lvmteach.hmm.recursions import Path, Sides
from lvmteach.hmm.sequences import Sequences, sequences


class Categorical(NamedTuple):
    """Each state has its own distribution over V symbols."""

    probs: Float[Tensor, "C V"]  # rows sum to one

    @as_annotated
    def log_prob(self, x: Int[Tensor, "N T"]) -> Float[Tensor, "N T C"]:
        return self.probs.log().T[x]

    @as_annotated
    def sample(self, z: Int[Tensor, "N T"]) -> Int[Tensor, "N T"]:
        return torch.multinomial(self.probs[z.flatten()], 1).view(z.shape)


class Gaussian(NamedTuple):
    """Each state has a Gaussian of its own. The covariances' shape says their structure, as in `mixtures`."""

    means: Float[Tensor, "C D"]
    covariances: Tensor  # (C, D, D) full; (C, D), variances, diagonal; (C,), one variance, spherical

    @as_annotated
    def log_prob(self, x: Float[Tensor, "N T D"]) -> Float[Tensor, "N T C"]:
        squared, log_det = structures.of(self.covariances).distances(self.means, self.covariances)
        constant = self.means.shape[1] * math.log(2 * math.pi)
        return (-(constant + log_det + squared(x.flatten(0, 1))) / 2).unflatten(0, x.shape[:2])

    @as_annotated
    def sample(self, z: Int[Tensor, "N T"]) -> Float[Tensor, "N T D"]:
        z, shape = z.flatten(), z.shape
        noise = torch.randn(len(z), self.means.shape[1], dtype=self.means.dtype, device=self.means.device)
        coloured = structures.of(self.covariances).coloured(noise, z, self.covariances)
        return (self.means[z] + coloured).unflatten(0, shape)


class HMM(NamedTuple):
    """z_1 ~ start, z_t+1 | z_t = c ~ transition[c], x_t | z_t = c ~ emission of c. C states."""

    start: Float[Tensor, " C"]  # sums to one
    transition: Float[Tensor, "C C"]  # row c: where one goes from c; rows sum to one
    emission: Categorical | Gaussian


class Posterior(NamedTuple):
    """p(z_t = c | all of x), and log p(x) in nats."""

    state: Float[Tensor, "N T C"]  # 0 behind a sequence's end
    log_lik: Float[Tensor, " N"]


class Draws(NamedTuple):
    """Sequences drawn from the model, with the states they came from."""

    x: Tensor  # (N, T) or (N, T, D)
    z: Int[Tensor, "N T"]


@as_annotated
def log_likelihood(x, params: HMM) -> Float[Tensor, " N"]:
    """log p(x), summed over all paths, of each sequence in nats. Differentiable in the parameters.

    Args:
        x: symbols (N, T) or points (N, T, D); a list of sequences of unequal length, (T,) or (T, D) each.

    Raises:
        ValueError: x does not pass the border (`sequences`) or does not fit the parameters.
    """
    log_b, data, params = emission_table(x, params)
    return recursions.log_evidence(log_b, params.start.log(), params.transition.log(), data.lengths)


@as_annotated
def posterior(x, params: HMM) -> Posterior:
    """p(z_t = c | x_1..x_T) by forward and backward. Memory of a few tables (N, T, C).

    Raises:
        ValueError: as `log_likelihood`; a sequence that no path can make.
    """
    log_b, data, params = emission_table(x, params)
    sides = recursions.both_sides(log_b, params.start.log(), params.transition.log(), data.lengths)
    return combined(sides, log_b, data)


@as_annotated
def viterbi(x, params: HMM) -> Path:
    """The path with the largest p(z | x); -1 behind a sequence's end. Ties go to the first state.

    Not the states that are each most probable: those may be a path that cannot be walked.

    Raises:
        ValueError: as `log_likelihood`.

    Source: Viterbi 1967; Rabiner 1989, section III.B.
    """
    log_b, data, params = emission_table(x, params)
    return recursions.viterbi(log_b, params.start.log(), params.transition.log(), data.lengths)


@as_annotated
def log_joint(x, z: Int[Tensor, "N T"], params: HMM) -> Float[Tensor, " N"]:
    """log p(x, z) of given paths, in nats; z behind a sequence's end is not read."""
    log_b, data, params = emission_table(x, params)
    z = z.clamp(min=0)
    steps = params.transition.log()[z[:, :-1], z[:, 1:]]
    seen = log_b.gather(1, z.T[:, None])[:, 0].T
    real = data.real
    start = params.start.log()[z[:, 0]]
    return start + seen.where(real, 0.0).sum(1) + steps.where(real[:, 1:], 0.0).sum(1)


@as_annotated
def sample(params: HMM, N: int, T: int) -> Draws:
    """N sequences of T steps with their states. From the ambient random stream."""
    at_least(1, N=N, T=T)
    z = [torch.multinomial(params.start, N, replacement=True)]
    while len(z) < T:
        z.append(torch.multinomial(params.transition[z[-1]], 1)[:, 0])
    z = torch.stack(z, 1)
    return Draws(params.emission.sample(z), z)


@as_annotated
def combined(sides: Sides, log_b: Float[Tensor, "T C N"], data: Sequences) -> Posterior:
    """What the past says of each state, times what the step itself and the future say, over p(x).

    Raises:
        ValueError: a sequence has probability zero: no posterior, and nothing to learn from it.
    """
    log_joint = sides.past + log_b + sides.future
    log_p = log_joint[0].logsumexp(0)  # the same at every step
    if (impossible := log_p == -math.inf).any():
        rows = impossible.nonzero().flatten().tolist()
        raise ValueError(
            f"every sequence must be possible, but {len(rows)} have probability 0 under these parameters "
            f"(rows {rows[:5]}): a symbol that no state emits, or a step that no state takes; smooth the zeros"
        )
    state = (log_joint - log_p).exp().where(data.real.T[:, None], 0.0)
    return Posterior(state.permute(2, 0, 1), log_p)


@as_annotated
def emission_table(x, params: HMM) -> tuple[Tensor, Sequences, HMM]:
    """log p(x_t | z_t = c), (T, C, N), the data, and the parameters in float64, if they belong together."""
    data = sequences(x)
    params = checked(params)
    emission, blank = params.emission, data.blank
    if isinstance(emission, Categorical):
        if data.x.ndim != 2:
            raise ValueError(f"categorical states emit symbols (N, T), got points {tuple(data.x.shape)}")
        _, V = emission.probs.shape
        if blank.min() < 0 or blank.max() >= V:
            low, high = data.x[data.real].aminmax()
            raise ValueError(f"symbols must be 0 to {V - 1} for this model, got {low} to {high}")
    elif data.x.ndim != 3 or data.x.shape[2] != emission.means.shape[1]:
        raise ValueError(f"these states emit points (N, T, {emission.means.shape[1]}), got {tuple(data.x.shape)}")
    return emission.log_prob(blank).permute(1, 2, 0).contiguous(), data, params


@as_annotated
def checked(params: HMM) -> HMM:
    """The parameters in float64; refused if they are no distributions.

    Raises:
        ValueError: shapes that do not fit one another; probabilities that are negative or do not sum to one.
    """
    start, transition, emission = params
    C = len(start)
    rows = {"start": start, "transition": transition}
    if isinstance(emission, Categorical):
        rows["emission"] = emission.probs
    if transition.shape != (C, C) or len(emission[0]) != C:
        raise ValueError(
            f"start must be (C,), transition (C, C), the emission's first axis C, got {tuple(start.shape)}, "
            f"{tuple(transition.shape)} and {tuple(emission[0].shape)}"
        )
    for name, p in rows.items():
        if not (p >= 0).all() or not ((p.sum(-1) - 1).abs() < 1e-6).all():
            raise ValueError(
                f"{name} must be probabilities that sum to one along the last axis, got sums {p.sum(-1).tolist()}; "
                "p / p.sum(-1, keepdim=True) makes them"
            )
    return HMM(start.double(), transition.double(), type(emission)(*(part.double() for part in emission)))
