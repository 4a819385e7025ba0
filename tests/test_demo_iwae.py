"""The demo of stage 09: quadrature, bound, weights and resampled posterior against closed forms and each other."""

import math

import numpy as np
import pytest
import torch
from chance import assert_mean
from scipy import stats

from lvmteach.bounds import elbo
from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.explorables.scenes import iwae
from lvmteach.runtime import seeded
from lvmteach.vae import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal

D = 6


def linear_model(shift=0.0):
    """A linear-Gaussian VAE, p(x) = N(b, W W' + s^2 I), and its posterior `shift` deviations beside q."""
    with seeded(7):
        model = VAE(GaussianEncoder(D, 2, hidden=()), GaussianDecoder(2, D, hidden=()), StandardNormal(2)).double()
        W = torch.randn(D, 2, dtype=torch.double)
    W = torch.linalg.qr(W).Q * torch.tensor([2.0, 0.7], dtype=torch.double)  # W'W diagonal: q can be the posterior
    s2, b = 0.5, torch.linspace(-1, 1, D, dtype=torch.double)
    precision = 1 + (W**2).sum(0) / s2
    affine, head = model.decoder.net[0], model.encoder.net[0]
    affine.weight.data, affine.bias.data = W, b
    model.decoder.log_scale.data.fill_(0.5 * math.log(s2))
    A = W.T / s2 / precision[:, None]
    head.weight.data = torch.cat([A, torch.zeros_like(A)])
    head.bias.data = torch.cat([-A @ b + shift / precision.sqrt(), -0.5 * precision.log()])
    x = torch.tensor([[0.3, -1.0, 0.5, 2.0, 0.1, 1.4]], dtype=torch.double)
    log_p = stats.multivariate_normal(b.numpy(), (W @ W.T + s2 * torch.eye(D)).numpy()).logpdf(x[0].numpy())
    return model, x, log_p, ((x - b) @ A.T)[0], precision


def curved_model():
    with seeded(3):
        model = VAE(GaussianEncoder(D, 2, hidden=(8,)), BernoulliDecoder(2, D, hidden=(8,)), StandardNormal(2))
        for one in model.parameters():
            one.data += 0.8 * torch.randn_like(one)
        x = torch.bernoulli(torch.full((3, D), 0.5))
    return model, x


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(widgets, "display", lambda *what, **more: None)
    monkeypatch.setattr(widgets, "_LIVE", [])
    monkeypatch.setenv("LVMTEACH_STRICT", "1")  # `live` moves every control to both ends
    with torch.no_grad():  # as the machinery calls update
        yield


def test_quadrature_finds_a_gaussian_exactly():
    model, x, log_p, mean, precision = linear_model()
    exact = iwae.quadrature(model, x[0])
    # The first grid ends at z = 5, here six posterior deviations from the mean: beyond lie 1e-9 of the posterior.
    assert exact.log_p == pytest.approx(log_p, abs=2e-9)
    weight = exact.posterior / exact.posterior.sum()
    for axis, expected, its_precision in zip((0, 1), mean, precision, strict=True):
        found = (weight.sum(1 - axis) * exact.axes[axis]).sum()
        spread = (weight.sum(1 - axis) * (exact.axes[axis] - found) ** 2).sum()
        assert found == pytest.approx(expected.item(), abs=1e-8)
        assert spread == pytest.approx(1 / its_precision.item(), rel=1e-7)


def test_quadrature_of_a_curved_posterior_agrees_with_a_plain_fine_grid():
    model, x = curved_model()
    axis = torch.linspace(-7, 7, 701)
    z = torch.cartesian_prod(axis, axis)
    log_lik = torch.distributions.Bernoulli(logits=model.decoder.net(z)).log_prob(x[0]).sum(-1).double()
    log_joint = log_lik - z.double().square().sum(-1) / 2 - math.log(2 * math.pi)
    plain = (log_joint.logsumexp(0) + 2 * math.log(14 / 700)).item()
    # Beyond five deviations, where the first grid ends, lie 6e-7 of the prior on each axis.
    assert iwae.quadrature(model, x[0]).log_p == pytest.approx(plain, abs=1e-4)


def test_with_the_posterior_as_q_every_bound_is_log_p():
    model, x, log_p, *_ = linear_model()
    scene = iwae.Climb(model, x)
    scene.live()
    words = scene.update(K=8)
    sets = scene._sets(0)
    assert sets.bound == pytest.approx(log_p, abs=1e-9)  # rounding: no weight differs from another
    assert words.endswith(f"log p(x) = {log_p:.2f} nats; effective sample size 8.0 of 8")


