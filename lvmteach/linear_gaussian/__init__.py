"""Factor analysis and probabilistic PCA: z ~ N(0, I), x | z ~ N(mu + W z, Psi). Psi is diagonal, or sigma^2 I.

`model` holds what the parameters say about data (posterior, likelihood, draws, imputation), `sufficient` the one
pass over the data and PPCA's closed form, `fitting` EM, `missing` EM's steps for data with holes; `chain` gives the
latent a memory from one step to the next (Kalman). Nowhere is a D x D
matrix inverted.
"""

from lvmteach.linear_gaussian.fitting import (
    Expected,
    e_step,
    fit_fa,
    fit_ppca,
    m_step_fa,
    m_step_ppca,
)
from lvmteach.linear_gaussian.model import (
    Draws,
    LinearGaussian,
    Posterior,
    covariance,
    impute,
    log_likelihood,
    posterior,
    sample,
)
from lvmteach.linear_gaussian.sufficient import Moments, moments, ppca_closed_form

__all__ = [
    "Draws",
    "Expected",
    "LinearGaussian",
    "Moments",
    "Posterior",
    "covariance",
    "e_step",
    "fit_fa",
    "fit_ppca",
    "impute",
    "log_likelihood",
    "m_step_fa",
    "m_step_ppca",
    "moments",
    "posterior",
    "ppca_closed_form",
    "sample",
]
