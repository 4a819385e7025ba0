"""Stage 02: factor analysis and probabilistic PCA. psi holds the noise variances; sizes N, D, L always differ."""

from lvmteach.classroom.exercises.factor_analysis.align import align
from lvmteach.classroom.exercises.factor_analysis.closed_form import closed_form
from lvmteach.classroom.exercises.factor_analysis.e_step import e_step
from lvmteach.classroom.exercises.factor_analysis.far_away import far_away
from lvmteach.classroom.exercises.factor_analysis.impute import impute
from lvmteach.classroom.exercises.factor_analysis.log_lik import log_lik
from lvmteach.classroom.exercises.factor_analysis.m_step import m_step
from lvmteach.classroom.exercises.factor_analysis.posterior import posterior
from lvmteach.classroom.exercises.factor_analysis.what_turns import what_turns

# In the order of the sheet.
__all__ = [
    "align",
    "closed_form",
    "e_step",
    "far_away",
    "impute",
    "log_lik",
    "m_step",
    "posterior",
    "what_turns",
]
