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
# - draw from the wrong distribution on purpose, correct for it by weights, and choose it well;
# - recognise an error bar that cannot be trusted;
# - compute $p(x)$ of a latent variable model in three ways that agree.
#
# **Time** 75 minutes; the cells run in about 20 seconds on a laptop. **Prerequisites** notebook 00, densities,
# variance.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $p(z)$, $q(z)$ | `p`, `q` | | target and proposal, `torch.distributions` |
# | $f(z)$ | `f` | $K$ | the function whose mean we want |
# | $I = \mathbb E_p[f(z)]$ | `truth` | scalar | the integral |
# | $\hat I$ and its standard error | `estimate.value`, `.std_err` | scalar | what $K$ draws say about it |
# | $K$ | `K` | | draws |
# | $w = p(z)/q(z)$ | `log_w` | $K$ | importance weights, kept as logarithms (nats) |
# | $x$, $p(x \mid z)$ | `x`, `decoder(z)` | 2 | observation, and its model given the latent $z$ |
#
# In the code samples are always the first axis. Logarithms are natural.

# %%
import math
from itertools import pairwise

import numpy as np
import torch
from scipy import integrate, special, stats
from torch.distributions import (
    Categorical,
    Exponential,
    Independent,
    MixtureSameFamily,
    Normal,
    TransformedDistribution,
)
from torch.distributions.transforms import AffineTransform

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.explorables.scenes.monte_carlo import TAIL, ProposalExplorer
from lvmteach.classroom.figures import plots
from lvmteach.integrals import ess, importance, log_mean_exp, monte_carlo, normalise
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## An integral is a mean
#
# Nearly everything in this course is an integral of one form, and nearly none of them has a formula:
#
# $$I = \mathbb E_p[f(z)] = \int f(z)\, p(z)\, dz \qquad\approx\qquad \hat I = \frac 1K \sum_{k=1}^K f(z_k), \quad z_k \sim p$$
#
# We begin with one that has: for $z \sim \mathcal N(0, 1)$, $\mathbb E[\cos z] = e^{-1/2}$. **Before you run the
# cell:** how many digits do 10 000 draws give you?

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
# Two digits, and an error bar that says so. Those three lines are the library's `monte_carlo`; it returns the
# estimate together with its standard error.

# %%
with seeded(1):
    estimate = monte_carlo(torch.cos, p, K=10_000)
print(estimate)
assert estimate.value == value
assert abs(estimate.std_err - std_err) < 1e-15  # rounding

# %% [markdown]
# ## How wrong?
#
# The draws are independent, so the mean has the right expectation and a variance that you know:
#
# $$\mathbb E[\hat I] = I, \qquad \mathbb V[\hat I] = \frac{\mathbb V_p[f]}{K}$$
#
# The dimension of $z$ does not appear. That is why this method has no rival in a thousand dimensions, and many in
# one. The price is the rate: **how many more draws buy one more digit?**
#
# Measure it. A distribution of batch shape 1000 gives 1000 independent estimates at once.


# %%
def copies(mean, scale, repeats):
    """`repeats` times the same normal: one independent estimate each."""
    return Normal(torch.full((repeats,), mean), torch.full((repeats,), scale))


variance = (1 + math.exp(-2)) / 2 - math.exp(-1)  # V[cos z] = E[(1 + cos 2z)/2] - E[cos z]^2
draws = [10, 30, 100, 300, 1000, 3000]
with seeded(2):
    estimates = [monte_carlo(torch.cos, copies(0.0, 1.0, 1000), K).value for K in draws]
rms = torch.stack([(e - truth).square().mean().sqrt() for e in estimates])
predicted = (variance / torch.tensor(draws)).sqrt()
assert ((rms / predicted - 1).abs() < 5 / math.sqrt(2 * 1000)).all()  # an rms of n values: relative error (2n)^-1/2

# %%
fig, ax = plots.figure()
ax.loglog(draws, predicted, "--", color=plots.BLACK, label="$\\sqrt{V[f] / K}$")
ax.loglog(draws, rms, "o", color=plots.BLUE, label="measured, 1000 runs")
ax.set(xlabel="draws K", ylabel="root mean square error", title="ten times better costs a hundred times the draws")
ax.legend()
plots.show(fig, alt="Error against draws on log axes: the measured points lie on a line of slope minus one half.")

# %% [markdown]
# A hundred times more. The rate $K^{-1/2}$ cannot be changed here; what can be changed is the variance in front of
# it. Most of this notebook does that.
#
# ## What an error bar promises
#
# $\hat I$ is nearly normal for large $K$, so $\hat I \pm 1.96$ standard errors should hold the truth in 95 % of runs.
# It is a promise about the procedure, over many runs. Check it before you rely on it.


# %%
def covers(estimate, truth):
    return (estimate.value - truth).abs() <= 1.96 * estimate.std_err


with seeded(30):
    estimate = monte_carlo(torch.cos, copies(0.0, 1.0, 2000), K=500)
held = covers(estimate, truth)
print(f"{held.double().mean():.1%} of 2000 intervals hold the truth")
assert 0.93 < held.double().mean() < 0.97  # 0.95 ± 4 standard errors of a share of 2000

# %%
fig, ax = plots.figure(size=(9, 3.6))
run, half = np.arange(60), 1.96 * estimate.std_err[:60].numpy()
for hit, colour, marker in ((True, plots.BLUE, "o"), (False, plots.RED, "X")):
    at = held[:60].numpy() == hit
    ax.errorbar(run[at], estimate.value[:60][at], half[at], fmt=marker, color=colour, lw=1.5, label=f"{at.sum()}")
