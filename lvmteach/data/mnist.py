"""MNIST as its authors published it: four gzipped IDX files. By LeCun, Cortes and Burges, CC BY-SA 3.0."""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from lvmteach.data.files import Published, obtain

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
FILES = {  # each with the shape of the array in it
    Published(
        "train-images-idx3-ubyte.gz",
        9912422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ): (60000, 28, 28),
    Published(
        "train-labels-idx1-ubyte.gz",
        28881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ): (60000,),
    Published(
        "t10k-images-idx3-ubyte.gz",
        1648877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ): (10000, 28, 28),
    Published(
        "t10k-labels-idx1-ubyte.gz",
        4542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ): (10000,),
}


class Mnist(NamedTuple):
    """The four arrays as published: grey values 0 (paper) to 255 (ink), labels 0 to 9."""

    images: UInt8[np.ndarray, "N H W"]
    labels: UInt8[np.ndarray, "N"]
    test_images: UInt8[np.ndarray, "M H W"]
    test_labels: UInt8[np.ndarray, "M"]


def load_mnist(patience: float) -> Mnist:
    """MNIST from LVMTEACH_DATA, the cache or a mirror that answers within `patience` seconds.

    Raises:
        FileNotFoundError, ValueError, ConnectionError, OSError: see `files.obtain` and `parse_idx`.
    """
    raw = obtain(list(FILES), MIRRORS, patience)
    return Mnist(*(parse_idx(raw[file.name], shape, file.name) for file, shape in FILES.items()))


def parse_idx(raw: bytes, shape: tuple[int, ...], name: str) -> UInt8[np.ndarray, "..."]:
    """The array of unsigned bytes in a gzipped IDX file, which must have the given shape.

    The format: two zero bytes, 8 for unsigned bytes, the number of dimensions, each dimension as four bytes with the
    highest first, then the values, the last dimension fastest.

    Raises:
        ValueError: the file is no whole gzip file, its header says something else, or values are missing or left over.
    """
    try:
        body = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as problem:
        raise ValueError(f"{name} must be a whole gzip file: {problem}; fetch it again") from problem
    header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    if body[: len(header)] != header:
        raise ValueError(
            f"{name} must hold unsigned bytes of shape {shape}, so start with {header.hex()} (IDX), "
            f"got {body[: len(header)].hex() or 'nothing'}; fetch it again"
        )
    values = np.frombuffer(body, np.uint8, offset=len(header))
    if values.size != np.prod(shape):
        raise ValueError(
            f"{name} must hold {np.prod(shape)} values for shape {shape}, got {values.size}; fetch it again"
        )
    return values.reshape(shape)
