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
# - build the importance weighted bound from the densities of a model, and say what a mean inside the logarithm buys
#   that a mean outside does not;
# - prove that the bound climbs with $K$, and see the proof hold for every single draw;
# - report a negative log-likelihood with its error bar and its $K$;
# - measure how a gradient's signal-to-noise ratio changes with $K$, and mend the encoder's.
#
# **Time** 125 minutes; the cells run in about 15 seconds on a laptop, a third of it training. **Prerequisites** notebook
# 09; exercises 01 (weights) and 07 (reparameterisation).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $\log p(x_d \mid z_k)$ | `log_x` | $K \times B \times D$ | pixel by pixel, nats |
# | $\log p(z_{kl})$, $\log q(z_{kl}\mid x)$ | `log_z`, `log_q` | $K \times B \times L$ | prior and encoder, one latent dimension at a time |
# | $\log w_k$ | `log_w` | $K \times B$ | log weights, $\log p(x \mid z_k) + \log p(z_k) - \log q(z_k \mid x)$ |
# | $\mathcal L_K$ | | $B$ | $\mathbb E \log \frac1K \sum_k w_k$, in nats |
# | $\varepsilon$ | `eps` | $K \times B \times L$ | standard normal noise |
# | $K, B, D, L$ | | | samples, always the first axis; data; pixels; latent dimensions |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Weights and noise come in as arguments: nothing is left to chance. The checks use float64.
#
# **What is allowed** Whatever gives the right numbers: all of PyTorch, numpy and scipy, autograd, loops. Where an exercise
# says "by hand", that is for your sake; the check sees numbers only. Return tensors of the arguments' dtype; a single
# number may be a float, and several results a tuple or a list. Leave the arguments as they are, their values and whether
# they require a gradient. The gradient of a result matters only where an exercise asks for it. Any axis may have length
# one, unless a smallest size is given; weights and probabilities are positive and logarithms finite, unless zero or
# $-\infty$ is mentioned. A letter is accepted in either case, with blanks or brackets: `"b"`, `" B "`, `"(b)"`.

# %%
import math

import numpy as np
import torch
from scipy import integrate, stats
from torch.distributions import Normal, kl_divergence

from lvmteach.classroom.exercises import iwae as check
from lvmteach.classroom.explorables.climb import quadrature
from lvmteach.classroom.figures import plots
from lvmteach.data import dynamic, load_images
from lvmteach.runtime import device, seeded
from lvmteach.training import cosine, train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal

# %% [markdown]
# ## Exercise 09.1: the bound, from three densities
#
# *15 minutes, difficulty 2 of 3, from notebook 09 "An estimate becomes an objective"*
#
# For each of $B$ data, $K$ samples $z_k \sim q(z \mid x)$ were drawn. You get the log densities in pieces: one for each
# pixel, one for each latent dimension. Pixels are independent given $z$; so are the latent dimensions, under the prior
# and under $q$. Return one draw of the bound, $\log \frac1K \sum_k w_k$.
#
# - `log_x` $(K, B, D)$; `log_z`, `log_q` $(K, B, L)$. One image may add up to $-900$ nats.
# - Result: $(B)$, in nats.
#
# <details><summary>Hint 1</summary>
#
# Write $\log w$ first, $(K, B)$. Which axes are summed away, and which of the three has a minus?
# </details>
# <details><summary>Hint 2</summary>
#
# $e^{-900}$ is zero on every computer. `torch.logsumexp` adds numbers given as logarithms; exercise 01.3 did the rest.
# </details>


# %%
def iwae_bound(log_x, log_z, log_q):
    """One draw of the bound, nats, (B,); log_x is (K, B, D), log_z and log_q are (K, B, L)."""
    ### BEGIN SOLUTION
    # Independent coordinates: densities multiply, logs add. q is the denominator of the weight.
    log_w = log_x.sum(-1) + (log_z - log_q).sum(-1)
    # The mean over samples is inside the logarithm: 1/K there is minus log K outside.
    return torch.logsumexp(log_w, dim=0) - math.log(log_w.shape[0])
    ### END SOLUTION


