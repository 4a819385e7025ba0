"""The bound tightens."""

from __future__ import annotations

import torch

from lvmteach.classroom.exercises.cases import drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.variational_inference.shared import _gaussian_elbo, _linear_elbo_with


def _climb(x, W, noise, m, log_s, rate, steps):
    gain = W.square().sum(0) / noise**2
    trace = [_gaussian_elbo(x, W, noise, m, log_s.exp())]
    for _ in range(steps):
        m = m + rate * ((x - m @ W.T) @ W / noise**2 - m)
        log_s = log_s + rate * (1 - (1 + gain) * log_s.exp() ** 2)
        trace.append(_gaussian_elbo(x, W, noise, m, log_s.exp()))
    return torch.stack(trace)


@drawing
def _climbs(draw):
    cases = []
    for (B, D, L), noise, rate, steps in (
        ((2, 3, 1), 0.8, 0.05, 1),
        ((3, 4, 2), 1.1, 0.03, 5),
        ((4, 2, 3), 0.9, 0.02, 12),
        ((1, 3, 2), 1.3, 0.1, 0),
        ((3, 4, 2), 0.7, 0.9, 3),  # too fast: the bound falls
    ):
        cases.append((2 * draw(B, D), draw(D, L), noise, draw(B, L), draw(B, L) / 2 - 0.4, rate, steps))
    cases[2][4][0] += 3  # a wide q, which leaps
    cases[-1][4][0] -= 15  # a narrow one
    x, W, noise, *_ = cases[0]
    precision = 1 + W.square().sum(0) / noise**2
    at_the_top = x @ W / noise**2 / precision, -precision.log().expand(2, 1) / 2
    return [*cases, (x, W, noise, *at_the_top, 0.1, 4)]  # nothing moves any more, and all steps are taken


def _climb_with(share=lambda x: 1.0, m_rate=1.0, s_rate=1.0, objective=None, in_s=False, zero=True):
    """A misconception: gradient ascent by autograd with one part changed."""

    def wrong(x, W, noise, m, log_s, rate, steps):
        trace, kept = [_gaussian_elbo(x, W, noise, m, log_s.exp())], None
        for _ in range(steps):
            m, log_s = m.detach().requires_grad_(), log_s.detach().requires_grad_()
            bound = (objective or _gaussian_elbo)(x, W, noise, m, log_s.exp())
            slopes = list(torch.autograd.grad(bound.sum() * share(x), (m, log_s)))
            if in_s:
                slopes[1] = slopes[1] / log_s.exp()
            kept = slopes if zero or kept is None else [a + b for a, b in zip(kept, slopes, strict=True)]
            m, log_s = m + m_rate * rate * kept[0], log_s + s_rate * rate * kept[1]
            trace.append(_gaussian_elbo(x, W, noise, m, log_s.exp()))
        return torch.stack(trace).detach()

    return wrong


def _climb_by_optimiser(x, W, noise, m, log_s, rate, steps, optimiser=torch.optim.SGD):
    gamma = [m.clone().requires_grad_(), log_s.clone().requires_grad_()]
    ascent, trace = optimiser(gamma, lr=rate), []
    for step in range(steps + 1):
        bound = _gaussian_elbo(x, W, noise, gamma[0], gamma[1].exp())
        trace.append(bound.detach())
        if step < steps:
            ascent.zero_grad()
            (-bound.sum()).backward()
            ascent.step()
    return torch.stack(trace)


def _climb_in_s(x, W, noise, m, log_s, rate, steps):
    s, gain = log_s.exp(), W.square().sum(0) / noise**2
    trace = [_gaussian_elbo(x, W, noise, m, s)]
    for _ in range(steps):
        m, s = m + rate * ((x - m @ W.T) @ W / noise**2 - m), s + rate * (1 / s - (1 + gain) * s)
        trace.append(_gaussian_elbo(x, W, noise, m, s))
    return torch.stack(trace)


def _climb_by_loop(x, W, noise, m, log_s, rate, steps):
    columns = []
    for one, centre, width in zip(x, m, log_s, strict=True):
        columns.append(_climb_with()(one[None], W, noise, centre[None], width[None], rate, steps)[:, 0])
    return torch.stack(columns, 1)


climb = Exercise(
    ask="Return the ELBO of each datum before and after each step of gradient ascent on q's parameters.",
    reference=_climb,
    cases=_climbs,
    misconceptions={
        "Your bound goes down: you stepped against the gradient. Ascent adds it; an optimiser that minimises needs "
        "minus the ELBO.": _climb_with(m_rate=-1.0, s_rate=-1.0),
        "Your steps are B times too short: you differentiated the mean over the batch. Each datum climbs its own "
        "bound, so differentiate the sum.": _climb_with(share=lambda x: 1 / len(x)),
        "You added the slope for s to log s. By the chain rule the slope for log s is s times that for s.": (
            _climb_with(in_s=True)
        ),
        "You climbed in s. The steps are taken in log s, where a scale can never become negative.": _climb_in_s,
        "Gradients add up from step to step: forget the old one before each backward.": _climb_with(zero=False),
        "That is Adam, which divides each gradient by its size. Here take plain steps: rate times gradient.": (
            lambda *given: _climb_by_optimiser(*given, optimiser=torch.optim.Adam)
        ),
        "Only the mean climbs. The scale has a gradient, too.": _climb_with(s_rate=0.0),
        "Only the scale climbs. The mean has a gradient, too.": _climb_with(m_rate=0.0),
        "You climbed the expected log-likelihood. The KL to the prior has a gradient, too.": (
            _climb_with(objective=_linear_elbo_with(kl=0.0))
        ),
        "Your gradient lacks the entropy, and nothing keeps the scale from shrinking.": (
            _climb_with(objective=lambda x, W, noise, m, s: _gaussian_elbo(x, W, noise, m, s) - s.log().sum(-1))
        ),
        "The start is missing: the first row is the bound before any step.": lambda *given: _climb(*given)[1:],
        "The end is missing: the last row is the bound after the last step.": lambda *given: _climb(*given)[:-1],
        "That is the last bound alone. Return all of them, a row for each, the start included.": (
            lambda *given: _climb(*given)[-1]
        ),
        "You added up the data in the trace. Keep a column for each.": lambda *given: _climb(*given).sum(1),
        "You averaged the data in the trace. Keep a column for each.": lambda *given: _climb(*given).mean(1),
        "Steps are rows and data columns: yours are the other way round.": lambda *given: _climb(*given).T,
    },
    also_right=[_climb_by_optimiser, _climb_by_loop, _climb_with()],
)
