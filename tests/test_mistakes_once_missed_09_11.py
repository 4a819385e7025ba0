"""Wrong answers of stages 09 to 11 that a check once let through, and right ones that it refused."""

import math

import pytest
import torch
from once_missed import assert_refused
from torch.distributions import Normal

from lvmteach.classroom.exercises.stages import exercises
from lvmteach.vocabulary import END, START, UNKNOWN

ONE = 0.5 * math.log(2 * math.pi)


def log_mean(log_w, shift):
    """A log-mean-exp that takes out something else than the largest of each column."""
    return (log_w - shift).exp().mean(0).log() + shift


def by_the_smallest(log_w):
    return log_mean(log_w, log_w.amin(0))


def shares_by_the_smallest(log_w, slope, score):
    w = (log_w - log_w.amin(0)).exp()
    share = (w / w.sum(0))[..., None]
    bound = torch.logsumexp(log_w, 0)[None, :, None] - math.log(len(log_w))
    return (share * slope).sum(0), ((bound - share) * score).sum(0)


def others(log_w, nothing):
    K = len(log_w)
    itself = torch.eye(K, dtype=torch.bool)[..., None]
    return torch.logsumexp(log_w.expand(K, *log_w.shape).masked_fill(itself, nothing), 1) - math.log(K - 1)


def signal_with_a_stand_in(log_w):
    return torch.logsumexp(log_w, 0) - math.log(len(log_w)) - others(log_w, -1e4)


def jackknife_with_a_stand_in(log_w):
    K = len(log_w)
    return K * (torch.logsumexp(log_w, 0) - math.log(K)) - (K - 1) * others(log_w, -1e4).mean(0)


def first_hundred_subsets(log_w, m):
    subsets = torch.combinations(torch.arange(len(log_w)), m)[:100]
    return (torch.logsumexp(log_w[subsets], 1) - math.log(m)).mean(0)


def variance_by_a_difference(K, gradients):
    R = gradients.shape[1]
    var = (gradients.square().mean(1) - gradients.mean(1).square()) * R / (R - 1)
    ratio, a = gradients.mean(1).abs() / var.sqrt(), K.log() - K.log().mean()
    return ratio, (a[:, None] * ratio.log()).sum(0) / a.square().sum()


def one_maximum_for_all(log_joint, mean, scale, eps):
    z = mean + scale * eps
    log_w = log_joint(z) - Normal(mean.detach(), scale.detach()).log_prob(z).sum(-1)
    w = (log_w - log_w.max()).exp().detach()
    moving = ((w / w.sum(0)).square() * log_w).sum(0)
    return moving.detach() - moving - torch.logsumexp(log_w.detach(), 0) + math.log(len(log_w))


def safe_variance(z, log_pi, mu, s):
    log_p = -((z[:, None] - mu) ** 2) / (2 * (2 * s).exp() + 1e-12) - s - ONE
    return torch.logsumexp(log_pi + log_p.sum(-1), 1)


def safe_weights(m, r, log_pi, mu, s):
    squared = (m[:, None] - mu) ** 2 + (2 * r).exp()[:, None]
    return torch.softmax((log_pi.exp() + 1e-10).log() - (squared / (2 * (2 * s).exp()) + s).sum(-1), 1)


def chosen_in_single_precision(u, eps, log_pi, mu, s):
    c = (u.float()[:, None] > log_pi.exp().cumsum(0).float()[:-1]).sum(1)
    return mu[c] + s[c].exp() * eps


def pixels_of_pseudo_inputs(z, u, encode):
    mu, s = encode(u.clamp(0, 1))
    return torch.logsumexp(Normal(mu, s.exp()).log_prob(z[:, None]).sum(-1), 1) - math.log(len(u))


def clamped_log_variance(log_lik, mu, s, beta):
    log_var = (2 * s).clamp(-20, 20)
    return (beta * (mu**2 + log_var.exp() - 1 - log_var).sum(-1) / 2).mean() - log_lik.mean()


def nearly_at_the_level(eigenvalues, beta, noise):
    above = eigenvalues > beta * noise + 1e-8
    length = torch.where(above, eigenvalues - beta * noise, 0.0).sqrt()
    return length, 0.5 * torch.where(above, eigenvalues / (beta * noise), 1.0).log().sum()


def mass_with_a_floor(x, m, s, n):
    upper = torch.where(x >= n, 1.0, torch.sigmoid((x + 0.5 - m) / s))
    return (upper - torch.where(x <= 0, 0.0, torch.sigmoid((x - 0.5 - m) / s))).clamp(min=1e-12).log()


def filled_with_probabilities(x, missing, log_w, p):
    return torch.where(missing, (torch.softmax(log_w, 0)[..., None] * p).sum(0).clamp(0, 1), x)


def safe_logarithms(x, start, transition, emission):
    alpha = (start + 1e-12).log() + (emission[:, x[0]] + 1e-12).log()
    for x_t in x[1:]:
        alpha = torch.logsumexp(alpha[:, None] + (transition + 1e-12).log(), 0) + (emission[:, x_t] + 1e-12).log()
    return torch.logsumexp(alpha, 0)


