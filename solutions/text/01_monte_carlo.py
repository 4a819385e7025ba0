# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 Exercises: Monte Carlo and importance sampling
#
# After these exercises you will be able to
#
# - write an estimator with an error bar that keeps its promise;
# - handle weights as logarithms: average them, count the effective ones, normalise them;
# - derive the best proposal for $p(x)$, and say which proposals break and how badly.
#
# **Time** 140 minutes; the cells run in about 5 seconds on a laptop. **Prerequisites** notebook 01; Gaussian integrals.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $f(z_k)$ | `f_z` | $K$, ... | values of $f$ at the draws; further axes are separate estimates |
# | $\log w_k$ | `log_w` | $K$, ... | log importance weights, nats |
# | $K$ | `K` | | draws, always the first axis |
# | $C$, $D$ | | | number of proposals; dimension of $z$ |
# | $x_i$ | `x` | $N$ | observations |
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
from scipy import integrate, special, stats
from torch.distributions import Normal

from lvmteach.classroom.exercises import monte_carlo as check
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## Exercise 01.1: an estimate and its error bar
#
# *10 minutes, difficulty 1 of 3, from notebook 01 "An integral is a mean" and "Further: what an error bar promises"*
#
# You have $f(z_k)$ at $K$ independent draws $z_k \sim p$. Return the pair `(value, std_err)`: the estimate of
# $\mathbb E_p[f]$ and its standard error, that is, the estimated standard deviation of the *estimate*.
#
# - `f_z` $(K, \dots)$, $K \ge 2$. Each position of the further axes is an estimate of its own. The values may lie close together and
#   far from zero, a million times as far as they differ.
# - Both results have the shape of the further axes: `f_z.shape[1:]`.
#
# <details><summary>Hint 1</summary>
#
# One draw of $f$ has variance $\mathbb V[f]$. What is the variance of the mean of $K$ independent draws?
# </details>
# <details><summary>Hint 2</summary>
#
# $\mathbb V[f]$ is unknown. Estimate it from the same draws without bias: what does the sum of squared deviations from
# the *sample* mean have to be divided by?
# </details>


# %%
def estimate(f_z):
    """The Monte Carlo estimate and its standard error, each of shape f_z.shape[1:]; f_z is (K, ...)."""
    ### BEGIN SOLUTION
    # Sample variance over the draws: deviations from the fitted mean, so K - 1.
    deviations = f_z - f_z.mean(0)
    one_draw = (deviations**2).sum(0) / (len(f_z) - 1)
    # Independent draws: the variance of their mean is the K-th part; the error bar is its root.
    return f_z.mean(0), (one_draw / len(f_z)).sqrt()
    ### END SOLUTION


# %%
estimate = check.estimate(estimate)

# %% [markdown]
# Is your error bar right? For $\mathbb E|z| = \sqrt{2/\pi}$ under a standard normal, about 95 % of the intervals
# $\pm 1.96$ standard errors should contain the truth.

# %%
p = Normal(0.0, 1.0)
with seeded(31):
    value, std_err = estimate(p.sample((500, 2000)).abs())  # 2000 runs of 500 draws
held = ((value - math.sqrt(2 / math.pi)).abs() <= 1.96 * std_err).double().mean()
print(f"{held:.1%} of 2000 intervals hold the truth")
assert 0.93 < held < 0.97  # 0.95 ± 4 standard errors of a share of 2000

# %% [markdown]
# ## Exercise 01.2: the best shift
#
# *20 minutes, difficulty 2 of 3, from notebook 01 "Draw elsewhere, and pay with weights"*
#
# You want $P(Z > c)$ for $Z \sim \mathcal N(0, 1)$ and draw from $q = \mathcal N(a, 1)$. The notebook put $a$ at the edge, $a = c$. Which $a$ makes the variance of one draw smallest?
#
# - `c`, a tensor of any shape, from $-3$ to $30$. Result: the best $a$ for each, of the same shape, to a relative error of $10^{-6}$.
#
# <details><summary>Hint 1</summary>
#
# $I$ does not depend on $a$, so minimise $\mathbb E_q[(wf)^2] = e^{a^2} P(Z > c + a)$, or its logarithm. The derivative of $P(Z > x)$ is $-\phi(x)$.
# </details>
# <details><summary>Hint 2</summary>
#
# The condition has the form $a = h(c + a) / 2$ with $h(x) = \phi(x) / P(Z > x)$. The slope of $h$ lies between 0 and 1: what happens if you put $a$ into the right side, again and again?
# `torch.special.log_ndtr(-x)` is $\log P(Z > x)$, also far out.
# </details>


