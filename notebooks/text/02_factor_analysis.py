# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 Factor analysis and probabilistic PCA by EM
#
# After this notebook you will be able to
#
# - write down the two linear-Gaussian models, their marginal and their posterior, and draw what they mean;
# - derive EM for them, and test whether an implementation is right;
# - say what probabilistic PCA (PPCA) and factor analysis share, and which changes of the data each can follow: rotations or units;
# - choose the number of latents, fill in missing entries and find outliers with the same few lines.
#
# **Time** 45 minutes for the core; the sections headed *Further* are another 40. The cells run in about 25 seconds on a laptop.
# **Prerequisites** notebook 01, Gaussian conditioning, eigenvectors.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | $N \times D$ | data, one datum a row |
# | $z$ | `z` | $N \times L$ | latents, also called factors |
# | $\mu, W$ | `mu, W` | $D$, $D \times L$ | mean, loadings |
# | $\Psi = \mathrm{diag}(\psi)$ | `psi`, `noise` | $D$ | noise variance of each column (factor analysis) |
# | $\sigma^2$ | `noise` | scalar | one noise variance for all (PPCA) |
# | $M = I + W^\top \Psi^{-1} W$ | `M` | $L \times L$ | posterior precision |
# | $S$ | `S` | $D \times D$ | covariance of the data, divided by $N$ |

# %%
import math
import warnings

import numpy as np
import torch
from scipy import integrate, linalg, stats
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from torch.distributions import MultivariateNormal

from lvmteach.classroom.explorables import explore
from lvmteach.classroom.explorables.predict import predict
from lvmteach.classroom.figures import diagram, plots
from lvmteach.em import em
from lvmteach.linear_gaussian import (
    LinearGaussian,
    covariance,
    fit_fa,
    fit_ppca,
    impute,
    log_likelihood,
    posterior,
    ppca_closed_form,
    sample,
)
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## A few causes behind many columns
#
# Thirteen measurements of a wine are not thirteen independent facts. Ripeness, say, may raise some and lower others, although nobody measured ripeness. A latent
# variable model first draws what was not measured, then what was:
#
# $$z \sim \mathcal N(0, I_L), \qquad x \mid z \sim \mathcal N(\mu + W z, \Psi)$$

# %%
plots.show(
    diagram.graph(
        {
            "$z_n$": diagram.latent(0, 1.3),
            "$x_n$": diagram.observed(0, 0),
            "$W$": diagram.given(1.3, 0.5),
            "$\\mu, \\Psi$": diagram.given(1.3, -0.2),
        },
        ["$z_n$ -> $x_n$", "$W$ -> $x_n$", "$\\mu, \\Psi$ -> $x_n$"],
        {"N": ["$z_n$", "$x_n$"]},
    ),
    alt="In a plate repeated N times a latent circle z with an arrow to the shaded circle x; W, mu and Psi point to x from outside.",
)

# %% [markdown]
# Given $z$ the columns are independent: all dependence between them goes through $W$. In **factor analysis** every column has a noise variance of
# its own, $\Psi = \mathrm{diag}(\psi_1, \dots, \psi_D)$. In **PPCA** all share one, $\Psi = \sigma^2 I$. That is the only difference between the two.
#
# Here are two columns and one latent. Each $z$ gives a point on a line; then comes noise around that point. **Before you look:** the noise is larger
# in the first column, and the line rises. Will the cloud of $x$ be steeper than the line, or less steep?

# %%
params = LinearGaussian(torch.tensor([1.0, 0.5]), torch.tensor([[1.5], [1.0]]), torch.tensor([0.6, 0.1]))
with seeded(1):
    z, x = sample(params, 400)
fig, ax = plots.figure(size=(7.5, 5))
ax.scatter(*x.T, 12, plots.BLUE, alpha=0.5, linewidths=0, label="x")
ax.plot(*(params.mu + torch.tensor([[-3.0], [3.0]]) @ params.W.T).T, color=plots.ORANGE, label="$\\mu + w z$")
plots.ellipse(ax, params.mu, torch.diag(params.noise), color=plots.GREY, linestyle="--", label="noise")
plots.ellipse(ax, params.mu, covariance(params), color=plots.GREEN, label="marginal")
ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", title="two standard deviations")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plots.show(fig, alt="A cloud along a rising line; its ellipse leans less than the line, towards the noisier column.")

# %% tags=["check"]
leaning = torch.linalg.eigh(covariance(params)).eigenvectors[:, -1].abs()
assert leaning[1] / leaning[0] < params.W[1, 0] / params.W[0, 0]  # less steep than the line

# %% [markdown]
# The cloud is less steep: the noise stretches it along the first column.
#
# ## The marginal
#
# $x = \mu + W z + \varepsilon$ is a sum of independent Gaussians, so it is Gaussian, and its covariance is the sum of theirs:
#
# $$p(x) = \int p(x \mid z)\, p(z)\, dz = \mathcal N(\mu,\; W W^\top + \Psi)$$
#
# With one latent we can do the integral numerically. **Do the two sides agree?**

# %% tags=["nbval-check-output"]
point = torch.tensor([2.0, 0.0])


def joint(z):
    mean = params.mu + params.W[:, 0] * z
    return stats.norm.pdf(z) * stats.norm.pdf(point, mean, params.noise.sqrt()).prod()


integral, _ = integrate.quad(joint, -10, 10, epsabs=0, epsrel=1e-12)  # oracle: quadrature over z
closed = log_likelihood(point[None], params).item()
print(f"log p(x): by quadrature {math.log(integral):.4f}, by the formula {closed:.4f}")
assert abs(math.log(integral) - closed) < 1e-9  # quadrature's accuracy

