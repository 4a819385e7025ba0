"""Live demos of the variational autoencoder: walk through latent space, morph two images, draw one and see q(z|x).

Each takes a trained model and the shape of its images. In a notebook, two cells:

    walk = vae.LatentExplorer(model, shape, x, labels)
    widgets.key_frame(walk, alt="A plane of codes; beside it, the image decoded at one of them", z=(1.0, -0.5))

    walk.live()
"""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from torch import Tensor, nn

from lvmteach.bounds import elbo, iwae
from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded

EXTENT = 3.5  # of a latent axis, in prior standard deviations: N(0, 1) leaves 1 in 2000 outside
SHOWN = 30  # latent dimensions that fit side by side


class LatentExplorer:
    """A plane of latent codes, and beside it the image that the decoder expects at one of them.

    walk = vae.LatentExplorer(model, shape, x, labels)
    walk.live()

    Args:
        model: a VAE with L = 2 latent dimensions.
        shape: height and width of an image, D = height * width.
        x: images (N, D) whose posterior means are shown as points; a thousand is plenty.
        labels: their classes (N,), shown as digits in colour.
    """

    def __init__(self, model: nn.Module, shape: tuple[int, int], x: Tensor | None = None, labels: Tensor | None = None):
        if (L := latent_size(model)) != 2:
            raise ValueError(f"the plane needs a model with L = 2, got L = {L}; train one with L=2, or use Morph")
        self.model, self.shape = model, shape
        self.fig, (self.plane, right) = plots.figure(1, 2, size=(10, 4.8))
        latent_plane(self.plane)
        if x is not None:
            self._show_codes(x, labels)
        (self.point,) = self.plane.plot([], [], "o", ms=16, mfc="none", mec=plots.BLACK, mew=3)
        self.image = picture(right, shape, "mean of p(x|z)")
        self.moving = [self.point, self.image]

    def update(self, z: tuple[float | int, float | int]) -> str:
        self.point.set_data([z[0]], [z[1]])
        code = torch.tensor(z, **like(self.model))
        p = self.model.decoder(code)
        self.image.set_data(as_image(p.mean, self.shape))
        return f"z = ({z[0]:.2f}, {z[1]:.2f}), log p(z) = {self.model.prior().log_prob(code):.2f} nats"

    def live(self, z: tuple[float | int, float | int] = (1.0, -0.5)) -> widgets.Exploration:
        """Drag the ring, or move it with the arrow keys."""
        return widgets.explore(self, z=widgets.Point(self.plane, z))

    def _show_codes(self, x: Tensor, labels: Tensor | None) -> None:
        with torch.no_grad():
            codes = self.model.encoder(x.to(**like(self.model))).mean.cpu().numpy()
        for label in [None] if labels is None else labels.unique().tolist():
            of_label = slice(None) if label is None else (labels == label).cpu().numpy()
            marker = "o" if label is None else f"${label}$"
            color = plots.GREY if label is None else plots.PALETTE[label % len(plots.PALETTE)]
            self.plane.plot(*codes[of_label].T, ls="none", marker=marker, ms=6, mew=0.3, alpha=0.6, color=color)


