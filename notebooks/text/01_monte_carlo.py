# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 Monte Carlo and importance sampling
#
# After this notebook you will be able to
#
# - estimate an integral by sampling, and say how far off you are;
# - draw from another distribution than the one you were given, correct for it by weights, and choose it well;
# - recognise an error bar that cannot be trusted;
# - compute $p(x)$ of a latent variable model in three ways that agree.
#
# **Time** 45 minutes for the core; the sections headed *Further* are another 40. The cells run in about 25 seconds on a laptop.
# **Prerequisites** notebook 00, densities, variance.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $p(z)$, $q(z)$ | `p`, `q` | | target and proposal, `torch.distributions` |
# | $f(z)$ | `f` | $K$ | the function whose mean we want |
# | $I = \mathbb E_p[f(z)]$ | `truth` | scalar | the integral |
# | $\hat I$ and its standard error | `estimate.value`, `.std_err` | scalar | what $K$ draws say about it |
# | $K$ | `K` | | draws, always the first axis |
# | $w = p(z)/q(z)$ | `log_w` | $K$ | importance weights, kept as logarithms (nats) |
# | $x$, $p(x \mid z)$ | `x`, `decoder(z)` | 2 | observation, and its model given the latent $z$ |
#
# $\mathcal N(m, v)$ is the normal with mean $m$ and *variance* $v$; the code's `Normal(m, s)` takes the standard deviation $s$.

# %%
import math
from itertools import pairwise

import numpy as np
import torch
from scipy import integrate, special, stats
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lvmteach.classroom.explorables import explore
from lvmteach.classroom.explorables.predict import predict
from lvmteach.classroom.figures import diagram, plots
from lvmteach.integrals import ess, importance, log_mean_exp, monte_carlo, normalise
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## An integral is a mean
#
# Most integrals of this course have one form, and most of them have no formula:
#
# $$I = \mathbb E_p[f(z)] = \int f(z)\, p(z)\, dz \qquad\approx\qquad \hat I = \frac 1K \sum_{k=1}^K f(z_k), \quad z_k \sim p$$
#
# We begin with one that has a formula: for $z \sim \mathcal N(0, 1)$, $\mathbb E[\cos z] = e^{-1/2}$.

# %%
p = Normal(0.0, 1.0)
truth = math.exp(-1 / 2)  # oracle: the characteristic function of N(0, 1), at 1
with seeded(1):
    z = p.sample((10_000,))
f_z = torch.cos(z)
value, std_err = f_z.mean(), f_z.std() / math.sqrt(10_000)
print(f"truth {truth:.5f}, estimate {value:.5f} ± {std_err:.5f}")
assert abs(value - truth) < 5 * std_err

# %% [markdown]
# Drawing, averaging and the error bar are one call of the library, `monte_carlo(torch.cos, p, K=10_000)`. What is known about $\hat I$, and when:
#
# - If $\mathbb E_p |f|$ is finite, $\hat I$ is **unbiased**, $\mathbb E[\hat I] = I$, and it **converges almost surely** to $I$ (the strong law of large numbers).
# - If $\mathbb V_p[f]$ is finite too, $\mathbb V[\hat I] = \mathbb V_p[f] / K$. The **standard error** is the root of this, with $\mathbb V_p[f]$ estimated from the same draws.
#
# The dimension of $z$ does not appear in the formula. (But $\mathbb V_p[f]$ itself may depend on it.)

# %% tags=["check"]
with seeded(1):
    estimate = monte_carlo(torch.cos, p, K=10_000)
assert estimate.value == value
assert abs(estimate.std_err - std_err) < 1e-15  # rounding

# %%
guess = predict(
    "How many more draws make the error ten times smaller?",
    ["about 3 times as many", "10 times as many", "100 times as many"],
)


# %% [markdown]
# A PyTorch distribution of batch shape 1000 gives 1000 independent estimates at once. Their spread measures the error, and we compare it with the formula.


# %%
def copies(mean, scale, repeats):
    """`repeats` times the same normal: one independent estimate each."""
    return Normal(torch.full((repeats,), mean), torch.full((repeats,), scale))


draws = [10, 30, 100, 300, 1000, 3000]
variance = (1 + math.exp(-2)) / 2 - math.exp(-1)  # V[cos z] = E[(1 + cos 2z)/2] - E[cos z]^2
predicted = (variance / torch.tensor(draws)).sqrt()
with seeded(2):
    estimates = [monte_carlo(torch.cos, copies(0.0, 1.0, 1000), K).value for K in draws]
rms = torch.stack([(e - truth).square().mean().sqrt() for e in estimates])
fig, ax = plots.figure()
ax.loglog(draws, predicted, "--", color=plots.BLACK, label="$\\sqrt{V[f] / K}$")
ax.loglog(draws, rms, "o", color=plots.BLUE, label="measured, 1000 runs")
ax.set(xlabel="draws K", ylabel="root mean square error", title="the error falls as $K^{-1/2}$")
ax.legend()
plots.show(fig, alt="Error against draws on log axes: the measured points lie on a line of slope minus one half.")
guess.discuss(
    {
        "about 3 times as many": "Three times as many divide the error by 1.7.",
        "10 times as many": "That divides the variance by ten, and the error by its root, 3.2.",
        "100 times as many": "The error is the root of V[f] / K. A further digit costs a hundred times the draws.",
    },
    right="100 times as many",
)

# %% tags=["check"]
assert ((rms / predicted - 1).abs() < 5 / math.sqrt(2 * 1000)).all()  # an rms of n values: relative error (2n)^-1/2

# %% [markdown]
# The rate $K^{-1/2}$ is fixed. What you can change is the variance $\mathbb V_p[f]$, and that is the subject of this notebook.
#
# ## A rare event
#
# What is the probability that a standard normal lands beyond four? Now $f(z) = \mathbb 1[z > 4]$, and Monte Carlo counts the draws beyond four.

