"""The slide."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

slide_repairs = Choice(
    ask="Which repairs, all of them and no more, turn the slide's formula into your kl?",
    options={
        "a": "the sign",
        "b": "the square of mu",
        "c": "the sign, and the square of mu",
        "d": "the sign, the square of mu, and sigma instead of its square",
    },
    feedback={
        "a": "Look at the line with the sign alone: it still misses the draws. Try a mean of -1 and a mean of 1.",
        "b": "Squared, and still below 0, which no KL can be.",
        "c": "Both, and it meets the draws. What is left to repair stands before the formula: its name.",
        "d": "The variance is sigma squared, and so it stands on the slide. Repair only what the draws call wrong.",
    },
    right="c",
)
