# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 Variational inference
#
# After this notebook you will be able to
#
# - say what KL divergence measures, and why its two directions choose different approximations;
# - derive $\log p(x) = \mathrm{ELBO} + \mathrm{KL}$ in three ways, and read the ELBO in three;
# - run mean-field coordinate ascent, and predict how wrong its variances will be;
# - fit a log-linear model with latent classes by EM with expected counts;
# - tell the approximation gap from the amortisation gap, in nats.
#
# **Time** 90 minutes; the cells run in about 30 seconds on a laptop. **Prerequisites** notebooks 01 and 03.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $z$ | `on.z` | $G$ | latent values on a grid |
# | $p(x, z)$ | `log_joint` | $G$ | joint density at the observed $x$, logarithm |
# | $q(z)$ | `log_q`, `q` | $G$ | variational distribution |
# | $\gamma$ | `q.m`, `q.s` | | inference parameters |
# | $\log p(x)$ | `log_p_x` | scalar | log evidence, nats |
# | $\mathrm{KL}(q \Vert p)$ | `kl(log_q, log_p, on)` | scalar | $\int q \log (q/p)$, nats |
# | $f(x), w_c$ | `features`, `params.w` | $M \times F$, $C \times F$ | features and weights of a log-linear model |
# | $N, C, L$ | `N, C, L` | | data, classes, latent dimension |

# %%
import math

import numpy as np
import torch
from scipy import integrate, optimize, stats
from sklearn.datasets import load_digits
from torch import nn
from torch.distributions import Normal

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.explorables.scenes.variational import BY_HAND, LOG_P_X, KLExplorer, two_humps
from lvmteach.classroom.figures import plots
from lvmteach.loglinear import (
    binary_outcomes,
    e_step,
    fit_loglinear,
    hard,
    log_marginal,
    m_step,
    outcome_counts,
    pair_features,
    random_start,
    responsibilities,
    sampled,
    w_gradient,
)
from lvmteach.runtime import seeded
from lvmteach.variational import (
    Gaussian,
    forward_fit,
    grid,
    kl,
    log_density,
    log_integral,
    mean_field_gaussian,
    reverse_fit,
    split,
)

# %% [markdown]
# ## A distance that is none
#
# $$\mathrm{KL}(q \Vert p) = \int q(z) \log \frac{q(z)}{p(z)}\, dz$$
#
# It is the average *extra* surprise, in nats, of somebody who expects $p$ and is shown draws of $q$, beside somebody who expects $q$. With one latent dimension we can
# put densities on a grid and integrate by summing. The oracle is the closed form for two Gaussians:
#
# $$\mathrm{KL}\big(\mathcal N(m, s^2) \,\Vert\, \mathcal N(\mu, \sigma^2)\big) = \log\frac{\sigma}{s} + \frac{s^2 + (m - \mu)^2}{2\sigma^2} - \frac12$$

# %%
# NBVAL_CHECK_OUTPUT
on = grid(-20, 20, 4001)


def normal(m, s):
    return Gaussian(*torch.tensor([m, s], dtype=torch.float64))


q, p = normal(1.0, 0.5), normal(0.0, 2.0)
forward, backward = (kl(log_density(a, on), log_density(b, on), on).item() for a, b in ((p, q), (q, p)))


def closed_form(a, b):
    return math.log(b.s / a.s) + (a.s**2 + (a.m - b.m) ** 2) / (2 * b.s**2) - 0.5


print(f"KL(p || q) = {forward:.4f}, KL(q || p) = {backward:.4f} nats, ratio {forward / backward:.1f}")
assert abs(forward - closed_form(p, q)) < 1e-9
assert abs(backward - closed_form(q, p)) < 1e-9

# %% [markdown]
# The two directions differ almost eightfold. To expect the wide density and be shown draws of the narrow one costs little; to expect the narrow one and be
# shown draws of the wide one costs a lot.
#
# **Never negative.** By Jensen, $-\mathrm{KL} = \mathbb E_q[\log (p/q)] \le \log \mathbb E_q[p/q] = \log 1 = 0$, with equality only if $p/q$ is constant.
# A thousand random pairs will not prove it, but one of them could refute it.