ax.axhline(truth, color=plots.BLACK, ls="--", lw=1.5)
ax.set(xlabel="run", ylabel="estimate", xlim=(-1, 60), title="60 runs: dots hold the truth, crosses miss it")
plots.show(fig, alt="Sixty error bars around the true value; the one marked by a cross does not reach it.")

# %% [markdown]
# ## A rare event
#
# What is the probability that a standard normal lands beyond four? Here $f(z) = \mathbb 1[z > 4]$, and Monte Carlo
# counts. **Before you run the cell:** how many of 10 000 draws do you expect there? And if there are none, what will
# the error bar be?


# %%
def beyond_four(z):
    return z > 4


truth = stats.norm.sf(4)  # oracle: scipy's normal tail
with seeded(3):
    plain = monte_carlo(beyond_four, p, K=10_000)
print(f"truth {truth:.4g}, plain Monte Carlo {plain}")
print(f"expected hits {10_000 * truth:.2f}, probability of none {(1 - truth) ** 10_000:.0%}")
assert plain.value == plain.std_err == 0  # this run is one of those

# %% [markdown]
# No hit, and an error bar of zero: complete certainty, and wrong. The estimator cannot know what it has not seen.
# Three runs in four end like this, so the "95 %" interval holds the truth in about a quarter of them.

# %%
hits = np.random.default_rng(5).binomial(10_000, truth, size=100_000)  # a run is known by its number of hits
share = hits / 10_000
half = 1.96 * np.sqrt(share * (1 - share) / 9_999)
coverage = np.mean(abs(share - truth) <= half)
print(f"coverage of the 95 % interval: {coverage:.1%}")
assert abs(coverage - (1 - (1 - truth) ** 10_000)) < 5 * 0.5 / math.sqrt(100_000)  # covered unless there is no hit

# %% [markdown]
# ## Draw elsewhere, pay with weights
#
# Multiply and divide by a density $q$ from which you *can* draw where it matters:
#
# $$I = \int f(z)\, p(z)\, dz = \int f(z)\, \frac{p(z)}{q(z)}\, q(z)\, dz = \mathbb E_q[w(z) f(z)], \qquad w(z) = \frac{p(z)}{q(z)}$$
#
# The mean of $w f$ over draws from $q$ is unbiased wherever $q$ covers: $q(z) > 0$ wherever $f(z) p(z) \neq 0$.
# Nothing more is needed for the *mean*. Put the proposal at the edge of the event, $q = \mathcal N(4, 1)$.

# %%
q = Normal(4.0, 1.0)
with seeded(4):
    shifted = importance(beyond_four, p.log_prob, q, K=10_000)
print(f"truth {truth:.4g}, importance sampling {shifted}")
assert abs(shifted.value - truth) < 5 * shifted.std_err

# %% [markdown]
# Same budget, and a relative error near 2 %. **Can you say how much was gained before measuring it?** The variance of
# one draw is
#
# $$\mathbb V_q[w f] = \int \frac{f(z)^2\, p(z)^2}{q(z)}\, dz - I^2$$
#
# and for $q = \mathcal N(a, 1)$ you can complete the square: $p^2/q = e^{a^2} \mathcal N(z; -a, 1)$, so
# $\mathbb E_q[(wf)^2] = e^{a^2} P(Z > 2a)$.

# %%
# NBVAL_CHECK_OUTPUT
plain_variance = truth * (1 - truth)
shifted_variance = math.exp(16) * stats.norm.sf(8) - truth**2
print(f"variance of one draw: {plain_variance:.4g} plain, {shifted_variance:.4g} shifted")
print(f"ratio {plain_variance / shifted_variance:.0f}")
for name, v in (("plain", plain_variance), ("shifted", shifted_variance)):
    print(f"draws for a relative error of 1 %, {name}: {v / (0.01 * truth) ** 2:.3g}")

# %%
with seeded(6):
    runs = importance(beyond_four, p.log_prob, copies(4.0, 1.0, 1000), K=1000)
measured = 1000 * runs.std_err**2  # each run's own guess of the variance of one draw
print(f"measured {measured.mean():.4g}, closed form {shifted_variance:.4g}")
assert abs(measured.mean() - shifted_variance) < 5 * measured.std() / math.sqrt(1000)

# %% [markdown]
# ## The best proposal
#
# The variance is zero when $w f$ is the same for every $z$, and that tells you the best $q$ (for $f \ge 0$):
#
# $$q^*(z) = \frac{f(z)\, p(z)}{I} \qquad\Longrightarrow\qquad w(z) f(z) = I \text{ for every draw}$$
#
# It contains $I$, which you do not know, so it is a compass and not a recipe: *imitate $f p$*. For our event $q^*$ is
# a normal cut off at four; SciPy has it.

# %%
best = stats.truncnorm(4, np.inf)
z = torch.from_numpy(best.rvs(5, random_state=7))
w = (p.log_prob(z) - torch.from_numpy(best.logpdf(z.numpy()))).exp()
print("draws  ", z.numpy().round(3))
print("weights", w.numpy())
assert torch.allclose(w, torch.tensor(truth), rtol=1e-12, atol=0)  # rounding

# %% [markdown]
# One draw would do. Now look at the shape of $q^*$ and imitate it. Just above four,
# $p(z) \propto e^{-z^2/2} \approx e^{-8 - 4(z-4)}$: nearly an exponential of rate 4. **How much better than the
# shifted normal will that be?**

# %%
exponential = TransformedDistribution(Exponential(4.0), AffineTransform(4.0, 1.0))
with seeded(4):
    close = importance(beyond_four, p.log_prob, exponential, K=10_000)
