# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 The variational autoencoder: a laboratory of inference
#
# After this notebook you will be able to
#
# - build a deep latent variable model from three modules, and say what each of them is on paper;
# - train it on binary images by the reparameterised ELBO, and state its test log-likelihood with $K$ and its
#   standard error;
# - split the gap of its bound, image by image, into approximation and amortisation;
# - say what the number of active units tells you, and what it does not;
# - fill in missing pixels, find outliers, and recognise the five bugs that most often pass for a VAE.
#
# **Time** core 45 minutes, all of it 100; the cells run in about a minute and a half on a laptop, most of it training.
# **Prerequisites** notebooks 01 (importance sampling), 02 (PPCA), 05 (the ELBO, two of its gaps) and 07 (reparameterisation).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | $B \times D$ | binary images, flat |
# | $z$ | `z` | $K \times B \times L$ | latent variables, samples first |
# | $p(z)$ | `prior()` | event $L$ | $\mathcal N(0, I)$ |
# | $p_\theta(x\mid z)$ | `decoder(z)` | batch $K \times B$, event $D$ | observation model: Bernoulli pixels |
# | $q_\gamma(z\mid x)$ | `encoder(x)` | batch $B$, event $L$ | $\mathcal N(\mu(x), \operatorname{diag}\sigma(x)^2)$ |
# | $\log w$ | `log_w` | $K \times B$ | $\log p(x\mid z) + \log p(z) - \log q(z\mid x)$, in nats |
#
# Logarithms are natural; bounds and log-likelihoods are in nats per image.

# %%
import copy
import math

import numpy as np
import torch
from scipy import integrate
from sklearn.datasets import load_wine
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import softplus

from lvmteach.bounds import elbo, elbo_analytic, iwae
from lvmteach.classroom.explorables import explore
from lvmteach.classroom.explorables.predict import predict
from lvmteach.classroom.figures import plots
from lvmteach.classroom.figures.diagram import block, given, graph, latent, observed
from lvmteach.classroom.figures.running_example import interval
from lvmteach.data import dynamic, letters, load_images
from lvmteach.evaluation import active_units, log_likelihood, log_marginal, reconstruct
from lvmteach.integrals import ess
from lvmteach.missing import impute
from lvmteach.runtime import device, seeded
from lvmteach.training import cosine, train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal, pretrained
from lvmteach.vae.pretrained import unit_runs

where = device()
images = load_images().to(where)
D, shape = images.train.shape[1], images.shape
print(f"{images.name}: {len(images.train)} training images of {shape[0]} x {shape[1]} pixels, on {where}")

# %% [markdown]
# ## Binary images, drawn afresh
#
# MNIST's pixels are grey; the model's are binary. *Dynamic binarisation* takes a grey
# value as a probability and draws the pixel anew at each visit (Burda et al. 2016). So one image becomes many.

# %%
with seeded(4):
    draws = torch.cat([images.train[:1], dynamic(images.train[:1].expand(5, -1))])
fig, ax = plots.figure(size=(11, 2.2))
plots.image_grid(ax, draws, shape, cols=6)
ax.set_title("one grey image, and five binarisations of it")
plots.show(fig, alt="A grey digit and five black and white versions whose edges differ.")

# %% [markdown]
# ## The model, and the data's way through it
#
# Probabilistic PCA (notebook 02) draws $z \sim \mathcal N(0, I)$ and sends it through an affine map:
#
# $$x \mid z \sim \mathcal N(W z + b,\, \sigma^2 I).$$
#
# A deep latent variable model puts a network, the *decoder*, where the affine map was. What is lost is the posterior: for PPCA
# it is a Gaussian you can write down, for a network it is not. So a second network, the *encoder*, proposes one:
#
# $$q_\gamma(z \mid x) = \mathcal N\!\big(\mu(x),\, \operatorname{diag} \sigma(x)^2\big),$$
#
# and both are trained on the evidence lower bound,
#
# $$\log p_\theta(x) \;\ge\; \mathbb E_{q}\big[\log p_\theta(x\mid z) + \log p(z) - \log q_\gamma(z\mid x)\big].$$
#
# Left, the model as a graph: the solid arrows are $p$, the dashed one is $q$. Right, what is computed in training: noise $\varepsilon$
# enters from above, so that gradients flow back along every other arrow (notebook 07).

# %%
fig, axes = plots.figure(1, 2, size=(13.5, 4), width_ratios=[1, 5])
graph(
    {"z": latent(0, 1.4), "x": observed(0, 0), "θ": given(1, 0)},
    ["z -> x", "θ -> x", "x ~> z"],
    {"N": ["z", "x"]},
    ax=axes[0],
)
y, low = 0.9, -0.5
nodes = {"x": observed(0, y), "encoder γ": block(1.7, y, width=1.7), "μ, σ": block(3.6, y), "ε": latent(5.7, 2.1), "z = μ + σ ε": block(5.7, y, width=1.9),
         "decoder θ": block(7.9, y, width=1.7), "log p(x|z)": block(10.1, y, width=1.8), "KL(q ‖ p)": block(3.6, low, width=1.8), "ELBO": block(10.1, low, width=1.2)}  # fmt: skip
graph(nodes, ["x -> encoder γ", "encoder γ -> μ, σ", "μ, σ -> z = μ + σ ε", "ε -> z = μ + σ ε", "z = μ + σ ε -> decoder θ", "decoder θ -> log p(x|z)",
              "μ, σ -> KL(q ‖ p)", "KL(q ‖ p) -> ELBO", "log p(x|z) -> ELBO"], ax=axes[1])  # fmt: skip
plots.show(
    fig,
    alt="Left: z points to x within a plate, a dashed arrow leads back. Right: x, encoder, mu and sigma, z with noise, decoder, log p(x|z); it and the KL meet in the ELBO.",
)

# %% [markdown]
# ## From PPCA to deep
#
# Before we go deep, take out every hidden layer. What is left is a *linear* VAE: PPCA, but trained by gradients on a bound, with an
# encoder that has to be learnt. The oracle is Tipping and Bishop's closed form: with $\lambda_1 \ge \dots \ge \lambda_D$ the
# eigenvalues of the covariance and $\sigma^2$ the mean of those left out,
#
# $$\max \tfrac1N \log p(X) = -\tfrac12\Big[D\log 2\pi + \sum_{i\le L}\log\lambda_i + (D-L)\log\sigma^2 + D\Big].$$