# %%
with seeded(0):
    m, s = 3 * torch.randn(2, 1000).double(), torch.rand(2, 1000).double() + 0.3
many = kl(log_density(Gaussian(m[0], s[0]), on), log_density(Gaussian(m[1], s[1]), on), on)
itself = kl(log_density(Gaussian(m[0], s[0]), on), log_density(Gaussian(m[0], s[0]), on), on)
print(f"smallest of 1000: {many.min():.4f}; of a density with itself: {itself.abs().max():.1e}")
assert many.min() > 0
assert itself.abs().max() == 0

# %% [markdown]
# ## Forward covers, reverse seeks
#
# Take a density with two humps, and ask for the best *single* Gaussian. **Before you run the cell:** draw your answer for either direction
# of KL. Where does an error cost an infinite price?

# %%
log_joint = two_humps(on.z, apart=5.0)
covering = forward_fit(log_joint, on)
starts = Gaussian(torch.tensor([-2.5, 2.5]).double(), torch.ones(2).double())
seeking = reverse_fit(log_joint.expand(2, -1), on, starts)
p_z = (log_joint - log_integral(log_joint, on)).exp()

fig, ax = plots.figure(size=(9, 4.2))
ax.fill_between(on.z, p_z, color=plots.SKY, label="p")
ax.plot(on.z, log_density(covering, on).exp(), color=plots.BLUE, label="least KL(p || q): covers")
for i, style in enumerate(("--", ":")):
    one = Gaussian(seeking.m[i], seeking.s[i])
    ax.plot(on.z, log_density(one, on).exp(), style, color=plots.RED, label=f"least KL(q || p) from {starts.m[i]:.1f}")
ax.set(xlim=(-7, 8), ylim=(0, 0.9), xlabel="z", ylabel="density", title="one Gaussian for two humps")
ax.legend(loc="upper right", fontsize=11)
plots.show(fig, alt="A density of two humps. The forward fit spreads over both; the reverse fits sit on one hump each.")

# %% [markdown]
# The covering Gaussian has $p$'s own mean and variance: setting the gradient of $-\mathbb E_p[\log q]$ to zero says so. The oracle is
# adaptive quadrature. The seeking ones are local optima; a general optimiser that knows nothing of our gradients must find the same two.


# %%
def density(z):
    return 0.4 * stats.norm.pdf(z, -2.5, 0.6) + 0.6 * stats.norm.pdf(z, 2.5, 0.9)


def expectation(f):
    return integrate.quad(lambda z: f(z) * density(z), -20, 20, points=[-2.5, 2.5], epsabs=1e-12, limit=200)[0]


mean = expectation(lambda z: z)
var = expectation(lambda z: (z - mean) ** 2)
assert abs(covering.m - mean) < 1e-9
assert abs(covering.s**2 - var) < 1e-9


def reverse_kl(gamma):
    m, s = gamma[0], math.exp(gamma[1])
    z = np.linspace(-15, 15, 3001)
    return integrate.trapezoid(stats.norm.pdf(z, m, s) * (stats.norm.logpdf(z, m, s) - np.log(density(z))), z)


# %%
for i in range(2):
    peer = optimize.minimize(
        reverse_kl, [starts.m[i], 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}
    )
    print(f"start {starts.m[i]:+.1f}: N({seeking.m[i]:.4f}, {seeking.s[i]:.4f}^2), KL {peer.fun:.4f} nats")
    assert abs(peer.x[0] - seeking.m[i]) < 1e-4
    assert abs(math.exp(peer.x[1]) - seeking.s[i]) < 1e-4

