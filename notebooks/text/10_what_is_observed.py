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
# - say why a Gaussian likelihood may have no maximum, and keep an outlier from turning the axis that you fit;
# - train on data with missing values by a bound on the observed part alone, and fill in the rest in three ways;
# - say where pseudo-Gibbs sampling settles, and correct it.
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
# Grey values are whole numbers, here 0 to 16. What is $p(x\mid z)$ for a pixel? A **Gaussian** gives a density, not a probability mass: a value of exactly 3 has
# probability zero under it. Densities change with the unit of $x$, and may grow without bound. Take $N = 3$ numbers and a decoder that has memorised
# them: $z$ picks one of the three, each with probability $\frac1N$, and the decoder puts its mean there. Then $p(x_i) \ge \frac1N \mathcal N(x_i; x_i, \sigma^2)$.

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
# A probability mass is at most one, so its logarithm is never above zero. Four families for a count $x \in \{0, \dots, n\}$:
#
# | family | numbers a pixel | what it can say |
# |---|---|---|
# | binomial | 1 | a mean; the spread follows from it |
# | beta-binomial | 2 | mean and spread |
# | discretised logistic | 2 | location and scale; the mass of the bin from $x - \frac12$ to $x + \frac12$ |
# | categorical | $n + 1$ | any distribution; it does not know that 3 lies next to 4 |
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
# Now train the same VAE with each family for the same number of steps, and judge each on test images by $\log p(x)$ with $K = 100$ samples. The baseline has no $z$: one histogram for each pixel. **Put
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
# One number a pixel is too few: a binomial with $n = 16$ fixes the spread by the mean. Although it uses $z$, it does not even beat the histograms. Two numbers, mean and spread, gain about 20 nats. Seventeen
# numbers do no better here than the beta-binomial, and need eight times as many weights in the last layer. With many more images that may change.
#
# ## An outlier
#
# The data: one latent axis, five columns, and about one row in twenty far away at right angles to the axis. The derivative of $\log p(x\mid z)$ with respect to the mean $\mu$ says how hard a residual $r = x - \mu$ pulls on it.
# For the Gaussian it is $r/\sigma^2$. For Student's $t$ with scale $s$ it is $(\nu + 1)\, r / (\nu s^2 + r^2)$: at most $(\nu + 1) / (2\sqrt\nu s)$, and close to zero for a very large $r$.

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
# **By how many degrees will each model's axis be wrong?** Three data sets, each with its own training.


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
# The Gaussian's axis follows the outliers, which hold most of the variance. Student's $t$ is hardly affected. It needs a choice of $\nu$: far out the pull is about $(\nu + 1) / r$, so a larger $\nu$ protects less (try $\nu = 4$). And it does *not* bound the
# likelihood: if a datum is met exactly, its density grows without bound as $s \to 0$, as the Gaussian's does.
#
# ## Missing pixels
#
# Half of the pixels are missing, at random. Pixels are independent given $z$, so some can simply be left out: $p(x_o\mid z)$ is the product over the observed ones.
# The encoder still needs a number in every place; what is filled in for it is never scored. The condition is *missing at random* (notebook 02): which pixels are missing, $r$ in the graph, may depend on the observed values, not on the missing ones.

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
# The first formula is the bound of MIWAE (Mattei and Frellsen 2019): train by it. The last is self-normalised importance sampling (notebook 01): fill in by it. Another way to fill in needs no weights: **by turns** draw $z \sim q(z\mid x)$ and
# $x_m \sim p(x_m\mid z)$. With the exact posterior as $q$ this is Gibbs sampling. With an encoder it is *pseudo-Gibbs*. Where does it settle?
#
# In a linear model with a $q$ of the exact mean and of covariance $\Sigma_q$ there is an answer. Let $W_m$ be the rows of $W$ for the missing columns and $\Sigma$ the covariance of $p(z\mid x)$. One turn changes the covariance $C$ of the filled-in values to
# $B C B^\top + W_m \Sigma_q W_m^\top + \sigma^2 I$ with $B = W_m \Sigma W_m^\top / \sigma^2$. It settles where that is again $C$.

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
# If $q$ is too narrow, the filled-in values vary too little. The mean-field $q$ makes one of the two vary too much. The correction (Mattei and Frellsen 2018) treats a $z$ from $q$ as a *proposal*, accepted with
# probability $\min(1, w(z) / w(z_{\text{old}}))$, where $w = p(x, z) / q(z\mid x)$ (a Metropolis step). **For which encoder will most proposals be refused?**


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
# For the too narrow $q$: it rarely proposes the tails, and a chain that is in a tail stays there for many turns. In two dimensions the chains still reach the exact variances; in many dimensions it can take
# very long. As in importance sampling, a proposal has to be wide enough.
#
# ### On images
#
# The packaged VAE `vae` (on the small digits: one that is trained here), on test images with half of the pixels missing. Its encoder was trained on whole images only.

