"""Stage 09: the importance weighted bound. Weights, noise and gradients are given: nothing is left to chance."""

from lvmteach.classroom.exercises.iwae.dreg_loss import dreg_loss
from lvmteach.classroom.exercises.iwae.iwae_bound import iwae_bound
from lvmteach.classroom.exercises.iwae.mean_of_bounds import mean_of_bounds
from lvmteach.classroom.exercises.iwae.nll import nll
from lvmteach.classroom.exercises.iwae.one_more import one_more
from lvmteach.classroom.exercises.iwae.sixty_four_weights import sixty_four_weights
from lvmteach.classroom.exercises.iwae.slopes import slopes
from lvmteach.classroom.exercises.iwae.snr_curve import snr_curve
from lvmteach.classroom.exercises.iwae.subset_bound import subset_bound
from lvmteach.classroom.exercises.iwae.who_is_better import who_is_better

# In the order of the sheet.
__all__ = [
    "dreg_loss",
    "iwae_bound",
    "mean_of_bounds",
    "nll",
    "one_more",
    "sixty_four_weights",
    "slopes",
    "snr_curve",
    "subset_bound",
    "who_is_better",
]
