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
# - write EM for a Gaussian mixture yourself: log joint, responsibilities, log-likelihood, M step;
# - make the likelihood of a mixture grow without bound, and repair it by a prior;
# - count free parameters, and choose the number of components by BIC.
#
# **Time** 130 minutes; the cells run in about 10 seconds on a laptop. **Prerequisites** notebook 03; the Gaussian
# density in $D$ dimensions.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x_n$ | `x` | $N \times D$ | observed data, a row a datum |
# | $\pi_c$ | `weights` | $C$ | $p(z = c)$ |
# | $\mu_c$ | `means` | $C \times D$ | the components' means |
# | $\Sigma_c$ | `covariances` | $C \times D \times D$ | the components' covariances |
# | $\log p(x_n, z_n = c)$ | `log_p_xz` | $N \times C$ | the log joint, nats |
# | $r_{nc}$ | `r` | $N \times C$ | responsibilities, $p(z_n = c \mid x_n)$ |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Logarithms are natural; tensors are float64.

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
# Data for all exercises: 300 points from three components, which we forget at once.

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
# - `x` $(N, D)$, `weights` $(C)$, `means` $(C, D)$, `covariances` $(C, D, D)$, not diagonal.
# - Result: $(N, C)$, finite even for a datum that lies a hundred scales away from every mean.
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
# ## Exercise 03.2: responsibilities in log space
#
# *10 minutes, difficulty 1 of 3, from notebook 03 "Further: responsibilities live in log space"*
#
# Return $r_{nc} = p(z_n = c \mid x_n)$.
#
# - `log_p_xz` $(N, C)$: the log joint in nats, from $-2000$ to $900$, and $-\infty$ for a component of weight zero
#   (never for all components of a datum).
# - Result: $(N, C)$, each row a distribution.
#
# Write it out; of the functions that PyTorch has for the purpose, use none, or compare with one afterwards.
#
# <details><summary>Hint 1</summary>
#
# Bayes' rule divides the joint by $p(x_n)$. What happens to the quotient if you multiply a whole row by a number?
# </details>
# <details><summary>Hint 2</summary>
#
# Choose that number so that the largest entry of the row becomes 1. `keepdim=True` keeps the shapes in line.
# </details>


# %%
def responsibilities(log_p_xz):
    """The posterior of the label, shape (N, C), rows sum to one; log_p_xz is (N, C), nats."""
    ### BEGIN SOLUTION
    # Dividing a row by its largest entry is subtracting in the logarithm; the factor cancels below.
    relative = torch.exp(log_p_xz - log_p_xz.amax(dim=1, keepdim=True))
    # The row's sum is at least 1 now, so the division is safe.
    return relative / relative.sum(dim=1, keepdim=True)
    ### END SOLUTION


# %%
responsibilities = check.responsibilities(responsibilities)

# %% [markdown]
# **Before you look:** which points will have mixed colours?

# %%
r = responsibilities(log_p_xz)
fig, ax = plots.figure()
dots = ax.scatter(*x.T, 18, r.max(1).values, cmap="cividis")
fig.colorbar(dots, ax=ax, label="largest responsibility")
ax.plot(*start[1].T, "X", color=plots.RED, ms=12, label="starting means")
ax.set(xlabel="x₁", ylabel="x₂", aspect="equal", title="how sure the E step is")
ax.legend(loc="upper right")
plots.show(
    fig,
    alt="Points shaded by their largest responsibility; it is lowest, about a half, between two of the starting means.",
)
assert np.allclose(r, special.softmax(log_p_xz.numpy(), axis=1), atol=1e-12)  # rounding

# %% [markdown]
# ## Exercise 03.3: the full log-likelihood
#
# *10 minutes, difficulty 1 of 3, from notebook 03 "The log of a sum"*
#
# Return $\log p(x_1, \dots, x_N)$ of all data together, in nats: the number that EM raises.
#
# - `log_p_xz` $(N, C)$, with entries as before.
# - Result: one number (a tensor without axes), summed over the data.
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
# ## Exercise 03.4: the M step
#
# *20 minutes, difficulty 2 of 3, from notebook 03 "EM: guess the labels softly, fit, repeat"*
#
# For given responsibilities return `(weights, means, covariances)` that maximise
# $\sum_n \sum_c r_{nc} \log p(x_n, z_n = c)$.
#
# - `x` $(N, D)$; `r` $(N, C)$, each row a distribution, and each column with some mass.
# - `weights` $(C)$, `means` $(C, D)$, `covariances` $(C, D, D)$, one full matrix for each component.
#
# <details><summary>Hint 1</summary>
#
# If the labels were known, each component would be fitted to its own points, by maximum likelihood. Now every point
# belongs to every component in part. Replace counts and sums by weighted ones.
# </details>
# <details><summary>Hint 2</summary>
#
# $N_c = \sum_n r_{nc}$ divides in the means and in the covariances. The covariance is a weighted sum of outer products
# of deviations from the *new* mean; `"nc,ncd,nce->cde"` is its sum as `torch.einsum` writes it.
# </details>


