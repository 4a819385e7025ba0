# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11 Sequences and time
#
# After this notebook you will be able to
#
# - sum over all paths of a chain of latent states in a time proportional to its length, and say why this is done in log space;
# - fit a hidden Markov model by EM, and tell the most probable path from the most probable states;
# - see the Kalman filter as conditioning in one large Gaussian;
# - judge a model of language against the entropy, which no model can beat, and a sentence VAE by a negative log-likelihood (NLL) that is not just the ELBO;
# - explain why a VAE with a strong decoder ignores $z$, why that need not cost likelihood, and what annealing the KL term gains.
#
# **Time** 45 minutes for the core, 90 with all *Further* sections; the cells run in about a minute on a laptop. **Prerequisites** notebooks 03 (EM), 02
# (the linear-Gaussian model), 08 (the VAE).
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x_t$, $x$ | `x` | $N \times T$ | one sequence in each row: symbols, points or words |
# | $z_t$ | `z` | $N \times T$ | hidden state, $0 \dots C-1$; for the linear chain a vector |
# | $p(z_1)$, $p(z_{t+1} \mid z_t)$ | `params.start`, `.transition` | $C$; $C \times C$ | rows of the second sum to one |
# | $p(x_t \mid z_t)$ | `params.emission` | $C \times V$ | what each state emits |
# | $\alpha_t(c)$ | `alpha` | $C$ | $p(x_1 \dots x_t, z_t = c)$ |
# | $p(z_t \mid x)$ | `posterior(x, params).state` | $N \times T \times C$ | given the whole sequence |
# | $z$ | `z` | $B \times L$ | of the sentence VAE: one vector for each sentence |
# | $\log w$ | `log_w` | $K \times B$ | $\log p(x \mid z) + \log p(z) - \log q(z \mid x)$ |
#
# Logarithms are natural; log-likelihoods are in nats per sequence, summed over its steps.

# %%
import itertools
import math

import numpy as np
import torch
from scipy.stats import multivariate_normal
from sklearn.neighbors import KNeighborsClassifier

from lvmteach import hmm
from lvmteach.bounds import elbo, iwae
from lvmteach.classroom.explorables import explore
from lvmteach.classroom.explorables.predict import predict
from lvmteach.classroom.figures import plots
from lvmteach.classroom.figures.diagram import block, graph, latent, observed
from lvmteach.data.language import entropy, language_vocabulary, read, sentences
from lvmteach.data.prose import ALPHABET, prose, spelt
from lvmteach.evaluation import log_marginal
from lvmteach.hmm import HMM, Categorical, Sequences
from lvmteach.linear_gaussian import chain
from lvmteach.linear_gaussian.chain import LinearChain
from lvmteach.runtime import seeded
from lvmteach.training import cosine, train
from lvmteach.vae.pretrained import pretrained_sentences, sentence_runs
from lvmteach.vae.sentences import language_model, nothing, sentence_vae
from lvmteach.vocabulary import lengths
from lvmteach.warm_up import Annealed

# %% [markdown]
# ## A chain of latents
#
# In a mixture each datum has a label of its own. Now the labels follow one another: today's state depends on yesterday's, and what you see depends on today's.
#
# $$p(x, z) = p(z_1) \prod_{t=2}^{T} p(z_t \mid z_{t-1}) \prod_{t=1}^{T} p(x_t \mid z_t)$$

# %%
nodes = {f"$z_{t}$": latent(1.3 * t, 1.2) for t in range(1, 5)} | {
    f"$x_{t}$": observed(1.3 * t, 0) for t in range(1, 5)
}
arrows = [f"$z_{t}$ -> $z_{t + 1}$" for t in range(1, 4)] + [f"$z_{t}$ -> $x_{t}$" for t in range(1, 5)]
plots.show(
    graph(nodes, arrows),
    alt="Four white circles z in a row, an arrow from each to the next, and from each down to a shaded x.",
)

# %% [markdown]
# A croupier has two dice, one fair and one loaded, and secretly swaps them now and then. You see only the rolls. The latent chain stays with the fair die with
# probability 0.95 and with the loaded one with 0.9, so on average they are in use for 20 and for 10 rolls at a time. Such states are called *sticky*.

# %%
loaded = torch.tensor([0.1] * 5 + [0.5])
dice = HMM(
    start=torch.tensor([0.5, 0.5]),
    transition=torch.tensor([[0.95, 0.05], [0.10, 0.90]]),
    emission=Categorical(torch.stack([torch.full((6,), 1 / 6), loaded])),
)
with seeded(4):
    x, z = hmm.sample(dice, N=1, T=120)
print("rolls  ", "".join(str(int(i) + 1) for i in x[0, :60]))
print("loaded ", "".join(".L"[int(i)] for i in z[0, :60]))

# %% [markdown]
# What is $p(x)$? A sum over all paths of states. Twelve rolls have 4096 paths, which can be enumerated; 120 rolls have far too many.


