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
# - write posterior, E step, M step and log-likelihood of a linear-Gaussian model, and put them together to EM;
# - keep every matrix small, however many columns there are;
# - solve PPCA in closed form, compare fits that differ by a rotation, and fill in missing entries.
#
# **Time** 130 minutes; the cells run in about 6 seconds on a laptop. **Prerequisites** notebook 02; Gaussian conditioning,
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

# %%
import math

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA, FactorAnalysis

from lvmteach.classroom.exercises import factor_analysis as check
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## Exercise 02.1: what stood behind it?
#
# *15 minutes, difficulty 1 of 3, from notebook 02 "The posterior"*
#
# Return the pair `(mean, cov)` of $p(z_n \mid x_n) = \mathcal N(m_n, V)$.
#
# - `x` $(N, D)$, `mu` $(D)$, `W` $(D, L)$, `psi` $(D)$, the noise variances.
# - `mean` $(N, L)$, one row for each datum; `cov` $(L, L)$, the same for all.
#
# <details><summary>Hint 1</summary>
#
# Collect the terms of $\log p(z) + \log p(x \mid z)$ that are quadratic in $z$: they give the precision. The linear ones
# give precision times mean.
# </details>
# <details><summary>Hint 2</summary>
#
# $\Psi^{-1} W$ divides each row of $W$ by its noise. Data are rows here, so the formula for $m_n$ appears transposed.
# </details>


# %%
def posterior(x, mu, W, psi):
    """(mean, cov) of p(z|x): mean (N, L), cov (L, L); x is (N, D), mu (D,), W (D, L), psi (D,) variances."""
    ### BEGIN SOLUTION
    # The exponent is -z'z/2 - (x - mu - W z)' Psi^-1 (x - mu - W z)/2. Quadratic: -z' (I + W' Psi^-1 W) z / 2.
    scaled = W / psi[:, None]
    precision = torch.eye(W.shape[1]) + W.T @ scaled
    cov = torch.linalg.inv(precision)
    # Linear: z' W' Psi^-1 (x - mu). For all rows at once, and transposed: (x - mu) Psi^-1 W. cov is symmetric.
    return (x - mu) @ scaled @ cov, cov
    ### END SOLUTION


# %%
posterior = check.posterior(posterior)

# %% [markdown]
# Check it by simulation. Draw $z$, then $x$, then forget $z$: what you forgot should scatter around `mean` with
# covariance `cov`.

# %%
mu, W = torch.tensor([1.0, 0.5, -2.0]), torch.tensor([[1.5, 0.2], [1.0, -0.8], [0.3, 0.9]])
psi, N = torch.tensor([0.6, 0.1, 0.4]), 200_000
with seeded(21):
    z = torch.randn(N, 2)
    x = mu + z @ W.T + psi.sqrt() * torch.randn(N, 3)
mean, cov = posterior(x, mu, W, psi)
scatter = (z - mean).T @ (z - mean) / N
print("covariance of z - mean", scatter.numpy().round(4).tolist(), "cov", cov.numpy().round(4).tolist())
var = cov.diagonal()
std_err = ((torch.outer(var, var) + cov**2) / N).sqrt()  # of a Gaussian's sample covariance
assert ((scatter - cov).abs() < 5 * std_err).all()

# %% [markdown]
# ## Exercise 02.2: a strange datum
#
# *5 minutes, difficulty 1 of 3, from notebook 02 "The posterior"*
#
# Predict, then run. A datum moves away from $\mu$, in its own direction, to ten times its distance. What becomes of the
# posterior covariance of its $z$?
#
# - **a** It grows: the model is less sure about strange data.
# - **b** It shrinks: a large $x$ says more about $z$.
# - **c** It stays the same.
# - **d** That depends on the direction in which $x$ moves.
#
# Write the letter in quotes, in place of the dots.
#
# <details><summary>Hint 1</summary>
#
# Which of the arguments of your function did you need for its second result?
# </details>
# <details><summary>Hint 2</summary>
#
# The covariance is the inverse of the precision, and the precision is what stands beside $z$ squared.
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
# thousand columns, so nothing of shape $D \times D$ may be made on the way; `torch.diag(psi)` is such a thing.
#
# - Arguments as before. Result: $(N)$, summed over columns and not over data.
#
# <details><summary>Hint 1</summary>
#
# Woodbury's identity and its partner for the determinant stand in the notebook. Both need $M$.
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
# ## Exercise 02.4: the E step
#
# *15 minutes, difficulty 2 of 3, from notebook 02 "EM"*
#
# Of all posteriors the M step needs two sums. Return the pair `(x_z, z_z)`,
#
# $$\sum_n (x_n - \mu)\, \mathbb E[z_n]^\top \quad (D \times L) \qquad \text{and} \qquad \sum_n \mathbb E[z_n z_n^\top] \quad (L \times L),$$
#
# with expectations under $p(z_n \mid x_n)$. Arguments as before. Use your `posterior`.
#
# <details><summary>Hint 1</summary>
#
# A sum over data of outer products is one matrix product.
# </details>
# <details><summary>Hint 2</summary>
#
# $\mathbb E[z z^\top]$ is not $\mathbb E[z]\, \mathbb E[z]^\top$. What is their difference called, and how often do you add it up?
# </details>


