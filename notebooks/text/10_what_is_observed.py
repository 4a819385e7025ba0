# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10 Richer models: what is observed
#
# After this notebook you will be able to
#
# - choose an observation model for counts, and tell a probability mass from a density;
# - say why a Gaussian likelihood may have no maximum, and keep an outlier from turning your axes;
# - train on data with holes by a bound on the observed part alone, and fill the holes in three ways;
# - say where pseudo-Gibbs sampling settles, and repair it.
#
# **Time** 45 minutes for the core, 30 for what is marked *Further*; the cells run in about a minute on a laptop.
# **Prerequisites** notebooks 02 (missing entries), 08 (the VAE), 09 (the bound of $K$ samples).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $p(x\mid z)$ | `decoder(z)` | batch $K \times B$, event $D$ | the observation model |
# | $x_o, x_m$ | `~missing`, `missing` | $B \times D$ | the observed and the missing part of $x$ |
# | $w_k$ | `log_weights(model, x, missing, K)` | $K \times B$ | $p(x_o\mid z_k)\,p(z_k) / q(z_k\mid x_o)$, as logarithms |
# | $\tilde w_k$ | | $K \times B$ | weights that sum to one over $K$ |
# | $n$ | `n` | | the largest count |
# | $\nu$ | `df` | | degrees of freedom of Student's $t$ |

# %%
import math
from pydoc_data.topics import topics as manual

import numpy as np
import torch
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer

from lvmteach.boltzmann import dbn_bound, dbn_log_likelihood, fit_rbm, log_likelihood, stack
from lvmteach.bounds import elbo
from lvmteach.classroom.explorables.predict import predict
from lvmteach.classroom.explorables.widget import explore
from lvmteach.classroom.figures import plots
from lvmteach.classroom.figures.diagram import graph, latent, observed
from lvmteach.data import dynamic, load_images
from lvmteach.evaluation import log_marginal
from lvmteach.missing import impute, impute_weighted, miwae
from lvmteach.poisson_pca import fit_poisson_pca
from lvmteach.poisson_pca import log_likelihood as poisson_log_likelihood
from lvmteach.poisson_pca import sample as draw_counts
from lvmteach.runtime import device, seeded
from lvmteach.topics import exact_log_likelihood, fit_lda, mean_field
from lvmteach.training import cosine, train
from lvmteach.vae import (
    VAE,
    BernoulliDecoder,
    GaussianDecoder,
    GaussianEncoder,
    StandardNormal,
    StudentTDecoder,
    pretrained,
)
from lvmteach.vae.counts import DiscretisedLogistic
from lvmteach.vae.observations import CountDecoder, Standardised

where = device()
images, digits = load_images().to(where), load_images("digits").to(where)
mnist = images.name == "mnist"
n = 16
counts, counts_test = (digits.train * n).round(), (digits.test * n).round()
print(
    f"{images.name}: {len(images.train)} images; digits as counts 0 to {n}: {len(counts)} of {counts.shape[1]} pixels"
)

# %% [markdown]
# ## Counts are counts
#
# Grey values are whole numbers, here 0 to 16. What is $p(x\mid z)$ for a pixel? A **Gaussian** gives a density, not a mass: to read 3 exactly has
# probability zero under it. Densities change with the unit of $x$, and may grow without bound. Take three numbers and a decoder that has memorised
# them: $p(x_i) \ge \frac1N \mathcal N(x_i; x_i, \sigma^2)$.

# %%
guess = predict(
    "Three numbers, memorised. How does the log-likelihood change each time sigma is divided by ten?",
    ["it rises towards a maximum", "it rises by 3 log 10 = 6.9 nats, for ever", "it falls: the fit gets too narrow"],
)

# %% tags=["nbval-check-output"]
three = np.array([0.3, -1.1, 2.0])
for sigma in (0.1, 0.01, 0.001, 0.0001):
    log_lik = np.log(stats.norm.pdf(three[:, None], three, sigma).mean(1)).sum()
    bound = 3 * (-math.log(3) - math.log(sigma) - 0.5 * math.log(2 * math.pi))
    print(f"sigma = {sigma:6}: log-likelihood {log_lik:6.2f}")
    assert log_lik >= bound - 1e-9

