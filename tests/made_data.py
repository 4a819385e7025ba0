"""Small made data sets in the published formats, and a world in which the library takes them for the published ones."""

import contextlib
import gzip
import hashlib
import tempfile

import numpy as np
import torch
from mirrors import dead

import lvmteach.data as data
from lvmteach.data import larochelle, load_images
from lvmteach.data import mnist as mnist_room
from lvmteach.data.files import Published


def published(name, raw):
    return Published(name, len(raw), hashlib.sha256(raw).hexdigest())


def idx(array, magic=b"\0\0\x08"):
    """An array as a gzipped IDX file, written value by value as the format's description says."""
    header = magic + bytes([array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + bytes(array.reshape(-1).tolist()), mtime=0)  # the same bytes at any time


def made_mnist(n=60, n_test=20):
    """Arrays, file contents by name, and the registry of a small MNIST of noise."""
    rng = np.random.default_rng(5)
    arrays = (
        rng.integers(0, 256, (n, 28, 28), np.uint8),
        rng.integers(0, 10, n, np.uint8),
        rng.integers(0, 256, (n_test, 28, 28), np.uint8),
        rng.integers(0, 10, n_test, np.uint8),
    )
    names = [f"{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]
    contents = {name: idx(array) for name, array in zip(names, arrays, strict=True)}
    registry = {published(name, contents[name]): a.shape for name, a in zip(names, arrays, strict=True)}
    return arrays, contents, registry


def made_larochelle():
    """Arrays, file contents by name, and the registry of a small fixed binarisation."""
    rng = np.random.default_rng(6)
    parts = {"train": 30, "valid": 7, "test": 9}
    arrays = [rng.integers(0, 2, (n, 784), np.uint8) for n in parts.values()]
    texts = ["".join(" ".join(map(str, row)) + "\n" for row in a.tolist()).encode() for a in arrays]
    contents = dict(zip((f"binarized_mnist_{part}.amat" for part in parts), texts, strict=True))
    return arrays, contents, tuple(published(name, raw) for name, raw in contents.items())


ARRAYS, CONTENTS, REGISTRY = made_mnist()
BITS, TEXTS, AMAT = made_larochelle()
FIRST, *_ = CONTENTS
VALID = 10


class World:
    """A cache, a temporary folder and mirrors of a test's own."""

    def __init__(self, monkeypatch, tmp_path):
        self.monkeypatch, self.path = monkeypatch, tmp_path
        self.cache = tmp_path / "cache" / "lvmteach"

    def use(self, *mirrors, room=mnist_room):
        """Name the mirrors of a data set: servers or addresses."""
        self.monkeypatch.setattr(room, "MIRRORS", tuple(getattr(m, "url", m) for m in mirrors))

    def little_patience(self):
        self.monkeypatch.setattr(data, "PATIENCE", 0.5)
        self.monkeypatch.setattr(data, "PATIENCE_BY_NAME", 0.5)

    def named(self):
        """A folder with the files, named in LVMTEACH_DATA."""
        folder = self.path / "named"
        folder.mkdir()
        for name, raw in CONTENTS.items():
            (folder / name).write_bytes(raw)
        self.monkeypatch.setenv("LVMTEACH_DATA", str(folder))
        return folder


@contextlib.contextmanager
def apart(monkeypatch, tmp_path):
    """The world of one test: small published sets, no mirror, nothing set, and the temporary folder left empty."""
    for name in ("LVMTEACH_DATA", "LVMTEACH_IMAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for room, registry in ((mnist_room, REGISTRY), (larochelle, AMAT)):
        monkeypatch.setattr(room, "FILES", registry)
        monkeypatch.setattr(room, "MIRRORS", (dead(),))
    monkeypatch.setattr(data, "VALID", VALID)
    # A loaded machine may be slow: whoever tests what happens to silent mirrors asks for little patience.
    monkeypatch.setattr(data, "PATIENCE", 20.0)
    monkeypatch.setattr(data, "PATIENCE_BY_NAME", 20.0)
    yield World(monkeypatch, tmp_path)
    assert not list((tmp_path / "tmp").iterdir()), "the temporary folder is left empty"


def assert_mnist(images):
    """The made set, to the last grey value: k / 255 is rounded once, on both sides."""
    train, labels, test, test_labels = ARRAYS
    assert (images.name, images.shape) == ("mnist", (28, 28))
    for part, truth in ((images.train, train[:-VALID]), (images.valid, train[-VALID:]), (images.test, test)):
        assert part.dtype == torch.float32
        np.testing.assert_array_equal(part.numpy().reshape(truth.shape), (truth / 255.0).astype(np.float32))
    for part, truth in (
        (images.train_labels, labels[:-VALID]),
        (images.valid_labels, labels[-VALID:]),
        (images.test_labels, test_labels),
    ):
        np.testing.assert_array_equal(part.numpy(), truth)


def assert_whole(folder, contents=CONTENTS):
    """Whatever lies in the folder is a whole file under its own name."""
    for path in folder.iterdir() if folder.exists() else ():
        assert path.read_bytes() == contents[path.name], f"{path.name} is not the published file"


def assert_digits_said_once(capsys, why):
    images = load_images()
    said = capsys.readouterr().out
    assert images.name == "digits"
    assert said.count("\n") == 1
    assert "8 x 8 digits, because MNIST cannot be had" in said
    assert why in said
