# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 Wake-sleep
#
# After this notebook you will be able to
#
# - build a Helmholtz machine: two nets of coins, one that dreams images and one that explains them;
# - teach both with one local rule, and say which quantity each phase improves;
# - compute $\log p(x)$, the bound and both divergences exactly on a small machine, and so see what the bound hides;
# - show that wake-sleep, started at the truth, walks away from it, and why;
# - repair it with importance weights, and say what that gains and what it does not.
#
# **Time** 90 minutes; the cells run in about a minute on a laptop. **Prerequisites** notebook 01 (importance
# weights), notebook 05 (the ELBO, the two divergences).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x`, `units[0]` | $B \times D$ | binary images |
# | $z_1, \dots, z_T$ | `units[1:]` | $B \times L_t$ | binary latent layers, $z_T$ on top |
# | $\theta$ | `m.prior`, `m.generative` | | parameters of $p(x, z)$ |
# | $\gamma$ | `m.recognition` | | parameters of $q(z \mid x)$ |
# | $\sigma(a)$ | `torch.sigmoid` | | $1 / (1 + e^{-a})$ |
# | $\log w_k$ | `m.log_weights(x, K)` | $K \times B$ | $\log p(x, z_k) - \log q(z_k \mid x)$, in nats |
# | $B, D, L_t, K$ | | | batch, pixels, units of a layer, draws a datum |
#
# Logarithms are natural, so everything is in nats.

# %%
import math
import time

import numpy as np
import torch
from scipy import stats

from lvmteach.classroom.explorables import widgets
from lvmteach.classroom.explorables.scenes.wake_sleep import SLEEPS, SNAPSHOTS, WakeSleep, recorded
from lvmteach.classroom.figures import plots
from lvmteach.data import dynamic, load_images
from lvmteach.evaluation import log_marginal
from lvmteach.helmholtz import Layer, bars, exact, machine, reweighted_step, sleep_step, states, wake_step
from lvmteach.runtime import device, seeded

# %% [markdown]
# ## A machine of coins
#
# Every unit is a coin. Its bias is set by the coins of one neighbouring layer, through a sigmoid:
#
# $$p(s_j = 1 \mid \text{given}) = \sigma\Big(\sum_i \text{given}_i\, W_{ij} + b_j\Big)$$
#
# Stack such layers and read them downwards, and you have a **sigmoid belief net**, a generative model. To draw an
# image, toss the top, then each layer given the one above:
#
# $$p(x, z) = p(z_T)\, p(z_{T-1} \mid z_T) \cdots p(x \mid z_1)$$
#
# Drawing is easy. Going back is not: given $x$, the coins that made it depend on each other, and the posterior
# $p(z \mid x)$ is a table with $2^L$ entries. So a second net of the same kind reads upwards and guesses:
#
# $$q(z \mid x) = q(z_1 \mid x)\, q(z_2 \mid z_1) \cdots q(z_T \mid z_{T-1})$$
#
# The pair is a **Helmholtz machine**. (A *deep belief net* is a close relative: its two top layers are an undirected
# pair, a restricted Boltzmann machine, with directed layers like ours below. It is trained layer by layer, then tuned
# by a version of the algorithm of this notebook.)

# %%
with seeded(0):
    m = machine((16, 8, 1), dtype=torch.float64)  # 16 pixels, 8 units, 1 unit on top; weights still random
    x, z1, z2 = m.dream(3)
    units = m.recognise(x)
print("a dream:      ", [tuple(u.shape) for u in (x, z1, z2)])
print("a recognition:", [tuple(u.shape) for u in units])
print("log p(x, z):  ", [round(v, 2) for v in m.log_joint((x, z1, z2)).tolist()])

# %% [markdown]
# ## A world whose best model is known
#
# We want to know how good a machine is, not only that it gets better. So we take a world with a known generator.
# **Bars**: toss a coin for lying or standing, then switch each of the four bars on with probability 0.2.

# %%
data = bars(4, 0.2)
with seeded(1):
    sample = data.sample(36)
