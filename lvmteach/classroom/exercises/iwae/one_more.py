"""It climbs."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

one_more = Choice(
    ask="You hold the log of the mean of 10 weights, and draw an eleventh. What will the new value do?",
    options={
        "a": "rise for certain: the bound climbs with K",
        "b": "rise more often than fall: the bound climbs with K",
        "c": "fall more often than rise, and yet rise on average",
        "d": "rise as often as fall: all weights come from one distribution",
    },
    feedback={
        "a": "It rises where the eleventh weight lies above the mean of the ten. That is not certain: it is the mean "
        "over all draws that climbs.",
        "b": "It rises where the eleventh weight lies above the mean of the ten. Weights have a long tail: how many of "
        "them lie above their own mean?",
        "c": "Few weights lie above their mean, and those few lie far above. The rises are rare and large.",
        "d": "A median has half of the draws above it. Here the eleventh weight is held against a mean, and the "
        "weights have a long tail to the right.",
    },
    right="c",
)