# %%
iwae_bound = check.iwae_bound(iwae_bound)

# %% [markdown]
# Use it where all is known: $z \sim \mathcal N(0, 1)$, $x \mid z \sim \mathcal N(z, 1)$, so $p(x) = \mathcal N(x; 0, 2)$
# and the posterior is $\mathcal N(x/2, \tfrac12)$. Let $q$ be the posterior, moved to the side by $\delta$.
# **What will three draws with $K = 2$ give when $\delta = 0$?**

# %%
x = torch.tensor(1.3).double()
log_p = stats.norm.logpdf(x, 0, math.sqrt(2))  # oracle: log p(x)


def three_densities(delta, *shape):
    """The three log densities at fresh samples, each shape + (1,): one pixel, one latent dimension."""
    q = Normal(x / 2 + delta, math.sqrt(0.5))
    z = q.sample((*shape, 1))
    return Normal(z, 1.0).log_prob(x), Normal(0.0, 1.0).log_prob(z), q.log_prob(z)


with seeded(81):
    draws = {delta: iwae_bound(*three_densities(delta, 2, 3)) for delta in (0.0, 1.0)}
for delta, values in draws.items():
    print(f"delta = {delta}: L_2 draws", *(f"{one:.4f}" for one in values), f"; log p(x) = {log_p:.4f}")
assert (draws[0.0] - log_p).abs().max() < 1e-6  # single-precision constants inside Normal

# %% [markdown]
# ## Exercise 09.2: a mean outside, a mean inside
#
# *10 minutes, difficulty 1 of 3, from notebook 09 "An estimate becomes an objective"*
#
# $M$ sets of $K$ log weights. Average the bound over the sets:
#
# $$\frac1M \sum_{m=1}^M \log \frac1K \sum_{k=1}^K w_{mk}.$$
#
# - `log_w` $(M, K, B)$: sets, samples of a set, data.
# - Result: $(B)$, in nats.
#
# <details><summary>Hint 1</summary>
#
# First a bound for each set, $(M, B)$. Which axis goes away, and what is its length?
# </details>
# <details><summary>Hint 2</summary>
#
# The first mean is of weights, the second one of bounds. Only the first has to do with logarithms.
# </details>


# %%
def mean_of_bounds(log_w):
    """Mean over M sets of the bound with K weights, nats, (B,); log_w is (M, K, B)."""
    ### BEGIN SOLUTION
    M, K, _ = log_w.shape
    # Inside the logarithm: the K weights of a set. Outside: plain numbers, one for each set.
    each = torch.logsumexp(log_w, dim=1) - math.log(K)
    return each.sum(0) / M
    ### END SOLUTION


# %%
mean_of_bounds = check.mean_of_bounds(mean_of_bounds)

# %% [markdown]
# With $K = 1$ this must be an estimate of the ELBO, and the ELBO is $\log p(x)$ minus the gap, in closed form:

# %%
delta, M = 1.0, 20_000
posterior = Normal(x / 2, math.sqrt(0.5))
gap = kl_divergence(Normal(x / 2 + delta, math.sqrt(0.5)), posterior).item()  # oracle: torch's KL


def log_weights(delta, *shape):
    log_x, log_z, log_q = three_densities(delta, *shape)
    return (log_x + log_z - log_q)[..., 0]


with seeded(82):
    log_w = log_weights(delta, M, 1, 1)
std_err = log_w.std() / math.sqrt(M)
print(f"K = 1: {mean_of_bounds(log_w).item():.4f} ± {std_err:.4f}; log p(x) - KL(q || posterior) = {log_p - gap:.4f}")
assert abs(mean_of_bounds(log_w).item() - (log_p - gap)) < 5 * std_err

