"""Wrong answers of stages 05 to 08 that their checks once let through, as test_mistakes_once_missed.py has them."""

import math

import pytest
import torch
from once_missed import assert_refused
from torch.distributions import Normal
from torch.nn import functional as F

from lvmteach.classroom.exercises import gradient_estimators, vae, variational_inference, wake_sleep


def right(exercise, **other):
    """The reference, with some arguments changed before it sees them: each a function of that argument."""
    reference = exercise.reference
    names = reference.__code__.co_varnames[: reference.__code__.co_argcount]
    return lambda *given: reference(*(other.get(n, lambda v: v)(v) for n, v in zip(names, given, strict=True)))


def at_least(floor):
    return lambda v: v.clamp(min=floor)


def within(limit):
    return lambda v: v.clamp(-limit, limit)


def single(v):
    return v.float().double()


# Stage 05.


def expanded_square(m_q, s_q, m_p, s_p):
    squares = s_q**2 + m_q**2 - 2 * m_q * m_p + m_p**2
    return (s_p.log() - s_q.log() + squares / (2 * s_p**2) - 0.5).sum(1)


def product_of_scales(m_q, s_q, m_p, s_p):
    squares = (s_q**2 + (m_q - m_p) ** 2) / (2 * s_p**2)
    return (s_p / s_q).prod(1).log() + (squares - 0.5).sum(1)


def next_to_nothing_is_nothing(*given):
    kl = variational_inference.gaussian_kl.reference(*given)
    return torch.where(kl < 1e-6, 0.0, kl)


def leaves_out_small_q(log_p_xz, q):
    return torch.where(q > 1e-8, q * (log_p_xz - q.log()), 0.0).sum(1)


def leaves_out_tiny_q(log_p_xz, q):
    return torch.where(q > 1e-30, q * (q.log() - torch.log_softmax(log_p_xz, 1)), 0.0).sum(1)


def a_ten_billionth_in_the_log(log_p_xz, q):
    return torch.where(q > 0, q * ((q + 1e-10).log() - torch.log_softmax(log_p_xz, 1)), 0.0).sum(1)


def stops_at_the_top(*given):
    trace = variational_inference.climb.reference(*given)
    still = (trace.diff(dim=0).abs() < 1e-9).all(1).nonzero()
    return trace[: still[0, 0] + 2] if len(still) else trace


def by_determinants(mean, mu, cov):
    others = [[e for e in range(len(mu)) if e != d] for d in range(len(mu))]
    variances = [cov.det() / (cov[rest][:, rest].det() if rest else 1.0) for rest in others]
    return variational_inference.cavi_sweep.reference(mean, mu, cov)[0], torch.stack(variances)


def means_of_squares(x, W, b, m):
    t = x - m @ W.T
    squares = (t.square().mean(0) - 2 * t.mean(0) * b + b.square()).mean()
    return squares + ((m * (1 - m)) @ W.square().sum(0)).sum() / x.numel()


# Stage 06.


def reads_in_single_precision(x, recognition, u):
    units = [x]
    for (weight, bias), uniform in zip(recognition, u, strict=True):
        units.append((uniform < torch.sigmoid((units[-1] @ weight + bias).float())).to(x.dtype))
    return tuple(units)


def by_a_loss_of_probabilities(given, target, weight, bias):
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    p = torch.sigmoid(given @ weight + bias)
    loss = F.binary_cross_entropy(p, target, reduction="none").sum(1).mean()
    return tuple(-one for one in torch.autograd.grad(loss, (weight, bias)))


def softplus_cut_at_ten(units, prior, generative):
    logits = [above @ weight + bias for (weight, bias), above in zip(generative, units[1:], strict=True)]
    logits.append(prior.expand_as(units[-1]))
    terms = [s * a - F.softplus(a, threshold=10) for s, a in zip(units, logits, strict=True)]
    return sum(term.sum(1) for term in terms)


def log_of_q_itself(log_p_xz, log_q):
    return wake_sleep.weighted_twice.reference(log_p_xz, log_q.exp().log())


def small_shares_left_out(log_w):
    return torch.where(log_w < log_w.amax(0) - 10, -math.inf, log_w)


# Stage 07.


def divided_by_its_value(f_z, log_q):
    return (f_z + f_z.detach() * (log_q.exp() / log_q.exp().detach() - 1)).mean(0)


def made_anew(v):
    return v.detach().clone().requires_grad_()


def without_the_first_logit(logits):
    w = (logits - logits[0]).exp()
    return torch.eye(len(logits)).to(logits) - w / w.sum()


def safe_quotient(f_z, scores):
    weight = scores.square()
    return (f_z[:, None] * weight).sum(0) / (weight.sum(0) + 1e-12)


def safe_score(f, slope, mean, scale, eps):
    step = scale * eps
    left = f(mean + step) - f(mean) - step @ slope(mean)
    return (left[:, None] * step / (scale**2 + 1e-12)).mean(0) + slope(mean)


def product_of_coins(log_joint, logits, u):
    p = torch.sigmoid(logits)
    z = (u < p).to(p)
    f = log_joint(z) - torch.where(z == 1, p, torch.sigmoid(-logits)).prod(1).log()
    return ((f - (f.sum() - f) / (len(f) - 1))[:, None] * (z - p)).mean(0)


def safe_gumbel(logits, u):
    return (logits - (-u.log() + 1e-10).log()).argmax(-1)


def logits_in_single_precision(logits, u):
    return (logits.float() - (-u.log()).log().float()).argmax(-1)


# Stage 08.


def refusing(odd):
    """Refuses images with odd pixels; else it is right."""

    def log_bernoulli(x, logits):
        if odd(x):
            raise ValueError("not binary")
        return (x * logits - F.softplus(logits)).sum(-1)

    return log_bernoulli


