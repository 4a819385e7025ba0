"""Training."""

from __future__ import annotations

import torch
from torch import nn

from lvmteach.classroom.exercises.cases import Stream, drawing
from lvmteach.classroom.exercises.engine import Exercise
from lvmteach.classroom.exercises.vae.shared import _binary, _elbo


class Model(nn.Module):
    """A small VAE with given parameters; `model(x, eps)` is the bound of each image, (B,)."""

    def __init__(self, W, V):
        super().__init__()
        self.W, self.V = nn.Parameter(W), nn.Parameter(V)

    def forward(self, x, eps):
        mu, s = (x @ self.W).chunk(2, -1)
        return _elbo(x, mu, s, eps, lambda z: z @ self.V)


def plain(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def with_momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.8)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.1)


@drawing
def _runs(draw):
    cases = []
    for make_optimiser, sizes, L, D in (
        (with_momentum, (3, 5, 2), 2, 4),
        (adam, (2, 4, 3, 6), 1, 5),
        (plain, (4, 2, 5, 3, 1), 3, 6),
    ):
        batches = Stream(*((_binary(draw(B, D)), draw(2, B, L)) for B in sizes))
        cases.append((Model(0.4 * draw(D, 2 * L), 0.7 * draw(L, D)), make_optimiser, batches))
    batches = Stream(*((_binary(draw(B, 80)), draw(1, B, 2)) for B in (3, 2, 4)))
    return [*cases, (Model(0.2 * draw(80, 4), 9 * draw(2, 80)), adam, batches)]  # hundreds of nats, and steep slopes


def _train_steps(model, make_optimiser, batches):
    optimiser = make_optimiser(model.parameters())
    bounds = []
    for x, eps in batches:
        bound = model(x, eps).mean()
        optimiser.zero_grad()
        (-bound).backward()
        optimiser.step()
        bounds.append(bound.detach())
    return torch.stack(bounds)


def _steps_with(loss=lambda bounds: -bounds.mean(), after="zero backward step", told=lambda bounds: bounds.mean()):
    """A misconception: the loop with another loss, other calls or another order of them, or another report."""

    def wrong(model, make_optimiser, batches):
        optimiser, report = make_optimiser(model.parameters()), []
        for x, eps in batches:
            if "anew" in after:
                optimiser = make_optimiser(model.parameters())
            bounds = model(x, eps)
            calls = {"zero": optimiser.zero_grad, "backward": loss(bounds).backward, "step": optimiser.step}
            for word in after.split():
                calls.get(word, lambda: None)()
            report.append(told(model(x, eps) if "look" in after else bounds).detach())
        return torch.stack(report)

    return wrong


def _one_step_at_the_end(model, make_optimiser, batches):
    optimiser, report = make_optimiser(model.parameters()), []
    for x, eps in batches:
        report.append(model(x, eps).mean())
        (-report[-1]).backward()
    optimiser.step()
    return torch.stack(report).detach()


def _steps_by_autograd(model, make_optimiser, batches):
    parameters = list(model.parameters())
    optimiser, report = make_optimiser(parameters), []
    for x, eps in batches:
        bound = model(x, eps).sum() / len(x)
        for parameter, grad in zip(parameters, torch.autograd.grad(bound, parameters), strict=True):
            parameter.grad = -grad
        optimiser.step()
        report.append(bound.item())
    return torch.tensor(report, dtype=torch.float64)


def _steps_by_closure(model, make_optimiser, batches):
    optimiser = make_optimiser(model.parameters())

    def loss_of(x, eps):
        optimiser.zero_grad()
        loss = -torch.mean(model(x, eps))
        loss.backward()
        return loss

    return torch.stack([-optimiser.step(lambda x=x, eps=eps: loss_of(x, eps)).detach() for x, eps in batches])


def _maximising(model, make_optimiser, batches):
    optimiser, report = make_optimiser(model.parameters()), []
    for group in optimiser.param_groups:
        group["maximize"] = True
    for x, eps in batches:
        bounds = model(x, eps)
        model.zero_grad()
        bounds.mean().backward()
        optimiser.step()
        report.append(bounds.mean().detach())
    return torch.stack(report)


train_steps = Exercise(
    ask="Train the model, one update a batch, and return the mean bound of each batch before its update.",
    reference=_train_steps,
    cases=_runs,
    misconceptions={
        "You minimised the bound: it falls. An optimiser minimises what you call backward on: give it the loss, minus "
        "the bound.": _steps_with(loss=lambda bounds: bounds.mean()),
        "The training is right, but these are the losses. Return the bounds: the opposite sign.": (
            _steps_with(told=lambda bounds: -bounds.mean())
        ),
        "Gradients pile up: backward adds to what is there. Clear them before it, in each step.": (
            _steps_with(after="backward step")
        ),
        "Two things: these are losses, the bounds have the opposite sign; and gradients pile up, because backward "
        "adds to what is there.": _steps_with(after="backward step", told=lambda bounds: -bounds.mean()),
        "The parameters never move during the loop: no optimiser.step() after backward, or gradients cleared between "
        "the two.": _steps_with(after="zero backward"),
        "You make one step, after all batches: the parameters do not move during the loop. One step for each batch.": (
            _one_step_at_the_end
        ),
        "Each step goes along the gradient of the batch before: step comes after backward.": (
            _steps_with(after="step zero backward")
        ),
        "Your loss is a sum over the images: the step grows with the batch. Average.": (
            _steps_with(loss=lambda bounds: -bounds.sum())
        ),
        "The training is right, but the bounds you return are summed over the images. Average them.": (
            _steps_with(told=lambda bounds: bounds.sum())
        ),
        "Loss and report are sums over the images. Average both: batches differ in size.": (
            _steps_with(loss=lambda bounds: -bounds.sum(), told=lambda bounds: bounds.sum())
        ),
        "You make a new optimiser for each batch, so it forgets its momentum. Make one, before the loop.": (
            _steps_with(after="zero backward step anew")
        ),
        "You measured the bound after the update. Return the one that the update was made from.": (
            _steps_with(after="zero backward step look")
        ),
        "You return the last bound only. One for each batch, in order.": lambda *given: _train_steps(*given)[-1],
        "You averaged over the batches. Return one bound for each, in order.": lambda *given: _train_steps(
            *given
        ).mean(),
        "Each batch is used for two updates. One each.": _steps_with(after="zero backward step step"),
        "The training is right, but you return what the loss sums up, image by image, in one long row. One mean for "
        "each batch.": lambda model, make_optimiser, batches: torch.cat(_each_image(model, make_optimiser, batches)),
    },
    also_right=[_steps_by_autograd, _steps_by_closure, _maximising],
)


def _each_image(model, make_optimiser, batches):
    optimiser, report = make_optimiser(model.parameters()), []
    for x, eps in batches:
        bounds = model(x, eps)
        optimiser.zero_grad()
        (-bounds.mean()).backward()
        optimiser.step()
        report.append(bounds.detach())
    return report