# %%
guess = predict(
    "10 000 draws, and none of them lands beyond four. What will the standard error say?",
    ["zero", "about 0.01, as for any share of 10 000", "it is not defined"],
)


# %%
def beyond_four(z):
    return z > 4


truth = stats.norm.sf(4)  # oracle: scipy's normal tail
with seeded(3):
    plain = monte_carlo(beyond_four, p, K=10_000)
print(f"truth {truth:.4g}, plain Monte Carlo {plain}")
print(f"expected hits {10_000 * truth:.2f}, probability of none {(1 - truth) ** 10_000:.0%}")
assert plain.value == plain.std_err == 0  # this run is one of those without a hit
guess.discuss(
    {
        "zero": "All 10 000 values are equal, so their spread is zero: the estimator reports full certainty, and it is wrong. It cannot know "
        "what it has not seen.",
        "about 0.01, as for any share of 10 000": "0.01 would be near the standard error of one draw in 10 000 with variance 1. The spread is "
        "computed from the draws, and these are all equal.",
        "it is not defined": "It is: the standard deviation of 10 000 zeros is zero.",
    },
    right="zero",
)

# %% [markdown]
# ## Draw elsewhere, and pay with weights
#
# Multiply and divide by a density $q$, the *proposal*, from which you *can* draw where it matters; $p$ is the *target*:
#
# $$I = \int f(z)\, p(z)\, dz = \int f(z)\, \frac{p(z)}{q(z)}\, q(z)\, dz = \mathbb E_q[w(z) f(z)], \qquad w(z) = \frac{p(z)}{q(z)}$$
#
# The mean of $w f$ over draws from $q$ is unbiased if $q(z) > 0$ wherever $f(z)\, p(z) \neq 0$ (the *support* condition). For the mean nothing more is needed.
# The variance of one draw is another matter:
#
# $$\mathbb V_q[w f] = \int \frac{f(z)^2\, p(z)^2}{q(z)}\, dz - I^2$$
#
# For our event and $q = \mathcal N(a, 1)$ complete the square: $p^2/q = e^{a^2} \mathcal N(z; -a, 1)$, so $\mathbb E_q[(wf)^2] = e^{a^2} P(Z > 4 + a)$.
# We put $q$ at the edge of the event, $a = 4$.

# %%
q = Normal(4.0, 1.0)
with seeded(4):
    shifted = importance(beyond_four, p.log_prob, q, K=10_000)
one_plain = truth * (1 - truth)
one_shifted = math.exp(4**2) * stats.norm.sf(4 + 4) - truth**2
print(f"truth {truth:.4g}, importance sampling {shifted}")
print(f"variance of one draw: {one_plain:.4g} plain, {one_shifted:.4g} shifted; ratio {one_plain / one_shifted:.0f}")
assert abs(shifted.value - truth) < 5 * shifted.std_err

# %% tags=["check"]
with seeded(6):
    runs = importance(beyond_four, p.log_prob, copies(4.0, 1.0, 1000), K=1000)
measured = 1000 * runs.std_err**2  # each run's own guess of the variance of one draw
assert abs(measured.mean() - one_shifted) < 5 * measured.std() / math.sqrt(1000)
moment, _ = integrate.quad(lambda z: stats.norm.pdf(z) ** 2 / stats.norm.pdf(z, 4), 4, 14, epsrel=1e-10)
assert abs(moment - truth**2 - one_shifted) < 1e-7 * one_shifted  # oracle: quadrature

# %% [markdown]
# With as many draws as before the variance is 6999 times smaller. Is $a = 4$ the best shift? Move the proposal by hand, and watch three things: where the draws are, the terms $w f$ relative to the truth (all at 1 would be perfect),
# and the running estimate. Exercise 01.2 finds the best $a$ exactly.

# %%
proposal = explore("proposal_explorer")

# %% [markdown]
# ## The best proposal
#
# The variance is zero when $w f$ is the same for every $z$. For $f \ge 0$ that gives the best $q$:
#
# $$q^*(z) = \frac{f(z)\, p(z)}{I} \qquad\Longrightarrow\qquad w(z) f(z) = I \text{ for every draw}$$
#
# You cannot use it, for it contains the unknown $I$. But it tells you what to aim at: **make $q$ similar to $f p$**. For our event $q^*$ is a normal cut off at four.

# %%
best = stats.truncnorm(4, np.inf)
z = torch.from_numpy(best.rvs(5, random_state=7))
w = (p.log_prob(z) - torch.from_numpy(best.logpdf(z.numpy()))).exp()
print("draws  ", z.numpy().round(3))
print("weights", w.numpy(), " truth", truth)
assert torch.allclose(w, torch.tensor(truth), rtol=1e-12, atol=0)  # rounding

# %% [markdown]
# ## Heavy tails
#
# The tails of a proposal should be no lighter than those of the target. Why? Take $f = 1$, so that $I = 1$ and every error comes from the weights, with $p = \mathcal N(0, 1)$ and
# $q = \mathcal N(0, s^2)$:
#
# $$\mathbb E_q[w^2] = \int \frac{p(z)^2}{q(z)}\, dz = \frac{s}{\sqrt{2\pi}} \int e^{-z^2 \left(1 - \frac{1}{2 s^2}\right)} dz = \frac{s^2}{\sqrt{2 s^2 - 1}}
# \quad\text{if } s^2 > \tfrac12, \text{ else } \infty$$

# %%
guess = predict(
    "Which proposal is worse?",
    ["twice too wide, s = 2", "twice too narrow, s = 1/2", "both cost about the same"],
)

# %%
scales = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.5, 2.0, 3.0]


def mean_weight(s):
    """Three estimates of E_q[w^2] = E_p[w], from 20 000 draws of q each."""
    q = copies(0.0, s, 3)
    return importance(lambda z: (p.log_prob(z) - q.log_prob(z)).exp(), p.log_prob, q, K=20_000)


