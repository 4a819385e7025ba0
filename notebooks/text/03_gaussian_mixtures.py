# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 03 Gaussian mixtures by EM
#
# After this notebook you will be able to
#
# - write a mixture down as a latent variable model, and fit it when the labels are known and when they are not;
# - derive EM's two steps, and say why no step lowers $\log p(x)$: each climbs the same bound;
# - recognise what goes wrong (local optima, collapse, switched labels) and what to do about each;
# - choose the number of components, and say when K-means would have done.
#
# **Time** 45 minutes for the core, 45 more for what is marked *Further*; the cells run in under a minute on a laptop. **Prerequisites**
# notebook 02, the Gaussian density, Bayes' rule.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x_n$ | `x` | $N \times D$ | observed data, one datum per row |
# | $z_n$ | `z` | $N$ | latent label, $0 \dots C-1$ |
# | $\pi_c, \mu_c, \Sigma_c$ | `params.weights`, `.means`, `.covariances` | $C$; $C \times D$; $C \times D \times D$ | the parameters $\theta$ |
# | $\log p(x_n, z_n = c)$ | `log_joint(x, params)` | $N \times C$ | logarithm of weight times density |
# | $r_{nc} = p(z_n = c \mid x_n)$ | `r`, `responsibilities(x, params)` | $N \times C$ | the posterior of the label, called *responsibility* |
# | $q_n(c)$ | `q` | $N \times C$ | any distribution over the label |
# | $N_c$ | `n` | $C$ | effective number of points of component $c$, $\sum_n r_{nc}$ |
#
# Logarithms are natural; log-likelihoods are in nats per datum unless said otherwise.

# %%
import itertools
import math
import time
import warnings

import numpy as np
import torch
from scipy import stats
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal

from lvmteach import mixtures
from lvmteach.classroom.explorables import explore
from lvmteach.classroom.explorables.predict import predict
from lvmteach.classroom.figures import clusters, diagram, plots
from lvmteach.em import em, em_steps, fishers_identity
from lvmteach.mixtures import Mixture, Prior, fit_from, fit_mixture, log_joint, log_likelihood, responsibilities, sample
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)  # EM's late gains are smaller than float32 can show

# %% [markdown]
# ## A label that nobody wrote down
#
# Roll a loaded die with $C$ faces, then draw from the Gaussian that belongs to the face you got:
#
# $$z \sim \mathrm{Categorical}(\pi), \qquad x \mid z = c \;\sim\; \mathcal N(\mu_c, \Sigma_c)
# \qquad\Longrightarrow\qquad p(x) = \sum_{c=1}^C \pi_c\, \mathcal N(x \mid \mu_c, \Sigma_c)$$
#
# In notebook 02 the latent variable was a vector; here it is one of $C$ labels, and the integral over $z$ is a sum.

# %%
fig = diagram.graph(
    {
        "z": diagram.latent(0, 0),
        "x": diagram.observed(1.3, 0),
        "π": diagram.given(-1.2, 0),
        "μ, Σ": diagram.given(1.3, 1.1),
    },
    ["π -> z", "z -> x", "μ, Σ -> x"],
    {"N": ["z", "x"]},
)
plots.show(
    fig,
    alt="A graph: the latent label z points to the observed x, inside a plate N; pi points to z, mu and Sigma to x.",
)

# %%
truth = Mixture(
    weights=torch.tensor([0.4, 0.35, 0.25]),
    means=torch.tensor([[-2.0, -0.5], [1.0, 1.8], [2.5, -1.5]]),
    covariances=torch.tensor([[[1.2, 0.9], [0.9, 1.0]], [[0.8, -0.5], [-0.5, 0.6]], [[0.25, 0.0], [0.0, 0.25]]]),
)
N, D, C = 300, 2, 3
with seeded(1):
    x, z = sample(truth, N)
    fresh, _ = sample(truth, 5000)  # for testing: never fitted to
fig, (left, right) = plots.figure(1, 2, size=(11, 4.2), sharex=True, sharey=True)
clusters.draw(left, x, r=torch.nn.functional.one_hot(z).double(), title="what was drawn: (x, z)")
clusters.draw(right, x, title="what you get: x")
plots.show(fig, alt="Left, three clouds of points in three colours. Right, the same points, all grey.")


# %% tags=["check"]
def scipy_joint(x, params):
    parts = zip(*(part.numpy() for part in params), strict=True)
    return np.stack([np.log(w) + stats.multivariate_normal(m, s).logpdf(x.numpy()) for w, m, s in parts], 1)


oracle = np.logaddexp.reduce(scipy_joint(x, truth), axis=1)
assert np.allclose(log_likelihood(x, truth), oracle, atol=1e-10)  # float64 rounding
print(f"log p(x) under the truth: {log_likelihood(x, truth).mean():.3f} nats per datum")

# %% [markdown]
# ## If somebody told you the labels
#
# With $z$ observed, the log-likelihood of the pairs splits into a part for the die and a part for each of the $C$ Gaussians:
#
# $$\log p(x, z \mid \theta) = \sum_n \log \pi_{z_n} + \sum_n \log \mathcal N(x_n \mid \mu_{z_n}, \Sigma_{z_n})$$
#
# Each part has its maximum in closed form: shares, class means, class covariances.
#
# $$\hat\pi_c = \frac{N_c}{N}, \qquad \hat\mu_c = \frac1{N_c} \sum_{n:\, z_n = c} x_n, \qquad
# \hat\Sigma_c = \frac1{N_c} \sum_{n:\, z_n = c} (x_n - \hat\mu_c)(x_n - \hat\mu_c)^\top$$

# %%
known = mixtures.fit_labelled(x, z)
for c in range(C):
    mine = x[z == c].numpy()  # oracle: numpy's mean and covariance of the class
    assert np.allclose(known.means[c], mine.mean(0), atol=1e-12)
    assert np.allclose(known.covariances[c], np.cov(mine.T, bias=True), atol=1e-12)
    std_err = (truth.covariances[c].diagonal() / len(mine)).sqrt()
    assert ((known.means[c] - truth.means[c]).abs() < 5 * std_err).all()  # and near what it estimates
