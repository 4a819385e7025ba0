"""Soft, hard and stochastic EM."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

which_climbs = Choice(
    ask="Hard EM gives each datum to its most probable class before the M step. What never falls from step to step?",
    options={
        "a": "log p(x), as in soft EM",
        "b": "log p(x, z) with z the classes that were chosen",
        "c": "the entropy of the posterior",
        "d": "nothing: it wanders like stochastic EM",
    },
    feedback={
        "a": "The chosen q is a spike and not the posterior, so the bound does not touch; log p(x) may fall.",
        "b": "Both steps climb it: the choice maximises it over z, the M step over the parameters.",
        "c": "It usually shrinks as the classes move apart. But neither step asks for that.",
        "d": "Nothing is drawn. Both of its steps climb the same function, so it cannot wander.",
    },
    right="b",
)
