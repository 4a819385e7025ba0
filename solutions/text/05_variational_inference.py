# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 Exercises: Variational inference
#
# After these exercises you will be able to
#
# - compute the KL divergence of two Gaussians, and say which of its directions costs more;
# - prove $\mathrm{ELBO} \le \log p(x)$, name the gap, and say when it is zero;
# - write the ELBO of a Gaussian $q$ by hand, and watch it tighten as $q$ improves;
# - update a factorised $q$ coordinate by coordinate;
# - write the M step of variational EM for the noise variance, and count in it what $q$ is unsure of;
# - prove that mean field's update is the best factor.
#
# **Time** 145 minutes; the cells run in about 10 seconds on a laptop. **Prerequisites** notebook 05; Gaussian
# expectations, derivatives of a logarithm of a sum.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $m, s$ | `m`, `s` | $B \times L$ | mean and standard deviation of $q(z \mid x)$, exercises 05.6 and 05.7 |
# | $\log p(x, z)$ | `log_p_xz` | $N \times C$ | log joint, one datum per row, one state of $z$ per column, nats |
# | $q(z)$ | `q` | $N \times C$ | a distribution in each row |
# | $W, \sigma$ | `W`, `noise` | $D \times L$, number | linear decoder, standard deviation of its noise |
# | $\mu, \Sigma$ | `mu`, `cov` | $D$, $D \times D$ | mean and covariance of a target Gaussian |
# | $m_{nl}$ | `m` | $N \times L$ | probability under $q$ that switch $l$ is on, exercise 05.10 |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Logarithms are natural; tensors are float64.
#
# **What is allowed** Whatever gives the right numbers: all of PyTorch, even where it has a function that is the whole answer,
# numpy and scipy, autograd, loops, and in-place operations on tensors that you have made. Where an exercise says "by hand",
# that is for your sake: the check looks at results, not at how you got them. Return tensors of the arguments' dtype, unless
# truth values or integers are asked for; a single number may be a float, and several results a tuple or a list. Leave the
# arguments as they are, their values and whether they require a gradient, unless the exercise asks for a change. The
# gradient of a result matters only where an exercise asks for it; elsewhere call `.detach()` on what autograd has made, so
# that the cells below can plot it. Any axis of an argument may have length one, unless a smallest size is given; weights
# and probabilities are positive and logarithms finite, unless zero or $-\infty$ is mentioned.

# %%
import math

import numpy as np
import torch
from scipy import integrate, stats

from lvmteach import binary_factors
from lvmteach.classroom.exercises import variational_inference as check
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## Exercise 05.1: the KL of two Gaussians
#
# *10 minutes, difficulty 1 of 3, from notebook 05 "KL divergence"*
#
# $q$ and $p$ are Gaussians in $D$ dimensions, both with independent coordinates. Derive
# $\mathrm{KL}(q \Vert p) = \mathbb E_q[\log q - \log p]$, and return it for a batch of $q$ and one $p$.
#
# - `m_q`, `s_q` $(B, D)$: mean and standard deviation of each $q$; `m_p`, `s_p` $(D)$: those of $p$. Both means may lie far from zero,
#   $10^5$ standard deviations away, in any units.
# - Result: $(B)$, in nats.
#
# <details><summary>Hint 1</summary>
#
# Start with $D = 1$. Both log densities are quadratic; of $z$ you need $\mathbb E_q[(z - m_q)^2]$ and
# $\mathbb E_q[(z - m_p)^2]$ only.
# </details>
# <details><summary>Hint 2</summary>
#
# $\mathbb E_q[(z - m_p)^2] = s_q^2 + (m_q - m_p)^2$. And what does the KL of a product of densities consist of?
# </details>


# %%
def gaussian_kl(m_q, s_q, m_p, s_p):
    """KL(q || p) of Gaussians with independent coordinates, (B,), nats; m_q, s_q (B, D), m_p, s_p (D,)."""
    ### BEGIN SOLUTION
    # E_q[log q] = -log s_q - 1/2 and E_q[log p] = -log s_p - E_q[(z - m_p)^2] / (2 s_p^2); the 2 pi cancel.
    from_p = s_q**2 + (m_q - m_p) ** 2
    one_coordinate = torch.log(s_p) - torch.log(s_q) + from_p / (2 * s_p**2) - 0.5
    # Independent coordinates: the logarithms add, and so do the KLs.
    return one_coordinate.sum(dim=-1)
    ### END SOLUTION