def test_the_bound_is_a_mean_over_sets_of_log_mean_weights():
    model, x, log_p, *_ = linear_model(shift=1.0)
    sets = iwae.Climb(model, x)._sets(0)
    w = sets.log_w.exp().numpy()
    for K in (1, 7, 256):
        each = np.log(w[:K].mean(0))
        assert sets.bound[K - 1] == pytest.approx(each.mean())
        assert sets.error[K - 1] == pytest.approx(each.std(ddof=1) / math.sqrt(iwae.SETS))
    # FACTS: log w - log p(x) ~ N(-v/2, v) with v = 2 delta^2 in the posterior's deviations halved; here v = 2.
    assert_mean(sets.log_w.flatten().numpy(), log_p - 1.0, resolution=0.05)
    assert elbo(sets.log_w).mean().item() == pytest.approx(sets.log_w.mean().item())


def test_the_weights_shown_are_those_of_one_set():
    model, x = curved_model()
    scene = iwae.Climb(model, x)
    scene.update(K=16, image=1)
    shown = scene.bars.get_ydata()
    w = scene._sets(1).log_w[:16, 0].exp().numpy()
    assert shown == pytest.approx(np.sort(w / w.sum())[::-1], rel=1e-5)
    size = float(scene.update(K=16, image=1).split()[-3])
    assert size == pytest.approx(1 / (shown**2).sum(), abs=0.05)  # printed to one digit


def mean_of_cloud(K, repeats=20):
    """Resampled points of several images' worth of sets, with the posterior's mean."""
    model, x, _, mean, precision = linear_model(shift=1.0)
    scene, clouds = iwae.Climb(model, x), []
    for _ in range(repeats):
        scene.update(K=K)
        clouds.append(scene.cloud.get_xydata().copy())
        scene.draw_anew()
    return (np.concatenate(clouds) - mean.numpy()) * precision.sqrt().numpy()


def test_the_resampled_cloud_moves_from_q_to_the_posterior():
    # In posterior deviations q's mean is at (1, 1). With K samples what is left of that is about (e^v - 1)/K = 0.03.
    assert_mean(mean_of_cloud(1), [1.0, 1.0], resolution=0.1)
    assert_mean(mean_of_cloud(256), [0.0, 0.0], resolution=0.15)


def test_the_test_of_the_cloud_sees_points_that_are_not_resampled():
    with pytest.raises(AssertionError, match="mean is off"):
        assert_mean(mean_of_cloud(1), [0.0, 0.0], resolution=0.15)


def test_points_are_drawn_by_weight():
    model, x = curved_model()
    sets = iwae.Climb(model, x)._sets(0)
    K = 4
    w = torch.softmax(sets.log_w[:K].double(), 0).numpy()
    chosen = np.eye(K)[sets.score[:K].argmax(0).numpy()].T
    # In each set the indicator of sample k has mean w_k: the difference has mean zero.
    assert_mean((chosen - w).T, np.zeros(K), resolution=0.2)


def test_new_samples_leave_log_p_alone():
    model, x = curved_model()
    scene = iwae.Climb(model, x)
    first = scene.update(K=4)
    assert scene.update(K=4) == first
    scene.draw_anew()
    second = scene.update(K=4)
    assert second != first
    assert first.split("log p(x) = ")[1].split()[0] == second.split("log p(x) = ")[1].split()[0]


def test_the_ambient_stream_is_left_alone():
    model, x = curved_model()
    with seeded(0):
        expected = torch.randn(3)
    with seeded(0):
        iwae.Climb(model, x).update(K=4)
        assert torch.equal(torch.randn(3), expected)


def test_one_image_has_no_slider_for_images():
    model, x = curved_model()
    assert set(iwae.Climb(model, x[:1]).live().controls) == {"K"}
    assert set(iwae.Climb(model, x).live().controls) == {"K", "image"}


def test_quadrature_needs_a_plane():
    model = VAE(GaussianEncoder(D, 3, hidden=()), BernoulliDecoder(3, D, hidden=()), StandardNormal(3))
    with pytest.raises(ValueError, match="L = 2, got L = 3"):
        iwae.Climb(model, torch.zeros(1, D))


def test_the_ladder_of_k():
    assert iwae.steps(16) == [1, 2, 3, 4, 6, 8, 11, 16]
    assert iwae.steps(50)[-1] == 50
