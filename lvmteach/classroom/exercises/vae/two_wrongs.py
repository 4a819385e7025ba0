"""Training."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

two_wrongs = Choice(
    ask="The same colleague puts 1/784 before the KL. What is the objective now?",
    options={
        "a": "the ELBO divided by 784: the right optimum, on another scale",
        "b": "a beta-VAE with beta = 1/784, no bound on anything",
        "c": "the mean over pixels once more: it collapses",
        "d": "the ELBO itself",
    },
    feedback={
        "a": "Two wrongs, one right. Whoever copies only one of the two constants gets a puzzle.",
        "b": "It would be, if the data term were a sum. Divide both terms by the same number and look again.",
        "c": "The KL is as small now as the data term: their ratio is what it should be.",
        "d": "Nearly: it has the ELBO's optimum, but not its value, and cannot be compared with log p(x).",
    },
    right="a",
)
