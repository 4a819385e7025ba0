"""Fetching MNIST when mirrors and networks fail: recovery or a clear error, and digits within seconds. No test here
reaches beyond loopback."""

import socket
import time

import pytest
from made_data import CONTENTS, REGISTRY, apart, assert_digits_said_once, assert_mnist, assert_whole
from mirrors import BAD_WAYS, breaks_off, dead, mirror, silent, stalls

import lvmteach.data as data
from lvmteach.data import files, load_images
from lvmteach.data import mnist as mnist_room


@pytest.fixture(autouse=True)
def world(monkeypatch, tmp_path):
    with apart(monkeypatch, tmp_path) as world:
        yield world


# The way it should go.


def test_first_call_fetches_with_progress_and_second_needs_no_network(world, capsys):
    with mirror(CONTENTS) as good:
        world.use(good)
        assert_mnist(load_images())
        assert sorted(good.sent) == sorted(CONTENTS)  # each once
    shown = capsys.readouterr()
    assert shown.out == ""
    assert all(name in shown.err and "100%" in shown.err for name in CONTENTS)
    assert {p.name for p in world.cache.iterdir()} == set(CONTENTS)
    assert_whole(world.cache)
    assert_mnist(load_images("mnist"))


def test_there_are_three_mirrors_and_they_are_encrypted(monkeypatch):
    monkeypatch.undo()
    assert len(set(mnist_room.MIRRORS)) == 3
    assert all(url.startswith("https://") and url.endswith("/") for url in mnist_room.MIRRORS)


# Mirrors that fail.


@pytest.mark.parametrize("bad", BAD_WAYS, ids=lambda bad: bad.__name__)
def test_next_mirror_is_tried_when_one(bad, world, monkeypatch):
    if bad is stalls:
        monkeypatch.setattr(files, "STALL", 0.01)
    with mirror(CONTENTS, bad) as first, mirror(CONTENTS) as second:
        world.use(first, second)
        assert_mnist(load_images("mnist"))
        assert set(second.sent) <= set(CONTENTS)
    assert_whole(world.cache)


@pytest.mark.parametrize("bad", BAD_WAYS, ids=lambda bad: bad.__name__)
def test_clear_error_when_every_mirror(bad, world, monkeypatch, capsys):
    if bad is stalls:
        monkeypatch.setattr(files, "STALL", 0.01)
    with mirror(CONTENTS, bad) as only:
        world.use(only, dead())
        with pytest.raises(ConnectionError, match="no mirror gave the published") as error:
            load_images("mnist")
        assert f"127.0.0.1:{only.server_port}" in str(error.value)
        assert "LVMTEACH_DATA" in str(error.value)
        assert_whole(world.cache)
        capsys.readouterr()
        assert_digits_said_once(capsys, "no mirror gave the published")


def test_mirror_that_fails_once_is_asked_again(world):
    failures = iter([breaks_off])

    def flaky(handler, raw):
        return next(failures, lambda handler, raw: raw)(handler, raw)

    with mirror(CONTENTS, flaky) as only:
        world.use(only)
        assert_mnist(load_images("mnist"))
        assert len(only.sent) == len(CONTENTS) + 1


def test_dead_silent_and_empty_mirrors_cost_no_patience_while_one_lives(world, monkeypatch):
    monkeypatch.setattr(data, "PATIENCE", 120.0)  # far beyond what a busy machine takes for the rest
    with silent() as mute, mirror({}) as empty, mirror(CONTENTS) as good:
        world.use(dead(), mute, empty, good)
        start = time.monotonic()
        assert_mnist(load_images())
        assert time.monotonic() - start < data.PATIENCE / 2, "waiting for the silent one once costs the whole patience"


def test_order_of_mirrors_first_who_answers_last_who_refused():
    with silent() as mute, mirror(CONTENTS) as good:
        gone = dead()
        ordered = files.answering([gone + "x", mute + "x", good.url + "train-labels-idx1-ubyte.gz"], 5.0)
    assert ordered[0].startswith(good.url)
    assert set(ordered[1:]) == {gone + "x", mute + "x"}


# No network.


def no_names(*args, **kwargs):
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


HANGS = 60.0  # seconds, on a thread that nobody waits for


def names_that_hang(*args, **kwargs):
    time.sleep(HANGS)
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@pytest.mark.parametrize("resolve", [no_names, names_that_hang])
def test_without_a_network_digits_come_within_seconds(resolve, world, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.delenv("LVMTEACH_DATA", raising=False)
    monkeypatch.delenv("LVMTEACH_IMAGES", raising=False)
    monkeypatch.setattr(mnist_room, "FILES", REGISTRY)
    monkeypatch.setattr("pooch.os_cache", lambda project: "/nonexistent-folder")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(data, "PATIENCE", 0.5)
    data._digits(False)  # importing scikit-learn is not the network's fault
    start = time.monotonic()
    assert_digits_said_once(capsys, "ossci-datasets.s3.amazonaws.com")
    assert time.monotonic() - start < HANGS / 2


def test_silent_network_ends_after_the_patience_given(world, capsys):
    world.little_patience()
    with silent() as one, silent() as two:
        world.use(one, two)
        assert_digits_said_once(capsys, "within 0.5 s")  # for ever without: the mirrors never answer
        with pytest.raises(ConnectionError, match=r"no answer|Timeout"):
            load_images("mnist")


def test_default_patience_is_a_couple_of_seconds(monkeypatch):
    monkeypatch.undo()
    assert data.PATIENCE <= 3 < data.PATIENCE_BY_NAME
