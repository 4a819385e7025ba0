# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 Gradient estimators: score function or reparameterisation
#
# After this notebook you will be able to
#
# - differentiate an expectation whose distribution depends on the parameter, in two ways, and say when each is right;
# - write either as a *surrogate loss* that autograd can do the rest for;
# - predict the variance of both on a problem with a closed form, and measure it on one without;
# - lower the variance by baselines and control variates, and know what they cost;
# - send a gradient through a discrete $z$, and say what bias you accepted.
#
# **Time** 75 minutes; the cells run in about 15 seconds on a laptop. **Prerequisites** notebook 01 (Monte Carlo,
# standard errors), notebook 05 (the ELBO).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $z$ | `z` | $K \times \dots$ | latent variable, samples first |
# | $\gamma = (m, s)$ | `m, s` | | inference parameters: here mean and standard deviation of $q$ |
# | $q_\gamma(z)$ | `q` | | the distribution we draw from |
# | $f(z)$ | `f` | $K$ | what is averaged, one value a draw |
# | $\nabla_\gamma \log q_\gamma(z)$ | `score` | $K$ | the score |
# | $b$ | `b`, `baseline` | | baseline, in the units of $f$ |
# | $K, D, C$ | `K, D, C` | | samples, dimension, classes |
# | $\tau$ | `temperature` | | of the Gumbel-softmax |

# %%
import math

import numpy as np
import torch
from scipy import special, stats
from torch.distributions import Bernoulli, Categorical, MixtureSameFamily, Normal

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.explorables.scenes.gradients import (
    DIMENSIONS,
    KINDS,
    LOOKS,
    GradientExplorer,
    estimator,
    variance,
)
from lvmteach.classroom.figures import plots
from lvmteach.gradients import (
    PerParameter,
    gradient_samples,
    gumbel_softmax,
    leave_one_out,
    optimal_baseline,
    reparameterised,
    score_function,
    straight_through,
)
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)  # closed forms are compared to many digits

# %% [markdown]
# ## The gradient that sampling loses
#
# The ELBO is an expectation under a distribution that we are still choosing:
#
# $$\nabla_\gamma\, \mathbb E_{q_\gamma}[f(z)] = \;?$$
#
# Take the smallest case that has an answer: $q = \mathcal N(m, s^2)$ and $f(z) = (z - t)^2$. Then
# $\mathbb E f = (m-t)^2 + s^2$, so the gradients are $2(m-t)$ and $2s$.
#
# **Before you run the cell:** we draw from $q$, average $f$ and call `backward`. What does autograd say?

# %%
t = 0.5
m, s = torch.tensor(1.5, requires_grad=True), torch.tensor(0.8, requires_grad=True)
TRUTH = {"m": 2 * (1.5 - t), "s": 2 * 0.8}


def f(z):
    return (z - t) ** 2


with seeded(1):
    value = f(Normal(m, s).sample((100_000,))).mean()
print(f"value {value:.3f}, exactly {(1.5 - t) ** 2 + 0.8**2:.3f}; carries a gradient: {value.requires_grad}")
assert not value.requires_grad

# %% [markdown]
# Nothing. A draw is a number; autograd cannot know that another $m$ would have drawn another number. The average is
# right and its gradient is lost. There are two ways out. One differentiates the *probability* of the draw, the other
# the *draw*.
#
# ## Way one: differentiate the probability
#
# Write the expectation as an integral, move the gradient inside, and use $\nabla q = q\, \nabla \log q$:
#
# $$\nabla_\gamma \int f(z)\, q_\gamma(z)\, dz = \int f(z)\, \nabla_\gamma q_\gamma(z)\, dz
# = \mathbb E_{q_\gamma}\big[ f(z)\, \nabla_\gamma \log q_\gamma(z) \big]$$
#
# This is the **log-derivative identity**. The right side is an expectation under $q$ again, so it can be sampled. $f$
# is only evaluated, never differentiated. For the Gaussian the score is $\nabla_m \log q = (z - m)/s^2$.
#
# The oracle is Gauss-Hermite quadrature: with 20 nodes it integrates polynomials up to degree 39 under a Gaussian
# exactly.

# %%
# NBVAL_CHECK_OUTPUT
NODES, W = np.polynomial.hermite_e.hermegauss(20)
W = W / W.sum()  # E g(eps) = W @ g(NODES), eps ~ N(0, 1)
z_nodes = 1.5 + 0.8 * NODES
score = {"m": NODES / 0.8, "s": (NODES**2 - 1) / 0.8}
for name, values in score.items():
    mean = W @ (f(z_nodes) * values)
    print(f"{name}: E[f score] = {mean:.4f}, truth {TRUTH[name]:.4f}; E[score] = {abs(W @ values):.4f}")
    assert math.isclose(mean, TRUTH[name], rel_tol=1e-12)  # rounding
    assert abs(W @ values) < 1e-12

# %% [markdown]
# Keep the last column in mind: the **score has mean zero**, since $\int \nabla q = \nabla \int q = \nabla 1 = 0$. All
# baselines live on it.
#
# ### As a loss
#
# Nobody wants to write scores by hand. So write a *surrogate*, a loss whose gradient is the estimate, and let
# autograd differentiate it:
#
# $$L = \frac1K \sum_k f(z_k)\, \log q_\gamma(z_k), \qquad z_k \text{ and } f(z_k) \text{ held fixed}$$

# %%
with seeded(2):
    q = Normal(m, s)
    z = q.sample((100_000,))  # no gradient through the draw
    surrogate = (f(z) * q.log_prob(z)).mean()
by_hand = torch.autograd.grad(surrogate, (m, s))
print(f"surrogate {surrogate:.3f}, its gradient {by_hand[0]:.3f}, {by_hand[1]:.3f}; truth {TRUTH['m']}, {TRUTH['s']}")

# %% [markdown]
# The gradient is close to the truth. The *value* of this surrogate means nothing: it is not the average of $f$, and
# watching it fall tells you nothing. `score_function` mends that. Its value is the mean of $f$, its gradient the same
# as above:
#
# $$L = \frac1K\sum_k f(z_k) + \big(f(z_k) - b\big) \big(\log q_\gamma(z_k) - \log \bar q(z_k)\big),
# \qquad \bar q: \text{no gradient}$$
#
# The bracket is zero, its gradient is the score. The lone $f(z_k)$ gives the value, and one thing more: where **$f$
# itself depends on $\gamma$**, as in the ELBO, its own gradient $\nabla_\gamma f_\gamma(z)$ belongs in the sum.