def path_in_a_table(x, start, transition, emission):
    """A table of zeros is in single precision."""
    best, came = torch.zeros(len(x), len(start)), torch.zeros(len(x), len(start), dtype=torch.long)
    best[0] = start.log() + emission[:, x[0]].log()
    for t in range(1, len(x)):
        reached, came[t] = (best[t - 1][:, None] + transition.log()).max(0)
        best[t] = reached + emission[:, x[t]].log()
    path = [best[-1].argmax()]
    for t in range(len(x) - 1, 0, -1):
        path.insert(0, came[t][path[0]])
    return torch.stack(path)


def as_long_as_the_longest(pairs, lengths):
    inside = torch.arange(1, int(lengths.max())) < lengths[:, None]
    counts = (pairs * inside[..., None, None]).sum((0, 1))
    return counts / counts.sum(1, keepdim=True)


def safe_inverse(m, P, x, A, Q, W, R):
    m, P = A @ m, A @ P @ A.T + Q
    S = W @ P @ W.T + R
    gain = P @ W.T @ torch.linalg.inv(S + 1e-10 * torch.eye(len(S), dtype=S.dtype))
    return m + gain @ (x - W @ m), P - gain @ W @ P


def one_maximum_for_all_logits(logits, x):
    logits = logits - logits.max()
    log_p = logits - logits.exp().sum(-1, keepdim=True).log()
    return -(log_p.gather(-1, x[..., None])[..., 0] * (x != 0)).sum(1)


def warming_up(log_lik, kl, beta, free):
    return min(beta, 1.0) * kl.mean().clamp(min=free) - log_lik.mean()


def log_K_in_single_precision(log_w):
    return -(torch.logsumexp(log_w, 0) - torch.tensor(len(log_w)).log()).mean()


def steps_added_up(mu, first, last, n):
    share = torch.arange(0, 1 + 1 / (n - 1), 1 / (n - 1), dtype=mu.dtype)[:, None]
    return (1 - share) * mu[first] + share * mu[last]


MISSED = {
    "iwae.subset_bound": first_hundred_subsets,
    "iwae.bound_gradient": shares_by_the_smallest,
    "iwae.learning_signal": signal_with_a_stand_in,
    "iwae.jackknife": jackknife_with_a_stand_in,
    "iwae.snr_curve": variance_by_a_difference,
    "iwae.dreg_loss": one_maximum_for_all,
    "richer_models.log_prior": safe_variance,
    "richer_models.draw_codes": chosen_in_single_precision,
    "richer_models.information": lambda log_q: (log_q.diagonal() - by_the_smallest(log_q.T)).mean(),
    "richer_models.vamp_log_prob": pixels_of_pseudo_inputs,
    "richer_models.best_q_c": safe_weights,
    "richer_models.beta_loss": clamped_log_variance,
    "richer_models.water_level": nearly_at_the_level,
    "richer_models.log_mass": mass_with_a_floor,
    "richer_models.miwae_bound": lambda log_x, missing, log_z, log_q: by_the_smallest(
        torch.where(missing, 0.0, log_x).sum(-1) + log_z - log_q
    ),
    "richer_models.impute_weighted": filled_with_probabilities,
    "sequences.forward": safe_logarithms,
    "sequences.new_transition": as_long_as_the_longest,
    "sequences.best_path": path_in_a_table,
    "sequences.kalman_step": safe_inverse,
    "sequences.sentence_nll": one_maximum_for_all_logits,
    "sequences.training_loss": warming_up,
    "sequences.honest_nll": log_K_in_single_precision,
    "sequences.along_the_line": steps_added_up,
}


@pytest.mark.parametrize("name", MISSED)
def test_it_is_not_let_through_again(name):
    assert_refused(name, MISSED[name])


def those_above_come_first(eigenvalues, beta, noise):
    k = int((eigenvalues > beta * noise).sum())
    length = torch.zeros_like(eigenvalues)
    length[:k] = (eigenvalues[:k] - beta * noise).sqrt()
    return length, float((eigenvalues[:k] / (beta * noise)).log().sum()) / 2


def up_to_its_end(logits, x):
    lost = []
    for row, log_p in zip(x.tolist(), logits.log_softmax(-1), strict=True):
        n = row.index(END) + 1
        lost.append(-log_p[torch.arange(n), torch.tensor(row[:n])].sum())
    return torch.stack(lost)


def words_alone_are_hidden(x, hide, training):
    read = torch.cat([torch.full_like(x[:, :1], START), x[:, :-1]], 1)
    return torch.where(hide & (read > UNKNOWN), UNKNOWN, read) if training else read


@pytest.mark.parametrize(
    ("stage", "name", "answer"),
    [
        ("richer_models", "water_level", those_above_come_first),
        ("sequences", "sentence_nll", up_to_its_end),
        ("sequences", "decoder_input", words_alone_are_hidden),
        ("sequences", "honest_nll", lambda log_w: math.log(len(log_w)) - float(log_w.logsumexp(0).mean())),
    ],
)
def test_it_is_not_refused_again(stage, name, answer):
    verdict = exercises(stage)[name].judge(answer)
    assert verdict.status == "passed", verdict
