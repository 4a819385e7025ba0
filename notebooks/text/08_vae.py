# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 The variational autoencoder
#
# After this notebook you will be able to
#
# - build a deep latent variable model from three modules, and say what each of them is on paper;
# - train it on binary images by the reparameterised ELBO, and state its test log-likelihood with $K$ and its
#   standard error;
# - see how far the encoder is from the true posterior, where the latter can be computed;
# - fill in missing pixels, find outliers, count the latent units in use;
# - recognise the five bugs that most often pass for a VAE.
#
# **Time** 90 minutes; the cells run in about 75 seconds on a laptop, most of it one training run. **Prerequisites**
# notebooks 01 (importance sampling), 02 (PPCA), 05 (the ELBO) and 07 (reparameterisation).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | $B \times D$ | binary images, flat |
# | $z$ | `z` | $K \times B \times L$ | latent variables, samples first |
# | $p(z)$ | `prior()` | event $L$ | $\mathcal N(0, I)$ |
# | $p_\theta(x\mid z)$ | `decoder(z)` | batch $K \times B$, event $D$ | observation model: Bernoulli pixels |
# | $q_\gamma(z\mid x)$ | `encoder(x)` | batch $B$, event $L$ | $\mathcal N(\mu(x), \operatorname{diag}\sigma(x)^2)$ |
# | $\log w$ | `log_w` | $K \times B$ | $\log p(x\mid z) + \log p(z) - \log q(z\mid x)$, in nats |

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
from lvmteach.classroom.figures import plots
from lvmteach.data import dynamic, letters, load_images
from lvmteach.evaluation import active_units, log_likelihood, log_marginal, reconstruct
from lvmteach.integrals import ess
from lvmteach.missing import impute
from lvmteach.runtime import device, seeded
from lvmteach.training import cosine, train
from lvmteach.vae import VAE, BernoulliDecoder, GaussianDecoder, GaussianEncoder, StandardNormal, pretrained

where = device()
images = load_images().to(where)
D, shape = images.train.shape[1], images.shape
print(f"{images.name}: {len(images.train)} training images of {shape[0]} x {shape[1]} pixels, on {where}")

# %% [markdown]
# ## Binary images, drawn afresh
#
# This is what the model will have to explain. The pixels are grey, the model binary. *Dynamic binarisation* takes a grey value as a probability and draws the
# pixel anew at each visit (Burda et al. 2016). One image becomes many, which also works against overfitting.

# %%
with seeded(4):
    draws = torch.cat([images.train[:1], dynamic(images.train[:1].expand(5, -1))])
fig, ax = plots.figure(size=(11, 2.2))
plots.image_grid(ax, draws, shape, cols=6)
ax.set_title("one grey image, and five binarisations of it")
plots.show(fig, alt="A grey digit and five black and white versions whose edges differ.")

# %% [markdown]
# ## From PPCA to deep
#
# Probabilistic PCA (notebook 02) draws $z \sim \mathcal N(0, I)$ and sends it through an affine map:
#
# $$x \mid z \sim \mathcal N(W z + b,\, \sigma^2 I).$$
#
# A deep latent variable model puts a network where the affine map was. That is all. What is lost is the posterior:
# for PPCA it is a Gaussian you can write down, for a network it is not. So a second network, the *encoder*,
# proposes one:
#
# $$q_\gamma(z \mid x) = \mathcal N\!\big(\mu(x),\, \operatorname{diag} \sigma(x)^2\big),$$
#
# and both are trained on the evidence lower bound,
#
# $$\log p_\theta(x) \;\ge\; \mathbb E_{q}\big[\log p_\theta(x\mid z) + \log p(z) - \log q_\gamma(z\mid x)\big].$$
#
# Before we go deep, take out every hidden layer. What is left is a *linear* VAE: PPCA, but trained by gradients on
# a bound, with an encoder that has to be learnt. **Before you run the cells:** can its bound reach PPCA's maximum
# log-likelihood? The encoder's covariance is diagonal; is that enough?

# %%
wine = torch.from_numpy(load_wine().data)  # 178 wines, 13 measurements
wine = (wine - wine.mean(0)) / wine.std(0)


def loss(model, x):
    return -elbo_analytic(*model.terms(x, K=4)).mean()


