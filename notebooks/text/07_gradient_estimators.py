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
# - differentiate an expectation whose distribution depends on the parameter, in two ways, with their conditions;
# - write either as a *surrogate loss* for autograd to differentiate;
# - predict the variance of both on a problem with a closed form, and measure it on one without;
# - lower the variance by baselines and control variates, and know what they cost;
# - send a gradient through a discrete $z$, and say what bias you accepted;
# - climb the ELBO of notebook 06's machine by draws alone, and judge the estimators by what they teach.
#
# **Time** core 45 minutes, all of it 100; the cells run in about 40 seconds on a laptop. **Prerequisites** notebook 01
# (Monte Carlo, standard errors), notebook 05 (the ELBO), notebook 06 (the running example).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $z$ | `z` | $K \times \dots$ | latent variable, samples first |
# | $\gamma = (m, s)$ | `m, s` | | inference parameters: here mean and standard deviation of $q$ |
# | $q_\gamma(z)$ | `q` | | the distribution we draw from |
# | $f(z)$ | `f` | $K$ | what is averaged, one value per draw |
# | $\nabla_\gamma \log q_\gamma(z)$ | `score` | $K$ | the score |
# | $b$ | `b`, `baseline` | | baseline, in the units of $f$ |
# | $K, D, C$ | `K, D, C` | | samples, dimension, classes |
# | $\tau$ | `temperature` | | of the Gumbel-softmax |

# %%
import math
from functools import partial

import numpy as np
import torch
from scipy import special, stats
from torch.distributions import Bernoulli, Categorical, Gamma, MixtureSameFamily, Normal, Uniform

from lvmteach.classroom.explorables import explore
from lvmteach.classroom.explorables.gradient_explorer import DIMENSIONS, KINDS, estimator, variance
from lvmteach.classroom.explorables.predict import predict
from lvmteach.classroom.figures import plots, running_example
from lvmteach.classroom.figures.diagram import block, given, graph, latent
from lvmteach.gradients import (
    PerParameter,
    gradient_samples,
    gumbel_softmax,
    implicit,
    leave_one_out,
    optimal_baseline,
    reparameterised,
    score_function,
)
from lvmteach.helmholtz import bars, climb, exact, gumbel_elbo, machine, score_elbo
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
# We draw from $q$, average $f$, and ask autograd for the gradient.

# %%
guess = predict("What does autograd say?", ["the right gradient, with noise", "zero", "that there is no gradient"])

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
guess.discuss(
    {
        "the right gradient, with noise": "It would need to know how the draws change with m. `sample` does not tell it.",
        "zero": "Nearly: a draw is a constant, so its derivative is zero. But torch does not even keep a graph here.",
        "that there is no gradient": "A draw is a number. That another m would have drawn another one is lost.",
    },
    right="that there is no gradient",
)

# %% [markdown]
# So the average is right and its gradient is lost. There are two ways out. One differentiates the *probability* of the draw,
# the other the *draw* itself.

# %%
fig, axes = plots.figure(1, 2, size=(11, 2.6))
graph(
    {"γ": given(0, 0), "z": latent(1.5, 0), "f(z)": block(3, 0)}, ["γ -> z", "z -> f(z)"],
    title="z is drawn: the gradient stops at z", ax=axes[0],
)  # fmt: skip
graph(
    {"m": given(0, 0.6), "s": given(0, -0.2), "ε": latent(0, -1.1), "z = m + s ε": block(2, -0.2, width=1.7), "f(z)": block(4, -0.2)},
    ["m -> z = m + s ε", "s -> z = m + s ε", "ε -> z = m + s ε", "z = m + s ε -> f(z)"],
    title="z is computed: two paths lead back", ax=axes[1],
)  # fmt: skip
plots.show(fig, alt="Left: gamma, then a drawn z, then f. Right: m, s and noise enter z = m + s eps, then f.")

# %% [markdown]
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
# *Conditions.* The first step, the gradient moved inside, needs a **support that does not move** with $\gamma$, and
# **domination**: near $\gamma$, $|f\, \nabla q_\gamma|$ stays below one integrable function. A Gaussian and an $f$ of polynomial
# growth are safe.
#
# The oracle is Gauss-Hermite quadrature: with 20 nodes it integrates polynomials up to degree 39 under a Gaussian
# exactly.

# %% tags=["nbval-check-output"]
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
# baselines rest on it.
#
# And where the support moves? Let $q$ be uniform on $(0, \gamma)$ and $f(z) = z$. Then $\mathbb E f = \gamma / 2$, so the gradient
# is $\frac12$. The score is $-1/\gamma$ everywhere, and $\mathbb E[f\, \mathrm{score}] = -\frac12$: the identity leaves out what the
# moving edge contributes, and even gets the sign wrong. The library refuses.

# %%
edge = torch.tensor(2.0, requires_grad=True)
try:
    score_function(lambda z: z, Uniform(0.0, edge), K=10)
except ValueError as error:
    print(error)

# %% [markdown]
# ## As a loss
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
# The last bracket is zero, and its gradient is the score. The first $f(z_k)$ gives the value, and one thing more: where **$f$
# itself depends on $\gamma$**, as in the ELBO, its own gradient $\nabla_\gamma f_\gamma(z)$ belongs in the sum.

# %% tags=["check"]
with seeded(2):
    value = score_function(f, Normal(m, s), K=100_000)
from_library = torch.autograd.grad(value, (m, s))
print(f"value {value:.3f} (E f = 1.640), gradient {from_library[0]:.3f}, {from_library[1]:.3f}")
assert torch.allclose(torch.stack(by_hand), torch.stack(from_library), rtol=1e-9)  # the same draws, the same sum

