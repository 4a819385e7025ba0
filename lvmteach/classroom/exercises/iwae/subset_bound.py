"""It climbs."""

from __future__ import annotations

import itertools
import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.iwae.shared import _log_mean


def _subset_bound(log_w, m):
    chosen = torch.combinations(torch.arange(len(log_w)), m)
    bounds = torch.logsumexp(log_w[chosen], 1) - math.log(m)
    return bounds.mean(0)


@drawing
def _weights_and_sizes(draw):
    shapes = [(4, 3, 2), (5, 2, 4), (6, 4, 1), (5, 7, 5), (9, 2, 4)]
    cases = [(1.5 * draw(K, B) - (900 if m == 5 else 1), m) for K, B, m in shapes]
    one_rules = draw(5, 2)
    one_rules[1] += 3000  # what is left without it is far below
    return [*cases, (draw(5, 2) + torch.tensor([0.0, -900.0]), 3), (one_rules, 2)]  # no maximum serves all of these


def _every(log_w, m, **how):
    return log_w[torch.combinations(torch.arange(len(log_w)), m, **how)]


def _subset_bound_by_loop(log_w, m):
    bounds = [torch.stack(chosen).logsumexp(0) for chosen in itertools.combinations(log_w, m)]
    return sum(bounds) / math.comb(len(log_w), m) - math.log(m)


def _subset_bound_by_order(log_w, m):  # every subset as often as it has orders
    orders = torch.tensor(list(itertools.permutations(range(len(log_w)), m)))
    top = log_w[orders].max(1, keepdim=True).values
    return ((log_w[orders] - top).exp().mean(1).log() + top[:, 0]).mean(0)


def _subset_bound_by_masks(log_w, m):
    masks = torch.tensor([bits for bits in itertools.product((0.0, 1.0), repeat=len(log_w)) if sum(bits) == m])
    return torch.logsumexp(log_w + masks.to(log_w).log()[..., None], 1).mean(0) - math.log(m)


subset_bound = Exercise(
    ask="Return the mean, over all subsets of m weights, of the log of the subset's mean weight.",
    reference=_subset_bound,
    cases=_weights_and_sizes,
    misconceptions={
        "The mean over the subsets stands inside your logarithm: then every m gives the log of the mean of all K "
        "weights. It belongs outside.": lambda log_w, m: _log_mean(_every(log_w, m).flatten(0, 1)),
        "You took the best subset. The mean over all of them is asked for.": (
            lambda log_w, m: (torch.logsumexp(_every(log_w, m), 1) - math.log(m)).amax(0)
        ),
        "This is the mean of the logs, for every m. Within a subset the mean is taken of the weights.": (
            lambda log_w, m: log_w.mean(0)
        ),
        "log m is missing: within a subset stands a mean, not a sum.": (
            lambda log_w, m: torch.logsumexp(_every(log_w, m), 1).mean(0)
        ),
        "You divided by K inside the logarithm. A subset has m weights.": (
            lambda log_w, m: torch.logsumexp(_every(log_w, m), 1).mean(0) - math.log(len(log_w))
        ),
        "Your logsumexp runs over the subsets. It belongs to the m weights of a subset: look at the shape of what you "
        "index.": lambda log_w, m: torch.logsumexp(_every(log_w, m), 0).mean(0) - math.log(m),
        "You form pairs, whatever m is. `torch.combinations` takes the size as its second argument.": (
            lambda log_w, m: _log_mean(_every(log_w, 2).transpose(0, 1)).mean(0)
        ),
        "This is the sum over the subsets. Divide by how many there are.": (
            lambda log_w, m: (torch.logsumexp(_every(log_w, m), 1) - math.log(m)).sum(0)
        ),
        "You cut the weights into blocks, one after the other. Subsets may share weights: take all of them.": (
            lambda log_w, m: _log_mean(log_w[: len(log_w) // m * m].reshape(-1, m, log_w.shape[1]).transpose(0, 1))
            .mean(0)
        ),
        "Only neighbours are in your subsets. Take every choice of m out of K.": (
            lambda log_w, m: (log_w.unfold(0, m, 1).logsumexp(-1) - math.log(m)).mean(0)
        ),
        "A weight occurs twice in some of your subsets. Draw without replacement: the indices of a subset differ.": (
            lambda log_w, m: _log_mean(_every(log_w, m, with_replacement=True).transpose(0, 1)).mean(0)
        ),
        "This is one subset, the first. The average over all of them does not depend on the order of the weights.": (
            lambda log_w, m: _log_mean(log_w[:m])
        ),
        "You drew subsets at random. There are few enough to take all of them, and then nothing is left to chance.": (
            lambda log_w, m: _log_mean(log_w[torch.randperm(len(log_w))[:m]])
        ),
        "exp left the range of floating point. Stay in log space.": (
            lambda log_w, m: _every(log_w, m).exp().mean(1).log().mean(0)
        ),
        "You averaged over the batch as well: each datum has its own bound.": (
            lambda log_w, m: _log_mean(_every(log_w, m).transpose(0, 1)).mean()
        ),
    },
    also_right=[_subset_bound_by_loop, _subset_bound_by_order, _subset_bound_by_masks],
)  # fmt: skip