# %% [markdown]
# Stay on one hump of weight $\pi$ and you pay about $-\log\pi$: here $-\log 0.4 = 0.92$ and $-\log 0.6 = 0.51$ nats. Cover both and you
# pay for the desert between them. Variational inference uses the reverse direction, for one reason: its expectation is under $q$, which we can draw from.
#
# ## log p(x) = ELBO + KL
#
# We want the posterior $p(z \mid x)$, and know only the joint $p(x, z)$. Three derivations of one identity:
#
# **1 Jensen.** $\log p(x) = \log \mathbb E_q\big[\tfrac{p(x,z)}{q(z)}\big] \ge \mathbb E_q\big[\log \tfrac{p(x,z)}{q(z)}\big]$. A bound; the gap stays unnamed.
#
# **2 Multiply by q/q.** $\log p(x) = \mathbb E_q[\log p(x)] = \mathbb E_q\big[\log \tfrac{p(x,z)}{p(z|x)}\big] = \mathbb E_q\big[\log \tfrac{p(x,z)}{q(z)}\big] + \mathbb E_q\big[\log \tfrac{q(z)}{p(z|x)}\big]$. The gap has a name.
#
# **3 From the posterior.** $\mathrm{KL}(q \Vert p(z|x)) = \mathbb E_q[\log q(z) - \log p(x, z)] + \log p(x)$. Rearrange.
#
# $$\log p(x) = \underbrace{\mathbb E_q[\log p(x,z) - \log q(z)]}_{\text{ELBO}} + \underbrace{\mathrm{KL}(q(z) \Vert p(z|x))}_{\ge 0}$$
#
# The left side does not depend on $q$. So raising the ELBO *is* lowering the KL, although we cannot compute the KL.

# %%
# NBVAL_CHECK_OUTPUT
for m, s in ((0.0, 1.0), (2.5, 0.9), (0.5, 2.6)):
    q = normal(m, s)
    parts = split(log_joint, log_density(q, on), on)
    print(f"q = N({m}, {s}^2): ELBO {parts.elbo:8.4f} + KL {parts.kl:7.4f} = {parts.elbo + parts.kl:.4f} nats")
    assert abs(parts.elbo + parts.kl - LOG_P_X) < 1e-10  # the joint was made to integrate to e^-2

# %% [markdown]
# ### One bound, three readings
#
# | reading | formula | it says |
# |---|---|---|
# | data term minus KL | $\mathbb E_q[\log p(x \mid z)] - \mathrm{KL}(q \Vert p(z))$ | explain the data, stay near the prior |
# | expected joint plus entropy | $\mathbb E_q[\log p(x, z)] + \mathbb H[q]$ | sit where the joint is high, and spread |
# | evidence minus gap | $\log p(x) - \mathrm{KL}(q \Vert p(z \mid x))$ | be the posterior |
#
# A model where everything is known: $z \sim \mathcal N(0,1)$, $x \mid z \sim \mathcal N(z, 1)$, so $p(x) = \mathcal N(0, 2)$ and the posterior is $\mathcal N(x/2, 1/2)$.

# %%
# NBVAL_CHECK_OUTPUT
x, q = 1.5, normal(0.2, 1.1)
log_q, log_prior, log_lik = log_density(q, on), Normal(0, 1).log_prob(on.z), Normal(on.z, 1).log_prob(torch.tensor(x))
q_z = log_q.exp() * on.dz
data_minus_kl = (q_z * log_lik).sum() - kl(log_q, log_prior, on)
joint_plus_entropy = (q_z * (log_lik + log_prior)).sum() - (q_z * log_q).sum()
posterior = normal(x / 2, math.sqrt(0.5))
evidence_minus_gap = stats.norm.logpdf(x, 0, math.sqrt(2)) - closed_form(q, posterior)  # shares no grid
print(f"{data_minus_kl:.4f}  {joint_plus_entropy:.4f}  {evidence_minus_gap:.4f} nats")
assert abs(data_minus_kl - evidence_minus_gap) < 1e-10
assert abs(joint_plus_entropy - evidence_minus_gap) < 1e-10

# %% [markdown]
# **Predict:** with $q$ the prior, which of the three readings is shortest to compute? And with $q$ the posterior, what is the ELBO?

# %%
# NBVAL_CHECK_OUTPUT
at_posterior = split(log_lik + log_prior, log_density(posterior, on), on)
print(f"q = posterior: ELBO {at_posterior.elbo:.4f}, log p(x) {at_posterior.log_p_x:.4f}, gap {at_posterior.kl:.4f}")
assert abs(at_posterior.elbo - stats.norm.logpdf(x, 0, math.sqrt(2))) < 1e-10