# %% [markdown]
# ## Way two: differentiate the draw
#
# Write the draw as a function of noise that has no parameters. For the Gaussian
#
# $$z = h(\varepsilon; m, s) = m + s\,\varepsilon, \quad \varepsilon \sim \mathcal N(0, 1), \qquad
# \nabla_\gamma \mathbb E_{q_\gamma}[f(z)]
# = \mathbb E_\varepsilon\big[f'(h(\varepsilon))\, \nabla_\gamma h(\varepsilon; \gamma)\big]$$
#
# The expectation no longer depends on $\gamma$, so the gradient may go inside. There are **two paths** in the diagram above:
# $\partial z / \partial m = 1$ and $\partial z / \partial s = \varepsilon$.
#
# *Conditions.* $z$ must be continuous, $h$ differentiable in $\gamma$, and $h(\varepsilon)$ must have density $q_\gamma$. $f$ must have no
# jumps (continuous and piecewise smooth is enough), and $|f' \nabla h|$ must be dominated as above.

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
# ## What happens at a jump
#
# Let $f$ count: $f(z) = z + \mathbb 1[z > 1]$, with $q = \mathcal N(m, 1)$ and $m = 0$. Almost everywhere its slope is 1. Since
# $\mathbb E f = m + P(z > 1)$, the gradient is $1 + q(1)$, with $q(1)$ the density at the jump.

# %%
guess = predict(
    "Reparameterisation on this f: what happens?",
    ["it is right, with more noise", "it gives 1.000, and nobody complains", "the library refuses"],
)


# %%
def with_a_jump(z):
    return z + (z > 1)


origin = torch.tensor(0.0)
with seeded(12):
    (path,) = gradient_samples(lambda m: reparameterised(with_a_jump, Normal(m, 1.0), 1), (origin,), 200_000)
    (values,) = gradient_samples(lambda m: score_function(with_a_jump, Normal(m, 1.0), 1), (origin,), 200_000)
for name, samples in (("reparameterised", path), ("score function", values)):
    print(f"{name:16} {samples.mean():.3f} ± {samples.std() / 200_000**0.5:.3f}, truth {1 + stats.norm.pdf(1):.3f}")
guess.discuss(
    {
        "it is right, with more noise": "No draw sits on the jump, so no draw knows of it: more draws do not help.",
        "it gives 1.000, and nobody complains": "Each draw sees the slope 1. The spread is zero, so the error bar is zero "
        "too: it is wrong and sure of itself.",
        "the library refuses": "It can refuse where the value carries no gradient at all, as for a bare count. Here it "
        "carries one, the wrong one, and no program can tell.",
    },
    right="it gives 1.000, and nobody complains",
)

# %% tags=["check"]
assert path.std() == 0
assert abs(values.mean() - 1 - stats.norm.pdf(1)) < 5 * values.std() / 200_000**0.5  # five standard errors

# %% [markdown]
# So before you trust a path, compare it once with the score function, on your own $f$: no error message will warn you.

# %% [markdown]
# ## Both are right. How noisy are they?
#
# Both estimates have the right mean, so the variance decides. With $d = m - t$, one draw has
#
# | | $\partial/\partial m$ | $\partial/\partial s$ |
# |---|---|---|
# | truth | $2d$ | $2s$ |
# | variance, reparameterised | $4s^2$ | $4d^2 + 8s^2$ |
# | variance, score function | $d^4/s^2 + 14 d^2 + 15 s^2$ | $2d^4/s^2 + 60 d^2 + 74 s^2$ |
#
# Each is a moment of a Gaussian. Derive one on paper; quadrature checks all four.

# %% tags=["check"]
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
# Ten times the variance for $m$, twelve times for $s$: one reparameterised draw is worth ten to twelve draws of the score
# function. Most of its draws say almost nothing, and a few say far too much. Reparameterisation knows the
# *slope* of $f$; the score function learns from *values* alone which side is better.

# %% tags=["nbval-check-output"]
for parameter in "ms":
    ratio = VARIANCE["score", parameter] / VARIANCE["reparameterised", parameter]
    print(f"d/d{parameter}: variances differ by a factor of {ratio:.4f}")

# %% [markdown]
# ## And in many dimensions?
#
# Let $f(z) = \sum_{i=1}^D (z_i - t)^2$. The slope of $f$ along $z_1$ does not depend on the other coordinates. The value
# of $f$ does, and the others' contribution is noise for $\partial/\partial m_1$. For the score function the variance becomes
#
# $$D^2\, \frac{(d^2 + s^2)^2}{s^2} + D\,(8d^2 + 6s^2) + 4d^2 + 8s^2$$
#
# What are the slopes of the lines on a log-log plot?

# %%
LOOKS_OF_KINDS = dict(
    zip(KINDS, ((plots.BLUE, "-"), (plots.RED, "--"), (plots.ORANGE, "-."), (plots.GREEN, ":")), strict=True)
)
guess = predict(
    "How do the variances grow with the dimension D?",
    ["both as D", "score function as D², reparameterised as D", "score function as D², reparameterised not at all"],
)

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
    colour, dash = LOOKS_OF_KINDS[kind]
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
guess.discuss(
    {
        "both as D": "One coordinate's slope does not see the other coordinates.",
        "score function as D², reparameterised as D": "f's slope along z₁ contains its own term alone: no growth.",
        "score function as D², reparameterised not at all": "f is a sum of D terms that all multiply one score: its square "
        "grows as D². The slope sees one term. The two lines between are the score function with a baseline.",
    },
    right="score function as D², reparameterised not at all",
)

# %% [markdown]
# Try it: change $K$, $D$ and the estimator.

# %%
spread = explore("gradient_explorer", K=4, D=64, kind="score function")

