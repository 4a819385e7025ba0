"""The VAE against closed forms (scipy, numpy), the KL against torch's and Monte Carlo, and its refusals."""

import math

import linear
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chance import assert_mean
from scipy import special, stats
from torch import nn
from torch.distributions import Distribution, Normal, TransformedDistribution, kl_divergence
from torch.distributions.transforms import ExpTransform

from lvmteach.bounds import elbo, elbo_analytic
from lvmteach.runtime import seeded
from lvmteach.vae import (
    VAE,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    MixturePrior,
    StandardNormal,
    StudentTDecoder,
)
from lvmteach.vae import parts as vae_parts

ROUNDING = 1e-12  # float64, a few hundred operations on numbers of order 10


def bernoulli_vae(D=12, L=3, **kwargs):
    return VAE(GaussianEncoder(D, L, (8,), **kwargs), BernoulliDecoder(L, D, (8,)), StandardNormal(L))


def binary(n=5, D=12):
    return torch.rand(n, D).bernoulli()


# ---- log weights and the ELBO against the exact log p(x)


def test_at_the_exact_posterior_every_weight_is_p_of_x():
    x = linear.data(6)
    with seeded(1):
        log_w = linear.vae().log_weights(torch.tensor(x), K=4)
    np.testing.assert_allclose(log_w.detach(), np.tile(linear.MARGINAL.logpdf(x), (4, 1)), atol=ROUNDING)


def elbo_by_weights(model, x):
    return elbo(model.log_weights(x, K=1))


def elbo_by_terms(model, x):
    return elbo_analytic(*model.terms(x, K=1))


def check_elbo(bound, shift=0.25, widen=1.3):
    """E[bound] = log p(x) - KL(q || posterior), to a twentieth of a nat."""
    x = np.repeat(linear.data(1), 100_000, 0)
    with seeded(2), torch.no_grad():
        draws = bound(linear.vae(shift, widen), torch.tensor(x))
    assert_mean(draws, linear.MARGINAL.logpdf(x[0]) - linear.gap(shift, widen), resolution=0.05)


@pytest.mark.parametrize("bound", [elbo_by_weights, elbo_by_terms])
def test_elbo_is_log_p_minus_the_gap(bound):
    check_elbo(bound)


def parts(model, x):
    q = model.encoder(x)
    z = q.rsample((1,))
    return model.decoder(z).log_prob(x), model.prior().log_prob(z), q.log_prob(z), model.kl(x)


PLANTED = {
    "the KL with its sign flipped": lambda lik, prior, q, kl: lik + kl,
    "q's sign flipped": lambda lik, prior, q, kl: lik + prior + q,
    "no prior": lambda lik, prior, q, kl: lik - q,
    "the KL twice": lambda lik, prior, q, kl: lik - 2 * kl,
    "the mean over pixels": lambda lik, prior, q, kl: lik / linear.D - kl,
}


@pytest.mark.parametrize("wrong", PLANTED.values(), ids=PLANTED.keys())
def test_elbo_check_sees_planted_bugs(wrong):
    with pytest.raises(AssertionError, match="mean is off"):
        check_elbo(lambda model, x: wrong(*parts(model, x))[0])


# ---- KL


def check_kl(kl):
    x = torch.tensor(linear.data(5))
    np.testing.assert_allclose(
        kl(linear.vae(0.3, 1.4), x).detach(), linear.kl_to_prior(x.numpy(), 0.3, 1.4), atol=ROUNDING
    )


def test_kl_against_the_closed_form():
    check_kl(lambda model, x: model.kl(x))


