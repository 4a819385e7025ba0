"""Stage 08: the variational autoencoder. s is log sigma everywhere; noise and uniforms come in as numbers.

The mistakes are those that most often pass for a VAE: the mean over pixels, grey pixels, a log variance read as a log
scale, a bound minimised, a constant before the KL."""

from lvmteach.classroom.exercises.vae.decode_grid import decode_grid
from lvmteach.classroom.exercises.vae.elbo import elbo
from lvmteach.classroom.exercises.vae.impute import impute
from lvmteach.classroom.exercises.vae.kl import kl
from lvmteach.classroom.exercises.vae.kl_by_draws import kl_by_draws
from lvmteach.classroom.exercises.vae.log_bernoulli import log_bernoulli
from lvmteach.classroom.exercises.vae.pixel_mean import pixel_mean
from lvmteach.classroom.exercises.vae.slide_name import slide_name
from lvmteach.classroom.exercises.vae.slide_repairs import slide_repairs
from lvmteach.classroom.exercises.vae.split_gap import split_gap
from lvmteach.classroom.exercises.vae.train_steps import train_steps
from lvmteach.classroom.exercises.vae.two_wrongs import two_wrongs
from lvmteach.classroom.exercises.vae.unit_use import unit_use
from lvmteach.classroom.exercises.vae.what_a_count_tells import what_a_count_tells

# In the order of the sheet.
__all__ = [
    "decode_grid",
    "elbo",
    "impute",
    "kl",
    "kl_by_draws",
    "log_bernoulli",
    "pixel_mean",
    "slide_name",
    "slide_repairs",
    "split_gap",
    "train_steps",
    "two_wrongs",
    "unit_use",
    "what_a_count_tells",
]
