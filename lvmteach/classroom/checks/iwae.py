"""Stage 08: the importance weighted bound. Weights, noise and gradients are given: nothing is left to chance."""

from __future__ import annotations

import itertools
import math

import torch
from torch.distributions import Normal

from lvmteach.classroom.checks.compare import CloseWithGradients
from lvmteach.classroom.checks.engine import Choice, Exercise, drawing


def _log_mean(log_w):
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


# The bound from its three densities ----------------------------------------------------------------------------------


def _iwae_bound(log_x, log_z, log_q):
    log_w = log_x.sum(-1) + log_z.sum(-1) - log_q.sum(-1)
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


@drawing
def _densities(draw):
    sizes = [(3, 2, 5, 4, -0.7), (5, 3, 7, 2, 0.6), (1, 4, 6, 2, -2.0), (6, 4, 300, 5, -3.1), (4, 3, 9, 2, 190.0)]
    return [(at + draw(K, B, D), draw(K, B, L) - 1.2, 0.4 + draw(K, B, L)) for K, B, D, L, at in sizes]


def _log_w(log_x, log_z, log_q):
    return log_x.sum(-1) + log_z.sum(-1) - log_q.sum(-1)


def _bound_by_loop(log_x, log_z, log_q):
    total = torch.full_like(log_x[0, :, 0], -math.inf)
    for for_x, for_z, for_q in zip(log_x, log_z, log_q, strict=True):
        total = torch.logaddexp(total, torch.einsum("bd->b", for_x) + (for_z - for_q).sum(1))
    return total - math.log(log_x.shape[0])


def _bound_by_the_largest(log_x, log_z, log_q):
    log_w = torch.cat([log_x, log_z, -log_q], -1).sum(-1)
    largest = log_w.max(0).values
    return largest + (log_w - largest).exp().mean(0).log()


iwae_bound = Exercise(
    ask="Return one draw of the importance weighted bound, from the log densities of K samples.",
    reference=_iwae_bound,
    cases=_densities,
    misconceptions={
        "This is the mean of the logs: the ELBO. Here the mean stands inside the logarithm.": (
            lambda log_x, log_z, log_q: _log_w(log_x, log_z, log_q).mean(0)
        ),
        "You return log K too much: the weights are averaged, so divide by K inside the logarithm.": (
            lambda log_x, log_z, log_q: torch.logsumexp(_log_w(log_x, log_z, log_q), 0)
        ),
        "exp left the range of floating point: log p(x|z) of an image is some hundreds of nats below zero. Stay in "
        "log space.": lambda log_x, log_z, log_q: _log_w(log_x, log_z, log_q).exp().mean(0).log(),
        "The sign of log q is turned round: q stands in the denominator of the weight.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1) + log_z.sum(-1) + log_q.sum(-1))
        ),
        "q is the numerator of your weight. It is the other way round: the joint over q.": (
            lambda log_x, log_z, log_q: _log_mean(-_log_w(log_x, log_z, log_q))
        ),
        "The prior is missing: the numerator of the weight is the joint, p(x|z) p(z).": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1) - log_q.sum(-1))
        ),
        "log q is missing: the samples come from q, so each counts by what it is worth over q.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1) + log_z.sum(-1))
        ),
        "Only p(x|z) is in your weight: that would do for samples from the prior. These come from q.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1))
        ),
        "You took the mean over pixels. Independent pixels multiply, so their logs add up: sum.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.mean(-1) + log_z.sum(-1) - log_q.sum(-1))
        ),
        "You took means over pixels and over latent dimensions. Independent coordinates multiply: sum their logs.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.mean(-1) + log_z.mean(-1) - log_q.mean(-1))
        ),
        "You took the mean over latent dimensions. Independent coordinates multiply, so their logs add up: sum.": (
            lambda log_x, log_z, log_q: _log_mean(log_x.sum(-1) + (log_z - log_q).mean(-1))
        ),
        "You divided the logarithms by K. The weights are divided, which takes log K off their logarithm.": (
            lambda log_x, log_z, log_q: torch.logsumexp(_log_w(log_x, log_z, log_q) / len(log_x), 0)
        ),
        "You divided the bound by K. The division stands inside the logarithm: there it takes log K off.": (
            lambda log_x, log_z, log_q: torch.logsumexp(_log_w(log_x, log_z, log_q), 0) / len(log_x)
        ),
        "You left an average of log p(z) - log q outside the logarithm, as a KL term. Each sample needs its whole "
        "weight inside.": lambda log_x, log_z, log_q: (
            _log_mean(log_x.sum(-1)) + (log_z.sum(-1) - log_q.sum(-1)).mean(0)
        ),
        "You averaged each pixel over the samples by itself. A sample has one weight, for the whole image: sum over "
        "pixels first.": lambda log_x, log_z, log_q: (
            _log_mean(log_x).sum(-1) + _log_mean(log_z).sum(-1) - _log_mean(log_q).sum(-1)
        ),
        "You averaged over the batch. Samples are the first axis.": (
            lambda log_x, log_z, log_q: _log_mean(_log_w(log_x, log_z, log_q).T)
        ),
        "You averaged over samples and batch at once: each datum has its own bound.": (
            lambda log_x, log_z, log_q: _log_mean(_log_w(log_x, log_z, log_q).flatten())
        ),
        "You took off the log of the batch size. There are K samples, and K is the length of the first axis.": (
            lambda log_x, log_z, log_q: torch.logsumexp(_log_w(log_x, log_z, log_q), 0) - math.log(log_x.shape[1])
        ),
        "This adds the log weights up, and so multiplies the weights. The bound adds the weights.": (
            lambda log_x, log_z, log_q: _log_w(log_x, log_z, log_q).sum(0) - math.log(len(log_x))
        ),
        "This is minus the bound, the loss. Return the bound.": (
            lambda log_x, log_z, log_q: -_log_mean(_log_w(log_x, log_z, log_q))
        ),
        "These are bits. Natural logarithms give nats.": (
            lambda log_x, log_z, log_q: _log_mean(_log_w(log_x, log_z, log_q)) / math.log(2)
        ),
        "This is the log weights' own mean under the normalised weights: it has nearly the bound's gradient, not its "
        "value.": lambda log_x, log_z, log_q: (
            torch.softmax(_log_w(log_x, log_z, log_q), 0) * _log_w(log_x, log_z, log_q)
        ).sum(0),
        "You took the largest weight out and did not put it back: add it after the logarithm.": (
            lambda log_x, log_z, log_q: _log_mean(
                _log_w(log_x, log_z, log_q) - _log_w(log_x, log_z, log_q).max(0).values
            )
        ),
    },
    also_right=[
        _bound_by_loop,
        _bound_by_the_largest,
        lambda log_x, log_z, log_q: torch.logsumexp(
            log_x.sum(2) + (log_z - log_q).sum(2) - torch.tensor(float(len(log_x))).double().log(), dim=0
        ),
    ],
)


