"""Mean field."""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

closer_together = Choice(
    ask="The correlation rises from 0.9 to 0.99. What becomes of the mean-field variance and the number of sweeps?",
    options={
        "a": "the variance stays, and so does the number of sweeps",
        "b": "the variance falls to about a tenth, the number of sweeps stays",
        "c": "the variance falls to about a tenth, it takes about ten times as many sweeps",
        "d": "the variance grows: q has to reach the ends of a longer ellipse",
    },
    feedback={
        "a": "The variances of p stay. But 1/A_dd is 1 - rho², what is left of one coordinate when the other is known.",
        "b": "Right about the variance. But the narrow q also holds the means back: each update is a short step.",
        "c": "1 - rho² falls from 0.19 to 0.0199, and a sweep leaves rho² of the error: 0.98 instead of 0.81.",
        "d": "q would have to put mass beside the ellipse, where p is almost zero. Reverse KL forbids that.",
    },
    right="c",
)