# %%
def best_shift(c):
    """The a that minimises the variance of one draw of N(a, 1) for P(Z > c), of the shape of c."""
    ### BEGIN SOLUTION
    # d/da [a^2 + log P(Z > c + a)] = 2a - h(c + a) = 0.
    a = torch.zeros_like(c)
    for _ in range(100):
        x = c + a
        hazard = (Normal(0.0, 1.0).log_prob(x) - torch.special.log_ndtr(-x)).exp()
        a = hazard / 2  # the map's slope is below 1/2: each round more than halves the distance
    return a
    ### END SOLUTION


# %%
best_shift = check.best_shift(best_shift)

# %% [markdown]
# How much is there to gain over $a = c$?

# %%
c = torch.tensor([0.0, 1.0, 2.0, 4.0, 6.0])
for one, a in zip(c.tolist(), best_shift(c).tolist(), strict=True):
    at_edge, at_best = (math.exp(s**2) * stats.norm.sf(one + s) - stats.norm.sf(one) ** 2 for s in (one, a))
    print(f"c = {one}: best shift {a:.4f}, variance {at_best / at_edge:.3f} of that at the edge")
    assert at_best <= at_edge

# %% [markdown]
# Far out the edge is nearly best. For a frequent event it is not: at $c = 0$ the edge is plain Monte Carlo.
#
# ## Exercise 01.3: average weights given as logarithms
#
# *10 minutes, difficulty 1 of 3, from notebook 01 "Weights live as logarithms"*
#
# Return $\log \frac 1K \sum_k w_k$, in nats, however large or small the weights are.
#
# - `log_w` $(K, \dots)$: $\log w_k$, from $-2000$ to $900$ and beyond; $-\infty$ for a weight of zero, though never for
#   all weights of a column.
# - Result: the shape of the further axes, `log_w.shape[1:]`.
#
# Write it out by hand. PyTorch's own function passes as well: use it afterwards, to compare.
#
# <details><summary>Hint 1</summary>
#
# $e^{900}$ is not a floating point number. Which factor can you take out of the sum first, so that the
# largest term becomes 1?
# </details>
# <details><summary>Hint 2</summary>
#
# `log_w.max(0).values` is the logarithm of that factor, for each column. Where must it come back in the end, and where does $1/K$ go?
# </details>


# %%
def log_mean_exp(log_w):
    """log of the mean weight over the first axis, shape log_w.shape[1:], in nats; log_w is (K, ...)."""
    ### BEGIN SOLUTION
    # w = e^m e^(log w - m). The common factor leaves the mean, and the logarithm turns it into + m.
    largest = log_w.max(0).values
    scaled = (log_w - largest).exp()  # the largest is 1; what underflows did not matter
    return largest + scaled.mean(0).log()
    ### END SOLUTION


# %%
log_mean_exp = check.log_mean_exp(log_mean_exp)

# %% [markdown]
# Use it on the smallest latent variable model, $z \sim \mathcal N(0, 1)$, $x \mid z \sim \mathcal N(z, 1)$, with the
# prior as proposal: the weights are $p(x \mid z)$, and their mean estimates $p(x)$. **How does the average of the
# estimate's logarithm change with $K$?**