# %%
def e_step(x, mu, W, psi):
    """(x_z, z_z): sums over the data of (x - mu) E[z]', (D, L), and of E[z z'], (L, L)."""
    ### BEGIN SOLUTION
    means, each_cov = posterior(x, mu, W, psi)
    # E[zz'] = Cov[z] + E[z] E[z]'. The covariance is the same for each of the N data.
    return (x - mu).T @ means, means.T @ means + len(x) * each_cov
    ### END SOLUTION


# %%
e_step = check.e_step(e_step)

# %% [markdown]
# ## Exercise 02.5: the M step
#
# *15 minutes, difficulty 2 of 3, from notebook 02 "EM"*
#
# Derive the parameters that maximise $\sum_n \mathbb E[\log p(x_n, z_n)]$, given the two sums. Return the pair `(W, psi)`.
#
# - `x` $(N, D)$, `mu` $(D)$: data, and the mean, which stays. `x_z` $(D, L)$, `z_z` $(L, L)$: sums, as above.
# - `W` $(D, L)$; `psi` $(D)$, variances, one for each column.
#
# <details><summary>Hint 1</summary>
#
# $W$ is a least-squares regression of $x - \mu$ on $z$: the sum of products, divided by the sum of squares.
# </details>
# <details><summary>Hint 2</summary>
#
# $\psi_d$ is the mean of $\mathbb E[(x_{nd} - \mu_d - w_d^\top z_n)^2]$. Multiply out, and put the new $w_d$ in: of three
# terms two become one.
# </details>


# %%
def m_step(x, mu, x_z, z_z):
    """(W, psi) of the next round: loadings (D, L), noise variances (D,)."""
    ### BEGIN SOLUTION
    # Derivative in W: x_z - W z_z = 0. z_z is symmetric, so W' solves z_z W' = x_z'.
    loadings = torch.linalg.solve(z_z, x_z.T).T
    # Mean of (x - mu)^2 - 2 (x - mu) w'E[z] + w' E[zz'] w. At this W the last term is half of the middle one:
    # w' z_z w = w' x_z. So one of the two is left.
    explained = (x_z * loadings).sum(1) / len(x)
    return loadings, ((x - mu) ** 2).mean(0) - explained
    ### END SOLUTION


# %%
m_step = check.m_step(m_step)

# %% [markdown]
# Put the steps together, on 13 measurements of 178 wines. **What must the curve look like if your steps are right?**


# %%
def em(x, L, steps=2000):
    """Factor analysis by your steps: mu, W, psi, and the mean log-likelihood before each step."""
    mu, psi, trace = x.mean(0), torch.ones(x.shape[1]), []
    W = torch.randn(x.shape[1], L)
    for _ in range(steps):
        trace.append(log_lik(x, mu, W, psi).mean())
        W, psi = m_step(x, mu, *e_step(x, mu, W, psi))
    return mu, W, psi, torch.stack(trace)


wine = load_wine()
x = torch.tensor(stats.zscore(wine.data))
with seeded(23):
    mu, W, psi, trace = em(x, L=2)
peer = FactorAnalysis(2, svd_method="lapack", tol=1e-9, max_iter=20_000).fit(x.numpy()).score(x.numpy())
print(f"EM {trace[-1]:.6f}, scikit-learn {peer:.6f} nats per wine")
assert trace.diff().min() > -1e-11  # never falls, up to rounding
assert abs(trace[-1] - peer) < 1e-5 * abs(peer)  # both stop a little below the maximum

# %%
fig, ax = plots.figure()
ax.semilogx(range(1, 2001), trace, color=plots.BLUE, label="your EM")
ax.axhline(peer, ls="--", color=plots.BLACK, label="scikit-learn")
ax.set(xlabel="EM step", ylabel="log-likelihood, nats per wine", ylim=(peer - 3, peer + 0.3))
ax.legend(loc="lower right")
plots.show(fig, alt="The log-likelihood rises at each EM step, fast and then slowly, up to scikit-learn's dashed line.")

# %% [markdown]
# ## Exercise 02.6: PPCA at once
#
# *15 minutes, difficulty 2 of 3, from notebook 02 "PPCA: the maximum in closed form"*
#
# One noise variance for all columns: then the maximum of the likelihood has a closed form. Return the pair
# `(W, noise)`.
#
# - `S` $(D, D)$, the data's covariance; `L`, the number of latents, $1 \le L < D$.
# - `W` $(D, L)$, in any rotation and with any signs: the check compares $W W^\top$. `noise`, one number, a variance.
#
# <details><summary>Hint 1</summary>
#
# `torch.linalg.eigh(S)` returns eigenvalues and eigenvectors. In which order, and are the vectors rows or columns?
# </details>
# <details><summary>Hint 2</summary>
#
# Along a principal axis the model's variance is $|w|^2 + \sigma^2$, and it should match the eigenvalue.
# </details>