# A mean outside, a mean inside ---------------------------------------------------------------------------------------


def _mean_of_bounds(log_w):
    bounds = torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])
    return bounds.mean(0)


def _mean_of_bounds_by_loop(log_w):
    total = 0
    for one in log_w:
        top = one.max(0).values
        total = total + ((one - top).exp().sum(0) / len(one)).log() + top
    return total / len(log_w)


mean_of_bounds = Exercise(
    ask="Return the mean of M draws of the bound, each with K weights of its own.",
    reference=_mean_of_bounds,
    cases=drawing(lambda draw: [(draw(3, 4, 2),), (2 * draw(5, 1, 3) - 1,), (draw(1, 6, 2) + 0.5,),
                                 (9 * draw(2, 7, 3) - 800,), (700 + 5 * draw(6, 2, 4),)]),
    misconceptions={
        "You averaged all M K weights inside one logarithm: that is L with M K samples. Each set has a logarithm of "
        "its own.": lambda log_w: _log_mean(log_w.flatten(0, 1)),
        "Both means stand outside the logarithm: that is the ELBO, whatever K is.": lambda log_w: log_w.mean((0, 1)),
        "The axes are exchanged: your logarithm averages over the M sets. The K weights of a set are the second "
        "axis.": lambda log_w: _log_mean(log_w).mean(0),
        "log K is missing: inside the logarithm stands a mean.": lambda log_w: torch.logsumexp(log_w, 1).mean(0),
        "You divided the logarithm by K. The weights are divided, which takes log K off their logarithm.": (
            lambda log_w: (torch.logsumexp(log_w, 1) / log_w.shape[1]).mean(0)
        ),
        "You took off log M. Inside the logarithm are the K weights of one set.": (
            lambda log_w: torch.logsumexp(log_w, 1).mean(0) - math.log(len(log_w))
        ),
        "This is the sum over the sets. More sets should steady the result, not enlarge it: take the mean.": (
            lambda log_w: _log_mean(log_w.transpose(0, 1)).sum(0)
        ),
        "One value for each set: average over the sets, the first axis.": lambda log_w: _log_mean(
            log_w.transpose(0, 1)
        ),
        "You averaged over the batch as well: each datum has its own bound.": (
            lambda log_w: _log_mean(log_w.transpose(0, 1)).mean()
        ),
        "exp left the range of floating point. Stay in log space.": lambda log_w: log_w.exp().mean(1).log().mean(0),
    },
    also_right=[
        _mean_of_bounds_by_loop,
        lambda log_w: torch.stack([_log_mean(one) for one in log_w]).mean(0),
        lambda log_w: torch.einsum("mb->b", torch.logsumexp(log_w - math.log(log_w.size(1)), 1)) / log_w.size(0),
    ],
)  # fmt: skip

