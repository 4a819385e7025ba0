"""A surrogate loss."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.compare import CloseWithGradients
from lvmteach.classroom.exercises.engine import Exercise


def _surrogate(f_z, log_q):
    zero = log_q - log_q.detach()
    return (f_z + f_z.detach() * zero).mean(0)


@drawing
def _values_and_log_probs(draw):
    shapes = [(3,), (5, 2), (4, 2, 3), (1, 2), (6, 2)]
    cases = [(1 + 2 * draw(*s), draw(*s) - 1.3) for s in shapes]
    f_z, log_q = cases[-1]
    f_z[0], log_q[0, 0], log_q[1:] = 0, 0, 900 * draw(5, 2)  # densities in many dimensions, large and small
    return [(f_z.requires_grad_(), log_q.requires_grad_()) for f_z, log_q in cases]


def _surrogate_by_loop(f_z, log_q):
    total = torch.zeros_like(f_z[0])
    for value, log_prob in zip(f_z, log_q, strict=True):
        score_part = value.detach() * log_prob
        total = total + value + score_part - score_part.detach()
    return total / len(f_z)


surrogate = Exercise(
    ask="Return a loss whose value is the mean of f and whose gradient is the score-function estimate.",
    reference=_surrogate,
    cases=_values_and_log_probs,
    compare=CloseWithGradients(),
    misconceptions={
        "The score does not enter: autograd cannot know that other parameters would have drawn other z. Add a term "
        "of value zero whose gradient is f times the score.": lambda f_z, log_q: f_z.mean(0),
        "Its value means nothing, and f's own dependence on the parameters gets no gradient. You need the mean of f "
        "as well, and a score term of value zero.": lambda f_z, log_q: (f_z.detach() * log_q).mean(0),
        "In this product f's own gradient is multiplied by log q. Inside the score term f is a number: hold it fixed "
        "there.": lambda f_z, log_q: (f_z * log_q).mean(0),
        "The gradient is right, the value is not: your score term moves it. Take off what it is worth, without its "
        "gradient.": lambda f_z, log_q: (f_z + f_z.detach() * log_q).mean(0),
        "f may depend on the parameters itself, as the ELBO does, and you cut that part off: detach f in the score "
        "term alone.": lambda f_z, log_q: (f_z.detach() + f_z.detach() * (log_q - log_q.detach())).mean(0),
        "You took a baseline off: the mean of f. Here f itself multiplies the score.": (
            lambda f_z, log_q: (f_z + (f_z - f_z.mean(0)).detach() * (log_q - log_q.detach())).mean(0)
        ),
        "Your score term has the wrong sign. The gradient of q is q times the score, with a plus.": (
            lambda f_z, log_q: (f_z - f_z.detach() * (log_q - log_q.detach())).mean(0)
        ),
        "You differentiate q, not log q. The draws come from q already: only the score is left to average.": (
            lambda f_z, log_q: (f_z + f_z.detach() * (log_q.exp() - log_q.exp().detach())).mean(0)
        ),
        "This is the sum over the draws: K times too large. An expectation is estimated by a mean.": (
            lambda f_z, log_q: (f_z + f_z.detach() * (log_q - log_q.detach())).sum(0)
        ),
        "You averaged over the last axis. Draws are the first one.": (
            lambda f_z, log_q: (f_z + f_z.detach() * (log_q - log_q.detach())).mean(-1)
        ),
        "You averaged over everything. Only the first axis holds draws; the others are separate problems.": (
            lambda f_z, log_q: (f_z + f_z.detach() * (log_q - log_q.detach())).mean()
        ),
        "The mean of f is missing: your loss is always zero, and f's own dependence on the parameters gets lost.": (
            lambda f_z, log_q: (f_z.detach() * (log_q - log_q.detach())).mean(0)
        ),
        "One value for each draw: average over the draws, the first axis.": (
            lambda f_z, log_q: f_z + f_z.detach() * (log_q - log_q.detach())
        ),
        "You multiplied two means. Each draw's f belongs to its own score: multiply first, then average.": (
            lambda f_z, log_q: f_z.mean(0) + f_z.detach().mean(0) * (log_q - log_q.detach()).mean(0)
        ),
        "The value is right, and no gradient is left to learn from. Everything is detached, or .item(), no_grad or "
        "backward has used the graph up: log q must keep its gradient once.": (lambda f_z, log_q: f_z.mean(0).detach()),
    },
    also_right=[
        _surrogate_by_loop,
        lambda f_z, log_q: (f_z * (log_q - log_q.detach()).exp()).mean(0),
        lambda f_z, log_q: torch.einsum("k...->...", f_z + f_z.detach() * (log_q - log_q.detach())) / len(f_z),
    ],
)