# %%
def closed_form(S, L):
    """(W, noise) of PPCA at its maximum: loadings (D, L), one noise variance; S is (D, D)."""
    ### BEGIN SOLUTION
    values, vectors = torch.linalg.eigh(S)  # ascending, so the last L are the principal ones
    # The noise is what the factors leave, averaged: one number has to serve D - L directions.
    noise = values[: len(S) - L].mean()
    # w = c u gives c^2 + noise along u, which is to be the eigenvalue. Each column has a c of its own.
    return vectors[:, -L:] * (values[-L:] - noise).sqrt(), noise
    ### END SOLUTION


# %%
closed_form = check.closed_form(closed_form)

# %% [markdown]
# scikit-learn's `PCA` scores by the covariance that is divided by $N - 1$. Give that one to your function, and the
# numbers should be equal.

# %%
for L in (1, 2, 5):
    W_pca, noise = closed_form(torch.tensor(np.cov(x.T.numpy())), L)
    ours = log_lik(x, x.mean(0), W_pca, noise.expand(13)).mean()
    peer = PCA(L).fit(x.numpy()).score(x.numpy())
    print(f"L = {L}: yours {ours:.8f}, scikit-learn {peer:.8f} nats per wine")
    assert abs(ours - peer) < 1e-10 * abs(peer)  # rounding

# %% [markdown]
# ## Exercise 02.7: turn the latents
#
# *5 minutes, difficulty 1 of 3, from notebook 02 "What the factors say, and what they cannot"*
#
# Predict, then run. You replace $W$ by $W R$, with $R$ orthogonal. Which of these changes?
#
# - **a** The log-likelihood of each datum.
# - **b** The posterior mean of each $z$.
# - **c** The reconstruction $\mu + W\, \mathbb E[z \mid x]$ of each datum.
# - **d** The noise variances that the next M step returns.
#
# <details><summary>Hint 1</summary>
#
# What is the marginal covariance of the new model?
# </details>
# <details><summary>Hint 2</summary>
#
# Put $W R$ for $W$ in the formulas of $M$ and of the posterior mean, and take $R$ out of the brackets.
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
    return log_lik(x, mu, W, psi), means, mu + means @ W.T, m_step(x, mu, *e_step(x, mu, W, psi))[1]


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
# - `W`, `V` $(D, L)$. Result: $(L, L)$, with $R^\top R = I$; reflections are welcome.
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
    _, V, _, other = em(x, L=2)
R = align(W, V)
print(f"log-likelihoods {trace[-1]:.8f} and {other[-1]:.8f}")
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
# ## Exercise 02.9: fill in the holes
#
# *20 minutes, difficulty 3 of 3, from notebook 02 "Missing entries"*
#
# Some entries of `x` are NaN. Return the data with each of them replaced by its conditional expectation given what was
# seen *in the same row*; what was seen stays.
#
# - `x` $(N, D)$ with NaN, also in whole rows; `mu`, `W`, `psi` as before, and known. Leave `x` itself as it is.
# - Result: $(N, D)$, no NaN.
#
# <details><summary>Hint 1</summary>
#
# The marginal of the seen entries is the same model with rows of $\mu$, $W$ and $\psi$ struck out. A loop over data is fine;
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
# Half of the pixels of each digit are lost. The parameters come from other digits, by your closed form. Pixels run from
# 0 to 16. **How much better than the mean of the pixel?**

# %%
digits = torch.tensor(load_digits().data)
known, fresh = digits[:1200], digits[1200:]
W_digits, noise = closed_form(torch.tensor(np.cov(known.T.numpy(), bias=True)), 15)
with seeded(25):
    gone = torch.rand(fresh.shape) < 0.5
holes = fresh.masked_fill(gone, math.nan)
filled = impute(holes, known.mean(0), W_digits, noise.expand(64))
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
# ## An open problem
#
# No check here, and no single answer. The loadings can be turned freely, so turn them to be read: find the rotation of the
# wines' loadings for $L = 3$ that makes as many of them as possible nearly zero. Which measure of "nearly zero" do you
# choose, and does its best rotation come back from ten random starts? Fit again on half of the wines, and on the other
# half. Would you give the axes names?

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - A Gaussian posterior is read off its exponent; here its covariance is the same for every datum.
# - The E step returns two sums. The variance of what you do not know belongs to them, once for each datum.
# - The M step is a regression, and its noise is what the regression leaves.
# - An $L \times L$ matrix is enough for the log-likelihood of any number of columns.
# - Factors are known up to an orthogonal matrix. Compare fits by $W W^\top$, or align them first.
#
# **To read** Tipping and Bishop, *Probabilistic principal component analysis* (1999); Rubin and Thayer, *EM algorithms
# for ML factor analysis* (1982).
#
# **The next question** What becomes of the E step if $z$ is a label instead of a vector? Notebook 03 and its exercises.