# %%
guess.discuss(
    {
        "it rises towards a maximum": "There is none. Every step gains the same.",
        "it rises by 3 log 10 = 6.9 nats, for ever": "The density at a point that is met exactly is 1 / sigma. Pixels that are constant in the "
        "training set do it by themselves: MNIST has 67 of them.",
        "it falls: the fit gets too narrow": "New data would pay. The training data never do.",
    },
    right="it rises by 3 log 10 = 6.9 nats, for ever",
)

# %% [markdown]
# A mass is at most one, so no log-likelihood is above zero. Four families for a count $x \in \{0, \dots, n\}$:
#
# | family | numbers a pixel | what it can say |
# |---|---|---|
# | binomial | 1 | a mean; the spread follows |
# | beta-binomial | 2 | mean and spread |
# | discretised logistic | 2 | location and scale; the mass of the bin from $x - \frac12$ to $x + \frac12$ |
# | categorical | $n + 1$ | anything, and no notion that 3 lies beside 4 |
#
# The discretised logistic needs care at the edges: bin 0 reaches down to $-\infty$, bin $n$ up to $\infty$.

# %% tags=["nbval-check-output"]
k = torch.arange(n + 1.0, dtype=torch.double)
for m, s in ((8.0, 1.5), (15.0, 1.5), (-1.0, 2.0)):
    ours = DiscretisedLogistic(n, torch.tensor(m).double(), torch.tensor(s).double()).log_prob(k).exp().numpy()
    inner = np.diff(stats.logistic(m, s).cdf(np.arange(n + 2) - 0.5))  # every bin of width one
    print(f"location {m:4}: sum {ours.sum():.6f}; without the edges {inner.sum():.6f}")
    assert abs(ours.sum() - 1) < 1e-12
    assert np.allclose(ours[1:-1], inner[1:-1])

# %% [markdown]
# Now the same VAE with each family, equal steps, judged on test images by $\log p(x)$ with $K = 100$. The baseline has no $z$: a histogram for every pixel. **Put
# the five in order.**

# %%
D = counts.shape[1]


def count_vae(family):
    encoder = Standardised(GaussianEncoder(D, 8, (128,)), counts.mean(), counts.std())
    return VAE(encoder, CountDecoder(8, D, n, family, (128,)), StandardNormal(8)).to(where)


def minus_elbo(model, x):
    return -elbo(model.log_weights(x)).mean()


families = ("binomial", "beta-binomial", "discretised logistic", "categorical")
scores = {}
for family in families:
    with seeded(1):
        model = count_vae(family)
        train(model, minus_elbo, counts, steps=500, lr=cosine(8e-3, 2e-4, 500), progress=False)
        scores[family] = log_marginal(model, counts_test, K=100)
shares = torch.stack([torch.bincount(pixel.long(), minlength=n + 1) for pixel in counts.T]) + 0.5
histogram = (shares / shares.sum(1, keepdim=True)).log()
scores["histograms, no z"] = histogram[torch.arange(D), counts_test.long()].sum(1)
for name, score in scores.items():
    print(f"{name:21} {-score.mean():6.1f} ± {score.std() / math.sqrt(len(score)):.1f} nats an image")


# %%
def paired(a, b):
    gain = scores[a] - scores[b]
    return gain.mean().item(), gain.std().item() / math.sqrt(len(gain))


for better, worse in (
    ("discretised logistic", "binomial"),
    ("beta-binomial", "binomial"),
    ("beta-binomial", "categorical"),
):
    gain, std_err = paired(better, worse)
    print(f"{better} over {worse}: {gain:.1f} ± {std_err:.1f} nats")
    assert gain > (0 if worse == "categorical" else 4 * std_err)

# %% [markdown]
# One number a pixel is too few: a binomial of $n = 16$ cannot be as sure, or as unsure, as a pixel is, and for all its $z$ it does not even beat the histograms. With two numbers, mean and spread, nearly all is gained. Seventeen
# do no better here than the better of these two families, and take eight times as many weights in the last layer; on a million images their freedom may pay. That is a matter of data, and for you to measure.
#
# ## An outlier
#
# One latent axis, five columns, and one row in twenty far off to the side. The gradient of $\log p(x\mid z)$ by $\mu$ says how hard a residual $r$ pulls.
# For the Gaussian it is $r/\sigma^2$. For Student's $t$ it is $(\nu + 1)\, r / (\nu s^2 + r^2)$: at most $(\nu + 1) / (2\sqrt\nu s)$, and far out next to nothing.

