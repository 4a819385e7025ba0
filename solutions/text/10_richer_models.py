# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10 Exercises: Richer models
#
# After these exercises you will be able to
#
# - write the log density of a mixture prior and of a VampPrior, and draw the codes that your decoder was taught on;
# - estimate what $z$ says of which datum it came from;
# - write down the best $q(c\mid x)$, the loss of a $\beta$-VAE, and the level at which $\beta$ shuts a direction;
# - give a count a mass instead of a density, and leave missing pixels out of a bound.
#
# **Time** 140 minutes; the cells run in about ten seconds on a laptop. **Prerequisites** the two notebooks 10; exercises 03
# (mixtures), 08 (the VAE) and 09 (the bound of $K$ samples).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $\log\pi_c$, $\mu_c$, $\log\sigma_c$ | `log_pi`, `mu`, `s` | $C$; $C \times L$; $C \times L$ | a mixture prior: log weights, means, log scales |
# | $z$ | `z` | $B \times L$ | codes |
# | $m(x)$, $\log\sigma(x)$ | `m`, `r` | $B \times L$ | the encoder's answer, mean and log scale |
# | $\log q(z_n\mid x_m)$ | `log_q` | $N \times N$ | one draw $z_n$ a datum, under every datum's $q$ |
# | $u_k$ | `u` | $C \times D$ | pseudo-inputs |
# | $\log w_k$ | `log_w` | $K \times B$ | log weights |
# | | `missing` | $B \times D$ | True where a pixel is missing |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Noise, weights and masks come in as arguments: nothing is left to chance. The checks use float64.
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
from torch.distributions import Normal

from lvmteach.classroom.exercises import richer_models as check
from lvmteach.classroom.figures import plots
from lvmteach.data import dynamic, load_images
from lvmteach.rate_distortion import best_beta_elbo
from lvmteach.runtime import seeded
from lvmteach.training import cosine, train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianEncoder, StandardNormal
from lvmteach.variational import grid

# %% [markdown]
# ## Exercise 10.1: the log density of a mixture prior
#
# *15 minutes, difficulty 2 of 3, from notebook 10 "A better prior, without training"*
#
# $p(z) = \sum_c \pi_c \prod_l \mathcal N(z_l; \mu_{cl}, \sigma_{cl}^2)$. Return $\log p(z)$ for each of $B$ codes.
#
# - `z` $(B, L)$; `log_pi` $(C)$; `mu`, `s` $(C, L)$, with $s = \log\sigma$. Some codes lie sixty units from every component, and weights
#   may be as small as $e^{-50}$.
# - Result: $(B)$, in nats.
#
# <details><summary>Hint 1</summary>
#
# Build $\log\pi_c + \log p(z\mid c)$ first, $(B, C)$: `z[:, None]` broadcasts against the components.
# </details>
# <details><summary>Hint 2</summary>
#
# Two sums: over dimensions, of logarithms; over components, of probabilities. Which comes first?
# </details>


# %%
def log_prior(z, log_pi, mu, s):
    """log p(z) in nats, (B,); z is (B, L), log_pi (C,), mu and s (C, L)."""
    ### BEGIN SOLUTION
    # Inside a component the dimensions are independent: their logs add.
    log_normal = -((z[:, None] - mu) ** 2) / (2 * torch.exp(2 * s)) - s - 0.5 * math.log(2 * math.pi)
    log_joint = log_pi + log_normal.sum(-1)
    # Then the components: a log of a sum of probabilities.
    return torch.logsumexp(log_joint, dim=1)
    ### END SOLUTION


# %%
log_prior = check.log_prior(log_prior)

# %% [markdown]
# Two components at plus and minus (2, 2). **How much of the mass lies in the quadrant $z_1 > 0 > z_2$?**

# %%
two = (
    torch.tensor([0.5, 0.5]).double().log(),
    torch.tensor([[2.0, 2.0], [-2.0, -2.0]]).double(),
    torch.full((2, 2), math.log(0.5)).double(),
)
side = torch.linspace(-6, 6, 241).double()
z = torch.cartesian_prod(side, side)
p = log_prior(z, *two).exp() * 0.05**2
empty = p[(z[:, 0] > 0) & (z[:, 1] < 0)].sum()
print(f"mass {p.sum():.6f}, in the empty quadrant {empty:.6f}")
assert abs(p.sum() - 1) < 1e-6
assert empty < 1e-4  # with the sums the other way round it is 1/4, and the whole is still 1

