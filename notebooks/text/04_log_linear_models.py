# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 Log-linear models by EM
#
# After this notebook you will be able to
#
# - write down a log-linear model, and read its gradient as features seen minus features expected;
# - run EM when the M step has no formula (*generalised EM*), and say what hard and stochastic EM climb instead;
# - compare models honestly: against the obvious baseline, on fresh data, over several splits;
# - say when a sum over all $x$ and all $z$ can be done, and when it cannot.
#
# **Time** 45 minutes for the core, 20 more for what is marked *Further*; the cells run in about a minute on a laptop.
# **Prerequisites** notebook 03.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `outcomes` | $M \times D$ | all $M$ possible observations, one per row |
# | $f(x)$ | `features` | $M \times F$ | features of each |
# | $N_x$ | `counts` | $M$ | how often each was seen; $N$ in all |
# | $z$, $\pi_c$ | `params.log_pi` | $C$ | latent class, its probability (logarithm) |
# | $w_c$ | `params.w` | $C \times F$ | a weight for each class and feature |
# | $q_{xc} = p(z = c \mid x)$ | `responsibilities` | $M \times C$ | the posterior |
# | $\log p(x)$ | `log_marginal` | $M$ | nats |
#
# Logarithms are natural; log-likelihoods are in nats per digit.

# %%
import math
from functools import partial

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from lvmteach.classroom.explorables import explore
from lvmteach.classroom.explorables.predict import predict
from lvmteach.classroom.figures import diagram, plots
from lvmteach.em import em_steps
from lvmteach.loglinear import (
    LogLinear,
    binary_outcomes,
    e_step,
    fit_loglinear,
    free_parameters,
    hard,
    log_given_class,
    log_marginal,
    m_step,
    neighbour_features,
    outcome_counts,
    pair_features,
    random_start,
    responsibilities,
    sampled,
    w_gradient,
)
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## Outcomes that can be listed
#
# Make each 8 x 8 digit coarse: cut its middle six columns into $4 \times 3$ blocks, each dark or light. A block is dark if it has more ink than
# its median over all digits. So there are $D = 12$ bits and $M = 2^{12} = 4096$ outcomes, and we can list them all.

# %%
digits = load_digits()
ROWS, COLS = 4, 3
ink = digits.images[:, :, 1:7].reshape(-1, ROWS, 2, COLS, 2).mean((2, 4)).reshape(-1, ROWS * COLS)
bits = torch.tensor(ink > np.median(ink, 0))
D, N = ROWS * COLS, len(bits)
outcomes = binary_outcomes(D)
index = (bits.long() * 2 ** torch.arange(D - 1, -1, -1)).sum(1)  # the row of `outcomes` that each digit is
M = len(outcomes)
counts = outcome_counts(index, M)
assert torch.equal(outcomes[index], bits.double())
print(f"{N} digits; {int((counts > 0).sum())} of {M} outcomes were seen")

# %%
fig, (above, below) = plots.figure(2, 1, size=(10, 3.4))
plots.image_grid(above, digits.data[:12] / 16, (8, 8), cols=12)
above.set_title("twelve digits, and what is left of them")
plots.image_grid(below, bits[:12].double(), (ROWS, COLS), cols=12)
plots.show(fig, alt="A row of twelve handwritten digits; below each, its four by three coarse blocks, black or white.")

# %% [markdown]
# ## A log-linear model
#
# Choose features $f(x)$, and give each a weight:
#
# $$p(x \mid w) = \frac{e^{w \cdot f(x)}}{Z(w)}, \qquad Z(w) = \sum_{x'} e^{w \cdot f(x')}$$
#
# The sum $Z$ runs over *all* outcomes. That is why they must be listed. We use three sets of features: the blocks alone, the blocks and the
# pairs of blocks that touch, the blocks and all pairs.

# %% tags=["nbval-check-output"]
blocks, touching, pairs = outcomes, neighbour_features(outcomes, (ROWS, COLS)), pair_features(outcomes)
for name, features in (("blocks", blocks), ("touching pairs", touching), ("all pairs", pairs)):
    print(f"{name:>14}: {features.shape[1]} features")