# %%
def m_step(x, r):
    """(weights (C,), means (C, D), covariances (C, D, D)) that are best for r; x is (N, D), r is (N, C)."""
    ### BEGIN SOLUTION
    # How many points each component answers for; with hard labels, a count.
    n_c = r.sum(dim=0)
    centre = torch.einsum("nc,nd->cd", r, x) / n_c[:, None]
    # Deviations from each component's own new mean, weighted once.
    away = x[:, None] - centre
    spread = torch.einsum("nc,ncd,nce->cde", r, away, away) / n_c[:, None, None]
    return n_c / n_c.sum(), centre, spread
    ### END SOLUTION


# %%
m_step = check.m_step(m_step)

# %% [markdown]
# Your four functions are EM. Each point of the curve is one step; scikit-learn starts from the same parameters.

# %%
params, curve = start, []
for _ in range(200):
    log_p_xz = log_joint(x, *params)
    curve.append(float(log_likelihood(log_p_xz)))
    params = m_step(x, responsibilities(log_p_xz))
curve = np.array(curve)
init = dict(zip(("weights_init", "means_init", "precisions_init"), start, strict=True))  # precisions: I is its inverse
peer = GaussianMixture(3, **init, reg_covar=0, max_iter=200, tol=1e-12).fit(x.numpy())
print(f"ours {curve[-1]:.4f} nats, scikit-learn {300 * peer.score(x.numpy()):.4f} nats")
assert abs(curve[-1] - 300 * peer.score(x.numpy())) < 1e-4  # it stops when a step gains less than 1e-12 a datum
assert (np.diff(curve) > -1e-9).all()  # no step falls, but for rounding

# %%
fig, ax = plots.figure()
ax.plot(curve[:40], "o-", color=plots.BLUE, ms=4)
ax.set(xlabel="EM step", ylabel="log p(all x), nats", title="no step falls")
plots.show(fig, alt="The log-likelihood rises steeply in the first few EM steps, then levels off; it never falls.")