# %%
guess = predict(
    "The encoder's covariance is diagonal; PPCA's posterior covariance need not be. Can the bound reach the maximum?",
    ["no, a gap stays", "yes, if lucky with the start", "yes"],
)
wine = torch.from_numpy(load_wine().data)  # 178 wines, 13 measurements
wine = (wine - wine.mean(0)) / wine.std(0)
eigenvalues = np.linalg.eigvalsh(np.cov(wine.numpy().T, bias=True))[::-1]
kept, noise = eigenvalues[:3], eigenvalues[3:].mean()
closed_form = -0.5 * (13 * math.log(2 * math.pi) + np.log(kept).sum() + 10 * math.log(noise) + 13)
print(f"maximum log-likelihood of PPCA, L = 3: {closed_form:.4f} nats a wine")


# %%
def minus_terms(model, x):
    return -elbo_analytic(*model.terms(x, K=4)).mean()


with seeded(1):
    linear = VAE(GaussianEncoder(13, L=3, hidden=()), GaussianDecoder(3, 13, hidden=()), StandardNormal(3)).double()
    # Some starts sit near a saddle, with two factors on one direction: they need 4000 steps; this one does not.
    train(linear, minus_terms, wine, steps=2500, batch_size=len(wine), lr=cosine(0.1, 1e-5, 2500))
    log_w = linear.log_weights(wine, K=100).detach()
print(f"ELBO of the linear VAE {elbo(log_w).mean():.4f} nats a wine")
print(f"log weights of one wine differ by {log_w.std(0).mean():.4f} nats from draw to draw")
guess.discuss(
    {
        "no, a gap stays": "It would if W were fixed. But W is learnt too, and PPCA leaves it free up to a rotation.",
        "yes, if lucky with the start": "A start may take longer, near a saddle, but it is no other maximum.",
        "yes": "The bound prefers the rotation of W in which the posterior's covariance is diagonal. There q is the posterior, and "
        "every log weight equals log p(x), wherever z falls.",
    },
    right="yes",
)

# %% [markdown]
# PPCA's posterior covariance is $\sigma^2 (W^\top W + \sigma^2 I)^{-1}$. So it is diagonal exactly when $W^\top W$ is, and the
# maximum is then $\operatorname{diag}(\lambda_i - \sigma^2)$ (Lucas et al. 2019). That can be checked.

# %% tags=["check"]
assert abs(elbo(log_w).mean().item() - closed_form) < 0.01  # Adam stops this near to the maximum
W = linear.decoder.net[0].weight.detach()
gram = W.T @ W
order = gram.diagonal().argsort(descending=True)
print(np.round(gram[order][:, order].numpy(), 2))
print("PPCA's lambda - sigma^2:", np.round(kept - noise, 2))
assert np.allclose(gram[order][:, order], np.diag(kept - noise), atol=0.1)  # flat directions: Adam's last digits

# %% [markdown]
# ## Deep, with two latent dimensions
#
# Now one hidden layer, and binary pixels:
#
# $$f(z) = \operatorname{sigmoid}\big(V \tanh(W z + b) + \beta\big), \qquad
# x_d \mid z \sim \operatorname{Bernoulli}(f_d(z)).$$
#
# `BernoulliDecoder` is that formula, and returns a distribution: `.mean` is $f(z)$, `.sample()` draws an image,
# `.log_prob(x)` sums over pixels. What do images look like at three $z$ before any training?


# %%
def f(z, W, b, V, beta):
    return torch.sigmoid(torch.tanh(z @ W.T + b) @ V.T + beta)


THREE = torch.tensor([[-1.2033, 0.5340], [0.0791, -1.8165], [1.0097, -0.1711]], device=where)
with seeded(2):
    untrained = BernoulliDecoder(L=2, D=D, hidden=(200,)).to(where)
assert torch.allclose(untrained(THREE).mean, f(THREE, *untrained.parameters()), atol=1e-5)  # float32, sums of 200 terms
fig, axes = plots.figure(1, 2, size=(11, 2.2))
plots.image_grid(axes[0], untrained(THREE).mean.detach(), shape, cols=3)
with seeded(3):
    plots.image_grid(axes[1], untrained(THREE).sample(), shape, cols=3)
axes[0].set_title("f(z) at three z, untrained")
axes[1].set_title("one image drawn from each")
plots.show(fig, alt="Left three grey squares with faint texture, right three squares of black and white noise.")

# %% [markdown]
# Noise, but already a *model* of images: each has a $p(x)$. Training will move the parameters.
#
# ## The encoder, and the KL that belongs to it
#
# The encoder's last layer has $2L$ outputs: $\mu(x)$, and $s(x)$ without bounds, which a function makes positive. With
# `scale=torch.exp`, the default, $s$ is $\log\sigma$; with `scale=softplus`, $\sigma$ grows linearly, which forgives wild outputs early in
# training. Either is right, if the sampler and the KL read $s$ alike. The KL has a closed form (Kingma and Welling 2014):
#
# $$\operatorname{KL}\big(q(z\mid x)\,\|\,p(z)\big)
# = \tfrac12 \sum_{l=1}^{L} \big(\mu_l^2 + \sigma_l^2 - 1 - \log \sigma_l^2\big).$$
#
# Two oracles: torch's own `kl_divergence`, and Monte Carlo, $\mathbb E_q[\log q(z) - \log p(z)]$.