# %%
df, s = 2.0, 1.0
r = torch.linspace(0, 12, 400, requires_grad=True)
pull = {}
for name, p in {
    "Gaussian": torch.distributions.Normal(0.0, s),
    "Student, ν = 2": torch.distributions.StudentT(df, 0.0, s),
}.items():
    pull[name] = -torch.autograd.grad(p.log_prob(r).sum(), r)[0]
highest = (df + 1) / (2 * math.sqrt(df) * s)
print(f"largest pull under Student's t: {pull['Student, ν = 2'].max():.4f}; (nu + 1) / (2 sqrt(nu) s) = {highest:.4f}")
assert abs(pull["Student, ν = 2"].max() - highest) < 1e-3

# %%
fig, ax = plots.figure(size=(7, 3.8))
for (name, y), style in zip(pull.items(), ("--", "-"), strict=True):
    ax.plot(r.detach(), y, style, label=name)
ax.axhline(highest, color=plots.GREY, ls=":", label="$(\\nu + 1) / (2 \\sqrt{\\nu} s)$")
ax.set(xlabel="residual r", ylabel="pull on μ", ylim=(0, 5))
ax.legend()
plots.show(
    fig, alt="The Gaussian's pull is a straight line; Student's rises to 1.06 at a residual of 1.4, and falls again."
)

# %% [markdown]
# **How many degrees will each model's axis be off?** Three sets of data, three trainings.


# %%
def with_outliers(N=600):
    w, off = torch.randn(2, 5)
    off -= (off @ w) * w / (w @ w)  # at right angles to the axis
    far = (torch.rand(N, 1) < 0.05) * 15 * torch.randn(N, 1) * off / off.norm()
    return torch.randn(N, 1) * 2 * w / w.norm() + 0.4 * torch.randn(N, 5) + far, w


def degrees(decoder, x, w):
    model = VAE(GaussianEncoder(5, 1, (32,)), decoder, StandardNormal(1))
    rate = cosine(2e-2, 1e-3, 500)
    train(model, lambda m, x: -elbo(m.log_weights(x, 4)).mean(), x, steps=500, lr=rate, progress=False)
    found = decoder.net[0].weight[:, 0].detach()
    return float(torch.rad2deg(torch.acos((found @ w).abs() / found.norm() / w.norm())))


angles = []
for seed in (1, 2, 3):
    with seeded(seed):
        x, w = with_outliers()
        angles.append((degrees(GaussianDecoder(1, 5, ()), x, w), degrees(StudentTDecoder(1, 5, (), df=df), x, w)))
    print(f"seed {seed}: Gaussian {angles[-1][0]:5.1f} degrees off, Student's t {angles[-1][1]:.1f}")
assert max(student for _, student in angles) < 2 < 45 < min(gaussian for gaussian, _ in angles)

# %% [markdown]
# The Gaussian takes the outliers' direction for its axis: they hold most of the variance. Student's $t$ hardly sees them. It costs one number, $\nu$: at $\nu = 4$ the far pull is larger, $(\nu + 1) / r$, and a chance alignment of few outliers can still turn the axis by three degrees (try it). What it does *not* do is bound the
# likelihood: as $s \to 0$ on a datum that is met exactly, it grows too.
#
# ## Missing pixels
#
# Half of the pixels are gone, at random. Pixels are independent given $z$, so to leave some out costs nothing: $p(x_o\mid z)$ is the product over the observed ones.
# Nothing is filled in to be scored. This asks for *missing at random* (notebook 02): whether a pixel is missing, $r$ in the graph, may depend on what was seen, not on its own value.