# %% tags=["check"]
for kind in KINDS:
    for D, gradients in zip(DIMENSIONS, measured[kind], strict=True):
        share = (gradients - 2.0).square().mean(1) / variance(
            kind, D, K
        )  # one number a draw: coordinates are correlated
        assert abs(share.mean() - 1) < 5 * share.std() / len(share) ** 0.5
    growth = variance(kind, 64.0, K) / variance(kind, 32.0, K)
    print(f"{kind}: from D = 32 to 64 the variance grows {growth:.2f}-fold")

# %% [markdown]
# ## Baselines
#
# The score has mean zero, so a constant times the score has mean zero too, and may be subtracted:
#
# $$\mathbb E\big[(f(z) - b)\,\nabla \log q(z)\big] = \mathbb E\big[f(z)\,\nabla \log q(z)\big] - b \cdot 0$$
#
# The variance is a parabola in $b$. Its minimum is the **optimal baseline**, one for each parameter $j$:
#
# $$b_j^* = \frac{\mathbb E[f\, \mathrm{score}_j^2]}{\mathbb E[\mathrm{score}_j^2]},
# \qquad\text{here } b_m^* = d^2 + 3s^2,\quad b_s^* = d^2 + 5s^2$$
#
# The natural guess is $b = \mathbb E f = d^2 + s^2$, the average. It is not the minimum.


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

# %% tags=["nbval-check-output"]
closed = {"m": (8 * d**2 + 10 * sd**2, 8 * d**2 + 6 * sd**2), "s": (None, 40 * d**2 + 24 * sd**2)}
for name in "ms":
    average, optimum = with_baseline(name, d**2 + sd**2), with_baseline(name, b_star[name])
    print(f"d/d{name}: none {with_baseline(name, 0.0):.4f}, b = E f {average:.4f}, optimal {optimum:.4f}")
    assert math.isclose(optimum, closed[name][1], rel_tol=1e-12)
assert math.isclose(with_baseline("m", d**2 + sd**2), closed["m"][0], rel_tol=1e-12)

# %% [markdown]
# The average does most of the work. The optimum asks for one baseline per parameter, and for expectations that you seldom have.
# But $K$ draws give you a baseline at no extra cost. For draw $k$ take the mean of $f$ over the *other* draws. It does not depend on
# $z_k$, so the mean of the estimate stays right:
#
# $$\hat g = \frac1K\sum_k \big(f_k - \bar f_{-k}\big)\,\mathrm{score}_k
# = \frac1{K-1} \sum_k (f_k - \bar f)\,\mathrm{score}_k$$
#
# This is **leave-one-out**, the *sample covariance* of $f$ and the score. A tempting shortcut is the mean over *all* $K$ draws,
# $\bar f$. Then the baseline depends on the draw it is subtracted from.

# %%
K = 2
with seeded(9):
    (samples,) = gradient_samples(lambda m: score_function(f, Normal(m, sd), K, lambda f_z: f_z.mean(0)), (m,), 100_000)
error = samples.std() / 100_000**0.5
print(f"mean {samples.mean():.3f} ± {error:.3f}; truth 2, and 2 (K - 1)/K = {2 * (K - 1) / K}")
assert abs(samples.mean() - 2 * (K - 1) / K) < 5 * error

# %% [markdown]
# The mean is too small by the factor $(K - 1)/K$: one half with two draws, 0.98 with 50, where you would hardly notice.

# %% [markdown]
# ## Discrete z
#
# Wake-sleep's units were coins. A binary or categorical $z$ has no slope, so reparameterisation is out, but another way is
# in: with $C$ classes, **sum**. For $\pi = \mathrm{softmax}(\text{logits})$ and values $f_c$ the exact gradient is
# $\pi_c\,(f_c - \mathbb E f)$. A sum has no variance: where you can sum, sum. But 200 binary units have $2^{200}$ states. Then the
# score function works as before, or the draw is softened.
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
simplex = explore("gumbel_simplex")

# %% tags=["check"]
three = torch.tensor([0.5, -0.4, 0.9])
with seeded(15):
    hard = gumbel_softmax(three, K=100_000, temperature=0.5, straight_through=True)
shares, pi = hard.mean(0), torch.softmax(three, 0)
print("shares of the arg max", shares.numpy().round(4), " softmax", pi.numpy().round(4))
assert ((shares - pi).abs() < 5 * (pi * (1 - pi) / 100_000).sqrt()).all()

# %% [markdown]
# Slide $\tau$. Colour is the class of the arg max: it does not change with $\tau$, and its shares are those of $\pi$ (the ring), up to chance. On the right, how $y_1$ changes
# with its own logit. Cold draws (small $\tau$) are nearly one-hot, but their softmax is steep: a few draws have a very large gradient and most almost none, so the variance grows.
# Hot draws are smooth, but far from the corners where $f$ will be used: the mean gradient is wrong. This **bias** is computed exactly under *Further*.
#
# ## The promise of notebook 06
#
# There the exact ELBO summed over 512 states. Now the same machine, the same bars, 160 000 draws for each learner, but the
# ELBO's gradient is *estimated*, for both nets, from $K = 5$ draws per image:
#
# $$\text{score function:}\quad \frac1K \sum_k (\log w_k - b_k)\, \nabla \log q(z_k \mid x) + \nabla \log w_k, \qquad
# \log w = \log p(x, z) - \log q(z \mid x)$$
#
# In code that is one line of a surrogate, `log_w + (log_w - b) * (log_q - log_q.detach())`. The alternative softens every coin
# (*Gumbel-softmax*; for two classes the noise is logistic), or softens it for the gradient alone (*straight through*). First, live: ten
# machines each, all at the same rate, 4.

# %%
data = bars(4, 0.2)


