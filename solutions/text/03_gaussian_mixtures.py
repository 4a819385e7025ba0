# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 Exercises: Gaussian mixtures by EM
#
# After these exercises you will be able to
#
# - write EM for mixtures that the notebook did not fit: labels half known, one covariance for all components, binary data;
# - make the likelihood of a mixture grow without bound, and repair it by a floor;
# - count free parameters, and choose the number of components by BIC.
#
# **Time** 165 minutes; the cells run in about 10 seconds on a laptop. **Prerequisites** notebook 03; the Gaussian
# density in $D$ dimensions.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x_n$ | `x` | $N \times D$ | observed data, one datum per row; perhaps far from zero, $10^5$ times as far as they spread |
# | $\pi_c$ | `weights` | $C$ | $p(z = c)$ |
# | $\mu_c$ | `means` | $C \times D$ | the components' means |
# | $\Sigma_c$ | `covariances` | $C \times D \times D$ | the components' covariances |
# | $\log p(x_n, z_n = c)$ | `log_p_xz` | $N \times C$ | the log joint, nats |
# | $r_{nc}$ | `r` | $N \times C$ | responsibilities, $p(z_n = c \mid x_n)$ |
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
from scipy import special, stats
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture
from torch.distributions import MultivariateNormal

from lvmteach.classroom.exercises import gaussian_mixtures as check
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# Data for all exercises but one: 300 points from three components. Their labels are used in exercise 03.2 only.

# %%
centres = torch.tensor([[-2.0, 0.0], [2.0, 1.0], [1.0, -2.5]])
roots = torch.tensor([[[0.6, 0.0], [0.5, 0.8]], [[0.9, 0.0], [-0.3, 0.4]], [[0.5, 0.0], [0.0, 0.5]]])
with seeded(31):
    label = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 300, replacement=True)
    x = centres[label] + torch.einsum("nij,nj->ni", roots[label], torch.randn(300, 2))
start = torch.full((3,), 1 / 3), torch.tensor([[-1.0, 1.0], [1.0, 1.0], [0.0, -1.0]]), torch.eye(2).repeat(3, 1, 1)
print("data", tuple(x.shape), " start: weights, means, covariances", *(tuple(part.shape) for part in start))

# %% [markdown]
# ## Exercise 03.1: the log joint
#
# *15 minutes, difficulty 2 of 3, from notebook 03 "The log of a sum"*
#
# Return the matrix $\log p(x_n, z_n = c) = \log \pi_c + \log \mathcal N(x_n \mid \mu_c, \Sigma_c)$, in nats.
#
# - `x` $(N, D)$, `weights` $(C)$, `means` $(C, D)$; `covariances` $(C, D, D)$, full matrices, symmetric and positive definite.
# - Result: $(N, C)$, finite also where the density is too small or too large for floating point: for a datum a hundred scales away from
#   every mean, and in 150 dimensions. Data and means may lie far from zero together.
#
# <details><summary>Hint 1</summary>
#
# The logarithm of the Gaussian density has three terms: a constant with $2\pi$, the log determinant, and a squared
# distance. Write all three down on paper, with their factors, for $D$ dimensions.
# </details>
# <details><summary>Hint 2</summary>
#
# `x[:, None] - means` has shape $(N, C, D)$. For the distance, `torch.linalg.inv` takes a stack of matrices, and
# `torch.einsum` sums over the two axes of length $D$. `torch.logdet` takes a stack as well.
# </details>


# %%
def log_joint(x, weights, means, covariances):
    """log p(x_n, z_n = c), shape (N, C), nats; x (N, D), weights (C,), means (C, D), covariances (C, D, D)."""
    ### BEGIN SOLUTION
    # All differences at once: datum n, component c, coordinate d.
    gap = x[:, None] - means
    # (x - mu)' inverse(Sigma) (x - mu): c is shared, d and e are summed away.
    squared = torch.einsum("ncd,cde,nce->nc", gap, torch.linalg.inv(covariances), gap)
    # The density never appears, so nothing can underflow; everything but the weight carries the half.
    constant = x.shape[1] * math.log(2 * math.pi)
    return torch.log(weights) - 0.5 * (constant + torch.logdet(covariances) + squared)
    ### END SOLUTION


# %%
log_joint = check.log_joint(log_joint)

# %% [markdown]
# Compare with scipy's density, one component at a time.