# %%
fig = graph(
    {"$z$": latent(0, 1.2), "$x_o$": observed(-0.8, 0), "$x_m$": latent(0.8, 0), "$r$": observed(-2.3, 0)},
    ["$z$ -> $x_o$", "$z$ -> $x_m$", "$x_o$ -> $r$", "$x_o$ ~> $z$"],
    {"N": ["$z$", "$x_o$", "$x_m$", "$r$"]},
)
plots.show(
    fig,
    alt="A graph: z causes the observed and the missing part of x; the mask may depend on the observed part alone; inference from the observed part to z.",
)

# %% [markdown]
# $$\log p(x_o) \ge \mathbb E \log \frac1K \sum_k w_k, \qquad w_k = \frac{p(x_o\mid z_k)\, p(z_k)}{q(z_k\mid x_o)}, \qquad
# \mathbb E[x_m \mid x_o] \approx \sum_k \tilde w_k\, \mathbb E[x_m\mid z_k].$$
#
# The bound is MIWAE's (Mattei and Frellsen 2019), the right-hand side self-normalised importance sampling (notebook 01). A third way needs no new bound: **by turns** draw $z \sim q(z\mid x)$ and
# $x_m \sim p(x_m\mid z)$. With the exact posterior for $q$ that is Gibbs sampling. With an encoder it is *pseudo-Gibbs*. Where does it settle? In a linear
# model there is an answer.

# %%
rng = np.random.default_rng(0)
W, mu, noise = rng.normal(size=(5, 2)), rng.normal(size=5), 0.35
x_one = mu + W @ rng.normal(size=2) + math.sqrt(noise) * rng.normal(size=5)
gone = np.array([False, True, False, True, False])
cov = W @ W.T + noise * np.eye(5)
gain = cov[np.ix_(gone, ~gone)] @ np.linalg.inv(cov[np.ix_(~gone, ~gone)])
exact = cov[np.ix_(gone, gone)] - gain @ cov[np.ix_(~gone, gone)]  # Cov(x_m | x_o), by conditioning
whole = np.linalg.inv(np.eye(2) + W.T @ W / noise)  # p(z|x)'s covariance
feedback = W[gone] @ whole @ W[gone].T / noise


def settles(cov_q):
    """C = B C B' + noise: the covariance that one turn leaves as it is."""
    new = W[gone] @ cov_q @ W[gone].T + noise * np.eye(2)
    return np.linalg.solve(np.eye(4) - np.kron(feedback, feedback), new.ravel()).reshape(2, 2)


encoders = {"exact q": whole, "mean-field q": np.diag(1 / np.diag(np.linalg.inv(whole))), "q too narrow": whole / 4}
for name, cov_q in encoders.items():
    print(f"{name:13} variances of the missing two {np.diag(settles(cov_q)).round(3)}, exact {np.diag(exact).round(3)}")
assert np.allclose(settles(whole), exact)

# %% [markdown]
# A narrow $q$ makes the fillings too sure of themselves. The repair (Mattei and Frellsen 2018): a $z$ from $q$ is a *proposal*, taken with
# probability $\min(1, w(z) / w(z_{\text{old}}))$, $w = p(x, z) / q(z\mid x)$. **For which encoder will most proposals be refused?**


# %%
class Says(torch.nn.Module):
    """q(z|x) with the exact mean, and whatever covariance."""

    def __init__(self, cov_q):
        super().__init__()
        self.cov = torch.tensor(cov_q)

    def forward(self, x):
        mean = (x - torch.tensor(mu)) @ torch.tensor(W / noise) @ torch.tensor(whole)
        return torch.distributions.MultivariateNormal(mean, self.cov)


# %%
decoder = GaussianDecoder(2, 5, ()).double()
with torch.no_grad():
    decoder.net[0].weight[:], decoder.net[0].bias[:] = torch.tensor(W), torch.tensor(mu)
    decoder.log_scale[:] = math.log(noise) / 2
chains = torch.tensor(x_one).expand(10_000, 5)
for name, cov_q in encoders.items():
    model = VAE(Says(cov_q), decoder, StandardNormal(2).double())
    with seeded(2):
        plain = impute(model, chains, torch.tensor(gone), 60).x[:, gone].var(0)
        mended = impute(model, chains, torch.tensor(gone), 100, warm_up=30, metropolis=True)
    after = mended.x[:, gone].var(0)
    print(
        f"{name:13} by turns {plain.numpy().round(3)}, with Metropolis {after.numpy().round(3)} ({mended.accepted:.0%} taken)"
    )
    assert np.allclose(plain, np.diag(settles(cov_q)), rtol=0.085)  # six standard errors of a variance
    assert np.allclose(after, np.diag(exact), rtol=0.085)

