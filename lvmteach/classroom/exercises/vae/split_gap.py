"""The gap of the bound, split in two where both parts have a closed form."""

from __future__ import annotations

import torch
from torch.distributions import MultivariateNormal, kl_divergence

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _split_gap(m, A, mu, s):
    held = torch.diagonal(A, dim1=-2, dim2=-1)
    approximation = (held.log().sum(-1) - torch.linalg.slogdet(A).logabsdet) / 2
    ratio = held * (2 * s).exp()
    away = torch.einsum("bi,bij,bj->b", mu - m, A, mu - m)
    return approximation, (away + (ratio - 1 - ratio.log()).sum(-1)) / 2


def _total(m, A, mu, s):
    """KL(q || p(z|x)), the whole gap, by torch."""
    p = MultivariateNormal(m, precision_matrix=A)
    return kl_divergence(MultivariateNormal(mu, scale_tril=torch.diag_embed(s.exp())), p)


def _by_torch(m, A, mu, s):
    best = _total(m, A, m, -0.5 * A.diagonal(dim1=-2, dim2=-1).log())
    return best, _total(m, A, mu, s) - best


def _by_loop(m, A, mu, s):
    pairs = []
    for one_m, one_A, one_mu, one_s in zip(m, A, mu, s, strict=True):
        best = torch.diag(torch.diag(one_A).rsqrt())
        p = MultivariateNormal(one_m, precision_matrix=one_A)
        least = kl_divergence(MultivariateNormal(one_m, scale_tril=best), p)
        whole = kl_divergence(MultivariateNormal(one_mu, scale_tril=torch.diag(one_s.exp())), p)
        pairs.append((least, whole - least))
    return tuple(torch.stack(part) for part in zip(*pairs, strict=True))


@drawing
def _posteriors(draw):
    cases = []
    for B, L in ((1, 1), (2, 2), (3, 2), (4, 3), (2, 5)):
        root = draw(B, L, L)
        A = root @ root.mT + 0.5 * torch.eye(L, dtype=root.dtype)
        cases.append((draw(B, L), A, draw(B, L), 0.4 * draw(B, L) - 0.5))
    root = draw(1, 60, 60)  # narrow in many dimensions: the determinant has no place in floating point
    A = 1e6 * (root @ root.mT + torch.eye(60, dtype=root.dtype))
    m, precision, mu, s = cases[3]
    unit = torch.tensor([[1e6], [1.0], [1e-6], [1e3]]).to(m)  # of each image's z, which leaves the gaps alone
    in_units, far = (unit * m, precision / unit[:, None] ** 2, unit * mu, s + unit.log()), torch.full_like(m, 1e5)
    return [*cases, in_units, (m + far, precision, mu + far, s), (draw(1, 60), A, draw(1, 60), draw(1, 60) - 7)]


def _with_widths(variances):
    """A misconception: the best q has other variances."""

    def wrong(m, A, mu, s):
        best = _total(m, A, m, 0.5 * variances(A).log())
        return best, _total(m, A, mu, s) - best

    return wrong


def _reverse(m, A, mu, s):
    """Both parts by KL(p || q): there the best q has p's own variances."""
    p = MultivariateNormal(m, precision_matrix=A)
    variances = torch.linalg.inv(A).diagonal(dim1=-2, dim2=-1)
    to_best = kl_divergence(p, MultivariateNormal(m, scale_tril=torch.diag_embed(variances.sqrt())))
    whole = kl_divergence(p, MultivariateNormal(mu, scale_tril=torch.diag_embed(s.exp())))
    return to_best, whole - to_best


def _by_determinant(m, A, mu, s):
    log_det, held = torch.linalg.det(A).log(), torch.diagonal(A, dim1=-2, dim2=-1)
    first = (held.log().sum(-1) - log_det) / 2
    away = torch.einsum("bi,bij,bj->b", mu - m, A, mu - m)
    return first, (away + (held * (2 * s).exp() - 1 - 2 * s).sum(-1) - log_det) / 2 - first


split_gap = Exercise(
    ask="Split KL(q || p(z|x)) into approximation and amortisation gap, for a Gaussian posterior and a diagonal q.",
    reference=_split_gap,
    cases=_posteriors,
    misconceptions={
        "Your best q has the posterior's own variances, the diagonal of the inverse of A. Least KL(q || p) gives "
        "1/A_dd: narrower, each coordinate with the others held.": (
            _with_widths(lambda A: torch.linalg.inv(A).diagonal(dim1=-2, dim2=-1))
        ),
        "Your best q has the variances A_dd. A is a precision: 1/A_dd.": (
            _with_widths(lambda A: A.diagonal(dim1=-2, dim2=-1))
        ),
        "You took KL(p || q). The gap of the bound is KL(q || p).": _reverse,
        "The second is the whole gap. Take the approximation gap off: the two add up to it.": (
            lambda m, A, mu, s: (_split_gap(m, A, mu, s)[0], _total(m, A, mu, s))
        ),
        "The two are exchanged: first what the family costs, then what the encoder adds.": (
            lambda m, A, mu, s: _split_gap(m, A, mu, s)[::-1]
        ),
        "The first is twice too large: there is a half before the logarithms.": (
            lambda m, A, mu, s: (2 * _split_gap(m, A, mu, s)[0], _split_gap(m, A, mu, s)[1])
        ),
        "The sign of the first: by Hadamard log det A is at most the sum of log A_dd, and no gap is negative.": (
            lambda m, A, mu, s: (-_split_gap(m, A, mu, s)[0], _split_gap(m, A, mu, s)[1])
        ),
        "The amortisation gap lacks the mean: an encoder may be at the wrong place as well as too wide.": (
            lambda m, A, mu, s: (_split_gap(m, A, mu, s)[0], _split_gap(m, A, m, s)[1])
        ),
        "The amortisation gap lacks the widths: an encoder may be too wide as well as at the wrong place.": (
            lambda m, A, mu, s: (
                _split_gap(m, A, mu, s)[0],
                _split_gap(m, A, mu, -0.5 * A.diagonal(dim1=-2, dim2=-1).log())[1],
            )
        ),
        "The mean's error is weighed by the diagonal of A alone, as in the KL between the two q's. It costs "
        "(mu - m)' A (mu - m) / 2, with all of A.": (
            lambda m, A, mu, s: (
                _split_gap(m, A, mu, s)[0],
                _total(m, torch.diag_embed(A.diagonal(dim1=-2, dim2=-1)), mu, s),
            )
        ),
        "You read s as a log variance. The variance of q is exp(2 s).": lambda m, A, mu, s: _split_gap(m, A, mu, s / 2),
        "A determinant of many dimensions has no place in floating point. Take its logarithm at once: slogdet, or "
        "the sum of the logs of a Cholesky factor's diagonal, twice.": _by_determinant,
        "You averaged over the images. One split for each, please.": (
            lambda m, A, mu, s: tuple(part.mean() for part in _split_gap(m, A, mu, s))
        ),
    },
    also_right=[_by_torch, _by_loop],
)