# %% [markdown]
# The density contains the inverse and the determinant of a $D \times D$ matrix, which is large for images. Woodbury's identity and the matrix determinant lemma need only an $L \times L$ matrix,
#
# $$(W W^\top + \Psi)^{-1} = \Psi^{-1} - \Psi^{-1} W M^{-1} W^\top \Psi^{-1}, \qquad |W W^\top + \Psi| = |M|\, |\Psi|, \qquad M = I + W^\top \Psi^{-1} W$$
#
# and dividing by the diagonal $\Psi$ costs little. The library never inverts anything larger than $M$.
#
# ## The posterior
#
# Which $z$ produced this $x$? Multiply prior and likelihood, and collect the terms that are quadratic and linear in $z$:
#
# $$\log p(z \mid x) = -\tfrac12 z^\top \underbrace{(I + W^\top \Psi^{-1} W)}_{M} z + z^\top W^\top \Psi^{-1} (x - \mu) + \text{const}$$
#
# This is a Gaussian with precision $M$:
#
# $$p(z \mid x) = \mathcal N\big(M^{-1} W^\top \Psi^{-1} (x - \mu),\; M^{-1}\big)$$
#
# The covariance does not depend on $x$: every $x$ tells equally much about its $z$, and we know how much before we see any $x$. (In the deep models of notebook 08 this no longer holds.)

# %% tags=["nbval-check-output"]
scaled = params.W / params.noise[:, None]  # Psi^-1 W
M = torch.eye(1) + params.W.T @ scaled
mean = torch.linalg.solve(M, scaled.T @ (point - params.mu))

# oracle: (z, x) is jointly Gaussian; condition on its second block
gain = params.W.T @ torch.linalg.inv(covariance(params))
print(f"mean {mean.item():.4f}, by conditioning {(gain @ (point - params.mu)).item():.4f}")
print(f"variance {1 / M.item():.4f}, by conditioning {(1 - gain @ params.W).item():.4f}")

# %% tags=["check"]
assert torch.allclose(mean, gain @ (point - params.mu), rtol=1e-12)  # rounding
assert torch.allclose(1 / M, 1 - gain @ params.W, rtol=1e-12)
assert torch.allclose(posterior(point[None], params).mean[0], mean, rtol=1e-12)

# %% [markdown]
# See it on real data: alcohol and proline of 178 wines, standardised. A grey tie connects each wine to its *foot*, the point $\mu + w\, \mathbb E[z \mid x]$ on the line. The line is the same in all three pictures; only the noise differs. **In which pictures are
# the ties orthogonal to the line? In which are the feet pulled towards the middle?**

# %%
wine = load_wine()
x = torch.tensor(stats.zscore(wine.data))
pair = x[:, [wine.feature_names.index(name) for name in ("alcohol", "proline")]]
w = torch.tensor([[0.8], [0.8]])
noises = {"nearly none (PCA)": [1e-6, 1e-6], "equal (PPCA)": [0.5, 0.5], "unequal (factor analysis)": [1.0, 0.1]}
fig, axes = plots.figure(1, 3, size=(14, 4.9), sharey=True)
for ax, (name, psi) in zip(axes, noises.items(), strict=True):
    feet = posterior(pair, LinearGaussian(torch.zeros(2), w, torch.tensor(psi))).mean @ w.T
    ax.plot(*torch.stack([pair, feet]).permute(2, 0, 1), color=plots.GREY, lw=0.7)
    ax.plot([-2.8, 2.8], [-2.8, 2.8], color=plots.ORANGE)
    ax.scatter(*pair.T, 14, plots.BLUE, zorder=3)
    ax.scatter(*feet.T, 10, plots.RED, marker="s", zorder=3)
    ax.set(title=name, xlabel="alcohol", aspect="equal", xlim=(-2.8, 2.8), ylim=(-2.8, 3.1))
axes[0].set_ylabel("proline")
plots.show(
    fig,
    alt="Wines tied to feet on a diagonal line: orthogonally without noise, pulled to the middle with equal noise, aslant with unequal noise.",
)

# %% [markdown]
# Orthogonal only in the first: with nearly no noise the feet are the orthogonal projections of PCA. In the other two the feet are pulled towards the middle. With equal noise they are the projections times $(M - 1)/M$ (for one latent, $M$ is a number): the prior shrinks $z$.
# With unequal noise the feet also slide along the line: distance is measured in units of $\sqrt{\psi_d}$ along column $d$, so a difference in the noisy column counts less.

# %% tags=["check"]
for psi, orthogonal in zip(noises.values(), (True, True, False), strict=True):
    params2 = LinearGaussian(torch.zeros(2), w, torch.tensor(psi))
    feet = posterior(pair, params2).mean @ w.T
    M = 1 + (w[:, 0] ** 2 / params2.noise).sum()
    least_squares = (pair / params2.noise) @ w / (M - 1) @ w.T  # the same without the prior
    assert torch.allclose(feet, least_squares * (M - 1) / M)
    assert (((pair - least_squares) @ w).abs().max() < 1e-9) == orthogonal

