"""How many numbers are there to learn?"""

from __future__ import annotations

from lvmteach.classroom.exercises.choice import Choice

saturated = Choice(
    ask="Six bits have 64 outcomes. Three classes with 21 features each have 65 free parameters. What follows?",
    options={
        "a": "the classes found are the true ones: there are enough parameters",
        "b": "nothing: 65 is not many for 1797 data",
        "c": "p(x) may fit well, but it cannot tell which classes made it",
        "d": "EM cannot converge: there are more parameters than data",
    },
    feedback={
        "a": "Enough to describe p(x), in many ways. Each way has other classes.",
        "b": "The number of data says how well the 63 free probabilities are known, not what is behind them.",
        "c": "63 free probabilities cannot fix 65 numbers: the model is saturated, and other seeds find other classes.",
        "d": "There are 1797 data. And log p(x) converges all the same: it has a ceiling, the shares themselves.",
    },
    right="c",
)
