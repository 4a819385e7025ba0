# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 00 Start here
#
# After this notebook you will be able to
#
# - tell whether your machine is ready, and paste a useful report when it is not;
# - read a neural net as the parameters of a distribution, and its loss as a log-likelihood;
# - say why a gradient from a few data points is worth following;
# - name four families of latent variable models, and four things they are for.
#
# **Time** 45 minutes; the cells run in about 15 seconds on a laptop. **Prerequisites** Python, a little PyTorch,
# the Gaussian density.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | $N \times D$ | observed data, one datum a row |
# | $y$ | `y` | $N$ | labels, 0 or 1 |
# | $z$ | `z` | $N \times L$ | latent variables |
# | $\theta$ | `theta`, `net.parameters()` | | generative parameters |
# | $\ell(\theta)$ | `log_lik` | scalar | log-likelihood |
# | $N, D, L, B$ | `N, D, L, B` | | data, observed and latent dimension, batch |
#
# Logarithms are natural, so log-likelihoods are in *nats*.

# %%
import itertools
import math

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_digits, make_moons
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor, NearestCentroid
from torch import nn
from torch.distributions import Bernoulli

from lvmteach.classroom.explorables import explore
from lvmteach.classroom.explorables.predict import predict
from lvmteach.classroom.figures import course, plots
from lvmteach.data import load_images
from lvmteach.linear_gaussian import fit_ppca, log_likelihood, posterior
from lvmteach.runtime import report, seeded

# %% [markdown]
# ## Two numbers behind an image
#
# Every point of the plane below is a pair of numbers, $z$. A neural net turns it into an image $x$ that nobody drew. It has learnt this from images alone: nobody told it which $z$ belongs to which image, nor which digit an image shows
# (the marks show the digits to you only). Drag the ring, or use the arrow keys.
#
# - Walk from one digit to another. What lies between them?
# - Go to the edge of the plane. The density $p(z)$, from which the model draws its $z$, is small there, so the model rarely makes these images. What do they look like?

# %%
walk = explore("latent_explorer")

# %% [markdown]
# The variable $z$ is *latent*: it explains the image, but no data set contains it. How can a model learn from variables that nobody has seen? That is the question of this course. You will train the model above in notebook 08.
#
# ## Is everything here?
#
# The next cell prints what you would paste into a question: versions, device, threads, data.

# %%
report()

# %% [markdown]
# Some notebooks need images. They use MNIST if it is on your machine or can be downloaded, and otherwise scikit-learn's small digits; one
# line says which. Every notebook runs on either.

# %%
images = load_images()
print(f"{images.name}: {len(images.train)} training images of {images.shape[0]} x {images.shape[1]} pixels")
fig, ax = plots.figure(size=(9, 3))
plots.image_grid(ax, images.train[:40], images.shape, cols=20)
ax.set_title(f"the first 40 images of {images.name}")
plots.show(fig, alt="Two rows of handwritten digits, dark ink on white.")

# %% tags=["check"]
assert images.train.shape[1] == math.prod(images.shape)
assert 0 <= images.train.min() <= images.train.max() <= 1

# %% [markdown]
# ## How a notebook of this course works
#
# - **Answer before you run.** When the text asks a question, write down an answer, then run the next cell. If it was wrong, find out why.
# - **Nothing is claimed that is not computed.** A number in the text is computed in a cell, and an `assert` compares it with an
#   *oracle*: an exact value that was found another way. If you break something, an `assert` will tell you.
# - **Core and further.** Sections headed *Further* are for later; all others make up a lecture of 45 minutes.
# - **Randomness is local.** A cell that draws random numbers says `with seeded(3):`. Change the number to see which results were luck.
# - **Exercises** are in `exercises/`. Fill in a function and run the check below it: it says what is right, or what went wrong and
#   why. Until yours passes, the reference solution is used instead, so every later cell runs.
# - **Long work** shows a progress bar. Interrupt the kernel whenever you have seen enough: what was learnt is kept.
#
# Here is an oracle at work: the same number computed in two ways that share no code.

# %% tags=["nbval-check-output"]
x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
ours = torch.distributions.Normal(0, 1).log_prob(x).sum()
oracle = stats.norm.logpdf(x.numpy()).sum()  # scipy, not torch
print(f"log p(x) = {ours:.4f} nats")
assert abs(ours - oracle) < 1e-12  # float64 rounding

