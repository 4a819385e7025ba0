"""The best q(c|x)."""

from __future__ import annotations

import math

import numpy as np
import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.richer_models.shared import SMALL, _log_joint, _mixture, _rare_one


def _best_q_c(m, r, log_pi, mu, s):
    squared = (m[:, None] - mu) ** 2 + torch.exp(2 * r)[:, None]
    expected = log_pi - (squared / (2 * torch.exp(2 * s)) + s).sum(-1)
    return torch.softmax(expected, 1)


@drawing
def _answers(draw):
    shapes = [(2, 2, 2), (3, 3, 1), (4, 5, 3), (1, 4, 2)]
    cases = [(draw(B, L), 0.5 * draw(B, L) - 0.3, *_mixture(draw, C, L)) for B, C, L in shapes]
    apart = draw(3, 2) + torch.tensor([[0.0], [60.0], [-90.0]])  # no common maximum serves all data
    far = 40 + draw(2, 2), draw(2, 2) / 3, *_mixture(draw, 3, 2)
    rare = SMALL * draw(2, 1), math.log(SMALL) + draw(2, 1) / 3, *_rare_one(draw)
    return [*cases, far, (apart, draw(3, 2) / 3, *_mixture(draw, 4, 2)), rare]


def _by_log_density(m, r, log_pi, mu, s):
    joint = _log_joint(m, log_pi, mu, s) - 0.5 * torch.exp(2 * r) @ torch.exp(-2 * s).T
    return (joint - joint.logsumexp(1, keepdim=True)).exp()


def _by_loop(m, r, log_pi, mu, s):
    rows = []
    for mean, width in zip(m, r.exp(), strict=True):
        energy = log_pi.clone()
        for c in range(len(mu)):
            for j in range(m.shape[1]):
                moment = (mean[j] - mu[c, j]) ** 2 + width[j] ** 2
                energy[c] -= moment / 2 / s[c, j].exp() ** 2 + s[c, j]
        weight = (energy - energy.max()).exp()
        rows.append(weight / weight.sum())
    return torch.stack(rows)


def _mean_of_posteriors(m, r, log_pi, mu, s, nodes=12):
    """E_q p(c | z), by Gauss and Hermite in each dimension."""
    at, weight = (torch.tensor(part).to(m) for part in np.polynomial.hermite_e.hermegauss(nodes))
    L = m.shape[1]
    eps, weight = torch.cartesian_prod(*[at] * L).view(-1, L), torch.cartesian_prod(*[weight] * L).view(-1, L).prod(1)
    z = m[:, None] + r.exp()[:, None] * eps
    posterior = _log_joint(z.flatten(0, 1), log_pi, mu, s).softmax(1).unflatten(0, z.shape[:2])
    return (posterior * weight[:, None]).sum(1) / weight.sum()


best_q_c = Exercise(
    ask="Return the best q(c|x), (B, C), for q(z|x) with means m and log scales r, and the mixture prior's components.",
    reference=_best_q_c,
    cases=_answers,
    misconceptions={
        "This is p(c | z) at the mean of q(z|x). The width of q counts too: E (z - mu)^2 = (m - mu)^2 + sigma^2.": (
            lambda m, r, log_pi, mu, s: torch.softmax(_log_joint(m, log_pi, mu, s), 1)
        ),
        "This is E p(c | z), the mean of the posteriors over q(z|x): close, and never better in the bound. The best "
        "q(c|x) is proportional to the exponential of a mean of logarithms.": _mean_of_posteriors,
        "The weights log_pi are missing.": lambda m, r, log_pi, mu, s: _best_q_c(m, r, 0 * log_pi, mu, s),
        "The normaliser of the components, -s summed over dimensions, is missing: wide ones win.": (
            lambda m, r, log_pi, mu, s: torch.softmax(
                log_pi - (((m[:, None] - mu) ** 2 + (2 * r).exp()[:, None]) / (2 * (2 * s).exp())).sum(-1), 1
            )
        ),
        "You read the log scales as log variances.": (
            lambda m, r, log_pi, mu, s: _best_q_c(m, r / 2, log_pi, mu, s / 2)
        ),
        "You added sigma where sigma^2 belongs: the second moment is (m - mu)^2 + exp(2 r).": (
            lambda m, r, log_pi, mu, s: _best_q_c(m, r / 2, log_pi, mu, s)
        ),
        "You widened every component by q's variance: that is the log of an expectation, E p(z | c). Here stands the "
        "expectation of the log.": (
            lambda m, r, log_pi, mu, s: torch.stack(
                [
                    torch.softmax(
                        _log_joint(m[i : i + 1], log_pi, mu, ((2 * s).exp() + (2 * r[i]).exp()).log() / 2)[0], 0
                    )
                    for i in range(len(m))
                ]
            )
        ),
        "These are logarithms. q(c|x) is a distribution over c: its rows sum to one.": (
            lambda m, r, log_pi, mu, s: _best_q_c(m, r, log_pi, mu, s).log()
        ),
        "Normalised over the data. Each x has its own distribution over c: along the row.": (
            lambda m, r, log_pi, mu, s: torch.softmax(_best_q_c(m, r, log_pi, mu, s).clamp(min=1e-300).log(), 0)
        ),
        "A hard choice: one component with probability one. The best q(c|x) keeps its doubt.": (
            lambda m, r, log_pi, mu, s: torch.nn.functional.one_hot(
                _best_q_c(m, r, log_pi, mu, s).argmax(1), len(mu)
            ).to(m)
        ),
        "exp underflowed for a code far from all components: use softmax, or take the largest logarithm out first.": (
            lambda m, r, log_pi, mu, s: (lambda w: w / w.sum(1, keepdim=True))(
                (_log_joint(m, log_pi, mu, s) - 0.5 * (2 * r).exp() @ (-2 * s).exp().T).exp()
            )
        ),
    },
    also_right=[_by_log_density, _by_loop],
)
