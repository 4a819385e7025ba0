# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 Exercises: Gradient estimators
#
# After these exercises you will be able to
#
# - write a loss whose gradient is the score-function estimate, and whose value still means something;
# - say which baselines are free and which are not, and build two good ones;
# - reparameterise a Gaussian by hand, and a categorical draw as a maximum;
# - fit an ELBO by draws, and say what bias a cheaper gradient has;
# - pick an estimator for a problem, and give the reason.
#
# **Time** 145 minutes; the cells run in about 15 seconds on a laptop. **Prerequisites** notebook 07; the chain rule.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $f(z_k)$ | `f_z` | $K$, ... | values of $f$ at the draws; further axes are separate problems |
# | $\log q_\gamma(z_k)$ | `log_q` | $K$, ... | log probability of the draws, nats |
# | $\nabla_\gamma \log q_\gamma(z_k)$ | `scores` | $K \times P$ | score, for $P$ parameters |
# | $\varepsilon_k$ | `eps` | $K \times D$ | standard normal noise |
# | $u_k$ | `u` | $K \times C$ | uniform numbers between 0 and 1 |
# | $K, D, C, P$ | | | draws, always the first axis; dimension; classes; parameters |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Draws come in as arguments: nothing is left to chance. Tensors are float64.
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
from torch.distributions import Categorical, Normal

from lvmteach.classroom.exercises import gradient_estimators as check
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## Exercise 07.1: a surrogate loss
#
# *15 minutes, difficulty 2 of 3, from notebook 07 "As a loss"*
#
# Draws $z_k \sim q_\gamma$ are given, and so are $f_\gamma(z_k)$ and $\log q_\gamma(z_k)$, both still connected to
# $\gamma$. Return a tensor
#
# - whose *value* is the Monte Carlo estimate of $\mathbb E_q[f]$,
# - whose *gradient* is the score-function estimate
#   $\frac1K \sum_k \big[ f_\gamma(z_k)\, \nabla_\gamma \log q_\gamma(z_k) + \nabla_\gamma f_\gamma(z_k) \big]$, without baseline.
#
# - `f_z`, `log_q`, both $(K, \dots)$. The further axes are separate problems. Both carry a gradient; the draws do not.
# - Result: `f_z.shape[1:]`, in the units of $f$. Call neither `backward` nor `grad`: whoever uses the loss does that.
#
# <details><summary>Hint 1</summary>
#
# `x.detach()` has the value of `x` and no gradient. How do you write a zero that has the gradient of $\log q$?
# </details>
# <details><summary>Hint 2</summary>
#
# $f$ occurs in both terms of the gradient: once it is differentiated, once it is only a number that multiplies.
# </details>


# %%
def surrogate(f_z, log_q):
    """Mean of f with the score-function gradient, shape f_z.shape[1:]; f_z and log_q are (K, ...)."""
    ### BEGIN SOLUTION
    # Value zero, gradient the score.
    no_value = log_q - log_q.detach()
    # In front of the score f is a weight, held fixed. The lone f_z gives the value, and f's own gradient.
    return (f_z + f_z.detach() * no_value).mean(0)
    ### END SOLUTION


# %%
surrogate = check.surrogate(surrogate)

# %% [markdown]
# Use it on an integrand that knows $\gamma$, as the ELBO does: $f(z) = (z - t)^2 + \log q_{m,s}(z)$ under
# $\mathcal N(m, s^2)$. The second part is minus the entropy, so $\mathbb E f = (m - t)^2 + s^2 - \log s + $ const, and the
# gradients are $2(m - t)$ and $2s - 1/s$. **Which part of your loss gives the $-1/s$?**

# %%
t = 0.5
m, s = torch.tensor(1.5).expand(1000).clone(), torch.tensor(0.8).expand(1000).clone()  # a copy for each of 1000 runs
m.requires_grad_(), s.requires_grad_()
q = Normal(m, s)
with seeded(61):
    z = q.sample((100,))
