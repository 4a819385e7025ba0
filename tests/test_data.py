"""What `load_images` promises about splits, values and binarisation."""

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from chance import assert_mean, assert_share
from made_data import idx, made_larochelle, made_mnist
from sklearn.datasets import load_digits

import lvmteach.data as data
from lvmteach.data import Images, dynamic, larochelle, load_images, threshold
from lvmteach.data import mnist as mnist_room
from lvmteach.runtime import seeded

NAMED = os.environ.get("LVMTEACH_DATA")  # the real MNIST, on machines that have it
PARTS = ("train", "valid", "test")

# How often each digit occurs in MNIST's 60000 and 10000 images.
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    monkeypatch.delenv("LVMTEACH_IMAGES", raising=False)


@pytest.fixture
def made(monkeypatch, tmp_path):
    """A small made MNIST in the folder that LVMTEACH_DATA names; its arrays."""
    arrays, contents, registry = made_mnist()
    for name, raw in contents.items():
        (tmp_path / name).write_bytes(raw)
    monkeypatch.setattr(mnist_room, "FILES", registry)
    monkeypatch.setattr(data, "VALID", 10)
    monkeypatch.setenv("LVMTEACH_DATA", str(tmp_path))
    return arrays


@pytest.fixture(scope="module")
def real():
    """The real MNIST, or None on machines that do not have it."""
    return load_images("mnist") if NAMED else None


def assert_well_formed(images):
    height, width = images.shape
    for part, labels in zip(images[:3], images[3:6], strict=True):
        assert part.dtype == torch.float32
        assert part.shape == (len(labels), height * width)
        assert part.is_contiguous()
        assert part.min() >= 0
        assert part.max() == 1  # ink is 1: divided by the largest grey value
        assert labels.dtype == torch.int64
        assert set(labels.tolist()) <= set(range(10))


# MNIST


def test_mnist_is_split_as_documented(made):
    images, (train, labels, test, test_labels) = load_images(), made
    assert (images.name, images.shape) == ("mnist", (28, 28))
    assert_well_formed(images)
    assert [len(part) for part in images[:3]] == [50, 10, 20]
    np.testing.assert_array_equal(torch.cat(images[:2]).numpy() * 255, train.reshape(-1, 784))
    np.testing.assert_array_equal(torch.cat(images[3:5]).numpy(), labels)
    np.testing.assert_array_equal(images.test.numpy() * 255, test.reshape(-1, 784))
    np.testing.assert_array_equal(images.test_labels.numpy(), test_labels)


def test_real_mnist_is_what_everybody_knows(real):
    """Where it is there: sizes, how often each digit occurs, and ones that stand upright."""
    if real is None:
        return
    assert_well_formed(real)
    assert [len(part) for part in real[:3]] == [55000, 5000, 10000]
    assert torch.bincount(torch.cat(real[3:5])).tolist() == TRAIN_COUNTS
    assert torch.bincount(real.test_labels).tolist() == TEST_COUNTS
    ones = real.test[real.test_labels == 1].reshape(-1, 28, 28).mean(0)
    assert ones.sum(0).std() > 2 * ones.sum(1).std(), "a one is narrow and tall"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a: idx(a)[:-9], "whole gzip"),
        (lambda a: b"no gzip", "whole gzip"),
        (lambda a: idx(a.reshape(6, 56, 14)), "shape"),
        (lambda a: idx(a[:5]), "shape"),
        (lambda a: idx(a.reshape(6, -1)), "shape"),
        (lambda a: idx(a, magic=b"\0\0\x09"), "IDX"),  # signed bytes
        (lambda a: idx(a, magic=b"\x01\0\x08"), "IDX"),
    ],
)
def test_idx_is_parsed_strictly(spoil, words):
    array = np.arange(6 * 28 * 28, dtype=np.uint64).astype(np.uint8).reshape(6, 28, 28)
    np.testing.assert_array_equal(mnist_room.parse_idx(idx(array), array.shape, "x.gz"), array)
    with pytest.raises(ValueError, match=words) as error:
        mnist_room.parse_idx(spoil(array), array.shape, "x.gz")
    assert "x.gz" in str(error.value)


