"""Stage 02: factor analysis and probabilistic PCA. psi holds the noise variances; sizes N, D, L always differ."""

from lvmteach.classroom.exercises.factor_analysis.align import align
from lvmteach.classroom.exercises.factor_analysis.bound import bound
from lvmteach.classroom.exercises.factor_analysis.far_away import far_away
from lvmteach.classroom.exercises.factor_analysis.grouped_noise import grouped_noise
from lvmteach.classroom.exercises.factor_analysis.impute import impute
from lvmteach.classroom.exercises.factor_analysis.impute_hidden import impute_hidden
from lvmteach.classroom.exercises.factor_analysis.log_lik import log_lik
from lvmteach.classroom.exercises.factor_analysis.ppca_bic import ppca_bic
from lvmteach.classroom.exercises.factor_analysis.update import update
from lvmteach.classroom.exercises.factor_analysis.what_turns import what_turns

# In the order of the sheet.
__all__ = [
    "align",
    "bound",
    "far_away",
    "grouped_noise",
    "impute",
    "impute_hidden",
    "log_lik",
    "ppca_bic",
    "update",
    "what_turns",
]