# %%
gaussian_kl = check.gaussian_kl(gaussian_kl)

# %% [markdown]
# ## Exercise 05.2: which costs most?
#
# *5 minutes, difficulty 1 of 3, from notebook 05 "KL divergence"*
#
# Predict, then run. $p = \mathcal N(0, 1)$. Which $q$ has the largest $\mathrm{KL}(q \Vert p)$?
#
# - **a** $\mathcal N(0, 0.1^2)$, ten times too narrow
# - **b** $\mathcal N(0, 10^2)$, ten times too wide
# - **c** $\mathcal N(3, 1)$, three standard deviations away
# - **d** **a** and **b** alike: both scales are wrong by the factor ten
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Draw from $q$. How surprised is somebody who expects $p$, that is, how large is $-\log p$?
# </details>
# <details><summary>Hint 2</summary>
#
# Look at the terms of your formula: which one of them grows like a square?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# Too wide costs (s^2 - 1)/2 - log s = 47.2 nats; too narrow log 10 - 0.495 = 1.81; the shift 9/2.
answer = "b"
### END SOLUTION

# %%
check.widest_loses(answer)

# %%
s = torch.logspace(-1.2, 1.2, 97)[:, None]
zero, one = torch.zeros(1), torch.ones(1)
forward = torch.cat([gaussian_kl(zero[None], one[None], zero, wide) for wide in s])  # KL(p || q)
reverse = gaussian_kl(0 * s, s, zero, one)
fig, ax = plots.figure()
ax.loglog(s, reverse, color=plots.RED, label="KL(q || p)")
ax.loglog(s, forward, "--", color=plots.BLUE, label="KL(p || q)")
ax.set(xlabel="standard deviation s of q", ylabel="nats", ylim=(1e-3, 2e2), title="p = N(0, 1), q = N(0, s²)")
ax.legend(loc="lower right")
plots.show(fig, alt="Both KLs are zero at s = 1. For wide q the reverse KL is larger, for narrow q the forward one.")

# %% [markdown]
# The oracle integrates $q \log (q / p)$ by quadrature.


# %%
def surprise(z, s):
    return stats.norm.pdf(z, 0, s) * (stats.norm.logpdf(z, 0, s) - stats.norm.logpdf(z))


for width, ours in ((s[i].item(), reverse[i].item()) for i in (8, 48, 88)):
    truth, _ = integrate.quad(surprise, -10 * width, 10 * width, args=(width,))
    print(f"s = {width:7.4f}: KL(q || p) = {ours:7.4f} nats, by quadrature {truth:7.4f}")
    assert abs(ours - truth) < 1e-6  # the tolerance of quad is 1.5e-8