with seeded(1):
    linear = VAE(GaussianEncoder(13, L=3, hidden=()), GaussianDecoder(3, 13, hidden=()), StandardNormal(3)).double()
    # Some starts sit near a saddle, with two factors on one direction: 4000 steps are for them, 2500 do for most.
    train(linear, loss, wine, steps=4000, batch_size=len(wine), lr=cosine(0.1, 1e-5, 4000))
    log_w = linear.log_weights(wine, K=100).detach()

# %% [markdown]
# The oracle is Tipping and Bishop's closed form: with $\lambda_1 \ge \dots \ge \lambda_D$ the eigenvalues of the
# covariance and $\sigma^2$ the mean of those left out,
#
# $$\max \tfrac1N \log p(X) = -\tfrac12\Big[D\log 2\pi + \sum_{i\le L}\log\lambda_i + (D-L)\log\sigma^2 + D\Big].$$

# %%
eigenvalues = np.linalg.eigvalsh(np.cov(wine.numpy().T, bias=True))[::-1]
kept, noise = eigenvalues[:3], eigenvalues[3:].mean()
closed_form = -0.5 * (13 * math.log(2 * math.pi) + np.log(kept).sum() + 10 * math.log(noise) + 13)
bound = elbo(log_w).mean().item()
print(f"ELBO of the linear VAE {bound:.4f}, maximum log-likelihood of PPCA {closed_form:.4f} nats a wine")
print(f"log weights differ by {log_w.std(0).mean():.4f} nats from sample to sample")
assert abs(bound - closed_form) < 0.01  # Adam stops this near to the maximum; the bound itself is not loose

# %% [markdown]
# They meet. Every log weight equals $\log p(x)$, wherever $z$ falls: $q$ *is* the posterior. A diagonal covariance
# is enough because the bound takes care of it. PPCA leaves $W$ free up to a rotation; the ELBO prefers the rotation
# in which the posterior's covariance $\sigma^2 (W^\top W + \sigma^2 I)^{-1}$ is diagonal (Lucas et al. 2019). So
# the columns of $W$ must come out orthogonal, with squared lengths $\lambda_i - \sigma^2$.

# %%
W = linear.decoder.net[0].weight.detach()
gram = W.T @ W
order = gram.diagonal().argsort(descending=True)
print(np.round(gram[order][:, order].numpy(), 2))
print("PPCA's lambda - sigma^2:", np.round(kept - noise, 2))
assert np.allclose(gram[order][:, order], np.diag(kept - noise), atol=0.1)  # flat directions: Adam's last digits

# %% [markdown]
# ## A deep model with two latent dimensions
#
# Now the lecture's small deep model: one hidden layer, binary pixels,
#
# $$f(z) = \operatorname{sigmoid}\big(V \tanh(W z + b) + \beta\big), \qquad
# x_d \mid z \sim \operatorname{Bernoulli}(f_d(z)).$$


# %%
def f(z, W, b, V, beta):
    return torch.sigmoid(torch.tanh(z @ W.T + b) @ V.T + beta)


POINTS = torch.tensor([[-1.2033, 0.5340], [0.0791, -1.8165], [1.0097, -0.1711]], device=where)  # the lecture's draws
with seeded(2):
    decoder = BernoulliDecoder(L=2, D=D, hidden=(200,)).to(where)
written_out = f(POINTS, *decoder.parameters())
# Float32 rounding of sums of 200 terms.
assert torch.allclose(decoder(POINTS).mean, written_out, atol=1e-5)

# %% [markdown]
# `BernoulliDecoder` is that formula, and returns a distribution: `.mean` is $f(z)$, `.sample()` draws an image,
# `.log_prob(x)` sums over pixels. What do images at three draws of $z$ look like before any training?

# %%
fig, axes = plots.figure(1, 2, size=(11, 2.2))
plots.image_grid(axes[0], written_out.detach(), shape, cols=3)
with seeded(3):
    plots.image_grid(axes[1], decoder(POINTS).sample(), shape, cols=3)
axes[0].set_title("f(z) at three z, untrained")
axes[1].set_title("one image drawn from each")
plots.show(fig, alt="Left three grey squares with faint texture, right three squares of black and white noise.")

