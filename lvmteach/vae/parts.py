"""The parts of a VAE that hold nets: encoders and decoders (observation models), each returning a distribution."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import (
    Bernoulli,
    Distribution,
    Independent,
    Normal,
    StudentT,
)

from lvmteach.annotated import as_annotated


class GaussianEncoder(nn.Module):
    """q(z|x) = N(mu(x), diag sigma(x)^2), by a network with tanh units.

    Args:
        D, L: dimensions of x and of z.
        hidden: sizes of the hidden layers; () makes mu(x) affine.
        scale: turns the network's unbounded output s into sigma > 0. `torch.exp` makes s a log scale (log sigma,
            not log sigma^2); `torch.nn.functional.softplus` grows linearly instead.
    """

    def __init__(
        self,
        D: int,
        L: int = 50,
        hidden: Sequence[int] = (200, 200),
        scale: Callable[[Tensor], Tensor] = torch.exp,
    ):
        super().__init__()
        self.net, self.scale = mlp(D, *hidden, 2 * L), scale

    @as_annotated
    def forward(self, x: Float[Tensor, "*B D"]) -> Independent:
        mu, s = self.net(x).chunk(2, -1)
        return gaussian(mu, self.scale(s))


class BernoulliDecoder(nn.Module):
    """p(x|z) = prod_d Bernoulli(x_d; sigmoid(l_d(z))), logits l by a network with tanh units.

    For x in {0, 1}. Grey x in [0, 1] are let through, as is usual, but then log_prob is a cross-entropy and no
    log density: its exponential does not integrate to one.

    Args:
        L, D: dimensions of z and of x.
        hidden: sizes of the hidden layers; () makes the logits affine.
        mean: the mean of the data, (D,), to start from: the output's biases start at its logits instead of 0. Training
            then begins with what tells one x from another.
    """

    def __init__(self, L: int, D: int, hidden: Sequence[int] = (200, 200), mean: Tensor | None = None):
        super().__init__()
        # Not further out than the logits of 0.005 and 0.995: a pixel that is always 0 has its logit at infinity.
        self.D, self.net = D, mlp(L, *hidden, D, start=None if mean is None else mean.logit(0.005))

    @as_annotated
    def forward(self, z: Float[Tensor, "*B L"]) -> Independent:
        return _Bernoullis(self.net(z))

    @as_annotated
    def check(self, x: Tensor) -> None:
        low, high = x.aminmax()
        if low < 0 or high > 1:
            raise ValueError(f"a Bernoulli x must lie in [0, 1], got {low:.4g} to {high:.4g}; scale the pixels (/ 255)")


class GaussianDecoder(nn.Module):
    """p(x|z) = N(mu(z), diag sigma^2), sigma learnt and the same for all z.

    Args:
        L, D: dimensions of z and of x.
        hidden: sizes of the hidden layers; () makes mu(z) affine, and the model probabilistic PCA.
        scales: 1 for one sigma (PPCA's noise), D for one a dimension (factor analysis).
        mean: the mean of the data, (D,), to start mu(z) from.
    """

    def __init__(self, L: int, D: int, hidden: Sequence[int] = (200, 200), scales: int = 1, mean: Tensor | None = None):
        super().__init__()
        self.D, self.net = D, mlp(L, *hidden, D, start=mean)
        self.log_scale = nn.Parameter(torch.zeros(scales))

    @as_annotated
    def forward(self, z: Float[Tensor, "*B L"]) -> Independent:
        mu = self.net(z)
        return gaussian(mu, self.log_scale.exp().expand_as(mu))


class StudentTDecoder(nn.Module):
    """p(x|z) = prod_d StudentT(x_d; df, mu_d(z), sigma_d): heavy tails, so that an outlier does not move mu.

    Args:
        L, D, hidden, scales, mean: as for `GaussianDecoder`.
        df: degrees of freedom, fixed; infinity would be the Gaussian.
    """

    def __init__(
        self,
        L: int,
        D: int,
        hidden: Sequence[int] = (200, 200),
        scales: int = 1,
        df: float = 4.0,
        mean: Tensor | None = None,
    ):
        super().__init__()
        if not df > 0:
            raise ValueError(f"df must be positive, got {df}; 4 is heavy-tailed with a finite variance")
        self.D, self.net = D, mlp(L, *hidden, D, start=mean)
        self.log_scale = nn.Parameter(torch.zeros(scales))
        self.register_buffer("df", torch.tensor(float(df)))

    @as_annotated
    def forward(self, z: Float[Tensor, "*B L"]) -> Independent:
        return _independent(StudentT(self.df, self.net(z), self.log_scale.exp(), validate_args=False))


@as_annotated
def mlp(*sizes: int, start: Tensor | None = None) -> nn.Sequential:
    """Affine layers of these sizes with tanh between them; Glorot's initial weights; biases 0, the last `start`."""
    layers = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layer = nn.Linear(fan_in, fan_out)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    if start is not None:
        layer.bias.data.copy_(start)
    return nn.Sequential(*layers[:-1])


@as_annotated
def gaussian(mu: Float[Tensor, "*B L"], sigma: Float[Tensor, "*B L"]) -> Independent:
    """N(mu, diag sigma^2) with one event dimension."""
    return _independent(Normal(mu, sigma, validate_args=False))


def _independent(one: Distribution) -> Independent:
    # Arguments are checked once, on x, and not again on every one of K x B x D values: that costs a tenth of a step.
    return Independent(one, 1, validate_args=False)


class _Bernoullis(Independent):
    """Independent Bernoulli pixels by their logits; log_prob in fewer passes over memory than torch's own."""

    def __init__(self, logits: Tensor):
        super().__init__(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)

    def log_prob(self, x: Tensor) -> Tensor:
        # log sigmoid(l)^x sigmoid(-l)^(1-x) = x l - log(1 + e^l)
        logits = self.base_dist.logits
        alike = x.dtype == logits.dtype and torch.broadcast_shapes(x.shape, logits.shape) == logits.shape
        if logits.requires_grad and alike:
            return _LogBernoulli.apply(logits, x)
        return (x * logits).sum(-1) - F.softplus(logits).sum(-1)

    def expand(self, batch_shape, _instance=None):
        return _Bernoullis(self.base_dist.logits.expand(*batch_shape, *self.event_shape))


class _LogBernoulli(torch.autograd.Function):
    """sum_d x_d l_d - log(1 + e^l_d) for logits (*B, D), with its gradient x - sigmoid(l) written out.

    Autograd would go over the logits, K x B x D of them, and ask for that much memory, twice as often: a tenth of
    a step at K = 50.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        terms = F.softplus(logits)
        log_p = terms.sum(-1).neg_()
        return log_p.add_(torch.mul(logits, x, out=terms).sum(-1))

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        logits, x = ctx.saved_tensors
        to_logits = to_x = None
        if ctx.needs_input_grad[0]:
            p = torch.sigmoid(logits)
            # In place, unless this is to be differentiated again: fresh memory costs more than the sums.
            to_logits = torch.sub(x, p, out=None if torch.is_grad_enabled() else p).mul_(grad[..., None])
        if ctx.needs_input_grad[1]:
            to_x = (logits * grad[..., None]).sum_to_size(x.shape)
        return to_logits, to_x