# %%
with seeded(2):
    value = score_function(f, Normal(m, s), K=100_000)
from_library = torch.autograd.grad(value, (m, s))
print(f"value {value:.3f} (E f = 1.640), gradient {from_library[0]:.3f}, {from_library[1]:.3f}")
assert torch.allclose(torch.stack(by_hand), torch.stack(from_library), rtol=1e-9)  # the same draws, the same sum

# %% [markdown]
# ## The same estimator, under another name
#
# In reinforcement learning a *policy* $\pi_\gamma(a)$ draws an action $a$, the world returns a reward $r(a)$, and
# nobody can differentiate the world. The **policy gradient** (REINFORCE) is
#
# $$\nabla_\gamma \mathbb E_{\pi_\gamma}[r(a)]
# = \mathbb E_{\pi_\gamma}\big[r(a)\, \nabla_\gamma \log \pi_\gamma(a)\big]$$
#
# the score-function estimator, with $a$ for $z$ and $r$ for $f$. Here is a *bandit*: one step, one action, two good
# places. To keep exploring, the policy is also paid for entropy, at a rate $\alpha$:
#
# $$J(\gamma) = \mathbb E_{\pi_\gamma}\big[r(a) - \alpha \log \pi_\gamma(a)\big]$$
#
# The integrand depends on $\gamma$ itself. It is also an ELBO: with $p^*(a) \propto e^{r(a)/\alpha}$,
# $J = \alpha \log \int e^{r(a)/\alpha} da - \alpha\, \mathrm{KL}(\pi_\gamma \,\|\, p^*)$. The first term is the best
# any policy can do.

# %%
ALPHA = 0.2
GRID = torch.linspace(-15, 15, 6001)


def reward(a):
    return torch.exp(-2 * (a - 2) ** 2) + 0.8 * torch.exp(-2 * (a + 1.5) ** 2) - 0.1 * a**2


def integral(values):
    return torch.trapezoid(values, GRID).item()  # smooth, zero at both ends: trapezia are exact to rounding


# %%
best = ALPHA * math.log(integral(torch.exp(reward(GRID) / ALPHA)))
p_star = torch.exp((reward(GRID) - best) / ALPHA)


def exact_J(policy):
    log_pi = policy.log_prob(GRID)
    return integral(log_pi.exp() * (reward(GRID) - ALPHA * log_pi))


print(f"no policy earns more than {best:.4f}")
assert abs(integral(p_star) - 1) < 1e-12

# %% [markdown]
# Two policies. A Gaussian, and one with a **latent variable**: draw $z$ from two options, then $a \mid z$ from a
# Gaussian. Its marginal $\pi(a) = \sum_z \pi(z)\, \pi(a \mid z)$ can have two modes. **Before you run the cell:**
# what will the Gaussian do about the two good places?


# %%
def gaussian(m, log_s):
    return Normal(m, log_s.exp())


def latent(logits, m, log_s):
    return MixtureSameFamily(Categorical(logits=logits), Normal(m, log_s.exp()))


# %%
def paid(policy):
    return lambda a: reward(a) - ALPHA * policy.log_prob(a)


def improve(policy, *start, steps=400, K=50):
    params = [torch.tensor(p, requires_grad=True) for p in start]
    adam = torch.optim.Adam(params, lr=0.05)
    for _ in range(steps):
        pi = policy(*params)
        loss = -score_function(paid(pi), pi, K, leave_one_out)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return policy(*(p.detach() for p in params))


# %%
with seeded(3):
    one_mode = improve(gaussian, 0.0, 0.0)
    two_modes = improve(latent, [0.0, 0.0], [-0.5, 0.5], [0.0, 0.0])

# %%
fig, ax = plots.figure()
ax.fill_between(GRID, p_star, color=plots.GREY, alpha=0.35, label="best policy, p*")
for policy, look, name in ((one_mode, "C1--", "Gaussian"), (two_modes, "C0-", "with latent z")):
    ax.plot(GRID, policy.log_prob(GRID).exp(), look, label=f"{name}, J = {exact_J(policy):.3f}")
ax.set(xlabel="action a", ylabel="density of the policy", xlim=(-4, 4.5), ylim=(0, 1.25))
ax.set_title(f"the best possible J is {best:.3f}")
ax.legend(loc="upper left", ncols=2)
plots.show(fig, alt="The best policy has two peaks; the latent policy follows both, the Gaussian does not.")

# %%
for policy in (one_mode, two_modes):
    pi = policy.log_prob(GRID)
    gap = ALPHA * integral(pi.exp() * (pi - p_star.log()))  # alpha KL(pi || p*), by quadrature
    assert abs(best - exact_J(policy) - gap) < 1e-9
assert exact_J(one_mode) < exact_J(two_modes) - 0.05 < best
print(f"missing to the best: Gaussian {best - exact_J(one_mode):.3f}, latent {best - exact_J(two_modes):.3f}")

# %% [markdown]
# Drawn this way, component first, a mixture cannot be reparameterised: which component a draw comes from is a jump. (Its quantile function would be smooth,
# but has no closed form.) The library says so.

# %%
try:
    reparameterised(reward, two_modes, K=10)
except ValueError as error:
    print(error)

# %% [markdown]
# ## Way two: differentiate the draw
#
# Write the draw as a function of noise that has no parameters. For the Gaussian
#
# $$z = h(\varepsilon; m, s) = m + s\,\varepsilon, \quad \varepsilon \sim \mathcal N(0, 1), \qquad
# \nabla_\gamma \mathbb E_{q_\gamma}[f(z)]
# = \mathbb E_\varepsilon\big[f'(h(\varepsilon))\, \nabla_\gamma h(\varepsilon; \gamma)\big]$$
#
# The expectation no longer depends on $\gamma$, so the gradient may go inside. There are **two paths**:
# $\partial z / \partial m = 1$ and $\partial z / \partial s = \varepsilon$.

# %%
with seeded(4):
    eps = torch.randn(100_000)
    slope = 2 * (m + s * eps - t)  # f'(z)
    by_hand = (slope * 1).mean(), (slope * eps).mean()
with seeded(4):
    by_autograd = torch.autograd.grad(reparameterised(f, Normal(m, s), K=100_000), (m, s))
