"""An equal K is no equal bias."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

who_is_better = Choice(
    ask="By K = 5000 samples of its encoder each, on the same images, B leads A by 1.44 +- 0.09 nats. From 500 to 5000 "
    "samples A had risen by 0.26 and B by 0.41. By how much is B better?",
    options={
        "a": "by 1.44 nats: the same K and the same images, so the bias cancels",
        "b": "by more than 1.44 nats: B still rises faster, so more is missing in B",
        "c": "nobody can tell from this: each number is too low by a bias of its own, and the rise does not show it",
        "d": "nobody can tell: importance sampling is too noisy for differences of one nat",
    },
    feedback={
        "a": "Paired images take out the luck of the test set. The bias depends on how each encoder fits the posterior "
        "of its own model, and two encoders fit differently.",
        "b": "The rise shows what its own samples have found since. What they miss altogether, it does not show: a "
        "narrow proposal rises slowly and is still far away.",
        "c": "A better proposal would tell. In the notebook a q of its own for each image found 0.41 nats that were "
        "missing in A and 0.29 in B: the lead was 1.33.",
        "d": "On the same images a mean over many of them tells apart far less than a nat: the error is 0.09. It is "
        "the bias that differs here, not the noise.",
    },
    right="c",
)
