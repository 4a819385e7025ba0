"""Stage 03: Gaussian mixtures. Parameters come in as tensors: weights (C,), means (C, D), covariances (C, D, D)."""

from lvmteach.classroom.exercises.gaussian_mixtures.a_tenth import a_tenth
from lvmteach.classroom.exercises.gaussian_mixtures.bernoulli_step import bernoulli_step
from lvmteach.classroom.exercises.gaussian_mixtures.bic import bic
from lvmteach.classroom.exercises.gaussian_mixtures.collapse import collapse
from lvmteach.classroom.exercises.gaussian_mixtures.log_joint import log_joint
from lvmteach.classroom.exercises.gaussian_mixtures.log_likelihood import log_likelihood
from lvmteach.classroom.exercises.gaussian_mixtures.m_step import m_step
from lvmteach.classroom.exercises.gaussian_mixtures.repair import repair
from lvmteach.classroom.exercises.gaussian_mixtures.responsibilities import responsibilities
from lvmteach.classroom.exercises.gaussian_mixtures.scale_gradient import scale_gradient

# In the order of the sheet.
__all__ = [
    "a_tenth",
    "bernoulli_step",
    "bic",
    "collapse",
    "log_joint",
    "log_likelihood",
    "m_step",
    "repair",
    "responsibilities",
    "scale_gradient",
]