# %% [markdown]
# ## A neural net parametrises a distribution
#
# A classifier does not return a label. It returns a number $f_\theta(x)$, and the sigmoid turns this number into the parameter $\pi$ of a distribution over labels:
#
# $$p_\theta(y \mid x) = \mathrm{Bernoulli}\big(y \mid \pi = \mathrm{sigmoid}(f_\theta(x))\big)$$
#
# The points are independent, so the likelihood of the data is a product over points, and its logarithm is a sum. Training maximises this sum:
#
# $$\ell(\theta) = \sum_{n=1}^N \log p_\theta(y_n \mid x_n)$$

# %%
guess = predict(
    "How is the cross-entropy loss related to the log-likelihood of the labels?",
    ["it is its negative", "it is an upper bound of it", "it is another criterion, with the same minimum"],
)


# %% tags=["nbval-check-output"]
def log_likelihood_of_labels(net, x, y):
    p_y = Bernoulli(logits=net(x).squeeze(-1))  # the net's output is a distribution's parameter
    return p_y.log_prob(y).sum()


logits = torch.tensor([[2.0], [-1.0], [0.3]], dtype=torch.float64)
y = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
log_lik = log_likelihood_of_labels(nn.Identity(), logits, y)
cross_entropy = nn.functional.binary_cross_entropy_with_logits(logits[:, 0], y, reduction="sum")
print(f"log-likelihood {log_lik:.4f}, cross-entropy {cross_entropy:.4f} nats")
assert abs(log_lik + cross_entropy) < 1e-12
guess.discuss(
    {
        "it is its negative": "Minimising cross-entropy is maximum likelihood; nothing was added.",
        "it is an upper bound of it": "It is the same number with the opposite sign.",
        "it is another criterion, with the same minimum": "It is the same criterion: the same number with the opposite sign.",
    },
    right="it is its negative",
)

# %% [markdown]
# Now let $f_\theta$ be a net with one hidden layer. The points form two half moons, one for each label.

# %%
points, labels = make_moons(400, noise=0.2, random_state=0)
points, labels = torch.tensor(points, dtype=torch.float32), torch.tensor(labels, dtype=torch.float32)
with seeded(0):
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
adam = torch.optim.Adam(net.parameters(), lr=0.02)
for _ in range(400):
    adam.zero_grad()
    (-log_likelihood_of_labels(net, points, labels)).backward()
    adam.step()
with torch.no_grad():
    log_lik = log_likelihood_of_labels(net, points, labels).item()
base_rate = Bernoulli(labels.mean()).log_prob(labels).sum().item()
print(f"log-likelihood: net {log_lik:.0f}, always the base rate {base_rate:.0f} nats for {len(labels)} points")

# %% tags=["check"]
assert abs(base_rate - 400 * math.log(0.5)) < 1e-3  # 200 points of each class: log 2 a point
assert log_lik > base_rate / 3

# %% [markdown]
# **Before you look:** where will the net be unsure, and where will it be sure although it has seen nothing there?

# %%
across, up = torch.meshgrid(torch.linspace(-2, 3, 120), torch.linspace(-1.8, 2.3, 120), indexing="xy")
with torch.no_grad():
    pi = net(torch.stack([across, up], -1)).squeeze(-1).sigmoid()
fig, ax = plots.figure()
shades = ax.contourf(across, up, pi, levels=np.linspace(0, 1, 11), cmap=plots.DIVERGING, alpha=0.45)
for label, colour, marker in ((0, plots.ORANGE, "o"), (1, plots.BLUE, "^")):
    mine = points[labels == label]
    ax.scatter(*mine.T, 26, colour, marker=marker, edgecolors="black", linewidths=0.6, label=f"y = {label}")
fig.colorbar(shades, label="π(x), probability of y = 1")
ax.set(xlabel="x₁", ylabel="x₂", title="a net gives every x a distribution over y")
ax.legend(loc="upper right", frameon=True)
plots.show(
    fig, alt="Two interleaved half moons of points; the probability of class one changes along a curve between them."
)

