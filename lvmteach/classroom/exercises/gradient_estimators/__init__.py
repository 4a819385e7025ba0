"""Stage 07: gradient estimators. Draws, noise and uniforms come in as numbers, so nothing here is left to chance."""

from lvmteach.classroom.exercises.gradient_estimators.best_baseline import best_baseline
from lvmteach.classroom.exercises.gradient_estimators.binary_rules import binary_rules
from lvmteach.classroom.exercises.gradient_estimators.by_tangent import by_tangent
from lvmteach.classroom.exercises.gradient_estimators.cubic_bias import cubic_bias
from lvmteach.classroom.exercises.gradient_estimators.deep_decoder import deep_decoder
from lvmteach.classroom.exercises.gradient_estimators.doubled_dimension import doubled_dimension
from lvmteach.classroom.exercises.gradient_estimators.elbo_gradient import elbo_gradient
from lvmteach.classroom.exercises.gradient_estimators.five_classes import five_classes
from lvmteach.classroom.exercises.gradient_estimators.gumbel_max import gumbel_max
from lvmteach.classroom.exercises.gradient_estimators.path_gradients import path_gradients
from lvmteach.classroom.exercises.gradient_estimators.score import score
from lvmteach.classroom.exercises.gradient_estimators.simulator import simulator
from lvmteach.classroom.exercises.gradient_estimators.soft_codes import soft_codes
from lvmteach.classroom.exercises.gradient_estimators.surrogate import surrogate
from lvmteach.classroom.exercises.gradient_estimators.which_biases import which_biases

# In the order of the sheet.
__all__ = [
    "best_baseline",
    "binary_rules",
    "by_tangent",
    "cubic_bias",
    "deep_decoder",
    "doubled_dimension",
    "elbo_gradient",
    "five_classes",
    "gumbel_max",
    "path_gradients",
    "score",
    "simulator",
    "soft_codes",
    "surrogate",
    "which_biases",
]