fig, ax = plots.figure(size=(5.2, 3.4))
plots.image_grid(ax, 0.1 + 0.9 * sample.numpy(), (4, 4), cols=9)
plots.show(fig, alt="Thirty-six 4 by 4 images, each blank or crossed by a few lying or a few standing bars.")

# %% [markdown]
# No model's average $-\log p(x)$ can be below the world's **entropy**. The library sums it over all images. The oracle
# is a short argument: orientation and bars together have entropy $\log 2 + 4 H(0.2)$. From the image you can read both,
# except the orientation of a blank or a full image, where one bit ($\log 2$) is lost.
#
# **Before you run the cell:** how many different images are there? (Not 32.)

# %%
# NBVAL_CHECK_OUTPUT
one_bar = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8))
by_argument = math.log(2) + 4 * one_bar - (0.8**4 + 0.2**4) * math.log(2)
print(f"{len(data.images)} images, entropy {data.entropy:.4f} nats, by the argument {by_argument:.4f}")
assert math.isclose(data.entropy, by_argument, rel_tol=1e-12)  # rounding

# %% [markdown]
# ## Everything exactly
#
# Our small machine has $8 + 1 = 9$ latent bits, so 512 states $z$. We can add up
#
# $$p(x) = \sum_z p(x, z)$$
#
# and with it the posterior, the ELBO and both divergences, without sampling. First the check that no probability is
# lost: over *all* images $p(x)$ must sum to one (on a still smaller machine, 9-5-2, whose 512 images can all be listed). And notebook 05's identity must hold for each image:
# $\log p(x) = \text{ELBO} + \mathrm{KL}(q \,\|\, p)$.

# %%
with seeded(2):
    small = machine((9, 5, 2), scale=2.0, dtype=torch.float64)
e = exact(small, states(9))
total, off = float(e.log_p.exp().sum()), float((e.elbo + e.kl_q_p - e.log_p).abs().max())
print(f"sum of p(x) over {len(e.log_p)} images: 1 {total - 1:+.0e}; ELBO + KL is off by {off:.0e} at most")
assert abs(total - 1) < 1e-10  # rounding of 512 x 128 terms in float64
assert off < 1e-10

# %% [markdown]
# ## One rule for every coin
#
# How does a coin learn to say $s$ when it is given $g$? By the gradient of its log-probability. With
# $a = g \cdot w + b$,
#
# $$\log p(s) = s\,a - \log(1 + e^a), \qquad
# \frac{\partial \log p(s)}{\partial a} = s - \sigma(a), \qquad
# \frac{\partial \log p(s)}{\partial w_i} = g_i\, \big(s - \sigma(a)\big)$$
#
# This is the **delta rule**: *what came in, times (what should have come out minus what I predicted)*. A coin needs to
# know its own input, its own target and its own prediction. Nothing is sent back through other layers.
#
# Here it is for the bottom layer. **Wake**: the recognition net reads an image and tosses $z_1$; the generative net
# should have made $x$ from it.

# %%
with seeded(3):
    x = data.sample(50)
    x, z1, z2 = m.recognise(x)
weight, bias = m.generative[0]
error = x - torch.sigmoid(z1 @ weight + bias)  # target minus prediction
by_hand = z1.T @ error / len(x), error.mean(0)

leaf = m._replace(generative=tuple(Layer(w.clone().requires_grad_(), b.clone().requires_grad_()) for w, b in m[1]))
by_autograd = torch.autograd.grad(leaf.log_joint((x, z1, z2)).mean(), leaf.generative[0])
largest = max(float((a - b).abs().max()) for a, b in zip(by_hand, by_autograd, strict=True))
print(f"by hand and by autograd differ by {largest:.0e}")
assert largest < 1e-12  # rounding

# %% [markdown]
# **Sleep** is the mirror image. The generative net dreams $(x, z)$, and now the causes are *known*, because we made
# them. The recognition net learns to guess them from the dream. One step of each, in place:
#
# | phase | units come from | who learns | moves along |
# |---|---|---|---|
# | wake | $x$ from data, $z \sim q(z \mid x)$ | $\theta$ | $\nabla_\theta\, \mathbb E_q[\log p(x, z)]$, which is the ELBO's gradient |
# | sleep | $(x, z) \sim p(x, z)$ | $\gamma$ | $\nabla_\gamma\, \mathbb E_{p(x, z)}[\log q(z \mid x)]$ |
#
# Both are right on average for what they do. Whether the two belong together is the question of this notebook.


