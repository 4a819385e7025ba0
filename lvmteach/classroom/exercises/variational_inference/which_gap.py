"""A log-linear model with latent classes."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

which_gap = Choice(
    ask="The inference network gets ten times as many units, and is trained until nothing moves. Which gap can shrink?",
    options={
        "a": "the approximation gap alone",
        "b": "the amortisation gap alone",
        "c": "both",
        "d": "neither: log p(x) would have to change",
    },
    feedback={
        "a": "That is what the best Gaussian of each datum leaves. The network still returns a Gaussian.",
        "b": "The network comes closer to the best Gaussian of each datum, and can do no better than that.",
        "c": "However large, the network returns a mean and a scale. What no Gaussian can say, it cannot say either.",
        "d": "log p(x) is the same for every q. The ELBO is not: a better q raises it.",
    },
    right="b",
)