# %% [markdown]
# ## EM
#
# If $z$ were known, $W$ would be a linear regression. It is not known, but its posterior under the current parameters is. Each round of EM maximises the expected log joint density under that posterior,
#
# $$Q(\theta) = \sum_n \mathbb E\big[\log p_\theta(x_n, z_n)\big]
# = -\tfrac12 \sum_n \sum_d \Big[ \log 2\pi \psi_d + \tfrac{1}{\psi_d} \Big( (x_{nd} - \mu_d)^2 - 2 (x_{nd} - \mu_d)\, w_d^\top \mathbb E[z_n] + w_d^\top \mathbb E[z_n z_n^\top]\, w_d \Big) \Big] + \text{const}$$
#
# where $w_d$ is row $d$ of $W$, and the constant is $\sum_n \mathbb E[\log p(z_n)]$, which contains no parameter.
#
# **E step.** $Q$ needs two moments of each posterior:
#
# $$\mathbb E[z_n] = M^{-1} W^\top \Psi^{-1} (x_n - \mu), \qquad \mathbb E[z_n z_n^\top] = M^{-1} + \mathbb E[z_n]\, \mathbb E[z_n]^\top$$
#
# **M step.** Set the derivatives of $Q$ to zero. $\partial Q / \partial w_d = 0$ gives least squares, and $\partial Q / \partial \psi_d = 0$ gives the variance of what the new $w_d$ leaves:
#
# $$W = \Big(\sum_n (x_n - \mu)\, \mathbb E[z_n]^\top\Big) \Big(\sum_n \mathbb E[z_n z_n^\top]\Big)^{-1}, \qquad
# \psi_d = \frac 1N \sum_n (x_{nd} - \mu_d)^2 - (x_{nd} - \mu_d)\, w_d^\top \mathbb E[z_n]$$
#
# $\mu$ stays at the mean of the data, its maximum likelihood value. The log-likelihood never falls from one round to the next; notebook 03 proves it for every EM.
#
# Do it by hand first, with alcohol, proline and one factor. The axis is badly placed. *M step*: the axis and the noise are fitted to the feet. *E step*: the feet move to the new axis. **Before each press: what will move, and will the log-likelihood rise?**

# %%
by_hand = explore("geometry", angle=20.0, ratio=1.0, steps="")

# %% [markdown]
# Now the same two steps as code, for any number of columns.


# %%
def e_step(x, params):
    mu, W, psi = params
    scaled = W / psi[:, None]
    cov = torch.linalg.inv(torch.eye(W.shape[1]) + W.T @ scaled)
    z = (x - mu) @ scaled @ cov  # E[z], (N, L)
    zz = len(x) * cov + z.T @ z  # sum of E[z z']
    log_lik = MultivariateNormal(mu, W @ W.T + torch.diag(psi)).log_prob(x).mean()  # the D x D way
    return (z, zz), log_lik


def m_step(x, expected):
    z, zz = expected
    centred = x - x.mean(0)
    W = torch.linalg.solve(zz, z.T @ centred).T
    psi = (centred**2 - centred * (z @ W.T)).mean(0)
    return LinearGaussian(x.mean(0), W, psi)


# %% [markdown]
# The loop is the library's, the same for every EM of this course. We start from random loadings on the thirteen standardised measurements, and plot the *distance* to the maximum on a log scale. The log-likelihood itself
# would only rise and flatten, and hide the rate.

# %%
with seeded(2):
    start = LinearGaussian(x.mean(0), 0.5 * torch.randn(13, 2), torch.ones(13))
fit = em(x, start, e_step, m_step, max_steps=2000, tol=1e-12)
library = fit_fa(x, 2, start=start, max_steps=5000, tol=1e-14)
print(f"{len(fit.log_lik) - 1} steps, log-likelihood {fit.log_lik[-1]:.4f} nats per wine, converged: {fit.converged}")
fig, ax = plots.figure()
ax.semilogy((library.log_lik[-1] - fit.log_lik).clamp(min=1e-14), color=plots.BLUE)
ax.set(xlabel="EM step", ylabel="below the maximum, nats", title="two factors, 13 columns, 178 wines")
plots.show(fig, alt="The distance to the maximum falls fast for a few steps, then along a straight line on a log axis.")

# %% [markdown]
# After the first steps the distance falls by the same factor at each step: EM converges *linearly*, and the slope tells you how many steps a further correct digit costs.
#
# ## Is it right?
#
# Two tests come with EM. Use them whenever you write one.
#
# - The log-likelihood never falls. A fall beyond rounding means that a step is wrong.
# - Where EM stops, the gradient of the log-likelihood is zero. Autograd computes that gradient without any E or M step.


# %%
def largest_gradient(params):
    """The largest entry of the gradient of the mean log-likelihood, the D x D way."""
    mu, W, psi = (part.clone().requires_grad_() for part in params)
    log_lik = MultivariateNormal(mu, W @ W.T + torch.diag(psi)).log_prob(x).mean()
    return max(grad.abs().max().item() for grad in torch.autograd.grad(log_lik, (mu, W, psi)))


print(
    f"smallest change in a step {fit.log_lik.diff().min():.1e}, largest gradient at the end {largest_gradient(fit.params):.1e}"
)
assert (fit.log_lik.diff() > -1e-9 * fit.log_lik[:-1].abs()).all()  # rounding
# Near its end a step of EM gains about (gradient)^2 / (2 curvature): 1e-12 nats leave a gradient near 1e-5.
assert largest_gradient(fit.params) < 1e-4

# %% [markdown]
# Now make the E step wrong. Leave $M^{-1}$ out, and use $\mathbb E[z]\, \mathbb E[z]^\top$ for $\mathbb E[z z^\top]$: as if each $z_n$ were known exactly.

# %%
guess = predict(
    "The M step regresses x on z as if z were known. What becomes of the noise?",
    ["little changes, since N is large", "one noise variance falls to zero", "all noise variances grow"],
)


# %%
def forgets_the_variance(x, params):
    (z, _), log_lik = e_step(x, params)
    return (z, z.T @ z), log_lik


with warnings.catch_warnings(record=True) as caught:
    short = em(x, start, forgets_the_variance, m_step, max_steps=5, tol=0)