# %%
x = torch.tensor(2.2)
log_p_x = stats.norm.logpdf(2.2, 0, math.sqrt(2))  # oracle: the marginal
for K in (1, 10, 100):
    with seeded(33):
        log_w = Normal(p.sample((K, 20_000)), 1.0).log_prob(x)
    runs = log_mean_exp(log_w)
    print(f"K = {K:3}: average {runs.mean():.4f} ± {runs.std() / math.sqrt(20_000):.4f}, log p(x) {log_p_x:.4f}")
    assert runs.mean() < log_p_x + 5 * runs.std() / math.sqrt(20_000)
scipys = special.logsumexp(log_w[:, :5].numpy(), 0) - math.log(100)  # oracle: scipy
assert np.allclose(runs[:5], scipys, rtol=1e-12)  # rounding

# %% [markdown]
# The average rises with $K$ and stays below $\log p(x)$, as Jensen's inequality says.
#
# ## Exercise 01.4: effective sample size
#
# *10 minutes, difficulty 2 of 3, from notebook 01 "A small mismatch in many dimensions"*
#
# Return $\mathrm{ESS} = (\sum_k w_k)^2 / \sum_k w_k^2$.
#
# - `log_w` $(K, \dots)$: as in exercise 01.3, with the same range, and $-\infty$ for a weight of zero.
# - Result: `log_w.shape[1:]`, a number of draws between 1 and $K$.
#
# <details><summary>Hint 1</summary>
#
# What happens to the ESS when all weights are multiplied by the same number? Use that.
# </details>
# <details><summary>Hint 2</summary>
#
# The logarithm of a squared weight is twice the log weight. Or: if the weights sum to one, what is the numerator?
# </details>


# %%
def ess(log_w):
    """Effective sample size over the first axis, shape log_w.shape[1:]; log_w is (K, ...)."""
    ### BEGIN SOLUTION
    # A common factor cancels, so divide by the sum: then the numerator is 1.
    normalised = torch.softmax(log_w, 0)
    return 1 / (normalised**2).sum(0)
    ### END SOLUTION


# %%
ess = check.ess(ess)

# %% [markdown]
# Move a proposal of the right width away from the target: $p = \mathcal N(0, 1)$, $q = \mathcal N(\delta, 1)$. The
# weights' second moment is $e^{\delta^2}$, so $K e^{-\delta^2}$ of $K$ draws should stay effective. **Where do the dots
# leave the line, and why on that side?**

# %%
K, deltas = 10_000, torch.linspace(0, 3.5, 15)
with seeded(34):
    z = deltas + p.sample((K, 8, 15))  # eight runs for each delta
sizes = ess(p.log_prob(z) - Normal(deltas, 1.0).log_prob(z))
fig, ax = plots.figure()
ax.semilogy(deltas, K * (-(deltas**2)).exp(), "--", color=plots.BLACK, label="$K e^{-\\delta^2}$")
ax.semilogy(deltas.repeat(8), sizes.flatten(), "o", color=plots.BLUE, ms=4, label="eight runs of 10 000 draws")
ax.set(xlabel="shift $\\delta$ of the proposal", ylabel="effective draws", ylim=(0.1, 2 * K))
ax.legend()
plots.show(fig, alt="On a log axis effective draws fall along a parabola; beyond a shift of two the dots stay above.")
near = deltas <= 1  # further out the runs no longer see the weights that matter
off = sizes[:, near].mean(0) / (K * (-(deltas[near] ** 2)).exp()) - 1
assert (off.abs() <= 5 * sizes[:, near].std(0) / sizes[:, near].mean(0) / math.sqrt(8) + 1e-9).all()  # + rounding

# %% [markdown]
# At large shifts the dots stay above the line: the ESS is computed from the weights drawn, and the rare large weights that would lower it are missing.
#
# ## Exercise 01.5: when the constant is missing
#
# *10 minutes, difficulty 2 of 3, from notebook 01 "Further: when a constant is missing"*
#
# Return the self-normalised estimate $\sum_k \tilde w_k f(z_k)$ with $\tilde w_k = w_k / \sum_j w_j$.
#
# - `f_z` $(K, \dots)$: $f$ at draws from $q$. The further axes are components of $f$: all of them share the weights.
# - `log_w` $(K)$: $\log w_k$ up to an unknown constant, which may be large.
# - Result: `f_z.shape[1:]`.
#
# <details><summary>Hint 1</summary>
#
# In exercise 01.4 you could divide the weights by their sum. What happens to the constant?
# </details>
# <details><summary>Hint 2</summary>
#
# Shapes `(K,)` and `(K, 3)` do not broadcast. Add axes to the weights, or use `torch.einsum`.
# </details>