sixty_four_weights = Choice(
    ask="64 weights. A: the mean of 64 bounds with K = 1. B: one bound with K = 64. Which is closer to log p(x)?",
    options={
        "a": "A on average: it averages more often",
        "b": "B on average; A varies less from run to run, around a value that is too low",
        "c": "B on average; A has the same mean as B, and varies more",
        "d": "both alike: they use the same 64 weights",
    },
    feedback={
        "a": "Averaging outside the logarithm takes out noise. What Jensen took away it does not bring back: the mean "
        "stays the ELBO.",
        "b": "Outside the logarithm a mean buys variance, inside it buys bias. Only the second moves the bound.",
        "c": "A's mean is the ELBO, B's is L_64: those differ by what K is worth. Compare the two variances too: a "
        "weight varies more than its logarithm.",
        "d": "The same weights, but the logarithm stands at another place, and it is no linear function.",
    },
    right="b",
)


# It climbs -----------------------------------------------------------------------------------------------------------


def _subset_bound(log_w, m):
    chosen = torch.combinations(torch.arange(len(log_w)), m)
    bounds = torch.logsumexp(log_w[chosen], 1) - math.log(m)
    return bounds.mean(0)


@drawing
def _weights_and_sizes(draw):
    shapes = [(4, 3, 2), (5, 2, 3), (6, 4, 1), (5, 7, 5), (7, 2, 4)]
    return [(1.5 * draw(K, B) - (900 if K == 7 else 1), m) for K, B, m in shapes]


def _every(log_w, m, **how):
    return log_w[torch.combinations(torch.arange(len(log_w)), m, **how)]


def _subset_bound_by_loop(log_w, m):
    bounds = [torch.stack(chosen).logsumexp(0) for chosen in itertools.combinations(log_w, m)]
    return sum(bounds) / math.comb(len(log_w), m) - math.log(m)


def _subset_bound_by_order(log_w, m):  # every subset as often as it has orders
    orders = torch.tensor(list(itertools.permutations(range(len(log_w)), m)))
    top = log_w.max(0).values
    return ((log_w - top).exp()[orders].mean(1).log() + top).mean(0)


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

one_more = Choice(
    ask="You hold the log of the mean of 10 weights, and draw an eleventh. What will the new value do?",
    options={
        "a": "rise for certain: the bound climbs with K",
        "b": "rise more often than fall: the bound climbs with K",
        "c": "fall more often than rise, and yet rise on average",
        "d": "rise as often as fall: all weights come from one distribution",
    },
    feedback={
        "a": "It rises where the eleventh weight lies above the mean of the ten. That is not certain: it is the mean "
        "over all draws that climbs.",
        "b": "It rises where the eleventh weight lies above the mean of the ten. Weights have a long tail: how many of "
        "them lie above their own mean?",
        "c": "Few weights lie above their mean, and those few lie far above. The rises are rare and large.",
        "d": "A median has half of the draws above it. Here the eleventh weight is held against a mean, and the "
        "weights have a long tail to the right.",
    },
    right="c",
)


# log p(x) of a test set, in pieces -----------------------------------------------------------------------------------


def _nll(pieces):
    log_w = torch.cat(pieces)
    log_p = torch.logsumexp(log_w, 0) - math.log(len(log_w))
    return -log_p.mean(), log_p.std() / math.sqrt(len(log_p))


@drawing
def _pieces(draw):
    cases = [((2, 4), 3, 2.0, -3.0), ((3, 5, 1), 6, 1.0, 2.0), ((7,), 4, 1.5, -80.0), ((5, 1, 3, 2), 8, 9.0, -900.0)]
    return [([at + spread * draw(k, N) for k in ks],) for ks, N, spread, at in cases]


def _nll_by_running_total(pieces):
    total, K = torch.full_like(pieces[0][0], -math.inf), 0
    for piece in pieces:
        total, K = torch.logaddexp(total, piece.logsumexp(0)), K + len(piece)
    log_p = total - math.log(K)
    return -log_p.mean(), log_p.var().sqrt() / len(log_p) ** 0.5


def _nll_by_image(pieces):
    each = []
    for log_w in torch.cat(pieces).T.tolist():
        top = max(log_w)
        each.append(-top - math.log(math.fsum(math.exp(one - top) for one in log_w) / len(log_w)))
    mean = sum(each) / len(each)
    return mean, math.sqrt(sum((one - mean) ** 2 for one in each) / (len(each) * (len(each) - 1)))


