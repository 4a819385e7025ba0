"""Predict, then run."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

a_tenth = Choice(
    ask="A round component sits on one datum in D dimensions; its scale s is tiny already. Now s becomes s / 10. By "
    "how many nats does the log-likelihood of all data grow?",
    options={"a": "by nothing: it has converged", "b": "by log 10", "c": "by D log 10", "d": "by N D log 10"},
    feedback={
        "a": "The density at the component's own mean still grows: nothing stops it.",
        "b": "That is one dimension. The density of a round component has one factor 1 / s for each.",
        "c": "One datum, D factors of 1 / s; all other data have left that component already and live by the wide one.",
        "d": "Only the datum under the component gains. The others are many scales away: for them its density is zero.",
    },
    right="c",
)