# %%
def self_normalised(f_z, log_w):
    """Self-normalised estimate of E_p[f], shape f_z.shape[1:]; f_z is (K, ...), log_w is (K,)."""
    ### BEGIN SOLUTION
    # softmax takes the maximum out itself; the constant of p cancels with it.
    share_of_each = torch.softmax(log_w, 0)
    # "k" is summed away, whatever other axes f has stay.
    return torch.einsum("k,k...->...", share_of_each, f_z)
    ### END SOLUTION


# %%
self_normalised = check.self_normalised(self_normalised)


# %% [markdown]
# Find the mean and the mean square of $z$ under a target known up to its constant, $\tilde p(z) = e^{-|z - 1|^3}$.


# %%
def log_target(z):
    return -((z - 1).abs() ** 3)


def moment(power):  # oracle: quadrature, cut at the kink
    return integrate.quad(lambda z: z**power * math.exp(-(abs(z - 1) ** 3)), -4, 6, points=[1.0])[0]


q = Normal(0.5, 1.5)
with seeded(35):
    z = q.sample((100, 2000))  # 100 runs
runs = torch.stack([self_normalised(torch.stack([one, one**2], 1), log_target(one) - q.log_prob(one)) for one in z])
truth = torch.tensor([moment(1), moment(2)]) / moment(0)
std_err = runs.std(0) / math.sqrt(100)
print(f"mean {runs.mean(0)[0]:.4f} (truth {truth[0]:.4f}), mean square {runs.mean(0)[1]:.4f} (truth {truth[1]:.4f})")
assert ((runs.mean(0) - truth).abs() < 5 * std_err).all()  # the bias of order 1/K is far smaller

# %% [markdown]
# ## Exercise 01.6: the best proposals
#
# *15 minutes, difficulty 2 of 3, from notebook 01 "The best proposal" and "The logarithm of an estimate"*
#
# A model with one latent and one observed variable, $z \sim \mathcal N(0, 1)$ and $x \mid z \sim \mathcal N(az + b, s^2)$,
# and observations $x_1, \dots, x_N$. You want each $p(x_i) = \int p(x_i \mid z)\, p(z)\, dz$ by importance sampling.
# For each $x_i$ there is a proposal $q_i$ under which a *single* draw gives $p(x_i)$ exactly. Derive these $q_i$, and return the
# pair `(mean, scale)` of these normals.
#
# - `x` $(N)$; `a`, `b`, `s` numbers, $a \ne 0$ of either sign, $s > 0$ a scale.
# - `mean` $(N)$; `scale`, one number for all $i$: a standard deviation.
#
# <details><summary>Hint 1</summary>
#
# The variance is zero when $q$ is proportional to the integrand. What is the name of the distribution proportional to
# $p(x \mid z)\, p(z)$?
# </details>
# <details><summary>Hint 2</summary>
#
# As a function of $z$, $\log p(x \mid z) + \log p(z)$ is a parabola. Collect the terms in $z^2$: they give the
# precision. Collect the terms in $z$: they give precision times mean.
# </details>


# %%
def best_proposal(x, a, b, s):
    """(mean, scale) of the zero-variance proposals for p(x_i): mean (N,) and one number; x is (N,)."""
    ### BEGIN SOLUTION
    # q is proportional to p(x|z) p(z): the posterior. Its exponent is
    #   -(x - b - a z)^2 / 2s^2 - z^2 / 2  =  -(1 + a^2/s^2) z^2 / 2 + a (x - b) / s^2 z + const.
    precision = 1 + (a / s) ** 2
    linear = a * (x - b) / s**2
    # A normal's exponent is -precision z^2 / 2 + precision mean z + const: compare.
    return linear / precision, precision**-0.5
    ### END SOLUTION


