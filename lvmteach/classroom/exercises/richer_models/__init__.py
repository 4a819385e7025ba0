"""Stage 10: richer priors, beta, counts and missing pixels. Noise, masks and weights come in as arguments.

Most mistakes are ones seen in public code: the log-sum-exp taken in each dimension, the mean alone for q(c|x), draws
from N(0, I) under another prior, a density for a mass, zeros scored as data."""

from lvmteach.classroom.exercises.richer_models.best_q_c import best_q_c
from lvmteach.classroom.exercises.richer_models.beta_loss import beta_loss
from lvmteach.classroom.exercises.richer_models.draw_codes import draw_codes
from lvmteach.classroom.exercises.richer_models.impute_weighted import impute_weighted
from lvmteach.classroom.exercises.richer_models.information import information
from lvmteach.classroom.exercises.richer_models.log_mass import log_mass
from lvmteach.classroom.exercises.richer_models.log_prior import log_prior
from lvmteach.classroom.exercises.richer_models.miwae_bound import miwae_bound
from lvmteach.classroom.exercises.richer_models.no_bound import no_bound
from lvmteach.classroom.exercises.richer_models.vamp_log_prob import vamp_log_prob
from lvmteach.classroom.exercises.richer_models.water_level import water_level

# In the order of the sheet.
__all__ = [
    "best_q_c",
    "beta_loss",
    "draw_codes",
    "impute_weighted",
    "information",
    "log_mass",
    "log_prior",
    "miwae_bound",
    "no_bound",
    "vamp_log_prob",
    "water_level",
]