# %% [markdown]
# ## Exercise 10.2: the codes to decode
#
# *10 minutes, difficulty 1 of 3, from notebook 10 "A better prior, without training"*
#
# To sample images, draw codes from the prior *that the model has*. You get $N$ uniforms and $N \times L$ normal numbers.
#
# - `u` $(N)$ in $(0, 1)$ chooses the component: the first $c$ with $u \le \pi_1 + \dots + \pi_c$. `eps` $(N, L)$.
# - Result: $(N, L)$.
#
# <details><summary>Hint 1</summary>
#
# `log_pi.exp().cumsum(0)` has the running sums. How many of them lie below $u$?
# </details>
# <details><summary>Hint 2</summary>
#
# With `c` a tensor of whole numbers, `mu[c]` is $(N, L)$.
# </details>


# %%
def draw_codes(u, eps, log_pi, mu, s):
    """Draws of the mixture, (N, L): component by u, then its Gaussian by eps."""
    ### BEGIN SOLUTION
    up_to = log_pi.exp().cumsum(0)
    # The last running sum is 1 but for rounding, and is left out: whatever is above the others has the last component.
    c = (u[:, None] > up_to[:-1]).sum(1)
    return mu[c] + s[c].exp() * eps
    ### END SOLUTION


# %%
draw_codes = check.draw_codes(draw_codes)

# %%
with seeded(1):
    z = draw_codes(torch.rand(20_000).double(), torch.randn(20_000, 2).double(), *two)
share = (z.sum(1) > 0).double().mean()
print(f"share with z1 + z2 > 0: {share:.3f}; covariance of the two {torch.cov(z.T)[0, 1]:.2f}")
assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(20_000)
assert abs(torch.cov(z.T)[0, 1] - 4) < 0.1  # the means alone: 2 x 2

# %% [markdown]
# ## Exercise 10.3: what $z$ says of the datum
#
# *10 minutes, difficulty 2 of 3, from notebook 10 "Surgery on the ELBO"*
#
# $I(n; z) = \frac1N\sum_n \mathbb E_{q(z\mid x_n)}\big[\log q(z\mid x_n) - \log q(z)\big]$ with $q(z) = \frac1N\sum_m q(z\mid x_m)$. You get one draw
# $z_n \sim q(z\mid x_n)$ for each datum, and the table `log_q[n, m]` $= \log q(z_n\mid x_m)$. Estimate $I$.
#
# - `log_q` $(N, N)$, the draw first; densities may be far below $e^{-700}$.
# - Result: one number, in nats.
#
# <details><summary>Hint 1</summary>
#
# $\log q(z_n\mid x_n)$ is the diagonal. Which axis holds the data of the aggregate?
# </details>
# <details><summary>Hint 2</summary>
#
# A mean of densities given as logarithms: log-sum-exp, less $\log N$.
# </details>


# %%
def information(log_q):
    """An estimate of I(n; z) in nats, one number; log_q[n, m] = log q(z_n | x_m)."""
    ### BEGIN SOLUTION
    log_aggregate = torch.logsumexp(log_q, dim=1) - math.log(log_q.shape[1])
    return (log_q.diagonal() - log_aggregate).mean()
    ### END SOLUTION


# %%
information = check.information(information)

# %% [markdown]
# **What is the most it can be, and what must $q$ do to reach it?** Eight data, their $q$ narrower and narrower.

# %%
centres = torch.linspace(-2, 2, 8).double()
for width in (2.0, 0.5, 0.1, 0.01):
    with seeded(2):
        z = centres + width * torch.randn(4000, 8).double()
    found = torch.stack([information(Normal(centres, width).log_prob(row[:, None])) for row in z]).mean()
    print(f"width {width}: I = {found:.4f}; log 8 = {math.log(8):.4f}")
assert abs(found - math.log(8)) < 1e-6

