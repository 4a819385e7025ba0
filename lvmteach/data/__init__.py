"""Images for every notebook: MNIST where it can be had, scikit-learn's small digits where it cannot.

    data = load_images()             # grey values
    x = dynamic(data.train[batch])   # black and white, drawn afresh at each visit

Three ways to make grey pixels binary. Dynamic: a pixel of value 0.7 is 1 with probability 0.7, drawn anew each time
the image is visited (the protocol of Burda et al. 2016). Fixed: one such draw, made once and published by Larochelle,
so that numbers can be compared with papers. Threshold: 1 above a half, nothing random; comparable with neither.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, Shaped
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.data.alphabet import letters
from lvmteach.data.larochelle import load_larochelle
from lvmteach.data.mnist import load_mnist
from lvmteach.runtime import named_folder

__all__ = ["Images", "dynamic", "letters", "load_images", "threshold"]

NAMES = ("mnist", "digits")
VALID = 5000  # images at the end of MNIST's training set that are kept for validation
PATIENCE = 2.0  # seconds within which a mirror must answer when nobody asked for MNIST by name
PATIENCE_BY_NAME = 15.0


class Images(NamedTuple):
    """Images in three parts, each (N, D) float32 in [0, 1], 0 paper and 1 ink, with labels (N,) of 0 to 9.

    The labels are None for Larochelle's fixed binarisation, which was published without. `shape` is (height, width),
    D = height * width; `name` is "mnist" or "digits".
    """

    train: Float[Tensor, "N D"]
    valid: Float[Tensor, "V D"]
    test: Float[Tensor, "M D"]
    train_labels: Int[Tensor, "N"] | None
    valid_labels: Int[Tensor, "V"] | None
    test_labels: Int[Tensor, "M"] | None
    shape: tuple[int, int]
    name: str

    def to(self, device: torch.device | str) -> Images:
        """The same images on another device: the data lives where the model does, minibatches are indices."""
        return Images(*(part.to(device) if isinstance(part, Tensor) else part for part in self))


def load_images(name: str | None = None, *, binarise: str | None = None) -> Images:
    """MNIST or scikit-learn's 8 x 8 digits, split into train, valid and test.

    Args:
        name: "mnist", "digits", or None for the environment variable LVMTEACH_IMAGES; if that is not set either, MNIST
            when it is there or can be had within a few seconds, else the digits, with one printed line that says why.
        binarise: None for grey values; "fixed" for one draw made once and for all; "threshold" for grey > 0.5.

    Splits: MNIST 55000, 5000 (the last of the training images) and 10000. MNIST with fixed binarisation: Larochelle's
    files, 50000, 10000 and 10000, of which the first two are a shuffled split of the same 60000. Digits: image i of
    1797 is for test if i mod 9 = 0 (200), for validation if i mod 9 = 4 (200), else for training (1397).

    MNIST comes from the folder LVMTEACH_DATA if that is set. Then it must be complete: nothing is fetched, and there is
    no falling back. Otherwise it is fetched once (12 MB; 110 MB of text for "fixed") and kept in the user's cache
    folder. Its SHA-256 is checked each time it is read.

    Raises:
        ValueError: the name or the binarisation is none of these, or a file in LVMTEACH_DATA is not the published one.
        FileNotFoundError: LVMTEACH_DATA lacks a file.
        ConnectionError: MNIST was asked for by name, and no mirror gave it.
        OSError: MNIST was asked for by name, and there is no room to fetch it.
    """
    name = name or os.environ.get("LVMTEACH_IMAGES") or None
    if name not in (None, *NAMES):
        raise ValueError(
            f"images must be one of {', '.join(NAMES)}, got {name!r}; leave the name out for the best there is"
        )
    if binarise not in (None, "fixed", "threshold"):
        raise ValueError(
            f"binarise must be None, 'fixed' or 'threshold', got {binarise!r}; "
            "for dynamic binarisation load the grey images and call dynamic(x) on each minibatch"
        )
    images = _load(name, fixed=binarise == "fixed")
    if binarise != "threshold":
        return images
    return images._replace(**{part: threshold(getattr(images, part)) for part in ("train", "valid", "test")})


@as_annotated
def dynamic(x: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
    """Dynamic binarisation: each pixel is 1 with probability x, drawn afresh at each call.

    Raises:
        ValueError: x is not within [0, 1]; looked at on a CPU only.

    Source: Burda, Grosse and Salakhutdinov 2016, section 5.
    """
    if x.numel() and x.device.type == "cpu":  # a GPU would wait for the answer at every step; `train` checks x once
        low, high = torch.aminmax(x)
        if not bool((low >= 0) & (high <= 1)):  # so NaN is refused as well
            raise ValueError(f"x must be probabilities in [0, 1], got {low:.4g} to {high:.4g}; divide bytes by 255")
    return (torch.rand_like(x) < x).to(x.dtype)


@as_annotated
def threshold(x: Float[Tensor, "*N"], at: float = 0.5) -> Float[Tensor, "*N"]:
    """Each pixel is 1 where x > `at`, else 0."""
    return (x > at).to(x.dtype)


def _load(name: str | None, fixed: bool) -> Images:
    by_name = name == "mnist" or named_folder() is not None
    if name == "digits":
        return _digits(fixed)
    try:
        return (_larochelle if fixed else _mnist)(PATIENCE_BY_NAME if by_name else PATIENCE)
    except OSError as problem:
        if by_name:
            raise
        print(f"These are scikit-learn's 8 x 8 digits, because MNIST cannot be had: {problem}.")
        return _digits(fixed)


def _mnist(patience: float) -> Images:
    raw = load_mnist(patience)
    grey = [_flat(part / np.float32(255)) for part in (raw.images[:-VALID], raw.images[-VALID:], raw.test_images)]
    labels = [_whole(part) for part in (raw.labels[:-VALID], raw.labels[-VALID:], raw.test_labels)]
    return Images(*grey, *labels, raw.images.shape[1:], "mnist")


def _larochelle(patience: float) -> Images:
    return Images(*map(_flat, load_larochelle(patience)), None, None, None, (28, 28), "mnist")


def _digits(fixed: bool) -> Images:
    from sklearn.datasets import load_digits  # imported here: it costs most of a second

    raw = load_digits()
    grey = raw.images / 16
    if fixed:
        grey = np.random.default_rng(0).random(grey.shape) < grey
    turn = np.arange(len(grey)) % 9
    parts = [(turn != 0) & (turn != 4), turn == 4, turn == 0]
    return Images(*(_flat(grey[p]) for p in parts), *(_whole(raw.target[p]) for p in parts), (8, 8), "digits")


def _flat(images: Shaped[np.ndarray, "N ..."]) -> Float[Tensor, "N D"]:
    return torch.from_numpy(images.reshape(len(images), -1).astype(np.float32))


def _whole(labels: Integer[np.ndarray, "N"]) -> Int[Tensor, "N"]:
    return torch.from_numpy(labels.astype(np.int64))
