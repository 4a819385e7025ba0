# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 Exercises: The variational autoencoder
#
# After these exercises you will be able to
#
# - write a VAE's objective yourself, and train it: pixels, KL, bound, update;
# - split the gap of a bound into what the family costs and what the encoder adds;
# - test a formula against draws, and find what is wrong with a printed one;
# - recognise the bugs that train without complaint: a mean over pixels, grey pixels, a log variance taken for a log
#   scale, a sign, a constant before the KL;
# - look at a latent plane, and fill in what is missing from an image.
#
# **Time** 155 minutes; the cells run in about 45 seconds on a laptop. **Prerequisites** notebook 08; notebook 07 for the
# reparameterised gradient.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | $B \times D$ | images, flat; pixels 0 or 1 |
# | $l_d(z)$ | `logits`, `decode(z)` | $K \times B \times D$ | $p(x_d = 1 \mid z) = \operatorname{sigmoid}(l_d(z))$ |
# | $\mu(x)$ | `mu` | $B \times L$ | mean of $q(z \mid x)$ |
# | $\log \sigma(x)$ | `s` | $B \times L$ | *log scale* of $q(z \mid x)$, here and everywhere below |
# | $\varepsilon$ | `eps` | $K \times B \times L$ | standard normal noise |
# | $u$ | `u` | $T \times B \times D$ | uniform numbers between 0 and 1 |
# | $K, B, D, L, T$ | | | draws, images, pixels, latent units, turns or steps |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Noise comes in as an argument: nothing is left to chance. Logarithms are natural; tensors are
# float64.
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

import torch
import torch.nn.functional as F
from scipy import integrate, special, stats
from torch.distributions import Normal

from lvmteach.classroom.exercises import vae as check
from lvmteach.classroom.figures import plots
from lvmteach.data import dynamic, load_images
from lvmteach.runtime import seeded
from lvmteach.vae import mlp, pretrained
from lvmteach.vae.pretrained import unit_runs

torch.set_default_dtype(torch.float64)
images = load_images()
D, shape = images.train.shape[1], images.shape
print(f"{images.name}: {len(images.train)} training images of {shape[0]} x {shape[1]} pixels")

# %% [markdown]
# ## Exercise 08.1: pixels
#
# *15 minutes, difficulty 2 of 3, from notebook 08 "A deep model with two latent dimensions"*
#
# Return $\log p(x \mid z) = \sum_d \log \operatorname{Bernoulli}(x_d;\, \operatorname{sigmoid}(l_d))$ for each image.
#
# - `x` $(B, D)$; `logits` $(B, D)$ or $(K, B, D)$, however large: 800 is possible.
# - Result: $(B)$ or $(K, B)$, the shape of `logits` without its last axis; in nats.
# - Pixels other than 0 and 1 have no Bernoulli likelihood: raise a `ValueError` if there are any.
#
# <details><summary>Hint 1</summary>
#
# Write $\log \operatorname{sigmoid}(l)$ and $\log(1 - \operatorname{sigmoid}(l))$ with the help of $\log(1 + e^l)$. What
# do the two have in common, and what does the factor $x_d$ switch on?
# </details>
# <details><summary>Hint 2</summary>
#
# $\log(1 + e^l)$ is called softplus; `F.softplus` is safe for any $l$. For the pixels, `((x == 0) | (x == 1)).all()`
# tells what you need to know.
# </details>


# %%
def log_bernoulli(x, logits):
    """log p(x|z), nats, summed over pixels: (B,) or (K, B); x (B, D) of 0 and 1, logits (B, D) or (K, B, D)."""
    ### BEGIN SOLUTION
    # A cross-entropy would not notice grey pixels; a likelihood must.
    if ((x != 0) & (x != 1)).any():
        raise ValueError("x must be 0 or 1 everywhere; binarise grey pixels first")
    # log sigmoid(l) = l - softplus(l), log(1 - sigmoid(l)) = -softplus(l): x switches the l on.
    each_pixel = x * logits - F.softplus(logits)
    # Pixels are independent given z. Sum: a mean would make the KL count D times as much in the ELBO.
    return each_pixel.sum(dim=-1)
    ### END SOLUTION


# %%
log_bernoulli = check.log_bernoulli(log_bernoulli)

# %% [markdown]
# A likelihood is a distribution over $x$. Ten pixels make 1024 images. **What must their probabilities add up to?**

# %%
every_image = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 10)
with seeded(71):
    some_logits = 3 * torch.randn(10)
total = log_bernoulli(every_image, some_logits.expand(1024, 10)).exp().sum()
print(f"{len(every_image)} images, total probability {total:.10f}")
assert abs(total - 1) < 1e-12  # rounding of 1024 terms

# %% [markdown]
# And if grey values between 0 and 1 were let in? Then the sum becomes an integral. **More than 1, or less?** One pixel is
# enough to see it.

# %%
# NBVAL_CHECK_OUTPUT
for p in (0.5, 0.1, 0.01):
    mass, _ = integrate.quad(lambda x, p=p: p**x * (1 - p) ** (1 - x), 0, 1)
    print(f"p = {p:<4}: one grey pixel integrates to {mass:.4f}, 784 of them to 10^{784 * math.log10(mass):.0f}")
    assert mass < 1