# %% [markdown]
# ## Exercise 03.5: Fisher's identity, for a scale
#
# *15 minutes, difficulty 2 of 3, from notebook 03 "The log of a sum"*
#
# All components are round now, $\Sigma_c = s_c^2 I$. Find the gradient of $\log p(x_1, \dots, x_N)$ for each $\log s_c$ by Fisher's identity:
# differentiate $\log p(x_n, z_n = c)$, and average by the posterior. By hand, without autograd. You have not seen this formula.
#
# - `x` $(N, D)$; `weights` $(C)$; `means` $(C, D)$; `scales` $(C)$.
# - Result: $(C)$, summed over the data.
#
# <details><summary>Hint 1</summary>
#
# $\log \mathcal N(x \mid \mu, s^2 I) = -D \log s - \lVert x - \mu \rVert^2 / 2 s^2 + \text{const}$. Write $u = \log s$ and differentiate for $u$.
# </details>
# <details><summary>Hint 2</summary>
#
# Your `log_joint` and `responsibilities` are there. A stack of $s_c^2 I$ is `scales[:, None, None] ** 2 * torch.eye(D)`.
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
# Where is it zero? Set it to zero, and you have the M step for round components: $s_c^2 = \sum_n r_{nc} \lVert x_n - \mu_c \rVert^2 / (D N_c)$. So climb to a flat place by
# EM, and let finite differences of scipy's density judge the slope on the way.

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
# Build the mixture of two components that breaks maximum likelihood. The first is *the* Gaussian of all data: the one
# with the highest likelihood. The second is round, has scale $s$ in every direction, and sits on datum $n$. Return
# `(weights, means, covariances)`, the weights a half each.
#
# - `x` $(N, D)$; `n` an index; `s` a scale, a number.
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
    # Maximum likelihood divides by N, hence correction=0; torch.cov wants variables as rows.
    everything = torch.cov(x.T, correction=0)
    # s is a scale, so its square goes on the diagonal.
    needle = torch.eye(x.shape[1], dtype=x.dtype) * s * s
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
ax.axhline(curve[-1], ls="--", color=plots.BLACK, label="three components, by EM")
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
# It still lies below the good fit, and yet it will pass it: on this line there is no last point. So *the maximum* of
# the likelihood is not what you want, and not what EM finds when it does well.
#
# ## Exercise 03.8: repair it
#
# *15 minutes, difficulty 2 of 3, from notebook 03 "A likelihood without a maximum"*
#
# Say beforehand what you believe of a width: as much as if each component had seen $m$ (`points`) more data, whose
# covariance about its mean is $v I$ (`variance`). The covariances of the M step then maximise
#
# $$\sum_n r_{nc} \log \mathcal N(x_n \mid \mu_c, \Sigma_c)
# \;-\; \frac m2 \left( \log |\Sigma_c| + v \operatorname{tr} \Sigma_c^{-1} \right)$$
#
# with $\mu_c$ the weighted mean, as before. Derive them, and return the covariances.
#
# - `x` $(N, D)$; `r` $(N, C)$, each row a distribution; `points` $m > 0$ and `variance` $v > 0$, numbers.
# - Result: $(C, D, D)$. It exists for a component that owns one datum only.
#
# <details><summary>Hint 1</summary>
#
# Write the first sum as $-\frac12 (N_c \log |\Sigma_c| + \operatorname{tr} \Sigma_c^{-1} S_c)$ with the scatter
# $S_c = \sum_n r_{nc} (x_n - \mu_c)(x_n - \mu_c)^\top$. The second part has the same form.
# </details>
# <details><summary>Hint 2</summary>
#
# $a \log |\Sigma| + \operatorname{tr} \Sigma^{-1} A$ has its minimum at $\Sigma = A / a$. What are $a$ and $A$ here?
# </details>


# %%
def repair(x, r, points, variance):
    """Covariances (C, D, D) of the M step with a prior worth `points` data of `variance`; x (N, D), r (N, C)."""
    ### BEGIN SOLUTION
    # The objective is -1/2 ((N_c + m) log|Sigma| + tr inverse(Sigma) (S_c + m v I)): a and A of the second hint.
    spread = m_step(x, r)[2]
    owned = r.sum(dim=0)[:, None, None]
    # m_step divided by N_c: undo that to get the scatter. About a single datum it is zero, and the prior stays.
    A = owned * spread + points * variance * torch.eye(x.shape[1], dtype=x.dtype)
    return A / (owned + points)
    ### END SOLUTION


# %%
repair = check.repair(repair)

# %% [markdown]
# Check the derivation: at your covariances the gradient of the objective above should vanish.

# %%
r = responsibilities(log_joint(x, *start))
means, m, v = m_step(x, r)[1], 4.0, 0.5
S = repair(x, r, m, v).clone().requires_grad_()
fitted = (r * MultivariateNormal(means, S).log_prob(x[:, None])).sum()
believed = -m / 2 * (torch.logdet(S) + v * torch.linalg.inv(S).diagonal(dim1=1, dim2=2).sum(1)).sum()
(of_data,) = torch.autograd.grad(fitted, S)
(of_prior,) = torch.autograd.grad(believed, S)
slope = of_data + of_prior
print(f"largest slope: of the data's part {of_data.abs().max():.2f}, of the sum {slope.abs().max():.0e}")
assert slope.abs().max() < 1e-9  # rounding in sums of 300 terms

# %% [markdown]
# Run EM from the collapsing start, with the prior: one round of 60 steps for each of three priors. Without one, the
# first M step leaves a component without width. **With one, how wide is it after a single step, and where does it end?**

# %%
needle = m_step(x, responsibilities(log_joint(x, *collapse(x, 7, 1e-6))))[2][1]
print(f"no prior: determinant {torch.linalg.det(needle):.0e} after one M step")
fig, ax = plots.figure()
for m, style in ((0.5, "-"), (2.0, "--"), (10.0, "-.")):
    params, widths = collapse(x, 7, 0.01), []
    for _ in range(60):
        r = responsibilities(log_joint(x, *params))
        params = (*m_step(x, r)[:2], repair(x, r, m, 0.5))
        widths.append(float(torch.linalg.det(params[2][1]) ** 0.25))
    ax.plot(widths, style, label=f"a prior worth {m:g} points")
    assert min(widths) > 0.01  # wider than at the start