print(f"truth {truth:.6g}, four plus an exponential {close}")
assert abs(close.value - truth) < 5 * close.std_err

second, _ = integrate.quad(lambda z: stats.norm.pdf(z) ** 2 / stats.expon.pdf(z, 4, 1 / 4), 4, 12, epsrel=1e-10)
print(f"variance ratio to plain Monte Carlo: {plain_variance / (second - truth**2):.3g}")

# %%
fig, ax = plots.figure()
z = torch.linspace(2, 7, 501)
ax.fill_between(z, torch.from_numpy(best.pdf(z.numpy())), color=plots.GREEN, alpha=0.3, label="best, $f p / I$")
ax.plot(z, q.log_prob(z).exp(), "--", color=plots.ORANGE, label="$N(4, 1)$")
inside = z[z > 4]
ax.plot(inside, exponential.log_prob(inside).exp(), "-.", color=plots.RED, label="4 + exponential")
ax.set(xlabel="z", ylabel="density", title="imitate f p")
ax.legend()
plots.show(fig, alt="The best proposal starts at four and falls fast; the exponential hugs it, the normal does not.")

# %% [markdown]
# ## Heavy tails
#
# You will read that a proposal needs heavier tails than the target. Needs them for what? Take $f = 1$, so that
# $I = 1$ and every error is the weights' doing, with $p = \mathcal N(0, 1)$ and $q = \mathcal N(0, s^2)$. The
# integral for the second moment is Gaussian:
#
# $$\mathbb E_q[w^2] = \int \frac{p(z)^2}{q(z)}\, dz = \frac{s}{\sqrt{2\pi}} \int e^{-z^2 \left(1 - \frac{1}{2 s^2}\right)} dz = \frac{s^2}{\sqrt{2 s^2 - 1}}
# \quad\text{if } s^2 > \tfrac12, \text{ else } \infty$$
#
# **Which is worse, a proposal twice too wide or twice too narrow?**


# %%
def second_moment(s):
    return s**2 / np.sqrt(2 * s**2 - 1) if s**2 > 1 / 2 else math.inf


def up_to(cut, s):  # oracle: the same integral over |z| < cut, by quadrature
    return integrate.quad(lambda z: stats.norm.pdf(z) ** 2 / stats.norm.pdf(z, 0, s), -cut, cut, epsrel=1e-10)[0]


# %%
# NBVAL_CHECK_OUTPUT
for s in (2.0, 1.0, 0.75, 0.5):
    print(f"s = {s:4}: {second_moment(s):8.4f}   up to 5, 10, 15:", *(f"{up_to(cut, s):.5g}" for cut in (5, 10, 15)))
assert all(abs(up_to(15, s) / second_moment(s) - 1) < 1e-7 for s in (2.0, 1.0, 0.75))

# %% [markdown]
# Twice too wide costs a factor of 1.5; twice too narrow costs everything. At $s = 1/2$ the integral grows without
# end. Now measure it with samples: the second moment is itself a mean under $p$, $\mathbb E_q[w^2] = \mathbb E_p[w]$.

# %%
scales = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.5, 2.0, 3.0]
measured = []
for s in scales:
    q = copies(0.0, s, 3)  # three runs each
    with seeded(8):
        weight = lambda z, q=q: (p.log_prob(z) - q.log_prob(z)).exp()  # noqa: E731
        measured.append(importance(weight, p.log_prob, q, K=20_000))
for s, m in zip(scales, measured, strict=True):
    if s**2 > 3 / 4:  # there w^2 has a variance, and with it an error bar
        assert ((m.value - second_moment(s)).abs() < 5 * m.std_err).all()

# %%
fig, ax = plots.figure()
s = np.linspace(0.7075, 3.1, 2000)
ax.semilogy(s, s**2 / np.sqrt(2 * s**2 - 1), color=plots.BLUE, label="$s^2 / \\sqrt{2 s^2 - 1}$")
ax.plot(np.repeat(scales, 3), torch.cat([m.value for m in measured]), "o", color=plots.ORANGE, label="3 x 20 000 draws")
ax.axvspan(0.3, 2**-0.5, color=plots.GREY, alpha=0.3, lw=0, label="infinite")
ax.set(xlabel="scale s of the proposal", ylabel="second moment of the weights", ylim=(0.7, 1e3), xlim=(0.3, 3.1))
ax.legend()
plots.show(fig, alt="The second moment is one at scale one, rises slowly to the right, and to infinity on the left.")

# %% [markdown]
# Look at the left of the picture. Where the truth is infinite, every run still reports some finite number, each run
# another.
#
# Is the estimate at least unbiased there? Yes: $q > 0$ everywhere. The weights follow a power law,
# $P(w > t) \propto t^{-1/(1 - s^2)}$ up to logarithms: at $s = 1/2$ the exponent is 4/3. Above 1, so the mean exists;
# below 2, so the variance does not. **What does a run of such an estimator look like?**

# %%
K, s = 100_000, 0.5
fig, axes = plots.figure(1, 2, size=(11, 4), sharey=True)
for ax, scale in zip(axes, (1.5, s), strict=True):
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
# Long stretches too low, then a jump when one enormous weight arrives. Most runs end below the truth, and a few far
# above make up for it: that is what unbiased can mean. Here are the runs and the exact tail of the weights.

# %%
q = copies(0.0, s, 2000)
with seeded(10):
    runs = importance(torch.ones_like, p.log_prob, q, K=1000)
    z = Normal(0.0, s).sample((1_000_000,))