# %%
def wake_sleep(m, x, rate):
    wake_step(m, x, rate)  # the generative net learns to make what was read
    sleep_step(m, x.shape[-2], rate)  # the recognition net learns to read what was dreamt


def teach(m, draw, learn, steps, rate, watch, every=100):
    """`steps` batches at a rate that falls to zero; what `watch(m)` saw every so often, snapshots first."""
    seen = [watch(m)]
    for step in range(1, steps + 1):
        learn(m, draw(), rate * (1 - (step - 1) / steps))
        if step % every == 0:
            seen.append(watch(m))
    return torch.stack(seen)


# %% [markdown]
# Teach the 16-8-1 machine bars, 4000 steps of 20 images, and watch $-\log p(x)$ and the bound, both exactly, both
# averaged over the *true* distribution of images.


# %%
def nll_and_bound(m):
    e = exact(m, data.images)
    return -data.expect(torch.stack([e.log_p, e.elbo]))


with seeded(4):
    m = machine((16, 8, 1), dtype=torch.float64)
    trace = teach(m, lambda: data.sample(20), wake_sleep, 4000, 4.0, nll_and_bound)
    dreams = m.dream(48)[0]
print(f"-log p(x) {trace[-1, 0]:.3f}, -ELBO {trace[-1, 1]:.3f}, entropy {data.entropy:.3f} nats")
assert data.entropy < trace[-1, 0] < trace[-1, 1] < trace[0, 0] / 2

# %%
fig, (ax, right) = plots.figure(1, 2, size=(11, 4.2), width_ratios=[1.5, 1])
steps = 100 * np.arange(len(trace))
ax.plot(steps, trace[:, 1], "--", color=plots.ORANGE, label="-ELBO")
ax.plot(steps, trace[:, 0], color=plots.BLUE, label="-log p(x)")
ax.axhline(data.entropy, color=plots.BLACK, ls=":", label="entropy: the best possible")
ax.set(xlabel="steps", ylabel="nats an image", ylim=(2, 11.5))
ax.legend()
plots.image_grid(right, 0.1 + 0.9 * dreams.numpy(), (4, 4), cols=8)
right.set_title("dreams of the taught machine")
plots.show(fig, alt="Both curves fall steeply, then slowly, and stay above the entropy; dreams show bars, some broken.")

# %% [markdown]
# No gradient passed through a sample, none through two layers, and it learns. Because everything is exact you can also
# say what is missing: the distance from the blue line to the dotted one is $\mathrm{KL}(\text{world} \,\|\, p)$, the
# distance between the two curves is the bound's gap $\mathrm{KL}(q \,\|\, p)$.
#
# ## Two divergences
#
# The ELBO wants a recognition net with small $\mathrm{KL}(q(z|x) \,\|\, p(z|x))$ on **data**. Sleep minimises
# $\mathrm{KL}(p(z|x) \,\|\, q(z|x))$ on **dreams**: wrong way round, and on the wrong images. How much does the first
# matter? Take the smallest world with *explaining away*: two rare causes and four pixels. Either cause lights the middle
# two; each also makes one outer pixel likelier. See the middle lit, and it was one cause *or* the other. A $q$ of
# independent coins cannot say "or".


# %%
def two_causes(copies=None):
    m = machine((4, 2), copies=copies, dtype=torch.float64)
    m.prior.fill_(-1.0)
    m.generative[0].weight.copy_(torch.tensor([[2.0, 6.0, 6.0, 0.0], [0.0, 6.0, 6.0, 2.0]]))
    m.generative[0].bias.copy_(torch.tensor([-1.0, -3.0, -3.0, -1.0]))
    return m


everything = states(4)  # all 16 images
world = exact(two_causes(), everything).log_p  # from now on this is the truth
entropy = -float(world.exp() @ world)
print(f"two causes: entropy {entropy:.4f} nats")