# %% [markdown]
# At $\log N$ the code is the datum's number: that is memory, and no representation.
#
# ## Exercise 10.4: the VampPrior
#
# *15 minutes, difficulty 2 of 3, from notebook 10 "Further: the VampPrior"*
#
# $p(z) = \frac1C \sum_k q(z\mid u_k)$, with the encoder's own $q$. `encode(u)` returns the means and log scales, each $(C, L)$.
#
# - `z` $(B, L)$; `u` $(C, D)$.
# - Result: $(B)$, in nats.
#
# <details><summary>Hint 1</summary>
#
# It is a mixture with equal weights, and you have written one.
# </details>
# <details><summary>Hint 2</summary>
#
# The equal weights are $1/C$: what is that as a logarithm?
# </details>


# %%
def vamp_log_prob(z, u, encode):
    """log p(z) under the VampPrior, nats, (B,); z is (B, L), u (C, D), encode(u) -> means, log scales, (C, L)."""
    ### BEGIN SOLUTION
    mu, s = encode(u)
    log_q = -0.5 * ((z[:, None] - mu) / s.exp()) ** 2 - s - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(log_q.sum(-1), dim=1) - math.log(len(u))
    ### END SOLUTION


# %%
vamp_log_prob = check.vamp_log_prob(vamp_log_prob)

# %% [markdown]
# With the identity for an encoder and a width, it is a kernel density estimate. **In ten dimensions, with the true density's own draws for pseudo-inputs: what width is
# best for new draws, and is the prior then any good?**

# %%
with seeded(3):
    u, z = torch.randn(500, 10).double(), torch.randn(2000, 10).double()
truth = Normal(0.0, 1.0).log_prob(z).sum(1).mean()
for width in (0.1, 0.3, 0.6, 1.0):
    log_p = vamp_log_prob(z, u, lambda x, w=width: (x, torch.full_like(x, math.log(w)))).mean()
    print(f"width {width}: {log_p:8.2f} nats; N(0, I) itself {truth:.2f}")
    assert log_p < truth  # Gibbs: no density is better on average than the one the draws are from

# %% [markdown]
# Narrow components leave gaps that no five hundred can fill. The best width is near that of the whole: it is hardly a mixture any more.
#
# ## Exercise 10.5: the best $q(c\mid x)$
#
# *15 minutes, difficulty 3 of 3, from notebook 10 "The best q(c|x)"*
#
# $q(c\mid x) \propto \exp \mathbb E_{q(z\mid x)} \log p(c, z)$, where $q(z\mid x)$ has means `m` and log scales `r`.
#
# - `m`, `r` $(B, L)$; `log_pi` $(C)$; `mu`, `s` $(C, L)$.
# - Result: $(B, C)$, rows that sum to one.
#
# <details><summary>Hint 1</summary>
#
# $\mathbb E(z - \mu)^2 = (m - \mu)^2 + \sigma(x)^2$. What else of $\log p(c, z)$ depends on $z$?
# </details>
# <details><summary>Hint 2</summary>
#
# Terms that are the same for every $c$ may be left out: softmax does not see them. $-s_{cl}$ is none of them.
# </details>


# %%
def best_q_c(m, r, log_pi, mu, s):
    """The best q(c|x), (B, C); m and r (B, L) are q(z|x)'s means and log scales."""
    ### BEGIN SOLUTION
    second_moment = (m[:, None] - mu) ** 2 + torch.exp(2 * r)[:, None]
    expected = log_pi - (second_moment / (2 * torch.exp(2 * s)) + s).sum(-1)
    return torch.softmax(expected, dim=1)
    ### END SOLUTION


# %%
best_q_c = check.best_q_c(best_q_c)

# %% [markdown]
# A narrow and a wide component at the same place, and a code in their middle. **Which does $p(c\mid z)$ prefer at the mean, and which the best $q(c\mid x)$, if $q(z\mid x)$ is wide?**

# %%
pair = torch.tensor([0.5, 0.5]).double().log(), torch.zeros(2, 1).double(), torch.tensor([[0.3], [1.5]]).double().log()
for width in (0.01, 0.3, 0.8):
    q_c = best_q_c(torch.zeros(1, 1).double(), torch.full((1, 1), math.log(width)).double(), *pair)[0]
    print(f"q of width {width}: narrow component {q_c[0]:.3f}")
