# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 Exercises: Factor analysis and probabilistic PCA
#
# After these exercises you will be able to
#
# - update a posterior, bound a likelihood, and derive the M step of a model that is not in the notebook;
# - keep every matrix small, however many columns there are;
# - count free parameters, compare fits that differ by a rotation, and fill in entries that are missing at random or not.
#
# **Time** 190 minutes; the cells run in about 6 seconds on a laptop. **Prerequisites** notebook 02; Gaussian conditioning,
# eigenvectors, the singular value decomposition.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | $N \times D$ | data, one datum a row |
# | $\mu, W$ | `mu, W` | $D$, $D \times L$ | mean, loadings |
# | $\psi$ | `psi` | $D$ | noise *variances*, one for each column; $\Psi = \mathrm{diag}(\psi)$ |
# | $M = I + W^\top \Psi^{-1} W$ | `M` | $L \times L$ | posterior precision |
# | $\sum_n (x_n - \mu)\, \mathbb E[z_n]^\top$ | `x_z` | $D \times L$ | first sum of the E step |
# | $\sum_n \mathbb E[z_n z_n^\top]$ | `z_z` | $L \times L$ | second sum of the E step |
# | $S$ | `S` | $D \times D$ | covariance of the data, divided by $N$ |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Logarithms are natural; tensors are float64. The model throughout:
#
# $$z \sim \mathcal N(0, I_L), \qquad x \mid z \sim \mathcal N(\mu + W z, \Psi)$$
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
from scipy import stats
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA, FactorAnalysis

from lvmteach.classroom.exercises import factor_analysis as check
from lvmteach.classroom.figures import plots
from lvmteach.linear_gaussian import ppca_closed_form
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## Exercise 02.1: one more measurement
#
# *20 minutes, difficulty 2 of 3, from notebook 02 "The posterior"*
#
# After some measurements of a wine the posterior of its latent is $z \sim \mathcal N(m, V)$. Now $D$ further columns are measured, $x \mid z \sim \mathcal N(\mu + W z, \Psi)$. The old columns are no longer available. Return the pair `(mean, cov)` of $z$ after the new ones.
#
# - `mean` $(L)$, `cov` $(L, L)$: $m$ and $V$. `x`, `mu`, `psi` $(D)$, `W` $(D, L)$: the new columns.
# - Result: $(L)$ and $(L, L)$.
#
# <details><summary>Hint 1</summary>
#
# The notebook derived the posterior from the prior $\mathcal N(0, I)$. Which terms of $\log p(z)$ change if the prior is $\mathcal N(m, V)$?
# </details>
# <details><summary>Hint 2</summary>
#
# Quadratic terms give the precision, linear ones precision times mean. The prior now has a linear term as well.
# </details>


# %%
def update(mean, cov, x, mu, W, psi):
    """(mean, cov) of z after measuring x (D,), where it was N(mean, cov) before; mu and psi are (D,), W is (D, L)."""
    ### BEGIN SOLUTION
    # -1/2 (z - m)' V^-1 (z - m) - 1/2 (x - mu - W z)' Psi^-1 (x - mu - W z): collect quadratic and linear terms in z.
    weighted = W / psi[:, None]
    old_precision = torch.linalg.inv(cov)
    new_cov = torch.linalg.inv(old_precision + W.T @ weighted)
    linear = old_precision @ mean + (x - mu) @ weighted
    return new_cov @ linear, new_cov
    ### END SOLUTION


# %%
update = check.update(update)

# %% [markdown]
# All columns at once or one after the other must give the same posterior. From here on the notebook's `posterior` is given.


# %%
def posterior(x, mu, W, psi):
    """(mean, cov) of p(z|x) as in the notebook: mean (N, L), cov (L, L); x is (N, D)."""
    scaled = W / psi[:, None]
    cov = torch.linalg.inv(torch.eye(W.shape[1]) + W.T @ scaled)
    return (x - mu) @ scaled @ cov, cov