low, held = (runs.value < 1).double().mean(), covers(runs, 1).double().mean()
print(f"{low:.0%} of 2000 runs end below 1; {held:.0%} of their 95 % intervals hold it")
w = (p.log_prob(z) - Normal(0.0, s).log_prob(z)).exp()
for t in (1, 10, 100):
    exact = 2 * stats.norm.sf(math.sqrt(2 * math.log(t / s) / (1 / s**2 - 1)) / s)  # w > t is a statement on |z|
    print(f"P(w > {t:3}): {(w > t).double().mean():.5f}, exact {exact:.5f}")
    assert abs((w > t).double().mean() - exact) < 5 * math.sqrt(exact / 1_000_000)
assert held < 0.93

# %% [markdown]
# ## To the power of d
#
# In $d$ independent dimensions the weights multiply, and so do their second moments:
# $\mathbb E_q[w^2] = (s^2 / \sqrt{2 s^2 - 1})^d$. It is handy to count *effective* samples,
#
# $$\mathrm{ESS} = \frac{(\sum_k w_k)^2}{\sum_k w_k^2}, \qquad 1 \le \mathrm{ESS} \le K, \qquad \frac{\mathrm{ESS}}{K} \to \frac{\mathbb E_q[w]^2}{\mathbb E_q[w^2]}$$
#
# A proposal 25 % too wide, $s = 1.25$, has $\mathbb E_q[w^2] = 1.07$ in one dimension. Nobody would complain. **How
# many of 10 000 draws remain effective in 100 dimensions?**

# %%
K, dims = 10_000, [1, 2, 5, 10, 20, 50, 100]
with seeded(11):
    z = 1.25 * torch.randn(K, 20, max(dims))  # twenty runs
log_w = (p.log_prob(z) - Normal(0.0, 1.25).log_prob(z)).cumsum(-1)[..., [d - 1 for d in dims]]
size = ess(log_w)  # (20 runs, dims)
predicted = K * second_moment(1.25) ** -torch.tensor(dims)
for d, measured, exact in zip(dims, size.mean(0), predicted, strict=True):
    print(f"d = {d:3}: effective draws {measured:7.1f}, predicted {exact:7.1f}")
assert ((size.mean(0) - predicted).abs()[:4] < 5 * size.std(0)[:4] / math.sqrt(20)).all()  # d <= 10

# %% [markdown]
# Ten, says the formula. (The measured fifty is an illusion: an ESS is computed from the weights you have, and those
# that would pull it down are the ones you have not seen.) A small mismatch in every direction is a large one in all
# of them together. This is the central difficulty of the course: a latent space has tens of dimensions, so a proposal
# must be *learnt*, and for each $x$ anew.
#
# ESS and the error bar of the mean weight are one number in two dresses:
# $\mathrm{std\_err} / \hat I = \sqrt{(K / \mathrm{ESS} - 1) / (K - 1)}$.

# %%
w = log_w[:, 0, 2].exp()  # one run, d = 5
relative = w.std() / w.mean() / math.sqrt(K)
print(f"relative standard error {relative:.5f}, from the ESS {((K / ess(log_w[:, 0, 2]) - 1) / (K - 1)).sqrt():.5f}")
assert torch.allclose(relative, ((K / ess(log_w[:, 0, 2]) - 1) / (K - 1)).sqrt())

# %% [markdown]
# ## Weights live as logarithms
#
# A binary image of 784 pixels has a probability near $e^{-90}$; a harmless product of a few thousand densities leaves
# the range of floating point altogether. So carry $\log w$, and average without leaving it:
#
# $$\log \frac 1K \sum_k w_k = m + \log \frac 1K \sum_k e^{\log w_k - m}, \qquad m = \max_k \log w_k$$
#
# The largest term becomes $e^0 = 1$: no overflow, and what underflows did not matter. **What does the naive line
# print?**

# %%
# NBVAL_CHECK_OUTPUT
log_w = torch.tensor([-2000.0, -2000.0 + math.log(3.0)])  # weights e^-2000 and 3 e^-2000: their mean is 2 e^-2000
print(f"naive          {log_w.exp().mean().log():.4f}")
print(f"log_mean_exp   {log_mean_exp(log_w):.4f}")
print(f"by hand        {-2000 + math.log(2):.4f}")
assert abs(log_mean_exp(log_w) - (special.logsumexp(log_w.numpy()) - math.log(2))) < 1e-12  # oracle: scipy

# %% [markdown]
# ## When a constant is missing
#
# Often you know the target only up to its constant, $p(z) = \tilde p(z) / Z$. Then divide the weights by their own
# sum:
#
# $$\hat I_{\mathrm{sn}} = \sum_k \tilde w_k f(z_k), \qquad \tilde w_k = \frac{w_k}{\sum_j w_j}, \qquad w_k = \frac{\tilde p(z_k)}{q(z_k)}$$
#
# The constant cancels. Try a target with two wells, $\tilde p(z) = e^{-(z^2 - 3)^2 / 4}$, and ask for
# $\mathbb E[z^2]$.


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
# The price is a bias: a ratio of two unbiased estimates is not unbiased. With one draw, $\tilde w_1 = 1$ whatever it
# is, and the estimate is $\mathbb E_q[f]$: all you have is the proposal. To first order in $1/K$ the bias is
# $-\mathbb E_q[w^2 (f - I)] / K$ (Owen 2013, chapter 9). For $p = \mathcal N(0, 1)$, $q = \mathcal N(\delta, 1)$ and
# $f(z) = z$ that is $\delta e^{\delta^2} / K$: **towards which side?**

# %%
delta, K = 0.5, 100
with seeded(13):
    runs = importance(lambda z: z, p.log_prob, copies(delta, 1.0, 50_000), K, self_normalised=True)