# %% [markdown]
# Noise, but already a *model* of images: it has a $p(x)$ for each. Training will move the parameters until these
# three points mean something. Keep them in mind; we come back.
#
# ## The encoder, and the KL that belongs to it
#
# The encoder's last layer has $2L$ outputs: $\mu(x)$, and $s(x)$ without bounds, which a function makes positive.
# `scale=torch.exp` reads $s$ as $\log\sigma$; `scale=softplus` grows linearly, and forgives wild outputs early in
# training. Both are right. What matters is to use **one** reading everywhere.

# %%
with seeded(5):
    encoder = GaussianEncoder(D, L=2, hidden=(200,)).to(where)
    gentle = GaussianEncoder(D, L=2, hidden=(200,), scale=softplus).to(where)
    x = dynamic(images.train[:3])
for name, net in (("exp", encoder), ("softplus", gentle)):
    print(f"{name:>8}: sigma(x) between {net(x).stddev.min():.2f} and {net(x).stddev.max():.2f}, at three images")

# %% [markdown]
# For this $q$ and a standard normal prior, the KL term of the ELBO has a closed form (Kingma and Welling 2014):
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
# A slide of lecture C prints this formula with slips in it. Put together, under the name
# $\operatorname{KL}(p(z)\,\|\,q(z\mid x))$, they come to what is coded here. **Before you run the cell:** how can
# you tell from a single number that something is wrong, without knowing the right one?


# %%
# NBVAL_CHECK_OUTPUT
def slide(mu, sigma):
    return 0.5 * (1 + 2 * sigma.log() - mu - sigma**2).sum(-1)


print(f"the slide gives {slide(mu, sigma):.4f}")
print(f"at mu = 0, sigma = 1, where q is the prior: {slide(torch.zeros(3), torch.ones(3)):.4f}")
assert slide(mu, sigma) < 0  # no KL is negative

# %% [markdown]
# A KL is never negative, and where $q$ is the prior it is 0: the slide passes the second test only. The gradient
# printed next to it has slips of its own: it names $\partial/\partial\mu$ twice. Find all of them in the exercise
# *The slide's errors*; use the oracles above rather than your eyes.
#
# ## Training
#
# The whole model is three modules. The loss is minus the bound: a sum over pixels, a mean over the batch.

# %%
with seeded(7):
    model = VAE(
        GaussianEncoder(D, L=50, hidden=(200, 200)),
        BernoulliDecoder(50, D, hidden=(200, 200), mean=images.train.mean(0)),
        StandardNormal(50),
    ).to(where)


def minus_elbo(model, x):
    return -elbo(model.log_weights(x, K=1)).mean()


STEPS = 5000 if images.name == "mnist" else 1500  # 18 visits to an image of MNIST; the digits are few
with seeded(8):
    x = dynamic(images.test[:100])
    start = log_likelihood(model, x, K=50)
print(f"before training {start} nats an image; tossing a coin for each pixel gives {-D * math.log(2):.1f}")

# %% [markdown]
# `mean=` lets the decoder begin at the mean image, so that the first steps need not learn which pixels are never
# black. It looks like a detail. Leave it out, train again, and compare.
#
# The next cell trains for less than a minute. Stop it whenever you like (Jupyter's stop button): you keep the model
# and the history so far.

# %%
alt = (
    "The ELBO climbs steeply over the first thousand steps, then slowly; training and validation curves stay together."
)
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
print(
    f"{len(history.loss)} steps in {history.seconds:.0f} s;",
    f"ELBO on the validation set {-history.valid[-1]:.1f} nats an image",
)

# %% [markdown]
# ## How good is it? $\log p(x)$ by importance sampling
#
# The ELBO is only a bound. Notebook 01 has the remedy: $q(z\mid x)$ as proposal, and the mean of $K$ weights,
#
# $$\log \hat p(x) = \log \frac1K \sum_{k=1}^K w_k, \qquad w_k = \frac{p(x\mid z_k)\,p(z_k)}{q(z_k\mid x)}.$$
#
# $\hat p$ is unbiased, its logarithm is too low on average (Jensen), by less as $K$ grows. So a number without its
# $K$ says little. The standard error is over images: it says how much another test set of this size would differ.