# %% [markdown]
# With $q$ the prior it is the first: the KL is zero, and the data term a plain mean under the prior. With $q$ the posterior the ELBO is $\log p(x)$ itself.
#
# ## Mean field: each factor in turn
#
# Suppose $q(z) = \prod_d q_d(z_d)$. With all factors but one fixed, the ELBO is maximised by
#
# $$\log q_d^*(z_d) = \mathbb E_{q_{-d}}[\log p(x, z)] + \text{const}$$
#
# For a correlated Gaussian $p = \mathcal N(\mu, \Sigma)$ with precision $A = \Sigma^{-1}$ that is a Gaussian with
#
# $$m_d \leftarrow \mu_d - \frac{1}{A_{dd}} \sum_{e \ne d} A_{de}(m_e - \mu_e), \qquad s_d^2 = \frac1{A_{dd}}$$
#
# **Before you run the cell:** the correlation is 0.9. Will $q$ be too wide, too narrow, or right along each axis?

# %%
rho = 0.9
mu, cov = torch.tensor([1.0, -0.5]).double(), torch.tensor([[1, rho], [rho, 1]], dtype=torch.float64)
path = [torch.tensor([-2.0, 2.0]).double()]
for sweeps in range(1, 13):
    path.append(mean_field_gaussian(mu, cov, path[0], sweeps).mean)
fit = mean_field_gaussian(mu, cov, path[0], sweeps=200)

fig, ax = plots.figure(size=(7, 5.2))
plots.ellipse(ax, mu, cov, color=plots.BLUE, label="p, correlation 0.9")
plots.ellipse(ax, fit.mean, fit.var.diag(), color=plots.RED, ls="--", label="mean-field q")
ax.plot(*torch.stack(path).T, "o-", color=plots.ORANGE, ms=5, lw=1.5, label="mean of q, sweep by sweep")
ax.set(xlabel="z₁", ylabel="z₂", title="right centre, too narrow (2 deviations)", xlim=(-3, 4.5), ylim=(-4.6, 2.5))
ax.set_aspect("equal")
ax.legend(loc="lower right", fontsize=11)
plots.show(
    fig,
    alt="A slanted narrow ellipse and a circle about the same centre, much shorter and bulging over its flanks; a path of means leads there.",
)

# %% [markdown]
# Too narrow along each axis: reverse KL charges for mass where $p$ has none, so $q_d$ is only as wide as $p$ is with the *other coordinate held fixed*.
# (Across the ellipse it is even too wide: $\sqrt{0.19} = 0.44$ against $\sqrt{0.1} = 0.32$.) Everything about it is known: the means are
# exact, the variance is $1/A_{dd} = 1 - \rho^2$ instead of 1, and the remaining gap is $\tfrac12[\sum_d \log A_{dd} - \log\det A] = -\tfrac12\log(1-\rho^2)$.

# %%
# NBVAL_CHECK_OUTPUT
print(f"means {fit.mean.numpy().round(4)}, variances {fit.var.numpy().round(4)}, KL {fit.kl[-1]:.4f} nats")
assert torch.allclose(fit.mean, mu, atol=1e-10)
assert torch.allclose(fit.var, torch.full((2,), 1 - rho**2, dtype=torch.float64), rtol=1e-10)
assert abs(fit.kl[-1] + 0.5 * math.log(1 - rho**2)) < 1e-10
assert torch.linalg.eigvalsh(cov)[0] < fit.var[0] < cov[0, 0]  # wider than p is across, narrower than along an axis
assert (fit.kl.diff() <= 1e-12).all()  # coordinate ascent never makes it worse

# %% [markdown]
# ### The same by gradient
#
# Coordinate ascent needs an update in closed form. A gradient does not: write $q$ with parameters $\gamma = (m, \log s)$, write the ELBO, climb. (Here the
# ELBO of a Gaussian $q$ is itself in closed form; with samples in its place this becomes notebook 07.)
#
# $$\mathrm{ELBO}(\gamma) = -\tfrac12 (m-\mu)^\top A (m-\mu) - \tfrac12 \sum_d A_{dd} s_d^2 + \sum_d \log s_d + \text{const}$$