def learn(objective, steps=400, rate=4.0):
    """-log p(x), exactly, of ten machines, every 20 steps of 20 images at a constant rate."""
    seen = []
    with seeded(13):
        m = machine((16, 8, 1), copies=10, dtype=torch.float64)
        for i in range(steps):
            if i % 20 == 0:
                seen.append(-data.expect(exact(m, data.images).log_p))
            climb(m, partial(objective, x=data.sample(200).unflatten(0, (10, 20))), rate)
    return torch.stack(seen)


live = {
    "no baseline": learn(lambda m, x: score_elbo(m, x, 5, None)),
    "leave-one-out": learn(lambda m, x: score_elbo(m, x, 5)),
    "Gumbel-softmax, τ = 1": learn(lambda m, x: gumbel_elbo(m, x, 5, 1.0)),
}

# %%
fig, axes = plots.figure(1, 3, size=(12, 3.8), sharey=True)
for ax, (name, nll) in zip(axes, live.items(), strict=True):
    ax.plot(20 * np.arange(len(nll)), nll, lw=1.2)
    ax.axhline(data.entropy, color=plots.BLACK, ls=":")
    ax.set(title=name, xlabel="steps at rate 4", ylim=(2, 20))
axes[0].set_ylabel("-log p(x), nats (exact)")
plots.show(
    fig,
    alt="Without a baseline ten curves jump between 6 and 19 nats; with leave-one-out, and softened, they fall smoothly.",
)

# %% tags=["check"]
end = {name: nll[-5:].mean(0) for name, nll in live.items()}
assert end["no baseline"].median() > end["leave-one-out"].max()

# %% [markdown]
# The left panel is what variance does: the mean of the gradient is right, and yet at this rate the machines learn nothing. $\log w$ is some
# -10 nats for every draw, so each draw makes $q$ avoid the $z$ just drawn, good or bad. Subtracting the mean of the other four leaves what
# the draws *differ* by, and the machines learn at the same rate.
#
# One rate for all favours whom it suits. Now fairly: each at its best rate, ten fresh starts, equal draws (`python -m benchmarks.bars`).

# %%
print(running_example.table(stage=7))
plots.show(
    running_example.figure(stage=7, entropy=data.entropy),
    alt="Ten dots a row: no baseline lies almost a nat right of leave-one-out; Gumbel-softmax at 0.5 lies with the exact ELBO.",
)

# %% tags=["check"]
nll = {row.name: row.nll for row in running_example.rows(stage=7)}
none, one_out = nll["score function, K = 5"], nll["score function, leave-one-out, K = 5"]
assert none.mean() - one_out.mean() > 0.5  # nats; two intervals of the table apart
assert stats.ttest_ind(none, one_out, equal_var=False).pvalue < 0.001
assert 0 < one_out.mean() - nll["exact ELBO"].mean() < 0.6  # between the exact gradient and no baseline
assert nll["Gumbel-softmax, τ = 0.5, K = 5"].mean() < one_out.mean() - 0.2  # the biased gradient ends better

# %% [markdown]
# Three readings:
#
# - *Without a baseline* the best rate is the lowest tried, 0.5 (a lower one might do better), and the end is the worst of the table, 4.81.
# - *Leave-one-out* has a higher best rate, 2, and ends nearly a nat better, by one line of code that does not change the mean. It stays 0.4 nats
#   behind the exact gradient, which took 4000 steps where the draws paid for 1600: noise and fewer steps together.
# - *Softened coins* follow a biased gradient, and yet at $\tau = 0.5$ they end 0.4 nats better than leave-one-out, level with the exact
#   ELBO. A bias can cost less than the noise it avoids. But it has its price: at $\tau = 1$ the gap of $q$ is 0.8 nats. Nothing here says
#   that softening will pay for your model.

# %% [markdown]
# ## Which one?
#
# | $z$ | $f$ | take | because |
# |---|---|---|---|
# | continuous | smooth | reparameterisation | it uses the slope; for sums over coordinates its variance does not grow with the dimension |
# | continuous | counts, compares, a black box | score function, leave-one-out | no slope is needed |
# | continuous, $q$ a mixture | smooth | implicit reparameterisation in one dimension, else sum over components | a choice of component jumps |
# | discrete, few states | any | the sum | no variance |
# | discrete, many states | accepts only real states | score function, leave-one-out | unbiased |
# | discrete, many states | smooth between states | Gumbel-softmax, and say so | low variance, some bias |

# %% [markdown]
# ## Further: the same estimator, under another name
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
# Gaussian. Its marginal $\pi(a) = \sum_z \pi(z)\, \pi(a \mid z)$ can have two modes. The second
# can hold both good places. The Gaussian must choose.


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
STARTS = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
with seeded(3):
    ones = [improve(gaussian, m, 0.0) for m in STARTS]
    two_modes = improve(latent, [0.0, 0.0], [-0.5, 0.5], [0.0, 0.0])
one_mode = max(ones, key=exact_J)
for begin, policy in zip(STARTS, ones, strict=True):
    print(f"start {begin:4.1f}: ends at m = {policy.loc:5.2f}, s = {policy.scale:.2f}, J = {exact_J(policy):.3f}")

# %%
grid_m, grid_s = torch.meshgrid(torch.linspace(-3, 3, 121), torch.logspace(-0.8, 0.6, 71), indexing="ij")
a = GRID[::10]
log_pi = Normal(grid_m[..., None], grid_s[..., None]).log_prob(a)
landscape = torch.trapezoid(log_pi.exp() * (reward(a) - ALPHA * log_pi), a)  # J of every Gaussian, by quadrature
i = landscape.argmax()
print(f"the best Gaussian: m = {grid_m.flatten()[i]:.2f}, s = {grid_s.flatten()[i]:.2f}, J = {landscape.max():.3f}")
fig, ax = plots.figure()
levels = ax.contourf(grid_m, grid_s, landscape, levels=np.linspace(-0.4, 0.53, 25), extend="min")
for policy in ones:
    ax.plot(policy.loc, policy.scale, "o", color="white", mec=plots.BLACK, ms=9)