# %%
log_p_xz = log_joint(x, *start)
columns = [
    stats.multivariate_normal(m, S).logpdf(x) + math.log(w)
    for w, m, S in zip(*(part.numpy() for part in start), strict=True)
]
print("largest difference to scipy", f"{np.abs(log_p_xz.numpy() - np.stack(columns, 1)).max():.0e}")
assert np.allclose(log_p_xz, np.stack(columns, 1), atol=1e-10)  # rounding

# %% [markdown]
# ## Exercise 03.2: labels that are half known
#
# *15 minutes, difficulty 2 of 3, from notebook 03 "The log of a sum" and "Further: responsibilities live in log space"*
#
# Somebody has looked at some of the data and ruled labels out: "this one is not of kind 2". So for each datum a set of labels is
# allowed; for most data it is all of them, for a few it is a single one. Return $p(z_n = c \mid x_n,\, z_n \text{ is allowed})$.
#
# - `log_p_xz` $(N, C)$: the log joint in nats, from $-2000$ to $900$. The log joint of a label that is ruled out may be 1500 nats above that of
#   the others.
# - `allowed` $(N, C)$: True or False, at least one True in each row.
# - Result: $(N, C)$, each row a distribution.
#
# <details><summary>Hint 1</summary>
#
# Bayes' rule once more, over the labels that are left. What is the joint of a label that is ruled out, and what is its logarithm?
# </details>
# <details><summary>Hint 2</summary>
#
# A quotient does not change if you multiply a whole row by a number. Choose it so that the largest *allowed* entry becomes 1.
# </details>


# %%
def partial_labels(log_p_xz, allowed):
    """p(z | x, z is allowed), (N, C), rows sum to one; log_p_xz (N, C) in nats, allowed (N, C) True or False."""
    ### BEGIN SOLUTION
    # The joint of a label that is ruled out is zero.
    left = log_p_xz.masked_fill(~allowed, -math.inf)
    # Dividing a row by its largest entry is subtracting in the logarithm; the factor cancels below.
    relative = torch.exp(left - left.amax(dim=1, keepdim=True))
    return relative / relative.sum(dim=1, keepdim=True)
    ### END SOLUTION


# %%
partial_labels = check.partial_labels(partial_labels)

# %% [markdown]
# With all labels allowed these are the responsibilities of the notebook; from here on they are given. Now tell the E step the labels of thirty
# data. **Before you look:** for which points will the largest responsibility be low?


# %%
def responsibilities(log_p_xz):
    """p(z | x) as in the notebook, (N, C)."""
    return partial_labels(log_p_xz, torch.ones_like(log_p_xz, dtype=torch.bool))


allowed = torch.ones(300, 3, dtype=torch.bool)
allowed[:30] = torch.nn.functional.one_hot(label[:30], 3).bool()
r = partial_labels(log_p_xz, allowed)
fig, ax = plots.figure()
dots = ax.scatter(*x.T, 18, r.max(1).values, cmap="cividis")
fig.colorbar(dots, ax=ax, label="largest responsibility")
ax.plot(*x[:30].T, "o", color=plots.RED, mfc="none", ms=9, label="label told")
ax.set(xlabel="x₁", ylabel="x₂", aspect="equal", title="how sure the E step is")
ax.legend(loc="upper right")
plots.show(
    fig,
    alt="Points shaded by their largest responsibility, lowest between the starting means; thirty ringed points are all certain.",
)
assert torch.equal(r[:30].argmax(1), label[:30])
assert (r[:30].max(1).values == 1).all()
assert np.allclose(r[30:], special.softmax(log_p_xz[30:].numpy(), axis=1), atol=1e-12)  # rounding

# %% [markdown]
# ## Exercise 03.3: the full log-likelihood
#
# *10 minutes, difficulty 1 of 3, from notebook 03 "The log of a sum"*
#
# Return $\log p(x_1, \dots, x_N)$ of all data together, in nats: the number that EM raises.
#
# - `log_p_xz` $(N, C)$, with entries from $-2000$ to $900$; $-\infty$ for an impossible component, never for a whole row.
# - Result: one number, summed over the data.
#
# <details><summary>Hint 1</summary>
#
# Data are independent given the parameters, components are alternatives. Which of the two gives a product, which a sum?
# </details>
# <details><summary>Hint 2</summary>
#
# One of the axes is summed inside the logarithm and the other outside. Inside, take the row's largest log out first.
# </details>


# %%
def log_likelihood(log_p_xz):
    """log p of all data, one number, nats; log_p_xz is (N, C)."""
    ### BEGIN SOLUTION
    # p(x_n) = sum over c of the joint: alternatives add, within the logarithm, safely.
    log_p_x = torch.logsumexp(log_p_xz, dim=1)
    # Independent data multiply: their logarithms add.
    return log_p_x.sum()
    ### END SOLUTION


