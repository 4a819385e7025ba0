"""Training."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

pixel_mean = Choice(
    ask="Data term averaged over D = 784 pixels, KL summed over units. What will training give?",
    options={
        "a": "the same model: a constant factor only changes the scale of the loss",
        "b": "sharper images: the KL counts for less",
        "c": "one and the same image for every z: no unit pays for its KL",
        "d": "no training at all: the loss becomes NaN",
    },
    feedback={
        "a": "A factor before the whole loss would. This one stands before one of two terms.",
        "b": "The other way round: the data term has been made 784 times smaller, so the KL counts for more.",
        "c": "The KL weighs 784 times what it should. A nat of KL would have to gain 784 nats of data term.",
        "d": "The loss is small and harmless to look at: a cross-entropy below 1. That is why it goes unnoticed.",
    },
    right="c",
)