print("estimated means\n", known.means.numpy().round(2), "\ntrue means\n", truth.means.numpy())

# %% [markdown]
# No iteration, no starting point, one maximum. The rest of this notebook is about what happens when $z$ is not observed.
#
# ## One Gaussian is not enough
#
# You could ignore $z$ and fit a single Gaussian. It matches the mean and the covariance of the whole cloud, exactly.

# %%
ask = predict(
    "Within half a standard deviation of its mean the single Gaussian promises 12 % of the data. How many fresh points are there?",
    unit="%",
)

# %%
one = fit_mixture(x, 1).params
white = torch.linalg.solve_triangular(torch.linalg.cholesky(one.covariances[0]), (fresh - one.means[0]).T, upper=False)
near = (white.norm(dim=0) < 0.5).double()
promised = 1 - math.exp(-(0.5**2) / 2)  # mass of a Gaussian in the plane within r deviations: 1 - exp(-r^2 / 2)
fig, ax = plots.figure(size=(7, 4.6))
clusters.draw(ax, x, one, torch.ones(N, 1), title="one Gaussian, two standard deviations")
plots.ellipse(ax, one.means[0], one.covariances[0], deviations=0.5, color=plots.BLACK, linestyle="--")
ax.set(xlim=(-5.2, 5.2), ylim=(-4, 4))
plots.show(
    fig, alt="One wide ellipse over three clouds. Its centre, marked by a small dashed ellipse, lies between them."
)

# %%
gain = log_likelihood(fresh, known) - log_likelihood(fresh, one)
std_err = gain.std() / math.sqrt(len(fresh))
print(
    f"promised {promised:.1%}, found {near.mean():.1%}; three components gain {gain.mean():.3f} ± {std_err:.3f} nats a fresh datum"
)
ask.discuss(
    100 * float(near.mean()),
    "The Gaussian is most confident between the clouds, where there is next to nothing.",
    right=100 * float(near.mean()),
    within=2,
)
assert near.mean() + 5 * near.std() / math.sqrt(len(fresh)) < promised
assert gain.mean() > 5 * std_err

# %% [markdown]
# ## The log of a sum
#
# Without labels we have only the *incomplete* log-likelihood
#
# $$\log p(x \mid \theta) = \sum_n \log \sum_c \pi_c\, \mathcal N(x_n \mid \mu_c, \Sigma_c)$$
#
# The logarithm of a sum does not split. Its derivative with respect to one mean is still simple:
#
# $$\frac{\partial}{\partial \mu_c} \log p(x \mid \theta) = \sum_n
# \underbrace{\frac{\pi_c\, \mathcal N(x_n \mid \mu_c, \Sigma_c)}{\sum_j \pi_j\, \mathcal N(x_n \mid \mu_j, \Sigma_j)}}_{r_{nc} \,=\, p(z_n = c \mid x_n)}
# \Sigma_c^{-1} (x_n - \mu_c)$$
#
# The weight is the posterior of the label. It is called the *responsibility* of component $c$ for point $n$.
#
# This is an instance of **Fisher's identity**: the gradient of $\log p(x)$ is the posterior's mean of the gradient of $\log p(x, z)$,
#
# $$\nabla_\theta \log p(x) = \sum_z \frac{\nabla_\theta\, p(x, z)}{p(x)} = \sum_z p(z \mid x)\, \nabla_\theta \log p(x, z)$$
#
# The next cell computes this gradient in three ways: by autograd through the log of the sum, by hand, and by the identity, which never
# differentiates the posterior.

# %%
means = one.means + torch.tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])  # somewhere, not yet fitted
guess = Mixture(torch.full((C,), 1 / C), means, torch.eye(D).repeat(C, 1, 1))
means = guess.means.clone().requires_grad_()
joint = Normal(means, 1.0).log_prob(x[:, None]).sum(-1) + guess.weights.log()  # log p(x, z = c), torch's density
(through_the_sum,) = torch.autograd.grad(joint.logsumexp(1).sum(), means, retain_graph=True)
(by_fisher,) = fishers_identity(joint, [means])
r = responsibilities(x, guess)
by_hand = torch.stack([r[:, c] @ (x - guess.means[c]) for c in range(C)])  # covariances are the identity here
assert torch.allclose(through_the_sum, by_hand, rtol=1e-10)
assert torch.allclose(by_fisher, by_hand, rtol=1e-10)
print("d log p / d means, three times\n", through_the_sum.numpy().round(3))

# %% [markdown]
# ## EM: guess the labels softly, fit, repeat
#
# Set the derivatives to zero, treating $r_{nc}$ as if it were fixed (for $\pi$ subject to $\sum_c \pi_c = 1$). The answer is the closed form
# for known labels, in which point $n$ counts for component $c$ with weight $r_{nc}$:
#
# **E step** $\quad r_{nc} = p(z_n = c \mid x_n, \theta)$
#
# **M step** $\quad N_c = \sum_n r_{nc}, \quad \pi_c = \dfrac{N_c}{N}, \quad \mu_c = \dfrac{1}{N_c}\sum_n r_{nc}\, x_n, \quad
# \Sigma_c = \dfrac{1}{N_c} \sum_n r_{nc}\, (x_n - \mu_c)(x_n - \mu_c)^\top$
#
# But $r$ depends on $\theta$, so after the M step it is out of date. Repeat both steps.


# %%
def expect(x, params):
    joint = log_joint(x, params)  # log p(x, z = c)
    log_p = joint.logsumexp(1, keepdim=True)  # log p(x)
    return (joint - log_p).exp(), log_p.mean()


def maximise(x, r):
    n = r.sum(0)
    means = r.T @ x / n[:, None]
    away = x[:, None] - means
    covariances = torch.einsum("nc,nci,ncj->cij", r, away, away) / n[:, None, None]
    return Mixture(n / len(x), means, covariances)


# %%
states = list(itertools.islice(em_steps(x, guess, expect, maximise), 60))
fig, axes = plots.figure(1, 4, size=(12.5, 3.5), sharex=True, sharey=True)
for ax, step in zip(axes, (0, 1, 3, 30), strict=True):
    state = states[step]
    clusters.draw(ax, x, state.params, state.expected, title=f"step {step}: {state.log_lik:.3f} nats")
