# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11 Exercises: sequences and time
#
# After these exercises you will be able to
#
# - write the recursions of a hidden Markov model: likelihood, expected counts, best path;
# - move a Kalman filter one step on;
# - train a sentence VAE without counting padding, without losing END, and without losing $z$;
# - report a negative log-likelihood that is one.
#
# **Time** 110 minutes; the cells run in about 10 seconds on a laptop. **Prerequisites** notebook 11; EM, the Gaussian's conditioning, the
# ELBO.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x$ | `x` | $T$; $B \times T$ | a sequence of symbols; sentences, a row each: words, END, PAD |
# | $p(z_1 = c)$ | `start` | $C$ | where the chain begins |
# | $p(z_{t+1} = d \mid z_t = c)$ | `transition[c, d]` | $C \times C$ | rows sum to one |
# | $p(x_t = v \mid z_t = c)$ | `emission[c, v]` | $C \times V$ | rows sum to one |
# | $A, Q, W, R$ | `A`, `Q`, `W`, `R` | | the linear chain: step and its noise, view and its noise |
# | $\log w$ | `log_w` | $K \times B$ | log weights of $K$ samples for each sentence |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Logarithms are natural.
#
# **What is allowed** Whatever gives the right numbers: all of PyTorch, even where it has a function that is the whole answer,
# numpy and scipy, autograd, loops, and in-place operations on tensors that you have made. Where an exercise says "by hand",
# that is for your sake: the check looks at results, not at how you got them. Return tensors of the arguments' dtype, unless
# truth values or integers are asked for; a single number may be a float, and several results a tuple or a list. Leave the
# arguments as they are, their values and whether they require a gradient, unless the exercise asks for a change. The
# gradient of a result matters only where an exercise asks for it; elsewhere call `.detach()` on what autograd has made, so
# that the cells below can plot it. Any axis of an argument may have length one, unless a smallest size is given; weights
# and probabilities are positive and logarithms finite, unless zero or $-\infty$ is mentioned.

# %%
import itertools
import math

import numpy as np
import torch

from lvmteach import hmm
from lvmteach.classroom.exercises import sequences as check
from lvmteach.data.language import language_vocabulary, read, sentences
from lvmteach.hmm import HMM, Categorical
from lvmteach.linear_gaussian.chain import LinearChain, kalman_filter
from lvmteach.runtime import seeded
from lvmteach.vae.pretrained import pretrained_sentences
from lvmteach.vocabulary import PAD, START, UNKNOWN

# %% [markdown]
# A chain for the first three exercises: three states, four symbols, and sixty observations.

# %%
start = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
transition = torch.tensor([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.3, 0.1, 0.6]], dtype=torch.float64)
emission = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0.05, 0.05, 0.3, 0.6]], dtype=torch.float64)
model = HMM(start, transition, Categorical(emission))
with seeded(11):
    x, z = (part[0] for part in hmm.sample(model, N=1, T=60))
print("symbols", "".join(map(str, x.tolist())))
print("states ", "".join(map(str, z.tolist())))

# %% [markdown]
# ## Exercise 11.1: the forward recursion in log space
#
# *15 minutes, difficulty 2 of 3, from notebook 11 "The forward recursion, and underflow"*
#
# Return $\log p(x)$, in nats, summed over all paths of states.
#
# - `x` $(T)$ whole numbers, `start` $(C)$, `transition` $(C, C)$, `emission` $(C, V)$, rows summing to one.
# - Result: one number, right for $T = 3000$ as well.
#
# <details><summary>Hint 1</summary>
#
# Keep $\log \alpha_t$, one number a state. What is $\alpha_1$, and what happens to the factor $p(x_1 \mid c)$?
# </details>
# <details><summary>Hint 2</summary>
#
# `log_alpha[:, None] + transition.log()` has the old state on the first axis and the new one on the second. Over which one do you sum, and by which function?
# </details>