# %% [markdown]
# The generative net stays at the truth, so dreams *are* data, and only the direction of the divergence differs. We start
# from the $q$ that the ELBO likes best (found by autograd through the enumeration), then let it sleep.
#
# **Before you run the cell:** which divergence falls, which rises?

# %%
with seeded(5):
    m = two_causes()
    (layer,) = m.recognition
    optimiser = torch.optim.Adam([p.requires_grad_() for p in layer], lr=0.1)
    for _ in range(600):
        optimiser.zero_grad()
        (-world.exp() @ exact(m, everything).elbo).backward()
        optimiser.step()
m = m.map(torch.Tensor.detach)


# %%
def both_divergences(m):
    e = exact(m, everything)
    return torch.stack([e.kl_q_p @ world.exp(), e.kl_p_q @ world.exp()])


with seeded(6):
    sleep_alone = teach(m, lambda: 100, sleep_step, 1500, 1.0, both_divergences, every=15)
(wanted_0, lowered_0), (wanted, lowered) = sleep_alone[0].tolist(), sleep_alone[-1].tolist()
print(f"KL(p || q), which sleep lowers:    {lowered_0:.3f} -> {lowered:.3f}")
print(f"KL(q || p), which the ELBO wants:  {wanted_0:.3f} -> {wanted:.3f}")
assert lowered < lowered_0 - 0.01
assert wanted > wanted_0 + 0.01

# %%
fig, ax = plots.figure()
steps = 15 * np.arange(len(sleep_alone))
ax.plot(steps, sleep_alone[:, 0], color=plots.BLUE, label="KL(q ‖ p): the ELBO's gap")
ax.plot(steps, sleep_alone[:, 1], "--", color=plots.ORANGE, label="KL(p ‖ q): what sleep lowers")
ax.set(xlabel="sleep steps, generative net fixed at the truth", ylabel="nats an image", ylim=(0, None))
ax.legend()
plots.show(fig, alt="While sleep runs, KL(p||q) falls and KL(q||p) rises, both exactly computed.")

# %% [markdown]
# Sleep does what it promises, and the bound gets *worse*: $\mathrm{KL}(q \,\|\, p)$ rises. $q$ now covers both causes
# ("each with one half"), and so often says "both" or "none", which the truth says far less often.
#
# ## Started at the truth, it walks away
#
# So wake and sleep do not climb one hill. They are two players with an objective each, and there is no quantity that must
# improve. What does it cost? Start everything at the best place there is: $\theta$ at the truth, $\gamma$ well slept. At
# the truth $\nabla_\theta \log p(x)$ is zero on average, so maximum likelihood would stay. Ten machines side by side,
# each with data of its own.

# %%
truth = two_causes()


def fresh(copies, B):
    """Images from the truth, a batch for each copy."""
    return truth.dream(copies * B)[0].unflatten(0, (copies, B))


def loss(m):
    """KL(world || p), exactly: how far the model is from the truth."""
    return -exact(m, everything).log_p @ world.exp() - entropy


def interval(values):
    """Mean over the last axis, and half the width of its 95 % t interval."""
    n = values.shape[-1]
    return values.mean(-1), stats.t.ppf(0.975, n - 1) * values.std(-1) / n**0.5


with seeded(7):
    rested = two_causes(copies=10)
    teach(rested, lambda: 50, sleep_step, 1500, 1.0, loss)
    away = teach(rested.map(torch.clone), lambda: fresh(10, 50), wake_sleep, 1500, 0.3, loss)

# %%
mean, half = interval(away[-1])
print(f"KL(world || p): {float(away[0].abs().max()):.0e} at the start, {mean:.4f} ± {half:.4f} nats after 1500 steps")
assert away[0].abs().max() < 1e-12  # rounding: the truth
assert mean > 5 * half > 0

