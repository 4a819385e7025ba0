"""Impute."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import ODDS, beside_the_odds, drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.vae.shared import _binary, _decoder, _sample


def _encoder(draw, D, L):
    W, b = draw(D, 2 * L) / math.sqrt(D), draw(2 * L) / 2

    def encode(x):
        return tuple((x @ W + b).chunk(2, -1))

    return encode


def _impute(x, missing, encode, decode, eps, u):
    total = torch.zeros_like(x)
    for noise, uniform in zip(eps, u, strict=True):
        mu, s = encode(x)
        p = torch.sigmoid(decode(mu + s.exp() * noise))
        x = torch.where(missing, (uniform < p).to(x), x)
        total = total + p
    return x, torch.where(missing, total / len(u), x)


@drawing
def _holes(draw):
    cases = []
    for T, B, D, L in ((3, 2, 6, 1), (4, 3, 9, 2), (1, 5, 7, 3), (6, 1, 20, 2), (5, 4, 12, 3)):
        x, missing = _binary(draw(B, D)), draw(B, D) > -0.2
        cases.append(
            (x, missing, _encoder(draw, D, L), _decoder(draw, L, D), draw(T, B, L), torch.special.ndtr(draw(T, B, D)))
        )
    x, missing, encode, decode, eps, u = cases[1]
    missing[0], missing[1] = True, False  # all of one image, and nothing of another
    narrow = (x, missing, lambda x: (encode(x)[0], encode(x)[1] - 14), decode, eps, u)
    return [*cases, narrow, (x, missing, encode, _of_odds, eps, beside_the_odds(draw, 12, NINE).reshape(u.shape))]


NINE = ODDS.repeat(2)[:9]


def _of_odds(z):
    """A decoder that does not look at z."""
    return NINE.expand(*z.shape[:-1], 9)


def _impute_with(code=_sample, fill=None, again=True, every=None, average=None, at_last=None):
    """A misconception: the turns with one part changed.

    fill: (missing, p, uniform, x) -> x. again: encode the x of the last turn, not the first. every: the turn whose
    noise is used. average: (p's and x's of all turns) -> mean.
    """

    def wrong(x, missing, encode, decode, eps, u):
        first, p_s, x_s = x, [], []
        for turn in range(len(eps)):
            at = turn if every is None else every
            mu, s = encode(x if again else first)
            p = torch.sigmoid(decode(code(mu, s, eps[at])))
            x = (fill or _fill)(missing, p, u[at], x)
            p_s.append(p)
            x_s.append(x)
        mean = sum(p_s) / len(p_s) if average is None else average(p_s, x_s)
        return x, torch.where(missing, mean, first) if at_last is None else at_last(missing, mean, first)

    return wrong


def _fill(missing, p, uniform, x):
    return torch.where(missing, (uniform < p).to(x), x)


def _drawn_at_the_end(x, missing, encode, decode, eps, u):
    soft, mean = _impute_with(fill=lambda missing, p, uniform, x: torch.where(missing, p, x))(
        x, missing, encode, decode, eps, u
    )
    return torch.where(missing, (u[-1] < soft).to(x), x), mean


def _impute_by_hand(x, missing, encode, decode, eps, u):
    """Image by image, and pixel by pixel."""
    filled, mean = x.clone(), x.clone()
    for i in range(len(x)):
        total = torch.zeros_like(x[i])
        for noise, uniform in zip(eps[:, i], u[:, i], strict=True):
            mu, s = encode(filled[i : i + 1])
            p = torch.sigmoid(decode(mu + torch.exp(s) * noise))[0]
            for d in missing[i].nonzero().flatten():
                filled[i, d] = 1.0 if uniform[d] < p[d] else 0.0
            total += p
        mean[i, missing[i]] = total[missing[i]] / len(u)
    return filled, mean


def _impute_by_masking(x, missing, encode, decode, eps, u):
    seen, hole = x * ~missing, missing.to(x)
    shown = torch.zeros_like(x)
    for noise, uniform in zip(eps, u, strict=True):
        mu, s = encode(x)
        p = 1 / (1 + (-decode(torch.addcmul(mu, s.exp(), noise))).exp())
        x = seen + hole * (p - uniform > 0)
        shown = shown + p * hole / len(eps)
    return x, seen + shown


impute = Exercise(
    ask="Fill in missing pixels by turns of q and p; return the last filling, and the mean probability of each pixel.",
    reference=_impute,
    cases=_holes,
    misconceptions={
        "You drew the seen pixels anew as well. Keep them: only where missing is True may anything change.": (
            _impute_with(fill=lambda missing, p, uniform, x: (uniform < p).to(x))
        ),
        "The mask is turned round: True marks what is missing.": _impute_with(
            fill=lambda missing, p, uniform, x: _fill(~missing, p, uniform, x),
            at_last=lambda missing, mean, first: torch.where(missing, first, mean),
        ),
        "You filled in the probabilities. The turns are draws: z from q, then pixels from p, 0 or 1.": (
            _impute_with(fill=lambda missing, p, uniform, x: torch.where(missing, p, x))
        ),
        "You rounded the probabilities. A pixel of probability 0.7 is 0 in three turns of ten: compare with u.": (
            _impute_with(fill=lambda missing, p, uniform, x: torch.where(missing, p.round(), x))
        ),
        "The pixels are drawn at the end alone: probabilities go from turn to turn. Let the next turn encode zeros and "
        "ones.": _drawn_at_the_end,
        "0 and 1 are exchanged: u lies below p with probability p, and then the pixel is 1.": (
            _impute_with(fill=lambda missing, p, uniform, x: torch.where(missing, (uniform > p).to(x), x))
        ),
        "Each turn encodes the first x. It has to encode what the turn before has made.": _impute_with(again=False),
        "You decoded mu. Each turn draws z from q, with its own noise.": (
            _impute_with(code=lambda mu, s, eps: mu + 0 * eps)
        ),
        "You decoded the noise itself: z comes from the prior, and the seen pixels are never asked.": (
            _impute_with(code=lambda mu, s, eps: eps)
        ),
        "encode gives a log scale: you read it as a log variance.": (
            _impute_with(code=lambda mu, s, eps: mu + (s / 2).exp() * eps)
        ),
        "s may be negative: it is log sigma. Take exp before it multiplies the noise.": (
            _impute_with(code=lambda mu, s, eps: mu + s * eps)
        ),
        "There is one turn only: does return stand inside the loop?": (
            lambda x, missing, encode, decode, eps, u: _impute(x, missing, encode, decode, eps[:1], u[:1])
        ),
        "The last turn is left out.": (
            lambda x, missing, encode, decode, eps, u: (
                _impute(x, missing, encode, decode, eps[:-1], u[:-1]) if len(u) > 1 else (x, x)
            )
        ),
        "Every turn uses the same noise. eps[t] and u[t] belong to turn t.": _impute_with(every=0),
        "You drew random numbers of your own. Use eps and u.": (
            lambda x, missing, encode, decode, eps, u: _impute(
                x, missing, encode, decode, torch.randn_like(eps), torch.rand_like(u)
            )
        ),
        "The filling is right. For the mean divide the sum over the turns by their number.": (
            _impute_with(average=lambda p_s, x_s: sum(p_s))
        ),
        "The filling is right. The mean is the probability of the last turn only: average over all turns.": (
            _impute_with(average=lambda p_s, x_s: p_s[-1])
        ),
        "The filling is right. You averaged the drawn pixels: the probabilities they were drawn from say the same, "
        "with less noise.": _impute_with(average=lambda p_s, x_s: sum(x_s) / len(x_s)),
        "The filling is right. In the mean, seen pixels are known: they keep their value.": (
            _impute_with(at_last=lambda missing, mean, first: mean)
        ),
        "The filling is right. For the mean, average probabilities, not logits.": _impute_with(
            average=lambda p_s, x_s: torch.sigmoid(sum(p.logit() for p in p_s) / len(p_s))
        ),
        "decode gives logits. You took them for probabilities.": (
            lambda x, missing, encode, decode, eps, u: _impute(x, missing, encode, lambda z: decode(z).logit(), eps, u)
        ),
        "The two results are exchanged: first the filling, then the mean.": lambda *given: _impute(*given)[::-1],
    },
    also_right=[_impute_by_hand, _impute_by_masking, _impute_with()],
)