# %%
test = images.test[:: max(1, len(images.test) // 500)]  # by stride: the first images of MNIST are harder than the rest
with seeded(10):
    x_test = dynamic(test)
    for K in (1, 5, 50):
        print(f"K = {K:>3}: {log_likelihood(model, x_test, K)} nats an image")
    result = log_likelihood(model, x_test, K=500)
print(f"K = 500: {result} nats an image, {len(x_test)} test images")
if images.name == "mnist":
    assert result.value > -95

# %% [markdown]
# With 3280 passes over the data instead of 18, a smaller batch and $K = 5000$, Burda et al. (2016) report $-86.76$
# for this architecture and binarisation. What is missing is mostly patience. A model of the same architecture comes
# with the package, trained for hundreds of passes; its *card* says how, and what it reached on all test images. Is
# that so, on the images here?

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
# ## Reconstructions and samples

# %%
fig, ax = plots.figure(size=(12, 2.1))
plots.image_grid(ax, torch.cat([x_test[:14], reconstruct(model, x_test[:14])]), shape, cols=14)
ax.set_title("test images, and p(x|z) at the mean of q(z|x)")
plots.show(fig, alt="Two rows of digits: binary test images, and their smooth reconstructions below, hardly different.")

# %%
with seeded(11), torch.no_grad():
    p = model.decoder(model.prior().sample((28,)))
fig, ax = plots.figure(size=(12, 2.1))
plots.image_grid(ax, p.mean, shape, cols=14)
ax.set_title("p(x|z) at 28 draws of z from the prior")
plots.show(fig, alt="Two rows of invented digits; most can be read, some are in between two digits.")

# %% [markdown]
# Reconstructions are good, and samples are worse. Many $z$ from the prior fall where no $q(z\mid x)$ ever was in
# training: the average of $q(z\mid x)$ over the data is not quite the prior. A richer prior would mend that.
#
# ## Units in use
#
# Fifty dimensions were on offer. How many does the model use? A unit whose $q(z_l\mid x)$ is the prior for every
# $x$ costs no KL and tells the decoder nothing: it has *collapsed*. Burda et al. call a unit active if its
# posterior mean varies over the data: $\operatorname{Var}_x(\mathbb E_q[z_l]) > 0.01$. **Before you run the cell:**
# is a collapsed unit a bug?

# %%
with torch.no_grad():
    q = model.encoder(x_test)
each_kl = kl_divergence(q.base_dist, Normal(torch.zeros_like(q.mean), 1.0)).mean(0)
with seeded(24):
    active = active_units(model, dynamic(images.test))
ranked = each_kl.argsort(descending=True).cpu()
fig, ax = plots.figure()
colours = [plots.BLUE if on else plots.ORANGE for on in active.cpu()[ranked]]
ax.bar(range(50), each_kl.cpu()[ranked], color=colours, log=True)
ax.set(
    xlabel="latent unit, ranked",
    ylabel="mean KL to the prior (nats)",
    title=f"{int(active.sum())} of 50 units active (blue), log scale",
)
plots.show(fig, alt="Bars of about one nat, then a cliff: the inactive units lie a hundred times lower or more.")

# %% [markdown]
# The inactive units are noise that the decoder ignores. If so, $\log p(x\mid z)$ cannot change when we draw them from
# the prior instead of from $q$. That is a test:


# %%
with seeded(12), torch.no_grad():
    z = q.sample((20,))
    noise = torch.randn_like(z)
    with_noise = torch.where(active, z, noise)
    lost = model.decoder(z).log_prob(x_test) - model.decoder(with_noise).log_prob(x_test)
    lost_active = model.decoder(z).log_prob(x_test) - model.decoder(torch.where(active, noise, z)).log_prob(x_test)
print(
    f"log p(x|z) lost by noise in the inactive units {lost.mean():.2f} nats,",
    f"in the active ones {lost_active.mean():.0f} nats",
)
assert abs(lost.mean()) < 0.5 < lost_active.mean()  # of about a hundred nats

# %% [markdown]
# Not a bug, then: with this decoder and this much training, further units do not pay for their KL. It becomes a
# fault when a decoder is so strong that *no* unit pays, or when the KL is weighted too heavily, as below.
#
# ## Two latent dimensions: the whole space in one picture

# %%
PLANE_STEPS = STEPS // 4
with seeded(13):
    encoder = GaussianEncoder(D, L=2, hidden=(200, 200), scale=softplus)
    decoder = BernoulliDecoder(2, D, hidden=(200, 200), mean=images.train.mean(0))
    plane = VAE(encoder, decoder, StandardNormal(2)).to(where)
    rate = cosine(3e-3, 1e-5, PLANE_STEPS)
    train(plane, minus_elbo, images.train, steps=PLANE_STEPS, batch_size=200, lr=rate, prepare=dynamic)
    print(f"L = 2: {log_likelihood(plane, x_test, K=500)} nats an image (K = 500)")

# %% [markdown]
# (Its nets have one hidden layer more than $f$ above: at this budget that draws sharper images.)
#
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
left.set(
    xlabel="$z_1$",
    ylabel="$z_2$",
    title="posterior means of test images",
    aspect="equal",
    xlim=(-3.5, 3.5),
    ylim=(-3.5, 3.5),
)
plots.image_grid(right, decoded, shape, cols=14)
right.set_title("p(x|z) on a grid of z")
plots.show(
    fig, alt="Left a plane where each digit has its region; right a grid of digits that turn smoothly into each other."
)

# %% [markdown]
# Back to the three points. The lecture's own model makes other images of them: $z$ has no meaning of its own, only
# the decoder gives it one.

# %%
with torch.no_grad():
    decoded = plane.decoder(POINTS).mean
fig, ax = plots.figure(size=(6, 2.3))
plots.image_grid(ax, decoded, shape, cols=3)
ax.set_title("f(z) at the lecture's three z, trained")
plots.show(fig, alt="Three digits, where the untrained model gave grey squares.")

# %% [markdown]
# ## Interpolation
#
# Halfway between two images: mix the pixels, or mix the codes and decode. The larger model again.

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
# ## The true posterior, by quadrature
#
# With $L = 2$ the integral $p(x) = \int p(x\mid z)\,p(z)\,dz$ can be done on a grid. That gives exact values for
# $\log p(x)$ and for the posterior, to hold everything else against.

# %%
axis = torch.linspace(-5, 5, 401, device=where)
cell = (axis[1] - axis[0]).item() ** 2
mesh = torch.cartesian_prod(axis, axis)


@torch.no_grad()
def log_joint_on_grid(x):
    """log p(x, z) for each z of the mesh and each image, from the logits, without the library's log_prob."""
    log_prior = -0.5 * mesh.square().sum(1, keepdim=True) - math.log(2 * math.pi)
    logits = (plane.decoder.net(z) for z in mesh.split(4000))
    return log_prior + torch.cat([l @ x.T - softplus(l).sum(1, keepdim=True) for l in logits])


x = x_test[:50]
log_joint = log_joint_on_grid(x)
exact = torch.logsumexp(log_joint, 0) + math.log(cell)  # log p(x), (50,)
coarse = torch.logsumexp(log_joint.reshape(401, 401, -1)[::2, ::2].flatten(0, 1), 0) + math.log(4 * cell)
print(f"halving the grid changes log p(x) by at most {(exact - coarse).abs().max():.4f} nats")
assert (exact - coarse).abs().max() < 0.01

# %% [markdown]
# Does importance sampling agree? The error bar of $\log \hat p$ follows from the effective sample size:
# $\sqrt{(K/\mathrm{ESS} - 1)/(K-1)}$. **Before you run the cells:** $q$ was trained by
# $\operatorname{KL}(q\,\|\,p)$, which seeks modes (notebook 05). What does that make of it as a *proposal*
# (notebook 01)?

# %%
K = 1000


@torch.no_grad()
def against_exact(proposal):
    z = proposal.sample((K,))
    log_w = plane.log_joint(x, z) - proposal.log_prob(z)
    error, std_err = iwae(log_w) - exact, ((K / ess(log_w) - 1) / (K - 1)).sqrt() + 0.002  # float32 on sums of D terms
    within = (error.abs() < 2 * std_err).float().mean()
    print(
        f"mean error {error.abs().mean():.3f} nats, mean error bar {std_err.mean():.3f}, {within:.0%} of images",
        end=" ",
    )
    print(f"within two of them; errors from {error.min():+.2f} to {error.max():+.2f}")
    return log_w, error / std_err


with torch.no_grad():
    q = plane.encoder(x)
wide = Independent(Normal(q.mean, 3 * q.stddev), 1)
with seeded(14):
    log_w, t = against_exact(q)
    _, t_wide = against_exact(wide)
assert t.max() < 5  # nowhere too high beyond chance
assert (t_wide.abs() < 5).float().mean() > 0.85

# %% [markdown]
# The estimate is nowhere much too high, but where $q$ is too narrow it is too low, and the error bar does not know: it
# has seen nothing of what $q$ leaves out. Three times the width mends most of it. So read the $\log p(x)$ that a
# model's own encoder reports as a lower bound on the true value, like the ELBO, only much tighter.
#
# What is the gap between the ELBO and $\log p(x)$? Notebook 05 said: $\operatorname{KL}(q(z\mid x)\,\|\,p(z\mid
# x))$. Both sides can be computed, so check it, image by image.

# %%
with torch.no_grad():
    log_q = q.log_prob(mesh[:, None])
posterior = log_joint - exact  # log p(z|x) on the mesh
kl_to_posterior = (log_q.exp() * (log_q - posterior)).sum(0) * cell
gap = exact - elbo(log_w)
std_err = log_w.std(0) / math.sqrt(K)
print(f"mean gap {gap.mean():.3f}, mean KL(q || posterior) {kl_to_posterior.mean():.3f} nats")
mass = log_q.exp().sum(0) * cell  # of q on the mesh: a narrow q needs a fine mesh
resolved = (mass - 1).abs() < 1e-3
print(f"{int(resolved.sum())} of the {len(x)} q's are wide enough for the mesh")
assert resolved.float().mean() > 0.5
assert ((gap - kl_to_posterior).abs() < 5 * std_err + 0.01)[resolved].all()

# %% [markdown]
# Where does $q$ do well, and where not? Three of these images: smallest, median and largest gap. Shading is the
# exact posterior, the ellipse $q$ (two standard deviations).

# %%
ranked = gap.argsort()
fig, axes = plots.figure(1, 3, size=(13, 4.6))
for ax, i in zip(axes, ranked[[0, 25, 49]].tolist(), strict=True):
    density = posterior[:, i].exp().reshape(401, 401).T.cpu()
    ax.imshow(density, origin="lower", extent=(-5, 5, -5, 5), cmap="Greys", vmax=density.max())
    plots.ellipse(ax, q.mean[i].cpu(), torch.diag(q.variance[i]).cpu(), color=plots.RED)
    peak = mesh[posterior[:, i].argmax()].cpu()
    centre, apart = (q.mean[i].cpu() + peak) / 2, (q.mean[i].cpu() - peak).abs().max().item()
    reach = apart / 2 + max(0.4, 3 * q.stddev[i].max().item())
    ax.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] - reach, centre[1] + reach))
    ax.set(xlabel="$z_1$", ylabel="$z_2$", title=f"gap {gap[i]:.2f} nats")