print("em warns:", caught[0].message)
print(
    f"after 5 steps: smallest noise {short.params.noise.min():.4f}, largest gradient {largest_gradient(short.params):.1f}"
)
wrong = start
for step in range(1, 21):  # by hand: without noise there is no log-likelihood for em to compute
    cov = torch.linalg.inv(torch.eye(2) + wrong.W.T @ (wrong.W / wrong.noise[:, None]))
    z = (x - wrong.mu) @ (wrong.W / wrong.noise[:, None]) @ cov
    wrong = m_step(x, (z, z.T @ z))
    if step in (1, 5, 10, 20):
        print(
            f"step {step:2}: smallest noise {wrong.noise.min():8.1e}, |W| {wrong.W.norm():.2f} (right {fit.params.W.norm():.2f})"
        )

# %%
guess.discuss(
    {
        "little changes, since N is large": "The missing term is N times M^-1: it grows with N as fast as the rest.",
        "one noise variance falls to zero": "A regression on z, which itself was computed from x, explains too much. The smallest noise falls to "
        "1e-16 within ten steps, and below zero by rounding; W becomes twice as long as it should be.",
        "all noise variances grow": "It is the other way round: nothing reminds the regression that z is uncertain, so it explains too much.",
    },
    right="one noise variance falls to zero",
)

# %% tags=["check"]
assert largest_gradient(short.params) > 0.01
assert wrong.noise.min() < 1e-14
assert 2 < wrong.W.norm() / fit.params.W.norm() < 2.3
n = min(len(library.log_lik), len(fit.log_lik))
assert torch.allclose(library.log_lik[:n], fit.log_lik[:n], rtol=1e-11)  # the library takes the same steps

# %% [markdown]
# Both tests notice. Look again at the steps: the data enter only through the sum of $(x_n - \mu)(x_n - \mu)^\top$, multiplied by matrices. So the covariance $S$ is all that EM needs. The library computes it once; after that, a
# step costs the same for a thousand rows and for a million.
#
# ## What the factors say, and what they cannot
#
# The loadings say how each measurement follows the factors; the posterior means give each wine its place in the plane of the two factors. A *biplot* shows both: wines as points, the loadings of four measurements as arrows. The model was not told the three cultivars.


# %%
def biplot(ax, params, title):
    z = posterior(x, params).mean
    for kind, (colour, marker) in enumerate(zip((plots.BLUE, plots.ORANGE, plots.GREEN), "os^", strict=True)):
        ax.scatter(*z[wine.target == kind].T, 22, colour, marker=marker, linewidths=0, label=f"cultivar {kind}")
    for name in ("alcohol", "flavanoids", "color_intensity", "alcalinity_of_ash"):
        w = 2.2 * params.W[wine.feature_names.index(name)]
        side = "right" if w[0] < -1 else "left" if w[0] > 1 else "center"
        ax.annotate("", w, (0, 0), arrowprops={"arrowstyle": "->", "lw": 2})
        ax.annotate(name.replace("_", " "), w * (1 + 0.25 / w.norm()), ha=side, va="center", fontsize=11)
    ax.set(xlabel="E[$z_1$ | x]", ylabel="E[$z_2$ | x]", title=title, aspect="equal")
    ax.set(xlim=(-3.9, 3.1), ylim=(-3.5, 3.5))


guess = predict(
    "Turn the latent axes by 40 degrees, W -> W R. What changes?",
    ["the log-likelihood of each wine", "the posterior means of z", "both", "neither"],
)

# %%
turn = math.radians(40)
R = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
turned = fit.params._replace(W=fit.params.W @ R)
fig, axes = plots.figure(1, 2, size=(12, 5.6))
biplot(axes[0], fit.params, "as EM found them")
biplot(axes[1], turned, "turned by 40 degrees")
axes[1].legend(loc="lower right", fontsize=11)
plots.show(
    fig, alt="Wines by their two factors fall into three groups, which no one told; right, all is turned by 40 degrees."
)
guess.discuss(
    {
        "the log-likelihood of each wine": "The marginal covariance holds W only in W W', and W R R' W' is the same.",
        "the posterior means of z": "They turn along, by R'. Nothing that can be observed changes: not the log-likelihood, and not the reconstruction.",
        "both": "Half of it: the posterior means turn. The log-likelihood holds W only in W W', which stays.",
        "neither": "The groups look alike, but look at the axes: every wine has other coordinates.",
    },
    right="the posterior means of z",
)

# %% tags=["check"]
difference = (log_likelihood(x, turned) - log_likelihood(x, fit.params)).abs().max()
assert difference < 1e-10  # rounding
assert torch.allclose(posterior(x, turned).mean, posterior(x, fit.params).mean @ R, atol=1e-10)

# %% [markdown]
# $W R R^\top W^\top = W W^\top$, and a rotation leaves the prior $\mathcal N(0, I)$ as it is. The *space* spanned by the factors is identified, its axes are not. If you call one axis "ripeness", you have chosen that axis; the data did not. Compare two fits by $W W^\top$, or turn one onto the other first:
# the best orthogonal matrix, $R = U V^\top$ with $U \Lambda V^\top$ the singular value decomposition of $W_1^\top W_2$, is the *orthogonal Procrustes* solution. (Methods such as varimax choose the rotation that makes the loadings nearly sparse.)

# %% tags=["check"]
R_found, _ = linalg.orthogonal_procrustes(fit.params.W.numpy(), turned.W.numpy())  # oracle: scipy
U, _, V = torch.linalg.svd(fit.params.W.T @ turned.W)
assert np.allclose(R_found, (U @ V).numpy())
assert np.allclose(R_found, R.numpy(), atol=1e-10)

