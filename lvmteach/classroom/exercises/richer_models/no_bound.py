"""The slide on beta."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

no_bound = Choice(
    ask='The slide says: "with beta it is no bound any more". When is the beta-ELBO a lower bound on log p(x)?',
    options={
        "a": "for no beta but 1",
        "b": "for every beta: the KL is never negative",
        "c": "for beta >= 1, a looser one; not for beta < 1",
        "d": "for beta <= 1, a tighter one; not for beta > 1",
    },
    feedback={
        "a": "Write it as the ELBO minus (beta - 1) KL. What is the sign of the second part for beta = 4?",
        "b": "For beta below one the KL is undercharged: the objective is the ELBO plus (1 - beta) KL.",
        "c": "The ELBO minus (beta - 1) KL: below the ELBO for beta >= 1. For beta < 1 the best q passes log p(x).",
        "d": "It is tighter in a sense that costs everything: look at your numbers for beta = 0.5 against log p(x).",
    },
    right="c",
)