with seeded(8):
    measured = [mean_weight(s) for s in scales]
fig, ax = plots.figure()
s = np.linspace(0.7075, 3.1, 2000)
ax.semilogy(s, s**2 / np.sqrt(2 * s**2 - 1), color=plots.BLUE, label="$s^2 / \\sqrt{2 s^2 - 1}$")
ax.plot(np.repeat(scales, 3), torch.cat([m.value for m in measured]), "o", color=plots.ORANGE, label="20 000 draws")
ax.axvspan(0.3, 2**-0.5, color=plots.GREY, alpha=0.3, lw=0, label="infinite")
ax.set(xlabel="scale s of the proposal", ylabel="second moment of the weights", ylim=(0.7, 1e3), xlim=(0.3, 3.1))
ax.legend()
plots.show(fig, alt="The second moment is one at scale one, rises slowly to the right, and to infinity on the left.")

# %%
guess.discuss(
    {
        "twice too wide, s = 2": "It costs a factor of 4 / sqrt(7) = 1.51 in the second moment, no more.",
        "twice too narrow, s = 1/2": "The integral does not exist. Look at the dots on the left: every run reports some finite number, each "
        "another one. Nothing in a run tells you that the truth is infinite.",
        "both cost about the same": "The formula is not symmetric: below s = 0.71 the integral has no limit.",
    },
    right="twice too narrow, s = 1/2",
)

# %% tags=["check"]
for s, m in zip(scales, measured, strict=True):
    if s**2 > 3 / 4:  # there w^2 has a variance, and with it an error bar
        assert ((m.value - s**2 / math.sqrt(2 * s**2 - 1)).abs() < 5 * m.std_err).all()
up_to = [integrate.quad(lambda z: stats.norm.pdf(z) ** 2 / stats.norm.pdf(z, 0, 0.5), -a, a)[0] for a in (5, 10, 15)]
assert up_to[0] < up_to[1] / 1e3 < up_to[2] / 1e6  # at s = 1/2 the integral grows without end

# %% [markdown]
# ## A small mismatch in many dimensions
#
# In $d$ independent dimensions the weight is a product of $d$ factors, and so is its second moment: $\mathbb E_q[w^2] = (s^2 / \sqrt{2 s^2 - 1})^d$. The **effective sample size** (ESS) says how many equally weighted draws the $K$ weighted ones are worth:
#
# $$\mathrm{ESS} = \frac{(\sum_k w_k)^2}{\sum_k w_k^2}, \qquad 1 \le \mathrm{ESS} \le K, \qquad \frac{\mathrm{ESS}}{K} \to \frac{\mathbb E_q[w]^2}{\mathbb E_q[w^2]}
# \quad\text{if the second moment is finite}$$
#
# A proposal 25 % too wide, $s = 1.25$, has $\mathbb E_q[w^2] = 1.07$ in one dimension. **Guess before you run:** how many of 10 000 draws remain effective in 100 dimensions?

# %%
K, dims = 10_000, [1, 2, 5, 10, 20, 50, 100]
with seeded(11):
    z = 1.25 * torch.randn(K, 20, max(dims))  # twenty runs
log_ratio = p.log_prob(z) - Normal(0.0, 1.25).log_prob(z)  # one factor for each dimension
for d in dims:
    size = ess(log_ratio[..., :d].sum(-1))
    predicted = K * (1.25**2 / math.sqrt(2 * 1.25**2 - 1)) ** -d
    print(
        f"d = {d:3}: effective draws {size.mean():7.1f} ± {size.std() / math.sqrt(20):5.1f}, predicted {predicted:7.1f}"
    )

# %% tags=["check"]
for d in dims[:4]:  # further on a run does not see the weights that matter
    size = ess(log_ratio[..., :d].sum(-1))
    assert abs(size.mean() - K * (1.25**2 / math.sqrt(2 * 1.25**2 - 1)) ** -d) < 5 * size.std() / math.sqrt(20)
assert abs(K * (1.25**2 / math.sqrt(2 * 1.25**2 - 1)) ** -100 - 10) < 1

# %% [markdown]
# By the formula, ten. The measured number is five times larger, and wrong: the ESS is computed from the weights you have, and the rare large weights that would lower it were not drawn.
#
# This is the central difficulty of the course. We shall need proposals for latent variables of up to tens of dimensions, and a fixed proposal will not do: it must be *learnt*, for each observation $x$. The alternative is
# *Markov chain Monte Carlo* (MCMC), a random walk that finds the mass step by step. It gives draws from the posterior $p(z \mid x)$, but no direct estimate of $p(x)$, by which this course compares models; and each $x$ needs a walk of its own. This course learns proposals; notebook 05 compares the two.
#
# ## Weights live as logarithms
#
# Weights are products of many densities, and a product of a few thousand factors leaves the range of floating point. So store $\log w$, and compute the logarithm of the average weight like this:
#
# $$\log \frac 1K \sum_k w_k = m + \log \frac 1K \sum_k e^{\log w_k - m}, \qquad m = \max_k \log w_k$$
#
# The largest term becomes $e^0 = 1$. Nothing overflows, and what underflows is too small to matter.

# %% tags=["nbval-check-output"]
log_w = torch.tensor([-2000.0, -2000.0 + math.log(3.0)])  # weights e^-2000 and 3 e^-2000: their mean is 2 e^-2000
print(f"naive          {log_w.exp().mean().log():.4f}")
print(f"log_mean_exp   {log_mean_exp(log_w):.4f}")
print(f"by hand        {-2000 + math.log(2):.4f}")
assert abs(log_mean_exp(log_w) - (special.logsumexp(log_w.numpy()) - math.log(2))) < 1e-12  # oracle: scipy