# %% [markdown]
# ## PPCA: the maximum in closed form
#
# With one noise variance for all columns no iteration is needed (Tipping and Bishop 1999). With $\lambda_1 \ge \dots \ge \lambda_D$ the eigenvalues of $S$, $U_L$ and $\Lambda_L$ its first $L$ eigenvectors and eigenvalues, and any orthogonal $R$,
#
# $$W = U_L (\Lambda_L - \sigma^2 I)^{1/2} R, \qquad \sigma^2 = \frac{1}{D - L} \sum_{i > L} \lambda_i$$
#
# $$\frac 1N \sum_n \log p(x_n) = -\tfrac12 \Big[ D \log 2\pi + \sum_{i \le L} \log \lambda_i + (D - L) \log \sigma^2 + D \Big]$$
#
# The noise variance is the average of the eigenvalues that the factors leave out. The columns of $U_L (\Lambda_L - \sigma^2 I)^{1/2}$ lie along the principal axes, and are shorter the larger the noise. **Will EM find this maximum from any start?**

# %%
L = 2
values = np.linalg.eigvalsh(np.cov(x.T.numpy(), bias=True))[::-1]  # oracle: numpy, and the two formulas above
sigma2 = values[L:].mean()
best = -0.5 * (13 * np.log(2 * np.pi) + np.log(values[:L]).sum() + (13 - L) * np.log(sigma2) + 13)
closed = ppca_closed_form(x, L)
with seeded(3):
    fits = [fit_ppca(x, L, tol=1e-12, max_steps=5000) for _ in range(6)]
fig, ax = plots.figure()
for one in fits:
    ax.semilogy((best - one.log_lik).clamp(min=1e-14), lw=1.5)
ax.set(xlabel="EM step", ylabel="below the maximum, nats", ylim=(1e-13, 20), title="six random starts")
plots.show(fig, alt="Six curves fall steadily to rounding level: all reach the same maximum.")

# %% tags=["check"]
assert abs(closed.noise - sigma2) < 1e-12 * sigma2  # rounding
assert abs(log_likelihood(x, closed).mean() - best) < 1e-12 * abs(best)
for one in fits:
    assert abs(one.log_lik[-1] - best) < 1e-8 * abs(best)  # EM stops when a step gains 1e-12
    assert torch.allclose(one.params.W @ one.params.W.T, closed.W @ closed.W.T, atol=1e-5)

# %% [markdown]
# All six reach the same maximum. PPCA's likelihood has saddles, where some axis is a wrong eigenvector, but no worse local maximum (Tipping and Bishop 1999, appendix A). A random start practically never ends at a saddle; a chosen one can, as the
# lecture demo shows. Factor analysis has no closed form and no such guarantee.
#
# ## Rotations and scales
#
# Change the data by a linear map $A$ and fit again. Is the new covariance the old one mapped by $A$? The map can be
#
# - a **rotation**, $x \to Q x$, or
# - a **change of units**, $x \to s \odot x$, say from grams to milligrams.
#
# Ask what becomes of the noise covariance: of $\sigma^2 I$ in PPCA, of a diagonal $\Psi$ in factor analysis.
#
# **Before you run the cell:** for which of the two maps does PPCA follow exactly, for which factor analysis?


# %%
def largest_change(fit, A):
    """How far the fit to A x is from A (the fit to x) A', relative to its size."""
    before, after = A @ covariance(fit(x)) @ A.T, covariance(fit(x @ A.T))
    return ((after - before).abs().max() / before.abs().max()).item()


fitters = {"PPCA": lambda x: ppca_closed_form(x, 2), "factor analysis": lambda x: fit_fa(x, 2, tol=1e-6).params}
maps = {"rotated": torch.tensor(stats.ortho_group(13, seed=4).rvs()), "rescaled": torch.logspace(-2, 2, 13).diag()}
change = {(name, way): largest_change(fit, A) for name, fit in fitters.items() for way, A in maps.items()}
for (name, way), value in change.items():
    print(f"{name:16} {way:9} relative change {value:.1e}")
# Exact up to rounding, which factors of 1e4 between columns enlarge.
assert change["PPCA", "rotated"] < 1e-10 < 1e-2 < change["PPCA", "rescaled"]
assert change["factor analysis", "rescaled"] < 1e-10 < 1e-2 < change["factor analysis", "rotated"]

# %% [markdown]
# Under a rotation $\sigma^2 I$ stays as it is, so PPCA follows; a diagonal $\Psi$ does not stay diagonal. Under a change of units a diagonal $\Psi$ stays diagonal, so factor analysis follows; $\sigma^2 I$ does not stay a multiple of $I$.
#
# So PPCA depends on your units. In the raw data, proline has a standard deviation of 314, and the next largest, magnesium, of 14. **What will the first principal axis be?**

# %%
raw = torch.tensor(wine.data)
axis = ppca_closed_form(raw, 1).W[:, 0].square()
for i in raw.std(0, correction=0).argsort(descending=True)[:3]:
    print(
        f"{wine.feature_names[i]:18} standard deviation {raw[:, i].std(correction=0):6.1f}, share of the first axis {axis[i] / axis.sum():.4%}"
    )
assert axis.max() / axis.sum() > 0.99

# %% [markdown]
# Standardise before PPCA unless the columns share a unit, as pixels do. The factor analysis is the same either way, up to the units.
#
# ## How many factors?
#
# More factors never fit the training data worse. So judge by data that the fit has not seen (*cross-validation*): ten times, fit on nine tenths of the wines and score the other tenth. *Everything* that is learnt from data is learnt from the nine tenths, also the mean and the
# standard deviation for standardising. (A score is a log density and depends on the unit, so the code brings all folds back to one unit.)

# %%
N = len(raw)
with seeded(5):
    folds = torch.randperm(N).chunk(10)


def scores(fit):
    """Log-likelihood of every wine, (2, N), in one unit: of the fit that saw it last, and of the fit that never did."""
    train, held, unit = torch.empty(N), torch.empty(N), raw.std(0).log().sum()
    for fold in folds:
        rest = torch.ones(N, dtype=torch.bool).index_fill(0, fold, False)
        centre, scale = raw[rest].mean(0), raw[rest].std(0)
        params = fit((raw[rest] - centre) / scale)
        for rows, into in ((rest, train), (fold, held)):
            into[rows] = log_likelihood((raw[rows] - centre) / scale, params) - scale.log().sum() + unit
    return torch.stack([train, held])


