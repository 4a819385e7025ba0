# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 Exercises: Log-linear models by EM
#
# After these exercises you will be able to
#
# - learn a log-linear model from data with missing entries, by the features expected given what was seen;
# - compute the second derivatives of its log-likelihood, and climb it in a few steps of Newton's method;
# - say what hard EM climbs, and what a model with too many parameters cannot tell.
#
# **Time** 70 minutes; the cells run in about 10 seconds on a laptop. **Prerequisites** notebook 04; second derivatives of a logarithm
# of a sum.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $x'$ | `outcomes` | $M \times D$ | all $M$ outcomes, one per row |
# | $f(x')$ | `features` | $M \times F$ | features of each |
# | $x_n$ | `x` | $N \times D$ | data; what was not seen is NaN |
# | $w$ | `w` | $F$ | a weight for each feature; one class |
# | $N_x$ | `counts` | $M$ | how often each outcome was seen |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Logarithms are natural; tensors are float64.
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
import numpy as np
import torch
from sklearn.datasets import load_digits

from lvmteach.classroom.exercises import loglinear as check
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## Exercise 04.1: what was not seen
#
# *20 minutes, difficulty 3 of 3, from notebook 04 "Hidden classes" and notebook 02 "Missing entries"*
#
# In notebook 04 the class of each datum was hidden. Now there is one class, $p(x \mid w) = e^{w \cdot f(x)} / Z(w)$, and *parts of $x$* are
# hidden: of datum $n$ only some bits $o_n$ were seen. Its likelihood is the sum over all outcomes that agree with what was seen. By Fisher's
# identity the gradient of the log-likelihood is, once more, seen minus expected,
#
# $$\nabla_w \frac1N \sum_n \log p(x_{n, o_n} \mid w) = \frac1N \sum_n \mathbb E\big[f(x) \mid x_{n, o_n}, w\big] - \mathbb E[f(x) \mid w],$$
#
# but now the features "seen" are themselves an expectation. Return the first of the two terms.
#
# - `w` $(F)$; `features` $(M, F)$ and `outcomes` $(M, D)$, zeros and ones, row by row, in any order; `x` $(N, D)$ of zeros, ones and NaN. Scores
#   $w \cdot f$ may be over a thousand, of either sign. In some rows of `x` nothing was seen, in some all.
# - Result: $(F)$, a mean over the data.
#
# <details><summary>Hint 1</summary>
#
# For each datum make a distribution over all $M$ outcomes. Which of them have probability zero? The others are weighted by the model.
# </details>
# <details><summary>Hint 2</summary>
#
# `(x[:, None] == outcomes) | x[:, None].isnan()` has shape $(N, M, D)$. An outcome agrees with a datum if it is True for all bits.
# </details>


# %%
def clamped(w, features, outcomes, x):
    """Mean over the data of E[f | what was seen], (F,); w (F,), features (M, F), outcomes (M, D), x (N, D) with NaN."""
    ### BEGIN SOLUTION
    agrees = ((x[:, None] == outcomes) | x[:, None].isnan()).all(dim=2)  # (N, M)
    # The posterior over whole outcomes: zero where a seen bit differs, else as the model has it.
    log_joint = torch.where(agrees, features @ w, -torch.inf)
    posterior = torch.softmax(log_joint, dim=1)
    return posterior.mean(dim=0) @ features
    ### END SOLUTION


# %%
clamped = check.clamped(clamped)

# %% [markdown]
# Data: the middle of each 8 x 8 digit as six blocks, dark or light: 64 outcomes. Features: the six blocks, and for each
# of the three rows whether both of its blocks are dark. Then each block is hidden with probability 0.4, whatever it shows; so the holes may be
# ignored (MAR, notebook 02).

# %%
images = load_digits().images[:, 1:7, 2:6]
ink = images.reshape(-1, 3, 2, 2, 2).mean((2, 4)).reshape(-1, 6)
dark = torch.tensor(ink > np.median(ink, 0)).double()
N = len(dark)
outcomes = (torch.arange(64)[:, None] >> torch.arange(5, -1, -1) & 1).double()
features = torch.cat([outcomes, outcomes[:, ::2] * outcomes[:, 1::2]], 1)
counts = torch.bincount((dark.long() * 2 ** torch.arange(5, -1, -1)).sum(1), minlength=64).double()


def with_holes(seed):
    with seeded(seed):
        return dark.masked_fill(torch.rand(N, 6) < 0.4, torch.nan)


x = with_holes(41)
print(f"{N} digits, of which {int((~x.isnan()).all(1).sum())} are whole; expected {N * 0.6**6:.0f}")

# %% [markdown]
# First the gradient. The oracle writes out the sum over what was not seen, datum by datum, and leaves the rest to autograd.


# %%
def observed_log_lik(w, x):
    """Log-likelihood of what was seen, nats a digit."""
    total = 0.0
    for one in x:
        seen = ~one.isnan()
        like = (outcomes[:, seen] == one[seen]).all(1)
        total = total + (features[like] @ w).exp().sum().log() - (features @ w).exp().sum().log()
    return total / len(x)