# %% [markdown]
# It is unsure along a curve between the moons, and sure in the corners, where there are no points at all. A net for $p(y \mid x)$ does not say whether $x$ itself is unusual; a model of $p(x)$ does (see the lecture demo).
#
# ## Why a few points are enough for a step
#
# The log-likelihood is a sum over $N$ points; so is its gradient. Take $B$ of them at random and scale up:
#
# $$\hat g = \frac NB \sum_{n \in \text{batch}} \nabla_\theta \log p_\theta(y_n \mid x_n), \qquad \mathbb E[\hat g] = \nabla_\theta\, \ell(\theta)$$
#
# **Before you run the cell:** with $N = 8$ points there are 56 batches of 3. What is the average of their 56 gradients?

# %%
tumours = load_breast_cancer()
x = torch.as_tensor(stats.zscore(tumours.data[:, :5]))  # five measurements of 569 patients
y = torch.as_tensor(tumours.target, dtype=torch.float64)
N, B = 8, 3
with seeded(1):
    linear = nn.Linear(5, 1, dtype=torch.float64)


def gradient(rows):
    log_lik = log_likelihood_of_labels(linear, x[rows], y[rows])
    return torch.cat([g.flatten() for g in torch.autograd.grad(log_lik, linear.parameters())])


full = gradient(list(range(N)))
estimates = torch.stack([N / B * gradient(list(rows)) for rows in itertools.combinations(range(N), B)])
print(f"{len(estimates)} batches; the average misses the full gradient by {(estimates.mean(0) - full).abs().max():.1e}")
assert torch.allclose(estimates.mean(0), full, atol=1e-12)  # exact, but for rounding

# %% [markdown]
# The average is exactly the full gradient: the minibatch gradient is *unbiased*. The price is variance. For batches drawn without replacement it has a
# closed form, in which $S^2$ is the variance of the $N$ single-point gradients (with divisor $N-1$):
#
# $$\mathbb V[\hat g] = \frac{N^2 S^2}{B}\Big(1 - \frac BN\Big)$$

# %%
singles = torch.stack([gradient([n]) for n in range(N)])
formula = N**2 * singles.var(0) / B * (1 - B / N)
print("variance over all batches ", estimates.var(0, correction=0)[:3].numpy().round(3))
print("variance by the formula   ", formula[:3].numpy().round(3))
assert torch.allclose(estimates.var(0, correction=0), formula, rtol=1e-9)

# %% [markdown]
# Doubling the batch halves the variance while the batch is a small part of the data. For larger batches the variance falls faster, and at $B = N$ it is zero. There is no bias at any size. Estimates that are right on
# average, and ways to make them less noisy, are the subject of notebooks 01 and 07.
#
# ## Variables nobody has seen
#
# A **latent variable model** says that each datum $x$ has a hidden cause $z$. Since $z$ is not observed, we integrate over it (or sum, if $z$ is discrete):
#
# $$p_\theta(x) = \int p_\theta(x \mid z)\, p(z)\, dz$$
#
# Four families differ in what $z$ is and in how $x$ depends on it. White circles are latent, grey ones observed.

# %%
plots.show(
    course.families(),
    alt="Four graphs. Factor analysis and mixture: z points to x. Hidden Markov model: a chain of three z, each pointing "
    "to its x. Deep generative model: z points through a net to x.",
)

# %% [markdown]
# | family | $z$ | $p(x \mid z)$ | the integral | notebook |
# |---|---|---|---|---|
# | factor analysis | vector | Gaussian, mean $Wz + \mu$ | closed form | 02 |
# | mixture | one of $C$ labels | one Gaussian for each label | a sum of $C$ terms | 03 |
# | hidden Markov model | a sequence of labels | depends on the current label | a sum, by dynamic programming | 11 |
# | deep generative model | vector | parameters from a net | no closed form | 06, 08, 09 |
#
# ## What they are for
#
# One small model shows four uses: probabilistic PCA with ten latent dimensions, fitted to the 8 x 8 digits of scikit-learn. Notebook 02 explains every line.

# %%
digits = load_digits()
x = torch.as_tensor(digits.data / 16)
with seeded(0):
    fit = fit_ppca(x, L=10)  # EM from a random start