# %%
def log_p_path(x, z, model):
    """log p(x, z) of one path: the product above, factor by factor."""
    p = model.start[z[0]] * model.emission.probs[z[0], x[0]]
    for t in range(1, len(x)):
        p = p * model.transition[z[t - 1], z[t]] * model.emission.probs[z[t], x[t]]
    return p.double().log()


short = x[0, :12]
paths = itertools.product(range(2), repeat=12)
enumerated = torch.logsumexp(torch.stack([log_p_path(short, z, dice) for z in paths]), 0)
print(f"log p of the first 12 rolls, over {2**12} paths: {enumerated:.6f} nats;  paths of 120 rolls: {2.0**120:.1e}")
guess = predict(
    "Float32 holds numbers down to about 1e-45. After how many rolls is alpha, multiplied out as it stands, exactly 0?",
    ["never: the sums keep it up", "about 60", "about 1000"],
)

# %% [markdown]
# ## The forward recursion, and underflow
#
# The future depends on the past through $z_t$ alone, so the sum can be done one step at a time. With $\alpha_t(c) = p(x_1 \dots x_t, z_t = c)$,
#
# $$\alpha_1(c) = p(z_1 = c)\, p(x_1 \mid c), \qquad \alpha_t(d) = \Big[\sum_c \alpha_{t-1}(c)\, p(z_t = d \mid z_{t-1} = c)\Big]\, p(x_t \mid d), \qquad
# p(x) = \sum_c \alpha_T(c)$$
#
# $T$ steps of $C^2$ products instead of $C^T$ paths.


# %%
def forward(x, model):
    """log alpha_T, in log space."""
    alpha = model.start.log() + model.emission.probs[:, x[0]].log()
    for x_t in x[1:]:
        alpha = torch.logsumexp(alpha[:, None] + model.transition.log(), 0) + model.emission.probs[:, x_t].log()
    return alpha


alpha, gone = dice.start * dice.emission.probs[:, x[0, 0]], 1
while alpha.sum() > 0:
    gone += 1
    alpha = (alpha @ dice.transition) * dice.emission.probs[:, x[0, gone - 1]]
log_p = forward(x[0], dice).logsumexp(0)
print(
    f"first 12 rolls {forward(short, dice).logsumexp(0):.6f};  all 120: {log_p:.4f} nats;  without logarithms 0 after {gone} rolls"
)
guess.discuss(
    {
        "never: the sums keep it up": "A sum of two states cannot make up for a factor of about 1/6 at each roll.",
        "about 60": "Each roll costs about log 6 = 1.8 nats, and 1e-45 is 103 nats below 1: some 58 rolls.",
        "about 1000": "That is double precision's way: 745 nats at 1.8 a roll are about 415 rolls, and then 0 as well.",
    },
    right="about 60",
)

# %% tags=["check"]
assert abs(forward(short, dice).logsumexp(0) - enumerated) < 1e-4  # float32: 12 terms of size 20
assert abs(forward(x[0], dice).logsumexp(0) - hmm.log_likelihood(x, dice)[0]) < 1e-3
every = torch.tensor(list(itertools.product(range(6), repeat=4)))
assert abs(hmm.log_likelihood(every, dice).exp().sum() - 1) < 1e-6  # of all 6^4 sequences; float32 parameters

# %% [markdown]
# ## Looking back: the posterior of each state
#
# The same recursion from the other end gives $\beta_t(c) = p(x_{t+1} \dots x_T \mid z_t = c)$, and together
#
# $$p(z_t = c \mid x) = \frac{\alpha_t(c)\, \beta_t(c)}{p(x)}.$$
#
# Normalising $\alpha_t$ alone gives the *filter*, $p(z_t \mid x_1 \dots x_t)$: what can be known at time $t$. With $\beta$ it is the *smoother*, $p(z_t \mid x)$: what can be known after the last roll.

# %%
smoothed = hmm.posterior(x, dice).state[0, :, 1]
filtered = torch.stack([hmm.posterior(x[:, : t + 1], dice).state[0, -1, 1] for t in range(120)])
fig, ax = plots.figure(size=(11, 3.2))
ax.fill_between(range(120), z[0], step="mid", color=plots.GREY, alpha=0.35, label="loaded die in use")
ax.plot(filtered, color=plots.SKY, label="filter, rolls so far")
ax.plot(smoothed, color=plots.BLUE, lw=2.5, label="smoother, all rolls")
ax.set(xlabel="roll t", ylabel="p(loaded)", ylim=(0, 1.05))
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
plots.show(
    fig,
    alt="Probability of the loaded die over 120 rolls: a rugged filter line, a smooth smoother line, and grey bars where the die was loaded.",
)
error = [float(((p > 0.5) != (z[0] == 1)).double().mean()) for p in (filtered, smoothed)]
print(f"wrong about the die at {error[0]:.0%} of the rolls with the filter, {error[1]:.0%} with the smoother")

# %% [markdown]
# Move the assumed probability of staying with the same die. At 0.5 each roll is judged on its own; near 1 it takes many sixes to change the posterior. Watch $\log p(x)$ as well: it is large near a good value, and it does not need the true states.