# %% [markdown]
# The too narrow $q$: its proposals miss the tails, and a chain that sits in one stays there. In two dimensions that is soon over. In more it can take
# for ever. It is importance sampling's old rule: a proposal has to be wide enough.
#
# ### On images
#
# The trained VAE of notebook 08, on test images with half of the pixels gone. The encoder has never seen a hole.

# %%
if mnist:
    vae = pretrained("iwae_1", where).model
else:
    with seeded(3):
        D_small = images.train.shape[1]
        vae = VAE(GaussianEncoder(D_small, 10, (100,)), BernoulliDecoder(10, D_small, (100,)), StandardNormal(10)).to(
            where
        )
        train(vae, minus_elbo, images.train, steps=800, lr=cosine(5e-3, 1e-4, 800), prepare=dynamic, progress=False)
with seeded(4):
    x_test = dynamic(images.test[:: 20 if mnist else 1])
    missing = torch.rand_like(x_test) < 0.5
mean = images.train.mean(0)
with seeded(5):
    weighted = impute_weighted(vae, x_test, missing, K=500, fill=mean)
    turns = impute(vae, x_test, missing, 60, warm_up=20)
    mended = impute(vae, x_test, missing, 150, warm_up=60, metropolis=True)
fillings = {"mean of the pixel": mean.expand_as(x_test), "weighted, K = 500": weighted.mean, "by turns": turns.mean}
fillings["by turns, Metropolis"] = mended.mean
wrong = {name: ((p > 0.5) != (x_test > 0.5))[missing].float().mean().item() for name, p in fillings.items()}
for name, share in wrong.items():
    print(f"{name:21} {share:.1%} of the missing pixels wrong")
print(f"effective samples of 500: {weighted.ess.median():.1f}; Metropolis took {mended.accepted:.1%}")
assert wrong["by turns"] < wrong["mean of the pixel"]
assert wrong["by turns"] < wrong["weighted, K = 500"] or not mnist  # ten dimensions are few: there weights do

# %%
fig, ax = plots.figure(size=(11, 5))
half = torch.where(missing, 0.5, x_test)
rows = [x_test, half, *list(fillings.values())[1:]]
plots.image_grid(ax, torch.cat([row[:12] for row in rows]), images.shape, cols=12)
ax.set_title("whole; half of it; weighted; by turns; by turns with Metropolis")
plots.show(
    fig,
    alt="Twelve digits in five rows: whole, with half of the pixels grey, and three fillings, the lower two close to the first row.",
)

# %% [markdown]
# Weighting draws from an encoder that is shown a strange image fails: of 500 draws hardly two count. Turns help, for each shows the encoder an image more like those it
# knows. Metropolis takes few proposals in fifty dimensions: it is right in the limit, and slow. Here it does not lower the error; what it repairs is the *spread* of the fillings.
# Three seeds with their spread: `python -m benchmarks.richer imputation`.
#
# ## Further: training on data with holes
#
# Nothing of the above trained on incomplete data. The bound does. On the small digits, half of the pixels gone in training *and* test: MIWAE against the frequent mistake, zeros filled in and
# scored as data.

# %%
with seeded(6):
    x, x_new = dynamic(digits.train), dynamic(digits.test)
    holes, holes_new = torch.rand_like(x) < 0.5, torch.rand_like(x_new) < 0.5
    both = torch.cat([x.masked_fill(holes, 0.0), holes.float()], 1)  # a batch's rows must carry their masks
    losses = {
        "MIWAE, K = 5": lambda m, b: -miwae(m.vae, b[:, :D], b[:, D:].bool(), 5).mean(),
        "zeros scored": lambda m, b: -elbo(m.vae.log_weights(b[:, :D], 5)).mean(),
    }
