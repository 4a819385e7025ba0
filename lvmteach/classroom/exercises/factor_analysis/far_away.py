"""The posterior."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

far_away = Choice(
    ask="x moves away from mu, to ten times its distance. What becomes of the posterior covariance of its z?",
    options={
        "a": "It grows: the model is less sure about strange data.",
        "b": "It shrinks: a large x says more about z.",
        "c": "It stays the same.",
        "d": "That depends on the direction in which x moves.",
    },
    feedback={
        "a": "A sensible wish, but not this model's. Look for x in the formula of M.",
        "b": "The signal is larger, but so is the mean, and the noise has not changed. Look for x in the formula of M.",
        "c": "Only the mean moves. The exponent's quadratic term holds W and Psi, and no x.",
        "d": "The direction decides where the mean goes. Look for x in the formula of M.",
    },
    right="c",
)