at_the_mean = 1.5 / (1.5 + 0.3)  # densities at zero are as 1 / 0.3 to 1 / 1.5
print(f"p(c | z = 0): narrow component {at_the_mean:.3f}")
assert q_c[0] < 0.5 < at_the_mean

# %% [markdown]
# ## Exercise 10.6: the loss of a $\beta$-VAE
#
# *10 minutes, difficulty 1 of 3, from notebook 10 "What β does"*
#
# Minus the mean over the batch of $\mathbb E \log p(x\mid z) - \beta\, \mathrm{KL}(q(z\mid x)\Vert \mathcal N(0, I))$.
#
# - `log_lik` $(K, B)$: $\log p(x\mid z_k)$, summed over pixels; `mu`, `s` $(B, L)$: the encoder's means and log scales; `beta` a positive number.
# - Result: one number, nats an image.
#
# <details><summary>Hint 1</summary>
#
# The KL of a datum is a sum over latent units (exercise 08). The loss is a mean over data.
# </details>
# <details><summary>Hint 2</summary>
#
# The expectation is the mean over the $K$ samples, outside any logarithm.
# </details>


# %%
def beta_loss(log_lik, mu, s, beta):
    """The loss, one number; log_lik is (K, B), mu and s are (B, L)."""
    ### BEGIN SOLUTION
    kl = ((mu**2 + torch.exp(2 * s) - 1) / 2 - s).sum(-1)
    return -(log_lik.mean(0) - beta * kl).mean()
    ### END SOLUTION


# %%
beta_loss = check.beta_loss(beta_loss)

# %%
digits = load_images("digits")
D = digits.train.shape[1]
for beta in (0.3, 1.0, 4.0):
    with seeded(4):
        model = VAE(
            GaussianEncoder(D, 8, (64,)), BernoulliDecoder(8, D, (64,), digits.train.mean(0)), StandardNormal(8)
        )

        def loss(model, x, beta=beta):
            q = model.encoder(x)
            z = q.rsample((1,))
            return beta_loss(model.decoder(z).log_prob(x), q.mean, q.stddev.log(), beta)

        train(model, loss, digits.train, steps=500, lr=cosine(5e-3, 1e-3, 500), prepare=dynamic, progress=False)
        log_lik, kl = model.terms(dynamic(digits.test), K=20)
    print(f"beta = {beta}: rate {kl.mean():5.2f}, distortion {-log_lik.mean():5.2f} nats an image")

# %% [markdown]
# ## Exercise 10.7: the slide
#
# *10 minutes, difficulty 2 of 3, from notebook 10 "What β does"*
#
# A lecture slide says of the objective with $\beta$: "it is no bound any more". Measure before you answer: the greatest value over all $q$, against $\log p(x)$, for one datum of a decoder with one
# latent dimension. When is it a lower bound on $\log p(x)$?
#
# - **a** for no $\beta$ but 1
# - **b** for every $\beta$: the KL is never negative
# - **c** for $\beta \ge 1$, a looser one; not for $\beta < 1$
# - **d** for $\beta \le 1$, a tighter one; not for $\beta > 1$
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.

# %%
on_line = grid(-9, 9, 4001)
z = on_line.z.numpy()
log_lik = torch.tensor(stats.norm.logpdf(1.3, np.sin(2 * z) + z, 0.4))
log_p_z = torch.tensor(stats.norm.logpdf(z))
exact = best_beta_elbo(log_lik, log_p_z, 1.0, on_line)
for beta in (0.5, 0.9, 1.0, 1.1, 2.0):
    above = best_beta_elbo(log_lik, log_p_z, beta, on_line) - exact
    print(f"beta = {beta}: the best q reaches log p(x) {above:+.3f} nats")

# %%
answer = ...
### BEGIN SOLUTION
# The ELBO less (beta - 1) KL: below it for beta >= 1; for beta < 1 the best q passes log p(x), as printed above.
answer = "c"
### END SOLUTION

# %%
check.no_bound(answer)