loss = surrogate((z - t) ** 2 + q.log_prob(z), q.log_prob(z))
for name, runs, truth in zip("ms", torch.autograd.grad(loss.sum(), (m, s)), (2.0, 1.6 - 1 / 0.8), strict=True):
    std_err = runs.std() / math.sqrt(1000)
    print(f"d/d{name}: {runs.mean():.3f} ± {std_err:.3f}, truth {truth:.3f}")
    assert abs(runs.mean() - truth) < 5 * std_err

# %% [markdown]
# ## Exercise 07.2: why a baseline is free
#
# *10 minutes, difficulty 2 of 3, from notebook 07 "Baselines" and "Discrete z"*
#
# A categorical $z$ with $C$ classes, $\pi = \mathrm{softmax}(\text{logits})$. Derive the score of every class: return
# the matrix whose row $c$ is $\nabla_{\text{logits}} \log \pi_c$.
#
# - `logits` $(C)$, however large: 800 and $-800$ are possible.
# - Result: $(C, C)$; the row is the class that was drawn, the column the logit.
#
# <details><summary>Hint 1</summary>
#
# $\log \pi_c = \text{logit}_c - \log \sum_j e^{\text{logit}_j}$. Differentiate the two parts one after the other.
# </details>
# <details><summary>Hint 2</summary>
#
# The gradient of a logsumexp is a well-known vector, and it is the same for all rows.
# </details>


# %%
def score(logits):
    """Row c: gradient of log pi_c for the logits; (C, C) from logits (C,)."""
    ### BEGIN SOLUTION
    # logit_c gives a one in column c; the logsumexp gives -pi, whatever c is.
    C = len(logits)
    return torch.eye(C, dtype=logits.dtype) - torch.softmax(logits, 0).expand(C, C)
    ### END SOLUTION


# %%
score = check.score(score)

# %% [markdown]
# Now the identity on which all baselines live. Average the rows with their probabilities. **What must come out, and
# what follows for $\mathbb E[(f - b)\, \nabla \log \pi]$?**

# %%
logits, f_of_class = torch.tensor([0.5, -0.4, 0.1, 1.0]), torch.tensor([2.0, -1.0, 0.5, 3.0])
pi, rows = torch.softmax(logits, 0), score(logits)
print("E[score]", *(f"{abs(one):.4f}" for one in pi @ rows))
for b in (0.0, 1.0, 1000.0):
    print(f"b = {b:6}: E[(f - b) score]", *(f"{one:8.4f}" for one in pi @ ((f_of_class - b)[:, None] * rows)))
exact = torch.func.grad(lambda a: torch.softmax(a, 0) @ f_of_class)(logits)  # oracle: autograd through the sum
for b in (0.0, 1.0, 1000.0):
    assert (pi @ ((f_of_class - b)[:, None] * rows) - exact).abs().max() < 1e-11  # rounding of 1000

# %% [markdown]
# ## Exercise 07.3: which baseline is not free?
#
# *5 minutes, difficulty 1 of 3, from notebook 07 "Leave one out"*
#
# One of these four changes the *mean* of the estimate. Which one?
#
# - **a** the mean of $f$ over the same $K$ draws, the draw itself included
# - **b** the mean of $f$ over the other $K - 1$ draws
# - **c** the number one million
# - **d** a network's guess of $f$ from the observation $x$
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# A baseline leaves the mean alone if it is independent of the draw whose score it multiplies.
# </details>
# <details><summary>Hint 2</summary>
#
# Take $K = 2$ and write out both baselines that are means.
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# f(z_k) / K is part of its own baseline, and E[f score] is not zero: the estimate shrinks by 1 - 1/K.
answer = "a"
### END SOLUTION

# %%
check.which_biases(answer)

# %% [markdown]
# ### Given: leave one out
#
# For each draw the mean of $f$ over all the *other* draws: the sum over all, less one.


# %%
def leave_one_out(f_z):
    """For each draw the mean of f over the others: (K, ...) from (K, ...)."""
    return (f_z.sum(0) - f_z) / (len(f_z) - 1)


# %% [markdown]
# This baseline on the categorical of exercise 07.2, with $f$ lifted by 5. Three draws a run, many runs. **What will
# lifting $f$ do to the estimate without a baseline, and what to this one?**

# %%
with seeded(62):
    z = Categorical(logits=logits).sample((3, 100_000))
