"""Stage 09: the importance weighted bound. Weights, noise and gradients are given: nothing is left to chance."""

from lvmteach.classroom.exercises.iwae.bound_gradient import bound_gradient
from lvmteach.classroom.exercises.iwae.dreg_loss import dreg_loss
from lvmteach.classroom.exercises.iwae.jackknife import jackknife
from lvmteach.classroom.exercises.iwae.learning_signal import learning_signal
from lvmteach.classroom.exercises.iwae.one_more import one_more
from lvmteach.classroom.exercises.iwae.sixty_four_weights import sixty_four_weights
from lvmteach.classroom.exercises.iwae.slopes import slopes
from lvmteach.classroom.exercises.iwae.snr_curve import snr_curve
from lvmteach.classroom.exercises.iwae.subset_bound import subset_bound
from lvmteach.classroom.exercises.iwae.who_is_better import who_is_better

# In the order of the sheet.
__all__ = [
    "bound_gradient",
    "dreg_loss",
    "jackknife",
    "learning_signal",
    "one_more",
    "sixty_four_weights",
    "slopes",
    "snr_curve",
    "subset_bound",
    "who_is_better",
]
