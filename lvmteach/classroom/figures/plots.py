"""One look for every figure: legible from the back row, told apart by any eye, described in words.

Figures are explicit `Figure` objects, never pyplot's current one: widgets redraw them from another thread. Importing
this module sets matplotlib's style.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from weakref import WeakKeyDictionary

import matplotlib
import numpy as np
from IPython.display import display
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from PIL import Image

# Okabe and Ito's colours (2008), distinct under every common colour blindness. Give a series a marker or a dash too.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000", "#7F7F7F",
)  # fmt: skip
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK)
SEQUENTIAL = "viridis"
DIVERGING = "PuOr"
LIVE_DPI = 96
STORED_DPI = 160  # of what a notebook keeps: sharp on a projector
INCH = 96  # of a figure on the page, in CSS pixels

# Held while anything is drawn: widgets draw on a second thread, and matplotlib's maths parser is one for all threads.
LOCK = threading.RLock()
_STILL: WeakKeyDictionary[Figure, object] = WeakKeyDictionary()

# From matplotlib's own defaults: what a reader has set (text.usetex, say) would break or change the figures.
matplotlib.rcdefaults()
matplotlib.rcParams.update(
    {
        "font.size": 14,
        "axes.titlesize": 15,
        "axes.labelsize": 14,
        "legend.fontsize": 12,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": matplotlib.cycler(color=PALETTE),
        "lines.linewidth": 2.2,
        "lines.markersize": 7,
        "image.cmap": SEQUENTIAL,
    }
)


def figure(rows: int = 1, cols: int = 1, size: tuple[float | int, float | int] | None = None, **subplots):
    """A Figure on the Agg canvas and its axes: one Axes, or an array of them.

    Args:
        rows, cols: the grid of axes.
        size: width and height in inches; by default 7 x 4.2 for one panel, 4.4 wide a panel for more.
        subplots: passed to `Figure.subplots` (sharex, width_ratios, ...).
    """
    width, height = size or ((7.0, 4.2) if cols == 1 else (min(4.4 * cols, 14.0), 3.8 * rows))
    fig = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(fig)
    return fig, fig.subplots(rows, cols, **subplots)


def png(fig: Figure, dpi: int = 72) -> bytes:
    """The figure as the bytes of a PNG file, `dpi` pixels an inch."""
    out = io.BytesIO()
    # Level 1 of zlib: a widget waits for these bytes.
    fig.savefig(out, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    return out.getvalue()


def live_png(fig: Figure, moving: Iterable[Artist] = ()) -> bytes:
    """The figure as a PNG, for a picture that is drawn many times, at `LIVE_DPI` pixels an inch.

    The first drawing settles the layout. After it only the artists in `moving` are drawn, upon a stored
    picture of the rest, unless the rest has changed.
    """
    return _encode(_pixels(fig, moving), "png", compress_level=1)


def live_jpeg(fig: Figure, moving: Iterable[Artist] = ()) -> bytes:
    """The pixels of `live_png` as a JPEG, which takes a fifth of the time; full colour resolution keeps text clean."""
    return _encode(_pixels(fig, moving), "jpeg", quality=95, subsampling=0)


def _pixels(fig: Figure, moving: Iterable[Artist]) -> np.ndarray:
    with LOCK:
        _draw(fig, list(moving))
        return np.array(fig.canvas.buffer_rgba())


def _encode(pixels: np.ndarray, kind: str, **settings) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(out, kind, **settings)
    return out.getvalue()


def _draw(fig: Figure, moving: list[Artist]) -> None:
    canvas, settled = fig.canvas, fig in _STILL
    if not settled:
        fig.set_dpi(LIVE_DPI)
        fig.draw_without_rendering()
        fig.draw_without_rendering()  # the second time with the tick labels that the first has led to
        fig.set_layout_engine("none")
    for artist in moving:
        artist.set_animated(True)  # left out by canvas.draw; a change to it does not make the figure stale
    if fig.stale or not settled:
        canvas.draw()
        _STILL[fig] = canvas.copy_from_bbox(fig.bbox)
    canvas.restore_region(_STILL[fig])
    for artist in sorted(moving, key=Artist.get_zorder):
        fig.draw_artist(artist)


def show(fig: Figure, alt: str) -> None:
    """Display the figure as the cell's output, with `alt` as the words for those who cannot see it."""
    picture, about = _stored(fig, alt)
    display(picture, raw=True, metadata=about)


