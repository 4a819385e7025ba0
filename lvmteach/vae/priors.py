"""Priors p(z), each a module that returns a distribution: the standard normal, a mixture, and the VampPrior.

Whatever the prior, the bound asks for log p(z) alone, and drawing from the model begins with a draw from *it*.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, constraints

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.vae.parts import gaussian

COVARIANCES = ("diagonal", "full")


class StandardNormal(nn.Module):
    """p(z) = N(0, I) in L dimensions."""

    def __init__(self, L: int):
        super().__init__()
        self.register_buffer("zero", torch.zeros(L))  # buffers, so that .to(device) takes them along

    def forward(self) -> Independent:
        return gaussian(self.zero, torch.ones_like(self.zero))


class MixturePrior(nn.Module):
    """p(z) = sum_c pi_c N(mu_c, Sigma_c), all of it learnt; C components in L dimensions.

    A covariance is held by a root of its inverse, Sigma_c^-1 = R_c' R_c with R_c lower triangular, so that a density
    costs a product and not a solve. Diagonal, R_c = diag(1 / sigma_c).

    Args:
        covariance: "diagonal" or "full".
    """

    def __init__(self, C: int, L: int, covariance: str = "diagonal"):
        super().__init__()
        at_least(1, C=C, L=L)
        if covariance not in COVARIANCES:
            raise ValueError(f"covariance must be one of {', '.join(COVARIANCES)}, got {covariance!r}")
        self.logits = nn.Parameter(torch.zeros(C))
        self.mean = nn.Parameter(torch.randn(C, L))  # at different places, or they would stay equal for ever
        self.log_scale = nn.Parameter(torch.zeros(C, L))  # minus the log of R's diagonal
        self.lower = nn.Parameter(torch.zeros(C, L, L)) if covariance == "full" else None  # R below its diagonal

    @classmethod
    def from_mixture(
        cls,
        weights: Float[Tensor, " C"],
        means: Float[Tensor, "C A"],
        covariances: Tensor,
        active: Bool[Tensor, " L"] | None = None,
    ) -> MixturePrior:
        """The prior that a mixture fitted to draws of q(z) describes: `MixturePrior.from_mixture(*fit.params)`.

        Args:
            covariances: (C, A, A) full or (C, A) variances, diagonal.
            active: which of L latent dimensions the mixture was fitted in; N(0, 1) in the others, in each component.
        """
        active = torch.ones(means.shape[1], dtype=torch.bool, device=means.device) if active is None else active
        if int(active.sum()) != means.shape[1]:
            raise ValueError(
                f"active must mark as many dimensions as means has columns, {means.shape[1]}, got {active}"
            )
        prior = cls(len(weights), len(active), "full" if covariances.ndim == 3 else "diagonal").to(means.device)
        with torch.no_grad():
            prior.logits.copy_(weights.log())
            prior.mean.zero_()[:, active] = means.float()
            if prior.lower is None:
                prior.log_scale[:, active] = covariances.log().float() / 2
            else:
                eye = torch.eye(means.shape[1], dtype=covariances.dtype, device=covariances.device)
                root = torch.linalg.solve_triangular(torch.linalg.cholesky(covariances), eye, upper=False)
                prior.log_scale[:, active] = -root.diagonal(dim1=1, dim2=2).log().float()
                at = active.nonzero().flatten()
                prior.lower[:, at[:, None], at] = root.tril(-1).float()
        return prior

    def forward(self) -> MixtureSameFamily:
        weights = Categorical(logits=self.logits, validate_args=False)
        return MixtureSameFamily(weights, self.components(), validate_args=False)

    def components(self) -> Distribution:
        """p(z|c), batch C, event L."""
        if self.lower is None:
            return gaussian(self.mean, self.log_scale.exp())
        return GaussianByPrecision(self.mean, self.root())

    def root(self) -> Float[Tensor, "C L L"]:
        """R with Sigma_c^-1 = R_c' R_c."""
        diagonal = torch.diag_embed((-self.log_scale).exp())
        return diagonal if self.lower is None else self.lower.tril(-1) + diagonal

    @as_annotated
    def log_joint(self, z: Float[Tensor, "*B L"]) -> Float[Tensor, "*B C"]:
        """log p(c, z) = log pi_c + log p(z|c), in nats; its log-sum-exp over c is log p(z).

        The sum over dimensions is inside: a mixture of products is no product of mixtures.
        """
        return self.logits.log_softmax(0) + self.components().log_prob(z[..., None, :])

    @as_annotated
    def expected_log_joint(self, mu: Float[Tensor, "*B L"], sigma: Float[Tensor, "*B L"]) -> Float[Tensor, "*B C"]:
        """E[log p(c, z)] for z ~ N(mu, diag sigma^2), in nats: log p(c, mu) - tr(Sigma_c^-1 diag sigma^2) / 2."""
        precision = self.root().square().sum(1) if self.lower is not None else (-2 * self.log_scale).exp()
        return self.log_joint(mu) - sigma.square() @ precision.T / 2