mu, W = torch.tensor([1.0, 0.5, -2.0]), torch.tensor([[1.5, 0.2], [1.0, -0.8], [0.3, 0.9]])
psi, N = torch.tensor([0.6, 0.1, 0.4]), 200_000
with seeded(21):
    z = torch.randn(N, 2)
    x = mu + z @ W.T + psi.sqrt() * torch.randn(N, 3)
by_turns = torch.zeros(2), torch.eye(2)
for d in range(3):
    by_turns = update(*by_turns, x[0, d : d + 1], mu[d : d + 1], W[d : d + 1], psi[d : d + 1])
    print(
        f"after column {d}: mean {by_turns[0].numpy().round(4)}, log det of the covariance {by_turns[1].logdet():.3f}"
    )
mean, cov = posterior(x, mu, W, psi)
assert torch.allclose(by_turns[0], mean[0])
assert torch.allclose(by_turns[1], cov)

# %% [markdown]
# ## Exercise 02.2: a strange datum
#
# *5 minutes, difficulty 1 of 3, from notebook 02 "The posterior"*
#
# Predict, then run. A datum is moved to ten times its distance from $\mu$, in the same direction. What becomes of the
# posterior covariance of its $z$?
#
# - **a** It grows: the model is less sure about strange data.
# - **b** It shrinks: a large $x$ says more about $z$.
# - **c** It stays the same.
# - **d** That depends on the direction.
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Which of the arguments of your function did you need for its second result?
# </details>
# <details><summary>Hint 2</summary>
#
# The covariance is the inverse of the precision, and the precision comes from the terms that are quadratic in $z$.
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# M holds W and Psi. x stands in the linear term alone.
answer = "c"
### END SOLUTION

# %%
check.far_away(answer)

# %%
far = mu + torch.tensor([[1.0], [10.0]]) * (x[:1] - mu)
for name, one in (("as it came", far[:1]), ("ten times as far", far[1:])):
    mean, cov = posterior(one, mu, W, psi)
    print(f"{name:17} mean {mean[0].numpy().round(3)}, covariance {cov.flatten().numpy().round(3)}")

# %% [markdown]
# ## Exercise 02.3: how likely, without a large matrix?
#
# *20 minutes, difficulty 3 of 3, from notebook 02 "The marginal"*
#
# Return $\log p(x_n) = \log \mathcal N(x_n; \mu, W W^\top + \Psi)$ for each datum, in nats. The data may have a hundred
# thousand columns, so your code must not build any $D \times D$ matrix; `torch.diag(psi)` is one.
# There are few rows: $N \times N$ is allowed.
#
# - Arguments as before. Result: $(N)$, summed over columns and not over data.
#
# <details><summary>Hint 1</summary>
#
# Woodbury's identity and the determinant lemma are in the notebook. Both need $M$.
# </details>
# <details><summary>Hint 2</summary>
#
# The quadratic form has two parts. With $\ell_n = W^\top \Psi^{-1} (x_n - \mu)$ the second one is
# $\ell_n^\top M^{-1} \ell_n$: a sum over the latents, for each row.
# </details>


# %%
def log_lik(x, mu, W, psi):
    """log p(x) in nats for each datum, (N,), without a D x D matrix; arguments as for `posterior`."""
    ### BEGIN SOLUTION
    difference = x - mu
    by_noise = W / psi[:, None]
    M = torch.eye(W.shape[1]) + W.T @ by_noise
    linear = difference @ by_noise  # (N, L)
    # d' (WW' + Psi)^-1 d = d' Psi^-1 d - linear' M^-1 linear. The rows of linear M^-1 come from one solve.
    explained = (linear * torch.linalg.solve(M, linear.T).T).sum(1)
    distance = (difference**2 / psi).sum(1) - explained
    # |WW' + Psi| = |M| |Psi|, as logarithms: the product of many variances leaves the range of floating point.
    log_det = torch.logdet(M) + psi.log().sum()
    return -0.5 * (len(mu) * math.log(2 * math.pi) + log_det + distance)
    ### END SOLUTION


# %%
log_lik = check.log_lik(log_lik)