def _told(log_p, sign=-1.0):
    return sign * log_p.mean(), log_p.std() / math.sqrt(len(log_p))


nll = Exercise(
    ask="Return the mean negative log-likelihood of a test set and its standard error, from weights in pieces.",
    reference=_nll,
    cases=_pieces,
    misconceptions={
        "You took the logarithm of each piece and averaged those: that is the bound with as few samples as a piece "
        "has. All K weights of an image belong inside one logarithm.": (
            lambda pieces: _told(torch.stack([_log_mean(one) for one in pieces]).mean(0))
        ),
        "You averaged the pieces' logarithms by their sizes: still the bound with as few samples as a piece has. All "
        "K weights of an image belong inside one logarithm.": lambda pieces: _told(
            sum(len(one) * _log_mean(one) for one in pieces) / sum(len(one) for one in pieces)
        ),
        "You averaged the pieces' mean weights as if all pieces were of one size. A piece counts by its number of "
        "samples.": lambda pieces: _told(_log_mean(torch.stack([_log_mean(one) for one in pieces]))),
        "Only one piece is in your result. Keep a running total over all of them.": (
            lambda pieces: _told(_log_mean(pieces[-1]))
        ),
        "You added the pieces' logarithms, and so multiplied their sums. Sums given as logarithms are added by "
        "logaddexp.": lambda pieces: _told(sum(one.logsumexp(0) for one in pieces) - math.log(sum(map(len, pieces)))),
        "Your running total starts at 0, the logarithm of 1: one weight too many. Start at the logarithm of "
        "nothing.": lambda pieces: _told(
            torch.logsumexp(torch.cat([0 * pieces[0][:1], *pieces]), 0) - math.log(sum(map(len, pieces)))
        ),
        "You averaged over the images of each piece, then over the pieces. An image has one estimate, from all pieces; "
        "mean and error bar are over images.": (
            lambda pieces: (
                (each := torch.stack([-_log_mean(one).mean() for one in pieces])).mean(),
                each.std() / math.sqrt(len(each)),
            )
        ),
        "You divided by the number of pieces. K is the number of samples in all of them.": lambda pieces: _told(
            torch.logsumexp(torch.cat(pieces), 0) - math.log(len(pieces))
        ),
        "log K is missing: p(x) is the mean of the weights, not their sum.": (
            lambda pieces: _told(torch.logsumexp(torch.cat(pieces), 0))
        ),
        "This is the log-likelihood. The negative one is asked for.": (
            lambda pieces: _told(_log_mean(torch.cat(pieces)), sign=1.0)
        ),
        "This is the mean of the log weights, the negative ELBO. Average the weights first, then take the logarithm.": (
            lambda pieces: _told(torch.cat(pieces).mean(0))
        ),
        "All images stand inside one logarithm. Each image has a p(x) of its own; average their logarithms.": (
            lambda pieces: (
                -_log_mean(torch.cat(pieces).flatten()),
                _told(_log_mean(torch.cat(pieces)))[1],
            )
        ),
        "exp left the range of floating point. Stay in log space: logsumexp for a piece, logaddexp for the total.": (
            lambda pieces: _told(torch.cat(pieces).exp().mean(0).log())
        ),
        "This is the sum over the images. Return the mean, in nats an image.": lambda pieces: (
            -_log_mean(torch.cat(pieces)).sum(),
            _told(_log_mean(torch.cat(pieces)))[1],
        ),
        "Your error bar is the spread of single images. The mean of N images varies less: divide by the root of N.": (
            lambda pieces: (-_log_mean(torch.cat(pieces)).mean(), _log_mean(torch.cat(pieces)).std())
        ),
        "Your error bar is a little too short. The mean comes from the same images: divide the squares by N - 1.": (
            lambda pieces: (
                -_log_mean(torch.cat(pieces)).mean(),
                _log_mean(torch.cat(pieces)).std(correction=0) / math.sqrt(pieces[0].shape[1]),
            )
        ),
        "You divided by the root of the number of samples. The error bar is over images: another test set of N.": (
            lambda pieces: (
                -_log_mean(torch.cat(pieces)).mean(),
                _log_mean(torch.cat(pieces)).std() / math.sqrt(sum(len(one) for one in pieces)),
            )
        ),
        "These are bits. Natural logarithms give nats.": (
            lambda pieces: tuple(one / math.log(2) for one in _told(_log_mean(torch.cat(pieces))))
        ),
        "You averaged over the images and took an error over samples. Samples are the first axis.": (
            lambda pieces: _told(_log_mean(torch.cat(pieces).T))
        ),
    },
    also_right=[_nll_by_running_total, _nll_by_image],
)