print(
    f"by hand {by_hand[0]:.3f}, {by_hand[1]:.3f}; by autograd {by_autograd[0]:.3f}, {by_autograd[1]:.3f}; truth 2, 1.6"
)
assert torch.allclose(torch.stack(by_hand), torch.stack(by_autograd), rtol=1e-9)

# %% [markdown]
# What $h$ must be: differentiable in $\gamma$, and such that $h(\varepsilon)$ has density $q_\gamma$. An invertible
# $h$ does it, by change of variables. One that always exists in one dimension is the quantile function of a uniform
# draw. For the exponential distribution of rate $\lambda$, $z = -\log(1 - u)/\lambda$, so
# $\partial z/\partial\lambda = -z/\lambda$. With $f(z) = z$ the truth is $\nabla_\lambda\, 1/\lambda = -1/\lambda^2$.

# %%
rate = torch.tensor(2.0)
with seeded(5):
    z = -torch.log1p(-torch.rand(100_000)) / rate
paths = -z / rate
print(f"{paths.mean():.4f} ± {paths.std() / 100_000**0.5:.4f}, truth {-1 / rate**2:.4f}")
assert abs(paths.mean() + 1 / rate**2) < 5 * paths.std() / 100_000**0.5  # five standard errors

# %% [markdown]
# ## Both are right. How noisy are they?
#
# Both means are exact, so the variance decides. With $d = m - t$, one draw has
#
# | | $\partial/\partial m$ | $\partial/\partial s$ |
# |---|---|---|
# | truth | $2d$ | $2s$ |
# | variance, reparameterised | $4s^2$ | $4d^2 + 8s^2$ |
# | variance, score function | $d^4/s^2 + 14 d^2 + 15 s^2$ | $2d^4/s^2 + 60 d^2 + 74 s^2$ |
#
# Each is a moment of a Gaussian. Derive one on paper; quadrature checks all four.

# %%
# NBVAL_CHECK_OUTPUT
d, sd = 1.0, 0.8
VARIANCE = {
    ("reparameterised", "m"): 4 * sd**2,
    ("reparameterised", "s"): 4 * d**2 + 8 * sd**2,
    ("score", "m"): d**4 / sd**2 + 14 * d**2 + 15 * sd**2,
    ("score", "s"): 2 * d**4 / sd**2 + 60 * d**2 + 74 * sd**2,
}
draw = {("score", name): f(z_nodes) * values for name, values in score.items()}
draw |= {("reparameterised", name): 2 * (z_nodes - t) * path for name, path in (("m", 1.0), ("s", NODES))}
for key, closed in VARIANCE.items():
    print(f"{key[0]:>16}, d/d{key[1]}: variance {closed:.4f}")
    assert math.isclose(W @ draw[key] ** 2 - (W @ draw[key]) ** 2, closed, rel_tol=1e-12)

# %% [markdown]
# And measured? `gradient_samples` draws many independent gradients at once: it makes a copy of the parameters for
# each, and one backward pass serves all copies.

# %%
SURROGATES = {
    "reparameterised": lambda m, s: reparameterised(f, Normal(m, s), K=1),
    "score": lambda m, s: score_function(f, Normal(m, s), K=1),
}


def check(samples, mean, var):
    """Print mean and variance of gradient samples with standard errors; both must lie within five of the truth."""
    squares = (samples - samples.mean()) ** 2
    n = len(samples) ** 0.5
    print(
        f"  mean {samples.mean():8.4f} ± {samples.std() / n:.4f} ({mean:.4f})"
        f"   variance {squares.mean():8.3f} ± {squares.std() / n:.3f} ({var:.3f})"
    )
    assert abs(samples.mean() - mean) < 5 * samples.std() / n
    assert abs(squares.mean() - var) < 5 * squares.std() / n


# %%
with seeded(6):
    cloud = {name: gradient_samples(surrogate, (m, s), 200_000) for name, surrogate in SURROGATES.items()}
for name, gradients in cloud.items():
    for parameter, samples in zip("ms", gradients, strict=True):
        print(f"{name}, d/d{parameter}")
        check(samples, TRUTH[parameter], VARIANCE[name, parameter])

# %%
fig, axes = plots.figure(1, 2, size=(11, 4.2), sharey=True)
for i, (ax, parameter) in enumerate(zip(axes, "ms", strict=True)):
    for name, colour, style in (("score", plots.RED, "stepfilled"), ("reparameterised", plots.BLUE, "step")):
        look = {"histtype": style, "color": colour, "lw": 2.5, "alpha": 0.5 if style == "stepfilled" else 1}
        ax.hist(cloud[name][i].numpy(), np.linspace(-20, 80, 101), density=True, log=True, label=name, **look)
    ax.axvline(TRUTH[parameter], color=plots.BLACK, ls=":", label="truth")
    ax.set(xlabel=f"one-draw estimate of d/d{parameter}", xlim=(-20, 80))
axes[0].set_ylabel("density, log scale")
axes[1].legend()
plots.show(
    fig,
    alt="One-draw gradients on a log scale: the score function has far longer tails around the same truth.",
)

# %% [markdown]
# Ten times the variance for $m$, twelve times for $s$: it takes ten draws of the score function to make up for one
# reparameterised draw. Most of its draws say almost nothing, and a few say far too much. Reparameterisation knows the
# *slope* of $f$; the score function learns from *values* alone which side is better.

# %%
# NBVAL_CHECK_OUTPUT
for parameter in "ms":
    ratio = VARIANCE["score", parameter] / VARIANCE["reparameterised", parameter]
    print(f"d/d{parameter}: variances differ by a factor of {ratio:.4f}")

# %% [markdown]
# ## And in many dimensions?
#
# Let $f(z) = \sum_{i=1}^D (z_i - t)^2$. The slope of $f$ along $z_1$ does not see the other coordinates. Its value
# does, and the others' contribution is noise for $\partial/\partial m_1$. For the score function the variance becomes
#
# $$D^2\, \frac{(d^2 + s^2)^2}{s^2} + D\,(8d^2 + 6s^2) + 4d^2 + 8s^2$$
#
# **Before you look:** what are the slopes of the lines on a log-log plot?