# %% [markdown]
# So the cross-entropy of grey images is the log of no density, and its numbers compare with nobody's. Your `ValueError`
# guards that border.
#
# ## Exercise 08.2: the KL
#
# *10 minutes, difficulty 1 of 3, from notebook 08 "The encoder, and the KL that belongs to it"*
#
# Return $\operatorname{KL}(q(z \mid x)\,\|\,p(z))$ for $q = \mathcal N(\mu, \operatorname{diag} \sigma^2)$, $\sigma = e^s$,
# and $p = \mathcal N(0, I)$, in closed form. Write it out, so that you know each of its terms.
#
# - `mu` and `s`, both $(\dots, L)$. Mind: `s` is a log *scale*.
# - Result: $(\dots)$, in nats, summed over the latent units.
#
# <details><summary>Hint 1</summary>
#
# $\mathbb E_q[\log q(z) - \log p(z)]$ for one unit: what are $\mathbb E_q[z^2]$ and $\mathbb E_q[(z - \mu)^2]$?
# </details>
# <details><summary>Hint 2</summary>
#
# Three things can be tested without knowing the answer: it is 0 at $\mu = 0, s = 0$; it is never negative; and $\mu$ and
# $-\mu$ cost the same.
# </details>


# %%
def kl(mu, s):
    """KL(q || p), nats, summed over units: (...) from mu and s (..., L), s = log sigma."""
    ### BEGIN SOLUTION
    # E_q[z^2] = mu^2 + sigma^2 comes from -log p, E_q[((z - mu) / sigma)^2] = 1 from log q; the constants cancel.
    second_moment = mu.square() + torch.exp(2 * s)
    # log q also has -log sigma = -s.
    return (0.5 * (second_moment - 1) - s).sum(dim=-1)
    ### END SOLUTION


# %%
kl = check.kl(kl)


# %% [markdown]
# The oracle knows no formula for the KL: it integrates the definition, one unit after the other.


# %%
def by_quadrature(mu, s):
    """KL(q || p) of one unit, by integrating q (log q - log p)."""
    q, p = stats.norm(mu, math.exp(s)), stats.norm()
    value, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), mu - 9 * q.std(), mu + 9 * q.std())
    return value


mu, s = torch.tensor([0.8, -1.5, 0.3]), torch.tensor([-0.9, 0.4, -0.2])
oracle = sum(by_quadrature(*unit) for unit in zip(mu.tolist(), s.tolist(), strict=True))
print(f"formula {kl(mu, s):.6f}, quadrature {oracle:.6f} nats")
assert abs(kl(mu, s) - oracle) < 1e-7  # quad's own tolerance

# %% [markdown]
# ## Exercise 08.3: an oracle for any formula
#
# *10 minutes, difficulty 2 of 3, from notebook 08 "The encoder, and the KL that belongs to it"*
#
# Quadrature ends at a few dimensions; draws do not. Return the Monte Carlo estimate of the KL from its *definition*,
# $\operatorname{KL}(q\,\|\,p) = \mathbb E_{z \sim q}[\log q(z) - \log p(z)]$.
#
# - `mu` and `s` $(B, L)$; `eps` $(K, B, L)$, standard normal noise. Make the draws of $q$ from it.
# - Result: $(B)$, in nats.
#
# <details><summary>Hint 1</summary>
#
# Which $z$ does the noise become? Evaluate both densities there, at the same point.
# </details>
# <details><summary>Hint 2</summary>
#
# `Normal(...).log_prob(z)` gives one number for each unit. Units are summed, draws averaged.
# </details>


# %%
def kl_by_draws(mu, s, eps):
    """Monte Carlo estimate of KL(q || p), nats, (B,); mu and s are (B, L), eps is (K, B, L)."""
    ### BEGIN SOLUTION
    # The expectation is over q, so the points are draws of q.
    z = mu + torch.exp(s) * eps
    log_ratio = Normal(mu, torch.exp(s)).log_prob(z) - Normal(0.0, 1.0).log_prob(z)
    # Units are independent: their logs add. Draws estimate an expectation: their mean.
    return log_ratio.sum(dim=-1).mean(dim=0)
    ### END SOLUTION


# %%
kl_by_draws = check.kl_by_draws(kl_by_draws)

# %% [markdown]
# ## Exercise 08.4: the slide's errors
#
# *10 minutes, difficulty 2 of 3, from notebook 08 "The encoder, and the KL that belongs to it"*
#
# A lecture's slide prints, under the name $\operatorname{KL}(p(z)\,\|\,q(z \mid x))$, what comes to
#
# $$\tfrac12 \sum_l \big(1 + \log \sigma_l^2 - \mu_l - \sigma_l^2\big).$$
#
# Your oracle can judge it. The table tries repairs of the formula, at three images; below them stand draws from $q$, by
# your `kl_by_draws`, and for comparison $\operatorname{KL}(p\,\|\,q)$ by draws from $p$. **Which line do you expect to meet
# which?**


# %%
def slide(mu, s, sign=1, power=1):
    """The slide's formula; sign=-1 turns its sign round, power=2 squares mu."""
    return sign * 0.5 * (1 + 2 * s - mu**power - torch.exp(s) ** 2).sum(-1)


mu, s = torch.tensor([[0.9, 0.4], [-1.2, 0.7], [1.5, -0.6]]), torch.tensor([[-0.8, -0.3], [0.2, -1.0], [-0.5, -0.4]])
with seeded(72):
    eps = torch.randn(400, 500, 3, 2)  # 400 runs of 500 draws