# %%
scipys = stats.multivariate_normal(mu, W @ W.T + psi.diag()).logpdf(x[:5])  # oracle, in three dimensions
print("yours ", log_lik(x[:5], mu, W, psi).numpy().round(6))
print("scipy ", scipys.round(6))
assert np.allclose(log_lik(x[:5], mu, W, psi), scipys, rtol=1e-10)  # rounding
with seeded(22):
    wide = torch.randn(100_000, 3)
    far = log_lik(torch.randn(2, 100_000), torch.zeros(100_000), wide, torch.ones(100_000))
print(f"100 000 columns: {far.numpy().round(1)} nats; the full matrix would hold {8 * 1e5**2 / 1e9:.0f} gigabytes")

# %% [markdown]
# ## Exercise 02.4: a bound at any q
#
# *20 minutes, difficulty 3 of 3, from notebook 02 "EM"*
#
# You are given a Gaussian $q(z_n) = \mathcal N(m_n, V)$ that need not be the posterior. Return the *evidence lower bound* of each datum,
#
# $$\mathcal L_n = \mathbb E_q[\log p(x_n, z_n)] - \mathbb E_q[\log q(z_n)] \le \log p(x_n),$$
#
# in closed form. It is the notebook's $Q$, for one datum and any $q$, plus the entropy of $q$. Notebooks 03 and 05 use it.
#
# - `x`, `mu`, `W`, `psi` as before; `mean` $(N, L)$, `cov` $(L, L)$. Result: $(N)$, nats.
#
# <details><summary>Hint 1</summary>
#
# $\mathbb E_q[(x_d - \mu_d - w_d^\top z)^2]$ is the square of the mean plus the variance. What is the variance of $w_d^\top z$ under $q$?
# </details>
# <details><summary>Hint 2</summary>
#
# $\mathbb E_q[\log p(z)] - \mathbb E_q[\log q(z)] = -\mathrm{KL}(q \,\|\, p) = \tfrac12 (\log |V| + L - \mathrm{tr}\, V - m_n^\top m_n)$.
# </details>


# %%
def bound(x, mu, W, psi, mean, cov):
    """The evidence lower bound of each datum, (N,), in nats, at q(z_n) = N(mean_n, cov)."""
    ### BEGIN SOLUTION
    # E_q[(x - mu - W z)^2], column by column: square of the mean plus variance w_d' V w_d.
    squares = (x - mu - mean @ W.T) ** 2 + (W @ cov * W).sum(1)
    fit = -0.5 * ((2 * math.pi * psi).log() + squares / psi).sum(1)
    divergence = 0.5 * (cov.trace() + (mean**2).sum(1) - len(cov) - torch.logdet(cov))
    return fit - divergence
    ### END SOLUTION


# %%
bound = check.bound(bound)

# %% [markdown]
# At the posterior the bound equals $\log p(x)$. Elsewhere it lies below, by $\mathrm{KL}(q \,\|\, p(z \mid x))$.

# %%
mean, cov = posterior(x[:5], mu, W, psi)
for name, q_mean, q_cov in (("posterior", mean, cov), ("moved", mean + 0.3, cov), ("twice as wide", mean, 4 * cov)):
    gap = log_lik(x[:5], mu, W, psi) - bound(x[:5], mu, W, psi, q_mean, q_cov)
    print(f"q = {name:13}: gap {gap.numpy().round(4)} nats")
    assert (gap > -1e-10).all()
    assert (gap.abs() < 1e-10).all() == (name == "posterior")

# %% [markdown]
# ## Exercise 02.5: shared noise
#
# *20 minutes, difficulty 2 of 3, from notebook 02 "EM"*
#
# The columns come in groups, say one for each instrument, and the columns of a group share a noise variance. Factor analysis (one column a group) and PPCA (one group) are the extremes. Derive the M step from $Q$. Return the pair `(W, psi)`.
#
# - `x` $(N, D)$: data, perhaps far from zero. `mu` $(D)$: the model's mean, which the M step keeps; it need not be the mean of `x`. `x_z` $= \sum_n (x_n - \mu)\, \mathbb E[z_n]^\top$ $(D, L)$ and `z_z` $= \sum_n \mathbb E[z_n z_n^\top]$ $(L, L)$ from the E step. `groups` $(D)$, integers from 0 on, not all of which need occur: the group of each column.
# - `W` $(D, L)$; `psi` $(D)$, variances, equal within a group.
#
# <details><summary>Hint 1</summary>
#
# Set the derivative of $Q$ in $w_d$ to zero. Does the solution depend on the noise of column $d$?
# </details>
# <details><summary>Hint 2</summary>
#
# Collect the terms of $Q$ that contain the noise $\psi_g$ of group $g$: how often does $\log \psi_g$ occur, and which sum is divided by $\psi_g$?
# </details>