# %%
explore("dice")

# %% [markdown]
# ## EM: letters find their vowels
#
# If the parameters are not known, EM fits them, with the loop of notebook 03. Its E step runs the forward and the backward recursion, which also give the expected number of steps from $c$ to $d$:
#
# $$n(c, d) = \sum_t \frac{\alpha_t(c)\, p(d \mid c)\, p(x_{t+1} \mid d)\, \beta_{t+1}(d)}{p(x)}, \qquad p(d \mid c) \leftarrow \frac{n(c, d)}{\sum_{d'} n(c, d')}$$
#
# Steps are counted within a sequence, never across its end, and each row is normalised, not each column. The data: 40 000 letters and spaces of Python's own help pages. The model has two states and a random start, and knows nothing about letters.

# %%
letters = prose(N=400, T=100)
print(spelt(letters[0]))
guess = predict(
    "Two states, fitted to letters and spaces. What will they stand for, in the best of several starts?",
    ["frequent and rare letters", "vowels and consonants", "beginnings and ends of words"],
)

# %%
fits = []
for seed in range(4):
    with seeded(seed):
        start = hmm.random_start(letters, C=2, V=27)
    fits.append(hmm.fit_from(letters, start, max_steps=45, tol=0))
per_letter = torch.stack([fit.log_lik for fit in fits]) / 100
best = max(fits, key=lambda fit: fit.log_lik[-1]).params
print("nats a letter after 45 steps, by start:", per_letter[:, -1].numpy().round(4))

# %%
state = hmm.posterior(letters, best).state.flatten(0, 1)  # (letters, 2)
share = torch.zeros(27, 2).double().index_add_(0, letters.flatten(), state)
share = share / share.sum(1, keepdim=True)
vowel = int(share[ALPHABET.index("e")].argmax())
found = "".join(letter for letter, p in zip(ALPHABET, share[:, vowel], strict=True) if p > 0.5)
fig, ax = plots.figure(size=(11, 2.8))
ax.bar([*ALPHABET[:26], "␣"], share[:, vowel], color=[plots.ORANGE if a in "aeiou" else plots.BLUE for a in ALPHABET])
ax.set(
    ylabel="share in one state",
    title=f"letters mostly in one state: {found!r};  it follows itself with probability {best.transition[vowel, vowel]:.2f}",
)
plots.show(fig, alt="Bars a letter: the five vowels near one, most consonants near zero.")
guess.discuss(
    {
        "frequent and rare letters": "Frequency alone needs no chain: one state has the letter frequencies already.",
        "vowels and consonants": "They alternate, so knowing the class of a letter says most about the next. Markov counted this in 1913.",
        "beginnings and ends of words": "A third state would go there; with two, alternation pays more.",
    },
    right="vowels and consonants",
)

# %% tags=["check"]
assert set("aeio") <= set(found)
assert len(set(found) - set("aeiouy ")) <= 1
assert all((fit.log_lik.diff() > -1e-9).all() for fit in fits)  # EM never descends
assert per_letter[:, -1].max() - per_letter[:, -1].min() > 0.01  # local optima: a start matters

# %%
explore("letters")

# %% [markdown]
# The demo above has fewer letters, and six starts to follow step by step. They end in different places, since EM finds a local optimum. Compare several runs, and choose by likelihood, not by how much you like the letters.
#
# ## The best path is not the path of best states
#
# Viterbi's recursion takes a maximum where the forward recursion takes a sum, and finds $\arg\max_z p(z \mid x)$. This path may differ from the most probable states taken one by one. An extreme case: the chain starts in state 0, 1 or 2 with probabilities 0.4, 0.3 and 0.3. State 0
# is always followed by 1 or 2, and these always by 0. The observations say nothing.

# %% tags=["nbval-check-output"]
there_and_back = torch.tensor([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
blind = HMM(torch.tensor([0.4, 0.3, 0.3]), there_and_back, Categorical(torch.ones(3, 1)))
unseen = torch.zeros(1, 2, dtype=torch.long)
pointwise = hmm.posterior(unseen, blind).state.argmax(-1)
best_path = hmm.viterbi(unseen, blind)
for name, path in (("best states", pointwise), ("best path", best_path.z)):
    print(f"{name}: {path[0].tolist()}, probability {hmm.log_joint(unseen, path, blind).exp().item():.2f}")
assert hmm.log_joint(unseen, pointwise, blind).exp() == 0

# %% [markdown]
# Each state of the first path is the most probable one at its time, but the path is impossible. Which of the two you want depends on the loss: the number of wrong states, or whether the whole path is right.
#
# ## A chain of vectors: the Kalman filter
#
# Let $z_t$ be a vector that rotates and shrinks a little in each step, and $x_t$ a noisy observation of it. This is notebook 02's model with a memory; $z_1$ is Gaussian, and
#
# $$z_{t+1} \mid z_t \sim \mathcal N(A z_t, Q), \qquad x_t \mid z_t \sim \mathcal N(\mu + W z_t, \Psi)$$
#
# All $z$ and $x$ together are one Gaussian. The Kalman filter computes $p(z_t \mid x_1 \dots x_t)$ by conditioning in it, one step at a time: a prediction, then an update.

# %%
turn = 0.25
circle = LinearChain(
    m=torch.tensor([2.0, 0.0]), P=0.1 * torch.eye(2), Q=0.01 * torch.eye(2), mu=torch.zeros(2), W=torch.eye(2), psi=torch.full((2,), 0.4),
    A=0.99 * torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]),
)  # fmt: skip
with seeded(2):
    orbit, seen = (part.double() for part in chain.sample(circle, N=1, T=40))