sizes = list(range(1, 9))
fa = torch.stack([scores(lambda x, L=L: fit_fa(x, L, tol=1e-5).params) for L in sizes])  # (L, 2, N)
ppca = torch.stack([scores(lambda x, L=L: ppca_closed_form(x, L)) for L in sizes])

# %%
fig, ax = plots.figure()
for name, curve, colour, marker in (("factor analysis", fa, plots.BLUE, "o"), ("PPCA", ppca, plots.ORANGE, "s")):
    ax.plot(sizes, curve[:, 0].mean(1), "--", color=colour, lw=1.5, marker=marker, ms=4, label=f"{name}, training")
    ax.plot(sizes, curve[:, 1].mean(1), "-", color=colour, marker=marker, label=f"{name}, held out")
ax.set(xlabel="latents L", ylabel="log-likelihood, nats per wine", title="ten folds")
ax.legend()
plots.show(fig, alt="Training curves rise throughout; held-out ones flatten, at 4 factors and at 7 latents of PPCA.")
gain = fa[4:, 1] - fa[3, 1]  # of more than 4 factors over 4, wine by wine
for L, more in zip(sizes[4:], gain, strict=True):
    print(f"{L} factors instead of 4: {more.mean():+.3f} ± {more.std() / math.sqrt(N):.3f} nats per held-out wine")

# %% tags=["check"]
assert (gain.mean(1).abs() <= 3 * gain.std(1) / math.sqrt(N)).all()  # within three standard errors of no gain
assert (fa[:, 1].mean(1) > ppca[:, 1].mean(1))[:6].all()

# %% [markdown]
# The held-out likelihood stops rising while the training curve still climbs: at about four factors, and at seven latents for PPCA. The differences are taken
# wine by wine; beyond four factors they cannot be told from zero. Do not read an exact optimum into the picture.
#
# ## Missing entries
#
# Each pixel of each digit is lost with probability 0.3. **How many of the 1797 digits stay intact?**

# %%
digits = torch.tensor(load_digits().data)
with seeded(6):
    gone = torch.rand(digits.shape) < 0.3
holes = digits.masked_fill(gone, math.nan)
intact = (~gone).all(1).sum()
print(f"{intact} of {len(digits)} digits intact; expected {len(digits) * 0.7**64:.0e}")
assert intact == 0

# %% [markdown]
# So dropping incomplete rows is not possible. With a Gaussian it is not needed: remove the missing entries from $\mu$, $W$ and $\Psi$, and what remains is the marginal of the observed entries $x_o$:
#
# $$x_o \sim \mathcal N(\mu_o,\; W_o W_o^\top + \Psi_o), \qquad M_n = I + W_o^\top \Psi_o^{-1} W_o \text{ for each row}$$
#
# The E step uses each row's own $M_n$; the M step regresses each pixel on the factors, over the digits where it was seen. EM then climbs the likelihood of the observed entries, and nothing needs to be filled in on the way. We take PPCA, which allows pixels that are always blank.
#
# **When is this right?** If the entries are *missing at random* (MAR): given what was observed, the chance of a hole does not depend on the values that it hides. If moreover the mechanism has no parameters in common with the model, the likelihood of the observed entries is all that matters (Rubin 1976). Here the holes are
# drawn without looking at the digits, a stronger condition than MAR. If dark pixels are lost more often than light ones, they are *missing not at random* (MNAR), and the same imputation is biased (*Further: holes that hide dark pixels*, and exercise 02.10).

# %%
with seeded(7):
    fit = fit_ppca(holes, 15, missing=True, tol=1e-3)
print(f"{len(fit.log_lik) - 1} steps, {fit.log_lik[-1]:.2f} nats per digit, of the observed pixels")

# oracle for one row: scipy's density on the observed block
row, seen = holes[0], ~gone[0]
block = covariance(fit.params)[seen][:, seen]
density = stats.multivariate_normal(fit.params.mu[seen], block).logpdf(row[seen])
assert abs(log_likelihood(holes[:1], fit.params, missing=True) - density) < 1e-9 * abs(density)  # rounding

# %% [markdown]
# Now fill in (*impute*) each missing pixel with its conditional expectation, its entry of $\mu + W\, \mathbb E[z \mid x_o]$. Pixels run from 0 to 16. **How large is the error, compared with filling in the pixel's mean over the digits where it was seen?** (*All-knowing* has its parameters from the intact digits.)


# %%
def error(filled):
    return (filled - digits)[gone].square().mean().sqrt().item()


filled = impute(holes, fit.params)
with_mean = torch.where(gone, holes.nanmean(0), digits)
complete = impute(holes, ppca_closed_form(digits, 15))  # parameters from the digits without holes
print(
    f"root mean square error: mean {error(with_mean):.2f}, PPCA {error(filled):.2f}, all-knowing {error(complete):.2f}"
)
assert error(filled) < 0.75 * error(with_mean)
assert error(filled) < 1.1 * error(complete)

# %%
fig, axes = plots.figure(4, 1, size=(11, 4.6))
panels = {"observed": holes.nan_to_num(0), "mean": with_mean, "PPCA": filled, "truth": digits}
for ax, (name, images) in zip(axes, panels.items(), strict=True):
    plots.image_grid(ax, images[:16] / 16, (8, 8), cols=16)
    ax.set_title(name, loc="left", fontsize=13)
plots.show(
    fig, alt="Sixteen digits with holes; filled with means they stay blurred, by PPCA they look like the originals."
)

# %% [markdown]
# The parameters learnt from digits full of holes do nearly as well as those learnt from the intact ones.

