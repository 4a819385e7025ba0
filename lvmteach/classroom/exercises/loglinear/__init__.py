"""Stage 04: log-linear models by EM. Every outcome is listed, so every expectation is a sum."""

from lvmteach.classroom.exercises.loglinear.expected_counts import expected_counts
from lvmteach.classroom.exercises.loglinear.saturated import saturated
from lvmteach.classroom.exercises.loglinear.weight_gradient import weight_gradient
from lvmteach.classroom.exercises.loglinear.which_climbs import which_climbs

# In the order of the sheet.
__all__ = ["expected_counts", "saturated", "weight_gradient", "which_climbs"]