who_is_better = Choice(
    ask="A paper reports 89.2 nats with K = 5000. You measure 90.1 with K = 100, on the same images. Who is better?",
    options={
        "a": "the paper, by 0.9 nats: the images are the same, so the difference is paired",
        "b": "your model: with fewer samples its bound had the harder test",
        "c": "nobody can tell: with K = 5000 your number would be lower, and nobody knows by how much",
        "d": "nobody can tell: importance sampling is too noisy for differences of one nat",
    },
    feedback={
        "a": "Paired images take out the luck of the test set, not the bias of the logarithm. That falls with K, and "
        "yours has not had the chance.",
        "b": "The test was harder, that is true. By how much, nobody has said: it may be less than 0.9 nats, or more.",
        "c": "One and the same model reads lower the more samples you take; the next cell shows one that does. "
        "Measure again with the paper's K.",
        "d": "On the same images a mean over many of them tells apart far less than a nat. It is the bias that "
        "differs here, not the noise.",
    },
    right="c",
)


# Signal and noise ----------------------------------------------------------------------------------------------------

slopes = Choice(
    ask="K grows. What happens to the signal-to-noise ratio of one gradient of the bound?",
    options={
        "a": "decoder and encoder: it grows like the root of K, as for every mean of K draws",
        "b": "decoder: it grows like the root of K; encoder: it falls like one over the root of K",
        "c": "decoder: it stays; encoder: it falls like 1/K",
        "d": "decoder and encoder: it falls, since the bound gets flatter near log p(x)",
    },
    feedback={
        "a": "So it is for the decoder. What the encoder learns from is the gap, and the gap closes: which of its "
        "gradient's mean and its spread falls faster?",
        "b": "The decoder's signal stays, its noise falls like one over the root of K. The encoder's signal falls like "
        "1/K, with the gap; its noise again like one over the root of K.",
        "c": "The encoder's signal does fall like 1/K. Divide it by its noise, which falls as well.",
        "d": "log p(x) has a slope for the decoder's parameters, however close the bound comes. For the encoder's it "
        "has none.",
    },
    right="b",
)


def _snr_curve(K, gradients):
    ratio = gradients.mean(1).abs() / gradients.std(1)
    log_K = K.log() - K.log().mean()
    slope = (log_K[:, None] * ratio.log()).sum(0) / log_K.square().sum()
    return ratio, slope


@drawing
def _gradients(draw):
    sizes = [(3, 5, 2), (4, 7, 3), (5, 30, 1), (6, 4, 5)]
    ladders = [(1.0, 2.0, 8.0), (1.0, 3.0, 4.0, 30.0), (2.0, 4.0, 5.0, 16.0, 50.0), (1.0, 2.0, 4.0, 8.0, 16.0, 64.0)]
    signs = [1.0, -1.0, 1.0, -1.0]
    return [
        (torch.tensor(K).double(), sign * (1.4 + draw(T, 1, P).abs()) + (0.3 + draw(P) ** 2) * draw(T, R, P))
        for K, sign, (T, R, P) in zip(ladders, signs, sizes, strict=True)
    ]  # fmt: skip


def _slope(x, y):
    away = (x - x.mean())[:, None]
    return (away * y).sum(0) / away.square().sum()


def _with_slope(K, ratio):
    return ratio, _slope(K.log(), ratio.log())


def _ratio(gradients):
    return gradients.mean(1).abs() / gradients.std(1)


def _snr_by_loop(K, gradients):
    T, R, P = gradients.shape
    ratio = torch.zeros(T, P, dtype=gradients.dtype)
    for t, j in itertools.product(range(T), range(P)):
        runs = gradients[t, :, j].tolist()
        mean = math.fsum(runs) / R
        ratio[t, j] = abs(mean) / math.sqrt(math.fsum((one - mean) ** 2 for one in runs) / (R - 1))
    x = [math.log(one) for one in K.tolist()]
    middle = sum(x) / T
    square = sum((one - middle) ** 2 for one in x)
    return ratio, sum((one - middle) / square * row.log() for one, row in zip(x, ratio, strict=True))


