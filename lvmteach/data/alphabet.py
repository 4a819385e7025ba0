"""Capital letters, for a model that knows only digits."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

# The light faces: about as much ink as handwritten digits, so that ink alone gives no letter away.
FACES = (
    "DejaVuSans", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Oblique", "DejaVuSerif", "DejaVuSerif-Italic",
)  # fmt: skip


def letters(shape: tuple[int, int] = (28, 28)) -> Float[Tensor, "N D"]:
    """The capitals A to Z in six typefaces as images, N = 156, float32 in [0, 1] with ink 1, flat.

    Row 26 f + i is letter i in typeface f. matplotlib draws them, with soft edges, from the DejaVu fonts it brings
    along: no network is needed. They fill the box that the digits fill, 20 x 20 of 28 x 28 pixels as in MNIST, all of
    8 x 8 as in scikit-learn's digits, with about as much ink. A printed O or I may well pass for a digit.

    Raises:
        ValueError: the images are smaller than 4 x 4.
    """
    if min(shape) < 4:
        raise ValueError(f"shape must be at least (4, 4), got {tuple(shape)}; ask for the shape of your digits")
    height, width = shape
    sheet = _sheet(height, width).reshape(len(FACES), height, 26, width)
    return torch.from_numpy(sheet.swapaxes(1, 2).reshape(-1, height * width).copy())


def _sheet(height: int, width: int) -> np.ndarray:
    """All letters on one canvas, a typeface to a row: one drawing, cut up later."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D, IdentityTransform

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    dpi = 100
    fig = Figure(figsize=(26 * width / dpi, len(FACES) * height / dpi), dpi=dpi)
    canvas = FigureCanvasAgg(fig)
    for f, face in enumerate(FACES):
        font = FontProperties(fname=fonts / f"{face}.ttf")
        for i, letter in enumerate(string.ascii_uppercase):
            path = TextPath((0, 0), letter, size=100, prop=font)
            box = path.get_extents()
            scale = min(_inner(height) / box.height, _inner(width) / box.width)
            place = Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2).scale(scale)
            # Canvas coordinates run upwards: the first typeface is the top row.
            place = place.translate((i + 0.5) * width, (len(FACES) - f - 0.5) * height)
            fig.add_artist(
                PathPatch(place.transform_path(path), lw=0, color="k", snap=False, transform=IdentityTransform())
            )
    canvas.draw()
    grey = np.asarray(canvas.buffer_rgba())[..., 0]
    return 1 - grey.astype(np.float32) / 255


def _inner(side: int) -> int:
    return side - 2 * (side // 7) if side >= 14 else side