f_z = 5 + f_of_class[z]
for name, b in (("none", 0.0), ("leave-one-out", leave_one_out(f_z)), ("mean of all three", f_z.mean(0))):
    runs = ((f_z - b)[..., None] * rows[z]).mean(0)
    bias, std_err = runs.mean(0) - exact, runs.std(0) / math.sqrt(100_000)
    print(
        f"{name:>18}: largest bias {(bias / std_err).abs().max():6.1f} standard errors, variance {runs.var(0).sum():.2f}"
    )
    shrinks = 2 / 3 if name == "mean of all three" else 1
    assert ((runs.mean(0) - shrinks * exact).abs() < 5 * std_err).all()

# %% [markdown]
# ## Exercise 07.4: the best baseline
#
# *15 minutes, difficulty 3 of 3, from notebook 07 "Baselines"*
#
# For parameter $j$ the estimate from one draw is $(f - b_j)\, \mathrm{score}_j$. Its mean does not depend on $b_j$.
# Use that the score has mean zero, and derive the $b_j$ of least variance; it is a quotient of two expectations. Estimate it from $K$ draws
# by replacing each of them by a mean.
#
# - `f_z` $(K)$; `scores` $(K, P)$, one column for each parameter. $f$ itself does not depend on the parameters.
# - Result: $(P)$, in the units of $f$.
#
# <details><summary>Hint 1</summary>
#
# With the mean fixed, least variance is least second moment, $\mathbb E[(f - b_j)^2\, \mathrm{score}_j^2]$.
# </details>
# <details><summary>Hint 2</summary>
#
# It is a parabola in $b_j$. Set its derivative to zero and solve: you get a weighted mean of $f$.
# </details>


# %%
def best_baseline(f_z, scores):
    """Estimated baseline of least variance for each parameter, (P,); f_z is (K,), scores is (K, P)."""
    ### BEGIN SOLUTION
    # d/db E[(f - b)^2 score^2] = -2 E[(f - b) score^2] = 0, so b = E[f score^2] / E[score^2]:
    # the mean of f in which draws count by their squared score.
    weight = scores**2
    return torch.einsum("k,kp->p", f_z, weight) / weight.sum(0)
    ### END SOLUTION


# %%
best_baseline = check.best_baseline(best_baseline)

# %% [markdown]
# Test it against the notebook's parabola: $f = (z - t)^2$ under $\mathcal N(m, s^2)$, with the scores for $m$ and $s$.
# The target picture has two parabolas, and a mark at the minimum of each: there your two baselines should stand.

# %%
d, sd = 1.0, 0.8
nodes, w = np.polynomial.hermite_e.hermegauss(20)  # exact for polynomials up to degree 39
nodes, w = torch.tensor(nodes), torch.tensor(w / w.sum())
f_nodes = (d + sd * nodes) ** 2
scores_nodes = torch.stack([nodes / sd, (nodes**2 - 1) / sd], 1)
with seeded(63):
    eps = torch.randn(100_000)
ours = best_baseline((d + sd * eps) ** 2, torch.stack([eps / sd, (eps**2 - 1) / sd], 1))
b = torch.linspace(-2, 14, 161)
moments = torch.einsum("n,bn,np->bp", w, (f_nodes - b[:, None]) ** 2, scores_nodes**2)
variances = moments - (w @ (f_nodes[:, None] * scores_nodes)) ** 2

# %%
fig, ax = plots.figure()
for j, (name, style, mark, colour) in enumerate((("m", "-", "o", plots.BLUE), ("s", "--", "s", plots.ORANGE))):
    at_ours = w @ ((f_nodes - ours[j]) ** 2 * scores_nodes[:, j] ** 2)  # second moment: b moves no mean
    height = at_ours - moments[0, j] + variances[0, j]
    ax.plot(b, variances[:, j], style, color=colour, label=f"d/d{name}")
    ax.plot(ours[j], height, mark, color=colour, ms=10, label=f"estimated baseline, {ours[j]:.2f}")
    assert at_ours < 1.01 * moments[:, j].min()  # quadratic in the error of b: a few percent off cost far less than 1 %