class Morph:
    """From one image to another: through latent space, and beside it the same way through pixels.

    change = vae.Morph(model, shape, x)
    change.live()

    Args:
        model: a VAE, any L.
        shape: height and width of an image.
        x: at least two images (N, D); the first is where the way begins.
    """

    TITLES = ("from", "through latent space", "through pixels", "to")

    def __init__(self, model: nn.Module, shape: tuple[int, int], x: Tensor):
        if x.ndim != 2 or len(x) < 2:
            raise ValueError(f"x must be (N, D) with N >= 2, got {tuple(x.shape)}; a morph needs two images")
        self.model, self.shape = model, shape
        self.x = x.to(**like(model))
        with torch.no_grad():
            self.codes = model.encoder(self.x).mean
        self.fig, axes = plots.figure(1, 4, size=(13, 3.8))
        self.images = [picture(ax, shape, title) for ax, title in zip(axes, self.TITLES, strict=True)]
        self.moving = self.images[1:3]
        self.ends: tuple[int, int] | None = None

    def update(self, way: float, start: int = 0, end: int = 1) -> str:
        if self.ends != (start, end):
            self.images[0].set_data(as_image(self.x[start], self.shape))
            self.images[3].set_data(as_image(self.x[end], self.shape))
            self.ends = (start, end)
        z = torch.lerp(self.codes[start], self.codes[end], way)
        faded = torch.lerp(self.x[start], self.x[end], way)
        self.images[1].set_data(as_image(self.model.decoder(z).mean, self.shape))
        self.images[2].set_data(as_image(faded, self.shape))
        return f"{way:.0%} of the way from image {start} to image {end}, |z| = {z.norm():.2f}"

    def live(self, way: float = 0.5) -> widgets.Exploration:
        """Slide from one image to the other; choose both."""
        last = len(self.x) - 1
        return widgets.explore(
            self,
            way=widgets.slider(0.0, 1.0, way, label="way"),
            start=widgets.slider(0, last, 0, label="from image"),
            end=widgets.slider(0, last, 1, label="to image"),
        )