bias, std_err = runs.value.mean(), runs.value.std() / math.sqrt(50_000)
predicted = delta * math.exp(delta**2) / K
print(f"bias at K = {K}: {bias:.5f} ± {std_err:.5f}, predicted {predicted:.5f}; one run's error {runs.value.std():.3f}")
assert abs(bias - predicted) < 5 * std_err

# %% [markdown]
# Towards the proposal, and an order of magnitude below the error bar: bias falls as $1/K$, the error bar as
# $K^{-1/2}$. In practice you forgive it.
#
# ## Where error bars fail
#
# First the good news. Over 2000 repeats, with a sound proposal, all three estimators keep their promise.

# %%
truth, sound = math.exp(-1 / 2), (0.3, 1.3, 2000)
with seeded(14):
    runs = {
        "Monte Carlo": monte_carlo(torch.cos, copies(0.0, 1.0, 2000), K=500),
        "importance": importance(torch.cos, p.log_prob, copies(*sound), K=500),
        "self-normalised": importance(torch.cos, p.log_prob, copies(*sound), K=500, self_normalised=True),
    }
for name, estimate in runs.items():
    held = covers(estimate, truth).double().mean()
    print(f"{name:15} {held:.1%} of 2000 intervals hold the truth")
    assert 0.93 < held < 0.97

# %% [markdown]
# Now narrow the proposal, step by step, with $f(z) = z^2$ (truth 1) and $K = 1000$. **Where will coverage leave 95 %:
# at $s^2 = 1/2$, earlier, or later?**

# %%
scales = np.arange(0.4, 1.55, 0.05)
with seeded(15):
    runs = [importance(torch.square, p.log_prob, copies(0.0, float(s), 2000), K=1000) for s in scales]
coverage = np.array([covers(estimate, 1).double().mean() for estimate in runs])
assert (abs(coverage[scales > 0.99] - 0.95) < 0.02).all()
assert (coverage[scales < 0.71] < 0.93).all()
assert (coverage[(scales > 0.71) & (scales < 0.82)] < 0.93).all()  # earlier: here the variance is finite

# %%
fig, ax = plots.figure()
ax.axhspan(0.93, 0.97, color=plots.GREEN, alpha=0.25, lw=0)
ax.axvline(2**-0.5, color=plots.BLACK, ls=":", lw=1.5)
ax.text(2**-0.5 + 0.02, 0.3, "left of here the\nvariance is infinite", fontsize=12)
ax.plot(scales, coverage, "o-", color=plots.BLUE)
ax.set(xlabel="scale s of the proposal", ylabel="coverage of 95 % intervals", ylim=(0, 1.02))
ax.set_title("a promise kept (green band) and broken")
plots.show(fig, alt="Coverage is 95 percent for wide proposals and falls steadily once the scale is below 0.9.")

# %% [markdown]
# Earlier. The error bar is computed from the same squares that are missing their largest members, so it is too short
# exactly when it matters. There is a second way to fail, and it is worse. **Two humps, and a proposal that has found
# one of them: what will the ESS say?**

# %%
humps = MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.tensor([-4.0, 4.0]), 1.0))
q = Normal(4.0, 1.0)
with seeded(16):
    z = q.sample((1000,))
log_w = humps.log_prob(z) - q.log_prob(z)
with seeded(16):
    mass = importance(torch.ones_like, humps.log_prob, q, K=1000)
print(f"total mass {mass} (truth 1), effective draws {ess(log_w):.0f} of 1000")
assert abs(mass.value - 0.5) < 1e-3

# %% [markdown]
# Half the truth, with perfect confidence. The estimator is still unbiased: once in a great many runs a draw would
# land in the other hump and carry an astronomical weight. ESS and error bars speak about the draws you have. What
# guards against this is not a diagnostic but the proposal: make it wide, or mix in something that is.
#
# ## Jensen's gap, the seed of every bound
#
# Likelihoods are reported as logarithms. So what if you take the logarithm of an unbiased estimate? It is concave,
# and Jensen's inequality says
#
# $$\mathbb E[\log \hat I] \le \log \mathbb E[\hat I] = \log I$$
#
# Take the smallest latent variable model: $z \sim \mathcal N(0, 1)$, $x \mid z \sim \mathcal N(z, 1)$. Then
# $x \sim \mathcal N(0, 2)$, and the posterior is $\mathcal N(x/2, 1/2)$. **With the posterior as proposal, what are
# the weights $p(x \mid z)\, p(z) / q(z)$?**


# %%
# NBVAL_CHECK_OUTPUT
def log_weights(x, q, shape):
    z = q.sample(shape)
    return p.log_prob(z) + Normal(z, 1.0).log_prob(x) - q.log_prob(z)


x = torch.tensor(1.7)
log_p_x = stats.norm.logpdf(1.7, 0, math.sqrt(2))  # oracle: the marginal
with seeded(17):
    log_w = log_weights(x, Normal(x / 2, math.sqrt(1 / 2)), (4,))
print("log weights", *(f"{one:.4f}" for one in log_w), f"  log p(x) {log_p_x:.4f}")
assert (log_w - log_p_x).abs().max() < 1e-13  # rounding

# %% [markdown]
# All equal to $\log p(x)$: the posterior is $q^*$ for the integral $p(x) = \int p(x \mid z)\, p(z)\, dz$. Now miss it
# by $\delta$, $q = \mathcal N(x/2 + \delta, 1/2)$. Then $\log w - \log p(x)$ is $\mathcal N(-v/2, v)$ with
# $v = 2\delta^2$, and with one sample the gap is $v/2$. **What do more samples inside the logarithm do?**