# %%
log_likelihood = check.log_likelihood(log_likelihood)

# %% [markdown]
# ## Exercise 03.4: one shape for all
#
# *20 minutes, difficulty 2 of 3, from notebook 03 "EM: guess the labels softly, fit, repeat"*
#
# Suppose that all components share one covariance, $\Sigma_c = \Sigma$ (it is called *tied*). For given responsibilities return the
# `(weights, means, covariance)` that maximise
# $\sum_n \sum_c r_{nc} \big[ \log \pi_c + \log \mathcal N(x_n \mid \mu_c, \Sigma) \big]$.
# The notebook has the formula for one covariance per component. Derive the tied one.
#
# - `x` $(N, D)$, perhaps far from zero; `r` $(N, C)$, each row a distribution, and each column with some mass, be it little.
# - `weights` $(C)$, `means` $(C, D)$, `covariance` $(D, D)$.
#
# <details><summary>Hint 1</summary>
#
# Do weights and means change, when the covariance is shared? Set the derivative for $\mu_c$ to zero and see what $\Sigma$ does there.
# </details>
# <details><summary>Hint 2</summary>
#
# What is left of the objective is $-\frac12 \big( N \log |\Sigma| + \mathrm{tr}\, \Sigma^{-1} A \big)$ with one matrix $A$ for all
# components together. It is highest at $\Sigma = A / N$. What is $A$?
# </details>


# %%
def tied_step(x, r):
    """(weights (C,), means (C, D), covariance (D, D)) that are best for r; x is (N, D), r is (N, C)."""
    ### BEGIN SOLUTION
    # Sigma is a factor of the derivative for mu_c, so weights and means are those of the notebook.
    owned = r.sum(dim=0)
    centre = torch.einsum("nc,nd->cd", r, x) / owned[:, None]
    # A: every point's outer product with every component's new mean, as far as the component owns the point.
    away = x[:, None] - centre
    scatter = torch.einsum("nc,ncd,nce->de", r, away, away)
    return owned / len(x), centre, scatter / len(x)
    ### END SOLUTION


# %%
tied_step = check.tied_step(tied_step)

# %% [markdown]
# Together your functions make EM. scikit-learn starts from the same parameters. The plot shows how far $\log p(x)$ still is from its final
# value, on a log axis so that late gains can be seen.

# %%
weights, means, shape = start[0], start[1], torch.eye(2)
curve = []
for _ in range(200):
    log_p_xz = log_joint(x, weights, means, shape.expand(3, 2, 2))
    curve.append(float(log_likelihood(log_p_xz)))
    weights, means, shape = tied_step(x, responsibilities(log_p_xz))
curve = np.array(curve)
init = {"weights_init": start[0], "means_init": start[1], "precisions_init": torch.eye(2)}
peer = GaussianMixture(3, covariance_type="tied", **init, reg_covar=0, max_iter=200, tol=1e-12).fit(x.numpy())
print(f"ours {curve[-1]:.4f} nats, scikit-learn {300 * peer.score(x.numpy()):.4f} nats")
assert abs(curve[-1] - 300 * peer.score(x.numpy())) < 1e-4  # it stops when a step gains less than 1e-12 a datum
assert (np.diff(curve) > -1e-9).all()  # no step falls, but for rounding

# %%
fig, ax = plots.figure()
ax.semilogy(curve[-1] - curve[:8], "o-", color=plots.BLUE, ms=4)
ax.set(xlabel="EM step", ylabel="log p(all x) still to gain, nats", title="one shape for three components")
plots.show(
    fig, alt="The distance of the log-likelihood to its end on a log axis: slow for four EM steps, then straight down."
)

# %% [markdown]
# ## Exercise 03.5: Fisher's identity, for a scale
#
# *15 minutes, difficulty 2 of 3, from notebook 03 "The log of a sum"*
#
# All components are round now, $\Sigma_c = s_c^2 I$. Find the gradient of $\log p(x_1, \dots, x_N)$ for each $\log s_c$ by Fisher's identity:
# differentiate $\log p(x_n, z_n = c)$ by hand, and average by the posterior. The notebook does not have this formula.
#
# - `x` $(N, D)$; `weights` $(C)$; `means` $(C, D)$, perhaps far from zero as the data are; `scales` $(C)$.
# - Result: $(C)$, summed over the data.
#
# <details><summary>Hint 1</summary>
#
# $\log \mathcal N(x \mid \mu, s^2 I) = -D \log s - \lVert x - \mu \rVert^2 / 2 s^2 + \text{const}$. Write $u = \log s$ and differentiate for $u$.
# </details>
# <details><summary>Hint 2</summary>
#
# Your `log_joint` is there, and `responsibilities` is given. A stack of $s_c^2 I$ is `scales[:, None, None] ** 2 * torch.eye(D)`.
# </details>