plots.show(
    fig,
    alt="Three posteriors with the ellipse of q: one fits, one is slightly off, one is bent or far from the ellipse.",
)

# %% [markdown]
# A Gaussian with axes along the coordinates cannot bend (approximation gap), and one network for all images cannot
# suit each of them (amortisation gap). Notebook 05 took the two apart.
#
# ## Filling in missing halves
#
# The encoder has never seen half an image. *Pseudo-Gibbs* takes turns (Rezende et al. 2014): fill the hole with
# anything, encode, draw $z$, decode, draw the hole anew. Were $q$ the true posterior, this would be Gibbs sampling
# from $p(x_\text{missing} \mid x_\text{observed})$; with an encoder it is close to that, no more.

# %%
column = torch.arange(D, device=where) % shape[1]
missing = column < shape[1] // 2  # the left half
with seeded(15):
    filled = impute(model, x_test, missing, steps=100)
seen = torch.where(missing, 0.5, x_test)
fig, ax = plots.figure(size=(12, 3.9))
plots.image_grid(ax, torch.cat([x_test[:14], seen[:14], filled.x[:14], filled.mean[:14]]), shape, cols=14)
ax.set_title("truth; what the model is shown; one filling; the average of 50 turns")
plots.show(
    fig,
    alt="Four rows: digits, right halves alone, plausible completed digits, and blurred averages of the completions.",
)

