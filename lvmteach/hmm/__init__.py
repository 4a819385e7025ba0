"""Hidden Markov models: a chain of hidden states, each of which emits an observation.

    p(x, z) = p(z_1) prod_t p(z_t+1 | z_t) prod_t p(x_t | z_t)

| on paper | in code | shape |
|---|---|---|
| p(z_1) | params.start | C |
| p(z_t+1 = d given z_t = c) | params.transition[c, d] | C x C |
| log p(x_t given z_t = c) | params.emission.log_prob(x) | N x T x C |
| p(z_t = c given x) | posterior(x, params).state | N x T x C |

`sequences` is the border, for batches of unequal length; `recursions` sums and maximises over paths in log space;
`model` answers questions; `fitting` is EM. A datum is a sequence: log-likelihoods are in nats, summed over its steps.
"""

from lvmteach.hmm.fitting import Expected, e_step, fit_from, fit_hmm, m_step, random_start
from lvmteach.hmm.model import (
    HMM,
    Categorical,
    Draws,
    Gaussian,
    Posterior,
    log_joint,
    log_likelihood,
    posterior,
    sample,
    viterbi,
)
from lvmteach.hmm.recursions import Path
from lvmteach.hmm.sequences import Sequences, sequences

__all__ = [
    "HMM",
    "Categorical",
    "Draws",
    "Expected",
    "Gaussian",
    "Path",
    "Posterior",
    "Sequences",
    "e_step",
    "fit_from",
    "fit_hmm",
    "log_joint",
    "log_likelihood",
    "m_step",
    "posterior",
    "random_start",
    "sample",
    "sequences",
    "viterbi",
]