# %% [markdown]
# ## The logarithm of an estimate
#
# Likelihoods are reported as logarithms. What happens if you take the logarithm of an unbiased estimate? The logarithm is concave, so by Jensen's inequality
#
# $$\mathbb E[\log \hat I] \le \log \mathbb E[\hat I] = \log I$$
#
# The smallest latent variable model shows it: $z \sim \mathcal N(0, 1)$, $x \mid z \sim \mathcal N(z, 1)$. Then $x \sim \mathcal N(0, 2)$, and the posterior is $\mathcal N(x/2, 1/2)$, the best proposal $q^*$ for $I = p(x) = \int p(x \mid z)\, p(z)\, dz$.
# From here on a weight includes $p(x \mid z)$: $w = p(x \mid z)\, p(z) / q(z)$, so that the mean weight estimates $p(x)$. Miss the posterior by $\delta$: $q = \mathcal N(x/2 + \delta, 1/2)$. Then $\log w - \log p(x)$ is $\mathcal N(-v/2, v)$ with $v = 2 \delta^2$. With one sample the gap $\log p(x) - \mathbb E[\log \hat I]$ is $v/2$. **What do more samples inside the logarithm do?**


# %%
def log_weights(x, q, shape):
    z = q.sample(shape)
    return p.log_prob(z) + Normal(z, 1.0).log_prob(x) - q.log_prob(z)


x, v, samples = torch.tensor(1.7), 1.0, [1, 2, 5, 10, 20, 50, 100, 200]
log_p_x = stats.norm.logpdf(1.7, 0, math.sqrt(2))  # oracle: the marginal
q = Normal(x / 2 + math.sqrt(v / 2), math.sqrt(1 / 2))
with seeded(18):
    bounds = [log_mean_exp(log_weights(x, q, (K, 20_000))) for K in samples]
gap = torch.stack([log_p_x - bound.mean() for bound in bounds])
std_err = torch.stack([bound.std() / math.sqrt(20_000) for bound in bounds])
fig, ax = plots.figure()
delta_method = (math.exp(v) - 1) / (2 * np.array(samples))  # V[w] / (2 K I^2)
ax.loglog(samples, delta_method, "--", color=plots.BLACK, label="$V[w] / (2 K I^2)$")
ax.errorbar(samples, gap, 1.96 * std_err, fmt="o-", color=plots.BLUE, label="$\\log p(x) - E[\\log \\hat I]$")
ax.set(xlabel="samples K inside the logarithm", ylabel="gap, nats", title="the bound tightens with K")
ax.legend()
plots.show(fig, alt="The gap falls from one half; for many samples it follows a dashed line of slope minus one.")

# %% tags=["check"]
with seeded(17):
    exact = log_weights(x, Normal(x / 2, math.sqrt(1 / 2)), (4,))
assert (exact - log_p_x).abs().max() < 1e-13  # the posterior as proposal: every weight is p(x)
# Oracles: v/2 for one sample; for two, v/2 - E[log cosh(sqrt(v/2) eps)], by quadrature.
inner = integrate.quad(lambda e: stats.norm.pdf(e) * math.log(math.cosh(math.sqrt(v / 2) * e)), -9, 9, epsrel=1e-9)[0]
assert ((gap[:2] - torch.tensor([v / 2, v / 2 - inner])).abs() < 5 * std_err[:2]).all()
assert (gap.diff() < 0).all()

# %% [markdown]
# So $\mathbb E[\log \hat I]$ is a lower bound on $\log p(x)$, and it needs no formula for $p(x)$. It becomes tight in two ways: by a better $q$, or by more samples. With $K = 1$ it is the *evidence lower bound* and trains variational autoencoders
# (notebooks 05, 08); with $K > 1$ it is the *importance weighted* bound (notebook 09). The dashed line is the delta method: with $\epsilon = \hat I - I$, take the mean of $\log(I + \epsilon) \approx \log I + \epsilon/I - \epsilon^2 / 2 I^2$.
#
# ## p(x) of a latent variable model
#
# This model has one latent dimension and two observed ones. Its data lie near a curve, with noise that depends on the place on the curve.
#
# $$z \sim \mathcal N(0, 1), \quad x \mid z \sim \mathcal N(\mu(z), \Sigma(z)), \quad
# \mu(z) = \begin{pmatrix} 10 \sin^3 z \\ 10 \cos z - 10 \cos^4 z \end{pmatrix}, \quad
# \Sigma(z) = \mathrm{diag}\left( \Big(\frac{\sin z}{3 z}\Big)^2, \Big(\frac{\sin z}{z}\Big)^2 \right)$$

# %%
plots.show(
    diagram.graph({"z": diagram.latent(0, 0), "μ(z), Σ(z)": diagram.block(1.7, 0, width=1.5), "x": diagram.observed(3.4, 0)},
                  ["z -> μ(z), Σ(z)", "μ(z), Σ(z) -> x"]),
    alt="A latent circle z, an arrow to a block that computes mean and covariance, an arrow to the shaded circle x.",
)  # fmt: skip

# %% [markdown]
# Slide $z$ along the curve. The ellipses show where $x$ lies given this $z$; on the right you see $p(x \mid z)\, p(z)$ as a function of $z$, for the $x$ at the cross; $p(x)$ is the area under it. Move the cross to A, B and C.
#
# - **How many** values of $z$ explain A? B? C?
# - Near the tip, where $z = \pm \pi$, the ellipse shrinks to a point. What does that do to the right picture at C?

# %%
heart = explore("heart")

# %% [markdown]
# What is $p(x)$? The first of three ways is a sum over a fine grid of $z$. With one latent dimension it is as good as exact: the integrand is smooth and vanishes at both ends, so the error of the sum falls faster than any power of the step.


