"""Five problems."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice
from lvmteach.classroom.exercises.gradient_estimators.shared import WAYS

deep_decoder = Choice(
    ask="z is Gaussian in 50 dimensions, f the log-likelihood of a smooth neural decoder.",
    options=WAYS,
    feedback={
        "a": "A smooth path from the noise to f, and a variance that does not grow with the dimension.",
        "b": "Unbiased, but its variance grows with the dimension. You have f's slope: use it.",
        "c": "A continuous z has no list of states, and a grid in 50 dimensions has too many points.",
        "d": "That relaxes a discrete z. This one is continuous already.",
    },
    right="a",
)
