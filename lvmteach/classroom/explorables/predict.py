"""Predict and commit: a place for the reader's answer before a cell, and a discussion of the answers after it.

    guess = predict("How many of 10 000 draws land beyond four?", ["about 300", "about 3", "none or one"])
    ...                                                     # the cell that shows it
    guess.discuss(
        {
            "about 300": "Beyond two it would be 228.",
            "about 3": "Beyond three it would be 13: a tail falls faster than that.",
            "none or one": "A third of a draw is expected, so seven runs in ten see none.",
        },
        right="none or one",
    )

    guess = predict("How many draws for one more digit, as a factor?")       # without options: a number
    ...
    guess.discuss(100.0, "The error falls as K to the power -1/2.", right=100, within=1.5)

With a kernel there are buttons, and the answer can be given once. Without one (GitHub, HTML, the tests) the question
stands in words, and the discussion speaks of every answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import ipywidgets
from IPython.display import display


class Prediction:
    """A question, and the answer once it is committed. Made by `predict`.

    Attributes:
        answer: one of `options`, or a number; None until the reader commits.
    """

    def __init__(self, question: str, options: Sequence[str], unit: str):
        self.question, self.options, self.unit = question, tuple(options), unit
        self.answer: str | float | None = None
        self._discussion = self._handle = None
        self._commit = ipywidgets.Button(description="Commit", disabled=bool(self.options))
        self._said = ipywidgets.HTML()
        if self.options:
            self._field = ipywidgets.RadioButtons(options=self.options, value=None, layout={"width": "max-content"})
            self._field.observe(lambda _: setattr(self._commit, "disabled", False), "value")
        else:
            self._field = ipywidgets.FloatText(description=unit, style={"description_width": "initial"})
        self._commit.on_click(lambda _: self.commit(self._field.value))
        self._box = ipywidgets.VBox(
            [ipywidgets.HTML(f"<b>Predict.</b> {question}"), self._field, self._commit, self._said]
        )

    def commit(self, answer: str | float | int) -> None:
        """Give the answer; it stands from then on.

        Raises:
            ValueError: it is none of the options, or no number where a number is asked for.
        """
        if self.options and answer not in self.options:
            raise ValueError(f"answer with one of {', '.join(map(repr, self.options))}, got {answer!r}")
        if not self.options and not (isinstance(answer, int | float) and math.isfinite(answer)):
            raise ValueError(f"answer with a finite number, got {answer!r}")
        self.answer = answer
        self._field.value, self._field.disabled, self._commit.disabled = answer, True, True
        self._said.value = "Committed. Now run the next cell."
        if self._handle:
            self._handle.update(self._in_words(), raw=True)

    def discuss(
        self,
        answers: Mapping[str, str] | float | int,
        words: str = "",
        *,
        right: str | float | int,
        within: float = 1.25,
    ) -> None:
        """Discuss the answers: what was committed first, or all of them.

        Args:
            answers: what to say to each option; of a number the one that came out.
            words: what to say to a number.
            right: the right option, or the true number.
            within: a positive number counts as right up to this factor, any other up to this difference less one.

        Raises:
            ValueError: an option without its words, or `right` is none of the options.
        """
        if self.options and (not isinstance(answers, Mapping) or set(answers) != set(self.options)):
            raise ValueError(f"say something to each of {', '.join(map(repr, self.options))}")
        if self.options and right not in self.options:
            raise ValueError(f"right is one of {', '.join(map(repr, self.options))}, got {right!r}")
        self._discussion = (answers, words, right, within)
        self._handle = display(self._in_words(), raw=True, display_id=True)

    def _in_words(self) -> dict[str, str]:
        answers, words, right, within = self._discussion
        text = self._of_options(answers, right) if self.options else self._of_number(answers, words, right, within)
        return {"text/markdown": text, "text/plain": text}

    def _of_options(self, answers: Mapping[str, str], right: str) -> str:
        marks = {option: "right" if option == right else "no" for option in self.options}
        lines = {option: f"- *{option}*, {marks[option]}: {answers[option]}" for option in self.options}
        if self.answer is None:
            return "\n".join(["**The answers**", "", *lines.values()])
        others = [line for option, line in lines.items() if option != self.answer]
        verdict = "and so it is" if self.answer == right else "but no"
        said = f"**You said** *{self.answer}*, {verdict}. {answers[self.answer]}"
        return "\n".join([said, "", "The other answers:", "", *others])

    def _of_number(self, value: float, words: str, right: float, within: float) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.answer is None:
            return f"**The answer** is {value:.4g}{unit}. {words}"
        both = self.answer > 0 and right > 0
        near = (
            max(self.answer / right, right / self.answer) <= within if both else abs(self.answer - right) <= within - 1
        )
        verdict = "near enough" if near else "too high" if self.answer > right else "too low"
        return f"**You said** {self.answer:.4g}{unit}, it is {value:.4g}{unit}: {verdict}. {words}"

    def _static(self) -> str:
        asked = "\n".join(f"- {option}" for option in self.options) or (
            f"A number, in {self.unit}." if self.unit else "A number."
        )
        return f"**Predict, before you run the next cell.** {self.question}\n\n{asked}"

    def _ipython_display_(self) -> None:
        """Nothing more: `predict` has shown it."""


def predict(question: str, options: Sequence[str] = (), *, unit: str = "") -> Prediction:
    """Ask before the cell that answers, and show a place to commit an answer.

    Args:
        question: in words; maths in dollars stays as it is where there is no kernel only, so prefer words.
        options: the answers to choose from, two or more; without any, a number is asked for.
        unit: of that number.

    Raises:
        ValueError: a single option, or two alike.
    """
    if options and (len(set(options)) < 2 or len(set(options)) != len(options)):
        raise ValueError(f"give two or more different options, or none to ask for a number; got {list(options)}")
    asked = Prediction(question, options, unit)
    words, view = asked._static(), getattr(asked._box, "_repr_mimebundle_", dict)()  # ipywidgets 7: words alone
    display({**view, "text/markdown": words, "text/plain": words}, raw=True)
    return asked