# %%
def decoder(z):
    mean = torch.stack([10 * z.sin() ** 3, 10 * z.cos() - 10 * z.cos() ** 4], -1)
    scale = torch.sinc(z / math.pi).abs()  # torch.sinc(t) is sin(pi t) / (pi t), and 1 at 0
    return Independent(Normal(mean, torch.stack([scale / 3, scale], -1)), 1)


def log_joint(x, z):
    return p.log_prob(z) + decoder(z).log_prob(torch.as_tensor(x))


step = 1e-3
grid = torch.arange(-4 * math.pi + step / 2, 4 * math.pi, step)
points = {"A": (3.7, 4.6), "B": (0.0, 2.0), "C": (0.0, -19.0)}
p_x = {name: (log_joint(x, grid).exp().sum() * step).item() for name, x in points.items()}
for name, x in points.items():
    print(f"{name} {x}: p(x) = {p_x[name]:.5e}, log p(x) = {math.log(p_x[name]):.4f} nats")


# %% tags=["check"]
def integrand(z, x):  # oracle: SciPy's adaptive rule on SciPy's densities
    scale = abs(np.sinc(z / np.pi))
    on_x1 = stats.norm.pdf(x[0], 10 * np.sin(z) ** 3, scale / 3)
    return on_x1 * stats.norm.pdf(x[1], 10 * np.cos(z) - 10 * np.cos(z) ** 4, scale) * stats.norm.pdf(z)


for name, x in points.items():
    cuts = pairwise(np.pi * np.arange(-4, 5))
    adaptive = sum(integrate.quad(integrand, a, b, args=(x,), limit=500, epsabs=0, epsrel=1e-10)[0] for a, b in cuts)
    assert abs(adaptive / p_x[name] - 1) < 1e-9

# %% [markdown]
# The second way: $p(x) = \mathbb E_{p(z)}[p(x \mid z)]$ is a mean under the prior, so plain Monte Carlo applies. For any proposal $q$ the grid also gives the exact relative variance of one draw, $\mathbb E_q[w^2] / p(x)^2 - 1$ with $w = p(x, z) / q(z)$,
# so we can judge an estimator without its own error bar. **For which of A, B and C will the prior work best?**


# %%
def one_draw(name, q):
    """Relative variance of one draw from q: after K draws the relative error is the root of this over K."""
    moment = (2 * log_joint(points[name], grid) - q.log_prob(grid)).exp().sum() * step
    return (moment / p_x[name] ** 2 - 1).item()


def estimate_p(x, q, K):
    return importance(lambda z: decoder(z).log_prob(torch.tensor(x)).exp(), p.log_prob, q, K)


for name, x in points.items():
    with seeded(20):
        ratio = estimate_p(x, p, K=15_000).value / p_x[name]
    error = math.sqrt(one_draw(name, p) / 15_000)
    print(
        f"{name}: estimate / truth {ratio:.3f}, relative error {error:.3f}, effective {15_000 / (1 + one_draw(name, p)):.0f}"
    )
    assert abs(ratio - 1) < 5 * error

# %% [markdown]
# B is easy: more than a quarter of the prior's draws are effective. At C, 15 000 draws are worth four. And this is *one* latent dimension: the section on many dimensions showed how fast the effective draws fall as dimensions are added.
#
# The third way: the best proposal is the posterior $q^*(z) = p(z \mid x)$, so fit a normal to it. A *pilot run* of 5000 prior draws, weighted by $p(x \mid z)$, gives its mean and spread. One draw in ten comes from
# a wide normal (the *wide bell*), so that no region is left out. Such a proposal is called a **defensive mixture**. The pilot's 5000 draws count too: the fitted proposal gets 10 000 more, and is compared with 15 000 draws from the prior.
#
# At C the posterior has two narrow humps, which we call *needles*.

# %%
guess = predict(
    "Two needles at z = -3 and z = 3 explain C. The pilot has 5000 draws from the prior. Where will the fitted normal be?",
    ["in the middle, wide enough for both", "on one needle", "where the prior is"],
)


# %%
def pilot(x, draws=5000):
    """Mean and scale of the posterior from weighted prior draws, and how many of them are effective."""
    z = p.sample((draws,))
    log_w = decoder(z).log_prob(torch.as_tensor(x))
    w = normalise(log_w)
    mean = (w * z).sum()
    return mean, (w * (z - mean) ** 2).sum().sqrt(), ess(log_w)


def defensive(mean, scale, share=0.1):
    bells = Normal(torch.stack([mean, torch.tensor(0.0)]), torch.stack([scale, torch.tensor(2.0)]))
    return MixtureSameFamily(Categorical(torch.tensor([1 - share, share])), bells)


with seeded(21):
    pilots = {name: pilot(x) for name, x in points.items()}
for name, (mean, scale, size) in pilots.items():
    fitted = one_draw(name, defensive(mean, scale)) / 10_000
    print(f"{name}: {size:6.1f} of 5000 pilot draws effective; normal at {mean:5.2f} ± {scale:.2f};", end=" ")
    print(
        f"relative error {math.sqrt(fitted):.4f}, variance {one_draw(name, p) / 15_000 / fitted:.1f} times below the prior's"
    )

# %%
guess.discuss(
    {
        "in the middle, wide enough for both": "With many effective draws, yes. But the pilot's ESS is 1.6: one draw near one needle has most of the weight.",
        "on one needle": "The pilot's ESS is 1.6. Its mean and spread are those of one or two draws, and the other needle is left to the wide bell.",
        "where the prior is": "The weights move it away: at C the prior's centre explains nothing.",
    },
    right="on one needle",
)

# %% tags=["check"]
with seeded(22):
    for name, x in points.items():
        q = defensive(*pilots[name][:2])
        error = math.sqrt(one_draw(name, q) / 10_000)
        assert abs(estimate_p(x, q, K=10_000).value / p_x[name] - 1) < 5 * error