# %%
best_proposal = check.best_proposal(best_proposal)

# %% [markdown]
# Check the derivation with numbers: five draws from each $q_i$ give five equal weights, and each is $p(x_i)$. The
# marginal is the oracle: $x \sim \mathcal N(b, a^2 + s^2)$.

# %%
x, a, b, s = torch.tensor([-2.0, 0.5, 4.0]), -1.5, 0.8, 0.6
mean, scale = best_proposal(x, a, b, s)
q = Normal(mean, scale)
with seeded(36):
    z = q.sample((5,))
log_w = Normal(a * z + b, s).log_prob(x) + p.log_prob(z) - q.log_prob(z)
log_p_x = stats.norm.logpdf(x.numpy(), b, math.sqrt(a**2 + s**2))
for i in range(3):
    print(f"x = {x[i]:4}: log weights", *(f"{one:.6f}" for one in log_w[:, i]), f"  log p(x) {log_p_x[i]:.6f}")
assert np.abs(log_w.numpy() - log_p_x).max() < 1e-12  # rounding

# %%
fig, ax = plots.figure()
grid = torch.linspace(-4, 4, 401)
ax.plot(grid, p.log_prob(grid).exp(), ":", color=plots.BLACK, label="prior")
for i, style in enumerate(("-", "--", "-.")):
    ax.plot(grid, Normal(mean[i], scale).log_prob(grid).exp(), style, label=f"best for x = {x[i]:.1f}")
ax.set(xlabel="latent z", ylabel="density", ylim=(0, 1.6), title="a proposal for each observation")
ax.legend(loc="upper left", fontsize=11)
plots.show(fig, alt="A wide prior and three equally narrow bells under it, one for each observation, at other places.")

# %% [markdown]
# Each observation needs a proposal of *its own*. For a model without a closed form you would have to fit
# $N$ of them. Notebook 08 instead trains one network that maps $x$ to its proposal.
#
# ## Exercise 01.7: find the proposals that break
#
# *15 minutes, difficulty 2 of 3, from notebook 01 "Heavy tails" and "A small mismatch in many dimensions"*
#
# Target and proposals are normal with independent coordinates and mean zero, in $D$ dimensions. Say of each of $C$
# proposals whether it breaks: whether $\mathbb E_q[w^2]$ is infinite.
#
# - `var_p` $(D)$: the target's variances. `var_q` $(C, D)$: those of the proposals. Variances, not scales.
# - Result: a tensor of truth values, shape $(C)$, `True` for a proposal that breaks. Where a variance lies on the boundary, `2 * var_q` and `var_p` are the same
#   floating point number.
#
# <details><summary>Hint 1</summary>
#
# Write down the exponent of $p(z)^2 / q(z)$ in one dimension. For which variances does it *not* fall to $-\infty$?
# </details>
# <details><summary>Hint 2</summary>
#
# In $D$ dimensions the integral is a product of $D$ integrals. When is the product infinite? And what is the integral
# when the exponent is exactly zero?
# </details>


# %%
def breaks(var_p, var_q):
    """Whether E_q[w^2] is infinite, truth values of shape (C,); var_p is (D,), var_q is (C, D)."""
    ### BEGIN SOLUTION
    # p^2/q has the exponent -z^2 (1/var_p - 1/(2 var_q)). The integral exists if the bracket is positive, that is, if
    # 2 var_q > var_p. At equality the integrand is a constant, and the integral infinite as well.
    too_narrow = 2 * var_q <= var_p
    # Each factor is at least 1, since E[w^2] >= E[w]^2. So one infinite factor is enough.
    return too_narrow.any(-1)
    ### END SOLUTION


# %%
breaks = check.breaks(breaks)

# %% [markdown]
# Four proposals for a target in three dimensions. **Which of them would you have trusted?** Beside your verdict stands
# what a thousand draws say: the mean weight, whose truth is 1, with an error bar.