# %%
A = torch.linalg.inv(cov)
m, log_s = path[0].clone().requires_grad_(), torch.zeros(2).double().requires_grad_()
climb = torch.optim.Adam([m, log_s], lr=0.05)
for _ in range(2000):
    elbo = -0.5 * (m - mu) @ A @ (m - mu) - 0.5 * A.diagonal() @ (2 * log_s).exp() + log_s.sum()
    climb.zero_grad()
    (-elbo).backward()
    climb.step()
print(f"by gradient: means {m.detach().numpy().round(4)}, variances {(2 * log_s).exp().detach().numpy().round(4)}")
assert torch.allclose(m, fit.mean, atol=1e-4)
assert torch.allclose((2 * log_s).exp(), fit.var, atol=1e-4)

# %% [markdown]
# ## A log-linear model with latent classes
#
# The exact posterior is not always out of reach. Let $x$ be one of $M$ outcomes that can be listed, with features $f(x)$, and let each of $C$ hidden classes prefer
# some features over others:
#
# $$p(z = c) = \pi_c, \qquad p(x \mid z = c, w) = \frac{\exp(w_c \cdot f(x))}{\sum_{x'} \exp(w_c \cdot f(x'))}$$
#
# Our data: the middle of each 8 x 8 digit, as six coarse blocks, dark or light. That gives $2^6 = 64$ outcomes; the features are the six blocks and
# their fifteen pairs.

# %%
digits = load_digits()
blocks = digits.images[:, 1:7, 2:6].reshape(-1, 3, 2, 2, 2).mean((2, 4)).reshape(-1, 6)
bits = torch.as_tensor(blocks > np.median(blocks, 0))
index = (bits.long() * 2 ** torch.arange(5, -1, -1)).sum(1)
outcomes, features = binary_outcomes(6), pair_features(binary_outcomes(6))
counts = outcome_counts(index, 64)
assert torch.equal(outcomes[index], bits.double())  # the index names the right outcome
print(f"{len(index)} digits, {int((counts > 0).sum())} of 64 outcomes seen, {features.shape[1]} features")

# %% [markdown]
# **E step.** The posterior over classes is a softmax. What the M step needs of it are *expected counts*: how often was each feature seen in each class?
#
# $$q_{nc} = p(z = c \mid x_n), \qquad \bar f_c = \frac1N \sum_n q_{nc}\, f(x_n)$$
#
# **M step.** $\pi_c = \tfrac1N\sum_n q_{nc}$. For $w$ there is no closed form, but a gradient that reads well, *features in the data minus features the model expects*:
#
# $$\nabla_{w_c} = \bar f_c - \pi_c\, \mathbb E_{p(x|c,w)}[f(x)]$$
#
# Any rise will do: EM that does not finish its M step still never falls.

# %%
with seeded(1):
    fit = fit_loglinear(counts, features, C=3, tol=1e-6, max_steps=3000)  # nats a digit
    singles = fit_loglinear(counts, features[:, :6], C=1, climbs=200).params
shares = counts / counts.sum()
best = (shares[shares > 0] * shares[shares > 0].log()).sum()  # no model can beat the shares themselves
alone = shares @ log_marginal(singles, features[:, :6])
fig, ax = plots.figure()
ax.plot(range(1, len(fit.log_lik) + 1), fit.log_lik, label="3 classes, pair features")
ax.axhline(alone, color=plots.GREY, ls=":", label="independent blocks")
ax.axhline(best, color=plots.BLACK, ls="--", label="the shares themselves")
ax.set(xscale="log", xlabel="EM step", ylabel="log-likelihood, nats a digit", title="generalised EM never falls")
ax.legend(loc="center right", fontsize=11)
plots.show(fig, alt="The log-likelihood rises over EM steps from below towards the dashed line of the best possible.")

# %%
assert (fit.log_lik.diff() >= -1e-9 * fit.log_lik[1:].abs()).all()  # never falls, beyond rounding
assert alone < fit.log_lik[-1] < best
lit = shares @ features[:, :6]  # the plain log-linear model of single blocks has a closed form: independent bits
assert abs(alone - (torch.special.xlogy(lit, lit) + torch.special.xlogy(1 - lit, 1 - lit)).sum()) < 1e-6

# %% [markdown]
# The oracle for the gradient: enumerate $X$ and $Z$ in a few lines that share nothing with the library, and let autograd differentiate.