# %%
K = 4
with seeded(7):
    measured = {
        kind: [
            gradient_samples(estimator(kind, K), (torch.full((int(D),), 1.5),), 20_000 // int(D))[0] for D in DIMENSIONS
        ]
        for kind in KINDS
    }

# %%
fig, ax = plots.figure()
for kind in KINDS:
    colour, dash = LOOKS[kind]
    ax.loglog(DIMENSIONS, variance(kind, DIMENSIONS, K), dash, color=colour, label=kind)
    ax.loglog(DIMENSIONS, [(g - 2.0).square().mean() for g in measured[kind]], "o", color=colour)
ax.set(xlabel="dimension D", ylabel="variance of d/dm₁, K = 4", title="lines: closed form, dots: measured")
ax.set_xticks(DIMENSIONS, [f"{D:.0f}" for D in DIMENSIONS])
ax.minorticks_off()
ax.legend()
plots.show(
    fig,
    alt="Variance against dimension: flat if reparameterised, slope two for the score function, one with baselines.",
)

# %%
for kind in KINDS:
    for D, gradients in zip(DIMENSIONS, measured[kind], strict=True):
        share = (gradients - 2.0).square().mean(1) / variance(
            kind, D, K
        )  # one number a draw: coordinates are correlated
        assert abs(share.mean() - 1) < 5 * share.std() / len(share) ** 0.5
    growth = variance(kind, 64.0, K) / variance(kind, 32.0, K)
    print(f"{kind}: from D = 32 to 64 the variance grows {growth:.2f}-fold")

# %% [markdown]
# Flat, and nearly squared. The two other lines are the score function with a *baseline*, which turns the square into
# a straight line. That is the next section.
#
# ## Baselines
#
# The score has mean zero, so a constant times the score has mean zero too, and may be taken off for free:
#
# $$\mathbb E\big[(f(z) - b)\,\nabla \log q(z)\big] = \mathbb E\big[f(z)\,\nabla \log q(z)\big] - b \cdot 0$$
#
# The variance is a parabola in $b$. Its minimum is the **optimal baseline**, one for each parameter $j$:
#
# $$b_j^* = \frac{\mathbb E[f\, \mathrm{score}_j^2]}{\mathbb E[\mathrm{score}_j^2]},
# \qquad\text{here } b_m^* = d^2 + 3s^2,\quad b_s^* = d^2 + 5s^2$$
#
# **Before you look:** the natural guess is $b = \mathbb E f = d^2 + s^2$, the average. Is it the minimum?


# %%
def with_baseline(name, b):
    """Exact variance of the one-draw score-function estimate with the constant baseline b."""
    return W @ ((f(z_nodes) - b) * score[name]) ** 2 - TRUTH[name] ** 2


b_star = {"m": d**2 + 3 * sd**2, "s": d**2 + 5 * sd**2}
b_grid = np.linspace(-2, 9, 200)
fig, ax = plots.figure()
for name, colour, dash in (("m", plots.BLUE, "-"), ("s", plots.ORANGE, "--")):
    ax.plot(b_grid, [with_baseline(name, b) for b in b_grid], dash, color=colour, label=f"variance of d/d{name}")
    ax.plot(b_star[name], with_baseline(name, b_star[name]), "o", color=colour, ms=11)
ax.axvline(d**2 + sd**2, color=plots.BLACK, ls=":", label="b = E f")
ax.set(xlabel="baseline b, units of f", ylabel="variance, one draw", ylim=(0, 160), title="dots: the optimal baselines")
ax.legend()
plots.show(fig, alt="Two parabolas in b with different minima, both to the right of the mean of f.")

# %%
# NBVAL_CHECK_OUTPUT
closed = {"m": (8 * d**2 + 10 * sd**2, 8 * d**2 + 6 * sd**2), "s": (None, 40 * d**2 + 24 * sd**2)}
for name in "ms":
    average, optimum = with_baseline(name, d**2 + sd**2), with_baseline(name, b_star[name])
    print(f"d/d{name}: none {with_baseline(name, 0.0):.4f}, b = E f {average:.4f}, optimal {optimum:.4f}")
    assert math.isclose(optimum, closed[name][1], rel_tol=1e-12)
assert math.isclose(with_baseline("m", d**2 + sd**2), closed["m"][0], rel_tol=1e-12)

# %% [markdown]
# The average does most of the work. The optimum asks for a baseline a parameter, and for expectations that you seldom
# have; `optimal_baseline` estimates them from draws of their own. `PerParameter` hands them over.

# %%
with seeded(8):
    found = optimal_baseline(lambda m, s: (f, Normal(m, s)), (m, s), draws=200_000)
    gradients = gradient_samples(
        lambda m, s: score_function(f, Normal(m, s), 1, PerParameter((m, s), found)), (m, s), 200_000
    )
for name, b, samples in zip("ms", found, gradients, strict=True):
    print(f"b* for {name}: {b:.3f} (closed form {b_star[name]:.3f})")
    assert abs(b - b_star[name]) < 0.05 * b_star[name]  # 200 000 draws give it to about 1 %
    check(samples, TRUTH[name], with_baseline(name, float(b)))

# %% [markdown]
# ### Leave one out
#
# With $K$ draws there is a baseline for nothing: for draw $k$, the mean of $f$ over the *other* draws. It does not
# know $z_k$, so it changes no mean.
#
# $$\hat g = \frac1K\sum_k \big(f_k - \bar f_{-k}\big)\,\mathrm{score}_k
# = \frac1{K-1} \sum_k (f_k - \bar f)\,\mathrm{score}_k$$
#
# The right side is the *sample covariance* of $f$ and the score. That gives its variance for any $f$:
#
# $$\mathbb V[\hat g] = \frac{\mathbb V[(f - \mathbb E f)\,\mathrm{score}]}{K}
# + \frac{\mathbb V[f]\,\mathbb V[\mathrm{score}] + (\mathbb E[f\,\mathrm{score}])^2}{K(K-1)}$$
#
# The first term is the baseline $\mathbb E f$; the second is what it costs to estimate it.


# %%
def left_out(f_z, score, K, w=W):
    """Exact variances, K draws: with no baseline, and leave-one-out. f_z, score, w: values and weights at the nodes."""
    mean, truth = w @ f_z, w @ (f_z * score)
    none = w @ (f_z * score) ** 2 - truth**2
    centred = w @ ((f_z - mean) * score) ** 2 - truth**2
    price = (w @ (f_z - mean) ** 2) * (w @ score**2) + truth**2
    return none / K, centred / K + price / (K * (K - 1))


for K in (2, 5, 20):
    none, left = left_out(f(z_nodes), score["m"], K)
    assert math.isclose(left, (8 * d**2 + 10 * sd**2) / K + (8 * d**2 + 2 * sd**2) / (K * (K - 1)), rel_tol=1e-12)
    print(f"K = {K}: no baseline {none:.3f}, leave-one-out {left:.3f}")
    with seeded(K):
        (samples,) = gradient_samples(lambda m, K=K: score_function(f, Normal(m, sd), K, leave_one_out), (m,), 100_000)
    check(samples, TRUTH["m"], left)

# %% [markdown]
# **A tempting shortcut:** take the mean over *all* $K$ draws, $\bar f$, as the baseline. Then each draw meets a
# baseline that knows it. **What goes wrong?**

# %%
K = 2
with seeded(9):
    (samples,) = gradient_samples(lambda m: score_function(f, Normal(m, sd), K, lambda f_z: f_z.mean(0)), (m,), 100_000)
error = samples.std() / 100_000**0.5
print(f"mean {samples.mean():.3f} ± {error:.3f}; truth 2, and 2 (K - 1)/K = {2 * (K - 1) / K}")
assert abs(samples.mean() - 2 * (K - 1) / K) < 5 * error

# %% [markdown]
# The gradient shrinks by $(K-1)/K$, exactly. With two draws you climb half as fast as you think; with 50 you will
# never notice.
#
# ### Does leave-one-out always pay?
#
# Compare the two formulas: with a positive *gain*, the variance that the baseline $\mathbb E f$ takes off one draw, it pays once $K - 1$ exceeds *price /
# gain*. Where $\mathbb E f$ takes nothing off, it never pays.

# %%
SMOOTH, HERMITE = np.polynomial.hermite_e.hermegauss(100)  # more nodes: these f are no polynomials
HERMITE = HERMITE / HERMITE.sum()
PROBLEMS = {
    "(z - t)²": lambda z: (z - t) ** 2,
    "exp(z/2)": lambda z: np.exp(z / 2),
    "sigmoid(3z)": lambda z: special.expit(3 * z),
    "(z + 4)²": lambda z: (z + 4) ** 2,
    "cos(5z)": lambda z: np.cos(5 * z),
}
for name, g in PROBLEMS.items():
    ratios = []
    for K in (2, 3, 10, 100):
        none, left = left_out(g(1.5 + sd * SMOOTH), SMOOTH / sd, K, HERMITE)
        ratios.append(left / none)
    print(f"{name:12} leave-one-out / no baseline at K = 2, 3, 10, 100:", "  ".join(f"{r:.3f}" for r in ratios))
    assert all(r < 1 for r in ratios) == (name != "cos(5z)")

# %% [markdown]
# On the first four it never loses. It helps most where $f$ is a large constant plus a small signal, $(z+4)^2$, and
# least where $\mathbb E f$ is close to zero already, as for the cosine: there is nothing to take off, and the noise
# of estimating that nothing costs a factor $K/(K-1)$, 11 % at $K = 10$.

# %%
none, left = left_out(np.cos(5 * (1.5 + sd * SMOOTH)), SMOOTH / sd, 10, HERMITE)
for K in (2, 100, 10**6):
    without, with_it = left_out(np.cos(5 * (1.5 + sd * SMOOTH)), SMOOTH / sd, K, HERMITE)
    assert with_it > without  # at no K
assert abs(left / none - 10 / 9) < 0.01  # not quite: E f is e^{-8} times a cosine, and E[f score] as small

# %% [markdown]
# ## Control variates
#
# A baseline subtracts a constant. Subtract more: a function $c(z)$ that resembles $f$ and whose expectation you know
# as a formula.
#
# $$\nabla_\gamma \mathbb E[f] = \underbrace{\nabla_\gamma \mathbb E[f - c]}_{\text{score function}}
# + \underbrace{\nabla_\gamma \mathbb E[c]}_{\text{closed form}}$$
#
# Near $m_0$, the current mean, $f$ is close to its tangent, $c(z) = f(m_0) + f'(m_0)(z - m_0)$, and
# $\mathbb E[c] = f(m_0) + f'(m_0)(m - m_0)$. For our $f$ that leaves $(z - m)^2$. **Before you run the cell:** will
# the variance still depend on $d$?


# %%
def by_tangent(m, baseline=None):
    m0 = m.detach()
    slope = 2 * (m0 - t)
    rest = score_function(lambda z: f(z) - f(m0) - slope * (z - m0), Normal(m, sd), 1, baseline)
    return rest + f(m0) + slope * (m - m0)  # surrogates add up


with seeded(10):
    for baseline, closed in ((None, 15 * sd**2), (3 * sd**2, 6 * sd**2)):
        (samples,) = gradient_samples(lambda m, b=baseline: by_tangent(m, b), (m,), 200_000)
        print(f"tangent, baseline {baseline}:")
        check(samples, TRUTH["m"], closed)

# %% [markdown]
# From $d^4/s^2 + 14d^2 + 15s^2$ to $15 s^2$, and to $6 s^2$ with the best constant on top: near the $4 s^2$ of
# reparameterisation. The tangent is a slope, and slopes were its secret. With a parabola for $c$ nothing would be
# left to sample.
#
# ## Where reparameterisation loses
#
# Slopes help as long as they tell where $f$ goes. Let $f$ be a fast wave, $f(z) = \cos(kz)$ (a sine is the same wave,
# shifted): values within $\pm1$,
# slopes up to $k$. One draw has
#
# $$\mathbb V_\text{reparam} = \tfrac{k^2}{2}\big(1 - \cos(2km)\,e^{-2k^2s^2}\big) - g^2, \qquad
# \mathbb V_\text{score} = \tfrac1{2s^2}\big(1 + (1 - 4k^2s^2)\cos(2km)\,e^{-2k^2s^2}\big) - g^2$$
#
# with $g = -k \sin(km)\, e^{-k^2s^2/2}$ the truth. One grows with $k$, the other stays below a bound.

# %%
S_WAVE, M_WAVE = 1.3, 0.6


def wave_variances(k):
    damped = np.cos(2 * k * M_WAVE) * np.exp(-2 * (k * S_WAVE) ** 2)
    truth = -k * np.sin(k * M_WAVE) * np.exp(-((k * S_WAVE) ** 2) / 2)
    path = k**2 / 2 * (1 - damped) - truth**2
    values = (1 + (1 - 4 * (k * S_WAVE) ** 2) * damped) / (2 * S_WAVE**2) - truth**2
    return truth, path, values


with seeded(11):
    for k in (0.5, 2.3):
        truth, *closed = wave_variances(k)
        for verb, var in zip((reparameterised, score_function), closed, strict=True):
            estimate = lambda m, k=k, verb=verb: verb(lambda z: torch.cos(k * z), Normal(m, S_WAVE), 1)  # noqa: E731
            print(f"{verb.__name__}, k = {k}")
            check(gradient_samples(estimate, (torch.tensor(M_WAVE),), 200_000)[0], truth, var)

# %%
k_grid = np.geomspace(0.1, 10, 300)
truth, path, values = wave_variances(k_grid)
fig, ax = plots.figure()
ax.loglog(k_grid, path, color=plots.BLUE, label="variance, reparameterised")
ax.loglog(k_grid, values, "--", color=plots.RED, label="variance, score function")
ax.loglog(k_grid, truth**2, ":", color=plots.BLACK, label="true gradient, squared")
ax.axvline(1 / S_WAVE, color=plots.GREY, lw=1.5)
ax.text(1.05 / S_WAVE, 3e-5, "k = 1/s")
ax.set(xlabel="frequency k of f(z) = cos(kz)", ylabel="units of the gradient, squared", ylim=(1e-5, 100))
ax.legend(loc="upper left", fontsize=11)
plots.show(
    fig, alt="Reparameterisation's variance grows as k squared and crosses the score function's flat one near k = 1/s."
)

# %%
# NBVAL_CHECK_OUTPUT
truth, path, values = wave_variances(2.3)
print(f"k = 2.3: reparameterised {path:.3f}, score function {values:.3f}, true gradient {truth:.4f}")
crossing = k_grid[np.argmax(wave_variances(k_grid)[1] > wave_variances(k_grid)[2])]
print(f"they cross near k s = {crossing * S_WAVE:.1f}")
assert abs(path - 2.3**2 / 2) < 1e-3  # far beyond the crossing k^2 / 2 and 1 / 2 s^2, but for the squared gradient
assert abs(values - 1 / (2 * S_WAVE**2)) < 1e-3

# %% [markdown]
# At $k = 2.3$ the score function has a ninth of the variance. Be fair to the loser, though: look at the dotted line.
# Where $q$ spans several waves, $\mathbb E f$ hardly depends on $m$, and *both* estimates are noise around a gradient
# of almost zero. The score function wins a race that few need to run.
#
# ### Jumps
#
# The other case matters more. Let $f$ be a count, a decision, a rank: $f(z) = \mathbb 1[z > 1]$. Its slope is zero
# wherever it exists, and the reparameterised gradient is zero as well: not noisy, *wrong*. The library refuses; the
# score function does not mind. The truth is the density of $q$ at 1.

# %%
try:
    reparameterised(lambda z: (z > 1).double(), Normal(m, s), K=10)
except ValueError as error:
    print(error)
with seeded(12):
    (samples,) = gradient_samples(
        lambda m: score_function(lambda z: z > 1, Normal(m, 1.0), 1), (torch.tensor(0.0),), 200_000
    )
truth = stats.norm.pdf(1)
check(samples, truth, stats.norm.sf(1) + stats.norm.pdf(1) - truth**2)  # E[eps^2; eps > 1] = sf(1) + pdf(1)

# %% [markdown]
# ## Discrete z
#
# Wake-sleep's units were binary. A binary or categorical $z$ has no slope either, so reparameterisation is out, but
# another way is in: with $C$ classes, **sum**. For $\pi = \mathrm{softmax}(\text{logits})$ and values $f_c$ the exact
# gradient is $\pi_c\,(f_c - \mathbb E f)$.

# %%
# NBVAL_CHECK_OUTPUT
CLASSES = torch.tensor([2.0, -1.0, 0.5, 3.0])  # f of each class
logits = torch.tensor([0.5, -0.4, 0.1, 1.0], requires_grad=True)
pi = torch.softmax(logits, 0)
(by_sum,) = torch.autograd.grad((pi * CLASSES).sum(), logits)
pi = pi.detach()
oracle = pi * (CLASSES - pi @ CLASSES)
print("exact gradient for the logits", by_sum.numpy().round(4))
assert torch.allclose(by_sum, oracle, rtol=1e-12)

# %% [markdown]
# A sum has no variance: where you can sum, sum. But 200 binary units have $2^{200}$ states. Then the score function
# works as before. **Before you run the cell:** which of the two baselines wins at $K = 3$?


# %%
def pick(z):
    return CLASSES[z]


with seeded(13):
    for name, baseline in (("none", None), ("leave-one-out", leave_one_out)):
        (samples,) = gradient_samples(
            lambda logits, b=baseline: score_function(pick, Categorical(logits=logits), 3, b), (logits,), 100_000
        )
        error = samples.std(0) / 100_000**0.5
        print(f"{name:>13}: mean {samples.mean(0).numpy().round(3)}, total variance {samples.var(0).sum():.3f}")
        assert ((samples.mean(0) - oracle).abs() < 5 * error).all()

# %%
# NBVAL_CHECK_OUTPUT
class_score = torch.eye(4) - pi  # d log pi_c / d logits, a row a class
power, spread = class_score.square().sum(1), CLASSES - pi @ CLASSES
gain = pi @ ((CLASSES**2 - spread**2) * power)
price = (pi @ spread**2) * (pi @ power) + oracle.square().sum()
print(f"break-even at K = {1 + price / gain:.4f}")

# %% [markdown]
# Leave-one-out, by a little: the four values spread about as far as their mean lies from zero, and three draws are few.
# With two it would lose: the break-even of this problem is $K = 2.4$.
#
# ### A categorical draw as a maximum
#
# Add independent Gumbel noise to the logits, $g_c = -\log(-\log u_c)$, and take the largest:
# $\arg\max_c\,(\text{logit}_c + g_c)$ has exactly the categorical distribution. That *is* a reparameterisation, with
# the noise outside, but the arg max jumps. So soften it:
#
# $$y = \mathrm{softmax}\Big(\frac{\text{logits} + g}{\tau}\Big), \qquad \tau > 0$$
#
# This is the **Gumbel-softmax** (or concrete) distribution. Its draws lie inside the simplex, and $f$ must accept
# them there.

# %%
fig, axes = plots.figure(1, 4, size=(11, 3.2), sharey=True)
for ax, temperature in zip(axes, (0.1, 0.5, 1.0, 5.0), strict=True):
    with seeded(14):  # the same noise at each temperature
        y = gumbel_softmax(logits.detach(), K=12, temperature=temperature)
    image = ax.imshow(y, vmin=0, vmax=1, aspect="auto")
    ax.set(xlabel="class", title=f"τ = {temperature}", xticks=range(4), yticks=[])
axes[0].set_ylabel("twelve draws")
fig.colorbar(image, ax=axes, label="y")
plots.show(
    fig,
    alt="Relaxed draws over four classes at four temperatures: nearly one-hot when cold, nearly uniform when hot.",
)

# %%
with seeded(15):
    hard = gumbel_softmax(logits.detach(), K=100_000, temperature=0.5, straight_through=True)
error = (pi * (1 - pi) / 100_000).sqrt()
print("shares of the arg max", hard.mean(0).numpy().round(4), " softmax", pi.numpy().round(4))
assert ((hard.mean(0) - pi).abs() < 5 * error).all()

# %% [markdown]
# ### Straight through
#
# Two estimators keep the draws exact and only *pretend* in the backward pass. **Straight-through Gumbel-softmax**:
# the value is the arg max, the gradient that of the soft $y$. **Straight-through**: the value is a draw of $q$, the
# gradient that of its mean, as if $\partial z/\partial\pi = 1$.
#
# None of the three is unbiased. How wrong are they? Take one binary $z$ with
# $\theta = P(z = 1) = \mathrm{sigmoid}(\varphi)$, and $f(z) = (z - t)^2$:
#
# $$\text{truth } (1 - 2t)\,\theta(1-\theta), \qquad \text{straight-through } 2(\theta - t)\,\theta(1-\theta)$$

# %%
PHI = 0.6
theta = special.expit(PHI)


def square(t):
    return lambda z: (z - t) ** 2


def truth(t):
    return (1 - 2 * t) * theta * (1 - theta)


# %%
with seeded(16):
    (samples,) = gradient_samples(
        lambda phi: square(0.9)(straight_through(Bernoulli(logits=phi), 1)).mean(0), (torch.tensor(PHI),), 200_000
    )
closed, error = 2 * (theta - 0.9) * theta * (1 - theta), samples.std() / 200_000**0.5
print(f"straight-through {samples.mean():.4f} ± {error:.4f}, closed form {closed:.4f}, truth {truth(0.9):.4f}")
assert abs(samples.mean() - closed) < 5 * error

# %% [markdown]
# The oracle for the other two: with two classes, the difference of two Gumbels is logistic, so
# $y_1 = \mathrm{sigmoid}((\varphi + \ell)/\tau)$, and the mean of the gradient is one integral over the logistic
# noise $\ell$. We integrate by the midpoint rule.

# %%
STEP = 0.002
NOISE = -PHI + STEP * (np.arange(-20_000, 20_000) + 0.5)  # midpoints; the arg max jumps between two of them
DENSITY = STEP * stats.logistic.pdf(NOISE)


def exact(temperature, t, hard=False):
    """Mean and variance of one relaxed gradient for phi, by quadrature."""
    y = special.expit((PHI + NOISE) / temperature)
    z = (PHI + NOISE > 0) if hard else y
    gradient = 2 * (z - t) * y * (1 - y) / temperature
    return DENSITY @ gradient, DENSITY @ gradient**2 - (DENSITY @ gradient) ** 2


def relaxed(temperature, t, hard=False):
    def surrogate(phi):
        two = torch.stack([torch.zeros_like(phi), phi], -1)  # logits of z = 0 and z = 1
        return square(t)(gumbel_softmax(two, 1, temperature, hard)[..., 1]).mean(0)

    return surrogate


# %% [markdown]
# **Before you look:** colder is closer to a true categorical. What does it do to the bias, and what to the variance?

# %%
MEASURED = (0.1, 0.25, 0.5, 1.0, 2.0)
cooled = {}
for hard in (False, True):
    for tau in MEASURED:
        with seeded(17):
            (samples,) = gradient_samples(relaxed(tau, 0.9, hard), (torch.tensor(PHI),), 200_000)
        mean, var = exact(tau, 0.9, hard)
        cooled[hard, tau] = samples.mean(), samples.var()
        assert abs(samples.mean() - mean) < 5 * samples.std() / 200_000**0.5
        assert abs(samples.var() / var - 1) < 5 * ((samples - mean) ** 2 / var).std() / 200_000**0.5

# %%
TAU = np.geomspace(0.05, 4, 60)
fig, (left, right) = plots.figure(1, 2, size=(12, 4.6))
for hard, dash, marker, name in (
    (False, "C0-", "C0o", "Gumbel-softmax"),
    (True, "C1--", "C1s", "its straight-through"),
):
    mean, var = np.transpose([exact(tau, 0.9, hard) for tau in TAU])
    left.semilogx(TAU, mean - truth(0.9), dash, label=name)
    right.loglog(TAU, var, dash, label=name)
    for tau in MEASURED:
        left.plot(tau, cooled[hard, tau][0] - truth(0.9), marker)
        right.plot(tau, cooled[hard, tau][1], marker)
no_law = [exact(tau, 0.45)[0] - truth(0.45) for tau in TAU]
left.semilogx(TAU, no_law, ":", color=plots.GREEN, label="another f: (z - 0.45)²")
left.axhline(closed - truth(0.9), color=plots.RED, ls="-.", label="straight-through")
left.axhline(0, color=plots.BLACK, lw=1)
left.set(xlabel="temperature τ", ylabel="bias of the gradient", title="lines: quadrature, marks: measured")
right.set(xlabel="temperature τ", ylabel="variance, one draw")
left.legend(fontsize=11)
plots.show(
    fig,
    alt="Left, bias falls to zero as it cools, except one curve that changes sign first; right, variance grows.",
)

# %%
# NBVAL_CHECK_OUTPUT
for tau in (2.0, 1.0, 0.5, 0.25, 0.1):
    (mean, var), (other, _) = exact(tau, 0.9), exact(tau, 0.45)
    bias, other_bias = mean - truth(0.9), other - truth(0.45)
    print(f"τ = {tau:4}: bias {bias:.4f}, variance {var:.4f}; with t = 0.45: bias {other_bias:+.4f}")

# %% [markdown]
# Colder means less bias and more variance: here $\tau$ is a dial between two errors. As $\tau \to 0$ the bias goes to
# zero for every smooth $f$, but **not always downhill**: for $(z - 0.45)^2$ it passes through zero near $\tau = 2$,
# by luck, and is largest near $\tau = 0.5$. A warmer relaxation that happens to be unbiased on one $f$ proves nothing
# about the next.
#
# Which error matters depends on how many draws you average. The mean squared error of $K$ draws is
# $\text{bias}^2 + \text{variance}/K$:

# %%
f_0, f_1 = square(0.9)(0), square(0.9)(1)
two_outcomes = theta * (f_1 * (1 - theta)) ** 2 + (1 - theta) * (f_0 * theta) ** 2
one_draw = two_outcomes - truth(0.9) ** 2  # exact variance of the score function
mean, var = np.transpose([exact(tau, 0.9) for tau in TAU])
fig, ax = plots.figure()
for K, colour, dash in ((1, plots.BLUE, "-"), (10, plots.ORANGE, "--"), (1000, plots.GREEN, "-.")):
    rmse = np.sqrt((mean - truth(0.9)) ** 2 + var / K)
    ax.loglog(TAU, rmse, dash, color=colour, label=f"Gumbel-softmax, K = {K}")
    ax.plot(TAU[rmse.argmin()], rmse.min(), "o", color=colour, ms=10)
    ax.plot(TAU[[0, -1]], [math.sqrt(one_draw / K)] * 2, ":", color=colour, lw=1.8)
ax.set(
    xlabel="temperature τ", ylabel="root mean squared error", title="dotted: score function without baseline, same K"
)
ax.legend(fontsize=11)
plots.show(
    fig,
    alt="Error against temperature: the best one falls as K grows; at K = 1000 the score function is better.",
)

# %% [markdown]
# With one draw the relaxation wins wherever it is not very cold. With a thousand, its bias is nearly all that is left,
# and the unbiased estimator wins at every temperature, even without a baseline. The best temperature (dots) falls as
# $K$ grows.

# %%
error_of = {K: np.sqrt((mean - truth(0.9)) ** 2 + var / K) for K in (1, 1000)}
assert (error_of[1][TAU > 0.4] < math.sqrt(one_draw)).all()
assert (error_of[1000] > math.sqrt(one_draw / 1000)).all()

# %% [markdown]
# One last surprise. With the optimal baseline, $b^* = (1-\theta) f(1) + \theta f(0)$, a binary $z$ has *no variance
# at all*: each draw gives the exact gradient.

# %%
b_star = (1 - theta) * f_1 + theta * f_0
with seeded(18):
    (samples,) = gradient_samples(
        lambda phi: score_function(square(0.9), Bernoulli(logits=phi), 1, b_star), (torch.tensor(PHI),), 1000
    )
print(f"1000 gradients between {samples.min():.6f} and {samples.max():.6f}, truth {truth(0.9):.6f}")
assert (samples - truth(0.9)).abs().max() < 1e-12

# %% [markdown]
# No magic: $b^*$ needs $f(0)$ *and* $f(1)$, and who has both can sum.
#
# ## Which one?
#
# | $z$ | $f$ | take | because |
# |---|---|---|---|
# | continuous | smooth | reparameterisation | it uses the slope; on sums over coordinates its variance does not grow with the dimension |
# | continuous | counts, compares, a black box | score function, leave-one-out | no slope is needed |
# | continuous, $q$ a mixture | any | score function, or sum over components, each reparameterised | a choice jumps |
# | discrete, few states | any | the sum | no variance |
# | discrete, many states | accepts only real states | score function, leave-one-out | unbiased |
# | discrete, many states | smooth between states | Gumbel-softmax, and say so | low variance, some bias |

# %% [markdown]
# ## Lecture demo
#
# Left, estimates of one gradient around the true value; right, how their variance grows with the dimension $D$.
#
# <details><summary>Speaker note</summary>
#
# 1. At $D = 1$, switch between reparameterised and score function: same centre, other width; not dramatic. Ask the room what $D = 64$ does to each, then
#    drag $D$. The blue histogram does not move, the red one leaves the screen.
# 2. Stay at $D = 64$, switch to leave-one-out: the square has become a line, and nobody tuned anything.
# 3. Drag $K$ from 2 to 64: green falls onto orange, since the price of the estimated baseline goes as $1/K^2$, and both stay parallel below red. Ask how
#    many samples red would need to catch up with blue at $D = 64$: the ratio of the lines, several thousand.
#
# </details>

# %%
widgets.key_frame(
    GradientExplorer(),
    alt="Score-function estimates around the true line, and variance against dimension for four estimators.",
    K=4, D=8, kind="score function",
)  # fmt: skip

# %%
widgets.explore(
    GradientExplorer(),
    K=widgets.slider(2, 64, 4, label="samples K"),
    D=widgets.slider(1, 64, 8, label="dimension D"),
    kind=widgets.choice(KINDS, "score function", label="estimator"),
)

# %%
# NBVAL_CHECK_OUTPUT
worth = variance("score function", 64, 1) / variance("reparameterised", 64, 1)
print(f"at D = 64 one reparameterised draw is worth {worth:.0f} draws of the score function")

# %% [markdown]
# ## Summary
#
# - A draw carries no gradient. Differentiate its probability (score function) or the map that made it
#   (reparameterisation).
# - A surrogate loss lets autograd do either; $f$'s own dependence on $\gamma$ is a term of its own. Policy gradients
#   are the first kind.
# - On a sum over coordinates the score function's variance grows as $D^2$, with a baseline as $D$, reparameterised not at all. On
#   fast waves and jumps the order turns round.
# - A baseline must not know its own draw. Leave-one-out keeps the mean exact, and pays from a break-even $K$ on wherever $\mathbb E f$ is a useful baseline.
# - For discrete $z$: sum if you can, score function if you must be right, Gumbel-softmax if you can bear a bias.
#
# **To read** Mohamed, Rosca, Figurnov and Mnih 2020, *Monte Carlo gradient estimation in machine learning*; Williams
# 1992 (REINFORCE); Kingma and Welling 2014; Jang, Gu and Poole 2017 and Maddison, Mnih and Teh 2017 (Gumbel-softmax,
# concrete); Kool, van Hoof and Welling 2019 (leave-one-out).
#
# **The next question** Now the ELBO of a deep model has a gradient that you can afford. What does a net learn with
# it? That is notebook 08.
