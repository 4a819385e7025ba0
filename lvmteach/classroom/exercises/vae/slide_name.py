"""The slide."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

slide_name = Choice(
    ask="The repaired formula is the KL of which pair, and what does the slide call it?",
    options={
        "a": "KL(q || p), and the slide calls it KL(p || q)",
        "b": "KL(p || q), as the slide says",
        "c": "both: the KL is symmetric for Gaussians",
        "d": "neither: it is the KL only when mu = 0",
    },
    feedback={
        "a": "The draws were from q, and the log ratio had q above. The slide names the arguments the other way round.",
        "b": "Look at the last line: draws from p give another number. Which draws did your kl_by_draws use?",
        "c": "The two lines of draws differ. For Gaussians the KL is symmetric only if their covariances are equal.",
        "d": "It meets the draws from q at the means in the table, and none of them is 0.",
    },
    right="a",
)