# %%
def scale_gradient(x, weights, means, scales):
    """Gradient of log p(all x) for log scales, (C,); x (N, D), weights (C,), means (C, D), scales (C,)."""
    ### BEGIN SOLUTION
    covariances = scales[:, None, None] ** 2 * torch.eye(x.shape[1], dtype=x.dtype)
    posterior = responsibilities(log_joint(x, weights, means, covariances))
    # For u = log s: -D from -D u, and twice the half of the squared distance in scales.
    in_scales = ((x[:, None] - means) ** 2).sum(dim=2) / scales**2
    return torch.sum(posterior * (in_scales - x.shape[1]), dim=0)
    ### END SOLUTION


# %%
scale_gradient = check.scale_gradient(scale_gradient)

# %% [markdown]
# Set it to zero, with $r$ held fixed, and you have the M step for round components: $s_c^2 = \sum_n r_{nc} \lVert x_n - \mu_c \rVert^2 / (D
# N_c)$. Here finite differences of scipy's density judge the gradient at the starting means, with scales of one.

# %%
weights, means, scales = torch.full((3,), 1 / 3), start[1], torch.ones(3)


def log_p(scales):
    parts = [
        w * stats.multivariate_normal(m, s**2).pdf(x) for w, m, s in zip(weights.numpy(), means, scales, strict=True)
    ]
    return np.log(np.sum(parts, 0)).sum()


h = 1e-5
for c in range(3):
    up, down = (scales.numpy() * np.exp(sign * h * np.eye(3)[c]) for sign in (1, -1))
    slope = (log_p(up) - log_p(down)) / (2 * h)
    print(
        f"component {c}: by the identity {scale_gradient(x, weights, means, scales)[c]:9.4f}, by small steps {slope:9.4f}"
    )
    assert abs(scale_gradient(x, weights, means, scales)[c] - slope) < 1e-4  # h² times the third derivative

# %% [markdown]
# ## Exercise 03.6: make it collapse
#
# *10 minutes, difficulty 1 of 3, from notebook 03 "A likelihood without a maximum"*
#
# Build the mixture of two components that breaks maximum likelihood. The first is the single Gaussian that has the highest likelihood for all
# data. The second is round, has scale $s$ in every direction, and sits on datum $n$. Return
# `(weights, means, covariances)`, with weights of one half each.
#
# - `x` $(N, D)$, perhaps far from zero; `n` an index, from $0$ to $N - 1$; `s` a scale, a number.
# - Results: $(2)$, $(2, D)$, $(2, D, D)$, the wide component first.
#
# <details><summary>Hint 1</summary>
#
# The best Gaussian for all data is an M step with a single component: what are its mean and covariance?
# </details>
# <details><summary>Hint 2</summary>
#
# A round component of scale $s$ has the variance $s^2$ in each direction and no covariances. `torch.eye` helps.
# </details>


# %%
def collapse(x, n, s):
    """(weights (2,), means (2, D), covariances (2, D, D)): one Gaussian of all data, one of scale s at x[n]."""
    ### BEGIN SOLUTION
    D = x.shape[1]
    # Maximum likelihood divides by N, hence correction=0; torch.cov wants variables as rows, and gives a number if D = 1.
    everything = torch.cov(x.T, correction=0).reshape(D, D)
    # s is a scale, so its square goes on the diagonal.
    needle = torch.eye(D, dtype=x.dtype) * s * s
    weights = torch.ones(2, dtype=x.dtype) / 2
    return weights, torch.stack([x.mean(dim=0), x[n]]), torch.stack([everything, needle])
    ### END SOLUTION


# %%
collapse = check.collapse(collapse)

# %% [markdown]
# ## Exercise 03.7: by how much?
#
# *5 minutes, difficulty 2 of 3, from notebook 03 "A likelihood without a maximum"*
#
# Predict, then run. The scale $s$ is tiny already, and becomes $s / 10$. By how many nats does the log-likelihood of
# all data grow, in $D$ dimensions?
#
# - **a** by nothing: it has converged
# - **b** by $\log 10$
# - **c** by $D \log 10$
# - **d** by $N D \log 10$
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Which data still notice the narrow component at all?
# </details>
# <details><summary>Hint 2</summary>
#
# What is the density of a round Gaussian at its own mean, as a function of $s$ and $D$?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# At its mean the density is (2 pi s^2)^(-D/2): one factor 1/s for each dimension, for one datum.
answer = "c"
### END SOLUTION

