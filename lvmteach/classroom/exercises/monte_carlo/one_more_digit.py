"""An estimate and its standard error."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

one_more_digit = Choice(
    ask="1000 draws gave you a standard error of 0.01. How many draws make it 0.001?",
    options={"a": "about 3 200", "b": "2 000", "c": "10 000", "d": "100 000"},
    feedback={
        "a": "That is root ten times more. The root is on the other side: the error falls as the root of the draws.",
        "b": "Twice the draws divide the error by 1.41. A digit needs a factor of ten in the error.",
        "c": "Ten times the draws make the error 0.0032. The variance is the tenth part, the error its root.",
        "d": "The error falls as the root of K: ten times better costs a hundred times the draws. In any dimension.",
    },
    right="d",
)