def expected(w):
    return torch.softmax(features @ w, 0) @ features


with seeded(42):
    w = 0.5 * torch.randn(9)
slope = clamped(w, features, outcomes, x[:200]) - expected(w)
truth = torch.func.grad(observed_log_lik)(w, x[:200])
print(f"largest slope {truth.abs().max():.4f}, largest difference {(slope - truth).abs().max():.0e}")
assert torch.allclose(slope, truth, atol=1e-12)  # rounding

# %% [markdown]
# Now learn in three ways: from all digits without holes, from what was seen of each, and from the few digits that are whole. All are judged on
# all digits, without holes. **How much less than the third way does the second lose?** (No two feature vectors are further
# apart than 3, so the curvature is at most $1.5^2$ and a step of $1 / 1.5^2$ cannot overshoot.)


# %%
def learn(x, steps=300):
    w = torch.zeros(9)
    for _ in range(steps):
        w = w + (clamped(w, features, outcomes, x) - expected(w)) / 1.5**2
    return w


def judged(w):
    return float(counts @ torch.log_softmax(features @ w, 0)) / N


best, losses = judged(learn(dark)), []
for seed in range(3):
    x = with_holes(seed)
    losses.append([best - judged(learn(data)) for data in (x, x[~x.isnan().any(1)])])
    print(
        "below the model from whole digits: what was seen {:.4f}, whole digits only {:.4f} nats a digit".format(
            *losses[-1]
        )
    )
assert all(0 < seen < whole / 3 for seen, whole in losses)

# %% [markdown]
# ## Exercise 04.2: how it curves
#
# *20 minutes, difficulty 2 of 3, from notebook 04 "A log-linear model"*
#
# Without holes the log-likelihood a datum is $w \cdot \bar f - \log Z(w)$. Notebook 04 climbed it by its gradient and said that it has one maximum.
# Differentiate once more, by hand: return the matrix of second derivatives. The notebook does not have this formula, but you know the matrix
# by another name.
#
# - `w` $(F)$, `features` $(M, F)$, with scores over a thousand, of either sign. Result: $(F, F)$.
#
# <details><summary>Hint 1</summary>
#
# Only $\log Z$ curves. Its gradient is $\sum_x p(x \mid w) f(x)$. Differentiate $p(x \mid w) = e^{w \cdot f(x)} / Z(w)$.
# </details>
# <details><summary>Hint 2</summary>
#
# $\nabla p(x \mid w) = p(x \mid w) \big( f(x) - \mathbb E[f] \big)$. What is $\mathbb E\big[ f (f - \mathbb E f)^\top \big]$?
# </details>


# %%
def curvature(w, features):
    """Second derivatives of the log-likelihood a datum, (F, F); w (F,), features (M, F)."""
    ### BEGIN SOLUTION
    p = torch.softmax(features @ w, dim=0)
    away = features - p @ features
    # Minus the covariance of the features under the model.
    return -torch.einsum("m,mf,mg->fg", p, away, away)
    ### END SOLUTION


# %%
curvature = check.curvature(curvature)

# %% [markdown]
# Newton's method divides the gradient by the curvature, $w \leftarrow w - H^{-1} \nabla$. **How many steps will it need, and how many the gradient?**

# %%
seen = counts @ features / N
by_newton, by_gradient = [torch.zeros(9)], [torch.zeros(9)]
for _ in range(8):
    w = by_newton[-1]
    by_newton.append(w - torch.linalg.solve(curvature(w, features), seen - expected(w)))
for _ in range(300):
    by_gradient.append(by_gradient[-1] + (seen - expected(by_gradient[-1])) / 1.5**2)
top = judged(by_newton[-1])
fig, ax = plots.figure()
for path, name, style in ((by_newton, "Newton", "o-"), (by_gradient, "gradient", "-")):
    ax.semilogy([max(top - judged(w), 1e-16) for w in path], style, label=name)
ax.set(xlabel="step", ylabel="below the maximum, nats a digit", xscale="symlog", xlim=(0, 300))
ax.legend()
plots.show(
    fig,
    alt="The distance to the maximum: Newton's reaches rounding within a few steps, the gradient's falls along a line.",
)
assert top - judged(by_newton[5]) < 1e-12  # rounding
assert top - judged(by_gradient[5]) > 1e-4
assert torch.linalg.eigvalsh(curvature(w, features)).max() < 0  # a maximum, and no other direction goes up
assert torch.allclose(
    curvature(w, features),
    -torch.tensor(np.cov(features.T.numpy(), aweights=torch.softmax(features @ w, 0), bias=True)),
)