ax.set(xlabel="m", ylabel="s", yscale="log")
fig.colorbar(levels, label="J, by quadrature", ticks=[-0.4, -0.2, 0, 0.2, 0.4])
plots.show(
    fig,
    alt="J over m and s: two peaks at small s and a ridge between. White circles, where runs end, sit on more than one.",
)

# %%
fig, ax = plots.figure()
ax.fill_between(GRID, p_star, color=plots.GREY, alpha=0.35, label="best policy, p*")
for policy, look, name in ((one_mode, "C1--", "Gaussian"), (two_modes, "C0-", "with latent z")):
    ax.plot(GRID, policy.log_prob(GRID).exp(), look, label=f"{name}, J = {exact_J(policy):.3f}")
ax.set(xlabel="action a", ylabel="density of the policy", xlim=(-4, 4.5), ylim=(0, 1.9))
ax.set_title(f"the best possible J is {best:.3f}")
ax.legend(loc="upper left", ncols=2)
plots.show(fig, alt="The best policy has two peaks; the latent policy follows both, the Gaussian does not.")

# %%
for policy in (one_mode, two_modes):
    pi = policy.log_prob(GRID)
    gap = ALPHA * integral(pi.exp() * (pi - p_star.log()))  # alpha KL(pi || p*), by quadrature
    assert abs(best - exact_J(policy) - gap) < 1e-9
assert exact_J(one_mode) < exact_J(two_modes) < best
assert abs(exact_J(one_mode) - float(landscape.max())) < 0.01  # one of the starts finds the best Gaussian
print(f"missing to the best: Gaussian {best - exact_J(one_mode):.3f}, latent {best - exact_J(two_modes):.3f}")

# %% [markdown]
# Six starts end in three places: two narrow Gaussians, one on each good action, and a broad one over both. The best is narrow, at
# $m = 1.86$: $\mathrm{KL}(\pi \,\|\, p^*)$ is *mode-seeking* again, as in notebook 05. Where a run ends depends on its start: a single run from $0$ would
# have reported the broad one. The best Gaussian stays 0.15 below the best possible $J$, the policy with the latent variable 0.02.
#
# ## Further: which q have a path
#
# *Location-scale* families (Normal, Laplace, logistic, Student's t) have the path $z = m + s\varepsilon$. A quantile function gives a path
# to any continuous $q$ in one dimension. For the exponential distribution of rate $\lambda$, $z = -\log(1 - u)/\lambda$, so
# $\partial z/\partial\lambda = -z/\lambda$. With $f(z) = z$ the truth is $\nabla_\lambda\, 1/\lambda = -1/\lambda^2$.

# %%
rate = torch.tensor(2.0)
with seeded(5):
    z = -torch.log1p(-torch.rand(100_000)) / rate
paths = -z / rate
print(f"{paths.mean():.4f} ± {paths.std() / 100_000**0.5:.4f}, truth {-1 / rate**2:.4f}")
assert abs(paths.mean() + 1 / rate**2) < 5 * paths.std() / 100_000**0.5  # five standard errors

# %% [markdown]
# This leaves out Gamma, Beta, Dirichlet, von Mises and mixtures. Their quantile functions have no formula. But a path does
# not need one. Hold $u = F_\gamma(z)$ fixed and differentiate both sides:
#
# $$0 = \frac{\partial F}{\partial \gamma} + q_\gamma(z)\, \frac{dz}{d\gamma} \quad\Rightarrow\quad
# \frac{dz}{d\gamma} = -\frac{\partial F_\gamma(z) / \partial \gamma}{q_\gamma(z)}$$
#
# This is **implicit reparameterisation**. Only the distribution function is needed, and a mixture's is the mixture of its parts'.
# Here it gives the gradient of $\mathbb E[\sin z]$ for all parameters of a mixture, its weights included; the oracle is the
# trapezoidal rule. For a Gamma, torch does the same inside `rsample`: with $f = \log z$ the truth is the trigamma function.


# %%
def mixture(logits, m, s):
    return MixtureSameFamily(Categorical(logits=logits), Normal(m, s))


params = torch.tensor([0.3, -0.3]), torch.tensor([-1.0, 1.5]), torch.tensor([0.8, 1.1])
leaves = tuple(p.clone().requires_grad_() for p in params)
truths = torch.autograd.grad(torch.trapezoid(mixture(*leaves).log_prob(GRID).exp() * torch.sin(GRID), GRID), leaves)
with seeded(19):
    found = gradient_samples(lambda *p: torch.sin(implicit(mixture(*p), 1)).mean(0), params, 100_000)
for name, samples, exactly in zip(("logits", "means", "scales"), found, truths, strict=True):
    error = samples.std(0) / 100_000**0.5
    print(f"{name:6} {samples.mean(0).numpy().round(3)} ± {error.numpy().round(3)}, truth {exactly.numpy().round(3)}")
    assert ((samples.mean(0) - exactly).abs() < 5 * error).all()

# %%
with seeded(20):
    (samples,) = gradient_samples(lambda a: Gamma(a, 1.0).rsample((1,)).log().mean(0), (torch.tensor(2.5),), 100_000)
error, trigamma = samples.std() / 100_000**0.5, float(special.polygamma(1, 2.5))
print(f"Gamma's shape: {samples.mean():.4f} ± {error:.4f}, trigamma(2.5) = {trigamma:.4f}")
assert abs(samples.mean() - trigamma) < 5 * error