# %%
v, K = 1.0, [1, 2, 5, 10, 20, 50, 100, 200]
q = Normal(x / 2 + math.sqrt(v / 2), math.sqrt(1 / 2))
with seeded(18):
    bounds = [log_mean_exp(log_weights(x, q, (k, 20_000))) for k in K]
gap = torch.stack([log_p_x - bound.mean() for bound in bounds])
std_err = torch.stack([bound.std() / math.sqrt(20_000) for bound in bounds])
# oracles: v/2 for one sample; for two, v/2 - E[log cosh(sqrt(v/2) eps)], by quadrature
inner = integrate.quad(lambda e: stats.norm.pdf(e) * math.log(math.cosh(math.sqrt(v / 2) * e)), -9, 9, epsrel=1e-9)[0]
assert ((gap[:2] - torch.tensor([v / 2, v / 2 - inner])).abs() < 5 * std_err[:2]).all()
print(f"gap with one sample {gap[0]:.3f} (exact {v / 2:.3f}), with two {gap[1]:.3f} (exact {v / 2 - inner:.3f})")
assert (gap.diff() < 0).all()

# %%
fig, ax = plots.figure()
k = np.array(K)
ax.loglog(k, (math.exp(v) - 1) / (2 * k), "--", color=plots.BLACK, label="$V[w] / (2 K I^2) = (e^v - 1) / 2K$")
ax.errorbar(k, gap, 1.96 * std_err, fmt="o-", color=plots.BLUE, label="$\\log p(x) - E[\\log \\hat I]$")
ax.set(xlabel="samples K inside the logarithm", ylabel="gap, nats", title="the bound tightens with K")
ax.legend()
plots.show(fig, alt="The gap falls from one half; for many samples it follows a dashed line of slope minus one.")

# %% [markdown]
# A lower bound on $\log p(x)$ that needs no formula for $p(x)$, and gets tight in two ways: a better $q$, or more
# samples. With $K = 1$ it will be called the *evidence lower bound* and train variational autoencoders (notebooks 05,
# 08); with $K > 1$ it is the *importance weighted* bound (notebook 09). The dashed line is the delta method:
# $\log(I + \text{error}) \approx \log I + \text{error}/I - \text{error}^2 / 2 I^2$.
#
# ## p(x) of a latent variable model
#
# Now the real thing, with one latent dimension and two observed ones. A curve, blurred by a noise that depends on
# where you are:
#
# $$z \sim \mathcal N(0, 1), \quad x \mid z \sim \mathcal N(\mu(z), \Sigma(z)), \quad
# \mu(z) = \begin{pmatrix} 10 \sin^3 z \\ 10 \cos z - 10 \cos^4 z \end{pmatrix}, \quad
# \Sigma(z) = \mathrm{diag}\left( \Big(\frac{\sin z}{3 z}\Big)^2, \Big(\frac{\sin z}{z}\Big)^2 \right)$$
#
# **Before you run the cell:** which shape is it?


# %%
def decoder(z):
    mean = torch.stack([10 * z.sin() ** 3, 10 * z.cos() - 10 * z.cos() ** 4], -1)
    scale = torch.sinc(z / math.pi).abs()  # torch.sinc(t) is sin(pi t) / (pi t), and 1 at 0
    return Independent(Normal(mean, torch.stack([scale / 3, scale], -1)), 1)


with seeded(19):
    z = p.sample((3000,))
    samples = decoder(z).sample()
points = {"A": (3.7, 4.6), "B": (0.0, 2.0), "C": (0.0, -19.0)}

# %%
fig, ax = plots.figure(size=(7.5, 5))
dots = ax.scatter(*samples.T, c=z, s=5, cmap=plots.SEQUENTIAL, vmin=-3, vmax=3)
curve = decoder(torch.linspace(-4.5, 4.5, 600)).mean
ax.plot(*curve.T, color=plots.GREY, lw=1)
for name, (a, b) in points.items():
    ax.plot(a, b, "X", color=plots.RED, ms=11, mec="white")
    ax.annotate(name, (a, b), xytext=(8, 4), textcoords="offset points", weight="bold")
fig.colorbar(dots, label="latent z")
ax.set(xlabel="$x_1$", ylabel="$x_2$", title="3000 draws from p(x)")
plots.show(fig, alt="Draws along a heart-shaped curve: dense at the notch, sparse towards the tip below.")

# %% [markdown]
# How likely is a given $x$, say A, B or C? You need $p(x) = \int p(x \mid z)\, p(z)\, dz$. With one latent dimension,
# a sum over a grid will do, if you look at the integrand first.
#
# - At $z = 0$ the scale is $\sin z / z \to 1$: no trouble once you compute it as `sinc`.
# - At $z = \pm\pi, \pm 2\pi, \dots$ the scale is zero, and the density of $x$ given $z$ has an infinite peak, at
#   $\mu(\pm\pi) = (0, -20)$ or $\mu(\pm 2\pi) = (0, 0)$. For any other $x$ that peak is elsewhere:
#   $e^{-r^2 / 2\sigma^2} / \sigma^2$ goes to zero, with all its derivatives, as $\sigma \to 0$.
# - So the integrand is smooth and dies out at both ends. For such a function equal steps (the trapezoid rule)
#   converge faster than any power of the step, once the step resolves the narrowest peak. That is a few thousandths
#   here.


# %%
def grid(step=1e-4):
    return torch.arange(-4 * math.pi + step / 2, 4 * math.pi, step)


def log_joint(x, z):
    return p.log_prob(z) + decoder(z).log_prob(torch.as_tensor(x))


def quadrature(x, step=1e-4):
    return log_joint(x, grid(step)).exp().sum() * step


