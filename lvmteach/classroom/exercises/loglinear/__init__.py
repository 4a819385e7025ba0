"""Stage 04: log-linear models by EM. Every outcome is listed, so every expectation is a sum."""

from lvmteach.classroom.exercises.loglinear.clamped import clamped
from lvmteach.classroom.exercises.loglinear.curvature import curvature
from lvmteach.classroom.exercises.loglinear.saturated import saturated
from lvmteach.classroom.exercises.loglinear.which_climbs import which_climbs

__all__ = ["clamped", "curvature", "saturated", "which_climbs"]
