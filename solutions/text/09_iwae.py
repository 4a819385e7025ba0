# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 09 Exercises: The importance weighted autoencoder
#
# After these exercises you will be able to
#
# - say what a mean inside the logarithm buys that a mean outside does not, and prove that the bound climbs with $K$;
# - derive the bound's gradient for both sets of parameters, and give it a baseline that leaves its mean alone;
# - say why an equal $K$ is no equal bias, and take a bias off to first order;
# - measure how a gradient's signal-to-noise ratio changes with $K$, derive the cure of the encoder's, and write it.
#
# **Time** 170 minutes; the cells run in about 20 seconds on a laptop, a third of it training. **Prerequisites** notebook
# 09; exercises 01 (weights), 06 (reweighting) and 07 (estimators of gradients).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $\log w_k$ | `log_w` | $K \times B$ | log weights, $\log p(x \mid z_k) + \log p(z_k) - \log q(z_k \mid x)$, in nats |
# | $\hat L_K$ | | $B$ | one draw of the bound, $\log \frac1K \sum_k w_k$, in nats |
# | $\mathcal L_K$ | | $B$ | its mean, the bound |
# | $\tilde w_k$ | | $K \times B$ | $w_k / \sum_j w_j$ |
# | $\theta$, $\gamma$ | | | parameters of $p(x, z)$, of $q(z \mid x)$ |
# | $\varepsilon$ | `eps` | $K \times B \times L$ | standard normal noise |
# | $K, B, L$ | | | samples, always the first axis; data; latent dimensions |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Weights and noise come in as arguments: nothing is left to chance. The checks use float64.
# Proofs have no check: your lecturer reads them.
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
from torch.distributions import Bernoulli, Normal

from lvmteach.bounds import iwae
from lvmteach.classroom.exercises import iwae as check
from lvmteach.classroom.explorables.climb import quadrature
from lvmteach.classroom.figures import plots
from lvmteach.data import dynamic, load_images
from lvmteach.runtime import device, seeded
from lvmteach.training import cosine, train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal

# %% [markdown]
# Where all is known: $z \sim \mathcal N(0, 1)$, $x \mid z \sim \mathcal N(z, 1)$, so $p(x) = \mathcal N(x; 0, 2)$ and the
# posterior is $\mathcal N(x/2, \tfrac12)$. Let $q$ be the posterior, moved to the side by $\delta$.

# %%
x, delta = torch.tensor(1.3).double(), 1.0
log_p = stats.norm.logpdf(x, 0, math.sqrt(2))  # oracle: log p(x)


def log_weights(delta, *shape):
    q = Normal(x / 2 + delta, math.sqrt(0.5))
    z = q.sample(shape)
    return Normal(z, 1.0).log_prob(x) + Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)


# %% [markdown]
# ## Exercise 09.1: sixty-four weights
#
# *5 minutes, difficulty 1 of 3, from notebook 09 "An estimate becomes an objective"*
#
# Predict, then run. You can afford 64 weights for a datum. **A**: $M = 64$ sets with $K = 1$. **B**: one set with
# $K = 64$. Which of the two is closer to $\log p(x)$?
#
# - **a** A on average: it averages more often
# - **b** B on average; A varies less from run to run, around a value that is too low
# - **c** B on average; A has the same mean as B, and varies more
# - **d** both alike: they use the same 64 weights
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# The mean of $M$ numbers has the mean of one of them. Which bound is one of A's numbers?
# </details>
# <details><summary>Hint 2</summary>
#
# For the spread: here $\log w$ has variance $v$. Near 1, $w$ and $\log w$ vary alike; far from it, which varies more?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# A is the ELBO, more exactly the more sets there are. B is L_64. log w has the variance v, w the variance e^v - 1 > v.
answer = "b"
### END SOLUTION

# %%
check.sixty_four_weights(answer)

# %%
v, runs = 2 * delta**2, 4000  # log w - log p(x) is N(-v/2, v)
with seeded(83):
    log_w = log_weights(delta, 64, runs)