class Drawing:
    """An image drawn by hand, what the encoder makes of it, q(z|x), and what the decoder makes of that.

    board = vae.Drawing(model, shape, x)
    board.live()

    The image is black and white, as in training: a grey one would have no likelihood.

    Args:
        model: a VAE with Bernoulli pixels, any L.
        shape: height and width of an image.
        x: images (N, D) in [0, 1] to begin from, the first at once, the others by a button.
    """

    DRAWS = 64  # of q(z|x), for the bound in the summary

    def __init__(self, model: nn.Module, shape: tuple[int, int], x: Tensor):
        self.model, self.shape, self.x = model, shape, x
        self.fig, (self.board, middle, right) = plots.figure(1, 3, size=(13, 4.4), width_ratios=(1, 1.25, 1))
        self.drawn = picture(self.board, shape, "draw here: x")
        self.posterior = (PlanePosterior if latent_size(model) == 2 else AxesPosterior)(middle, model, x)
        self.decoded = picture(right, shape, "p(x|z) at the mean of q")
        self.moving = [self.drawn, self.decoded, *self.posterior.artists]
        self.radius = max(0.5, 0.042 * min(shape))  # of the pen, in pixels: the stroke of an MNIST digit
        self.example, self.seen = -1, 0
        self.next_example()

    def update(self) -> str:
        x = torch.as_tensor(self.ink, **like(self.model)).reshape(1, -1)
        q = self.model.encoder(x)
        with seeded(1):  # the same draws at each redraw, so that only the drawing changes the numbers
            log_w = self.model.log_weights(x, K=self.DRAWS)
        self.drawn.set_data(self.ink)
        self.posterior.move(q.mean[0].cpu().numpy(), q.stddev[0].cpu().numpy())
        self.decoded.set_data(as_image(self.model.decoder(q.mean[0]).mean, self.shape))
        bounds = f"ELBO {elbo(log_w).item():.1f}, with K = {self.DRAWS} samples {iwae(log_w).item():.1f} nats"
        return f"{self.ink.mean():.0%} ink; bounds on log p(x): {bounds}"

    def live(self) -> widgets.Exploration:
        """Draw with the mouse; wipe the board; take the next example."""
        return widgets.explore(
            self,
            widgets.button("Wipe", self.wipe),
            widgets.button("Next example", self.next_example),
            widgets.Drag(self.board, self.pen),
        )

    def wipe(self) -> None:
        """An empty board."""
        self.ink = np.zeros(self.shape)

    def next_example(self) -> None:
        """Put the next of the images given on the board."""
        self.example = (self.example + 1) % len(self.x)
        self.ink = (as_image(self.x[self.example], self.shape) > 0.5).astype(float)

    def pen(self, path: np.ndarray, new: bool) -> None:
        """Ink every pixel within the pen's radius of the path, which is in pixels, (n, 2)."""
        fresh = path[0 if new else self.seen - 1 :]
        self.seen = len(path)
        rows, columns = np.indices(self.shape)
        pixels = np.stack([columns.ravel(), rows.ravel()], 1)[:, None]  # (D, 1, 2)
        begin, along = (fresh[:-1], np.diff(fresh, axis=0)) if len(fresh) > 1 else (fresh, np.zeros((1, 2)))
        share = ((pixels - begin) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
        nearest = begin + share.clip(0, 1)[..., None] * along  # (D, segments, 2)
        touched = (((pixels - nearest) ** 2).sum(-1) <= self.radius**2).any(1)
        self.ink = np.maximum(self.ink, touched.reshape(self.shape))


class PlanePosterior:
    """q(z|x) with L = 2: its two-standard-deviation ellipse in the plane of codes."""

    def __init__(self, ax: Axes, model: nn.Module, x: Tensor):
        latent_plane(ax)
        ax.set_title("q(z|x), two standard deviations")
        self.ellipse = plots.ellipse(ax, (0, 0), np.eye(2), color=plots.BLUE)
        (self.mean,) = ax.plot([], [], "o", color=plots.BLUE)
        self.artists = [self.ellipse, self.mean]

    def move(self, mean: np.ndarray, scale: np.ndarray) -> None:
        self.mean.set_data(mean[:1], mean[1:])
        plots.move_ellipse(self.ellipse, mean, np.diag(scale**2))


class AxesPosterior:
    """q(z|x) with any L: mean and two standard deviations on each axis, those most in use first."""

    def __init__(self, ax: Axes, model: nn.Module, x: Tensor):
        with torch.no_grad():
            q = model.encoder(x.to(**like(model)))
        # How far the posterior moves and narrows over the images: nothing on an axis that is not in use.
        use = (q.mean.square() - 1 + q.variance - q.variance.log()).mean(0)
        self.order = use.argsort(descending=True)[:SHOWN].cpu().numpy()
        self.place = np.arange(len(self.order))
        ax.axhspan(-2, 2, color=plots.GREY, alpha=0.2, lw=0)
        ax.set(xlabel="latent axis, most used first", ylabel="z", title="q(z|x) in blue, prior in grey")
        ax.set(xlim=(-1, len(self.order)), ylim=(-4, 4))
        self.bars = ax.add_collection(LineCollection([], colors=plots.BLUE, linewidths=2))
        (self.mean,) = ax.plot([], [], "o", ms=5, color=plots.BLUE)
        self.artists = [self.bars, self.mean]

    def move(self, mean: np.ndarray, scale: np.ndarray) -> None:
        mean, scale = mean[self.order], scale[self.order]
        ends = np.stack([mean - 2 * scale, mean + 2 * scale], 1)
        self.bars.set_segments(np.stack([np.broadcast_to(self.place[:, None], ends.shape), ends], -1))
        self.mean.set_data(self.place, mean)


def latent_plane(ax: Axes) -> None:
    """Axes of a two-dimensional latent space, with the prior's circles one, two and three deviations out."""
    ax.set(xlabel="$z_1$", ylabel="$z_2$", xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), aspect="equal")
    for radius in (1, 2, 3):
        plots.ellipse(ax, (0, 0), np.eye(2), deviations=radius, color=plots.GREY, linewidth=1, linestyle=":")


def picture(ax: Axes, shape: tuple[int, int], title: str):
    """An empty image, probabilities from white (0) to black (1), in a thin frame; return its artist."""
    image = ax.imshow(np.zeros(shape), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    ax.spines[:].set_visible(True)
    rim = 0.02 * max(shape)  # keeps the image, which is drawn last, off the frame
    ax.set(xlim=(-0.5 - rim, shape[1] - 0.5 + rim), ylim=(shape[0] - 0.5 + rim, -0.5 - rim))
    ax.set(xticks=[], yticks=[], title=title)
    return image


def as_image(x: Tensor, shape: tuple[int, int]) -> np.ndarray:
    """One image (D,) or (1, D) as an array of its shape."""
    return x.reshape(shape).cpu().numpy()


def latent_size(model: nn.Module) -> int:
    """L, the number of latent dimensions."""
    return math.prod(model.prior().event_shape)


def like(model: nn.Module) -> dict:
    """Device and dtype of the model's parameters, for `tensor.to`."""
    one = next(model.parameters())
    return {"device": one.device, "dtype": one.dtype}
