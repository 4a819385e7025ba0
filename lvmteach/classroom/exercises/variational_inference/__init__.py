"""Stage 05: variational inference. Every expectation is a finite sum or a closed form; nothing is left to chance."""

from lvmteach.classroom.exercises.variational_inference.cavi_sweep import cavi_sweep
from lvmteach.classroom.exercises.variational_inference.climb import climb
from lvmteach.classroom.exercises.variational_inference.closer_together import closer_together
from lvmteach.classroom.exercises.variational_inference.elbo import elbo
from lvmteach.classroom.exercises.variational_inference.gap import gap
from lvmteach.classroom.exercises.variational_inference.gaussian_elbo import gaussian_elbo
from lvmteach.classroom.exercises.variational_inference.gaussian_kl import gaussian_kl
from lvmteach.classroom.exercises.variational_inference.noise_step import noise_step
from lvmteach.classroom.exercises.variational_inference.when_tight import when_tight
from lvmteach.classroom.exercises.variational_inference.which_gap import which_gap
from lvmteach.classroom.exercises.variational_inference.widest_loses import widest_loses

# In the order of the sheet.
__all__ = [
    "cavi_sweep",
    "climb",
    "closer_together",
    "elbo",
    "gap",
    "gaussian_elbo",
    "gaussian_kl",
    "noise_step",
    "when_tight",
    "which_gap",
    "widest_loses",
]
