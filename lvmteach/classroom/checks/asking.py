"""A multiple-choice question on the screen."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import ipywidgets
from IPython import get_ipython
from IPython.display import display

if TYPE_CHECKING:
    from lvmteach.classroom.checks.engine import Choice


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
    display({**box._repr_mimebundle_(), "text/plain": "Run this cell for buttons to choose by."}, raw=True)