# %%
def grouped_noise(x, mu, x_z, z_z, groups):
    """(W, psi) of the next round, (D, L) and (D,), with one noise variance for each group of columns."""
    ### BEGIN SOLUTION
    # dQ/dw_d = 0 is the regression, whatever the noise: psi_d is a factor of both terms.
    loadings = torch.linalg.solve(z_z, x_z.T).T
    left = ((x - mu) ** 2).mean(0) - (x_z * loadings).sum(1) / len(x)
    # Terms in psi_g: -N/2 (n_g log psi_g + sum of left / psi_g). Their derivative is zero at the mean of left.
    return loadings, torch.stack([left[groups == group].mean() for group in groups])
    ### END SOLUTION


# %%
grouped_noise = check.grouped_noise(grouped_noise)

# %% [markdown]
# Three models by one M step, on 13 measurements of 178 wines: one noise variance for all columns, one for each of two groups, and one for each column.


# %%
def em(x, L, groups, steps=2000):
    """EM by your M step: mu, W, psi, and the mean log-likelihood before each step."""
    mu, psi, trace = x.mean(0), torch.ones(x.shape[1]), []
    W = torch.randn(x.shape[1], L)
    for _ in range(steps):
        trace.append(log_lik(x, mu, W, psi).mean())
        means, cov = posterior(x, mu, W, psi)
        W, psi = grouped_noise(x, mu, (x - mu).T @ means, means.T @ means + len(x) * cov, groups)
    return mu, W, psi, torch.stack(trace)


wine = load_wine()
x = torch.tensor(stats.zscore(wine.data))
ways = {"PPCA": 0 * torch.arange(13), "two groups": (torch.arange(13) > 4).long(), "factor analysis": torch.arange(13)}
traces = {}
for name, groups in ways.items():
    with seeded(23):
        mu, W, psi, traces[name] = em(x, 2, groups)
    assert traces[name].diff().min() > -1e-11  # never falls, up to rounding
    print(f"{name:16} {traces[name][-1]:.6f} nats per wine")
peer = FactorAnalysis(2, svd_method="lapack", tol=1e-9, max_iter=20_000).fit(x.numpy()).score(x.numpy())
print(f"scikit-learn     {peer:.6f}")
assert abs(traces["factor analysis"][-1] - peer) < 1e-5 * abs(peer)  # both stop a little below the maximum
assert traces["PPCA"][-1] < traces["two groups"][-1] < traces["factor analysis"][-1]

# %% [markdown]
# ## Exercise 02.6: how many latents, without a fit
#
# *20 minutes, difficulty 3 of 3, from notebook 02 "PPCA: the maximum in closed form" and "What the factors say, and what they cannot"*
#
# The maximum of PPCA's likelihood needs only the eigenvalues of $S$. So the *Bayesian information criterion* (BIC), which subtracts a penalty for each parameter, can be computed for all $L$ without a fit. Return
#
# $$\mathrm{BIC}_L = \log p(x_1, \dots, x_N \mid \hat\theta_L) - \tfrac12\, k_L \log N, \qquad L = 1, \dots, D - 1,$$
#
# in nats, the larger the better. $k_L$ is the number of *free* parameters: do not count those that only rotate the latents.
#
# - `S` $(D, D)$, $D \ge 2$, the data's covariance, divided by $N$; `N`, the number of data. Variances may be so small that a determinant is zero to a
#   computer. Result: $(D - 1)$.
#
# <details><summary>Hint 1</summary>
#
# `torch.linalg.eigvalsh` returns eigenvalues in ascending order. The notebook's formula is for one datum.
# </details>
# <details><summary>Hint 2</summary>
#
# The mean has $D$ parameters, the noise one, $W$ has $D L$ entries. How many angles does a rotation in $L$ dimensions have?
# </details>


