"""Two stochastic layers against a linear-Gaussian chain in closed form (scipy) and sums over a grid (numpy)."""

import itertools

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import stats

from lvmteach.bounds import dreg
from lvmteach.evaluation import active_units, log_marginal, reconstruct
from lvmteach.missing import impute
from lvmteach.runtime import seeded
from lvmteach.vae import (
    VAE,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    StandardNormal,
    TwoLayerDecoder,
    TwoLayerEncoder,
    TwoLayerPrior,
)

ROUNDING = 1e-12  # float64, a few hundred operations on numbers of order 10

# h2 ~ N(0, I) in two dimensions, h1 = A h2 + a + T noise in one, x = W h1 + b + S noise in three. The second
# dimension of h2 leads nowhere, so that p(h2|h1) is diagonal and every factor of an exact q is an encoder.
A, A0, T = np.array([0.8, 0.0]), 0.4, 0.5
W, B, S = np.array([1.1, -0.6, 0.3]), np.array([0.2, 0.0, -0.5]), 0.7
VAR1 = A @ A + T**2
MARGINAL = stats.multivariate_normal(W * A0 + B, VAR1 * np.outer(W, W) + S**2 * np.eye(3))


def data(n):
    return torch.tensor(MARGINAL.rvs(n, random_state=0).reshape(n, 3))


def affine(module, weight, mean, scale):
    """Make the Gaussian N(weight h + mean, scale^2) of an encoder without hidden layers."""
    layer = module.net[0]
    layer.weight[:] = torch.tensor(np.vstack([weight, 0 * weight]))
    layer.bias[:] = torch.tensor(np.concatenate([mean, np.log(scale)]))


def linear_chain(shift=0.0):
    """The model above in float64, its encoder exact but for the mean of q(h1|x), moved by `shift`."""
    encoder = TwoLayerEncoder(GaussianEncoder(3, 1, ()), GaussianEncoder(1, 2, ()))
    prior = TwoLayerPrior(StandardNormal(2), GaussianEncoder(2, 1, ()))
    model = VAE(encoder, TwoLayerDecoder(GaussianDecoder(1, 3, ()), 1), prior).double()
    with torch.no_grad():
        affine(prior.below, A[None], [A0], [T])
        model.decoder.decoder.net[0].weight[:] = torch.tensor(W[:, None])
        model.decoder.decoder.net[0].bias[:] = torch.tensor(B)
        model.decoder.decoder.log_scale[:] = np.log(S)
        var = 1 / (1 / VAR1 + W @ W / S**2)
        affine(encoder.first, var / S**2 * W[None], [var * (A0 / VAR1 - W @ B / S**2) + shift], [np.sqrt(var)])
        gain = A / VAR1
        affine(encoder.second, gain[:, None], -gain * A0, np.sqrt(1 - gain * A))
    return model


def test_at_the_exact_posterior_every_weight_is_p_of_x():
    x = data(6)
    log_w = linear_chain().log_weights(x, K=4)
    np.testing.assert_allclose(log_w.detach(), np.tile(MARGINAL.logpdf(x), (4, 1)), atol=ROUNDING)


def test_at_the_exact_posterior_the_detached_weights_have_no_gradient_for_q():
    """log w is log p(x) whatever is drawn: no path through h1 or h2 may change it."""
    model = linear_chain()
    model.draw(data(6), K=4, detach_q=True).log_w.sum().backward()
    for p in model.encoder.parameters():
        np.testing.assert_allclose(p.grad, 0, atol=1e-10)
    assert all(p.grad.abs().max() > 0.1 for p in model.decoder.parameters())


def test_the_log_joint_against_scipy():
    model, x = linear_chain(), data(5)
    z = torch.randn(7, 5, 3).double()
    h1, h2 = z[..., 0].numpy(), z[..., 1:].numpy()
    expected = stats.norm(h2 @ A + A0, T).logpdf(h1) + stats.norm.logpdf(h2).sum(-1)
    expected += stats.norm(h1[..., None] * W + B, S).logpdf(x).sum(-1)
    np.testing.assert_allclose(model.log_joint(x, z).detach(), expected, atol=ROUNDING)


