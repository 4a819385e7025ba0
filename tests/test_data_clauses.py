"""Lines of a play: what is kept of a text, and that the file must be the published one. No test here reaches beyond
loopback."""

import pytest
from made_data import published
from mirrors import alters, breaks_off, dead, greets, mirror, truncates

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


# --- fetched from mirrors, as MNIST is

TEXT = PLAY.encode("ascii")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache of the test's own, and the small play for the published one."""
    monkeypatch.delenv("LVMTEACH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(room, "FILE", published("input.txt", TEXT))
    return tmp_path / "lvmteach"


def test_the_first_call_fetches_and_the_second_needs_no_network(cache, monkeypatch):
    with mirror({"input.txt": TEXT}) as good:
        monkeypatch.setattr(room, "MIRRORS", (good.url,))
        first = clauses(common=100)
        assert good.sent == ["input.txt"]
    assert (cache / "input.txt").read_bytes() == TEXT
    monkeypatch.setattr(room, "MIRRORS", (dead(),))
    assert clauses(common=100).train.equal(first.train)


@pytest.mark.parametrize("bad", [alters, breaks_off, greets, truncates], ids=lambda bad: bad.__name__)
def test_a_text_that_is_not_the_published_one_is_not_taken(bad, cache, monkeypatch):
    with mirror({"input.txt": TEXT}, bad) as only:
        monkeypatch.setattr(room, "MIRRORS", (only.url,))
        with pytest.raises(ConnectionError, match=r"no mirror gave the published input\.txt .*LVMTEACH_DATA"):
            clauses(common=100)
        assert not (cache / "input.txt").exists()
        with mirror({"input.txt": TEXT}) as good:
            monkeypatch.setattr(room, "MIRRORS", (only.url, good.url))
            assert len(clauses(common=100).train) == 3


def test_a_mirror_without_the_text_and_no_network_are_told_apart(cache, monkeypatch):
    with mirror({}) as empty:
        for url, how in ((empty.url, "HTTP 404"), (dead(), "ConnectionError")):
            monkeypatch.setattr(room, "MIRRORS", (url,))
            with pytest.raises(ConnectionError, match=f"no mirror offered input.txt .*{how}"):
                clauses(common=100)


def test_a_damaged_copy_in_the_cache_is_fetched_anew(cache, monkeypatch):
    cache.mkdir()
    (cache / "input.txt").write_bytes(TEXT[:-1])
    with mirror({"input.txt": TEXT}) as good:
        monkeypatch.setattr(room, "MIRRORS", (good.url,))
        assert len(clauses(common=100).test) == 1
    assert (cache / "input.txt").read_bytes() == TEXT


def test_the_text_is_named_by_an_unchanging_address():
    assert all(url.startswith("https://") and url.endswith("/") for url in room.MIRRORS)
    assert all(any(len(part) == 40 for part in url.split("/")) for url in room.MIRRORS)  # a commit, no branch