plots.show(
    fig,
    alt="Four panels: three circles at the centre at the start; after 1, 3 and 30 steps three ellipses cover the clouds.",
)

# %% [markdown]
# Each point's colour mixes the colours of the components by its responsibilities. Next, a plot of how far $\log p(x)$ still is from its final
# value. The axis is logarithmic, so that late gains can be seen.

# %%
ask = predict(
    "Far from the start EM's distance to its end falls by ...",
    ["the same amount at each step", "the same factor at each step", "ever larger factors"],
)

# %%
arrived = fit_from(x, guess, tol=1e-13, max_steps=2000)
trace = arrived.log_lik
left = (trace[-1] - trace)[:-4]  # the last few are rounding
early, late = len(left) // 2, len(left) - 1
factor = float((left[late] / left[early]) ** (1 / (late - early)))
fig, ax = plots.figure()
steps = np.arange(len(left))
ax.semilogy(steps, left, "o-", label="EM")
ax.semilogy(
    steps, float(left[early]) * factor ** (steps - early), "--", color=plots.BLACK, label=f"factor {factor:.2f} a step"
)
ax.set(xlabel="EM step", ylabel="log p(x) still to gain, nats per datum")
ax.legend()
plots.show(fig, alt="The distance of the log-likelihood to its end on a log axis: flat at first, then a straight line.")

# %%
ask.discuss(
    {
        "the same amount at each step": "Then it would arrive after so many steps, exactly. It never quite does.",
        "the same factor at each step": "A straight line on a log axis: linear convergence. It takes some steps until the components have found their clouds.",
        "ever larger factors": "That would be Newton's method, which needs second derivatives.",
    },
    right="the same factor at each step",
)
fit = arrived
loss = log_likelihood(fresh, truth) - log_likelihood(fresh, fit.params)
std_err = loss.std() / math.sqrt(len(fresh))
print(f"on the fitted points EM is ahead by {fit.log_lik[-1] - log_likelihood(x, truth).mean():.4f} nats per datum")
print(
    f"on fresh points the truth is ahead by {loss.mean():.4f} ± {std_err:.4f}; rule of thumb, parameters / 2N: {mixtures.free_parameters(truth) / (2 * N):.4f}"
)

# %% tags=["check"]
assert (trace.diff() >= -1e-9 * trace[1:].abs()).all()  # it never falls, but for rounding
assert fit.log_lik[-1] > log_likelihood(x, truth).mean()
assert loss.mean() > 5 * std_err

# %% [markdown]
# On the 300 points that it was fitted to, EM ends *above* the truth. On fresh points the truth is a little ahead.
#
# ## Why no step can fall
#
# Take any distribution $q$ over the label of a point, multiply and divide by it, and use Jensen's inequality:
#
# $$\log p(x) = \log \sum_c q(c)\, \frac{p(x, c)}{q(c)} \;\ge\; \sum_c q(c) \log \frac{p(x, c)}{q(c)} = \mathcal L(q, \theta),
# \qquad \log p(x) - \mathcal L(q, \theta) = \mathrm{KL}\big(q \,\|\, p(z \mid x)\big)$$
#
# $\mathcal L$ is the *evidence lower bound*, the ELBO. It has two arguments, and EM climbs one at a time:
#
# - **E**: hold $\theta$, choose $q$. The bound is highest at $q = p(z \mid x)$, where the gap is zero: it *touches* $\log p(x)$.
# - **M**: hold $q$, choose $\theta$. The bound rises. It was equal to $\log p(x)$ before and cannot be above it now, so $\log p(x)$ rises at
#   least as much.
#
# To see it, let EM learn a single number. Take two Gaussians of variance 1 on a line; their weights and one mean are known. Then $\theta$ is
# the other mean, $\log p(x \mid \theta)$ is a curve, and each bound $\mathcal L(q_t, \cdot)$ is a parabola.

# %%
ask = predict(
    "After an M step, is the gap between the bound and log p(x) zero?",
    ["yes, always", "no, never", "only where EM stands still"],
)

# %%
pair = Mixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [3.0]]), torch.ones(2))
with seeded(3):
    points, _ = sample(pair, 60)


def with_mean(theta):
    return pair._replace(means=torch.tensor([[0.0], [theta]]))


def elbo(q, x, params):
    return (q * (log_joint(x, params) - q.clamp(min=1e-300).log())).sum(1).mean()


thetas = torch.linspace(-1.0, 4.5, 200)
evidence = torch.stack([log_likelihood(points, with_mean(t)).mean() for t in thetas.tolist()])
at, bounds, theta = [], [], 0.4
for _ in range(3):
    q = responsibilities(points, with_mean(theta))  # E
    bounds.append(torch.stack([elbo(q, points, with_mean(t)) for t in thetas.tolist()]))
    at.append(theta)
    theta = float(q[:, 1] @ points[:, 0] / q[:, 1].sum())  # M

# %%
fig, ax = plots.figure(size=(8.5, 4.8))
ax.plot(thetas, evidence, color=plots.BLACK, lw=3, label="log p(x | θ)")
for t, (bound, colour, style) in enumerate(
    zip(bounds, (plots.BLUE, plots.ORANGE, plots.GREEN), ("--", "-.", ":"), strict=True)
):
    ax.plot(thetas, bound, style, color=colour, label=f"bound after E step {t + 1}")
    ax.plot(at[t], log_likelihood(points, with_mean(at[t])).mean(), "o", color=colour, ms=9, zorder=4)
    ax.plot(thetas[bound.argmax()], bound.max(), "s", color=colour, ms=8, zorder=4)
ax.set(
    xlabel="θ, the unknown mean",
    ylabel="nats per datum",
    ylim=(float(evidence.min()) - 0.3, float(evidence.max()) + 0.1),
)
ax.set_title("E: touch (round). M: climb to the top of the bound (square)")
ax.legend(loc="lower right", fontsize=11)
plots.show(
    fig,
    alt="A curve log p of theta, and under it three bounds; each touches the curve at one point and has its top further right.",
)