# %%
check.a_tenth(answer)

# %% [markdown]
# Now measure it.

# %%
scales = torch.logspace(0, -6, 25)
ends = torch.stack([log_likelihood(log_joint(x, *collapse(x, 7, float(s)))) for s in scales])
fig, ax = plots.figure()
ax.semilogx(scales, ends, "o-", color=plots.RED, ms=4)
ax.axhline(curve[-1], ls="--", color=plots.BLACK, label="three components of one shape, by EM")
ax.invert_xaxis()
ax.set(xlabel="scale s of the narrow component", ylabel="log p(all x), nats", title="no end in sight")
ax.legend(loc="center right")
plots.show(
    fig,
    alt="As the scale falls from one to a millionth, the log-likelihood first drops, then rises along a straight line.",
)
print(f"the last tenth of the scale gained {ends[-1] - ends[-5]:.4f} nats")  # four points a decade
assert abs(ends[-1] - ends[-5] - 2 * math.log(10)) < 1e-3  # D log 10: one factor 1/s for each dimension

# %% [markdown]
# It still lies below the good fit, but it rises without end as $s \to 0$, and will pass it. So *the maximum* of the likelihood is not what you
# want, and not what EM finds when it does well.
#
# ## Exercise 03.8: a floor
#
# *20 minutes, difficulty 3 of 3, from notebook 03 "A likelihood without a maximum"*
#
# The notebook repairs the likelihood by a prior. Another repair: allow only covariances whose variance is at least $v$ (`least`) in *every*
# direction, $u^\top \Sigma_c u \ge v$ for each unit vector $u$. Then the likelihood has a bound, and the M step is a maximum under a constraint.
# Return the covariances that maximise
#
# $$\sum_n \sum_c r_{nc} \log \mathcal N(x_n \mid \mu_c, \Sigma_c) \qquad \text{subject to} \qquad u^\top \Sigma_c u \ge v \text{ for all unit } u$$
#
# with $\mu_c$ the weighted mean, as before. The given `m_step` is the notebook's, without a floor.
#
# - `x` $(N, D)$, perhaps far from zero; `r` $(N, C)$, each row a distribution, zeros allowed, each column with some mass, be it little; `least` $v > 0$, a number, a variance.
# - Result: $(C, D, D)$. It exists even for a component that owns a single datum.
#
# <details><summary>Hint 1</summary>
#
# Start with $D = 1$: the objective is $-\frac{N_c}{2} (\log \sigma^2 + S_c / \sigma^2)$ with $S_c$ the variance without a floor. It rises up to $\sigma^2 = S_c$
# and falls after it. Where is its maximum on $\sigma^2 \ge v$?
# </details>
# <details><summary>Hint 2</summary>
#
# In $D$ dimensions the maximum has the same axes as the covariance without a floor (this you may use). `torch.linalg.eigh` gives its axes, as
# columns, and the variance along each. Then $D = 1$, $D$ times.
# </details>


# %%
def m_step(x, r):
    """(weights (C,), means (C, D), covariances (C, D, D)) as in the notebook."""
    n = r.sum(0)
    means = r.T @ x / n[:, None]
    apart = x[:, None] - means
    return n / len(x), means, torch.einsum("nc,nci,ncj->cij", r, apart, apart) / n[:, None, None]


def floor(x, r, least):
    """Covariances (C, D, D) of the M step with variance `least` or more in every direction; x (N, D), r (N, C)."""
    ### BEGIN SOLUTION
    variances, axes = torch.linalg.eigh(m_step(x, r)[2])
    # Along each axis the objective falls beyond its maximum: the nearest allowed variance is the best one.
    lifted = torch.clamp(variances, min=least)
    return axes @ torch.diag_embed(lifted) @ axes.mT
    ### END SOLUTION


# %%
floor = check.floor(floor)

# %% [markdown]
# A numeric check of the derivation: five thousand other covariances that are allowed. One of them could refute it. A further rival is what
# scikit-learn would take: it adds $v$ to the diagonal.

# %%
r = responsibilities(log_joint(x, *start))
means, least = m_step(x, r)[1], 0.8


def objective(S):
    """The first component's part of the objective, in nats, for each of R covariances (R, D, D)."""
    return r[:, 0] @ MultivariateNormal(means[0], S).log_prob(x[:, None])


