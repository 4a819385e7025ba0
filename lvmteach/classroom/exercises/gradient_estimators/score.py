"""The score has mean zero."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _score(logits):
    pi = torch.softmax(logits, -1)
    return torch.eye(len(logits)).to(logits) - pi


@drawing
def _logits(draw):
    apart = 800.0 * torch.tensor([0, -1, 1])  # a probability of zero
    return [(draw(3),), (1 + 2 * draw(5),), (900 + draw(4),), (draw(7) - 800,), (draw(3) + apart,)]


score = Exercise(
    ask="Return the score of every class: the gradient of its log probability for the logits.",
    reference=_score,
    cases=_logits,
    misconceptions={
        "This is the Jacobian of the probabilities. The score is that of their logarithms: divide each row by its "
        "probability.": lambda logits: torch.softmax(logits, 0).diag()
        - torch.outer(torch.softmax(logits, 0), torch.softmax(logits, 0)),
        "Rows and columns are exchanged: a row is the class drawn, a column the logit you differentiate for.": (
            lambda logits: torch.eye(len(logits)).to(logits) - torch.softmax(logits, 0)[:, None]
        ),
        "The normaliser is missing: each log probability contains the logsumexp of all logits.": (
            lambda logits: torch.eye(len(logits)).to(logits)
        ),
        "You used a term 1/pi: that is the gradient for the probabilities. Here it is for the logits.": (
            lambda logits: (1 / torch.softmax(logits, 0)).diag()
        ),
        "The sign is turned round: raising a class's own logit raises its log probability.": (
            lambda logits: torch.softmax(logits, 0) - torch.eye(len(logits)).to(logits)
        ),
        "exp leaves the range of floating point: right for small logits only. torch.softmax takes the largest out.": (
            lambda logits: torch.eye(len(logits)).to(logits) - logits.exp() / logits.exp().sum()
        ),
        "The one is in every column. Only the logit of the class that was drawn stands in log pi by itself.": (
            lambda logits: (1 - torch.softmax(logits, 0)).expand(len(logits), -1).clone()
        ),
        "Only the diagonal: the other logits matter as well, through the normaliser.": (
            lambda logits: (1 - torch.softmax(logits, 0)).diag()
        ),
        "Those are the log probabilities where the probabilities belong: differentiate the logsumexp once more.": (
            lambda logits: torch.eye(len(logits)).to(logits) - torch.log_softmax(logits, 0)
        ),
    },
    also_right=[
        lambda logits: torch.func.jacrev(lambda a: torch.log_softmax(a, 0))(logits),
        lambda logits: torch.stack(
            [torch.nn.functional.one_hot(torch.tensor(c), len(logits)) - torch.softmax(logits, 0)
             for c in range(len(logits))]
        ),
        lambda logits: torch.eye(len(logits), dtype=torch.float64) - (logits - torch.logsumexp(logits, 0)).exp()[None],
    ],
)  # fmt: skip
