"""log p(x) of a test set, in pieces."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

who_is_better = Choice(
    ask="A paper reports 89.2 nats with K = 5000. You measure 90.1 with K = 100, on the same images. Who is better?",
    options={
        "a": "the paper, by 0.9 nats: the images are the same, so the difference is paired",
        "b": "your model: with fewer samples its bound had the harder test",
        "c": "nobody can tell: with K = 5000 your number would be lower, and nobody knows by how much",
        "d": "nobody can tell: importance sampling is too noisy for differences of one nat",
    },
    feedback={
        "a": "Paired images take out the luck of the test set, not the bias of the logarithm. That falls with K, and "
        "yours has not had the chance.",
        "b": "The test was harder, that is true. By how much, nobody has said: it may be less than 0.9 nats, or more.",
        "c": "One and the same model reads lower the more samples you take; the next cell shows one that does. "
        "Measure again with the paper's K.",
        "d": "On the same images a mean over many of them tells apart far less than a nat. It is the bias that "
        "differs here, not the noise.",
    },
    right="c",
)
