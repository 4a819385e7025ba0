"""Clusters in a latent space: a mixture prior p(c) p(z|c), and q(c|x), the posterior over its components.

With q(z, c|x) = q(z|x) q(c|x), variational deep embedding bounds log p(x) by

    E_q[log p(x|z)] - KL(q(z|x) q(c|x) || p(z, c)).

Summing c out of the model instead, as `bounds.elbo(model.log_weights(x))` does under a `MixturePrior`, is tighter by
E_q(z|x) KL(q(c|x) || p(c|z)).

Source: Jiang, Zheng, Tan, Tang and Zhou 2017.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.arguments import at_least
from lvmteach.covariance import Prior
from lvmteach.em import ConvergenceWarning
from lvmteach.mixtures import Mixture, covariance_matrices, fit_from, log_likelihood, random_start
from lvmteach.vae import VAE, MixturePrior, Terms

IN_USE = 0.05  # variance over data of E_q[z] from which a latent dimension takes part in the clustering


class Choice(NamedTuple):
    """Several mixtures fitted from different starts, best first; scores in nats a datum."""

    mixtures: tuple[Mixture, ...]
    held_out: Float[Tensor, " R"]  # mean log p(z) of draws that the fit did not see: what the order goes by
    active: Bool[Tensor, " L"]  # the latent dimensions they were fitted in

    def prior(self) -> MixturePrior:
        """The best of them as a prior over all L dimensions."""
        return MixturePrior.from_mixture(*self.mixtures[0], active=self.active)


@as_annotated
def log_q_c(model: VAE, x: Float[Tensor, "B D"]) -> Float[Tensor, "B C"]:
    """log q(c|x) of the best q(c|x) for this q(z|x): proportional to exp E_q(z|x) log p(c, z).

    The published choice, E_q(z|x) p(c|z), is close, and never better in the bound.
    """
    return _expected_log_joint(model, x).log_softmax(-1)


@as_annotated
def clusters(model: VAE, x: Float[Tensor, "B D"]) -> Int[Tensor, "B"]:
    """The likeliest component for each x."""
    with torch.no_grad():
        return log_q_c(model, x).argmax(-1)


@as_annotated
def terms(model: VAE, x: Float[Tensor, "B D"], K: int = 1) -> Terms:
    """What `bounds.elbo_analytic` takes, with KL(q(z|x) q(c|x) || p(z, c)) at the best q(c|x), in closed form.

    That KL is -H(q(z|x)) - log sum_c exp E_q(z|x) log p(c, z). The loss is
    `-elbo_analytic(*vade.terms(model, x)).mean()`.
    """
    at_least(1, K=K)
    model.check(x)
    q = model.encoder(x)
    z = q.rsample((K,))
    kl = -q.entropy() - _prior(model).expected_log_joint(q.mean, q.stddev).logsumexp(-1)
    return Terms(model.decoder(z).log_prob(x), kl)


@torch.no_grad()
@as_annotated
def draws_of_q(model: VAE, x: Float[Tensor, "N D"]) -> Float[Tensor, "N L"]:
    """One z ~ q(z|x) a datum: a sample of the aggregate posterior, whose width the means alone would lack."""
    return torch.cat([model.encoder(part).sample() for part in x.split(5000)])


@torch.no_grad()
@as_annotated
def fit_clusters(
    model: VAE,
    x: Float[Tensor, "N D"],
    held_out: Float[Tensor, "M D"],
    C: int,
    *,
    covariance: str = "full",
    prior: Prior | None = None,
    restarts: int = 8,
    start_rows: int = 20_000,
    max_steps: int = 200,
    tol: float = 1e-3,
) -> Choice:
    """Mixtures fitted to draws of q(z) from several starts, ordered by the likelihood of draws for held-out data.

    A start is a mixture of three times as many components, merged down (`merge`). On MNIST about half of such starts
    end near the ten digits; of plain k-means++ starts less than one in ten does. No label is looked at: choosing by
    the accuracy on labelled data would report the best of `restarts` tries as though it were one.

    Args:
        x: data whose codes are clustered.
        held_out: other data, which choose between the starts.
        prior: of the covariances, where data are few; x may hold an image more than once, for a draw each time.
        start_rows: all starts are fitted to the draws for so many first rows of x; if there are more, the two best go
            on with all of them.
        tol: EM stops when a step gains less, in nats a datum.
    """
    at_least(1, C=C, restarts=restarts, start_rows=start_rows)
    means = torch.cat([model.encoder(part).mean for part in x.split(5000)])
    active = means.var(0) > IN_USE
    if not active.any():
        raise ValueError(f"no latent dimension has a variance of E_q[z] over x above {IN_USE}: q has collapsed")
    z, unseen = draws_of_q(model, x)[:, active].double(), draws_of_q(model, held_out)[:, active].double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a start that is still creeping is judged as it stands
        some = z[:start_rows]
        starts = [_start(some, C, covariance, prior) for _ in range(restarts)]
        fits = [fit_from(some, start, prior=prior, max_steps=max_steps, tol=tol).params for start in starts]
        mixtures, scores = _by_likelihood(fits, unseen)
        if len(z) > len(some):
            best = [fit_from(z, fit, prior=prior, max_steps=max_steps, tol=tol / 4).params for fit in mixtures[:2]]
            mixtures, scores = _by_likelihood([*best, *mixtures[2:]], unseen)
    return Choice(tuple(mixtures), scores, active)


@as_annotated
def merge(params: Mixture, C: int) -> Mixture:
    """The mixture with its components joined in pairs until C are left; its mean and covariance stay as they are.

    Joined is the pair for which the KL of the new mixture from the old one has the least upper bound,
    1/2 [(w_i + w_j) log |S_ij| - w_i log |S_i| - w_j log |S_j|], with S_ij the covariance of the two together.

    Source: Runnalls 2007.
    """
    at_least(1, C=C)
    w, m, S = params.weights, params.means, covariance_matrices(params)
    while len(w) > C:
        both = w[:, None] + w
        share = (w[:, None] / both)[..., None, None]
        apart = m[:, None] - m
        spread = apart[..., :, None] * apart[..., None, :]
        together = share * S[:, None] + (1 - share) * S + share * (1 - share) * spread
        log_det = w * torch.linalg.slogdet(S).logabsdet
        cost = both * torch.linalg.slogdet(together).logabsdet - log_det[:, None] - log_det
        i, j = divmod(int(cost.fill_diagonal_(torch.inf).argmin()), len(w))
        rest = torch.tensor([k for k in range(len(w)) if k not in (i, j)], dtype=torch.long)
        mean = (w[i] * m[i] + w[j] * m[j]) / both[i, j]
        w = torch.cat([w[rest], both[i, j][None]])
        m, S = torch.cat([m[rest], mean[None]]), torch.cat([S[rest], together[i, j][None]])
    return Mixture(w, m, S if params.covariances.ndim == 3 else S.diagonal(dim1=1, dim2=2))


def _by_likelihood(fits: list[Mixture], unseen: Tensor) -> tuple[list[Mixture], Tensor]:
    scores = torch.stack([log_likelihood(unseen, fit).mean() for fit in fits])
    order = scores.argsort(descending=True)
    return [fits[i] for i in order.tolist()], scores[order]


def _start(z: Tensor, C: int, covariance: str, prior: Prior | None) -> Mixture:
    start = random_start(z, 3 * C, covariance=covariance, prior=prior)
    return merge(fit_from(z, start, prior=prior, max_steps=60, tol=3e-3).params, C)


@as_annotated
def matched_accuracy(found: Int[Tensor, " N"], labels: Int[Tensor, " N"]) -> float:
    """The share of data whose cluster is the one their class is matched to, by the best one-to-one matching."""
    from scipy.optimize import linear_sum_assignment  # imported here: only those who have labels pay for it

    if found.shape != labels.shape or found.ndim != 1:
        raise ValueError(f"found and labels must both be (N,), got {tuple(found.shape)} and {tuple(labels.shape)}")
    found, labels = found.cpu(), labels.cpu()
    C = int(max(found.max(), labels.max())) + 1
    table = torch.bincount(C * found + labels, minlength=C * C).reshape(C, C).numpy()
    rows, columns = linear_sum_assignment(table, maximize=True)
    return table[rows, columns].sum() / len(labels)


def _expected_log_joint(model: VAE, x: Tensor) -> Tensor:
    model.check(x)
    q = model.encoder(x)
    return _prior(model).expected_log_joint(q.mean, q.stddev)


def _prior(model: VAE) -> MixturePrior:
    if not isinstance(model.prior, MixturePrior):
        raise TypeError(
            f"clusters are the components of a MixturePrior, but this model's prior is {type(model.prior).__name__}; "
            "fit one: model.prior = fit_clusters(model, x, held_out, C).prior()"
        )
    return model.prior