gains = {name: one_draw(name, p) / one_draw(name, defensive(*pilots[name][:2])) / 1.5 for name in points}
assert gains["A"] > 100 > 10 > gains["B"] > gains["C"] > 1
assert pilots["C"][2] < 2 < 100 < pilots["A"][2]

# %% [markdown]
# A gains most: its posterior has one narrow hump, which the prior rarely hits and a normal can imitate, and the pilot saw it with 127 effective draws. B gains little: the prior was already good there, and one normal covers both of its overlapping humps only roughly. At C the pilot itself has failed, and its ESS says so. **Read the pilot's ESS before you read anything that was computed from it.**
# (*Further: thirty pilots for C* shows what happens with other seeds.)
#
# ## Further: thirty pilots for C
#
# One seed is not evidence. Here are thirty pilots for C. The *gain* is the variance of one draw from the prior, divided by that of one draw from the fitted proposal. **What decides it?**

# %%
rows = []
for seed in range(30):
    with seeded(seed):
        mean, scale, size = pilot(points["C"])
    rows.append((abs(mean), one_draw("C", p) / one_draw("C", defensive(mean, scale)), size))
centre, gain, sizes = torch.tensor(rows).T
chosen_blind = one_draw("C", p) / one_draw("C", Normal(0.0, 3.0))
print(
    f"gain per draw {gain.min():.1f} to {gain.max():.1f}, median {gain.median():.1f}; pilots' ESS {sizes.min():.1f} to {sizes.max():.1f}"
)
print(f"a single wide normal, N(0, 3^2), without any pilot: {chosen_blind:.1f}")
with seeded(30):
    mean, scale, size = pilot(points["C"], draws=1_000_000)
large = one_draw("C", p) / one_draw("C", defensive(mean, scale))
print(f"a pilot of a million draws: ESS {size:.0f}, normal at {mean:.2f} ± {scale:.2f}, gain per draw {large:.1f}")
fig, ax = plots.figure()
ax.plot(centre, gain, "o", color=plots.BLUE, label="thirty pilots")
ax.axhline(chosen_blind, color=plots.ORANGE, ls="--", label="N(0, 9), no pilot")
ax.set(xlabel="|centre of the fitted normal|", ylabel="gain in variance per draw", ylim=(0, 18))
ax.legend(loc="lower left")
plots.show(
    fig,
    alt="The gain is near 15 when the fitted normal lies in the middle, and near 2.6 when it lies on a needle at 3.",
)

# %% tags=["check"]
assert gain[centre < 1].min() > 10 > 3 > gain[centre > 2.5].max()  # in the middle it gains most
assert gain.max() < chosen_blind  # and never more than a wide normal that costs no pilot
assert large > 10 * gain.median() / 3
assert abs(mean) < 1 < scale  # a large pilot sees both needles

# %% [markdown]
# The gain is largest when the normal happens to lie *in the middle*, and smallest when it sits on one needle. Even the best of the thirty gains no more than $\mathcal N(0, 3^2)$, which needs no pilot. As a control,
# a pilot two hundred times as large sees both needles: its normal lies in the middle and gains as much as the best. So one normal can serve two needles, but many small pilots see mainly one of them.
#
# ## Further: how much of the wide bell?
#
# At A the fitted normal is narrow. But $\mu(z)$ is periodic, so the posterior has a little mass at $z - 2\pi$ as well, where the normal has practically none. Without the wide bell the second moment is infinite. With it, every share of draws given to the bell costs something. **Which share would you choose?**

# %%
mean, scale, _ = pilots["A"]
shares = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
for share in shares:
    print(f"share {share:4}: relative variance of one draw {one_draw('A', defensive(mean, scale, share)):.3f}")
needle = Normal(mean, scale)
for turns in (1, 2, 4):
    z = torch.arange(-2 * math.pi * turns + step / 2, 2 * math.pi * turns, step)
    log_moment = (2 * log_joint(points["A"], z) - needle.log_prob(z)).logsumexp(0) + math.log(step)
    print(f"no wide bell, |z| < {2 * turns}π: second moment e^{log_moment - 2 * math.log(p_x['A']):.0f}")
away = (grid - mean).abs() > 1
missed = (log_joint(points["A"], grid).exp() * away).sum() * step / p_x["A"]
print(f"mass that the narrow normal would miss in practice: {missed:.1e}")

# %% [markdown]
# Of these shares the smallest is the cheapest, and any share bounds the weights: $p / q \le p / (\text{share} \cdot q_{\text{wide}})$. The price of the usual tenth is about one draw in ten. Without the bell the second moment grows with every turn of $\mu(z)$, from regions
# that hold a few millionths of the mass and that no run will visit. In theory that estimate is unbiased with an infinite variance; in practice it is slightly too low with a small error bar. In exercise 01.10 you write the weights of a defensive mixture.

# %% tags=["check"]
variances = [one_draw("A", defensive(mean, scale, share)) for share in shares]
assert sorted(variances) == variances
assert 1 / (2 * scale**2) > 2  # 1/q grows as e^(z^2 / 2 s^2), p(x,z)^2 falls as e^(-z^2): no limit
largest = (p.log_prob(grid) - defensive(mean, scale).log_prob(grid)).max().exp()
assert largest <= 2 / 0.1  # p is at most twice the wide bell, which has a tenth

# %% [markdown]
# ## Further: what an error bar promises
#
# If $\mathbb V[wf]$ is finite, $\hat I$ is nearly normal for large $K$, so $\hat I \pm 1.96$ standard errors should contain the truth in 95 % of runs. This is a promise about many runs, not about one. With a sound proposal, plain Monte Carlo, importance sampling
# and its self-normalised form (below) all keep it.


# %%
def covers(estimate, truth):
    return (estimate.value - truth).abs() <= 1.96 * estimate.std_err


