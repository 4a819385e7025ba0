"""Wake-sleep by delta rules beside the same updates by autograd, and beside its matrix products alone.

python -m benchmarks helmholtz
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.timing import Row, paired
from lvmteach.helmholtz import Machine, bars, machine, sleep_step, wake_step
from lvmteach.runtime import seeded

N, D, H, B = 60_000, 784, 200, 100
RATE = 0.1
STEPS = 120  # for the rows that are no epoch
GFLOP = 2e-9 * 6 * (D * H + H * H) * B  # a step: two passes through each net, and two updates


def rows() -> Iterator[Row]:
    """All comparisons, one after the other."""
    with seeded(0):
        x = (torch.rand(N, D) < 0.13).float()
        same_updates(x[:B])
        m = machine((D, H, H))
        usual = Autograd(m, torch.bernoulli)
        yield epoch(m, x, usual)
        for what, peer in (
            ("autograd, torch.distributions", Autograd(m, torch.bernoulli, by_distributions=True)),
            ("autograd with our sampler", Autograd(m, toss)),
        ):
            yield paired(f"{STEPS} wake-sleep steps", run(delta_step(m), x, STEPS), what, run(peer, x, STEPS))
        yield limit(m, x)
        yield side_by_side()


def epoch(m: Machine, x: Tensor, peer: Autograd) -> Row:
    """One pass over 60000 images, and the share of the machine's rate of matrix products that it reaches."""
    row = paired(
        f"wake-sleep epoch, {N} images, {D}-{H}-{H}, batch {B}",
        run(delta_step(m), x, N // B),
        "the same by autograd and SGD",
        run(peer, x, N // B),
        target=1.5,
    )
    a, top = torch.rand(1024, 1024), 2e-9 * 1024**3
    square = paired("", lambda: a @ a, "", lambda: a @ a, repeats=9).ours
    rate, best = GFLOP * N / B / row.ours, top / square
    share = f"{rate:.0f} GF/s, {100 * rate / best:.0f} % of {best:.0f} GF/s (a 1024^3 product)"
    return row._replace(note=f"{share}, {torch.get_num_threads()} threads")


def delta_step(m: Machine) -> Callable[[Tensor], object]:
    """A wake step and a sleep step."""

    def step(x: Tensor) -> None:
        wake_step(m, x, RATE)
        sleep_step(m, len(x), RATE)

    return step


def run(step: Callable[[Tensor], object], x: Tensor, steps: int) -> Callable[[], None]:
    """`steps` minibatches of x."""
    return lambda: [step(x[i * B : (i + 1) * B]) for i in range(steps)] and None


def toss(probability: Tensor) -> Tensor:
    """Coins from float32 random numbers."""
    return torch.rand_like(probability).lt_(probability)


class Autograd(nn.Module):
    """The usual way: linear layers, a loss for each phase, backward, SGD."""

    def __init__(self, m: Machine, toss: Callable[[Tensor], Tensor], *, by_distributions: bool = False):
        super().__init__()
        self.toss, self.by_distributions = toss, by_distributions
        self.prior = nn.Parameter(m.prior.clone())
        self.down = nn.ModuleList(linear(*layer) for layer in m.generative)
        self.up = nn.ModuleList(linear(*layer) for layer in m.recognition)
        self.wake = torch.optim.SGD([self.prior, *self.down.parameters()], lr=RATE)
        self.sleep = torch.optim.SGD(self.up.parameters(), lr=RATE)

    def sample(self, logits: Tensor) -> Tensor:
        return Bernoulli(logits=logits).sample() if self.by_distributions else self.toss(torch.sigmoid(logits))

    def cost(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.by_distributions:
            return -Bernoulli(logits=logits).log_prob(target).sum(-1).mean()
        return binary_cross_entropy_with_logits(logits, target, reduction="sum") / B

    def forward(self, x: Tensor) -> None:
        with torch.no_grad():
            z1 = self.sample(self.up[0](x))
            z2 = self.sample(self.up[1](z1))
        loss = self.cost(self.down[0](z1), x) + self.cost(self.down[1](z2), z1)
        self.descend(self.wake, loss + self.cost(self.prior.expand(B, -1), z2))
        with torch.no_grad():
            z2 = self.sample(self.prior.expand(B, -1))
            z1 = self.sample(self.down[1](z2))
            x = self.sample(self.down[0](z1))
        self.descend(self.sleep, self.cost(self.up[0](x), z1) + self.cost(self.up[1](z1), z2))

    @staticmethod
    def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A linear layer that starts from these parameters."""
    layer = nn.Linear(*weight.shape)
    layer.weight.data, layer.bias.data = weight.T.contiguous(), bias.clone()
    return layer


def same_updates(x: Tensor) -> None:
    """Both make the same step from the same start and the same coins, up to float32 rounding."""
    m = machine((D, H, H))
    peer = Autograd(m, toss)
    with seeded(1):
        delta_step(m)(x)
    with seeded(1):
        peer(x)
    for ours, theirs in zip((*m.generative, *m.recognition), (*peer.down, *peer.up), strict=True):
        torch.testing.assert_close(ours.weight, theirs.weight.T, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(ours.bias, theirs.bias, atol=1e-6, rtol=1e-5)


def limit(m: Machine, x: Tensor) -> Row:
    """The step beside its twelve matrix products: what no way of writing it can beat."""
    z = torch.rand(B, H)
    (w1, _), (w2, _) = m.generative
    (v1, _), (v2, _) = m.recognition

    def products(x: Tensor) -> None:
        for _ in range(2):  # wake, sleep
            x @ v1, z @ v2, z @ w2, z @ w1
        z.T @ x, z.T @ z, x.T @ z, z.T @ z

    what = f"{STEPS} wake-sleep steps"
    return paired(what, run(delta_step(m), x, STEPS), "its matrix products alone", run(products, x, STEPS))


def side_by_side(copies: int = 10, steps: int = 200) -> Row:
    """Ten small machines as one, and in turn."""
    x = bars().sample(50)
    many, one = (machine((16, 8, 1), copies=n, dtype=torch.float64) for n in (copies, None))

    def learn(m: Machine, steps: int) -> Callable[[], None]:
        return lambda: [delta_step(m)(x) for _ in range(steps)] and None

    what = f"{steps} steps of {copies} machines 16-8-1 at once"
    return paired(what, learn(many, steps), "one after the other", learn(one, copies * steps))