def test_images_are_drawn_from_the_top_down():
    model = linear_chain()
    with seeded(1), torch.no_grad():
        z = model.prior().sample((200_000,))
        x = model.decoder(z).sample()
    assert_mean(x, MARGINAL.mean, resolution=0.02)
    assert_mean((z[:, :1] - A0) * z[:, 1:], A, resolution=0.02)  # Cov[h1, h2]
    assert_mean((x - torch.tensor(MARGINAL.mean))[:, :2].prod(1), MARGINAL.cov[0, 1], resolution=0.02)


def test_means_of_both_layers():
    """E[h1|x] exactly, E[h2|x] as an average over draws of h1, and the same from the prior's side."""
    model, x = linear_chain(), data(4)
    gain = A / VAR1
    with seeded(2), torch.no_grad():
        means = torch.stack([model.encoder(x).mean for _ in range(500)])
        prior = torch.stack([model.prior().mean for _ in range(500)])
    h1 = model.encoder.first(x).mean.detach()
    np.testing.assert_array_equal(means[..., :1], h1.expand(500, 4, 1))
    assert_mean(means[..., 1], gain[0] * (h1[:, 0] - A0), resolution=0.02)
    assert_mean(prior[:, 0], A0, resolution=0.02)
    assert (prior[:, 1:] == 0).all()


# ---- p(x) of black and white x, by a sum over a grid


def bernoulli_chain():
    with seeded(5):
        encoder = TwoLayerEncoder(GaussianEncoder(3, 1, (4,)), GaussianEncoder(1, 1, (4,)))
        prior = TwoLayerPrior(StandardNormal(1), GaussianEncoder(1, 1, (4,)))
        model = VAE(encoder, TwoLayerDecoder(BernoulliDecoder(1, 3, (4,)), 1), prior).double()
        with torch.no_grad():
            for p in (*prior.parameters(), *model.decoder.parameters()):
                p.normal_(std=0.6)
            for one in (encoder.first, encoder.second):
                one.net[-1].weight[1], one.net[-1].bias[1] = 0, 0.5  # log sigma: so wide that no weight is huge
    return model


def by_numpy(net, h):
    """An `mlp` with one hidden layer, on h (..., 1)."""
    first, _, last = net
    (w1, b1), (w2, b2) = ((f.weight.detach().numpy(), f.bias.detach().numpy()) for f in (first, last))
    return np.tanh(h @ w1.T + b1) @ w2.T + b2


def exact_p(model, x):
    """p(x) by a sum over a grid of h2 and h1; x (n, 3)."""
    h2 = np.linspace(-8, 8, 801)[:, None]
    h1 = np.linspace(-60, 60, 12_001)[:, None]
    mean, log_scale = by_numpy(model.prior.below.net, h2).T
    p_h1 = (stats.norm.pdf(h2[:, 0]) @ stats.norm(mean[:, None], np.exp(log_scale)[:, None]).pdf(h1[:, 0])) * 0.02
    p = 1 / (1 + np.exp(-by_numpy(model.decoder.decoder.net, h1)))
    each = np.stack([np.where(row == 1, p, 1 - p).prod(1) for row in x])
    return each @ p_h1 * 0.01


EVERY_X = np.array(list(itertools.product([0.0, 1.0], repeat=3)))


def test_the_grid_covers_all_probability():
    assert exact_p(bernoulli_chain(), EVERY_X).sum() == pytest.approx(1, abs=1e-6)


def check_unbiased(weights):
    model = bernoulli_chain()
    with seeded(3), torch.no_grad():
        w = weights(model, torch.tensor(EVERY_X), 100_000).exp()
    assert_mean(w, exact_p(model, EVERY_X), resolution=0.02)


@pytest.mark.slow
def test_the_mean_weight_is_p_of_x():
    check_unbiased(lambda model, x, K: model.log_weights(x, K))
    check_unbiased(weights_without(None))


def weights_without(lost):
    def weights(model, x, K):
        z = model.encoder(x).sample((K,))
        h1, h2 = z[..., :1], z[..., 1:]
        terms = {
            "x": model.decoder(z).log_prob(x),
            "h1": model.prior.below(h2).log_prob(h1),
            "h2": model.prior.top().log_prob(h2),
            "q1": -model.encoder.first(x).log_prob(h1),
            "q2": -model.encoder.second(h1).log_prob(h2),
        }
        return sum(terms[name] for name in terms if name != lost)

    return weights