online, after = chain.kalman_filter(seen, circle), chain.smoother(seen, circle)
fig, ax = plots.figure(size=(8, 5.2))
ax.plot(*orbit[0].T, color=plots.GREY, lw=3, label="z, hidden")
ax.plot(*seen[0].T, ".", color=plots.BLACK, ms=7, label="x, seen")
ax.plot(*online.mean[0].T, color=plots.SKY, label="filter")
ax.plot(*after.mean[0].T, color=plots.BLUE, lw=2.5, label="smoother")
ax.set(xlabel="first coordinate", ylabel="second coordinate", aspect="equal")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plots.show(
    fig,
    alt="A spiral of hidden states, scattered observations, and two estimated paths; the smoother's is nearest to the spiral.",
)
errors = [float((mean - orbit).square().sum(-1).mean()) for mean in (seen, online.mean, after.mean)]
print("mean squared distance from z: observations {:.2f}, filter {:.2f}, smoother {:.2f}".format(*errors))

# %% tags=["check"]
# Oracle: one joint Gaussian of x_1..x_5, its covariance from powers of A.
A, P, Q, R = (part.double().numpy() for part in (circle.A, circle.P, circle.Q, torch.diag(circle.psi)))
own = [P]
for _ in range(4):
    own.append(A @ own[-1] @ A.T + Q)
power = np.linalg.matrix_power
lagged = [[power(A, t - s) @ own[s] if t >= s else own[t] @ power(A, s - t).T for s in range(5)] for t in range(5)]
mean = np.concatenate([power(A, t) @ circle.m.double().numpy() for t in range(5)])
whole = multivariate_normal(mean, np.block(lagged) + np.kron(np.eye(5), R)).logpdf(seen[0, :5].numpy().ravel())
assert abs(chain.log_likelihood(seen[:, :5], circle)[0] - whole) < 1e-9
assert errors[2] < errors[1] < errors[0]

# %% [markdown]
# ## A language with a known floor
#
# For a model of text, what is a good NLL? The language below is made by rules, so its entropy $H(x)$ is known, and on average no model can do better on new sentences:
#
# $$\mathbb E\,[-\log p_\theta(x)] = H(x) + \mathrm{KL}(p \,\|\, p_\theta) \ge H(x)$$
#
# A sentence has one of six topics and one of two tenses; verbs agree with nouns in number; adjectives, phrases and adverbs are optional. There are 190 words. A parser, which shares no code with the rules that
# make the sentences, gives the exact $\log p(x)$ of each. Its mean on the test sentences is the floor used below.

# %%
V = language_vocabulary()
with seeded(11):
    learn, test = sentences(20_000), sentences(2000)
spoken = V.decode(test.x)
exact = torch.tensor([read(sentence).log_prob for sentence in spoken])
floor, std_err = -exact.mean().item(), exact.std().item() / math.sqrt(len(exact))
for sentence in spoken[:4]:
    print(f"{-read(sentence).log_prob:6.2f} nats  {sentence}")
print(f"entropy by the rules' choices {entropy():.3f}; parser's mean on test sentences {floor:.3f} ± {std_err:.3f}")
assert abs(floor - entropy()) < 4 * std_err

# %% [markdown]
# First a *bigram* model, each word given the one before. Then a *hidden Markov model*, whose state must carry all that matters from word to word. The end of a sentence counts as a word, END:
# without it the probabilities of all sentences would not sum to one.

# %%
counts = torch.full((len(V), len(V)), 0.01)  # a hundredth of a count for what was never seen
before = torch.cat([torch.ones_like(learn.x[:, :1]), learn.x[:, :-1]], 1)
real = learn.x != 0
counts.index_put_((before[real], learn.x[real]), torch.ones(()), accumulate=True)
log_next = (counts / counts.sum(1, keepdim=True)).log()
real, before = test.x != 0, torch.cat([torch.ones_like(test.x[:, :1]), test.x[:, :-1]], 1)
bigram = -(log_next[before, test.x] * real).sum(1).mean().item()
print(f"bigram {bigram:.2f} nats a sentence, {bigram - floor:.2f} above the floor")

# %%
some = Sequences(learn.x[:1500], lengths(learn.x[:1500]))
markov = []
for seed in range(3):
    with seeded(seed):
        start = hmm.random_start(some, C=12, V=len(V))
    states = hmm.fit_from(some, start, pseudo=0.01, max_steps=25, tol=0).params
    markov.append(-hmm.log_likelihood(Sequences(test.x, lengths(test.x)), states).mean().item())