assert touching.shape[1] == 12 + 4 * 2 + 3 * 3
assert pairs.shape[1] == 12 + 12 * 11 // 2

# %% [markdown]
# The log-likelihood per digit is $\mathcal L(w) = w \cdot \bar f - \log Z(w)$, with $\bar f = \frac1N \sum_x N_x f(x)$ the mean features of the data.
# Its gradient is a difference of two means:
#
# $$\nabla_w \mathcal L = \underbrace{\bar f}_{\text{features seen}} - \underbrace{\sum_x p(x \mid w) f(x)}_{\text{features expected}}$$
#
# At the maximum the two agree: *the model expects what the data show*, feature by feature.

# %%
ask = predict(
    "With single blocks as features the two agree at the maximum. What has the fitted model learnt?",
    ["how often each block is dark", "which blocks go together", "which digit it is"],
)

# %%
shares = counts / counts.sum()
alone = fit_loglinear(counts, blocks, 1, climbs=200, max_steps=20, tol=0.0).params
dark = log_marginal(alone, blocks).exp() @ blocks
independent = (torch.special.xlogy(dark, dark) + torch.special.xlogy(1 - dark, 1 - dark)).sum()  # of independent coins
print("dark, in the data ", bits.double().mean(0)[:4].numpy().round(4), "...")
print("dark, in the model", dark[:4].numpy().round(4), "...")
print(f"log-likelihood {shares @ log_marginal(alone, blocks):.6f}, of twelve independent coins {independent:.6f}")
assert torch.allclose(dark, bits.double().mean(0), atol=1e-6)
assert abs(shares @ log_marginal(alone, blocks) - independent) < 1e-6

# %%
ask.discuss(
    {
        "how often each block is dark": "Twelve independent coins. With binary x and single features that is all the model can say.",
        "which blocks go together": "For that it needs a feature that is 1 when two blocks are dark together: a pair.",
        "which digit it is": "Nobody told it, and one class has nothing to say about digits.",
    },
    right="how often each block is dark",
)

# %% [markdown]
# ## Hidden classes
#
# There are two ways to make blocks depend on each other. Give the model pairs as features. Or let there be $C$ hidden classes, each with its
# own weights:
#
# $$p(z = c) = \pi_c, \qquad p(x \mid z = c) = \frac{e^{w_c \cdot f(x)}}{Z(w_c)}, \qquad p(x) = \sum_c \pi_c\, p(x \mid z = c)$$
#
# With single blocks as features this is *latent class analysis*, a mixture of independent coins.

# %%
nodes = {
    "z": diagram.latent(0, 0),
    "x": diagram.observed(1.3, 0),
    "π": diagram.given(-1.2, 0),
    "w": diagram.given(1.3, 1.1),
}
fig = diagram.graph(nodes, ["π -> z", "z -> x", "w -> x"], {"N": ["z", "x"]})
plots.show(fig, alt="A graph: the latent class z points to the observed x, inside a plate N; pi points to z, w to x.")

# %% [markdown]
# **E step.** The posterior over classes, and from it *expected counts*, divided by $N$: how often was each feature seen within each class?
#
# $$q_{xc} = p(z = c \mid x), \qquad \bar\pi_c = \frac1N \sum_x N_x\, q_{xc}, \qquad \bar f_c = \frac1N \sum_x N_x\, q_{xc}\, f(x)$$
#
# **M step.** $\pi_c = \bar\pi_c$. For $w_c$ there is no formula, only the gradient of the bound per digit, once more seen minus expected:
#
# $$\nabla_{w_c} \mathcal L(q, \theta) = \bar f_c - \bar\pi_c \sum_x p(x \mid z = c)\, f(x)$$
#
# Taken right after the E step this is the gradient of $\log p(x)$ itself: *Fisher's identity* of notebook 03. The oracle writes out the sums
# over $x$ and $z$ and leaves the rest to autograd.


