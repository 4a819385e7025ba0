"""A multiple-choice question: feedback for every option, and radio buttons where there is a screen."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

import ipywidgets
from IPython import get_ipython
from IPython.display import display

from lvmteach.classroom.exercises.verdict import CheckFailed, Verdict, strict


@dataclass(frozen=True)
class Choice:
    """A question with options, and feedback for each of them.

    Args:
        ask: the question.
        options: letter -> the option's text.
        feedback: letter -> what to say to whoever chose it, right or wrong.
        right: the right letter.
    """

    ask: str
    options: Mapping[str, str]
    feedback: Mapping[str, str]
    right: str

    def __call__(self, answer: object = None) -> None:
        """Print the feedback for a letter. Without one (`...` or None) the question counts as not attempted.

        Then a notebook shows the options as buttons, to try them; what counts is the letter in the cell.
        """
        verdict = self.judge(answer)
        print(verdict)
        if verdict.status == "not attempted" and in_a_notebook():
            radio_buttons(self)
        if verdict.status != "passed" and strict():
            raise CheckFailed(str(verdict))

    def judge(self, answer: object) -> Verdict:
        """The verdict on a letter, without printing."""
        ask = f"answer with one of {', '.join(self.options)}, in quotes"
        if answer is None or answer is ...:
            return Verdict("not attempted", f"not attempted: {ask}")
        letter = str(answer).strip(" \t\n'\".,;:()[]").lower()  # 'a', "A ", (a)
        if letter not in self.options:
            return Verdict("not yet", f"not yet: {ask}, got {answer!r}")
        if letter == self.right:
            return Verdict("passed", f"ok: {self.feedback[letter]}")
        return Verdict("not yet", "not yet", self.feedback[letter])

    def show(self) -> None:
        """The question in words, and radio buttons with the feedback below them where there are widgets."""
        print(self.ask, *(f"{letter})  {text}" for letter, text in self.options.items()), sep="\n  ")
        radio_buttons(self)


def in_a_notebook() -> bool:
    """Whether there is a kernel, and so perhaps a screen that shows widgets."""
    return getattr(get_ipython(), "kernel", None) is not None


def radio_buttons(choice: Choice) -> None:
    """The options as radio buttons; choosing one shows its feedback below them."""
    labels = {f"{letter})  {text}": letter for letter, text in choice.options.items()}
    buttons = ipywidgets.RadioButtons(options=list(labels), value=None, layout={"width": "max-content"})
    said = ipywidgets.HTML()

    def answer(change) -> None:
        if change["new"] is not None:
            letter = labels[change["new"]]
            status = choice.judge(letter).status
            hand_in = f' To hand it in, write "{letter}" in the cell above.' if status == "passed" else ""
            said.value = f"<b>{status}</b> {html.escape(choice.feedback[letter] + hand_in)}"

    buttons.observe(answer, "value")
    box = ipywidgets.VBox([buttons, said])
    if hasattr(box, "_repr_mimebundle_"):  # from ipywidgets 8 on; before that the question in words has to do
        display({**box._repr_mimebundle_(), "text/plain": "Run this cell for buttons to choose by."}, raw=True)
