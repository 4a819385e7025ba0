"""Signal and noise."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

slopes = Choice(
    ask="K grows. What happens to the signal-to-noise ratio of one gradient of the bound?",
    options={
        "a": "decoder and encoder: it grows like the root of K, as for every mean of K draws",
        "b": "decoder: it grows like the root of K; encoder: it falls like one over the root of K",
        "c": "decoder: it stays; encoder: it falls like 1/K",
        "d": "decoder and encoder: it falls, since the bound gets flatter near log p(x)",
    },
    feedback={
        "a": "So it is for the decoder. What the encoder learns from is the gap, and the gap closes: which of its "
        "gradient's mean and its spread falls faster?",
        "b": "The decoder's signal stays, its noise falls like one over the root of K. The encoder's signal falls like "
        "1/K, with the gap; its noise again like one over the root of K.",
        "c": "The encoder's signal does fall like 1/K. Divide it by its noise, which falls as well.",
        "d": "log p(x) has a slope for the decoder's parameters, however close the bound comes. For the encoder's it "
        "has none.",
    },
    right="b",
)