# %% [markdown]
# ## Exercise 09.3: sixty-four weights
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
# Write the letter in quotes, in place of the dots.
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
    values = mean_of_bounds(log_w.reshape(M, 64 // M, runs)) - log_p
    found[M] = values.mean().item(), values.std().item()
    print(f"M = {M:2}, K = {64 // M:2}: {found[M][0]:7.4f} nats from log p(x) on average, spread {found[M][1]:.4f}")
assert abs(found[64][0] + v / 2) < 5 * found[64][1] / math.sqrt(runs)
assert abs(found[64][1] / math.sqrt(v / 64) - 1) < 5 / math.sqrt(2 * runs)  # relative error of a standard deviation
assert found[64][0] < found[8][0] < found[1][0]

# %% [markdown]
# ## Exercise 09.4: prove that it climbs
#
# *25 minutes, difficulty 3 of 3, from notebook 09 "An estimate becomes an objective"*
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
# ## Exercise 09.5: one weight more
#
# *5 minutes, difficulty 2 of 3, from notebook 09 "An estimate becomes an objective"*
#
# Predict, then run. You hold $\log \frac1{10} \sum_k w_k$ from ten weights, and draw an eleventh. What will the new value,
# $\log \frac1{11} \sum_k w_k$, do?
#
# - **a** rise for certain: the bound climbs with $K$
# - **b** rise more often than fall: the bound climbs with $K$
# - **c** fall more often than rise, and yet rise on average
# - **d** rise as often as fall: all weights come from one distribution
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
# ## Exercise 09.6: the likelihood of a test set, in pieces
#
# *15 minutes, difficulty 2 of 3, from notebook 09 "Training with K = 1, 5, 50"*
#
# $K = 5000$ samples of 500 images of 784 pixels are two thousand million numbers. So the weights come in pieces:
# a list, each entry with some samples for all $N$ images. The last piece is often a smaller one.
#
# Return the mean negative log-likelihood over the images, with all the samples of an image in one estimate, and
# the standard error of that mean over images (from the sample variance with $N - 1$).
#
# - `pieces`, a list of tensors $(k_i, N)$ of log weights, as many samples as they like to have; $K = \sum_i k_i$.
# - Result: the pair `(value, std_err)`, two numbers in nats an image.
#
# <details><summary>Hint 1</summary>
#
# $\hat p(x)$ is one mean over all $K$ weights. What do you have to keep of a piece so that it may be thrown away?
# </details>
# <details><summary>Hint 2</summary>
#
# A running total, $(N)$, in log space: `torch.logaddexp`. It starts at the logarithm of nothing, $-\infty$. Take off
# $\log K$ once, at the end.
# </details>


# %%
def nll(pieces):
    """(mean negative log-likelihood, its standard error), nats an image; pieces is a list of (k_i, N) log weights."""
    ### BEGIN SOLUTION
    total, K = torch.full_like(pieces[0][0], -math.inf), 0
    for log_w in pieces:
        # The sum of weights so far, as a logarithm: all that a piece leaves behind is N numbers.
        total = torch.logaddexp(total, torch.logsumexp(log_w, dim=0))
        K += len(log_w)
    log_p_hat = total - math.log(K)  # one estimate for each image
    return -log_p_hat.mean(), log_p_hat.std() / math.sqrt(len(log_p_hat))
    ### END SOLUTION


# %%
nll = check.nll(nll)

# %% [markdown]
# A model to use it on: a VAE with two latent dimensions, trained for a few seconds, as in the notebook.

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
with seeded(87), torch.no_grad():
    value, std_err = nll([plane.log_weights(x_test, k) for k in (80, 80, 40)])
print(f"{images.name}: -log p(x) = {value:.2f} ± {std_err:.2f} nats an image, K = 200, {len(x_test)} test images")

# %% [markdown]
# ## Exercise 09.7: who is better?
#
# *5 minutes, difficulty 1 of 3, from notebook 09 "The paper's table"*
#
# A paper reports $-\log p(x) = 89.2$ nats with $K = 5000$. Your model, on the same binary test images, measures
# $90.1$ with $K = 100$. The standard error of the difference is 0.05. Who is better?
#
# - **a** the paper, by 0.9 nats: the images are the same, so the difference is paired
# - **b** your model: with fewer samples its bound had the harder test
# - **c** nobody can tell: with $K = 5000$ your number would be lower, and nobody knows by how much
# - **d** nobody can tell: importance sampling is too noisy for differences of one nat
#
# <details><summary>Hint 1</summary>
#
# The mean of the weights is unbiased. What you report is its logarithm.
# </details>
# <details><summary>Hint 2</summary>
#
# The reported number is one draw of minus a bound. Which bound?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# Each number is minus a draw of L_K, at its own K, and L_K climbs: only numbers of the same K can be compared.
answer = "c"
### END SOLUTION

# %%
check.who_is_better(answer)

# %% [markdown]
# One model, several $K$, and the truth: in two dimensions quadrature gives $\log p(x)$. Sixteen images, and the same
# 8000 weights for every $K$: once with the encoder as the proposal, once with the prior. **Do both head for the same
# number, and how many samples does the prior need for what the encoder does with five?**

# %%
few, ladder, gaps = x_test[:16], [5, 20, 80, 400, 2000], {}
with torch.no_grad():
    exact = -np.mean([quadrature(plane, one).log_p for one in few])  # oracle
    with seeded(88):
        log_w = {"encoder": torch.cat([plane.log_weights(few, 400) for _ in range(20)])}
        z = plane.prior().sample((20, 400, 1))
        log_w["prior"] = torch.cat([plane.decoder(part).log_prob(few) for part in z])  # p(z) and q(z) cancel
for name, weights in log_w.items():
    rows = []
    for K in ladder:
        values = torch.stack([nll(list(one.split(200)))[0] for one in weights.split(K)]) - exact
        rows.append((values.mean().item(), values.std().item() / math.sqrt(len(values))))
        print(f"{name:7}, K = {K:4}: {rows[-1][0] + exact:.3f} ± {rows[-1][1]:.3f}, by quadrature {exact:.3f}")
    gap, error = gaps[name] = np.array(rows).T
    assert (np.diff(gap) < 1e-4).all()  # sets of the larger K are made of sets of the smaller: float32 rounding alone
    # Not for K = 2000: four sets tell little of their own spread. 2e-3: float32 on sums of D terms.
    assert (gap > -5 * error - 2e-3)[:-1].all()
assert gaps["prior"][0][-1] < gaps["prior"][0][0] / 4

# %%
fig, ax = plots.figure()
for (name, (gap, error)), colour, mark in zip(gaps.items(), (plots.BLUE, plots.ORANGE), "os", strict=True):
    ax.errorbar(ladder, gap, 2 * error, fmt=mark + "-", color=colour, label=f"from the {name}")
ax.axhline(0, color=plots.BLACK, ls="--", label="by quadrature")
ax.set_yscale("symlog", linthresh=0.1)
ax.set(xscale="log", xlabel="samples K", ylabel="reported minus exact (nats)")
ax.legend()
plots.show(
    fig, alt="The reported negative log-likelihood falls with K to the exact one, from the prior far more slowly."
)

# %% [markdown]
# ## Exercise 09.8: two slopes
#
# *5 minutes, difficulty 2 of 3, from notebook 09 "The catch"*
#
# Predict, before you measure it in the next exercise. The signal-to-noise ratio of a gradient is
# $|\mathbb E\, g| / \operatorname{std} g$. $K$ grows. What happens to this ratio, for one gradient of the bound?
#
# - **a** decoder and encoder: it grows like $\sqrt K$, as for every mean of $K$ draws
# - **b** decoder: it grows like $\sqrt K$; encoder: it falls like $1/\sqrt K$
# - **c** decoder: it stays; encoder: it falls like $1/K$
# - **d** decoder and encoder: it falls, since the bound gets flatter near $\log p(x)$
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
# *15 minutes, difficulty 2 of 3, from notebook 09 "The catch"*
#
# For each of $T$ values of $K$, a gradient was drawn $R$ times, each with $P$ parameters. Return the ratio
# $|\text{mean}| / \text{std}$ over the $R$ runs (variance with $R - 1$), and for each parameter the slope of its ratio on
# log-log axes: the least-squares line through all $T$ points.
#
# - `K` $(T)$, floating point; `gradients` $(T, R, P)$.
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
    return -iwae_bound(log_joint(z)[..., None], torch.zeros_like(z), q.log_prob(z))


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
# *25 minutes, difficulty 3 of 3, from notebook 09 "The catch"*
#
# Write a loss for the encoder. With $z_k = \mu + \sigma \varepsilon_k$ and the normalised weights
# $\tilde w_k = w_k / \sum_j w_j$, return for each datum a number
#
# - whose *value* is minus the bound, $-\log \frac1K \sum_k w_k$,
# - whose *gradient* for $\mu$ and $\sigma$ is minus the doubly reparameterised one,
#
# $$\sum_k \tilde w_k^2\, \frac{\partial \log w_k}{\partial z_k}\, \frac{\partial z_k}{\partial (\mu, \sigma)}.$$
#
# - `log_joint`, a function: from $z$ $(K, B, L)$ to $\log p(x, z)$, $(K, B)$.
# - `mean`, `scale` $(B, L)$, the encoder's output, which carry gradients; `eps` $(K, B, L)$.
# - Result: $(B)$, in nats. Call neither `backward` nor `grad`: whoever uses the loss does that.
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
# Then on images: the gradient for $\mu(x)$, the output of the encoder you trained, drawn 300 times for one image.
# **By which factor do you expect the variance to fall?**

# %%
one, runs = x_test[3], 300
with torch.no_grad():
    q = plane.encoder(one.expand(runs, -1))
for K in (1, 8, 64):
    found = {}
    for loss in (as_it_comes, dreg_loss):
        with seeded(91):
            eps = torch.randn(K, runs, 2, device=one.device)
        mean = q.mean.clone().requires_grad_()
        g = torch.autograd.grad(loss(lambda z: plane.log_joint(one[None], z), mean, q.stddev, eps).sum(), mean)[0]
        found[loss] = g.mean(0), g.var(0)
    (mean_a, var_a), (mean_b, var_b) = found[as_it_comes], found[dreg_loss]
    print(f"K = {K:2}: variance {var_a.sum():.3g} as it comes, {var_b.sum():.3g} doubly reparameterised")
    assert ((mean_a - mean_b).abs() < 5 * ((var_a + var_b) / runs).sqrt()).all()
    assert K == 1 or var_b.sum() < var_a.sum() / 2

# %% [markdown]
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
# - A weight is joint over $q$, in log space, summed over pixels and latent dimensions; the mean of $K$ weights is inside
#   the logarithm.
# - A mean outside the logarithm buys variance, a mean inside buys bias: $K = 1$ is the ELBO, however often you average.
# - The bound climbs by Jensen over the choice of a subset; one weight more mostly lowers a single estimate.
# - All $K$ weights of an image belong in one logarithm. Report $K$, the error bar, and the images.
# - The encoder's signal falls faster than its noise. Reached through $z$ alone, with squared weights, it does not, once $K$ is large.
#
# **To read** Burda, Grosse and Salakhutdinov 2016, *Importance weighted autoencoders* (your proof is its theorem 1); Tucker,
# Lawson, Gu and Maddison 2018, *Doubly reparameterized gradient estimators*; for the open problem Rainforth et al. 2018,
# *Tighter variational bounds are not necessarily better*.
#
# **The next question** Prior, observation model and encoder were the simplest of their kind. What do richer ones buy?
