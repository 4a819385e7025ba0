"""Files damaged or missing, disks full or read-only, two processes at once: never a wrong array, never a part of a file
under its final name."""

import errno
import io
import os
import subprocess
import sys
import threading

import pytest
import requests
from made_data import (
    ARRAYS,
    CONTENTS,
    FIRST,
    apart,
    assert_digits_said_once,
    assert_mnist,
    assert_whole,
    idx,
)
from mirrors import mirror

from lvmteach.data import files, load_images


@pytest.fixture(autouse=True)
def world(monkeypatch, tmp_path):
    with apart(monkeypatch, tmp_path) as world:
        yield world


# Damaged files.


@pytest.mark.parametrize("damage", [lambda raw: raw[:-7], lambda raw: raw[:60] + b"\0" + raw[61:], lambda raw: b""])
@pytest.mark.parametrize("name", [*CONTENTS][:2])
def test_damaged_cache_is_fetched_anew(damage, name, world, capsys):
    world.cache.mkdir(parents=True)
    for other, raw in CONTENTS.items():
        (world.cache / other).write_bytes(damage(raw) if other == name else raw)
    assert_digits_said_once(capsys, "no mirror offered")
    with mirror(CONTENTS) as good:
        world.use(good)
        assert_mnist(load_images("mnist"))
        assert good.sent == [name]
    assert_whole(world.cache)


def contents_of(folder):
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


def test_named_folder_is_read_and_never_written(world):
    named = world.named()
    before = contents_of(named), named.stat().st_mtime_ns
    assert_mnist(load_images())
    assert before == (contents_of(named), named.stat().st_mtime_ns)
    assert not world.cache.exists()


def test_named_folder_must_be_complete(world):
    named = world.named()
    with mirror(CONTENTS) as good:
        world.use(good)
        missing = [*CONTENTS][1:3]
        for name in missing:
            (named / name).unlink()
        with pytest.raises(FileNotFoundError) as error:
            load_images()
        assert good.sent == []
    assert all(word in str(error.value) for word in (*missing, str(named), "unset LVMTEACH_DATA"))
    assert FIRST not in str(error.value)


def test_named_folder_that_is_not_there_names_all_it_lacks(world, monkeypatch):
    named = world.named()
    monkeypatch.setenv("LVMTEACH_DATA", str(named / "elsewhere"))
    with pytest.raises(FileNotFoundError) as error:
        load_images()
    assert all(name in str(error.value) for name in CONTENTS)


@pytest.mark.parametrize(
    ("damage", "words"), [(lambda raw: raw[:-7], "bytes"), (lambda raw: raw[:60] + b"\0" + raw[61:], "SHA-256")]
)
def test_damaged_file_in_the_named_folder_is_an_error(damage, words, world):
    named = world.named()
    path = named / FIRST
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=words) as error:
        load_images()
    assert str(path) in str(error.value)
    assert "unset LVMTEACH_DATA" in str(error.value)


def test_digits_do_not_ask_for_the_named_folder(world):
    named = world.named()
    (named / FIRST).unlink()
    assert load_images("digits").name == "digits"


# Disks that fail.


class FailingDisk:
    """`open` for a folder whose disk takes `room` bytes a file; without room it is read-only."""

    def __init__(self, monkeypatch, folder, code, room=0):
        self.folder, self.code, self.room, self.real = str(folder), code, room, open
        monkeypatch.setattr("builtins.open", self)

    def __call__(self, path, mode="r", *args, **kwargs):
        writes = set(mode) & set("wax+") and str(path).startswith(self.folder)
        if writes and not self.room:
            raise OSError(self.code, os.strerror(self.code), str(path))
        out = self.real(path, mode, *args, **kwargs)
        return FullFile(out, self.room, self.code) if writes else out


class FullFile(io.RawIOBase):
    def __init__(self, out, room, code):
        self.out, self.room, self.code = out, room, code

    def write(self, raw):
        self.out.write(raw[: self.room])
        self.out.flush()
        if len(raw) > self.room:
            raise OSError(self.code, os.strerror(self.code))
        self.room -= len(raw)
        return len(raw)

    def close(self):
        self.out.close()


@pytest.mark.parametrize(
    ("code", "room"), [(errno.EROFS, 0), (errno.EACCES, 0), (errno.ENOSPC, 1000), (errno.EDQUOT, 1000)]
)
def test_cache_that_cannot_be_written_costs_one_line(code, room, world, monkeypatch, capsys):
    FailingDisk(monkeypatch, world.cache, code, room)
    with mirror(CONTENTS) as good:
        world.use(good)
        assert_mnist(load_images())
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert str(world.cache) in said
    assert os.strerror(code) in said
    assert list(world.cache.iterdir()) == []


def test_cache_below_a_file_costs_one_line(world, capsys):
    world.cache.parent.parent.mkdir(exist_ok=True)
    world.cache.parent.write_text("a file where the folder should be")
    with mirror(CONTENTS) as good:
        world.use(good)
        assert_mnist(load_images())
    assert "cannot be written" in capsys.readouterr().out