errors = {}
for name, loss in losses.items():
    with seeded(7):
        holder = torch.nn.Module()  # its batches are wider than what the model takes
        holder.vae = VAE(GaussianEncoder(D, 8, (100,)), BernoulliDecoder(8, D, (100,)), StandardNormal(8)).to(where)
        train(holder, loss, both, steps=500, lr=cosine(5e-3, 2e-4, 500), progress=False)
        found = impute_weighted(holder.vae, x_new, holes_new, K=500)
        errors[name] = ((found.mean > 0.5) != (x_new > 0.5))[holes_new].float()
    print(
        f"{name}: {errors[name].mean():.1%} of the missing pixels wrong, log p(x_o) above {found.log_p.mean():.1f} nats"
    )
gap = errors["zeros scored"] - errors["MIWAE, K = 5"]
assert gap.mean() > 4 * gap.std() / math.sqrt(len(gap))

# %% [markdown]
# The second model has learnt that half of all ink is missing from the world.

# %% [markdown]
# ## Further: principal components of counts
#
# Visits, votes, reads of a gene: counts without an upper end. $x_d\mid z \sim \mathrm{Poisson}(\exp(b_d + w_d'z))$. The posterior has no formula, but with a Gaussian $q$ the ELBO does (`poisson_pca`).
# With one latent dimension $\log p(x)$ is an integral for Gauss and Hermite.

# %%
with seeded(8):
    truth = fit_poisson_pca(torch.poisson(torch.ones(50, 8)), 1, rounds=1).params._replace(
        b=torch.ones(8).double(), W=torch.tensor([[0.8, 0.8, 0.8, 0.8, -0.6, -0.6, 0.0, 0.0]]).T.double()
    )
    _, visits = draw_counts(truth, 1000)
    fit = fit_poisson_pca(visits, 1, rounds=4)
log_p = poisson_log_likelihood(visits, fit.params, nodes=100).mean()
independent = stats.poisson.logpmf(visits, visits.mean(0)).sum(1).mean()
print(f"ELBO {fit.elbo[-1]:.3f} <= log p(x) {log_p:.3f} nats; eight Poissons without z {independent:.3f}")
print("loadings", fit.params.W[:, 0].numpy().round(2), "true", truth.W[:, 0].numpy().round(2))
assert fit.elbo[-1] <= log_p
cosine_of = torch.nn.functional.cosine_similarity(fit.params.W[:, 0], truth.W[:, 0], 0).abs()
assert cosine_of > 0.99

# %% [markdown]
# ## Further: topics
#
# Words are counts too, over a vocabulary. Latent Dirichlet allocation gives each document its own mixture $\theta$ of topics. For a short document the sum over all assignments is
# possible; mean field bounds it.

# %%
with seeded(9):
    words = CountVectorizer(stop_words="english", min_df=6, max_df=0.5, token_pattern=r"[a-z]{4,}")
    pages = torch.tensor(words.fit_transform(manual.values()).toarray(), dtype=torch.double)
    pages = pages[pages.sum(1) > 5]
    fit = fit_lda(pages, 5, max_steps=30, tol=0.1)
names = words.get_feature_names_out()
print(f"Python's manual: {len(pages)} pages, {len(names)} words")
for topic in fit.params.topics:
    print("  ", ", ".join(names[topic.argsort(descending=True)[:8].numpy()]))

# %%
short = [0, 0, 1, 3, 3, 4]
small = fit.params._replace(
    topics=(fit.params.topics[:2, :5] + 0.01) / (fit.params.topics[:2, :5] + 0.01).sum(1, keepdim=True)
)
small = small._replace(alpha=small.alpha[:2])
exact = exact_log_likelihood(short, small)
bound = mean_field(torch.bincount(torch.tensor(short), minlength=5).double()[None], small).bound[0]
print(f"six words, two topics: log p = {exact:.4f} by 64 assignments, mean field {bound:.4f}")
assert bound < exact

# %% [markdown]
# ## Further: without arrows
#
# A restricted Boltzmann machine has no arrow from $h$ to $x$: $p(x, h) = \exp(x'Wh + b'x + c'h) / Z$. Given $x$ the hidden units are independent, which no model with arrows offers;
# in exchange $Z$ is a sum over all states. With twelve hidden units it is a sum of 4096 terms, and $\log p(x)$ is exact.

