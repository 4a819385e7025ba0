"""Stage 01: Monte Carlo and importance sampling. Draws come in as numbers, so nothing here is left to chance."""

from lvmteach.classroom.exercises.monte_carlo.best_proposal import best_proposal
from lvmteach.classroom.exercises.monte_carlo.best_shift import best_shift
from lvmteach.classroom.exercises.monte_carlo.breaks import breaks
from lvmteach.classroom.exercises.monte_carlo.defensive import defensive
from lvmteach.classroom.exercises.monte_carlo.ess import ess
from lvmteach.classroom.exercises.monte_carlo.estimate import estimate
from lvmteach.classroom.exercises.monte_carlo.log_mean_exp import log_mean_exp
from lvmteach.classroom.exercises.monte_carlo.log_second_moment import log_second_moment
from lvmteach.classroom.exercises.monte_carlo.self_normalised import self_normalised
from lvmteach.classroom.exercises.monte_carlo.what_ess_knows import what_ess_knows

# In the order of the sheet.
__all__ = [
    "best_proposal",
    "best_shift",
    "breaks",
    "defensive",
    "ess",
    "estimate",
    "log_mean_exp",
    "log_second_moment",
    "self_normalised",
    "what_ess_knows",
]