mu, W, sigma2 = fit.params
print(f"log-likelihood {fit.log_lik[-1]:.3f} nats an image, noise {sigma2.sqrt():.3f} of full ink")
print(f"with pixels from 0 to 16 instead of 0 to 1: {fit.log_lik[-1] - 64 * math.log(16):.3f} nats")

# %% [markdown]
# **Why is it positive?** A log *probability* is never positive. This is the log of a *density*, per unit of each pixel: with ink from 0 to 1 and a noise near 0.15 it can be far above one. It depends on the unit: $x \to 16 x$ subtracts $64 \log 16$. Only differences between models of
# the same data in the same unit mean anything.

# %% tags=["check"]
cov = (W @ W.T).numpy() + float(sigma2) * np.eye(64)
oracle = stats.multivariate_normal(mu.numpy(), cov).logpdf(x.numpy())  # the model is one Gaussian in 64 dimensions
assert np.allclose(log_likelihood(x, fit.params), oracle, rtol=1e-9)  # each image's log p(x)
assert math.isclose(oracle.mean(), fit.log_lik[-1], rel_tol=1e-9)
in_16ths = fit.params._replace(W=16 * W, mu=16 * mu, noise=256 * sigma2)
assert torch.allclose(log_likelihood(16 * x, in_16ths), log_likelihood(x, fit.params) - 64 * math.log(16))

# %% [markdown]
# **1 Explain.** The posterior $p(z \mid x)$ says which causes an image probably has. The model does not know about classes. EM started at random, and the ten latent axes that it found are arbitrary (notebook 02 says why). So we first turn them to the *principal latent axes*, the directions along which $W z$ varies most.

# %%
_, _, V = torch.linalg.svd(W, full_matrices=False)  # W = U S V', so the axes are the rows of V'
z = posterior(x, fit.params).mean
four = np.isin(digits.target, (0, 1, 4, 6))
for name, axes in (("as EM found them", z), ("principal", z @ V.T)):
    two = axes[four, :2].numpy()
    right = NearestCentroid().fit(two, digits.target[four]).score(two, digits.target[four])
    print(f"two axes {name:17}: {right:.0%} of the images of 0, 1, 4, 6 are nearest to their own group's centre")
fig, ax = plots.figure(size=(7, 5))
for digit, marker in ((0, "o"), (1, "s"), (4, "^"), (6, "v")):
    ax.scatter(*(z @ V.T)[digits.target == digit, :2].T, 26, marker=marker, alpha=0.7, label=f"digit {digit}")
ax.set(xlabel="E[z₁ | x], principal", ylabel="E[z₂ | x], principal", title="explain: causes found without labels")
ax.legend()
plots.show(
    fig, alt="Posterior means on two principal latent axes; images of 0, 1, 4 and 6 form four groups that touch."
)

# %% [markdown]
# You see four groups, which touch. On the first two axes of the random start the same groups overlap: what you see in a latent space depends on the axes that you choose.

# %% tags=["check"]
assert right > 0.8
arbitrary = NearestCentroid().fit(z[four, :2], digits.target[four]).score(z[four, :2], digits.target[four])
assert arbitrary < right - 0.1
assert torch.allclose((W @ V.T).T @ (W @ V.T), torch.linalg.svdvals(W).square().diag(), atol=1e-9)

# %% [markdown]
# **2 Generate.** Draw a latent $z$, and look at the mean $W z + \mu$ of its images. **Before you look:** what will a *linear* model get wrong?

# %%
with seeded(2):
    dreams = torch.randn(30, 10, dtype=torch.float64) @ W.T + mu
fig, ax = plots.figure(size=(9, 2.8))
plots.image_grid(ax, dreams.clamp(0, 1), (8, 8), cols=15)
ax.set_title("generate: thirty images nobody drew")
plots.show(fig, alt="Two rows of blurred shapes, some of which resemble digits.")

# %% [markdown]
# The images are blurred. Each of them is the mean image plus a weighted sum of ten fixed pictures. Compare them with the images of the opening demo.
#
# **3 Fill in.** Hide the lower half of each image and ask for $\mathbb E[x_\text{low} \mid x_\text{high}]$. **Guess:** how much better than the mean image can a linear model be?