# %%
var_p = torch.tensor([1.0, 4.0, 0.25])
ratios = {"equal": (1, 1, 1), "wide": (2, 2, 2), "narrower": (0.7, 0.7, 0.7), "one bad": (3, 1.5, 0.4)}
verdicts = breaks(var_p, var_p * torch.tensor(list(ratios.values())))
for verdict, (name, ratio) in zip(verdicts, ratios.items(), strict=True):
    q = Normal(0.0, (var_p * torch.tensor(ratio)).sqrt())
    with seeded(37):
        z = q.sample((1000,))
    w = (Normal(0.0, var_p.sqrt()).log_prob(z) - q.log_prob(z)).sum(-1).exp()
    std_err, told = w.std() / math.sqrt(1000), "breaks" if verdict else "sound"
    print(f"{name:9} {ratio!s:16} times the variances: {told:7} mean weight {w.mean():.3f} ± {std_err:.3f}")

# %% [markdown]
# The broken one has the largest error bar, but a finite one. Only the calculation shows that its variance is infinite.
#
# ## Exercise 01.8: how badly?
#
# *20 minutes, difficulty 3 of 3, from notebook 01 "Heavy tails" and "A small mismatch in many dimensions"*
#
# How large is the second moment? The target is $\mathcal N(0, s_p^2)$ and the proposal $\mathcal N(\delta, s_q^2)$ in each of $D$ independent
# coordinates. Derive $\mathbb E_q[w^2] = \int p(z)^2 / q(z)\, dz$, and return its logarithm.
#
# - `delta`, `s_p`, `s_q`, each $(C, D)$: one row for each pair of target and proposal. Scales, not variances; `delta` may be zero, or
#   dozens of scales.
# - Result: $(C)$, in nats; `math.inf` where the integral diverges, never NaN. No pair lies on the boundary: rounding would
#   decide there. $D$ may be in the hundreds.
#
# <details><summary>Hint 1</summary>
#
# In one coordinate, $p^2/q$ is a constant times $e^{-A z^2 + B z - C}$ and
# $\int e^{-A z^2 + B z} dz = \sqrt{\pi / A}\; e^{B^2 / 4A}$ for $A > 0$. Mind the sign of $C$.
# </details>
# <details><summary>Hint 2</summary>
#
# Everything can be written with $2 s_q^2 - s_p^2$. Where the integral diverges: `torch.where` computes both branches,
# but only the chosen one counts.
# </details>


# %%
def log_second_moment(delta, s_p, s_q):
    """log E_q[w^2] in nats, shape (C,), summed over coordinates; all arguments (C, D). inf where it diverges."""
    ### BEGIN SOLUTION
    # One coordinate: p^2/q = s_q / (s_p^2 sqrt(2 pi)) exp(-z^2/s_p^2 + (z - delta)^2 / 2 s_q^2), so
    #   A = 1/s_p^2 - 1/2s_q^2 = room / (2 s_p^2 s_q^2),   B = -delta / s_q^2,   C = -delta^2 / 2 s_q^2.
    room = 2 * s_q**2 - s_p**2
    # sqrt(pi/A) times the constant: s_q^2 / (s_p sqrt(room)). B^2/4A - C: delta^2/room, after bringing both to one
    # denominator: delta^2 s_p^2 / (2 s_q^2 room) + delta^2 / (2 s_q^2).
    one = 2 * s_q.log() - s_p.log() - 0.5 * room.log() + delta**2 / room
    # A <= 0: no integral. The log above has made NaN there, which torch.where leaves behind.
    return torch.where(room > 0, one, math.inf).sum(-1)
    ### END SOLUTION


# %%
log_second_moment = check.log_second_moment(log_second_moment)

