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
# - run EM for a log-linear model with latent classes, from expected counts and a gradient;
# - say what hard EM climbs, and what a model with too many parameters can tell.
#
# **Time** 40 minutes; the cells run in about 5 seconds on a laptop. **Prerequisites** notebook 04; derivatives of a logarithm of a
# sum.
#
# | maths | code | shape | meaning |
# |---|---|---|---|
# | $f(x)$ | `features` | $M \times F$ | features of all $M$ outcomes |
# | $N_x$ | `counts` | $M$ | how often each outcome was seen |
# | $\log \pi_c, w_c$ | `log_pi`, `w` | $C$, $C \times F$ | log-probability of each class, its weights |
# | $\bar\pi_c, \bar f_c$ | `classes`, `totals` | $C$, $C \times F$ | expected counts, per datum |
#
# **How it works** Fill in a function where it says so, run its cell, then the check below it. The check hands your
# function back once it passes. Until then it hands back the reference, and says so, so every later cell runs and
# shows what yours will show. Logarithms are natural; tensors are float64.

# %%
import math

import numpy as np
import torch
from sklearn.datasets import load_digits

from lvmteach.classroom.exercises import loglinear as check
from lvmteach.classroom.figures import plots
from lvmteach.runtime import seeded

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## Exercise 04.1: expected counts
#
# *15 minutes, difficulty 2 of 3, from notebook 04 "Hidden classes"*
#
# All $M$ outcomes $x$ can be listed, each with its features $f(x)$, and it is known how often each was seen. The model:
# $p(z = c) = \pi_c$ and $p(x \mid z = c) = e^{w_c \cdot f(x)} / \sum_{x'} e^{w_c \cdot f(x')}$, the sum over all outcomes. Write
# its E step: with $q_{nc} = p(z = c \mid x_n)$, return
#
# $$\bar\pi_c = \frac1N \sum_n q_{nc}, \qquad \bar f_c = \frac1N \sum_n q_{nc}\, f(x_n).$$
#
# - `log_pi` $(C)$; `w` $(C, F)$; `features` $(M, F)$, a row an outcome; `counts` $(M)$, how often each was seen; $N$ is
#   their sum. Scores $w_c \cdot f$ may be in the hundreds.
# - Result: the pair `(classes, totals)`, $(C)$ and $(C, F)$, per datum.
#
# <details><summary>Hint 1</summary>
#
# The scores are $(M, C)$. Two normalisations follow one another: one over outcomes, for $p(x \mid c)$, one over classes,
# for the posterior. Which axis is which?
# </details>
# <details><summary>Hint 2</summary>
#
# Two data with the same outcome have the same posterior. So sum over outcomes, each weighted by its share of the data.
# </details>


# %%
def expected_counts(log_pi, w, features, counts):
    """(classes (C,), totals (C, F)) per datum; log_pi (C,), w (C, F), features (M, F), counts (M,)."""
    ### BEGIN SOLUTION
    # Each class is a distribution over outcomes: it normalises down its column.
    log_x_given_z = torch.log_softmax(features @ w.T, dim=0)
    # Bayes' rule along each row.
    q = torch.softmax(log_x_given_z + log_pi, dim=1)
    weighted = q * counts[:, None] / counts.sum()
    return weighted.sum(dim=0), torch.einsum("mc,mf->cf", weighted, features)
    ### END SOLUTION


# %%
expected_counts = check.expected_counts(expected_counts)

# %% [markdown]
# Data: the middle of each 8 x 8 digit as six blocks, dark or light: 64 outcomes. Features: the six blocks, and for each
# of the three rows whether both of its blocks are dark. **Sum the expected features over the classes: what do you get?**

# %%
images = load_digits().images[:, 1:7, 2:6]
blocks = images.reshape(-1, 3, 2, 2, 2).mean((2, 4)).reshape(-1, 6)
dark = torch.tensor(blocks > np.median(blocks, 0))
outcome = (dark.long() * 2 ** torch.arange(5, -1, -1)).sum(1)
counts = torch.bincount(outcome, minlength=64).double()
bits = (torch.arange(64)[:, None] >> torch.arange(5, -1, -1) & 1).double()
features = torch.cat([bits, bits[:, ::2] * bits[:, 1::2]], 1)
with seeded(43):
    start = torch.full((3,), -math.log(3)), 0.5 * torch.randn(3, 9)
classes, totals = expected_counts(*start, features, counts)
pairs = np.concatenate([dark, dark[:, ::2] & dark[:, 1::2]], 1).mean(0)  # oracle: from the images, without classes
print("over all classes", *(f"{value:.4f}" for value in totals.sum(0)), " of the images", f"{pairs[0]:.4f} ...")
assert np.allclose(totals.sum(0), pairs, atol=1e-12)  # rounding
assert abs(classes.sum() - 1) < 1e-12