# %%
def log_lik_by_enumeration(log_pi, w):
    joint = torch.stack([log_pi[c] + features @ w[c] - torch.logsumexp(features @ w[c], 0) for c in range(len(w))])
    return shares @ torch.logsumexp(joint, 0)


w = fit.params.w.clone().requires_grad_()
value = log_lik_by_enumeration(fit.params.log_pi, w)
value.backward()
print(f"log-likelihood {fit.log_lik[-1]:.6f}, by enumeration {value:.6f}; largest gradient {w.grad.abs().max():.1e}")
assert abs(value - fit.log_lik[-1]) < 1e-10
assert w.grad.abs().max() < 1e-3  # EM has all but arrived

# %% [markdown]
# Near zero at the fit says little about the formula. So compare it where the gradient is not zero:

# %%
with seeded(2):
    anywhere = random_start(features, 3)
w = anywhere.w.clone().requires_grad_()
(by_autograd,) = torch.autograd.grad(log_lik_by_enumeration(anywhere.log_pi, w), w)
expected, _ = e_step((features, shares), anywhere)
print(f"largest entry of the gradient {by_autograd.abs().max():.3f} nats a digit")
assert torch.allclose(w_gradient(anywhere, features, expected), by_autograd, atol=1e-12)

# %% [markdown]
# What are the classes? Nobody gave the model a label. **Before you look:** which digits would you expect to share a class?

# %%
q = responsibilities(fit.params, features)[index]
table = torch.stack([q[digits.target == digit].mean(0) for digit in range(10)])
fig, ax = plots.figure(size=(8, 3.4))
image = ax.imshow(table.T, vmin=0, vmax=0.7, aspect="auto")
ax.set(xlabel="digit", ylabel="class", xticks=range(10), yticks=range(3), title="share of each digit in each class")
fig.colorbar(image, label="mean posterior")
plots.show(fig, alt="A grid of ten digits by three classes; every digit is spread over the classes, unevenly.")

# %% [markdown]
# No class is a digit: six coarse blocks do not hold that much. In this fit 7 and 9 lean one way, and 3 hardly ever goes where 6 and 8 go. Do not lean on it: 65
# parameters describe 63 free probabilities, so another seed finds other classes that fit as well. Calling a class by a name is our doing.

# %%
home = table.argmax(1)
assert home[7] == home[9]
assert home[6] == home[8]
assert table[3, home[6]] < 0.15
assert table.max() < 0.8  # leaning, not clustering
assert fit.params.w.numel() + len(fit.params.log_pi) - 1 == 65

# %% [markdown]
# ### EM as coordinate ascent, and what happens when its E step cheats
#
# The E step sets $q$ to the posterior, so the gap closes; the M step raises the ELBO. Two variants use another $q$: *hard* EM gives each datum to its most
# probable class, *stochastic* EM draws one. (Digits that look alike share one draw here, so it is noisier than with a draw for each.) **Predict:** which of the three climbs $\log p(x)$ at every step?

# %%
with seeded(2):
    start = random_start(features, 3)
traces = {}
for name, assign in (("soft", None), ("hard", hard), ("stochastic", sampled)):
    params, trace = start, []
    with seeded(3):
        for _ in range(150):
            expected, log_lik = e_step((features, shares), params, assign)
            trace.append(log_lik.item())
            params = m_step((features, shares), expected)
    traces[name] = np.array(trace)

fig, ax = plots.figure()
for (name, trace), style in zip(traces.items(), ("-", "--", ":"), strict=True):
    ax.plot(trace, style, label=f"{name} EM")
ax.set(
    xlabel="step",
    ylabel="log p(x), nats a digit",
    title="only one of them climbs log p(x)",
    ylim=(best - 0.12, best + 0.01),
)
ax.legend(loc="lower right")
plots.show(fig, alt="Soft EM rises smoothly and ends highest; hard EM stops lower; stochastic EM jumps about.")

# %%
falls = {name: int((np.diff(trace) < -1e-9).sum()) for name, trace in traces.items()}
print("steps that fell:", falls, " last:", {name: round(float(trace[-1]), 4) for name, trace in traces.items()})
assert falls["soft"] == 0
assert falls["hard"] > 0
assert falls["stochastic"] > 0
assert traces["soft"][-1] > max(traces["hard"][-1], traces["stochastic"][-1])

