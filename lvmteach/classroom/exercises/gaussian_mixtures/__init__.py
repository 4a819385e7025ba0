"""Stage 03: Gaussian mixtures. Parameters come in as tensors: weights (C,), means (C, D), covariances (C, D, D)."""

from lvmteach.classroom.exercises.gaussian_mixtures.a_tenth import a_tenth
from lvmteach.classroom.exercises.gaussian_mixtures.bernoulli_step import bernoulli_step
from lvmteach.classroom.exercises.gaussian_mixtures.bic import bic
from lvmteach.classroom.exercises.gaussian_mixtures.collapse import collapse
from lvmteach.classroom.exercises.gaussian_mixtures.floor import floor
from lvmteach.classroom.exercises.gaussian_mixtures.log_joint import log_joint
from lvmteach.classroom.exercises.gaussian_mixtures.log_likelihood import log_likelihood
from lvmteach.classroom.exercises.gaussian_mixtures.partial_labels import partial_labels
from lvmteach.classroom.exercises.gaussian_mixtures.scale_gradient import scale_gradient
from lvmteach.classroom.exercises.gaussian_mixtures.tied_step import tied_step

__all__ = [
    "a_tenth",
    "bernoulli_step",
    "bic",
    "collapse",
    "floor",
    "log_joint",
    "log_likelihood",
    "partial_labels",
    "scale_gradient",
    "tied_step",
]