# %% [markdown]
# Is that better than guessing? Score the truth's hidden half under the average filling, and under the mean training
# image.


# %%
def score(p):
    p = p.clamp(0.005, 0.995)  # an average of 50 turns knows no smaller probabilities
    log_p = torch.where(x_test > 0.5, p, 1 - p).log()
    return log_p[:, missing].sum(1)


gain = score(filled.mean) - score(images.train.mean(0).expand_as(x_test))
std_err = gain.std() / math.sqrt(len(gain))
print(
    f"hidden half: {score(filled.mean).mean():.1f} nats, {gain.mean():.1f} ± {std_err:.1f} better than the mean image"
)
assert gain.mean() > 5 * std_err

# %% [markdown]
# ## Outliers by $\log p(x)$
#
# A density can say which images do not belong. Show the model capital letters, printed with about as much ink.
# **Before you run the cell:** which letters should pass for digits?

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
# A warning with it: $\log p(x)$ is no verdict. Between natural images, deep models often give the *other* set the
# higher value (Nalisnick et al. 2019). Try your own outliers before you trust it.
#
# ## Five questions that users of VAE code ask most
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
    train(blind, mean_over_pixels, images.train, steps=600, lr=3e-3, prepare=dynamic)
    same = blind.decoder(blind.prior().sample((1000,))).mean.std(0).max().item()
    information = blind.kl(x_test).mean().item()