runs = torch.stack([kl_by_draws(mu, s, one) for one in eps])
from_p = (Normal(0.0, 1.0).log_prob(eps) - Normal(mu, s.exp()).log_prob(eps)).sum(-1).mean((0, 1))
candidates = {"as printed": {}, "sign": {"sign": -1}, "square": {"power": 2}, "both": {"sign": -1, "power": 2}}
for name, repairs in candidates.items():
    print(f"{name:<12}", *(f"{value:8.3f}" for value in slide(mu, s, **repairs)))
print("draws from q", *(f"{value:8.3f}" for value in runs.mean(0)))
print("draws from p", *(f"{value:8.3f}" for value in from_p))
std_err = runs.std(0) / math.sqrt(len(runs))
assert ((runs.mean(0) - kl(mu, s)).abs() < 5 * std_err).all()

# %% [markdown]
# **First:** which repairs, all of them and no more, does the *formula* need?
#
# - **a** the sign
# - **b** the square of $\mu$
# - **c** the sign, and the square of $\mu$
# - **d** the sign, the square of $\mu$, and $\sigma$ instead of $\sigma^2$
#
# **Second:** of which pair is the repaired formula the KL, and what does the slide call it?
#
# - **a** $\operatorname{KL}(q\,\|\,p)$, and the slide calls it $\operatorname{KL}(p\,\|\,q)$
# - **b** $\operatorname{KL}(p\,\|\,q)$, as the slide says
# - **c** both: the KL is symmetric for Gaussians
# - **d** neither: it is the KL only when $\mu = 0$
#
# Write each letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Compare line by line with the draws from $q$, at all three images.
# </details>
# <details><summary>Hint 2</summary>
#
# Which of the two distributions do you average over, in the KL of the ELBO? It is the one named first.
# </details>

# %%
answer = ...  # first
### BEGIN SOLUTION
# Only the line with both repairs meets the draws from q, at all three images.
answer = "c"
### END SOLUTION

# %%
check.slide_repairs(answer)

# %%
answer = ...  # second
### BEGIN SOLUTION
# It meets the draws from q, with q named first; the draws from p give another number.
answer = "a"
### END SOLUTION

# %%
check.slide_name(answer)

# %% [markdown]
# ## Exercise 08.5: the ELBO
#
# *15 minutes, difficulty 2 of 3, from notebook 08 "Training"*
#
# Put them together. Return for each image
#
# $$\frac1K \sum_{k=1}^K \log p(x \mid z_k) \;-\; \operatorname{KL}\big(q(z \mid x)\,\|\,p(z)\big), \qquad z_k \sim q(z \mid x).$$
#
# - `x` $(B, D)$; `mu` and `s` $(B, L)$; `eps` $(K, B, L)$; `decode`, a function from $z$ $(\dots, L)$ to logits
#   $(\dots, D)$, large ones as in exercise 08.1.
# - Result: $(B)$, in nats. It is a bound, to be made large, and gradients pass through it.
#
# <details><summary>Hint 1</summary>
#
# Draw by reparameterisation, as in `kl_by_draws`; decode, score; then take off what the code costs.
# </details>
# <details><summary>Hint 2</summary>
#
# Check shapes as you go: $(K, B, L)$, $(K, B, D)$, $(K, B)$, $(B)$. Nothing is averaged over images or pixels.
# </details>


# %%
def elbo(x, mu, s, eps, decode):
    """The bound on log p(x) of each image, nats, (B,); decode: z (..., L) -> logits (..., D)."""
    ### BEGIN SOLUTION
    # s is the log of the scale, so exp without a half; gradients reach mu and s through the draws.
    z = mu + torch.exp(s) * eps
    # How well each draw explains the image: (K, B). The expectation becomes a mean over the draws.
    explained = log_bernoulli(x, decode(z)).mean(dim=0)
    # The KL is known exactly, one number for each image; weight 1, or it is no bound.
    return explained - kl(mu, s)
    ### END SOLUTION


# %%
elbo = check.elbo(elbo)

# %% [markdown]
# A model small enough for the truth: six pixels, two latent units, an affine decoder. Quadrature over the plane gives
# $\log p(x)$ of all 64 images, and the posterior.

# %%
with seeded(74):
    V, beta = 2 * torch.randn(2, 6), torch.randn(6)
axis = torch.linspace(-7, 7, 281)
cell = float(axis[1] - axis[0]) ** 2
mesh = torch.cartesian_prod(axis, axis)
pixels = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6)
logits = mesh @ V + beta
log_on, log_off = (torch.from_numpy(special.log_expit(l.numpy())) for l in (logits, -logits))  # scipy's, not yours
log_p_xz = log_on @ pixels.T + log_off @ (1 - pixels.T) + Normal(0.0, 1.0).log_prob(mesh).sum(1)[:, None]
log_p_x = torch.logsumexp(log_p_xz, 0) + math.log(cell)
print(f"the 64 probabilities add up to {log_p_x.exp().sum():.8f}")
assert abs(log_p_x.exp().sum() - 1) < 1e-6  # the mesh: its edges lie at seven standard deviations

# %% [markdown]
# Now give each image a $q$ of its own, start it at the prior, and go uphill on *your* bound. **How high can it get?**

