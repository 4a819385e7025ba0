"""Five problems."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice
from lvmteach.classroom.exercises.gradient_estimators.shared import WAYS

soft_codes = Choice(
    ask="z is 30 codes of 16 classes each, f a smooth decoder that takes mixtures of codes; few draws, a bias is fine.",
    options=WAYS,
    feedback={
        "a": "The draw of a class jumps. What can be reparameterised is its softened form: which one is that?",
        "b": "Unbiased, but you allowed a bias, and with few draws the noise is the larger error.",
        "c": "There are 16 to the power of 30 states.",
        "d": "f is smooth between the states, draws are few, a bias is accepted: this is its place. Say so in print.",
    },
    right="d",
)