# %% [markdown]
# ## Exercise 10.8: the water level
#
# *15 minutes, difficulty 2 of 3, from notebook 10 "A water level"*
#
# In the linear model with noise $\sigma^2$ given, the best $W$ has columns of lengths $(\lambda_j - \beta\sigma^2)_+^{1/2}$ along the eigenvectors, and direction $j$ costs
# $\frac12\log(\lambda_j / \beta\sigma^2)$ nats if it is above the water. Return the lengths and the rate.
#
# - `eigenvalues` $(D)$, positive, the largest first; `beta` and `noise` $= \sigma^2$, positive numbers.
# - Result: the pair of the lengths $(D)$, in the eigenvalues' order, and the rate, one number: the sum over directions.
#
# <details><summary>Hint 1</summary>
#
# What is below the water has length 0, and costs nothing. `clamp` does both.
# </details>
# <details><summary>Hint 2</summary>
#
# $\log\max(\lambda / \beta\sigma^2, 1)$ is 0 below the water.
# </details>


# %%
def water_level(eigenvalues, beta, noise):
    """Lengths of W's columns, (D,), and the rate in nats."""
    ### BEGIN SOLUTION
    level = beta * noise
    scale = torch.sqrt(torch.clamp(eigenvalues - level, min=0))
    rate = 0.5 * torch.log(torch.clamp(eigenvalues / level, min=1)).sum()
    return scale, rate
    ### END SOLUTION


# %%
water_level = check.water_level(water_level)

# %%
eigenvalues = torch.tensor([5.0, 2.5, 1.2, 0.6, 0.3, 0.1]).double()
betas = np.geomspace(0.1, 9, 60)
rates = [water_level(eigenvalues, beta, 0.5)[1] for beta in betas]
errors = [eigenvalues.clamp(max=beta * 0.5).sum() for beta in betas]
slope = np.diff(errors) / np.diff(rates)  # dD/dR along the curve: two sigma^2 beta, since D is in squared units
middle = np.sqrt(betas[1:] * betas[:-1])
print(f"slope of the curve against -2 beta sigma^2: off by at most {np.abs(slope / (-2 * 0.5 * middle) - 1).max():.3f}")
assert np.abs(slope / (-2 * 0.5 * middle) - 1).max() < 0.01  # the curve bends within a step

# %%
fig, ax = plots.figure(size=(6.5, 3.8))
ax.plot(rates, errors, color=plots.BLUE)
ax.set(xlabel="rate (nats)", ylabel="squared error")
plots.show(fig, alt="The squared error falls as the rate grows, a convex curve: the price of the next nat rises.")

# %% [markdown]
# ## Exercise 10.9: a mass for a count
#
# *15 minutes, difficulty 2 of 3, from notebook 10 "Counts are counts"*
#
# The logistic distribution function is $\mathrm{sigmoid}((v - m)/s)$. The count $x \in \{0, \dots, n\}$ gets what lies between $x - \frac12$ and $x + \frac12$; the first bin reaches
# down to $-\infty$, the last up to $\infty$. Return the log of the mass.
#
# - `x`, `m`, `s` of one shape, floating point: `x` holds whole numbers, $s > 0$ is the scale itself; `n` a whole number, 1 or more. Some
#   counts lie hundreds of scales below the location, none more than ten above it.
# - Result: that shape, nats.
#
# <details><summary>Hint 1</summary>
#
# Upper end minus lower end of the distribution function; `torch.where` for the two edges.
# </details>
# <details><summary>Hint 2</summary>
#
# At $-\infty$ the distribution function is 0, at $\infty$ it is 1.
# </details>


# %%
def log_mass(x, m, s, n):
    """log P(x) of the discretised logistic, nats, of the shape of x."""
    ### BEGIN SOLUTION
    upper = torch.where(x >= n, 1.0, torch.sigmoid((x + 0.5 - m) / s))
    lower = torch.where(x <= 0, 0.0, torch.sigmoid((x - 0.5 - m) / s))
    return torch.log(upper - lower)
    ### END SOLUTION


# %%
log_mass = check.log_mass(log_mass)

# %%
k = torch.arange(17.0).double()
for m, s in ((8.0, 1.0), (0.0, 3.0), (20.0, 2.0)):
    total = log_mass(k, torch.tensor(m).double(), torch.tensor(s).double(), 16).exp().sum()
    print(f"location {m:4}, scale {s}: the masses sum to {total:.12f}")
    assert abs(total - 1) < 1e-12