# %% [markdown]
# Wake-sleep left the truth, in all ten machines alike. (Any learner with a finite rate jitters a little about its goal;
# how little, the next section shows.) The wake step is unbiased for the *ELBO's* gradient, and the
# ELBO is $\log p(x)$ minus a gap that depends on $\theta$ as well. A model that $q$ can invert is worth more to it than
# the model that is true. The VAE of notebook 08 shares this price: it, too, climbs the ELBO. What the VAE does not
# share is that here the two phases do not even agree on the bound.
#
# ## Reweighted wake-sleep
#
# The cure is notebook 01's. $q$ is a proposal; weigh its draws.
#
# $$w_k = \frac{p(x, z_k)}{q(z_k \mid x)}, \qquad \tilde w_k = \frac{w_k}{\sum_j w_j}, \qquad z_k \sim q(z \mid x)$$
#
# The gradient of the log-likelihood is a posterior expectation, and weighted draws stand in for the posterior:
#
# $$\nabla_\theta \log p(x) = \mathbb E_{p(z \mid x)}[\nabla_\theta \log p(x, z)]
# \approx \sum_k \tilde w_k\, \nabla_\theta \log p(x, z_k)$$
#
# The same draws teach $q$, awake and on data: $\sum_k \tilde w_k \nabla_\gamma \log q(z_k \mid x)$ lowers
# $\mathrm{KL}(p(z|x) \,\|\, q(z|x))$. All updates are still delta rules, each multiplied by a weight. For $\theta$,
# $K = 1$ is the wake step; $\gamma$ learns nothing from a single draw.
#
# **Before you run the cell:** the estimate is self-normalised, so it is biased. At the truth the exact gradient is
# zero. How does the bias fall with $K$?


# %%
def mean_update(K, B=20_000):
    """The average update of the visible biases at the truth; its ten estimates."""
    m = rested.map(torch.clone)
    reweighted_step(m, fresh(10, B), K, 1.0)
    return (m.generative[0].bias - rested.generative[0].bias).norm(dim=-1)


Ks = [1, 2, 4, 8, 16]
with seeded(8):
    bias = torch.stack([mean_update(K) for K in Ks])
mean, half = interval(bias)
for K, b, h in zip(Ks, mean, half, strict=True):
    print(f"K = {K:2d}: length of the mean update {b:.4f} ± {h:.4f}")
assert mean[0] > 5 * mean[-1] > 0

# %% [markdown]
# At $K = 1$ the wake step pushes away from the truth; by $K = 16$ hardly anything of the push is left. (Twenty thousand
# images have noise of their own; a few thousandths remain for any $K$.) Now the ten machines again, from the same
# start, with $K = 10$.

# %%
with seeded(7):
    stay = teach(
        rested.map(torch.clone), lambda: fresh(10, 50),
        lambda m, x, rate: reweighted_step(m, x, 10, rate), 1500, 0.3, loss,
    )  # fmt: skip
mean, half = interval(stay[-1])
print(f"KL(world || p) after 1500 steps: {mean:.5f} ± {half:.5f} nats")
assert stay[-1].max() < away[-1].min() / 5  # no overlap over the ten, by far

# %%
fig, ax = plots.figure()
for trace, colour, dash, name in ((away, plots.RED, "--", "wake-sleep"), (stay, plots.BLUE, "-", "reweighted, K = 10")):
    mean, half = interval(trace[1:])
    steps = 100 * np.arange(1, len(trace))
    ax.semilogy(steps, mean, dash, color=colour, label=name)
    ax.fill_between(steps, mean - half, mean + half, color=colour, alpha=0.25, lw=0)
ax.set(xlabel="steps, started at the truth", ylabel="KL(world ‖ p), nats")
ax.legend()
plots.show(fig, alt="Started at the truth, wake-sleep settles some twenty times farther from it than reweighted.")

# %% [markdown]
# ## Ten machines learn bars
#
# That was staying. Now learning: 16-8-1 on bars from scratch, ten machines with data of their own, 3000 steps of 20 images, wake-sleep against
# reweighted wake-sleep with $K = 5$, the same ten starts, the same number of steps, at a gentle rate and at one eight times higher.
# (A reweighted step does about $K$ times the work.)


# %%
def nll(m):
    return -data.expect(exact(m, data.images).log_p)


