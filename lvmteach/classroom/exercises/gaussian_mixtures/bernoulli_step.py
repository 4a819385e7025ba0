"""The same EM for binary data."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _posterior(x, weights, p):
    return torch.softmax(weights.log() + x @ p.log().T + (1 - x) @ (1 - p).log().T, 1)


def _bernoulli_step(x, weights, p):
    r = _posterior(x, weights, p)
    n = r.sum(0)
    return n / len(x), r.T @ x / n[:, None]


@drawing
def _binary(draw):
    cases = []
    for N, C, D in ((4, 2, 3), (9, 3, 5), (6, 1, 2), (7, 2, 900)):
        x = (draw(N, D) > 0).double()
        score, p = draw(C), torch.sigmoid(draw(C, D))
        score[2:] -= 12  # the third answers for next to nothing
        cases.append((x, torch.softmax(score, 0), p))
    # Pixels that are hardly ever ink, and some that nearly always are: only how hardly tells the components apart.
    rare = 10 ** torch.tensor([[-12, -9], [-10, -11], [-9, -12]], dtype=torch.float64)
    x = [[1, 0, 1, 1, 0, 1], [0, 1, 1, 0, 1, 0], [1, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0], [1, 1, 0, 0, 1, 0]]
    p = torch.cat([rare, 1 - rare, torch.sigmoid(draw(3, 2))], 1)
    return [*cases, (torch.tensor(x).double(), torch.softmax(draw(3), 0), p)]


def _with(posterior=_posterior, of_weights=None, of_p=None):
    """A misconception: another posterior, or one of the two results changed."""

    def wrong(x, weights, p):
        r = posterior(x, weights, p)
        n = r.sum(0)
        new = n / len(x), r.T @ x / n[:, None]
        return (
            new[0] if of_weights is None else of_weights(x, r, new[0]),
            new[1] if of_p is None else of_p(x, r, new[1]),
        )

    return wrong


def _without_logs(x, weights, p):
    joint = weights * torch.where(x[:, None] == 1, p, 1 - p).prod(-1)
    return joint / joint.sum(1, keepdim=True)


def _by_loop(x, weights, p):
    shares, sums = torch.zeros_like(weights), torch.zeros_like(p)
    for row in x:
        joint = weights.log() + torch.distributions.Bernoulli(p).log_prob(row).sum(1)
        r = (joint - torch.logsumexp(joint, 0)).exp()
        shares, sums = shares + r, sums + r[:, None] * row
    return shares / len(x), sums / shares[:, None]


def _by_where(x, weights, p):
    log_joint = weights.log() + torch.where(x[:, None] > 0, p.log(), torch.log1p(-p)).sum(-1)
    r = torch.softmax(log_joint, 1)
    return r.mean(0), torch.einsum("nc,nd->cd", r, x) / r.sum(0)[:, None]


bernoulli_step = Exercise(
    ask="Return weights and probabilities after one EM step for a mixture of independent coins.",
    reference=_bernoulli_step,
    cases=_binary,
    misconceptions={
        "The zeros are missing: a pixel that is off has the probability 1 - p, and says as much as one that is on.": (
            _with(lambda x, weights, p: torch.softmax(weights.log() + x @ p.log().T, 1))
        ),
        "The weights are missing from the posterior: the joint is weight times density.": (
            _with(lambda x, weights, p: _posterior(x, torch.ones_like(weights), p))
        ),
        "A product of many probabilities underflows. Add logarithms, and let softmax normalise.": _with(_without_logs),
        "Your posterior sums to one over the data. It is over components: each row sums to one.": (
            _with(lambda x, weights, p: torch.softmax(_posterior(x, weights, p).log(), 0))
        ),
        "You gave each datum to one component for certain, as K-means does.": (
            _with(lambda *given: torch.nn.functional.one_hot(_posterior(*given).argmax(1), len(given[1])).double())
        ),
        "Your weights are counts. A probability is a share of all N data.": (
            _with(of_weights=lambda x, r, new: r.sum(0))
        ),
        "Your probabilities are divided by N. Divide by the data that the component answers for.": (
            _with(of_p=lambda x, r, new: r.T @ x / len(x))
        ),
        "Your probabilities are sums: divide them by the data that the component answers for.": (
            _with(of_p=lambda x, r, new: r.T @ x)
        ),
        "All components got the mean of all data. The posterior must weight it.": (
            _with(of_p=lambda x, r, new: x.mean(0).expand_as(new).clone())
        ),
        "You added a pseudo-count for ink and one for none. That keeps p from 0 and 1; the maximum of the likelihood, "
        "which EM climbs to, has none.": (_with(of_p=lambda x, r, new: (r.T @ x + 1) / (r.sum(0)[:, None] + 2))),
        "You cut p off near 0 and 1. It lies between them, so its logarithm is finite; and where a pixel is rare in "
        "all components, how rare it is tells them apart.": lambda x, weights, p: _bernoulli_step(
            x, weights, p.clamp(1e-6, 1 - 1e-6)
        ),
        "Those are the probabilities of zero. p is the probability of one.": _with(of_p=lambda x, r, new: 1 - new),
        "A row for each component, a column for each pixel: yours are transposed.": (
            _with(of_p=lambda x, r, new: new.T)
        ),
        "The two results are exchanged: first the weights, then the probabilities.": (
            lambda *given: _bernoulli_step(*given)[::-1]
        ),
    },
    also_right=[_by_loop, _by_where, _with()],
)