ours = floor(x, r, least)[:1]
with seeded(33):
    noise = 0.3 * torch.randn(5000, 2, 2)
variances, axes = torch.linalg.eigh(ours + noise @ noise.mT - 0.05 * torch.eye(2))
rivals = axes @ torch.diag_embed(variances.clamp(min=least)) @ axes.mT
added = m_step(x, r)[2][:1] + least * torch.eye(2)
found, rival, with_v = (float(objective(S).max()) for S in (ours, rivals, added))
print(f"ours {found:.4f} nats, best of the rivals {rival:.4f}, with v added {with_v:.4f}")
assert torch.linalg.eigvalsh(m_step(x, r)[2][0])[0] < least  # the floor is felt
assert found > max(rival, with_v)

# %% [markdown]
# Run EM from a narrow start with three floors. Without one, the component on a single datum would collapse. **How wide is it at its
# narrowest, and does a step ever fall?**

# %%
needle = m_step(x, responsibilities(log_joint(x, *collapse(x, 7, 1e-6))))[2][1]
print(f"no floor: determinant {torch.linalg.det(needle):.0e} after one M step")
fig, ax = plots.figure()
for least, style in ((0.01, "-"), (0.05, "--"), (0.2, "-.")):
    params, widths, trace = collapse(x, 7, math.sqrt(least)), [], []
    for _ in range(60):
        joint = log_joint(x, *params)
        trace.append(float(log_likelihood(joint)))
        params = (*m_step(x, responsibilities(joint))[:2], floor(x, responsibilities(joint), least))
        widths.append(float(torch.linalg.eigvalsh(params[2][1])[0].sqrt()))
    ax.plot(widths, style, label=f"floor {least:g}, width {math.sqrt(least):.2f}")
    assert min(widths) > math.sqrt(least) - 1e-9  # rounding
    assert (np.diff(trace) > -1e-9).all()  # a maximum under a constraint is a maximum: EM climbs
ax.set(xlabel="EM step", ylabel="least width of the second component", ylim=(0, None))
ax.legend(loc="lower right")
plots.show(
    fig,
    alt="The least width of the component that began on one datum, for three floors; it never falls below its floor.",
)

# %% [markdown]
# ## Exercise 03.9: what a shape costs
#
# *15 minutes, difficulty 2 of 3, from notebook 03 "Further: how many components?", and exercise 03.4*
#
# The notebook counted the free parameters $k$ of three kinds of covariances. Here are three more. Count theirs, and return
# $\mathrm{BIC} = -2 \log p(x_1, \dots, x_N) + k \log N$. Lower is better.
#
# - `log_lik`, a number: the log-likelihood of all data, nats. `N`, `C`, `D`: data, components, dimensions.
# - `covariance`, one of three words:
#   - `"tied"`: one covariance for all components, as in exercise 03.4;
#   - `"scaled"`: one shape, and for each component a size of its own, $\Sigma_c = s_c^2\, \Sigma$;
#   - `"turned"`: the same widths, and each component turned its own way, $\Sigma_c = U_c \Lambda U_c^\top$ with $U_c$ orthogonal and one
#     diagonal $\Lambda$.
# - Result: a number. Parameters are *free* if no other choice nearby gives the same weights, means and covariances.
#
# <details><summary>Hint 1</summary>
#
# Count weights, means and covariances apart. How many angles does a rotation in $D$ dimensions have (exercise 02.6)?
# </details>
# <details><summary>Hint 2</summary>
#
# Take $\Sigma$ twice as large and each $s_c^2$ half as large. What has changed? And weights sum to one.
# </details>


# %%
def bic(log_lik, N, C, D, covariance):
    """Bayesian information criterion, nats, of a mixture with log-likelihood log_lik (summed over N data)."""
    ### BEGIN SOLUTION
    # The last weight follows from the others.
    k = (C - 1) + C * D
    angles = D * (D - 1) // 2
    if covariance == "tied":
        k += D + angles  # a symmetric matrix: widths and a rotation
    elif covariance == "scaled":
        k += D + angles + (C - 1)  # one of the sizes is part of the shared matrix
    else:
        k += D + C * angles
    return k * math.log(N) - 2 * log_lik
    ### END SOLUTION


# %%
bic = check.bic(bic)

# %% [markdown]
# A count that knows no formula: make covariances out of more numbers than needed, all at random, and differentiate. The rank of the
# Jacobian says in how many directions the covariances can move.


