"""A mean outside, a mean inside."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

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