# %%
with seeded(10):
    x, x_new = dynamic(digits.train), dynamic(digits.test)
    fit = fit_rbm(x, 12, epochs=80, rate=0.2, persistent=False)
p = x.mean(0).clamp(0.01, 0.99)
pixels = (x_new * p.log() + (1 - x_new) * (1 - p).log()).sum(1)
learnt = log_likelihood(x_new, fit.rbm)
print(f"exact log p(x) of test images: {learnt.mean():.2f} nats; independent pixels {pixels.mean():.2f}")
assert (learnt - pixels).mean() > 5 * (learnt - pixels).std() / math.sqrt(len(x_new))

# %% [markdown]
# A **deep belief net** keeps the arrows of this machine's lower half and replaces $p(h)$ by a second machine. Turned upside down and put on top of itself, nothing changes, *exactly*. Then
# the top learns from draws of $h$, and a bound can only gain:

# %%
with seeded(11):
    h = (x @ fit.rbm.W + fit.rbm.c).sigmoid().bernoulli()
    start = stack(fit.rbm)
    top = fit_rbm(h, 12, epochs=80, rate=0.2, persistent=False).rbm
for name, deep in {"the machine on itself": start, "a learnt top": stack(fit.rbm, top)}.items():
    exact, bound = dbn_log_likelihood(x_new, deep).mean(), dbn_bound(x_new, deep, fit.rbm).mean()
    print(f"{name:22} log p(x) {exact:.3f}, greedy bound {bound:.3f}")
    assert bound <= exact + 1e-3  # float32
    assert name != "the machine on itself" or abs(exact - learnt.mean()) < 1e-3

# %% [markdown]
# Tight at the start. Whether the learnt top gains depends on whether it models the $h$'s better than the first machine's own $p(h)$ does, and this one began at random and learnt by noisy
# gradients. The promise that a layer never hurts is about a top that *starts* as the machine upside down and climbs the bound exactly.

# %% [markdown]
# ## Lecture demo
#
# Fourteen points along an axis, and one that you drag. The line of the Gaussian is the one of least squares; Student's $t$ has its own opinion.
#
# <details><summary>Speaker note</summary>
#
# 1. Drag the ring outwards at right angles to the cloud. Ask at which distance the Gaussian's axis will have turned half-way (where the outlier's square is the cloud's sum of squares).
# 2. Read the pull in the line below: it rises, and then falls although the ring goes on. Where is it largest? At a residual of $\sqrt\nu s$.
# 3. **ν** up to 30: Student's $t$ becomes the Gaussian.
#
# </details>

# %%
dragged = explore("outlier")

# %% [markdown]
# And the turns of the missing pixels. The model is the package's `iwae_1`, the draws are the same for the same seed.
#
# <details><summary>Speaker note</summary>
#
# 1. Half of the pixels, **turns** from 0 to 3: most of the digit is back after one. Then on to 30: it moves, and does not get better. That is a sample's life.
# 2. *The lower half*: press *Other draws*. The fillings differ, and each is a digit. Ask what the mean of many would look like, and whether it would be one.
#
# </details>

# %%
restored = explore("restore", turns=10)

# %% [markdown]
# ## Summary
#
# - Counts want a mass. It sums to one, edges included, and is comparable across families; a density depends on the unit and may have no maximum.
# - Student's $t$ bounds the pull of a datum; the Gaussian lets one in twenty turn the axis.
# - Missing pixels are left out of the likelihood, not filled in: the bound on $\log p(x_o)$ trains, its weights impute.
# - Pseudo-Gibbs settles where its own equation says, too sure if $q$ is narrow; Metropolis repairs the limit, not the speed.
# - Counts, words and undirected units have latent variable models of their own, each exact when small.
#
# **To read** Mattei and Frellsen 2018, *Leveraging the exact likelihood of deep latent variable models*, and 2019, *MIWAE*; Salimans et al. 2017, *PixelCNN++*; Blei, Ng and Jordan 2003, *Latent
# Dirichlet allocation*; Hinton, Osindero and Teh 2006, *A fast learning algorithm for deep belief nets*.
#
# **The next question** Every datum so far came by itself. What if they come in a row, and the cause moves in time?