ax.set(xlabel="baseline b", ylabel="variance, one draw", title="lines: quadrature, marks: from 100 000 draws")
ax.legend(loc="upper center")
plots.show(fig, alt="Two parabolas of variance against baseline; a mark stands at the minimum of each.")

# %% [markdown]
# ## Exercise 07.5: a control variate
#
# *15 minutes, difficulty 3 of 3, from notebook 07 "Further: control variates"*
#
# A baseline takes off a constant. Take off more: the tangent of $f$ at the mean, $c(z) = f(\mu) + \nabla f(\mu)^\top (z - \mu)$. For
# $q = \mathcal N(\mu, \mathrm{diag}(\sigma^2))$ return the score-function estimate of $\nabla_\mu\, \mathbb E_q[f]$ with $c$ as control variate:
#
# $$\nabla_\mu \mathbb E[f] = \underbrace{\nabla_\mu \mathbb E[f - c]}_{\text{score function}} + \underbrace{\nabla_\mu \mathbb E[c]}_{\text{closed form}}$$
#
# where $c$ itself is held fixed: its $\mu$ is a number, and only $q$'s moves. The first term is a mean over $K$ draws, made from the noise; the
# second is exact.
#
# - `f`, from points $(\dots, D)$ to values $(\dots)$; `slope`, from points $(\dots, D)$ to $\nabla f$, $(\dots, D)$. Both also take a single point $(D)$.
# - `mean` $(D)$; `scale` $(D)$, standard deviations; `eps` $(K, D)$, standard normal noise; $K$ may be 1.
# - Result: $(D)$.
#
# <details><summary>Hint 1</summary>
#
# The score for $\mu$ is $(z - \mu) / \sigma^2$. What is that in terms of the noise?
# </details>
# <details><summary>Hint 2</summary>
#
# $\mathbb E_q[c]$ is linear in $q$'s mean. What is its gradient?
# </details>


# %%
def by_tangent(f, slope, mean, scale, eps):
    """Gradient for the mean, (D,), by the score function with f's tangent at the mean as control variate."""
    ### BEGIN SOLUTION
    step = scale * eps  # z - mean
    left_over = f(mean + step) - f(mean) - step @ slope(mean)
    # What was taken off comes back without noise: E[c] = f(mean) + slope (m - mean), whose gradient for m is the slope.
    return torch.einsum("k,kd->d", left_over, eps / scale) / len(eps) + slope(mean)
    ### END SOLUTION


# %%
by_tangent = check.by_tangent(by_tangent)

# %% [markdown]
# **How much does it take off?** One draw a run, many runs, on $f(z) = \sum_i (z_i - t)^2$ in four dimensions. The closed forms are
# notebook 07's: the part of $f$ that grows with $d = m - t$ is gone.

# %%
D, runs = 4, 20_000
with seeded(66):
    eps = torch.randn(runs, D)
square, its_slope = (lambda z: z.square().sum(-1)), (lambda z: 2 * z)  # t = 0, so that d is the mean
mean, scale = torch.ones(D), torch.full((D,), 0.8)
plain = square(mean + scale * eps)[:, None] * eps / scale
tangent = torch.stack([by_tangent(square, its_slope, mean, scale, one[None]) for one in eps])
print(f"variance for the first coordinate: plain {plain[:, 0].var():.1f}, with the tangent {tangent[:, 0].var():.1f}")
left = (D**2 + 6 * D + 8) * 0.8**2  # s^2 E[eps_1^2 (sum eps^2)^2]; for D = 1 notebook 07's 15 s^2
squares = (tangent[:, 0] - 2) ** 2
assert abs(squares.mean() - left) < 5 * squares.std() / math.sqrt(runs)

