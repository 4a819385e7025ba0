"""Log-likelihoods against scipy and quadrature, flat memory, units in use, and filling in."""

import math
import weakref

import linear
import numpy as np
import pytest
import torch
from chance import assert_mean, assert_share
from scipy import special
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from lvmteach.evaluation import active_units, log_likelihood, log_marginal, reconstruct
from lvmteach.runtime import seeded
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal

ROUNDING = 1e-12


# ---- log p(x)


def test_at_the_exact_posterior_log_likelihood_is_exact():
    x = linear.data(7)
    log_p = linear.MARGINAL.logpdf(x)
    model = linear.vae()
    np.testing.assert_allclose(log_marginal(model, torch.tensor(x), K=5), log_p, atol=ROUNDING)
    value, std_err = log_likelihood(model, torch.tensor(x), K=5)
    np.testing.assert_allclose(value, log_p.mean(), atol=ROUNDING)
    np.testing.assert_allclose(std_err, log_p.std(ddof=1) / math.sqrt(7), atol=ROUNDING)


@pytest.mark.slow
def test_the_weights_average_to_p_of_x():
    """Unbiased on the scale of p(x), where the logarithm is not; every chunking alike."""
    x = linear.data(1)
    many = torch.tensor(x).expand(20_000, -1)
    for chunk in (300, 100_000):
        with seeded(1):
            ratio = (log_marginal(linear.vae(0.2, 1.2), many, K=10, chunk=chunk) - linear.MARGINAL.logpdf(x[0])).exp()
        assert_mean(ratio, 1.0, resolution=0.02)
    with pytest.raises(AssertionError, match="mean is off"):  # log K forgotten
        assert_mean(ratio * 10, 1.0, resolution=0.2)


def test_the_error_bar_covers_at_its_rate():
    """Test sets drawn from the model: 95 % of the intervals hold minus the entropy, E[log p(x)]."""
    sets, n = 2000, 100
    log_p = log_marginal(linear.vae(), torch.tensor(linear.data(sets * n)), K=1, chunk=10**6).reshape(sets, n)
    x = torch.tensor(linear.data(sets * n)).reshape(sets, n, -1)
    # One by one through the public function for the first sets, the rest by the same formula.
    value, std_err = log_p.mean(1), log_p.std(1) / math.sqrt(n)
    for i in range(20):
        torch.testing.assert_close(tuple(log_likelihood(linear.vae(), x[i], K=1)), (value[i], std_err[i]))
    hits = ((value + linear.MARGINAL.entropy()).abs() < 1.96 * std_err).sum().item()
    # Log densities are skewed, so at n = 100 the rate is near 94.5 %; the resolution is what would change a reading.
    assert_share(hits, sets, 0.945, resolution=0.03)


def two_dimensional():
    with seeded(3):
        model = VAE(GaussianEncoder(20, 2, (16,)), BernoulliDecoder(2, 20, (16,)), StandardNormal(2)).double()
        for p in model.decoder.parameters():
            nn.init.normal_(p, std=0.7)
        with torch.no_grad():
            model.encoder.net[-1].weight *= 0.3  # a proposal near the prior, or the weights vary too much
        return model, model.decoder(model.prior().sample((6,))).sample()


def quadrature(model, x, edge=8.0, points=401):
    """log p(x) on a grid over z, the decoder written out in numpy."""
    first, _, last = model.decoder.net
    side = np.linspace(-edge, edge, points)
    z = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    weight = [t.detach().numpy() for t in (first.weight, first.bias, last.weight, last.bias)]
    logits = np.tanh(z @ weight[0].T + weight[1]) @ weight[2].T + weight[3]
    log_lik = special.log_expit(logits) @ x.numpy().T + special.log_expit(-logits) @ (1 - x.numpy().T)
    log_prior = -0.5 * (z**2).sum(1) - math.log(2 * math.pi)
    return special.logsumexp(log_lik + log_prior[:, None], 0) + 2 * math.log(side[1] - side[0])


@pytest.mark.slow
def test_two_latent_dimensions_against_quadrature():
    model, x = two_dimensional()
    exact = quadrature(model, x)
    np.testing.assert_allclose(exact, quadrature(model, x, points=201), atol=1e-8)  # the grid is fine enough
    with seeded(4):
        repeats = log_marginal(model, x.repeat(500, 1), K=1000, chunk=20_000).reshape(500, 6)
    assert_mean((repeats - torch.tensor(exact)).exp(), np.ones(6), resolution=0.1)


# ---- chunks