# %%
def kl(mu, sigma):
    return 0.5 * (mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum(-1)


mu, sigma = torch.tensor([0.8, -0.3, 0.0]), torch.tensor([0.4, 1.2, 1.0])
q, p = Normal(mu, sigma), Normal(0.0, 1.0)
with seeded(6):
    z = q.sample((20_000,))
log_ratio = (q.log_prob(z) - p.log_prob(z)).sum(-1)
std_err = log_ratio.std() / math.sqrt(len(z))
print(
    f"formula {kl(mu, sigma):.4f}, torch {kl_divergence(q, p).sum():.4f},",
    f"by draws {log_ratio.mean():.4f} ± {std_err:.4f}",
)
assert torch.allclose(kl(mu, sigma), kl_divergence(q, p).sum())
assert abs(log_ratio.mean() - kl(mu, sigma)) < 5 * std_err

# %% [markdown]
# ## Training
#
# Three modules, and a loss: minus the bound, a sum over pixels, a mean over the batch. `mean=` lets the decoder begin at the mean
# image, so that the first steps need not learn which pixels are always off.

# %%
STEPS = 2000 if images.name == "mnist" else 1500  # seven visits to an image of MNIST; the digits are few


def new_model():
    return VAE(
        GaussianEncoder(D, L=50, hidden=(200, 200)),
        BernoulliDecoder(50, D, hidden=(200, 200), mean=images.train.mean(0)),
        StandardNormal(50),
    ).to(where)


def minus_elbo(model, x):
    return -elbo(model.log_weights(x, K=1)).mean()


with seeded(7):
    model = new_model()
    start = log_likelihood(model, dynamic(images.test[:100]), K=50)
print(f"before training {start} nats an image; tossing a coin for each pixel gives {-D * math.log(2):.1f}")

# %% [markdown]
# Stop it whenever you like (Jupyter's stop button): you keep the model and the history so far.

# %%
alt = "The ELBO climbs steeply over the first hundreds of steps, then slowly; training and validation curves stay together."
with seeded(9):
    history = train(
        model,
        minus_elbo,
        images.train,
        steps=STEPS,
        batch_size=200,
        lr=cosine(5e-3, 1e-5, STEPS),
        prepare=dynamic,
        valid=images.valid[::5],
        valid_every=STEPS // 10,
        watch=plots.LiveCurve(alt),
    )
print(f"{len(history.loss)} steps in {history.seconds:.0f} s; ELBO on the validation set {-history.valid[-1]:.1f} nats")

# %% [markdown]
# ## How good is it? $\log p(x)$ by importance sampling
#
# The ELBO is only a bound. Notebook 01 has the remedy: $q(z\mid x)$ as proposal, and the mean of $K$ weights,
#
# $$\log \hat p(x) = \log \frac1K \sum_{k=1}^K w_k, \qquad w_k = \frac{p(x\mid z_k)\,p(z_k)}{q(z_k\mid x)}.$$
#
# $\hat p$ is unbiased, since the Gaussian $q$ is positive wherever $p(z)$ is. Its logarithm is too low on average (Jensen). It tends to
# $\log p(x)$ as $K$ grows, and a rate such as $1/K$ for the bias needs $\mathbb V[w] < \infty$ as well. So a number without its $K$ says little.
# The standard error is over images: it says how much another test set of this size would differ.

# %%
test = images.test[:: max(1, len(images.test) // 500)]  # by stride: the first images of MNIST are harder than the rest
with seeded(10):
    x_test = dynamic(test)
    for K in (1, 5, 50, 500):
        result = log_likelihood(model, x_test, K)
        print(f"K = {K:>3}: {result} nats an image, {len(x_test)} test images")

# %% tags=["check"]
if images.name == "mnist":
    assert result.value > -99  # 2000 steps; the paper's 3280 passes over the data reach -86.76

# %% [markdown]
# Burda et al. (2016) report $-86.76$ for this architecture and binarisation, by 3280 passes over the data instead of seven. (*Further*
# compares with a model trained for hundreds.) What has it learnt? Reconstructions, and images drawn from the model:

# %%
with seeded(11), torch.no_grad():
    invented = model.decoder(model.prior().sample((28,))).mean
fig, (top, bottom) = plots.figure(2, 1, size=(12, 4.6))
plots.image_grid(top, torch.cat([x_test[:14], reconstruct(model, x_test[:14])]), shape, cols=14)
plots.image_grid(bottom, invented, shape, cols=14)
top.set_title("test images, and p(x|z) at the mean of q(z|x)")
bottom.set_title("p(x|z) at 28 draws of z from the prior")
plots.show(fig, alt="Digits and their smooth reconstructions; below, invented digits, most of which can be read.")

# %% [markdown]
# ## Units in use
#
# The model has fifty latent units. A unit whose $q(z_l\mid x)$ is the prior for every $x$ costs no KL and tells the decoder nothing: it
# has *collapsed*. Burda et al. call a unit *active* if its posterior mean varies over the data:
# $\operatorname{Var}_x(\mathbb E_q[z_l]) > 0.01$.

# %%
with torch.no_grad():
    q = model.encoder(x_test)
each_kl = kl_divergence(q.base_dist, Normal(torch.zeros_like(q.mean), 1.0)).mean(0)
with seeded(24):
    active = active_units(model, dynamic(images.test))
ranked = each_kl.argsort(descending=True).cpu()
fig, ax = plots.figure(size=(9, 3.6))
on = active.cpu()[ranked]
ax.semilogy(np.arange(50)[on], each_kl.cpu()[ranked][on], "o", color=plots.BLUE, label=f"active: {int(on.sum())}")
ax.semilogy(
    np.arange(50)[~on], each_kl.cpu()[ranked][~on], "s", color=plots.ORANGE, label=f"collapsed: {int((~on).sum())}"
)
ax.set(xlabel="latent unit, ranked", ylabel="mean KL to the prior (nats)")
ax.legend()
plots.show(fig, alt="Dots of about one nat, then a cliff: the collapsed units lie a hundred times lower or more.")

# %% [markdown]
# A collapsed unit is noise that the decoder ignores. If so, $\log p(x\mid z)$ cannot change when such units are drawn from the prior
# instead of from $q$. The control: the same with the active ones.

# %% tags=["check"]
with seeded(12), torch.no_grad():
    z = q.sample((20,))
    other = torch.randn_like(z)
    lost = model.decoder(z).log_prob(x_test) - model.decoder(torch.where(active, z, other)).log_prob(x_test)
    lost_active = model.decoder(z).log_prob(x_test) - model.decoder(torch.where(active, other, z)).log_prob(x_test)
print(
    f"log p(x|z) lost by noise in collapsed units {lost.mean():.2f} nats, in active ones {lost_active.mean():.0f} nats"
)
assert abs(lost.mean()) < 0.5 < lost_active.mean()  # of about a hundred nats

# %% [markdown]
# So does the model need that many units? Train the same network in three ways. All see the same batches, and all end with the same
# objective:
#
# - *sampled*: each term of the bound at the draw of $z$, as above;
# - *closed form*: the KL term by its formula, so a gradient with the same mean and other noise;
# - *KL warm-up*: the same, its weight rising from 0 to 1 over the first third of training, so that no unit is switched off before it
#   has learnt anything (Sønderby et al. 2016).
#
# One run of each is no evidence. So there are three runs of each on MNIST, with three seeds and 2500 steps, made beforehand
# (`python -m benchmarks.units`); ± is half of a 95 % t interval.

# %%
guess = predict(
    "Which of these depends on the way?",
    [
        "neither: the objective is the same",
        "the number of units, and log p(x) with it",
        "the number of units far more than log p(x)",
    ],
)

# %%
runs = {}
for one in unit_runs():
    runs.setdefault(one["way"], []).append(one)
for way, of in runs.items():
    log_p, half = interval(np.array([one["log_p"] for one in of]))
    cost = np.mean([one["kl"] for one in of])
    print(f"{way:>11}: units active {[one['active'] for one in of]}, KL {cost:.1f} nats,", end=" ")
    print(f"log p(x) {log_p:.2f} ± {half:.2f} nats (K = 500)")
for way in ("closed form", "warm-up"):
    gain, half = interval(np.array([a["log_p"] - b["log_p"] for a, b in zip(runs[way], runs["sampled"], strict=True)]))
    print(f"{way} above sampled, seed by seed: {gain:+.2f} ± {half:.2f} nats")
guess.discuss(
    {
        "neither: the objective is the same": "The objective is the same, and so is its best value. The way to it is not.",
        "the number of units, and log p(x) with it": "Compare the last lines with the counts: a few tenths of a nat in a hundred, and counts that differ by a third.",
        "the number of units far more than log p(x)": "Some units are switched off on the way, and those that are left do nearly as well.",
    },
    right="the number of units far more than log p(x)",
)

# %% tags=["check"]
counts = [one["active"] for one in unit_runs()]
means = {way: np.mean([one["log_p"] for one in of]) for way, of in runs.items()}
assert max(counts) - min(counts) > 5
assert max(means.values()) - min(means.values()) < 1

# %% [markdown]
# So the number of active units is no property of the data: it depends on the path, and already on the seed. Report it, but compare models by
# $\log p(x)$. Collapse becomes a fault when a decoder is so strong that *no* unit pays for its KL
# (notebook 11), or when the KL is weighted too heavily (the first of the five questions below).
#
# ## A plane to see everything in
#
# With $L = 2$ the whole latent space fits into a picture. The model comes with the package, 784-200-200-2 and back, trained on MNIST for 120
# passes. (Without MNIST a small one is trained here.)

# %%
if images.name == "mnist":
    plane = pretrained("plane", where).model
else:
    with seeded(13):
        plane = VAE(GaussianEncoder(D, 2), BernoulliDecoder(2, D, mean=images.train.mean(0)), StandardNormal(2)).to(
            where
        )
        train(plane, minus_elbo, images.train, steps=800, batch_size=200, lr=cosine(3e-3, 1e-5, 800), prepare=dynamic)
with seeded(13):
    for K in (1, 500):
        print(f"L = 2, K = {K:>3}: {log_likelihood(plane, x_test, K)} nats an image")

# %% [markdown]
# Left, where the encoder puts test images. Right, what the decoder makes of a grid of $z$. The grid lies at the
# normal's quantiles, so that each cell has the same prior probability.

# %%
side = Normal(0.0, 1.0).icdf(torch.linspace(0.03, 0.97, 14))
grid = torch.cartesian_prod(side.flip(0), side).flip(1).to(where)  # rows from the top: z_2 falls, z_1 grows
with seeded(25), torch.no_grad():
    codes, decoded = plane.encoder(dynamic(images.test[:1500])).mean.cpu(), plane.decoder(grid).mean
fig, (left, right) = plots.figure(1, 2, size=(12.5, 6))
for digit in range(10):
    of_digit = images.test_labels[:1500].cpu() == digit
    colour = plots.PALETTE[digit % len(plots.PALETTE)]
    left.plot(*codes[of_digit].T, ls="none", marker=f"${digit}$", ms=7, mew=0.3, alpha=0.7, color=colour)
left.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
left.set_title("posterior means of test images, each as its digit")
plots.image_grid(right, decoded, shape, cols=14)
right.set_title("p(x|z) on a grid of z")
plots.show(
    fig, alt="Left a plane where each digit has its region; right a grid of digits that turn smoothly into each other."
)

# %% [markdown]
# ## The laboratory: exact values
#
# In two dimensions the integral $p(x) = \int p(x\mid z)\,p(z)\,dz$ can be computed on a mesh, so exact values are known for all that follows.
# One caution: posteriors of 784 pixels are narrow. A mesh over the whole plane, its points 0.05 apart, is too coarse for many of them, as the next cells show. So the mesh only finds *where* the posterior is; each cell that matters is then cut into $3 \times 3$.

# %%
x, step = x_test[:: max(1, len(x_test) // 50)][:50], 0.05
axis = torch.arange(-5, 5 + step / 2, step, device=where)
mesh = torch.cartesian_prod(axis, axis)


def log_joint(z, x):
    """log p(x, z) for each z (G, 2) and each image, (G, B), from the logits: not by the library's log_prob."""
    logits = plane.decoder.net(z)
    return (
        logits @ x.T
        - softplus(logits).sum(1, keepdim=True)
        - (0.5 * z.square().sum(1, keepdim=True) + math.log(2 * math.pi))
    )


def exact_log_p(on_mesh, x, cut=3):
    """log p(x) of one image: each cell within e^-12 of the highest is cut into cut x cut."""
    inner = (torch.arange(cut, device=where) - (cut - 1) / 2) * step / cut
    fine = (mesh[on_mesh > on_mesh.max() - 12][:, None] + torch.cartesian_prod(inner, inner)).flatten(0, 1)
    return torch.logsumexp(log_joint(fine, x[None])[:, 0], 0) + 2 * math.log(step / cut)


# %%
with torch.no_grad():
    on_mesh = torch.cat([log_joint(z, x) for z in mesh.split(4000)])  # (G, 50)
    exact = torch.stack([exact_log_p(on_mesh[:, i], x[i]) for i in range(len(x))])
off = (torch.logsumexp(on_mesh, 0) + 2 * math.log(step) - exact).abs()
print(f"{len(x)} images: the mesh alone is wrong by up to {off.max():.2f} nats,", end=" ")
print(f"in {int((off > 0.01).sum())} of them by more than 0.01")

# %% [markdown]
# Is the cut fine enough? Cutting into $7 \times 7$ must not change anything.

# %% tags=["check"]
with torch.no_grad():
    finer = torch.stack([exact_log_p(on_mesh[:, i], x[i], cut=7) for i in range(20)])
print(f"seven by seven changes log p(x) by at most {(finer - exact[:20]).abs().max():.4f} nats")
assert (finer - exact[:20]).abs().max() < 0.01

# %% [markdown]
# Now the gap of the bound, $\log p(x) - \mathrm{ELBO} = \operatorname{KL}(q(z\mid x)\,\|\,p(z\mid x))$ (notebook 05). The ELBO of a Gaussian
# is an expectation under it, so the nodes of Gauss-Hermite quadrature, $z = \mu + \sigma \varepsilon_g$ with weights, follow $q$ wherever it lies:
#
# $$\mathrm{ELBO}(\mu, \sigma) = \sum_g w_g \log p(x, \mu + \sigma\varepsilon_g) + \sum_l \log\sigma_l + \log 2\pi + 1$$

# %%
nodes, w = (torch.tensor(one, dtype=torch.float32, device=where) for one in np.polynomial.hermite_e.hermegauss(8))
NODES, WEIGHTS = torch.cartesian_prod(nodes, nodes), torch.outer(w, w).flatten() / (2 * math.pi)


def elbo_of(m, log_s):
    """ELBO of N(m, exp(log_s)^2) for each image, by quadrature; m and log_s are (50, 2)."""
    log_p = plane.log_joint(x, m + log_s.exp() * NODES[:, None])  # (64, 50)
    return WEIGHTS @ log_p + log_s.sum(1) + math.log(2 * math.pi) + 1


with torch.no_grad():
    q = plane.encoder(x)
    gap = exact - elbo_of(q.mean, q.stddev.log())
print(f"gap of the encoder's q: mean {gap.mean():.2f}, median {gap.median():.2f}, largest {gap.max():.2f} nats")
guess = predict(
    "Give each image a Gaussian of its own, optimised for it alone. Which share of the mean gap is left?",
    ["nearly all: a Gaussian cannot bend", "about half", "little: the encoder was the culprit"],
)

# %% tags=["check"]
with seeded(14):  # the same gap by draws, which share nothing with the nodes
    log_w = plane.log_weights(x, K=2000).detach()
std_err = log_w.std(0) / math.sqrt(2000)
assert ((exact - elbo(log_w) - gap).abs() < 5 * std_err + 0.05).all()  # 0.05: the quadrature, at the narrowest
assert gap.min() > -0.02

# %% [markdown]
# ## Splitting the gap
#
# Notebook 05 split the gap of a small model on a line. Here is the split of a VAE (Cremer, Li and Duvenaud 2018):
#
# $$\log p(x) - \mathrm{ELBO}_\text{encoder} = \underbrace{\log p(x) - \mathrm{ELBO}_\text{best}}_{\text{approximation}}
# + \underbrace{\mathrm{ELBO}_\text{best} - \mathrm{ELBO}_\text{encoder}}_{\text{amortisation}}$$
#
# The best Gaussian of each image is found by *natural gradient* steps, each at most half of one of $q$'s own standard deviations
# long. Where do we start? $\operatorname{KL}(q\,\|\,p)$ is mode-seeking, so we start twice, at the encoder's guess and at the highest point of the posterior, and keep the better end.


# %%
def descend(m, log_s, steps=40):
    """Mean and log scale after natural gradient steps on the ELBO, for all images at once."""
    for _ in range(steps):
        move, widen = torch.zeros(2, *m.shape, device=where).requires_grad_()
        along, wide = torch.autograd.grad(elbo_of(m + log_s.exp() * move, log_s + widen).sum(), (move, widen))
        m, log_s = m + log_s.exp() * (0.3 * along).clamp(-0.5, 0.5), log_s + (0.15 * wide).clamp(-0.5, 0.5)
    return m, log_s


peak = mesh[on_mesh.argmax(0)]
own = [descend(q.mean.detach(), q.stddev.log().detach()), descend(peak, torch.full_like(peak, math.log(0.03)))]
with torch.no_grad():
    left = exact - torch.stack([elbo_of(*one) for one in own])  # (2, 50): the gap after either descent
approximation, amortisation = left.amin(0), gap - left.amin(0)
print(f"gap {gap.mean():.2f} = approximation {approximation.mean():.2f} + amortisation {amortisation.mean():.2f} nats")
wrong = int((left[0] > approximation + 0.1).sum())
print(f"from the encoder's guess alone {left[0].mean():.2f} is left: {wrong} of {len(x)} end on a wrong hump")
guess.discuss(
    {
        "nearly all: a Gaussian cannot bend": "Seen closely, most of these posteriors are nearly Gaussian.",
        "about half": "The approximation gap is far smaller than that.",
        "little: the encoder was the culprit": "One network answers for all images; in a narrow posterior a small error costs nats.",
    },
    right="little: the encoder was the culprit",
)

# %% tags=["check"]
assert (left[0] <= gap + 0.02).all()  # descending never makes it worse
assert approximation.min() > -0.02  # a bound stays a bound
if images.name == "mnist":
    assert approximation.mean() < 0.3 * gap.mean()

# %% [markdown]
# Here are three of the fifty images: those whose best Gaussian leaves the smallest, the median and the largest gap. Shading is the exact posterior; ellipses are
# two standard deviations.

# %%
fig, axes = plots.figure(1, 3, size=(13, 4.6))
best = torch.where((left[0] < left[1])[:, None], torch.cat(own[0], 1), torch.cat(own[1], 1))
for ax, i in zip(axes, approximation.argsort()[[0, 25, 49]].tolist(), strict=True):
    (m, log_s), at, wide = best[i].split(2), q.mean[i].detach(), q.stddev[i].detach()
    near = mesh[on_mesh[:, i] > on_mesh[:, i].max() - 5]
    low, high = torch.cat([near, (at - 2 * wide)[None], (at + 2 * wide)[None]]).aminmax(dim=0)
    reach = 0.55 * (high - low).max() + step
    a, b = (torch.linspace(-1, 1, 121, device=where) * reach + c for c in (low + high) / 2)
    with torch.no_grad():
        density = log_joint(torch.cartesian_prod(a, b), x[i, None]).reshape(121, 121).T.cpu()
    extent = [*a[[0, -1]].tolist(), *b[[0, -1]].tolist()]
    ax.imshow((density - density.max()).exp(), origin="lower", extent=extent, cmap="Greys")
    plots.ellipse(ax, at.cpu(), wide.square().diag().cpu(), color=plots.ORANGE, ls="--", label="encoder's q")
    plots.ellipse(ax, m.cpu(), (2 * log_s).exp().diag().cpu(), color=plots.BLUE, label="best q")
    ax.set(xlabel="$z_1$", ylabel="$z_2$", title=f"gap {gap[i]:.2f}, best {approximation[i]:.2f} nats")
axes[0].legend()
plots.show(
    fig, alt="Three posteriors with the encoder's ellipse and the best one; the last is bent, and no ellipse fits."
)

# %% [markdown]
# Watch $q$ descend, on eight other images: press *Play*. On image 7 it stops early, on a wrong hump: move its start by hand, and play again.

# %%
watch = explore("descent")

# %% [markdown]
# ## Further: is the judge right?
#
# For the fifty images the exact $\log p(x)$ is known, so the judge of all other models, importance sampling with $q$ as proposal, can be
# judged itself. Its error bar follows from the effective sample size: $\sqrt{(K/\mathrm{ESS} - 1)/(K-1)}$.

# %%
guess = predict(
    "q was trained by KL(q || p), which seeks modes. What does that make of it as a proposal, with K = 1000?",
    [
        "exact within its error bar",
        "too low, and its error bar does not know",
        "too high, and its error bar does not know",
    ],
)

# %%
K = 1000


@torch.no_grad()
def against_exact(proposal):
    z = proposal.sample((K,))
    log_w = plane.log_joint(x, z) - proposal.log_prob(z)
    error, std_err = iwae(log_w) - exact, ((K / ess(log_w) - 1) / (K - 1)).sqrt() + 0.002  # float32 on sums of D terms
    within = (error.abs() < 2 * std_err).float().mean()
    print(f"mean error {error.mean():+.3f} nats, mean error bar {std_err.mean():.3f}, {within:.0%} of images", end=" ")
    print(f"within two of them; errors from {error.min():+.2f} to {error.max():+.2f}")
    return error / std_err


m, log_s = best.split(2, 1)
with seeded(14):
    proposals = {
        "encoder's q": plane.encoder(x),
        "three times as wide": Independent(Normal(q.mean.detach(), 3 * q.stddev.detach()), 1),
        "the image's own q": Independent(Normal(m, log_s.exp()), 1),
    }
    t = {}
    for name, proposal in proposals.items():
        print(f"{name:>20}:", end=" ")
        t[name] = against_exact(proposal)

# %% tags=["check"]
assert all(one.max() < 5 for one in t.values())  # nowhere too high beyond chance
assert (t["the image's own q"].abs() < 5).float().mean() >= (t["encoder's q"].abs() < 5).float().mean()

# %%
guess.discuss(
    {
        "exact within its error bar": "For most images. Where q misses the posterior, no draw reports what it misses.",
        "too low, and its error bar does not know": "The bar is made of the weights that were drawn. What q leaves out is in none of them.",
        "too high, and its error bar does not know": "The mean weight is unbiased, so its logarithm errs downwards.",
    },
    right="too low, and its error bar does not know",
)

# %% [markdown]
# So read the $\log p(x)$ that a model's own encoder reports as a lower bound, like the ELBO, only tighter. A wider proposal mends part of
# it, and an image's own $q$ nearly all.
#
# ## Further: can the encoder be mended?
#
# Is the gap so large because these images are new, or because training was short? Two controls: the same gap on *training* images, and
# more training of the encoder alone. The decoder is held fixed, and so are $p$ and every exact value.


# %%
def gaps_of(model, x, exact):
    """Gap of the encoder's q for each image, by 500 draws."""
    with torch.no_grad():
        return exact - model.log_weights(x, K=500).mean(0)


tuned = copy.deepcopy(plane)
tuned.decoder.requires_grad_(False)
with seeded(26):
    seen, unseen = dynamic(images.train[:: len(images.train) // 100][:100]), x_test[:: max(1, len(x_test) // 100)][:100]
    train(tuned, minus_elbo, images.train, steps=300, batch_size=200, lr=cosine(1e-3, 1e-5, 300), prepare=dynamic)
    exact_of = {}
    for name, some in (("seen", seen), ("unseen", unseen)):
        with torch.no_grad():
            on = torch.cat([log_joint(z, some) for z in mesh.split(4000)])
            exact_of[name] = torch.stack([exact_log_p(on[:, i], some[i]) for i in range(len(some))])
    gaps = {
        "training images": gaps_of(plane, seen, exact_of["seen"]),
        "test images": gaps_of(plane, unseen, exact_of["unseen"]),
        "test images, encoder trained on": gaps_of(tuned, unseen, exact_of["unseen"]),
    }
for name, one in gaps.items():
    mean = f"{one.mean():.2f} ± {2 * one.std() / len(one) ** 0.5:.2f}"
    print(f"{name:>32}: median gap {one.median():.2f}, mean {mean} nats; above 5 nats {(one > 5).float().mean():.0%}")

# %% tags=["check"]
assert all(torch.equal(a, b) for a, b in zip(tuned.decoder.parameters(), plane.decoder.parameters(), strict=True))
medians = [float(one.median()) for one in gaps.values()]
if images.name == "mnist":
    assert max(medians) < 2 * min(medians)

# %% [markdown]
# Compare medians with medians: neither explains the typical gap. It is much the same on images that were seen in training and on others, and
# hundreds of further steps change little. The means depend mostly on the gaps above 5 nats, a fifth to a third of the images, and their error
# bars are wide. Cremer et al. find that larger encoders help; another way is a bound that asks less of $q$, in notebook 09.
#
# ## Further: patience
#
# A model of the same architecture comes with the package, trained for hundreds of passes (KL warm-up included); its *card* says how, and
# what it reached on all test images. Is that so, on the images here?

# %%
if images.name == "mnist":
    patient, card = pretrained("iwae_1", where)
    with seeded(10):
        ours = log_likelihood(patient, x_test, K=500)
    print(f"packaged, {card['epochs']} passes: {ours} nats an image here (K = 500)")
    print(f"its card: {card['test_log_likelihood']:.2f} ± {card['test_se']:.2f}, all test images, K = {card['eval_K']}")
    # 5 standard errors of 500 images, and a nat for the lower K.
    assert abs(ours.value - card["test_log_likelihood"]) < 5 * ours.std_err + 1
    with seeded(10):
        gain = log_marginal(patient, x_test, K=50) - log_marginal(model, x_test, K=50)
    print(f"image by image above the model just trained, by {gain.mean():.2f} nats (K = 50)")
    assert gain.mean() > 5 * gain.std() / math.sqrt(len(gain))

# %% [markdown]
# ## Further: interpolation
#
# Halfway between two images: mix the pixels, or mix the codes and decode.

# %%
first, last = x_test[[0, 3]], x_test[[1, 7]]
way = torch.linspace(0, 1, 9, device=where)[:, None]
with torch.no_grad():
    z_first, z_last = model.encoder(first).mean, model.encoder(last).mean
    rows = []
    for i in range(2):
        rows += [model.decoder(torch.lerp(z_first[i], z_last[i], way)).mean, torch.lerp(first[i], last[i], way)]
fig, ax = plots.figure(size=(9, 4.2))
plots.image_grid(ax, torch.cat(rows), shape, cols=9)
ax.set_title("two pairs: through latent space, and below it through pixels")
plots.show(
    fig, alt="For two pairs of digits: a row in which one turns into the other by bending, and a row of cross-fading."
)

# %% [markdown]
# ## Further: filling in missing halves
#
# The encoder has never seen half an image. *Pseudo-Gibbs* takes turns (Rezende et al. 2014): fill the hole with
# anything, encode, draw $z$, decode, draw the hole anew. Were $q$ the true posterior, this would be Gibbs sampling
# from $p(x_\text{missing} \mid x_\text{observed})$; with an encoder it is only an approximation. One chain may stay with one
# reading of what is seen, so four are started for each image, and averaged.

# %%
column = torch.arange(D, device=where) % shape[1]
missing = column < shape[1] // 2  # the left half
with seeded(15):
    filled = impute(model, x_test, missing, steps=100, chains=4)
seen = torch.where(missing, 0.5, x_test)
fig, ax = plots.figure(size=(12, 3.9))
plots.image_grid(ax, torch.cat([x_test[:14], seen[:14], filled.x[:14], filled.mean[:14]]), shape, cols=14)
ax.set_title("truth; what the model is shown; one filling; the average of four chains, 50 turns each")
plots.show(
    fig,
    alt="Four rows: digits, right halves alone, plausible completed digits, and blurred averages of the completions.",
)

# %% [markdown]
# Is that better than guessing? Score the truth's hidden half under the average filling, and under the mean training
# image.


# %%
def score(p):
    p = p.clamp(0.005, 0.995)  # an average of 200 turns knows no smaller probabilities
    log_p = torch.where(x_test > 0.5, p, 1 - p).log()
    return log_p[:, missing].sum(1)


gain = score(filled.mean) - score(images.train.mean(0).expand_as(x_test))
std_err = gain.std() / math.sqrt(len(gain))
print(
    f"hidden half: {score(filled.mean).mean():.1f} nats, {gain.mean():.1f} ± {std_err:.1f} better than the mean image"
)
assert gain.mean() > 5 * std_err

# %% [markdown]
# ## Further: outliers by $\log p(x)$
#
# A density can say which images do not belong. Show the model capital letters, printed with about as much ink. Some letters should pass for
# digits; the second picture tells which.

# %%
with seeded(16):
    x_out = dynamic(letters(shape).to(where))
    inside, outside = log_marginal(model, x_test, K=100), log_marginal(model, x_out, K=100)
auc = (inside[:, None] > outside).float().mean()
ink = ((x_test.sum(1)[:, None] < x_out.sum(1)).float().mean() - 0.5).abs() + 0.5
print(f"a digit has the higher log p(x) in {auc:.1%} of pairs; ink alone would tell in {ink:.1%}")

fig, ax = plots.figure(size=(8, 3.8))
bins = np.linspace(min(outside.min().item(), inside.min().item()), inside.max().item(), 50)
ax.hist(inside.cpu(), bins, density=True, alpha=0.7, color=plots.BLUE, label="digits (test)")
ax.hist(outside.cpu(), bins, density=True, histtype="step", lw=2.5, color=plots.RED, label="letters")
ax.set(xlabel="log p(x) (nats, K = 100)", ylabel="density")
ax.legend()
plots.show(fig, alt="Histograms of log p(x): digits to the right, letters spread far to the left, with some overlap.")
assert auc > 0.7

# %%
strangest, plainest = inside.argsort()[:12], outside.argsort(descending=True)[:12]
fig, ax = plots.figure(size=(11, 2.3))
plots.image_grid(ax, torch.cat([x_test[strangest], x_out[plainest]]), shape, cols=12)
ax.set_title("above, the digits of lowest log p(x); below, the letters of highest")
plots.show(fig, alt="Above badly written digits, below letters such as I, J, S and O that could be digits.")

# %% [markdown]
# A warning: a model of natural images often gives images from *another* data set the higher $\log p(x)$ (Nalisnick et
# al. 2019). Try your own outliers before you trust it.
#
# ## Further: five questions that users of VAE code ask most
#
# Each is answered by a measurement, and each is a misconception that the exercises will recognise.
#
# ### 1. "I average over pixels. Why do all samples look alike?"
#
# $\frac1D \log p(x\mid z) - \mathrm{KL}$ is the ELBO with its KL weighted by $D$, divided by $D$:


# %%
def mean_over_pixels(model, x):
    log_lik, kl = model.terms(x)
    return -(log_lik.mean(0) / D - kl).mean()


def beta_elbo(model, x, beta):
    log_lik, kl = model.terms(x)
    return (log_lik.mean(0) - beta * kl).mean()


with seeded(17):
    one = mean_over_pixels(model, x_test)
with seeded(17):
    other = -beta_elbo(model, x_test, beta=D) / D
print(f"mean over pixels {one.item():.6f}, beta = {D}: {other.item():.6f}")
assert torch.allclose(one, other, rtol=1e-4)  # float32

# %% [markdown]
# So train with it, briefly, and count.

# %%
with seeded(18):
    blind = VAE(GaussianEncoder(D, 10, (200,)), BernoulliDecoder(10, D, (200,)), StandardNormal(10)).to(where)
    train(blind, mean_over_pixels, images.train, steps=400, lr=3e-3, prepare=dynamic)
    same = blind.decoder(blind.prior().sample((1000,))).mean.std(0).max().item()
    information = blind.kl(x_test).mean().item()
print(f"KL {information:.4f} nats, {int(active_units(blind, x_test).sum())} of 10 units active")
print(f"over 1000 draws of z, no pixel's mean varies by more than {same:.3f}")
assert information < 0.1
assert not active_units(blind, x_test).any()

# %% [markdown]
# Everything has collapsed. So sum over pixels, and average over the batch only.
#
# ### 2. "My images are grey. Binary cross-entropy still works, no?"
#
# No: $e^{-\text{cross-entropy}} = p^x (1-p)^{1-x}$ is no density on $[0, 1]$. With logit $l$ it
# integrates to $\tanh(l/2)/l$, not to 1. Quadrature says the same.

# %% tags=["nbval-check-output"]
for p in (0.5, 0.1, 0.01):
    l = math.log(p / (1 - p))
    integral, _ = integrate.quad(lambda x, p=p: p**x * (1 - p) ** (1 - x), 0, 1)
    closed = math.tanh(l / 2) / l if l else 0.5
    print(f"p = {p:<4}: quadrature {integral:.4f}, tanh(l/2)/l = {closed:.4f}")
    assert abs(integral - closed) < 1e-8  # quad's own tolerance

# %%
with torch.no_grad():
    l = model.decoder(model.encoder(test).mean).base_dist.logits
missing_mass = torch.where(l.abs() < 1e-3, 0.5, torch.tanh(l / 2) / l).log().sum(1)
print(f"over {D} pixels the 'likelihood' of a grey image integrates to e^{missing_mass.mean():.0f}")
assert missing_mass.max() < 0

# %% [markdown]
# So a number from grey cross-entropy can be compared with no other model's. Binarise, or use a density on $[0, 1]$
# (Loaiza-Ganem and Cunningham 2019 put the missing constant in).
#
# ### 3. "Is the encoder's output a log-variance or a log-scale?"
#
# Either, but the sampler and the KL must agree. Here the sampler reads $s$ as $\log\sigma^2$, and the KL as
# $\log\sigma$.

# %%
mu, s = torch.tensor([0.8, -0.3]), torch.tensor([-1.5, -1.0])
q = Normal(mu, (s / 2).exp())  # the sampler: s is a log-variance
with seeded(19):
    z = q.sample((20_000,))
log_ratio = (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1)
std_err = log_ratio.std() / math.sqrt(len(z))
agrees, mixed = kl(mu, (s / 2).exp()), kl(mu, s.exp())
print(
    f"by draws {log_ratio.mean():.3f} ± {std_err:.3f};",
    f"KL with sigma = exp(s/2) {agrees:.3f}, with sigma = exp(s) {mixed:.3f}",
)
assert abs(log_ratio.mean() - agrees) < 5 * std_err
assert abs(log_ratio.mean() - mixed) > 50 * std_err

# %% [markdown]
# Would you notice it in training? Here are both losses, and both models judged by the true ELBO.


# %%
def mixed_up(model, x):
    log_lik, _ = model.terms(x)
    q = model.encoder(x)  # its sampler reads s as a log variance; this KL takes e^s = sigma^2 for sigma
    return -(log_lik.mean(0) - kl(q.mean, q.stddev**2)).mean()


for name, objective in (("one reading", minus_elbo), ("two readings", mixed_up)):
    with seeded(27):
        one = VAE(
            GaussianEncoder(D, 10, (200,), scale=lambda s: (s / 2).exp()),
            BernoulliDecoder(10, D, (200,)),
            StandardNormal(10),
        ).to(where)
        loss = train(one, objective, images.train, steps=400, lr=3e-3, prepare=dynamic).loss
        bound = elbo(one.log_weights(x_test, K=10)).mean()
    print(
        f"{name:>12}: loss {loss[:50].mean():.0f} -> {loss[-50:].mean():.1f}, true ELBO {bound:.1f} nats, mean sigma {one.encoder(x_test).stddev.mean():.2f}"
    )

# %% [markdown]
# Both losses fall, and nothing looks wrong. The true ELBO tells them apart, and the KL by draws, three lines of code,
# finds the place of the fault.
#
# ### 4. "Should this number go up or down?"
#
# A bound goes up, a loss goes down, `loss = -bound`. Forget the minus and training makes the model as bad as it can:

# %%
with seeded(20):
    upside_down = copy.deepcopy(plane)
    before = elbo(upside_down.log_weights(x_test)).mean().item()
    train(upside_down, lambda model, x: elbo(model.log_weights(x)).mean(), images.train, steps=30, prepare=dynamic)
    after = elbo(upside_down.log_weights(x_test)).mean().item()
print(f"ELBO {before:.0f} before, {after:.0f} after 30 steps; coins for pixels: {-D * math.log(2):.0f} nats")
assert after < before - 10

# %% [markdown]
# Two sanity checks that need no reference: a probability of binary pixels is at most 1, so the bound stays below 0;
# and it soon beats tossing coins, $-D \log 2$.
#
# ### 5. "I scaled the KL by a constant. It still is a bound, no?"
#
# With a weight $\beta < 1$ it is not: it can lie above $\log p(x)$. The two-dimensional model knows $\log p(x)$
# exactly.

# %%
with seeded(21), torch.no_grad():
    log_lik, kl_term = plane.terms(x, 1000)
std_err = log_lik.std(0) / math.sqrt(1000)
for beta in (1.0, 0.5, 0.1):
    above = (log_lik.mean(0) - beta * kl_term > exact + 5 * std_err).float().mean()
    print(f"beta = {beta}: above log p(x) for {above:.0%} of images")
    assert (above > 0) == (beta < 1)

# %% [markdown]
# A constant can also *hide* question 1: mean over pixels together with a KL weight of $1/D$ is the ELBO divided by
# $D$, the right objective on another scale, which Adam hardly notices. The two errors cancel, until someone copies only one of them.
#
# ## Lecture demo
#
# The models of this section come with the package, trained on MNIST for longer than a lecture lasts.
#
# <details><summary>Speaker note</summary>
#
# Three moves. **One:** the latent explorer: ask for a digit, drag towards it, then drag out to $|z| > 3$: the prior
# has almost no mass there, and the images show it. **Two:** morph a digit into another, in pixels and in latent space, and ask
# which of the two a hand could have written. **Three:** draw a seven and add a crossbar stroke by stroke:
# $q(z\mid x)$ moves. Wipe the board, scribble, and read the ELBO.
#
# </details>


# %%
walk = explore("latent_explorer", z=(1.0, -0.5))

# %%
change = explore("morph")

# %%
board = explore("drawing")

# %% [markdown]
# ## Summary
#
# - A VAE is PPCA with networks: prior, decoder, and an encoder that proposes a posterior. Without hidden layers, and
#   with a Gaussian decoder, it *is* PPCA.
# - Training maximises one bound by reparameterised gradients: sum over pixels and units, mean over the batch. Report $\log p(x)$ by
#   importance sampling, with $K$, a standard error, and how pixels were made binary.
# - The number of active units depends on the way of training far more than $\log p(x)$ does. It is no property of the data.
# - The gap of the bound is $\operatorname{KL}(q\,\|\,p(z\mid x))$. In the plane it splits into a little approximation and much amortisation: an
#   image's own Gaussian closes nearly all of it, if it starts on the right hump.
# - The usual bugs train without complaint. Exact values, draws and units of measurement find them.
#
# **To read** Kingma and Welling 2014, *Auto-encoding variational Bayes*; Rezende, Mohamed and Wierstra 2014; Burda,
# Grosse and Salakhutdinov 2016, section 2; Lucas, Tucker, Grosse and Norouzi 2019, *Don't blame the ELBO!*; Cremer, Li and Duvenaud 2018,
# *Inference suboptimality in variational autoencoders*; Sønderby, Raiko, Maaløe, Sønderby and Winther 2016, on warm-up; Mattei and Frellsen
# 2018, on filling in.
#
# **The next question** The mean of $K$ weights gave a better number than the ELBO. Why not train on it? That is
# notebook 09.