# %%
high, low = slice(0, 32), slice(32, 64)
seen = fit.params._replace(W=W[high], mu=mu[high])
filled = x.clone()
filled[:, low] = posterior(x[:, high], seen).mean @ W[low].T + mu[low]
error = (filled - x)[:, low].square().mean().sqrt()
mean_fill = (x.mean(0) - x)[:, low].square().mean().sqrt()
print(f"root mean square error a pixel: {error:.3f}, by the mean image {mean_fill:.3f}")
fig, axes = plots.figure(3, 1, size=(9, 4.2))
seen_only = torch.cat([x[:15, high], torch.zeros(15, 32)], 1)
for ax, (name, images8) in zip(axes, {"truth": x, "seen": seen_only, "filled in": filled}.items(), strict=True):
    plots.image_grid(ax, images8[:15].clamp(0, 1), (8, 8), cols=15)
    ax.set_title(name, loc="left")
plots.show(fig, alt="Three rows: digits, their upper halves, and the upper halves completed by the model.")

# %% tags=["check"]
given = np.linalg.solve(cov[high, high], cov[high, low])  # oracle: linear regression in the model's own covariance
assert np.allclose(filled[:, low], mu[low].numpy() + (x[:, high] - mu[high]).numpy() @ given, atol=1e-8)
assert error < mean_fill

# %% [markdown]
# The error is only an eighth below that of the mean image. Is that the model's fault, or does the upper half tell no more about the lower half? Two controls, fitted to every second image and judged on the others: the best linear map, and a rule that is not linear (the mean of the five images with the most similar upper half).

# %%
learn, judge = slice(0, None, 2), slice(1, None, 2)
for name, rival in (("linear map", LinearRegression()), ("nearest five", KNeighborsRegressor(5))):
    rival.fit(x[learn, high].numpy(), x[learn, low].numpy())
    rms = np.sqrt(np.mean((rival.predict(x[judge, high].numpy()) - x[judge, low].numpy()) ** 2))
    print(f"{name:12} root mean square error {rms:.3f}")
assert rms < 0.85 * error

# %% [markdown]
# The best linear map gains little over the model. The rule that is not linear gains about twice as much over the mean image as the linear map does. So the upper half does tell more, and a *linear* model cannot use it. Notebook 08 asks a deep model the same question.
#
# **4 Find outliers.** An unusual image should have a low $\log p(x)$. Turn the digits upside down. Does the model notice,
# although nobody told it which way is up?

# %%
upright, turned = log_likelihood(x, fit.params), log_likelihood(x.flip(1), fit.params)
noticed = (upright[:, None] > turned).double().mean()  # chance that an upright image beats a turned one
fig, ax = plots.figure()
edges = np.linspace(-100, 100, 41)
ax.hist(upright.numpy(), edges, color=plots.BLUE, alpha=0.7, label="upright")
ax.hist(turned.numpy(), edges, histtype="step", color=plots.RED, lw=2.5, label="upside down")
ax.set(xlabel="log p(x) in nats", ylabel="images", title=f"outliers: upright is likelier in {noticed:.0%} of pairs")
ax.legend()
plots.show(fig, alt="Two histograms of log p(x); images upside down lie to the left of upright ones.")

# %% tags=["check"]
u = stats.mannwhitneyu(upright, turned).statistic  # oracle: the rank test counts the same pairs
assert abs(noticed - u / len(x) ** 2) < 1e-9
assert noticed > 0.7

# %% [markdown]
# ## The course
#
# Each stage answers one question and leaves the next one open.

# %%
plots.show(
    course.course_map(),
    alt="Twelve panels, one for each stage from 00 to 11, each with a small picture and the question that the stage answers.",
)

# %% [markdown]
# ## Further: is the maximum really found?
#
# With a linear $f_\theta(x) = w^\top x + b$ the log-likelihood is concave. It has exactly one maximum if the classes *overlap* (no hyperplane separates them, not even with some points on it) and no column is a linear function of the others. scikit-learn's logistic regression looks for it with code of its own: the two must agree.

# %%
x = torch.as_tensor(stats.zscore(tumours.data[:, :5]))