# %% [markdown]
# ## Further: holes that hide dark pixels
#
# The same share of pixels is lost, but now dark pixels are lost more often: one above 8 with probability 0.7, any other with a smaller probability, chosen so that the total share is equal. **Will the imputed pixels be too dark or too light?**

# %%
dark = digits > 8
light_rate = (0.3 - 0.7 * dark.double().mean()) / (1 - dark.double().mean())
with seeded(6):
    hidden = torch.rand(digits.shape) < torch.where(dark, 0.7, light_rate)
fits = {}
for name, lost in (("at random", gone), ("dark ones rather", hidden)):
    holes = digits.masked_fill(lost, math.nan)
    with seeded(7):
        fits[name] = fit_ppca(holes, 15, missing=True, tol=1e-3)
    off = (impute(holes, fits[name].params) - digits)[lost]
    print(
        f"lost {name:16} share {lost.double().mean():.3f}: imputed minus true {off.mean():+.2f} ± {off.std() / math.sqrt(len(off)):.2f}, root mean square {off.square().mean().sqrt():.2f}"
    )
    biased = off.mean().abs() > 0.5
    assert biased == (name != "at random")

# %% [markdown]
# Too light, by almost two of the sixteen grey levels: the model has seen too few of the dark pixels, and nothing in the observed data can tell it so. MAR cannot be tested from the observed entries alone; it is an assumption about how the data were collected.
#
# ## Further: peers
#
# scikit-learn has both models. If all maximise the same function they must meet in the same number. `PCA.score` puts $S \cdot N/(N-1)$ for the
# covariance; with $W$ and $\sigma^2$ scaled alike, ours is that density too.

# %%
peer = PCA(2).fit(x.numpy()).score(x.numpy())
ours = closed._replace(W=closed.W * math.sqrt(N / (N - 1)), noise=closed.noise * N / (N - 1))
print(f"PPCA {log_likelihood(x, ours).mean():.10f}, scikit-learn {peer:.10f}")
assert abs(log_likelihood(x, ours).mean() - peer) < 1e-12 * abs(peer)  # rounding

peer = FactorAnalysis(2, svd_method="lapack", tol=1e-9, max_iter=20_000).fit(x.numpy()).score(x.numpy())
print(f"factor analysis {library.log_lik[-1]:.10f}, scikit-learn {peer:.10f}")
assert abs(library.log_lik[-1] - peer) < 1e-6 * abs(peer)  # both stop a little below the maximum

# %% [markdown]
# ## Further: without noise
#
# Let $\sigma^2 \to 0$ in PPCA's posterior mean, with $W$ held fixed:
#
# $$M^{-1} W^\top \Psi^{-1} (x - \mu) = (\sigma^2 I + W^\top W)^{-1} W^\top (x - \mu) \;\longrightarrow\; (W^\top W)^{-1} W^\top (x - \mu)$$
#
# Times $W$, plus $\mu$, the limit is the orthogonal projection on the span of $W$: ordinary PCA. **How fast does the difference vanish?**

# %%
projected = PCA(2).fit(x.numpy())
projected = torch.from_numpy(projected.inverse_transform(projected.transform(x.numpy())))  # oracle: scikit-learn
gaps = []
for sigma2 in (1.0, 0.1, 0.01, 0.001):
    shrinking = closed._replace(noise=torch.tensor(sigma2))
    reconstruction = closed.mu + posterior(x, shrinking).mean @ closed.W.T
    gaps.append((reconstruction - projected).abs().max().item())
    print(f"sigma^2 = {sigma2:5}: largest distance to PCA's projection {gaps[-1]:.5f}")
assert 9 < gaps[-2] / gaps[-1] < 11  # in proportion to sigma^2

# %% [markdown]
# In proportion to $\sigma^2$: a tenth of the noise variance, a tenth of the distance.
#
# ## Further: outliers
#
# An image with a low $\log p(x)$ may be an outlier. Train on 1200 digits, and look at $\log p(x)$ of the others, as they are and mirrored. We keep the pixels whose ink varies, for factor analysis needs columns that vary.

# %%
inked = digits.std(0) > 1
with seeded(8):
    order = torch.randperm(len(digits))
train, test = digits[order[:1200]], digits[order[1200:]]
mirrored = test.view(-1, 8, 8).flip(2).flatten(1)
model = fit_fa(train[:, inked], 20, tol=1e-4).params
usual, strange = (log_likelihood(images[:, inked], model) for images in (test, mirrored))
above = (usual[:, None] > strange).double().mean()
print(f"{inked.sum()} pixels; a digit beats a mirrored digit in {above:.0%} of pairs")
assert 0.8 < above < 0.95

# %%
fig, ax = plots.figure()
bins = np.linspace(-250, -100, 51)
ax.hist(usual.clamp(min=-250), bins, color=plots.BLUE, alpha=0.6, label="held-out digits")
ax.hist(strange.clamp(min=-250), bins, color=plots.ORANGE, histtype="step", lw=2.5, label="mirrored")
ax.set(xlabel="log p(x), nats", ylabel="images", title="factor analysis, 20 factors")
ax.legend(loc="upper left")
plots.show(fig, alt="Log densities of digits gather around minus 120, those of mirrored digits spread far to the left.")

# %% [markdown]
# Where to put the threshold? If the model were true, $-2 \log p(x)$ would be a $\chi^2_D$ variable plus a constant, and a threshold that one image in a hundred fails could be read from a table. **Draws from the model keep
# to this share. Will the digits?**

# %%
D = int(inked.sum())
top = log_likelihood(model.mu[None], model)  # log p at its peak
threshold = top - stats.chi2.ppf(0.99, D) / 2
with seeded(9):
    dreams = log_likelihood(sample(model, 20_000).x, model)
