"""Rotations."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

what_turns = Choice(
    ask="You replace W by W R, with R orthogonal. Which of these changes?",
    options={
        "a": "The log-likelihood of each datum.",
        "b": "The posterior mean of each z.",
        "c": "The reconstruction mu + W E[z | x] of each datum.",
        "d": "The noise variances that the next M step returns.",
    },
    feedback={
        "a": "It depends on W through W W' alone. What is (W R)(W R)'?",
        "b": "It turns along, to R' E[z | x]. All else you could observe stays: the axes of the latents are arbitrary.",
        "c": "Two things turn here, and they turn against each other: W R R' E[z | x].",
        "d": "They are what is left when the factors have explained x, and the turned factors explain the same.",
    },
    right="b",
)