# %%
tops = [float(log_likelihood(points, with_mean(float(thetas[b.argmax()]))).mean() - b.max()) for b in bounds]
print("gap after each M step:", [f"{gap:.4f}" for gap in tops], "nats")
ask.discuss(
    {
        "yes, always": "Then the next E step would have nothing to do. The squares lie below the black curve.",
        "no, never": "Nearly: q is the posterior of the old parameters, and at the new ones it is out of date. But where an M step changes "
        "nothing, it is not.",
        "only where EM stands still": "After an M step that moves, q is the posterior of the old parameters, and a gap has opened. It shrinks "
        "as the steps do.",
    },
    right="only where EM stands still",
)

# %% tags=["check"]
assert tops[0] > tops[1] > tops[2] > 0
assert all((bound <= evidence + 1e-12).all() for bound in bounds)  # a bound, everywhere
for t in at:  # and it touches where the E step was taken
    there = with_mean(t)
    touching = elbo(responsibilities(points, there), points, there)
    assert abs(touching - log_likelihood(points, there).mean()) < 1e-12

# %% [markdown]
# Press E, M, E, M yourself. (The lecture demo at the end does the same for all parameters of the three clouds.)

# %%
bounds_demo = explore("touching_bounds", steps="EMEME")

# %% tags=["check"]
params = guess
for _ in range(6):
    q, _ = expect(x, params)
    assert abs(elbo(q, x, params) - log_likelihood(x, params).mean()) < 1e-12  # after E the gap is zero
    params = maximise(x, q)
    posterior = np.exp(scipy_joint(x, params) - np.logaddexp.reduce(scipy_joint(x, params), axis=1, keepdims=True))
    gap = log_likelihood(x, params).mean() - elbo(q, x, params)
    assert np.isclose(stats.entropy(q, posterior, axis=1).mean(), gap, atol=1e-12)  # after M it is the KL, by scipy
    assert gap > 0

# %% [markdown]
# This picture stands behind the rest of the course. If the posterior has no closed form, you can choose $q$ from a family and climb the same
# bound: variational inference (05). In wake-sleep (06) and in the variational autoencoder (08) $q$ is given by a neural net.
#
# ## A likelihood without a maximum
#
# Add a lonely point, far from all others, and give it a component of its own with standard deviation $s$, its *width*. The other component
# still explains the other points.

# %%
lonely = torch.cat([x, torch.tensor([[-5.0, 4.0]])])
wide = fit_mixture(lonely, 1).params
widths = torch.logspace(0, -4, 81)


def with_narrow_component(s):
    covariances = torch.cat([wide.covariances, s**2 * torch.eye(D)[None]])
    return Mixture(torch.tensor([N, 1]) / (N + 1), torch.stack([wide.means[0], lonely[-1]]), covariances)


plain = torch.stack([log_likelihood(lonely, with_narrow_component(s)).sum() for s in widths])
slope = (plain[-1] - plain[-2]) / (widths[-2] / widths[-1]).log()
print(f"log p(all x) gains {slope:.5f} nats each time s falls by a factor e; D = {D}")
assert (
    abs(slope - D) < 1e-4
)  # closed form: log N at its own mean is -D log s + constant; the wide one still claims a little

# %% [markdown]
# As $s \to 0$ it grows without bound, like $-D \log s$, from that one point. *Maximum likelihood has no answer here*; the good fits above are
# local maxima. EM can miss them and collapse onto a point; then the library stops and says so.

# %%
start = Mixture(torch.tensor([0.5, 0.5]), torch.stack([x.mean(0), lonely[-1]]), torch.eye(D).repeat(2, 1, 1) / 4)
collapsed = False
try:
    fit_from(lonely, start)
except FloatingPointError as problem:
    collapsed = True
    print(f"{type(problem).__name__}: {problem}")
assert collapsed

# %% [markdown]
#
# **Say what you know of widths.** The repair is a prior on each covariance, the inverse Wishart. It acts as if each component had $m$ more
# points, scattered about its mean with covariance $V$. We take $m = 2$ and $V = 0.1\, I$. (A proper density needs $m > 2D$; for a maximum any
# $m > 0$ will do.)
#
# $$\log p(\Sigma) = -\tfrac m2 \big[\log |\Sigma| + \mathrm{tr}(\Sigma^{-1} V)\big] + \text{const}, \qquad
# \Sigma_c = \frac{\sum_n r_{nc}\,(x_n - \mu_c)(x_n - \mu_c)^\top + m V}{N_c + m}$$

# %%
prior = Prior(points=2.0, variance=0.1)
saved = fit_from(lonely, start, prior=prior)
n = saved.params.weights[1] * len(lonely)  # the points it answers for: one, less what the other component claims of it
closed_form = prior.points * prior.variance / (n + prior.points) * torch.eye(D)
print(f"N_c = {n:.4f}; its covariance\n", saved.params.covariances[1].numpy().round(6))
assert torch.allclose(saved.params.covariances[1], closed_form, atol=1e-6)
assert (saved.log_lik.diff() >= -1e-9 * saved.log_lik[1:].abs()).all()

# %% [markdown]
# ## Where you start decides where you end
#
# The function that EM climbs has many local maxima. Here are nine clouds on a grid, to be fitted by nine round components. We compare three
# ways to choose the first means: nine random rows of the data; *k-means++*, which draws each next mean from the rows with probability
# proportional to the squared distance from the nearest mean drawn before; and its *greedy* form, which draws several candidates each time and
# keeps the one that leaves the smallest sum of these squared distances.

# %%
ask = predict(
    "Which share of 40 starts finds all nine clouds?",
    ["all about the same", "k-means++ far ahead of rows", "greedy far ahead of both"],
)
centres = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0)) * 2
with seeded(2):
    grid, _ = sample(Mixture(torch.full((9,), 1 / 9), centres, torch.full((9,), 0.12)), 450)


def start_at(means):
    return Mixture(torch.full((9,), 1 / 9), means, torch.full((9,), 0.5))


