"""Its gap."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

when_tight = Choice(
    ask="For which q is the ELBO equal to log p(x)?",
    options={
        "a": "q(z) = p(z), the prior",
        "b": "q(z) = p(z|x), the posterior, and no other",
        "c": "all of q's mass on the most probable z",
        "d": "for none: Jensen's inequality is strict",
    },
    feedback={
        "a": "Then the weight p(x, z) / q(z) is p(x|z), which varies with z unless x says nothing about z.",
        "b": "Jensen gives equality exactly if the weight p(x, z) / q(z) is constant on q's support; the constant can "
        "only be p(x) where q covers the posterior. Equivalently: a KL is zero for equal distributions alone.",
        "c": "That q maximises the expected log joint, and its entropy is zero. What is missing is -log p(z*|x), "
        "which is zero only if no other z is possible.",
        "d": "It is strict for a strictly concave function and a random variable that varies. When does the weight "
        "p(x, z) / q(z) not vary?",
    },
    right="b",
)
