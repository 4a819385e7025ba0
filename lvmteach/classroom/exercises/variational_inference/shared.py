"""What several exercises of this stage share: cases and wrong answers that more than one of them needs."""

from __future__ import annotations

import math

import torch

from lvmteach.classroom.exercises.cases import drawing


def _gaussian_kl(m_q, s_q, m_p, s_p):
    spread = (s_q / s_p) ** 2
    shift = ((m_q - m_p) / s_p) ** 2
    return ((spread + shift - 1) / 2 - (s_q / s_p).log()).sum(-1)


def _elbo(log_p_xz, q):
    log_q = torch.where(q > 0, q, 1.0).log()
    return torch.where(q > 0, q * (log_p_xz - log_q), 0.0).sum(-1)


@drawing
def _joints_and_q(draw):
    some_zero = torch.softmax(2 * draw(5, 4), 1) * (draw(5, 4) > -0.3)
    some_zero[0], some_zero[1] = torch.eye(4)[2], torch.tensor([0.25, 0, 0.75, 0])
    some_zero[2:] += 1e-3 * torch.eye(4)[1:]  # no row is empty
    some_zero /= some_zero.sum(1, keepdim=True)
    impossible, excluded = draw(3, 5) - 1, torch.softmax(draw(3, 5), 1)
    impossible[1, 2], excluded[1, 2] = -math.inf, 0  # a state of no probability, which q excludes as well
    excluded /= excluded.sum(1, keepdim=True)
    far = draw(6, 3) + torch.linspace(-2000, 900, 6, dtype=torch.float64)[:, None]
    not_excluded = torch.tensor([[-1.2, -math.inf, 0.3]], dtype=torch.float64)
    a_little = torch.tensor([[0.5, 0.3, 0.2], [0.6, 1e-60, 0.4]], dtype=torch.float64)  # belief in the impossible
    hardly = torch.tensor([[0.2, -1.0, -2000.0]], dtype=torch.float64)  # exp underflows, the logarithm does not
    believed = torch.tensor([[0.6, 0.4 - 1e-7, 1e-7], [0.5, 0.5 - 1e-9, 1e-9], [0.5, 0.3, 0.2]], dtype=torch.float64)
    nearly = torch.log_softmax(draw(3, 200), 1)  # both results are nearly zero, sums of many terms
    return [
        (draw(4, 3) - 2, torch.softmax(draw(4, 3), 1)),
        (2 * draw(3, 3) - 5, torch.softmax(draw(3, 3), 1)),
        (draw(7, 2) + 1.5, torch.softmax(3 * draw(7, 2), 1)),
        (draw(5, 4) - 1, some_zero),
        (impossible, excluded),
        (far, torch.softmax(draw(6, 3), 1)),
        (not_excluded.repeat(2, 1), a_little),
        (hardly.repeat(3, 1), believed),
        (nearly, torch.softmax(nearly + 0.001 * draw(3, 200), 1)),
        (impossible - 2000, excluded),
    ]


def _expected_log_joint(log_p_xz, q):
    return torch.where(q > 0, q * log_p_xz, 0.0).sum(1)


def _gap(log_p_xz, q):
    log_posterior = log_p_xz - torch.logsumexp(log_p_xz, -1, keepdim=True)
    against = torch.where(q > 0, q * log_posterior, 0.0)
    return (torch.special.xlogy(q, q) - against).sum(-1)


def _gaussian_elbo(x, W, noise, m, s):
    missed = (x - m @ W.T).square().sum(-1)
    wobble = (s.square() @ W.square().T).sum(-1)
    constant = x.shape[-1] * math.log(2 * math.pi * noise**2)
    data_term = -(constant + (missed + wobble) / noise**2) / 2
    kl = ((s.square() + m.square() - 1) / 2 - s.log()).sum(-1)
    return data_term - kl


def _decoded_variance(s, W):
    return s**2 @ (W**2).T


def _square(noise):
    return noise**2


def _linear_elbo_with(wobble=_decoded_variance, variance=_square, constant=None, kl=1.0, half=0.5, scale=0.5):
    """A misconception: the right formula with one part changed."""

    def wrong(x, W, noise, m, s):
        log_det = (x.shape[1] if constant is None else constant) * math.log(2 * math.pi * variance(noise))
        squares = ((x - m @ W.T) ** 2 + wobble(s, W)).sum(1)
        pull = ((s**2 + m**2 - 1) / 2 - s.log()).sum(1)
        return -scale * log_det - half * squares / variance(noise) - kl * pull

    return wrong
