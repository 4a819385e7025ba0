"""log p(x) of a test set, in pieces."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.iwae.shared import _log_mean


def _nll(pieces):
    log_w = torch.cat(pieces)
    log_p = torch.logsumexp(log_w, 0) - math.log(len(log_w))
    return -log_p.mean(), log_p.std() / math.sqrt(len(log_p))


@drawing
def _pieces(draw):
    cases = [((2, 4), 3, 2.0, -3.0), ((3, 5, 1), 6, 1.0, 2.0), ((7,), 4, 1.5, -80.0), ((5, 1, 3, 2), 8, 9.0, -900.0)]
    apart = torch.tensor([0.0, -900, 900, -1500])
    cases = [([at + spread * draw(k, N) for k in ks],) for ks, N, spread, at in cases]
    return [*cases, ([draw(2, 4) + apart, draw(3, 4) + apart],)]  # no common maximum serves all data


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