# %%
if mnist:
    vae = pretrained("vae", where).model
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
# Weighting fails here: the encoder is shown an image unlike those it was trained on, and of 500 draws only about two count. Turns do better; a likely reason is that each turn shows the encoder an image more like those it
# was trained on. With Metropolis few proposals are accepted in fifty dimensions: it is right in the limit, and slow. One such chain does not lower the error here. The average of several does. On MNIST, over three
# seeds (`python -m benchmarks.richer imputation`; every tenth test image, per cent of the missing pixels wrong, ± the standard deviation over seeds):
#
# | filled in by | one chain | four chains averaged |
# |---|---|---|
# | turns | 4.56 ± 0.08 | 4.47 ± 0.07 |
# | turns with Metropolis | 4.67 ± 0.07 | 4.37 ± 0.06 |
#
# One chain of turns gets as far as four if it runs longer (200 turns: 4.47 ± 0.09), so more averaging no longer helps it much. Four chains with Metropolis, of
# 160 turns each instead of 60, are below both with each of the three seeds: only they aim at the posterior itself. In the linear model Metropolis
# corrected the *spread* of the filled-in values; on images that was not measured.
#
# ## Further: training on data with holes
#
# So far no model was trained on incomplete data. The bound above can do that. On the small digits, with half of the pixels missing in training *and* test: MIWAE against a common mistake, zeros filled in and
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
# The second model has learnt the filled-in zeros as if they were data, so it expects only half of the ink.

# %% [markdown]
# ## Further: principal components of counts
#
# Visits, votes and reads of a gene are counts without an upper limit. A model: $z \sim \mathcal N(0, I)$, $x_d\mid z \sim \mathrm{Poisson}(\exp(b_d + w_d^\top z))$. The posterior has no closed form, but the ELBO with a Gaussian $q$ has one (`lvmteach.poisson_pca`).
# With one latent dimension, Gauss-Hermite quadrature gives $\log p(x)$.

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
# (The sign of the loadings is free, as in notebook 02.)
#
# ## Further: topics
#
# The counts of words in a document are data too. In *latent Dirichlet allocation* a topic is a distribution over words, and each document has its own proportions of the topics. For a short document $\log p(x)$ can be computed by a sum over all
# assignments of words to topics; mean field gives a lower bound. The documents here are pages of Python's own manual.

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
# In a *restricted Boltzmann machine* the binary units $x$ and $h$ are joined without arrows: $p(x, h) = \exp(x^\top Wh + b^\top x + c^\top h) / Z$. Given $x$ the hidden units are independent. In a model with arrows from $h$ to $x$ they are in general dependent. The price is $Z$,
# a sum over all states. The sum over $x$ has a closed form, so with twelve hidden units 4096 terms remain, and $\log p(x)$ is exact.

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
# A **deep belief net** keeps $p(x\mid h)$ of this machine, now with arrows from $h$ to $x$, and replaces its $p(h)$ by a second machine over $h$ (the *top*). If the top is the first machine with $x$ and $h$ exchanged, $p(x)$ stays *exactly* the same. A top that models draws of $h$ better
# than that raises a lower bound on $\log p(x)$, the *greedy bound*. **Will a top that is trained on such draws, from a random start, raise it?**

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
# For the machine on itself the bound is tight. The learnt top is lower, by 0.07 nats in $\log p(x)$: it started at random, learnt by noisy
# gradients, and models $h$ less well than the first machine's own $p(h)$. The theorem that a new layer does not lower the bound needs a top that *starts* as the exchanged machine and climbs the bound exactly.

# %% [markdown]
# ## Lecture demo
#
# Fourteen points along an axis, and one that you drag. The dashed line is the Gaussian's axis (least squares), the other that of Student's $t$.
#
# <details><summary>Speaker note</summary>
#
# 1. Drag the ring outwards at right angles to the cloud. Ask at which distance the Gaussian's axis will have turned half-way (about where the outlier's squared distance equals the sum of squares of the cloud along its axis).
# 2. Read the pull in the line below: it rises, then falls while the ring still moves outwards. Where is it largest? At a residual of $\sqrt\nu s$.
# 3. Raise **ν** to 30: Student's $t$ comes close to the Gaussian.
#
# </details>

# %%
dragged = explore("outlier")

# %% [markdown]
# The second demo fills in missing pixels by turns. The model is the packaged `vae`; the same seed gives the same draws.
#
# <details><summary>Speaker note</summary>
#
# 1. Half of the pixels missing, **turns** from 0 to 3: most of the digit is back after one. Then up to the end: the digit keeps changing and does not get better, since each turn is a new draw.
# 2. *The lower half* missing: press *Other draws* several times and compare. Ask what the mean of many draws would look like, and whether it would be a digit.
#
# </details>

# %%
restored = explore("restore", turns=10)

# %% [markdown]
# ## Summary
#
# - Use a probability mass for counts. It sums to one, edges included, and can be compared across families; a density depends on the unit and may have no maximum.
# - Student's $t$ bounds the pull of a datum; under the Gaussian one outlier in twenty rows turned the axis.
# - Missing pixels are left out of the likelihood. Train by the bound on $\log p(x_o)$; fill in by its weights.
# - Pseudo-Gibbs settles at a limit that is wrong if $q$ is; with a narrow $q$ the values vary too little. Metropolis corrects the limit, not the speed.
# - Counts, words and undirected units have latent variable models of their own, which can be checked exactly when they are small.
#
# **To read** Mattei and Frellsen 2018, *Leveraging the exact likelihood of deep latent variable models*, and 2019, *MIWAE*; Salimans et al. 2017, *PixelCNN++*; Blei, Ng and Jordan 2003, *Latent
# Dirichlet allocation*; Hinton, Osindero and Teh 2006, *A fast learning algorithm for deep belief nets*.
#
# **The next question** So far the data were independent. What if they form a sequence, and the hidden cause changes in time?