# %%
def ppca_bic(S, N):
    """BIC in nats of PPCA with 1, ..., D - 1 latents, (D - 1,); S is (D, D), divided by N."""
    ### BEGIN SOLUTION
    values, D, found = torch.linalg.eigvalsh(S).flip(0), len(S), []
    for L in range(1, D):
        noise = values[L:].mean()
        one_datum = -0.5 * (D * math.log(2 * math.pi) + values[:L].log().sum() + (D - L) * noise.log() + D)
        # W R gives the same density for every rotation R: L (L - 1) / 2 angles are not free.
        free = D + D * L - L * (L - 1) / 2 + 1
        found.append(N * one_datum - 0.5 * free * math.log(N))
    return torch.stack(found)
    ### END SOLUTION


# %%
ppca_bic = check.ppca_bic(ppca_bic)

# %% [markdown]
# Draw data from a known model with three latents. **Which of four sample sizes are enough for BIC to find the three?**

# %%
with seeded(26):
    true_W = torch.randn(8, 3)
for N in (30, 100, 1000, 10_000):
    with seeded(27):
        sampled = torch.randn(N, 3) @ true_W.T + torch.randn(N, 8)
    bics = ppca_bic(torch.tensor(np.cov(sampled.T.numpy(), bias=True)), N)
    print(f"N = {N:6}: best L = {bics.argmax() + 1}, ahead of the next by {bics.sort().values.diff()[-1]:.1f} nats")
assert bics.argmax() + 1 == 3
peer = PCA(3).fit(sampled.numpy()).score(sampled.numpy()) * N  # oracle: scikit-learn, which divides by N - 1
assert abs(bics[2] + 0.5 * (8 + 24 - 3 + 1) * math.log(N) - peer) < 1e-5 * abs(peer)

# %% [markdown]
# Here 100 are enough and 30 are not: with few data the penalty outweighs what a further latent gains.
#
# ## Exercise 02.7: turn the latents
#
# *5 minutes, difficulty 1 of 3, from notebook 02 "What the factors say, and what they cannot"*
#
# Predict, then run. You replace $W$ by $W R$, with $R$ orthogonal. Which of these changes?
#
# - **a** The log-likelihood of each datum.
# - **b** The posterior mean of each $z$.
# - **c** The reconstruction $\mu + W\, \mathbb E[z \mid x]$ of each datum.
# - **d** The noise variances after the next round of EM.
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# What is the marginal covariance of the new model?
# </details>
# <details><summary>Hint 2</summary>
#
# Replace $W$ by $W R$ in the formulas of $M$ and of the posterior mean, and move $R$ to the outside.
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# M becomes R'MR, so the mean becomes R' M^-1 R R' W' Psi^-1 (x - mu) = R' E[z|x]. The rest is as it was.
answer = "b"
### END SOLUTION

# %%
check.what_turns(answer)


# %%
def told(W):
    """The four of them, as numbers."""
    means = posterior(x, mu, W, psi)[0]
    x_z, z_z = (x - mu).T @ means, means.T @ means + len(x) * posterior(x, mu, W, psi)[1]
    return log_lik(x, mu, W, psi), means, mu + means @ W.T, grouped_noise(x, mu, x_z, z_z, torch.arange(13))[1]


turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
for letter, before, after in zip("abcd", told(W), told(W @ turn), strict=True):
    print(f"{letter}: largest change {(after - before).abs().max():.1e}")