# %% [markdown]
# ## Exercise 07.6: two paths of a Gaussian
#
# *15 minutes, difficulty 2 of 3, from notebook 07 "Way two: differentiate the draw"*
#
# Now $f$ has a slope. For $q = \mathcal N(\mu, \mathrm{diag}(\sigma^2))$ write the draws as a function of noise, and
# return the pair of reparameterised estimates of $\nabla_\mu\, \mathbb E_q[f]$ and $\nabla_\sigma\, \mathbb E_q[f]$.
# Do it by hand, by the chain rule.
#
# - `slope`, a function: from points $(K, D)$ to the gradients $\nabla_z f$ there, $(K, D)$.
# - `mean` $(D)$; `scale` $(D)$, the standard deviations, some a billionth of the mean; `eps` $(K, D)$, standard normal noise.
# - Result: the pair `(for_mean, for_scale)`, each $(D)$.
#
# <details><summary>Hint 1</summary>
#
# Which $z$ does the noise $\varepsilon$ become? How far does it move when $\mu$ grows by a little, and when $\sigma$
# does?
# </details>
# <details><summary>Hint 2</summary>
#
# By the chain rule each draw gives slope times path, coordinate by coordinate. Multiply first, average afterwards.
# </details>


# %%
def path_gradients(slope, mean, scale, eps):
    """Reparameterised gradients (for_mean, for_scale), each (D,); slope: (K, D) -> (K, D), eps is (K, D)."""
    ### BEGIN SOLUTION
    # The same noise under other parameters is another draw: dz/dmean = 1, dz/dscale = eps.
    z = mean + scale * eps
    at_draws = slope(z)
    return at_draws.mean(0), (at_draws * eps).mean(0)
    ### END SOLUTION


# %%
path_gradients = check.path_gradients(path_gradients)

# %% [markdown]
# A case with a closed form: $f(z) = \sum_i \sin z_i$ has $\mathbb E f = \sum_i e^{-\sigma_i^2/2} \sin \mu_i$.

# %%
mean, scale = torch.tensor([0.3, 2.0]), torch.tensor([0.5, 1.2])
with seeded(64):
    noise = torch.randn(400, 500, 2)  # 400 runs of 500 draws
runs = torch.stack([torch.stack(path_gradients(torch.cos, mean, scale, eps)) for eps in noise])
damp = (-(scale**2) / 2).exp()
truth = torch.stack([damp * mean.cos(), -scale * damp * mean.sin()])  # oracle: differentiate the closed form
std_err = runs.std(0) / math.sqrt(400)
for name, ours, theirs, error in zip(("mean", "scale"), runs.mean(0), truth, std_err, strict=True):
    print(
        f"for the {name:5}",
        *(f"{a:.4f} ± {c:.4f} (truth {b:.4f})" for a, b, c in zip(ours, theirs, error, strict=True)),
    )
assert ((runs.mean(0) - truth).abs() < 5 * std_err).all()

# %% [markdown]
# ## Exercise 07.7: twice the dimension
#
# *5 minutes, difficulty 1 of 3, from notebook 07 "And in many dimensions?"*
#
# Predict, then run. $f(z) = \sum_{i=1}^D (z_i - t)^2$ under a Gaussian with independent coordinates. $D$ doubles from
# 64 to 128. What happens, nearly, to the variance of the estimate of $\partial / \partial m_1$, without baseline?
#
# - **a** score function doubles, reparameterised doubles
# - **b** score function doubles, reparameterised stays
# - **c** score function quadruples, reparameterised stays
# - **d** both stay: it is one coordinate, and the others are independent
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Write both estimates for one draw. In which of them do the other coordinates occur?
# </details>
# <details><summary>Hint 2</summary>
#
# Without a baseline the square of $f$ decides. How does the mean of $f$ grow with $D$?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# f multiplies the score as a whole; f is about D, its square about D squared. The slope along z_1 is 2 (z_1 - t).
answer = "c"
### END SOLUTION

# %%
check.doubled_dimension(answer)

# %%
measured = {}
for D in (64, 128):
    with seeded(65):
        eps = torch.randn(20_000, D)
    measured[D] = ((d + sd * eps) ** 2).sum(1) * eps[:, 0] / sd, 2 * (d + sd * eps[:, 0])
    print(f"D = {D:3}: score function {measured[D][0].var():8.0f}, reparameterised {measured[D][1].var():.2f}")
for D, (scored, _) in measured.items():
    closed = D**2 * (d**2 + sd**2) ** 2 / sd**2 + D * (8 * d**2 + 6 * sd**2) + 4 * d**2 + 8 * sd**2
    squares = (scored - scored.mean()) ** 2
    assert abs(squares.mean() - closed) < 5 * squares.std() / math.sqrt(20_000)

