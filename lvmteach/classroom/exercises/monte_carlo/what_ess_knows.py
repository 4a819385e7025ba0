"""Proposals that break."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

what_ess_knows = Choice(
    ask="1000 draws from q, effective sample size 990. What do you know?",
    options={
        "a": "The estimate is within a few percent of the truth.",
        "b": "q covers p.",
        "c": "The weights of these 1000 draws are nearly equal.",
        "d": "The variance of the weights is finite.",
    },
    feedback={
        "a": "Not if q has missed a part of p: the notebook had an effective size of nearly all draws, and half the "
        "truth.",
        "b": "The effective size is computed from the draws you have. Where q does not go, there are none.",
        "c": "And nothing more. Equal weights are necessary for a good proposal, and no proof of one: look for what q "
        "may miss, and widen it.",
        "d": "Infinite variance comes from weights so rare that a thousand draws need not hold one.",
    },
    right="c",
)
