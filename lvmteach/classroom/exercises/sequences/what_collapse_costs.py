"""Predict, then run."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

what_collapse_costs = Choice(
    ask="A sentence VAE ends with KL(q(z|x) || p(z)) = 0 for every sentence; its decoder reads the words before. What "
    "has it lost in log-likelihood against the same decoder without z, trained as long?",
    options={
        "a": "as many nats as z could have said",
        "b": "nothing",
        "c": "log of the number of topics",
        "d": "it cannot be said: the ELBO is only a bound",
    },
    feedback={
        "a": "z need not say it: a decoder that reads its own words can be any distribution over sentences.",
        "b": "With q = p(z) for every x, z is noise that the decoder has learnt to ignore, and the bound is tight.",
        "c": "The first noun tells the topic, and the decoder reads it. That costs the same nats, paid there.",
        "d": "Here it can: p(x|z) does not depend on z, so p(z|x) = p(z) = q(z|x), and the bound is log p(x).",
    },
    right="b",
)