# %% [markdown]
# ## Exercise 02.8: are two fits the same?
#
# *20 minutes, difficulty 3 of 3, from notebook 02 "What the factors say, and what they cannot"*
#
# Two runs of EM end in different loadings $W$ and $V$. To compare them, turn one onto the other. Return the orthogonal
# $R$ that minimises $\lVert W R - V \rVert^2$, the sum of squares of all entries.
#
# - `W`, `V` $(D, L)$, with $W^\top V$ of full rank, so that there is one $R$ only. Result: $(L, L)$, with $R^\top R = I$;
#   it may include a reflection.
#
# <details><summary>Hint 1</summary>
#
# Multiply out. Only one term depends on $R$, the trace of $R^\top W^\top V$. Make it as large as you can.
# </details>
# <details><summary>Hint 2</summary>
#
# With the singular value decomposition $W^\top V = A \Sigma B^\top$ the trace is that of $\Sigma\, (B^\top R^\top A)$, and the
# bracket is orthogonal. None of its diagonal entries can exceed 1.
# </details>


# %%
def align(W, V):
    """The orthogonal R, (L, L), that brings W R closest to V; both are (D, L)."""
    ### BEGIN SOLUTION
    # |W R - V|^2 = |W|^2 + |V|^2 - 2 tr(R' W' V). The singular values are positive, so the trace is largest when
    # B' R' A = I, that is, R = A B'.
    A, _, B_transposed = torch.linalg.svd(W.T @ V)
    return A @ B_transposed
    ### END SOLUTION


# %%
align = check.align(align)

# %% [markdown]
# A second run of EM from another start. **Do the two agree, and what does that say about the factors?**

# %%
with seeded(24):
    _, V, _, other = em(x, 2, torch.arange(13))
R = align(W, V)
print(f"log-likelihoods {traces['factor analysis'][-1]:.8f} and {other[-1]:.8f}")
print(f"largest difference of loadings: as they came {(W - V).abs().max():.3f}, turned {(W @ R - V).abs().max():.1e}")
assert torch.allclose(R.T @ R, torch.eye(2), atol=1e-12)  # rounding
assert (W @ R - V).abs().max() < 1e-3 < (W - V).abs().max()  # what 2000 steps have left

# %%
fig, ax = plots.figure(size=(7.5, 5))
looks = {"first run": (W, plots.BLUE, "o"), "second run": (V, plots.ORANGE, "s"), "first, turned": (W @ R, "k", "x")}
for name, (loadings, colour, marker) in looks.items():
    ax.plot(*loadings.T, marker, color=colour, ms=7, label=name)
ax.set(xlabel="loading on the first factor", ylabel="loading on the second", aspect="equal", xticks=(-0.6, 0, 0.3))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plots.show(
    fig, alt="Loadings of 13 measurements from two runs at different places; the first, turned, meets the second."
)

# %% [markdown]
# The two runs agree up to an orthogonal matrix: the same log-likelihood and the same $W W^\top$, but other factors. The data determine the plane of the factors, not the axes in it.
#
# ## Exercise 02.9: fill in the holes
#
# *20 minutes, difficulty 3 of 3, from notebook 02 "Missing entries"*
#
# Some entries of `x` are NaN. Return the data with each of these replaced by its conditional expectation given the
# entries seen *in the same row*; the seen entries stay.
#
# - `x` $(N, D)$ with NaN, a row may be all NaN; `mu`, `W`, `psi` as before, and known. Leave `x` itself as it is.
# - Result: $(N, D)$, no NaN.
#
# <details><summary>Hint 1</summary>
#
# The marginal of the seen entries is the same model without the other entries of $\mu$ and $\psi$ and rows of $W$. A loop over data is fine;
# then your `posterior` does most of the work.
# </details>
# <details><summary>Hint 2</summary>
#
# Given $z$ the missing entries do not depend on the seen ones. So the seen ones give $\mathbb E[z]$, and that gives the
# missing ones. What is $\mathbb E[z]$ when nothing was seen?
# </details>


# %%
def impute(x, mu, W, psi):
    """The data with each NaN at its conditional expectation, (N, D), as a new tensor."""
    ### BEGIN SOLUTION
    rows = []
    for one in x:
        seen = ~one.isnan()
        # The posterior of the struck-out model. With nothing seen M = I and the mean is zero: the prior.
        z_mean, _ = posterior(one[None, seen], mu[seen], W[seen], psi[seen])
        # E[x | seen] = mu + W E[z | seen] where it is missing.
        rows.append(torch.where(seen, one, mu + z_mean[0] @ W.T))
    return torch.stack(rows)
    ### END SOLUTION