def densities_first(mu, s, eps):
    z = mu + s.exp() * eps
    return (Normal(mu, s.exp()).log_prob(z).exp() / Normal(0.0, 1.0).log_prob(z).exp()).log().sum(-1).mean(0)


def product_of_widths(mu, s):
    return (mu**2 + (2 * s).exp() - 1).sum(-1) / 2 - s.exp().prod(-1).log()


def clipped(model, make_optimiser, batches):
    optimiser, bounds = make_optimiser(model.parameters()), []
    for x, eps in batches:
        bounds.append(model(x, eps).mean())
        optimiser.zero_grad()
        (-bounds[-1]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 100.0)
        optimiser.step()
    return torch.stack(bounds).detach()


def nearly_active(mu, s):
    return mu.var(0) > 0.01 * (1 - 1e-6), vae.unit_use.reference(mu, s)[1]


def difference_of_moments(mu, s):
    variance = (mu.square().mean(0) - mu.mean(0).square()) * len(mu) / (len(mu) - 1)
    return variance > 0.01, vae.unit_use.reference(mu, s)[1]


def never_quite_sure(decode, n):
    return vae.decode_grid.reference(decode, n).clamp(1e-6, 1 - 1e-6)


def narrow_codes_widened(x, missing, encode, decode, eps, u):
    return vae.impute.reference(x, missing, lambda x: (encode(x)[0], encode(x)[1].clamp(min=-10)), decode, eps, u)


def images_without_holes_dropped(x, missing, *given):
    holes = missing.any(1)
    encode, decode, eps, u = given
    return vae.impute.reference(x[holes], missing[holes], encode, decode, eps[:, holes], u[:, holes])


def logits_within_ten(x, missing, encode, decode, eps, u):
    return vae.impute.reference(x, missing, encode, lambda z: decode(z).clamp(-10, 10), eps, u)


V, W, G = variational_inference, wake_sleep, gradient_estimators
MISSED = {
    "variational_inference.gaussian_kl": [
        expanded_square, product_of_scales, next_to_nothing_is_nothing, right(V.gaussian_kl, s_q=at_least(1e-6)),
    ],
    "variational_inference.elbo": [leaves_out_small_q],
    "variational_inference.gap": [leaves_out_tiny_q, a_ten_billionth_in_the_log],
    "variational_inference.gaussian_elbo": [
        right(V.gaussian_elbo, s=at_least(1e-6)), right(V.gaussian_elbo, noise=lambda noise: max(noise, 1e-4)),
    ],
    "variational_inference.climb": [stops_at_the_top, right(V.climb, log_s=within(10))],
    "variational_inference.cavi_sweep": [
        by_determinants, right(V.cavi_sweep, cov=lambda cov: cov + 1e-10 * torch.eye(len(cov)).to(cov)),
    ],
    "variational_inference.noise_step": [means_of_squares, lambda *given: V.noise_step.reference(*given) + 1e-10],
    "wake_sleep.recognise": [reads_in_single_precision],
    "wake_sleep.delta_rule": [by_a_loss_of_probabilities],
    "wake_sleep.sleep_update": [right(W.sleep_update, prior=single, u=lambda u: tuple(map(single, u)))],
    "wake_sleep.log_joint": [softplus_cut_at_ten],
    "wake_sleep.weighted_twice": [log_of_q_itself],
    "wake_sleep.reweighted_update": [
        right(W.reweighted_update, log_w=small_shares_left_out),
        right(W.reweighted_update, weight=within(4)),
    ],
    "gradient_estimators.surrogate": [divided_by_its_value, right(G.surrogate, log_q=made_anew)],
    "gradient_estimators.score": [without_the_first_logit],
    "gradient_estimators.best_baseline": [safe_quotient],
    "gradient_estimators.by_tangent": [safe_score],
    "gradient_estimators.path_gradients": [right(G.path_gradients, scale=at_least(1e-6))],
    "gradient_estimators.elbo_gradient": [
        product_of_coins, right(G.elbo_gradient, logits=within(15)), right(G.elbo_gradient, u=single),
    ],
    "gradient_estimators.gumbel_max": [safe_gumbel, logits_in_single_precision],
    "gradient_estimators.cubic_bias": [right(G.cubic_bias, phi=within(10))],
    "vae.log_bernoulli": [
        refusing(lambda x: ((x > 0) & (x < 1)).any() or x.max() > 1),
        refusing(lambda x: not torch.allclose(x, (x > 0.5).double())),
        refusing(lambda x: ((x != 0) & (x != 1)).any() or x.max() != 1),
    ],
    "vae.kl": [product_of_widths, right(vae.kl, s=lambda s: s.clamp(max=10))],
    "vae.kl_by_draws": [densities_first, right(vae.kl_by_draws, s=within(10))],
    "vae.elbo": [
        right(vae.elbo, s=within(10)), right(vae.elbo, s=lambda s: s.clamp(max=2)), right(vae.elbo, mu=made_anew),
    ],
    "vae.split_gap": [right(vae.split_gap, A=lambda A: A + 1e-10 * torch.eye(A.shape[-1]).to(A))],
    "vae.train_steps": [clipped],
    "vae.unit_use": [nearly_active, difference_of_moments],
    "vae.decode_grid": [never_quite_sure],
    "vae.impute": [narrow_codes_widened, images_without_holes_dropped, logits_within_ten],
}  # fmt: skip


@pytest.mark.parametrize("name", MISSED)
def test_none_is_let_through_again(name):
    for answer in MISSED[name]:
        assert_refused(name, answer)
