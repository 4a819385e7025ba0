"""Predict and commit: with buttons, without a kernel, and what a slip is answered with."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from lvmteach.classroom.explorables import predict as module
from lvmteach.classroom.explorables.predict import predict

DRAWS = ["about 300", "about 3", "none or one"]
WORDS = {"about 300": "That is two.", "about 3": "That is three.", "none or one": "A third is expected."}


class Shown(list):
    """What `display` was given, and what it was updated with."""

    def __call__(self, data, **options):
        self.append(data)
        return self

    def update(self, data, **options):
        self.append(data)


@pytest.fixture
def shown(monkeypatch):
    InteractiveShell.instance()
    one = Shown()
    monkeypatch.setattr(module, "display", one)
    return one


def test_without_a_kernel_question_and_all_answers_stand_in_words(shown):
    guess = predict("How many?", DRAWS)
    guess.discuss(WORDS, right="none or one")
    asked, discussed = shown
    assert "application/vnd.jupyter.widget-view+json" in asked
    for option in DRAWS:
        assert f"- {option}" in asked["text/markdown"]
        assert WORDS[option] in discussed["text/markdown"]
        assert WORDS[option] not in asked["text/markdown"]
    assert discussed["text/markdown"].count("right:") == 1
    assert "*none or one*, right: A third" in discussed["text/markdown"]


def test_before_ipywidgets_8_question_and_answers_stand_in_words(shown, monkeypatch):
    monkeypatch.delattr("ipywidgets.widgets.widget.Widget._repr_mimebundle_")
    predict("How many?", DRAWS).discuss(WORDS, right="none or one")
    asked, discussed = shown
    assert list(asked) == ["text/markdown", "text/plain"]
    assert WORDS["about 3"] in discussed["text/markdown"]


def test_what_was_committed_is_discussed_first(shown):
    guess = predict("How many?", DRAWS)
    guess.commit("about 3")
    guess.discuss(WORDS, right="none or one")
    text = shown[-1]["text/markdown"]
    assert text.startswith("**You said** *about 3*, but no. That is three.")
    assert text.count("That is three.") == 1
    guess = predict("How many?", DRAWS)
    guess.commit("none or one")
    guess.discuss(WORDS, right="none or one")
    assert shown[-1]["text/markdown"].startswith("**You said** *none or one*, and so it is.")


def test_the_buttons_commit_once(shown):
    guess = predict("How many?", DRAWS)
    assert guess._commit.disabled
    guess._field.value = "about 3"
    assert not guess._commit.disabled
    assert guess.answer is None
    guess._commit.click()
    assert guess.answer == "about 3"
    assert guess._commit.disabled
    assert guess._field.disabled


def test_an_answer_after_the_discussion_changes_it(shown):
    guess = predict("How many?", DRAWS)
    guess.discuss(WORDS, right="none or one")
    guess.commit("about 300")
    assert shown[-1]["text/markdown"].startswith("**You said** *about 300*, but no.")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(100, "near enough"), (124, "near enough"), (81, "near enough"), (126, "too high"), (0, "too low")],
)
def test_a_number_is_right_up_to_a_factor(shown, answer, verdict):
    guess = predict("How many times?", unit="draws")
    guess.commit(answer)
    guess.discuss(100.0, "By the rate.", right=100)
    assert shown[-1]["text/markdown"] == f"**You said** {answer:.4g} draws, it is 100 draws: {verdict}. By the rate."


def test_a_number_nobody_gave_is_told(shown):
    guess = predict("How many times?", unit="draws")
    guess.discuss(100.0, "By the rate.", right=100)
    assert shown[0]["text/markdown"].endswith("A number, in draws.")
    assert shown[1]["text/markdown"] == "**The answer** is 100 draws. By the rate."


def test_slips_are_named(shown):
    with pytest.raises(ValueError, match="two or more different options"):
        predict("?", ["a"])
    with pytest.raises(ValueError, match="two or more different options"):
        predict("?", ["a", "a", "b"])
    guess = predict("?", DRAWS)
    with pytest.raises(ValueError, match="got 'about 4'"):
        guess.commit("about 4")
    with pytest.raises(ValueError, match="say something to each of"):
        guess.discuss({"about 3": "No."}, right="about 3")
    with pytest.raises(ValueError, match="right is one of"):
        guess.discuss(WORDS, right="about 4")
    with pytest.raises(ValueError, match="a finite number"):
        predict("?").commit("three")