@pytest.mark.parametrize("lost", ["x", "h1", "h2", "q1", "q2"])
def test_the_check_sees_a_lost_term(lost):
    with pytest.raises(AssertionError):
        check_unbiased(weights_without(lost))


# ---- gradients


def by_differences(model, x, K):
    """sum_k w~_k^2 d log w_k / d gamma along the draws, by central differences with q's density held fixed."""

    def log_w(at=None, to=0.0):
        """The weights at draws of a q one of whose parameters is moved, by the densities of the one that is not."""
        flat = None if at is None else at[0].data.view(-1)
        if flat is not None:
            flat[at[1]] += to
        with seeded(7):
            z = model.encoder(x).rsample((K,))
        if flat is not None:
            flat[at[1]] -= to
        return model.log_joint(x, z) - model.encoder(x).log_prob(z)

    with torch.no_grad():
        w = torch.softmax(log_w(), 0)
        step = 1e-6
        return [
            float((w**2 * (log_w((p, i), step) - log_w((p, i), -step)) / (2 * step)).sum())
            for p in model.encoder.parameters()
            for i in range(p.numel())
        ]


def test_the_doubly_reparameterised_gradient_against_differences():
    """h1 reaches log w by itself and through h2; each way is weighted once."""
    model, x = bernoulli_chain(), torch.tensor(EVERY_X)
    with seeded(7):
        dreg(*model.draw(x, K=3, detach_q=True)).sum().backward()
    ours = torch.cat([p.grad.flatten() for p in model.encoder.parameters()])
    np.testing.assert_allclose(ours, by_differences(model, x, K=3), atol=1e-7)
    assert ours.abs().max() > 0.1


# ---- it goes where a model of one layer goes


def small(D=12):
    with seeded(6):
        encoder = TwoLayerEncoder(GaussianEncoder(D, 4, (8,)), GaussianEncoder(4, 3, (8,)))
        prior = TwoLayerPrior(StandardNormal(3), GaussianEncoder(3, 4, (8,)))
        return VAE(encoder, TwoLayerDecoder(BernoulliDecoder(4, D, (8,)), 4), prior)


def test_shapes_and_evaluation():
    model, x = small(), torch.rand(5, 12).bernoulli()
    log_w, z = model.draw(x, K=6)
    assert (log_w.shape, z.shape) == ((6, 5), (6, 5, 7))
    assert (model.encoder(x).event_shape, model.prior().event_shape) == ((7,), (7,))
    assert (model.encoder(x).batch_shape, model.prior().batch_shape) == ((5,), ())
    assert log_marginal(model, x, 10).shape == (5,)
    assert active_units(model, x).shape == (7,)
    assert reconstruct(model, x).shape == x.shape
    assert impute(model, x, torch.arange(12) < 4, steps=4).x.shape == x.shape


def test_a_unit_that_knows_nothing_of_x_is_not_active():
    model, x = linear_chain(), data(200)
    with seeded(9):
        assert active_units(model, x).tolist() == [True, True, False]


def test_every_parameter_gets_a_gradient_with_and_without_detached_q():
    for detach_q in (False, True):
        model = small()
        model.draw(torch.rand(5, 12).bernoulli(), 2, detach_q).log_w.sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_bad_data_are_refused_as_by_one_layer():
    model = small()
    with pytest.raises(ValueError, match="\\(B, 12\\)"):
        model.check(torch.zeros(5, 11))
    with pytest.raises(ValueError, match="a Bernoulli x"):
        model.check(torch.full((5, 12), 255.0))
    with pytest.raises(NotImplementedError, match="no closed form"):
        model.terms(torch.zeros(5, 12))


def test_everything_follows_x():
    model = small()
    for dtype in (torch.float64, torch.float32):
        assert model.to(dtype).log_weights(torch.zeros(5, 12, dtype=dtype), 2).dtype == dtype
    model.to("meta")
    log_w, z = model.draw(torch.zeros(5, 12, device="meta"), K=3, detach_q=True)
    assert log_w.device.type == z.device.type == "meta"