# %%
def log_lik_by_enumeration(log_pi, w, features):
    p_x = sum(log_pi[c].exp() * torch.softmax(features @ w[c], 0) for c in range(len(w)))
    return shares @ p_x.log()


with seeded(2):
    somewhere = random_start(touching, 3)
expected, log_lik = e_step((touching, shares), somewhere)
w = somewhere.w.clone().requires_grad_()
value = log_lik_by_enumeration(somewhere.log_pi, w, touching)
(by_autograd,) = torch.autograd.grad(value, w)
gap = (w_gradient(somewhere, touching, expected) - by_autograd).abs().max()
print(
    f"log-likelihood {log_lik:.6f} and {value:.6f} nats; largest slope {by_autograd.abs().max():.3f}, difference {gap:.0e}"
)
assert abs(log_lik - value) < 1e-10
assert gap < 1e-12

# %% [markdown]
# ## EM that does not finish its M step
#
# The M step takes a few gradient steps and stops. Each raises the bound of notebook 03. The bound touched $\log p(x)$ after the E step, so a
# raised bound is enough: $\log p(x)$ cannot fall. That is *generalised EM*. The picture shows how far $\log p(x)$ still is from the best that
# any of the runs reached (plus 0.001, so that the best run can be drawn on a log axis).

# %%
ask = predict(
    "From the same start: 1, 5 or 20 gradient steps in each M step. Which run is ahead after the same number of gradient steps?",
    ["1 step: it uses the freshest responsibilities", "20 steps: an M step should be finished", "about the same"],
)

# %%
with seeded(3):
    start = random_start(touching, 3)