kinds = {
    "random rows": lambda: grid[torch.randperm(len(grid))[:9]],
    "plain k-means++": lambda: mixtures.seeds(grid, 9, candidates=1),
    "greedy k-means++": lambda: mixtures.seeds(grid, 9),
}
ends = {}
for name, means in kinds.items():
    with seeded(0):
        runs = [fit_from(grid, start_at(means()), prior=prior, tol=1e-5) for _ in range(40)]
    ends[name] = runs
best = max(float(run.log_lik[-1]) for runs in ends.values() for run in runs)
found = {name: np.mean([float(run.log_lik[-1]) > best - 1e-2 for run in runs]) for name, runs in ends.items()}

# %%
fig, (left, right) = plots.figure(1, 2, size=(12, 4.4), width_ratios=[1.3, 1])
error = [math.sqrt(s * (1 - s) / 40) for s in found.values()]
left.bar(list(found), list(found.values()), yerr=error, capsize=6, color=[plots.GREY, plots.ORANGE, plots.BLUE])
left.set(ylabel="share of 40 starts that find all", ylim=(0, 1.05), title="same data, same EM (± one standard error)")
stuck = min(ends["random rows"], key=lambda run: run.log_lik[-1]).params
right.scatter(*grid.T, 14, plots.GREY)
for mean, variance in zip(stuck.means, stuck.covariances, strict=True):
    plots.ellipse(right, mean, variance * torch.eye(2), color=plots.RED)
right.set(xlabel="x₁", ylabel="x₂", title="the worst end", aspect="equal")
plots.show(
    fig,
    alt="Left, three bars: random rows, plain k-means++, greedy k-means++. Right, a fit where circles share a cloud and some cover two.",
)

# %%
print(
    {
        name: f"{share:.0%} find the best, the best of 10 with probability {1 - (1 - share) ** 10:.3f}"
        for name, share in found.items()
    }
)
at_truth = fit_from(grid, Mixture(torch.full((9,), 1 / 9), centres, torch.full((9,), 0.12)), prior=prior, tol=1e-6)
assert abs(at_truth.log_lik[-1] - best) < 1e-2  # the best of them has a component on each cloud
assert found["greedy k-means++"] > found["plain k-means++"] + 0.2
ask.discuss(
    {
        "all about the same": "Where EM ends is decided by where it starts: no small change leads out of a local optimum.",
        "k-means++ far ahead of rows": "The plain form gains something. Most of the gain is the greedy choice.",
        "greedy far ahead of both": "Several candidates each time, the best kept. It is what the library and scikit-learn do.",
    },
    right="greedy far ahead of both",
)

# %% [markdown]
# ## Further: K-means is the limit of narrow components
#
# Give all components the same weight and the same round covariance $\varepsilon I$, and let $\varepsilon \to 0$. Then
#
# $$r_{nc} = \frac{e^{-\|x_n - \mu_c\|^2 / 2\varepsilon}}{\sum_j e^{-\|x_n - \mu_j\|^2 / 2\varepsilon}} \;\longrightarrow\;
# \begin{cases} 1 & \text{if } \mu_c \text{ is the nearest mean} \\ 0 & \text{otherwise} \end{cases}$$
#
# and EM becomes: give each point to its nearest mean; move each mean to the average of its points. That is K-means.


# %%
def narrow(means, eps):
    return Mixture(torch.full((len(means),), 1 / len(means)), means, torch.full((len(means),), eps))


def narrow_m_step(x, r):
    return narrow((r.T @ x) / r.sum(0)[:, None], 1e-6)


limit = em(x, narrow(guess.means, 1e-6), mixtures.e_step, narrow_m_step).params
peer = KMeans(C, init=guess.means.numpy(), n_init=1, tol=0).fit(x.numpy())
assert np.allclose(limit.means, peer.cluster_centers_, atol=1e-8)  # the same means
assert (responsibilities(x, limit).argmax(1).numpy() == peer.labels_).all()  # and the same clusters
print("EM at eps = 1e-6\n", limit.means.numpy().round(4), "\nscikit-learn's K-means\n", peer.cluster_centers_.round(4))

# %% [markdown]
# So K-means is a mixture with weights, shapes and sizes fixed, and with no doubt about any label. Where shapes matter, that is not enough. Here
# are two long clouds, side by side:

# %%
stretched = Mixture(
    torch.tensor([0.5, 0.5]),
    torch.tensor([[0.0, 0.9], [0.0, -0.9]]),
    torch.diag(torch.tensor([6.0, 0.12])).repeat(2, 1, 1),
)
with seeded(5):
    long, labels = sample(stretched, 400)
    soft = fit_mixture(long, 2, restarts=5).params
hard = KMeans(2, n_init=10, random_state=0).fit(long.numpy()).labels_
fig, (left, right) = plots.figure(1, 2, size=(11, 3.8), sharex=True, sharey=True)
clusters.draw(left, long, r=torch.nn.functional.one_hot(torch.tensor(hard).long()).double(), title="K-means")
clusters.draw(right, long, soft, responsibilities(long, soft), title="mixture, full covariances")
plots.show(
    fig, alt="Two flat clouds. K-means cuts across both, left from right; the mixture gives each cloud one ellipse."
)

# %%
bayes = adjusted_rand_score(
    labels, responsibilities(long, stretched).argmax(1)
)  # the best one can do, knowing the truth
ours = adjusted_rand_score(labels, responsibilities(long, soft).argmax(1))
theirs = adjusted_rand_score(labels, hard)
print(
    f"agreement with the labels (0 chance, 1 perfect): K-means {theirs:.3f}, mixture {ours:.3f}, knowing the truth {bayes:.3f}"
)
assert theirs < 0.1
assert abs(ours - bayes) < 0.05

# %% [markdown]
# **When K-means would have done.** Now a case where shapes matter less: twenty groups of the small digits, each named after its most frequent
# digit. How often is the name right? The baseline is random groups. The rivals of K-means are mixtures with diagonal covariances:
# scikit-learn's, which adds a constant to each variance (the *floor*), and ours with a prior. Each has three starts; the last column is the CPU
# time of one.