print("HMM of 12 states, three starts:", np.round(markov, 2), "nats a sentence")

# %% [markdown]
# To carry topic, number, tense *and* the place in the sentence takes $6 \times 2 \times 2 \times$ places states, many more than twelve. The bigram, whose "state" is the last word, does better. (The comparison is not equal: the bigram counts 20 000 sentences, the hidden Markov model had 1500 and 25 steps of EM.)
# A *recurrent net* has a vector as its state, computed from the words, and no latent variable. The sentence VAE adds one.
#
# ## The sentence VAE
#
# One vector $z$ for each sentence, an encoder that reads the sentence in both directions, and a decoder that writes word by word, each word given $z$ *and all words before it*:
#
# $$\log p(x \mid z) = \sum_t \log p(x_t \mid x_{<t}, z), \qquad q(z \mid x) = \mathcal N(\mu(x), \sigma(x)^2)$$

# %%
parts = {
    "$x$": observed(0, 0), "encoder": block(1.9, 0, "reads both ways\n2 x 64", width=2.2, height=0.9), "$z$": latent(4.1, 0),
    "decoder": block(6.3, 0, "writes word by word\n96", width=2.6, height=0.9), "$x_t$": observed(8.7, 0), "$x_{<t}$": observed(6.3, -1.4),
}  # fmt: skip
links = ["$x$ -> encoder", "encoder -> $z$", "$z$ -> decoder", "decoder -> $x_t$", "$x_{<t}$ -> decoder"]
plots.show(
    graph(parts, links),
    alt="x to an encoder, to z, to a decoder, to the next word; the words before also enter the decoder.",
)

# %% [markdown]
# Train it on the ELBO as in notebook 08, for 400 steps. Beside it, train the same decoder without $z$.

# %%
how = {"steps": 400, "batch_size": 64, "lr": cosine(5e-3, 2e-4, 400), "progress": False}
with seeded(0):
    net, vae = language_model(len(V)), sentence_vae(len(V), L=16)
    train(net, lambda net, x: -net(nothing(x)).log_prob(x).mean(), learn.x, **how)
    train(Annealed(vae), lambda bound, x: -bound(x).mean(), learn.x, **how)
with seeded(1), torch.no_grad():
    alone = -net.eval()(nothing(test.x)).log_prob(test.x).mean()
    kl, nll = vae.eval().kl(test.x).mean(), -log_marginal(vae, test.x, K=10).mean()
print(f"400 steps: without z {alone:.2f} nats; sentence VAE {nll:.2f} nats (K = 10) with a KL of {kl:.3f}")
guess = predict(
    "The KL is almost 0: q(z|x) is nearly the prior for every sentence. Trained five times longer, how will the VAE's likelihood compare with that of the net without z?",
    ["clearly worse", "the same", "clearly better"],
)

# %% [markdown]
# Longer runs come with the package: the same nets, 2000 steps each, three seeds, NLL by 50 samples (`python -m benchmarks.sentences SETTING SEED` makes one).

# %%
runs = sentence_runs()


def ends(setting, what):
    return np.array([run[what] for run in runs if run["setting"] == setting])


rungs = {"bigram": [bigram], "HMM, 12 states": markov}
rungs |= {f"net, {name}": ends(name, "test_nll") for name in ("no z", "plain", "annealed")}
fig, ax = plots.figure(size=(10, 3.4))
for row, (name, values) in enumerate(rungs.items()):
    ax.plot(values, [row] * len(values), "o", ms=9, color=plots.BLUE, alpha=0.7)
    print(f"{name:16}" + "  ".join(f"{value:.2f}" for value in values))
ax.axvline(floor, color=plots.RED, lw=2, label="the parser's own")
ax.set(yticks=range(len(rungs)), yticklabels=list(rungs), xlabel="nats a sentence, on 2000 new ones")
ax.invert_yaxis(), ax.legend()
plots.show(fig, alt="HMM and bigram lie far above the floor, the net without z and both VAEs close to it and together.")
guess.discuss(
    {
        "clearly worse": "The decoder can be any distribution over sentences by itself: it needs no z to fit.",
        "the same": "With q(z|x) = p(z) the bound is tight, and the decoder alone can reach log p(x). Collapse costs nothing.",
        "clearly better": "Whatever z could tell, the words before tell as well after a few words.",
    },
    right="the same",
)

# %% tags=["check"]
plain, no_z = ends("plain", "test_nll"), ends("no z", "test_nll")
assert len(plain) == len(no_z) == len(ends("annealed", "kl")) == 3
assert ends("plain", "test_kl").max() < 0.15  # collapsed
assert abs(plain.mean() - no_z.mean()) < 0.1  # and no worse for it: a tenth of a nat in 18
assert min(min(values) for values in rungs.values()) > floor - 0.05  # nobody passes the floor, but for K's bias
assert max(markov) > bigram > no_z.max()

