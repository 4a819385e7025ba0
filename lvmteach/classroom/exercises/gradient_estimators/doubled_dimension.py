"""Reparameterise."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

doubled_dimension = Choice(
    ask="D doubles from 64 to 128. What happens to the variance of one coordinate of the gradient?",
    options={
        "a": "score function doubles, reparameterised doubles",
        "b": "score function doubles, reparameterised stays",
        "c": "score function quadruples, reparameterised stays",
        "d": "both stay: it is one coordinate, and the others are independent",
    },
    feedback={
        "a": "One coordinate's slope does not know how many others there are. Look at the reparameterised line again.",
        "b": "The score function with the best baseline does that. Without one f grows like D, and its square counts.",
        "c": "f is a sum of D terms that all multiply the one coordinate's score: its square grows as D squared. The "
        "slope in that coordinate contains its own term alone.",
        "d": "The score of one coordinate is multiplied by the whole f, with everybody else's terms in it.",
    },
    right="c",
)