snr_curve = Exercise(
    ask="Return the signal-to-noise ratio of each parameter's gradient for each K, and its slope on log-log axes.",
    reference=_snr_curve,
    cases=_gradients,
    misconceptions={
        "You divided by the variance. A ratio without units has the standard deviation below.": (
            lambda K, gradients: _with_slope(K, gradients.mean(1).abs() / gradients.var(1))
        ),
        "You divided by the standard error of the mean of R runs. The question is how noisy a single gradient is, "
        "whatever R is.": lambda K, gradients: _with_slope(K, _ratio(gradients) * math.sqrt(gradients.shape[1])),
        "This is the mean of the absolute gradients: with noise alone it would still be large. Average first, then "
        "take the absolute value.": lambda K, gradients: _with_slope(K, gradients.abs().mean(1) / gradients.std(1)),
        "The absolute value is missing: a gradient's sign is no part of its strength, and its logarithm would fail.": (
            lambda K, gradients: (gradients.mean(1) / gradients.std(1), _slope(K.log(), _ratio(gradients).log()))
        ),
        "The absolute value is missing: where the mean is negative, your logarithm is NaN.": (
            lambda K, gradients: _with_slope(K, gradients.mean(1) / gradients.std(1))
        ),
        "Upside down: the signal stands above, the noise below.": (
            lambda K, gradients: _with_slope(K, 1 / _ratio(gradients))
        ),
        "You divided by R inside the variance. The mean comes from the same runs: divide by R - 1, as `std` does.": (
            lambda K, gradients: _with_slope(K, gradients.mean(1).abs() / gradients.std(1, correction=0))
        ),
        "Below stands the root of the mean square, with the signal still in it. Noise is the spread around the mean.": (
            lambda K, gradients: _with_slope(K, gradients.mean(1).abs() / gradients.square().mean(1).sqrt())
        ),
        "This is the squared ratio. Its slope is twice as steep.": (
            lambda K, gradients: _with_slope(K, _ratio(gradients).square())
        ),
        "You averaged over the parameters as well. Each has a ratio and a slope of its own.": (
            lambda K, gradients: _with_slope(K, _ratio(gradients).mean(-1, keepdim=True))
        ),
        "The runs are the second axis. You averaged over the values of K.": lambda K, gradients: (
            gradients.mean(0).abs() / gradients.std(0),
            _slope(K.log(), _ratio(gradients).log()),
        ),
        "The ratios are right. The slope is against K itself: both axes are logarithmic.": (
            lambda K, gradients: (_ratio(gradients), _slope(K, _ratio(gradients).log()))
        ),
        "The ratios are right. For the slope take their logarithm too: both axes are logarithmic.": (
            lambda K, gradients: (_ratio(gradients), _slope(K.log(), _ratio(gradients)))
        ),
        "The ratios are right. The slope is that of a plain plot: take the logarithm on both axes.": (
            lambda K, gradients: (_ratio(gradients), _slope(K, _ratio(gradients)))
        ),
        "The ratios are right. The slope uses the two ends alone: fit a line to all points.": (
            lambda K, gradients: (
                _ratio(gradients),
                (_ratio(gradients)[-1] / _ratio(gradients)[0]).log() / (K[-1] / K[0]).log(),
            )
        ),
        "The ratios are right. Your line is forced through the origin: take the means of both logarithms off first.": (
            lambda K, gradients: (
                _ratio(gradients),
                (K.log()[:, None] * _ratio(gradients).log()).sum(0) / K.log().square().sum(),
            )
        ),
        "The ratios are right. The slope is log K by log ratio: exchange the axes.": lambda K, gradients: (
            _ratio(gradients),
            torch.stack([_slope(one, K.log()[:, None])[0] for one in _ratio(gradients).log().T]),
        ),
        "The ratios are right. You return the line's height at K = 1. Its slope is asked for.": lambda K, gradients: (
            _ratio(gradients),
            _ratio(gradients).log().mean(0) - _slope(K.log(), _ratio(gradients).log()) * K.log().mean(),
        ),
    },
    also_right=[
        _snr_by_loop,
        lambda K, gradients: _with_slope(K, _ratio(gradients)),
        lambda K, gradients: (
            (gradients.mean(1).square() / gradients.var(1)).sqrt(),
            torch.linalg.pinv(torch.stack([torch.ones_like(K), K.log2()], 1))[1] @ _ratio(gradients).log2(),
        ),
    ],
)


# Doubly reparameterised ----------------------------------------------------------------------------------------------


def _dreg_loss(log_joint, mean, scale, eps):
    z = mean + scale * eps
    log_q = Normal(mean.detach(), scale.detach()).log_prob(z).sum(-1)
    log_w = log_joint(z) - log_q
    weight = torch.softmax(log_w.detach(), 0)
    moving = (weight.square() * log_w).sum(0)
    bound = torch.logsumexp(log_w.detach(), 0) - math.log(len(log_w))
    return -(bound + moving - moving.detach())


def _valley(z):
    return -0.4 * (z.sum(-1) - 1.3).square() - 0.5 * z.square().sum(-1)


def _ripples(z):
    return torch.cos(1.7 * z).sum(-1) - 0.3 * (z - 0.6).square().sum(-1)