# %% [markdown]
# ## Why it collapses, and what annealing buys
#
# *Posterior collapse* means that $q(z \mid x)$ is the prior for every $x$, so that $z$ says nothing. A strong decoder can reach the same likelihood whether the information comes from $z$ or from the words before. But the ELBO is
#
# $$\log p(x) - \mathrm{KL}\big(q(z \mid x) \,\|\, p(z \mid x)\big),$$
#
# and where $z$ says nothing, $q(z \mid x) = p(z)$ is the exact posterior and the second term is zero. Early in training $z$ says nothing useful, the KL term pushes $q$ towards the prior, and the decoder learns to do without $z$. **Annealing**
# gives the KL term a weight that rises from 0 to 1 over the first half of training, so that $z$ is in use before it costs its full price.

# %%
fig, (left, right) = plots.figure(1, 2, size=(12, 3.8))
for setting, colour in (("no z", plots.GREY), ("plain", plots.BLUE), ("annealed", plots.ORANGE)):
    for number, run in enumerate(run for run in runs if run["setting"] == setting):
        label = setting if number == 0 else None
        right.plot(run["step"], run["nll"], color=colour, label=label)
        if setting != "no z":
            left.plot(run["step"], run["kl"], color=colour, label=label)
left.set(xlabel="step", ylabel="KL(q(z|x) || p(z)), nats", title="what z says")
left.axhline(math.log(6), color=plots.BLACK, ls=":", label="log 6: the topic")
right.set(xlabel="step", ylabel="nats a sentence", title="negative log-likelihood, 300 test sentences", ylim=(18, 22))
right.axhline(-exact[:300].mean(), color=plots.RED, label="the parser's own")
left.legend(), right.legend()
plots.show(
    fig,
    alt="Left, KL over training: near zero without annealing; with it, a peak that falls to about two nats. Right, likelihoods that end together.",
)

# %%
for setting in ("plain", "annealed"):
    print(
        f"{setting:8}  KL {np.round(ends(setting, 'test_kl'), 2)} nats;  topic told from mu(x): {np.round(ends(setting, 'topic'), 2)}"
    )
topical, card = pretrained_sentences()  # annealed as well, with four dimensions; see its card
for name, model in (("collapsed", vae), ("packaged", topical)):
    with seeded(7), torch.no_grad():
        q = model.encoder(test.x)
        mean, draw = q.mean, q.sample()
    told = {}
    for what, code in (("mu(x)", mean), ("z ~ q(z|x)", draw)):
        rule = KNeighborsClassifier(25).fit(code[:1000], test.topic[:1000])
        told[what] = rule.score(code[1000:], test.topic[1000:])
    print(
        name,
        {what: f"{share:.2f}" for what, share in told.items()},
        f"guessing {1 / 6:.2f}; KL {model.kl(test.x).mean():.2f}",
    )
print(f"log 6 = {math.log(6):.2f} nats would hold the topic exactly")

# %%
explore("collapse")

# %% tags=["check"]
assert ends("annealed", "test_kl").min() > 1.5
assert told["z ~ q(z|x)"] > 0.4  # the packaged model, from a draw
with seeded(7), torch.no_grad():
    draw = vae.encoder(test.x).sample()
blind = KNeighborsClassifier(25).fit(draw[:1000], test.topic[:1000]).score(draw[1000:], test.topic[1000:])
assert blind < 1 / 6 + 5 * math.sqrt(5 / 36 / 1000)  # guessing, plus five standard errors

# %% [markdown]
# Look at the first line again: the *mean* tells the topic even in collapsed runs. A classifier can use means that differ very little; the decoder is given a draw of $z$, with a spread of about one around the mean. What a draw can tell is bounded by the KL, $I(x; z) \le \mathbb E\,\mathrm{KL}(q(z \mid x) \,\|\, p(z))$. So test a representation on
# draws.
#
# Annealing gains no likelihood. It gains a *representation* of about two nats. In the packaged model (annealed, KL 2.84) the topic is a part of it: from a draw of $z$ the topic is told in half of the cases, where guessing is right in a sixth. Nothing in the objective says which facts of a sentence go into $z$.
#
# ## An honest number
#
# For a sentence VAE the negative ELBO is often reported as its NLL. But the ELBO is only a bound, and it is tight when $z$ is not in use: this favours collapsed models. Here is the packaged model (four dimensions, annealed, with some word dropout), judged by
# the importance weights of notebook 09:

# %%
with seeded(5), torch.no_grad():
    log_w = topical.log_weights(test.x[:500], K=100)  # (K, B)
for K in (1, 10, 100):
    print(f"K = {K:3}: {-iwae(log_w[:K]).mean():.3f} nats" + "   this is the ELBO, no NLL" * (K == 1))
gap = iwae(log_w).mean() - elbo(log_w).mean()
print(
    f"the ELBO would hide {gap:.2f} nats; the card, on 2000 sentences by K = {card['eval_K']}: {-card['test_log_likelihood']:.3f}"
)
assert 0.02 < gap < 2
assert -iwae(log_w).mean() > -exact[:500].mean() - 0.1

