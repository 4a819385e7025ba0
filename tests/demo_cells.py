"""Cells of a notebook that shows the demos of stages 08 and 09 alone, with models trained for seconds.

The models have the size of the course's (784 pixels, two hidden layers of 200), so that redraws take as long; the
images are the embedded digits, enlarged, so that no data need be there.
"""

IMPORTS = """\
import torch
from lvmteach.bounds import elbo
from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.figures import plots
from lvmteach.classroom.explorables.scenes import iwae, vae
from lvmteach.data import load_images
from lvmteach.runtime import seeded
from lvmteach.training import train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal"""

MODELS = """\
def enlarged(x):
    return torch.nn.functional.interpolate(x.reshape(-1, 1, 8, 8), size=(28, 28)).flatten(1).round()

def loss(model, x):
    return -elbo(model.log_weights(x)).mean()

images, shape = load_images("digits"), (28, 28)
x, test, labels = enlarged(images.train), enlarged(images.test), images.test_labels
with seeded(1):
    plane, deep = (VAE(GaussianEncoder(784, L), BernoulliDecoder(L, 784), StandardNormal(L)) for L in (2, 50))
    for model in (plane, deep):
        train(model, loss, x, steps=150, progress=False)"""

DEMOS = {
    "LatentExplorer": "vae.LatentExplorer(plane, shape, test, labels).live()",
    "Morph": "vae.Morph(deep, shape, test[:10]).live()",
    "Drawing": "vae.Drawing(deep, shape, test[:10]).live()",
    "Climb": "iwae.Climb(plane, test[:3]).live()",
}

TRAIN = """\
with seeded(2):
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