# %% [markdown]
# ## Exercise 05.3: the bound
#
# *10 minutes, difficulty 2 of 3, from notebook 05 "log p(x) = ELBO + KL"*
#
# Now $z$ is one of $C$ states, so every expectation is a sum. Return
# $\mathrm{ELBO} = \mathbb E_q[\log p(x, z) - \log q(z)]$ for each datum.
#
# - `log_p_xz` $(N, C)$: the log joint, nats, from $-2000$ to $900$, and $-\infty$ for an impossible state; in each
#   row at least one state is possible.
# - `q` $(N, C)$: a distribution in each row. It may be zero somewhere; such a state contributes nothing, even if it is
#   impossible.
# - Result: $(N)$, nats; $-\infty$ where $q$ believes in an impossible state.
#
# <details><summary>Hint 1</summary>
#
# An expectation under $q$ is a sum weighted by $q$. What is the limit of $a \log a$ for $a \to 0$, and what does
# floating point make of it?
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.where(condition, a, b)` chooses entry by entry. Choose *after* the product as well: zero times infinity is NaN.
# </details>


# %%
def elbo(log_p_xz, q):
    """E_q[log p(x, z) - log q(z)] for each datum, (N,), nats; log_p_xz and q are (N, C)."""
    ### BEGIN SOLUTION
    # Where q is zero both logarithms may be infinite; the product is zero all the same.
    log_weight = log_p_xz - torch.log(q)
    terms = torch.where(q > 0, q * log_weight, 0.0)
    return terms.sum(dim=1)
    ### END SOLUTION


# %%
elbo = check.elbo(elbo)

# %% [markdown]
# One $x$, three states. **Before you run the cell:** which of these four $q$ will have the highest bound, which the
# lowest?

# %%
prior, likelihood = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.02, 0.1, 0.3])
log_joint = (prior * likelihood).log()[None]
choices = {"prior": prior, "uniform": torch.ones(3) / 3, "best state": torch.tensor([0.0, 0, 1])}
choices["posterior"] = prior * likelihood / (prior @ likelihood)
bounds = {name: elbo(log_joint, q[None]).item() for name, q in choices.items()}
for name, bound in bounds.items():
    print(f"q = {name:>10}: ELBO {bound:7.4f} nats, log p(x) {math.log(prior @ likelihood):7.4f}")
assert abs(bounds["best state"] - math.log(0.2 * 0.3)) < 1e-12  # a spike has no entropy
assert abs(bounds["prior"] - sum(a * math.log(b) for a, b in zip(prior, likelihood, strict=True))) < 1e-12

# %% [markdown]
# ## Exercise 05.4: its gap
#
# *15 minutes, difficulty 2 of 3, from notebook 05 "log p(x) = ELBO + KL"*
#
# On paper: show that $\log p(x) - \mathrm{ELBO} = \mathrm{KL}(q \Vert p(z \mid x))$. Then show, by $\log a \le a - 1$, that
# this is never negative. So the ELBO is a bound. In code: return the right-hand side.
#
# - `log_p_xz`, `q` $(N, C)$ as before.
# - Result: $(N)$, nats, never negative but for rounding; $\infty$ where $q$ believes in an impossible state.
#
# <details><summary>Hint 1</summary>
#
# Write $\log p(x, z) = \log p(z \mid x) + \log p(x)$ into the ELBO. Which of the two depends on $z$?
# </details>
# <details><summary>Hint 2</summary>
#
# For the inequality: $-\mathrm{KL} = \mathbb E_q[\log a]$ with $a = p(z \mid x) / q(z)$. For the code: the posterior is the
# joint, normalised along a row, and one function of PyTorch does that for logarithms.
# </details>


# %%
def gap(log_p_xz, q):
    """KL(q || p(z|x)) for each datum, (N,), nats; log_p_xz and q are (N, C)."""
    ### BEGIN SOLUTION
    # ELBO = E_q[log p(z|x) + log p(x) - log q] = log p(x) - KL: log p(x) does not depend on z and leaves the average.
    # -KL = E_q[log a] <= E_q[a - 1] = (sum of p(z|x) where q > 0) - 1 <= 0.
    log_posterior = torch.log_softmax(log_p_xz, dim=1)
    return torch.where(q > 0, q * (torch.log(q) - log_posterior), 0.0).sum(dim=1)
    ### END SOLUTION


# %%
gap = check.gap(gap)

# %% [markdown]
# A numeric check of your proof: a thousand random $q$ and joints. One of them could refute it.

# %%
with seeded(41):
    many_joints, many_q = 3 * torch.randn(1000, 4) - 2, torch.softmax(2 * torch.randn(1000, 4), 1)
log_p_x = np.log(np.exp(many_joints.numpy()).sum(1))  # oracle: add up the joint
error = (elbo(many_joints, many_q) + gap(many_joints, many_q) - torch.tensor(log_p_x)).abs().max()
print(f"largest |ELBO + KL - log p(x)|: {error:.0e}, smallest gap {gap(many_joints, many_q).min():.4f} nats")
assert error < 1e-12  # rounding
assert gap(many_joints, many_q).min() > 0

# %% [markdown]
# Now let $q$ improve. Move it from the prior towards the posterior, and on beyond: $q_t \propto p(z)\, p(x \mid z)^t$.
# **Before you look:** at which $t$ does the bound touch, and what happens after?

# %%
t = torch.linspace(-0.5, 3, 141)
q_t = torch.softmax(prior.log() + t[:, None] * likelihood.log(), 1)
bound, missing = elbo(log_joint.expand(141, 3), q_t), gap(log_joint.expand(141, 3), q_t)
fig, ax = plots.figure()
ax.axhline(math.log(0.1), ls="--", color=plots.BLACK, label="log p(x)")
ax.fill_between(t, bound, bound + missing, color=plots.RED, alpha=0.3, label="gap, KL(q || p(z|x))")
ax.plot(t, bound, color=plots.GREEN, label="ELBO")
ax.set(xlabel="t (0: prior, 1: posterior)", ylabel="nats", ylim=(-3.7, -2.1))
ax.legend(loc="lower right")
plots.show(fig, alt="The ELBO climbs to log p(x), touches it at t = 1, and falls again; the gap fills the rest.")
assert abs(t[bound.argmax()] - 1) < 1e-12
assert (bound[t <= 1].diff() > 0).all()
assert (bound[t >= 1].diff() < 0).all()

# %% [markdown]
# ## Exercise 05.5: when is it equal?
#
# *5 minutes, difficulty 1 of 3, from notebook 05 "log p(x) = ELBO + KL"*
#
# For which $q$ is the ELBO *equal* to $\log p(x)$, whatever the model?
#
# - **a** $q(z) = p(z)$, the prior
# - **b** $q(z) = p(z \mid x)$, the posterior, and no other
# - **c** all of $q$'s mass on the most probable $z$
# - **d** for none: Jensen's inequality is strict
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# For which $a$ does $\log a = a - 1$ hold?
# </details>
# <details><summary>Hint 2</summary>
#
# Then follow your proof backwards: $a$ must have this value wherever $q > 0$. What of the states that $q$ leaves out?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# log a = a - 1 for a = 1 alone, so q = p(z|x) wherever q > 0; and q leaves nothing out, or the sum of a q is below 1.
answer = "b"
### END SOLUTION

# %%
check.when_tight(answer)

# %% [markdown]
# ## Exercise 05.6: the bound of a linear decoder
#
# *20 minutes, difficulty 3 of 3, from notebook 05 "One bound, three readings"*
#
# Now $z$ is continuous: $z \sim \mathcal N(0, I_L)$, $x \mid z \sim \mathcal N(W z, \sigma^2 I_D)$, and
# $q(z \mid x) = \mathcal N(m, \mathrm{diag}(s^2))$. Derive the ELBO in closed form. With another decoder this becomes the
# variational autoencoder; here no sampling is needed.
#
# - `x` $(B, D)$; `W` $(D, L)$; `noise` $\sigma$, a number, the standard deviation; `m`, `s` $(B, L)$.
# - Result: $(B)$, nats, with all constants.
#
# <details><summary>Hint 1</summary>
#
# Take the first reading: $\mathbb E_q[\log p(x \mid z)] - \mathrm{KL}(q \Vert p(z))$. The KL you have already.
# </details>
# <details><summary>Hint 2</summary>
#
# $\mathbb E_q \lVert x - W z \rVert^2 = \lVert x - W m \rVert^2 + \sum_d \mathrm{Var}_q[(W z)_d]$. Coordinates of $z$ are
# independent under $q$: what is the variance of $\sum_l W_{dl} z_l$?
# </details>


# %%
def gaussian_elbo(x, W, noise, m, s):
    """ELBO of q = N(m, diag(s^2)) for x = W z + noise, (B,), nats; x (B, D), W (D, L), m and s (B, L)."""
    ### BEGIN SOLUTION
    # The variance of a sum of independent terms: sum over l of W_dl^2 s_l^2, for each d.
    variance = s**2 @ (W**2).T
    squares = (x - m @ W.T) ** 2 + variance
    log_lik = -squares / (2 * noise**2) - math.log(noise) - 0.5 * math.log(2 * math.pi)
    L = W.shape[1]
    pull = gaussian_kl(m, s, torch.zeros(L, dtype=W.dtype), torch.ones(L, dtype=W.dtype))
    # Given z the coordinates of x are independent: sum over d. The KL is summed already.
    return log_lik.sum(dim=1) - pull
    ### END SOLUTION


# %%
gaussian_elbo = check.gaussian_elbo(gaussian_elbo)

# %% [markdown]
# The posterior is Gaussian with precision $A = I + W^\top W / \sigma^2$. If the columns of $W$ are orthogonal, $A$ is
# diagonal, and our $q$ can be the posterior. **What must the ELBO be then?**

# %%
NOISE = 0.6
W_orthogonal = torch.tensor([[1.0, 0.6], [1.0, -0.6], [0.5, 0.0], [-0.5, 0.0]])
with seeded(42):
    x = torch.randn(5, 2) @ W_orthogonal.T + NOISE * torch.randn(5, 4)
A = torch.eye(2) + W_orthogonal.T @ W_orthogonal / NOISE**2
m, s = x @ W_orthogonal / NOISE**2 / A.diagonal(), A.diagonal().rsqrt().expand(5, 2)
ours = gaussian_elbo(x, W_orthogonal, NOISE, m, s)
covariance = W_orthogonal @ W_orthogonal.T + NOISE**2 * torch.eye(4)
log_p_x = stats.multivariate_normal(np.zeros(4), covariance.numpy()).logpdf(x.numpy())  # oracle: x is Gaussian as well
for name, values in (("ELBO", ours.tolist()), ("log p(x)", log_p_x)):
    print(f"{name:>8}", *(f"{value:9.4f}" for value in values))
assert np.allclose(ours, log_p_x, rtol=1e-12)  # rounding

# %% [markdown]
# ## Exercise 05.7: tighten it
#
# *15 minutes, difficulty 2 of 3, from notebook 05 "Further: the same by gradient"*
#
# The best $q$ is rarely known in closed form. Then climb. From given $m$ and $\log s$, take `steps` steps of plain gradient ascent. Each datum
# climbs its own ELBO, that of exercise 05.6, in $m$ and in $\log s$ at once,
# $\gamma \leftarrow \gamma + \texttt{rate} \cdot \nabla_\gamma \mathrm{ELBO}$. Return the bounds on the way.
#
# - `x` $(B, D)$, `W`, `noise` as before; `m`, `log_s` $(B, L)$; `rate`, a number; `steps`, an integer, perhaps zero. A `rate` may be too
#   large: then the bound falls, and the result shows it.
# - Result: $(\texttt{steps} + 1, B)$, nats: the first row at the start, the last after the last step. By hand or by
#   autograd, as you like; leave the arguments as they are.
#
# <details><summary>Hint 1</summary>
#
# Each datum has parameters of its own. Which should you differentiate, so that each datum gets the gradient of its own bound: the sum of the
# bounds over the batch, or their mean?
# </details>
# <details><summary>Hint 2</summary>
#
# By autograd: `torch.autograd.grad(number, (m, log_s))` with tensors that came through `.detach().requires_grad_()`, anew
# in each step. By hand: the derivative for $\log s$ is $s$ times that for $s$.
# </details>


# %%
def climb(x, W, noise, m, log_s, rate, steps):
    """ELBO before and after each step of gradient ascent, (steps + 1, B); x (B, D), m and log_s (B, L)."""
    ### BEGIN SOLUTION
    bounds = []
    for step in range(steps + 1):
        m, log_s = m.detach().requires_grad_(), log_s.detach().requires_grad_()
        bound = gaussian_elbo(x, W, noise, m, log_s.exp())
        bounds.append(bound.detach())
        if step < steps:
            # A datum's parameters occur in its own bound only, so the sum's gradient is each one's own.
            for_m, for_log_s = torch.autograd.grad(bound.sum(), (m, log_s))
            m, log_s = m + rate * for_m, log_s + rate * for_log_s
    return torch.stack(bounds)
    ### END SOLUTION


# %%
climb = check.climb(climb)

# %% [markdown]
# Climb twice: with the orthogonal $W$, and with one whose columns point almost the same way. **Will both bounds reach
# $\log p(x)$?** The gap that remains is known in closed form:
# $\frac12 \big( \sum_l \log A_{ll} - \log\det A \big)$.

# %%
W_similar = torch.tensor([[1.0, 0.9], [1.0, 0.7], [0.5, 0.6], [-0.5, -0.2]])
fig, ax = plots.figure()
ax.axhline(0, ls=":", color=plots.BLACK, label="log p(x)")
for W, name, style in ((W_orthogonal, "orthogonal columns", "-"), (W_similar, "similar columns", "--")):
    trace = climb(x, W, NOISE, torch.zeros(5, 2), torch.zeros(5, 2), 0.05, 400).detach()
    A = torch.eye(2) + W.T @ W / NOISE**2
    log_p_x = torch.tensor(stats.multivariate_normal(np.zeros(4), W @ W.T + NOISE**2 * torch.eye(4)).logpdf(x))
    stays = (A.diagonal().log().sum() - torch.logdet(A)) / 2
    print(f"{name}: gap at the end {(log_p_x - trace[-1]).mean():.6f}, in closed form {stays:.6f} nats")
    assert torch.allclose(log_p_x - trace[-1], stays.expand(5), atol=1e-6)  # what 400 steps leave
    assert (trace.diff(dim=0) > -1e-10).all()  # no step falls, but for rounding
    ax.plot((trace[:41] - log_p_x).mean(1), style, label=f"ELBO, {name}")
ax.set(xlabel="gradient step", ylabel="ELBO - log p(x), nats", ylim=(-4, 0.3), title="mean of five data")
ax.legend(loc="lower right")
plots.show(fig, alt="Two bounds climb. One reaches log p(x); the other levels off below it.")

# %% [markdown]
# ## Exercise 05.8: mean field, one sweep
#
# *20 minutes, difficulty 2 of 3, from notebook 05 "Mean field: each factor in turn"*
#
# The target is a correlated Gaussian, $p(z) = \mathcal N(\mu, \Sigma)$ with precision $A = \Sigma^{-1}$, and
# $q(z) = \prod_d q_d(z_d)$. With all other factors fixed, the best one is
# $\log q_d^*(z_d) = \mathbb E_{q_{-d}}[\log p(z)] + \text{const}$. Derive it: it is a Gaussian. Then write one sweep of
# coordinate ascent, from the first coordinate to the last.
#
# - `mean` $(D)$: the means of the factors before the sweep; `mu` $(D)$, `cov` $(D, D)$: the target.
# - Result: the pair `(means, variances)` of the factors after the sweep, each $(D)$.
#
# <details><summary>Hint 1</summary>
#
# Write $\log p(z)$ as a quadratic, and keep only the terms with $z_d$: one with $z_d^2$, and some with $z_d z_e$. In the
# expectation $z_e$ becomes its mean.
# </details>
# <details><summary>Hint 2</summary>
#
# Complete the square. The factor in front of $z_d^2$ gives the variance. Each mean that you update is used by the
# coordinates after it: loop over `d`, on a copy of `mean`.
# </details>


# %%
def cavi_sweep(mean, mu, cov):
    """(means, variances) of a factorised Gaussian after one sweep, each (D,); mean, mu (D,), cov (D, D)."""
    ### BEGIN SOLUTION
    # log p = -1/2 sum_de A_de (z_d - mu_d)(z_e - mu_e). What contains z_d, averaged over the others:
    # -1/2 A_dd (z_d - mu_d)^2 - (z_d - mu_d) sum over e != d of A_de (m_e - mu_e).
    A = torch.linalg.inv(cov)
    moved = mean.clone()
    for d in range(len(mean)):
        away = moved - mu
        away[d] = 0.0  # the others only
        moved[d] = mu[d] - A[d] @ away / A[d, d]
    return moved, 1 / torch.diagonal(A)
    ### END SOLUTION


# %%
cavi_sweep = check.cavi_sweep(cavi_sweep)

# %% [markdown]
# The means walk to the centre at right angles, and $q$ is too narrow in either coordinate.

# %%
mu, deviations = torch.tensor([0.5, 1.0]), torch.tensor([1.5, 0.9])
cov = torch.outer(deviations, deviations) * torch.tensor([[1, 0.9], [0.9, 1]])
path, mean = [torch.tensor([-3.0, 2.5])], torch.tensor([-3.0, 2.5])
for _ in range(20):
    after, var = cavi_sweep(mean, mu, cov)
    path += [torch.stack([after[0], mean[1]]), after]  # the first coordinate moves, then the second
    mean = after
fig, ax = plots.figure(size=(7, 4.6))
plots.ellipse(ax, mu, cov, color=plots.BLUE, label="p, correlation 0.9")
plots.ellipse(ax, mean, var.diag(), color=plots.RED, ls="--", label="q after 20 sweeps")
ax.plot(*torch.stack(path).T, "o-", color=plots.ORANGE, ms=4, lw=1.5, label="mean of q")
ax.set(xlabel="z₁", ylabel="z₂", xlim=(-4, 6), ylim=(-2, 4), aspect="equal", title="two deviations")
ax.legend(loc="lower right", fontsize=11)
plots.show(
    fig, alt="A slanted ellipse, a smaller upright one about its centre, and a staircase of means into the centre."
)
assert torch.allclose(var, deviations**2 * (1 - 0.9**2), rtol=1e-12)  # what is left of one given the other
assert torch.allclose(mean - mu, 0.9**38 * (path[2] - mu), atol=1e-12)  # after the first, each leaves rho^2

# %% [markdown]
# ## Exercise 05.9: closer together
#
# *5 minutes, difficulty 2 of 3, from notebook 05 "Mean field: each factor in turn"*
#
# Predict, then run. Two coordinates of variance 1; their correlation rises from 0.9 to 0.99. What becomes of the variances
# of $q$, and of the number of sweeps until the means are right to a millionth?
#
# - **a** The variance stays, and so does the number of sweeps.
# - **b** The variance falls to about a tenth, the number of sweeps stays.
# - **c** The variance falls to about a tenth, it takes about ten times as many sweeps.
# - **d** The variance grows: $q$ has to reach the ends of a longer ellipse.
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Invert the covariance by hand.
# </details>
# <details><summary>Hint 2</summary>
#
# How far from $\mu_1$ is the new mean of $z_1$, if that of $z_2$ is off by one? And then the new mean of $z_2$?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# A_dd = 1 / (1 - rho^2): the variance falls from 0.19 to 0.0199. Each update multiplies the error by rho.
answer = "c"
### END SOLUTION

# %%
check.closer_together(answer)

# %%
for rho in (0.9, 0.99):
    mean, sweeps, cov = torch.tensor([-1.0, 1.0]), 0, torch.tensor([[1, rho], [rho, 1]])
    while mean.abs().max() > 1e-6:
        mean, var = cavi_sweep(mean, torch.zeros(2), cov)
        sweeps += 1
    print(f"rho = {rho}: variance {var[0]:.4f} instead of 1, {sweeps} sweeps")
    updates = math.log(1e-6) / math.log(rho)  # each leaves rho of the error; the larger one has had 2 n - 1
    assert sweeps == math.ceil((updates + 1) / 2)

# %% [markdown]
# ## Exercise 05.10: the noise that is left
#
# *15 minutes, difficulty 2 of 3, from notebook 05 "Variational EM: learning through an inexact q"*
#
# Binary factors, $x \mid z \sim \mathcal N(W z + b, \sigma^2 I)$ with switches $z \in \{0, 1\}^L$, and
# $q(z_n) = \prod_l \mathrm{Bernoulli}(m_{nl})$. The M step of variational EM for the noise: which $\sigma^2$ maximises the ELBO of
# all data together, if $W$, $b$ and $q$ are held fixed? One $\sigma^2$ for all data and all columns. Derive it, and return it.
#
# - `x` $(N, D)$; `W` $(D, L)$; `b` $(D)$; `m` $(N, L)$, probabilities, 0 and 1 among them. `x` and `b` may lie far from zero, a million
#   times as far as `x` spreads.
# - Result: one number, the variance $\sigma^2$, not $\sigma$.
#
# <details><summary>Hint 1</summary>
#
# Only $-\frac{ND}{2} \log \sigma^2 - \frac{1}{2 \sigma^2} \sum_n \mathbb E_q \lVert x_n - b - W z_n \rVert^2$ contains $\sigma^2$.
# </details>
# <details><summary>Hint 2</summary>
#
# $\mathbb E_q$ of a square is the square of the mean plus a variance. What is the variance of a switch?
# </details>


# %%
def noise_step(x, W, b, m):
    """The variance that maximises the ELBO; x (N, D), W (D, L), b (D,), m (N, L)."""
    ### BEGIN SOLUTION
    # What the mean of q leaves unexplained.
    missed = ((x - b - m @ W.T) ** 2).sum()
    # Each switch's own variance m (1 - m), carried to x by its column; independent under q, so they add.
    unsure = (m * (1 - m) * (W**2).sum(dim=0)).sum()
    return (missed + unsure) / (x.shape[0] * x.shape[1])
    ### END SOLUTION


# %%
noise_step = check.noise_step(noise_step)

# %% [markdown]
# How much of $\sigma^2$ comes from the doubt, the variance of the switches under $q$? **Before you look:** will an M step without it be too
# large or too small?

# %%
bars = torch.cat([torch.eye(3).repeat_interleave(3, 1), torch.eye(3).repeat(1, 3)])
truth = binary_factors.BinaryFactors(torch.full((6,), -1.0), bars.T.contiguous(), torch.zeros(9), torch.tensor(0.3))
with seeded(44):
    images, _ = binary_factors.sample(truth, 1000)
m = binary_factors.mean_field(images, truth, sweeps=50).m
with_doubt = noise_step(images, truth.W, truth.b, m)
without = (images - m @ truth.W.T).square().mean()
print(f"truth 0.3; M step {with_doubt:.4f}, without the doubt {without:.4f}")
# Oracle: the ELBO as the library writes it, over a grid of variances.
grid = torch.linspace(0.2, 0.4, 2001)
bounds = torch.stack([binary_factors.elbo(images, truth._replace(variance=v), m) for v in grid])
assert abs(grid[bounds.argmax()] - with_doubt) < 1e-4  # the grid's spacing
assert without < with_doubt

# %% [markdown]
# ## Exercise 05.11: which gap?
#
# *5 minutes, difficulty 1 of 3, from notebook 05 "Amortised inference: one net instead of N fits"*
#
# The inference network of the notebook gets ten times as many units, and is trained until nothing moves. Which gap can
# shrink?
#
# - **a** the approximation gap alone
# - **b** the amortisation gap alone
# - **c** both
# - **d** neither: $\log p(x)$ would have to change
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# What does the network return for a given $x$, however large it is?
# </details>
# <details><summary>Hint 2</summary>
#
# Look at the definition of the approximation gap. Does the network occur in it?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# It returns a Gaussian. At best that is the best Gaussian for this x; the rest is the family's fault.
answer = "b"
### END SOLUTION

# %%
check.which_gap(answer)

# %% [markdown]
# ## Exercise 05.12: prove the best factor
#
# *20 minutes, difficulty 2 of 3, from notebook 05 "Mean field: each factor in turn"*
#
# The notebook states the update of mean field; exercise 05.8 used it. Prove it. With all factors but $q_d$ held fixed, show that the ELBO is
# $\text{const} - \mathrm{KL}(q_d \Vert q_d^*)$ with $\log q_d^*(z_d) = \mathbb E_{q_{-d}}[\log p(x, z)] + \text{const}$. Which condition do you need? Conclude that no sweep lowers
# the ELBO, and that one sweep is enough if the posterior factorises. Your lecturer reads it; there is no check.

# %% [markdown] tags=["proof"]
# Under $q = \prod_e q_e$ the entropy is a sum, and the expectation can be taken over $z_{-d}$ first. With $g_d(z_d) = \mathbb E_{q_{-d}}[\log p(x, z)]$
#
# $$\mathrm{ELBO} = \mathbb E_{q_d}[g_d(z_d)] - \mathbb E_{q_d}[\log q_d(z_d)] + \sum_{e \ne d} \mathbb H[q_e].$$
#
# The last sum does not depend on $q_d$. *Condition:* $Z_d = \int e^{g_d(z_d)}\, dz_d$ is finite and not zero. Then $q_d^* = e^{g_d} / Z_d$ is a density, and
# the first two terms are $\log Z_d - \mathrm{KL}(q_d \Vert q_d^*)$. A KL is never negative, and zero only for $q_d = q_d^*$: that is the one maximum.
#
# *A sweep* replaces each factor in turn by the best one given the others, so no replacement lowers the ELBO, and neither does the sweep.
#
# *The posterior factorises,* $p(z \mid x) = \prod_e p_e(z_e)$. Then $\log p(x, z) = \log p(x) + \sum_e \log p_e(z_e)$, and $g_d$ is $\log p_d(z_d)$ plus terms without
# $z_d$. So $q_d^* = p_d$ whatever the other factors are, and after one sweep $q$ is the posterior.

# %% [markdown] tags=["rubric"]
# **Rubric, 5 points.** 1: the ELBO split into terms with and without $q_d$. 1: recognised as minus a KL plus $\log Z_d$. 1: the condition on $Z_d$, and *one* maximum from "KL is zero only if equal". 1: monotone over a sweep, since each update uses the ones before. 1: the case of a posterior that factorises.
# A common slip: the derivative for $q_d$ is set to zero without saying that it is a maximum, or that $q_d$ must integrate to one.

# %% [markdown]
# ## An open problem
#
# No check here, and no single answer. Give $q$ a second Gaussian, $q = \frac12 q_1 + \frac12 q_2$. Its entropy has no
# closed form. Find a lower bound on it that has one, so that the whole stays a bound on $\log p(x)$. Fit it to the
# S-shaped curve of notebook 05: how much of the approximation gap is closed, and where? When is your bound on the entropy
# itself the larger loss?

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - The KL of Gaussians is a logarithm and two squares, measured in the second one's scale; a $q$ that is $k$ times too wide costs more than one
#   that is $k$ times too narrow.
# - $\log p(x) = \mathrm{ELBO} + \mathrm{KL}(q \Vert p(z \mid x))$: the bound tightens as $q$ nears the posterior, and touches there
#   only.
# - A factorised $q$ stops at a gap that its family cannot close; for a Gaussian its variances are those of one coordinate when the others are known.
# - Coordinate ascent uses each update at once; the closer the coordinates go together, the shorter its steps.
# - An M step counts what $q$ is unsure of: without it the noise comes out too small.
#
# **To read** Bishop 2006, *Pattern Recognition and Machine Learning*, chapter 10; Blei, Kucukelbir and McAuliffe 2017,
# *Variational Inference: A Review for Statisticians*.
#
# **The next question** How can a network learn to give $q$ where no closed form gives the gradient of the bound? Notebook 06 and its exercises.