# %% [markdown]
# ## Exercise 07.8: fit an ELBO by draws
#
# *20 minutes, difficulty 3 of 3, from notebook 07 "The promise of notebook 06"*
#
# $z$ is $L$ coins, and $q(z) = \prod_j \mathrm{Bernoulli}(z_j; \sigma(\text{logit}_j))$. Return the score-function estimate of the ELBO's
# gradient for the logits, with leave-one-out as baseline. The ELBO is $\mathbb E_q[\log p(x, z) - \log q(z)]$; what stands in its brackets is held fixed:
# a number that multiplies the score.
#
# - `log_joint`, from states $(K, L)$ to $\log p(x, z)$, $(K)$; `logits` $(L)$, also those of a sure coin: 50 is possible; `u` $(K, L)$, uniform
#   numbers: a coin shows 1 where $u < \sigma(\text{logit})$.
# - Result: $(L)$, the mean over the $K \ge 2$ draws.
#
# <details><summary>Hint 1</summary>
#
# What is $f(z)$ here? It contains the logits itself, and may be held fixed, since the mean of that part's own gradient is zero.
# </details>
# <details><summary>Hint 2</summary>
#
# The score of a coin for its logit is $z_j - \sigma(\text{logit}_j)$.
# </details>


# %%
def elbo_gradient(log_joint, logits, u):
    """Score-function estimate of the ELBO's gradient for the logits, (L,), leave-one-out as baseline."""
    ### BEGIN SOLUTION
    chance = torch.sigmoid(logits)
    z = (u < chance).to(logits.dtype)
    log_w = log_joint(z) - (z * logits - torch.nn.functional.softplus(logits)).sum(1)
    # E[d log w / d logit] = -E[score] = 0, so only f times score is left.
    signal = log_w - leave_one_out(log_w)
    return (signal @ (z - chance)) / len(u)
    ### END SOLUTION


# %%
elbo_gradient = check.elbo_gradient(elbo_gradient)

# %% [markdown]
# Fit $q$ to a posterior over four coins by two estimators: yours, and softened coins (Gumbel-softmax for two classes, with the gradient by
# autograd). Both take five draws a step; the judge is the exact ELBO, by all 16 states. **Which one ends higher? And which would,
# if the model were a table that knows no half coins?**

# %%
every_z = torch.tensor([[float(c) for c in f"{i:04b}"] for i in range(16)])
with seeded(67):
    a, pairs = torch.randn(4), 2 * torch.randn(4, 4)


def four_coins(z):
    return z @ a + torch.einsum("...i,ij,...j->...", z, pairs, z)


def log_q_of(logits, z):
    return (z * logits - torch.nn.functional.softplus(logits)).sum(-1)


def exact_elbo(logits):
    log_q = log_q_of(logits, every_z)
    return log_q.exp() @ (four_coins(every_z) - log_q)


def soft_gradient(logits, u):
    leaf = logits.clone().requires_grad_()
    z = torch.sigmoid((leaf + torch.logit(u)) / 0.5)
    return torch.autograd.grad((four_coins(z) - log_q_of(leaf, z)).mean(), leaf)[0]


# %%
climbs = {}
for name, estimate in (("score", lambda at, u: elbo_gradient(four_coins, at, u)), ("soft", soft_gradient)):
    with seeded(68):
        at, climb = torch.zeros(4), []
        for step in range(400):
            at = at + 0.3 * (1 - step / 400) * estimate(at, torch.rand(5, 4))
            climb.append(exact_elbo(at).item())
    climbs[name] = climb
evidence = torch.logsumexp(four_coins(every_z), 0).item()
for name, climb in climbs.items():
    print(f"{name:5} exact ELBO {climb[0]:.3f} -> {climb[-1]:.3f}, log p(x) {evidence:.3f}")
    assert climb[0] < climb[-1] <= evidence

