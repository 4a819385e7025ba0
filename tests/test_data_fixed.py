"""Larochelle's fixed binarisation: fetched as text, kept as packed bits, proved by the published hash."""

import io

import numpy as np
import pytest
import torch
from made_data import AMAT, BITS, TEXTS, apart
from mirrors import breaks_off, greets, mirror

from lvmteach.data import larochelle, load_images


@pytest.fixture(autouse=True)
def world(monkeypatch, tmp_path):
    with apart(monkeypatch, tmp_path) as world:
        yield world


def assert_fixed(images):
    assert (images.name, images.shape) == ("mnist", (28, 28))
    assert images.train_labels is images.valid_labels is images.test_labels is None
    for part, truth in zip(images[:3], BITS, strict=True):
        assert part.dtype == torch.float32
        np.testing.assert_array_equal(part.numpy(), truth)


def test_fixed_binarisation_is_fetched_once_and_kept_without_its_text(world):
    with mirror(TEXTS) as good:
        world.use(good, room=larochelle)
        assert_fixed(load_images(binarise="fixed"))
        assert sorted(good.sent) == sorted(TEXTS)
    assert {p.suffix for p in world.cache.iterdir()} == {".npz"}
    assert sum(p.stat().st_size for p in world.cache.iterdir()) < sum(map(len, TEXTS.values())) / 8
    assert_fixed(load_images("mnist", binarise="fixed"))


@pytest.mark.parametrize("bad", [breaks_off, greets], ids=lambda bad: bad.__name__)
def test_fixed_binarisation_from_a_bad_mirror_is_an_error_or_the_digits(bad, world, capsys):
    with mirror(TEXTS, bad) as only:
        world.use(only, room=larochelle)
        with pytest.raises(ConnectionError, match="binarized_mnist_train"):
            load_images("mnist", binarise="fixed")
        images = load_images(binarise="fixed")
    assert images.name == "digits"
    assert "because MNIST cannot be had" in capsys.readouterr().out
    assert not world.cache.exists()


def swap_two_images(raw):
    with np.load(io.BytesIO(raw)) as content:
        packed = content["packed"].copy()
    packed[[0, 1]] = packed[[1, 0]]
    out = io.BytesIO()
    np.savez_compressed(out, packed=packed)
    return out.getvalue()


def other_key(raw):
    out = io.BytesIO()
    np.savez_compressed(out, images=np.zeros((2, 98), np.uint8))
    return out.getvalue()


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-9], lambda raw: b"not a zip", lambda raw: b"", swap_two_images, other_key]
)
def test_damaged_packed_file_is_made_anew_in_the_cache_and_refused_in_a_named_folder(damage, world, monkeypatch):
    with mirror(TEXTS) as good:
        world.use(good, room=larochelle)
        load_images(binarise="fixed")
        path = world.cache / "binarized_mnist_valid.npz"
        path.write_bytes(damage(path.read_bytes()))
        monkeypatch.setenv("LVMTEACH_DATA", str(world.cache))
        with pytest.raises(ValueError, match=r"binarized_mnist_valid\.npz must hold the published images"):
            load_images(binarise="fixed")
        monkeypatch.delenv("LVMTEACH_DATA")
        good.sent.clear()
        assert_fixed(load_images(binarise="fixed"))
        assert good.sent == ["binarized_mnist_valid.amat"]
    assert_fixed(load_images(binarise="fixed"))


def test_fixed_binarisation_from_a_named_folder_of_text(tmp_path, monkeypatch):
    monkeypatch.setenv("LVMTEACH_DATA", str(tmp_path))
    (tmp_path / AMAT[0].name).write_bytes(TEXTS[AMAT[0].name])
    with pytest.raises(FileNotFoundError) as error:
        load_images(binarise="fixed")
    assert AMAT[1].name in str(error.value)
    assert AMAT[2].name in str(error.value)
    for name, raw in TEXTS.items():
        (tmp_path / name).write_bytes(raw)
    assert_fixed(load_images(binarise="fixed"))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*TEXTS, "tmp"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1],
        lambda text: text.replace(b"1", b"2", 1),
        lambda text: text.replace(b" ", b",", 1),
        lambda text: text.replace(b"\n", b" ", 1),
        lambda text: text.replace(b"\n", b"\r\n"),
    ],
)
def test_other_text_is_no_binarisation(spoil):
    text = TEXTS[AMAT[0].name]
    with pytest.raises(ValueError, match="784 digits 0 or 1"):
        larochelle.parse_amat(spoil(text), "x.amat")
