"""What several exercises of this stage share: cases and wrong answers that more than one of them needs."""

from __future__ import annotations

import torch


def _model(draw, N, D, L):
    """x, mu, W, psi: x not from the model, mu far from the mean of x, noise unequal."""
    return 2 + 1.5 * draw(N, D), 1 + draw(D), draw(D, L), 0.4 * draw(D).exp()


def _eye(W):
    return torch.eye(W.shape[1], dtype=W.dtype)


def _posterior(x, mu, W, psi):
    scaled = W / psi[:, None]
    cov = torch.linalg.inv(_eye(W) + W.T @ scaled)
    return (x - mu) @ scaled @ cov, cov


def _e_step(x, mu, W, psi):
    mean, cov = _posterior(x, mu, W, psi)
    return (x - mu).T @ mean, mean.T @ mean + len(x) * cov