class VampPrior(nn.Module):
    """p(z) = sum_k w_k q(z|u_k): the encoder's own answers to learnt pseudo-inputs u_k, (C, D).

    The prior of greatest ELBO is q(z) = 1/N sum_n q(z|x_n), one component a datum; C pseudo-inputs stand for the N.

    Args:
        encoder: the model's own; the prior moves with it, and does not hold a second copy of its weights.
        inputs: where the u_k start, e.g. C training images.
        within: keeps the u_k within data's range: for pixels in [0, 1] `torch.sigmoid` of what is learnt, with
            `inputs` pulled to [0.02, 0.98]. None for data without bounds.

    Source: Tomczak and Welling 2018.
    """

    def __init__(self, encoder: nn.Module, inputs: Float[Tensor, "C D"], within=torch.sigmoid):
        super().__init__()
        self._encoder = (encoder,)  # in a tuple, so that its parameters are counted and saved once, with the model
        self.within = within or (lambda u: u)
        self.logits = nn.Parameter(torch.zeros(len(inputs), device=inputs.device))
        self.free = nn.Parameter(inputs.clone() if within is None else inputs.clamp(0.02, 0.98).logit())

    @property
    def inputs(self) -> Float[Tensor, "C D"]:
        """The pseudo-inputs u, in data's units."""
        return self.within(self.free)

    def forward(self) -> MixtureSameFamily:
        weights = Categorical(logits=self.logits, validate_args=False)
        return MixtureSameFamily(weights, self._encoder[0](self.inputs), validate_args=False)


class GaussianByPrecision(Distribution):
    """N(loc, (R' R)^-1) for lower triangular R with a positive diagonal; batch *C, event L."""

    arg_constraints = {}  # noqa: RUF012
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Float[Tensor, "*C L"], root: Float[Tensor, "*C L L"]):
        self.loc, self.root = loc, root
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        eye = torch.eye(self.loc.shape[-1]).to(self.root)
        return torch.linalg.solve_triangular(self.root, eye, upper=False).square().sum(-1)

    def rsample(self, sample_shape=()) -> Tensor:
        eps = torch.randn(self._extended_shape(torch.Size(sample_shape)), device=self.loc.device).to(self.loc)
        return self.loc + torch.linalg.solve_triangular(self.root, eps[..., None], upper=False)[..., 0]

    @as_annotated
    def log_prob(self, z: Tensor) -> Tensor:
        # R z - R mu, each by one product: R (z - mu) would first make a copy of z for every component.
        scaled = torch.einsum("...ij,...j->...i", self.root, z) - torch.einsum("...ij,...j->...i", self.root, self.loc)
        log_det = self.root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return log_det - (scaled.square().sum(-1) + z.shape[-1] * math.log(2 * math.pi)) / 2