# %%
pairs = torch.tensor([[0.5, 1.3, 1.1], [-2.0, 0.7, 0.6], [0.0, 1.0, 3.0]])
for (d, s_p, s_q), ours in zip(pairs.tolist(), log_second_moment(*pairs.T[..., None]), strict=True):
    ratio = lambda z: stats.norm.pdf(z, 0, s_p) ** 2 / stats.norm.pdf(z, d, s_q)  # noqa: E731, B023
    theirs = math.log(integrate.quad(ratio, -14, 14, epsrel=1e-10, limit=200)[0])  # oracle: quadrature
    print(f"delta {d:4}, s_p {s_p}, s_q {s_q}: closed form {ours:.6f}, quadrature {theirs:.6f}")
    assert abs(ours - theirs) < 1e-7  # the rule's own accuracy

# %% [markdown]
# What does a mismatch cost? For a relative error of 10 % in the mean weight you need $K = 100\, (\mathbb E_q[w^2] - 1)$ draws. Here are three mismatches that
# look harmless, the same in every coordinate. **Which is worst in a hundred dimensions?**

# %%
dims = torch.arange(1, 101)
mismatches = {"10 % too narrow": (0.0, 0.9, "-"), "25 % too wide": (0.0, 1.25, "--"), "1/4 off": (0.25, 1.0, "-.")}
fig, ax = plots.figure()
for name, (shift, s, style) in mismatches.items():
    one = log_second_moment(*(torch.full((1, 1), number) for number in (shift, 1.0, s)))
    ax.semilogy(dims, 100 * (dims * one).expm1(), style, label=name)
ax.set(xlabel="dimension", ylabel="draws needed", title="for a relative error of 10 %")
ax.legend()
plots.show(fig, alt="Draws needed grow exponentially with dimension for three mismatches of a normal proposal.")

# %% [markdown]
# The proposal that is too wide is the worst, then the shifted one; all three grow exponentially.
#
# ## Exercise 01.9: what a good number tells you
#
# *5 minutes, difficulty 2 of 3, from notebook 01 "Further: what an error bar promises"*
#
# You draw 1000 times from $q$ and find an effective sample size of 990. What do you *know*?
#
# - **a** The estimate is within a few percent of the truth.
# - **b** $q$ covers $p$: it misses no region where $p$ has mass.
# - **c** The weights of these 1000 draws are nearly equal.
# - **d** The variance of the weights is finite.
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# In the notebook a target had two humps and the proposal lay on one of them. What was its ESS?
# </details>
# <details><summary>Hint 2</summary>
#
# Which of the four is a statement about the draws, and which are statements about $p$ and $q$ elsewhere?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# ESS is a function of the 1000 weights and of nothing else.
answer = "c"
### END SOLUTION

# %%
check.what_ess_knows(answer)

# %% [markdown]
# ## Exercise 01.10: weights of a defensive mixture
#
# *10 minutes, difficulty 2 of 3, from notebook 01 "p(x) of a latent variable model"*
#
# A fitted proposal $q$ is narrow, so you mix in a wide one: $m(z) = (1 - \epsilon)\, q(z) + \epsilon\, q_{\text{wide}}(z)$. Return the log weights $\log p(z_k) - \log m(z_k)$ of draws from $m$.
#
# - `log_p`, `log_q`, `log_wide`, all $(K, \dots)$: log densities of the target and of the two parts at the draws, from $-2000$ to $900$. `share`: $\epsilon$, a number, $0 < \epsilon < 1$.
# - Result: the same shape, in nats.
#
# <details><summary>Hint 1</summary>
#
# Which density did a draw come from: that of the part that made it, or that of the mixture?
# </details>
# <details><summary>Hint 2</summary>
#
# $\log m$ is the logarithm of a sum of two exponentials: exercise 01.3 with two terms and unequal weights.
# </details>


# %%
def defensive(log_p, log_q, log_wide, share):
    """Log weights p / m of draws from the mixture m = (1 - share) q + share q_wide, in nats."""
    ### BEGIN SOLUTION
    narrow_part = math.log(1 - share) + log_q
    wide_part = math.log(share) + log_wide
    return log_p - torch.logaddexp(narrow_part, wide_part)
    ### END SOLUTION


# %%
defensive = check.defensive(defensive)

