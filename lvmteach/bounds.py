"""Lower bounds on log p(x), as functions of log weights: log_w = log p(x|z) + log p(z) - log q(z|x), z ~ q(z|x).

The K samples are the first axis. Every function returns nats per datum; average over the batch yourself.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lvmteach.annotated import as_annotated
from lvmteach.integrals import log_mean_exp, normalise


@as_annotated
def elbo(log_w: Float[Tensor, "K *B"]) -> Float[Tensor, "*B"]:
    """One draw of the evidence lower bound, E[log w] <= log p(x), in nats: the mean of K log weights.

    More samples lower its variance and leave its mean: the mean is outside the logarithm.

    Raises:
        ValueError: there are no samples (K = 0).

    Source: Kingma and Welling 2014, section 2.2.
    """
    if log_w.ndim == 0 or len(log_w) == 0:
        log_mean_exp(log_w)  # says what is wrong
    return log_w.mean(0)


@as_annotated
def elbo_analytic(log_lik: Float[Tensor, "K *B"], kl: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """The same bound with KL(q(z|x) || p(z)) in closed form: E[log p(x|z)] - KL, in nats.

    Often of lower variance than `elbo`. It has no place inside `iwae`, where each sample needs its own weight.

    Args:
        log_lik: log p(x|z) at K samples z ~ q(z|x).
        kl: KL(q(z|x) || p(z)), never negative.

    Source: Kingma and Welling 2014, section 2.3 and appendix B.
    """
    return elbo(log_lik) - kl


@as_annotated
def iwae(log_w: Float[Tensor, "K *B"]) -> Float[Tensor, "*B"]:
    """One draw of the importance weighted bound on log p(x), in nats.

    L_K = E[log 1/K sum_k w_k] is at most log p(x), grows with K and tends to it. K = 1 is the ELBO.

    Raises:
        ValueError: there are no samples (K = 0).

    Source: Burda, Grosse and Salakhutdinov 2016, section 3.
    """
    return log_mean_exp(log_w)


@as_annotated
def dreg(log_w: Float[Tensor, "K *B"], z: Float[Tensor, "K *B L"]) -> Float[Tensor, "*B"]:
    """The importance weighted bound with the doubly reparameterised gradient for q's parameters.

    Its value is `iwae(log_w)`. Its gradient for theta is that of `iwae`, sum_k w~_k d log w_k; for q's parameters it is
    sum_k w~_k^2 (d log w_k / d z_k)(d z_k / d gamma), whose signal-to-noise ratio grows as sqrt(K) once K is large,
    where that of `iwae` falls as 1 / sqrt(K). w~ are the normalised weights.

    Args:
        log_w: log weights at z, where log q(z|x) was taken with q's parameters detached, so that gamma is reached
            through z alone (`VAE.draw(x, K, detach_q=True)`).
        z: the reparameterised samples that log_w was computed from. A gradient hook is put on them: draw z for
            this loss alone.

    Raises:
        ValueError: z carries no gradient (drawn by `sample`, not `rsample`), or log_w was not computed from it: a copy
            or a view of z would give a wrong gradient and no sign of it.
        NotImplementedError: inside torch.compile.

    Source: Tucker, Lawson, Gu and Maddison 2018, equation 8.
    """
    if torch.compiler.is_compiling():
        raise NotImplementedError("dreg weights z's gradient in a hook, which torch.compile loses; leave compile=False")
    if log_w.requires_grad and not z.requires_grad:
        raise ValueError("dreg needs z with a gradient; draw it with q.rsample, not q.sample, and outside no_grad")
    w = normalise(log_w.detach())
    if log_w.requires_grad:
        if not _leads_to(log_w, z):
            raise ValueError(
                "log_w must be computed from this very z, not from a copy or a view; pass on what draw gives"
            )
        z.register_hook(lambda grad: w[..., None] * grad)
    surrogate = (w * log_w).sum(0)
    # The value of the bound, the gradient of the surrogate.
    return iwae(log_w.detach()) + surrogate - surrogate.detach()


def _leads_to(y: Tensor, z: Tensor) -> bool:
    """Whether autograd's graph of y passes through the tensor z."""
    todo, seen = [y.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is z.grad_fn or getattr(node, "variable", None) is z:
            return True
        ahead = [parent for parent, _ in node.next_functions if parent is not None and parent not in seen]
        seen.update(ahead)
        todo += ahead
    return False