# %% [markdown]
# ## Through topic space
#
# Take two sentences of different topics and encode both. Go in a straight line from one $\mu(x)$ to the other, and at each point let the decoder write, always with the most probable next word.

# %%
with torch.no_grad():
    mu = topical.encoder(test.x).mean
one, other = int((test.topic == 1).nonzero()[0]), int((test.topic == 5).nonzero()[0])
way = torch.linspace(0, 1, 7)[:, None]
written = V.decode(topical.decoder.greedy((1 - way) * mu[one] + way * mu[other]))
print("from:", spoken[one])
for share, sentence in zip(way[:, 0], written, strict=True):
    reading = read(sentence)
    print(f"  {share:.2f}  {sentence}" + ("" if reading else "   (no sentence of the language)"))
print("to:  ", spoken[other])

# %% tags=["check"]
with seeded(6), torch.no_grad():
    dreams = V.decode(topical.decoder(topical.prior().sample((300,))).sample())
assert np.mean([read(dream) is not None for dream in dreams]) > 0.7

# %% [markdown]
# The words change where the topic does, and all seven are sentences of the language. The two ends are not the sentences that were encoded: $z$ holds the topic, not every word. No label told the model that there are topics.

# %% [markdown]
# ## Further: an exact case of collapse
#
# Two topics, sentences of two words, each word drawn from its topic's own distribution: everything can be summed exactly. Let a binary $z$ equal the topic with probability $r$, from 1/2 ($z$ says nothing) to 1; let the decoder be the best one for that $z$. Then the mean ELBO at the exact
# posterior is $-H(x)$, whatever $r$ is.

# %% tags=["nbval-check-output"]
p = torch.tensor([[0.45, 0.45, 0.05, 0.05], [0.05, 0.05, 0.45, 0.45]], dtype=torch.float64)  # word given topic
x_given_topic = p[:, :, None] * p[:, None, :]  # (topic, first word, second word)
H = -(x_given_topic.mean(0) * x_given_topic.mean(0).log()).sum()
for r in (0.5, 0.7, 0.9, 1.0):
    topic_given_z = torch.tensor([[r, 1 - r], [1 - r, r]], dtype=torch.float64)
    x_given_z = torch.einsum("zt,tij->zij", topic_given_z, x_given_topic)
    joint = x_given_z / 2
    posterior = joint / joint.sum(0)
    rate = (joint * (posterior / 0.5).log()).sum()  # the mean KL from the posterior to the prior
    distortion = -(joint * x_given_z.log()).sum()
    print(f"r = {r}: rate {rate:.4f} + distortion {distortion:.4f} = {rate + distortion:.4f} nats")
    assert abs(rate + distortion - H) < 1e-12
print(
    f"entropy {H:.4f}; words that ignored one another and z would need {-2 * (p.mean(0) * p.mean(0).log()).sum():.4f}"
)

# %% [markdown]
# A decoder whose words are independent given $z$ reaches 2.5508 nats only with $r = 1$; without $z$ it needs 2.7726. A decoder that reads its own words reaches 2.5508 with every $r$. In the same way the decoder of notebook 08, whose pixels are independent given $z$, needs its $z$.
#
# ## Further: free bits and word dropout
#
# Two other remedies. *Free bits*: up to a chosen number of nats, the batch's mean KL costs nothing. *Word dropout*: in training, half of the words that the decoder reads are hidden, so that $z$ is of more use to it; it must still predict all words.

# %%
with seeded(0):
    held = sentence_vae(len(V), L=16)
    train(Annealed(held, free=4.0), lambda bound, x: -bound(x).mean(), learn.x, **how)
with seeded(1), torch.no_grad():
    held_kl, held_nll = held.eval().kl(test.x).mean(), -log_marginal(held, test.x, K=10).mean()
print(
    f"400 steps with four free nats: KL {held_kl:.2f}, NLL {held_nll:.2f} nats; the plain model above: KL {kl:.2f}, NLL {nll:.2f}"
)
assert held_kl > 3

# %%
fig, ax = plots.figure(size=(8, 4.2))
marks = {
    "no z": ("s", plots.GREY),
    "plain": ("o", plots.BLUE),
    "annealed": ("^", plots.ORANGE),
    "free bits": ("D", plots.GREEN),
    "word dropout": ("v", plots.RED),
}
for setting, (marker, colour) in marks.items():
    ax.plot(ends(setting, "test_kl"), ends(setting, "test_nll"), marker, color=colour, ms=9, label=setting)
ax.axhline(floor, color=plots.BLACK, ls=":", label="parser")
ax.set(xlabel="KL, nats", ylabel="nats a sentence", title="2000 steps: negative log-likelihood of 2000 test sentences")
ax.legend(loc="center")
plots.show(
    fig,
    alt="KL against likelihood, three points a setting: annealing moves right at next to no cost, free bits and word "
    "dropout move right and up.",
)
for setting in marks:
    nll_of, kl_of = ends(setting, "test_nll"), ends(setting, "test_kl")
    print(
        f"{setting:12}  KL {kl_of.mean():.2f} ± {kl_of.std(ddof=1):.2f},  NLL {nll_of.mean():.3f} ± {nll_of.std(ddof=1):.3f} nats"
    )