def relative_moment(x, q):
    """E_q[w^2] / p(x)^2 for w = p(x, z) / q(z), on the same grid: K draws have relative variance (this - 1) / K."""
    return (2 * log_joint(x, grid()) - q.log_prob(grid())).exp().sum() * 1e-4 / quadrature(x) ** 2


# %% [markdown]
# An integral on which everything else leans deserves a second opinion: SciPy's adaptive rule on SciPy's densities,
# cut at the multiples of $\pi$.


# %%
# NBVAL_CHECK_OUTPUT
def integrand(z, x):
    scale = abs(np.sinc(z / np.pi))
    on_x1 = stats.norm.pdf(x[0], 10 * np.sin(z) ** 3, scale / 3)
    return on_x1 * stats.norm.pdf(x[1], 10 * np.cos(z) - 10 * np.cos(z) ** 4, scale) * stats.norm.pdf(z)


def adaptive(x):
    cuts = np.pi * np.arange(-4, 5)
    rule = {"args": (x,), "limit": 500, "epsabs": 0, "epsrel": 1e-10}
    return sum(integrate.quad(integrand, a, b, **rule)[0] for a, b in pairwise(cuts))


p_x = {name: quadrature(x).item() for name, x in points.items()}
for name, x in points.items():
    print(f"{name} {x}: p(x) = {p_x[name]:.5e}, log p(x) = {math.log(p_x[name]):.4f} nats")
    assert abs(adaptive(x) / p_x[name] - 1) < 1e-9

# %% [markdown]
# Nine digits agree. **And exactly at the tip, $x = (0, -20)$?** There the integrand near $z = \pi + t$ is of order
# $1/t^2$, which has no integral: $p(x)$ is infinite. At a distance $r$ below or above the tip, integrating that peak
# gives $p(x) \approx 3 e^{-\pi^2/2} / r$. Any rule that prints a number at the tip tells you how near its grid came to
# $\pm\pi$, and nothing about $p(x)$.

# %%
for r in (1e-1, 1e-2, 1e-3):
    print(f"r = {r:5}: r p(x) = {r * quadrature((0.0, -20.0 + r), step=1e-5):.6f}")
print(f"limit            {3 * math.exp(-(math.pi**2) / 2):.6f}")
print("at the tip:", *(f"step {step:g}: {quadrature((0.0, -20.0), step):.3g};" for step in (1e-2, 1e-3, 1e-4)))
assert abs(1e-3 * quadrature((0.0, -19.999), step=1e-5) / (3 * math.exp(-(math.pi**2) / 2)) - 1) < 0.01  # O(r)

# %% [markdown]
# A model whose likelihood is unbounded is not a curiosity: Gaussian mixtures do it too (notebook 03). Keep away from
# the tip, and go on.
#
# ### From the prior
#
# $p(x) = \mathbb E_{p(z)}[p(x \mid z)]$ is a mean under the prior, so plain Monte Carlo applies. **For which of A, B,
# C will it work best?**

# %%
K = 10_000
for name, x in points.items():
    with seeded(20):
        estimate = monte_carlo(lambda z, x=x: decoder(z).log_prob(torch.tensor(x)).exp(), p, K)
    moment = relative_moment(x, p)
    true_error = math.sqrt((moment - 1) / K)
    print(f"{name}: estimate / truth {estimate.value / p_x[name]:.3f}, relative error {true_error:.3f}", end=" ")
    print(f"(estimated {estimate.std_err / estimate.value:.3f}); effective draws {K / moment:.0f}")
    assert abs(estimate.value / p_x[name] - 1) < 5 * true_error

# %% [markdown]
# B is easy, because a fair share of the prior leads near it. At C ten thousand draws are worth three, and even the
# error bar is a guess. In a real model, with fifty latent dimensions, *every* $x$ is like C, or much worse.
#
# ### From a fitted proposal
#
# The best proposal is the posterior, $q^*(z) = p(x \mid z) p(z) / p(x) = p(z \mid x)$. Imitate it: the prior's own
# weighted draws tell you its mean and spread. Fit a normal to those, and keep one draw in ten for a wide bell, so
# that no region is left without cover.


# %%
def fitted(x, pilot=5000):
    z = p.sample((pilot,))
    w = normalise(decoder(z).log_prob(torch.as_tensor(x)))  # self-normalised weights: posterior moments
    mean = (w * z).sum()
    scale = (w * (z - mean) ** 2).sum().sqrt()
    bells = Normal(torch.stack([mean, torch.tensor(0.0)]), torch.stack([scale, torch.tensor(2.0)]))
    return MixtureSameFamily(Categorical(torch.tensor([0.9, 0.1])), bells)


with seeded(21):
    proposals = {name: fitted(x) for name, x in points.items()}

# %%
fig, axes = plots.figure(1, 2, size=(11, 4))
for ax, name, width in zip(axes, "AB", (0.25, 1.3), strict=True):
    z = proposals[name].component_distribution.loc[0] + torch.linspace(-width, width, 600)
    posterior = log_joint(points[name], z).exp() / p_x[name]
    ax.fill_between(z, posterior, color=plots.GREEN, alpha=0.3, label="posterior p(z|x)")
    ax.plot(z, proposals[name].log_prob(z).exp(), "--", color=plots.ORANGE, label="fitted proposal")
    ax.plot(z, p.log_prob(z).exp(), ":", color=plots.BLUE, label="prior")
    ax.set(xlabel="latent z", ylabel="density", title=f"x = {name}")
axes[1].legend(loc="upper right", fontsize=11)
axes[1].set_ylim(0, 2.6)
plots.show(fig, alt="At A the fitted proposal lies on a narrow posterior; at B it spans two humps. The prior is flat.")