# %%
code = [torch.zeros(64, 2, requires_grad=True) for _ in range(2)]  # mu and s of each image
with seeded(75):
    for step in range(500):
        uphill = torch.autograd.grad(elbo(pixels, *code, torch.randn(20, 64, 2), lambda z: z @ V + beta).sum(), code)
        code = [(a + 0.2 / (1 + step / 50) * b).detach().requires_grad_() for a, b in zip(code, uphill, strict=True)]
    m, t = (one.detach() for one in code)
    noise = torch.randn(100, 200, 64, 2)  # 100 runs of 200 draws
runs = torch.stack([elbo(pixels, m, t, eps, lambda z: z @ V + beta) for eps in noise])
start = torch.stack([elbo(pixels, 0 * m, 0 * t, eps, lambda z: z @ V + beta) for eps in noise]).mean(0)
bound, std_err = runs.mean(0), runs.std(0) / 10
assert (bound < log_p_x + 5 * std_err).all()

# %%
first = log_p_x.argsort(descending=True)[:20]
fig, ax = plots.figure(size=(9, 4.2))
ax.plot(log_p_x[first], "k_", ms=18, mew=3, label="log p(x), quadrature")
ax.plot(start[first], "s", color=plots.ORANGE, label="your bound, q = the prior")
ax.plot(bound[first], "o", color=plots.BLUE, label="your bound, q raised by its gradient")
ax.set(
    xlabel="image, ranked by log p(x)",
    ylabel="nats",
    title="the 20 most probable of 64 images",
    xticks=range(0, 20, 5),
    ylim=(start[first].min() - 4, 0),  # room for the legend
)
ax.legend(loc="lower left")
plots.show(
    fig,
    alt="Dashes for the exact log p(x) of 20 images; squares lie nats below, circles just below the dashes, none above.",
)

# %% [markdown]
# Just below the dash, never above it by more than the draws' own error. The gap that is left is $\operatorname{KL}(q\,\|\,p(z \mid x))$, which the mesh can integrate: a
# number that shares no line with your bound.

# %%
log_q = Normal(m, t.exp()).log_prob(mesh[:, None]).sum(-1)  # (mesh, 64)
kl_to_posterior = (log_q.exp() * (log_q - log_p_xz + log_p_x)).sum(0) * cell
print(f"mean gap {(log_p_x - bound).mean():.4f}, mean KL to the posterior {kl_to_posterior.mean():.4f} nats")
assert ((log_p_x - bound - kl_to_posterior).abs() < 5 * std_err + 1e-6).all()  # and the mesh, as above

# %% [markdown]
# ## Exercise 08.6: split a gap
#
# *20 minutes, difficulty 3 of 3, from notebook 08 "Splitting the gap"*
#
# Take a model whose posterior is Gaussian, $p(z \mid x) = \mathcal N(m,\, A^{-1})$ with the precision $A$, and an encoder
# that answers $q = \mathcal N(\mu,\, \operatorname{diag} \sigma^2)$. The gap of its bound is $\operatorname{KL}(q\,\|\,p(z \mid x))$.
# Find, on paper, the diagonal Gaussian of least $\operatorname{KL}(q\,\|\,p)$, and split the gap of each image:
#
# - *approximation*: what this best $q$ leaves;
# - *amortisation*: what the encoder's $q$ has on top of it.
#
# `m` $(B, L)$ and `A` $(B, L, L)$; `mu` and `s` $(B, L)$, `s` a log scale. `m` and `mu` may lie far from zero together.
#
# Result: the pair `(approximation, amortisation)`, each $(B)$, in nats.
#
# <details><summary>Hint 1</summary>
#
# $\operatorname{KL}(q\,\|\,p) = \tfrac12\big[\sum_l A_{ll}\sigma_l^2 + (\mu - m)^\top A\,(\mu - m) - L - \log\det A - \sum_l \log \sigma_l^2\big]$.
# For which $\mu$ and $\sigma_l$ is it least?
# </details>
# <details><summary>Hint 2</summary>
#
# Put the best $\mu$ and $\sigma$ in: that is the first part. The difference of the two expressions is the second, and $\log\det A$
# drops out of it. `torch.linalg.slogdet(A).logabsdet` is a safe $\log\det A$.
# </details>


# %%
def split_gap(m, A, mu, s):
    """(approximation, amortisation), each (B,), nats; m, mu and s are (B, L), A is (B, L, L), a precision."""
    ### BEGIN SOLUTION
    # Least KL(q || p): the posterior's mean, and 1/A_ll, the variance of one coordinate with the others held.
    held = A.diagonal(dim1=-2, dim2=-1)
    approximation = 0.5 * (held.log().sum(-1) - torch.linalg.slogdet(A).logabsdet)
    # What the encoder adds: a mean at the wrong place, and widths that are not the best ones.
    misplaced = ((mu - m)[:, None] @ A @ (mu - m)[..., None]).flatten()
    ratio = held * torch.exp(2 * s)
    return approximation, 0.5 * (misplaced + (ratio - 1 - ratio.log()).sum(-1))
    ### END SOLUTION


# %%
split_gap = check.split_gap(split_gap)

