"""Ten binarised test images of MNIST, kept as bits, so that no demo needs the data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lvmteach.classroom.explorables.kit import HERE

PATH = HERE / "records" / "digits.npz"


def some_digits() -> Tensor:
    """Images (10, 784), zeros and ones, float32."""
    with np.load(PATH) as kept:
        return torch.from_numpy(np.unpackbits(kept["bits"], axis=1).astype(np.float32))


def keep() -> None:
    """Draw them anew: the first ten of those whose codes the latent explorer shows."""
    from lvmteach.data import load_images
    from lvmteach.runtime import seeded

    with seeded(23):
        x = torch.bernoulli(load_images("mnist").test[:1000])
    np.savez_compressed(PATH, bits=np.packbits(x[:10].numpy().astype(bool), axis=1))


if __name__ == "__main__":
    keep()