def stored_png(fig: Figure) -> bytes:
    """The figure as a PNG of `STORED_DPI` pixels an inch, in at most 256 colours: a third of the bytes.

    It is as large as what is drawn: a label that the layout has left outside belongs to the picture.
    """
    out = io.BytesIO()
    with LOCK:
        fig.savefig(
            out, format="png", dpi=STORED_DPI, bbox_inches="tight", pad_inches=0.06, pil_kwargs={"compress_level": 1}
        )
    few = Image.open(out).convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    out = io.BytesIO()
    few.save(out, "png", optimize=True)
    return out.getvalue()


def _stored(fig: Figure, alt: str) -> tuple[dict, dict]:
    """What a cell keeps of a figure, and its metadata."""
    png = stored_png(fig)
    # The width in inches: else a sharper picture would be a larger one.
    inches = Image.open(io.BytesIO(png)).width / STORED_DPI
    return {"image/png": png, "text/plain": alt}, {"image/png": {"alt": alt, "width": round(INCH * inches)}}


class LiveCurve:
    """A bound that climbs while a cell trains: `train(..., watch=LiveCurve(alt="..."))`.

    It shows minus the loss, averaged over blocks of steps, and minus the validation loss. The first two blocks are
    left off the axis: they would flatten all that follows.
    """

    def __init__(self, alt: str, unit: str = "nats an image", block: int = 50):
        self.alt, self.block = alt, block
        self.fig, self.ax = figure(size=(8, 3.6))
        (self.train,) = self.ax.plot([], [], color=GREY, lw=1.2, label="training batches")
        (self.valid,) = self.ax.plot([], [], "o-", color=BLUE, label="validation set")
        self.ax.set(xlabel="training step", ylabel=f"ELBO ({unit})")
        self.ax.legend(loc="lower right")
        picture, about = _stored(self.fig, self.alt)
        self.handle = display(picture, raw=True, metadata=about, display_id=True)

    def __call__(self, history) -> None:
        """Draw the history so far, in the place where it was drawn before."""
        loss = np.asarray(history.loss, float)
        means = -loss[: len(loss) // self.block * self.block].reshape(-1, self.block).mean(1)
        valid = -np.asarray(history.valid, float)
        self.train.set_data(self.block * np.arange(1, len(means) + 1), means)
        self.valid.set_data(np.asarray(history.valid_steps), valid)
        shown = np.concatenate([means[2:], valid])
        margin = 0.05 * np.ptp(shown) + 1e-3
        self.ax.set(xlim=(0, len(loss)), ylim=(shown.min() - margin, shown.max() + margin))
        picture, about = _stored(self.fig, self.alt)
        self.handle.update(picture, raw=True, metadata=about)


def array(values) -> np.ndarray:
    """Numbers as matplotlib takes them, in double precision; tensors from wherever they are, with a gradient or not."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, float)


def ellipse(ax: Axes, mean, cov, *, deviations: float = 2.0, **style) -> Ellipse:
    """Draw the contour of a two-dimensional Gaussian, `deviations` standard deviations out, and return it."""
    patch = Ellipse((0, 0), 1, 1, fill=False, **{"linewidth": 2.2, **style})
    ax.add_patch(patch)
    move_ellipse(patch, mean, cov, deviations=deviations)
    return patch


def move_ellipse(patch: Ellipse, mean, cov, *, deviations: float = 2.0) -> None:
    """Put an ellipse made by `ellipse` on another Gaussian, without drawing it anew."""
    variances, axes = np.linalg.eigh(array(cov))
    patch.set_center(tuple(array(mean)))
    patch.width, patch.height = 2 * deviations * np.sqrt(variances[::-1].clip(0))
    patch.angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))


def image_grid(ax: Axes, images, shape: tuple[int, int], cols: int, *, gap: int = 1, **imshow):
    """Show images, (N, D) in [0, 1], as one mosaic with `cols` to a row; return the artist."""
    ax.set_axis_off()
    return ax.imshow(
        mosaic(images, shape, cols, gap=gap),
        **{"cmap": "gray_r", "vmin": 0, "vmax": 1, "interpolation": "nearest", **imshow},
    )


def mosaic(images, shape: tuple[int, int], cols: int, *, gap: int = 1) -> np.ndarray:
    """Images, (N, D), laid out as one array, `cols` to a row, separated by `gap` light pixels."""
    images = array(images).reshape(-1, *shape)
    rows = -(-len(images) // cols)
    height, width = shape[0] + gap, shape[1] + gap
    sheet = np.zeros((rows * height - gap, cols * width - gap))
    for i, image in enumerate(images):
        top, left = i // cols * height, i % cols * width
        sheet[top : top + shape[0], left : left + shape[1]] = image
    return sheet