# %%
digits = load_digits()
images, names = torch.tensor(digits.data / 16), torch.tensor(digits.target)


def right(group):
    """Share of images whose group is named after their digit."""
    pairs = torch.as_tensor(group).long(), names.long()
    table = torch.zeros(20, 10).index_put_(pairs, torch.tensor(1.0), accumulate=True)
    return float(table.max(1).values.sum() / len(names))


def mixture(seed, floor, start="kmeans"):
    peer = GaussianMixture(20, covariance_type="diag", reg_covar=floor, init_params=start, random_state=seed)
    return peer.fit(images.numpy()).predict(images.numpy())


def with_prior_on_widths(seed, points, variance):
    with seeded(seed):
        prior = Prior(points=points, variance=variance)
        params = fit_mixture(images, 20, covariance="diagonal", prior=prior, restarts=1, tol=1e-5).params
    return responsibilities(images, params).argmax(1)


# %%
groupings = {
    "random groups": lambda seed: np.random.RandomState(seed).randint(20, size=len(images)),
    "K-means": lambda seed: KMeans(20, n_init=1, random_state=seed).fit(images.numpy()).labels_,
    "diagonal mixture from K-means, floor 0.001": lambda seed: mixture(seed, 0.001),
    "diagonal mixture from K-means, floor 0.05": lambda seed: mixture(seed, 0.05),
    "diagonal mixture from random rows, floor 0.01": lambda seed: mixture(seed, 0.01, "random_from_data"),
    "ours, prior of 20 points of variance 0.01": lambda seed: with_prior_on_widths(seed, 20.0, 0.01),
    "ours, prior of 20 points of variance 0.05": lambda seed: with_prior_on_widths(seed, 20.0, 0.05),
}
shares, spent = {}, {}
for name, group in groupings.items():
    begin = time.process_time()
    shares[name] = np.array([right(group(seed)) for seed in range(3)])
    spent[name] = (time.process_time() - begin) / 3
    print(f"{name:>45}: right {shares[name].min():.0%} to {shares[name].max():.0%}, {spent[name]:.2f} s")

# %% tags=["check"]
assert shares["K-means"].min() > 5 * shares["random groups"].max()
others = [of_starts for name, of_starts in shares.items() if "mixture" in name or "0.01" in name]
assert all(abs(of_starts.mean() - shares["K-means"].mean()) < 0.07 for of_starts in others)
assert shares["ours, prior of 20 points of variance 0.05"].max() < shares["K-means"].min() - 0.05
assert max(spent.values()) > spent["K-means"]

# %% [markdown]
# Random groups named by majority are right for 15 % of the images, not for 10 %: the names are chosen after the digits are seen. All the others but one
# are within a few percentage points of K-means, and start and floor matter as much as the method. The last one loses more than ten points. It
# differs from the one before in a single number, the variance that the prior expects. For naming digits *K-means would have done*, in a
# fraction of the time. What a mixture adds is a density: $\log p(x)$ of a new image, doubt about its label, new draws.

# %% [markdown]
# ## Further: responsibilities live in log space
#
# A point 60 standard deviations away has density $e^{-1800}$, which is zero in float64. **What is its responsibility then, by the
# formula above?**

# %% tags=["nbval-check-output"]
pair = Mixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [1.0]]), torch.ones(2))  # two unit Gaussians on a line
far = torch.tensor([[60.0], [-60.0], [0.7]])
density = log_joint(far, pair).exp()
print("by the formula", (density / density.sum(1, keepdim=True))[:, 1].numpy())
log_r = log_joint(far, pair).log_softmax(1)
print("in log space  ", [f"{value:.4g}" for value in log_r[:, 1].exp().tolist()])
assert torch.allclose(log_r[:, 1] - log_r[:, 0], far[:, 0] - 0.5)  # closed form: the log odds are x - 1/2

# %% [markdown]
# Zero over zero is NaN. `softmax` and `logsumexp` subtract the largest logarithm before they exponentiate, and lose nothing: the log odds of
# the two Gaussians are $x - 1/2$, however far the point.

# %% [markdown]
# ## Further: peers, and whether EM has arrived
#
# The library takes the two steps above, arranged so that all components share one matrix product. Its peer is scikit-learn's `GaussianMixture`
# from the same start, with the regulariser `reg_covar` set to zero. The two must agree after any number of steps.