# %%
def forward(x, start, transition, emission):
    """log p(x), one number, nats; x (T,), start (C,), transition (C, C), emission (C, V)."""
    ### BEGIN SOLUTION
    log_alpha = torch.log(start) + torch.log(emission[:, x[0]])
    for symbol in x[1:]:
        # All ways to arrive in d: over the state one comes from, the first axis.
        arrived = torch.logsumexp(log_alpha[:, None] + torch.log(transition), dim=0)
        log_alpha = arrived + torch.log(emission[:, symbol])
    return torch.logsumexp(log_alpha, dim=0)
    ### END SOLUTION


# %%
forward = check.forward(forward)

# %% [markdown]
# Compare with all $3^8$ paths for the first eight symbols, and with the library for all sixty.

# %%
terms = []
for path in itertools.product(range(3), repeat=8):
    steps = [start[path[0]], *(transition[a, b] for a, b in itertools.pairwise(path))]
    seen = [emission[c, symbol] for c, symbol in zip(path, x[:8], strict=True)]
    terms.append(math.prod(map(float, steps + seen)))
print(
    f"8 symbols: {forward(x[:8], start, transition, emission):.8f}; {len(terms)} paths: {math.log(math.fsum(terms)):.8f}"
)
print(
    f"60 symbols: {forward(x, start, transition, emission):.8f}; the library: {hmm.log_likelihood(x[None], model).item():.8f}"
)
assert abs(forward(x[:8], start, transition, emission) - math.log(math.fsum(terms))) < 1e-10  # rounding
assert abs(forward(x, start, transition, emission) - hmm.log_likelihood(x[None], model)[0]) < 1e-9