def test_read_only_cache_with_the_files_is_enough(world, monkeypatch, capsys):
    world.cache.mkdir(parents=True)
    for name, raw in CONTENTS.items():
        (world.cache / name).write_bytes(raw)
    FailingDisk(monkeypatch, world.cache, errno.EROFS)
    assert_mnist(load_images())
    assert capsys.readouterr().out == ""


def test_no_room_at_all_is_a_clear_error_or_the_digits(world, tmp_path, monkeypatch, capsys):
    FailingDisk(monkeypatch, tmp_path, errno.ENOSPC, room=1000)
    with mirror(CONTENTS) as good:
        world.use(good)
        with pytest.raises(OSError, match="must have room") as error:
            load_images("mnist")
        assert error.value.errno == errno.ENOSPC
        assert "TMPDIR" in str(error.value)
        assert_digits_said_once(capsys, os.strerror(errno.ENOSPC))
    assert_whole(world.cache)


def test_what_came_before_the_network_failed_is_kept(world):
    names = [*CONTENTS]
    with mirror({name: CONTENTS[name] for name in names[:2]}) as half:
        world.use(half)
        with pytest.raises(ConnectionError, match=names[2]):
            load_images("mnist")
    assert {p.name for p in world.cache.iterdir()} == set(names[:2])
    with mirror(CONTENTS) as good:
        world.use(good)
        assert_mnist(load_images("mnist"))
        assert good.sent == names[2:]


def test_interrupt_in_mid_file_leaves_nothing_but_whole_files(world, monkeypatch):
    send = requests.Response.iter_content

    def interrupt(response, *args, **kwargs):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return send(response, *args, **kwargs)

    with mirror(CONTENTS) as good:
        world.use(good)
        monkeypatch.setattr(requests.Response, "iter_content", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_images()
    assert_whole(world.cache)


# Two at once.

TWIN = """
import sys, pathlib, tempfile
import numpy as np, pooch
sys.path.insert(0, sys.argv[1])
pooch.os_cache = lambda project: pathlib.Path(sys.argv[2])
from lvmteach.data import files, mnist
import made_data
arrays, contents, mnist.FILES = made_data.made_mnist()
mnist.MIRRORS = (sys.argv[3],)
got = mnist.load_mnist(10.0)
assert all(np.array_equal(a, b) for a, b in zip(got, arrays, strict=True))
print("right")
"""


def test_two_processes_at_once(world):
    both = threading.Barrier(2)

    def together(handler, raw):
        if handler.path.endswith(FIRST):
            both.wait(30)  # neither gets its first file before the other has asked for it too
        return raw

    with mirror(CONTENTS, together) as good:
        command = [sys.executable, "-c", TWIN, os.path.dirname(__file__), str(world.cache), good.url]
        twins = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"]
        ends = [twin.communicate(timeout=60) for twin in twins]
        assert [out for out, _ in ends] == ["right\n"] * 2, ends
        assert good.sent.count(FIRST) == 2
    assert {p.name for p in world.cache.iterdir()} == set(CONTENTS)
    assert_whole(world.cache)


def test_two_writers_of_one_file_are_not_in_each_others_way(world, monkeypatch, capsys):
    raw, both, put_in_place = {"x": os.urandom(200_000)}, threading.Barrier(2), os.replace

    def together(source, target):
        both.wait(20)  # each has written all of it before either puts it in place
        put_in_place(source, target)

    monkeypatch.setattr(os, "replace", together)
    writers = [threading.Thread(target=files.keep, args=(world.cache, raw)) for _ in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert capsys.readouterr().out == ""
    assert [p.name for p in world.cache.iterdir()] == ["x"]
    assert_whole(world.cache, raw)


# Planted bugs: what the tests above must see.


def unchecked(raw, file, source):
    return raw


def test_bytes_that_are_not_checked_would_be_seen(world, monkeypatch):
    """Two images change places: a file that parses, and is not MNIST."""
    named = world.named()
    array = ARRAYS[0].copy()
    array[[0, 1]] = array[[1, 0]]
    (named / FIRST).write_bytes(idx(array))
    with pytest.raises(ValueError, match="published"):
        load_images()
    monkeypatch.setattr(files, "checked", unchecked)
    with pytest.raises(AssertionError):
        assert_mnist(load_images())


def test_file_written_in_place_would_be_seen(world, monkeypatch):
    def in_place(folder, contents):
        folder.mkdir(parents=True, exist_ok=True)
        for name, raw in contents.items():
            try:
                with open(folder / name, "wb") as out:
                    out.write(raw)
            except OSError:
                return

    monkeypatch.setattr(files, "keep", in_place)
    FailingDisk(monkeypatch, world.cache, errno.ENOSPC, room=1000)
    with mirror(CONTENTS) as good:
        world.use(good)
        assert_mnist(load_images())
    with pytest.raises(AssertionError, match="is not the published file"):
        assert_whole(world.cache)