# %%
def sklearn_after(steps, x, start, reg_covar=0.0):
    inverse = start.covariances.inverse().numpy()
    model = GaussianMixture(
        len(start.weights), weights_init=start.weights.numpy(), means_init=start.means.numpy(), precisions_init=inverse,
        reg_covar=reg_covar, max_iter=steps, tol=0, init_params="random", random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few steps do not converge, and it says so
        return model.fit(x.numpy()).score(x.numpy())


ours = fit_from(x, guess, max_steps=20, tol=0.0).log_lik
for steps in (1, 2, 3, 5, 10, 20):
    assert math.isclose(ours[steps], sklearn_after(steps, x, guess), rel_tol=1e-11)
stepped = torch.stack([state.log_lik for state in states])
assert torch.allclose(ours, stepped[:21], rtol=1e-11)  # and so do the steps that you wrote above
print(f"after 20 steps: ours {ours[20]:.10f}, scikit-learn {sklearn_after(20, x, guess):.10f} nats per datum")

# %% [markdown]
# At a maximum the gradient is zero. Weights sum to one and covariances are positive definite, so write them with unconstrained numbers, $\pi =
# \mathrm{softmax}(a)$ and $\Sigma_c = L_c L_c^\top$, and ask autograd. The density comes from `torch.distributions`, not from the library.

# %%
a = fit.params.weights.log().requires_grad_()
means = fit.params.means.clone().requires_grad_()
L = torch.linalg.cholesky(fit.params.covariances).requires_grad_()
density = MixtureSameFamily(Categorical(logits=a), MultivariateNormal(means, scale_tril=L.tril()))
gradients = torch.autograd.grad(density.log_prob(x).mean(), (a, means, L))
steepest = max(float(g.abs().max()) for g in gradients)
print(f"converged: {fit.converged} after {len(fit.log_lik) - 1} steps; largest slope {steepest:.1e} nats per datum")
assert steepest < 1e-4

# %% [markdown]
# ## Further: what the prior does
#
# With a prior EM climbs $\log p(x \mid \theta) + \log p(\theta)$, and the trace shows that sum. scikit-learn adds its `reg_covar` to the
# diagonal after each M step
# instead. That also keeps widths above zero, but such steps climb no stated objective. **What may its log-likelihood then do?**

# %%
regularised = np.array([sklearn_after(steps, x, truth, reg_covar=0.1) for steps in range(1, 7)])
print("scikit-learn, from the truth, reg_covar = 0.1:", regularised.round(4))
assert (np.diff(regularised) < -1e-3).any()  # it falls: nothing is wrong, but monotonicity no longer tells you so

# %%
held = plain + torch.stack([mixtures.log_prior(with_narrow_component(s), prior) for s in widths])
fig, ax = plots.figure()
ax.plot(widths, plain - plain[0], label="log p(x)")
ax.plot(widths, held - held[0], "--", label="log p(x) + log p(Σ)")
peak = math.sqrt(prior.points * prior.variance / (1 + prior.points))
ax.axvline(peak, ls=":", color=plots.GREY, label="closed form")
ax.set(xscale="log", xlabel="width s of the lonely component", ylabel="nats, against s = 1", ylim=(-20, 25))
ax.invert_xaxis()
ax.legend(loc="lower right")
plots.show(
    fig,
    alt="As the width falls, the log-likelihood rises for ever; with the prior it peaks near 0.26 and then plunges.",
)
assert abs(float(widths[held.argmax()]) / peak - 1) < 10 ** (2 / 80) - 1  # within half a step of the grid, or one

# %%
with_prior = fit_from(x, guess, prior=prior, tol=1e-12).params
cost = log_likelihood(fresh, fit.params) - log_likelihood(fresh, with_prior)
print(
    f"what the prior costs on fresh points: {cost.mean():.4f} ± {cost.std() / math.sqrt(len(fresh)):.4f} nats per datum"
)
assert abs(cost.mean()) < 0.02  # two points' worth against a hundred

# %% [markdown]
# ## Further: how many components?
#
# With more components the best fit to the training data can only improve. Two ways to say when to stop:
#
# - **held-out**: $\log p$ of points that were not fitted to;
# - **BIC**: charge each free parameter half of $\log N$, and take the lowest
#   $\;-2 \log p(x) + k \log N$, with $k = (C - 1) + CD + C\, D(D+1)/2$ for full covariances. Its unit is nats of the whole data set, times two.
#   Its derivation needs a regular model with one best $\theta$. A mixture with a component too many has a whole set of best $\theta$, so for
#   mixtures BIC needs a proof of its own (Keribin 2000).
#
# The data came from three. Which $C$ will each choose?

# %% tags=["nbval-check-output"]
for C_, D_ in ((3, 2), (3, 4), (10, 64)):
    k = {"full": C_ * D_ * (D_ + 1) // 2, "diagonal": C_ * D_, "spherical": C_}
    print(f"C = {C_:>2}, D = {D_:>2}: " + ", ".join(f"{name} {C_ - 1 + C_ * D_ + size}" for name, size in k.items()))
assert mixtures.free_parameters(truth) == 3 - 1 + 3 * 2 + 3 * 3

# %%
choices = range(1, 8)
with seeded(4):
    fits = [fit_mixture(x, C_, prior=prior, restarts=5, tol=1e-7).params for C_ in choices]
train = torch.stack([log_likelihood(x, params).mean() for params in fits])
test = torch.stack([log_likelihood(fresh, params).mean() for params in fits])
criterion = torch.stack([mixtures.bic(x, params) for params in fits])
fig, (left, right) = plots.figure(1, 2, size=(11, 4))
left.plot(choices, train, "o-", label="fitted points")
left.plot(choices, test, "s--", label="fresh points")
left.set(xlabel="components C", ylabel="log p(x), nats per datum", title="held-out")
left.legend(loc="lower right")
right.plot(choices, criterion, "o-", color=plots.GREEN)
right.set(xlabel="components C", ylabel="BIC, nats", title="BIC: lower is better")
plots.show(fig, alt="Fitted log-likelihood rises with C; on fresh points it peaks at three, where BIC is lowest.")

# %%
print("best C: held-out", choices[int(test.argmax())], "; BIC", choices[int(criterion.argmin())])
assert choices[int(test.argmax())] == choices[int(criterion.argmin())] == 3
assert (train.diff() > 0).all()  # the fitted points always like more
joint = scipy_joint(x, fits[2])  # BIC by scipy's densities and a count by hand
assert math.isclose(criterion[2], -2 * np.logaddexp.reduce(joint, axis=1).sum() + 17 * math.log(N), rel_tol=1e-9)

# %% [markdown]
# ### Real data need not agree with you
#
# Fisher's irises: 150 flowers, four measurements, three species.

# %%
iris = load_iris()
flowers = torch.tensor(iris.data)
with seeded(6):
    fits = {C_: fit_mixture(flowers, C_, restarts=10).params for C_ in (1, 2, 3)}
for C_, params in fits.items():
    peer = GaussianMixture(C_, reg_covar=0, tol=1e-9, max_iter=1000, n_init=10, random_state=0).fit(flowers.numpy())
    match = adjusted_rand_score(iris.target, responsibilities(flowers, params).argmax(1))
    print(
        f"C = {C_}: BIC {mixtures.bic(flowers, params):.2f}, scikit-learn {peer.bic(flowers.numpy()):.2f}; agreement with species {match:.2f}"
    )
    assert math.isclose(mixtures.bic(flowers, params), peer.bic(flowers.numpy()), rel_tol=1e-6)
assert min(fits, key=lambda C_: mixtures.bic(flowers, fits[C_])) == 2
assert mixtures.free_parameters(fits[3]) - mixtures.free_parameters(fits[2]) == 15

# %% [markdown]
# BIC chooses two: the third component does not earn its 15 parameters. Yet with three, the components nearly are the species (agreement 0.90).
# BIC chooses a *density*; it does not ask whether the components mean anything.

# %% [markdown]
# ## Further: the labels have no names
#
# Swap two components: the density is the same. So each fit is one of $C!$ equal ones, and which of them a run finds is chance (*label
# switching*). The average of "the first mean" over runs then has no meaning.

# %% tags=["nbval-check-output"]
orders = [list(order) for order in itertools.permutations(range(3))]
values = [log_likelihood(x, Mixture(*(part[order] for part in fit.params))).sum().item() for order in orders]
print(f"{len(orders)} orders; log-likelihoods differ by less than 1e-9: {max(values) - min(values) < 1e-9}")
assert max(values) - min(values) < 1e-9  # summed in another order: rounding

# %%
with seeded(7):
    runs = [fit_mixture(x, 3, restarts=1, tol=1e-12).params for _ in range(12)]
runs = [run for run in runs if log_likelihood(x, run).mean() > fit.log_lik[-1] - 1e-6]  # those at the same optimum


def aligned(run, reference):
    """The run's components in the order that brings its means nearest to the reference's."""
    _, order = linear_sum_assignment(torch.cdist(reference.means, run.means).square())
    return Mixture(*(part[order] for part in run))


naive = torch.stack([run.means[0] for run in runs])
matched = torch.stack([aligned(run, fit.params).means[0] for run in runs])
print(
    f"{len(runs)} runs; spread of 'the first mean': {naive.std(0).max():.3f} as they come, {matched.std(0).max():.1e} aligned"
)
print(
    "average of 'the first mean'",
    naive.mean(0).numpy().round(2),
    "; the means",
    fit.params.means.numpy().round(2).tolist(),
)
assert naive.std(0).max() > 0.5
assert torch.cdist(naive.mean(0)[None], fit.params.means).min() > 0.5
assert matched.std(0).max() < 1e-3

# %% [markdown]
# The average lies where no run has a component. Compare runs by what does not depend on the order of the components (densities, which points
# are together), or align them first.

# %% [markdown]
# ## Further: twenty components, 64 pixels
#
# A mixture of diagonal Gaussians over the 8 x 8 digits. Some pixels are zero in every image. Without a prior the likelihood then grows without
# bound as their variances shrink, and the library refuses such data. With a prior the fit works.

# %%
try:
    fit_mixture(images, 20, covariance="diagonal")
except ValueError as problem:
    print(f"ValueError: {problem}")
with seeded(8):
    strokes = fit_mixture(
        images, 20, covariance="diagonal", prior=Prior(points=20.0, variance=0.05), restarts=1, tol=1e-5
    )
belongs = responsibilities(images, strokes.params)

# %%
with seeded(9):
    dreams = sample(strokes.params, 20)
order = belongs.sum(0).argsort(descending=True)
fig, ax = plots.figure(size=(13, 2.6))
plots.image_grid(ax, torch.cat([strokes.params.means[order], dreams.x.clamp(0, 1)]), (8, 8), cols=20)
ax.set_title("the twenty means, most used first; below, twenty draws from the mixture", pad=12)
plots.show(fig, alt="A row of smooth digit shapes, each a style of a digit; below, a row of noisier digits.")

# %% [markdown]
# The means are styles of digits. The draws look worse than the means. Given the component, this model lets every pixel vary by itself. If the
# digits do not, their neighbouring pixels must vary together about the component's mean, and those of the draws must not.


# %%
def together(images, component):
    """Correlation of neighbouring pixels' deviations from the mean of their component."""
    away = (images - strokes.params.means[component]).reshape(-1, 8, 8)
    return float(np.corrcoef(away[:, :, 1:].flatten(), away[:, :, :-1].flatten())[0, 1])


with seeded(10):
    drawn = sample(strokes.params, len(images))
print(f"digits {together(images, belongs.argmax(1)):.2f}, draws {together(drawn.x, drawn.z):.2f}")
assert together(images, belongs.argmax(1)) > 0.1 > abs(together(drawn.x, drawn.z))

# %% [markdown]
# So the digits have a dependence that the draws lack: this model has only one label to explain it with. (Part of the noise in the draws may
# come from the prior, which widens the pixels that hardly vary.) Factor analysis has a latent vector, but its map to $x$ is linear; that of the
# variational
# autoencoder (08) is not.
#
# ## Lecture demo
#
# Points take the colour of their responsibilities; on the right, the bound after each half step.
#
# <details><summary>Speaker note</summary>
#
# 1. *Touch and lift.* Press **Same start**, then **E**, **M**, **E**, **M**. After E the blue dot is on the dashed line; after M the dashed line has
#    risen above the orange square. Press E twice: nothing changes, the gap is already zero.
# 2. *Where you start.* Drag two means into one cloud, then **10 times E, M**. Ask the room to bet first. Do it again from elsewhere.
# 3. *Collapse.* From a new start, drag the mean of the lower right cloud onto the lonely point at the top left and run: its ellipse shrinks until EM
#    refuses to go on, and the line under the picture says why. Switch on the prior (the means stay where you put them) and run again: a small circle stays.
#
# </details>

# %%
stepper = explore("stepper")

# %% [markdown]
# ## Summary
#
# 1. A mixture is a latent variable model whose $z$ is a label; its posterior, the responsibilities, is the softmax of the log joint.
# 2. With labels known, the maximum has a closed form; EM uses it with responsibilities in place of labels.
# 3. EM is coordinate ascent on the ELBO: E closes the gap, M lifts the bound, so $\log p(x)$ never falls.
# 4. There are many local maxima, so restart; the likelihood is unbounded, so state a prior; components have no fixed order, so align before you
#    compare.
# 5. K-means is the limit of narrow, equal, round components; BIC and held-out points choose how many.
#
# **To read** Bishop 2006, *Pattern Recognition and Machine Learning*, chapter 9; Dempster, Laird and Rubin 1977, where EM got its name; Neal and
# Hinton 1998, for EM as coordinate ascent; Fraley and Raftery 2007, for the prior.
#
# **Next** Here the M step had a formula. What if it has none? Notebook 04.