# %% [markdown]
# ## Exercise 10.10: the bound on what was observed
#
# *15 minutes, difficulty 2 of 3, from notebook 10 "Missing pixels"*
#
# One draw of $\log\frac1K\sum_k w_k$ with $w_k = p(x_o\mid z_k)\,p(z_k) / q(z_k\mid x_o)$. You get $\log p(x_d\mid z_k)$ for *every* pixel, filled ones too.
#
# - `log_x` $(K, B, D)$; `missing` $(B, D)$, True where a pixel is missing; `log_z`, `log_q` $(K, B)$.
# - Result: $(B)$, in nats.
#
# <details><summary>Hint 1</summary>
#
# What a missing pixel contributes to the product over pixels is a factor of 1.
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.where(missing, 0.0, log_x)`, then as in exercise 09.1.
# </details>


# %%
def miwae_bound(log_x, missing, log_z, log_q):
    """One draw of the bound on log p(x_o), nats, (B,)."""
    ### BEGIN SOLUTION
    observed = torch.where(missing, 0.0, log_x).sum(-1)  # a factor of 1 for what was not seen
    log_w = observed + log_z - log_q
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))
    ### END SOLUTION


# %%
miwae_bound = check.miwae_bound(miwae_bound)

# %% [markdown]
# ## Exercise 10.11: fill in by weighted draws
#
# *10 minutes, difficulty 2 of 3, from notebook 10 "Missing pixels"*
#
# $\mathbb E[x_m\mid x_o] \approx \sum_k \tilde w_k\, p_k$, $\tilde w_k = w_k / \sum_j w_j$, where $p_k$ are the pixels' means given $z_k$. Seen pixels stay.
#
# - `x` $(B, D)$; `missing` $(B, D)$; `log_w` $(K, B)$; `p` $(K, B, D)$.
# - Result: $(B, D)$.
#
# <details><summary>Hint 1</summary>
#
# Weights given as logarithms that are to sum to one over the draws: there is a function for that.
# </details>
# <details><summary>Hint 2</summary>
#
# `w[..., None] * p` lines up draws and images.
# </details>


# %%
def impute_weighted(x, missing, log_w, p):
    """x with its missing pixels at their weighted mean, (B, D)."""
    ### BEGIN SOLUTION
    w = torch.softmax(log_w, dim=0)
    mean = (w[..., None] * p).sum(0)
    return torch.where(missing, mean, x)
    ### END SOLUTION


# %%
impute_weighted = check.impute_weighted(impute_weighted)

# %% [markdown]
# Where all is known: $z \sim \mathcal N(0, 1)$, two pixels $x_d\mid z \sim \mathcal N(z, 1)$, the second one missing. Then $\mathbb E[x_2\mid x_1] = x_1 / 2$. Draw from the prior, far too wide a
# proposal, and weight.

# %%
x1 = 1.6
with seeded(5):
    z = torch.randn(100_000, 1).double()
log_w = Normal(z, 1.0).log_prob(torch.tensor(x1))
filled = impute_weighted(
    torch.tensor([[x1, 0.0]]).double(), torch.tensor([[False, True]]), log_w, z[:, None].expand(-1, 1, 2)
)
print(f"filled in {filled[0, 1]:.4f}; exact {x1 / 2}; without weights {z.mean():.4f}")
spread = (torch.softmax(log_w, 0) * (z - x1 / 2)).square().sum().sqrt()  # the delta method's standard error
assert abs(filled[0, 1] - x1 / 2) < 5 * spread

# %% [markdown]
# ## Summary
#
# - In a mixture, sum logs over dimensions first, probabilities over components after; draw the component, then its Gaussian.
# - $I(n; z)$ is a log density under one's own datum less the log of the mean over all: at most $\log N$.
# - The best $q(c\mid x)$ takes the expectation of the log, and then normalises.
# - $\beta$ is the price of a nat: above 1 a looser bound, below 1 none; below the level $\beta\sigma^2$ a direction is shut.
# - A count has a mass, with edges; a missing pixel is a factor of one.
#
# **To read** Tomczak and Welling 2018; Alemi et al. 2018; Salimans et al. 2017, section 2.1; Mattei and Frellsen 2019.
#
# **The next question** What if the latent variable moves in time?
