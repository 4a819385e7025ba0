"""Deep models beside the usual ways to write them, and beside their matrix products alone.

python -m benchmarks deep
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.distributions import Normal
from torch.utils.data import DataLoader, Dataset

from benchmarks.pyro_vae import PyroVAE
from benchmarks.timing import Row, paired
from lvmteach.bounds import elbo_analytic, iwae
from lvmteach.data import dynamic
from lvmteach.runtime import seeded
from lvmteach.training import adam, train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal

N, D = 60_000, 784
VAE_BATCH, STEPS = 128, 468
EPOCHS, REPEATS = 5, 21  # pairs timed: of epochs; of a few steps, which a jolt of the machine spoils sooner
K = 50
RATE = 1e-3
SQUARE = 1024  # side of the matrices whose product gives the machine's rate


def rows() -> Iterator[Row]:
    """All comparisons, one after the other, with as many threads as torch takes."""
    with seeded(0):
        grey = (torch.rand(N, D) < 0.13).to(torch.uint8) * torch.randint(1, 256, (N, D), dtype=torch.uint8)
        yield from epochs(grey)
        yield from adam_steps((grey[:VAE_BATCH] > 127).float())
        for batch in (20, 100):
            yield from iwae_steps(dynamic(grey[:batch] / 255))


# --- An epoch of the VAE, 784-400-20


def epochs(grey: Tensor) -> Iterator[Row]:
    """One pass over 60000 images, binarised afresh: the data's way to the network is what differs."""
    model, peer, x = vae(20, (400,)), Usual(vae(20, (400,))), grey / 255
    few = (x[:VAE_BATCH] > 0.5).float()
    for theirs in (Usual(model).elbo, PyroVAE(model, RATE).elbo):
        same_value(model, few, lambda x: elbo_analytic(*model.terms(x)), theirs)
    items = DataLoader(Items(grey), batch_size=VAE_BATCH, shuffle=True)

    def ours() -> None:
        train(model, minus_elbo, x, steps=STEPS, batch_size=VAE_BATCH, lr=RATE, prepare=dynamic, progress=False)

    def by_item() -> None:
        for batch in itertools.islice(items, STEPS):
            peer.step(-peer.elbo(batch))

    def by_index() -> None:
        order = torch.randperm(N)
        for i in range(STEPS):
            peer.step(-peer.elbo(torch.bernoulli(x[order[i * VAE_BATCH : (i + 1) * VAE_BATCH]])))

    in_pyro = PyroVAE(vae(20, (400,)), RATE)

    def by_pyro() -> None:
        order = torch.randperm(N)
        for i in range(STEPS):
            in_pyro.step(torch.bernoulli(x[order[i * VAE_BATCH : (i + 1) * VAE_BATCH]]))

    products = Products((D, 400, 40), (20, 400, D), VAE_BATCH, 1)

    def limit() -> None:
        for _ in range(STEPS):
            products()

    what = f"VAE epoch, {N} images, {D}-400-20, batch {VAE_BATCH}"
    for name, theirs, target in (
        ("DataLoader over per-item transforms", by_item, 2.0),
        ("indexed minibatches in memory", by_index, 0.0),
        ("Pyro's SVI on indexed minibatches", by_pyro, 0.0),
        ("its matrix products alone", limit, 0.0),
    ):
        yield paired(what, ours, name, theirs, repeats=EPOCHS, target=target, note=threads())


def minus_elbo(model: VAE, x: Tensor) -> Tensor:
    return -elbo_analytic(*model.terms(x)).mean()


class Items(Dataset):
    """Images kept as bytes; each item opened as a picture, made a tensor, binarised and flattened on its own."""

    def __init__(self, grey: Tensor):
        self.images = grey.reshape(-1, 28, 28).numpy()
        self.transforms = (Image.fromarray, to_tensor, torch.bernoulli, torch.flatten)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        item = self.images[i]
        for transform in self.transforms:
            item = transform(item)
        return item


def to_tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)[None]).float().div(255)


# --- Adam's share of it