def test_kl_against_torch():
    model, x = linear.vae(0.3, 1.4), torch.tensor(linear.data(5))
    q = model.encoder(x).base_dist
    expected = kl_divergence(Normal(q.loc, q.scale), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(model.kl(x), expected)
    torch.testing.assert_close(model.terms(x).kl, expected)


def test_kl_against_monte_carlo():
    model, x = linear.vae(0.3, 1.4), torch.tensor(linear.data(3))
    with seeded(3), torch.no_grad():
        q = model.encoder(x)
        z = q.sample((20_000,))
        ratios = q.log_prob(z) - model.prior().log_prob(z)
    assert_mean(ratios, model.kl(x).detach(), resolution=0.1)


def gaussian_kl(formula):
    def kl(model, x):
        q = model.encoder(x).base_dist
        return formula(q.loc, q.scale).sum(1)

    return kl


WRONG_KL = {
    "sign": lambda mu, s: -0.5 * (mu**2 + s**2 - 1 - 2 * s.log()),
    "mu not squared": lambda mu, s: 0.5 * (mu + s**2 - 1 - 2 * s.log()),
    "arguments swapped": lambda mu, s: 0.5 * ((mu**2 + 1) / s**2 - 1 + 2 * s.log()),
    "scale for variance": lambda mu, s: 0.5 * (mu**2 + s - 1 - s.log()),
    "half lost": lambda mu, s: mu**2 + s**2 - 1 - 2 * s.log(),
}


@pytest.mark.parametrize("wrong", WRONG_KL.values(), ids=WRONG_KL.keys())
def test_kl_check_sees_planted_bugs(wrong):
    with pytest.raises(AssertionError):
        check_kl(gaussian_kl(wrong))


def test_kl_without_closed_form_says_what_to_use_instead():
    model = VAE(GaussianEncoder(12, 3, (8,)), BernoulliDecoder(3, 12, (8,)), MixturePrior(4, 3))
    for ask in (model.kl, model.terms):
        with pytest.raises(NotImplementedError, match="log_weights"):
            ask(binary())


# ---- the modules, against scipy


def test_bernoulli_decoder_against_scipy():
    decoder, x = BernoulliDecoder(3, 12, (8,)).double(), binary().double()
    p = decoder(torch.randn(4, 5, 3).double())
    expected = stats.bernoulli.logpmf(x, p.mean.detach()).sum(-1)
    np.testing.assert_allclose(p.log_prob(x).detach(), expected, atol=ROUNDING)
    assert p.expand((2, 4, 5)).log_prob(x).shape == (2, 4, 5)
    assert p.sample((7,)).shape == (7, 4, 5, 12)


@pytest.mark.parametrize(
    ("of_logits", "of_x"),
    [((4, 3, 5), (3, 5)), ((3, 5), (3, 5)), ((4, 1, 5), (3, 5)), ((5,), (3, 5)), ((4, 3, 5), (5,))],
)
def test_bernoulli_gradients_against_cross_entropy(of_logits, of_x):
    def log_p(logits, x):
        return vae_parts._Bernoullis(logits).log_prob(x)

    def oracle(logits, x):
        both = torch.broadcast_tensors(logits, x)
        return -F.binary_cross_entropy_with_logits(*both, reduction="none").sum(-1)

    logits = torch.randn(of_logits).double().requires_grad_()
    x = torch.rand(of_x).double().requires_grad_()  # grey x may be asked for a gradient, black and white ones are not
    weight = torch.randn(oracle(logits, x).shape).double()
    ours, theirs = (torch.autograd.grad((weight * f(logits, x)).sum(), (logits, x)) for f in (log_p, oracle))
    torch.testing.assert_close(log_p(logits, x), oracle(logits, x))  # rounding
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(log_p(logits, x), log_p(logits.detach(), x))  # without a graph, another path
    assert torch.autograd.gradgradcheck(log_p, (logits, x))


def test_bernoulli_logits_of_any_size_stay_finite():
    decoder = BernoulliDecoder(1, 2, ())
    with torch.no_grad():
        decoder.net[0].weight[:] = torch.tensor([[1e4], [-1e4]])
    z = torch.ones(1, 1, requires_grad=True)
    log_p = decoder(z).log_prob(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    torch.testing.assert_close(log_p, torch.tensor([-1e4, 0.0]))
    assert torch.autograd.grad(log_p.sum(), z)[0].isfinite().all()


@pytest.mark.parametrize("scales", [1, 6])
def test_real_valued_decoders_against_scipy(scales):
    x, z = torch.randn(5, 6).double(), torch.randn(4, 5, 3).double()
    normal, student = GaussianDecoder(3, 6, (8,), scales).double(), StudentTDecoder(3, 6, (8,), scales, df=2.5).double()
    with torch.no_grad():
        normal.log_scale.normal_()
        student.log_scale.normal_()
        for decoder, oracle in ((normal, stats.norm()), (student, stats.t(2.5))):
            scale = decoder.log_scale.exp().numpy()
            expected = (oracle.logpdf((x.numpy() - decoder.net(z).numpy()) / scale) - np.log(scale)).sum(-1)
            np.testing.assert_allclose(decoder(z).log_prob(x), expected, rtol=1e-12)


def test_priors_against_scipy():
    z = torch.randn(7, 3).double()
    np.testing.assert_allclose(StandardNormal(3).double()().log_prob(z), stats.norm.logpdf(z).sum(-1), rtol=1e-12)
    prior = MixturePrior(4, 3).double()
    with torch.no_grad():
        prior.logits.normal_()
        prior.log_scale.normal_()
    mean, scale = prior.mean.detach().numpy(), prior.log_scale.detach().exp().numpy()
    each = stats.norm.logpdf(z.numpy()[:, None], mean, scale).sum(-1)
    expected = special.logsumexp(each + special.log_softmax(prior.logits.detach().numpy()), axis=1)
    np.testing.assert_allclose(prior().log_prob(z).detach(), expected, rtol=1e-12)


@pytest.mark.parametrize(("scale", "oracle"), [(torch.exp, np.exp), (F.softplus, lambda s: np.log1p(np.exp(s)))])
def test_encoder_scales_its_second_half(scale, oracle):
    encoder, x = GaussianEncoder(12, 3, (8,), scale).double(), binary().double()
    s = encoder.net(x)[:, 3:].detach().numpy()
    np.testing.assert_allclose(encoder(x).base_dist.scale.detach(), oracle(s), rtol=1e-12)


def test_no_hidden_layer_is_affine():
    for net in (GaussianEncoder(12, 3, ()).net, BernoulliDecoder(3, 12, ()).net, GaussianDecoder(3, 12, ()).net):
        assert [type(layer) for layer in net] == [nn.Linear]


def test_decoders_start_at_the_mean_of_the_data():
    mean = torch.tensor([0.0, 0.3, 0.9])
    zero = torch.zeros(2, 4)  # tanh units send z = 0 to the last biases alone
    start = BernoulliDecoder(4, 3, (8,), mean=mean)(zero).mean
    torch.testing.assert_close(start, torch.tensor([0.005, 0.3, 0.9]).expand(2, 3))
    torch.testing.assert_close(GaussianDecoder(4, 3, (8,), mean=mean)(zero).mean, mean.expand(2, 3))
    torch.testing.assert_close(StudentTDecoder(4, 3, (8,), mean=mean)(zero).mean, mean.expand(2, 3))
    assert BernoulliDecoder(4, 3, (8,))(zero).mean.unique().tolist() == [0.5]


# ---- samples and gradients


@pytest.mark.parametrize("K", [1, 7])
def test_shapes(K):
    model, x = bernoulli_vae(), binary(5)
    assert model.log_weights(x, K).shape == (K, 5)
    assert model.draw(x, K).z.shape == (K, 5, 3)
    log_lik, kl = model.terms(x, K)
    assert (log_lik.shape, kl.shape, model.kl(x).shape) == ((K, 5), (5,), (5,))
    assert model.log_joint(x, torch.randn(9, 1, 3)).shape == (9, 5)


def test_encoder_runs_once_on_the_batch_alone():
    seen = []
    model = bernoulli_vae()
    model.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    model.draw(binary(5), K=50, detach_q=True)
    assert seen == [(5, 12)]


def test_every_parameter_gets_a_gradient():
    model = VAE(GaussianEncoder(12, 3, (8,)), BernoulliDecoder(3, 12, (8,)), MixturePrior(4, 3))
    (-elbo(model.log_weights(binary(), 2)).mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def gradients(model, x, detach_q):
    with seeded(4):
        log_w, _ = model.draw(x, K=3, detach_q=detach_q)
    model.zero_grad()
    log_w.sum().backward()
    return (
        log_w.detach(),
        [p.grad.clone() for p in model.encoder.parameters()],
        [p.grad.clone() for p in model.decoder.parameters()],
    )


def test_detach_q_takes_away_the_score_and_nothing_else():
    """d/dgamma of log q at fixed z, the score, is what differs; by autograd on the density alone."""
    model, x = bernoulli_vae().double(), binary().double()
    with seeded(4):
        z = model.draw(x, K=3).z.detach()
    model.zero_grad()
    score = torch.autograd.grad(model.encoder(x).log_prob(z).sum(), list(model.encoder.parameters()))
    log_w, encoder, decoder = gradients(model, x, detach_q=False)
    log_w_detached, encoder_detached, decoder_detached = gradients(model, x, detach_q=True)
    torch.testing.assert_close(log_w, log_w_detached, rtol=0, atol=0)
    torch.testing.assert_close(decoder, decoder_detached)
    for whole, path, s in zip(encoder, encoder_detached, score, strict=True):
        torch.testing.assert_close(path - whole, s)
        assert s.abs().max() > 1e-3  # so that a forgotten detach would show


def test_detach_q_refuses_what_it_cannot_detach():
    class LogNormalEncoder(GaussianEncoder):
        def forward(self, x):
            return TransformedDistribution(super().forward(x), [ExpTransform()])

    model = VAE(LogNormalEncoder(12, 3, (8,)), BernoulliDecoder(3, 12, (8,)), StandardNormal(3))
    assert model.log_weights(binary(), 2).isfinite().all()
    with pytest.raises(NotImplementedError, match="TransformedDistribution"):
        model.draw(binary(), 2, detach_q=True)


@pytest.mark.parametrize("decoder", [BernoulliDecoder, GaussianDecoder, StudentTDecoder])
@pytest.mark.parametrize("prior", [StandardNormal, lambda L: MixturePrior(4, L)])
def test_everything_follows_x(decoder, prior, monkeypatch):
    """A tensor made on a fixed device or in a fixed dtype fails here: meta tensors mix with no other."""
    model = VAE(GaussianEncoder(12, 3, (8,)), decoder(3, 12, (8,)), prior(3))
    for dtype in (torch.float64, torch.float32):
        assert model.to(dtype).log_weights(binary().to(dtype), 2).dtype == dtype
    # torch's StudentT reads its df back to check it, whatever it is told; meta tensors hold nothing to read.
    monkeypatch.setattr(Distribution, "_validate_args", False)
    model.to("meta")
    log_w, z = model.draw(torch.zeros(5, 12, device="meta"), K=3, detach_q=True)
    assert log_w.device.type == z.device.type == "meta"


# ---- refusals


BAD = {
    "one point": (torch.zeros(12), "x\\[None\\]"),
    "images": (torch.zeros(5, 3, 4), "flatten"),
    "wrong D": (torch.zeros(5, 11), "\\(B, 12\\)"),
    "bytes": (torch.zeros(5, 12, dtype=torch.uint8), "x.float\\(\\)"),
    "empty": (torch.zeros(0, 12), "at least one"),
    "NaN": (torch.full((5, 12), math.nan), "NaN or infinity in rows \\[0, 1, 2, 3, 4\\]"),
    "infinite": (torch.full((5, 12), math.inf), "NaN or infinity"),
    "above one": (torch.full((5, 12), 255.0), "\\[0, 1\\], got 255 to 255; scale"),
    "negative": (torch.full((5, 12), -1.0), "\\[0, 1\\]"),
}


@pytest.mark.parametrize(("x", "message"), BAD.values(), ids=BAD.keys())
@pytest.mark.usefixtures("as_users_run_it")
def test_bad_data_are_refused(x, message):
    model = bernoulli_vae()
    for ask in (model.check, model.log_weights, model.draw, model.terms, model.kl):
        with pytest.raises(ValueError, match=message):
            ask(x)


def test_range_belongs_to_the_decoder():
    x = torch.full((2, 4), 255.0).double()
    assert linear.vae().log_weights(x).isfinite().all()


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="K must be at least 1, got 0"):
        bernoulli_vae().log_weights(binary(), 0)


def test_student_needs_positive_df():
    with pytest.raises(ValueError, match="df must be positive, got 0"):
        StudentTDecoder(3, 12, df=0.0)