@pytest.mark.parametrize("change", [lambda body: body[:-1], lambda body: body + b"\0", lambda body: body[:9]])
def test_idx_with_values_missing_or_left_over(change):
    array = np.ones((6, 28, 28), np.uint8)
    raw = gzip.compress(change(gzip.decompress(idx(array))))
    with pytest.raises(ValueError, match="must hold"):
        mnist_room.parse_idx(raw, array.shape, "x.gz")


# Larochelle's fixed binarisation


def real_or_made_bits():
    """The published images where they lie beside the real MNIST, else made ones; and what they must hash to."""
    packed = Path(NAMED or ".").resolve().parent / "binarized_mnist" / "binarized_mnist_packed.npz"
    if not (NAMED and packed.exists()):
        arrays, _, registry = made_larochelle()
        return list(zip(registry, arrays, strict=True))
    with np.load(packed) as content:
        return [(f, np.unpackbits(content[p], axis=1)) for f, p in zip(larochelle.FILES, PARTS, strict=True)]


def test_fixed_binarisation_has_the_published_bytes_and_survives_packing():
    for file, bits in real_or_made_bits():
        text = larochelle.as_text(bits)
        assert (len(text), hashlib.sha256(text).hexdigest()) == (file.size, file.sha256)
        np.testing.assert_array_equal(larochelle.parse_amat(text, file.name), bits)
        np.testing.assert_array_equal(larochelle.unpack(larochelle.pack(bits), file, file.name), bits)


def test_published_sizes_are_those_of_the_splits():
    assert [file.size / (2 * 784) for file in larochelle.FILES] == [50000, 10000, 10000]
    assert [shape[0] for shape in mnist_room.FILES.values()] == [60000, 60000, 10000, 10000]
    assert (data.VALID, larochelle.PIXELS) == (5000, 28 * 28)


# Digits


def test_digits_are_split_by_the_documented_rule():
    images, raw = load_images("digits"), load_digits()
    assert (images.name, images.shape) == ("digits", (8, 8))
    assert_well_formed(images)
    assert [len(part) for part in images[:3]] == [1397, 200, 200]
    test, valid = [i for i in range(1797) if i % 9 == 0], [i for i in range(1797) if i % 9 == 4]
    train = sorted(set(range(1797)) - {*test, *valid})
    for part, labels, rows in zip(images[:3], images[3:6], (train, valid, test), strict=True):
        np.testing.assert_array_equal(part.numpy() * 16, raw.data[rows])  # sixteenths are exact in binary
        np.testing.assert_array_equal(labels.numpy(), raw.target[rows])


def test_every_digit_is_in_every_part():
    for labels in load_images("digits")[3:6]:
        assert torch.bincount(labels, minlength=10).min() >= 14  # of 20 in 200 images, about


def test_digits_with_fixed_binarisation_are_one_draw_of_their_grey_values():
    grey, fixed, again = load_images("digits"), *(load_images("digits", binarise="fixed") for _ in "ab")
    for part in PARTS:
        x, b = getattr(grey, part), getattr(fixed, part)
        assert torch.equal(b, getattr(again, part))
        assert set(b.unique().tolist()) == {0, 1}
        assert torch.equal(b[(x == 0) | (x == 1)], x[(x == 0) | (x == 1)])
        assert torch.equal(getattr(fixed, f"{part}_labels"), getattr(grey, f"{part}_labels"))
    half = grey.train == 0.5
    assert_share(int(fixed.train[half].sum()), int(half.sum()), 0.5, resolution=0.1)


# The choice


def test_environment_chooses_when_nothing_is_said(made, monkeypatch, capsys):
    monkeypatch.setenv("LVMTEACH_IMAGES", "digits")
    assert load_images().name == "digits"
    assert load_images("mnist").name == "mnist"
    assert capsys.readouterr().out == "", "a choice needs no explanation"
    monkeypatch.setenv("LVMTEACH_IMAGES", "")
    assert load_images().name == "mnist"
    monkeypatch.setenv("LVMTEACH_IMAGES", "cifar")
    with pytest.raises(ValueError, match=r"mnist, digits.*'cifar'"):
        load_images()


