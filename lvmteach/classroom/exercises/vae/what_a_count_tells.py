"""Warm-up against active units."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

what_a_count_tells = Choice(
    ask="Models of one architecture, data and final objective, trained in three ways. What does the table say?",
    options={
        "a": "the data have as many dimensions as the larger count",
        "b": "the model with more active units is the better one",
        "c": "the count depends on how one got there, so it is no property of the data",
        "d": "the ways have other objectives, so nothing can be compared",
    },
    feedback={
        "a": "Then models with fewer units should miss what the others tell. Look at their log p(x).",
        "b": "Then the two columns should go together. Sort the rows by one, and look at the other.",
        "c": "Same data, same network, same final objective, another count. It differs even between seeds, and fewer "
        "units carry nearly as much.",
        "d": "The weight is 1 again long before the end, and log p(x) is one judge for all.",
    },
    right="c",
)