sound = copies(0.3, 1.3, 2000)
with seeded(14):
    runs = {
        "Monte Carlo": monte_carlo(torch.cos, copies(0.0, 1.0, 2000), K=500),
        "importance": importance(torch.cos, p.log_prob, sound, K=500),
        "self-normalised": importance(torch.cos, p.log_prob, sound, K=500, self_normalised=True),
    }
for name, estimate in runs.items():
    held = covers(estimate, math.exp(-1 / 2)).double().mean()
    print(f"{name:15} {held:.1%} of 2000 intervals hold the truth")
    assert 0.93 < held < 0.97  # 0.95 ± 4 standard errors of a share of 2000

# %% [markdown]
# Now narrow the proposal step by step from $s = 1.5$, with $f(z) = z^2$ (truth 1) and $K = 1000$. The share of intervals that contain the truth is their *coverage*. **Where will it leave 95 %: at $s^2 = 1/2$, at larger $s$, or at smaller $s$?**

# %%
scales = np.arange(0.4, 1.55, 0.05)
with seeded(15):
    runs = [importance(torch.square, p.log_prob, copies(0.0, float(s), 2000), K=1000) for s in scales]
coverage = np.array([covers(estimate, 1).double().mean() for estimate in runs])
fig, ax = plots.figure()
ax.axhspan(0.93, 0.97, color=plots.GREEN, alpha=0.25, lw=0)
ax.axvline(2**-0.5, color=plots.BLACK, ls=":", lw=1.5)
ax.text(2**-0.5 + 0.02, 0.3, "left of here the\nvariance is infinite", fontsize=12)
ax.plot(scales, coverage, "o-", color=plots.BLUE)
ax.set(xlabel="scale s of the proposal", ylabel="coverage of 95 % intervals", ylim=(0, 1.02))
plots.show(fig, alt="Coverage is 95 percent for wide proposals and falls steadily once the scale is below 0.9.")

# %% tags=["check"]
assert (abs(coverage[scales > 0.99] - 0.95) < 0.02).all()
assert (coverage[(scales > 0.71) & (scales < 0.82)] < 0.93).all()  # earlier: here the variance is finite

# %% [markdown]
# At larger $s$, where the variance is still finite. A run that has not drawn the rare large terms estimates both the mean and its error bar without them, so the bar is too short exactly when it is needed. Error bars fail in two more ways, both seen above: no hit at all, and a hump that the proposal has missed. **Two humps, and a proposal on one of them: what will the ESS say?**

# %%
humps = MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.tensor([-4.0, 4.0]), 1.0))
q = Normal(4.0, 1.0)
with seeded(16):
    z = q.sample((1000,))
log_w = humps.log_prob(z) - q.log_prob(z)
w = log_w.exp()
print(
    f"total mass {w.mean():.4f} ± {w.std() / math.sqrt(1000):.1g} (truth 1), effective draws {ess(log_w):.0f} of 1000"
)
assert abs(w.mean() - 0.5) < 1e-3

# %% [markdown]
# The estimate is half the truth, and its error bar is tiny. The estimator is still unbiased: once in a great many runs a draw would land in the other hump, with an enormous weight. ESS and error bars describe only the draws you have. No diagnostic protects you, but a wide proposal does, or a mixture with a wide part.
#
# ## Further: an infinite variance, seen
#
# At $s = 1/2$ the weights follow a power law, $P(w > t) \propto t^{-4/3}$ up to logarithms: the mean exists, the variance does not. **What does a run of such an estimator look like?**

# %%
K = 100_000
fig, axes = plots.figure(1, 2, size=(11, 4), sharey=True)
for ax, scale in zip(axes, (1.5, 0.5), strict=True):
    q = copies(0.0, scale, 6)
    with seeded(9):
        z = q.sample((K,))
    running = (p.log_prob(z) - q.log_prob(z)).exp().cumsum(0) / torch.arange(1, K + 1)[:, None]
    ax.semilogx(range(1, K + 1, 10), running[::10], lw=1.3)
    ax.axhline(1, color=plots.BLACK, ls="--")
    ax.set(xlabel="draws", ylabel="mean weight", title=f"s = {scale}", ylim=(0.4, 1.6), xlim=(10, K))
    ax.label_outer()
plots.show(fig, alt="Six running means each. Wide proposal: they meet at one. Narrow: they creep below one and jump.")

# %% [markdown]
# The running mean is too low for long stretches, then jumps when a large weight arrives. Most runs end below the truth, and a few far above it make up for them: the estimate is unbiased all the same. It still converges almost surely, since the mean exists, but not at the rate $K^{-1/2}$.

# %%
with seeded(10):
    runs = importance(torch.ones_like, p.log_prob, copies(0.0, 0.5, 2000), K=1000)
    z = Normal(0.0, 0.5).sample((1_000_000,))
w = (p.log_prob(z) - Normal(0.0, 0.5).log_prob(z)).exp()
print(
    f"{(runs.value < 1).double().mean():.0%} of 2000 runs end below 1; {covers(runs, 1).double().mean():.0%} of their 95 % intervals hold it"
)
for t in (1, 10, 100):
    exact = 2 * stats.norm.sf(math.sqrt(2 * math.log(2 * t) / 3) / 0.5)  # w > t is a statement on |z|
    print(f"P(w > {t:3}): {(w > t).double().mean():.5f}, exact {exact:.5f}")
    assert abs((w > t).double().mean() - exact) < 5 * math.sqrt(exact / 1_000_000)

# %% [markdown]
# ## Further: when a constant is missing
#
# Often you know the target only up to its normalising constant $Z$: $p(z) = \tilde p(z) / Z$. Then divide the weights by their own sum, and the constant cancels:
#
# $$\hat I_{\mathrm{sn}} = \sum_k \tilde w_k f(z_k), \qquad \tilde w_k = \frac{w_k}{\sum_j w_j}, \qquad w_k = \frac{\tilde p(z_k)}{q(z_k)}$$
#
# Try a target with two humps, $\tilde p(z) = e^{-(z^2 - 3)^2 / 4}$, and ask for $\mathbb E[z^2]$.


