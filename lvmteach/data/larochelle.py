"""MNIST in black and white, fixed once: H. Larochelle's published binarisation, three text files.

Each image is a line of 784 digits 0 or 1, separated by spaces. Train and valid are a shuffled split of MNIST's 60000
training images, test its 10000 test images; there are no labels. The text (110 MB) is not kept: the cache holds packed
bits (2 MB), which are proved on each reading by writing the text again and taking its hash.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from lvmteach.data.files import Published, checked, fetch, from_folder, keep
from lvmteach.runtime import data_folder, named_folder

MIRRORS = ("http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",)
PIXELS = 784
FILES = (  # train, valid, test: 50000, 10000 and 10000 images
    Published(
        "binarized_mnist_train.amat",
        78400000,
        "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    ),
    Published(
        "binarized_mnist_valid.amat",
        15680000,
        "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    ),
    Published(
        "binarized_mnist_test.amat",
        15680000,
        "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
    ),
)


def load_larochelle(patience: float) -> list[UInt8[np.ndarray, "N D"]]:
    """Train, valid and test images in {0, 1}, from LVMTEACH_DATA, the cache or the web.

    A folder may hold the published text (.amat) or what the cache made of it (.npz).

    Raises:
        FileNotFoundError, ValueError, ConnectionError, OSError: see `files.obtain`.
    """
    bits = {file: _packed(file) for file in FILES}
    lacking = [file for file in FILES if bits[file] is None]
    if (named := named_folder()) is not None:
        texts = from_folder(named, lacking)
        bits |= {file: parse_amat(texts[file.name], file.name) for file in lacking}
    else:
        for file in lacking:
            bits[file] = parse_amat(fetch(file, MIRRORS, patience), file.name)
            keep(data_folder(), {_packed_name(file): pack(bits[file])})
    return [bits[file] for file in FILES]


def _packed(file: Published) -> UInt8[np.ndarray, "N D"] | None:
    path = data_folder() / _packed_name(file)
    try:
        return unpack(path.read_bytes(), file, path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        if named_folder() is not None:
            raise
        return None  # a damaged cache is made anew


def _packed_name(file: Published) -> str:
    return Path(file.name).with_suffix(".npz").name


def parse_amat(raw: bytes, name: str) -> UInt8[np.ndarray, "N D"]:
    """The images in the published text, (N, 784) in {0, 1}.

    Raises:
        ValueError: the text is not lines of 784 digits 0 or 1 with single spaces between them.
    """
    text = np.frombuffer(raw, np.uint8)
    if text.size % (2 * PIXELS) == 0:
        bits = text.reshape(-1, 2 * PIXELS)[:, ::2] & 1
        if as_text(bits) == raw:
            return bits
    raise ValueError(f"{name} must be lines of {PIXELS} digits 0 or 1 with single spaces between; fetch it again")


def as_text(bits: UInt8[np.ndarray, "N D"]) -> bytes:
    """The images as the published text has them: the inverse of `parse_amat`."""
    text = np.full((len(bits), 2 * PIXELS), ord(" "), np.uint8)
    text[:, ::2] = bits + ord("0")
    text[:, -1] = ord("\n")
    return text.tobytes()


def pack(bits: UInt8[np.ndarray, "N D"]) -> bytes:
    """The images as a compressed .npz file, eight pixels to a byte."""
    out = io.BytesIO()
    np.savez_compressed(out, packed=np.packbits(bits, axis=1))
    return out.getvalue()


def unpack(raw: bytes, file: Published, source: object) -> UInt8[np.ndarray, "N D"]:
    """The images in a file made by `pack`, once their text is known to be the published one.

    Raises:
        ValueError: they are not the published images.
    """
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as content:
            bits = np.unpackbits(content["packed"], axis=1)
        checked(as_text(bits), file, "their text")
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as problem:
        raise ValueError(
            f"{source} must hold the published images as packed bits: {problem}; copy it again, or unset LVMTEACH_DATA"
        ) from problem
    return bits