def reweighted(m, x, rate):
    reweighted_step(m, x, 5, rate)


LEARNERS = {"wake-sleep": wake_sleep, "reweighted, K = 5": reweighted}
RATES = (0.5, 4.0)
curves, ends = {}, {}
for rate in RATES:
    for name, learn in LEARNERS.items():
        with seeded(9):
            m = machine((16, 8, 1), copies=10, dtype=torch.float64)
            curves[rate, name] = teach(
                m, lambda: data.sample(200).unflatten(0, (10, 20)), learn, 3000, rate, nll, every=150
            )
        ends[rate, name] = exact(m, data.images)

# %%
fig, axes = plots.figure(1, 2, size=(11, 4.2), sharey=True)
for ax, rate in zip(axes, RATES, strict=True):
    for name, colour, dash in zip(LEARNERS, (plots.RED, plots.BLUE), ("--", "-"), strict=True):
        mean, half = interval(curves[rate, name])
        steps = 150 * np.arange(len(mean))
        ax.plot(steps, mean, dash, color=colour, label=name)
        ax.fill_between(steps, mean - half, mean + half, color=colour, alpha=0.25, lw=0)
    ax.axhline(data.entropy, color=plots.BLACK, ls=":", label="entropy")
    ax.set(xlabel="steps", title=f"rate {rate:g}, falling to 0", ylim=(2, 8))
axes[0].set_ylabel("-log p(x), nats (exact)")
axes[0].legend()
plots.show(
    fig, alt="Rate 0.5: reweighting learns faster. Rate 4: wake-sleep ends slightly lower, both above the entropy."
)

# %%
lead = {}
for rate in RATES:
    for name in LEARNERS:
        (mean, half), gap = interval(curves[rate, name][-1]), data.expect(ends[rate, name].kl_q_p).mean()
        print(f"rate {rate:3}: {name:18s} -log p(x) {mean:.2f} ± {half:.2f}, gap KL(q || p) {gap:.2f} nats")
    lead[rate], half = interval(curves[rate, "wake-sleep"][-1] - curves[rate, "reweighted, K = 5"][-1])
    print(f"          wake-sleep minus reweighted, start by start: {lead[rate]:+.2f} ± {half:.2f}")
    assert rate > RATES[0] or lead[rate] > half  # gentle rate: zero is outside the interval
gaps = {name: data.expect(ends[RATES[1], name].kl_q_p).mean() for name in LEARNERS}
assert gaps["reweighted, K = 5"] > gaps["wake-sleep"]
print(f"entropy {data.entropy:.2f}")
assert lead[RATES[1]] < lead[RATES[0]] / 2

# %% [markdown]
# An honest draw. At the gentle rate reweighting gains a lot: each step points at $\log p(x)$, and uses the best of five
# explanations instead of the first. At the high rate the lead is gone, and wake-sleep even a little ahead. Look at the gap: the reweighted machines end with
# posteriors that $q$ fits badly. A likely reason, which you can test: they settle for explanations that are not "one bar, one unit", while the push towards
# models that $q$ can invert, which cost us the truth before, costs little here: the generator of bars happens to be a model that independent coins
# can invert.
#
# ## When it does not settle at all
#
# With no common objective there is nothing that must go down. Half as much again as the higher rate, and kept there
# instead of lowered:

# %%
with seeded(10):
    m = machine((16, 8, 1), copies=10, dtype=torch.float64)
    restless = []
    for step in range(2000):
        wake_sleep(m, data.sample(20), 6.0)
        if step % 20 == 19:
            restless.append(nll(m))
restless = torch.stack(restless)
rises = float((restless[50:].diff(dim=0) > 0.5).double().mean())
print(f"after step 1000, -log p(x) rises by more than half a nat in {100 * rises:.0f} % of intervals of 20 steps")
assert rises > 0.01

# %%
fig, ax = plots.figure()
for i, dash in enumerate(("-", "--", "-.")):
    ax.plot(20 * np.arange(1, 101), restless[:, i], dash, lw=1.5, label=f"machine {i + 1}")