def adam_steps(x: Tensor) -> Iterator[Row]:
    """Adam's update of that VAE's parameters: beside the form torch takes by itself, and beside the memory's rate."""
    model = vae(20, (400,))
    minus_elbo(model, x).backward()
    ours, usual = adam(model.parameters()), torch.optim.Adam(model.parameters())
    count = sum(p.numel() for p in model.parameters())
    # An update reads parameter, gradient and two moments, and writes all but the gradient: 28 bytes a parameter.
    source = torch.rand(count * 7 // 2)
    target = torch.empty_like(source)
    what = f"Adam's update, {count} parameters"
    for name, theirs, promised in (
        ("Adam as it comes", usual.step, 2.0),
        ("a copy that moves as many bytes", lambda: target.copy_(source), 0.0),
    ):
        yield paired(what, ours.step, name, theirs, repeats=REPEATS, target=promised, note=threads())


# --- A step of the importance weighted autoencoder, 784-200-200-50


def iwae_steps(x: Tensor) -> Iterator[Row]:
    """A step on one minibatch: beside the input repeated, the matrix products, and the machine's rate of them."""
    model = vae(50, (200, 200))
    peer, optimiser = Usual(vae(50, (200, 200))), adam(model.parameters())
    same_value(model, x, lambda x: iwae(model.log_weights(x, K)), Usual(model).iwae)
    steps = 100 // len(x)

    def ours() -> None:
        for _ in range(steps):
            loss = -iwae(model.log_weights(x, K)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def repeated() -> None:
        for _ in range(steps):
            peer.step(-peer.iwae(x))

    products = Products((D, 200, 200, 100), (50, 200, 200, D), len(x), K)

    def limit() -> None:
        for _ in range(steps):
            products()

    a, count = torch.rand(SQUARE, SQUARE), round(steps * products.gflop / (2e-9 * SQUARE**3)) + 1

    def squares() -> None:
        for _ in range(count):
            a @ a

    what = f"IWAE step, {D}-200-200-50, K = {K}, batch {len(x)}"
    for name, theirs, target, share in (
        ("input repeated K times", repeated, 1.8, 1.0),
        ("its matrix products alone", limit, 0.0, 1.0),
        (f"{products.gflop:.2f} GFLOP at the rate of {SQUARE}^3 products", squares, 0.0,
         steps * products.gflop / (count * 2e-9 * SQUARE**3)),
    ):  # fmt: skip
        row = paired(what, ours, name, theirs, repeats=REPEATS, target=target)
        row = row._replace(ours=row.ours / steps, theirs=row.theirs * share / steps, ratio=row.ratio * share)
        rate = f"{products.gflop / row.ours:.0f} GF/s, {threads()}"
        yield row._replace(low=row.low * share, high=row.high * share, note=rate)


# --- What both have


def vae(L: int, hidden: tuple[int, ...]) -> VAE:
    with seeded(1):
        return VAE(GaussianEncoder(D, L, hidden), BernoulliDecoder(L, D, hidden[::-1]), StandardNormal(L))


class Usual:
    """The same networks as most repositories use them: repeated input, torch's losses, Adam as it comes."""

    def __init__(self, model: VAE):
        self.encoder, self.decoder = model.encoder.net, model.decoder.net
        self.optimiser = torch.optim.Adam(model.parameters(), lr=RATE)

    def elbo(self, x: Tensor) -> Tensor:
        mu, s = self.encoder(x).chunk(2, -1)
        logits = self.decoder(mu + s.exp() * torch.randn_like(mu))
        kl = -0.5 * (1 + 2 * s - mu.pow(2) - (2 * s).exp()).sum()
        return -(F.binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl) / len(x)

    def iwae(self, x: Tensor) -> Tensor:
        many = x.repeat(K, 1)
        mu, s = self.encoder(many).chunk(2, -1)
        q = Normal(mu, s.exp())
        z = q.rsample()
        log_lik = -F.binary_cross_entropy_with_logits(self.decoder(z), many, reduction="none").sum(-1)
        log_w = log_lik + Normal(0.0, 1.0).log_prob(z).sum(-1) - q.log_prob(z).sum(-1)
        return (torch.logsumexp(log_w.view(K, -1), 0) - np.log(K)).mean()

    def step(self, loss: Tensor) -> None:
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


def same_value(model: VAE, x: Tensor, ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor]) -> None:
    """From the same parameters and the same noise both compute the same bound, and the same gradient of it."""
    found = []
    for bound in (lambda x: ours(x).mean(), theirs):
        with seeded(2):
            value = bound(x)
        found.append((value.detach(), torch.autograd.grad(value, list(model.parameters()))))
    # Float32 sums of samples x 784 terms in another order.
    torch.testing.assert_close(*found, atol=1e-3, rtol=1e-3)


class Products:
    """The matrix products of one step, forward and backward, and nothing else: no way of writing it beats them."""

    def __init__(self, encoder: tuple[int, ...], decoder: tuple[int, ...], batch: int, samples: int):
        shapes = [(batch, *pair) for pair in itertools.pairwise(encoder)]
        shapes += [(batch * samples, *pair) for pair in itertools.pairwise(decoder)]
        self.layers = [Layer(*shape) for shape in shapes]
        self.layers[0].needs_input_gradient = False  # nobody asks for the gradient of x
        self.gflop = sum(layer.gflop for layer in self.layers)

    def __call__(self) -> None:
        for layer in self.layers:
            torch.mm(layer.x, layer.weight.T, out=layer.y)
        for layer in reversed(self.layers):
            torch.mm(layer.y.T, layer.x, out=layer.gradient)
            if layer.needs_input_gradient:
                torch.mm(layer.y, layer.weight, out=layer.back)


class Layer:
    """The matrices of an affine layer from `into` to `out` units, at `count` rows."""

    def __init__(self, count: int, into: int, out: int):
        self.x, self.back = torch.rand(count, into), torch.empty(count, into)
        self.y, self.weight, self.gradient = torch.empty(count, out), torch.rand(out, into), torch.empty(out, into)
        self.needs_input_gradient = True

    @property
    def gflop(self) -> float:
        return 2e-9 * self.weight.numel() * len(self.x) * (2 + self.needs_input_gradient)


def threads() -> str:
    return f"{torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}"