print(f"KL {information:.4f} nats, {int(active_units(blind, x_test).sum())} of 10 units active")
print(f"over 1000 draws of z, no pixel's mean varies by more than {same:.3f}")
assert information < 0.1
assert not active_units(blind, x_test).any()

# %% [markdown]
# Everything has collapsed: sum over pixels, then average over the batch.
#
# ### 2. "My images are grey. Binary cross-entropy still works, no?"
#
# It trains. But $e^{-\text{cross-entropy}} = p^x (1-p)^{1-x}$ is no density on $[0, 1]$: with logit $l$ it
# integrates to $\tanh(l/2)/l$, not to 1. Quadrature says the same.

# %%
# NBVAL_CHECK_OUTPUT
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
# It still trains, which is why it goes unnoticed. The oracle that finds it costs three lines: the KL by draws.
#
# ### 4. "Should this number go up or down?"
#
# A bound goes up, a loss goes down, `loss = -bound`. Forget the minus and training does its best to be bad:

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
    log_lik, kl_term = plane.terms(x, K)
std_err = log_lik.std(0) / math.sqrt(K)
for beta in (1.0, 0.5, 0.1):
    above = (log_lik.mean(0) - beta * kl_term > exact + 5 * std_err).float().mean()
    print(f"beta = {beta}: above log p(x) for {above:.0%} of images")
    assert (above > 0) == (beta < 1)

# %% [markdown]
# A constant can also *hide* question 1: mean over pixels together with a KL weight of $1/D$ is the ELBO divided by
# $D$: the right objective on another scale, which Adam hardly notices. Two wrongs, one right, and a puzzle for whoever copies only
# one of the two.
#
# ## Lecture demo
#
# The models of this section come with the package, trained on MNIST for hours.
#
# <details><summary>Speaker note</summary>
#
# Three moves. **One:** the latent explorer: ask for a digit, drag towards it, then drag out to $|z| > 3$: the prior
# has hardly been there, and it shows. **Two:** morph a digit into another, in pixels and in latent space, and ask
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
# - A VAE is PPCA with networks: prior, decoder, and an encoder that proposes a posterior. Without hidden layers it
#   *is* PPCA.
# - Training maximises one bound by reparameterised gradients. Sum over pixels and units, mean over the batch.
# - Report $\log p(x)$ by importance sampling, with $K$, a standard error, and how pixels were made binary.
# - Units that do not pay for their KL collapse. That is economy, until all of them do.
# - The gap of the bound is $\operatorname{KL}(q\,\|\,p(z\mid x))$, and in two dimensions you can see it.
#
# **To read** Kingma and Welling 2014, *Auto-encoding variational Bayes*; Rezende, Mohamed and Wierstra 2014; Burda,
# Grosse and Salakhutdinov 2016, section 2; Lucas, Tucker, Grosse and Norouzi 2019, *Don't blame the ELBO!*; Mattei
# and Frellsen 2018, on filling in.
#
# **The next question** The mean of $K$ weights gave a better number than the ELBO. Why not train on it? That is
# notebook 09.
