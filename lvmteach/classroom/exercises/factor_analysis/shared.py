"""What several exercises of this stage share: cases and wrong answers that more than one of them needs."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing


def _model(draw, N, D, L):
    """x, mu, W, psi: x not from the model, mu far from the mean of x, noise unequal."""
    return 2 + 1.5 * draw(N, D), 1 + draw(D), draw(D, L), 0.4 * draw(D).exp()


@drawing
def _models(draw):
    return [_model(draw, 3, 2, 1), _model(draw, 4, 5, 2), _model(draw, 7, 6, 3), _model(draw, 1, 4, 2)]


def _eye(W):
    return torch.eye(W.shape[1], dtype=W.dtype)


def _posterior(x, mu, W, psi):
    scaled = W / psi[:, None]
    cov = torch.linalg.inv(_eye(W) + W.T @ scaled)
    return (x - mu) @ scaled @ cov, cov


def _posterior_by_conditioning(x, mu, W, psi):
    gain = W.T @ torch.linalg.inv(W @ W.T + torch.diag(psi))  # (z, x) is jointly Gaussian
    return (gain @ (x - mu).T).T, _eye(W) - gain @ W


def _e_step(x, mu, W, psi):
    mean, cov = _posterior(x, mu, W, psi)
    return (x - mu).T @ mean, mean.T @ mean + len(x) * cov