# %% [markdown]
# ## Exercise 11.2: expected counts
#
# *10 minutes, difficulty 2 of 3, from notebook 11 "EM: letters find their vowels"*
#
# The E step gives $p(z_t = c, z_{t+1} = d \mid x)$ for every step of every sequence. Return the transition matrix that the M step makes of them.
#
# - `pairs` $(N, T - 1, C, C)$: entry $[n, t, c, d]$ for the step from $t$ to $t + 1$. Sequences have different lengths; behind an end stands something, and it does not count.
# - `lengths` $(N)$: how many observations each sequence has.
# - Result: $(C, C)$, rows summing to one.
#
# <details><summary>Hint 1</summary>
#
# A sequence of $n$ observations has how many steps? Which entries of `pairs` are they?
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.arange(1, T) < lengths[:, None]` says for each step whether it leads to an observation. Add counts first, then divide each row.
# </details>


# %%
def new_transition(pairs, lengths):
    """The M step's transition matrix (C, C); pairs (N, T - 1, C, C), lengths (N,)."""
    ### BEGIN SOLUTION
    leads_to_something = torch.arange(1, pairs.shape[1] + 1) < lengths[:, None]
    counts = torch.einsum("ntcd,nt->cd", pairs, leads_to_something.to(pairs.dtype))
    return counts / counts.sum(dim=1, keepdim=True)
    ### END SOLUTION


# %%
new_transition = check.new_transition(new_transition)

# %% [markdown]
# With the states known, the posteriors are zeros and ones, and the matrix is the share of each step. Many sequences bring it near the truth.

# %%
with seeded(12):
    _, many = hmm.sample(model, N=400, T=50)
with seeded(13):
    ends = torch.randint(2, 51, (400,))
one_hot = torch.nn.functional.one_hot(many, 3).double()
learnt = new_transition(one_hot[:, :-1, :, None] * one_hot[:, 1:, None, :], ends)
print(learnt.numpy().round(3), "from\n", transition.numpy())
assert (
    learnt - transition
).abs().max() < 0.05  # some 1000 steps out of the rarest state: five standard errors of 0.015 and less

# %% [markdown]
# ## Exercise 11.3: the best path
#
# *20 minutes, difficulty 3 of 3, from notebook 11 "The best path is not the path of best states"*
#
# Return $\arg\max_z p(z \mid x)$.
#
# - Arguments as in 11.1. Result: $(T)$ whole numbers.
#
# <details><summary>Hint 1</summary>
#
# Put a maximum where 11.1 has its sum. For each state at each step, remember which state the maximum came from.
# </details>
# <details><summary>Hint 2</summary>
#
# `best, came_from = (log_best[:, None] + transition.log()).max(0)`. At the end, take the best last state and walk back through the list of `came_from`.
# </details>


# %%
def best_path(x, start, transition, emission):
    """The most probable path (T,) given all of x; arguments as for `forward`."""
    ### BEGIN SOLUTION
    log_best, sources = torch.log(start) + torch.log(emission[:, x[0]]), []
    for symbol in x[1:]:
        reached, came_from = (log_best[:, None] + torch.log(transition)).max(dim=0)
        log_best = reached + torch.log(emission[:, symbol])
        sources.append(came_from)
    state = log_best.argmax()
    path = [state]
    for came_from in sources[::-1]:
        state = came_from[state]
        path.insert(0, state)
    return torch.stack(path)
    ### END SOLUTION


# %%
best_path = check.best_path(best_path)

# %% [markdown]
# How often are the best path and the best states right about the true states? **Which one should be?**

# %%
path, states = best_path(x, start, transition, emission), hmm.posterior(x[None], model).state[0].argmax(1)
for name, one in (("true states", z), ("best path", path), ("best states", states)):
    print(
        f"{name:12}",
        "".join(map(str, one.tolist())),
        f"log p(x, z) {hmm.log_joint(x[None], one[None], model).item():.2f}",
    )
with seeded(16):
    seen, true = hmm.sample(model, N=500, T=60)
guessed = {"best path": hmm.viterbi(seen, model).z, "best states": hmm.posterior(seen, model).state.argmax(2)}
right = {name: (guess == true).double().mean(1) for name, guess in guessed.items()}
gap = right["best states"] - right["best path"]
print(
    {name: f"right {share.mean():.1%}" for name, share in right.items()},
    f"difference {gap.mean():.1%} ± {gap.std() / math.sqrt(500):.1%}",
)
assert torch.equal(path, hmm.viterbi(x[None], model).z[0])
assert gap.mean() > 3 * gap.std() / math.sqrt(
    500
)  # states chosen one by one are right more often; a path they need not be

# %% [markdown]
# ## Exercise 11.4: a step of the Kalman filter
#
# *15 minutes, difficulty 3 of 3, from notebook 11 "A chain of vectors: the Kalman filter"*
#
# You know $p(z_{t-1} \mid x_1 \dots x_{t-1}) = \mathcal N(m, P)$ and see $x_t$. Return mean and covariance of $p(z_t \mid x_1 \dots x_t)$, where $z_t = A z_{t-1} + \mathcal N(0, Q)$ and $x_t = W z_t + \mathcal N(0, R)$.
#
# - `m` $(L)$, `P` $(L, L)$, `x` $(D)$, `A` $(L, L)$, `Q` $(L, L)$, `W` $(D, L)$, `R` $(D, D)$.
# - Result: the pair `(mean, cov)`, $(L)$ and $(L, L)$.
#
# <details><summary>Hint 1</summary>
#
# Two stages: predict $z_t$ before you look, then condition on $x_t$. In which of them does the step's noise $Q$ enter?
# </details>
# <details><summary>Hint 2</summary>
#
# After the prediction, $(z_t, x_t)$ is one Gaussian: $\mathrm{Cov}(z, x) = P W^\top$, $\mathrm{Cov}(x) = W P W^\top + R$. Conditioning is notebook 02's formula.
# </details>


# %%
def kalman_step(m, P, x, A, Q, W, R):
    """Mean (L,) and covariance (L, L) of z_t given x_1..x_t; m and P are those of z_t-1 given x_1..x_t-1."""
    ### BEGIN SOLUTION
    # Predict: the mean moves, the spread moves and grows.
    m, P = A @ m, A @ P @ A.T + Q
    # Condition the joint Gaussian of z_t and x_t on x_t.
    gain = P @ W.T @ torch.linalg.inv(W @ P @ W.T + R)
    return m + gain @ (x - W @ m), P - gain @ W @ P
    ### END SOLUTION


# %%
kalman_step = check.kalman_step(kalman_step)

# %% [markdown]
# Follow a target that turns. The oracle is the library's filter, which inverts other matrices.

# %%
A = 0.98 * torch.tensor([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]], dtype=torch.float64)
eye = torch.eye(2, dtype=torch.float64)
target = LinearChain(m=torch.zeros(2), P=eye, A=A, Q=0.05 * eye, mu=torch.zeros(2), W=eye, psi=torch.full((2,), 0.5))
observed = torch.tensor([[1.0, 0.2], [0.6, 1.1], [0.1, 1.4]], dtype=torch.float64)
library = kalman_filter(observed[None], target)
mean, cov = library.mean[0, 0], library.cov[0]
for t in (1, 2):
    mean, cov = kalman_step(mean, cov, observed[t], A, target.Q, target.W, torch.diag(target.psi).double())
    print(f"t = {t + 1}: mean {mean.numpy().round(4)}, spread {cov.diagonal().sqrt().numpy().round(4)}")
    assert torch.allclose(mean, library.mean[0, t])
    assert torch.allclose(cov, library.cov[t])

# %% [markdown]
# ## Exercise 11.5: sentences of unequal length
#
# *10 minutes, difficulty 1 of 3, from notebook 11 "A language with a known floor"*
#
# A decoder gives logits of each next event. Return $-\log p(x)$ of each sentence, in nats.
#
# - `logits` $(B, T, V)$: at place $t$ those of $x_t$, made from $x_1 \dots x_{t-1}$. `x` $(B, T)$: words (`UNKNOWN` is one), `END`, then `PAD` (the number 0).
# - Result: $(B)$, summed over the events of a sentence.
#
# <details><summary>Hint 1</summary>
#
# Which of the $T$ places are events? Add ten columns of padding in your mind: what must not change?
# </details>
# <details><summary>Hint 2</summary>
#
# `logits.log_softmax(-1).gather(-1, x[..., None])[..., 0]` holds the log probability of what stands at each place.
# </details>


# %%
def sentence_nll(logits, x):
    """-log p of each sentence (B,), nats; logits (B, T, V), x (B, T) with PAD behind each END."""
    ### BEGIN SOLUTION
    log_p = logits.log_softmax(dim=-1)
    told = log_p.gather(-1, x.unsqueeze(-1)).squeeze(-1)
    # Words and END are events, padding is none.
    return -torch.where(x == PAD, 0.0, told).sum(dim=1)
    ### END SOLUTION


# %%
sentence_nll = check.sentence_nll(sentence_nll)

# %% [markdown]
# ## Exercise 11.6: what the decoder reads
#
# *10 minutes, difficulty 2 of 3, from notebook 11 "Further: free bits and word dropout"*
#
# Return what the decoder reads when it has to tell $x_1, \dots, x_T$. In training, the words marked in `hide` become `UNKNOWN`.
#
# - `x` $(B, T)$, `hide` $(B, T)$, truth values, one for each place *that is read*, and False where `END` or `PAD` is; `training`, `True` or `False`. `START` and `UNKNOWN` are numbers, imported above.
# - Result: $(B, T)$. `START` is never hidden; outside training nothing is.
#
# <details><summary>Hint 1</summary>
#
# To tell $x_1$ the decoder has read nothing but START. What has it read to tell $x_t$?
# </details>
# <details><summary>Hint 2</summary>
#
# Shift by one place, `START` in front; then `torch.where`, with the first column left alone.
# </details>


# %%
def decoder_input(x, hide, training):
    """What is read (B, T); x (B, T), hide (B, T) for the places read, hidden in training only."""
    ### BEGIN SOLUTION
    beginning = torch.full((len(x), 1), START)
    words = x[:, :-1]
    if training:
        words = torch.where(hide[:, 1:], UNKNOWN, words)
    return torch.cat([beginning, words], dim=1)
    ### END SOLUTION


# %%
decoder_input = check.decoder_input(decoder_input)

# %% [markdown]
# Both at work: the packaged model's decoder, your input, your likelihood, beside the library's number.

# %%
vae, card = pretrained_sentences()
V = language_vocabulary()
with seeded(14), torch.no_grad():
    test = sentences(400)
    z = vae.encoder(test.x).sample()
    logits = vae.decoder.logits(decoder_input(test.x, torch.rand(test.x.shape) < 0.5, training=False), z)
    ours, theirs = sentence_nll(logits, test.x), -vae.decoder(z).log_prob(test.x)
print(f"-log p(x|z): {ours.mean():.3f} nats a sentence; the library's {theirs.mean():.3f}")
assert torch.allclose(ours, theirs, atol=1e-3)  # float32, fifteen events

# %% [markdown]
# ## Exercise 11.7: what collapse costs
#
# *5 minutes, difficulty 2 of 3, from notebook 11 "The sentence VAE"*
#
# A sentence VAE ends with $\mathrm{KL}(q(z \mid x) \,\|\, p(z)) = 0$ for every sentence; its decoder reads the words before. What has it lost in log-likelihood against the same decoder without $z$, trained as long?
#
# - **a** As many nats as $z$ could have said.
# - **b** Nothing.
# - **c** Log of the number of topics.
# - **d** It cannot be said: the ELBO is only a bound.
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Which distributions over sentences can a decoder express that reads its own words and ignores $z$?
# </details>
# <details><summary>Hint 2</summary>
#
# $\log p(x) - \mathrm{ELBO} = \mathrm{KL}(q(z \mid x) \,\|\, p(z \mid x))$. What is $p(z \mid x)$ when the decoder ignores $z$?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# The posterior is the prior is q: the bound is tight, and the decoder alone can be the language.
answer = "b"
### END SOLUTION

# %%
check.what_collapse_costs(answer)

# %% [markdown]
# ## Exercise 11.8: a loss that keeps z
#
# *10 minutes, difficulty 2 of 3, from notebook 11 "Why it collapses, and what annealing buys"*
#
# Return the loss of a batch: minus the mean of $\log p(x \mid z)$, plus $\beta$ times the mean KL, of which `free` nats cost nothing.
#
# - `log_lik` $(B)$, `kl` $(B)$, in nats; `beta` and `free` numbers, not negative.
# - Result: one number, to be minimised. The floor is on the *batch's mean* KL: $\max(\text{free}, \overline{\mathrm{KL}})$.
#
# <details><summary>Hint 1</summary>
#
# What is the gradient of $\max(\text{free}, \overline{\mathrm{KL}})$ below the floor? That is the point of it.
# </details>
# <details><summary>Hint 2</summary>
#
# `clamp(min=...)`, after which mean, and before which factor?
# </details>


# %%
def training_loss(log_lik, kl, beta, free):
    """The loss, one number, nats; log_lik (B,), kl (B,), KL weight beta, free nats."""
    ### BEGIN SOLUTION
    rate = torch.clamp(torch.mean(kl), min=free)
    return -torch.mean(log_lik) + beta * rate
    ### END SOLUTION


# %%
training_loss = check.training_loss(training_loss)

# %% [markdown]
# ## Exercise 11.9: an honest number
#
# *10 minutes, difficulty 1 of 3, from notebook 11 "An honest number"*
#
# Return the mean negative log-likelihood of $B$ sentences, in nats, from $K$ log weights each.
#
# - `log_w` $(K, B)$: $\log p(x \mid z) + \log p(z) - \log q(z \mid x)$ at $K$ samples, down to $-1200$.
# - Result: one number. It is not the ELBO.
#
# <details><summary>Hint 1</summary>
#
# The average of the *weights* is unbiased for $p(x)$. Where does the logarithm belong?
# </details>
# <details><summary>Hint 2</summary>
#
# Two means, over different axes, one inside the logarithm and one outside. And $\log K$.
# </details>


# %%
def honest_nll(log_w):
    """-log p(x) by importance sampling, the mean over B sentences, nats; log_w is (K, B)."""
    ### BEGIN SOLUTION
    K = log_w.shape[0]
    log_p = torch.logsumexp(log_w, dim=0) - math.log(K)
    return -log_p.mean()
    ### END SOLUTION


# %%
honest_nll = check.honest_nll(honest_nll)

# %% [markdown]
# **How many nats would the ELBO hide here?**

# %%
with seeded(15), torch.no_grad():
    log_w = vae.log_weights(test.x, K=100)
floor = -np.mean([read(sentence).log_prob for sentence in V.decode(test.x)])
for K in (1, 10, 100):
    print(f"K = {K:3}: {honest_nll(log_w[:K]):.3f} nats")
print(f"-ELBO {-log_w.mean():.3f}; no model can be below {floor:.3f} on these sentences, on average")
assert honest_nll(log_w) < -log_w.mean()
assert honest_nll(log_w) > floor - 0.15  # 400 sentences

# %% [markdown]
# ## Exercise 11.10: from one sentence to another
#
# *5 minutes, difficulty 1 of 3, from notebook 11 "Through topic space"*
#
# Return $n$ codes at equal steps from the code of one sentence to that of another, both ends included.
#
# - `mu` $(B, L)$, a code a row; `first` and `last`, the numbers of two rows; `n` at least 2. Result: $(n, L)$.
#
# <details><summary>Hint 1</summary>
#
# Code $i$ is a mixture of the two ends. Which share of the last has it?
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.linspace(0, 1, n)`, with an axis more, times one row each.
# </details>