# %%
impute = check.impute(impute)

# %% [markdown]
# Each pixel is lost with probability one half. The parameters come from other digits, by PPCA's closed form. Pixels run from
# 0 to 16. **How much smaller is the error than with the pixel's mean?**

# %%
digits = torch.tensor(load_digits().data)
known, fresh = digits[:1200], digits[1200:]
fit = ppca_closed_form(known, 15)
with seeded(25):
    gone = torch.rand(fresh.shape) < 0.5
holes = fresh.masked_fill(gone, math.nan)
filled = impute(holes, fit.mu, fit.W, fit.noise.expand(64))
with_mean = torch.where(gone, known.mean(0), fresh)
errors = [(one - fresh)[gone].square().mean().sqrt().item() for one in (with_mean, filled)]
print(f"root mean square error: mean {errors[0]:.2f}, conditional expectation {errors[1]:.2f}")
assert errors[1] < 0.8 * errors[0]

# %%
fig, axes = plots.figure(4, 1, size=(11, 4.6))
panels = {"seen": holes.nan_to_num(0), "mean": with_mean, "your guess": filled, "truth": fresh}
for ax, (name, images) in zip(axes, panels.items(), strict=True):
    plots.image_grid(ax, images[:16] / 16, (8, 8), cols=16)
    ax.set_title(name, loc="left", fontsize=13)
plots.show(
    fig, alt="Sixteen digits, half their pixels lost: means leave them blurred, conditional expectations restore."
)

# %% [markdown]
# The error is about a quarter smaller.
#
# ## Exercise 02.10: holes that say something
#
# *20 minutes, difficulty 3 of 3, from notebook 02 "Missing entries" and "Further: holes that hide dark pixels"*
#
# An instrument cannot report values above a limit: in the *last* column every entry above `limit` is NaN, and only those. These entries are missing *not* at random, and the mechanism is known. Return the data with each hole at its conditional expectation given what was seen in the row *and that it is a hole*.
#
# - `x` $(N, D)$ with NaN in the last column only ($D$ may be 1: then nothing else was seen); `mu`, `W`, `psi` as before, and known; `limit`, a number. Leave `x` itself as it is.
# - Result: $(N, D)$, no NaN.
#
# <details><summary>Hint 1</summary>
#
# Given the other columns the last one is normal. Which mean and which variance? The variance has two parts.
# </details>
# <details><summary>Hint 2</summary>
#
# For $y \sim \mathcal N(m, s^2)$: $\mathbb E[y \mid y > c] = m + s\, \phi(\alpha) / P(Z > \alpha)$ with $\alpha = (c - m)/s$. For large $\alpha$ numerator and denominator underflow to zero: use `torch.special.log_ndtr`.
# </details>


# %%
def impute_hidden(x, mu, W, psi, limit):
    """The data with each NaN of the last column at its expectation given the row and that it exceeds limit, (N, D)."""
    ### BEGIN SOLUTION
    z_mean, z_cov = posterior(x[:, :-1], mu[:-1], W[:-1], psi[:-1])
    centre = mu[-1] + z_mean @ W[-1]
    spread = (W[-1] @ z_cov @ W[-1] + psi[-1]).sqrt()  # what is not known of z, and the noise
    alpha = (limit - centre) / spread
    log_hazard = -0.5 * alpha**2 - 0.5 * math.log(2 * math.pi) - torch.special.log_ndtr(-alpha)
    last = torch.where(x[:, -1].isnan(), centre + spread * log_hazard.exp(), x[:, -1])
    return torch.cat([x[:, :-1], last[:, None]], 1)
    ### END SOLUTION


# %%
impute_hidden = check.impute_hidden(impute_hidden)

# %% [markdown]
# Three columns, and the third one is not reported above 1. Compare the mean of the imputed entries with that of the hidden ones. **In which direction is the fill-in for MAR wrong?**