budget, traces = 600, {}
for climbs in (1, 5, 20):
    run = em_steps((touching, shares), start, e_step, partial(m_step, climbs=climbs))
    traces[climbs] = torch.stack([next(run).log_lik for _ in range(budget // climbs + 1)])
best = max(float(trace[-1]) for trace in traces.values()) + 1e-3
fig, ax = plots.figure()
for (climbs, trace), style in zip(traces.items(), ("-", "--", ":"), strict=True):
    ax.semilogy(climbs * np.arange(len(trace)), best - trace, style, label=f"{climbs} a time")
ax.set(xlabel="gradient steps", ylabel="below the best, nats a digit", title="generalised EM never falls")
ax.legend(title="gradient steps in an M step")
plots.show(fig, alt="Three falling curves of the distance to the best log-likelihood against gradient steps.")

# %% tags=["check"]
for trace in traces.values():
    assert (trace.diff() >= -1e-9 * trace[1:].abs()).all()  # rounding

# %%
halfway = {climbs: float(trace[budget // 2 // climbs]) for climbs, trace in traces.items()}
print("after 300 gradient steps:", {climbs: round(value, 4) for climbs, value in halfway.items()}, "nats a digit")
ask.discuss(
    {
        "1 step: it uses the freshest responsibilities": "It does, and it pays for an E step each time; look at how little that gains here.",
        "20 steps: an M step should be finished": "Nothing needs it finished: any rise of the bound is a rise of log p(x).",
        "about the same": "Counted in gradient steps the three stay together; in E steps the third is twenty times cheaper than the first.",
    },
    right="about the same",
)

# %% [markdown]
# ## Do the classes earn their parameters?
#
# Compare classes with pair features: five random splits, 1200 digits to fit and 597 to judge, the same splits for all. The baseline is one
# class with single blocks. (The splits overlap, so the standard errors over them are a little too small.)

# %%
ask = predict(
    "Which predicts fresh digits best?",
    ["7 classes over single blocks", "1 class with touching pairs", "1 class with all pairs", "1 class, single blocks"],
)


# %%
def plain(features, train):
    """One class, to convergence: the problem is concave, so a quasi-Newton climb finds the one maximum."""
    w = torch.zeros(features.shape[1], requires_grad=True)
    climb = torch.optim.LBFGS([w], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def minus_log_lik():
        climb.zero_grad()
        loss = (features @ w).logsumexp(0) - w @ (train @ features) / train.sum()
        loss.backward()
        return loss

    climb.step(minus_log_lik)
    return LogLinear(torch.zeros(1), w.detach()[None])


# %%
def held_out(features, C, split):
    """Log-likelihood, nats a digit, of the digits fitted to and of those that were not."""
    with seeded(split):
        order = torch.randperm(N)
        train, fresh = (outcome_counts(index[part], M) for part in (order[:1200], order[1200:]))
        fit = plain(features, train) if C == 1 else fit_loglinear(train, features, C, max_steps=100, tol=0.0).params
    log_p = log_marginal(fit, features)
    return float(train @ log_p) / 1200, float(fresh @ log_p) / (N - 1200)


# %%
models = {
    "1 class, single blocks": (blocks, 1),
    "3 classes, single blocks": (blocks, 3),
    "7 classes, single blocks": (blocks, 7),
    "1 class, touching pairs": (touching, 1),
    "1 class, all pairs": (pairs, 1),
}
scores = {name: np.array([held_out(*model, split) for split in range(5)]) for name, model in models.items()}
baseline = scores["1 class, single blocks"][:, 1]
print(f"{'model':>25} {'parameters':>10} {'fitted':>8} {'fresh':>8}   gain over the first on fresh digits")
for name, (features, C) in models.items():
    fitted, fresh = scores[name].T
    gain, k = fresh - baseline, free_parameters(C, features.shape[1])
    error = gain.std(ddof=1) / math.sqrt(5)
    print(f"{name:>25} {k:>10} {fitted.mean():8.3f} {fresh.mean():8.3f}   {gain.mean():.3f} ± {error:.3f}")

# %%
lead = scores["7 classes, single blocks"][:, 1] - scores["1 class, all pairs"][:, 1]
print(
    f"seven classes over all pairs, on fresh digits: {lead.mean():.3f} ± {lead.std(ddof=1) / math.sqrt(5):.3f} nats a digit"
)
assert (lead > 0).all()  # in each of the five splits
ask.discuss(
    {
        "7 classes over single blocks": "In each of the five splits, with 90 parameters against the 78 of all pairs.",
        "1 class with touching pairs": "Neighbours say something. But blocks far apart go together as well, in a stroke.",
        "1 class with all pairs": "The strong baseline: without any hidden class it has most of the gain.",
        "1 class, single blocks": "The model to beat; all others beat it.",
    },
    right="7 classes over single blocks",
)

# %% [markdown]
# So here the classes earn their parameters. That holds for these data and these features; with others, make the table again. And note the
# baseline: against single blocks alone, any of the four would have looked like a success.
#
# Count before you believe a class. Six blocks would have 64 outcomes, so 63 free probabilities; three classes with all pairs of six blocks have
# 65 parameters. Such a model is *saturated*: even if $p(x)$ were known exactly, it would not determine the parameters, and so not the classes
# (exercise 04.4).

# %% [markdown]
# ## What the classes look like
#
# A class over single blocks is a picture: the probability that each block is dark, $p(x_d = 1 \mid z = c)$. Fit all digits with seven classes,
# without their labels, and look.

# %%
with seeded(1):
    seven = fit_loglinear(counts, blocks, 7, max_steps=150, tol=0.0).params
order = seven.log_pi.argsort(descending=True)
faces = (log_given_class(seven, blocks).exp().T @ blocks)[order]
fig, ax = plots.figure(size=(10, 2.3))
plots.image_grid(ax, faces, (ROWS, COLS), cols=7)
ax.set_title("p(block is dark | class), most frequent class first")
plots.show(fig, alt="Seven small pictures of four by three blocks in shades of grey, each a coarse stroke pattern.")
assert torch.allclose(faces, torch.sigmoid(seven.w[order]), atol=1e-10)  # closed form: a coin with log odds w

# %%
q = responsibilities(seven, blocks)[index][:, order]
table = torch.stack([q[digits.target == digit].mean(0) for digit in range(10)])
fig, ax = plots.figure(size=(9, 4.6))
image = ax.imshow(table.T, vmin=0, vmax=1, aspect="auto")
for digit in range(10):
    for c in range(7):
        ax.text(
            digit,
            c,
            f"{table[digit, c]:.0%}",
            ha="center",
            va="center",
            fontsize=11,
            color="w" if table[digit, c] < 0.6 else "k",
        )
ax.set(xlabel="digit", ylabel="class", xticks=range(10), yticks=range(7), title="share of each digit in each class")
plots.show(fig, alt="A table of ten digits by seven classes with the share of each digit in each class in percent.")

# %% [markdown]
# ## When can you list everything?
#
# Each step above summed over all $x$ (for $Z$) and all $z$ (for the posterior). Twelve blocks and seven classes are 4096 and 7 terms.

# %% tags=["nbval-check-output"]
for name, x_bits, z_bits in (
    ("this notebook", 12, math.log2(7)),
    ("all 64 pixels, seven classes", 64, math.log2(7)),
    ("12 blocks, 40 switches", 12, 40),
    ("28 x 28 pixels, 40 switches", 784, 40),
):
    print(f"{name:>30}: 10^{x_bits * math.log10(2):5.1f} outcomes x, 10^{z_bits * math.log10(2):4.1f} states z")

# %% [markdown]
# The sum over $x$ can be avoided: choose a $p(x \mid z)$ whose normaliser is known, such as a Gaussian; its mean may come from a decoder net.
# The sum over $z$ is the denominator of the posterior, and EM needs it. What if $z$ has $2^{40}$ states? That question opens
# notebook 05.

# %% [markdown]
# ## Further: hard and stochastic EM
#
# Two variants use another $q$ in the E step. *Hard* EM gives each digit to its most probable class. *Stochastic* EM draws a class for each
# digit from its posterior. Neither $q$ is the posterior, so the bound does not touch. Both start where soft EM, the EM used so far, starts.

# %%
ask = predict(
    "Which of the three climbs log p(x) at every step?", ["soft EM only", "soft and hard EM", "all three, on average"]
)

# %%
with seeded(4):
    start = random_start(blocks, 7)
fates = {}
for name, assign in (("soft", None), ("hard", hard), ("stochastic", partial(sampled, counts=counts))):
    with seeded(5):
        run = em_steps((blocks, shares), start, partial(e_step, assign=assign), partial(m_step, climbs=10))
        fates[name] = torch.stack([next(run).log_lik for _ in range(150)])
top = max(float(trace.max()) for trace in fates.values()) + 1e-3
fig, ax = plots.figure()
for (name, trace), style in zip(fates.items(), ("-", "--", ":"), strict=True):
    ax.semilogy(top - trace, style, label=f"{name} EM")
ax.set(xlabel="EM step", ylabel="below the best, nats a digit")
ax.legend()
plots.show(fig, alt="Distance to the best log-likelihood for soft, hard and stochastic EM over 150 steps.")

# %%
falls = {name: int((trace.diff() < -1e-9).sum()) for name, trace in fates.items()}
print("steps that fell:", falls, " last:", {name: round(float(trace[-1]), 4) for name, trace in fates.items()})
late = float((fates["stochastic"][-50:].diff() < 0).double().mean())
print(f"of the last 50 steps of stochastic EM {late:.0%} fell")
assert falls["soft"] == 0
assert min(falls["hard"], falls["stochastic"]) > 0
assert 0.25 < late < 0.75
ask.discuss(
    {
        "soft EM only": "Its q is the posterior, so the bound touches before each M step. The others lift a bound that does not.",
        "soft and hard EM": "Hard EM climbs the joint log p(x, z) of data and chosen classes, which is another function.",
        "all three, on average": "Stochastic EM is a Markov chain. Near the top it falls about as often as it rises; the line above counts.",
    },
    right="soft EM only",
)

# %% [markdown]
# Stochastic EM wanders. Does that help it to leave poor optima? Compare eight starts of each. Every run ends with up to 60 steps of soft EM, so
# that we compare the optima found, and not the moment at which the wandering stopped.


# %%
def end(assign, seed):
    """Where a run of 40 steps ends after it is polished by soft EM, nats a digit."""
    with seeded(seed):
        run = em_steps(
            (blocks, shares), random_start(blocks, 4), partial(e_step, assign=assign), partial(m_step, climbs=10)
        )
        params = [next(run) for _ in range(40)][-1].params
    return float(fit_loglinear(counts, blocks, 4, start=params, max_steps=60, tol=0.0).log_lik[-1])


ends = {
    "soft": np.array([end(None, seed) for seed in range(8)]),
    "stochastic": np.array([end(partial(sampled, counts=counts), seed) for seed in range(8)]),
}
for name, values in ends.items():
    print(f"{name:>10}: mean {values.mean():.4f}, worst {values.min():.4f}, best {values.max():.4f}")
verdict = stats.wilcoxon(ends["stochastic"], ends["soft"])
print(f"stochastic against soft from the same eight starts: p = {verdict.pvalue:.2f}")

# %% [markdown]
# With eight starts there is no sign that the wandering helps here. (On other data it may: test it again.)
#
# ## Further: are the classes the same next time?
#
# Fit five times from other starts, and compare which digits are grouped together by the adjusted Rand index: 1 if the groups are the same
# whatever their names (*label switching*), 0 if they agree as much as chance.

# %%
groups, last = [], []
for seed in range(5):
    with seeded(seed):
        fit = fit_loglinear(counts, blocks, 7, max_steps=150, tol=0.0)
    groups.append(responsibilities(fit.params, blocks)[index].argmax(1))
    last.append(float(fit.log_lik[-1]))
agreement = [adjusted_rand_score(groups[a], groups[b]) for a in range(5) for b in range(a)]
print("log-likelihoods", np.round(last, 3), f"; agreement of groups {min(agreement):.2f} to {max(agreement):.2f}")
print(
    f"agreement with the digits' names {min(adjusted_rand_score(digits.target, g) for g in groups):.2f} to "
    f"{max(adjusted_rand_score(digits.target, g) for g in groups):.2f}"
)
assert max(last) - min(last) < 0.2

# %% [markdown]
# All five runs end within a tenth of a nat of each other, yet the agreement of two runs is anything from 0.55 to 1.00. So read a class as a
# part of a density, and do not give it a name that a second run would not confirm.

# %% [markdown]
# ## Lecture demo
#
# One class over $2 \times 2$ blocks, with a feature for each block and one for the upper pair: turn a weight and watch all sixteen probabilities, and the two expectations of the gradient.
#
# <details><summary>Speaker note</summary>
#
# 1. Turn the weight of the first block. Which of the sixteen outcomes gain, and by what factor? (All with that block, by the same factor.)
# 2. Ask what the gradient will be where seen and expected agree. Turn until the bars are level; then *All zero*, and let *Gradient step* do it. The log-likelihood rises at
#    each press, and the line says how much is left.
# 3. Turn the weight of the pair. Which single blocks does it move as well?
#
# </details>

# %%
turn = explore("log_linear", first=0.5, pair=0.5)

# %% tags=["check"]
small = pair_features(binary_outcomes(4))[:, :5]  # four blocks, and the pair of the first two
p = torch.softmax(small @ torch.tensor(list(turn.values.values())), 0)
assert torch.allclose(turn.result.expected, p @ small, atol=1e-12)

# %% [markdown]
# ## Summary
#
# 1. A log-linear model weights features; its gradient is features seen minus features expected.
# 2. With hidden classes EM counts features by the posterior; the M step climbs, and any rise will do.
# 3. Hard EM climbs the joint of data and chosen classes; stochastic EM draws the classes and wanders.
# 4. Classes must earn their parameters on fresh data, against one class with richer features too.
# 5. All of it needs the sums over $x$ and over $z$. Both grow exponentially with the number of bits in $x$ and $z$.
#
# **To read** Berger, Della Pietra and Della Pietra 1996, *A Maximum Entropy Approach to Natural Language Processing*; Dempster, Laird and Rubin 1977,
# section 3, for generalised EM; Celeux and Diebolt 1985, for stochastic EM.
#
# **The next question** What can you do when $z$ has $2^{40}$ states, and nobody can list the posterior? Notebook 05.
