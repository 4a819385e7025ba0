"""Five problems."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice
from lvmteach.classroom.exercises.gradient_estimators.shared import WAYS

binary_rules = Choice(
    ask="z is 200 binary units, f checks rules that are defined for true and false only; the mean must be exact.",
    options=WAYS,
    feedback={
        "a": "Binary units jump: no path from noise to z has a slope.",
        "b": "It needs f at real states alone, and it is unbiased. Mind the variance: take many draws.",
        "c": "There are two to the power of 200 states.",
        "d": "f is not defined between true and false, and the relaxed gradient has a bias.",
    },
    right="b",
)
