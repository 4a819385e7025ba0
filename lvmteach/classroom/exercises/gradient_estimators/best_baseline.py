"""The best baseline."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise


def _best_baseline(f_z, scores):
    power = scores.square()
    return (f_z[:, None] * power).sum(0) / power.sum(0)


best_baseline = Exercise(
    ask="Return the baseline of least variance for each parameter, estimated from K draws.",
    reference=_best_baseline,
    cases=drawing(lambda draw: [(2 + draw(4), draw(4, 3)), (draw(7) - 3, 0.5 + 2 * draw(7, 2)),
                                 (9 + draw(5), draw(5, 5)), (40 * draw(30), 0.1 * draw(30, 4)),
                                 (draw(6), torch.tensor([1e-10, 1, 1e8]).double() * draw(6, 3))]),
    misconceptions={
        "This is the mean of f. Draws with a large score weigh more: weight f by the score's square.": (
            lambda f_z, scores: f_z.mean() + 0 * scores[0]
        ),
        "The score has to be squared: set the derivative of the second moment, E[(f - b)² score²], to zero.": (
            lambda f_z, scores: (f_z[:, None] * scores).sum(0) / scores.sum(0)
        ),
        "Only the numerator's score is not squared: both sums weight by the square.": (
            lambda f_z, scores: (f_z[:, None] * scores).sum(0) / scores.square().sum(0)
        ),
        "The denominator is missing: a baseline has the units of f.": (
            lambda f_z, scores: (f_z[:, None] * scores.square()).mean(0)
        ),
        "One baseline for all parameters. Better, and just as unbiased, is one for each: sum over the draws alone.": (
            lambda f_z, scores: (f_z @ scores.square().sum(1)) / scores.square().sum() + 0 * scores[0]
        ),
        "f has shape (K,), the scores have (K, P): as they are, f meets the last axis. Give f a second one.": (
            lambda f_z, scores: (f_z * scores.square()).sum(0) / scores.square().sum(0)
        ),
        "Upside down: f times the square stands above.": (
            lambda f_z, scores: scores.square().sum(0) / (f_z[:, None] * scores.square()).sum(0)
        ),
        "You weight by the score's absolute value. Its square is what the variance asks for.": (
            lambda f_z, scores: (f_z[:, None] * scores.abs()).sum(0) / scores.abs().sum(0)
        ),
        "You squared f as well. The derivative for b leaves f once.": (
            lambda f_z, scores: (f_z.square()[:, None] * scores.square()).sum(0) / scores.square().sum(0)
        ),
        "Twice too large: (f - b)² has the derivative -2 (f - b), and the 2 cancels.": (
            lambda f_z, scores: 2 * (f_z[:, None] * scores.square()).sum(0) / scores.square().sum(0)
        ),
    },
    also_right=[
        lambda f_z, scores: torch.einsum("k,kp->p", f_z, scores**2) / torch.einsum("kp->p", scores**2),
        lambda f_z, scores: torch.stack([(f_z * one * one).mean() / (one * one).mean() for one in scores.T]),
        lambda f_z, scores: f_z @ (scores**2 / (scores**2).sum(0)),
    ],
)  # fmt: skip