dearest = ends("annealed", "test_nll").max()
assert min(ends("free bits", "test_nll").min(), ends("word dropout", "test_nll").min()) > dearest  # all six runs

# %% [markdown]
# (± is the spread over three seeds.) Nothing in this plot says which model is best: the likelihood does not measure what $z$ is used for. Free bits end with a KL of four nats, annealing with two; against annealing they cost 0.07 nats of NLL. Word dropout ends with 2.7 and costs
# 0.11; a likely reason is that its decoder was trained on sentences with hidden words and is tested on whole ones.
#
# ## Further: expected counts are a gradient
#
# Fisher's identity of notebook 03 again: the derivative of $\log p(x)$ with respect to $\log p(d \mid c)$ is the expected number of steps from $c$ to $d$.

# %%
log_transition = dice.transition.double().log().requires_grad_()
hmm.log_likelihood(x, dice._replace(transition=log_transition.exp())).sum().backward()
steps, _ = hmm.e_step(hmm.sequences(x), dice)
print(
    "by autograd\n",
    log_transition.grad.numpy().round(3),
    "\nby forward and backward\n",
    steps.transitions.numpy().round(3),
)
assert torch.allclose(log_transition.grad, steps.transitions, atol=1e-5)  # parameters written in float32

# %% [markdown]
# ## Further: without a memory, factor analysis
#
# Set $A = 0$ and let every $z_t$ be $\mathcal N(0, I)$: now the steps are independent, and the chain's likelihood is that of notebook 02, row by row. With a memory, EM finds the angle of the rotation.

# %%
forgetful = circle._replace(A=torch.zeros(2, 2), Q=torch.eye(2), P=torch.eye(2), m=torch.zeros(2))
rows = multivariate_normal(np.zeros(2), np.eye(2) + 0.4 * np.eye(2)).logpdf(seen[0].numpy()).sum()
print(f"chain with A = 0: {chain.log_likelihood(seen, forgetful)[0]:.6f}; rows of one Gaussian: {rows:.6f}")
assert abs(chain.log_likelihood(seen, forgetful)[0] - rows) < 1e-4  # psi in float32
wide = circle._replace(
    W=torch.randn(5, 2, generator=torch.manual_seed(0)), mu=torch.zeros(5), psi=torch.full((5,), 0.2)
)
with seeded(3):
    many = chain.sample(wide, N=20, T=40).x
fit = chain.fit_chain(many, L=2, max_steps=60, tol=0)
angle = torch.linalg.eigvals(fit.params.A).angle().abs().max()
print(
    f"EM over {len(many)} sequences: turn {angle:.3f} a step (drawn with {turn}), log p {fit.log_lik[-1]:.2f} from {fit.log_lik[0]:.2f} nats"
)
assert (fit.log_lik.diff() > -1e-9).all()
assert abs(angle - turn) < 0.03

# %% [markdown]
# ## Lecture demo
#
# Where the topics lie in the latent space of the packaged model, and what the decoder writes there: drag the ring. Nothing is trained here.
#
# <details><summary>Speaker note</summary>
#
# 1. *Six regions.* Each mark is a sentence at its $\mu(x)$, in the plane that separates the topics best. The model was not given the topics: ask why sentences of one topic lie together.
# 2. *Cross a border.* Drag the ring slowly from one region into another and read: the structure stays while nouns and verbs change. The bars say how sure the decoder is of each word; on a border it is unsure of the first noun, and the verb follows that noun.
# 3. *What z leaves out.* Tense and number hardly change: the decoder chooses them as it writes. Ask why the topic went into $z$ and they did not.
#
# </details>

# %%
explore("topics")

# %% [markdown]
# ## Summary
#
# 1. In a chain, the sum over $C^T$ paths takes $T$ steps of $C^2$ products; in log space it does not underflow.
# 2. The forward and backward recursions give the posterior of each state and the expected counts that EM needs. The best path need not be the path of the best states.
# 3. The Kalman filter and smoother are conditioning in one Gaussian; without memory the model is factor analysis.
# 4. On a language of known entropy a recurrent net came within 0.2 nats of the floor, and so did a sentence VAE that ignores $z$: collapse cost no likelihood.
# 5. Annealing, free bits and word dropout keep $z$ in use. They gain a representation, not likelihood; test it on draws of $z$. Report an importance-weighted NLL, not the ELBO in its place.
#
# **To read** Rabiner 1989, the tutorial on hidden Markov models; Bishop 2006, chapter 13; Bowman et al. 2016, *Generating sentences from a continuous space*; Kingma et al. 2016, for free bits.
#
# **The next question** is yours, since this is the last stage. Which model would you choose for your own data, and with what would you compare it?
