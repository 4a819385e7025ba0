"""Predict, then run."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

e_twice = Choice(
    ask="You run the E step, and then the E step once more, with no M step between them. What does the second one do?",
    options={
        "a": "It raises the bound a little more.",
        "b": "It raises log p(x).",
        "c": "It changes nothing.",
        "d": "It makes the responsibilities harder, nearer to zero and one.",
    },
    feedback={
        "a": "The first one closed the gap to log p(x) entirely. A bound cannot rise above what it bounds.",
        "b": "log p(x) depends on the parameters alone, and the E step leaves them as they are.",
        "c": "The responsibilities are a function of the parameters, and those have not changed: the gap is zero "
        "already.",
        "d": "They are Bayes' rule at the present parameters. Ask what has changed between the two.",
    },
    right="c",
)