# %% [markdown]
# What cannot be reparameterised this way is a mixture drawn *component first*: which component a draw comes from is a jump.
# The library says so.

# %%
try:
    reparameterised(reward, two_modes, K=10)
except ValueError as error:
    print(error)

# %% [markdown]
# ## Further: the optimal baseline, and when leave-one-out pays
#
# `optimal_baseline` estimates $b^*_j$ from draws of their own. `PerParameter` passes on one baseline per parameter.

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
# The variance of leave-one-out is known for any $f$:
#
# $$\mathbb V[\hat g] = \frac{\mathbb V[(f - \mathbb E f)\,\mathrm{score}]}{K}
# + \frac{\mathbb V[f]\,\mathbb V[\mathrm{score}] + (\mathbb E[f\,\mathrm{score}])^2}{K(K-1)}$$
#
# The first term is the variance with the baseline $\mathbb E f$; the second is the *price* of estimating it. Call *gain* what the baseline
# $\mathbb E f$ takes off the variance of one draw. If it is positive, leave-one-out pays once $K - 1$ exceeds *price / gain* (the price without
# its $K(K-1)$). If it is not, leave-one-out never pays.


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
        one_out = partial(score_function, f, K=K, baseline=leave_one_out)
        (samples,) = gradient_samples(lambda m, g=one_out: g(Normal(m, sd)), (m,), 100_000)
    check(samples, TRUTH["m"], left)

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
# On the first four it never loses. It helps most where $f$ is a large constant plus a small signal, as $\mathrm{sigmoid}(3z)$ and
# $(z+4)^2$ are here. It hurts where $\mathbb E f$ is close to zero already, as for the cosine: there is nothing to subtract, and the
# noise of the estimated baseline costs a factor $K/(K-1)$, 11 % at $K = 10$.

# %% tags=["check"]
none, left = left_out(np.cos(5 * (1.5 + sd * SMOOTH)), SMOOTH / sd, 10, HERMITE)
for K in (2, 100, 10**6):
    without, with_it = left_out(np.cos(5 * (1.5 + sd * SMOOTH)), SMOOTH / sd, K, HERMITE)
    assert with_it > without  # at no K
assert abs(left / none - 10 / 9) < 0.01  # not quite: E f is e^{-8} times a cosine, and E[f score] as small

# %% [markdown]
# ## Further: control variates
#
# A baseline subtracts a constant. Subtract more: a function $c(z)$ that resembles $f$ and whose expectation you know
# as a formula.
#
# $$\nabla_\gamma \mathbb E[f] = \underbrace{\nabla_\gamma \mathbb E[f - c]}_{\text{score function}}
# + \underbrace{\nabla_\gamma \mathbb E[c]}_{\text{closed form}}$$
#
# Near $m_0$, the current mean, $f$ is close to its tangent, $c(z) = f(m_0) + f'(m_0)(z - m_0)$, and
# $\mathbb E[c] = f(m_0) + f'(m_0)(m - m_0)$. For our $f$ that leaves $(z - m)^2$. So
# the variance should no longer depend on $d$.


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
# reparameterisation, which uses the slope as the tangent does. With a parabola for $c$ nothing would be left to sample.
#
# ## Further: where reparameterisation loses
#
# Slopes help as long as they tell where $f$ goes. Let $f$ be a fast wave, $f(z) = \cos(kz)$ (a sine is the same wave,
# shifted): values within $\pm1$,
# slopes up to $k$. One draw has
#
# $$\mathbb V_\text{reparam} = \tfrac{k^2}{2}\big(1 - \cos(2km)\,e^{-2k^2s^2}\big) - g^2, \qquad
# \mathbb V_\text{score} = \tfrac1{2s^2}\big(1 + (1 - 4k^2s^2)\cos(2km)\,e^{-2k^2s^2}\big) - g^2$$
#
# with $g = -k \sin(km)\, e^{-k^2s^2/2}$ the truth. The first grows as $k^2$, the second stays bounded.

# %%
S_WAVE, M_WAVE = 1.3, 0.6


def wave_variances(k):
    damped = np.cos(2 * k * M_WAVE) * np.exp(-2 * (k * S_WAVE) ** 2)
    truth = -k * np.sin(k * M_WAVE) * np.exp(-((k * S_WAVE) ** 2) / 2)
    path = k**2 / 2 * (1 - damped) - truth**2
    values = (1 + (1 - 4 * (k * S_WAVE) ** 2) * damped) / (2 * S_WAVE**2) - truth**2
    return truth, path, values


def one_wave(verb, k, m):
    return verb(lambda z: torch.cos(k * z), Normal(m, S_WAVE), 1)


with seeded(11):
    for k in (0.5, 2.3):
        truth, *closed = wave_variances(k)
        for verb, var in zip((reparameterised, score_function), closed, strict=True):
            print(f"{verb.__name__}, k = {k}")
            check(gradient_samples(partial(one_wave, verb, k), (torch.tensor(M_WAVE),), 200_000)[0], truth, var)

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

# %% tags=["nbval-check-output"]
truth, path, values = wave_variances(2.3)
print(f"k = 2.3: reparameterised {path:.3f}, score function {values:.3f}, true gradient {truth:.4f}")
crossing = k_grid[np.argmax(wave_variances(k_grid)[1] > wave_variances(k_grid)[2])]
print(f"they cross near k s = {crossing * S_WAVE:.1f}")
assert abs(path - 2.3**2 / 2) < 1e-3  # far beyond the crossing k^2 / 2 and 1 / 2 s^2, but for the squared gradient
assert abs(values - 1 / (2 * S_WAVE**2)) < 1e-3

# %% [markdown]
# At $k = 2.3$ the score function has a ninth of the variance. But look at the dotted line: where $q$ spans several waves,
# $\mathbb E f$ hardly depends on $m$, and *both* estimates are noise around a gradient of almost zero.