# %% [markdown]
# Use it. In a linear model with $x = W z + \text{noise}$ the precision is $A = I + W^\top W / \sigma^2$. Turn $W$, which changes nothing in $p(x)$.
# **At which angle is the approximation gap zero? And does a wrong answer of the encoder cost the same at each angle?**

# %%
W = torch.tensor([[2.0, 0.0], [0.0, 0.7], [0.5, 0.3]])
W = W @ torch.linalg.svd(W).Vh.T  # now its columns are orthogonal
angles = torch.linspace(0, math.pi / 2, 91)
turned = torch.stack([torch.stack([angles.cos(), -angles.sin()], -1), torch.stack([angles.sin(), angles.cos()], -1)], 1)
precision = torch.eye(2) + (W @ turned).mT @ (W @ turned) / 0.3**2
off = torch.tensor([0.2, 0.0]).expand(91, 2)  # the encoder is off by 0.2 in z_1; its widths are the best
best = -0.5 * precision.diagonal(dim1=1, dim2=2).log()
approximation, amortisation = split_gap(torch.zeros(91, 2), precision, off, best)
fig, ax = plots.figure(size=(8, 3.6))
ax.plot(angles.rad2deg(), approximation, color=plots.BLUE, label="approximation")
ax.plot(angles.rad2deg(), amortisation, "--", color=plots.ORANGE, label="amortisation, mean off by 0.2")
ax.set(xlabel="angle by which W is turned, degrees", ylabel="nats an image", ylim=(0, None))
ax.legend()
plots.show(
    fig, alt="The approximation gap is zero at 0 and 90 degrees and highest between; the amortisation gap falls."
)

# %% [markdown]
# Zero where $W^\top W$ is diagonal: so a bound that may turn $W$ will do so (the linear VAE of notebook 08). And an error along a narrow
# direction costs more: the same 0.2 is many standard deviations there. The sum of your two parts against the whole gap, by quadrature:

# %%
at = 20
axis = torch.linspace(-3, 3, 1201)
mesh = torch.cartesian_prod(axis, axis)
log_q = Normal(off[at], best[at].exp()).log_prob(mesh).sum(1)
log_p = -0.5 * torch.einsum("gi,ij,gj->g", mesh, precision[at], mesh)
log_p = log_p - torch.logsumexp(log_p, 0) - 2 * math.log(float(axis[1] - axis[0]))
whole = float((log_q.exp() * (log_q - log_p)).sum()) * float(axis[1] - axis[0]) ** 2
print(
    f"your parts {approximation[at]:.6f} + {amortisation[at]:.6f} = {approximation[at] + amortisation[at]:.6f}, quadrature {whole:.6f}"
)
assert abs(approximation[at] + amortisation[at] - whole) < 1e-6  # the mesh's edges

# %% [markdown]
# ## Exercise 08.7: training steps
#
# *15 minutes, difficulty 2 of 3, from notebook 08 "Training" and "4. Should this number go up or down?"*
#
# Train a model on batches, one update for each: a step of the optimiser towards a larger *mean* bound of the batch's images.
#
# - `model`: `model(x, eps)` is the bound of each image, $(B)$. Change its parameters in place. Gradients of an earlier
#   `backward` may still lie in them.
# - `make_optimiser`: from parameters to an optimiser, `make_optimiser(model.parameters())`. It may have a memory.
# - `batches`: pairs `(x, eps)`, to go through once with `for`: it may be a generator. Batches may differ in size.
# - Result: a tensor $(T)$ in the dtype of the bounds, for each batch the mean bound of its images *before* its update, in nats.
#
# <details><summary>Hint 1</summary>
#
# An optimiser goes downhill, and the bound is to go up. And `backward` adds to the gradients that it finds.
# </details>
# <details><summary>Hint 2</summary>
#
# What happens once, before the loop? And in the loop: bound, clear, backward, step. `torch.stack` joins a list of
# numbers; `detach` them first.
# </details>


# %%
def train_steps(model, make_optimiser, batches):
    """Update the model in place, once a batch; return the mean bound of each batch before its update, (T,)."""
    ### BEGIN SOLUTION
    # One optimiser for the whole run: it remembers momentum, or Adam's averages.
    optimiser = make_optimiser(model.parameters())
    history = []
    for x, eps in batches:
        loss = -model(x, eps).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        # What was measured is a loss; what is asked for is the bound.
        history.append(-loss.detach())
    return torch.stack(history)
    ### END SOLUTION


# %%
train_steps = check.train_steps(train_steps)

# %% [markdown]
# Now for real: a VAE with two latent units, in your own words throughout.


# %%
class Model(torch.nn.Module):
    """A VAE with a plane for its latent space, by your functions."""

    def __init__(self, mean):
        super().__init__()
        self.encoder = mlp(len(mean), 200, 200, 4)
        self.decoder = mlp(2, 200, 200, len(mean), start=mean.logit(0.005))  # begins at the mean image

    def encode(self, x):
        return self.encoder(x).chunk(2, -1)

    def forward(self, x, eps):
        return elbo(x, *self.encode(x), eps, self.decoder)


def visits(steps, size=100):
    """Random batches, binarised afresh at each visit, with one draw of noise for each image."""
    for rows in torch.randint(len(images.train), (steps, size)):
        yield dynamic(images.train[rows]).double(), torch.randn(1, size, 2)