# %%
def along_the_line(mu, first, last, n):
    """n codes (n, L) from mu[first] to mu[last]; mu (B, L)."""
    ### BEGIN SOLUTION
    share = torch.linspace(0, 1, n, dtype=mu.dtype).unsqueeze(1)
    return mu[first] + share * (mu[last] - mu[first])
    ### END SOLUTION


# %%
along_the_line = check.along_the_line(along_the_line)

# %%
with torch.no_grad():
    mu = vae.encoder(test.x).mean
first, last = int((test.topic == 0).nonzero()[0]), int((test.topic == 3).nonzero()[0])
for sentence in V.decode(vae.decoder.greedy(along_the_line(mu, first, last, 6))):
    print(sentence)

# %% [markdown]
# ## An open problem
#
# No check here, and no single answer. The language has two tenses, and each sentence has one; the packaged model's $z$ does not hold it. Find a way to train a sentence VAE whose $z$ holds tense as well as topic, without telling it what a tense is. How do you
# measure that it does, and what did it cost in likelihood?

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - Sums over paths are done step by step, in log space, with the first observation in the first column.
# - Expected counts live within sequences; rows of a transition matrix sum to one.
# - The best path keeps all ends until the last step; the filter predicts first and looks then.
# - Padding is no event and END is one; what the decoder reads is shifted by one place.
# - Free bits hold a batch's mean; a KL weight and dropout are for training, and the number to report is importance-weighted.
#
# **To read** Rabiner 1989; Bishop 2006, chapter 13; Bowman et al. 2016.
#
# **The next question** This was the last sheet. Which of the course's models would you fit to your own data, and against which baseline?