# %% [markdown]
# Hard EM climbs the *joint* $\log p(x, \hat z)$ instead, and stochastic EM is a Markov chain around a maximum, which can be a virtue: it leaves poor ones.
#
# ## Amortised inference: one net instead of N fits
#
# So far each $x$ had its own $q$. With $N$ data and $L$ latent dimensions that is a pair $(\mu_n, \sigma_n)$ each:
#
# $$\text{per datum: } |\theta| + 2LN \qquad\qquad \text{amortised: } |\theta| + |\gamma|$$
#
# An *inference network* maps any $x$ to $q(z \mid x)$. It costs $|\gamma|$ once, and a new $x$ costs nothing. But it may be worse for each single $x$.
# The loss splits in two, and on a grid we can measure both:
#
# $$\log p(x) - \mathrm{ELBO}_\text{net} = \underbrace{\log p(x) - \mathrm{ELBO}_\text{best Gaussian}}_{\text{approximation gap}} + \underbrace{\mathrm{ELBO}_\text{best Gaussian} - \mathrm{ELBO}_\text{net}}_{\text{amortisation gap}}$$
#
# The model: $z \sim \mathcal N(0, 1)$ drawn out into a curve, $x \mid z \sim \mathcal N\big((\sin 2z,\; z),\, 0.4^2 I\big)$.

# %%
line = grid(-6, 6, 1201)
curve = torch.stack([torch.sin(2 * line.z), line.z], 1)
NOISE, N = 0.4, 500


def log_joint_of(x):
    return Normal(curve, NOISE).log_prob(x[:, None]).sum(-1) + Normal(0.0, 1.0).log_prob(line.z)


with seeded(5):
    z = torch.randn(N, dtype=torch.float64)
    x = torch.stack([torch.sin(2 * z), z], 1) + NOISE * torch.randn(N, 2, dtype=torch.float64)
log_joints = log_joint_of(x)  # (N, G)
log_p_x = log_integral(log_joints, line)

# %% [markdown]
# The oracle for $\log p(x)$: adaptive quadrature, one point at a time.


# %%
def joint_density(z, a, b):
    return stats.norm.pdf(z) * stats.norm.pdf(a, math.sin(2 * z), NOISE) * stats.norm.pdf(b, z, NOISE)


for n in range(5):
    oracle = math.log(integrate.quad(joint_density, -6, 6, args=tuple(x[n].tolist()), points=[x[n, 1].item()])[0])
    assert abs(log_p_x[n] - oracle) < 1e-7  # quad's tolerance

# %% [markdown]
# **Per datum.** All 500 Gaussians at once, each climbing its own ELBO. From three starts each, because a curved posterior can have two humps.

# %%
tries = []
for m0 in (-0.7, 0.0, 0.7):
    begin = Gaussian(x[:, 1] + m0, torch.full((N,), 0.4).double())
    one = reverse_fit(log_joints, line, begin, max_steps=100)
    tries.append(split(log_joints, log_density(one, line), line).elbo)
best_elbo = torch.stack(tries).amax(0)

# %% [markdown]
# **Amortised.** A net with one hidden layer gives $m(x)$ and $\log s(x)$; the ELBO is the same sum over the grid, so there is no sampling noise to
# blame.

# %%
with seeded(6):
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)).double()
climb = torch.optim.Adam(net.parameters(), lr=0.02)
coarse = grid(-6, 6, 301)  # enough to train by; measured on the fine grid
mean_curve = torch.stack([torch.sin(2 * coarse.z), coarse.z], 1)
coarse_joints = Normal(mean_curve, NOISE).log_prob(x[:, None]).sum(-1) + Normal(0.0, 1.0).log_prob(coarse.z)
for _ in range(800):
    m, log_s = net(x).unbind(-1)
    loss = kl(log_density(Gaussian(m, log_s.exp()), coarse), coarse_joints, coarse).mean()  # minus the ELBO
    climb.zero_grad()
    loss.backward()
    climb.step()

# %%
with torch.no_grad():
    m, log_s = net(x).unbind(-1)
    net_elbo = split(log_joints, log_density(Gaussian(m, log_s.exp()), line), line).elbo
