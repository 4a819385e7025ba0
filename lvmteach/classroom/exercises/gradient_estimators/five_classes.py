"""Five problems."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice
from lvmteach.classroom.exercises.gradient_estimators.shared import WAYS

five_classes = Choice(
    ask="z is one of 5 classes, and evaluating f for all of them is cheap.",
    options=WAYS,
    feedback={
        "a": "A class has no slope: moving the noise a little moves it not at all, or by a jump.",
        "b": "Right on average, and noisy without need: five values are all there is to know.",
        "c": "Five terms, exact, no variance at all. Where you can sum, sum.",
        "d": "A bias, for nothing: the exact gradient costs five evaluations.",
    },
    right="c",
)