# %% [markdown]
# ## Further: many classes by the score function
#
# Four classes and three draws: leave-one-out or no baseline?

# %% tags=["nbval-check-output"]
CLASSES = torch.tensor([2.0, -1.0, 0.5, 3.0])  # f of each class
logits = torch.tensor([0.5, -0.4, 0.1, 1.0], requires_grad=True)
pi = torch.softmax(logits, 0)
(by_sum,) = torch.autograd.grad((pi * CLASSES).sum(), logits)
pi = pi.detach()
oracle = pi * (CLASSES - pi @ CLASSES)
print("exact gradient for the logits", by_sum.numpy().round(4))
assert torch.allclose(by_sum, oracle, rtol=1e-12)


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

# %% tags=["nbval-check-output"]
class_score = torch.eye(4) - pi  # d log pi_c / d logits, a row a class
power, spread = class_score.square().sum(1), CLASSES - pi @ CLASSES
gain = pi @ ((CLASSES**2 - spread**2) * power)
price = (pi @ spread**2) * (pi @ power) + oracle.square().sum()
print(f"break-even at K = {1 + price / gain:.4f}")

# %% [markdown]
# Leave-one-out, by a little: its break-even on this problem is $K = 2.4$, so with two draws it would lose.

# %% [markdown]
# ## Further: the bias of softened coins
#
# Two estimators keep the draws exact and only *pretend* in the backward pass. **Straight-through Gumbel-softmax**: the value is
# the arg max, the gradient that of the soft $y$. **Straight-through**: the value is a draw of $q$, the gradient that of its mean,
# as if $\partial z/\partial\pi = 1$.
#
# None of the three is unbiased. How wrong are they? Take one binary $z$ with $\theta = P(z = 1) = \mathrm{sigmoid}(\varphi)$. For
# any $f$
#
# $$\text{truth } \theta(1-\theta)\,\big(f(1) - f(0)\big), \qquad
# \text{straight-through } \theta(1-\theta)\,\big(\theta f'(1) + (1 - \theta) f'(0)\big)$$
#
# With two classes, the difference of two Gumbels is logistic, so $y_1 = \mathrm{sigmoid}((\varphi + \ell)/\tau)$, and the mean gradient
# of the other two (soft, and straight-through Gumbel-softmax) is one integral over the logistic noise $\ell$. We integrate by the midpoint rule. The cells compare two squares and a
# cubic.

# %%
PHI = 0.6
theta = special.expit(PHI)
STEP = 0.002
NOISE = -PHI + STEP * (np.arange(-20_000, 20_000) + 0.5)  # midpoints; the arg max jumps between two of them
DENSITY = STEP * stats.logistic.pdf(NOISE)
F = {"(z - 0.9)²": lambda z: (z - 0.9) ** 2, "(z - 0.45)²": lambda z: (z - 0.45) ** 2, "z³": lambda z: z**3}
SLOPE = {"(z - 0.9)²": lambda z: 2 * (z - 0.9), "(z - 0.45)²": lambda z: 2 * (z - 0.45), "z³": lambda z: 3 * z**2}
TRUTH_OF = {name: theta * (1 - theta) * (g(1) - g(0)) for name, g in F.items()}


def softened(temperature, name, hard=False):
    """Mean and variance of one relaxed gradient for phi, by quadrature."""
    y = special.expit((PHI + NOISE) / temperature)
    z = (PHI + NOISE > 0) if hard else y
    gradient = SLOPE[name](z) * y * (1 - y) / temperature
    return DENSITY @ gradient, DENSITY @ gradient**2 - (DENSITY @ gradient) ** 2


def relaxed(temperature, name, hard=False):
    def surrogate(phi):
        two = torch.stack([torch.zeros_like(phi), phi], -1)  # logits of z = 0 and z = 1
        return F[name](gumbel_softmax(two, 1, temperature, hard)[..., 1]).mean(0)

    return surrogate


# %%
guess = predict(
    "As the temperature falls to 0, the bias of straight-through Gumbel-softmax goes to zero ...",
    ["for every smooth f", "for every polynomial", "for squares, and not for a cubic"],
)

# %% tags=["check"]
MEASURED = (0.1, 0.25, 0.5, 1.0, 2.0)
measured = {}
for name in F:
    for hard in (False, True):
        for tau in MEASURED:
            with seeded(17):
                (samples,) = gradient_samples(relaxed(tau, name, hard), (torch.tensor(PHI),), 100_000)
            mean, var = softened(tau, name, hard)
            measured[name, hard, tau] = samples.mean(), samples.var()
            assert abs(samples.mean() - mean) < 5 * samples.std() / 100_000**0.5
            assert abs(samples.var() / var - 1) < 5 * ((samples - mean) ** 2 / var).std() / 100_000**0.5

# %%
TAU = np.geomspace(0.03, 4, 60)
LOOKS_OF = {"(z - 0.9)²": plots.BLUE, "(z - 0.45)²": plots.GREEN, "z³": plots.RED}
fig, (left, right) = plots.figure(1, 2, size=(12, 4.6))
for name, colour in LOOKS_OF.items():
    for hard, dash, words in ((False, "-", "soft"), (True, "--", "straight through")):
        mean, var = np.transpose([softened(tau, name, hard) for tau in TAU])
        left.semilogx(TAU, mean - TRUTH_OF[name], dash, color=colour, label=f"{name}, {words}")
        right.loglog(TAU, var, dash, color=colour)
left.axhline(0, color=plots.BLACK, lw=1)
left.set(xlabel="temperature τ", ylabel="bias of the gradient (quadrature)")
right.set(xlabel="temperature τ", ylabel="variance, one draw")
left.legend(fontsize=10)
plots.show(
    fig, alt="Left, biases fall to zero as it cools, except that of the cubic straight through; right, variances grow."
)

