"""The score has mean zero."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

which_biases = Choice(
    ask="Which of these baselines changes the mean of the estimate?",
    options={
        "a": "the mean of f over the same K draws, the draw itself included",
        "b": "the mean of f over the other K - 1 draws",
        "c": "the number one million",
        "d": "a network's guess of f from the observation x",
    },
    feedback={
        "a": "A draw's own f stands in its baseline, and f times the score has no mean zero. The estimate shrinks by "
        "the factor 1 - 1/K: little for large K, half for K = 2.",
        "b": "The other draws are independent of this one, so b times the score still has mean zero.",
        "c": "The score has mean zero, and so has a million times the score. The variance is another matter.",
        "d": "x is given before z is drawn. Whatever is known before the draw may enter.",
    },
    right="a",
)
