"""Stage 06: wake-sleep. A layer is a pair (weight, bias), a net a tuple of layers, and uniforms come in as arguments.

units = (x, z_1, ..., z_T). generative[t] makes units[t] from units[t + 1], recognition[t] units[t + 1] from
units[t].
"""

from lvmteach.classroom.exercises.wake_sleep.delta_rule import delta_rule
from lvmteach.classroom.exercises.wake_sleep.log_joint import log_joint
from lvmteach.classroom.exercises.wake_sleep.log_marginal import log_marginal
from lvmteach.classroom.exercises.wake_sleep.recognise import recognise
from lvmteach.classroom.exercises.wake_sleep.reweighted_update import reweighted_update
from lvmteach.classroom.exercises.wake_sleep.sleep_update import sleep_update
from lvmteach.classroom.exercises.wake_sleep.weighted_twice import weighted_twice
from lvmteach.classroom.exercises.wake_sleep.what_sleep_lowers import what_sleep_lowers
from lvmteach.classroom.exercises.wake_sleep.with_one_draw import with_one_draw

# In the order of the sheet.
__all__ = [
    "delta_rule",
    "log_joint",
    "log_marginal",
    "recognise",
    "reweighted_update",
    "sleep_update",
    "weighted_twice",
    "what_sleep_lowers",
    "with_one_draw",
]