# %% [markdown]
# ## Exercise 07.9: a categorical draw as a maximum
#
# *10 minutes, difficulty 2 of 3, from notebook 07 "A categorical draw as a maximum"*
#
# Turn the given uniform numbers, and no others, into exact draws from $\mathrm{softmax}(\text{logits})$ by
# the Gumbel-max trick. Draws are compared one by one, so the map is fixed: the noise $g$ is the number whose distribution function is $u$,
# $P(\text{Gumbel} \le g) = u$, and a larger $u$ makes a larger $g$.
#
# - `logits` $(C)$, however large or small; `u` $(K, C)$, independent uniform numbers, strictly between 0 and 1.
# - Result: $(K)$, the classes as integers from 0 to $C - 1$.
#
# <details><summary>Hint 1</summary>
#
# A standard Gumbel variable $g$ has $P(g \le a) = e^{-e^{-a}}$. Set this equal to $u$ and solve for $a$.
# </details>
# <details><summary>Hint 2</summary>
#
# One noise for each draw and each class is added to the logits. Then compare the classes within a draw.
# </details>


# %%
def gumbel_max(logits, u):
    """K draws from softmax(logits), integers (K,); logits is (C,), u is (K, C) uniform."""
    ### BEGIN SOLUTION
    # exp(-exp(-g)) = u. Take logarithms twice, and mind both signs.
    minus_log = -torch.log(u)
    noise = -torch.log(minus_log)
    # The largest of the noisy logits, among the classes of each draw.
    return torch.argmax(logits + noise, dim=-1)
    ### END SOLUTION


# %%
gumbel_max = check.gumbel_max(gumbel_max)

# %%
with seeded(66):
    z = gumbel_max(logits, torch.rand(100_000, 4))
counts = torch.bincount(z, minlength=4)
p_value = stats.chisquare(counts.numpy(), (100_000 * pi).numpy()).pvalue
fig, ax = plots.figure()
ax.bar(np.arange(4) - 0.2, pi, width=0.4, color=plots.GREY, label="softmax")
ax.bar(np.arange(4) + 0.2, counts / 100_000, width=0.4, color=plots.BLUE, label="share of 100 000 maxima")
ax.set(xlabel="class", ylabel="probability", xticks=range(4))
ax.legend()
plots.show(fig, alt="For each of four classes two bars of equal height: the softmax and the share of the maxima.")
assert p_value > 1e-6  # a right sampler fails once in a million

# %% [markdown]
# ## Exercise 07.10: straight through, on a cubic
#
# *15 minutes, difficulty 2 of 3, from notebook 07 "Further: the bias of softened coins"*
#
# One binary $z$ with $\theta = P(z = 1) = \sigma(\varphi)$, and $f(z) = c_0 + c_1 z + c_2 z^2 + c_3 z^3$. Straight-through draws $z$, and uses the
# gradient of $\theta$ for that of $z$. Derive its bias: the mean of its gradient for $\varphi$, less the true gradient.
#
# - `phi`, a number of any size (a tensor without axes); `c` $(4)$.
# - Result: a number.
#
# <details><summary>Hint 1</summary>
#
# One draw gives $f'(z)\, \theta(1 - \theta)$. With which probability is $f'$ read at 0, and at 1?
# </details>
# <details><summary>Hint 2</summary>
#
# The truth is the derivative of $\theta f(1) + (1 - \theta) f(0)$.
# </details>


# %%
def cubic_bias(phi, c):
    """Mean of the straight-through gradient for phi less the true gradient; c holds the cubic's coefficients, (4,)."""
    ### BEGIN SOLUTION
    theta = torch.sigmoid(phi)
    slope_0, slope_1 = c[1], c[1] + 2 * c[2] + 3 * c[3]
    change = c[1] + c[2] + c[3]  # f(1) - f(0)
    return theta * (1 - theta) * ((1 - theta) * slope_0 + theta * slope_1 - change)
    ### END SOLUTION


# %%
cubic_bias = check.cubic_bias(cubic_bias)

# %% [markdown]
# **For which $f$ is it zero at every $\varphi$? And where is it zero for a square, by luck?**

# %%
phi = torch.linspace(-4, 4, 161)
fig, ax = plots.figure()
for name, c, dash in (("z", [0, 1, 0, 0], ":"), ("z²", [0, 0, 1, 0], "--"), ("z³", [0, 0, 0, 1], "-")):
    ax.plot(phi, [cubic_bias(one, torch.tensor(c, dtype=phi.dtype)) for one in phi], dash, label=f"f = {name}")