ax.set(xlabel="EM step", ylabel="width of the second component", ylim=(0, None))
ax.legend(loc="lower right")
plots.show(fig, alt="Widths of the component that began as a needle, for three priors; none of them returns to zero.")

# %% [markdown]
# ## Exercise 03.9: BIC
#
# *10 minutes, difficulty 1 of 3, from notebook 03 "Further: how many components?"*
#
# Return $-2 \log p(x_1, \dots, x_N) + k \log N$, where $k$ is the number of free parameters. Lower is better.
#
# - `log_lik`, a number: the log-likelihood of all data, nats. `N`, `C`, `D`: data, components, dimensions.
# - `covariance`: `"full"`, `"diagonal"` (a variance for each component and coordinate) or `"spherical"` (one variance
#   for each component).
# - Result: a number.
#
# <details><summary>Hint 1</summary>
#
# Count three things apart: weights, means, covariances. Which of the numbers are fixed once you know the others?
# </details>
# <details><summary>Hint 2</summary>
#
# Weights sum to one. A covariance is symmetric.
# </details>


# %%
def bic(log_lik, N, C, D, covariance):
    """Bayesian information criterion, nats, of a mixture with log-likelihood log_lik (summed over N data)."""
    ### BEGIN SOLUTION
    # The last weight follows from the others.
    k = (C - 1) + C * D
    if covariance == "full":
        k += C * (D + D * (D - 1) // 2)  # the diagonal, and each pair once
    elif covariance == "diagonal":
        k += C * D
    else:
        k += C
    return k * math.log(N) - 2 * log_lik
    ### END SOLUTION


# %%
bic = check.bic(bic)

# %% [markdown]
# Let scikit-learn fit, and choose by your number. **Which curve will be lowest, and where?**

# %%
fig, ax = plots.figure()
for name, theirs, style in (("full", "full", "o-"), ("diagonal", "diag", "s--"), ("spherical", "spherical", "^:")):
    peers = [GaussianMixture(C, covariance_type=theirs, n_init=3, random_state=0).fit(x.numpy()) for C in range(1, 7)]
    ours = [bic(300 * peer.score(x.numpy()), 300, C, 2, name) for C, peer in enumerate(peers, 1)]
    assert np.allclose(ours, [peer.bic(x.numpy()) for peer in peers], rtol=1e-10)  # rounding
    ax.plot(range(1, 7), ours, style, label=name)
    print(f"{name}: best C of 1 to 6: {1 + int(np.argmin(ours))}, BIC {min(ours):.1f}")
ax.set(xlabel="components C", ylabel="BIC, nats", title="lower is better")
ax.legend()
plots.show(fig, alt="BIC against the number of components for full, diagonal and spherical covariances.")

# %% [markdown]
# ## Exercise 03.10: the same EM for coins
#
# *20 minutes, difficulty 2 of 3, from notebook 03 "EM: guess the labels softly, fit, repeat"*
#
# Nothing in EM needs a Gaussian. Let $x \in \{0, 1\}^D$ and $p(x \mid z = c) = \prod_d p_{cd}^{x_d} (1 - p_{cd})^{1 - x_d}$. Derive both steps, and write one step of EM
# from scratch.
#
# - `x` $(N, D)$, zeros and ones, with up to a thousand columns; `weights` $(C)$; `p` $(C, D)$, strictly between 0 and 1.
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
# Digits as ink or no ink, ten components. **Before you look:** what will the ten pictures show?

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
# ## An open problem
#
# No check here, and no single answer. The prior of exercise 03.8 needs two numbers. Choose them for data that you have
# never seen: in which units is $v$, and what should become of it when somebody measures in millimetres instead of
# metres? When $D$ grows, or $C$? Propose a rule that depends on `x` and `C` alone, and look for data on which it fails.

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - The log joint is the only place where the density enters; everything else in EM is a softmax, a sum, and weighted
#   averages.
# - Components are alternatives and add inside the logarithm; data are independent and add outside.
# - The M step is the fit with known labels, with counts replaced by responsibilities.
# - A component on one datum raises the likelihood without bound; a prior worth a few points stops it.
# - BIC charges half of $\log N$ nats for each free parameter, on the scale of the log-likelihood.
#
# **To read** Bishop 2006, *Pattern Recognition and Machine Learning*, chapter 9; Fraley and Raftery 2007, for the prior.
#
# **The next question** What takes the place of the E step when the posterior has no closed form? Notebook 05 and its
# exercises.