# %%
def covariances_of(kind, sizes, A, turns):
    """Covariances (C, D, D) of a kind, from sizes (C,), A (D, D) and turns (C, D, D)."""
    if kind == "turned":
        U = torch.linalg.matrix_exp(turns - turns.mT)
        return U @ torch.diag(A[0].exp()) @ U.mT
    scales = sizes.exp() if kind == "scaled" else torch.ones_like(sizes)
    return scales[:, None, None] * (A @ A.T)


for C, D in ((2, 2), (3, 4)):
    for kind in ("tied", "scaled", "turned"):
        with seeded(33):
            numbers = torch.randn(C), torch.randn(D, D), torch.randn(C, D, D)
        slopes = torch.autograd.functional.jacobian(lambda *given, kind=kind: covariances_of(kind, *given), numbers)
        moves = torch.linalg.matrix_rank(torch.cat([one.reshape(C * D * D, -1) for one in slopes], 1))
        counted = round(bic(0.0, 100, C, D, kind) / math.log(100)) - (C - 1) - C * D
        print(f"C = {C}, D = {D}, {kind:6}: {counted} free numbers in the covariances, rank {moves}")
        assert counted == moves

# %% [markdown]
# Let scikit-learn fit the tied kind, and two of the notebook's kinds with its own BIC. **Which curve will be lowest, and where?**

# %%
fig, ax = plots.figure()
for name, style in (("full", "o-"), ("tied", "s--"), ("spherical", "^:")):
    peers = [GaussianMixture(C, covariance_type=name, n_init=3, random_state=0).fit(x.numpy()) for C in range(1, 7)]
    theirs = [peer.bic(x.numpy()) for peer in peers]
    if name == "tied":
        ours = [bic(300 * peer.score(x.numpy()), 300, C, 2, "tied") for C, peer in enumerate(peers, 1)]
        assert np.allclose(ours, theirs, rtol=1e-10)  # rounding
    ax.plot(range(1, 7), theirs, style, label=name)
    print(f"{name}: best C of 1 to 6: {1 + int(np.argmin(theirs))}, BIC {min(theirs):.1f}")
ax.set(xlabel="components C", ylabel="BIC, nats", title="lower is better")
ax.legend()
plots.show(fig, alt="BIC against the number of components for full, tied and spherical covariances.")

# %% [markdown]
# ## Exercise 03.10: the same EM for coins
#
# *20 minutes, difficulty 2 of 3, from notebook 03 "EM: guess the labels softly, fit, repeat"*
#
# Nothing in EM needs a Gaussian. Let $x \in \{0, 1\}^D$ and $p(x \mid z = c) = \prod_d p_{cd}^{x_d} (1 - p_{cd})^{1 - x_d}$. Derive both steps, and write one step of EM
# from scratch.
#
# - `x` $(N, D)$, zeros and ones in float64, with up to a thousand columns; `weights` $(C)$; `p` $(C, D)$, strictly between 0 and 1.
# - Result: the pair `(weights, p)` after one E and one M step.
#
# <details><summary>Hint 1</summary>
#
# $\log p(x, z = c)$ is a sum over pixels. As matrix products it needs `x` and `1 - x`.
# </details>
# <details><summary>Hint 2</summary>
#
# With known labels $\hat p_{cd}$ is the share of ones in class $c$. Now every datum belongs to every class in part.
# </details>


# %%
def bernoulli_step(x, weights, p):
    """(weights (C,), p (C, D)) after one step of EM for a mixture of coins; x (N, D) is binary."""
    ### BEGIN SOLUTION
    # Both faces of each coin count; in logarithms, or a thousand factors underflow.
    log_p_x_and_z = torch.log(weights) + x @ torch.log(p).T + (1 - x) @ torch.log(1 - p).T
    posterior = responsibilities(log_p_x_and_z)
    owned = posterior.sum(dim=0)
    return owned / x.shape[0], torch.einsum("nc,nd->cd", posterior, x) / owned[:, None]
    ### END SOLUTION


# %%
bernoulli_step = check.bernoulli_step(bernoulli_step)

# %% [markdown]
# Fit ten components to digits whose pixels are ink or no ink. **Before you look:** what will the ten pictures of $p_c$ show?

# %%
ink = (torch.tensor(load_digits().data) > 7).double()
with seeded(32):
    weights, p = torch.full((10,), 0.1), 0.25 + 0.5 * torch.rand(10, 64)
curve = []
for _ in range(60):
    joint = [stats.bernoulli(p[c].numpy()).logpmf(ink.numpy()).sum(1) + math.log(weights[c]) for c in range(10)]
    curve.append(special.logsumexp(np.stack(joint, 1), axis=1).mean())  # oracle for the trace: scipy's coins
    weights, p = bernoulli_step(ink, weights, p)
    p = p.clamp(1e-3, 1 - 1e-3)  # a pixel that is never inked would have log 0