# %%
STEPS = 1500 if images.name == "mnist" else 2000  # the digits are small, and a step is cheap
mean_image = images.train.mean(0).double()
with seeded(76):
    model = Model(mean_image)
    bounds = train_steps(model, lambda parameters: torch.optim.Adam(parameters, lr=3e-3), visits(STEPS))
fig, ax = plots.figure(size=(8, 3.6))
ax.plot(range(25, STEPS, 50), bounds.reshape(-1, 50).mean(1), "o-", color=plots.BLUE, ms=4)
ax.set(xlabel="training step", ylabel="ELBO (nats an image)", title="mean over 50 batches")
plots.show(fig, alt="The bound climbs steeply over the first few hundred steps, then slowly; it does not fall back.")

# %% [markdown]
# Does it beat a model without a latent space? With independent pixels, each as probable as in the mean image,
# $\log p(x)$ needs no bound. **By how many nats should a plane help?**

# %%
held_out = torch.cat([images.valid, images.test])
with seeded(77), torch.no_grad():
    x_new = dynamic(held_out[:: len(held_out) // 400][:400]).double()
    bound = model(x_new, torch.randn(50, 400, 2))
p = mean_image.clamp(0.005, 0.995)
independent = (x_new * p.log() + (1 - x_new) * (1 - p).log()).sum(1)
gain = bound - independent
std_err = gain.std() / math.sqrt(len(gain))
print(f"ELBO on new images {bound.mean():.1f}, independent pixels {independent.mean():.1f},", end=" ")
print(f"coins {-D * math.log(2):.1f} nats; gain {gain.mean():.1f} ± {std_err:.1f}")
assert gain.mean() > 5 * std_err

# %% [markdown]
# ## Exercise 08.8: two constants
#
# *10 minutes, difficulty 2 of 3, from notebook 08 "Five questions that users of VAE code ask most"*
#
# Predict, then run. **First:** a colleague's data term is the *mean* over $D = 784$ pixels (that is what torch's loss
# functions do unless told otherwise). The KL is summed over units, as it should. What will training give?
#
# - **a** the same model: a constant factor only changes the scale of the loss
# - **b** sharper images: the KL counts for less
# - **c** one and the same image for every $z$: no unit pays for its KL
# - **d** no training at all: the loss becomes NaN
#
# **Second:** the colleague now writes $1/784$ before the KL, "because a paper did", and leaves the mean over pixels. What
# is the objective now?
#
# - **a** the ELBO divided by 784: the right optimum, on another scale
# - **b** a beta-VAE with $\beta = 1/784$, no bound on anything
# - **c** the mean over pixels once more: it collapses
# - **d** the ELBO itself
#
# Write each letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Multiply the whole objective by 784. That moves no optimum. What stands before the KL now?
# </details>
# <details><summary>Hint 2</summary>
#
# With both constants: which factor do the two terms have in common?
# </details>

# %%
answer = ...  # first
### BEGIN SOLUTION
# mean - KL = (sum - 784 KL) / 784: a nat of KL must gain 784 nats of data term. None does.
answer = "c"
### END SOLUTION

# %%
check.pixel_mean(answer)


# %%
class PixelMean(Model):
    """The colleague's objective."""

    def forward(self, x, eps):
        mu, s = self.encode(x)
        return log_bernoulli(x, self.decoder(mu + s.exp() * eps)).mean(0) / x.shape[1] - kl(mu, s)


with seeded(78):
    colleague = PixelMean(mean_image)
    train_steps(colleague, lambda parameters: torch.optim.Adam(parameters, lr=3e-3), visits(400))
    with torch.no_grad():
        spread = [torch.sigmoid(one.decoder(torch.randn(500, 2))).std(0).max() for one in (model, colleague)]
        cost = [kl(*one.encode(x_new)).mean() for one in (model, colleague)]
for name, nats, deviation in zip(("yours", "colleague's"), cost, spread, strict=True):
    print(f"{name:>11}: KL {nats:.4f} nats; over draws of z a pixel's mean varies by up to {deviation:.3f}")
assert cost[1] < 0.1 < cost[0]
assert spread[1] < 0.1 < spread[0]

# %%
answer = ...  # second
### BEGIN SOLUTION
# sum / 784 - KL / 784: one common factor.
answer = "a"
### END SOLUTION

# %%
check.two_wrongs(answer)

# %% [markdown]
# ## Exercise 08.9: warm-up against active units
#
# *15 minutes, difficulty 2 of 3, from notebook 08 "Units in use"*
#
# Two measures say whether a latent unit is in use. Return both, from the encoder's answers to many images:
#
# - *active* (Burda et al. 2016): whether the variance over the images of $\mathbb E_q[z_l]$, with divisor $B - 1$, is above 0.01;
# - *nats*: the mean over the images of $\operatorname{KL}(q(z_l \mid x)\,\|\,p(z_l))$.
#
# `mu` and `s` $(B, L)$, one row an image; at least two images. A mean may lie far from zero for all of them. Result: the pair `(active, nats)`, each $(L)$, the first of truth values.
#
# <details><summary>Hint 1</summary>
#
# Which of $\mu$ and $\sigma$ does $\mathbb E_q[z_l]$ contain?
# </details>
# <details><summary>Hint 2</summary>
#
# `mu.var(0)` is over the images. For the KL, take what `kl` has under its sum.
# </details>


# %%
def unit_use(mu, s):
    """(active, nats), each (L,), from mu and s (B, L): Var_x(E_q[z]) > 0.01, and the mean KL of each unit."""
    ### BEGIN SOLUTION
    # E_q[z] is mu. A mean that is the same for every image says nothing about the image.
    active = mu.var(dim=0) > 0.01
    nats = (0.5 * (mu.square() + torch.exp(2 * s) - 1) - s).mean(dim=0)
    return active, nats
    ### END SOLUTION


# %%
unit_use = check.unit_use(unit_use)

# %% [markdown]
# Look with it at a model that comes with the package: fifty units, trained on MNIST for 1000 passes. Its card says how many are active.
# **How many nats does a collapsed unit cost?**

# %%
if images.name == "mnist":
    patient, card = pretrained("iwae_1")
    with torch.no_grad():
        q = patient.encoder(x_new.float())
    active, nats = unit_use(q.mean.double(), q.stddev.double().log())
    print(f"{int(active.sum())} of {len(active)} units active here, its card says {card['active_units']}")
    print(f"cost of an active unit {nats[active].mean():.2f} nats, of a collapsed one {nats[~active].mean():.4f}")

# %% [markdown]
# Now models of one architecture on the same data, three ways to train: the bound with its KL *sampled*, the KL in *closed form* as yours is, and
# *KL warm-up*, where its weight rises from 0 to 1 over the first third. All end with the same objective. (The runs of notebook 08.)

# %%
for run in unit_runs():
    print(f"seed {run['seed']}, {run['way']:>11}: {run['active']} active, log p(x) {run['log_p']:.2f} nats")

# %% [markdown]
# What does the table say?
#
# - **a** the data have as many dimensions as the larger count
# - **b** the model with more active units is the better one
# - **c** the count depends on how one got there, so it is no property of the data
# - **d** the ways have other objectives, so nothing can be compared
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# What is the same in all rows, and what differs? By how much does each of the two columns vary?
# </details>
# <details><summary>Hint 2</summary>
#
# Which weight does the KL have when training ends, and which in the last column?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# Same data, network and final objective; the count is another.
answer = "c"
### END SOLUTION

# %%
check.what_a_count_tells(answer)

# %% [markdown]
# ## Exercise 08.10: decode a grid
#
# *15 minutes, difficulty 2 of 3, from notebook 08 "Two latent dimensions: the whole space in one picture"*
#
# Cut the plane into $n \times n$ cells of equal prior probability: along each axis at the normal's quantiles, with $z$ in
# the *middle* of its cell, at the quantiles $(i + \frac12)/n$ for $i = 0, \dots, n - 1$. Return the decoder's image at
# each of the $n^2$ points.
#
# - `decode`, from $z$ $(N, 2)$ in float64 to logits $(N, D)$ of any size; `n`, a whole number, 1 or more.
# - Result: $(n^2, D)$, the probabilities of the pixels. Images are laid out as one reads: row by row from the top, each row
#   from the left. $z_1$ grows to the right, $z_2$ grows *upwards*.
#
# <details><summary>Hint 1</summary>
#
# The inverse of the standard normal's distribution function is `torch.special.ndtri`, or `Normal(0.0, 1.0).icdf`.
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.cartesian_prod(a, b)` lists all pairs, the second coordinate running fastest. Which coordinate has to run
# fastest here, and which begins at its largest? `.flip(0)` turns rows round, `.flip(1)` columns.
# </details>


# %%
def decode_grid(decode, n):
    """Pixel probabilities (n * n, D) on a grid of equally probable cells, from the top left, row by row."""
    ### BEGIN SOLUTION
    middles = (torch.arange(n) + 0.5) / n
    ticks = Normal(0.0, 1.0).icdf(middles)
    # Rows go down as z_2 falls, and within a row z_1 runs: repeat the one, tile the other.
    z = torch.stack([ticks.repeat(n), ticks.flip(0).repeat_interleave(n)], dim=1)
    return torch.sigmoid(decode(z))
    ### END SOLUTION


# %%
decode_grid = check.decode_grid(decode_grid)

# %% [markdown]
# The target: a sheet of digits that turn into each other without a seam. **Where would you look for a digit that the model
# is unsure about?**

# %%
with torch.no_grad():
    sheet = decode_grid(model.decoder, 14)
fig, ax = plots.figure(size=(6.4, 6.4))
plots.image_grid(ax, sheet, shape, cols=14)
ax.set_title("p(x|z): $z_1$ grows to the right, $z_2$ upwards")
plots.show(
    fig, alt="A sheet of 14 by 14 digits, each like its neighbours; ones, zeros, sevens and others have their regions."
)
with torch.no_grad():
    corner = torch.sigmoid(model.decoder(Normal(0.0, 1.0).icdf(torch.tensor([[0.5 / 14, 13.5 / 14]]))))
assert torch.allclose(sheet[0], corner[0], atol=1e-9)  # top left: z_1 smallest, z_2 largest; rounding

# %% [markdown]
# ## Exercise 08.11: fill in what is missing
#
# *20 minutes, difficulty 3 of 3, from notebook 08 "Filling in missing halves"*
#
# Alternate $q$ and $p$. In turn $t = 0, \dots, T - 1$: encode the current $x$, draw $z$ with the noise `eps[t]`, decode,
# and draw the *missing* pixels anew: a pixel becomes 1 where `u[t]` is below its probability, else 0. Seen pixels stay.
#
# - `x` $(B, D)$, with some first guess, 0 or 1, where pixels are missing; `missing` $(B, D)$, True where they are.
# - `encode`, from $x$ $(B, D)$ to the pair `(mu, s)`, each $(B, L)$; `decode`, from $z$ $(B, L)$ to logits $(B, D)$.
# - `eps` $(T, B, L)$ standard normal; `u` $(T, B, D)$ uniform.
# - Result: the pair `(filled, mean)`, each $(B, D)$. `filled` is $x$ after the last turn. `mean` is, at missing pixels, the
#   mean over all turns of the probabilities that they were drawn with, and at seen pixels $x$ itself.
#
# <details><summary>Hint 1</summary>
#
# `torch.where(missing, a, b)` takes `a` where missing is True, else `b`. What goes from one turn to the next?
# </details>
# <details><summary>Hint 2</summary>
#
# Give the current image a name, replace it in each turn, and add up the probabilities beside it. One `torch.where` in the
# loop, one after it. A draw of $z$ is made as in your ELBO.
# </details>


# %%
def impute(x, missing, encode, decode, eps, u):
    """(filled, mean), each (B, D), after T turns of q and p; missing (B, D), eps (T, B, L), u (T, B, D)."""
    ### BEGIN SOLUTION
    filled, shown = x, torch.zeros_like(x)
    for t in range(len(eps)):
        # q sees the whole image, the last turn's filling included.
        mu, s = encode(filled)
        on = torch.sigmoid(decode(mu + torch.exp(s) * eps[t]))
        # A draw, not the probability; and seen pixels are never touched.
        filled = torch.where(missing, (u[t] < on).to(x.dtype), filled)
        shown = shown + on
    # Probabilities average with less noise than the pixels drawn from them.
    return filled, torch.where(missing, shown / len(eps), x)
    ### END SOLUTION


# %%
impute = check.impute(impute)

# %%
column = torch.arange(D) % shape[1]
missing = (column < shape[1] // 2).expand(400, D)  # the left half
guess = torch.where(missing, 0.0, x_new)
with seeded(79), torch.no_grad():
    filled, mean = impute(guess, missing, model.encode, model.decoder, torch.randn(40, 400, 2), torch.rand(40, 400, D))
fig, ax = plots.figure(size=(12, 3.9))
rows = [x_new[:14], torch.where(missing, 0.5, x_new)[:14], filled[:14], mean[:14]]
plots.image_grid(ax, torch.cat(rows), shape, cols=14)
ax.set_title("truth; what the model sees; one filling; mean of 40 turns")
plots.show(fig, alt="Four rows: digits, their right halves, one completion of each, and blurred means of completions.")

# %% [markdown]
# Better than the mean image? Score the truth's hidden half under both. A target: the gain is clear of its error bar.


# %%
def hidden_half(p):
    """log p of the truth's missing pixels under independent pixels with probabilities p, nats, (B,)."""
    p = p.clamp(0.01, 0.99)  # the mean of 40 turns knows no smaller probabilities
    return (torch.where(x_new > 0.5, p, 1 - p).log() * missing).sum(1)


gain = hidden_half(mean) - hidden_half(mean_image.expand_as(mean))
std_err = gain.std() / math.sqrt(len(gain))
print(
    f"hidden half: {hidden_half(mean).mean():.1f} nats an image, {gain.mean():.1f} ± {std_err:.1f} better than the mean"
)
assert gain.mean() > 5 * std_err
assert torch.equal(filled[~missing], x_new[~missing])

# %% [markdown]
# ## An open problem
#
# No check here, and no single answer. Your turns draw $z$ from $q(z \mid x)$, where Gibbs sampling would draw from
# $p(z \mid x)$. Make them exact: take the draw of $q$ as a *proposal*, and accept or refuse it so that the chain has
# $p(x_\text{missing} \mid x_\text{observed})$ as its stationary distribution. What is the probability of acceptance, in
# terms of the log weights $\log p(x \mid z) + \log p(z) - \log q(z \mid x)$? The first guess matters then: start the chain
# from your own turns. With the six-pixel model of exercise 08.5 you can compute the true conditional by enumeration, and
# measure what the repair gains.

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - Pixels are summed, never averaged, and they are 0 or 1: a grey cross-entropy is no likelihood.
# - One reading of $s$ for sampler and KL; draws from $q$ tell when a formula is wrong, and which KL it is.
# - A gap is approximation plus amortisation: variances $1/A_{ll}$ at best, and what the encoder adds to that.
# - The number of active units depends on the path of training; $\log p(x)$ judges.
# - The ELBO is the mean score of the draws less the KL, with weight 1; it stays below $\log p(x)$, by the KL to the posterior.
# - Training: one optimiser, minus the bound, clear, backward, step.
# - A mean over pixels empties the latent space; with $1/D$ before the KL as well, it is the right objective again.
#
# **To read** Kingma and Welling 2014, *Auto-encoding variational Bayes*, appendix B for the KL; for the open problem Mattei
# and Frellsen 2018, *Leveraging the exact likelihood of deep latent variable models*.
#
# **The next question** Of the $K$ draws the ELBO takes the mean of the logs. What does the log of the mean give? Notebook 09
# and its exercises.