def test_bad_choices_are_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"mnist, digits.*got 'MNIST'"):
        load_images("MNIST")
    with pytest.raises(ValueError, match=r"call dynamic\(x\) on each minibatch"):
        load_images("digits", binarise="dynamic")


def test_threshold_on_loading_is_threshold_of_the_grey_values():
    grey, black = load_images("digits"), load_images("digits", binarise="threshold")
    for part in PARTS:
        assert torch.equal(getattr(black, part), (getattr(grey, part) > 0.5).float())
    assert torch.equal(black.test_labels, grey.test_labels)


def test_images_move_together():
    images = load_images("digits")._replace(test_labels=None)
    moved = images.to("meta")
    assert isinstance(moved, Images)
    assert all(part.device.type == "meta" for part in moved[:5])
    assert moved[5:] == (None, (8, 8), "digits")


# Binarisation


def assert_dynamic(draw):
    """Each pixel is one with its own probability, independently of its neighbours and of the last visit."""
    p = torch.tensor([0.0, 0.1, 0.5, 0.7, 1.0])
    with seeded(1):
        visits = torch.stack([draw(p.expand(1000, 5).clone()) for _ in range(20)])
    assert set(visits.unique().tolist()) <= {0, 1}
    assert (visits[..., 0] == 0).all()
    assert (visits[..., 4] == 1).all()
    p, visits = p[1:4], visits[..., 1:4]
    assert_mean(visits.flatten(0, 1), p, resolution=0.02)
    neighbours = visits * visits.roll(1, -1)
    assert_mean(neighbours.flatten(0, 1), p * p.roll(1), resolution=0.03)
    twice = visits[::2] * visits[1::2]
    assert_mean(twice.flatten(0, 1), p**2, resolution=0.03)


def test_dynamic_draws_each_pixel_afresh_with_its_probability():
    assert_dynamic(dynamic)


def one_number_for_all_pixels(x):
    return (torch.rand(1) < x).to(x.dtype)


def drawn_once(x, frozen={}):  # noqa: B006 the bug
    return frozen.setdefault(x.shape, dynamic(x))


@pytest.mark.parametrize(
    "wrong", [threshold, lambda x: dynamic(1 - x), lambda x: x, one_number_for_all_pixels, drawn_once]
)
def test_other_ways_would_be_seen(wrong):
    with pytest.raises((AssertionError, ValueError)):
        assert_dynamic(wrong)


def test_dynamic_keeps_type_and_shape_and_leaves_the_stream_to_its_caller():
    for x in (torch.rand(3, 4, dtype=torch.float64), torch.rand(2, 3, 4), torch.rand(0, 4)):
        b = dynamic(x)
        assert (b.dtype, b.shape, b.device) == (x.dtype, x.shape, x.device)
    x = torch.full((100,), 0.5)
    with seeded(2):
        one, two = dynamic(x), dynamic(x)
    with seeded(2):
        again = dynamic(x)
    assert torch.equal(one, again)
    assert not torch.equal(one, two)


@pytest.mark.parametrize("bad", [-0.01, 1.01, 255.0, float("nan"), float("inf")])
def test_dynamic_refuses_what_is_no_probability(bad):
    x = torch.full((2, 3), 0.5)
    x[1, 2] = bad
    with pytest.raises(ValueError, match=r"in \[0, 1\].*divide bytes by 255"):
        dynamic(x)


def test_threshold_is_strict_and_movable():
    x = torch.tensor([0.0, 0.49, 0.5, 0.51, 1.0])
    assert threshold(x).tolist() == [0, 0, 0, 1, 1]
    assert threshold(x, at=0.2).tolist() == [0, 1, 1, 1, 1]
    assert threshold(x.double()).dtype == torch.float64


# Cost


def test_importing_data_and_runtime_loads_no_border_library():
    code = "import sys, lvmteach.data; print({'pooch', 'requests', 'sklearn', 'matplotlib'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "set()\n"


def test_dynamic_reads_no_value_where_that_would_wait():
    x = torch.empty(3, 4, device="meta")  # a device with shapes and no values, as a GPU is until one waits for it
    assert dynamic(x).shape == x.shape
