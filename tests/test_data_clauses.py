"""Lines of a play: what is kept of a text, and that the file must be the published one. Nothing is fetched."""

import pytest

from lvmteach.data import clauses as room
from lvmteach.data.clauses import clauses, made
from lvmteach.vocabulary import END, MARKS, UNKNOWN

PLAY = """First Citizen:
You are all resolved rather to die than to famish?

All:
You are all resolved.
You are all resolved.
Speak, speak, speak: 'tis you.
O most rare wordsmithery, and most seldom
"""


def test_lines_of_known_words_are_kept_once():
    found = made(PLAY, common=100)
    lines = found.vocabulary.decode(found.train) + found.vocabulary.decode(found.test)
    assert sorted(lines) == [
        "o most rare wordsmithery and most seldom",
        "speak speak speak tis you",
        "you are all resolved",
        "you are all resolved rather to die than to famish",
    ]
    assert "citizen" not in found.vocabulary.words  # a speaker's name is no line
    assert not (found.train == UNKNOWN).any()
    assert ((found.train == END).sum(1) == 1).all()


def test_rare_words_cost_their_lines():
    found = made(PLAY + "You are all.\nYou all are resolved.\n", common=5)  # you, all, are, resolved, speak
    assert len(found.vocabulary) == 5 + len(MARKS)
    lines = found.vocabulary.decode(found.train) + found.vocabulary.decode(found.test)
    assert sorted(lines) == ["you all are resolved", "you are all resolved"]
    with pytest.raises(ValueError, match="common = 1 words leave 0 lines"):
        made(PLAY, common=1)


def test_another_file_under_its_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("LVMTEACH_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"lacks input\.txt"):
        clauses()
    (tmp_path / "input.txt").write_text(PLAY)
    with pytest.raises(ValueError, match="must have the 1115394 bytes"):
        clauses()


def test_the_text_becomes_lines(monkeypatch):
    text = (PLAY * (1 + room.FILE.size // len(PLAY)))[: room.FILE.size]
    monkeypatch.setattr(room, "obtain", lambda files, mirrors, patience: {files[0].name: text.encode("ascii")})
    assert len(clauses(common=100).train) >= 3