# %% [markdown]
# ## Exercise 04.2: the gradient for the weights
#
# *15 minutes, difficulty 2 of 3, from notebook 04 "Hidden classes"*
#
# The M step has no closed form for $w$, but a gradient. With the expected counts held fixed, differentiate
#
# $$\frac1N \sum_n \sum_c q_{nc} \log p(x_n, z_n = c)$$
#
# for each $w_c$. What you find is the difference of two averages of features; say in words which.
#
# - `classes` $(C)$, `totals` $(C, F)$: the expected counts per datum, from the E step.
# - `w` $(C, F)$, `features` $(M, F)$, with scores in the hundreds.
# - Result: $(C, F)$. By hand, without autograd.
#
# <details><summary>Hint 1</summary>
#
# $\log p(x \mid c) = w_c \cdot f(x) - \log Z_c$. In the sum over $n$ the first part is $w_c \cdot \bar f_c$. With which factor does
# $\log Z_c$ occur?
# </details>
# <details><summary>Hint 2</summary>
#
# $\nabla \log Z_c = \nabla Z_c / Z_c = \sum_x p(x \mid c)\, f(x)$: the features that the model expects.
# </details>


# %%
def weight_gradient(classes, totals, w, features):
    """Gradient for w of the expected log joint per datum, (C, F); classes (C,), totals (C, F), features (M, F)."""
    ### BEGIN SOLUTION
    # Sum over n of q_nc (w_c f(x_n) - log Z_c) / N = w_c totals_c - classes_c log Z_c.
    p = torch.softmax(features @ w.T, dim=0)
    under_model = torch.einsum("mc,mf->cf", p, features)
    # Seen minus expected; both per datum, so the model's count as often as the class occurs.
    return totals - classes[:, None] * under_model
    ### END SOLUTION


# %%
weight_gradient = check.weight_gradient(weight_gradient)

# %% [markdown]
# Where the expected counts were just taken, this is also the gradient of $\log p(x)$ itself: bound and evidence touch
# there. The oracle lists all outcomes and classes, and leaves the rest to autograd.


# %%
def log_lik(log_pi, w):
    """Log-likelihood in nats a digit, outcome by outcome and class by class."""
    p_x = 0
    for c in range(len(w)):
        weight = (features @ w[c]).exp()
        p_x = p_x + log_pi[c].exp() * weight / weight.sum()
    return counts @ p_x.log() / counts.sum()


slope = weight_gradient(classes, totals, start[1], features)
truth = torch.func.grad(log_lik, argnums=1)(*start)
print(f"largest slope {truth.abs().max():.4f}, largest difference {(slope - truth).abs().max():.0e}")
assert torch.allclose(slope, truth, atol=1e-12)  # rounding

# %% [markdown]
# Your two functions are EM. The M step takes five gradient steps: any rise will do. (No two feature vectors are further
# apart than 3, so the curvature is at most $1.5^2$ and a step of $1 / 1.5^2$ cannot overshoot.)

# %%
log_pi, w = start
curve = [log_lik(log_pi, w)]
for _ in range(300):
    classes, totals = expected_counts(log_pi, w, features, counts)
    log_pi = classes.log()
    for _ in range(5):
        w = w + weight_gradient(classes, totals, w, features) / 1.5**2
    curve.append(log_lik(log_pi, w))
curve = torch.stack(curve)
shares = counts[counts > 0] / counts.sum()
ceiling = (shares * shares.log()).sum()  # no model can beat the shares themselves
fig, ax = plots.figure()
ax.plot(curve, color=plots.BLUE, label="three classes, nine features")
ax.axhline(ceiling, ls="--", color=plots.BLACK, label="the shares themselves")
ax.set(xscale="symlog", xlim=(0, 300), xlabel="EM step", ylabel="log p(x), nats a digit", title="no step falls")
ax.legend(loc="lower right")
plots.show(fig, alt="The log-likelihood rises over EM steps without ever falling, and stays below a dashed ceiling.")
assert (curve.diff() > -1e-12).all()  # no step falls, but for rounding
assert curve[-1] < ceiling

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
# Write the letter in quotes, in place of the dots.
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
# Write the letter in quotes, in place of the dots.
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
# ## An open problem
#
# No check here, and no single answer. Prove that with $p(z \mid x)$ for $q$ the gradient of exercise 04.2 is that of $\log p(x)$ (Fisher's identity), first for this
# model, then for any. *Rubric, 4 points:* the derivative of a logarithm of a sum (1); the quotient recognised as the posterior (1); the posterior treated as a
# weight and not differentiated, with the reason (1); a condition under which sum and derivative may be exchanged for infinitely many $z$ (1).

# %%
# Your experiments.

# %% [markdown]
# ## Summary
#
# - Expected counts share each datum out over the classes by the posterior.
# - The gradient for log-linear weights is features seen minus features expected, class by class.
# - Hard EM climbs the joint of data and chosen classes. A model with as many parameters as outcomes fits, and explains nothing.
#
# **To read** Berger, Della Pietra and Della Pietra 1996; Dempster, Laird and Rubin 1977, section 3, for EM that does not finish its M step.
#
# **The next question** What if neither the outcomes nor the classes can be listed? Notebook 05 and its exercises.