def climb(x, y, steps):
    """Weights and log-likelihood of a logistic regression after some steps of L-BFGS."""
    with seeded(4):
        linear = nn.Linear(x.shape[1], 1, dtype=torch.float64)
    lbfgs = torch.optim.LBFGS(linear.parameters(), max_iter=steps, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def minus_log_lik():
        lbfgs.zero_grad()
        loss = -log_likelihood_of_labels(linear, x, y)
        loss.backward()
        return loss

    lbfgs.step(minus_log_lik)
    return linear.weight.norm().item(), -minus_log_lik().item()


peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(x.numpy(), y.numpy())
chance = peer.predict_proba(x.numpy())[np.arange(len(y)), y.numpy().astype(int)]
_, ours = climb(x, y, 500)
print(f"log-likelihood at the maximum: ours {ours:.5f}, scikit-learn {np.log(chance).sum():.5f} nats")

# %% tags=["check"]
assert abs(ours - np.log(chance).sum()) < 1e-5 * abs(ours)  # both stop within 1e-10 of a flat gradient

# %% [markdown]
# If a hyperplane *separates* the classes, there is no maximum: weights twice as long are always better. **What does the log-likelihood tend to, and what do the weights?**

# %%
side = torch.tensor([[-2.0], [-1.0], [1.0], [2.5]], dtype=torch.float64)
label = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
for steps in (1, 3, 10, 30):
    size, log_lik = climb(side, label, steps)
    print(f"after {steps:2} steps: |w| = {size:6.2f}, log-likelihood {log_lik:.2e}")
assert log_lik > -1e-3
assert size > 5

# %% [markdown]
# The log-likelihood tends to zero, and the weights grow without bound.
#
# ## Lecture demo
#
# Here are two models of the same moons. One, logistic regression, models $y$ given $x$. The other fits a Gaussian to each moon, then treats the label as a hidden cause $z$ and sums over it:
#
# $$p(x) = \sum_z p(z)\, p(x \mid z)$$
#
# The star is a point that neither model has seen. **Before you look:** what will each of them say about it? Then drag it.
#
# <details><summary>Speaker note</summary>
#
# 1. *Left.* Show the next picture with the right half covered. Ask where the model is unsure: along the line. Then the star, far from all data: there it is as sure as it
#    can be. A conditional model $p(y \mid x)$ does not say whether $x$ is unusual.
# 2. *Right.* The same star has a lower $\log p(x)$ than every point seen: a model of $p(x)$ says that the star is unusual. Move the star to (-1, 1), into a moon, and read both
#    numbers again. Then between the moons, (0.5, 0.3): now the left model is unsure, and $\log p(x)$ on the right is high.
# 3. That difference is one reason to want $p(x)$. Here it is a sum over two causes. If the cause is a vector, it is an integral, and most of this course is about that integral.
#
# </details>

# %%
star = explore("two_moons")

# %% tags=["check"]
moons, side = make_moons(400, noise=0.2, random_state=0)
sided = LogisticRegression().fit(moons, side)  # p(y | x)
groups = [stats.multivariate_normal(moons[side == z].mean(0), np.cov(moons[side == z].T)) for z in (0, 1)]  # p(x | z)
place = star.values["star"]
log_p = math.log(0.5 * sum(group.pdf(place) for group in groups))
assert abs(star.result.log_p - log_p) < 1e-4 * abs(log_p)  # the page has the points in single precision
assert abs(star.result.p - sided.predict_proba([place])[0, 1]) < 1e-4

# %% [markdown]
# ## Summary
#
# - A net's output is the parameter of a distribution; its loss is a negative log-likelihood, in nats.
# - A minibatch gradient is unbiased; a larger batch lowers its variance.
# - A latent variable model integrates over causes: $p(x) = \int p(x \mid z) p(z) dz$.
# - Four families: factor analysis, mixtures, hidden Markov models, deep generative models.
# - Four uses: explain, generate, fill in, find outliers.
#
# **To read** Bishop, *Pattern Recognition and Machine Learning* (2006), sections 1.2 and 4.3; Murphy, *Probabilistic Machine Learning: Advanced
# Topics* (2023), chapter 28.
#
# **The next question** All of this needs the integral $p(x)$, and most integrals have no formula. What can be done with samples? That is notebook 01.