def _far_away(z):
    return _ripples(z) - 900


@drawing
def _joints_and_noise(draw):
    sizes = [(_valley, 3, 2, 4), (_ripples, 4, 3, 2), (_valley, 1, 4, 3), (_far_away, 6, 5, 2)]
    return [
        (joint, (0.5 * draw(B, L)).requires_grad_(), (0.3 * draw(B, L)).exp().requires_grad_(), draw(K, B, L))
        for joint, K, B, L in sizes
    ]


def _weights_at(log_joint, mean, scale, eps, stopped=True):
    """log weights at the reparameterised z; with q's parameters held fixed inside log q or not."""
    z = mean + scale * eps
    q = Normal(mean.detach(), scale.detach()) if stopped else Normal(mean, scale)
    return log_joint(z) - q.log_prob(z).sum(-1)


def _with_value(log_w, moving):
    """Minus the bound, with minus the gradient of `moving`."""
    return -(_log_mean(log_w.detach()) + moving - moving.detach())


def _weight(log_w):
    return torch.softmax(log_w.detach(), 0)


def _dreg_sampled(log_joint, mean, scale, eps):
    q = Normal(mean, scale)
    z = q.sample((len(eps),))
    log_w = log_joint(z) - q.log_prob(z).sum(-1)
    return _with_value(log_w, (_weight(log_w).square() * log_w).sum(0))


def _dreg_by_hook(log_joint, mean, scale, eps):
    z = mean + scale * eps
    log_q = -0.5 * ((z - mean.detach()) / scale.detach()) ** 2 - scale.detach().log() - 0.5 * math.log(2 * math.pi)
    log_w = log_joint(z) - log_q.sum(-1)
    weight = _weight(log_w)
    z.register_hook(lambda slope: weight[..., None] * slope)
    return -_log_mean(log_w)  # the bound's own gradient has one weight, the hook puts the other


def _dreg_by_hand(log_joint, mean, scale, eps):
    with torch.enable_grad():
        z = (mean + scale * eps).detach().requires_grad_()
        log_w = log_joint(z) - Normal(mean.detach(), scale.detach()).log_prob(z).sum(-1)
        (slope,) = torch.autograd.grad(log_w.sum(), z)
    pulled = (_weight(log_w)[..., None] ** 2 * slope * (mean + scale * eps)).sum((0, -1))
    return _with_value(log_w, pulled)


def _dreg_by_loop(log_joint, mean, scale, eps):
    log_w = _weights_at(log_joint, mean, scale, eps)
    losses = []
    for one in log_w.unbind(1):
        share = (one - one.logsumexp(0)).detach().exp()
        moving = sum(part * part * value for part, value in zip(share, one, strict=True))
        losses.append(moving.detach() - moving - one.detach().logsumexp(0) + math.log(len(one)))
    return torch.stack(losses)


