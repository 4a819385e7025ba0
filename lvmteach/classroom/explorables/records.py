"""What a demo cannot compute in a page is computed once and kept: `records/NAME.npz`.

    python -m lvmteach.classroom.explorables.records NAME ...       make those of these demos anew

A module with records has a function `records()` that yields (name, array). Some need MNIST, some take minutes.
"""

from __future__ import annotations

import sys

import numpy as np

from lvmteach.classroom.explorables.kit import HERE, demo


def record(name: str) -> dict[str, np.ndarray]:
    """The arrays that are kept for a demo."""
    with np.load(HERE / "records" / f"{name}.npz") as kept:
        return dict(kept)


def main(names: list[str]) -> None:
    for name in names:
        path = HERE / "records" / f"{name}.npz"
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(path, **dict(demo(name).records()))
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