# %%
for name in F:
    limit = theta * (1 - theta) * (SLOPE[name](0) + SLOPE[name](1)) / 2
    cold = softened(0.03, name, hard=True)[0]
    print(
        f"{name:12} truth {TRUTH_OF[name]:+.3f}; at τ = 0.03 soft {softened(0.03, name)[0] - TRUTH_OF[name]:+.3f}, "
        f"straight through {cold - TRUTH_OF[name]:+.3f}; limit {limit - TRUTH_OF[name]:+.3f}"
    )
    assert abs(cold - limit) < 0.01
guess.discuss(
    {
        "for every smooth f": "For the soft draws yes. Straight through, the slope is read at the corners only.",
        "for every polynomial": "For degree two at most.",
        "for squares, and not for a cubic": "Cold, the gradient flows only where y crosses 1/2, at either corner equally "
        "often: the limit is θ(1-θ)(f'(0) + f'(1))/2, which is the truth if f' is a straight line.",
    },
    right="for squares, and not for a cubic",
)

# %% [markdown]
# As soft draws get cold, their bias tends to zero and their variance grows: $\tau$ trades one error for the other. But the bias need **not
# fall steadily**: for $(z - 0.45)^2$ it passes through zero a little below $\tau = 2$ and grows again to $\tau = 0.5$. A relaxation that
# happens to be unbiased for one $f$ proves nothing about the next.
#
# Which error matters depends on how many draws you average. The mean squared error of $K$ draws is
# $\text{bias}^2 + \text{variance}/K$:

# %%
SQUARE = "(z - 0.9)²"
f_0, f_1 = F[SQUARE](0), F[SQUARE](1)
two_outcomes = theta * (f_1 * (1 - theta)) ** 2 + (1 - theta) * (f_0 * theta) ** 2
one_draw = two_outcomes - TRUTH_OF[SQUARE] ** 2  # exact variance of the score function
mean, var = np.transpose([softened(tau, SQUARE) for tau in TAU])
fig, ax = plots.figure()
for K, colour, dash in ((1, plots.BLUE, "-"), (10, plots.ORANGE, "--"), (1000, plots.GREEN, "-.")):
    rmse = np.sqrt((mean - TRUTH_OF[SQUARE]) ** 2 + var / K)
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

# %% tags=["check"]
error_of = {K: np.sqrt((mean - TRUTH_OF[SQUARE]) ** 2 + var / K) for K in (1, 1000)}
assert (error_of[1][TAU > 0.4] < math.sqrt(one_draw)).all()
assert (error_of[1000] > math.sqrt(one_draw / 1000)).all()

# %% [markdown]
# One last surprise. With the optimal baseline, $b^* = (1-\theta) f(1) + \theta f(0)$, a binary $z$ has *no variance
# at all*: each draw gives the exact gradient.

# %%
b_star = (1 - theta) * f_1 + theta * f_0
with seeded(18):
    (samples,) = gradient_samples(
        lambda phi: score_function(F[SQUARE], Bernoulli(logits=phi), 1, b_star), (torch.tensor(PHI),), 1000
    )
print(f"1000 gradients between {samples.min():.6f} and {samples.max():.6f}, truth {TRUTH_OF[SQUARE]:.6f}")
assert (samples - TRUTH_OF[SQUARE]).abs().max() < 1e-12

# %% [markdown]
# But $b^*$ needs $f(0)$ *and* $f(1)$, and if you have both, you can sum.

# %% [markdown]
# ## Lecture demo
#
# Left, estimates of one gradient around the true value; right, how their variance grows with the dimension $D$.
#
# <details><summary>Speaker note</summary>
#
# 1. At $D = 1$, switch between reparameterised and score function: same centre, other width; not dramatic. Ask the room what $D = 64$ does to each, then
#    drag $D$. The histogram of the reparameterised draws does not move, that of the score function leaves the screen.
# 2. Stay at $D = 64$, switch to leave-one-out: the square has become a line, and nobody tuned anything.
# 3. Drag $K$ from 2 to 64: leave-one-out falls onto the constant baseline, since the price of the estimated one goes as $1/K^2$, and both stay parallel below the
#    plain score function. Ask how many samples that would need to catch up with the reparameterised draws at $D = 64$: the ratio of the lines, several thousand.
#
# </details>

# %%
demo = explore("gradient_explorer", K=4, D=8, kind="score function")

# %% tags=["check"]
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
#   fast waves the order turns round.
# - A baseline must not depend on its own draw. Leave-one-out keeps the mean exact, and pays from a break-even $K$ on wherever $\mathbb E f$ is a useful baseline.
# - A path needs a continuous $q$ and an $f$ without jumps; at a jump it is wrong without warning. Implicit paths reach mixtures.
# - For discrete $z$: sum if you can, score function if it must be unbiased, Gumbel-softmax if you can accept a bias. On bars, at equal draws,
#   leave-one-out ends nearly a nat better than no baseline, and Gumbel-softmax at $\tau = 0.5$ another 0.4 nats better.
#
# **To read** Mohamed, Rosca, Figurnov and Mnih 2020, *Monte Carlo gradient estimation in machine learning*; Williams
# 1992 (REINFORCE); Kingma and Welling 2014; Jang, Gu and Poole 2017 and Maddison, Mnih and Teh 2017 (Gumbel-softmax,
# concrete); Kool, van Hoof and Welling 2019 (leave-one-out);
# Figurnov, Mohamed and Mnih 2018 (implicit reparameterisation).
#
# **The next question** Now the ELBO of a deep model has a gradient that you can afford. What does a net learn with
# it? That is notebook 08.
