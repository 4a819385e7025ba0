"""Stage 11: sequences and time. Chains come in as start (C,), transition (C, C), emission (C, V); rows sum to one."""

from lvmteach.classroom.exercises.sequences.along_the_line import along_the_line
from lvmteach.classroom.exercises.sequences.best_path import best_path
from lvmteach.classroom.exercises.sequences.decoder_input import decoder_input
from lvmteach.classroom.exercises.sequences.forward import forward
from lvmteach.classroom.exercises.sequences.honest_nll import honest_nll
from lvmteach.classroom.exercises.sequences.kalman_step import kalman_step
from lvmteach.classroom.exercises.sequences.new_transition import new_transition
from lvmteach.classroom.exercises.sequences.sentence_nll import sentence_nll
from lvmteach.classroom.exercises.sequences.training_loss import training_loss
from lvmteach.classroom.exercises.sequences.what_collapse_costs import what_collapse_costs

# In the order of the sheet.
__all__ = [
    "along_the_line",
    "best_path",
    "decoder_input",
    "forward",
    "honest_nll",
    "kalman_step",
    "new_transition",
    "sentence_nll",
    "training_loss",
    "what_collapse_costs",
]