dreg_loss = Exercise(
    ask="Return minus the bound, with the doubly reparameterised gradient for the mean and the scale of q.",
    reference=_dreg_loss,
    cases=_joints_and_noise,
    compare=CloseWithGradients(),
    misconceptions={
        "The value is right, the gradient is the bound's own, with the score's noise in it. Hold q's parameters fixed "
        "inside log q, and square the weights.": lambda log_joint, mean, scale, eps: (
            -_log_mean(_weights_at(log_joint, mean, scale, eps, stopped=False))
        ),
        "You held q's parameters fixed inside log q, and left the weights as they are: that drops the score term, and "
        "the gradient is biased. What the score term turns into makes the weights squares.": (
            lambda log_joint, mean, scale, eps: -_log_mean(_weights_at(log_joint, mean, scale, eps))
        ),
        "The weights are squared, but q's parameters still move inside log q: the score is in your gradient. Let them "
        "be reached through z alone.": lambda log_joint, mean, scale, eps: _with_value(
            (log_w := _weights_at(log_joint, mean, scale, eps, stopped=False)),
            (_weight(log_w).square() * log_w).sum(0),
        ),
        "Your squared weights are differentiated too. They multiply the gradient: detach them.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (torch.softmax(log_w, 0).square() * log_w).sum(0),
            )
        ),
        "The gradient is right, the value is not the bound's, and a loss curve would mislead. Give the weighted sum "
        "the value zero and add the bound, detached.": lambda log_joint, mean, scale, eps: (
            -(_weight(log_w := _weights_at(log_joint, mean, scale, eps)).square() * log_w).sum(0)
        ),
        "Two things are missing: the weights are not squared, and the value is not the bound's.": (
            lambda log_joint, mean, scale, eps: (
                -(_weight(log_w := _weights_at(log_joint, mean, scale, eps)) * log_w).sum(0)
            )
        ),
        "Your squared weights are differentiated too, and the value is not the bound's. Detach them, and give the "
        "weighted sum the value zero.": lambda log_joint, mean, scale, eps: (
            -(torch.softmax(log_w := _weights_at(log_joint, mean, scale, eps), 0).square() * log_w).sum(0)
        ),
        "q's parameters move inside log q, and the value is not the bound's. Let them be reached through z alone, and "
        "give the weighted sum the value zero.": lambda log_joint, mean, scale, eps: (
            -(
                _weight(log_w := _weights_at(log_joint, mean, scale, eps, stopped=False)).square() * log_w
            ).sum(0)
        ),
        "The value counts twice: to the weighted sum you added the bound. Take the sum's own value off again, "
        "detached.": lambda log_joint, mean, scale, eps: (
            -_log_mean((log_w := _weights_at(log_joint, mean, scale, eps)).detach())
            - (_weight(log_w).square() * log_w).sum(0)
        ),
        "The bound in your loss brings its own gradient along. Detach it: it is there for its value.": (
            lambda log_joint, mean, scale, eps: (
                -_log_mean(log_w := _weights_at(log_joint, mean, scale, eps))
                - (moving := (_weight(log_w).square() * log_w).sum(0))
                + moving.detach()
            )
        ),
        "This is the bound. An optimiser goes downhill: return minus the bound.": (
            lambda log_joint, mean, scale, eps: -_dreg_loss(log_joint, mean, scale, eps)
        ),
        "The value is minus the bound, the gradient points the other way: the loss would climb as you train.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                -(_weight(log_w).square() * log_w).sum(0),
            )
        ),
        "z inside log q is detached, so the slope of log q along z is lost. Detach the parameters there, not z.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (
                    log_w := log_joint(z := mean + scale * eps)
                    - Normal(mean.detach(), scale.detach()).log_prob(z.detach()).sum(-1)
                ),
                (_weight(log_w).square() * log_w).sum(0),
            )
        ),
        "No gradient is left: everything is detached, or `backward` in your function used it up. z must depend on the "
        "mean and the scale.": (
            lambda log_joint, mean, scale, eps: _dreg_loss(log_joint, mean, scale, eps).detach()
        ),
        "Your gradient is the mean over the samples, K times too small. The weights add up to one already: sum.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (_weight(log_w).square() * log_w).mean(0),
            )
        ),
        "Your weights are normalised over the batch. Samples are the first axis.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (torch.softmax(log_w.detach(), -1).square() * log_w).sum(0),
            )
        ),
        "Your weights are not normalised: divide by their sum before you square, which a softmax does.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (log_w.detach().exp().square() * log_w).sum(0),
            )
        ),
        "You squared first and normalised afterwards. Normalise, then square: the squares do not add up to one.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                (torch.softmax(2 * log_w.detach(), 0) * log_w).sum(0),
            )
        ),
        "All samples count alike: that is the ELBO's gradient. Each counts by its squared weight.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (log_w := _weights_at(log_joint, mean, scale, eps)),
                log_w.mean(0),
            )
        ),
        "log K is missing from the value: the bound averages the weights.": (
            lambda log_joint, mean, scale, eps: (
                _dreg_loss(log_joint, mean, scale, eps) - math.log(len(eps))
            )
        ),
        "You treated the scale as a variance: z is the mean plus scale times noise, and Normal takes a scale too.": (
            lambda log_joint, mean, scale, eps: _dreg_loss(log_joint, mean, scale.sqrt(), eps)
        ),
        "log q is a mean over the latent dimensions. Independent coordinates multiply: sum their logs.": (
            lambda log_joint, mean, scale, eps: _with_value(
                (
                    log_w := log_joint(z := mean + scale * eps)
                    - Normal(mean.detach(), scale.detach()).log_prob(z).mean(-1)
                ),
                (_weight(log_w).square() * log_w).sum(0),
            )
        ),
        "log q is missing from the weight.": lambda log_joint, mean, scale, eps: _with_value(
            (log_w := log_joint(mean + scale * eps)), (_weight(log_w).square() * log_w).sum(0)
        ),
        "You averaged over the batch. Return one loss for each datum.": (
            lambda log_joint, mean, scale, eps: _dreg_loss(log_joint, mean, scale, eps).mean()
        ),
        "You drew noise of your own. Use the noise that is given.": (
            lambda log_joint, mean, scale, eps: _dreg_loss(log_joint, mean, scale, torch.randn_like(eps))
        ),
        "You sampled z: that cuts the way to the mean and the scale. Make z from the noise that is given.": (
            _dreg_sampled
        ),
    },
    also_right=[_dreg_by_hook, _dreg_by_hand, _dreg_by_loop],
)  # fmt: skip
