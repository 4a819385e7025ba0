"""Fill in by weighted draws."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _impute_weighted(x, missing, log_w, p):
    w = torch.softmax(log_w, 0)
    mean = (w[..., None] * p).sum(0)
    return torch.where(missing, mean, x)


@drawing
def _draws(draw):
    cases = []
    for K, B, D in ((2, 2, 3), (4, 3, 5), (6, 1, 4), (5, 4, 2)):
        x, missing = (draw(B, D) > 0).double(), draw(B, D) > -0.3
        cases.append((x, missing, 2 * draw(K, B) - (900 if K == 5 else 30), torch.sigmoid(2 * draw(K, B, D))))
    x, missing, log_w, _ = cases[1]
    log_w = log_w + torch.tensor([0.0, -900.0, 700.0])  # no common maximum serves all data, nor all draws
    log_w[:-1] -= 3000
    return [*cases, (draw(3, 5).relu(), missing, log_w, 3 * draw(4, 3, 5))]  # pixels that are real numbers


def _by_log_sum(x, missing, log_w, p):
    w = (log_w - log_w.logsumexp(0)).exp()
    return x * ~missing + torch.einsum("kb,kbd->bd", w, p) * missing


def _by_loop(x, missing, log_w, p):
    filled = x.clone()
    for b in range(len(x)):
        w = (log_w[:, b] - log_w[:, b].max()).exp()
        for d in missing[b].nonzero().flatten():
            filled[b, d] = (w @ p[:, b, d]) / w.sum()
    return filled


impute_weighted = Exercise(
    ask="Return x with its missing pixels at sum_k w~_k p_k, w~ the self-normalised weights; seen pixels as they are.",
    reference=_impute_weighted,
    cases=_draws,
    misconceptions={
        "The weights are left out: draws from q are not draws from p(z | x_o).": (
            lambda x, missing, log_w, p: torch.where(missing, p.mean(0), x)
        ),
        "One draw, without its weight.": lambda x, missing, log_w, p: torch.where(missing, p[0], x),
        "The draw with the largest weight alone. The others count by theirs.": (
            lambda x, missing, log_w, p: torch.where(
                missing, p.gather(0, log_w.argmax(0)[None, :, None].expand(1, *x.shape))[0], x
            )
        ),
        "The weights are normalised over the images. They belong to one x: normalise over the K draws.": (
            lambda x, missing, log_w, p: torch.where(missing, (torch.softmax(log_w, 1)[..., None] * p).sum(0), x)
        ),
        "The mask is turned round: True marks what is missing.": (
            lambda x, missing, log_w, p: _impute_weighted(x, ~missing, log_w, p)
        ),
        "The seen pixels were replaced as well. They are known.": (
            lambda x, missing, log_w, p: (torch.softmax(log_w, 0)[..., None] * p).sum(0)
        ),
        "You weighted with the logarithms.": (
            lambda x, missing, log_w, p: torch.where(missing, (log_w[..., None] * p).sum(0) / log_w.sum(0)[:, None], x)
        ),
        "The weights do not sum to one: divide by their sum.": (
            lambda x, missing, log_w, p: torch.where(missing, (log_w.exp()[..., None] * p).sum(0), x)
        ),
        "exp underflowed to 0 / 0. Take the largest log weight out first: softmax does.": (
            lambda x, missing, log_w, p: torch.where(
                missing, (log_w.exp()[..., None] * p).sum(0) / log_w.exp().sum(0)[:, None], x
            )
        ),
        "You rounded. The mean is a probability, and says how sure the filling is.": (
            lambda x, missing, log_w, p: torch.where(missing, _impute_weighted(x, missing, log_w, p).round(), x)
        ),
        "You divided by K as well: weights that sum to one need no other mean.": (
            lambda x, missing, log_w, p: torch.where(missing, (torch.softmax(log_w, 0)[..., None] * p).mean(0), x)
        ),
    },
    also_right=[_by_log_sum, _by_loop],
)
