"""Cells of notebooks that are opened in JupyterLab: live demos of both kinds, and a training that does not end."""

IMPORTS = """\
import torch
from lvmteach.bounds import elbo
from lvmteach.classroom.explorables import explore, widgets
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded
from lvmteach.training import train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal"""

EXPLORABLE = 'walk = explore("latent_explorer", z=(1.0, -0.5))'

# Both kinds of hand, and a button, on a demo whose Python stands in the cell.
WIDGET = """\
class Board:
    "A line at some height, and a dot beside an empty panel."
    def __init__(self):
        self.fig, (self.left, self.right) = plots.figure(1, 2)
        (self.line,) = self.left.plot([0, 1], [0, 0])
        (self.dot,) = self.left.plot([0.5], [0.5], "o", ms=20)
        self.left.set(xlim=(0, 1), ylim=(0, 1))
        self.moving, self.times = [self.line, self.dot], 1
    def update(self, height, at, line):
        self.line.set(ydata=[0, self.times * height], linestyle=line)
        self.dot.set_data([at[0]], [at[1]])
        return f"height {self.times} x {height:.2f}, dot at ({at[0]:.2f}, {at[1]:.2f})"
    def double(self):
        self.times *= 2

board = Board()
widgets.explore(
    board,
    widgets.button("Double", board.double),
    height=widgets.slider(0.0, 1.0, 0.5, label="height"),
    at=widgets.Point(board.left, (0.5, 0.5)),
    line=widgets.choice([("whole", "-"), ("dashed", "--")], label="line"),
)"""

# The size of the course's models; noise will do for images.
TRAIN = """\
def loss(model, x):
    return -elbo(model.log_weights(x)).mean()

with seeded(2):
    x = torch.bernoulli(torch.full((1000, 784), 0.2))
    deep = VAE(GaussianEncoder(784, 50), BernoulliDecoder(50, 784), StandardNormal(50))
    train(deep, loss, x, steps=100_000, progress=False)"""

BREAKS = """\
class Breaks:
    "A line that breaks above one."
    def __init__(self):
        self.fig, ax = plots.figure()
        (self.line,) = ax.plot([0, 1], [0, 0])
    def update(self, height):
        if height > 1:
            raise ValueError(f"{height} is too high")
        self.line.set_ydata([0, height])
        return f"height {height}"

widgets.explore(Breaks(), height=widgets.slider(0.0, 2.0, 0.5))"""