# %% [markdown]
# **Which of the three gains most?**

# %%
for name, x in points.items():
    q = proposals[name]
    with seeded(22):
        estimate = importance(lambda z, x=x: decoder(z).log_prob(torch.tensor(x)).exp(), p.log_prob, q, K)
    moment = relative_moment(x, q)
    true_error = math.sqrt((moment - 1) / K)
    print(f"{name}: estimate / truth {estimate.value / p_x[name]:.4f}, relative error {true_error:.4f};", end=" ")
    print(f"variance {(relative_moment(x, p) - 1) / (moment - 1):.0f} times below the prior's")
    assert abs(estimate.value / p_x[name] - 1) < 5 * true_error

# %% [markdown]
# A gains most: its posterior is one narrow hump, which a normal can imitate. B has two humps and C two needles at
# $z \approx \pm 3$, and a normal in the middle is a poor likeness of either. The family of $q$ matters as much as the
# fitting.
#
# And the wide tenth? Without it the proposal at A is a needle, and $\mu(z)$ comes round again at $z - 2\pi$, where
# the needle has no mass and the posterior has a little. **What is the second moment then?**

# %%
needle = proposals["A"].component_distribution
needle = Normal(needle.loc[0], needle.scale[0])
for turns in (1, 2, 4):
    z = torch.arange(-2 * math.pi * turns + 5e-5, 2 * math.pi * turns, 1e-4)
    log_moment = (2 * log_joint(points["A"], z) - needle.log_prob(z)).logsumexp(0) + math.log(1e-4)
    print(f"relative second moment, |z| < {2 * turns}π: e^{log_moment - 2 * math.log(p_x['A']):.0f}")
assert 1 / (2 * needle.scale**2) > 2  # 1/q grows as e^(z^2 / 2 s^2), p(x,z)^2 falls as e^(-z^2) once a turn: no limit
missed = (log_joint(points["A"], grid()).exp() * ((grid() - needle.loc).abs() > 1)).sum() * 1e-4 / p_x["A"]
print(f"mass that it would miss in practice: {missed:.1e}")

# %% [markdown]
# It is infinite: each further turn adds more than all before it. And it comes from regions that no run will ever
# visit, which hold a few millionths of the mass. Unbiased, with an infinite variance in theory; slightly too low, with
# a tiny one, in practice. The wide bell costs a tenth of the draws and settles the matter.
#
# Last, the logarithm. The bound is as tight as the proposal is good:


# %%
def average_log(x, q, K=100, runs=2000):
    z = q.sample((K, runs))
    estimate = log_mean_exp(log_joint(x, z) - q.log_prob(z))
    return estimate.mean(), estimate.std() / math.sqrt(runs)


log_p_x = math.log(p_x["A"])
with seeded(23):
    rows = {"prior": average_log(points["A"], p), "fitted": average_log(points["A"], proposals["A"])}
for name, (mean, std_err) in rows.items():
    print(f"{name:7} E[log estimate] = {mean:.3f} ± {std_err:.3f}, log p(x) = {log_p_x:.3f}, K = 100")
assert rows["prior"][0] < rows["fitted"][0] < log_p_x + 5 * rows["fitted"][1]

# %% [markdown]
# ## Lecture demo
#
# Left, the target $p$ (blue), your proposal $q$ (dashed) and the best one (green); below, the terms $w f / I$ of a
# thousand draws. *Flat is good.* Right, the running estimate with its error band.
#
# <details><summary>Speaker note</summary>
#
# 1. **Total mass**, scale 1: every term is one, no error. Widen to 2: the terms dip at the sides, the band stays
#    honest. Narrow slowly to 0.7: the parabola turns upwards, the line below says *infinite*, the band stays small.
#    Go to 0.5, press *New samples* a few times, and count how often the truth is outside. Ask: what in the picture
#    on the right could have warned you? (Nothing.)
# 2. **P(z > 4)**, mean 0: zero, certain, wrong. Slide the mean to 4 and watch the effective draws rise. Then narrow
#    to 0.5: better by the band, infinite by the line below.
# 3. **Two humps**, mean -2, scale 0.7: a perfect flat line at one half. Widen until it jumps. What is the narrowest
#    proposal you would trust?
#
# </details>

# %%
explorer = ProposalExplorer()
widgets.key_frame(
    explorer,
    alt="A rare event with a shifted proposal: densities, terms of a thousand draws, and the running estimate.",
    mean=4.0, scale=1.0, problem=TAIL,
)  # fmt: skip

# %%
live = explorer.live()

# %% [markdown]
# ## Summary
#
# - A mean over draws is unbiased with error $\sqrt{\mathbb V[f]/K}$, in any dimension; a digit costs a factor of 100.
# - Weights $p/q$ correct for drawing elsewhere. Covering $f p$ makes the mean right; the tails of $q$ decide the
#   variance.
# - The best proposal is $f p / I$. For $p(x)$ it is the posterior, and then every weight equals $p(x)$.
# - Error bars and ESS know only the draws they have: narrow proposals and missed humps fool both. Small mismatches
#   multiply with dimension.
# - The logarithm of an estimate is on average too low. That gap is what the coming bounds close.
#
# **To read** Owen, *Monte Carlo theory, methods and examples* (2013), chapters 2 and 9; MacKay, *Information Theory,
# Inference, and Learning Algorithms* (2003), chapter 29; Burda, Grosse and Salakhutdinov, *Importance weighted
# autoencoders* (2016), for where this leads.
#
# **The next question** For which models is the integral over $z$ exact, so that no sampling is needed? Linear ones
# with Gaussian noise: notebook 02.