found = {}
for M in (64, 8, 1):
    values = iwae(log_w.reshape(64 // M, M, runs)).mean(0) - log_p  # K inside the logarithm, M outside
    found[M] = values.mean().item(), values.std().item()
    print(f"M = {M:2}, K = {64 // M:2}: {found[M][0]:7.4f} nats from log p(x) on average, spread {found[M][1]:.4f}")
assert abs(found[64][0] + v / 2) < 5 * found[64][1] / math.sqrt(runs)
assert abs(found[64][1] / math.sqrt(v / 64) - 1) < 5 / math.sqrt(2 * runs)  # relative error of a standard deviation
assert found[64][0] < found[8][0] < found[1][0]

# %% [markdown]
# ## Exercise 09.2: prove that it climbs
#
# *25 minutes, difficulty 3 of 3, from notebook 09 "Why it climbs"*
#
# The notebook showed $\mathcal L_{2K} \ge \mathcal L_K$. Prove $\mathcal L_m \le \mathcal L_K$ for every $m \le K$, and
# compute what stands in the middle of the proof: from $K$ given weights form *every* subset of $m$ of them, and average
# over all subsets $S$ the logarithm of the subset's mean weight,
#
# $$\frac{1}{\binom Km} \sum_{|S| = m} \log \frac1m \sum_{k \in S} w_k.$$
#
# - `log_w` $(K, B)$; `m`, a whole number from 1 to $K$. $K$ is small enough for all subsets.
# - Result: $(B)$, in nats. `torch.combinations` lists the subsets of a range of numbers, one a row, and `log_w[rows]` picks
#   their weights.
#
# <details><summary>Hint 1</summary>
#
# Two things to show. The expectation of this average is one of the two bounds: which, and why? And for given weights it
# is never above a draw of the other.
# </details>
# <details><summary>Hint 2</summary>
#
# For the second: what is the average over all subsets of the subset's mean weight, without a logarithm? Each weight is
# in equally many subsets. Then Jensen, over the choice of the subset.
# </details>


# %%
def subset_bound(log_w, m):
    """Mean over all subsets of m weights of the log of the subset's mean, nats, (B,); log_w is (K, B)."""
    ### BEGIN SOLUTION
    # 1. Any m of the K weights are m independent draws, so each term has expectation L_m, and so has their average.
    # 2. Each weight is in the same share m/K of the subsets: the subsets' means average to the mean of all K weights.
    # 3. Jensen over the choice of S, the weights held fixed:
    #    average of log mean_S  <=  log of the average of mean_S  =  log mean of all K.
    # 4. Take expectations over the weights: L_m <= L_K.
    subsets = torch.combinations(torch.arange(log_w.shape[0], device=log_w.device), m)
    of_each = torch.logsumexp(log_w[subsets], dim=1) - math.log(m)
    return of_each.mean(0)
    ### END SOLUTION


# %%
subset_bound = check.subset_bound(subset_bound)

# %% [markdown]
# The numeric check of your proof. Your average must climb with $m$ for *every* draw of the weights, without an exception in
# 5000; and its mean must be $\mathcal L_m$, which for $m = 1$ and $m = 2$ the notebook has in closed form.

# %%
with seeded(84):
    log_w = log_weights(delta, 6, 5000)
stairs = torch.stack([subset_bound(log_w, m) for m in range(1, 7)])
gain, _ = integrate.quad(lambda e: np.log(np.cosh(math.sqrt(v / 2) * e)) * stats.norm.pdf(e), -12, 12)
for m, exact in ((1, log_p - v / 2), (2, log_p - v / 2 + gain)):
    mean, std_err = stairs[m - 1].mean(), stairs[m - 1].std() / math.sqrt(5000)
    print(f"m = {m}: {mean:.4f} ± {std_err:.4f}, exact L_{m} = {exact:.4f}")
    assert abs(mean - exact) < 5 * std_err
print(f"smallest step of 5000 x 5: {stairs.diff(dim=0).min():.1e} nats")
assert stairs.diff(dim=0).min() > -1e-12  # rounding

# %% [markdown]
# The target picture: thirty draws, each a staircase that never goes down, and their mean.
# **Some of them end above $\log p(x)$. Is that a contradiction?**

# %%
fig, ax = plots.figure()
sizes = range(1, 7)
ax.plot(sizes, stairs[:, :30], color=plots.GREY, lw=1, alpha=0.7)
ax.plot(sizes, stairs.mean(1), "o-", color=plots.BLUE, label="mean of 5000 draws")
ax.axhline(log_p, color=plots.BLACK, ls="--", label="log p(x)")
ax.set(xlabel="size m of the subsets", ylabel="average over subsets (nats)")
ax.legend(loc="lower right")
plots.show(fig, alt="Thirty thin lines, none of which ever falls with m, and their mean, which climbs below log p(x).")

# %% [markdown]
# ## Exercise 09.3: one weight more
#
# *5 minutes, difficulty 2 of 3, from notebook 09 "Why it climbs"*
#
# Predict, then run. You hold $\log \frac1{10} \sum_k w_k$ from ten weights, and draw an eleventh. What will the new value,
# $\log \frac1{11} \sum_k w_k$, do?
#
# - **a** rise for certain: the bound climbs with $K$
# - **b** rise more often than fall: the bound climbs with $K$
# - **c** fall more often than rise, and yet rise on average
# - **d** rise as often as fall: all weights come from one distribution
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# It rises exactly where the eleventh weight is larger than the mean of the ten.
# </details>
# <details><summary>Hint 2</summary>
#
# Here $w$ is log-normal: many small values, few huge ones. Where is its median, where its mean?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# The mean of w is p(x), its median e^(-v/2) p(x): most weights are below the mean. The few above it are far above.
answer = "c"
### END SOLUTION

# %%
check.one_more(answer)

# %%
runs = 20_000
with seeded(85):
    log_w = log_weights(delta, 11, runs)
share, change, error = {}, {}, {}
for K in (1, 10):
    step = (torch.logsumexp(log_w[: K + 1], 0) - math.log(K + 1)) - (torch.logsumexp(log_w[:K], 0) - math.log(K))
    share[K], change[K], error[K] = (step > 0).double().mean(), step.mean(), step.std() / math.sqrt(runs)
    print(
        f"K = {K:2} to {K + 1:2}: rises in {share[K]:.1%} of the runs, by {change[K]:.4f} ± {error[K]:.4f} on average"
    )
assert abs(share[1] - 0.5) < 5 * 0.5 / math.sqrt(runs)  # oracle: of two weights either may be the larger one
assert abs(change[1] - gain) < 5 * error[1]  # oracle: L_2 - L_1, by the quadrature above
assert share[10] < 0.5 - 5 * 0.5 / math.sqrt(runs)
assert change[10] > 5 * error[10]

# %% [markdown]
# Plot such a running value against $K$ for a model of your own. What does its shape tell you of $q$?
#
# ## Exercise 09.4: the gradient of the bound
#
# *30 minutes, difficulty 3 of 3, from notebook 09 "The gradient of the bound"*
#
# Any $z$, discrete or continuous: no reparameterisation. Prove that
#
# $$\nabla_\theta \mathcal L_K = \mathbb E\Big[\sum_k \tilde w_k\, \nabla_\theta \log p(x, z_k)\Big], \qquad
# \nabla_\gamma \mathcal L_K = \mathbb E\Big[\sum_k (\hat L_K - \tilde w_k)\, \nabla_\gamma \log q(z_k \mid x)\Big],$$
#
# and name what you assume when a gradient moves inside a mean. Then say what both become at $K = 1$.

# %% [markdown] tags=["proof"]
# *For held draws.* $\nabla \hat L_K = \nabla \log \sum_k w_k = \sum_k \nabla w_k / \sum_j w_j = \sum_k \tilde w_k \nabla \log w_k$,
# because $\nabla w_k = w_k \nabla \log w_k$.
#
# *$\theta$.* The density of the draws, $\prod_k q(z_k \mid x)$, does not hold $\theta$. So, if the derivative is dominated by an integrable function
# for $\theta$ in a neighbourhood, $\nabla_\theta \mathcal L_K = \mathbb E[\nabla_\theta \hat L_K]$, and $\nabla_\theta \log w_k = \nabla_\theta \log p(x, z_k)$.
#
# *$\gamma$.* Write $\mathcal L_K = \int \prod_k q(z_k) \, \hat L_K \, dz$. The support of $q$ must not move with $\gamma$, and the derivative of the integrand be dominated.
# The product rule gives two terms. First, $\nabla_\gamma \prod_k q(z_k) = \prod_k q(z_k) \sum_k \nabla_\gamma \log q(z_k)$, so
# $\mathbb E[\hat L_K \sum_k \nabla_\gamma \log q(z_k)]$. Second, with held draws, $\mathbb E[\sum_k \tilde w_k \nabla_\gamma \log w_k]$ and
# $\nabla_\gamma \log w_k = -\nabla_\gamma \log q(z_k)$. Together $\sum_k (\hat L_K - \tilde w_k) \nabla_\gamma \log q(z_k)$.
#
# *$K = 1$.* $\tilde w_1 = 1$ and $\hat L_1 = \log w$. $\theta$: $\nabla_\theta \log p(x, z)$, the wake step. $\gamma$: $(\log w - 1) \nabla_\gamma \log q$, the score-function
# gradient of the ELBO; the $-1$ has mean zero.

# %% [markdown] tags=["rubric"]
# **Rubric, 7 points.** 1: $\nabla w = w \nabla \log w$, and the normalised weight out of it. 1: the draws' law is free of $\theta$, said as the reason. 1: the law of $K$ draws is a product, so its score is
# a *sum* over $k$. 1: the second term, with its minus. 1: domination, or another condition for the exchange. 1: fixed support, for $\gamma$. 1: both at $K = 1$, and that $-1$ costs nothing on average.
# A common slip: $\hat L_K$ differentiated with held draws alone, which gives $-\sum_k \tilde w_k \nabla_\gamma \log q(z_k)$ and no more.

# %% [markdown]
# Now compute one draw of both.
#
# - `log_w` $(K, B)$; `slope` $(K, B, P)$, $\nabla_\theta \log p(x, z_k)$; `score` $(K, B, Q)$, $\nabla_\gamma \log q(z_k \mid x)$.
# - Result: the pair for $\theta$ and $\gamma$, $(B, P)$ and $(B, Q)$. Weights may be as small as $e^{-900}$.
#
# <details><summary>Hint 1</summary>
#
# $\nabla w = w \nabla \log w$. Where does that leave the quotient of two sums?
# </details>
# <details><summary>Hint 2</summary>
#
# $\gamma$ stands at two places: in the law of the draws, and inside each weight. One term for each.
# </details>


# %%
def bound_gradient(log_w, slope, score):
    """One draw of the bound's gradient for theta and gamma, (B, P) and (B, Q); samples first in all three."""
    ### BEGIN SOLUTION
    share = torch.softmax(log_w, dim=0)[..., None]
    bound = (torch.logsumexp(log_w, dim=0) - math.log(len(log_w)))[..., None]
    # theta: only the weights hold it. gamma: the law of the draws (the bound times each score), and log q in the weights.
    return (share * slope).sum(0), ((bound - share) * score).sum(0)
    ### END SOLUTION


# %%
bound_gradient = check.bound_gradient(bound_gradient)

# %% [markdown]
# Try it where $\mathcal L_K$ is a finite sum: $z$ is one coin, with $q(1) = \sigma(\gamma)$ and two joint probabilities
# $p(x, z)$. Of $K$ draws $n$ are heads, with a binomial probability. So $\mathcal L_K$ has $K + 1$ terms, and autograd gives the exact gradient.

# %%
log_joint = torch.tensor([0.03, 0.4]).double().log()  # log p(x, z) for z = 0, 1
K, gamma = 5, torch.tensor(-0.3).double().requires_grad_()


def exact_bound(gamma, K):
    heads = torch.arange(K + 1).double()
    log_q = torch.stack([torch.nn.functional.logsigmoid(-gamma), torch.nn.functional.logsigmoid(gamma)])
    log_ways = torch.lgamma(torch.tensor(K + 1.0)) - torch.lgamma(heads + 1) - torch.lgamma(K - heads + 1)
    chance = (log_ways + (K - heads) * log_q[0] + heads * log_q[1]).exp()
    w = (log_joint - log_q).exp()
    return (chance * (((K - heads) * w[0] + heads * w[1]) / K).log()).sum()


def toss(K, runs):  # log weights (K, runs) and scores (K, runs, 1) of coins from q
    z = (q := Bernoulli(logits=gamma.detach())).sample((K, runs))
    return log_joint[z.long()] - q.log_prob(z), (z - q.probs)[..., None]


(truth,) = torch.autograd.grad(exact_bound(gamma, K), gamma)  # oracle
with seeded(82):
    log_w, score = toss(K, 100_000)
_, bare = bound_gradient(log_w, torch.zeros_like(score), score)
mean, std_err = bare.mean(), bare.std() / math.sqrt(len(bare))
print(f"gradient for gamma: {mean:.4f} ± {std_err:.4f}, exact {truth:.4f}")
assert abs(mean - truth) < 5 * std_err

# %% [markdown]
# ## Exercise 09.5: a control variate for each draw
#
# *20 minutes, difficulty 2 of 3, from notebook 09 "The running example"*
#
# In that gradient every score is multiplied by the same $\hat L_K$, good draws and bad ones alike. Pay each draw for what it *adds*:
# return, for each $k$,
#
# $$\hat L_K - \log \frac1{K - 1} \sum_{j \ne k} w_j.$$
#
# Say on paper, in two lines, why the mean of the gradient stays what it was.
#
# - `log_w` $(K, B)$, $K \ge 2$. Result: $(K, B)$.
# - One weight may be so large that in floating point the sum of all is that weight.
#
# <details><summary>Hint 1</summary>
#
# Given the other draws, the baseline is a constant. What is $\mathbb E_q[\text{constant} \cdot \nabla_\gamma \log q(z_k)]$?
# </details>
# <details><summary>Hint 2</summary>
#
# Do not take a weight off the sum: leave it out. A $(K, K, B)$ array with $-\infty$ on its diagonal does it without a loop.
# </details>


# %%
def learning_signal(log_w):
    """For each draw, the bound minus the bound of the other K - 1 draws, nats, (K, B); log_w is (K, B)."""
    ### BEGIN SOLUTION
    # The others are independent of z_k, and a score has mean zero: E[b_k grad log q(z_k)] = E[b_k] E[grad log q(z_k)] = 0.
    K = len(log_w)
    itself = torch.eye(K, dtype=torch.bool, device=log_w.device)[..., None]
    others = log_w.expand(K, *log_w.shape).masked_fill(itself, -math.inf)  # row k: all but draw k
    without = torch.logsumexp(others, dim=1) - math.log(K - 1)
    return torch.logsumexp(log_w, dim=0) - math.log(K) - without
    ### END SOLUTION


# %%
learning_signal = check.learning_signal(learning_signal)

# %% [markdown]
# The same tosses, with the signal in place of the bare bound. **By which factor does the variance fall?**

# %%
share = torch.softmax(log_w, dim=0)
paid = ((learning_signal(log_w) - share)[..., None] * score).sum(0)
mean, std_err = paid.mean(), paid.std() / math.sqrt(len(paid))
print(f"with the control variate {mean:.4f} ± {std_err:.4f}, exact {truth:.4f}")
print(f"variance of one gradient: bare {bare.var():.3f}, with the control variate {paid.var():.3f}")
assert abs(mean - truth) < 5 * std_err
assert paid.var() < bare.var() / 2

# %% [markdown]
# ## Exercise 09.6: take the bias off
#
# *20 minutes, difficulty 2 of 3, from notebook 09 "An equal K is no equal bias"*
#
# $\mathcal L_K = \log p(x) - c/K + O(1/K^2)$, with a $c$ that depends on $q$ and that nobody knows. Combine $\mathcal L_K$ and $\mathcal L_{K-1}$ so
# that $c$ falls out. Estimate $\mathcal L_{K-1}$ from the *same* weights, as a mean over the $K$ ways to leave one out: the **jackknife**,
#
# $$K\, \hat L_K - (K - 1)\, \frac1K \sum_k \log \frac1{K-1} \sum_{j \ne k} w_j.$$
#
# - `log_w` $(K, B)$, $K \ge 2$. Result: $(B)$, in nats.
#
# <details><summary>Hint 1</summary>
#
# The sum over $k$ is over values that you have computed in the exercise before.
# </details>
# <details><summary>Hint 2</summary>
#
# Is it the bound plus something? That something is the mean of your learning signal, times a number.
# </details>


# %%
def jackknife(log_w):
    """K times the bound minus K - 1 times the mean of the bounds without one weight, nats, (B,); log_w is (K, B)."""
    ### BEGIN SOLUTION
    # K (a - c/K) - (K - 1)(a - c/(K - 1)) = a. In terms of the signal: the bound plus (K - 1) times its mean.
    bound = torch.logsumexp(log_w, dim=0) - math.log(len(log_w))
    return bound + (len(log_w) - 1) * learning_signal(log_w).mean(0)
    ### END SOLUTION


# %%
jackknife = check.jackknife(jackknife)

# %% [markdown]
# On the line, with $q$ shifted. **Which of the two is still a lower bound on average?**

# %%
ladder, runs, table = [2, 4, 8, 16, 32], 100_000, []
with seeded(83):
    log_w = log_weights(0.5, ladder[-1], runs) - log_p
for K in ladder:
    both = torch.stack([iwae(log_w[:K]), jackknife(log_w[:K])])
    table.append((both.mean(1), both.std(1) / math.sqrt(runs)))
    (bound, mended), (error, other) = table[-1]
    print(f"K = {K:2}: bound {bound:8.5f} ± {error:.5f}, jackknife {mended:8.5f} ± {other:.5f} nats from log p(x)")
    assert abs(mended) < abs(bound) / 2 + 5 * other
(bound, _), (_, _) = table[1]
assert abs(bound + 0.073179) < 5 * table[1][1][0]  # oracle: the exact L_4, an integral in notebook 09

# %% [markdown]
# The price: no promise is left. A jackknifed value may lie above $\log p(x)$ on average, and where the weights have no variance, there is no $c$.
#
# ## Exercise 09.7: how much better?
#
# *5 minutes, difficulty 2 of 3, from notebook 09 "An equal K is no equal bias"*
#
# Model A was trained with $K = 1$, model B with $K = 50$. By $K = 5000$ samples of its own encoder each, on the same 1000 images, B leads by
# $1.44 \pm 0.09$ nats. From 500 to 5000 samples A had risen by 0.26 and B by 0.41 nats. By how much is B better?
#
# - **a** by 1.44 nats: the same $K$ and the same images, so the bias cancels
# - **b** by more than 1.44 nats: B still rises faster, so more is missing in B
# - **c** nobody can tell from this: each number is too low by a bias of its own, and the rise does not show it
# - **d** nobody can tell: importance sampling is too noisy for differences of one nat
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# What would have to be equal for the bias to cancel?
# </details>
# <details><summary>Hint 2</summary>
#
# Think of a $q$ half as wide as the posterior. How fast does its estimate rise, and how far is it from the end?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# The bias is Var[w] / (2 K p(x)^2) if it has come that far, and each encoder has weights of its own.
answer = "c"
### END SOLUTION

# %%
check.who_is_better(answer)

# %% [markdown]
# *One* model, two judges of equal $K$, and the truth: in two dimensions quadrature gives $\log p(x)$. Sixteen images, and the same
# 8000 weights for every $K$: once with the encoder as the proposal, once with the prior. **How many samples does the prior need for what the
# encoder does with five, and does the jackknife make them agree?**

# %%
images = load_images().to(device())
D = images.train.shape[1]
with seeded(86):
    x_test = dynamic(images.test[:: max(1, len(images.test) // 300)])
    plane = VAE(
        GaussianEncoder(D, 2, (100,)), BernoulliDecoder(2, D, (100,), mean=images.train.mean(0)), StandardNormal(2)
    ).to(device())
    train(
        plane,
        lambda model, x: -model.log_weights(x, K=1).mean(),
        images.train,
        steps=1000,
        lr=cosine(5e-3, 1e-4, 1000),
        prepare=dynamic,
        progress=False,
    )

# %%
few, ladder, gaps = x_test[:16], [5, 20, 80, 400], {}
with torch.no_grad():
    exact = np.mean([quadrature(plane, one).log_p for one in few])  # oracle
    with seeded(88):
        log_w = {"encoder": torch.cat([plane.log_weights(few, 400) for _ in range(20)])}
        z = plane.prior().sample((20, 400, 1))
        log_w["prior"] = torch.cat([plane.decoder(part).log_prob(few) for part in z])  # p(z) and q(z) cancel
for name, weights in log_w.items():
    for K in ladder:
        sets = weights.double().unflatten(0, (-1, K)).movedim(1, 0)  # (K, sets, images)
        values = iwae(sets).mean(1) - exact
        gaps[name, K] = values.mean().item(), values.std().item() / math.sqrt(len(values))
        parts = sets.split(400 // K, dim=1)  # 400 weights of an image at a time: each set asks for K bounds
        mended = torch.cat([jackknife(part.flatten(1)) for part in parts]).mean().item() - exact
        print(
            f"{name:7}, K = {K:3}: {gaps[name, K][0]:8.3f} ± {gaps[name, K][1]:.3f} nats from exact; jackknife {mended:8.3f}"
        )
    gap = np.array([gaps[name, K] for K in ladder])
    assert (np.diff(gap[:, 0]) > -1e-6).all()  # sets of the larger K are made of sets of the smaller
    assert (gap[:, 0] < 5 * gap[:, 1] + 2e-3).all()  # 2e-3: float32 on sums of D terms
assert all(gaps["prior", K][0] < gaps["encoder", K][0] for K in ladder)

# %% [markdown]
# One model, and by an equal $K$ two numbers that differ by many nats. The jackknife takes off what behaves as $c/K$. With the prior, most weights say nothing at all
# at small $K$, and there the expansion has not begun.
#
# ## Exercise 09.8: two slopes
#
# *5 minutes, difficulty 2 of 3, from notebook 09 "The catch, and the cure"*
#
# Predict, before you measure it in the next exercise. The signal-to-noise ratio of a gradient is
# $|\mathbb E\, g| / \operatorname{std} g$. $K$ grows. What happens to this ratio, for one gradient of the bound?
#
# - **a** decoder and encoder: it grows like $\sqrt K$, as for every mean of $K$ draws
# - **b** decoder: it grows like $\sqrt K$; encoder: it falls like $1/\sqrt K$
# - **c** decoder: it stays; encoder: it falls like $1/K$
# - **d** decoder and encoder: it falls, since the bound gets flatter near $\log p(x)$
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Where does $\mathbb E\, g$ go as $K \to \infty$? Ask it for a parameter of $p(x)$, then for one of $q$.
# </details>
# <details><summary>Hint 2</summary>
#
# The gap is about $c/K$, and $c$ depends on $q$. The noise of both gradients falls like $1/\sqrt K$.
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# Decoder: the mean tends to the slope of log p(x), noise K^(-1/2). Encoder: the mean falls like 1/K, noise K^(-1/2).
answer = "b"
### END SOLUTION

# %%
check.slopes(answer)

# %% [markdown]
# ## Exercise 09.9: measure them
#
# *15 minutes, difficulty 2 of 3, from notebook 09 "The catch, and the cure"*
#
# For each of $T$ values of $K$, a gradient was drawn $R$ times, each with $P$ parameters. Return the ratio
# $|\text{mean}| / \text{std}$ over the $R$ runs (variance with $R - 1$), and for each parameter the slope of its ratio on
# log-log axes: the least-squares line through all $T$ points.
#
# - `K` $(T)$, floating point, $T \ge 2$; `gradients` $(T, R, P)$, $R \ge 2$. No ratio is zero; some are as large as $10^5$.
# - Result: the pair `(ratio, slope)`, $(T, P)$ and $(P)$.
#
# <details><summary>Hint 1</summary>
#
# Average with the sign, take the absolute value afterwards. The runs are the axis in the middle.
# </details>
# <details><summary>Hint 2</summary>
#
# The slope of the least-squares line through points $(a_t, b_t)$ is
# $\sum_t (a_t - \bar a)\, b_t \,/ \sum_t (a_t - \bar a)^2$. What are $a$ and $b$ here?
# </details>


# %%
def snr_curve(K, gradients):
    """(ratio (T, P), slope (P,)): signal-to-noise of gradients (T, R, P) over R runs, and its log-log slope in K (T,)."""
    ### BEGIN SOLUTION
    signal, noise = gradients.mean(1).abs(), gradients.std(1)  # over runs; std divides by R - 1
    ratio = signal / noise
    a = torch.log(K)
    a = a - a.mean()
    slope = torch.einsum("t,tp->p", a, torch.log(ratio)) / (a**2).sum()
    return ratio, slope
    ### END SOLUTION


# %%
snr_curve = check.snr_curve(snr_curve)

# %% [markdown]
# On the toy model, with a parameter $\theta$ in the decoder, $x \mid z \sim \mathcal N(z + \theta, 1)$, and the encoder's
# mean: 20 000 independent gradients for each $K$.


# %%
def as_it_comes(log_joint, mean, scale, eps):
    """Minus the bound, (B,), with the gradient that autograd finds; shapes as in the next exercise."""
    z, q = mean + scale * eps, Normal(mean, scale)
    return -iwae(log_joint(z) - q.log_prob(z).sum(-1))


def toy_gradients(loss, K, runs=20_000):
    """Gradients of `runs` independent draws of the loss, for theta and for q's mean: (runs, 2)."""
    theta, mean = (torch.full((runs, 1), at).double().requires_grad_() for at in (0.0, 1.15))
    scale, eps = torch.full_like(mean, 0.9), torch.randn(K, runs, 1).double()

    def log_joint(z):
        return (Normal(z + theta, 1.0).log_prob(x) + Normal(0.0, 1.0).log_prob(z)).sum(-1)

    return torch.cat(torch.autograd.grad(loss(log_joint, mean, scale, eps).sum(), (theta, mean)), 1)


# %%
K_toy = torch.tensor([4.0, 8.0, 16.0, 32.0, 64.0]).double()
with seeded(89):
    plain = torch.stack([toy_gradients(as_it_comes, int(K)) for K in K_toy])
ratio, slope = snr_curve(K_toy, plain)
a = K_toy.log() - K_toy.log().mean()
slope_error = ((a[:, None] / a.square().sum() / ratio).square() * (1 + ratio**2 / 2) / 20_000).sum(0).sqrt()
for name, one, error, law in zip(("decoder", "encoder"), slope, slope_error, (0.5, -0.5), strict=True):
    print(f"{name}: slope {one:.3f} ± {error:.3f}, for large K {law}")
    assert abs(one - law) < 5 * error + 0.1  # 0.1: K = 4 is not large
mean, std_err = plain[..., 0].mean(1), plain[..., 0].std(1) / math.sqrt(20_000)
truth = -x / 2  # oracle: minus the slope of log N(x; theta, 2) at theta = 0
print(f"decoder's mean gradient at K = 64: {mean[-1]:.4f} ± {std_err[-1]:.4f}, -d log p(x)/d theta = {truth:.4f}")
assert abs(mean[-1] - truth) < 5 * std_err[-1] + abs(mean[0] - truth) / 4  # the bias is as 1/K, K grew by 16

# %% [markdown]
# ## Exercise 09.10: the doubly reparameterised loss
#
# *40 minutes, difficulty 3 of 3, from notebook 09 "The catch, and the cure"*
#
# First on paper. $z_k = \mu + \sigma \varepsilon_k$, and $\gamma = (\mu, \sigma)$. (1) Show for a smooth $g$ that does not hold $\gamma$
#
# $$\mathbb E_q\big[g(z)\, \nabla_\gamma \log q(z)\big] = \mathbb E_q\Big[\frac{\partial g}{\partial z} \frac{\partial z}{\partial \gamma}\Big].$$
#
# (2) Use it to derive $\nabla_\gamma \mathcal L_K = \mathbb E\big[\sum_k \tilde w_k^2\, \frac{\partial \log w_k}{\partial z_k} \frac{\partial z_k}{\partial \gamma}\big]$.
# (3) What does every draw of it give where $q$ is the posterior, and what does the plain gradient give there?

# %% [markdown] tags=["proof"]
# (1) Both sides are $\nabla_\gamma \mathbb E_q[g]$: the left one by the score function, the right one by reparameterisation, with $g$ free of $\gamma$. Needed: a support that does not move,
# $g$ differentiable (or continuous and piecewise so), and domination.
#
# (2) With reparameterised draws $\nabla_\gamma \mathcal L_K = \mathbb E[\sum_k \tilde w_k\, d \log w_k / d\gamma]$, and
# $\frac{d \log w_k}{d\gamma} = \frac{\partial \log w_k}{\partial z_k}\frac{\partial z_k}{\partial \gamma} - \nabla_\gamma \log q(z_k)$, the last term with $z_k$ held.
# For each $k$ hold the other draws, and let $g(z_k) = \tilde w_k$ with the $\gamma$ inside the weights held. By (1)
# $\mathbb E[\tilde w_k \nabla_\gamma \log q(z_k)] = \mathbb E[\frac{\partial \tilde w_k}{\partial z_k}\frac{\partial z_k}{\partial \gamma}]$. Only $w_k$ depends on $z_k$, so
# $\frac{\partial \tilde w_k}{\partial z_k} = \tilde w_k (1 - \tilde w_k) \frac{\partial \log w_k}{\partial z_k}$. And $\tilde w_k - \tilde w_k (1 - \tilde w_k) = \tilde w_k^2$.
#
# (3) There $\log w_k = \log p(x)$ for every $z$, so its slope along $z$ is zero: every draw gives zero. The plain gradient gives $-\frac1K \sum_k \nabla_\gamma \log q(z_k)$: zero on average only.

# %% [markdown] tags=["rubric"]
# **Rubric, 7 points.** 1: both sides of (1) recognised as one gradient. 1: a condition (fixed support, smoothness). 1: two paths written down, with the minus. 1: the other draws held, and said so. 1: the $\gamma$ inside the
# weights held when (1) is used. 1: $\tilde w (1 - \tilde w)$, and the square out of the difference. 1: (3), both. A common slip: the derivative of $\tilde w_k$ by $z_k$ without the weight in the denominator.

# %% [markdown]
# Now write a loss for the encoder. With $z_k = \mu + \sigma \varepsilon_k$ and the normalised weights
# $\tilde w_k = w_k / \sum_j w_j$, return for each datum a number
#
# - whose *value* is minus the bound, $-\log \frac1K \sum_k w_k$,
# - whose *gradient* for $\mu$ and $\sigma$ is minus the doubly reparameterised one,
#
# $$\sum_k \tilde w_k^2\, \frac{\partial \log w_k}{\partial z_k}\, \frac{\partial z_k}{\partial (\mu, \sigma)}.$$
#
# - `log_joint`, a function: from $z$ $(K, B, L)$ to $\log p(x, z)$, $(K, B)$.
# - `mean`, `scale` $(B, L)$, the encoder's output, which carry gradients; `eps` $(K, B, L)$.
# - Result: $(B)$, in nats. Whoever uses the loss calls `backward` on it.
#
# <details><summary>Hint 1</summary>
#
# $\log w_k$ depends on $\mu$ and $\sigma$ by two ways: through $z_k$, and through the parameters of the density $q$. The
# formula has only the first one. `x.detach()` has the value of `x` and no gradient: detach what?
# </details>
# <details><summary>Hint 2</summary>
#
# $\sum_k \tilde w_k^2 \log w_k$ has the right gradient, if the squared weights are held fixed in it. Its value is wrong.
# Exercise 07.1 had the same trouble: `y - y.detach()` is a zero with a gradient.
# </details>


# %%
def dreg_loss(log_joint, mean, scale, eps):
    """Minus the bound, nats, (B,), with the DReG gradient; log_joint: (K, B, L) -> (K, B); eps is (K, B, L)."""
    ### BEGIN SOLUTION
    z = mean + eps * scale  # the way that stays open
    held = Normal(mean.detach(), scale.detach())  # the way that is closed: q's own parameters
    log_w = log_joint(z) - held.log_prob(z).sum(-1)
    share = torch.softmax(log_w, dim=0).detach()
    moving = (share**2 * log_w).sum(0)  # the gradient
    bound = torch.logsumexp(log_w, dim=0) - math.log(log_w.shape[0])  # the value
    return -(bound.detach() + moving - moving.detach())
    ### END SOLUTION


# %%
dreg_loss = check.dreg_loss(dreg_loss)

# %% [markdown]
# First on the toy. The mean of the encoder's gradient must be the same as before, and its ratio must no longer fall.

# %%
with seeded(90):
    doubly = torch.stack([toy_gradients(dreg_loss, int(K))[:, 1:] for K in K_toy])
ratio_doubly, slope_doubly = snr_curve(K_toy, doubly)
std_err = ((plain[..., 1].var(1) + doubly[..., 0].var(1)) / 20_000).sqrt()
off = (plain[..., 1].mean(1) - doubly[..., 0].mean(1)) / std_err
print("means differ by", *(f"{one:.1f}" for one in off), "standard errors")
print(f"slope of the ratio: {slope[1]:.2f} as it comes, {slope_doubly[0]:.2f} doubly reparameterised")
assert off.abs().max() < 5
assert abs(slope_doubly[0] - 0.5) < 0.1  # K = 4 is not large
fig, ax = plots.figure()
for values, colour, mark, label in (
    (ratio[:, 0], plots.GREEN, "^", "decoder"),
    (ratio[:, 1], plots.RED, "o", "encoder, as it comes"),
    (ratio_doubly[:, 0], plots.BLUE, "s", "encoder, doubly reparameterised"),
):
    ax.plot(K_toy, values, mark + "-", color=colour, label=label)
ax.set(xscale="log", yscale="log", xlabel="samples K", ylabel="signal-to-noise of one gradient")
ax.set_xticks(K_toy, [f"{K:.0f}" for K in K_toy])
ax.minorticks_off()
ax.legend()
plots.show(fig, alt="Two ratios rise with K on log axes, decoder and repaired encoder; the plain encoder's falls.")

# %% [markdown]
# Then on images: the gradient for $\mu(x)$, the output of the encoder you trained, drawn 100 times for each of twelve images.
# **By which factor do you expect the variance to fall? By the same for all of them?**


# %%
def gradients_at(one, loss, K, runs=100):
    """Draws of the bound's gradient for mu(x) of one image, (runs, 2)."""
    with torch.no_grad():
        q = plane.encoder(one.expand(runs, -1))
    with seeded(91):
        eps = torch.randn(K, runs, 2, device=one.device)
    mean = q.mean.clone().requires_grad_()
    return torch.autograd.grad(loss(lambda z: plane.log_joint(one[None], z), mean, q.stddev, eps).sum(), mean)[0]


for K in (1, 8, 64):
    pairs = [[gradients_at(one, loss, K) for loss in (as_it_comes, dreg_loss)] for one in x_test[:12]]
    fell = torch.stack([a.var(0).sum() / b.var(0).sum() for a, b in pairs])
    off = torch.stack([(a.mean(0) - b.mean(0)) / ((a.var(0) + b.var(0)) / len(a)).sqrt() for a, b in pairs])
    print(
        f"K = {K:2}: the variance falls by a factor of {fell.min():.1f} to {fell.max():.0f}, median {fell.median():.1f}"
    )
    assert off.abs().max() < 5
    assert fell.median() > 2

# %% [markdown]
# From image to image the factor differs by orders of magnitude: a single image would have told little.
#
# One warning before you train with it. The loss serves the encoder only: the decoder's gradient is the bound's own, with
# $\tilde w_k$, not with its square.
#
# ## An open problem
#
# No check here, and no single answer. You have a budget of 64 weights for each image and step. They may be shared out as
# $M$ sets of $K$, and decoder and encoder need not get the same split: the encoder may learn from $M = 64, K = 1$, while the
# decoder learns from $K = 64$. Train the plane model with different splits, from the same start, and compare
# $-\log p(x)$ at one $K$. What does your signal-to-noise ratio predict, does the model agree, and how large is luck?

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - A mean outside the logarithm buys variance, a mean inside buys bias: $K = 1$ is the ELBO, however often you average.
# - The bound climbs by Jensen over the choice of a subset; one weight more mostly lowers a single estimate.
# - Its gradient: normalised weights for $\theta$; for $\gamma$ the bound, less a baseline without the own draw, less the own weight, times the score.
# - An equal $K$ is no equal bias. The jackknife takes off what behaves as $c/K$, and with it the promise of a lower bound.
# - The encoder's signal falls faster than its noise. Reached through $z$ alone, with squared weights, it does not, once $K$ is large.
#
# **To read** Burda, Grosse and Salakhutdinov 2016, *Importance weighted autoencoders* (your proof is its theorem 1); Mnih and Rezende 2016, *Variational inference for
# Monte Carlo objectives*; Nowozin 2018, *Debiasing evidence approximations*; Tucker, Lawson, Gu and Maddison 2018, *Doubly reparameterized gradient estimators*; for
# the open problem Rainforth et al. 2018, *Tighter variational bounds are not necessarily better*.
#
# **The next question** Prior, observation model and encoder were the simplest of their kind. What do richer ones buy?
