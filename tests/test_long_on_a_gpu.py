"""How long runs are made on a GPU, as far as a CPU can tell: a gradient in two parts, and steps asked for in groups."""

import pytest
import torch
from torch import nn

from benchmarks import gpu, graphs, recipes
from benchmarks.two_parts import gradient_of
from lvmteach.runtime import seeded


def images(N=200):
    with seeded(5):
        return torch.rand(N, 784).round()


@pytest.mark.parametrize("K", [1, 7])
@pytest.mark.parametrize("name", ["iwae_1", "two_1"])
def test_the_gradient_in_two_parts_is_that_of_the_library(name, K):
    with seeded(1):
        model = recipes.RECIPES[name].build().double()
    x = images(4).double()
    with seeded(2):
        expected = -recipes.Bound(model, K, doubly=True)(x).mean()
    expected.backward()
    gradients = [p.grad for p in model.parameters()]
    model.zero_grad()
    torch.set_default_dtype(torch.float64)  # the noise is drawn in it
    with seeded(2):
        loss = gradient_of(model, K, compile=False)(x)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close([p.grad for p in model.parameters()], gradients, rtol=1e-9, atol=1e-12)


class Line(nn.Module):
    """A parameter whose gradient is minus the mean of a batch."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(784))


def run(rates, N=200, batch=10):
    line, x = Line(), images(N)

    def gradient(x):
        loss = -(x.mean(0) * line.w).sum()
        loss.backward()
        return x.sum()  # what was seen, in the place of a loss

    def descent(parameters, lr, capturable):
        return torch.optim.SGD(parameters, lr=lr)

    one = graphs.Recorded(line, gradient, descent, x, batch, most=80, seed=1)
    one.begin(rates)
    return line, x, one


def test_an_epoch_visits_every_image_once():
    line, x, one = run([0.5] * 20)
    graphs.finish([one], progress=False)
    torch.testing.assert_close(line.w.detach(), 0.5 * 20 * x.mean(0))
    assert one.losses[:20].sum() == x.sum()
    assert one.done


def test_each_step_has_its_own_rate_and_each_epoch_its_own_order():
    line, x, one = run([0.0] * 20 + [0.5] * 20)
    graphs.finish([one], progress=False)
    torch.testing.assert_close(line.w.detach(), 0.5 * 20 * x.mean(0))
    assert not torch.equal(one.losses[:20], one.losses[20:40])


def test_measuring_the_speed_changes_no_parameter_and_a_run_begins_at_its_first_step():
    line, x, one = run([0.5] * 20)
    assert min(graphs.speeds([one], 0.01)) > 0
    assert not line.w.any()
    one.begin([0.5] * 20)
    graphs.finish([one], progress=False)
    torch.testing.assert_close(line.w.detach(), 0.5 * 20 * x.mean(0))


def test_steps_come_in_whole_groups():
    with pytest.raises(ValueError, match="an epoch must be a multiple of 20 steps, got 19; change the batch size"):
        run([0.5] * 20, N=190)
    with pytest.raises(ValueError, match="a run must be a multiple of 20 steps, got 30; take whole epochs"):
        run([0.5] * 30)


def test_runs_beside_each_other_are_those_made_alone():
    """Each has its own random numbers, and starts where it is told to."""
    made = {
        "warm": recipes.WarmUp(K=1, L=3, epochs=2, high=1e-3, seed=1, batch=10),
        "bound": recipes.Recipe(K=2, L=3, epochs=1, high=1e-3, seed=2, batch=10, start="warm"),
    }
    with seeded(9):
        start = made["bound"].build()
    together = graphs.side_by_side(made, images(), {"bound": start})
    alone = graphs.side_by_side({"bound": made["bound"]}, images(), {"bound": start})["bound"]
    for p, q in zip(together["bound"].model.parameters(), alone.model.parameters(), strict=True):
        assert torch.equal(p, q)
    assert together["bound"].bound == alone.bound
    assert -600 < together["warm"].bound < alone.bound + 100 < 0


def test_the_time_that_is_given_sets_the_epochs():
    recipe = recipes.Recipe(K=1, L=3, epochs=500, high=1e-3, seed=2, batch=10)
    runs = {"a": graphs.recorded(recipe.build(), recipe, images())}
    assert graphs._shortened("a", recipe, speed=100.0, seconds=100.0, runs=runs).epochs == 460  # 0.92 of 500
    assert graphs._shortened("a", recipe, speed=1.0, seconds=1.0, runs=runs).epochs == 10
    assert graphs._shortened("a", recipe, speed=1e6, seconds=100.0, runs=runs).epochs == 500


def test_each_seed_of_the_table_has_a_warm_up_of_its_own(monkeypatch):
    made = {
        "warm": recipes.WarmUp(K=1, L=3, epochs=1, high=1e-3, seed=1, batch=10),
        "bound": recipes.Recipe(K=2, L=3, epochs=1, high=0.0, low=0.0, seed=2, batch=10, start="warm"),
    }
    monkeypatch.setattr(gpu, "RECIPES", made)
    found = gpu.trained(gpu.chosen(["bound"], both=True), images(), seconds=0.0)
    assert list(found) == ["bound", "bound again"]
    for name, recipe in (("bound", made["warm"]), ("bound again", gpu.again(made["warm"]))):
        before = graphs.side_by_side({"warm": recipe}, images())["warm"].model
        for p, q in zip(found[name].model.parameters(), before.parameters(), strict=True):
            assert torch.equal(p, q)  # at a rate of zero


def test_two_models_are_compared_image_by_image_and_seed_by_seed():
    a = torch.tensor([1.0, 2.0, 3.0])
    only, both = {"a": a, "b": a + 0.5}, {"a": a, "b": a + 0.5, "a again": a, "b again": a - 1}
    assert list(gpu.comparisons(only)) == ["b above a: 0.500 +- 0.000"]
    assert list(gpu.comparisons(both)) == ["b above a: 0.500 +- 0.000, and from the other seed -1.000 +- 0.000"]
