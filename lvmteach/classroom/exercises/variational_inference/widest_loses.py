"""KL of two Gaussians."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

widest_loses = Choice(
    ask="p = N(0, 1). Which q has the largest KL(q || p)?",
    options={
        "a": "N(0, 0.1²), ten times too narrow",
        "b": "N(0, 10²), ten times too wide",
        "c": "N(3, 1), three scales beside it",
        "d": "a and b alike: both scales are wrong by the factor ten",
    },
    feedback={
        "a": "Its draws fall where p is high. All it pays is the logarithm of ten, less a half: 1.81 nats.",
        "b": "Most of its draws fall where p is nearly zero, and there each costs z²/2: about fifty nats in all.",
        "c": "A shift by d scales costs d²/2, here 4.5 nats. There is a dearer one.",
        "d": "The logarithms are alike but for the sign, the quadratic parts are not: one is 0.005, the other 50.",
    },
    right="b",
)