seen = log_likelihood(train[:, inked], model)
groups = {"draws from the model": dreams, "training digits": seen, "held-out digits": usual, "mirrored digits": strange}
for name, values in groups.items():
    print(f"{name:21} {(values < threshold).double().mean():.1%} beyond the 1 % threshold")
assert abs((dreams < threshold).double().mean() - 0.01) < 5 * math.sqrt(0.01 * 0.99 / 20_000)  # 5 standard errors
assert 0.03 < (seen < threshold).double().mean() < (usual < threshold).double().mean()

# %% [markdown]
# They do not, for two reasons. Even training digits are beyond it too often: the digits have heavier tails than the Gaussian fitted to them. And held-out digits are beyond it more often than training digits, which the fit has seen. So set thresholds by held-out data, not by the table. Here are the sixteen held-out digits with the lowest $\log p(x)$.

# %%
fig, ax = plots.figure(size=(11, 1.6))
plots.image_grid(ax, test[usual.argsort()[:16]] / 16, (8, 8), cols=16)
plots.show(fig, alt="Sixteen digits in unusual handwriting, among them ones with feet and sevens with bars.")

# %% [markdown]
# ## Further: what is refused
#
# For some data the likelihood has no maximum. The library says so before it computes. **Why would a constant column make the likelihood of factor analysis infinite?**

# %%
for bad, L in ((digits, 5), (x[:3], 2), (x, 13), (holes, 5)):
    try:
        fit_fa(bad, L)
    except ValueError as problem:
        print("-", problem)
    else:
        raise AssertionError("these data should have been refused")

# %% [markdown]
# With a loading of zero, $\mu_d$ alone fits a constant column exactly, so the density grows without bound as its $\psi_d \to 0$.
#
# ## Lecture demo
#
# Alcohol, proline and one factor again: the line $\mu + w z$ through the cloud, and every wine tied to its foot.
#
# <details><summary>Speaker note</summary>
#
# 1. **Axis first, then feet.** Turn the axis away from the cloud by its slider: the feet follow at once (an E step), the ellipse turns along, the log-likelihood falls. Ask where the axis will go, and then the feet; press *M step* and *E step* in turn.
# 2. **A saddle.** Noise ratio 1 (PPCA), axis at -45 degrees, *10 EM steps*. EM stops below the dashed line: the loading has shrunk to zero. By symmetry no step can choose
#    a side. Now start at -40 degrees: EM lingers near the saddle, then the axis swings round.
# 3. **One ellipse, many axes.** Axis at 45 degrees, noise ratio 4, then 0.25. EM reaches the same ellipse and the same dashed line, with another axis each time.
#    The covariance of two columns is three numbers, and factor analysis has four parameters to match them. PPCA has three parameters, and one answer up to the sign of $w$.
#
# </details>

# %%
geometry = explore("geometry")

# %% [markdown]
# ## Further: the moves of the demo in numbers
#
# Moves 2 and 3. At a saddle EM reports convergence and the gradient is zero, so our two tests do not prove a *maximum*: start several times.

# %%
pair = x[:, [wine.feature_names.index(name) for name in ("alcohol", "proline")]]
S = torch.from_numpy(np.cov(pair.T.numpy(), bias=True))
best = -math.log(2 * math.pi) - 0.5 * torch.logdet(S) - 1  # the best Gaussian of all, Sigma = S
axis = torch.tensor([[1.0], [-1.0]]) / math.sqrt(2)
stuck = fit_ppca(pair, 1, start=LinearGaussian(pair.mean(0), axis, torch.tensor(0.5)), max_steps=100)
steep, flat = (
    fit_fa(pair, 1, start=LinearGaussian(pair.mean(0), axis.abs(), 0.5 * torch.tensor([r, 1 / r])), tol=1e-13)
    for r in (4.0, 0.25)
)
for name, fit in (("saddle", stuck), ("ratio 4", steep), ("ratio 1/4", flat)):
    print(f"{name:9} {fit.log_lik[-1] - best:+.6f} nats from the best; loadings {fit.params.W[:, 0].numpy().round(3)}")
assert stuck.converged
assert stuck.log_lik[-1] < best - 0.2
free = [part.clone().requires_grad_() for part in stuck.params]
log_likelihood(pair, LinearGaussian(*free)).mean().backward()
assert max(part.grad.abs().max() for part in free) < 1e-4  # nats per datum, as at a maximum
assert torch.allclose(covariance(steep.params), S, atol=1e-5)  # a last gain of 1e-13 leaves less than 1e-5
assert torch.allclose(covariance(flat.params), S, atol=1e-5)
assert (steep.params.W.abs() - flat.params.W.abs()).abs().max() > 0.1

# %% [markdown]
# ## Summary
#
# 1. $z \sim \mathcal N(0, I)$, $x \mid z \sim \mathcal N(\mu + W z, \Psi)$: everything is Gaussian, so marginal and posterior are exact, by one $L \times L$ matrix.
# 2. EM alternates a posterior and a regression. The log-likelihood never falls, and where EM stops its gradient is zero: two tests for any EM you write.
# 3. PPCA has a closed form, and becomes PCA as the noise goes to zero. It follows rotations of the data; factor analysis follows changes of units. The latent axes of both are arbitrary.
# 4. The same likelihood chooses $L$ on held-out data, remains exact with missing entries, and ranks outliers.
# 5. Two cautions: this imputation assumes that entries are missing at random, and digits have heavier tails than a Gaussian.
#
# **Read.** Tipping and Bishop, *Probabilistic principal component analysis* (1999). Bishop, *Pattern Recognition and Machine Learning*, chapter 12 (2006). Rubin and Thayer, *EM algorithms for ML factor analysis* (1982).
#
# **Next.** The biplot showed three groups of wine, but the model has one Gaussian for them all. What if the latent variable is *which group*? Notebook 03.