approximation, amortisation = (log_p_x - best_elbo).mean(), (best_elbo - net_elbo).mean()
gamma = sum(p.numel() for p in net.parameters())
print(f"mean log p(x) {log_p_x.mean():.4f} nats")
print(f"approximation gap {approximation:.4f}, amortisation gap {amortisation:.4f} nats")
print(f"inference parameters: {2 * N} for a pair per datum, {gamma} amortised, and the net's do not grow with N")
assert (log_p_x >= best_elbo - 1e-9).all()
assert amortisation > 0 < approximation
assert abs(approximation + amortisation - (log_p_x - net_elbo).mean()) < 1e-10

# %% [markdown]
# Where is each of them lost? **Guess before you look:** where on the curve is the posterior least like a Gaussian?

# %%
fig, axes = plots.figure(1, 2, size=(11, 5), sharex=True, sharey=True)
for ax, gap, name in zip(
    axes, (log_p_x - best_elbo, best_elbo - net_elbo), ("approximation", "amortisation"), strict=True
):
    dots = ax.scatter(*x.T, 22, gap.clamp(0, 0.4), vmin=0, vmax=0.4)
    ax.plot(*curve[150:-150].T, color=plots.GREY, lw=1.5)
    ax.set(xlabel="x₁", title=f"{name} gap, mean {gap.mean():.3f}")
axes[0].set_ylabel("x₂")
fig.colorbar(dots, ax=axes, label="nats (0.4 and above alike)")
plots.show(
    fig, alt="Data around an S-shaped curve, coloured by the two gaps; both are large between the curve's bends."
)

# %% [markdown]
# Between two bends, two stretches of the curve explain the same point, and no single Gaussian can say so: the approximation gap, which only a richer $q$ or several
# samples (notebook 09) will close. The amortisation gap is there because one smooth function must serve all points; a larger net or longer training
# closes it.

# %% [markdown]
# ## Lecture demo
#
# Drag the orange dot: it is the peak of $q$. Sideways moves it, upwards narrows it. Right, the green bar is the ELBO; together with the red one it always
# reaches the dotted line.
#
# <details><summary>Speaker note</summary>
#
# 1. Drag $q$ about. Ask what stays the same (the top of the stack), and which bar you could compute without knowing the posterior (green).
# 2. *Least KL(q || p)* with the dot left of zero, then right: two answers. Push the humps together until there is one. Pull them far apart again, then
#    *least KL(p || q)*: it covers, and the red bar is large. Neither is wrong; ask what each would do to samples, and to error bars.
# 3. By hand again, humps far apart: sit on one hump and read the gap. It is minus the logarithm of this hump's own share, and cannot be seen from inside.
#
# </details>

# %%
explorer = KLExplorer()
widgets.key_frame(
    explorer,
    alt="Two humps and a Gaussian q between them; the ELBO and the KL stack up to log p(x).",
    peak=(0.0, 0.25), fit=BY_HAND, apart=4.0,
)  # fmt: skip

# %%
live = explorer.live()

# %% [markdown]
# ## Summary
#
# - KL is never negative and not symmetric: forward covers, reverse seeks and can miss a hump.
# - $\log p(x) = \mathrm{ELBO} + \mathrm{KL}(q \Vert p(z \mid x))$: raising the one is lowering the other, whatever is unknown.
# - For a correlated Gaussian, mean field has the right centre and variances $1/A_{dd}$, smaller than the marginal ones.
# - EM is coordinate ascent on the ELBO; expected counts replace counts. Hard EM climbs something else; stochastic EM climbs nothing, it wanders.
# - A net that infers pays an amortisation gap on top of the approximation gap, and serves any new datum for free.
#
# **To read** Bishop, *Pattern Recognition and Machine Learning* (2006), chapter 10; Blei, Kucukelbir and McAuliffe, *Variational Inference: A Review for
# Statisticians* (2017); Cremer, Li and Duvenaud, *Inference Suboptimality in Variational Autoencoders* (2018), for the two gaps.
#
# **The next question** How could a net learn to infer, if nobody can compute gradients of the ELBO yet? The oldest answer sleeps and dreams: notebook 06.
