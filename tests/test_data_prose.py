"""Letters of a text that every Python has."""

import pytest

from lvmteach.data.prose import ALPHABET, prose, spelt


def test_lines_are_english_letters():
    x = prose(400, 100)
    assert x.shape == (400, 100)
    assert (int(x.min()), int(x.max())) == (0, 26)
    text = "".join(map(spelt, x))
    assert set(text) == set(ALPHABET)
    assert "  " not in text  # runs of blanks are one
    words = text.split()
    assert words.count("the") > 100  # the commonest word of English
    assert 3 < len(text.replace(" ", "")) / len(words) < 7


def test_lines_are_one_text_cut_up():
    assert "".join(map(spelt, prose(10, 50))) == "".join(map(spelt, prose(5, 100)))
    assert (prose(3, 7) == prose(3, 7)).all()


def test_no_letter_runs_on():
    text = "".join(map(spelt, prose(3000, 100)))
    assert not any(letter * 4 in text for letter in ALPHABET)


def test_more_than_there_is_is_refused():
    with pytest.raises(ValueError, match=r"the text has \d+ letters, got N T = 10000000; take fewer or shorter lines"):
        prose(100_000, 100)