ax.axhline(data.entropy, color=plots.BLACK, ls=":", label="entropy")
ax.set(xlabel="steps at constant rate 6", ylabel="-log p(x), nats (exact)", ylim=(2, 12))
fig.legend(loc="outside upper center", ncols=4)
plots.show(fig, alt="Three machines at a high constant rate: the exact negative log-likelihood jumps up and down.")

# %% [markdown]
# With $\nabla_\theta$ and $\nabla_\gamma$ taken from two different objectives, each phase moves the other's target. A small
# or falling rate averages over the chase. A large one does not, and nothing in the algorithm notices: there is no loss
# whose rise would tell you. Only the enumeration does.
#
# ## Real images
#
# Now 784-200-200 on binary MNIST, dynamically binarised. No enumeration: $2^{400}$ states. But $q$ is a proposal, so
# notebook 01's importance sampling gives $\log p(x)$, from below on average, tighter with more draws.
#
# Both learners get the same number of steps and start from the same weights. Reweighted wake-sleep takes rate 0.3; wake-sleep
# takes 0.1, since at 0.3 it fails, as the last cell of this section shows.

# %%
images = load_images().to(device())
print(f"{images.name}: {len(images.train)} training images of {images.shape[0]} x {images.shape[1]} pixels")
STEPS, KEPT = 1500, (50, 300, 1500)


def batch(B=100):
    return dynamic(images.train[torch.randint(len(images.train), (B,), device=images.train.device)])


def start():
    m = machine((images.train.shape[1], 200, 200), device=device())
    m.generative[0].bias.copy_(images.train.mean(0).clamp(0.001, 0.999).logit())  # the average image
    return m


# %%
def run(learn, rate, steps=STEPS):
    """Teach a machine; keep it, and what 24 dreams look like, on the way."""
    m, dreams = start(), []
    for step in range(1, steps + 1):
        learn(m, batch(), rate * (1 - (step - 1) / STEPS))
        if step in KEPT:
            dreams.append(m.generative[0].probability(m.dream(24)[1]).cpu())
    return m, dreams


machines, albums = {}, {}
for (name, learn), rate in zip(LEARNERS.items(), (0.1, 0.3), strict=True):
    began = time.perf_counter()
    with seeded(11):
        machines[name], albums[name] = run(learn, rate)
    print(f"{name:18s} {STEPS} steps at rate {rate}: {time.perf_counter() - began:.0f} s")

# %%
fig, axes = plots.figure(2, 3, size=(12, 4.3))
for row, (name, album) in zip(axes, albums.items(), strict=True):
    for ax, dreams, step in zip(row, album, KEPT, strict=True):
        plots.image_grid(ax, dreams.numpy(), images.shape, cols=8)
        ax.set_title(f"{name}: {step} steps", fontsize=13)
plots.show(fig, alt="Dreams of both learners after 50, 300 and 1500 steps: from grey blurs to digit-like strokes.")

# %% [markdown]
# **Before you run the cell:** the test log-likelihood is estimated with $K = 500$ draws an image. Would $K = 50$ give a
# larger or a smaller number?