# %% [markdown]
# ## Exercise 04.3: what hard EM climbs
#
# *5 minutes, difficulty 1 of 3, from notebook 04 "Further: hard and stochastic EM"*
#
# Hard EM gives each datum to its most probable class before the M step. What never falls from step to step?
#
# - **a** $\log p(x)$, as in soft EM
# - **b** $\log p(x, z)$ with $z$ the classes that were chosen
# - **c** the entropy of the posterior
# - **d** nothing: it wanders like stochastic EM
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# Write down what the M step maximises, and what the choice of classes maximises.
# </details>
# <details><summary>Hint 2</summary>
#
# Are the two the same function?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# The choice is a maximum over z of log p(x, z), the M step a rise of it over the parameters.
answer = "b"
### END SOLUTION

# %%
check.which_climbs(answer)

# %% [markdown]
# ## Exercise 04.4: too many parameters
#
# *5 minutes, difficulty 1 of 3, from notebook 04 "Further: are the classes the same next time?"*
#
# Six bits have 64 outcomes. Three classes with 21 features each (six bits, fifteen pairs) have 65 free parameters. What follows?
#
# - **a** The classes found are the true ones: there are enough parameters.
# - **b** Nothing: 65 is not many for 1797 data.
# - **c** $p(x)$ may fit well, but it cannot tell which classes made it.
# - **d** EM cannot converge: there are more parameters than data.
#
# Write the letter in quotes, in place of the dots; capitals and blanks do no harm.
#
# <details><summary>Hint 1</summary>
#
# How many numbers does it take to say any distribution over 64 outcomes?
# </details>
# <details><summary>Hint 2</summary>
#
# What would a second run, from another start, have to find again?
# </details>

# %%
answer = ...
### BEGIN SOLUTION
# A distribution over 64 outcomes has 63 free probabilities; 65 parameters are not fixed by them.
answer = "c"
### END SOLUTION

# %%
check.saturated(answer)

# %% [markdown]
# ## Exercise 04.5: prove that one class has one maximum
#
# *20 minutes, difficulty 2 of 3, from notebook 04 "A log-linear model", and exercises 04.1 and 04.2*
#
# Prove: (1) $\log Z(w)$ is convex. (2) Without anything hidden, every $w$ with gradient zero is a maximum of the log-likelihood, and all maxima give the
# same $p(x \mid w)$. (3) With bits hidden, as in 04.1, the argument fails: say at which step. Your lecturer reads it; there is no check.

# %% [markdown] tags=["proof"]
# *(1)* The second derivative of $\log Z$ along $u$ is $u^\top \mathrm{Cov}(f)\, u = \mathbb V[u \cdot f] \ge 0$, with the variance under $p(x \mid w)$. A function
# whose second derivative is never negative along any line is convex.
#
# *(2)* $w \cdot \bar f$ is linear, so $\mathcal L(w) = w \cdot \bar f - \log Z(w)$ is concave, and where the gradient of a concave function vanishes it has its
# maximum. Let $w$ and $w'$ both be maxima and $u = w' - w$. On the line between them $\mathcal L$ is constant, so its second derivative
# $-\mathbb V[u \cdot f]$ is zero there: $u \cdot f(x)$ is the same number $k$ for every $x$ (each has positive probability). Then
# $e^{w' \cdot f(x)} = e^k e^{w \cdot f(x)}$, and the factor cancels in $p$.
#
# *(3)* Now $\log p(x_o \mid w) = \log \sum_{x' \text{ agrees}} e^{w \cdot f(x')} - \log Z(w)$. The first term was linear; now it is a $\log Z$ over fewer outcomes,
# and by (1) convex. A convex function minus a convex function can be anything, so step (2) has no beginning.

# %% [markdown] tags=["rubric"]
# **Rubric, 5 points.** 1: the curvature is a variance (or Hölder's inequality). 1: concave, *and* "gradient zero is enough" follows from it. 1: equal maxima differ by a direction in which $u \cdot f$ is constant. 1: hence the same $p$. 1: in (3) the term that was linear is named, and why it now curves the wrong way.
# A common slip: "strictly concave" is claimed; with a redundant feature it is false, and then $w$ is not unique though $p$ is.

# %% [markdown]
# ## An open problem
#
# No check here, and no single answer. In notebook 04 seven classes beat all pairs on fresh digits. Take more blocks ($4 \times 4$: 65 536 outcomes), or fewer
# digits to fit (100, 300, 1200), and make the table again. Where is the border at which the classes stop earning their parameters? Does it move if
# the number of classes is chosen on held-out digits as well?

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - What is hidden, a class or a bit, is filled in by the posterior: features seen become features expected given what was seen.
# - The log-likelihood curves by minus the covariance of the features. With nothing hidden it has one maximum, and Newton's method finds it in a few steps.
# - Hard EM climbs the joint of data and chosen classes. A *saturated* model, with more parameters than $p(x)$ has free probabilities, cannot
#   tell which classes made the data.
#
# **To read** Berger, Della Pietra and Della Pietra 1996; Dempster, Laird and Rubin 1977, section 3, for EM that does not finish its M step.
#
# **The next question** What if neither the outcomes nor the classes can be listed? Notebook 05 and its exercises.