# %%
def log_wells(z):
    return -((z**2 - 3) ** 2) / 4


Z, _ = integrate.quad(lambda z: math.exp(log_wells(z)), -6, 6, epsrel=1e-10)  # oracle: quadrature, twice
truth = integrate.quad(lambda z: z**2 * math.exp(log_wells(z)), -6, 6, epsrel=1e-10)[0] / Z
q = Normal(0.0, 2.0)
with seeded(24):
    estimate = importance(torch.square, log_wells, q, K=10_000, self_normalised=True)
    constant = importance(torch.ones_like, log_wells, q, K=10_000)  # the mean weight itself estimates Z
print(f"E[z^2]: truth {truth:.4f}, estimate {estimate}\nZ:      truth {Z:.4f}, estimate {constant}")
assert abs(estimate.value - truth) < 5 * estimate.std_err
assert abs(constant.value - Z) < 5 * constant.std_err

# %% [markdown]
# The price is a bias: a ratio of two unbiased estimates is not unbiased. With one draw, $\tilde w_1 = 1$, and the estimate has the mean $\mathbb E_q[f]$: the target plays no part. To first order in $1/K$ the bias is $-\mathbb E_q[w^2 (f - I)] / K$, with $w = p/q$ (Owen 2013, chapter 9). For $p = \mathcal N(0, 1)$,
# $q = \mathcal N(\delta, 1)$ and $f(z) = z$ that is $\delta e^{\delta^2} / K$: the estimate is pulled towards the proposal's mean.

# %%
delta, K = 0.5, 100
with seeded(13):
    runs = importance(lambda z: z, p.log_prob, copies(delta, 1.0, 50_000), K, self_normalised=True)
bias, std_err = runs.value.mean(), runs.value.std() / math.sqrt(50_000)
predicted = delta * math.exp(delta**2) / K
print(f"bias at K = {K}: {bias:.5f} ± {std_err:.5f}, predicted {predicted:.5f}; one run's error {runs.value.std():.3f}")
assert abs(bias - predicted) < 5 * std_err

# %% [markdown]
# The bias falls as $1/K$ and the error as $K^{-1/2}$, so for large $K$ the bias is the smaller of the two.
#
# ## Further: a density without a bound
#
# **What is $p(x)$ exactly at the tip of the heart, $x = (0, -20)$?** There the integrand near $z = \pi + t$ is of order $1/t^2$, whose integral diverges: $p(x)$ is infinite. At a distance $r$ above the tip, integrating the peaks at $z = \pm \pi$ gives $p(x) \approx 3 e^{-\pi^2/2} / r$.

# %%
limit = 3 * math.exp(-(math.pi**2) / 2)
for r in (1e-1, 1e-2, 1e-3):
    fine = torch.arange(-2 * math.pi + 5e-6, 2 * math.pi, 1e-5)
    near = (log_joint((0.0, -20.0 + r), fine).exp().sum() * 1e-5).item()
    print(f"r = {r:5}: r p(x) = {r * near:.6f}, limit {limit:.6f}")
assert abs(1e-3 * near / limit - 1) < 0.01  # O(r)

# %% [markdown]
# If the parameters can move such a peak onto a datum, the likelihood has no maximum. Gaussian mixtures have this problem (notebook 03).
#
# ## Lecture demo
#
# On the left you see the target $p$ (blue), your proposal $q$ (dashed) and the best one (green, scaled to fit); below them, the terms $w f / I$ of a thousand draws. The flatter they are, the smaller the variance. On the right is the running estimate with its error band.
#
# <details><summary>Speaker note</summary>
#
# 1. **Total mass**, scale 1: every term is one, no error. Widen to 2: the terms dip at the sides, the band stays
#    honest. Narrow slowly to 0.7: the parabola turns upwards, the line below says *infinite*, the band stays small.
#    Go to 0.5, press *New samples* a few times, and count how often the truth is outside. Ask: what in the picture
#    on the right could have warned you? (Nothing.)
# 2. **P(z > 4)**, mean 0: the estimate is zero, its error bar is zero, and it is wrong. Slide the mean to 4 and watch the effective draws rise. Then narrow
#    to 0.5: better by the band, infinite by the line below.
# 3. **Two humps**, mean -2, scale 0.7: the terms form a flat line, at one half. Widen until it jumps. What is the narrowest
#    proposal you would trust?
# 4. **The heart**: slide $z$ from -4 to 4, then put the cross on C. Two needles: where would a normal go?
#
# </details>

# %%
demo = explore("proposal_explorer", problem=2, mean=-2.0, scale=0.7)

# %% [markdown]
# ## Summary
#
# - A mean over draws is unbiased with error $\sqrt{\mathbb V[f]/K}$; a further digit costs a hundred times the draws.
# - Weights $p/q$ correct for drawing elsewhere. The support of $q$ makes the mean right; its tails decide the variance.
# - The best proposal is $f p / I$. For $p(x)$ it is the posterior, and then every weight equals $p(x)$.
# - Error bars and ESS know only the draws they have. A low ESS of a pilot is a warning; a high ESS is no proof.
# - The logarithm of an unbiased estimate is on average too low. Its mean is a lower bound, which notebooks 05 and 09 make tight.
#
# **To read** Owen, *Monte Carlo theory, methods and examples* (2013), chapters 2 and 9; MacKay, *Information Theory,
# Inference, and Learning Algorithms* (2003), chapter 29; Burda, Grosse and Salakhutdinov, *Importance weighted
# autoencoders* (2016), for where this leads.
#
# **The next question** For which models is the integral over $z$ exact, so that no sampling is needed? Linear ones
# with Gaussian noise: notebook 02.