fig, ax = plots.figure(size=(10, 1.8))
plots.image_grid(ax, p, (8, 8), cols=10)
plots.show(fig, alt="Ten pictures of 8 by 8 probabilities: blurred digits, some of them two digits over one another.")
print(f"log p(x) {curve[0]:.2f} -> {curve[-1]:.2f} nats an image")
assert (np.diff(curve) > -1e-3).all()  # never falls, but for what the clamp costs

# %% [markdown]
# ## Exercise 03.11: prove that one shape makes straight boundaries
#
# *20 minutes, difficulty 2 of 3, from notebook 03 "The log of a sum", and exercise 03.4*
#
# All components share one covariance $\Sigma$. Prove: $\log (r_{nc} / r_{nj})$ is a linear function of $x_n$ plus a constant; give both. Conclude
# that the region where component $c$ is the most probable one is convex. Then show by an example that this can fail when each component
# has a covariance of its own. Your lecturer reads it; the cell below only measures.

# %% [markdown] tags=["proof"]
# Both responsibilities have the denominator $p(x_n)$, so their ratio is the ratio of the joints. With $P = \Sigma^{-1}$
#
# $$\log \frac{r_{nc}}{r_{nj}} = \log \frac{\pi_c}{\pi_j} - \tfrac12 (x - \mu_c)^\top P (x - \mu_c) + \tfrac12 (x - \mu_j)^\top P (x - \mu_j).$$
#
# The log determinants are equal and cancel, and so does $x^\top P x$, since $P$ is the same in both. What is left is $a^\top x + b$ with
# $a = P (\mu_c - \mu_j)$ and $b = \log (\pi_c / \pi_j) - \frac12 \mu_c^\top P \mu_c + \frac12 \mu_j^\top P \mu_j$.
#
# *Convex.* Component $c$ wins where $a_j^\top x + b_j \ge 0$ for every $j \ne c$. Each of these is a half space, and an intersection of half spaces is convex.
#
# *Own covariances.* Then $x^\top (P_c - P_j) x$ stays. In one dimension take equal weights, both means 0, variances 1 and 4: the wide component wins
# where $\frac38 x^2 > \log 2$, which is two pieces, one on each side. Not convex.

# %% [markdown] tags=["rubric"]
# **Rubric, 5 points.** 1: the ratio of responsibilities is the ratio of joints. 1: determinant *and* quadratic term cancel, with the reason (the same $P$). 1: $a$ and $b$. 1: convexity by half spaces, for all $j$ at once. 1: an example that is computed, not only drawn.
# A common slip: "linear" is shown for two components, and convexity for three is taken for granted.

# %%
r = responsibilities(log_joint(x, *start))
weights, means, shape = tied_step(x, r)
design = np.column_stack([x.numpy(), np.ones(300)])
for name, covariances in (("one shape", shape.expand(3, 2, 2)), ("own shapes", m_step(x, r)[2])):
    joint = log_joint(x, weights, means, covariances).numpy()
    odds = joint[:, 0] - joint[:, 1]
    plane = design @ np.linalg.lstsq(design, odds, rcond=None)[0]  # the best linear function
    print(
        f"{name:10}: log odds of components 0 and 1 differ from a linear function by at most {abs(odds - plane).max():.0e}"
    )

# %% [markdown]
# ## An open problem
#
# No check here, and no single answer. The floor of exercise 03.8 needs one number, the prior of the notebook two. Choose them for data that you
# have never seen: in which units is $v$? How should it change when somebody measures in millimetres instead of metres, when $D$ grows, or when
# $C$ does? Propose a rule that depends on `x` and `C` alone, and look for data on which it fails.

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - The log joint is the only place where the density enters; everything else in EM is a softmax, a sum, and weighted
#   averages.
# - Components are alternatives and add inside the logarithm; data are independent and add outside.
# - The M step is the fit with known labels, with counts replaced by responsibilities; with one covariance for all, the components' scatter
#   matrices add up.
# - A component on one datum raises the likelihood without bound; a floor under its widths stops this, and EM still climbs.
# - BIC charges half of $\log N$ nats for each free parameter, on the scale of the log-likelihood.
#
# **To read** Bishop 2006, *Pattern Recognition and Machine Learning*, chapter 9; Fraley and Raftery 2007, for the prior.
#
# **The next question** What takes the place of the M step when it has no closed form? Notebook 04 and its exercises.