# %% [markdown]
# The target is $\mathcal N(0, 1)$, the proposal is four times too narrow, and the wide part equals the target. **What is the largest weight that can occur?**

# %%
narrow = Normal(0.0, 0.25)
with seeded(38):
    z = torch.where(torch.rand(100_000) < 0.1, p.sample((100_000,)), narrow.sample((100_000,)))
w = defensive(p.log_prob(z), narrow.log_prob(z), p.log_prob(z), 0.1).exp()
print(f"mean weight {w.mean():.4f} ± {w.std() / math.sqrt(100_000):.4f} (truth 1), largest {w.max():.3f}")
assert w.max() <= 1 / 0.1 + 1e-9  # p is at most m / 0.1
assert abs(w.mean() - 1) < 5 * w.std() / math.sqrt(100_000)

# %% [markdown]
# The largest possible weight is $1 / \epsilon = 10$, since $m \ge \epsilon\, p$ here.
#
# ## Exercise 01.11: prove that one draw is enough
#
# *15 minutes, difficulty 2 of 3, from notebook 01 "The best proposal"*
#
# Let $f \ge 0$ and $0 < I = \mathbb E_p[f] < \infty$. Prove: among all densities $q$ that satisfy the support condition ($q > 0$ wherever $f p \ne 0$), the variance $\mathbb V_q[w f]$ is smallest for $q^* = f p / I$, where it is zero, and $q^*$ is the only density with variance zero (up to sets of measure zero).
# Then say what changes if $f$ takes both signs. Your lecturer reads it; there is no check.

# %% [markdown] tags=["proof"]
# *Variance zero.* Under $q^*$, $w f = f p / q^* = I$ at every draw, a constant. A variance is never negative, so this is the smallest one.
#
# *Uniqueness.* If $\mathbb V_q[w f] = 0$, then $w f$ equals its mean almost surely under $q$. By the support condition its mean is $I$. So $f p = I q$ where $q > 0$. Where $q = 0$, $f p = 0 = I q$ by the support condition. Hence $q = f p / I$.
#
# *Both signs.* $\mathbb E_q[(wf)^2] = \int f^2 p^2 / q \ge (\int |f| p)^2$ by Cauchy and Schwarz, with equality for $q \propto |f| p$. The smallest variance is $(\mathbb E_p|f|)^2 - I^2 > 0$ unless $f$ has one sign.

# %% [markdown] tags=["rubric"]
# **Rubric, 5 points.** 1: the weight under $q^*$ is computed. 1: "a variance is never negative", or Jensen, or Cauchy and Schwarz, as the reason for *smallest*. 1: variance zero means constant almost surely *under q*. 1: the support condition is used where $q = 0$.
# 1: for both signs the answer $|f| p$, with a reason. Deduct nothing if "up to sets of measure zero" is missing. A common slip: "divide by $I$" without saying that $I > 0$.

# %% [markdown]
# ## An open problem
#
# No check here, and no single answer. In notebook 01 the point $C = (0, -19)$ of the curved model was the hardest: its posterior has two
# needles, at $z \approx \pm 3$. Build a proposal that reaches a relative error of 1 % with 1000 draws, counting every
# draw that you spend on finding it. Do it without looking at the posterior on a grid: with fifty latent dimensions
# there is no grid. Then say how you would notice, without the exact $p(x)$, that your proposal has missed a needle.

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - An error bar is the spread of the estimate: the spread of one draw over $\sqrt K$. A further digit costs a hundred
#   times the draws.
# - Weights are kept as logarithms; the largest of each column is taken out before `exp`.
# - The effective size and the self-normalised estimate do not change with the weights' common factor.
# - The best proposal for $p(x_i)$ is the posterior given $x_i$, and then one draw is enough.
# - A normal proposal breaks where its variance is at most half of the target's, in a single coordinate; a mismatch that does
#   not break it still costs exponentially in the dimension.
#
# **To read** Owen, *Monte Carlo theory, methods and examples* (2013), chapter 9.
#
# **The next question** For which models is the best proposal known in closed form in many dimensions? Notebook 02 and
# its exercises.