class Live(TorchDispatchMode):
    """Counts the bytes of tensors alive, by their storages; `peak` is the most there were at once."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.known = set()

    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        out = f(*args, **(kwargs or {}))
        for tensor in tree_iter(out):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in self.known:
                self._born(tensor.untyped_storage())
        self.peak = max(self.peak, self.now)
        return out

    def _born(self, storage):
        where, size = storage.data_ptr(), storage.nbytes()
        self.known.add(where)
        self.now += size
        weakref.finalize(storage, self._died, where, size)

    def _died(self, where, size):
        self.known.discard(where)
        self.now -= size


def peak(f):
    with Live() as live:
        f()
    return live.peak


@pytest.mark.slow
def test_memory_stays_flat_in_K_and_in_N():
    model, x = two_dimensional()
    small, large = (peak(lambda K=K: log_marginal(model, x, K, chunk=500)) for K in (500, 20_000))
    assert large < 1.1 * small
    # N grows only the answer and the data themselves: 8 bytes an image here, and no weights.
    few, many = (peak(lambda n=n: log_marginal(model, x.repeat(n, 1), 50, chunk=500)) for n in (10, 100))
    assert many < few + 3 * 540 * 20 * 8
    # The meter sees memory that does grow.
    assert peak(lambda: model.log_weights(x, 20_000)) > 20 * large


class Counted(nn.Module):
    """Hands out the log weights 0, 1, 2, ... of each image in turn, and notes what it was asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def log_weights(self, x, K):
        start = sum(k for k, image in self.asked if image == x[0, 0].item())
        self.asked.append((K, x[0, 0].item()))
        return (start + torch.arange(K, dtype=x.dtype))[:, None] + x[:, 0]


@pytest.mark.parametrize("chunk", [1, 3, 10, 11, 25, 1000])
def test_every_chunking_gives_the_same_weights_once(chunk):
    model, x = Counted(), torch.arange(4.0).double()[:, None]
    log_p = log_marginal(model, x, K=10, chunk=chunk)
    np.testing.assert_allclose(log_p, special.logsumexp(np.arange(10)) - np.log(10) + np.arange(4), atol=ROUNDING)
    assert max(k for k, _ in model.asked) <= chunk


def test_weights_of_zero_and_beyond_float():
    class Fixed(nn.Module):
        def log_weights(self, x, K):
            return torch.tensor([-math.inf, -1e5, 1e5, 0.0]).expand(K, 4)

    log_p = log_marginal(Fixed(), torch.zeros(4, 1), K=6, chunk=24)
    torch.testing.assert_close(log_p, torch.tensor([-math.inf, -1e5, 1e5, 0.0]))


# ---- units, reconstructions


def test_active_units_by_the_variance_of_the_posterior_mean():
    model, x = linear.vae(), torch.tensor(linear.data(5000))
    assert active_units(model, x).tolist() == [True, True]
    with torch.no_grad():  # unit 0 says the same for every x, unit 1 barely more than nothing
        model.encoder.net[0].weight[0] = 0
        mean = model.encoder(x).mean[:, 1]
        model.encoder.net[0].weight[1] *= 0.09 / mean.std()
    assert active_units(model, x).tolist() == [False, False]
    assert active_units(model, x, threshold=0.008).tolist() == [False, True]


def test_reconstruct_is_the_decoder_at_the_posterior_mean():
    x = linear.data(5)
    expected = linear.posterior_mean(x) @ linear.W.T + linear.B
    np.testing.assert_allclose(reconstruct(linear.vae(), torch.tensor(x)), expected, atol=ROUNDING)


# ---- what all of them keep and refuse


def everything(model, x):
    log_likelihood(model, x, K=3)
    active_units(model, x)
    reconstruct(model, x)


def test_no_gradient_and_the_model_as_it_was():
    model, x = two_dimensional()
    model.encoder.net.append(nn.Dropout())
    modes = []
    model.encoder.net[-1].register_forward_hook(
        lambda module, *_: modes.append(module.training or torch.is_grad_enabled())
    )
    for training in (True, False):
        model.train(training)
        everything(model, x)
        assert model.training == training
    assert modes
    assert not any(modes)
    assert all(p.grad is None for p in model.parameters())


def test_everything_follows_x_to_its_device_and_dtype(monkeypatch):
    """Meta tensors mix with no other, and hold no values: those checks are left out."""
    model, x = two_dimensional()
    assert log_likelihood(model.float(), x.float()).value.dtype == torch.float32
    monkeypatch.setattr("lvmteach.evaluation._check", lambda model, x: None)
    everything(model.to("meta"), x.float().to("meta"))


@pytest.mark.usefixtures("as_users_run_it")
def test_refusals():
    model, x = two_dimensional()
    for ask in (log_marginal, log_likelihood, active_units, reconstruct):
        with pytest.raises(ValueError, match="NaN or infinity"):
            ask(model, x * math.nan)
        with pytest.raises(ValueError, match=r"\(B, 20\)"):
            ask(model, x[:, 1:])
    with pytest.raises(ValueError, match="K must be at least 1, got 0"):
        log_marginal(model, x, 0)
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        log_marginal(model, x, 5, 0)
    for ask in (log_likelihood, active_units):
        with pytest.raises(ValueError, match="at least 2 images, got 1"):
            ask(model, x[:1])