# %%
K = 500
with seeded(12):
    test = dynamic(images.test[:: len(images.test) // 200])  # every 50th image of MNIST: neighbours are alike
    log_p = {name: log_marginal(m, test, K) for name, m in machines.items()}
    fewer = {name: log_marginal(m, test, K // 10) for name, m in machines.items()}
for name, values in log_p.items():
    error = values.std() / len(values) ** 0.5
    few = fewer[name].mean()
    print(f"{name:18s} test log p(x) {values.mean():.2f} ± {error:.2f} (K = {K}), {few:.2f} (K = {K // 10})")
gain = log_p["reweighted, K = 5"] - log_p["wake-sleep"]
error = gain.std() / len(gain) ** 0.5
print(f"gain of reweighting, image by image: {gain.mean():.2f} ± {error:.2f} nats")
assert gain.mean() > 5 * error  # 5 standard errors over test images
assert all(fewer[name].mean() < log_p[name].mean() for name in machines)  # the bias is downwards, and falls with K

# %% [markdown]
# (± is one standard error over the test images. Most of the spread between images is shared by both machines, so the
# difference is known far better than either number.)
#
# After the same number of steps the reweighted machine is clearly better. It has also worked harder, as the seconds
# say: five draws a datum. And it bears a rate at which wake-sleep breaks:

# %%
with seeded(11):
    m, _ = run(wake_sleep, 0.3, steps=300)
    gone, untaught = log_marginal(m, test, 50).mean(), log_marginal(start(), test, 50).mean()
print(f"wake-sleep at rate 0.3, 300 steps: test log p(x) {gone:.0f}, untaught {untaught:.0f} (K = 50)")
assert gone < untaught  # worse than no teaching

# %% [markdown]
# What breaks? $q$ learns only from dreams. When an overlong step spoils the dreams, $q$ becomes expert at spoilt dreams,
# reads real digits wrongly, and teaches the generative net accordingly. Reweighting breaks the circle twice: $q$ learns
# awake, on data, and draws that explain nothing get no weight. (Part of the number is the estimate itself: with a poor
# $q$ even 50 draws find little of $p(x)$.)

# %% [markdown]
# ## Lecture demo
#
# The machine of the first half, 16-8-1 on bars, in 40 snapshots, recorded beforehand so that nothing need be trained here. `sleeps` is the number of sleep steps
# to each wake step.
#
# <details><summary>Speaker note</summary>
#
# 1. Drag `moment` to 0 and ask what the two divergences are for an untaught machine. Nearly zero: $q$ explains a model well that explains nothing. Press
#    play: dreams turn from noise into broken bars into bars (blue), and both divergences *rise* before they fall.
# 2. At the last moment, pull `sleeps` down to 1/16. The generative net had as many lessons as before; it learnt less, because its reader did. Point at
#    the gap between the curves.
# 3. Pull `sleeps` up to 4. Little changes: the gap was nearly closed already, and still the dotted line is not reached. Ask what is left. Not the gap:
#    the model and its local optimum.
#
# </details>

# %%
records = recorded()
widgets.key_frame(
    WakeSleep(records),
    alt="Dreams, images over their reconstructions, exact -log p(x) and bound, and both divergences through training.",
    moment=SNAPSHOTS, sleeps="1",
)  # fmt: skip

# %%
widgets.explore(
    WakeSleep(records),
    moment=widgets.player(0, SNAPSHOTS, 5, label="moment"),
    sleeps=widgets.ladder(SLEEPS, "1", label="sleeps per wake"),
)

# %%
gaps = [records[name].kl_data[-1] for name in SLEEPS]
for name, gap in zip(SLEEPS, gaps, strict=True):
    print(f"{name:>4} sleeps to a wake step: KL(q || p) on data {gap:.2f} nats at the end")
assert gaps[0] > 2 * gaps[-1]

# %% [markdown]
# ## Summary
#
# - A Helmholtz machine is two nets of coins: one dreams, one explains. Every coin learns by the delta rule: input times
#   (target minus prediction).
# - Wake follows the ELBO's gradient for $\theta$. Sleep lowers $\mathrm{KL}(p \,\|\, q)$ on dreams, not the ELBO's
#   $\mathrm{KL}(q \,\|\, p)$ on data, which may rise.
# - So there is no common objective. Started at the truth, wake-sleep leaves it; at a large rate it need not settle.
# - Importance weights repair the direction: with $K$ draws the generative gradient tends to that of $\log p(x)$, and $q$
#   learns awake, on data.
# - What that gains depends: much at equal steps on MNIST and at gentle rates, little where $q$ could invert the world anyway.
#
# **To read** Hinton, Dayan, Frey and Neal 1995, *The wake-sleep algorithm for unsupervised neural networks*; Dayan,
# Hinton, Neal and Zemel 1995, *The Helmholtz machine*; Bornschein and Bengio 2015, *Reweighted wake-sleep*; Hinton,
# Osindero and Teh 2006 for deep belief nets.
#
# **The next question** Wake-sleep dodges the gradient through the draw of $z$. Can one have that gradient, for both nets
# and one objective? That is notebook 07.
