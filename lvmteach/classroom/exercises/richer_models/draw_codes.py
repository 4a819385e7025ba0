"""Codes to decode: draws from the prior that the model has."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.richer_models.shared import _mixture


def _draw_codes(u, eps, log_pi, mu, s):
    c = (u[:, None] > log_pi.exp().cumsum(0)[:-1]).sum(1)
    return mu[c] + s[c].exp() * eps


@drawing
def _noise(draw):
    shapes = [(3, 2, 2), (5, 4, 1), (8, 3, 3), (20, 5, 2)]
    cases = [(torch.special.ndtr(draw(N)), draw(N, L), *_mixture(draw, C, L)) for N, C, L in shapes]
    u, eps, log_pi, mu, s = cases[0]
    cases[0] = u, eps, log_pi.flip(0), mu, s  # the smaller share first
    half = torch.full((2,), 0.5, dtype=torch.float64).log()
    u = torch.tensor([0.3, 0.5, 0.5 + 1e-9, 0.9], dtype=torch.float64)  # at the end of the first share, and behind it
    return [*cases, (u, draw(4, 2), half, mu, s)]


def _by_searching(u, eps, log_pi, mu, s):
    c = torch.searchsorted(log_pi.exp().cumsum(0), u).clamp(max=len(mu) - 1)
    return torch.addcmul(mu[c], s[c].exp(), eps)


def _by_loop(u, eps, log_pi, mu, s):
    z = torch.empty_like(eps)
    for i in range(len(u)):
        c, up_to = 0, float(log_pi[0].exp())
        while u[i] > up_to and c < len(mu) - 1:
            c += 1
            up_to += float(log_pi[c].exp())
        z[i] = mu[c] + torch.exp(s[c]) * eps[i]
    return z


def _with_component(pick):
    def wrong(u, eps, log_pi, mu, s):
        c = pick(u, log_pi, mu)
        return mu[c] + s[c].exp() * eps

    return wrong


draw_codes = Exercise(
    ask="Turn uniforms u and normal noise eps into N draws of a mixture prior: component first, then its Gaussian.",
    reference=_draw_codes,
    cases=_noise,
    misconceptions={
        "These are draws from N(0, I). The decoder was taught on codes from the mixture: draw from the prior that the "
        "model has.": lambda u, eps, log_pi, mu, s: eps.clone(),
        "Every component got the same share. Datum i has component c where u first lies below pi_1 + ... + pi_c.": (
            _with_component(lambda u, log_pi, mu: (u * len(mu)).long().clamp(max=len(mu) - 1))
        ),
        "Every draw is from the likeliest component: the others have their share too.": (
            _with_component(lambda u, log_pi, mu: log_pi.argmax().expand(len(u)))
        ),
        "log_pi are logarithms: take exp before you add them up.": (
            _with_component(lambda u, log_pi, mu: (u[:, None] > log_pi.cumsum(0)[:-1]).sum(1))
        ),
        "You compared u with single weights, not with their running sum.": (
            _with_component(lambda u, log_pi, mu: (u[:, None] > log_pi.exp()[:-1]).sum(1))
        ),
        "The components are counted from the wrong end: u below pi_1 is component 1.": (
            _with_component(lambda u, log_pi, mu: (u[:, None] < log_pi.exp().cumsum(0)[:-1]).sum(1))
        ),
        "You mixed the components' means and scales. A draw comes from one component, chosen whole.": (
            lambda u, eps, log_pi, mu, s: log_pi.exp() @ mu + (log_pi.exp() @ s.exp()) * eps
        ),
        "s is a log scale: multiply the noise by exp(s).": lambda u, eps, log_pi, mu, s: (
            _draw_codes(u, eps, log_pi, mu, torch.zeros_like(s))
            - eps
            + eps * s[(u[:, None] > log_pi.exp().cumsum(0)[:-1]).sum(1)]
        ),
        "You read s as a log variance. The scale is exp(s), not exp(s / 2).": (
            lambda u, eps, log_pi, mu, s: _draw_codes(u, eps, log_pi, mu, s / 2)
        ),
        "The noise is missing: these are the components' means.": (
            lambda u, eps, log_pi, mu, s: _draw_codes(u, 0 * eps, log_pi, mu, s)
        ),
    },
    also_right=[_by_searching, _by_loop],
)
