"""Five problems."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice
from lvmteach.classroom.exercises.gradient_estimators.shared import WAYS

simulator = Choice(
    ask="z is Gaussian in 3 dimensions, f the number of crashes that a compiled simulator reports.",
    options=WAYS,
    feedback={
        "a": "A count has slope zero wherever it has one, and the simulator gives none: the gradient would be wrong.",
        "b": "Only values of f are needed, not its slope, and the others' mean costs nothing.",
        "c": "There is no list of states: z is continuous.",
        "d": "z is not the trouble here, f is: it jumps, and no relaxation of z changes that.",
    },
    right="b",
)