# %%
mu, W = torch.tensor([0.0, 0.0, 0.0]), torch.tensor([[1.0], [0.7], [0.9]])
psi, limit, N = torch.tensor([0.5, 0.5, 0.4]), 1.0, 20_000
with seeded(28):
    x = torch.randn(N, 1) @ W.T + psi.sqrt() * torch.randn(N, 3)
hole = x[:, 2] > limit
seen = torch.where(torch.stack([torch.zeros(N, dtype=torch.bool)] * 2 + [hole], 1), math.nan, x)
for name, filled in (("MAR", impute(seen, mu, W, psi)), ("known mechanism", impute_hidden(seen, mu, W, psi, limit))):
    off = (filled - x)[hole, 2]
    error = off.std() / math.sqrt(len(off))
    print(
        f"{name:16} imputed minus true {off.mean():+.3f} ± {error:.3f}, root mean square {off.square().mean().sqrt():.3f}"
    )
assert off.mean().abs() < 5 * error

# %% [markdown]
# The MAR fill-in is too low: it ignores that a hole means a value above 1. With the mechanism known, no bias can be seen.
#
# ## Exercise 02.11: prove that the covariance is enough
#
# *20 minutes, difficulty 2 of 3, from notebook 02 "Is it right?"*
#
# Prove: with $\mu$ at the mean of the data, one round of EM for factor analysis depends on the data only through $S$, and not on $N$. Conclude that the fit to $x$ and the fit to $-x$ have the same $W W^\top$ and $\Psi$ if both start at the same $(W, \Psi)$. Your lecturer reads it; there is no check.

# %% [markdown] tags=["proof"]
# Let $G = M^{-1} W^\top \Psi^{-1}$, $(L, D)$, which holds no data. Then $\mathbb E[z_n] = G (x_n - \mu)$.
#
# *E step.* $\sum_n (x_n - \mu)\, \mathbb E[z_n]^\top = \sum_n (x_n - \mu)(x_n - \mu)^\top G^\top = N S G^\top$, and $\sum_n \mathbb E[z_n z_n^\top] = N M^{-1} + N G S G^\top$.
#
# *M step.* $W' = N S G^\top (N M^{-1} + N G S G^\top)^{-1} = S G^\top (M^{-1} + G S G^\top)^{-1}$, and $\psi'_d = S_{dd} - (S G^\top W'^\top)_{dd}$. Only $S$ is left.
#
# *Conclusion.* $-x$ has the mean $-\mu$ and the covariance $S$. By induction over the rounds all iterates are equal, so are $W W^\top$ and $\Psi$.

# %% [markdown] tags=["rubric"]
# **Rubric, 5 points.** 1: $\mathbb E[z_n]$ written as a matrix without data times $x_n - \mu$. 1: first sum is $N S G^\top$. 1: second sum, *with* $N M^{-1}$. 1: both M steps, $N$ cancelled. 1: the conclusion by induction, with the remark that the covariance of $-x$ is $S$.
# A common slip: the term $N M^{-1}$ is forgotten; $N$ cancels even so, so the slip is easy to overlook.

# %% [markdown]
# ## An open problem
#
# No check here, and no single answer. The loadings can be turned freely, so turn them until they are easy to read: find the rotation of the
# wines' loadings for $L = 3$ that makes as many of them as possible nearly zero. Which measure of "nearly zero" do you
# choose, and do ten random starts find the same best rotation? Fit again on each half of the wines. Would you give the axes names?

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - A Gaussian posterior is read off its exponent; here its covariance is the same for every datum.
# - The bound of EM is $Q$ plus the entropy of $q$; at the posterior it equals $\log p(x)$.
# - The M step is a regression, and its noise is what the regression leaves, averaged over the columns that share it.
# - If a hole depends on the value that it hides, the mechanism belongs to the model.
# - An $L \times L$ matrix is enough for the log-likelihood of any number of columns.
# - Factors are known up to an orthogonal matrix. Compare fits by $W W^\top$, or align them first.
#
# **To read** Tipping and Bishop, *Probabilistic principal component analysis* (1999); Rubin and Thayer, *EM algorithms
# for ML factor analysis* (1982).
#
# **The next question** What becomes of the E step if $z$ is a label instead of a vector? Notebook 03 and its exercises.