ax.set(xlabel="φ", ylabel="bias of straight-through")
ax.legend()
plots.show(
    fig,
    alt="The bias of a line is zero everywhere; that of a square crosses zero at phi = 0, that of a cubic elsewhere.",
)

# %%
square_bias = cubic_bias(torch.tensor(0.0), torch.tensor([0.0, 0.0, 1.0, 0.0]))
print(
    f"z² at φ = 0: {square_bias:.4f}; z³ at φ = 0.6: {cubic_bias(torch.tensor(0.6), torch.tensor([0.0, 0, 0, 1])):.4f}"
)
assert abs(square_bias) < 1e-12

# %% [markdown]
# ## Exercise 07.11: five problems, four ways
#
# *20 minutes, difficulty 2 of 3, from notebook 07 "Which one?"*
#
# Pick the best estimator for each problem:
# **a** reparameterisation, **b** score function with leave-one-out, **c** the sum over all states,
# **d** Gumbel-softmax. A way may be best more than once. Find the reason before you run the check.
#
# 1. $z$ is Gaussian in 50 dimensions, $f$ the log-likelihood of a smooth neural decoder.
# 2. $z$ is Gaussian in 3 dimensions, $f$ the number of crashes that a compiled simulator reports.
# 3. $z$ is one of 5 classes, and evaluating $f$ for all of them is cheap.
# 4. $z$ is 200 binary units, $f$ checks rules that are defined for true and false only; the mean must be exact.
# 5. $z$ is 30 codes of 16 classes each, $f$ a smooth decoder that takes mixtures of codes. You can afford few draws,
#    and you accept a bias.
#
# Write each letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Ask in this order: can you sum? Has $z$ a slope? Has $f$ one?
# </details>
# <details><summary>Hint 2</summary>
#
# For discrete $z$ with too many states two ways are left. What does each demand of $f$, and of the mean?
# </details>

# %%
answer = ...  # problem 1
### BEGIN SOLUTION
# Continuous and smooth: f has a slope, and no other way uses it.
answer = "a"
### END SOLUTION

# %%
check.deep_decoder(answer)

# %%
answer = ...  # problem 2
### BEGIN SOLUTION
# A count jumps, and the simulator is closed: values of f are all there is.
answer = "b"
### END SOLUTION

# %%
check.simulator(answer)

# %%
answer = ...  # problem 3
### BEGIN SOLUTION
# Five terms, no variance.
answer = "c"
### END SOLUTION

# %%
check.five_classes(answer)

# %%
answer = ...  # problem 4
### BEGIN SOLUTION
# Too many states to sum, f demands real ones, and the mean must be exact.
answer = "b"
### END SOLUTION

# %%
check.binary_rules(answer)

# %%
answer = ...  # problem 5
### BEGIN SOLUTION
# Too many states to sum, f accepts what lies between them, little noise matters more than no bias.
answer = "d"
### END SOLUTION

# %%
check.soft_codes(answer)

# %% [markdown]
# ## An open problem
#
# No check here, and no single answer. The relaxed gradient has a bias, the score function has variance. Build an
# estimator for the categorical of exercise 07.2 that has the mean of the one and nearly the variance of the other: use
# the relaxation as a *control variate* for the score function. What do you have to add back to keep the mean exact,
# and can you choose the temperature by the variance that you measure, while you train?

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - A surrogate has the value of the mean of $f$ and the gradient of the estimate; in front of the score $f$ is held
#   fixed.
# - The score has mean zero. So any baseline is free that does not know its own draw, and only such a one.
# - Leave-one-out needs no tuning; the best baseline is a mean of $f$ weighted by the squared score.
# - Reparameterised: slope at the draw times path, which is 1 for the mean and the noise for the scale.
# - A categorical draw is the arg max of logits with Gumbel noise. Sum if you can; else ask what $f$ accepts.
#
# **To read** Mohamed, Rosca, Figurnov and Mnih 2020, *Monte Carlo gradient estimation in machine learning*; for the
# open problem Tucker, Mnih, Maddison, Lawson and Sohl-Dickstein 2017 (REBAR).
#
# **The next question** What does a deep model learn with such a gradient? Notebook 08 and its exercises.
