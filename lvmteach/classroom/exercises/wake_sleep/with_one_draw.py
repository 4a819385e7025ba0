"""Reweighted wake-sleep."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

with_one_draw = Choice(
    ask="Reweighted wake-sleep with K = 1: what does the recognition net learn from its weighted draw, on average?",
    options={
        "a": "what sleep teaches it",
        "b": "to lower KL(q || p), as the ELBO wants",
        "c": "to lower KL(p || q) on the data, only more noisily than with large K",
        "d": "nothing",
    },
    feedback={
        "a": "Sleep's targets come from the generative net. Here they come from the recognition net itself.",
        "b": "That needs the score times log p - log q, exercise 07.1. Here the draw's score has a constant weight.",
        "c": "Its weights would have to prefer some draws to others. What is the normalised weight of a single draw?",
        "d": "A single draw has the weight one, whatever it explains. What is left is q's own score, and its mean "
        "under q is zero: the net is told to say what it says.",
    },
    right="d",
)
